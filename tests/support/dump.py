"""The strings inside a DUMP payload of redis-server: where a packed collection lies byte for byte.

Limits: only what CONFIG SET rdbcompression no writes; only types that are one string, and quicklists of packed nodes.
"""

from tests.support.resp import Connection

INTSET, HASH_LISTPACK, ZSET_LISTPACK, QUICKLIST, SET_LISTPACK = 11, 16, 17, 18, 20
FOOTER = 10  # version and checksum
PACKED_NODE = 2


def read_length(payload: bytes, offset: int) -> tuple[int, int]:
    """An RDB length and the offset behind it."""
    first = payload[offset]
    if first < 0x40:
        return first, offset + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | payload[offset + 1], offset + 2
    assert first == 0x80, f"not a plain length: {first:#x}"
    return int.from_bytes(payload[offset + 1 : offset + 5], "big"), offset + 5


def read_string(payload: bytes, offset: int) -> tuple[bytes, int]:
    length, offset = read_length(payload, offset)
    return payload[offset : offset + length], offset + length


def packed_strings(payload: bytes) -> tuple[int, list[bytes]]:
    """The type byte, and the listpacks or the intset of the payload."""
    kind, end = payload[0], len(payload) - FOOTER
    nodes, offset = read_length(payload, 1) if kind == QUICKLIST else (1, 1)
    strings = []
    for _ in range(nodes):
        if kind == QUICKLIST:
            container, offset = read_length(payload, offset)
            assert container == PACKED_NODE
        string, offset = read_string(payload, offset)
        strings.append(string)
    assert offset == end
    return kind, strings


def dumped(connection: Connection, key: str) -> tuple[int, list[bytes]]:
    """packed_strings of a key of the server."""
    payload = connection.command("DUMP", key).data
    assert isinstance(payload, bytes)
    return packed_strings(payload)
