"""The set family in-process: replies and their kinds, errors, events and dirty counts."""

from collections import Counter

import pytest
from mtredis.keyspace.database import Keyspace

from mtredis.executor import sampling
from tests.support.keyspace_context import NOW, KeyspaceContext

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"


@pytest.fixture
def ctx() -> KeyspaceContext:
    return KeyspaceContext()


def test_add_remove_and_ask(ctx: KeyspaceContext) -> None:
    assert ctx.run("SADD", "k", "a", "b", "a", 1) == 3
    assert ctx.run("SADD", "k", "a") == 0
    assert sorted(ctx.run("SMEMBERS", "k")) == [b"1", b"a", b"b"]
    assert [ctx.run("SISMEMBER", "k", member) for member in ("a", "z")] == [1, 0]
    assert ctx.run("SMISMEMBER", "k", "z", 1, "a", "01") == [0, 1, 1, 0]
    assert ctx.run("SMISMEMBER", "none", "a", "b") == [0, 0]
    assert ctx.run("SREM", "k", "a", "z", "a") == 1
    assert (ctx.run("SCARD", "k"), ctx.run("SCARD", "none")) == (2, 0)
    assert ctx.run("SREM", "k", 1, "b", "z") == 2
    assert ctx.run("EXISTS", "k") == 0
    assert ctx.run("SMEMBERS", "k") == []


@pytest.mark.parametrize("request_", [
    "SMEMBERS k", "SINTER k", "SINTER k l", "SUNION k none", "SUNION k l", "SDIFF k", "SDIFF none", "SPOP k 0",
    "SPOP none 3", "SPOP k 100", "SPOP l 1",
])  # fmt: skip
def test_replies_that_are_sets(ctx: KeyspaceContext, request_: str) -> None:
    ctx.run("SADD", "k", "a", "b")
    ctx.run("SADD", "l", "a", "c")
    ctx.run(*request_.split())
    assert ctx.reply.calls[0][0] == "set"


@pytest.mark.parametrize("request_", ["SRANDMEMBER k 2", "SRANDMEMBER k -2", "SRANDMEMBER none 2", "SRANDMEMBER k 0"])
def test_replies_that_may_hold_a_member_twice_are_arrays(ctx: KeyspaceContext, request_: str) -> None:
    ctx.run("SADD", "k", "a", "b")
    ctx.run(*request_.split())
    assert ctx.reply.calls[0][0] == "array"


@pytest.mark.parametrize("request_", [
    "SADD s a", "SREM s a", "SISMEMBER s a", "SMISMEMBER s a", "SCARD s", "SMEMBERS s", "SSCAN s 0", "SPOP s",
    "SPOP s 1", "SRANDMEMBER s", "SRANDMEMBER s 1", "SINTER k s", "SINTER none s", "SINTERSTORE d k s",
    "SINTERCARD 2 none s", "SUNION k s", "SUNIONSTORE d s", "SDIFF none s", "SDIFF k k s", "SDIFFSTORE d k s",
    "SMOVE s k a", "SMOVE k s a", "SMOVE k s none",
])  # fmt: skip
def test_wrong_types(ctx: KeyspaceContext, request_: str) -> None:
    ctx.run("SET", "s", "text")
    ctx.run("SADD", "k", "a")
    assert ctx.error(*request_.split()) == WRONG_TYPE
    assert (ctx.run("GET", "s"), ctx.run("SMEMBERS", "k"), ctx.run("EXISTS", "d")) == (b"text", [b"a"], 0)


@pytest.mark.parametrize(("request_", "message"), [
    ("SPOP k 1 2", "ERR syntax error"),
    ("SPOP k -1", "ERR value is out of range, must be positive"),
    ("SPOP k x", "ERR value is out of range, must be positive"),
    ("SRANDMEMBER k 1 2", "ERR syntax error"),
    ("SRANDMEMBER k x", NOT_INTEGER),
    (f"SRANDMEMBER k {-2**63}",
     "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"),
    ("SINTERCARD 0 k", "ERR numkeys should be greater than 0"),
    ("SINTERCARD x k", "ERR numkeys should be greater than 0"),
    ("SINTERCARD 2 k", "ERR Number of keys can't be greater than number of args"),
    ("SINTERCARD 1 k LIMIT", "ERR syntax error"),
    ("SINTERCARD 1 k k", "ERR syntax error"),
    ("SINTERCARD 1 k LIMIT -1", "ERR LIMIT can't be negative"),
    ("SINTERCARD 1 k LIMIT x", "ERR LIMIT can't be negative"),
    ("SSCAN k x", "ERR invalid cursor"),
    ("SSCAN none x", "ERR invalid cursor"),
    ("SSCAN k 0 COUNT 0", "ERR syntax error"),
    ("SSCAN k 0 NOVALUES", "ERR NOVALUES option can only be used in HSCAN"),
])  # fmt: skip
def test_errors(ctx: KeyspaceContext, request_: str, message: str) -> None:
    ctx.run("SADD", "k", "a")
    assert ctx.error(*request_.split()) == message
    assert ctx.run("SMEMBERS", "k") == [b"a"]


def test_a_bad_count_is_reported_before_a_wrong_type(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "s", "text")
    assert ctx.error("SPOP", "s", -1) == "ERR value is out of range, must be positive"
    assert ctx.error("SRANDMEMBER", "s", "x") == NOT_INTEGER
    assert ctx.error("SSCAN", "s", 0, "BOGUS") == WRONG_TYPE


def test_effects(ctx: KeyspaceContext) -> None:
    assert ctx.effects("SADD", "k", "a", "b", "c", "a") == (3, ["sadd k"])
    assert ctx.effects("SADD", "k", "a") == (0, [])
    assert ctx.effects("SREM", "k", "z") == (0, [])
    assert ctx.effects("SREM", "k", "a", "z") == (1, ["srem k"])
    assert ctx.effects("SREM", "k", "b", "c") == (2, ["srem k", "del k"])
    ctx.run("SADD", "k", "a", "b")
    assert ctx.effects("SMOVE", "k", "l", "a") == (2, ["srem k", "sadd l"])
    assert ctx.effects("SMOVE", "k", "l", "z") == (0, [])
    ctx.run("SADD", "l", "b")
    assert ctx.effects("SMOVE", "l", "l", "b") == (0, [])
    assert ctx.effects("SMOVE", "k", "l", "b") == (1, ["srem k", "del k"])
    assert ctx.effects("SPOP", "l", 0) == (0, [])
    assert ctx.effects("SPOP", "l") == (1, ["spop l"])
    assert ctx.effects("SPOP", "l") == (1, ["spop l", "del l"])
    assert ctx.effects("SPOP", "l") == (0, [])
    ctx.run("SADD", "k", "a", "b", "c")
    assert ctx.effects("SPOP", "k", 2) == (2, ["spop k"])
    assert ctx.effects("SPOP", "k", 5) == (1, ["spop k", "del k"])


def test_effects_of_stores(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "a", 1, 2)
    ctx.run("SADD", "b", 2, 3)
    for name in ("sinterstore", "sunionstore", "sdiffstore"):
        assert ctx.effects(name, "d", "a", "b") == (1, [f"{name} d"])
        assert ctx.effects(name, "d", "none") == (1, ["del d"])
        assert ctx.effects(name, "d", "none", "nope") == (0, [])


def test_stores_replace_whatever_there_is(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "a", 1, 2)
    for name in ("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"):
        ctx.run("SET", "d", "text", "EX", 100)
        assert ctx.run(name, "d", "a") == 2
        assert (ctx.run("TYPE", "d"), ctx.run("TTL", "d")) == (b"set", -1)
        ctx.run("SET", "d", "text")
        assert ctx.run(name, "d", "none") == 0
        assert ctx.run("EXISTS", "d") == 0
        assert ctx.run(name, "a", "a", "none" if name != "SINTERSTORE" else "a") == 2


def test_move_lets_an_expired_target_go_even_without_a_source(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "k", "a")
    ctx.run("PEXPIREAT", "k", NOW + 5)
    ctx.later(6)
    assert ctx.run("SMOVE", "none", "k", "a") == 0
    assert len(ctx.db) == 0


def test_pop_returns_what_is_gone(ctx: KeyspaceContext) -> None:
    members = {b"m%d" % number for number in range(400)}
    for count in (1, 10, 200, 330, 399):
        ctx.run("SADD", "k", *members)
        ctx.run("PEXPIREAT", "k", NOW + 1000)
        popped = ctx.run("SPOP", "k", count)
        assert len(popped) == len(set(popped)) == count
        assert set(ctx.run("SMEMBERS", "k")) == members - set(popped)
        assert ctx.run("PEXPIRETIME", "k") == NOW + 1000
        ctx.run("DEL", "k")


def test_a_big_pop_leaves_what_is_left_in_the_encoding_that_suits_it(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "k", *[f"m{number}" for number in range(1000)])
    ctx.run("SPOP", "k", 100)
    assert ctx.run("OBJECT", "ENCODING", "k") == b"hashtable"
    ctx.run("SPOP", "k", 800)
    assert ctx.run("OBJECT", "ENCODING", "k") == b"listpack"


def test_nobody_is_favoured(ctx: KeyspaceContext) -> None:
    ctx.server.keyspace = Keyspace(1, b"0123456789abcdef", 1)
    ctx.db, ctx.keyspace = ctx.server.keyspace[0], ctx.server.keyspace
    for crowd in (range(20), [f"m{number}" for number in range(20)], ["x" * 70, *range(19)]):
        ctx.run("DEL", "k")
        ctx.run("SADD", "k", *crowd)
        for request in (("SPOP", "k", 3), ("SPOP", "k", 17), ("SRANDMEMBER", "k", 3), ("SRANDMEMBER", "k", -30)):
            counts = Counter[bytes]()
            for _ in range(400):
                drawn = ctx.run(*request)
                counts.update(drawn)
                ctx.run("SADD", "k", *drawn)
            expected = counts.total() / 20
            # 19 degrees of freedom: six standard deviations above the mean
            assert sum((count - expected) ** 2 / expected for count in counts.values()) < 19 + 6 * 38**0.5, request


def test_draws_with_repetition(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "k", "a", "b")
    drawn = ctx.run("SRANDMEMBER", "k", -2500)
    assert len(drawn) == 2500
    assert set(drawn) == {b"a", b"b"}
    assert ctx.run("SRANDMEMBER", "k", 1) in ([b"a"], [b"b"])
    assert ctx.run("SRANDMEMBER", "k") in (b"a", b"b")
    assert (ctx.run("SRANDMEMBER", "none"), ctx.run("SRANDMEMBER", "none", -(2**63) + 1)) == (None, [])


def test_a_reply_without_end_is_refused(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "k", "")
    ctx.limit_strings(6_000)
    assert ctx.error("SRANDMEMBER", "k", -1001) == "ERR value is out of range"
    assert ctx.error("SRANDMEMBER", "k", -(2**63) + 1) == "ERR value is out of range"
    assert ctx.run("SRANDMEMBER", "k", -1000) == [b""] * 1000


def test_a_client_whose_reply_outgrows_its_limits_is_closed_in_its_midst(ctx: KeyspaceContext) -> None:
    killed: list[bool] = []
    ctx.client.kill = lambda: killed.append(True)
    assert list(sampling.slices(ctx, 2500)) == [1000, 1000, 500]
    assert killed == []
    ctx.client.is_over_output_limit = True
    assert list(sampling.slices(ctx, 2500)) == [1000]
    assert killed == [True]
    ctx.client.is_over_output_limit = False
    taken = []
    for size in sampling.slices(ctx, 2500):
        taken.append(size)
        ctx.client.output_length += (1 << 20) // 2 + 1
    assert taken == [1000, 1000]
    assert killed == [True, True]


def test_scan(ctx: KeyspaceContext) -> None:
    ctx.run("SADD", "k", *[f"m{number}" for number in range(2000)])
    found: list[bytes] = []
    cursor: bytes | int = 0
    while found == [] or cursor != b"0":
        cursor, page = ctx.run("SSCAN", "k", cursor, "COUNT", 50, "MATCH", "m1*")
        found += page
    assert set(found) == {b"m%d" % number for number in range(2000) if str(number).startswith("1")}
    assert ctx.run("SSCAN", "none", 17, "BOGUS") == [b"0", []]


def test_the_events_of_a_new_key_come_first(ctx: KeyspaceContext) -> None:
    created: list[bytes] = []
    ctx.keyspace.on_created = lambda index, key: created.append(key)
    ctx.run("SADD", "k", "a")
    ctx.run("SADD", "k", "b")
    ctx.run("SMOVE", "k", "l", "a")
    ctx.run("SUNIONSTORE", "d", "k", "l")
    ctx.run("SUNIONSTORE", "d", "k", "l")
    ctx.run("SPOP", "d", 1)
    assert created == [b"k", b"l", b"d"]
