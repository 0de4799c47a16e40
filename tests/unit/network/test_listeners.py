"""Listening sockets: which addresses must be had, what a failure leaves behind, and whose files are removed."""

import socket
import stat
from pathlib import Path

import pytest

from mtredis.errors import ConfigError
from mtredis.network.listeners import close_listeners, listen_address, listen_tcp, listen_unix


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_every_address_gets_a_socket_that_does_not_block() -> None:
    addresses = ["127.0.0.1", "127.0.0.2", *(["::1"] if has_ipv6() else [])]
    sockets = listen_tcp(addresses, free_port(), 10)
    assert [listener.getsockname()[0] for listener in sockets] == addresses
    assert not any(listener.getblocking() for listener in sockets)
    for listener in sockets:
        socket.create_connection(listener.getsockname()[:2]).close()
    close_listeners(sockets)


def test_a_star_is_every_address_of_ipv4() -> None:
    (listener,) = listen_tcp(["*"], free_port(), 10)
    assert listener.getsockname()[0] == "0.0.0.0"
    listener.close()


def test_an_optional_address_may_be_missing() -> None:
    sockets = listen_tcp(["127.0.0.1", "-192.0.2.1"], free_port(), 10)
    assert len(sockets) == 1
    close_listeners(sockets)
    with pytest.raises(ConfigError):
        listen_tcp(["-192.0.2.1"], free_port(), 10)


def test_an_address_that_is_needed_and_missing_leaves_nothing_open() -> None:
    port = free_port()
    with pytest.raises(ConfigError, match=rf"Failed listening on port {port} \(tcp\), aborting\."):
        listen_tcp(["127.0.0.1", "192.0.2.1"], port, 10)
    listen_address("127.0.0.1", port, 10).close()   # the first one is free again


def test_a_taken_port_is_refused_even_for_an_optional_address() -> None:
    with listen_address("127.0.0.1", 0, 10) as taken, pytest.raises(ConfigError):
        listen_tcp(["-127.0.0.1"], taken.getsockname()[1], 10)


def test_no_addresses_are_no_sockets() -> None:
    assert listen_tcp([], 1, 10) == []


def test_a_unix_socket_has_the_permissions_asked_for_and_goes_with_close(tmp_path: Path) -> None:
    path = tmp_path / "u.sock"
    listener = listen_unix(str(path), 0o700, 10)
    assert stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_mode & 0o777 == 0o700
    close_listeners([listener], str(path))
    assert not path.exists() and listener.fileno() == -1
    close_listeners([], str(path))   # somebody else has removed it already


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "u.sock")
    stale = listen_unix(path, 0, 10)
    stale.close()
    with listen_unix(path, 0, 10), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_file_that_is_no_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="Failed opening Unix socket: bind: Address already in use"):
        listen_unix(str(path), 0, 10)
    assert path.read_text() == "mine"
