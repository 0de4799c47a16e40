"""The language in which a command declares its syntax, and the argument tree that COMMAND DOCS shows.

Idea: one line says what the documentation, COMMAND INFO, ACLs, cluster routing and HELP need to know:

    SET key value [condition=NX|XX] [GET] [expiration=EX seconds|PX milliseconds|KEEPTTL]

    NAME SUB ...        the name, and the subcommand when the second word is a token too
    value               a lower-case word: one argument; its type follows from its name (TYPES), else string
    ID:string           `:type` says it outright (and makes an upper-case word a value):
                        string integer double key pattern unix-time pure-token
    TOKEN  "="  '""'    an upper-case or quoted word stands for itself (a pure token)
    TOKEN value         a token binds to the value, or to the (group), that follows it
    [ ... ]             optional        ( ... )  a required group
    a | b               one of; a group of alternatives needs a name: (unit=M|KM), [condition=NX|XX]
    name= ...           at the start of a group names the whole group (the choice, the block, or its one item);
                        after a `|` it names that alternative: [trim=a|pair=b c]; the first: [trim=(pair=b c)|a]
    { ... }             a required block, called "data" unless named: {key value}...
    [range=start end]   a group of several items is a block and needs a name ...
    [LIMIT offset count]  ... except one that a token opens (token, then two or more bare values): called "limit".
                        To bind the token to the first value alone: (BYBOX width) height (unit=M|KM)
    item...             may be repeated: `key...`, `[key...]`, `[KEYS key...]` (the token once);
                        `[GET pattern]...` repeats the token with the value (multiple_token)
    value@6.2.0         since that version; `!2.8.12` deprecated since; `/text` another display text
                        (`old-format/"ip:port"`); `#1` the key spec that the argument belongs to
    "(GROUP a b)"       brackets keep a required leading token from being read as a subcommand

Which arguments are keys: type key (see TYPES: key, key1, key2, newkey, source, destination, destkey, ...).
Key specs follow from their places (keyspec.py): `key`, `key...`, `key... timeout`, `{key value}...`,
`numkeys key...`, `[STORE storekey]`, `streams=STREAMS key... ID:string...`; anything else by `key_specs=`.

Owner: none; all values are immutable and made at import. A mistake is a DeclarationError at import.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

TYPES = {
    **dict.fromkeys(
        "key key1 key2 keys newkey source destination destkey sourcekey storekey storedistkey dst src".split(), "key"
    ),
    **dict.fromkeys(
        (
            "bits count start end stop offset increment decrement bit numkeys client-id maxage slot start-slot "
            "end-slot port cluster-bus-port config-epoch destination-db seconds milliseconds protover numfields "
            "cursor min-match-len index version rank num-matches len db ttl frequency current-epoch quorum "
            "slot-start slot-last limit index1 index2 numreplicas numlocal ms entriesread entries-added weight"
        ).split(),
        "integer",
    ),
    **dict.fromkeys("timeout longitude latitude radius width height score min max".split(), "double"),
    **dict.fromkeys("pattern by-pattern get-pattern".split(), "pattern"),
    **dict.fromkeys("unix-time-seconds unix-time-milliseconds".split(), "unix-time"),
}
VALUE_TYPES = frozenset(("string", "integer", "double", "key", "pattern", "unix-time", "pure-token"))

_LEXEMES = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<ellipsis>\.\.\.)|(?P<since>@\d+(?:\.\d+)*)|(?P<gone>!\d+(?:\.\d+)*)
        |(?P<type>:[a-z-]+)|(?P<spec>\#\d+)|(?P<display>/(?:"[^"]*"|[\w-]+))|(?P<mark>[\[\](){}|=])
        |(?P<word>[A-Za-z0-9_*~$+-]+))""",
    re.VERBOSE,
)
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_ENDINGS = frozenset(("mark", text) for text in "])}|")


class DeclarationError(ValueError):
    """A command was declared wrongly; raised at import, names the declaration and the place."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A node of the argument tree, with the fields of COMMAND DOCS."""

    name: str
    type: str
    display_text: str = ""
    token: str | None = None
    key_spec_index: int = -1
    since: str | None = None
    deprecated_since: str | None = None
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    arguments: tuple["Argument", ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """The names of the flags that are set, in Redis's order."""
        return tuple(flag for flag in ("optional", "multiple", "multiple_token") if getattr(self, flag))

    @property
    def minimum(self) -> int:
        """The fewest words that the argument takes in a request."""
        return 0 if self.optional else self.words

    @property
    def words(self) -> int:
        """The fewest words that one occurrence of the argument takes, present or not."""
        if self.type == "pure-token":
            return 1
        body = 1
        if self.type == "block":
            body = sum(argument.minimum for argument in self.arguments)
        elif self.type == "oneof":
            body = min(argument.words for argument in self.arguments)
        return body + (self.token is not None)

    @property
    def is_fixed(self) -> bool:
        """Whether the argument always takes `words` words."""
        if self.optional or self.multiple:
            return False
        if self.type == "oneof" and len({argument.words for argument in self.arguments}) > 1:
            return False
        return all(argument.is_fixed for argument in self.arguments)

    def walk(self) -> Iterator["Argument"]:
        """The argument and all below it, depth first."""
        yield self
        for argument in self.arguments:
            yield from argument.walk()


@dataclass(frozen=True, slots=True)
class Syntax:
    """A parsed declaration: `container` is empty for a top-level command; names are lower case."""

    name: str
    container: str
    arguments: tuple[Argument, ...]

    @property
    def full_name(self) -> str:
        """The name with its container: "config|get"."""
        return f"{self.container}|{self.name}" if self.container else self.name

    @property
    def arity(self) -> int:
        """Redis's arity: the number of words with the name, negative when it is only the minimum."""
        least = 1 + bool(self.container) + sum(argument.minimum for argument in self.arguments)
        return least if all(argument.is_fixed for argument in self.arguments) else -least


def parse(text: str) -> Syntax:
    """The syntax that `text` declares."""
    return _Parser(text).declaration()


def usage(arguments: tuple[Argument, ...]) -> str:
    """The arguments as HELP texts write them: `<value> [NX|XX] [<key> ...]`."""
    return " ".join(_usage(argument) for argument in arguments)


def _usage(argument: Argument) -> str:
    body = _usage_body(argument)
    head = f"{argument.token} " if argument.token is not None and argument.type != "pure-token" else ""
    if argument.multiple and argument.optional and not argument.multiple_token:
        body = f"{body} ..."
    elif argument.multiple:
        again = head + body if argument.multiple_token else body
        body = f"{body} [{again} ...]"
    text = head + body
    if argument.optional:
        return f"[{text}]"
    return f"({text})" if argument.type == "oneof" and not head and not argument.multiple else text


def _usage_body(argument: Argument) -> str:
    if argument.type == "pure-token":
        return argument.token if argument.token is not None else argument.display_text
    if argument.type == "block":
        return usage(argument.arguments)
    if argument.type == "oneof":
        alternatives = "|".join(_usage(alternative) for alternative in argument.arguments)
        return f"({alternatives})" if argument.token is not None or argument.multiple else alternatives
    return f"<{argument.display_text}>"


@dataclass(slots=True)
class _Item:
    """An argument while its sequence is read; `is_bare`: written as a plain word, so a token may bind onward."""

    argument: Argument
    is_bare: bool

    @property
    def is_loose_token(self) -> bool:
        return self.is_bare and self.argument.type == "pure-token" and not self.argument.multiple

    @property
    def takes_token(self) -> bool:
        return self.argument.token is None and not self.argument.optional and self.argument.type != "pure-token"


class _Parser:
    """Recursive descent over the lexemes of one declaration."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lexemes = self._scan()
        self.at = 0

    def _scan(self) -> list[tuple[str, str, int]]:
        lexemes = []
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _LEXEMES.match(self.text, position)
            if match is None or match.lastgroup is None:
                raise self._mistake("unexpected character", end - len(self.text[position:end].lstrip()))
            lexemes.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            position = match.end()
        return lexemes

    def _mistake(self, reason: str, position: int | None = None) -> DeclarationError:
        if position is None:
            position = self.lexemes[self.at][2] if self.at < len(self.lexemes) else len(self.text)
        return DeclarationError(f"{reason} at character {position} of the declaration {self.text!r}")

    def _peek(self, offset: int = 0) -> tuple[str, str]:
        index = self.at + offset
        return self.lexemes[index][:2] if index < len(self.lexemes) else ("end", "")

    def declaration(self) -> Syntax:
        names: list[str] = []
        while len(names) < 2 and self._is_token_word() and self._peek()[0] == "word":
            names.append(self._peek()[1].lower())
            self.at += 1
        if not names:
            raise self._mistake("a declaration begins with the command's name in upper case:")
        arguments = self._bind(self._items())
        if self._peek()[0] != "end":
            raise self._mistake(f"unexpected {self._peek()[1]!r}")
        return Syntax(names[-1], names[0] if len(names) == 2 else "", arguments)

    def _is_token_word(self) -> bool:
        kind, text = self._peek()
        if kind == "quoted":
            return True
        return kind == "word" and text == text.upper() and self._peek(1)[0] not in ("type", "display")

    def _items(self) -> list[_Item]:
        items = []
        while self._peek()[0] != "end" and self._peek() not in _ENDINGS:
            items.append(self._item())
        return items

    def _item(self) -> _Item:
        kind, text = self._peek()
        if kind == "mark" and text in _CLOSING:
            item = _Item(self._group(text), is_bare=False)
        elif kind in ("word", "quoted"):
            item = _Item(self._word(), is_bare=True)
        else:
            raise self._mistake(f"expected an argument, a token or a group, not {text!r}")
        item.argument = self._suffixes(item.argument)
        return item

    def _word(self) -> Argument:
        is_token = self._is_token_word()
        text = self._peek()[1]
        self.at += 1
        if is_token:
            token = text[1:-1] if text[0] in "\"'" else text
            return Argument(token.lower(), "pure-token", token.lower(), token)
        return Argument(text, TYPES.get(text, "string"), text)

    def _suffixes(self, argument: Argument) -> Argument:
        while True:
            kind, text = self._peek()
            if kind == "since":
                argument = replace(argument, since=text[1:])
            elif kind == "gone":
                argument = replace(argument, deprecated_since=text[1:])
            elif kind == "spec":
                argument = replace(argument, key_spec_index=int(text[1:]))
            elif kind == "display":
                argument = replace(argument, display_text=text[1:].strip('"'))
            elif kind == "type":
                argument = self._typed(argument, text[1:])
            elif kind == "ellipsis":
                argument = self._repeated(argument)
            else:
                return argument
            self.at += 1

    def _typed(self, argument: Argument, kind: str) -> Argument:
        if kind not in VALUE_TYPES:
            raise self._mistake(f"unknown type {kind!r} (known: {', '.join(sorted(VALUE_TYPES))})")
        return replace(argument, type=kind)

    def _repeated(self, argument: Argument) -> Argument:
        if argument.type == "pure-token":
            raise self._mistake(f"a pure token ({argument.token}) cannot be repeated")
        return replace(argument, multiple=True, multiple_token=argument.token is not None)

    def _group(self, opening: str) -> Argument:
        self.at += 1
        name = self._name()
        alternatives = [self._alternative()]
        while self._peek() == ("mark", "|"):
            self.at += 1
            own_name = self._name()
            alternatives.append(_renamed(self._alternative(), own_name))
        if self._peek() != ("mark", _CLOSING[opening]):
            raise self._mistake(f"expected {_CLOSING[opening]!r}")
        if len(alternatives) > 1:
            group = self._one_of(name, alternatives)
        elif alternatives[0].name or name:
            group = _renamed(alternatives[0], name)
        elif opening == "{":
            group = replace(alternatives[0], name="data")
        else:
            raise self._mistake("a group of several arguments needs a name, as in [range=start end]; it ends")
        self.at += 1
        return replace(group, optional=True) if opening == "[" else group

    def _name(self) -> str:
        if self._peek()[0] != "word" or self._peek(1) != ("mark", "="):
            return ""
        self.at += 2
        return self._peek(-2)[1]

    def _one_of(self, name: str, alternatives: list[Argument]) -> Argument:
        if not name:
            raise self._mistake("alternatives need a name, as in [condition=NX|XX]; the group ends")
        if not all(alternative.name for alternative in alternatives):
            raise self._mistake("an alternative of several arguments needs a name: a|(pair=b c); the group ends")
        return Argument(name, "oneof", arguments=tuple(alternatives))

    def _alternative(self) -> Argument:
        """The single item up to the next `|` or bracket, or a block (not yet named) of its items."""
        items = self._items()
        if not items:
            raise self._mistake("an empty group or alternative")
        if len(items) > 2 and items[0].is_loose_token and any(item.takes_token for item in items[2:]):
            head = items[0].argument
            return Argument(head.name, "block", token=head.token, since=head.since, arguments=self._bind(items[1:]))
        arguments = self._bind(items)
        return arguments[0] if len(arguments) == 1 else Argument("", "block", arguments=arguments)

    @staticmethod
    def _bind(items: list[_Item]) -> tuple[Argument, ...]:
        """The arguments of a sequence, each loose token given to the value or group that follows it."""
        arguments: list[Argument] = []
        pending: Argument | None = None
        for item in items:
            if pending is not None and item.takes_token:
                since = item.argument.since or pending.since
                arguments[-1] = replace(item.argument, token=pending.token, since=since)
                pending = None
            else:
                arguments.append(item.argument)
                pending = item.argument if item.is_loose_token else None
        return tuple(arguments)


def _renamed(argument: Argument, name: str) -> Argument:
    """The argument under the name of its group; a display text that was only its name follows it."""
    if not name:
        return argument
    shows_name = argument.display_text == argument.name
    return replace(argument, name=name, display_text=name if shows_name else argument.display_text)
