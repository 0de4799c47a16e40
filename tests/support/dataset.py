"""Keys of every type in every encoding, built by the same requests on any server, and how to change each of them.

Idea: what holds for a key of any type (TYPE, COPY, RENAME, EXPIRE, digests, ...) is tested on all of `KEYS`.
"""

from typing import Any

FUTURE = 33177117420000  # a unix time in ms that is not reached

REQUESTS: list[tuple[Any, ...]] = [
    ("SET", "string", "v"),
    ("SET", "number", 12345),
    ("APPEND", "raw", "x" * 100),
    ("PFADD", "hyperloglog", "a", "b", "c"),
    ("RPUSH", "list", "a", "b", "a", 1, ""),
    ("RPUSH", "list:quicklist", *range(5000)),
    ("RPUSH", "list:plain", "a", "x" * 20_000, "b"),
    ("SADD", "set:intset", *range(50)),
    ("SADD", "set", "a", "b", 1, "", b"\x00\xff"),
    ("SADD", "set:hashtable", *[f"m{number}" for number in range(500)]),
    ("SADD", "set:long", "x" * 65, 1),
    ("ZADD", "zset", 1, "a", 2.5, "b", "-0", "c", "inf", "d", "-inf", "e", 1e17, "f", 100_000_000, "g", 0, "m"),
    ("ZADD", "zset", 1 << 60, "h", 0.1, "i", -3, "j", 1e-9, "k", 3e300, "l", (1 << 53) + 1, "n", 1e22, "o"),
    ("ZADD", "zset:skiplist", *[word for number in range(300) for word in (number * 1000003 / 7, f"m{number}")]),
    ("HSET", "hash", "f", "v", "g", 1, "", ""),
    ("HSET", "hash:hashtable", *[word for number in range(600) for word in (f"f{number}", number)]),
    ("HSET", "hash:times", "f", "v", "g", "w", "h", "x"),
    ("HPEXPIREAT", "hash:times", FUTURE, "FIELDS", 2, "f", "g"),
    ("HSET", "hash:many-times", *[word for number in range(600) for word in (f"f{number}", number)]),
    ("HPEXPIREAT", "hash:many-times", FUTURE + 5, "FIELDS", 2, "f1", "f2"),
    ("XADD", "stream", "1-1", "f", "v", "g", "w"),
    ("XADD", "stream", "1-2", "f", "v2", "g", "w2"),
    ("XADD", "stream", "2-0", "other", ""),
    ("XDEL", "stream", "1-2"),
    ("XGROUP", "CREATE", "stream", "group", 0),
    ("XREADGROUP", "GROUP", "group", "consumer", "COUNT", 1, "STREAMS", "stream", ">"),
    *[("XADD", "stream:long", f"{number}-1", "field", number, "x", "y" * 50) for number in range(1, 250)],
]

KEYS: tuple[str, ...] = tuple(dict.fromkeys(
    str(request[2] if request[0] == "XGROUP" else request[1]) for request in REQUESTS if request[0] != "XREADGROUP"
))  # fmt: skip


def change_of(key: str, name: str | None = None) -> tuple[Any, ...]:
    """A request that changes a key of the dataset, or one of another name with such a value."""
    name = name or key
    kind = key.partition(":")[0]
    by_kind: dict[str, tuple[Any, ...]] = {
        "list": ("RPUSH", name, "new"),
        "set": ("SADD", name, "new"),
        "zset": ("ZADD", name, 7, "a"),
        "hash": ("HSET", name, "f", "new"),
        "stream": ("XADD", name, "999-1", "f", "v"),
        "hyperloglog": ("PFADD", name, *range(100)),
    }
    return by_kind.get(kind, ("APPEND", name, "x"))
