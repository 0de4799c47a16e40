"""Sets: members without an order, and what several sets have in common.

Idea: a handler looks its sets up and leaves the work to `keyspace.types.set`. A STORE command computes its whole result
aside and puts it under the destination in one step, so readers see the old set or the new one.

Owner: the executor thread. Limits: the order of members in a reply is that of our tables, which is not Redis's.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import INT64_MAX, cursor, integer, scan_options
from mtredis.executor.sampling import refuse_endless, slices
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.set_algebra import (
    count_intersection,
    difference,
    intersect_into,
    intersection,
    subtract_into,
    unite_into,
)
from mtredis.lib.glob import glob_match
from mtredis.registry.command import DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

UNORDERED = ("nondeterministic_output_order",)
RANDOM = ("nondeterministic_output",)
REBUILT_BELOW = 5  # SPOP of most members makes a new set of the rest, from this ratio on; its encoding may be another
REMOVED_AT_ONCE = 1024  # members in one SREM that goes out for SPOP


# --- members ----------------------------------------------------------------------------------------------------------


@command("SADD key member...", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1) for each member",
         key_flags="RW INSERT")  # fmt: skip
def sadd(ctx: "Context", argv: list[bytes]) -> None:
    """Adds members to a set and replies with how many of them are new."""
    key = argv[1]
    members = ctx.db.lookup_write(key, Set)
    if members is None:
        members = ctx.keyspace.new(Set)
        added = members.add_many(argv, 2)
        ctx.db.put(key, members)
    else:
        added = members.add_many(argv, 2)
    ctx.modified(key, b"sadd", added)
    ctx.reply.integer(added)


@command("SREM key member...", flags=WRITE | FAST, since="1.0.0", complexity="O(N) for N members",
         key_flags="RW DELETE")  # fmt: skip
def srem(ctx: "Context", argv: list[bytes]) -> None:
    """Takes members out of a set and replies with how many of them it had."""
    key = argv[1]
    members = ctx.db.lookup_write(key, Set)
    removed = 0
    if members is not None:
        removed = members.remove_many(argv, 2)
        ctx.modified(key, b"srem", removed)
        drop_if_empty(ctx, key, members)
    ctx.reply.integer(removed)


@command("SMOVE source destination member", flags=WRITE | FAST, since="1.0.0", complexity="O(1)",
         key_flags=["RW ACCESS DELETE", "RW INSERT"])  # fmt: skip
def smove(ctx: "Context", argv: list[bytes]) -> None:
    """Moves a member from one set to another; replies with 0 when the source does not have it."""
    _, source_key, destination_key, member = argv
    source = ctx.db.lookup_write(source_key, Set)
    if source is None:
        ctx.db.exists(destination_key)  # of any type, but if its time is over it goes
        ctx.reply.integer(0)
        return
    destination = ctx.db.lookup_write(destination_key, Set)
    is_member = source.contains(member)
    if is_member and source_key != destination_key:
        ctx.keyspace.version_begin()
        try:
            move(ctx, source_key, source, destination_key, destination, member)
        finally:
            ctx.keyspace.version_end()
    ctx.reply.integer(is_member)


def move(ctx: "Context", source_key: bytes, source: Set, target_key: bytes, target: Set | None, member: bytes) -> None:
    """Moves a member that the source has; the target may have it, too."""
    source.remove(member)
    ctx.modified(source_key, b"srem")
    drop_if_empty(ctx, source_key, source)
    if target is None:
        target = ctx.keyspace.new(Set)
        target.add_many([member])
        ctx.db.put(target_key, target)
        ctx.modified(target_key, b"sadd")
    else:
        ctx.modified(target_key, b"sadd", target.add(member))


def drop_if_empty(ctx: "Context", key: bytes, members: Set) -> None:
    """Deletes the key of a set that has lost its last member, and says so."""
    if ctx.db.drop_if_empty(key, members):
        ctx.notify(b"del", key)


@command("SISMEMBER key member", flags=READONLY | FAST, since="1.0.0", complexity="O(1)", key_flags="RO")
def sismember(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with whether something is a member of a set."""
    members = ctx.db.lookup_read(argv[1], Set)
    ctx.reply.integer(members is not None and members.contains(argv[2]))


@command("SMISMEMBER key member...", flags=READONLY | FAST, since="6.2.0", complexity="O(N) for N members")
def smismember(ctx: "Context", argv: list[bytes]) -> None:
    """Replies for each of several values with whether it is a member of a set."""
    members = ctx.db.lookup_read(argv[1], Set)
    ctx.reply.integers([0 if members is None else int(members.contains(member)) for member in argv[2:]])


@command("SCARD key", flags=READONLY | FAST, since="1.0.0", complexity="O(1)", key_flags="RO")
def scard(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the number of members."""
    members = ctx.db.lookup_read(argv[1], Set)
    ctx.reply.integer(0 if members is None else len(members))


@command("SMEMBERS key", flags=READONLY, since="1.0.0", complexity="O(N) for N members", tips=UNORDERED)
def smembers(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with all members."""
    members = ctx.db.lookup_read(argv[1], Set)
    ctx.reply.bulk_set([] if members is None else members.members())


@command("SSCAN key cursor [MATCH pattern] [COUNT count]", flags=READONLY, since="2.8.0",
         complexity="O(1) for a call, O(N) for all members", tips=RANDOM)  # fmt: skip
def sscan(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with some members and a cursor for the next call; a member that stays is seen at least once."""
    position = cursor(argv[2])
    members = ctx.db.lookup_read(argv[1], Set)
    found: list[bytes] = []
    if members is None:
        position = 0
    else:
        pattern, count, _, _ = scan_options(argv, 3, is_keyspace=False)
        position, found = members.scan(position, min(count, INT64_MAX // 10))
        if pattern is not None:
            found = [member for member in found if glob_match(pattern, member)]
    ctx.reply.scan(position, found)


# --- chance -----------------------------------------------------------------------------------------------------------


@command("SPOP key [count]@3.2.0", flags=WRITE | FAST, since="1.0.0", complexity="O(1) for each member taken",
         key_flags="RW ACCESS DELETE", tips=RANDOM)  # fmt: skip
def spop(ctx: "Context", argv: list[bytes]) -> None:
    """Takes one or several members, chosen at random, out of a set and replies with them."""
    if len(argv) > 3:
        raise SyntaxFault()
    key = argv[1]
    if len(argv) == 3:
        count = at_least(0, argv[2], "value is out of range, must be positive")
        members = ctx.db.lookup_write(key, Set)
        ctx.reply.bulk_set([] if members is None or count == 0 else pop_many(ctx, key, members, count))
        return
    members = ctx.db.lookup_write(key, Set)
    popped = None
    if members is not None:
        popped = members.pop()
        ctx.modified(key, b"spop")
        ctx.propagate(b"SREM", key, popped)
        drop_if_empty(ctx, key, members)
    ctx.reply.bulk_or_null(popped)


def pop_many(ctx: "Context", key: bytes, members: Set, count: int) -> list[bytes]:
    """Takes `count` members, or all that there are, out of a set."""
    rest = len(members) - count
    if rest <= 0:
        popped: list[bytes] = members.members()
        ctx.modified(key, b"spop", len(popped))
        ctx.db.delete(key)
        ctx.notify(b"del", key)
        ctx.propagate_deletion(key, ctx.server.config.lazyfree_lazy_server_del)
        return popped
    if rest * REBUILT_BELOW > count:
        popped = members.sample(count)
        members.remove_many(popped)
        ctx.modified(key, b"spop", count)
    else:
        smaller = ctx.keyspace.new(Set)
        popped = members.split(rest, smaller)
        ctx.db.put(key, smaller, ctx.db.expire_at(key))
        ctx.modified(key, b"spop", count)
    for at in range(0, count, REMOVED_AT_ONCE):
        ctx.propagate(b"SREM", key, *popped[at : at + REMOVED_AT_ONCE])
    return popped


def at_least(least: int, text: bytes, message: str) -> int:
    """An integer that is not less; `message` is the error for all that is not."""
    value = integer(text, message)
    if value < least:
        raise CommandError("ERR " + message)
    return value


@command("SRANDMEMBER key [count]@2.6.0", flags=READONLY, since="1.0.0", complexity="O(1) for each member",
         tips=RANDOM)  # fmt: skip
def srandmember(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with one or several members chosen at random; with a negative count one may come more than once."""
    if len(argv) > 3:
        raise SyntaxFault()
    count = None
    if len(argv) == 3:
        count = integer(argv[2])
        if count < -INT64_MAX:
            raise CommandError(f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
    members = ctx.db.lookup_read(argv[1], Set)
    if count is None:
        ctx.reply.bulk_or_null(None if members is None else members.random())
    elif members is None:
        ctx.reply.array(0)
    elif count >= 0:
        ctx.reply.bulks(members.sample(count))
    else:
        refuse_endless(ctx, -count)
        ctx.reply.array(-count)
        for some in slices(ctx, -count):
            ctx.reply.more_bulks(members.draw(some))


# --- several sets -----------------------------------------------------------------------------------------------------


def lookup_all(ctx: "Context", keys: list[bytes]) -> list[Set | None]:
    """The sets under some keys, None for a key that is missing."""
    return [ctx.db.lookup_read(key, Set) for key in keys]


def existing(sets: list[Set | None]) -> list[Set]:
    """Those of the sets that are there; a missing one is an empty one."""
    return [members for members in sets if members is not None]


def store(ctx: "Context", key: bytes, event: bytes, result: Set) -> None:
    """Puts a result under its key, or deletes the key when there is nothing in it; replies with how much there is."""
    count = len(result)
    if count:
        ctx.db.put(key, result)
        ctx.modified(key, event)
    elif ctx.db.delete(key):
        ctx.modified(key, b"del")
    ctx.reply.integer(count)


@command("SINTER key...", flags=READONLY, since="1.0.0", complexity="O(N*M) for M sets, the smallest with N members",
         tips=UNORDERED)  # fmt: skip
def sinter(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members that several sets have in common."""
    sets = lookup_all(ctx, argv[1:])
    ctx.reply.bulk_set([] if None in sets else intersection(sets))


@command("SINTERSTORE destination key...", flags=WRITE | DENYOOM, since="1.0.0",
         complexity="O(N*M) for M sets, the smallest with N members")  # fmt: skip
def sinterstore(ctx: "Context", argv: list[bytes]) -> None:
    """Stores the members that several sets have in common and replies with their number."""
    sets = lookup_all(ctx, argv[2:])
    result = ctx.keyspace.new(Set)
    if None not in sets:
        intersect_into(result, sets)
    store(ctx, argv[1], b"sinterstore", result)


@command("SINTERCARD numkeys key... [LIMIT limit]", flags=READONLY, since="7.0.0",
         complexity="O(N*M) for M sets, the smallest with N members")  # fmt: skip
def sintercard(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many members several sets have in common, counting up to a limit."""
    count = at_least(1, argv[1], "numkeys should be greater than 0")
    if count > len(argv) - 2:
        raise CommandError("ERR Number of keys can't be greater than number of args")
    limit = 0
    options = argv[2 + count :]
    while options:
        if options[0].upper() != b"LIMIT" or len(options) < 2:
            raise SyntaxFault()
        limit = at_least(0, options[1], "LIMIT can't be negative")
        options = options[2:]
    sets = lookup_all(ctx, argv[2 : 2 + count])
    ctx.reply.integer(0 if None in sets else count_intersection(sets, limit))


@command("SUNION key...", flags=READONLY, since="1.0.0", complexity="O(N) for N members in all", tips=UNORDERED)
def sunion(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members that any of several sets has."""
    sets = existing(lookup_all(ctx, argv[1:]))
    if len(sets) == 1:
        result = sets[0]
    else:
        result = ctx.keyspace.new(Set)
        unite_into(result, sets)
    ctx.reply.bulk_set(result.members())


@command("SUNIONSTORE destination key...", flags=WRITE | DENYOOM, since="1.0.0", complexity="O(N) for N members in all")
def sunionstore(ctx: "Context", argv: list[bytes]) -> None:
    """Stores the members that any of several sets has and replies with their number."""
    result = ctx.keyspace.new(Set)
    unite_into(result, existing(lookup_all(ctx, argv[2:])))
    store(ctx, argv[1], b"sunionstore", result)


@command("SDIFF key...", flags=READONLY, since="1.0.0", complexity="O(N) for N members in all", tips=UNORDERED)
def sdiff(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the members of the first set that none of the others has."""
    keys = argv[1:]
    sets = lookup_all(ctx, keys)
    first = sets[0]
    if first is None or keys[0] in keys[1:]:
        ctx.reply.bulk_set([])
    else:
        ctx.reply.bulk_set(difference(first, existing(sets[1:])))


@command("SDIFFSTORE destination key...", flags=WRITE | DENYOOM, since="1.0.0", complexity="O(N) for N members in all")
def sdiffstore(ctx: "Context", argv: list[bytes]) -> None:
    """Stores the members of the first set that none of the others has and replies with their number."""
    keys = argv[2:]
    sets = lookup_all(ctx, keys)
    first = sets[0]
    result = ctx.keyspace.new(Set)
    if first is not None and keys[0] not in keys[1:]:
        subtract_into(result, first, existing(sets[1:]))
    store(ctx, argv[1], b"sdiffstore", result)
