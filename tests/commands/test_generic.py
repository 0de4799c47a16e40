"""The generic family and the commands on whole databases, in-process."""

from typing import Any

import pytest

from tests.support.keyspace_context import NOW, KeyspaceContext

NO_KEY = "ERR no such key"
SAME = "ERR source and destination objects are the same"
OUT_OF_RANGE = "ERR DB index is out of range"
NOT_INTEGER = "ERR value is not an integer or out of range"


@pytest.fixture
def ctx() -> KeyspaceContext:
    return KeyspaceContext()


def test_del_unlink_exists_touch(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", 1, "b", 2, "c", 3)
    assert ctx.run("EXISTS", "a", "a", "none", "b") == 3
    assert ctx.run("TOUCH", "a", "none", "b") == 2
    assert ctx.effects("DEL", "a", "none", "a", "b") == (2, ["del a", "del b"])
    assert ctx.effects("UNLINK", "c", "c") == (1, ["del c"])
    assert ctx.run("DEL", "a") == 0


def test_type(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", 1)
    assert ctx.run("TYPE", "k") == b"string"
    assert ctx.reply.calls == [("simple", b"string")]
    assert ctx.run("TYPE", "none") == b"none"


def test_rename(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "a", 1, "EX", 100)
    ctx.run("SET", "b", 2)
    assert ctx.effects("RENAME", "a", "b") == (1, ["rename_from a", "rename_to b"])
    assert (ctx.run("GET", "a"), ctx.run("GET", "b"), ctx.run("TTL", "b")) == (None, b"1", 100)
    assert ctx.effects("RENAME", "b", "b") == (0, [])
    assert ctx.error("RENAME", "none", "none") == NO_KEY
    assert ctx.error("RENAME", "none", "b") == NO_KEY


def test_renamenx(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", 1, "b", 2)
    assert ctx.run("RENAMENX", "a", "b") == 0
    assert ctx.run("RENAMENX", "a", "a") == 0
    assert ctx.error("RENAMENX", "none", "x") == NO_KEY
    assert ctx.effects("RENAMENX", "a", "c") == (1, ["rename_from a", "rename_to c"])
    assert ctx.run("MGET", "a", "b", "c") == [None, b"2", b"1"]


def test_move(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", 1, "EX", 100)
    assert ctx.run("MOVE", "none", 1) == 0
    assert ctx.effects("MOVE", "k", 1) == (1, ["move_from k", "move_to k@1"])
    assert ctx.run("EXISTS", "k") == 0
    ctx.run("SET", "k", 2)
    assert ctx.run("MOVE", "k", 1) == 0
    assert ctx.error("MOVE", "k", 0) == SAME
    assert ctx.error("MOVE", "k", 4) == OUT_OF_RANGE
    assert ctx.error("MOVE", "k", -1) == OUT_OF_RANGE
    assert ctx.error("MOVE", "k", "x") == NOT_INTEGER
    assert ctx.error("MOVE", "k", 2**31) == "ERR value is out of range, value must between -2147483648 and 2147483647"
    ctx.select(1)
    assert (ctx.run("GET", "k"), ctx.run("TTL", "k")) == (b"1", 100)


def test_copy(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "a", 1, "EX", 100)
    ctx.run("SET", "b", 2)
    assert ctx.run("COPY", "none", "x") == 0
    assert ctx.run("COPY", "a", "b") == 0
    assert ctx.effects("COPY", "a", "b", "REPLACE") == (1, ["copy_to b"])
    assert (ctx.run("GET", "b"), ctx.run("TTL", "b"), ctx.run("GET", "a")) == (b"1", 100, b"1")
    assert ctx.effects("COPY", "a", "a", "DB", 2) == (1, ["copy_to a@2"])
    assert ctx.effects("COPY", "a", "a", "db", 2) == (0, [])
    assert ctx.error("COPY", "a", "a") == SAME
    assert ctx.error("COPY", "a", "a", "DB", 0) == SAME
    assert ctx.error("COPY", "a", "b", "DB", 9) == OUT_OF_RANGE
    assert ctx.error("COPY", "a", "b", "DB") == "ERR syntax error"
    assert ctx.error("COPY", "a", "b", "bogus") == "ERR syntax error"


# --- time to live ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "at"),
    [
        (("EXPIRE", "k", 10), NOW + 10_000),
        (("PEXPIRE", "k", 10), NOW + 10),
        (("EXPIREAT", "k", NOW // 1000 + 7), NOW + 7000),
        (("PEXPIREAT", "k", NOW + 7), NOW + 7),
    ],
)
def test_the_four_ways_to_expire(ctx: KeyspaceContext, request_: tuple[Any, ...], at: int) -> None:
    assert ctx.run(*request_) == 0
    ctx.run("SET", "k", 1)
    assert ctx.effects(*request_) == (1, ["expire k"])
    assert ctx.run("PEXPIRETIME", "k") == at
    assert ctx.run("EXPIRETIME", "k") == (at + 500) // 1000
    assert ctx.run("PTTL", "k") == at - NOW
    assert ctx.run("TTL", "k") == (at - NOW + 500) // 1000


@pytest.mark.parametrize(
    "request_", [("EXPIRE", "k", 0), ("EXPIRE", "k", -1), ("PEXPIRE", "k", -(2**63)), ("EXPIREAT", "k", 1),
                 ("PEXPIREAT", "k", NOW), ("EXPIREAT", "k", -(2**63) // 1000 + 1)]
)  # fmt: skip
def test_a_time_in_the_past_deletes(ctx: KeyspaceContext, request_: tuple[Any, ...]) -> None:
    ctx.run("SET", "k", 1)
    assert ctx.effects(*request_) == (1, ["del k"])
    assert ctx.run("EXISTS", "k") == 0


def test_missing_keys_and_keys_that_stay(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", 1)
    for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert ctx.run(name, "none") == -2
        assert ctx.run(name, "k") == -1


def test_an_expired_key_is_missing(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", 1, "PX", 10)
    ctx.later(10)
    assert ctx.run("EXISTS", "k") == 1
    assert ctx.run("PTTL", "k") == 0
    ctx.later(1)
    assert ctx.run("TTL", "k") == -2
    assert ctx.run("GET", "k") is None
    assert ctx.run("PERSIST", "k") == 0
    assert ctx.error("RENAME", "k", "x") == NO_KEY


@pytest.mark.parametrize(
    ("current", "condition", "allowed"),
    [
        (None, "NX", True), (50, "NX", False),
        (None, "XX", False), (50, "XX", True),
        (None, "GT", False), (50, "GT", True), (100, "GT", False), (150, "GT", False),
        (None, "LT", True), (50, "LT", False), (100, "LT", False), (150, "LT", True),
        (50, "XX GT", True), (150, "XX LT", True), (None, "XX LT", False), (150, "XX GT", False),
    ],
)  # fmt: skip
def test_conditions(ctx: KeyspaceContext, current: int | None, condition: str, allowed: bool) -> None:
    ctx.run("SET", "k", 1, *([] if current is None else ["EX", current]))
    assert ctx.run("EXPIRE", "k", 100, *condition.lower().split()) == allowed
    assert ctx.run("TTL", "k") == (100 if allowed else -1 if current is None else current)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("NX XX", "ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("GT NX", "ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("NX LT GT", "ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("GT LT", "ERR GT and LT options at the same time are not compatible"),
        ("AB", "ERR Unsupported option AB"),
        ("NX zzz", "ERR Unsupported option zzz"),
    ],
)
def test_conditions_that_do_not_go_together(ctx: KeyspaceContext, options: str, error: str) -> None:
    ctx.run("SET", "k", 1)
    assert ctx.error("EXPIRE", "k", "x", *options.split()) == error  # before the time is looked at


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("expire", 2**63 // 1000 + 1),
        ("expire", 2**63 // 1000),
        ("expire", -(2**63 // 1000) - 1),
        ("expireat", 2**63 // 1000 + 1),
        ("pexpire", 2**63 - 1),
    ],
)
def test_times_that_64_bits_cannot_hold(ctx: KeyspaceContext, name: str, time: int) -> None:
    assert ctx.error(name, "none", time) == f"ERR invalid expire time in '{name}' command"


def test_the_last_times_that_64_bits_hold(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", 1)
    assert ctx.run("PEXPIREAT", "k", 2**63 - 1) == 1
    assert ctx.run("PEXPIRETIME", "k") == 2**63 - 1
    assert ctx.run("EXPIREAT", "k", (2**63 - 1) // 1000) == 1
    assert ctx.error("EXPIRE", "k", "1.5") == NOT_INTEGER


def test_persist(ctx: KeyspaceContext) -> None:
    assert ctx.run("PERSIST", "none") == 0
    ctx.run("SET", "k", 1, "EX", 10)
    assert ctx.effects("PERSIST", "k") == (1, ["persist k"])
    assert ctx.effects("PERSIST", "k") == (0, [])
    assert ctx.run("TTL", "k") == -1


# --- all keys -------------------------------------------------------------------------------------------------------


def test_keys(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "one", 1, "two", 2, "three", 3)
    assert sorted(ctx.run("KEYS", "*")) == [b"one", b"three", b"two"]
    assert sorted(ctx.run("KEYS", "t*")) == [b"three", b"two"]
    assert ctx.run("KEYS", "o[mn]?") == [b"one"]
    ctx.run("PEXPIRE", "one", 5)
    ctx.later(6)
    assert ctx.run("KEYS", "o*") == []
    assert b"one" not in ctx.run("KEYS", "*")


def scan_all(ctx: KeyspaceContext, *options: bytes | str | int) -> list[bytes]:
    cursor, found = b"0", []
    while True:
        cursor, keys = ctx.run("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found


@pytest.mark.parametrize("count", [1, 7, 10_000, 2**63 - 1])
def test_scan_sees_every_key(ctx: KeyspaceContext, count: int) -> None:
    names = {f"key:{at}".encode() for at in range(1500)}
    for name in names:
        ctx.run("SET", name, 1)
    assert set(scan_all(ctx, "COUNT", count)) == names
    assert set(scan_all(ctx, "MATCH", "key:1?")) == {f"key:1{at}".encode() for at in range(10)}
    assert set(scan_all(ctx, "TYPE", "STRING", "COUNT", 500)) == names
    assert scan_all(ctx, "TYPE", "zset", "COUNT", 500) == []
    assert scan_all(ctx, "TYPE", "bogus", "COUNT", 500) == []


def test_scan_leaves_expired_keys_out(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "a", 1, "PX", 5)
    ctx.run("SET", "b", 1)
    ctx.later(6)
    assert scan_all(ctx) == [b"b"]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1x", "1 ", "18446744073709551616", "--1"])
def test_bad_cursors(ctx: KeyspaceContext, cursor: str) -> None:
    assert ctx.error("SCAN", cursor, "bogus") == "ERR invalid cursor"


@pytest.mark.parametrize("cursor", ["0", "18446744073709551615", "00", "+5", " 5", "-05"])
def test_cursors_that_c_reads(ctx: KeyspaceContext, cursor: str) -> None:
    position, keys = ctx.run("SCAN", cursor)
    assert position == b"0"
    assert keys == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("COUNT 0", "ERR syntax error"),
        ("COUNT -1", "ERR syntax error"),
        ("COUNT x", NOT_INTEGER),
        ("COUNT", "ERR syntax error"),
        ("MATCH", "ERR syntax error"),
        ("TYPE", "ERR syntax error"),
        ("bogus", "ERR syntax error"),
        ("NOVALUES", "ERR NOVALUES option can only be used in HSCAN"),
    ],
)
def test_scan_errors(ctx: KeyspaceContext, options: str, error: str) -> None:
    assert ctx.error("SCAN", 0, *options.split()) == error


def test_randomkey(ctx: KeyspaceContext) -> None:
    assert ctx.run("RANDOMKEY") is None
    ctx.run("MSET", "a", 1, "b", 2)
    assert {ctx.run("RANDOMKEY") for _ in range(100)} == {b"a", b"b"}


# --- OBJECT ---------------------------------------------------------------------------------------------------------


def test_object_of_missing_keys(ctx: KeyspaceContext) -> None:
    for name in ("ENCODING", "FREQ", "IDLETIME", "REFCOUNT"):
        assert ctx.run("OBJECT", name, "none") is None


def test_object_idletime_and_freq(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "v")
    ctx.later(10_000)
    assert ctx.run("OBJECT", "IDLETIME", "k") == 10
    ctx.run("GET", "k")
    assert ctx.run("OBJECT", "IDLETIME", "k") == 0
    assert ctx.error("OBJECT", "FREQ", "k").startswith("ERR An LFU maxmemory policy is not selected, access")
    ctx.server.config.maxmemory_policy = "allkeys-lfu"
    assert ctx.error("OBJECT", "IDLETIME", "k").startswith("ERR An LFU maxmemory policy is selected, idle time")


def test_looking_at_a_key_without_using_it(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "v")
    ctx.later(10_000)
    for request in ("EXISTS k", "TYPE k", "TTL k", "OBJECT ENCODING k", "SCAN 0", "KEYS *"):
        ctx.run(*request.split())
        assert ctx.run("OBJECT", "IDLETIME", "k") == 10, request
    ctx.run("TOUCH", "k")
    assert ctx.run("OBJECT", "IDLETIME", "k") == 0


def test_hits_and_misses(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "1")
    keyspace = ctx.server.keyspace
    for name in ("GET", "STRLEN", "EXISTS", "TYPE", "TTL", "PTTL", "EXPIRETIME", "TOUCH", "BITCOUNT", "GETEX"):
        hits, misses = keyspace.hits, keyspace.misses
        ctx.run(name, "k")
        ctx.run(name, "none")
        assert (keyspace.hits - hits, keyspace.misses - misses) == (1, 1), name
    for request in ("INCR k", "APPEND k 1", "PERSIST k", "EXPIRE k 9", "DEL none", "SETNX k 1", "SETBIT k 1 1"):
        hits, misses = keyspace.hits, keyspace.misses
        ctx.run(*request.split())
        assert (keyspace.hits, keyspace.misses) == (hits, misses), request


def test_object_refcount(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", 9999, "b", 10000, "c", -1, "d", "x")
    assert [ctx.run("OBJECT", "REFCOUNT", key) for key in "abcd"] == [2**31 - 1, 1, 1, 1]
    ctx.server.config.maxmemory = 1 << 30
    assert ctx.run("OBJECT", "REFCOUNT", "a") == 2**31 - 1
    ctx.server.config.maxmemory_policy = "allkeys-lru"
    assert ctx.run("OBJECT", "REFCOUNT", "a") == 1


def test_object_help(ctx: KeyspaceContext) -> None:
    text = b"\n".join(ctx.run("OBJECT", "HELP"))
    assert all(usage in text for usage in (b"ENCODING <key>", b"FREQ <key>", b"IDLETIME <key>", b"REFCOUNT <key>"))


# --- whole databases ------------------------------------------------------------------------------------------------


def test_dbsize_and_flushdb(ctx: KeyspaceContext) -> None:
    ctx.run("MSET", "a", 1, "b", 2)
    ctx.run("COPY", "a", "a", "DB", 1)
    assert ctx.run("DBSIZE") == 2
    assert ctx.effects("FLUSHDB") == (2, [])
    assert ctx.watches.calls == [("flushed", 0)]
    assert (len(ctx.server.keyspace[0]), len(ctx.server.keyspace[1])) == (0, 1)
    ctx.run("SET", "a", 1)  # the emptied database works
    assert ctx.run("KEYS", "*") == [b"a"]


@pytest.mark.parametrize("mode", [(), ("SYNC",), ("async",)])
def test_flushall(ctx: KeyspaceContext, mode: tuple[str, ...]) -> None:
    ctx.run("SET", "a", 1, "EX", 100)
    ctx.run("COPY", "a", "a", "DB", 3)
    assert ctx.effects("FLUSHALL", *mode) == (2, [])
    assert ctx.watches.calls == [("flushed", index) for index in range(4)]
    assert [len(ctx.server.keyspace[index]) for index in range(4)] == [0] * 4
    assert ctx.run("GET", "a") is None


def test_flush_errors(ctx: KeyspaceContext) -> None:
    for name in ("FLUSHDB", "FLUSHALL"):
        assert ctx.error(name, "bogus") == "ERR syntax error"
        assert ctx.error(name, "ASYNC", "SYNC") == "ERR syntax error"


def test_swapdb(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "a", 1)
    assert ctx.effects("SWAPDB", 0, 2) == (1, [])
    assert ctx.watches.calls == [("swapped", 0, 2)]
    assert ctx.run("GET", "a") is None
    ctx.select(2)
    assert ctx.run("GET", "a") == b"1"
    assert ctx.effects("SWAPDB", 2, 2) == (1, [])
    assert ctx.error("SWAPDB", "x", 0) == "ERR invalid first DB index"
    assert ctx.error("SWAPDB", 0, 2**31) == "ERR invalid second DB index"
    assert ctx.error("SWAPDB", 0, 4) == OUT_OF_RANGE
