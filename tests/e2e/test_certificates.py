# SPDX-License-Identifier: MIT
"""Bad certificates: refused, with the reason in words, and nothing is sent until a good one is there."""
import base64
import hashlib
import os
import pathlib
import signal
import subprocess
import unittest

from device import CERTS, Case, Runner

BAD = {  # what the words must hold
    "expired": "expired on",
    "future": "not valid before",
    "wronghost": "it is for other.test, not for localhost",
    "unknownca": "not signed by a CA in",
    "selfsigned": "self-signed",
    "nochain": "sends its whole chain",
}


class Certificates(Case):
    def refused(self, cert, tls="any"):
        service = self.service(cert=cert, tls=tls)
        device = self.device(service).start()
        [identifier] = device.send("not to be seen", "anna", "--class", "critical")
        said = device.log.wait("certificate")
        self.assertIn(BAD[cert], said)
        stream = device.stream()
        self.assertIn(stream["state"], ("backing off", "held", "connecting"))
        self.assertIn("certificate", stream["reason"])
        self.assertIn(stream["reason"], device.ok("status").out)
        self.assertIn("certificate", device.message(identifier)["reason"])
        self.assertEqual(device.message(identifier)["state"], "queued")
        device.restart()  # a new start is as strict
        device.log.wait("certificate")
        waited = device.run("send", "--to", "anna", "--wait", "1", "nor this")
        self.assertEqual(waited.exit, 69, waited)
        self.assertIn("certificate", waited.err)
        self.assertEqual((service.requests(), service.messages()), ([], []))
        service.cert = "ec"
        service.restart()
        self.assertTrue(service.wait(distinct=2))
        self.assertEqual(service.report()["accepted"], 2)
        self.assertEqual({m["state"] for m in device.wait_ended()}, {"accepted"})
        self.figures(f"{cert}: {said.split(': ', 3)[3].replace(str(CERTS), 'CERTS')}")

    def test_expired(self):
        self.refused("expired")

    def test_not_yet_valid(self):
        self.refused("future")

    def test_wrong_host(self):
        self.refused("wronghost")

    def test_unknown_authority(self):
        self.refused("unknownca")

    def test_self_signed(self):
        self.refused("selfsigned")

    def test_chain_not_sent(self):
        self.refused("nochain")


class Good(Case):
    def test_good_ones_are_taken(self):
        for cert in ("ec", "rsa", "chain"):
            with self.subTest(cert=cert):
                service = self.service(cert=cert)
                device = self.device(service).start()
                device.wait_state(device.send("hello")[0], "accepted")

    def test_verification_cannot_be_switched_off(self):
        device = self.device()
        texts = [device.ok("help").out]
        texts += [
            device.run("help", *about).out
            for about in (
                ["run"],
                ["send"],
                ["raise"],
                ["clear"],
                ["status"],
                ["queue"],
                ["token", "set"],
                ["check"],
                ["version"],
            )
        ]
        for word in ("insecure", "verify", "no-check", "skip"):
            self.assertNotIn(word, "".join(texts).lower().replace("otp verify", ""))  # which is about codes
        for key in (
            "verify",
            "verify_peer",
            "insecure",
            "tls_verify",
            "check_certificate",
            "ca_file = none\nverification",
        ):
            device.write_config(stream={key: "no"})
            result = device.run("check")
            self.assertEqual(result.exit, 78, result)
        device.write_config(stream={"ca_file": None})
        device.write_config(stream={"base_url": device.url.replace("https", "http")})
        self.one_line(device.run("check"), 78, "https://")
        for option in ("--insecure", "-k", "--no-verify"):
            self.assertEqual(device.run(option, "run").exit, 64)

    def test_authority_file_that_holds_none(self):
        service = self.service()
        device = self.device(service)
        empty = device.folder / "empty.pem"
        for content in (None, b"", b"no certificate in here\n"):
            with self.subTest(content=content):
                if content is not None:
                    empty.write_bytes(content)
                device.write_config(stream={"ca_file": empty})
                device.start()
                device.send("waits")
                device.log.wait("held")
                self.assertIn(str(empty), device.stream()["reason"])
                self.assertEqual(device.queue()[0]["state"], "queued")
                device.stop()
        self.assertEqual(service.requests(), [])

    def test_a_pipe_or_a_device_is_no_file(self):
        """They were opened like a file: `check`, `send` and `run`, before it watched a line, waited without an end or a word."""
        device = self.device(self.service())
        pipe = device.folder / "pipe"
        os.mkfifo(pipe)
        key = {"client_key_file": device.token_file}
        for place in (pipe, "/dev/zero"):
            for name, more in (("ca_file", {}), ("crl_file", {}), ("client_cert_file", key)):
                with self.subTest(place=place, name=name):
                    device.write_config(stream={name: place, **more})
                    self.one_line(device.run("check"), 78, name, str(place), "is a pipe or a device")
        device.start()
        device.send("waits")
        self.assertIn("is a pipe or a device", device.log.wait("held"))

    def test_files_that_are_mended_are_found(self):
        """A stream whose files were missing when the daemon started stayed held until a new start: a technician who did what
        the words said (chmod 600) waited in vain, and `queue retry` said them again."""
        service = self.service()
        device = self.device(service)
        good, late = service.ca_file, device.folder / "late.pem"
        device.write_config(stream={"ca_file": late})
        device.token_file.chmod(0o644)
        device.start()
        [identifier] = device.send("waits for its files", "anna", "--class", "critical")
        device.log.wait(f"held: cannot open the CA file {late}")
        late.write_bytes(pathlib.Path(good).read_bytes())
        device.log.wait(f"held: others than its owner may use the token file {device.token_file}")  # by itself
        self.assertIn("chmod 600", device.stream()["reason"])
        device.token_file.chmod(0o600)
        device.ok("queue", "retry", identifier)  # at once
        device.wait_state(identifier, "accepted")
        self.assertEqual((service.report()["accepted"], device.stream()["reason"]), (1, None))


class Narrowed(Case):
    """pin_sha256 and crl_file: what is wrong with them is said before the service is asked anything."""

    def pin(self, name):
        def openssl(*words, given=None):
            return subprocess.run(["openssl", *words], input=given, check=True, capture_output=True).stdout

        key = openssl("x509", "-in", CERTS / f"{name}.pem", "-pubkey", "-noout")
        der = openssl("pkey", "-pubin", "-outform", "DER", given=key)
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def revocation_list(self, folder, until, *revoked):
        """Of the simulated authority."""
        (folder / "index.txt").write_text("")
        (folder / "number").write_text("1000")
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\ncrlnumber = number\ndefault_md = sha256\n"
        )
        ca = ["openssl", "ca", "-config", "ca.cnf", "-cert", CERTS / "ca.pem", "-keyfile", CERTS / "ca.key"]
        for name in revoked:
            subprocess.run([*ca, "-revoke", CERTS / f"{name}.pem"], cwd=folder, check=True, capture_output=True)
        made = [*ca, "-gencrl", "-out", "new.crl", "-crl_lastupdate", "20240101000000Z", "-crl_nextupdate", until]
        subprocess.run(made, cwd=folder, check=True, capture_output=True)
        (folder / "new.crl").rename(folder / "revoked.crl")
        return folder / "revoked.crl"

    def test_pins(self):
        service = self.service()
        device = self.device(service, stream={"pin_sha256": self.pin("wronghost")}).start()
        [identifier] = device.send("waits")
        said = device.log.wait("pin_sha256")
        self.assertIn(f"no key of its chain is in pin_sha256; its own is {self.pin('ec')}", said)
        self.assertEqual((service.requests(), device.message(identifier)["state"]), ([], "queued"))
        device.write_config(stream={"pin_sha256": f"{self.pin('wronghost')}, {self.pin('ca')}"})
        device.process.send_signal(signal.SIGHUP)
        device.wait_state(identifier, "accepted")

    def test_revocation_lists(self):
        service = self.service()
        device = self.device(service)
        lists = self.revocation_list(device.folder, "20351231000000Z", "ec")
        device.write_config(stream={"crl_file": lists})
        device.ok("check")
        device.start()
        [identifier] = device.send("waits")
        self.assertIn("it is revoked (crl_file)", device.log.wait("certificate of"))
        self.assertEqual(service.requests(), [])
        self.revocation_list(device.folder, "20240201000000Z")  # without a restart
        self.assertIn("ended on 2024-02-01", device.log.wait("the revocation list of its CA"))
        self.assertEqual(service.requests(), [])
        lists.unlink()
        self.assertIn(str(lists), device.log.wait(f"the revocation list {lists}: no such file; look at crl_file"))
        self.assertEqual(service.requests(), [])
        self.revocation_list(device.folder, "20351231000000Z", "rsa")
        device.wait_state(identifier, "accepted")

    def test_check_says_what_is_wrong_with_the_list(self):
        device = self.device()
        for content in (None, b"", b"no list\n", (CERTS / "ca.pem").read_bytes()):
            path = device.folder / "odd.crl"
            if content is not None:
                path.write_bytes(content)
            device.write_config(stream={"crl_file": path})
            self.one_line(device.run("check"), 78, str(path))


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
