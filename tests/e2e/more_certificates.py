# SPDX-License-Identifier: MIT
"""Certificates that only the tests of TLS servers need: CERTS/more/NAME.pem, with NAME.key."""
import fcntl
import pathlib
import shutil
import subprocess

from device import CERTS


def made(name):
    """CERTS/more/NAME.pem, made when it is first asked for."""
    return str(CERTS / "more" / f"{name}.pem")


def make_more():
    """Makes them unless they are there. Several may do so at once, as with certs.sh."""
    with open(CERTS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_more(CERTS / "more")


def _make_more(folder):
    made_by, stamp = pathlib.Path(__file__).read_text(), folder / "done"
    if stamp.exists() and stamp.read_text() == made_by:
        return
    shutil.rmtree(folder, ignore_errors=True)  # those of another version are not all that is asked for
    folder.mkdir()
    leaf = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
    server = leaf + "extendedKeyUsage=serverAuth\n"
    localhost = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
    authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    def sign(
        name,
        extensions,
        issuer=CERTS / "ca",
        key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        digest="sha256",
    ):
        openssl("genpkey", "-algorithm", *key, "-out", f"{name}.key")
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN=more {name}", "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text(extensions)
        openssl(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            f"{issuer}.pem",
            "-CAkey",
            f"{issuer}.key",
            "-set_serial",
            str(abs(hash(name))),
            f"-{digest}",
            "-days",
            "3000",
            "-extfile",
            f"{name}.ext",
            "-out",
            f"{name}.pem",
        )

    def append(name, *others):
        with open(folder / f"{name}.pem", "a", encoding="ascii") as file:
            for other in others:
                file.write(
                    (folder / f"{other}.pem").read_text().split("-----END CERTIFICATE-----")[0]
                    + "-----END CERTIFICATE-----\n"
                )

    def padding(size, word):
        names = ",".join(f"DNS:{word}-{n:04}.{'x' * 40}.test" for n in range(size // 60))
        return f"subjectAltName=DNS:localhost,{names}\n"

    rsa1024 = ("rsa", "-pkeyopt", "rsa_keygen_bits:1024")
    sign("clientonly", leaf + "extendedKeyUsage=clientAuth\n" + localhost)
    sign("rsa1024", server + localhost, key=rsa1024)
    sign("addressname", server + "subjectAltName=DNS:127.0.0.1\n")
    sign("sha1", server + localhost, digest="sha1")
    sign("leaf", server + localhost)
    sign("leafasca", server + localhost, issuer=folder / "leaf")
    append("leafasca", "leaf")
    sign(
        "zeroname",
        server + "subjectAltName=DER:30:15:82:13:6c:6f:63:61:6c:68:6f:73:74:00:2e:6f:74:68:65:72:2e:74:6b\n",
    )
    sign("widewild", server + "subjectAltName=DNS:*,DNS:*.localdomain\n")
    for name, count, size in (("6k", 2, 1500), ("12k", 3, 2500), ("50k", 6, 8000)):
        issuer = CERTS / "ca"
        links = []
        for n in range(count):
            link = f"link{name}-{n}"
            sign(link, authority + padding(size, "ca"), issuer=issuer)
            issuer = folder / link
            links.insert(0, link)
        sign(f"chain{name}", server + padding(size // 2, "leaf"), issuer=issuer)
        append(f"chain{name}", *links)
    sign("big50k", server + padding(48000, "name"))
    stamp.write_text(made_by)
