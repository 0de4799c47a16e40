"""What the kernel says of the process and of the machine: resident memory and idle cores, by psutil.

Idea: the figures are files below /proc, and to read them may take long: CPython 3.13 without the GIL, closing a file,
waits for a lock that the same thread holds, and gives its core away forty times before it sees that. On a busy machine
that is a tenth of a second. So a thread of its own reads, and whoever wants a figure takes the last one.

Owner: the thread that `start` makes; the figures are for any thread. Limit: they are up to PERIOD old, or as old as the
machine is late.
"""

import os
import threading
import time

import psutil

PERIOD = 0.1  # s


class Meter:
    """`rss`: bytes of the process in RAM; `idle_cores`: cores that nobody used between the last two readings."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cores = float(os.cpu_count() or 1)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.idle_cores = 0.0
        self._when, self._idle = time.monotonic(), self._idle_seconds()
        self.rss = self.read_rss()

    def read_rss(self) -> int:
        """Reads `rss` now, on the calling thread."""
        self.rss = int(self._process.memory_info().rss)
        return self.rss

    @staticmethod
    def _idle_seconds() -> float:
        times = psutil.cpu_times()
        return float(times.idle) + float(getattr(times, "iowait", 0.0))

    def read(self) -> None:
        """Reads everything; the thread's work."""
        when, idle = time.monotonic(), self._idle_seconds()
        elapsed = max(when - self._when, 1e-6)
        self.idle_cores = min((idle - self._idle) / elapsed, self._cores)   # the kernel's ticks are coarse
        self._when, self._idle = when, idle
        self.read_rss()

    def start(self) -> None:
        """The thread reads from now on."""
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD):
            self.read()

    def stop(self) -> None:
        """No more readings; after `start` or without it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
