"""Ids, ends of ranges and trimming options, as they come in and go out."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.errors import CommandError
from mtredis.executor.stream_arguments import (
    MAX_ID,
    Trim,
    TrimWords,
    any_id,
    blocking_milliseconds,
    format_id,
    new_id,
    range_end,
    range_start,
    strict_id,
)

SEQUENCE = (1 << 64) - 1
KEYSPACE = SimpleNamespace(limits={"stream_node_max_entries": 7})
numbers = st.integers(0, SEQUENCE)


@given(ms=numbers, sequence=numbers)
def test_an_id_comes_back(ms: int, sequence: int) -> None:
    number = ms << 64 | sequence
    assert format_id(number) == b"%d-%d" % (ms, sequence)
    assert strict_id(format_id(number)) == any_id(format_id(number)) == range_start(format_id(number)) == number
    assert strict_id(b"%d" % ms, sequence) == number
    assert new_id(b"%d-*" % ms) == (ms << 64, True)
    assert new_id(format_id(number)) == (number, False)


@given(text=st.binary(max_size=30))
def test_what_is_read_is_an_id(text: bytes) -> None:
    try:
        number = strict_id(text)
    except CommandError:
        number = 0  # the text of the error: below
    assert 0 <= number <= MAX_ID


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"-", 0), (b"+", MAX_ID), (b"5", 5 << 64), (b" 5", 5 << 64), (b"+5-1", 5 << 64 | 1), (b"05-01", 5 << 64 | 1),
        (b"5- -1", 5 << 64 | SEQUENCE), (b"5--01", 5 << 64 | SEQUENCE), (b"5\x00x", 5 << 64),
        (b"0" * 120 + b"5", 5 << 64),
    ],
)  # fmt: skip
def test_spellings(text: bytes, number: int) -> None:
    assert any_id(text) == number


@pytest.mark.parametrize(
    "text", [b"", b"-5", b"5-", b"5--1", b"5-1-1", b"5 ", b"x", b"5-x", b"5-*", b"18446744073709551616", b"0" * 130]
)
def test_what_is_no_id(text: bytes) -> None:
    with pytest.raises(CommandError, match="Invalid stream ID"):
        any_id(text)


def test_ends_of_ranges() -> None:
    assert range_start(b"(5-1") == (5 << 64) + 2
    assert range_end(b"5") == (5 << 64) + SEQUENCE
    assert range_end(b"(5") == (5 << 64) + SEQUENCE - 1
    assert range_end(b"(5-0") == (5 << 64) - 1
    with pytest.raises(CommandError, match="invalid start ID"):
        range_start(b"(" + format_id(MAX_ID))
    with pytest.raises(CommandError, match="invalid end ID"):
        range_end(b"(0-0")
    for text in (b"(-", b"(+", b"("):
        with pytest.raises(CommandError, match="Invalid stream ID"):
            range_start(text)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("MAXLEN 5", Trim(False, 5, False, 0)), ("maxlen = 5", Trim(False, 5, False, 0)),
        ("MAXLEN ~ 5", Trim(False, 5, True, 700)), ("MINID ~ 5-1 LIMIT 3", Trim(True, (5 << 64) + 1, True, 3)),
        ("LIMIT 0 MINID ~ 5", Trim(True, 5 << 64, True, 0)),
    ],
)  # fmt: skip
def test_trimming(words: str, expected: Trim) -> None:
    argv = words.encode().split()
    options, at = TrimWords(), 0
    while at < len(argv):
        at = options.take(argv, at)
    assert options.result(KEYSPACE) == expected


@pytest.mark.parametrize(("limit", "expected"), [(0, 10_000), (1, 100), (20_000, 1_000_000), (-1, 10_000)])
def test_the_default_limit_follows_the_size_of_nodes(limit: int, expected: int) -> None:
    options = TrimWords()
    options.take([b"MAXLEN", b"~", b"5"], 0)
    trim = options.result(SimpleNamespace(limits={"stream_node_max_entries": limit}))
    assert trim is not None and trim.limit == expected


@pytest.mark.parametrize(
    ("words", "exact"),
    [
        ("MAXLEN 5", "MAXLEN 5"), ("MINID = 5", "MINID = 5"), ("MAXLEN ~ 5", "MAXLEN = 2"),
        ("MINID ~ 5 LIMIT 3", "MINID = 7-1"), ("LIMIT 9 MAXLEN ~ 5 LIMIT 8", "MAXLEN = 2"),
    ],
)  # fmt: skip
def test_trimming_goes_out_as_what_it_has_led_to(words: str, exact: str) -> None:
    class Left:
        first_id = (7 << 64) + 1

        def __len__(self) -> int:
            return 2

    argv = [b"XTRIM", b"k", *words.encode().split()]
    options, at = TrimWords(), 2
    while at < len(argv):
        at = options.take(argv, at)
    assert options.exact(argv, Left()) == [b"XTRIM", b"k", *exact.encode().split()]
    if "~" in words:
        assert options.exact(argv, [])[-1] in (b"0", format_id(MAX_ID))


def test_what_is_replayed_may_have_the_limit_that_redis_leaves() -> None:
    options = TrimWords()
    argv = [b"MAXLEN", b"=", b"5", b"LIMIT", b"10"]
    assert options.take(argv, 0) == 3 and options.take(argv, 3) == 5
    with pytest.raises(CommandError, match="LIMIT cannot be used without"):
        options.result(KEYSPACE)
    assert options.result(KEYSPACE, is_replayed=True) == Trim(False, 5, False, 0)


def test_timeouts() -> None:
    assert blocking_milliseconds(b"0", 10) == 0
    assert blocking_milliseconds(b"9223372036854775797", 10) == 9223372036854775797
    for text, message in ((b"1.5", "not an integer"), (b"-1", "negative"), (b"9223372036854775798", "out of range")):
        with pytest.raises(CommandError, match=message):
            blocking_milliseconds(text, 10)
