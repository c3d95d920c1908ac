#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the simulated service does on the wire what it says.

One case: selftest.py Scenarios.test_gzip
"""

import concurrent.futures
import glob
import json
import os
import socket
import ssl
import subprocess
import sys
import unittest

from harness import HERE, Simulator, command, make_certificates
from selfcase import ANNA, BEN, CERTIFICATES, TOKEN, WORK, WithService
import selftest_scenarios
from wire import Client, post, send_body


Scenarios = selftest_scenarios.Scenarios  # run from here as well


def tearDownModule():
    WORK.cleanup()


class Plain(WithService):
    options = ("--no-default-sender",)  # the strictest reading

    def test_accepted_message_is_answered_as_recorded_answers_are(self):
        answer = self.send("a", "b", to=(ANNA, BEN))
        self.assertEqual((answer.status, answer.end), (200, "open"))
        self.assertEqual(
            [name for name, _ in answer.headers],
            [
                "Date",
                "Content-Type",
                "Transfer-Encoding",
                "Connection",
                "CF-Cache-Status",
                "Server",
                "CF-RAY",
                "alt-svc",
            ],
        )
        self.assertEqual(answer.fields["transfer-encoding"], "chunked")
        self.assertEqual(answer.fields["server"], "cloudflare")
        content = answer.json()
        self.assertEqual(sorted(content), ["messages", "status", "task_id"])
        self.assertEqual([m["internal_id"] for m in content["messages"]], ["a", "b"])
        self.assertEqual([m["error"] for m in content["messages"]], [None, None])
        kept = self.service.messages()
        self.assertEqual([m["uuid"] for m in kept], [m["message_uuid"] for m in content["messages"]])
        self.assertEqual([(m["recipient"], m["answer"]) for m in kept], [(ANNA, "sent"), (BEN, "sent")])

    def test_status_query_finds_accepted_messages_only(self):
        uuid = self.send("a").json()["messages"][0]["message_uuid"]
        ask = post("/messages_status/", json.dumps({"message_uuids": [uuid, "no-such"]}))
        self.assertEqual(
            self.client().ask(ask).json(),
            {"status": True, "messages": [{"message_uuid": uuid, "status": "delivered"}]},
        )
        shapes = {
            "array": [{"message_uuid": uuid, "status": "sent"}],
            "map": {uuid: "sent"},
            "items": {"items": [{"message_uuid": uuid, "status": "sent"}], "total": 1},
            "nested": {"messages": {uuid: {"status": "sent"}}},
        }
        for shape, content in shapes.items():
            self.service.rule("delivery", word="sent", shape=shape, count=1)
            self.assertEqual(self.client().ask(ask).json(), content)

    def test_event_send_is_accepted(self):
        body = {
            "event": "alarm",
            "recipients": [
                {
                    "internal_id": "e",
                    "recipient_phone": ANNA,
                    "sender": "GLOBAL",
                    "template_variables": {"text": "high"},
                }
            ],
        }
        self.assertEqual(self.client().ask(post("/event_send/", json.dumps(body))).status, 200)
        self.assertEqual(self.service.messages()[0]["text"], '{"text": "high"}')

    def test_event_send_takes_the_body_of_simple_send_as_the_published_page_shows_it(self):
        message = {"internal_id": "m", "recipient_phone": ANNA, "sender": "GLOBAL", "message_content": "high"}
        client = self.client()
        self.assertEqual(client.ask(post("/event_send/", json.dumps({"messages": [message]}))).status, 200)
        self.assertEqual(self.service.messages()[0]["text"], "high")
        del message["message_content"]
        answer = client.ask(post("/event_send/", json.dumps({"messages": [message]})))
        self.assertEqual((answer.status, answer.json()["detail"][0]["loc"][-1]), (422, "message_content"))

    def test_event_send_that_no_template_could_use_is_refused(self):
        good = {"internal_id": "e", "recipient_phone": ANNA, "sender": "GLOBAL", "template_variables": {"text": "t"}}
        cases = [
            ({"recipients": [good]}, ["body", "event"]),
            ({"event": 1, "recipients": [good]}, ["body", "event"]),
            ({"event": "alarm"}, ["body", "recipients"]),
            ({"event": "alarm", "recipients": []}, ["body", "recipients"]),
            ({"event": "alarm", "recipients": [good] * 251}, ["body", "recipients"]),
            *(
                (
                    {"event": "alarm", "recipients": [good, {k: v for k, v in good.items() if k != key}]},
                    ["body", "recipients", 1, key],
                )
                for key in good
            ),
            (
                {"event": "alarm", "recipients": [dict(good, template_variables=["t"])]},
                ["body", "recipients", 0, "template_variables"],
            ),
            (
                {"event": "alarm", "recipients": [dict(good, template_variables={"n": 1})]},
                ["body", "recipients", 0, "template_variables", "n"],
            ),
        ]
        client = self.client()
        for body, where in cases:
            with self.subTest(where=where):
                answer = client.ask(post("/event_send/", json.dumps(body)))
                self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, where))
        self.assertEqual(self.service.messages(), [])

    def test_gateway_takes_its_path_without_a_slash_and_names_what_has_no_id(self):
        message = {"recipient_phone": ANNA, "message_content": "t"}
        path = "/textpeak/streams/simple_send"
        client = self.client()
        answer = client.ask(post(path, json.dumps({"sender": "GLOBAL", "messages": [message]})))
        self.assertEqual((answer.status, answer.json()["messages"][0]["error"]), (200, None))
        self.assertEqual(self.service.messages()[0]["sender"], "GLOBAL")
        self.assertEqual(client.ask(post(path, json.dumps({"messages": [message]}))).status, 422)
        self.assertEqual(client.ask(post(path + "/", json.dumps({"messages": []}))).status, 404)
        self.assertEqual(client.ask(post(path, json.dumps({"sender": "G", "messages": []}))).status, 422)

    def test_wrong_requests_are_refused_as_the_framework_does(self):
        good = send_body(["a"], [ANNA])
        cases = [
            (post("/simple_send", good), 307, None),
            (post("/other/", good), 404, {"detail": "Not Found"}),
            (post("/simple_send/", b"", method="GET"), 405, {"detail": "Method Not Allowed"}),
            (post("/simple_send/", good, token="x"), 403, {"detail": "Not authenticated"}),
            (post("/simple_send/", good, token="Bearer " + TOKEN), 403, {"detail": "Not authenticated"}),
            (post("/simple_send/", good, token=None), 403, {"detail": "Not authenticated"}),
            (post("/simple_send/", b"{"), 422, ["body", 1]),
            (post("/simple_send/", b"[]"), 422, ["body"]),
            (post("/simple_send/", b"{}"), 422, ["body", "messages"]),
            (
                post(
                    "/simple_send/",
                    b'{"messages":[{"internal_id":"a","recipient_phone":"1","message_content":"t"}]}',
                ),
                422,
                ["body", "messages", 0, "sender"],
            ),
            (post("/simple_send/", good.replace(b'"a"', b"1")), 422, ["body", "messages", 0, "internal_id"]),
            (post("/messages_status/", b"{}"), 422, ["body", "message_uuids"]),
            (post("/simple_send/", good, kind="text/plain"), 422, ["body"]),
        ]
        client = self.client()
        for request, status, expected in cases:
            with self.subTest(request=request[:200]):
                answer = client.ask(request)
                self.assertEqual(answer.status, status)
                if status == 307:
                    self.assertTrue(answer.fields["location"].endswith("/simple_send/"))
                elif status == 422:
                    self.assertEqual(answer.json()["detail"][0]["loc"], expected)
                else:
                    self.assertEqual(answer.json(), expected)
        self.assertEqual(self.accepted(), [])

    def test_wrong_use_is_told_in_one_line_with_what_to_write(self):
        uses = [
            ("ctl.py", "reply", "write ctl.py DIR reply FROM TEXT..."),
            ("ctl.py", "wait many", "many is no number"),
            ("ctl.py", "wait", "write ctl.py DIR wait N [SECONDS]"),
            ("ctl.py", "token", "write ctl.py DIR token TOKEN..."),
            ("ctl.py", "frobnicate", "there is no command frobnicate: actions, clear"),
            ("ctl.py", "rule nonsense", "no such action: 'nonsense'; there are accept, status"),
            ("ctl.py", "report --expect /nowhere", "/nowhere: No such file"),
            ("simulator.py", f"--port {self.service.port}", "cannot listen on 127.0.0.1:"),
            ("simulator.py", "--cert bogus", "there is no such certificate"),
            ("simulator.py", "--form x", "write --form /PATH=FILE"),
            ("simulator.py", "--rules /nowhere", "/nowhere"),
            ("simulator.py", "--certs /proc/nowhere", "certificates cannot be made there"),
        ]
        for program, words, said in uses:
            with self.subTest(words=words):
                own = [self.service.directory] if program == "ctl.py" else ["--dir", os.path.join(WORK.name, "wrong")]
                if program == "simulator.py" and "--certs" not in words:
                    own += ["--certs", CERTIFICATES]
                done = subprocess.run([sys.executable, os.path.join(HERE, program), *own, *words.split()],
                                      capture_output=True, text=True, timeout=30, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr.splitlines()[-1])
                self.assertNotIn("Traceback", done.stderr)
        shown = subprocess.run([sys.executable, os.path.join(HERE, "ctl.py"), self.service.directory, "--help"],
                               capture_output=True, text=True, check=False)
        self.assertEqual((shown.returncode, shown.stdout.splitlines()[0]), (0, "Commands to a running simulator."))
        gone = subprocess.run([sys.executable, os.path.join(HERE, "ctl.py"), WORK.name, "report"],
                              capture_output=True, text=True, check=False)
        self.assertIn("is that its --dir?", gone.stderr)

    def test_bad_phone_and_sender_are_refused_alone(self):
        answer = self.send("a", "b", to=("0770", ANNA)).json()
        self.assertIs(answer["status"], False)
        self.assertIn("422: invalid phone structure: (0) Could not", answer["messages"][0]["details"])
        self.assertIsNone(answer["messages"][0]["message_uuid"])
        answer = self.send("c", sender="NOTALLOWED").json()
        self.assertIn("is not allowed sender", answer["messages"][0]["details"])
        self.assertEqual(self.accepted(), ["b"])

    def test_pipelining_is_refused(self):
        request = post("/simple_send/", send_body(["a"], [ANNA]))
        self.assertEqual(self.client().ask(request + request).status, 400)
        self.assertEqual(self.accepted(), [])

    def test_requests_are_kept_as_received_but_for_the_token(self):
        request = post("/simple_send/", send_body(["a"], [ANNA]))
        client = self.client()
        client.ask(request)
        client.ask(request.replace(TOKEN.encode(), b"wrong-secret"))
        kept = self.service.requests()
        self.assertEqual(
            (kept[0]["head"] + kept[0]["body"]).encode(), request.replace(TOKEN.encode(), b"token-ok")
        )
        self.assertEqual(
            [(r["connection"], r["request"], r["token_ok"]) for r in kept], [(1, 1, True), (1, 2, False)]
        )
        self.assertEqual(kept[0]["tls"], "TLSv1.3")
        for name in glob.glob(self.service.directory + "/*.jsonl"):
            with open(name, encoding="utf-8") as file:
                content = file.read()
            self.assertNotIn(TOKEN, content)
            self.assertNotIn("wrong-secret", content)


class Running(WithService):
    def test_state_survives_stop_and_kill_on_the_same_port(self):
        self.service.rule("drop", at="accepted", count=1)
        self.send("a")
        self.service.stop()
        self.assertRaises(ConnectionRefusedError, self.client)
        self.service.start()
        self.send("a")
        self.service.report()  # the answer is noted now, too
        self.service.restart(kill=True)
        with open(self.service.directory + "/messages.jsonl", "ab") as file:
            file.write(b'{"kind":"acc')  # torn
        self.service.restart(kill=True)
        self.send("b")
        report = self.service.report(expect=["a", "text 0", "c"])
        self.assertEqual(
            (report["accepted"], report["distinct"], report["max_copies"], report["starts"]), (3, 2, 2, 3)
        )
        self.assertEqual(report["messages"]["a"]["answers"], ["lost", "sent"])
        self.assertEqual(report["lost"], ["c"])

    def test_hold_and_resume(self):
        client = self.client()
        self.service.hold("refuse", drop=True)
        self.assertEqual(client.ask(b"").end, "cut")
        with self.assertRaises(ConnectionRefusedError):
            self.client()
        self.service.hold("stall")
        self.service.hold("refuse")
        self.service.resume()
        self.assertEqual(self.send("a").status, 200)
        self.service.hold("stall")
        with self.assertRaises(TimeoutError):
            Client(self.service.port, self.service.ca_file, timeout=0.2)
        self.service.resume()
        self.assertEqual(self.send("b").status, 200)

    def test_token_changes(self):
        self.service.token("other")
        self.assertEqual(self.send("a").status, 403)
        self.service.token(TOKEN)
        self.assertEqual(self.send("a").status, 200)

    def test_500_messages_over_20_connections(self):
        def some(thread):
            client = Client(self.service.port, self.service.ca_file)
            for number in range(25):
                self.send(f"m{thread}-{number}", client=client)
            client.close()

        with concurrent.futures.ThreadPoolExecutor(20) as threads:
            list(threads.map(some, range(20)))
        self.assertTrue(self.service.wait(distinct=500, timeout=10))
        report = self.service.report()
        self.assertEqual((report["accepted"], report["duplicates"], report["connections"]), (500, 0, 20))
        self.assertFalse(self.service.wait(distinct=501, timeout=0))

    def test_command_line(self):
        def ctl(*words):
            done = subprocess.run(
                [sys.executable, os.path.join(HERE, "ctl.py"), self.service.directory, *words],
                capture_output=True,
                text=True,
            )
            return done.returncode, done.stdout

        self.assertEqual(
            ctl("rule", "status", "code=429", "retry_after=1", "--recipient", ANNA, "--count", "1")[0], 0
        )
        self.assertEqual(self.send("a").status, 429)
        self.send("a", "a")
        expected = os.path.join(WORK.name, "expected")
        with open(expected, "w", encoding="utf-8") as file:
            file.write("a\nmissing\n")
        status, text = ctl("report", "--expect", expected)
        self.assertEqual(status, 1)
        self.assertIn("LOST missing\n", text)
        self.assertEqual((ctl("report", "--most", "2")[0], ctl("report", "--most", "1")[0]), (0, 1))
        self.assertEqual((ctl("wait", "1", "0")[0], ctl("wait", "2", "0")[0]), (0, 1))

    def test_second_service_on_the_same_directory_is_refused(self):
        done = subprocess.run(
            [
                sys.executable,
                os.path.join(HERE, "simulator.py"),
                "--dir",
                self.service.directory,
                "--certs",
                CERTIFICATES,
            ],
            capture_output=True,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(command(self.service.directory, "ping")["port"], self.service.port)


class OneTimeCodes(WithService):
    def ask(self, path, **body):
        return self.client().ask(post(path, json.dumps(body)))

    def test_code_is_good_once_and_only_for_its_phone(self):
        self.assertIs(self.ask("/otp/auth/", recipient_phone=ANNA).json()["status"], True)
        kept = self.service.messages()[0]
        self.assertRegex(kept["text"], r"^[0-9]{5}$")
        self.assertEqual(kept["answer"], "sent")
        for phone, code, good in ((BEN, kept["text"], False), (ANNA, "no", False), (ANNA, kept["text"], True),
                                  (ANNA, kept["text"], False)):
            self.assertIs(self.ask("/otp/verify/", recipient_phone=phone, code=code).json()["status"], good)

    def test_code_is_over_after_three_that_were_wrong(self):
        self.ask("/otp/auth/", recipient_phone=ANNA, template_variables={"code": "1234"}, sender="GLOBAL")
        for code in ("1", "2", "3", "1234"):
            self.assertIs(self.ask("/otp/verify/", recipient_phone=ANNA, code=code).json()["status"], False)

    def test_wrong_bodies_are_refused_as_the_framework_does(self):
        for path, body, where in (
            ("/otp/auth/", {}, ["recipient_phone"]),
            ("/otp/auth/", {"recipient_phone": 1}, ["recipient_phone"]),
            ("/otp/auth/", {"recipient_phone": ANNA, "sender": None}, ["sender"]),
            ("/otp/auth/", {"recipient_phone": ANNA, "template_variables": ["1"]}, ["template_variables"]),
            ("/otp/auth/", {"recipient_phone": ANNA, "template_variables": {"code": 1}}, ["template_variables", "code"]),
            ("/otp/verify/", {"recipient_phone": ANNA}, ["code"]),
            ("/otp/verify/", {"recipient_phone": ANNA, "code": 1234}, ["code"]),
        ):
            with self.subTest(body=body):
                answer = self.ask(path, **body)
                self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, ["body", *where]))
        answer = self.ask("/otp/auth/", recipient_phone="07700900123").json()
        self.assertEqual((answer["status"], "phone" in answer["message"]), (False, True))
        self.assertEqual(self.service.messages(), [])


class DefaultSender(WithService):
    def test_message_without_a_sender_has_that_of_the_stream(self):
        message = {"internal_id": "a", "recipient_phone": ANNA, "message_content": "t"}
        self.assertEqual(self.client().ask(post("/simple_send/", json.dumps({"messages": [message]}))).status, 200)
        self.assertEqual(self.accepted(), ["a"])


class FreePath(WithService):
    options = ("--free-path", "/otp/auth", "--default-sender", "GLOBAL")

    def test_any_object_is_one_message(self):
        body = {"to": ANNA, "message": {"internal_id": "w", "parts": [{"text": "high"}]}}
        answer = self.client().ask(post("/otp/auth", json.dumps(body)))
        self.assertEqual(answer.json()["messages"][0]["internal_id"], "w")
        kept = self.service.messages()[0]
        self.assertEqual((kept["recipient"], kept["text"], kept["answer"]), (ANNA, "high", "sent"))


class FormPath(WithService):
    FORM = {"to": "+{{recipient}}", "template": {"name": "alarm", "n": 1, "body": [{"text": "{{device}}: {{text}}"}]}}

    @classmethod
    def setUpClass(cls):
        path = os.path.join(WORK.name, "form.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(cls.FORM, file)
        cls.options = ("--form", f"/wa/send={path}")
        super().setUpClass()

    @staticmethod
    def body(to="+" + ANNA, text="gw7: high\nagain", **changes):
        return {"to": to, "template": {"name": "alarm", "n": 1, "body": [{"text": text}], **changes}}

    def test_body_of_the_form_is_one_message_and_no_other_is_any(self):
        client = self.client()
        wrong = [
            ({}, ["body", "to"]),
            (self.body(to=ANNA), ["body", "to"]),
            (self.body(to=5), ["body", "to"]),
            (self.body(text="high"), ["body", "template", "body", 0, "text"]),
            (self.body(n=True), ["body", "template", "n"]),
            (self.body(name="other"), ["body", "template", "name"]),
            (self.body(body=[]), ["body", "template", "body"]),
            (self.body(more=1), ["body", "template", "more"]),
        ]
        for body, where in wrong:
            with self.subTest(where=where):
                answer = client.ask(post("/wa/send", json.dumps(body)))
                self.assertEqual((answer.status, answer.json()["detail"][0]["loc"]), (422, where))
        answer = client.ask(post("/wa/send", json.dumps(self.body())))
        entry, = answer.json()["messages"]
        kept, = self.service.messages()
        self.assertEqual(entry, {"message_uuid": kept["uuid"], "error": None})
        self.assertEqual((kept["recipient"], kept["text"], kept["answer"]), (ANNA, "high\nagain", "sent"))

    def test_rules_know_its_messages(self):
        self.service.rule("refuse", details="template is paused", match={"recipient": ANNA, "text": "high"})
        entry, = self.client().ask(post("/wa/send", json.dumps(self.body()))).json()["messages"]
        self.assertEqual((entry["message_uuid"], entry["details"]), (None, "template is paused"))


class Certificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_certificates(CERTIFICATES)

    def test_each_is_what_it_says(self):
        reasons = {
            "ec": None,
            "rsa": None,
            "chain": None,
            "nochain": "unable to get local issuer",
            "expired": "expired",
            "future": "not yet valid",
            "wronghost": "Hostname mismatch",
            "unknownca": "self-signed certificate in certificate chain",
            "selfsigned": "self-signed certificate",
        }
        for name, reason in reasons.items():
            with self.subTest(name), Simulator(
                os.path.join(WORK.name, name), CERTIFICATES, cert=name
            ) as service:
                if reason is None:
                    Client(service.port, service.ca_file).close()
                    continue
                with self.assertRaises(ssl.SSLCertVerificationError) as caught:
                    Client(service.port, service.ca_file)
                self.assertIn(reason, caught.exception.verify_message)
                self.assertIn("ALERT", service.report()["handshakes_failed"][0]["reason"])

    def test_tls_versions(self):
        for version in ("1.2", "1.3"):
            with Simulator(os.path.join(WORK.name, "tls" + version), CERTIFICATES, tls=version) as service:
                client = Client(service.port, service.ca_file)
                self.assertEqual(client.tls.version(), "TLSv" + version)
                client.close()

    def test_made_once_by_many_at_the_same_time(self):
        target = os.path.join(WORK.name, "together")
        makers = [subprocess.Popen([os.path.join(HERE, "certs.sh"), target]) for _ in range(4)]
        self.assertEqual([maker.wait() for maker in makers], [0] * 4)
        self.assertEqual([n for n in os.listdir(target) if n.startswith(".new")], [])
        for key in glob.glob(target + "/*.key"):
            self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        ssl.create_default_context(cafile=target + "/ca.pem")
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(target + "/ec.pem", target + "/ec.key")


if __name__ == "__main__":
    socket.setdefaulttimeout(20)
    unittest.main()
