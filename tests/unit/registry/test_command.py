"""The registry: what follows from a declaration, how a request finds its command, the texts of refusals, HELP."""

from typing import Any

import pytest

from mtredis.registry import command as module
from mtredis.registry.command import (
    ADMIN,
    BLOCKING,
    FAST,
    LOADING,
    MAY_REPLICATE,
    PUBSUB,
    READONLY,
    STALE,
    WRITE,
    Command,
    CommandFlag,
    Registry,
    check_arity,
    help_lines,
    wrong_arity,
)
from mtredis.registry.syntax import DeclarationError
from tests.support.fake_context import FakeContext

NONE = CommandFlag(0)


def handler(ctx: Any, argv: list[bytes]) -> None:
    """Does one thing well. And this is not part of the summary."""
    ctx.reply.integer(len(argv))


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.container("CONFIG", since="2.0.0", summary="Reads and changes parameters.", group="server")
    registry.command("CONFIG GET parameter...", flags=ADMIN, since="2.0.0", group="server")(handler)
    registry.command("GET key", flags=READONLY | FAST, since="1.0.0", complexity="O(1)", group="string")(handler)
    registry.command("PING [message]", flags=FAST, since="1.0.0", group="connection")(handler)
    return registry


def declare(text: str, flags: CommandFlag = NONE, group: str = "server", **options: Any) -> Command:
    registry = Registry()
    registry.command(text, flags=flags, since="1.0.0", group=group, **options)(handler)
    return list(registry.walk())[-1]


def test_a_command_knows_what_was_declared(registry: Registry) -> None:
    get = registry.commands[b"get"]
    assert (get.name, get.container, get.arity, get.group, get.since) == (b"get", b"", 2, "string", "1.0.0")
    assert (get.first_key, get.last_key, get.step) == (1, 1, 1)
    assert get.summary == "Does one thing well."
    assert get.flag_names == ["readonly", "fast"]
    assert get.acl_categories == ("read", "string", "fast")
    assert get.handler is handler


def test_a_subcommand_hangs_below_its_container(registry: Registry) -> None:
    config = registry.commands[b"config"]
    get = config.subcommands[b"get"]
    assert (get.name, get.container, get.own_name, get.arity) == (b"config|get", b"config", b"get", -3)
    assert (config.handler, config.arity, config.acl_categories) == (None, -2, ("slow",))
    assert list(config.subcommands) == [b"help", b"get"]


def test_ids_are_dense(registry: Registry) -> None:
    assert sorted(each.id for each in registry.walk()) == list(range(5))


def test_the_decorator_returns_the_function() -> None:
    assert Registry().command("X", since="1.0.0", group="server")(handler) is handler


@pytest.mark.parametrize(
    ("flags", "group", "extra", "expected"),
    [
        (READONLY, "generic", "", "keyspace read slow"),
        (WRITE | BLOCKING, "sorted-set", "", "write sortedset slow blocking"),
        (ADMIN, "server", "", "admin slow dangerous"),
        (FAST, "server", "", "fast"),
        (PUBSUB, "pubsub", "", "pubsub slow"),
        (NONE, "transactions", "", "slow transaction"),
        (READONLY, "scripting", "", "slow scripting"),
        (WRITE, "server", "keyspace dangerous", "keyspace write slow dangerous"),
        (NONE, "generic", "-keyspace @connection", "slow connection"),
    ],
)
def test_acl_categories(flags: CommandFlag, group: str, extra: str, expected: str) -> None:
    assert declare("X", flags, group, acl=extra).acl_categories == tuple(expected.split())


def test_hidden_flags_are_not_shown() -> None:
    assert declare("X", MAY_REPLICATE | STALE).flag_names == ["stale"]


def test_keys_that_no_range_tells_make_the_command_movablekeys() -> None:
    assert declare("EVAL script numkeys [key...]").flag_names == ["movablekeys"]


def test_doc_flags() -> None:
    old = declare("X", deprecated_since="4.0.0", replaced_by="`Y`", syscmd=True)
    assert (old.doc_flags, old.deprecated_since, old.replaced_by) == (["deprecated", "syscmd"], "4.0.0", "`Y`")


def test_arity_can_be_said() -> None:
    assert declare("X key", arity=-1).arity == -1


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("mtredis.commands.string", "string"),
        ("mtredis.commands.sorted_set", "sorted-set"),
        ("mtredis.commands.server.config", "server"),
    ],
)
def test_the_group_is_the_family(name: str, group: str) -> None:
    def family_handler(ctx: Any, argv: list[bytes]) -> None:
        """Does nothing."""

    family_handler.__module__ = name
    registry = Registry()
    registry.command("X", since="1.0.0")(family_handler)
    assert registry.commands[b"x"].group == group


def test_outside_of_the_families_a_group_must_be_said() -> None:
    with pytest.raises(DeclarationError, match="give group="):
        Registry().command("X", since="1.0.0")(handler)


def test_a_handler_without_docstring_is_refused() -> None:
    with pytest.raises(DeclarationError, match="no docstring"):
        Registry().command("X", since="1.0.0", group="server")(lambda ctx, argv: None)


def test_an_unknown_acl_category_is_refused() -> None:
    with pytest.raises(DeclarationError, match="unknown ACL category 'nonsense'"):
        declare("X", acl="nonsense")


@pytest.mark.parametrize("again", ["GET key", "CONFIG GET", "CONFIG HELP"])
def test_a_name_is_registered_once(registry: Registry, again: str) -> None:
    with pytest.raises(DeclarationError, match="registered twice"):
        registry.command(again, since="1.0.0", group="server")(handler)


def test_a_container_may_follow_its_subcommands_but_must_come() -> None:
    registry = Registry()
    registry.command("MEMORY USAGE key", since="4.0.0", group="server")(handler)
    with pytest.raises(DeclarationError, match="no container\\('MEMORY'"):
        registry.check()
    registry.container("MEMORY", since="4.0.0", summary="Tells about memory.", group="server")
    registry.check()
    assert list(registry.commands[b"memory"].subcommands) == [b"usage", b"help"]
    assert registry.commands[b"memory"].since == "4.0.0"
    assert sorted(each.id for each in registry.walk()) == [0, 1, 2]


def test_lookup(registry: Registry) -> None:
    def found(*argv: bytes) -> bytes | None:
        command = registry.lookup(argv)
        return None if command is None else command.name

    assert found(b"GET", b"k") == b"get"
    assert found(b"Config", b"gEt", b"x") == b"config|get"
    assert found(b"config") == b"config"
    assert found(b"config", b"nope") is None
    assert found(b"nope") is None
    assert found(b"config|get") is None


def test_lookup_by_full_name(registry: Registry) -> None:
    assert registry.lookup_name(b"CONFIG|GET") is registry.commands[b"config"].subcommands[b"get"]
    assert registry.lookup_name(b"config") is registry.commands[b"config"]
    for name in (b"config|nope", b"config|get|x", b"get|key", b"", b"|"):
        assert registry.lookup_name(name) is None


@pytest.mark.parametrize(
    ("arity", "argc", "fits"),
    [(2, 2, True), (2, 1, False), (2, 3, False), (-2, 2, True), (-2, 9, True), (-2, 1, False)],
)
def test_check_arity(arity: int, argc: int, fits: bool) -> None:
    assert check_arity(declare("X", arity=arity), argc) is fits


def test_wrong_arity_names_the_command_in_full(registry: Registry) -> None:
    get = registry.commands[b"config"].subcommands[b"get"]
    assert str(wrong_arity(get)) == "ERR wrong number of arguments for 'config|get' command"


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([b"Nope"], "unknown command 'Nope', with args beginning with: "),
        ([b"nope", b"a", b""], "unknown command 'nope', with args beginning with: 'a' '' "),
        ([b"n\r\no", b"a\nb"], "unknown command 'n  o', with args beginning with: 'a b' "),
        ([b"x" * 200], f"unknown command '{'x' * 128}', with args beginning with: "),
        ([b"x", b"a" * 100, b"b" * 100, b"c"],
         f"unknown command 'x', with args beginning with: '{'a' * 100}' '{'b' * 25}' "),
        ([b"x", b"a" * 127, b"b"], f"unknown command 'x', with args beginning with: '{'a' * 127}' "),
        ([b"a\0b", b"c\0d"], "unknown command 'a', with args beginning with: 'c' "),
        ([b"config", b"Nope", b"x"], "unknown subcommand 'Nope'. Try CONFIG HELP."),
        ([b"Config", b"n" * 200], f"unknown subcommand '{'n' * 128}'. Try CONFIG HELP."),
    ],
)  # fmt: skip
def test_unknown_command(registry: Registry, argv: list[bytes], text: str) -> None:
    assert str(registry.unknown_command(argv)) == "ERR " + text


def test_refusals_give_the_clients_bytes_back(registry: Registry) -> None:
    text = str(registry.unknown_command([b"\xff\xc3\xa4"]))
    assert b"'\xff\xc3\xa4'" in text.encode("utf-8", "surrogateescape")


def test_help(registry: Registry) -> None:
    assert help_lines(registry.commands[b"config"]) == [
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <parameter> [<parameter> ...]",
        "    Does one thing well.",
        "HELP",
        "    Print this help.",
    ]


def test_help_of_a_container_that_can_be_called_alone(registry: Registry) -> None:
    registry.command("COMMAND", since="1.0.0", group="server", arity=-1)(handler)
    registry.help_subcommand("COMMAND", since="5.0.0", group="server")
    assert help_lines(registry.commands[b"command"])[1:3] == ["(no subcommand)", "    Does one thing well."]


def test_help_is_wrapped() -> None:
    registry = Registry()
    registry.container("LATENCY", since="2.8.13", summary="-", group="server")

    def wordy(ctx: Any, argv: list[bytes]) -> None:
        """Tells a long story about the latency of many things that happened in the server since it was started."""

    registry.command("LATENCY DOCTOR", since="2.8.13", group="server")(wordy)
    lines = help_lines(registry.commands[b"latency"])
    assert len(lines) == 6
    assert all(len(line) <= 76 and line.startswith("    ") for line in lines[2:4])


def test_the_help_subcommand_replies_with_the_lines(registry: Registry) -> None:
    help_command = registry.commands[b"config"].subcommands[b"help"]
    assert (help_command.arity, help_command.flags) == (2, LOADING | STALE)
    context = FakeContext(registry=registry)
    assert context.run("config", "help") == [line.encode() for line in help_lines(registry.commands[b"config"])]
    assert {call[0] for call in context.reply.calls[1:]} == {"simple"}


def test_every_flag_is_a_constant_of_the_module() -> None:
    for flag in CommandFlag:
        assert getattr(module, str(flag.name)) is flag
