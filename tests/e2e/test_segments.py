# SPDX-License-Identifier: MIT
"""Budgets in segments: what is above them waits and says why, critical messages have a reserve, a restart knows them."""
import unittest

from device import Case, Runner, wait_until

SELF = "[alarm self]\nto = eve\n"
TWO = "x" * 200  # segments


class Segments(Case):
    def waiting(self, device, reason):
        """The messages that wait, for this reason."""
        return [m for m in device.queue() if m["state"] == "queued" and reason in (m["reason"] or "")]

    def test_of_a_stream(self):
        service = self.service()
        device = self.device(service, stream={"segments_per_day": "10"}, more=SELF).start()
        for _ in range(6):
            device.send(TWO)
        self.assertTrue(service.wait(distinct=5))  # eight of them, and what the device says about itself
        reason = "stream sms has had its segments of the day: the next in 2"  # 23 or 24 hours
        wait_until(lambda: len(self.waiting(device, reason)) == 2, "two that wait")
        device.log.wait("stream sms has had 10 segments of the day but for those of critical messages: the others wait ")
        own = [m["text"] for m in service.messages() if "segments" in m["text"]]
        self.assertEqual(own, ["dev: stream sms has had its segments of the day"])
        self.assertEqual(device.stream()["segments_today"], 9)
        self.assertIn(", 9 of 10 segments of the day", device.ok("status").out)
        device.send("critical", "anna", "--class", "critical")
        device.log.wait("stream sms has had 10 segments of the day: the others wait ")
        device.send("another one", "anna", "--class", "critical")
        wait_until(lambda: len(self.waiting(device, reason)) == 3, "three that wait")
        device.restart()
        device.log.wait(reason)  # nobody crosses it any more
        self.assertEqual(device.stream()["segments_today"], 10)
        wait_until(lambda: len(self.waiting(device, reason)) == 3, "the same three")
        self.assertEqual(len(service.messages()), 6)
        device.write_config(more=SELF)  # without the budget
        device.hang_up()
        self.assertTrue(service.wait(distinct=9))

    def test_of_a_phone(self):
        service = self.service()
        device = self.device(service, stream={"recipient_segments_per_day": "3", "critical_reserve": "0%"}).start()
        for _ in range(4):
            device.send(TWO, "oncall", "--class", "critical")
        device.log.wait("phone 44*******")
        wait_until(lambda: len(service.messages()) == 10, "two to each of five phones")
        reason = "its phone by stream sms has had its segments of the day: the next in 2"
        wait_until(lambda: len(self.waiting(device, reason)) == 10, "two for each that wait")
        device.send("x", "447700900999")
        self.assertTrue(service.wait(distinct=11))
        device.restart()
        device.log.wait(reason)
        wait_until(lambda: len(self.waiting(device, reason)) == 10, "the same ones")
        self.assertIn("now: waits: its phone", device.ok("queue", "show", self.waiting(device, reason)[0]["id"]).out)

    def test_budget_of_a_class_that_was_spent_before_a_start_is_told_by_it(self):
        service = self.service()
        device = self.device(service)
        text = device.sections()
        device.write_text(text.replace("[class info]\nper_hour = none", "[class info]\nper_hour = 2"))
        device.start()
        device.send("x", "anna,ben", "--class", "info")
        self.assertTrue(service.wait(distinct=2))
        device.wait_ended()
        device.restart()
        device.log.wait("class info has sent as many messages as it may: the next in ")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
