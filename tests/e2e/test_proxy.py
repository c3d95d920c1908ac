# SPDX-License-Identifier: MIT
"""A service that is reached through an HTTP proxy: the program, a proxy (tinyproxy and our own), the simulator."""
import os
import unittest

from device import TOKEN, Case, Runner
from proxy import Proxy, Tinyproxy

LOGIN = "gateway:pr0xy-5ecret-9x"


class Through(Case):
    def own_proxy(self, **options):
        proxy = Proxy(**options)
        self.addCleanup(proxy.close)
        return proxy

    def login_file(self, device, text=LOGIN + "\n", mode=0o600):
        file = device.folder / "proxy.login"
        file.write_text(text)
        os.chmod(file, mode)
        device.secrets.append(LOGIN.split(":")[1])
        return file

    def test_tinyproxy_with_a_login(self):
        service = self.service()
        device = self.device(service)
        with Tinyproxy(device.folder, LOGIN) as proxy:
            device.write_config(stream={"proxy": proxy.address, "proxy_auth_file": self.login_file(device)})
            device.ok("check")
            device.start()
            for n in range(3):
                device.wait_state(device.send(f"through tinyproxy {n}")[0], "accepted")
            self.assertIn("CONNECT localhost:", proxy.log.read_text())
        self.assertEqual(service.report()["accepted"], 3)

    def test_tinyproxy_that_wants_a_login(self):
        service = self.service()
        device = self.device(service)
        with Tinyproxy(device.folder, LOGIN) as proxy:
            device.write_config(stream={"proxy": proxy.address})
            device.start()
            [identifier] = device.send("waits for a login")
            said = device.log.wait("the proxy wants a user and password: proxy_auth_file")
            self.figures(said.split(": ", 1)[1])
            self.assertEqual(device.message(identifier)["attempts"], 0)
            device.write_config(stream={"proxy": proxy.address, "proxy_auth_file": self.login_file(device)})
            device.hang_up()
            device.wait_state(identifier, "accepted")
        self.assertEqual(service.report()["accepted"], 1)

    def test_wrong_login_holds_the_stream_until_its_file_is_mended(self):
        service = self.service()
        device = self.device(service)
        proxy = self.own_proxy(login=LOGIN)
        file = self.login_file(device, "gateway:no\n")
        device.write_config(stream={"proxy": proxy.address, "proxy_auth_file": file})
        device.start()
        [identifier] = device.send("waits for the right login")
        device.log.wait("held: proxy")
        stream = device.stream()
        self.assertEqual(stream["state"], "held")
        self.assertIn("the proxy does not take user and password: look at proxy_auth_file", stream["reason"])
        tries = len(proxy.heads)
        self.login_file(device)  # nobody tells the daemon
        device.wait_state(identifier, "accepted")
        self.assertEqual(len(proxy.heads), tries + 1)

    def test_nothing_but_connect_travels_in_the_clear(self):
        service = self.service()
        device = self.device(service)
        proxy = self.own_proxy(login=LOGIN)
        device.write_config(stream={"proxy": proxy.address, "proxy_auth_file": self.login_file(device)})
        device.start()
        device.wait_state(device.send("not to be seen")[0], "accepted")
        [head] = proxy.heads
        port = service.port
        self.assertEqual(
            [line for line in head.decode().split("\r\n") if not line.startswith("Proxy-Authorization: Basic ")],
            [f"CONNECT localhost:{port} HTTP/1.1", f"Host: localhost:{port}", "User-Agent: tocsin", "", ""])
        self.assertNotIn(TOKEN.encode(), head)
        self.assertEqual(proxy.first_bytes, [b"\x16\x03"])  # TLS

    def test_the_certificate_is_the_services(self):
        for cert, words in (("wronghost", "it is for other.test, not for localhost"), ("selfsigned", "self-signed")):
            with self.subTest(cert=cert):
                service = self.service(cert=cert)
                device = self.device(service)
                device.write_config(stream={"proxy": self.own_proxy().address})
                device.start()
                device.send("not to be seen")
                device.log.wait(words)
                self.assertEqual((service.requests(), service.messages()), ([], []))

    def test_what_a_proxy_says_instead(self):
        for answer, words in (
            (b"HTTP/1.1 403 Filtered\r\n\r\n", "the proxy does not let through to localhost port"),
            (b"HTTP/1.1 503 No way\r\n\r\n", "the proxy cannot reach localhost port"),
            (b"220 mail.plant ESMTP\r\n", "what answers is no HTTP proxy"),
            (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "what answers is no HTTP proxy"),
            (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 5000, "what answers is no HTTP proxy"),
        ):
            with self.subTest(answer=answer[:30]):
                service = self.service()
                device = self.device(service)
                device.write_config(stream={"proxy": self.own_proxy(answer=answer).address})
                device.start()
                [identifier] = device.send("stays here")
                self.assertIn("proxy (127.0.0.1 port ", device.log.wait(words))
                message = device.message(identifier)
                self.assertEqual((message["state"], message["attempts"]), ("queued", 0))
                self.assertEqual(service.requests(), [])

    def test_a_proxy_that_is_silent_or_not_there(self):
        service = self.service()
        device = self.device(service)
        device.write_config(stream={"proxy": self.own_proxy(answer=None).address})
        device.start()
        [identifier] = device.send("stays here")
        said = device.log.wait("no answer to CONNECT")
        self.assertIn("within 5s: proxy (127.0.0.1 port ", said)
        device.stop()
        gone = self.own_proxy()
        gone.close()
        device.write_config(stream={"proxy": gone.address})
        device.start()
        device.log.wait("proxy: cannot connect to 127.0.0.1 (127.0.0.1 port ")
        device.stop()
        device.write_config(stream={"proxy": self.own_proxy().address})
        device.start()
        device.wait_state(identifier, "accepted")

    def test_a_new_token_beside_a_login_that_cannot_be_used(self):
        """The new token was sent in the length of the one before, with that one's end."""
        service = self.service()
        device = self.device(service)
        file = self.login_file(device)
        device.write_config(stream={"proxy": self.own_proxy(login=LOGIN).address, "proxy_auth_file": file})
        device.start()
        device.wait_state(device.send("over the connection that is kept")[0], "accepted")
        file.chmod(0o644)
        stored = device.run("token", "set", "sms", stdin="short\n")
        self.assertEqual(stored.exit, 78)
        self.assertIn("stored, but the running daemon cannot use it: others than its owner may use the proxy login", stored.err)
        device.wait_state(device.send("with the token before")[0], "accepted")
        file.chmod(0o600)
        device.run("token", "set", "sms", stdin="short\n")
        device.send("with the new one")
        device.log.wait("held: 403")

    def test_a_login_file_that_is_not_safe_or_not_right(self):
        service = self.service()
        device = self.device(service)
        file = self.login_file(device, mode=0o644)
        device.write_config(stream={"proxy": "127.0.0.1:9", "proxy_auth_file": file})
        for text, mode, words in (
            (LOGIN, 0o644, "chmod 600"),
            ("nocolon", 0o600, "with a colon"),
            ("", 0o600, "is empty"),
        ):
            with self.subTest(words=words):
                self.login_file(device, text, mode)
                checked = device.run("check")
                self.assertEqual(checked.exit, 78)
                self.assertIn(words, checked.err)
        file.unlink()
        self.assertIn("there is no proxy login file", device.run("check").err)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
