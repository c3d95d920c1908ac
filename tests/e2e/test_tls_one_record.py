# SPDX-License-Identifier: MIT
"""A request that fits goes up in exactly one TLS record: a relay keeps what the client sent, and the headers of its
records are read.
"""
import unittest

from device import PHONES, Case, Runner
from proxies import Nginx
from relay import Relay
from rows import Client

APPLICATION_DATA = 23
BUILDS = (("2.28", "1.2"), ("3.6", "1.2"), ("3.6", "1.3"))
FITS = 3712  # bytes of plain text in one record of the trimmed build


def records(data):
    """The type and size of each, of one direction of one connection."""
    found = []
    while len(data) >= 5:
        size = int.from_bytes(data[3:5], "big")
        assert len(data) >= 5 + size, "half a record"
        found.append((data[0], size))
        data = data[5 + size :]
    assert not data, "half a record"
    return found


class OneRecord(Case):
    def setUp(self):
        self.service()  # the certificates

    def requests(self, library, version, messages):
        """What each record was that carried application data, behind the handshake, on one connection."""
        with Relay(Nginx(f"ec {version}")) as relay:
            client = Client(library, relay, stream={"max_segments": "all"})
            self.addCleanup(client.close)
            client.start()
            for text, to in messages:
                client.ok("send", "--to", to, "--wait", "20", "--", text)
            self.assertEqual(relay.connections, 1)
            found = [size for kind, size in records(bytes(relay.passed["c2s"])) if kind == APPLICATION_DATA]
            return found[1:] if version == "1.3" else found  # there the end of the handshake looks the same

    def test_each_request_that_fits_is_one_record(self):
        words = "Sump level high. "
        messages = [("short", "anna"), (words * 20, "ben"), (words * 60, "cleo"), (words * 5, "oncall")]
        for library, version in BUILDS:
            with self.subTest(library=library, version=version):
                sizes = self.requests(library, version, messages)
                self.figures(f"Mbed TLS {library}, TLS {version}: records of {sizes} bytes")
                self.assertEqual(len(sizes), len(messages))
                self.assertGreater(sizes[2], len(words) * 60)
                self.assertGreater(sizes[3], len(words) * 5 * len(PHONES))  # all five in it
                self.assertLess(max(sizes), FITS)

    def test_one_that_does_not_fit_is_as_few_as_it_can_be(self):
        text = "x" * 1024
        for library, version in BUILDS[1:]:  # Debian's build has room for any request
            with self.subTest(library=library, version=version):
                sizes = self.requests(library, version, [(text, "oncall")])
                self.assertEqual(len(sizes), 2)
                self.assertGreaterEqual(sizes[0], FITS)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
