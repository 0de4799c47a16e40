"""What loads a server: redis-benchmark as it comes, and for one client a probe that measures in nanoseconds.

Idea: every driver takes (server, row, amount) and says what the clients saw, as a `Load`. redis-benchmark's CSV is
read by its header, from the line on that starts it. A mixed load is two redis-benchmarks at once.

Limits: redis-benchmark pauses 50 ms after each 64 connections that it opens, so 10,000 take it 8 s: in no figure, but
in the time that the bench takes. With a mixed load p50 is the mean of both parts' weighted by their requests, p99 the
worse of both.
"""

import csv
import random
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, cycle
from pathlib import Path

from bench.cases import Exchange, encode
from bench.contenders import HOST, Server
from bench.faults import BenchFault
from bench.workloads import Row

GET_SHARE = 0.8
CSV_HEADER = '"test","rps"'
SETS_PER_BATCH = 64
BATCH_BYTES = 256 * 1024


@dataclass(frozen=True)
class Load:
    """What the clients saw of one run; latencies in microseconds."""

    requests: int
    rps: float
    p50: float
    p99: float


class Connection:
    """A blocking connection to a server for requests whose replies have a known length."""

    def __init__(self, server: Server, timeout: float = 60.0) -> None:
        self._socket = socket.create_connection((HOST, server.port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def exchange(self, request: bytes, start: bytes, length: int = 0) -> None:
        """Sends the request and reads the reply: so many bytes that start so (without a length: exactly `start`)."""
        length = length or len(start)
        self._socket.sendall(request)
        reply = self._socket.recv(length)
        while len(reply) < length:
            more = self._socket.recv(length - len(reply))
            if not more:
                raise BenchFault(f"the server closed the connection after {reply[:200]!r}")
            reply += more
        if not reply.startswith(start):
            raise BenchFault(f"expected a reply that starts with {start[:200]!r}, got {reply[:200]!r}")

    def info(self, section: bytes, name: bytes) -> int:
        """A number that the server tells of itself."""
        self._socket.sendall(encode(b"INFO", section))
        with self._socket.makefile("rb") as reply:
            length = int(reply.readline()[1:])
            facts = dict(line.partition(b":")[::2] for line in reply.read(length + 2).splitlines())
        return int(facts[name])


def key_name(index: int) -> bytes:
    """The key that redis-benchmark -r makes of a number: 16 bytes."""
    return b"key:%012d" % index


def fill(server: Server, keys: int, size: int) -> None:
    """The server then holds these keys, each with a value of `size` bytes, and nothing else."""
    value = b"x" * size
    with Connection(server) as connection:
        connection.exchange(encode(b"FLUSHALL"), b"+OK\r\n")
        per_batch = max(1, min(SETS_PER_BATCH, BATCH_BYTES // size))
        for batch in batched(range(keys), per_batch, strict=False):
            request = b"".join(encode(b"SET", key_name(index), value) for index in batch)
            connection.exchange(request, b"+OK\r\n" * len(batch))


def lay(server: Server, exchanges: Iterable[Exchange]) -> None:
    """The server then holds what these exchanges make, and nothing else."""
    with Connection(server) as connection:
        connection.exchange(encode(b"FLUSHALL"), b"+OK\r\n")
        add(connection, exchanges)


def add(connection: Connection, exchanges: Iterable[Exchange]) -> None:
    """Every request was sent and got its reply; BATCH_BYTES of them at a time."""
    requests: list[bytes] = []
    replies: list[bytes] = []
    size = 0
    for request, reply in exchanges:
        requests.append(request)
        replies.append(reply)
        size += len(request)
        if size >= BATCH_BYTES:
            connection.exchange(b"".join(requests), b"".join(replies))
            requests, replies, size = [], [], 0
    if requests:
        connection.exchange(b"".join(requests), b"".join(replies))


def error_replies(server: Server) -> int:
    """How many requests it has answered with an error so far: redis-benchmark says nothing of them."""
    with Connection(server) as connection:
        return connection.info(b"stats", b"total_error_replies")


def log_writes(server: Server, appendfsync: str) -> None:
    """The server writes an AOF with this `appendfsync` (none if it is empty), and its first part is written."""
    settings = {"appendonly": "yes" if appendfsync else "no", "auto-aof-rewrite-percentage": "0"}
    with Connection(server) as connection:
        for name, value in {"appendfsync": appendfsync or "everysec", **settings}.items():
            connection.exchange(encode(b"CONFIG", b"SET", name.encode(), value.encode()), b"+OK\r\n")
        for _ in range(3000):
            flags = (b"aof_rewrite_in_progress", b"aof_rewrite_scheduled")
            if not any(connection.info(b"persistence", flag) for flag in flags):
                return
            time.sleep(0.01)
    raise BenchFault(f"{server.name} does not get done with the first part of its AOF")


# -- redis-benchmark


class RedisBenchmark:
    """redis-benchmark from `folder`, with that many threads of its own."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._binary = folder / "redis-benchmark"
        self._threads = threads

    def run(self, server: Server, row: Row, requests: int) -> Load:
        """Loads the server with so many requests of the row and says what came of it."""
        if row.command != "MIXED":
            return self._finished([(self._start(server, row, row.command, row.clients, requests), requests)])
        gets = max(1, round(row.clients * GET_SHARE))
        parts = [("GET", gets, GET_SHARE), ("SET", max(1, row.clients - gets), 1 - GET_SHARE)]
        started: list[tuple[subprocess.Popen[str], int]] = []
        try:
            for command, clients, share in parts:
                count = round(requests * share)
                started.append((self._start(server, row, command, clients, count), count))
        except BaseException:
            _end([process for process, _ in started])
            raise
        return self._finished(started)

    def _start(self, server: Server, row: Row, command: str, clients: int, requests: int) -> subprocess.Popen[str]:
        words: list[str] = [str(self._binary), "-h", HOST, "-p", str(server.port), "--csv"]
        numbers = {"-c": clients, "-n": requests, "-P": row.pipeline, "-d": row.size, "-r": row.keys}
        if self._threads > 1 and clients >= self._threads:
            numbers["--threads"] = self._threads
        words += [word for flag, number in numbers.items() for word in (flag, str(number))]
        words += row.case.words(row.size, row.members) if row.case is not None else ["-t", command.lower()]
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def _finished(self, started: Sequence[tuple[subprocess.Popen[str], int]]) -> Load:
        try:
            return combined([_result(process, count) for process, count in started])
        finally:
            _end([process for process, _ in started])


def _result(process: subprocess.Popen[str], requests: int) -> Load:
    patience = 60.0 + requests / 2000
    try:
        output, errors = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        raise BenchFault(f"redis-benchmark got no end of {requests} requests within {patience:.0f} s") from None
    if process.returncode:
        raise BenchFault(f"redis-benchmark ended with status {process.returncode}: {(output + errors)[-300:].strip()}")
    return parse_csv(output, requests)


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def parse_csv(output: str, requests: int) -> Load:
    """The one result in redis-benchmark's CSV; latencies are in milliseconds there."""
    lines = output.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(CSV_HEADER)), None)
    results = [] if start is None else list(csv.DictReader(lines[start:]))
    if len(results) != 1:
        raise BenchFault(f"redis-benchmark printed {len(results)} results instead of 1: {output[-300:].strip()}")
    try:
        rps, p50, p99 = (float(results[0][column]) for column in ("rps", "p50_latency_ms", "p99_latency_ms"))
    except (KeyError, TypeError, ValueError):
        raise BenchFault(f"redis-benchmark printed something else than expected: {output[-300:].strip()}") from None
    return Load(requests, rps, p50 * 1000, p99 * 1000)


def combined(loads: Sequence[Load]) -> Load:
    """One load of several that ran at the same time."""
    requests = sum(load.requests for load in loads)
    seconds = max(load.requests / load.rps for load in loads)
    p50 = sum(load.p50 * load.requests for load in loads) / requests
    return Load(requests, requests / seconds, p50, max(load.p99 for load in loads))


# -- one client


def probe_latency(server: Server, row: Row, seconds: float) -> Load:
    """One client that waits for each reply, for so many seconds."""
    value = b"x" * row.size
    keys = [key_name(random.randrange(row.keys)) for _ in range(1000)]
    requests: Iterator[bytes]
    if row.command == "GET":
        start = b"$%d\r\n" % row.size  # the value itself may be redis-benchmark's, from a row before
        requests, length = cycle([encode(b"GET", key) for key in keys]), len(start) + row.size + 2
    else:
        start = b"+OK\r\n"
        requests, length = cycle([encode(b"SET", key, value) for key in keys]), len(start)
    times = []
    with Connection(server) as connection:
        now = began = time.perf_counter_ns()
        end = began + int(seconds * 1e9)
        for request in requests:
            connection.exchange(request, start, length)
            before, now = now, time.perf_counter_ns()
            times.append(now - before)
            if now >= end:
                break
    times.sort()
    count = len(times)
    return Load(count, count / ((now - began) / 1e9), times[count // 2] / 1000, times[count * 99 // 100] / 1000)
