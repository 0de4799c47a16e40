"""DUMP and RESTORE: one value as the bytes that stand for it in an RDB file, with version and checksum.

Idea: `durability.rdb` writes and reads them; a payload of redis-server is one of ours and the other way round. What
RESTORE gets is checked to the last element whoever sends it, so `sanitize-dump-payload` has nothing to choose.

Owner: the executor thread.
Invariant: a payload is read whole before anything is changed; then the new value takes the old one's place in one step.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mtredis.durability.rdb import RdbError
from mtredis.durability.rdb.reader import Payload, is_sound
from mtredis.durability.rdb.writer import dump as payload_of
from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.registry.command import ASKING, DENYOOM, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

UNKNOWN = -1
LARGEST_FREQUENCY = 255
RESTORE = (
    "key ttl serialized-value [REPLACE]@3.0.0 [ABSTTL]@5.0.0 [IDLETIME seconds]@5.0.0 [FREQ frequency]@5.0.0"
)


class RestoreOptions(NamedTuple):
    """What stands behind RESTORE's payload."""

    replace: bool = False
    is_absolute: bool = False
    idle: int = UNKNOWN
    frequency: int = UNKNOWN


@command("DUMP key", flags=READONLY, since="2.6.0", complexity="O(1) to find the key, O(N) for its N elements",
         tips=("nondeterministic_output",), group="generic")
def dump(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the value of a key in a form that RESTORE takes."""
    ctx.reply.bulk_or_null(payload_of(ctx.db, argv[1], ctx.server.config.rdbcompression))


@command(f"RESTORE {RESTORE}", flags=WRITE | DENYOOM, since="2.6.0", complexity="O(N*log(N)) for N elements",
         key_flags="OW UPDATE", acl="dangerous", group="generic")
def restore(ctx: "Context", argv: list[bytes]) -> None:
    """Creates a key from what DUMP has replied."""
    options = restore_options(argv)
    key = argv[1]
    if not options.replace and ctx.db.exists(key):
        raise CommandError("BUSYKEY Target key name already exists.")
    expire_at = restore_expiry(argv[2], 0 if options.is_absolute else ctx.now)
    payload = read_payload(ctx, argv[3])
    if 0 <= expire_at <= ctx.now:
        if ctx.db.delete(key):
            ctx.modified(key, b"del")
            ctx.propagate_deletion(key, ctx.server.config.lazyfree_lazy_server_del)
    else:
        put_payload(ctx, key, payload, expire_at, options)
        if expire_at != UNKNOWN and not options.is_absolute:
            ctx.propagate(argv[0], key, expire_at, *argv[3:], b"ABSTTL")
    ctx.reply.ok()


@command(f"RESTORE-ASKING {RESTORE}", flags=WRITE | DENYOOM | ASKING, since="3.0.0",
         complexity="O(N*log(N)) for N elements", key_flags="OW UPDATE", acl="keyspace dangerous", syscmd=True,
         group="server")
def restore_asking(ctx: "Context", argv: list[bytes]) -> None:
    """Is what nodes of a cluster send instead of RESTORE for slots that are on their way."""
    restore(ctx, argv)


def restore_options(argv: list[bytes]) -> RestoreOptions:
    """The words from the fourth on; IDLETIME and FREQ exclude each other."""
    options = RestoreOptions()
    words = iter(argv[4:])
    for word in words:
        name = word.lower()
        if name == b"replace":
            options = options._replace(replace=True)
        elif name == b"absttl":
            options = options._replace(is_absolute=True)
        elif name == b"idletime" and options.frequency == UNKNOWN:
            options = options._replace(idle=usage(words, "IDLETIME", None))
        elif name == b"freq" and options.idle == UNKNOWN:
            options = options._replace(frequency=usage(words, "FREQ", LARGEST_FREQUENCY))
        else:
            raise SyntaxFault
    return options


def usage(words: Iterator[bytes], name: str, largest: int | None) -> int:
    """The number that follows an option."""
    text = next(words, None)
    if text is None:
        raise SyntaxFault
    value = integer(text)
    if value < 0 or (largest is not None and value > largest):
        raise CommandError(f"ERR Invalid {name} value, must be >= 0" + (f" and <= {largest}" if largest else ""))
    return value


def restore_expiry(text: bytes, base: int) -> int:
    """The unix ms of a time to live, which is counted from `base` on; -1: none, below 0 in a word of 64 bits: 0."""
    ttl = integer(text)
    if ttl < 0:
        raise CommandError("ERR Invalid TTL value, must be >= 0")
    if ttl == 0:
        return UNKNOWN
    return ttl + base if ttl + base < 2**63 else 0


def read_payload(ctx: "Context", data: bytes) -> Payload:
    """The value in a payload."""
    if not is_sound(data):
        raise CommandError("ERR DUMP payload version or checksum are wrong")
    try:
        return Payload(ctx.server.keyspace, data)
    except RdbError:
        raise CommandError("ERR Bad data format") from None


def put_payload(ctx: "Context", key: bytes, payload: Payload, expire_at: int, options: RestoreOptions) -> None:
    """The key holds the value. Whatever it held has gone before, so it counts as new in any case."""
    keyspace = ctx.server.keyspace
    is_new = payload.put(ctx.db, key, expire_at, options.idle, options.frequency)
    if not is_new and keyspace.on_created is not None:
        keyspace.on_created(ctx.db.index, key)
    ctx.modified(key, b"restore")
