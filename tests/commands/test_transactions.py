"""MULTI, EXEC, DISCARD, WATCH, UNWATCH as a client sees them."""

import pytest

import mtredis.commands.connection
import mtredis.commands.transactions  # noqa: F401
from mtredis.errors import CommandError
from tests.support.fake_session import FakeServer, Session


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def client(server: FakeServer) -> Session:
    return server.connect()


@pytest.fixture
def other(server: FakeServer) -> Session:
    return server.connect()


def test_exec_runs_what_was_queued_and_nothing_is_left(server: FakeServer, client: Session) -> None:
    assert client.run("MULTI") == b"OK"
    assert client.run("ECHO", "a") == b"QUEUED"
    assert client.run("PING") == b"QUEUED"
    assert client.run("EXEC") == [b"a", b"PONG"]
    assert client.client.transaction is None
    assert server.keyspace.versions == ["begin", "end"]


def test_an_empty_transaction_gives_an_empty_array(client: Session) -> None:
    client.run("MULTI")
    assert client.run("EXEC") == []


def test_an_error_inside_exec_is_one_of_its_replies(client: Session) -> None:
    client.run("MULTI")
    client.run("SELECT", "nonsense")
    client.run("ECHO", "b")
    failed, echoed = client.run("EXEC")
    assert str(failed) == "ERR value is not an integer or out of range"
    assert echoed == b"b"


@pytest.mark.parametrize(
    ("command", "text"), [("EXEC", "ERR EXEC without MULTI"), ("DISCARD", "ERR DISCARD without MULTI")]
)
def test_only_after_multi(client: Session, command: str, text: str) -> None:
    with pytest.raises(CommandError) as refusal:
        client.run(command)
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("argv", "text"),
    [(("MULTI",), "ERR MULTI calls can not be nested"), (("WATCH", "k"), "ERR WATCH inside MULTI is not allowed")],
)
def test_not_inside_multi(client: Session, argv: tuple[str, ...], text: str) -> None:
    client.run("MULTI")
    client.run("PING")
    with pytest.raises(CommandError) as refusal:
        client.run(*argv)
    assert str(refusal.value) == text
    assert client.run("EXEC") == [b"PONG"]


def test_a_command_refused_while_queueing_aborts(server: FakeServer, client: Session) -> None:
    client.run("WATCH", "k")
    client.run("MULTI")
    client.client.transaction.flag_dirty_exec()
    with pytest.raises(CommandError) as refusal:
        client.run("EXEC")
    assert str(refusal.value) == "EXECABORT Transaction discarded because of previous errors."
    assert client.client.transaction is None
    assert server.watches.count(client.client) == 0
    assert server.keyspace.versions == []


def test_a_watched_key_that_changes_makes_exec_null(client: Session, other: Session) -> None:
    client.run("WATCH", "k")
    client.run("MULTI")
    client.run("PING")
    other.touch(b"k")
    assert client.run("EXEC") is None
    assert client.reply.calls == [("null_array",)]
    client.run("MULTI")
    client.run("PING")
    assert client.run("EXEC") == [b"PONG"]


def test_abort_comes_before_null(client: Session, other: Session) -> None:
    client.run("WATCH", "k")
    client.run("MULTI")
    other.touch(b"k")
    client.client.transaction.flag_dirty_exec()
    with pytest.raises(CommandError, match="EXECABORT"):
        client.run("EXEC")


def test_a_change_before_multi_counts_too_and_the_own_one_as_well(client: Session) -> None:
    client.run("WATCH", "k")
    client.touch(b"k")
    client.run("MULTI")
    client.run("PING")
    assert len(client.client.transaction) == 0
    assert client.run("EXEC") is None


def test_the_watch_is_on_the_database_where_it_was_said(client: Session, other: Session) -> None:
    client.run("SELECT", 3)
    client.run("WATCH", "k")
    client.run("SELECT", 0)
    other.touch(b"k")
    client.run("MULTI")
    assert client.run("EXEC") == []
    client.run("SELECT", 3)
    client.run("WATCH", "k")
    client.run("SELECT", 0)
    other.run("SELECT", 3)
    other.touch(b"k")
    client.run("MULTI")
    assert client.run("EXEC") is None


def test_a_watched_key_that_expires_unseen_makes_exec_null(server: FakeServer, client: Session) -> None:
    server.keyspace.databases[0].add(b"k")
    client.run("WATCH", "k")
    server.keyspace.databases[0].clear()
    client.run("MULTI")
    assert client.run("EXEC") is None


@pytest.mark.parametrize("forget", [("UNWATCH",), ("DISCARD",), ("EXEC",), ("RESET",)])
def test_what_ends_a_watch(server: FakeServer, client: Session, other: Session, forget: tuple[str, ...]) -> None:
    client.run("WATCH", "k")
    other.touch(b"k")
    if forget != ("UNWATCH",):
        client.run("MULTI")
    client.run(*forget)
    assert server.watches.statistics() == {"watching_clients": 0, "total_watched_keys": 0}
    client.run("MULTI")
    client.run("PING")
    assert client.run("EXEC") == [b"PONG"]


def test_discard_drops_the_queue(client: Session) -> None:
    client.run("MULTI")
    client.run("PING")
    assert client.run("DISCARD") == b"OK"
    client.run("MULTI")
    assert client.run("EXEC") == []


def test_the_transaction_ends_even_if_a_command_has_a_bug(
    server: FakeServer, client: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: object, argv: list[bytes]) -> None:
        raise ZeroDivisionError

    client.run("MULTI")
    client.run("PING")
    monkeypatch.setattr(client, "execute_queued", fail)
    with pytest.raises(ZeroDivisionError):
        client.run("EXEC")
    assert client.client.transaction is None
    assert server.keyspace.versions == ["begin", "end"]
