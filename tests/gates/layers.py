#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks every #include against the direction of the layers, and what git has at the top: layers.py [ROOT].

    base <- wire <- outbox <- alarm <- program        port: port.hpp, base and the system
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()

# layer -> the layers it may include. `limits` is limits.hpp, `boundary` is port.hpp.
MAY = {
    "limits": {"base"},
    "base": {"base", "limits"},
    "boundary": {"base", "limits"},
    "wire": {"base", "wire", "limits"},
    "outbox": {"base", "wire", "outbox", "limits", "boundary"},
    "alarm": {"base", "wire", "outbox", "alarm", "limits", "boundary"},
    "port": {"base", "port", "limits", "boundary"},
    "program": {"base", "wire", "outbox", "alarm", "program", "port", "limits", "boundary"},
}
PORTABLE = {"limits", "base", "boundary", "wire", "outbox", "alarm"}
# Headers that need neither an operating system nor a linked library.
FREESTANDING = set("""algorithm array climits cstddef cstdint cstring initializer_list limits string_view
                      type_traits utility""".split())
TOP = {"Makefile", "LICENSE", "README.md", "include", "port", "src", "tests", "toolchains"}  # and names with a dot
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)


def layer_of(path):
    """The layer of a file by its path under ROOT, or None."""
    parts = path.parts
    if parts[:2] == ("include", "tocsin"):
        if len(parts) == 3:
            return "boundary" if parts[2] == "port.hpp" else "limits"
        return parts[2]
    if parts[0] == "src":
        return parts[1]
    if parts[:2] == ("port", "linux"):
        return "port"
    return None


def resolve(name, file):
    for base in (file.parent, ROOT / "include", ROOT):
        candidate = (base / name).resolve()
        if candidate.is_file() and ROOT in candidate.parents:
            return candidate.relative_to(ROOT)
    return None


def verdict(layer, file, quoted, angled):
    """What is wrong with one #include, or None."""
    name = quoted or angled
    target = resolve(name, file)
    if target is not None:
        other = layer_of(target)
        if other not in MAY[layer]:
            return f"{layer} may not know {other or target.parent}"
        if file.is_relative_to(ROOT / "include") and target.parts[0] != "include":
            return "a public header may not include a private one"
        return None
    if "cJSON" in name:
        return None if layer == "wire" and file.suffix == ".cpp" else "cJSON belongs in src/wire/*.cpp"
    if re.match(r"(mbedtls|psa)/", name):
        return None if layer == "port" else "Mbed TLS belongs in port/linux"
    if layer in PORTABLE and name not in FREESTANDING:
        return "portable code may not include it"
    if quoted:
        return "not found"
    return None


def strangers():
    """What lies at the top and does not belong there; of a tree without git nothing is known."""
    known = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False)
    top = {name.split("/")[0] for name in known.stdout.split("\0") if name}
    return sorted(name for name in top if name not in TOP and not name.startswith("."))


def main():
    wrong = 0
    for name in strangers():
        print(f"{name}: only {', '.join(sorted(TOP))} and names with a dot belong at the top")
        wrong += 1
    files = 0
    for folder in ("include", "src", "port/linux"):
        for file in sorted((ROOT / folder).rglob("*.[ch]pp")):
            here = file.relative_to(ROOT)
            layer = layer_of(here)
            files += 1
            if layer not in MAY:
                print(f"{here}: belongs to no layer")
                wrong += 1
                continue
            text = file.read_text()
            for match in INCLUDE.finditer(text):
                problem = verdict(layer, file, *match.groups())
                if problem:
                    line = text.count("\n", 0, match.start(1) if match.group(1) else match.start(2)) + 1
                    print(f"{here}:{line}: {match.group(1) or match.group(2)}: {problem}")
                    wrong += 1
    print(f"layers: {files} files, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
