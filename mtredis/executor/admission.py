"""Admission: every reason for which a command is refused or put off before it runs, in one ordered table.

Idea: each reason is a gate, a bit that is raised for one client or for all. A command carries in `gated_by` the gates
that could concern it; on the hot path one AND of the two words says that nothing does. Only when something does is the
table below walked, in the order in which Redis checks, and the first gate that is shut raises its error.

Owner: the executor thread. Limit: queueing in MULTI is no refusal and stays with the executor.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.executor.eviction import STUCK
from mtredis.ops.config import is_action_allowed
from mtredis.registry.command import (
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    NO_AUTH,
    NO_MULTI,
    PROTECTED,
    READONLY,
    WRITE,
    Command,
    Registry,
)

if TYPE_CHECKING:
    from mtredis.executor.context import Context

# The bits, as in client.pxd; a test compares the two.
UNAUTHENTICATED, MULTI, SUBSCRIBED = 1, 2, 4
TRACED = 64
LOADING_GATE, MEMORY, PAUSED, MONITORED, NOTIFY, MISSES, WATCHED = 256, 512, 1024, 2048, 4096, 8192, 16384
BLOCKED, PROTECTED_GATE, TIMED, BLOCKED_ON_MISSING = 32768, 65536, 131072, 262144
DISK_ERROR, DURABLE = 524288, 1048576

RUN_IN_MULTI = {b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"}
ALLOWED_WHILE_SUBSCRIBED = {
    b"ping", b"subscribe", b"ssubscribe", b"sunsubscribe", b"unsubscribe", b"psubscribe", b"punsubscribe", b"quit",
    b"reset",
}  # fmt: skip

type Check = Callable[["Context", Command, list[bytes]], bool]


def gates_of(command: Command) -> int:
    """The gates that may concern a command: `Command` -> bits."""
    gates = PAUSED
    if not command.flags & NO_AUTH:
        gates |= UNAUTHENTICATED
    if command.name not in RUN_IN_MULTI:
        gates |= MULTI
    if command.name not in ALLOWED_WHILE_SUBSCRIBED:
        gates |= SUBSCRIBED
    if not command.flags & LOADING:
        gates |= LOADING_GATE
    if command.flags & DENYOOM or command.name == b"exec":
        gates |= MEMORY
    if command.flags & WRITE or command.name in (b"ping", b"exec"):
        gates |= DISK_ERROR
    if command.flags & (READONLY | WRITE | MAY_REPLICATE):
        gates |= TRACED
    if command.flags & PROTECTED:
        gates |= PROTECTED_GATE
    return gates


def refuse_protected(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """DEBUG is for whom `enable-debug-command` allows it."""
    if not is_action_allowed(ctx.server.config.enable_debug_command, ctx.client.address):
        raise CommandError(
            'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from '
            "a local connection, otherwise you need to set this option in the configuration file, and then restart "
            "the server."
        )
    return True


def refuse_stranger(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """The client has not given the password."""
    raise CommandError("NOAUTH Authentication required.")


def refuse_in_transaction(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """Some commands cannot be queued."""
    if command.flags & NO_MULTI:
        raise CommandError("ERR Command not allowed inside a transaction")
    return True


def refuse_above_maxmemory(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """Writes that may need memory are refused while the server holds more than `maxmemory` and no key may go."""
    transaction = ctx.client.transaction
    if command.name == b"exec" and not (transaction and transaction.flags & DENYOOM):
        return True
    eviction = ctx.server.eviction
    # While clients that were blocked are served, marks of keys that go would be lost.
    if (eviction.postpone() if ctx.retrying else eviction.perform()) == STUCK:
        raise CommandError("OOM command not allowed when used memory > 'maxmemory'.")
    return True


def refuse_unsaved(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """Changes are refused while they could not be saved; PING tells of it, too."""
    transaction = ctx.client.transaction
    if command.name == b"exec" and not (transaction and transaction.flags & WRITE):
        return True
    refusal = ctx.server.write_refusal
    if refusal is not None:
        raise CommandError(refusal)
    return True


def refuse_subscriber(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """In RESP2 a subscribed connection belongs to its messages."""
    name = command.name.decode()
    raise CommandError(
        f"ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        "in this context"
    )


def refuse_while_loading(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """The data set is not complete yet."""
    raise CommandError("LOADING Redis is loading the dataset in memory")


def refuse_monitor(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """A client in MONITOR mode only looks on."""
    raise CommandError("ERR Replica can't interact with the keyspace")


def postpone_while_paused(ctx: "Context", command: Command, argv: list[bytes]) -> bool:
    """CLIENT PAUSE: False puts the command off until the pause ends."""
    pause = ctx.server.pause
    if not pause.is_active(ctx.now):
        return True
    flags = command.flags
    if command.name == b"exec" and ctx.client.transaction is not None:
        flags |= ctx.client.transaction.flags
    return not pause.blocks(flags)


GATES: tuple[tuple[int, Check], ...] = (
    (PROTECTED_GATE, refuse_protected),
    (UNAUTHENTICATED, refuse_stranger),
    (MULTI, refuse_in_transaction),
    (MEMORY, refuse_above_maxmemory),
    (DISK_ERROR, refuse_unsaved),
    (SUBSCRIBED, refuse_subscriber),
    (LOADING_GATE, refuse_while_loading),
    (TRACED, refuse_monitor),
    (PAUSED, postpone_while_paused),
)


def admit(ctx: "Context", command: Command, argv: list[bytes], gates: int) -> bool:
    """True when the command may run (or be queued) now, False when it must wait; raises CommandError to refuse it."""
    return all(check(ctx, command, argv) for gate, check in GATES if gates & gate)


def describe_all(registry: Registry, commands: Iterable[Command]) -> list[tuple[bytes, Command, int, int, int]]:
    """What `registry.table.publish` wants to know of all commands, by id: (wire name, command, arity, flags, gates).

    The wire name is what a client writes: the registry's key, or nothing for subcommands and for commands renamed away.
    """
    wire_names = {command.id: name for name, command in registry.commands.items()}
    return [
        (wire_names.get(command.id, b""), command, command.arity, int(command.flags), gates_of(command))
        for command in sorted(commands, key=lambda command: command.id)
    ]
