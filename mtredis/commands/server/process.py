"""The process itself: TIME, LOLWUT, SHUTDOWN.

Owner: the executor thread.
"""

import random
import time
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.registry.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    SENTINEL,
    STALE,
    command,
)

if TYPE_CHECKING:
    from mtredis.executor.context import Context

SHUTDOWN_WORDS = {b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT"}
SKETCH_COLUMNS, SKETCH_ROWS = 61, 15
SKETCH_VERSIONS = {5, 6, 8}  # those of Redis that draw something


@command(
    "TIME", flags=LOADING | STALE | FAST, since="2.6.0", complexity="O(1)", tips=("nondeterministic_output",)
)
def time_command(ctx: "Context", argv: list[bytes]) -> None:
    """Tells the server's time: unix seconds, and the microseconds in the current one."""
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    ctx.reply.bulks([b"%d" % seconds, b"%d" % microseconds])


@command("LOLWUT [VERSION version]", flags=READONLY | FAST, since="5.0.0", complexity="")
def lolwut(ctx: "Context", argv: list[bytes]) -> None:
    """Draws something, and tells the version."""
    version = 8
    if len(argv) >= 3 and argv[1].upper() == b"VERSION":
        version = integer(argv[2])
    sketch = draw_threads(random.Random()) + "\n" if version in SKETCH_VERSIONS else ""
    ctx.reply.verbatim(f"{sketch}Redis ver. {ctx.server.redis_version}\n".encode())


def draw_threads(source: random.Random) -> str:
    """Threads that wander down a loom, side by side, and never touch."""
    canvas = [[" "] * SKETCH_COLUMNS for _ in range(SKETCH_ROWS)]
    threads = sorted(source.sample(range(0, SKETCH_COLUMNS, 3), source.randint(6, 12)))
    for row in canvas:
        for index, place in enumerate(threads):
            left = threads[index - 1] + 2 if index else 0
            right = threads[index + 1] - 2 if index + 1 < len(threads) else SKETCH_COLUMNS - 1
            moved = max(left, min(right, place + source.choice((-1, 0, 0, 1))))
            row[moved] = "|" if moved == place else "/" if moved < place else "\\"
            threads[index] = moved
    return "".join("".join(row).rstrip() + "\n" for row in canvas)


@command(
    "SHUTDOWN [save-selector=NOSAVE|SAVE] [NOW]@7.0.0 [FORCE]@7.0.0 [ABORT]@7.0.0",
    flags=ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | SENTINEL | ALLOW_BUSY,
    since="1.0.0",
    complexity="O(N)",
)
def shutdown(ctx: "Context", argv: list[bytes]) -> None:
    """Ends the server; the client sees its connection close, or an error."""
    words = {word.upper() for word in argv[1:]}
    if words - SHUTDOWN_WORDS or {b"SAVE", b"NOSAVE"} <= words or (b"ABORT" in words and len(words) > 1):
        raise SyntaxFault()
    if b"ABORT" in words:
        raise CommandError("ERR No shutdown in progress.")
    if not ctx.server.shutdown(*(word.decode().lower() for word in words)):
        raise CommandError("ERR Errors trying to SHUTDOWN. Check logs.")
