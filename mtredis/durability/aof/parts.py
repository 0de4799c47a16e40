"""The files of the log as they are loaded at the start.

Idea: a part is an RDB file, commands, or, from old versions, an RDB file with commands behind it; its first bytes say
so. Whatever it is, it is one `loading.Piece`, which tells the log when it is done.

Owner: the executor.
"""

import os
import time
from typing import Any

from mtredis.durability.aof.replay import AofPiece, Player
from mtredis.durability.loading import LoadError, RdbPiece
from mtredis.durability.rdb import SIGNATURE, begins_as_rdb
from mtredis.ops import log


class Part:
    """One file of the log: a `loading.Piece`. `kind` is "base" or "incr"; `is_old`: from before there were parts."""

    def __init__(
        self, server: Any, player: Player, path: str, *, kind: str, is_last: bool, is_old: bool
    ) -> None:
        self._server, self._player, self._path = server, player, path
        self._name = os.path.basename(path)  # noqa: PTH119
        self._kind, self._is_last, self._is_old = kind, is_last, is_old
        self._head: RdbPiece | None = None
        self._tail: AofPiece | None = None
        self._started = 0.0
        try:
            self.total = os.stat(path).st_size  # noqa: PTH116
        except OSError as error:
            raise LoadError(f"Unable to obtain the AOF file {self._name} length. stat: {error.strerror}") from None

    @property
    def done(self) -> int:
        """Bytes that are behind us."""
        current = self._tail or self._head
        return int(current.done) if current is not None else 0

    def run(self, budget_us: int) -> bool:
        """Loads for about that long; True: the file is loaded. Raises LoadError."""
        if not self._started:
            self._begin()
        if self._head is not None and self._tail is None:
            self._run_head(self._head, budget_us)
            return False
        if self._tail is not None and not self._tail.run(budget_us):
            return False
        log.notice(
            f"DB loaded from {self._kind} file {self._name}: {time.monotonic() - self._started:.3f} seconds"
        )
        return True

    def _begin(self) -> None:
        self._started = time.monotonic()
        self._player.rewind()
        try:
            with open(self._path, "rb") as file:  # noqa: PTH123 - paths are texts here
                has_head = begins_as_rdb(file.read(len(SIGNATURE)))
        except OSError as error:
            raise LoadError(
                f"Fatal error: can't open the append log file {self._name} for reading: {error.strerror}"
            ) from None
        if has_head:
            what = "RDB preamble from AOF file" if self._is_old else "RDB base file on AOF loading"
            log.notice(f"Reading {what}...")
            self._head = RdbPiece(self._server, self._path, is_base=True)
        else:
            self._tail = self._commands(0)

    def _run_head(self, head: RdbPiece, budget_us: int) -> None:
        try:
            is_finished = head.run(budget_us)
        except LoadError:
            what = "preamble of the AOF" if self._is_old else "base"
            log.warning(f"Error reading the RDB {what} file {self._name}, AOF loading aborted")
            raise
        if is_finished:
            if self._is_old:
                log.notice("Reading the remaining AOF tail...")
            self._tail = self._commands(head.done)

    def _commands(self, start: int) -> AofPiece:
        config = self._server.config
        return AofPiece(
            self._player, self._path, start=start, is_last=self._is_last,
            may_truncate=lambda: config.aof_load_truncated, delay=lambda: config.key_load_delay,
        )  # fmt: skip
