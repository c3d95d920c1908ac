# SPDX-License-Identifier: MIT
"""A disk with a cache that forgets: what was written and not flushed is gone after cut(), as with a real drive.

Served to the emulator over NBD (the network block device protocol, fixed newstyle handshake, simple replies) on a
socket in the file system. Killing the emulator alone would lose the guest's memory, but not the drive's.
"""
import os
import socket
import struct
import threading

SECTOR = 512
OPTION_MAGIC = 0x49484156454F5054  # "IHAVEOPT"
REPLY_MAGIC = 0x0003E889045565A9
OPT_ABORT, OPT_GO = 2, 7
REP_ACK, REP_INFO, REP_UNSUPPORTED = 1, 3, 0x80000001
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FUA = 1  # a write that is flushed by itself
EXPORT_FLAGS = 1 | 4 | 8  # flags are valid, FLUSH and FUA are understood
EINVAL = 22


class Disk:
    """Bytes of `path`, served on the socket `address`; `writes`, `bytes` and `flushes` count what reached the drive."""

    def __init__(self, path, address):
        self.file = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.file).st_size
        self.cache = {}  # sector number -> bytes, written and not flushed
        self.lock = threading.Lock()
        self.writes = self.bytes = self.flushes = 0
        self.cuts = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen(1)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, keep=None):
        """Power is gone: the cache is lost. With keep=random.Random(seed), each sector in it was perhaps written."""
        with self.lock:
            self.cuts += 1  # a connection from before the cut reaches nothing any more
            lost = len(self.cache)
            if keep is not None:
                for sector, data in self.cache.items():
                    if keep.random() < 0.5:
                        os.pwrite(self.file, data, sector * SECTOR)
                        lost -= 1
            self.cache.clear()
        return lost

    def close(self):
        self.listener.close()

    # ---- one connection

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, self.cuts), daemon=True).start()

    def _serve(self, connection, life):
        try:
            if self._negotiate(connection):
                while self._command(connection, life):
                    pass
        except (OSError, EOFError):
            pass
        finally:
            connection.close()

    def _negotiate(self, connection):
        connection.sendall(struct.pack(">8sQH", b"NBDMAGIC", OPTION_MAGIC, 1 | 2))
        _receive(connection, 4)
        while True:
            _, option, length = struct.unpack(">QII", _receive(connection, 16))
            _receive(connection, length)
            if option == OPT_GO:
                export = struct.pack(">HQH", 0, self.size, EXPORT_FLAGS)
                connection.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REP_INFO, len(export)) + export +
                                   struct.pack(">QIII", REPLY_MAGIC, option, REP_ACK, 0))
                return True
            kind = REP_ACK if option == OPT_ABORT else REP_UNSUPPORTED
            connection.sendall(struct.pack(">QIII", REPLY_MAGIC, option, kind, 0))
            if option == OPT_ABORT:
                return False

    def _command(self, connection, life):
        _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", _receive(connection, 28))
        data = _receive(connection, length) if kind == WRITE else b""
        answer, error = b"", 0
        with self.lock:
            if life != self.cuts or kind == DISCONNECT:
                return False
            if offset % SECTOR or length % SECTOR or offset + length > self.size:
                error = EINVAL
            elif kind == READ:
                answer = self._read(offset, length)
            elif kind == WRITE:
                self._write(offset, data)
                if flags & FUA:
                    self._flush()
            elif kind == FLUSH:
                self._flush()
            else:
                error = EINVAL
        connection.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + answer)
        return True

    def _read(self, offset, length):
        data = bytearray(os.pread(self.file, length, offset))
        for at in range(0, length, SECTOR):
            cached = self.cache.get((offset + at) // SECTOR)
            if cached is not None:
                data[at:at + SECTOR] = cached
        return bytes(data)

    def _write(self, offset, data):
        self.writes += 1
        self.bytes += len(data)
        for at in range(0, len(data), SECTOR):
            self.cache[(offset + at) // SECTOR] = data[at:at + SECTOR]

    def _flush(self):
        self.flushes += 1
        for sector, data in self.cache.items():
            os.pwrite(self.file, data, sector * SECTOR)
        self.cache.clear()


def _receive(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data
