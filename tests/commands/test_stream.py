"""The stream family in-process: what is counted and said, generated ids, idle times, and waiting."""

from typing import Any

import pytest

from mtredis.commands.stream import entries, groups, info
from mtredis.errors import CommandError
from tests.support.fake_context import Blocked
from tests.support.keyspace_context import NOW, KeyspaceContext

FAMILY = (entries, groups, info)  # importing them registers their commands


@pytest.fixture
def ctx() -> KeyspaceContext:
    context = KeyspaceContext()
    for number in ("1-1", "2-1", "3-1"):
        context.run("XADD", "s", number, "f", number)
    context.run("XGROUP", "CREATE", "s", "g", "0")
    context.run("XREADGROUP", "GROUP", "g", "alice", "COUNT", 2, "STREAMS", "s", ">")
    return context


@pytest.mark.parametrize(
    ("request_", "dirty", "events"),
    [
        ("XADD s 9-1 f v", 1, ["xadd s"]),
        ("XADD new * f v", 1, ["xadd new"]),
        ("XADD new NOMKSTREAM * f v", 0, []),
        ("XADD s MAXLEN 2 9-1 f v", 1, ["xadd s", "xtrim s"]),
        ("XADD s MAXLEN 9 9-1 f v", 1, ["xadd s"]),
        ("XTRIM s MINID 3", 2, ["xtrim s"]),
        ("XTRIM s MAXLEN 3", 0, []),
        ("XDEL s 1-1 1-1 2-1 7-7", 2, ["xdel s"]),
        ("XDEL s 7-7", 0, []),
        ("XSETID s 5-5", 1, ["xsetid s"]),
        ("XGROUP CREATE s h $", 1, ["xgroup-create s"]),
        ("XGROUP CREATE new h $ MKSTREAM", 1, ["xgroup-create new"]),
        ("XGROUP SETID s g 0", 1, ["xgroup-setid s"]),
        ("XGROUP CREATECONSUMER s g bob", 1, ["xgroup-createconsumer s"]),
        ("XGROUP CREATECONSUMER s g alice", 0, []),
        ("XGROUP DELCONSUMER s g alice", 1, ["xgroup-delconsumer s"]),
        ("XGROUP DELCONSUMER s g bob", 0, []),
        ("XGROUP DESTROY s g", 1, ["xgroup-destroy s"]),
        ("XGROUP DESTROY s h", 0, []),
        ("XREADGROUP GROUP g alice STREAMS s >", 1, []),
        ("XREADGROUP GROUP g alice STREAMS s 0", 0, []),
        ("XREADGROUP GROUP g bob STREAMS s >", 2, ["xgroup-createconsumer s"]),
        ("XREADGROUP GROUP g alice NOACK STREAMS s >", 1, []),
        ("XACK s g 1-1 2-1 3-1", 2, []),
        ("XCLAIM s g bob 0 1-1 2-1", 3, ["xgroup-createconsumer s"]),
        ("XCLAIM s g alice 0 9-9 LASTID 9-9", 1, []),
        ("XCLAIM s g alice 0 1-1 LASTID 9-9", 1, []),
        ("XAUTOCLAIM s g alice 0 0", 2, []),
        ("XRANGE s - +", 0, []),
        ("XREAD STREAMS s 0", 0, []),
        ("XPENDING s g", 0, []),
        ("XINFO STREAM s FULL", 0, []),
    ],
)
def test_effects(ctx: KeyspaceContext, request_: str, dirty: int, events: list[str]) -> None:
    assert ctx.effects(*request_.split()) == (dirty, events)


@pytest.mark.parametrize(
    "request_",
    [
        "XADD s 3-1 f v", "XADD new 0-0 f v", "XADD s 9-1 f", "XADD s x f v", "XTRIM s MAXLEN x", "XTRIM s LIMIT 5",
        "XDEL s 1-1 x", "XSETID s 1-1", "XSETID new 1-1", "XGROUP CREATE s g 0", "XGROUP CREATE new g 0",
        "XGROUP CREATE new g x MKSTREAM", "XGROUP SETID s g x", "XREADGROUP GROUP g bob STREAMS s x",
        "XREADGROUP GROUP g bob STREAMS s none > >", "XACK s g 1-1 x", "XCLAIM s g bob x 1-1",
        "XCLAIM s g bob 0 1-1 BOGUS", "XAUTOCLAIM s g bob 0 0 COUNT 0", "XRANGE s x +", "XREAD STREAMS s",
    ],
)  # fmt: skip
def test_a_refused_request_changes_nothing(ctx: KeyspaceContext, request_: str) -> None:
    before = ctx.run("XINFO", "STREAM", "s", "FULL")
    ctx.error(*request_.split())
    assert not ctx.db.exists(b"new")
    assert ctx.run("XINFO", "STREAM", "s", "FULL") == before


def test_generated_ids(ctx: KeyspaceContext) -> None:
    assert ctx.run("XADD", "new", "*", "f", "v") == b"%d-0" % NOW
    assert ctx.run("XADD", "new", "*", "f", "v") == b"%d-1" % NOW
    ctx.later(5)
    assert ctx.run("XADD", "new", "*", "f", "v") == b"%d-0" % (NOW + 5)
    assert ctx.run("XADD", "new", f"{NOW + 5}-*", "f", "v") == b"%d-1" % (NOW + 5)


def test_idle_times(ctx: KeyspaceContext) -> None:
    ctx.later(70)
    assert ctx.run("XPENDING", "s", "g", "-", "+", 10) == [[b"1-1", b"alice", 70, 1], [b"2-1", b"alice", 70, 1]]
    assert ctx.run("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">") == [[b"s", [[b"3-1", [b"f", b"3-1"]]]]]
    ctx.later(30)
    assert ctx.run("XPENDING", "s", "g", "IDLE", 31, "-", "+", 10) == [
        [b"1-1", b"alice", 100, 1], [b"2-1", b"alice", 100, 1]
    ]  # fmt: skip
    assert ctx.run("XCLAIM", "s", "g", "bob", 101, "1-1", "JUSTID") == []
    assert ctx.run("XCLAIM", "s", "g", "bob", 100, "1-1", "JUSTID", "IDLE", 7) == [b"1-1"]
    assert ctx.run("XAUTOCLAIM", "s", "g", "carol", 31, "0", "JUSTID") == [b"0-0", [b"2-1"], []]
    assert ctx.run("XPENDING", "s", "g", "-", "+", 10) == [
        [b"1-1", b"bob", 7, 1], [b"2-1", b"carol", 0, 1], [b"3-1", b"bob", 30, 1]
    ]  # fmt: skip
    rows = ctx.run("XINFO", "CONSUMERS", "s", "g")
    assert [(row[b"name"], row[b"idle"], row[b"inactive"]) for row in rows] == [
        (b"alice", 100, 100), (b"bob", 0, 0), (b"carol", 0, 0)
    ]  # fmt: skip
    ctx.run("XGROUP", "CREATECONSUMER", "s", "g", "dave")
    ctx.later(5)
    assert ctx.run("XINFO", "CONSUMERS", "s", "g")[-1] == {
        b"name": b"dave", b"pending": 0, b"idle": 5, b"inactive": -1
    }  # fmt: skip


def test_full_info_shows_moments(ctx: KeyspaceContext) -> None:
    group = ctx.run("XINFO", "STREAM", "s", "FULL")[b"groups"][0]
    assert group[b"pending"] == [[b"1-1", b"alice", NOW, 1], [b"2-1", b"alice", NOW, 1]]
    assert group[b"consumers"] == [
        {b"name": b"alice", b"seen-time": NOW, b"active-time": NOW, b"pel-count": 2,
         b"pending": [[b"1-1", NOW, 1], [b"2-1", NOW, 1]]}
    ]  # fmt: skip


def test_info_full_shows_ten_of_each_unless_told(ctx: KeyspaceContext) -> None:
    for number in range(10, 30):
        ctx.run("XADD", "s", f"{number}-1", "f", "v")
    ctx.run("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">")
    for options, count in (((), 10), (("COUNT", 0), 23), (("COUNT", 3), 3), (("COUNT", -1), 10)):
        full = ctx.run("XINFO", "STREAM", "s", "FULL", *options)
        consumer = full[b"groups"][0][b"consumers"][0]
        assert [len(rows) for rows in (full[b"entries"], full[b"groups"][0][b"pending"], consumer[b"pending"])] == [
            count
        ] * 3
        assert consumer[b"pel-count"] == 23


def test_a_reader_waits_from_the_end_that_it_saw(ctx: KeyspaceContext) -> None:
    waiting = ctx.run("XREAD", "BLOCK", 100, "STREAMS", "s", "none", "$", "$")
    assert waiting == Blocked([b"s", b"none"], 100, "null_array")
    assert ctx.argv[-2:] == [b"3-1", b"0-0"]
    assert isinstance(ctx.rerun(), Blocked)
    ctx.db.write(b"s", entries.Stream).add([b"f", b"v"], 0, 9 << 64)
    assert ctx.rerun() == [[b"s", [[b"9-0", [b"f", b"v"]]]]]


def test_a_reader_waits_for_the_last_entry(ctx: KeyspaceContext) -> None:
    assert isinstance(ctx.run("XREAD", "BLOCK", 0, "STREAMS", "none", "+"), Blocked)
    assert ctx.argv[-1] == b"+"


def test_a_group_waits_for_what_is_new_and_hears_of_its_end(ctx: KeyspaceContext) -> None:
    ctx.run("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">")
    waiting = ctx.run("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "s", ">")
    assert waiting == Blocked([b"s"], 0, "null_array", True)
    ctx.db.write(b"s", entries.Stream).add([b"f", b"v"], 0, 9 << 64)
    assert ctx.rerun() == [[b"s", [[b"9-0", [b"f", b"v"]]]]]
    ctx.run("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "s", ">")
    ctx.db.delete(b"s")
    with pytest.raises(CommandError, match="^NOGROUP No such key 's' or consumer group 'g' in XREADGROUP"):
        ctx.rerun()


def test_nobody_waits_inside_a_transaction(ctx: KeyspaceContext) -> None:
    ctx.may_block = False
    ctx.run("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">")
    for request in ("XREAD BLOCK 0 STREAMS s $", "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >"):
        assert ctx.run(*request.split()) is None
        assert ctx.reply.calls == [("null_array",)]


@pytest.mark.parametrize(("resp", "wrap"), [(2, lambda pair: [list(pair)]), (3, lambda pair: dict([pair]))])
def test_streams_are_a_map_in_resp3(ctx: KeyspaceContext, resp: int, wrap: Any) -> None:
    ctx.resp = resp
    assert ctx.run("XREAD", "STREAMS", "s", "2-1") == wrap((b"s", [[b"3-1", [b"f", b"3-1"]]]))


def test_default_limit_of_approximate_trimming(ctx: KeyspaceContext) -> None:
    ctx.keyspace.set_limits({"stream_node_max_entries": 2})
    for number in range(1, 301):
        ctx.run("XADD", "t", f"{number}-1", "f", "v")
    deleted = [ctx.run("XTRIM", "t", "MAXLEN", "~", 0, *limit) for limit in ((), ("LIMIT", 11), ("LIMIT", 0))]
    assert deleted == [200, 10, 90]
