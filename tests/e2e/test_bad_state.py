# SPDX-License-Identifier: MIT
"""Tokens and state directories that cannot be used: one clear line, the right status, nothing lost."""
import fcntl
import collections
import json
import os
import shutil
import socket
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
        self.one_line(device.run("token", "set", "sms", device.folder / "none.txt"), 65,
                      "cannot read the file that was named: no such file")

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


class Checked(Case):
    """`tocsin check` says of the state what `tocsin run` would find, and changes nothing."""

    def state_line(self, device):
        checked = device.ok("check")
        [good, line] = checked.out.splitlines()
        self.assertEqual((good, checked.err), (f"{device.config}: good", ""), checked)
        found = json.loads(device.ok("check", "--json").out)
        self.assertEqual(found["good"], True)
        self.assertRegex(line, r"\d+ [KM]iB free")  # which changes from one moment to the next
        start = f"state {device.state}: "
        self.assertTrue(line.startswith(start) and found["state"].startswith(start), (line, found))
        return line[len(start):]

    def test_state_that_can_be_used(self):
        device = self.device()
        self.assertRegex(self.state_line(device), rf"^not there yet, made by `tocsin run` in {device.folder}; on \S+, ")
        self.assertFalse(device.state.exists())
        device.state.mkdir()
        self.assertIn(" free, the queue files will take 512 KiB", self.state_line(device))
        self.assertEqual(list(device.state.iterdir()), [])
        device.send("stored")
        before = {p.name: p.read_bytes() for p in device.state.iterdir()}
        self.assertRegex(self.state_line(device), r"^on \S+, \d+ [KM]iB free, has the queue files$")
        self.assertEqual({p.name: p.read_bytes() for p in device.state.iterdir()}, before)

    def test_state_in_memory_is_said(self):
        if os.geteuid() != 0:
            self.skipTest("not root: cannot mount a tmpfs")
        device = self.device()
        device.state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", device.state], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", device.state], check=False)
        self.assertRegex(self.state_line(device), r"^on tmpfs, 10\d\d KiB free, .*; that is memory: when the power goes")
        for room, words in ((200, "they will be smaller"), (60, None)):
            (device.state / "large").write_bytes(b"x" * ((1024 - room) << 10))
            if words:
                self.assertIn(words, self.state_line(device))
            else:
                self.one_line(device.run("check"), 73, str(device.state), "free some space")
        subprocess.run(["mount", "-o", "remount,ro", device.state], check=True)
        self.one_line(device.run("check"), 73, str(device.state), "the file system is read-only")
        found = json.loads(device.run("check", "--json").out)
        self.assertEqual(found["good"], False)
        self.assertIn("the file system is read-only", found["state"])

    def test_control_socket_that_cannot_be_made(self):
        # All of these were "good", and the daemon then ran without a socket.
        device = self.device()
        (device.folder / "file").write_text("mine\n")
        for control, shown in (
            (device.folder / "none" / "deeper" / "control", "cannot make the control socket "),
            (device.folder / "file" / "control", "cannot make the control socket "),
            (device.folder / "file", "is not a socket"),
        ):
            with self.subTest(control=control):
                device.write_config(device={"control": control})
                self.one_line(device.run("check"), 78, shown, "`control` in [device]")
                found = json.loads(device.run("check", "--json").out)
                self.assertFalse(found["good"])
                self.assertIn(shown, found["control"])
        device.write_config(device={"control": device.folder / "made" / "control"})
        self.assertEqual(json.loads(device.ok("check", "--json").out)["control"], None)
        self.assertFalse((device.folder / "made").exists())
        device.write_config()
        device.start()
        device.ok("check")  # it is there, and served

    def test_every_finding_is_in_the_list_of_mistakes_with_the_line_of_its_section(self):
        # `good` was false, and the list empty.
        device = self.device(stream={"request_body": "/nowhere/body.json", "send_path": "/chat/"})
        device.token_file.write_text("")
        found = json.loads(device.run("check", "--json").out)
        at = 1 + next(n for n, line in enumerate(device.config.read_text().splitlines()) if line.startswith("[stream"))
        self.assertFalse(found["good"])
        self.assertEqual([mistake["line"] for mistake in found["mistakes"]], [at, at], found)
        for mistake, words in zip(found["mistakes"], (f"in {device.token_file}: the token is empty", "/nowhere/body.json")):
            self.assertIn(words, mistake["text"])
        said = device.run("check")
        self.assertEqual([f"tocsin: {device.config}:{at}: {m['text']}" for m in found["mistakes"]], said.err.splitlines())
        device.write_config(device={"control": device.folder / "none" / "deeper" / "control", "state": "/dev/null"})
        device.token_file.write_text("token\n")
        found = json.loads(device.run("check", "--json").out)
        self.assertEqual([mistake["line"] for mistake in found["mistakes"]], [0, 0], found)

    def test_state_that_cannot_be_used(self):
        for state, shown in (
            ("file", "ot a directory"),
            ("none/deeper", "o such file"),
        ):
            with self.subTest(state):
                device = self.device()
                (device.folder / "file").write_text("mine\n")
                device.write_config(device={"state": device.folder / state})
                self.one_line(device.run("check"), 73, str(device.folder / state), shown, "look at `state`")
        device = self.device()
        (device.state / "queue.1").mkdir(parents=True)
        self.one_line(device.run("check"), 73, str(device.state / "queue.1"), "is a directory")
        device = self.device(device={"state_device": "/dev/null"})
        self.one_line(device.run("check"), 73, "state_device /dev/null", "neither a partition nor")


class Places(Case):
    """What lies in the places of the queue's files and is none of them: what it is and what to do, in one line."""

    SENDS = (["send", "--to", "anna", "x"], ["raise", "high-level"], ["run"])
    READS = (["queue", "list"], ["queue", "check"], ["queue", "show", "1"])

    def refused(self, device, *words, reads=True):
        for command in self.SENDS:
            self.one_line(device.run(*command), 73, *words)
        for command in self.READS if reads else ():
            self.one_line(device.run(*command), 65, *words)

    def odd(self, path):
        """One after the other at this path."""
        yield "directory", path.mkdir, path.rmdir
        yield "pipe", lambda: os.mkfifo(path), path.unlink
        yield "device", lambda: os.symlink("/dev/null", path), path.unlink
        yield "socket", lambda: socket.socket(socket.AF_UNIX).bind(str(path)), path.unlink

    def test_what_is_no_file_in_the_place_of_one(self):
        for name in ("queue.0", "queue.1"):
            device = self.device()
            device.state.mkdir()
            for kind, make, remove in self.odd(device.state / name):
                with self.subTest(name=name, kind=kind):
                    make()
                    self.refused(device, str(device.state / name), f"is a {kind}, not a file", "move it away")
                    self.assertLessEqual({p.name for p in device.state.iterdir()}, {name, "lock"})
                    remove()
            device.send("goes on")

    def test_what_is_no_file_in_the_place_of_the_lock(self):
        device = self.device()
        device.state.mkdir()
        for kind, make, remove in self.odd(device.state / "lock"):
            with self.subTest(kind=kind):
                make()
                shown = "link" if kind == "device" else kind
                self.refused(device, str(device.state / "lock"), f"is a {shown}, not a file", reads=False)
                remove()
        device.send("goes on")

    def test_one_file_in_both_places(self):
        # It was written as though there were two of them, and a turn destroyed what it copied.
        for link in (os.link, os.symlink):
            with self.subTest(link=link.__name__):
                device = self.device()
                device.send("stored")
                before = (device.state / "queue.1").read_bytes()
                if b"stored" not in before:
                    (device.state / "queue.0").rename(device.state / "queue.1")
                (device.state / "queue.0").unlink(missing_ok=True)
                whole = (device.state / "queue.1").read_bytes()
                link(device.state / "queue.1", device.state / "queue.0")
                self.refused(device, "one and the same file", "remove")
                self.assertEqual((device.state / "queue.1").read_bytes(), whole)
                (device.state / "queue.0").unlink()
                device.send("goes on")
                self.assertEqual([m["text"] for m in device.queue()], ["stored", "goes on"])

    def test_file_that_is_longer_than_any_queue(self):
        device = self.device()
        device.send("stored")
        for name in ("queue.0", "queue.1"):
            size = (device.state / name).stat().st_size
            for longer in ((16 << 20) + 1, 1 << 40):
                with self.subTest(name=name, longer=longer):
                    try:
                        os.truncate(device.state / name, longer)
                    except OSError as error:
                        self.skipTest(f"no sparse file of that size here: {error}")
                    self.refused(device, str(device.state / name), f"has {longer} bytes", "16777216 at most")
                    os.truncate(device.state / name, size)
        device.send("goes on")
        self.assertEqual([m["text"] for m in device.queue()], ["stored", "goes on"])

    def test_file_that_was_cut_off_is_told_with_what_makes_it_whole(self):
        # `queue check` said "too big" of a file that is too short.
        device = self.device()
        device.send("stored")
        size = (device.state / "queue.0").stat().st_size
        for name in ("queue.0", "queue.1"):
            copy = device.folder / f"copy of {name}"
            shutil.copytree(device.state, copy)
            os.truncate(copy / name, 20_000)
            self.one_line(device.run("queue", "check", copy), 65, f"{name} has 16384 bytes", f"truncate -s {size} {name}")
            os.truncate(copy / name, size)
            self.assertIn(device.run("queue", "check", copy).exit, (0, 65))  # the message was perhaps in what was cut off

    def some_ended_some_waiting(self):
        """A queue of four accepted messages and two that wait; all of them in queue.0."""
        service = self.service()
        device = self.device(service).start()
        ids = [device.send(f"accepted {n}")[0] for n in range(4)]
        for one in ids:
            device.wait_state(one, "accepted")
        device.stop()
        service.stop()
        ids += [device.send(f"waits {n}")[0] for n in range(2)]
        return service, device, ids

    def test_file_that_lost_its_end_is_told_and_gives_no_id_and_no_message_out_twice(self):
        # The end was filled up with zeros and nothing told: what had ended was sent again, under ids of other messages.
        service, device, ids = self.some_ended_some_waiting()
        size = (device.state / "queue.0").stat().st_size
        records = 2 * 4096
        while any((device.state / "queue.0").read_bytes()[records:records + 4096]):
            records += 4096
        for length in (records, records - 4096, 20_000, 4096, 0):
            with self.subTest(length=length):
                copy = device.folder / f"kept {length}"
                shutil.copytree(device.state, copy)
                os.truncate(device.state / "queue.0", length)
                new = device.send("behind the cut")[0]
                self.assertNotIn(new, ids)
                damage = device.run("queue", "list", "--json")
                self.assertLessEqual(damage.out.count('"state":"queued"'), 7)
                self.assertEqual((device.state / "queue.0").stat().st_size, size)
                shutil.rmtree(device.state)
                copy.rename(device.state)

    def test_file_that_lost_its_end_brings_one_marked_copy_of_what_may_have_been_sent(self):
        service, device, ids = self.some_ended_some_waiting()
        os.truncate(device.state / "queue.0", 4 * 4096)
        checked = device.run("queue", "check", device.state)
        self.assertEqual(checked.exit, 65, checked)
        service.start()
        device.start()
        device.log.wait("queue.0 was cut off: what its end held is lost, and what waits may have been sent")
        device.send("behind the cut")
        device.wait_ended()
        copies = collections.defaultdict(list)
        for message in service.messages():
            copies[message["internal_id"]].append(message["text"])
        for texts in copies.values():
            self.assertLessEqual(len(texts), 2)
            self.assertEqual({text.removesuffix(" (repeat)") for text in texts[1:]} - {texts[0]}, set())
            self.assertTrue(all(text.endswith(" (repeat)") for text in texts[1:]), texts)

    def test_file_that_is_missing_is_told_although_the_other_one_holds_nothing(self):
        # `queue list` said that the queue is empty, as it did of the one that held everything.
        service, device, ids = self.some_ended_some_waiting()
        (device.state / "queue.0").unlink()
        listed = device.run("queue", "list")
        self.assertEqual((listed.exit, listed.out), (65, ""), listed)
        self.assertIn("queue.0 is not in", listed.err)
        new = device.send("behind it")[0]
        self.assertNotIn(new, ids)
        self.assertNotEqual(new.rsplit("-", 1)[0], ids[0].rsplit("-", 1)[0], "the tag of the queue that is lost")

    def test_device_that_was_not_started_yet_has_no_queue_and_nothing_is_wrong(self):
        device = self.device()
        for _ in range(2):
            checked = device.ok("queue", "check")
            self.assertEqual((checked.err, len(checked.out.splitlines())), ("", 1), checked)
            self.assertIn(f"{device.state}: no queue yet", checked.out)
            found = json.loads(device.ok("queue", "check", "--json").out)
            self.assertEqual((found["good"], found["generation"], found["waiting"]), (True, 0, 0))
            self.assertEqual(device.ok("queue", "list").out, "the queue is empty\n")
            device.state.mkdir(exist_ok=True)
        self.one_line(device.run("queue", "check", device.state), 65, "queue.0")  # somebody meant that one

    def test_files_that_hold_no_queue_any_more(self):
        # `queue list` said so and ended with 0.
        device = self.device()
        device.send("stored")
        for n in (0, 1):
            file = device.state / f"queue.{n}"
            file.write_bytes(os.urandom(file.stat().st_size))
        self.one_line(device.run("queue", "list"), 65, "no queue can be read", "look at the medium", "queue check")
        listed = device.run("queue", "list", "--json")
        self.assertEqual((listed.exit, listed.out), (65, ""), listed)
        self.assertEqual(device.run("queue", "check").exit, 65)

    def one_line_more(self, result, words):
        self.assertEqual((result.exit, len(result.err.splitlines())), (65, 1), result)
        self.assertIn("stored", result.out)
        self.assertIn(words, result.err)

    def test_one_file_that_is_not_there(self):
        # The other one was not even looked at: an empty queue, with 0.
        for n in (0, 1):
            device = self.device()
            device.send("stored")
            file = device.state / f"queue.{n}"
            there = b"stored" not in file.read_bytes()
            file.unlink()
            checked = device.run("queue", "check")
            self.assertEqual(checked.exit, 65, checked)
            self.assertIn(f"queue.{n} is not there", checked.out)
            if there:  # else the other one was never used: nobody can tell that from a first start
                self.one_line_more(device.run("queue", "list"), f"queue.{n} is not in")
            listed = device.run("queue", "list", "--json").out.splitlines()
            self.assertEqual([json.loads(line)["text"] for line in listed], ["stored"] if there else [])
            self.assertFalse(file.exists())


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
