"""Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.

Idea: a flush puts empty tables in the place of the full ones, one step for readers, and the full ones are freed
afterwards: by this thread, or with ASYNC by another one.

Owner: the executor thread; dead tables belong to the thread that frees them.
Limits: Redis frees in the background even for SYNC and blocks only the client; here SYNC blocks the executor.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import small_integer
from mtredis.lib import allocator
from mtredis.registry.command import FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

FLUSH_TIPS = ("request_policy:all_shards", "response_policy:all_succeeded")


@command("DBSIZE", flags=READONLY | FAST, since="1.0.0", complexity="O(1)", acl="keyspace",
         tips=("request_policy:all_shards", "response_policy:agg_sum"))
def dbsize(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the number of keys in the selected database."""
    ctx.reply.integer(len(ctx.db))


@command("FLUSHDB [flush-type=ASYNC@4.0.0|SYNC@6.2.0]", flags=WRITE, since="1.0.0", complexity="O(N) for N keys",
         acl="keyspace dangerous", tips=FLUSH_TIPS)
def flushdb(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes all keys of the selected database."""
    flush(ctx, [ctx.db.index], is_async(ctx, argv))
    ctx.propagate(*argv)   # even if it was empty


@command("FLUSHALL [flush-type=ASYNC@4.0.0|SYNC@6.2.0]", flags=WRITE, since="1.0.0", complexity="O(N) for N keys",
         acl="keyspace dangerous", tips=FLUSH_TIPS)
def flushall(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes all keys of all databases."""
    flush(ctx, range(len(ctx.server.keyspace)), is_async(ctx, argv))
    ctx.server.saver.flushed()
    ctx.propagate(*argv)


def is_async(ctx: "Context", argv: list[bytes]) -> bool:
    """Whether the memory is to be freed by another thread."""
    if len(argv) == 1:
        return bool(ctx.server.config.lazyfree_lazy_user_flush)
    mode = argv[1].upper()
    if len(argv) > 2 or (mode != b"ASYNC" and mode != b"SYNC"):
        raise SyntaxFault()
    return mode == b"ASYNC"


def flush(ctx: "Context", indexes: Sequence[int], in_background: bool) -> None:
    """The databases are empty."""
    keyspace = ctx.server.keyspace
    for index in indexes:
        ctx.flushed(index)
        ctx.dirty += len(keyspace[index])
    dead = keyspace.flush(indexes)
    if in_background:
        ctx.server.background.submit(dead.free_later())
    else:
        dead.free()
    ctx.server.background.submit(allocator.give_back)
    ctx.reply.ok()


@command("SWAPDB index1 index2", flags=WRITE | FAST, since="4.0.0",
         complexity="O(N) for N watched keys in both databases", acl="keyspace dangerous")
def swapdb(ctx: "Context", argv: list[bytes]) -> None:
    """Exchanges the contents of two databases under their clients' feet."""
    first = small_integer(argv[1], "invalid first DB index")
    second = small_integer(argv[2], "invalid second DB index")
    keyspace = ctx.server.keyspace
    if not (0 <= first < len(keyspace) and 0 <= second < len(keyspace)):
        raise CommandError("ERR DB index is out of range")
    if first != second:
        ctx.swapped(first, second)
        keyspace.swap(first, second)
    ctx.dirty += 1
    ctx.reply.ok()
