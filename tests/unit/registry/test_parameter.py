"""Kinds of parameters: what they take, what they refuse in which words, and that showing and reading are inverse."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.errors import ConfigError
from mtredis.registry.parameter import (
    INT_MAX,
    LONG_MAX,
    ULONG_MAX,
    Boolean,
    Catalogue,
    Choice,
    Flags,
    Integer,
    Kind,
    Memory,
    Octal,
    Parameter,
    Text,
    format_memory,
    parse_integer,
    parse_memory,
)


def refusal(kind: Kind, *words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        kind.parse(words, None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("word", "amount"),
    [
        ("0", 0),
        ("12", 12),
        ("12b", 12),
        ("1k", 1000),
        ("1kb", 1024),
        ("2M", 2_000_000),
        ("2Mb", 2 * 1024**2),
        ("3g", 3 * 10**9),
        ("3GB", 3 * 1024**3),
        ("", 0),
        ("kb", 0),
        ("99999999999999999999999", ULONG_MAX),
        ("18446744073709551615k", (ULONG_MAX * 1000) % 2**64),
    ],
)
def test_memory_amounts(word: str, amount: int) -> None:
    assert parse_memory(word) == amount


@pytest.mark.parametrize("word", ["-1", "1t", "1 mb", " 1", "1.5gb", "x", "+1", "1" * 128])
def test_no_memory_amount(word: str) -> None:
    assert parse_memory(word) is None


@given(st.integers(0, 2**63))
def test_written_memory_is_read_back(amount: int) -> None:
    assert parse_memory(format_memory(amount)) == amount


@pytest.mark.parametrize("word", ["", "+1", "01", "1 ", " 1", "0x1", "1.0", "-0", "9223372036854775808", "١"])
def test_no_integer(word: str) -> None:
    assert parse_integer(word) is None


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers(number: int) -> None:
    assert parse_integer(str(number)) == number


def test_boolean() -> None:
    assert Boolean().parse(["YES"], False) is True
    assert Boolean().parse(["no"], True) is False
    assert refusal(Boolean(), "1") == "argument must be 'yes' or 'no'"
    assert Boolean().show(True) == "yes"


def test_a_feature_that_is_not_there_cannot_be_switched_on() -> None:
    assert Boolean(only=False).parse(["no"], False) is False
    assert refusal(Boolean(only=False), "yes") == "'yes' is not supported yet"
    assert refusal(Memory(0, LONG_MAX, only=0), "5") == "any other value than 0 is not supported yet"


def test_integer_bounds() -> None:
    assert Integer(0, 10).parse(["10"], 0) == 10
    assert refusal(Integer(0, 10), "11") == "argument must be between 0 and 10 inclusive"
    assert refusal(Integer(-1, INT_MAX), "-2") == "argument must be between -1 and 2147483647 inclusive"
    assert refusal(Integer(1, 10, unsigned=True), "-1") == "argument must be between 1 and 10 inclusive"
    assert refusal(Integer(0, 10), "ten") == "argument couldn't be parsed into an integer"


def test_integer_is_narrowed_silently() -> None:
    assert Integer(0, INT_MAX, clamp=(1, 500)).parse(["0"], 0) == 1
    assert Integer(0, INT_MAX, clamp=(1, 500)).parse(["1000"], 0) == 500


def test_octal() -> None:
    assert Octal(0, 0o777).parse(["770"], 0) == 0o770
    assert Octal(0, 0o777).show(0o770) == "770"
    assert refusal(Octal(0, 0o777), "800") == "argument couldn't be parsed as an octal number"
    assert refusal(Octal(0, 0o777), "1000") == "argument must be between 0 and 777 inclusive"


def test_memory_and_percent() -> None:
    kind = Memory(-100, LONG_MAX, percent=True)
    assert kind.parse(["5%"], 0) == -5
    assert kind.show(-5) == kind.write(-5) == "5%"
    assert kind.parse(["1mb"], 0) == 1024**2
    assert kind.show(1024**2) == "1048576"
    assert kind.write(1024**2) == "1mb"
    assert refusal(kind, "101%") == "percentage argument must be less or equal to 100"
    assert refusal(kind, "-5%") == "argument must be a memory or percent value"
    assert refusal(Memory(0, 5), "5%") == "argument must be a memory value"
    assert refusal(Memory(0, 5), "6") == "argument must be between 0 and 5 inclusive"


def test_choice() -> None:
    kind = Choice("no", "yes", "relative", same={"relative": "yes"}, later=("no",))
    assert kind.parse(["RELATIVE"], "no") == "yes"
    assert refusal(kind, "no") == "'no' is not supported yet"
    assert refusal(kind, "") == "argument(s) must be one of the following: no, yes, relative"


def test_flags() -> None:
    kind = Flags("save", "nosave", "now", exclusive=(frozenset(("save", "nosave")), "not both"))
    assert kind.parse(["default"], ()) == ()
    assert kind.show(()) == "default"
    assert kind.parse(["NOW", "save"], ()) == ("save", "now")
    assert kind.show(("save", "now")) == "save now"
    assert refusal(kind, "save", "nosave") == "not both"
    assert refusal(kind) == "argument(s) must be one of the following: default, save, nosave, now"


def test_text_lines() -> None:
    assert Text().lines("logfile", 'a "b"', "") == [('logfile "a \\"b\\""', True)]
    assert Text().lines("logfile", "", "") == [('logfile ""', False)]
    assert Text(unset=True).lines("pidfile", "", "") == []


def declared(name: str, **traits: Any) -> Parameter:
    return Parameter(name, Text(), "", "A summary.", "Theme", **traits)


def test_catalogue_finds_names_and_aliases_in_any_case() -> None:
    catalogue = Catalogue()
    parameter = declared("replica-priority", aliases=("slave-priority",))
    catalogue.declare(parameter)
    assert catalogue.find("SLAVE-Priority") is parameter
    assert catalogue.find("slave_priority") is None
    assert parameter.attribute == "replica_priority"


def test_a_name_is_declared_once() -> None:
    catalogue = Catalogue()
    catalogue.declare(declared("a", aliases=("b",)))
    with pytest.raises(ValueError, match="b is declared twice"):
        catalogue.declare(declared("b"))
