#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the shipped objects need from outside: no heap, no exceptions, no RTTI, no hidden guards, no libstdc++.

symbols.py [--root FOLDER] [--nm NM] [--size SIZE] [--text-max BYTES] --portable OBJECT... --outer OBJECT...
Portable objects may need none of FORBIDDEN; the others what ALLOWED names, with its reason.
"""
import argparse
import collections
import os
import re
import subprocess
import sys

FORBIDDEN = re.compile(r"""^( malloc | calloc | realloc | reallocarray | free | strdup | strndup | asprintf | vasprintf
                            | (posix_)?memalign | aligned_alloc | getline | open_memstream
                            | _Zn[aw].* | _Zd[al].*            # operator new, operator delete
                            | __aeabi_atexit
                            | __cxa_.* | _Unwind_.* | __gxx_.* # exceptions, guards, destructors at exit
                            | _ZGV.*                           # the guard of a static in a function
                            | _ZSt.* | _ZNSt.* | _ZNKSt.*      # libstdc++ itself
                            | _ZTI.* | _ZTVN10__cxxabiv.* | __dynamic_cast )$""", re.X)

# file (as in the source tree, without suffix) -> {symbol: why it may}. `*` is every port and program file.
ALLOWED = {
    "*": {"__cxa_pure_virtual": "in the tables of port.hpp's classes; the program defines it as an abort"},
}


def symbols(nm, path):
    """(name, letter) of the symbols of an object; templates instantiated here are `W` and defined, and count too."""
    lines = subprocess.run([nm, "-P", path], check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    return [tuple(line.split()[:2]) for line in lines if len(line.split()) >= 2]


def violations(nm, path, allowed):
    # Defined weak copies of header-only library code (std::array::operator[] and the like) are fine: they are ours.
    # Defined guards are not.
    for name, letter in symbols(nm, path):
        needs = letter in "Uw" or name.startswith(("_ZGV", "_ZTI"))
        if needs and FORBIDDEN.match(name) and name not in allowed:
            yield name


def text_bytes(size, root, paths):
    """Code and constants by folder, as `size` counts them."""
    lines = subprocess.run([size, *paths], check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()[1:]
    by_folder = collections.Counter()
    static = collections.Counter()
    for line in lines:
        text, data, bss, *_ = line.split()
        folder = os.path.dirname(os.path.relpath(line.split()[-1], root))
        by_folder[folder] += int(text)
        static[folder] += int(data) + int(bss)
    return by_folder, static


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--root", default=".", help="folder that the objects' paths are shown against")
    options.add_argument("--nm", default="nm")
    options.add_argument("--size", default="size")
    options.add_argument("--text-max", type=int, default=0)
    options.add_argument("--program", help="the stripped program, for its size")
    options.add_argument("--portable", nargs="*", default=[])
    options.add_argument("--outer", nargs="*", default=[])
    given = options.parse_args()

    wrong = 0
    for path in given.portable + given.outer:
        source = os.path.relpath(path, given.root)[: -len(".o")]
        allowed = set()
        if path in given.outer:
            allowed = ALLOWED["*"].keys() | ALLOWED.get(source, {}).keys()
        for name in violations(given.nm, path, allowed):
            print(f"{source}: needs {name}")
            wrong += 1

    if given.portable + given.outer:
        text, static = text_bytes(given.size, given.root, given.portable + given.outer)
        print(f"{'folder':<16}{'text':>9}{'data+bss':>10}")
        for folder in text:
            print(f"{folder:<16}{text[folder]:>9}{static[folder]:>10}")
        print(f"{'all':<16}{sum(text.values()):>9}{sum(static.values()):>10}")
        if given.text_max and sum(text.values()) > given.text_max:
            print(f"text is above TEXT_MAX = {given.text_max}")
            wrong += 1
    if given.program:
        print(f"the program, stripped: {os.path.getsize(given.program)} bytes")
    print(f"size: {len(given.portable)} portable and {len(given.outer)} other objects, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
