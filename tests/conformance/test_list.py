"""The list commands against redis-server: every option, every edge, every error text, events, encodings.

Who is woken from a blocking command, and when, is compared in test_blocking.py; how lists are dealt to nodes in
test_list_nodes.py.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.conformance.test_state_machines import _FACTOR, FUTURE, Machine, number_texts
from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts
from tests.support.servers import Server

NAMES = (
    "LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LLEN LRANGE LINDEX LINSERT LSET LREM LTRIM LPOS LMOVE RPOPLPUSH LMPOP "
    "BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP"
).split()
SOUND = (
    "LPUSH k x", "RPUSH k x", "LPUSHX k x", "RPUSHX k x", "LPOP k", "LPOP k 2", "RPOP k", "RPOP k 2", "LLEN k",
    "LRANGE k 0 -1", "LINDEX k 0", "LINSERT k BEFORE b x", "LSET k 0 x", "LREM k 0 b", "LTRIM k 0 1", "LPOS k b",
    "LMOVE k d LEFT LEFT", "LMOVE d k LEFT LEFT", "RPOPLPUSH k d", "RPOPLPUSH d k", "LMPOP 1 k LEFT",
    "LMPOP 2 d k RIGHT COUNT 2", "BLPOP k 0.01", "BRPOP k 0.01", "BLMOVE k d LEFT LEFT 0.01",
    "BLMOVE d k LEFT LEFT 0.01", "BRPOPLPUSH k d 0.01", "BRPOPLPUSH d k 0.01",
    "BLMPOP 0.01 1 k LEFT", "BLMPOP 0.01 2 d k RIGHT COUNT 2",
)  # fmt: skip
INTEGERS = (
    "0", "1", "-1", "2", "-3", "100", "abc", '""', "1.5", "+1", "01", '" 1"', "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775807", "-9223372036854775809",
)  # fmt: skip
TIMEOUTS = (
    "0.01", "-0.0009", "-0.002", "1e400", "-1e400", "1e5000",
    "1e-2", "0x.01p0", "0.0001", "-1", "-0.01", "-0.001", "abc", '""', '" 1"', '"1 "', "nan",
    "inf", "-inf",    "9223372036854775807", "9223372036854775", "9223372036854776", "92233720368547758080000", "1x",
)  # fmt: skip
COUNTED = ("LPOP k {}", "RPOP k {}", "LMPOP 1 k LEFT COUNT {}", "LREM k {} b", "BLMPOP 0.01 1 k LEFT COUNT {}")
PLACED = ("LINDEX k {}", "LSET k {} new", "LRANGE k {} 2", "LRANGE k 1 {}", "LTRIM k {} 2", "LTRIM k 1 {}")
CONVERTED_AT = {"-1": 4096, "-2": 8192, "-3": 16384, "-5": 65536, "-9": 65536}


def after_each(line: str, requests: Any) -> str:
    """The requests, each on a fresh list, with what is then left."""
    return "\n".join(f"DEL k d\n{line}\n{request}\nLRANGE k 0 -1\nEXISTS k d" for request in requests)


def look(key: str = "k") -> str:
    return f"OBJECT ENCODING {key}\nLLEN {key}"


def counted_conversion(limit: int) -> str:
    """Across a limit on the number of elements, upwards and downwards, one at a time and many at once."""
    lines = [f"CONFIG SET list-max-listpack-size {limit}"]
    for i in range(limit + 2):
        lines += [f"RPUSH k {i}", look()]
    for _ in range(limit + 1):
        lines += ["LPOP k", look()]
    lines += [f"DEL k\nRPUSH k {' '.join('x' * (limit + 1))}", look(), f"LTRIM k 0 {max(0, limit // 2 - 1)}", look()]
    lines += [f"DEL k\nRPUSH k {' '.join('x' * (limit + 1))}", look(), "LREM k 1 x", look()]
    lines += [f"LREM k -{limit} x", look()]
    lines += [f"DEL k\nRPUSH k {' '.join('x' * limit)}", "LINSERT k BEFORE nothing y", look(), "LSET k 0 y", look()]
    lines += [f"DEL k\nRPUSH k {' '.join('x' * limit)}", "LSET k 0 y", look(), "LMOVE k k LEFT RIGHT", look()]
    return "\n".join(lines)


def sized_conversion(fill: str) -> list[Any]:
    """Across a limit on bytes, by every way in which a list grows or shrinks."""
    size = CONVERTED_AT[fill]
    script: list[Any] = [("CONFIG", "SET", "list-max-listpack-size", fill)]
    for beyond in (-8, -7, -6, 0, 1):
        for request in (("RPUSH", "k"), ("LPUSH", "k")):
            script += [("DEL", "k"), (*request, b"x" * (size + beyond)), *looks()]
            script += [("DEL", "k"), (*request, b"x" * 100, b"y" * (size + beyond - 100)), *looks()]
    for length in (size // 2 - 120, size // 2 + 120):
        script += [("DEL", "k"), ("RPUSH", "k", b"x" * length, b"a", b"y" * size), *looks()]
        script += [("LINSERT", "k", "AFTER", "a", b"z" * 10), *looks(), ("RPOP", "k"), *looks()]
        script += [("RPUSH", "k", b"y" * size), ("LSET", "k", -1, "short"), *looks()]
        script += [("LSET", "k", 1, b"y" * (size + 1)), *looks(), ("LREM", "k", 1, b"y" * (size + 1)), *looks()]
        script += [("COPY", "k", "c", "REPLACE"), *looks("c"), ("LRANGE", "c", 0, -1)]
        script += [("LTRIM", "k", 0, 0), *looks(), ("RPOPLPUSH", "k", "d"), *looks("d"), ("DEL", "d")]
    return script


def looks(key: str = "k") -> list[tuple[str, ...]]:
    return [("OBJECT", "ENCODING", key), ("LLEN", key)]


SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g h i j k l m n o")),
    "one-argument": "\n".join(f"{name.lower()} k" for name in NAMES),
    "two-arguments": "\n".join(f"{name} k 0.01" for name in NAMES) + "\nLRANGE k 0 -1",
    "three-arguments": "\n".join(f"{name} k 2 0.01" for name in NAMES) + "\nLRANGE k 0 -1",
    "missing": "\n".join(f"DEL k d\n{request}\nEXISTS k d" for request in SOUND),
    "existing": after_each("RPUSH k a b c b 1 2", SOUND),
    "one-element": after_each("RPUSH k b", SOUND),
    "wrong-type": "SET k v\nSET d w\n" + "\n".join(SOUND) + "\nMGET k d",
    "wrong-type-of-one": "\n".join(f"DEL k d\nSET k v\nRPUSH d b\n{request}" for request in SOUND)
    + "\n".join(f"\nDEL k d\nRPUSH k b\nSET d v\n{request}\nLRANGE k 0 -1" for request in SOUND),
    "with-time-to-live": "\n".join(
        f"DEL k d\nRPUSH k a b c b 1 2\nPEXPIREAT k {FUTURE}\n{request}\nPEXPIRETIME k\nPEXPIRETIME d"
        for request in SOUND
    ),
    "push-and-pop": r"""
        LPUSH k a
        LPUSH k b c d
        RPUSH k e f
        LRANGE k 0 -1
        LPUSHX k x y
        RPUSHX k z
        LRANGE k 0 -1
        LPUSHX none x
        RPUSHX none x y
        EXISTS none
        LPOP k
        RPOP k
        LPOP k 0
        RPOP k 0
        LPOP none 0
        RPOP none 1
        LPOP none
        LPOP k 1 2
        rpop k 1 2
        LPOP k 2
        RPOP k 2
        LRANGE k 0 -1
        RPOP k 100
        EXISTS k
        RPUSH k "" "\x00\xff\r\n" " "
        LRANGE k 0 -1
        RPUSH "" empty-key
        LPOP ""
    """,
    "numbers": "\n".join(f"RPUSH k {each}\nLINDEX k -1\nLPOS k {each}\nLREM k 0 {each}" for each in INTEGERS)
    + "\nRPUSH k 1 01 1.0\nLREM k 0 1\nLRANGE k 0 -1\nLPOS k 01\nLPOS k 1.0\nLPOS k 1",
    "integers": "\n".join(after_each("RPUSH k a b c b", (each.format(n) for n in INTEGERS)) for each in COUNTED),
    "positions": "\n".join(after_each("RPUSH k a b c d", (each.format(n) for n in INTEGERS)) for each in PLACED)
    + "".join(f"\nLINDEX none {n}\nLSET none {n} x\nLRANGE none {n} 1\nLTRIM none 1 {n}" for n in INTEGERS),
    "ranges": "RPUSH k a b c d e\n"
    + "\n".join(f"LRANGE k {start} {stop}" for start in range(-7, 8) for stop in range(-7, 8)),
    "trims": "\n".join(
        f"DEL k\nRPUSH k a b c d\nLTRIM k {start} {stop}\nLRANGE k 0 -1"
        for start in range(-5, 6)
        for stop in range(-5, 6)
    ),
    "set-and-bad-types": """
        LSET k 0 v
        SET k v
        LINDEX k abc
        LSET k abc v
        LRANGE k abc 0
        LTRIM k abc 0
        LREM k abc v
        LPOS k v RANK 0
        DEL k
        LINDEX k abc
        LSET k abc v
        RPUSH k a
        LINDEX k abc
        LSET k abc v
        LSET k 1 v
        LSET k -1 v
        LINDEX k 0
    """,
    "insert": """
        RPUSH k a b a
        LINSERT k BEFORE a x
        LINSERT k after b y
        LINSERT k Before nothing z
        LINSERT k AFTER a z
        LRANGE k 0 -1
        LINSERT none BEFORE a z
        LINSERT k BESIDE a z
        LINSERT none BESIDE a z
        LINSERT k BEFORE a
        SET s v
        LINSERT s BESIDE a z
        LINSERT s AFTER a z
        LINSERT k "" a z
    """,
    "remove": "\n".join(
        f"DEL k\nRPUSH k a b a c a 1 a\nLREM k {count} {what}\nLRANGE k 0 -1"
        for count in range(-5, 6)
        for what in ("a", "b", "1", "none", '""')
    ),
    "lpos": "RPUSH k a b c 1 2 3 c c 1\n"
    + "\n".join(
        f"LPOS k {what}{options}"
        for what in ("a", "c", "1", "none")
        for options in (
            "", " RANK 1", " rank 2", " RANK -1", " RANK -2", " RANK 9", " RANK 0", " COUNT 0", " COUNT 1", " COUNT 2",
            " COUNT 0 RANK -1", " RANK -2 COUNT 0", " RANK 2 COUNT 2", " MAXLEN 1", " MAXLEN 3", " MAXLEN 0",
            " COUNT 0 MAXLEN 7", " MAXLEN 2 RANK -1", " MAXLEN 3 COUNT 5 RANK -1", " COUNT 1 COUNT 0",
            " RANK 1 RANK -1",
        )
    )
    + "".join(
        f"\nLPOS k c {option} {n}\nLPOS none c {option} {n}"
        for option in ("RANK", "COUNT", "MAXLEN")
        for n in INTEGERS
    )
    + """
        LPOS k c RANK
        LPOS k c COUNT 1 RANK
        LPOS k c BOGUS 1
        LPOS k c RANK 1 BOGUS
        LPOS none c
        LPOS none c COUNT 1
    """,
    "move": "\n".join(
        f"DEL k d\nRPUSH k a b c\n{more}\nLMOVE k {target} {one} {two}\nLRANGE k 0 -1\nLRANGE {target} 0 -1"
        for target in ("k", "d")
        for more in ("EXISTS d", "RPUSH d x y")
        for one in ("LEFT", "right")
        for two in ("left", "RIGHT")
    )
    + """
        LMOVE k d UP LEFT
        LMOVE k d LEFT UP
        LMOVE none d UP LEFT
        LMOVE k d LEFT
        LMOVE none d LEFT LEFT
        BLMOVE k d UP LEFT 0.01
        BLMOVE k d LEFT UP abc
        BLMOVE k d LEFT RIGHT abc
        EXISTS d
        DEL k
        RPUSH k a
        RPOPLPUSH k k
        RPOPLPUSH k d
        EXISTS k
        LRANGE d 0 -1
    """,
    "lmpop": """
        RPUSH k a b c d e
        LMPOP 1 k LEFT
        LMPOP 1 k right COUNT 2
        LMPOP 2 none k LEFT count 100
        EXISTS k
        LMPOP 2 none none2 LEFT
        LMPOP 1 k UP
        LMPOP 2 k LEFT
        LMPOP 2 k d
        LMPOP 1 k LEFT COUNT
        LMPOP 1 k LEFT COUNT 1 COUNT 1
        LMPOP 1 k LEFT COUNT 0
        LMPOP 1 k LEFT BOGUS 1
        LMPOP 1 k LEFT COUNT 1 x
        LMPOP 0 k LEFT
        LMPOP -1 k LEFT
        LMPOP abc k LEFT
        LMPOP 1 k l LEFT
        BLMPOP abc 0 k LEFT
        BLMPOP abc 1 k UP
        BLMPOP abc 1 k LEFT COUNT 0
        BLMPOP abc 1 k LEFT
        BLMPOP 0.01 1 k LEFT COUNT 1 COUNT 1
        BLMPOP 0.01 2 none k LEFT COUNT 2
        RPUSH k a b c
        BLMPOP 0 2 none k LEFT COUNT 2
        BLMPOP -1 2 none k LEFT COUNT 2
        SET s v
        LMPOP 2 s k LEFT
        LMPOP 2 k s LEFT
        LMPOP 2 k s LEFT
        BLMPOP 0.01 2 none s LEFT
    """,
    "timeouts": "RPUSH k a b c d e f g h i j\n"
    + "\n".join(
        f"BLPOP k {time}\nRPUSH k x\nBRPOP none k {time}\nRPUSH k x\nBLMOVE k k LEFT RIGHT {time}\n"
        f"BRPOPLPUSH k k {time}\nBLMPOP {time} 1 k LEFT\nRPUSH k x"
        for time in TIMEOUTS
    ),
    "blocked-for-a-while": """
        BLPOP none 0.01
        BRPOP none none2 none 0.01
        BLMOVE none d LEFT LEFT 0.01
        BRPOPLPUSH none d 0.01
        BLMPOP 0.01 2 none none2 RIGHT
        SET s v
        BLPOP none s 0.01
        BLMOVE none s LEFT LEFT 0.01
        EXISTS d
    """,
    "counts": "\n".join(counted_conversion(limit) for limit in (1, 2, 3, 4, 7)) + "\n" + counted_conversion(0),
    **{f"bytes{fill}": sized_conversion(fill) for fill in CONVERTED_AT},
    "numbers-moved-from-nodes": """
        CONFIG SET list-max-listpack-size 1
        RPUSH k 1234567890 1234567890 x
        OBJECT ENCODING k
        CONFIG SET list-max-listpack-size -1
        LMOVE k d LEFT LEFT
        OBJECT ENCODING d
        OBJECT ENCODING k
        LMOVE k d LEFT LEFT
        LMOVE k d LEFT LEFT
        OBJECT ENCODING d
        LRANGE d 0 -1
    """,
    "limit-changes": """
        CONFIG SET list-max-listpack-size 4
        RPUSH k 1 2 3 4 5 6 7 8 9
        OBJECT ENCODING k
        CONFIG SET list-max-listpack-size -2
        OBJECT ENCODING k
        LPOP k
        OBJECT ENCODING k
        RPOP k 4
        OBJECT ENCODING k
        LPOP k
        OBJECT ENCODING k
        CONFIG SET list-max-listpack-size 2
        OBJECT ENCODING k
        LINSERT k BEFORE nothing x
        OBJECT ENCODING k
        LRANGE k 0 -1
        CONFIG SET list-compress-depth 2
        RPUSH k a b c d e f g h i j
        LRANGE k 0 -1
        COPY k c
        OBJECT ENCODING c
        LRANGE c 0 -1
        RENAME c r
        LRANGE r 2 4
        TYPE r
    """,
    "generic": f"""
        RPUSH k a b c
        TYPE k
        STRLEN k
        GET k
        APPEND k x
        INCR k
        SETRANGE k 0 x
        GETDEL k
        GETEX k
        PEXPIREAT k {FUTURE}
        LPUSH k z
        PEXPIRETIME k
        RENAME k m
        PEXPIRETIME m
        COPY m n
        LPUSH n only-here
        LRANGE m 0 -1
        MOVE m 1
        EXISTS m
        SELECT 1
        LRANGE m 0 -1
        SET m string
        TYPE m
        SELECT 0
        SETNX n x
        MSET n x
        TYPE n
        DEL n
        RPUSH n y
        PEXPIREAT n 1
        EXISTS n
        RPUSHX n y
        SCAN 0 TYPE list
    """,
}

_CHANGES = """
    RPUSH k a b c
    LPUSH k x
    LPUSHX k y
    RPUSHX k z
    LPUSHX none y
    LPOP k
    RPOP k 2
    LPOP k 0
    LPOP none
    LINSERT k BEFORE a b
    LINSERT k AFTER none b
    LSET k 0 q
    LSET k 100 q
    LREM k 0 nothing
    LREM k 0 q
    LTRIM k 0 -1
    LTRIM k 0 0
    LMOVE k k LEFT RIGHT
    LMOVE k d LEFT RIGHT
    RPOPLPUSH d k
    RPOPLPUSH none k
    BLMOVE k d LEFT LEFT 0.01
    BRPOPLPUSH d k 0.01
    LTRIM k 5 6
    RPUSH k a
    LREM k 1 a
    RPUSH k a
    LPOP k 5
    RPUSH k a b c
    LMPOP 2 none k LEFT COUNT 2
    LMPOP 1 k RIGHT
    RPUSH k a b c
    BLPOP none k 0
    BRPOP k 0
    BLMPOP 0 1 k LEFT COUNT 9
    BLPOP k 0.01
    LLEN k
    LINDEX k 0
    LRANGE k 0 -1
    LPOS k a
    RPUSH k a
    LLEN k
"""


def _events(classes: str) -> str:
    changes = "\n".join(f"@2 {line.strip()}" for line in _CHANGES.strip().splitlines())
    return f"CONFIG SET notify-keyspace-events {classes}\nPSUBSCRIBE __key*\n{changes}"


EVENTS: dict[str, Script] = {classes: _events(classes) for classes in ("KEA", "KEl", "KEg", "KElmn", "E$")}

# What WATCH takes for a change: more than what is counted as one.
WATCHED: dict[str, Script] = {
    "watched": "RPUSH k a b\n"
    + "\n".join(
        f"WATCH k\n@2 {line}\nMULTI\nLLEN k\nEXEC"
        for line in (
            "LTRIM k 0 -1", "LREM k 0 no", "LSET k 0 a", "LINSERT k BEFORE no x", "LPOP k 0", "LMOVE k k LEFT LEFT",
        )
    )
}


@parametrize_scripts(SCRIPTS)
def test_list(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(EVENTS, PLAIN_MODES)
def test_events(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(WATCHED, PLAIN_MODES)
def test_what_a_watch_notices(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def test_changes_are_counted_as_in_redis(pair: Pair) -> None:
    """INFO's rdb_changes_since_last_save after every change."""
    counts = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as client:
            start, seen = dirty(client), []
            for line in _CHANGES.strip().splitlines():
                client.command(*line.split())
                seen.append((line.strip(), dirty(client) - start))
            counts.append(seen)
    assert counts[0] == counts[1]


def dirty(client: Any) -> int:
    text = client.command("INFO", "persistence").data
    return int(text.split(b"rdb_changes_since_last_save:")[1].split(b"\r\n")[0])


keys = st.sampled_from([b"a", b"a", b"b", b"c", b""])
ends = st.sampled_from(["LEFT", "RIGHT", "left", "Right"])
words = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"1", b"01", b"-7", b"9223372036854775807", b"\x00\xff\r\n"]),
    st.integers(-300, 300).map(lambda number: b"%d" % number),
    st.sampled_from([64, 500, 3000, 5000, 9000]).map(lambda length: b"w" * length),
)
batches = st.one_of(
    st.lists(words, min_size=1, max_size=5),
    st.tuples(st.sampled_from([b"1", b"word"]), st.integers(1, 40)).map(lambda pair: [pair[0]] * pair[1]),
)
places = st.one_of(st.integers(-5, 5), st.integers(-60, 60))


class Lists(Machine):
    """The list commands on a handful of keys, at limits that are low and change."""

    @rule(name=st.sampled_from(["LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), key=keys, texts=batches)
    def push(self, name: str, key: bytes, texts: list[bytes]) -> None:
        self.both(name, key, *texts)

    @rule(name=st.sampled_from(["LPOP", "RPOP"]), key=keys, count=st.lists(st.integers(-1, 50), max_size=1))
    def pop(self, name: str, key: bytes, count: list[int]) -> None:
        self.both(name, key, *count)

    @rule(some=st.lists(keys, min_size=1, max_size=3), end=ends, count=st.integers(0, 20), is_blocking=st.booleans())
    def pop_first(self, some: list[bytes], end: str, count: int, is_blocking: bool) -> None:
        options = ("COUNT", count) if count else ()
        if is_blocking:  # and does not wait: who waits, waits for up to 0.1 s in Redis
            self.both("RPUSH", some[-1], "x")
        self.both(*(("BLMPOP", "0.001") if is_blocking else ("LMPOP",)), len(some), *some, end, *options)

    @rule(source=keys, to=keys, one=ends, two=ends)
    def move(self, source: bytes, to: bytes, one: str, two: str) -> None:
        self.both("LMOVE", source, to, one, two)

    @rule(name=st.sampled_from(["BLPOP", "BRPOP"]), some=st.lists(keys, min_size=1, max_size=3))
    def blocking_pop(self, name: str, some: list[bytes]) -> None:
        self.both("LPUSH", some[-1], "1")
        self.both(name, *some, "0.001")

    @rule(source=keys, to=keys, one=ends, two=ends)
    def blocking_move(self, source: bytes, to: bytes, one: str, two: str) -> None:
        self.both("RPUSH", source, "1", "a")
        self.both("BLMOVE", source, to, one, two, "0.001")
        self.both("BRPOPLPUSH", source, to, "0.001")
        self.both("RPOPLPUSH", to, source)

    @rule(key=keys, where=st.sampled_from(["BEFORE", "after"]), pivot=words, text=words)
    def insert(self, key: bytes, where: str, pivot: bytes, text: bytes) -> None:
        self.both("LINSERT", key, where, pivot, text)

    @rule(key=keys, place=st.one_of(places, number_texts), text=words)
    def set(self, key: bytes, place: Any, text: bytes) -> None:
        self.both("LSET", key, place, text)
        self.both("LINDEX", key, place)

    @rule(key=keys, count=st.integers(-3, 3), text=words)
    def remove(self, key: bytes, count: int, text: bytes) -> None:
        self.both("LREM", key, count, text)

    @rule(key=keys, start=places, stop=places)
    def trim(self, key: bytes, start: int, stop: int) -> None:
        self.both("LTRIM", key, start, stop)

    @rule(key=keys, start=st.one_of(places, number_texts), stop=st.one_of(places, number_texts))
    def look(self, key: bytes, start: Any, stop: Any) -> None:
        self.both("LRANGE", key, start, stop)
        self.both("OBJECT", "ENCODING", key)

    @rule(key=keys)
    def whole(self, key: bytes) -> None:
        self.both("LRANGE", key, 0, -1)
        self.both("LLEN", key)

    @rule(key=keys, text=words, rank=st.integers(-3, 3), count=st.integers(0, 3), maxlen=st.sampled_from([0, 1, 9]))
    def positions(self, key: bytes, text: bytes, rank: int, count: int, maxlen: int) -> None:
        self.both("LPOS", key, text, "RANK", rank)
        self.both("LPOS", key, text, "RANK", rank, "COUNT", count, "MAXLEN", maxlen)

    @rule(limit=st.sampled_from([-2, -1, 1, 2, 5, 16, 128]))
    def limit(self, limit: int) -> None:
        self.both("CONFIG", "SET", "list-max-listpack-size", limit)

    @rule(name=st.sampled_from(["COPY", "RENAME"]), one=keys, two=keys)
    def generic(self, name: str, one: bytes, two: bytes) -> None:
        self.both(name, one, two)

    @rule(key=keys)
    def string(self, key: bytes) -> None:
        self.both("SET", key, "v")

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        self.both("DEL", key)
        self.both("DBSIZE")


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi2"])
def test_random_sequences(subject: Server, oracle: Server, mode: str) -> None:
    run_state_machine_as_test(
        type("Lists", (Lists,), {"servers": (subject, oracle), "mode": mode}),
        settings=settings(
            max_examples=max(1, int(50 * _FACTOR)), stateful_step_count=50, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
