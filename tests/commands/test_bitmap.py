"""The bitmap family in-process, and against a model on strings of "0" and "1"."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keyspace_context import KeyspaceContext

BAD_OFFSET = "ERR bit offset is not an integer or out of range"
BAD_BIT = "ERR bit is not an integer or out of range"
BAD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
NOT_INTEGER = "ERR value is not an integer or out of range"


@pytest.fixture
def ctx() -> KeyspaceContext:
    return KeyspaceContext()


def digits(text: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in text)


def test_setbit_and_getbit(ctx: KeyspaceContext) -> None:
    assert ctx.run("SETBIT", "k", 7, 1) == 0
    assert ctx.run("GET", "k") == b"\x01"
    assert ctx.run("SETBIT", "k", 7, 0) == 1
    assert ctx.run("GETBIT", "k", 7) == 0
    assert ctx.run("GETBIT", "k", 100000) == 0
    assert ctx.run("GETBIT", "none", 0) == 0
    ctx.run("SET", "k", 1)  # an integer is the byte 0x31
    assert [ctx.run("GETBIT", "k", at) for at in range(8)] == [0, 0, 1, 1, 0, 0, 0, 1]
    assert ctx.run("SETBIT", "k", 6, 1) == 0
    assert ctx.run("GET", "k") == b"3"


def test_setbit_is_a_change_only_if_something_changes(ctx: KeyspaceContext) -> None:
    assert ctx.effects("SETBIT", "k", 9, 0) == (1, ["setbit k"])
    assert ctx.effects("SETBIT", "k", 9, 0) == (0, [])
    assert ctx.effects("SETBIT", "k", 9, 1) == (1, ["setbit k"])
    assert ctx.effects("SETBIT", "k", 16, 0) == (1, ["setbit k"])
    ctx.run("SET", "empty", "")
    assert ctx.effects("SETBIT", "empty", 0, 0) == (1, ["setbit empty"])


@pytest.mark.parametrize("offset", ["-1", "x", "", "1.0", "#1", str(8 << 20), str(2**63)])
def test_bad_offsets(ctx: KeyspaceContext, offset: str) -> None:
    assert ctx.error("SETBIT", "k", offset, 1) == BAD_OFFSET
    assert ctx.error("GETBIT", "k", offset) == BAD_OFFSET


@pytest.mark.parametrize("bit", ["2", "-1", "x", ""])
def test_bad_bits(ctx: KeyspaceContext, bit: str) -> None:
    assert ctx.error("SETBIT", "k", 0, bit) == BAD_BIT


def test_the_last_offset(ctx: KeyspaceContext) -> None:
    ctx.limit_strings(100)
    assert ctx.run("SETBIT", "k", 799, 1) == 0
    assert ctx.error("SETBIT", "k", 800, 1) == BAD_OFFSET
    assert ctx.run("STRLEN", "k") == 100


def test_bitcount(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "foobar")
    assert ctx.run("BITCOUNT", "k") == 26
    assert ctx.run("BITCOUNT", "k", 0, 0) == 4
    assert ctx.run("BITCOUNT", "k", 1, 1, "BYTE") == 6
    assert ctx.run("BITCOUNT", "k", 5, 30, "bit") == 17
    assert ctx.run("BITCOUNT", "k", -1, -2) == 0
    assert ctx.run("BITCOUNT", "none") == 0
    assert ctx.run("BITCOUNT", "none", 0, -1, "BIT") == 0
    assert ctx.error("BITCOUNT", "k", 0) == "ERR syntax error"
    assert ctx.error("BITCOUNT", "k", 0, 1, "NIBBLE") == "ERR syntax error"
    assert ctx.error("BITCOUNT", "k", 0, 1, "BIT", 1) == "ERR syntax error"
    assert ctx.error("BITCOUNT", "k", "x", 1, "NIBBLE") == NOT_INTEGER


def test_bitpos(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", b"\xff\xf0\x00")
    assert ctx.run("BITPOS", "k", 0) == 12
    assert ctx.run("BITPOS", "k", 1, 2) == -1
    ctx.run("SET", "k", b"\xff\xff")
    assert ctx.run("BITPOS", "k", 0) == 16
    assert ctx.run("BITPOS", "k", 0, 0) == 16
    assert ctx.run("BITPOS", "k", 0, 0, -1) == -1
    assert ctx.run("BITPOS", "k", 0, 5) == -1
    assert ctx.run("BITPOS", "none", 0) == 0
    assert ctx.run("BITPOS", "none", 1) == -1
    assert ctx.run("BITPOS", "none", 0, 5, 9, "BIT") == 0
    ctx.run("SET", "empty", "")
    assert ctx.run("BITPOS", "empty", 0) == -1
    assert ctx.error("BITPOS", "k", 2) == "ERR The bit argument must be 1 or 0."
    assert ctx.error("BITPOS", "k", "x") == NOT_INTEGER
    assert ctx.error("BITPOS", "k", 1, 0, 1, "NIBBLE") == "ERR syntax error"
    assert ctx.error("BITPOS", "k", 1, 0, "x", "NIBBLE") == "ERR syntax error"
    assert ctx.error("BITPOS", "k", 1, 0, "x", "BIT") == NOT_INTEGER
    assert ctx.error("BITPOS", "k", 1, 0, 1, "BIT", 1) == "ERR syntax error"


def clip(start: int, end: int, total: int) -> tuple[int, int]:
    first, last = (max(at + total, 0) if at < 0 else at for at in (start, end))
    return first, min(last, total - 1)


@given(st.binary(min_size=1, max_size=30), st.integers(-300, 300), st.integers(-300, 300), st.booleans(), st.booleans())
def test_counting_and_finding_against_digits(text: bytes, start: int, end: int, in_bits: bool, bit: bool) -> None:
    ctx = KeyspaceContext()
    ctx.run("SET", "k", text)
    first, last = clip(start, end, len(text) * (8 if in_bits else 1))
    if not in_bits:
        first, last = first * 8, last * 8 + 7
    part = digits(text)[first : last + 1] if first <= last else ""
    unit = "BIT" if in_bits else "BYTE"
    is_reversed = start < 0 and end < 0 and start > end
    assert ctx.run("BITCOUNT", "k", start, end, unit) == (0 if is_reversed else part.count("1"))
    found = part.find("01"[bit])
    assert ctx.run("BITPOS", "k", int(bit), start, end, unit) == (found + first if found >= 0 else -1)


def test_bitop(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", "foobar", "b", "abcdef")
    assert ctx.run("BITOP", "AND", "t", "a", "b") == 6
    assert ctx.run("GET", "t") == b"`bc`ab"
    assert ctx.effects("BITOP", "or", "t", "a", "none") == (1, ["set t"])
    assert ctx.run("GET", "t") == b"foobar"
    ctx.run("EXPIRE", "t", 100)
    assert ctx.run("BITOP", "NOT", "t", "t") == 6
    assert ctx.run("TTL", "t") == -1
    assert ctx.run("BITOP", "XOR", "t", "t") == 6
    assert ctx.effects("BITOP", "AND", "t", "none", "none2") == (1, ["del t"])
    assert ctx.effects("BITOP", "AND", "t", "none") == (0, [])
    assert ctx.error("BITOP", "NAND", "t", "a") == "ERR syntax error"
    assert ctx.error("BITOP", "DIFF", "t", "a", "b") == "ERR syntax error"  # as in 8.0; 8.2 has it
    assert ctx.error("BITOP", "NOT", "t", "a", "b") == "ERR BITOP NOT must be called with a single source key."


@given(st.sampled_from(["AND", "OR", "XOR"]), st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_bitop_against_integers(operation: str, texts: list[bytes]) -> None:
    ctx = KeyspaceContext()
    for at, text in enumerate(texts):
        ctx.run("SET", at, text)
    length = max(map(len, texts))
    numbers = [int.from_bytes(text.ljust(length, b"\0")) for text in texts]
    expected = numbers[0]
    for number in numbers[1:]:
        expected = {"AND": expected & number, "OR": expected | number, "XOR": expected ^ number}[operation]
    assert ctx.run("BITOP", operation, 0, *range(len(texts))) == length
    assert ctx.run("GET", 0) == (expected.to_bytes(length) if length else None)


def test_bitop_takes_integers_and_expired_keys(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", 15, "b", 16)
    ctx.run("SET", "c", b"\xff\xff\xff", "PX", 10)
    ctx.later(11)
    assert ctx.run("BITOP", "OR", "t", "a", "c", "b") == 2
    assert ctx.run("GET", "t") == b"17"


# --- BITFIELD -------------------------------------------------------------------------------------------------------


def test_bitfield(ctx: KeyspaceContext) -> None:
    assert ctx.run("BITFIELD", "k", "INCRBY", "i5", 100, 1, "GET", "u4", 0) == [1, 0]
    assert ctx.run("STRLEN", "k") == 14
    assert ctx.run("BITFIELD", "k", "SET", "u8", "#1", 255, "get", "u8", 8, "GET", "i8", "#1") == [0, 255, -1]
    assert ctx.run("BITFIELD", "k") == []
    assert ctx.run("BITFIELD_RO", "k", "GET", "u8", 8, "GET", "i64", 1000) == [255, 0]
    assert ctx.run("BITFIELD_RO", "none", "GET", "u8", 0) == [0]
    assert ctx.run("EXISTS", "none") == 0


def test_bitfield_overflow(ctx: KeyspaceContext) -> None:
    ask = ["u2", 100, 1, "OVERFLOW", "SAT", "INCRBY", "u2", 102, 1]
    for expected in ([1, 1], [2, 2], [3, 3], [0, 3]):
        assert ctx.run("BITFIELD", "k", "INCRBY", *ask) == expected
    assert ctx.run("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u2", 102, 1) == [None]
    assert ctx.run("BITFIELD", "s", "OVERFLOW", "SAT", "SET", "u8", 0, -1, "GET", "u8", 0) == [0, 255]
    assert ctx.run("BITFIELD", "s", "OVERFLOW", "SAT", "INCRBY", "u8", 0, -300) == [0]
    assert ctx.run("BITFIELD", "s", "OVERFLOW", "SAT", "SET", "i8", 0, -1000, "GET", "i8", 0) == [0, -128]
    assert ctx.run("BITFIELD", "s", "SET", "i8", 0, 200, "GET", "i8", 0) == [-128, -56]
    assert ctx.run("BITFIELD", "s", "SET", "i64", 0, 2**63 - 1, "INCRBY", "i64", 0, 1) == [-56 << 56, -(2**63)]


def test_effects_of_bitfield(ctx: KeyspaceContext) -> None:
    assert ctx.effects("BITFIELD", "k", "SET", "u8", 0, 0, "SET", "u8", 0, 0) == (2, ["setbit k"])
    assert ctx.effects("BITFIELD", "k", "SET", "u8", 0, 0, "SET", "u8", 0, 1) == (1, ["setbit k"])
    assert ctx.effects("BITFIELD", "k", "GET", "u8", 0) == (0, [])
    # Redis makes room before it finds that nothing will be written.
    assert ctx.effects("BITFIELD", "n", "OVERFLOW", "FAIL", "INCRBY", "u2", 0, 9) == (0, [])
    assert ctx.run("GET", "n") == b"\0"


@pytest.mark.parametrize("kind", ["", "8", "s8", "u0", "u64", "i65", "i0", "u", "U8", "i08", "u-1"])
def test_bitfield_types(ctx: KeyspaceContext, kind: str) -> None:
    assert ctx.error("BITFIELD", "k", "GET", kind, 0) == BAD_TYPE


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("GET u8", "ERR syntax error"),
        ("SET u8 0", "ERR syntax error"),
        ("FOO u8 0", "ERR syntax error"),
        ("GET u8 -1", BAD_OFFSET),
        ("GET u8 #x", BAD_OFFSET),
        ("GET u8 ##1", BAD_OFFSET),
        ("SET u8 0 x", NOT_INTEGER),
        ("OVERFLOW", "ERR syntax error"),
        ("OVERFLOW bogus", "ERR Invalid OVERFLOW type specified"),
        ("SET u8 0 1 GET u8", "ERR syntax error"),
    ],
)
def test_bitfield_errors(ctx: KeyspaceContext, operation: str, error: str) -> None:
    assert ctx.error("BITFIELD", "k", *operation.split()) == error
    assert ctx.run("EXISTS", "k") == 0


def test_bitfield_ro_only_reads(ctx: KeyspaceContext) -> None:
    only = "ERR BITFIELD_RO only supports the GET subcommand"
    assert ctx.error("BITFIELD_RO", "k", "GET", "u8", 0, "SET", "u8", 0, 1) == only
    assert ctx.run("BITFIELD_RO", "k", "OVERFLOW", "SAT", "GET", "u8", 0) == [0]


fields = st.tuples(st.booleans(), st.integers(1, 63), st.integers(0, 100))
operations = st.tuples(
    st.sampled_from(["GET", "SET", "INCRBY"]), fields, st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(["WRAP", "SAT", "FAIL"]),
)  # fmt: skip


def expected_field(current: int, operation: tuple[Any, ...]) -> tuple[Any, int]:
    """(reply, new value) of one operation on a field that holds `current`."""
    name, (signed, width, _), operand, overflow = operation
    if name == "GET":
        return current, current
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    value = current + operand if name == "INCRBY" else operand
    if name == "SET" and not signed:
        value %= 2**64
    if not low <= value <= high:
        if overflow == "FAIL":
            return None, current
        value = (low if value < low else high) if overflow == "SAT" else (value - low) % 2**width + low
    return (value if name == "INCRBY" else current), value


@given(st.binary(max_size=16), st.lists(operations, max_size=8))
def test_bitfield_against_digits(text: bytes, steps: list[tuple[Any, ...]]) -> None:
    ctx = KeyspaceContext()
    ctx.run("SET", "k", text)
    request: list[Any] = []
    expected = []
    model = list(digits(text).ljust(200, "0"))
    for step in steps:
        name, (signed, width, offset), operand, overflow = step
        request += ["OVERFLOW", overflow, name, ("i" if signed else "u") + str(width), offset]
        request += [] if name == "GET" else [operand]
        read = "".join(model[offset : offset + width])
        reply, value = expected_field(int(read, 2) - (int(read[0]) << width if signed else 0), step)
        model[offset : offset + width] = f"{value % 2**width:0{width}b}"
        expected.append(reply)
    assert ctx.run("BITFIELD", "k", *request) == expected
    stored = digits(ctx.run("GET", "k"))
    ends = [offset + width for name, (_, width, offset), _, _ in steps if name != "GET"]
    assert len(stored) == max([len(text) * 8, *((end + 7) // 8 * 8 for end in ends)])
    assert stored == "".join(model)[: len(stored)]
    assert "1" not in model[len(stored) :]
