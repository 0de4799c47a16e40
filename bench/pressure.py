"""Whether RSS stays inside `maxmemory` while much more is written than fits.

Idea: one connection writes SETs of random keys in pipelines, and RSS is read a few times a second. First values of all
sizes mixed, four times the limit and more; then phases of one size each (every value within a quarter of it), three
times the limit per phase, which is the hardest case for an allocator: what goes leaves holes that are too small for
what comes. Reported is RSS above what the server held before any data, as a share of the limit: the worst of the phase,
and its end. The steady load must stay within STEADY_MAX.

Run: `python -m bench.pressure [--check] [--limit MEGABYTES] [--seconds N] [--save FOLDER]`; some five minutes.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.cases import encode
from bench.contenders import Contender, Server, mtredis, redis
from bench.memory_truth import MEBIBYTE, REST_SECONDS, Session
from bench.report import save_table

STEADY_MAX = 1.15
MIXED = (20, 100, 400, 1000, 4000)            # bytes per value
PHASES = (100, 1000, 4000, 300, 20_000, 150, 2000)
VOLUME_OF_PHASE = 3                           # limits that a phase writes
VOLUME_MIXED = 4                              # limits that the mixed load writes at least
BATCH_BYTES = 400_000
BATCH_MAX = 500
SAMPLE_SECONDS = 0.2
BYTES_PER_KEY = 60
UNIVERSE = 10**8                              # keys


@dataclass(frozen=True)
class Pressure:
    """RSS above the base, as a share of the limit."""

    load: str
    contender: str
    worst: float
    end: float


def request(size: int) -> bytes:
    """A SET of a random key to a value of about that size."""
    value = b"x" * random.randint(size * 3 // 4, size * 5 // 4)
    return encode(b"SET", b"key:%d" % random.randrange(UNIVERSE), value)


class Load:
    """What is written to one server, which has this limit in bytes."""

    def __init__(self, server: Server, session: Session, limit: int) -> None:
        self._server, self._session, self._limit = server, session, limit
        self._base = server.rss()

    def _share(self) -> float:
        return (self._server.rss() - self._base) / self._limit

    def write(self, name: str, sizes: tuple[int, ...], volume: int, seconds: float) -> Pressure:
        """Writes so many bytes, and for so long."""
        mean = sum(sizes) // len(sizes)
        count = max(1, min(BATCH_MAX, BATCH_BYTES // mean))
        ends, written, sampled, worst = time.monotonic() + seconds, 0, 0.0, 0.0
        while written < volume or time.monotonic() < ends:
            self._session.ask(*(request(random.choice(sizes)) for _ in range(count)))
            written += count * (mean + BYTES_PER_KEY)
            if time.monotonic() - sampled >= SAMPLE_SECONDS:
                sampled, worst = time.monotonic(), max(worst, self._share())
        return Pressure(name, self._server.name, worst, self._share())


def measure(contender: Contender, folder: Path, limit: int, seconds: float) -> Iterator[Pressure]:
    """The mixed load on a fresh server, then the phases on another."""
    with Server(contender, folder) as server, Session(server) as session:
        yield prepared(server, session, limit).write("mixed", MIXED, VOLUME_MIXED * limit, seconds)
    with Server(contender, folder) as server, Session(server) as session:
        load = prepared(server, session, limit)
        for number, size in enumerate(PHASES, 1):
            yield load.write(f"phase {number}: {size:,} bytes", (size,), VOLUME_OF_PHASE * limit, 0)


def prepared(server: Server, session: Session, limit: int) -> Load:
    """A server with the limit, at rest."""
    for name, value in ((b"maxmemory", b"%d" % limit), (b"maxmemory-policy", b"allkeys-lru")):
        session.ask(encode(b"CONFIG", b"SET", name, value))
    time.sleep(REST_SECONDS)
    return Load(server, session, limit)


def table(ours: list[Pressure], theirs: list[Pressure]) -> str:
    """The figures as Markdown."""
    lines = ["| load | mtredis: worst | end | redis: worst | end |", "|---|---|---|---|---|"]
    lines += [
        f"| {each.load} | {each.worst:.2f} | {each.end:.2f} | {other.worst:.2f} | {other.end:.2f} |"
        for each, other in zip(ours, theirs, strict=True)
    ]
    return "\n".join(lines)


def main() -> int:
    """Measures and prints the table; with --check 1 when the mixed load passes the limit by more than 15 %."""
    parser = argparse.ArgumentParser(prog="python -m bench.pressure", description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=200, metavar="MEGABYTES", help="maxmemory (default: 200)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the mixed load, at least (default: 60)")
    parser.add_argument("--check", action="store_true", help="exit 1 when mtredis's RSS passes 1.15 times the limit")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write pressure.md and .json there")
    parser.add_argument("--redis", type=Path, default=Path.home() / ".cache/mtredis/redis-8.0", metavar="FOLDER")
    arguments = parser.parse_args()
    limit = arguments.limit * MEBIBYTE
    found: list[list[Pressure]] = []
    with tempfile.TemporaryDirectory() as folder:
        for contender in (mtredis(), redis(arguments.redis)):
            random.seed(1)
            found.append([])
            for each in measure(contender, Path(folder), limit, arguments.seconds):
                found[-1].append(each)
                print(f"{each.contender}, {each.load}: {each.worst:.2f}, {each.end:.2f}", file=sys.stderr)
    print(table(*found))
    if arguments.save:
        figures = [asdict(each) for each in found[0] + found[1]]
        title = f"RSS above the base, as a share of maxmemory ({arguments.limit} MB)"
        save_table(arguments.save, "pressure", title, table(*found), figures)
    return 1 if arguments.check and found[0][0].worst > STEADY_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
