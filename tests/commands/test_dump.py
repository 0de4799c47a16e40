"""DUMP and RESTORE, in-process: effects, options, and that a refused RESTORE changes nothing."""

from typing import Any

import pytest

from mtredis.commands import dump as family
from tests.support import rdb
from tests.support.keyspace_context import NOW, KeyspaceContext

STRING = rdb.payload(b"\0" + rdb.string(b"value"))
SET = rdb.payload(b"\2" + rdb.strings(b"1", b"2"))
BAD_FORMAT = "ERR Bad data format"
WRONG = "ERR DUMP payload version or checksum are wrong"
BUSY = "BUSYKEY Target key name already exists."


@pytest.fixture
def ctx() -> KeyspaceContext:
    assert family.__doc__  # its commands are registered
    return KeyspaceContext()


def test_dump(ctx: KeyspaceContext) -> None:
    ctx.server.config.rdbcompression = True
    ctx.run("SET", "k", "value")
    assert ctx.effects("DUMP", "k") == (0, [])
    assert ctx.run("DUMP", "k") == STRING
    assert ctx.run("DUMP", "none") is None
    assert (ctx.keyspace.hits, ctx.keyspace.misses) == (2, 1)
    ctx.run("SET", "k", "x" * 1000)
    assert len(ctx.run("DUMP", "k")) < 50
    ctx.server.config.rdbcompression = False
    assert len(ctx.run("DUMP", "k")) > 1000


def test_restore(ctx: KeyspaceContext) -> None:
    assert ctx.effects("RESTORE", "k", 0, STRING) == (1, ["restore k"])
    assert ctx.run("GET", "k") == b"value" and ctx.run("TTL", "k") == -1
    assert ctx.error("RESTORE", "k", 0, SET) == BUSY
    assert ctx.effects("RESTORE", "k", 5000, SET, "REPLACE") == (1, ["restore k"])
    assert ctx.db.expire_at(b"k") == NOW + 5000 and ctx.db.encoding(b"k") == b"intset"
    assert ctx.effects("RESTORE", "k", NOW + 7, STRING, "absttl", "replace") == (1, ["restore k"])
    assert ctx.db.expire_at(b"k") == NOW + 7


def test_a_time_in_the_past_deletes_the_key(ctx: KeyspaceContext) -> None:
    assert ctx.effects("RESTORE", "k", NOW, STRING, "ABSTTL") == (0, [])
    ctx.run("SET", "k", "v")
    assert ctx.error("RESTORE", "k", NOW, STRING, "ABSTTL") == BUSY
    assert ctx.effects("RESTORE", "k", NOW, STRING, "ABSTTL", "REPLACE") == (1, ["del k"])
    assert ctx.run("EXISTS", "k") == 0


def test_an_expired_key_is_not_in_the_way(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "k", "old", "PX", 10)
    ctx.later(11)
    assert ctx.run("RESTORE", "k", 0, STRING) == b"OK" and ctx.run("GET", "k") == b"value"


def test_usage(ctx: KeyspaceContext) -> None:
    ctx.run("RESTORE", "k", 0, STRING, "IDLETIME", 100)
    assert ctx.db.idle_seconds(b"k") == 100
    ctx.run("RESTORE", "k", 0, SET, "REPLACE", "FREQ", 100)
    assert ctx.db.idle_seconds(b"k") == 0
    ctx.keyspace.lfu = True
    ctx.run("RESTORE", "k", 0, SET, "REPLACE", "FREQ", 100)
    assert ctx.db.frequency(b"k") == 100


def test_a_replaced_key_counts_as_new(ctx: KeyspaceContext) -> None:
    created: list[tuple[int, bytes]] = []
    ctx.keyspace.on_created = lambda index, key: created.append((index, key))
    ctx.run("RESTORE", "k", 0, STRING)
    ctx.run("RESTORE", "k", 0, SET, "REPLACE")
    assert created == [(0, b"k"), (0, b"k")]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((0, STRING, "BOGUS"), "ERR syntax error"),
        ((0, STRING, "FREQ"), "ERR syntax error"),
        ((0, STRING, "FREQ", 1, "IDLETIME", 1), "ERR syntax error"),
        ((0, STRING, "FREQ", 256), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ((0, STRING, "IDLETIME", -1), "ERR Invalid IDLETIME value, must be >= 0"),
        (("x", STRING), "ERR value is not an integer or out of range"),
        ((-1, STRING), "ERR Invalid TTL value, must be >= 0"),
        ((0, STRING + b"x"), WRONG),
        ((0, b""), WRONG),
        ((0, rdb.payload(b"\0")), BAD_FORMAT),
        ((0, rdb.payload(b"\2\0")), BAD_FORMAT),
        ((0, rdb.payload(b"\7\0")), BAD_FORMAT),
        ((0, rdb.payload(rdb.body(STRING) + b"more")), BAD_FORMAT),
    ],
)
def test_refusals_change_nothing(ctx: KeyspaceContext, words: tuple[Any, ...], text: str) -> None:
    ctx.run("SET", "k", "before")
    assert ctx.error("RESTORE", "none", *words) == text
    assert ctx.error("RESTORE", "k", *words[:2], "REPLACE", *words[2:]) == text
    assert ctx.run("GET", "k") == b"before" and ctx.run("DBSIZE") == 1
