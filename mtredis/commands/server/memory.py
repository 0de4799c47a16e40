"""MEMORY: what a key takes, what the server takes, and giving memory back to the kernel.

Idea: figures come from `keyspace.memory` and the allocator. DOCTOR puts what it sees into words of its own.

Owner: the executor thread. Limits: strings are held as they are, so SAMPLES is only checked; PURGE and MALLOC-STATS
are about glibc's heap, where keys, values and buffers live.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mtredis.errors import SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.keyspace.memory import STARTUP, table_overhead
from mtredis.lib import allocator
from mtredis.registry.command import READONLY, command, container

if TYPE_CHECKING:
    from mtredis.executor.context import Context

container("MEMORY", since="4.0.0", summary="Tells where memory goes.", help_since="4.0.0")

TINY = 5 << 20
NOTABLE = 10 << 20  # bytes from which an overhead is worth a remark
FAT_CLIENT = 200 << 10
ALL_SHARDS = ("nondeterministic_output", "request_policy:all_shards", "response_policy:special")


@command("MEMORY USAGE key [SAMPLES count]", flags=READONLY, since="4.0.0", complexity="O(N)", key_flags="RO")
def memory_usage(ctx: "Context", argv: list[bytes]) -> None:
    """Tells how many bytes a key takes with its value and its place in the table."""
    options = argv[3:]
    while options:
        if options[0].upper() != b"SAMPLES" or len(options) < 2:
            raise SyntaxFault()
        if integer(options[1]) < 0:
            raise SyntaxFault()
        options = options[2:]
    usage = ctx.db.memory_usage(argv[2])
    if usage < 0:
        ctx.reply.null()
    else:
        ctx.reply.integer(usage)


@command("MEMORY STATS", since="4.0.0", complexity="O(1)", tips=ALL_SHARDS)
def memory_stats(ctx: "Context", argv: list[bytes]) -> None:
    """Lists the server's memory figures."""
    memory = ctx.server.memory.overview(ctx.server.executor.survey())
    databases = [db for db in map(ctx.server.keyspace.__getitem__, range(len(ctx.server.keyspace))) if len(db)]
    before, after = list(_totals(memory)), list(_details(memory, sum(map(table_overhead, databases))))
    reply = ctx.reply
    reply.map(len(before) + len(databases) + len(after))
    _write_figures(reply, before)
    for db in databases:
        reply.bulk(b"db.%d" % db.index)
        reply.map(2)
        _write_figures(reply, [("overhead.hashtable.main", table_overhead(db)), ("overhead.hashtable.expires", 0)])
    _write_figures(reply, after)


def _write_figures(reply: Any, figures: list[tuple[str, int | float]]) -> None:
    for name, value in figures:
        reply.bulk(name.encode())
        if isinstance(value, float):
            reply.double(value)
        else:
            reply.integer(value)


def _totals(memory: Any) -> Iterator[tuple[str, int | float]]:
    yield "peak.allocated", memory.peak
    yield "total.allocated", memory.used
    yield "startup.allocated", STARTUP
    yield "replication.backlog", 0
    yield "replica.fullsync.buffer", 0
    yield "clients.slaves", 0
    yield "clients.normal", memory.clients
    for name in "cluster.links aof.buffer lua.caches functions.caches script.VMs".split():
        yield name, 0


def _details(memory: Any, tables: int) -> Iterator[tuple[str, int | float]]:
    yield "overhead.db.hashtable.lut", tables
    yield "overhead.db.hashtable.rehashing", 0
    yield "overhead.total", memory.overhead
    yield "db.dict.rehashing.count", 0
    yield "keys.count", memory.keys
    yield "keys.bytes-per-key", memory.bytes_per_key
    yield "dataset.bytes", memory.dataset
    yield "dataset.percentage", float(memory.dataset_percent)
    yield "peak.percentage", float(memory.peak_percent)
    yield "allocator.allocated", memory.heap.allocated
    yield "allocator.active", memory.heap.active
    yield "allocator.resident", memory.resident
    yield "allocator.muzzy", 0
    yield "allocator-fragmentation.ratio", float(memory.heap_fragmentation)
    yield "allocator-fragmentation.bytes", memory.heap.active - memory.heap.allocated
    yield "allocator-rss.ratio", float(memory.heap_residence)
    yield "allocator-rss.bytes", memory.resident - memory.heap.active
    yield "rss-overhead.ratio", float(memory.rss_overhead)
    yield "rss-overhead.bytes", memory.rss - memory.resident
    yield "fragmentation", float(memory.fragmentation)
    yield "fragmentation.bytes", memory.unexplained


@command("MEMORY DOCTOR", since="4.0.0", complexity="O(1)", tips=ALL_SHARDS)
def memory_doctor(ctx: "Context", argv: list[bytes]) -> None:
    """Describes what is odd about the server's memory."""
    memory = ctx.server.memory.overview(ctx.server.executor.survey())
    if memory.used < TINY:
        text = "There is too little data to say anything.\n"
    else:
        remarks = list(_remarks(memory, len(ctx.server.clients)))
        text = "".join(f" * {remark}\n\n" for remark in remarks) or "Nothing is odd.\n"
    ctx.reply.verbatim(text.encode())


def _remarks(memory: Any, clients: int) -> Iterator[str]:
    if memory.peak > 1.5 * memory.used:
        yield "Peak: much more memory was in use once; what the allocator keeps of it, MEMORY PURGE may give back."
    if memory.fragmentation > 1.4 and memory.unexplained > NOTABLE:
        yield "RSS: the process holds much more than its data and buffers account for."
    if memory.heap_fragmentation > 1.1 and memory.heap.active - memory.heap.allocated > NOTABLE:
        yield f"Fragmentation: {allocator.NAME} holds much memory that is free; MEMORY PURGE may give some back."
    if memory.clients > FAT_CLIENT * max(1, clients):
        yield "Clients: their buffers are large; CLIENT LIST tells whose."


@command(
    "MEMORY PURGE", since="4.0.0", complexity="", tips=("request_policy:all_shards", "response_policy:all_succeeded")
)
def memory_purge(ctx: "Context", argv: list[bytes]) -> None:
    """Moves keys together where memory is fragmented and gives free pages back to the kernel, in the background."""
    ctx.server.keyspace.reclaim()
    ctx.server.defragmentation.purge()
    ctx.reply.ok()


@command("MEMORY MALLOC-STATS", since="4.0.0", complexity="", tips=ALL_SHARDS)
def memory_malloc_stats(ctx: "Context", argv: list[bytes]) -> None:
    """Shows the allocator's own report."""
    report = allocator.report()
    if report is None:
        ctx.reply.bulk(b"Stats not supported for the current allocator")
    else:
        ctx.reply.verbatim(report)
