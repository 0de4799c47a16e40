"""COMMAND: what the server tells about its commands.

Idea: the registry knows everything; here only the request is read and the registry's writers (registry/docs.py) called.
Owner: executor thread. Reads the registry, changes nothing.
Limits: without modules, `FILTERBY MODULE` matches no command.
"""

from collections.abc import Callable
from typing import Any

from mtredis.errors import CommandError, SyntaxFault
from mtredis.lib.glob import glob_match
from mtredis.registry import docs
from mtredis.registry.command import (
    COMMANDS,
    LOADING,
    NO_MANDATORY_KEYS,
    REGISTRY,
    SENTINEL,
    STALE,
    Command,
    check_arity,
    command,
    keys_with_flags,
    lookup,
)
from mtredis.registry.keyspec import KeyReference

ALWAYS = LOADING | STALE | SENTINEL
ANY_ORDER = ("nondeterministic_output_order",)


@command("COMMAND", flags=ALWAYS, since="2.8.13", complexity="O(N)", arity=-1, acl="connection", tips=ANY_ORDER)
def command_all(ctx: Any, argv: list[bytes]) -> None:
    """Returns what the server knows about each of its commands."""
    _reply_all_info(ctx)


REGISTRY.help_subcommand("COMMAND", since="5.0.0", flags=ALWAYS, acl="connection", group="server")


@command("COMMAND COUNT", flags=ALWAYS, since="2.8.13", complexity="O(1)", acl="connection")
def command_count(ctx: Any, argv: list[bytes]) -> None:
    """Counts the server's commands, a container with its subcommands as one."""
    ctx.reply.integer(len(COMMANDS))


@command(
    "COMMAND INFO [command-name]...", flags=ALWAYS, since="2.8.13", complexity="O(N)", acl="connection", tips=ANY_ORDER
)
def command_info(ctx: Any, argv: list[bytes]) -> None:
    """Returns arity, flags, keys and ACL categories of the named commands, or of all."""
    if len(argv) == 2:
        _reply_all_info(ctx)
        return
    ctx.reply.array(len(argv) - 2)
    for name in argv[2:]:
        docs.write_info(ctx.reply, REGISTRY.lookup_name(name))


@command(
    "COMMAND DOCS [command-name]...", flags=ALWAYS, since="7.0.0", complexity="O(N)", acl="connection", tips=ANY_ORDER
)
def command_docs(ctx: Any, argv: list[bytes]) -> None:
    """Returns the documentation of the named commands, or of all; unknown names are left out."""
    if len(argv) == 2:
        chosen = list(COMMANDS.values())
    else:
        chosen = [found for name in argv[2:] if (found := REGISTRY.lookup_name(name)) is not None]
    ctx.reply.map(len(chosen))
    for each in chosen:
        docs.write_docs(ctx.reply, each)


@command(
    "COMMAND LIST [FILTERBY (filterby=MODULE module-name|ACLCAT category|PATTERN pattern)]",
    flags=ALWAYS,
    since="7.0.0",
    complexity="O(N)",
    acl="connection",
    tips=ANY_ORDER,
)
def command_list(ctx: Any, argv: list[bytes]) -> None:
    """Lists the names of the commands and subcommands, all or those that a filter chooses."""
    is_chosen = _parse_filter(argv)
    names = [each.name for each in REGISTRY.walk() if is_chosen(each)]
    ctx.reply.array(len(names))
    for name in names:
        ctx.reply.bulk(name)


@command("COMMAND GETKEYS command [arg]...", flags=ALWAYS, since="2.8.13", complexity="O(N)", acl="connection")
def command_getkeys(ctx: Any, argv: list[bytes]) -> None:
    """Finds the keys in a complete command."""
    found = _find_keys(argv[2:])
    ctx.reply.array(len(found))
    for index, _ in found:
        ctx.reply.bulk(argv[2 + index])


@command("COMMAND GETKEYSANDFLAGS command [arg]...", flags=ALWAYS, since="7.0.0", complexity="O(N)", acl="connection")
def command_getkeysandflags(ctx: Any, argv: list[bytes]) -> None:
    """Finds the keys in a complete command, and what the command does with each."""
    found = _find_keys(argv[2:])
    ctx.reply.array(len(found))
    for index, flags in found:
        ctx.reply.array(2)
        ctx.reply.bulk(argv[2 + index])
        docs.write_key_flags(ctx.reply, flags)


def _reply_all_info(ctx: Any) -> None:
    ctx.reply.array(len(COMMANDS))
    for each in COMMANDS.values():
        docs.write_info(ctx.reply, each)


def _parse_filter(argv: list[bytes]) -> Callable[[Command], bool]:
    """The test that a command must pass; every command passes without FILTERBY."""
    if len(argv) == 2:
        return lambda each: True
    if len(argv) != 5 or argv[2].lower() != b"filterby":
        raise SyntaxFault
    kind, wanted = argv[3].lower(), argv[4]
    if kind == b"module":
        return lambda each: False
    if kind == b"aclcat":
        category = wanted.lower().decode("latin-1")
        return lambda each: category in each.acl_categories
    if kind == b"pattern":
        return lambda each: glob_match(wanted, each.name, True)
    raise SyntaxFault


def _find_keys(request: list[bytes]) -> list[KeyReference]:
    """The keys of the request; an error where Redis gives one."""
    called = lookup(request)
    if called is None:
        raise CommandError("ERR Invalid command specified")
    if not called.has_keys:
        raise CommandError("ERR The command has no key arguments")
    if not check_arity(called, len(request)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    found = keys_with_flags(called, request)
    if not found and not called.flags & NO_MANDATORY_KEYS:
        raise CommandError("ERR Invalid arguments specified for command")
    return found
