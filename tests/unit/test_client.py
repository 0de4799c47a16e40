"""A client's session over its connection, and what is left of it when the connection is gone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mtredis.client import Client, SharedSettings

from tests.support.core import Core, encode, receive_all, receive_exactly, until


@pytest.fixture(params=["executor", "workers"])
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    made = Core(tmp_path, request.param)
    yield made
    made.close()


def session_of(core: Core) -> Any:
    (session,) = core.on_executor(core.executor.clients)
    return session


def greet(client: Any) -> None:
    client.sendall(encode("PING"))
    assert receive_exactly(client, 7) == b"+PONG\r\n"


def test_gates_can_be_raised_and_lowered() -> None:
    settings = SharedSettings()
    settings.set_gate(4 | 8, True)
    assert settings.is_gate(4) and settings.is_gate(8) and not settings.is_gate(16)
    settings.set_gate(4, False)
    assert not settings.is_gate(4) and settings.is_gate(8)


def test_a_new_session_has_the_state_of_redis(core: Core) -> None:
    with core.connect() as client:
        greet(client)
        session = session_of(core)
        assert (session.name, session.user, session.db_index, session.resp) == (b"", b"default", 0, 2)
        assert session.authenticated and session.is_connected and session.kind == "normal"
        assert session.reply_mode == "on" and session.transaction is None and session.subscriptions is None
        assert (session.no_touch, session.no_evict, session.monitor) == (False, False, False)
        assert session.last_command == "ping" and session.commands_processed == 1
        assert session.net_in == 14
        until(lambda: session.net_out == 7, "it has noted what it sent")
        assert session_of(core) is session


def test_a_push_arrives_at_any_time(core: Core) -> None:
    with core.connect() as client:
        greet(client)
        session = session_of(core)
        core.on_executor(lambda: [session.push(b"+%d\r\n" % i) for i in range(500)])
        expected = b"".join(b"+%d\r\n" % i for i in range(500))
        assert receive_exactly(client, len(expected)) == expected
        until(lambda: core.on_executor(lambda: session.output_memory) == 0)


def test_a_killed_client_is_closed_and_its_session_outlives_it_harmlessly(core: Core) -> None:
    with core.connect() as client:
        greet(client)
        session = session_of(core)
        core.on_executor(session.kill)
        assert receive_all(client) == b""
    until(lambda: core.closed == [session.id])
    core.on_executor(lambda: (session.push(b"+late\r\n"), session.kill(), session.close_after_reply()))
    assert not session.is_connected and session.fd == -1 and session.address == ""
    assert session.total_memory == session.net_in == session.query_length == session.output_memory == 0
    session.db_index, session.resp, session.reply_mode = 3, 3, "off"
    assert (session.db_index, session.resp) == (0, 2)


def test_close_after_reply_sends_the_reply(core: Core) -> None:
    with core.connect() as client:
        client.sendall(encode("SET", "k", "v") + encode("QUIT") + encode("PING"))
        assert receive_all(client) == b"+OK\r\n+OK\r\n"


def test_a_push_over_the_limit_of_its_class_closes_the_client(core: Core) -> None:
    core.on_executor(lambda: core.settings.set_output_limit(2, 100_000, 0, 0))
    with core.connect() as client:
        greet(client)
        client.sendall(encode("SUBSCRIBE", "c"))
        assert receive_exactly(client, 30).startswith(b"*3\r\n$9\r\nsubscribe")
        session = session_of(core)
        assert session.kind == "pubsub"
        core.on_executor(lambda: session.push(b"x" * 100_001))
        assert len(receive_all(client)) < 100_001
    assert core.settings.statistics()["output_limit_closed"] == 1
    core.settings.reset_statistics()
    assert core.settings.statistics()["output_limit_closed"] == 0


def test_a_client_without_a_connection_is_inert() -> None:
    client = Client()
    client.push(b"x")
    client.kill()
    client.subscriptions = object()
    assert client.kind == "pubsub" and client.last_command == "NULL" and not client.is_connected
