"""The string family in-process: replies, errors, events and dirty counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keyspace_context import NOW, KeyspaceContext

INVALID_EXPIRE = "ERR invalid expire time in '{}' command"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"


@pytest.fixture
def ctx() -> KeyspaceContext:
    return KeyspaceContext()


def test_set_and_get(ctx: KeyspaceContext) -> None:
    assert ctx.run("GET", "k") is None
    assert ctx.run("SET", "k", b"\0\xff") == b"OK"
    assert ctx.run("GET", "k") == b"\0\xff"
    assert ctx.run("SET", "k", "") == b"OK"
    assert ctx.run("GET", "k") == b""


@pytest.mark.parametrize(
    ("exists", "options", "reply", "value"),
    [
        (False, "NX", b"OK", b"new"),
        (True, "NX", None, b"old"),
        (False, "XX", None, None),
        (True, "xx", b"OK", b"new"),
        (False, "GET", None, b"new"),
        (True, "GET", b"old", b"new"),
        (False, "NX GET", None, b"new"),
        (True, "GET NX", b"old", b"old"),
        (False, "XX GET", None, None),
        (True, "XX GET GET", b"old", b"new"),
    ],
)
def test_set_conditions(ctx: KeyspaceContext, exists: bool, options: str, reply: Any, value: Any) -> None:
    if exists:
        ctx.run("SET", "k", "old")
    assert ctx.run("SET", "k", "new", *options.split()) == reply
    assert ctx.run("GET", "k") == value


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ("", -1),
        ("KEEPTTL", NOW + 5000),
        ("EX 10", NOW + 10_000),
        ("px 10", NOW + 10),
        ("EXAT 1700000100", NOW + 100_000),
        ("PXAT 1700000000001", NOW + 1),
        ("EX 1 EX 2", NOW + 2000),
    ],
)
def test_set_times(ctx: KeyspaceContext, options: str, at: int) -> None:
    ctx.run("SET", "k", "old", "PX", 5000)
    assert ctx.run("SET", "k", "v", *options.split()) == b"OK"
    assert ctx.run("PEXPIRETIME", "k") == at


@pytest.mark.parametrize(
    "options", ["NX XX", "EX", "EX 1 PX 1", "KEEPTTL EX 1", "EX 1 KEEPTTL", "PERSIST", "EXAT 1 EX 1", "bogus", "GET PX"]
)
def test_set_syntax_errors(ctx: KeyspaceContext, options: str) -> None:
    assert ctx.error("SET", "k", "v", *options.split()) == "ERR syntax error"


@pytest.mark.parametrize("option", ["EX", "PX", "EXAT", "PXAT"])
@pytest.mark.parametrize("time", [0, -1, -(2**63)])
def test_set_refuses_times_that_are_not_positive(ctx: KeyspaceContext, option: str, time: int) -> None:
    assert ctx.error("SET", "k", "v", option, time) == INVALID_EXPIRE.format("set")


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (("SET", "k", "v", "EX", 2**63 // 1000), "set"),
        (("SET", "k", "v", "EX", 2**63 // 1000 - 1), "set"),
        (("SET", "k", "v", "PX", 2**63 - 1), "set"),
        (("SETEX", "k", 2**63 // 1000, "v"), "setex"),
        (("SETEX", "k", 0, "v"), "setex"),
        (("PSETEX", "k", 2**63 - NOW, "v"), "psetex"),
        (("PSETEX", "k", -5, "v"), "psetex"),
    ],
)
def test_times_that_64_bits_cannot_hold(ctx: KeyspaceContext, request_: tuple[Any, ...], name: str) -> None:
    assert ctx.error(*request_) == INVALID_EXPIRE.format(name)


def test_the_last_time_that_64_bits_hold(ctx: KeyspaceContext) -> None:
    assert ctx.run("SET", "k", "v", "PXAT", 2**63 - 1) == b"OK"
    assert ctx.run("PEXPIRETIME", "k") == 2**63 - 1
    assert ctx.run("PSETEX", "k", 2**63 - 1 - NOW, "v") == b"OK"


def test_a_bad_time_is_reported_before_the_type_and_the_condition(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "v")
    assert ctx.error("SET", "k", "v", "NX", "EX", "x") == NOT_INTEGER
    assert ctx.error("SET", "k", "v", "EX", "1.5") == NOT_INTEGER


def test_set_with_a_time_in_the_past_is_gone_at_once(ctx: KeyspaceContext) -> None:
    assert ctx.run("SET", "k", "v", "PXAT", 1) == b"OK"
    assert ctx.run("GET", "k") is None
    assert ctx.run("EXISTS", "k") == 0


def test_effects_of_set(ctx: KeyspaceContext) -> None:
    assert ctx.effects("SET", "k", "v") == (1, ["set k"])
    assert ctx.effects("SET", "k", "v", "EX", 9) == (1, ["set k", "expire k"])
    assert ctx.effects("SET", "k", "v", "KEEPTTL") == (1, ["set k"])
    assert ctx.effects("SET", "k", "v", "NX") == (0, [])
    assert ctx.effects("SETNX", "k", "v") == (0, [])
    assert ctx.effects("SETNX", "n", "v") == (1, ["set n"])
    assert ctx.effects("SETEX", "k", 5, "v") == (1, ["set k", "expire k"])
    assert ctx.effects("PSETEX", "k", 5, "v") == (1, ["set k", "expire k"])
    assert ctx.effects("GETSET", "k", "v") == (1, ["set k"])
    assert ctx.effects("MSET", "a", 1, "b", 2) == (2, ["set a", "set b"])
    assert ctx.effects("MSETNX", "a", 1, "c", 2) == (0, [])


def test_setnx_and_getset(ctx: KeyspaceContext) -> None:
    assert ctx.run("SETNX", "k", "a") == 1
    assert ctx.run("SETNX", "k", "b") == 0
    ctx.run("EXPIRE", "k", 100)
    assert ctx.run("GETSET", "k", "c") == b"a"
    assert ctx.run("TTL", "k") == -1
    assert ctx.run("GETSET", "new", "c") is None


def test_getdel(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "v")
    assert ctx.effects("GETDEL", "k") == (1, ["del k"])
    assert ctx.run("GETDEL", "k") is None
    assert ctx.effects("GETDEL", "k") == (0, [])


def test_getex(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "v")
    assert ctx.run("GETEX", "k") == b"v"
    assert ctx.effects("GETEX", "k") == (0, [])
    assert ctx.run("GETEX", "k", "EX", 10) == b"v"
    assert ctx.run("PTTL", "k") == 10_000
    assert ctx.effects("GETEX", "k", "PX", 10) == (1, ["expire k"])
    assert ctx.effects("GETEX", "k", "PERSIST") == (1, ["persist k"])
    assert ctx.effects("GETEX", "k", "PERSIST") == (0, [])
    assert ctx.effects("GETEX", "k", "PXAT", NOW) == (1, ["del k"])
    assert ctx.run("GETEX", "k", "EX", "nonsense") is None  # a missing key is not looked at any further


@pytest.mark.parametrize("options", ["KEEPTTL", "NX", "EX 1 PERSIST", "PERSIST EX 1", "EX", "GET"])
def test_getex_syntax_errors(ctx: KeyspaceContext, options: str) -> None:
    ctx.run("SET", "k", "v")
    assert ctx.error("GETEX", "k", *options.split()) == "ERR syntax error"


def test_getex_refuses_bad_times(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "v")
    assert ctx.error("GETEX", "k", "EX", 0) == INVALID_EXPIRE.format("getex")
    assert ctx.error("GETEX", "k", "EX", "x") == NOT_INTEGER


def test_mget_mset_msetnx(ctx: KeyspaceContext) -> None:
    assert ctx.run("MSET", "a", 1, "b", 2, "a", 3) == b"OK"
    assert ctx.run("MGET", "a", "b", "none", "a") == [b"3", b"2", None, b"3"]
    assert ctx.run("MSETNX", "c", 1, "a", 2) == 0
    assert ctx.run("EXISTS", "c") == 0
    assert ctx.run("MSETNX", "c", 1, "c", 2) == 1
    assert ctx.run("GET", "c") == b"2"
    for name in ("mset", "msetnx"):
        assert ctx.error(name, "a", 1, "b") == f"ERR wrong number of arguments for '{name}' command"


def test_append_and_strlen(ctx: KeyspaceContext) -> None:
    assert ctx.run("APPEND", "k", "ab") == 2
    assert ctx.run("APPEND", "k", "cd") == 4
    assert ctx.run("GET", "k") == b"abcd"
    assert ctx.run("STRLEN", "k") == 4
    assert ctx.run("STRLEN", "none") == 0
    assert ctx.effects("APPEND", "k", "") == (1, ["append k"])
    ctx.run("EXPIRE", "k", 10)
    ctx.run("APPEND", "k", "e")
    assert ctx.run("TTL", "k") == 10


def test_a_string_may_reach_the_longest_bulk_but_not_pass_it(ctx: KeyspaceContext) -> None:
    too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    ctx.limit_strings(10)
    assert ctx.run("APPEND", "k", "123456789") == 9
    assert ctx.run("APPEND", "k", "0") == 10
    assert ctx.error("APPEND", "k", "x") == too_long
    assert ctx.run("SETRANGE", "k", 9, "x") == 10
    assert ctx.error("SETRANGE", "k", 9, "xy") == too_long
    assert ctx.error("SETRANGE", "none", 2**63 - 1, "xy") == too_long
    assert ctx.run("SETRANGE", "k", 2**62, "") == 10


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 3), (-3, -1), (0, -1), (5, 3), (-1, -5), (-100, 2), (3, 100), (100, 200), (-100, -90), (0, 0)],
)
def test_getrange(ctx: KeyspaceContext, start: int, end: int) -> None:
    text = b"This is a string"
    ctx.run("SET", "k", text)
    if start < 0 and end < 0 and start > end:
        expected = b""
    else:
        first, last = (max(at + len(text), 0) if at < 0 else at for at in (start, end))
        expected = text[first : last + 1]
    assert ctx.run("GETRANGE", "k", start, end) == expected
    assert ctx.run("SUBSTR", "k", start, end) == expected
    assert ctx.run("GETRANGE", "none", start, end) == b""


def test_getrange_of_an_integer(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "-12345")
    assert ctx.run("GETRANGE", "k", 0, 1) == b"-1"
    assert ctx.run("STRLEN", "k") == 6


def test_setrange(ctx: KeyspaceContext) -> None:
    assert ctx.run("SETRANGE", "k", 3, "x") == 4
    assert ctx.run("GET", "k") == b"\0\0\0x"
    assert ctx.run("SETRANGE", "k", 1, "yy") == 4
    assert ctx.run("GET", "k") == b"\0yyx"
    assert ctx.effects("SETRANGE", "k", 0, "z") == (1, ["setrange k"])
    assert ctx.effects("SETRANGE", "k", 0, "") == (0, [])
    assert ctx.run("SETRANGE", "none", 5, "") == 0
    assert ctx.run("EXISTS", "none") == 0
    assert ctx.error("SETRANGE", "k", -1, "x") == "ERR offset is out of range"
    assert ctx.error("SETRANGE", "k", "x", "x") == NOT_INTEGER


def test_counters(ctx: KeyspaceContext) -> None:
    assert ctx.run("INCR", "k") == 1
    assert ctx.run("INCRBY", "k", 41) == 42
    assert ctx.run("DECR", "k") == 41
    assert ctx.run("DECRBY", "k", -1) == 42
    assert ctx.effects("INCRBY", "k", 0) == (1, ["incrby k"])
    assert ctx.effects("DECR", "k") == (1, ["incrby k"])
    ctx.run("EXPIRE", "k", 10)
    ctx.run("INCR", "k")
    assert ctx.run("TTL", "k") == 10


@pytest.mark.parametrize("value", ["a", "", " 1", "1 ", "01", "+1", "-0", "1.0", str(2**63), "0x1", "1e2"])
def test_what_is_no_integer(ctx: KeyspaceContext, value: str) -> None:
    ctx.run("SET", "k", value)
    assert ctx.error("INCR", "k") == NOT_INTEGER
    assert ctx.error("INCRBY", "n", value) == NOT_INTEGER
    assert ctx.run("GET", "k") == value.encode()


def test_counters_do_not_wrap(ctx: KeyspaceContext) -> None:
    overflow = "ERR increment or decrement would overflow"
    ctx.run("SET", "k", 2**63 - 1)
    assert ctx.error("INCR", "k") == overflow
    assert ctx.error("DECRBY", "k", -1) == overflow
    ctx.run("SET", "k", -(2**63))
    assert ctx.error("DECR", "k") == overflow
    assert ctx.error("DECRBY", "k", -(2**63)) == "ERR decrement would overflow"
    assert ctx.run("INCRBY", "k", 2**63 - 1) == -1


def test_incrbyfloat(ctx: KeyspaceContext) -> None:
    assert ctx.run("INCRBYFLOAT", "k", "10.50") == b"10.5"
    assert ctx.run("INCRBYFLOAT", "k", "0.1") == b"10.6"
    assert ctx.run("INCRBYFLOAT", "k", "-5.6") == b"5"
    assert ctx.run("INCRBYFLOAT", "k", "2.0e2") == b"205"
    assert ctx.run("OBJECT", "ENCODING", "k") == b"embstr"
    assert ctx.effects("INCRBYFLOAT", "k", 1) == (1, ["incrbyfloat k"])
    assert ctx.error("INCRBYFLOAT", "k", "x") == "ERR value is not a valid float"
    assert ctx.error("INCRBYFLOAT", "k", "inf") == "ERR increment would produce NaN or Infinity"
    ctx.run("EXPIRE", "k", 10)
    ctx.run("INCRBYFLOAT", "k", "1")
    assert ctx.run("TTL", "k") == 10


@pytest.mark.parametrize(
    ("request_", "encoding"),
    [
        (("SET", "k", "12"), b"int"),
        (("SET", "k", "012"), b"embstr"),
        (("SET", "k", "x" * 44), b"embstr"),
        (("SET", "k", "x" * 45), b"raw"),
        (("SET", "k", str(2**63)), b"embstr"),
        (("APPEND", "k", "12"), b"int"),
        (("SETRANGE", "k", 0, "12"), b"raw"),
        (("SETBIT", "k", 0, 0), b"raw"),
        (("INCR", "k"), b"int"),
        (("GETSET", "k", "5"), b"int"),
        (("MSET", "k", "5"), b"int"),
        (("INCRBYFLOAT", "k", "1"), b"embstr"),
        (("BITOP", "NOT", "k", "source"), b"raw"),
    ],
)
def test_encodings(ctx: KeyspaceContext, request_: tuple[Any, ...], encoding: bytes) -> None:
    ctx.run("SET", "source", "1")
    ctx.run(*request_)
    assert ctx.run("OBJECT", "ENCODING", "k") == encoding


def test_an_existing_integer_that_is_appended_to_becomes_raw(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "12")
    assert ctx.run("APPEND", "k", "3") == 3
    assert ctx.run("OBJECT", "ENCODING", "k") == b"raw"
    assert ctx.run("INCR", "k") == 124
    assert ctx.run("OBJECT", "ENCODING", "k") == b"int"


@pytest.mark.parametrize(
    "request_",
    [
        "GET l", "SET l v GET", "SET l v NX GET", "GETSET l v", "GETDEL l", "GETEX l", "GETEX l EX nonsense",
        "APPEND l v", "STRLEN l", "GETRANGE l 0 1", "SETRANGE l 0 v", "SETRANGE l 9999999 v", "INCR l",
        "INCRBYFLOAT l x", "SETBIT l 0 1", "GETBIT l 0", "BITCOUNT l", "BITCOUNT l -1 -5", "BITPOS l 1",
        "BITOP NOT t l", "BITFIELD l GET u8 0", "BITFIELD l SET u8 0 1", "BITFIELD l", "BITFIELD_RO l GET u8 0",
    ],
)  # fmt: skip
def test_wrong_types(ctx: KeyspaceContext, request_: str) -> None:
    ctx.run("SADD", "l", "x")
    assert ctx.error(*request_.split()) == WRONG_TYPE
    assert (ctx.run("TYPE", "l"), ctx.run("SMEMBERS", "l")) == (b"set", [b"x"])


def test_what_works_on_any_type(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "l", "x")
    assert ctx.run("MGET", "l", "none") == [None, None]
    assert ctx.run("SETNX", "l", 1) == 0
    assert ctx.run("MSETNX", "l", 1, "m", 2) == 0
    assert ctx.error("LCS", "l", "none", "bogus") == "ERR The specified keys must contain string values"
    assert ctx.error("LCS", "none", "l") == "ERR The specified keys must contain string values"
    assert ctx.run("SET", "l", "v", "XX") == b"OK"
    assert ctx.run("GET", "l") == b"v"


A, B = "ohmytext", "mynewtext"


def test_lcs(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", A, "b", B)
    assert ctx.run("LCS", "a", "b") == b"mytext"
    assert ctx.run("LCS", "a", "b", "LEN") == 6
    assert ctx.run("LCS", "a", "none") == b""
    assert ctx.run("LCS", "none", "b", "LEN") == 0
    both = [[[4, 7], [5, 8]], [[2, 3], [0, 1]]]
    assert ctx.run("LCS", "a", "b", "IDX") == {b"matches": both, b"len": 6}
    assert ctx.run("LCS", "a", "b", "IDX", "MINMATCHLEN", 4) == {b"matches": both[:1], b"len": 6}
    with_length = {b"matches": [[*both[0], 4]], b"len": 6}
    assert ctx.run("LCS", "a", "b", "idx", "minmatchlen", 3, "withmatchlen") == with_length
    assert ctx.run("LCS", "a", "b", "IDX", "MINMATCHLEN", -1)[b"matches"] == both
    assert ctx.run("LCS", "none", "b", "IDX") == {b"matches": [], b"len": 0}


def test_lcs_errors(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", A, "b", B)
    both = "ERR If you want both the length and indexes, please just use IDX."
    assert ctx.error("LCS", "a", "b", "LEN", "IDX") == both
    assert ctx.error("LCS", "a", "b", "MINMATCHLEN") == "ERR syntax error"
    assert ctx.error("LCS", "a", "b", "MINMATCHLEN", "x") == NOT_INTEGER
    ctx.limit_strings(4 * 9 * 10 - 1)
    memory = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    assert ctx.error("LCS", "a", "b", "LEN") == memory
    ctx.limit_strings(4 * 9 * 10)
    assert ctx.run("LCS", "a", "b", "LEN") == 6


@given(
    st.binary(max_size=20),
    st.lists(st.tuples(st.integers(0, 30), st.binary(min_size=1, max_size=10)), max_size=6),
    st.tuples(st.integers(-40, 40), st.integers(-40, 40)),
)
def test_ranges_against_bytes(text: bytes, patches: list[tuple[int, bytes]], bounds: tuple[int, int]) -> None:
    ctx = KeyspaceContext()
    model = bytearray(text)
    ctx.run("SET", "k", text)
    for offset, patch in patches:
        model.extend(bytes(max(offset - len(model), 0)))
        model[offset : offset + len(patch)] = patch
        assert ctx.run("SETRANGE", "k", offset, patch) == len(model)
    model += text
    assert ctx.run("APPEND", "k", text) == len(model)
    assert ctx.run("GET", "k") == bytes(model)
    first, last = (max(at + len(model), 0) if at < 0 else at for at in bounds)
    if bounds[0] < 0 and bounds[1] < 0 and bounds[0] > bounds[1]:
        last = first - 1
    assert ctx.run("GETRANGE", "k", *bounds) == (bytes(model[first : last + 1]) if first <= last else b"")
