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
from tests.support.core import Core, encode, receive_exactly, until
from tests.support.effects import KeptStream


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


def effects(core: Core, *lines: str) -> list[tuple[bytes, ...]]:
    """What requests put into the write stream."""
    sink, propagation = KeptStream(), core.executor.dispatcher.propagation
    core.on_executor(lambda: propagation.add_sink(sink))
    with core.connect() as client:
        client.sendall(b"".join(encode(*line.split()) for line in (*lines, "ECHO --end--")))
        received = b""
        while not received.endswith(b"--end--\r\n"):
            received += receive_exactly(client, 1)
    core.on_executor(lambda: propagation.remove_sink(sink))
    return [argv for _, argv in sink.effects()]


def test_a_command_goes_out_if_it_changes_something(core: Core) -> None:
    assert effects(core, "SETRANGE k 2 x", "GETRANGE k 0 1", "SETRANGE k 2", "LPUSH k v", "SORT none STORE k") == [
        (b"SETRANGE", b"k", b"2", b"x"), (b"SORT", b"none", b"STORE", b"k"),
    ]  # fmt: skip


def test_a_handler_says_what_goes_out_in_its_place(core: Core) -> None:
    assert effects(core, "HSET h f 1 g 2 i 3", "HGETDEL h FIELDS 2 f none", "HPEXPIREAT h 1 FIELDS 2 g none") == [
        (b"HSET", b"h", b"f", b"1", b"g", b"2", b"i", b"3"), (b"HDEL", b"h", b"f", b"none"), (b"HDEL", b"h", b"g"),
    ]  # fmt: skip
    assert effects(core, "XGROUP CREATE x g 0 MKSTREAM", "XREADGROUP GROUP g c STREAMS x >") == [
        (b"XGROUP", b"CREATE", b"x", b"g", b"0", b"MKSTREAM")
    ]


def test_a_transaction_is_one_unit_and_its_exec_is_not_in_it(core: Core) -> None:
    transaction = ("MULTI", "SETRANGE k 0 x", "GET k", "INCR k", "HSET h f 1", "EXEC")
    assert effects(core, *transaction, "MULTI", "SET k v", "EXEC", "MULTI", "GET k", "EXEC") == [
        (b"MULTI",), (b"SETRANGE", b"k", b"0", b"x"), (b"HSET", b"h", b"f", b"1"), (b"EXEC",), (b"SET", b"k", b"v"),
    ]  # fmt: skip


def test_a_blocked_client_is_served_in_a_unit_of_its_own(core: Core) -> None:
    sink, propagation = KeptStream(), core.executor.dispatcher.propagation
    core.on_executor(lambda: propagation.add_sink(sink))
    with core.connect() as waiting, core.connect() as client:
        waiting.sendall(encode("BLPOP", "k", "0"))
        until(lambda: core.on_executor(lambda: len(core.server.blocking)) == 1)
        client.sendall(encode("RPUSH", "k", "a", "b"))
        assert receive_exactly(waiting, 18) == b"*2\r\n$1\r\nk\r\n$1\r\na\r\n"
    core.on_executor(propagation.give)
    assert [argv for _, argv in sink.effects()] == [(b"RPUSH", b"k", b"a", b"b"), (b"LPOP", b"k")]


def test_outside_a_command_nothing_is_said_when_nobody_reads(told: Told) -> None:
    assert not told.context.propagates
    told.context.propagate(b"DEL", b"k")
    sink = KeptStream()
    told.context.propagation.add_sink(sink)
    assert told.context.propagates
    told.context.select(1)
    told.context.propagate(b"PEXPIREAT", b"k", 5)
    told.context.propagate_deletion(b"k", True)
    told.context.propagate_deletion(b"k", False)
    told.context.propagate_nothing()
    told.context.propagation.give()
    assert sink.effects() == [(1, (b"PEXPIREAT", b"k", b"5")), (1, (b"UNLINK", b"k")), (1, (b"DEL", b"k"))]


def test_select_is_the_clients_own(core: Core) -> None:
    with core.connect() as first, core.connect() as second:
        first.sendall(encode("SELECT", "1") + encode("SET", "k", "one"))
        assert receive_exactly(first, 10) == b"+OK\r\n+OK\r\n"
        second.sendall(encode("GET", "k") + encode("SELECT", "9"))
        refused = b"$-1\r\n-ERR DB index is out of range\r\n"
        assert receive_exactly(second, len(refused)) == refused
        first.sendall(encode("GET", "k"))
        assert receive_exactly(first, 9) == b"$3\r\none\r\n"
