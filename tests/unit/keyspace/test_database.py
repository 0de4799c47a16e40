"""What a single lookup or change does: encodings, limits, statistics, clocks, several databases."""

import gc
import weakref

import pytest
from mtredis.keyspace.database import Keyspace

from mtredis.errors import CommandError, NoSuchKey, NotInteger, WrongType

NOW = 1_700_000_000_000
LIST = 1


class Value:
    def __init__(self, items=()):
        self.items = list(items)

    def __copy__(self):
        return Value(self.items)


@pytest.fixture
def keyspace():
    keyspace = Keyspace(4)
    keyspace.now = NOW
    return keyspace


@pytest.fixture
def db(keyspace):
    return keyspace[0]


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"0", b"int"), (b"-1", b"int"), (b"9223372036854775807", b"int"), (b"-9223372036854775808", b"int"),
        (b"9223372036854775808", b"embstr"), (b"-9223372036854775809", b"embstr"), (b"-0", b"embstr"),
        (b"+1", b"embstr"), (b"01", b"embstr"), (b" 1", b"embstr"), (b"1 ", b"embstr"), (b"", b"embstr"),
        (b"-", b"embstr"), (b"1.0", b"embstr"), (b"x" * 44, b"embstr"), (b"x" * 45, b"raw"), (b"1" * 44, b"embstr"),
        (b"\0" * 20, b"embstr"), (b"x" * 100000, b"raw"),
    ],
)
def test_encoding_of_a_set_value(db, value, encoding):
    db.set_string(b"k", value)
    assert (db.encoding(b"k"), db.string(b"k"), db.string_length(b"k")) == (encoding, value, len(value))


def test_encodings_after_changes(db):
    db.append(b"k", b"12")
    assert db.encoding(b"k") == b"int"
    assert db.append(b"k", b"3") == 3
    assert (db.encoding(b"k"), db.string(b"k")) == (b"raw", b"123")
    assert db.increment(b"k", 1) == 124
    assert db.encoding(b"k") == b"int"
    assert db.append(b"k", b"") == 3
    assert db.encoding(b"k") == b"raw"
    db.set_string(b"k", b"abc")
    assert db.encoding(b"k") == b"embstr"
    db.set_range(b"k", 1, b"x")
    assert (db.encoding(b"k"), db.string(b"k")) == (b"raw", b"axc")
    db.set_bit(b"new", 7, 1)
    assert (db.encoding(b"new"), db.string(b"new")) == (b"raw", b"\x01")
    db.set_plain_keep_ttl(b"f", b"5")
    assert (db.encoding(b"f"), db.increment(b"f", 1), db.encoding(b"f")) == (b"embstr", 6, b"int")
    db.set_raw(b"r", b"5")
    assert (db.encoding(b"r"), db.string(b"r")) == (b"raw", b"5")
    assert db.encoding(b"missing") is None


def test_a_new_key_of_set_range_is_raw(db):
    assert db.set_range(b"k", 3, b"ab") == 5
    assert (db.string(b"k"), db.encoding(b"k")) == (b"\0\0\0ab", b"raw")
    assert db.set_range(b"other", 10, b"") == 0
    assert not db.exists(b"other")
    assert db.set_range(b"k", 100, b"") == 5


@pytest.mark.parametrize("length", [0, 1, 43, 44, 45, 255, 256, 4096, (1 << 24) - 1, 1 << 24, (1 << 24) + 5])
@pytest.mark.parametrize("key_length", [0, 1, 255, 256, 70000])
def test_all_layouts(db, key_length, length):
    key, value = b"k" * key_length, b"v" * length
    db.set_string(key, value)
    assert db.string_length(key) == length
    db.set_expire(key, NOW + 5)
    assert (db.string(key) == value, db.expire_at(key), db.volatile) == (True, NOW + 5, 1)
    assert db.keys() == [key]
    assert db.append(key, b"!") == length + 1
    assert db.string(key) == value + b"!"
    assert db.expire_at(key) == NOW + 5
    assert db.persist(key)
    assert (db.string(key) == value + b"!", db.expire_at(key), db.volatile) == (True, -1, 0)
    db.rename(key, b"other")
    assert db.string(b"other") == value + b"!"


def test_growing_across_the_extended_layout(db):
    parts = [b"a" * 9_000_000, b"b" * 9_000_000]
    for part in parts:
        db.append(b"k", part)
    assert db.string(b"k") == b"".join(parts)
    db.set_string(b"k", b"small")
    assert db.string(b"k") == b"small"
    assert db.memory_usage(b"k") < 200


def test_replacing_in_place_keeps_what_it_should(db):
    db.set_string(b"k", b"a" * 32, NOW + 10)
    db.set_string_keep_ttl(b"k", b"b" * 30)
    assert (db.string(b"k"), db.expire_at(b"k")) == (b"b" * 30, NOW + 10)
    db.set_string(b"k", b"c" * 32)
    assert (db.string(b"k"), db.expire_at(b"k"), db.volatile) == (b"c" * 32, -1, 0)
    db.set_string(b"k", b"17", NOW + 20)
    assert (db.string(b"k"), db.expire_at(b"k"), db.volatile) == (b"17", NOW + 20, 1)
    assert db.increment(b"k", 3) == 20
    assert db.expire_at(b"k") == NOW + 20
    db.set_string_keep_ttl(b"k", b"d" * 5000)
    assert (db.string(b"k"), db.expire_at(b"k")) == (b"d" * 5000, NOW + 20)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, -1, b"hello world"), (0, 4, b"hello"), (-5, -1, b"world"), (-100, 2, b"hel"), (5, 3, b""), (-1, -5, b""),
     (20, 30, b""), (0, 1000, b"hello world"), (-100, -100, b"h"), (3, 3, b"l"), (0, -(2**63), b"h"),
     (2**63 - 1, -1, b"")],
)
def test_string_range(db, start, end, expected):
    db.set_string(b"k", b"hello world")
    assert db.string_range(b"k", start, end) == expected


def test_ranges_of_numbers_and_of_nothing(db):
    db.set_string(b"n", b"-12345")
    assert (db.string_range(b"n", 1, 2), db.get_bit(b"n", 2), bytes(db.string_view(b"n"))) == (b"12", 1, b"-12345")
    assert (db.string_range(b"x", 0, -1), db.get_bit(b"x", 5), bytes(db.string_view(b"x"))) == (b"", 0, b"")
    db.set_string(b"empty", b"")
    assert db.string_range(b"empty", 0, -1) == b""


def test_bits(db):
    assert [db.set_bit(b"k", offset, 1) for offset in (0, 7, 17, 7)] == [0, 0, 0, 1]
    assert db.string(b"k") == b"\x81\0\x40"
    assert db.set_bit(b"k", 0, 0) == 1
    assert [db.get_bit(b"k", offset) for offset in (0, 7, 17, 18, 10**9)] == [0, 1, 1, 0, 0]


def test_increment_limits(db):
    assert db.increment(b"k", 2**63 - 1) == 2**63 - 1
    with pytest.raises(CommandError, match="ERR increment or decrement would overflow"):
        db.increment(b"k", 1)
    assert db.increment(b"k", -(2**63)) == -1
    assert db.increment(b"k", -(2**63 - 1)) == -(2**63)
    with pytest.raises(CommandError, match="overflow"):
        db.increment(b"k", -1)
    assert db.string(b"k") == b"-9223372036854775808"
    db.set_string(b"text", b"12a")
    with pytest.raises(NotInteger):
        db.increment(b"text", 1)
    db.set_string(b"empty", b"")
    with pytest.raises(NotInteger):
        db.increment(b"empty", 1)


def test_the_longest_string(keyspace, db):
    keyspace.proto_max_bulk_len = 100
    db.set_string(b"k", b"x" * 90)
    for change in (lambda: db.append(b"k", b"y" * 11), lambda: db.set_range(b"k", 100, b"y"),
                   lambda: db.set_bit(b"k", 800, 1), lambda: db.set_range(b"k", 2**63 - 1, b"y")):
        with pytest.raises(CommandError) as caught:
            change()
        assert str(caught.value) == "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    assert db.append(b"k", b"y" * 10) == 100


def test_wrong_type(db):
    value = Value()
    assert db.put_object(b"l", value, LIST)
    for use in (lambda: db.string(b"l"), lambda: db.append(b"l", b"x"), lambda: db.increment(b"l", 1),
                lambda: db.set_range(b"l", 0, b"x"), lambda: db.set_bit(b"l", 0, 1), lambda: db.string_length(b"l"),
                lambda: db.peek_string(b"l"), lambda: db.string_view(b"l"), lambda: db.get_bit(b"l", 0)):
        with pytest.raises(WrongType):
            use()
    assert db.get_object(b"l") is value
    assert db.peek_type(b"l") == b"list"
    db.set_string(b"s", b"x")
    with pytest.raises(WrongType):
        db.get_object(b"s")
    assert (db.peek_type(b"s"), db.peek_type(b"none"), db.get_object(b"none")) == (b"string", None, None)


def test_objects_are_dropped_when_their_key_goes(keyspace, db):
    gone = []

    def put(key):
        value = Value([1])
        weakref.finalize(value, gone.append, key)
        db.put_object(key, value, LIST, NOW + 50 if key == b"expired" else -1)

    for key in (b"deleted", b"overwritten", b"replaced", b"expired", b"renamed", b"target", b"flushed"):
        put(key)
    db.delete(b"deleted")
    db.set_string(b"overwritten", b"x")
    db.put_object(b"replaced", Value(), LIST)
    db.rename(b"renamed", b"target")
    assert gone == [b"deleted", b"overwritten", b"replaced", b"target"]
    assert db.get_object(b"target").items == [1]
    keyspace.now = NOW + 51
    assert not db.exists(b"expired")
    assert gone[4:] == [b"expired"]
    db.copy(b"target", keyspace[1], b"copy")
    assert keyspace[1].get_object(b"copy").items == [1]
    assert keyspace[1].get_object(b"copy") is not db.get_object(b"target")
    keyspace.flush([0]).free()
    keyspace.reclaim()
    assert sorted(gone[5:]) == [b"flushed", b"renamed"]


def test_hits_misses_and_quiet_lookups(keyspace, db):
    db.set_string(b"k", b"v")
    for quiet in (db.peek_string, db.peek_type, db.encoding, db.expire_at, db.exists, db.memory_usage, db.idle_seconds,
                  db.frequency, db.peek_length, db.peek_view):
        quiet(b"k")
        quiet(b"none")
    assert (keyspace.hits, keyspace.misses) == (0, 0)
    for read in (db.string, db.contains, db.string_length, db.string_view, db.touch):
        read(b"k")
        read(b"none")
    assert (keyspace.hits, keyspace.misses) == (5, 5)


def test_access_clock(keyspace, db):
    db.set_string(b"k", b"v")
    keyspace.now = NOW + 5_999
    assert db.idle_seconds(b"k") == 5
    db.peek_string(b"k")
    keyspace.no_touch = True
    db.string(b"k")
    assert db.idle_seconds(b"k") == 5
    assert db.touch(b"k")
    assert db.idle_seconds(b"k") == 0
    keyspace.no_touch = False
    keyspace.now = NOW + 10_000
    db.string(b"k")
    assert db.idle_seconds(b"k") == 0
    assert db.idle_seconds(b"none") == -2


def test_lfu_counter(keyspace, db):
    keyspace.lfu = True
    db.set_string(b"k", b"v")
    assert db.frequency(b"k") == 5
    for _ in range(2000):
        db.string(b"k")
    frequent = db.frequency(b"k")
    assert 10 < frequent < 60
    keyspace.now = NOW + 3 * 60_000
    assert db.frequency(b"k") == frequent - 3
    keyspace.now = NOW + 300 * 60_000
    assert db.frequency(b"k") == 0


def test_rename_copy_move_swap(keyspace, db):
    other = keyspace[1]
    db.set_string(b"a", b"1", NOW + 100)
    db.set_string(b"b", b"2")
    db.rename(b"a", b"b")
    assert (db.string(b"b"), db.expire_at(b"b"), db.exists(b"a"), len(db)) == (b"1", NOW + 100, False, 1)
    db.rename(b"b", b"b")
    assert db.string(b"b") == b"1"
    with pytest.raises(NoSuchKey):
        db.rename(b"a", b"b")
    assert db.copy(b"b", other, b"c")
    assert not db.copy(b"none", other, b"d")
    assert (other.string(b"c"), other.expire_at(b"c")) == (b"1", NOW + 100)
    assert db.move(b"b", other)
    assert (len(db), len(other), db.volatile, other.volatile) == (0, 2, 0, 2)
    db.set_string(b"b", b"here")
    assert not db.move(b"b", other)
    assert not db.move(b"none", other)
    keyspace.swap(0, 1)
    assert (db.string(b"c"), other.string(b"b"), len(db)) == (b"1", b"here", 2)
    with pytest.raises(IndexError):
        keyspace.swap(0, 4)


def test_flush(keyspace, db):
    for each in keyspace:
        each.set_string(b"k", b"v")
    dead = keyspace.flush([0, 2, 2])
    assert [len(each) for each in keyspace] == [0, 1, 0, 1]
    dead.free()
    dead.free()
    db.set_string(b"k", b"again")
    assert db.string(b"k") == b"again"
    with pytest.raises(IndexError):
        keyspace.flush([0, 9])
    assert len(db) == 1


def test_nothing_remains_of_a_dropped_keyspace():
    keyspace = Keyspace(2)
    keyspace[0].set_string(b"k", b"v")
    value = Value()
    gone = weakref.ref(value)
    keyspace[1].put_object(b"o", value, LIST)
    del value, keyspace
    gc.collect()
    assert gone() is None


def test_databases_that_were_never_used_cost_nothing():
    assert Keyspace(16).used_memory == 0


def test_bad_arguments(db):
    with pytest.raises(TypeError):
        db.set_string(b"k", None)
    with pytest.raises(TypeError):
        db.string(None)
    with pytest.raises(TypeError):
        db.set_string("k", b"v")
    assert len(db) == 0
