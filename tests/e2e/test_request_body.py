# SPDX-License-Identifier: MIT
"""Requests that only the portal shows (`request_body`): the README's forms, the alarm's own places, files with mistakes."""
import json
import re
import unittest

from device import PHONES, ROOT, Case, Runner

FORMS = re.findall(r"^```json\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
LEAST = '{"to": "{{recipient}}", "body": "{{text}}"}\n'


class Forms(Case):
    def with_form(self, form, alarm=None, **stream):
        """A service that takes this form, and a device that speaks it."""
        device = self.device()
        self.file = device.folder / "form.json"
        self.file.write_text(form, encoding="utf-8")
        served = device.folder / "served.json"  # a mistake in the other one is not the service's
        served.write_text(form, encoding="utf-8")
        service = self.service(options=("--form", f"/wa/send={served}"))
        device.url = service.url
        device.write_config(alarm={"to": "anna", **(alarm or {})}, stream={
            "type": "whatsapp", "request_body": self.file, "send_path": "/wa/send", **stream})
        return service, device

    def bodies(self, service):
        return [json.loads(r["body"]) for r in service.requests()]

    def test_every_form_of_the_readme_is_taken(self):
        self.assertEqual(len(FORMS), 3)
        for form in FORMS:
            service, device = self.with_form(form)
            device.start()
            device.ok("raise", "high-level")
            device.send('Pump 3: "high" \\ 5 °C', "ben,cleo")
            self.assertEqual({m["state"] for m in device.wait_ended()}, {"accepted"})
            self.assertEqual(sorted((m["recipient"], m["text"]) for m in service.messages()), sorted([
                (PHONES["anna"], "dev: sump level high"), (PHONES["ben"], 'Pump 3: "high" \\ 5 °C'),
                (PHONES["cleo"], 'Pump 3: "high" \\ 5 °C')]))
            device.kill()

    def test_an_alarm_fills_every_place(self):
        form = '{"a": ["{{device}}", "{{alarm}}", "{{class}}", "{{state}}", "{{sender}}"], "to": "{{recipient}}", "id": "no. {{internal_id}}", "body": "{{text}}"}'
        service, device = self.with_form(form)
        device.start()
        device.ok("raise", "high-level")
        device.ok("clear", "high-level")
        ids = [m["id"] for m in device.wait_ended()]
        common = {"to": PHONES["anna"]}
        self.assertEqual(self.bodies(service), [
            {**common, "a": ["dev", "high-level", "critical", "raised", "GLOBAL"], "id": f"no. {ids[0]}",
             "body": "dev: sump level high"},
            {**common, "a": ["dev", "high-level", "critical", "cleared", "GLOBAL"], "id": f"no. {ids[1]}",
             "body": "dev: sump level normal again"}])

    def test_answers_are_judged_and_a_refusal_is_the_messages_own(self):
        service, device = self.with_form(LEAST)
        service.rule("refuse", details="template is paused", match={"recipient": PHONES["ben"]})
        service.rule("status_false", message="no such template", match={"recipient": PHONES["cleo"]})
        service.rule("rate_limit", match={"recipient": PHONES["dan"]}, count=1)
        service.rule("slow", delay=0.2, match={"recipient": PHONES["eve"]})
        device.start()
        device.send("high", "oncall")
        by = {name: phone for phone, name in PHONES.items()}
        seen = {}
        for name in ("anna", "ben", "dan", "eve"):
            message = next(m for m in device.queue() if m["to"] == PHONES[name])
            seen[name] = device.wait_state(message["id"], "failed" if name == "ben" else "accepted")["reason"]
        self.assertEqual(seen["ben"], "template is paused")
        cleo = next(m for m in device.queue() if by[m["to"]] == "cleo")
        self.assertEqual((cleo["state"], cleo["attempts"]), ("queued", 1))
        self.assertIn("no such template", cleo["reason"])
        self.assertEqual(device.stream()["state"], "idle")

    def test_check_tells_each_mistake_with_its_line(self):
        service, device = self.with_form(LEAST)
        for form, words in (
                ('{"to": "{{recipient}}",\n "body": "{{txt}}"}', "form.json:2: {{txt}} is not known"),
                ('{"to": {{recipient}}}', "form.json:1: {{recipient}} stands outside of a text"),
                ('{"to": "447700900123", "body": "{{text}}"}', "form.json: it has no {{recipient}}"),
                ('{"to": "{{recipient}}",}', "form.json:1: a name in double quotes is missing"),
                (LEAST + "x" * 5000, "form.json: it is larger than 4096 bytes"),
                ("", "form.json:1: it does not begin with {"),
        ):
            self.file.write_text(form, encoding="utf-8")
            self.one_line(device.run("check"), 78, words)
        self.file.unlink()
        self.one_line(device.run("check"), 78, "form.json: no such file", "request_body")
        self.file.mkdir()
        self.one_line(device.run("check"), 78, "form.json: is a directory")
        self.file.rmdir()
        self.file.write_text(LEAST)
        device.ok("check")
        self.assertEqual(service.requests(), [])

    def test_a_place_for_a_sender_needs_one(self):
        _, device = self.with_form('{"to": "{{recipient}}", "body": "{{text}}", "from": "{{sender}}"}', sender=None)
        self.one_line(device.run("check"), 78, "form.json: it has {{sender}}, and the stream has none: add sender = NAME")

    def test_a_start_with_a_mistake_holds_the_stream_until_it_is_mended(self):
        service, device = self.with_form(LEAST)
        self.file.write_text(LEAST.replace("text", "txt"))
        device.start()
        name, = device.send("waits")
        device.log.wait("form.json:1: {{txt}} is not known")
        self.assertEqual((device.stream()["state"], device.message(name)["state"]), ("held", "queued"))
        self.file.write_text(LEAST)
        device.wait_state(name, "accepted")  # looked at every 10 s
        self.arrived(service, "waits")

    def test_a_good_form_is_not_named_by_what_else_holds_the_stream(self):
        _, device = self.with_form(LEAST)
        device.token_file.unlink()
        device.start()
        device.log.wait("held: there is no token file")
        self.assertTrue(device.stream()["reason"].startswith("there is no token file"), device.stream())

    def test_a_reload_with_a_mistake_changes_nothing(self):
        service, device = self.with_form(LEAST)
        device.start()
        self.file.write_text(LEAST.replace("}}", "}"))
        device.hang_up()
        device.log.wait("form.json:1: {{recipient} has no }} behind it")
        device.log.wait("not reloaded")
        device.send("as before")
        device.wait_ended()
        self.arrived(service, "as before")

    def test_a_reload_takes_the_changed_form(self):
        service, device = self.with_form('{"to": "{{recipient}}", "body": "{{text}}"}')
        device.start()
        self.file.write_text('{"to": "{{recipient}}", "body": "{{text}}", "more": 1}')
        device.hang_up()
        device.log.wait("starting anew")
        name, = device.send("changed")
        # The service wants the form of before: 422 sets the message aside.
        device.log.wait("extra fields not permitted")
        self.assertEqual(self.bodies(service)[-1], {"to": PHONES["anna"], "body": "changed", "more": 1})
        self.assertEqual(device.message(name)["state"], "queued")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
