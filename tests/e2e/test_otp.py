# SPDX-License-Identifier: MIT
"""One-time codes, against the simulated service: `tocsin otp send` and `tocsin otp verify`, and how each answer ends them."""
import json
import unittest

from device import PHONES, TOKEN, Case, Runner
from proxy import Proxy

ANNA = PHONES["anna"]


class Codes(Case):
    def codes_device(self, service, **keys):
        device = self.device(service)
        self.write_stream(device, **keys)
        return device

    def write_stream(self, device, **keys):
        stream = {"type": "otp", "base_url": device.url, "token_file": device.token_file, "ca_file": device.ca_file,
                  "sender": "GLOBAL", "timeout": "5s", **keys}
        section = "".join(f"{key} = {value}\n" for key, value in stream.items() if value is not None)
        device.write_config(more=f"[stream codes]\n{section}")

    def pair(self, options=(), **keys):
        service = self.service(options=options)
        return service, self.codes_device(service, **keys)

    def asked(self, service):
        """Path, Authorization and parsed body of every request."""
        found = []
        for request in service.requests():
            head = request["head"].split("\r\n")
            token = next(line for line in head if line.startswith("Authorization: "))
            found.append((head[0].split(" ")[1], token.split(": ")[1], json.loads(request["body"])))
        return found

    def test_a_code_that_the_service_makes_is_verified_once(self):
        service, device = self.pair()
        self.assertEqual(device.ok("otp", "send", "anna").out, "sent\n")
        code = service.messages()[0]["text"]
        wrong = "12345" if code != "12345" else "54321"
        self.one_line(device.run("otp", "verify", "anna", wrong), 76, "not verified: 200: Wrong code")
        self.assertEqual(device.ok("otp", "verify", "anna", code).out, "verified\n")
        self.one_line(device.run("otp", "verify", "anna", code), 76, "No code is waiting")
        self.one_line(device.run("otp", "verify", "ben", code), 76, "No code is waiting")

    def test_requests_are_those_that_the_readme_says(self):
        service, device = self.pair()
        device.ok("otp", "send", "+44 7700 900199", "--code", "AB-48213")
        device.ok("otp", "send", "anna")
        device.ok("otp", "verify", "+44 7700 900199", "AB-48213", "--stream", "codes")
        self.assertEqual(
            self.asked(service),
            [("/otp/auth/", "token-ok", {"recipient_phone": "447700900199", "template_variables": {"code": "AB-48213"},
                                         "sender": "GLOBAL"}),
             ("/otp/auth/", "token-ok", {"recipient_phone": ANNA, "sender": "GLOBAL"}),
             ("/otp/verify/", "token-ok", {"recipient_phone": "447700900199", "code": "AB-48213"})],
        )

    def test_no_sender_is_left_out(self):
        service, device = self.pair(sender=None)
        device.ok("otp", "send", "anna")
        self.assertEqual(self.asked(service)[0][2], {"recipient_phone": ANNA})

    def test_paths_are_those_of_the_configuration(self):
        # The first one is sent to the path with its slash by the service itself (307).
        service, device = self.pair(auth_path="/otp/auth", verify_path="/codes/check", options=("--free-path", "/codes/check"))
        device.ok("otp", "send", "anna")
        device.run("otp", "verify", "anna", "48213")
        self.assertEqual([path for path, _, _ in self.asked(service)], ["/otp/auth", "/otp/auth/", "/codes/check"])

    def test_bodies_are_those_of_the_portal(self):
        service, device = self.pair(auth_path="/codes/new", verify_path="/codes/check",
                                    options=("--free-path", "/codes/new", "--free-path", "/codes/check"))
        auth, verify = device.folder / "auth.json", device.folder / "verify.json"
        keys = {"auth_path": "/codes/new", "verify_path": "/codes/check", "auth_body": auth, "verify_body": verify}
        self.write_stream(device, **keys)
        auth.write_text('{"key": "login", "to": "{{recipient}}", "shown": "+{{recipient}}", "from": "{{sender}}", "by": "{{device}}"}\n')
        verify.write_text('{"to": "{{recipient}}",\n "otp": "{{code}}"}')
        device.ok("check")
        device.ok("otp", "send", "anna")
        device.ok("otp", "verify", "anna", "48213")
        self.one_line(device.run("otp", "send", "anna", "--code", "48213"), 64, "auth.json has no place", "{{code}}")
        auth.write_text('{"to": "{{recipient}}", "variables": {"code": "{{code}}"}}')
        device.ok("otp", "send", "anna", "--code", "48213")
        self.one_line(device.run("otp", "send", "anna"), 64, "auth.json has a place", "--code")
        self.assertEqual(self.asked(service), [
            ("/codes/new", "token-ok", {"key": "login", "to": ANNA, "shown": "+" + ANNA, "from": "GLOBAL", "by": "dev"}),
            ("/codes/check", "token-ok", {"to": ANNA, "otp": "48213"}),
            ("/codes/new", "token-ok", {"to": ANNA, "variables": {"code": "48213"}}),
        ])
        for text, shown in (('{"to": "{{recipient}}"}', "it has no {{code}}"),
                            ('{"to":\n "{{recipient}}", "x": "{{text}}", "otp": "{{code}}"}', "verify.json:2: {{text}} is not known")):
            verify.write_text(text)
            self.one_line(device.run("otp", "verify", "anna", "48213"), 78, shown)
            self.assertIn(shown, device.run("check").err)
        verify.unlink()
        self.one_line(device.run("otp", "verify", "anna", "48213"), 78, "verify.json", "look at `verify_body`")
        self.assertEqual(device.run("check").exit, 78)

    def test_every_answer_ends_with_the_status_that_is_true_of_it(self):
        service, device = self.pair()
        say = lambda code, body, **more: ("status", {"code": code, "body": body, **more})  # noqa: E731
        for rule, send, verify in (
            (say(401, {"message": "invalid token"}), (77, "tocsin token set codes"), (77, "allowed IPs")),
            (say(403, {"detail": "Not authenticated"}), (77, "Not authenticated"), (77, "Not authenticated")),
            (say(404, {"detail": "Not Found"}), (77, "auth_path"), (77, "verify_path")),
            (say(302, ""), (77, "base_url"), (77, "base_url")),
            (say(422, {"detail": [{"msg": "field required"}]}), (76, "refused: 422: field required"), (76, "not verified: 422")),
            (say(429, {}, retry_after=7), (75, "nothing was done: 429", "in 7 s"), (75, "in 7 s")),
            (say(521, ""), (75, "nothing was done"), (75, "nothing was done")),
            (say(500, ""), (75, "not known whether a code was sent: 500"), (75, "not verified, since nobody knows: 500")),
            (say(200, {"status": True, "verified": False}), (75, "`verified` is false"), (75, "`verified` is false")),
            (say(200, {"ok": True}), (75, "no `status`"), (75, "no `status`")),
            (say(200, "<title>Welcome</title>"), (75, "Welcome"), (75, "Welcome")),
            (("status_false", {"message": "blocked", "error_code": "0x7"}), (76, "refused: 200: blocked (0x7)"), (76, "blocked")),
            (("garbage", {"kind": "json"}), (75, "no JSON"), (75, "no JSON")),
            (("garbage", {"kind": "http"}), (75, "not known whether"), (75, "nobody knows")),
            (("gzip", {}), (75, "encoded"), (75, "encoded")),
            (("drop", {"at": "accepted"}), (75, "not known whether"), (75, "nobody knows")),
        ):
            for words, (status, *shown) in ((("otp", "send", "anna"), send), (("otp", "verify", "anna", "48213"), verify)):
                with self.subTest(rule=rule, words=words):
                    before = len(service.requests())
                    service.rule(rule[0], **rule[1], count=1)
                    self.one_line(device.run(*words), status, *shown)
                    service.command("clear")
                    self.assertEqual(len(service.requests()), before + 1)  # never a second time by itself
        self.assertEqual(device.queue(), [])

    def test_rate_limit_is_later(self):
        service, device = self.pair()
        service.rule("rate_limit", count=1)
        self.one_line(device.run("otp", "send", "anna"), 75, "nothing was done: 200: RATE_LIMIT")

    def test_a_service_that_is_not_there_was_not_asked(self):
        device = self.codes_device(self.service(start=False))
        self.one_line(device.run("otp", "send", "anna"), 69, "nothing was asked: ", "refused")
        self.one_line(device.run("otp", "verify", "anna", "48213"), 69, "nothing was asked: ", "refused")

    def test_a_service_that_nobody_vouches_for_was_not_asked(self):
        service = self.service(cert="selfsigned")
        device = self.codes_device(service)
        self.one_line(device.run("otp", "verify", "anna", "48213"), 69, "nothing was asked: ", "certificate")
        self.assertEqual(service.requests(), [])

    def test_a_silent_service_ends_at_the_deadline(self):
        service, device = self.pair()
        service.rule("silent")
        self.one_line(device.run("otp", "send", "anna"), 75, "not known whether a code was sent: ", "within 5s")

    def test_a_proxy_that_wants_another_login(self):
        service = self.service()
        proxy = Proxy(login="gateway:right")
        self.addCleanup(proxy.close)
        device = self.codes_device(service, proxy=proxy.address)
        self.one_line(device.run("otp", "send", "anna"), 77, "proxy")
        file = device.folder / "login"
        file.write_text("gateway:right\n")
        file.chmod(0o600)
        device = self.codes_device(service, proxy=proxy.address, proxy_auth_file=file)
        device.ok("otp", "send", "anna")

    def test_neither_code_nor_token_is_shown_or_kept(self):
        service, device = self.pair()
        code = "ZX81-QL48"
        device.secrets.append(code)
        device.start()
        device.ok("otp", "send", "anna", "--code", "-", stdin=code + "\n")
        device.ok("otp", "verify", "anna", "-", stdin=code + "\r\n")
        for text in (f"{code} is over", f"token {TOKEN} is over"):
            service.rule("status_false", message=text, count=1)
            self.one_line(device.run("otp", "verify", "anna", "-", stdin=code), 76, "***")
        self.assertEqual(device.queue(), [])
        device.stop()

    def test_what_cannot_be_asked_is_said_at_once(self):
        service, device = self.pair()
        for words, status, shown in (
            (("send", "anna", "--code", "123"), 65, "4 to 32 letters"),
            (("send", "anna", "--code", "12 345"), 65, "4 to 32 letters"),
            (("verify", "anna", ""), 65, "4 to 32 letters"),
            (("verify", "anna", "1"), 65, "4 to 32 letters"),
            (("send", "oncall"), 65, "name one"),
            (("send", "annna"), 65, "anna"),
            (("send", "07700 900123"), 65, "07700 900123"),
            (("send", "anna", "--stream", "sms"), 65, "type otp"),
            (("send", "anna", "--stream", "none"), 65, "it has sms, codes"),
            (("send",), 64, "needs PHONE"),
            (("send", "anna", "48213"), 64, "does not take `48213`"),
            (("verify", "anna"), 64, "needs CODE"),
            (("verify", "anna", "48213", "--code", "48213"), 64, "takes no --code"),
        ):
            with self.subTest(words=words):
                self.one_line(device.run("otp", *words), status, shown)
        self.assertEqual(service.requests(), [])
        device.write_config()
        self.one_line(device.run("otp", "send", "anna"), 78, "no stream of type otp")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
