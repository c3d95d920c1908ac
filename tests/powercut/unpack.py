#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes the wrapping off Debian's kernels and modules, which an emulated processor needs seconds to take off at each start.

    unpack.py kernel VMLINUZ INTO [LOAD_ADDRESS]   the kernel without xz; with an address as a U-Boot image for there
    unpack.py module MODULE INTO                   the module without its signature
"""
import lzma
import pathlib
import struct
import sys
import zlib

XZ = b"\xfd7zXZ\0"
SIGNATURE = b"~Module signature appended~\n"  # behind the signature and 12 bytes, the last 4 of which are its length


def kernel(packed):
    at = packed.find(XZ)
    while at >= 0:
        try:
            return lzma.LZMADecompressor().decompress(packed[at:])
        except lzma.LZMAError:  # the name of the format in the program that unpacks it
            at = packed.find(XZ, at + 1)
    raise SystemExit("unpack.py: no xz data in the kernel")


def u_boot_image(data, address):
    def head(check):
        linux, arm, is_kernel, not_packed = 5, 2, 2, 0
        return struct.pack(">IIIIIIIBBBB32s", 0x27051956, check, 0, len(data), address, address, zlib.crc32(data),
                           linux, arm, is_kernel, not_packed, b"linux")

    return head(zlib.crc32(head(0))) + data


def module(signed):
    if not signed.endswith(SIGNATURE):
        return signed
    end = len(signed) - len(SIGNATURE)
    return signed[:end - 12 - int.from_bytes(signed[end - 4:end], "big")]


def main(what, source, into, *address):
    data = pathlib.Path(source).read_bytes()
    data = kernel(data) if what == "kernel" else module(data)
    if address:
        data = u_boot_image(data, int(address[0], 0))
    pathlib.Path(into).write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
