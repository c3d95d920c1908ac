# SPDX-License-Identifier: MIT
"""Names for the input lines of the emulated board, as the maker of a real board gives them: in its device tree.

Only what that needs of the flattened format (Devicetree Specification 0.4, chapter 5).
"""
import struct

HEADER = ">10I"
BEGIN_NODE, PROP = 1, 3


def with_property(blob, node, name, value):
    """The tree `blob` with property `name` added to the only node whose name starts with `node`."""
    magic, _, structs, strings, reserved, version, compatible, cpu, strings_size, structs_size = struct.unpack_from(
        HEADER, blob)
    assert magic == 0xD00DFEED and version == 17
    tree, words = blob[structs:structs + structs_size], blob[strings:strings + strings_size]
    at = tree.index(struct.pack(">I", BEGIN_NODE) + node.encode()) + 4
    at += len(_padded(tree[at:tree.index(b"\0", at) + 1]))
    added = struct.pack(">III", PROP, len(value), len(words)) + _padded(value)
    tree, words = tree[:at] + added + tree[at:], words + name.encode() + b"\0"
    map_end = blob.index(bytes(16), reserved) + 16  # an entry of zeros ends it
    start = 40 + map_end - reserved
    head = struct.pack(HEADER, magic, start + len(tree) + len(words), start, start + len(tree), 40, version, compatible,
                       cpu, len(words), len(tree))
    return head + blob[reserved:map_end] + tree + words


def string_list(texts):
    return b"".join(text.encode() + b"\0" for text in texts)


def _padded(data):
    return data + bytes(-len(data) % 4)
