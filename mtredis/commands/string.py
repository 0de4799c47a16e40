# cython: freethreading_compatible=True, language_level=3
"""Strings: GET, SET and their kin, counters, ranges, and LCS.

Idea: the keyspace knows how a string is kept; a handler reads its arguments, makes one change, and says what happened.
The core serves the plain forms of GET, SET, INCR and some others itself; these are the complete ones.

Owner: the executor thread.
Invariants: a refused command has changed nothing; MSET and MSETNX are one step for readers on other threads.
Limits: compiled with Cython as ordinary Python, so no closures and no generators here.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault, WrongType
from mtredis.executor.arguments import (
    EX,
    EXAT,
    GET,
    INT64_MIN,
    KEEPTTL,
    NX,
    PERSIST,
    PX,
    PXAT,
    XX,
    option_expiry,
    positive_expiry,
    string_options,
)
from mtredis.lib.lcs import length as lcs_length
from mtredis.lib.lcs import solve as lcs_solve
from mtredis.lib.lcs import table_size as lcs_table_size
from mtredis.lib.numbers import add_long_double, parse_integer
from mtredis.registry import keyspec
from mtredis.registry.command import DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

# --- reading --------------------------------------------------------------------------------------------------------


@command("GET key", flags=READONLY | FAST, since="1.0.0", complexity="O(1)")
def get(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the string that a key holds."""
    ctx.reply.bulk_or_null(ctx.db.string(argv[1]))


@command("MGET key...", flags=READONLY | FAST, since="1.0.0", complexity="O(N) for N keys",
         tips=("request_policy:multi_shard",))
def mget(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the strings of several keys, null for those that are missing or hold something else."""
    db = ctx.db
    values: list[bytes | None] = []
    for key in argv[1:]:
        try:
            values.append(db.string(key))
        except WrongType:
            values.append(None)
    ctx.reply.bulks(values)


@command("STRLEN key", flags=READONLY | FAST, since="2.2.0", complexity="O(1)", key_flags="RO")
def strlen(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the length of a string in bytes, 0 for a missing key."""
    ctx.reply.integer(ctx.db.string_length(argv[1]))


@command("GETRANGE key start end", flags=READONLY, since="2.4.0", complexity="O(N) for a reply of N bytes")
def getrange(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the bytes from one position to another (both included, negative ones count from the end)."""
    start = parse_integer(argv[2])
    end = parse_integer(argv[3])
    ctx.reply.bulk(ctx.db.string_range(argv[1], start, end))


@command("SUBSTR key start end", flags=READONLY, since="1.0.0", complexity="O(N) for a reply of N bytes",
         deprecated_since="2.0.0", replaced_by="`GETRANGE`")
def substr(ctx: "Context", argv: list[bytes]) -> None:
    """The former name of GETRANGE."""
    getrange(ctx, argv)


# --- setting --------------------------------------------------------------------------------------------------------


@command(
    "SET key value [condition=NX|XX]@2.6.12 [GET]@6.2.0 "
    "[expiration=EX seconds@2.6.12|PX milliseconds@2.6.12|EXAT unix-time-seconds@6.2.0|"
    "PXAT unix-time-milliseconds@6.2.0|KEEPTTL@6.0.0]",
    flags=WRITE | DENYOOM, since="1.0.0", complexity="O(1)", key_flags="RW ACCESS UPDATE VARIABLE_FLAGS",
    getkeys=keyspec.set_keys,
)
def set_(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key hold a string, whatever it held before; the options say when, for how long, and what to reply."""
    key = argv[1]
    if len(argv) == 3:
        ctx.db.set_string(key, argv[2])
        ctx.modified(key, b"set")
        ctx.reply.ok()
        return
    options, time = string_options(argv, 3, True)
    expire_at = option_expiry(options, time, ctx.now, "set")
    former = ctx.db.string(key) if options & GET else None
    is_set = not options & (NX | XX) or ctx.db.exists(key) == bool(options & XX)
    if is_set:
        store(ctx, key, argv[2], expire_at, bool(options & KEEPTTL))
        if options & (EX | PX | EXAT):
            ctx.propagate(b"SET", key, argv[2], b"PXAT", expire_at)
        elif options & GET and not options & PXAT:
            ctx.propagate(*argv[:3], *[word for word in argv[3:] if word.upper() != b"GET"])
    if options & GET or not is_set:
        ctx.reply.bulk_or_null(former)
    else:
        ctx.reply.ok()


def store(ctx: "Context", key: bytes, value: bytes, expire_at: int, keep_ttl: bool) -> None:
    """The key holds the value and a time to live, if one is given or kept."""
    if keep_ttl:
        ctx.db.set_string_keep_ttl(key, value)
    else:
        ctx.db.set_string(key, value, expire_at)
    ctx.modified(key, b"set")
    if expire_at != -1:
        ctx.notify(b"expire", key)


@command("SETNX key value", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)", key_flags="OW INSERT",
         deprecated_since="2.6.12", replaced_by="`SET` with the `NX` argument")
def setnx(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a missing key hold a string and leaves an existing one as it is."""
    if ctx.db.exists(argv[1]):
        ctx.reply.integer(0)
        return
    ctx.db.set_string(argv[1], argv[2])
    ctx.modified(argv[1], b"set")
    ctx.reply.integer(1)


@command("SETEX key seconds value", flags=WRITE | DENYOOM, since="2.0.0", complexity="O(1)", key_flags="OW UPDATE",
         deprecated_since="2.6.12", replaced_by="`SET` with the `EX` argument")
def setex(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key hold a string for a number of seconds."""
    set_until(ctx, argv[1], argv[3], positive_expiry(argv[2], True, ctx.now, "setex"))


@command("PSETEX key milliseconds value", flags=WRITE | DENYOOM, since="2.6.0", complexity="O(1)",
         key_flags="OW UPDATE", deprecated_since="2.6.12", replaced_by="`SET` with the `PX` argument")
def psetex(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a key hold a string for a number of milliseconds."""
    set_until(ctx, argv[1], argv[3], positive_expiry(argv[2], False, ctx.now, "psetex"))


def set_until(ctx: "Context", key: bytes, value: bytes, expire_at: int) -> None:
    """SETEX and PSETEX."""
    store(ctx, key, value, expire_at, False)
    ctx.propagate(b"SET", key, value, b"PXAT", expire_at)
    ctx.reply.ok()


@command("MSET {key value}...", flags=WRITE | DENYOOM, since="1.0.1", complexity="O(N) for N keys",
         key_flags="OW UPDATE", tips=("request_policy:multi_shard", "response_policy:all_succeeded"))
def mset(ctx: "Context", argv: list[bytes]) -> None:
    """Sets several keys at once."""
    if len(argv) % 2 == 0:
        raise CommandError("ERR wrong number of arguments for 'mset' command")
    set_pairs(ctx, argv)
    ctx.reply.ok()


@command("MSETNX {key value}...", flags=WRITE | DENYOOM, since="1.0.1", complexity="O(N) for N keys",
         key_flags="OW INSERT")
def msetnx(ctx: "Context", argv: list[bytes]) -> None:
    """Sets several keys at once if none of them exists."""
    if len(argv) % 2 == 0:
        raise CommandError("ERR wrong number of arguments for 'msetnx' command")
    db = ctx.db
    for key in argv[1::2]:
        if db.exists(key):
            ctx.reply.integer(0)
            return
    set_pairs(ctx, argv)
    ctx.reply.integer(1)


def set_pairs(ctx: "Context", argv: list[bytes]) -> None:
    """Sets the pairs of keys and values from word 1 on, as one step for readers."""
    db = ctx.db
    keyspace = ctx.server.keyspace
    keyspace.version_begin()
    try:
        for at in range(1, len(argv), 2):
            db.set_string(argv[at], argv[at + 1])
            ctx.modified(argv[at], b"set")
    finally:
        keyspace.version_end()


# --- reading and changing -------------------------------------------------------------------------------------------


@command("GETSET key value", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)",
         key_flags="RW ACCESS UPDATE", deprecated_since="6.2.0", replaced_by="`SET` with the `!GET` argument")
def getset(ctx: "Context", argv: list[bytes]) -> None:
    """Sets a key and replies with the string it held."""
    former = ctx.db.string(argv[1])
    ctx.db.set_string(argv[1], argv[2])
    ctx.modified(argv[1], b"set")
    ctx.propagate(b"SET", argv[1], argv[2])
    ctx.reply.bulk_or_null(former)


@command("GETDEL key", flags=WRITE | FAST, since="6.2.0", complexity="O(1)", key_flags="RW ACCESS DELETE")
def getdel(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes a key and replies with the string it held."""
    value = ctx.db.string(argv[1])
    if value is not None and ctx.db.delete(argv[1]):
        ctx.modified(argv[1], b"del")
        ctx.propagate(b"DEL", argv[1])
    ctx.reply.bulk_or_null(value)


@command(
    "GETEX key [expiration=EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]",
    flags=WRITE | FAST, since="6.2.0", complexity="O(1)", key_flags="RW ACCESS UPDATE",
)
def getex(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the string of a key and changes how long it lives."""
    key = argv[1]
    options, time = string_options(argv, 2, False)
    value = ctx.db.string(key)
    if value is None:
        ctx.reply.null()
        return
    expire_at = option_expiry(options, time, ctx.now, "getex")
    if options & (EXAT | PXAT) and expire_at <= ctx.now:
        ctx.db.delete(key)
        ctx.modified(key, b"del")
        ctx.propagate_deletion(key, ctx.server.config.lazyfree_lazy_expire)
    elif options & (EX | PX | EXAT | PXAT):
        ctx.db.set_expire(key, expire_at)
        ctx.modified(key, b"expire")
        ctx.propagate(b"PEXPIREAT", key, expire_at)
    elif options & PERSIST and ctx.db.persist(key):
        ctx.modified(key, b"persist")
        ctx.propagate(b"PERSIST", key)
    ctx.reply.bulk(value)


@command("APPEND key value", flags=WRITE | DENYOOM | FAST, since="2.0.0",
         complexity="O(N) for N bytes appended, as room for more is kept behind a growing string",
         key_flags="RW INSERT")
def append(ctx: "Context", argv: list[bytes]) -> None:
    """Adds bytes to the end of a string, or creates it."""
    length = ctx.db.append(argv[1], argv[2])
    ctx.modified(argv[1], b"append")
    ctx.reply.integer(length)


@command("SETRANGE key offset value", flags=WRITE | DENYOOM, since="2.2.0",
         complexity="O(N) for N bytes written, and for the zeros before them")
def setrange(ctx: "Context", argv: list[bytes]) -> None:
    """Overwrites the bytes of a string from an offset on; it grows with zeros as needed."""
    offset = parse_integer(argv[2])
    if offset < 0:
        raise CommandError("ERR offset is out of range")
    length = ctx.db.set_range(argv[1], offset, argv[3])
    if argv[3]:
        ctx.modified(argv[1], b"setrange")
    ctx.reply.integer(length)


# --- counters -------------------------------------------------------------------------------------------------------


@command("INCR key", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)", key_flags="RW ACCESS UPDATE")
def incr(ctx: "Context", argv: list[bytes]) -> None:
    """Adds one to the integer in a key; a missing key counts as 0."""
    add(ctx, argv[1], 1)


@command("DECR key", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)", key_flags="RW ACCESS UPDATE")
def decr(ctx: "Context", argv: list[bytes]) -> None:
    """Takes one from the integer in a key; a missing key counts as 0."""
    add(ctx, argv[1], -1)


@command("INCRBY key increment", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)",
         key_flags="RW ACCESS UPDATE")
def incrby(ctx: "Context", argv: list[bytes]) -> None:
    """Adds a number to the integer in a key; a missing key counts as 0."""
    add(ctx, argv[1], parse_integer(argv[2]))


@command("DECRBY key decrement", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)",
         key_flags="RW ACCESS UPDATE")
def decrby(ctx: "Context", argv: list[bytes]) -> None:
    """Takes a number from the integer in a key; a missing key counts as 0."""
    decrement = parse_integer(argv[2])
    if decrement == INT64_MIN:
        raise CommandError("ERR decrement would overflow")
    add(ctx, argv[1], -decrement)


def add(ctx: "Context", key: bytes, increment: int) -> None:
    """Changes the integer in a key and replies with its new value."""
    value = ctx.db.increment(key, increment)
    ctx.modified(key, b"incrby")
    ctx.reply.integer(value)


@command("INCRBYFLOAT key increment:double", flags=WRITE | DENYOOM | FAST, since="2.6.0", complexity="O(1)",
         key_flags="RW ACCESS UPDATE")
def incrbyfloat(ctx: "Context", argv: list[bytes]) -> None:
    """Adds a floating-point number to the number in a key; a missing key counts as 0."""
    value = ctx.db.peek_string(argv[1])
    total = add_long_double(b"0" if value is None else value, argv[2])
    ctx.db.set_plain_keep_ttl(argv[1], total)
    ctx.modified(argv[1], b"incrbyfloat")
    ctx.propagate(b"SET", argv[1], total, b"KEEPTTL")
    ctx.reply.bulk(total)


# --- LCS ------------------------------------------------------------------------------------------------------------


@command("LCS key1#0 key2#0 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]", flags=READONLY, since="7.0.0",
         complexity="O(N*M) for strings of N and M bytes", key_specs=(keyspec.spec("RO ACCESS", index=1, last=1),))
def lcs(ctx: "Context", argv: list[bytes]) -> None:
    """Finds the longest common subsequence of two strings: itself, its length, or where its parts are."""
    a, b = lcs_strings(ctx, argv)
    wants_length, wants_index, shortest, has_lengths = lcs_options(argv)
    if wants_length and wants_index:
        raise CommandError("ERR If you want both the length and indexes, please just use IDX.")
    if lcs_table_size(len(a), len(b)) > ctx.server.config.proto_max_bulk_len:
        raise CommandError("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if wants_length:
        ctx.reply.integer(lcs_length(a, b))
        return
    found, runs = lcs_solve(a, b)
    if wants_index:
        reply_index(ctx, runs, shortest, has_lengths, len(found))
    else:
        ctx.reply.bulk(found)


def lcs_strings(ctx: "Context", argv: list[bytes]) -> tuple[bytes, bytes]:
    """The two strings, empty where the key is missing."""
    try:
        return ctx.db.string(argv[1]) or b"", ctx.db.string(argv[2]) or b""
    except WrongType:
        raise CommandError("ERR The specified keys must contain string values") from None


def lcs_options(argv: list[bytes]) -> tuple[bool, bool, int, bool]:
    """LEN, IDX, the shortest run that IDX reports, WITHMATCHLEN."""
    wants_length = wants_index = has_lengths = False
    shortest = 0
    at = 3
    while at < len(argv):
        word = argv[at].upper()
        at += 1
        if word == b"IDX":
            wants_index = True
        elif word == b"LEN":
            wants_length = True
        elif word == b"WITHMATCHLEN":
            has_lengths = True
        elif word == b"MINMATCHLEN" and at < len(argv):
            shortest = parse_integer(argv[at])
            at += 1
        else:
            raise SyntaxFault()
    return wants_length, wants_index, shortest, has_lengths


def reply_index(ctx: "Context", runs: list[int], shortest: int, has_lengths: bool, total: int) -> None:
    """Replies with the runs of at least `shortest` bytes, last first, and the length of all together."""
    reply = ctx.reply
    shown = [at for at in range(0, len(runs), 3) if runs[at + 2] >= shortest]
    reply.map(2)
    reply.bulk(b"matches")
    reply.array(len(shown))
    for at in shown:
        length = runs[at + 2]
        reply.array(3 if has_lengths else 2)
        reply.integers([runs[at], runs[at] + length - 1])
        reply.integers([runs[at + 1], runs[at + 1] + length - 1])
        if has_lengths:
            reply.integer(length)
    reply.bulk(b"len")
    reply.integer(total)
