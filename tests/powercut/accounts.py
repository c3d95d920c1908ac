# SPDX-License-Identifier: MIT
"""Who was told what: the acknowledgements of a device, the copies at the service, and what its queue has on record.

In a full queue a message may give way to another one, and its record goes when the room is needed: then the log must have
named it before, or an earlier listing. Only these may: a warning for a critical message (evicted), an alarm's older news for
the newer (merged). The record may go a moment before the log's line is out; a cut between the two leaves no word of it. Such a
message counts as untold, when others of its life gave way; that number is told with the result.
"""
import collections
import re

ACK = re.compile(r"^ack (.+): ([A-Za-z0-9._ -]+)\r?\n", re.MULTILINE)
GAVE_WAY = re.compile(r"^log .*message ([A-Za-z0-9._-]+) (evicted|merged): [^\r\n]*\r?\n", re.MULTILINE)
MAY_GIVE_WAY = {"evicted": re.compile("single message"), "merged": re.compile("door")}  # the texts of `flow`
TOLD = {"door raise": "dev: door open", "door clear": "dev: door shut"}
TOLD_BY_THE_NEXT = "the one behind it tells how it ended"
MOST_COPIES = 3


class Accounts:
    """Of one medium, from its making on. Each check returns what is wrong, as sentences."""

    def __init__(self):
        self.acknowledged = {}  # id -> text
        self.gave_way = {}  # id -> how, as the log or a listing said
        self.untold = set()  # ids that gave way without a word
        self.might_give_way = set()  # acknowledged before the queue was heard to be full
        self.wrong = []

    def hear(self, console):
        """What the serial console said in one life of the machine; a line that was cut off does not count."""
        for match in ACK.finditer(console):
            text = TOLD.get(match[1], match[1])
            for identifier in match[2].split():
                if identifier in self.acknowledged:
                    self.wrong.append(f"{identifier} was given out twice: {self.acknowledged[identifier]!r}, {text!r}")
                self.acknowledged[identifier] = text
        self.overhear(console)

    def overhear(self, console):
        """Only what the log says."""
        found = GAVE_WAY.findall(console)
        self._give_way(found)
        if found:
            self.might_give_way |= {identifier for identifier, text in self.acknowledged.items()
                                    if any(pattern.search(text) for pattern in MAY_GIVE_WAY.values())}

    def _give_way(self, found):
        self.gave_way.update(found)
        for identifier, how in self.gave_way.items():
            text = self.acknowledged.get(identifier)
            if text and not MAY_GIVE_WAY[how].search(text):
                self.wrong.append(f"{identifier} ({text!r}) was {how}, which it may not be")

    def missing(self, queue, messages):
        """`queue` was listed before `messages` came from the service: who is in neither is lost."""
        self._give_way((m["id"], m["state"]) for m in queue if m["state"] in MAY_GIVE_WAY)
        known = {m["id"] for m in queue} | {m["internal_id"] for m in messages} | {*self.gave_way}
        self.untold |= (self.might_give_way & {*self.acknowledged}) - known
        known |= self.untold
        return [f"{i} ({text!r}) was acknowledged and is lost" for i, text in self.acknowledged.items()
                if i not in known]

    def verdict(self, queue, messages):
        """After the end of every message."""
        copies = self.copies(messages)
        record = {m["id"]: m for m in queue}
        wrong = list(self.wrong)
        if len(record) != len(queue):
            wrong.append("an id stands twice in the queue")
        for identifier, text in self.acknowledged.items():
            mine = record.get(identifier)
            if copies[identifier] or identifier in self.gave_way or identifier in self.untold:
                continue
            if mine is None or mine["reason"] is None:
                wrong.append(f"{identifier} ({text!r}) was acknowledged and is lost: {mine}")
        for identifier, found in copies.items():
            texts = {c["text"].removesuffix(" (repeat)") for c in found}
            for source in (self.acknowledged.get(identifier), record.get(identifier, {}).get("text")):
                texts |= {source} - {None}
            if len(texts) > 1:
                wrong.append(f"{identifier} stands for different texts: {sorted(texts)}")
            if len({c["recipient"] for c in found}) > 1:
                wrong.append(f"{identifier} went to different phones")
            if len(found) > MOST_COPIES:
                wrong.append(f"{identifier} was sent {len(found)} times")
        for identifier, mine in record.items():
            known = {c["uuid"] for c in copies.get(identifier, [])}
            if known and TOLD_BY_THE_NEXT in (mine["reason"] or ""):
                known.add(None)  # a cut took the record with its uuid, and left the one behind it
            if mine["state"] == "accepted" and mine["uuid"] not in known:
                wrong.append(f"{identifier} is said to be accepted, and the service does not know it")
        return wrong

    @staticmethod
    def copies(messages):
        copies = collections.defaultdict(list)
        for message in messages:
            copies[message["internal_id"]].append(message)
        return copies
