"""The listpack against a Python list, against redis-server's own bytes, and against bytes that nobody wrote."""

import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mtredis.keyspace.encoding.packed import PackedList, element_size, elements_of, is_valid_listpack, listpack_of

from tests.support import dump
from tests.support.servers import Server

BEFORE, AFTER, REPLACE = range(3)
EMPTY = b"\x07\0\0\0\0\0\xff"
POWERS = [sign * 2**bits for bits in (0, 7, 12, 15, 23, 31, 63) for sign in (-1, 1)]
EDGES = sorted({power + near for power in POWERS for near in (-1, 0, 1)})
NO_INTEGERS = [b"", b"-", b"-0", b"00", b"01", b"+1", b" 1", b"1 ", b"1.0", b"1e3", b"1\0", b"9" * 20, b"-" + b"9" * 30]
LENGTHS = [1, 5, 62, 63, 64, 65, 125, 126, 127, 128, 4094, 4095, 4096, 4097]

integers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([n for n in EDGES if -(2**63) <= n < 2**63])
texts = (
    st.binary(max_size=12)
    | integers.map(lambda n: b"%d" % n)
    | st.sampled_from([b"%d" % n for n in EDGES] + NO_INTEGERS)
    | st.sampled_from(LENGTHS).map(lambda n: b"x" * n)
    | st.sampled_from([b"a", b"b", b"1", b"2"])
)


def canonical(text: bytes) -> int | None:
    """The integer that a listpack stores for this text, if it does."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if b"%d" % number == text and -(2**63) <= number < 2**63 else None


def parse(data: bytes) -> list[bytes] | None:
    """The elements by the layout's description, None if there is anything wrong: the model of is_valid and reading."""
    if len(data) < 7 or int.from_bytes(data[:4], "little") != len(data) or data[-1] != 0xFF:
        return None
    found, rest = [], data[6:-1]
    while rest:
        element = parse_element(rest)
        if element is None:
            return None
        text, size = element
        width = next((i + 1 for i, limit in enumerate((128, 16383, 2097151, 268435455)) if size < limit), 5)
        back = bytes((size >> 7 * i & 0x7F) | (0x80 if i < width - 1 else 0) for i in reversed(range(width)))
        if rest[size : size + width] != back:
            return None
        found.append(text)
        rest = rest[size + width :]
    count = int.from_bytes(data[4:6], "little")
    return found if count in (0xFFFF, len(found)) else None


def parse_element(rest: bytes) -> tuple[bytes, int] | None:
    """The first element and its size without the bytes that repeat it; None if it is cut off or unknown."""
    first = rest[0]
    if first < 0x80:
        return b"%d" % first, 1
    for low, high, head, bits in ((0x80, 0xC0, 1, 0), (0xE0, 0xF0, 2, 8), (0xF0, 0xF1, 5, 32)):
        if low <= first < high:
            if len(rest) < head:
                return None
            tail = int.from_bytes(rest[1:head], "big" if head == 2 else "little")
            length = tail if head == 5 else ((first - low) << bits) | tail
            return (rest[head : head + length], head + length) if len(rest) >= head + length else None
    if first < 0xE0:
        if len(rest) < 2:
            return None
        number = (first & 0x1F) << 8 | rest[1]
        return b"%d" % (number - 8192 if number >= 4096 else number), 2
    width = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}.get(first, 0)
    if width == 0 or len(rest) < 1 + width:
        return None
    return b"%d" % int.from_bytes(rest[1 : 1 + width], "little", signed=True), 1 + width


class ListpackMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.packed = PackedList()
        self.model: list[bytes] = []

    def index(self, data: st.DataObject) -> int:
        return data.draw(st.integers(-len(self.model), len(self.model) - 1))

    @rule(text=texts)
    def append(self, text: bytes) -> None:
        self.packed.append(text)
        self.model.append(text)

    @rule(number=integers)
    def append_integer(self, number: int) -> None:
        self.packed.append_integer(number)
        self.model.append(b"%d" % number)

    @rule(text=texts)
    def prepend(self, text: bytes) -> None:
        self.packed.prepend(text)
        self.model.insert(0, text)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), where=st.sampled_from([BEFORE, AFTER, REPLACE]), text=texts | integers)
    def insert(self, data: st.DataObject, where: int, text: bytes | int) -> None:
        index = self.index(data)
        place = index % len(self.model) + (where == AFTER)
        assert self.packed.insert(index, where, text) == place
        self.model[place : place + (where == REPLACE)] = [b"%d" % text if isinstance(text, int) else text]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        index = self.index(data)
        place = index % len(self.model)
        del self.model[place]
        assert self.packed.delete(index) == (place if place < len(self.model) else None)

    @rule(index=st.integers(-9, 9), count=st.integers(0, 9) | st.just(2**64 - 1))
    def delete_range(self, index: int, count: int) -> None:
        self.packed.delete_range(index, count)
        start = index + len(self.model) if index < 0 else index
        if 0 <= start < len(self.model):
            del self.model[start : start + count]

    @rule(tail=st.lists(texts, max_size=5))
    def merge(self, tail: list[bytes]) -> None:
        other = PackedList(listpack_of(tail))
        self.packed.merge(other)
        assert list(other) == tail
        self.model += tail

    @rule()
    def copy(self) -> None:
        self.packed = PackedList(self.packed.dump())

    @rule(data=st.data(), start=st.integers(-9, 9), skip=st.integers(0, 3))
    def find(self, data: st.DataObject, start: int, skip: int) -> None:
        text = data.draw(st.sampled_from(self.model) | texts if self.model else texts)
        first = start + len(self.model) if start < 0 else start
        places = range(first, len(self.model), skip + 1) if first >= 0 else range(0)
        assert self.packed.find(text, start, skip) == next((i for i in places if self.model[i] == text), None)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=texts)
    def read(self, data: st.DataObject, text: bytes) -> None:
        index = self.index(data)
        held = self.model[index]
        number = canonical(held)
        assert self.packed[index] == (held if number is None else number)
        assert self.packed.equals(index, held)
        assert self.packed.equals(index, text) == (held == text)

    @invariant()
    def it_is_the_model(self) -> None:
        data = self.packed.dump()
        assert list(self.packed) == self.model
        assert list(reversed(self.packed)) == self.model[::-1]
        assert len(self.packed) == len(self.model)
        assert data == listpack_of(self.model)
        assert len(data) == len(EMPTY) + sum(map(element_size, self.model))
        assert parse(data) == self.model
        assert is_valid_listpack(data)
        assert len(data) < self.packed.memory() <= 2 * len(data) + 72


TestListpack = ListpackMachine.TestCase
TestListpack.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_empty() -> None:
    assert listpack_of([]) == EMPTY
    assert elements_of(EMPTY) == []


@pytest.mark.parametrize("index", [3, -4, 2**62, -(2**62)])
def test_there_is_no_element_outside(index: int) -> None:
    three = PackedList(listpack_of([b"a", b"b", b"c"]))
    with pytest.raises(IndexError):
        three[index]
    assert three.find(b"a", index) is None


def test_capacity_is_room_that_needs_no_move() -> None:
    roomy = PackedList(capacity=4000)
    before = roomy.memory()
    assert before > 4000
    for _ in range(300):
        roomy.append(b"0123456789")
    assert roomy.memory() == before
    roomy.delete_range(10, 300)
    assert roomy.memory() < 400


def test_growing_wastes_an_eighth_at_most() -> None:
    growing = PackedList()
    moves = 0
    for i in range(5000):
        before = growing.memory()
        growing.append(b"element %d" % i)
        moves += growing.memory() != before
        assert growing.memory() <= 1.13 * len(growing.dump()) + 48 or len(growing) % 50
    assert moves < 100


def test_more_elements_than_the_header_counts() -> None:
    many = PackedList()
    for i in range(65_540):
        many.append_integer(i & 63)
    assert many.dump()[4:6] == b"\xff\xff"
    assert len(many) == 65_540
    assert many.dump()[4:6] == b"\xff\xff"
    assert many[65_539] == 65_539 & 63
    assert many[-65_540] == 0
    assert [many[i] for i in (-1, -2)] == [3, 2]
    assert many.find(b"63", 60) == 63
    assert many.find(b"64") is None
    many.delete_range(-4, 100)
    assert many.dump()[4:6] == b"\xff\xff"
    many.delete_range(1, 2)
    assert len(many) == 65_534
    assert many.dump()[4:6] == b"\xfe\xff"
    other = PackedList(listpack_of([b"a"] * 5))
    many.merge(other)
    assert many.dump()[4:6] == b"\xff\xff"
    assert len(many) == 65_539
    many.delete_range(0, 2**64 - 1)
    assert many.dump() == EMPTY[:4] + b"\xff\xff\xff"
    assert len(many) == 0
    assert many.dump() == EMPTY


# Forms that nobody writes, but that a dump may hold: elements in a larger form than they need.

FOREIGN = [
    (b"\xe0\x0212" + b"\x04", b"12"),
    (b"\x8212" + b"\x03", b"12"),
    (b"\xf0\x02\0\0\0ab" + b"\x07", b"ab"),
    (b"\xe0\0" + b"\x02", b""),
    (b"\xc0\x05" + b"\x02", b"5"),
    (b"\xf4\xff\xff\xff\xff\xff\xff\xff\xff" + b"\x09", b"-1"),
    (b"\xf2\xff\xff\xff" + b"\x04", b"-1"),
    (b"\xf3\x01\0\0\0" + b"\x05", b"1"),
]


@pytest.mark.parametrize(("element", "text"), FOREIGN)
def test_a_larger_form_is_understood_and_kept(element: bytes, text: bytes) -> None:
    body = b"\x01\x01" + element + b"\x02\x01"
    data = (7 + len(body)).to_bytes(4, "little") + b"\x03\0" + body + b"\xff"
    foreign = PackedList(data)
    assert list(foreign) == [b"1", text, b"2"]
    assert list(reversed(foreign)) == [b"2", text, b"1"]
    assert foreign.find(text, 1) == 1
    assert foreign.equals(1, text)
    foreign.append(b"end")
    assert element in foreign.dump()
    assert foreign.delete(1) == 1
    assert foreign.dump() == listpack_of([b"1", b"2", b"end"])


# Bytes from anywhere. array('B') holds exactly its bytes, so that the sanitizer sees a read behind them.

def judge(data: bytes) -> bool:
    expected = parse(data)
    assert is_valid_listpack(array("B", data)) == (expected is not None)
    if expected is None:
        with pytest.raises(ValueError, match="not a listpack"):
            elements_of(data)
        return False
    copy = PackedList(data)
    assert list(copy) == expected
    assert list(reversed(copy)) == expected[::-1]
    return True


def mutated(source: random.Random, data: bytes) -> bytes:
    """A few bytes changed, put in or cut out; the size in the header is mostly made right again."""
    result = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        place = source.randrange(len(result) + 1)
        kind = source.randrange(5)
        if kind == 0:
            del result[place : place + source.choice((1, 1, 2, 5, 100))]
        elif kind == 1:
            result[place:place] = source.choice((b"\xff", b"\xf0\xff\xff\xff\xff", b"\xef\xff", b"\x01\x01", b"\x80"))
        elif kind == 2:
            result[place : place + 1] = bytes([source.choice(b"\0\x7f\x80\xbf\xe0\xf0\xf4\xf5\xfe\xff")])
        elif place < len(result):
            result[place] ^= 1 << source.randrange(8)
    if source.random() < 0.8 and len(result) >= 4:
        result[:4] = len(result).to_bytes(4, "little")
    return bytes(result)


@pytest.mark.parametrize("seed", range(8))
def test_mutations_are_judged_as_the_description_says(seed: int) -> None:
    source = random.Random(seed)
    stock = [b"%d" % n for n in EDGES] + NO_INTEGERS + [b"y" * n for n in LENGTHS if n < 200] + [b"z" * 4100]
    valid = 0
    for _ in range(1000):
        data = listpack_of(source.choices(stock[:-1], k=source.randrange(6)) + stock[-1:] * (source.random() < 0.05))
        assert judge(data)
        valid += judge(mutated(source, data))
    assert 0 < valid < 900


@given(st.binary(max_size=40))
def test_any_bytes_are_judged_as_the_description_says(body: bytes) -> None:
    judge(body)
    for count in (0, 1, 2, 0xFFFF):
        judge((len(body) + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff")


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_cut_off_listpack_is_not_valid(cut: int) -> None:
    data = listpack_of([b"abc", b"1234567", b"-5", b"x" * 70])
    assert not judge(data[:-cut])
    assert not judge((len(data) - cut).to_bytes(4, "little") + data[4:-cut])


def test_only_its_own_tail_is_refused() -> None:
    both = PackedList(listpack_of([b"a"]))
    with pytest.raises(ValueError, match="own tail"):
        both.merge(both)
    assert list(both) == [b"a"]


# The bytes of redis-server.

def some_texts(seed: int, count: int) -> list[bytes]:
    source = random.Random(seed)
    edges = [b"%d" % n for n in EDGES] + NO_INTEGERS + [b"x" * n for n in LENGTHS]
    return [
        source.choice(edges) if source.random() < 0.5 else b"%d" % source.randrange(-(2 ** source.randrange(64)), 2**40)
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_lists_have_the_bytes_of_redis(oracle: Server, seed: int) -> None:
    pushed = some_texts(seed, 60)
    with oracle.connect() as connection:
        connection.command("CONFIG", "SET", "rdbcompression", "no", "list-max-listpack-size", "-5")
        ours = PackedList()
        for i, text in enumerate(pushed):
            connection.command(*("RPUSH", "k", text) if i % 3 else ("LPUSH", "k", text))
            (ours.append if i % 3 else ours.prepend)(text)
        kind, strings = dump.dumped(connection, "k")
        assert (kind, strings) == (dump.QUICKLIST, [ours.dump()])
        connection.command("LSET", "k", 5, pushed[-1])
        ours.insert(5, REPLACE, pushed[-1])
        connection.command("LTRIM", "k", 2, -3)
        ours.delete_range(-2, 2)
        ours.delete_range(0, 2)
        assert dump.dumped(connection, "k") == (dump.QUICKLIST, [ours.dump()])


def test_every_edge_has_the_bytes_of_redis(oracle: Server) -> None:
    values = [b"%d" % n for n in EDGES] + NO_INTEGERS
    values += [b"x" * n for n in [*LENGTHS, *range(16376, 16388), *range(2097140, 2097156)]]
    with oracle.connect() as connection:
        for name, value in (("rdbcompression", "no"), ("hash-max-listpack-value", 3_000_000)):
            connection.command("CONFIG", "SET", name, value)
        for value in values:
            connection.command("DEL", "k")
            connection.command("HSET", "k", "f", value)
            kind, [theirs] = dump.dumped(connection, "k")
            assert kind == dump.HASH_LISTPACK
            assert theirs == listpack_of([b"f", value])
            assert is_valid_listpack(theirs)


@pytest.mark.parametrize(("command", "kind"), [("SADD", dump.SET_LISTPACK), ("HSET", dump.HASH_LISTPACK)])
def test_sets_and_hashes_are_listpacks_here_too(oracle: Server, command: str, kind: int) -> None:
    members = [b"a", b"17", b"-70000", b"long" * 15]
    with oracle.connect() as connection:
        connection.command("CONFIG", "SET", "rdbcompression", "no")
        connection.command(command, "k", *members)
        assert dump.dumped(connection, "k") == (kind, [listpack_of(members)])
