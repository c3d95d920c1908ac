#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program on the emulated ARM board, behind a network that is slow, loses, doubles, mixes up or swallows all.

The board's own kernel does it (netem) to what leaves the board; `make device-network` runs it. Through each of them
messages arrive, none is lost, and none is there more than 3 times.
"""
import json
import os
import sys
import tempfile
import unittest

from board import HERE, OUT, TOKEN, Board, program_and_files, stream_to

sys.path.insert(0, str(HERE.parent / "simulator"))
from harness import Simulator  # noqa: E402

NETEM = os.environ.get("NETEM", "build/aarch64/netem")
DEVICE = "[device]\nname  = pump-house\nstate = /var/lib/tocsin\n"
TOCSIN = "tocsin -c /etc/tocsin/tocsin.conf"
MESSAGES = 5


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="network-")
        cls.service = Simulator(folder, tokens=(TOKEN,)).start()
        cls.addClassCleanup(cls.service.__exit__)
        files = program_and_files(cls.service)
        files["/etc/tocsin/tocsin.conf"] = (DEVICE + stream_to(cls.service)).encode()
        files["/bin/netem"] = NETEM
        cls.board = Board(OUT / "network", files)
        cls.addClassCleanup(cls.board.close)
        cls.board.power_on()

    def network(self, delay=0, jitter=0, loss=0, duplicate=0, reorder=0):
        said, status = self.board.run(f"netem eth0 {delay} {jitter} {loss} {duplicate} {reorder}")
        self.assertEqual(status, 0, said)

    def send(self, text, wait=90):
        return self.board.run(
            f"{TOCSIN} send --to anna --class warning --wait {wait} '{text}'", timeout=wait + 30
        )

    def through(self, **how):
        """Messages through it; how often each arrived."""
        name = self.id().split(".")[-1]
        self.network(**how)
        self.addCleanup(self.network)
        texts = [f"{name} {n}" for n in range(MESSAGES)]
        for text in texts:
            said, status = self.send(text)
            self.assertIn(status, (0, 75), said)
        self.network()
        copies = {text: 0 for text in texts}
        for message in self.service.messages():
            for text in texts:
                copies[text] += message["text"].startswith(text)
        unknown = [m for m in self.queue() if m["state"] == "unknown"]
        print(f"  {name}: {how}: copies {list(copies.values())}, {len(unknown)} unknown", flush=True)
        self.assertTrue(all(1 <= n <= 3 for n in copies.values()), copies)
        self.assertEqual([m for m in self.queue() if m["state"] not in ("accepted", "unknown")], [])

    def queue(self):
        said, status = self.board.run(f"{TOCSIN} queue list --json 2>/dev/null")
        self.assertEqual(status, 0, said)
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def test_delay(self):
        self.through(delay=400, jitter=100)

    def test_loss(self):
        self.through(loss=20)

    def test_reordering(self):
        self.through(delay=50, reorder=50)

    def test_duplicates(self):
        self.through(duplicate=50)

    def test_black_hole(self):
        self.network(loss=100)
        self.addCleanup(self.network)
        said, status = self.send("swallowed", wait=8)
        self.assertIn(status, (69, 75), said)
        self.assertIn("stays in the queue", said)
        self.assertEqual([m["state"] for m in self.queue() if m["text"] == "swallowed"], ["queued"])
        self.network()
        said, status = self.send("after it")
        self.assertEqual(status, 0, said)
        arrived = [m["text"] for m in self.service.messages()]
        self.assertEqual((arrived.count("swallowed"), arrived.count("after it")), (1, 1), arrived)
        print(f"  test_black_hole: {said.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    unittest.main()
