"""HyperLogLogs against redis-server: every command, and the bytes that it leaves under the key."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from mtredis.keyspace.types.hyperloglog import EMPTY, add, to_dense

from tests.conformance.test_state_machines import FUTURE, Machine, drive  # noqa: F401
from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts

NAMES = "PFADD PFCOUNT PFMERGE PFDEBUG PFSELFTEST".split()
DEBUG = "GETREG DECODE ENCODING TODENSE".split()


def elements(count: int, start: int = 0) -> list[bytes]:
    return [b"element:%d" % number for number in range(start, start + count)]


def sketch(count: int, sparse_max: int = 3000) -> bytes:
    """What that many elements leave."""
    return add(EMPTY, elements(count), 0, sparse_max)[1] or EMPTY


def growing(name: str, counts: list[int]) -> Script:
    """PFADD of ever more elements, and all that can be seen of the key after each."""
    lines: list[tuple[Any, ...]] = []
    for count in counts:
        lines += [("PFADD", name, *elements(count)), ("GET", name), ("PFCOUNT", name), ("GET", name)]
        lines += [("PFDEBUG", "ENCODING", name), ("OBJECT", "ENCODING", name), ("STRLEN", name), ("PFCOUNT", name)]
    return lines


HEADER = EMPTY[:16]
HOSTILE = {
    "empty": b"",
    "integer": b"12345678901234567",
    "short": EMPTY[:15],
    "header only": HEADER,
    "magic": b"HYLX" + EMPTY[4:],
    "encoding": b"HYLL\2" + EMPTY[5:],
    "dense of the wrong length": b"HYLL\0" + EMPTY[5:],
    "dense, too long": to_dense(EMPTY) + b"\0",
    "dense, full": to_dense(EMPTY)[:16] + b"\xff" * 12288,
    "dense, 51 everywhere": to_dense(EMPTY)[:16] + bytes.fromhex("f33ccf") * 4096,
    "dense, one 50": to_dense(EMPTY)[:16] + b"\x32" + bytes(12287),
    "dense, all 50": to_dense(EMPTY)[:16] + bytes.fromhex("b22ccb") * 4096,
    "too few": HEADER + b"\x3f",
    "too many": HEADER + b"\x7f\xff\x00",
    "much too many": HEADER + b"\x7f\xff" * 20,
    "values": HEADER + b"\xff" * 4096,
    "one value too many": HEADER + b"\xff" * 4097,
    "one value too few": HEADER + b"\xff" * 4095,
    "short zeros": HEADER + b"\x3f" * 256,
    "single zeros": HEADER + b"\x00" * 16384,
    "long zeros of one": HEADER + b"\x40\x00" * 16384,
    "unused bytes": b"HYLL\1abc" + EMPTY[8:],
    "a cached cardinality": EMPTY[:8] + b"\1\2\3\4\5\6\7\x7f" + EMPTY[16:],
    "a cached cardinality in a dense one": to_dense(EMPTY)[:8] + b"\1\2\3\4\5\6\7\x0f" + to_dense(EMPTY)[16:],
}


def hostile(value: bytes) -> Script:
    """Each command on a key with that value, which is set anew after a command that fails half-way in Redis."""
    lines: list[tuple[Any, ...]] = []
    requests: list[tuple[Any, ...]] = [
        ("PFADD", "k"), ("PFCOUNT", "k"), ("PFCOUNT", "k", "other"), ("PFMERGE", "k"), ("PFMERGE", "k", "other"),
        ("PFMERGE", "new", "k"), ("PFMERGE", "other", "k"), ("PFADD", "k", "a"), ("PFADD", "other", "b"),
        *(("PFDEBUG", name, "k") for name in DEBUG),
    ]  # fmt: skip
    for request in requests:
        lines += [("SET", "k", value), ("OBJECT", "ENCODING", "k"), ("PFADD", "other", "x", "y"), request, ("GET", "k")]
        lines += [("GET", "other"), ("GET", "new"), ("DEL", "new", "other")]
    return lines


EVENTS = """
    CONFIG SET notify-keyspace-events KEA
    PSUBSCRIBE __key*
    @2 PFADD k
    @2 PFADD k
    @2 PFADD k a b c
    @2 PFADD k a b c
    @2 PFCOUNT k
    @2 PFCOUNT k
    @2 PFCOUNT k missing
    @2 PFMERGE d k
    @2 PFMERGE d
    @2 PFMERGE e missing
    @2 PFDEBUG TODENSE k
    @2 PFDEBUG GETREG d
    @2 PFCOUNT missing
    @2 CONFIG SET notify-keyspace-events KEAmn
    @2 PFADD new
    @2 PFCOUNT missing
    @2 PFCOUNT missing new
    @2 PFMERGE new2 missing
"""

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g")),
    "debug-arity": "PFADD k a\n" + "\n".join(f"PFDEBUG {name}\nPFDEBUG {name} k x" for name in DEBUG),
    "wrong-type": "LPUSH k a\nSADD s a\nPFADD k a\nPFCOUNT k\nPFCOUNT s\nPFCOUNT x k\nPFMERGE k\nPFMERGE x k\n"
    + "EXISTS x\n"
    + "\n".join(f"PFDEBUG {name} k" for name in (*DEBUG, "nosuch")),
    "missing": "PFCOUNT k\nPFCOUNT k k2\nEXISTS k\n" + "\n".join(f"PFDEBUG {name} k" for name in (*DEBUG, "nosuch")),
    "debug": r"""
        PFADD k a b c d
        PFDEBUG nosuch k
        PFDEBUG "no\nsuch" k
        PFDEBUG "no\x00such" k
        PFDEBUG DeCode k
        PFDEBUG decode k x
        PFDEBUG encoding k
        PFDEBUG ENCODING k
        PFDEBUG DECODE k
        PFDEBUG TODENSE k
        PFDEBUG TODENSE k
        PFDEBUG ENCODING k
        PFDEBUG DECODE k
        OBJECT ENCODING k
        GET k
        PFCOUNT k
        PFADD k2 a b c d
        PFDEBUG GETREG k2
        PFDEBUG ENCODING k2
        PFDEBUG GETREG k
        GET k2
        PFDEBUG SIMD OFF
        PFMERGE k3 k k2
        GET k3
        PFDEBUG SIMD ON
        PFMERGE k4 k k2
        GET k4
        PFDEBUG simd x y
    """,
    "one": r"""
        PFADD k
        GET k
        PFCOUNT k
        GET k
        PFADD k
        GET k
        PFADD k a
        GET k
        PFADD k a
        PFCOUNT k
        GET k
        PFADD k a
        GET k
        PFADD k a b c a b c
        PFADD k ""
        PFADD k "\x00" "\x00\x00"
        GET k
        PFCOUNT k
        TYPE k
        STRLEN k
        OBJECT ENCODING k
    """,
    "several": """
        PFADD a 1 2 3
        PFADD b 3 4 5
        PFCOUNT a b
        PFCOUNT a b missing
        PFCOUNT a a a
        PFCOUNT missing a
        SET s string
        PFCOUNT a s
        PFCOUNT s a
        PFMERGE a s
        PFMERGE s a
        PFMERGE new a s
        EXISTS new
        PFMERGE c
        GET c
        PFMERGE d a b
        GET d
        PFCOUNT d
        PFMERGE d d
        GET d
        PFMERGE a b
        GET a
        PFCOUNT a
        PFDEBUG TODENSE b
        PFMERGE e a b
        GET e
        PFMERGE a b
        GET a
        PFMERGE f b
        GET f
        OBJECT ENCODING f
    """,
    "time-to-live": """
        SET k v PXAT 33177117420000
        PFADD k a
        DEL k
        PFADD k a
        PEXPIREAT k 33177117420000
        PFADD k b
        PEXPIRETIME k
        PFCOUNT k
        PEXPIRETIME k
        PFMERGE k x
        PEXPIRETIME k
        PFDEBUG TODENSE k
        PEXPIRETIME k
        PFADD k c d e
        PFCOUNT k
        PEXPIRETIME k
        OBJECT ENCODING k
    """,
    "watch": """
        PFADD k a
        WATCH k
        @2 PFCOUNT k
        MULTI
        PING
        EXEC
        WATCH k
        @2 PFCOUNT k
        MULTI
        PING
        EXEC
        WATCH k
        @2 PFADD k a
        MULTI
        PING
        EXEC
        WATCH k
        @2 PFADD k b
        MULTI
        PING
        EXEC
        WATCH k
        @2 PFDEBUG TODENSE k
        MULTI
        PING
        EXEC
    """,
    "embedded": [
        ("SET", "k", sketch(3)),
        ("OBJECT", "ENCODING", "k"),
        ("PFADD", "k", *elements(3)),
        ("OBJECT", "ENCODING", "k"),
        ("SET", "k", sketch(3)),
        ("PFCOUNT", "k"),
        ("OBJECT", "ENCODING", "k"),
        ("GET", "k"),
        ("SET", "k", sketch(3)),
        ("PFCOUNT", "k", "k"),
        ("OBJECT", "ENCODING", "k"),
        ("PFDEBUG", "ENCODING", "k"),
        ("OBJECT", "ENCODING", "k"),
    ],
    "growing": growing("k", [1, 2, 5, 20, 100, 500, 1000, 1500, 2000, 4000]),
    "ours-there-and-theirs-here": [
        line
        for count in (1, 10, 100, 1000, 3000)
        for form in (sketch(count), to_dense(sketch(count)))
        for line in (
            ("SET", "k", form),
            ("PFCOUNT", "k"),
            ("PFADD", "k", *elements(5, 9000)),
            ("GET", "k"),
            ("PFMERGE", "d", "k"),
            ("GET", "d"),
            ("PFCOUNT", "d"),
        )
    ],
    "sparse-max-bytes": [
        line
        for limit in (0, 17, 18, 30, 40, 100, 300)
        for line in (
            ("CONFIG", "SET", "hll-sparse-max-bytes", limit),
            ("DEL", "k", "l", "m"),
            *growing("k", [1, 2, 3, 5, 10, 20, 100]),
            ("PFADD", "l", "x", "y"),
            ("GET", "l"),
            ("PFMERGE", "m", "k", "l"),
            ("GET", "m"),
            ("PFMERGE", "l", "m"),
            ("GET", "l"),
        )
    ],
    **{f"hostile-{name}": hostile(value) for name, value in HOSTILE.items()},
}


@parametrize_scripts(SCRIPTS)
def test_hyperloglog(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts({"events": EVENTS}, PLAIN_MODES)
def test_events(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def test_simd_takes_on_and_off(pair: Pair) -> None:
    """Redis adds a status to the error, which puts its connection out of step."""
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            reply = connection.command("PFDEBUG", "SIMD", "maybe")
            assert reply.is_error and reply.data == b"ERR Argument must be ON or OFF"


def test_mutated_values(pair: Pair) -> None:
    """Runs cut, doubled and overwritten at random: the same replies and bytes, or the same refusal."""
    random_ = random.Random(20261121)
    lines: list[tuple[Any, ...]] = []
    for _ in range(100):
        value = bytearray(sketch(random_.choice([0, 1, 5, 30, 300])))
        for _ in range(random_.randint(1, 3)):
            at = random_.randrange(16, len(value) + 1)
            kind = random_.randrange(3)
            if kind == 0 and at < len(value):
                value[at] = random_.randrange(256)
            elif kind == 1:
                value[at:at] = random_.randbytes(random_.randint(1, 3))
            else:
                del value[at : at + random_.randint(1, 3)]
        if ends_in_half_a_run(bytes(value)):
            continue
        for request in (
            ("PFCOUNT", "k"), ("PFCOUNT", "k", "k"), ("PFMERGE", "k", "k"), ("PFADD", "k", "one"),
            ("PFDEBUG", "DECODE", "k"), ("PFDEBUG", "TODENSE", "k"),
        ):  # fmt: skip
            lines += [("SET", "k", bytes(value)), request, ("GET", "k")]
    pair.compare(lines)


def ends_in_half_a_run(value: bytes) -> bool:
    """Whether the last run lacks its second byte: Redis then reads and writes what is behind the string."""
    at = 16
    while at < len(value):
        at += 2 if value[at] & 0xC0 == 0x40 else 1
    return at > len(value)


class HyperLogLogs(Machine):
    """The commands on a handful of keys, mixed with string commands, around a low hll-sparse-max-bytes."""

    keys = st.sampled_from([b"a", b"b", b"c", b"d"])
    some = st.lists(st.integers(0, 400).map(lambda n: b"%d" % n), max_size=30)

    def __init__(self) -> None:
        super().__init__()
        self.both("CONFIG", "SET", "hll-sparse-max-bytes", 200)

    @rule(key=keys, chosen=some)
    def add(self, key: bytes, chosen: list[bytes]) -> None:
        self.both("PFADD", key, *chosen)

    @rule(chosen=st.lists(keys, min_size=1, max_size=4))
    def count(self, chosen: list[bytes]) -> None:
        self.both("PFCOUNT", *chosen)

    @rule(chosen=st.lists(keys, min_size=1, max_size=4))
    def merge(self, chosen: list[bytes]) -> None:
        self.both("PFMERGE", *chosen)

    @rule(key=keys, limit=st.sampled_from([0, 20, 60, 200, 3000]))
    def limit(self, key: bytes, limit: int) -> None:
        self.both("CONFIG", "SET", "hll-sparse-max-bytes", limit)

    @rule(key=keys, name=st.sampled_from(["TODENSE", "ENCODING", "DECODE"]))
    def debug(self, key: bytes, name: str) -> None:
        self.both("PFDEBUG", name, key)

    @rule(key=keys, other=keys, name=st.sampled_from(["COPY", "RENAME"]))
    def copy(self, key: bytes, other: bytes, name: str) -> None:
        self.both(name, key, other)

    @rule(key=keys)
    def expire(self, key: bytes) -> None:
        self.both("PEXPIREAT", key, FUTURE)

    @rule(key=keys, value=st.sampled_from([b"", b"string", EMPTY, sketch(4), to_dense(sketch(9))]))
    def set(self, key: bytes, value: bytes) -> None:
        self.both("SET", key, value)

    @rule(key=keys)
    def look(self, key: bytes) -> None:
        self.both("GET", key)
        self.both("OBJECT", "ENCODING", key)
        self.both("PEXPIRETIME", key)

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        self.both("DEL", key)


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi2"])
def test_sequences(drive: Callable[..., None], mode: str) -> None:  # noqa: F811
    drive(HyperLogLogs, mode, 25)


