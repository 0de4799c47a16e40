"""The hash type, its fields' times to live and the index of what is due, against Python dictionaries.

Idea: limits are set low, so that hashes cross from listpack to listpackex to table all the time. After every step
each database must know exactly which of its hashes has the field that is due first, whatever was renamed, copied,
moved, swapped, overwritten or flushed before; when all keys are gone, so must be all memory.
"""

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from mtredis.keyspace.database import Database, Keyspace
from mtredis.keyspace.types.hash import Hash

from mtredis.errors import WrongType

NOW = 1_700_000_000_000
ENTRIES, VALUE = 6, 12

keys = st.sampled_from([b"a", b"b", b"c"])
indexes = st.integers(0, 1)
texts = st.one_of(
    st.sampled_from([b"", b"x", b"y", b"1", b"-1", b"01", b"9223372036854775807", b"9223372036854775808", b"l" * 13]),
    st.integers(0, 12).map(lambda number: b"f%d" % number),
    st.binary(max_size=14),
    st.sampled_from([200, 5000, 70_000]).map(lambda size: b"z" * size),
)
fields = st.one_of(st.integers(0, 12).map(lambda number: b"f%d" % number), texts)
times = st.one_of(st.integers(1, 12).map(lambda later: NOW + later), st.integers(NOW + 1, NOW + 10**9))
Model = dict[bytes, tuple[bytes, int]]


class Hashes(RuleBasedStateMachine):
    """Two databases of hashes and their model: key -> field -> (value, time)."""

    def __init__(self) -> None:
        super().__init__()
        self.model: list[dict[bytes, Model]] = [{}, {}]
        self.swapped = False

    @initialize(readers=st.booleans())
    def begin(self, readers: bool) -> None:
        self.keyspace = Keyspace(2)
        self.keyspace.now = NOW
        self.keyspace.readers_active = readers
        self.keyspace.set_limits({"hash_max_listpack_entries": ENTRIES, "hash_max_listpack_value": VALUE})
        for index in range(2):
            self.keyspace[index].set_string(b"x", b"")
            self.keyspace[index].delete(b"x")
        self.empty = self.keyspace.used_memory

    def db(self, index: int) -> Database:
        return self.keyspace[index]

    def written(self, index: int, key: bytes) -> tuple[Hash, Model]:
        return self.db(index).write(key, Hash), self.model[index].setdefault(key, {})

    def drop(self, index: int, key: bytes, hash_: Hash) -> None:
        gone = self.db(index).drop_if_empty(key, hash_)
        assert gone == (not self.model[index][key])
        if gone:
            del self.model[index][key]

    @rule(index=indexes, key=keys, field=fields, value=texts, keeps=st.booleans())
    def set(self, index: int, key: bytes, field: bytes, value: bytes, keeps: bool) -> None:
        hash_, model = self.written(index, key)
        assert hash_.set(field, value, keeps) == (field not in model)
        model[field] = (value, model[field][1] if keeps and field in model else -1)

    @rule(index=indexes, key=keys, pairs=st.lists(st.tuples(fields, texts), min_size=1, max_size=9))
    def set_pairs(self, index: int, key: bytes, pairs: list[tuple[bytes, bytes]]) -> None:
        hash_, model = self.written(index, key)
        was_packed = hash_.encoding != b"hashtable"
        new = len({field for field, _ in pairs} - model.keys())
        assert hash_.set_pairs([b"HSET", key, *[word for pair in pairs for word in pair]], 2) == new
        model |= {field: (value, -1) for field, value in pairs}
        if was_packed:
            fits = max(len(pairs), len(model)) <= ENTRIES and all(len(word) <= VALUE for pair in pairs for word in pair)
            assert (hash_.encoding != b"hashtable") == fits

    @rule(index=indexes, key=keys, field=fields, at=st.one_of(times, st.just(-1)))
    def set_time(self, index: int, key: bytes, field: bytes, at: int) -> None:
        hash_, model = self.written(index, key)
        assert hash_.set_time(field, at) == (field in model)
        assert hash_.encoding in (b"listpackex", b"hashtable")
        if field in model:
            model[field] = (model[field][0], at)
        self.drop(index, key, hash_)

    @rule(index=indexes, key=keys, field=fields)
    def delete(self, index: int, key: bytes, field: bytes) -> None:
        hash_, model = self.written(index, key)
        assert hash_.delete(field) == (model.pop(field, None) is not None)
        self.drop(index, key, hash_)

    @rule(index=indexes, key=keys, now=times, limit=st.sampled_from([1, 2, 100]))
    def expire(self, index: int, key: bytes, now: int, limit: int) -> None:
        hash_, model = self.written(index, key)
        due = sorted((at, field) for field, (_, at) in model.items() if 0 < at <= now)
        gone = hash_.expire(now, limit)
        assert gone == min(limit, len(due))
        left = {field for field in model if hash_.time(field) != -2}
        for _, field in due:
            if field not in left:
                assert model.pop(field)[1] <= due[gone - 1][0]
        assert left == model.keys()
        self.drop(index, key, hash_)

    @rule(index=indexes, key=keys, field=fields, now=times)
    def read(self, index: int, key: bytes, field: bytes, now: int) -> None:
        hash_ = self.db(index).lookup_read(key, Hash)
        value, at = self.model[index].get(key, {}).get(field, (None, -2))
        if hash_ is None:
            assert key not in self.model[index]
            return
        assert hash_.time(field) == at
        self.keyspace.now = now
        seen = None if 0 < at < now else value
        assert hash_.get(field) == seen
        assert hash_.value_length(field) == (-1 if seen is None else len(seen))
        self.keyspace.now = NOW

    @rule(index=indexes, key=keys, at=st.sampled_from([-1, NOW + 10**6]))
    def expire_key(self, index: int, key: bytes, at: int) -> None:
        db = self.db(index)
        assert (db.persist(key), True)[1] if at == -1 else db.set_expire(key, at) == (key in self.model[index])

    @rule(index=indexes, key=keys, other=keys, into=indexes)
    def copy(self, index: int, key: bytes, other: bytes, into: int) -> None:
        found = self.db(index).copy(key, self.db(into), other)
        assert found == (key in self.model[index])
        if found:
            self.model[into][other] = dict(self.model[index][key])

    @rule(index=indexes, key=keys, other=keys)
    def rename(self, index: int, key: bytes, other: bytes) -> None:
        if key in self.model[index]:
            self.db(index).rename(key, other)
            self.model[index][other] = self.model[index].pop(key)

    @rule(index=indexes, key=keys)
    def move(self, index: int, key: bytes) -> None:
        here, there = self.model[index], self.model[1 - index]
        moved = self.db(index).move(key, self.db(1 - index))
        assert moved == (key in here and key not in there)
        if moved:
            there[key] = here.pop(key)

    @rule(index=indexes, key=keys, how=st.sampled_from(["delete", "string", "put"]))
    def replace(self, index: int, key: bytes, how: str) -> None:
        self.model[index].pop(key, None)
        if how == "put":
            fresh = self.keyspace.new(Hash)
            fresh.set(b"t", b"v")
            fresh.set_time(b"t", NOW + 5)
            self.db(index).put(key, fresh)
            self.model[index][key] = {b"t": (b"v", NOW + 5)}
            return
        if how == "string":
            self.db(index).set_string(key, b"v")
        self.db(index).delete(key)

    @rule()
    def swap(self) -> None:
        self.keyspace.swap(0, 1)
        self.model.reverse()

    @rule(index=indexes)
    def flush(self, index: int) -> None:
        self.keyspace.flush([index]).free()
        self.model[index] = {}
        self.db(index).set_string(b"x", b"")
        self.db(index).delete(b"x")

    @invariant()
    def agrees(self) -> None:
        for index in range(2):
            db = self.db(index)
            assert sorted(db.keys()) == sorted(self.model[index])
            for key, model in self.model[index].items():
                hash_ = db.peek(key, Hash)
                items = hash_.items(0)
                assert dict(zip(items[::2], items[1::2], strict=True)) == {f: v for f, (v, _) in model.items()}
                assert len(hash_) == len(model) and len(items) == 2 * len(model)
                times_there = [at for _, at in model.values() if at != -1]
                assert hash_.due == min(times_there, default=-1) and hash_.has_times == bool(times_there)
                assert {field: hash_.time(field) for field in model} == {f: at for f, (_, at) in model.items()}
                if hash_.encoding == b"listpackex":
                    order = [model[field][1] for field in items[::2]]
                    assert order == sorted(order, key=lambda at: at if at != -1 else 1 << 62)

    @invariant()
    def index_is_exact(self) -> None:
        for index in range(2):
            dues = {key: min((at for _, at in model.values() if at != -1), default=None)
                    for key, model in self.model[index].items()}
            wanted = sorted(at for at in dues.values() if at is not None)
            db = self.db(index)
            assert db.timed == len(wanted)
            assert db.next_due() is None
            if wanted:
                self.keyspace.now = wanted[0]
                key = db.next_due()
                self.keyspace.now = NOW
                assert dues[key] == wanted[0]

    def teardown(self) -> None:
        if not hasattr(self, "keyspace"):
            return
        for index in range(2):
            for key in self.model[index]:
                self.db(index).delete(key)
            assert self.db(index).timed == 0
        self.keyspace.readers_active = False
        self.keyspace.reclaim()
        # a chunk for a segment may be a little larger than another
        assert abs(self.keyspace.used_memory - self.empty) <= 64


TestHashes = Hashes.TestCase
TestHashes.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def keyspace() -> Keyspace:
    keyspace = Keyspace(1)
    keyspace.now = NOW
    return keyspace


def filled(keyspace: Keyspace, count: int) -> Hash:
    hash_ = keyspace[0].write(b"h", Hash)
    hash_.set_pairs([word for i in range(count) for word in (b"f%d" % i, b"v%d" % i)], 0)
    return hash_


@pytest.mark.parametrize("count", [1, 5, 40, 1000])
def test_draws_are_fair(keyspace: Keyspace, count: int) -> None:
    keyspace.set_limits({"hash_max_listpack_entries": 100})
    hash_ = filled(keyspace, count)
    drawn = hash_.draw(200 * count)
    assert all(value == b"v" + field[1:] for field, value in zip(drawn[::2], drawn[1::2], strict=True))
    counts = Counter(drawn[::2])
    assert len(counts) == count and max(counts.values()) < 330 and min(counts.values()) > 110


@pytest.mark.parametrize(("count", "wanted"), [(5, 3), (40, 39), (1000, 10), (1000, 900), (7, 7), (7, 100), (1000, 0)])
def test_samples_are_distinct_and_fair(keyspace: Keyspace, count: int, wanted: int) -> None:
    keyspace.set_limits({"hash_max_listpack_entries": 100})
    hash_ = filled(keyspace, count)
    counts: Counter[bytes] = Counter()
    rounds = 40
    for _ in range(rounds):
        drawn = hash_.sample(wanted)
        assert len(set(drawn[::2])) == len(drawn) // 2 == min(count, wanted)
        counts.update(drawn[::2])
    if wanted >= count:
        assert set(counts.values()) == {rounds}
    elif wanted * rounds > 20 * count:
        assert len(counts) == count


@pytest.mark.parametrize("count", [0, 3, 100, 5000])
def test_scan_meets_every_field(keyspace: Keyspace, count: int) -> None:
    hash_ = filled(keyspace, count)
    if count:
        hash_.set_time(b"f0", NOW + 1)
    found: list[bytes] = []
    cursor, calls = 0, 0
    while cursor or not calls:
        cursor, part = hash_.scan(cursor, 10, NOW + 2)
        found += part[::2]
        calls += 1
    assert sorted(set(found)) == sorted(b"f%d" % i for i in range(1, count))
    assert (calls > 1) == (count > 512)


def test_handles_refuse_what_is_no_hash(keyspace: Keyspace) -> None:
    keyspace[0].set_string(b"s", b"v")
    with pytest.raises(WrongType):
        keyspace[0].lookup_write(b"s", Hash)
    hash_ = filled(keyspace, 2)
    for call in (
        lambda: hash_.set(None, b""), lambda: hash_.set(b"", None), lambda: hash_.get(None), lambda: hash_.delete(None),
        lambda: hash_.set_pairs([b"a", None], 0), lambda: hash_.set_time(None, 5),
    ):
        with pytest.raises(TypeError):
            call()
    assert hash_.items(0) == [b"f0", b"v0", b"f1", b"v1"]


def test_memory_of_a_table_is_counted(keyspace: Keyspace) -> None:
    """What the allocator holds grows and shrinks with what the value says, times included."""
    hash_ = filled(keyspace, 3000)
    plain = hash_.memory
    for i in range(3000):
        hash_.set_time(b"f%d" % i, NOW + 1 + i % 7)
    assert plain + 3000 * 16 < hash_.memory < plain + 3000 * 60
    for i in range(3000):
        hash_.set_time(b"f%d" % i, -1)
    assert hash_.memory <= plain + 3000 * 32    # an entry that had a time keeps the room for it
    assert hash_.encoding == b"hashtable" and hash_.due == -1


@pytest.mark.parametrize("spread", [1, 7, 10**9])
@pytest.mark.parametrize(("count", "timed"), [(10, 10), (128, 1), (129, 129), (300, 299), (5000, 5000), (5000, 800)])
def test_a_copy_has_the_times_of_its_fields(keyspace: Keyspace, count: int, timed: int, spread: int) -> None:
    """Both expire without the other: in the same order, but for fields with the same time, and with exact memory."""
    db = keyspace[0]
    keyspace.set_limits({"hash_max_listpack_entries": 0})
    before, choice = keyspace.used_memory, random.Random(count + timed)
    hash_ = filled(keyspace, count)
    times = {b"f%d" % at: NOW + 1 + choice.randrange(spread) for at in range(timed)}
    for field, time in times.items():
        hash_.set_time(field, time)
    held, between = hash_.memory, keyspace.used_memory
    assert db.copy(b"h", db, b"c")
    copied = db.write(b"c", Hash)
    assert copied.memory <= held * 1.02 + 100 + 16 * count    # what malloc may add where no chunk fits
    assert copied.memory <= keyspace.used_memory - between
    ordered = sorted(times.values())
    for one, other in ((copied, hash_), (hash_, copied)):
        assert pairs(one) == pairs(other) == {b"f%d" % at: b"v%d" % at for at in range(count)}
        assert {field: one.time(field) for field in one.due_fields(2**62)} == times
        assert one.due == ordered[0] and [one.time(field) for field in one.due_fields(2**62)] == ordered
        one.set_time(b"f0", NOW + 10**10)
        assert one.expire(ordered[-1]) == timed - 1
        assert one.length() == count - timed + 1 and one.due == NOW + 10**10
        assert other.length() == count and other.time(b"f0") == times[b"f0"]
        for at in range(timed):
            one.set(b"f%d" % at, b"v%d" % at)
            one.set_time(b"f%d" % at, times[b"f%d" % at])
    db.delete(b"h")
    db.delete(b"c")
    assert keyspace.used_memory <= before + 10_000


def pairs(hash_: Hash) -> dict[bytes, bytes]:
    words = hash_.items(0)
    return dict(zip(words[::2], words[1::2], strict=True))
