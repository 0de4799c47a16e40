"""The set type against a Python set: every operation, across all encodings, with members of all sizes.

Idea: limits are set low and changed in between, so that sets cross from one encoding into another all the time; the
model knows Redis's rules for that. What is drawn at random is checked to be possible by the state machine, and to be
fair by chi-square tests with fixed seeds.
"""

import re
from collections import Counter
from itertools import combinations
from math import comb
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.set_algebra import (
    count_intersection,
    difference,
    intersect_into,
    intersection,
    subtract_into,
    unite_into,
)

INTSET, LISTPACK, TABLE = b"intset", b"listpack", b"hashtable"

integers = st.one_of(
    st.integers(-9, 30),
    st.sampled_from([2**15, -(2**15) - 1, 2**31, 2**63 - 1, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
).map(lambda number: b"%d" % number)
texts = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"01", b"-0", b"+1", b" 1", b"1.0", b"9223372036854775808", b"-"]),
    st.binary(max_size=12),
    st.sampled_from([63, 64, 65, 300, 5000]).map(lambda length: b"%c" % (length % 256) * length),
)
members = st.one_of(integers, integers, texts)
some = st.one_of(
    st.lists(integers, min_size=1, max_size=8),
    st.lists(members, min_size=1, max_size=8),
    st.tuples(st.integers(0, 50), st.integers(1, 150)).map(lambda pair: [b"%d" % i for i in range(pair[0], sum(pair))]),
    st.integers(1, 150).map(lambda count: [b"m%d" % i for i in range(count)]),
)
keys = st.sampled_from([b"a", b"b", b"c"])


def is_integer(text: bytes) -> bool:
    return re.fullmatch(rb"0|-?[1-9][0-9]{0,18}", text) is not None and -(2**63) <= int(text) < 2**63


class Limits:
    """set-max-intset-entries, set-max-listpack-entries, set-max-listpack-value."""

    def __init__(self, intset: int = 512, entries: int = 128, value: int = 64) -> None:
        self.intset, self.entries, self.value = intset, entries, value

    def apply(self, keyspace: Keyspace) -> None:
        keyspace.set_limits({
            "set_max_intset_entries": self.intset,
            "set_max_listpack_entries": self.entries,
            "set_max_listpack_value": self.value,
        })  # fmt: skip


class Model:
    """A set and the encoding that it has in Redis."""

    def __init__(self, limits: Limits, encoding: bytes = INTSET) -> None:
        self.limits = limits
        self.encoding = encoding
        self.members: set[bytes] = set()

    def add(self, member: bytes) -> bool:
        if member in self.members:
            return False
        limits, count = self.limits, len(self.members)
        if self.encoding == INTSET and not is_integer(member):
            longest = max(map(len, self.members | {member}))
            fits = count < limits.entries and longest <= limits.value
            self.encoding = LISTPACK if fits else TABLE
        elif self.encoding == LISTPACK:
            if count >= limits.entries or len(member) > limits.value:
                self.encoding = TABLE
        elif count >= limits.intset:
            self.encoding = TABLE
        self.members.add(member)
        return True

    def add_many(self, members: list[bytes]) -> int:
        limits, count = self.limits, len(members)
        if not self.members:
            if is_integer(members[0]) and count <= limits.intset:
                self.encoding = INTSET
            else:
                self.encoding = LISTPACK if count <= limits.entries else TABLE
        elif (self.encoding == LISTPACK and count > limits.entries) or (
            self.encoding == INTSET and count > limits.intset
        ):
            self.encoding = TABLE
        return sum([self.add(member) for member in members])

    def copy(self) -> "Model":
        copy = Model(self.limits, self.encoding)
        copy.members = set(self.members)
        return copy


class Sets(RuleBasedStateMachine):
    """Three keys of a database and their models."""

    @initialize(limits=st.builds(Limits, st.sampled_from([0, 4, 40]), st.sampled_from([0, 4, 40]), st.integers(0, 64)))
    def begin(self, limits: Limits) -> None:
        self.limits = limits
        self.keyspace = Keyspace(1, b"0123456789abcdef", 1)
        limits.apply(self.keyspace)
        self.db = self.keyspace[0]
        self.model: dict[bytes, Model] = {}
        self.db.set_string(b"s", b"x")
        self.db.delete(b"s")
        self.used_at_first = self.keyspace.used_memory

    def of(self, key: bytes) -> tuple[Any, Model]:
        """The handle of a key, None if it is missing, and its model."""
        return self.db.lookup_write(key, Set), self.model.get(key, Model(self.limits))

    def settle(self, key: bytes, handle: Any) -> None:
        """What every handler does after a removal."""
        assert self.db.drop_if_empty(key, handle) == (not self.model[key].members)
        if not self.model[key].members:
            del self.model[key]

    def put(self, key: bytes, result: Any, model: Model) -> None:
        """What a STORE does."""
        assert len(result) == len(model.members)
        if len(result):
            self.db.put(key, result)
            self.model[key] = model
        else:
            self.db.delete(key)
            self.model.pop(key, None)

    @rule(intset=st.sampled_from([0, 3, 40, 512]), entries=st.sampled_from([0, 3, 40, 128]), value=st.integers(0, 64))
    def change_limits(self, intset: int, entries: int, value: int) -> None:
        """Sets that exist stay as they are."""
        self.limits.intset, self.limits.entries, self.limits.value = intset, entries, value
        self.limits.apply(self.keyspace)

    @rule(key=keys, chosen=some, start=st.sampled_from([0, 0, 2]))
    def add_many(self, key: bytes, chosen: list[bytes], start: int) -> None:
        model = self.model.setdefault(key, Model(self.limits))
        assert self.db.write(key, Set).add_many([b"unused"] * start + chosen, start) == model.add_many(chosen)

    @rule(key=keys, member=members)
    def add(self, key: bytes, member: bytes) -> None:
        handle, model = self.of(key)
        if handle is not None:
            assert handle.add(member) == model.add(member)

    @rule(key=keys, chosen=some, start=st.sampled_from([0, 0, 2]))
    def remove_many(self, key: bytes, chosen: list[bytes], start: int) -> None:
        handle, model = self.of(key)
        if handle is not None:
            assert handle.remove_many([b"unused"] * start + chosen, start) == len(model.members & set(chosen))
            model.members -= set(chosen)
            self.settle(key, handle)

    @rule(key=keys, index=st.integers(0, 200), member=members)
    def remove(self, key: bytes, index: int, member: bytes) -> None:
        handle, model = self.of(key)
        if handle is None:
            return
        for gone in (sorted(model.members)[index % len(model.members)], member):
            assert handle.remove(gone) == (gone in model.members)
            model.members.discard(gone)
        self.settle(key, handle)

    @rule(key=keys, times=st.integers(1, 5))
    def pop(self, key: bytes, times: int) -> None:
        handle, model = self.of(key)
        if handle is None:
            return
        for _ in range(min(times, len(model.members))):
            model.members.remove(handle.pop())
        self.settle(key, handle)

    @rule(key=keys, count=st.integers(0, 200))
    def draw(self, key: bytes, count: int) -> None:
        handle, model = self.of(key)
        if handle is None:
            return
        drawn = handle.draw(count)
        assert len(drawn) == count and set(drawn) <= model.members
        assert handle.random() in model.members
        sample = handle.sample(count)
        assert len(sample) == len(set(sample)) == min(count, len(model.members))
        assert set(sample) <= model.members

    @rule(key=keys, keep=st.integers(1, 200))
    def split(self, key: bytes, keep: int) -> None:
        """SPOP of most of the members."""
        handle, model = self.of(key)
        if handle is None or keep >= len(model.members):
            return
        rest = self.keyspace.new(Set)
        popped = handle.split(keep, rest)
        kept = Model(self.limits, INTSET if model.encoding == INTSET else LISTPACK)
        for member in rest.members():
            assert kept.add(member)
        assert len(popped) + keep == len(model.members)
        assert set(popped) | kept.members == model.members
        self.put(key, rest, kept)

    @rule(key=keys, asked=some)
    def look(self, key: bytes, asked: list[bytes]) -> None:
        handle, model = self.of(key)
        if handle is not None:
            assert [handle.contains(member) for member in asked] == [member in model.members for member in asked]

    @rule(key=keys, count=st.integers(1, 40), stranger=st.binary(min_size=200, max_size=200))
    def scan(self, key: bytes, count: int, stranger: bytes) -> None:
        """Every member is seen although others come and go meanwhile."""
        handle, model = self.of(key)
        if handle is None:
            return
        cursor, seen = handle.scan(0, count)
        while cursor:
            model.add(stranger)
            handle.add(stranger)
            cursor, more = handle.scan(cursor, count)
            seen += more
        assert set(seen) - {stranger} == model.members - {stranger}

    @rule(key=keys, to=keys)
    def copy(self, key: bytes, to: bytes) -> None:
        if self.db.copy(key, self.db, to):
            self.model[to] = self.model[key].copy()
            if self.model[to].encoding != TABLE:
                assert self.db.peek(to, Set).memory <= self.db.peek(key, Set).memory + 16

    def several(self, chosen: list[bytes]) -> tuple[list[Any], list[Model]]:
        """Handles and models of those keys that are there."""
        there = [key for key in chosen if key in self.model]
        return [self.db.lookup_read(key, Set) for key in there], [self.model[key] for key in there]

    @rule(to=keys, chosen=st.lists(keys, min_size=1, max_size=4))
    def unite(self, to: bytes, chosen: list[bytes]) -> None:
        handles, models = self.several(chosen)
        result, expected = self.keyspace.new(Set), Model(self.limits)
        for handle in handles:
            for member in handle.members():
                expected.add(member)
        unite_into(result, handles)
        assert expected.members == set().union(*(model.members for model in models))
        self.put(to, result, expected)

    @rule(to=keys, chosen=st.lists(keys, min_size=1, max_size=4), limit=st.integers(0, 20))
    def intersect(self, to: bytes, chosen: list[bytes], limit: int) -> None:
        handles, models = self.several(chosen)
        if not handles:
            return
        common = set.intersection(*(model.members for model in models))
        found = intersection(handles)
        assert sorted(found) == sorted(common)
        assert count_intersection(handles, limit) == (min(limit, len(common)) if limit else len(common))
        smallest = min(models, key=lambda model: len(model.members))
        expected = Model(self.limits, INTSET if smallest.encoding == INTSET else LISTPACK)
        for member in found:
            expected.add(member)
        if len(common) <= self.limits.intset and all(map(is_integer, common)):
            expected.encoding = INTSET
        result = self.keyspace.new(Set)
        intersect_into(result, handles)
        self.put(to, result, expected)

    @rule(to=keys, first=keys, chosen=st.lists(keys, max_size=4))
    def subtract(self, to: bytes, first: bytes, chosen: list[bytes]) -> None:
        handles, models = self.several([key for key in chosen if key != first])
        minuend, model = self.of(first)
        if minuend is None:
            return
        left = model.members.difference(*(other.members for other in models))
        assert sorted(difference(minuend, handles)) == sorted(left)
        sizes = [len(other.members) for other in models]
        is_looked_up = (len(models) + 1) * len(model.members) // 2 <= len(model.members) + sum(sizes)
        expected = Model(self.limits)
        for member in minuend.members():
            if member in left or not is_looked_up:
                expected.add(member)
        expected.members &= left
        result = self.keyspace.new(Set)
        subtract_into(result, minuend, handles)
        self.put(to, result, expected)

    @invariant()
    def is_the_model(self) -> None:
        assert sorted(self.db.keys()) == sorted(self.model)
        for key, model in self.model.items():
            handle = self.db.peek(key, Set)
            found = handle.members()
            assert len(handle) == len(found) == len(model.members)
            assert set(found) == model.members
            assert (handle.encoding, key) == (model.encoding, key)
            if model.encoding == INTSET:
                assert found == sorted(found, key=int)

    def teardown(self) -> None:
        for key in list(self.model):
            assert self.db.delete(key)
        assert self.keyspace.used_memory == self.used_at_first


TestSets = Sets.TestCase
TestSets.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


KEYSPACES: list[Keyspace] = []  # a handle does not keep its keyspace alive


def made(members: list[bytes], seed: int = 1, limits: Limits | None = None) -> Any:
    """A detached set in a keyspace of its own, whose chance is fixed."""
    keyspace = Keyspace(1, b"0123456789abcdef", seed)
    KEYSPACES.append(keyspace)
    (limits or Limits()).apply(keyspace)
    handle = keyspace.new(Set)
    if members:
        handle.add_many(members)
    return handle


# --- encodings at Redis's own limits ----------------------------------------------------------------------------------


def numbers(count: int) -> list[bytes]:
    return [b"%d" % i for i in range(count)]


def names(count: int) -> list[bytes]:
    return [b"m%d" % i for i in range(count)]


@pytest.mark.parametrize(
    ("first", "then", "encoding"),
    [
        (numbers(512), [], INTSET),
        (numbers(513), [], TABLE),
        (numbers(512), [b"511"], INTSET),
        (numbers(512), [b"512"], TABLE),
        (names(128), [], LISTPACK),
        (names(129), [], TABLE),
        (names(128), [b"m5"], LISTPACK),
        (names(128), [b"new"], TABLE),
        (numbers(127), [b"x"], LISTPACK),
        (numbers(128), [b"x"], TABLE),
        ([b"x" * 64], [], LISTPACK),
        ([b"x" * 65], [], TABLE),
        ([b"1"], [b"x" * 64], LISTPACK),
        ([b"1"], [b"x" * 65], TABLE),
        ([b"x"] * 129, [], TABLE),
        ([b"1"] * 129, [], INTSET),
        ([b"x"], [b"x"] * 129, TABLE),
        ([b"1"], [b"1"] * 513, TABLE),
        ([b"1", b"x"], [], LISTPACK),
        ([b"x", b"1"], [], LISTPACK),
    ],
)
def test_encodings(first: list[bytes], then: list[bytes], encoding: bytes) -> None:
    handle = made(first)
    if then:
        handle.add_many(then)
    assert handle.encoding == encoding
    assert set(handle.members()) == set(first + then)


def test_removing_does_not_change_the_encoding() -> None:
    for first, encoding in ((numbers(600), TABLE), (names(200), TABLE), (names(9), LISTPACK), (numbers(9), INTSET)):
        handle = made(first)
        assert handle.remove_many(first[1:]) == len(first) - 1
        assert (handle.encoding, handle.members()) == (encoding, first[:1])


# --- memory -----------------------------------------------------------------------------------------------------------


def chunk(size: int) -> int:
    """What malloc takes for so many bytes."""
    return max(32, (size + 8 + 15) & ~15)


@pytest.mark.parametrize(("width", "first"), [(2, 0), (4, 1 << 20), (8, 1 << 40)])
@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_the_memory_of_an_intset(width: int, first: int, count: int) -> None:
    handle = made([b"%d" % (first + i) for i in range(count)])
    assert 0 <= handle.memory - chunk(8 + width * count) <= 16


@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_the_memory_of_a_listpack(count: int) -> None:
    handle = made([b"%010d" % i for i in range(count)])
    assert handle.encoding == LISTPACK
    assert 0 <= handle.memory - chunk(7 + 12 * count) <= 16 + count


@pytest.mark.parametrize("members", [numbers(50), names(50), names(300), numbers(3000)])
def test_a_copy_is_a_thing_of_its_own(members: list[bytes]) -> None:
    keyspace = Keyspace(2)
    first, second = keyspace
    original = keyspace.new(Set)
    original.add_many(members)
    first.put(b"k", original)
    assert first.copy(b"k", second, b"c")
    copied = second.lookup_write(b"c", Set)
    assert (copied.encoding, copied.length()) == (original.encoding, len(members))
    assert copied.memory < original.memory * 1.3
    copied.add(b"new")
    original.remove(members[0])
    assert copied.contains(members[0]) and not original.contains(b"new")
    before = keyspace.used_memory
    held = copied.memory
    second.delete(b"c")
    assert before - keyspace.used_memory >= held


# --- chance -----------------------------------------------------------------------------------------------------------

# 2, 10, 128 and 200 members: an intset, a listpack, a small and a large table
CROWDS = [numbers(40), names(40), [b"x" * 70, *names(39)], names(200)]
CROWD_IDS = ["intset", "listpack", "small-table", "table"]


def chi_square(counts: list[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)


def bound(cells: int) -> float:
    """Six standard deviations above the mean of chi-square with that many cells."""
    return cells - 1 + 6 * (2 * (cells - 1)) ** 0.5


def is_fair(counts: Counter[Any], cells: int) -> bool:
    seen = [*counts.values()] + [0] * (cells - len(counts))
    return chi_square(seen, sum(seen) / cells) < bound(cells)


@pytest.mark.parametrize("crowd", CROWDS, ids=CROWD_IDS)
def test_every_member_is_drawn_as_often_as_any(crowd: list[bytes]) -> None:
    handle = made(crowd)
    rounds = 200 * len(crowd)
    assert is_fair(Counter(handle.random() for _ in range(rounds)), len(crowd))
    assert is_fair(Counter(handle.draw(rounds)), len(crowd))
    neighbours = handle.draw(rounds)
    half = set(crowd[: len(crowd) // 2])
    pairs = Counter((a in half, b in half) for a, b in zip(neighbours[::2], neighbours[1::2], strict=True))
    assert is_fair(pairs, 4)


@pytest.mark.parametrize("crowd", CROWDS, ids=CROWD_IDS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_samples_and_splits_favour_nobody(crowd: list[bytes], share: float) -> None:
    handle = made(crowd)
    count = int(len(crowd) * share)
    sampled, kept = Counter[bytes](), Counter[bytes]()
    for _ in range(8000 // count + 200):
        sampled.update(handle.sample(count))
        rest = made([])
        handle.split(count, rest)
        kept.update(rest.members())
    assert is_fair(sampled, len(crowd))
    assert is_fair(kept, len(crowd))


@pytest.mark.parametrize(
    "crowd", [numbers(6), names(6), [b"x" * 70, *names(5)]], ids=["intset", "listpack", "small-table"]
)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_subset_is_as_likely_as_any(crowd: list[bytes], count: int) -> None:
    handle = made(crowd)
    subsets = comb(len(crowd), count)
    counts = Counter(tuple(sorted(handle.sample(count))) for _ in range(200 * subsets))
    assert set(counts) == {tuple(sorted(subset)) for subset in combinations(crowd, count)}
    assert is_fair(counts, subsets)


@pytest.mark.parametrize("crowd", CROWDS, ids=CROWD_IDS)
def test_every_member_is_popped_first_as_often_as_any(crowd: list[bytes]) -> None:
    handle = made(crowd)
    popped = Counter[bytes]()
    for _ in range(100 * len(crowd)):
        member = handle.pop()
        popped[member] += 1
        handle.add(member)
    assert is_fair(popped, len(crowd))
    assert handle.encoding == made(crowd).encoding


def test_chance_is_that_of_the_seed() -> None:
    assert made(names(50), seed=7).draw(100) == made(names(50), seed=7).draw(100)
    assert made(names(50), seed=7).draw(100) != made(names(50), seed=8).draw(100)


# --- misuse -----------------------------------------------------------------------------------------------------------


def test_an_empty_set_has_nothing_to_give() -> None:
    handle = made([])
    assert (handle.random(), handle.pop(), handle.sample(5), handle.members()) == (None, None, [], [])
    assert (handle.remove(b"x"), handle.remove_many([b"x"]), handle.contains(b"x")) == (0, 0, False)
    assert handle.add_many([]) == handle.add_many([b"unused"], 1) == 0


def test_members_are_bytes_and_nothing_is_added_otherwise() -> None:
    handle = made([b"a"])
    for change in (handle.add_many, handle.remove_many):
        with pytest.raises(TypeError):
            change([b"b", "text"])
    assert handle.members() == [b"a"]
