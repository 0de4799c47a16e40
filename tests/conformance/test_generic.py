"""The commands on keys of any type against redis-server."""

import pytest

from tests.support.dataset import FUTURE, KEYS, REQUESTS, change_of
from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts
from tests.support.resp import Connection
from tests.support.servers import Server

NAMES = (
    "DEL UNLINK EXISTS TYPE RENAME RENAMENX COPY MOVE TOUCH KEYS RANDOMKEY DBSIZE SWAPDB FLUSHDB FLUSHALL SELECT"
).split()

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g")),
    "del-unlink-exists-touch": """
        MSET a 1 b 2 c 3 d 4
        EXISTS a
        EXISTS a b missing a
        TOUCH a b missing a
        TOUCH missing
        DEL a
        DEL a
        DEL b b c missing
        UNLINK d missing d
        EXISTS a b c d
        SET "" v
        DEL ""
        EXISTS ""
        DBSIZE
    """,
    "type": """
        TYPE missing
        SET k v
        TYPE k
        SET k 1
        TYPE k
        SETBIT b 1 1
        TYPE b
        TYPE ""
    """,
    "rename": """
        RENAME missing new
        RENAMENX missing new
        SET a 1
        SET b 2 EX 1000
        RENAME a a
        RENAMENX a a
        RENAMENX a b
        RENAME a b
        GET b
        TTL b
        EXISTS a
        SET a 3 EX 1000
        RENAME a c
        TTL c
        RENAMENX c d
        TTL d
        GET d
        RENAME missing missing
        DBSIZE
        SET "" x
        RENAME "" y
        GET y
        RENAME y ""
        GET ""
    """,
    "copy": """
        COPY missing b
        SET a 1 EX 1000
        COPY a b
        GET b
        TTL b
        COPY a b
        SET a 2
        COPY a b REPLACE
        GET b
        TTL b
        COPY a a
        COPY a a REPLACE
        COPY a c DB 1
        COPY a a DB 1
        COPY a a DB 1
        COPY a a DB 1 REPLACE
        COPY a c DB 0
        GET c
        COPY a x DB 16
        COPY a x DB -1
        COPY a x DB abc
        COPY a x DB
        COPY a x REPLACE DB 2
        COPY a x replace db 2
        COPY a x BOGUS
        COPY a x REPLACE REPLACE
        COPY missing x DB 99
        SELECT 1
        GET c
        GET a
        SELECT 2
        GET x
        DBSIZE
    """,
    "move": """
        MOVE missing 1
        SET a 1 EX 1000
        MOVE a 1
        EXISTS a
        SELECT 1
        GET a
        TTL a
        MOVE a 1
        MOVE a 0
        MOVE a 0
        SET a x
        MOVE a 0
        GET a
        MOVE a 16
        MOVE a -1
        MOVE a abc
        MOVE a 99999999999999999999
        MOVE missing 16
        MOVE missing 1
        SELECT 0
        GET a
    """,
    "select-swapdb-flush": """
        SET k zero
        SELECT 1
        GET k
        SET k one
        SELECT 15
        SELECT 16
        SELECT -1
        SELECT abc
        SELECT ""
        SELECT 1.0
        SELECT 99999999999999999999
        DBSIZE
        SWAPDB 0 1
        SELECT 0
        GET k
        SWAPDB 0 0
        SWAPDB 0 16
        SWAPDB 16 0
        SWAPDB a 0
        SWAPDB 0 a
        SWAPDB -1 0
        @2 SELECT 1
        @2 GET k
        SWAPDB 1 0
        @2 GET k
        GET k
        FLUSHDB
        DBSIZE
        @2 DBSIZE
        FLUSHDB BOGUS
        FLUSHDB ASYNC SYNC
        FLUSHALL BOGUS
        SET k 1
        FLUSHDB ASYNC
        EXISTS k
        SET k 1
        FLUSHDB sync
        EXISTS k
        SET k 1
        FLUSHALL async
        EXISTS k
        @2 EXISTS k
        SET k 1
        FLUSHALL SYNC
        DBSIZE
    """,
    "keys": r"""
        KEYS *
        MSET hello 1 hallo 2 hxllo 3 hllo 4 heeello 5 foo 6 f*o 7 f[o 8 "f\\o" 9 "" 10
        KEYS *
        KEYS h?llo
        KEYS h*llo
        KEYS h[ae]llo
        KEYS h[^e]llo
        KEYS h[a-e]llo
        KEYS h[e-a]llo
        KEYS hello
        KEYS nothing
        KEYS ""
        KEYS "f\\*o"
        KEYS "f\\[o"
        KEYS "f[[]o"
        KEYS "f\\\\o"
        KEYS "[h"
        KEYS "h["
        KEYS "h[]llo"
        KEYS "h[^]llo"
        KEYS "h[\\a]llo"
        KEYS "*l*l*"
        KEYS **
        KEYS ?
        KEYS h*o*
        KEYS "\\"
        KEYS "foo\\"
        KEYS "[f-f]oo"
        KEYS "[f-]oo"
        KEYS "[-f]oo"
        KEYS H*
        SELECT 3
        KEYS *
    """,
    "keys-and-time": """
        DEBUG SET-ACTIVE-EXPIRE 0
        MSET a 1 b 2
        SET gone 1 PXAT 1
        KEYS *
        DBSIZE
        EXPIRE b -1
        KEYS *
        DBSIZE
    """,
    "type-of-collections": [
        *REQUESTS,
        ("DBSIZE",),
        *[("TYPE", key) for key in KEYS],
        ("EXISTS", *KEYS, "missing"),
        ("TOUCH", *KEYS, "missing"),
        ("KEYS", "*"),
        ("DEL", *KEYS[::2], "missing"),
        ("UNLINK", *KEYS, "missing"),
        ("DBSIZE",),
    ],
    "copies-of-collections-are-deep": [
        *REQUESTS,
        *[
            request
            for key in KEYS
            for request in (
                ("PEXPIREAT", key, FUTURE),
                ("COPY", key, "copy"),
                ("COPY", key, "copy"),
                ("COPY", key, "copy", "REPLACE"),
                ("COPY", key, key, "DB", "1"),
                ("DEBUG", "DIGEST-VALUE", key, "copy"),
                ("OBJECT", "ENCODING", "copy"),
                ("PEXPIRETIME", "copy"),
                change_of(key, "copy"),
                ("DEBUG", "DIGEST-VALUE", key, "copy"),
                change_of(key),
                ("DEBUG", "DIGEST-VALUE", key, "copy"),
                ("COPY", key, "copy", "REPLACE"),
            )
        ],
        ("SELECT", "1"),
        ("DEBUG", "DIGEST-VALUE", *KEYS),
        ("XINFO", "GROUPS", "stream"),
        ("XPENDING", "stream", "group"),
        ("FLUSHDB",),
        ("SELECT", "0"),
        ("DEBUG", "DIGEST-VALUE", *KEYS),
    ],
    "renames-and-moves-of-collections": [
        *REQUESTS,
        *[
            request
            for key, other in zip(KEYS, (*KEYS[1:], "none"), strict=True)
            for request in (
                ("RENAMENX", key, other),
                ("RENAME", key, "new"),
                ("OBJECT", "ENCODING", "new"),
                ("PEXPIREAT", "new", FUTURE),
                ("MOVE", "new", "1"),
                ("SELECT", "1"),
                ("DEBUG", "DIGEST-VALUE", "new", key),
                ("RENAME", "new", key),
                ("PEXPIRETIME", key),
                change_of(key),
                ("DEBUG", "DIGEST-VALUE", "new", key),
                ("SELECT", "0"),
                ("EXISTS", key, "new"),
            )
        ],
        ("SELECT", "1"),
        ("DBSIZE",),
        *[("RENAME", key, "one") for key in KEYS],
        ("TYPE", "one"),
        ("DBSIZE",),
    ],
    "expiry-of-collections": [
        *REQUESTS,
        *[
            request
            for key in KEYS
            for request in (
                ("EXPIRE", key, "1000"),
                ("TTL", key),
                change_of(key),
                ("TTL", key),
                ("PERSIST", key),
                ("TTL", key),
                ("EXPIREAT", key, FUTURE // 1000),
                ("PEXPIRETIME", key),
                ("DEBUG", "DIGEST-VALUE", key),
                ("PEXPIREAT", key, "1"),
                ("EXISTS", key),
                ("TYPE", key),
            )
        ],
        ("DBSIZE",),
    ],
    "strings-over-collections": [
        *REQUESTS,
        *[
            request
            for key in KEYS
            for request in (
                ("GET", key), ("SETNX", key, "v"), ("GETSET", key, "v"), ("SET", key, "v", "GET"),
                ("MGET", key, "none"), ("SET", key, "v", "XX"), ("GET", key),
            )
        ],
    ],
    "randomkey": """
        RANDOMKEY
        SET only v
        RANDOMKEY
        RANDOMKEY
        DEL only
        RANDOMKEY
        RANDOMKEY x
    """,
    "unknown": """
        nosuchcommand
        nosuchcommand a b c
        NoSuchCommand "a b" "\\x00\\r\\n" 'x'
        @LONG b c
        @LONGER
        "" a
        "no\\r\\nsuch" a
        CONFIG BOGUS
        CONFIG BOGUS a b
        CLIENT BOGUS
        OBJECT BOGUS k
        config
        object
        memory
        get|set
        config|get maxmemory
    """.replace("@LONGER", "nosuchcommand" * 10).replace("@LONG", "nosuchcommand " + "a" * 125),
}


@parametrize_scripts(SCRIPTS)
def test_generic(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def test_randomkey_finds_every_key(pair: Pair) -> None:
    keys = {b"key:%d" % number for number in range(20)}
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.pipeline([("SET", key, "v") for key in keys])
            found = {reply.data for reply in connection.pipeline([("RANDOMKEY",)] * 400)}
            assert found == keys


def test_randomkey_skips_keys_whose_time_is_past(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            connection.pipeline([("SET", f"gone{i}", "v", "PX", "1") for i in range(50)])
            connection.command("SET", "here", "v")
            connection.command("DEBUG", "SLEEP", "0.01")
            assert {reply.data for reply in connection.pipeline([("RANDOMKEY",)] * 20)} == {b"here"}


@pytest.mark.parametrize("mode", PLAIN_MODES)
def test_events_of_collections(pair: Pair, mode: str) -> None:
    script: list[str | tuple[object, ...]] = ["CONFIG SET notify-keyspace-events KEAn", "@2 PSUBSCRIBE __key*__:*"]
    script += REQUESTS
    for key in KEYS:
        script += [
            ("COPY", key, "copy"), ("RENAME", "copy", "new"), ("MOVE", "new", "1"), ("EXPIRE", key, "100"),
            ("PERSIST", key), ("PEXPIREAT", key, "1"),
        ]  # fmt: skip
    pair.compare([*script, *REQUESTS, ("UNLINK", *KEYS)], mode)


BIG = {
    "set": ("SADD", [f"m{number}" for number in range(60_000)]),
    "intset": ("SADD", list(range(60_000))),
    "list": ("RPUSH", list(range(60_000))),
    "zset": ("ZADD", [word for number in range(30_000) for word in (number, f"m{number}")]),
    "hash": ("HSET", [word for number in range(30_000) for word in (f"f{number}", number)]),
}


@pytest.mark.parametrize("kind", BIG)
def test_big_collections_go_at_once_and_their_memory_with_them(subject: Server, kind: str) -> None:
    name, words = BIG[kind]

    def fill() -> None:
        assert not connection.command(name, "big", *words).is_error

    with subject.connect() as connection:
        connection.command("SET", "k", "v")
        before = memory_of_data(connection)
        for goodbye in (
            ("DEL", "big"), ("UNLINK", "big"), ("SET", "big", "v"), ("PEXPIREAT", "big", "1"), ("RENAME", "k", "big"),
            ("FLUSHDB",), ("FLUSHALL", "ASYNC"),
        ):  # fmt: skip
            fill()
            assert memory_of_data(connection) > before + 100_000
            assert not connection.command(*goodbye).is_error
            connection.pipeline([("DEL", "big"), ("SET", "k", "v")])
            assert memory_of_data(connection) <= before + 1000, goodbye


def memory_of_data(connection: Connection) -> int:
    """What keys and values hold, in the server's own account."""
    stats = connection.command("MEMORY", "STATS").data
    flat = {key.data: value.data for key, value in zip(stats[::2], stats[1::2], strict=True)}
    return int(flat[b"dataset.bytes"])
