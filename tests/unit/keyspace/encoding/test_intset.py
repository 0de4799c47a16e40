"""The intset against a Python set, against redis-server's own bytes, and against bytes that nobody wrote."""

import random
import struct
from array import array
from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mtredis.keyspace.encoding.packed import PackedSet, is_valid_set

from tests.support import dump
from tests.support.servers import Server

EDGES = [n for bits in (15, 31, 63) for n in (-(2**bits), 2**bits - 1)]
EDGES += [n for bits in (15, 31) for n in (-(2**bits) - 1, 2**bits)]
FORMATS = {2: "h", 4: "i", 8: "q"}

small = st.integers(-20, 20)
numbers = small | st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**15), 2**15 - 1)


def width_for(number: int) -> int:
    return next(width for width in FORMATS if -(2 ** (8 * width - 1)) <= number < 2 ** (8 * width - 1))


def layout(width: int, members: list[int]) -> bytes:
    return struct.pack(f"<II{len(members)}{FORMATS[width]}", width, len(members), *members)


def parse(data: bytes) -> list[int] | None:
    """The numbers by the layout's description, None if there is anything wrong."""
    if len(data) < 8:
        return None
    width, count = struct.unpack_from("<II", data)
    if width not in FORMATS or not count or len(data) != 8 + width * count:
        return None
    found = list(struct.unpack_from(f"<{count}{FORMATS[width]}", data, 8))
    return found if all(a < b for a, b in pairwise(found)) else None


class IntsetMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.packed = PackedSet()
        self.model: set[int] = set()
        self.width = 2  # never less than was once needed

    @rule(number=numbers)
    def add(self, number: int) -> None:
        assert self.packed.add(number) == (number not in self.model)
        self.model.add(number)
        self.width = max(self.width, width_for(number))

    @rule(first=numbers, count=st.integers(1, 40))
    def add_many(self, first: int, count: int) -> None:
        for number in range(first, min(first + count, 2**63)):
            self.add(number)

    @rule(number=numbers)
    def remove(self, number: int) -> None:
        assert self.packed.remove(number) == (number in self.model)
        self.model.discard(number)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_a_member(self, data: st.DataObject) -> None:
        self.remove(data.draw(st.sampled_from(sorted(self.model))))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_at(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.model) - 1))
        self.packed.remove_at(place)
        self.model.remove(sorted(self.model)[place])

    @precondition(lambda self: self.model)
    @rule()
    def copy(self) -> None:
        self.packed = PackedSet(self.packed.dump())

    @rule(number=numbers)
    def find(self, number: int) -> None:
        assert (number in self.packed) == (number in self.model)
        assert self.packed.position(number) == bisect_left(sorted(self.model), number)

    @invariant()
    def it_is_the_model(self) -> None:
        ascending = sorted(self.model)
        data = self.packed.dump()
        assert list(self.packed) == ascending
        assert len(self.packed) == len(ascending)
        assert data == layout(self.width, ascending)
        assert is_valid_set(data) == bool(ascending)
        assert len(data) < self.packed.memory() <= 2 * len(data) + 72


TestIntset = IntsetMachine.TestCase
TestIntset.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_empty() -> None:
    assert PackedSet().dump() == layout(2, [])
    assert 0 not in PackedSet()
    assert PackedSet().position(2**40) == PackedSet().position(-(2**40)) == 0


@pytest.mark.parametrize("width", FORMATS)
def test_every_member_and_every_gap_is_found(width: int) -> None:
    top = 2 ** (8 * width - 1)
    for count in (1, 2, 3, 7, 8, 9, 100):
        members = [-top, *range(-3 * count, 3 * count, 3), top - 1]
        held = PackedSet(layout(width, members))
        for place, member in enumerate(members):
            assert member in held
            assert held.position(member) == place
        for member in members[1:-1]:
            assert member + 1 not in held
            assert held.position(member + 1) == members.index(member) + 1


def test_a_place_that_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(IndexError):
        PackedSet(layout(2, [1, 2])).remove_at(2)


def judge(data: bytes) -> bool:
    # array('B') holds exactly its bytes, so that the sanitizer sees a read behind them
    expected = parse(data)
    assert is_valid_set(array("B", data)) == (expected is not None)
    if expected is None:
        with pytest.raises(ValueError, match="not an intset"):
            PackedSet(data)
        return False
    assert list(PackedSet(data)) == expected
    return True


@pytest.mark.parametrize("seed", range(4))
def test_mutations_are_judged_as_the_description_says(seed: int) -> None:
    source = random.Random(seed)
    valid = 0
    for _ in range(1000):
        width = source.choice((2, 4, 8))
        top = 2 ** (8 * width - 1)
        data = bytearray(layout(width, sorted({source.randrange(-top, top) for _ in range(source.randrange(1, 9))})))
        assert judge(bytes(data))
        place = source.randrange(len(data))
        if source.random() < 0.3:
            del data[place : place + source.choice((1, 2, 4, 8))]
        else:
            data[place] ^= 1 << source.randrange(8)
        valid += judge(bytes(data))
    assert 0 < valid < 900


@given(
    st.sampled_from([0, 1, 2, 3, 4, 8, 2**31, 2**32 - 1]),
    st.sampled_from([0, 1, 2, 2**29, 2**30, 2**31]),
    st.binary(max_size=16),
)
def test_headers_that_lie_are_seen(width: int, count: int, body: bytes) -> None:
    judge(struct.pack("<II", width, count) + body)
    judge(body)


@pytest.mark.parametrize("seed", range(6))
def test_sets_have_the_bytes_of_redis(oracle: Server, seed: int) -> None:
    source = random.Random(seed)
    ours = PackedSet()
    with oracle.connect() as connection:
        connection.command("CONFIG", "SET", "rdbcompression", "no")
        for step in range(120):
            bits = (10, 20, 40, 63)[step // 30] if seed % 2 else 63
            number = source.choice((source.randrange(-(2**bits), 2**bits), source.choice(EDGES)))
            if step < 15 and seed % 2:
                number = source.randrange(-500, 500)
            connection.command("SADD", "k", number)
            ours.add(number)
            if step % 4 == 3:
                gone = source.choice(list(ours))
                connection.command("SREM", "k", gone)
                ours.remove(gone)
            if step % 10 == 0:
                assert dump.dumped(connection, "k") == (dump.INTSET, [ours.dump()])
        assert dump.dumped(connection, "k") == (dump.INTSET, [ours.dump()])
