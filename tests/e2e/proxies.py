# SPDX-License-Identifier: MIT
"""nginx, and lighttpd with other TLS libraries, in front of the simulated service: its real answers travel through
them. As the servers of peers.py.
"""
import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import threading

from device import CERTS, make_certificates, wait_until
from peers import Peer, ask_backend, backend, end, folder, listens, listening, lock, reserve, whole_message

SITES = {  # certificate, versions, more
    **{f"{cert} {v}": (cert, v, "") for cert in ("ec", "rsa", "chain") for v in ("1.2", "1.3")},
    **{
        f"{bad} {v}": (bad, v, "")
        for bad in ("expired", "future", "wronghost", "unknownca", "selfsigned", "nochain")
        for v in ("1.2", "1.3")
    },
    "any": ("ec", "any", ""),
    "rsa any": ("rsa", "any", ""),
    "rsa 1.2 own choice": ("rsa", "1.2", "ssl_prefer_server_ciphers on;"),
    "tickets off": ("ec", "any", "ssl_session_tickets off; ssl_session_cache off; keepalive_requests 1;"),
    "tickets on 1.2": ("ec", "1.2", "keepalive_requests 1;"),
    "tickets on 1.3": ("ec", "1.3", "keepalive_requests 1;"),
    "session ids 1.2": (
        "ec",
        "1.2",
        "ssl_session_tickets off; ssl_session_cache shared:S:1m; keepalive_requests 1;",
    ),
    "rotated 1.2": ("ec", "1.2", "keepalive_requests 1; ssl_session_ticket_key {folder}/ticket.key;"),
    "rotated 1.3": ("ec", "1.3", "keepalive_requests 1; ssl_session_ticket_key {folder}/ticket.key;"),
    **{f"P-384 {v}": ("ec", v, "ssl_ecdh_curve secp384r1;") for v in ("1.2", "1.3")},
    **{f"P-521 {v}": ("ec", v, "ssl_ecdh_curve secp521r1;") for v in ("1.2", "1.3")},
    **{
        f"client asked {v}": ("ec", v, "ssl_verify_client optional; ssl_client_certificate {certs}/ca.pem;")
        for v in ("1.2", "1.3")
    },
    **{
        f"client required {v}": ("ec", v, "ssl_verify_client on; ssl_client_certificate {certs}/ca.pem;")
        for v in ("1.2", "1.3")
    },
    **{
        f"client logged {v}": (
            "ec",
            v,
            "ssl_verify_client on; ssl_client_certificate {certs}/ca.pem; keepalive_requests 1;",
        )
        for v in ("1.2", "1.3")
    },
    "gzip": (
        "ec",
        "any",
        "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; gzip_http_version 1.0;",
    ),
    "small buffers": ("ec", "any", "ssl_buffer_size 1k; proxy_buffering off;"),
    **{
        f"cipher {name}": ("rsa", "1.2", f"ssl_ciphers {name}; ssl_prefer_server_ciphers on;")
        for name in (
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305",
        )
    },
    "h2 as well": ("ec", "any", "http2"),
    "backend gone": ("ec", "any", "gone"),
}
PROTOCOLS = {"1.2": "TLSv1.2", "1.3": "TLSv1.3", "any": "TLSv1.2 TLSv1.3"}


class NginxProcess:
    """One nginx with every site on a port of its own."""

    def __init__(self):
        self.folder = folder()
        make_certificates(str(CERTS))
        self.rotate()
        self.ports, self.kept, blocks = {}, [], []
        gone, gone_port = reserve()
        self.kept.append(gone)
        for name, (cert, version, more) in SITES.items():
            kept, port = reserve()
            self.kept.append(kept)
            self.ports[name] = port
            http2, to = "", backend().port
            if more == "http2":
                http2, more = " http2", ""
            if more == "gone":
                to, more = gone_port, ""
            blocks.append(
                f"server {{ listen 127.0.0.1:{port} ssl{http2}; ssl_certificate {CERTS}/{cert}.pem;"
                f" ssl_certificate_key {CERTS}/{cert}.key; ssl_protocols {PROTOCOLS[version]};"
                f" {more.format(folder=self.folder, certs=CERTS)}"
                f" location / {{ proxy_pass https://127.0.0.1:{to}; proxy_http_version 1.1;"
                f' proxy_set_header Connection ""; }} }}\n'
            )
        user = "user root;\n" if os.geteuid() == 0 else ""
        paths = "".join(
            f"{p}_temp_path {self.folder}/{p}; " for p in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {self.folder}/pid;\n"
            f"error_log {self.folder}/error.log info;\n"
            "events { worker_connections 512; }\n"
            "http {\n"
            'log_format row escape=json \'{"port":"$server_port","tls":"$ssl_protocol","cipher":"$ssl_cipher",'
            '"reused":"$ssl_session_reused","client":"$ssl_client_s_dn","status":"$status","body":"$request_body"}\';\n'
            f"access_log {self.folder}/access.log row;\n{paths}\n{''.join(blocks)}}}\n"
        )
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "stderr", "w"),  # noqa: SIM115
        )
        atexit.register(end, self.process)
        wait_until(lambda: listens(self.ports["any"]), "nginx listens")

    def rotate(self):
        (self.folder / "ticket.key").write_bytes(os.urandom(80))

    def reload(self):
        """New keys for tickets, as an administrator gives them."""
        self.rotate()
        workers = (self.folder / "error.log").read_text().count("start worker process ")
        self.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: (self.folder / "error.log").read_text().count("start worker process ") > workers
            and "gracefully shutting down" in (self.folder / "error.log").read_text(),
            "nginx took the new keys",
        )

    def log(self, port):
        lines = (self.folder / "access.log").read_text().splitlines()
        return [r for line in lines if (r := json.loads(line))["port"] == str(port)]


@functools.cache
def _nginx():
    return NginxProcess()


class Nginx(Peer):
    def __init__(self, site, own=False):
        """`own`: a process of its own, that a test may reload."""
        with lock:
            self.process = NginxProcess() if own else _nginx()
        self.port = self.process.ports[site]

    def log(self, text):
        return [r for r in self.process.log(self.port) if text in r["body"]]

    def requests(self, text):
        return max(len(self.log(text)), super().requests(text))


class Lighttpd(Peer):
    """lighttpd with another TLS library, in front of the simulated service."""

    def __init__(self, library, *commands, cert="ec"):
        self.library, self.commands, self.cert = library, commands, cert

    def __enter__(self):
        self.folder = folder()
        self.kept, self.port = reserve()
        self.plain = PlainBridge()
        commands = ", ".join(f'"{k}" => "{v}"' for k, v in self.commands)
        key = self.folder / "key"  # NSS takes no other form
        subprocess.run(
            ["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", f"{CERTS}/{self.cert}.key", "-out", key],
            check=True,
        )
        (self.folder / "conf").write_text(
            f'server.document-root = "{self.folder}"\nserver.port = {self.port}\nserver.bind = "127.0.0.1"\n'
            f'server.errorlog = "{self.folder}/error.log"\n'
            f'server.modules = ("mod_proxy", "mod_{self.library}")\nssl.engine = "enable"\n'
            f'ssl.pemfile = "{CERTS}/{self.cert}.pem"\nssl.privkey = "{key}"\n'
            f"ssl.openssl.ssl-conf-cmd = ({commands})\n"
            f'proxy.server = ("" => (("host" => "127.0.0.1", "port" => {self.plain.port})))\n'
        )
        self.process = subprocess.Popen(
            ["/usr/sbin/lighttpd", "-D", "-f", str(self.folder / "conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: listening(self.port) or self.process.poll() is not None, "lighttpd listens")
        assert self.process.poll() is None, (self.folder / "error.log").read_text()
        return self

    def __exit__(self, *_):
        end(self.process)
        self.plain.close()
        self.kept.close()


class PlainBridge:
    """Plain HTTP in front of the simulated service, for a proxy that speaks no TLS to it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            data = b""
            while more := connection.recv(65536):
                data += more
                while (size := whole_message(data)) is not None:
                    connection.sendall(ask_backend(data[:size]))
                    data = data[size:]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
