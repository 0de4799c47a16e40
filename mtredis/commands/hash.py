# cython: freethreading_compatible=True, language_level=3
"""Hashes: fields with values under a key.

Idea: a handler looks up the `Hash` of its key, makes one change, and says what happened. A read that meets a field
whose time has passed deletes it (`expire_field`), as Redis does, and the key with its last field. What gives fields a
time to live stands in `hash_expiry.py`.

Owner: the executor thread.
Invariants: a refused command has changed nothing but expired fields; no empty hash stays behind.
Limits: HGETALL, HKEYS and HVALS collect everything before they reply. HLEN counts expired fields that are still there.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError, NotFloat, NotInteger, SyntaxFault
from mtredis.executor.arguments import INT64_MAX, INT64_MIN, cursor, scan_options
from mtredis.executor.sampling import refuse_endless, slices
from mtredis.keyspace.field_expiry import EXPIRED, KEY_GONE, NOT_EXPIRED, expire_due, expire_field, meet_field
from mtredis.keyspace.types.hash import Hash
from mtredis.lib.glob import glob_match
from mtredis.lib.numbers import add_long_double, parse_integer
from mtredis.registry.command import DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

FIELDS = 1
VALUES = 2


def met(ctx: "Context", key: bytes, hash_: Hash, field: bytes) -> bool:
    """Deletes the field if its time has passed, and says so; whether the hash is still there."""
    return meet_field(ctx.server.keyspace, ctx.db, key, hash_, field, ctx.announce) != KEY_GONE


def wrong_number(name: str) -> CommandError:
    """The refusal of a number of arguments that the arity allows."""
    return CommandError(f"ERR wrong number of arguments for '{name}' command")


# --- setting --------------------------------------------------------------------------------------------------------


@command("HSET key {field value}...", flags=WRITE | DENYOOM | FAST, since="2.0.0",
         complexity="O(1) for each field and value pair")
def hset(ctx: "Context", argv: list[bytes]) -> None:
    """Sets fields of a hash and replies with how many of them are new."""
    if len(argv) % 2:
        raise wrong_number("hset")
    ctx.reply.integer(set_pairs(ctx, argv))


@command("HMSET key {field value}...", flags=WRITE | DENYOOM | FAST, since="2.0.0", complexity="O(N) for N fields",
         deprecated_since="4.0.0", replaced_by="`HSET` with multiple field-value pairs")
def hmset(ctx: "Context", argv: list[bytes]) -> None:
    """Sets fields of a hash."""
    if len(argv) % 2:
        raise wrong_number("hmset")
    set_pairs(ctx, argv)
    ctx.reply.ok()


def set_pairs(ctx: "Context", argv: list[bytes]) -> int:
    """Sets the fields from word 2 on; how many are new."""
    key = argv[1]
    created = ctx.db.write(key, Hash).set_pairs(argv, 2)
    ctx.modified(key, b"hset", len(argv) // 2 - 1)
    return int(created)


@command("HSETNX key field value", flags=WRITE | DENYOOM | FAST, since="2.0.0", complexity="O(1)",
         key_flags="RW INSERT")
def hsetnx(ctx: "Context", argv: list[bytes]) -> None:
    """Sets a field that is not there, and leaves one that is as it is."""
    key, field = argv[1], argv[2]
    hash_ = ctx.db.lookup_write(key, Hash)
    if hash_ is not None:
        if hash_.get(field) is not None:
            ctx.reply.integer(0)
            return
        if not met(ctx, key, hash_, field):
            hash_ = None
    store(ctx, key, hash_, field, argv[3], False)
    ctx.modified(key, b"hset")
    ctx.reply.integer(1)


def store(ctx: "Context", key: bytes, hash_: Hash | None, field: bytes, value: bytes, keeps_time: bool) -> None:
    """The field of the hash (None: it is made) has the value."""
    (ctx.db.create(key, Hash) if hash_ is None else hash_).set(field, value, keeps_time)


@command("HDEL key field...", flags=WRITE | FAST, since="2.0.0", complexity="O(N) for N fields", key_flags="RW DELETE")
def hdel(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes fields and replies with how many there were; the hash goes with its last field."""
    key = argv[1]
    hash_ = ctx.db.lookup_write(key, Hash)
    deleted = 0
    if hash_ is not None:
        for at in range(2, len(argv)):
            deleted += hash_.delete(argv[at])
        ctx.modified(key, b"hdel", deleted)
        if deleted and ctx.db.drop_if_empty(key, hash_):
            ctx.notify(b"del", key)
    ctx.reply.integer(deleted)


# --- reading one field ----------------------------------------------------------------------------------------------


@command("HGET key field", flags=READONLY | FAST, since="2.0.0", complexity="O(1)")
def hget(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the value of a field."""
    hash_ = ctx.db.lookup_read(argv[1], Hash)
    value = None
    if hash_ is not None:
        value = hash_.get(argv[2])
        if value is None:
            met(ctx, argv[1], hash_, argv[2])
    ctx.reply.bulk_or_null(value)


@command("HMGET key field...", flags=READONLY | FAST, since="2.0.0", complexity="O(N) for N fields")
def hmget(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the values of several fields, null for those that are missing."""
    key = argv[1]
    hash_ = ctx.db.lookup_read(key, Hash)
    values: list[bytes | None] = [None] * (len(argv) - 2)
    expired = 0
    found = NOT_EXPIRED
    if hash_ is not None:
        for at in range(2, len(argv)):
            values[at - 2] = value = hash_.get(argv[at])
            if value is None and hash_.has_times:
                found = expire_field(ctx.server.keyspace, ctx.db, key, hash_, argv[at])
                expired += found == EXPIRED
                if found != NOT_EXPIRED and not ctx.server.keyspace.expire_paused:
                    ctx.watches.touched(ctx.db.index, key)
                if found == KEY_GONE:
                    break
    ctx.reply.bulks(values)
    if expired:    # as in Redis: nothing is said of a field that was the only one to expire and the last of the hash
        ctx.notify(b"hexpired", key)
        if found == KEY_GONE:
            ctx.notify(b"del", key)


@command("HEXISTS key field", flags=READONLY | FAST, since="2.0.0", complexity="O(1)", key_flags="RO")
def hexists(ctx: "Context", argv: list[bytes]) -> None:
    """Tells whether a field is there."""
    ctx.reply.integer(int(value_length(ctx, argv) >= 0))


@command("HSTRLEN key field", flags=READONLY | FAST, since="3.2.0", complexity="O(1)", key_flags="RO")
def hstrlen(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the length in bytes of a field's value, 0 if it is missing."""
    ctx.reply.integer(max(value_length(ctx, argv), 0))


def value_length(ctx: "Context", argv: list[bytes]) -> int:
    """Bytes of the value of field `argv[2]`, -1 if it is missing; a read."""
    hash_ = ctx.db.lookup_read(argv[1], Hash)
    if hash_ is None:
        return -1
    length = hash_.value_length(argv[2])
    if length < 0:
        met(ctx, argv[1], hash_, argv[2])
    return int(length)


@command("HLEN key", flags=READONLY | FAST, since="2.0.0", complexity="O(1)", key_flags="RO")
def hlen(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the number of fields."""
    hash_ = ctx.db.lookup_read(argv[1], Hash)
    ctx.reply.integer(0 if hash_ is None else hash_.length())


# --- reading all ----------------------------------------------------------------------------------------------------


@command("HGETALL key", flags=READONLY, since="2.0.0", complexity="O(N) for N fields",
         tips=("nondeterministic_output_order",))
def hgetall(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with all fields and their values."""
    found = items(ctx, argv[1], FIELDS | VALUES)
    ctx.reply.map(len(found) // 2)
    for item in found:
        ctx.reply.bulk(item)


@command("HKEYS key", flags=READONLY, since="2.0.0", complexity="O(N) for N fields",
         tips=("nondeterministic_output_order",))
def hkeys(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with all fields."""
    ctx.reply.bulks(items(ctx, argv[1], FIELDS))


@command("HVALS key", flags=READONLY, since="2.0.0", complexity="O(N) for N fields",
         tips=("nondeterministic_output_order",))
def hvals(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the values of all fields."""
    ctx.reply.bulks(items(ctx, argv[1], VALUES))


def items(ctx: "Context", key: bytes, what: int) -> list[bytes]:
    """The fields, the values, or both by turns, of what has not expired; a read."""
    hash_ = ctx.db.lookup_read(key, Hash)
    return [] if hash_ is None else hash_.items(ctx.now, what)


@command("HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]", flags=READONLY, since="2.8.0",
         complexity="O(1) for a call, O(N) for all calls that a hash of N fields needs",
         tips=("nondeterministic_output",))
def hscan(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with some fields and a cursor for the next call; a field that stays is seen at least once."""
    position = cursor(argv[2])
    hash_ = ctx.db.lookup_read(argv[1], Hash)
    found: list[bytes] = []
    if hash_ is None:
        position = 0
    else:
        pattern, count, _, is_without_values = scan_options(argv, 3, is_keyspace=False, is_hash=True)
        position, found = hash_.scan(position, count, ctx.now)
        if pattern is not None:
            found = matching(found, pattern)
        if is_without_values:
            found = found[::2]
    ctx.reply.scan(position, found)


def matching(found: list[bytes], pattern: bytes) -> list[bytes]:
    """Those of the pairs whose field the pattern fits."""
    kept: list[bytes] = []
    for at in range(0, len(found), 2):
        if glob_match(pattern, found[at]):
            kept += found[at:at + 2]
    return kept


# --- random fields --------------------------------------------------------------------------------------------------


@command("HRANDFIELD key [options=count [WITHVALUES]]", flags=READONLY, since="6.2.0",
         complexity="O(N) for N fields in the reply", tips=("nondeterministic_output",))
def hrandfield(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with random fields: one, or so many different ones, or (negative) so many that may repeat themselves."""
    if len(argv) == 2:
        hash_ = hash_to_draw_from(ctx, argv[1])
        ctx.reply.bulk_or_null(None if hash_ is None else hash_.draw(1)[0])
        return
    count = parse_integer(argv[2])
    if count == INT64_MIN:
        raise CommandError(f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
    if len(argv) > 4 or (len(argv) == 4 and argv[3].upper() != b"WITHVALUES"):
        raise SyntaxFault()
    has_values = len(argv) == 4
    if has_values and abs(count) > INT64_MAX // 2:
        raise CommandError("ERR value is out of range")
    hash_ = hash_to_draw_from(ctx, argv[1])
    if hash_ is None or count == 0:
        ctx.reply.array(0)
    elif count > 1:
        drawn = hash_.sample(count)
        open_drawn(ctx, len(drawn) // 2, has_values)
        reply_drawn(ctx, drawn, has_values)
    else:
        reply_repeated(ctx, hash_, abs(count), has_values)


def hash_to_draw_from(ctx: "Context", key: bytes) -> Hash | None:
    """The hash without its expired fields; None: it is missing or gone with the last of them. A read."""
    hash_ = ctx.db.lookup_read(key, Hash)
    keyspace = ctx.server.keyspace
    if hash_ is None or not 0 <= hash_.due < ctx.now or keyspace.expire_paused:
        return hash_
    expire_due(keyspace, ctx.db, key, hash_, hash_.length())
    ctx.announce(ctx.db.index, key, b"hexpired")
    if ctx.db.drop_if_empty(key, hash_):
        ctx.announce(ctx.db.index, key, b"del")
        return None
    return hash_


def reply_repeated(ctx: "Context", hash_: Hash, count: int, has_values: bool) -> None:
    """Replies with so many draws, in slices."""
    refuse_endless(ctx, count)
    open_drawn(ctx, count, has_values)
    for some in slices(ctx, count):
        reply_drawn(ctx, hash_.draw(some), has_values)


def open_drawn(ctx: "Context", count: int, has_values: bool) -> None:
    """Opens the array of `count` fields: in RESP3 of pairs, if values are wanted."""
    ctx.reply.array(count * 2 if has_values and ctx.reply.resp == 2 else count)


def reply_drawn(ctx: "Context", drawn: list[bytes], has_values: bool) -> None:
    """Writes fields, or pairs of field and value, into the open array."""
    reply = ctx.reply
    for at in range(0, len(drawn), 2):
        if has_values and reply.resp > 2:
            reply.array(2)
        reply.bulk(drawn[at])
        if has_values:
            reply.bulk(drawn[at + 1])


# --- counters -------------------------------------------------------------------------------------------------------


@command("HINCRBY key field increment", flags=WRITE | DENYOOM | FAST, since="2.0.0", complexity="O(1)",
         key_flags="RW ACCESS UPDATE")
def hincrby(ctx: "Context", argv: list[bytes]) -> None:
    """Adds a number to the integer in a field; a missing one counts as 0."""
    key, field = argv[1], argv[2]
    increment = parse_integer(argv[3])
    hash_, former = value_to_change(ctx, key, field)
    value = 0
    if former is not None:
        try:
            value = parse_integer(former)
        except NotInteger:
            raise CommandError("ERR hash value is not an integer") from None
    value += increment
    if value > INT64_MAX or value < INT64_MIN:
        raise CommandError("ERR increment or decrement would overflow")
    store(ctx, key, hash_, field, b"%d" % value, True)
    ctx.modified(key, b"hincrby")
    ctx.reply.integer(value)


@command("HINCRBYFLOAT key field increment:double", flags=WRITE | DENYOOM | FAST, since="2.6.0", complexity="O(1)",
         key_flags="RW ACCESS UPDATE")
def hincrbyfloat(ctx: "Context", argv: list[bytes]) -> None:
    """Adds a floating-point number to the number in a field; a missing one counts as 0."""
    key, field = argv[1], argv[2]
    try:
        total = add_long_double(b"0", argv[3])
    except NotFloat:
        raise
    except CommandError:
        raise CommandError("ERR value is NaN or Infinity") from None
    hash_, former = value_to_change(ctx, key, field)
    if former is not None:
        try:
            total = add_long_double(former, argv[3])
        except NotFloat:
            raise CommandError("ERR hash value is not a float") from None
    store(ctx, key, hash_, field, total, True)
    ctx.modified(key, b"hincrbyfloat")
    ctx.propagate(b"HSETEX", key, b"KEEPTTL", b"FIELDS", 1, field, total)
    ctx.reply.bulk(total)


def value_to_change(ctx: "Context", key: bytes, field: bytes) -> tuple[Hash | None, bytes | None]:
    """The hash and the field's value, each None if it is missing."""
    hash_ = ctx.db.lookup_write(key, Hash)
    if hash_ is None:
        return None, None
    value = hash_.get(field)
    if value is None and not met(ctx, key, hash_, field):
        hash_ = None
    return hash_, value
