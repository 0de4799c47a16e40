"""When snapshots are written, and what became of them: SAVE, BGSAVE, save points, FLUSHALL, and the end of the server.

Idea: a save in the background is a `SnapshotFile` on the snapshot thread, under a temporary name until it is whole and
on disk; a synchronous one is written by the executor itself, which needs no snapshot, for nobody else changes data.
Changes are counted by the context and never set back; what counts here is how many there were at the last save.

Owner: the executor; a `_Target` is written by the snapshot thread. Texts of the log are those of redis-server 8.0.
Invariants: the file `dbfilename` is at any time the whole of some point in time, or missing; a background save that
FLUSHALL, a reload or the end of the server has aborted does not replace what was saved after it.
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtredis.durability import files
from mtredis.durability.saver import FREQUENCIES, IDLE_TIMES, WITHOUT_USAGE, SaveError, SnapshotFile
from mtredis.ops import log

RETRY_SECONDS = 5         # after a failure
SYNC_EVERY = 4 << 20      # bytes
_TEMPORARY = re.compile(r"temp-(\d+)(?:-now)?\.rdb")
BGSAVE_FAILED = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    "may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    "error."
)


class _Target:
    """A file that takes its name when it is whole, unless that was aborted meanwhile. For `snapshots.Snapshots`."""

    def __init__(self, file: SnapshotFile, path: str) -> None:
        self.file, self.path = file, path
        self._lock = threading.Lock()
        self._is_aborted = False

    def begin(self) -> None:
        self.file.begin()

    def write(self) -> None:
        """The file is on disk under its name. The thread that writes, or the executor for a synchronous save."""
        self.file.write()
        self.take_name()

    def write_now(self) -> None:
        self.file.write_now()
        self.take_name()

    def take_name(self) -> None:
        try:
            with self._lock:
                if self._is_aborted:
                    raise SaveError("the snapshot was aborted", is_aborted=True)
                os.replace(self.file.path, self.path)  # noqa: PTH105
        except (OSError, SaveError):
            files.remove_quietly(self.file.path)
            raise
        files.sync_directory(os.path.dirname(self.path))  # noqa: PTH120

    def abort(self) -> None:
        """It will not take its name; nor will the thread write on for long."""
        with self._lock:
            self._is_aborted = True
        self.file.abort()

    def finish(self) -> None:
        self.file.finish()


class Saver:
    """`server.saver`: needs config, keyspace, context (its dirty count), memory, snapshots, redis_version."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._saved_dirty = 0            # of the context, at the last save
        self._dirty_at_start = 0         # of the background save
        self.last_save = int(time.time())
        self._last_try = 0
        self._started = 0                # of the background save under way
        self.last_duration = -1          # seconds
        self.saves = 0
        self.last_kept = 0               # bytes, of the last background save
        self.is_failing = False          # the last background save failed, and none has succeeded since
        self.is_scheduled = False
        self._is_aborted = False
        self.functions: list[bytes] = []
        self.on_status_change: Callable[[], None] = lambda: None
        self.while_waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext

    # --- saving ------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        config = self._server.config
        return os.path.join(config.dir, config.dbfilename)  # noqa: PTH118 - paths are texts here

    @property
    def is_saving(self) -> bool:
        """A background save is under way."""
        snapshots = self._server.snapshots
        return snapshots.current is not None and snapshots.purpose == "rdb"

    @property
    def changes(self) -> int:
        """Since the last save."""
        return int(self._server.context.dirty) - self._saved_dirty

    def file(self, path: str, **options: Any) -> SnapshotFile:
        """A file for the keyspace as the configuration wants it; `options` overrule. AOF makes its base with it."""
        config = self._server.config
        usage = WITHOUT_USAGE
        if config.maxmemory_policy.endswith("lru"):
            usage = IDLE_TIMES
        elif config.maxmemory_policy.endswith("lfu"):
            usage = FREQUENCIES
        wanted: dict[str, Any] = {
            "compress": config.rdbcompression,
            "checksum": config.rdbchecksum,
            "usage": usage,
            "sync_every": SYNC_EVERY if config.rdb_save_incremental_fsync else 0,
            "key_delay": config.rdb_key_save_delay,
            "aux": self.aux(),
            "functions": self.functions,
        }
        return SnapshotFile(self._server.keyspace, path, **(wanted | options))

    def aux(self, is_base: bool = False) -> list[tuple[bytes, bytes]]:
        """What the file says of itself; `is_base`: it begins an AOF."""
        return [
            (b"redis-ver", self._server.redis_version.encode()),
            (b"redis-bits", b"64"),
            (b"ctime", b"%d" % int(time.time())),
            (b"used-mem", b"%d" % self._server.memory.used()),
            (b"aof-base", b"%d" % is_base),
        ]

    def save(self, keep_cache: bool = False, key_delay: bool = True) -> bool:
        """The dataset is in the file now; False, and the log says why: it is not. Everybody waits meanwhile."""
        temporary = self._temporary("-now" if self.is_saving else "")
        delay = self._server.config.rdb_key_save_delay if key_delay else 0
        target = _Target(self.file(temporary, keep_cache=keep_cache, key_delay=delay), self.path)
        try:
            with self.while_waiting():
                target.write_now()
        except (OSError, SaveError) as error:
            self._log_failure(target, error)
            return False
        log.notice("DB saved on disk")
        self._saved_dirty = int(self._server.context.dirty)
        self.last_save = int(time.time())
        self._set_failing(False)
        return True

    def background_save(self) -> bool:
        """A snapshot is being written from now on; False: it could not be begun. Only while there is no other."""
        self.saves += 1
        self._dirty_at_start = int(self._server.context.dirty)
        self._last_try = int(time.time())
        target = _Target(self.file(self._temporary()), self.path)
        try:
            self._server.snapshots.start(target, lambda error: self._saved(target, error), "rdb")
        except (SaveError, MemoryError, RuntimeError) as error:
            log.warning(f"Can't save in background: {error}")
            self._set_failing(True)
            return False
        self._started = int(time.time())
        self._is_aborted = False
        log.notice(f"Background saving started by pid {os.getpid()}")
        return True

    def abort(self) -> None:
        """The background save under way, if any, comes to nothing, and nobody is blamed."""
        if self.is_saving:
            self._is_aborted = True
            self._server.snapshots.abort()

    def flushed(self) -> None:
        """FLUSHALL: what is being saved is of no use, and what is saved goes, too, if save points are set."""
        self.abort()
        if self._server.config.save:
            self.save()

    def _saved(self, target: _Target, error: Exception | None) -> None:
        """The background save is over."""
        self.last_duration = int(time.time()) - self._started
        self.last_kept = target.file.kept_peak
        if error is None and not self._is_aborted:
            log.notice("Background saving terminated with success")
            self._saved_dirty = self._dirty_at_start
            self.last_save = int(time.time())
            self._set_failing(False)
        elif error is None or self._is_aborted:
            log.warning("Background saving was aborted")
        else:
            self._log_failure(target, error)
            log.warning("Background saving error")
            self._set_failing(True)
        self._is_aborted = False

    def _temporary(self, mark: str = "") -> str:
        config = self._server.config
        return os.path.join(config.dir, f"temp-{os.getpid()}{mark}.rdb")  # noqa: PTH118

    def _log_failure(self, target: _Target, error: Exception) -> None:
        file, folder = target.file, os.path.dirname(target.path)  # noqa: PTH120
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if not isinstance(error, (OSError, SaveError)):
            log.warning(f"BUG in a snapshot: {log.traceback_of(error)}")
        elif file.is_whole:
            log.warning(
                f"Error moving temp DB file {file.path} on the final destination {target.path} (in server root dir "
                f"{folder}): {reason}"
            )
        elif file.operation == "open":
            log.warning(
                f"Failed opening the temp RDB file {file.path} (in server root dir {folder}) for saving: {reason}"
            )
        else:
            log.warning(f"Write error while saving DB to the disk({file.operation}): {reason}")

    def _set_failing(self, is_failing: bool) -> None:
        if self.is_failing != is_failing:
            self.is_failing = is_failing
            self.on_status_change()

    @property
    def refusal(self) -> str | None:
        """Why no write is accepted; None: they are."""
        config = self._server.config
        return BGSAVE_FAILED if config.stop_writes_on_bgsave_error and config.save and self.is_failing else None

    # --- the time ----------------------------------------------------------------------------------------------------

    def cron(self, now: int) -> None:
        """Starts what is due; `now` in unix ms."""
        seconds = now // 1000
        if self._server.snapshots.current is not None:
            return
        may_try = not self.is_failing or seconds - self._last_try > RETRY_SECONDS
        for interval, changes in self._server.config.save:
            if self.changes >= changes and seconds - self.last_save > interval and may_try:
                log.notice(f"{changes} changes in {interval} seconds. Saving...")
                self.background_save()
                return
        if self.is_scheduled and may_try and self.background_save():
            self.is_scheduled = False

    def remove_stale(self) -> None:
        """Temporary files of servers that are gone are gone, too. At the start."""
        folder = Path(self._server.config.dir)
        for path in folder.glob("temp-*.rdb"):
            found = _TEMPORARY.fullmatch(path.name)
            if found and (int(found[1]) == os.getpid() or not Path(f"/proc/{found[1]}").exists()):
                log.notice(f"Removing the temporary file {path.name} of a server that is gone.")
                with contextlib.suppress(OSError):   # it is in nobody's way
                    path.unlink()

    # --- figures -----------------------------------------------------------------------------------------------------

    def progress(self) -> dict[str, object]:
        """INFO persistence: how far the snapshot under way is, whoever wants it."""
        current = self._server.snapshots.current
        file = getattr(current, "file", current)
        done, total = (file.keys, file.keys_total) if file is not None else (0, 0)
        return {
            "current_cow_peak": file.kept_peak if file is not None else 0,
            "current_cow_size": file.kept if file is not None else 0,
            "current_cow_size_age": 0,
            "current_fork_perc": f"{100 * done / total if total else 0:.2f}",
            "current_save_keys_processed": done,
            "current_save_keys_total": total,
        }

    def statistics(self) -> dict[str, object]:
        """INFO persistence: the fields of snapshots."""
        loading = self._server.loading
        return {
            "rdb_changes_since_last_save": self.changes,
            "rdb_bgsave_in_progress": int(self.is_saving),
            "rdb_last_save_time": self.last_save,
            "rdb_last_bgsave_status": "err" if self.is_failing else "ok",
            "rdb_last_bgsave_time_sec": self.last_duration,
            "rdb_current_bgsave_time_sec": int(time.time()) - self._started if self.is_saving else -1,
            "rdb_saves": self.saves,
            "rdb_last_cow_size": self.last_kept,
            "rdb_last_load_keys_expired": loading.keys_expired,
            "rdb_last_load_keys_loaded": loading.keys_loaded,
        }
