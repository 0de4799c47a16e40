"""Clients that block by the thousand: nothing pushed is lost or doubled, nothing of those who waited remains.

Idea: producers number what they push, so a lost, doubled or reordered element is a plain difference. Consumers block
on several keys, with and without timeouts, move elements on, and leave while they wait. Each test runs with loops
driven by workers, by the executor, and by both in turn (the `stage` of test_handover).

Seconds per test: a quarter of MTREDIS_STRESS_SECONDS; the soak test: MTREDIS_SOAK_SECONDS.
"""

import os
import random
import re
import resource
import select
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stress.test_handover import PATIENCE, stage  # noqa: F401 - a fixture
from tests.stress.test_soak import SOAK_SECONDS
from tests.stress.test_threads import SECONDS, Crowd
from tests.support.resp import Connection, encode, encode_all
from tests.support.servers import Server

pytestmark = [pytest.mark.stress, pytest.mark.mtredis_only]
KEYS = ("jobs:a", "jobs:b", "jobs:c")
MANY = 10_000
FIGURES = ("blocked_clients", "clients_in_timeout_table", "total_blocking_keys", "total_blocking_keys_on_nokey")


def figures(admin: Connection) -> dict[str, int]:
    """INFO's lines about blocked clients."""
    text = admin.command("INFO", "clients").data.decode()
    return {name: int(re.search(rf"\b{name}:(\d+)", text)[1]) for name in FIGURES}   # type: ignore[index]


def until_nobody_waits(admin: Connection) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(figures(admin).values()):
        assert time.monotonic() < deadline, figures(admin)
        time.sleep(0.01)


class Ledger:
    """What was pushed to each key and what came out: all of it, once, and of each producer in its order."""

    def __init__(self) -> None:
        self.numbers = 0
        self.lock = threading.Lock()
        self.pushed: dict[str, list[str]] = defaultdict(list)
        self.taken: dict[str, list[str]] = defaultdict(list)

    def take_number(self) -> int:
        with self.lock:
            self.numbers += 1
            return self.numbers

    def check(self, admin: Connection) -> int:
        for key in KEYS:
            left = [item.data.decode() for item in admin.command("LRANGE", key, 0, -1).data]
            assert sorted([*self.taken[key], *left]) == sorted(self.pushed[key])
        return sum(map(len, self.taken.values()))


class Consumer:
    """Blocks on random keys; sees the elements of each producer and key in the order in which they were pushed."""

    def __init__(self, server: Server, ledger: Ledger) -> None:
        self.client = server.connect(timeout=PATIENCE)
        self.ledger = ledger
        self.last: dict[tuple[str, str], int] = {}

    def consume(self) -> int:
        count = random.choice((1, 1, 1, 2, 5))
        requests: list[tuple[Any, ...]] = []
        for number in range(count):
            keys = random.sample(KEYS, random.randrange(1, 4))
            timeout = random.choice((0.001, 0.01, 0.05, 0.2))
            requests.append(
                ("BLMPOP", timeout, len(keys), *keys, "LEFT") if random.random() < 0.3 else ("BLPOP", *keys, timeout)
            )
            requests.append(("ECHO", number))
        self.client.send_raw(encode_all(requests))
        for number in range(count):
            self._take(self.client.read())
            assert self.client.read().data == b"%d" % number
        return count

    def _take(self, reply: Any) -> None:
        assert not reply.is_error, reply
        if reply.kind == "null-array":
            return
        key, item = reply.data[0].data.decode(), reply.data[1]
        element = (item.data[0] if item.kind == "array" else item).data.decode()
        producer, _, number = element.partition(":")
        assert int(number) > self.last.get((key, producer), 0), f"{element} after {self.last}"
        self.last[key, producer] = int(number)
        self.ledger.taken[key].append(element)


def _produce(client: Connection, name: str, ledger: Ledger) -> int:
    key = random.choice(KEYS)
    elements = [f"{name}:{ledger.take_number()}" for _ in range(random.choice((1, 1, 2, 6)))]
    ledger.pushed[key] += elements
    if random.random() < 0.3:
        requests = [("MULTI",), *[("RPUSH", key, element) for element in elements], ("EXEC",)]
        assert not client.pipeline(requests)[-1].is_error
    else:
        assert client.command("RPUSH", key, *elements).kind == "integer"
    if random.random() < 0.3:
        time.sleep(random.random() * 0.01)
    return len(elements)


def test_every_element_arrives_once_and_in_order(stage: Server) -> None:  # noqa: F811
    ledger, crowd = Ledger(), Crowd(SECONDS / 4)
    for _ in range(6):
        crowd.add(Consumer(stage, ledger).consume)
    for number in range(3):
        crowd.add(_produce, stage.connect(timeout=PATIENCE), f"p{number}", ledger)
    crowd.run(at_least=200 * SECONDS)
    with stage.connect(timeout=PATIENCE) as admin:
        assert ledger.check(admin) > 50 * SECONDS
        until_nobody_waits(admin)


def test_a_chain_of_moves_carries_every_element(stage: Server) -> None:  # noqa: F811
    """Three clients move elements on, a fourth takes them; each is served in the go of the one before."""
    crowd = Crowd(SECONDS / 4)
    sent: list[bytes] = []
    over = threading.Event()

    def move(client: Connection, source: str, destination: str) -> int:
        while not over.is_set():
            client.command("BLMOVE", source, destination, "LEFT", "RIGHT", 0.1)
        return 0

    movers = [
        threading.Thread(target=move, args=(stage.connect(timeout=PATIENCE), f"chain{n}", f"chain{n + 1}"))
        for n in range(3)
    ]

    def push(producer: Connection, taker: Connection) -> int:
        count = random.choice((1, 1, 3))
        elements = [b"%d" % (len(sent) + n) for n in range(count)]
        sent.extend(elements)
        assert not producer.command("RPUSH", "chain0", *elements).is_error
        for element in elements:
            reply = taker.command("BLPOP", "chain3", PATIENCE)
            assert reply.kind == "array" and reply.data[1].data == element
        return count

    for mover in movers:
        mover.start()
    crowd.add(push, stage.connect(timeout=PATIENCE), stage.connect(timeout=PATIENCE))
    try:
        crowd.run(at_least=20 * SECONDS)
    finally:
        over.set()
        for mover in movers:
            mover.join()


def test_those_who_leave_while_they_wait_leave_nothing(stage: Server) -> None:  # noqa: F811
    admin = stage.connect(timeout=PATIENCE)
    lock = threading.Lock()
    endings: dict[str, int] = defaultdict(int)

    def command(*words: Any) -> Any:
        with lock:
            return admin.command(*words)

    def leave() -> int:
        client = stage.connect(timeout=PATIENCE)
        number = client.command("CLIENT", "ID").data
        client.send_raw(encode("BLPOP", *random.sample(KEYS, 2), random.choice((0, 100))) + encode("ECHO", "on"))
        if random.random() < 0.7:
            time.sleep(random.random() * 0.004)
        ending = random.choice(("close", "half", "kill", "timeout", "error", "push"))
        endings[ending] += 1
        if ending == "half":
            client.socket.shutdown(socket.SHUT_WR)
        elif ending == "kill":
            command("CLIENT", "KILL", "ID", number)
        elif ending in ("timeout", "error"):
            unblocked = False
            while not unblocked and not select.select([client.socket], [], [], 0.0005)[0]:
                unblocked = command("CLIENT", "UNBLOCK", number, ending).data == 1
            reply = client.read()
            assert reply.is_error == (unblocked and ending == "error"), reply
            assert client.read().data == b"on"
        elif ending == "push":
            command("RPUSH", random.choice(KEYS), "x")   # for whoever is there
        if ending in ("half", "kill"):
            try:
                while client.socket.recv(1000):
                    pass
            except ConnectionError:
                endings["reset"] += 1
        client.close()
        return 1

    crowd = Crowd(SECONDS / 4)
    for _ in range(6):
        crowd.add(leave)
    try:
        crowd.run()
    except TimeoutError:
        raise AssertionError(f"a client is stuck: {figures(stage.connect())}") from None
    assert len(endings) >= 6
    until_nobody_waits(admin)
    command("DEL", *KEYS)
    with stage.connect(timeout=PATIENCE) as survivor:
        survivor.send("BLPOP", KEYS[0], 0)
        while not figures(admin)["blocked_clients"]:
            time.sleep(0.001)
        command("RPUSH", KEYS[0], "still")
        assert survivor.read().data[1].data == b"still"


def test_nobody_sees_what_a_blocked_client_gets(stage: Server) -> None:  # noqa: F811
    """A push and the pop of the one who waited for it are one step, for reads on workers, too."""
    crowd = Crowd(SECONDS / 4)

    def push_for(waiter: Connection, admin: Connection) -> int:
        waiter.send("BLPOP", "seen", 0)
        while not figures(admin)["blocked_clients"]:
            pass
        requests = random.choice(([("RPUSH", "seen", "x")], [("MULTI",), ("RPUSH", "seen", "x"), ("EXEC",)]))
        assert not admin.pipeline(requests)[-1].is_error
        assert waiter.read().kind == "array"
        return 1

    def look(client: Connection) -> int:
        for reply in client.pipeline([("EXISTS", "seen")] * 100):
            assert reply.data == 0
        return 100

    crowd.add(push_for, stage.connect(timeout=PATIENCE), stage.connect(timeout=PATIENCE))
    for _ in range(3):
        crowd.add(look, stage.connect(timeout=PATIENCE))
    crowd.run(at_least=100 * SECONDS)


@pytest.mark.parametrize("mode", ["threads", "executor"])
def test_blocked_and_served_by_the_thousand_leaves_nothing(serve: Callable[..., Server], mode: str) -> None:
    server = serve(**{"io-threads": "4", "io-threads-mode": mode})
    admin = server.connect(timeout=PATIENCE)

    def rounds(seconds: float) -> int:
        crowd = Crowd(seconds)
        for number in range(4):
            crowd.add(_round, server.connect(timeout=PATIENCE), server.connect(timeout=PATIENCE), f"soak{number}")
        return crowd.run()

    done = rounds(SOAK_SECONDS / 4)
    until_nobody_waits(admin)
    time.sleep(0.5)
    before = server.memory(), server.open_files()
    more = rounds(SOAK_SECONDS * 3 / 4)
    until_nobody_waits(admin)
    time.sleep(0.5)
    after = server.memory(), server.open_files()
    print(f"{mode}: {done + more} rounds, memory and files {before} -> {after}")
    assert after[1] <= before[1] + 2
    assert after[0] <= before[0] + (3 << 20), f"{more} rounds: {before[0]} -> {after[0]} bytes"


def _round(waiter: Connection, pusher: Connection, key: str) -> int:
    """Ten clients' worth of waiting, of each kind: served, timed out, unblocked."""
    timeout = random.choice((0, 50, 1000, 100_000))
    waiter.send_raw(encode_all([("BLPOP", f"{key}:{n}", key, timeout) for n in range(10)]))
    for n in range(10):
        assert pusher.command("RPUSH", random.choice((key, f"{key}:{n}")), n).kind == "integer"
        assert waiter.read().kind == "array"
        pusher.command("DEL", key, *[f"{key}:{n}" for n in range(10)])
    if random.random() < 0.1:
        assert waiter.command("BLMOVE", key, key, "LEFT", "RIGHT", 0.001).kind.startswith("null")
    return 10


@pytest.fixture
def descriptors() -> Iterator[int]:
    """How many sockets this process may have, raised as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("mode", ["threads", "executor"])
def test_ten_thousand_who_wait_cost_little(serve: Callable[..., Server], mode: str, descriptors: int) -> None:
    count = min(MANY, descriptors - 500)
    server = serve(**{"io-threads": "2", "io-threads-mode": mode, "maxclients": count + 100})
    admin = server.connect(timeout=PATIENCE)
    clients = [server.connect(timeout=PATIENCE) for _ in range(count)]
    for client in clients:
        client.command("PING")
    memory = server.memory()
    for number, client in enumerate(clients):
        client.send("BLPOP", "all", f"own:{number}", 1000)
    while figures(admin)["blocked_clients"] < count:
        time.sleep(0.01)
    each = (server.memory() - memory) / count
    cpu = server.cpu_seconds()
    time.sleep(2)
    idle = (server.cpu_seconds() - cpu) / 2
    admin.command("RPUSH", "own:7", "x")
    assert clients[7].read().data[1].data == b"x"
    admin.command("RPUSH", "all", *range(count - 1))
    for number, client in enumerate(clients):
        assert number == 7 or client.read().kind == "array"
    print(f"{mode}: {count} blocked clients: {each:.0f} bytes each, {100 * idle:.2f} % of a core while they wait")
    assert set(figures(admin).values()) == {0}
    assert idle < 0.3
    assert each < 8000 or "MTREDIS_JITTER" in os.environ   # where malloc writes to all that it gives out
    for client in clients:
        client.close()
