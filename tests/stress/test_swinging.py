"""Loops that change hands many hundred times a second, at the moments at which that went wrong once.

Idea: a `Core` whose cron takes the loops over and gives them back every 2 ms, which no server does, so that windows of
microseconds are met within seconds; `make jitter` widens them. Seconds per test: MTREDIS_STRESS_SECONDS (default 4).
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stress.test_threads import SECONDS
from tests.support.core import Core, receive_exactly, until
from tests.support.resp import encode

pytestmark = [pytest.mark.stress, pytest.mark.mtredis_only]
PAIRS = 6


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path, "swinging", workers=4)
    yield core
    core.close()


def run_all(works: list[Callable[[float], None]]) -> None:
    """Each on a thread of its own until the given time; the first failure is raised."""
    failures: list[BaseException] = []
    deadline = time.monotonic() + SECONDS

    def run(work: Callable[[float], None]) -> None:
        try:
            work(deadline)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def exchange(client: socket.socket, request: bytes, reply: bytes) -> None:
    client.sendall(request)
    assert receive_exactly(client, len(reply)) == reply


def test_who_was_served_goes_on(core: Core) -> None:
    """A client is let go before its loop, which has just changed hands, has read that it was to wait."""
    rounds = []

    def pair(number: int) -> Callable[[float], None]:
        waiter, giver = core.connect(), core.connect()
        key = b"k%d" % number

        def work(deadline: float) -> None:
            while time.monotonic() < deadline:
                waiter.sendall(encode("BLPOP", key, 0))
                exchange(giver, encode("LPUSH", key, "x"), b":1\r\n")
                served = b"*2\r\n$%d\r\n%b\r\n$1\r\nx\r\n" % (len(key), key)
                assert receive_exactly(waiter, len(served)) == served
                exchange(waiter, encode("PING"), b"+PONG\r\n")
                rounds.append(1)
            waiter.close()
            giver.close()

        return work

    run_all([pair(number) for number in range(PAIRS)])
    assert len(rounds) > 100


def test_connections_that_are_killed_as_they_come(core: Core) -> None:
    """The executor closes a connection while the acceptor hands it to its loop: neither is it lost nor any other."""
    steady = [core.connect() for _ in range(4)]
    came, killed = [], []

    def come(deadline: float) -> None:
        while time.monotonic() < deadline:
            for client in [core.connect() for _ in range(5)]:
                came.append(1)
                client.close()

    def kill(deadline: float) -> None:
        names = {client.getsockname() for client in steady}
        known = {f"{host}:{port}" for host, port in names}

        def kill_strangers() -> None:
            for client in core.executor.clients():
                if client.address not in known:
                    client.kill()
                    killed.append(1)

        while time.monotonic() < deadline:
            core.on_executor(kill_strangers)

    def stay(deadline: float) -> None:
        while time.monotonic() < deadline:
            for client in steady:
                exchange(client, encode("PING"), b"+PONG\r\n")

    run_all([come, come, kill, stay])
    assert came and killed
    until(lambda: core.statistics("connections") == len(steady), "the loops have forgotten the others")
    until(lambda: core.on_executor(lambda: core.executor.connections_count) == len(steady), "the executor, too")
