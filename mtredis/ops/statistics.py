"""The server's counters that belong to no single part, and rates over the last seconds.

Idea: parts count in their own memory (workers, command table, keyspace); here is what remains, plus the sums and the
per-second rates that INFO shows. Owner: the executor thread.
"""

from collections import deque
from typing import Any

RATE_SAMPLES = 16  # readings of 100 ms that a rate is averaged over
ERROR_KINDS_MAX = 128


class Rate:
    """A counter's growth per second, averaged over the last readings."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: deque[tuple[int, int]] = deque(maxlen=RATE_SAMPLES)

    def sample(self, now: int, count: int) -> None:
        """Notes the counter at unix time `now` (ms)."""
        self._readings.append((now, count))

    @property
    def per_second(self) -> float:
        """0 until there are two readings."""
        if len(self._readings) < 2:
            return 0.0
        (start, first), (end, last) = self._readings[0], self._readings[-1]
        return max(0, last - first) * 1000 / max(1, end - start)


class Statistics:
    """What INFO stats and INFO errorstats are made of."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.bugs = 0
        self.errors: dict[str, int] = {}
        self.error_replies = 0
        self.commands_rate = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()

    def count_error(self, text: str) -> None:
        """An error reply was sent: counted by its code word, of which only so many are told apart."""
        self.error_replies += 1
        kind = text.partition(" ")[0]
        if kind in self.errors or len(self.errors) < ERROR_KINDS_MAX:
            self.errors[kind] = self.errors.get(kind, 0) + 1

    def of_workers(self) -> dict[str, int]:
        """The workers' counters, summed."""
        total: dict[str, int] = {}
        for worker in self._server.workers:
            for name, value in worker.statistics().items():
                total[name] = total.get(name, 0) + value
        return total

    def sample(self, now: int) -> None:
        """Takes the readings for the rates; `now` in unix ms."""
        workers = self.of_workers()
        self.commands_rate.sample(now, self._server.executor.commands + workers["commands"])
        self.input_rate.sample(now, workers["net_in"])
        self.output_rate.sample(now, workers["net_out"])

    def reset(self) -> None:
        """CONFIG RESETSTAT, for what is counted here."""
        self.errors.clear()
        self.error_replies = 0
