# SPDX-License-Identifier: MIT
"""HTTP proxies in front of the service: tinyproxy, and one of our own that writes down what passes in the clear and
answers as a test says.

    proxy = Proxy(login="user:password")     # or Proxy(answer=b"HTTP/1.1 403 No..."), Proxy(answer=None): silent
    ... proxy.address, proxy.heads, proxy.first_bytes
    with Tinyproxy(folder, login) as proxy: ... proxy.address
"""
import base64
import socket
import subprocess
import threading
import time


class Proxy:
    def __init__(self, login=None, answer=b""):
        """`answer`: in place of a tunnel; None: it never answers."""
        self.login, self.answer = login, answer
        self.heads = []  # what came before each answer
        self.first_bytes = []  # of each tunnel
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which would take one more
        except OSError:
            pass
        self.listener.close()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                data = peer.recv(1)
                if not data:
                    break
                head += data
            self.heads.append(head)
            if self.answer is None:
                peer.recv(1)
                return
            wanted = b"Proxy-Authorization: Basic " + base64.b64encode((self.login or "").encode()) + b"\r\n"
            if self.login and wanted not in head:
                peer.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                    b'Proxy-Authenticate: Basic realm="plant"\r\nContent-Length: 0\r\n\r\n'
                )
                return
            if self.answer:
                peer.sendall(self.answer)
                return
            host, port = head.split()[1].decode().rsplit(":", 1)
            with socket.create_connection((host, int(port))) as service:
                peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(service, peer), daemon=True)
                back.start()
                first = peer.recv(65536)
                self.first_bytes.append(first[:2])
                service.sendall(first)
                self._copy(peer, service)
                back.join()

    @staticmethod
    def _copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Tinyproxy:
    def __init__(self, folder, login=None):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.log = folder / "tinyproxy.log"
        settings = f'Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nMaxClients 10\nLogFile "{self.log}"\n'
        if login:
            settings += "BasicAuth {} {}\n".format(*login.split(":"))
        (folder / "tinyproxy.conf").write_text(settings)
        self.process = subprocess.Popen(["tinyproxy", "-d", "-c", str(folder / "tinyproxy.conf")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(self.address.rsplit(":", 1)).close()
                return self
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait()
