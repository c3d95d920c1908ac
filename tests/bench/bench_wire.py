#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions for one alarm's JSON body and for one answer read, tocsin beside what Debian packages.

Counted with valgrind's callgrind: --toggle-collect on a function that is not inlined and that does one call's work,
1,000 calls, the total divided by 1,000. Everything inside counts, memcpy and malloc too. Everything is compiled by
this script with the same compiler at -O2, except the peers that come as shared libraries, which are as Debian built
them. The figures depend on the compiler and on the libc's memcpy, not on the speed of the machine.

    bench_wire.py            the table; status 1 when a goal is missed
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "bench"
CALLS = 1000

# row, goal at -O2, what each measured function is
ROWS = [
    ("9: JSON body of one alarm", 1050, "json_tocsin", [
        ("json_tocsin", "tocsin", "escaping and UTF-8 checked"),
        ("json_snprintf", "snprintf", "no escaping, no check"),
        ("json_rapidjson", "RapidJSON Writer", "escaping; UTF-8 not checked"),
        ("json_rapidjson_utf8", "RapidJSON Writer, checking", "escaping and UTF-8 checked"),
        ("json_yajl", "yajl", "escaping and UTF-8 checked; text copied once"),
        ("json_jansson", "jansson", "escaping and UTF-8 checked; tree built, printed, freed"),
        ("json_cjson_print", "cJSON, print only", "escaping; the tree was there"),
        ("json_cjson", "cJSON", "escaping; tree built, printed, freed"),
    ]),
    ("10: recorded answer, head of 270 B", 1590, "http_tocsin_head", [
        ("http_tocsin_head", "tocsin", "strict, framing decided"),
        ("http_picohttpparser_head", "picohttpparser (libh2o)", "lines split; framing left to the caller"),
        ("http_http_parser_head", "http_parser 2.9", "framing decided"),
        ("http_llhttp_head", "llhttp (libnode)", "framing decided"),
    ]),
    ("10: recorded answer, head and 401 B chunked", 2000, "http_tocsin_body", [
        ("http_tocsin_body", "tocsin", "strict, body joined in place"),
        ("http_picohttpparser_body", "picohttpparser (libh2o)", "body joined in place"),
        ("http_http_parser_body", "http_parser 2.9", "body in pieces"),
        ("http_llhttp_body", "llhttp (libnode)", "body in pieces"),
    ]),
]


def run(*command, check=True, **more):
    return subprocess.run(command, check=check, text=True, capture_output=True, cwd=ROOT, **more)


def libnode():
    """llhttp is only inside libnode, which other packages of node conflict with: unpacked, not installed."""
    unpacked = OUT / "libnode"
    if not list(unpacked.rglob("libnode.so.108")):
        unpacked.mkdir(parents=True, exist_ok=True)
        if subprocess.run(["apt-get", "-qq", "download", "libnode108"], cwd=unpacked, capture_output=True).returncode == 0:
            for package in unpacked.glob("*.deb"):
                run("dpkg-deb", "-x", str(package), str(unpacked))
    found = list(unpacked.rglob("libnode.so.108"))
    return str(found[0].parent) if found else ""


def build(level):
    program = OUT / f"bench_wire{level}"
    sources = [str(s) for folder in ("base", "wire") for s in sorted((ROOT / "src" / folder).glob("*.cpp"))]
    run("g++", "-std=c++17", level, "-g", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-ffunction-sections",
        "-Iinclude", "tests/bench/bench_wire.cpp", *sources, "-o", str(program), "-lcjson", "-lhttp_parser", "-lyajl", "-ljansson",
        "-ldl")
    return program


def count(program, name, libraries):
    function = "measured_" + re.sub("_(head|body)$", "", name) if name.startswith("http") else "measured_" + name
    env = {**os.environ, "LD_LIBRARY_PATH": libraries}
    done = run("valgrind", "--tool=callgrind", f"--toggle-collect={function}", "--callgrind-out-file=/dev/null",
               str(program), name, str(CALLS), check=False, env=env)
    if done.returncode == 77:
        return None  # the peer's library is not here
    if done.returncode != 0:
        sys.exit(f"{name}: status {done.returncode}\n{done.stderr}")
    return round(int(re.search(r"Collected : (\d+)", done.stderr).group(1)) / CALLS)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", "toolchains/deps.sh", "bench"], cwd=ROOT, check=True)
    libraries = libnode()
    fast, small = build("-O2"), build("-Os")
    missed = []
    for title, goal, own, peers in ROWS:
        print(f"\nrow {title}, instructions a call (callgrind, {CALLS} calls)")
        mine = count(fast, own, libraries)
        for name, who, what in peers:
            n = mine if name == own else count(fast, name, libraries)
            if n is None:
                print(f"  {who:28} {'-':>7}                    its library is not here")
                continue
            note = f"goal {goal}: " + ("reached" if n <= goal else "MISSED") if name == own else f"{n / mine:5.2f} x tocsin"
            print(f"  {who:28} {n:7,}  {note:22} {what}")
        print(f"  {'tocsin at -Os':28} {count(small, own, libraries):7,}")
        if mine > goal:
            missed.append(title)
    print("\nyyjson and ArduinoJson have no Debian 12 package and are not compared here.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
