# SPDX-License-Identifier: MIT
"""500 messages flow from several senders while the daemon is killed -9 at random moments, its start included.

KILLS=N sets how many kills; `make kills` does 200. The run is random: SEED=N draws the same moments again.
"""
import collections
import os
import random
import threading
import time
import unittest

from device import PHONES, SEED, Case, Runner

KILLS = int(os.environ.get("KILLS", "25"))
MESSAGES = 500
SENDERS = 4


class Flow:
    """Senders that keep up with the kills: each kill lets the next share of the messages go."""

    def __init__(self, device):
        self.device = device
        self.lock = threading.Condition()
        self.allowed = self.begun = 0
        self.accepted = {}  # id -> text, as `send` printed it with exit 0
        self.twice = []  # ids that were given out again
        self.exits = collections.Counter()
        self.error = None
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def let(self, count):
        with self.lock:
            self.allowed = count
            self.lock.notify_all()

    def work(self, sender):
        try:
            for attempt in range(MESSAGES * 20):
                with self.lock:
                    if not self.lock.wait_for(
                        lambda: len(self.accepted) >= MESSAGES or len(self.accepted) < self.allowed, 60
                    ):
                        raise AssertionError("the kills do not go on")
                    if len(self.accepted) >= MESSAGES:
                        return
                text = f"sender {sender}, message {attempt}"
                phone = list(PHONES)[attempt % len(PHONES)]
                result = self.device.run("send", "--to", phone, text)
                with self.lock:
                    self.exits[result.exit] += 1
                    if result.exit == 0:
                        [identifier] = result.out.split()
                        self.twice += [identifier] if identifier in self.accepted else []
                        self.accepted[identifier] = text
        except Exception as error:  # for the test, which runs in another thread
            with self.lock:
                self.error = error

    def join(self):
        for thread in self.threads:
            thread.join(120)
        if self.error:
            raise self.error


class Kill(Case):
    def test_killed_at_random_moments_while_500_messages_flow(self):
        self.storm(KILLS, "4M")  # keeps every record

    def test_killed_while_the_files_of_a_small_queue_change_hands(self):
        self.storm(max(10, KILLS // 5), "64K")  # what ended is forgotten soon

    def storm(self, kills, queue_size):
        chance = random.Random(SEED)
        service = self.service()
        service.rule(
            "slow", delay=0.05, p=0.5, seed=SEED
        )  # so that many kills fall between acceptance and answer
        device = self.device(service, device={"queue_size": queue_size})
        flow = Flow(device)
        starts = 0
        for kill in range(kills):
            flow.let(MESSAGES * (kill + 1) // kills)
            arrived = service.report()["accepted"]
            device.launch()
            if chance.random() < 0.8:  # else it dies while it starts
                device.log.wait("running as")
                starts += 1
                if chance.random() < 0.6:  # while an answer is on its way, or its record
                    service.wait(copies=arrived + 1, timeout=1)
                    time.sleep(chance.uniform(0, 0.06))
                else:
                    time.sleep(chance.uniform(0, 0.3))
            else:
                time.sleep(chance.uniform(0, 0.02))
            self.assertIsNone(device.process.poll(), device.log.lines)
            device.kill()
            if flow.error:
                raise flow.error
        device.start()
        flow.let(MESSAGES)
        flow.join()
        queue = device.wait_ended(60)
        copies = collections.defaultdict(list)
        for copy in service.messages():
            copies[copy["internal_id"]].append(copy)

        self.assertEqual(flow.twice, [], "ids given out twice")
        mine = {m["id"]: m for m in queue}
        self.assertEqual(len(mine), len(queue), "an id stands twice in the queue")
        lost = [i for i in flow.accepted if not copies[i] and (i not in mine or mine[i]["reason"] is None)]
        self.assertEqual(lost, [], "acknowledged, and neither at the service nor on record why not")
        if queue_size == "4M":
            unrecorded = [i for i in flow.accepted if i not in mine or mine[i]["text"] != flow.accepted[i]]
            self.assertEqual(unrecorded, [], "acknowledged, and not in the queue with its text")
        wrong = [
            i
            for i, m in mine.items()
            if m["state"] == "accepted" and m["uuid"] not in [c["uuid"] for c in copies[i]]
        ]
        self.assertEqual(wrong, [], "said to be accepted, and the service does not know")
        texts = {
            i: {c["text"].removesuffix(" (repeat)") for c in found} for i, found in copies.items() if found
        }
        foreign = [
            i
            for i, found in texts.items()
            if len(found) > 1
            or (i in flow.accepted and found != {flow.accepted[i]})
            or (i not in mine and queue_size == "4M")
        ]
        self.assertEqual(foreign, [], "at the service under an id that is not this message's")
        self.assertEqual(len(set().union(*texts.values())), len(texts), "one message under two ids")
        self.assertLessEqual(max(len(c) for c in copies.values()), 3)
        # What an answer said is on the medium before the next request but one leaves: an answer that the service
        # sent is lost only when the kill came before that, with at most one request behind it on its connection.
        requests = collections.defaultdict(set)
        for copy in service.messages():
            requests[copy["connection"]].add(copy["request"])
        needless = [
            (c[n]["internal_id"], c[n]["time"])
            for c in copies.values()
            for n in range(len(c) - 1)
            if c[n]["answer"] == "sent"
            and sum(request > c[n]["request"] for request in requests[c[n]["connection"]]) > 1
        ]
        self.assertEqual(needless, [], "sent again although what the answer said was on the medium")

        repeated = [c for c in copies.values() if len(c) > 1]
        answers = collections.Counter(copy["answer"] for c in repeated for copy in c[:-1])
        without = sum(1 for i in flow.accepted if not copies[i])
        self.figures(
            f"{queue_size} queue, {kills} kills ({starts} of a running daemon, the others while it started), "
            f"{len(flow.accepted)} messages acknowledged, {len(set(mine) - set(flow.accepted))} more stored "
            f"though `send` could not say so; lost 0, accepted wrongly 0, not sent and on record {without}; "
            f"{len(repeated)} messages more than once (the answer before was {dict(answers)}), "
            f"most copies {max(map(len, copies.values()))}; exits of send {dict(flow.exits)}; SEED={SEED}"
        )


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
