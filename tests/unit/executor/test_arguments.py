"""Arguments that families share: numbers, times, cursors, options."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.errors import CommandError, NotInteger, SyntaxFault
from mtredis.executor import arguments

NOW = 1_700_000_000_000


def refused(message: str) -> object:
    return pytest.raises(CommandError, match=f"^{re.escape('ERR ' + message)}$")


@given(st.integers(arguments.INT64_MIN, arguments.INT64_MAX))
def test_an_integer_has_one_spelling(value: int) -> None:
    assert arguments.integer(b"%d" % value) == value
    for spelling in (b"+%d", b" %d", b"%d ", b"%d.", b"0%d"):
        with pytest.raises(NotInteger):
            arguments.integer(spelling % value)


def test_integers_with_messages() -> None:
    with refused("not this"):
        arguments.integer(b"x", "not this")
    with refused("not this"):
        arguments.small_integer(b"2147483648", "not this")
    with refused("value is out of range, value must between -2147483648 and 2147483647"):
        arguments.small_integer(b"-2147483649")
    assert arguments.small_integer(b"-2147483648") == -(2**31)


@pytest.mark.parametrize("text", [b"0", b"-1", b"9223372036854775807"])
def test_positive_expiry_refuses(text: bytes) -> None:
    with refused("invalid expire time in 'getex' command"):
        arguments.positive_expiry(text, False, NOW, "getex")


@given(st.integers(arguments.INT64_MIN, arguments.INT64_MAX), st.booleans(), st.sampled_from([0, NOW]))
def test_any_expiry_is_exact_or_refused(time: int, is_seconds: bool, base: int) -> None:
    at = time * (1000 if is_seconds else 1) + base
    if at - base >= arguments.INT64_MIN and at <= arguments.INT64_MAX:
        assert arguments.any_expiry(b"%d" % time, is_seconds, base, "expire") == at
    else:
        with refused("invalid expire time in 'expire' command"):
            arguments.any_expiry(b"%d" % time, is_seconds, base, "expire")


def test_string_options() -> None:
    argv = [b"SET", b"k", b"v", b"nx", b"Get", b"eX", b"10", b"EX", b"20"]
    options, time = arguments.string_options(argv, 3, True)
    assert options == arguments.NX | arguments.GET | arguments.EX
    assert arguments.option_expiry(options, time, NOW, "set") == NOW + 20_000
    assert arguments.string_options([b"GETEX", b"k"], 2, False) == (0, b"")
    assert arguments.option_expiry(arguments.PERSIST, b"", NOW, "getex") == -1
    assert arguments.option_expiry(arguments.PXAT, b"5", NOW, "getex") == 5
    with pytest.raises(SyntaxFault):
        arguments.string_options([b"GETEX", b"k", b"NX"], 2, False)


@given(st.integers(0, arguments.UINT64_MAX))
def test_cursors(value: int) -> None:
    assert arguments.cursor(b"%d" % value) == value
    assert arguments.cursor(b"  +00%d" % value) == value
    assert arguments.cursor(b"-0%d" % value) == -value % 2**64
    for spelling in (b"%d ", b"x%d", b"--%d", b"10%020d"):
        with refused("invalid cursor"):
            arguments.cursor(spelling % value)


@pytest.mark.parametrize("text", [b"", b" ", b"-1", b"-9223372036854775808", b"18446744073709551616", b"\xff"])
def test_bad_cursors(text: bytes) -> None:
    with refused("invalid cursor"):
        arguments.cursor(text)


def test_scan_options() -> None:
    argv = [b"SCAN", b"0", b"match", b"a*", b"COUNT", b"5", b"Type", b"STRING", b"MATCH", b"*"]
    assert arguments.scan_options(argv, 2, is_keyspace=True) == (None, 5, b"string", False)
    hscan = [b"HSCAN", b"h", b"0", b"NOVALUES", b"MATCH", b"x"]
    assert arguments.scan_options(hscan, 3, is_keyspace=False, is_hash=True) == (b"x", 10, None, True)
    with pytest.raises(SyntaxFault):
        arguments.scan_options([b"SSCAN", b"s", b"0", b"TYPE", b"set"], 3, is_keyspace=False)
    with refused("NOVALUES option can only be used in HSCAN"):
        arguments.scan_options([b"SCAN", b"0", b"NOVALUES", b"bogus"], 2, is_keyspace=True)
