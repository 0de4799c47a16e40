"""Keyspace notifications against redis-server: which write says what, on which channel."""

import pytest

from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts

_WRITES = """
    SET k v
    SET k v EX 1000
    SET k v NX
    SET k v PXAT 1
    SET k v XX
    SET k v GET KEEPTTL
    SET k v
    SETNX k v
    SETNX n 1
    SETEX k 100 v
    PSETEX k 100000 v
    GETSET k v
    APPEND k x
    SETRANGE k 0 abc
    SETRANGE k 0 ""
    INCR n
    DECR n
    INCRBY n 5
    DECRBY n 5
    INCRBY n 0
    INCRBYFLOAT n 1.5
    MSET a 1 b 2
    MSETNX a 1 c 2
    MSETNX c 1 d 2
    GETEX k
    GETEX k EX 100
    GETEX k PERSIST
    GETEX k PERSIST
    GETEX k PXAT 1
    GETDEL a
    GETDEL a
    DEL b missing c
    UNLINK d missing
    SET k v
    EXPIRE k 100
    EXPIRE k 50 GT
    PEXPIRE k 100000
    EXPIREAT k 33177117420
    PEXPIREAT k 33177117420000
    PERSIST k
    PERSIST k
    EXPIRE k -1
    EXPIRE k -1
    SET k v
    RENAME k k2
    RENAME k2 k2
    RENAMENX k2 n
    RENAMENX k2 k3
    COPY k3 k4
    COPY k3 k4
    COPY k3 k4 REPLACE
    COPY k3 k3 DB 1
    MOVE k4 1
    MOVE k4 1
    TOUCH k3
    SETBIT b 1 1
    SETBIT b 1 1
    BITOP NOT d b
    BITOP AND d missing
    BITOP AND d missing
    BITFIELD b SET u8 0 1
    BITFIELD b GET u8 0
    BITFIELD b INCRBY u8 0 1 SET u4 0 1
    BITFIELD b OVERFLOW FAIL INCRBY u2 0 5
    SELECT 1
    SET other 1
    SWAPDB 0 1
    DEL other
    INCR fails
    GET nothing
    EXISTS nothing
    MULTI
    SET t 1
    INCR t
    DEL t
    EXEC
    FLUSHDB
    FLUSHALL
"""


def _script(classes: str) -> str:
    writes = "\n".join(f"@2 {line.strip()}" for line in _WRITES.strip().splitlines())
    return f"CONFIG SET notify-keyspace-events {classes}\nPSUBSCRIBE __key*\n{writes}"


_CLASSES = (
    "KEA",
    "Kg",
    "E$",
    "AKE",
    "KEn",
    "KEm",
    "KEx",
    "KEg$xnmd",
    "Kx",
    "K",
    "E",
    "A",
    "KEt",
    "KElshzxe",
    "KEAmn",
    '""',
)
EVENTS: dict[str, Script] = {classes: _script(classes) for classes in _CLASSES}

CONFIGURATION: dict[str, Script] = {
    "config": "CONFIG GET notify-keyspace-events\n"
    + "\n".join(
        f"CONFIG SET notify-keyspace-events {flags}\nCONFIG GET notify-keyspace-events"
        for flags in (
            "KEA",
            '""',
            "K",
            "AKE",
            "Kg$lshzxetd",
            "KEg$",
            "bogus",
            "KQ",
            "KEm",
            "KEn",
            "KEAmn",
            "xE",
            "gK",
            "KEd",
            '" "',
        )
    )
}

EXPIRED: dict[str, Script] = {
    "lazily": """
        DEBUG SET-ACTIVE-EXPIRE 0
        CONFIG SET notify-keyspace-events KEA
        PSUBSCRIBE __key*
        @2 SET k v PX 20
        @2 DEBUG SLEEP 0.05
        @2 GET k
        @2 GET k
        @2 SET k v PX 20
        @2 DEBUG SLEEP 0.05
        @2 SET k w
        @2 PEXPIRE k 20
        @2 DEBUG SLEEP 0.05
        @2 DEL k
        @2 SETEX k 100 v
        @2 PEXPIRE k 20
        @2 DEBUG SLEEP 0.05
        @2 INCR k
        @2 PEXPIRE k 20
        @2 DEBUG SLEEP 0.05
        @2 EXISTS k
        @2 SET k v PX 20
        @2 DEBUG SLEEP 0.05
        @2 RENAME k x
        @2 SET k v PX 20
        @2 DEBUG SLEEP 0.05
        @2 SCAN 0
        @2 DEBUG SET-ACTIVE-EXPIRE 1
    """,
    "misses": """
        CONFIG SET notify-keyspace-events KEm
        PSUBSCRIBE __key*
        @2 GET missing
        @2 MGET a b
        @2 EXISTS missing
        @2 STRLEN missing
        @2 GETRANGE missing 0 1
        @2 TTL missing
        @2 TYPE missing
        @2 GETBIT missing 1
        @2 BITCOUNT missing
        @2 OBJECT ENCODING missing
        @2 TOUCH missing
        @2 GETEX missing
        @2 GETDEL missing
        @2 SET missing v GET
        @2 DEL missing missing2
        @2 EXPIRE missing2 10
        @2 COPY missing2 x
        @2 RENAME missing2 x
    """,
}


@parametrize_scripts(EVENTS, PLAIN_MODES)
def test_events(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(CONFIGURATION)
def test_configuration(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(EXPIRED, PLAIN_MODES)
def test_expired(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@pytest.mark.parametrize("resp", [2, 3])
def test_active_expiry_says_so(pair: Pair, resp: int) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect(resp) as listener, server.connect() as writer:
            writer.command("CONFIG", "SET", "notify-keyspace-events", "Ex")
            listener.send("SUBSCRIBE", "__keyevent@0__:expired")
            listener.read()
            writer.command("SET", "soon", "v", "PX", "20")
            assert [item.data for item in listener.read(5).data] == [b"message", b"__keyevent@0__:expired", b"soon"]
