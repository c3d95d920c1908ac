# SPDX-License-Identifier: MIT
"""Row 12, nothing to do: what the whole program writes while nothing waits, and while a message cannot be sent. One
write an hour is allowed then, which does not fall into the minutes that are looked at."""
import pathlib
import subprocess
import sys
import time

from queue_media import EXT4, Failed, ROOT

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from device import CERTS, Device, make_certificates  # noqa: E402


def written(mount, stat):
    subprocess.run(["sync", "-f", mount], check=True)
    return int(pathlib.Path(stat).read_text().split()[6]) * 512


def begin(media):
    """Two daemons, each with the state directory on a medium of its own; in one a message waits for a dead service."""
    if not (CERTS / "ca.pem").exists():
        make_certificates(str(CERTS))
    running = []
    for waiting in (0, 1):
        mount, stat = media.place(EXT4, "daemon")
        folder = media.folder / f"daemon-{waiting}"
        folder.mkdir()
        device = Device(folder=folder, state=pathlib.Path(mount) / "state").start()
        media.running.append(device.process)
        if waiting:
            device.send("nobody is there")
        time.sleep(3)  # the first tries, and what the file system does after a mount
        running.append((device, waiting, mount, stat, written(mount, stat), time.monotonic()))
    return running


def end(running, seconds, report):
    print("\nrow 12, the whole program while there is nothing to write")
    for device, waiting, mount, stat, before, since in running:
        time.sleep(max(0.0, since + seconds - time.monotonic()))
        wrote, passed = written(mount, stat) - before, time.monotonic() - since
        waits = sum(message["state"] == "queued" for message in device.queue())
        if device.process.poll() is not None or waits != waiting:
            raise Failed(f"a daemon that is gone, or {waits} messages wait instead of {waiting}")
        device.close()
        what = "one message waits, tried every second" if waiting else "nothing waits"
        print(f"  {what:44}{wrote:10,} B   in {passed:.0f} s")
        report.goal(12, "bytes, " + what.split(",")[0], wrote, 0)
