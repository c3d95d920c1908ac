# SPDX-License-Identifier: MIT
"""Tokens and state directories that cannot be used: one clear line, the right status, nothing lost."""
import fcntl
import os
import shutil
import subprocess
import unittest

from device import TOCSIN, TOKEN, Case, Runner


class Token(Case):
    def test_surroundings_are_taken_off(self):
        service = self.service()
        for raw in (
            TOKEN,
            TOKEN + "\r\n",
            TOKEN + "\n\n",
            f" \t{TOKEN} \t",
            f"\ufeff{TOKEN}\r\n",
            f"\ufeff \r\n{TOKEN}\r\n",
        ):
            with self.subTest(raw=raw):
                device = self.device(service)
                device.token_file.unlink()
                device.ok("token", "set", "sms", "-", stdin=raw)
                self.assertEqual(device.token_file.read_text(), TOKEN + "\n")
                device.token_file.write_text(raw)  # as an editor would leave it
                device.start()
                device.wait_state(device.send("hello")[0], "accepted")
                device.stop()

    def test_what_cannot_be_a_token_changes_nothing(self):
        device = self.device()
        for raw, shown in (
            (f"{TOKEN[:5]} {TOKEN[5:]}", "inside"),
            ("", "empty"),
            (" \r\n", "empty"),
            ("\ufeff", "empty"),
            ("x" * 513, "512"),
            ("x" * 5000, "512"),
            ("caf\u00e9", "ASCII"),
            ("a\x01b", "control"),
            ("first\nsecond", "inside"),
        ):
            with self.subTest(raw=raw[:20]):
                self.one_line(device.run("token", "set", "sms", "-", stdin=raw), 65, shown)
                self.assertEqual(device.token_file.read_text(), TOKEN + "\n")
        self.one_line(device.run("token", "set", "sms", device.folder / "none.txt"), 65, "none.txt")

    def test_file_that_cannot_be_used(self):
        service = self.service()
        device = self.device(service)
        for name, spoil, shown in (
            ("missing", device.token_file.unlink, "token set"),
            (
                "readable by others",
                lambda: (device.write_token(), device.token_file.chmod(0o644)),
                "chmod 600",
            ),
            ("writable by the group", lambda: device.token_file.chmod(0o620), "chmod 600"),
            ("empty", lambda: (device.token_file.write_text("\n"), device.token_file.chmod(0o600)), "empty"),
            ("two words", lambda: device.token_file.write_text("two words"), "inside"),
        ):
            with self.subTest(name):
                spoil()
                self.one_line(device.run("check"), 78, str(device.token_file), shown)
                self.one_line(device.run("token", "show", "sms"), 78, str(device.token_file), shown)
                waited = device.run("send", "--to", "anna", "--wait", "1", f"kept: {name}")
                self.assertEqual((waited.exit, len(waited.out.split())), (78, 1), waited)
                self.assertIn(shown, waited.err.splitlines()[-1])
        device.start()
        device.log.wait("held")
        self.assertEqual([m["state"] for m in device.queue()], 5 * ["queued"])
        device.ok("token", "set", "sms", "-", stdin=TOKEN)
        self.assertTrue(service.wait(distinct=5))

    def test_folder_that_does_not_exist(self):
        device = self.device(stream={"token_file": "/nonexistent-folder/sms.token"})
        self.one_line(device.run("token", "set", "sms", "-", stdin=TOKEN), 73, "/nonexistent-folder")


class State(Case):
    def nobody(self):
        if os.geteuid() != 0:
            return ()
        if shutil.which("setpriv") is None:
            self.skipTest("no setpriv (Debian: util-linux)")
        return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

    def test_directory_that_cannot_be_written(self):
        device = self.device()
        device.folder.chmod(0o755)
        device.state.mkdir()
        device.state.chmod(0o555)
        device.config.chmod(0o644)
        program = self.nobody()
        binary = device.folder / "tocsin"  # where that user may run it
        shutil.copy(TOCSIN, binary)
        binary.chmod(0o755)
        for words in (["send", "--to", "anna", "x"], ["raise", "high-level"], ["run"]):
            done = subprocess.run(
                [*program, str(binary), "-c", str(device.config), *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (73, "", 1), done)
            self.assertIn(str(device.state), done.stderr)
            self.assertIn("ermission denied", done.stderr)
        self.assertEqual(list(device.state.iterdir()), [])

    def test_a_file_or_nothing_in_the_way(self):
        for state, shown in (("file", "ot a directory"), ("none/deeper", "o such file")):
            with self.subTest(state):
                device = self.device()
                (device.folder / "file").write_text("mine\n")
                device.write_config(device={"state": device.folder / state})
                for words in (["send", "--to", "anna", "x"], ["raise", "high-level"]):
                    self.one_line(device.run(*words), 73, str(device.folder / state), shown)
                if state == "file":
                    self.one_line(device.run("run"), 73, str(device.folder / state), shown)
                else:  # what is not there may come: see test_state.py
                    device.start()
                    self.assertIn(shown, device.log.wait("kept in memory only until it can be used"))
                    device.stop()
                self.assertEqual((device.folder / "file").read_text(), "mine\n")

    def test_lock_held_by_a_daemon(self):
        service = self.service()
        device = self.device(service).start()
        second = device.run("run")
        self.one_line(second, 75, str(device.process.pid))
        device.wait_state(device.send("the first still works")[0], "accepted")

    def test_lock_held_by_somebody_who_does_not_answer(self):
        device = self.device()
        device.send("make the files")
        before = device.queue()
        with open(device.state / "lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            processes = [
                device.begin(*words)
                for words in (["send", "--to", "anna", "x"], ["raise", "high-level"], ["run"])
            ]
            for process in processes:
                self.one_line(device.finish(process), 75, str(device.state))
            self.assertEqual(device.queue(), before)  # reading needs no lock
        device.send("free again")

    def test_unknown_line(self):
        device = self.device(alarm={"gpio": "NO_SUCH_LINE"})
        result = device.run("run")
        self.one_line(result, 78, "high-level")
        device.write_config(alarm={"gpio": "gpiochip97:3"})
        self.one_line(device.run("run"), 78, "gpiochip97")

    def test_full_queue(self):
        for daemon in (False, True):
            with self.subTest(daemon=daemon):
                service = self.service(start=False)
                device = self.device(service, device={"queue_size": "64K"})
                if daemon:
                    device.start()
                ids = []
                for n in range(200):
                    result = device.run("send", "--class", "critical", "--to", "anna", f"{n} " + "y" * 600)
                    if result.exit != 0:
                        break
                    ids += result.out.split()
                self.one_line(result, 75, "full", "nothing was stored")
                self.one_line(device.run("raise", "high-level"), 75, "full")
                self.assertEqual([m["id"] for m in device.queue()], ids)
                self.assertFalse(device.status()["alarms"], "an alarm that was refused is not active")
                service.start()
                if not daemon:
                    device.start()
                device.wait_ended()
                self.assertEqual(service.report(expect=ids)["lost"], [])
                device.ok("raise", "high-level")  # room again
                self.assertTrue(service.wait(distinct=len(ids) + 5))
                self.figures(
                    f"64K queue, {'a' if daemon else 'no'} daemon: {len(ids)} messages of 600 B, then 75; "
                    f"all {len(ids)} arrived"
                )

    def test_full_queue_gives_up_a_lower_class_for_an_alarm(self):
        for daemon in (False, True):
            with self.subTest(daemon=daemon):
                service = self.service(start=False)
                device = self.device(service, device={"queue_size": "64K"})
                if daemon:
                    device.start()
                ids = []
                while (result := device.run("send", "--to", "anna", "y" * 600)).exit == 0:
                    ids += result.out.split()
                alarm = device.ok("raise", "high-level").out.split()
                states = {m["id"]: m for m in device.queue()}
                evicted = [i for i in ids if states[i]["state"] == "evicted"]
                self.assertEqual(evicted, ids[: len(evicted)], "the oldest first")
                self.assertIn(len(evicted), range(1, 5))
                self.assertIn("higher class", states[evicted[0]]["reason"])
                service.start()
                if not daemon:
                    device.start()
                device.wait_ended()
                arrived = {m["internal_id"] for m in service.messages()}
                self.assertEqual(arrived, {*ids, *alarm} - {*evicted})

    def test_control_socket_that_cannot_be_made_is_said_and_delivery_goes_on(self):
        service = self.service()
        device = self.device(service, device={"control": "/proc/tocsin-cannot-be-here"})
        device.send("stored before")
        device.start()
        device.log.wait("other commands cannot talk to this process")
        self.assertTrue(service.wait(distinct=1))


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
