#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows 1 to 8: what an alarm costs over a verified connection, tocsin beside what Debian packages and beside a floor.

All talk to one nginx in front of the simulated service, which answers as the real one was recorded: TLS 1.2 or 1.3,
AES-128-GCM, an EC certificate behind an intermediate authority (rows 1, 2, 4, 7) or alone (5, 6, 8). The address is
a number, nothing is looked up. Counted are calls, bytes and instructions, never seconds:

    1 memory          pss_peak.cpp: the sum of Pss of all processes, at every system call
    2 malloc          callgrind's calls of malloc, calloc, realloc (static programs); valgrind's heap usage (others)
    3 size            stripped, static
    4, 5 system calls strace -f
    6, 7 instructions callgrind, of the client's process
    8 bytes           a relay's TCP_INFO

tocsin: the program as shipped, static, with the trimmed Mbed TLS (rows 1 to 5), or its path from a text to a verdict,
net_tocsin.cpp, without queue and loop (rows 5 to 8). floor: net_bare.cpp, with the same Mbed TLS, compiled the same.

    bench_net.py [--counts]      --counts: rows 5 to 8 alone, of the path without queue and loop
"""
import argparse
import os
import subprocess
import sys

import net_first
import net_further
import net_service
from net_contest import OUT, ROOT, Failed, build
from queue_report import Report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", action="store_true", help="rows 5 to 8 alone, without the daemon")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    subprocess.run(["sh", "toolchains/deps.sh", "bench"], cwd=ROOT, check=True)
    report = Report()

    def measured(what, function, *arguments):
        try:
            return function(*arguments)
        except (Failed, OSError, AssertionError, TypeError, ValueError, LookupError, StopIteration,
                subprocess.SubprocessError) as problem:
            return report.failed(what, problem)

    measured("rows 1 to 8, the programs", build, options.counts)
    ports = measured("rows 1 to 8, the service", net_service.start)
    if not report.broken:
        if not options.counts:
            measured("row 1", net_first.memory, ports, report)
            measured("row 2", net_first.allocations, ports, report)
            measured("row 3", net_first.sizes, report)
            measured("row 4", net_first.first_alarm, ports, report)
        measured("row 5", net_further.further_calls, ports, report, options.counts)
        measured("row 6", net_further.further_instructions, ports, report)
        measured("row 7", net_further.reconnects, ports, report)
        measured("row 8", net_further.further_bytes, ports, report)
    report.overview()
    print("\ncoreHTTP, Mongoose, uclient-fetch and curl with Mbed TLS have no Debian 12 package and are not compared "
          "here.")
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
