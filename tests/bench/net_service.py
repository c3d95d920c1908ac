# SPDX-License-Identifier: MIT
"""What rows 1 to 8 are measured against: nginx in front of the simulated service, with the cipher that every client
here has, and a relay that counts what IP carries and the records of TLS that come up.
"""
import contextlib
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import proxies  # noqa: E402
from device import CERTS, TOKEN, make_certificates  # noqa: E402

ADDRESS = "127.0.0.1"  # nothing is looked up
CIPHER = (
    "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;"
    " ssl_prefer_server_ciphers on;"
)
LONG_CHAIN_BYTES = 4608
ALARM = (
    "ALARM critical: pump room 2, water level above 1.20 m since 08:39:00 UTC. Call the night desk and say which"
    " pump stands still. Acknowledge with: tocsin ack pump_room_2."
)
PHONE = "447700900123"


def alarm_json(number):
    return (
        f'{{"messages":[{{"internal_id":"pump-7f3a-{number}","sender":"TOCSIN","recipient_phone":"{PHONE}",'
        f'"message_content":"{ALARM}"}}]}}'
    )


def make_long_chain():
    """CERTS/bench-chain.pem: a leaf and two authorities, 4.5 KB to be sent."""
    made = CERTS / "bench-chain.pem"
    if made.exists():
        return
    folder = CERTS / "bench"
    folder.mkdir(exist_ok=True)

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    def sign(name, issuer, extensions, pad):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN=bench {name}", "-out", f"{name}.csr")
        names = "".join(f",DNS:{n:02}.{'x' * 53}.test" for n in range(pad // 64))
        (folder / f"{name}.ext").write_text(extensions + f"subjectAltName=DNS:localhost,IP:{ADDRESS}{names}\n")
        openssl(
            *("x509 -req -sha256 -days 3000 -CAcreateserial".split()),
            *("-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"),
            *("-extfile", f"{name}.ext", "-out", f"{name}.pem"),
        )
        return ssl_bytes(folder / f"{name}.pem")

    authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
    leaf = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
    sent = sign("upper", CERTS / "ca", authority, 1024) + sign("lower", folder / "upper", authority, 1024)
    rest = LONG_CHAIN_BYTES - sent - 500
    sign("leaf", folder / "lower", leaf, rest)
    chain = "".join((folder / f"{name}.pem").read_text() for name in ("leaf", "lower", "upper"))
    (CERTS / "bench-chain.key").write_text((folder / "leaf.key").read_text())
    made.write_text(chain)


def ssl_bytes(pem):
    """What the certificates of a file take when they are sent."""
    text = pathlib.Path(pem).read_text()
    return sum(
        len("".join(part.split("-----END")[0].split())) * 3 // 4 for part in text.split("BEGIN CERTIFICATE-----")[1:]
    )


def start():
    """The ports of nginx, by site."""
    make_certificates(str(CERTS))
    (CERTS / "ca.der").write_bytes(ssl.PEM_cert_to_DER_cert((CERTS / "ca.pem").read_text()))
    make_long_chain()
    proxies.SITES.clear()
    proxies.SITES["any"] = ("ec", "any", "")
    for version in ("1.2", "1.3"):
        proxies.SITES[version] = ("ec", version, CIPHER)
        proxies.SITES[f"chain {version}"] = ("chain", version, CIPHER)
        proxies.SITES[f"long chain {version}"] = ("bench-chain", version, CIPHER)
    with proxies.lock:
        return proxies._nginx().ports


class Relay:
    """In front of one port. Both sides see a TCP connection of their own; counted is the client's.

    up, down: bytes of IP as the kernel counts segments (TCP_INFO), each with 52 bytes of IPv4 and TCP (with time stamps,
    as Linux has them) around what it carries: what tcpdump would add up to, the SYNs' other options aside.
    records: records of TLS with application data that the client sent (in TLS 1.3 the end of the handshake is one).
    """

    HEADERS = 52

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server((ADDRESS, 0))
        self.port = self.listener.getsockname()[1]
        self.up = self.down = self.records = 0
        self.done = threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self._serve(client)

    def _serve(self, client):
        server = socket.create_connection((ADDRESS, self.target))
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        down = threading.Thread(target=self._copy, args=(server, client, None), daemon=True)
        down.start()
        records = Records()
        self._copy(client, server, records)
        down.join()
        info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        acked, received, segments_out, segments_in = struct.unpack_from("=QQII", info, 120)
        self.down += acked + self.HEADERS * segments_out
        self.up += received + self.HEADERS * segments_in
        self.records += records.count
        client.close()
        server.close()
        self.done.release()

    @staticmethod
    def _copy(come_from, go_to, records):
        with contextlib.suppress(OSError):
            while data := come_from.recv(65536):
                if records is not None:
                    records.add(data)
                go_to.sendall(data)
            go_to.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Records:
    """Counts records with application data in one direction of a connection."""

    def __init__(self):
        self.count, self.rest = 0, b""

    def add(self, data):
        self.rest += data
        while len(self.rest) >= 5 and len(self.rest) >= (size := 5 + int.from_bytes(self.rest[3:5], "big")):
            self.count += self.rest[0] == 23
            self.rest = self.rest[size:]
