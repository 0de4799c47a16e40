"""The command registry: one decorated function is one command, with all that is known about it.

Idea: `@command("APPEND key value", flags=WRITE | DENYOOM | FAST, since="2.0.0", complexity="O(1)")` puts a frozen
`Command` into `COMMANDS`. From the line (syntax.py): name, container, arity, argument tree, key specs. From the
module: group, and with the flags the ACL categories. From the docstring's first sentence: the summary. COMMAND, HELP,
ACL, dispatch and the tests read it from there.

    container("CONFIG", since="2.0.0", summary="Reads and changes the configuration.")     # also makes CONFIG HELP
    @command("CONFIG GET parameter...", flags=ADMIN | NOSCRIPT | LOADING | STALE, since="2.0.0", complexity="O(N)")

Also here: how a request finds its command, and the words in which a request without one is refused.

Owner: none. The registry is filled while the modules under `mtredis.commands` are imported (`load_families`), on one
thread, and only read afterwards.
Limit: error texts carry the client's bytes; they are decoded with "surrogateescape", so encode them the same way.
"""

import importlib
import pkgutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntFlag
from typing import Any

from mtredis.errors import CommandError
from mtredis.registry import keyspec, syntax
from mtredis.registry.keyspec import GetKeys, KeyFlag, KeyReference, KeySpec
from mtredis.registry.syntax import Argument, DeclarationError

type Handler = Callable[[Any, list[bytes]], None]


class CommandFlag(IntFlag):
    """What the server must know before it runs a command; in the order in which COMMAND INFO names them."""

    WRITE = 1 << 0
    READONLY = 1 << 1
    DENYOOM = 1 << 2
    MODULE = 1 << 3
    ADMIN = 1 << 4
    PUBSUB = 1 << 5
    NOSCRIPT = 1 << 6
    BLOCKING = 1 << 7
    LOADING = 1 << 8
    STALE = 1 << 9
    SKIP_MONITOR = 1 << 10
    SKIP_SLOWLOG = 1 << 11
    ASKING = 1 << 12
    FAST = 1 << 13
    NO_AUTH = 1 << 14
    NO_MANDATORY_KEYS = 1 << 15
    NO_ASYNC_LOADING = 1 << 16
    NO_MULTI = 1 << 17
    MOVABLEKEYS = 1 << 18
    ALLOW_BUSY = 1 << 19
    MAY_REPLICATE = 1 << 20
    SENTINEL = 1 << 21
    ONLY_SENTINEL = 1 << 22
    PROTECTED = 1 << 23
    TOUCHES_ARBITRARY_KEYS = 1 << 24


WRITE = CommandFlag.WRITE
READONLY = CommandFlag.READONLY
DENYOOM = CommandFlag.DENYOOM
MODULE = CommandFlag.MODULE
ADMIN = CommandFlag.ADMIN
PUBSUB = CommandFlag.PUBSUB
NOSCRIPT = CommandFlag.NOSCRIPT
BLOCKING = CommandFlag.BLOCKING
LOADING = CommandFlag.LOADING
STALE = CommandFlag.STALE
SKIP_MONITOR = CommandFlag.SKIP_MONITOR
SKIP_SLOWLOG = CommandFlag.SKIP_SLOWLOG
ASKING = CommandFlag.ASKING
FAST = CommandFlag.FAST
NO_AUTH = CommandFlag.NO_AUTH
NO_MANDATORY_KEYS = CommandFlag.NO_MANDATORY_KEYS
NO_ASYNC_LOADING = CommandFlag.NO_ASYNC_LOADING
NO_MULTI = CommandFlag.NO_MULTI
MOVABLEKEYS = CommandFlag.MOVABLEKEYS
ALLOW_BUSY = CommandFlag.ALLOW_BUSY
MAY_REPLICATE = CommandFlag.MAY_REPLICATE
SENTINEL = CommandFlag.SENTINEL
ONLY_SENTINEL = CommandFlag.ONLY_SENTINEL
PROTECTED = CommandFlag.PROTECTED
TOUCHES_ARBITRARY_KEYS = CommandFlag.TOUCHES_ARBITRARY_KEYS

NO_FLAG = CommandFlag(0)
# Known to the server, but no part of COMMAND INFO.
HIDDEN_FLAGS = MAY_REPLICATE | SENTINEL | ONLY_SENTINEL | PROTECTED | TOUCHES_ARBITRARY_KEYS

ACL_CATEGORIES = (
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow blocking "
    "dangerous connection transaction scripting"
).split()
_CATEGORY_OF_GROUP = {
    "generic": "keyspace",
    "sorted-set": "sortedset",
    "transactions": "transaction",
    **{name: name for name in "string list set hash bitmap hyperloglog geo stream connection scripting".split()},
}
_CATEGORIES_OF_FLAGS = {
    WRITE: ("write",),
    READONLY: ("read",),
    ADMIN: ("admin", "dangerous"),
    PUBSUB: ("pubsub",),
    FAST: ("fast",),
    BLOCKING: ("blocking",),
}
_QUOTED_LIMIT = 128
_HELP_WIDTH = 76


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """All that is known about a command; `name` is lower case, "config|get" for a subcommand.

    `handler` is None for a container that cannot be called alone. `id` numbers the registry's commands from 0.
    """

    name: bytes
    container: bytes
    arity: int
    flags: CommandFlag
    group: str
    since: str
    complexity: str
    summary: str
    arguments: tuple[Argument, ...]
    key_specs: tuple[KeySpec, ...]
    first_key: int
    last_key: int
    step: int
    acl_categories: tuple[str, ...]
    handler: Handler | None
    id: int = -1
    getkeys: GetKeys | None = None
    tips: tuple[str, ...] = ()
    is_syscmd: bool = False
    deprecated_since: str | None = None
    replaced_by: str | None = None
    subcommands: dict[bytes, "Command"] = field(default_factory=dict)  # by the subcommand's own name: b"get"

    @property
    def flag_names(self) -> list[str]:
        """The flags that COMMAND INFO shows."""
        return [str(flag.name).lower() for flag in CommandFlag if self.flags & flag & ~HIDDEN_FLAGS]

    @property
    def doc_flags(self) -> list[str]:
        """The flags that COMMAND DOCS shows."""
        marks = (("deprecated", self.deprecated_since is not None), ("syscmd", self.is_syscmd))
        return [name for name, is_set in marks if is_set]

    @property
    def own_name(self) -> bytes:
        """The name without its container."""
        return self.name.rpartition(b"|")[2]

    @property
    def has_keys(self) -> bool:
        """Whether a request can name keys."""
        return self.getkeys is not None or any(not spec.flags & KeyFlag.NOT_KEY for spec in self.key_specs)


class Registry:
    """The commands by name; the server has one (`REGISTRY`), tests may make their own."""

    def __init__(self) -> None:
        self.commands: dict[bytes, Command] = {}
        self._count = 0

    def command(
        self,
        declaration: str,
        *,
        flags: CommandFlag = NO_FLAG,
        since: str,
        complexity: str = "",
        acl: str = "",
        group: str | None = None,
        key_flags: str | Sequence[str] | None = None,
        key_specs: Sequence[KeySpec] | None = None,
        getkeys: GetKeys | None = None,
        arity: int | None = None,
        tips: Sequence[str] = (),
        syscmd: bool = False,
        deprecated_since: str | None = None,
        replaced_by: str | None = None,
    ) -> Callable[[Handler], Handler]:
        """A decorator that registers the function as the command that `declaration` describes (language: syntax.py).

        `acl`: categories to add, or with a leading "-" to take away. `key_flags`: one text for all key specs, or one
        for each. `key_specs`: written by hand, not derived. `arity`: where Redis's is not what the syntax says.
        """

        def register(handler: Handler) -> Handler:
            parsed = syntax.parse(declaration)
            family = group if group is not None else _group_of(handler.__module__)
            arguments, specs = _resolve_keys(parsed, flags, key_flags, key_specs)
            first, last, step, is_movable = keyspec.legacy_range(specs)
            built = Command(
                name=parsed.full_name.encode(),
                container=parsed.container.encode(),
                arity=parsed.arity if arity is None else arity,
                flags=flags | (MOVABLEKEYS if is_movable else NO_FLAG),
                group=family,
                since=since,
                complexity=complexity,
                summary=_summary(handler, declaration),
                arguments=arguments,
                key_specs=specs,
                first_key=first,
                last_key=last,
                step=step,
                acl_categories=_acl_categories(flags, family, acl),
                handler=handler,
                getkeys=getkeys,
                tips=tuple(tips),
                is_syscmd=syscmd,
                deprecated_since=deprecated_since,
                replaced_by=replaced_by,
            )
            self._add(built)
            return handler

        return register

    def container(
        self,
        name: str,
        *,
        since: str,
        summary: str,
        flags: CommandFlag = NO_FLAG,
        group: str | None = None,
        help_since: str = "5.0.0",
        help_acl: str = "",
        help_flags: CommandFlag = LOADING | STALE,
    ) -> None:
        """Declares a command that has subcommands and does nothing alone, and gives it its HELP subcommand."""
        module_group = group if group is not None else _group_of(sys._getframe(1).f_globals["__name__"])
        self._add(self._bare_container(name.lower().encode(), since, summary, flags, module_group))
        self.help_subcommand(name, since=help_since, flags=help_flags, acl=help_acl, group=module_group)

    def help_subcommand(
        self, name: str, *, since: str, flags: CommandFlag = LOADING | STALE, acl: str = "", group: str
    ) -> None:
        """Gives the container its HELP subcommand."""
        key = name.lower().encode()

        def reply_help(ctx: Any, argv: list[bytes]) -> None:
            """Lists the subcommands and what they do."""
            lines = help_lines(self.commands[key])
            ctx.reply.array(len(lines))
            for line in lines:
                ctx.reply.simple(line.encode())

        self.command(f"{name.upper()} HELP", flags=flags, since=since, complexity="O(1)", acl=acl, group=group)(
            reply_help
        )

    def lookup(self, argv: Sequence[bytes]) -> Command | None:
        """The command that a request calls; of a container called with more words, only ever a subcommand."""
        base = self.commands.get(argv[0].lower())
        if base is None or len(argv) == 1 or not base.subcommands:
            return base
        return base.subcommands.get(argv[1].lower())

    def lookup_name(self, name: bytes) -> Command | None:
        """The command of a full name such as b"get" or b"CONFIG|GET"."""
        words = name.lower().split(b"|")
        base = self.commands.get(words[0])
        if base is None or len(words) == 1:
            return base
        return base.subcommands.get(words[1]) if len(words) == 2 else None

    def walk(self) -> Iterator[Command]:
        """All commands, each container before its subcommands."""
        for top in self.commands.values():
            yield top
            yield from top.subcommands.values()

    def rename(self, name: bytes, new_name: bytes) -> None:
        """rename-command: the command answers to `new_name` only, or to nothing if that is empty.

        Raises CommandError when there is no such command, or the new name is taken.
        """
        old, new = name.lower(), new_name.lower()
        if old not in self.commands:
            raise CommandError("No such command in rename-command")
        if new in self.commands:
            raise CommandError("Target command name already exists")
        renamed = self.commands.pop(old)
        if new:
            self.commands[new] = renamed

    def unknown_command(self, argv: Sequence[bytes]) -> CommandError:
        """The refusal of a request whose command `lookup` does not find."""
        if argv[0].lower() in self.commands:
            text = f"unknown subcommand '{_printf(argv[1], _QUOTED_LIMIT)}'. Try {_text(argv[0].upper())} HELP."
        else:
            beginning = ""
            for argument in argv[1:]:
                room = _QUOTED_LIMIT - len(beginning)
                if room <= 0:
                    break
                beginning += f"'{_printf(argument, room)}' "
            name = _printf(argv[0], _QUOTED_LIMIT)
            text = f"unknown command '{name}', with args beginning with: {beginning}"
        safe = text.translate({10: " ", 13: " "}).encode("latin-1")
        return CommandError("ERR " + safe.decode("utf-8", "surrogateescape"))

    def _numbered(self, built: Command) -> Command:
        self._count += 1
        return replace(built, id=self._count - 1)

    def _bare_container(self, name: bytes, since: str, summary: str, flags: CommandFlag, group: str) -> Command:
        return Command(
            name=name,
            container=b"",
            arity=-2,
            flags=flags,
            group=group,
            since=since,
            complexity="Depends on subcommand.",
            summary=summary,
            arguments=(),
            key_specs=(),
            first_key=0,
            last_key=0,
            step=0,
            acl_categories=_acl_categories(flags, "", ""),
            handler=None,
        )

    def _add(self, built: Command) -> None:
        if built.container:
            self._add_subcommand(built)
            return
        present = self.commands.get(built.name)
        if present is not None:
            if present.handler is not None or present.since:
                raise DeclarationError(f"the command {built.name.decode()!r} is registered twice")
            built = replace(built, id=present.id, subcommands=present.subcommands)
        self.commands[built.name] = self._numbered(built) if present is None else built

    def _add_subcommand(self, built: Command) -> None:
        container = self.commands.get(built.container)
        if container is None:
            # A subcommand may be declared before its container: an empty `since` marks the place.
            container = self._numbered(self._bare_container(built.container, "", "", NO_FLAG, built.group))
            self.commands[built.container] = container
        if built.own_name in container.subcommands:
            raise DeclarationError(f"the command {built.name.decode()!r} is registered twice")
        container.subcommands[built.own_name] = self._numbered(built)

    def check(self) -> None:
        """Raises DeclarationError when a container with subcommands was never declared itself."""
        for top in self.commands.values():
            if not top.since:
                name = top.name.decode().upper()
                raise DeclarationError(f"{name} has subcommands but no container({name!r}, since=..., summary=...)")


def _resolve_keys(
    parsed: syntax.Syntax,
    flags: CommandFlag,
    flag_texts: str | Sequence[str] | None,
    by_hand: Sequence[KeySpec] | None,
) -> tuple[tuple[Argument, ...], tuple[KeySpec, ...]]:
    """The argument tree with its key spec numbers, and the key specs with their flags."""
    if by_hand is not None:
        if flag_texts is not None:
            raise DeclarationError(f"{parsed.name}: key_specs carry their own flags; leave key_flags out")
        return keyspec.number_keys(parsed.arguments), tuple(by_hand)
    first = 2 if parsed.container else 1
    arguments, specs, names = keyspec.derive(parsed.arguments, first)
    if flag_texts is None:
        key_flags = keyspec.default_flags(names, writes=bool(flags & WRITE), reads=bool(flags & READONLY))
    else:
        texts = [flag_texts] * len(specs) if isinstance(flag_texts, str) else flag_texts
        if len(texts) != len(specs):
            raise DeclarationError(f"{parsed.name}: {len(texts)} key_flags for {len(specs)} key specs ({names})")
        key_flags = [keyspec.key_flags(text) for text in texts]
    return arguments, tuple(replace(spec, flags=flag) for spec, flag in zip(specs, key_flags, strict=True))


def _group_of(module: str) -> str:
    """The group of a family's module: `mtredis.commands.sorted_set` -> "sorted-set", `...server.config` -> "server"."""
    _, found, path = module.partition(".commands.")
    if not found:
        raise DeclarationError(f"{module} is no module of mtredis.commands: give group=")
    return path.split(".")[0].replace("_", "-")


def _acl_categories(flags: CommandFlag, group: str, extra: str) -> tuple[str, ...]:
    """The ACL categories, in Redis's order, that follow from flags and group, changed by `extra`."""
    categories = {_CATEGORY_OF_GROUP[group]} if group in _CATEGORY_OF_GROUP else set()
    for flag, names in _CATEGORIES_OF_FLAGS.items():
        # Scripts are free to write, whatever their command's flags say.
        if flags & flag and not (flag is READONLY and group == "scripting"):
            categories.update(names)
    for word in extra.split():
        name = word.lstrip("-@")
        if name not in ACL_CATEGORIES:
            raise DeclarationError(f"unknown ACL category {name!r} (known: {', '.join(ACL_CATEGORIES)})")
        if word.startswith("-"):
            categories.discard(name)
        else:
            categories.add(name)
    if "fast" not in categories:
        categories.add("slow")
    return tuple(name for name in ACL_CATEGORIES if name in categories)


def _summary(handler: Handler, declaration: str) -> str:
    text = " ".join((handler.__doc__ or "").split("\n\n")[0].split())
    if not text:
        raise DeclarationError(f"the handler of {declaration!r} has no docstring; its first sentence is the summary")
    head, stop, _ = text.partition(". ")
    return head + stop.strip()


# --- requests -------------------------------------------------------------------------------------------------------


def subcommand_of(container: Command, argv: Sequence[bytes]) -> Command | None:
    """What a request for a container calls: the container alone, one of its subcommands, or nothing known."""
    if len(argv) == 1:
        return container
    name = argv[1].lower()
    return container.subcommands.get(name)


def check_arity(command: Command, argc: int) -> bool:
    """Whether a request of `argc` words fits the command."""
    return argc == command.arity if command.arity > 0 else argc >= -command.arity


def wrong_arity(command: Command) -> CommandError:
    """The refusal of a request that has too few or too many words."""
    return CommandError(f"ERR wrong number of arguments for '{_text(command.name)}' command")


def keys_with_flags(command: Command, argv: Sequence[bytes]) -> list[KeyReference]:
    """The indexes of the request's keys and what happens to them; empty when it has none or is malformed."""
    specs = command.key_specs
    has_keys = any(not spec.flags & KeyFlag.NOT_KEY for spec in specs)
    is_variable = any(spec.flags & KeyFlag.VARIABLE_FLAGS for spec in specs)
    if has_keys and not (is_variable and command.getkeys is not None):
        found = keyspec.find(specs, argv)
        if found is not None:
            return found
    return command.getkeys(argv) if command.getkeys is not None else []


def keys(command: Command, argv: Sequence[bytes]) -> list[int]:
    """The indexes of the request's keys, in the order in which the key specs name them."""
    return [index for index, _ in keys_with_flags(command, argv)]


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _printf(data: bytes, limit: int) -> str:
    """The bytes as C's "%.*s" prints them: up to the first NUL, at most `limit`; as latin-1."""
    return _text(data.partition(b"\0")[0][:limit])


# --- HELP -----------------------------------------------------------------------------------------------------------


def help_lines(container: Command) -> list[str]:
    """The reply of a container's HELP: a heading, each subcommand with its usage and summary, and HELP itself."""
    name = container.name.decode().upper()
    lines = [f"{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    if container.handler is not None:
        lines.append("(no subcommand)")
        lines.extend(_indented(container.summary))
    for own_name, subcommand in container.subcommands.items():
        if own_name != b"help":
            lines.append(f"{own_name.decode().upper()} {syntax.usage(subcommand.arguments)}".rstrip())
            lines.extend(_indented(subcommand.summary))
    return [*lines, "HELP", "    Print this help."]


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _HELP_WIDTH, initial_indent="    ", subsequent_indent="    ")


# --- the server's registry ------------------------------------------------------------------------------------------

REGISTRY = Registry()
COMMANDS = REGISTRY.commands
command = REGISTRY.command
container = REGISTRY.container
lookup = REGISTRY.lookup
unknown_command = REGISTRY.unknown_command


def load_families() -> dict[bytes, Command]:
    """Imports every module under `mtredis.commands`; COMMANDS is complete afterwards."""
    families = importlib.import_module("mtredis.commands")
    for module in pkgutil.walk_packages(families.__path__, families.__name__ + "."):
        importlib.import_module(module.name)
    REGISTRY.check()
    return COMMANDS
