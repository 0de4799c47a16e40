"""Numbers in and out: which spellings are taken, and which digits are written."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtredis.lib.numbers import add_long_double, format_double, format_float_human, parse_float, parse_integer

from mtredis.errors import CommandError, NotFloat, NotInteger

NOT_INTEGERS = [
    b"", b"-", b"+1", b"01", b"-0", b"00", b"-01", b" 1", b"1 ", b"1\n", b"\t1", b"1.0", b"1e3", b"0x10", b"a",
    b"1a", b"--1",
    b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"99999999999999999999", b"1\0", b"\0",
    b"000000000000000000000", b"1" * 21, b"1_000", "\u0661".encode(), b"\xb2",
]  # fmt: skip

NOT_FLOATS = [
    b"",
    b" ",
    b" 1",
    b"1 ",
    b"\t1",
    b"\n",
    b"abc",
    b"1a",
    b"1e",
    b"--1",
    b"1,5",
    b"1\0",
    b"nan",
    b"NaN",
    b"-nan",
    b"1e",
    b"e1",
    b".",
]


@pytest.mark.parametrize("number", [0, 1, -1, 9, 10, 42, -100, 2**31, 2**32, 10**18, 2**63 - 1, -(2**63)])
def test_integers(number: int) -> None:
    assert parse_integer(b"%d" % number) == number


@pytest.mark.parametrize("text", NOT_INTEGERS)
def test_what_is_no_integer(text: bytes) -> None:
    with pytest.raises(NotInteger):
        parse_integer(text)


@given(st.integers(-(2**66), 2**66))
def test_integers_are_those_of_64_bits(number: int) -> None:
    if -(2**63) <= number < 2**63:
        assert parse_integer(b"%d" % number) == number
    else:
        with pytest.raises(NotInteger):
            parse_integer(b"%d" % number)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0", 0.0), (b"-0", -0.0), (b"1.5", 1.5), (b"+1.5", 1.5), (b".5", 0.5), (b"5.", 5.0), (b"1e3", 1000.0),
        (b"1E-3", 0.001), (b"0x10", 16.0), (b"0x1p-2", 0.25), (b"inf", math.inf), (b"-inf", -math.inf),
        (b"+inf", math.inf),
        (b"Infinity", math.inf), (b"1e308", 1e308), (b"5e-324", 5e-324), (b"007", 7.0),
    ],
)  # fmt: skip
def test_floats(text: bytes, number: float) -> None:
    assert struct.pack("d", parse_float(text)) == struct.pack("d", number)


@pytest.mark.parametrize("text", [*NOT_FLOATS, b"1e309", b"-1e309", b"1e-400"])
def test_what_is_no_float(text: bytes) -> None:
    with pytest.raises(NotFloat):
        parse_float(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, b"0"), (-0.0, b"-0"), (1.0, b"1"), (-17.0, b"-17"), (0.1, b"0.1"), (3.14, b"3.14"),
        (1e15, b"1000000000000000"),
        (1e18, b"1000000000000000000"), (2.0**62, b"4611686018427387904"), (1e19, b"1e+19"), (1.5e19, b"1.5e+19"),
        (1.2345678901234567e19, b"12345678901234567000"),
        (1e21, b"1e+21"), (1e-4, b"0.0001"), (1e-6, b"0.000001"), (1e-7, b"1e-7"), (1.25e-7, b"1.25e-7"),
        (1e100, b"1e+100"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"), (5e-324, b"5e-324"),
        (0.30000000000000004, b"0.30000000000000004"),
        (math.inf, b"inf"), (-math.inf, b"-inf"), (math.nan, b"nan"), (-0.001, b"-0.001"), (123.456, b"123.456"),
    ],
)  # fmt: skip
def test_doubles_in_replies(number: float, text: bytes) -> None:
    assert format_double(number) == text


@settings(max_examples=2000)
@given(st.floats(allow_nan=False))
def test_a_double_is_read_back_from_its_digits(number: float) -> None:
    text = format_double(number)
    assert len(text) <= 25
    assert struct.pack("d", parse_float(text)) == struct.pack("d", number)


@pytest.mark.parametrize(
    ("value", "increment", "total"),
    [
        (b"10.50", b"0.1", b"10.6"), (b"5.0e3", b"2.0e2", b"5200"), (b"0", b"0", b"0"), (b"1", b"-1", b"0"),
        (b"-0", b"-0", b"0"),
        (b"3.0", b"1.1", b"4.1"), (b"0.1", b"0.2", b"0.3"), (b"1", b"1e-17", b"1.00000000000000001"),
        (b"-1.5", b"0", b"-1.5"),
        (b"9223372036854775807", b"1", b"9223372036854775808"), (b"1e25", b"0", b"10000000000000000000000000"),
        (b"0x1p4", b"1", b"17"), (b"17179869184", b"1.5", b"17179869185.5"), (b"1e-18", b"0", b"0"),
        (b"-1e-18", b"0", b"0"),
    ],
)  # fmt: skip
def test_sums(value: bytes, increment: bytes, total: bytes) -> None:
    assert add_long_double(value, increment) == total


@pytest.mark.parametrize("text", [*NOT_FLOATS, b"1e5000", b"1e-5000", b"1" * 5120])
def test_what_cannot_be_added(text: bytes) -> None:
    with pytest.raises(NotFloat):
        add_long_double(b"1", text)
    with pytest.raises(NotFloat):
        add_long_double(text, b"1")


@pytest.mark.parametrize(
    ("value", "increment"), [(b"inf", b"1"), (b"1", b"-inf"), (b"inf", b"-inf"), (b"1e4932", b"1e4932")]
)
def test_a_sum_must_be_finite(value: bytes, increment: bytes) -> None:
    with pytest.raises(CommandError, match="^ERR increment would produce NaN or Infinity$"):
        add_long_double(value, increment)


def test_fixed_notation() -> None:
    assert format_float_human(0.5) == b"0.5"
    assert format_float_human(-0.0) == b"0"
    assert format_float_human(1e20) == b"100000000000000000000"
    assert format_float_human(math.inf) == b"inf"
    assert format_float_human(-math.inf) == b"-inf"
