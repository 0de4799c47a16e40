"""What several sorted sets (or sets, whose members have the score 1) give together: union, intersection, difference.

Idea: the sources are looked up first and put in the order in which Redis combines them, since sums of floats depend on
it; the result is a dict of scores, which is replied in order or put under the destination in one step.

Owner: the executor thread. Costs: those that Redis documents; an intersection walks the smallest source and asks the
others. Invariant: the result is complete before the destination, which may be a source, is touched.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mtredis.commands.sorted_set.replies import reply_with_scores
from mtredis.errors import CommandError, NotFloat, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.lib.numbers import parse_float
from mtredis.registry.command import DENYOOM, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

type Scores = dict[bytes, float]

# --- sources ----------------------------------------------------------------------------------------------------------


class Source:
    """A key that takes part: a sorted set, a set, or nothing."""

    __slots__ = ("length", "value", "weight")

    def __init__(self, ctx: "Context", key: bytes) -> None:
        kind = Set if ctx.db.peek_type(key) == b"set" else SortedSet
        self.value: Set | SortedSet | None = ctx.db.lookup_read(key, kind)
        self.length: int = 0 if self.value is None else self.value.length()
        self.weight = 1.0

    def scores(self) -> Scores:
        """Its members with their scores, unweighted."""
        if isinstance(self.value, SortedSet):
            pairs = self.value.range(0, self.length)
            return dict(zip(pairs[::2], pairs[1::2], strict=True))
        return {} if self.value is None else dict.fromkeys(self.value.members(), 1.0)

    def score(self, member: bytes) -> float | None:
        """The member's score, None if it is none."""
        if isinstance(self.value, SortedSet):
            found: float | None = self.value.score(member)
            return found
        return 1.0 if self.value is not None and self.value.contains(member) else None


def look_up(ctx: "Context", argv: list[bytes], at: int, name: str) -> tuple[list[Source], int]:
    """The sources, whose number is word `at`, and where the options begin."""
    count = integer(argv[at])
    if count < 1:
        raise CommandError(f"ERR at least 1 input key is needed for '{name}' command")
    first = at + 1
    if count > len(argv) - first:
        raise SyntaxFault()
    return [Source(ctx, key) for key in argv[first : first + count]], first + count


# --- aggregates -------------------------------------------------------------------------------------------------------


def add(a: float, b: float) -> float:
    """The sum; inf and -inf give 0."""
    total = a + b
    return total if total == total else 0.0


def lower(a: float, b: float) -> float:
    return b if b < a else a


def higher(a: float, b: float) -> float:
    return b if b > a else a


type Aggregate = Callable[[float, float], float]
AGGREGATES: dict[bytes, Aggregate] = {b"SUM": add, b"MIN": lower, b"MAX": higher}


def weighted(source: Source, score: float) -> float:
    """A score times the source's weight; 0 times infinity is 0."""
    product = source.weight * score
    return product if product == product else 0.0


def parse_options(
    argv: list[bytes], at: int, sources: list[Source], *, is_weighted: bool, is_store: bool
) -> tuple[Aggregate, bool]:
    """Gives the sources their weights; how to aggregate, and whether WITHSCORES was given."""
    aggregate: Aggregate = add
    has_scores = False
    while at < len(argv):
        word = argv[at].upper()
        left = len(argv) - at - 1
        if word == b"WEIGHTS" and is_weighted and left >= len(sources):
            for source in sources:
                at += 1
                source.weight = parse_weight(argv[at])
        elif word == b"AGGREGATE" and is_weighted and left >= 1 and argv[at + 1].upper() in AGGREGATES:
            at += 1
            aggregate = AGGREGATES[argv[at].upper()]
        elif word == b"WITHSCORES" and not is_store:
            has_scores = True
        else:
            raise SyntaxFault()
        at += 1
    return aggregate, has_scores


def parse_weight(text: bytes) -> float:
    try:
        return parse_float(text)
    except NotFloat:
        raise CommandError("ERR weight value is not a float") from None


# --- the operations ---------------------------------------------------------------------------------------------------


def by_length(source: Source) -> int:
    return source.length


def unite(sources: list[Source], aggregate: Aggregate) -> Scores:
    """The members of all sources."""
    result: Scores = {}
    for source in sorted(sources, key=by_length):
        for member, score in source.scores().items():
            score = weighted(source, score)
            result[member] = aggregate(result[member], score) if member in result else score
    return result


def intersect(sources: list[Source], aggregate: Aggregate, limit: int = 0) -> Scores:
    """The members that are in every source; up to `limit` of them if that is not 0."""
    smallest, *others = sorted(sources, key=by_length)
    result: Scores = {}
    for member, score in smallest.scores().items():
        total = weighted(smallest, score)
        for other in others:
            found = other.score(member)
            if found is None:
                break
            total = aggregate(total, found * other.weight)
        else:
            result[member] = total
            if limit and len(result) >= limit:
                break
    return result


def subtract(sources: list[Source], aggregate: Aggregate) -> Scores:
    """The members of the first source that are in no other; asks the others, or walks them if that is less work."""
    first, *others = sources
    result = first.scores()
    total = sum(source.length for source in sources)
    if first.length * len(sources) // 2 <= total:
        others.sort(key=by_length, reverse=True)
        return {
            member: score for member, score in result.items()
            if all(other.score(member) is None for other in others)
        }  # fmt: skip
    for other in others:
        for member in other.scores():
            result.pop(member, None)
    return result


type Operation = Callable[[list[Source], Aggregate], Scores]


def combine(ctx: "Context", argv: list[bytes], name: str, operation: Operation) -> None:
    """ZUNION, ZINTER, ZDIFF."""
    sources, at = look_up(ctx, argv, 1, name)
    aggregate, has_scores = parse_options(argv, at, sources, is_weighted=operation is not subtract, is_store=False)
    result = operation(sources, aggregate)
    ordered = sorted(zip(result.values(), result, strict=True))
    if has_scores:
        reply_with_scores(ctx, [value for score, member in ordered for value in (member, score)])
    else:
        ctx.reply.bulks([member for _, member in ordered])


def combine_and_store(ctx: "Context", argv: list[bytes], name: str, operation: Operation) -> None:
    """ZUNIONSTORE, ZINTERSTORE, ZDIFFSTORE; the event has the command's name."""
    sources, at = look_up(ctx, argv, 2, name)
    aggregate, _ = parse_options(argv, at, sources, is_weighted=operation is not subtract, is_store=True)
    result = operation(sources, aggregate)
    target = argv[1]
    if result:
        zset = ctx.keyspace.new(SortedSet)
        longest = max(result, key=len)   # first: what was packed once has lost the sign of -0
        result = {longest: result[longest]} | result
        zset.update_many(list(result), list(result.values()))
        ctx.db.put(target, zset)
        ctx.modified(target, name.encode())
    elif ctx.db.delete(target):
        ctx.modified(target, b"del")
    ctx.reply.integer(len(result))


# --- the commands -----------------------------------------------------------------------------------------------------


@command(
    "ZUNION numkeys key... [WEIGHTS weight...] [AGGREGATE (aggregate=SUM|MIN|MAX)] [WITHSCORES]",
    flags=READONLY,
    since="6.2.0",
    complexity="O(N)+O(M*log(M)) for N members in all, M in the result",
)
def zunion(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members of several sorted sets, the scores of each combined."""
    combine(ctx, argv, "zunion", unite)


@command(
    "ZUNIONSTORE destination numkeys key... [WEIGHTS weight...] [AGGREGATE (aggregate=SUM|MIN|MAX)]",
    flags=WRITE | DENYOOM,
    since="2.0.0",
    complexity="O(N)+O(M*log(M)) for N members in all, M in the result",
)
def zunionstore(ctx: "Context", argv: list[bytes]) -> None:
    """Stores the members of several sorted sets, the scores of each combined."""
    combine_and_store(ctx, argv, "zunionstore", unite)


@command("ZINTER numkeys key... [WEIGHTS weight...] [AGGREGATE (aggregate=SUM|MIN|MAX)] [WITHSCORES]",
         flags=READONLY, since="6.2.0",
         complexity="O(N*K)+O(M*log(M)) for N members in the smallest of K, M in the result")  # fmt: skip
def zinter(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members that several sorted sets have in common, the scores of each combined."""
    combine(ctx, argv, "zinter", intersect)


@command("ZINTERSTORE destination numkeys key... [WEIGHTS weight...] [AGGREGATE (aggregate=SUM|MIN|MAX)]",
         flags=WRITE | DENYOOM, since="2.0.0",
         complexity="O(N*K)+O(M*log(M)) for N members in the smallest of K, M in the result")  # fmt: skip
def zinterstore(ctx: "Context", argv: list[bytes]) -> None:
    """Stores the members that several sorted sets have in common, the scores of each combined."""
    combine_and_store(ctx, argv, "zinterstore", intersect)


@command("ZINTERCARD numkeys key... [LIMIT limit]", flags=READONLY, since="7.0.0",
         complexity="O(N*K) for N members in the smallest of K")  # fmt: skip
def zintercard(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many members several sorted sets have in common, counting no further than a limit."""
    sources, at = look_up(ctx, argv, 1, "zintercard")
    limit = 0
    while at < len(argv):
        if argv[at].upper() != b"LIMIT" or at + 1 == len(argv):
            raise SyntaxFault()
        limit = integer(argv[at + 1], "LIMIT can't be negative")
        if limit < 0:
            raise CommandError("ERR LIMIT can't be negative")
        at += 2
    ctx.reply.integer(len(intersect(sources, add, limit)))


@command("ZDIFF numkeys key... [WITHSCORES]", flags=READONLY, since="6.2.0",
         complexity="O(N*K) or O(L) for N members in the first of K and L in all")  # fmt: skip
def zdiff(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members of a sorted set that are in none of the others."""
    combine(ctx, argv, "zdiff", subtract)


@command("ZDIFFSTORE destination numkeys key...", flags=WRITE | DENYOOM, since="6.2.0",
         complexity="O(N*K) or O(L) for N members in the first of K and L in all")  # fmt: skip
def zdiffstore(ctx: "Context", argv: list[bytes]) -> None:
    """Stores the members of a sorted set that are in none of the others."""
    combine_and_store(ctx, argv, "zdiffstore", subtract)
