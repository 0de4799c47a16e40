"""Values from RDB data: what types rely on is made sure of, whatever the data says, and encodings follow the limits."""

import random
from typing import Any

import pytest
from mtredis.durability.rdb.reader import Payload
from mtredis.durability.rdb.writer import dump
from mtredis.keyspace.database import Database, Keyspace
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream

from mtredis.durability.rdb import RdbError
from tests.support import rdb

NOW = 1_700_000_000_000
FUTURE = NOW + 1000
FOUR_PAIRS: list[bytes | int] = [b"a", 1, b"b", 2, b"c", 3, b"d", 4]
LIMITS = {
    "hash_max_listpack_entries": 3,
    "set_max_intset_entries": 3,
    "set_max_listpack_entries": 3,
    "zset_max_listpack_entries": 3,
    "list_max_listpack_size": 3,
}


def listpack(*elements: bytes | int) -> bytes:
    """A listpack in which bytes stay strings, even if they spell integers."""
    data = b""
    for element in elements:
        if isinstance(element, int):
            entry = bytes([element]) if 0 <= element < 128 else b"\xf4" + element.to_bytes(8, "little", signed=True)
        elif len(element) < 64:
            entry = bytes([0x80 + len(element)]) + element
        else:
            entry = (0xE000 | len(element)).to_bytes(2) + element
        data += entry + backwards(len(entry))
    count = min(len(elements), 65535)
    return (7 + len(data)).to_bytes(4, "little") + count.to_bytes(2, "little") + data + b"\xff"


def backwards(size: int) -> bytes:
    """How the size of an entry stands behind it."""
    return bytes([size]) if size < 128 else bytes([size >> 7, size & 127 | 128])


def restored(kind: int, value: bytes, limits: dict[str, int] | None = None) -> Database:
    """A database in which the value stands under k."""
    keyspace = Keyspace(1)
    keyspace.now = NOW
    keyspace.set_limits(limits or {})
    Payload(keyspace, rdb.payload(bytes([kind]) + value)).put(keyspace[0], b"k")
    return keyspace[0]


def refused(kind: int, value: bytes) -> str:
    """Why the value is none."""
    with pytest.raises(RdbError) as caught:
        restored(kind, value)
    return str(caught.value)


def test_the_listpacks_of_this_test_are_good() -> None:
    elements = [b"abc", 7, -5, b"x" * 100, b"12"]
    assert restored(18, b"\1\2" + rdb.string(listpack(*elements))).peek(b"k", List).range(0, -1) == [
        b"abc", b"7", b"-5", b"x" * 100, b"12"
    ]  # fmt: skip


# -- limits


@pytest.mark.parametrize(
    ("kind", "value", "encodings"),
    [
        (1, rdb.strings(b"a", b"b", b"c", b"d"), (b"listpack", b"quicklist")),
        (1, rdb.strings(b"a", b"b", b"c"), (b"listpack", b"listpack")),
        (10, rdb.string(rdb.ziplist(b"a")), (b"quicklist", b"quicklist")),
        (14, b"\1" + rdb.string(rdb.ziplist(b"a")), (b"listpack", b"listpack")),
        (14, b"\2" + rdb.string(rdb.ziplist(b"a")) * 2, (b"quicklist", b"quicklist")),
        (18, b"\1\2" + rdb.string(listpack(1, 2, 3, 4)), (b"listpack", b"quicklist")),
        (18, b"\1\1" + rdb.string(b"big" * 5000), (b"quicklist", b"quicklist")),
        (18, b"\1\1\5small", (b"quicklist", b"quicklist")),
        (2, rdb.strings(b"1", b"2", b"3"), (b"intset", b"intset")),
        (2, rdb.strings(b"1", b"2", b"3", b"4"), (b"intset", b"hashtable")),
        (2, rdb.strings(b"1", b"2", b"x"), (b"listpack", b"listpack")),
        (2, rdb.strings(b"1", b"2", b"x" * 65), (b"hashtable", b"hashtable")),
        (11, rdb.string(b"\2\0\0\0\4\0\0\0\1\0\2\0\3\0\4\0"), (b"intset", b"hashtable")),
        (20, rdb.string(listpack(b"a", b"b", b"c", b"d")), (b"listpack", b"hashtable")),
        (20, rdb.string(listpack(b"x" * 65)), (b"listpack", b"listpack")),
        (3, b"\1\1a\x031.5", (b"listpack", b"listpack")),
        (5, b"\4" + b"".join(b"\1%c" % name + bytes(8) for name in b"abcd"), (b"listpack", b"skiplist")),
        (5, b"\1\x40\x41" + b"x" * 65 + bytes(8), (b"skiplist", b"skiplist")),
        (12, rdb.string(rdb.ziplist(*FOUR_PAIRS)), (b"listpack", b"skiplist")),
        (17, rdb.string(listpack(*FOUR_PAIRS)), (b"listpack", b"skiplist")),
        (4, b"\4" + b"".join(b"\1%c\1v" % name for name in b"abcd"), (b"listpack", b"hashtable")),
        (4, b"\1\1f\x40\x41" + b"x" * 65, (b"hashtable", b"hashtable")),
        (9, rdb.string(rdb.zipmap((b"f%d" % n, b"v") for n in range(4))), (b"listpack", b"hashtable")),
        (13, rdb.string(rdb.ziplist(*FOUR_PAIRS)), (b"listpack", b"hashtable")),
        (16, rdb.string(listpack(*FOUR_PAIRS)), (b"listpack", b"hashtable")),
        (25, bytes(8) + rdb.string(listpack(b"a", 1, FUTURE, b"b", 2, 0)), (b"listpackex", b"listpackex")),
        (23, rdb.string(listpack(b"a", 1, FUTURE, b"b", 1, 0, b"c", 1, 0, b"d", 1, 0)), (b"listpackex", b"hashtable")),
        (24, FUTURE.to_bytes(8, "little") + b"\2\1\1a\1v\0\1b\1v", (b"listpackex", b"listpackex")),
        (24, bytes(8) + b"\4" + b"".join(b"\0\1%c\1v" % name for name in b"abcd"), (b"listpackex", b"hashtable")),
        (22, b"\1\x81" + FUTURE.to_bytes(8) + b"\1a\1v", (b"listpackex", b"listpackex")),
    ],
)
def test_encodings(kind: int, value: bytes, encodings: tuple[bytes, bytes]) -> None:
    for limits, encoding in zip((None, LIMITS), encodings, strict=True):
        db = restored(kind, value, limits)
        assert db.encoding(b"k") == encoding
        again = Keyspace(1)
        again.now = NOW
        again.set_limits(limits or {})
        data = dump(db, b"k")
        Payload(again, data).put(again[0], b"k")
        assert dump(again[0], b"k") == data or encoding == b"hashtable"


def test_lists_of_any_nodes_work_as_lists() -> None:
    """Small elements in nodes of their own, which only files bring, between packed ones that are too full."""
    generator = random.Random(6)
    for _ in range(300):
        parts, elements = [], list[bytes]()
        for _ in range(generator.randrange(1, 6)):
            texts = [generator.choice([b"a", b"bb", b"ccc"]) for _ in range(generator.randrange(1, 7))]
            if generator.randrange(2):
                texts = texts[:1]
                parts.append(b"\1" + rdb.string(texts[0]))
            else:
                parts.append(b"\2" + rdb.string(listpack(*texts)))
            elements += texts
        db = restored(18, bytes([len(parts)]) + b"".join(parts), {"list_max_listpack_size": 3})
        assert db.peek(b"k", List).range(0, -1) == elements
        change_at_random(db, elements, generator)


def change_at_random(db: Database, elements: list[bytes], generator: random.Random) -> None:
    """Twenty changes of the list, and of the Python list that it should equal."""
    for _ in range(20):
        handle = db.peek(b"k", List)
        at = generator.randrange(len(elements) + 1)
        match generator.randrange(6):
            case 0:
                handle.push([b"new"], True)
                elements.insert(0, b"new")
            case 1 if elements:
                assert handle.pop(False) == elements.pop()
            case 2 if at < len(elements):
                handle.set(at, b"set")
                elements[at] = b"set"
            case 3 if at < len(elements):
                assert handle.insert(elements[at], b"in", False)
                elements.insert(elements.index(elements[at]), b"in")
            case 4 if at < len(elements):
                value = elements[at]
                assert handle.remove(value, 1) == 1
                elements.remove(value)
            case 5:
                handle.trim(0, -2)
                elements[:] = elements[:-1]
        assert handle.range(0, -1) == elements
        if not elements:
            return


# -- order and spelling


def test_scores_out_of_order_are_put_in_order() -> None:
    db = restored(17, rdb.string(listpack(b"b", 2, b"a", 1, b"d", b"1.5", b"c", b"1.5")))
    assert db.encoding(b"k") == b"listpack"
    assert db.peek(b"k", SortedSet).members(0, 9) == [b"a", b"c", b"d", b"b"]


def test_times_out_of_order_are_put_in_order() -> None:
    db = restored(25, bytes(8) + rdb.string(listpack(b"a", 1, 0, b"b", 2, FUTURE + 2, b"c", 3, FUTURE)))
    hash_ = db.peek(b"k", Hash)
    assert hash_.items(NOW)[::2] == [b"c", b"b", b"a"]
    assert [hash_.time(field) for field in (b"a", b"b", b"c")] == [-1, FUTURE + 2, FUTURE]
    assert db.timed == 1


def test_integers_that_are_spelled_out_become_integers() -> None:
    for kind, members in ((20, [b"12", b"x"]), (16, [b"12", b"5"]), (17, [b"m", b"12"])):
        db = restored(kind, rdb.string(listpack(*members)))
        assert dump(db, b"k")[1] < len(listpack(*members))
    db = restored(20, rdb.string(listpack(b"12", b"x")))
    assert db.peek(b"k", Set).contains(b"12") and db.lookup_write(b"k", Set).remove(b"12") == 1
    assert "twice" in refused(20, rdb.string(listpack(b"12", 12)))


# -- refusals


PAIRS = "without what belongs to it"
TIME = "the time to live of a field is none"
SCORE = "a score is no number"
LISTPACK = "a listpack is damaged"
ZIPLIST = "ziplist"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (18, b"\1\1\0", "a node of a list is empty"),
        (16, rdb.string(listpack(b"a")), PAIRS),
        (17, rdb.string(listpack(b"a", 1, b"b")), PAIRS),
        (25, bytes(8) + rdb.string(listpack(b"a", 1)), PAIRS),
        (13, rdb.string(rdb.ziplist(b"a")), PAIRS),
        (16, rdb.string(listpack(b"a", 1, b"a", 2)), "twice"),
        (17, rdb.string(listpack(b"a", 1, b"a", 2)), "twice"),
        (20, rdb.string(listpack(*[b"m%d" % n for n in range(2000)], b"m77")), "twice"),
        (25, bytes(8) + rdb.string(listpack(b"a", 1, 0, b"a", 2, 0)), "twice"),
        (25, bytes(8) + rdb.string(listpack(b"a", 1, b"x")), TIME),
        (25, bytes(8) + rdb.string(listpack(b"a", 1, -1)), TIME),
        (25, bytes(8) + rdb.string(listpack(b"a", 1, 1 << 48)), TIME),
        (24, (1 << 50).to_bytes(8, "little") + b"\1\1\1a\1v", "the first time to live"),
        (17, rdb.string(listpack(b"a", b"x")), SCORE),
        (17, rdb.string(listpack(b"a", b"nan")), SCORE),
        (17, rdb.string(listpack(b"a", b"1" * 200)), SCORE),
        (17, rdb.string(listpack(b"a", b"")), SCORE),
        (3, b"\1\1a\2xx", SCORE),
        (3, b"\1\1a\xfd", SCORE),
        (16, rdb.string(listpack(b"a", 1)[:-1] + b"\0"), LISTPACK),
        (16, rdb.string(listpack(b"a", 1)[:-1]), LISTPACK),
        (16, rdb.string(listpack(b"a", 1) + b"\xff"), LISTPACK),
        (16, rdb.string(b""), LISTPACK),
        (11, rdb.string(b"\2\0\0\0\2\0\0\0\2\0\1\0"), "an intset is damaged"),
        (11, rdb.string(b"\2\0\0\0\2\0\0\0\1\0\1\0"), "an intset is damaged"),
        (11, rdb.string(b"\3\0\0\0\1\0\0\0\1\0\1"), "an intset is damaged"),
        (13, rdb.string(rdb.ziplist(b"a", 1)[:-1]), ZIPLIST),
        (13, rdb.string(rdb.ziplist(b"a", 1).replace(b"\3\xf2", b"\4\xf2")), ZIPLIST),
        (13, rdb.string(rdb.ziplist(b"a", 1)[:8] + b"\3\0" + rdb.ziplist(b"a", 1)[10:]), ZIPLIST),
        (13, rdb.string(rdb.ziplist(b"a", 1).replace(b"\1a", b"\x3fa")), ZIPLIST),
        (9, rdb.string(b"\2\1f\1\0v\xff"), "zipmap"),
        (9, rdb.string(b"\1\1f\1\5v\xff"), "zipmap"),
        (9, rdb.string(b"\1\1f\xff"), "zipmap"),
        (9, rdb.string(b"\1\xfe\xff\xff\xff\xff\xff"), "zipmap"),
    ],
)
def test_what_types_rely_on(kind: int, value: bytes, text: str) -> None:
    assert text in refused(kind, value)


# -- streams


def node(*entries: tuple[int, int], live: int | None = None, deleted: int = 0, flags: Any = 2, extra: int = 0) -> bytes:
    """A listpack of a stream of entries (differences of ms and seq) with one field."""
    live = len(entries) - deleted if live is None else live
    elements: list[bytes | int] = [live, deleted, 1, b"f", 0]
    for ms, seq in entries:
        elements += [flags, ms, seq, b"v", 4 + extra]
    return listpack(*elements)


def raw_id(ms: int, seq: int = 0) -> bytes:
    return ms.to_bytes(8) + seq.to_bytes(8)


def stream(*nodes: tuple[int, bytes], last: int = 9, length: int = 1, tail: bytes = b"\0") -> bytes:
    """A stream in the first version of the format."""
    data = bytes([len(nodes)]) + b"".join(rdb.string(raw_id(ms)) + rdb.string(entries) for ms, entries in nodes)
    return data + bytes([length, last, 0]) + tail


ENTRIES = "an entry of a stream is damaged"
MASTER = "the master entry"
COUNT = "as many entries as it says"
GROUP = b"\1\1g\5\0"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (stream((1, node((0, 0), live=2))), COUNT),
        (stream((1, node((0, 0), deleted=1))), COUNT),
        (stream((1, node((0, 0), (0, 0)))), ENTRIES),
        (stream((1, node((2, 0), (1, 0)))), ENTRIES),
        (stream((1, node((-1, 0)))), ENTRIES),
        (stream((1, node((0, 0), flags=4))), ENTRIES),
        (stream((1, node((0, 0), flags=b"2"))), ENTRIES),
        (stream((1, node((0, 0), flags=128))), ENTRIES),
        (stream((1, node((0, 0), extra=1))), ENTRIES),
        (stream((1, listpack(0, 0, 1, b"f", 1))), MASTER),
        (stream((1, listpack(0, 0, 100, b"f", 0))), MASTER),
        (stream((1, listpack(0, 0, -1, 0))), MASTER),
        (stream((1, listpack(b"x", 0, 0, 0))), MASTER),
        (stream((1, listpack())), MASTER),
        (stream((1, b"")), LISTPACK),
        (stream((2, node((0, 0))), (1, node((0, 0)))), "do not rise"),
        (stream((1, node((0, 0))), (1, node((0, 1)))), "do not rise"),
        (stream((1, node((5, 0))), (3, node((0, 0)))), "do not rise"),
        (stream((1, node((10, 0)))), "the last id of a stream is below"),
        (b"\1\3abc" + rdb.string(node((0, 0))), "the id of a stream's node is none"),
        (stream((1, node((0, 0))), tail=b"\2" + GROUP[1:] + b"\0\0" + GROUP[1:] + b"\0\0"), "a group is there twice"),
        (stream((1, node((0, 0))), tail=GROUP + b"\1" + raw_id(1) + bytes(8) + b"\1\0"), "for no consumer"),
        (
            stream((1, node((0, 0))), tail=GROUP + b"\0\1\1c" + bytes(8) + b"\1" + raw_id(1)),
            "pending for a consumer, but not in its group",
        ),
        (
            stream((1, node((0, 0))), tail=GROUP + b"\2" + 2 * (raw_id(1) + bytes(8) + b"\1") + b"\0"),
            "pending entries do not rise",
        ),
        (
            stream(
                (1, node((0, 0))),
                tail=GROUP + b"\1" + raw_id(1) + bytes(8) + b"\1\1\1c" + bytes(8) + b"\2" + raw_id(1) * 2,
            ),
            "pending twice",
        ),
        (stream((1, node((0, 0))), tail=GROUP + b"\0\2" + (b"\1c" + bytes(8) + b"\0") * 2), "a consumer is there"),
        (stream((1, node((0, 0))), tail=GROUP + b"\x81" + b"\x7f" * 8), "a number is wrong"),
        (stream((1, node((0, 0))), tail=b"\x81" + b"\x7f" * 8), "a number is wrong"),
    ],
)
def test_streams_that_are_none(value: bytes, text: str) -> None:
    assert text in refused(15, value)


def test_what_a_stream_says_of_itself_is_not_believed() -> None:
    value = stream((1, node((0, 0), (1, 0))), (5, node((0, 0))), length=60)
    handle = restored(15, value).peek(b"k", Stream)
    assert len(handle) == 3
    deleted = stream((1, node((0, 0), deleted=1, flags=3)), (5, node((0, 0))), length=1)
    assert len(restored(15, deleted).peek(b"k", Stream)) == 1
    assert len(restored(15, stream(length=0)).peek(b"k", Stream)) == 0


def test_versions_of_streams() -> None:
    entries = rdb.string(raw_id(1)) + rdb.string(node((0, 0)))
    group = b"\1g\1\0"
    pending = b"\1" + raw_id(1) + NOW.to_bytes(8, "little") + b"\3"
    seen, active = (NOW - 5).to_bytes(8, "little"), (NOW - 7).to_bytes(8, "little")
    consumer = b"\1\1c" + seen + b"\1" + raw_id(1)
    first = b"\1" + entries + b"\1\1\0\1" + group + pending + consumer
    counters = b"\1\0\0\0\x08"
    second = b"\1" + entries + b"\1\1\0" + counters + b"\1" + group + b"\6" + pending + consumer
    third = second.replace(seen, seen + active)
    for kind, value, written in ((15, first, seen + seen), (19, second, seen + seen), (21, third, seen + active)):
        data = dump(restored(kind, value), b"k", compress=False)
        assert data[0] == 21 and written in data
        assert (counters in data) == (kind != 15)
        assert data == dump(restored(21, rdb.body(data)[1:]), b"k", compress=False)
