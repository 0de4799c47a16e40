# cython: freethreading_compatible=True, language_level=3
"""Times to live of the fields of hashes, and the commands that read or set fields together with them.

Idea: the commands share their words (a time, a condition, FIELDS with a count) but not the order in which Redis checks
them, so each reads its arguments in that order. `change_time` is what they do to one field; its results are the numbers
that HEXPIRE and its kin reply with. Events and the end of an empty hash come once, after all fields.

Owner: the executor thread.
Invariants: times are unix ms below MAX_TIME; a time that has come deletes the field at once. A hash that is asked
for times to live becomes a listpackex even if none of the fields is there, as in Redis.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.executor.arguments import INT64_MAX, integer, invalid_expire
from mtredis.keyspace.field_expiry import EXPIRED, expire_field
from mtredis.keyspace.types.hash import Hash
from mtredis.lib.numbers import parse_integer
from mtredis.registry.command import DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

MAX_TIME = (1 << 46) - 1

# What has become of a field.
DONE = 1
REFUSED = 0  # by the condition
NO_TIME = -1
NO_FIELD = -2
DELETED = 2  # the time had come already

# How the time of an option is meant.
RELATIVE_SECONDS, RELATIVE_MS, UNIX_SECONDS, UNIX_MS, PERSIST, KEEPTTL = range(6)
_TIME_WORDS = {b"EX": RELATIVE_SECONDS, b"PX": RELATIVE_MS, b"EXAT": UNIX_SECONDS, b"PXAT": UNIX_MS}
COUNT_MESSAGE = "Number of fields must be a positive integer"
_CONDITIONS = (b"NX", b"XX", b"GT", b"LT")


# --- arguments ------------------------------------------------------------------------------------------------------


def parse_time(text: bytes, kind: int, now: int, command_name: str) -> int:
    """The unix ms that the text means, past ones included."""
    value = parse_integer(text)
    if value < 0:
        raise CommandError("ERR invalid expire time, must be >= 0")
    if kind in (RELATIVE_SECONDS, UNIX_SECONDS):
        value *= 1000
    if kind in (RELATIVE_SECONDS, RELATIVE_MS):
        value += now
    if value > MAX_TIME:
        raise invalid_expire(command_name)
    return value


def field_count(text: bytes, most: int, message: str) -> int:
    """A number of fields; `message` for anything else."""
    value = integer(text, message)
    if not 1 <= value <= most:
        raise CommandError("ERR " + message)
    return value


def named_fields(argv: list[bytes], at: int, message: str = COUNT_MESSAGE) -> list[bytes]:
    """The fields behind FIELDS, which is word `at`, and their number."""
    if argv[at].upper() != b"FIELDS":
        raise CommandError("ERR Mandatory argument FIELDS is missing or not at the right position")
    if field_count(argv[at + 1], INT64_MAX, message) != len(argv) - at - 2:
        raise CommandError("ERR The `numfields` parameter must match the number of arguments")
    return argv[at + 2:]


def wrong_number(name: str) -> CommandError:
    """The refusal of a number of arguments that the arity allows."""
    return CommandError(f"ERR wrong number of arguments for '{name}' command")


# --- one field ------------------------------------------------------------------------------------------------------


def change_time(hash_: Hash, field: bytes, at: int, condition: bytes, now: int) -> int:
    """The field lives until `at` (-1: for ever) if the condition allows it: DONE, REFUSED, DELETED or NO_FIELD."""
    current = hash_.time(field)
    if current == -2:
        return NO_FIELD
    if at == -1:
        if current == -1:
            return REFUSED
        hash_.set_time(field, -1)
        return DONE
    if not is_allowed(at, current, condition):
        return REFUSED
    if at <= now:
        hash_.delete(field)
        return DELETED
    hash_.set_time(field, at)
    return DONE


def is_allowed(at: int, current: int, condition: bytes) -> bool:
    """Whether the condition allows `at` for a field that lives until `current` (-1: for ever, after any time)."""
    if current == -1:
        return condition not in (b"XX", b"GT")
    if condition == b"GT":
        return at > current
    if condition == b"LT":
        return at < current
    return condition != b"NX"


def take(ctx: "Context", key: bytes, hash_: Hash, field: bytes) -> tuple[bytes | None, int]:
    """The field's value (None: missing), and 1 if its time had passed and it is gone; the hash stays."""
    value = hash_.get(field)
    if value is not None:
        return value, 0
    return None, int(expire_field(ctx.server.keyspace, ctx.db, key, hash_, field, keeps_key=True) == EXPIRED)


def end(ctx: "Context", key: bytes, hash_: Hash) -> None:
    """The key goes if its hash is empty now."""
    if ctx.db.drop_if_empty(key, hash_):
        ctx.notify(b"del", key)


def propagate_deleted(ctx: "Context", key: bytes, fields: list[bytes]) -> None:
    """What goes out for fields whose new time had come already."""
    for field in fields:
        ctx.propagate(b"HDEL", key, field)


def count_deleted(ctx: "Context", deleted: int) -> None:
    """Fields whose new time had come already count as expired."""
    ctx.server.keyspace.expired_fields += deleted


# --- setting times --------------------------------------------------------------------------------------------------


@command("HEXPIRE key seconds [condition=NX|XX|GT|LT] (FIELDS numfields field...)", flags=WRITE | FAST, since="7.4.0",
         complexity="O(N) for N fields", group="hash")
def hexpire(ctx: "Context", argv: list[bytes]) -> None:
    """Makes fields of a hash live for so many seconds more."""
    set_times(ctx, argv, RELATIVE_SECONDS, "hexpire")


@command("HPEXPIRE key milliseconds [condition=NX|XX|GT|LT] (FIELDS numfields field...)", flags=WRITE | FAST,
         since="7.4.0", complexity="O(N) for N fields", group="hash")
def hpexpire(ctx: "Context", argv: list[bytes]) -> None:
    """Makes fields of a hash live for so many milliseconds more."""
    set_times(ctx, argv, RELATIVE_MS, "hpexpire")


@command("HEXPIREAT key unix-time-seconds [condition=NX|XX|GT|LT] (FIELDS numfields field...)", flags=WRITE | FAST,
         since="7.4.0", complexity="O(N) for N fields", group="hash")
def hexpireat(ctx: "Context", argv: list[bytes]) -> None:
    """Makes fields of a hash live until a unix time in seconds."""
    set_times(ctx, argv, UNIX_SECONDS, "hexpireat")


@command("HPEXPIREAT key unix-time-milliseconds [condition=NX|XX|GT|LT] (FIELDS numfields field...)",
         flags=WRITE | FAST, since="7.4.0", complexity="O(N) for N fields", group="hash")
def hpexpireat(ctx: "Context", argv: list[bytes]) -> None:
    """Makes fields of a hash live until a unix time in milliseconds."""
    set_times(ctx, argv, UNIX_MS, "hpexpireat")


def set_times(ctx: "Context", argv: list[bytes], kind: int, name: str) -> None:
    """HEXPIRE and its kin: replies for each field with what has become of it."""
    key, now = argv[1], ctx.now
    hash_ = ctx.db.lookup_write(key, Hash)
    at = parse_time(argv[2], kind, now, name)
    condition = argv[3].upper()
    if condition not in _CONDITIONS:
        condition = b""
    fields = named_fields(argv, 4 if condition else 3, "Parameter `numFields` should be greater than 0")
    if hash_ is None:
        ctx.reply.integers([NO_FIELD] * len(fields))
        return
    hash_.prepare_times()
    results = [change_time(hash_, field, at, condition, now) for field in fields]
    deleted = results.count(DELETED)
    count_deleted(ctx, deleted)
    ctx.modified(key, b"hdel" if deleted else b"hexpire", deleted + results.count(DONE))
    if deleted:
        propagate_deleted(ctx, key, [field for field, result in zip(fields, results, strict=True) if result == DELETED])
    changed = [field for field, result in zip(fields, results, strict=True) if result == DONE]
    if changed:
        ctx.propagate(b"HPEXPIREAT", key, at, *argv[3:5 if condition else 4], len(changed), *changed)
    end(ctx, key, hash_)
    ctx.reply.integers(results)


@command("HPERSIST key (FIELDS numfields field...)", flags=WRITE | FAST, since="7.4.0", complexity="O(N) for N fields",
         group="hash")
def hpersist(ctx: "Context", argv: list[bytes]) -> None:
    """Makes fields of a hash stay until they are deleted."""
    key = argv[1]
    hash_ = ctx.db.lookup_write(key, Hash)
    results = []
    for field in named_fields(argv, 2):
        current = -2 if hash_ is None else hash_.time(field)
        if hash_ is None or current == -2 or 0 <= current < ctx.now:
            results.append(NO_FIELD)
        elif current == -1:
            results.append(NO_TIME)
        else:
            hash_.set_time(field, -1)
            results.append(DONE)
    if DONE in results:
        ctx.modified(key, b"hpersist")
    ctx.reply.integers(results)


# --- reading times --------------------------------------------------------------------------------------------------


@command("HTTL key (FIELDS numfields field...)", flags=READONLY | FAST, since="7.4.0", complexity="O(N) for N fields",
         tips=("nondeterministic_output",), group="hash")
def httl(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many seconds fields of a hash have left."""
    reply_times(ctx, argv, ctx.now, True)


@command("HPTTL key (FIELDS numfields field...)", flags=READONLY | FAST, since="7.4.0", complexity="O(N) for N fields",
         tips=("nondeterministic_output",), group="hash")
def hpttl(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with how many milliseconds fields of a hash have left."""
    reply_times(ctx, argv, ctx.now, False)


@command("HEXPIRETIME key (FIELDS numfields field...)", flags=READONLY | FAST, since="7.4.0",
         complexity="O(N) for N fields", group="hash")
def hexpiretime(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the unix times in seconds until which fields of a hash live."""
    reply_times(ctx, argv, 0, True)


@command("HPEXPIRETIME key (FIELDS numfields field...)", flags=READONLY | FAST, since="7.4.0",
         complexity="O(N) for N fields", group="hash")
def hpexpiretime(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the unix times in milliseconds until which fields of a hash live."""
    reply_times(ctx, argv, 0, False)


def reply_times(ctx: "Context", argv: list[bytes], since: int, in_seconds: bool) -> None:
    """Replies with the time from `since` for each field; -1: it stays, -2: it is missing or expired."""
    hash_ = ctx.db.lookup_read(argv[1], Hash)
    fields = named_fields(argv, 2)
    if hash_ is None:
        ctx.reply.integers([NO_FIELD] * len(fields))
        return
    # Redis takes the last millisecond of a packed field for past.
    first = ctx.now + (hash_.encoding != b"hashtable")
    times = []
    for field in fields:
        at = hash_.time(field)
        if at >= 0:
            at = NO_FIELD if at < first else (at - since + 999) // 1000 if in_seconds else at - since
        times.append(at)
    ctx.reply.integers(times)


# --- with values ----------------------------------------------------------------------------------------------------


@command("HGETDEL key (FIELDS numfields field...)", flags=WRITE | FAST, since="8.0.0", complexity="O(N) for N fields",
         key_flags="RW ACCESS DELETE", group="hash")
def hgetdel(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the values of fields and deletes them; the hash goes with its last field."""
    key = argv[1]
    hash_ = ctx.db.lookup_write(key, Hash)
    fields = named_fields(argv, 2)
    values: list[bytes | None] = [None] * len(fields)
    expired = deleted = 0
    if hash_ is not None:
        for i, field in enumerate(fields):
            values[i], gone = take(ctx, key, hash_, field)
            expired += gone
            if values[i] is not None:
                deleted += hash_.delete(field)
        if expired:
            ctx.announce(ctx.db.index, key, b"hexpired")
        ctx.modified(key, b"hdel", deleted)
        if deleted:
            ctx.propagate(b"HDEL", key, *fields)
        end(ctx, key, hash_)
    ctx.reply.bulks(values)


@command(
    "HGETEX key [expiration=EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] "
    "(FIELDS numfields field...)",
    flags=WRITE | FAST, since="8.0.0", complexity="O(N) for N fields", key_flags="RW ACCESS UPDATE", group="hash",
)
def hgetex(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the values of fields and changes how long they live."""
    key = argv[1]
    hash_ = ctx.db.lookup_write(key, Hash)
    is_timed, at, fields = hgetex_arguments(argv, ctx.now)
    values: list[bytes | None] = [None] * len(fields)
    if hash_ is None:
        ctx.reply.bulks(values)
        return
    if is_timed:
        hash_.prepare_times()
    expired = updated = deleted = 0
    for i, field in enumerate(fields):
        values[i], gone = take(ctx, key, hash_, field)
        expired += gone
        if is_timed and values[i] is not None:
            result = change_time(hash_, field, at, b"", ctx.now)
            updated += result == DONE
            deleted += result == DELETED
    count_deleted(ctx, deleted)
    if expired:
        ctx.announce(ctx.db.index, key, b"hexpired")
    event = (b"hpersist" if at == -1 else b"hexpire") if updated else b"hdel"
    ctx.modified(key, event, updated + deleted)
    if deleted:
        propagate_deleted(ctx, key, [field for field, value in zip(fields, values, strict=True) if value is not None])
    elif updated:
        words = [b"HPERSIST", key] if at == -1 else [b"HPEXPIREAT", key, at]
        ctx.propagate(*words, argv[-len(fields) - 2], len(fields), *fields)
    end(ctx, key, hash_)
    ctx.reply.bulks(values)


def hgetex_arguments(argv: list[bytes], now: int) -> tuple[bool, int, list[bytes]]:
    """Whether times change, until when the fields shall live (-1: for ever), the fields."""
    word = argv[2].upper()
    at = -1
    position = 2
    if word in _TIME_WORDS:
        at = parse_time(argv[3], _TIME_WORDS[word], now, "hgetex")
        position = 4
    elif word == b"PERSIST":
        position = 3
    if position + 1 >= len(argv):
        raise wrong_number("hgetex")
    return position > 2, at, named_fields(argv, position)


@command(
    "HSETEX key [condition=FNX|FXX] [expiration=EX seconds|PX milliseconds|EXAT unix-time-seconds|"
    "PXAT unix-time-milliseconds|KEEPTTL] (FIELDS numfields {field value}...)",
    flags=WRITE | DENYOOM | FAST, since="8.0.0", complexity="O(N) for N fields", group="hash",
)
def hsetex(ctx: "Context", argv: list[bytes]) -> None:
    """Sets fields and how long they live, if all of them or none of them are there; replies 1 if it did."""
    key = argv[1]
    condition, kind, at, first = hsetex_arguments(argv, ctx.now)
    hash_ = ctx.db.lookup_write(key, Hash)
    expired = 0
    if hash_ is not None and condition:
        is_met, expired = meets(ctx, key, hash_, argv, first, condition)
    else:
        is_met = hash_ is not None or condition != b"FXX"
    if is_met:
        hash_ = ctx.db.create(key, Hash) if hash_ is None else hash_
        result = set_fields(hash_, argv, first, kind, at, ctx.now)
    if expired:
        ctx.announce(ctx.db.index, key, b"hexpired")
    if is_met:
        ctx.modified(key, b"hset", (len(argv) - first) // 2)
        if at != -1:
            count_deleted(ctx, (len(argv) - first) // 2 if result == DELETED else 0)
            ctx.notify(b"hdel" if result == DELETED else b"hexpire", key)
            propagate_set(ctx, argv, first, at, result == DELETED)
    if hash_ is not None:
        end(ctx, key, hash_)
    ctx.reply.integer(int(is_met))


def set_fields(hash_: Hash, argv: list[bytes], first: int, kind: int, at: int, now: int) -> int:
    """Sets the pairs from word `first` on and their time (-1: none); DELETED if it had come already."""
    hash_.reserve(argv, first)
    result = DONE
    if at != -1:
        hash_.prepare_times()
    for i in range(first, len(argv), 2):
        hash_.set(argv[i], argv[i + 1], at != -1 or kind == KEEPTTL)
        if at != -1:
            result = change_time(hash_, argv[i], at, b"", now)
    return result


def propagate_set(ctx: "Context", argv: list[bytes], first: int, at: int, is_deleted: bool) -> None:
    """HSETEX with a time goes out with it as unix ms, or, if it had come already, as the end of the fields."""
    if is_deleted:
        propagate_deleted(ctx, argv[1], argv[first::2])
        return
    words: list[bytes | int] = [*argv]
    for place in range(2, first):
        if argv[place].upper() in _TIME_WORDS:
            words[place : place + 2] = [b"PXAT", at]
    ctx.propagate(*words)


def meets(
    ctx: "Context", key: bytes, hash_: Hash, argv: list[bytes], first: int, condition: bytes
) -> tuple[bool, int]:
    """Whether all (FXX) or none (FNX) of the fields are there, and how many of them had expired and are gone."""
    expired = 0
    for at in range(first, len(argv), 2):
        value, gone = take(ctx, key, hash_, argv[at])
        expired += gone
        if (value is None) == (condition == b"FXX"):
            return False, expired
    return True, expired


def hsetex_arguments(argv: list[bytes], now: int) -> tuple[bytes, int, int, int]:
    """The condition (FNX, FXX, or empty), the kind of the time (-1: none is given), it as unix ms or -1, and where
    the pairs begin."""
    condition, kind, expire_at = b"", -1, -1
    at = 2
    while True:
        word = argv[at].upper()
        if word == b"FIELDS":
            check_pairs(argv, at)
            return condition, kind, expire_at, at + 2
        if word in _TIME_WORDS or word == b"KEEPTTL":
            if kind != -1:
                raise CommandError("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
            kind = KEEPTTL
            if word != b"KEEPTTL":
                at += 1
                if at == len(argv):
                    raise CommandError("ERR missing expire time")
                kind = _TIME_WORDS[word]
                expire_at = parse_time(argv[at], kind, now, "hsetex")
        elif word in (b"FXX", b"FNX"):
            if condition:
                raise CommandError("ERR Only one of FXX or FNX arguments can be specified")
            condition = word
        else:
            shown = argv[at].partition(b"\0")[0].decode("utf-8", "surrogateescape")
            raise CommandError(f"ERR unknown argument: {shown}")
        at += 1


def check_pairs(argv: list[bytes], at: int) -> None:
    """Behind FIELDS, word `at`, there must be the number of pairs and as many pairs."""
    if at >= len(argv) - 3:
        raise wrong_number("hsetex")
    count = field_count(argv[at + 1], 2**31 - 1, "invalid number of fields")
    if count * 2 != len(argv) - at - 2:
        raise wrong_number("hsetex")
