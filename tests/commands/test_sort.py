"""SORT and SORT_RO in-process: order, patterns, errors, events and dirty counts."""

import locale

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet

from mtredis.commands import sort
from tests.support.keyspace_context import KeyspaceContext

NO_NUMBER = "ERR One or more scores can't be converted into double"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


class SortContext(KeyspaceContext):
    """With a way to fill collections, and to see lists, without their families."""

    def __init__(self) -> None:
        super().__init__()
        self.keyspace = self.server.keyspace

    def fill(self, key: bytes, elements: list[bytes]) -> None:
        self.db.delete(key)
        self.db.write(key, List).push(elements, False)

    def stored(self, key: bytes = b"d") -> list[bytes]:
        found = self.db.peek(key, List)
        return [] if found is None else found.range(0, -1)


@pytest.fixture
def ctx() -> SortContext:
    context = SortContext()
    context.fill(b"l", [b"3", b"1", b"2", b"10"])
    return context


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        ("", "1 2 3 10"),
        ("DESC", "10 3 2 1"),
        ("ALPHA", "1 10 2 3"),
        ("LIMIT 1 2", "2 3"),
        ("LIMIT -3 2", "1 2"),
        ("LIMIT 2 -1", "3 10"),
        ("LIMIT 9 1", ""),
        ("BY nosort", "3 1 2 10"),
        ("BY nosort DESC", "10 2 1 3"),
        ("BY nosort DESC LIMIT 1 2", "2 1"),
        ("GET # GET #", "1 1 2 2 3 3 10 10"),
    ],
)
@pytest.mark.parametrize("name", ["SORT", "sort_ro"])
def test_order(ctx: SortContext, name: str, options: str, reply: str) -> None:
    assert ctx.run(name, "l", *options.split()) == reply.encode().split()


def test_sets_and_sorted_sets(ctx: SortContext) -> None:
    ctx.db.write(b"s", Set).add_many([b"3", b"20", b"1"])
    ctx.db.write(b"z", SortedSet).update_many([b"5", b"7", b"6"], [3.0, 2.0, 1.0])
    assert ctx.run("SORT", "s", "DESC") == [b"20", b"3", b"1"]
    assert ctx.run("SORT", "z") == [b"5", b"6", b"7"]
    assert ctx.run("SORT", "z", "BY", "x") == [b"6", b"7", b"5"]
    assert ctx.run("SORT", "z", "BY", "x", "DESC", "LIMIT", 1, 5) == [b"7", b"6"]
    assert ctx.run("SORT", "s", "BY", "x", "STORE", "d") == 3
    assert ctx.stored() == [b"1", b"20", b"3"]


def test_patterns(ctx: SortContext) -> None:
    ctx.run("MSET", "w_1", 30, "w_2", 20, "w_3", 10, "w_10", 5, "a*b", "no", "a1b", "yes")
    ctx.db.write(b"h_1", Hash).set(b"f->g", b"deep")
    assert ctx.run("SORT", "l", "BY", "w_*") == [b"10", b"3", b"2", b"1"]
    assert ctx.run("SORT", "l", "LIMIT", 0, 1, "GET", "a*b", "GET", "none", "GET", "h_*->f->g", "GET", "h_*") == [
        b"yes", None, b"deep", None,
    ]  # fmt: skip
    assert ctx.run("SORT", "l", "BY", "none_*") == [b"1", b"10", b"2", b"3"]


def test_effects(ctx: SortContext) -> None:
    assert ctx.effects("SORT", "l") == (0, [])
    assert ctx.effects("SORT", "l", "STORE", "d") == (4, ["sortstore d"])
    assert ctx.effects("SORT", "l", "GET", "#", "GET", "x_*", "STORE", "d") == (8, ["sortstore d"])
    assert ctx.stored() == [b"1", b"", b"2", b"", b"3", b"", b"10", b""]
    assert ctx.effects("SORT", "missing", "STORE", "d") == (1, ["del d"])
    assert ctx.effects("SORT", "missing", "STORE", "d") == (0, [])


def test_store_over_its_source(ctx: SortContext) -> None:
    assert ctx.run("SORT", "l", "LIMIT", 1, 2, "STORE", "l") == 2
    assert ctx.stored(b"l") == [b"2", b"3"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("SORT k", WRONG_TYPE),
        ("SORT k BY x", WRONG_TYPE),
        ("SORT k bogus", "ERR syntax error"),
        ("SORT l LIMIT 1", "ERR syntax error"),
        ("SORT l GET", "ERR syntax error"),
        ("SORT_RO l STORE d", "ERR syntax error"),
        ("SORT l LIMIT 1 x", "ERR value is not an integer or out of range"),
        ("SORT words", NO_NUMBER),
        ("SORT words STORE d", NO_NUMBER),
        ("SORT l BY w_*", NO_NUMBER),
    ],
)
def test_refusals(ctx: SortContext, request_: str, message: str) -> None:
    ctx.run("MSET", "k", "v", "w_1", "heavy")
    ctx.fill(b"words", [b"1", b"two"])
    assert ctx.error(*request_.split()) == message
    assert ctx.run("EXISTS", "d") == 0


@given(st.lists(st.binary(max_size=3), max_size=30), st.booleans())
def test_stored_texts_are_in_the_order_of_bytes(elements: list[bytes], reverse: bool) -> None:
    ctx = SortContext()
    ctx.fill(b"t", elements or [b""])
    ctx.run("SORT", "t", "ALPHA", "DESC" if reverse else "ASC", "STORE", "d")
    assert ctx.stored() == sorted(elements or [b""], reverse=reverse)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=30), st.booleans())
def test_numbers_are_in_order(numbers: list[int], reverse: bool) -> None:
    ctx = SortContext()
    ctx.fill(b"n", [b"%d" % number for number in numbers])
    found = ctx.run("SORT", "n", "DESC" if reverse else "ASC")
    assert list(map(int, found)) == sorted(numbers, reverse=reverse)


def test_texts_are_compared_as_the_locale_says(ctx: SortContext, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx.fill(b"t", [b"b", b"A", b"a\0z", b"B", b"a\0y", b"\xff"])
    assert ctx.run("SORT", "t", "ALPHA") == [b"A", b"B", b"a\0z", b"a\0y", b"b", b"\xff"]
    monkeypatch.setattr(locale, "setlocale", lambda category: "xx_XX.UTF-8")
    monkeypatch.setattr(locale, "strxfrm", str.lower)
    assert ctx.run("SORT", "t", "ALPHA") == [b"A", b"a\0z", b"a\0y", b"b", b"B", b"\xff"]
    assert ctx.run("SORT", "t", "ALPHA", "STORE", "d") == 6
    assert ctx.stored() == [b"A", b"B", b"a\0y", b"a\0z", b"b", b"\xff"]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("a", [1]),
        ("a STORE b", [1, 3]),
        ("a STORE b STORE c", [1, 5]),
        ("a GET store BY store LIMIT store store", [1]),
        ("a STORE", [1]),
    ],
)
def test_keys(words: str, keys: list[int]) -> None:
    assert [index for index, _ in sort.sort_keys([b"SORT", *words.encode().split()])] == keys
