"""Connections that change hands while everything happens to them: killed, paused, pushed to, listed, half closed.

Idea: probers send pipelines in random pieces and know every byte of the replies beforehand, so a lost, doubled,
reordered or torn reply is a plain difference, and a reply that never comes is a timeout. Meanwhile a storm does to the
server what moves connections between their loop and the executor, or ends them at a bad moment. Each storm runs with
loops driven by workers, by the executor, and by both in turn (changed every 20 ms).

Seconds per test: a quarter of MTREDIS_STRESS_SECONDS (default 4).
"""

import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stress.test_threads import SECONDS, Crowd
from tests.support.resp import Connection, encode, encode_all
from tests.support.servers import Server

pytestmark = [pytest.mark.stress, pytest.mark.mtredis_only]
FLIP_SECONDS = 0.02
PATIENCE = 20.0
MODES = ("threads", "executor", "flipping")


@pytest.fixture(params=MODES)
def stage(request: pytest.FixtureRequest, serve: Callable[..., Server]) -> Iterator[Server]:
    """A server with four loops; in the mode "flipping" a client changes `io-threads-mode` all the time."""
    mode = request.param
    server = serve(
        **{"io-threads": "4", "maxclients": "3000", "hz": "100"},
        **{"io-threads-mode": "threads" if mode == "flipping" else mode},
    )
    over = threading.Event()
    flips = threading.Thread(target=_flip, args=(server, over))
    if mode == "flipping":
        flips.start()
    yield server
    over.set()
    if mode == "flipping":
        flips.join()
    assert server.is_running(), f"the server died:\n{server.log()[-6000:]}"
    assert server.command_once("PING").data == b"PONG"


def _flip(server: Server, over: threading.Event) -> None:
    admin: Connection | None = None
    while not over.is_set():
        for mode in ("executor", "threads", "auto"):
            try:
                admin = admin or server.connect(timeout=PATIENCE)
                admin.command("CONFIG", "SET", "io-threads-mode", mode)
            except ConnectionError:
                admin = None  # a storm has killed it
            over.wait(FLIP_SECONDS)


class Prober:
    """A client that knows all its replies. `volatile`: others flush the keys, so only what is atomic can be known."""

    def __init__(self, server: Server, seed: int, *, volatile: bool = False, mortal: bool = False) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.name = f"p{seed}"
        self.volatile = volatile
        self.mortal = mortal
        self.ends = 0
        self.counter = 0
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        client = self.server.connect(timeout=PATIENCE).socket
        client.settimeout(PATIENCE)
        return client

    def probe(self) -> int:
        """One pipeline; the number of requests. A mortal prober that is killed comes back with a new connection."""
        requests, expected = self._pipeline()
        received = bytearray()
        try:
            self._send(encode_all(requests))
            while len(received) < len(expected):
                piece = self.socket.recv(1 << 16)
                if not piece:
                    raise ConnectionResetError
                received += piece
        except TimeoutError:
            raise AssertionError(f"{self.name}: {len(received)} of {len(expected)} bytes came, then nothing") from None
        except ConnectionError:
            assert self.mortal, f"{self.name}: closed by the server"
            self._compare(received, expected[: len(received)])
            self._come_back()
            return 0
        self._compare(received, expected)
        return len(requests)

    def _compare(self, received: bytes | bytearray, expected: bytes) -> None:
        if received != expected:
            at = next(i for i in range(len(received) + 1) if received[: i + 1] != expected[: i + 1])
            raise AssertionError(
                f"{self.name}: at {at}: {bytes(received[at - 60 : at + 60])!r} for {expected[at - 60 : at + 60]!r}"
            )

    def _send(self, data: bytes) -> None:
        if self.random.random() < 0.3:
            cut = self.random.randrange(len(data))
            self.socket.sendall(data[:cut])
            time.sleep(self.random.random() * 0.003)
            data = data[cut:]
        self.socket.sendall(data)

    def _come_back(self) -> None:
        self.ends += 1
        self.socket.close()
        while True:
            try:
                self.socket = self._connect()
                self.socket.sendall(encode("SET", f"{self.name}:n", self.counter))
                if self.socket.recv(5) == b"+OK\r\n":
                    return
            except ConnectionError:
                time.sleep(0.001)
            self.socket.close()

    def _pipeline(self) -> tuple[list[tuple[Any, ...]], bytes]:
        requests: list[tuple[Any, ...]] = []
        expected = []
        for _ in range(self.random.choice((1, 1, 2, 10, 60))):
            made, reply = self.random.choice(
                (self._echo, self._ping, self._transaction)
                if self.volatile
                else (self._echo, self._own_key, self._own_key, self._count, self._transaction, self._ping)
            )()
            requests += made
            expected.append(reply)
        return requests, b"".join(expected)

    def _echo(self) -> tuple[list[tuple[Any, ...]], bytes]:
        tag = b"%d" % self.random.getrandbits(60)
        return [("ECHO", tag)], b"$%d\r\n%b\r\n" % (len(tag), tag)

    def _ping(self) -> tuple[list[tuple[Any, ...]], bytes]:
        return [("PING",)], b"+PONG\r\n"

    def _own_key(self) -> tuple[list[tuple[Any, ...]], bytes]:
        key = f"{self.name}:{self.random.randrange(20)}"
        value = b"v" * self.random.choice((0, 1, 30, 44, 45, 500, 20_000))
        read = b"$%d\r\n%b\r\n" % (len(value), value)
        return [("SET", key, value), ("GET", key), ("STRLEN", key), ("GET", key)], b"+OK\r\n%b:%d\r\n%b" % (
            read, len(value), read,
        )  # fmt: skip

    def _count(self) -> tuple[list[tuple[Any, ...]], bytes]:
        self.counter += 1
        return [("INCR", f"{self.name}:n")], b":%d\r\n" % self.counter

    def _transaction(self) -> tuple[list[tuple[Any, ...]], bytes]:
        tag = b"t%d" % self.random.getrandbits(50)
        read = b"$%d\r\n%b\r\n" % (len(tag), tag)
        return [("MULTI",), ("SET", "shared", tag), ("GET", "shared"), ("EXEC",)], (
            b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n" + read
        )


def _crowd(server: Server, count: int = 8, **kind: bool) -> tuple[Crowd, list[Prober]]:
    crowd = Crowd(SECONDS / 4)
    probers = [Prober(server, seed, **kind) for seed in range(count)]
    for prober in probers:
        crowd.add(prober.probe)
    return crowd, probers


def test_kill_storm(stage: Server) -> None:
    admin = stage.connect(timeout=PATIENCE)
    own = admin.command("CLIENT", "ID").data

    def kill() -> int:
        ids = [int(i) for i in re.findall(rb"(?m)^id=(\d+) ", admin.command("CLIENT", "LIST").data)]
        for victim in random.sample(ids, min(3, len(ids))):
            if victim != own:
                admin.command("CLIENT", "KILL", "ID", victim)
        if random.random() < 0.05:
            admin.command("CLIENT", "KILL", "TYPE", "normal")
        time.sleep(random.random() * 0.02)
        return 1

    def kill_oneself() -> int:
        with stage.connect(timeout=PATIENCE) as client:
            try:
                mine = client.command("CLIENT", "ID").data
                client.send_raw(
                    encode("SET", "x", 1) + encode("CLIENT", "KILL", "ID", mine, "SKIPME", "no") + encode("ECHO", "x")
                )
                received = b""
                while piece := client.socket.recv(100):
                    received += piece
            except ConnectionError:  # the other killer was first
                return 0
            assert received in {b"", b"+OK\r\n", b"+OK\r\n:1\r\n"}, received
        return 1

    crowd, probers = _crowd(stage, mortal=True)
    crowd.add(kill)
    crowd.add(kill_oneself)
    crowd.run(at_least=50 * SECONDS)
    assert sum(prober.ends for prober in probers) > SECONDS


def test_pause_storm(stage: Server) -> None:
    """CLIENT PAUSE and UNPAUSE, with clients that leave while they wait."""

    def pause(admin: Connection) -> int:
        mode = random.choice(("WRITE", "WRITE", "ALL"))
        milliseconds = random.choice((1, 1, 1, 2, 10))
        assert admin.command("CLIENT", "PAUSE", milliseconds, mode).data == b"OK"
        if random.random() < 0.5:
            assert admin.command("CLIENT", "UNPAUSE").data == b"OK"
        return 1

    def leave() -> int:
        client = stage.connect(timeout=PATIENCE)
        client.send_raw(
            encode("SET", "left", 1) * random.choice((1, 50)) + encode("GET", "left")[: random.randrange(20)]
        )
        if random.random() < 0.5:
            time.sleep(random.random() * 0.004)
        client.close()
        return 1

    crowd, _ = _crowd(stage)
    for _ in range(2):
        crowd.add(pause, stage.connect(timeout=PATIENCE))
    crowd.add(leave)
    crowd.run()
    time.sleep(0.3)
    assert stage.command_once("SET", "after", "1").data == b"OK"
    deadline = time.monotonic() + PATIENCE
    while stage.command_once("CLIENT", "LIST").data.count(b"\n") > 12:
        assert time.monotonic() < deadline, "clients that left while they waited are still there"
        time.sleep(0.05)


class Subscriber:
    """Comes and goes on one channel; between its confirmations it must get each message, once and in order."""

    def __init__(self, server: Server, channel: bytes, resp: int) -> None:
        self.connection = server.connect(resp=resp, timeout=PATIENCE)
        self.channel = channel

    def visit(self) -> int:
        connection, channel = self.connection, self.channel
        connection.send("SUBSCRIBE", channel)
        kind, *_ = self._next()
        assert kind == b"subscribe", f"{kind!r} came before the confirmation"
        seen: list[int] = []
        wanted = random.randrange(30)
        while len(seen) < wanted:
            kind, _, data = self._next()
            assert kind == b"message"
            seen.append(int(data))
        connection.send("UNSUBSCRIBE", channel)
        while True:
            kind, _, data = self._next()
            if kind == b"unsubscribe":
                break
            seen.append(int(data))
        assert seen == list(range(seen[0], seen[0] + len(seen))) if seen else True, seen
        connection.send("ECHO", "quiet")
        assert connection.read().data == b"quiet", "a message came after the confirmation of UNSUBSCRIBE"
        return len(seen)

    def _next(self) -> list[Any]:
        value = self.connection.read()
        assert value.kind in {"array", "push"}, value
        return value.plain()


def test_subscribe_and_publish_storm(stage: Server) -> None:
    crowd, _ = _crowd(stage, 3)
    numbers = [0, 0, 0]

    def publish(connection: Connection, channel: int) -> int:
        count = random.choice((1, 5, 100))
        requests = [("PUBLISH", f"ch{channel}", numbers[channel] + i) for i in range(count)]
        numbers[channel] += count
        for reply in connection.pipeline(requests):
            assert reply.kind == "integer"
        return count

    for channel in range(3):
        crowd.add(publish, stage.connect(timeout=PATIENCE), channel)
        for resp in (2, 3, 3):
            crowd.add(Subscriber(stage, b"ch%d" % channel, resp).visit)
    # subscribers must not starve when the time is over: somebody publishes until they are done
    last = threading.Event()
    pump = threading.Thread(target=_pump, args=(stage, crowd, numbers, last))
    pump.start()
    try:
        crowd.run(at_least=50 * SECONDS)
    finally:
        last.set()
        pump.join()


def _pump(server: Server, crowd: Crowd, numbers: list[int], over: threading.Event) -> None:
    time.sleep(max(0.0, crowd.deadline - time.monotonic()) + 1)
    with server.connect(timeout=PATIENCE) as connection:
        while not over.is_set():
            for channel in range(3):
                connection.command("PUBLISH", f"ch{channel}", numbers[channel])
                numbers[channel] += 1
            time.sleep(0.001)


def test_slow_readers_are_closed_at_their_limit(stage: Server) -> None:
    stage.command_once("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    message = b"m" * 20_000
    closed = []

    def lag() -> int:
        client = stage.connect(timeout=PATIENCE, receive_buffer=4096)
        client.send("SUBSCRIBE", "flood")
        client.read()
        time.sleep(random.random() * 0.2)
        if random.random() < 0.7:  # else it just goes
            try:
                while client.socket.recv(1000):
                    time.sleep(0.0002)
            except ConnectionError:
                pass
            closed.append(1)
        client.close()
        return 1

    def flood(connection: Connection) -> int:
        connection.pipeline([("PUBLISH", "flood", message)] * 20)
        return 20

    crowd, _ = _crowd(stage, 4)
    for _ in range(4):
        crowd.add(lag)
    crowd.add(flood, stage.connect(timeout=PATIENCE))
    over = threading.Event()
    pump = threading.Thread(target=_flood_on, args=(stage, crowd, message, over))
    pump.start()
    try:
        crowd.run()
    finally:
        over.set()
        pump.join()
    assert closed


def _flood_on(server: Server, crowd: Crowd, message: bytes, over: threading.Event) -> None:
    time.sleep(max(0.0, crowd.deadline - time.monotonic()))
    with server.connect(timeout=PATIENCE) as connection:
        while not over.is_set():
            connection.pipeline([("PUBLISH", "flood", message)] * 20)


def test_being_watched(stage: Server) -> None:
    """CLIENT LIST, INFO and MEMORY look at connections whose buffers others are growing and freeing."""

    def look(admin: Connection) -> int:
        for reply in admin.pipeline([("CLIENT", "LIST")] * 5 + [("INFO", "everything"), ("MEMORY", "STATS")]):
            assert not reply.is_error
            if reply.kind == "bulk":
                assert b"=184467" not in reply.data, "a length below zero"
        return 7

    def trickle() -> int:
        client = stage.connect(timeout=PATIENCE)
        data = encode("SET", "trickled", b"x" * random.choice((10, 50_000, 400_000))) + encode("ECHO", "a") * 300
        step = max(1, len(data) // 7)
        for start in range(0, len(data), step):
            client.send_raw(data[start : start + step])
        for _ in range(301):
            assert not client.read().is_error
        client.close()
        return 301

    crowd, _ = _crowd(stage)
    for _ in range(3):
        crowd.add(trickle)
    for _ in range(2):
        crowd.add(look, stage.connect(timeout=PATIENCE))
    crowd.run(at_least=100 * SECONDS)


def test_flush_and_swap_storm(stage: Server) -> None:
    def disturb(admin: Connection) -> int:
        reply = admin.command(*random.choice([
            ("FLUSHALL", "ASYNC"), ("FLUSHALL", "SYNC"), ("FLUSHDB", "ASYNC"), ("SWAPDB", 0, 1), ("SWAPDB", 1, 2),
            ("CONFIG", "SET", "maxclients", random.randrange(500, 3000)), ("CONFIG", "SET", "timeout", 1000),
            ("CONFIG", "SET", "notify-keyspace-events", random.choice(("", "KEA"))),
            ("CONFIG", "SET", "slowlog-log-slower-than", random.choice((0, 10_000))), ("DEBUG", "POPULATE", 3000),
        ]))  # fmt: skip
        assert not reply.is_error, reply
        time.sleep(random.random() * 0.01)
        return 1

    crowd, _ = _crowd(stage, volatile=True)
    for _ in range(2):
        crowd.add(disturb, stage.connect(timeout=PATIENCE))
    crowd.run(at_least=100 * SECONDS)


def test_half_closed_and_huge(stage: Server) -> None:
    """Whoever stops sending still gets what it asked for; large values and pipelines pass beside small ones."""

    def half_close() -> int:
        client = stage.connect(timeout=PATIENCE)
        count = random.choice((1, 30, 400))
        client.send_raw(encode_all([("ECHO", n) for n in range(count)]) + encode("GET", "x")[: random.randrange(10)])
        client.socket.shutdown(socket.SHUT_WR)
        received = bytearray()
        while piece := client.socket.recv(1 << 16):
            received += piece
        client.close()
        assert received == b"".join(b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(count)), bytes(received[-80:])
        return count

    def large(connection: Connection, name: str) -> int:
        value = random.randbytes(1000) * random.choice((1000, 1048))
        connection.send("SET", name, value)
        connection.send("GET", name)
        assert connection.read().data == b"OK"
        assert connection.read().data == value
        return 2

    def deep(connection: Connection) -> int:
        sender = threading.Thread(target=connection.send_raw, args=(encode_all([("ECHO", n) for n in range(20_000)]),))
        sender.start()
        for n in range(20_000):
            assert connection.read().data == b"%d" % n
        sender.join()
        return 20_000

    crowd, _ = _crowd(stage, 4)
    for n in range(2):
        crowd.add(half_close)
        crowd.add(large, stage.connect(timeout=PATIENCE, receive_buffer=8192), f"large{n}")
    crowd.add(deep, stage.connect(timeout=PATIENCE))
    crowd.run(at_least=100 * SECONDS)


def test_a_client_that_is_always_a_little_behind_costs_what_it_is_behind(stage: Server) -> None:
    """Its output buffer is never empty; what was sent must leave it nevertheless."""
    message, rounds, batch = b"m" * 16_000, 60, 64
    behind = 400 * len(message)
    client = stage.connect(timeout=PATIENCE, receive_buffer=8192)
    client.send("SUBSCRIBE", "steady")
    client.read()
    pending = 0
    with stage.connect(timeout=PATIENCE) as publisher:
        before = stage.memory()
        for _ in range(rounds):
            publisher.pipeline([("PUBLISH", "steady", message)] * batch)
            pending += len(message) * batch
            while pending > behind:
                pending -= len(client.socket.recv(1 << 18))
        grown = stage.memory() - before
    assert grown < 5 * behind, f"{grown} bytes for a client that is {behind} behind, of {rounds * batch * len(message)}"
