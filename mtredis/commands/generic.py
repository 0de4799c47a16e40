# cython: freethreading_compatible=True, language_level=3
"""Keys of any type: deleting, renaming, copying, time to live, SCAN and KEYS, OBJECT.

Idea: what a key holds does not matter here; `ctx.db` moves and copies values as they are.

Owner: the executor thread.
Invariants: a refused command has changed nothing; a command that changes several keys is one step for readers on other
threads (`version_begin`). A time in the past deletes the key at once.
Limits: KEYS collects all keys before it replies. COPY shares no memory with its source.
"""

from typing import TYPE_CHECKING, Any

from mtredis.errors import CommandError, NoSuchKey, SyntaxFault
from mtredis.executor.arguments import (
    GT,
    LT,
    NX,
    XX,
    any_expiry,
    cursor,
    expire_conditions,
    scan_options,
    small_integer,
)
from mtredis.lib.glob import glob_match
from mtredis.registry.command import DENYOOM, FAST, NO_FLAG, READONLY, TOUCHES_ARBITRARY_KEYS, WRITE, command, container

if TYPE_CHECKING:
    from mtredis.executor.context import Context

MULTI_SHARD_SUM = ("request_policy:multi_shard", "response_policy:agg_sum")
# More than any table has: Redis takes every positive COUNT.
LARGEST_COUNT = 2**31 - 1

# --- deleting and looking -------------------------------------------------------------------------------------------


@command("DEL key...", flags=WRITE, since="1.0.0", complexity="O(N) for N keys, and for the elements of collections",
         key_flags="RM DELETE", tips=MULTI_SHARD_SUM)
def del_(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes keys and replies with how many there were."""
    remove(ctx, argv)


@command("UNLINK key...", flags=WRITE | FAST, since="4.0.0", complexity="O(N) for N keys; their memory is freed later",
         key_flags="RM DELETE", tips=MULTI_SHARD_SUM)
def unlink(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes keys and leaves the freeing of large values to another thread."""
    remove(ctx, argv)


def remove(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes the keys from word 1 on, as one step for readers, and replies with how many there were."""
    db = ctx.db
    keyspace = ctx.server.keyspace
    removed = 0
    keyspace.version_begin()
    try:
        for at in range(1, len(argv)):
            if db.delete(argv[at]):
                removed += 1
                ctx.modified(argv[at], b"del")
    finally:
        keyspace.version_end()
    ctx.reply.integer(removed)


@command("EXISTS key...", flags=READONLY | FAST, since="1.0.0", complexity="O(N) for N keys", key_flags="RO",
         tips=MULTI_SHARD_SUM)
def exists(ctx: "Context", argv: list[bytes]) -> None:
    """Counts how many of the named keys exist; a key named twice counts twice."""
    count = 0
    for at in range(1, len(argv)):
        if is_found(ctx, argv[at]):
            count += 1
    ctx.reply.integer(count)


def is_found(ctx: "Context", key: bytes) -> bool:
    """Whether the key exists: a read lookup (hits, misses) that leaves the key's access clock alone."""
    if ctx.db.exists(key):
        ctx.server.keyspace.hits += 1
        return True
    ctx.server.keyspace.misses += 1
    ctx.notify(b"keymiss", key)
    return False


@command("TOUCH key...", flags=READONLY | FAST, since="3.2.1", complexity="O(N) for N keys", key_flags="RO",
         tips=MULTI_SHARD_SUM)
def touch(ctx: "Context", argv: list[bytes]) -> None:
    """Marks keys as used just now and replies with how many there are."""
    db = ctx.db
    count = 0
    for at in range(1, len(argv)):
        if db.touch(argv[at]):
            count += 1
    ctx.reply.integer(count)


@command("TYPE key", flags=READONLY | FAST, since="1.0.0", complexity="O(1)", key_flags="RO")
def type_(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the type of what a key holds, or none."""
    ctx.reply.simple(ctx.db.peek_type(argv[1]) if is_found(ctx, argv[1]) else b"none")


# --- renaming, moving, copying --------------------------------------------------------------------------------------


@command("RENAME key newkey", flags=WRITE, since="1.0.0", complexity="O(1)",
         key_flags=("RW ACCESS DELETE", "OW UPDATE"))
def rename(ctx: "Context", argv: list[bytes]) -> None:
    """Gives a key another name; what had that name before is gone."""
    if not ctx.db.exists(argv[1]):
        raise NoSuchKey()
    if argv[1] != argv[2]:
        rename_key(ctx, argv[1], argv[2])
    ctx.reply.ok()


@command("RENAMENX key newkey", flags=WRITE | FAST, since="1.0.0", complexity="O(1)",
         key_flags=("RW ACCESS DELETE", "OW INSERT"))
def renamenx(ctx: "Context", argv: list[bytes]) -> None:
    """Gives a key another name unless some key has it."""
    if not ctx.db.exists(argv[1]):
        raise NoSuchKey()
    if ctx.db.exists(argv[2]):
        ctx.reply.integer(0)
        return
    rename_key(ctx, argv[1], argv[2])
    ctx.reply.integer(1)


def rename_key(ctx: "Context", source: bytes, destination: bytes) -> None:
    """`destination` holds what `source` held, with its time to live."""
    keyspace = ctx.server.keyspace
    keyspace.version_begin()
    try:
        ctx.db.rename(source, destination)
    finally:
        keyspace.version_end()
    ctx.modified(source, b"rename_from")
    ctx.modified(destination, b"rename_to")
    ctx.dirty -= 1  # two keys, one change


def database(ctx: "Context", text: bytes) -> Any:
    """The Database with the number in `text`."""
    index = small_integer(text)
    if index < 0 or index >= len(ctx.server.keyspace):
        raise CommandError("ERR DB index is out of range")
    return ctx.server.keyspace[index]


def same_object() -> CommandError:
    """The refusal of a source that is the destination."""
    return CommandError("ERR source and destination objects are the same")


@command("MOVE key db", flags=WRITE | FAST, since="1.0.0", complexity="O(1)", key_flags="RW ACCESS UPDATE")
def move(ctx: "Context", argv: list[bytes]) -> None:
    """Moves a key to another database unless it exists there."""
    key, source = argv[1], ctx.db
    target = database(ctx, argv[2])
    if target.index == source.index:
        raise same_object()
    if not source.exists(key) or target.exists(key):
        ctx.reply.integer(0)
        return
    keyspace = ctx.server.keyspace
    keyspace.version_begin()
    try:
        source.move(key, target)
    finally:
        keyspace.version_end()
    ctx.modified(key, b"move_from")
    ctx.modified_in(target.index, key, b"move_to")
    ctx.dirty -= 1  # two keys, one change
    ctx.reply.integer(1)


@command("COPY source destination [DB destination-db] [REPLACE]", flags=WRITE | DENYOOM, since="6.2.0",
         complexity="O(N) for N elements of a collection, O(1) for a string", key_flags=("RO ACCESS", "OW UPDATE"))
def copy(ctx: "Context", argv: list[bytes]) -> None:
    """Copies a key under another name, or to another database, with its time to live."""
    source, target, is_replacing = ctx.db, ctx.db, False
    at = 3
    while at < len(argv):
        word = argv[at].upper()
        if word == b"REPLACE":
            is_replacing = True
        elif word == b"DB" and at + 1 < len(argv):
            at += 1
            target = database(ctx, argv[at])
        else:
            raise SyntaxFault()
        at += 1
    if target.index == source.index and argv[1] == argv[2]:
        raise same_object()
    if not source.contains(argv[1]) or (target.exists(argv[2]) and not is_replacing):
        ctx.reply.integer(0)
        return
    source.copy(argv[1], target, argv[2])
    ctx.modified_in(target.index, argv[2], b"copy_to")
    ctx.reply.integer(1)


# --- time to live ---------------------------------------------------------------------------------------------------


@command("EXPIRE key seconds [condition=NX|XX|GT|LT]@7.0.0", flags=WRITE | FAST, since="1.0.0", complexity="O(1)")
def expire(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key live for so many seconds more."""
    conditions = expire_conditions(argv)
    set_expiry(ctx, argv, any_expiry(argv[2], True, ctx.now, "expire"), conditions)


@command("PEXPIRE key milliseconds [condition=NX|XX|GT|LT]@7.0.0", flags=WRITE | FAST, since="2.6.0", complexity="O(1)")
def pexpire(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key live for so many milliseconds more."""
    conditions = expire_conditions(argv)
    set_expiry(ctx, argv, any_expiry(argv[2], False, ctx.now, "pexpire"), conditions)


@command("EXPIREAT key unix-time-seconds [condition=NX|XX|GT|LT]@7.0.0", flags=WRITE | FAST, since="1.2.0",
         complexity="O(1)")
def expireat(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key live until a unix time in seconds."""
    conditions = expire_conditions(argv)
    set_expiry(ctx, argv, any_expiry(argv[2], True, 0, "expireat"), conditions)


@command("PEXPIREAT key unix-time-milliseconds [condition=NX|XX|GT|LT]@7.0.0", flags=WRITE | FAST, since="2.6.0",
         complexity="O(1)")
def pexpireat(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key live until a unix time in milliseconds."""
    conditions = expire_conditions(argv)
    set_expiry(ctx, argv, any_expiry(argv[2], False, 0, "pexpireat"), conditions)


def set_expiry(ctx: "Context", argv: list[bytes], at: int, conditions: int) -> None:
    """Sets the time to live if the conditions allow it, or deletes the key if the time has come; replies 1 or 0."""
    db, key = ctx.db, argv[1]
    current = db.expire_at(key)
    if current == -2 or (conditions and not is_allowed(at, current, conditions)):
        ctx.reply.integer(0)
        return
    if at <= ctx.now:
        db.delete(key)
        ctx.modified(key, b"del")
        ctx.propagate_deletion(key, ctx.server.config.lazyfree_lazy_expire)
    else:
        db.set_expire(key, at)
        ctx.modified(key, b"expire")
        ctx.propagate(b"PEXPIREAT", key, at, *argv[3:])
    ctx.reply.integer(1)


def is_allowed(at: int, current: int, conditions: int) -> bool:
    """Whether EXPIRE's conditions allow `at` for a key that lives until `current` (-1: for ever, after any time)."""
    if conditions & NX and current != -1:
        return False
    if conditions & XX and current == -1:
        return False
    if conditions & GT and (current == -1 or at <= current):
        return False
    return not (conditions & LT and current != -1 and at >= current)


@command("TTL key", flags=READONLY | FAST, since="1.0.0", complexity="O(1)", tips=("nondeterministic_output",))
def ttl(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many seconds a key has left: -1 when it stays, -2 when it is missing."""
    reply_seconds(ctx, expiry(ctx, argv[1]), ctx.now)


@command("PTTL key", flags=READONLY | FAST, since="2.6.0", complexity="O(1)", tips=("nondeterministic_output",))
def pttl(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many milliseconds a key has left: -1 when it stays, -2 when it is missing."""
    at = expiry(ctx, argv[1])
    ctx.reply.integer(max(at - ctx.now, 0) if at >= 0 else at)


@command("EXPIRETIME key", flags=READONLY | FAST, since="7.0.0", complexity="O(1)")
def expiretime(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the unix time in seconds until which a key lives: -1 when it stays, -2 when it is missing."""
    reply_seconds(ctx, expiry(ctx, argv[1]), 0)


@command("PEXPIRETIME key", flags=READONLY | FAST, since="7.0.0", complexity="O(1)")
def pexpiretime(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the unix time in milliseconds until which a key lives: -1 when it stays, -2 when it is missing."""
    ctx.reply.integer(expiry(ctx, argv[1]))


def expiry(ctx: "Context", key: bytes) -> int:
    """The unix ms until which the key lives; -1: it stays, -2: it is missing."""
    return ctx.db.expire_at(key) if is_found(ctx, key) else -2


def reply_seconds(ctx: "Context", at: int, since: int) -> None:
    """Replies with the seconds from `since` (unix ms) to `at`, rounded to the nearest; -1 and -2 as they are."""
    ctx.reply.integer((max(at - since, 0) + 500) // 1000 if at >= 0 else at)


@command("PERSIST key", flags=WRITE | FAST, since="2.2.0", complexity="O(1)")
def persist(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key stay until it is deleted."""
    is_changed = ctx.db.persist(argv[1])
    if is_changed:
        ctx.modified(argv[1], b"persist")
    ctx.reply.integer(int(is_changed))


# --- all keys -------------------------------------------------------------------------------------------------------


@command("KEYS pattern", flags=READONLY, since="1.0.0", complexity="O(N) for N keys in the database", acl="dangerous",
         tips=("request_policy:all_shards", "nondeterministic_output_order"))
def keys(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with all keys that match a glob pattern."""
    pattern, found = argv[1], ctx.db.keys()
    if pattern != b"*":
        found = [key for key in found if glob_match(pattern, key)]
    ctx.reply.bulks(found)


@command(
    "SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]@6.0.0", flags=READONLY | TOUCHES_ARBITRARY_KEYS,
    since="2.8.0", complexity="O(1) for a call, O(N) for all calls that a database of N keys needs",
    tips=("nondeterministic_output", "request_policy:special", "response_policy:special"),
)
def scan(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with some keys and a cursor for the next call; a key that stays is seen at least once."""
    position = cursor(argv[1])
    pattern, count, kind, _ = scan_options(argv, 2, is_keyspace=True)
    db = ctx.db
    position, found = db.scan(position, min(count, LARGEST_COUNT))
    if pattern is not None:
        found = [key for key in found if glob_match(pattern, key)]
    if kind is not None:
        found = [key for key in found if db.peek_type(key) == kind]
    ctx.reply.scan(position, found)


@command("RANDOMKEY", flags=READONLY | TOUCHES_ARBITRARY_KEYS, since="1.0.0", complexity="O(1)",
         tips=("request_policy:all_shards", "response_policy:special", "nondeterministic_output"))
def randomkey(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with a key chosen at random, each with the same probability; null when there is none."""
    ctx.reply.bulk_or_null(ctx.db.random_key())


# --- OBJECT ---------------------------------------------------------------------------------------------------------

container("OBJECT", since="2.2.3", summary="Shows how the value of a key is kept.", help_since="6.2.0",
          help_acl="keyspace", flags=NO_FLAG, group="generic")

# Redis has one shared object for each of these numbers and reports this count of references for it.
SHARED_INTEGERS = 10000
SHARED_REFERENCES = 2**31 - 1
POLICIES_WITHOUT_SHARING = ("volatile-lru", "allkeys-lru", "volatile-lfu", "allkeys-lfu")
SWITCHING = (
    "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)


@command("OBJECT ENCODING key", flags=READONLY, since="2.2.3", complexity="O(1)", key_flags="RO",
         tips=("nondeterministic_output",))
def object_encoding(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the name of the form in which a value is kept."""
    ctx.reply.bulk_or_null(ctx.db.encoding(argv[2]))


@command("OBJECT FREQ key", flags=READONLY, since="4.0.0", complexity="O(1)", key_flags="RO",
         tips=("nondeterministic_output",))
def object_freq(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the logarithmic counter of how often a key was used, under an LFU policy."""
    if not ctx.db.exists(argv[2]):
        ctx.reply.null()
        return
    if not has_lfu(ctx):
        raise CommandError(
            f"ERR An LFU maxmemory policy is not selected, access frequency not tracked. {SWITCHING}"
        )
    ctx.reply.integer(ctx.db.frequency(argv[2]))


@command("OBJECT IDLETIME key", flags=READONLY, since="2.2.3", complexity="O(1)", key_flags="RO",
         tips=("nondeterministic_output",))
def object_idletime(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the seconds since a key was last used."""
    if not ctx.db.exists(argv[2]):
        ctx.reply.null()
        return
    if has_lfu(ctx):
        raise CommandError(f"ERR An LFU maxmemory policy is selected, idle time not tracked. {SWITCHING}")
    ctx.reply.integer(ctx.db.idle_seconds(argv[2]))


def has_lfu(ctx: "Context") -> bool:
    """Whether the access clocks of keys count uses instead of telling their time."""
    return str(ctx.server.config.maxmemory_policy).endswith("-lfu")


@command("OBJECT REFCOUNT key", flags=READONLY, since="2.2.3", complexity="O(1)", key_flags="RO",
         tips=("nondeterministic_output",))
def object_refcount(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the number of references to a value: 1, or Redis's mark of a small integer that it shares."""
    encoding = ctx.db.encoding(argv[2])
    if encoding is None:
        ctx.reply.null()
        return
    is_shared = encoding == b"int" and shares_integers(ctx) and 0 <= int(ctx.db.peek_string(argv[2])) < SHARED_INTEGERS
    ctx.reply.integer(SHARED_REFERENCES if is_shared else 1)


def shares_integers(ctx: "Context") -> bool:
    """Whether Redis would share small integers: not when each key needs an access clock of its own."""
    config = ctx.server.config
    return config.maxmemory == 0 or config.maxmemory_policy not in POLICIES_WITHOUT_SHARING
