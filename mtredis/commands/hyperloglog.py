"""HyperLogLogs: counting different elements in at most 12 KB.

Idea: the value is a plain string in Redis's format; `keyspace/types/hyperloglog.pyx` makes new bytes of old ones, and
here they are looked up and put back, with the time to live that the key has.

Owner: the executor thread.
Invariants: a refused command has changed nothing (Redis keeps the elements that it added before it found a corrupted
sparse HyperLogLog); a string that is no HyperLogLog is refused before anything else.
Limits: PFDEBUG SIMD with a wrong word gets one reply, the error (Redis adds a second one).
"""

import secrets
from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.keyspace.types.hyperloglog import (
    EMPTY,
    CorruptSketch,
    Union,
    add,
    cached,
    cardinality,
    decode,
    is_dense,
    is_valid,
    self_test,
    to_dense,
    use_simd,
)
from mtredis.registry.command import ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

EMBEDDED_MAX = 44  # a longer string is "raw" by itself
CACHED_AT = 8


# --- looking up and putting back ------------------------------------------------------------------------------------


def invalid() -> CommandError:
    """The refusal of a string that is no HyperLogLog."""
    return CommandError("WRONGTYPE Key is not a valid HyperLogLog string value.")


def corrupted() -> CommandError:
    """The refusal of a sparse HyperLogLog of which the runs are wrong."""
    return CommandError("INVALIDOBJ Corrupted HLL object detected")


def checked(ctx: "Context", key: bytes, view: memoryview) -> memoryview | None:
    """The view of what a key holds if it is a HyperLogLog; None when there is no such key."""
    if is_valid(view):
        return view
    if len(view) or ctx.db.exists(key):
        raise invalid()
    return None


def peek(ctx: "Context", key: bytes) -> memoryview | None:
    """The HyperLogLog under a key, None if missing; valid until the next change."""
    return checked(ctx, key, ctx.db.peek_view(key))


def read(ctx: "Context", key: bytes) -> memoryview | None:
    """The same; a read lookup."""
    return checked(ctx, key, ctx.db.string_view(key))


def put(ctx: "Context", key: bytes, sketch: bytes) -> None:
    """The key holds the HyperLogLog, as a "raw" string; its time to live is as it was."""
    ctx.keyspace.version_begin()
    try:
        ctx.db.set_string_keep_ttl(key, sketch)
        make_raw(ctx, key, sketch)
    finally:
        ctx.keyspace.version_end()


def make_raw(ctx: "Context", key: bytes, sketch: bytes | memoryview) -> None:
    """The key's encoding is "raw", as Redis leaves a string that it was about to change."""
    if len(sketch) <= EMBEDDED_MAX:
        ctx.db.set_range(key, 0, b"H")


# --- commands -------------------------------------------------------------------------------------------------------


@command("PFADD key [element]...", flags=WRITE | DENYOOM | FAST, since="2.8.9", complexity="O(1) for each element",
         key_flags="RW INSERT")  # fmt: skip
def pfadd(ctx: "Context", argv: list[bytes]) -> None:
    """Adds elements to a HyperLogLog and replies with whether its estimate may have changed."""
    key = argv[1]
    sketch = peek(ctx, key)
    is_new = sketch is None
    try:
        updated, changed = add(EMPTY if sketch is None else sketch, argv, 2, ctx.server.config.hll_sparse_max_bytes)
    except CorruptSketch:
        raise corrupted() from None
    if is_new:
        updated += 1
        changed = changed or EMPTY
    if changed is not None:
        put(ctx, key, changed)
    elif sketch is not None:
        make_raw(ctx, key, sketch)
    ctx.modified(key, b"pfadd", updated)
    ctx.reply.integer(int(updated > 0))


@command("PFCOUNT key...", flags=READONLY | MAY_REPLICATE, since="2.8.9",
         complexity="O(1) with a small constant for one key; O(N) for N keys", key_flags="RW ACCESS")  # fmt: skip
def pfcount(ctx: "Context", argv: list[bytes]) -> None:
    """Estimates how many different elements were added to one HyperLogLog, or to any of several."""
    if len(argv) == 2:
        ctx.reply.integer(count_one(ctx, argv[1]))
    else:
        ctx.reply.integer(unite(ctx, argv[1:])[0].cardinality())


def count_one(ctx: "Context", key: bytes) -> int:
    """The estimate for one key, which keeps it for the next time."""
    sketch = read(ctx, key)
    if sketch is None:
        return 0
    count: int = cached(sketch)
    if count < 0:
        try:
            count = cardinality(sketch)
        except CorruptSketch:
            raise corrupted() from None
        ctx.db.set_range(key, CACHED_AT, count.to_bytes(8, "little", signed=True))
        # No event tells about it, but it is a change of the string.
        ctx.dirty += 1
        if ctx.watches.keys:
            ctx.watches.touched(ctx.db.index, key)
    else:
        make_raw(ctx, key, sketch)
    return count


def unite(ctx: "Context", keys: list[bytes]) -> tuple[Union, bool]:
    """The union of the HyperLogLogs under some keys, and whether any is dense; a missing key is an empty one."""
    union, any_dense = Union(), False
    try:
        for key in keys:
            sketch = read(ctx, key)
            if sketch is not None:
                union.unite(sketch)
                any_dense = any_dense or is_dense(sketch)
    except CorruptSketch:
        raise corrupted() from None
    return union, any_dense


@command("PFMERGE destkey [sourcekey]...", flags=WRITE | DENYOOM, since="2.8.9", complexity="O(N) for N keys",
         key_flags=["RW ACCESS INSERT", "RO ACCESS"])  # fmt: skip
def pfmerge(ctx: "Context", argv: list[bytes]) -> None:
    """Merges HyperLogLogs into one, which counts what was added to any of them."""
    key = argv[1]
    union, any_dense = unite(ctx, argv[1:])
    target = peek(ctx, key)
    put(ctx, key, union.merged(EMPTY if target is None else target, any_dense, ctx.server.config.hll_sparse_max_bytes))
    ctx.modified(key, b"pfadd")
    ctx.reply.ok()


@command("PFSELFTEST", flags=ADMIN, since="2.8.9", complexity="", syscmd=True)
def pfselftest(ctx: "Context", argv: list[bytes]) -> None:
    """Tests the HyperLogLog implementation with random data."""
    failure = self_test(secrets.randbits(64), ctx.server.config.hll_sparse_max_bytes)
    if failure:
        raise CommandError("ERR " + failure)
    ctx.reply.ok()


# --- PFDEBUG --------------------------------------------------------------------------------------------------------


@command("PFDEBUG subcommand key", flags=WRITE | DENYOOM | ADMIN, since="2.8.9", complexity="", key_flags="RW ACCESS",
         syscmd=True)  # fmt: skip
def pfdebug(ctx: "Context", argv: list[bytes]) -> None:
    """Shows the inside of a HyperLogLog."""
    name = argv[1].lower()
    if name == b"simd":
        debug_simd(ctx, argv[2].lower())
        return
    sketch = peek(ctx, argv[2])
    if sketch is None:
        raise CommandError("ERR The specified key does not exist")
    make_raw(ctx, argv[2], sketch)
    if name not in DEBUG:
        shown = argv[1].partition(b"\0")[0].decode("utf-8", "surrogateescape")
        raise CommandError(f"ERR Unknown PFDEBUG subcommand '{shown}'")
    try:
        DEBUG[name](ctx, argv[2], bytes(ctx.db.peek_view(argv[2])))
    except CorruptSketch:
        raise corrupted() from None


def debug_simd(ctx: "Context", word: bytes) -> None:
    """Turns wide instructions on or off and replies with whether they are used."""
    if word not in (b"on", b"off"):
        raise CommandError("ERR Argument must be ON or OFF")
    ctx.reply.simple(b"enabled" if use_simd(word == b"on") else b"disabled")


def convert(ctx: "Context", key: bytes, sketch: bytes) -> bool:
    """The key's HyperLogLog is dense; whether it was not."""
    if is_dense(sketch):
        return False
    put(ctx, key, to_dense(sketch))
    ctx.dirty += 1  # as in Redis, neither WATCH nor an event tells about it
    return True


def debug_getreg(ctx: "Context", key: bytes, sketch: bytes) -> None:
    """Replies with all registers; the HyperLogLog is dense afterwards."""
    convert(ctx, key, sketch)
    union = Union()
    union.unite(sketch)
    ctx.reply.integers(union.registers())


def debug_decode(ctx: "Context", key: bytes, sketch: bytes) -> None:
    """Replies with the runs of a sparse one."""
    if is_dense(sketch):
        raise CommandError("ERR HLL encoding is not sparse")
    ctx.reply.bulk(decode(sketch))


def debug_encoding(ctx: "Context", key: bytes, sketch: bytes) -> None:
    """Replies with "sparse" or "dense"."""
    ctx.reply.simple(b"dense" if is_dense(sketch) else b"sparse")


def debug_todense(ctx: "Context", key: bytes, sketch: bytes) -> None:
    """Makes it dense; replies with 0 if it was."""
    ctx.reply.integer(int(convert(ctx, key, sketch)))


DEBUG = {
    b"getreg": debug_getreg,
    b"decode": debug_decode,
    b"encoding": debug_encoding,
    b"todense": debug_todense,
}
