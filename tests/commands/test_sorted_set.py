"""The sorted set family in-process: replies, errors, events, dirty counts, waiting."""

from typing import Any

import pytest
from mtredis.keyspace.types.sorted_set import SortedSet

from mtredis.commands.sorted_set import algebra, ends, members, ranges
from mtredis.errors import CommandError
from tests.support.fake_context import Blocked
from tests.support.keyspace_context import KeyspaceContext

FAMILY = (algebra, ends, members, ranges)   # importing them registers their commands
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
INF = float("inf")


@pytest.fixture
def ctx() -> KeyspaceContext:
    ctx = KeyspaceContext()
    ctx.run("ZADD", "k", 1, "a", 2, "b", 3, "c")
    return ctx


def refused(ctx: KeyspaceContext, *argv: bytes | str | int) -> str:
    with pytest.raises(CommandError) as error:
        ctx.run(*argv)
    return str(error.value)


@pytest.mark.parametrize(
    ("request_", "reply", "dirty", "events"),
    [
        ("ZADD k 4 d", 1, 1, ["zadd k"]),
        ("ZADD k 1 a", 0, 0, []),
        ("ZADD k 5 a", 0, 1, ["zadd k"]),
        ("ZADD k CH 5 a 6 x 2 b", 2, 2, ["zadd k"]),
        ("ZADD k NX 5 a 6 x", 1, 1, ["zadd k"]),
        ("ZADD k XX CH 5 a 6 x", 1, 1, ["zadd k"]),
        ("ZADD k GT CH 0 a 9 b", 1, 1, ["zadd k"]),
        ("ZADD k LT CH 0 a 9 b", 1, 1, ["zadd k"]),
        ("ZADD k INCR 5 a", 6.0, 1, ["zincr k"]),
        ("ZADD k INCR 0 a", 1.0, 0, []),
        ("ZADD k NX INCR 5 a", None, 0, []),
        ("ZADD k GT INCR -5 a", None, 0, []),
        ("ZADD none XX 1 a", 0, 0, []),
        ("ZADD none XX INCR 1 a", None, 0, []),
        ("ZINCRBY k 1.5 a", 2.5, 1, ["zincr k"]),
        ("ZINCRBY new inf a", INF, 1, ["zincr new"]),
        ("ZREM k a x b", 2, 2, ["zrem k"]),
        ("ZREM k c b a", 3, 3, ["zrem k", "del k"]),
        ("ZREM k x", 0, 0, []),
        ("ZREM none x", 0, 0, []),
        ("ZPOPMIN k", [b"a", 1.0], 1, ["zpopmin k"]),
        ("ZPOPMAX k 2", [b"c", 3.0, b"b", 2.0], 2, ["zpopmax k"]),
        ("ZPOPMAX k 20", [b"c", 3.0, b"b", 2.0, b"a", 1.0], 3, ["zpopmax k", "del k"]),
        ("ZPOPMIN k 0", [], 0, []),
        ("ZMPOP 2 none k MIN COUNT 2", [b"k", [[b"a", 1.0], [b"b", 2.0]]], 2, ["zpopmin k"]),
        ("ZMPOP 1 none MAX", None, 0, []),
        ("BZPOPMAX none k 0", [b"k", b"c", 3.0], 1, ["zpopmax k"]),
        ("BZMPOP 0 1 k MAX COUNT 9", [b"k", [[b"c", 3.0], [b"b", 2.0], [b"a", 1.0]]], 3, ["zpopmax k", "del k"]),
        ("ZREMRANGEBYRANK k 1 -1", 2, 2, ["zremrangebyrank k"]),
        ("ZREMRANGEBYRANK k 5 6", 0, 0, []),
        ("ZREMRANGEBYSCORE k -inf inf", 3, 3, ["zremrangebyscore k", "del k"]),
        ("ZREMRANGEBYLEX k - [a", 1, 1, ["zremrangebylex k"]),
        ("ZUNIONSTORE d 2 k k", 3, 1, ["zunionstore d"]),
        ("ZINTERSTORE d 2 k none", 0, 0, []),
        ("ZINTERSTORE k 2 k none", 0, 1, ["del k"]),
        ("ZDIFFSTORE d 1 k", 3, 1, ["zdiffstore d"]),
        ("ZRANGESTORE d k 0 1", 2, 1, ["zrangestore d"]),
        ("ZRANGESTORE k k 5 6", 0, 1, ["del k"]),
    ],
)
def test_changes(ctx: KeyspaceContext, request_: str, reply: Any, dirty: int, events: list[str]) -> None:
    other = KeyspaceContext()
    other.run("ZADD", "k", 1, "a", 2, "b", 3, "c")
    assert other.run(*request_.split()) == reply
    assert ctx.effects(*request_.split()) == (dirty, events)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("ZCARD k", 3),
        ("ZSCORE k b", 2.0),
        ("ZSCORE k x", None),
        ("ZMSCORE k a x c", [1.0, None, 3.0]),
        ("ZRANK k c", 2),
        ("ZREVRANK k c WITHSCORE", [0, 3.0]),
        ("ZRANGE k 0 -1 WITHSCORES", [b"a", 1.0, b"b", 2.0, b"c", 3.0]),
        ("ZRANGE k (1 3 BYSCORE LIMIT 1 5", [b"c"]),
        ("ZRANGE k 3 (1 BYSCORE REV", [b"c", b"b"]),
        ("ZRANGE k - [b BYLEX", [b"a", b"b"]),
        ("ZREVRANGE k 0 0", [b"c"]),
        ("ZCOUNT k (1 +inf", 2),
        ("ZLEXCOUNT k [b +", 2),
        ("ZUNION 2 k k WEIGHTS 1 10 WITHSCORES", [b"a", 11.0, b"b", 22.0, b"c", 33.0]),
        ("ZINTER 2 k k AGGREGATE MIN WITHSCORES", [b"a", 1.0, b"b", 2.0, b"c", 3.0]),
        ("ZDIFF 2 k none", [b"a", b"b", b"c"]),
        ("ZINTERCARD 2 k k LIMIT 2", 2),
        ("ZRANDMEMBER k 0", []),
        ("ZSCAN k 0 MATCH [ab]", [b"0", [b"a", b"1", b"b", b"2"]]),
    ],
)
def test_reading(ctx: KeyspaceContext, request_: str, reply: Any) -> None:
    assert ctx.run(*request_.split()) == reply
    assert ctx.effects(*request_.split()) == (0, [])


def test_pairs_are_nested_in_resp3() -> None:
    ctx = KeyspaceContext()
    ctx.run("ZADD", "k", 1, "a", 2, "b")
    ctx.resp = 3
    assert ctx.run("ZRANGE", "k", 0, -1, "WITHSCORES") == [[b"a", 1.0], [b"b", 2.0]]
    assert ctx.run("ZUNION", 1, "k", "WITHSCORES") == [[b"a", 1.0], [b"b", 2.0]]
    assert sorted(ctx.run("ZRANDMEMBER", "k", 5, "WITHSCORES")) == [[b"a", 1.0], [b"b", 2.0]]
    assert ctx.run("ZPOPMIN", "k", 1) == [[b"a", 1.0]]
    assert ctx.run("ZPOPMIN", "k") == [b"b", 2.0]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("ZADD k x a", "ERR value is not a valid float"),
        ("ZADD k 1 d x a", "ERR value is not a valid float"),
        ("ZADD k NX XX 1 a", "ERR XX and NX options at the same time are not compatible"),
        ("ZADD k GT LT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD k INCR 1 a 2 b", "ERR INCR option supports a single increment-element pair"),
        ("ZADD s 1 a", WRONG_TYPE),
        ("ZADD new NX 1", "ERR syntax error"),
        ("ZRANGEBYSCORE k a 1", "ERR min or max is not a float"),
        ("ZRANGEBYLEX k a +", "ERR min or max not valid string range item"),
        ("ZRANGE k 0 1 LIMIT 0 1",
         "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"),
        ("ZRANGE k - + BYLEX WITHSCORES", "ERR syntax error, WITHSCORES not supported in combination with BYLEX"),
        ("ZUNIONSTORE k 0 k", "ERR at least 1 input key is needed for 'zunionstore' command"),
        ("ZUNIONSTORE k 2 k s WEIGHTS 1 x", WRONG_TYPE),
        ("ZUNIONSTORE k 1 k WEIGHTS x", "ERR weight value is not a float"),
        ("ZINTERCARD 1 k LIMIT -1", "ERR LIMIT can't be negative"),
        ("ZPOPMIN k -1", "ERR value is out of range, must be positive"),
        ("ZMPOP 0 k MIN", "ERR numkeys should be greater than 0"),
        ("ZMPOP 1 k MIN COUNT 0", "ERR count should be greater than 0"),
        ("BZPOPMIN k x", "ERR timeout is not a float or out of range"),
        ("BZPOPMIN none s 0", WRONG_TYPE),
        ("ZRANK k a WITHSCORE x", "ERR wrong number of arguments for 'zrank' command"),
    ],
)  # fmt: skip
def test_refusals_change_nothing(ctx: KeyspaceContext, request_: str, error: str) -> None:
    ctx.run("SET", "s", "v")
    assert refused(ctx, *request_.split()) == error
    assert ctx.run("ZRANGE", "k", 0, -1, "WITHSCORES") == [b"a", 1.0, b"b", 2.0, b"c", 3.0]
    assert not ctx.db.exists(b"new")


def test_a_sum_that_is_no_number(ctx: KeyspaceContext) -> None:
    ctx.run("ZADD", "k", "inf", "a")
    assert refused(ctx, "ZINCRBY", "k", "-inf", "a") == "ERR resulting score is not a number (NaN)"
    assert ctx.effects("ZSCORE", "k", "a") == (0, [])
    assert ctx.run("ZSCORE", "k", "a") == INF


def test_infinities_cancel_out_in_a_union(ctx: KeyspaceContext) -> None:
    ctx.run("ZADD", "p", "inf", "a")
    ctx.run("ZADD", "n", "-inf", "a")
    assert ctx.run("ZUNION", 2, "p", "n", "WITHSCORES") == [b"a", 0.0]
    assert ctx.run("ZINTER", 2, "p", "n", "WEIGHTS", 0, 1, "WITHSCORES") == [b"a", -INF]


def test_waiting(ctx: KeyspaceContext) -> None:
    assert ctx.run("BZPOPMIN", "x", "y", "1.5") == Blocked([b"x", b"y"], 1500, "null_array")
    ctx.db.create(b"y", SortedSet).add(b"m", 2.5)
    assert ctx.rerun() == [b"y", b"m", 2.5]
    assert ctx.run("BZMPOP", 0, 2, "x", "y", "MAX") == Blocked([b"x", b"y"], 0, "null_array")
    ctx.may_block = False
    assert ctx.run("BZPOPMAX", "x", 0) is None
    assert ctx.run("BZMPOP", 0, 1, "x", "MIN") is None


@pytest.mark.parametrize("kind", ["listpack", "skiplist"])
def test_the_destination_may_be_a_source(ctx: KeyspaceContext, kind: str) -> None:
    ctx.keyspace.set_limits({"zset_max_listpack_entries": 128 if kind == "listpack" else 0})
    ctx.run("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert ctx.run("ZUNIONSTORE", "z", 2, "z", "z") == 3
    assert ctx.run("ZRANGE", "z", 0, -1, "WITHSCORES") == [b"a", 2.0, b"b", 4.0, b"c", 6.0]
    assert ctx.run("ZRANGESTORE", "z", "z", 1, 2) == 2
    assert ctx.run("ZDIFFSTORE", "z", 1, "z") == 2
    assert ctx.db.encoding(b"z") == kind.encode()


def test_a_difference_is_the_same_either_way(ctx: KeyspaceContext) -> None:
    """Few members in a big first set: the others are walked; many: they are asked."""
    ctx.run("ZADD", "big", *[word for at in range(300) for word in (at, f"m{at}")])
    ctx.run("ZADD", "one", 5, "m7")
    ctx.run("ZADD", "two", 5, "m8")
    ctx.run("ZADD", "three", 5, "m9")
    left = ctx.run("ZDIFF", 4, "big", "one", "two", "three")
    assert left == [b"m%d" % at for at in range(300) if at not in (7, 8, 9)]
    assert ctx.run("ZDIFF", 2, "one", "big") == []
    assert ctx.run("ZDIFF", 2, "one", "two") == [b"m7"]
