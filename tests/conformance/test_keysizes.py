"""INFO keysizes, against redis-server, and against what the keys themselves say.

redis-server's own figures go wrong (below 0, even) after SETBIT and SETRANGE on a missing key and after an INCR that
makes a number longer, so random commands are judged by the definition: what STRLEN, LLEN, ... answer.
"""

import random
from collections import Counter

import pytest

from tests.support.durable import DurableServer
from tests.support.resp import Connection

LENGTHS = {
    "string": ("STRLEN", "distrib_strings_sizes"), "list": ("LLEN", "distrib_lists_items"),
    "set": ("SCARD", "distrib_sets_items"), "zset": ("ZCARD", "distrib_zsets_items"),
    "hash": ("HLEN", "distrib_hashes_items"),
}  # fmt: skip
DATABASES = (0, 3)
LONG = "x" * 5000


def keysizes(client: Connection) -> list[str]:
    header, *lines = client.command("INFO", "keysizes").data.decode().splitlines()
    assert header == "# Keysizes"
    return lines


def label(size: int) -> str:
    """Of the bin that a size is in."""
    if size == 0:
        return "0"
    power = 1 << (size.bit_length() - 1)
    return f"{power // 1024}K" if power >= 1024 else str(power)


def expected(client: Connection) -> list[str]:
    """The lines, found by asking for every key's length."""
    counts: Counter[tuple[int, int, int]] = Counter()
    kinds = list(LENGTHS)
    for database in DATABASES:
        client.command("SELECT", database)
        keys = client.command("KEYS", "*").data
        types = client.pipeline([("TYPE", key.data) for key in keys])
        for key, reply in zip(keys, types, strict=True):
            kind = reply.data.decode()
            if kind in LENGTHS:
                size = client.command(LENGTHS[kind][0], key.data).data
                counts[database, kinds.index(kind), size.bit_length()] += 1
    lines = []
    for database, kind in sorted({place[:2] for place in counts}):
        bins = sorted((bits, count) for (*place, bits), count in counts.items() if tuple(place) == (database, kind))
        text = ",".join(f"{label((1 << bits) >> 1)}={count}" for bits, count in bins)
        lines.append(f"db{database}_{LENGTHS[kinds[kind]][1]}:{text}")
    return lines


SCRIPTS = {
    "nothing": ([], []),
    "strings": (
        ["SET a x", "SET b xy", "SET c xyz", "SET d xyzz", "APPEND a yyyyyyyy", f"SET e {LONG}", "SETRANGE b 20 z"],
        ["db0_distrib_strings_sizes:2=1,4=1,8=1,16=1,4K=1"],
    ),
    "integers": (
        ["SET a 5", "SET b -5", "SET c 99", "SET d 1000", "SET e -9223372036854775808", "SET f 1000000"],
        ["db0_distrib_strings_sizes:1=1,2=2,4=2,16=1"],
    ),
    "every type": (
        ["RPUSH l a b c", "SADD s a", "SADD i 1 2 3 4", "ZADD z 1 a 2 b", "HSET h a b", "XADD x * a b", "PFADD p a"],
        ["db0_distrib_strings_sizes:16=1", "db0_distrib_lists_items:2=1", "db0_distrib_sets_items:1=1,4=1",
         "db0_distrib_zsets_items:2=1", "db0_distrib_hashes_items:1=1"],
    ),
    "the last element": (["RPUSH l a", "RPOP l", "SADD s a", "SREM s a", "HSET h a b", "HDEL h a"], []),
    "another type": (["SET a xyz", "DEL a", "RPUSH a b", "SET a x"], ["db0_distrib_strings_sizes:1=1"]),
    "fields with times": (
        ["HSET h a 1 b 2 c 3 d 4", "HEXPIRE h 1000 FIELDS 2 a b", "HDEL h c", "HPEXPIREAT h 1 FIELDS 1 a"],
        ["db0_distrib_hashes_items:2=1"],
    ),
    "other databases": (
        ["SET a x", "SELECT 3", "SET b xyzz", "MOVE b 0", "SET c xx", "SWAPDB 0 3", "RPUSH l a"],
        ["db0_distrib_strings_sizes:2=1", "db3_distrib_strings_sizes:1=1,4=1", "db3_distrib_lists_items:1=1"],
    ),
    "one emptied": (["SET a x", "SELECT 3", "SET b x", "FLUSHDB"], ["db0_distrib_strings_sizes:1=1"]),
    "all emptied": (["SET a x", "SADD s a", "FLUSHALL"], []),
    "a transaction": (
        ["MULTI", "SADD s a b c d", "SPOP s 3", "SET a 12345678", "RENAME a b", "COPY b c", "EXEC"],
        ["db0_distrib_strings_sizes:8=2", "db0_distrib_sets_items:1=1"],
    ),
    "stored results": (
        ["SADD s 1 2 3", "SADD t 2 3 4 5", "SUNIONSTORE u s t", "ZADD z 1 a 2 b 3 c", "ZRANGESTORE y z 0 1",
         "SORT s STORE l", "LMOVE l k LEFT RIGHT", "BITOP NOT n missing"],
        ["db0_distrib_lists_items:1=1,2=1", "db0_distrib_sets_items:2=1,4=2", "db0_distrib_zsets_items:2=2"],
    ),
    "expired": (["SET a xyz", "PEXPIRE a 1", "SET b x PX 1", "DEBUG SLEEP 0.01", "GET a", "GET b"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_keys_are_counted_by_size(either: DurableServer, name: str) -> None:
    commands, lines = SCRIPTS[name]
    with either.connect() as client:
        for command in commands:
            assert client.command(*command.split()).kind != "error", command
        assert keysizes(client) == lines


@pytest.mark.parametrize("command", ["DEBUG RELOAD", "DEBUG LOADAOF"])
def test_loading_counts_anew(either: DurableServer, command: str) -> None:
    with either.connect() as client:
        client.command("CONFIG", "SET", "appendonly", "yes")
        either.wait_info(section="persistence", aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
        client.pipeline([("SET", "a", LONG), ("SADD", "s", *range(100)), ("HSET", "h", "a", "b"), ("SET", "n", 12345)])
        client.pipeline([("ZADD", "z", *range(400)), ("RPUSH", "l", *range(2000)), ("SPOP", "s", 50)])
        before = keysizes(client)
        assert len(before) == 5
        assert client.command(*command.split()).data == b"OK"
        assert keysizes(client) == before


def random_command(pick: random.Random) -> tuple[object, ...]:
    """One that changes something, as a rule."""

    def key(letters: str) -> str:
        return f"{pick.choice(letters)}{pick.randrange(4)}"

    def words(most: int) -> list[str]:
        return [f"m{pick.randrange(200)}" for _ in range(pick.randrange(1, most))]

    pairs = [word for member in words(150) for word in (pick.randrange(100), member)]
    any_key = key("snlezh")
    number = pick.choice([5, -5, 99, 100, -99, -100, 999, 1000, 10**7 - 1, 10**7, -(10**6), 10**15, -(10**14), 10**18])
    return pick.choice([
        ("SET", key("s"), "x" * pick.choice([0, 1, 3, 40, 2000])), ("APPEND", key("s"), "y" * pick.choice([0, 1, 60])),
        ("SETRANGE", key("s"), pick.randrange(300), "zz"), ("SETBIT", key("s"), pick.randrange(3000), 1),
        ("SET", key("n"), number), ("INCRBY", key("n"), pick.choice([1, -1, 95, 10**6])),
        ("INCRBYFLOAT", key("n"), "0.5"), ("MSET", key("s"), "abc", key("n"), 77),
        ("GETDEL", key("sn")), ("SET", key("s"), "v", "PX", 100_000),
        ("LPUSH", key("l"), *words(100)), ("RPOP", key("l"), pick.randrange(9)), ("LTRIM", key("l"), 3, 40),
        ("LREM", key("l"), 0, *words(2)), ("LMOVE", key("l"), key("l"), "LEFT", "RIGHT"),
        ("LSET", key("l"), 0, LONG * 2), ("LINSERT", key("l"), "BEFORE", *words(2), "w"),
        ("SORT", key("l"), "ALPHA", "STORE", key("l")),
        ("SADD", key("e"), *(pick.randrange(900) for _ in range(80))), ("SADD", key("e"), *words(200)),
        ("SPOP", key("e"), pick.randrange(60)), ("SREM", key("e"), *words(90)),
        ("SMOVE", key("e"), key("e"), *words(2)),
        ("SUNIONSTORE", key("e"), key("e"), key("e")), ("SINTERSTORE", key("e"), key("e"), key("e")),
        ("ZADD", key("z"), *pairs), ("ZPOPMAX", key("z"), pick.randrange(40)), ("ZREMRANGEBYRANK", key("z"), 0, 30),
        ("ZREM", key("z"), *words(90)), ("ZRANGESTORE", key("z"), key("z"), 0, pick.randrange(30)),
        ("ZUNIONSTORE", key("z"), 2, key("z"), key("z")), ("GEOADD", key("z"), 13, 38, *words(2)),
        ("HSET", key("h"), *pairs), ("HDEL", key("h"), *words(90)), ("HINCRBY", key("h"), "n", 1),
        ("HEXPIRE", key("h"), 1000, "FIELDS", 1, pick.randrange(100)),
        ("HPEXPIREAT", key("h"), 1, "FIELDS", 2, pick.randrange(100), pick.randrange(100)),
        ("HGETDEL", key("h"), "FIELDS", 1, pick.randrange(100)), ("PFADD", key("p"), *words(20)),
        ("XADD", key("x"), "*", "a", "b"), ("DEL", any_key), ("UNLINK", any_key), ("RENAME", any_key, key("snlezh")),
        ("COPY", any_key, key("snlezh"), "REPLACE"), ("MOVE", any_key, 3), ("SWAPDB", 0, 3), ("EXPIRE", any_key, 1000),
        ("PERSIST", any_key), ("FLUSHDB",) if pick.random() < 0.1 else ("PING",),
    ])  # fmt: skip


@pytest.mark.parametrize("mode", ["executor", "threads"])
@pytest.mark.parametrize("is_saving", [False, True])
def test_counts_are_what_the_keys_say(mode: str, is_saving: bool) -> None:
    pick = random.Random(f"{mode} {is_saving}")
    with DurableServer("subject", io_threads=2, io_threads_mode=mode).start() as server, server.connect() as client:
        for _ in range(60):
            client.command("SELECT", pick.choice(DATABASES))
            if is_saving:
                client.command("BGSAVE")
            client.pipeline([random_command(pick) for _ in range(40)])
            found = keysizes(client)
            assert found == expected(client)
