"""SORT and SORT_RO against redis-server: every option, every type, every order, every error text."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.conformance.test_state_machines import FUTURE, Machine, drive  # noqa: F401
from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts

NAMES = ("SORT", "SORT_RO")
KEYS = ("l", "s", "i", "z", "e", "words")

FILL = """
    RPUSH l 3 1 2 10 -5 2 1.5
    SADD s 10 9 2 33 4 bb
    SREM s bb
    SADD i 5 3 8 1
    ZADD z 3 1 1 2 2 3 2 30
    RPUSH words b a c B A "" aa "a\\x00b" "a\\x00a" 10 9 "\\xff" z
    MSET w_1 9 w_2 8 w_3 7 w_10 6 w_-5 5 w_1.5 4 w_4 3 w_9 x w_33 2 w_5 50 w_8 -1 w_30 0
    MSET t_1 one t_2 two t_3 three t_10 ten t_4 four t_b bee t_a ay
    HSET h_1 f 3 g x
    HSET h_2 f 2 g y
    HSET h_3 f 1 "" z
    HSET h_10 f 7 g abc
    LPUSH w_list x
"""

OPTIONS = [
    "", "ASC", "DESC", "ALPHA", "DESC ALPHA", "LIMIT 0 3", "LIMIT 1 2", "LIMIT 2 -1", "LIMIT -1 2", "LIMIT 1 100",
    "LIMIT 100 1", "LIMIT 0 0", "LIMIT 2 2 DESC", "LIMIT -5 -5", "BY nosort", "BY nosort DESC", "BY nosort LIMIT 1 2",
    "BY nosort DESC LIMIT 1 2", "BY nosort LIMIT 1 0", "BY nosort DESC LIMIT 2 100", "BY nosort LIMIT 100 1",
    "BY w_*", "BY w_* DESC", "BY w_* LIMIT 1 3", "BY w_* DESC LIMIT 0 2", "BY t_* ALPHA", "BY t_* ALPHA DESC",
    "BY t_*", "BY none_*", "BY none_* DESC", "BY h_*->f", "BY h_*->f DESC", "BY h_*->g ALPHA", "BY h_*->none",
    "BY w_*->f", "BY h_*", "BY #", "BY * ALPHA", "BY *", "BY w_*->", "BY nosort BY w_*", "BY w_* BY nosort",
    "BY w_* BY t_* ALPHA", "GET #", "GET t_*", "GET # GET t_* GET w_*", "GET nosuch", "GET h_*->f", "GET h_*->",
    "GET h_*->none", "GET w_list", "GET *", "GET h_*->g GET # DESC", "ASC DESC", "DESC ASC",
    "LIMIT 0 1 LIMIT 0 2", "asc alpha limit 0 2 get #", "ALPHA ALPHA LIMIT 1 3 BY w_*",
]  # fmt: skip


def options_of_one_order(options: str) -> Sequence[str]:
    """The keys that SORT gives in one order with these options: not in that of a hash table."""
    if "nosort" in options:
        return [key for key in KEYS if key != "s"]
    if "BY" in options and "ALPHA" in options:  # equal weights
        return [key for key in KEYS if key not in ("s", "z")]
    return KEYS


READING: dict[str, Script] = {
    key: FILL + "\n".join(
        f"{name} {key} {options}"
        for options in OPTIONS
        for name in NAMES
        if key in options_of_one_order(options)
    )
    for key in KEYS
}  # fmt: skip

STORING: dict[str, Script] = {
    f"store-{key}": FILL
    + "\n".join(
        f"SORT {key} {options} STORE d\nLRANGE d 0 -1\nOBJECT ENCODING d\nTTL d"
        for options in OPTIONS
        if key in options_of_one_order(options)
    )
    for key in KEYS
}  # fmt: skip

SCRIPTS: dict[str, Script] = {
    **READING,
    **STORING,
    "arity": "\n".join(NAMES),
    "numbers": [
        line
        for text in [
            b"0", b"-0", b"1", b"+1", b"01", b"1.", b".5", b".", b"-", b"-.", b"1e", b"1e5", b"1e+5", b"1e-5", b"1E5",
            b"e5", b"1e5.5", b" 1", b"1 ", b"1_000", b"0x10", b"inf", b"-inf", b"INF", b"Infinity", b"infinit", b"infx",
            b"+inf", b"nan", b"-nan", b"NAN", b"nan(1)", b"1e400", b"-1e400", b"1e-400", b"9007199254740993",
            b"18446744073709551616", b"1.7976931348623157e308", b"abc", b"", b"1\0x", b"\0", b"\0x", b"1,5",
            b"1e99999999999", b"0.1e1", b"--1", b"-+1", b"1d0", b"1f", b"\t1", b"1" * 40, b"0." + b"3" * 800, b"1\n",
            "\u0661".encode(), b"-.5", b"-5.", b"1e-", b"1.e1",
        ]
        for line in (
            ("DEL", "k", "w_1", "w_2", "w_3"), ("RPUSH", "k", "0.75", text, "-2"), ("SORT", "k"),
            ("SORT", "k", "DESC", "LIMIT", 0, 2), ("SET", "w_1", text), ("SET", "w_2", "0.75"),
            ("RPUSH", "j", "1"), ("LTRIM", "j", "0", "0"), ("RPUSH", "j", "2", "3"), ("SORT", "j", "BY", "w_*"),
            ("SORT", "k", "STORE", "d"), ("LRANGE", "d", 0, -1),
        )
    ],
    "errors": """
        SET k v
        HSET h f v
        RPUSH l 1 2
        SORT k
        SORT h
        SORT_RO k
        SORT k BY nosort
        SORT k LIMIT a b
        SORT missing LIMIT a 1
        SORT missing LIMIT 1 b
        SORT missing LIMIT 1
        SORT missing LIMIT 99999999999999999999 1
        SORT missing LIMIT 9223372036854775807 9223372036854775807
        SORT l LIMIT 9223372036854775807 9223372036854775807
        SORT l LIMIT -9223372036854775808 9223372036854775807
        SORT l LIMIT 0 -9223372036854775808
        SORT l BY
        SORT l GET
        SORT l STORE
        SORT l bogus
        SORT l DESC bogus
        SORT_RO l STORE d
        SORT_RO l GET
        SORT k bogus
        SORT k STORE d
        SORT l LIMIT x 1 bogus
        SORT l "" 1
        RPUSH l abc
        SORT l
        SORT l STORE d
        SORT l LIMIT 0 1
        SORT l ALPHA STORE d
        SORT l BY nosort STORE d
        LRANGE d 0 -1
        EXISTS missing
    """,
    "missing": """
        SORT missing
        SORT missing ALPHA DESC
        SORT missing BY nosort
        SORT missing LIMIT 1 1
        SORT missing GET # GET x_*
        SORT_RO missing
        SORT missing STORE d
        SET d v
        SORT missing STORE d
        EXISTS d
        SET d v EX 1000
        RPUSH l 2 1
        SORT l STORE d
        TTL d
        TYPE d
        SORT l STORE l
        LRANGE l 0 -1
        SORT l LIMIT 5 5 STORE l
        EXISTS l
        SADD s c b a
        SORT s BY nosort STORE d
        LRANGE d 0 -1
        SORT s BY nosort LIMIT 1 1 STORE d
        LRANGE d 0 -1
        SORT s BY nosort DESC STORE s
        LRANGE s 0 -1
        TYPE s
    """,
    "patterns": r"""
        RPUSH l 1 2
        MSET a1b one a2b two "x\x00y1" nul "1" plain "*1" star "1*" behind pre1*2 twice
        HSET h1 f F1 -> arrow "" empty "a->b" deep "f\x00g" nul
        HSET h1->x f odd
        HSET "h1suffix" f F3
        SORT l GET a*b
        SORT l GET "x\x00y*"
        SORT l GET "x*\x00"
        SORT l GET "#\x00"
        SORT l GET ""
        SORT l GET "#x"
        SORT l GET x#
        SORT l GET *
        SORT l GET **
        SORT l GET *\*
        SORT l GET pre**2
        SORT l GET h*->f
        SORT l GET h*suffix->f
        SORT l GET h*->
        SORT l GET h*->->
        SORT l GET h*->a->b
        SORT l GET "h*->f\x00g"
        SORT l GET h*-f
        SORT l GET h*>f
        SORT l GET h->f*
        SORT l GET h->*->f
        SORT l GET ->*
        SORT l GET *->f
        SORT l GET a1b
        SORT l GET a*b GET # GET nosuch GET h*->f STORE d
        LRANGE d 0 -1
        SORT l BY "w\x00*"
        SORT l BY "w\x00*" DESC
        SORT l BY "*\x00" DESC
    """,
    "encodings": [
        ("SADD", "s", *range(600)),
        ("ZADD", "z", *(word for number in range(300) for word in (number % 7, f"m{number}"))),
        ("RPUSH", "l", *(number * 7919 % 1000 for number in range(1000))),
        ("SADD", "t", *(f"text{number}" for number in range(200))),
        ("SORT", "s", "DESC", "LIMIT", 10, 20),
        ("SORT", "z", "ALPHA", "LIMIT", 10, 20),
        ("SORT", "z", "BY", "nosort", "DESC", "LIMIT", 10, 20),
        ("SORT", "z", "BY", "nosort"),
        ("SORT", "z", "BY", "nosort", "LIMIT", 290, 20),
        ("SORT", "l", "LIMIT", 500, 5, "GET", "#", "GET", "none*"),
        ("SORT", "l", "BY", "nosort", "LIMIT", 500, 5, "DESC"),
        ("SORT", "t", "ALPHA"),
        ("SORT", "l", "STORE", "d"),
        ("OBJECT", "ENCODING", "d"),
        ("SORT", "l", "LIMIT", 0, 3, "STORE", "d"),
        ("OBJECT", "ENCODING", "d"),
        ("SORT", "t", "ALPHA", "DESC", "STORE", "t"),
        ("LRANGE", "t", 0, 5),
    ],
    "ties": """
        RPUSH l c b a e d
        MSET w_c 1 w_b 1 w_a 1 w_e 0
        SORT l BY w_* ALPHA
        SORT l BY w_* ALPHA DESC
        SORT l BY w_*
        SORT l BY w_* DESC
        SORT l BY none_* ALPHA
        SORT l BY none_* ALPHA DESC
        SORT l BY none_*
        SORT l BY w_* ALPHA LIMIT 1 3
        SORT l BY w_* ALPHA STORE d
        LRANGE d 0 -1
    """,
    "many-ties": [
        ("RPUSH", "l", *(f"m{number * 7919 % 500}" for number in range(500))),
        ("MSET", *(word for number in range(450) for word in (f"w_m{number}", number * number % 13))),
        *(
            ("SORT", "l", "BY", "w_*", "ALPHA", "LIMIT", offset, count, order)
            for size in (6, 7, 8, 40, 41, 300)
            for offset, count in ((0, 1), (0, size // 2), (size // 3, size // 3), (size - 3, 2), (0, size - 1), (1, -1))
            for order in ("ASC", "DESC")
        ),
        *(
            line
            for size in (5, 6, 7, 8, 9, 39, 40, 41, 42, 100)
            for line in (
                ("DEL", "k"),
                ("RPUSH", "k", *(f"m{number * 31 % size}" for number in range(size))),
                ("SORT", "k", "BY", "w_*", "ALPHA", "LIMIT", 1, size // 2),
                ("SORT", "k", "BY", "none_*", "ALPHA", "LIMIT", 1, size // 2, "DESC"),
                ("SORT", "k", "BY", "w_*", "ALPHA", "LIMIT", 1, size // 2, "STORE", "d"),
                ("LRANGE", "d", 0, -1),
            )
        ),
    ],
    "keys": """
        COMMAND GETKEYS SORT a
        COMMAND GETKEYS SORT a STORE b
        COMMAND GETKEYS SORT a BY x GET y STORE b STORE c
        COMMAND GETKEYS SORT a GET store STORE c
        COMMAND GETKEYS SORT a LIMIT store store x
        COMMAND GETKEYS SORT a STORE
        COMMAND GETKEYSANDFLAGS SORT a STORE b
        COMMAND GETKEYS SORT_RO a STORE b
        COMMAND GETKEYSANDFLAGS SORT_RO a
    """,
    "expired": """
        RPUSH l 1 2 3
        MSET w_1 5 w_2 6
        SET w_3 1 PXAT 1
        SORT l BY w_*
        HSET h_1 f 1
        HSET h_2 f 2 g 2
        HPEXPIRE h_2 1 FIELDS 1 f
        DEBUG SLEEP 0.01
        SORT l GET h_*->f
        EXISTS h_2
        HPEXPIRE h_1 1 FIELDS 1 f
        DEBUG SLEEP 0.01
        SORT_RO l GET h_*->f
        EXISTS h_1
    """,
}

EVENTS: dict[str, Script] = {
    "events": """
        CONFIG SET notify-keyspace-events KEAm
        PSUBSCRIBE __key*
        @2 RPUSH l 3 1 2
        @2 SORT l
        @2 SORT l BY w_*
        @2 SORT l GET g_*->f
        @2 SORT l STORE d
        @2 SORT l GET # GET # STORE d
        @2 SORT missing STORE d
        @2 SORT missing STORE d
        @2 SORT missing
        @2 SET k v
        @2 SORT k
        @2 SORT l LIMIT 9 9 STORE l
    """,
    "statistics": """
        RPUSH l 1 2 3
        MSET w_1 1 w_2 2
        HSET h_1 f 1
        CONFIG RESETSTAT
        SORT l BY w_* GET # GET h_*->f GET x
        SORT missing
        SET k v
        SORT k
        INFO stats
    """,
    "watch": """
        RPUSH l 2 1
        WATCH d
        @2 SORT l
        MULTI
        PING
        EXEC
        WATCH d
        @2 SORT l STORE d
        MULTI
        PING
        EXEC
    """,
}


@parametrize_scripts(SCRIPTS)
def test_sort(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def same_hits(ours: Any, theirs: Any) -> bool:
    return all(
        [line for line in ours.data.split(b"\r\n") if line.startswith(name)]
        == [line for line in theirs.data.split(b"\r\n") if line.startswith(name)]
        for name in (b"keyspace_hits", b"keyspace_misses")
    )


@parametrize_scripts(EVENTS, PLAIN_MODES)
def test_effects(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode, how={"info": same_hits})


class Sorting(Machine):
    """SORT on changing collections and weights."""

    keys = st.sampled_from([b"a", b"b", b"c"])
    values = st.one_of(
        st.integers(-3, 12).map(lambda n: b"%d" % n), st.sampled_from([b"", b"x", b"1.5", b"-1e3", b"inf", b"z\0z"])
    )
    patterns = st.sampled_from([b"w_*", b"h_*->f", b"nosort", b"none*", b"*", b"#", b"w_*->f", b"h_*"])

    @rule(name=st.sampled_from(["RPUSH", "LPUSH"]), key=keys, chosen=st.lists(values, min_size=1, max_size=5))
    def push(self, name: str, key: bytes, chosen: list[bytes]) -> None:
        self.both(name, key, *chosen)

    @rule(key=keys, pairs=st.lists(st.tuples(st.integers(-2, 3), values), min_size=1, max_size=5))
    def rank(self, key: bytes, pairs: list[tuple[int, bytes]]) -> None:
        self.both("ZADD", key, *[word for pair in pairs for word in pair])

    @rule(key=keys, chosen=st.lists(st.integers(-3, 12), min_size=1, max_size=5))
    def add(self, key: bytes, chosen: list[int]) -> None:
        self.both("SADD", key, *chosen)

    @rule(suffix=values, value=values)
    def weigh(self, suffix: bytes, value: bytes) -> None:
        self.both("SET", b"w_" + suffix, value)

    @rule(suffix=values, value=values)
    def weigh_field(self, suffix: bytes, value: bytes) -> None:
        self.both("HSET", b"h_" + suffix, "f", value)

    @rule(
        key=keys,
        by=st.one_of(st.none(), patterns),
        limit=st.one_of(st.none(), st.tuples(st.integers(-2, 6), st.integers(-2, 6))),
        get=st.lists(patterns, max_size=3),
        words=st.lists(st.sampled_from(["ASC", "DESC", "ALPHA"]), max_size=2),
        destination=st.one_of(st.none(), st.sampled_from([b"a", b"d"])),
    )
    def sort(
        self, key: bytes, by: bytes | None, limit: tuple[int, int] | None, get: list[bytes], words: list[str],
        destination: bytes | None,
    ) -> None:  # fmt: skip
        # Equal texts stay in the order of the collection, which is by chance for a sorted set.
        options: list[Any] = [word for word in words if by is None or word != "ALPHA"]
        if by is not None:
            options += ["BY", by]
        if limit is not None:
            options += ["LIMIT", *limit]
        for each in get:
            options += ["GET", each]
        if destination is not None:
            options += ["STORE", destination]
        self.both("SORT" if destination is not None else "SORT_RO", key, *options)

    @rule(key=st.sampled_from([b"a", b"b", b"c", b"d"]), name=st.sampled_from(["DEL", "TYPE", "PERSIST"]))
    def on_key(self, key: bytes, name: str) -> None:
        self.both(name, key)

    @rule(key=st.sampled_from([b"d", b"w_1"]))
    def expire(self, key: bytes) -> None:
        self.both("PEXPIREAT", key, FUTURE)

    @rule()
    def look(self) -> None:
        self.both("LRANGE", "d", 0, -1)
        self.both("PEXPIRETIME", "d")


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi2"])
def test_sequences(drive: Callable[..., None], mode: str) -> None:  # noqa: F811
    drive(Sorting, mode, 50)
