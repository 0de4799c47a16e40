"""MULTI, EXEC, DISCARD, WATCH, UNWATCH.

Idea: the executor queues commands while `client.transaction` is set; these handlers open, run and drop it. What WATCH
means lives in `executor/transaction.py`.
Owner: the executor thread.
Invariant: whatever EXEC answers, the client leaves it with no transaction and no watched key.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.executor.transaction import Transaction
from mtredis.registry.command import ALLOW_BUSY, FAST, LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE, command

if TYPE_CHECKING:
    from mtredis.client import Client
    from mtredis.executor.context import Context


@command("MULTI", flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="1.2.0", complexity="O(1)")
def multi(ctx: "Context", argv: list[bytes]) -> None:
    """Opens a transaction: the commands that follow are queued until EXEC."""
    client = ctx.client
    if client.transaction is not None:
        raise CommandError("ERR MULTI calls can not be nested")
    client.transaction = Transaction(dirty_cas=ctx.server.watches.is_dirty(client))
    ctx.reply.ok()


@command(
    "EXEC",
    flags=NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
    since="1.2.0",
    complexity="Depends on the commands in the transaction",
)
def exec_(ctx: "Context", argv: list[bytes]) -> None:
    """Runs the queued commands as one, unless a watched key has changed or a command could not be queued."""
    client, watches = ctx.client, ctx.server.watches
    transaction = client.transaction
    if transaction is None:
        raise CommandError("ERR EXEC without MULTI")
    is_intact = watches.is_intact(client)
    watches.unwatch(client)
    if transaction.dirty_exec:
        client.transaction = None
        raise CommandError("EXECABORT Transaction discarded because of previous errors.")
    if not is_intact:
        client.transaction = None
        ctx.reply.null_array()
        return
    run_queued(ctx, transaction)


def run_queued(ctx: "Context", transaction: Transaction) -> None:
    """Replies with an array of the commands' replies; no reader on another thread sees a state in between."""
    keyspace = ctx.server.keyspace
    ctx.reply.array(len(transaction))
    keyspace.version_begin()
    ctx.in_exec = True
    try:
        for queued, argv in transaction.commands:
            ctx.execute_queued(queued, argv)
    finally:
        ctx.in_exec = False
        keyspace.version_end()
        ctx.propagate_nothing()   # the queued commands have gone out, each by itself
        discard_transaction(ctx, ctx.client)


def discard_transaction(ctx: "Context", client: "Client") -> None:
    """The client is in no transaction and watches nothing."""
    client.transaction = None
    ctx.server.watches.unwatch(client)


@command(
    "DISCARD",
    flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    since="2.0.0",
    complexity="O(N) with N the number of queued commands",
)
def discard(ctx: "Context", argv: list[bytes]) -> None:
    """Drops the queued commands and the watched keys."""
    if ctx.client.transaction is None:
        raise CommandError("ERR DISCARD without MULTI")
    discard_transaction(ctx, ctx.client)
    ctx.reply.ok()


@command(
    "WATCH key...", flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="2.2.0", complexity="O(1) for each key"
)
def watch(ctx: "Context", argv: list[bytes]) -> None:
    """Makes the next EXEC fail if one of the keys changes before it."""
    client = ctx.client
    if client.transaction is not None:
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    ctx.server.watches.watch(client, client.db_index, argv[1:])
    ctx.reply.ok()


@command("UNWATCH", flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="2.2.0", complexity="O(1)")
def unwatch(ctx: "Context", argv: list[bytes]) -> None:
    """Forgets the keys that the connection watches."""
    ctx.server.watches.unwatch(ctx.client)
    ctx.reply.ok()
