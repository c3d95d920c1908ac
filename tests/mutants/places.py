#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The places of the seeded faults: each must be found once in its source, and the test that it names must exist.

`make faults` calls it. Whether the tests notice takes a quarter of an hour (`make mutants`); this takes a moment.
"""
import fnmatch
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
ROOT = ROOT if len(sys.argv) > 1 else ROOT.parents[2]


def read_faults():
    faults, fault, key = [], None, None
    for line in (ROOT / "tests/mutants/faults.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("== "):
            fault, key = {"name": line[3:].strip(), "old": [], "new": []}, None
            faults.append(fault)
        elif line.startswith("file "):
            fault["file"] = line[5:].strip()
        elif line.startswith("fails "):
            fault["test"], _, fault["case"] = line[6:].strip().partition(" ")
        elif line[:2] in ("- ", "+ "):
            fault["old" if line[0] == "-" else "new"].append(line[2:])
        elif line in ("-", "+"):
            fault["old" if line[0] == "-" else "new"].append("")
    return faults


def wrong(fault):
    source, test = ROOT / fault["file"], ROOT / "tests" / f"{fault['test']}.cpp"
    found = source.read_text().count("\n".join(fault["old"])) if source.exists() else 0
    if found != 1:
        return f"its place is found {found} times in {fault['file']}"
    if not test.exists():
        return f"there is no {test.relative_to(ROOT)}"
    case = (fault["case"].split() or ["*"])[0]
    if not any(fnmatch.fnmatch(name, case) for name in re.findall(r"^TEST\((\w+)\)", test.read_text(), re.M)):
        return f"no test of {fault['test']} is called {case}"
    return None


def main():
    faults = read_faults()
    names = [fault["name"] for fault in faults]
    problems = [(fault["name"], wrong(fault)) for fault in faults]
    problems += [(name, "two have this name") for name in sorted(set(names)) if names.count(name) > 1]
    problems = [(name, problem) for name, problem in problems if problem]
    for name, problem in problems:
        print(f"{name}: {problem}")
    print(f"faults: {len(faults)} places, {len(problems)} wrong")
    return 1 if problems or not faults else 0


if __name__ == "__main__":
    sys.exit(main())
