# SPDX-License-Identifier: MIT
"""Scenarios: rules that say what the simulated service does instead of accepting and answering plainly.

A rule is {"do": ACTION, ...its parameters} and, by choice, "match" (path, recipient, text, at_least),
"count", "skip", "p" and "seed". Every rule that matches a request takes part, in the order they were
added; of the actions of one slot the first one wins, and a rule that does not get its slot is not used
up. Actions of the slot "messages" add up.
"""

import json
import random
import threading

REQUIRED = object()

# name: (slot, {parameter: default}, what it does)
ACTIONS = {
    # The whole answer.
    "accept": ("outcome", {}, "accept, whatever later rules say"),
    "status": (
        "outcome",
        {"code": REQUIRED, "body": None, "content_type": None, "retry_after": None, "accept": False},
        "answer with this status; accept=true: only after the messages were accepted",
    ),
    "recorded": (
        "outcome",
        {"name": REQUIRED, "accept": False},
        "a recorded body verbatim: success, rate_limit or not_authenticated",
    ),
    "rate_limit": (
        "outcome",
        {"recipients": None, "omit_others": False, "accept_others": None},
        "200 with RATE_LIMIT for the matching messages, or for those recipients; the others are accepted, or "
        "left out of the answer and not accepted (omit_others), or left out though accepted",
    ),
    "html": ("outcome", {"code": 502, "accept": False}, "the HTML page of a front end, with any status"),
    "garbage": (
        "outcome",
        {"kind": "body", "accept": False},
        "kind http: no HTTP at all; body: 200 with random bytes; json: 200 with JSON cut in its middle",
    ),
    "status_false": (
        "outcome",
        {"message": "Stream is not ready", "error_code": "0x1", "accept": False},
        "200 with status false; accept=true: with the messages and their ids all the same",
    ),
    # Single messages; "match" says which.
    "refuse": (
        "messages",
        {"error": None, "details": "refused by the service"},
        "refuse the message, in the answer",
    ),
    "omit": ("messages", {"accept": True}, "leave it out of the answer; accept=false: and do not accept it"),
    "empty_uuid": ("messages", {}, "accepted, but message_uuid is an empty string"),
    "numeric_ids": (
        "messages",
        {"which": "both"},
        "ids as numbers: internal_id (if digits), message_uuid or both",
    ),
    "unknown_id": (
        "messages",
        {"extra": False},
        "a foreign internal_id instead; extra=true: beside the right one",
    ),
    "twice": ("messages", {}, "named twice in the answer, the second time as refused"),
    "swap": ("messages", {}, "the messages of the answer in reverse order"),
    "delivery": (
        "messages",
        {"word": "delivered", "shape": "messages", "pending": 0, "details": None},
        "the status of messages_status, behind PENDING answers of `sent` about the same message; shape: messages, array, "
        "items, data, result, statuses, map, nested, object (the status is one), capitals (of the uuid) or none",
    ),
    "listed": (
        "messages",
        {"word": "sent", "key": True, "newest_first": True, "after": 0, "shape": "items"},
        "of GET /streams/messages: the status, whether external_key has the id, the order, how many SECONDS after it was "
        "sent a message is listed, and the form: items, total_items, data, array, body (for text) or none",
    ),
    "huge": ("messages", {"size": 20000}, "valid JSON of at least SIZE bytes"),
    # The connection and the bytes.
    "drop": (
        "ending",
        {"at": REQUIRED, "bytes": 60, "how": "close"},
        "end the connection at: connect (before TLS), head (before the body is read), body (read, not "
        "accepted), accepted (before the answer), answer (after BYTES of it); how: close, reset, or "
        "notify (the proper end of TLS)",
    ),
    "silent": (
        "ending",
        {"at": "accepted"},
        "keep the connection and say nothing at: connect, body or accepted",
    ),
    "slow": ("pace", {"delay": 0, "bytes_per_second": 0}, "wait before the answer; send it slowly"),
    "framing": (
        "framing",
        {"kind": "chunked", "chunk": 0},
        "kind chunked (in pieces of CHUNK), length (Content-Length) or close (ends with the connection)",
    ),
    "gzip": ("coding", {}, "Content-Encoding: gzip"),
    "informational": ("informational", {"codes": [100]}, "1xx answers first"),
    "close": ("keep", {"header": True}, "close after the answer, with or without saying Connection: close"),
    "headers": ("headers", {"set": {}, "remove": []}, "set or remove header fields of the answer"),
}
SLOT_AT = {"connect": "connect", "head": "head"}  # an ending that comes before the messages are known
CHOICES = {
    ("drop", "at"): ("connect", "head", "body", "accepted", "answer"),
    ("drop", "how"): ("close", "reset", "notify"),
    ("silent", "at"): ("connect", "body", "accepted"),
    ("framing", "kind"): ("chunked", "length", "close"),
    ("garbage", "kind"): ("http", "body", "json"),
    ("numeric_ids", "which"): ("both", "internal_id", "message_uuid"),
    ("delivery", "shape"): (
        "messages",
        "array",
        "items",
        "data",
        "result",
        "statuses",
        "map",
        "nested",
        "object",
        "capitals",
        "none",
    ),
    ("listed", "shape"): ("items", "total_items", "data", "array", "body", "none"),
    ("recorded", "name"): ("success", "rate_limit", "not_authenticated"),
}
RULE_KEYS = {"match", "count", "skip", "p", "seed", "do"}
MATCH_KEYS = {"path", "recipient", "text", "at_least"}


class Rule:
    """One checked rule. Raises ValueError for one that makes no sense."""

    def __init__(self, source):
        if not isinstance(source, dict) or source.get("do") not in ACTIONS:
            raise ValueError(
                f"no such action: {source.get('do') if isinstance(source, dict) else source!r}; there are {', '.join(ACTIONS)}"
            )
        self.source = source
        self.do = source["do"]
        self.slot, known, _ = ACTIONS[self.do]
        wrong = set(source) - RULE_KEYS - set(known)
        if wrong:
            raise ValueError(f"{self.do} does not know {', '.join(sorted(wrong))}")
        self.parameters = {key: source.get(key, default) for key, default in known.items()}
        for key, value in self.parameters.items():
            if value is REQUIRED:
                raise ValueError(f"{self.do} needs {key}")
            choices = CHOICES.get((self.do, key))
            if choices and value not in choices:
                raise ValueError(f"{self.do}: {key} is one of {', '.join(choices)}")
            self.check_type(key, value, known[key])
        self.slot = SLOT_AT.get(self.parameters.get("at"), self.slot)
        self.match = source.get("match") or {}
        wrong = [key for key in ("path", "recipient", "text") if not isinstance(self.match.get(key, ""), str)]
        if set(self.match) - MATCH_KEYS or wrong:
            raise ValueError(f"match knows {', '.join(sorted(MATCH_KEYS))}")
        if self.slot in ("connect", "head") and set(self.match) - (
            {"path"} if self.slot == "head" else set()
        ):
            raise ValueError(f"at {self.slot} the messages are not known yet")
        self.left = source.get("count")
        self.skip = source.get("skip", 0)
        self.p = source.get("p", 1)
        self.random = random.Random(source.get("seed", 1))
        self.used = 0

    def check_type(self, key, value, default):
        kinds = {bool: bool, int: (int, float), list: list, dict: dict}.get(type(default))
        if key == "code":
            kinds = int
        elif key == "recipients" and value is not None:
            kinds = list
        if kinds and (not isinstance(value, kinds) or (kinds is not bool and isinstance(value, bool))):
            raise ValueError(f"{self.do}: {key} has the wrong type: {json.dumps(value)}")

    def matching(self, path, messages):
        """Indexes of the messages it is about, or None if it is not about this request."""
        match = self.match
        if match.get("path") not in (None, path) or len(messages) < match.get("at_least", 0):
            return None
        found = [
            i
            for i, message in enumerate(messages)
            if match.get("recipient") in (None, message.get("recipient_phone"))
            and match.get("text", "") in str(message.get("message_content", ""))
        ]
        if not found and ("recipient" in match or "text" in match):
            return None
        return found

    def hit(self):
        """Whether it is this one's turn; counts it."""
        if self.left == 0 or (self.p < 1 and self.random.random() >= self.p):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        self.used += 1
        return True

    def state(self):
        return {**self.source, "used": self.used, "left": self.left}


class Plan:
    """What the rules say about one request."""

    def __init__(self):
        self.slots = {}  # slot -> Rule
        self.edits = []  # (Rule, indexes of messages), for the slot "messages"
        self.outcome_indexes = set()  # the messages that the rule of the slot "outcome" is about

    def action(self, slot):
        rule = self.slots.get(slot)
        return rule.do if rule else None

    def value(self, slot, parameter, default=None):
        rule = self.slots.get(slot)
        return rule.parameters.get(parameter, default) if rule else default

    def edits_of(self, index):
        return [rule for rule, indexes in self.edits if index in indexes]

    def edit(self, name):
        return next((rule for rule, _ in self.edits if rule.do == name), None)

    def names(self):
        return [rule.do for rule in self.slots.values()] + [rule.do for rule, _ in self.edits]


class RuleBook:
    def __init__(self):
        self.lock = threading.Lock()
        self.rules = {}
        self.last = 0

    def add(self, source):
        rule = Rule(source)
        with self.lock:
            self.last += 1
            self.rules[self.last] = rule
            return self.last

    def remove(self, number=None):
        with self.lock:
            if number is None:
                self.rules.clear()
            elif self.rules.pop(number, None) is None:
                raise ValueError(f"no rule {number}")

    def list(self):
        with self.lock:
            return [{"rule": number, **rule.state()} for number, rule in self.rules.items()]

    def early(self, slot, path=None):
        """The rule for a moment at which no message is known: slot "connect" or "head"."""
        with self.lock:
            for rule in self.rules.values():
                if rule.slot == slot and rule.matching(path, []) is not None and rule.hit():
                    return rule
        return None

    def plan(self, path, messages):
        plan = Plan()
        with self.lock:
            for rule in self.rules.values():
                if rule.slot in ("connect", "head") or rule.slot in plan.slots:
                    continue
                indexes = rule.matching(path, messages)
                if indexes is None or not rule.hit():
                    continue
                if rule.slot == "messages":
                    plan.edits.append((rule, set(indexes)))
                else:
                    plan.slots[rule.slot] = rule
                    if rule.slot == "outcome":
                        plan.outcome_indexes = set(indexes)
        return plan
