"""RDB data written by hand, and payloads taken apart and put together again: for tests of DUMP, RESTORE and files.

Idea: `payload` and `file` put the ends on; the rest is bytes. `texts` generates what collections are made of: strings
at all the sizes where something changes. `damaged` spoils data at random.
"""

import random
from collections.abc import Iterable

from hypothesis import strategies as st
from mtredis.lib.crc64 import checksum

VERSION = 12
FOOTER = 10


def payload(body: bytes, version: int = VERSION) -> bytes:
    """What RESTORE takes: a type byte and a value become one with version and checksum."""
    data = body + version.to_bytes(2, "little")
    return data + checksum(data).to_bytes(8, "little")


def body(data: bytes) -> bytes:
    """What stands before the footer."""
    return data[:-FOOTER]


def file(*records: bytes, version: int = VERSION, with_checksum: bool = True) -> bytes:
    """A whole RDB file."""
    data = b"REDIS%04d" % version + b"".join(records) + b"\xff"
    if version < 5:
        return data
    return data + (checksum(data) if with_checksum else 0).to_bytes(8, "little")


def length(number: int) -> bytes:
    """A length in its shortest form."""
    if number < 1 << 6:
        return bytes([number])
    if number < 1 << 14:
        return (number | 0x4000).to_bytes(2)
    if number < 1 << 32:
        return b"\x80" + number.to_bytes(4)
    return b"\x81" + number.to_bytes(8)


def string(text: bytes) -> bytes:
    """A string as it is."""
    return length(len(text)) + text


def strings(*texts: bytes) -> bytes:
    """Their number, then they."""
    return length(len(texts)) + b"".join(map(string, texts))


def ziplist(*elements: bytes | int) -> bytes:
    """A ziplist with integers in the forms that Redis chose for them."""
    entries, previous, last = b"", 0, 10
    for element in elements:
        head = bytes([previous]) if previous < 254 else b"\xfe" + previous.to_bytes(4, "little")
        entry = head + _ziplist_entry(element)
        last, previous = 10 + len(entries), len(entry)
        entries += entry
    size = 10 + len(entries) + 1
    header = size.to_bytes(4, "little") + last.to_bytes(4, "little") + min(len(elements), 65535).to_bytes(2, "little")
    return header + entries + b"\xff"


def _ziplist_entry(element: bytes | int) -> bytes:
    if isinstance(element, bytes):
        size = len(element)
        if size < 64:
            return bytes([size]) + element
        if size < 16384:
            return (size | 0x4000).to_bytes(2) + element
        return b"\x80" + size.to_bytes(4) + element
    if 0 <= element <= 12:
        return bytes([0xF1 + element])
    for form, width in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -(1 << 8 * width - 1) <= element < 1 << 8 * width - 1:
            return bytes([form]) + element.to_bytes(width, "little", signed=True)
    raise ValueError(element)


def zipmap(pairs: Iterable[tuple[bytes, bytes]], spare: int = 0) -> bytes:
    """A zipmap with `spare` unused bytes behind each value."""
    listed = list(pairs)
    data = bytes([min(len(listed), 254)])
    for name, value in listed:
        data += _zipmap_length(name) + name + _zipmap_length(value) + bytes([spare]) + value + b"\0" * spare
    return data + b"\xff"


def _zipmap_length(text: bytes) -> bytes:
    return bytes([len(text)]) if len(text) < 254 else b"\xfe" + len(text).to_bytes(4, "little")


def damaged(data: bytes, generator: random.Random) -> bytes:
    """The data with some of its bytes changed, taken out, repeated, or its end cut off."""
    changed = bytearray(data)
    for _ in range(generator.randrange(1, 4)):
        at = generator.randrange(len(changed)) if changed else 0
        match generator.randrange(12):
            case 0:
                del changed[at:]
            case 1:
                del changed[at : at + generator.randrange(1, 9)]
            case 2:
                changed[at:at] = changed[at : at + generator.randrange(1, 9)]
            case 3 | 4:
                changed[at : at + 1] = bytes([(changed[at] if changed else 0) ^ 1 << generator.randrange(8)])
            case _:
                byte = generator.choice([0, 1, 2, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC3, 0xFE, 0xFF, *data[:4]])
                changed[at : at + 1] = bytes([byte])
    return bytes(changed)


edges = st.sampled_from([0, 12, 13, 127, 128, -1, -128, -129, 4095, 4096, -4097, 32767, -32769, 2**23, 2**31, -(2**63)])
sizes = st.sampled_from([0, 1, 20, 21, 63, 64, 65, 254, 4095, 4096, 9000])
texts = st.one_of(
    edges.map(lambda number: b"%d" % number),
    sizes.map(lambda size: b"x" * size),
    st.tuples(sizes, st.integers(0, 255)).map(lambda pair: bytes((i * 31 + pair[1]) & 255 for i in range(pair[0]))),
    st.binary(max_size=12),
    st.integers(0, 40).map(lambda number: b"member%d" % number),
)
