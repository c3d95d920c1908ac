# SPDX-License-Identifier: MIT
"""Bad input: one clear line, the right exit status, nothing lost and nothing changed."""
import os
import subprocess
import unittest

from device import TOCSIN, Case, Runner

LONG = "x" * 1025


class CommandLine(Case):
    def test_usage(self):
        device = self.device()
        for words, shown in (
            (["frobnicate"], "frobnicate"),
            (["sned", "--to", "anna", "x"], "send"),
            ([], "tocsin help"),
            (["send", "text without a phone"], "--to"),
            (["send", "--to", "anna"], "TEXT"),
            (["send", "--to"], "--to"),
            (["send", "--to", "anna", "--frob", "x"], "--frob"),
            (["send", "--to", "anna", "two", "texts"], "quotes"),
            (["send", "--to", "anna", "--wait", "soon", "x"], "soon"),
            (["send", "--to", "anna", "--wait", "0", "x"], "0"),
            (["send", "--to", "anna", "--class", "grave", "x"], "grave"),
            (["send", "--to", "anna", "-5 degrees"], "--"),
            (["status", "--to", "anna"], "--to"),
            (["run", "fast"], "fast"),
            (["raise"], "ALARM"),
            (["token"], "token set"),
            (["token", "forget", "sms"], "forget"),
            (["queue", "shwo", "1"], "show"),
            (["queue", "show"], "ID"),
            (["run", "--json"], "--json"),
            (["--json=yes", "status"], "--json"),
            (["--memory", "status"], "--memory"),
        ):
            with self.subTest(words=words):
                self.one_line(device.run(*words), 64, shown)

    def test_commands_of_later_versions(self):
        device = self.device()
        for words in (
            "alarms",
            "log",
            "setup",
            "doctor",
            "test",
            "simulate",
            "token import",
            "token check sms",
        ):
            with self.subTest(words=words):
                self.one_line(device.run(*words.split()), 64, "not supported yet")

    def test_unknown_names(self):
        device = self.device()
        for daemon in (False, True):
            if daemon:
                device.start()
            for words, status, shown in (
                (["queue", "show", "9999"], 65, "9999"),
                (["queue", "show", "dev-aaaa-1"], 65, "dev-aaaa-1"),
                (["raise", "no-such-alarm"], 65, "no-such-alarm"),
                (["clear", "no-such-alarm"], 65, "no-such-alarm"),
                (["send", "--to", "annna", "x"], 65, "anna"),
                (["send", "--to", "nobody", "x"], 65, "nobody"),
                (["send", "--to", "anna", "--stream", "fax", "x"], 65, "fax"),
                (["token", "show", "fax"], 65, "fax"),
                (["token", "set", "fax", "-"], 65, "fax"),
                (["token", "set", "account", "-"], 78, f"there is no [account] in {device.config}: add it, with api_key_file"),
                (["token", "set", "fax", "-"], 65, f"in {device.config}: it has sms"),
                (["token", "set"], 64, f"needs STREAM: see `tocsin help token set`; {device.config}: it has sms"),
                (["send", "--to", "anna", "--stream", "fax", "x"], 65, "it has sms"),
                (["clear", "high-level"], 0, "high-level is not active: nothing changed"),
            ):
                with self.subTest(words=words, daemon=daemon):
                    self.one_line(device.run(*words, stdin=""), status, shown)
            self.assertEqual(device.queue(), [])

    def test_a_name_with_control_characters_is_shown_in_one_line(self):
        device = self.device()
        name, shown = "a\x1b[31m\nb\x7f", "a?[31m?b?"
        for daemon in (False, True):
            if daemon:
                device.start()
            for words in (["raise", name], ["clear", name], ["queue", "show", name], ["token", "show", name],
                          ["send", "--to", name, "x"], ["send", "--to", "anna", "--stream", name, "x"]):
                with self.subTest(words=words, daemon=daemon):
                    self.one_line(device.run(*words), 65, shown)

    def test_a_name_that_only_the_file_has_waits_for_a_sighup(self):
        service = self.service()
        device = self.device(service).start()
        device.write_config(more=f"[stream other]\ntype = marketing\nbase_url = {service.url}\nca_file = {service.ca_file}\n"
                                 f"token_file = {device.token_file}\nsender = GLOBAL\n"
                                 "[alarm new]\nto = anna\ntext = new\nclear_text = gone\n")
        commands = (["send", "--to", "anna", "--stream", "other", "x"], "`other`"), (["raise", "new"], "[alarm new]")
        for words, name in commands:
            self.one_line(device.run(*words), 65, name, "if the file has it by now: send the daemon a SIGHUP")
        device.hang_up()
        device.log.wait("running as", after=1)
        for words, _ in commands:
            self.assertEqual(device.run(*words).exit, 0)
        device.stop()
        self.assertNotIn("SIGHUP", device.run("raise", "no-such-alarm").err)

    def test_phones(self):
        device = self.device()
        for daemon in (False, True):
            if daemon:
                device.start()
            for phone in (
                "12",
                "+44 7700 90012x",
                "0",
                "+",
                "447700900123456789",
                "anna,",
                ",",
                "anna,,ben",
                "07700 900123",
                " ",
            ):
                with self.subTest(phone=phone, daemon=daemon):
                    self.one_line(device.run("send", "--to", phone, "x"), 65)
        self.assertEqual(device.queue(), [])

    def test_texts(self):
        device = self.device()
        for daemon in (False, True):
            if daemon:
                device.start()
            for text, shown in (
                (b"caf\xe9", "UTF-8"),
                (LONG, "1025"),
                ("", "empty"),
                (b"\xed\xa0\x80", "UTF-8"),
                ("a\x01b", "control"),
            ):
                with self.subTest(text=text[:10], daemon=daemon):
                    self.one_line(device.run("send", "--to", "anna", "--", text), 65, shown)
            for text, shown in (
                (b"a\0b", "NUL"),
                (b"x" * 5000, "bytes"),
                (b"", "empty"),
                (b"\xff\xfe", "UTF-8"),
            ):
                with self.subTest(stdin=text[:10], daemon=daemon):
                    self.one_line(device.run("send", "--to", "anna", "-", stdin=text), 65, shown)
        self.assertEqual(device.queue(), [])

    def test_longest_text_is_taken(self):
        service = self.service()
        device = self.device(service, stream={"max_segments": "all"}).start()
        device.send("x" * 1024)
        self.assertTrue(service.wait(distinct=1))
        self.arrived(service, "x" * 1024)

    def test_too_many_phones(self):
        device = self.device()
        many = ",".join(f"4477009002{n:02}" for n in range(33))
        self.one_line(device.run("send", "--to", many, "x"), 65, "32")
        self.assertEqual(device.queue(), [])


class Configuration(Case):
    def refused(self, text, *shown, where=None):
        """`check`, `run` and `send` say the same one line, which names file and line."""
        device = self.device()
        device.write_text(text if isinstance(text, bytes) else text)
        result = device.run("check")
        self.one_line(result, 78, *shown)
        self.assertRegex(result.err, rf"^tocsin: {device.config}:({where or '[0-9]+'}:)? ")
        for words in (
            ["send", "--to", "anna", "x"],
            ["status"],
            ["queue"],
            ["raise", "high-level"],
            ["token", "show", "sms"],
        ):
            self.assertEqual(device.run(*words), (78, "", result.err))
        device.launch()
        self.assertEqual((device.gone(), device.log.lines), (78, result.err.splitlines()))
        self.assertFalse(device.state.exists(), "nothing may be made before the configuration is good")

    def with_text(self, **changes):
        return self.device().sections(**changes)

    def line_of(self, text, start):
        return 1 + next(n for n, line in enumerate(text.splitlines()) if line.startswith(start))

    def test_single_mistakes(self):
        for changes, start, shown in (
            ({"device": {"nmae": "x"}}, "nmae", ("unknown key", "`name`")),
            ({"stream": {"frobnicate": "x"}}, "frobnicate", ("unknown key",)),
            ({"more": "[contct carl]\nphone = +447700900123\n"}, "[contct", ("unknown section", "`contact`")),
            ({"more": "[pager]\nx = 1\n"}, "[pager]", ("unknown section",)),
            ({"stream": {"retry_min": "5", "retry_max": "9s"}}, "retry_min", ("5s",)),
            ({"stream": {"retry_min": "5 parsecs", "retry_max": "9s"}}, "retry_min", ("duration",)),
            ({"stream": {"timeout": "1s"}}, "timeout", ("5s",)),
            ({"stream": {"retry_min": "10s", "retry_max": "5s"}}, "retry_min", ("retry_max",)),
            ({"alarm": {"to": "anna, bne"}}, "to = ", ("bne", "ben")),
            ({"more": "[group night]\nmembers = anna, zacharias\n"}, "members = anna, z", ("zacharias",)),
            ({"more": "[contact carl]\nphone = 12\n"}, "phone = 12", ("phone",)),
            ({"more": "[contact anna]\nphone = +447700900123\n"}, None, ("second",)),
            ({"more": "[contact oncall]\nphone = +447700900123\n"}, None, ("oncall",)),
            ({"stream": {"type": "pigeon"}}, "type", ("pigeon",)),
            ({"stream": {"base_url": "http://sms.example"}}, "base_url", ("https://",)),
            ({"stream": {"token_file": "relative/path"}}, "token_file", ("/",)),
            ({"device": {"name": "a b"}}, "name", ("a b",)),
            ({"device": {"name": "x" * 21}}, "name", ("20",)),
            ({"device": {"queue_size": "12"}}, "queue_size", ("512K",)),
            ({"device": {"queue_size": "33M"}}, "queue_size", ("32M",)),
            ({"device": {"control": "/" + "c" * 108}}, "control", ("107",)),
            ({"alarm": {"text": "since {tmie}"}}, "text", ("{tmie}",)),
            (
                {"device": {"name": "x" * 20}, "alarm": {"text": "x" * 880 + 15 * "{device}"}},
                "text",
                ("1180 bytes",),
            ),
            ({"alarm": {"class": "grave"}}, "class", ("grave",)),
            ({"alarm": {"stream": "smss"}}, "stream = ", ("sms",)),
            ({"alarm": {"gpio": "a" * 33}}, "gpio", ("line",)),
            ({"more": "no equals sign\n"}, "no equals", ()),
            ({"more": "[contact carl]\nphone =\n"}, "phone =", ("phone",)),
            ({"more": "# a comment is fine\n[contact carl]\n"}, "[contact carl]", ("phone",)),
            ({"stream": {"sender": "x" * 33}}, "sender", ("32",)),
            ({"stream": {"max_segments": "0"}}, "max_segments", ("1 to 16", "all")),
            ({"stream": {"transliterate": "maybe"}}, "transliterate", ("yes or no",)),
            ({"stream": {"segment_size": "160"}}, "segment_size", ("153 or 152",)),
            ({"device": {"country_code": "440"}}, "country_code", ("44",)),
            ({"stream": {"proxy": "http://proxy:3128"}}, "proxy = ", ("HOST:PORT",)),
            ({"stream": {"proxy": "proxy.plant"}}, "proxy = ", ("port",)),
            ({"stream": {"proxy": "proxy.plant:0"}}, "proxy = ", ("65535",)),
            ({"stream": {"proxy_auth_file": "/x"}}, "proxy_auth_file", ("proxy",)),
        ):
            with self.subTest(**changes):
                text = self.with_text(**changes)
                line = [n for n, row in enumerate(text.splitlines(), 1) if start and row.startswith(start)]
                self.refused(text, *shown, where=line[-1] if line else None)

    def test_keys_of_later_versions(self):
        for section, keys in (
            ("alarm", ("on_delay = 3s", "off_delay = 10s", "remind = 10m, 30m, 1h", "escalate_after = 5m")),
        ):
            for key, value in (pair.split(" = ") for pair in keys):
                with self.subTest(section=section, key=key):
                    self.refused(self.with_text(**{section: {key: value}}), "not supported yet")

    def test_limits(self):
        streams = "".join(f"[stream s{n}]\ntype = marketing\ntoken_file = /x\n" for n in range(4))
        contacts = "".join(f"[contact c{n}]\nphone = +4477009003{n:02}\n" for n in range(60))
        groups = "".join(f"[group g{n}]\nmembers = anna\n" for n in range(16))
        alarms = "".join(f"[alarm a{n}]\nto = anna\ntext = x\n" for n in range(64))
        members = "[group big]\nmembers = " + ", ".join(f"c{n}" for n in range(17)) + "\n"
        for name, text, shown in (
            ("5 streams", self.with_text(more=streams), "4"),
            ("65 contacts", self.with_text(more=contacts), "64"),
            ("17 groups", self.with_text(more=groups), "16"),
            ("65 alarms", self.with_text(more=alarms), "64"),
            ("17 members", self.with_text(more=contacts[: 17 * 36 + 200].rsplit("[", 1)[0] + members), "16"),
            ("a line of 1,025 bytes", self.with_text(more="# " + "x" * 1023 + "\n"), "1024"),
            ("65,537 bytes", self.with_text(more="# x\n" * 17000)[:65537], "65536"),
        ):
            with self.subTest(name):
                self.refused(text, shown)
        for name, text in (
            ("4 streams", self.with_text(more=streams.split("[stream s3]")[0])),
            ("64 contacts", self.with_text(more=contacts.split("[contact c59]")[0])),
            ("64 alarms", self.with_text(more=alarms.split("[alarm a63]")[0])),
            ("1,024 bytes", self.with_text(more="# " + "x" * 1022 + "\n")),
            ("65,536 bytes", (self.with_text() + "# x\n" * 17000)[:65536]),
        ):
            with self.subTest(name):
                device = self.device()
                device.write_text(text)
                self.assertNotIn(": a", [line for line in device.run("status").err.splitlines()])
                self.assertNotEqual(device.run("status").exit, 78, device.run("status"))

    def test_not_a_text(self):
        for text in (b"\xff\xfe[device]\n", b"[device]\nname = caf\xe9\n"):
            with self.subTest(text=text):
                device = self.device()
                device.write_text(text)
                result = device.run("check")
                self.assertEqual((result.exit, result.out), (78, ""), result)
                self.assertIn("UTF-8", result.err)
        good = self.with_text()
        self.refused(good.encode() + b"# \xff\n", "UTF-8")
        self.refused(good.encode() + b"# \0\n", "NUL")

    def test_no_file(self):
        device = self.device()
        device.config.unlink()
        for words in (["check"], ["run"], ["send", "--to", "anna", "x"], ["status"]):
            self.one_line(device.run(*words), 78, str(device.config), "no such file")
        device.config.mkdir()
        self.one_line(device.run("check"), 78, "directory")

    def test_every_mistake_is_shown_with_its_line(self):
        device = self.device()
        device.write_config(
            device={"nmae": "x"}, stream={"timeout": "soon"}, more="[contact carl]\nphone = 12\n"
        )
        result = device.run("check")
        self.assertEqual((result.exit, len(result.err.splitlines())), (78, 3), result)

    def test_found_by_environment(self):
        device = self.device()
        done = subprocess.run(
            [TOCSIN, "check"],
            env={**os.environ, "TOCSIN_CONFIG": str(device.config)},
            capture_output=True,
            text=True,
        )
        self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (0, f"{device.config}: good"), done)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
