"""Memory per key and per connection, what idle connections cost, and how fast connections are accepted.

Idea: growth of the resident memory divided by what made it grow, on servers that were started for this and have seen
nothing else. Accepting is measured in bursts smaller than any backlog, each connection served once: the client's part
of the rate is Python's, so the server's CPU per connection is the figure to trust.
"""

import random
import socket
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from itertools import batched
from pathlib import Path

from bench.cases import encode
from bench.contenders import HOST, Contender, Server
from bench.drivers import Connection, key_name
from bench.faults import BenchFault

KEYS = 1_000_000
VALUE_SIZE = 32
FIRST_INTEGER = 1_000_000  # no small integer that a server may share
CONNECTIONS = 10_000
BURST = 100
MEBIBYTE = 1024 * 1024
IDLE_SECONDS = 10.0
REST_SECONDS = 0.5


@dataclass(frozen=True)
class Footprint:
    """What one server needed."""

    bytes_per_key: float
    bytes_per_integer: float
    bytes_per_connection: float
    idle_cpu_percent: float
    """Of one core, with all connections open and silent."""
    accepted_per_second: float
    cpu_per_connection: float
    """CPU of the server in µs for accepting, one PING, and nothing else."""
    mib_at_start: float
    """Resident memory of the whole server before anything came, in MiB."""


FIGURES = tuple(each.name for each in fields(Footprint))


@dataclass
class FootprintResult:
    """All rounds of all contenders."""

    samples: dict[str, list[Footprint]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def medians(self) -> dict[str, dict[str, float]]:
        """Contender -> figure -> median."""
        return {
            name: {figure: statistics.median(getattr(each, figure) for each in samples) for figure in FIGURES}
            for name, samples in self.samples.items()
        }


def measure(
    contenders: Sequence[Contender],
    rounds: int,
    folder: Path,
    say: Callable[[str], None],
    connections: int = CONNECTIONS,
) -> FootprintResult:
    """The footprint of every contender, in interleaved rounds."""
    result = FootprintResult()
    for number in range(rounds):
        for contender in random.sample(contenders, len(contenders)):
            if contender.name in result.faults:
                continue
            say(f"memory and connections of {contender.name} (round {number + 1} of {rounds})")
            try:
                sample = _footprint(contender, folder, connections)
            except (BenchFault, OSError) as fault:
                result.faults[contender.name] = str(fault)
                say(f"memory and connections: {contender.name} failed: {fault}")
            else:
                result.samples.setdefault(contender.name, []).append(sample)
    return result


def _footprint(contender: Contender, folder: Path, connections: int) -> Footprint:
    value = b"x" * VALUE_SIZE
    with Server(contender, folder) as server:
        per_key = _bytes_per_key(server, (value for _ in range(KEYS)))
    with Server(contender, folder) as server:
        per_integer = _bytes_per_key(server, (b"%d" % number for number in range(FIRST_INTEGER, FIRST_INTEGER + KEYS)))
    with Server(contender, folder) as server:
        mib_at_start = server.rss() / MEBIBYTE
        return Footprint(per_key, per_integer, *_connections(server, connections), mib_at_start)


def _bytes_per_key(server: Server, values: Iterable[bytes]) -> float:
    with Connection(server) as connection:
        connection.exchange(encode(b"SET", key_name(0), b"x"), b"+OK\r\n")
        before = server.rss()
        for batch in batched(enumerate(values), 100, strict=True):
            request = b"".join(encode(b"SET", key_name(index), value) for index, value in batch)
            connection.exchange(request, b"+OK\r\n" * len(batch))
        time.sleep(REST_SECONDS)
        return (server.rss() - before) / KEYS


def _connections(server: Server, count: int) -> tuple[float, float, float, float]:
    """Bytes per connection, idle CPU in percent, connections per second, CPU µs per connection."""
    with ExitStack() as stack:
        _burst(server, stack)  # what the first clients make a server allocate once
        rss, cpu, began = server.rss(), server.settled_cpu_seconds(), time.perf_counter()
        for _ in range(count // BURST):
            _burst(server, stack)
        elapsed = time.perf_counter() - began
        cpu_used = server.settled_cpu_seconds() - cpu
        time.sleep(REST_SECONDS)
        per_connection = (server.rss() - rss) / count
        cpu = server.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        idle = (server.cpu_seconds() - cpu) / IDLE_SECONDS * 100
    return per_connection, idle, count / elapsed, cpu_used / count * 1e6


def _burst(server: Server, stack: ExitStack) -> None:
    """BURST more connections are open, and each was served."""
    opened = [stack.enter_context(socket.create_connection((HOST, server.port), timeout=30)) for _ in range(BURST)]
    for connection in opened:
        connection.sendall(b"PING\r\n")
    for connection in opened:
        if connection.recv(7) != b"+PONG\r\n":
            raise BenchFault(f"{server.name} did not serve a new connection")
