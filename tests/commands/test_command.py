"""COMMAND and its subcommands, called with a fake context."""

from typing import Any

import pytest

import mtredis.commands.server.command
from mtredis.errors import CommandError
from mtredis.registry import keyspec
from mtredis.registry.command import COMMANDS, NO_MANDATORY_KEYS, READONLY, WRITE, Registry
from tests.support.fake_context import FakeContext


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> FakeContext:
    """A registry of COMMAND itself and a few commands of the test's own, in the place of the server's."""
    registry = Registry()
    registry.commands[b"command"] = COMMANDS[b"command"]

    def handler(ctx: Any, argv: list[bytes]) -> None:
        """Does it."""

    registry.container("CONFIG", since="2.0.0", summary="Parameters.", group="server")
    for text, options in (
        ("CONFIG GET parameter...", {"group": "server"}),
        ("GET key", {"flags": READONLY}),
        ("MSET {key value}...", {"flags": WRITE}),
        ("PING [message]", {"group": "connection"}),
        ("EVAL script numkeys [key...]", {"flags": NO_MANDATORY_KEYS, "group": "scripting"}),
        ("ZUNION numkeys key...", {"flags": READONLY}),
        ("SET key value [GET]", {"flags": WRITE, "key_flags": "RW UPDATE VARIABLE_FLAGS", "getkeys": keyspec.set_keys}),
    ):
        registry.command(text, since="1.0.0", **{"group": "string"} | options)(handler)
    module = mtredis.commands.server.command
    monkeypatch.setattr(module, "COMMANDS", registry.commands)
    monkeypatch.setattr(module, "REGISTRY", registry)
    monkeypatch.setattr(module, "lookup", registry.lookup)
    return FakeContext(registry=registry)


def test_bare_command_is_info_of_all(context: FakeContext) -> None:
    replied = context.run("COMMAND")
    assert [each[0] for each in replied] == list(context.registry.commands)
    assert context.run("COMMAND", "INFO") == replied


def test_count(context: FakeContext) -> None:
    assert context.run("command", "count") == 8


def test_info(context: FakeContext) -> None:
    replied = context.run("COMMAND", "INFO", "Get", "nope", "config|GET", "config|nope", "config get")
    assert [each and each[0] for each in replied] == [b"get", None, b"config|get", None, None]


def test_docs(context: FakeContext) -> None:
    assert set(context.run("COMMAND", "DOCS")) == set(context.registry.commands)
    replied = context.run("COMMAND", "DOCS", "GET", "nope", "config|get")
    assert {name: each[b"group"] for name, each in replied.items()} == {b"get": b"string", b"config|get": b"server"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("FILTERBY PATTERN config*", [b"config", b"config|help", b"config|get"]),
        ("filterby pattern *GET", [b"config|get", b"get"]),
        ("FILTERBY ACLCAT Connection PLUS", None),
        ("FILTERBY ACLCAT scripting", [b"eval"]),
        ("FILTERBY ACLCAT nonsense", []),
        ("FILTERBY MODULE json", []),
        ("FILTERBY COLOUR red", None),
        ("FILTERBY PATTERN", None),
        ("SORTBY PATTERN x", None),
    ],
)
def test_list_with_filter(context: FakeContext, words: str, expected: list[bytes] | None) -> None:
    if expected is None:
        with pytest.raises(CommandError, match=r"^ERR syntax error$"):
            context.run("COMMAND", "LIST", *words.split())
    else:
        assert context.run("COMMAND", "LIST", *words.split()) == expected


def test_list_names_all(context: FakeContext) -> None:
    assert context.run("COMMAND", "LIST") == [each.name for each in context.registry.walk()]


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("get a", [b"a"]),
        ("MSET a 1 b 2", [b"a", b"b"]),
        ("eval s 0", []),
        ("eval s 1 a", [b"a"]),
        ("zunion 2 a b", [b"a", b"b"]),
        ("nope a", "ERR Invalid command specified"),
        ("config nope", "ERR Invalid command specified"),
        ("ping", "ERR The command has no key arguments"),
        ("config get x", "ERR The command has no key arguments"),
        ("get", "ERR Invalid number of arguments specified for command"),
        ("get a b", "ERR Invalid number of arguments specified for command"),
        ("zunion 3 a b", "ERR Invalid arguments specified for command"),
    ],
)
def test_getkeys(context: FakeContext, request_line: str, expected: list[bytes] | str) -> None:
    if isinstance(expected, str):
        for name in ("GETKEYS", "GETKEYSANDFLAGS"):
            with pytest.raises(CommandError) as caught:
                context.run("COMMAND", name, *request_line.split())
            assert str(caught.value) == expected
    else:
        assert context.run("COMMAND", "GETKEYS", *request_line.split()) == expected


def test_getkeysandflags(context: FakeContext) -> None:
    assert context.run("COMMAND", "GETKEYSANDFLAGS", "set", "k", "v") == [[b"k", [b"OW", b"update"]]]
    assert context.run("COMMAND", "GETKEYSANDFLAGS", "set", "k", "v", "get") == [[b"k", [b"RW", b"access", b"update"]]]


def test_help(context: FakeContext) -> None:
    lines = context.run("COMMAND", "HELP")
    assert lines[0] == b"COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[1] == b"(no subcommand)"
    assert b"GETKEYS <command> [<arg> ...]" in lines
    assert lines[-2:] == [b"HELP", b"    Print this help."]


@pytest.mark.parametrize("request_line", ["COMMAND COUNT x", "COMMAND GETKEYS", "COMMAND HELP x"])
def test_arity(context: FakeContext, request_line: str) -> None:
    with pytest.raises(CommandError, match="wrong number of arguments for 'command\\|"):
        context.run(*request_line.split())
