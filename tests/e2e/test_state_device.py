# SPDX-License-Identifier: MIT
"""The queue on a partition, or in a plain file, instead of two files. Needs root (loop devices)."""
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

from device import Runner, wait_until
from medium import MediumCase, sh


class OnADevice(MediumCase):
    """`state_device`: the queue lies on a partition, or in a plain file as trials have it."""

    def partition(self, blocks=256, fill=b"\0"):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-medium-"))
        self.addCleanup(shutil.rmtree, folder, True)
        file = folder / "partition"
        file.write_bytes(fill * (blocks * 4096))
        return file

    def loop_device(self):
        if os.geteuid() != 0:
            self.skipTest("not root: cannot have a block device of its own")
        file = self.partition()
        made = sh("losetup", "--show", "-f", str(file))
        if made.returncode != 0:
            self.skipTest("no loop device: " + made.stderr.strip())
        self.addCleanup(sh, "losetup", "-d", made.stdout.strip())
        return made.stdout.strip()

    def works(self, place):
        service = self.service(start=False)
        device = self.device(service, device={"state_device": place, "queue_size": None})
        ids = device.send("stored by a command")
        self.assertEqual([m["text"] for m in device.queue()], ["stored by a command"])
        device.start()
        ids += device.ok("raise", "high-level").out.split()
        device.restart()
        ids += device.send("after a kill")
        device.kill()
        self.assertEqual([m["id"] for m in device.queue()], ids)
        self.assertEqual(sorted(p.name for p in device.state.iterdir()), ["lock"])
        service.start()
        device.start()
        self.one_line(device.run("run"), 75, str(device.process.pid))
        self.assertTrue(service.wait(distinct=7))
        device.wait_ended()
        self.assertEqual(service.report(expect=ids)["lost"], [])
        shutil.rmtree(device.state)  # it may lie in memory: the queue is on the device
        device.kill()
        self.assertEqual([m["id"] for m in device.queue()], ids)
        device.start()
        self.assertEqual(device.run("raise", "high-level").out, "", "the alarm is on record")
        self.assertIn(f"medium   {place}, working", device.ok("status").out)
        return device

    def test_plain_file(self):
        place = self.partition()
        device = self.works(place)
        device.stop()
        copy = device.folder / "copy of the partition"
        shutil.copy(place, copy)
        device.config.rename(device.folder / "moved.conf")  # another machine has none
        whole = json.loads(device.ok("queue", "check", copy, "--json").out)
        self.assertEqual((whole["directory"], whole["good"], whole["waiting"]), (str(copy), True, 0))
        self.assertGreater(whole["ended"], 0)
        (device.folder / "moved.conf").rename(device.config)

    def gives_way(self, place):
        """`send --wait` lives on for a while when a daemon has taken over: lock and device are the daemon's then."""
        service = self.service(start=False)
        device = self.device(service, device={"state_device": place, "queue_size": None})
        waiting = device.begin("send", "--to", "anna", "--wait", "60", "handed over")
        wait_until(lambda: (device.folder / "control").exists(), "the control socket of `send --wait`")
        wait_until(lambda: device.queue(), "its message")
        device.start()
        self.assertIsNone(waiting.poll())
        service.start()
        done = device.finish(waiting)
        self.assertEqual(done.exit, 0, done)
        self.assertEqual(service.report(expect=done.out.split())["lost"], [])
        device.stop()

    def test_two_daemons_on_one_device(self):
        # Each had a `state` and a lock of its own: both acknowledged, and wrote over what the other one had.
        place = self.partition()
        first, other = (self.device(device={"state_device": place, "queue_size": None}) for _ in range(2))
        first.start()
        held = first.send("to the one that has it")
        for words in (("run",), ("send", "--to", "anna", "x")):
            self.one_line(other.run(*words), 75, str(place), f"process {first.process.pid}: stop that first")
        self.assertEqual(other.message(held[0])["text"], "to the one that has it")  # reading goes on
        self.assertIn(held[0], other.ok("queue", "show", held[0]).out)
        other.ok("queue", "check")
        held += first.send("it goes on")
        first.kill()  # leaves no lock behind
        other.start()
        held += other.send("to the next one")
        self.one_line(first.run("run"), 75, str(place), f"process {other.process.pid}: stop that first")
        self.assertEqual(other.stop(), 0)
        first.start()
        held += first.send("to the first one again")
        said = len(first.log.lines)
        first.hang_up()  # the program that comes takes over what this one lets go of
        first.log.wait("running as", after=said)
        held += first.send("after a new start")
        self.assertEqual([m["id"] for m in first.queue()], held)

    def test_send_wait_gives_way_to_a_starting_daemon(self):
        self.gives_way(self.partition())

    def test_command_waits_while_another_one_has_the_device(self):
        # Two scripts at the same time, each with a `state` of its own.
        place = self.partition()
        devices = [self.device(device={"state_device": place, "queue_size": None}) for _ in range(2)]
        ids = []
        for _ in range(4):
            sending = [device.begin("send", "--to", "anna", "x") for device in devices]
            done = [device.finish(process) for device, process in zip(devices, sending)]
            self.assertEqual([r.exit for r in done], [0, 0], done)
            ids += [r.out.strip() for r in done]
        self.assertEqual(sorted(m["id"] for m in devices[0].queue()), sorted(ids))

    def test_block_device(self):
        place = self.loop_device()
        device = self.works(place)
        # Nobody else takes it meanwhile, whatever its `state` is.
        other = self.device(device={"state_device": place})
        self.one_line(other.run("send", "--to", "anna", "x"), 75, place, f"process {device.process.pid}: stop that")
        device.stop()
        self.gives_way(place)
        # A program that has it for itself, and no lock.
        with open(os.open(place, os.O_RDWR | os.O_EXCL), "rb"):
            self.one_line(device.run("send", "--to", "anna", "x"), 73, place, "mounted, or another process has it")

    def test_mounted_one_is_refused(self):
        place = self.loop_device()
        self.assertEqual(sh("mkfs.ext4", "-q", "-F", place).returncode, 0)
        mount = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-medium-"))
        self.assertEqual(sh("mount", place, str(mount)).returncode, 0)
        self.addCleanup(sh, "umount", "-l", str(mount))
        device = self.device(device={"state_device": place})
        for words in (("send", "--to", "anna", "x"), ("run",)):
            self.one_line(device.run(*words), 73, place, "mounted")

    def test_one_that_holds_something_else_is_refused_and_not_touched(self):
        for at in (0, 1024, 4096, 100 * 4096, 128 * 4096 - 1, 128 * 4096, 255 * 4096, 256 * 4096 - 1):
            with self.subTest(at=at):
                place = self.partition()
                with open(place, "r+b") as file:
                    file.seek(at)
                    file.write(b"\x53")
                before = place.read_bytes()
                device = self.device(device={"state_device": place})
                for words in (("send", "--to", "anna", "x"), ("raise", "high-level"), ("run",), ("check",)):
                    self.one_line(device.run(*words), 73, str(place), "something else", "dd if=/dev/zero of=")
                self.assertEqual(device.run("check").err, device.run("run").err.replace("tocsin: ", f"tocsin: {device.config}: ", 1))
                self.assertEqual(place.read_bytes(), before)
                # The command that the message names: it made a plain file larger than it was.
                command = re.search(r"`(dd .*?)`", device.run("run").err)[1]
                self.assertEqual(sh(*command.split()).returncode, 0, command)
                self.assertEqual(place.stat().st_size, len(before))
                device.send("now it is empty")

    def test_first_use_that_was_cut_off_goes_on(self):
        # The mark in the last block is all that may be half there.
        place = self.partition()
        device = self.device(device={"state_device": place})
        device.send("x")
        head = place.read_bytes()[-4096:][:40]
        for left in (8, 20, 39, 40):
            with self.subTest(left=left):
                place.write_bytes(b"\0" * (255 * 4096) + head[:left].ljust(4096, b"\0"))
                device.send("goes on")

    def test_what_cannot_serve_is_said(self):
        for place, shown in (
            (self.partition(15), "smaller than 64 KiB"),
            ("/dev/null", "neither a partition nor a plain file nor flash"),
            (tempfile.gettempdir(), "neither a partition nor a plain file"),
        ):
            with self.subTest(place=place):
                device = self.device(device={"state_device": place})
                for words in (("send", "--to", "anna", "x"), ("run",)):
                    self.one_line(device.run(*words), 73, str(place), shown)

    def test_one_that_comes_late(self):
        service = self.service()
        place = self.partition()
        away = place.with_name("away")
        place.rename(away)
        device = self.device(service, device={"state_device": place})
        device.start()
        device.log.wait("kept in memory only until it can be used")
        sent = device.run("send", "--to", "anna", "--class", "info", "in memory")
        self.assertEqual(sent.exit, 74, sent)
        away.rename(place)
        now = device.log.wait(f"message {sent.out.strip()} is now ").split()[-1]
        device.wait_state(now, "accepted")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
