"""Time to live against redis-server: the commands, and which write keeps or drops it."""

import time

import pytest

from tests.support.differential import Pair, Script, parametrize_scripts

SETTERS = ("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT")
GETTERS = ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME")
FUTURE = {"EXPIRE": 1000, "PEXPIRE": 1_000_000, "EXPIREAT": 33177117420, "PEXPIREAT": 33177117420000}
NAMES = (*SETTERS, *GETTERS, "PERSIST")

_WRITES = (
    "SET k w",
    "SET k w KEEPTTL",
    "SETEX k 500 w",
    "GETSET k w",
    "APPEND k w",
    "SETRANGE k 1 w",
    "INCR k",
    "INCRBYFLOAT k 1.5",
    "SETBIT k 1 1",
    "BITFIELD k SET u8 0 1",
    "GETEX k",
    "GETEX k PERSIST",
    "MSET k w",
    "SETNX k w",
    "RENAME k k2",
    "COPY k k2",
    "MOVE k 1",
    "GETDEL k",
    "DEL k",
    "BITOP NOT k k",
    "TOUCH k",
    "PERSIST k",
    "MSETNX k w",
    "DECRBY k 2",
)

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} k", f"{name} a b c d e f")),
    "getters-of-nothing": "\n".join(f"{name} missing" for name in GETTERS)
    + "\nSET k v\n"
    + "\n".join(f"{name} k" for name in GETTERS)
    + "\nPERSIST k\nPERSIST missing",
    "set-and-look": "\n".join(
        f"{name} missing {FUTURE[name]}\nSET k v\n{name} k {FUTURE[name]}\n"
        + "\n".join(f"{getter} k" for getter in GETTERS)
        + "\nPERSIST k\nTTL k\nPERSIST k"
        for name in SETTERS
    ),
    "bad-values": "SET k v\n"
    + "\n".join(
        f"{name} k {value}\n{name} missing {value}\nGET k\nSET k v"
        for name in SETTERS
        for value in (
            "abc",
            '""',
            "1.5",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "9223372036854775",
            "-9223372036854775",
            "-9223372036854776",
            "9223370036854775807",
            '" 1"',
            "+1",
        )
    ),
    "past": "\n".join(
        f"SET k v\n{name} k {value}\nEXISTS k\nGET k\nDBSIZE" for name in SETTERS for value in ("0", "-1", "-1000")
    )
    + "\nSET k v\nEXPIREAT k 1\nEXISTS k\nSET k v\nPEXPIREAT k 1\nEXISTS k\nEXPIRE missing -1",
    "options": "\n".join(
        f"DEL k\n{prepare}\n{name} k {value} {option}\nPEXPIRETIME k"
        for name, factor in (("EXPIREAT", 1), ("PEXPIREAT", 1000))
        for prepare in ("SET k v", "SET k v EXAT 33177117420")
        for value in (33177117420 * factor, 33177117421 * factor, 33177117419 * factor, 5)
        for option in (
            "",
            "NX",
            "XX",
            "GT",
            "LT",
            "nx",
            "XX GT",
            "XX LT",
            "GT LT",
            "NX XX",
            "NX GT",
            "NX LT",
            "BOGUS",
            "XX XX",
        )
    ),
    "options-relative": "\n".join(
        f"SET k v\n{prepare}\n{name} k {value} {option}\nTTL k"
        for name, factor in (("EXPIRE", 1), ("PEXPIRE", 1000))
        for prepare in ("", "EXPIRE k 5000")
        for value in (1000 * factor, 9000 * factor, -1)
        for option in ("NX", "XX", "GT", "LT")
    )
    + "\nEXPIRE missing 10 NX\nEXPIRE missing 10 BOGUS\nEXPIRE k abc BOGUS\nEXPIRE missing abc NX",
    "which-write-keeps-it": "\n".join(
        f"FLUSHALL\nSET k 5\nPEXPIREAT k 33177117420000\n{write}\nTTL k\nTTL k2\nEXISTS k" for write in _WRITES
    ),
    "integers-keep-their-type": """
        SET k 10
        EXPIRE k 1000
        OBJECT ENCODING k
        INCR k
        PERSIST k
        OBJECT ENCODING k
        GET k
        EXPIRE k 1000
        GET k
        TTL k
    """,
    "many-databases": """
        SET k v EX 1000
        SELECT 1
        TTL k
        SET k v
        EXPIRE k 1000
        SELECT 0
        PERSIST k
        SELECT 1
        TTL k
        SWAPDB 0 1
        TTL k
    """,
    "flags-and-expired-keys": """
        SET k v PXAT 1
        SETNX k w
        GET k
        PEXPIREAT k 1
        APPEND k x
        GET k
        PEXPIREAT k 1
        INCR k
        GET k
        PEXPIREAT k 1
        RENAME k z
        PEXPIREAT k 1
        GETSET k new
        SET other v
        PEXPIREAT k 1
        RENAMENX other k
        GET k
    """,
}


@parametrize_scripts(SCRIPTS)
def test_expire(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@pytest.mark.parametrize("active", ["0", "1"])
def test_keys_vanish_when_their_time_comes(pair: Pair, active: str) -> None:
    """Until the end of the EXEC no time passes."""
    pair.compare(
        f"""
        DEBUG SET-ACTIVE-EXPIRE {active}
        MULTI
        SET a 1 PX 60
        SETEX stays 100 v
        PSETEX b 60 2
        SET c 3
        PEXPIRE c 60
        SET d 4
        GETEX d PX 60
        MGET a b c d
        EXEC
        DEBUG SLEEP 0.1
        MGET a b c d stays
        EXISTS a b c d
        TYPE a
        TTL b
        INCR c
        TTL c
        SETNX a again
        TTL a
        GETSET b again
        STRLEN d
        GETRANGE d 0 -1
        APPEND d x
        PERSIST d
        COPY gone1 x
        RANDOMKEY x
        """
    )


def test_active_expiry_removes_keys_nobody_asks_for(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.pipeline([("SET", f"k{i}", "v", "PX", "50") for i in range(5000)])
            connection.pipeline([("SET", f"s{i}", "v") for i in range(100)])
            deadline = time.monotonic() + 20
            while connection.command("DBSIZE").data != 100:
                assert time.monotonic() < deadline, connection.command("DBSIZE")
                time.sleep(0.05)
            info = connection.command("INFO", "stats").data
            assert b"expired_keys:5000\r\n" in info


def test_the_time_inside_a_transaction_stands_still(pair: Pair) -> None:
    pair.compare(
        """
        MULTI
        SET k v PX 40
        GET k
        DEBUG SLEEP 0.1
        GET k
        EXISTS k
        EXEC
        GET k
        """
    )
