# SPDX-License-Identifier: MIT
"""Media that lose what a real one may lose when its power goes."""
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "device"))
from disk import SECTOR, Disk  # noqa: E402

MIB = 1 << 20
# ext4's superblock is two sectors with a checksum and no journal behind it: torn, it does not mount whatever runs on it.
SUPERBLOCK = (2, 3)
LIE_S = 2.0  # what a drive that lies about flushes holds back at least


def tool(name):
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") or name


class Drive(Disk):
    """A drive that, at a power cut, kept of its un-flushed writes whatever it liked, down to single sectors.

    `lies`: it says yes to every flush and keeps the writes of the last LIE_S in its memory all the same.
    """

    def __init__(self, path, address, lies=False):
        super().__init__(path, address)  # cache: sector -> [(number of the write, time, data)], the oldest first
        self.lies = lies
        self.flush_s = 0  # how long one takes
        self.lock = self.changed = threading.Condition(threading.Lock())

    def wait_flush(self, count, timeout):
        """Waits until `count` more flushes have begun; the last of them is still going on, unless time was over."""
        with self.lock:
            count += self.flushes
            return self.changed.wait_for(lambda: self.flushes >= count, timeout)

    def cut(self, keep=None):
        """`keep`: a random.Random that decides; without it nothing is kept. Returns how many sectors lost something."""
        with self.lock:
            self.cuts += 1  # a connection from before the cut reaches nothing any more
            kept_of = _nothing_kept if keep is None or self.lies else fate(keep, self.writes)
            lost = 0
            for sector, versions in self.cache.items():
                kept = [data for number, _, data in versions if kept_of(number, sector)]
                lost += not kept or kept[-1] is not versions[-1][2]
                if kept:
                    self._put(sector, kept[-1])
            self.cache.clear()
            self.changed.notify_all()
        return lost

    def _put(self, sector, data):
        os.pwrite(self.file, data, sector * SECTOR)

    def _read(self, offset, length):
        data = bytearray(os.pread(self.file, length, offset))
        for at in range(0, length, SECTOR):
            versions = self.cache.get((offset + at) // SECTOR)
            if versions:
                data[at:at + SECTOR] = versions[-1][2]
        return bytes(data)

    def _write(self, offset, data):
        self.writes += 1
        self.bytes += len(data)
        now = time.monotonic()
        for at in range(0, len(data), SECTOR):
            self.cache.setdefault((offset + at) // SECTOR, []).append((self.writes, now, data[at:at + SECTOR]))

    def _flush(self):
        self.flushes += 1
        self.changed.notify_all()
        if self.flush_s:
            life = self.cuts
            self.changed.wait_for(lambda: self.cuts != life, self.flush_s)  # the power may go meanwhile
        until = time.monotonic() - (LIE_S if self.lies else 0)
        held = {}
        for sector, versions in self.cache.items():
            old = [data for _, written, data in versions if written <= until]
            if old:
                self._put(sector, old[-1])
            if len(old) < len(versions):
                held[sector] = versions[len(old):]
        self.cache = held


class Flash:
    """Flash memory as a piece of the machine's memory, which lives in a file: every write is there at once.

    `lies`: at a cut it is what it was LIE_S before.
    """

    flush_s = 0

    def __init__(self, image, memory, at, lies=False):
        self.image, self.memory, self.at, self.lies = pathlib.Path(image), pathlib.Path(memory), at, lies
        self.size = self.image.stat().st_size
        self.process = None
        self.earlier = []

    def insert(self, memory_bytes):
        """Makes the memory of a machine that is switched on: nothing but the flash."""
        with open(self.memory, "wb") as file:
            file.truncate(memory_bytes)
            file.seek(self.at)
            file.write(self.image.read_bytes())
        self.earlier = []
        if self.lies:
            threading.Thread(target=self._remember, args=(self.earlier,), daemon=True).start()

    def cut(self, keep=None):
        """The machine was killed: what its flash holds now. Returns 0, for the sectors of a Drive."""
        self.process.wait()
        content = self._content()
        if self.lies:
            until = time.monotonic() - LIE_S
            content = [then for written, then in self.earlier if written <= until][-1]
            self.earlier = []
        self.image.write_bytes(content)
        return 0

    def wait_flush(self, count, timeout):
        """There are none: as if each of them took no time."""

    def close(self):
        self.memory.unlink(missing_ok=True)

    def _content(self):
        with open(self.memory, "rb") as file:
            file.seek(self.at)
            return file.read(self.size)

    def _remember(self, into):
        while into is self.earlier:
            into.append((time.monotonic(), self._content()))
            del into[:-64]
            time.sleep(LIE_S / 8)


class Nor(Disk):
    """A flash chip: what the machine wrote when it was stopped is there, to the page of 256 bytes.

    `lies`: at a cut it is what it was LIE_S before.
    """

    flush_s = 0

    def __init__(self, path, address, lies=False):
        super().__init__(path, address)
        self.lies = lies
        self.lock = self.changed = threading.Condition(threading.Lock())
        self.earlier = collections.deque()  # (time, offset, what was there before), the newest first

    def wait_flush(self, count, timeout):
        """It has none; a program writes about this many times between two of them."""
        with self.lock:
            count = self.writes + 8 * count
            return self.changed.wait_for(lambda: self.writes >= count, timeout)

    def cut(self, keep=None):
        """Returns 0, for the sectors of a Drive."""
        with self.lock:
            self.cuts += 1
            since = time.monotonic() - LIE_S
            for written, offset, before in self.earlier:
                if written > since:
                    os.pwrite(self.file, before, offset)
            self.earlier.clear()
        return 0

    def _read(self, offset, length):
        return os.pread(self.file, length, offset)

    def _write(self, offset, data):
        self.writes += 1
        self.bytes += len(data)
        if self.lies:
            self.earlier.appendleft((time.monotonic(), offset, self._read(offset, len(data))))
        os.pwrite(self.file, data, offset)
        self.changed.notify_all()


def _nothing_kept(_number, _sector):
    return False


def fate(chance, last):
    """Draws what becomes of un-flushed writes, the last of which has the number `last`: a function that says of one
    sector of one write whether it was kept.
    """
    share = chance.choice((0, 0.1, 0.5, 0.5, 0.9, 1))
    sectors = chance.random() < 0.5  # each for itself; otherwise writes are kept or lost as a whole, but for one
    torn = last - chance.randrange(4)
    whole = {}

    def kept(number, sector):
        if (sectors or number == torn) and sector not in SUPERBLOCK:
            return chance.random() < (share if sectors else 0.5)
        return whole.setdefault(number, chance.random() < share)

    return kept


def make_ext4(image):
    _empty(image, 8 * MIB)
    subprocess.run([tool("mkfs.ext4"), "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)


def make_vfat(image):
    _empty(image, 16 * MIB)
    subprocess.run([tool("mkfs.vfat"), "-F", "16", image], check=True, stdout=subprocess.DEVNULL)


def make_ubi(image, size, block, volume):
    """A chip with one UBI volume, "data", which is empty; the kernel makes the file system when it mounts it."""
    plan = image.with_suffix(".ini")
    plan.write_text(f"[data]\nmode=ubi\nvol_id=0\nvol_type=dynamic\nvol_name=data\nvol_size={volume}\n")
    subprocess.run([tool("ubinize"), "-p", str(block), "-m", "1", "-o", image, plan], check=True)
    with open(image, "ab") as file:
        file.write(b"\xff" * (size - file.tell()))


def make_nand(image, block, page, groups):
    """What lies at the front of a NAND chip with an empty volume of so many blocks, and one that is static."""
    plan, content = image.with_suffix(".ini"), image.with_suffix(".txt")
    content.write_text("what a static volume holds\n")
    plan.write_text(
        f"[a]\nmode=ubi\nvol_id=0\nvol_type=dynamic\nvol_name=data\nvol_size={groups * (block - page)}\n"
        f"[b]\nmode=ubi\nvol_id=1\nvol_type=static\nvol_name=fixed\nvol_size={block}\nimage={content}\n")
    subprocess.run([tool("ubinize"), "-p", str(block), "-m", str(page), "-s", str(page // 4), "-o", image, plan], check=True)


def repair_vfat(image):
    """What a device does before it mounts a file system without a journal. Whether there was something to repair."""
    done = subprocess.run([tool("fsck.fat"), "-a", image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode > 1:
        raise RuntimeError(f"fsck.fat ended with {done.returncode}: {done.stdout}")
    return done.returncode


def _empty(image, size):
    with open(image, "wb") as file:
        file.truncate(size)
