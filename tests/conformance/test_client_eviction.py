"""maxmemory-clients and maxmemory, against redis-server: whatever a client makes the server hold counts at once."""

from collections.abc import Callable

import pytest

from tests.support.durable import DurableServer
from tests.support.resp import Connection, ConnectionEnded

LIMIT = 1 << 20
VALUE = b"v" * 100_000
NAMES = [b"name:%06d:" % number + b"n" * 100 for number in range(50_000)]


def queue(client: Connection) -> None:
    client.command("MULTI")
    for _ in range(100):
        client.command("SET", "k", VALUE)


def watch(client: Connection) -> None:
    for start in range(0, len(NAMES), 1000):
        client.command("WATCH", *NAMES[start : start + 1000])


def subscribe(client: Connection) -> None:
    for start in range(0, len(NAMES), 1000):
        client.pipeline([("SUBSCRIBE", name) for name in NAMES[start : start + 1000]])


def half_send(client: Connection) -> None:
    client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8000000\r\n" + b"v" * 7_000_000)
    client.command("PING")


def read_nothing(client: Connection) -> None:
    for _ in range(200):
        client.send_raw(b"GET big\r\n" * 20)
    for _ in range(4000):
        client.read_reply()


@pytest.mark.parametrize("hoard", [queue, watch, subscribe, half_send, read_nothing])
def test_a_client_that_holds_too_much_is_closed(either: DurableServer, hoard: Callable[[Connection], None]) -> None:
    with either.connect(timeout=30) as modest, either.connect(timeout=30) as client:
        modest.command("SET", "big", VALUE)
        modest.command("CONFIG", "SET", "maxmemory-clients", LIMIT)
        with pytest.raises((ConnectionEnded, OSError)):
            hoard(client)
        assert modest.command("PING").data == b"PONG"
        assert either.info("stats")["evicted_clients"] == "1"


def test_keys_go_for_what_clients_do_not_read(either: DurableServer) -> None:
    with either.connect(timeout=30) as admin:
        for number in range(50):
            admin.command("SET", number, VALUE)
        admin.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        admin.command("CONFIG", "SET", "maxmemory", 11 << 20)
        assert admin.command("DBSIZE").data == 50
        lazy = [either.connect(timeout=30, receive_buffer=4096) for _ in range(20)]
        for _ in range(1000):
            for client in lazy:
                client.send_raw(b"MGET 1\r\n")
            if admin.command("DBSIZE").data < 50:
                break
        assert int(either.info("stats")["evicted_keys"]) > 0
        assert int(either.info("memory")["used_memory_peak"]) < 60 << 20
        for client in lazy:
            client.close()
        admin.command("FLUSHALL")
        assert all(admin.command("SET", number, VALUE).data == b"OK" for number in range(50))
        assert admin.command("DBSIZE").data == 50
