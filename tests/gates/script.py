#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""script.py FILE [ARGUMENT...]: the Python test FILE as if it was started by itself, but that running no test is a failure.

A pattern behind -k that matches nothing is good for Python before 3.12; from then on the exit status is 5, as it is here.
"""
import pathlib
import runpy
import sys
import unittest

NO_TEST = 5
plain_run = unittest.TextTestRunner.run


def run(self, suite):
    result = plain_run(self, suite)
    if result.testsRun == 0 and not (result.errors or result.skipped):
        print(f"{sys.argv[0]}: no test is called {' '.join(sys.argv[1:]) or 'so'}", file=sys.stderr)
        sys.exit(NO_TEST)
    return result


unittest.TextTestRunner.run = run
del sys.argv[0]
sys.path[0] = str(pathlib.Path(sys.argv[0]).resolve().parent)
runpy.run_path(sys.argv[0], run_name="__main__")
