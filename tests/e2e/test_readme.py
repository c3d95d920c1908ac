# SPDX-License-Identifier: MIT
"""README.md says what is so: its examples pass `tocsin check`, its commands run, its tables are complete."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulator"))
from harness import Simulator  # noqa: E402

TOCSIN = pathlib.Path(os.environ.get("TOCSIN") or ROOT / "build" / "native" / "tocsin").absolute()
README = (ROOT / "README.md").read_text()
TOKEN = "tkn-Readme-4711"


def blocks(language):
    found = re.findall(rf"^([ ]*)```{language}\n(.*?)^\1```$", README, re.M | re.S)
    return [textwrap.dedent(text) for _, text in found]


def table(first_cell):
    """The code words of the first column of the table that has this head, to its end."""
    rows = README.split(f"\n| {first_cell} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="tocsin-readme-"))
        cls.service = cls.enterClassContext(Simulator(cls.folder + "/service", tokens=(TOKEN,)))
        (pathlib.Path(cls.folder) / "tocsin").symlink_to(TOCSIN)

    def setUp(self):
        self.home = tempfile.mkdtemp(dir=self.folder)
        self.daemon_log = self.home + "/log"
        self.environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}",
                            "TOCSIN_CONFIG": self.home + "/tocsin.conf"}

    def configure(self, text):
        """An example as it stands, but with the folders and the service of this test."""
        text = re.sub(r"^(state|control|ca_file) .*\n", "", text, flags=re.M)
        text = text.replace("[device]\n", f"[device]\nstate = {self.home}/state\ncontrol = {self.home}/control\n")
        text = text.replace("[stream sms]\n", f"[stream sms]\nca_file = {self.service.ca_file}\n")
        text = text.replace("/etc/tocsin/", self.home + "/")
        text = text.replace("https://sendsms.commpeak.com", self.service.url)
        pathlib.Path(self.environment["TOCSIN_CONFIG"]).write_text(text)

    def shell(self, command):
        done = subprocess.run(["sh", "-c", command], env=self.environment, cwd=self.home, input=TOKEN + "\n", text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"$ {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def end_daemon(self):
        subprocess.run(["sh", "-c", f"kill $(cat {self.home}/state/lock)"], check=False)

    def test_every_example_passes_check(self):
        examples = blocks("ini")
        self.assertEqual(len(examples), 2)
        for example in examples:
            self.configure(example)
            self.shell("tocsin token set sms")
            self.shell("tocsin check")

    def test_every_command_runs_as_written(self):
        self.configure(blocks("ini")[0])
        lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
        commands = [line for line in lines if re.search(r"\btocsin ", line)]
        self.assertGreater(len(commands), 12)
        self.addCleanup(self.end_daemon)
        for command in commands:
            if command.endswith("&"):
                ready = "until tocsin status | grep -q ', running'; do sleep 0.05; done"
                command = f"{command[:-1]} 2>>{self.daemon_log} >&2 </dev/null & {ready}"
            self.shell(command)
        self.assertTrue(self.service.wait(distinct=9, timeout=30), self.service.report())
        texts = [message["text"] for message in self.service.messages()]
        self.assertIn("Hello from the boiler room", texts)
        self.assertEqual(sum("sump level high" in text for text in texts), 2)

    def test_make_targets_exist(self):
        makefile = (ROOT / "Makefile").read_text()
        for target in set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", README, re.M)):
            self.assertRegex(makefile, rf"(?m)^{target}:", f"make {target}")
        for toolchain in re.findall(r"TOOLCHAIN=(\w+)", README) + ["armhf", "mipsel", "musl"]:
            self.assertTrue((ROOT / "toolchains" / f"{toolchain}.mk").exists(), toolchain)

    def test_files_that_are_named_exist(self):
        for name in sorted(set(re.findall(r"`(tests/[\w/]+\.(?:cpp|py))`", README))):
            with self.subTest(name):
                self.assertTrue((ROOT / name).exists(), name)

    def test_every_json_key_is_documented(self):
        self.configure(blocks("ini")[0])
        self.shell("tocsin token set sms")
        self.shell("tocsin send --to anna --wait 30 x")
        message = json.loads(self.shell("tocsin queue list --json"))
        self.assertEqual(json.loads(self.shell("tocsin queue show 1 --json")), message)
        documented = README.split("## JSON")[1].split("## Limits")[0]
        words = set(re.findall(r"`([a-z_]+)(?:\[\])?`", documented))
        self.assertEqual(set(message) - words, set())
        status = json.loads(self.shell("tocsin status --json"))
        self.assertEqual(set(status) - words, set())

    def test_every_configuration_key_is_documented(self):
        source = (ROOT / "src/program/config_sections.cpp").read_text()
        known = re.findall(r'\{Section::\w+, "(\w+)", Need::(\w+),', source)
        self.assertGreater(len(known), 20)
        documented = table("key | means | without it")
        supported = {name for name, need in known if need != "later"}
        self.assertEqual(supported - documented, set())
        self.assertEqual({name for word in documented for name in [word] if "[" not in word and "=" not in word
                          and name not in supported and name in dict(known)}, set())
        later = README.split("*not supported yet*")[1].split("## ")[0]
        for name, need in known:
            if need == "later" and name not in ("expire", "on_unknown", "per_hour"):  # of [class NAME]
                self.assertIn(f"`{name}`", later)

    def test_every_command_and_exit_status_is_in_its_table(self):
        words = " ".join(table("command | does"))
        for command in re.findall(r'^    \{"([a-z ]+)", Command::', (ROOT / "src/program/arguments.cpp").read_text(), re.M):
            self.assertIn(command.replace("queue list", "queue [list]"), words)
        statuses = re.findall(r"^  \w+ = (\d+),", (ROOT / "src/program/arguments.hpp").read_text(), re.M)
        self.assertGreater(len(statuses), 10)
        for status in statuses:
            self.assertRegex(README, rf"(?m)^\| {status} \|")

    def test_limits_are_those_of_the_source(self):
        limits = dict(re.findall(r"(kMax\w+) = ([\d']+);", (ROOT / "include/tocsin/limits.hpp").read_text()))
        limits = {name: int(value.replace("'", "")) for name, value in limits.items()}
        row = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", README.split("## Limits")[1].split("Files:")[0], re.M))
        for cell, names in {
                "text": ["kMaxText"], "phones of one message": ["kMaxPhones"],
                "streams, contacts, groups, alarms": ["kMaxStreams", "kMaxContacts", "kMaxGroups", "kMaxMembers", "kMaxAlarms"],
                "names": ["kMaxName", "kMaxDeviceName"], "sender, token": ["kMaxSender", "kMaxToken"],
                "messages, waiting and kept": ["kMaxMessages"], "one request": ["kMaxBatch"],
                "copies of one message": ["kMaxSends"]}.items():
            numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", row[cell])]
            self.assertEqual(numbers[:len(names)], [limits[name] for name in names], cell)


if __name__ == "__main__":
    unittest.main()
