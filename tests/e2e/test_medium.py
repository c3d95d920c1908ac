# SPDX-License-Identifier: MIT
"""A medium that freezes, fills up or fails while alarms come. Needs root (a loop mount) and strace.

FREEZE_S=N sets how long the medium is frozen at least; `make freeze` takes 30 s.
"""
import os
import shutil
import signal
import time
import unittest

from device import Runner, wait_until
from medium import MediumCase, sh

FREEZE_S = float(os.environ.get("FREEZE_S", "3"))


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

    def test_who_raises_what_another_still_waits_for_waits_for_the_medium_too(self):
        mount = self.medium()
        device = self.device(self.service(), state=mount / "state").start()
        device.wait_state(device.send("before")[0], "accepted")
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        first = device.begin("raise", "high-level")
        device.log.wait("high-level raised")
        self.one_line(device.run("raise", "high-level"), 74, "memory only")
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        self.assertEqual(device.finish(first).exit, 74)
        device.wait_ended()
        self.assertIn("is active already: nothing changed", device.ok("raise", "high-level").err)

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
        self.assertIn("200 ms, and so may lose", device.log.wait("set WatchdogSec= to 30 s at least"))
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

    def test_daemon_that_stops_on_a_frozen_medium_takes_nothing_that_it_would_lose(self):
        # For 8 s after SIGTERM it took messages into memory, and then threw them away.
        mount = self.medium()
        device = self.device(self.service(), state=mount / "state").start()
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        self.assertEqual(device.run("send", "--to", "anna", "--class", "critical", "before").exit, 74)
        device.process.send_signal(signal.SIGTERM)
        device.log.wait("stopping")
        refused = device.run("send", "--to", "anna", "--class", "critical", "after")
        self.one_line(refused, 75, "the daemon is stopping and the medium fails")
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        self.assertEqual(device.gone(), 0)

    def test_daemon_that_ended_on_a_frozen_medium_has_the_lock_until_its_write_is_through(self):
        # It let go of the lock, and what it had begun to write could have landed on what the next one wrote.
        mount = self.medium()
        device = self.device(self.service(), state=mount / "state").start()
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        sent = device.run("send", "--to", "anna", "--class", "critical", "before")
        self.assertEqual(sent.exit, 74)
        device.process.send_signal(signal.SIGTERM)
        device.log.wait("stopped")
        refused = device.finish(device.begin("send", "--to", "anna", "after"))
        self.one_line(refused, 75, f"is locked by process {device.process.pid}, which does not answer")
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        self.assertEqual(device.gone(), 0)
        device.send("with room for it")

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
        # What is in memory only is said as often as it is asked for.
        again = device.run("raise", "high-level")
        self.one_line(again, 74, "memory only")
        self.assertEqual([device.run("clear", "high-level").exit for _ in range(2)], [74, 74])
        self.assertEqual(service.report()["duplicates"], 0)
        if FREEZE_S >= 30:
            self.assertEqual(device.end(signal.SIGTERM), 0)  # after 8 s of trying: it does not wait for ever


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
