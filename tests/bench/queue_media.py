# SPDX-License-Identifier: MIT
"""What the rows of the queue share: building the bench, media to run it on, counting instructions."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "bench"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SOURCES = ["tests/bench/bench_queue.cpp", *(f"tests/bench/contender_{n}.cpp" for n in ("plain", "databases", "tocsin")),
           *sorted(str(p.relative_to(ROOT)) for layer in ("base", "wire", "outbox") for p in (ROOT / "src" / layer).glob("*.cpp")),
           *(f"port/linux/{n}.cpp" for n in ("ballast", "flash", "file_lock", "file_store", "storage_worker", "system", "entropy"))]
EXT4, EXT4_SMALL, RAW = "ext4, 4 KiB blocks", "ext4, 1 KiB blocks", "raw device"


class Failed(Exception):
    """A measurement that did not come about: an error, never a gap in a table."""


def run(*command):
    done = subprocess.run([str(c) for c in command], cwd=ROOT, text=True, capture_output=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(level="-O2", tables=8, limits=None):
    """The bench as a program. `limits`: constants of limits.hpp with other values than the shipped ones."""
    program = OUT / f"bench_queue{level}-{tables}{'-large' if limits else ''}"
    include = ["-Iinclude"]
    if limits:
        text = (ROOT / "include/tocsin/limits.hpp").read_text()
        for name, value in limits.items():
            text, found = re.subn(rf"(\b{name} = )[\d']+;", rf"\g<1>{value};", text)
            if found != 1:
                raise Failed(f"limits.hpp has {found} times '{name} = ...;'")
        folder = OUT / "limits"
        (folder / "tocsin").mkdir(parents=True, exist_ok=True)
        (folder / "tocsin" / "limits.hpp").write_text(text)
        include.insert(0, f"-I{folder}")
    run("g++", "-std=c++17", level, "-g", "-Wall", "-Wextra", "-Werror", f"-DTOCSIN_CRC_TABLES={tables}",
        "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", *include, "-I.", *SOURCES, "-o", program,
        "-lsqlite3", "-llmdb", "-lcjson", "-pthread")
    return program


def figures(text):
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}


def collected(program, function, *arguments):
    """Instructions inside the functions of that pattern, all calls together."""
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--toggle-collect={function}",
                           "--callgrind-out-file=/dev/null", str(program), *map(str, arguments)], text=True,
                          capture_output=True, env={**os.environ, "LD_BIND_NOW": "1"})
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, arguments))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    count = int(re.search(r"Collected : (\d+)", done.stderr).group(1))
    if count == 0:
        raise Failed(f"{function}: nothing was counted")
    return count


class Media:
    """Loop devices over files in memory, and what is mounted on them; everything is taken away again."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-bench-", dir=MEMORY))
        self.undo = []
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()
        for command in reversed(self.undo):
            subprocess.run(command, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def loop(self, size):
        image = self.folder / f"{len(self.undo)}.img"
        with open(image, "wb") as file:
            file.truncate(size)
        device = run("losetup", "--find", "--show", image).strip()
        self.undo.append(["losetup", "-d", device])
        return device, f"/sys/block/{pathlib.Path(device).name}/stat"

    def place(self, kind, contender):
        """What bench_queue takes as FOLDER and STAT."""
        if kind == RAW:
            # Smaller than the program takes at most: what is there is what the queue uses, 256 KiB each.
            pair = [self.loop(256 << 10 if contender.startswith("tocsin") else 4 << 20) for _ in range(2)]
            pair = pair if contender.startswith("tocsin") else pair[:1]
            return ",".join(p[0] for p in pair), ",".join(p[1] for p in pair)
        device, stat = self.loop(64 << 20)
        block = {EXT4: "4096", EXT4_SMALL: "1024"}[kind]
        # Nothing may be initialised in the background while bytes are counted.
        run("mkfs.ext4", "-q", "-b", block, "-E", "lazy_itable_init=0,lazy_journal_init=0", device)
        mount = self.folder / f"{len(self.undo)}.mount"
        mount.mkdir()
        run("mount", device, mount)
        self.undo.append(["umount", str(mount)])
        return str(mount), stat

    def begin(self, program, task, kind, contender, *arguments):
        folder, stat = self.place(kind, contender)
        self.running.append(subprocess.Popen([program, task, contender, folder, stat, *map(str, arguments)], text=True,
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return self.running[-1]


def outcome(process):
    """Each record's share of what the process counted."""
    out, err = process.communicate()
    if process.returncode != 0:
        raise Failed(f"{' '.join(map(str, process.args))}: status {process.returncode}\n{err}")
    found = figures(out)
    durable = found["records"] * {"enqueue": 1, "live": 2}[process.args[1]]
    if min(found["syncs"], found["flushes"]) < durable or found["bytes"] == 0:
        raise Failed(f"{' '.join(map(str, process.args))}: {found['syncs']} syncs and {found['flushes']} flushes of the "
                     f"device where {durable} were due: what was counted is not durable")
    for name in ("bytes", "flushes", "syncs", "mallocs"):
        found[name] /= found["records"]
    return found


def count(program, task, kind, contender, *arguments):
    with Media() as media:
        return outcome(media.begin(program, task, kind, contender, *arguments))
