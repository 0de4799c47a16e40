"""redis-py, sync and asyncio, in RESP2 and RESP3, with its own parser and with hiredis, as real programs use it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.connection import Connection as AsyncConnection
from redis.backoff import NoBackoff
from redis.connection import Connection as SyncConnection
from redis.retry import Retry

from tests.support.servers import Server

parsers = pytest.importorskip("redis._parsers")
PROTOCOLS = [2, 3]
PARSERS = ["python", "hiredis"]


def _sync_parser(protocol: int, parser: str) -> type:
    if parser == "hiredis":
        pytest.importorskip("hiredis")
        return parsers._HiredisParser
    return parsers._RESP2Parser if protocol == 2 else parsers._RESP3Parser


def _async_parser(protocol: int, parser: str) -> type:
    if parser == "hiredis":
        pytest.importorskip("hiredis")
        return parsers._AsyncHiredisParser
    return parsers._AsyncRESP2Parser if protocol == 2 else parsers._AsyncRESP3Parser


@pytest.fixture(
    params=[(protocol, parser) for protocol in PROTOCOLS for parser in PARSERS], ids=lambda p: f"resp{p[0]}-{p[1]}"
)
def client(request: pytest.FixtureRequest, subject: Server) -> Iterator[redis.Redis]:
    protocol, parser = request.param
    pool = redis.ConnectionPool(
        connection_class=SyncConnection,
        port=subject.port,
        protocol=protocol,
        parser_class=_sync_parser(protocol, parser),
    )
    client = redis.Redis(connection_pool=pool)
    yield client
    client.close()
    pool.disconnect()


def test_strings(client: redis.Redis) -> None:
    assert client.set("k", "v") is True
    assert client.get("k") == b"v"
    assert client.set("k", "w", nx=True) is None
    assert client.set("k", "w", get=True) == b"v"
    assert client.append("k", "x") == 2
    assert client.incrby("n", 5) == 5
    assert client.incrbyfloat("n", 0.5) == 5.5
    assert client.mset({"a": "1", "b": "2"}) is True
    assert client.mget(["a", "b", "c"]) == [b"1", b"2", None]
    assert client.getex("a", ex=100) == b"1"
    assert 0 < client.ttl("a") <= 100
    assert client.setbit("bits", 7, 1) == 0
    assert client.bitcount("bits") == 1
    assert client.bitfield("f").set("u8", 0, 255).incrby("u8", 0, 1).execute() == [0, 0]
    assert sorted(client.keys()) == [b"a", b"b", b"bits", b"f", b"k", b"n"]
    assert sorted(client.scan_iter(count=2)) == sorted(client.keys())
    assert client.delete("a", "b", "missing") == 2
    assert client.expire("k", 10) is True
    assert client.type("k") == b"string"


def test_errors(client: redis.Redis) -> None:
    client.set("k", "v")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("k")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NOSUCHCOMMAND")
    assert client.ping() is True


def test_pipeline_and_transaction(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"k{number}", number)
        pipe.get("k999")
        replies = pipe.execute()
    assert replies == [True] * 1000 + [b"999"]
    with client.pipeline() as pipe:
        pipe.incr("n").incr("n").get("n")
        assert pipe.execute() == [1, 2, b"2"]
    with client.pipeline() as pipe:
        pipe.set("s", "v").incr("s")
        failed = pipe.execute(raise_on_error=False)
        assert failed[0] is True
        assert isinstance(failed[1], redis.ResponseError)


def test_optimistic_locking(client: redis.Redis) -> None:
    client.set("n", 0)

    def increase(pipe: Any) -> None:
        current = int(pipe.get("n"))
        pipe.multi()
        pipe.set("n", current + 1)

    def work() -> None:
        for _ in range(50):
            client.transaction(increase, "n")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == b"200"


def test_pubsub(client: redis.Redis) -> None:
    pubsub = client.pubsub()
    pubsub.subscribe("c")
    pubsub.psubscribe("p*")
    assert [pubsub.get_message(timeout=30)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert client.publish("c", "hello") == 1
    assert client.publish("pq", "pattern") == 1
    first, second = (pubsub.get_message(timeout=30) for _ in range(2))
    assert (first["type"], first["channel"], first["data"]) == ("message", b"c", b"hello")
    assert (second["type"], second["pattern"], second["data"]) == ("pmessage", b"p*", b"pattern")
    pubsub.unsubscribe()
    pubsub.close()
    assert client.ping() is True


def test_info_config_and_client_list(client: redis.Redis) -> None:
    client.config_set("slowlog-log-slower-than", 60_000_000)
    assert client.info()["redis_version"]
    assert client.info("keyspace") == {}
    client.set("k", "v")
    assert client.info("keyspace")["db0"]["keys"] == 1
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert client.config_set("maxmemory", "100mb") is True
    assert len(client.client_list()) >= 1
    assert client.client_info()["id"] == client.client_id()
    assert client.command_count() > 50
    assert client.dbsize() == 1
    assert client.time()[0] > 1_600_000_000
    assert client.object("encoding", "k") == b"embstr"
    assert client.slowlog_get() == []
    assert client.memory_usage("k") > 0
    assert client.lastsave()
    with client.monitor() as monitor:
        client.set("watched", "v")
        seen = [monitor.next_command()["command"]]
        while "watched" not in seen[-1]:  # the connection that was opened for the SET introduces itself first
            seen.append(monitor.next_command()["command"])
        assert seen[-1] == "SET watched v"


def test_connection_pool_under_threads(subject: Server) -> None:
    pool = redis.BlockingConnectionPool(port=subject.port, max_connections=8, timeout=20)
    client = redis.Redis(connection_pool=pool)

    def work() -> None:
        for _ in range(200):
            client.incr("n")

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == b"3200"
    pool.disconnect()


def test_unix_socket(subject: Server) -> None:
    assert subject.socket_path is not None
    with redis.Redis(unix_socket_path=subject.socket_path) as client:
        assert client.set("k", b"x" * 1_000_000) is True
        assert client.get("k") == b"x" * 1_000_000
        assert client.client_info()["addr"] == f"{subject.parameters['unixsocket']}:0"


def test_password(serve: Callable[..., Server]) -> None:
    server = serve(requirepass="secret")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.port, password="wrong", retry=Retry(NoBackoff(), 0)).ping()
    for protocol in PROTOCOLS:
        assert redis.Redis(port=server.port, password="secret", protocol=protocol).ping() is True
        assert redis.Redis(port=server.port, username="default", password="secret", protocol=protocol).ping() is True


def test_databases_and_names(subject: Server) -> None:
    with redis.Redis(port=subject.port, db=3, client_name="joe", decode_responses=True) as client:
        client.set("k", "v")
        assert client.client_getname() == "joe"
        assert client.client_info()["lib-name"].startswith("redis-py")
    with redis.Redis(port=subject.port) as client:
        assert client.get("k") is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("parser", PARSERS)
def test_asyncio(subject: Server, protocol: int, parser: str) -> None:
    asyncio.run(_asyncio_session(subject, protocol, _async_parser(protocol, parser)))


async def _asyncio_session(subject: Server, protocol: int, parser_class: type) -> None:
    pool = redis.asyncio.ConnectionPool(
        connection_class=AsyncConnection, port=subject.port, protocol=protocol, parser_class=parser_class
    )
    client = redis.asyncio.Redis(connection_pool=pool)
    assert await client.set("k", "v") is True
    assert await asyncio.gather(*[client.incr("n") for _ in range(50)])
    assert await client.get("n") == b"50"
    async with client.pipeline(transaction=True) as pipe:
        assert await pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, b"2"]
    pubsub = client.pubsub()
    await pubsub.subscribe("c")
    assert (await pubsub.get_message(timeout=30))["type"] == "subscribe"
    await client.publish("c", "hello")
    assert (await pubsub.get_message(timeout=30))["data"] == b"hello"
    await pubsub.aclose()
    await client.aclose()
    await pool.disconnect()
