"""Where the keys of a command are: key specs as COMMAND INFO shows them, and the search that uses them.

Idea: a key spec says where to begin (a fixed index, or after a keyword) and how far to go (a range with a
step, or a number that precedes the keys). The specs follow from the places of the `key` arguments in the syntax;
what a command does with a key follows from its flags and may be said outright (`key_flags`, one text per spec:
"RW ACCESS UPDATE"). Shapes that no syntax tells are given as `key_specs` made with `spec()`.

Owner: none; specs are immutable. `find()` is a pure function of the specs and the request.
Limit: a spec that is UNKNOWN, INCOMPLETE or VARIABLE_FLAGS needs the command's own `getkeys` function to be exact.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag

from mtredis.registry.syntax import Argument, DeclarationError


class KeyFlag(IntFlag):
    """What a command does with a key; in the order in which COMMAND INFO names them."""

    RO = 1
    RW = 2
    OW = 4
    RM = 8
    ACCESS = 16
    UPDATE = 32
    INSERT = 64
    DELETE = 128
    NOT_KEY = 256
    INCOMPLETE = 512
    VARIABLE_FLAGS = 1024


NO_KEY_FLAG = KeyFlag(0)
_NOT_SHOWN_LOWER = KeyFlag.RO | KeyFlag.RW | KeyFlag.OW | KeyFlag.RM
_LEADING_INTEGER = re.compile(rb"\s*[+-]?\d{1,18}(?!\d)")


@dataclass(frozen=True, slots=True)
class BeginIndex:
    """The keys begin at word `index` of the request."""

    index: int


@dataclass(frozen=True, slots=True)
class BeginKeyword:
    """The keys begin after `keyword`, searched from word `startfrom` (negative: backwards from the end)."""

    keyword: str
    startfrom: int


@dataclass(frozen=True, slots=True)
class FindRange:
    """From the first key to `lastkey` after it (negative: from the end; with `limit` n, up to an n-th of the rest)."""

    lastkey: int
    keystep: int = 1
    limit: int = 0


@dataclass(frozen=True, slots=True)
class FindKeynum:
    """As many keys as word `keynumidx` after the beginning says, from `firstkey` after the beginning."""

    keynumidx: int = 0
    firstkey: int = 1
    keystep: int = 1


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One group of keys; `begin` or `find` is None where only the command itself knows."""

    flags: KeyFlag
    begin: BeginIndex | BeginKeyword | None
    find: FindRange | FindKeynum | None

    @property
    def is_plain_range(self) -> bool:
        """Whether the legacy triple (first key, last key, step) can tell it."""
        return isinstance(self.begin, BeginIndex) and isinstance(self.find, FindRange)


type KeyReference = tuple[int, KeyFlag]
type GetKeys = Callable[[Sequence[bytes]], list[KeyReference]]


def key_flags(text: str) -> KeyFlag:
    """The flags that a text such as "RW ACCESS UPDATE" names."""
    flags = NO_KEY_FLAG
    for word in text.split():
        if word not in KeyFlag.__members__:
            raise DeclarationError(f"unknown key flag {word!r} in {text!r} (known: {', '.join(KeyFlag.__members__)})")
        flags |= KeyFlag[word]
    return flags


def key_flag_names(flags: KeyFlag) -> list[str]:
    """The flags as COMMAND INFO writes them: RO, RW, OW, RM in upper case, the others in lower case."""
    return [str(flag.name) if flag & _NOT_SHOWN_LOWER else str(flag.name).lower() for flag in KeyFlag if flags & flag]


def spec(
    flags: str,
    *,
    index: int | None = None,
    keyword: str | None = None,
    startfrom: int = 1,
    last: int | None = None,
    step: int = 1,
    limit: int = 0,
    keynum: tuple[int, int, int] | None = None,
) -> KeySpec:
    """A key spec by hand: begins at `index` or after `keyword` (neither: unknown); goes to `last` or by `keynum`."""
    begin: BeginIndex | BeginKeyword | None = None
    if index is not None:
        begin = BeginIndex(index)
    elif keyword is not None:
        begin = BeginKeyword(keyword, startfrom)
    find: FindRange | FindKeynum | None = None
    if keynum is not None:
        find = FindKeynum(*keynum)
    elif last is not None:
        find = FindRange(last, step, limit)
    return KeySpec(key_flags(flags), begin, find)


# --- derivation from the syntax -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Walk:
    """The place in the syntax: `position` is None once an earlier argument may or may not be there."""

    specs: list[KeySpec]
    names: list[str]
    position: int | None
    fixed: int  # the first place that is not certain any more: keywords are searched from here

    def advance(self, argument: Argument) -> None:
        if self.position is not None:
            self.fixed = self.position + (argument.words if argument.is_fixed else 0)
            self.position = self.fixed if argument.is_fixed else None


def derive(arguments: tuple[Argument, ...], first: int) -> tuple[tuple[Argument, ...], list[KeySpec], list[str]]:
    """The tree with key_spec_index set, the specs without flags, and the name of each spec's key argument.

    `first` is the index of the first argument's word: 1, or 2 after a subcommand.
    """
    walk = _Walk([], [], first, first)
    return _derive_sequence(arguments, walk, None), walk.specs, walk.names


def _derive_sequence(arguments: tuple[Argument, ...], walk: _Walk, keyword: str | None) -> tuple[Argument, ...]:
    derived = []
    for at, argument in enumerate(arguments):
        previous, rest = (arguments[at - 1] if at else None), arguments[at + 1 :]
        derived.append(_derive_one(argument, previous, rest, walk, keyword if _is_reached(arguments[:at]) else None))
        walk.advance(argument)
    return tuple(derived)


def _is_reached(before: tuple[Argument, ...]) -> bool:
    """Whether the argument directly follows the keyword, or only the number of keys stands between."""
    return not before or (len(before) == 1 and before[0].name == "numkeys")


def _derive_one(
    argument: Argument, previous: Argument | None, rest: tuple[Argument, ...], walk: _Walk, keyword: str | None
) -> Argument:
    if not any(node.type == "key" for node in argument.walk()):
        return argument
    if argument.token is not None:
        keyword = argument.token
    begin: BeginIndex | BeginKeyword | None = None
    if argument.token is not None and (argument.optional or walk.position is None):
        begin = BeginKeyword(argument.token, walk.fixed)
    elif walk.position is not None:
        begin = BeginIndex(walk.position + (argument.token is not None))
    elif keyword is not None:
        begin = BeginKeyword(keyword, walk.fixed)
    if argument.type == "key":
        return _add_key(argument, previous, rest, walk, begin)
    if argument.type == "block" and argument.multiple:
        return _add_repeated_block(argument, rest, walk, begin)
    return _derive_group(argument, walk, keyword)


def _derive_group(argument: Argument, walk: _Walk, keyword: str | None) -> Argument:
    """Keys inside a block or among alternatives; the place after it is settled by the caller."""
    position, fixed = walk.position, walk.fixed
    if argument.token is not None:
        walk.position = None if argument.optional or position is None else position + 1
    if argument.type == "block":
        inner = _derive_sequence(argument.arguments, walk, keyword)
    else:
        alternatives = []
        for alternative in argument.arguments:
            walk.position, walk.fixed = position, fixed
            if argument.optional:
                walk.position = None
            alternatives.append(_derive_one(alternative, None, (), walk, keyword))
        inner = tuple(alternatives)
    walk.position, walk.fixed = position, fixed
    return replace(argument, arguments=inner)


def _add_key(
    argument: Argument,
    previous: Argument | None,
    rest: tuple[Argument, ...],
    walk: _Walk,
    begin: BeginIndex | BeginKeyword | None,
) -> Argument:
    find: FindRange | FindKeynum | None = None
    if argument.multiple and previous is not None and previous.name == "numkeys":
        find = FindKeynum()
        if isinstance(begin, BeginIndex):
            begin = BeginIndex(begin.index - 1)
    elif not argument.multiple:
        find = FindRange(0)
    elif all(after.is_fixed for after in rest):
        find = FindRange(-1 - sum(after.words for after in rest))
    elif len(rest) == 1 and rest[0].multiple and not rest[0].optional:
        find = FindRange(-1, 1, 2)
    return _add(argument, walk, begin if find is not None else None, find if begin is not None else None)


def _add_repeated_block(
    argument: Argument, rest: tuple[Argument, ...], walk: _Walk, begin: BeginIndex | BeginKeyword | None
) -> Argument:
    keys = [at for at, node in enumerate(argument.arguments) if node.type == "key"]
    is_plain = len(keys) == 1 and all(node.is_fixed and node.words == 1 for node in argument.arguments)
    if not is_plain or not all(after.is_fixed for after in rest) or isinstance(begin, BeginKeyword):
        raise DeclarationError(f"where the keys of {argument.name!r} are cannot be derived: give key_specs=")
    if begin is not None:
        begin = BeginIndex(begin.index + keys[0])
    nodes = list(argument.arguments)
    find = FindRange(-1 - sum(after.words for after in rest), len(nodes))
    nodes[keys[0]] = _add(nodes[keys[0]], walk, begin, find if begin is not None else None)
    return replace(argument, arguments=tuple(nodes))


def _add(
    argument: Argument, walk: _Walk, begin: BeginIndex | BeginKeyword | None, find: FindRange | FindKeynum | None
) -> Argument:
    walk.specs.append(KeySpec(NO_KEY_FLAG, begin, find))
    walk.names.append(argument.name)
    return replace(argument, key_spec_index=len(walk.specs) - 1)


def number_keys(arguments: tuple[Argument, ...]) -> tuple[Argument, ...]:
    """The tree with the key arguments that name no spec (`#n`) numbered in order; for specs written by hand."""
    counter = iter(range(len(arguments) * 1000))

    def number(argument: Argument) -> Argument:
        if argument.arguments:
            argument = replace(argument, arguments=tuple(number(node) for node in argument.arguments))
        if argument.type == "key" and argument.key_spec_index < 0:
            argument = replace(argument, key_spec_index=next(counter))
        return argument

    return tuple(number(argument) for argument in arguments)


_TARGETS = frozenset(("destination", "destkey", "storekey", "storedistkey", "newkey"))


def default_flags(names: Sequence[str], *, writes: bool, reads: bool) -> list[KeyFlag]:
    """What a command that writes, reads, or does neither most likely does with keys of these names."""
    if not writes:
        return [KeyFlag.RO | KeyFlag.ACCESS if reads else KeyFlag.RO for _ in names]
    has_target = any(name in _TARGETS for name in names)
    flags = []
    for name in names:
        if name in _TARGETS:
            flags.append(KeyFlag.OW | KeyFlag.UPDATE)
        elif has_target:
            flags.append(KeyFlag.RO | KeyFlag.ACCESS)
        else:
            flags.append(KeyFlag.RW | KeyFlag.UPDATE)
    return flags


# --- the legacy triple ----------------------------------------------------------------------------------------------


def legacy_range(specs: Sequence[KeySpec]) -> tuple[int, int, int, bool]:
    """First key, last key, step (0, 0, 0: none) as before key specs, and whether that leaves keys out (movablekeys)."""
    if not specs:
        return 0, 0, 0, False
    is_incomplete = any(spec.flags & KeyFlag.INCOMPLETE for spec in specs if spec.is_plain_range)
    if len(specs) == 1 and specs[0].is_plain_range:
        first, last, step = _plain(specs[0])
        return first, last, step, is_incomplete
    first, last, previous, is_movable = 0, 0, 0, is_incomplete
    for key_spec in specs:
        if not key_spec.is_plain_range:
            is_movable = True
            continue
        begins, ends, step = _plain(key_spec)
        if step != 1 or (previous and previous != begins - 1):
            is_movable = True
            continue
        first = min(first, begins) if first else begins
        # A negative end (counted from the request's end) is beyond every positive one.
        last = ends if ends < 0 or (last >= 0 and ends > last) else last
        previous = last
    return (first, last, 1, is_movable) if first else (0, 0, 0, True)


def _plain(key_spec: KeySpec) -> tuple[int, int, int]:
    assert isinstance(key_spec.begin, BeginIndex) and isinstance(key_spec.find, FindRange)
    first, last = key_spec.begin.index, key_spec.find.lastkey
    return first, last + first if last >= 0 else last, key_spec.find.keystep


# --- the search -----------------------------------------------------------------------------------------------------


def find(specs: Sequence[KeySpec], argv: Sequence[bytes]) -> list[KeyReference] | None:
    """The keys of a request with their flags; None when the specs cannot tell (malformed request, incomplete specs)."""
    found: list[KeyReference] = []
    for key_spec in specs:
        if key_spec.flags & KeyFlag.NOT_KEY:
            continue
        if key_spec.begin is None or key_spec.find is None:
            return None
        first = _first(key_spec.begin, argv)
        if not first:
            continue
        span = _span(key_spec.find, first, argv)
        if span is None:
            return None
        found.extend((index, key_spec.flags) for index in range(span[0], span[1] + 1, key_spec.find.keystep))
        if key_spec.flags & KeyFlag.INCOMPLETE:
            return None
    return found


def _first(begin: BeginIndex | BeginKeyword, argv: Sequence[bytes]) -> int:
    """The index where the keys begin; 0: the keyword is not there."""
    if isinstance(begin, BeginIndex):
        return begin.index
    argc = len(argv)
    keyword = begin.keyword.encode().lower()
    if begin.startfrom > 0:
        places = range(begin.startfrom, argc - 1)
    else:
        places = range(argc + begin.startfrom, 1, -1)
    return next((place + 1 for place in places if 1 <= place < argc and argv[place].lower() == keyword), 0)


def _span(how: FindRange | FindKeynum, first: int, argv: Sequence[bytes]) -> tuple[int, int] | None:
    """The indexes of the first and the last key; None when they are not within the request."""
    argc = len(argv)
    if isinstance(how, FindKeynum):
        place = first + how.keynumidx
        number = _number(argv[place]) if place < argc else None
        if number is None or number < 0:
            return None
        first += how.firstkey
        last = first + number - 1
    elif how.lastkey >= 0:
        last = first + how.lastkey
    elif how.limit:
        last = first + (argc - first) // how.limit + how.lastkey
    else:
        last = argc + how.lastkey
    return None if last >= argc or last < first or first >= argc else (first, last)


def _number(text: bytes) -> int | None:
    """The integer that `text` begins with, as C's atoi reads it: the command itself is stricter, and refuses later."""
    found = _LEADING_INTEGER.match(text)
    return int(found[0]) if found else None


# --- commands whose request tells what happens to the key ------------------------------------------------------------


def set_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    """SET: with the option GET the old value is read too."""
    if any(word.lower() == b"get" for word in argv[3:]):
        return [(1, KeyFlag.RW | KeyFlag.ACCESS | KeyFlag.UPDATE)]
    return [(1, KeyFlag.OW | KeyFlag.UPDATE)]


def bitfield_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    """BITFIELD: only reads when every operation is a GET (or an OVERFLOW between them)."""
    at = 2
    while at < len(argv):
        words = {b"get": 3, b"overflow": 2}.get(argv[at].lower())
        if words is None or at + words > len(argv):
            return [(1, KeyFlag.RW | KeyFlag.ACCESS | KeyFlag.UPDATE)]
        at += words
    return [(1, KeyFlag.RO | KeyFlag.ACCESS)]
