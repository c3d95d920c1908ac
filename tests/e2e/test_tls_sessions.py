# SPDX-License-Identifier: MIT
"""TLS sessions that outlive the daemon (session_file): nginx tells whether a connection was resumed. Rows as in rows.py."""
import pathlib
import unittest

from device import CERTS, wait_until
from proxies import Nginx
from rows import Client, Row, Runner, Seen, fill, versions


class Life:
    """A device with a session file, and what the server saw of each message."""

    def __init__(self, row, version):
        self.row, self.count = row, 0
        self.peer = Nginx(f"tickets on {version}")
        self.device = Client(row.library, self.peer)
        self.file = self.device.folder / "sms.session"
        self.ca = self.device.folder / "ca.pem"
        self.ca.write_bytes((CERTS / "ca.pem").read_bytes())
        self.write_config()

    def write_config(self, **more):
        self.device.write_config(stream={"timeout": "5s", "session_file": self.file, "ca_file": self.ca, **more})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.device.close()

    def resumed(self):
        """Sends a message, and says whether its connection was resumed."""
        self.count += 1
        text = f"{self.row.name} {self.row.library} {self.count}"
        self.device.wait_state(self.device.send(text)[0], "accepted")
        wait_until(lambda: self.peer.log(text), "nginx notes it")
        assert self.peer.said_yes(text)
        return self.peer.log(text)[0]["reused"] == "r"

    def restart(self):
        self.device.stop()
        self.device.start()


def expect(seen, *wanted):
    if list(seen) != list(wanted):
        raise AssertionError(f"resumed: {list(seen)}")


def restarts(row, version):
    with Life(row, version) as life:
        life.device.start()
        assert not life.file.exists(), "already there"
        first = life.resumed()
        life.restart()
        assert life.file.stat().st_mode & 0o7777 == 0o600, oct(life.file.stat().st_mode)
        written = life.file.stat().st_mtime_ns
        life.restart()  # nothing was sent: nothing is written
        assert life.file.stat().st_mtime_ns == written, "written anew"
        second = life.resumed()
        life.device.hang_up()
        life.device.log.wait("starting anew")
        third = life.resumed()
        life.device.kill()  # as power that goes
        life.device.start()
        fourth = life.resumed()
        life.device.stop()
        said = life.device.log_file.read_text()
        assert "session" not in said, said
        assert not list(life.device.folder.glob("*.new")), "left over"
        # Once more after the kill, the session that the second life had made: the server knows it, too.
        expect([first, second, third, fourth], False, True, True, True)
    return Seen("accepted", requests=4)


def bound(row, version):
    with Life(row, version) as life:
        life.device.start()
        seen = [life.resumed()]
        for change in (
            lambda: life.ca.write_bytes(life.ca.read_bytes() + b"\n"),
            lambda: life.device.write_token(life.device.token_file.read_text().strip()),
            lambda: damage(life.file),
            lambda: life.file.write_bytes(b""),
            lambda: life.file.write_bytes(bytes(100_000)),
            lambda: life.file.chmod(0o640),
            lambda: life.file.unlink(),
        ):
            life.device.stop()
            change()
            life.device.start()
            seen.append(life.resumed())
        life.device.stop()
        said = [line for line in life.device.log_file.read_text().splitlines() if "session" in line]
        # The token is the same one, in a new file: that is no other setting.
        expect(seen, False, False, True, False, False, False, False, False)
        assert len(said) == 5 and all("ignored" in line for line in said), said
        assert any("chmod 600" in line for line in said), said
    return Seen("accepted", requests=8)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def somebody_else(row, version):
    """Behind a restart another server is there, that nobody vouches for: it reads nothing."""
    with Life(row, version) as life:
        life.device.start()
        life.resumed()
        life.device.stop()
        thief = Nginx(f"unknownca {version}")
        # The same file for another server is of other settings; for this one it is not even offered.
        life.device.write_config(
            stream={"timeout": "5s", "session_file": life.file, "base_url": f"https://localhost:{thief.port}"}
        )
        life.device.start()
        [identifier] = life.device.send(f"{row.name} {row.library} kept")
        life.device.log.wait("not signed by a CA in")
        assert life.device.message(identifier)["state"] == "queued"
        assert not thief.requests(f"{row.name} {row.library} kept")
        life.device.stop()
    return Seen("accepted", requests=2)


def commands(row, version):
    """Every command that sends resumes what the one before left."""
    with Life(row, version) as life:
        seen = []
        for turn in range(3):
            text = f"{row.name} {row.library} {turn}"
            life.device.ok("send", "--to", "anna", "--wait", "8", "--", text)
            wait_until(lambda text=text: life.peer.log(text), "nginx notes it")
            seen.append(life.peer.log(text)[0]["reused"] == "r")
        expect(seen, False, True, True)
    return Seen("accepted", requests=3)


ROWS = versions(
    lambda v, libraries: [
        Row(f"TLS {v}, {play.__name__.replace('_', ' ')}", "accepted", lambda row, p=play: p(row, v), libraries, unread=None)
        for play in (restarts, bound, somebody_else, commands)
    ]
)

fill(globals(), "Sessions", ROWS)


class Checked(unittest.TestCase):
    def test_check_says_what_is_wrong_with_the_file(self):
        row = Row("check", "accepted", None).with_library("2.28")
        with Life(row, "1.2") as life:
            self.assertEqual(life.device.run("check").exit, 0)
            life.file.write_bytes(b"x")
            life.file.chmod(0o604)
            result = life.device.run("check")
            self.assertEqual(result.exit, 78)
            self.assertIn(f"chmod 600 {life.file}", result.err)
            life.write_config(session_file="sms.session")
            self.assertIn("`session_file` is not a whole path", life.device.run("check").err)

    def test_folder_that_is_not_there_is_told_at_the_end(self):
        row = Row("folder", "accepted", None).with_library("2.28")
        with Life(row, "1.2") as life:
            life.file = pathlib.Path("/nowhere/sms.session")
            life.write_config()
            life.device.start()
            self.assertFalse(life.resumed())
            life.device.stop()
            self.assertIn(f"cannot write the session file {life.file}: no such file", life.device.log_file.read_text())


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
