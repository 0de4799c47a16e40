"""Streams against a model in Python: entries, nodes, groups, and the memory they take."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.stream import MAX_ID, Stream

from mtredis.errors import CommandError, WrongType
from mtredis.keyspace.types import stream_group as groups

NOW = 1_700_000_000_000
SEQUENCE = (1 << 64) - 1


def text(number: int) -> bytes:
    return b"%d-%d" % (number >> 64, number & SEQUENCE)


def make(node_entries: int = 100, node_bytes: int = 4096) -> tuple[Keyspace, Any]:
    keyspace = Keyspace(2, hash_key=b"0" * 16, seed=1)
    keyspace.now = NOW
    keyspace.set_limits({"stream_node_max_entries": node_entries, "stream_node_max_bytes": node_bytes})
    return keyspace, keyspace.new(Stream)


fields = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"", b"7"]), st.one_of(st.binary(max_size=70), st.just(b"-12"))),
    min_size=1,
    max_size=3,
).map(lambda pairs: [word for pair in pairs for word in pair])


class Streams(RuleBasedStateMachine):
    """Entries and one group with consumers; the model is a dict of entries and one of what is pending."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[int, list[bytes]] = {}
        self.pending: dict[int, tuple[bytes, int]] = {}
        self.consumers: set[bytes] = set()
        self.last = self.read = 0
        self.key: bytes | None = None

    @initialize(node_entries=st.sampled_from([0, 1, 2, 5, 100]), node_bytes=st.sampled_from([0, 1, 60, 4096]))
    def start(self, node_entries: int, node_bytes: int) -> None:
        self.keyspace, self.stream = make(node_entries, node_bytes)
        groups.create_group(self.stream, b"g", 0)

    def group(self) -> Any:
        return groups.find_group(self.stream, b"g")

    @rule(step=st.sampled_from([1, 1, 2, 127, 5000, 1 << 64, (1 << 70) - 1, (1 << 64) * 40000]), pairs=fields)
    def add(self, step: int, pairs: list[bytes]) -> None:
        self.last += step
        assert self.stream.add(pairs, 0, self.last) == text(self.last)
        self.entries[self.last] = pairs

    @rule(back=st.integers(0, 3), pairs=fields)
    @precondition(lambda self: self.last > 3)
    def add_too_small(self, back: int, pairs: list[bytes]) -> None:
        with pytest.raises(CommandError):
            self.stream.add(pairs, 0, self.last - back)

    @rule(data=st.data())
    @precondition(lambda self: self.entries)
    def delete(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.entries)), min_size=1, max_size=5, unique=True))
        assert self.stream.delete([*chosen, *chosen, self.last + 1]) == len(chosen)
        for number in chosen:
            del self.entries[number]

    @rule(data=st.data(), is_approximate=st.booleans(), limit=st.sampled_from([0, 0, 1, 7]))
    @precondition(lambda self: self.entries)
    def trim_length(self, data: st.DataObject, is_approximate: bool, limit: int) -> None:
        length = data.draw(st.integers(0, len(self.entries) + 1))
        deleted = self.stream.trim_length(length, is_approximate, limit)
        assert deleted <= max(0, len(self.entries) - length)
        assert is_approximate or limit or deleted == max(0, len(self.entries) - length)
        assert not limit or deleted <= limit or not is_approximate
        self.forget(deleted)

    @rule(data=st.data(), is_approximate=st.booleans())
    @precondition(lambda self: self.entries)
    def trim_id(self, data: st.DataObject, is_approximate: bool) -> None:
        minimum = data.draw(st.sampled_from(sorted(self.entries))) + data.draw(st.integers(0, 1))
        deleted = self.stream.trim_id(minimum, is_approximate)
        below = sum(number < minimum for number in self.entries)
        assert deleted == below or (is_approximate and deleted < below)
        self.forget(deleted)

    def forget(self, count: int) -> None:
        for number in sorted(self.entries)[:count]:
            del self.entries[number]

    @rule(data=st.data(), count=st.integers(0, 5), is_backward=st.booleans())
    def range(self, data: st.DataObject, count: int, is_backward: bool) -> None:
        places = st.one_of(st.sampled_from([0, MAX_ID, *sorted(self.entries)]), st.integers(0, self.last + 1))
        first, last = data.draw(places), data.draw(places)
        expected = [(text(n), self.entries[n]) for n in sorted(self.entries) if first <= n <= last]
        expected = (expected[::-1] if is_backward else expected)[: count or None]
        assert self.stream.range(first, last, count, is_backward) == expected

    @rule(data=st.data())
    @precondition(lambda self: self.entries)
    def one(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.entries)))
        assert self.stream.entry(number) == self.entries[number]
        assert (self.stream.entry(number + 1) is None) == (number + 1 not in self.entries)

    @rule(name=st.sampled_from([b"alice", b"bob", b""]), count=st.integers(0, 4), is_acknowledged=st.booleans())
    def deliver(self, name: bytes, count: int, is_acknowledged: bool) -> None:
        assert self.group().see(name) == (name not in self.consumers)
        self.consumers.add(name)
        fresh = [n for n in sorted(self.entries) if n > self.read][: count or None]
        delivered = self.group().deliver(name, count, is_acknowledged)
        assert delivered == [(text(n), self.entries[n]) for n in fresh]
        if fresh:
            self.read = fresh[-1]
        if not is_acknowledged:
            self.pending |= dict.fromkeys(fresh, (name, 1))

    @rule(data=st.data())
    @precondition(lambda self: self.pending)
    def acknowledge(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.pending)), min_size=1, max_size=4, unique=True))
        assert self.group().acknowledge([*chosen, *chosen, self.last + 1]) == len(chosen)
        for number in chosen:
            del self.pending[number]

    @rule(data=st.data())
    @precondition(lambda self: self.consumers)
    def history(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.consumers)))
        mine = [n for n in sorted(self.pending) if self.pending[n][0] == name]
        assert self.group().history(name, 0) == [(text(n), self.entries.get(n)) for n in mine]
        for number in mine:
            if number in self.entries:
                self.pending[number] = (name, self.pending[number][1] + 1)

    @rule(data=st.data(), is_forced=st.booleans(), just_id=st.booleans())
    @precondition(lambda self: self.consumers and self.last)
    def claim(self, data: st.DataObject, is_forced: bool, just_id: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.consumers)))
        known = st.sampled_from([self.last, *sorted(self.entries), *sorted(self.pending)])
        chosen = data.draw(st.lists(known, min_size=1, max_size=4, unique=True))
        claimed, changes = self.group().claim(name, chosen, 0, NOW, -1, is_forced, just_id)
        gone = [n for n in chosen if n not in self.entries and self.pending.pop(n, None)]
        taken = [n for n in chosen if n in self.entries and (is_forced or n in self.pending)]
        assert claimed == [text(n) if just_id else (text(n), self.entries[n]) for n in taken]
        assert sorted(row[0] for row in changes) == sorted(text(n) for n in gone + taken)
        for number in taken:
            self.pending[number] = (name, self.pending.get(number, (b"", 1))[1] + (not just_id))
            assert (text(number), name, NOW, self.pending[number][1]) in changes

    @rule(data=st.data(), count=st.integers(1, 4))
    @precondition(lambda self: self.consumers and self.pending)
    def claim_idle(self, data: st.DataObject, count: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.consumers)))
        first = data.draw(st.sampled_from([0, *sorted(self.pending)]))
        looked = [n for n in sorted(self.pending) if n >= first]
        claimed, deleted, changes, following = self.group().claim_idle(name, first, 0, count, 100, True)
        assert claimed == [text(n) for n in looked[:count] if n in self.entries]
        assert deleted == [text(n) for n in looked[:count] if n not in self.entries]
        assert [row[0] for row in changes] == [text(n) for n in looked[:count]]
        assert following == (text(looked[count]) if len(looked) > count else b"0-0")
        for number in looked[:count]:
            if number in self.entries:
                self.pending[number] = (name, self.pending[number][1])
            else:
                del self.pending[number]

    @rule(name=st.sampled_from([b"alice", b"bob", b"carol"]))
    def delete_consumer(self, name: bytes) -> None:
        mine = [n for n in self.pending if self.pending[n][0] == name]
        assert self.group().delete_consumer(name) == (len(mine) if name in self.consumers else None)
        self.consumers.discard(name)
        for number in mine:
            del self.pending[number]

    @rule()
    def copy(self) -> None:
        """The copy takes the original's place, which must not be needed any more."""
        database = self.keyspace[0]
        if self.key is None:
            self.key = b"0"
            database.put(self.key, self.stream)
        original, self.key = self.key, b"%d" % (int(self.key) + 1)
        database.copy(original, database, self.key)
        database.delete(original)
        self.stream = database.lookup_write(self.key, Stream)

    @invariant()
    def agrees(self) -> None:
        stream = self.stream
        assert len(stream) == len(self.entries)
        assert stream.first_id == min(self.entries, default=0)
        assert stream.top_id == max(self.entries, default=0)
        assert stream.last_id == self.last
        group = self.group()
        assert group.last_id == self.read
        assert group.has_new == any(n > self.read for n in self.entries)
        rows = group.pending(0, MAX_ID)
        assert [(row[0], row[1], row[3]) for row in rows] == [(text(n), *self.pending[n]) for n in sorted(self.pending)]
        counts = {name: pending for name, _, _, pending in group.consumers()}
        owners = [owner for owner, _ in self.pending.values()]
        assert counts == {name: owners.count(name) for name in self.consumers}


Streams.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStreams = Streams.TestCase


def test_an_empty_stream_takes_little() -> None:
    _, stream = make()
    assert stream.encoding == b"stream"
    assert len(stream) == 0
    assert stream.memory <= 192
    assert stream.range(0, MAX_ID) == []


@pytest.mark.parametrize("count", [1, 2, 10, 99, 100, 101, 1000, 20_000])
def test_nodes_hold_as_many_entries_as_they_may(count: int) -> None:
    _, stream = make(node_entries=100, node_bytes=0)
    for i in range(1, count + 1):
        stream.add([b"f", b"v"], 0, i)
    assert stream.nodes == (count + 99) // 100
    assert [entry for entry, _ in stream.range(count - 1, count)][-1] == text(count)


def test_memory_goes_back_to_what_it_was() -> None:
    _, stream = make()
    empty = stream.memory
    groups.create_group(stream, b"g", 0)
    with_group = stream.memory
    for i in range(1, 3000):
        stream.add([b"field", b"value", b"n", b"%d" % i], 0, i)
    full = stream.memory
    group = groups.find_group(stream, b"g")
    group.see(b"alice")
    group.see(b"bob")
    with_consumers = stream.memory
    group.deliver(b"alice", 1500)
    group.deliver(b"bob", 0)
    assert stream.memory > with_consumers + 3000 * 48
    group.claim(b"bob", list(range(1, 1000)), 0, NOW, -1, False, True)
    assert group.acknowledge(list(range(2500, 3000))) == 500
    assert group.delete_consumer(b"alice") == 501
    assert group.delete_consumer(b"bob") == 1998
    assert stream.memory == full
    assert stream.trim_length(0) == 2999
    assert stream.memory == with_group
    assert groups.destroy_group(stream, b"g")
    assert stream.memory - empty < 80  # the empty tree of groups


def test_the_table_accounts_for_the_memory() -> None:
    keyspace, _ = make()
    database = keyspace[0]
    before = keyspace.used_memory
    stream = database.create(b"k", Stream)
    empty = keyspace.used_memory - stream.memory
    for i in range(1, 500):
        stream.add([b"f", b"x" * (i % 50)], 0, i)
    assert keyspace.used_memory - empty == stream.memory
    stream.delete(list(range(1, 400)))
    groups.create_group(stream, b"group", 0)
    groups.find_group(stream, b"group").see(b"consumer")
    assert keyspace.used_memory - empty == stream.memory
    database.delete(b"k")
    assert before <= keyspace.used_memory <= empty


def test_generated_ids_follow_the_clock_and_never_go_back() -> None:
    keyspace, stream = make()
    assert stream.add([b"f", b"v"], 0) == b"%d-0" % NOW
    assert stream.add([b"f", b"v"], 0) == b"%d-1" % NOW
    keyspace.now = NOW - 5000
    assert stream.add([b"f", b"v"], 0) == b"%d-2" % NOW
    keyspace.now = NOW + 1
    assert stream.add([b"f", b"v"], 0) == b"%d-0" % (NOW + 1)
    assert stream.add([b"f", b"v"], 0, (NOW + 1) << 64, True) == b"%d-1" % (NOW + 1)
    assert stream.add([b"f", b"v"], 0, (NOW + 2) << 64, True) == b"%d-0" % (NOW + 2)
    stream.set_ids(((NOW + 3) << 64) - 1)
    assert stream.add([b"f", b"v"], 0) == b"%d-0" % (NOW + 3)


def test_the_last_id_is_the_end() -> None:
    _, stream = make()
    assert stream.add([b"f", b"v"], 0, MAX_ID - 1) == text(MAX_ID - 1)
    assert stream.add([b"f", b"v"], 0) == text(MAX_ID)
    for arguments in ((), (MAX_ID,), (MAX_ID - SEQUENCE, True)):
        with pytest.raises(CommandError, match="exhausted"):
            stream.add([b"f", b"v"], 0, *arguments)
    assert stream.range(MAX_ID, MAX_ID) == [(text(MAX_ID), [b"f", b"v"])]
    groups.create_group(stream, b"g", MAX_ID)
    group = groups.find_group(stream, b"g")
    group.see(b"c")
    assert (group.has_new, group.deliver(b"c")) == (False, [])


def test_only_bytes_are_fields() -> None:
    _, stream = make()
    with pytest.raises(TypeError):
        stream.add([b"f", "v"], 0)
    assert (len(stream), stream.last_id) == (0, 0)


@given(names=st.lists(st.binary(max_size=20), unique=True, max_size=30))
def test_groups_are_in_the_order_of_their_names(names: list[bytes]) -> None:
    _, stream = make()
    for number, name in enumerate(names):
        assert groups.create_group(stream, name, number)
        assert not groups.create_group(stream, name, 99)
    assert [(group.name, group.last_id) for group in groups.all_groups(stream)] == sorted(
        (name, number) for number, name in enumerate(names)
    )
    assert groups.group_count(stream) == len(names)
    for name in names[::2]:
        assert groups.destroy_group(stream, name)
        assert not groups.destroy_group(stream, name)
        assert groups.find_group(stream, name) is None
    assert [group.name for group in groups.all_groups(stream)] == sorted(names[1::2])


def test_a_string_is_no_stream() -> None:
    keyspace, _ = make()
    keyspace[0].set_string(b"k", b"v")
    with pytest.raises(WrongType):
        keyspace[0].lookup_read(b"k", Stream)
    assert keyspace[0].lookup_read(b"none", Stream) is None


def test_reading_makes_no_garbage() -> None:
    _, stream = make()
    for i in range(1, 300):
        stream.add([b"f", b"v%d" % i], 0, i)
    stream.range(0, MAX_ID)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            stream.range(0, MAX_ID)
            stream.range(0, MAX_ID, 0, True)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
