"""Many clients on all threads at once: what must hold whatever the timing is.

Idea: the drivers are threads of the test process that send prepared pipelines of bytes and check the replies with
regular expressions, so that they reach hundreds of thousands of operations per second. The invariants are chosen so
that two separate reads can show a broken one: values only grow, keys of one write grow together, so after a
reader has seen generation n of one key, an older one of the other is a half-seen write.

Seconds per test: MTREDIS_STRESS_SECONDS (default 4).
"""

import os
import random
import re
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.support.resp import Connection, Value, encode, encode_all
from tests.support.servers import Server

pytestmark = pytest.mark.stress
SECONDS = float(os.environ.get("MTREDIS_STRESS_SECONDS", "4"))
MODES = ("auto", "threads", "executor")
CHECKED_PER_SECOND = 70_000  # at least, in each of the five tests of what is atomic: over two million by default


@pytest.fixture
def threaded(serve: Callable[..., Server]) -> Server:
    """A server of its own with four workers that are always in use."""
    return serve(**{"io-threads": "4", "io-threads-mode": "threads", "maxclients": "2000"})


class Crowd:
    """Threads that run a loop body until the time is over and enough is done; the first exception of any ends all.

    On a busy machine enough takes longer, so what a test proves does not depend on the machine.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.deadline = time.monotonic() + seconds
        self.patience = self.deadline + 200
        self.threads: list[threading.Thread] = []
        self.failure: BaseException | None = None
        self.operations: list[int] = []
        self.enough = 0.0

    def add(self, body: Callable[..., int], *arguments: Any) -> None:
        """`body(*arguments)` is called again and again; it returns the number of operations that it checked."""
        self.threads.append(threading.Thread(target=self._run, args=(len(self.operations), body, arguments)))
        self.operations.append(0)

    def _run(self, index: int, body: Callable[..., int], arguments: tuple[Any, ...]) -> None:
        try:
            while self.failure is None and not self._is_over():
                self.operations[index] += body(*arguments)
        except BaseException as failure:
            self.failure = self.failure or failure

    def _is_over(self) -> bool:
        now = time.monotonic()
        return now >= self.deadline and (sum(self.operations) >= self.enough or now >= self.patience)

    def run(self, at_least: float = 0) -> int:
        """The number of operations checked: not fewer than `at_least`."""
        self.enough = at_least
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        if self.failure is not None:
            raise self.failure
        assert sum(self.operations) >= at_least, f"{self.operations} operations in all this time"
        return sum(self.operations)


class Pipe:
    """A connection for prepared pipelines: sends bytes, reads until so many replies are there, returns the bytes."""

    def __init__(self, server: Server) -> None:
        self.connection = server.connect(timeout=30)
        self.socket = self.connection.socket
        self.socket.settimeout(30)

    def exchange(self, data: bytes, end: bytes) -> bytes:
        """The bytes received up to and including `end`, the reply to the last request."""
        self.socket.sendall(data)
        received = bytearray()
        while not received.endswith(end):
            piece = self.socket.recv(1 << 18)
            assert piece, "closed by the server"
            received += piece
        return bytes(received)


_END = encode("ECHO", "--end--")
_ENDED = b"$7\r\n--end--\r\n"
_BULK = re.compile(rb"\$(-1|\d+\r\n(\d+))\r\n")


def numbers_in(received: bytes) -> list[int]:
    """The bulk replies as numbers; -1 for null."""
    body = received.removesuffix(_ENDED)
    found = [int(match[2]) if match[2] is not None else -1 for match in _BULK.finditer(body)]
    assert b"-ERR" not in body, body[:300]
    return found


def _assert_growing(numbers: list[int], what: str) -> None:
    for before, after in pairwise(numbers):
        assert before <= after, f"{what}: {after} was read after {before}"


# -- nobody sees half of a write


class Generations:
    """The writers' counter: each pipeline takes the next few numbers."""

    def __init__(self) -> None:
        self.next = 1

    def take(self, count: int) -> range:
        taken = range(self.next, self.next + count)
        self.next += count
        return taken


def _write_mset(pipe: Pipe, generations: Generations) -> int:
    taken = generations.take(50)
    requests = [("MSET", "a", n, "b", n, "c", n) for n in taken]
    assert pipe.exchange(encode_all(requests) + _END, _ENDED) == b"+OK\r\n" * 50 + _ENDED
    return 50


def _write_exec(pipe: Pipe, generations: Generations) -> int:
    requests = []
    for n in generations.take(25):
        requests += [("MULTI",), ("SET", "a", n), ("GET", "a"), ("SET", "b", n), ("SET", "c", n), ("EXEC",)]
    received = pipe.exchange(encode_all(requests) + _END, _ENDED)
    assert received.count(b"*4\r\n+OK\r\n") == 25
    return 25


def _write_exec_in_pieces(pipe: Pipe, generations: Generations) -> int:
    (n,) = generations.take(1)
    for request, reply in [
        (("MULTI",), b"+OK\r\n"), (("SET", "a", n), b"+QUEUED\r\n"), (("SET", "b", n), b"+QUEUED\r\n"),
        (("SET", "c", n), b"+QUEUED\r\n"), (("EXEC",), b"*3\r\n+OK\r\n+OK\r\n+OK\r\n"),
    ]:  # fmt: skip
        assert pipe.exchange(encode(*request), reply) == reply
    return 1


_READS = encode_all([("GET", "a"), ("GET", "b"), ("GET", "c"), ("GET", "b"), ("GET", "a")] * 40)
_READS_TOGETHER = encode_all([("MGET", "a", "b", "c")] * 50)


def _read_one_by_one(pipe: Pipe) -> int:
    numbers = numbers_in(pipe.exchange(_READS + _END, _ENDED))
    assert len(numbers) == 200
    _assert_growing(numbers, "keys of one write")
    return 200


def _read_together(pipe: Pipe) -> int:
    numbers = numbers_in(pipe.exchange(_READS_TOGETHER + _END, _ENDED))
    assert len(numbers) == 150
    assert numbers[::3] == numbers[1::3] == numbers[2::3]
    _assert_growing(numbers, "MGET")
    return 50


@pytest.mark.parametrize("write", [_write_mset, _write_exec, _write_exec_in_pieces])
def test_a_reader_never_sees_half_of_a_write(threaded: Server, write: Callable[..., int]) -> None:
    threaded.command_once("MSET", "a", "0", "b", "0", "c", "0")
    crowd = Crowd()
    crowd.add(write, Pipe(threaded), Generations())
    for _ in range(3):
        crowd.add(_read_one_by_one, Pipe(threaded))
    crowd.add(_read_together, Pipe(threaded))
    crowd.run(at_least=CHECKED_PER_SECOND * SECONDS)


def _write_rename(pipe: Pipe, generations: Generations) -> int:
    requests: list[tuple[str | int, ...]] = []
    for n in generations.take(40):
        requests += [("SET", "new", n), ("RENAME", "new", "current")]
    assert pipe.exchange(encode_all(requests) + _END, _ENDED) == b"+OK\r\n" * 80 + _ENDED
    return 80


_RENAME_READS = encode_all([("GET", "current"), ("GET", "new"), ("EXISTS", "current")] * 60)


def _read_renamed(pipe: Pipe) -> int:
    received = pipe.exchange(_RENAME_READS + _END, _ENDED)
    assert b":0\r\n" not in received, "the key that RENAME overwrites was missing"
    numbers = numbers_in(received)
    current, new = numbers[::2], numbers[1::2]
    assert -1 not in current, "the key that RENAME overwrites was missing"
    _assert_growing(current, "RENAME")
    assert all(source == -1 or source > target for target, source in zip(current, new, strict=True)), (
        "source and destination of one RENAME were both there"
    )
    return 180


def test_a_reader_never_sees_half_of_a_rename(threaded: Server) -> None:
    threaded.command_once("SET", "current", "0")
    crowd = Crowd()
    crowd.add(_write_rename, Pipe(threaded), Generations())
    for _ in range(4):
        crowd.add(_read_renamed, Pipe(threaded))
    crowd.run(at_least=CHECKED_PER_SECOND * SECONDS)


def test_a_reader_never_sees_half_of_a_flush(threaded: Server) -> None:
    """FLUSHALL and a refill in one transaction: the keys are never missing."""
    threaded.command_once("MSET", "a", "0", "b", "0", "c", "0")

    def write(pipe: Pipe, generations: Generations) -> int:
        requests = []
        for n in generations.take(20):
            requests += [("MULTI",), ("FLUSHALL",), ("SET", "b", n), ("SET", "c", n), ("SET", "a", n), ("EXEC",)]
        pipe.exchange(encode_all(requests) + _END, _ENDED)
        return 20

    def read(pipe: Pipe) -> int:
        numbers = numbers_in(pipe.exchange(_READS + _END, _ENDED))
        assert -1 not in numbers, "a key was missing in the middle of a transaction"
        _assert_growing(numbers, "FLUSHALL")
        return 200

    crowd = Crowd()
    crowd.add(write, Pipe(threaded), Generations())
    for _ in range(3):
        crowd.add(read, Pipe(threaded))
    crowd.run(at_least=500 * SECONDS)


# -- what was acknowledged is seen by all


def _set_and_look_elsewhere(pipes: list[Pipe], name: int, turn: Generations) -> int:
    (n,) = turn.take(1)
    writer, *readers = pipes[n % len(pipes) :] + pipes[: n % len(pipes)]
    keys = [f"k:{name}:{number}" for number in range(30)]
    value = b"%d" % n
    assert writer.exchange(encode_all([("SET", key, value) for key in keys]), b"+OK\r\n" * 30) == b"+OK\r\n" * 30
    expected = (b"$%d\r\n%b\r\n" % (len(value), value)) * 30
    for reader in readers:
        assert reader.exchange(encode_all([("GET", key) for key in keys]) + _END, _ENDED) == expected + _ENDED
    return 30 * len(pipes)


def test_an_acknowledged_set_is_seen_by_every_later_get(threaded: Server) -> None:
    crowd = Crowd()
    for name in range(4):
        crowd.add(_set_and_look_elsewhere, [Pipe(threaded) for _ in range(5)], name, Generations())
    crowd.run(at_least=CHECKED_PER_SECOND * SECONDS)


def test_an_acknowledged_delete_and_expiry_are_seen_too(threaded: Server) -> None:
    def check(pipes: list[Pipe], name: int, turn: Generations) -> int:
        (n,) = turn.take(1)
        one, two = pipes
        key = f"d:{name}"
        removal = [("DEL", key), ("PEXPIREAT", key, 1), ("RENAME", key, f"{key}:gone"), ("GETDEL", key)][n % 4]
        requests = encode("SET", key, n) + encode(*removal)
        one.exchange(requests + _END, _ENDED)
        assert two.exchange(encode("GET", key) + encode("EXISTS", key), b":0\r\n") == b"$-1\r\n:0\r\n"
        return 4

    crowd = Crowd()
    for name in range(4):
        crowd.add(check, [Pipe(threaded), Pipe(threaded)], name, Generations())
    crowd.run(at_least=100 * SECONDS)


def test_counters_lose_nothing(threaded: Server) -> None:
    counted = []

    def increase(pipe: Pipe) -> int:
        received = pipe.exchange(encode_all([("INCR", "n")] * 100) + _END, _ENDED)
        numbers = [int(line[1:]) for line in received.removesuffix(_ENDED).split(b"\r\n")[:-1]]
        assert numbers == sorted(set(numbers))
        counted.append(100)
        return 100

    crowd = Crowd()
    for _ in range(8):
        crowd.add(increase, Pipe(threaded))
    crowd.run()
    assert threaded.command_once("GET", "n").data == b"%d" % sum(counted)


def test_watch_is_honest_under_contention(threaded: Server) -> None:
    successes = []

    def increase(connection: Connection) -> int:
        connection.command("WATCH", "n")
        current = int(connection.command("GET", "n").data)
        replies = connection.pipeline([("MULTI",), ("SET", "n", current + 1), ("EXEC",)])
        if replies[-1].kind == "array":
            successes.append(1)
        return 1

    threaded.command_once("SET", "n", "0")
    crowd = Crowd()
    for _ in range(6):
        crowd.add(increase, threaded.connect(timeout=30))
    crowd.run()
    assert successes
    assert threaded.command_once("GET", "n").data == b"%d" % len(successes)


# -- clients of all kinds at once


class Visitor:
    """A client that does this and that, checks its own replies, and now and then leaves in the middle."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.name = f"v{seed}"
        self.connection = server.connect(timeout=30)
        self.sent = self.acknowledged = 0

    def visit(self) -> int:
        done: int = self.random.choice([self.echo, self.count, self.own_keys, self.transaction, self.leave, self.big])()
        return done

    def echo(self) -> int:
        tags = [f"{self.name}:{self.random.random()}" for _ in range(50)]
        assert self.connection.pipeline([("ECHO", tag) for tag in tags]) == [
            Value("bulk", tag.encode()) for tag in tags
        ]
        return 50

    def count(self) -> int:
        self.sent += 20
        for reply in self.connection.pipeline([("INCR", self.name)] * 20):
            assert reply.kind == "integer"
        self.acknowledged += 20
        return 20

    def own_keys(self) -> int:
        key = f"{self.name}:{self.random.randrange(50)}"
        value = os.urandom(self.random.randrange(200))
        replies = self.connection.pipeline(
            [("SET", key, value), ("GET", key), ("STRLEN", key), ("DEL", key), ("GET", key)]
        )
        assert [reply.data for reply in replies] == [b"OK", value, len(value), 1, None]
        return 5

    def transaction(self) -> int:
        replies = self.connection.pipeline([("MULTI",), ("SET", "shared", self.name), ("GET", "shared"), ("EXEC",)])
        assert replies[-1].data[1].data == self.name.encode()
        return 4

    def big(self) -> int:
        value = bytes([self.random.randrange(256)]) * self.random.randrange(300_000)
        assert self.connection.command("SET", f"{self.name}:big", value).data == b"OK"
        assert self.connection.command("GET", f"{self.name}:big").data == value
        return 2

    def leave(self) -> int:
        self.sent += 5
        request = encode("INCR", self.name) * 5 + encode("SET", f"{self.name}:half", b"x" * 10_000)
        cut = self.random.randrange(1, len(request))
        self.connection.send_raw(request[:cut])
        if self.random.random() < 0.3:
            self.connection.send_raw(encode("SUBSCRIBE", "storm") if cut % 2 else b"\r\n*bad\r\n")
        self.connection.close()
        self.connection = self.server.connect(timeout=30)
        return 1

    def check(self) -> None:
        final = int(self.connection.command("GET", self.name).data or 0)
        assert self.acknowledged <= final <= self.sent
        self.connection.close()


def test_a_random_mix_with_disconnects(threaded: Server) -> None:
    visitors = [Visitor(threaded, seed) for seed in range(12)]
    crowd = Crowd()
    for visitor in visitors:
        crowd.add(visitor.visit)
    crowd.run(at_least=100 * SECONDS)
    for visitor in visitors:
        visitor.check()


def test_pubsub_storm(threaded: Server) -> None:
    """Every subscriber gets every message of every publisher, in the publisher's order."""
    publishers, subscribers, batch = 3, 6, 50
    listening = [Pipe(threaded) for _ in range(subscribers)]
    for number, pipe in enumerate(listening):
        if number % 2:
            pipe.exchange(encode("SUBSCRIBE", "storm"), b"$5\r\nstorm\r\n:1\r\n")
        else:
            pipe.exchange(encode("PSUBSCRIBE", "sto*"), b"$4\r\nsto*\r\n:1\r\n")
    sent = [0] * publishers

    def publish(pipe: Pipe, number: int) -> int:
        requests = [("PUBLISH", "storm", f"<{number}:{sent[number] + n}>") for n in range(batch)]
        assert pipe.exchange(encode_all(requests) + _END, _ENDED) == b":%d\r\n" % subscribers * batch + _ENDED
        sent[number] += batch
        return batch

    messages: list[list[list[int]]] = [[[] for _ in range(publishers)] for _ in listening]
    over = threading.Event()

    def listen(pipe: Pipe, seen: list[list[int]]) -> None:
        rest = b""
        pipe.socket.settimeout(1)
        while not (over.is_set() and [len(each) for each in seen] == sent):
            try:
                rest += pipe.socket.recv(1 << 18)
            except TimeoutError:
                if over.is_set():
                    return
                continue
            end = rest.rfind(b">")
            for who, number in re.findall(rb"<(\d):(\d+)>", rest[: end + 1]):
                seen[int(who)].append(int(number))
            rest = rest[end + 1 :]

    listeners = [threading.Thread(target=listen, args=pair) for pair in zip(listening, messages, strict=True)]
    for thread in listeners:
        thread.start()
    crowd = Crowd()
    for number in range(publishers):
        crowd.add(publish, Pipe(threaded), number)
    try:
        crowd.run(at_least=100 * SECONDS)
    finally:
        over.set()
        for thread in listeners:
            thread.join()
    for seen in messages:
        assert [len(each) for each in seen] == sent
        assert all(each == list(range(len(each))) for each in seen)


# -- changing the mode, and staying the same size


@pytest.mark.mtredis_only
def test_switching_the_mode_under_load(serve: Callable[..., Server]) -> None:
    server = serve(**{"io-threads": "4", "maxclients": "2000"})
    server.command_once("MSET", "a", "0", "b", "0", "c", "0")
    visitors = [Visitor(server, seed) for seed in range(6)]
    admin = server.connect(timeout=30)

    def switch() -> int:
        for mode in MODES:
            assert admin.command("CONFIG", "SET", "io-threads-mode", mode).data == b"OK"
            time.sleep(random.uniform(0.001, 0.05))
        return 3

    crowd = Crowd()
    crowd.add(switch)
    crowd.add(_write_mset, Pipe(server), Generations())
    crowd.add(_read_one_by_one, Pipe(server))
    crowd.add(_read_one_by_one, Pipe(server))
    crowd.add(_set_and_look_elsewhere, [Pipe(server) for _ in range(4)], 1, Generations())
    for visitor in visitors:
        crowd.add(visitor.visit)
    crowd.run(at_least=100 * SECONDS)
    for visitor in visitors:
        visitor.check()


def test_soak(threaded: Server) -> None:
    """Connections and keys come and go; after a third of the time the process has its size and keeps it."""
    seconds = float(os.environ.get("MTREDIS_SOAK_SECONDS", SECONDS * 2))
    with threaded.connect() as admin:
        _soak_for(threaded, seconds / 3, 0)
        first = _settled(threaded, admin)
        _soak_for(threaded, seconds * 2 / 3, 100)
        second = _settled(threaded, admin)
    assert second[1] <= first[1] + 2, f"descriptors grew from {first[1]} to {second[1]}"
    assert second[0] <= first[0] * 1.15 + (4 << 20), f"memory grew from {first[0]} to {second[0]} bytes"


def _settled(server: Server, admin: Connection) -> tuple[int, int]:
    admin.command("FLUSHALL")
    deadline = time.monotonic() + 10
    while admin.command("CLIENT", "LIST").data.count(b"\n") > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    return server.memory(), server.open_files()


def _soak_for(server: Server, seconds: float, first_seed: int) -> None:
    crowd = Crowd(seconds)
    visitors = [Visitor(server, first_seed + seed) for seed in range(10)]
    for visitor in visitors:
        crowd.add(visitor.visit)
    crowd.run()
    for visitor in visitors:
        visitor.connection.close()
