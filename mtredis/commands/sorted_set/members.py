"""Members of sorted sets: ZADD and ZREM, scores, ranks, random members, ZSCAN.

Idea: a handler reads its arguments, looks the sorted set up and leaves the work to `SortedSet`. The core serves the
plain forms of ZADD and some reads itself; these are the complete ones.

Owner: the executor thread. Invariant: a refused command has changed nothing.
Limits: where Redis promises no order (ZSCAN, ZRANDMEMBER), ours differs from its.
"""

from typing import TYPE_CHECKING

from mtredis.commands.sorted_set.replies import more_pairs, reply_with_scores
from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import INT64_MAX, cursor, integer, scan_options
from mtredis.executor.sampling import refuse_endless, slices
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.lib.glob import glob_match
from mtredis.lib.numbers import parse_float
from mtredis.registry.command import DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

# ZADD's options as keyspace/types/sorted_set.pxd numbers them, and CH.
NX, XX, GT, LT, INCR, CH = 1, 2, 4, 8, 16, 32
OPTIONS = {b"NX": NX, b"XX": XX, b"GT": GT, b"LT": LT, b"INCR": INCR, b"CH": CH}
SKIPPED = 3  # SortedSet.update: an option forbids the change
ZSCAN_MAX = INT64_MAX // 16

# --- adding and removing ----------------------------------------------------------------------------------------------


@command(
    "ZADD key [condition=NX|XX]@3.0.2 [comparison=GT|LT]@6.2.0 [change=CH]@3.0.2 [increment=INCR]@3.0.2 "
    "{score member}...",
    flags=WRITE | DENYOOM | FAST, since="1.2.0", complexity="O(log(N)) for each member",
)  # fmt: skip
def zadd(ctx: "Context", argv: list[bytes]) -> None:
    """Adds members to a sorted set, or gives those that are there new scores."""
    add(ctx, argv, 0)


@command("ZINCRBY key increment member", flags=WRITE | DENYOOM | FAST, since="1.2.0", complexity="O(log(N))",
         key_flags="RW ACCESS UPDATE")  # fmt: skip
def zincrby(ctx: "Context", argv: list[bytes]) -> None:
    """Adds to the score of a member, which counts as 0 if it is missing, and replies with the sum."""
    add(ctx, argv, INCR)


def add(ctx: "Context", argv: list[bytes], options: int) -> None:
    """ZADD, and ZINCRBY with the option INCR set."""
    options, first = zadd_options(argv, options)
    scores = [parse_float(text) for text in argv[first::2]]
    key = argv[1]
    zset = ctx.db.lookup_write(key, SortedSet)
    if zset is None:
        if options & XX:
            if options & INCR:
                ctx.reply.null()
            else:
                ctx.reply.integer(0)
            return
        zset = ctx.db.create(key, SortedSet)
    if options & INCR:
        increment(ctx, key, zset, argv[first + 1], scores[0], options)
        return
    added, updated = zset.update_many(argv[first + 1 :: 2], scores, options)
    ctx.modified(key, b"zadd", added + updated)
    ctx.reply.integer(added + updated if options & CH else added)


def increment(ctx: "Context", key: bytes, zset: SortedSet, member: bytes, by: float, options: int) -> None:
    """Adds to a score; replies with the sum, or with null if an option forbids it."""
    code, score = zset.update(member, by, options)
    ctx.modified(key, b"zincr", int(code < 2))
    if code == SKIPPED:
        ctx.reply.null()
    else:
        ctx.reply.double(score)


def zadd_options(argv: list[bytes], options: int) -> tuple[int, int]:
    """The options with those in the words from 2 on, and where the pairs begin."""
    first = 2
    while first < len(argv):
        word = argv[first].upper()
        if word not in OPTIONS:
            break
        options |= OPTIONS[word]
        first += 1
    words = len(argv) - first
    if words % 2 or not words:
        raise SyntaxFault()
    if options & NX and options & XX:
        raise CommandError("ERR XX and NX options at the same time are not compatible")
    if (options & (GT | LT) and options & NX) or (options & GT and options & LT):
        raise CommandError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if options & INCR and words > 2:
        raise CommandError("ERR INCR option supports a single increment-element pair")
    return options, first


@command("ZREM key member...", flags=WRITE | FAST, since="1.2.0", complexity="O(M*log(N)) for M members",
         key_flags="RW DELETE")  # fmt: skip
def zrem(ctx: "Context", argv: list[bytes]) -> None:
    """Takes members out of a sorted set and replies with how many of them it had."""
    key = argv[1]
    zset = ctx.db.lookup_write(key, SortedSet)
    removed = 0 if zset is None else zset.remove_many(argv, 2)
    if removed:
        ctx.modified(key, b"zrem", removed)
        if ctx.db.drop_if_empty(key, zset):
            ctx.notify(b"del", key)
    ctx.reply.integer(removed)


# --- reading ----------------------------------------------------------------------------------------------------------


@command("ZCARD key", flags=READONLY | FAST, since="1.2.0", complexity="O(1)", key_flags="RO")
def zcard(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the number of members of a sorted set."""
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    ctx.reply.integer(0 if zset is None else zset.length())


@command("ZSCORE key member", flags=READONLY | FAST, since="1.2.0", complexity="O(1)")
def zscore(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the score of a member, null if it is none."""
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    reply_score(ctx, None if zset is None else zset.score(argv[2]))


@command("ZMSCORE key member...", flags=READONLY | FAST, since="6.2.0", complexity="O(N) for N members")
def zmscore(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the scores of several members, null for each that is none."""
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    ctx.reply.array(len(argv) - 2)
    for member in argv[2:]:
        reply_score(ctx, None if zset is None else zset.score(member))


def reply_score(ctx: "Context", score: float | None) -> None:
    """Replies with a score, or null."""
    if score is None:
        ctx.reply.null()
    else:
        ctx.reply.double(score)


@command("ZRANK key member [WITHSCORE]", flags=READONLY | FAST, since="2.0.0", complexity="O(log(N))")
def zrank(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many members come before one, and with its score if asked for it."""
    reply_rank(ctx, argv, "zrank", reverse=False)


@command("ZREVRANK key member [WITHSCORE]", flags=READONLY | FAST, since="2.0.0", complexity="O(log(N))")
def zrevrank(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many members come after one, and with its score if asked for it."""
    reply_rank(ctx, argv, "zrevrank", reverse=True)


def reply_rank(ctx: "Context", argv: list[bytes], name: str, *, reverse: bool) -> None:
    """ZRANK and ZREVRANK."""
    if len(argv) > 4:
        raise CommandError(f"ERR wrong number of arguments for '{name}' command")
    has_score = len(argv) == 4
    if has_score and argv[3].upper() != b"WITHSCORE":
        raise SyntaxFault()
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    rank = None if zset is None else zset.rank(argv[2], reverse)
    if rank is None:
        if has_score:
            ctx.reply.null_array()
        else:
            ctx.reply.null()
        return
    if has_score:
        ctx.reply.array(2)
    ctx.reply.integer(rank)
    if has_score:
        ctx.reply.double(zset.score(argv[2]))


@command("ZRANDMEMBER key [options=count [WITHSCORES]]", flags=READONLY, since="6.2.0",
         complexity="O(N) for N members in the reply", tips=("nondeterministic_output",))  # fmt: skip
def zrandmember(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with members chosen at random: one, several different ones, or (negative count) any."""
    if len(argv) == 2:
        zset = ctx.db.lookup_read(argv[1], SortedSet)
        ctx.reply.bulk_or_null(None if zset is None else zset.random(1)[0])
        return
    count = integer(argv[2])
    if count < -INT64_MAX:
        raise CommandError(f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
    has_scores = len(argv) > 3
    if has_scores and (len(argv) > 4 or argv[3].upper() != b"WITHSCORES"):
        raise SyntaxFault()
    if has_scores and abs(count) > INT64_MAX // 2:
        raise CommandError("ERR value is out of range")
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    if zset is not None and count < 0:
        reply_repeated(ctx, zset, -count, has_scores)
        return
    pairs = [] if zset is None else zset.sample(count)
    if has_scores:
        reply_with_scores(ctx, pairs)
    else:
        ctx.reply.bulks(pairs[::2])


def reply_repeated(ctx: "Context", zset: SortedSet, count: int, has_scores: bool) -> None:
    """Replies with so many draws, in slices."""
    refuse_endless(ctx, count)
    ctx.reply.array(count * 2 if has_scores and ctx.reply.resp == 2 else count)
    for some in slices(ctx, count):
        pairs = zset.random(some)
        if has_scores:
            more_pairs(ctx, pairs, is_nested=ctx.reply.resp > 2)
        else:
            ctx.reply.more_bulks(pairs[::2])


@command("ZSCAN key cursor [MATCH pattern] [COUNT count]", flags=READONLY, since="2.8.0",
         complexity="O(1) for a call, O(N) for all calls", tips=("nondeterministic_output",))  # fmt: skip
def zscan(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with some members, their scores and a cursor; a member that stays is seen at least once."""
    position = cursor(argv[2])
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    found: list[bytes] = []
    if zset is None:
        position = 0
    else:
        pattern, count, _, _ = scan_options(argv, 3, is_keyspace=False)
        position, found = zset.scan(position, min(count, ZSCAN_MAX))
        if pattern is not None:
            pairs = zip(found[::2], found[1::2], strict=True)
            found = [text for pair in pairs if glob_match(pattern, pair[0]) for text in pair]
    ctx.reply.scan(position, found)
