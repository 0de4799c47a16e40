"""CRC-64 against the published check value and against the definition, bit by bit."""

from hypothesis import given
from hypothesis import strategies as st
from mtredis.lib.crc64 import checksum

POLYNOMIAL = 0xAD93D23594C935A9


def reversed_bits(number: int, width: int) -> int:
    return int(f"{number:0{width}b}"[::-1], 2)


def by_definition(data: bytes) -> int:
    """The remainder of the division, with the bits of every byte and of the result in reverse."""
    crc = 0
    for byte in data:
        crc ^= reversed_bits(byte, 8) << 56
        for _ in range(8):
            crc = (crc << 1 ^ (POLYNOMIAL if crc >> 63 else 0)) & (2**64 - 1)
    return reversed_bits(crc, 64)


def test_the_check_value() -> None:
    assert checksum(b"123456789") == 0xE9C6D914C4B8D9CA
    assert checksum(b"") == 0
    assert checksum(b"\0" * 100) == 0


@given(st.binary(max_size=100))
def test_it_is_what_the_definition_says(data: bytes) -> None:
    assert checksum(data) == by_definition(data)


@given(st.binary(max_size=100), st.integers(0, 100), st.integers(0, 7))
def test_it_goes_on_from_any_place(data: bytes, at: int, shift: int) -> None:
    view = memoryview(b"x" * shift + data)[shift:]
    assert checksum(view[at:], checksum(view[:at])) == checksum(data)
