"""DUMP and RESTORE against redis-server: options and errors, and payloads in both directions for every encoding."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import rdb
from tests.support.dataset import FUTURE, KEYS, REQUESTS
from tests.support.differential import Pair, Script, parametrize_scripts
from tests.support.resp import Connection
from tests.support.servers import Server

STRING = rdb.payload(b"\0" + rdb.string(b"value"))
LIST = rdb.payload(b"\1" + rdb.strings(b"a", b"b", b"300"))
LONG = b"x" * 300
WRONG = STRING[:-1] + bytes([STRING[-1] ^ 1])
IN_ORDER_OF_TABLES = {"set:hashtable", "set:long", "hash:hashtable", "hash:many-times"}
LIMITS = {
    "hash-max-listpack-entries": 6,
    "set-max-intset-entries": 5,
    "set-max-listpack-entries": 6,
    "zset-max-listpack-entries": 6,
    "list-max-listpack-size": 4,
}

SCRIPTS: dict[str, Script] = {
    "arguments": [
        ("DUMP",),
        ("DUMP", "a", "b"),
        ("DUMP", "none"),
        ("RESTORE",),
        ("RESTORE", "k", "0"),
        ("RESTORE", "k", "0", ""),
        ("RESTORE", "k", "0", "short"),
        ("RESTORE", "k", "0", WRONG),
        ("RESTORE", "k", "0", rdb.payload(rdb.body(STRING), 13)),
        ("RESTORE", "k", "0", rdb.payload(rdb.body(STRING), 1)),
        ("RESTORE", "k", "0", rdb.payload(b"")),
        ("RESTORE", "k2", "0", rdb.payload(b"\x08\0")),
        ("RESTORE", "k2", "0", rdb.payload(b"\x1a\0")),
        ("RESTORE", "k2", "0", rdb.payload(b"\xff\0")),
        ("RESTORE", "k2", "x", STRING),
        ("RESTORE", "k2", "-1", STRING),
        ("RESTORE", "k2", "1.5", STRING),
        ("RESTORE", "k2", "0", STRING, "BOGUS"),
        ("RESTORE", "k2", "0", STRING, "IDLETIME"),
        ("RESTORE", "k2", "0", STRING, "IDLETIME", "x"),
        ("RESTORE", "k2", "0", STRING, "IDLETIME", "-1"),
        ("RESTORE", "k2", "0", STRING, "FREQ"),
        ("RESTORE", "k2", "0", STRING, "FREQ", "x"),
        ("RESTORE", "k2", "0", STRING, "FREQ", "-1"),
        ("RESTORE", "k2", "0", STRING, "FREQ", "256"),
        ("RESTORE", "k2", "0", STRING, "FREQ", "1", "IDLETIME", "1"),
        ("RESTORE", "k2", "0", STRING, "IDLETIME", "1", "FREQ", "1"),
        ("RESTORE", "k2", "0", STRING, "IDLETIME", "1", "IDLETIME", "2", "REPLACE", "ABSTTL"),
        ("EXISTS", "k", "k2"),
    ],
    "order-of-checks": [
        ("SET", "k", "v"),
        ("RESTORE", "k", "x", "y", "BOGUS"),
        ("RESTORE", "k", "x", "y"),
        ("RESTORE", "k", "x", "y", "REPLACE"),
        ("RESTORE", "k", "-1", "y", "REPLACE"),
        ("RESTORE", "k", "0", "y", "REPLACE"),
        ("RESTORE", "k", "0", STRING),
        ("GET", "k"),
        ("RESTORE", "k", "0", LIST, "replace"),
        ("LRANGE", "k", "0", "-1"),
        ("OBJECT", "ENCODING", "k"),
    ],
    "expiry": [
        ("RESTORE", "k", "100000000", STRING),
        ("TTL", "k"),
        ("RESTORE", "k", str(FUTURE), STRING, "ABSTTL", "REPLACE"),
        ("PEXPIRETIME", "k"),
        ("RESTORE", "k", "0", STRING, "ABSTTL", "REPLACE"),
        ("TTL", "k"),
        ("RESTORE", "k", "1", STRING, "ABSTTL", "REPLACE"),
        ("EXISTS", "k"),
        ("RESTORE", "k", "1", STRING, "ABSTTL"),
        ("EXISTS", "k"),
        ("RESTORE", "k", "9223372036854775807", STRING),
        ("EXISTS", "k"),
        ("RESTORE", "k", "9223372036854775807", STRING, "ABSTTL"),
        ("PEXPIRETIME", "k"),
    ],
    "usage": [
        ("RESTORE", "k", "0", STRING, "IDLETIME", "1000"),
        ("OBJECT", "IDLETIME", "k"),
        ("RESTORE", "k", "0", LIST, "IDLETIME", "0", "REPLACE"),
        ("OBJECT", "IDLETIME", "k"),
        ("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"),
        ("RESTORE", "f", "0", STRING, "FREQ", "0"),
        ("OBJECT", "FREQ", "f"),
        ("RESTORE", "f", "0", LIST, "FREQ", "200", "REPLACE"),
        ("OBJECT", "FREQ", "f"),
        ("RESTORE", "f", "0", LIST, "FREQ", "255", "REPLACE"),
        ("OBJECT", "FREQ", "f"),
    ],
    "asking": [("RESTORE-ASKING", "k", "0", STRING), ("GET", "k"), ("RESTORE-ASKING", "k", "0", STRING)],
    "dump-of-small-values": """
        SET s hello
        DUMP s
        SET n 1000000
        DUMP n
        SET big 12345678901
        DUMP big
        RPUSH l a 1 b
        DUMP l
        SADD i 1 2 3
        DUMP i
        SADD t a b
        DUMP t
        ZADD z 1 a 2.5 b
        DUMP z
        HSET h f v
        DUMP h
        OBJECT IDLETIME h
    """,
    "empty": [
        *[("RESTORE", "k", "0", rdb.payload(bytes([kind]) + b"\0")) for kind in (1, 2, 3, 4, 5, 14, 18)],
        *[("RESTORE", "k", "0", rdb.payload(bytes([kind]) + rdb.string(rdb.ziplist()))) for kind in (10, 12, 13)],
        *[("RESTORE", "k", "0", rdb.payload(bytes([kind]) + rdb.string(b"\7\0\0\0\0\0\xff"))) for kind in (16, 17, 20)],
        ("RESTORE", "k", "0", rdb.payload(b"\x0b" + rdb.string(b"\2\0\0\0\0\0\0\0"))),
        ("RESTORE", "s", "0", rdb.payload(b"\x0f" + b"\0" * 4)),
        ("XINFO", "STREAM", "s"),
        ("EXISTS", "k"),
    ],
    "duplicates": [
        ("RESTORE", "k", "0", rdb.payload(b"\2" + rdb.strings(b"a", b"a"))),
        ("RESTORE", "k", "0", rdb.payload(b"\2" + rdb.strings(b"1", b"1"))),
        ("RESTORE", "k", "0", rdb.payload(b"\3\2\1a\0011\1a\0012")),
        ("RESTORE", "k", "0", rdb.payload(b"\4\2" + b"".join(map(rdb.string, (b"f", b"1", b"f", b"2"))))),
        ("RESTORE", "k", "0", rdb.payload(b"\x0d" + rdb.string(rdb.ziplist(b"f", 1, b"f", 2)))),
        ("RESTORE", "k", "0", rdb.payload(b"\x0c" + rdb.string(rdb.ziplist(b"f", 1, b"f", 2)))),
        ("RESTORE", "k", "0", rdb.payload(b"\x09" + rdb.string(rdb.zipmap([(b"f", b"1"), (b"f", b"2")])))),
        ("RESTORE", "k", "0", rdb.payload(b"\3\1\1a\xfd")),
        ("EXISTS", "k"),
    ],
    "ancient": [
        ("RESTORE", "l", "0", rdb.payload(b"\x0a" + rdb.string(rdb.ziplist(b"a", 5, -7, 1 << 20, 1 << 40, LONG)))),
        ("OBJECT", "ENCODING", "l"),
        ("LRANGE", "l", "0", "-1"),
        ("RESTORE", "q", "0", rdb.payload(b"\x0e\2" + rdb.string(rdb.ziplist(1, 2)) + rdb.string(rdb.ziplist(b"z")))),
        ("OBJECT", "ENCODING", "q"),
        ("LRANGE", "q", "0", "-1"),
        ("RESTORE", "z", "0", rdb.payload(b"\x0c" + rdb.string(rdb.ziplist(b"a", -3, b"b", b"2.5", b"c", b"inf")))),
        ("OBJECT", "ENCODING", "z"),
        ("ZRANGE", "z", "0", "-1", "WITHSCORES"),
        ("RESTORE", "h", "0", rdb.payload(b"\x0d" + rdb.string(rdb.ziplist(b"f", b"v", b"g", 12, b"h", 70000)))),
        ("OBJECT", "ENCODING", "h"),
        ("HGETALL", "h"),
        ("RESTORE", "m", "0", rdb.payload(b"\x09" + rdb.string(rdb.zipmap([(b"f", b"v"), (b"g", b"1")], 2)))),
        ("OBJECT", "ENCODING", "m"),
        ("HGETALL", "m"),
        ("RESTORE", "m2", "0", rdb.payload(b"\x09" + rdb.string(rdb.zipmap([(b"f", b"v" * 300)])))),
        ("OBJECT", "ENCODING", "m2"),
        ("HGET", "m2", "f"),
        ("RESTORE", "p", "0", rdb.payload(b"\3\3\1a\0031.5\1b\xfe\1c\xff")),
        ("ZRANGE", "p", "0", "-1", "WITHSCORES"),
        ("RESTORE", "i", "0", rdb.payload(b"\x0b\xc3\x09\x0b\x08\2\0\0\0\1\0\0\0\7\0")),
        ("SMEMBERS", "i"),
    ],
}


@parametrize_scripts(SCRIPTS)
def test_scripts(pair: Pair, script: Script, mode: str) -> None:
    with pair.oracle.connect() as connection:
        connection.command("CONFIG", "SET", "sanitize-dump-payload", "yes")
    pair.compare(script, mode)


def test_events(pair: Pair) -> None:
    pair.compare(
        [
            ("CONFIG", "SET", "notify-keyspace-events", "KEAn"),
            "@2 PSUBSCRIBE *",
            ("RESTORE", "k", "0", STRING),
            ("RESTORE", "k", "0", STRING),
            ("RESTORE", "k", "1000000", LIST, "REPLACE"),
            ("RESTORE", "k", "1", LIST, "REPLACE", "ABSTTL"),
            ("RESTORE", "k", "1", LIST, "REPLACE", "ABSTTL"),
            ("RESTORE", "k", "0", LIST),
            ("DUMP", "none"),
        ]
    )


def test_a_blocked_client_is_served(pair: Pair) -> None:
    script = ["DEL l", "@2 ~ BLPOP l 0", "CLIENT UNBLOCK 999999", ("RESTORE", "l", "0", LIST), "LLEN l"]
    pair.compare(script)


# -- both directions


def both(pair: Pair, requests: list[tuple[Any, ...]]) -> tuple[Connection, Connection]:
    """Connections to the subject and to redis-server, which have executed the requests."""
    ours, theirs = pair.subject.connect(), pair.oracle.connect()
    for request in requests:
        assert ours.command(*request) == theirs.command(*request), request
    return ours, theirs


def exchange(ours: Connection, theirs: Connection, key: str) -> tuple[bytes, bytes]:
    """Each side gets the other's payload, and then both have the same in the same encoding; the two payloads."""
    mine, other = ours.command("DUMP", key).data, theirs.command("DUMP", key).data
    assert theirs.command("RESTORE", "copy", 0, mine, "REPLACE").data == b"OK"
    assert ours.command("RESTORE", "copy", 0, other, "REPLACE").data == b"OK"
    for connection in (ours, theirs):
        digests = connection.command("DEBUG", "DIGEST-VALUE", key, "copy").data
        assert digests[0] == digests[1] != b"0" * 40
    assert ours.command("OBJECT", "ENCODING", "copy") == theirs.command("OBJECT", "ENCODING", "copy")
    assert ours.command("DEBUG", "DIGEST-VALUE", key) == theirs.command("DEBUG", "DIGEST-VALUE", key)
    return mine, other


@pytest.mark.parametrize("key", KEYS)
def test_every_encoding_in_both_directions(pair: Pair, key: str) -> None:
    ours, theirs = both(pair, [request for request in REQUESTS if key in request[1:3]])
    mine, other = exchange(ours, theirs, key)
    assert len(mine) == len(other)
    if key not in IN_ORDER_OF_TABLES:
        assert mine == other
    theirs.command("CONFIG", "SET", "rdbcompression", "no")
    exchange(ours, theirs, key)


def test_groups_in_both_directions(pair: Pair) -> None:
    requests: list[tuple[Any, ...]] = [("XADD", "s", f"{i}-1", "f", i) for i in range(1, 30)]
    for name in ("g", "other", "", "a-longer-name"):
        requests.append(("XGROUP", "CREATE", "s", name, "5-0", "ENTRIESREAD", 4))
        requests += [("XGROUP", "CREATECONSUMER", "s", name, f"c{i}") for i in range(3)]
        requests += [("XREADGROUP", "GROUP", name, f"c{i}", "COUNT", 3, "STREAMS", "s", ">") for i in range(2)]
    requests += [("XGROUP", "CREATE", "s", "no-count", "7-7"), ("XDEL", "s", "3-1", "29-1"), ("XACK", "s", "g", "6-1")]
    ours, theirs = both(pair, requests)
    mine, other = exchange(ours, theirs, "s")
    assert ours.command("XINFO", "GROUPS", "copy") == theirs.command("XINFO", "GROUPS", "copy")
    about = [side.command("XINFO", "STREAM", "copy").data for side in (ours, theirs)]
    assert [*about[0][:5], *about[0][6:]] == [*about[1][:5], *about[1][6:]]  # but for the nodes of Redis's tree
    for name in ("g", "other"):
        pending = [side.command("XPENDING", "copy", name).data for side in (ours, theirs)]
        assert pending[0] == pending[1]
    assert len(mine) == len(other)
    # redis reads what we make of its own payload, times and all
    again = ours.command("DUMP", "copy").data
    assert again == other


pairs = st.lists(st.tuples(rdb.texts, rdb.texts), min_size=1, max_size=12, unique_by=lambda pair: pair[0])
scores = st.one_of(st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.integers(-2, 2))
scored = st.lists(st.tuples(scores, rdb.texts), min_size=1, max_size=12, unique_by=lambda pair: pair[1])
values = st.one_of(
    rdb.texts.map(lambda text: [("SET", "k", text)]),
    st.lists(rdb.texts, min_size=1, max_size=14).map(lambda texts: [("RPUSH", "k", *texts)]),
    st.sets(st.one_of(rdb.texts, rdb.edges), min_size=1, max_size=14).map(lambda texts: [("SADD", "k", *texts)]),
    st.sets(rdb.edges, min_size=1).map(lambda numbers: [("SADD", "k", *numbers)]),
    scored.map(lambda items: [("ZADD", "k", *[word for item in items for word in (repr(item[0]), item[1])])]),
    pairs.map(lambda items: [("HSET", "k", *[word for item in items for word in item])]),
    st.tuples(pairs, st.lists(st.integers(FUTURE, FUTURE + 3), min_size=12, max_size=12)).map(
        lambda given: [
            ("HSET", "k", *[word for item in given[0] for word in item]),
            *[
                ("HPEXPIREAT", "k", at, "FIELDS", 1, item[0])
                for item, at in zip(given[0], given[1], strict=False)
                if at != FUTURE + 3
            ],
        ]
    ),
    st.lists(pairs, min_size=1, max_size=6).map(
        lambda entries: [
            ("XADD", "k", f"{number}-1", *[word for item in entry for word in item])
            for number, entry in enumerate(entries, 1)
        ]
    ),
)


def test_generated_values_in_both_directions(pair: Pair) -> None:
    ours, theirs = both(pair, [("CONFIG", "SET", name, value) for name, value in LIMITS.items()])

    @settings(max_examples=300, suppress_health_check=list(HealthCheck))
    @given(values, st.sampled_from(["yes", "no"]))
    def check(requests: list[tuple[Any, ...]], compression: str) -> None:
        theirs.command("CONFIG", "SET", "rdbcompression", compression)
        for request in [("DEL", "k"), *requests]:
            assert ours.command(*request) == theirs.command(*request), request
        exchange(ours, theirs, "k")

    check()


def test_strings_are_compressed_as_redis_does_it(pair: Pair) -> None:
    ours, theirs = both(pair, [])
    generator = random.Random(4)
    for number in range(300):
        alphabet = generator.choice([2, 4, 30, 256])
        parts = [generator.randbytes(generator.randrange(1, 60)) for _ in range(generator.randrange(1, 12))]
        text = b"".join(generator.choice(parts) for _ in range(generator.randrange(1, 40)))
        text = bytes(byte % alphabet for byte in text) + b"x" * generator.randrange(30)
        ours.command("SET", f"k{number}", text)
        theirs.command("SET", f"k{number}", text)
        assert ours.command("DUMP", f"k{number}") == theirs.command("DUMP", f"k{number}")


def test_damaged_payloads_do_no_harm(pair: Pair) -> None:
    """What both take is the same; what ours takes it can walk, change and dump."""
    ours, theirs = both(pair, REQUESTS)
    generator = random.Random(5)
    taken = 0
    for compression in ("yes", "no"):
        theirs.command("CONFIG", "SET", "rdbcompression", compression)
        for key in KEYS:
            whole = rdb.body(theirs.command("DUMP", key).data)
            taken += sum(is_harmless(ours, rdb.payload(rdb.damaged(whole, generator))) for _ in range(40))
    assert taken > 50


def is_harmless(ours: Connection, data: bytes) -> bool:
    reply = ours.command("RESTORE", "damaged", 0, data, "REPLACE")
    if reply.is_error:
        assert reply.data == b"ERR Bad data format"
        return False
    again = ours.command("DUMP", "damaged").data
    assert ours.command("RESTORE", "again", 0, again, "REPLACE").data == b"OK"
    digests = ours.command("DEBUG", "DIGEST-VALUE", "damaged", "again").data
    assert digests[0] == digests[1]
    assert ours.command("DEL", "damaged", "again").data == 2
    return True


@pytest.mark.mtredis_only
def test_the_server_lives_on(subject: Server) -> None:
    """A compressed string that claims to be huge takes no memory."""
    before = subject.memory()
    with subject.connect() as connection:
        for claim in (2**20, 2**31, 2**32, 2**40, 2**63, 2**64 - 1):
            for kind in (0, 1, 2, 4, 9, 10, 11, 16, 18, 20):
                lzf = b"\xc3" + rdb.length(6) + rdb.length(claim) + b"\1aa\xe0\xff\0"
                for text in (lzf, rdb.length(claim), rdb.length(claim) + lzf, b"\1" + rdb.length(claim) + b"x"):
                    reply = connection.command("RESTORE", "k", 0, rdb.payload(bytes([kind]) + text))
                    assert reply.data == b"ERR Bad data format", (claim, kind, text)
        assert connection.command("PING").data == b"PONG"
    assert subject.memory() < before + (64 << 20)
