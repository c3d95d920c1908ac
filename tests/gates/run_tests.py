#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every gate and every test, goes on after a failure, and counts cases. `make test` calls it.

Test programs compute: one runs for each processor. Scripts wait most of the time: twice as many. A failed test program's
output is shown, of the others the summary (all with V=1); at the end come the failures, each with the command that runs
it again, and the line `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLCHAIN = os.environ.get("TOOLCHAIN", "native")
MAKE = "make" if TOOLCHAIN == "native" else f"make TOOLCHAIN={TOOLCHAIN}"  # as a person types it
PROCESSORS = os.cpu_count() or 1
SCRIPTS_AT_ONCE = 2 * PROCESSORS
LIMIT_S = 900  # for one program; a hang must not eat the whole run


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []  # (what, how to run it again)

    def fail(self, what, again):
        self.failures.append((what, again))


def run(command, env=None):
    """Output and exit status of a command; one that hangs is ended with all its children."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\nended after {LIMIT_S} s\n".encode()
        status = 124
    return output.decode(errors="replace"), status


def several(count, commands, env=None):
    """(name, output, status) for each (name, command), in their order; COUNT of them run at once."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        started = [(name, pool.submit(run, command, env)) for name, command in commands]
        for name, result in started:
            yield name, *result.result()


def cmocka(tally, name, output, status):
    again = f"{MAKE} one T={name}"
    passed = len(re.findall(r"^\[       OK \] ", output, re.M))
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (?!\d+ test)(?:[^:\n]*: )?(\S+)$", output, re.M)))
    tally.passed += passed
    for case in failed:
        tally.fail(f"{name}: {case}", f"{again} CASE={case}")
    if status != 0 and not failed:
        running = re.findall(r"^\[ RUN      \] (\S+)", output, re.M)
        tally.fail(f"{name}: stopped with status {status}" + (f" in {running[-1]}" if running else ""), again)
    if status == 0 and passed == 0:
        tally.fail(f"{name}: ran no test", again)


def unittests(tally, path, output, status):
    again = f"{MAKE} one-py T={path}"
    counts = re.search(r"^Ran (\d+) tests?", output, re.M)
    if counts is None:  # a script that does not count: one case
        if status == 0:
            tally.passed += 1
        else:
            tally.fail(f"{path}: status {status}", again)
        return
    failed = re.findall(r"^(?:FAIL|ERROR): (\S+)", output, re.M)
    skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", output))
    tally.passed += max(0, int(counts.group(1)) - len(failed) - skipped)
    for case in failed:
        tally.fail(f"{path}: {case}", f"{again} CASE={case}")
    if status != 0 and not failed:
        tally.fail(f"{path}: status {status}", again)
    if counts.group(1) == "0":
        tally.fail(f"{path}: ran no test", again)


def show(title, output):
    print(f"== {title}")
    print(output.rstrip(), flush=True)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--check", required=True, help="folder of the test programs")
    options.add_argument("--program", required=True)
    options.add_argument("--gates", default="")
    options.add_argument("--runner", default="", help="what runs a program of another architecture; no scripts then")
    options.add_argument("tests", nargs="*")
    given = options.parse_args()
    # The make above this one hands its jobs to its own children only: without that, one at a time.
    os.environ["MAKEFLAGS"] = re.sub(r" *(-j\d*|--jobserver-\S+)", "", os.environ.get("MAKEFLAGS", ""))
    make = [os.environ.get("MAKE", "make"), "--no-print-directory", f"-j{PROCESSORS}", f"TOOLCHAIN={TOOLCHAIN}"]
    tally = Tally()

    for gate in given.gates.split():
        began = time.monotonic()
        output, status = run([*make, gate])
        show(f"make {gate}: {time.monotonic() - began:.0f} s", output)
        if status == 0:
            tally.passed += 1
        else:
            tally.fail(f"make {gate}", f"{MAKE} {gate}")

    # With -k, one program that does not compile leaves the others running.
    targets = [f"{given.check}/{test}" for test in given.tests]
    if pathlib.Path(ROOT, "src/program/main.cpp").exists():
        targets.append(given.program)
    output, status = run([*make, "-k", *targets])
    if status != 0:
        show("build", output)
    # What make did not remake may be there from before; it is not run.
    stale = set(re.findall(r"Target '([^']+)' not remade because of errors", output)) & set(targets)
    for target in sorted(stale) or (["build"] if status else []):
        tally.fail(f"{target}: does not build", f"{MAKE} -k {target if target in stale else 'test-programs program'}")

    env = {"CMOCKA_MESSAGE_OUTPUT": "STDOUT", "TOCSIN": str(ROOT / given.program)}
    ready = [test for test in given.tests
             if f"{given.check}/{test}" not in stale and (ROOT / given.check / test).exists()]
    programs = [(test, [*given.runner.split(), str(ROOT / given.check / test)]) for test in ready]
    for test, output, status in several(PROCESSORS, programs, env):
        cmocka(tally, pathlib.Path(test).name, output, status)
        if status == 0 and "V" not in os.environ:  # CMocka's summary says enough
            output = "\n".join(re.findall(r"^\[(?:=====|  PASSED|  SKIPPED).*", output, re.M))
        show(test, output)

    paths = [] if given.runner else [ROOT / "tests/simulator/selftest.py", *sorted((ROOT / "tests/e2e").glob("*.py"))]
    scripts = [(str(path.relative_to(ROOT)), [sys.executable, str(path)])
               for path in paths if path.exists() and "unittest.main" in path.read_text()]
    for path, output, status in several(SCRIPTS_AT_ONCE, scripts, env):
        show(path, output)
        unittests(tally, path, output, status)

    print()
    for what, again in tally.failures:
        print(f"FAILED {what}\n       run again: {again}")
    print(f"{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
