"""Buffers, big values, slow and broken clients, and very many of them."""

import resource
import time
from collections.abc import Callable

import pytest

from tests.support.resp import CLOSED, OK, Connection, Value, encode, encode_all
from tests.support.servers import Server

Serve = Callable[..., Server]
MEGABYTE = 1 << 20


def fields(line: bytes) -> dict[bytes, bytes]:
    return dict(part.partition(b"=")[::2] for part in line.strip().split(b" "))


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


# -- output buffers


def test_a_slow_subscriber_is_killed_at_its_hard_limit(serve: Serve) -> None:
    server = serve(**{"client-output-buffer-limit": ["pubsub", "1mb", "512kb", "60"]})
    slow = Connection(server.address, receive_buffer=4096)
    with server.connect() as publisher, server.connect() as quick:
        slow.command("SUBSCRIBE", "c")
        quick.command("SUBSCRIBE", "c")
        wait_for(lambda: _publish_until(publisher, quick, receivers=1), "the slow subscriber is never dropped", 60)
        assert publisher.command("PING").data == b"PONG"
        assert publisher.command("CLIENT", "LIST", "TYPE", "pubsub").data.count(b"\n") == 1
        assert slow.read_until_close()[-1] == CLOSED
    slow.close()


def _publish_until(publisher: Connection, quick: Connection, receivers: int) -> bool:
    reached = publisher.command("PUBLISH", "c", b"x" * 100_000).data == receivers
    quick.read()
    return reached


def test_a_slow_subscriber_is_killed_at_its_soft_limit(serve: Serve) -> None:
    server = serve(**{"client-output-buffer-limit": ["pubsub", "0", "100kb", "1"]})
    slow = Connection(server.address, receive_buffer=4096)
    with server.connect() as publisher:
        slow.command("SUBSCRIBE", "c")
        publisher.pipeline([("PUBLISH", "c", b"x" * 100_000)] * 100)
        assert publisher.command("PUBLISH", "c", "still there").data == 1

        def is_gone() -> bool:
            time.sleep(0.3)
            return bool(publisher.command("PUBLISH", "c", "x").data == 0)

        wait_for(is_gone, "the soft limit has no effect")
    slow.close()


def test_a_reader_that_does_not_read_is_killed_at_the_normal_limit(serve: Serve) -> None:
    server = serve(**{"client-output-buffer-limit": ["normal", "5mb", "0", "0"]})
    slow = Connection(server.address, receive_buffer=4096)
    with server.connect() as other:
        other.command("SET", "big", b"x" * MEGABYTE)
        slow.send_raw(encode_all([("GET", "big")] * 40))
        wait_for(lambda: other.command("CLIENT", "LIST").data.count(b"\n") == 1, "the limit has no effect")
    slow.close()


def test_a_slow_reader_costs_nobody_else_anything(subject: Server) -> None:
    slow = Connection(subject.address, receive_buffer=4096, timeout=30)
    with subject.connect() as other:
        other.command("SET", "big", b"x" * MEGABYTE)
        slow.send_raw(encode_all([("GET", "big")] * 50))
        started = time.monotonic()
        for number in range(500):
            assert other.command("SET", "k", number) == OK
        assert time.monotonic() - started < 30
        replies = [slow.read() for _ in range(50)]
        assert replies == [Value("bulk", b"x" * MEGABYTE)] * 50
    slow.close()


# -- query buffers


def test_the_query_buffer_limit_closes_the_connection(serve: Serve) -> None:
    server = serve(**{"client-query-buffer-limit": "2mb"})
    with server.connect() as connection, server.connect() as other:
        connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n")
        with pytest.raises(ConnectionError):
            _send_for_ever(connection)
        assert other.command("PING").data == b"PONG"


def _send_for_ever(connection: Connection) -> None:
    for _ in range(4000):
        connection.send_raw(b"x" * 20000)
    connection.read()


def test_half_a_request_disturbs_nobody(subject: Server) -> None:
    request = encode("SET", "half", b"x" * 1000)
    halves = [subject.connect() for _ in range(100)]
    for number, connection in enumerate(halves):
        connection.send_raw(request[: 1 + number * 10])
    with subject.connect() as other:
        started = time.monotonic()
        for number in range(1000):
            assert other.command("SET", "k", number) == OK
        assert time.monotonic() - started < 30
        assert other.command("EXISTS", "half").data == 0
    for number, connection in enumerate(halves):
        connection.send_raw(request[1 + number * 10 :])
        assert connection.read() == OK
        connection.close()


def test_one_byte_at_a_time(subject: Server) -> None:
    with subject.connect() as connection:
        for byte in encode("SET", "k", b"0123456789") + b"PING\r\n" + encode("GET", "k"):
            connection.send_raw(bytes([byte]))
        assert [connection.read().data for _ in range(3)] == [b"OK", b"PONG", b"0123456789"]


# -- big values


def _round_trip(server: Server, size: int) -> None:
    value = bytes(range(256)) * (size // 256)
    with server.connect(timeout=120) as connection:
        assert connection.command("SET", "big", value) == OK
        assert connection.command("STRLEN", "big").data == len(value)
        assert connection.command("GETRANGE", "big", len(value) - 3, -1).data == value[-3:]
        reply = connection.command("GET", "big")
        assert reply.data == value
        assert connection.command("DEL", "big").data == 1


def test_a_value_of_64_megabytes(subject: Server) -> None:
    _round_trip(subject, 64 * MEGABYTE)


@pytest.mark.slow
def test_a_value_of_512_megabytes(subject: Server) -> None:
    _round_trip(subject, 512 * MEGABYTE)


def test_many_big_values_in_a_pipeline(subject: Server) -> None:
    with subject.connect(timeout=60) as connection:
        values = [bytes([number]) * (300_000 + number) for number in range(60)]
        requests = [(("SET", f"k{number}", value), ("GET", f"k{number}")) for number, value in enumerate(values)]
        for pair in requests:
            connection.send_raw(encode_all(pair))
            assert connection.read() == OK
            assert connection.read().data == values[requests.index(pair)]
        assert [reply.data for reply in connection.command("MGET", *[f"k{n}" for n in range(60)]).data] == values


def test_buffers_shrink_after_a_burst(serve: Serve) -> None:
    server = serve()
    with server.connect(timeout=60) as admin:
        connections = [server.connect(timeout=60) for _ in range(50)]
        numbers = [connection.command("CLIENT", "ID").data for connection in connections]
        admin.command("SET", "k", b"x" * 500_000)
        before = server.memory()
        for connection in connections:
            connection.send("SET", "own", b"y" * 2 * MEGABYTE)
        for connection in connections:
            assert connection.read() == OK
            assert len(connection.command("GET", "k").data) == 500_000
        time.sleep(0.5)

        def shrunk() -> bool:
            # a little traffic: a server may look at a client's buffers when it next hears from it, or in its cron
            for connection in connections:
                connection.command("PING")
            lines = [fields(line) for line in admin.command("CLIENT", "LIST", "ID", *numbers).data.splitlines()]
            held = sum(int(line[b"tot-mem"]) for line in lines)
            return held < 50 * 100_000 and server.memory() - before < 40 * MEGABYTE

        wait_for(shrunk, "the buffers stay big", 30)
        for connection in connections:
            connection.close()


# -- very many connections

CONNECTIONS = 10_000


def _raise_file_limit(wanted: int) -> bool:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return True
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        return False
    return True


@pytest.mark.greedy
def test_ten_thousand_connections(serve: Serve) -> None:
    if not _raise_file_limit(CONNECTIONS + 500):
        pytest.skip(f"the limit of open files cannot be raised to {CONNECTIONS + 500}")
    server = serve(maxclients=str(CONNECTIONS + 100), **{"tcp-backlog": "4096", "unixsocket": "many.sock"})
    assert server.socket_path is not None
    with server.connect(timeout=60) as admin:
        admin.command("SET", "k", "v")
        empty = server.memory()
        # half over TCP, half over the Unix socket: two sources of connections, and fewer ports needed
        addresses = [server.address, server.socket_path]
        connections = [Connection(addresses[number % 2], timeout=60) for number in range(CONNECTIONS)]
        try:
            for connection in connections:
                connection.send("GET", "k")
            assert all(connection.read() == Value("bulk", b"v") for connection in connections)
            assert f"connected_clients:{CONNECTIONS + 1}\r\n".encode() in admin.command("INFO", "clients").data
            per_connection = (server.memory() - empty) / CONNECTIONS
            assert per_connection < 32 * 1024, f"{per_connection:.0f} bytes per connection"
            time.sleep(1)
            busy = server.cpu_seconds()
            time.sleep(2)
            share = (server.cpu_seconds() - busy) / 2
            assert share < 0.1, f"{share:.0%} of a core while nobody asks anything"
            for connection in connections[::7]:
                assert connection.command("INCR", "n").kind == "integer"
        finally:
            for connection in connections:
                connection.close()
        wait_for(lambda: b"connected_clients:1\r\n" in admin.command("INFO", "clients").data, "closed clients stay")


def test_connections_come_and_go(subject: Server) -> None:
    with subject.connect() as admin:
        admin.command("PING")
        files = subject.open_files()
        for _ in range(10):
            group = [subject.connect() for _ in range(50)]
            for number, connection in enumerate(group):
                if number % 3 == 0:
                    connection.send("GET", "k")  # closed with an answer on its way
                elif number % 3 == 1:
                    assert connection.command("PING").data == b"PONG"
            for connection in group:
                connection.close()
        wait_for(lambda: subject.open_files() <= files, "descriptors are left open")
        assert admin.command("CLIENT", "LIST").data.count(b"\n") == 1


def test_a_client_that_shuts_down_its_sending_side_is_still_answered(subject: Server) -> None:
    import socket

    with subject.connect() as connection:
        connection.send_raw(encode("SET", "k", "v") + encode("GET", "k"))
        connection.socket.shutdown(socket.SHUT_WR)
        received = connection.read_until_close()
        assert received[-1] == CLOSED
