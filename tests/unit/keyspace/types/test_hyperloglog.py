"""HyperLogLogs against a model that keeps one register per list item, and against bytes that are none."""

import hashlib
import random
from itertools import groupby

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mtredis.keyspace.types import hyperloglog as hll

REGISTERS = 16384
DENSE_SIZE = 16 + REGISTERS * 6 // 8
MASK = 2**64 - 1

texts = st.lists(st.binary(max_size=20), max_size=40)
limits = st.sampled_from([0, 18, 40, 100, 3000])


def murmur(text: bytes) -> int:
    """MurmurHash64A."""
    factor = 0xC6A4A7935BD1E995
    state = 0xADC83B19 ^ (len(text) * factor & MASK)
    whole = len(text) // 8 * 8
    for at in range(0, whole, 8):
        word = int.from_bytes(text[at : at + 8], "little") * factor & MASK
        word = (word ^ (word >> 47)) * factor & MASK
        state = (state ^ word) * factor & MASK
    if whole < len(text):
        state = (state ^ int.from_bytes(text[whole:], "little")) * factor & MASK
    state = (state ^ (state >> 47)) * factor & MASK
    return state ^ (state >> 47)


def place(text: bytes) -> tuple[int, int]:
    """The register and what it has to be at least."""
    value = murmur(text)
    rest = value >> 14 | 1 << 50
    return value & REGISTERS - 1, (rest & -rest).bit_length()


def model_of(elements: list[bytes]) -> list[int]:
    registers = [0] * REGISTERS
    for element in elements:
        index, rank = place(element)
        registers[index] = max(registers[index], rank)
    return registers


def registers_of(sketch: bytes) -> list[int]:
    union = hll.Union()
    union.unite(sketch)
    return union.registers()


def added(sketch: bytes, elements: list[bytes], limit: int = 3000) -> bytes:
    return hll.add(sketch, elements, 0, limit)[1] or sketch


def unpacked(body: bytes) -> list[int]:
    """The registers of the dense form: four in three bytes, the lowest bits first."""
    groups = (int.from_bytes(body[at : at + 3], "little") for at in range(0, len(body), 3))
    return [group >> shift & 63 for group in groups for shift in (0, 6, 12, 18)]


def packed(registers: list[int]) -> bytes:
    groups = (registers[at : at + 4] for at in range(0, REGISTERS, 4))
    return b"".join(sum(v << 6 * i for i, v in enumerate(group)).to_bytes(3, "little") for group in groups)


@given(texts, texts, limits)
def test_registers_are_those_of_the_model(first: list[bytes], second: list[bytes], limit: int) -> None:
    sketch = added(added(hll.EMPTY, first, limit), second, limit)
    assert hll.is_valid(sketch)
    assert registers_of(sketch) == model_of(first + second)
    if not hll.is_dense(sketch):
        assert len(sketch) <= max(limit, 18)
    assert hll.is_dense(sketch) == (len(sketch) == DENSE_SIZE)


@given(texts, limits)
def test_adding_counts_what_changes_a_register(elements: list[bytes], limit: int) -> None:
    updated, sketch = hll.add(hll.EMPTY, [b"skipped", *elements], 1, limit)
    expected, registers = 0, [0] * REGISTERS
    for element in elements:
        index, rank = place(element)
        expected += registers[index] < rank
        registers[index] = max(registers[index], rank)
    assert updated == expected
    assert (sketch is None) == (not updated)
    if sketch is not None:
        assert hll.cached(sketch) == -1
        assert hll.add(sketch, elements, 0, limit) == (0, None)


@given(texts)
def test_the_dense_form_says_the_same(elements: list[bytes]) -> None:
    sparse = added(hll.EMPTY, elements)
    dense = hll.to_dense(sparse)
    assert len(dense) == DENSE_SIZE and dense[:4] == b"HYLL" and dense[4] == 0
    assert dense[5:16] == sparse[5:16]
    assert registers_of(dense) == registers_of(sparse)
    assert hll.cardinality(dense) == hll.cardinality(sparse)
    assert hll.to_dense(dense) == dense
    assert unpacked(dense[16:]) == model_of(elements)


@given(texts)
def test_runs_tell_all_registers(elements: list[bytes]) -> None:
    told: list[int] = []
    for run in hll.decode(added(hll.EMPTY, elements)).decode().split():
        kind, _, numbers = run.partition(":")
        if kind == "v":
            value, count = map(int, numbers.split(","))
            told += [value] * count
        else:
            told += [0] * int(numbers)
            assert (int(numbers) > 64) == (kind == "Z")
    assert told == model_of(elements)
    assert len(list(groupby(told))) <= 2 * len(elements) + 1


@given(st.lists(texts, max_size=4), st.booleans(), limits, st.booleans())
def test_union(lists: list[list[bytes]], dense: bool, limit: int, simd: bool) -> None:
    hll.use_simd(simd)
    try:
        sketches = [added(hll.EMPTY, elements) for elements in lists] or [hll.EMPTY]
        if dense:
            sketches[-1] = hll.to_dense(sketches[-1])
        union = hll.Union()
        for sketch in sketches:
            union.unite(sketch)
        everything = [element for elements in lists for element in elements]
        assert union.registers() == model_of(everything)
        assert union.cardinality() == hll.cardinality(added(hll.EMPTY, everything))
        merged = union.merged(sketches[0], dense, limit)
        assert registers_of(merged) == model_of(everything)
        assert hll.cached(merged) == -1
        assert hll.is_dense(merged) or not dense
    finally:
        hll.use_simd(True)


@pytest.mark.parametrize("count", [1, 10, 100, 1000, 10_000, 100_000])
def test_the_estimate_is_near(count: int) -> None:
    sketch = added(hll.EMPTY, [hashlib.sha1(b"%d" % number).digest() for number in range(count)])
    assert abs(hll.cardinality(sketch) - count) <= count * 0.03


def test_a_high_rank_makes_it_dense() -> None:
    for rank in (32, 33):
        registers = [0] * REGISTERS
        registers[5] = rank
        union = hll.Union()
        union.unite(b"HYLL\0" + bytes(11) + packed(registers))
        merged = union.merged(hll.EMPTY, False, 3000)
        assert registers_of(merged) == registers
        assert hll.is_dense(merged) == (rank == 33)
        if rank == 32:
            assert hll.decode(merged) == b"z:5 v:32,1 Z:16378"


def test_cached_cardinality() -> None:
    sketch = hll.EMPTY[:8] + (12345).to_bytes(8, "little") + hll.EMPTY[16:]
    assert hll.cached(sketch) == 12345
    assert hll.cached(hll.EMPTY) == -1


@pytest.mark.parametrize(
    "data", [b"", b"HYLL", hll.EMPTY[:15], b"hyll" + hll.EMPTY[4:], b"HYLL\2" + hll.EMPTY[5:], b"HYLL\0" + bytes(12)]
)
def test_what_is_no_hyperloglog(data: bytes) -> None:
    assert not hll.is_valid(data)
    for function in (hll.cardinality, hll.cached, hll.is_dense, hll.to_dense, hll.decode, hll.Union().unite):
        with pytest.raises(ValueError):
            function(data)
    with pytest.raises(ValueError):
        hll.add(data, [b"a"], 0, 3000)


runs = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"\x7f\xff", b"\x3f", b"\x7f", b"\x40\x00", b"\xff", b"\x80", b"\x00"]), max_size=300)
    .map(b"".join),
    st.tuples(st.integers(0, 3100), st.binary(max_size=4), texts).map(
        lambda case: (body := added(hll.EMPTY, case[2])[16:])[: case[0]] + case[1] + body[case[0] :]
    ),
)  # fmt: skip


@given(runs, texts, limits, st.binary(min_size=11, max_size=11))
@example(b"\x7f", [b"a", b"b", b"c"], 3000, bytes(11))
@example(b"\x40", [b"a", b"b"], 3000, bytes(11))
@example(b"\x7f\xff" * 3 + b"\x40", [b"%d" % number for number in range(40)], 100, bytes(11))
def test_any_runs_are_read_within_their_bounds(body: bytes, elements: list[bytes], limit: int, head: bytes) -> None:
    """Whatever the bytes are, the functions agree on whether they cover the registers, and nothing else happens."""
    sketch = b"HYLL\1" + head + body
    assert hll.is_valid(sketch)
    hll.decode(sketch)
    try:
        count = hll.cardinality(sketch)
    except hll.CorruptSketch:
        for function in (hll.to_dense, hll.Union().unite):
            with pytest.raises(hll.CorruptSketch):
                function(sketch)
    else:
        assert hll.cardinality(hll.to_dense(sketch)) == count
        assert registers_of(hll.to_dense(sketch)) == registers_of(sketch)
        union = hll.Union()
        union.unite(sketch)
        assert hll.is_valid(union.merged(sketch, False, limit))
    try:
        updated, changed = hll.add(sketch, elements, 0, limit)
    except hll.CorruptSketch:
        return
    assert (updated > 0) == (changed is not None)
    assert changed is None or hll.is_valid(changed)


@given(st.integers(0, 2**32), texts)
def test_any_dense_registers(seed: int, elements: list[bytes]) -> None:
    body = random.Random(seed).randbytes(DENSE_SIZE - 16)
    sketch = b"HYLL\0" + bytes(11) + body
    before = registers_of(sketch)
    assert before == unpacked(body)
    hll.cardinality(sketch)
    after = registers_of(added(sketch, elements))
    assert after == [max(pair) for pair in zip(before, model_of(elements), strict=True)]


def test_self_test_passes_and_can_fail() -> None:
    assert hll.self_test(1, 3000) == ""
    assert hll.self_test(2, 3000) == ""
    # ten elements do not fit into so few bytes, as the test expects of half the number of bytes
    assert hll.self_test(3, 24) == "TESTFAILED sparse encoding not used"
