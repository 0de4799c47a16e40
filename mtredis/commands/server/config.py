"""CONFIG: reads the configuration in force, changes it, and writes it back to its file.

Idea: the work is done by `ops.config.Config`; here bytes become text and back. Text that is no UTF-8 survives.
Owner: the executor thread. Limits: REWRITE writes and syncs a small file there, as Redis does on its one thread.
"""

import os
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault
from mtredis.ops import log
from mtredis.ops.config import is_action_allowed
from mtredis.ops.config_rewrite import rewrite
from mtredis.registry.command import ADMIN, LOADING, NOSCRIPT, STALE, command, container

if TYPE_CHECKING:
    from mtredis.executor.context import Context

container("CONFIG", since="2.0.0", summary="Reads, changes and saves the configuration.")

ADMINISTRATIVE = ADMIN | NOSCRIPT | LOADING | STALE
DENIED_WHILE_LOADING = {"dir"}
TO_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@command(
    "CONFIG GET parameter...",
    flags=ADMINISTRATIVE,
    since="2.0.0",
    complexity="O(N) when N is the number of configuration parameters provided",
)
def config_get(ctx: "Context", argv: list[bytes]) -> None:
    """Returns the parameters that match glob patterns, with their values."""
    found = ctx.server.config.get(*map(_text, argv[2:]))
    ctx.reply.map(len(found))
    for name, value in found.items():
        ctx.reply.bulk(_octets(name))
        ctx.reply.bulk(_octets(value))


@command(
    "CONFIG SET {parameter value}...",
    flags=ADMINISTRATIVE,
    since="2.0.0",
    complexity="O(N) when N is the number of configuration parameters provided",
    tips=TO_ALL_NODES,
)
def config_set(ctx: "Context", argv: list[bytes]) -> None:
    """Changes parameters, all of them or none."""
    if len(argv) % 2:
        raise SyntaxFault
    config = ctx.server.config
    words = [_text(word) for word in argv[2:]]
    if ctx.server.loading.is_active and any(name.lower() in DENIED_WHILE_LOADING for name in words[::2]):
        raise CommandError("LOADING Redis is loading the dataset in memory")
    is_trusted = is_action_allowed(config.enable_protected_configs, ctx.client.address)
    config.set_many(list(zip(words[::2], words[1::2], strict=True)), allow_protected=is_trusted)
    ctx.reply.ok()


@command("CONFIG REWRITE", flags=ADMINISTRATIVE, since="2.8.0", complexity="O(1)", tips=TO_ALL_NODES)
def config_rewrite(ctx: "Context", argv: list[bytes]) -> None:
    """Writes the configuration in force to the file that the server was started with."""
    config = ctx.server.config
    if config.path is None:
        raise CommandError("ERR The server is running without a config file")
    try:
        rewrite(config)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        log.warning(f"CONFIG REWRITE failed: {reason}")
        raise CommandError(f"ERR Rewriting config file: {reason}") from None
    log.notice("CONFIG REWRITE executed with success.")
    ctx.reply.ok()


@command("CONFIG RESETSTAT", flags=ADMINISTRATIVE, since="2.0.0", complexity="O(1)", tips=TO_ALL_NODES)
def config_resetstat(ctx: "Context", argv: list[bytes]) -> None:
    """Sets the figures that INFO counts back to zero."""
    ctx.server.reset_statistics()
    ctx.reply.ok()
