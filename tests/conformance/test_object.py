"""OBJECT, MEMORY and the parts of DEBUG that tests of clients use, against redis-server."""

import time

from tests.support.dataset import FUTURE, KEYS, REQUESTS, change_of
from tests.support.differential import Pair, Script, parametrize_scripts

SCRIPTS: dict[str, Script] = {
    "object": """
        OBJECT
        OBJECT HELP
        OBJECT HELP x
        OBJECT ENCODING
        OBJECT ENCODING missing
        OBJECT ENCODING a b
        OBJECT REFCOUNT missing
        OBJECT REFCOUNT
        OBJECT IDLETIME missing
        OBJECT IDLETIME
        OBJECT FREQ missing
        OBJECT FREQ
        SET k abc
        OBJECT ENCODING k
        OBJECT REFCOUNT k
        OBJECT IDLETIME k
        OBJECT FREQ k
        object encoding k
        CONFIG SET maxmemory-policy allkeys-lfu
        SET f v
        OBJECT FREQ f
        OBJECT IDLETIME f
        OBJECT FREQ missing
        CONFIG SET maxmemory-policy noeviction
        OBJECT IDLETIME k
    """,
    "memory": """
        MEMORY
        MEMORY HELP
        MEMORY USAGE
        MEMORY USAGE missing
        SET k abc
        MEMORY USAGE k
        MEMORY USAGE k SAMPLES 0
        MEMORY USAGE k SAMPLES -1
        MEMORY USAGE k SAMPLES abc
        MEMORY USAGE k SAMPLES
        MEMORY USAGE k BOGUS 1
        MEMORY USAGE missing SAMPLES abc
        MEMORY DOCTOR
        MEMORY PURGE
        MEMORY MALLOC-STATS x
        MEMORY DOCTOR x
        MEMORY STATS x
        MEMORY BOGUS
    """,
    "debug": """
        DEBUG
        DEBUG SLEEP 0
        DEBUG SLEEP
        DEBUG SET-ACTIVE-EXPIRE 1
        DEBUG DIGEST
        DEBUG DIGEST-VALUE missing
        DEBUG POPULATE 10
        DBSIZE
        GET key:3
        DEBUG POPULATE 5 pre
        GET pre:4
        DEBUG POPULATE 3 big 20
        STRLEN big:2
        GET big:1
        DEBUG POPULATE 10
        DBSIZE
        DEBUG OBJECT missing
        DEBUG BOGUS
        DEBUG DIGEST
    """,
    "digest": r"""
        DEBUG DIGEST
        SET a 1
        DEBUG DIGEST
        SET b "\x00binary\xff"
        DEBUG DIGEST
        SET c v EX 1000
        DEBUG DIGEST
        SELECT 3
        SET a 1
        DEBUG DIGEST
        DEBUG DIGEST-VALUE a
        DEBUG DIGEST-VALUE a b missing
        SELECT 0
        DEBUG DIGEST-VALUE a b missing
        DEL a b c
        DEBUG DIGEST
    """,
    "digest-of-collections": [
        *REQUESTS,
        ("DEBUG", "DIGEST-VALUE", *KEYS, "missing"),
        ("DEBUG", "DIGEST"),
        *[("PEXPIREAT", key, FUTURE) for key in KEYS],
        ("DEBUG", "DIGEST-VALUE", *KEYS),
        ("DEBUG", "DIGEST"),
        *[change_of(key) for key in KEYS],
        ("DEBUG", "DIGEST-VALUE", *KEYS),
        *[("MOVE", key, "3") for key in KEYS[::2]],
        ("DEBUG", "DIGEST"),
        ("FLUSHALL",),
        ("DEBUG", "DIGEST"),
    ],
    "object-of-collections": [
        *REQUESTS,
        *[("OBJECT", name, key) for key in KEYS for name in ("ENCODING", "REFCOUNT", "FREQ")],
        *[("MEMORY", "USAGE", key) for key in KEYS],
        ("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"),
        *[change_of(key) for key in KEYS],
        *[("OBJECT", name, key) for key in KEYS for name in ("ENCODING", "FREQ", "IDLETIME")],
    ],
    "debug-protocol": """
        DEBUG PROTOCOL string
        DEBUG PROTOCOL integer
        DEBUG PROTOCOL double
        DEBUG PROTOCOL null
        DEBUG PROTOCOL array
        DEBUG PROTOCOL set
        DEBUG PROTOCOL map
        DEBUG PROTOCOL attrib
        DEBUG PROTOCOL verbatim
        DEBUG PROTOCOL true
        DEBUG PROTOCOL false
        DEBUG PROTOCOL bignum
        DEBUG PROTOCOL bogus
        DEBUG PROTOCOL
    """,
}
DEBUG_PUSH = {"push": "DEBUG PROTOCOL push\nPING\n"}


@parametrize_scripts(SCRIPTS)
def test_object(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(DEBUG_PUSH, ("resp3",))
def test_debug_protocol_push(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def test_idle_time_counts_and_touch_ends_it(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection, server.connect() as shy:
            shy.command("CLIENT", "NO-TOUCH", "on")
            connection.pipeline([("SET", "a", "v"), ("SET", "b", "v"), ("SET", "c", "v"), ("SET", "d", "v")])
            time.sleep(2.1)
            connection.command("GET", "a")
            connection.command("TOUCH", "b")
            shy.command("GET", "c")
            idle = [reply.data for reply in connection.pipeline([("OBJECT", "IDLETIME", key) for key in "abcd"])]
            assert min(idle[2:]) - max(idle[:2]) >= 1, idle   # two seconds lie between, read from a clock of seconds


def test_memory_usage_follows_the_value(pair: Pair) -> None:
    with pair.subject.connect() as connection:
        connection.command("SET", "small", "v")
        connection.command("SET", "large", b"v" * 100_000)
        small = connection.command("MEMORY", "USAGE", "small").data
        large = connection.command("MEMORY", "USAGE", "large").data
        assert 16 < small < 200
        assert 100_000 <= large < 140_000


def test_memory_usage_of_collections_is_that_of_redis_or_less_than_twice_as_much(pair: Pair) -> None:
    with pair.subject.connect() as ours, pair.oracle.connect() as theirs:
        for connection in (ours, theirs):
            assert not [reply for reply in connection.pipeline(REQUESTS) if reply.is_error]
        for key in KEYS:
            mine, other = (each.command("MEMORY", "USAGE", key, "SAMPLES", 0).data for each in (ours, theirs))
            assert 0.1 * other < mine < 2 * other, key


def test_debug_object_of_a_quicklist_tells_of_its_nodes(pair: Pair) -> None:
    replies = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.command("RPUSH", "k", *range(5000))
            replies.append(connection.command("DEBUG", "OBJECT", "k").data.decode().split())
    for ours, theirs in zip(*replies, strict=True):
        if ours.startswith(("refcount:", "encoding:", "ql_")):
            assert ours == theirs
        assert ours.partition(":")[0] == theirs.partition(":")[0]


def test_memory_stats_has_redis_fields(pair: Pair) -> None:
    def names(server_reply: object) -> set[str]:
        assert isinstance(server_reply, dict)
        return {key.decode() for key in server_reply}

    with pair.subject.connect(3) as ours, pair.oracle.connect(3) as theirs:
        mine, other = (names(each.command("MEMORY", "STATS").plain()) for each in (ours, theirs))
        essential = {
            "peak.allocated",
            "total.allocated",
            "startup.allocated",
            "clients.normal",
            "keys.count",
            "keys.bytes-per-key",
            "dataset.bytes",
            "dataset.percentage",
            "peak.percentage",
            "fragmentation",
        }
        assert essential <= other
        assert essential <= mine
