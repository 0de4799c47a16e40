"""The set commands against redis-server: every option, every edge, every error text, and long random sequences.

Limits: members have no order, so replies of many are compared as sets; what is drawn at random is compared in shape,
and the sets that remain are deleted then, since they differ.
"""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.conformance.test_state_machines import FUTURE, Machine, drive  # noqa: F401  (a fixture)
from tests.support.differential import MODES, PLAIN_MODES, Comparison, Pair, Script, parametrize_scripts, same_shape
from tests.support.resp import Argument, Connection, Value

NAMES = (
    "SADD SREM SMOVE SISMEMBER SMISMEMBER SCARD SMEMBERS SSCAN SPOP SRANDMEMBER SINTER SINTERSTORE SINTERCARD SUNION "
    "SUNIONSTORE SDIFF SDIFFSTORE"
).split()


def same_members(ours: Value, theirs: Value) -> bool:
    if ours.kind == theirs.kind and isinstance(ours.data, tuple) and isinstance(theirs.data, tuple):
        return sorted(ours.data, key=repr) == sorted(theirs.data, key=repr)
    return ours == theirs


def same_page(ours: Value, theirs: Value) -> bool:
    """SSCAN's reply, if both sets are small enough for one."""
    if ours.kind != "array" or theirs.kind != "array":
        return ours == theirs
    return ours.data[0] == theirs.data[0] and same_members(ours.data[1], theirs.data[1])


def same_or_null(ours: Value, theirs: Value) -> bool:
    """Random members of the same number."""
    return same_shape(ours, theirs) and (ours.data is None) == (theirs.data is None)


HOW: dict[str, Comparison] = {
    "smembers": same_members,
    "sinter": same_members,
    "sunion": same_members,
    "sdiff": same_members,
    "sscan": same_page,
    "spop": same_members,
    "srandmember": same_members,
}
RANDOM = HOW | {"spop": same_or_null, "srandmember": same_or_null}

INTS = " ".join(map(str, range(1, 6)))
MIXED = r'a b c 1 2 "" "\x00\xff"'


def big(key: str, count: int, prefix: str = "") -> tuple[Argument, ...]:
    return ("SADD", key, *(f"{prefix}{number}" for number in range(count)))


SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g h i j k l m n o")),
    "one-argument": "\n".join(f"{name.lower()} k" for name in NAMES),
    "two-arguments": "\n".join(f"{name} k 1" for name in NAMES) + "\nSMEMBERS k\nDEL k",
    "three-arguments": "\n".join(f"{name} k 1 2" for name in NAMES) + "\nSMEMBERS k\nSMEMBERS 1",
    "wrong-type": "SET s v\n"
    + "".join(
        f"{name} s{rest}\n"
        for name in NAMES
        for rest in ("", " s", " x", " 1", " x y", " s x", " 0 MATCH", " x s", " 1 s", " -1", " abc", " 1 s LIMIT")
    )
    + "GET s\nSMEMBERS x\nTYPE x",
    "wrong-type-elsewhere": """
        SET s v
        SADD k a b
        SADD l b c
        SINTER k s
        SINTER none s
        SINTER s none
        SINTERCARD 2 none s
        SINTERCARD 2 k s
        SINTERSTORE d none s
        SINTERSTORE d k s
        SUNION none k s
        SUNIONSTORE d none s
        SDIFF none s
        SDIFF k none s
        SDIFF k k s
        SDIFFSTORE d none s
        SINTERSTORE s k l
        TYPE s
        SET s v
        SUNIONSTORE s k l
        TYPE s
        SET s v
        SDIFFSTORE s k l
        TYPE s
        SET s v
        SINTERSTORE s k none
        EXISTS s
        SET s v
        SMOVE k s a
        SMOVE k s none
        SMOVE none s a
        SMOVE s k a
        SMOVE s none a
        SMOVE s s a
        GET s
        SMEMBERS k
    """,
    "members": r"""
        SADD k a b c
        SADD k a
        SADD k a d d d
        SCARD k
        SMEMBERS k
        SISMEMBER k a
        SISMEMBER k z
        SISMEMBER none a
        SMISMEMBER k a z b a
        SMISMEMBER none a b
        SREM k z
        SREM k a z b
        SMEMBERS k
        SREM k c c d d
        EXISTS k
        SREM k a
        SCARD k
        SMEMBERS k
        SADD "" "" "\x00" "\r\n"
        SMEMBERS ""
        SISMEMBER "" ""
        SADD n 1 2 03 -4 -0 +5 9223372036854775807 -9223372036854775808 9223372036854775808
        SMEMBERS n
        SISMEMBER n 1
        SISMEMBER n 01
        SISMEMBER n 3
        SISMEMBER n 03
        SREM n 2 5 0
        SCARD n
    """,
    "move": """
        SADD a x y
        SADD b y z
        SMOVE a b y
        SMEMBERS a
        SMEMBERS b
        SMOVE a c x
        EXISTS a
        SMEMBERS c
        SMOVE a b x
        SMOVE c c x
        SMOVE c c y
        SMOVE c none z
        EXISTS none
        SADD i 1 2 3
        SMOVE i b 2
        OBJECT ENCODING b
        SMOVE i j 3
        OBJECT ENCODING j
        SMOVE b i z
        OBJECT ENCODING i
        PEXPIREAT i 33177117420000
        SMOVE b i y
        PEXPIRETIME i
    """,
    "algebra": """
        SADD a 1 2 3 4 x
        SADD b 3 4 5 x y
        SADD c 4 x 6
        SADD i 1 2 3 4 5
        SADD j 4 5 6
        SINTER a
        SINTER a b
        SINTER a b c
        SINTER a none
        SINTER none
        SINTER i j
        SINTER a a a
        SUNION a
        SUNION a b c none
        SUNION none none
        SUNION i j
        SUNION a a
        SDIFF a
        SDIFF a b
        SDIFF a b c
        SDIFF a none
        SDIFF none a
        SDIFF a a
        SDIFF a none a
        SDIFF i j
        SINTERCARD 1 a
        SINTERCARD 2 a b
        SINTERCARD 2 a b LIMIT 0
        SINTERCARD 2 a b LIMIT 2
        SINTERCARD 2 a b LIMIT 100
        SINTERCARD 2 a b LIMIT 1 LIMIT 2
        SINTERCARD 3 a b c limit 1
        SINTERCARD 2 a none
        SINTERCARD 2 a b LIMIT
        SINTERCARD 2 a b LIMIT -1
        SINTERCARD 2 a b LIMIT x
        SINTERCARD 2 a b LIMIT 9223372036854775808
        SINTERCARD 2 a b BOGUS 1
        SINTERCARD 2 a b c
        SINTERCARD 0 a
        SINTERCARD -1 a
        SINTERCARD x a
        SINTERCARD 2 a
        SINTERCARD 9223372036854775807 a
        SINTERCARD 9223372036854775808 a
    """,
    "store": """
        SADD a 1 2 3 4 x
        SADD b 3 4 5 x y
        SADD i 1 2 3 4 5
        SADD j 4 5 6
        SINTERSTORE d a b
        SMEMBERS d
        OBJECT ENCODING d
        SINTERSTORE d i a
        SMEMBERS d
        OBJECT ENCODING d
        SINTERSTORE d a
        OBJECT ENCODING d
        SUNIONSTORE d a b
        SMEMBERS d
        OBJECT ENCODING d
        SUNIONSTORE d i j
        SMEMBERS d
        OBJECT ENCODING d
        SDIFFSTORE d a b
        SMEMBERS d
        OBJECT ENCODING d
        SDIFFSTORE d a i
        OBJECT ENCODING d
        EXPIRE d 1000
        SUNIONSTORE d d i
        TTL d
        SMEMBERS d
        SINTERSTORE d d j
        SMEMBERS d
        SDIFFSTORE d d d
        EXISTS d
        SUNIONSTORE d none
        SINTERSTORE d none i
        SADD d q
        SINTERSTORE d none i
        EXISTS d
        SADD d q
        SUNIONSTORE d none nope
        EXISTS d
        SADD d q
        SDIFFSTORE d none i
        EXISTS d
    """,
    "scan": r"""
        SADD k a b ab abc 1 12
        SSCAN k 0
        SSCAN k 0 MATCH a*
        SSCAN k 0 MATCH 1? COUNT 1
        SSCAN k 0 COUNT 0
        SSCAN k 0 COUNT -1
        SSCAN k 0 COUNT x
        SSCAN k 0 COUNT
        SSCAN k 0 MATCH
        SSCAN k 0 BOGUS
        SSCAN k 0 NOVALUES
        SSCAN k 0 TYPE set
        SSCAN k x
        SSCAN k -1
        SSCAN k 18446744073709551616
        SSCAN none 0
        SSCAN none 0 BOGUS
        SSCAN none x
        SSCAN none 5
        SADD i 1 2 3
        SSCAN i 0 COUNT 1
        SSCAN i 0 COUNT 9223372036854775807
        SSCAN i 7
    """,
    "pop": """
        SPOP none
        SPOP none 0
        SPOP none 5
        SPOP none -1
        SPOP none x
        SPOP none 9223372036854775808
        SPOP none 1 2
        SADD k a
        SPOP k
        EXISTS k
        SADD k a b c
        SPOP k 0
        SPOP k 3
        EXISTS k
        SADD k 1 2 3
        SPOP k 9223372036854775807
        EXISTS k
        SADD k a b
        SPOP k -1
        SPOP k x
        SPOP k ""
        SPOP k 1.5
        SPOP k 1 2
        SCARD k
    """,
    "random-member": """
        SRANDMEMBER none
        SRANDMEMBER none 0
        SRANDMEMBER none 5
        SRANDMEMBER none -5
        SRANDMEMBER none x
        SRANDMEMBER none 1 2
        SADD k a
        SRANDMEMBER k
        SRANDMEMBER k 0
        SRANDMEMBER k 1
        SRANDMEMBER k 5
        SRANDMEMBER k -3
        SRANDMEMBER k x
        SRANDMEMBER k 9223372036854775807
        SRANDMEMBER k 9223372036854775808
        SRANDMEMBER k -9223372036854775808
        SRANDMEMBER k -9223372036854775809
        SRANDMEMBER k 1 2
        SRANDMEMBER none -9223372036854775807
        SADD k b c 1
        SRANDMEMBER k 4
        SRANDMEMBER k 100
    """,
    "big": [
        big("i", 512),
        ("OBJECT", "ENCODING", "i"),
        ("SMEMBERS", "i"),
        ("SADD", "i", 512),
        ("OBJECT", "ENCODING", "i"),
        ("SMEMBERS", "i"),
        big("j", 513),
        ("OBJECT", "ENCODING", "j"),
        big("p", 128, "m"),
        ("OBJECT", "ENCODING", "p"),
        ("SADD", "p", "m1", "m2"),
        ("OBJECT", "ENCODING", "p"),
        ("SADD", "p", "more"),
        ("OBJECT", "ENCODING", "p"),
        big("q", 129, "m"),
        ("OBJECT", "ENCODING", "q"),
        big("h", 3000, "m"),
        ("SCARD", "h"),
        ("SINTER", "h", "q"),
        ("SINTERCARD", 2, "h", "q", "LIMIT", 7),
        ("SINTERSTORE", "d", "h", "q"),
        ("OBJECT", "ENCODING", "d"),
        ("SUNIONSTORE", "d", "i", "j"),
        ("OBJECT", "ENCODING", "d"),
        ("SINTERSTORE", "d", "i", "j"),
        ("OBJECT", "ENCODING", "d"),
        ("SREM", "j", 512),
        ("SINTERSTORE", "d", "i", "j"),
        ("OBJECT", "ENCODING", "d"),
        ("SDIFFSTORE", "d", "h", "q"),
        ("OBJECT", "ENCODING", "d"),
        ("SCARD", "d"),
        ("SDIFFSTORE", "d", "q", "h"),
        ("EXISTS", "d"),
        ("SDIFF", "h", "q", "p", "i"),
        ("SUNION", "h", "q", "p", "i"),
        ("SSCAN", "p", 0, "COUNT", 100000),
        ("SPOP", "h", 100000),
        ("SADD", "l", "x" * 64),
        ("OBJECT", "ENCODING", "l"),
        ("SADD", "l", "x" * 65),
        ("OBJECT", "ENCODING", "l"),
        ("SADD", "l", "y" * 100_000),
        ("SMEMBERS", "l"),
    ],
    "limits": """
        CONFIG SET set-max-intset-entries 3 set-max-listpack-entries 4 set-max-listpack-value 5
        SADD i 1 2 3
        OBJECT ENCODING i
        SADD i 4
        OBJECT ENCODING i
        SADD p a b c d
        OBJECT ENCODING p
        SADD p e
        OBJECT ENCODING p
        SADD v aaaaa
        OBJECT ENCODING v
        SADD v aaaaaa
        OBJECT ENCODING v
        SADD m 123456 1
        OBJECT ENCODING m
        SADD m a
        OBJECT ENCODING m
        SADD n a 1 2 3
        SINTERSTORE d n i
        OBJECT ENCODING d
        SADD w 1 2 3 4
        OBJECT ENCODING w
        SINTERSTORE d w i
        OBJECT ENCODING d
        SUNIONSTORE d w p
        OBJECT ENCODING d
        SDIFFSTORE d p i
        OBJECT ENCODING d
        SADD x a a a a a
        OBJECT ENCODING x
        SADD y 1 1 1 1
        OBJECT ENCODING y
        SADD z 1
        SADD z 1 1 1 1
        OBJECT ENCODING z
        CONFIG SET set-max-intset-entries 0
        SADD e 1 2
        OBJECT ENCODING e
        SINTERSTORE d z e
        OBJECT ENCODING d
        SMOVE e f 2
        OBJECT ENCODING f
    """,
    # Redis adds all and removes then, if that is less work: the encoding is that of all.
    "difference-by-removing": [
        ("SADD", "a", *range(10), "x"),
        ("SADD", "b", "x"),
        ("SADD", "c", "x"),
        ("SADD", "d", "y"),
        ("SDIFFSTORE", "t", "a", "b", "c", "d"),
        ("OBJECT", "ENCODING", "t"),
        ("SDIFFSTORE", "t", "a", "b"),
        ("OBJECT", "ENCODING", "t"),
        ("SDIFFSTORE", "t", "a", "b", "none", "none2", "none3"),
        ("OBJECT", "ENCODING", "t"),
        ("SDIFF", "a", "b", "c", "d"),
        ("SADD", "all", *range(10), "x"),
        ("SDIFFSTORE", "t", "a", "all", "b", "c"),
        ("EXISTS", "t"),
    ],
}

# After each of these the sets that remain are of the same size on both sides, but not the same.
CHANCE: dict[str, Script] = {
    "random-members": [
        *[(name, *members) for name in ("SADD",) for members in (("i", *range(100)), ("p", *MIXED.split()))],
        big("h", 1000, "m"),
        *[
            ("SRANDMEMBER", key, *count)
            for key in ("i", "p", "h")
            for count in ((), (0,), (1,), (-1,), (3,), (-3,), (50,), (-50,), (99,), (-2500,), (10_000,))
        ],
    ],
    "pops-keep-or-change-the-encoding": [
        line
        for members, pops in (
            (range(100), (1, 10, 70, 18)),
            ([f"m{i}" for i in range(100)], (1, 10, 70, 18)),
            ([f"m{i}" for i in range(1000)], (1, 100, 800, 90, 8)),
            ([f"m{i}" for i in range(1000)], (833, 1)),
            ([f"m{i}" for i in range(1000)], (834, 1)),
            ([f"m{i}" for i in range(1000)], (872, 1)),
            ([f"m{i}" for i in range(3000)], (2500, 1)),
            (range(600), (499, 1)),
            (range(600), (500, 1)),
            (["x" * 70, *range(59)], (49, 1)),
            (["x" * 70, *range(59)], (50, 1)),
        )
        for line in (
            ("SADD", "k", *members),
            ("PEXPIREAT", "k", FUTURE),
            ("SPOP", "k"),
            *[
                step
                for count in pops
                for step in (("SPOP", "k", count), ("SCARD", "k"), ("OBJECT", "ENCODING", "k"), ("PEXPIRETIME", "k"))
                if not ("x" * 70 in members and step[0] == "OBJECT")  # it depends on who stays
            ],
            ("DEL", "k"),
        )
    ],
}

EVENTS = r"""
    CONFIG SET notify-keyspace-events KEAn
    @2 PSUBSCRIBE __key*__:*
    SADD k a b
    SADD k a
    SADD k c a
    SREM k z
    SREM k a b
    SREM k c z
    SADD k a b
    SMOVE k l a
    SMOVE k l b
    SMOVE k l a
    SADD k a
    SMOVE k l a
    SMOVE l l a
    SMOVE l m zz
    SPOP l 0
    SPOP l 1
    SPOP l
    SPOP l
    SPOP l 5
    SADD l a b c d e f g h
    SPOP l 100
    SADD l a b c
    SPOP l 3
    SADD a 1 2 x
    SADD b 2 x y
    SINTERSTORE d a b
    SINTERSTORE d a none
    SINTERSTORE d a none
    SUNIONSTORE d a b
    SUNIONSTORE d none none
    SUNIONSTORE d none
    SDIFFSTORE d a b
    SDIFFSTORE d a a
    SDIFFSTORE d a a
    SET d v
    SINTERSTORE d a b
    SET d v
    SDIFFSTORE d a a
    SRANDMEMBER a
    SMEMBERS a
    SADD e x
    PEXPIREAT e 1
    SMOVE none e x
    INFO persistence
"""

WATCHES = "\n".join(
    f"DEL k l\nSADD k a b\nSADD l b\n@2 WATCH k l\n{change}\n@2 MULTI\n@2 PING\n@2 EXEC"
    for change in (
        "SADD k a", "SADD k c", "SREM k z", "SREM k a", "SMOVE k l a", "SMOVE k l z", "SMOVE k k a", "SPOP k 2",
        "SPOP k 0", "SRANDMEMBER k", "SINTERSTORE l k none", "SINTERSTORE m k l", "SUNIONSTORE l k", "SDIFFSTORE l k k",
        "SMEMBERS k", "SDIFFSTORE m k k",
    )
)  # fmt: skip


@parametrize_scripts(SCRIPTS)
def test_set(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode, how=HOW)


@parametrize_scripts(CHANCE)
def test_chance(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode, how=RANDOM)


@pytest.mark.parametrize("mode", PLAIN_MODES)
def test_events(pair: Pair, mode: str) -> None:
    pair.compare(EVENTS, mode, how=RANDOM)


@pytest.mark.parametrize("mode", PLAIN_MODES)
def test_watched_sets(pair: Pair, mode: str) -> None:
    pair.compare(WATCHES, mode, how=HOW | {"srandmember": same_or_null})


def dirty(connection: Connection) -> int:
    info = connection.command("INFO", "persistence").data.decode()
    return int(info.split("rdb_changes_since_last_save:")[1].split()[0])


def test_changes_are_counted_as_in_redis(pair: Pair) -> None:
    requests = [line.split() for line in EVENTS.splitlines() if line.strip().startswith("S")]
    with pair.subject.connect() as ours, pair.oracle.connect() as theirs:
        for request in requests:
            if request[0] == "SPOP":  # of several members, which one is chance
                request = ["SPOP", "k", "100"]
            counts = []
            for connection in (ours, theirs):
                before = dirty(connection)
                connection.command(*request)
                counts.append(dirty(connection) - before)
            assert counts[0] == counts[1], request


def test_a_scan_finds_all_members_of_a_big_set(pair: Pair) -> None:
    with pair.subject.connect() as connection:
        connection.command(*big("k", 5000, "m"))
        for count, least in ((1, 1), (100, 100), (10_000, 5000)):
            cursor, found, pages = b"0", set[bytes](), 0
            while pages == 0 or cursor != b"0":
                page = connection.command("SSCAN", "k", cursor, "COUNT", count).data
                cursor = page[0].data
                found |= {member.data for member in page[1].data}
                pages += 1
                assert cursor == b"0" or least <= len(page[1].data) < count + 200
            assert found == {b"m%d" % i for i in range(5000)}


def test_endless_draws_are_refused_and_long_ones_end_with_the_client(pair: Pair) -> None:
    server = pair.subject
    with server.connect() as admin:
        admin.command("SADD", "k", "x" * 1000, "y" * 1000)
        for endless in (-(2**63) + 1, -(2**40)):
            reply = admin.command("SRANDMEMBER", "k", endless)
            assert reply.is_error and reply.data == b"ERR value is out of range"
        admin.command("CONFIG", "SET", "client-output-buffer-limit", "normal 3000000 0 0")
        assert len(admin.command("SRANDMEMBER", "k", -1000).data) == 1000
        with server.connect() as greedy:
            greedy.send("SRANDMEMBER", "k", -80_000_000)
            with pytest.raises(ConnectionError):
                greedy.read()
        assert admin.command("SCARD", "k").data == 2


# --- long random sequences --------------------------------------------------------------------------------------------

keys = st.sampled_from([b"a", b"b", b"c", b"d"])
some_keys = st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"none"]), min_size=1, max_size=4)
integers = st.one_of(st.integers(-5, 40), st.sampled_from([2**15, 2**31, 2**63 - 1, -(2**63)])).map(lambda n: b"%d" % n)
members = st.one_of(
    integers, st.binary(max_size=3), st.sampled_from([b"x" * 9, b"x" * 10, b"x" * 11, b"01", b"-0", b"1.0", b""])
)
some = st.one_of(
    st.lists(integers, min_size=1, max_size=12),
    st.lists(members, min_size=1, max_size=12),
    st.integers(0, 60).map(lambda first: [b"%d" % i for i in range(first, first + 25)]),
)


class Sets(Machine):
    """Four sets, at low limits, so that they change their encodings often."""

    @initialize(intset=st.sampled_from([2, 20]), entries=st.sampled_from([2, 20]))
    def limit(self, intset: int, entries: int) -> None:
        self.both(
            "CONFIG", "SET", "set-max-intset-entries", intset, "set-max-listpack-entries", entries,
            "set-max-listpack-value", 10,
        )  # fmt: skip

    @rule(key=keys, chosen=some)
    def add(self, key: bytes, chosen: list[bytes]) -> None:
        self.both("SADD", key, *chosen)
        self.both("OBJECT", "ENCODING", key)

    @rule(key=keys, chosen=some)
    def remove(self, key: bytes, chosen: list[bytes]) -> None:
        self.both("SREM", key, *chosen)

    @rule(key=keys, to=keys, member=members)
    def move(self, key: bytes, to: bytes, member: bytes) -> None:
        self.both("SMOVE", key, to, member)
        self.both("OBJECT", "ENCODING", to)

    @rule(key=keys, chosen=some)
    def look(self, key: bytes, chosen: list[bytes]) -> None:
        self.both("SMISMEMBER", key, *chosen)
        self.both("SISMEMBER", key, chosen[0])
        self.both("SCARD", key)
        self.both("SMEMBERS", key, same=same_members)
        self.both("DEBUG", "DIGEST-VALUE", key)

    @rule(key=keys, count=st.integers(50, 100))
    def pop_all(self, key: bytes, count: int) -> None:
        self.both("SPOP", key, count, same=same_or_null)
        self.both("SCARD", key)
        self.both("DEL", key)

    @rule(key=keys, count=st.integers(0, 30))
    def pop_some(self, key: bytes, count: int) -> None:
        self.both("SPOP", key, count, same=same_or_null)
        self.both("SCARD", key)
        self.both("DEL", key)

    @rule(key=keys, count=st.integers(-60, 60))
    def draw(self, key: bytes, count: int) -> None:
        self.both("SRANDMEMBER", key, count, same=same_or_null)
        self.both("SRANDMEMBER", key, same=same_or_null)

    @rule(name=st.sampled_from(["SINTER", "SUNION", "SDIFF"]), chosen=some_keys)
    def combine(self, name: str, chosen: list[bytes]) -> None:
        self.both(name, *chosen, same=same_members)

    @rule(name=st.sampled_from(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), to=keys, chosen=some_keys)
    def store(self, name: str, to: bytes, chosen: list[bytes]) -> None:
        self.both(name, to, *chosen)
        self.both("SMEMBERS", to, same=same_members)
        self.both("OBJECT", "ENCODING", to)

    @rule(chosen=some_keys, limit=st.integers(-1, 9))
    def count(self, chosen: list[bytes], limit: int) -> None:
        self.both("SINTERCARD", len(chosen), *chosen, "LIMIT", limit)

    @rule(key=keys, pattern=st.sampled_from(["*", "1*", "?", "x*"]))
    def scan(self, key: bytes, pattern: str) -> None:
        self.both("SSCAN", key, 0, "MATCH", pattern, "COUNT", 10000, same=same_page)

    @rule(key=keys, to=keys, name=st.sampled_from(["COPY", "RENAME", "RENAMENX"]))
    def rename(self, key: bytes, to: bytes, name: str) -> None:
        self.both(name, key, to)
        self.both("OBJECT", "ENCODING", to)

    @rule(key=keys, at=st.sampled_from([FUTURE, FUTURE, 1]))
    def expire(self, key: bytes, at: int) -> None:
        self.both("PEXPIREAT", key, at)

    @rule(key=keys)
    def another_type(self, key: bytes) -> None:
        self.both("SET", key, "text")

    @rule(key=keys)
    def life(self, key: bytes) -> None:
        self.both("PEXPIRETIME", key)
        self.both("TYPE", key)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "multi3"])
def test_random_sequences(drive: Callable[..., None], mode: str) -> None:  # noqa: F811
    drive(Sets, mode, 60)
