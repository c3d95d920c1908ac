# SPDX-License-Identifier: MIT
"""An emulated ARM board with real kernel, input lines, disk and network, whose power can be cut.

    board = Board(OUT / "name", files={"/bin/tocsin": PROGRAM})
    board.power_on()
    board.set_line(3, 1)                          # from outside, as a contact would
    board.run("tocsin -c /etc/t.conf status")     # on the serial console: (output, exit status)
    board.power_cut()                             # now; memory and the drive's cache are gone

QEMU's `virt` machine by software emulation, Debian's arm64 kernel as it ships, its PL061 GPIO controller
(/dev/gpiochip0, 8 lines) driven through the emulator's test protocol. The host's loopback is 10.0.2.2 from inside.
The disk (/var/lib, ext4) stays over power cuts, and so do the levels of the lines.

What `make` built and where it wants the logs comes in $DEPS, $TOCSIN, $GPIO_EVENTS and $OUT.
"""
import codecs
import contextlib
import gzip
import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time

from device_tree import string_list, with_property
from disk import Disk

HERE = pathlib.Path(__file__).resolve().parent
DEPS = pathlib.Path(os.environ.get("DEPS", "build/deps"))
PROGRAM = os.environ.get("TOCSIN", "build/aarch64/tocsin")
GPIO_EVENTS = os.environ.get("GPIO_EVENTS", "build/aarch64/gpio_events")
OUT = pathlib.Path(os.environ.get("OUT") or tempfile.mkdtemp(prefix="board-"))
TOKEN = "test-token"  # the simulated service has to know it
DISK_BYTES = 32 << 20
MACHINE = ["qemu-system-aarch64", "-accel", "tcg", "-M", "virt", "-cpu", "cortex-a53", "-m", "128", "-nodefaults",
           "-display", "none"]
STREAM = """
[stream sms]
type       = marketing
base_url   = https://sms.test:{port}
token_file = /etc/tocsin/sms.token
ca_file    = /etc/tocsin/ca.pem
sender     = GLOBAL
timeout    = 5s
retry_min  = 1s
retry_max  = 2s
status_for = off

[contact anna]
phone = +44 7700 900123
"""
# A test sends what it likes.
NO_BUDGETS = "".join(
    f"\n[class {name}]\nper_hour = none\nper_day  = none\n" for name in ("critical", "warning", "info")
)


def stream_to(service):
    """The part of the program's configuration that leads from the board to the simulated service."""
    return STREAM.format(port=service.port) + NO_BUDGETS


def program_and_files(service):
    """What the board needs to send there: the program and the files that `stream_to` names."""
    return {
        "/bin/tocsin": PROGRAM,
        "/etc/hosts": b"127.0.0.1 localhost\n10.0.2.2 sms.test\n",
        "/etc/tocsin/sms.token": TOKEN.encode() + b"\n",
        "/etc/tocsin/ca.pem": pathlib.Path(service.ca_file).read_bytes(),
    }


class BoardError(Exception):
    """The board did not do what was waited for; carries the end of the console."""


class Board:
    def __init__(self, folder, files=None, line_names=(), forward=None):
        """`files`: path on the board -> path here (becomes executable), or bytes (become a file of mode 600).

        `line_names`: of lines 0, 1, ...; "" for one without a name.
        `forward`: a port of this machine's loopback -> a port of the board, 10.0.2.15 from inside.
        """
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.images = DEPS / "device"
        self.console_log = self.folder / "console.log"
        self.console_log.write_bytes(b"")
        self.levels = {}
        self.process = None
        self.serial_numbers = itertools.count(1)
        self.sockets = pathlib.Path(tempfile.mkdtemp(prefix="board-"))  # short: a socket's path has 107 bytes
        _write_initrd(self.folder / "initrd.gz", self.images, files or {})
        image = self.folder / "disk.img"
        with open(image, "wb") as file:
            file.truncate(DISK_BYTES)
        mkfs = shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        subprocess.run([mkfs, "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)], check=True)
        self.disk = Disk(image, str(self.sockets / "disk"))
        self.network = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in (forward or {}).items())
        self.machine = MACHINE
        if line_names:
            tree = self.folder / "board.dtb"
            subprocess.run([*MACHINE, "-M", f"dumpdtb={tree}"], check=True, capture_output=True)
            tree.write_bytes(with_property(tree.read_bytes(), "pl061@", "gpio-line-names", string_list(line_names)))
            self.machine = [*MACHINE, "-dtb", str(tree)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.power_cut()
        self.disk.close()
        shutil.rmtree(self.sockets, ignore_errors=True)

    # ---- power

    def power_on(self, timeout=120):
        """Boots until it takes commands; lines have their levels before the first instruction."""
        assert self.process is None
        for name in ("qmp", "qtest"):
            with contextlib.suppress(FileNotFoundError):
                (self.sockets / name).unlink()
        self.seen = 0
        self.output = ""
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [*self.machine, "-no-reboot", "-S", "-serial", "stdio",
             "-kernel", str(self.images / "vmlinuz"), "-initrd", str(self.folder / "initrd.gz"),
             "-append", "console=ttyAMA0 quiet cma=0 panic=-1 rdinit=/init",
             "-drive", f"if=none,id=disk,format=raw,cache=none,file.driver=nbd,file.server.type=unix,"
                       f"file.server.path={self.sockets}/disk",
             "-device", "virtio-blk-device,drive=disk",
             "-netdev", "user,id=net" + self.network, "-device", "virtio-net-device,netdev=net",
             "-qmp", f"unix:{self.sockets}/qmp,server=on,wait=off",
             "-qtest", f"unix:{self.sockets}/qtest,server=on,wait=off", "-qtest-log", "/dev/null"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._read_console, args=(self.process, self.changed), daemon=True).start()
        self.qmp_stream = self._connect("qmp")
        self.qmp_stream.readline()
        self._qmp("qmp_capabilities")
        self.qtest_stream = self._connect("qtest")
        self.gpio = next("/machine/unattached/" + child["name"]
                         for child in self._qmp("qom-list", path="/machine/unattached") if "pl061" in child["type"])
        for offset, level in self.levels.items():
            self.set_line(offset, level)
        self._qmp("cont")
        return self.wait_serial(r"board: up, (.*)\r?\n", timeout).group(1)

    def power_cut(self, keep=None):
        """Ends everything at once; returns how many written and not flushed sectors the drive forgot."""
        if self.process is None:
            return 0
        self.process.kill()
        lost = self.disk.cut(keep)
        self.process.wait()
        self.process.stdin.close()
        self.qmp_stream.close()
        self.qtest_stream.close()
        self.process = None
        return lost

    # ---- lines

    def set_line(self, offset, level):
        """Drives an input line from outside; returns the monotonic time of the change."""
        self.levels[offset] = level
        if self.process is not None:
            self.qtest_stream.write(f"set_irq_in {self.gpio} unnamed-gpio-in {offset} {level}\n")
            self.qtest_stream.flush()
            answer = self.qtest_stream.readline()
            if not answer.startswith("OK"):
                raise BoardError(f"set_line: the emulator answered {answer!r}")
        return time.monotonic()

    # ---- network

    def pull_cable(self):
        """Nothing arrives any more, in either direction, and nobody says so. Power on plugs it in again."""
        self._qmp("set_link", name="net", up=False)

    def plug_cable(self):
        self._qmp("set_link", name="net", up=True)

    # ---- serial console

    def wait_serial(self, pattern, timeout=30):
        """The first match of `pattern` in what the console said since the last match."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                match = re.compile(pattern).search(self.output, self.seen)
                if match:
                    self.seen = match.end()
                    return match
                left = deadline - time.monotonic()
                ended = self.process.poll() is not None
                if left <= 0 or ended:
                    why = "the emulator ended" if ended else f"not said within {timeout} s"
                    raise BoardError(f"{pattern!r}: {why}; see {self.console_log}. Last lines:\n{self.output[-2000:]}")
                self.changed.wait(min(left, 0.2))

    def send(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def run(self, command, timeout=60):
        """A shell command, one line, on the board: (output, exit status)."""
        mark = f"done-{next(self.serial_numbers)}"
        self.send(f"{command}; echo {mark} $?")
        start = self.seen
        match = self.wait_serial(rf"{mark} (\d+)\r?\n", timeout)
        return match.string[start:match.start()].replace("\r", ""), int(match.group(1))

    # ---- inside

    def _read_console(self, process, changed):
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        with open(self.console_log, "ab") as log:
            while True:
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    process.stdout.close()
                    return
                log.write(data)
                log.flush()
                with changed:
                    self.output += decoder.decode(data)
                    changed.notify_all()

    def _connect(self, name):
        deadline = time.monotonic() + 30
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.sockets / name))
                stream = connection.makefile("rw")
                connection.close()  # the stream keeps it
                return stream
            except OSError:
                connection.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise BoardError(f"the emulator does not start: {self.output}") from None
                time.sleep(0.02)

    def _qmp(self, command, **arguments):
        self.qmp_stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp_stream.flush()
        while True:
            answer = json.loads(self.qmp_stream.readline())
            if "error" in answer:
                raise BoardError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]


def _write_initrd(path, images, files):
    """The board's first file system: busybox, modules, /init and what the test adds, as a newc cpio archive."""
    content = {"/bin/busybox": images / "busybox", "/init": HERE / "init", **files}
    for name in ["list", *(images / "modules/list").read_text().split()]:
        content[f"/lib/modules/{name}"] = images / "modules" / name
    folders = sorted({str(parent) for name in content for parent in pathlib.PurePosixPath(name).parents} - {"/"})
    numbers = itertools.count(1)

    def entry(name, mode, data=b""):
        fields = [next(numbers), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)

    with gzip.open(path, "wb", compresslevel=1) as archive:
        for folder in [*folders, "/dev", "/proc", "/sys"]:
            archive.write(entry(folder.lstrip("/"), stat.S_IFDIR | 0o755))
        for name, source in content.items():
            data, mode = (source, 0o600) if isinstance(source, bytes) else (pathlib.Path(source).read_bytes(), 0o755)
            archive.write(entry(name.lstrip("/"), stat.S_IFREG | mode, data))
        archive.write(entry("TRAILER!!!", 0))
