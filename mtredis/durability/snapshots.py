"""Snapshots that are written while the server goes on: one at a time, on a thread of their own.

Idea: a file (`saver.SnapshotFile`) is begun on the executor, which fixes the point in time, written by the thread, and
finished on the executor again, which then tells whoever started it. Redis's rule that one child at a time saves or
rewrites holds here for snapshots.

The thread is started without waiting for its first step, as `threading.Thread.start` does: on a busy machine the
executor would get its core back only when the thread has used up its share of it, which is most of a small save.

Owner: the executor; `_write` is the thread's. Invariant: a file that was begun is finished once its thread has left
it, whatever happened.
"""

import _thread
import threading
from collections.abc import Callable
from typing import Protocol

type OnDone = Callable[[Exception | None], None]


class File(Protocol):
    """What a snapshot is written into (`saver.SnapshotFile`)."""

    def begin(self) -> None: ...
    def write(self) -> None: ...
    def abort(self) -> None: ...
    def finish(self) -> None: ...


class Snapshots:
    """Starts snapshots and waits for their end. `call_soon` has the executor call a function; any thread."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], None]) -> None:
        self._call_soon = call_soon
        self._left: threading.Event | None = None   # set when the thread has left the file
        self._on_done: OnDone | None = None
        self._error: Exception | None = None
        self.current: File | None = None
        self.purpose = ""  # of the current one: "rdb", "aof"

    def start(self, file: File, on_done: OnDone, purpose: str = "rdb") -> None:
        """Begins the file at this very moment; `on_done(error or None)` is called on the executor when it is over.

        Raises what `file.begin` raises; then nothing was started. Only while there is no `current`.
        """
        if self.current is not None:
            raise RuntimeError("a snapshot is under way")
        file.begin()
        left = threading.Event()
        self.current, self.purpose, self._on_done, self._error = file, purpose, on_done, None
        self._left = left
        try:
            _thread.start_new_thread(self._write, (file, left))
        except RuntimeError:  # no more threads
            self.current, self._left, self.purpose = None, None, ""
            file.finish()
            raise

    def abort(self) -> None:
        """The current one, if any, ends as soon as it can; its `on_done` is called with an error as usual."""
        if self.current is not None:
            self.current.abort()

    def wait(self, seconds: float) -> bool:
        """Whether there is no current one any more after so long; its `on_done` has been called then."""
        if self.current is not None and self._left is not None:
            if not self._left.wait(seconds):
                return False
            self._finish(self.current)
        return True

    def _write(self, file: File, left: threading.Event) -> None:
        threading.current_thread().name = "snapshot"
        try:
            file.write()
        except Exception as error:
            self._error = error
        left.set()
        self._call_soon(lambda: self._finish(file))

    def _finish(self, file: File) -> None:
        on_done = self._on_done
        if file is not self.current or on_done is None:   # it was waited for
            return
        error, self._error = self._error, None
        self.current, self._left, self._on_done, self.purpose = None, None, None, ""
        file.finish()
        on_done(error)
