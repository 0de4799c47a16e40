"""FLUSHALL and FLUSHDB, against redis-server: who waits until the memory is free, and what counts as freed lazily."""

import pytest

from tests.support.durable import DurableServer

KEYS = 20_000


def lazy(server: DurableServer) -> tuple[int, int]:
    facts = server.info("memory")
    return int(facts["lazyfree_pending_objects"]), int(facts["lazyfreed_objects"])


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB SYNC"])
def test_who_flushes_waits_until_the_memory_is_free(either: DurableServer, command: str) -> None:
    with either.connect() as client:
        client.command("DEBUG", "POPULATE", KEYS)
        assert client.command(*command.split()).data == b"OK"
        assert lazy(either) == (0, KEYS)
        client.command("SET", "k", "v")
        assert client.command(*command.split()).data == b"OK"
        assert lazy(either) == (0, KEYS + 1)
        client.command("CONFIG", "RESETSTAT")
        assert lazy(either) == (0, 0)


def test_what_follows_in_a_pipeline_waits_too(either: DurableServer) -> None:
    with either.connect() as client:
        client.command("DEBUG", "POPULATE", KEYS)
        requests = [("FLUSHALL",), ("PING",), ("DBSIZE",), ("FLUSHALL",), ("FLUSHDB",), ("ECHO", "x")]
        assert [reply.data for reply in client.pipeline(requests)] == [b"OK", b"PONG", 0, b"OK", b"OK", b"x"]
        assert lazy(either) == (0, KEYS)


def test_a_transaction_frees_by_itself(either: DurableServer) -> None:
    with either.connect() as client:
        client.command("DEBUG", "POPULATE", KEYS)
        client.pipeline([("MULTI",), ("FLUSHALL",), ("EXEC",)])
        assert lazy(either) == (0, 0)


def test_a_client_that_leaves_meanwhile_leaves_nothing(either: DurableServer) -> None:
    with either.connect() as client:
        client.command("DEBUG", "POPULATE", 100_000)
        leaver = either.connect()
        leaver.send("FLUSHALL")
        leaver.close()
        either.wait_info(section="memory", lazyfreed_objects="100000")
        either.wait_info(section="clients", blocked_clients="0", connected_clients="2")
        assert client.command("DBSIZE").data == 0


def test_async_does_not_wait(either: DurableServer) -> None:
    with either.connect() as client:
        client.command("DEBUG", "POPULATE", KEYS)
        assert client.command("FLUSHALL", "ASYNC").data == b"OK"
        either.wait_info(section="memory", lazyfree_pending_objects="0")
        assert lazy(either) == (0, KEYS)
        assert client.command("INFO", "commandstats").data.count(b"cmdstat_flushall:calls=1,") == 1
