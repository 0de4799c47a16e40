"""SLOWLOG: the commands that took longer than `slowlog-log-slower-than`.

Idea: entries are made by the server after a command (`ops.slowlog`); here they are read and thrown away.
Owner: the executor thread.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.executor.arguments import integer
from mtredis.registry.command import ADMIN, LOADING, STALE, command, container

if TYPE_CHECKING:
    from mtredis.executor.context import Context

container("SLOWLOG", since="2.2.12", summary="Shows and clears the log of slow commands.", help_since="6.2.0")

DEFAULT_COUNT = 10
ADMINISTRATIVE = ADMIN | LOADING | STALE


@command(
    "SLOWLOG GET [count]",
    flags=ADMINISTRATIVE,
    since="2.2.12",
    complexity="O(N)",
    tips=("request_policy:all_nodes", "nondeterministic_output"),
)
def slowlog_get(ctx: "Context", argv: list[bytes]) -> None:
    """Lists the newest entries: id, unix time, duration in µs, arguments, client address, client name."""
    if len(argv) > 3:
        raise unknown_form("SLOWLOG", argv)
    count = DEFAULT_COUNT
    if len(argv) == 3:
        count = integer(argv[2], message="count should be greater than or equal to -1")
        if count < -1:
            raise CommandError("ERR count should be greater than or equal to -1")
    entries = ctx.server.slowlog.entries(count)
    reply = ctx.reply
    reply.array(len(entries))
    for entry in entries:
        reply.array(6)
        reply.integer(entry.id)
        reply.integer(entry.started)
        reply.integer(entry.microseconds)
        reply.bulks(entry.argv)
        reply.bulk(entry.address.encode("utf-8", "surrogateescape"))
        reply.bulk(entry.name)


def unknown_form(container_name: str, argv: list[bytes]) -> CommandError:
    """The refusal of a subcommand with a number of arguments that it does not take."""
    word = argv[1][:128].decode("utf-8", "surrogateescape")
    return CommandError(
        f"ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container_name} HELP."
    )


@command(
    "SLOWLOG LEN",
    flags=ADMINISTRATIVE,
    since="2.2.12",
    complexity="O(1)",
    tips=("request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"),
)
def slowlog_len(ctx: "Context", argv: list[bytes]) -> None:
    """Counts the entries."""
    ctx.reply.integer(len(ctx.server.slowlog))


@command(
    "SLOWLOG RESET",
    flags=ADMINISTRATIVE,
    since="2.2.12",
    complexity="O(N)",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def slowlog_reset(ctx: "Context", argv: list[bytes]) -> None:
    """Empties the log."""
    ctx.server.slowlog.reset()
    ctx.reply.ok()
