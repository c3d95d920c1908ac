# SPDX-License-Identifier: MIT
"""The brown-out ledger: the process is cut every 0.3 to 3 s while the service loses answers, or says 524.

Every alarm and every send has five recipients. LEDGER_S=N sets how long the cuts go on; `make ledger` takes
300 s and prints the whole ledger. The run is random: SEED=N draws the same cuts again.
"""
import collections
import os
import random
import threading
import time
import unittest

from device import PHONES, SEED, Case, Runner

SECONDS = float(os.environ.get("LEDGER_S", "15"))
ALARMS = 6
FAULTS = (
    dict(do="drop", at="accepted", p=0.25),  # accepted, the answer lost
    dict(do="status", code=524, accept=True, p=0.2),  # accepted, a front end's word for "who knows"
    dict(do="drop", at="body", p=0.15),  # not accepted, and no answer
    dict(do="drop", at="answer", bytes=70, p=0.1),  # accepted, half an answer
)


class Watchman(threading.Thread):
    """Raises and clears alarms and sends, each until it is known to be stored."""

    def __init__(self, device, chance):
        super().__init__(daemon=True)
        self.device, self.chance = device, chance
        self.done = threading.Event()
        self.events = collections.Counter()  # text -> how often it was made to happen
        self.ids = []
        self.exits = collections.Counter()
        self.error = None

    def run(self):
        try:
            active = [False] * ALARMS
            sends = 0
            while not self.done.is_set():
                if self.chance.random() < 0.3:
                    sends += 1
                    self.once(f"send {sends}", "send", "--to", "oncall", f"send {sends}")
                else:
                    n = self.chance.randrange(ALARMS)
                    self.once(
                        f"alarm a{n} {'over' if active[n] else 'high'}",
                        "clear" if active[n] else "raise",
                        f"a{n}",
                    )
                    active[n] = not active[n]
                self.done.wait(self.chance.uniform(0, 0.4))
        except Exception as error:
            self.error = error

    def once(self, text, *words):
        for _ in range(100):
            result = self.device.run(*words)
            self.exits[result.exit] += 1
            if result.exit == 0:
                if result.out:
                    assert len(result.out.split()) == 5, result
                    self.ids += result.out.split()
                self.events[text] += 1
                return
            assert result.exit == 75, result
            # "look with `tocsin queue list` whether it was stored"; an alarm says so by itself
            if words[0] == "send" and any(m["text"] == text for m in self.device.queue()):
                self.events[text] += 1
                return
        raise AssertionError(f"never stored: {words}")


class Ledger(Case):
    def test_answers_lost_per_alarm_and_phone_never_none_and_never_more_than_three(self):
        """The service takes every request that reaches it, and loses answers: then nobody may be left out."""
        self.ledger([fault for fault in FAULTS if fault.get("at") != "body"], none=0)

    def test_requests_lost_too_never_more_than_three_and_none_only_on_record(self):
        """Requests that vanish look the same from here: three of them end a message, and say so."""
        self.ledger(FAULTS, none=None)

    def ledger(self, faults, none):
        chance = random.Random(SEED)
        service = self.service()
        alarms = "".join(
            f"[alarm a{n}]\nto = oncall\ntext = alarm a{n} high\nclear_text = alarm a{n} over\n"
            for n in range(ALARMS)
        )
        device = self.device(service, device={"queue_size": "8M"}, more=alarms)
        for n, fault in enumerate(faults):
            service.rule(fault["do"], **{"seed": SEED + n, **{k: v for k, v in fault.items() if k != "do"}})
        watchman = Watchman(device, random.Random(SEED + 1))
        watchman.start()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and not watchman.error:
            device.start()  # fails when it does not get its lock
            time.sleep(chance.uniform(0.3, 3) if SECONDS > 60 else chance.uniform(0.3, 1.2))
            self.assertIsNone(device.process.poll(), device.log.lines)
            device.kill()
        watchman.done.set()
        watchman.join(120)
        if watchman.error:
            raise watchman.error
        service.clear()
        device.start()
        queue = device.wait_ended(120)

        copies = collections.defaultdict(list)
        for copy in service.messages():
            copies[copy["internal_id"]].append(copy)
        groups = collections.defaultdict(list)  # one event: its records have one text and one moment
        for message in queue:
            groups[(message["text"], message["boot"], message["uptime_ms"])].append(message["to"])
        half = {key: phones for key, phones in groups.items() if sorted(phones) != sorted(PHONES.values())}
        self.assertEqual(half, {}, "half a group")
        events = collections.Counter(text for text, _, _ in groups)
        self.assertEqual(events, watchman.events, "an event is missing or was recorded twice")
        self.assertEqual(
            [i for i in watchman.ids if i not in {m["id"] for m in queue}],
            [],
            "acknowledged, not in the queue",
        )

        silent = [
            m
            for m in queue
            if not copies[m["id"]] and not (m["state"] in ("unknown", "failed", "expired") and m["reason"])
        ]
        self.assertEqual(silent, [], "no copy, and no record that says why")
        if none is not None:
            left_out = [m["id"] for m in queue if not copies[m["id"]]]
            self.assertEqual(len(left_out), none, f"no copy on the phone: {left_out}")
        many = {m["id"]: len(copies[m["id"]]) for m in queue if len(copies[m["id"]]) > 3}
        self.assertEqual(many, {}, "more than three copies")
        wrong = [
            m
            for m in queue
            if m["state"] == "accepted" and m["uuid"] not in [c["uuid"] for c in copies[m["id"]]]
        ]
        self.assertEqual(wrong, [], "said to be accepted, and the service does not know")
        self.assertEqual(
            [i for i in copies if copies[i] and i not in {m["id"] for m in queue}],
            [],
            "an id that nobody queued",
        )

        table = collections.Counter((m["state"], len(copies[m["id"]])) for m in queue)
        if SECONDS > 60:
            print("  copies on the phone     0       1       2       3")
            for state in sorted({state for state, _ in table}):
                print(f"  {state:<18}" + "".join(f"{table[(state, n)]:8}" for n in range(4)))
        by_copies = ", ".join(f"{n}: {sum(c for (_, k), c in table.items() if k == n)}" for n in range(4))
        self.figures(
            f"{device.kills} cuts in {SECONDS:.0f} s, {len(groups)} alarms and sends, {len(queue)} messages: "
            f"copies {by_copies}; without a copy and without a record 0, above 3 copies 0, half groups 0; "
            f"starts without the lock 0; exits of the commands {dict(watchman.exits)}; SEED={SEED}"
        )


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
