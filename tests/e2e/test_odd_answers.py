# SPDX-License-Identifier: MIT
"""Answers that could not be understood are kept for support, once, without token and numbers."""
import stat
import unittest

from device import PHONES, TOKEN, Case, Runner, wait_until

UUID = "0562f2aa-5945-4f41-824a-b774fc2e2b2a"
SAID = "is in {}, without token and numbers: send it to support"


class OddAnswers(Case):
    def kept(self, device):
        return {path.name: path.read_text(encoding="utf-8") for path in device.state.glob("answer.*")}

    def test_answer_that_is_no_json_is_kept_once_and_masked(self):
        service = self.service()
        body = f"Hello {TOKEN}, {PHONES['anna']} has {UUID}\x1b[2J"
        service.rule("status", code=200, body=body, content_type="text/plain", count=2)
        device = self.device(service).start()
        name, = device.send("level high", "anna", "--class", "critical")
        file = device.state / "answer.sms.whole"
        device.log.wait(SAID.format(file))
        device.wait_state(name, "accepted")  # behind a second answer of the kind
        text = self.kept(device).pop(file.name)
        self.assertEqual(list(self.kept(device)), [file.name])
        self.assertTrue(text.endswith(f"\nbytes {len(body)}\n\nHello ***, 44*******100 has {UUID}?[2J"), text)
        self.assertIn("\nstream sms\nat 20", text)
        self.assertIn("\nread as 200 (no JSON", text)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(sum(SAID.format(file) in line for line in device.log.lines), 1)

    def test_what_an_answer_says_of_one_message_is_kept_too(self):
        service = self.service()
        service.rule("empty_uuid", match={"recipient": PHONES["ben"]}, count=1)
        device = self.device(service).start()
        device.send("level high", "anna,ben")
        file = device.state / "answer.sms.part"
        device.log.wait(SAID.format(file))
        self.assertIn('"message_uuid":""', self.kept(device)[file.name])
        self.assertEqual(list(self.kept(device)), [file.name])
        device.wait_ended()

    def test_one_that_is_there_stays_until_somebody_removes_it(self):
        service = self.service()
        device = self.device(service).start()
        file = device.state / "answer.sms.whole"
        file.write_text("the first one")
        service.rule("garbage", kind="json", count=1)
        device.send("level high", "anna", "--class", "critical")
        device.wait_ended()
        self.assertEqual(self.kept(device), {file.name: "the first one"})
        file.unlink()
        device.restart()
        service.rule("garbage", kind="body", count=1)
        device.send("level higher", "anna", "--class", "critical")
        device.log.wait(SAID.format(file))
        self.assertLess(file.stat().st_size, 4097)
        device.wait_ended()

    def test_a_large_one_is_cut(self):
        service = self.service()
        service.rule("status", code=200, body="<html>" + "page " * 3000, content_type="text/html", count=1)
        device = self.device(service).start()
        device.send("level high", "anna", "--class", "critical")
        device.log.wait(SAID.format(device.state / "answer.sms.whole"))
        self.assertEqual((device.state / "answer.sms.whole").stat().st_size, 4096)
        device.wait_ended()

    def test_an_answer_about_receipts_is_kept_beside_the_others(self):
        service = self.service()
        service.rule("delivery", word="Teleported", details=f"by {TOKEN} to 447700900100")
        device = self.device(service, stream={"status_for": "1h"}).start()
        name, = device.send("level high", "anna")
        file = device.state / "answer.sms.status"
        device.log.wait(SAID.format(file))
        text = self.kept(device).pop(file.name)
        self.assertIn("Teleported", text)
        self.assertIn("by *** to 44*******100", text)
        self.assertIn(device.message(name)["uuid"], text)
        self.assertEqual(list(self.kept(device)), [file.name])

    def test_purge_removes_them_and_the_next_one_is_kept_again(self):
        service = self.service()
        device = self.device(service)
        device.start()
        file = device.state / "answer.sms.whole"
        other = device.state / "answer.webhook.whole"
        for running in (True, False):
            with self.subTest(running=running):
                service.rule("garbage", kind="json", count=1)
                device.send("level high", "anna", "--class", "critical")
                device.wait_ended()
                wait_until(file.exists, "it is kept")
                other.write_text("of another day")
                if not running:
                    device.stop()
                device.ok("queue", "purge")
                self.assertEqual(self.kept(device), {})

    def test_an_answer_about_a_code_is_kept_without_what_could_be_one(self):
        service = self.service()
        device = self.device(service)
        codes = f"type = otp\nbase_url = {device.url}\ntoken_file = {device.token_file}\nca_file = {device.ca_file}\n"
        device.write_config(more=f"[stream codes]\n{codes}")
        device.send("level high", "anna", "--wait", "20")  # makes the state
        device.secrets.append("ZX-481")
        body = f'{{"ok": "4711", "of": "{PHONES["anna"]}", "said": "ZX-481", "by": "{TOKEN}"}}'
        service.rule("status", code=200, body=body, count=2)
        done = device.run("otp", "verify", "anna", "-", stdin="ZX-481")
        file = device.state / "answer.codes.whole"
        self.one_line(done, 75, "nobody knows: 200: no `status`", f"The answer is in {file}, without token and numbers")
        text = self.kept(device).pop(file.name)
        self.assertTrue(text.endswith('\n\n{"ok": "####", "of": "############", "said": "***", "by": "***"}'), text)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.one_line(device.run("otp", "send", "anna"), 75, "no `status` that is true or false\n")  # the first is kept
        self.assertEqual(self.kept(device), {file.name: text})

    def test_refusals_and_trouble_are_understood(self):
        service = self.service()
        service.rule("refuse", match={"recipient": PHONES["ben"]})
        service.rule("html", code=502, count=1)
        service.rule("rate_limit", count=1)
        device = self.device(service).start()
        device.send("level high", "anna,ben")
        device.wait_ended()
        self.assertEqual(self.kept(device), {})


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
