"""How members with their scores are replied: the one form that all commands of the family share.

Owner: the executor thread; nothing is kept. Invariant: lists of pairs are flat, as `SortedSet` gives them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtredis.executor.context import Context


def reply_pairs(ctx: "Context", pairs: list[Any], *, is_nested: bool) -> None:
    """Replies with an array of members and scores in turn, or (`is_nested`) of arrays of two."""
    ctx.reply.array(len(pairs) // 2 if is_nested else len(pairs))
    more_pairs(ctx, pairs, is_nested=is_nested)


def more_pairs(ctx: "Context", pairs: list[Any], *, is_nested: bool) -> None:
    """Writes members and scores into the open array."""
    reply = ctx.reply
    for at in range(0, len(pairs), 2):
        if is_nested:
            reply.array(2)
        reply.bulk(pairs[at])
        reply.double(pairs[at + 1])


def reply_with_scores(ctx: "Context", pairs: list[Any]) -> None:
    """Replies as to WITHSCORES: arrays of two in RESP3, one flat array in RESP2."""
    reply_pairs(ctx, pairs, is_nested=ctx.reply.resp > 2)
