# SPDX-License-Identifier: MIT
"""The device's own certificate (client_cert_file, client_key_file), with servers that ask for one. Rows as in rows.py."""
import functools
import os
import re
import signal
import subprocess
import unittest

from device import CERTS, make_certificates, wait_until
from more_certificates import made, make_more
from peers import GnuTls, OpenSsl, folder, lock
from proxies import Nginx
from rows import Client, Row, Runner, Seen, fill, to, versions

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
P384 = ("ec", "-pkeyopt", "ec_paramgen_curve:secp384r1")


def rsa(bits):
    return ("rsa", "-pkeyopt", f"rsa_keygen_bits:{bits}")


def openssl(where, *words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=where)


@functools.cache
def _own():
    """NAME.pem and NAME.key of devices, in a folder of their own."""
    make_certificates(str(CERTS))
    where = folder()
    authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
    client = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"

    def sign(name, key=EC, issuer=CERTS / "ca", extensions=client, days=3000):
        openssl(where, "genpkey", "-algorithm", *key, "-out", f"{name}.key")
        openssl(where, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN=device {name}", "-out", "request.csr")
        (where / "ext").write_text(extensions)
        signed_by = ["-signkey", f"{name}.key"] if issuer is None else ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"]
        openssl(
            where, "x509", "-req", "-in", "request.csr", *signed_by, "-set_serial", str(len(name) + days * 100),
            "-sha256", "-days", str(days), "-extfile", "ext", "-out", f"{name}.pem",
        )  # fmt: skip
        os.chmod(where / f"{name}.key", 0o600)

    sign("ec")
    sign("p384", P384)
    sign("rsa2048", rsa(2048))
    sign("rsa4096", rsa(4096))
    sign("inter", extensions=authority)
    sign("chain", issuer=where / "inter")
    (where / "chain.pem").write_bytes((where / "chain.pem").read_bytes() + (where / "inter.pem").read_bytes())
    sign("stranger", issuer=None)
    names = ",".join(f"DNS:device-{n:03}.{'x' * 40}.test" for n in range(54))
    sign("long", extensions=client + f"subjectAltName={names}\n")
    der = len((where / "long.pem").read_bytes()) * 3 // 4
    assert 3300 < der < 3700, der
    for name, kind in (("rsa2048", "rsa"), ("ec", "ec")):
        (where / f"{kind}old.pem").write_bytes((where / f"{name}.pem").read_bytes())
        openssl(where, kind, "-in", f"{name}.key", "-out", f"{kind}old.key", *(["-traditional"] * (kind == "rsa")))
    parameters = subprocess.run(["openssl", "ecparam", "-name", "prime256v1"], check=True, capture_output=True).stdout
    (where / "ecold.key").write_bytes(parameters + (where / "ecold.key").read_bytes())
    openssl(where, "pkey", "-in", "ec.key", "-aes128", "-passout", "pass:x", "-out", "locked.key")
    openssl(where, "rsa", "-in", "rsa2048.key", "-aes128", "-passout", "pass:x", "-traditional", "-out", "lockedold.key")
    for name in ("ecold", "rsaold", "locked", "lockedold"):
        os.chmod(where / f"{name}.key", 0o600)
    # From 2020 to 2021: `openssl x509` cannot say so.
    (where / "index.txt").write_text("")
    (where / "ca.cnf").write_text(
        "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n"
        "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n"
    )
    openssl(where, "req", "-new", "-key", "ec.key", "-subj", "/CN=device old", "-out", "request.csr")
    openssl(
        where, "ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", f"{CERTS}/ca.pem", "-keyfile",
        f"{CERTS}/ca.key", "-in", "request.csr", "-out", "expired.pem", "-startdate", "20200101000000Z",
        "-enddate", "20210101000000Z",
    )  # fmt: skip
    (where / "expired.key").write_bytes((where / "ec.key").read_bytes())
    os.chmod(where / "expired.key", 0o600)
    return where


def own(name, key=None):
    with lock:
        where = _own()
    return {"client_cert_file": where / f"{name}.pem", "client_key_file": where / f"{key or name}.key"}


def shown(make, name):
    return lambda row: row.send(make(), stream=own(name))


REQUIRED = ("-Verify", "2", "-verify_return_error", "-CAfile", f"{CERTS}/ca.pem")
GOOD = ("ec", "p384", "rsa2048", "rsa4096", "chain", "long", "ecold", "rsaold")

OWN = versions(
    lambda v, libraries: [
        *(
            Row(
                f"nginx, TLS {v}, requires one: {name}",
                "accepted",
                shown(lambda: Nginx(f"client required {v}"), name),
                libraries,
            )
            for name in GOOD
        ),
        *(
            Row(
                f"s_server, TLS {v}, requires one: {name}",
                "accepted",
                shown(lambda: OpenSsl(f"-tls1_{v[2]}", *REQUIRED), name),
                libraries,
            )
            for name in GOOD
        ),
        *(
            Row(
                f"gnutls-serv, TLS {v}, requires one: {name}",
                "unknown: status line",
                shown(
                    lambda: GnuTls(
                        f"NORMAL:-VERS-ALL:+VERS-TLS{v}",
                        "--require-client-cert",
                        "--verify-client-cert",
                        "--x509cafile",
                        f"{CERTS}/ca.pem",
                    ),
                    name,
                ),
                libraries,
            )
            for name in ("ec", "rsa2048", "chain")
        ),
        # What takes most of the arena: both show as much as they may.
        *(
            Row(
                f"s_server with a chain of 6 KB, TLS {v}, requires one: {name}",
                "accepted",
                shown(lambda: OpenSsl(f"-tls1_{v[2]}", *REQUIRED, cert=made("chain6k")), name),
                libraries,
            )
            for name in ("long", "rsa4096")
        ),
        Row(f"nginx, TLS {v}, asks for one", "accepted", shown(lambda: Nginx(f"client asked {v}"), "ec"), libraries),
        Row(f"nginx, TLS {v}, asks for none", "accepted", shown(lambda: Nginx(f"ec {v}"), "ec"), libraries),
        Row(
            f"nginx, TLS {v}, knows nothing of its CA",
            "later",
            shown(lambda: Nginx(f"client required {v}"), "stranger"),
            libraries,
        ),
        *(
            Row(
                f"s_server, TLS {v}, {what}",
                f"not sent or unknown: {words}",
                (shown if name else lambda make, _: to(make))(lambda: OpenSsl(f"-tls1_{v[2]}", *REQUIRED), name),
                libraries,
                unread=True,
            )
            for what, name, words in (
                ("requires one and gets none", None, "wants a client certificate"),
                ("knows nothing of its CA", "stranger", "client certificate from an unknown CA"),
                ("gets an expired one", "expired", "client certificate expired"),
            )
        ),
    ]
)


def renewed(row, version):
    """New files count without a restart, and end the session before."""
    peer = Nginx(f"client logged {version}")
    device = Client(row.library, peer, stream=own("ec"))
    files = {key: device.folder / key for key in own("ec")}
    device.write_config(stream={"timeout": "5s", **files})

    def put(name):
        for key, source in own(name).items():
            new = device.folder / "new"
            new.write_bytes(source.read_bytes())
            new.chmod(0o600)
            new.rename(files[key])

    put("ec")
    device.start()
    for turn, name in enumerate(("ec", "ec", "rsa2048")):
        put(name) if name != "ec" else None
        text = f"{row.name} {row.library} {turn}"
        device.wait_state(device.send(text)[0], "accepted")
        wait_until(lambda text=text: peer.log(text), "nginx notes it")
        line = peer.log(text)[0]
        if (line["reused"], line["client"]) != ([".", "r", "."][turn], f"CN=device {name}"):
            raise AssertionError(f"{turn}: {line}")
    device.stop()
    said = "".join(device.said) + device.log_file.read_text()
    assert "PRIVATE" not in said
    device.close()
    return Seen("accepted", requests=3)


RENEWED = versions(
    lambda v, libraries: [
        Row(f"nginx, TLS {v}, files changed under the daemon", "accepted", lambda row: renewed(row, v), libraries, unread=None)
    ]
)

fill(globals(), "Own", OWN)
fill(globals(), "Renewed", RENEWED)


class Files(unittest.TestCase):
    """What is wrong with them is said by `check`, with what to do, and by `run`, which sends nothing then."""

    def check(self, library, stream, exit_status, *words, mode=0o600):
        client = Client(library, Nginx("any"), stream=stream)
        try:
            result = client.run("check")
            said = result.out + result.err
            self.assertEqual(result.exit, exit_status, said)
            for word in words:
                self.assertRegex(said, word)
            self.assertNotIn("PRIVATE", said)
        finally:
            client.close()

    def test_what_is_wrong(self):
        where = _own()
        empty, huge, loose = (folder() / name for name in ("empty", "huge", "loose"))
        empty.write_bytes(b"")
        empty.chmod(0o600)
        huge.write_bytes((where / "rsa4096.pem").read_bytes() * 5)
        loose.write_bytes((where / "ec.key").read_bytes())
        loose.chmod(0o640)
        ec = own("ec")
        pair = r"client_key_file\) .* does not belong to the client certificate \(client_cert_file\) .*: take both of one pair"
        for library in ("2.28", "3.6"):
            for stream, exit_status, words in (
                (ec, 0, "good"),
                (own("expired"), 0, r"expired on 2021-01-01: .*put a new one there"),
                (own("ec", "rsa2048"), 78, pair),
                (own("ec", "p384"), 78, pair),
                (own("ec", "locked"), 78, "locked.key is none .*without a password"),
                (own("rsa2048", "lockedold"), 78, "lockedold.key is none .*without a password"),
                ({**ec, "client_key_file": loose}, 78, f"chmod 600 {loose}"),
                ({**ec, "client_key_file": empty}, 78, f"{empty} is none that is understood"),
                ({**ec, "client_key_file": "/nowhere"}, 78, "there is no client key file /nowhere"),
                ({**ec, "client_key_file": ec["client_cert_file"]}, 78, "chmod 600|is none that is understood"),
                ({**ec, "client_cert_file": empty}, 78, f"{empty} is none that is understood"),
                ({**ec, "client_cert_file": huge}, 78, "too long: 3,600 bytes"),
                ({**ec, "client_cert_file": "/nowhere"}, 78, r"client_cert_file\) /nowhere: no such file"),
                ({"client_cert_file": ec["client_cert_file"]}, 78, "`client_cert_file` stands here and no `client_key_file`"),
            ):
                with self.subTest(library=library, stream=stream):
                    self.check(library, stream, exit_status, words)

    def test_daemon_holds_its_stream_and_goes_on_when_that_is_mended(self):
        for library in ("2.28", "3.6"):
            peer = Nginx("client required 1.2")
            device = Client(library, peer, stream=own("ec", "p384"))
            device.start()
            [identifier] = device.send(f"mended {library}")
            device.log.wait("does not belong to the client certificate")
            self.assertEqual(device.message(identifier)["state"], "queued")
            device.write_config(stream={"timeout": "5s", **own("ec")})
            device.process.send_signal(signal.SIGHUP)
            device.wait_state(identifier, "accepted")
            device.stop()
            self.assertFalse(re.search("PRIVATE", device.log_file.read_text()))
            device.close()


if __name__ == "__main__":
    make_certificates(str(CERTS))
    make_more()
    unittest.main(testRunner=Runner)
