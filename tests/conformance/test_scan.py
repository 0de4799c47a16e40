"""SCAN: its guarantee on both servers, and its replies and errors against redis-server."""

import random
from collections.abc import Callable

import pytest

from tests.support.dataset import REQUESTS
from tests.support.differential import Pair, Script, parametrize_scripts
from tests.support.resp import Argument, Connection, Value

TYPES = ("string", "list", "set", "zset", "hash", "stream")


def same_page(ours: Value, theirs: Value) -> bool:
    """The same cursor and the same keys in any order."""
    if any(reply.kind != "array" or len(reply.data) != 2 for reply in (ours, theirs)):
        return ours == theirs
    pages = [sorted(reply.data[1].data, key=repr) for reply in (ours, theirs)]
    return bool(ours.data[0] == theirs.data[0]) and pages[0] == pages[1]


SCRIPTS: dict[str, Script] = {
    "empty": "SCAN 0\nSCAN 0 COUNT 100 MATCH * TYPE string",
    "arguments": """
        SCAN
        SCAN abc
        SCAN -1
        SCAN ""
        SCAN 1.5
        SCAN 18446744073709551615
        SCAN 18446744073709551616
        SCAN " 0"
        SCAN 0 COUNT
        SCAN 0 COUNT 0
        SCAN 0 COUNT -1
        SCAN 0 COUNT abc
        SCAN 0 COUNT 9223372036854775808
        SCAN 0 MATCH
        SCAN 0 TYPE
        SCAN 0 TYPE bogus
        SCAN 0 TYPE list
        SCAN 0 TYPE STRING
        SCAN 0 BOGUS
        SCAN 0 BOGUS 1
        SCAN 0 match * count 10 type string
        SCAN 0 COUNT 10 COUNT 20 MATCH a MATCH b
        SCAN 0 NOVALUES
    """,
    "one-key": """
        SET a 1
        SCAN 0 COUNT 100
        SCAN 0 MATCH b COUNT 100
        SCAN 0 TYPE string COUNT 100
        SCAN 0 TYPE hash COUNT 100
        SCAN 0 TYPE String COUNT 100
        SCAN 0 MATCH a
        SELECT 1
        SCAN 0
    """,
    "types": [
        *REQUESTS,
        *[("SCAN", "0", "COUNT", "1000", "TYPE", kind) for kind in (*TYPES, "hyperloglog", "ZSET", "none")],
        *[("SCAN", "0", "COUNT", "1000", "TYPE", kind, "MATCH", "*h*") for kind in TYPES],
        ("SCAN", "0", "COUNT", "1000"),
    ],
    "expired": """
        DEBUG SET-ACTIVE-EXPIRE 0
        SET a 1 PX 1
        SET b 1
        DEBUG SLEEP 0.01
        SCAN 0 COUNT 100
        DBSIZE
    """,
}


@parametrize_scripts(SCRIPTS)
def test_scan_replies(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode, how={"scan": same_page})


def scan_all(
    connection: Connection, *options: Argument, between: Callable[[], None] = lambda: None, limit: int = 100_000
) -> list[bytes]:
    """Every key that a full iteration returns, repetitions included."""
    cursor, keys = b"0", []
    for _ in range(limit):
        reply = connection.command("SCAN", cursor, *options)
        assert reply.kind == "array", reply
        cursor = reply.data[0].data
        keys += [item.data for item in reply.data[1].data]
        if cursor == b"0":
            return keys
        between()
    raise AssertionError("SCAN does not come to an end")


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_scan_returns_all_keys(pair: Pair, count: int) -> None:
    keys = {b"key:%d" % i for i in range(3000)}
    with pair.subject.connect() as connection:
        connection.pipeline([("SET", key, "v") for key in keys])
        assert set(scan_all(connection, "COUNT", count)) == keys
        assert set(scan_all(connection, "COUNT", count, "MATCH", "key:*7")) == {k for k in keys if k.endswith(b"7")}
        assert set(scan_all(connection, "COUNT", count, "TYPE", "string")) == keys
        assert scan_all(connection, "COUNT", count, "TYPE", "hash") == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("trend", ["grow", "shrink", "churn"])
def test_keys_that_stay_are_found_while_others_come_and_go(pair: Pair, seed: int, trend: str) -> None:
    source = random.Random(seed)
    stay = {b"stay:%d" % i for i in range(500)}
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection, server.connect() as writer:
            connection.pipeline([("SET", key, "v") for key in stay])
            extra = [b"extra:%d" % i for i in range(4000 if trend == "shrink" else 500)]
            connection.pipeline([("SET", key, "v") for key in extra])
            turn = 0

            def disturb(writer: Connection = writer, extra: list[bytes] = extra) -> None:
                nonlocal turn
                turn += 1
                batch = [b"new:%d:%d" % (turn, i) for i in range(source.randrange(60))]
                if trend != "shrink" and turn < 400:
                    writer.pipeline([("SET", key, "v") for key in batch])
                    extra.extend(batch)
                if trend != "grow" and extra:
                    doomed = [extra.pop() for _ in range(min(len(extra), source.randrange(60)))]
                    writer.pipeline([("DEL", key) for key in doomed])

            assert stay <= set(scan_all(connection, "COUNT", 5, between=disturb))
            connection.command("FLUSHALL")


def test_a_cursor_of_nowhere_is_harmless(pair: Pair) -> None:
    with pair.subject.connect() as connection:
        connection.pipeline([("SET", f"k{i}", "v") for i in range(1000)])
        source = random.Random(1)
        for _ in range(300):
            reply = connection.command("SCAN", source.randrange(1 << 64))
            assert reply.kind == "array", reply
            assert len(reply.data[1].data) <= 1000
