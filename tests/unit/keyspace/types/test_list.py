"""The list type against a Python list: every operation, at every limit, with elements of all sizes.

Idea: limits are set low, so that lists cross from a listpack into a quicklist and back all the time. What the nodes
are is looked at from outside (`List.nodes`): together they are the list, within their limits, and the memory is theirs.
How elements are dealt to nodes is compared with redis-server in tests/conformance/test_list_nodes.py.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.list import List

from mtredis.errors import WrongType

FILLS = [-1, -2, -5, 0, 1, 2, 3, 16, 200]
SIZES = {-1: 4096, -2: 8192, -5: 65536}

elements = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"1", b"-1", b"01", b"12345678901", b"-9223372036854775808"]),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
    st.binary(max_size=70),
    st.sampled_from([300, 2000, 4090, 4097, 8190, 9000, 66000]).map(lambda length: b"%c" % (length % 256) * length),
)
some = st.lists(elements, min_size=1, max_size=6)
small = elements.filter(lambda text: len(text) < 400)
many = st.one_of(some, st.tuples(small, st.integers(1, 60)).map(lambda pair: [pair[0]] * pair[1]))
places = st.integers(-12, 12)
sides = st.booleans()


def new(fill: int) -> tuple[Keyspace, List]:
    keyspace = Keyspace(1)
    keyspace.set_limits({"list_max_listpack_size": fill})
    return keyspace, keyspace.new(List)


# What malloc holds for a quicklist's head: 64 bytes, or 16 more when it would not be worth splitting a chunk. (A
# sanitizer's malloc holds exactly what it is asked for.)
HEAD_MEMORY = (56, 64, 80)


class Lists(RuleBasedStateMachine):
    """Two keys of a database, their model, and copies."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[bytes, list[bytes]] = {}

    @initialize(fill=st.sampled_from(FILLS))
    def begin(self, fill: int) -> None:
        self.fill = fill
        self.keyspace, _ = new(fill)
        self.db = self.keyspace[0]

    def handle(self, key: bytes) -> List:
        return self.db.lookup_write(key, List)

    def pushed(self, key: bytes, left: bool, texts: list[bytes]) -> None:
        for text in texts:
            self.model.setdefault(key, []).insert(0 if left else len(self.model[key]), text)

    def settle(self, key: bytes) -> None:
        """What every handler does after a removal."""
        handle = self.handle(key)
        if handle is not None:
            assert self.db.drop_if_empty(key, handle) == (not self.model[key])
        if not self.model.get(key):
            self.model.pop(key, None)

    keys = st.sampled_from([b"a", b"b"])

    @rule(key=keys, texts=many, left=sides, start=st.sampled_from([0, 0, 1]))
    def push(self, key: bytes, texts: list[bytes], left: bool, start: int) -> None:
        self.pushed(key, left, texts)
        assert self.db.write(key, List).push([b"unused"] * start + texts, left, start) == len(self.model[key])

    @precondition(lambda self: self.model)
    @rule(key=keys, left=sides, count=st.integers(0, 70))
    def pop(self, key: bytes, left: bool, count: int) -> None:
        handle, model = self.handle(key), self.model.get(key)
        if handle is None or model is None:
            return
        if count == 1:
            assert handle.pop(left) == model.pop(0 if left else -1)
        else:
            taken = model[:count] if left else model[::-1][:count]
            self.model[key] = model[count:] if left else model[: max(0, len(model) - count)]
            assert handle.pop_many(left, count) == taken
        self.settle(key)

    @precondition(lambda self: self.model)
    @rule(key=keys, to=keys, left=sides, to_left=sides)
    def move(self, key: bytes, to: bytes, left: bool, to_left: bool) -> None:
        handle = self.handle(key)
        if handle is None:
            return
        moved = self.model[key].pop(0 if left else -1)
        self.pushed(to, to_left, [moved])
        other = handle if key == to else self.db.write(to, List)
        assert handle.move(other, left, to_left) == moved
        self.settle(key)

    @rule(key=keys, pivot=st.one_of(elements, places), text=elements, after=sides)
    def insert(self, key: bytes, pivot: Any, text: bytes, after: bool) -> None:
        handle, model = self.handle(key), self.model.get(key, [])
        if handle is None:
            return
        if isinstance(pivot, int):
            pivot = model[pivot % len(model)]
        found = pivot in model
        if found:
            model.insert(model.index(pivot) + after, text)
        assert handle.insert(pivot, text, after) is found

    @rule(key=keys, index=places, text=elements)
    def set(self, key: bytes, index: int, text: bytes) -> None:
        handle, model = self.handle(key), self.model.get(key, [])
        if handle is None:
            return
        found = -len(model) <= index < len(model)
        if found:
            model[index] = text
        assert handle.set(index, text) is found

    @rule(key=keys, text=st.one_of(elements, places), count=st.integers(-4, 4))
    def remove(self, key: bytes, text: Any, count: int) -> None:
        handle, model = self.handle(key), self.model.get(key, [])
        if handle is None:
            return
        if isinstance(text, int):
            text = model[text % len(model)]
        kept = model if count >= 0 else model[::-1]
        chosen = [i for i, each in enumerate(kept) if each == text][: abs(count) or None]
        kept = [each for i, each in enumerate(kept) if i not in chosen]
        self.model[key] = kept if count >= 0 else kept[::-1]
        assert handle.remove(text, count) == len(chosen)
        self.settle(key)

    @rule(key=keys, start=places, stop=st.one_of(places, st.sampled_from([-(2**63), 2**63 - 1])))
    def trim(self, key: bytes, start: int, stop: int) -> None:
        handle, model = self.handle(key), self.model.get(key, [])
        if handle is None:
            return
        self.model[key] = ranged(model, start, stop)
        assert handle.trim(start, stop) == len(model) - len(self.model[key])
        self.settle(key)

    @rule(fill=st.sampled_from(FILLS))
    def change_limit(self, fill: int) -> None:
        """Lists that exist keep their nodes."""
        self.keyspace.set_limits({"list_max_listpack_size": fill})
        self.fill = -5

    @rule(key=keys, to=keys)
    def copy(self, key: bytes, to: bytes) -> None:
        if self.db.copy(key, self.db, to):
            self.model[to] = list(self.model[key])

    @rule(key=keys, text=st.one_of(elements, places), rank=st.sampled_from([1, 2, 3, -1, -2, -3]),
          count=st.integers(0, 3), maxlen=st.sampled_from([0, 0, 1, 5, 40]))
    def positions(self, key: bytes, text: Any, rank: int, count: int, maxlen: int) -> None:
        handle, model = self.handle(key), self.model.get(key, [])
        if handle is None:
            return
        if isinstance(text, int):
            text = model[text % len(model)]
        looked = list(enumerate(model)) if rank > 0 else list(enumerate(model))[::-1]
        found = [i for i, each in (looked[:maxlen] if maxlen else looked) if each == text][abs(rank) - 1 :]
        assert handle.positions(text, rank, count, maxlen) == (found[:count] if count else found)

    @rule(key=keys, start=places, stop=places)
    def look(self, key: bytes, start: int, stop: int) -> None:
        handle, model = self.db.lookup_read(key, List), self.model.get(key)
        assert (handle is None) == (model is None)
        if handle is not None and model is not None:
            assert handle.range(start, stop) == ranged(model, start, stop)
            assert handle.index(start) == (model[start] if -len(model) <= start < len(model) else None)

    @invariant()
    def is_the_model(self) -> None:
        for key, model in self.model.items():
            handle = self.db.peek(key, List)
            assert handle.range(0, -1) == model
            assert len(handle) == len(model)
            check_nodes(handle, self.fill)

    def teardown(self) -> None:
        for key in list(self.model):
            assert self.db.delete(key)
        assert len(self.db) == 0


def ranged(model: list[bytes], start: int, stop: int) -> list[bytes]:
    first = max(0, start + len(model) if start < 0 else start)
    last = stop + len(model) if stop < 0 else stop
    return model[first : max(0, last + 1)]


def check_nodes(handle: List, fill: int) -> None:
    """The nodes are the list, none is empty or too large, and the memory is theirs."""
    nodes = handle.nodes()
    assert sum(count for count, _, _ in nodes) == len(handle)
    memory = sum(held for _, _, held in nodes)
    if handle.encoding == b"listpack":
        assert handle.memory == memory
        return
    assert handle.encoding == b"quicklist" and handle.memory - memory in HEAD_MEMORY
    assert all(count for count, _, _ in nodes)
    if fill > 0:
        assert all(count <= fill for count, _, _ in nodes)


# LSET may let a node outgrow its limit in bytes, as in Redis, so only numbers of elements are bounds above.
TestLists = Lists.TestCase
TestLists.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("fill", [-1, -2, -5])
def test_a_listpack_as_large_as_its_limit_and_one_byte_more(fill: int) -> None:
    # 7 bytes of frame; the texts of what is added are counted, not what they take
    for beyond in (0, 1):
        _, handle = new(fill)
        handle.push([b"x" * (SIZES[fill] - 7 + beyond)], True)
        assert handle.encoding == (b"quicklist" if beyond else b"listpack")


@pytest.mark.parametrize("fill", [1, 2, 3, 16, 200])
def test_a_listpack_of_as_many_elements_as_its_limit(fill: int) -> None:
    _, handle = new(fill)
    handle.push([b"x"] * fill, False)
    assert handle.encoding == b"listpack"
    handle.push([b"x"], False)
    assert handle.encoding == b"quicklist"
    assert [count for count, _, _ in handle.nodes()] == [fill, 1]


def test_many_elements_bounded_by_number_are_bounded_by_8_kb_too() -> None:
    _, handle = new(100)
    handle.push([b"x" * 1000] * 50, False)
    assert handle.encoding == b"quicklist"
    assert all(used <= 8192 for _, used, _ in handle.nodes())


def test_a_quicklist_is_packed_again_at_half_the_limit_when_it_shrinks() -> None:
    _, handle = new(10)
    handle.push([b"%d" % i for i in range(11)], False)
    for left in range(10, 5, -1):
        handle.pop(False)
        assert (len(handle), handle.encoding) == (left, b"quicklist")
    handle.pop(False)
    assert (handle.range(0, -1), handle.encoding) == ([b"0", b"1", b"2", b"3", b"4"], b"listpack")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [0, 1, 5, 9])
def test_insertion_into_a_full_node(after: bool, at: int) -> None:
    model = [b"%d" % i for i in range(30)]
    _, handle = new(10)
    handle.push(model, False)
    assert [count for count, _, _ in handle.nodes()] == [10, 10, 10]
    assert handle.insert(b"%d" % (10 + at), b"new", after)
    model.insert(10 + at + after, b"new")
    assert handle.range(0, -1) == model
    check_nodes(handle, 10)


def test_a_big_element_stands_alone() -> None:
    _, handle = new(-2)
    small = [b"%d" % i for i in range(6)]
    handle.push(small, False)
    handle.set(2, b"x" * 10000)
    assert [count for count, _, _ in handle.nodes()] == [2, 1, 3]
    handle.set(2, b"y" * 20000)
    assert [used for _, used, _ in handle.nodes()][1] == 20000
    handle.insert(b"y" * 20000, b"z" * 10000, True)
    assert [count for count, _, _ in handle.nodes()] == [2, 1, 1, 3]
    handle.set(3, b"back")
    assert [count for count, _, _ in handle.nodes()] == [2, 1, 4]
    assert handle.range(0, -1) == [b"0", b"1", b"y" * 20000, b"back", b"3", b"4", b"5"]
    assert handle.remove(b"y" * 20000, 0) == 1
    check_nodes(handle, -2)


def test_reading_from_the_nearer_end_of_many_nodes() -> None:
    _, handle = new(3)
    model = [b"%d" % (i * i) for i in range(1000)]
    handle.push(model, False)
    for start in (0, 1, 2, 3, 498, 499, 500, 501, 996, 997, 998, 999):
        assert handle.index(start) == model[start]
        assert handle.index(start - 1000) == model[start]
        assert handle.range(start, start + 7) == model[start : start + 8]
    assert handle.index(1000) is None and handle.index(-1001) is None
    assert handle.index(2**63 - 1) is None and handle.index(-(2**63)) is None


def test_an_error_leaves_the_list_as_it_was() -> None:
    _, handle = new(-2)
    handle.push([b"a"], True)
    with pytest.raises(TypeError):
        handle.push([b"b", "no bytes"], True)
    assert handle.range(0, -1) == [b"a"]


def test_empty_handles() -> None:
    _, handle = new(-2)
    assert (handle.pop(True), handle.pop(False), handle.pop_many(True, 5), handle.index(0)) == (None, None, [], None)
    assert (handle.range(0, -1), handle.trim(0, -1), handle.remove(b"a", 0)) == ([], 0, 0)
    assert (handle.positions(b"a", 1, 0, 0), handle.set(0, b"a"), handle.insert(b"a", b"b", True)) == ([], False, False)


def test_a_list_is_no_string_and_a_string_no_list() -> None:
    keyspace, handle = new(-2)
    db = keyspace[0]
    handle.push([b"a"], True)
    db.put(b"l", handle)
    db.set_string(b"s", b"v")
    assert (db.peek_type(b"l"), db.encoding(b"l")) == (b"list", b"listpack")
    with pytest.raises(WrongType):
        db.string(b"l")
    for lookup in (db.lookup_read, db.lookup_write, db.peek):
        with pytest.raises(WrongType):
            lookup(b"s", List)


def test_memory_is_accounted_for_and_given_back() -> None:
    keyspace, _ = new(-2)
    db = keyspace[0]
    db.set_string(b"other", b"v")
    before = keyspace.used_memory
    handle = db.create(b"l", List)
    for i in range(20000):
        handle.push([b"element:%d" % i], bool(i % 2))
    grown = keyspace.used_memory - before
    assert grown >= handle.memory > 20000 * 10
    check_nodes(handle, -2)
    handle.trim(100, -101)
    db.delete(b"l")
    assert keyspace.used_memory == before
