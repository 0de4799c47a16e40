"""The list family in-process: replies, errors, events, dirty counts, and what waits for what."""

from typing import Any

import pytest

from mtredis.commands import list as lists
from tests.support.fake_context import Blocked
from tests.support.keyspace_context import NOW, KeyspaceContext

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"


class ListContext(KeyspaceContext):
    """With `keyspace`, as the executor's context has it."""

    families = (lists,)

    def __init__(self) -> None:
        super().__init__()
        self.keyspace = self.server.keyspace

    def fill(self, *elements: str, key: str = "k") -> None:
        self.run("DEL", key)
        self.run("RPUSH", key, *elements)

    def elements(self, key: str = "k") -> list[str]:
        return [each.decode() for each in self.run("LRANGE", key, 0, -1)]


@pytest.fixture
def ctx() -> ListContext:
    return ListContext()


def test_pushing(ctx: ListContext) -> None:
    assert ctx.run("RPUSH", "k", "a", "b") == 2
    assert ctx.run("LPUSH", "k", "c", "d") == 4
    assert ctx.elements() == ["d", "c", "a", "b"]
    assert ctx.run("LPUSHX", "k", "e") == 5
    assert ctx.run("RPUSHX", "k", "f", "g") == 7
    assert (ctx.run("LPUSHX", "none", "x"), ctx.run("RPUSHX", "none", "x"), ctx.run("EXISTS", "none")) == (0, 0, 0)
    assert ctx.run("LLEN", "k") == 7 and ctx.run("LLEN", "none") == 0


def test_popping(ctx: ListContext) -> None:
    ctx.fill("a", "b", "c", "d", "e")
    assert (ctx.run("LPOP", "k"), ctx.run("RPOP", "k")) == (b"a", b"e")
    assert ctx.run("LPOP", "k", 0) == []
    assert ctx.run("RPOP", "k", 2) == [b"d", b"c"]
    assert ctx.run("LPOP", "k", 9) == [b"b"]
    assert ctx.run("EXISTS", "k") == 0
    assert (ctx.run("LPOP", "k"), ctx.run("LPOP", "k", 1)) == (None, None)
    assert ctx.reply.calls == [("null_array",)]


@pytest.mark.parametrize("count", ["-1", "x", str(2**63), "1.5"])
def test_counts_of_pops(ctx: ListContext, count: str) -> None:
    ctx.fill("a")
    assert ctx.error("LPOP", "k", count) == "ERR value is out of range, must be positive"
    assert ctx.error("LPOP", "k", "1", "2") == "ERR wrong number of arguments for 'lpop' command"
    assert ctx.error("RPOP", "k", "1", "2") == "ERR wrong number of arguments for 'rpop' command"
    assert ctx.error("LMPOP", 1, "k", "LEFT", "COUNT", count) == "ERR count should be greater than 0"
    assert ctx.error("LMPOP", count, "k", "LEFT") == (
        SYNTAX if count.isdigit() and int(count) < 2**63 else "ERR numkeys should be greater than 0"
    )


def test_popping_from_several(ctx: ListContext) -> None:
    ctx.fill("a", "b", "c", key="two")
    assert ctx.run("LMPOP", 2, "one", "two", "left") == [b"two", [b"a"]]
    assert ctx.run("LMPOP", 2, "one", "two", "RIGHT", "COUNT", 5) == [b"two", [b"c", b"b"]]
    assert ctx.run("LMPOP", 2, "one", "two", "RIGHT") is None


@pytest.mark.parametrize(
    "request_",
    [
        "LMPOP 1 k UP", "LMPOP 2 k LEFT", "LMPOP 1 k LEFT COUNT", "LMPOP 1 k LEFT COUNT 1 COUNT 2",
        "LMPOP 1 k LEFT x 1", "BLMPOP x 1 k UP", "LMOVE k d UP LEFT", "LMOVE k d LEFT DOWN",
        "BLMOVE k d LEFT DOWN x", "LINSERT k AT a b",
        "LPOS k a RANK", "LPOS k a x 1", "LPOS k a RANK 1 COUNT", f"LMPOP {2**63 - 1} k LEFT",
    ],
)  # fmt: skip
def test_syntax_errors(ctx: ListContext, request_: str) -> None:
    ctx.run("SET", "k", "of another type")
    assert ctx.error(*request_.split()) == SYNTAX


def test_moving(ctx: ListContext) -> None:
    ctx.fill("a", "b", "c")
    assert ctx.run("LMOVE", "k", "d", "LEFT", "RIGHT") == b"a"
    assert ctx.run("RPOPLPUSH", "k", "d") == b"c"
    assert (ctx.elements(), ctx.elements("d")) == (["b"], ["c", "a"])
    assert ctx.run("LMOVE", "d", "d", "left", "right") == b"c"
    assert ctx.elements("d") == ["a", "c"]
    assert ctx.run("LMOVE", "k", "k", "LEFT", "RIGHT") == b"b" and ctx.elements() == ["b"]
    assert ctx.run("LMOVE", "k", "d", "RIGHT", "LEFT") == b"b"
    assert ctx.run("EXISTS", "k") == 0
    assert (ctx.run("LMOVE", "k", "d", "RIGHT", "LEFT"), ctx.run("RPOPLPUSH", "k", "d")) == (None, None)


def test_a_move_that_fails_leaves_no_list_behind(ctx: ListContext) -> None:
    ctx.fill("a")
    ctx.run("SET", "s", "v")
    assert ctx.error("LMOVE", "k", "s", "LEFT", "LEFT") == WRONG_TYPE
    assert ctx.error("LMOVE", "s", "new", "LEFT", "LEFT") == WRONG_TYPE
    assert ctx.run("LMOVE", "none", "s", "LEFT", "LEFT") is None
    assert ctx.elements() == ["a"] and ctx.run("EXISTS", "new", "none") == 0


def test_positions(ctx: ListContext) -> None:
    ctx.fill("a", "b", "1", "a", "a")
    assert [ctx.run("LINDEX", "k", at) for at in (0, 2, -1, 5, -6)] == [b"a", b"1", b"a", None, None]
    assert ctx.run("LRANGE", "k", -2, 100) == [b"a", b"a"]
    assert ctx.run("LPOS", "k", "a") == 0
    assert ctx.run("LPOS", "k", "a", "RANK", 2) == 3
    assert ctx.run("LPOS", "k", "a", "RANK", -1) == 4
    assert ctx.run("LPOS", "k", "a", "COUNT", 0, "RANK", -2) == [3, 0]
    assert ctx.run("LPOS", "k", "a", "MAXLEN", 3, "COUNT", 0) == [0]
    assert (ctx.run("LPOS", "k", "x"), ctx.run("LPOS", "none", "x")) == (None, None)
    assert (ctx.run("LPOS", "k", "x", "COUNT", 1), ctx.run("LPOS", "none", "x", "COUNT", 1)) == ([], [])
    assert ctx.error("LPOS", "k", "a", "RANK", 0).startswith("ERR RANK can't be zero")
    assert ctx.error("LPOS", "k", "a", "COUNT", -1) == "ERR COUNT can't be negative"
    assert ctx.error("LPOS", "k", "a", "MAXLEN", "x") == "ERR MAXLEN can't be negative"
    for request in (("LPOS", "k", "a", "RANK", -(2**63)), ("LREM", "k", -(2**63), "a")):
        assert ctx.error(*request) == f"ERR value is out of range, value must between -{2**63 - 1} and {2**63 - 1}"


def test_changing(ctx: ListContext) -> None:
    ctx.fill("a", "b", "a", "c")
    assert ctx.run("LINSERT", "k", "before", "a", "x") == 5
    assert ctx.run("LINSERT", "k", "AFTER", "b", "y") == 6
    assert ctx.run("LINSERT", "k", "AFTER", "none", "y") == -1
    assert ctx.run("LINSERT", "none", "AFTER", "a", "y") == 0
    assert ctx.elements() == ["x", "a", "b", "y", "a", "c"]
    assert ctx.run("LSET", "k", -1, "z") == b"OK"
    assert ctx.run("LREM", "k", -1, "a") == 1 and ctx.run("LREM", "k", 0, "none") == 0
    assert ctx.elements() == ["x", "a", "b", "y", "z"]
    assert ctx.run("LTRIM", "k", 1, -2) == b"OK" and ctx.elements() == ["a", "b", "y"]
    assert ctx.run("LTRIM", "k", 5, 9) == b"OK" and ctx.run("EXISTS", "k") == 0
    assert ctx.run("LTRIM", "k", 5, 9) == b"OK" and ctx.run("LREM", "k", 0, "a") == 0


def test_setting_a_position(ctx: ListContext) -> None:
    assert ctx.error("LSET", "none", "x", "v") == "ERR no such key"
    ctx.fill("a", "b")
    assert ctx.error("LSET", "k", "x", "v") == NOT_INTEGER
    assert ctx.error("LSET", "k", 2, "v") == "ERR index out of range"
    # Redis cuts the position to 32 bits
    assert ctx.run("LSET", "k", 2**32 - 1, "last") == b"OK"
    assert ctx.elements() == ["a", "last"]


@pytest.mark.parametrize(
    "request_",
    [
        "LPUSH k a", "RPUSHX k a", "LPOP k", "RPOP k 1", "LLEN k", "LRANGE k 0 1", "LINDEX k x", "LINSERT k AFTER a b",
        "LSET k x a", "LREM k 1 a", "LTRIM k 0 1", "LPOS k a", "LMOVE k d LEFT LEFT", "RPOPLPUSH k d", "LMPOP 1 k LEFT",
        "BLPOP none k 0", "BRPOP k 0", "BLMOVE k d LEFT LEFT 0", "BRPOPLPUSH k d 0", "BLMPOP 0 1 k LEFT",
    ],
)  # fmt: skip
def test_another_type(ctx: ListContext, request_: str) -> None:
    ctx.run("SET", "k", "v")
    assert ctx.error(*request_.split()) == WRONG_TYPE
    assert ctx.run("GET", "k") == b"v" and ctx.run("EXISTS", "d") == 0


@pytest.mark.parametrize(
    ("request_", "dirty", "events"),
    [
        ("LPUSH k x y", 2, ["lpush k"]),
        ("RPUSH new x", 1, ["rpush new"]),
        ("LPUSHX none x", 0, []),
        ("LPOP k", 1, ["lpop k"]),
        ("RPOP k 2", 2, ["rpop k"]),
        ("RPOP k 9", 3, ["rpop k", "del k"]),
        ("LPOP k 0", 0, []),
        ("LMPOP 2 none k LEFT COUNT 3", 3, ["lpop k", "del k"]),
        ("LMOVE k d LEFT RIGHT", 1, ["rpush d", "lpop k"]),
        ("LMOVE one d LEFT LEFT", 1, ["lpush d", "lpop one", "del one"]),
        ("RPOPLPUSH one one", 1, ["lpush one", "rpop one"]),
        ("RPOPLPUSH none d", 0, []),
        ("LINSERT k AFTER a x", 1, ["linsert k"]),
        ("LINSERT k AFTER none x", 0, []),
        ("LSET k 0 x", 1, ["lset k"]),
        ("LREM k 0 b", 1, ["lrem k"]),
        ("LREM one 0 a", 1, ["lrem one", "del one"]),
        ("LREM k 0 none", 0, []),
        ("LTRIM k 0 -1", 0, ["ltrim k"]),
        ("LTRIM k 1 1", 2, ["ltrim k"]),
        ("LTRIM k 9 9", 3, ["ltrim k", "del k"]),
        ("LTRIM none 9 9", 0, []),
        ("BLPOP none one 0", 1, ["lpop one", "del one"]),
        ("BRPOP k 0", 1, ["rpop k"]),
        ("BLMPOP 0 1 k RIGHT COUNT 2", 2, ["rpop k"]),
        ("BLMOVE k d RIGHT LEFT 0", 1, ["lpush d", "rpop k"]),
        ("BRPOPLPUSH k d 0", 1, ["lpush d", "rpop k"]),
        ("LRANGE k 0 -1", 0, []),
    ],
)
def test_effects(ctx: ListContext, request_: str, dirty: int, events: list[str]) -> None:
    ctx.fill("a", "b", "c")
    ctx.fill("a", key="one")
    assert ctx.effects(*request_.split()) == (dirty, events)


@pytest.mark.parametrize(
    ("request_", "keys", "milliseconds"),
    [
        ("BLPOP a b 0", [b"a", b"b"], 0),
        ("BRPOP a 1.5", [b"a"], 1500),
        ("BLMPOP 0.001 2 a b LEFT COUNT 3", [b"a", b"b"], 1),
        ("BLMOVE a d LEFT RIGHT 0.0001", [b"a"], 1),
        ("BRPOPLPUSH a d 9", [b"a"], 9000),
    ],
)
def test_what_is_waited_for(ctx: ListContext, request_: str, keys: list[bytes], milliseconds: int) -> None:
    assert ctx.run(*request_.split()) == Blocked(keys, milliseconds, "null_array")
    assert ctx.run("EXISTS", "a", "b", "d") == 0
    ctx.may_block = False
    assert ctx.run(*request_.split()) is None
    assert ctx.reply.calls == [("null" if request_.startswith(("BLMOVE", "BRPOPLPUSH")) else "null_array",)]


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("BLPOP a k 0", [b"k", b"x"]),
        ("BRPOP k 0", [b"k", b"z"]),
        ("BLMPOP 0 2 a k RIGHT COUNT 2", [b"k", [b"z", b"y"]]),
        ("BLMOVE k d LEFT RIGHT 0", b"x"),
        ("BRPOPLPUSH k d 0", b"z"),
    ],
)
def test_served_after_waiting(ctx: ListContext, request_: str, reply: Any) -> None:
    ctx.run(*request_.split())
    assert isinstance(ctx.rerun(), Blocked)
    waiting = ctx.argv
    ctx.run("RPUSH", "k", "x", "y", "z")
    ctx.blocked, ctx.argv = Blocked([b"k"], 0, "null_array"), waiting
    assert ctx.rerun() == reply


@pytest.mark.parametrize(
    ("timeout", "text"),
    [
        ("x", "ERR timeout is not a float or out of range"),
        ("nan", "ERR timeout is not a float or out of range"),
        ("", "ERR timeout is not a float or out of range"),
        ("-1", "ERR timeout is negative"),
        ("-inf", "ERR timeout is negative"),
        ("inf", "ERR timeout is out of range"),
        ("1e400", "ERR timeout is out of range"),
        (str((2**63 - NOW) // 1000 + 1), "ERR timeout is out of range"),
    ],
)
def test_timeouts(ctx: ListContext, timeout: str, text: str) -> None:
    ctx.fill("a")
    for request in (("BLPOP", "k", timeout), ("BRPOP", "none", timeout), ("BLMOVE", "k", "d", "LEFT", "LEFT", timeout),
                    ("BRPOPLPUSH", "k", "d", timeout), ("BLMPOP", timeout, 1, "k", "LEFT")):  # fmt: skip
        assert ctx.error(*request) == text
