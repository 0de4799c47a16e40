"""Eviction against redis-server: what is refused, which keys survive, who hears of it, and what is counted.

Idea: the two servers need different amounts of memory for the same keys, so tests do not set the same limit on both and
look at which keys are left; they take limits at which the outcome is certain for both: 1 byte, above which everything
is, or for the choice of a victim a limit a little below what each server uses now.
"""

import time
from typing import Any

import pytest

from tests.support.differential import Pair, Script, parametrize_scripts
from tests.support.resp import CLOSED, OK, Connection
from tests.support.servers import Server

VOLATILE = ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")
ALLKEYS = ("allkeys-lru", "allkeys-lfu", "allkeys-random")
SCRIPTS: dict[str, Script] = {
    "parameters": """
        CONFIG GET maxmemory*
        CONFIG SET maxmemory-policy bogus
        CONFIG SET maxmemory-samples 0
        CONFIG SET maxmemory-samples 65
        CONFIG SET maxmemory-eviction-tenacity 101
        CONFIG SET maxmemory-eviction-tenacity 0
        CONFIG SET lfu-log-factor -1
        CONFIG SET lfu-decay-time -1
        CONFIG SET maxmemory -1
        CONFIG SET maxmemory 1gb
        CONFIG GET maxmemory
        CONFIG SET maxmemory-clients 5%
        CONFIG GET maxmemory-clients
    """,
    "noeviction": """
        SET k v
        LPUSH l a b
        CONFIG SET maxmemory 1
        SET k w
        SETEX k 10 w
        APPEND k x
        INCR n
        MSET a 1 b 2
        LPUSH l c
        SADD s a
        HSET h f v
        ZADD z 1 a
        XADD x * f v
        PFADD p a
        COPY k k2
        SETBIT k 3 1
        GETSET k w
        RPOPLPUSH l l2
        SORT l STORE d
        BITOP NOT d k
        GET k
        LRANGE l 0 -1
        STRLEN k
        EXPIRE k 100
        PERSIST k
        RENAME k k3
        LPOP l
        DEL k3
        PING
        MULTI
        GET k
        EXEC
        MULTI
        SET k v
        GET k
        EXEC
        MULTI
        DEL l
        CONFIG SET maxmemory 0
        EXEC
        SET k v
    """,
    "a transaction that was queued before": """
        MULTI
        SET k v
        CONFIG SET maxmemory 1
        EXEC
        GET k
        @2 MULTI
        @2 GET k
        @2 EXEC
        @2 MULTI
        CONFIG SET maxmemory 0
        @2 SET k v
        CONFIG SET maxmemory 1
        @2 EXEC
        CONFIG SET maxmemory 0
        GET k
    """,
    "a blocked client is refused when it comes": """
        CONFIG SET maxmemory 1
        BLMOVE a b LEFT LEFT 0.1
        BLPOP a 0.01
        BLMPOP 0.01 1 a LEFT
    """,
}


@parametrize_scripts(SCRIPTS)
def test_as_redis(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def keys_of(connection: Connection) -> set[bytes]:
    return {item.data for item in connection.command("KEYS", "*").data}


def info(connection: Connection, section: str) -> dict[str, str]:
    text = connection.command("INFO", section).data.decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def both(pair: Pair) -> tuple[Server, Server]:
    return pair.subject, pair.oracle


@pytest.mark.parametrize("policy", VOLATILE)
def test_volatile_policies_take_volatile_keys_only(pair: Pair, policy: str) -> None:
    """All of them go, in all databases, and then writes are refused."""
    outcomes = []
    for server in both(pair):
        with server.connect() as client:
            client.command("CONFIG", "SET", "maxmemory-policy", policy)
            for db in (0, 3):
                client.command("SELECT", db)
                for number in range(300):
                    client.command("SET", b"stays:%d" % number, "v")
                    client.command("SET", b"goes:%d" % number, "v", "EX", 1000 + number)
            client.command("SELECT", 0)
            client.command("CONFIG", "SET", "maxmemory", 1)
            wait_for(lambda: info(client, "stats")["evicted_keys"] == "600")
            left = {}
            for db in (0, 3):
                client.command("SELECT", db)
                left[db] = keys_of(client)
            outcomes.append((left, client.command("SET", "more", "v"), info(client, "stats")["evicted_keys"]))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0][0] == {b"stays:%d" % number for number in range(300)}
    assert outcomes[0][2] == "600"


@pytest.mark.parametrize("policy", ALLKEYS)
def test_all_keys_go_when_nothing_else_helps(pair: Pair, policy: str) -> None:
    outcomes = []
    for server in both(pair):
        with server.connect() as client:
            client.command("CONFIG", "SET", "maxmemory-policy", policy)
            client.command("RPUSH", "list", *range(1000))
            client.command("HSET", "hash", "f", "v")
            for number in range(500):
                client.command("SET", number, "v")
            client.command("CONFIG", "SET", "maxmemory", 1)
            wait_for(lambda: client.command("DBSIZE").data == 0)
            outcomes.append((client.command("SET", "k", "v"), info(client, "stats")["evicted_keys"]))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] == "502"


def limit_below_use(server: Server, client: Connection, less: int) -> None:
    """Sets maxmemory so that `less` bytes of what is used now are too many."""
    memory = info(client, "memory")
    used = int(memory["used_memory"])
    if server.is_mtredis:   # does not count what the interpreter takes
        used -= int(memory["mem_not_counted_for_evict"])
    assert not client.command("CONFIG", "SET", "maxmemory", used - less).is_error


def wait_until_idle(key: str, *clients: Connection) -> None:
    """What is used from now on is younger than the key, by the servers' own clocks, which count seconds."""
    for client in clients:
        wait_for(lambda asked=client: asked.command("OBJECT", "IDLETIME", key).data >= 1)


@pytest.mark.parametrize(
    ("policy", "victim"), [("volatile-ttl", "soon"), ("allkeys-lru", "idle"), ("volatile-lru", "idle-volatile")]
)
def test_the_worst_key_goes_first(pair: Pair, policy: str, victim: str) -> None:
    """Few keys and 64 samples: the choice is exact.

    The names are the policy's own: Redis still takes the candidates that it has found under another policy.
    """
    value = b"x" * 500_000
    with pair.subject.connect() as ours, pair.oracle.connect() as theirs:
        for client in (ours, theirs):
            client.command("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory-samples", 64,
                           "notify-keyspace-events", "Ee")   # fmt: skip
            client.command("SET", f"{policy}:idle", value)
        wait_until_idle(f"{policy}:idle", ours, theirs)
        for client in (ours, theirs):
            client.command("SET", f"{policy}:idle-volatile", value, "EX", 10_000)
        wait_until_idle(f"{policy}:idle-volatile", ours, theirs)
        for server, client in ((pair.subject, ours), (pair.oracle, theirs)):
            client.command("SET", f"{policy}:plain", value)
            client.command("SET", f"{policy}:soon", value, "EX", 1000)
            client.command("SET", f"{policy}:late", value, "EX", 5000)
            with server.connect() as listener:
                listener.command("SUBSCRIBE", "__keyevent@0__:evicted")
                limit_below_use(server, client, 100_000)
                assert listener.read().data[2].data.decode() == f"{policy}:{victim}"
            assert client.command("SET", "more", "v") == OK


def test_the_least_frequently_used_key_goes(pair: Pair) -> None:
    outcomes = []
    for server in both(pair):
        with server.connect() as client:
            client.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "maxmemory-samples", 64,
                           "lfu-log-factor", 0)   # fmt: skip
            for name, uses in (("often", 50), ("seldom", 3), ("sometimes", 15)):
                client.command("SET", name, b"x" * 500_000)
                client.pipeline([("STRLEN", name)] * uses)
            limit_below_use(server, client, 100_000)
            wait_for(lambda: info(client, "stats")["evicted_keys"] != "0")
            frequencies = [client.command("OBJECT", "FREQ", key) for key in ("often", "sometimes")]
            outcomes.append((keys_of(client), frequencies))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == {b"often", b"sometimes"}


def test_evictions_are_announced(pair: Pair) -> None:
    outcomes = []
    for server in both(pair):
        with server.connect() as client, server.connect() as listener:
            client.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "notify-keyspace-events", "KEe")
            listener.command("PSUBSCRIBE", "__key*__:*")
            client.command("SELECT", 2)
            client.command("SET", "only", "v")
            client.command("CONFIG", "SET", "maxmemory", 1)
            wait_for(lambda: client.command("DBSIZE").data == 0)
            outcomes.append([listener.read().plain() for _ in range(2)])
            client.command("CONFIG", "SET", "maxmemory", 0)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0][2:] == [b"__keyspace@2__:only", b"evicted"]


def test_a_watched_key_that_is_evicted_fails_the_transaction(pair: Pair) -> None:
    outcomes = []
    for server in both(pair):
        with server.connect() as client, server.connect() as admin:
            client.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            client.command("SET", "k", "v")
            client.command("WATCH", "k")
            admin.command("CONFIG", "SET", "maxmemory", 1)
            wait_for(lambda: admin.command("DBSIZE").data == 0)
            admin.command("CONFIG", "SET", "maxmemory", 0)
            outcomes.append(client.pipeline([("MULTI",), ("PING",), ("EXEC",)]))
    assert outcomes[0] == outcomes[1]


def test_a_group_reader_hears_of_the_eviction_of_its_stream(pair: Pair) -> None:
    outcomes = []
    for server in both(pair):
        with server.connect() as reader, server.connect() as admin:
            admin.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            admin.command("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
            reader.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "x", ">")
            wait_for(lambda: info(admin, "clients")["blocked_clients"] == "1")
            admin.command("CONFIG", "SET", "maxmemory", 1)
            outcomes.append(reader.read())
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].is_error


def test_figures(pair: Pair) -> None:
    names = ("evicted_keys", "evicted_clients", "total_eviction_exceeded_time", "current_eviction_exceeded_time")
    for server in both(pair):
        with server.connect() as client:
            client.command("SET", "k", "v")
            client.command("CONFIG", "SET", "maxmemory", 1)
            assert client.command("SET", "k", "v").is_error
            wait_for(lambda: int(info(client, "stats")[names[3]]) >= 20)
            stats = info(client, "stats")
            assert stats["evicted_keys"] == stats["evicted_clients"] == "0"
            assert int(stats[names[2]]) >= 20
            client.command("CONFIG", "SET", "maxmemory", 0)
            client.command("CONFIG", "SET", "maxmemory", 1 << 40)
            client.command("SET", "k", "v")
            wait_for(lambda: info(client, "stats")[names[3]] == "0")
            assert int(info(client, "stats")[names[2]]) >= 20
            client.command("CONFIG", "RESETSTAT")
            stats = info(client, "stats")
            assert [stats[name] for name in names] == ["0"] * 4
            assert info(client, "memory")["maxmemory_policy"] == "noeviction"


def test_clients_are_evicted_largest_first(pair: Pair) -> None:
    outcomes = []
    for server in both(pair):
        with server.connect() as admin, server.connect() as big, server.connect() as small, server.connect() as safe:
            admin.command("CLIENT", "NO-EVICT", "ON")
            safe.command("CLIENT", "NO-EVICT", "ON")
            for client, size in ((safe, 3_000_000), (big, 2_000_000), (small, 200_000)):   # each is over the limit
                client.send_raw(b"*2\r\n$4\r\nECHO\r\n$5000000\r\n" + b"x" * size)
            wait_for(lambda: info(admin, "clients")["connected_clients"] == "4")
            admin.command("CONFIG", "SET", "maxmemory-clients", 128 << 10)
            wait_for(lambda: info(admin, "clients")["connected_clients"] == "2")
            outcomes.append(info(admin, "stats")["evicted_clients"])
            assert big.read_until_close() == small.read_until_close() == [CLOSED]
            admin.command("CONFIG", "SET", "maxmemory-clients", 0)
    assert outcomes[0] == outcomes[1] == "2"
