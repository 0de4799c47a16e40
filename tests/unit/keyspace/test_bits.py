"""Bit operations on memory against a model that works on strings of "0" and "1"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.keyspace import bits

# Both what fits a few words and what is long enough to be worked on without the interpreter.
data = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.builds(lambda byte, count, tail: byte * count + tail, st.binary(min_size=1, max_size=1),
              st.integers(1, 300), st.binary(max_size=20)),
)


def digits(text: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in text)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[bytes, int, int]:
    text = draw(data)
    first = draw(st.integers(0, len(text) * 8 - 1))
    return text, first, draw(st.integers(first, len(text) * 8 - 1))


@given(ranges())
def test_count_is_the_number_of_ones_in_the_range(case: tuple[bytes, int, int]) -> None:
    text, first, last = case
    assert bits.count(text, first, last) == digits(text)[first : last + 1].count("1")


@given(ranges(), st.booleans())
def test_find_is_the_first_such_bit_of_the_range(case: tuple[bytes, int, int], bit: bool) -> None:
    text, first, last = case
    found = digits(text)[: last + 1].find("01"[bit], first)
    assert bits.find(text, first, last, bit) == found


@pytest.mark.parametrize("size", [1 << 16, (1 << 20) + 5])
def test_long_data_is_counted_and_searched(size: int) -> None:
    text = bytearray(size)
    text[-1] = 0x10
    assert bits.count(text, 0, size * 8 - 1) == 1
    assert bits.find(text, 0, size * 8 - 1, True) == size * 8 - 5
    assert bits.find(text, 0, size * 8 - 6, True) == -1
    text[:] = b"\xff" * size
    assert bits.count(memoryview(text), 3, size * 8 - 6) == size * 8 - 8
    assert bits.find(text, 0, size * 8 - 1, False) == -1


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (4, 3), (0, 16), (16, 16)])
def test_a_range_outside_of_the_data_is_refused(first: int, last: int) -> None:
    with pytest.raises(IndexError):
        bits.count(b"ab", first, last)
    with pytest.raises(IndexError):
        bits.find(b"ab", first, last, True)


@given(st.sampled_from([bits.AND, bits.OR, bits.XOR]), st.lists(data, min_size=1, max_size=5))
def test_combine_pads_with_zeros(operation: int, sources: list[bytes]) -> None:
    length = max(map(len, sources))
    numbers = [int.from_bytes(source.ljust(length, b"\0")) for source in sources]
    expected = numbers[0]
    for number in numbers[1:]:
        expected = {bits.AND: expected & number, bits.OR: expected | number, bits.XOR: expected ^ number}[operation]
    assert bits.combine(operation, sources) == expected.to_bytes(length)


@given(data)
def test_not_flips_every_bit(source: bytes) -> None:
    assert bits.combine(bits.NOT, [source]) == bytes(byte ^ 0xFF for byte in source)


def test_long_sources_are_combined_in_blocks() -> None:
    long, short = bytes(range(256)) * 1000, b"\xf0" * 70_001
    expected = bytes(a & b for a, b in zip(long, short.ljust(len(long), b"\0"), strict=True))
    assert bits.combine(bits.AND, [long, short]) == expected
    assert bits.combine(bits.AND, [short, long]) == expected
    assert bits.combine(bits.XOR, [long, short, long]) == short.ljust(len(long), b"\0")
    assert bits.combine(bits.OR, [b"", b""]) == b""


@pytest.mark.parametrize(("operation", "sources"), [(bits.NOT, [b"a", b"b"]), (bits.AND, []), (9, [b"a"])])
def test_impossible_combinations_are_refused(operation: int, sources: list[bytes]) -> None:
    with pytest.raises(ValueError):
        bits.combine(operation, sources)


def test_combine_gives_its_sources_back() -> None:
    source = bytearray(b"abc")
    with pytest.raises(TypeError):
        bits.combine(bits.OR, [source, None])
    source += b"d"  # a bytearray that somebody still holds cannot grow
    assert bits.combine(bits.OR, [source]) == b"abcd"


fields = st.tuples(data, st.integers(0, 400), st.integers(1, 64))


@given(fields, st.booleans())
def test_get_field_reads_zeros_behind_the_end(field: tuple[bytes, int, int], signed: bool) -> None:
    text, offset, width = field
    read = digits(text).ljust(offset + width, "0")[offset : offset + width]
    expected = int(read, 2) - (int(read[0]) << width if signed else 0)
    assert bits.get_field(text, offset, width, signed) == expected


@given(fields, st.integers(0, 2**64 - 1))
def test_field_patch_changes_the_field_and_nothing_else(field: tuple[bytes, int, int], value: int) -> None:
    text, offset, width = field
    patch = bits.field_patch(text, offset, width, value)
    start = offset // 8
    assert len(patch) == (offset % 8 + width + 7) // 8
    written = bytearray(text.ljust(start + len(patch), b"\0"))
    before = digits(written)
    written[start : start + len(patch)] = patch
    low = f"{value % 2**width:0{width}b}"
    assert digits(written) == before[:offset] + low + before[offset + width :]


@pytest.mark.parametrize("width", [0, 65])
def test_a_field_has_1_to_64_bits(width: int) -> None:
    with pytest.raises(ValueError):
        bits.get_field(b"abc", 0, width, False)
    with pytest.raises(ValueError):
        bits.field_patch(b"abc", 0, width, 0)
