# SPDX-License-Identifier: MIT
"""Messages that may go by two streams: two services over real TLS, one of which refuses, is dead, or never delivers."""
import json
import unittest

from device import Case, Runner, wait_until

SHORT = "10s"  # the shortest that the configuration allows


class Channels(Case):
    def pair(self, start=True, sms=None, **chat):
        """Two services and a device whose alarm, and whose messages by both(), go by sms, then by chat."""
        first, second = self.service(), self.service()
        keys = {
            "type": "two-way",
            "base_url": second.url,
            "ca_file": second.ca_file,
            "sender": "GLOBAL",
            "timeout": "5s",
            "retry_min": "1s",
            "retry_max": "1s",
            "status_for": "off",
            "fallback_after": SHORT,
            **chat,
        }
        device = self.device()
        keys["token_file"] = device.token_file
        device.url, device.ca_file = first.url, first.ca_file
        more = "[stream chat]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        device.write_config(
            stream={"fallback_after": SHORT, **(sms or {})}, alarm={"to": "anna", "stream": "sms, chat"}, more=more
        )
        if start:
            device.start()
        return first, second, device

    @staticmethod
    def both(device, text, *options):
        [identifier] = device.send(text, "anna", "--stream", "sms,chat", *options)
        return identifier

    def ids(self, service):
        return [m["internal_id"] for m in service.messages()]

    def test_a_message_that_one_service_refuses_goes_by_the_other_at_once(self):
        first, second, device = self.pair()
        first.rule("refuse", error="NO_ROUTE", details="no route to 447700900100")
        identifier = self.both(device, "Pump 3 stopped")
        message = device.wait_state(identifier, "accepted")
        self.assertEqual((self.ids(first), self.ids(second)), ([], [identifier]))
        self.assertEqual((message["stream"], message["attempts"]), ("chat", 2))
        [sms, chat] = message["streams"]
        self.assertEqual((sms["name"], chat), ("sms", {"name": "chat", "said": "accepted"}))
        self.assertIn("refused: ", sms["said"])
        line = device.log.wait(f"message {identifier} goes on by its next stream: sms: refused")
        self.assertNotIn("447700900100", line)
        shown = device.ok("queue", "show", identifier).out
        self.assertIn("stream    chat, of sms,chat in this order", shown)
        self.assertIn("goes on by its next stream: sms: refused", shown)
        self.assertIn("; chat: accepted", shown)
        self.assertEqual(second.report()["max_copies"], 1)

    def test_a_message_that_one_service_sets_aside_goes_by_the_other_at_once(self):
        first, second, device = self.pair(sms={"fallback_after": "1h"})
        first.rule("status", code=422, body={"detail": "odd text"})
        identifier = self.both(device, "Pump 3 stopped")
        message = device.wait_state(identifier, "accepted")
        self.assertEqual((self.ids(first), self.ids(second)), ([], [identifier]))
        self.assertEqual((message["stream"], message["streams"][0]["said"]), ("chat", "422: odd text"))
        self.assertIn("by stream sms for an hour or so: 422: odd text", device.log.wait(f"message {identifier} set aside"))

    def test_failed_is_what_the_last_one_refuses_with_the_reasons_of_all(self):
        first, second, device = self.pair()
        first.rule("refuse", details="no route")
        second.rule("refuse", details="no such user")
        sent = device.run("send", "--to", "anna", "--stream", "sms,chat", "--wait", "20", "--", "Pump 3 stopped")
        self.assertEqual(sent.exit, 76, sent)
        [identifier] = sent.out.split()
        message = device.message(identifier)
        self.assertEqual((message["state"], [s["name"] for s in message["streams"]]), ("failed", ["sms", "chat"]))
        self.assertEqual(message["streams"][0]["said"], "refused: no route")
        self.assertEqual(message["streams"][1]["said"], "refused: no such user")
        first.clear()
        device.ok("queue", "retry", identifier)
        self.assertEqual(device.wait_state(identifier, "accepted")["stream"], "sms")

    def test_a_service_that_is_dead_for_long_is_not_waited_for_also_after_a_kill(self):
        first, second, device = self.pair()
        first.stop()
        device.ok("raise", "high-level")
        self.assertIn("by sms, then chat", device.ok("status").out)
        device.log.wait("stream sms backing off")
        self.assertEqual(second.messages(), [])
        device.restart()
        accepted = wait_until(lambda: [m for m in device.queue() if m["state"] == "accepted"], "it goes by the other")
        self.assertEqual(accepted[0]["stream"], "chat")
        self.assertEqual(self.ids(second), [accepted[0]["id"]])
        self.assertEqual(second.report()["max_copies"], 1)
        [alarm] = device.status()["alarms"]
        self.assertEqual(alarm["streams"], ["sms", "chat"])

    def test_of_two_dead_services_the_one_that_comes_back_has_it(self):
        for back in (0, 1):
            with self.subTest(back=("sms", "chat")[back]):
                services = self.pair()
                device = services[2]
                for service in services[:2]:
                    service.stop()
                identifier = self.both(device, "Pump 3 stopped")
                device.log.wait("stream chat backing off")
                services[back].start()
                message = device.wait_state(identifier, "accepted")
                self.assertEqual(message["stream"], ("sms", "chat")[back])
                self.assertEqual(self.ids(services[back]), [identifier])

    def test_a_message_that_is_accepted_and_never_delivered_goes_by_the_other_marked_as_a_repeat(self):
        first, second, device = self.pair(sms={"status_for": "1h", "undelivered_after": SHORT})
        first.rule("delivery", word="sent")
        identifier = self.both(device, "Pump 3 stopped")
        self.assertEqual(device.wait_state(identifier, "accepted")["stream"], "sms")
        device.log.wait(f"message {identifier} goes on by its next stream: sms: not delivered within 10s")
        wait_until(second.messages, "it goes by the other")
        message = device.wait_state(identifier, "accepted")
        self.assertEqual(message["streams"][0]["said"], "not delivered within 10s")
        self.assertEqual((self.ids(first), self.ids(second)), ([identifier], [identifier]))
        self.assertIn("(repeat)", second.messages()[0]["text"])
        device.restart()
        self.assertEqual(device.message(identifier)["stream"], "chat")

    def test_a_receipt_that_it_came_to_nothing_sends_it_by_the_other_also_after_a_kill(self):
        first, second, device = self.pair(sms={"status_for": "1h"}, status_for="1h")
        first.rule("delivery", word="undelivered")
        second.stop()
        identifier = self.both(device, "Pump 3 stopped")
        device.log.wait(f"message {identifier} goes on by its next stream: sms: undelivered")
        wait_until(lambda: device.message(identifier)["stream"] == "chat", "it is on record")
        device.restart()
        self.assertEqual(device.message(identifier)["stream"], "chat")
        second.start()
        message = device.wait_state(identifier, "delivered")
        self.assertEqual([s["said"] for s in message["streams"]], ["undelivered", "delivered"])
        self.assertEqual((self.ids(first), self.ids(second)), ([identifier], [identifier]))

    def test_never_more_than_three_copies_over_both(self):
        first, second, device = self.pair()
        for service in (first, second):
            service.rule("status", code=524, accept=True)
        identifier = self.both(device, "Pump 3 stopped")
        device.wait_state(identifier, "unknown", 60)
        copies = len(self.ids(first)) + len(self.ids(second))
        self.assertEqual(copies, 3)
        self.assertGreaterEqual(len(self.ids(second)), 1)

    def test_a_stream_that_left_the_configuration_is_not_waited_for(self):
        first, second, device = self.pair(start=False)
        identifier = self.both(device, "Pump 3 stopped")
        text = device.config.read_text().replace("[stream sms]", "[stream other]").replace("sms, chat", "chat")
        device.write_text(text)
        device.start()
        self.assertEqual(device.wait_state(identifier, "accepted")["stream"], "chat")
        self.assertEqual(self.ids(first), [])

    def test_who_waits_for_one_stream_is_not_told_what_is_wrong_with_another(self):
        for daemon in (True, False):
            with self.subTest(daemon=daemon):
                first, second, device = self.pair(start=daemon)
                first.rule("status", code=403)
                second.rule("status", code=404)
                self.assertIn("403", device.run("send", "--to", "anna", "--stream", "sms", "--wait", "2", "one").err)
                waited = device.run("send", "--to", "anna", "--stream", "chat", "--wait", "2", "two")
                told = waited.err.splitlines()[-1]
                self.assertEqual((waited.exit, "404" in told, "403" in told), (77, True, False), waited)

    def test_wrong_lists_are_told(self):
        _, _, device = self.pair(start=False)
        for streams, words in (
            ("sms,fax", "there is no stream `fax`"),
            ("sms,sms", "`sms` stands twice"),
            ("sms,", "a stream is missing"),
        ):
            self.one_line(device.run("send", "--to", "anna", "--stream", streams, "--", "x"), 65, words)
        device.ok("check")
        self.assertIn("alarm high-level goes by sms, then chat", device.ok("check").out)
        [alarm] = json.loads(device.ok("check", "--json").out)["alarms"]
        self.assertEqual(alarm, {"name": "high-level", "streams": ["sms", "chat"]})


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
