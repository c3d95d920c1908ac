# SPDX-License-Identifier: MIT
"""Machines with a medium to lose: the emulated board of tests/device with a drive, and two with flash."""
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "device"))
from board import DEPS, Board, BoardError, program_and_files, stream_to  # noqa: E402
from medium import MIB, Drive, Flash, Nor, make_ext4, make_nand, make_ubi, make_vfat, repair_vfat  # noqa: E402

PATIENCE_S = 400
MAKE = {"ext4": make_ext4, "vfat": make_vfat}
REPAIR = {"vfat": repair_vfat}
PROGRAM_OF_ARMHF = os.environ.get("TOCSIN_ARMHF", "build/armhf/tocsin.stripped")
PROGRAM_OF_PC = os.environ.get("TOCSIN_PC", "build/musl/tocsin.stripped")
CONFIGURATION = """\
[device]
name  = dev
state = /var/lib/tocsin
queue_size = {size}
"""
ON_DEVICE = """\
[device]
name  = dev
state = /run/state
state_device = {device}
"""
# Erase blocks of a state_device, where a file system has queue files of that size.
ERASE_BLOCKS = {"64K": 8, "128K": 11, "512K": 32}
PEOPLE = """
[contact ben]
phone = +44 7700 900456

[contact cleo]
phone = +44 7700 900789

[group oncall]
members = anna, ben, cleo

[alarm door]
to         = anna, ben
text       = {device}: door open
clear_text = {device}: door shut
"""


class Failed(Exception):
    """The program did not keep a promise."""


class Machine(Board):
    """A board with one medium, from its making to its end."""

    DEVICE = ""  # a state_device; else there is a file system

    def __init__(self, folder, kind, service, size, lies=False):
        self.kind, self.lies, self.heard, self.repairs = kind, lies, "", 0
        configuration = (ON_DEVICE.format(device=self.DEVICE) if self.DEVICE else CONFIGURATION.format(size=size))
        configuration += stream_to(service) + PEOPLE
        super().__init__(folder, {
            **program_and_files(service),
            "/init": HERE / "init",
            "/bin/flow": HERE / "flow",
            "/bin/serve": HERE / "serve",
            "/etc/tocsin/tocsin.conf": configuration.encode(),
            **self.own_files(_images(kind)),
        })
        self.image = self.folder / "disk.img"
        self.disk.close()
        (self.sockets / "disk").unlink()
        self.new_medium()

    def own_files(self, folder):
        """What the first process reads: modules in the order of loading, and how to mount the medium."""
        names, files = _modules(folder)
        board = (DEPS / "device/modules/list").read_text().split()
        return {
            **files,
            "/etc/modules": "\n".join([*(f"/lib/modules/{name}" for name in board), *names]).encode(),
            "/etc/mount-medium": f"mount -t {self.kind} /dev/vda /var/lib\n".encode(),
        }

    def new_medium(self):
        MAKE[self.kind](self.image)
        self.disk = Drive(self.image, str(self.sockets / "disk"), self.lies)

    def power_on(self, timeout=PATIENCE_S):
        subprocess.run(["cp", "--sparse=always", self.image, self.folder / "disk-before.img"], check=True)
        if self.kind in REPAIR:
            self.repairs += REPAIR[self.kind](self.image)
        return super().power_on(timeout)

    def power_cut(self, keep=None):
        process, lost = self.process, super().power_cut(keep)
        while process and not process.stdout.closed:  # until the last byte it said was read
            time.sleep(0.001)
        self.heard = self.output if process else ""
        return lost

    def cut_inside(self, chance):
        """Lets the power go within a write of the file system, soon. Whether there is such a thing here."""
        return False

    def listen(self, pattern, timeout):
        """Waits until the console says it, or the time is over."""
        try:
            self.wait_serial(pattern, timeout)
        except BoardError:
            if self.process.poll() is not None:
                raise

    def wait_daemon(self):
        said = self.wait_serial(r"(medium: does not mount|daemon: [a-z][^\r\n]*)\r?\n", PATIENCE_S)[1]
        if said != "daemon: answers":
            log, _ = self.run("dmesg | tail -n 15; ls -la /var/lib /var/lib/tocsin; tail -n 30 /run/tocsin.log")
            raise Failed(f"{said}\n{log}")

    def medium(self):
        """What the daemon says of it."""
        said, _ = self.run("tocsin status --json", PATIENCE_S)
        found = re.search(r'"medium":"([a-z ]+)"', said)
        return found[1] if found else f"unknown: {said[-200:]}"

    def _start(self, command):
        self.seen = 0
        self.output = ""
        self.changed = threading.Condition()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._read_console, args=(self.process, self.changed), daemon=True).start()

    def queue(self, only=""):
        output, status = self.run(f"tocsin queue list --json {only}", PATIENCE_S)
        if status not in (0, 1) or (status and not only):
            raise Failed(f"`queue list` ended with {status}: {output[-500:]}")
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


class FlashMachine(Machine):
    """A PC without a drive. Its flash is a part of its memory that lives in a file and that the kernel's phram driver
    offers as an MTD device: what was written when the machine was killed is there, to the byte, the rest is not.
    """

    MEMORY = 128 * MIB
    FLASH_AT = 96 * MIB  # within the memory; the kernel is told to leave it alone
    FLASH = 4 * MIB
    BLOCK = 64 << 10
    MOUNT = "mount -t jffs2 mtd0 /var/lib\n"

    def own_files(self, folder):
        names, files = _modules(folder)
        phram = names.pop()
        return {
            **files,
            "/bin/busybox": folder / "busybox",
            "/bin/tocsin": PROGRAM_OF_PC,
            "/etc/modules": "\n".join(names).encode(),
            "/etc/mount-medium": (f"insmod {phram} phram=flash,{self.FLASH_AT:#x},{self.FLASH:#x},{self.BLOCK:#x}\n"
                                  + self.MOUNT).encode(),
        }

    def new_medium(self):
        self.image.write_bytes(b"\xff" * self.FLASH)  # erased
        self.disk = Flash(self.image, self.folder / "memory.img", self.FLASH_AT, self.lies)

    def power_on(self, timeout=PATIENCE_S):
        subprocess.run(["cp", self.image, self.folder / "disk-before.img"], check=True)
        self.disk.insert(self.MEMORY)
        images = _images(self.kind)
        self._start([
            "qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-m", str(self.MEMORY // MIB), "-nodefaults",
            "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", str(images / "kernel"), "-initrd", str(self.folder / "initrd.gz"),
            "-append", f"console=ttyS0 quiet panic=-1 no_timer_check rdinit=/init memmap={self.FLASH}${self.FLASH_AT}",
            "-object", f"memory-backend-file,id=memory,size={self.MEMORY},mem-path={self.disk.memory},share=on",
            "-machine", "memory-backend=memory",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="])
        self.disk.process = self.process
        self.qmp_stream = self.qtest_stream = io.StringIO()  # has no lines to move
        return self.wait_serial(r"board: up, (.*)\r?\n", timeout).group(1)


class BareFlashMachine(FlashMachine):
    """The same flash without a file system."""

    DEVICE = "/dev/mtd0"
    MOUNT = "[ -c /dev/mtd0 ]\n"

    def __init__(self, folder, kind, service, size, lies=False):
        self.FLASH = ERASE_BLOCKS[size] * self.BLOCK
        super().__init__(folder, kind, service, size, lies)


class NorMachine(Machine):
    """An ARM board (AST2600) with a chip of NOR flash behind its SPI controller, and UBI on that.

    Every page is written at once. Before the power goes the processor is stopped, so that what it has sent to the chip
    arrives there: the emulator writes behind its back.
    """

    CHIP = "s25fl129p1"
    FLASH = 16 * MIB
    VOLUME = 4 * MIB
    BLOCK = 64 << 10
    LAST = "/modules/ubifs.ko"
    MOUNT = "mount -t ubifs ubi0:data /var/lib\n"

    def own_files(self, folder):
        names, files = _modules(folder)
        last = names.index(self.LAST)
        first = names.index("/modules/ubi.ko")  # takes the chip as it is loaded, when that is there
        early = [name for name in names if name not in names[first:last + 1]]
        late = "".join(f"insmod {name} {'mtd=0' if name == names[first] else ''}\n" for name in names[first:last + 1])
        return {
            **files,
            "/bin/busybox": folder / "busybox",
            "/bin/tocsin": PROGRAM_OF_ARMHF,
            "/etc/modules": "\n".join(early).encode(),
            "/etc/mount-medium": (
                "date -s @$(sed 's/.*now=//' /proc/cmdline) >/dev/null\n"  # it has no clock
                f"mount -t debugfs debugfs /sys/kernel/debug\n{late}{self.MOUNT}").encode(),
        }

    def new_medium(self):
        make_ubi(self.image, self.FLASH, self.BLOCK, self.VOLUME)
        self.disk = Nor(self.image, str(self.sockets / "disk"), self.lies)

    def power_on(self, timeout=PATIENCE_S):
        subprocess.run(["cp", self.image, self.folder / "disk-before.img"], check=True)
        images = _images(self.kind)
        (self.sockets / "qmp").unlink(missing_ok=True)
        self._start([
            "qemu-system-arm", "-accel", "tcg", "-M", f"ast2600-evb,fmc-model={self.CHIP}", "-m", "256M", "-nodefaults",
            "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", str(images / "kernel"), "-dtb", str(images / "board.dtb"),
            "-initrd", str(self.folder / "initrd.gz"),
            "-append", "console=ttyS4,115200n8 quiet panic=-1 rdinit=/init maxcpus=1 vmalloc=640M cryptomgr.notests "
                       f"now={int(time.time())}",
            "-drive", f"if=mtd,index=0,format=raw,file.driver=nbd,file.server.type=unix,"
                      f"file.server.path={self.sockets}/disk",
            "-nic", "user", "-qmp", f"unix:{self.sockets}/qmp,server=on,wait=off"])
        self.qtest_stream = io.StringIO()
        self.qmp_stream = self._connect("qmp")
        self.qmp_stream.readline()
        self._qmp("qmp_capabilities")
        return self.wait_serial(r"board: up, (.*)\r?\n", timeout).group(1)

    def cut_inside(self, chance):
        """The emulated power cuts of UBIFS, which leave a part of what was to be written, or garbage, and of UBI, between
        the headers and the rest of a block. Nothing is written afterwards; the machine goes on. Each needs some commits.
        """
        if chance.random() < 0.5:
            self.send("echo 1 > /sys/kernel/debug/ubifs/ubi0_0/tst_recovery")
        else:
            self.cut_inside_ubi(chance.choice((2, 6, 20)))
        self.send("while sleep 0.1; do sync; done &")
        return True

    def cut_inside_ubi(self, headers):
        """At one of so many headers that it writes from now on."""
        ubi = "/sys/kernel/debug/ubi/ubi0/tst_emulate_power_cut"
        self.send(f"echo 1 > {ubi}_min; echo {headers} > {ubi}_max; echo 3 > {ubi}")

    def power_cut(self, keep=None):
        if self.process:
            self._qmp("stop")
        return super().power_cut(keep)


class VolumeMachine(NorMachine):
    """The same chip, and the queue on a UBI volume without a file system."""

    DEVICE = "/dev/ubi0_0"
    LAST = "/modules/ubi.ko"
    MOUNT = "[ -c /dev/ubi0_0 ]\n"

    def __init__(self, folder, kind, service, size, lies=False):
        self.VOLUME = ERASE_BLOCKS[size] * (self.BLOCK - 2 * 64)  # two headers in each
        super().__init__(folder, kind, service, size, lies)

    def cut_inside(self, chance):
        self.cut_inside_ubi(chance.choice((2, 4)))
        return True


class NandMachine(FlashMachine):
    """The same PC with a chip of NAND flash that the kernel simulates, pages of 2 KiB, and the queue on a UBI volume.

    What is on it ends with the machine, so its power does not go: UBI stops, the program is killed, and both start anew.
    """

    DEVICE = "/dev/ubi0_0"
    CHIP = "first_id_byte=0x20 second_id_byte=0xa2 third_id_byte=0x00 fourth_id_byte=0x15"  # 64 MiB
    BLOCK, PAGE = 128 << 10, 2048

    def __init__(self, folder, kind, service, size, lies=False):
        self.nand = pathlib.Path(folder) / "nand.img"
        self.nand.parent.mkdir(parents=True, exist_ok=True)
        make_nand(self.nand, self.BLOCK, self.PAGE, ERASE_BLOCKS[size])
        super().__init__(folder, kind, service, size, lies)

    def own_files(self, folder):
        names, files = _modules(folder)
        nandsim, ubi = (next(name for name in names if name.endswith(end)) for end in ("/nandsim.ko", "/ubi.ko"))
        return {
            **files,
            "/bin/busybox": folder / "busybox",
            "/bin/tocsin": PROGRAM_OF_PC,
            "/nand.img": self.nand,
            "/etc/modules": "\n".join(name for name in names if name not in (nandsim, ubi)).encode(),
            "/bin/attach": f"#!/bin/sh\ninsmod {ubi} mtd=0\n".encode(),
            "/etc/mount-medium": (
                f"mount -t debugfs debugfs /sys/kernel/debug\ninsmod {nandsim} {self.CHIP}\n"
                f"dd if=/nand.img of=/dev/mtd0 bs={self.PAGE} 2>/dev/null\nsh /bin/attach\n[ -c {self.DEVICE} ]\n").encode(),
        }

    def stop_ubi(self, headers):
        """At one of so many headers that it writes from now on: nothing is written any more."""
        ubi = "/sys/kernel/debug/ubi/ubi0/tst_emulate_power_cut"
        self.send(f"echo 1 > {ubi}_min; echo {headers} > {ubi}_max; echo 3 > {ubi}")

    def start_anew(self):
        """UBI attaches the chip as it was left, and the daemon starts."""
        self.run("killall -9 flow; killall -9 tocsin; sleep 0.2", PATIENCE_S)
        said, status = self.run("rmmod ubi && sh /bin/attach", PATIENCE_S)
        if status:
            raise Failed(f"UBI does not attach the chip again: {said}")
        self.run("serve", PATIENCE_S)


def _images(kind):
    """The folder of fetch.sh with kernel and modules of its machine."""
    return DEPS / "powercut" / {"mtd": "jffs2", "ubi": "ubifs"}.get(kind, kind)


def _modules(folder):
    """The modules of a folder of fetch.sh: (their paths on the machine in the order of loading, what to put there)."""
    names = (folder / "list").read_text().split() if folder.exists() else []
    return [f"/modules/{name}" for name in names], {f"/modules/{name}": folder / name for name in names}


def machine_of(kind):
    return {"jffs2": FlashMachine, "mtd": BareFlashMachine, "nand": NandMachine, "ubifs": NorMachine, "ubi": VolumeMachine}.get(kind, Machine)


FILE_SYSTEMS = [*MAKE, "jffs2", "ubifs"]
MEDIA = [*FILE_SYSTEMS, "mtd", "ubi"]  # flash without a file system
