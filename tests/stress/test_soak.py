"""Sessions that use what Python handles, come and go by the thousand, and leave nothing behind.

Idea: the server runs with `gc` disabled, so a reference cycle, a forgotten session or a letter that nobody frees shows
as growth. After a first part that fills pools and caches the process has its size; the rest must not change it.

Seconds: MTREDIS_SOAK_SECONDS (default: those of a stress test, twice).
"""

import os
import random
from collections.abc import Callable

import pytest

from tests.stress.test_threads import SECONDS, Crowd, _settled
from tests.support.core import until
from tests.support.resp import Connection, encode, encode_all
from tests.support.servers import Server

pytestmark = [pytest.mark.stress, pytest.mark.mtredis_only]
SOAK_SECONDS = float(os.environ.get("MTREDIS_SOAK_SECONDS", SECONDS * 2))
PARKED = 100


def _subscribe_and_go(client: Connection) -> None:
    client.pipeline([("SUBSCRIBE", f"soak{random.randrange(50)}"), ("PSUBSCRIBE", "s*"), ("PING",)])


def _publish(client: Connection) -> None:
    client.pipeline([("PUBLISH", f"soak{random.randrange(50)}", "x" * 100)] * 10)


def _transact(client: Connection) -> None:
    client.pipeline([
        ("WATCH", "w", f"w{random.random()}"), ("MULTI",), ("SET", "w", 1), ("NOSUCH",), ("EXEC",), ("MULTI",),
        ("INCR", "w"), ("INCR", "text"), ("EXEC",), ("WATCH", "left"), ("MULTI",), ("GET", "w"),
    ])  # fmt: skip


def _introduce(client: Connection) -> None:
    client.pipeline([
        ("HELLO", 3), ("CLIENT", "SETNAME", f"n{random.random()}"), ("CLIENT", "INFO"),
        ("CLIENT", "LIST", "TYPE", "normal"), ("CLIENT", "SETINFO", "LIB-NAME", "soak"), ("CLIENT", "NO-TOUCH", "on"),
        ("CLIENT", "KILL", "ID", 0), ("RESET",),
    ])  # fmt: skip


def _fail(client: Connection) -> None:
    client.pipeline([
        ("SET", "text", "abc"), ("INCR", "text"), ("SET", "text"), (f"NO{random.randrange(20)}",),
        ("GETRANGE", "text", "a", "b"),
        ("EXPIRE", "text", "soon"), ("EXEC",), ("CONFIG", "SET", "nosuch", 1), ("CONFIG", "SET", "maxclients", "many"),
        ("SELECT", 99), ("SETRANGE", "text", -1, "x"), ("BITOP", "NOPE", "a", "b"),
    ])  # fmt: skip


def _observe(client: Connection) -> None:
    client.pipeline([
        ("CONFIG", "SET", "slowlog-log-slower-than", 0), ("SLOWLOG", "GET"), ("SLOWLOG", "RESET"),
        ("CONFIG", "GET", "*"), ("CONFIG", "SET", "slowlog-log-slower-than", 10_000), ("INFO", "all"),
        ("MEMORY", "STATS"),
        ("COMMAND", "DOCS", "set"), ("LATENCY", "HISTOGRAM"), ("OBJECT", "ENCODING", "text"),
    ])  # fmt: skip


def _leave_a_fault(client: Connection) -> None:
    client.send_raw(
        random.choice([b"*1\r\n$x\r\n", b"*2\r\n$3\r\nGET\r\n$5", b"MONITOR\r\n", encode("SUBSCRIBE", "gone")])
    )


VISITS = (_subscribe_and_go, _publish, _transact, _introduce, _fail, _observe, _leave_a_fault)


@pytest.mark.parametrize("mode", ["threads", "executor"])
def test_sessions_leave_nothing(serve: Callable[..., Server], mode: str) -> None:
    server = serve(**{"io-threads": "4", "io-threads-mode": mode})

    def visit() -> int:
        with server.connect(timeout=30) as client:
            for action in random.sample(VISITS, 3):
                if action is _subscribe_and_go or action is _leave_a_fault:
                    with server.connect(timeout=30) as other:
                        action(other)
                else:
                    action(client)
        return 1

    def soak(seconds: float) -> int:
        crowd = Crowd(seconds)
        for _ in range(6):
            crowd.add(visit)
        return crowd.run(at_least=30 * seconds)

    with server.connect(timeout=30) as admin:
        soak(SOAK_SECONDS / 4)
        first = _settled(server, admin)
        visits = soak(SOAK_SECONDS * 3 / 4)
        second = _settled(server, admin)
    print(f"{mode}: {visits} visits, memory and files {first} -> {second}")
    assert visits > 20 * SOAK_SECONDS
    assert second[1] <= first[1] + 2, f"descriptors grew from {first[1]} to {second[1]}"
    assert second[0] <= first[0] * 1.05 + (3 << 20), f"{visits} visits: {first[0]} -> {second[0]} bytes"


@pytest.mark.parametrize("mode", ["threads", "executor"])
def test_waiting_out_pauses_leaves_nothing(serve: Callable[..., Server], mode: str) -> None:
    server = serve(**{"io-threads": "4", "io-threads-mode": mode})
    admin = server.connect(timeout=30)
    clients = [server.connect(timeout=30) for _ in range(PARKED)]
    pause = encode_all([("CLIENT", "PAUSE", 1, "WRITE")])

    def park(_: int = 0) -> int:
        admin.send_raw(pause)
        for number, client in enumerate(clients):
            client.send_raw(encode("INCR", f"parked{number}"))
        assert admin.read().data == b"OK"
        return sum(client.read().kind == "integer" for client in clients)

    def rounds(seconds: float) -> int:
        crowd = Crowd(seconds)
        crowd.add(park)
        return crowd.run()

    done = rounds(SOAK_SECONDS / 8)
    before = server.memory(), server.open_files()
    more = rounds(SOAK_SECONDS / 8)
    after = server.memory(), server.open_files()
    print(f"{mode}: {done + more} requests beside a pause, memory and files {before} -> {after}")
    assert [client.command("GET", f"parked{n}").data for n, client in enumerate(clients)] == (
        [b"%d" % ((done + more) // PARKED)] * PARKED
    )
    until(lambda: server.open_files() <= before[1], "descriptors are left open")   # it looks into /proc at times
    assert after[0] <= before[0] + (2 << 20)
