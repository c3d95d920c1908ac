# SPDX-License-Identifier: MIT
"""Memory stays what it is, exchange after exchange, each over a connection of its own, with a real server (nginx).

EXCHANGES=10000 python3 tests/e2e/test_tls_memory.py     `make tls-memory`; a few hundred in `make test`
"""
import concurrent.futures
import os
import pathlib
import re
import unittest

from device import CERTS, Runner, make_certificates
from proxies import Nginx
from rows import Client

EXCHANGES = int(os.environ.get("EXCHANGES", "300"))
FULL = 200  # messages after which the queue's files and their index are as full as they get
GROWTH_KB = 32  # what an allocator's pages may differ by; one lost connection in a hundred would be more
SITES = (
    ("2.28", "tickets on 1.2"),
    ("2.28", "tickets off"),
    ("3.6", "tickets on 1.2"),
    ("3.6", "tickets on 1.3"),
)


def resident_kb(process):
    """Of the daemon and of its process that looks names up."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sum(
        int(re.search(r"^Rss: +(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
        for pid in (process.pid, *children)
    )


def exchanges(library, site):
    """Resident memory once the queue is full, and the most and the last of the rest."""
    peer = Nginx(site)
    client = Client(library, peer)
    client.start()
    first = most = 0
    try:
        for n in range(EXCHANGES):
            text = f"memory {library} {site} {n}"
            client.ok("send", "--to", "anna", "--wait", "20", "--", text)
            client.said.clear()
            if n + 1 == max(FULL, EXCHANGES // 5):
                first = resident_kb(client.process)
            elif first and n % 50 == 49:
                most = max(most, resident_kb(client.process))
        last = resident_kb(client.process)
        client.stop()
    finally:
        client.close()
    return first, max(most, last), last


class Memory(unittest.TestCase):
    def test_memory_is_flat(self):
        make_certificates(str(CERTS))
        with concurrent.futures.ThreadPoolExecutor(len(SITES)) as pool:
            results = list(pool.map(lambda one: exchanges(*one), SITES))
        for (library, site), (first, most, last) in zip(SITES, results):
            print(
                f"  Mbed TLS {library}, {site}: {EXCHANGES} exchanges, {first} KiB when the queue was"
                f" full, at most {most}, {last} at the end",
                flush=True,
            )
        for first, most, _ in results:
            self.assertLessEqual(most, first + GROWTH_KB)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
