"""The digits of doubles: always the same double again, and Redis's digits where those are not the shortest."""

import math
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mtredis.lib.numbers import format_double, format_shortest

# As redis-server 8.0 prints them; each has one digit more than it needs.
NOT_SHORTEST = {
    0.04616966723504368: b"0.046169667235043677",
    0.3774223606805511: b"0.37742236068055113",
    0.1204977151733665: b"0.12049771517336649",
    0.0594316128896385: b"0.059431612889638497",
    7.066429659901263e242: b"7.0664296599012635e+242",
}
EDGES = {
    5e-324: b"5e-324",
    1.5e-323: b"1.5e-323",
    2.225073858507201e-308: b"2.225073858507201e-308",
    2.2250738585072014e-308: b"2.2250738585072014e-308",
    1.7976931348623157e308: b"1.7976931348623157e+308",
    9.5367431640625e-07: b"9.5367431640625e-7",
    5.684341886080802e-14: b"5.684341886080802e-14",
    9223372036854775808.0: b"9223372036854776000",
    4611686018427388928.0: b"4611686018427389000",
}


@pytest.mark.parametrize(("number", "text"), [*NOT_SHORTEST.items(), *EDGES.items()])
def test_digits_are_those_of_redis(number: float, text: bytes) -> None:
    assert format_double(number) == text
    assert format_double(-number) == b"-" + text
    assert len(text) <= 25


@settings(max_examples=3000)
@given(st.integers(0, 2**64 - 1))
@example(1)
@example(4872105246066940486)
@example(0x000FFFFFFFFFFFFF)
@example(0x0010000000000000)
@example(0x7FEFFFFFFFFFFFFF)
def test_every_double_is_read_back(bits: int) -> None:
    number = struct.unpack("d", struct.pack("Q", bits))[0]
    if math.isfinite(number):
        text = format_double(number)
        assert struct.pack("d", float(text)) == struct.pack("d", number)
        # Whole numbers have all of their digits.
        assert number.is_integer() or abs(digits_of(text) - digits_of(repr(number).encode())) <= 1


def digits_of(text: bytes) -> int:
    """How many significant digits."""
    return len(text.partition(b"e")[0].replace(b".", b"").strip(b"-0"))


@pytest.mark.parametrize("exponent", range(-1074, 1024, 7))
def test_powers_of_two(exponent: int) -> None:
    number = math.ldexp(1.0, exponent)
    assert float(format_double(number)) == number


@pytest.mark.parametrize(("number", "text"), [
    (1e17, b"1e+17"), (100_000_000.0, b"1e+8"), (10_000_000.0, b"10000000"), (2.0**60, b"1152921504606847000"),
    (123456789.0, b"123456789"), (0.0, b"0"), (-0.0, b"-0"), (-1e22, b"-1e+22"), (2.5, b"2.5"),
    (float("-inf"), b"-inf"),
])  # fmt: skip
def test_the_shortest_digits_of_whole_numbers_have_an_exponent(number: float, text: bytes) -> None:
    assert format_shortest(number) == text
