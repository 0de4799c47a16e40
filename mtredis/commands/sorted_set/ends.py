"""Taking the members with the lowest or highest scores: ZPOPMIN, ZMPOP and the forms that wait.

Idea: each form finds the first of its keys that holds a sorted set, takes from one end and replies; they differ in how
the reply is nested. A form that waits asks to be run again when one of its keys is modified.

Owner: the executor thread. Invariant: the event of the removal comes before that of the key's deletion.
"""

from typing import TYPE_CHECKING, Any

from mtredis.commands.sorted_set.replies import reply_pairs
from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import blocking_timeout, integer
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.registry.command import BLOCKING, FAST, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

# --- one sorted set ---------------------------------------------------------------------------------------------------


@command("ZPOPMIN key [count]", flags=WRITE | FAST, since="5.0.0", complexity="O(log(N)*M) for M members taken",
         key_flags="RW ACCESS DELETE")  # fmt: skip
def zpopmin(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the members with the lowest scores out of a sorted set and replies with them."""
    pop(ctx, argv, highest=False)


@command("ZPOPMAX key [count]", flags=WRITE | FAST, since="5.0.0", complexity="O(log(N)*M) for M members taken",
         key_flags="RW ACCESS DELETE")  # fmt: skip
def zpopmax(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the members with the highest scores out of a sorted set and replies with them."""
    pop(ctx, argv, highest=True)


def pop(ctx: "Context", argv: list[bytes], *, highest: bool) -> None:
    """ZPOPMIN and ZPOPMAX."""
    if len(argv) > 3:
        raise SyntaxFault()
    count = 1
    if len(argv) == 3:
        count = at_least(argv[2], 0, "value is out of range, must be positive")
    zset = ctx.db.lookup_write(argv[1], SortedSet)
    pairs = [] if zset is None or not count else take(ctx, argv[1], zset, count, highest=highest)
    reply_pairs(ctx, pairs, is_nested=len(argv) == 3 and ctx.reply.resp > 2)


def at_least(text: bytes, least: int, message: str) -> int:
    """An integer that is not below `least`; else an error with the message."""
    value = integer(text, message)
    if value < least:
        raise CommandError("ERR " + message)
    return value


def take(ctx: "Context", key: bytes, zset: SortedSet, count: int, *, highest: bool) -> list[Any]:
    """The pairs at one end are taken out, and that is made known; deletes a key of which nothing is left."""
    pairs = zset.pop(count, highest)
    ctx.modified(key, b"zpopmax" if highest else b"zpopmin", len(pairs) // 2)
    if ctx.db.drop_if_empty(key, zset):
        ctx.notify(b"del", key)
    return pairs


# --- the first of several ---------------------------------------------------------------------------------------------


@command("ZMPOP numkeys key... (where=MIN|MAX) [COUNT count]", flags=WRITE, since="7.0.0",
         complexity="O(K) + O(M*log(N)) for K keys and M members taken", key_flags="RW ACCESS DELETE")  # fmt: skip
def zmpop(ctx: "Context", argv: list[bytes]) -> None:
    """Takes members from one end of the first of several sorted sets that is there."""
    keys, highest, count = parse_mpop(argv, 1)
    if not pop_first(ctx, keys, highest, count):
        ctx.reply.null_array()


@command("BZMPOP timeout numkeys key... (where=MIN|MAX) [COUNT count]", flags=WRITE | BLOCKING, since="7.0.0",
         complexity="O(K) + O(M*log(N)) for K keys and M members taken", key_flags="RW ACCESS DELETE")  # fmt: skip
def bzmpop(ctx: "Context", argv: list[bytes]) -> None:
    """Takes members from one end of the first of several sorted sets that is there, or waits for one."""
    keys, highest, count = parse_mpop(argv, 2)
    timeout = blocking_timeout(argv[1], ctx.now)
    if not pop_first(ctx, keys, highest, count):
        wait(ctx, keys, timeout)


def parse_mpop(argv: list[bytes], at: int) -> tuple[list[bytes], bool, int]:
    """The keys, whether MAX is asked for, and the count of ZMPOP, whose number of keys is word `at`."""
    numkeys = at_least(argv[at], 1, "numkeys should be greater than 0")
    where = at + numkeys + 1
    if where >= len(argv) or argv[where].upper() not in (b"MIN", b"MAX"):
        raise SyntaxFault()
    options = argv[where + 1 :]
    count = 1
    if options:
        if len(options) == 1 or options[0].upper() != b"COUNT":
            raise SyntaxFault()
        count = at_least(options[1], 1, "count should be greater than 0")
    if len(options) > 2:
        raise SyntaxFault()
    return argv[at + 1 : where], argv[where].upper() == b"MAX", count


def first_of(ctx: "Context", keys: list[bytes]) -> tuple[bytes, SortedSet | None]:
    """The first key that is there and its sorted set; raises WrongType if it is none."""
    for key in keys:
        zset = ctx.db.lookup_write(key, SortedSet)
        if zset is not None:
            return key, zset
    return b"", None


def pop_first(ctx: "Context", keys: list[bytes], highest: bool, count: int) -> bool:
    """Takes from the first sorted set that is there and replies with its key and the pairs; False if there is none."""
    key, zset = first_of(ctx, keys)
    if zset is None:
        return False
    pairs = take(ctx, key, zset, count, highest=highest)
    ctx.propagate(b"ZPOPMAX" if highest else b"ZPOPMIN", key, len(pairs) // 2)
    ctx.reply.array(2)
    ctx.reply.bulk(key)
    reply_pairs(ctx, pairs, is_nested=True)
    return True


# --- those that wait --------------------------------------------------------------------------------------------------


@command("BZPOPMIN key... timeout", flags=WRITE | FAST | BLOCKING, since="5.0.0", complexity="O(log(N))",
         key_flags="RW ACCESS DELETE")  # fmt: skip
def bzpopmin(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the member with the lowest score from the first of several sorted sets that is there, or waits for one."""
    pop_or_wait(ctx, argv, highest=False)


@command("BZPOPMAX key... timeout", flags=WRITE | FAST | BLOCKING, since="5.0.0", complexity="O(log(N))",
         key_flags="RW ACCESS DELETE")  # fmt: skip
def bzpopmax(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the member with the highest score from the first of several sorted sets that is there, or waits for one."""
    pop_or_wait(ctx, argv, highest=True)


def pop_or_wait(ctx: "Context", argv: list[bytes], *, highest: bool) -> None:
    """BZPOPMIN and BZPOPMAX."""
    timeout = blocking_timeout(argv[-1], ctx.now)
    keys = argv[1:-1]
    key, zset = first_of(ctx, keys)
    if zset is None:
        wait(ctx, keys, timeout)
        return
    member, score = take(ctx, key, zset, 1, highest=highest)
    ctx.propagate(b"ZPOPMAX" if highest else b"ZPOPMIN", key)
    ctx.reply.array(3)
    ctx.reply.bulk(key)
    ctx.reply.bulk(member)
    ctx.reply.double(score)


def wait(ctx: "Context", keys: list[bytes], timeout: int) -> None:
    """Has the client wait for one of the keys; where nobody waits, its time is over at once."""
    if ctx.may_block:
        ctx.block(keys, timeout, null="null_array")
    else:
        ctx.reply.null_array()
