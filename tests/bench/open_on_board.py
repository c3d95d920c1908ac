#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row 13 on the emulated ARM board: the cross-compiled program opens a queue in which 10,000 messages wait.

`queue check` does what a start does before the first alarm can be sent, and names what it found. The files are made
here, by the bench; their bytes are the same on every machine. `make bench-board` runs it.
"""
import pathlib
import re
import sys
import tempfile

from queue_media import ROOT, build, run
from queue_open import WAITING

sys.path.insert(0, str(ROOT / "tests" / "device"))
from board import OUT, PROGRAM, Board  # noqa: E402

GOAL_S = 1.0


def main():
    program = build()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        run(program, "fill", "tocsin", folder, WAITING)
        files = {f"/state/{path.name}": path.read_bytes() for path in pathlib.Path(folder).iterdir()}
        with Board(OUT / "open", {"/bin/tocsin": PROGRAM, **files}) as board:
            board.power_on()
            times = []
            for _ in range(5):
                output, status = board.run("time -p tocsin queue check /state 2>&1", 60)
                found, took = re.search(r"(\d+)\D* wait", output), re.search(r"^real +([\d.]+)", output, re.M)
                if status != 0 or not found or int(found[1]) != WAITING or not took:
                    sys.exit(f"queue check on the board, status {status}: {output}")
                times.append(float(took[1]))
    print(f"row 13, on the emulated ARM board: {WAITING:,} waiting messages are found in {min(times):.2f} to "
          f"{max(times):.2f} s; goal {GOAL_S:.0f} s: {'reached' if min(times) <= GOAL_S else 'MISSED'}")


if __name__ == "__main__":
    main()
