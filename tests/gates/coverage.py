#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which lines and branches of some sources the tests of theirs never take: `make coverage` calls it.

    coverage.py --check FOLDER --of PATTERN [--least 95] TEST...

Runs the programs of FOLDER, built with --coverage, and asks gcov what each source under PATTERN saw. A branch is one
way out of a condition; each that was never taken is named. What an assertion does when it fails counts too. The
status is 1 when a source has less than `least` percent of its lines or of its branches.
"""
import argparse
import collections
import fnmatch
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def counts_of(objects):
    """By source, line and place in it how often it was reached; of every object that holds the line."""
    lines = collections.defaultdict(collections.Counter)
    branches = collections.defaultdict(collections.Counter)
    for object_ in objects:
        told = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", str(object_)], cwd=ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        for answer in told.splitlines():
            for source in json.loads(answer)["files"]:
                name = source["file"]
                for line in source["lines"]:
                    number = line["line_number"]
                    lines[name][number] += line["count"]
                    for at, branch in enumerate(line["branches"]):
                        branches[name][number, at] += branch["count"]  # of a template in any of its forms
    return lines, branches


def percent(counter):
    return 100 * sum(1 for n in counter.values() if n) / len(counter) if counter else 100.0


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--check", required=True, type=pathlib.Path, help="folder of what was built with --coverage")
    options.add_argument("--of", required=True, action="append", help="sources, as src/wire/http_*")
    options.add_argument("--least", type=float, default=95)
    options.add_argument("tests", nargs="+")
    given = options.parse_args()

    check = ROOT / given.check
    for old in check.rglob("*.gcda"):
        old.unlink()
    for test in given.tests:
        done = subprocess.run([check / test], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode != 0:
            sys.exit(f"{test} fails:\n{done.stdout.decode(errors='replace')}")

    lines, branches = counts_of(sorted(check.rglob("*.gcda")))
    short = []
    names = sorted(n for n in lines if any(fnmatch.fnmatch(n, pattern) for pattern in given.of))
    for name in names:
        text = (ROOT / name).read_text().splitlines()
        print(f"{name}: lines {percent(lines[name]):.1f} %, branches {percent(branches[name]):.1f} %"
              f" (of {len(lines[name])} and {len(branches[name])})")
        missed = {number for number, n in lines[name].items() if not n}
        untaken = collections.Counter(number for (number, _), n in branches[name].items() if not n)
        for number in sorted(missed | set(untaken)):
            what = "never reached" if number in missed else f"{untaken[number]} branches never taken"
            print(f"  {name}:{number}: {what.replace('1 branches', '1 branch')}: {text[number - 1].strip()}")
        if min(percent(lines[name]), percent(branches[name])) < given.least:
            short.append(name)
    if not names:
        sys.exit(f"no source is {' or '.join(given.of)}")
    if short:
        sys.exit(f"below {given.least:g} %: {', '.join(short)}")


if __name__ == "__main__":
    main()
