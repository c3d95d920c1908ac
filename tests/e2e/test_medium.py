# SPDX-License-Identifier: MIT
"""A medium that freezes, fills up or fails while alarms come. Needs root (a loop mount) and strace.

FREEZE_S=N sets how long the medium is frozen at least; `make freeze` takes 30 s.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from device import Case, Runner, wait_until

FREEZE_S = float(os.environ.get("FREEZE_S", "3"))


def sh(*words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)


class MediumCase(Case):
    def setUp(self):
        self.mounts = []

    def tearDown(self):  # before the daemon is ended: on a frozen medium it cannot end
        for mount in self.mounts:
            sh("fsfreeze", "-u", mount)

    def medium(self, megabytes=16):
        """A mounted ext4 of its own."""
        if os.geteuid() != 0:
            self.skipTest("not root: cannot mount a medium of its own")
        if shutil.which("mkfs.ext4") is None or shutil.which("fsfreeze") is None:
            self.skipTest("no mkfs.ext4 or fsfreeze (Debian: e2fsprogs, util-linux)")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-medium-"))
        self.addCleanup(shutil.rmtree, folder, True)
        image, mount = folder / "image", folder / "mount"
        mount.mkdir()
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        made = sh("mkfs.ext4", "-q", "-F", str(image))
        self.assertEqual(made.returncode, 0, made)
        mounted = sh("mount", "-o", "loop", str(image), str(mount))
        if mounted.returncode != 0:
            self.skipTest("no loop device: " + mounted.stderr.strip())
        self.addCleanup(sh, "umount", "-l", str(mount))
        self.mounts.append(str(mount))
        return mount

    def fill(self, mount):
        """Not a byte more goes onto it, and no file either."""
        with open(mount / "ballast", "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 10, 1):
                try:
                    while file.write(b"\xff" * size):
                        pass
                except OSError:
                    pass
        self.assertIn(
            "No space",
            sh("cp", "/etc/hostname", str(mount / "more")).stderr
            + sh("sh", "-c", f"yes | head -c 9999 > {mount}/more").stderr,
        )
        (mount / "more").unlink(missing_ok=True)

    def durable(self, device, ids):
        """After a kill -9 every one of these is found in the files, accepted."""
        device.kill()
        states = {m["id"]: m["state"] for m in device.queue()}
        self.assertEqual({i: states.get(i) for i in ids}, {i: "accepted" for i in ids})


    def supervisor(self):
        folder = tempfile.mkdtemp(prefix="tocsin-notify-")
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(shutil.rmtree, folder)
        self.addCleanup(ear.close)
        ear.bind(f"{folder}/notify")
        ear.setblocking(False)
        return ear

    def heard(self, ear):
        """What it was told since the last call."""
        told = []
        with contextlib.suppress(BlockingIOError):
            while True:
                told.append(ear.recv(200))
        return told


class Frozen(MediumCase):
    def test_device_with_an_alarm_about_itself_says_that_the_medium_froze_and_works_again(self):
        mount = self.medium()
        service = self.service()
        device = self.device(service, state=mount / "state", more="[alarm self]\nto = eve\n").start()
        device.wait_state(device.send("before")[0], "accepted")
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        raising = device.begin("raise", "high-level")
        texts = [
            "dev: the medium is in trouble: it does not answer, new alarms are kept in memory only",
            "dev: the medium works again",
        ]
        wait_until(lambda: any(m["text"] == texts[0] for m in service.messages()), texts[0])
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        wait_until(lambda: any(m["text"] == texts[1] for m in service.messages()), texts[1])
        self.assertIn(device.finish(raising).exit, (0, 74))  # 0.3 s after the device said so
        device.wait_ended()
        self.assertEqual(sum(m["text"] in texts for m in service.messages()), 2)

    def test_alarm_while_the_medium_is_frozen(self):
        mount = self.medium()
        service = self.service()
        supervisor = self.supervisor()
        device = self.device(service, state=mount / "state")
        device.start(env={**os.environ, "NOTIFY_SOCKET": supervisor.getsockname(), "WATCHDOG_USEC": "200000"})
        before = device.send("before")
        self.assertTrue(service.wait(distinct=1))
        device.wait_ended()
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        frozen = time.monotonic()
        self.assertEqual(self.heard(supervisor)[0], b"READY=1")
        raising = device.begin("raise", "high-level")
        self.assertTrue(service.wait(distinct=6, timeout=5), "not at the service within 5 s")
        arrived = time.monotonic() - frozen
        raised = device.finish(raising)
        self.assertEqual(
            (raised.exit, len(raised.out.split()), len(raised.err.splitlines())), (74, 5, 1), raised
        )
        self.assertIn("memory only", raised.err)
        status = device.status()
        self.assertEqual(status["medium"], "not answering")
        self.assertIn("not answering", device.ok("status").out)
        sent = device.run("send", "--to", "anna", "--class", "critical", "also in memory")
        self.assertEqual((sent.exit, len(sent.out.split()), len(sent.err.splitlines())), (74, 1, 1), sent)
        self.assertTrue(service.wait(distinct=7))
        self.assertIn(b"WATCHDOG=1", self.heard(supervisor))  # or it would be killed with what it keeps in memory
        device.log.wait("does not answer: new alarms are kept in memory only")
        time.sleep(max(0, FREEZE_S - (time.monotonic() - frozen)))  # the time is what is asked for
        lasted = time.monotonic() - frozen
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        device.log.wait("the medium works again")
        self.assertEqual(device.status()["medium"], "working")
        after = device.send("after")
        self.assertTrue(service.wait(distinct=8))
        device.wait_ended()
        ids = before + raised.out.split() + sent.out.split() + after
        self.durable(device, ids)
        device.start()
        self.assertEqual(
            device.run("raise", "high-level").out, "", "the alarm is active: the record of it is there"
        )
        report = service.report(expect=ids)
        self.assertEqual((report["lost"], report["accepted"]), ([], 8))
        self.figures(
            f"frozen for {lasted:.1f} s, alarm at the service after {arrived:.2f} s, raise and send said 74, "
            f"then all durable; "
            f"0 lost, 0 duplicates"
        )

    def test_many_alarms_while_the_medium_is_frozen_are_never_lost(self):
        mount = self.medium()
        service = self.service()
        device = self.device(
            service,
            state=mount / "state",
            more="".join(f"[alarm a{n}]\nto = anna\ntext = alarm {n}\n" for n in range(12)),
        ).start()
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        raising = [device.begin("raise", f"a{n}") for n in range(6)]
        done = [device.finish(process) for process in raising]
        self.assertEqual({r.exit for r in done}, {74}, done)
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        device.log.wait("the medium works again")
        self.assertTrue(service.wait(distinct=6))
        device.wait_ended()
        self.durable(device, [r.out.strip() for r in done])
        self.assertEqual(service.report()["duplicates"], 0)

    def test_start_on_a_frozen_medium(self):
        mount = self.medium()
        service = self.service()
        device = self.device(service, state=mount / "state")
        before = device.send("stored in good days")
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        device.start()
        device.log.wait("does not answer")
        self.assertEqual(device.status()["medium"], "not answering")
        raised = device.run("raise", "high-level")
        self.assertEqual((raised.exit, len(raised.out.split())), (74, 5), raised)
        wait_until(
            lambda: sum(m["text"] == "dev: sump level high" for m in service.messages()) == 5,
            "the alarm at the service",
        )
        self.one_line(device.run("run"), 75, str(device.process.pid))  # the lock is held all the same
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        device.log.wait("the medium works again")
        self.assertTrue(service.wait(distinct=6))
        device.wait_ended()
        self.durable(device, before + raised.out.split())
        self.assertEqual(service.report()["duplicates"], 0)


class Full(MediumCase):
    def test_accepted_alarm_is_never_lost_on_a_full_file_system(self):
        mount = self.medium()
        service = self.service(start=False)
        device = self.device(service, state=mount / "state").start()
        ids = device.send("while there was room")
        self.fill(mount)
        ids += device.ok("raise", "high-level").out.split()
        ids += device.send("no room left")
        device.restart()
        ids += device.ok("clear", "high-level").out.split()
        device.kill()
        ids += device.send("without a daemon")
        device.start()
        service.start()
        self.assertTrue(service.wait(distinct=len(ids)))
        device.wait_ended()
        report = service.report(expect=ids)
        self.assertEqual((report["lost"], report["accepted"]), ([], 13))
        self.durable(device, ids)
        self.figures("13 messages accepted on a full file system, two kills: 0 lost, 0 duplicates")

    def test_state_cannot_be_made_on_a_full_file_system(self):
        mount = self.medium()
        device = self.device(self.service(), state=mount / "state")
        self.fill(mount)
        for words in (("send", "--to", "anna", "no room"), ("raise", "high-level")):
            self.one_line(device.run(*words), 73, str(mount / "state"), "o space left")
        (mount / "ballast").unlink()
        device.start()  # what was begun is no hindrance
        device.wait_state(device.send("room again")[0], "accepted")

    def test_token_stays_as_it_was_on_a_full_file_system(self):
        mount = self.medium()
        device = self.device(self.service(), stream={"token_file": mount / "sms.token"})
        device.ok("token", "set", "sms", "-", stdin="first-tkn-77101\n")
        self.fill(mount)
        self.one_line(device.run("token", "set", "sms", "-", stdin="x" * 512), 73, "o space left")
        self.assertEqual((mount / "sms.token").read_text(), "first-tkn-77101\n")
        self.assertEqual([p.name for p in mount.iterdir() if p.name.startswith("sms")], ["sms.token"])


class Absent(MediumCase):
    """A daemon that begins without its state, and takes it as soon as that can be used."""

    def in_memory(self, device, service, *words):
        """What holds for as long as there is no state; returns the ids of six that arrive, and of one that waits."""
        device.log.wait("kept in memory only until it can be used")
        status = device.status()
        self.assertEqual(status["medium"], "failing", status)
        for word in words:
            self.assertIn(word, status["medium_reason"])
            self.assertIn(word, device.ok("status").out)
        before = len(service.messages())
        sent = device.run("send", "--to", "anna", "sent from memory")
        self.assertEqual((sent.exit, len(sent.out.split()), len(sent.err.splitlines())), (74, 1, 1), sent)
        self.assertIn("memory only", sent.err)
        raised = device.run("raise", "high-level")
        self.assertEqual((raised.exit, len(raised.out.split()), len(raised.err.splitlines())), (74, 5, 1), raised)
        self.assertTrue(service.wait(distinct=before + 6), "not sent from memory")
        # An info message is never sent without a record.
        waits = device.run("send", "--to", "ben", "--class", "info", "waits in memory")
        self.assertEqual((waits.exit, len(waits.out.split())), (74, 1), waits)
        wait_until(lambda: device.status()["memory_only"] == 1, "one message that only memory has")
        self.assertIn("1 in memory only", device.ok("status").out)
        return sent.out.split() + raised.out.split(), waits.out.strip()

    def taken_over(self, device, service, waits, expected):
        """The state can be used again: what waited in memory and in the files arrives, each message once."""
        device.log.wait("can be used again")
        now = device.log.wait(f"message {waits} is now ").split()[-1]
        self.assertNotEqual(now, waits)
        device.log.wait("the medium works again")
        self.assertTrue(service.wait(distinct=expected))
        device.wait_ended()
        status = device.status()
        self.assertEqual((status["medium"], status["medium_reason"], status["memory_only"]), ("working", None, 0))
        after = device.send("on record again")
        device.wait_state(after[0], "accepted")
        self.durable(device, [now, *after])
        report = service.report()
        self.assertEqual((report["duplicates"], report["accepted"]), (0, expected + 1))
        device.start()
        self.assertEqual(device.run("raise", "high-level").out, "", "its alarm is on record as active")
        return now

    def test_state_that_is_not_mounted_yet(self):
        # The daemon ended with 73: a device whose disk came late, or never, told nobody anything.
        service = self.service()
        mount = self.medium()
        (mount / "of").mkdir()
        device = self.device(service, state=mount / "of" / "state")
        before = device.send("stored in good days")
        self.assertEqual(sh("umount", str(mount)).returncode, 0)
        device.start()
        self.assertIn("0 messages wait", device.log.wait("running as"))
        ids, waits = self.in_memory(device, service, "no such file")
        # `queue list` said that the queue is empty, beside a message that only the daemon's memory had.
        listed = device.ok("queue", "list")
        self.assertEqual(listed.err, "")
        self.assertRegex(listed.out, rf"(?m)^{waits}  queued  info  \d+  waits in memory\n    in memory only: .")
        self.assertEqual({m["id"]: m["state"] for m in device.queue()}, {**{i: "accepted" for i in ids}, waits: "queued"})
        self.assertEqual({m["memory_only"] for m in device.queue()}, {True})
        for name in (waits, waits.split("-")[-1]):
            shown = json.loads(device.ok("queue", "show", name, "--json").out)
            self.assertEqual((shown["id"], shown["text"], shown["memory_only"], shown["life"]), (waits, "waits in memory", True, []))
        self.assertIn("in memory only: a power cut would lose it", device.ok("queue", "show", waits).out)
        self.one_line(device.run("queue", "show", "99"), 65, "no message 99")
        self.one_line(device.run("queue", "purge"), 74, "nothing is forgotten")
        self.one_line(device.run("run"), 75, "another tocsin")  # there is no lock, but a socket
        self.assertEqual(sh("mount", "-o", "loop", str(mount.parent / "image"), str(mount)).returncode, 0)
        now = self.taken_over(device, service, waits, 8)
        self.one_line(device.run("run"), 75, str(device.process.pid))
        arrived = {m["internal_id"] for m in service.messages()}
        self.assertTrue({*ids, now, *before} < arrived)
        self.figures("begun without its state: 7 messages in memory (6 sent from there), 1 found later: 0 lost")

    def test_read_only_file_system_that_is_writable_again(self):
        service = self.service()
        mount = self.medium()
        device = self.device(service, state=mount / "state")
        device.send("stored in good days")
        self.assertEqual(sh("mount", "-o", "remount,ro", str(mount)).returncode, 0)
        # A command by itself keeps nothing in memory: it says so, and why.
        self.one_line(device.run("send", "--to", "anna", "not stored"), 73, "read-only")
        device.start()
        _, waits = self.in_memory(device, service, "read-only")
        on_record = [m["text"] for m in device.queue() if not m["memory_only"]]
        self.assertEqual(on_record, ["stored in good days"])
        self.assertEqual(sh("mount", "-o", "remount,rw", str(mount)).returncode, 0)
        self.taken_over(device, service, waits, 8)

    def test_full_file_system_that_gets_room(self):
        service = self.service()
        mount = self.medium()
        device = self.device(service, state=mount / "state")
        self.fill(mount)
        device.start()
        _, waits = self.in_memory(device, service, "no space left")
        (mount / "ballast").unlink()
        self.taken_over(device, service, waits, 7)

    def test_alarm_that_nobody_knows_is_cleared_when_it_is_known(self):
        service = self.service()
        mount = self.medium()
        device = self.device(service, state=mount / "state").start()
        device.ok("raise", "high-level")
        device.wait_ended()
        device.stop()
        self.assertEqual(sh("mount", "-o", "remount,ro", str(mount)).returncode, 0)
        device.start()
        device.log.wait("kept in memory only until it can be used")
        self.one_line(device.run("clear", "high-level"), 74, "high-level", "cleared when the medium works again")
        self.assertEqual(sh("mount", "-o", "remount,rw", str(mount)).returncode, 0)
        device.log.wait("the medium works again")
        self.assertTrue(service.wait(distinct=10))
        device.wait_ended()
        self.assertEqual([a["active"] for a in device.status()["alarms"]], [False])
        self.assertEqual(sum("normal again" in m["text"] for m in service.messages()), 5)

    def test_nothing_starts_anew_while_that_would_lose_a_message(self):
        device = self.device(self.service(start=False))
        device.write_config(device={"state": device.folder / "none" / "state"})
        device.start()
        sent = device.run("send", "--to", "anna", "in memory")
        self.assertEqual(sent.exit, 74, sent)
        device.hang_up()
        device.log.wait("not started anew: 1 message is in memory only")
        (device.folder / "none").mkdir()
        now = device.log.wait(f"message {sent.out.strip()} is now ").split()[-1]
        device.log.wait("the medium works again")
        device.hang_up()
        device.log.wait("starting anew")
        self.assertEqual(device.message(now)["state"], "queued")

    def test_stop_says_what_is_lost(self):
        device = self.device(self.service(start=False))
        device.write_config(device={"state": device.folder / "none" / "state"})
        device.start()
        self.assertEqual(device.run("send", "--to", "anna,ben", "in memory").exit, 74)
        self.assertEqual(device.stop(), 0)
        self.assertIn("2 messages were in memory only", device.log.wait("lost now"))


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

    def test_block_device(self):
        place = self.loop_device()
        device = self.works(place)
        # Nobody else takes it meanwhile, whatever its `state` is.
        device.write_config(
            device={"state_device": place, "state": device.folder / "other", "control": device.folder / "other-control"}
        )
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
                for words in (("send", "--to", "anna", "x"), ("raise", "high-level"), ("run",)):
                    self.one_line(device.run(*words), 73, str(place), "something else", "dd if=/dev/zero of=")
                self.assertEqual(place.read_bytes(), before)
                sh("dd", "if=/dev/zero", f"of={place}", "bs=4096", "count=256", "conv=notrunc")
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
            ("/dev/null", "bare flash"),
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


class OddFiles(MediumCase):
    def test_file_that_is_missing_or_short_is_made_good_and_said(self):
        for which in (0, 1):
            for left in (None, 0, 40_000):
                with self.subTest(which=which, left=left):
                    device = self.device(device={"queue_size": "256K"})
                    device.send("stored")
                    before = device.queue()
                    file = device.state / f"queue.{which}"
                    # The file that holds the queue keeps what it has, as far as it is there.
                    holds = device.state / f"queue.{which}", device.state / f"queue.{1 - which}"
                    in_use = b"stored" in holds[0].read_bytes()
                    file.unlink() if left is None else os.truncate(file, left)
                    sent = device.run("send", "--to", "anna", "after it")
                    self.assertEqual(sent.exit, 0, sent)
                    self.assertIn(f"queue.{which} was " + ("missing" if left is None else ""), sent.err)
                    self.assertEqual([f.stat().st_size for f in holds], [128 << 10] * 2)
                    texts = [m["text"] for m in device.queue()]
                    self.assertEqual(texts, (["stored"] if left == 40_000 or not in_use else []) + ["after it"])
                    self.assertTrue(before)


class Removed(MediumCase):
    def taken_away(self, take_away):
        """A daemon with one message that waits; then its files are taken away, and it goes over to new ones."""
        service = self.service()
        device = self.device(service).start()
        device.wait_state(device.send("before")[0], "accepted")
        service.stop()
        waits = device.send("waited before")
        take_away(device)
        self.one_line(device.run("raise", "no-such-alarm"), 65)
        sent = device.run("send", "--to", "anna", "in memory")
        self.assertEqual((sent.exit, len(sent.out.split()), len(sent.err.splitlines())), (74, 1, 1), sent)
        device.log.wait("fails (no such file")
        return service, device, waits + sent.out.split()

    def test_state_that_is_removed_under_a_daemon_is_made_anew_and_nothing_is_lost(self):
        # It wrote on into files that nobody would find again, and every send said that it was stored; then it said
        # so, and stayed in memory until it was started anew.
        def rename(device):
            device.state.rename(device.folder / "renamed")

        for name, take_away in (
            ("directory removed", lambda device: shutil.rmtree(device.state)),
            ("both files removed", lambda device: [(device.state / f"queue.{n}").unlink() for n in (0, 1)]),
            ("everything in it removed", lambda device: [file.unlink() for file in device.state.iterdir()]),
            ("directory renamed", rename),
            ("another directory in its place", lambda device: (rename(device), device.state.mkdir())),
        ):
            with self.subTest(name):
                service, device, ids = self.taken_away(take_away)
                device.log.wait("were gone: they are made anew")
                device.log.wait("the medium works again")
                self.assertEqual({m["id"]: m["memory_only"] for m in device.queue()}, {i: False for i in ["dev-" + ids[0].split("-")[1] + "-1", *ids]})
                self.assertEqual(sorted(p.name for p in device.state.iterdir()), ["lock", "queue.0", "queue.1"])
                self.assertEqual({p.stat().st_size for p in device.state.glob("queue.*")}, {256 << 10})
                device.restart()
                self.assertEqual([m["id"] for m in device.queue() if m["state"] == "queued"], ids)
                service.start()
                for identifier in ids + device.send("after"):
                    device.wait_state(identifier, "accepted")
                report = service.report()
                self.assertEqual((report["duplicates"], report["accepted"]), (0, 4))
                # Both files are new ones: a turn to either of them works.
                for _ in range(3):
                    device.ok("queue", "purge")
                    device.send("goes on")
                self.assertEqual(device.status()["medium"], "working")

    def test_one_file_that_is_removed_under_a_daemon_is_made_anew(self):
        for which in (0, 1):
            with self.subTest(which=which):
                service = self.service()
                device = self.device(service).start()
                device.send("before")
                (device.state / f"queue.{which}").unlink()
                wait_until(lambda: (device.run("queue", "purge"), (device.state / f"queue.{which}").exists())[1], "made anew")
                device.log.wait("the medium works again")
                after = device.send("after")
                self.assertTrue(service.wait(distinct=2))
                device.wait_ended()
                self.durable(device, after)

    def test_state_that_was_replaced_by_one_that_holds_something_is_not_touched(self):
        def replace(device):
            device.state.rename(device.folder / "renamed")
            shutil.copytree(device.folder / "renamed", device.state)

        service, device, ids = self.taken_away(replace)
        before = {p.name: p.read_bytes() for p in device.state.iterdir()}
        device.log.wait("queue.0 was replaced by a file that holds something: it is not touched")
        self.assertIn("it is not touched", device.status()["medium_reason"])
        self.assertEqual(device.status()["memory_only"], 2)
        self.assertEqual([m["id"] for m in device.queue() if m["memory_only"]][-2:], ids)
        self.assertEqual({p.name: p.read_bytes() for p in device.state.iterdir()}, before)
        service.start()
        self.assertTrue(service.wait(distinct=3), "not sent from the files that were there")
        # Away with it, and it goes on as where nothing lay.
        device.state.rename(device.folder / "moved away")
        device.run("send", "--to", "anna", "after")
        device.log.wait("were gone: they are made anew")
        device.log.wait("the medium works again")
        self.assertTrue(service.wait(distinct=4))
        device.wait_ended()
        self.assertEqual(service.report()["duplicates"], 0)

    def test_files_that_are_cut_off_under_a_daemon_are_said_and_used_again(self):
        service = self.service()
        device = self.device(service).start()
        device.wait_state(device.send("before")[0], "accepted")
        for n in (0, 1):
            os.truncate(device.state / f"queue.{n}", 0)
        self.assertEqual(device.run("send", "--to", "anna", "while it is cut off").exit, 74)
        device.log.wait("the medium works again")
        after = device.send("after")
        self.assertTrue(service.wait(distinct=3))
        device.wait_ended()
        self.durable(device, after)


class Failing(MediumCase):
    def failing(self, service, when, call="fdatasync", error="EIO"):
        if shutil.which("strace") is None:
            self.skipTest("no strace")
        device = self.device(service)
        device.start()
        device.wait_state(device.send("before")[0], "accepted")
        device.stop()
        trace = device.folder / "trace"
        # -D: strace is the grandchild, so that signals and exit status are the daemon's own.
        device.start(
            program=(
                "strace",
                "-D",
                "-f",
                "-qq",
                "-o",
                str(trace),
                "-e",
                f"trace={call}",
                "-e",
                f"inject={call}:error={error}:when={when}",
            )
        )
        return device, trace

    def survive(self, when, call, error):
        service = self.service()
        device, trace = self.failing(service, when, call, error)
        ids = []
        exits = []
        for n in range(8):
            sent = device.run("send", "--to", "anna", f"message {n}")
            exits.append(sent.exit)
            self.assertIn(sent.exit, (0, 74), sent)
            ids += sent.out.split()
            self.assertEqual(len(sent.out.split()), 1, sent)
            device.wait_state(ids[-1], "accepted")
        wait_until(lambda: device.status()["medium"] == "working", "the medium works again")
        self.assertEqual(trace.read_text().count("INJECTED"), 1, trace.read_text())
        self.durable(device, ids)
        device.start()
        self.durable(device, ids)
        report = service.report(expect=ids)
        self.assertEqual((report["lost"], report["duplicates"]), ([], 0))
        self.figures(
            f"{call} number {when} failed with {error}: 9 messages, 0 lost, 0 duplicates, exits {exits}"
        )

    def test_one_sync_fails_while_messages_come(self):
        self.survive(3, "fdatasync", "EIO")

    def test_one_write_fails_while_messages_come(self):
        self.survive(4, "pwrite64", "EIO")

    def test_one_write_finds_no_space(self):
        self.survive(5, "pwrite64", "ENOSPC")

    def test_medium_that_fails_for_good_still_sends_and_says_so(self):
        service = self.service()
        device, _ = self.failing(service, "3+")
        wait_until(
            lambda: device.run("send", "--to", "anna", "until it fails").exit == 74, "a send that says so"
        )
        raised = device.run("raise", "high-level")
        self.assertEqual(
            (raised.exit, len(raised.out.split()), len(raised.err.splitlines())), (74, 5, 1), raised
        )
        self.assertTrue(service.wait(distinct=7))
        device.log.wait("fails (")
        self.assertEqual(device.status()["medium"], "failing")
        self.assertEqual(service.report()["duplicates"], 0)
        if FREEZE_S >= 30:
            self.assertEqual(device.end(signal.SIGTERM), 0)  # after 8 s of trying: it does not wait for ever


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
