# SPDX-License-Identifier: MIT
"""A state directory that is not there yet, cannot be used, has odd files, or goes away. Needs root (a loop mount)."""
import json
import os
import resource
import shutil
import subprocess
import unittest

from device import Runner, wait_until
from medium import MediumCase, sh


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

    def test_limit_on_the_size_of_files_below_the_queue(self):
        # SIGXFSZ ended the daemon, and `send`, without a word.
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited))

        service = self.service()
        device = self.device(service)
        said = subprocess.run(
            device.command("send", "--to", "anna", "x"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            preexec_fn=limit,
        )
        self.assertEqual((said.returncode, said.stdout, len(said.stderr.splitlines())), (73, "", 1), said)
        self.assertIn("(ulimit -f)", said.stderr)
        device.start(preexec_fn=limit)
        _, waits = self.in_memory(device, service, "(ulimit -f)", "raise that limit")
        resource.prlimit(device.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        self.taken_over(device, service, waits, 7)

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
        self.assertEqual(
            listed.err,
            "tocsin: the daemon cannot use its state and has everything in memory only: see `tocsin status`\n",
        )
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

    def test_orders_while_there_is_no_state_say_what_became_of_them(self):
        device = self.device(self.service())
        device.write_config(device={"state": device.folder / "none" / "state"})
        device.start()
        sent = device.run("send", "--to", "anna", "--class", "critical", "--wait", "60", "the service has it")
        self.assertEqual((sent.exit, len(sent.out.split()), sent.err), (0, 1, ""), sent)
        kept = device.run("send", "--to", "anna", "--class", "info", "--wait", "1", "needs a record first")
        self.assertEqual((kept.exit, len(kept.out.split())), (74, 1), kept)
        self.assertIn("kept in memory only", kept.err)
        self.assertIn("its sending on record first", device.message(kept.out.strip())["reason"])
        dropped = device.run("queue", "drop", kept.out.strip())
        self.assertEqual(dropped.exit, 74, dropped)
        self.assertIn("dropped in memory only, a power cut would bring it back", dropped.err)

    def test_read_only_file_system_that_is_writable_again(self):
        service = self.service()
        mount = self.medium()
        device = self.device(service, state=mount / "state")
        [stored] = device.send("stored in good days")
        self.assertEqual(sh("mount", "-o", "remount,ro", str(mount)).returncode, 0)
        # A command by itself keeps nothing in memory: it says so, and why.
        self.one_line(device.run("send", "--to", "anna", "not stored"), 73, "read-only")
        device.start()
        _, waits = self.in_memory(device, service, "read-only")
        on_record = [(m["text"], m["reason"]) for m in device.queue() if not m["memory_only"]]
        self.assertEqual(on_record, [("stored in good days", "it is in files that the daemon cannot use now: see `tocsin status`")])
        # Two messages have the number 1: `drop 1` took the one in memory, and no name reached the other.
        [other] = [m["id"] for m in device.queue() if m["memory_only"] and m["id"].endswith("-1")]
        self.assertTrue(stored.endswith("-1") and stored != other, (stored, other))
        for order in ("drop", "retry"):
            self.one_line(device.run("queue", order, "1"), 65, f"{other} in memory and {stored} in files that the daemon")
            self.one_line(device.run("queue", order, stored), 74, f"message {stored} is in files that the daemon cannot use now")
            self.one_line(device.run("queue", order, "77"), 65, "there is no message 77")
        self.assertEqual(device.run("queue", "retry", waits).exit, 74)
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
        ids = device.run("send", "--to", "anna,ben", "in memory").out.split()
        self.assertEqual(len(ids), 2)
        self.assertEqual(device.stop(), 0)
        line = device.log.wait("lost now")
        self.assertIn("2 messages were in memory only", line)
        self.assertTrue(line.endswith("lost now: " + ", ".join(ids)), line)  # it was said how many, not which

    def test_stop_names_the_first_of_many_that_are_lost(self):
        device = self.device(self.service(start=False))
        device.write_config(device={"state": device.folder / "none" / "state"})
        device.start()
        ids = [device.run("send", "--to", "oncall", f"in memory {n}").out.split() for n in range(4)]
        self.assertEqual(device.stop(), 0)
        first = ", ".join(sum(ids, [])[:8])
        self.assertTrue(device.log.wait("lost now").endswith(f"lost now: {first} and 12 more"), device.log.lines)


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

    def whole_with(self, device, waiting):
        checked = device.run("queue", "check", "--json")
        return checked.exit == 0 and json.loads(checked.out)["waiting"] == waiting

    def test_files_that_were_removed_under_a_daemon_are_asked_of_it_and_made_anew_at_once(self):
        # Until something was written, "the queue is empty", "no queue yet" and "what only it had is lost" were said
        # of messages that the daemon had, and a power cut would have lost them.
        ways = {
            "queue.0": lambda device: (device.state / "queue.0").unlink(),
            "queue.1": lambda device: (device.state / "queue.1").unlink(),
            "queue.0 and queue.1": lambda device: shutil.rmtree(device.state),
        }
        for asked in (["list"], ["list", "--json"], ["show", "2"], ["check"]):
            for gone, take_away in ways.items():
                with self.subTest(asked=asked, gone=gone):
                    service = self.service()
                    device = self.device(service).start()
                    device.wait_state(device.send("arrived")[0], "accepted")
                    service.stop()
                    [waits] = device.send("waits")
                    device.log.wait("backing off")
                    take_away(device)
                    result = device.run("queue", *asked)
                    if asked == ["check"]:
                        self.assertEqual((result.exit, len(result.out.splitlines())), (65, 1), result)
                        self.assertIn(f"{device.state}: {gone} ", result.out)
                        self.assertIn("the daemon has files", result.out)
                    else:
                        self.assertEqual(result.exit, 0, result)
                        self.assertIn(waits, result.out)
                        self.assertNotIn("empty", result.out + result.err)
                    if asked == ["list", "--json"]:
                        told = [json.loads(line) for line in result.out.splitlines()]
                        self.assertEqual([m["state"] for m in told], ["accepted", "queued"])
                        self.assertEqual([m["memory_only"] for m in told], [gone != "queue.1"] * 2)
                    device.log.wait("were gone: they are made anew")
                    # Files of zeros are whole, too, and there before what the daemon had is in them.
                    wait_until(lambda: self.whole_with(device, waiting=1), "whole again, with what waits")
                    device.restart()
                    self.assertEqual([m["state"] for m in device.queue()], ["accepted", "queued"])
                    self.assertEqual(json.loads(device.ok("queue", "check", "--json").out)["missing"], None)

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
        device.log.wait("queue.0 was replaced by a file that holds something, which is not touched")
        self.assertIn("which is not touched", device.status()["medium_reason"])
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


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
