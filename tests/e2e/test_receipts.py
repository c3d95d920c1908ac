# SPDX-License-Identifier: MIT
"""What became of accepted messages: messages_status over real TLS, and that accepted and delivered are told apart."""
import json
import unittest

from device import Case, Runner, wait_until

STATUS = "/messages_status/"
SHAPES = "messages array items data result statuses map nested object capitals".split()


class Receipts(Case):
    def asking(self, service, **stream):
        return self.device(service, stream={"status_for": "1h", **stream})

    @staticmethod
    def asked(service):
        """The uuids of each request for receipts."""
        return [json.loads(r["body"])["message_uuids"] for r in service.requests() if f"POST {STATUS} " in r["head"]]

    def test_a_message_is_accepted_and_then_delivered(self):
        service = self.service()
        service.rule("delivery", shape="none")
        device = self.asking(service).start()
        [identifier] = device.send("Pump 3 is back", "anna", "--wait", "20")
        accepted = device.wait_state(identifier, "accepted")
        wait_until(lambda: self.asked(service), "receipts are asked for")
        self.assertEqual((device.status()["accepted"], device.status()["delivered"]), (1, 0))
        self.assertIn("1 ended and kept: 1 accepted, 0 delivered", device.ok("status").out)
        service.clear()
        device.restart()  # asks at once
        device.log.wait(f"message {identifier} delivered")
        delivered = device.wait_state(identifier, "delivered")
        self.assertEqual((delivered["uuid"], delivered["reason"]), (accepted["uuid"], None))
        self.assertGreater(delivered["ended_at"], accepted["ended_at"])
        status = device.status()
        self.assertEqual((status["accepted"], status["delivered"], status["messages_ended"]), (0, 1, 0))
        life = json.loads(device.ok("queue", "show", identifier, "--json").out)["life"]
        self.assertEqual([step["what"] for step in life][-2:], ["accepted", "delivered"])
        self.assertEqual({uuid for uuids in self.asked(service) for uuid in uuids}, {accepted["uuid"]})

    def test_one_that_was_not_delivered_is_failed_with_the_words_of_the_service(self):
        service = self.service()
        service.rule("delivery", word="undelivered", details="absent subscriber 447700900100")
        more = "[alarm self]\nto = ben\n"
        device = self.device(service, stream={"status_for": "1h"}, more=more).start()
        [identifier] = device.send("Pump 3 is back")
        line = device.log.wait(f"message {identifier} failed")
        self.assertIn("undelivered: absent subscriber", line)
        self.assertNotIn("447700900100", line)
        failed = device.wait_state(identifier, "failed")
        self.assertEqual(failed["reason"], "undelivered: absent subscriber 447700900100")
        told = wait_until(lambda: [m for m in device.queue() if m["alarm"] == "self"], "the device says so")
        self.assertIn("not delivered", told[0]["text"])
        device.ok("queue", "retry", identifier)
        wait_until(lambda: service.report()["max_copies"] == 2, "it is sent again")

    def test_an_unknown_word_is_shown_and_final_for_nobody(self):
        service = self.service()
        service.rule("delivery", word="Teleported")
        device = self.asking(service).start()
        [identifier] = device.send("Pump 3 is back")
        shown = wait_until(lambda: (m := device.message(identifier)) and m["reason"] and m, "the word is shown")
        self.assertEqual((shown["state"], shown["reason"]), ("accepted", "not a known status: Teleported"))
        self.assertIn("not a known status: Teleported", device.ok("queue", "list").out)
        device.log.wait("answer.sms.status, without token and numbers")
        device.restart()
        service.clear()
        device.log.wait(f"message {identifier} delivered")
        self.assertEqual(device.wait_state(identifier, "delivered")["reason"], None)

    def test_every_shape_of_an_answer_is_read(self):
        service = self.service()
        service.rule("delivery", shape="none")
        device = self.asking(service).start()
        [identifier] = device.send("Pump 3 is back")
        wait_until(lambda: self.asked(service), "receipts are asked for")
        for shape in SHAPES:
            with self.subTest(shape=shape):
                service.clear()
                service.rule("delivery", shape=shape, word=f"as {shape}")
                device.restart()  # asks at once for what is not too young
                reason = f"not a known status: as {shape}"
                wait_until(lambda: device.message(identifier)["reason"] == reason, reason)  # noqa: B023

    def test_whatever_becomes_of_asking_no_message_is_held(self):
        """Each service in a device of its own, all of them at the same time."""
        rules = [{"do": "status", "code": code} for code in (401, 403, 404, 405, 500)]
        rules += [{"do": "rate_limit"}, {"do": "silent", "at": "body"}, {"do": "drop", "at": "answer"}]
        tried = []
        for rule in rules:
            service = self.service()
            service.rule(rule["do"], match={"path": STATUS}, **{k: v for k, v in rule.items() if k != "do"})
            tried.append((rule, service, self.asking(service).start()))
            tried[-1][2].send("first")
        for rule, service, device in tried:
            with self.subTest(**rule):
                wait_until(lambda: self.asked(service), "receipts are asked for")  # noqa: B023
                device.send("second", "anna", "--class", "critical", "--wait", "20")
                stream = device.stream()
                self.assertEqual((stream["reason"], stream["state"] in ("held", "backing off")), (None, False))
                self.assertEqual({m["state"] for m in device.queue()}, {"accepted"})
                self.assertEqual(service.report()["max_copies"], 1)
                if rule["do"] != "silent":  # it gave way
                    device.log.wait("delivery status")
                if rule.get("code") not in (404, 405):
                    continue
                self.assertIn(f"asked for once a day: {rule['code']}", device.log.wait("delivery status"))
                self.assertIn("delivery status: asked for once a day", device.ok("status").out)
                self.assertIn(str(rule["code"]), stream["status_reason"])
                self.assertEqual(len(self.asked(service)), 1)

    def test_what_was_learnt_before_a_kill_is_asked_for_again(self):
        service = self.service()
        device = self.asking(service).start()
        [identifier] = device.send("Pump 3 is back")
        device.log.wait(f"message {identifier} delivered")
        device.restart()
        device.log.wait(f"message {identifier} delivered")
        self.assertEqual(service.report()["accepted"], 1)
        device.stop()  # in good order: it is on the medium
        self.assertEqual(device.message(identifier)["state"], "delivered")
        device.start()
        device.wait_state(device.send("another")[0], "delivered")
        self.assertEqual(len(self.asked(service)), 3)

    def test_a_thousand_messages_take_few_requests(self):
        service = self.service()
        device = self.asking(service)
        device.write_config(stream={"status_for": "1h"}, device={"queue_size": "4M"})
        device.start()
        phones = ",".join(f"+4477009001{n:02}" for n in range(25))
        for n in range(40):
            device.send(f"message {n}", phones)
        wait_until(lambda: device.status()["delivered"] == 1000, "all are delivered", 120)
        asked = self.asked(service)
        self.assertEqual(sorted({u for uuids in asked for u in uuids}), sorted(m["uuid"] for m in device.queue()))
        self.assertLessEqual(len(asked), 60)
        self.assertLessEqual(max(len(uuids) for uuids in asked), 50)
        self.assertEqual(service.report()["accepted"], 1000)
        self.figures(f"1,000 messages, {len(asked)} requests for receipts")

    def test_switched_off_nobody_asks_and_accepted_is_final(self):
        service = self.service()
        device = self.asking(service, status_for="off").start()
        [identifier] = device.send("Pump 3 is back", "anna", "--wait", "20")
        device.restart()
        device.send("another", "anna", "--wait", "20")
        self.assertEqual(device.message(identifier)["state"], "accepted")
        self.assertEqual(self.asked(service), [])

    def test_a_command_that_sends_by_itself_does_not_ask(self):
        service = self.service()
        device = self.asking(service)
        device.ok("send", "--to", "anna", "--wait", "20", "--", "alone")
        device.ok("send", "--to", "anna", "--wait", "20", "--", "again")
        self.assertEqual(self.asked(service), [])


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
