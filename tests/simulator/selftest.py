#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the simulated service does on the wire what each scenario says. One case: selftest.py Scenarios.test_gzip"""

import concurrent.futures
import glob
import gzip
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

from harness import HERE, CommandFailed, Simulator, command, make_certificates
from scenarios import ACTIONS
from wire import Client, post, send_body

TOKEN = "test-token"
ANNA, BEN = "447700900123", "447700900456"
# Of the response bodies in the published collection "SMS Streams API Documentation" (2023), as they stand there.
RECORDED = {
    "success": (200, "ee294a47cc941e4658939d229a8b336f9aab56d922d5759a7762294339fcca80"),
    "rate_limit": (200, "37a377ab760448350694bcaa3df11e926322284a1f0b4b5bbc700c2ede17bf80"),
    "not_authenticated": (403, "affb42ad479b849d16b92367170c0db750e7eb27eb00059e76a422bf525bfb8d"),
}
WORK = tempfile.TemporaryDirectory(prefix="simulator-")
CERTIFICATES = os.path.join(WORK.name, "certs")


def setUpModule():
    make_certificates(CERTIFICATES)


def tearDownModule():
    WORK.cleanup()


class WithService(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.service = Simulator(os.path.join(WORK.name, cls.__name__), CERTIFICATES, options=cls.options).start()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def setUp(self):
        self.service.reset()
        self.service.resume()
        self.service.token(TOKEN)
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()

    def client(self):
        self.clients.append(Client(self.service.port, self.service.ca_file))
        return self.clients[-1]

    def send(self, *ids, to=(ANNA,), client=None, **more):
        """Sends a batch on a new connection and returns its answer."""
        return (client or self.client()).ask(post("/simple_send/", send_body(ids, to, **more)))

    def answers(self, internal_id="a"):
        return self.service.report()["messages"][internal_id]["answers"]

    def accepted(self):
        return [message["internal_id"] for message in self.service.messages()]


class Plain(WithService):
    def test_accepted_message_is_answered_as_recorded_answers_are(self):
        answer = self.send("a", "b", to=(ANNA, BEN))
        self.assertEqual((answer.status, answer.end), (200, "open"))
        self.assertEqual([name for name, _ in answer.headers],
                         ["Date", "Content-Type", "Transfer-Encoding", "Connection", "CF-Cache-Status", "Server",
                          "CF-RAY", "alt-svc"])
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
        self.assertEqual(self.client().ask(ask).json(),
                         {"status": True, "messages": [{"message_uuid": uuid, "status": "delivered"}]})
        shapes = {"array": [{"message_uuid": uuid, "status": "sent"}], "map": {uuid: "sent"},
                  "items": {"items": [{"message_uuid": uuid, "status": "sent"}], "total": 1},
                  "nested": {"messages": {uuid: {"status": "sent"}}}}
        for shape, content in shapes.items():
            self.service.rule("delivery", word="sent", shape=shape, count=1)
            self.assertEqual(self.client().ask(ask).json(), content)

    def test_event_send_is_accepted(self):
        body = {"event": "alarm", "recipients": [{"internal_id": "e", "recipient_phone": ANNA, "sender": "GLOBAL",
                                                  "template_variables": {"text": "high"}}]}
        self.assertEqual(self.client().ask(post("/event_send/", json.dumps(body))).status, 200)
        self.assertEqual(self.service.messages()[0]["text"], '{"text": "high"}')

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
            (post("/simple_send/", b'{"messages":[{"internal_id":"a","recipient_phone":"1","message_content":"t"}]}'),
             422, ["body", "messages", 0, "sender"]),
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
        self.assertEqual((kept[0]["head"] + kept[0]["body"]).encode(), request.replace(TOKEN.encode(), b"token-ok"))
        self.assertEqual([(r["connection"], r["request"], r["token_ok"]) for r in kept], [(1, 1, True), (1, 2, False)])
        self.assertEqual(kept[0]["tls"], "TLSv1.3")
        for name in glob.glob(self.service.directory + "/*.jsonl"):
            with open(name, encoding="utf-8") as file:
                content = file.read()
            self.assertNotIn(TOKEN, content)
            self.assertNotIn("wrong-secret", content)


class Scenarios(WithService):
    def test_every_action_is_shown_here(self):
        with open(os.path.abspath(__file__), encoding="utf-8") as file:
            source = file.read()
        self.assertEqual([name for name in ACTIONS if f'rule("{name}"' not in source], [])

    def test_recorded_bodies_are_verbatim(self):
        for name, (status, digest) in RECORDED.items():
            self.service.rule("recorded", name=name, count=1)
            answer = self.send("a")
            self.assertEqual((answer.status, hashlib.sha256(answer.body).hexdigest()), (status, digest))
        self.assertEqual(self.accepted(), [])

    def test_status_without_accepting(self):
        self.service.rule("status", code=503, retry_after=7, count=1)
        answer = self.send("a")
        self.assertEqual((answer.status, answer.fields["retry-after"], self.accepted()), (503, "7", []))
        self.assertEqual(self.send("a").status, 200)

    def test_status_after_accepting(self):
        for code in (502, 504, 524):
            self.service.rule("status", code=code, accept=True, count=1)
            self.assertEqual(self.send("a").status, code)
        self.assertEqual(self.answers(), ["unclear"] * 3)

    def test_rate_limit(self):
        self.service.rule("rate_limit", count=1)
        content = self.send("a", "b", to=(ANNA, BEN)).json()
        self.assertIs(content["status"], True)
        self.assertEqual([m["error"] for m in content["messages"]], ["RATE_LIMIT"] * 2)
        self.assertEqual(self.accepted(), [])
        self.service.rule("rate_limit", recipients=[BEN], count=1)
        content = self.send("a", "b", to=(ANNA, BEN)).json()
        self.assertEqual([m["error"] for m in content["messages"]], [None, "RATE_LIMIT"])
        self.assertEqual(self.accepted(), ["a"])
        self.service.rule("rate_limit", recipients=[BEN], omit_others=True, count=1)
        content = self.send("c", "d", to=(ANNA, BEN)).json()
        self.assertEqual([m["internal_id"] for m in content["messages"]], ["d"])
        self.assertEqual(self.accepted(), ["a"])
        self.service.rule("rate_limit", recipients=[BEN], omit_others=True, accept_others=True, count=1)
        self.assertEqual(len(self.send("c", "d", to=(ANNA, BEN)).json()["messages"]), 1)
        self.assertEqual(self.answers("c"), ["unclear"])

    def test_message_edits(self):
        match = {"recipient": ANNA}
        def edited():
            entries = self.send("1", "2", to=(ANNA, BEN)).json()["messages"]
            kept = {message["internal_id"]: message["answer"] for message in self.service.messages()}
            self.service.reset()
            return entries, kept

        self.service.rule("refuse", details="blocked", error="0x9", match=match)
        entries, kept = edited()
        self.assertEqual([entries[0][key] for key in ("message_uuid", "error", "details")], [None, "0x9", "blocked"])
        self.assertEqual(kept, {"2": "sent"})
        self.service.rule("omit", match=match)
        entries, kept = edited()
        self.assertEqual(([m["internal_id"] for m in entries], kept), (["2"], {"1": "unclear", "2": "sent"}))
        self.service.rule("omit", accept=False, match=match)
        entries, kept = edited()
        self.assertEqual(([m["internal_id"] for m in entries], kept), (["2"], {"2": "sent"}))
        self.service.rule("empty_uuid", match=match)
        entries, kept = edited()
        self.assertEqual((entries[0]["message_uuid"], kept["1"]), ("", "unclear"))
        self.service.rule("numeric_ids", match=match)
        entries, _ = edited()
        self.assertEqual((entries[0]["internal_id"], type(entries[0]["message_uuid"])), (1, int))
        self.service.rule("unknown_id", match=match)
        entries, kept = edited()
        self.assertEqual(([m["internal_id"] for m in entries], kept["1"]), (["someone-else-1", "2"], "unclear"))
        self.service.rule("unknown_id", extra=True, match=match)
        self.assertEqual([m["internal_id"] for m in edited()[0]], ["someone-else-1", "1", "2"])
        self.service.rule("twice", match=match)
        entries, kept = edited()
        self.assertEqual(([m["error"] for m in entries], kept["1"]), ([None, "0x1", None], "unclear"))
        self.service.rule("swap")
        entries, kept = edited()
        self.assertEqual(([m["internal_id"] for m in entries], kept), (["2", "1"], {"1": "sent", "2": "sent"}))

    def test_drop(self):
        self.service.rule("drop", at="connect", count=1)
        with self.assertRaises(OSError):
            self.client()
        for at, states in (("head", None), ("body", None), ("accepted", ["lost"]), ("answer", ["lost"] * 2)):
            self.service.rule("drop", at=at, count=1)
            answer = self.send("a")
            self.assertEqual((answer.end, len(answer.raw)), ("cut", 60 if at == "answer" else 0), at)
            self.assertEqual(self.answers() if states else self.accepted(), states or [], at)
        self.assertEqual([r["complete"] for r in self.service.requests()], [False, True, True, True])
        self.service.rule("drop", at="accepted", how="reset", count=1)
        self.assertEqual(self.send("a").end, "reset")
        self.service.rule("drop", at="answer", bytes=100, how="notify", count=1)
        answer = self.send("a")
        self.assertEqual((answer.end, len(answer.raw)), ("closed", 100))

    def test_silent(self):
        self.service.rule("silent", at="connect", count=1)
        with self.assertRaises(TimeoutError):
            Client(self.service.port, self.service.ca_file, timeout=0.2)
        for at, copies in (("body", 0), ("accepted", 1)):
            self.service.rule("silent", at=at, count=1)
            client = self.client()
            client.socket.settimeout(0.2)
            client.socket.sendall(post("/simple_send/", send_body(["a"], [ANNA])))
            with self.assertRaises(TimeoutError):
                client.socket.recv(1)
            self.assertEqual(len(self.accepted()), copies)
        self.assertEqual(self.answers(), ["lost"])

    def test_garbage_and_html(self):
        self.service.rule("garbage", kind="http", count=1)
        self.assertFalse(self.send("a").raw.startswith(b"HTTP/"))
        self.service.rule("garbage", kind="body", count=1)
        self.assertRaises(ValueError, self.send("a").json)
        self.service.rule("garbage", kind="json", accept=True, count=1)
        answer = self.send("a")
        self.assertTrue(answer.body.startswith(b'{"status":true,'))
        self.assertRaises(ValueError, answer.json)
        for code in (200, 502):
            self.service.rule("html", code=code, count=1)
            answer = self.send("a")
            self.assertEqual((answer.status, answer.fields["content-type"]), (code, "text/html; charset=UTF-8"))
            self.assertIn(b"<!DOCTYPE html>", answer.body)
        self.assertEqual(self.answers(), ["unclear"])

    def test_status_false(self):
        self.service.rule("status_false", error_code="0x13", count=1)
        content = self.send("a").json()
        self.assertEqual((content["status"], content["error_code"], self.accepted()), (False, "0x13", []))
        self.service.rule("status_false", accept=True, count=1)
        content = self.send("a").json()
        self.assertEqual((content["status"], content["messages"][0]["error"]), (False, None))

    def test_gzip(self):
        self.service.rule("gzip", count=1)
        answer = self.send("a")
        self.assertEqual(answer.fields["content-encoding"], "gzip")
        self.assertIs(json.loads(gzip.decompress(answer.body))["status"], True)
        self.assertEqual(self.answers(), ["unclear"])

    def test_slow(self):
        self.service.rule("slow", delay=0.2, bytes_per_second=2000, count=1)
        begin = time.monotonic()
        answer = self.send("a")
        least = 0.2 + (len(answer.raw) / 2000) / 2
        self.assertGreater(time.monotonic() - begin, least)
        self.assertEqual((answer.status, self.answers()), (200, ["sent"]))

    def test_framing(self):
        self.service.rule("framing", kind="length", count=1)
        answer = self.send("a")
        self.assertEqual((answer.fields["content-length"], answer.end), (str(len(answer.body)), "open"))
        self.service.rule("framing", kind="close", count=1)
        answer = self.send("a")
        self.assertEqual((answer.fields["connection"], answer.end), ("close", "closed"))
        self.assertIs(answer.json()["status"], True)
        self.service.rule("framing", chunk=10, count=1)
        answer = self.send("a")
        self.assertIn(b"\r\na\r\n", answer.raw)
        self.assertIs(answer.json()["status"], True)

    def test_informational(self):
        self.service.rule("informational", codes=[100, 103], count=1)
        answer = self.send("a")
        self.assertTrue(answer.raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200"))

    def test_huge(self):
        self.service.rule("huge", size=20000, count=1)
        answer = self.send("a")
        self.assertGreaterEqual(len(answer.body), 20000)
        self.assertIs(answer.json()["status"], True)

    def test_close(self):
        for header, said in ((True, "close"), (False, "keep-alive")):
            self.service.rule("close", header=header, count=1)
            client = self.client()
            answer = self.send("a", client=client)
            self.assertEqual((answer.fields["connection"], client.socket.recv(1)), (said, b""))

    def test_headers(self):
        self.service.rule("headers", set={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, remove=["CF-RAY"], count=1)
        answer = self.send("a")
        self.assertEqual(answer.fields["date"], "Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertNotIn("cf-ray", answer.fields)

    def test_rules_combine_count_skip_and_chance(self):
        self.service.rule("accept", match={"text": "urgent"}, count=1)
        self.service.rule("status", code=500, skip=1, count=1)
        self.service.rule("framing", kind="length")
        self.assertEqual([self.send("a", text=t).status for t in ("urgent", "x", "urgent", "x")], [200, 200, 500, 200])
        self.assertIn("content-length", self.send("a").fields)
        self.service.reset()
        self.service.rule("drop", at="accepted", p=0.5, seed=4)
        ends = [self.send(f"m{i}").end for i in range(20)]
        self.assertEqual({"cut", "open"}, set(ends))
        answers = [m["answer"] for m in self.service.messages()]
        self.assertEqual(answers, ["lost" if end == "cut" else "sent" for end in ends])
        self.service.reset()
        self.service.rule("status", code=413, match={"at_least": 2})
        self.assertEqual(self.send("x", "y").status, 413)
        self.assertRaises(CommandFailed, self.service.rule, "no-such")
        self.assertRaises(CommandFailed, self.service.rule, "drop", at="nowhere")


class Running(WithService):
    def test_state_survives_stop_and_kill_on_the_same_port(self):
        self.service.rule("drop", at="accepted", count=1)
        self.send("a")
        self.service.restart()
        self.send("a")
        self.service.restart(kill=True)
        with open(self.service.directory + "/messages.jsonl", "ab") as file:
            file.write(b'{"kind":"acc')  # torn
        self.service.restart(kill=True)
        self.send("b")
        report = self.service.report(expect=["a", "text 0", "c"])
        self.assertEqual((report["accepted"], report["distinct"], report["max_copies"], report["starts"]), (3, 2, 2, 3))
        self.assertEqual(report["messages"]["a"]["answers"], ["lost", "sent"])
        self.assertEqual(report["lost"], ["c"])

    def test_hold_and_resume(self):
        client = self.client()
        self.service.hold("refuse", drop=True)
        self.assertRaises(ssl.SSLEOFError, client.socket.recv, 1)
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
            done = subprocess.run([sys.executable, os.path.join(HERE, "ctl.py"), self.service.directory, *words],
                                  capture_output=True, text=True)
            return done.returncode, done.stdout
        self.assertEqual(ctl("rule", "status", "code=429", "retry_after=1", "--recipient", ANNA, "--count", "1")[0], 0)
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
        done = subprocess.run([sys.executable, os.path.join(HERE, "simulator.py"), "--dir", self.service.directory,
                               "--certs", CERTIFICATES], capture_output=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(command(self.service.directory, "ping")["port"], self.service.port)


class Certificates(unittest.TestCase):
    def test_each_is_what_it_says(self):
        reasons = {"ec": None, "rsa": None, "chain": None, "nochain": "unable to get local issuer",
                   "expired": "expired", "future": "not yet valid", "wronghost": "Hostname mismatch",
                   "unknownca": "self-signed certificate in certificate chain", "selfsigned": "self-signed certificate"}
        for name, reason in reasons.items():
            with self.subTest(name), Simulator(os.path.join(WORK.name, name), CERTIFICATES, cert=name) as service:
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
                self.assertEqual(client.socket.version(), "TLSv" + version)
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
