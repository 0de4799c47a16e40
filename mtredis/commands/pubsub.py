"""SUBSCRIBE and its relatives, PUBLISH, SPUBLISH and PUBSUB.

Idea: each (un)subscription is answered by one message of three parts (a push in RESP3): the verb, the name, and how
many subscriptions of that sort are left. The directories themselves live in `executor/pubsub.py`.
Owner: the executor thread.
Limits: a shard channel is one of the whole server as long as there is no cluster.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.executor.client_line import shown
from mtredis.lib.glob import glob_match
from mtredis.registry.command import FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, SENTINEL, STALE, command, container
from mtredis.registry.keyspec import spec

if TYPE_CHECKING:
    from mtredis.client import Client
    from mtredis.executor.context import Context

container("PUBSUB", since="2.8.0", summary="Shows who listens to what.", help_since="6.2.0")

LISTENING = PUBSUB | NOSCRIPT | LOADING | STALE


def subscription_count(client: "Client") -> int:
    """The channels and patterns of the client."""
    return 0 if client.subscriptions is None else client.subscriptions.count


def shard_subscription_count(client: "Client") -> int:
    """The shard channels of the client."""
    return 0 if client.subscriptions is None else len(client.subscriptions.shard_channels)


def confirm(ctx: "Context", verb: bytes, name: bytes | None, count: int) -> None:
    """One message of an answer to a (un)subscription; without a name when there was nothing to leave."""
    reply = ctx.reply
    reply.push(3)
    reply.bulk(verb)
    reply.bulk_or_null(name)
    reply.integer(count)


def change_each(
    ctx: "Context",
    verb: bytes,
    names: Iterable[bytes],
    change: "Callable[[Client, bytes], None]",
    count: "Callable[[Client], int]" = subscription_count,
) -> None:
    """Applies the change to each name and confirms each."""
    client = ctx.client
    for name in names:
        change(client, name)
        confirm(ctx, verb, name, count(client))


@command("SUBSCRIBE channel...", flags=LISTENING | SENTINEL, since="2.0.0", complexity="O(N) with N channels")
def subscribe(ctx: "Context", argv: list[bytes]) -> None:
    """Begins to receive the messages of the channels."""
    change_each(ctx, b"subscribe", argv[1:], ctx.server.pubsub.subscribe)


@command("PSUBSCRIBE pattern...", flags=LISTENING | SENTINEL, since="2.0.0", complexity="O(N) with N patterns")
def psubscribe(ctx: "Context", argv: list[bytes]) -> None:
    """Begins to receive the messages of all channels that match one of the patterns."""
    change_each(ctx, b"psubscribe", argv[1:], ctx.server.pubsub.subscribe_pattern)


@command(
    "SSUBSCRIBE shardchannel...",
    flags=LISTENING,
    since="7.0.0",
    complexity="O(N) with N shard channels",
    key_specs=[spec("NOT_KEY", index=1, last=-1)],
)
def ssubscribe(ctx: "Context", argv: list[bytes]) -> None:
    """Begins to receive the messages of the shard channels."""
    if ctx.in_exec:  # a reply to each command is due there; SUBSCRIBE and PSUBSCRIBE are excused for old clients' sake
        raise CommandError("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    change_each(ctx, b"ssubscribe", argv[1:], ctx.server.pubsub.subscribe_shard, shard_subscription_count)


@command("UNSUBSCRIBE [channel]...", flags=LISTENING | SENTINEL, since="2.0.0", complexity="O(N) with N channels")
def unsubscribe(ctx: "Context", argv: list[bytes]) -> None:
    """Stops receiving the messages of the channels, or of all of them."""
    subscriptions = ctx.client.subscriptions
    names = argv[1:] or (subscriptions and tuple(subscriptions.channels))
    if not names:
        confirm(ctx, b"unsubscribe", None, subscription_count(ctx.client))
        return
    change_each(ctx, b"unsubscribe", names, ctx.server.pubsub.unsubscribe)


@command("PUNSUBSCRIBE [pattern]...", flags=LISTENING | SENTINEL, since="2.0.0", complexity="O(N) with N patterns")
def punsubscribe(ctx: "Context", argv: list[bytes]) -> None:
    """Stops receiving what the patterns, or all of them, let through."""
    subscriptions = ctx.client.subscriptions
    names = argv[1:] or (subscriptions and tuple(subscriptions.patterns))
    if not names:
        confirm(ctx, b"punsubscribe", None, subscription_count(ctx.client))
        return
    change_each(ctx, b"punsubscribe", names, ctx.server.pubsub.unsubscribe_pattern)


@command(
    "SUNSUBSCRIBE [shardchannel]...",
    flags=LISTENING,
    since="7.0.0",
    complexity="O(N) with N shard channels",
    key_specs=[spec("NOT_KEY", index=1, last=-1)],
)
def sunsubscribe(ctx: "Context", argv: list[bytes]) -> None:
    """Stops receiving the messages of the shard channels, or of all of them."""
    subscriptions = ctx.client.subscriptions
    names = argv[1:] or (subscriptions and tuple(subscriptions.shard_channels))
    if not names:
        confirm(ctx, b"sunsubscribe", None, shard_subscription_count(ctx.client))
        return
    change_each(ctx, b"sunsubscribe", names, ctx.server.pubsub.unsubscribe_shard, shard_subscription_count)


@command(
    "PUBLISH channel message",
    flags=PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE | SENTINEL,
    since="2.0.0",
    complexity="O(N+M) with N listeners of the channel and M patterns of all clients",
)
def publish(ctx: "Context", argv: list[bytes]) -> None:
    """Sends a message to everybody who listens to the channel."""
    ctx.reply.integer(ctx.server.pubsub.publish(argv[1], argv[2]))


@command(
    "SPUBLISH shardchannel message",
    flags=PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
    since="7.0.0",
    complexity="O(N) with N listeners of the shard channel",
    key_specs=[spec("NOT_KEY", index=1, last=0)],
)
def spublish(ctx: "Context", argv: list[bytes]) -> None:
    """Sends a message to everybody who listens to the shard channel."""
    ctx.reply.integer(ctx.server.pubsub.publish_shard(argv[1], argv[2]))


def names_matching(names: Iterable[bytes], patterns: list[bytes]) -> list[bytes]:
    """The names that the one pattern lets through; all of them without one."""
    return [name for name in names if not patterns or glob_match(patterns[0], name)]


def check_at_most_one_pattern(argv: list[bytes]) -> None:
    """PUBSUB CHANNELS and SHARDCHANNELS know at most one pattern."""
    if len(argv) > 3:
        raise CommandError(
            f"ERR unknown subcommand or wrong number of arguments for '{shown(argv[1])[:128]}'. Try PUBSUB HELP."
        )


def write_counts(ctx: "Context", directory: "dict[bytes, dict[Client, None]]", names: list[bytes]) -> None:
    """Replies with each name and the number of its listeners."""
    ctx.reply.array(2 * len(names))
    for name in names:
        ctx.reply.bulk(name)
        ctx.reply.integer(len(directory.get(name, ())))


@command(
    "PUBSUB CHANNELS [pattern]",
    flags=PUBSUB | LOADING | STALE,
    since="2.8.0",
    complexity="O(N) with N channels that somebody listens to",
)
def pubsub_channels(ctx: "Context", argv: list[bytes]) -> None:
    """The channels that somebody listens to, or those that match the pattern."""
    check_at_most_one_pattern(argv)
    ctx.reply.bulks(names_matching(ctx.server.pubsub.channels, argv[2:]))


@command("PUBSUB NUMSUB [channel]...", flags=PUBSUB | LOADING | STALE, since="2.8.0", complexity="O(N) with N channels")
def pubsub_numsub(ctx: "Context", argv: list[bytes]) -> None:
    """How many listen to each of the channels; patterns do not count."""
    write_counts(ctx, ctx.server.pubsub.channels, argv[2:])


@command("PUBSUB NUMPAT", flags=PUBSUB | LOADING | STALE, since="2.8.0", complexity="O(1)")
def pubsub_numpat(ctx: "Context", argv: list[bytes]) -> None:
    """How many different patterns somebody listens to."""
    ctx.reply.integer(len(ctx.server.pubsub.patterns))


@command(
    "PUBSUB SHARDCHANNELS [pattern]",
    flags=PUBSUB | LOADING | STALE,
    since="7.0.0",
    complexity="O(N) with N shard channels that somebody listens to",
)
def pubsub_shardchannels(ctx: "Context", argv: list[bytes]) -> None:
    """The shard channels that somebody listens to, or those that match the pattern."""
    check_at_most_one_pattern(argv)
    ctx.reply.bulks(names_matching(ctx.server.pubsub.shard_channels, argv[2:]))


@command(
    "PUBSUB SHARDNUMSUB [shardchannel]...",
    flags=PUBSUB | LOADING | STALE,
    since="7.0.0",
    complexity="O(N) with N shard channels",
)
def pubsub_shardnumsub(ctx: "Context", argv: list[bytes]) -> None:
    """How many listen to each of the shard channels."""
    write_counts(ctx, ctx.server.pubsub.shard_channels, argv[2:])
