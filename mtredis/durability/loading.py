"""Loading: the dataset comes into memory, in slices, while clients hear that it is not there yet.

Idea: what is to be loaded is a list of pieces (files), each of which works for some milliseconds when it is asked to.
`Loading` asks them one after another; between two slices the executor serves its clients, who get LOADING for
everything but the commands that may run (INFO, CONFIG, SHUTDOWN, ...). So progress can be watched, and told to systemd.

Owner: the executor. Invariants: the gate is shut from `start` until the last piece is whole; if one is broken it stays
shut, and `on_failed` ends the server: nobody is served half a dataset.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from mtredis.durability.rdb import RdbError
from mtredis.durability.rdb.reader import Reader
from mtredis.errors import MtredisError
from mtredis.ops import log

SLICE_US = 10_000
FEED = 1 << 20            # bytes that are read from a file at once
STEP = 256 << 10          # bytes after which the time is looked at
REPORT_SECONDS = 1.0      # between two words to the supervisor
LOG_SECONDS = 5.0         # between two lines in the log
STARTUP_EXTENSION = 30    # seconds that systemd waits for the next sign


class LoadError(MtredisError):
    """What was to be loaded is damaged or cannot be read; the text says what, where, and at which offset."""


class Piece(Protocol):
    """A file to be loaded. `total` and `done` are bytes."""

    @property
    def total(self) -> int: ...
    @property
    def done(self) -> int: ...

    def run(self, budget_us: int) -> bool:
        """Loads for about that long; True: it is finished. Raises LoadError."""
        ...


class Loading:
    """Loads pieces. `call_at(unix ms, function)`, `now()` (unix ms) and `set_gate(is_shut)` are the executor's."""

    def __init__(
        self, call_at: Callable[[int, Callable[[], None]], None], now: Callable[[], int],
        set_gate: Callable[[bool], None],
    ) -> None:  # fmt: skip
        self._call_at, self._now, self._set_gate = call_at, now, set_gate
        self._pieces: list[Piece] = []
        self._finished_bytes = 0
        self._started = 0.0
        self._began = 0.0   # monotonic
        self._next_report = self._next_line = 0.0
        self._on_done: Callable[[], None] = lambda: None
        self._on_failed: Callable[[LoadError], None] = lambda error: None
        self.on_status: Callable[[str, int], None] = lambda status, seconds: None
        self.is_active = False
        self.total = 0
        self.used_memory = 0        # of the server that wrote what is loaded, as it says
        self.keys_loaded = 0
        self.keys_expired = 0

    def start(
        self, pieces: Sequence[Piece], on_done: Callable[[], None], on_failed: Callable[[LoadError], None]
    ) -> None:  # fmt: skip
        """Loads the pieces in slices, from the executor's next round on; then one of the two is called, on it, too."""
        self._begin(pieces)
        self._on_done, self._on_failed = on_done, on_failed
        self._call_at(self._now() + 1, self._slice)

    def run_now(self, pieces: Sequence[Piece]) -> None:
        """Loads the pieces while everybody waits. Raises LoadError."""
        self._begin(pieces)
        try:
            for piece in pieces:
                while not piece.run(1 << 30):
                    continue
        finally:
            self._end()

    def cancel(self) -> None:
        """There is no next slice: the server ends. The gate stays shut."""
        self._pieces = []
        self.is_active = False

    @property
    def seconds(self) -> float:
        """Since the loading began."""
        return time.monotonic() - self._began

    def _begin(self, pieces: Sequence[Piece]) -> None:
        self._pieces = list(pieces)
        self.is_active = True
        self._set_gate(True)
        self.total = sum(piece.total for piece in pieces)
        self._finished_bytes = self.used_memory = self.keys_loaded = self.keys_expired = 0
        self._started, self._began = time.time(), time.monotonic()
        self._next_report = self._began
        self._next_line = self._began + LOG_SECONDS

    def _end(self) -> None:
        self._pieces = []
        self.is_active = False
        self._set_gate(False)

    def _slice(self) -> None:
        if not self._pieces:
            if self.is_active:   # there was nothing to load
                self._end()
                self._on_done()
            return
        piece = self._pieces[0]
        try:
            is_finished = piece.run(SLICE_US)
        except LoadError as error:
            self.is_active = False
            self._pieces = []
            self._on_failed(error)
            return
        if is_finished:
            self._finished_bytes += piece.total
            del self._pieces[0]
            if not self._pieces:
                self._end()
                self._on_done()
                return
        self._report()
        # The time of this round, so that the next one does not wait.
        self._call_at(self._now() + 1, self._slice)

    def _report(self) -> None:
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            self.on_status(f"Loading: {self.percent:.1f}% of {self.total} bytes", STARTUP_EXTENSION)
        if now >= self._next_line:
            self._next_line = now + LOG_SECONDS
            log.notice(f"Loading: {self.percent:.1f}% of {self.total} bytes")

    @property
    def loaded(self) -> int:
        """Bytes that are behind us."""
        return self._finished_bytes + (self._pieces[0].done if self._pieces else 0)

    @property
    def percent(self) -> float:
        return 100 * self.loaded / self.total if self.total else 0.0

    def state(self) -> dict[str, object]:
        """The first fields of INFO persistence."""
        return {"loading": int(self.is_active), "async_loading": 0}

    def statistics(self) -> dict[str, object]:
        """The fields that INFO persistence has while something is loaded."""
        if not self.is_active:
            return {}
        loaded, elapsed = self.loaded, int(time.time()) - int(self._started)
        eta = elapsed * (self.total - loaded) // (loaded + 1) if elapsed > 0 else 1
        return {
            "loading_start_time": int(self._started),
            "loading_total_bytes": self.total,
            "loading_rdb_used_mem": self.used_memory,
            "loading_loaded_bytes": loaded,
            "loading_loaded_perc": f"{self.percent:.2f}",
            "loading_eta_seconds": eta,
        }


class RdbPiece:
    """An RDB file. `server` has keyspace, config, loading and saver.

    `is_base`: it begins an AOF, so that keys whose time is over are loaded, too, for what follows may speak of them.
    `allow_duplicates`: keys replace those that are there.
    """

    def __init__(self, server: Any, path: str, *, is_base: bool = False, allow_duplicates: bool = False) -> None:
        self._server, self.path = server, path
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115, PTH123 - closed in `_close`
            self.total = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise LoadError(f"Fatal error: can't open the RDB file {path} for reading: {error.strerror}") from None
        self._reader = Reader(
            server.keyspace,
            total=self.total,
            expired_before=-1 if is_base else int(time.time() * 1000),
            allow_duplicates=allow_duplicates,
            check_sum=server.config.rdbchecksum,
        )
        self._told = 0            # aux fields that the log knows
        self._is_told = False     # the log knows of the end
        self._awake_at = 0.0
        self._counted = (0, 0)

    @property
    def done(self) -> int:
        return int(self._reader.offset)

    def run(self, budget_us: int) -> bool:
        """Loads for about that long; True: the file is loaded. Raises LoadError."""
        deadline = time.monotonic() + budget_us / 1_000_000
        delay = self._server.config.key_load_delay
        try:
            while time.monotonic() < deadline:
                if delay and not self._wait(deadline):
                    return False
                if self._step(delay) and self._is_over():
                    self._close()
                    return True
        except RdbError as error:
            raise self._failure(str(error)) from None
        except MemoryError:
            raise self._failure(f"no memory for what stands at offset {self.done}") from None
        except OSError as error:
            raise self._failure(f"cannot read: {error.strerror}") from None
        finally:
            self._tell()
        return False

    def _step(self, delay: int) -> bool:
        """Reads on; True: what was fed is used up."""
        before = self._reader.keys_loaded
        has_more = self._reader.run(1 if delay else STEP)
        if delay and self._reader.keys_loaded > before:
            self._awake_at = time.monotonic() + delay / 1_000_000
        if has_more or self._reader.is_done:
            return self._reader.is_done
        data = self._file.read(FEED)
        if data:
            self._reader.feed(data)
        return not data

    def _wait(self, deadline: float) -> bool:
        """The delay after a key, for tests; False: it lasts longer than this slice."""
        left = self._awake_at - time.monotonic()
        if self._awake_at > deadline:
            return False
        if left > 0:
            time.sleep(left)
        return True

    def _is_over(self) -> bool:
        if not self._reader.is_done:
            self._reader.finish()   # raises: the file ends too early
        return True

    def _failure(self, text: str) -> LoadError:
        self._close()
        return LoadError(f"The RDB file {self.path} cannot be loaded: {text}")

    def _close(self) -> None:
        self._file.close()

    # --- what others hear of it --------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Counts keys, and has the log say what the file says of itself."""
        reader, loading = self._reader, self._server.loading
        loading.keys_loaded += reader.keys_loaded - self._counted[0]
        loading.keys_expired += reader.keys_expired - self._counted[1]
        self._counted = (reader.keys_loaded, reader.keys_expired)
        aux = list(reader.aux.items())
        for name, value in aux[self._told :]:
            self._tell_aux(name, value.decode("utf-8", "backslashreplace"))
        self._told = len(aux)
        if reader.is_done and not self._is_told:
            self._is_told = True
            self._tell_end()

    def _tell_aux(self, name: bytes, value: str) -> None:
        number = int(value) if value.lstrip("-").isdecimal() else 0
        if name == b"redis-ver":
            log.notice(f"Loading RDB produced by version {log.user_data(value)}")
        elif name == b"ctime":
            log.notice(f"RDB age {max(0, int(time.time()) - number)} seconds")
        elif name == b"used-mem":
            log.notice(f"RDB memory usage when created {number / (1 << 20):.2f} Mb")
            self._server.loading.used_memory = number
        elif name == b"aof-base" and number:
            log.notice("RDB is base AOF")
        elif name == b"aof-preamble" and number:
            log.notice("RDB has an AOF tail")

    def _tell_end(self) -> None:
        reader = self._reader
        if reader.version >= 5 and not reader.has_checksum:
            log.notice("RDB file was saved with checksum disabled: no check performed.")
        for name in reader.modules:
            log.warning(f"The RDB file has data of module '{name}' beside its keys; it is skipped and not kept.")
        if reader.functions:
            self._server.saver.functions = list(reader.functions)
            log.warning(
                f"The RDB file has {len(reader.functions)} function libraries. They cannot be called here; they are "
                "kept, and saved again."
            )
        empty = f", empty keys skipped: {reader.keys_empty}" if reader.keys_empty else ""
        log.notice(
            f"Done loading RDB, keys loaded: {reader.keys_loaded}, keys expired: {reader.keys_expired}{empty}."
        )


def rdb_pieces(server: Any) -> list[Piece]:
    """The RDB file of the configuration, if there is one. Raises LoadError when it cannot be opened."""
    path = os.path.join(server.config.dir, server.config.dbfilename)  # noqa: PTH118 - paths are texts here
    return [RdbPiece(server, path)] if Path(path).exists() else []
