"""SORT and SORT_RO: the elements of a list, a set or a sorted set in order, or what other keys hold about them.

Idea: three steps that share nothing. `parse` reads the options; `ordered` gives the elements that LIMIT leaves, in
order of themselves or of the weights that BY finds; `fetch` gives what the GET patterns find about each. A pattern is a
key with a `*` in the element's place, and behind `->` a field of the hash under that key; `#` is the element itself.

Owner: the executor thread.
Invariants: all is read before STORE replaces its destination. Equal numbers are ordered by the elements' bytes, equal
texts stay in the order of the collection (with BY and LIMIT: in that of Redis's partial sort). Without STORE texts are
compared as the process's locale (LC_COLLATE) says, up to a NUL byte, with STORE by their bytes.
Limit: a packed sorted set stays packed (Redis unpacks it for good).
"""

import locale
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mtredis.errors import CommandError, SyntaxFault, WrongType
from mtredis.executor.arguments import integer
from mtredis.keyspace.field_expiry import NOT_EXPIRED, meet_field
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.lib.partial_sort import partial_sort
from mtredis.registry import keyspec
from mtredis.registry.command import DENYOOM, READONLY, WRITE, command
from mtredis.registry.keyspec import KeyFlag, KeyReference

if TYPE_CHECKING:
    from mtredis.executor.context import Context

COMPLEXITY = (
    "O(N + M * log(M)) for N elements of which M are replied with; O(N) when they are not sorted"
)
READ = KeyFlag.RO | KeyFlag.ACCESS
WORDS_BEHIND = {b"limit": 2, b"get": 1, b"by": 1}
# What Redis's number parser takes whole; it stops at a NUL byte, and nothing is 0.
NUMBER = re.compile(rb"(?:[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?)))?")
BYTE_ORDERED = ("C", "POSIX", "C.UTF-8", "C.utf8")


def sort_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    """The key to sort, and the last STORE's destination."""
    destination: list[KeyReference] = []
    at = 2
    while at < len(argv):
        word = argv[at].lower()
        if word in WORDS_BEHIND:
            at += WORDS_BEHIND[word]
        elif word == b"store" and at + 1 < len(argv):
            destination = [(at + 1, KeyFlag.OW | KeyFlag.UPDATE)]
        at += 1
    return [(1, READ), *destination]


@command("SORT key [BY by-pattern/pattern]#1 [LIMIT offset count] [GET get-pattern/pattern]...#1 [order=ASC|DESC] "
         "[sorting=ALPHA] [STORE destination]#2", flags=WRITE | DENYOOM, since="1.0.0", complexity=COMPLEXITY,
         key_specs=[keyspec.spec("RO ACCESS", index=1, last=0), keyspec.spec("RO ACCESS"), keyspec.spec("OW UPDATE")],
         getkeys=sort_keys, acl="set sortedset list dangerous -keyspace", group="generic")  # fmt: skip
def sort(ctx: "Context", argv: list[bytes]) -> None:
    """Sorts the elements of a list, a set or a sorted set, and replies with them or stores them."""
    options = parse(argv, may_store=True)
    elements = ordered(ctx, argv[1], options)
    found = fetch(ctx, elements, options.get)
    if options.store is None:
        ctx.reply.bulks(found)
    else:
        store(ctx, options.store, [b"" if value is None else value for value in found])


@command("SORT_RO key [BY by-pattern/pattern]#1 [LIMIT offset count] [GET get-pattern/pattern]...#1 "
         "[order=ASC|DESC] [sorting=ALPHA]", flags=READONLY, since="7.0.0", complexity=COMPLEXITY,
         key_specs=[keyspec.spec("RO ACCESS", index=1, last=0), keyspec.spec("RO ACCESS")],
         getkeys=lambda argv: [(1, READ)], acl="set sortedset list dangerous -keyspace", group="generic")  # fmt: skip
def sort_ro(ctx: "Context", argv: list[bytes]) -> None:
    """Sorts the elements of a list, a set or a sorted set, and replies with them."""
    options = parse(argv, may_store=False)
    ctx.reply.bulks(fetch(ctx, ordered(ctx, argv[1], options), options.get))


# --- options --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Options:
    """What a request asks for."""

    by: bytes | None = None
    is_unsorted: bool = False
    is_descending: bool = False
    is_alpha: bool = False
    offset: int = 0
    count: int = -1
    get: list[bytes] = field(default_factory=list)
    store: bytes | None = None


def parse(argv: list[bytes], *, may_store: bool) -> Options:
    """The options from word 2 on; of one that is repeated the last counts, but a BY without `*` stays in force."""
    options = Options()
    at, argc = 2, len(argv)
    while at < argc:
        word, left = argv[at].lower(), argc - at - 1
        if word in (b"asc", b"desc"):
            options.is_descending = word == b"desc"
        elif word == b"alpha":
            options.is_alpha = True
        elif word == b"limit" and left >= 2:
            options.offset, options.count = integer(argv[at + 1]), integer(argv[at + 2])
            at += 2
        elif word == b"store" and left and may_store:
            at += 1
            options.store = argv[at]
        elif word == b"by" and left:
            at += 1
            options.by = argv[at]
            options.is_unsorted = options.is_unsorted or b"*" not in c_string(argv[at])
        elif word == b"get" and left:
            at += 1
            options.get.append(argv[at])
        else:
            raise SyntaxFault()
        at += 1
    return options


def c_string(text: bytes) -> bytes:
    """The text up to its first NUL byte."""
    return text.partition(b"\0")[0]


def limits(options: Options, length: int) -> tuple[int, int]:
    """The first element that LIMIT leaves and the one behind the last."""
    start = min(max(options.offset, 0), length)
    count = min(max(options.count, -1), length)
    return start, length if count < 0 else min(start + count, length)


# --- order ----------------------------------------------------------------------------------------------------------


def ordered(ctx: "Context", key: bytes, options: Options) -> list[bytes]:
    """The elements that are asked for, in order."""
    collection = lookup(ctx, key)
    if collection is None:
        return []
    start, end = limits(options, len(collection))
    by, is_alpha = options.by, options.is_alpha
    if options.is_unsorted:
        if not isinstance(collection, Set):
            return in_own_order(collection, start, end, is_reversed=options.is_descending)
        if options.store is None:
            members: list[bytes] = collection.members()
            return members[start:end]
        by, is_alpha = None, True  # what is stored shall not depend on the order of a hash table
    elements = all_elements(collection)
    weights: list[bytes | None] = [*elements] if by is None else [*map(pattern(ctx, by), elements)]
    if is_alpha:
        keys: list[Any] = list(map(collation(is_exact=options.store is not None), weights))
    else:
        keys = list(zip(numbers(weights), elements, strict=True))
    if by is None:
        order = sorted(range(len(elements)), key=keys.__getitem__, reverse=options.is_descending)[start:end]
    else:
        order = partial_sort(keys, start, end, reverse=options.is_descending)
    return [elements[index] for index in order]


def lookup(ctx: "Context", key: bytes) -> Any:
    """The collection under the key, None if missing; a read lookup. Raises WrongType for what cannot be sorted."""
    kinds = {b"list": List, b"set": Set, b"zset": SortedSet}
    kind = ctx.db.peek_type(key)
    if kind is not None and kind not in kinds:
        ctx.db.contains(key)
        raise WrongType()
    return ctx.db.lookup_read(key, kinds[kind or b"list"])


def all_elements(collection: Any) -> list[bytes]:
    """All elements, in the collection's own order."""
    if isinstance(collection, Set):
        return list(collection.members())
    return in_own_order(collection, 0, len(collection), is_reversed=False)


def in_own_order(collection: Any, start: int, end: int, *, is_reversed: bool) -> list[bytes]:
    """A part of a list or of a sorted set, counted and given from the end if reversed."""
    if start >= end:
        return []
    if isinstance(collection, SortedSet):
        return list(collection.members(start, end - start, is_reversed))
    if not is_reversed:
        return list(collection.range(start, end - 1))
    return list(reversed(collection.range(-end, -start - 1)))


def numbers(weights: list[bytes | None]) -> list[float]:
    """What the weights say; a missing one is 0."""
    found = []
    for weight in weights:
        text = b"" if weight is None else c_string(weight)
        if NUMBER.fullmatch(text) is None:
            raise CommandError("ERR One or more scores can't be converted into double")
        found.append(float(text or b"0"))
    return found


def collation(*, is_exact: bool) -> Callable[[bytes | None], tuple[bool, bytes | str]]:
    """What a text is compared by: a missing one comes first."""
    if is_exact:
        return lambda text: (text is not None, text or b"")
    if locale.setlocale(locale.LC_COLLATE) in BYTE_ORDERED:
        return lambda text: (text is not None, c_string(text or b""))
    return lambda text: (text is not None, locale.strxfrm(c_string(text or b"").decode("utf-8", "surrogateescape")))


# --- what patterns find ---------------------------------------------------------------------------------------------


def pattern(ctx: "Context", text: bytes) -> Callable[[bytes], bytes | None]:
    """What finds the value for an element; None where there is none, or of another type."""
    shown = c_string(text)
    if shown == b"#":
        return lambda element: element
    star = shown.find(b"*")
    if star < 0:
        return lambda element: None
    arrow = shown.find(b"->", star + 1)
    prefix = text[:star]
    if arrow < 0 or arrow + 2 == len(shown):
        return partial(string_value, ctx, prefix, text[star + 1 :])
    return partial(field_value, ctx, prefix, text[star + 1 : arrow], text[arrow + 2 :])


def string_value(ctx: "Context", prefix: bytes, suffix: bytes, element: bytes) -> bytes | None:
    """The string under the element's key."""
    try:
        return ctx.db.string(prefix + element + suffix)
    except WrongType:
        return None


def field_value(ctx: "Context", prefix: bytes, suffix: bytes, name: bytes, element: bytes) -> bytes | None:
    """The field of the hash under the element's key; one whose time has passed goes, as with HGET."""
    key = prefix + element + suffix
    try:
        hash_ = ctx.db.lookup_read(key, Hash)
    except WrongType:
        return None
    if hash_ is None:
        return None
    is_there = meet_field(ctx.keyspace, ctx.db, key, hash_, name, ctx.announce) == NOT_EXPIRED
    return hash_.get(name) if is_there else None


def fetch(ctx: "Context", elements: list[bytes], patterns: list[bytes]) -> list[bytes | None]:
    """What the patterns find about each element in turn; the elements themselves when there are no patterns."""
    if not patterns:
        return [*elements]
    finders = [pattern(ctx, text) for text in patterns]
    return [find(element) for element in elements for find in finders]


def store(ctx: "Context", key: bytes, values: list[bytes]) -> None:
    """The key holds the values as a list, or is gone if there are none; replies with how many there are."""
    if values:
        result = ctx.keyspace.new(List)
        result.push(values, False)
        ctx.db.put(key, result)
        ctx.modified(key, b"sortstore", len(values))
    elif ctx.db.delete(key):
        ctx.modified(key, b"del")
    ctx.reply.integer(len(values))
