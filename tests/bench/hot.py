#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a sending that goes well needs of the program, for toolchains/hot.ld: the linker puts that first, in one piece.

The kernel maps 64 KiB around each page that is needed, and all of it counts as used (row 1 of `make bench`). Functions
are what callgrind sees run, with a whole handshake; read-only data is what lackey sees touched, which is too slow for
that and resumes a session. Both with Mbed TLS 2.28 and 3.6. Three functions are not seen, and script() names them: strcmp
looks for the clock's in the vdso, by names that it names as well, which valgrind has none of, _Exit is callgrind's own
end, and ntohs runs now and then.

    hot.py > list                  the list anew: it becomes toolchains/hot.ld, then `make` again
    hot.py --check                 what the program as built needs beside what is first, and what is first for nothing
"""
import bisect
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import net_service
from net_contest import MUSL, NEW, OLD, make, run, sending

BASE, END = 0x400000, 0x600000  # the static programs of x86-64; behind them is only what is written
FIRST = (".text.first", ".rodata.first")
WIDTH = 118
LIST = net_service.ROOT / "toolchains" / "hot.ld"


class Program:
    """Its sections as the compiler made them, from the linker's map."""

    def __init__(self, version):
        self.parts, name, out = [], None, None
        for row in (MUSL[version] / "tocsin.map").read_text().partition("Linker script and memory map")[2].splitlines():
            if re.match(r"\.\S", row):
                out = row.split()[0]
            found = re.match(r" (\.\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$", row)
            if found and (found[1] or name):
                at, size = int(found[2], 16), int(found[3], 16)
                if size and BASE <= at < END:
                    self.parts.append((at, size, found[1] or name, out, found[4]))
            name = row.strip() if re.match(r" \.\S+$", row) else None
        self.parts.sort()
        self.starts = [part[0] for part in self.parts]

    def needed(self, addresses):
        found = set()
        for address in addresses:
            at = bisect.bisect_right(self.starts, address) - 1
            if at >= 0 and address < self.parts[at][0] + self.parts[at][1]:
                found.add(self.parts[at])
        return found


def run_addresses(command):
    found = set()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        run("valgrind", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={folder}/%p", *command)
        for file in pathlib.Path(folder).iterdir():
            at = 0
            for place in re.findall(r"^(0x[0-9a-f]+|[+-]\d+|\*) ", file.read_text(), re.M):
                at = at if place == "*" else int(place, 16) if place[0] == "0" else at + int(place)
                found.add(at)
    return found


def touched_addresses(command):
    found = set()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        pipe = f"{folder}/pipe"
        os.mkfifo(pipe)
        # Most lines are of instructions or of memory far away.
        with subprocess.Popen(["grep", "-E", "^ [LSM] +0*[45][0-9a-f]{5},", pipe], stdout=subprocess.PIPE,
                              text=True) as rows:
            with subprocess.Popen(["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-file={pipe}",
                                   *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                for row in rows.stdout:
                    at, size = row[3:].split(",")
                    found.update(range(int(at, 16), int(at, 16) + int(size)))
    return found


def needs(version, site):
    ports = net_service.start()
    program = Program(version)
    with sending(ports[site], version) as device:
        code = run_addresses(device.send_line())
        settings = pathlib.Path(device.send_line()[2])
        slower = f"timeout = 60s\nsession_file = {device.state}.tls"
        settings.write_text(settings.read_text().replace("timeout = 5s", slower))
        run(*device.send_line())
        data = touched_addresses(device.send_line())
    runs = {part for part in program.needed(code) if part[2].startswith(".text")}
    return program, runs | {part for part in program.needed(data) if part[2].startswith(".rodata")}


def plain(name):
    """A function's name without what the compiler made of it."""
    return re.sub(r"\.(str1|cst\d|constprop|part|isra|lto_priv)\b.*", "", name)


def pattern(part):
    """What a section is called, whatever becomes of the function's arguments; None: script() has it."""
    kind, _, name = part[2][1:].partition(".")
    if not name or part[2].startswith((".rodata.str", ".rodata.cst")):
        file = re.search(r"libc\.a\((.*)\)", part[4])
        return f"*{file[1]}(.text)" if file and kind == "text" else None
    if "libc.a(" in part[4]:
        return f"libc .text.{name}" if kind == "text" else None
    strings = ".str*" if ".str1." in name else ""
    name = plain(name)
    if name.startswith("CSWTCH"):
        return ".rodata.CSWTCH.*"
    begins = re.match(r"_ZN?[KV]*(?=L?\d)", name)
    if begins:
        at = begins.end()
        while size := re.match(r"L?(\d+)", name[at:]):
            at += len(size[0]) + int(size[1])
        rest = name[at:at + 2]
        name = name[:at] + (rest if rest.islower() or rest[:1] in "CD" else rest[:1])
        return f".{kind}.{name}*{strings}"
    return f".{kind}.{name}{strings} .{kind}.{name}.*{strings}"


def known(text):
    """The patterns of a list, but for those of the C library."""
    return set(re.findall(r"\.(?:text|rodata)\.[^\s*]+(?: [^\s*]+\.)?\*(?:\.str\*)?(?=[\s)])", text))


def wrapped(words, indent):
    rows, row = [], ""
    for word in words:
        if row and len(indent) + len(row) + 1 + len(word) > WIDTH:
            rows.append(indent + row)
            row = ""
        row += (" " if row else "") + word
    return "\n".join(rows + [indent + row])


def script(patterns):
    def names(kind, libc):
        begins = "libc " * libc + kind
        found = sorted(one[5 * libc:] for one in patterns if one.startswith(begins))
        return wrapped(found, "      ").lstrip()

    alone = wrapped(sorted(one for one in patterns if one.startswith("*")), "    ")
    return f"""/* SPDX-License-Identifier: MIT
   The linker puts first what a sending that goes well needs, and behind it everything else: the kernel maps 64 KiB
   around each page that is needed, and all of it counts as used (row 1 of `make bench`). Made by tests/bench/hot.py.
   A pattern that finds nothing costs nothing; what is needed and missing here costs some memory, no more. (With the
   name of a file before them the linker tries few sections for each: it takes seconds, not minutes.) */
SECTIONS {{
  .text.first : {{
    *crt*.o(.text .text.*) *libgcc.a:*(.text .text.*) *strcmp.lo(.text.strcmp) *_Exit.lo(.text._Exit)
    *ntohs.lo(.text.ntohs)
{alone}
    *libc.a:*({names(".text", True)})
    *.ltrans*.o({names(".text", False)})
  }}
  .rodata.first : {{
    *(.rodata .rodata.str* .rodata.cst*) *clock_gettime.lo(.rodata.*) *procfdname.lo(.rodata.*) *fstat.lo(.rodata.*)
    *.ltrans*.o({names(".rodata", False)})
    /* The linker keeps one of several equal strings within what it puts together: so they are all here. */
    *.ltrans*.o(.rodata.*.str*)
  }}
}} INSERT BEFORE .rodata;
SECTIONS {{ .text.rest : {{ *(.text .text.*) }} }} INSERT AFTER .rodata;"""


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    patterns, missing = set(), []
    for version, site in ((OLD, "chain 1.2"), (NEW, "chain 1.3")):
        make(version, "musl", MUSL[version], ["tocsin"])
        program, needed = needs(version, site)
        patterns |= {pattern(part) for part in needed} - {None}
        missing.append((version, program, needed))
    if "--check" not in sys.argv:
        # No two runs take quite the same way, and data is looked at where a session is resumed: what was needed before
        # stays. An empty list begins anew.
        patterns |= known(LIST.read_text())
        print(script(patterns))
        os._exit(0)
    for version, program, needed in missing:
        print(f"Mbed TLS {version}: needed, and not first")
        for at, size, name, out, _ in sorted(needed):
            if out not in FIRST:
                print(f"  {at:#x} {size:6} {name}")
        print(f"Mbed TLS {version}: first, 200 bytes or more, and not needed")
        for part in sorted(program.parts, key=lambda part: -part[1]):
            if part[3] in FIRST and part[1] >= 200 and part not in needed and ".str1." not in part[2]:
                print(f"  {part[0]:#x} {part[1]:6} {part[2]}")
        ends = max(part[0] + part[1] for part in needed if part[3] in FIRST) - BASE
        print(f"Mbed TLS {version}: what is needed of it ends at {ends:,}; the kernel maps 65,536 bytes at a time")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
