"""Ranges of sorted sets by rank, score or member: ZRANGE and its older forms, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY*.

Idea: a range of scores or members is two bounds, and a bound is a question for a rank: how many members lie before it.
So every range becomes one of ranks, after which replying, counting, storing and removing are the same for all kinds.

Owner: the executor thread. Invariant: all words are read before the sorted set is looked up.
Limits: by member (BYLEX) the result means something only if all scores are equal, as in Redis; otherwise ours differs.
A negative offset of LIMIT gives nothing from a listpack and counts from the far end in a skiplist: Redis's own ways.
"""

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from mtredis.commands.sorted_set.replies import reply_with_scores
from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.registry.command import DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

RANGE_COMPLEXITY = "O(log(N)+M) for M members in the range"

# --- bounds -----------------------------------------------------------------------------------------------------------

FLOAT = re.compile(rb"(?i)[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)")


class Kind(Enum):
    """What the bounds of a range are."""

    RANK = auto()
    SCORE = auto()
    TEXT = auto()


class Bound(NamedTuple):
    """A place between members: before (`beyond`: behind) all that have this score, or this text."""

    value: float | bytes
    beyond: bool


FIRST, LAST = Bound(b"-", False), Bound(b"+", True)  # the ends; told by identity


def score_bound(text: bytes, *, is_low: bool) -> Bound:
    """A score, which is part of the range unless a parenthesis stands before it. Nothing is 0, an overflow infinite."""
    is_exclusive = text[:1] == b"("
    digits = text[is_exclusive:].partition(b"\0")[0]
    if digits and not FLOAT.fullmatch(digits):
        raise CommandError("ERR min or max is not a float")
    return Bound(float(digits) if digits else 0.0, is_exclusive == is_low)


def text_bound(text: bytes, *, is_low: bool) -> Bound:
    """A text behind `[`, or behind `(` if it is not part of the range; - and + are the ends."""
    if text in (b"-", b"+"):
        return FIRST if text == b"-" else LAST
    if text[:1] not in (b"(", b"["):
        raise CommandError("ERR min or max not valid string range item")
    return Bound(text[1:], (text[:1] == b"(") == is_low)


def rank_of(zset: SortedSet, bound: Bound) -> int:
    """How many members lie before the bound."""
    if bound is FIRST or bound is LAST:
        return zset.length() if bound is LAST else 0
    if isinstance(bound.value, bytes):
        return zset.rank_of_text(bound.value, bound.beyond)
    return zset.rank_of_score(bound.value, bound.beyond)


BOUNDS = {Kind.SCORE: score_bound, Kind.TEXT: text_bound}


def between(zset: SortedSet, low: Bound, high: Bound) -> tuple[int, int]:
    """The rank of the first member between two bounds, and how many there are."""
    start = rank_of(zset, low)
    return start, max(rank_of(zset, high) - start, 0)


def ranks(zset: SortedSet, start: int, stop: int) -> tuple[int, int]:
    """The first of the ranks `start` to `stop`, both included, negative ones from the end; and how many there are."""
    length = zset.length()
    start = max(start + length if start < 0 else start, 0)
    stop = min(stop + length if stop < 0 else stop, length - 1)
    return start, max(stop - start + 1, 0)


# --- what ZRANGE is told ----------------------------------------------------------------------------------------------


class Range(NamedTuple):
    """A range as ZRANGE's words describe it."""

    kind: Kind
    is_reverse: bool
    has_scores: bool
    offset: int
    limit: int  # below 0: no limit
    ends: tuple[int, int]  # by rank
    bounds: tuple[Bound, Bound]  # by score or text, the lower first


def parse_range(argv: list[bytes], at: int, *, kind: Kind | None, is_reverse: bool | None, is_store: bool) -> Range:
    """The range whose first bound is word `at`; what the command's name says is not None."""
    has_scores = False
    offset, limit = 0, -1
    words = iter(range(at + 2, len(argv)))
    for position in words:
        word = argv[position].upper()
        if word == b"WITHSCORES" and not is_store:
            has_scores = True
        elif word == b"LIMIT" and position + 2 < len(argv):
            offset, limit = integer(argv[position + 1]), integer(argv[position + 2])
            next(words)
            next(words)
        elif word == b"REV" and is_reverse is None:
            is_reverse = True
        elif word in (b"BYLEX", b"BYSCORE") and kind is None:
            kind = Kind.TEXT if word == b"BYLEX" else Kind.SCORE
        else:
            raise SyntaxFault()
    return finish_range(argv[at : at + 2], kind or Kind.RANK, bool(is_reverse), has_scores, offset, limit)


def finish_range(
    ends: list[bytes], kind: Kind, is_reverse: bool, has_scores: bool, offset: int, limit: int
) -> Range:  # fmt: skip
    """Checks the options together and reads the two ends."""
    if limit != -1 and kind is Kind.RANK:
        raise CommandError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if has_scores and kind is Kind.TEXT:
        raise CommandError("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    if kind is Kind.RANK:
        start, stop = integer(ends[0]), integer(ends[1])
        return Range(kind, is_reverse, has_scores, offset, limit, (start, stop), (FIRST, LAST))
    low, high = reversed(ends) if is_reverse else ends
    bounds = BOUNDS[kind](low, is_low=True), BOUNDS[kind](high, is_low=False)
    return Range(kind, is_reverse, has_scores, offset, limit, (0, -1), bounds)


def span(zset: SortedSet, wanted: Range) -> tuple[int, int]:
    """The rank, counted in the direction of the range, of its first member, and how many there are."""
    if wanted.kind is Kind.RANK:
        return ranks(zset, *wanted.ends)
    start, count = between(zset, *wanted.bounds)
    if wanted.is_reverse:
        start = zset.length() - start - count
    offset = wanted.offset
    if offset < 0:
        offset = count if zset.encoding == b"listpack" else count + offset
    if not 0 <= offset < count:
        return 0, 0
    count -= offset
    return start + offset, count if wanted.limit < 0 else min(count, wanted.limit)


# --- replying ---------------------------------------------------------------------------------------------------------


def reply_range(ctx: "Context", argv: list[bytes], kind: Kind | None, is_reverse: bool | None) -> None:
    """ZRANGE and its older forms."""
    wanted = parse_range(argv, 2, kind=kind, is_reverse=is_reverse, is_store=False)
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    if zset is None:
        ctx.reply.array(0)
        return
    rank, count = span(zset, wanted)
    if wanted.has_scores:
        reply_with_scores(ctx, zset.range(rank, count, wanted.is_reverse))
    else:
        ctx.reply.bulks(zset.members(rank, count, wanted.is_reverse))


@command(
    "ZRANGE key start:string stop:string [sortby=BYSCORE|BYLEX]@6.2.0 [REV]@6.2.0 [LIMIT offset count]@6.2.0 "
    "[WITHSCORES]",
    flags=READONLY, since="1.2.0", complexity=RANGE_COMPLEXITY,
)  # fmt: skip
def zrange(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members in a range of ranks, scores or texts, in either direction."""
    reply_range(ctx, argv, None, None)


@command("ZREVRANGE key start stop [WITHSCORES]", flags=READONLY, since="1.2.0", complexity=RANGE_COMPLEXITY,
         deprecated_since="6.2.0", replaced_by="`ZRANGE` with the `REV` argument")  # fmt: skip
def zrevrange(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members in a range of ranks that are counted from the highest score down."""
    reply_range(ctx, argv, Kind.RANK, True)


@command("ZRANGEBYSCORE key min max [WITHSCORES]@2.0.0 [LIMIT offset count]", flags=READONLY, since="1.0.5",
         complexity=RANGE_COMPLEXITY, deprecated_since="6.2.0",
         replaced_by="`ZRANGE` with the `BYSCORE` argument")  # fmt: skip
def zrangebyscore(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members whose scores are between two, lowest first."""
    reply_range(ctx, argv, Kind.SCORE, False)


@command("ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]", flags=READONLY, since="2.2.0",
         complexity=RANGE_COMPLEXITY, deprecated_since="6.2.0",
         replaced_by="`ZRANGE` with the `REV` and `BYSCORE` arguments")  # fmt: skip
def zrevrangebyscore(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members whose scores are between two, highest first."""
    reply_range(ctx, argv, Kind.SCORE, True)


@command("ZRANGEBYLEX key min:string max:string [LIMIT offset count]", flags=READONLY, since="2.8.9",
         complexity=RANGE_COMPLEXITY, deprecated_since="6.2.0",
         replaced_by="`ZRANGE` with the `BYLEX` argument")  # fmt: skip
def zrangebylex(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members between two texts in ascending order, where all scores are equal."""
    reply_range(ctx, argv, Kind.TEXT, False)


@command("ZREVRANGEBYLEX key max:string min:string [LIMIT offset count]", flags=READONLY, since="2.8.9",
         complexity=RANGE_COMPLEXITY, deprecated_since="6.2.0",
         replaced_by="`ZRANGE` with the `REV` and `BYLEX` arguments")  # fmt: skip
def zrevrangebylex(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members between two texts in descending order, where all scores are equal."""
    reply_range(ctx, argv, Kind.TEXT, True)


# --- counting ---------------------------------------------------------------------------------------------------------


def reply_count(ctx: "Context", argv: list[bytes], kind: Kind) -> None:
    """ZCOUNT and ZLEXCOUNT."""
    low, high = BOUNDS[kind](argv[2], is_low=True), BOUNDS[kind](argv[3], is_low=False)
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    ctx.reply.integer(0 if zset is None else between(zset, low, high)[1])


@command("ZCOUNT key min max", flags=READONLY | FAST, since="2.0.0", complexity="O(log(N))")
def zcount(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many members have a score between two."""
    reply_count(ctx, argv, Kind.SCORE)


@command("ZLEXCOUNT key min:string max:string", flags=READONLY | FAST, since="2.8.9", complexity="O(log(N))")
def zlexcount(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many members are between two texts, where all scores are equal."""
    reply_count(ctx, argv, Kind.TEXT)


# --- removing ---------------------------------------------------------------------------------------------------------


def remove(ctx: "Context", key: bytes, zset: SortedSet | None, place: tuple[int, int], event: bytes) -> None:
    """Takes the members at the ranks out of the sorted set and replies with how many there were."""
    rank, count = place
    if zset is not None and count:
        zset.remove_range(rank, count)
        ctx.modified(key, event, count)
        if ctx.db.drop_if_empty(key, zset):
            ctx.notify(b"del", key)
    ctx.reply.integer(count)


@command("ZREMRANGEBYRANK key start stop", flags=WRITE, since="2.0.0", complexity=RANGE_COMPLEXITY,
         key_flags="RW DELETE")  # fmt: skip
def zremrangebyrank(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the members with ranks between two out of a sorted set."""
    start, stop = integer(argv[2]), integer(argv[3])
    zset = ctx.db.lookup_write(argv[1], SortedSet)
    remove(ctx, argv[1], zset, (0, 0) if zset is None else ranks(zset, start, stop), b"zremrangebyrank")


def remove_between(ctx: "Context", argv: list[bytes], kind: Kind, event: bytes) -> None:
    """ZREMRANGEBYSCORE and ZREMRANGEBYLEX."""
    low, high = BOUNDS[kind](argv[2], is_low=True), BOUNDS[kind](argv[3], is_low=False)
    zset = ctx.db.lookup_write(argv[1], SortedSet)
    remove(ctx, argv[1], zset, (0, 0) if zset is None else between(zset, low, high), event)


@command("ZREMRANGEBYSCORE key min max", flags=WRITE, since="1.2.0", complexity=RANGE_COMPLEXITY,
         key_flags="RW DELETE")  # fmt: skip
def zremrangebyscore(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the members with scores between two out of a sorted set."""
    remove_between(ctx, argv, Kind.SCORE, b"zremrangebyscore")


@command("ZREMRANGEBYLEX key min:string max:string", flags=WRITE, since="2.8.9", complexity=RANGE_COMPLEXITY,
         key_flags="RW DELETE")  # fmt: skip
def zremrangebylex(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the members between two texts out of a sorted set whose scores are all equal."""
    remove_between(ctx, argv, Kind.TEXT, b"zremrangebylex")


# --- storing ----------------------------------------------------------------------------------------------------------


@command(
    "ZRANGESTORE dst src min:string max:string [sortby=BYSCORE|BYLEX] [REV] [LIMIT offset count]",
    flags=WRITE | DENYOOM, since="6.2.0", complexity=RANGE_COMPLEXITY, key_flags=["OW UPDATE", "RO ACCESS"],
)  # fmt: skip
def zrangestore(ctx: "Context", argv: list[bytes]) -> None:
    """Puts the members in a range of one sorted set under another key and replies with how many they are."""
    wanted = parse_range(argv, 3, kind=None, is_reverse=None, is_store=True)
    target = argv[1]
    source = ctx.db.lookup_read(argv[2], SortedSet)
    pairs = [] if source is None else source.range(*span(source, wanted), wanted.is_reverse)
    if pairs:
        result = ctx.keyspace.new(SortedSet)
        result.update_many(pairs[::2], pairs[1::2])
        ctx.db.put(target, result)
        ctx.modified(target, b"zrangestore")
    elif ctx.db.delete(target):
        ctx.modified(target, b"del")
    ctx.reply.integer(len(pairs) // 2)
