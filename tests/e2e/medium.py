# SPDX-License-Identifier: MIT
"""A medium of its own for a device: mounted, filled, frozen. Needs root (a loop mount)."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from device import Case


def sh(*words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)


class MediumCase(Case):
    def setUp(self):
        self.mounts = []

    def tearDown(self):  # before the daemon is ended: on a frozen medium it cannot end
        for mount in self.mounts:
            sh("fsfreeze", "-u", mount)

    def medium(self, megabytes=16):
        """A mounted ext4 of its own."""
        if os.geteuid() != 0:
            self.skipTest("not root: cannot mount a medium of its own")
        if shutil.which("mkfs.ext4") is None or shutil.which("fsfreeze") is None:
            self.skipTest("no mkfs.ext4 or fsfreeze (Debian: e2fsprogs, util-linux)")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-medium-"))
        self.addCleanup(shutil.rmtree, folder, True)
        image, mount = folder / "image", folder / "mount"
        mount.mkdir()
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        made = sh("mkfs.ext4", "-q", "-F", str(image))
        self.assertEqual(made.returncode, 0, made)
        mounted = sh("mount", "-o", "loop", str(image), str(mount))
        if mounted.returncode != 0:
            self.skipTest("no loop device: " + mounted.stderr.strip())
        self.addCleanup(sh, "umount", "-l", str(mount))
        self.mounts.append(str(mount))
        return mount

    def fill(self, mount):
        """Not a byte more goes onto it, and no file either."""
        with open(mount / "ballast", "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 10, 1):
                try:
                    while file.write(b"\xff" * size):
                        pass
                except OSError:
                    pass
        self.assertIn(
            "No space",
            sh("cp", "/etc/hostname", str(mount / "more")).stderr
            + sh("sh", "-c", f"yes | head -c 9999 > {mount}/more").stderr,
        )
        (mount / "more").unlink(missing_ok=True)

    def durable(self, device, ids):
        """After a kill -9 every one of these is found in the files, accepted."""
        device.kill()
        states = {m["id"]: m["state"] for m in device.queue()}
        self.assertEqual({i: states.get(i) for i in ids}, {i: "accepted" for i in ids})

    def supervisor(self):
        folder = tempfile.mkdtemp(prefix="tocsin-notify-")
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(shutil.rmtree, folder)
        self.addCleanup(ear.close)
        ear.bind(f"{folder}/notify")
        ear.setblocking(False)
        return ear

    def heard(self, ear):
        """What it was told since the last call."""
        told = []
        with contextlib.suppress(BlockingIOError):
            while True:
                told.append(ear.recv(200))
        return told
