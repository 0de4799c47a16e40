"""Persistence: SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF, WAITAOF.

Idea: `durability.saving.Saver` and `durability.aof.append_only.AppendOnly` do the work; here are
Redis's refusals and replies.

Owner: the executor thread. Limit: SAVE stops everybody while it writes, as in Redis.
"""

from typing import TYPE_CHECKING

from mtredis.durability.aof import waiting
from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.registry.command import (
    ADMIN,
    BLOCKING,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
    command,
)

if TYPE_CHECKING:
    from mtredis.executor.context import Context

NOT_POSITIVE = "value is out of range, must be positive"


@command("SAVE", flags=NO_ASYNC_LOADING | ADMIN | NOSCRIPT | NO_MULTI, since="1.0.0", complexity="O(N)")
def save(ctx: "Context", argv: list[bytes]) -> None:
    """Writes a snapshot of all databases to disk, and replies when it is there."""
    saver = ctx.server.saver
    if saver.is_saving:
        raise CommandError("ERR Background save already in progress")
    saver.saves += 1
    if not saver.save():
        raise CommandError("ERR")
    ctx.reply.ok()


@command("BGSAVE [SCHEDULE]@3.2.2", flags=NO_ASYNC_LOADING | ADMIN | NOSCRIPT, since="1.0.0", complexity="O(1)")
def bgsave(ctx: "Context", argv: list[bytes]) -> None:
    """Begins a snapshot of all databases as they are now, which is written while the server goes on."""
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() != b"SCHEDULE"):
        raise SyntaxFault()
    saver = ctx.server.saver
    if saver.is_saving:
        raise CommandError("ERR Background save already in progress")
    if ctx.in_exec or ctx.server.snapshots.current is not None:
        if not ctx.in_exec and len(argv) == 1:
            raise CommandError(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                "schedule a BGSAVE whenever possible."
            )
        saver.is_scheduled = True
        ctx.reply.simple(b"Background saving scheduled")
        return
    if not saver.background_save():
        raise CommandError("ERR")
    ctx.reply.simple(b"Background saving started")


@command(
    "LASTSAVE",
    flags=LOADING | STALE | FAST,
    since="1.0.0",
    complexity="O(1)",
    acl="admin dangerous",
    tips=("nondeterministic_output",),
)
def lastsave(ctx: "Context", argv: list[bytes]) -> None:
    """Tells the unix time of the last snapshot, or of the start if there was none."""
    ctx.reply.integer(ctx.server.saver.last_save)


@command("BGREWRITEAOF", flags=NO_ASYNC_LOADING | ADMIN | NOSCRIPT, since="1.0.0", complexity="O(1)")
def bgrewriteaof(ctx: "Context", argv: list[bytes]) -> None:
    """Begins to write the append only log anew, as short as it can be, while the server goes on."""
    aof = ctx.server.aof
    if aof.is_rewriting:
        raise CommandError("ERR Background append only file rewriting already in progress")
    if ctx.server.snapshots.current is not None or ctx.in_exec:
        aof.is_scheduled = True
        aof.failures = 0   # so that it need not wait
        ctx.reply.simple(b"Background append only file rewriting scheduled")
    elif aof.rewrite():
        ctx.reply.simple(b"Background append only file rewriting started")
    else:
        raise CommandError(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
        )


@command(
    "WAITAOF numlocal numreplicas timeout:integer",
    flags=BLOCKING,
    since="7.2.0",
    complexity="O(1)",
    group="generic",
    acl="connection -keyspace",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
def waitaof(ctx: "Context", argv: list[bytes]) -> None:
    """Waits until what was written so far is on disk here, and on so many replicas."""
    logs, replicas, timeout = waitaof_arguments(argv, ctx.now)
    if logs and not ctx.server.config.appendonly:
        raise CommandError(f"ERR {waiting.OFF}")
    queue = ctx.server.aof.waiting
    position = queue.position()
    is_synced = queue.is_synced(position)
    if (is_synced >= logs and replicas == 0) or not ctx.may_block:
        ctx.reply.raw(waiting.reply(is_synced))
        return
    queue.add(ctx.client.id, position, logs > 0, replicas > 0)
    ctx.block([], timeout, waiting.reply(is_synced))


def waitaof_arguments(argv: list[bytes], now: int) -> tuple[int, int, int]:
    """How many logs and replicas, and for how many ms at most."""
    logs = integer(argv[1])
    if not 0 <= logs <= 1:
        raise CommandError("ERR value is out of range, value must between 0 and 1")
    replicas = integer(argv[2], NOT_POSITIVE)
    if replicas < 0:
        raise CommandError(f"ERR {NOT_POSITIVE}")
    timeout = integer(argv[3], "timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError("ERR timeout is negative")
    if timeout > 2**63 - 1 - now:
        raise CommandError("ERR timeout is out of range")
    return logs, replicas, timeout
