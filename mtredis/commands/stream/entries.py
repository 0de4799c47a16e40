"""Streams: XADD, XRANGE, XREAD, XDEL, XTRIM and their kin; the consumer groups are in groups.py.

Idea: a stream (keyspace/types/stream.pyx) knows its entries and ids; a handler reads its arguments, makes one change
and says what happened. XREAD without anything to give waits with the ids it would have asked for in its argv, so that
it goes on from there when it is run again.

Owner: the executor thread.
Invariants: an empty stream stays where it is (a stream may be empty, unlike other collections); XADD creates a key only
together with its first entry. Trimming after XADD is part of the same change.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, NoSuchKey, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.executor.stream_arguments import (
    MAX_ID,
    Trim,
    TrimWords,
    blocking_milliseconds,
    format_id,
    new_id,
    range_end,
    range_start,
    strict_id,
)
from mtredis.keyspace.types.stream import Stream
from mtredis.registry import command as registry
from mtredis.registry.command import BLOCKING, DENYOOM, FAST, READONLY, WRITE

if TYPE_CHECKING:
    from mtredis.executor.context import Context
    from mtredis.protocol.reply import Reply

command = functools.partial(registry.command, group="stream")

type Entries = Sequence[tuple[bytes, list[bytes] | None]]
"""Ids with names and values; None in their place: the entry is pending, but no longer in the stream."""


def write_entries(reply: "Reply", entries: Entries) -> None:
    """Replies with entries: for each its id and its names and values."""
    reply.array(len(entries))
    for name, pairs in entries:
        reply.array(2)
        reply.bulk(name)
        if pairs is None:
            reply.null_array()
        else:
            reply.bulks(pairs)


def trim(stream: Stream, how: Trim) -> int:
    """Deletes the oldest entries as asked; how many it took."""
    if how.by_id:
        return stream.trim_id(how.threshold, how.is_approximate, how.limit)
    return stream.trim_length(how.threshold, how.is_approximate, how.limit)


# --- adding and deleting --------------------------------------------------------------------------------------------


@command(
    'XADD key [NOMKSTREAM]@6.2.0 [trim=(strategy=MAXLEN|MINID@6.2.0) [operator=(equal="=")|(approximately=~)] '
    "threshold [LIMIT count]@6.2.0] (id-selector=(auto-id=*)|id) {field value}...",
    flags=WRITE | DENYOOM | FAST, since="5.0.0", complexity="O(1), and O(N) for N entries that trimming deletes",
    tips=("nondeterministic_output",),
)
def xadd(ctx: "Context", argv: list[bytes]) -> None:
    """Appends an entry to a stream, which is made if it is missing, and may delete the oldest ones."""
    key = argv[1]
    words = TrimWords()
    at, is_creating = (2, True) if argv[2] == b"*" else xadd_options(argv, words)
    number, is_partial = (None, False) if argv[at:at + 1] in ([], [b"*"]) else new_id(argv[at])
    how = words.result(ctx.keyspace, ctx.replays) if at > 2 else None
    at += 1
    if at >= len(argv) or (len(argv) - at) % 2:
        raise CommandError("ERR wrong number of arguments for 'xadd' command")
    if number == 0 and not is_partial:
        raise CommandError("ERR The ID specified in XADD must be greater than 0-0")
    stream = ctx.db.lookup_write(key, Stream)
    if stream is None:
        if not is_creating:
            ctx.reply.null()
            return
        stream = ctx.keyspace.new(Stream)
        added = stream.add(argv, at, number, is_partial)
        ctx.db.put(key, stream)
    else:
        added = stream.add(argv, at, number, is_partial)
    ctx.modified(key, b"xadd")
    if how is not None and trim(stream, how):
        ctx.notify(b"xtrim", key)
    if ctx.propagates:
        name = added if number is None or is_partial else argv[at - 1]
        ctx.propagate(*words.exact(argv[:at - 1], stream), name, *argv[at:])
    ctx.reply.bulk(added)


def xadd_options(argv: list[bytes], words: TrimWords) -> tuple[int, bool]:
    """Reads the options before the id; where that should stand, and whether a missing stream is to be made."""
    at = 2
    is_creating = True
    while at < len(argv) and argv[at] != b"*":
        following = words.take(argv, at)
        if following == at:
            if argv[at].upper() != b"NOMKSTREAM":
                break
            is_creating = False
            following = at + 1
        at = following
    return at, is_creating


@command(
    'XTRIM key (trim=(strategy=MAXLEN|MINID@6.2.0) [operator=(equal="=")|(approximately=~)] threshold '
    "[LIMIT count]@6.2.0)",
    flags=WRITE, since="5.0.0", complexity="O(N) for N deleted entries, a node at a time", key_flags="RW DELETE",
    tips=("nondeterministic_output",),
)
def xtrim(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes the oldest entries of a stream, by how many are to stay or by the lowest id that is to stay."""
    words = TrimWords()
    at = 2
    while at < len(argv):
        following = words.take(argv, at)
        if following == at:
            raise SyntaxFault()
        at = following
    if words.by_id is None and words.limit <= 0:
        raise CommandError("ERR syntax error, XTRIM must be called with a trimming strategy")
    how = words.result(ctx.keyspace, ctx.replays)
    stream = ctx.db.lookup_write(argv[1], Stream)
    deleted = trim(stream, how) if stream is not None and how is not None else 0
    if deleted:
        ctx.modified(argv[1], b"xtrim", deleted)
        ctx.propagate(*words.exact(argv, stream))
    ctx.reply.integer(deleted)


@command("XDEL key id:string...", flags=WRITE | FAST, since="5.0.0", complexity="O(1) for each entry",
         key_flags="RW DELETE")
def xdel(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes entries of a stream by their ids and replies how many of them there were."""
    stream = ctx.db.lookup_write(argv[1], Stream)
    if stream is None:
        ctx.reply.integer(0)
        return
    deleted = stream.delete([strict_id(text) for text in argv[2:]])
    ctx.modified(argv[1], b"xdel", deleted)
    ctx.reply.integer(deleted)


@command("XSETID key last-id [ENTRIESADDED entries-added]@7.0.0 [MAXDELETEDID max-deleted-id]@7.0.0",
         flags=WRITE | DENYOOM | FAST, since="5.0.0", complexity="O(1)")
def xsetid(ctx: "Context", argv: list[bytes]) -> None:
    """Sets what a stream remembers: its last id, how many entries it ever got, the highest id that was deleted."""
    last_id = strict_id(argv[2])
    entries_added, max_deleted_id = xsetid_options(argv, last_id)
    stream = ctx.db.lookup_write(argv[1], Stream)
    if stream is None:
        raise NoSuchKey()
    if last_id < stream.max_deleted_id:
        raise CommandError("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if len(stream):
        if last_id < stream.top_id:
            raise CommandError("ERR The ID specified in XSETID is smaller than the target stream top item")
        if entries_added != -1 and len(stream) > entries_added:
            raise CommandError("ERR The entries_added specified in XSETID is smaller than the target stream length")
    stream.set_ids(last_id, entries_added, max_deleted_id)
    ctx.dirty += 1
    ctx.notify(b"xsetid", argv[1])
    ctx.reply.ok()


def xsetid_options(argv: list[bytes], last_id: int) -> tuple[int, int]:
    """(entries added, -1 if not given; highest deleted id, 0 if not given)."""
    entries_added, max_deleted_id = -1, 0
    for at in range(3, len(argv), 2):
        word = argv[at].upper()
        if word not in (b"ENTRIESADDED", b"MAXDELETEDID") or at + 1 == len(argv):
            raise SyntaxFault()
        if word == b"ENTRIESADDED":
            entries_added = integer(argv[at + 1])
            if entries_added < 0:
                raise CommandError("ERR entries_added must be positive")
        else:
            max_deleted_id = strict_id(argv[at + 1])
            if last_id < max_deleted_id:
                raise CommandError("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
    return entries_added, max_deleted_id


# --- reading --------------------------------------------------------------------------------------------------------


@command("XLEN key", flags=READONLY | FAST, since="5.0.0", complexity="O(1)", key_flags="RO")
def xlen(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the number of entries in a stream."""
    stream = ctx.db.lookup_read(argv[1], Stream)
    ctx.reply.integer(0 if stream is None else len(stream))


@command("XRANGE key start:string end:string [COUNT count]", flags=READONLY, since="5.0.0",
         complexity="O(log(N)+M) for M entries of N")
def xrange_(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the entries of a stream whose ids are in a range."""
    reply_range(ctx, argv, argv[2], argv[3], False)


@command("XREVRANGE key end:string start:string [COUNT count]", flags=READONLY, since="5.0.0",
         complexity="O(log(N)+M) for M entries of N")
def xrevrange(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the entries of a stream whose ids are in a range, the highest id first."""
    reply_range(ctx, argv, argv[3], argv[2], True)


def reply_range(ctx: "Context", argv: list[bytes], start: bytes, end: bytes, is_backward: bool) -> None:
    """XRANGE and XREVRANGE."""
    first = range_start(start)
    last = range_end(end)
    count = -1
    for at in range(4, len(argv), 2):
        if argv[at].upper() != b"COUNT" or at + 1 == len(argv):
            raise SyntaxFault()
        count = max(0, integer(argv[at + 1]))
    stream = ctx.db.lookup_read(argv[1], Stream)
    if stream is None:
        ctx.reply.array(0)
    elif count == 0:
        ctx.reply.null_array()
    else:
        write_entries(ctx.reply, stream.range(first, last, max(0, count), is_backward))


# --- reading what comes ---------------------------------------------------------------------------------------------


@command("XREAD [COUNT count] [BLOCK milliseconds] (STREAMS key... id:string...)", flags=BLOCKING | READONLY,
         since="5.0.0", complexity="")
def xread(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the entries of streams behind given ids; waits for one if there is none and BLOCK is given."""
    count, timeout, at = xread_options(argv, ctx.now)
    streams = (len(argv) - at) // 2
    keys = argv[at:at + streams]
    after = [xread_id(ctx, argv, at + i, at + streams + i) for i in range(streams)]
    found: list[tuple[bytes, Entries]] = []
    for key, number in zip(keys, after, strict=True):
        stream = ctx.db.lookup_read(key, Stream)
        if stream is not None and stream.top_id > number:
            found.append((key, stream.range(number + 1, MAX_ID, count)))
    if found:
        reply_streams(ctx.reply, found)
    elif timeout >= 0 and ctx.may_block:
        for i, number in enumerate(after):
            if argv[at + streams + i] == b"$":
                argv[at + streams + i] = format_id(number)
        ctx.block(keys, timeout, "null_array")
    else:
        ctx.reply.null_array()


def xread_options(argv: list[bytes], now: int) -> tuple[int, int, int]:
    """(COUNT, 0: all; BLOCK in ms, -1: not given; where the keys begin)."""
    count, timeout = 0, -1
    at = 1
    while at < len(argv):
        word = argv[at].upper()
        left = len(argv) - at - 1
        if word == b"BLOCK" and left:
            timeout = blocking_milliseconds(argv[at + 1], now)
            at += 2
        elif word == b"COUNT" and left:
            count = max(0, integer(argv[at + 1]))
            at += 2
        elif word == b"STREAMS" and left:
            if left % 2:
                raise CommandError(
                    "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
                )
            return count, timeout, at + 1
        elif (word == b"GROUP" and left >= 2) or word == b"NOACK":
            raise CommandError(
                f"ERR The {word.decode()} option is only supported by XREADGROUP. You called XREAD instead."
            )
        else:
            raise SyntaxFault()
    raise SyntaxFault()


def xread_id(ctx: "Context", argv: list[bytes], key_at: int, id_at: int) -> int:
    """The id behind which a stream is to be read."""
    text = argv[id_at]
    stream = ctx.db.lookup_read(argv[key_at], Stream)
    if text == b"$":
        return 0 if stream is None else stream.last_id
    if text == b"+":
        return 0 if stream is None else max(0, stream.top_id - 1)
    if text == b">":
        raise CommandError(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
        )
    return strict_id(text)


def reply_streams(reply: "Reply", found: list[tuple[bytes, Entries]]) -> None:
    """Replies with the entries by stream: RESP3 as a map, RESP2 as an array of pairs."""
    if reply.resp == 2:
        reply.array(len(found))
    else:
        reply.map(len(found))
    for key, entries in found:
        if reply.resp == 2:
            reply.array(2)
        reply.bulk(key)
        write_entries(reply, entries)
