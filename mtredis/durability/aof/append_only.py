"""The append only file: which files it is made of, when it is written, loaded, rewritten, switched on and off.

Idea: the write stream goes to the last increment (`AppendLog`). A rewrite needs no fork: a new increment is opened, and
at that very moment a snapshot begins, which another thread writes as the new base. When it is whole, a manifest that
names the new base and the new increment takes the place of the old one; what it does not name is deleted. So at any
moment, also that of a crash, the manifest on disk names files that hold all there is: a file is named only when it is
there, and deleted only when it is named no more.

Switched on while the server runs, the log has no base yet: until the first rewrite is done, the stream goes to a
temporary increment, which the manifest does not name ("waiting").

Owner: the executor, except `_sync_done`. Texts of the log are those of redis-server 8.0.
Limits: changes that could not be kept for lack of memory are in no file until a rewrite, which starts at once, is
done; writes are refused meanwhile.
"""

import errno
import os
import time
from dataclasses import replace
from typing import Any

from mtredis.durability import files
from mtredis.durability.aof import manifest as manifests
from mtredis.durability.aof.folder import Folder, unlink_all
from mtredis.durability.aof.log import AppendLog
from mtredis.durability.aof.manifest import Manifest
from mtredis.durability.aof.parts import Part
from mtredis.durability.aof.replay import Player
from mtredis.durability.aof.rewriting import RewriteLimit, growth
from mtredis.durability.aof.syncer import Syncer
from mtredis.durability.aof.waiting import Waiting
from mtredis.durability.loading import LoadError, Piece
from mtredis.durability.saver import COMMANDS, RDB, SaveError, SnapshotFile
from mtredis.errors import ConfigError
from mtredis.ops import log

OFF, ON, WAITING = "off", "on", "waiting"
SYNC_EVERY = 4 << 20      # bytes of a base
START_TRIES = 10
ABORT_PATIENCE = 10.0     # seconds that a rewrite has to end when it is told to


class AppendOnly:
    """`server.aof`: needs config, executor, propagation, snapshots, saver, background, loading and the gates.

    `player` executes what is loaded.
    """

    def __init__(self, server: Any, player: Player) -> None:
        self._server, self._player = server, player
        self.state = OFF
        self.log = AppendLog()
        self._folder = Folder(server.config)
        self.manifest = Manifest()
        self.waiting = Waiting(self.log, server.propagation, server.blocking)
        self._syncer = Syncer(self._sync_done)
        self._limit = RewriteLimit()
        self._offset = 0              # of the stream in what the manifest counts
        self._temporary_start = 0     # the same, where the temporary increment begins
        self._is_incomplete = False   # something is missing in the files
        self._is_logging = False      # the log is a sink of the stream
        self._is_loaded = False       # the data are those of the log
        self._other_size = 0          # bytes of base and increments but the last
        self._base_size = 0           # bytes of all after the last rewrite
        self._started = -1            # of the rewrite under way, unix seconds
        self._next_retry = 0          # unix ms
        self._is_killed = False
        self.is_scheduled = False
        self.last_duration = -1       # seconds
        self.rewrites = 0
        self.failures = 0             # in a row
        self.has_failed = False       # the last rewrite
        self.last_kept = 0            # bytes
        self.last_error = 0           # errno of what writes are refused for
        self._hook_up()

    def _hook_up(self) -> None:
        server, out = self._server, self.log
        out.sync_soon = self._syncer.submit
        out.on_status = self._status_changed
        out.on_latency = server.sample_latency
        out.on_fatal = self._die
        out.on_lost = self._stream_broken
        out.on_synced = self.waiting.check
        server.propagation.on_broken = self._stream_broken
        config = server.config
        config.on_any_change(("appendonly",), self._switch)
        config.on_any_change(
            ("appendfsync", "aof-timestamp-enabled", "no-appendfsync-on-rewrite", "latency-monitor-threshold"),
            self.follow_config,
        )
        config.on_any_change(("aof-disable-auto-gc",), self._delete_history)
        self.follow_config()

    def follow_config(self) -> None:
        """The parameters of the log are in force."""
        config = self._server.config
        if config.appendfsync == "always" and self.log.policy != "always":
            self._syncer.drain()
        self.log.policy = config.appendfsync
        self.log.timestamps = config.aof_timestamp_enabled
        self.log.latency_threshold = config.latency_monitor_threshold * 1000
        self._follow_snapshots()
        self._gate()
        if self._is_logging:
            self.log.tick(int(time.time() * 1000))

    def _gate(self) -> None:
        """Where every change is on disk before it is seen, the executor alone answers."""
        self._server.gate_durable(self._is_logging and self._server.config.appendfsync == "always")

    def _follow_snapshots(self) -> None:
        """While a snapshot is written, the log need not wait for the same disk."""
        is_busy = self._server.snapshots.current is not None
        self.log.beside_snapshot = is_busy
        self.log.hold_syncs = is_busy and self._server.config.no_appendfsync_on_rewrite

    # --- the start ---------------------------------------------------------------------------------------------------

    def pieces(self) -> list[Piece]:
        """What is to be loaded at the start; nothing if there is no log yet. Raises LoadError."""
        self._is_loaded = True
        self.manifest = self._folder.upgrade(self._folder.read_manifest())
        return self._pieces_of(self.manifest)

    def _pieces_of(self, manifest: Manifest) -> list[Piece]:
        parts = manifest.parts
        pieces: list[Piece] = [
            Part(
                self._server, self._player, self._folder.file(part.name),
                kind="base" if part.type == manifests.BASE else "incr", is_last=part is parts[-1],
                is_old=part.name == self._folder.prefix,
            )
            for part in parts
        ]  # fmt: skip
        return pieces if any(piece.total for piece in pieces) else []

    def pieces_again(self) -> list[Piece]:
        """What is to be loaded to have the data once more: DEBUG LOADAOF. Raises LoadError."""
        if self._is_logging:
            self._server.propagation.give()
            self.log.flush_now()
        return self._pieces_of(self._folder.read_manifest())

    def begin(self) -> None:
        """All is loaded: the log is written from now on, if it is on. Raises LoadError."""
        if self._is_loaded:
            self._open_at_start()
        else:
            self.manifest = self._folder.read_manifest()
        self._apply_switch()

    def _open_at_start(self) -> None:
        """All is loaded: what changes from now on is appended to the last increment. Raises LoadError."""
        try:
            self._folder.make()
        except OSError as error:
            raise LoadError(self._folder.cannot_make(error)) from None
        manifest = self.manifest
        self._take_offset(manifest)
        had_increment = bool(manifest.increments)
        if manifest.is_empty:
            manifest = self._with_first_base(manifest)
        if not had_increment:
            manifest = manifest.with_increment(self._folder.prefix, self._stream_offset())
        name = manifest.increments[-1].name
        try:
            descriptor = self._folder.open(name)
            size = os.fstat(descriptor).st_size
        except OSError as error:
            raise LoadError(f"Can't open the append-only file {name}: {error.strerror}") from None
        manifest = manifest.with_end(-1)
        if manifest.text() != self.manifest.text() and not self._folder.persist(manifest):
            raise LoadError("The AOF manifest cannot be written.")
        self.manifest = manifest
        self._measure()
        self._begin_logging(descriptor, size)
        self.state = ON
        log.notice(f"{'Opening' if had_increment else 'Creating'} AOF incr file {name} on server start")
        self._delete_history()

    def _take_offset(self, manifest: Manifest) -> None:
        """The stream goes on where the last increment says that it has ended."""
        if manifest.increments:
            last = manifest.increments[-1]
            end = last.end
            if end == -1:
                end = max(last.start, 0) + self._folder.size_of(last.name)
            self._offset = end - int(self._server.propagation.offset)

    def _with_first_base(self, manifest: Manifest) -> Manifest:
        """A base with what there is at the start. Raises LoadError."""
        use_rdb = self._server.config.aof_use_rdb_preamble
        manifest = manifest.with_base(self._folder.prefix, use_rdb)
        assert manifest.base is not None
        name = manifest.base.name
        file = self._new_base(self._folder.temporary_base)
        try:
            file.write_now()
            files.replace_durably(file.path, self._folder.file(name))
        except (OSError, SaveError) as error:
            raise LoadError(f"Write error writing append only file on disk: {error}") from None
        log.notice(f"Creating AOF base file {name} on server start")
        return manifest

    def _measure(self) -> None:
        """The sizes of the files are known again."""
        base = self.manifest.base
        self._base_size = self._folder.size_of(base.name) if base is not None else 0
        former = self.manifest.increments[:-1]
        self._other_size = self._base_size + sum(self._folder.size_of(part.name) for part in former)

    # --- logging -----------------------------------------------------------------------------------------------------

    def _stream_offset(self) -> int:
        """How far the stream is, in what the manifest counts."""
        return self._offset + int(self._server.propagation.offset)

    def _begin_logging(self, descriptor: int, size: int) -> None:
        """The stream goes to this file."""
        propagation = self._server.propagation
        propagation.restart()
        self.log.open(descriptor, size, propagation.offset)
        propagation.add_sink(self.log)
        self._is_logging = True
        self._gate()
        self._status_changed()

    def _end_logging(self) -> None:
        """The stream goes nowhere; the file is closed as it is."""
        if self._is_logging:
            self._server.propagation.remove_sink(self.log)
        self._syncer.drain()
        self.log.close()
        self._is_logging = False
        self._gate()
        self._status_changed()

    def _sync_done(self, offset: int, error: int) -> None:
        """An fsync is over. On the thread that did it."""
        before = self.log.error
        self.log.sync_done(offset, error)
        if error and not before:
            log.warning(f"Fail to fsync the AOF file: {os.strerror(error)}")
        self._server.executor.call_soon(self._synced)

    def _synced(self) -> None:
        """The executor hears that an fsync is over."""
        if self.last_error and not self.log.error and self._is_logging:
            # What the disk has refused once, it may have forgotten: only a new base is sure to hold it.
            self.is_scheduled = True
        self._status_changed()
        self.waiting.check()

    def _status_changed(self) -> None:
        """Writes are refused while they cannot be logged."""
        error = errno.ENOMEM if self._is_incomplete else int(self.log.error) if self._is_logging else 0
        if error != self.last_error:
            self.last_error = error
            self._server.gate_writes()

    @property
    def refusal(self) -> str | None:
        """Why no write is accepted; None: they are."""
        if self.last_error == 0:
            return None
        return f"MISCONF Errors writing to the AOF file: {os.strerror(self.last_error)}"

    def _stream_broken(self) -> None:
        """Something of the stream is lost for want of memory: the files are not complete until they are rewritten."""
        if not self._is_logging:
            return
        if self._server.config.appendfsync == "always":
            self._die("Can't keep changes for the AOF when the AOF fsync policy is 'always': out of memory. Exiting...")
        log.warning("Out of memory: the AOF lacks changes. It is rewritten, and writes are refused meanwhile.")
        self._is_incomplete = True
        self.is_scheduled = True
        self._status_changed()

    @staticmethod
    def _die(text: str) -> None:
        """What was promised cannot be kept: the process ends before anybody is told that it was."""
        log.warning(text)
        os._exit(1)

    # --- rewriting ---------------------------------------------------------------------------------------------------

    @property
    def is_rewriting(self) -> bool:
        """A rewrite is under way."""
        snapshots = self._server.snapshots
        return snapshots.current is not None and snapshots.purpose == "aof"

    def rewrite(self) -> bool:
        """A rewrite has begun; False: it could not (the log says why), or there is another snapshot under way."""
        if self._server.snapshots.current is not None:
            return False
        self.is_scheduled = False
        try:
            self._folder.make()
        except OSError as error:
            log.warning(self._folder.cannot_make(error))
            return self._not_begun()
        self._server.propagation.restart()
        if self.state != OFF and not self._open_increment():
            return self._not_begun()
        self.rewrites += 1
        use_rdb = self._server.config.aof_use_rdb_preamble
        file = self._new_base(self._folder.temporary_base)
        try:
            self._server.snapshots.start(file, lambda error: self._rewritten(file, use_rdb, error), "aof")
        except (SaveError, MemoryError, RuntimeError) as error:
            log.warning(f"Can't rewrite append only file in background: {error}")
            self._drop_temporary_increment()
            return self._not_begun()
        log.notice(f"Background append only file rewriting started by pid {os.getpid()}")
        self._started = int(time.time())
        self._is_killed = False
        self._follow_snapshots()
        return True

    def _not_begun(self) -> bool:
        self.has_failed = True
        if self._is_incomplete:
            self.is_scheduled = True
        return False

    def _new_base(self, path: str) -> SnapshotFile:
        """A file for the data as a base, as the configuration wants it."""
        server, config = self._server, self._server.config
        options = {
            "format": RDB if config.aof_use_rdb_preamble else COMMANDS,
            "aux": server.saver.aux(is_base=True),
            "opening": b"#TS:%d\r\n" % time.time() if config.aof_timestamp_enabled else b"",
            "sync_every": SYNC_EVERY if config.aof_rewrite_incremental_fsync else 0,
        }
        file: SnapshotFile = server.saver.file(path, **options)
        return file

    def _open_increment(self) -> bool:
        """What comes next goes to a new file; False, and the log says why: it goes where it went."""
        if self._is_logging and not self._is_incomplete and not self.log.flush_now():
            log.warning("What the AOF holds back cannot be written: there is no rewrite before it can.")
            return False
        if not self._is_last_on_disk():
            return False
        manifest = self.manifest
        if self.state == WAITING:
            name = self._folder.temporary_increment
        else:
            manifest = manifest.with_increment(self._folder.prefix, self._stream_offset())
            name = manifest.increments[-1].name
        try:
            descriptor = self._folder.open(name, os.O_TRUNC)
        except OSError as error:
            log.warning(f"Can't open the append-only file {name}: {error.strerror}")
            return False
        if manifest is not self.manifest and not self._folder.persist(manifest):
            os.close(descriptor)   # the file stays: the manifest may have been replaced
            return False
        log.notice(f"Creating AOF incr file {name} on background rewrite")
        self._change_file(descriptor)
        self.manifest = manifest
        return True

    def _is_last_on_disk(self) -> bool:
        """Whether the file that is the last one may cease to be that.

        A power loss may cut off the end of the last file; a file with others behind it that is cut off ends the next
        start. (redis-server does not wait here.) `appendfsync no` promises nothing, so it need not wait either.
        """
        if not self._is_logging or self._is_incomplete or self.state == WAITING or self.log.policy == "no":
            return True
        try:
            self.log.sync_now()
        except OSError as error:
            log.warning(f"The AOF cannot be synced, so there is no rewrite: {error.strerror}")
            return False
        return True

    def _change_file(self, descriptor: int) -> None:
        self._temporary_start = self._stream_offset()
        if not self._is_logging:
            self._begin_logging(descriptor, 0)
        elif self._is_incomplete:
            self._end_logging()
            self._begin_logging(descriptor, 0)
        else:
            self._other_size += self.log.size
            self.log.replace(descriptor)

    def _rewritten(self, file: SnapshotFile, use_rdb: bool, error: Exception | None) -> None:
        """The new base is on disk under its temporary name, or there is none."""
        self.last_kept = file.kept_peak
        if error is None and not self._is_killed:
            log.notice("Background AOF rewrite terminated with success")
            self._rewrite_ended(self._install(file.path, use_rdb))
        elif self._is_killed:
            log.warning("Background AOF rewrite was stopped")
        else:
            if not isinstance(error, (OSError, SaveError)):
                log.warning(f"BUG in a snapshot: {log.traceback_of(error)}" if error else "")
            log.warning(f"Write error writing append only file on disk: {error}")
            log.warning("Background AOF rewrite terminated with error")
            self._rewrite_ended(False)
        files.remove_quietly(file.path)
        self._drop_temporary_increment()
        self.last_duration = int(time.time()) - self._started
        self._started = -1
        self._follow_snapshots()
        if self.state == WAITING or self._is_incomplete:
            self.is_scheduled = True

    def _rewrite_ended(self, is_done: bool) -> None:
        self.has_failed = not is_done
        self.failures = 0 if is_done else self.failures + 1
        if is_done:
            log.notice("Background AOF rewrite finished successfully")

    def _install(self, temporary: str, use_rdb: bool) -> bool:
        """The base takes its name, and the manifest says so; False, and the log says why: all is as it was."""
        manifest = self.manifest.with_base(self._folder.prefix, use_rdb)
        assert manifest.base is not None
        new_files = [manifest.base.name]
        moves = [("base", temporary, manifest.base.name)]
        if self.state == WAITING:
            manifest = manifest.with_increment(self._folder.prefix, self._temporary_start)
            new_files.append(manifest.increments[-1].name)
            moves.append(("incr", self._folder.file(self._folder.temporary_increment), new_files[-1]))
        for kind, source, name in moves:
            started = time.monotonic()
            if not self._folder.move(kind, source, name):
                self._unlink_soon(new_files)
                return False
            self._server.sample_latency("aof-rename", int((time.monotonic() - started) * 1_000_000))
        manifest = manifest.without_rewritten(keep_last=self.state != OFF)
        if not self._folder.persist(manifest):
            # The new files stay, and their names are used up: perhaps the manifest on disk names them.
            self.manifest = replace(
                self.manifest, base_number=manifest.base_number, increment_number=manifest.increment_number
            )
            return False
        self.manifest = manifest
        if self.state != OFF:
            self._other_size = self._folder.size_of(new_files[0])
            self._base_size = self._other_size + self.log.size
        self._delete_history()
        if self.state == WAITING:
            self.state = ON
        self._is_incomplete = False
        self._status_changed()
        return True

    def _delete_history(self) -> None:
        """What the log does not need any more goes, in the background."""
        if self._server.config.aof_disable_auto_gc or not self.manifest.history:
            return
        names = [part.name for part in self.manifest.history]
        for name in names:
            log.notice(f"Removing the history file {name} in the background")
        self._unlink_soon(names)
        manifest = self.manifest.without_history()
        if self._folder.persist(manifest):
            self.manifest = manifest

    def _unlink_soon(self, names: list[str]) -> None:
        paths = self._folder.paths(names)
        self._server.background.submit(lambda: unlink_all(paths))

    def _drop_temporary_increment(self) -> None:
        """A rewrite on the way to being on has failed: what was collected meanwhile is of no use."""
        if self.state != WAITING:
            return
        if self._is_logging:
            self._end_logging()
        log.notice(f"Removing the temp incr aof file {self._folder.temporary_increment} in the background")
        self._unlink_soon([self._folder.temporary_increment])

    def _kill_rewrite(self) -> None:
        """The rewrite under way, if any, comes to nothing, and nobody is blamed."""
        if self.is_rewriting:
            log.notice(f"Killing running AOF rewrite child: {os.getpid()}")
            self._is_killed = True
            self._server.snapshots.abort()
            self._server.snapshots.wait(ABORT_PATIENCE)

    # --- on and off --------------------------------------------------------------------------------------------------

    def _switch(self) -> None:
        """CONFIG SET appendonly. Raises ConfigError."""
        if self._server.loading.is_active:
            return   # `begin` comes when it is over
        if not self._server.config.appendonly and self.state != OFF:
            self._stop()
        elif self._server.config.appendonly and self.state == OFF and not self._start():
            raise ConfigError("Unable to turn on AOF. Check server logs.")

    def _apply_switch(self) -> None:
        """The loading is over: a change of `appendonly` meanwhile is in force. Raises LoadError."""
        for _ in range(START_TRIES):
            try:
                self._switch()
            except ConfigError:
                log.warning("Failed to enable AOF! Trying it again in one second.")
                time.sleep(1)
            else:
                return
        raise LoadError("FATAL: AOF can't be turned on. Exiting now.")

    def _start(self) -> bool:
        """The log is on, or will be when a rewrite is done; False: it is off."""
        self.state = WAITING
        snapshots = self._server.snapshots
        if snapshots.current is not None and not self.is_rewriting:
            self.is_scheduled = True
            log.notice(
                "AOF was enabled but there is already another background operation. An AOF background was scheduled to "
                "start when possible."
            )
        elif self._server.context.in_exec:
            self.is_scheduled = True
            log.notice(
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible."
            )
        else:
            if self.is_rewriting:
                log.notice(
                    "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and "
                    "starting a rewrite now."
                )
                self._kill_rewrite()
            if not self.rewrite():
                self.state = OFF
                log.warning(
                    "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the "
                    "above logs for more info about the error."
                )
                return False
        return True

    def _stop(self) -> None:
        """The log is off; what it holds is on disk."""
        self._server.propagation.give()
        was_on = self.state == ON
        if self._is_logging:
            self._sync_at_end("Fail to fsync the AOF file: ")
        self._kill_rewrite()
        if self._is_logging:
            self._end_logging()
        if was_on:
            self._persist_end()
        self.state = OFF
        self.is_scheduled = False
        self._is_incomplete = False
        self.waiting.refuse()
        self._status_changed()

    def _sync_at_end(self, complaint: str) -> bool:
        """What was taken is on disk; False: not all of it."""
        is_written = bool(self.log.flush_now())
        try:
            self.log.sync_now()
        except OSError as error:
            log.warning(f"{complaint}{error.strerror}")
            return False
        return is_written

    def _persist_end(self) -> None:
        """The manifest tells how far the stream has come. It does not matter if that fails."""
        manifest = self.manifest.with_end(self._stream_offset())
        if manifest.increments and self._folder.persist(manifest):
            self.manifest = manifest

    # --- the end -----------------------------------------------------------------------------------------------------

    def prepare_end(self, is_forced: bool) -> bool:
        """Whether the server may end: all that was acknowledged is on disk."""
        if self.is_rewriting:
            if self.state == WAITING:
                log.warning("Writing initial AOF" + (". Exit anyway." if is_forced else ", can't exit."))
                if not is_forced:
                    return False
            log.warning("There is a child rewriting the AOF. Killing it!")
            self._kill_rewrite()
        if not self._is_logging:
            return True
        log.notice("Calling fsync() on the AOF file.")
        self._server.propagation.give()
        if self._sync_at_end("Fail to fsync the AOF file: ") or is_forced:
            return True
        log.warning("What was acknowledged cannot be written to the AOF, can't exit.")
        return False

    def close(self) -> None:
        """The server has ended: nothing comes any more."""
        if self._is_logging:
            self._server.propagation.give()
            self._sync_at_end("Fail to fsync the AOF file: ")
            is_on = self.state == ON
            self._end_logging()
            if is_on:
                self._persist_end()
        self._syncer.stop()

    # --- the time ----------------------------------------------------------------------------------------------------

    def cron(self, now: int) -> None:
        """Does what is due; `now` in unix ms."""
        self._follow_snapshots()
        if self._server.snapshots.current is None:
            if self.is_scheduled:
                if not self._is_limited(now):
                    self.rewrite()
            elif self._is_grown(now):
                self.rewrite()
        if self._is_logging and (not self.log.write_errno or now >= self._next_retry or self._next_retry > now + 1000):
            self._next_retry = now + 1000
            self.log.tick(now)
            self.waiting.check()

    def _is_limited(self, now: int) -> bool:
        delay = self._limit.is_limited(self.failures, now // 1000)
        if delay > 0:
            log.warning(
                f"Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {delay} minutes"
            )
        return delay != 0

    def _is_grown(self, now: int) -> bool:
        """Whether the log has become so large that it is to be rewritten."""
        config = self._server.config
        percent, size = config.auto_aof_rewrite_percentage, self.size
        if self.state != ON or not percent or size <= config.auto_aof_rewrite_min_size:
            return False
        grown = growth(size, self._base_size)
        if grown < percent or self._is_limited(now):
            return False
        log.notice(f"Starting automatic rewriting of AOF on {grown}% growth")
        return True

    # --- figures -----------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes of base and increments."""
        return self._other_size + int(self.log.size)

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.rewrites = self.failures = 0
        self.log.delayed = 0

    def statistics(self) -> dict[str, object]:
        """INFO persistence: the fields of the log."""
        started = self._started if self.is_rewriting else -1
        figures: dict[str, object] = {
            "aof_enabled": int(self.state != OFF),
            "aof_rewrite_in_progress": int(self.is_rewriting),
            "aof_rewrite_scheduled": int(self.is_scheduled),
            "aof_last_rewrite_time_sec": self.last_duration,
            "aof_current_rewrite_time_sec": int(time.time()) - started if started >= 0 else -1,
            "aof_last_bgrewrite_status": "err" if self.has_failed else "ok",
            "aof_rewrites": self.rewrites,
            "aof_rewrites_consecutive_failures": self.failures,
            "aof_last_write_status": "err" if self.last_error else "ok",
            "aof_last_cow_size": self.last_kept,
        }
        return figures

    def sizes(self) -> dict[str, object]:
        """INFO persistence: the fields that are there while the log is on."""
        if not self._server.config.appendonly:
            return {}
        return {
            "aof_current_size": self.size,
            "aof_base_size": self._base_size,
            "aof_pending_rewrite": int(self.is_scheduled),
            "aof_buffer_length": self.log.backlog_length,
            "aof_pending_bio_fsync": self.log.pending_syncs,
            "aof_delayed_fsync": self.log.delayed,
        }
