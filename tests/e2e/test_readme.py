# SPDX-License-Identifier: MIT
"""README.md: its commands are run as they stand there, its configurations checked, what it names exists."""
import os
import re
import subprocess
import textwrap
import unittest

from device import CERTS, ROOT, TOCSIN, TOKEN, Case, Runner

README = ROOT / "README.md"
SHELL = ("", "sh", "shell", "bash", "console")


def blocks(text):
    """(language, content) of every fenced block."""
    found = re.findall(r"^([ \t]*)```([^\n`]*)\n(.*?)^[ \t]*```[ \t]*$", text, re.M | re.S)
    return [(language.strip(), textwrap.dedent(content)) for _, language, content in found]


def commands(text):
    """The lines of its shell blocks that run `tocsin` or `make`, joined where continued, without prompts."""
    lines = [
        line
        for language, content in blocks(text)
        if language in SHELL
        for line in content.replace("\\\n", " ").splitlines()
    ]
    lines = [re.sub(r"^\s*(\$ |# (?=tocsin|make))?(sudo )?", "", line) for line in lines]
    return [line for line in lines if re.match(r"(.*\| *)?(tocsin|make)( |$)", line)]


@unittest.skipUnless(README.exists(), "there is no README.md")
class Readme(Case):
    @classmethod
    def setUpClass(cls):
        cls.text = README.read_text(encoding="utf-8")

    def own(self, text, device, **keys):
        """A configuration of README with this device's paths and this service's address."""
        own = {
            "state": device.state,
            "control": device.folder / "control",
            "token_file": device.token_file,
            "base_url": device.url,
            "ca_file": device.ca_file,
            **keys,
        }
        for key, value in own.items():
            text = re.sub(rf"^(\s*{key}\s*=).*$", rf"\1 {value}", text, flags=re.M)
        for section, key in (("device", "state"), ("device", "control"), ("stream sms", "ca_file")):
            if not re.search(rf"^\s*{key}\s*=", text, re.M):
                text = text.replace(f"[{section}]\n", f"[{section}]\n{key} = {own[key]}\n")
        return text

    def configurations(self):
        return [content for _, content in blocks(self.text) if "[device]" in content]

    def test_has_commands_and_a_configuration(self):
        self.assertTrue(
            [c for c in commands(self.text) if "tocsin " in c],
            "README.md has no shell block with a tocsin command",
        )
        self.assertTrue(self.configurations(), "README.md has no configuration with [device]")

    def test_every_tocsin_command_does_what_it_says(self):
        service = self.service()
        device = self.device(service)
        device.token_file.unlink()
        device.write_text(self.own(self.configurations()[0], device))
        programs = device.folder / "bin"
        programs.mkdir()
        # As installed, but that -c names another file than on this machine.
        (programs / "tocsin").write_text(f'#!/bin/sh\n[ "$1" = -c ] && shift 2\nexec "{TOCSIN}" "$@"\n')
        (programs / "tocsin").chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TOCSIN_CONFIG": str(device.config),
        }
        count = 0
        for line in [
            line for line in commands(self.text) if "tocsin" in line.split("#")[0].split("make ")[0]
        ]:
            with self.subTest(line=line):
                count += 1
                if re.match(r"tocsin (-c \S+ )?(-s )?run\b", line):
                    if device.process is None:
                        device.start()
                    continue
                done = subprocess.run(
                    ["sh", "-c", line],
                    env=environment,
                    input=TOKEN + "\n",
                    capture_output=True,
                    text=True,
                    timeout=60,
                    cwd=device.folder,
                )
                device.said.append(f"$ {line}\n{done.stdout}{done.stderr}")
                self.assertEqual(done.returncode, 0, done)
        self.assertIsNotNone(device.process, "README.md never says `tocsin run`")
        device.wait_ended()
        self.figures(
            f"{count} tocsin commands of README.md, {service.report()['accepted']} messages at the service"
        )

    def test_every_make_target_exists(self):
        targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
        lines = [line for line in commands(self.text) if line.startswith("make")] + re.findall(
            r"`(make\b[^`]*)`", self.text
        )
        for line in lines:
            for part in re.split(r"&&|;|#", line):
                words = part.split()
                if words[:1] != ["make"]:
                    continue
                named = [w for w in words[1:] if "=" not in w and not w.startswith("-")]
                self.assertEqual(
                    [w for w in named if w not in targets and not w.startswith("build/")], [], line
                )

    def test_every_configuration_is_good(self):
        for text in self.configurations():
            with self.subTest(text=text[:40]):
                device = self.device()
                device.write_text(self.own(text, device))
                result = device.run("check")
                self.assertEqual((result.exit, result.err), (0, ""), result)

    def test_every_piece_of_a_configuration_is_good(self):
        whole = self.configurations()[0]  # its end is [alarm high-level]
        pieces = [content for language, content in blocks(self.text)
                  if language in ("", "ini") and re.match(r"(\[|\w+ += )", content) and "[device]" not in content]
        self.assertEqual(len(pieces), 4)
        for piece in pieces:
            with self.subTest(piece=piece):
                device = self.device()
                made, = re.findall(r"`(openssl rand [^`]*)`", self.text)
                secret = device.folder / "webhook.secret"
                secret.write_bytes(subprocess.run(made.split(), check=True, capture_output=True).stdout)
                secret.chmod(0o600)
                certificate, = [content for _, content in blocks(self.text) if content.startswith("openssl req")]
                subprocess.run(["sh", "-c", certificate], check=True, capture_output=True, cwd=device.folder)
                device.write_text(self.own(whole + piece, device, secret_file=secret, api_key_file=secret,
                                           cert_file=device.folder / "webhook.pem", key_file=device.folder / "webhook.key"))
                result = device.run("check")
                self.assertEqual((result.exit, result.err), (0, ""), result)

    def test_the_pin_of_a_certificate_is_made_as_it_says(self):
        line, = [line for line in self.text.splitlines() if line.startswith("openssl x509 -in server.pem")]
        service = self.service()
        made = subprocess.run(["sh", "-c", line.replace("server.pem", str(CERTS / "ec.pem"))], check=True, capture_output=True)
        device = self.device(service, stream={"pin_sha256": made.stdout.decode().strip()})
        device.ok("send", "--to", "anna", "--wait", "30", "by the pinned key")
        device.write_config(stream={"pin_sha256": "A" * 43 + "="})
        self.assertEqual(device.run("send", "--to", "anna", "--wait", "5", "by another").exit, 69)

    def test_every_program_that_it_shows_the_help_of_has_some(self):
        shown = re.findall(r"`(python3 [\w/.]+ --help)`", self.text)
        self.assertTrue(shown)
        for words in shown:
            self.assertIn("usage", subprocess.run(words.split(), check=True, capture_output=True, text=True, cwd=ROOT).stdout)

    def test_every_command_of_the_simulators_readme_is_taken(self):
        text = (ROOT / "tests/simulator/README.md").read_text(encoding="utf-8")
        service = self.service()
        device = self.device(service)
        device.ok("send", "--to", "anna", "--wait", "30", "expected")
        (device.folder / "ids.txt").write_text("expected\n")
        lines = [line for language, content in blocks(text) if language == "sh" for line in content.splitlines() if "ctl.py" in line]
        self.assertGreater(len(lines), 15)
        for line in lines:
            with self.subTest(line=line):
                line = line.replace("tests/simulator", str(ROOT / "tests/simulator")).replace("build/service", service.directory)
                subprocess.run(["sh", "-c", line.replace("wait 500", "wait 1")], check=True, capture_output=True, text=True,
                               timeout=60, cwd=device.folder)

    def test_every_file_that_it_names_is_there(self):
        named = set(re.findall(r"`(?:python3 )?((?:tests|src|include|port|toolchains)/[\w./-]+)", self.text))
        named |= {path for path in re.findall(r"\]\(([\w./-]+)\)", self.text)}
        self.assertEqual([path for path in sorted(named) if not (ROOT / path.rstrip("/")).exists()], [])


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
