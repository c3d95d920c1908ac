# SPDX-License-Identifier: MIT
"""Each type of stream against the simulated service: which request it speaks, and what it refuses."""
import json
import unittest

from device import PHONES, ROOT, Case, Runner, wait_until


def bodies(service, path):
    """Method, path and parsed body of every request to `path`."""
    return [json.loads(r["body"]) for r in service.requests() if r["head"].startswith(f"POST {path} HTTP/1.1\r\n")]


class Types(Case):
    def one(self, **stream):
        """A message by a stream with these keys: the service, and the only request's head and parsed body."""
        service = self.service()
        device = self.device(service, stream=stream)
        result = device.run("send", "--to", "anna", "--class", "critical", "--wait", "30", 'Pump 3: "high" \\ 5 °C')
        self.assertEqual(result.exit, 0, result)
        request, = service.requests()
        return result.out.strip(), request["head"].split("\r\n")[0], json.loads(request["body"])

    def simple_body(self, name):
        return {"messages": [{"internal_id": name, "sender": "GLOBAL", "recipient_phone": PHONES["anna"],
                              "message_content": 'Pump 3: "high" \\ 5 °C'}]}

    def event_body(self, name, variables):
        return {"event": "alarm-key",
                "recipients": [{"internal_id": name, "recipient_phone": PHONES["anna"], "sender": "GLOBAL",
                                "template_variables": variables}]}

    def test_marketing_and_two_way_speak_simple_send(self):
        for kind in ("marketing", "two-way"):
            name, line, body = self.one(type=kind)
            self.assertEqual(line, "POST /simple_send/ HTTP/1.1")
            self.assertEqual(body, self.simple_body(name))

    def test_transactional_speaks_event_send(self):
        for keys in ({"type": "transactional"}, {"type": "whatsapp"}, {"type": "marketing", "request": "event_send"}):
            name, line, body = self.one(**keys, event="alarm-key")
            self.assertEqual(line, "POST /event_send/ HTTP/1.1")
            self.assertEqual(body, self.event_body(name, {"text": 'Pump 3: "high" \\ 5 °C', "device": "dev", "alarm": "",
                                                          "class": "critical", "state": ""}))

    def test_transactional_speaks_simple_send_where_it_is_told_to(self):
        name, line, body = self.one(type="transactional", request="simple_send")
        self.assertEqual(line, "POST /simple_send/ HTTP/1.1")
        self.assertEqual(body, self.simple_body(name))

    def test_every_vector_is_the_request_that_leaves(self):
        cases = json.loads((ROOT / "tests" / "vectors" / "api" / "requests.json").read_text(encoding="utf-8"))
        self.assertGreater(len(cases), 15)
        for case in cases:
            with self.subTest(case["name"]):
                self.assertTrue(case["why"])
                folder = self.device()
                form = folder.folder / "form.json"
                form.write_text(case.get("form", ""), encoding="utf-8")
                options = ["--default-sender", "D", "--form", f"{case['path']}={form}"] if "form" in case else ["--default-sender", "D"]
                service = self.service(options=options)
                stream = {key: value and value.replace("URL", service.url) for key, value in case["stream"].items()}
                stream.update({"request_body": form} if "form" in case else {})
                device = self.device(service, stream=stream, alarm={"to": "anna"})
                self.ask(device, case)
                first = f"POST {case['path']} HTTP/1.1"
                request, = wait_until(lambda: [r for r in service.requests() if r["head"].split("\r\n")[0] == first], first)  # noqa: B023
                fields, body = request["head"].split("\r\n"), request["body"]
                self.assertEqual([f for f in fields if f.startswith(("Authorization", "Content-Type"))],
                                 ["Authorization: token-ok", "Content-Type: application/json"])
                for message in device.queue():
                    self.assertIn(message["state"], ("accepted", "delivered"))
                    body = body.replace(message["id"], "ID").replace(message["uuid"], "UUID")
                self.assertEqual(json.loads(body), case["body"])
                if device.process is not None:
                    device.kill()

    def ask(self, device, case):
        if "otp" in case:
            keys = {"base_url": device.url, "token_file": device.token_file, "ca_file": device.ca_file, "sender": "GLOBAL"}
            device.write_config(more="[stream codes]\n" + "".join(f"{k} = {v}\n" for k, v in {**case["stream"], **keys}.items()))
            device.run("otp", *case["otp"])  # not every code is the right one
            return
        send = case.get("send")
        device.ok(*(["send", "--to", send["to"], "--", send["text"]] if send else ["raise", case["raise"]]))
        device.start()
        device.wait_ended()

    def test_gateway_has_paths_of_its_own(self):
        service = self.service()
        device = self.device(service, stream={"service": "gateway", "base_url": service.url + "/textpeak"}).start()
        device.send("by the gateway", "oncall")
        device.wait_ended()
        body, = bodies(service, "/textpeak/streams/simple_send")
        self.assertEqual(len(body["messages"]), len(PHONES))
        self.assertEqual(service.report()["accepted"], len(PHONES))

    def test_an_alarm_fills_the_variables_of_its_template(self):
        service = self.service()
        device = self.device(service, stream={"type": "transactional", "event": "alarm-key",
                                              "variables": "text, alarm, class, state"}, alarm={"to": "anna"}).start()
        device.ok("raise", "high-level")
        device.ok("clear", "high-level")
        device.wait_ended()
        said = [r["template_variables"] for body in bodies(service, "/event_send/") for r in body["recipients"]]
        common = {"alarm": "high-level", "class": "critical"}
        self.assertEqual(said, [{**common, "state": "raised", "text": "dev: sump level high"},
                                {**common, "state": "cleared", "text": "dev: sump level normal again"}])

    def test_answers_of_event_send_are_judged_like_any(self):
        service = self.service()
        service.rule("rate_limit", recipients=[PHONES["ben"]], count=1)
        service.rule("refuse", details="template not approved", match={"recipient": PHONES["cleo"]})
        device = self.device(service, stream={"type": "transactional", "event": "alarm-key"}).start()
        device.send("to three", "anna,ben,cleo")
        states = {m["to"]: (m["state"], m["reason"]) for m in device.wait_ended()}
        self.assertEqual(states[PHONES["anna"]][0], "accepted")
        self.assertEqual(states[PHONES["ben"]][0], "accepted")
        self.assertEqual(states[PHONES["cleo"]], ("failed", "template not approved"))

    def test_a_stream_of_one_time_codes_takes_no_messages(self):
        service = self.service()
        codes = f"[stream codes]\ntype = otp\nbase_url = {service.url}\nca_file = {service.ca_file}\ntoken_file = "
        device = self.device(service)
        device.write_config(more=codes + str(device.token_file) + "\n")
        device.ok("check")
        refusal = ("one-time codes", "name another one")
        self.one_line(device.run("send", "--to", "anna", "--stream", "codes", "x"), 65, *refusal)
        device.start()
        self.one_line(device.run("send", "--to", "anna", "--stream", "codes", "x"), 65, *refusal)
        # Without --stream it is the first of the others.
        device.stop()
        device.write_text(codes + f"{device.token_file}\n\n" + device.sections())
        device.start()
        device.send("by the stream behind it")
        self.assertEqual([m["stream"] for m in device.wait_ended()], ["sms"])

    def test_what_waited_when_its_stream_became_one_of_codes_waits(self):
        service = self.service()
        device = self.device(service)
        device.send("before")
        device.write_config(stream={"type": "otp", "sender": None}, alarm={"stream": "other"},
                            more=f"[stream other]\ntype = marketing\nbase_url = {service.url}\n"
                                 f"ca_file = {service.ca_file}\ntoken_file = {device.token_file}\nsender = GLOBAL\n")
        device.start()
        device.send("after", "anna", "--stream", "other")
        device.wait_state(device.queue()[1]["id"], "accepted")
        self.assertEqual(device.queue()[0]["reason"], "its stream is for one-time codes alone now (type otp)")
        self.arrived(service, "after")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
