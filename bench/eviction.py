"""How good eviction is at keeping what will be asked for: hit ratios of LRU and LFU beside redis-server.

Idea: a cache in front of something slow. Each request of a trace is a GET, and each miss is followed by a SET, against
two redis-server and two mtredis at once (LRU and LFU each). All get the same requests in the same order and second, for
the access clock of LRU has a resolution of a second in both. All hold the same number of keys: `maxmemory` is set to
what KEYS of them take and then follows the number held, so that memory per key plays no part. `exact` is an LRU that
makes no mistakes, simulated.

The first half of a trace is warm-up; the second half is counted. Run: `python -m bench.eviction [--seconds 30]`.

Limits: one client at a fixed pace, so nothing is said about speed; half a point of the ratios is noise.
"""

import argparse
import random
import socket
import sys
import tempfile
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate, count
from pathlib import Path

import hiredis

from bench.cases import encode
from bench.contenders import HOST, Contender, Server, mtredis, redis
from bench.faults import BenchFault

KEYS = 20_000
UNIVERSE = 10 * KEYS
VALUE = b"v" * 64
BATCH = 250
PACE = 10_000              # requests per second to each server
SCAN_SHARE = 0.25
POLICIES = ("allkeys-lru", "allkeys-lfu")

type Trace = Callable[[random.Random], Iterator[int]]


def zipf(exponent: float) -> Trace:
    """Keys of which the n-th most popular is asked for in proportion to 1 / n ** exponent."""
    sums = list(accumulate(1 / rank**exponent for rank in range(1, UNIVERSE + 1)))

    def trace(chance: random.Random) -> Iterator[int]:
        while True:
            yield bisect_left(sums, chance.random() * sums[-1])

    return trace


def with_scan(trace: Trace, share: float = SCAN_SHARE) -> Trace:
    """The trace, mixed with a walk through keys that nobody asks for again soon."""

    def mixed(chance: random.Random) -> Iterator[int]:
        scanned = count(UNIVERSE)
        for key in trace(chance):
            yield next(scanned) if chance.random() < share else key

    return mixed


def traces() -> dict[str, Trace]:
    """What is measured, by name."""
    plain = {f"zipf {exponent}": zipf(exponent) for exponent in (0.7, 0.99, 1.2)}
    return plain | {f"{name} + scan": with_scan(plain[name]) for name in ("zipf 0.99", "zipf 1.2")}


class ExactLru:
    """The simulated cache."""

    def __init__(self) -> None:
        self.held: OrderedDict[int, None] = OrderedDict()

    def ask(self, key: int) -> bool:
        """Whether the key was there; it is now."""
        hit = key in self.held
        if hit:
            self.held.move_to_end(key)
        else:
            self.held[key] = None
            if len(self.held) > KEYS:
                self.held.popitem(last=False)
        return hit


class Cache:
    """A running server as a cache of KEYS keys."""

    def __init__(self, server: Server, policy: str) -> None:
        self.name, self.policy, self.is_ours = server.name, policy, server.contender.is_ours
        self._socket = socket.create_connection((HOST, server.port), timeout=60)
        self._replies = hiredis.Reader()
        self.limit = self.bytes_per_key = 0
        self.hits = 0
        self.held: list[int] = []

    def ask(self, *requests: bytes) -> list[object]:
        """The replies to a pipeline."""
        self._socket.sendall(b"".join(requests))
        replies: list[object] = []
        while len(replies) < len(requests):
            reply = self._replies.gets()
            if reply is not False:
                if isinstance(reply, hiredis.ReplyError):
                    raise BenchFault(f"{self.name}: {reply}")
                replies.append(reply)
                continue
            data = self._socket.recv(1 << 16)
            if not data:
                raise BenchFault(f"{self.name} closed the connection")
            self._replies.feed(data)
        return replies

    def _used(self) -> int:
        (text,) = self.ask(encode(b"INFO", b"memory"))
        assert isinstance(text, bytes)
        facts = dict(line.partition(b":")[::2] for line in text.splitlines())
        used = int(facts[b"used_memory"])
        return used - int(facts[b"mem_not_counted_for_evict"]) if self.is_ours else used

    def fill(self) -> None:
        """Empty, then full: `maxmemory` is what KEYS keys of the universe take."""
        self.ask(encode(b"CONFIG", b"SET", b"maxmemory", b"0"), encode(b"FLUSHALL"))
        self.ask(encode(b"CONFIG", b"SET", b"maxmemory-policy", self.policy.encode()))
        empty = self._used()
        for start in range(0, KEYS, BATCH):
            self.ask(*(set_request(key) for key in range(start, start + BATCH)))
        self.limit = self._used()
        self.bytes_per_key = (self.limit - empty) // KEYS
        self.hits, self.held = 0, []
        self.steer()

    def steer(self) -> None:
        """Moves the limit towards KEYS keys held."""
        (held,) = self.ask(encode(b"DBSIZE"))
        assert isinstance(held, int)
        self.held.append(held)
        self.limit += (KEYS - held) * self.bytes_per_key // 4
        self.ask(encode(b"CONFIG", b"SET", b"maxmemory", b"%d" % self.limit))

    def serve(self, keys: list[int]) -> None:
        """Asks for the keys, and stores those that are missing."""
        replies = self.ask(*map(get_request, keys))
        missing = {key for key, reply in zip(keys, replies, strict=True) if reply is None}
        self.hits += len(keys) - sum(reply is None for reply in replies)
        if missing:
            self.ask(*map(set_request, missing))

    def close(self) -> None:
        self._socket.close()


def name_of(key: int) -> bytes:
    return b"key:%010d" % key


def get_request(key: int) -> bytes:
    return b"*2\r\n$3\r\nGET\r\n$14\r\nkey:%010d\r\n" % key


def set_request(key: int) -> bytes:
    return encode(b"SET", name_of(key), VALUE)


@dataclass
class Figures:
    """Hit ratios in percent by (server, policy), and how many keys each held on the average."""

    ratios: dict[tuple[str, str], float] = field(default_factory=dict)
    held: dict[tuple[str, str], float] = field(default_factory=dict)
    exact: float = 0.0


def measure(caches: list[Cache], trace: Trace, seconds: float) -> Figures:
    """One trace on all caches, `seconds` of it, of which the second half counts."""
    for cache in caches:
        cache.fill()
    exact, exact_hits, counted = ExactLru(), 0, 0
    requests = trace(random.Random(4))
    batches = int(seconds * PACE) // BATCH
    started = time.monotonic()
    for number in range(batches):
        keys = [next(requests) for _ in range(BATCH)]
        hits = sum(map(exact.ask, keys))
        if number == batches // 2:
            for cache in caches:
                cache.hits, cache.held = 0, []
        if number >= batches // 2:
            counted += BATCH
            exact_hits += hits
        for cache in caches:
            cache.serve(keys)
            if number % (PACE // BATCH // 4) == 0:
                cache.steer()
        time.sleep(max(0.0, started + (number + 1) * BATCH / PACE - time.monotonic()))
    figures = Figures(exact=100 * exact_hits / counted)
    for cache in caches:
        figures.ratios[cache.name, cache.policy] = 100 * cache.hits / counted
        figures.held[cache.name, cache.policy] = sum(cache.held) / len(cache.held)
    return figures


def table(found: dict[str, Figures]) -> str:
    """The figures as Markdown."""
    columns = [("redis", policy) for policy in POLICIES] + [("mtredis", policy) for policy in POLICIES]
    lines = [
        "| trace | exact LRU | " + " | ".join(f"{name} {policy.removeprefix('allkeys-')}" for name, policy in columns)
        + " | keys held |",
        "|---|---|" + "---|" * len(columns) + "---|",
    ]  # fmt: skip
    for name, figures in found.items():
        cells = [f"{figures.exact:.1f}"] + [f"{figures.ratios[column]:.1f}" for column in columns]
        held = " / ".join(f"{figures.held[column]:.0f}" for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} | {held} |")
    return "\n".join(lines)


def main() -> int:
    """Measures and prints the table; 1 when mtredis is more than a point behind anywhere."""
    parser = argparse.ArgumentParser(prog="python -m bench.eviction", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="of each trace (default: 30)")
    parser.add_argument("--redis", type=Path, default=Path.home() / ".cache/mtredis/redis-8.0", metavar="FOLDER")
    parser.add_argument("--only", help="one trace, by its name")
    arguments = parser.parse_args()
    contenders: list[Contender] = [redis(arguments.redis), mtredis()]
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        caches = []
        for contender in contenders:
            for policy in POLICIES:
                caches.append(Cache(stack.enter_context(Server(contender, Path(folder))), policy))
                stack.callback(caches[-1].close)
        for name, trace in traces().items():
            if arguments.only in (None, name):
                found[name] = measure(caches, trace, arguments.seconds)
    print(table(found))
    behind = [
        f"{name}, {policy}" for name, figures in found.items() for policy in POLICIES
        if figures.ratios["mtredis", policy] < figures.ratios["redis", policy] - 1
    ]  # fmt: skip
    print("more than a point behind: " + "; ".join(behind) if behind else "nowhere more than a point behind")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
