# SPDX-License-Identifier: MIT
"""Each scenario on the wire. One case: selftest.py Scenarios.test_gzip"""

import gzip
import hashlib
import json
import os
import time

from harness import HERE, CommandFailed
from scenarios import ACTIONS
from selfcase import ANNA, BEN, WithService
from wire import Client, post, send_body

# The response bodies of the published collection "SMS Streams API Documentation" (2023), to the byte.
RECORDED = {
    "success": (200, "ee294a47cc941e4658939d229a8b336f9aab56d922d5759a7762294339fcca80"),
    "rate_limit": (200, "37a377ab760448350694bcaa3df11e926322284a1f0b4b5bbc700c2ede17bf80"),
    "not_authenticated": (403, "affb42ad479b849d16b92367170c0db750e7eb27eb00059e76a422bf525bfb8d"),
}


class Scenarios(WithService):
    def test_every_action_is_shown_here(self):
        source = ""
        for name in ("selftest.py", "selftest_scenarios.py"):
            with open(os.path.join(HERE, name), encoding="utf-8") as file:
                source += file.read()
        self.assertEqual([name for name in ACTIONS if f'rule("{name}"' not in "".join(source.split())], [])

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
        self.assertEqual(
            [entries[0][key] for key in ("message_uuid", "error", "details")], [None, "0x9", "blocked"]
        )
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
        self.assertEqual(
            ([m["internal_id"] for m in entries], kept["1"]), (["someone-else-1", "2"], "unclear")
        )
        self.service.rule("unknown_id", extra=True, match=match)
        self.assertEqual([m["internal_id"] for m in edited()[0]], ["someone-else-1", "1", "2"])
        self.service.rule("twice", match=match)
        entries, kept = edited()
        self.assertEqual(([m["error"] for m in entries], kept["1"]), ([None, "0x1", None], "unclear"))
        self.service.rule("swap")
        entries, kept = edited()
        self.assertEqual(
            ([m["internal_id"] for m in entries], kept), (["2", "1"], {"1": "sent", "2": "sent"})
        )

    def test_drop(self):
        self.service.rule("drop", at="connect", count=1)
        with self.assertRaises(EOFError):
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
            client.send(post("/simple_send/", send_body(["a"], [ANNA])))
            with self.assertRaises(TimeoutError):
                client.receive()
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
            self.assertEqual(
                (answer.status, answer.fields["content-type"]), (code, "text/html; charset=UTF-8")
            )
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
        self.assertTrue(
            answer.raw.startswith(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200"
            )
        )

    def listed(self, query="", what="messages", key="test-key"):
        head = f"GET /textpeak/streams/{what}?{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\n\r\n"
        return self.client().ask(head.encode())

    def test_listed(self):
        self.send("a", "b")
        plain = self.listed("page=1&itemsPerPage=1").json()
        self.assertEqual((plain["total"], len(plain["items"])), (2, 1))
        second = self.listed("page=2&itemsPerPage=1").json()["items"][0]
        self.assertEqual({plain["items"][0]["external_key"], second["external_key"]}, {"a", "b"})
        self.assertEqual(second["status"], "sent")
        self.assertEqual(self.listed("phone=447700900999").json()["total"], 0)
        self.assertEqual(self.listed("startDate=2199-01-01%2000:00:00").json()["total"], 0)
        self.assertEqual(self.listed("startDate=yesterday").status, 422)
        self.assertEqual(self.listed("itemsPerPage=101").status, 422)
        self.assertEqual(self.listed(key="test-token").status, 401)
        self.service.rule("listed", key=False, word="delivered", shape="array")
        one = self.listed().json()[0]
        self.assertEqual((one["external_key"], one["status"]), (None, "delivered"))
        self.service.clear()
        self.service.rule("listed", after=60)
        self.assertEqual(self.listed().json()["total"], 0)

    def test_replies_are_listed(self):
        name = self.service.reply(ANNA, "ACK K7QP")
        [item] = self.listed(what="incoming_messages").json()["items"]
        self.assertEqual((item["message_uuid"], item["source_number"], item["text"]), (name, ANNA, "ACK K7QP"))
        self.service.key("another-key")
        self.assertEqual(self.listed(what="incoming_messages").status, 401)
        self.service.key("test-key")

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
            self.assertEqual((answer.fields["connection"], client.receive()), (said, b""))

    def test_headers(self):
        self.service.rule(
            "headers", set={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, remove=["CF-RAY"], count=1
        )
        answer = self.send("a")
        self.assertEqual(answer.fields["date"], "Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertNotIn("cf-ray", answer.fields)

    def test_rules_combine_count_skip_and_chance(self):
        self.service.rule("accept", match={"text": "urgent"}, count=1)
        self.service.rule("status", code=500, skip=1, count=1)
        self.service.rule("framing", kind="length")
        self.assertEqual(
            [self.send("a", text=t).status for t in ("urgent", "x", "urgent", "x")], [200, 200, 500, 200]
        )
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
        self.assertRaises(CommandFailed, self.service.rule, "rate_limit", recipients=ANNA)
