# SPDX-License-Identifier: MIT
"""What the simulated service has seen and accepted, kept over its restarts.

DIR/messages.jsonl  one line for each accepted copy, and one for what became of the answer to it
DIR/requests.jsonl  one line for each start, connection, failed handshake, request as received, and answer

Every line is flushed before the service acts on it: an acceptance is on the medium before its answer leaves.
A line torn by a kill is cut off at the next start; its answer cannot have left. All methods may be called
from any thread.
"""

import base64
import datetime
import json
import os
import re
import threading

# What is known about the answer to an accepted copy.
LOST = "lost"  # nothing of it was sent, or not all
UNCLEAR = "unclear"  # all of it was sent, but it does not say in plain JSON that this message was accepted
SENT = "sent"  # all of it was handed to the socket and it says so

REPEAT_MARK = re.compile(r"^\s*\(repeat\)\s*|\s*\(repeat\)\s*$")


def without_repeat_mark(text):
    return REPEAT_MARK.sub("", text)


def as_text(key, data):
    """One JSON member for bytes: KEY where they are UTF-8, else KEY_base64."""
    try:
        return {key: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {key + "_base64": base64.b64encode(data).decode("ascii")}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


class Lines:
    """An append-only file of JSON lines."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "a+b")
        self.file.seek(0)
        content = self.file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self.file.truncate(len(whole))
        self.kept = [json.loads(line) for line in whole.splitlines()]

    def append(self, record):
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        self.file.write(line.encode("utf-8", "surrogatepass") + b"\n")
        self.file.flush()

    def clear(self):
        self.file.truncate(0)


class Journal:
    def __init__(self, directory):
        self.changed = threading.Condition()
        self.unsettled = 0  # handshakes and answers on their way
        self.message_lines = Lines(os.path.join(directory, "messages.jsonl"))
        self.request_lines = Lines(os.path.join(directory, "requests.jsonl"))
        self._empty()
        for record in self.message_lines.kept:
            self._count_message(record)
        for record in self.request_lines.kept:
            self._count_request(record)
        self.message_lines.kept = self.request_lines.kept = None

    def _empty(self):
        self.copies = []  # every accepted copy, in order
        self.by_uuid = {}
        self.copies_of = {}  # internal_id -> its copies
        self.counts = {
            "starts": 0,
            "connections": 0,
            "requests": 0,
            "incomplete_requests": 0,
            "answers": 0,
            "answers_cut": 0,
        }
        self.handshakes_failed = []

    # -- writing ---------------------------------------------------------------------------------------------

    def accept(self, message, make_uuid, where):
        """Keeps one accepted copy and returns it. WHERE is {"connection": n, "request": n}."""
        with self.changed:
            internal_id = message["internal_id"]
            copy = {
                "kind": "accepted",
                "n": len(self.copies) + 1,
                "time": now(),
                "internal_id": internal_id,
                "copy": len(self.copies_of.get(internal_id, ())) + 1,
                "uuid": None,
                "recipient": message["recipient_phone"],
                "text": message["message_content"],
                "sender": message.get("sender"),
                "path": message.get("path"),
                **where,
            }
            copy["uuid"] = make_uuid(copy)
            self.message_lines.append(copy)
            self._count_message(copy)
            self.changed.notify_all()
            return copy

    def begin_answer(self):
        with self.changed:
            self.unsettled += 1

    def handshake_over(self):
        with self.changed:
            self.unsettled -= 1
            self.changed.notify_all()

    def end_answer(self, states, **fields):
        """Notes an answer, and what it means for the accepted copies: STATES is {state: numbers}."""
        with self.changed:
            for state, numbers in states.items():
                if numbers:
                    record = {"kind": "answer", "of": sorted(numbers), "state": state}
                    self.message_lines.append(record)
                    self._count_message(record)
            self.unsettled -= 1
            self.note("answer", **fields)

    def settle(self):
        """Lets what a client may have seen be noted; an answer that a rule holds back is not waited for."""
        self.changed.wait_for(lambda: self.unsettled == 0, 0.3)

    def note(self, kind, **fields):
        with self.changed:
            record = {"kind": kind, "time": now(), **fields}
            self.request_lines.append(record)
            self._count_request(record)
            self.changed.notify_all()

    def connection_number(self, **fields):
        with self.changed:
            number = self.counts["connections"] + 1
            self.unsettled += 1  # until handshake_over()
            self.note("connection", connection=number, **fields)
            return number

    def _count_message(self, record):
        if record["kind"] == "answer":
            for number in record["of"]:
                if 0 < number <= len(self.copies):
                    self.copies[number - 1]["answer"] = record["state"]
            return
        copy = dict(record, answer=LOST)
        self.copies.append(copy)
        self.by_uuid[copy["uuid"]] = copy
        self.copies_of.setdefault(copy["internal_id"], []).append(copy)

    def _count_request(self, record):
        kind = record["kind"]
        if kind == "start":
            self.counts["starts"] += 1
        elif kind == "connection":
            self.counts["connections"] += 1
        elif kind == "handshake_failed":
            self.handshakes_failed.append({key: record[key] for key in ("connection", "reason")})
        elif kind == "request":
            self.counts["requests" if record["complete"] else "incomplete_requests"] += 1
        elif kind == "answer":
            self.counts["answers" if record["complete"] else "answers_cut"] += 1

    def reset(self):
        with self.changed:
            self.message_lines.clear()
            self.request_lines.clear()
            self._empty()
            self.changed.notify_all()

    # -- reading ---------------------------------------------------------------------------------------------

    def find(self, uuid):
        with self.changed:
            return self.by_uuid.get(uuid)

    def messages(self):
        with self.changed:
            self.settle()
            return [dict(copy) for copy in self.copies]

    def wait(self, timeout, distinct=0, copies=0, requests=0):
        """Waits until at least so many are there; returns whether they are."""

        def enough():
            return (
                len(self.copies_of) >= distinct
                and len(self.copies) >= copies
                and self.counts["requests"] >= requests
            )

        with self.changed:
            return self.changed.wait_for(enough, timeout)

    def report(self, expect=None):
        """The summary. EXPECT: ids or texts that must be there; the missing ones are listed under "lost"."""
        with self.changed:
            self.settle()
            by_phone = {}  # the same text on the same phone, however it is numbered
            for copy in self.copies:
                key = (copy["recipient"], without_repeat_mark(copy["text"]))
                by_phone[key] = by_phone.get(key, 0) + 1
            report = {
                "accepted": len(self.copies),
                "distinct": len(self.copies_of),
                "duplicates": len(self.copies) - len(self.copies_of),
                "max_copies": max((len(c) for c in self.copies_of.values()), default=0),
                "max_copies_on_a_phone": max(by_phone.values(), default=0),
                **self.counts,
                "handshakes_failed": list(self.handshakes_failed),
                "messages": {
                    internal_id: {
                        "copies": len(copies),
                        "answers": [c["answer"] for c in copies],
                        "recipient": copies[0]["recipient"],
                        "text": copies[0]["text"],
                    }
                    for internal_id, copies in self.copies_of.items()
                },
            }
            if expect is not None:
                there = set(self.copies_of)
                there.update(without_repeat_mark(copy["text"]) for copy in self.copies)
                report["expected"] = len(expect)
                report["lost"] = [
                    line for line in expect if line not in there and without_repeat_mark(line) not in there
                ]
            return report

    def close(self):
        with self.changed:
            self.message_lines.file.close()
            self.request_lines.file.close()
