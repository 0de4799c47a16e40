"""What a BGSAVE costs while clients write, and how fast the file loads, beside redis-server.

Idea: a server holds a dataset of small strings and gets writes at half of the rate that redis-server can take from the
same client (blocks of SETs over one connection, random keys). A probing client asks for one random key each
millisecond. Then BGSAVE, some times over. Measured are the duration, the probe's latency meanwhile and before, and in
separate rounds (looking at a process's pages slows it down) the memory: the proportional set size (PSS) of the server
and its children, the highest during the save over the highest while only the writes went on. PSS counts a page that a
forked child shares with its parent once. Servers take turns, in random order.

Loading: both servers start on the file that redis-server wrote; the time until PING is answered, less the time that a
start without a file takes.

Run: `python -X gil=0 -m bench.saving [--keys 1000000 5000000] [--rounds 3]`.

Limits: on few cores the clients compete with the server and with the save; so they do for both.
"""

import argparse
import itertools
import random
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from bench import machine, report
from bench.cases import encode
from bench.contenders import HOST, Contender, Server, mtredis, redis
from bench.drivers import Connection, key_name
from bench.faults import BenchFault

VALUE_SIZE = 32
BLOCK = 64
BLOCKS = 2000
PROBE_SECONDS = 0.001
SAVES = 5
BASE_SECONDS = 1.0
CALIBRATE_SECONDS = 1.5
MEMORY_SECONDS = 0.05
MEBIBYTE = 1 << 20
RESULTS = machine.ROOT / "bench" / "results"

type Span = tuple[float, float]
"""Begin and end, by time.perf_counter."""


@dataclass(frozen=True)
class Save:
    """What BGSAVEs in one life of a server took; latencies in µs, sizes in bytes."""

    contender: str
    keys: int
    round: int
    seconds: float
    """Mean."""
    file_size: int
    writes_per_second: float
    """Reached while a save went on."""
    quiet: tuple[float, float, float]
    """p50, p99 and maximum of the probe while only the writes went on."""
    busy: tuple[float, float, float]
    """The same during the saves."""
    dataset: int
    """Growth of the server's memory by the data."""
    extra: int
    """Peak during the save over the peak before it; 0 in a round that measures latency."""

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.file_size / self.seconds / 1e6


def value_of(number: int) -> bytes:
    """What compresses as badly as real data."""
    return b"%032x" % (number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128))


def set_requests(numbers: Sequence[int]) -> bytes:
    return b"".join(encode(b"SET", key_name(number), value_of(number + 1)) for number in numbers)


class Companion:
    """A thread that does something while a `with` lasts. A subclass has `run`, which ends soon after `stop` is set."""

    def __init__(self, connection: socket.socket | None = None) -> None:
        self.stop = threading.Event()
        self._connection = connection
        self._thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()


def connect(server: Server) -> socket.socket:
    connection = socket.create_connection((HOST, server.port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Writer(Companion):
    """Sends blocks of SETs at a rate (0: as fast as it can)."""

    def __init__(self, server: Server, keys: int, rate: float) -> None:
        self._socket = connect(server)
        super().__init__(self._socket)
        chance = random.Random(keys)
        self._blocks = [set_requests([chance.randrange(keys) for _ in range(BLOCK)]) for _ in range(BLOCKS)]
        self._rate = rate
        self.written = 0

    def run(self) -> None:
        began = time.perf_counter()
        wanted = len(b"+OK\r\n") * BLOCK
        for block in itertools.cycle(self._blocks):
            if self.stop.is_set():
                break
            self._socket.sendall(block)
            got = 0
            while got < wanted:
                got += len(self._socket.recv(wanted - got))
            self.written += BLOCK
            if self._rate:
                time.sleep(max(0.0, began + self.written / self._rate - time.perf_counter()))


class Probe(Companion):
    """Asks for one key each millisecond and notes (when, how long), in seconds."""

    def __init__(self, server: Server, keys: int) -> None:
        self._socket = connect(server)
        super().__init__(self._socket)
        self._keys = keys
        self.samples: list[tuple[float, float]] = []

    def run(self) -> None:
        chance = random.Random()
        while not self.stop.is_set():
            request = encode(b"GET", key_name(chance.randrange(self._keys)))
            began = time.perf_counter()
            self._socket.sendall(request)
            reply = self._socket.recv(100)
            while len(reply) < VALUE_SIZE + 7:
                reply += self._socket.recv(100)
            ended = time.perf_counter()
            self.samples.append((began, ended - began))
            time.sleep(PROBE_SECONDS)

    def during(self, times: Sequence[Span]) -> tuple[float, float, float]:
        """p50, p99, maximum in µs of what began in these times."""
        samples = list(self.samples)
        taken = sorted(took * 1e6 for began, took in samples for begin, end in times if begin <= began <= end)
        if not taken:
            raise BenchFault("the probe got no reply in time")
        return taken[len(taken) // 2], taken[min(len(taken) - 1, len(taken) * 99 // 100)], taken[-1]


class MemoryPeak(Companion):
    """Notes the highest PSS of a server and its children."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._pid = server.pid
        self.peak = 0

    def run(self) -> None:
        while not self.stop.is_set():
            self.peak = max(self.peak, pss(self._pid))
            time.sleep(MEMORY_SECONDS)


def pss(pid: int) -> int:
    """Of the process and its children, in bytes; a child that ends meanwhile counts as nothing."""
    total = 0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *children):
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total


def fill(server: Server, keys: int) -> None:
    """The server holds so many keys."""
    with Connection(server) as connection:
        for start in range(0, keys, 500):
            numbers = range(start, min(keys, start + 500))
            connection.exchange(set_requests(numbers), b"+OK\r\n" * len(numbers))


def save(server: Server) -> Span:
    """When a BGSAVE began and ended."""
    with Connection(server) as connection:
        began = time.perf_counter()
        connection.exchange(encode(b"BGSAVE"), b"+Background saving started\r\n")
        while connection.info(b"persistence", b"rdb_bgsave_in_progress"):
            time.sleep(0.01)
        return began, time.perf_counter()


def calibrate(contender: Contender, folder: Path, keys: int) -> float:
    """SETs per second that the contender takes from the writer."""
    with Server(contender, folder) as server:
        fill(server, min(keys, 100_000))
        with Writer(server, keys, 0) as writer:
            time.sleep(CALIBRATE_SECONDS)
            return writer.written / CALIBRATE_SECONDS


def measure_save(contender: Contender, folder: Path, keys: int, rate: float, number: int, has_memory: bool) -> Save:
    """BGSAVEs under writes, all the same; one when the memory is what is looked at."""
    quiet: list[Span] = []
    busy: list[Span] = []
    extra = written = 0
    with Server(contender, folder) as server:
        before = pss(server.pid)
        fill(server, keys)
        dataset = pss(server.pid) - before
        with Writer(server, keys, rate) as writer, Probe(server, keys) as probe:
            for _ in range(1 if has_memory else SAVES):
                began = time.perf_counter()
                with MemoryPeak(server) if has_memory else nullcontext() as base:
                    time.sleep(BASE_SECONDS)
                quiet.append((began, time.perf_counter()))
                written -= writer.written
                with MemoryPeak(server) if has_memory else nullcontext() as peak:
                    busy.append(save(server))
                written += writer.written
                if base is not None and peak is not None:
                    extra = peak.peak - base.peak
        size = (server.data / "dump.rdb").stat().st_size
        seconds = sum(ended - began for began, ended in busy)
        return Save(
            contender.name, keys, number, seconds / len(busy), size, written / seconds,
            probe.during(quiet), probe.during(busy), dataset, extra,
        )  # fmt: skip


@dataclass
class Load:
    """Starts on one file; seconds."""

    contender: str
    keys: int
    file_size: int
    empty: list[float] = field(default_factory=list)
    full: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """What the file adds to a start."""
        return statistics.median(self.full) - statistics.median(self.empty)


def start_seconds(contender: Contender, folder: Path, file: Path | None, keys: int) -> float:
    """How long until PING is answered; with a file, all of its keys are there then."""
    data = Path(tempfile.mkdtemp(dir=folder))
    if file is not None:
        shutil.copy(file, data / "dump.rdb")
    began = time.perf_counter()
    with Server(contender, folder, data) as server:
        took = time.perf_counter() - began
        with Connection(server) as connection:
            connection.exchange(encode(b"DBSIZE"), b":%d\r\n" % (keys if file else 0))
    shutil.rmtree(data)
    return took


def dump_of(contender: Contender, folder: Path, keys: int) -> Path:
    """An RDB file with so many keys."""
    with Server(contender, folder) as server:
        fill(server, keys)
        save(server)
        return (server.data / "dump.rdb").rename(folder / f"{keys}.rdb")


def measure_loads(lineup: Sequence[Contender], folder: Path, keys: int, rounds: int) -> list[Load]:
    """Both servers, in turns, on the file that the second wrote."""
    file = dump_of(lineup[-1], folder, keys)
    loads = {each.name: Load(each.name, keys, file.stat().st_size) for each in lineup}
    for _ in range(rounds):
        for contender in random.sample(lineup, len(lineup)):
            loads[contender.name].empty.append(start_seconds(contender, folder, None, keys))
            loads[contender.name].full.append(start_seconds(contender, folder, file, keys))
    file.unlink()
    return list(loads.values())


@dataclass
class Findings:
    """All that was measured."""

    saves: list[Save] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    rates: dict[int, float] = field(default_factory=dict)


def measure(lineup: Sequence[Contender], keys: Sequence[int], rounds: int, say: Callable[[str], None]) -> Findings:
    """Every size; the memory in the last round of each."""
    found = Findings()
    with tempfile.TemporaryDirectory(prefix="mtredis-saving-") as name:
        folder = Path(name)
        for count in keys:
            found.rates[count] = calibrate(lineup[-1], folder, count) / 2
            say(f"{count:,} keys, {found.rates[count]:,.0f} SETs a second")
            for number in range(rounds + 1):
                for contender in random.sample(lineup, len(lineup)):
                    say(f"{count:,} keys: {contender.name}, round {number + 1} of {rounds + 1}")
                    made = measure_save(contender, folder, count, found.rates[count], number, number == rounds)
                    found.saves.append(made)
            say(f"{count:,} keys: loading")
            found.loads += measure_loads(lineup, folder, count, rounds)
    return found


def table(found: Findings) -> str:
    """The medians as Markdown."""
    lines = [
        "| keys | server | SETs/s meanwhile | probe before: p50 / p99 / max µs | during the save: p50 / p99 / max µs "
        "| save, s | MB/s | extra memory | of the dataset | load, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for keys, contender in dict.fromkeys((each.keys, each.contender) for each in found.saves):
        rounds = [each for each in found.saves if (each.keys, each.contender) == (keys, contender)]
        *timed, weighed = rounds
        load = next(each for each in found.loads if (each.keys, each.contender) == (keys, contender))
        middle = statistics.median
        cells = [
            f"{keys:,}", contender, f"{middle(each.writes_per_second for each in timed):,.0f}",
            " / ".join(f"{middle(each.quiet[at] for each in timed):,.0f}" for at in range(3)),
            " / ".join(f"{middle(each.busy[at] for each in timed):,.0f}" for at in range(3)),
            f"{middle(each.seconds for each in timed):.2f}", f"{middle(each.rate for each in timed):.0f}",
            f"{weighed.extra / MEBIBYTE:,.0f} MiB", f"{100 * weighed.extra / weighed.dataset:.0f} %",
            f"{load.seconds:.2f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def document(found: Findings, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the JSON file holds."""
    return {
        "facts": machine.facts(arguments.redis),
        "parameters": {"keys": arguments.keys, "rounds": arguments.rounds, "writes_per_second": found.rates},
        "saves": [asdict(each) | {"megabytes_per_second": each.rate} for each in found.saves],
        "loads": [asdict(each) | {"seconds": each.seconds} for each in found.loads],
    }


def main() -> int:
    """Measures, prints, writes bench/results/saving.json and .md."""
    parser = argparse.ArgumentParser(prog="python -m bench.saving", description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=3, help="of latency; memory has one more (default: 3)")
    parser.add_argument("--redis", type=Path, default=Path.home() / ".cache/mtredis/redis-8.0", metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()

    def say(line: str) -> None:
        print(f"bench: {line}", file=sys.stderr, flush=True)

    found = measure([mtredis(), redis(arguments.redis)], arguments.keys, arguments.rounds, say)
    contents = document(found, arguments)
    text = f"{machine.summary(contents['facts'])}\n`python -X gil=0 -m bench.saving`\n\n{table(found)}\n"
    print(text)
    report.write_json(arguments.output / "saving.json", contents)
    (arguments.output / "saving.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
