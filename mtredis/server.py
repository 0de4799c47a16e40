"""The composition root: makes every part of a server, introduces them to each other, and runs them.

Idea: no part imports its peers; what they need of each other is handed over here. `Server` is also what command
handlers see as `ctx.server`: the configuration, the keyspace, the clients, pub/sub, statistics.

Owner: the main thread builds it and is the executor thread from `run` on; other threads reach it by
`executor.call_soon`. Signal handlers run on it between two rounds.
"""

import gc
import locale
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType

from mtredis import __version__
from mtredis.client import Client, SharedSettings, set_unix_socket_path
from mtredis.durability.aof.append_only import AppendOnly
from mtredis.durability.loading import LoadError, Loading, rdb_pieces
from mtredis.durability.saving import Saver
from mtredis.durability.snapshots import Snapshots
from mtredis.errors import CommandError, ConfigError
from mtredis.executor import admission
from mtredis.executor.background import Background
from mtredis.executor.balance import Balance, LoadMeter
from mtredis.executor.blocking import Blocking
from mtredis.executor.client_line import client_line
from mtredis.executor.defragmentation import Defragmentation
from mtredis.executor.eviction import Eviction, client_limit
from mtredis.executor.executor import Executor
from mtredis.executor.monitors import Monitors
from mtredis.executor.pause import Pause, PauseMode
from mtredis.executor.player import LogPlayer
from mtredis.executor.pubsub import PubSub
from mtredis.executor.transaction import Watches
from mtredis.keyspace import notify
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.field_expiry import FieldExpiry
from mtredis.keyspace.memory import MemoryAccount
from mtredis.lib import allocator
from mtredis.lib.meter import Meter
from mtredis.network import listeners
from mtredis.network.acceptor import Acceptor
from mtredis.network.worker import Worker
from mtredis.ops import config_file, config_reference, log, process, systemd
from mtredis.ops.config import Config
from mtredis.ops.latency import LatencyMonitor
from mtredis.ops.parameters import PACKING_PARAMETERS
from mtredis.ops.redaction import shown_arguments
from mtredis.ops.slowlog import SlowLog
from mtredis.ops.statistics import Statistics
from mtredis.registry import command as registry
from mtredis.registry import table

RESERVED_DESCRIPTORS = 48     # listeners, event loops, log, /proc
DESCRIPTORS_PER_WORKER = 3
SNAPSHOT_PATIENCE = 10.0    # seconds that the end of the server waits for an aborted snapshot to leave the disk
SHUTDOWN_EXTENSION = 300    # seconds that systemd gives the last snapshot
FOR_EVER = 1 << 62          # unix ms
CALM = 100                  # commands a second
ALARM_MIN = 256 << 10       # bytes
HTTP_WORDS = {b"post", b"host:"}
NATIVE_MICROSECONDS = 500     # a slow log threshold below this needs every command on the slow path
REDIS_VERSION = "8.0.6"   # the Redis whose behaviour this server has
MEMORY_PARAMETERS = (
    "maxmemory", "maxmemory-clients", "maxmemory-policy", "maxmemory-samples", "maxmemory-eviction-tenacity",
    "lfu-log-factor", "lfu-decay-time",
)  # fmt: skip
DEFRAGMENTATION_PARAMETERS = (
    "activedefrag", "active-defrag-ignore-bytes", "active-defrag-threshold-lower", "active-defrag-threshold-upper",
    "active-defrag-cycle-min", "active-defrag-cycle-max", "active-defrag-max-scan-fields",
)  # fmt: skip
LIMIT_PARAMETERS = (
    "proto-max-bulk-len", "client-query-buffer-limit", "timeout", "maxclients", "tcp-keepalive", "requirepass",
    "protected-mode", "client-output-buffer-limit",
)  # fmt: skip


def publish_commands(config: Config) -> None:
    """Makes all command families known to the compiled core, under the names that rename-command gives them.

    Raises ConfigError for a rename that cannot be.
    """
    registry.load_families()
    commands = list(registry.REGISTRY.walk())
    for renamed in config.renamed_commands:
        try:
            registry.REGISTRY.rename(renamed.old.encode(), renamed.new.encode())
        except CommandError as error:
            line = f"rename-command {renamed.old} {renamed.new}"
            raise config_file.fatal_report(renamed.where, line, str(error)) from None
    table.publish(admission.describe_all(registry.REGISTRY, commands))


class ClientDirectory:
    """`ctx.server.clients`: id -> Client of all connected clients, read from the executor's own list."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def __len__(self) -> int:
        return int(self._executor.connections_count)

    def values(self) -> list[Client]:
        """All clients, oldest first."""
        clients: list[Client] = self._executor.clients()
        return clients

    def get(self, client_id: int) -> Client | None:
        """The client with this id, or None."""
        return next((client for client in self.values() if client.id == client_id), None)


class Server:
    """A whole server. `run()` serves until a signal or SHUTDOWN; the executor owns it meanwhile."""

    redis_version = REDIS_VERSION

    def __init__(self, config: Config) -> None:
        publish_commands(config)
        self.config = config
        self.run_id = secrets.token_hex(20)
        self.replication_id = secrets.token_hex(20)
        self.started = time.time()
        self.shared = SharedSettings()
        self.keyspace = Keyspace(config.databases)
        self.executor = Executor(self, self.keyspace, self.shared)
        self.dispatcher = self.executor.dispatcher
        self.context = self.dispatcher.context
        self.propagation = self.context.propagation
        self.clients = ClientDirectory(self.executor)
        self.watches = Watches(self.keyspace)
        self.pubsub = PubSub()
        self.pause = Pause()
        self.blocking = Blocking(self.keyspace, self.context.queues, self.context.ready, self.shared.set_gate)
        self.background = Background()
        self.keyspace.lazy_free = True   # cron has the background thread free what is big
        self.monitors = Monitors(self.shared)
        self.meter = Meter()
        self.memory = MemoryAccount(self.keyspace, self.meter)
        self.eviction = Eviction(self.keyspace, self.memory)
        self.defragmentation = Defragmentation(self.keyspace, self.memory)
        self.snapshots = Snapshots(self.executor.call_soon)
        self.saver = Saver(self)
        self.loading = Loading(
            self.executor.call_at, lambda: self.keyspace.now,
            lambda is_shut: self.shared.set_gate(admission.LOADING_GATE, is_shut),
        )  # fmt: skip
        self.player = LogPlayer(self.dispatcher)
        self.player.on_bug = self.report_bug
        self.aof = AppendOnly(self, self.player)
        self.slowlog = SlowLog()
        self.latency = LatencyMonitor()
        self.statistics = Statistics(self)
        self._long_commands = 0
        self.balance = Balance(config.io_threads_mode, config.io_threads_mode != "threads")
        self.load = LoadMeter(self.meter)
        self.supervisor = systemd.Supervisor()
        self.exit_status = 0
        self._stopping = False
        self.cron_paused = False
        self._next_watchdog = self._next_survey = 0.0
        self._watchdog = systemd.watchdog_interval()
        self._listeners: list[socket.socket] = []
        self._inherited: list[socket.socket] = []
        self.workers = [
            Worker(index, self.shared, self.executor.mailbox_address, self.keyspace)
            for index in range(config.io_threads)
        ]
        for worker in self.workers:
            self.executor.add_loop(worker.address, worker.resume_fd)
        self.acceptor = Acceptor(self.shared, [w.address for w in self.workers])
        self._introduce()
        self._follow_config()

    def _introduce(self) -> None:
        executor, dispatcher, context = self.executor, self.dispatcher, self.context
        dispatcher.admit = admission.admit
        dispatcher.resolve = registry.subcommand_of
        dispatcher.refuse_unknown = self.refuse_unknown
        dispatcher.refuse_arity = registry.wrong_arity
        dispatcher.refuse_exec = self.abort_transaction
        executor.on_cron = self.cron
        executor.on_closed = self.forget_client
        dispatcher.on_slow = self.record_slow
        dispatcher.on_monitor = self.monitors.feed
        dispatcher.on_bug = self.report_bug
        dispatcher.on_error_reply = self.statistics.count_error
        context.watches = self.watches
        context.blocking = self.blocking
        self.blocking.retry = dispatcher.retry
        self.blocking.answer = dispatcher.answer
        self.blocking.resume = executor.resume
        self.blocking.set_alarm = executor.set_alarm
        executor.on_alarm = self.blocking.expire
        context.notifier = self.publish_event
        self.keyspace.on_expired = self.key_expired
        self.propagation.on_switch = self._hear_of_fields
        self.eviction.evictor.on_evicted = self.key_evicted
        self.eviction.is_safe = lambda: not (self.loading.is_active or self.pause.is_active(self.keyspace.now))
        self.eviction.call_soon = lambda function: executor.call_at(self.keyspace.now + 1, function)
        self.eviction.measure_clients = self._measure_clients
        self.memory.backlog = lambda: self.shared.backlog
        executor.on_backlog = self._meet_backlog
        self.eviction.free_pending = self._free_pending
        self.eviction.on_lazyfree = lambda microseconds: self.sample_latency("eviction-lazyfree", microseconds)
        self.eviction.on_cycle = lambda microseconds: self.sample_latency("eviction-cycle", microseconds)
        self._introduce_defragmentation()
        self.field_expiry = FieldExpiry(self.keyspace, context.announce)
        self.watches.on_change = self._gate_watched
        self.pause.on_start = self._gate_paused
        self.pause.on_end = self.end_pause
        self.saver.on_status_change = self.gate_writes
        self.saver.while_waiting = lambda: self.supervisor.kept_alive(self._watchdog)
        self.loading.on_status = self._tell_loading

    def _introduce_defragmentation(self) -> None:
        defragmentation, executor = self.defragmentation, self.executor
        defragmentation.call_later = lambda delay, function: executor.call_at(self.keyspace.now + delay, function)
        defragmentation.on_cycle = lambda microseconds: self.sample_latency("active-defrag-cycle", microseconds)
        defragmentation.give_back = lambda: self.background.submit(allocator.give_back)

    # --- configuration -----------------------------------------------------------------------------------------------

    def _follow_config(self) -> None:
        config = self.config
        follow = (
            (LIMIT_PARAMETERS, self._apply_limits),
            (("notify-keyspace-events",), self._apply_events),
            (MEMORY_PARAMETERS, self._apply_memory),
            (DEFRAGMENTATION_PARAMETERS, lambda: self.defragmentation.follow(config)),
            (PACKING_PARAMETERS, self._apply_packing),
            (("slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold"), self._apply_observation),
            (("latency-tracking",), self._apply_latency_tracking),
            (("hz",), self._apply_hz),
            (("locale-collate",), self._apply_locale),
            (("io-threads-mode",), self._apply_io_threads_mode),
            (("save", "stop-writes-on-bgsave-error"), self.gate_writes),
            (("port",), self._apply_port),
            (("bind",), self._apply_bind),
        )
        for names, apply in follow:
            if apply not in (self._apply_port, self._apply_bind):
                apply()
            config.on_any_change(names, apply)
        self.shared.set_gate(admission.PROTECTED_GATE, config.enable_debug_command != "yes")

    def _apply_limits(self) -> None:
        config = self.config
        self.shared.set_limits(
            max_bulk=config.proto_max_bulk_len,
            query_limit=config.client_query_buffer_limit,
            idle_timeout=config.timeout,
            max_clients=config.maxclients,
            keepalive=config.tcp_keepalive,
            password_set=bool(config.requirepass),
            protected=config.protected_mode and not config.requirepass,
        )
        self.keyspace.proto_max_bulk_len = config.proto_max_bulk_len
        for index, name in enumerate(("normal", "replica", "pubsub")):
            limit = config.client_output_buffer_limit[name]
            self.shared.set_output_limit(index, limit.hard, limit.soft, limit.seconds)

    def _apply_events(self) -> None:
        self._event_flags = notify.parse_flags(self.config.notify_keyspace_events)
        self.shared.set_gate(admission.NOTIFY, bool(self._event_flags))
        self.shared.set_gate(admission.MISSES, bool(self._event_flags & notify.KEY_MISS))
        self.keyspace.on_created = self.key_created if self._event_flags & notify.NEW else None
        self.keyspace.on_missed = self.key_missed if self._event_flags & notify.KEY_MISS else None

    def _apply_memory(self) -> None:
        config = self.config
        self.memory.maxmemory = config.maxmemory
        self._publish_memory()
        self.shared.set_gate(admission.MEMORY, config.maxmemory > 0)
        self.keyspace.lfu = config.maxmemory_policy.endswith("lfu")
        self.keyspace.lfu_log_factor = config.lfu_log_factor
        self.keyspace.lfu_decay_time = config.lfu_decay_time
        self.eviction.follow(config.maxmemory_policy, config.maxmemory_samples, config.maxmemory_eviction_tenacity)
        if self.memory.is_over_limit():
            log.warning(
                f"WARNING: the new maxmemory value set via CONFIG SET ({config.maxmemory}) is smaller than the current "
                f"memory usage ({self.memory.other() + self.memory.data()}). This will result in key eviction and/or "
                "the inability to accept new write commands depending on the maxmemory-policy."
            )
            self.eviction.start()

    def _apply_packing(self) -> None:
        names = [name.replace("-", "_") for name in PACKING_PARAMETERS]
        self.keyspace.set_limits({name: getattr(self.config, name) for name in names})
        if self.config.list_compress_depth:
            log.warning("list-compress-depth has no effect: nodes of a list are never compressed in memory.")

    def _apply_observation(self) -> None:
        self.dispatcher.slow_threshold = self.slow_threshold()
        self.slowlog.set_max_len(self.config.slowlog_max_len)
        # What the compiled core answers by itself takes a few µs and is not timed one by one.
        self.shared.set_gate(admission.TIMED, 0 <= self.config.slowlog_log_slower_than < NATIVE_MICROSECONDS)

    def _apply_latency_tracking(self) -> None:
        table.set_latency_tracking(self.config.latency_tracking)

    def slow_threshold(self) -> int:
        """µs from which somebody wants to hear of a command: the slow log or the latency monitor; -1: nobody."""
        slow = self.config.slowlog_log_slower_than
        latency = self.config.latency_monitor_threshold * 1000
        wanted = [threshold for threshold in (slow if slow >= 0 else None, latency or None) if threshold is not None]
        return min(wanted, default=-1)

    def _apply_locale(self) -> None:
        try:
            locale.setlocale(locale.LC_COLLATE, self.config.locale_collate)
        except locale.Error:   # the environment names a locale that is not installed
            log.warning("LC_COLLATE of the environment is unknown here: SORT ALPHA compares bytes")
            locale.setlocale(locale.LC_COLLATE, "C")

    def _apply_hz(self) -> None:
        self.executor.cron_interval = 1000 // self.config.hz

    def _apply_io_threads_mode(self) -> None:
        self.balance.mode = self.config.io_threads_mode   # the next cron acts on it

    @property
    def write_refusal(self) -> str | None:
        """Why writes are refused although nothing is wrong with them: what they change could not be saved."""
        return self.saver.refusal or self.aof.refusal

    def gate_writes(self) -> None:
        """Writes are refused, or again accepted, as `write_refusal` says. Whoever learns of a change calls it."""
        self.shared.set_gate(admission.DISK_ERROR, self.write_refusal is not None)

    def gate_durable(self, is_on: bool) -> None:
        """Whether nobody may see what is not on disk, so that the executor alone answers, after the log."""
        self.shared.set_gate(admission.DURABLE, is_on)

    # --- events ------------------------------------------------------------------------------------------------------

    def publish_event(self, event: bytes, key: bytes, db_index: int) -> None:
        """Publishes a keyspace event if `notify-keyspace-events` names its class."""
        flags = self._event_flags
        if notify.class_of(event) & flags:
            self.pubsub.notify_keyspace_event(
                event, key, db_index, bool(flags & notify.KEYSPACE), bool(flags & notify.KEYEVENT)
            )

    def key_created(self, db_index: int, key: bytes) -> None:
        """A key exists that did not; the command's own event follows."""
        self.publish_event(b"new", key, db_index)

    def key_missed(self, db_index: int, key: bytes) -> None:
        """A read looked for a key that is not there."""
        self.publish_event(b"keymiss", key, db_index)

    def key_expired(self, db_index: int, key: bytes) -> None:
        """A key's time was over and it is gone: the same funnel as for any change, in its own database."""
        self.context.announce(db_index, key, b"expired")
        self.propagation.append(db_index, [b"UNLINK" if self.config.lazyfree_lazy_expire else b"DEL", key])

    def _hear_of_fields(self, is_on: bool) -> None:
        """To find out which fields a cycle takes away costs something, so only the write stream has it done."""
        self.keyspace.on_fields_expired = self.fields_expired if is_on else None

    def fields_expired(self, db_index: int, key: bytes, fields: list[bytes]) -> None:
        """The time of fields of a hash was over and they are gone."""
        self.propagation.append(db_index, [b"HDEL", key, *fields])

    def key_evicted(self, db_index: int, key: bytes) -> None:
        """A key had to go because memory is short: the same funnel again."""
        self.context.announce(db_index, key, b"evicted")
        self.propagation.append(db_index, [b"UNLINK" if self.config.lazyfree_lazy_eviction else b"DEL", key])

    def _gate_watched(self, is_any: bool) -> None:
        self.shared.set_gate(admission.WATCHED, is_any)

    def _gate_paused(self) -> None:
        self.shared.set_gate(admission.PAUSED, True)
        self.keyspace.expire_paused = True   # keys do not vanish while writes wait
        self.executor.call_at(self.pause.expires_at, lambda: self.pause.is_active(int(time.time() * 1000)))

    def end_pause(self) -> None:
        """Lets everybody go on who had to wait for the end of CLIENT PAUSE."""
        self.shared.set_gate(admission.PAUSED, False)
        self.keyspace.expire_paused = False
        postponed, self.dispatcher.postponed = self.dispatcher.postponed, []
        for client in postponed:
            self.executor.resume(client)
        self.blocking.pause_ended()

    def forget_client(self, client: Client) -> None:
        """The client's connection is gone: nothing may refer to its session any more."""
        self.pubsub.unsubscribe_all(client)
        self.watches.unwatch(client)
        self.monitors.discard(client)
        self.blocking.forget(client)
        if client in self.dispatcher.postponed:
            self.dispatcher.postponed.remove(client)

    def abort_transaction(
        self, client: Client, command: registry.Command, argv: list[bytes], error: CommandError
    ) -> CommandError:
        """EXEC is refused: its transaction is gone. Monitors see the EXEC, for they saw the MULTI."""
        client.transaction = None
        self.watches.unwatch(client)
        if len(self.monitors):
            self.monitors.feed(client, command, argv)
        return CommandError("EXECABORT Transaction discarded because of: " + str(error).removeprefix("ERR "))

    def record_slow(self, command: registry.Command, argv: list[bytes], microseconds: int, client: Client) -> None:
        """A command took longer than the slow log's or the latency monitor's threshold."""
        threshold = self.config.slowlog_log_slower_than
        if 0 <= threshold <= microseconds and not command.flags & registry.SKIP_SLOWLOG:
            self.slowlog.record(shown_arguments(command.name, argv), microseconds, client.address, client.name)
        self.sample_latency("fast-command" if command.flags & registry.FAST else "command", microseconds)

    def sample_latency(self, event: str, microseconds: int) -> None:
        """Tells the latency monitor of an event, if it took as long as `latency-monitor-threshold`."""
        threshold = self.config.latency_monitor_threshold
        if threshold and microseconds // 1000 >= threshold:
            self.latency.sample(event, microseconds // 1000)

    def refuse_unknown(self, argv: list[bytes]) -> CommandError:
        """The refusal of an unknown command; what an HTTP client would send ends the connection without a word."""
        if argv[0].lower() in HTTP_WORDS:
            client = self.context.client
            log.warning(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. "
                "This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis "
                f"instance. Connection from {log.user_data(client.address)} aborted."
            )
            client.kill()
        return registry.REGISTRY.unknown_command(argv)

    def report_bug(self, name: str, error: BaseException) -> None:
        """A handler (or cron, or a timer) raised what it must not: the log gets the traceback, never the arguments."""
        self.statistics.bugs += 1
        log.warning(f"BUG in {name}: {log.traceback_of(error)}")

    # --- cron --------------------------------------------------------------------------------------------------------

    def cron(self, now: int) -> None:
        """The periodic work of the executor; `now` in unix ms."""
        self._rebalance()
        self._feed_watchdog()
        if self.cron_paused or self._stopping:
            return
        if self.loading.is_active:
            self._sample_memory(now)
            self.statistics.sample(now)
            return
        self._sample_memory(now)
        self.statistics.sample(now)
        if self.keyspace.active_expire:
            spent = self.keyspace.expiry.microseconds + self.field_expiry.microseconds
            self.field_expiry.run(125_000 // self.config.hz)
            self.keyspace.active_expire_cycle(
                budget_us=250_000 // self.config.hz, effort=self.config.active_expire_effort
            )
            spent = self.keyspace.expiry.microseconds + self.field_expiry.microseconds - spent
            self.sample_latency("expire-cycle", spent)
        self._evict()
        self.keyspace.reclaim()
        if self.keyspace.has_pending:
            self._free_pending()
        if self.pause.mode:
            self.pause.is_active(now)
        self.aof.cron(now)
        self.saver.cron(now)
        self.defragmentation.cron()
        self.defragmentation.trim_if_due(self.dispatcher.commands, self.statistics.commands_rate.per_second < CALM)

    def _sample_memory(self, now: int) -> None:
        """RSS each time; what the clients hold once a second, for that visits every connection."""
        if now >= self._next_survey or self._next_survey > now + 1000:
            self._next_survey = now + 1000
            self._measure_clients()
        else:
            self.memory.sample()
            self._publish_memory()

    def _measure_clients(self) -> dict[str, int]:
        """What the clients hold counts as it is now."""
        held = self.executor.survey()
        self.memory.sample(held)
        self._publish_memory()
        return held

    def _publish_memory(self) -> None:
        """The threads know what counts towards the limit; the alarm is a 16th of the smaller limit away."""
        limits = [self.memory.maxmemory, client_limit(self.config.maxmemory_clients, self.config.maxmemory)]
        self.shared.set_memory(self.memory.maxmemory, self.memory.steady_other())
        self.shared.set_backlog_alarm(max(ALARM_MIN, min(filter(None, limits), default=sys.maxsize) // 16))

    def _free_pending(self) -> None:
        """Has big dead values freed; one piece of work at most waits behind the one that may be under way."""
        if self.background.pending < 2:
            self.background.submit(self.keyspace.free_pending)

    def _evict(self) -> None:
        """Eviction of clients, and what writes have left to do of the eviction of keys."""
        limit = client_limit(self.config.maxmemory_clients, self.config.maxmemory)
        if limit:
            held = self._measure_clients()
            now = self.keyspace.now
            is_any = self.eviction.evict_clients(
                held["normal"] + held["pubsub"], limit, self.clients.values,
                lambda client: client_line(self, client, now),
            )  # fmt: skip
            if is_any:
                return   # keys need not go for what they hold
        if self.memory.maxmemory:
            self.eviction.perform()

    def _meet_backlog(self) -> None:
        """What waits for clients has grown: what must go for it goes now, not at the next cron."""
        self._evict()
        self._publish_memory()

    def _feed_watchdog(self) -> None:
        if self._watchdog is None or time.monotonic() < self._next_watchdog:
            return
        self._next_watchdog = time.monotonic() + self._watchdog / 3
        self.supervisor.watchdog()
        if self.loading.is_active:   # which has its own status
            return
        self.supervisor.status(f"{len(self.clients)} clients connected, {self.memory.used()} bytes used")

    def _rebalance(self) -> None:
        long_commands = self.dispatcher.long_commands
        has_stalled = long_commands != self._long_commands
        self._long_commands = long_commands
        self.executor.set_driving(self.balance.sample(*self.load.read(), has_stalled))

    def _tell_loading(self, status: str, seconds: int) -> None:
        self.supervisor.extend(status, seconds)

    # --- start and stop ----------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Opens every listening socket. Raises ConfigError when one cannot be had."""
        config = self.config
        self._inherited = [inherited.socket for inherited in systemd.inherited_sockets()]
        if self._inherited:
            self._accept_from(self._inherited)
        else:
            self._open_tcp()
            if config.unixsocket:
                set_unix_socket_path(config.unixsocket)
                unix = listeners.listen_unix(config.unixsocket, config.unixsocketperm, config.tcp_backlog)
                self._inherited.append(unix)
                self._accept_from([unix])

    def _open_tcp(self) -> None:
        config = self.config
        self._listeners = listeners.listen_tcp(config.bind, config.port, config.tcp_backlog) if config.port else []
        self._accept_from(self._listeners)

    def _apply_port(self) -> None:
        self._listen_again("Unable to listen on this port. Check server logs.")

    def _apply_bind(self) -> None:
        self._listen_again("Failed to bind to specified addresses.")

    def _listen_again(self, refusal: str) -> None:
        """CONFIG SET port or bind: the new sockets replace the old ones, or the old ones are opened again."""
        before: list[tuple[str, int]] = [listener.getsockname()[:2] for listener in self._listeners]
        listeners.close_listeners(self._listeners)   # an address may be among the new ones, too
        try:
            self._open_tcp()
        except ConfigError:
            self._listeners = [listeners.listen_address(host, port, self.config.tcp_backlog) for host, port in before]
            self._accept_from(self._listeners)
            raise ConfigError(refusal) from None

    def _accept_from(self, sockets: list[socket.socket]) -> None:
        for listener in sockets:
            self.acceptor.listen(listener.fileno())

    def load_data(self) -> None:
        """Begins to load what the files hold; clients hear LOADING until `on_loaded`. Raises LoadError."""
        self.saver.remove_stale()
        is_logged = self.config.appendonly
        pieces = self.aof.pieces() if is_logged else rdb_pieces(self)
        source = "" if not pieces else "append only file" if is_logged else "disk"
        self.loading.start(pieces, lambda: self.on_loaded(source), self.on_load_failed)

    def on_loaded(self, source: str) -> None:
        """The dataset is complete."""
        if source:
            log.notice(f"DB loaded from {source}: {self.loading.seconds:.3f} seconds")
        try:
            self.aof.begin()
        except LoadError as error:
            self.on_load_failed(error)
            return
        log.notice("Ready to accept connections" + (f" tcp on port {self.config.port}" if self.config.port else ""))
        self.supervisor.ready("Ready to accept connections")

    def on_load_failed(self, error: LoadError) -> None:
        """The dataset cannot be had, so there is nothing to serve."""
        log.warning(str(error))
        log.warning("Fatal error loading the DB, check server logs. Exiting.")
        self.exit_status = 1
        self._stop()

    def run(self) -> None:
        """Starts all threads and executes on this one until `shutdown`; whoever built the server must call it.

        CPython without the GIL counts references cheaply only for the thread that made an object: so the thread that
        has imported the command families and built the server is the one that executes.
        """
        gc.collect()
        gc.freeze()
        gc.disable()
        for worker in self.workers:
            worker.start()
        self.meter.start()
        self._rebalance()
        self.acceptor.start()
        try:
            self.executor.run()
        except BaseException as error:
            log.warning(f"BUG in the executor: {log.traceback_of(error)}")
            self.exit_status = 1

    def shutdown(self, *words: str) -> bool:
        """Saves what is to be saved, and stops serving after the current round; False: it goes on, see the log.

        `words`: save or nosave, now, force. Replies that are written are still sent; nothing more is executed.
        """
        if self._stopping:
            return True
        self.supervisor.stopping()
        log.notice("User requested shutdown...")
        if not self._save_at_end(words):
            self.supervisor.status("Errors trying to shut down the server.")
            log.warning("Errors trying to shut down the server. Check the logs for more information.")
            return False
        self._stop()
        return True

    def _save_at_end(self, words: Sequence[str]) -> bool:
        """Whether the server may end."""
        if self.saver.is_saving:
            log.warning("There is a child saving an .rdb. Killing it!")
            self.saver.abort()
        if not self.aof.prepare_end("force" in words):
            return False
        if self.loading.is_active or "nosave" in words or not (self.config.save or "save" in words):
            return True
        log.notice("Saving the final RDB snapshot before exiting.")
        self.supervisor.extend("Saving the final RDB snapshot", SHUTDOWN_EXTENSION)
        if self.saver.save(keep_cache=True):
            return True
        is_forced = "force" in words
        log.warning("Error trying to save the DB" + (". Exit anyway." if is_forced else ", can't exit."))
        return is_forced

    def _stop(self) -> None:
        """Nothing is executed any more, and `run` returns after this round."""
        self._stopping = True
        self.loading.cancel()
        self.pause.pause(FOR_EVER, PauseMode.ALL, self.keyspace.now)
        self.acceptor.stop()
        listeners.close_listeners([*self._listeners, *self._inherited], self.config.unixsocket)
        self.executor.stop()

    def finish(self) -> None:
        """Ends the workers and all that is under way. After the executor has ended."""
        self.executor.stop_workers()
        self.snapshots.abort()
        if not self.snapshots.wait(SNAPSHOT_PATIENCE):
            log.warning("The disk takes long; the snapshot that was under way leaves its temporary file behind.")
        self.aof.close()
        self.background.stop()
        self.meter.stop()
        for worker in self.workers:
            if not worker.join(5.0):
                log.warning("A worker thread does not end.")
        log.warning("Redis is now ready to exit, bye bye...")

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT: everything that INFO stats, commandstats, errorstats and latencystats count starts at 0."""
        self.statistics.reset()
        table.reset_statistics()
        self.shared.reset_statistics()
        for worker in self.workers:
            worker.reset_statistics()
        executor, keyspace = self.executor, self.keyspace
        self.eviction.reset_statistics()
        self.defragmentation.reset_statistics()
        self.saver.saves = 0
        self.aof.reset_statistics()
        self.dispatcher.commands = executor.rounds = executor.driven_reads = executor.driven_writes = 0
        keyspace.hits = keyspace.misses = keyspace.expired = keyspace.expired_lazy = keyspace.expired_fields = 0
        keyspace.reset_lazy_freed()
        expiry = keyspace.expiry
        expiry.expired = expiry.microseconds = expiry.cut_short = 0
        expiry.stale_percent = 0.0

    def describe(self) -> str:
        """The ready line: version, interpreter, GIL, threads."""
        gil = "on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "off"
        version = ".".join(map(str, sys.version_info[:3]))
        return (
            f"mtredis {__version__} (compatible with Redis {REDIS_VERSION}) on CPython {version}, GIL {gil}, "
            f"{len(self.workers)} workers, pid {os.getpid()}"
        )


def serve(config: Config) -> int:
    """Runs a server until it is told to stop; the exit status."""
    allocator.tune()
    process.open_logs(config)
    supervisor = systemd.supervise(config.supervised)
    if config.daemonize and not supervisor.active:
        process.daemonize()
    process.check_tcp_backlog(config.tcp_backlog)
    process.avoid_huge_pages(config.disable_thp)
    try:
        process.follow_maxclients(config, RESERVED_DESCRIPTORS + DESCRIPTORS_PER_WORKER * config.io_threads)
        process.OomScore(config).follow()
        server = Server(config)
        server.supervisor = supervisor
        server.listen()
        server.load_data()
    except (ConfigError, LoadError) as error:
        log.warning(str(error))
        return 1
    pidfile = process.write_pidfile(process.pidfile_path(config)) if process.pidfile_path(config) else None
    _catch_signals(server)
    log.notice(server.describe())
    server.run()   # signal handlers run in here, too
    server.finish()
    if pidfile is not None:
        process.remove_pidfile(pidfile)
    return server.exit_status


def _catch_signals(server: Server) -> None:
    """SIGTERM and SIGINT shut down; a second SIGINT ends the process at once."""
    asked = False

    def shut_down(name: str, words: Sequence[str]) -> None:
        nonlocal asked
        if not server.shutdown(*words):
            asked = False
            log.warning(
                f"{name} received but errors trying to shut down the server, check the logs for more information"
            )

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            os._exit(1)
        asked = True
        name = signal.Signals(number).name
        log.warning(f"Received {name} scheduling shutdown...")
        config = server.config
        words = config.shutdown_on_sigint if number == signal.SIGINT else config.shutdown_on_sigterm
        server.executor.call_soon(lambda: shut_down(name, words))

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def main(arguments: list[str]) -> int:
    """Does what the command line asks for; the exit status."""
    options = config_file.parse_command_line(arguments)
    if options.action == "version":
        print(f"mtredis server v={__version__} redis={REDIS_VERSION} python={sys.version.split()[0]}")
        return 0
    if options.action == "help":
        print(config_reference.usage(), end="")
        return 0
    try:
        config = config_file.load(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    return serve(config)
