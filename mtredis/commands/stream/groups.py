"""Consumer groups of streams: XGROUP, XREADGROUP, XACK, XPENDING, XCLAIM, XAUTOCLAIM.

Idea: a `StreamGroup` (keyspace/types/stream_group.pyx) knows what it has read and what is pending for whom; a handler
reads its arguments, has it do that, and says what happened. As in Redis a change of a group is no change of its key for
WATCH: `changed` counts it and publishes its event, and that is all.

Owner: the executor thread.
Invariants: all ids of a request are read before the first counts; XREADGROUP that waits has changed nothing but the
time at which its consumer was seen, and perhaps made it.
Limits: XGROUP DESTROY does end a WATCH of the key, since it wakes those who wait for the group.
"""

import functools
from typing import TYPE_CHECKING

from mtredis.commands.stream.entries import Entries, reply_streams
from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import INT64_MAX, integer
from mtredis.executor.client_line import shown
from mtredis.executor.stream_arguments import (
    MAX_ID,
    any_id,
    blocking_milliseconds,
    format_id,
    range_end,
    range_start,
    strict_id,
)
from mtredis.keyspace.types.stream import Stream
from mtredis.keyspace.types.stream_group import StreamGroup, create_group, destroy_group, find_group
from mtredis.registry import command as registry
from mtredis.registry.command import BLOCKING, DENYOOM, FAST, READONLY, WRITE, container

if TYPE_CHECKING:
    from mtredis.executor.context import Context
    from mtredis.protocol.reply import Reply

command = functools.partial(registry.command, group="stream")

AUTOCLAIM_COUNT = 100
AUTOCLAIM_COUNT_MAX = INT64_MAX // 16
ATTEMPTS = 10  # pending entries that XAUTOCLAIM looks at for each that it may claim


def changed(ctx: "Context", key: bytes, event: bytes) -> None:
    """Counts a change of a group and publishes its event."""
    ctx.dirty += 1
    ctx.notify(event, key)


def lookup_group(ctx: "Context", key: bytes, name: bytes, where: str = "") -> StreamGroup:
    """The group; an error if there is none, or no such key."""
    stream = ctx.db.lookup_read(key, Stream)
    group = None if stream is None else find_group(stream, name)
    if group is None:
        raise CommandError(f"NOGROUP No such key '{shown(key)}' or consumer group '{shown(name)}'{where}")
    return group


def see(ctx: "Context", key: bytes, group: StreamGroup, consumer: bytes) -> bool:
    """The consumer is heard of now; made if it is new; whether it is."""
    is_new: bool = group.see(consumer)
    if is_new:
        changed(ctx, key, b"xgroup-createconsumer")
    return is_new


# --- what goes out --------------------------------------------------------------------------------------------------


def propagate_pending(
    ctx: "Context", key: bytes, group: StreamGroup, rows: list[tuple[bytes, bytes, int, int]]
) -> None:
    """Entries are pending as the rows say: an XCLAIM for each makes it so anywhere, however often it is run."""
    if not ctx.propagates:
        return
    name, last_id = group.name, format_id(group.last_id)
    for entry_id, consumer, time, count in rows:
        ctx.propagate(
            b"XCLAIM", key, name, consumer, 0, entry_id, b"TIME", time, b"RETRYCOUNT", count, b"FORCE", b"JUSTID",
            b"LASTID", last_id,
        )  # fmt: skip


def propagate_delivery(ctx: "Context", key: bytes, group: StreamGroup, consumer: bytes, entries: Entries) -> None:
    """Entries have been delivered to a consumer, in their order: each was the group's last one then."""
    name, now = group.name, ctx.now
    for entry_id, _ in entries:
        ctx.propagate(
            b"XCLAIM", key, name, consumer, 0, entry_id, b"TIME", now, b"RETRYCOUNT", 1, b"FORCE", b"JUSTID",
            b"LASTID", entry_id,
        )  # fmt: skip


def propagate_position(ctx: "Context", key: bytes, group: StreamGroup) -> None:
    """How far the group has read."""
    entries_read = -1 if group.entries_read is None else group.entries_read
    ctx.propagate(b"XGROUP", b"SETID", key, group.name, format_id(group.last_id), b"ENTRIESREAD", entries_read)


# --- groups and consumers -------------------------------------------------------------------------------------------

container("XGROUP", since="5.0.0", summary="Makes, moves and deletes consumer groups and their consumers.",
          group="stream")


def wrong_subcommand(argv: list[bytes]) -> CommandError:
    """The refusal of a subcommand with other arguments than it takes."""
    name = shown(argv[0]).upper()
    return CommandError(
        f"ERR unknown subcommand or wrong number of arguments for '{shown(argv[1])[:128]}'. Try {name} HELP."
    )


def position_options(argv: list[bytes], is_creating: bool) -> tuple[bool, int]:
    """The options of XGROUP CREATE and SETID: (MKSTREAM, ENTRIESREAD, -1 if not given)."""
    is_making = False
    entries_read = -1
    at = 5
    while at < len(argv):
        word = argv[at].upper()
        if word == b"MKSTREAM" and is_creating:
            is_making = True
            at += 1
        elif word == b"ENTRIESREAD" and at + 1 < len(argv):
            entries_read = integer(argv[at + 1])
            if entries_read < -1:
                raise CommandError("ERR value for ENTRIESREAD must be positive or -1")
            at += 2
        else:
            raise wrong_subcommand(argv)
    return is_making, entries_read


def required_stream(ctx: "Context", key: bytes) -> Stream:
    """The stream that a subcommand of XGROUP needs."""
    stream = ctx.db.lookup_write(key, Stream)
    if stream is None:
        raise CommandError(
            "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
            "MKSTREAM option to create an empty stream automatically."
        )
    return stream


def required_group(stream: Stream, key: bytes, name: bytes) -> StreamGroup:
    """The group that a subcommand of XGROUP or XINFO needs."""
    group = find_group(stream, name)
    if group is None:
        raise CommandError(f"NOGROUP No such consumer group '{shown(name)}' for key name '{shown(key)}'")
    return group


@command("XGROUP CREATE key group (id-selector=id|(new-id=$)) [MKSTREAM] [ENTRIESREAD entriesread/entries-read]",
         flags=WRITE | DENYOOM, since="5.0.0", complexity="O(1)", key_flags="RW INSERT")
def xgroup_create(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a consumer group that reads a stream from an id on; MKSTREAM makes the stream, too."""
    key, name = argv[2], argv[3]
    is_making, entries_read = position_options(argv, True)
    stream = ctx.db.lookup_write(key, Stream) if is_making else required_stream(ctx, key)
    if len(argv) > 8:
        raise wrong_subcommand(argv)
    if argv[4] == b"$":
        last_id = 0 if stream is None else stream.last_id
    else:
        last_id = strict_id(argv[4])
    if stream is None:
        stream = ctx.keyspace.new(Stream)
        create_group(stream, name, last_id, entries_read)
        ctx.db.put(key, stream)
        ctx.modified(key, b"xgroup-create")
    elif create_group(stream, name, last_id, entries_read):
        changed(ctx, key, b"xgroup-create")
    else:
        raise CommandError("BUSYGROUP Consumer Group name already exists")
    ctx.reply.ok()


@command("XGROUP SETID key group (id-selector=id|(new-id=$)) [ENTRIESREAD entriesread/entries-read]",
         flags=WRITE, since="5.0.0", complexity="O(1)")
def xgroup_setid(ctx: "Context", argv: list[bytes]) -> None:
    """Has a consumer group go on reading from another id."""
    entries_read = position_options(argv, False)[1]
    stream = required_stream(ctx, argv[2])
    group = required_group(stream, argv[2], argv[3])
    if len(argv) > 7:
        raise wrong_subcommand(argv)
    group.set_position(stream.last_id if argv[4] == b"$" else any_id(argv[4]), entries_read)
    changed(ctx, argv[2], b"xgroup-setid")
    ctx.reply.ok()


@command("XGROUP DESTROY key group", flags=WRITE, since="5.0.0", complexity="O(N) for N pending entries",
         key_flags="RW DELETE")
def xgroup_destroy(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes a consumer group and all that is pending in it."""
    is_gone = destroy_group(required_stream(ctx, argv[2]), argv[3])
    ctx.modified(argv[2], b"xgroup-destroy", int(is_gone))
    ctx.reply.integer(int(is_gone))


@command("XGROUP CREATECONSUMER key group consumer", flags=WRITE | DENYOOM, since="6.2.0", complexity="O(1)",
         key_flags="RW INSERT")
def xgroup_createconsumer(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a consumer in a group."""
    is_new = required_group(required_stream(ctx, argv[2]), argv[2], argv[3]).create_consumer(argv[4])
    if is_new:
        changed(ctx, argv[2], b"xgroup-createconsumer")
    ctx.reply.integer(int(is_new))


@command("XGROUP DELCONSUMER key group consumer", flags=WRITE, since="5.0.0", complexity="O(N) for N pending entries",
         key_flags="RW DELETE")
def xgroup_delconsumer(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes a consumer from a group and replies how many entries were pending for it; they no longer are."""
    pending = required_group(required_stream(ctx, argv[2]), argv[2], argv[3]).delete_consumer(argv[4])
    if pending is not None:
        changed(ctx, argv[2], b"xgroup-delconsumer")
    ctx.reply.integer(pending or 0)


# --- reading --------------------------------------------------------------------------------------------------------


@command(
    "XREADGROUP (group-block=GROUP group consumer) [COUNT count] [BLOCK milliseconds] [NOACK] "
    "(STREAMS key... id:string...)",
    flags=BLOCKING | WRITE, since="5.0.0", complexity="", key_flags="RO ACCESS",
)
def xreadgroup(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with entries that nobody of the group has read, or those pending for the consumer; may wait for some."""
    options = ReadOptions(argv, ctx.now)
    keys, texts = options.keys, options.ids
    groups, after = [], []
    for key, text in zip(keys, texts, strict=True):
        groups.append(lookup_group(ctx, key, options.group, " in XREADGROUP with GROUP option"))
        after.append(read_id(text))
    found: list[tuple[bytes, Entries]] = []
    ctx.propagate_nothing()
    for key, group, number in zip(keys, groups, after, strict=True):
        ctx.db.lookup_read(key, Stream)
        if see(ctx, key, group, options.consumer) and options.is_acknowledged:
            ctx.propagate(b"XGROUP", b"CREATECONSUMER", key, options.group, options.consumer)
        if number != MAX_ID:
            found.append((key, group.history(options.consumer, number + 1, options.count)))
        elif group.has_new:
            entries = group.deliver(options.consumer, options.count, options.is_acknowledged)
            found.append((key, entries))
            ctx.dirty += 1
            if ctx.propagates:
                if not options.is_acknowledged:
                    propagate_delivery(ctx, key, group, options.consumer, entries)
                propagate_position(ctx, key, group)
    if found:
        reply_streams(ctx.reply, found)
    elif options.timeout >= 0 and ctx.may_block:
        ctx.block(keys, options.timeout, "null_array", on_missing=True)
    else:
        ctx.reply.null_array()


class ReadOptions:
    """What XREADGROUP asks for."""

    def __init__(self, argv: list[bytes], now: int) -> None:
        self.count = 0
        self.timeout = -1
        self.is_acknowledged = False
        self.group = self.consumer = b""
        is_complete = False
        at = 1
        while True:
            left = len(argv) - at - 1
            word = argv[at].upper() if left >= 0 else b""
            if word == b"BLOCK" and left:
                self.timeout = blocking_milliseconds(argv[at + 1], now)
            elif word == b"COUNT" and left:
                self.count = max(0, integer(argv[at + 1]))
            elif word == b"STREAMS" and left:
                break
            elif word == b"GROUP" and left >= 2:
                self.group, self.consumer, is_complete = argv[at + 1], argv[at + 2], True
                at += 1
            elif word == b"NOACK":
                self.is_acknowledged = True
                at -= 1
            else:
                raise SyntaxFault()
            at += 2
        if left % 2:
            raise CommandError(
                "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
            )
        if not is_complete:
            raise CommandError("ERR Missing GROUP option for XREADGROUP")
        self.keys = argv[at + 1:at + 1 + left // 2]
        self.ids = argv[at + 1 + left // 2:]


def read_id(text: bytes) -> int:
    """The id behind which the history of a consumer is wanted; MAX_ID: what is new."""
    if text in (b"$", b"+"):
        sign = text.decode()
        raise CommandError(
            f"ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to read the history of this "
            f"consumer by specifying a proper ID, or use the > ID to get new messages. The {sign} ID would just return "
            "an empty result set."
        )
    return MAX_ID if text == b">" else strict_id(text)


# --- what is pending ------------------------------------------------------------------------------------------------


@command("XACK key group id:string...", flags=WRITE | FAST, since="5.0.0", complexity="O(log(N)) for each id",)
def xack(ctx: "Context", argv: list[bytes]) -> None:
    """Notes that entries are done with: they are no longer pending in the group."""
    stream = ctx.db.lookup_read(argv[1], Stream)
    group = None if stream is None else find_group(stream, argv[2])
    count = 0
    if group is not None:
        count = group.acknowledge([strict_id(text) for text in argv[3:]])
        ctx.dirty += count
    ctx.reply.integer(count)


@command("XPENDING key group [filters=[IDLE min-idle-time:integer]@6.2.0 start:string end:string count [consumer]]",
         flags=READONLY, since="5.0.0", complexity="O(N) for N entries shown", tips=("nondeterministic_output",),)
def xpending(ctx: "Context", argv: list[bytes]) -> None:
    """Tells what is pending in a group: the sum of it, or entry by entry."""
    if len(argv) == 3:
        reply_summary(ctx.reply, lookup_group(ctx, argv[1], argv[2]))
        return
    if len(argv) < 6 or len(argv) > 9:
        raise SyntaxFault()
    at, min_idle = 3, 0
    if argv[3].upper() == b"IDLE":
        min_idle = integer(argv[4])
        if len(argv) < 8:
            raise SyntaxFault()
        at = 5
    count = max(0, integer(argv[at + 2]))
    first, last = range_start(argv[at]), range_end(argv[at + 1])
    consumer = argv[at + 3] if at + 3 < len(argv) else None
    group = lookup_group(ctx, argv[1], argv[2])
    if consumer is not None and not group.has_consumer(consumer):
        ctx.reply.array(0)
        return
    rows = group.pending(first, last, count, consumer, min_idle)
    ctx.reply.array(len(rows))
    for name, owner, delivery_time, delivery_count in rows:
        ctx.reply.array(4)
        ctx.reply.bulk(name)
        ctx.reply.bulk(owner)
        ctx.reply.integer(max(0, ctx.now - delivery_time))
        ctx.reply.integer(delivery_count)


def reply_summary(reply: "Reply", group: StreamGroup) -> None:
    """XPENDING without a range: how many, from where to where, and how many for whom."""
    reply.array(4)
    reply.integer(group.pending_count)
    ends = group.pending_range()
    if ends is None:
        reply.null()
        reply.null()
        reply.null_array()
        return
    reply.bulk(ends[0])
    reply.bulk(ends[1])
    owners = [(name, pending) for name, _, _, pending in group.consumers() if pending]
    reply.array(len(owners))
    for name, pending in owners:
        reply.array(2)
        reply.bulk(name)
        reply.bulk(b"%d" % pending)


# --- claiming -------------------------------------------------------------------------------------------------------


@command(
    "XCLAIM key group consumer min-idle-time id:string... [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] "
    "[FORCE] [JUSTID] [LASTID lastid]",
    flags=WRITE | FAST, since="5.0.0", complexity="", tips=("nondeterministic_output",),
)
def xclaim(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a consumer the owner of entries that are pending for others."""
    key, consumer = argv[1], argv[3]
    group = lookup_group(ctx, key, argv[2])
    min_idle = max(0, integer(argv[4], "Invalid min-idle-time argument for XCLAIM"))
    options = ClaimOptions(argv, ctx.now, ctx.replays)
    has_advanced = group.advance(options.last_id)
    see(ctx, key, group, consumer)
    claimed, changes = group.claim(
        consumer, options.ids, min_idle, options.delivery_time, options.retry_count, options.is_forced, options.just_id
    )
    ctx.dirty += len(changes) or int(has_advanced)
    ctx.propagate_nothing()
    propagate_pending(ctx, key, group, changes)
    if has_advanced and not changes:
        propagate_position(ctx, key, group)
    reply_claimed(ctx.reply, claimed)


class ClaimOptions:
    """The ids and options of XCLAIM: the ids end where the first option is. A time to come is only kept in a replay."""

    def __init__(self, argv: list[bytes], now: int, is_replayed: bool) -> None:
        self.ids: list[int] = []
        self.is_forced = self.just_id = False
        self.retry_count = -1
        self.last_id = 0
        delivery_time = -1
        at = 5
        while at < len(argv) and self._is_id(argv[at]):
            at += 1
        while at < len(argv):
            word = argv[at].upper()
            has_value = at + 1 < len(argv)
            if word in (b"FORCE", b"JUSTID"):
                self.is_forced = self.is_forced or word == b"FORCE"
                self.just_id = self.just_id or word == b"JUSTID"
                at += 1
                continue
            if word == b"IDLE" and has_value:
                delivery_time = now - integer(argv[at + 1], "Invalid IDLE option argument for XCLAIM")
            elif word == b"TIME" and has_value:
                delivery_time = integer(argv[at + 1], "Invalid TIME option argument for XCLAIM")
            elif word == b"RETRYCOUNT" and has_value:
                self.retry_count = integer(argv[at + 1], "Invalid RETRYCOUNT option argument for XCLAIM")
            elif word == b"LASTID" and has_value:
                self.last_id = strict_id(argv[at + 1])
            else:
                raise CommandError(f"ERR Unrecognized XCLAIM option '{shown(argv[at])}'")
            at += 2
        is_sane = delivery_time >= 0 and (delivery_time <= now or is_replayed)
        self.delivery_time = delivery_time if is_sane else now

    def _is_id(self, text: bytes) -> bool:
        try:
            self.ids.append(strict_id(text))
        except CommandError:
            return False
        return True


@command("XAUTOCLAIM key group consumer min-idle-time start:string [COUNT count] [JUSTID]", flags=WRITE | FAST,
         since="6.2.0", complexity="O(1) if COUNT is small", key_flags="RW DELETE", tips=("nondeterministic_output",),)
def xautoclaim(ctx: "Context", argv: list[bytes]) -> None:
    """Makes a consumer the owner of entries that have been pending for others for long, from an id on."""
    key, consumer = argv[1], argv[3]
    min_idle = max(0, integer(argv[4], "Invalid min-idle-time argument for XAUTOCLAIM"))
    first = range_start(argv[5])
    count, just_id = autoclaim_options(argv)
    group = lookup_group(ctx, key, argv[2])
    see(ctx, key, group, consumer)
    claimed, deleted, changes, following = group.claim_idle(
        consumer, first, min_idle, count, count * ATTEMPTS, just_id
    )
    ctx.dirty += len(changes)
    ctx.propagate_nothing()
    propagate_pending(ctx, key, group, changes)
    ctx.reply.array(3)
    ctx.reply.bulk(following)
    reply_claimed(ctx.reply, claimed)
    ctx.reply.bulks(deleted)


def autoclaim_options(argv: list[bytes]) -> tuple[int, bool]:
    """(COUNT, JUSTID)."""
    count, just_id = AUTOCLAIM_COUNT, False
    at = 6
    while at < len(argv):
        word = argv[at].upper()
        if word == b"COUNT" and at + 1 < len(argv):
            count = integer(argv[at + 1], "COUNT must be > 0")
            if count < 1 or count > AUTOCLAIM_COUNT_MAX:
                raise CommandError("ERR COUNT must be > 0")
            at += 1
        elif word == b"JUSTID":
            just_id = True
        else:
            raise SyntaxFault()
        at += 1
    return count, just_id


def reply_claimed(reply: "Reply", claimed: list[tuple[bytes, list[bytes]] | bytes]) -> None:
    """Replies with entries, or with ids alone."""
    reply.array(len(claimed))
    for each in claimed:
        if isinstance(each, bytes):
            reply.bulk(each)
            continue
        reply.array(2)
        reply.bulk(each[0])
        reply.bulks(each[1])
