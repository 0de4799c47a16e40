"""Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.

Idea: a flush puts empty tables in the place of the full ones, one step for readers, and the full ones are freed
afterwards by the background thread. SYNC means that the client waits for that, and nobody else does; only where a
client cannot wait, in a transaction or while the log is replayed, this thread frees them.

Owner: the executor thread; dead tables belong to the thread that frees them.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import small_integer
from mtredis.lib import allocator
from mtredis.registry.command import FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

FEW_KEYS = 100   # are freed at once
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
    flush(ctx, argv, [ctx.db.index])
    ctx.propagate(*argv)   # even if it was empty


@command("FLUSHALL [flush-type=ASYNC@4.0.0|SYNC@6.2.0]", flags=WRITE, since="1.0.0", complexity="O(N) for N keys",
         acl="keyspace dangerous", tips=FLUSH_TIPS)
def flushall(ctx: "Context", argv: list[bytes]) -> None:
    """Deletes all keys of all databases."""
    flush(ctx, argv, range(len(ctx.server.keyspace)))
    ctx.server.saver.flushed()
    ctx.propagate(*argv)


def is_async(ctx: "Context", argv: list[bytes]) -> bool:
    """Whether the client does not wait until the memory is free."""
    if len(argv) == 1:
        return bool(ctx.server.config.lazyfree_lazy_user_flush)
    mode = argv[1].upper()
    if len(argv) > 2 or (mode != b"ASYNC" and mode != b"SYNC"):
        raise SyntaxFault()
    return mode == b"ASYNC"


def flush(ctx: "Context", argv: list[bytes], indexes: Sequence[int]) -> None:
    """The databases are empty. OK is replied, at once or when the memory is free."""
    is_later = is_async(ctx, argv)
    keyspace, background = ctx.server.keyspace, ctx.server.background
    keys = 0
    for index in indexes:
        ctx.flushed(index)
        keys += len(keyspace[index])
    ctx.dirty += keys
    waits = not is_later and ctx.may_block and keys > FEW_KEYS
    dead = keyspace.flush(indexes)
    if is_later or waits:
        background.submit(dead.free_later())
    elif ctx.may_block:
        dead.free_later()()
    else:
        dead.free()
    background.submit(allocator.give_back)
    if waits:
        ctx.block([], 0, b"+OK\r\n")
        background.submit(_resumption(ctx, argv))
    else:
        ctx.reply.ok()


def _resumption(ctx: "Context", argv: list[bytes]) -> Callable[[], None]:
    """What has the client go on that is about to wait in the command with this very `argv`. Any thread."""
    executor, blocking, client_id = ctx.server.executor, ctx.server.blocking, ctx.client.id

    def resume() -> None:
        blocked = blocking.get(client_id)
        if blocked is not None and blocked.argv is argv:
            blocking.unblock(client_id, with_error=False)

    return lambda: executor.call_soon(resume)


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
