"""Bytes per collection of 2, 10, 100, 1000 and 100,000 elements of every type, beside redis-server.

Idea: the growth of the resident memory over many equal keys, divided by their number, on a server that was started for
this one figure: what an allocator keeps from before is in none. What INFO calls used_memory is reported as well, since
it has no pages that are only partly used, but the ratio that is judged is that of resident memory. Elements are the
same in all keys; no server shares them. An element has 16 bytes, a hash's value 16 more, a score is a fraction, an
entry of a stream has one field.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path

from bench import drivers
from bench.cases import Exchange, encode
from bench.contenders import BASELINE, Contender, Server
from bench.drivers import Connection, key_name
from bench.faults import BenchFault

KEYS = {2: 100_000, 10: 50_000, 100: 20_000, 1000: 1000, 100_000: 10}
"""Elements -> how many keys with so many there are."""
PER_REQUEST = 1000
FIRST_MILLISECOND = 1_700_000_000_000
REST_SECONDS = 0.3


def element(index: int) -> bytes:
    """16 bytes."""
    return b"element:%08d" % index


def _rpush(indexes: Sequence[int]) -> tuple[bytes, list[bytes], bytes]:
    return b"RPUSH", [element(index) for index in indexes], b":%d\r\n" % (indexes[-1] + 1)


def _hset(indexes: Sequence[int]) -> tuple[bytes, list[bytes], bytes]:
    pairs = [word for index in indexes for word in (element(index), b"value:%010d" % index)]
    return b"HSET", pairs, b":%d\r\n" % len(indexes)


def _sadd(indexes: Sequence[int]) -> tuple[bytes, list[bytes], bytes]:
    return b"SADD", [element(index) for index in indexes], b":%d\r\n" % len(indexes)


def _sadd_integers(indexes: Sequence[int]) -> tuple[bytes, list[bytes], bytes]:
    return b"SADD", [b"%d" % (1_000_000 + 7 * index) for index in indexes], b":%d\r\n" % len(indexes)


def _zadd(indexes: Sequence[int]) -> tuple[bytes, list[bytes], bytes]:
    pairs = [word for index in indexes for word in (b"%d.25" % index, element(index))]
    return b"ZADD", pairs, b":%d\r\n" % len(indexes)


def _xadd(indexes: Sequence[int]) -> tuple[bytes, list[bytes], bytes]:
    (index,) = indexes
    name = b"%d-0" % (FIRST_MILLISECOND + 10 * index)
    return b"XADD", [name, b"field", element(index)], b"$%d\r\n%b\r\n" % (len(name), name)


KINDS: dict[str, tuple[Callable[[Sequence[int]], tuple[bytes, list[bytes], bytes]], int]] = {
    "list": (_rpush, PER_REQUEST),
    "hash": (_hset, PER_REQUEST),
    "set": (_sadd, PER_REQUEST),
    "integers": (_sadd_integers, PER_REQUEST),
    "sorted set": (_zadd, PER_REQUEST),
    "stream": (_xadd, 1),
}
"""Kind -> what adds some elements, and how many it adds in one request."""


def exchanges(kind: str, size: int, keys: int) -> Iterator[Exchange]:
    """What makes so many keys of this kind and size."""
    adds, per_request = KINDS[kind]
    parts = []
    for batch in batched(range(size), per_request, strict=False):
        name, words, reply = adds(batch)
        body = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        parts.append((b"*%d\r\n$%d\r\n%b\r\n" % (len(words) + 2, len(name), name), body, reply))
    for index in range(keys):
        key = b"$16\r\n%b\r\n" % key_name(index)
        for start, body, reply in parts:
            yield start + key + body, reply


@dataclass(frozen=True)
class Sample:
    """One contender with one kind and size in one round: bytes per key."""

    round: int
    contender: str
    kind: str
    size: int
    keys: int
    rss: float
    used_memory: float

    @property
    def name(self) -> str:
        """How targets and the report call it: "hash of 10"."""
        return f"{self.kind} of {self.size}"


@dataclass
class PackedResult:
    """All rounds of all contenders."""

    samples: list[Sample] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)

    def medians(self) -> dict[str, dict[str, dict[str, float]]]:
        """Row -> contender -> figure -> median; beside the baseline also `rss_ratio` and `used_memory_ratio`."""
        table: dict[str, dict[str, dict[str, float]]] = {}
        for name in dict.fromkeys(sample.name for sample in self.samples):
            row = table[name] = {}
            for contender in dict.fromkeys(sample.contender for sample in self.samples if sample.name == name):
                own = [each for each in self.samples if (each.name, each.contender) == (name, contender)]
                row[contender] = {
                    figure: statistics.median(getattr(each, figure) for each in own)
                    for figure in ("rss", "used_memory")
                }
            if base := dict(row.get(BASELINE, {})):
                for figures in row.values():
                    figures |= {f"{figure}_ratio": figures[figure] / value for figure, value in base.items() if value}
        return table


def measure(
    contenders: Sequence[Contender], rounds: int, folder: Path, say: Callable[[str], None], share: float = 1.0
) -> PackedResult:
    """The bytes of every kind and size on every contender, in interleaved rounds; `share` of the usual keys."""
    result = PackedResult()
    for number in range(rounds):
        for kind in KINDS:
            say(f"bytes per {kind} (round {number + 1} of {rounds})")
            for size, usual in KEYS.items():
                for contender in random.sample(contenders, len(contenders)):
                    keys = max(1, round(usual * share))
                    try:
                        grown = _growth(contender, folder, kind, size, keys)
                    except (BenchFault, OSError) as fault:
                        result.faults[f"{contender.name}, {kind} of {size}"] = str(fault)
                        say(f"{kind} of {size}: {contender.name} failed: {fault}")
                    else:
                        result.samples.append(Sample(number, contender.name, kind, size, keys, *grown))
    return result


def _growth(contender: Contender, folder: Path, kind: str, size: int, keys: int) -> tuple[float, float]:
    """Resident and used memory in bytes per key."""
    with Server(contender, folder) as server, Connection(server) as connection:
        # what the first command of a kind, and the first batch of a connection, make a server allocate once
        drivers.add(connection, exchanges(kind, 2, 1))
        connection.exchange(b"PING\r\n" * 20_000, b"+PONG\r\n" * 20_000)
        connection.exchange(encode(b"FLUSHALL"), b"+OK\r\n")
        rss, used = server.rss(), connection.info(b"memory", b"used_memory")
        drivers.add(connection, exchanges(kind, size, keys))
        time.sleep(REST_SECONDS)
        return (server.rss() - rss) / keys, (connection.info(b"memory", b"used_memory") - used) / keys
