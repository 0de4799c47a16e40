"""XINFO: what a stream, its consumer groups and their consumers look like.

Idea: each reply is a map whose keys and order are those of Redis.

Owner: the executor thread.
Limits: `radix-tree-keys` and `radix-tree-nodes` are about our own index, which is no radix tree: into how many nodes
the entries are packed (as many as in Redis), and of how many nodes the tree above them consists, by its size.
"""

import functools
from typing import TYPE_CHECKING

from mtredis.commands.stream.entries import write_entries
from mtredis.commands.stream.groups import required_group, wrong_subcommand
from mtredis.errors import NoSuchKey
from mtredis.executor.arguments import integer
from mtredis.executor.stream_arguments import MAX_ID, format_id
from mtredis.keyspace.types.stream import Stream
from mtredis.keyspace.types.stream_group import StreamGroup, all_groups, group_count
from mtredis.registry import command as registry
from mtredis.registry.command import READONLY, container

if TYPE_CHECKING:
    from mtredis.executor.context import Context
    from mtredis.protocol.reply import Reply

command = functools.partial(registry.command, group="stream")

FULL_COUNT = 10  # entries of each kind in XINFO STREAM FULL

container("XINFO", since="5.0.0", summary="Shows what a stream and its consumer groups look like.", group="stream")


def lookup_stream(ctx: "Context", key: bytes) -> Stream:
    """The stream; an error if there is no such key."""
    stream = ctx.db.lookup_read(key, Stream)
    if stream is None:
        raise NoSuchKey()
    return stream


def write_number(reply: "Reply", label: bytes, value: int | None) -> None:
    """A key of a map with its number, null for None."""
    reply.bulk(label)
    if value is None:
        reply.null()
    else:
        reply.integer(value)


def write_text(reply: "Reply", label: bytes, value: bytes) -> None:
    """A key of a map with its string."""
    reply.bulk(label)
    reply.bulk(value)


@command("XINFO CONSUMERS key group", flags=READONLY, since="5.0.0", complexity="O(1)",
         tips=("nondeterministic_output",))
def xinfo_consumers(ctx: "Context", argv: list[bytes]) -> None:
    """Lists the consumers of a group."""
    consumers = required_group(lookup_stream(ctx, argv[2]), argv[2], argv[3]).consumers()
    ctx.reply.array(len(consumers))
    for name, seen, active, pending in consumers:
        ctx.reply.map(4)
        write_text(ctx.reply, b"name", name)
        write_number(ctx.reply, b"pending", pending)
        write_number(ctx.reply, b"idle", max(0, ctx.now - seen))
        write_number(ctx.reply, b"inactive", ctx.now - active if active != -1 else -1)


@command("XINFO GROUPS key", flags=READONLY, since="5.0.0", complexity="O(1)")
def xinfo_groups(ctx: "Context", argv: list[bytes]) -> None:
    """Lists the consumer groups of a stream."""
    groups = all_groups(lookup_stream(ctx, argv[2]))
    ctx.reply.array(len(groups))
    for group in groups:
        ctx.reply.map(6)
        write_text(ctx.reply, b"name", group.name)
        write_number(ctx.reply, b"consumers", group.consumer_count)
        write_number(ctx.reply, b"pending", group.pending_count)
        write_text(ctx.reply, b"last-delivered-id", format_id(group.last_id))
        write_number(ctx.reply, b"entries-read", group.entries_read)
        write_number(ctx.reply, b"lag", group.lag)


@command("XINFO STREAM key [full-block=FULL [COUNT count]]", flags=READONLY, since="5.0.0", complexity="O(1)",)
def xinfo_stream(ctx: "Context", argv: list[bytes]) -> None:
    """Shows the figures of a stream, FULL also what is in it and in its consumer groups."""
    stream = lookup_stream(ctx, argv[2])
    count = FULL_COUNT
    is_full = len(argv) > 3
    if is_full:
        if len(argv) not in (4, 6) or argv[3].upper() != b"FULL":
            raise wrong_subcommand(argv)
        if len(argv) == 6:
            if argv[4].upper() != b"COUNT":
                raise wrong_subcommand(argv)
            count = integer(argv[5])
            count = FULL_COUNT if count < 0 else count
    reply = ctx.reply
    reply.map(9 if is_full else 10)
    write_number(reply, b"length", len(stream))
    write_number(reply, b"radix-tree-keys", stream.nodes)
    write_number(reply, b"radix-tree-nodes", stream.index_nodes)
    write_text(reply, b"last-generated-id", format_id(stream.last_id))
    write_text(reply, b"max-deleted-entry-id", format_id(stream.max_deleted_id))
    write_number(reply, b"entries-added", stream.entries_added)
    write_text(reply, b"recorded-first-entry-id", format_id(stream.first_id))
    if is_full:
        reply.bulk(b"entries")
        write_entries(reply, stream.range(0, MAX_ID, count))
        groups = all_groups(stream)
        reply.bulk(b"groups")
        reply.array(len(groups))
        for group in groups:
            write_group(reply, group, count)
    else:
        write_number(reply, b"groups", group_count(stream))
        write_edge(reply, b"first-entry", stream.range(0, MAX_ID, 1))
        write_edge(reply, b"last-entry", stream.range(0, MAX_ID, 1, True))


def write_edge(reply: "Reply", label: bytes, entries: list[tuple[bytes, list[bytes]]]) -> None:
    """A key of a map with an entry, null if there is none."""
    reply.bulk(label)
    if not entries:
        reply.null()
        return
    reply.array(2)
    reply.bulk(entries[0][0])
    reply.bulks(entries[0][1])


def write_group(reply: "Reply", group: StreamGroup, count: int) -> None:
    """A group in XINFO STREAM FULL."""
    pending = group.pending(0, MAX_ID, count or -1)
    reply.map(7)
    write_text(reply, b"name", group.name)
    write_text(reply, b"last-delivered-id", format_id(group.last_id))
    write_number(reply, b"entries-read", group.entries_read)
    write_number(reply, b"lag", group.lag)
    write_number(reply, b"pel-count", group.pending_count)
    reply.bulk(b"pending")
    reply.array(len(pending))
    for name, owner, delivery_time, delivery_count in pending:
        reply.array(4)
        reply.bulk(name)
        reply.bulk(owner)
        reply.integer(delivery_time)
        reply.integer(delivery_count)
    consumers = group.consumers()
    reply.bulk(b"consumers")
    reply.array(len(consumers))
    for consumer in consumers:
        write_consumer(reply, group, consumer, count)


def write_consumer(reply: "Reply", group: StreamGroup, consumer: tuple[bytes, int, int, int], count: int) -> None:
    """A consumer in XINFO STREAM FULL."""
    name, seen, active, pending_count = consumer
    pending = group.pending(0, MAX_ID, count or -1, name)
    reply.map(5)
    write_text(reply, b"name", name)
    write_number(reply, b"seen-time", seen)
    write_number(reply, b"active-time", active)
    write_number(reply, b"pel-count", pending_count)
    reply.bulk(b"pending")
    reply.array(len(pending))
    for entry, _, delivery_time, delivery_count in pending:
        reply.array(3)
        reply.bulk(entry)
        reply.integer(delivery_time)
        reply.integer(delivery_count)
