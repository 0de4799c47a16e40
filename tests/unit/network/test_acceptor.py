"""The acceptor: every listener, an even deal, the limit of clients, and its end."""

import os
import socket

import pytest
from mtredis.client import SharedSettings
from mtredis.network.acceptor import Acceptor

from tests.support.core import Core, encode, receive_all, receive_exactly, until


def test_connections_are_dealt_to_the_workers_in_turn(core: Core) -> None:
    clients = [core.connect() for _ in range(10)]
    until(lambda: [worker.statistics()["connections"] for worker in core.workers] == [5, 5])
    for client in clients:
        client.close()


def test_unix_sockets_are_served_beside_tcp(core: Core) -> None:
    with core.connect(unix=True) as local, core.connect() as remote:
        for client in (local, remote):
            client.sendall(encode("PING"))
            assert receive_exactly(client, 7) == b"+PONG\r\n"
        first, second = core.on_executor(core.executor.clients)
        unix, tcp = (first, second) if first.is_unix_socket else (second, first)
        assert unix.is_unix_socket and not tcp.is_unix_socket
        assert core.on_executor(lambda: (tcp.address, tcp.local_address)) == (
            "{}:{}".format(*remote.getsockname()), "{}:{}".format(*remote.getpeername()),
        )  # fmt: skip


def test_ids_count_up_and_times_are_now(core: Core) -> None:
    with core.connect(), core.connect():
        until(lambda: core.on_executor(lambda: core.executor.connections_count) == 2)
        first, second = core.on_executor(core.executor.clients)
        assert second.id == first.id + 1
        assert first.age_seconds < 20 and first.idle_seconds < 20


def test_one_client_too_many_is_told_so(core: Core) -> None:
    core.on_executor(
        lambda: core.settings.set_limits(
            max_bulk=1 << 20, query_limit=1 << 20, idle_timeout=0, max_clients=2, keepalive=10, password_set=False,
            protected=True,
        )
    )  # fmt: skip
    first, second = core.connect(), core.connect()
    until(lambda: core.settings.statistics()["connected"] == 2)
    with core.connect() as third:
        assert receive_all(third) == b"-ERR max number of clients reached\r\n"
    assert core.settings.statistics()["rejected"] == 1
    first.close()
    until(lambda: core.settings.statistics()["connected"] == 1)
    with core.connect() as fourth:
        fourth.sendall(encode("PING"))
        assert receive_exactly(fourth, 7) == b"+PONG\r\n"
    second.close()
    assert core.settings.statistics()["accepted"] == 3


def test_with_a_password_new_connections_are_strangers(core: Core) -> None:
    core.on_executor(
        lambda: core.settings.set_limits(
            max_bulk=1 << 20, query_limit=1 << 20, idle_timeout=0, max_clients=20, keepalive=0, password_set=True,
            protected=False,
        )
    )  # fmt: skip
    with core.connect() as client:
        client.sendall(encode("GET", "k"))
        assert receive_exactly(client, 34) == b"-NOAUTH Authentication required.\r\n"


def test_after_stop_nobody_is_accepted_and_clients_go_on(core: Core) -> None:
    with core.connect() as client:
        client.sendall(encode("PING"))
        assert receive_exactly(client, 7) == b"+PONG\r\n"
        core.acceptor.stop()
        accepted = core.settings.statistics()["accepted"]
        late = socket.create_connection(core.tcp.getsockname())   # the kernel's queue takes it
        client.sendall(encode("PING"))
        assert receive_exactly(client, 7) == b"+PONG\r\n"
        assert core.settings.statistics()["accepted"] == accepted
        late.close()


def test_it_wants_loops_and_real_descriptors() -> None:
    with pytest.raises(ValueError, match="1 to 128 loops"):
        Acceptor(SharedSettings(), [])
    acceptor = Acceptor(SharedSettings(), [1])
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    with pytest.raises(OSError, match="cannot watch a listening socket"):
        acceptor.listen(read)
