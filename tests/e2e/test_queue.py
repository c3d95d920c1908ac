# SPDX-License-Identifier: MIT
"""What a person does with the queue: ask again, drop, purge, check, and read the life of a message; with a
running daemon and without."""
import concurrent.futures
import json
import os
import re
import shutil
import struct
import unittest
import zlib

from device import PHONES, Case, Runner, wait_until

SECRET = "the name of a patient"


class Queue(Case):
    def files(self, device):
        return b"".join((device.state / name).read_bytes() for name in ("queue.0", "queue.1"))

    def test_refused_message_is_sent_again_by_hand(self):
        service = self.service()
        device = self.device(service).start()
        service.rule("refuse", details="number is barred")
        [identifier] = device.send("x")
        device.wait_state(identifier, "failed")
        self.one_line(device.run("queue", "drop", identifier), 65, "failed", "nothing to drop")
        service.clear()
        self.assertEqual(device.ok("queue", "retry", identifier).out, identifier + "\n")
        device.wait_state(identifier, "accepted")
        self.one_line(device.run("queue", "retry", identifier), 65, "accepted", "send")
        life = json.loads(device.ok("queue", "show", identifier, "--json").out)["life"]
        self.assertEqual([step["what"] for step in life], ["failed", "waits again", "accepted"], life)
        self.assertIn("number is barred", life[0]["reason"])
        self.assertEqual(life[1]["reason"], "asked for again by hand")

    def test_each_attempt_is_told_with_its_reason(self):
        service = self.service()
        device = self.device(service).start()
        service.rule("status", code=524, accept=True)
        [identifier] = device.send("x", "anna", "--class", "critical")
        device.wait_state(identifier, "unknown")
        shown = device.ok("queue", "show", identifier).out
        for attempt in (1, 2, 3):
            self.assertRegex(shown, rf"attempt {attempt}: .*524", shown)
        self.assertRegex(shown, r"attempt 3: unknown: .*524")
        self.assertRegex(shown, r"\(start 1, up \d+ s\)")

    def test_life_of_a_held_message_says_what_holds_it(self):
        # "not known to have arrived" was said of one that the service had refused to take, with no reason.
        service = self.service()
        device = self.device(service).start()
        service.rule("status", code=403)
        [identifier] = device.send("x")
        wait_until(lambda: "403" in str((device.message(identifier) or {})["reason"]), "held")
        shown = device.ok("queue", "show", identifier).out
        self.assertRegex(shown, r"attempt 1: came to nothing: .*403")
        self.assertRegex(shown, r"\n +now: waits: .*403.*tocsin token set sms")
        device.stop()
        self.assertIn("now: waits: 403: Forbidden; no daemon is running", device.ok("queue", "show", identifier).out)

    def test_last_answer_is_told_when_no_daemon_runs_any_more(self):
        # It said "no daemon is running", and not that the token is wrong.
        device = self.device(self.service())
        device.write_token("another-token")
        device.start()
        [identifier] = device.send("x")
        device.log.wait("stream sms held")
        device.stop()
        for words in (("queue", "show", identifier), ("queue", "list")):
            self.assertRegex(device.ok(*words).out, "40[13]: Not authenticated.*; no daemon is running\n")
        self.assertRegex(device.message(identifier)["reason"], "40[13]: Not authenticated.*; no daemon is running$")
        self.assertRegex(device.ok("status").out, "\n         its last answer: 40[13]: Not authenticated")
        [stream] = device.status()["streams"]
        self.assertRegex(stream["reason"], "^40[13]: Not authenticated")

    def test_wait_that_ends_while_a_request_is_under_way_says_so_then_and_later(self):
        # It was "the device stopped", hours after.
        service = self.service()
        device = self.device(service)
        service.rule("silent", at="body")
        sent = device.run("send", "--to", "anna", "--class", "info", "--wait", "1", "x")
        self.assertEqual((sent.exit, sent.err), (75, "tocsin: not accepted yet, it stays in the queue: its request has no answer yet; "
                                                     "nothing sends until `tocsin run` does\n"))
        identifier = sent.out.strip()
        self.assertEqual(device.message(identifier)["reason"], "tocsin ended while it was being sent; no daemon is running")
        device.send("another")
        self.assertIn("unknown: tocsin ended while it was being sent\n", device.ok("queue", "show", identifier).out)

    def test_message_that_was_being_sent_when_the_daemon_was_killed_is_said_once(self):
        # One line of the log had "it may have arrived" twice.
        service = self.service()
        device = self.device(service).start()
        service.rule("silent", at="body")
        [identifier] = device.send("x", "anna", "--class", "info")
        wait_until(lambda: device.message(identifier)["attempts"] == 1, "the record of the request")
        device.restart()
        line = device.log.wait(f"message {identifier} unknown")
        self.assertEqual(line.count("it may have arrived"), 1, line)
        self.assertIn("tocsin ended while it was being sent: it may have arrived; nothing more is sent", line)

    def test_dropped_by_hand_with_a_daemon_and_without(self):
        service = self.service(start=False)
        device = self.device(service).start()
        first, second = device.send("x")[0], device.send("y")[0]
        self.assertEqual(device.ok("queue", "drop", first).out, first + "\n")
        # Somebody asked for it: not an error.
        self.assertEqual(device.log.wait(f"message {first} "), f"tocsin: warning: message {first} dropped: by hand")
        device.stop()
        number = second.rsplit("-", 1)[1]
        self.assertEqual(device.run("queue", "drop", number).out, second + "\n")
        self.assertEqual([m["state"] for m in device.queue()], ["dropped", "dropped"])
        again = device.run("queue", "retry", number)
        self.assertEqual((again.exit, again.out), (0, second + "\n"), again)
        self.assertIn("tocsin run", again.err)
        self.assertEqual(device.message(second)["state"], "queued")
        device.ok("queue", "drop", number)
        device.ok("queue", "retry", number)
        what = [step["what"] for step in json.loads(device.ok("queue", "show", number, "--json").out)["life"]]
        self.assertEqual(what, ["dropped", "waits again", "dropped", "waits again"])

    def test_unknown_id_is_refused_and_nothing_changed(self):
        device = self.device(self.service()).start()
        [identifier] = device.send("x", "anna", "--wait", "30")
        other = identifier.rsplit("-", 1)[0][:-1] + "!-1"
        for words in (("retry", "99"), ("drop", "99"), ("retry", other), ("drop", "x" * 200), ("retry", b"\xff\xfe")):
            with self.subTest(words=words):
                self.one_line(device.run("queue", *words), 65)

    def purged(self, device):
        left = self.files(device)
        self.assertNotIn(SECRET.encode(), left)
        self.assertNotIn(struct.pack("<Q", int(PHONES["anna"])), left)
        self.assertIn(b"still waits", left)
        self.assertEqual([m["text"] for m in device.queue()], ["still waits"])

    def full(self, running):
        service = self.service()
        device = self.device(service).start()
        for n in range(5):
            device.send(f"{SECRET} {n}", "anna", "--wait", "30")
        service.stop()
        device.send("still waits", "ben")
        self.assertIn(SECRET.encode(), self.files(device))
        if not running:
            device.stop()
        return device

    def test_purge_beside_a_daemon_leaves_no_text_and_no_number(self):
        device = self.full(running=True)
        self.assertEqual(device.ok("queue", "purge").out, "5 ended messages forgotten\n")
        self.purged(device)

    def test_purge_without_a_daemon_leaves_no_text_and_no_number(self):
        device = self.full(running=False)
        self.assertEqual(device.ok("queue", "purge").out, "5 ended messages forgotten\n")
        self.purged(device)

    def test_purges_of_commands_that_own_the_queue_for_a_moment_never_blame_the_medium(self):
        # The owner ended while another command's purge was under way: 4 in 100 said that the medium did not take it.
        device = self.device(self.service(start=False), device={"queue_size": "2M"})
        device.send("waits")

        def purges():
            for _ in range(60):
                done = device.run("queue", "purge")
                self.assertIn(done.exit, (0, 75), done)
                self.assertNotIn("medium", done.err)

        def sends():
            for n in range(60):
                device.run("send", "--to", "anna", f"{n} " + 500 * "x")

        with concurrent.futures.ThreadPoolExecutor() as pool:
            for one in [pool.submit(what) for what in (purges, sends, sends, sends)]:
                one.result()

    def test_check_of_a_whole_queue_says_so_with_a_daemon_and_of_copied_files(self):
        device = self.full(running=True)
        self.assertIn("damage     none", device.ok("queue", "check").out)
        copy = device.folder / "copy"
        shutil.copytree(device.state, copy)
        device.config.rename(device.folder / "moved.conf")  # needs none
        whole = json.loads(device.ok("queue", "check", copy, "--json").out)
        self.assertEqual((whole["good"], whole["waiting"], whole["ended"]), (True, 1, 5))
        self.one_line(device.run("queue", "check", device.folder), 65, "queue.0")
        self.one_line(device.run("queue", "check", device.folder / "nowhere"), 65, "queue.0")
        (device.folder / "moved.conf").rename(device.config)

    def test_retry_of_a_message_that_waits_claims_no_attempt_and_hides_no_reason(self):
        service = self.service()
        service.rule("status", code=403)
        device = self.device(service).start()
        [identifier] = device.send("x")

        def held_again(requests):
            stream = device.stream()
            return stream["state"] == "held" and stream["requests"] > requests

        wait_until(lambda: held_again(0), "held")
        for _ in range(2):
            before = device.stream()["requests"]
            device.ok("queue", "retry", identifier)
            wait_until(lambda: held_again(before), "sent again, in vain")
            self.assertTrue(device.message(identifier)["reason"].startswith("403: Forbidden"))
        shown = device.ok("queue", "show", identifier).out
        self.assertEqual(len(re.findall(r"s\): waits again: asked for again by hand\n", shown)), 2, shown)
        self.assertNotRegex(shown, r"attempt \d+: .*by hand")
        self.assertIn("\nreason    403: Forbidden", shown)

    def test_state_whose_folder_is_not_there_is_no_empty_queue(self):
        device = self.device(device={"state": "/nonexistent-folder/state"})
        said = device.run("send", "--to", "anna", "x")
        self.one_line(said, 73, "/nonexistent-folder/state: no such file: look at `state` in [device]")
        for words in (("list",), ("list", "--json"), ("check",), ("check", "--json")):
            self.assertEqual(device.run("queue", *words), said)

    def test_check_of_damaged_files_finds_it_and_changes_nothing(self):
        device = self.full(running=False)
        copy = device.folder / "copy"
        shutil.copytree(device.state, copy)
        for name in ("queue.0", "queue.1"):
            path = copy / name
            path.write_bytes(path.read_bytes().replace(SECRET.encode(), b"#" * len(SECRET)))
        before = [(copy / name).read_bytes() for name in ("queue.0", "queue.1")]
        result = device.run("queue", "check", copy)
        self.assertEqual(result.exit, 65, result)
        self.assertRegex(result.out, r"damage     [1-9]\d* records lost")
        found = json.loads(device.run("queue", "check", copy, "--json").out)
        self.assertFalse(found["good"])
        self.assertGreater(found["damaged_records"], 0)
        self.assertGreater(found["blocks_to_look_at"], 0)
        self.assertEqual([(copy / name).read_bytes() for name in ("queue.0", "queue.1")], before)

    def test_check_of_what_is_no_queue_ends_with_one_line(self):
        device = self.device(self.service())
        folder = device.folder / "odd"
        makers = (os.mkfifo, os.mkdir, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"x" * 70_000),
                  lambda path: path.symlink_to(path))
        for n, make in enumerate(makers):
            with self.subTest(maker=n):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                for name in ("queue.0", "queue.1"):
                    make(folder / name)
                result = device.run("queue", "check", folder, timeout=10)
                self.assertIn(result.exit, (65, 73, 74), result)
                self.assertEqual(len((result.out + result.err).splitlines()), 1, result)

    def test_check_of_a_newer_format_says_which(self):
        device = self.full(running=False)
        path = device.state / "queue.0"
        head = bytearray(path.read_bytes())
        head[8:12] = struct.pack("<I", 2)
        head[36:40] = struct.pack("<I", zlib.crc32(head[:36]))
        path.write_bytes(head)
        self.one_line(device.run("queue", "check"), 74, "format is version 2")

    def test_start_does_not_wait_for_what_has_the_name_of_damaged_blocks(self):
        # A pipe was opened to be read, and the storage thread hung there for ever.
        device = self.full(running=False)
        makers = (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.write_bytes(b""))
        for n, make in enumerate(makers):
            make(device.state / f"damaged.{n}")
        for name in ("queue.0", "queue.1"):
            path = device.state / name
            path.write_bytes(path.read_bytes().replace(SECRET.encode(), b"#" + SECRET[1:].encode()))
        device.start()
        self.assertEqual(device.status()["medium"], "working")
        device.send("goes on")
        device.ok("queue", "purge")
        self.assertEqual(device.status()["medium"], "working")

    def test_damaged_blocks_are_kept_aside_once_and_purged(self):
        device = self.full(running=False)
        for name in ("queue.0", "queue.1"):
            path = device.state / name
            path.write_bytes(path.read_bytes().replace(SECRET.encode(), b"#" + SECRET[1:].encode()))
        device.start()
        self.assertIn("damaged.*", "\n".join(device.log.lines))
        kept = (device.state / "damaged.0").read_bytes()
        self.assertTrue(kept.startswith(b"tocsin: damaged blocks of a queue, kept at "))
        self.assertRegex(kept[64:128], rb"^queue\.[01] slot \d+ +\n$")
        self.assertIn(b"#" + SECRET[1:].encode(), kept)
        device.restart()
        self.assertFalse((device.state / "damaged.1").exists())
        self.assertEqual((device.state / "damaged.0").stat().st_mode & 0o777, 0o600)
        device.ok("queue", "purge")
        self.assertFalse((device.state / "damaged.0").exists())
        self.assertEqual([m["text"] for m in device.queue()], ["still waits"])

    @staticmethod
    def without_heads(path):
        content = bytearray(path.read_bytes())
        content[:4096] = content[-4096:] = bytes(4096)
        path.write_bytes(content)

    def test_queue_without_any_head_is_told_and_kept_aside_before_an_empty_one_is_begun(self):
        # It was "an empty queue", with exit status 0, and what waited was gone without a word.
        device = self.full(running=False)
        for name in ("queue.0", "queue.1"):
            self.without_heads(device.state / name)
        result = device.run("queue", "check")
        self.assertEqual(result.exit, 65, result)
        self.assertIn("no queue can be read in its files", result.out)
        self.assertGreater(json.loads(device.run("queue", "check", "--json").out)["blocks_to_look_at"], 0)
        device.start()
        log = "\n".join(device.log.lines)
        self.assertIn("held no queue that can be read: an empty one is begun; their blocks are kept in", log)
        self.assertIn(SECRET.encode(), (device.state / "damaged.0").read_bytes())
        device.send("goes on")
        device.restart()
        self.assertFalse((device.state / "damaged.1").exists())
        self.assertIn("damage     none", device.ok("queue", "check").out)

    @staticmethod
    def without_records(path):
        content = bytearray(path.read_bytes())
        content[4096:-4096] = b"#" * (len(content) - 2 * 4096)
        path.write_bytes(content)

    def test_newer_file_of_which_all_records_are_gone_is_told(self):
        # It looked like a cut while the files changed hands, and nothing was said.
        device = self.full(running=False)
        before = json.loads(device.ok("queue", "check", "--json").out)
        self.assertEqual((before["unfinished_turn"], before["missing"]), (False, None))
        path = device.state / f"queue.{before['generation'] % 2 ^ 1}"
        path.write_bytes(path.read_bytes().replace(SECRET.encode(), b"#" + SECRET[1:].encode()))
        device.start()  # turns to the other file, as it found damage
        device.send("only in the newer file")
        device.stop()
        newer = json.loads(device.run("queue", "check", "--json").out)["generation"] % 2 ^ 1
        self.without_records(device.state / f"queue.{newer}")
        self.assertTrue(json.loads(device.run("queue", "check", "--json").out)["unfinished_turn"])
        self.assertIn(f"turn       queue.{newer} has no seal: ", device.run("queue", "check").out)
        device.start()
        self.assertIn(f"queue.{newer} has no seal: ", "\n".join(device.log.lines))
        device.restart()
        self.assertNotIn("no seal", device.ok("queue", "check").out + "\n".join(device.log.lines))

    def test_first_file_of_which_all_records_are_gone_is_told_with_its_blocks(self):
        # "an empty queue", and nothing else, while its blocks held something.
        device = self.device(self.service(start=False))
        device.send("lost")
        self.without_records(device.state / "queue.0")
        shown = device.ok("queue", "check").out
        self.assertRegex(shown, r"an empty queue\nblocks     \d+ with bytes that are no record: queue.0/1 ")
        device.start()
        log = "\n".join(device.log.lines)
        self.assertIn("queue.0 has no seal: ", log)
        self.assertTrue((device.state / "damaged.0").exists())
        device.send("goes on")
        device.restart()
        self.assertNotIn("no seal", "\n".join(device.log.lines))

    def test_queue_whose_file_lost_its_heads_is_told_and_goes_on(self):
        device = self.full(running=False)
        device.ok("queue", "purge")  # turns to the other file
        waiting = [m["id"] for m in device.queue()]
        self.assertEqual(len(waiting), 1)
        active = json.loads(device.run("queue", "check", "--json").out)["generation"] % 2 ^ 1
        self.without_heads(device.state / f"queue.{active}")
        result = device.run("queue", "check")
        self.assertEqual(result.exit, 65, result)
        self.assertIn(f"queue.{active} has lost both; its records were found without them", result.out)
        device.start()
        self.assertEqual([m["id"] for m in device.queue()], waiting)
        device.restart()
        self.assertIn("damage     none", device.ok("queue", "check").out)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
