"""The thread that brings the log to disk, so that the executor need not wait for it.

Idea: it takes requests in their order: a file descriptor to fsync, up to which offset of the stream that is worth, and
whether to close it. The outcome goes into the log (`AppendLog.sync_done`), and then the executor hears of it.

Owner: `submit`, `drain` and `stop` are the executor's, `run` the thread's.
"""

import os
import queue
import threading
from collections.abc import Callable

type Request = tuple[int, int, bool]


class Syncer:
    """One thread with a queue; it starts with the first request. `on_done(offset, errno)` is called on the thread."""

    def __init__(self, on_done: Callable[[int, int], object]) -> None:
        self._on_done = on_done
        self._queue: queue.Queue[Request | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def submit(self, descriptor: int, offset: int, close: bool) -> None:
        """Has the file synced, and then closed if that is wanted."""
        if self._thread is None:
            self._thread = threading.Thread(target=self.run, name="aof-sync", daemon=True)
            self._thread.start()
        self._queue.put((descriptor, offset, close))

    def drain(self) -> None:
        """Returns when nothing is under way."""
        self._queue.join()

    def stop(self) -> None:
        """Does what was asked for, and ends the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def run(self) -> None:
        """The thread's main."""
        while (request := self._queue.get()) is not None:
            self._on_done(request[1], self._sync(*request))
            self._queue.task_done()
        self._queue.task_done()

    def _sync(self, descriptor: int, offset: int, close: bool) -> int:
        """The errno of the fsync, or 0."""
        error = 0
        try:
            os.fdatasync(descriptor)
        except OSError as failure:
            error = failure.errno or 0
        if close:
            os.close(descriptor)
        return error
