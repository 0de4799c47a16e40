"""Balance: whether the executor drives the connections itself, or the workers do.

Idea: a hop between threads buys nothing while one thread can do all the work, and costs microseconds of CPU for each
request. So the executor drives the workers' loops until it is saturated and the machine has cores to spare; then the
workers take over, and when all threads together are nearly idle again the executor takes the loops back.

A command that takes long, over a big value, stops everything while the executor drives. So after one of them the
workers drive for half a minute, whatever the load is: only the first of a series stops the reads that workers answer.

Owner: the executor thread; `sample` is called by cron with injected readings, so the decision is a pure state machine.
Invariant: each decision needs several samples in a row, so that a burst does not move thousands of connections.
"""

import time
from dataclasses import dataclass, field

from mtredis.lib.meter import Meter

SATURATED = 0.85       # share of a core that the executor uses
SPARE_CORES = 0.8      # idle cores that make handing over worth it
CALM = 0.5             # cores that all our threads use together, below which one thread is enough
SAMPLES = 3            # in a row
STALL_SAMPLES = 300    # for which the workers drive after a long command


@dataclass(slots=True)
class Balance:
    """`mode` is io-threads-mode: "auto", "threads" or "executor"."""

    mode: str = "auto"
    by_executor: bool = True
    streak: int = field(default=0)
    stalled: int = field(default=0)

    def sample(
        self, executor_load: float, process_load: float, idle_cores: float, has_stalled: bool = False
    ) -> bool:
        """True when the executor should drive, given the cores used by it, by the process, and left idle, and whether
        a command has taken long since the last sample.
        """
        if self.mode != "auto":
            self.by_executor = self.mode == "executor"
            return self.by_executor
        if has_stalled:
            self.stalled, self.by_executor, self.streak = STALL_SAMPLES, False, 0
        if self.stalled:
            self.stalled -= 1
            return False
        if self.by_executor:
            wants_change = executor_load >= SATURATED and idle_cores >= SPARE_CORES
        else:
            wants_change = process_load < CALM
        self.streak = self.streak + 1 if wants_change else 0
        if self.streak >= SAMPLES:
            self.by_executor = not self.by_executor
            self.streak = 0
        return self.by_executor


class LoadMeter:
    """How busy the calling thread, the process and the machine have been of late, in cores."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._wall = time.monotonic()
        self._thread = time.thread_time()
        self._process = time.process_time()

    def read(self) -> tuple[float, float, float]:
        """(this thread's load and the process's since the last reading, idle cores). Executor thread only."""
        wall, thread, process = time.monotonic(), time.thread_time(), time.process_time()
        elapsed = max(wall - self._wall, 1e-6)
        reading = (
            (thread - self._thread) / elapsed,
            (process - self._process) / elapsed,
            self._meter.idle_cores,
        )
        self._wall, self._thread, self._process = wall, thread, process
        return reading
