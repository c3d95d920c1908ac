# SPDX-License-Identifier: MIT
"""A network that breaks off, falls silent and lies, between the real program and real servers (nginx, s_server).

A relay of our own counts the bytes and the records of TLS that pass. Resets are tried at every STRIDE-th byte of
both directions; `make tls-servers STRIDE=1` does it at all of them.
"""
import os
import unittest

from device import PATIENCE_S
from proxies import Nginx
from relay import Cut, Flood, Instead, Pieces, Relay, alert
from rows import NEW_ONLY, Client, Row, Runner, Seen, attempt, fill
from scripted import Scripted, answer, idle, yes

STRIDE = int(os.environ.get("STRIDE", "131"))
PART = int(os.environ.get("PART", "0"))  # where the first one lies; another one tries other bytes

VERSIONS = [("1.2", "2.28"), ("1.2", "3.6"), ("1.3", "3.6")]


def through(fault, version, peer=Nginx):
    return lambda row: row.send(Relay(peer(f"ec {version}"), fault()))


# ---- alerts ------------------------------------------------------------------------------------------------

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
    255: "(no such alert)",
}

# After the handshake an alert in clear is a record that nobody vouches for.
POINTS = [
    Row(
        f"TLS {version}, alert instead of the server's record {n}",
        "not sent or unknown",
        through(lambda n=n: Instead(n, alert(40)), version),
        (library,),
    )
    for version, library in VERSIONS
    for n in range(6)
] + [
    Row(
        f"TLS {version}, alert instead of the answer",
        "unknown",
        lambda row, v=version: instead_of_answer(row, v),
        (library,),
    )
    for version, library in VERSIONS
]
KINDS = [
    Row(
        f"TLS {version}, alert {code} {name}",
        "not sent: ",
        through(lambda c=code: Instead(0, alert(c)), version),
        (library,),
        unread=True,
    )
    for version, library in VERSIONS
    for code, name in ALERTS.items()
]
WARNINGS = [
    Row(
        f"TLS 1.2, warning {code} {ALERTS[code]}, then the handshake",
        "accepted or not sent",
        through(lambda c=code: Instead(0, alert(c, level=1), then=None), "1.2"),
        unread=None,
    )
    for code in (112, 90)
]


def instead_of_answer(row, version):
    """An alert in clear, or rather a record that fails, where the answer would be."""
    with Relay(Nginx(f"ec {version}")) as plain:
        attempt(row.library, plain)
        records = count_records(bytes(plain.passed["s2c"]))
    return row.send(Relay(Nginx(f"ec {version}"), Instead(records - 1, alert(80))))


def count_records(data):
    """How many whole records of TLS are in there; what the end of the connection brings is left out."""
    at = count = 0
    while at + 5 <= len(data):
        size = 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        count += data[at] != 21
        at += size
    return count


# ---- floods: a peer that always has something to say, and never gets anywhere ------------------------------

CHANGE_CIPHER_SPEC = bytes((20, 3, 3, 0, 1, 1))
EMPTY_HANDSHAKE = bytes((22, 3, 3, 0, 0))
HELLO_REQUEST = bytes((22, 3, 3, 0, 4, 0, 0, 0, 0))

FLOODS = [
    Row(
        f"TLS {version}, {name} without end, {where}",
        "not sent or unknown" if at == 0 else "not sent",
        through(lambda w=what, n=at: Flood(n, w), version),
        (library,),
        waits=True,
    )
    for version, library in VERSIONS
    for name, what in (
        ("warnings", alert(112, level=1)),
        ("user_canceled", alert(90, level=1)),
        ("ChangeCipherSpec", CHANGE_CIPHER_SPEC),
        ("empty records", EMPTY_HANDSHAKE),
        ("HelloRequest", HELLO_REQUEST),
    )
    for at, where in ((0, "at once"), (1, "behind ServerHello"))
]

# ---- half-open: nothing passes any more, and nobody closes -------------------------------------------------

HELD_AT = (0, 1, 4, 5, 6, 60, 300, 700, 1000)

HALF_OPEN = (
    [
        Row(
            f"TLS {version}, silence behind byte {n} of the server",
            "not sent or unknown",
            through(lambda n=n: Cut("s2c", n, "hold"), version),
            (library,),
            waits=True,
        )
        for version, library in VERSIONS
        for n in HELD_AT
    ]
    + [
        Row(
            f"TLS {version}, silence behind byte {n} of the client",
            "not sent or unknown",
            through(lambda n=n: Cut("c2s", n, "hold"), version),
            (library,),
            waits=True,
        )
        for version, library in VERSIONS
        for n in (0, 1, 100, 400, 600)
    ]
    + [
        Row(
            f"TLS {version}, one byte a second from the first on",
            "not sent: ",
            through(lambda: Pieces(1, 1.0), version),
            (library,),
            waits=True,
            unread=True,
        )
        for version, library in VERSIONS
    ]
)

# ---- one answer that nobody can take -----------------------------------------------------------------------

# ServerHello with a cipher that was not asked for. Mbed TLS 3.6.6 means the same by its error as by that of its flaw
# (kPssFlaw): TLS 1.2 is tried then, which this server does not speak.
BAD_HELLO = bytes.fromhex("160303005a020000560303" + "11" * 32 + "00130400002e002b0002030400330024001d0020" + "22" * 32)


def misled_once(row):
    """The service speaks TLS 1.3 alone; somebody between it and the device changes one answer, and no other."""
    met = []

    def before(raw):
        met.append(raw)
        if len(met) > 1:
            return
        raw.recv(4096)
        raw.sendall(BAD_HELLO)
        raw.recv(100)
        raw.close()
        raise OSError("gone")

    def script(channel, body):
        channel.sendall(answer(yes(body)))
        idle(channel)

    with Scripted(script, tls="1.3", before=before) as peer:
        client = Client(row.library, peer, stream={"retry_min": "1s", "retry_max": "1s"})
        client.start()
        state = client.wait_state(client.send("misled")[0], "accepted", PATIENCE_S)["state"]
        client.close()
        return Seen(state, f"{len(met)} connections")


MISLED = [
    Row(
        "TLS 1.3 alone, once a ServerHello with another cipher",
        "accepted",
        misled_once,
        NEW_ONLY,
        unread=None,
    )
]

# ---- pieces: TCP owes nobody its borders -------------------------------------------------------------------

PIECES = [
    Row(
        f"TLS {version}, everything in pieces of {size}",
        "accepted",
        through(lambda s=size: Pieces(s), version),
        (library,),
    )
    for version, library in VERSIONS
    for size in (1, 2, 3, 5, 7, 100, 536)
]

# ---- resets, at every STRIDE-th byte -----------------------------------------------------------------------


def sweep(row, version, direction, how):
    """Cuts the same exchange again and again, each time a little later. One line of the table for all."""
    peer = Nginx(f"ec {version}")
    with Relay(peer) as plain:
        whole = attempt(row.library, plain)
        total = len(plain.passed[direction])
    if whole.outcome != "accepted":
        return whole
    count = {"not sent": 0, "unknown": 0, "accepted": 0}
    slowest = 0.0
    for at in range(PART % STRIDE, total, STRIDE):
        with Relay(peer, Cut(direction, at, how)) as cut:
            seen = attempt(row.library, cut)
        slowest = max(slowest, seen.seconds)
        if seen.trouble or seen.outcome not in count:
            seen.words = f"byte {at} of {total}: {seen}"
            seen.trouble = seen.trouble or "neither accepted, nor kept, nor unknown"
            return seen
        count[seen.outcome] += 1
    words = ", ".join(f"{n} {outcome}" for outcome, n in count.items())
    return Seen("every one clear", f"{sum(count.values())} of {total} bytes: {words}", slowest)


RESETS = [
    Row(
        f"TLS {version}, {how} at bytes of the {'client' if direction == 'c2s' else 'server'}",
        "every one clear",
        lambda row, v=version, d=direction, h=how: sweep(row, v, d, h),
        (library,),
        unread=None,
    )
    for version, library in VERSIONS
    for direction in ("c2s", "s2c")
    for how in ("reset", "close")
]


for title, rows in (
    ("AlertPoints", POINTS),
    ("AlertKinds", KINDS),
    ("Warnings", WARNINGS),
    ("Floods", FLOODS),
    ("HalfOpen", HALF_OPEN),
    ("Misled", MISLED),
    ("Pieces_", PIECES),
    ("Resets", RESETS),
):
    fill(globals(), title, rows)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
