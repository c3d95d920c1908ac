# SPDX-License-Identifier: MIT
"""[alarm self]: what is wrong with the device itself becomes a message, once an hour for each kind, never about itself."""
import unittest

from device import PHONES, Case, Runner, wait_until

SELF = "[alarm self]\nto = eve\n"


class SelfAlarm(Case):
    def said(self, service):
        return [m["text"] for m in service.messages() if m["recipient"] == PHONES["eve"]]

    def own(self, device):
        return [m for m in device.queue() if m["alarm"] == "self"]

    def wait_said(self, service, *texts):
        wait_until(lambda: len(self.said(service)) >= len(texts), f"messages {texts}")
        self.assertEqual(self.said(service), list(texts))

    def test_refused_message_is_told_once_and_a_refused_self_alarm_never(self):
        service = self.service()
        service.rule("refuse", details="number is barred", match={"recipient": PHONES["anna"]})
        device = self.device(service, more=SELF).start()
        for n in range(3):
            device.wait_state(device.send(f"number {n}")[0], "failed")
        self.wait_said(service, "dev: 1 message will not be sent: number is barred")
        [own] = self.own(device)  # the two others are told within the hour
        self.assertEqual((own["class"], own["to"]), ("warning", PHONES["eve"]))
        service.rule("refuse", details="nor is this one", match={"recipient": PHONES["eve"]})
        service.rule("status", code=524, accept=True, match={"recipient": PHONES["ben"]})
        unknown = device.send("who knows", "ben", "--class", "info")[0]
        device.wait_state(unknown, "unknown")
        wait_until(lambda: [m["state"] for m in self.own(device)] == ["accepted", "failed"], "its end")
        device.wait_state(device.send("and the next", "cleo")[0], "accepted")
        self.assertEqual(len(self.own(device)), 2)

    def test_message_set_aside_is_told_and_the_others_go_on(self):
        """400 for a message alone was seen in `queue list` only: no log line, and the stream idle."""
        service = self.service()
        service.rule("status", code=400, body='{"detail": "no such sender"}', match={"recipient": PHONES["anna"]})
        device = self.device(service, more=SELF).start()
        aside = device.send("aside")[0]
        device.log.wait(f"message {aside} set aside for an hour or so: 400: no such sender (at once: tocsin queue retry {aside})")
        self.wait_said(service, "dev: 1 message set aside: 400: no such sender")
        device.wait_state(device.send("another", "ben")[0], "accepted")
        said = device.run("send", "--to", "anna", "--wait", "2", "more").err
        self.assertIn("it stays in the queue (tocsin queue show has the words)", said)
        service.clear()
        device.run("queue", "retry", aside)
        device.wait_state(aside, "accepted")

    def test_without_the_section_there_is_the_log_only(self):
        service = self.service()
        service.rule("refuse", details="number is barred")
        device = self.device(service).start()
        device.wait_state(device.send("refused")[0], "failed")
        device.log.wait("failed: number is barred")
        device.wait_state(device.send("and the next", "eve")[0], "failed")
        self.assertEqual(self.own(device), [])

    def test_messages_given_up_are_counted(self):
        service = self.service(start=False)
        device = self.device(service, device={"queue_size": "64K"}, more=SELF).start()
        while device.run("send", "--to", "anna", "--class", "info", "--", "x" * 500).exit == 0:
            pass
        self.assertEqual(self.own(device), [], "an info message gives way to nobody")
        device.send("y" * 1000, "anna,ben", "--class", "critical")
        evicted = sum(m["state"] == "evicted" for m in device.queue())
        self.assertGreaterEqual(evicted, 2)
        service.start()
        self.wait_said(service, f"dev: {evicted} messages given up, the queue was full")

    def test_damage_found_at_start_is_told_once(self):
        service = self.service()
        device = self.device(service, more=SELF).start()
        [identifier] = device.send("a text that will be damaged")
        device.wait_state(identifier, "accepted")
        device.kill()
        for name in ("queue.0", "queue.1"):
            file = device.state / name
            file.write_bytes(file.read_bytes().replace(b"that will be damaged", b"that HAS BEEN damaged"[:20]))
        device.start()
        self.wait_said(service, "dev: the queue was damaged: 1 record is lost")
        device.wait_ended()
        device.restart()  # what is lost is lost: nothing new
        device.wait_state(device.send("ever after")[0], "accepted")
        self.assertEqual(len(self.own(device)), 1)

    def test_damage_that_a_command_without_a_daemon_finds_is_told_by_the_next_daemon(self):
        # It was on the stderr of that command, and nowhere else.
        service = self.service()
        device = self.device(service, more=SELF).start()
        device.wait_state(device.send("a text that will be damaged")[0], "accepted")
        device.kill()
        self.assertIsNone(device.status()["damaged_kept"])
        for name in ("queue.0", "queue.1"):
            file = device.state / name
            file.write_bytes(file.read_bytes().replace(b"that will be damaged", b"that HAS BEEN damaged"[:20]))
        self.assertEqual(device.run("queue", "drop", "77").exit, 65)
        [own] = self.own(device)
        self.assertEqual((own["state"], own["text"]), ("queued", "dev: the queue was damaged: 1 record is lost"))
        kept = f"{device.state}/damaged.0"
        self.assertEqual(device.status()["damaged_kept"], kept)
        self.assertIn(f"found damaged before, and kept in {kept}\n", device.ok("status").out)
        self.assertIn(f"kept       {kept}, with blocks", device.ok("queue", "check").out)
        device.start()
        device.log.wait(f"found damaged before are in {kept}: look at the medium")
        self.wait_said(service, own["text"])
        self.assertEqual(device.status()["damaged_kept"], kept)
        self.assertIn(f"found damaged before, and kept in {kept}\n", device.ok("status").out)
        device.wait_ended()
        device.ok("queue", "purge")
        wait_until(lambda: device.status()["damaged_kept"] is None, "forgotten with the others")

    def test_held_stream_is_told_by_another_one(self):
        first, second = self.service(), self.service(token="another-tkn-8820xyz")
        device = self.device(first)
        other = device.folder / "other.token"
        device.secrets += ["another-tkn-8820xyz", "wrong-tkn-0021aa"]
        device.write_config(
            more=f"[stream chat]\ntype = two-way\nbase_url = {second.url}\ntoken_file = {other}\n"
            f"ca_file = {second.ca_file}\nsender = OTHER\n" + SELF + "stream = chat\nclass = critical\n"
            "text = {alarm} of {device} says: {reason}!\n"
        )
        device.ok("token", "set", "chat", "-", stdin="another-tkn-8820xyz\n")
        device.write_token("wrong-tkn-0021aa")
        device.start()
        device.send("held")
        self.wait_said(second, "self of dev says: stream sms is held!")

    def test_spent_budget_is_told(self):
        service = self.service()
        device = self.device(service)
        text = device.sections(more=SELF)
        device.write_text(text.replace("[class info]\nper_hour = none", "[class info]\nper_hour = 2"))
        device.start()
        for n in range(4):
            device.send(f"info {n}", "anna", "--class", "info")
        self.wait_said(service, "dev: class info has sent as many messages as it may")
        # Those that wait were shown without a reason, and a retry by hand took its place.
        device.ok("queue", "retry", [m for m in device.queue() if m["class"] == "info"][-1]["id"])
        waiting = [m["reason"] for m in device.queue() if m["state"] == "queued"]
        self.assertEqual(len(waiting), 2)
        for reason in waiting:
            self.assertRegex(reason, r"^class info has sent .* the next in (59|60) min; see \[class info\]")
        self.assertRegex(device.ok("status").out, r"\nclass    info has sent .*, the next in (59|60) min\n")
        [critical, _, info] = device.status()["classes"]
        self.assertEqual(critical, {"name": "critical", "budget_wait_ms": 0})
        self.assertTrue(3_000_000 < info["budget_wait_ms"] <= 3_600_000, info)
        over = device.run("send", "--to", "anna", "--class", "info", "--wait", "1", "one more")
        self.assertEqual(over.exit, 75, over)
        self.assertRegex(over.err, r"not accepted yet, it stays in the queue: class info has sent .* the next in (59|60) min")

    def test_each_class_that_has_spent_its_budget_is_told(self):
        # A flood of info messages took the hour of the critical ones, whose budget is the one that counts.
        service = self.service()
        device = self.device(service)
        text = device.sections(more=SELF)
        for name in ("info", "critical"):
            text = text.replace(f"[class {name}]\nper_hour = none", f"[class {name}]\nper_hour = 1")
        device.write_text(text)
        device.start()
        told = []
        for name in ("info", "critical"):
            device.send(f"of class {name}", "anna", "--class", name)
            told.append(f"dev: class {name} has sent as many messages as it may")
            self.wait_said(service, *told)
        device.wait_ended()  # an answer that is lost makes a repeat
        device.restart()
        device.wait_state(device.send("after it")[0], "accepted")
        self.assertEqual(self.said(service), told)

    def test_daemon_without_a_state_that_is_started_again_and_again_does_not_tell_it_each_time(self):
        # Ten kills were ten messages: nothing on a medium says that it was told.
        service = self.service()
        device = self.device(service, device={"state": "/nonexistent-folder/state"}, more=SELF)
        for n in range(5):
            device.start()
            self.assertEqual(device.run("send", "--to", "anna", f"{n}").exit, 74)
            wait_until(lambda: any(m["text"] == f"{n}" for m in service.messages()), "sent from memory")
            self.assertTrue(any("kept in memory only until" in line for line in device.log.lines))
            device.kill()
        self.assertEqual([m["text"] for m in service.messages()], [f"{n}" for n in range(5)])

    def test_nobody_else_raises_it(self):
        device = self.device(self.service(), more=SELF)
        for command in ("raise", "clear"):
            self.one_line(device.run(command, "self"), 65, "by itself")
        device.start()
        for command in ("raise", "clear"):
            self.one_line(device.run(command, "self"), 65, "by itself")
        self.assertEqual(device.queue(), [])


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
