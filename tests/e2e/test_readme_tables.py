# SPDX-License-Identifier: MIT
"""README.md's tables against the source: every key, command, exit status and limit, and none that is not so."""
import json
import re
import unittest

from device import ROOT, Case, Runner

README = (ROOT / "README.md").read_text(encoding="utf-8")


def table(first_cell):
    """The code words of the first column of the table that has this head, to its end."""
    rows = README.split(f"\n| {first_cell} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


class Tables(Case):
    def test_every_json_key_is_documented(self):
        device = self.device(self.service()).start()
        device.send("x", "anna", "--wait", "30")
        documented = README.split("## JSON")[1].split("## Limits")[0]
        words = set(re.findall(r"`([a-z0-9_]+)(?:\[\])?`", documented))
        for command in ("queue list", "queue show 1", "status", "token show sms", "check", "text x°", "version --memory"):
            with self.subTest(command=command):
                whole = json.loads(device.ok(*command.split(), "--json").out)
                inner = [one for value in whole.values() if isinstance(value, list) for one in value]
                self.assertEqual({key for one in [whole, *inner] for key in one} - words, set())

    def test_every_configuration_key_is_in_the_tables_of_its_section(self):
        source = (ROOT / "src/program/config_keys.cpp").read_text()
        known = re.findall(r'\{Section::(\w+), "(\w+)", Need::(\w+),', source)
        self.assertGreater(len(known), 60)
        kinds = dict(re.findall(r'\{Section::(\w+), "(\w+)",\s+"\[', source))
        tables = {}  # of the kind of a section: the code words of the first column of its tables
        for part in re.split(r"\n### (?=\[)", README)[1:]:
            title, rows = part.split("\n", 1)[0], re.findall(r"^\| (`[^|]+) \|", re.split(r"\n##", part)[0], re.M)
            for kind in re.findall(r"\[(\w+)", title):
                tables.setdefault(kind, set()).update(word for row in rows for word in re.findall(r"`(\w+)`", row))
        later = README.split("*not supported yet*")[1].split("\n")[0]
        for section, name, need in known:
            if need == "later":
                self.assertIn(f"`{name}`", later)
            else:
                self.assertIn(name, tables[kinds[section]], section)
        for kind, names in tables.items():
            self.assertEqual(names - {name for _, name, need in known if need != "later"}, set(), kind)

    def test_what_it_says_of_trouble_are_words_of_the_program(self):
        source = "".join(file.read_text() for folder in ("src", "include", "port") for file in (ROOT / folder).rglob("*.?pp"))
        words = table("it says | what happened")
        self.assertGreater(len(words), 12)
        self.assertEqual([word for word in sorted(words) if word not in source], [])

    def test_every_link_goes_somewhere(self):
        for file in (ROOT / name for name in ("README.md", "src/outbox/DESIGN.md", "tests/e2e/README.md", "tests/simulator/README.md",
                                            "tests/vectors/api/README.md")):
            for path, anchor in re.findall(r"\]\(([\w./-]*)#?([\w-]*)\)", file.read_text(encoding="utf-8")):
                target = (file.parent / path) if path else file
                self.assertTrue(target.exists(), f"{file}: {path}")
                if anchor:
                    titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
                    self.assertIn(anchor, [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles], file)

    def test_every_file_of_end_to_end_is_in_its_table(self):
        told = set(re.findall(r"`(\w+\.py)`", (ROOT / "tests/e2e/README.md").read_text()))
        self.assertEqual(told, {file.name for file in (ROOT / "tests/e2e").glob("*.py")})

    def test_code_is_as_small_as_it_says(self):
        words = re.search(r"less than (\d+) KB on 32-bit ARM and (\d+) KB on MIPS", " ".join(README.split()))
        for target, bound in zip(("armhf", "mipsel"), words.groups()):
            limit = re.search(r"^TEXT_MAX +:= (\d+)", (ROOT / f"toolchains/{target}.mk").read_text(), re.M)
            self.assertLessEqual(int(limit.group(1)), int(bound) * 1000, target)

    def test_every_request_is_held_by_a_test_that_is_there(self):
        rows = README.split("\n| type | request")[1].split("\n\n")[0].splitlines()[2:]
        self.assertGreater(len(rows), 4)
        types = re.search(r'kTypes\[\] = \{(.*?)\}', (ROOT / "src/program/config_request.cpp").read_text()).group(1)
        told = {word for row in rows for word in re.findall(r"`([a-z-]+)`", row.split(" | ")[0])}
        self.assertEqual(set(re.findall(r'"([a-z-]+)"', types)) - told, set())
        for row in rows:
            held = row.rstrip("| ").rsplit(" | ", 1)[1]
            path, *names = re.findall(r"`([^`]+)`", held)
            self.assertTrue(names, row)
            source = (ROOT / path).read_text()
            for name in names:
                self.assertRegex(source, rf"\b(def |TEST\(){name}\(?", row)

    def test_every_answer_is_held_by_a_vector_or_test_that_is_there(self):
        rows = README.split("\n| answer | then")[1].split("\n\n")[0].splitlines()[2:]
        self.assertGreater(len(rows), 8)
        vectors = {name for file in (ROOT / "tests/vectors/api").glob("*.txt")
                   for name in re.findall(r"^== (\w+)$", file.read_text(errors="replace"), re.M)}
        for row in rows:
            held = re.findall(r"`([^`]+)`", row.rstrip("| ").rsplit(" | ", 1)[1])
            self.assertTrue(held, row)
            self.assertEqual([name for name in held if name not in vectors and not (ROOT / name).is_file()], [], row)

    def test_addresses_of_services_are_those_of_the_source(self):
        rows = README.split("\n| `service` | address")[1].split("\n\n")[0].splitlines()[2:]
        source = (ROOT / "src/program/config_request.cpp").read_text()
        known = re.findall(r'^    \{"(\w+)", "([\w.-]+)", "([^"]*)", "([^"]*)", "[^"]*", "([^"]*)"\}', source, re.M)
        self.assertEqual(len(rows), len(known))
        for row, (word, host, prefix, simple, status) in zip(rows, known):
            self.assertIn(f"`{word}` | `https://{host}{prefix}` |", row)
            self.assertTrue(f"`{simple}`" in row or "the same" in row, row)
            said = f"`{status}`" in row or "the same" in row if status else "unknown" in row
            self.assertTrue(said, row)

    def test_every_command_and_exit_status_is_in_its_table(self):
        words = " ".join(table("command | does"))
        for command in re.findall(r'^    \{"([a-z ]+)", Command::', (ROOT / "src/program/arguments.cpp").read_text(), re.M):
            self.assertIn(command.replace("queue list", "queue [list]"), words)
            self.assertRegex(self.device().ok("help", *command.split()).out, r"(?s)^tocsin .*\n  tocsin [^\n]+\n$")
        statuses = re.findall(r"^  \w+ = (\d+),", (ROOT / "src/program/arguments.hpp").read_text(), re.M)
        self.assertGreater(len(statuses), 10)
        for status in statuses:
            self.assertRegex(README, rf"(?m)^\| {status} \|")

    def test_limits_are_those_of_the_source(self):
        limits = dict(re.findall(r"(k(?:Max|Form)\w+) = ([\d']+);", (ROOT / "include/tocsin/limits.hpp").read_text()))
        limits = {name: int(value.replace("'", "")) for name, value in limits.items()}
        row = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", README.split("## Limits")[1].split("\n## ")[0], re.M))
        for cell, names in {
                "text": ["kMaxText"], "phones of one message": ["kMaxPhones"],
                "streams, contacts, groups, alarms": ["kMaxStreams", "kMaxContacts", "kMaxGroups", "kMaxMembers", "kMaxAlarms"],
                "names": ["kMaxName", "kMaxDeviceName"], "sender, token": ["kMaxSender", "kMaxToken"],
                "messages, waiting and kept": ["kMaxMessages"], "one request": ["kMaxBatch"], "event, `request_body`": ["kMaxEvent", "kMaxForm", "kFormDepth"],
                "copies of one message": ["kMaxSends"]}.items():
            numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", row[cell])]
            self.assertEqual(numbers[:len(names)], [limits[name] for name in names], cell)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
