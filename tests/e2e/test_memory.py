# SPDX-License-Identifier: MIT
"""The memory of TLS: what was used of it is told, and where it runs out the words say so.

    make tls28 tls36 && python3 tests/e2e/test_memory.py      the second needs root: it makes the arena of a running
                                                              daemon smaller
"""
import json
import os
import pathlib
import random
import unittest

from device import SEED, Case, Runner
from malloc_trap import address_of, write
from more_certificates import made, make_more
from peers import OpenSsl
from test_malloc import PROGRAMS

POOL = "_ZN6tocsin12_GLOBAL__N_14poolE"  # of port/linux/tls_memory.cpp; its size stands behind a pointer
ARENA = 360_448
BOUND = 36 * 1024  # what a stream may take; more only where the chain is longer than 4.5 KB


class Memory(Case):
    def device_with(self, library, service=None, **config):
        self.assertTrue(os.path.exists(PROGRAMS[library]), f"{PROGRAMS[library]} is not there: make tls28 tls36")
        device = self.device(service, **config)
        device.command = lambda *words, program=(): [*program, PROGRAMS[library], "-c", str(device.config), *words]
        return device

    def peaks(self, device):
        said = json.loads(device.ok("version", "--memory", "--json").out)
        return said["tls_arena_peak_bytes"], said["reply_arena_peak_bytes"]

    def test_a_running_daemon_tells_its_peaks(self):
        for library in PROGRAMS:
            with self.subTest(library=library):
                service = self.service(cert="chain")
                device = self.device_with(library, service)
                self.assertEqual(self.peaks(device), (None, None))
                self.assertIn(f"none answers at {device.folder}/control\n", device.ok("version", "--memory").out)
                device.start()
                tls, reply = self.peaks(device)
                self.assertLess(tls, 2000, "before the first connection")
                self.assertEqual(reply, 0)
                for text in ("one", "two"):
                    device.wait_state(device.send(text)[0], "accepted")
                tls, reply = self.peaks(device)
                self.assertGreater(tls, 20 * 1024)  # a record and what is sent
                self.assertLess(tls, BOUND)
                self.assertGreater(reply, 200)
                self.assertLess(reply, 4096)
                said = device.ok("version", "--memory").out
                self.assertIn(f"{tls}  B of the arena of Mbed TLS were used at most since the daemon began\n", said)
                self.assertIn(f"{reply}  B of the arena of cJSON were used at most since the daemon began\n", said)
                self.figures(f"Mbed TLS {library}, a chain of two: {tls} B for TLS, {reply} B for an answer")
                device.write_text("[device\n")  # half edited
                self.assertEqual(device.run("version", "--memory").exit, 0)

    def test_debians_library_has_no_peak(self):
        device = self.device(self.service()).start()
        device.wait_state(device.send("one")[0], "accepted")
        tls, reply = self.peaks(device)
        self.assertIsNone(tls)
        self.assertGreater(reply, 200)
        self.assertIn("takes from the heap", device.ok("version", "--memory").out)

    def test_a_chain_of_12_kb_is_taken(self):
        make_more()
        for library in PROGRAMS:
            with self.subTest(library=library), OpenSsl(cert=made("chain12k")) as peer:
                device = self.device_with(library, url=f"https://localhost:{peer.port}").start()
                device.wait_state(device.send("behind a long chain")[0], "accepted")
                tls, _ = self.peaks(device)
                self.assertLess(tls, 64 * 1024)
                self.figures(f"Mbed TLS {library}: {tls} B")

    @unittest.skipIf(os.geteuid() != 0, "who may not write into another process")
    def test_words_name_memory_wherever_it_runs_out(self):
        """From what does for nothing to what is enough, in steps: nobody is told that a certificate is wrong."""
        for library in PROGRAMS:
            with self.subTest(library=library):
                service = self.service(cert="chain")
                device = self.device_with(library, service, stream={"retry_max": "1s"}).start()
                device.wait_state(device.send("enough")[0], "accepted")
                enough, _ = self.peaks(device)
                pool = address_of(PROGRAMS[library], POOL) + 8
                sizes = [1000, 8000, 17_000] + list(
                    range(20_000 + random.Random(SEED).randrange(700), enough - 100, 1500))
                seen = set()
                for size in sizes:
                    device.restart()  # nothing is in its arena yet
                    write(device.process.pid, pool, size.to_bytes(4, "little"))
                    said = device.run("send", "--to", "anna", "--class", "critical", "--wait", "1", "--", f"with {size}")
                    write(device.process.pid, pool, ARENA.to_bytes(4, "little"))
                    self.assertEqual(said.exit, 69, f"with {size} B: {said}")
                    self.assertIn("not enough memory for TLS", said.err, f"with {size} B")
                    seen.add("certificate refused" if "certificate of" in said.err else "handshake failed")
                    device.wait_ended()
                self.assertEqual(len(seen), 2, "inside and outside of the judgement")
                self.figures(f"Mbed TLS {library}: {len(sizes)} sizes up to {enough} B, told as {sorted(seen)}")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
