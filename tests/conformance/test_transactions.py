"""MULTI, EXEC, DISCARD, WATCH and UNWATCH against redis-server."""

import time

from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts
from tests.support.resp import Value

SCRIPTS: dict[str, Script] = {
    "arity": "MULTI x\nEXEC x\nDISCARD x\nWATCH\nUNWATCH x\nEXEC\nDISCARD\nUNWATCH\nWATCH a b c\nUNWATCH",
    "exec": """
        MULTI
        SET k v
        GET k
        INCR n
        EXEC
        GET k
        MULTI
        EXEC
        MULTI
        MULTI
        PING
        EXEC
        EXEC
    """,
    "discard": """
        SET k v
        MULTI
        SET k w
        DISCARD
        GET k
        DISCARD
        EXEC
    """,
    "errors-while-queuing": """
        MULTI
        SET k
        SET k v
        EXEC
        GET k
        MULTI
        NOSUCHCOMMAND
        GET k
        EXEC
        MULTI
        SET k v
        CONFIG BOGUS
        DISCARD
        GET k
        MULTI
        WATCH k
        EXEC
        MULTI
        EXEC x
        EXEC
        MULTI
        DISCARD x
        EXEC
    """,
    "errors-while-executing": """
        SET k v
        MULTI
        INCR k
        SET k 2
        INCR k
        EXPIRE k abc
        SELECT 99
        EXEC
        GET k
    """,
    "select-inside": """
        MULTI
        SET a 0
        SELECT 2
        SET a 2
        EXEC
        GET a
        SELECT 0
        GET a
        MULTI
        SELECT 3
        DISCARD
        SET where 0
        SELECT 0
        GET where
    """,
    "watch": """
        SET k 1
        WATCH k
        @2 SET k 2
        MULTI
        SET k 3
        EXEC
        GET k
        MULTI
        SET k 4
        EXEC
        GET k
        WATCH k
        @2 GET k
        MULTI
        SET k 5
        EXEC
        WATCH k
        SET k 6
        MULTI
        EXEC
        WATCH k
        @2 SET k 7
        UNWATCH
        MULTI
        GET k
        EXEC
        WATCH k
        @2 SET k 8
        MULTI
        DISCARD
        MULTI
        EXEC
        WATCH k k other
        @2 SET other 1
        MULTI
        EXEC
    """,
    "watch-what-counts-as-touched": "\n".join(
        f"""
        FLUSHALL
        MSET k 5 other 1
        {prepare}
        WATCH k
        @2 {write}
        MULTI
        PING
        EXEC
        """
        for prepare in ("PERSIST k", "EXPIRE k 1000", "DEL k")
        for write in (
            "SET k 5",
            "SETNX k 1",
            'APPEND k ""',
            "APPEND k a",
            'SETRANGE k 0 ""',
            "SETRANGE k 0 a",
            "INCR k",
            "INCRBY k 0",
            "EXPIRE k 100",
            "EXPIRE k -1",
            "PERSIST k",
            "DEL k",
            "UNLINK k other",
            "RENAME k z",
            "RENAME other k",
            "RENAMENX other k",
            "COPY other k",
            "COPY other k REPLACE",
            "COPY k copied",
            "MOVE k 3",
            "GETDEL k",
            "GETEX k",
            "GETEX k PERSIST",
            "GETEX k EX 100",
            "GETSET k 5",
            "SETBIT k 3 0",
            "BITOP AND k other",
            "BITOP AND k missing",
            "BITFIELD k GET u8 0",
            "BITFIELD k SET u8 0 0",
            "BITFIELD k OVERFLOW FAIL INCRBY u2 0 5",
            "TOUCH k",
            "MSETNX k 1 new 2",
            "MSET k 1",
            "FLUSHDB",
            "FLUSHALL",
            "SWAPDB 0 1",
            "SWAPDB 1 2",
            "SET other x",
            "SET k v NX",
            "SET k v XX",
            "OBJECT ENCODING k",
        )
    ),
    "watch-in-another-db": """
        SELECT 1
        WATCH k
        SELECT 0
        @2 SET k v
        MULTI
        EXEC
        SELECT 1
        WATCH k
        @2 SELECT 1
        @2 SET k v
        SELECT 0
        MULTI
        EXEC
        SET x 1
        WATCH x
        @2 SELECT 0
        @2 SWAPDB 0 5
        MULTI
        EXEC
        SELECT 9
        WATCH missing
        @2 FLUSHALL
        MULTI
        EXEC
        WATCH missing
        @2 SWAPDB 9 10
        MULTI
        EXEC
    """,
    "watch-and-expiry": """
        DEBUG SET-ACTIVE-EXPIRE 0
        SET k v PX 1
        DEBUG SLEEP 0.01
        WATCH k
        MULTI
        PING
        EXEC
        SET k v PX 1
        DEBUG SLEEP 0.01
        WATCH k
        @2 GET k
        MULTI
        PING
        EXEC
        SET k v PX 1
        DEBUG SLEEP 0.01
        WATCH k
        @2 SET k v
        MULTI
        PING
        EXEC
    """,
    "watch-inside": """
        WATCH k
        MULTI
        WATCH k
        UNWATCH
        SET k v
        EXEC
        GET k
    """,
    "own-unwatch-inside": """
        WATCH k
        @2 SET k 1
        MULTI
        UNWATCH
        EXEC
        WATCH k
        @2 SET k 2
        DISCARD
        MULTI
        EXEC
    """,
    "commands-inside": """
        MULTI
        PING
        PING hello
        ECHO hi
        DBSIZE
        KEYS *
        CLIENT GETNAME
        CLIENT SETNAME inside
        COMMAND COUNT
        TIME
        OBJECT ENCODING missing
        FLUSHALL
        SWAPDB 0 1
        EXEC
        CLIENT GETNAME
        MULTI
        SUBSCRIBE c
        DISCARD
        MULTI
        MONITOR
        EXEC
    """,
    "reset-inside": """
        MULTI
        SET k v
        RESET
        EXEC
        GET k
    """,
    "quit-inside": """
        MULTI
        SET k v
        ^ QUIT
        @2 GET k
    """,
    "hello-inside": """
        MULTI
        HELLO 3
        GET missing
        EXEC
        GET missing
    """,
    "big": "MULTI\n" + "\n".join(f"SET k{i} {i}" for i in range(300)) + "\nEXEC\nDBSIZE",
}


@parametrize_scripts(SCRIPTS, PLAIN_MODES)
def test_transactions(pair: Pair, script: Script, mode: str) -> None:
    # what COMMAND COUNT, TIME and HELLO say inside a transaction differs by nature
    by_nature = any(words in script for words in ("COMMAND COUNT", "HELLO 3"))
    pair.compare(script, mode, how={"exec": _same_kinds} if by_nature else None)


def _same_kinds(ours: Value, theirs: Value) -> bool:
    if ours.kind != "array" or theirs.kind != "array":
        return ours == theirs
    return [item.kind for item in ours.data] == [item.kind for item in theirs.data]


def test_a_dropped_connection_discards_its_transaction(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        first = server.connect()
        first.pipeline([("MULTI",), ("SET", "k", "v")])
        first.close()
        with server.connect() as second:
            assert second.command("GET", "k").kind == "null-bulk"


def test_a_watched_key_whose_time_comes_fails_the_transaction(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            watched_in_time = False
            while not watched_in_time:
                started = time.monotonic()
                connection.pipeline([("UNWATCH",), ("SET", "k", "v", "PX", 30), ("WATCH", "k")])
                watched_in_time = time.monotonic() - started < 0.03
            connection.command("DEBUG", "SLEEP", "0.05")
            assert connection.pipeline([("MULTI",), ("PING",), ("EXEC",)])[2].kind == "null-array"


def test_a_watch_of_a_closed_connection_is_forgotten(pair: Pair) -> None:
    with pair.subject.connect() as admin:
        for _ in range(200):
            with pair.subject.connect() as connection:
                connection.command("WATCH", "k")
        admin.command("SET", "k", "v")
        assert admin.command("GET", "k").data == b"v"
