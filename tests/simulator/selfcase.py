# SPDX-License-Identifier: MIT
"""What the cases of the self-test share: a running service for each class, and clients that see the wire."""

import os
import tempfile
import unittest

from harness import Simulator, make_certificates
from wire import Client, post, send_body

TOKEN = "test-token"
ANNA, BEN = "447700900123", "447700900456"
WORK = tempfile.TemporaryDirectory(prefix="simulator-")
CERTIFICATES = os.path.join(WORK.name, "certs")


class WithService(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        make_certificates(CERTIFICATES)
        cls.service = Simulator(
            os.path.join(WORK.name, cls.__name__), CERTIFICATES, options=cls.options
        ).start()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def setUp(self):
        self.service.reset()
        self.service.resume()
        self.service.token(TOKEN)
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()

    def client(self):
        self.clients.append(Client(self.service.port, self.service.ca_file))
        return self.clients[-1]

    def send(self, *ids, to=(ANNA,), client=None, **more):
        """Sends a batch on a new connection and returns its answer."""
        return (client or self.client()).ask(post("/simple_send/", send_body(ids, to, **more)))

    def answers(self, internal_id="a"):
        return self.service.report()["messages"][internal_id]["answers"]

    def accepted(self):
        return [message["internal_id"] for message in self.service.messages()]
