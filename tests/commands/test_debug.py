"""DEBUG's subcommands."""

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from mtredis.commands.server import debug
from mtredis.errors import CommandError
from tests.support.keyspace_context import KeyspaceContext


@pytest.fixture
def ctx() -> Any:
    context = KeyspaceContext()
    context.server.watches = SimpleNamespace(keys=False)
    context.server.cron_paused = False
    context.server.replication_id = "0" * 40
    return context


@pytest.mark.parametrize("words", ["BOGUS", "SLEEP", "SLEEP 1 2", "OBJECT", "DIGEST x", "HELP x", "POPULATE"])
def test_unknown_forms(ctx: KeyspaceContext, words: str) -> None:
    name = words.split()[0]
    with pytest.raises(CommandError) as caught:
        ctx.run("DEBUG", *words.split())
    assert str(caught.value) == f"ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."


def test_what_is_not_supported_says_so(ctx: KeyspaceContext) -> None:
    assert not {name.encode() for name in debug.NOT_SUPPORTED} & set(debug.SUBCOMMANDS)
    with pytest.raises(CommandError, match="ERR DEBUG LEAK is not supported by mtredis"):
        ctx.run("DEBUG", "leak", "x")


def test_help_lists_every_subcommand(ctx: KeyspaceContext) -> None:
    lines = ctx.run("DEBUG", "HELP")
    assert lines[0] == b"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[-2:] == [b"HELP", b"    Print this help."]
    assert {line.split(b" ")[0] for line in lines[1:] if not line.startswith(b" ")} == set(debug.SUBCOMMANDS)
    assert all(line.strip() for line in lines)


def test_digest_does_not_depend_on_the_order(ctx: KeyspaceContext) -> None:
    assert ctx.run("DEBUG", "DIGEST") == b"0" * 40
    for key in ("a", "b"):
        ctx.run("SET", key, "v" + key)
    first = ctx.run("DEBUG", "DIGEST")
    ctx.run("FLUSHALL", "SYNC")
    for key in ("b", "a"):
        ctx.run("SET", key, "v" + key)
    assert ctx.run("DEBUG", "DIGEST") == first
    ctx.run("EXPIRE", "a", 100)
    assert ctx.run("DEBUG", "DIGEST") != first


def test_digest_value(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "a", "1")
    # SHA1(x xor SHA1(data)) twice: of the type, then of the value
    typed = hashlib.sha1(hashlib.sha1(bytes(4)).digest()).digest()
    mixed = bytes(x ^ y for x, y in zip(typed, hashlib.sha1(b"1").digest(), strict=True))
    assert ctx.run("DEBUG", "DIGEST-VALUE", "a", "nosuch") == [hashlib.sha1(mixed).hexdigest().encode(), b"0" * 40]


@pytest.mark.parametrize(
    ("value", "length"),
    [(b"0", 2), (b"127", 2), (b"-129", 3), (b"32768", 5), (b"2147483648", 11), (b"007", 4), (b"", 1), (b"x" * 64, 66),
     (b"x" * 20_000, 20_005)],
)  # fmt: skip
def test_saved_length(value: bytes, length: int) -> None:
    assert debug.saved_length(value) == length


def test_object(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "n", 12)
    words = dict(word.split(b":", 1) for word in ctx.run("DEBUG", "OBJECT", "n").split(b" ")[1:])
    assert (words[b"encoding"], words[b"serializedlength"], words[b"lru_seconds_idle"]) == (b"int", b"2", b"0")
    with pytest.raises(CommandError, match="ERR no such key"):
        ctx.run("DEBUG", "OBJECT", "nosuch")


def test_populate(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "key:1", "kept")
    assert ctx.run("DEBUG", "POPULATE", 3) == b"OK"
    assert [ctx.run("GET", f"key:{number}") for number in range(4)] == [b"value:0", b"kept", b"value:2", None]
    ctx.run("DEBUG", "POPULATE", 2, "p", 9)
    assert ctx.run("GET", "p:1") == b"value:1\0\0"
    touched: list[tuple[int, bytes]] = []
    ctx.server.watches = SimpleNamespace(keys=True, touched=lambda *place: touched.append(place))
    ctx.run("DEBUG", "POPULATE", 3, "p", 9)
    assert touched == [(0, b"p:2")]


def test_settings(ctx: KeyspaceContext) -> None:
    ctx.run("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    assert not ctx.server.keyspace.active_expire
    ctx.run("DEBUG", "set-active-expire", " 1x")
    assert ctx.server.keyspace.active_expire
    ctx.run("DEBUG", "PAUSE-CRON", 1)
    assert ctx.server.cron_paused
    ctx.run("DEBUG", "CHANGE-REPL-ID")
    assert len(ctx.server.replication_id) == 40
    assert ctx.server.replication_id != "0" * 40


def test_replies(ctx: KeyspaceContext) -> None:
    assert ctx.run("DEBUG", "ERROR", b"MY\r\nerror") == b"-MY  error\r\n"
    assert ctx.run("DEBUG", "SLEEP", "0.0001s") == b"OK"
    assert ctx.run("DEBUG", "STRINGMATCH-TEST") == b"Apparently Redis did not crash: test passed"
    assert b"number of elements: 0" in ctx.run("DEBUG", "HTSTATS", 0)
    with pytest.raises(CommandError, match="ERR RESP2 is not supported by this command"):
        ctx.run("DEBUG", "PROTOCOL", "push")
    assert ctx.run("DEBUG", "PROTOCOL", "MAP") == {0: False, 1: True, 2: False}
