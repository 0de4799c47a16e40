"""MONITOR: the client is told of every command that the server runs.

Idea: the work is done by `executor.monitors`. Owner: the executor thread.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.registry.command import ADMIN, LOADING, NOSCRIPT, STALE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context


@command("MONITOR", flags=ADMIN | NOSCRIPT | LOADING | STALE, since="1.0.0", complexity="")
def monitor(ctx: "Context", argv: list[bytes]) -> None:
    """Shows each command as it is executed, until RESET or the end of the connection; a second MONITOR says nothing."""
    if ctx.in_exec:
        raise CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if ctx.client not in ctx.server.monitors:
        ctx.server.monitors.add(ctx.client)
        ctx.reply.ok()
