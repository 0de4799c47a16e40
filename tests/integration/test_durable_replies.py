"""appendfsync always: nobody gets to see a change before it is on disk, in whatever way it could be seen.

Idea: the shim holds the fsync that follows a change. Meanwhile nobody who could learn of the change hears anything: not
who made it, nor who reads it, subscribes, is blocked, monitors. When the fsync may go on, all of them do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.durable import DurableServer
from tests.support.resp import Connection, Value
from tests.support.shim import Shim

QUIET_SECONDS = 0.3
PATIENCE = 60.0
EVENTS = "notify-keyspace-events"
MODES = ("executor", "threads")   # who drives the connections


class Place:
    """A server whose fsyncs the test holds."""

    def __init__(self, folder: Path, **parameters: Any) -> None:
        self.server = DurableServer("subject", folder, appendonly="yes", appendfsync="always", **parameters)
        self.shim = Shim(self.server.data, traced=False)
        self.server.environment = self.shim.environment()
        self.server.start()
        self.connections: list[Connection] = []

    def connect(self) -> Connection:
        self.connections.append(self.server.connect(timeout=PATIENCE))
        return self.connections[-1]

    def hold(self) -> None:
        self.shim.control.hold_sync = 1

    def wait_held(self) -> None:
        """The fsync of a change has begun."""
        deadline = 12000
        while not self.shim.control.holding:
            deadline -= 1
            assert deadline, "no fsync"
            assert self.connections[0].is_quiet(0.005)

    def release(self) -> None:
        self.shim.control.hold_sync = 0

    def close(self) -> None:
        self.release()
        for connection in self.connections:
            connection.close()
        self.server.close()
        self.shim.close()


@pytest.fixture(params=MODES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, **{"io-threads-mode": request.param, "io-threads": 2, EVENTS: "KEA"})
    yield made
    made.close()


def words(value: Value) -> Any:
    return value.plain()


def test_no_one_hears_of_a_change_before_it_is_on_disk(place: Place) -> None:
    writer, reader, subscriber, events, waiter, monitor = (place.connect() for _ in range(6))
    assert words(writer.command("SET", "k", "old")) == b"OK"
    subscriber.command("SUBSCRIBE", "channel")
    events.command("PSUBSCRIBE", "__keyspace@0__:*")
    assert words(monitor.command("MONITOR")) == b"OK"
    waiter.send("BLPOP", "list", 0)
    assert b'"BLPOP" "list" "0"' in monitor.read().data
    place.hold()
    writer.send_raw(
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nnew\r\n*3\r\n$5\r\nRPUSH\r\n$4\r\nlist\r\n$1\r\nx\r\n"
        b"*3\r\n$7\r\nPUBLISH\r\n$7\r\nchannel\r\n$4\r\nsaid\r\n"
    )
    place.wait_held()
    reader.send("GET", "k")
    for connection in place.connections:
        assert connection.is_quiet(QUIET_SECONDS)
    place.release()
    assert [words(writer.read()) for _ in range(3)] == [b"OK", 1, 1]
    assert words(reader.read()) == b"new"
    assert words(subscriber.read()) == [b"message", b"channel", b"said"]
    assert words(waiter.read()) == [b"list", b"x"]
    heard = [tuple(words(events.read())[2:]) for _ in range(3)]
    key, list_ = b"__keyspace@0__:k", b"__keyspace@0__:list"
    assert heard == [(key, b"set"), (list_, b"rpush"), (list_, b"lpop")]
    assert b'"SET" "k" "new"' in monitor.read().data


def test_an_expired_key_is_gone_for_all_at_once(place: Place) -> None:
    """What cron deletes is on disk before the event about it is published, and before a read misses the key."""
    writer, events, reader = (place.connect() for _ in range(3))
    events.command("PSUBSCRIBE", "__keyevent@0__:expired")
    assert words(writer.command("SET", "k", "v")) == b"OK"
    place.hold()
    writer.send("PEXPIRE", "k", 1)
    place.wait_held()
    place.release()
    assert words(writer.read()) == 1
    assert words(events.read())[3] == b"k"
    place.hold()
    writer.send("PSETEX", "k", 1, "v")
    place.wait_held()
    reader.send("GET", "k")
    for connection in (writer, events, reader):
        assert connection.is_quiet(QUIET_SECONDS)
    place.release()
    assert words(writer.read()) == b"OK"
    assert words(events.read())[3] == b"k"


def test_a_transaction_and_a_client_that_waits_for_the_log(place: Place) -> None:
    writer = place.connect()
    place.hold()
    writer.send_raw(
        b"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*1\r\n$4\r\nEXEC\r\n"
        b"*4\r\n$7\r\nWAITAOF\r\n$1\r\n1\r\n$1\r\n0\r\n$1\r\n0\r\n"
    )
    place.wait_held()
    assert writer.is_quiet(QUIET_SECONDS)
    place.release()
    assert [words(writer.read()) for _ in range(5)] == [b"OK", b"QUEUED", b"QUEUED", [1, 2], [1, 0]]


def test_under_everysec_nobody_waits_for_the_disk(tmp_path: Path) -> None:
    """The other way round: the test above would not see a server that never answers."""
    made = Place(tmp_path, **{"io-threads-mode": "executor"})
    try:
        writer = made.connect()
        assert words(writer.command("CONFIG", "SET", "appendfsync", "everysec")) == b"OK"
        made.hold()
        assert words(writer.command("SET", "k", "v")) == b"OK"
        assert words(writer.command("GET", "k")) == b"v"
    finally:
        made.close()
