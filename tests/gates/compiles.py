#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compiles.py sources FILE...    each source compiles, with no warning, with every compiler
compiles.py headers FILE...    each header compiles alone, and twice, with every compiler
compiles.py nocompile FILE...  each source is refused by every compiler, for the reason its `// expect-error: REGEX` names

Compilers come from $COMPILERS (separated by spaces), flags from $FLAGS.
"""
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys

COMPILERS = os.environ.get("COMPILERS", "g++ clang++").split()
FLAGS = shlex.split(os.environ.get("FLAGS", ""))


def compile_text(compiler, text):
    result = subprocess.run([compiler, *FLAGS, "-fsyntax-only", "-x", "c++", "-"], input=text, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"})
    return result.returncode, result.stdout


def check_source(compiler, path):
    result = subprocess.run([compiler, *FLAGS, "-fsyntax-only", path], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return f"does not compile\n{result.stdout}" if result.returncode else None


def check_header(compiler, path):
    name = path[len("include/"):] if path.startswith("include/") else path
    status, output = compile_text(compiler, f'#include "{name}"\n#include "{name}"\n')
    return f"does not compile alone\n{output}" if status else None


def check_refused(compiler, path):
    with open(path) as file:
        text = file.read()
    reason = re.search(r"^// expect-error: (.+)$", "\n".join(text.split("\n")[:3]), re.M)
    if not reason:
        return "has no `// expect-error: REGEX` in its first lines"
    status, output = compile_text(compiler, f'#line 1 "{path}"\n{text}')
    if status == 0:
        return "compiled, and must not"
    if not re.search(reason.group(1), output):
        return f"was refused, but not for /{reason.group(1)}/\n{output}"
    return None


def main():
    kind, files = sys.argv[1], sys.argv[2:]
    check = {"sources": check_source, "headers": check_header, "nocompile": check_refused}[kind]
    jobs = [(compiler, path) for path in files for compiler in COMPILERS]
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (compiler, path), problem in zip(jobs, pool.map(lambda job: check(*job), jobs)):
            if problem:
                print(f"{path}: {compiler}: {problem}")
                wrong += 1
    print(f"{kind}: {len(files)} files under {' and '.join(COMPILERS)}, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
