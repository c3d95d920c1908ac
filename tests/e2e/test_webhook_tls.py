# SPDX-License-Identifier: MIT
"""The service calls the device over TLS: real clients, those that are none, and those that stop anywhere."""
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from device import CERTS, PHONES, ROOT, Runner, wait_until
from hooked import FORMS, HEADER, SECRET, HookCase, call

HELLO = bytes.fromhex("16030100")  # a record of a handshake, TLS 1.0 as ever


class WebhookTls(HookCase):
    def served(self, cert="ec", service=None, **config):
        """A running device that takes webhooks over TLS, with files of its own that a test may change."""
        service = service or self.service()  # which makes the certificates
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-e2e-"))
        self.addCleanup(shutil.rmtree, folder)
        self.cert, self.key = folder / "webhook.pem", folder / "webhook.key"
        self.become(cert)
        device = self.hooked(service, keys=f"cert_file = {self.cert}\nkey_file = {self.key}\n", **config)
        self.url = f"https://127.0.0.1:{self.port}/streams"
        self.trust = ssl.create_default_context(cafile=CERTS / "ca.pem")
        return device

    def become(self, cert):
        for file, kind in ((self.cert, "pem"), (self.key, "key")):
            new = file.with_suffix(".new")
            shutil.copy(CERTS / f"{cert}.{kind}", new)
            new.chmod(0o600)
            new.rename(file)

    def call(self, form="json", headers=None, url=None, trust=None, **values):
        return call(url or self.url, values, form, {HEADER: SECRET} if headers is None else headers, 30, trust or self.trust)

    def connect(self, trust=None, name="localhost"):
        channel = socket.create_connection(("127.0.0.1", self.port), 30)
        self.addCleanup(channel.close)
        return (trust or self.trust).wrap_socket(channel, server_hostname=name)

    def plain(self):
        channel = socket.create_connection(("127.0.0.1", self.port), 30)
        self.addCleanup(channel.close)
        return channel

    def to_the_end(self, channel):
        answer = b""
        try:
            while data := channel.recv(4096):
                answer += data
        except (ConnectionError, ssl.SSLError):
            pass
        return answer

    def request(self, body=b"{}", more=b""):
        head = f"POST /streams HTTP/1.1\r\nHost: d\r\n{HEADER}: {SECRET}\r\nContent-Length: {len(body)}\r\n".encode()
        return head + more + b"\r\n" + body

    def works(self):
        self.assertEqual(self.call(text="hello"), (200, b""))

    # -- who is served ---------------------------------------------------------------------------------------

    def test_an_alarm_is_acknowledged_over_tls_in_every_form(self):
        service = self.service()
        device = self.served(service=service)
        for form, phone in zip(FORMS, PHONES):
            code = self.raised(device)
            self.answers(f"ack {code}", phone, form)
            self.assertTrue(self.alarm(device)["acknowledged"])
            wait_until(lambda: "dev: high-level acknowledged" in self.texts_to(service, phone), "the reply")
            device.ok("clear", "high-level")

    def test_any_good_key_and_chain_serves(self):
        for cert in ("ec", "rsa", "chain"):
            device = self.served(cert)
            self.assertEqual(self.connect().version(), "TLSv1.2")
            self.works()
            for suite in ("ECDHE+AESGCM", "ECDHE+CHACHA20"):
                trust = ssl.create_default_context(cafile=CERTS / "ca.pem")
                trust.set_ciphers(suite)
                self.assertEqual(self.call(trust=trust)[0], 200)
            device.stop()

    def test_a_name_that_is_asked_for_does_not_matter(self):
        self.served()
        careless = ssl.create_default_context(cafile=CERTS / "ca.pem")
        careless.check_hostname = False
        for name in ("elsewhere.test", None):
            with self.connect(careless, name) as channel:
                channel.sendall(self.request())
                self.assertIn(b" 200 OK", self.to_the_end(channel))

    def test_a_request_in_many_records_in_two_and_in_the_largest_is_one(self):
        self.served()
        text = b'{"text":"' + 7000 * b"x" + b'"}'
        for pieces in ([bytes([byte]) for byte in self.request()], [self.request()[:70], self.request()[70:]],
                       [self.request(text)]):
            with self.connect() as channel:
                for piece in pieces:
                    channel.sendall(piece)
                self.assertIn(b" 200 OK", self.to_the_end(channel))
        with self.connect() as channel:  # one record of 16 KiB is read, and then found to be too much
            channel.sendall(self.request(16_000 * b"x"))
            self.assertIn(b" 413 ", self.to_the_end(channel))

    def test_a_long_hello_in_many_segments_is_answered(self):
        """With keys that a quantum computer does not break it has 1,800 bytes; here names of protocols make it long."""
        self.served()
        for names in (6, 60):
            self.trust.set_alpn_protocols([f"{n:0250d}" for n in range(names)] + ["http/1.1"])
            self.assertGreater(len(self.hello()), 250 * names)
            with socket.socket() as channel:
                channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
                channel.connect(("127.0.0.1", self.port))
                with self.trust.wrap_socket(channel, server_hostname="localhost") as client:
                    client.sendall(self.request())
                    self.assertIn(b" 200 OK", self.to_the_end(client))

    def test_the_answer_ends_with_close_notify(self):
        self.served()
        strict = ssl.create_default_context(cafile=CERTS / "ca.pem")
        strict.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        with self.connect(strict) as channel:
            channel.sendall(self.request())
            answer = b""
            while data := channel.recv(4096):  # fails at an end without it
                answer += data
            self.assertIn(b" 200 OK", answer)

    def test_the_answers_are_those_without_tls(self):
        device = self.served()
        self.assertEqual(self.call(headers={}), (403, b""))
        device.log.wait("from 127.0.0.1: its secret is missing or wrong (403)")
        self.assertEqual(self.call(headers={}, url=self.url + "x"), (403, b""))
        self.assertEqual(self.call(url=self.url + "x"), (404, b""))
        with self.connect() as channel:
            channel.sendall(self.request(more=b"Expect: 100-continue\r\n")[:-2])
            self.assertEqual(channel.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            channel.sendall(b"{}")
            self.assertIn(b" 200 OK", self.to_the_end(channel))

    def test_the_script_that_calls_speaks_tls(self):
        self.served()
        done = subprocess.run([sys.executable, ROOT / "tests" / "simulator" / "webhook.py", self.url, "incoming", "--ca",
                               CERTS / "ca.pem", "--header", f"{HEADER}: {SECRET}", "from=1", "text=hello"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "200\n"), done.stderr)

    # -- who is refused --------------------------------------------------------------------------------------

    def refusal(self, device, words):
        device.log.wait("refused, the last one from 127.0.0.1: " + words)

    def test_who_speaks_no_tls_is_told_so(self):
        device = self.served()
        self.assertEqual(call(self.url.replace("https", "http"), {"text": "x"}), (400, b""))
        self.refusal(device, "it does not speak TLS: is the webhook's address one of https? (400)")
        self.works()

    def test_old_versions_and_suites_are_refused(self):
        device = self.served()

        def refused(*options):
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", *options]
            done = subprocess.run(command, input=b"", capture_output=True, check=False)
            self.assertNotEqual(done.returncode, 0, options)
            self.assertIn(b"alert", done.stderr, options)

        for version in ("-tls1", "-tls1_1"):
            refused(version, "-cipher", "ALL:@SECLEVEL=0")
        self.refusal(device, "its TLS handshake failed: it does not speak TLS 1.2")
        for suite in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"):
            refused("-tls1_2", "-cipher", suite)  # the last: the key is not of RSA
        refused("-tls1_3")
        refused("-alpn", "h2")
        self.works()

    def test_who_does_not_believe_the_certificate_is_told_of(self):
        device = self.served()
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(ssl.create_default_context())
        # By an alert, or by closing the connection before it comes.
        self.assertRegex(device.log.wait("refused, the last one from 127.0.0.1: its TLS handshake failed: it "), "cert_file")

    def test_nothing_is_agreed_on_anew(self):
        self.served()
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-tls1_2", "-CAfile", CERTS / "ca.pem"]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said = client.communicate(timeout=60)[0]
        self.assertIn(b"RENEGOTIATING", said)
        self.assertNotIn(b"verify return:1\n---\nRENEG", said)
        self.assertRegex(said, rb"no renegotiation|unexpected|handshake failure|errno")
        self.works()

    def test_no_session_is_resumed(self):
        self.served()
        with self.connect() as channel:
            session = channel.session
            self.assertFalse(session.has_ticket)
        self.works()

    # -- who stops, or breaks off ----------------------------------------------------------------------------

    def test_garbage_and_ends_anywhere_are_harmless(self):
        device = self.served()
        hello = self.hello()
        for garbage in (b"\x16", HELLO, HELLO + b"\x05hello", HELLO + b"\x01" + os.urandom(256), b"\x16" + os.urandom(500),
                        hello[:-1], hello + b"\x15\x03\x03\x00\x02\x02\x28", hello + b"\x17\x03\x03\x40\x00" + 16_384 * b"x",
                        hello + hello, os.urandom(2000), b"\x80\x2e\x01\x03\x01" + 41 * b"\0"):
            channel = self.plain()
            channel.sendall(garbage)
            channel.shutdown(socket.SHUT_WR)
            self.to_the_end(channel)
            channel.close()
        device.log.wait("refused, the last one from 127.0.0.1")
        self.works()
        device.stop()

    def by_hand(self, channel):
        """What a client sends, one flight after the other; who asks for the next has sent the one before."""
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.trust.wrap_bio(into, out, server_hostname="localhost")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                if flight := out.read():
                    yield flight
                into.write(channel.recv(65536))
        client.write(self.request())
        yield out.read()

    def hello(self):
        return next(self.by_hand(None))

    def test_a_client_that_breaks_off_in_any_flight_takes_nobodys_place(self):
        self.served()
        for last in range(3):
            for part in (0, 1, 2):
                channel = self.plain()
                for number, flight in enumerate(self.by_hand(channel)):
                    if number == last:
                        channel.sendall(flight[:(1, len(flight) // 2, len(flight) - 1)[part]])
                        break
                    channel.sendall(flight)
                channel.close()
        self.works()

    def test_silent_ones_and_one_that_stops_behind_its_hello_give_way(self):
        service = self.service()
        device = self.served(service=service)
        self.works()
        before = self.memory_kib(device)
        silent = [self.plain() for _ in range(200)]
        hello = self.hello()
        stalled = self.plain()
        stalled.sendall(hello)
        code = self.raised(device)
        self.answers(f"ack {code}")
        self.assertTrue(self.alarm(device)["acknowledged"])
        wait_until(lambda: "dev: high-level acknowledged" in self.texts_to(service, "anna"), "the reply")
        # The one that stopped was told of, and everything of the silent ones is closed or fits the places.
        self.refusal(device, "its TLS handshake was not done in time")
        self.assertLess(len(os.listdir(f"/proc/{device.process.pid}/fd")), 40)
        after = self.memory_kib(device)
        self.assertLess(after - before, 200, "KiB")
        self.figures(f"200 silent connections, own memory {before} -> {after} KiB")
        for channel in silent:
            channel.close()

    def test_messages_go_out_while_a_thousand_handshakes_are_tried(self):
        service = self.service()
        device = self.served(service=service)
        self.works()
        before = self.memory_kib(device)
        hello, sent = self.hello(), []
        for turn in range(20):
            for _ in range(50):
                channel = socket.socket()
                channel.setblocking(False)
                channel.connect_ex(("127.0.0.1", self.port))
                try:
                    channel.send(hello)
                except OSError:
                    pass
                sent.append(channel)
            device.ok("raise" if turn % 2 == 0 else "clear", "high-level")
        device.wait_ended()
        self.assertEqual(len([text for text in self.texts_to(service, "anna") if "level high" in text]), 10)
        after = self.memory_kib(device)
        self.assertLess(after - before, 300, "KiB")
        for channel in sent:
            channel.close()
        wait_until(self.answered, "those who gave up are out of the way")
        self.figures(f"{len(sent)} handshakes tried, 10 alarms, own memory {before} -> {after} KiB")

    def answered(self):
        try:
            return self.call(text="hello")[0] == 200
        except OSError:
            return False

    # -- certificate and key ---------------------------------------------------------------------------------

    def shown(self):
        careless = ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        with self.connect(careless) as channel:
            return ssl.DER_cert_to_PEM_cert(channel.getpeercert(binary_form=True))

    def first_of(self, cert):
        text = (CERTS / f"{cert}.pem").read_text()
        return text[text.index("-----BEGIN"):text.index("-----END")] + "-----END CERTIFICATE-----\n"

    def test_a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not(self):
        device = self.served("ec")
        self.assertEqual(self.shown(), self.first_of("ec"))
        self.become("rsa")
        device.log.wait("webhook: the renewed certificate is in use")
        self.assertEqual(self.shown(), self.first_of("rsa"))
        shutil.copy(CERTS / "ec.pem", self.cert)
        words = (f"the webhook key (key_file) {self.key} does not belong to the webhook certificate "
                 f"(cert_file) {self.cert}: take both of one pair, its own certificate first: the one before stays in use")
        device.log.wait(words)
        self.assertEqual(device.status()["webhook_reason"], words)
        self.assertIn(f"webhook  {words}\n", device.ok("status").out)
        self.assertEqual(self.shown(), self.first_of("rsa"))
        # Nor does a reload make it the only one.
        device.process.send_signal(1)
        device.log.wait("not reloaded: the configuration in force stays")
        self.assertEqual(self.shown(), self.first_of("rsa"))
        self.become("ec")
        wait_until(lambda: device.status()["webhook_reason"] is None, "another look")  # the same line is not said again
        self.assertEqual(self.shown(), self.first_of("ec"))
        self.become("expired")
        device.log.wait(f"the webhook certificate {self.cert} expired on ")
        self.assertEqual(self.shown(), self.first_of("expired"))

    def test_mistakes_of_the_files_are_told_by_check(self):
        device = self.device(self.service())
        where = device.folder
        self.cert, self.key = where / "w.pem", where / "w.key"
        device.write_config(more=f"[webhook]\nlisten = 127.0.0.1:80\ncert_file = {self.cert}\nkey_file = {self.key}\n")
        self.one_line(device.run("check"), 78, f"the webhook certificate (cert_file) {self.cert}: no such file")
        self.become("ec")
        device.ok("check")
        self.key.chmod(0o644)
        self.one_line(device.run("check"), 78, f"{self.key}")
        self.become("rsa")
        done = device.run("check")
        self.assertEqual(done.exit, 0)
        self.assertIn("the webhook key is of RSA", done.err)
        shutil.copy(CERTS / "ec.pem", self.cert)
        self.one_line(device.run("check"), 78, f"the webhook key (key_file) {self.key} does not belong to "
                      f"the webhook certificate (cert_file) {self.cert}: take both of one pair, its own certificate first")
        self.cert.write_text("nothing\n")
        self.one_line(device.run("check"), 78, f"the webhook certificate (cert_file) {self.cert} is none that is understood")
        for file, name in ((self.key, "key (key_file)"), (self.cert, "certificate (cert_file)")):
            with file.open("r+b") as large:
                large.truncate(1 << 31)  # which nobody waits for
            self.one_line(device.run("check"), 78, f"the webhook {name} {file} is larger than 64 KiB: is it the right file?")
        for cert, words in (("expired", "expired on "), ("future", "is not valid before ")):
            self.become(cert)
            done = device.run("check")
            self.assertEqual(done.exit, 0)
            self.assertIn(f"the webhook certificate {self.cert} {words}", done.err)
        for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
            device.write_config(more=f"[webhook]\nlisten = 127.0.0.1:80\n{key} = /x\n")
            self.one_line(device.run("check"), 78, f"`{key}` stands here and no `{other}`")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
