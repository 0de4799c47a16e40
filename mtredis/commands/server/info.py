"""INFO: the server's figures, in sections of `field:value` lines with Redis's names.

Idea: a section is a function from a `Snapshot` to lines, declared with `@info_section`; order of declaration is that
of output. A snapshot reads each part of the server at most once, and the connections in one pass over C memory, so INFO
stays cheap with ten thousand clients. Fields about what this server does not have (replicas, scripts, modules) are
there with the values of a Redis that does not use it either.

Owner: the executor thread. Fields of our own begin with `mtredis_`, `python_`, `gil_` or `io_threads_`.
Limits: the times of event loop rounds are the CPU time of the executor thread; allocator figures are glibc's, which do
not see Python's own objects.
"""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from mtredis import __version__
from mtredis.keyspace.memory import STARTUP, human_size
from mtredis.lib import allocator
from mtredis.registry.command import LOADING, SENTINEL, STALE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context
    from mtredis.keyspace.database import Database

type Line = tuple[str, object]
type Section = Callable[["Snapshot"], Iterable[Line]]

MEGABITS = 1024
SIZE_DISTRIBUTIONS = (
    "distrib_strings_sizes", "distrib_lists_items", "distrib_sets_items", "distrib_zsets_items", "distrib_hashes_items",
)  # fmt: skip
"""By the number of the type."""
SIZE_UNITS = ("", "K", "M", "G", "T", "P", "E")
_UNSAFE = str.maketrans("#:\n\r", "____")


class Snapshot:
    """The server's parts as one INFO sees them; each is read when a section first asks."""

    def __init__(self, ctx: "Context") -> None:
        self.server = ctx.server
        self.config = ctx.server.config
        self.now = ctx.now

    @cached_property
    def workers(self) -> dict[str, int]:
        """The workers' counters, summed."""
        total: dict[str, int] = self.server.statistics.of_workers()
        return total

    @cached_property
    def connections(self) -> dict[str, int]:
        """What the connections hold, from one pass over them."""
        survey: dict[str, int] = self.server.executor.survey()
        return survey

    @cached_property
    def memory(self) -> Any:
        """`keyspace.memory.MemoryOverview`."""
        return self.server.memory.overview(self.connections)

    @cached_property
    def defragmentation(self) -> dict[str, int]:
        figures: dict[str, int] = self.server.defragmentation.statistics()
        return figures

    @cached_property
    def pubsub(self) -> dict[str, int]:
        figures: dict[str, int] = self.server.pubsub.statistics()
        return figures

    @cached_property
    def shared(self) -> dict[str, int]:
        figures: dict[str, int] = self.server.shared.statistics()
        return figures

    @property
    def uptime(self) -> int:
        """Seconds since the start."""
        return max(0, int(self.now / 1000 - self.server.started))


class InfoSection:
    """`title` is printed; `names` select it, and `is_default` says whether INFO alone shows it."""

    def __init__(self, title: str, names: frozenset[str], is_default: bool, is_listed: bool, lines: Section) -> None:
        self.title, self.names, self.is_default, self.is_listed, self.lines = title, names, is_default, is_listed, lines

    def render(self, snapshot: Snapshot) -> str:
        """The section's text."""
        return f"# {self.title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in self.lines(snapshot))


SECTIONS: list[InfoSection] = []


def info_section(
    title: str, *other_names: str, default: bool = True, listed: bool = True
) -> Callable[[Section], Section]:
    """Declares a section; unless `listed`, only its own name selects it."""

    def declare(lines: Section) -> Section:
        SECTIONS.append(InfoSection(title, frozenset((title.lower(), *other_names)), default, listed, lines))
        return lines

    return declare


@command(
    "INFO [section]...",
    flags=LOADING | STALE | SENTINEL,
    since="1.0.0",
    complexity="O(1)",
    acl="dangerous",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def info(ctx: "Context", argv: list[bytes]) -> None:
    """Reports figures about the server, by section."""
    snapshot = Snapshot(ctx)
    text = "\r\n".join(section.render(snapshot) for section in select_sections(argv[1:]))
    ctx.reply.verbatim(text.encode("utf-8", "surrogateescape"))


def select_sections(words: list[bytes]) -> Iterator[InfoSection]:
    """The sections that the words name; names of none select nothing."""
    names = {word.decode("latin-1").lower() for word in words} or {"default"}
    is_all = bool(names & {"all", "everything"})
    for section in SECTIONS:
        by_group = section.is_listed and (is_all or (section.is_default and "default" in names))
        if by_group or section.names & names:
            yield section


@cache
def _system() -> dict[str, str]:
    """What never changes while the process runs."""
    uname = os.uname()
    return {
        "os": f"{uname.sysname} {uname.release} {uname.machine}",
        "compiler": platform.python_compiler().removeprefix("GCC "),
        "executable": os.path.abspath(sys.argv[0]),  # noqa: PTH100 - no Path is needed for a text
        "python": platform.python_version(),
    }


@info_section("Server")
def server_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Version, process, threads, listeners."""
    server, config, system = snapshot.server, snapshot.config, _system()
    driven = server.executor.driven_loops
    yield "redis_version", server.redis_version
    yield "redis_git_sha1", "00000000"
    yield "redis_git_dirty", 0
    yield "redis_build_id", f"mtredis-{__version__}"
    yield "redis_mode", "standalone"
    yield "os", system["os"]
    yield "arch_bits", 64 if sys.maxsize > 2**32 else 32
    yield "monotonic_clock", "POSIX clock_gettime"
    yield "multiplexing_api", "epoll"
    yield "atomicvar_api", "atomic-builtin"
    yield "gcc_version", system["compiler"]
    yield "process_id", os.getpid()
    yield "process_supervised", "systemd" if server.supervisor.active else "no"
    yield "run_id", server.run_id
    yield "tcp_port", config.port
    yield "server_time_usec", time.time_ns() // 1000
    yield "uptime_in_seconds", snapshot.uptime
    yield "uptime_in_days", snapshot.uptime // 86400
    yield "hz", config.hz
    yield "configured_hz", config.hz
    yield "lru_clock", snapshot.now // 1000 & 0xFFFFFF
    yield "executable", system["executable"]
    yield "config_file", config.path or ""
    yield "io_threads_active", int(driven < len(server.workers))
    yield "mtredis_version", __version__
    yield "python_version", system["python"]
    yield "gil_enabled", int(getattr(sys, "_is_gil_enabled", lambda: True)())
    yield "io_threads", len(server.workers)
    yield "io_threads_driven_by_executor", driven
    yield from _listeners(config)


def _listeners(config: Any) -> Iterator[Line]:
    found = []
    if config.port:
        found.append(f"name=tcp{''.join(f',bind={address}' for address in config.bind)},port={config.port}")
    if config.unixsocket:
        found.append(f"name=unix,bind={config.unixsocket}")
    for number, text in enumerate(found):
        yield f"listener{number}", text


@info_section("Clients")
def clients_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Connections and what they wait for."""
    server, watches = snapshot.server, snapshot.server.watches.statistics()
    blocking = server.blocking.statistics()
    yield "connected_clients", len(server.clients)
    yield "cluster_connections", 0
    yield "maxclients", snapshot.config.maxclients
    yield "client_recent_max_input_buffer", snapshot.connections["largest_input"]
    yield "client_recent_max_output_buffer", snapshot.connections["largest_output"]
    yield "blocked_clients", blocking["blocked_clients"] + len(server.dispatcher.postponed)
    yield "tracking_clients", 0
    yield "pubsub_clients", snapshot.pubsub["pubsub_clients"]
    yield "watching_clients", watches["watching_clients"]
    yield "clients_in_timeout_table", blocking["clients_in_timeout_table"]
    yield "total_watched_keys", watches["total_watched_keys"]
    yield "total_blocking_keys", blocking["total_blocking_keys"]
    yield "total_blocking_keys_on_nokey", blocking["total_blocking_keys_on_nokey"]


@info_section("Memory")
def memory_lines(snapshot: Snapshot) -> Iterator[Line]:
    """The running estimate, what the kernel says, and what the allocator holds."""
    memory = snapshot.memory
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield from _with_human("used_memory", memory.used)
    yield from _with_human("used_memory_rss", memory.rss)
    yield from _with_human("used_memory_peak", memory.peak)
    yield "used_memory_peak_perc", f"{memory.peak_percent:.2f}%"
    yield "used_memory_overhead", memory.overhead
    yield "used_memory_startup", STARTUP
    yield "used_memory_dataset", memory.dataset
    yield "used_memory_dataset_perc", f"{memory.dataset_percent:.2f}%"
    yield "allocator_allocated", memory.heap.allocated
    yield "allocator_active", memory.heap.active
    yield "allocator_resident", memory.resident
    yield "allocator_muzzy", 0
    yield from _with_human("total_system_memory", total)
    yield from _script_memory()
    yield from _with_human("maxmemory", snapshot.config.maxmemory)
    yield "maxmemory_policy", snapshot.config.maxmemory_policy
    yield "allocator_frag_ratio", f"{memory.heap_fragmentation:.2f}"
    yield "allocator_frag_bytes", memory.heap.active - memory.heap.allocated
    yield "allocator_rss_ratio", f"{memory.heap_residence:.2f}"
    yield "allocator_rss_bytes", memory.resident - memory.heap.active
    yield "rss_overhead_ratio", f"{memory.rss_overhead:.2f}"
    yield "rss_overhead_bytes", memory.rss - memory.resident
    yield "mem_fragmentation_ratio", f"{memory.fragmentation:.2f}"
    yield "mem_fragmentation_bytes", memory.unexplained
    yield "mem_not_counted_for_evict", 0
    yield "mem_replication_backlog", 0
    yield "mem_total_replication_buffers", 0
    yield "mem_replica_full_sync_buffer", 0
    yield "mem_clients_slaves", 0
    yield "mem_clients_normal", memory.clients
    yield "mem_cluster_links", 0
    yield "mem_aof_buffer", snapshot.server.aof.log.backlog_length
    yield "mem_allocator", allocator.NAME
    yield "mem_overhead_db_hashtable_rehashing", 0
    yield "active_defrag_running", snapshot.defragmentation["active_defrag_running"]
    yield "lazyfree_pending_objects", snapshot.server.keyspace.lazy_pending
    yield "lazyfreed_objects", snapshot.server.keyspace.lazy_freed


def _with_human(name: str, size: int) -> Iterator[Line]:
    yield name, size
    yield f"{name}_human", human_size(size)


def _script_memory() -> Iterator[Line]:
    yield "used_memory_lua", 0
    yield "used_memory_vm_eval", 0
    yield "used_memory_lua_human", human_size(0)
    for name in "used_memory_scripts_eval number_of_cached_scripts number_of_functions number_of_libraries".split():
        yield name, 0
    yield "used_memory_vm_functions", 0
    yield from _with_human("used_memory_vm_total", 0)
    yield "used_memory_functions", 0
    yield from _with_human("used_memory_scripts", 0)


@info_section("Persistence")
def persistence_lines(snapshot: Snapshot) -> Iterator[Line]:
    """What was saved, is being saved or loaded."""
    server = snapshot.server
    yield from server.loading.state().items()
    yield from server.saver.progress().items()
    yield from server.saver.statistics().items()
    yield from server.aof.statistics().items()
    yield "module_fork_in_progress", 0
    yield "module_fork_last_cow_size", 0
    yield from server.aof.sizes().items()
    yield from server.loading.statistics().items()


@info_section("Threads")
def threads_lines(snapshot: Snapshot) -> Iterator[Line]:
    """One line for each worker's loop, whoever drives it."""
    for number, worker in enumerate(snapshot.server.workers):
        counts = worker.statistics()
        yield (
            f"io_thread_{number}",
            f"clients={counts['connections']},reads={counts['reads']},writes={counts['writes']},"
            f"served={counts['commands']}",
        )


@info_section("Stats")
def stats_lines(snapshot: Snapshot) -> Iterator[Line]:
    """What was counted since the start or CONFIG RESETSTAT."""
    server, workers, shared = snapshot.server, snapshot.workers, snapshot.shared
    statistics, executor = server.statistics, server.executor
    yield "total_connections_received", shared["accepted"]
    yield "total_commands_processed", server.dispatcher.commands + workers["commands"]
    yield "instantaneous_ops_per_sec", int(statistics.commands_rate.per_second)
    yield "total_net_input_bytes", workers["net_in"]
    yield "total_net_output_bytes", workers["net_out"]
    yield "total_net_repl_input_bytes", 0
    yield "total_net_repl_output_bytes", 0
    yield "instantaneous_input_kbps", f"{statistics.input_rate.per_second / MEGABITS:.2f}"
    yield "instantaneous_output_kbps", f"{statistics.output_rate.per_second / MEGABITS:.2f}"
    yield "instantaneous_input_repl_kbps", "0.00"
    yield "instantaneous_output_repl_kbps", "0.00"
    yield "rejected_connections", shared["rejected"]
    yield "sync_full", 0
    yield "sync_partial_ok", 0
    yield "sync_partial_err", 0
    yield from _keyspace_counts(snapshot)
    yield from _absent_activities(snapshot)
    yield "unexpected_error_replies", 0
    yield "total_error_replies", statistics.error_replies + workers["protocol_errors"]
    yield "dump_payload_sanitizations", 0
    yield "total_reads_processed", workers["reads"]
    yield "total_writes_processed", workers["writes"]
    yield "io_threaded_reads_processed", workers["reads"] - executor.driven_reads
    yield "io_threaded_writes_processed", workers["writes"] - executor.driven_writes
    yield "client_query_buffer_limit_disconnections", shared["query_limit_closed"]
    yield "client_output_buffer_limit_disconnections", shared["output_limit_closed"]
    yield "reply_buffer_shrinks", 0
    yield "reply_buffer_expands", 0
    yield from _event_loop(snapshot)
    yield "acl_access_denied_auth", statistics.errors.get("WRONGPASS", 0)
    yield "acl_access_denied_cmd", 0
    yield "acl_access_denied_key", 0
    yield "acl_access_denied_channel", 0


def _keyspace_counts(snapshot: Snapshot) -> Iterator[Line]:
    keyspace = snapshot.server.keyspace.statistics()
    yield "expired_subkeys", snapshot.server.keyspace.expired_fields
    yield "expired_keys", keyspace["expired"]
    yield "expired_stale_perc", f"{keyspace['expired_stale_percent']:.2f}"
    yield "expired_time_cap_reached_count", keyspace["expired_time_cap_reached"]
    yield "expire_cycle_cpu_milliseconds", keyspace["expire_cycle_microseconds"] // 1000
    eviction = snapshot.server.eviction.statistics()
    for name in ("evicted_keys", "evicted_clients"):
        yield name, eviction[name]
    yield "evicted_scripts", 0
    for name in ("total_eviction_exceeded_time", "current_eviction_exceeded_time"):
        yield name, eviction[name]
    yield "keyspace_hits", keyspace["hits"] + snapshot.workers["hits"]
    yield "keyspace_misses", keyspace["misses"] + snapshot.workers["misses"]
    for name in "pubsub_channels pubsub_patterns pubsubshard_channels".split():
        yield name, snapshot.pubsub[name]


def _absent_activities(snapshot: Snapshot) -> Iterator[Line]:
    """Forks, migration, tracking: none of them happens here."""
    for name in "latest_fork_usec total_forks migrate_cached_sockets slave_expires_tracked_keys".split():
        yield name, 0
    for name in (
        "active_defrag_hits active_defrag_misses active_defrag_key_hits active_defrag_key_misses "
        "total_active_defrag_time current_active_defrag_time"
    ).split():
        yield name, snapshot.defragmentation[name]
    for name in "tracking_total_keys tracking_total_items tracking_total_prefixes".split():
        yield name, 0


def _event_loop(snapshot: Snapshot) -> Iterator[Line]:
    statistics, executor = snapshot.server.statistics, snapshot.server.executor
    rounds = statistics.rounds_rate.per_second
    in_commands = sum(counts.microseconds for counts in statistics.of_commands().values())
    yield "eventloop_cycles", executor.rounds
    yield "eventloop_duration_sum", statistics.busy()
    yield "eventloop_duration_cmd_sum", in_commands
    yield "instantaneous_eventloop_cycles_per_sec", int(rounds)
    yield "instantaneous_eventloop_duration_usec", int(statistics.busy_rate.per_second / rounds) if rounds else 0


@info_section("Replication")
def replication_lines(snapshot: Snapshot) -> Iterator[Line]:
    """A primary without replicas."""
    yield "role", "master"
    yield "connected_slaves", 0
    yield "master_failover_state", "no-failover"
    yield "master_replid", snapshot.server.replication_id
    yield "master_replid2", "0" * 40
    yield "master_repl_offset", 0
    yield "second_repl_offset", -1
    for name in "active size first_byte_offset histlen".split():
        yield f"repl_backlog_{name}", 0


@info_section("CPU")
def cpu_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Seconds of CPU time: of the process, of its children, of the executor thread."""
    for who, suffix in (
        (resource.RUSAGE_SELF, ""), (resource.RUSAGE_CHILDREN, "_children"), (resource.RUSAGE_THREAD, "_main_thread"),
    ):  # fmt: skip
        usage = resource.getrusage(who)
        yield f"used_cpu_sys{suffix}", f"{usage.ru_stime:.6f}"
        yield f"used_cpu_user{suffix}", f"{usage.ru_utime:.6f}"


@info_section("Modules", "module_list")
def modules_lines(snapshot: Snapshot) -> Iterator[Line]:
    """There are no modules."""
    return iter(())


@info_section("Commandstats", default=False)
def commandstats_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Calls and times of each command."""
    for name, counts in snapshot.server.statistics.of_commands().items():
        average = counts.microseconds / counts.calls if counts.calls else 0
        yield (
            f"cmdstat_{_safe(name.decode())}",
            f"calls={counts.calls},usec={counts.microseconds},usec_per_call={average:.2f},"
            f"rejected_calls={counts.rejected},failed_calls={counts.failed}",
        )


@info_section("Errorstats")
def errorstats_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Error replies by their code word."""
    for kind, count in snapshot.server.statistics.of_errors().items():
        yield f"errorstat_{_safe(kind)}", f"count={count}"


@info_section("Latencystats", default=False)
def latencystats_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Percentiles of the durations of each command, µs."""
    if not snapshot.config.latency_tracking:
        return
    percentiles = snapshot.config.latency_tracking_info_percentiles
    for timed, histogram in snapshot.server.statistics.histograms():
        parts = [f"p{_trimmed(percent)}={histogram.percentile(percent):.3f}" for percent in percentiles]
        yield f"latency_percentiles_usec_{_safe(timed.name.decode())}", ",".join(parts)


@info_section("Cluster")
def cluster_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Whether the server is a node of a cluster."""
    yield "cluster_enabled", int(snapshot.config.cluster_enabled)


@info_section("Keyspace")
def keyspace_lines(snapshot: Snapshot) -> Iterator[Line]:
    """The databases that have keys."""
    for db in _databases(snapshot):
        yield f"db{db.index}", f"keys={len(db)},expires={db.volatile},avg_ttl={db.average_ttl},subexpiry={db.timed}"


@info_section("Keysizes")
def keysizes_lines(snapshot: Snapshot) -> Iterator[Line]:
    """How many keys of each type are how large, by powers of two."""
    for db in _databases(snapshot):
        for kind, name in enumerate(SIZE_DISTRIBUTIONS):
            bins = [f"{_bin_label(number)}={count}" for number, count in enumerate(db.sizes(kind)) if count]
            if bins:
                yield f"db{db.index}_{name}", ",".join(bins)


def _databases(snapshot: Snapshot) -> Iterator["Database"]:
    """Those that have keys."""
    keyspace = snapshot.server.keyspace
    return filter(len, map(keyspace.__getitem__, range(len(keyspace))))


def _bin_label(number: int) -> str:
    """The least size in a bin: 0, 1, 2, 4, ... 512, 1K, 2K, ..."""
    if number == 0:
        return "0"
    unit, power = divmod(number - 1, 10)
    return f"{1 << power}{SIZE_UNITS[unit]}"


@info_section("Debug", default=False, listed=False)
def debug_lines(snapshot: Snapshot) -> Iterator[Line]:
    """Only for who asks for it by name."""
    keyspace = snapshot.server.keyspace.statistics()
    yield "eventloop_duration_cron_sum", keyspace["expire_cycle_microseconds"]
    yield "mtredis_bugs", snapshot.server.statistics.bugs
    yield "mtredis_memory_base", snapshot.server.memory.base
    yield "mtredis_memory_correction", snapshot.server.memory.correction
    yield "mtredis_driven_reads", snapshot.server.executor.driven_reads


def _safe(text: str) -> str:
    """A name without what would break the line."""
    return text.translate(_UNSAFE)


def _trimmed(number: float) -> str:
    """The shortest text of a percentile: 50, 99.9."""
    return f"{number:f}".rstrip("0").rstrip(".")
