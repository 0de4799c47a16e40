"""What a single lookup or change does: encodings, limits, statistics, clocks, several databases."""

import pytest
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set

from mtredis.errors import CommandError, NoSuchKey, NotInteger, WrongType

NOW = 1_700_000_000_000


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


def members(count, prefix=b"m"):
    return [prefix + b"%d" % i for i in range(count)]


def a_set(keyspace, chosen):
    """A detached set."""
    made = keyspace.new(Set)
    made.add_many(chosen)
    return made


def test_wrong_type(db):
    db.write(b"c", Set).add(b"member")
    for use in (lambda: db.string(b"c"), lambda: db.append(b"c", b"x"), lambda: db.increment(b"c", 1),
                lambda: db.set_range(b"c", 0, b"x"), lambda: db.set_bit(b"c", 0, 1), lambda: db.string_length(b"c"),
                lambda: db.peek_string(b"c"), lambda: db.string_view(b"c"), lambda: db.get_bit(b"c", 0)):
        with pytest.raises(WrongType):
            use()
    assert db.lookup_read(b"c", Set).members() == [b"member"]
    db.set_string(b"s", b"x")
    for lookup in (db.lookup_read, db.lookup_write, db.peek, db.write):
        for key, kind in ((b"s", Set), (b"c", List)):
            with pytest.raises(WrongType):
                lookup(key, kind)
    assert [db.peek_type(key) for key in (b"c", b"s", b"none")] == [b"set", b"string", None]
    assert [lookup(b"none", Set) for lookup in (db.lookup_read, db.lookup_write, db.peek)] == [None] * 3
    assert (db.string(b"s"), len(db)) == (b"x", 2)


def test_a_collection_is_written_in_place(db):
    first = db.write(b"k", Set)
    assert first.add_many([b"1", b"2"]) == 2
    assert db.write(b"k", Set).add(b"x")
    assert (len(db.peek(b"k", Set)), db.encoding(b"k")) == (3, b"listpack")
    assert not db.drop_if_empty(b"k", db.lookup_write(b"k", Set))
    handle = db.lookup_write(b"k", Set)
    handle.remove_many([b"1", b"2", b"x"])
    assert db.drop_if_empty(b"k", handle)
    assert not db.exists(b"k")


def test_put_takes_over_a_detached_collection_and_only_that(keyspace, db):
    made = a_set(keyspace, [b"a"])
    assert db.put(b"k", made, NOW + 100)
    made.add(b"b")
    assert (len(db.peek(b"k", Set)), db.expire_at(b"k")) == (2, NOW + 100)
    for attached in (made, db.peek(b"k", Set)):
        with pytest.raises(ValueError, match="detached"):
            db.put(b"l", attached)
    assert not db.put(b"k", a_set(keyspace, [b"c"]))
    assert (db.peek(b"k", Set).members(), db.expire_at(b"k"), len(db)) == ([b"c"], -1, 1)


def others_memory(keyspace, db, key):
    """What all but this key takes: malloc may give an entry that is made anew some bytes more than it did before."""
    return keyspace.used_memory - db.memory_usage(key)


def test_what_collections_held_is_free_when_their_key_goes(keyspace, db):
    db.set_string(b"overwritten", b"x")
    before = others_memory(keyspace, db, b"overwritten")

    def put(key, count, expire_at=-1):
        db.put(key, a_set(keyspace, members(count)), expire_at)
        assert keyspace.used_memory - before >= db.memory_usage(key) > db.peek(key, Set).memory > 0

    for count in (1, 100, 5000):
        put(b"deleted", count)
        db.delete(b"deleted")
        assert others_memory(keyspace, db, b"overwritten") == before
        put(b"overwritten", count)
        db.set_string(b"overwritten", b"x")
        assert others_memory(keyspace, db, b"overwritten") == before
        put(b"replaced", count)
        put(b"replaced", 1)
        db.delete(b"replaced")
        assert others_memory(keyspace, db, b"overwritten") == before
        put(b"emptied", count)
        handle = db.lookup_write(b"emptied", Set)
        handle.remove_many(handle.members())
        assert db.drop_if_empty(b"emptied", handle)
        assert others_memory(keyspace, db, b"overwritten") == before
        put(b"expired", count, NOW + 50)
        keyspace.now = NOW + 51
        assert not db.exists(b"expired")
        assert others_memory(keyspace, db, b"overwritten") == before
        keyspace.now = NOW


def test_big_collections_wait_to_be_freed_elsewhere(keyspace, db):
    keyspace.lazy_free = True
    db.set_string(b"k", b"x")
    before = keyspace.used_memory
    db.put(b"big", a_set(keyspace, members(5000)))
    db.delete(b"big")
    assert keyspace.used_memory == before
    assert keyspace.has_pending
    assert (keyspace.lazy_pending, keyspace.lazy_freed) == (1, 0)
    keyspace.free_pending()
    assert not keyspace.has_pending
    assert (keyspace.lazy_pending, keyspace.lazy_freed) == (0, 1)
    db.put(b"small", a_set(keyspace, members(50)))
    db.delete(b"small")
    assert not keyspace.has_pending


@pytest.mark.parametrize("count", [5, 300])
def test_rename_and_move_take_the_value_with_them(keyspace, db, count):
    db.put(b"source", a_set(keyspace, members(count)), NOW + 100)
    db.put(b"target", a_set(keyspace, members(2000)))
    held = db.peek(b"source", Set).memory
    db.rename(b"source", b"target")
    assert (len(db), db.expire_at(b"target"), db.peek(b"target", Set).memory) == (1, NOW + 100, held)
    assert db.move(b"target", keyspace[1])
    moved = keyspace[1].lookup_write(b"target", Set)
    assert (len(db), sorted(moved.members()), moved.memory) == (0, sorted(members(count)), held)
    db.set_string(b"target", b"here")
    assert not keyspace[1].move(b"target", db)


@pytest.mark.parametrize("count", [5, 300])
def test_a_copy_is_deep(keyspace, db, count):
    db.put(b"k", a_set(keyspace, members(count)), NOW + 100)
    for target, key in ((db, b"c"), (keyspace[1], b"k")):
        target.put(key, a_set(keyspace, [b"old"]))
        assert db.copy(b"k", target, key)
        copied = target.lookup_write(key, Set)
        assert (copied.encoding, target.expire_at(key)) == (db.encoding(b"k"), NOW + 100)
        copied.add(b"new")
        copied.remove(b"m0")
        assert sorted(db.peek(b"k", Set).members()) == sorted(members(count))
        assert sorted(copied.members()) == sorted([*members(count)[1:], b"new"])


def test_flush_frees_collections(keyspace, db):
    db.set_string(b"k", b"x")
    keyspace.flush([0]).free()
    before = keyspace.used_memory
    for count in (1, 100, 5000):
        db.put(b"%d" % count, a_set(keyspace, members(count)))
    dead = keyspace.flush([0])
    assert (len(db), keyspace.used_memory, db.peek(b"5000", Set)) == (0, before, None)
    dead.free()
    keyspace.reclaim()
    assert keyspace.statistics()["retired"] == 0


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


def test_a_collection_over_a_string_is_accounted_for(keyspace, db):
    """Its entry fits where the string's was; its value lies elsewhere and counts, too."""
    db.set_string(b"k", b"v")
    before = others_memory(keyspace, db, b"k")
    members = keyspace.new(Set)
    members.add_many([b"%d" % number for number in range(500)])
    db.put(b"k", members)
    assert keyspace.used_memory >= before + members.memory
    db.set_string(b"k", b"v")
    assert others_memory(keyspace, db, b"k") == before


def test_keys_of_a_flush_count_as_pending_until_they_are_freed(keyspace, db):
    for number in range(300):
        db.set_string(b"%d" % number, b"x")
    keyspace[1].set_string(b"k", b"x")
    free = keyspace.flush([0, 1]).free_later()
    assert (keyspace.lazy_pending, keyspace.lazy_freed) == (301, 0)
    free()
    assert (keyspace.lazy_pending, keyspace.lazy_freed) == (0, 301)
    free()
    db.set_string(b"k", b"x")
    keyspace.flush([0]).free()
    assert (keyspace.lazy_pending, keyspace.lazy_freed) == (0, 301)
    keyspace.reset_lazy_freed()
    assert keyspace.lazy_freed == 0
