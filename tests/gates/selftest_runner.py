#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The test runner must see every way in which a test program or a script can fail."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import run_tests
from run_tests import Tally

PASSED = """[==========] Running 2 test(s).
[ RUN      ] a_b_c
[       OK ] a_b_c
[ RUN      ] d_e_f
[       OK ] d_e_f
[==========] 2 test(s) run.
[  PASSED  ] 2 test(s).
"""
FAILED = """[==========] Running 2 test(s).
[ RUN      ] a_b_c
[       OK ] a_b_c
[ RUN      ] d_e_f
[  ERROR   ] --- not so: x
[   LINE   ] --- tests/test_x.cpp:14: error: Failure!
[  FAILED  ] d_e_f
[==========] 2 test(s) run.
[  PASSED  ] 1 test(s).
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] d_e_f

 1 FAILED TEST(S)
"""
CRASHED = """[==========] Running 2 test(s).
[ RUN      ] a_b_c
[       OK ] a_b_c
[ RUN      ] d_e_f
==123==ERROR: AddressSanitizer: heap-use-after-free
"""


class Runner(unittest.TestCase):
    def judged(self, judge, output, status):
        tally = Tally()
        judge(tally, "test_x", output, status)
        return tally.passed, [what for what, _ in tally.failures], [again for _, again in tally.failures]

    def test_cmocka(self):
        self.assertEqual(self.judged(run_tests.cmocka, PASSED, 0)[:2], (2, []))
        passed, failed, again = self.judged(run_tests.cmocka, FAILED, 1)
        self.assertEqual((passed, failed), (1, ["test_x: d_e_f"]))
        self.assertTrue(again[0].endswith("one T=test_x CASE=d_e_f"))
        self.assertEqual(self.judged(run_tests.cmocka, CRASHED, -6)[:2], (1, ["test_x: stopped with status -6 in d_e_f"]))
        self.assertEqual(self.judged(run_tests.cmocka, "", 0)[:2], (0, ["test_x: ran no test"]))
        # Everything passed, and then the leak check ended it.
        self.assertEqual(len(self.judged(run_tests.cmocka, PASSED + "LeakSanitizer\n", 23)[1]), 1)

    def test_unittest(self):
        self.assertEqual(self.judged(run_tests.unittests, "..\nRan 3 tests in 0.1s\n\nOK (skipped=1)\n", 0)[:2], (2, []))
        output = "FAIL: test_a (x.T.test_a)\nERROR: test_b (x.T.test_b)\nRan 3 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n"
        self.assertEqual(self.judged(run_tests.unittests, output, 1)[:2], (1, ["test_x: test_a", "test_x: test_b"]))
        self.assertEqual(len(self.judged(run_tests.unittests, "Traceback\n", 1)[1]), 1)
        self.assertEqual(len(self.judged(run_tests.unittests, "Ran 0 tests in 0.1s\n", 0)[1]), 1)

    def test_hang_is_ended_with_its_children(self):
        limit, run_tests.LIMIT_S = run_tests.LIMIT_S, 0.2
        try:
            output, status = run_tests.run(["sh", "-c", "echo begun; sleep 60 & sleep 60"])
        finally:
            run_tests.LIMIT_S = limit
        self.assertEqual(status, 124)
        self.assertIn("begun", output)

    def test_several_at_once_are_told_in_their_order(self):
        commands = [(n, ["sh", "-c", f"sleep 0.{3 - n}; echo {n}; exit {n}"]) for n in range(3)]
        self.assertEqual(list(run_tests.several(3, commands)), [(n, f"{n}\n", n) for n in range(3)])

    def test_a_script_that_runs_no_test_fails(self):
        script = pathlib.Path(run_tests.__file__).with_name("script.py")
        with tempfile.TemporaryDirectory() as folder:
            test = pathlib.Path(folder, "test_x.py")
            test.write_text(
                "import unittest\nclass X(unittest.TestCase):\n"
                "  def test_good(self): pass\n  def test_bad(self): self.fail()\n"
                "  def test_left_out(self): self.skipTest('here')\nunittest.main()\n"
            )
            for pattern, status in ("good", 0), ("left_out", 0), ("bad", 1), ("other", 5):
                command = [sys.executable, script, test, "-k", pattern]
                self.assertEqual(subprocess.run(command, capture_output=True).returncode, status, pattern)


if __name__ == "__main__":
    unittest.main()
