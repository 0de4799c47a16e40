"""The background thread: work that may take long and that nobody waits for, such as freeing what was deleted.

Idea: the executor hands over callables that own what they work on; they run one after another on a thread of their own
and release the interpreter while they free C memory, so the executor goes on meanwhile.

Owner: `submit` and `statistics` belong to the executor, the work to the background thread. Invariant: work refers to
nothing that the executor may still change. Limit: work that raises is logged and lost; there is no retry.
"""

import queue
import threading
from collections.abc import Callable

from mtredis.ops import log


class Background:
    """One thread with a queue. It starts with the first piece of work."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.submitted = 0
        self.completed = 0

    def submit(self, work: Callable[[], object]) -> None:
        """Has `work()` called on the background thread, after all that was submitted before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self.run, name="background", daemon=True)
            self._thread.start()
        self.submitted += 1
        self._queue.put(work)

    @property
    def pending(self) -> int:
        """Pieces of work that are not done yet."""
        return self.submitted - self.completed

    def stop(self) -> None:
        """Waits until everything submitted is done, and ends the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def run(self) -> None:
        """The thread's main."""
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception as error:
                log.warning(f"BUG in background work: {log.traceback_of(error)}")
            self.completed += 1
