"""How the registry tells about itself: the replies of COMMAND INFO, COMMAND DOCS and COMMAND GETKEYSANDFLAGS.

Idea: one function writes one shape of reply, field by field in Redis's order; the protocol's version is the reply's
affair (a set or map becomes an array in RESP2). Names of flags, categories and types are simple strings, as in Redis.

Owner: executor thread (it writes into the reply of the running command). Reads the registry, changes nothing.
Limits: no `history` and no `notes` of key specs: Redis's are prose of its own.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from mtredis.registry.command import Command
from mtredis.registry.keyspec import (
    BeginIndex,
    BeginKeyword,
    FindKeynum,
    FindRange,
    KeyFlag,
    KeySpec,
    key_flag_names,
)
from mtredis.registry.syntax import Argument


class ReplyWriter(Protocol):
    """What is needed of `mtredis.protocol.reply.Reply`."""

    def simple(self, text: bytes) -> Any: ...
    def bulk(self, data: bytes) -> Any: ...
    def integer(self, value: int) -> Any: ...
    def null(self) -> Any: ...
    def array(self, length: int) -> Any: ...
    def map(self, pairs: int) -> Any: ...
    def set(self, length: int) -> Any: ...


def write_info(reply: ReplyWriter, command: Command | None) -> None:
    """The ten fields of COMMAND INFO; null for a command that there is not."""
    if command is None:
        reply.null()
        return
    reply.array(10)
    reply.bulk(command.name)
    reply.integer(command.arity)
    _write_names(reply, command.flag_names)
    reply.integer(command.first_key)
    reply.integer(command.last_key)
    reply.integer(command.step)
    _write_names(reply, (f"@{category}" for category in command.acl_categories))
    reply.set(len(command.tips))
    for tip in command.tips:
        reply.bulk(tip.encode())
    reply.set(len(command.key_specs))
    for spec in command.key_specs:
        _write_key_spec(reply, spec)
    if command.subcommands:
        reply.array(len(command.subcommands))
    else:
        reply.set(0)
    for subcommand in command.subcommands.values():
        write_info(reply, subcommand)


def write_docs(reply: ReplyWriter, command: Command) -> None:
    """The name of the command and the map of what COMMAND DOCS tells about it."""
    reply.bulk(command.name)
    fields: list[tuple[bytes, str | None]] = [
        (b"summary", command.summary),
        (b"since", command.since),
        (b"group", command.group),
        (b"complexity", command.complexity or None),
    ]
    later: list[tuple[bytes, str | None]] = [
        (b"deprecated_since", command.deprecated_since),
        (b"replaced_by", command.replaced_by),
    ]
    collections = (command.doc_flags, command.arguments, command.subcommands)
    reply.map(sum(value is not None for _, value in fields + later) + sum(map(bool, collections)))
    _write_texts(reply, fields)
    if command.doc_flags:
        reply.bulk(b"doc_flags")
        _write_names(reply, command.doc_flags)
    _write_texts(reply, later)
    if command.arguments:
        reply.bulk(b"arguments")
        _write_arguments(reply, command.arguments)
    if command.subcommands:
        reply.bulk(b"subcommands")
        reply.map(len(command.subcommands))
        for subcommand in command.subcommands.values():
            write_docs(reply, subcommand)


def write_key_flags(reply: ReplyWriter, flags: KeyFlag) -> None:
    """What happens to a key, as a set of names."""
    _write_names(reply, key_flag_names(flags))


def _write_names(reply: ReplyWriter, names: Iterable[str]) -> None:
    listed = list(names)
    reply.set(len(listed))
    for name in listed:
        reply.simple(name.encode())


def _write_texts(reply: ReplyWriter, fields: Iterable[tuple[bytes, str | None]]) -> None:
    for name, value in fields:
        if value is not None:
            reply.bulk(name)
            reply.bulk(value.encode())


def _write_arguments(reply: ReplyWriter, arguments: tuple[Argument, ...]) -> None:
    reply.array(len(arguments))
    for argument in arguments:
        _write_argument(reply, argument)


def _write_argument(reply: ReplyWriter, argument: Argument) -> None:
    has_parts = argument.type in ("oneof", "block")
    texts: list[tuple[bytes, str | None]] = [
        (b"token", argument.token),
        (b"since", argument.since),
        (b"deprecated_since", argument.deprecated_since),
    ]
    has_key_spec = argument.key_spec_index >= 0
    pairs = 3 + has_key_spec + bool(argument.flags) + sum(value is not None for _, value in texts)
    reply.map(pairs)
    _write_texts(reply, [(b"name", argument.name), (b"type", argument.type)])
    if not has_parts:
        _write_texts(reply, [(b"display_text", argument.display_text)])
    if has_key_spec:
        reply.bulk(b"key_spec_index")
        reply.integer(argument.key_spec_index)
    _write_texts(reply, texts)
    if argument.flags:
        reply.bulk(b"flags")
        _write_names(reply, argument.flags)
    if has_parts:
        reply.bulk(b"arguments")
        _write_arguments(reply, argument.arguments)


def _write_key_spec(reply: ReplyWriter, spec: KeySpec) -> None:
    reply.map(3)
    reply.bulk(b"flags")
    write_key_flags(reply, spec.flags)
    reply.bulk(b"begin_search")
    match spec.begin:
        case BeginIndex(index):
            _write_step(reply, b"index", [(b"index", index)])
        case BeginKeyword(keyword, startfrom):
            _write_step(reply, b"keyword", [(b"keyword", keyword), (b"startfrom", startfrom)])
        case None:
            _write_step(reply, b"unknown", [])
    reply.bulk(b"find_keys")
    match spec.find:
        case FindRange(lastkey, keystep, limit):
            _write_step(reply, b"range", [(b"lastkey", lastkey), (b"keystep", keystep), (b"limit", limit)])
        case FindKeynum(keynumidx, firstkey, keystep):
            _write_step(reply, b"keynum", [(b"keynumidx", keynumidx), (b"firstkey", firstkey), (b"keystep", keystep)])
        case None:
            _write_step(reply, b"unknown", [])


def _write_step(reply: ReplyWriter, kind: bytes, fields: list[tuple[bytes, int | str]]) -> None:
    """The half of a key spec: its kind and the numbers and words that belong to it."""
    reply.map(2)
    reply.bulk(b"type")
    reply.bulk(kind)
    reply.bulk(b"spec")
    reply.map(len(fields))
    for name, value in fields:
        reply.bulk(name)
        if isinstance(value, int):
            reply.integer(value)
        else:
            reply.bulk(value.encode())
