"""The server's counters that belong to no single part, sums over the parts, and rates over the last seconds.

Idea: parts count in their own memory (workers, command table, keyspace); here is what remains, plus the sums and the
per-second rates that INFO shows. Reads that workers answer are counted but not timed: where a time is asked for, they
are taken to be like those that the executor answered.

Owner: the executor thread.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mtredis.ops import log
from mtredis.ops.latency import BUCKETS, Histogram
from mtredis.registry.command import REGISTRY, Command
from mtredis.registry.table import histogram, last_bucket, statistics

RATE_SAMPLES = 16  # readings of 100 ms that a rate is averaged over
ERROR_KINDS_MAX = 128
ERROR_KIND_LENGTH_MAX = 32


class Rate:
    """A counter's growth per second, averaged over the last readings."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: deque[tuple[int, int]] = deque(maxlen=RATE_SAMPLES)

    def sample(self, now: int, count: int) -> None:
        """Notes the counter at unix time `now` (ms)."""
        self._readings.append((now, count))

    def reset(self) -> None:
        """Forgets the readings: the counter starts again."""
        self._readings.clear()

    @property
    def per_second(self) -> float:
        """0 until there are two readings."""
        if len(self._readings) < 2:
            return 0.0
        (start, first), (end, last) = self._readings[0], self._readings[-1]
        return max(0, last - first) * 1000 / max(1, end - start)


@dataclass(frozen=True, slots=True)
class CommandCounts:
    """How often a command ran, for how many µs altogether, and how often it was refused or failed."""

    calls: int
    microseconds: int
    rejected: int
    failed: int


class Statistics:
    """What INFO stats, errorstats, commandstats and latencystats are made of."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.bugs = 0
        self.errors: dict[str, int] = {}
        self.error_replies = 0
        self._counts_kinds = True
        self.commands_rate = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()
        self.rounds_rate = Rate()
        self.busy_rate = Rate()
        self._busy_before = 0

    def count_error(self, text: str) -> None:
        """An error reply was sent: counted by its code word, of which only so many are told apart."""
        self.error_replies += 1
        if not self._counts_kinds:
            return
        kind, space, _ = text[:ERROR_KIND_LENGTH_MAX].partition(" ")
        if not space:
            kind = "ERR"
        if kind not in self.errors and len(self.errors) >= ERROR_KINDS_MAX:
            log.warning(
                f"{ERROR_KINDS_MAX} kinds of errors were counted, which scripts may have made up; "
                "INFO errorstats counts none until CONFIG RESETSTAT."
            )
            self._counts_kinds = False
            self.errors = {"ERRORSTATS_DISABLED": 1}
            return
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def of_errors(self) -> dict[str, int]:
        """Error replies by code word, in order; with those for which workers closed connections."""
        errors = dict(self.errors)
        faults = self.of_workers()["protocol_errors"]
        if faults and self._counts_kinds:
            errors["ERR"] = errors.get("ERR", 0) + faults
        return dict(sorted(errors.items()))

    def of_workers(self) -> dict[str, int]:
        """The workers' counters, summed."""
        total: dict[str, int] = {}
        for worker in self._server.workers:
            for name, value in worker.statistics().items():
                total[name] = total.get(name, 0) + value
        return total

    def served(self) -> dict[bytes, int]:
        """The reads that workers answered, by command name."""
        total: dict[bytes, int] = {}
        for worker in self._server.workers:
            for name, count in worker.served().items():
                total[name] = total.get(name, 0) + count
        return total

    def of_commands(self) -> dict[bytes, CommandCounts]:
        """What was counted of each command that was called at all, by full name."""
        served = self.served()
        found = {}
        for name, (calls, microseconds, rejected, failed) in statistics().items():
            more = served.get(name, 0)
            if more and calls:
                microseconds += microseconds * more // calls
            if calls or more or rejected or failed:
                found[name] = CommandCounts(calls + more, microseconds, rejected, failed)
        return found

    def histograms(self) -> Iterator[tuple[Command, Histogram]]:
        """The durations of each command that has been timed, in the order of the registry."""
        served = self.served() if self._server.config.latency_tracking else {}
        for command in REGISTRY.walk():
            counts = histogram(command.id)
            if served.get(command.name):
                counts = counts or [0] * BUCKETS
                counts[last_bucket(command.id)] += served[command.name]
            if any(counts):   # none are there of calls while nobody tracked
                yield command, Histogram(counts)

    def busy(self) -> int:
        """µs of CPU time of this thread, the executor, since the start or the last reset."""
        return time.thread_time_ns() // 1000 - self._busy_before

    def sample(self, now: int) -> None:
        """Takes the readings for the rates; `now` in unix ms."""
        workers = self.of_workers()
        executor = self._server.executor
        self.commands_rate.sample(now, self._server.dispatcher.commands + workers["commands"])
        self.input_rate.sample(now, workers["net_in"])
        self.output_rate.sample(now, workers["net_out"])
        self.rounds_rate.sample(now, executor.rounds)
        self.busy_rate.sample(now, self.busy())

    def reset(self) -> None:
        """CONFIG RESETSTAT, for what is counted here."""
        self.errors.clear()
        self.error_replies = 0
        self._counts_kinds = True
        self._busy_before += self.busy()
        for rate in (self.commands_rate, self.input_rate, self.output_rate, self.rounds_rate, self.busy_rate):
            rate.reset()
