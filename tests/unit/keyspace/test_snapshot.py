"""A point in time: whatever is done to the keyspace after its begin, it gives what there was, each key once."""

import itertools
import random
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.evict import Evictor
from mtredis.keyspace.point_in_time import Aborted, PointInTime, counted_memory, fresh_keys
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream
from mtredis.keyspace.types.stream_group import create_group, destroy_group, find_group

from tests.support.point_in_time import contents, gathered, snapshot_of, value_of

NOW = 1_000_000
LARGE = 200_000          # a string of that length is lent, not copied
MEMBERS = 2000           # and so is a collection of so many


@pytest.fixture
def keyspace():
    made = Keyspace(4)
    made.now = NOW
    return made


def fill(db, count, prefix=b"key"):
    for i in range(count):
        db.set_string(b"%s:%d" % (prefix, i), b"value:%d" % i)


def members(count=MEMBERS):
    return [b"member:%d" % i for i in range(count)]


def make_list(db, key, count=MEMBERS):
    db.write(key, List).push(members(count), False)


def make_set(db, key, count=MEMBERS):
    db.write(key, Set).add_many(members(count))


def make_zset(db, key, count=MEMBERS):
    db.write(key, SortedSet).update_many(members(count), [float(i) for i in range(count)])


def make_hash(db, key, count=MEMBERS):
    db.write(key, Hash).set_pairs([word for member in members(count) for word in (member, b"value")])


def make_timed_hash(db, key, count=MEMBERS):
    make_hash(db, key, count)
    handle = db.lookup_write(key, Hash)
    for i in range(0, count, 7):
        handle.set_time(b"member:%d" % i, NOW + 100_000 + i)


def make_stream(db, key, count=MEMBERS):
    stream = db.write(key, Stream)
    for i in range(count):
        stream.add([b"field", b"value:%d" % i], 0, id=i + 1)
    create_group(stream, b"group", 0)
    group = find_group(stream, b"group")
    group.see(b"consumer")
    group.deliver(b"consumer", count // 2)


MAKERS = [make_list, make_set, make_zset, make_hash, make_timed_hash, make_stream]
SIZES = [3, 100, MEMBERS]


def change_list(db, key):
    db.lookup_write(key, List).push([b"new"], True)


def change_set(db, key):
    db.lookup_write(key, Set).pop()


def change_zset(db, key):
    db.lookup_write(key, SortedSet).add(b"member:1", -5.0)


def change_hash(db, key):
    db.lookup_write(key, Hash).set(b"member:0", b"new")


def change_stream(db, key):
    stream = db.lookup_write(key, Stream)
    stream.delete([1])
    find_group(stream, b"group").acknowledge([2])


CHANGERS = {
    make_list: change_list, make_set: change_set, make_zset: change_zset, make_hash: change_hash,
    make_timed_hash: change_hash, make_stream: change_stream,
}


def finish(point, keyspace, frozen, before=()):
    """The rest of the snapshot; with what came before it is `frozen`, and nothing is left of it."""
    found = gathered(itertools.chain(before, point))
    assert found == frozen
    assert point.statistics()["keys_done"] == point.statistics()["keys_total"] == len(frozen)
    assert point.statistics()["kept_bytes"] == 0
    assert fresh_keys(keyspace) == 0
    point.end()
    assert not point.is_lent
    assert keyspace.used_memory == counted_memory(keyspace)


def test_an_empty_keyspace_gives_nothing(keyspace):
    point = snapshot_of(keyspace)
    fill(keyspace[0], 1000)
    finish(point, keyspace, {})
    assert len(keyspace[0]) == 1000


def test_figures_are_those_of_the_begin(keyspace):
    fill(keyspace[0], 10)
    fill(keyspace[2], 3)
    keyspace[2].set_expire(b"key:1", NOW + 5)
    point = snapshot_of(keyspace)
    keyspace[2].delete(b"key:1")
    fill(keyspace[1], 1)
    figures = point.statistics()
    assert figures["keys"] == [10, 0, 3, 0]
    assert figures["volatile_keys"] == [0, 0, 1, 0]
    assert figures["keys_total"] == 13
    assert figures["keys_done"] == 0
    assert figures["kept_count"] == 1
    assert 0 < figures["kept_bytes"] == figures["kept_peak"] < 200
    assert len(list(point)) == 13
    assert point.statistics()["keys_done"] == 13
    point.end()


def test_one_at_a_time(keyspace):
    point = snapshot_of(keyspace)
    with pytest.raises(RuntimeError):
        PointInTime(keyspace, value_of).begin()
    with pytest.raises(RuntimeError):
        point.begin()
    point.end()
    with pytest.raises(RuntimeError):
        point.end()
    snapshot_of(keyspace).end()


STRING_CHANGES = {
    "overwrite in place": lambda db, key: db.set_string(key, b"VALUE:%d" % len(key)),
    "overwrite with something long": lambda db, key: db.set_string(key, b"x" * 5000),
    "overwrite, with a time to live": lambda db, key: db.set_string(key, b"x", NOW + 50),
    "keep the time to live": lambda db, key: db.set_string_keep_ttl(key, b"y"),
    "append": lambda db, key: db.append(key, b"suffix"),
    "set a range": lambda db, key: db.set_range(key, 1, b"!"),
    "set a bit": lambda db, key: db.set_bit(key, 7, 1),
    "expire": lambda db, key: db.set_expire(key, NOW + 1000),
    "expire and persist": lambda db, key: (db.set_expire(key, NOW + 1000), db.persist(key)),
    "delete": lambda db, key: db.delete(key),
    "delete and make again": lambda db, key: (db.delete(key), db.set_string(key, b"again")),
    "rename": lambda db, key: db.rename(key, b"renamed"),
    "rename over another": lambda db, key: (db.set_string(b"other", b"x"), db.rename(key, b"other")),
    "become a list": lambda db, key: (db.delete(key), make_list(db, key, 3)),
    "touch": lambda db, key: db.touch(key),
}


STAGES = ["before", "copied", "after"]


def pause(point, stage):
    """Reads as far as the stage says; the items."""
    if stage == "before":
        return []
    return [next(point)] if stage == "copied" else list(point)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("length", [5, 100, LARGE])
@pytest.mark.parametrize("change", STRING_CHANGES)
def test_a_string_changes(keyspace, stage, length, change):
    db = keyspace[1]
    fill(db, 10)
    db.set_string(b"it", b"a" * length)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = pause(point, stage)
    for _ in range(2):
        if db.exists(b"it"):
            STRING_CHANGES[change](db, b"it")
    changed = contents(keyspace)
    finish(point, keyspace, frozen, items)
    assert contents(keyspace) == changed


@pytest.mark.parametrize("change", STRING_CHANGES)
def test_a_string_that_is_lent_changes(keyspace, change):
    db = keyspace[1]
    db.set_string(b"it", b"a" * LARGE)
    db.set_expire(b"it", NOW + 70)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    point.hold()
    assert point.is_lent
    STRING_CHANGES[change](db, b"it")
    changed = contents(keyspace)
    finish(point, keyspace, frozen)
    assert contents(keyspace) == changed


def test_numbers(keyspace):
    db = keyspace[0]
    for i in range(2000):
        db.set_string(b"n%d" % i, b"%d" % i)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = []
    for i in range(2000):
        assert db.increment(b"n%d" % i, 5) == i + 5
        assert db.increment(b"n%d" % i, 5) == i + 10
        if i % 100 == 0:
            items.extend(itertools.islice(point, 50))
    finish(point, keyspace, frozen, items)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("stage", STAGES)
def test_a_collection_changes(keyspace, make, count, stage):
    db = keyspace[0]
    make(db, b"it", count)
    fill(db, 3)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = pause(point, stage)
    CHANGERS[make](db, b"it")
    CHANGERS[make](db, b"it")
    changed = contents(keyspace)
    assert changed != frozen
    finish(point, keyspace, frozen, items)
    assert contents(keyspace) == changed


OTHER_CHANGES = {
    "delete": lambda db, key: db.delete(key),
    "expire": lambda db, key: db.set_expire(key, NOW + 1000),
    "persist": lambda db, key: db.persist(key),
    "rename": lambda db, key: db.rename(key, b"renamed"),
    "rename and change": lambda db, key: (db.rename(key, b"renamed"), db.delete(b"renamed")),
    "overwrite": lambda db, key: db.set_string(key, b"x"),
    "copy": lambda db, key: db.copy(key, db, b"copied"),
    "rename over it": lambda db, key: (db.set_string(b"other", b"x"), db.rename(b"other", key)),
}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("change", OTHER_CHANGES)
@pytest.mark.parametrize("stage", ["before", "lent", "after"])
def test_something_happens_to_a_collection(keyspace, make, count, change, stage):
    db = keyspace[3]
    make(db, b"it", count)
    db.set_expire(b"it", NOW + 77)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    if stage == "lent":
        point.hold()
    items = list(point) if stage == "after" else []
    OTHER_CHANGES[change](db, b"it")
    changed = contents(keyspace)
    finish(point, keyspace, frozen, items)
    assert contents(keyspace) == changed


@pytest.mark.parametrize("make", MAKERS)
def test_a_large_collection_that_is_lent_changes(keyspace, make):
    db = keyspace[0]
    make(db, b"it")
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    point.hold()
    assert point.is_lent == (make is not make_stream)
    CHANGERS[make](db, b"it")
    assert not point.is_lent
    db.rename(b"it", b"other")
    CHANGERS[make](db, b"other")
    changed = contents(keyspace)
    finish(point, keyspace, frozen)
    assert contents(keyspace) == changed


def test_what_is_lent_can_move_and_change_then(keyspace):
    db = keyspace[0]
    make_set(db, b"it")
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    point.hold()
    db.move(b"it", keyspace[1])
    assert point.is_lent
    change_set(keyspace[1], b"it")
    assert not point.is_lent
    keyspace[1].delete(b"it")
    finish(point, keyspace, frozen)


def test_what_changes_in_groups_of_a_stream(keyspace):
    db = keyspace[0]

    def group():
        return find_group(db.lookup_write(b"it", Stream), b"group")

    changes = [
        lambda: group().set_position(7, 3),
        lambda: group().advance(1500),
        lambda: group().see(b"consumer"),
        lambda: group().see(b"newcomer"),
        lambda: group().history(b"consumer", 0, 5),
        lambda: group().deliver(b"consumer", 5),
        lambda: group().delete_consumer(b"consumer"),
        lambda: group().claim(b"consumer", [3, 4], 0, 12345, 9, False, False),
        lambda: group().acknowledge([1, 2]),
        lambda: create_group(db.lookup_write(b"it", Stream), b"other", 5),
        lambda: destroy_group(db.lookup_write(b"it", Stream), b"group"),
        lambda: db.lookup_write(b"it", Stream).set_ids(99999, 99999, 5),
        lambda: db.lookup_write(b"it", Stream).trim_length(10),
        lambda: db.lookup_write(b"it", Stream).add([b"f", b"v"], 0),
    ]
    for change in changes:
        make_stream(db, b"it", 50)
        frozen = contents(keyspace)
        point = snapshot_of(keyspace)
        keyspace.now += 10
        change()
        assert contents(keyspace) != frozen
        finish(point, keyspace, frozen)
        db.delete(b"it")


def test_expired_fields_and_keys_are_part_of_it(keyspace):
    db = keyspace[0]
    make_timed_hash(db, b"hash", 600)
    fill(db, 2000)
    for i in range(0, 2000, 2):
        db.set_expire(b"key:%d" % i, NOW + 10)
    frozen = contents(keyspace)
    keyspace.now = NOW + 1_000_000
    point = snapshot_of(keyspace)
    items = list(itertools.islice(point, 300))
    assert db.lookup_write(b"hash", Hash).expire(keyspace.now) == 86
    while keyspace.active_expire_cycle(10_000, 10)[0]:
        pass
    assert not db.exists(b"key:10")
    assert len(db) == 1001
    finish(point, keyspace, frozen, items)


def test_eviction(keyspace):
    fill(keyspace[0], 5000)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = list(itertools.islice(point, 700))
    evictor = Evictor(keyspace)
    evictor.set_policy("allkeys-random", 5)
    evictor.run(keyspace.used_memory // 3, -1)
    assert len(keyspace[0]) < 3000
    finish(point, keyspace, frozen, items)


@pytest.mark.parametrize("read", [0, 1, 5000, 19_999])
def test_splits_and_merges(keyspace, read):
    db = keyspace[0]
    fill(db, 20_000)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = list(itertools.islice(point, read))
    fill(db, 30_000, b"new")
    items.extend(itertools.islice(point, 30))
    for i in range(20_000):
        db.delete(b"key:%d" % i)
    for i in range(30_000):
        db.delete(b"new:%d" % i)
    assert db.segments < 10
    fill(db, 500)
    finish(point, keyspace, frozen, items)


def test_swapped_databases_are_those_of_the_begin(keyspace):
    fill(keyspace[0], 1000, b"zero")
    fill(keyspace[1], 1000, b"one")
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = list(itertools.islice(point, 100))
    keyspace.swap(0, 1)
    for i in range(0, 1000, 2):
        keyspace[1].delete(b"zero:%d" % i)
        keyspace[0].set_string(b"one:%d" % i, b"changed")
    keyspace[0].move(b"one:1", keyspace[1])
    keyspace.swap(1, 2)
    finish(point, keyspace, frozen, items)


@pytest.mark.parametrize("read", [0, 1, 700, 3000])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_flush(keyspace, read, in_thread):
    for index in range(3):
        fill(keyspace[index], 1000)
        make_set(keyspace[index], b"set")
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = list(itertools.islice(point, read))
    fill(keyspace[0], 100, b"more")
    dead = keyspace.flush([0, 2])
    if in_thread:
        thread = threading.Thread(target=dead.free)
        thread.start()
        thread.join()
    else:
        dead.free()
    fill(keyspace[0], 1000)
    keyspace.flush([0, 1]).free()
    finish(point, keyspace, frozen, items)
    assert contents(keyspace) == {}


def test_a_flush_while_something_is_lent(keyspace):
    make_set(keyspace[0], b"it")
    keyspace[1].set_string(b"it", b"a" * LARGE)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    point.hold()
    assert point.is_lent
    keyspace.flush([0, 1]).free()
    finish(point, keyspace, frozen)


@pytest.mark.parametrize("read", [0, 1, 700, 3000])
def test_an_abort_leaves_nothing(keyspace, read):
    for index in range(2):
        fill(keyspace[index], 1500)
        make_zset(keyspace[index], b"zset")
    point = snapshot_of(keyspace)
    assert len(list(itertools.islice(point, read))) == read
    fill(keyspace[0], 500, b"new")
    for i in range(0, 1500, 3):
        keyspace[1].append(b"key:%d" % i, b"x")
    keyspace.flush([0])
    point.skip()
    point.abort()
    fill(keyspace[1], 500, b"newer")
    for _ in range(2):
        with pytest.raises(Aborted):
            point.skip()
    assert fresh_keys(keyspace) == 0
    fill(keyspace[1], 2000)
    assert fresh_keys(keyspace) == 0
    point.end()
    frozen = contents(keyspace)
    finish(snapshot_of(keyspace), keyspace, frozen)


@pytest.mark.parametrize("is_lent", [False, True])
def test_an_end_before_it_is_over(keyspace, is_lent):
    db = keyspace[0]
    if is_lent:
        make_set(db, b"set")
    else:
        fill(db, 3000)
    point = snapshot_of(keyspace)
    point.hold()
    assert point.is_lent == is_lent
    fill(db, 4000)
    db.delete(b"set")
    point.end()
    assert fresh_keys(keyspace) == 0
    assert keyspace.used_memory == counted_memory(keyspace)
    frozen = contents(keyspace)
    finish(snapshot_of(keyspace), keyspace, frozen)


def test_it_ends_with_the_object():
    keyspace = Keyspace(1)
    fill(keyspace[0], 1000)
    point = snapshot_of(keyspace)
    next(point)
    fill(keyspace[0], 1000)
    del point
    assert fresh_keys(keyspace) == 0
    finish(snapshot_of(keyspace), keyspace, contents(keyspace))


def test_values_of_all_sizes_in_one_segment(keyspace):
    db = keyspace[0]
    chance = random.Random(5)
    for i in range(150):
        db.set_string(b"s%d" % i, b"x" * chance.choice([1, 500, 5000, 50_000, 140_000]))
        chance.choice(MAKERS)(db, b"c%d" % i, chance.choice([1, 50, 200, 600]))
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = []
    for _ in range(150):
        items.extend(itertools.islice(point, 2))
        db.append(b"s%d" % chance.randrange(150), b"more")
        db.delete(b"c%d" % chance.randrange(150))
        db.set_expire(b"c%d" % chance.randrange(150), NOW + 5)
    finish(point, keyspace, frozen, items)


def test_a_clock_that_moves_does_no_harm(keyspace):
    fill(keyspace[0], 3000)
    frozen = contents(keyspace)
    point = snapshot_of(keyspace)
    items = []
    for i in range(3000):
        keyspace.now += 1000
        keyspace[0].touch(b"key:%d" % i)
        if i % 10 == 0:
            items.extend(itertools.islice(point, 3))
            keyspace[0].append(b"key:%d" % i, b"x")
    assert keyspace[0].idle_seconds(b"key:2999") == 0
    assert keyspace[0].idle_seconds(b"key:999") == 2000
    finish(point, keyspace, frozen, items)


def test_kept_memory_goes_when_it_is_read(keyspace):
    fill(keyspace[0], 5000)
    point = snapshot_of(keyspace)
    for i in range(5000):
        keyspace[0].set_string(b"key:%d" % i, b"changed")
    figures = point.statistics()
    assert figures["kept_count"] == 5000
    assert figures["kept_bytes"] > 5000 * 30
    assert len(list(point)) == 5000
    assert point.statistics()["kept_bytes"] == 0
    assert point.statistics()["kept_peak"] == figures["kept_bytes"]
    point.end()


def test_readers_of_workers_and_the_snapshot_do_not_switch_each_other_off(keyspace):
    fill(keyspace[0], 1000)
    keyspace.readers_active = True
    point = snapshot_of(keyspace)
    assert keyspace.readers_active
    keyspace.readers_active = False
    frozen = contents(keyspace)
    fill(keyspace[0], 2000)
    keyspace.readers_active = True
    finish(point, keyspace, frozen)
    assert keyspace.readers_active


# Anything in any order ----------------------------------------------------------------------------------------------

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"k" * 300])
INDEXES = st.integers(0, 2)
LENGTHS = st.sampled_from([0, 3, 60, 2000, LARGE])
COUNTS = st.sampled_from([1, 5, 140, 700])


class PointInTimeMachine(RuleBasedStateMachine):
    """`frozen` is what the snapshot must give, None while there is none."""

    def __init__(self):
        super().__init__()
        self.keyspace = Keyspace(3)
        self.keyspace.now = NOW
        self.keyspace.lazy_free = True
        self.point = None
        self.frozen = None
        self.items = []
        self.bulk = 0

    def handle(self, index, key, kind):
        """For a change; whatever is there of another type goes."""
        db = self.keyspace[index]
        if db.exists(key) and db.peek_type(key) != kind.__name__.lower().replace("sortedset", "zset").encode():
            db.delete(key)
        return db.write(key, kind)

    @precondition(lambda self: self.point is None)
    @rule()
    def begin(self):
        self.frozen = contents(self.keyspace)
        self.point = snapshot_of(self.keyspace)
        self.items = []

    @precondition(lambda self: self.point is not None)
    @rule(count=st.sampled_from([1, 2, 10, 500]))
    def read(self, count):
        self.items.extend(itertools.islice(self.point, count))

    @precondition(lambda self: self.point is not None)
    @rule()
    def hold(self):
        self.point.hold()

    @precondition(lambda self: self.point is not None)
    @rule()
    def finish(self):
        after = contents(self.keyspace)
        finish(self.point, self.keyspace, self.frozen, self.items)
        assert contents(self.keyspace) == after
        self.point = None

    @precondition(lambda self: self.point is not None)
    @rule(is_told=st.booleans())
    def abort(self, is_told):
        after = contents(self.keyspace)
        if is_told:
            self.point.abort()
            with pytest.raises(Aborted):
                list(self.point)
        self.point.end()
        assert fresh_keys(self.keyspace) == 0
        assert contents(self.keyspace) == after
        self.point = None

    @rule(index=INDEXES, key=KEYS, length=LENGTHS, ttl=st.sampled_from([-1, 5, 10_000]))
    def set_string(self, index, key, length, ttl):
        self.keyspace[index].set_string(key, b"v" * length, -1 if ttl == -1 else self.keyspace.now + ttl)

    @rule(index=INDEXES, key=KEYS, number=st.integers(-5, 10**15))
    def set_number(self, index, key, number):
        self.keyspace[index].set_string(key, b"%d" % number)

    @rule(index=INDEXES, key=KEYS, offset=st.sampled_from([0, 7, 3000]))
    def patch(self, index, key, offset):
        if self.keyspace[index].peek_type(key) in (None, b"string"):
            self.keyspace[index].set_range(key, offset, b"patch")
            self.keyspace[index].set_bit(key, offset, 1)
            self.keyspace[index].append(key, b"suffix")

    @rule(index=INDEXES, key=KEYS)
    def increment(self, index, key):
        if self.keyspace[index].encoding(key) in (None, b"int"):
            self.keyspace[index].increment(key, 3)

    @rule(index=INDEXES, key=KEYS, count=COUNTS, left=st.booleans())
    def push(self, index, key, count, left):
        self.handle(index, key, List).push(members(count), left)

    @rule(index=INDEXES, key=KEYS, count=COUNTS)
    def add_members(self, index, key, count):
        self.handle(index, key, Set).add_many(members(count))

    @rule(index=INDEXES, key=KEYS, count=COUNTS, score=st.integers(-3, 3))
    def add_scores(self, index, key, count, score):
        handle = self.handle(index, key, SortedSet)
        handle.update_many(members(count), [float(score * i) for i in range(count)])

    @rule(index=INDEXES, key=KEYS, count=COUNTS, value=st.sampled_from([b"", b"v" * 70]), ttl=st.integers(-1, 9))
    def set_fields(self, index, key, count, value, ttl):
        handle = self.handle(index, key, Hash)
        handle.set_pairs([word for member in members(count) for word in (member, value)])
        if ttl >= 0:
            handle.set_time(b"member:0", self.keyspace.now + ttl)

    @rule(index=INDEXES, key=KEYS, count=st.sampled_from([1, 5, 140]))
    def add_entries(self, index, key, count):
        stream = self.handle(index, key, Stream)
        for i in range(count):
            stream.add([b"field", b"value:%d" % i], 0)
        create_group(stream, b"group", 0)
        group = find_group(stream, b"group")
        group.see(b"consumer")
        group.deliver(b"consumer", 3)

    @rule(index=INDEXES, key=KEYS)
    def take_away(self, index, key):
        db = self.keyspace[index]
        kind = db.peek_type(key)
        if kind == b"list":
            handle = db.lookup_write(key, List)
            handle.pop_many(True, 2)
            handle.pop(False)
        elif kind == b"set":
            handle = db.lookup_write(key, Set)
            handle.pop()
            handle.remove(b"member:3")
        elif kind == b"zset":
            handle = db.lookup_write(key, SortedSet)
            handle.remove(b"member:2")
            handle.pop(1)
        elif kind == b"hash":
            handle = db.lookup_write(key, Hash)
            handle.expire(self.keyspace.now)
            handle.delete(b"member:1")
        elif kind == b"stream":
            handle = db.lookup_write(key, Stream)
            handle.trim_length(3)
            destroy_group(handle, b"group")
        if kind not in (None, b"string", b"stream"):
            db.drop_if_empty(key, handle)

    @rule(index=INDEXES, key=KEYS)
    def delete(self, index, key):
        self.keyspace[index].delete(key)

    @rule(index=INDEXES, key=KEYS, ttl=st.sampled_from([0, 50, 10_000]))
    def expire(self, index, key, ttl):
        self.keyspace[index].set_expire(key, self.keyspace.now + ttl)

    @rule(index=INDEXES, key=KEYS)
    def persist(self, index, key):
        self.keyspace[index].persist(key)

    @rule(index=INDEXES, key=KEYS, new=KEYS)
    def rename(self, index, key, new):
        if self.keyspace[index].exists(key):
            self.keyspace[index].rename(key, new)

    @rule(index=INDEXES, other=INDEXES, key=KEYS)
    def move(self, index, other, key):
        self.keyspace[index].move(key, self.keyspace[other])

    @rule(index=INDEXES, other=INDEXES, key=KEYS, new=KEYS)
    def copy(self, index, other, key, new):
        self.keyspace[index].copy(key, self.keyspace[other], new)

    @rule(first=INDEXES, second=INDEXES)
    def swap(self, first, second):
        self.keyspace.swap(first, second)

    @rule(index=INDEXES)
    def flush(self, index):
        self.keyspace.flush([index]).free()

    @rule(step=st.sampled_from([1, 100, 20_000]))
    def time_passes(self, step):
        self.keyspace.now += step
        self.keyspace.active_expire_cycle()

    @rule(index=INDEXES, count=st.sampled_from([10, 600, 3000]))
    def fill(self, index, count):
        for i in range(self.bulk, self.bulk + count):
            self.keyspace[index].set_string(b"bulk:%d" % i, b"value")
        self.bulk += count

    @rule(index=INDEXES, left=st.sampled_from([0, 100, 1000]))
    def drain(self, index, left):
        keys = self.keyspace[index].keys()
        for key in sorted(key for key in keys if key.startswith(b"bulk"))[left:]:
            self.keyspace[index].delete(key)

    def teardown(self):
        if self.point is not None:
            self.finish()
        assert self.keyspace.used_memory == counted_memory(self.keyspace)


class PointInTimeMachineWithReaders(PointInTimeMachine):
    """The locks are taken before and after, too."""

    def __init__(self):
        super().__init__()
        self.keyspace.readers_active = True


TestPointInTime = PointInTimeMachine.TestCase
TestPointInTime.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPointInTimeWithReaders = PointInTimeMachineWithReaders.TestCase
TestPointInTimeWithReaders.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
