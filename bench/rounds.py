"""The order of the measurements, and what is made of them.

Idea: everything that disturbs a machine drifts slowly, so for each row every round takes all contenders one after the
other, in an order drawn anew. What is reported is the median over the rounds; a ratio is the median of the rounds' own
ratios, so that a disturbance that lasts longer than a round cancels out. All contenders of a row get the same number
of requests (as many as the baseline serves in the wanted seconds), so that connecting weighs the same for all.

A contender that fails in a row has its fault in the result, and the others go on.
"""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench import cases, drivers
from bench.contenders import BASELINE, Server
from bench.drivers import Load, RedisBenchmark
from bench.faults import BenchFault
from bench.workloads import Row

WARM_UP_SECONDS = 0.25


@dataclass(frozen=True)
class Sample:
    """One contender in one round of one row; times in microseconds."""

    round: int
    contender: str
    requests: int
    rps: float
    p50: float
    p99: float
    cpu: float
    """CPU of the server per request."""


@dataclass
class Medians:
    """One line of the table."""

    rps: float
    p50: float
    p99: float
    cpu: float
    cpu_ratio: float | None = None
    """The baseline's CPU per request ÷ this one's: above 1 is cheaper than Redis."""
    speed_ratio: float | None = None
    """These requests/s ÷ the baseline's: above 1 is faster than Redis."""
    p50_ratio: float | None = None
    """This p50 ÷ the baseline's: below 1 is faster than Redis."""


@dataclass
class Result:
    """All rounds of one row."""

    row: Row
    samples: list[Sample] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)

    def medians(self) -> dict[str, Medians]:
        """Contender -> its medians; without those that have no sample."""
        by_name: dict[str, dict[int, Sample]] = {}
        for sample in self.samples:
            by_name.setdefault(sample.contender, {})[sample.round] = sample
        baseline = by_name.get(BASELINE, {})
        return {name: _medians(samples, baseline) for name, samples in by_name.items()}


def _medians(samples: dict[int, Sample], baseline: dict[int, Sample]) -> Medians:
    def middle(figure: str) -> float:
        return statistics.median(getattr(sample, figure) for sample in samples.values())

    medians = Medians(middle("rps"), middle("p50"), middle("p99"), middle("cpu"))
    pairs = [(samples[number], baseline[number]) for number in samples if number in baseline]
    if pairs:
        medians.cpu_ratio = statistics.median(_quotient(theirs.cpu, own.cpu) for own, theirs in pairs)
        medians.speed_ratio = statistics.median(_quotient(own.rps, theirs.rps) for own, theirs in pairs)
        medians.p50_ratio = statistics.median(_quotient(own.p50, theirs.p50) for own, theirs in pairs)
    return medians


def _quotient(dividend: float, divisor: float) -> float:
    return dividend / divisor if divisor else float("nan")


class Rounds:
    """Measures rows on servers; `say` gets a line of progress now and then."""

    def __init__(self, servers: Sequence[Server], benchmark: RedisBenchmark, say: Callable[[str], None]) -> None:
        self._servers = servers
        self._benchmark = benchmark
        self._say = say
        self._filled: tuple[object, ...] | None = None
        self._logging = ""

    def measure(self, rows: Sequence[Row], rounds: int, seconds: float) -> list[Result]:
        """The results of all rows, in their order."""
        results = []
        for number, row in enumerate(rows, 1):
            self._say(f"{row.name} ({number} of {len(rows)})")
            results.append(self._measure_row(row, rounds, seconds))
        return results

    def _measure_row(self, row: Row, rounds: int, seconds: float) -> Result:
        result = Result(row)
        self._log(row.log)
        self.fill(row)
        requests = self._warm_up(row, result, seconds)
        for number in range(rounds):
            for server in random.sample(self._servers, len(self._servers)):
                if server.name in result.faults:
                    continue
                sample = self._attempt(result, server, requests, seconds, number)
                if sample is not None:
                    result.samples.append(sample)
        return result

    def _log(self, appendfsync: str) -> None:
        """All servers write an AOF in this way, or none."""
        if appendfsync != self._logging:
            for server in self._servers:
                drivers.log_writes(server, appendfsync)
            self._logging = appendfsync

    def fill(self, row: Row) -> None:
        """All servers hold the row's data (whatever ran before only overwrote them, or added counters)."""
        if row.is_laid_each_time:
            self._filled = None
            return
        wanted: tuple[object, ...] = (row.keys, row.size)
        if row.case is not None:
            wanted = ("members", row.members) if row.members else (row.case.dataset, row.case.amount)
        if self._filled != wanted:
            for server in self._servers:
                self._lay(server, row)
            self._filled = wanted

    @staticmethod
    def _lay(server: Server, row: Row, requests: int = 0) -> None:
        """The server holds the row's data, enough for so many requests where they use them up."""
        if row.case is None:
            drivers.fill(server, row.keys, row.size)
        elif row.members:
            drivers.lay(server, cases.curve_exchanges(row.members))
        else:
            amount = row.case.amount or requests + row.clients * row.pipeline  # redis-benchmark may send a few more
            drivers.lay(server, cases.exchanges(row.case.dataset, amount))

    def _warm_up(self, row: Row, result: Result, seconds: float) -> int:
        """Loads every server shortly; how many requests the baseline serves in so many seconds."""
        rates = {}
        for server in self._servers:
            sample = self._attempt(result, server, row.warm_up_requests, WARM_UP_SECONDS, -1)
            if sample is not None:
                rates[server.name] = sample.rps
        rate = rates.get(BASELINE) or max(rates.values(), default=0.0)
        return max(row.least_requests, int(rate * seconds))

    def _attempt(self, result: Result, server: Server, requests: int, seconds: float, number: int) -> Sample | None:
        try:
            load, cpu = self.load(server, result.row, requests, seconds)
        except (BenchFault, OSError) as fault:
            server.check_alive()
            result.faults[server.name] = str(fault)
            self._say(f"{result.row.name}: {server.name} failed: {fault}")
            return None
        return Sample(number, server.name, load.requests, load.rps, load.p50, load.p99, cpu)

    def load(self, server: Server, row: Row, requests: int, seconds: float) -> tuple[Load, float]:
        """Loads one server once; what the clients saw, and the server's CPU per request in microseconds."""
        if row.is_laid_each_time:
            self._lay(server, row, requests)
        errors = drivers.error_replies(server)
        before = server.settled_cpu_seconds()
        if row.is_latency:
            load = drivers.probe_latency(server, row, seconds)
        else:
            load = self._benchmark.run(server, row, requests)
        used = server.settled_cpu_seconds() - before
        if drivers.error_replies(server) != errors:
            raise BenchFault(f"{server.name} answered with errors")
        return load, used / load.requests * 1e6
