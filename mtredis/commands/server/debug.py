"""DEBUG: what tests of clients and servers use to look inside and to make trouble, behind `enable-debug-command`.

Idea: a table of subcommands with the numbers of arguments that they take; any other form gets Redis's one error. What
Redis has and this server has no use for yet is named as such instead of being accepted without effect.

Owner: the executor thread. Limits: keys whose time is over are not seen (Redis's DEBUG sees them); SLEEP stops the
executor, not the reads that workers answer; the serialized length of OBJECT is that without compression, for
collections what they take in memory.
"""

import hashlib
import os
import random
import re
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtredis.durability.loading import LoadError, RdbPiece
from mtredis.errors import CommandError, NoSuchKey
from mtredis.executor.arguments import integer
from mtredis.keyspace.digest import data_digest, value_digest
from mtredis.keyspace.types.list import List
from mtredis.lib.glob import glob_match
from mtredis.ops import log
from mtredis.registry.command import ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

type Action = Callable[["Context", list[bytes]], None]

ANY = 1 << 20
MATCHES_TRIED = 20_000
NOT_SUPPORTED = """
    CLIENT-EVICTION CONFIG-REWRITE-FORCE-ALL CRASH-AND-RECOVER DICT-RESIZING DROP-CLUSTER-PACKET-FILTER
    HTSTATS-KEY INTERNAL_SECRET LEAK LISTPACK MALLCTL MALLCTL-STR MARK-INTERNAL-CLIENT QUICKLIST
    QUICKLIST-PACKED-THRESHOLD REPL-PAUSE REPLICATE REPLYBUFFER RESTART SCRIPT SDSLEN SET-DISABLE-DENY-SCRIPTS
    SET-SKIP-CHECKSUM-VALIDATION STRUCTSIZE
""".split()


@dataclass(frozen=True, slots=True)
class Subcommand:
    """`least` and `most` arguments after the subcommand's name; `help` is its line in DEBUG HELP."""

    action: Action
    least: int
    most: int
    help: str


SUBCOMMANDS: dict[bytes, Subcommand] = {}


def _subcommand(usage: str, least: int = 0, most: int | None = None) -> Callable[[Action], Action]:
    """Declares a subcommand, its name being the usage's first word; at most as many arguments as `least` by default."""

    def declare(action: Action) -> Action:
        name = usage.split(" ", 1)[0].encode()
        help_text = f"{usage}\n    {(action.__doc__ or '').strip()}"
        SUBCOMMANDS[name] = Subcommand(action, least, least if most is None else most, help_text)
        return action

    return declare


@command(
    "DEBUG",
    flags=ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED,
    since="1.0.0",
    complexity="",
    arity=-2,
    syscmd=True,
)
def debug(ctx: "Context", argv: list[bytes]) -> None:
    """Looks inside the server and makes trouble, for tests."""
    name = argv[1].upper()
    found = SUBCOMMANDS.get(name)
    if found is not None and found.least <= len(argv) - 2 <= found.most:
        found.action(ctx, argv[2:])
    elif name.decode("latin-1") in NOT_SUPPORTED:
        raise CommandError(f"ERR DEBUG {name.decode()} is not supported by mtredis")
    else:
        word = argv[1][:128].decode("utf-8", "surrogateescape")
        raise CommandError(
            f"ERR unknown subcommand or wrong number of arguments for '{word}'. Try {argv[0].decode().upper()} HELP."
        )


@_subcommand("HELP")
def _help(ctx: "Context", arguments: list[bytes]) -> None:
    """Print this help."""
    head = "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    texts = [subcommand.help for name, subcommand in sorted(SUBCOMMANDS.items()) if name != b"HELP"]
    lines = "\n".join([head, *texts, SUBCOMMANDS[b"HELP"].help]).split("\n")
    ctx.reply.array(len(lines))
    for line in lines:
        ctx.reply.simple(line.encode())


# --- looking inside ---------------------------------------------------------------------------------------------------


@_subcommand("OBJECT <key>", 1)
def _object(ctx: "Context", arguments: list[bytes]) -> None:
    """Tells address, encoding, serialized length and idle time of the value."""
    key = arguments[0]
    encoding = ctx.db.encoding(key)
    if encoding is None:
        raise NoSuchKey()
    idle = ctx.db.idle_seconds(key)
    clock = (ctx.now // 1000 - idle) & 0xFFFFFF
    # Entries move; the name of one is as good an address as any.
    address = int.from_bytes(hashlib.sha1(key).digest()[:6])
    is_string = ctx.db.peek_type(key) == b"string"
    length = saved_length(ctx.db.peek_string(key) or b"") if is_string else ctx.db.memory_usage(key)
    line = b"Value at:0x%012x refcount:1 encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d" % (
        address, encoding, length, clock, idle
    )  # fmt: skip
    ctx.reply.simple(line + (about_nodes(ctx, key) if encoding == b"quicklist" else b""))


def about_nodes(ctx: "Context", key: bytes) -> bytes:
    """What DEBUG OBJECT adds for a quicklist."""
    nodes = ctx.db.peek(key, List).nodes()
    average = sum(count for count, _, _ in nodes) / len(nodes)
    used = sum(size for _, size, _ in nodes)
    return b" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:0 ql_uncompressed_size:%d" % (
        len(nodes), average, ctx.server.config.list_max_listpack_size, used
    )  # fmt: skip


def saved_length(value: bytes) -> int:
    """Bytes of a string in an RDB file without compression."""
    if len(value) <= 11 and re.fullmatch(rb"0|-?[1-9][0-9]*", value):
        number = int(value)
        for size in (1, 2, 4):
            if -(1 << (8 * size - 1)) <= number < 1 << (8 * size - 1):
                return 1 + size
    header = 1 if len(value) < 1 << 6 else 2 if len(value) < 1 << 14 else 5
    return header + len(value)


@_subcommand("DIGEST")
def _digest(ctx: "Context", arguments: list[bytes]) -> None:
    """Tells a signature of all data, the same as Redis's for the same data."""
    ctx.reply.simple(data_digest(ctx.server.keyspace).hex().encode())


@_subcommand("DIGEST-VALUE [<key> ...]", 0, ANY)
def _digest_value(ctx: "Context", arguments: list[bytes]) -> None:
    """Tells the signature of each key's value."""
    digests = [value_digest(ctx.db, key).hex().encode() for key in arguments]
    ctx.reply.array(len(digests))
    for digest in digests:
        ctx.reply.simple(digest)


@_subcommand("HTSTATS <dbid> [full]", 1, ANY)
def _htstats(ctx: "Context", arguments: list[bytes]) -> None:
    """Tells how full the tables of a database are."""
    index = integer(arguments[0])
    if not 0 <= index < len(ctx.server.keyspace):
        raise CommandError("ERR Out of range database")
    db = ctx.server.keyspace[index]
    ctx.reply.verbatim(
        b"[Dictionary HT]\nsegments: %d\nnumber of elements: %d\n[Expires HT]\nnumber of elements: %d\n"
        % (db.segments, len(db), db.volatile)
    )


# --- settings ---------------------------------------------------------------------------------------------------------


def leading_integer(text: bytes) -> int:
    """The number that a text begins with, as C's atoi reads it; 0 without one."""
    found = re.match(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)", text)
    return int(found[1]) if found else 0


@_subcommand("AOF-FLUSH-SLEEP <microsec>", 1)
def _aof_flush_sleep(ctx: "Context", arguments: list[bytes]) -> None:
    """Every write of the append only file takes this much longer."""
    ctx.server.aof.log.flush_sleep = integer(arguments[0])
    ctx.reply.ok()


@_subcommand("SET-ACTIVE-EXPIRE <0|1>", 1)
def _set_active_expire(ctx: "Context", arguments: list[bytes]) -> None:
    """Turns off (0) or on the search for expired keys that nobody accesses."""
    ctx.server.keyspace.active_expire = leading_integer(arguments[0]) != 0
    ctx.reply.ok()


@_subcommand("PAUSE-CRON <0|1>", 1)
def _pause_cron(ctx: "Context", arguments: list[bytes]) -> None:
    """Stops (1) or resumes periodic work."""
    ctx.server.cron_paused = leading_integer(arguments[0]) != 0
    ctx.reply.ok()


@_subcommand("CHANGE-REPL-ID")
def _change_repl_id(ctx: "Context", arguments: list[bytes]) -> None:
    """Gives the server another replication id."""
    ctx.server.replication_id = secrets.token_hex(20)
    ctx.reply.ok()


# --- data and replies -------------------------------------------------------------------------------------------------


def positive(text: bytes) -> int:
    """An integer that is not negative."""
    message = "value is out of range, must be positive"
    value = integer(text, message)
    if value < 0:
        raise CommandError("ERR " + message)
    return value


@_subcommand("POPULATE <count> [<prefix>] [<size>]", 1, 3)
def _populate(ctx: "Context", arguments: list[bytes]) -> None:
    """Makes strings named key:0, key:1, ... (or with another prefix) where there are none, of a size if it is given."""
    count = positive(arguments[0])
    prefix = arguments[1] if len(arguments) > 1 else b"key"
    size = positive(arguments[2]) if len(arguments) > 2 else 0
    db, watches = ctx.db, ctx.server.watches
    for number in range(count):
        key = b"%s:%d" % (prefix, number)
        if db.exists(key):
            continue
        value = b"value:%d" % number
        db.set_string(key, value[:size].ljust(size, b"\0") if size else value)
        if watches.keys:
            watches.touched(db.index, key)
    ctx.reply.ok()


@_subcommand("ERROR <string>", 1)
def _error(ctx: "Context", arguments: list[bytes]) -> None:
    """Replies with this error."""
    ctx.reply.raw(b"-" + arguments[0].replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n")


@_subcommand("PROTOCOL <type>", 1)
def _protocol(ctx: "Context", arguments: list[bytes]) -> None:
    """Replies with a value of the type: one of those that the error for another one lists."""
    write = SAMPLES.get(arguments[0].lower())
    if write is None:
        raise CommandError(
            "ERR Wrong protocol type name. Please use one of the following: "
            "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
        )
    write(ctx)


def _write_numbers(ctx: "Context") -> None:
    for number in range(3):
        ctx.reply.integer(number)


def _write_array(ctx: "Context") -> None:
    ctx.reply.array(3)
    _write_numbers(ctx)


def _write_set(ctx: "Context") -> None:
    ctx.reply.set(3)
    _write_numbers(ctx)


def _write_map(ctx: "Context") -> None:
    ctx.reply.map(3)
    for number in range(3):
        ctx.reply.integer(number)
        ctx.reply.boolean(number == 1)


def _write_attribute(ctx: "Context") -> None:
    if ctx.reply.resp >= 3:
        ctx.reply.attribute(1)
        ctx.reply.bulk(b"key-popularity")
        ctx.reply.array(2)
        ctx.reply.bulk(b"key:123")
        ctx.reply.integer(90)
    ctx.reply.bulk(b"Some real reply following the attribute")


def _write_push(ctx: "Context") -> None:
    if ctx.reply.resp < 3:
        raise CommandError("ERR RESP2 is not supported by this command")
    ctx.reply.bulk(b"Some real reply following the push reply")
    ctx.reply.push(2)   # what a command pushes to its own client comes behind its reply
    ctx.reply.bulk(b"server-cpu-usage")
    ctx.reply.integer(42)


SAMPLES: dict[bytes, Callable[["Context"], None]] = {
    b"string": lambda ctx: ctx.reply.bulk(b"Hello World"),
    b"integer": lambda ctx: ctx.reply.integer(12345),
    b"double": lambda ctx: ctx.reply.double(3.141),
    b"bignum": lambda ctx: ctx.reply.big_number(b"1234567999999999999999999999999999999"),
    b"null": lambda ctx: ctx.reply.null(),
    b"array": _write_array,
    b"set": _write_set,
    b"map": _write_map,
    b"attrib": _write_attribute,
    b"push": _write_push,
    b"verbatim": lambda ctx: ctx.reply.verbatim(b"This is a verbatim\nstring"),
    b"true": lambda ctx: ctx.reply.boolean(True),
    b"false": lambda ctx: ctx.reply.boolean(False),
}


@_subcommand("RELOAD [MERGE] [NOFLUSH] [NOSAVE]", 0, ANY)
def _reload(ctx: "Context", arguments: list[bytes]) -> None:
    """Saves the data, forgets them and loads them again; MERGE: keys may be there, NOFLUSH and NOSAVE: omit a step."""
    server, words = ctx.server, {word.upper() for word in arguments}
    if words - {b"MERGE", b"NOFLUSH", b"NOSAVE"}:
        raise CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    if b"NOSAVE" not in words and not server.saver.save():
        raise CommandError("ERR")
    keyspace = server.keyspace
    keyspace.version_begin()
    try:
        if b"NOFLUSH" not in words:
            for index in range(len(keyspace)):
                ctx.flushed(index)
            keyspace.flush(range(len(keyspace))).free()
        server.loading.run_now([RdbPiece(server, server.saver.path, allow_duplicates=b"MERGE" in words)])
    except LoadError as error:
        log.warning(str(error))
        raise CommandError("ERR Error trying to load the RDB dump, check server logs.") from None
    finally:
        keyspace.version_end()
    log.notice("DB reloaded by DEBUG RELOAD")
    ctx.reply.ok()


@_subcommand("LOADAOF", 0)
def _load_aof(ctx: "Context", arguments: list[bytes]) -> None:
    """Forgets the data and loads the append only file."""
    server, keyspace = ctx.server, ctx.server.keyspace
    keyspace.version_begin()
    try:
        pieces = server.aof.pieces_again()
        for index in range(len(keyspace)):
            ctx.flushed(index)
        keyspace.flush(range(len(keyspace))).free()
        server.loading.run_now(pieces)
    except LoadError as error:
        log.warning(str(error))
        raise CommandError("ERR Error trying to load the AOF files, check server logs.") from None
    finally:
        keyspace.version_end()
    log.notice("Append Only File loaded by DEBUG LOADAOF")
    ctx.reply.ok()


# --- making trouble ---------------------------------------------------------------------------------------------------


@_subcommand("SLEEP <seconds>", 1)
def _sleep(ctx: "Context", arguments: list[bytes]) -> None:
    """Stops the executor for so long; decimals are allowed."""
    found = re.match(rb"[0-9]*\.?[0-9]+", arguments[0])
    time.sleep(float(found[0]) if found else 0.0)
    ctx.reply.ok()


@_subcommand("LOG <message>", 1)
def _log(ctx: "Context", arguments: list[bytes]) -> None:
    """Writes the message to the log."""
    log.warning("DEBUG LOG: " + arguments[0].decode("utf-8", "backslashreplace"))
    ctx.reply.ok()


@_subcommand("STRINGMATCH-TEST")
def _stringmatch_test(ctx: "Context", arguments: list[bytes]) -> None:
    """Matches random patterns against random strings."""
    source = random.Random()
    for _ in range(MATCHES_TRIED):
        pattern = bytes(source.choices(b"*?[]^-\\ab", k=source.randrange(16)))
        glob_match(pattern, source.randbytes(source.randrange(16)), source.random() < 0.5)
    ctx.reply.simple(b"Apparently Redis did not crash: test passed")


@_subcommand("SEGFAULT")
def _segfault(ctx: "Context", arguments: list[bytes]) -> None:
    """Crashes the server with SIGSEGV."""
    log.warning("DEBUG SEGFAULT")
    os.kill(os.getpid(), signal.SIGSEGV)


def _abort(reason: str) -> Action:
    def action(ctx: "Context", arguments: list[bytes]) -> None:
        log.warning(f"{reason}: aborting")
        os.abort()

    action.__doc__ = "Crashes the server with SIGABRT."
    return action


for _name in ("ASSERT", "OOM", "PANIC"):
    _subcommand(_name)(_abort(f"DEBUG {_name}"))
