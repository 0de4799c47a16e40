"""Replies of members drawn at random with repetition, of which a client may ask for 2 ** 63.

Idea: they are drawn and written in slices. A request whose reply cannot be short enough is refused, and a client whose
reply outgrows its bounds all the same is closed, as Redis does when its output limit is passed in the midst of one.

Owner: the executor thread. Limits: such a reply is never longer than `proto-max-bulk-len`, which Redis does not demand.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mtredis.errors import CommandError

if TYPE_CHECKING:
    from mtredis.executor.context import Context

SLICE = 1000
SHORTEST = 6  # bytes of an empty bulk string


def refuse_endless(ctx: "Context", count: int) -> None:
    """Raises if `count` bulk strings are too long a reply, whatever they are; nothing has been replied yet."""
    if count * SHORTEST > ctx.server.config.proto_max_bulk_len:
        raise CommandError("ERR value is out of range")


def slices(ctx: "Context", count: int) -> Iterator[int]:
    """How many to draw and to write next, until `count` are written, or the client is closed for what waits for it."""
    client = ctx.client
    longest = client.output_length + ctx.server.config.proto_max_bulk_len
    while count > 0:
        yield min(count, SLICE)
        count -= SLICE
        if client.is_over_output_limit or client.output_length > longest:
            client.kill()
            return
