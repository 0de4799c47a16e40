"""The hash commands' handlers: dirty counts, watched keys, and expired fields under a clock that does not move."""

from typing import Any

import pytest

from mtredis.errors import WrongType
from tests.support.keyspace_context import NOW, KeyspaceContext

FUTURE = NOW + 1_000_000


@pytest.fixture
def ctx() -> KeyspaceContext:
    return KeyspaceContext()


def expiring(ctx: KeyspaceContext, *others: str) -> KeyspaceContext:
    """`h` has a field `a` whose time has passed, and the other fields."""
    ctx.run("HSET", "h", "a", 1, *[word for field in others for word in (field, 2)])
    ctx.run("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    ctx.later(11)
    ctx.watches.calls.clear()
    return ctx


@pytest.mark.parametrize(
    ("request_", "dirty", "events"),
    [
        ("HSET h a 1 b 2 a 3", 3, ["hset h"]),
        ("HMSET h a 1", 1, ["hset h"]),
        ("HSETNX h new 1", 1, ["hset h"]),
        ("HSETNX h x 1", 0, []),
        ("HINCRBY h n 1", 1, ["hincrby h"]),
        ("HINCRBYFLOAT h n 1.5", 1, ["hincrbyfloat h"]),
        ("HDEL h x none", 1, ["hdel h"]),
        ("HDEL h x y y", 2, ["hdel h", "del h"]),
        ("HDEL h none", 0, []),
        (f"HPEXPIREAT h {FUTURE} FIELDS 3 x none y", 2, ["hexpire h"]),
        ("HPEXPIREAT h 1 FIELDS 1 x", 1, ["hdel h"]),
        ("HPEXPIREAT h 1 FIELDS 2 x y", 2, ["hdel h", "del h"]),
        ("HPERSIST h FIELDS 1 x", 0, []),
        ("HGETDEL h FIELDS 2 x y", 2, ["hdel h", "del h"]),
        ("HGETEX h FIELDS 1 x", 0, []),
        (f"HGETEX h PXAT {FUTURE} FIELDS 2 x y", 2, ["hexpire h"]),
        ("HGETEX h PXAT 1 FIELDS 2 x y", 2, ["hdel h", "del h"]),
        (f"HSETEX h PXAT {FUTURE} FIELDS 2 a 1 b 2", 2, ["hset h", "hexpire h"]),
        ("HSETEX h PXAT 1 FIELDS 1 a 1", 1, ["hset h", "hdel h"]),
        ("HSETEX none PXAT 1 FIELDS 1 a 1", 1, ["hset none", "hdel none", "del none"]),
        ("HSETEX h FNX FIELDS 1 x 1", 0, []),
        ("HGET h x", 0, []),
        ("HGETALL h", 0, []),
    ],
)
def test_dirty_and_events(ctx: KeyspaceContext, request_: str, dirty: int, events: list[str]) -> None:
    ctx.run("HSET", "h", "x", 1, "y", 2)
    assert ctx.effects(*request_.split()) == (dirty, events)


@pytest.mark.parametrize(
    ("request_", "reply", "events"),
    [
        ("HGET h a", None, ["hexpired h"]),
        ("HMGET h a b", [None, b"2"], ["hexpired h"]),
        ("HEXISTS h a", 0, ["hexpired h"]),
        ("HSTRLEN h a", 0, ["hexpired h"]),
        ("HLEN h", 2, []),
        ("HGETALL h", {b"b": b"2"}, []),
        ("HKEYS h", [b"b"], []),
        ("HSCAN h 0", [b"0", [b"b", b"2"]], []),
        ("HRANDFIELD h 5", [b"b"], ["hexpired h"]),
        ("HSETNX h a 5", 1, ["hexpired h", "hset h"]),
        ("HSET h a 5", 0, ["hset h"]),
        ("HINCRBY h a 5", 5, ["hexpired h", "hincrby h"]),
        ("HDEL h a", 1, ["hdel h"]),
        ("HPTTL h FIELDS 2 a b", [-2, -1], []),
        ("HPERSIST h FIELDS 1 a", [-2], []),
        (f"HPEXPIREAT h {FUTURE} FIELDS 1 a", [1], ["hexpire h"]),
        ("HGETDEL h FIELDS 2 a b", [None, b"2"], ["hexpired h", "hdel h", "del h"]),
        ("HGETEX h FIELDS 2 a b", [None, b"2"], ["hexpired h"]),
        ("HSETEX h FXX FIELDS 1 a 1", 0, ["hexpired h"]),
        ("HSETEX h FNX FIELDS 1 a 1", 1, ["hexpired h", "hset h"]),
    ],
)
@pytest.mark.parametrize("entries", [512, 0])
def test_an_expired_field(ctx: KeyspaceContext, request_: str, reply: Any, events: list[str], entries: int) -> None:
    ctx.server.keyspace.set_limits({"hash_max_listpack_entries": entries})
    expiring(ctx, "b")
    ctx.log = []
    assert ctx.run(*request_.split()) == reply
    assert [f"{event.decode()} {key.decode()}" for event, key, _ in ctx.log] == events
    assert ctx.server.keyspace.expired_fields == ("hexpired h" in events)
    assert (("touched", 0, b"h") in ctx.watches.calls) == ("hexpired h" in events)


@pytest.mark.parametrize(
    "request_", ["HGET h a", "HEXISTS h a", "HRANDFIELD h", "HRANDFIELD h 3 WITHVALUES", "HSTRLEN h a"]
)
def test_the_hash_goes_with_its_last_field(ctx: KeyspaceContext, request_: str) -> None:
    expiring(ctx)
    assert ctx.effects(*request_.split()) == (0, ["hexpired h", "del h"])
    assert ctx.run("EXISTS", "h") == 0


def test_while_expiry_is_paused_expired_fields_are_hidden_but_stay(ctx: KeyspaceContext) -> None:
    expiring(ctx)
    ctx.server.keyspace.expire_paused = True
    for request in ("HGET h a", "HEXISTS h a", "HGETALL h", "HSTRLEN h a"):
        assert not ctx.run(*request.split())
    assert ctx.run("HLEN", "h") == 1 and ctx.server.keyspace.expired_fields == 0


def test_pairs_in_resp3(ctx: KeyspaceContext) -> None:
    ctx.resp = 3
    ctx.run("HSET", "h", "a", 1)
    assert ctx.run("HRANDFIELD", "h", 2, "WITHVALUES") == [[b"a", b"1"]]
    assert ctx.run("HRANDFIELD", "h", -2, "WITHVALUES") == [[b"a", b"1"]] * 2
    assert ctx.run("HGETALL", "h") == {b"a": b"1"}


def test_many_random_fields(ctx: KeyspaceContext) -> None:
    ctx.run("HSET", "h", *[word for i in range(100) for word in (i, i)])
    drawn = ctx.run("HRANDFIELD", "h", -2500)
    assert len(drawn) == 2500 and len(set(drawn)) == 100
    drawn = ctx.run("HRANDFIELD", "h", 60, "WITHVALUES")
    assert len(set(drawn)) == 60 and drawn[::2] == drawn[1::2]


def test_a_refused_write_leaves_no_hash(ctx: KeyspaceContext) -> None:
    for request in ("HSET h a", "HINCRBY h a x", "HINCRBYFLOAT h a x", "HSETEX h FIELDS 2 a 1", "HINCRBYFLOAT h a inf"):
        ctx.error(*(request.split() if request != "HSET h a" else ["HSET", "h", "a", "1", "b"]))
    assert ctx.run("EXISTS", "h") == 0
    ctx.run("SET", "s", "v")
    for request in ("HSET s a 1", "HGET s a", "HINCRBY s a 1", "HGETDEL s FIELDS 1 a", "HSETEX s FIELDS 1 a 1"):
        with pytest.raises(WrongType):
            ctx.run(*request.split())
