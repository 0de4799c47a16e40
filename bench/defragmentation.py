"""What defragmentation gives back and whether anybody waits for it, beside redis-server and beside a server without it.

Idea: KEYS small keys, of which nine in ten are deleted in random order, leave holes in every page. What RSS holds then
above the empty server is compared with what a fresh server takes for the keys that are left. Meanwhile a client asks
for a key as fast as it can over a connection of its own; the longest time that it waited, and the 99.9th percentile,
are told for the time of the pass, and for as long on a server that does not defragment. The client is a process of
its own, so what it waits for its turn on the CPU counts too: the server without defragmentation tells how much that is.
The longest step is what the server itself has noted (LATENCY, event active-defrag-cycle, in whole ms).

Run: `python -m bench.defragmentation [--keys 5000000] [--check] [--save FOLDER]`.
"""

import argparse
import multiprocessing
import random
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import batched
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from bench.cases import encode
from bench.contenders import HOST, Contender, Server, mtredis, redis
from bench.memory_truth import MEBIBYTE, Session
from bench.report import save_table

KEPT = 10               # one key in so many
PIPELINE = 200
PATIENCE = 90.0         # seconds that a pass may take
SETTLED = 3.0
LIMIT = 2.0             # times what a fresh server takes
PARAMETERS = {b"active-defrag-ignore-bytes": b"10mb", b"active-defrag-threshold-lower": b"5"}


@dataclass(frozen=True)
class Outcome:
    """Bytes above the empty server; waits in ms."""

    server: str
    full: int
    fragmented: int
    """After the deletions."""
    after: int
    """After PATIENCE or when RSS no longer falls."""
    fresh: int
    """What a fresh server takes for the keys that are left."""
    seconds: float
    longest_wait: float
    p999_wait: float
    longest_step: int
    fragmentation_ratio: str

    @property
    def times_fresh(self) -> float:
        return self.after / max(1, self.fresh)


def name_of(key: int) -> bytes:
    return b"key:%012d" % key


def sets(keys: Iterator[int]) -> Iterator[bytes]:
    return (encode(b"SET", name_of(key), b"%032d" % key) for key in keys)


def send(session: Session, requests: Iterator[bytes]) -> None:
    for batch in batched(requests, PIPELINE, strict=False):
        session.ask(*batch)


def ping(port: int, pipe: Pipe) -> None:
    """Asks until told to stop; sends the waits in ns since the last message."""
    waits: list[int] = []
    request = encode(b"GET", name_of(0))
    with socket.create_connection((HOST, port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            began = time.perf_counter_ns()
            client.sendall(request)
            client.recv(100)
            waits.append(time.perf_counter_ns() - began)
            time.sleep(0.0005)
            if len(waits) % 64 == 0 and pipe.poll():
                if pipe.recv() == "stop":
                    return
                pipe.send(waits)
                waits = []


def survivors(keys: int) -> list[int]:
    chosen = random.Random(4).sample(range(keys), keys // KEPT)
    return sorted(chosen)


def fresh_size(contender: Contender, folder: Path, keys: int) -> int:
    """RSS for the keys that are left, on a server that has had no others."""
    with Server(contender, folder) as server, Session(server) as session:
        session.ask(encode(b"PING"))
        base = server.rss()
        send(session, sets(iter(survivors(keys))))
        time.sleep(SETTLED)
        return server.rss() - base


def measure(contender: Contender, folder: Path, keys: int, defragments: bool) -> Outcome:
    """One server's run."""
    fresh = fresh_size(contender, folder, keys)
    with Server(contender, folder) as server, Session(server) as session:
        session.ask(encode(b"PING"))
        base = server.rss()
        send(session, sets(iter(range(keys))))
        full = server.rss() - base
        kept = set(survivors(keys))
        gone = [key for key in range(keys) if key not in kept]
        random.Random(5).shuffle(gone)
        send(session, (encode(b"DEL", *map(name_of, some)) for some in batched(gone, 20, strict=False)))
        fragmented = server.rss() - base
        ours, theirs = multiprocessing.Pipe()
        client = multiprocessing.Process(target=ping, args=(server.port, theirs), daemon=True)
        client.start()
        time.sleep(0.5)
        ours.send("start")
        ours.recv()
        if defragments:
            session.ask(encode(b"CONFIG", b"SET", b"latency-monitor-threshold", b"1"))
            for name, value in PARAMETERS.items():
                session.ask(encode(b"CONFIG", b"SET", name, value))
            session.ask(encode(b"CONFIG", b"SET", b"activedefrag", b"yes"))
        seconds = wait_for(session, defragments)
        ours.send("report")
        waits = sorted(ours.recv())
        ours.send("stop")
        client.join()
        ratio = session.info(b"memory")["mem_fragmentation_ratio"]
        assert session.number(b"DBSIZE") == keys // KEPT
        title = contender.name + ("" if defragments else ", no activedefrag")
        return Outcome(
            title, full, fragmented, server.rss() - base, fresh, seconds, waits[-1] / 1e6,
            waits[int(len(waits) * 0.999)] / 1e6, longest_step(session), ratio,
        )  # fmt: skip


def longest_step(session: Session) -> int:
    """In ms, of which a step of less is not noted."""
    (events,) = session.ask(encode(b"LATENCY", b"LATEST"))
    assert isinstance(events, list)
    return max((event[3] for event in events if event[0] == b"active-defrag-cycle"), default=0)


def wait_for(session: Session, defragments: bool) -> float:
    """Until the pass is over (or SETTLED without one); the seconds until then."""
    began = time.monotonic()
    idle_since = began
    while time.monotonic() - began < PATIENCE and time.monotonic() - idle_since < SETTLED * (1 if defragments else 3):
        time.sleep(0.2)
        if defragments and session.info(b"memory")["active_defrag_running"] != "0":
            idle_since = time.monotonic()
    return idle_since - began


def table(found: list[Outcome]) -> str:
    """The figures as Markdown, in MB."""
    lines = [
        "| server | full | after deletions | after the pass | fresh | times fresh | seconds | longest wait | "
        "p99.9 wait | longest step | mem_fragmentation_ratio |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found:
        sizes = [f"{size / MEBIBYTE:.0f} MB" for size in (each.full, each.fragmented, each.after, each.fresh)]
        lines.append(
            f"| {each.server} | {' | '.join(sizes)} | {each.times_fresh:.2f} | {each.seconds:.1f} | "
            f"{each.longest_wait:.2f} ms | {each.p999_wait:.2f} ms | {each.longest_step} ms | "
            f"{each.fragmentation_ratio} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measures and prints the table; with --check 1 when mtredis gives too little back."""
    parser = argparse.ArgumentParser(prog="python -m bench.defragmentation", description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=5_000_000, help="(default: 5,000,000)")
    parser.add_argument("--check", action="store_true", help="exit 1 when RSS stays above twice a fresh server's")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write defragmentation.md and .json there")
    parser.add_argument("--only-ours", action="store_true", help="leave redis-server out")
    parser.add_argument("--redis", type=Path, default=Path.home() / ".cache/mtredis/redis-8.0", metavar="FOLDER")
    arguments = parser.parse_args()
    runs = [(mtredis(), True), (mtredis(), False)]
    if not arguments.only_ours:
        runs += [(redis(arguments.redis), True), (redis(arguments.redis), False)]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for contender, defragments in runs:
            found.append(measure(contender, Path(folder), arguments.keys, defragments))
            print(found[-1], file=sys.stderr)
    print(table(found))
    if arguments.save:
        figures = [asdict(each) | {"times_fresh": round(each.times_fresh, 3)} for each in found]
        title = f"Defragmentation, {arguments.keys:,} keys"
        save_table(arguments.save, "defragmentation", title, table(found), figures)
    return 1 if arguments.check and found[0].times_fresh > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
