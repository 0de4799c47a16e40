"""The context over a real keyspace: who is told of a change, and what a command pushes to its own client."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.client import SharedSettings
from mtredis.executor.context import Context
from mtredis.keyspace.database import Keyspace

from mtredis.errors import CommandError
from mtredis.executor import admission
from tests.support.core import Core, encode, receive_exactly


class Told:
    def __init__(self) -> None:
        self.settings = SharedSettings()
        self.keyspace = Keyspace(3)
        self.touched: list[tuple[int, bytes]] = []
        self.events: list[tuple[bytes, bytes, int]] = []
        self.context: Any = Context("the server", self.keyspace, self.settings)
        self.context.watches = SimpleNamespace(touched=lambda index, key: self.touched.append((index, key)))
        self.context.notifier = lambda event, key, index: self.events.append((event, key, index))


@pytest.fixture
def told() -> Told:
    return Told()


def raise_gates(told: Told) -> None:
    told.settings.set_gate(admission.WATCHED | admission.NOTIFY, True)


def test_outside_a_command_there_is_no_client(told: Told) -> None:
    assert told.context.client is None
    assert told.context.server == "the server"
    told.keyspace.now = 123_456
    assert told.context.now == 123_456


def test_a_change_is_counted_and_made_known_only_where_somebody_listens(told: Told) -> None:
    told.context.modified(b"k", b"set")
    assert (told.context.dirty, told.touched, told.events) == (1, [], [])
    raise_gates(told)
    told.context.modified(b"k", b"zadd", 3)
    assert (told.context.dirty, told.touched, told.events) == (4, [(0, b"k")], [(b"zadd", b"k", 0)])


@pytest.mark.parametrize("count", [0, -1])
def test_a_change_of_nothing_is_none(told: Told, count: int) -> None:
    raise_gates(told)
    told.context.modified(b"k", b"set", count)
    assert (told.context.dirty, told.touched, told.events) == (0, [], [])


def test_a_mere_event_changes_nothing(told: Told) -> None:
    told.context.notify(b"expire", b"k")
    assert told.events == []
    raise_gates(told)
    told.context.notify(b"expire", b"k")
    assert (told.context.dirty, told.touched, told.events) == (0, [], [(b"expire", b"k", 0)])


def test_another_database_is_named(told: Told) -> None:
    raise_gates(told)
    told.context.modified_in(2, b"k", b"move_to")
    told.context.announce(1, b"gone", b"expired")
    assert told.context.dirty == 1   # an expiry is nobody's change
    assert told.touched == [(2, b"k"), (1, b"gone")]
    assert told.events == [(b"move_to", b"k", 2), (b"expired", b"gone", 1)]


def test_select_changes_where_things_happen(told: Told) -> None:
    raise_gates(told)
    told.context.select(2)
    assert told.context.db.index == 2
    told.context.modified(b"k", b"set")
    assert told.touched == [(2, b"k")]
    for index in (-1, 3):
        with pytest.raises(CommandError, match="^ERR DB index is out of range$"):
            told.context.select(index)
    assert told.context.db.index == 2


def test_only_keys_that_somebody_is_blocked_on_are_marked(told: Told) -> None:
    told.context.queues[0][b"k"] = told.context.queues[1][b"k"] = {"a client": None}
    told.context.modified(b"k", b"rpush")
    assert told.context.ready == {}   # the gate is not raised
    told.settings.set_gate(admission.BLOCKED, True)
    told.context.modified(b"other", b"rpush")
    told.context.modified(b"k", b"rpush", 0)
    assert told.context.ready == {}
    told.context.modified(b"k", b"rpush")
    told.context.modified_in(2, b"k", b"copy_to")
    told.context.announce(1, b"k", b"expired")
    told.context.modified(b"k", b"rpush")
    assert list(told.context.ready) == [(0, b"k"), (1, b"k")]


def test_databases_as_a_whole_mark_every_key_that_is_waited_for(told: Told) -> None:
    told.context.watches.flushed = lambda index: told.touched.append((index, b"flushed"))
    told.context.watches.swapped = lambda first, second: told.touched.append((first, b"swapped"))
    for index in (0, 1, 2):
        told.context.queues[index][b"k%d" % index] = {"a client": None}
    told.context.flushed(0)
    told.context.swapped(1, 2)
    assert told.touched == [(0, b"flushed"), (1, b"swapped")] and told.context.ready == {}
    told.settings.set_gate(admission.BLOCKED, True)
    told.context.flushed(0)   # nobody waits for a loss
    told.context.swapped(1, 2)
    assert list(told.context.ready) == [(1, b"k1"), (2, b"k2")]
    told.settings.set_gate(admission.BLOCKED_ON_MISSING, True)
    told.context.flushed(0)
    assert (0, b"k0") in told.context.ready


def test_outside_a_command_nobody_blocks(told: Told) -> None:
    assert not told.context.may_block and not told.context.retrying
    with pytest.raises(RuntimeError):
        told.context.block([b"k"], 0, "null")


@pytest.fixture(params=["executor", "workers"])
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    made = Core(tmp_path, request.param)
    yield made
    made.close()


def test_what_a_command_pushes_to_its_own_client_follows_the_reply(core: Core) -> None:
    message = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n%d\r\n"
    with core.connect() as client:
        client.sendall(encode("PING"))
        assert receive_exactly(client, 7) == b"+PONG\r\n"
        (session,) = core.on_executor(core.executor.clients)
        core.on_executor(lambda: setattr(session, "resp", 3))
        client.sendall(encode("SUBSCRIBE", "c"))
        assert receive_exactly(client, 30).startswith(b">3\r\n$9\r\nsubscribe")
        client.sendall(encode("PUBLISH", "c", "1") + encode("PUBLISH", "c", "2"))
        expected = b":1\r\n" + message % 1 + b":1\r\n" + message % 2
        assert receive_exactly(client, len(expected)) == expected
        client.sendall(encode("MULTI") + encode("PUBLISH", "c", "3") + encode("PING") + encode("EXEC"))
        expected = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+PONG\r\n" + message % 3
        assert receive_exactly(client, len(expected)) == expected


def test_select_is_the_clients_own(core: Core) -> None:
    with core.connect() as first, core.connect() as second:
        first.sendall(encode("SELECT", "1") + encode("SET", "k", "one"))
        assert receive_exactly(first, 10) == b"+OK\r\n+OK\r\n"
        second.sendall(encode("GET", "k") + encode("SELECT", "9"))
        refused = b"$-1\r\n-ERR DB index is out of range\r\n"
        assert receive_exactly(second, len(refused)) == refused
        first.sendall(encode("GET", "k"))
        assert receive_exactly(first, 9) == b"$3\r\none\r\n"
