"""The HyperLogLog family in-process: replies, errors, events, dirty counts and what stays as it was."""

from typing import Any

import pytest
from mtredis.keyspace.types.hyperloglog import EMPTY, to_dense

from mtredis.commands import hyperloglog
from mtredis.executor.transaction import Watches
from tests.support.keyspace_context import NOW, KeyspaceContext

INVALID = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED = "INVALIDOBJ Corrupted HLL object detected"
assert hyperloglog.DEBUG


class Session:
    """As much of a client as WATCH needs."""

    transaction = None

    def hold(self, size: int) -> None:
        """Takes note of nothing."""


@pytest.fixture
def ctx() -> KeyspaceContext:
    context = KeyspaceContext()
    context.keyspace = context.server.keyspace
    context.server.config.hll_sparse_max_bytes = 3000
    context.watches: Any = Watches(context.server.keyspace)
    return context


def test_add_and_count(ctx: KeyspaceContext) -> None:
    assert ctx.run("PFADD", "k", "a", "b", "a") == 1
    assert ctx.run("PFADD", "k", "b") == 0
    assert ctx.run("PFCOUNT", "k") == 2
    assert ctx.run("PFADD", "other", "b", "c") == 1
    assert ctx.run("PFCOUNT", "k", "other", "missing") == 3
    assert ctx.run("PFCOUNT", "missing") == 0
    assert ctx.run("EXISTS", "missing") == 0


def test_merge(ctx: KeyspaceContext) -> None:
    ctx.run("PFADD", "a", *range(100))
    ctx.run("PFADD", "b", *range(50, 150))
    assert ctx.run("PFMERGE", "c", "a", "b", "missing") == b"OK"
    assert ctx.run("PFCOUNT", "c") == ctx.run("PFCOUNT", "a", "b")
    assert ctx.run("PFMERGE", "empty") == b"OK"
    assert ctx.run("GET", "empty") == EMPTY


def test_effects(ctx: KeyspaceContext) -> None:
    assert ctx.effects("PFADD", "k") == (1, ["pfadd k"])
    assert ctx.effects("PFADD", "k") == (0, [])
    assert ctx.effects("PFADD", "n", "a", "b") == (3, ["pfadd n"])
    assert ctx.effects("PFADD", "n", "a", "c", "d") == (2, ["pfadd n"])
    assert ctx.effects("PFCOUNT", "n") == (1, [])
    assert ctx.effects("PFCOUNT", "n") == (0, [])
    assert ctx.effects("PFCOUNT", "n", "k") == (0, [])
    assert ctx.effects("PFMERGE", "m", "n") == (1, ["pfadd m"])
    assert ctx.effects("PFDEBUG", "TODENSE", "m") == (1, [])
    assert ctx.effects("PFDEBUG", "TODENSE", "m") == (0, [])
    assert ctx.effects("PFDEBUG", "GETREG", "n") == (1, [])


def test_the_count_is_kept_in_the_string(ctx: KeyspaceContext) -> None:
    ctx.run("PFADD", "k", "a", "b", "c")
    assert ctx.run("GET", "k")[8:16] == bytes(7) + b"\x80"
    ctx.run("PFCOUNT", "k")
    assert ctx.run("GET", "k")[8:16] == b"\3" + bytes(7)
    ctx.run("PFADD", "k", "d")
    assert ctx.run("GET", "k")[15] & 0x80


def test_refreshing_the_count_is_seen_by_watch(ctx: KeyspaceContext) -> None:
    client: Any = Session()
    ctx.run("PFADD", "k", "a")
    ctx.watches.watch(client, 0, [b"k"])
    ctx.run("PFCOUNT", "k")
    assert ctx.watches.is_dirty(client)
    ctx.watches.unwatch(client)
    ctx.watches.watch(client, 0, [b"k"])
    ctx.run("PFCOUNT", "k")
    assert not ctx.watches.is_dirty(client)


@pytest.mark.parametrize("count", [1, 100, 5000])
def test_a_plain_raw_string_that_keeps_its_time(ctx: KeyspaceContext, count: int) -> None:
    ctx.run("SET", "k", EMPTY, "PX", 9000)
    assert ctx.run("OBJECT", "ENCODING", "k") == b"embstr"
    ctx.run("PFADD", "k", *range(count))
    ctx.run("PFCOUNT", "k")
    ctx.run("PFMERGE", "k", "other")
    assert ctx.run("PEXPIRETIME", "k") == NOW + 9000
    assert ctx.run("OBJECT", "ENCODING", "k") == b"raw"
    assert ctx.run("TYPE", "k") == b"string"
    assert ctx.run("PFDEBUG", "ENCODING", "k") == (b"dense" if count == 5000 else b"sparse")


@pytest.mark.parametrize("value", [b"", b"12", b"HYLL", b"x" * 100, to_dense(EMPTY) + b"x"])
def test_other_strings_are_refused(ctx: KeyspaceContext, value: bytes) -> None:
    ctx.run("SET", "s", value)
    ctx.run("PFADD", "k", "a")
    for request in (
        ["PFADD", "s", "a"], ["PFCOUNT", "s"], ["PFCOUNT", "k", "s"], ["PFMERGE", "s", "k"], ["PFMERGE", "new", "s"],
        ["PFDEBUG", "DECODE", "s"],
    ):  # fmt: skip
        assert ctx.error(*request) == INVALID
    assert ctx.run("GET", "s") == value
    assert ctx.run("EXISTS", "new") == 0


def test_corrupted_runs_are_refused_and_nothing_changes(ctx: KeyspaceContext) -> None:
    value = EMPTY[:16] + b"\x3f"
    ctx.run("SET", "s", value)
    ctx.run("PFADD", "k", "a")
    for request in (
        ["PFADD", "s", *range(300)], ["PFCOUNT", "s"], ["PFCOUNT", "k", "s"], ["PFMERGE", "s"], ["PFMERGE", "k", "s"],
        ["PFDEBUG", "TODENSE", "s"], ["PFDEBUG", "GETREG", "s"],
    ):  # fmt: skip
        assert ctx.error(*request) == CORRUPTED
    assert ctx.run("GET", "s") == value


def test_debug(ctx: KeyspaceContext) -> None:
    ctx.run("PFADD", "k", "a")
    assert ctx.run("PFDEBUG", "decode", "k") == b"Z:12711 v:2,1 Z:3672"
    registers = ctx.run("PFDEBUG", "GETREG", "k")
    assert len(registers) == 16384 and sum(registers) == registers[12711] == 2
    assert ctx.error("PFDEBUG", "DECODE", "k") == "ERR HLL encoding is not sparse"
    assert ctx.error("PFDEBUG", "DECODE", "none") == "ERR The specified key does not exist"
    assert ctx.error("PFDEBUG", "Nosuch", "k") == "ERR Unknown PFDEBUG subcommand 'Nosuch'"
    assert ctx.error("PFDEBUG", "SIMD", "x") == "ERR Argument must be ON or OFF"
    assert ctx.run("PFDEBUG", "SIMD", "off") == b"disabled"
    assert ctx.run("PFDEBUG", "SIMD", "on") in (b"enabled", b"disabled")


def test_self_test(ctx: KeyspaceContext, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ctx.run("PFSELFTEST") == b"OK"
    monkeypatch.setattr(hyperloglog, "self_test", lambda seed, limit: "TESTFAILED so")
    assert ctx.error("PFSELFTEST") == "ERR TESTFAILED so"
