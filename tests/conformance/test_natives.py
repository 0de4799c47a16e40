"""Native commands: in their plain forms and near to them they do and answer what their handlers and redis-server do.

Idea: for each command and each kind of value that its key may hold, a pipeline of requests goes to redis-server, to
ours, and once more to ours while somebody monitors it, which sends every request to its handler. Replies, the values
left behind, commandstats, keyspace hits and the number of changes have to be the same all three times.

Limits: random members come from sets of one; that the native forms are taken is `unit/executor/test_native.py`'s.
"""

from collections.abc import Iterator

import pytest

from mtredis.registry import table
from tests.support.differential import Comparison, Pair, agree, begin, comparison_for, same_shape, split_words
from tests.support.oracle import start_oracle
from tests.support.resp import Connection, Value
from tests.support.servers import Server, start_subject

# What the key holds, and its companion `dst`, before the requests are sent.
SEEDS = {
    "missing": "",
    "string": "SET k hello",
    "integer": "SET k 10",
    "edge": "SET k 9223372036854775807",
    "volatile": "SET k v PX 10000000",
    "expired": 'SET k old PX 1|SET dst old PX 1|DEBUG SLEEP 0.003',
    "empty-string": 'SET k ""',
    "list": "RPUSH k a b 3 4 c|RPUSH dst x",
    "big-list": "RPUSH k " + " ".join(f"element-{i:04}-{'x' * 90}" for i in range(120)) + "|RPUSH dst 1 2",
    "list-and-string": "RPUSH k a|SET dst v",
    "integer-list": "RPUSH k 1|RPUSH dst " + " ".join("y" * 200 for _ in range(60)),
    "intset": "SADD k 5",
    "set": "SADD k m",
    "big-set": "SADD k " + " ".join(f"m{i}" for i in range(300)),
    "hash": "HSET k f 1 g text n 9223372036854775806",
    "big-hash": "HSET k f 1 g text " + " ".join(f"f{i} {i}" for i in range(600)),
    "timed-hash": "HSET k f 1 g 2|HPEXPIRE k 10000000 FIELDS 1 f",
    "dead-field": "HSET k f 1 g 2|HPEXPIRE k 1 FIELDS 1 f|DEBUG SLEEP 0.003",
    "sorted-set": "ZADD k 1 a 2 b 2 c 3.5 d inf top -inf low",
    "big-sorted-set": "ZADD k " + " ".join(f"{i % 50} member{i}" for i in range(400)),
    "stream": "XADD k 1-1 f v",
}  # fmt: skip

LONG = "L" * 70
INTEGERS = (
    "1", "0", "-3", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "01", "+1", "1.5",
    "''",
)  # fmt: skip
SCORES = (
    "1", "-0", "0", "1.5", "1e3", "inf", "-inf", "+inf", "nan", "0x10", "abc", "''", "9007199254740993",
    "-1.5e-7",
)  # fmt: skip
TIMES = ("1", "0", "-1", "9223372036854775807", "9223372036854775", "01", "x", "1.5", "100")
RANKS = (
    "0 -1", "0 0", "1 2", "-2 -1", "2 1", "-100 100", "5 5", "0 9223372036854775807", "a 1", "0 b", "01 2",
    "-1 -3",
)  # fmt: skip
BOUNDS = (
    "1 2", "(1 2", "1 (2", "-inf +inf", "(1 (1", "3 1", "-inf (3.5", "inf inf", "1e1 50", "a 1", "1 b", "'' 1",
    "0x1 3",
)  # fmt: skip
OPTIONS = (
    "NX", "XX", "nx EX 100", "XX px 100000", "EX 100 NX", "KEEPTTL", "XX KEEPTTL", "NX XX", "EX 100 KEEPTTL", "EX 0",
    "EX -1", "PX abc", "EX", "GET", "EXAT 33177117420", "NX NX", "EX 1 PX 1", "foo", "EX 9223372036854775807",
)  # fmt: skip

RANGE_OPTIONS = (
    "", " WITHSCORES", " withscores limit 0 2", " LIMIT 1 1 WITHSCORES", " LIMIT 0 0", " LIMIT 1 -1", " LIMIT -1 2",
    " LIMIT 100 1", " LIMIT 1", " LIMIT a 1", " bogus", " LIMIT 0 9223372036854775807",
)  # fmt: skip

FORMS: dict[str, list[str]] = {
    "EXISTS": ["k", "k dst"],
    "TYPE": ["k"],
    "TTL": ["k"],
    "PTTL": ["k"],
    "PING": ["", "text"],
    "GET": ["k"],
    "STRLEN": ["k"],
    "GETRANGE": [f"k {ranks}" for ranks in RANKS],
    "GETBIT": [f"k {offset}" for offset in (*INTEGERS, "7", "4294967295", "4294967296", "100000000")],
    "LLEN": ["k"],
    "LINDEX": [f"k {index}" for index in INTEGERS],
    "LRANGE": [f"k {ranks}" for ranks in RANKS],
    "HGET": ["k f", "k none"],
    "HMGET": ["k f none g"],
    "HGETALL": ["k"],
    "HKEYS": ["k"],
    "HVALS": ["k"],
    "HLEN": ["k"],
    "HEXISTS": ["k f", "k none"],
    "HSTRLEN": ["k f", "k g", "k n", "k none"],
    "SCARD": ["k"],
    "SISMEMBER": ["k m", "k 5", "k 05"],
    "SMISMEMBER": ["k m 5 none"],
    "SMEMBERS": ["k"],
    "ZCARD": ["k"],
    "ZSCORE": ["k a", "k top", "k none"],
    "ZMSCORE": ["k a none top d", "k a"],
    "ZRANK": ["k a", "k d", "k none", "k member7", "k a WITHSCORE", "k a bogus"],
    "ZREVRANK": ["k a", "k d", "k none", "k member7", "k a WITHSCORE", "k a bogus"],
    "ZRANGE": [f"k {ranks}{tail}" for ranks in RANKS for tail in ("", " WITHSCORES", " withscores", " REV", " bogus")],
    "ZREVRANGE": [f"k {ranks}{tail}" for ranks in RANKS for tail in ("", " WITHSCORES", " REV", " bogus")],
    "ZRANGEBYSCORE": [f"k {ends}{tail}" for ends in BOUNDS for tail in RANGE_OPTIONS],
    "ZREVRANGEBYSCORE": [f"k {ends}{tail}" for ends in (*BOUNDS, "2 1", "+inf (1") for tail in RANGE_OPTIONS],
    "ZCOUNT": [f"k {ends}" for ends in BOUNDS],
    "XLEN": ["k"],
    "MGET": ["k", "k dst k none", "k " * 100],
    "SRANDMEMBER": ["k", "k 1", "k x", "k 1 1"],
    "SET": ["k v", "k 12", "k -0", "k 007", f"k {LONG}", *(f"k v{i} {words}" for i, words in enumerate(OPTIONS))],
    "SETNX": ["k v", "k w"],
    "SETEX": [f"k {time} v" for time in TIMES],
    "PSETEX": [f"k {time}000 v" for time in ("9", *TIMES)],
    "GETSET": ["k v", "k 12", "k w"],
    "GETDEL": ["k", "k"],
    "GETEX": [
        "k", "k EX 100", "k px 90000000", "k PERSIST", "k persist", "k EX 0", "k EXAT 33177117420", "k foo", "k EX x",
    ],
    "APPEND": ["k x", "k 12", "k ''", "k 5"],
    "SETBIT": ["k 7 1", "k 7 1", "k 0 0", "k 100 1", "k 3 2", "k -1 1", "k 4294967296 1", "k 1 01", "k x 1"],
    "MSET": ["k v", "k v dst w", "k 1 k 2", "k", "k 1 dst", "k v " + " ".join(f"a{i} {i}" for i in range(70))],
    "INCR": ["k", "k"],
    "DECR": ["k"],
    "INCRBY": [f"k {number}" for number in INTEGERS],
    "DECRBY": [f"k {number}" for number in INTEGERS],
    "DEL": ["k", "k", "dst k none k"],
    "UNLINK": ["none k dst", "k"],
    "EXPIRE": [
        *[f"k {time}{tail}" for time in TIMES if time not in ("0", "-1") for tail in ("", " NX", " bogus")],
        "k 0",
    ],
    "PEXPIRE": [f"k {time}{tail}" for time in ("90000000", "x", "01") for tail in ("", " XX", " NX GT")] + ["k -1"],
    "EXPIREAT": [f"k {time}" for time in ("33177117420", "33177117420 NX", "9223372036854775807", "01", "33177117421")],
    "PEXPIREAT": [
        f"k {time}" for time in ("33177117420000", "33177117420000 GT", "x", "33177117420001", "1", "33177117420")
    ],
    "PERSIST": ["k", "k"],
    "LPUSH": ["k z", "k 1 2 -5 01", f"k {LONG}"],
    "RPUSH": ["k z", "k 1 2 -5 01", f"k {LONG}"],
    "LPUSHX": ["k z", "k 1 2"],
    "RPUSHX": ["k z", "k 1 2"],
    "LPOP": ["k", "k 2", "k", "k x"],
    "RPOP": ["k", "k 2", "k", "k x"],
    "LMOVE": [
        "k dst LEFT RIGHT", "k dst right left", "k k LEFT RIGHT", "k dst UP LEFT", "k dst LEFT left",
        "k none RIGHT RIGHT",
        "k dst LEFT RIGHT", "k dst LEFT RIGHT", "k dst LEFT RIGHT",
    ],
    "RPOPLPUSH": ["k dst", "k k", "k none", "k dst", "k dst", "k dst"],
    "LTRIM": ["k 0 -1", "k 0 90", "k 1 -2", "k 0 x", "k x 0", "k 0 60", "k 5 1"],
    "SADD": ["k 5", "k a b a", "k 6 7", f"k {LONG}"],
    "SREM": ["k none", "k 5 m m1 m2", "k a"],
    "SPOP": ["k", "k x"],
    "HSET": [
        "k f v", "k f 2 x 3 x 4", "k f", "k f 1 g", f"k {LONG} 1", "k " + " ".join(f"p{i} {i}" for i in range(600)),
    ],
    "HMSET": ["k f v", "k f 2 x 3 x 4", "k f", "k f 1 g", f"k f {LONG}"],
    "HSETNX": ["k f v", "k new v", "k new w", f"k {LONG} v", "k f"],
    "HINCRBY": [f"k {field} {number}" for number in INTEGERS for field in ("f", "g", "n", "new")],
    "HDEL": ["k none", "k f g", "k f"],
    "ZADD": [
        *(f"k {score} a" for score in SCORES), "k 1 x 2 x", "k NX 1 a", "k 1", "k 1 a 2", f"k 1 {LONG}", "k 1 p z q",
    ],
    "ZINCRBY": [f"k {score} {member}" for score in SCORES for member in ("a", "top", "new")] + [f"k 1 {LONG}", "k 1"],
    "ZREM": ["k none", "k a b a", "k top low"],
    "ZPOPMIN": ["k", "k 2", "k", "k x"],
    "ZPOPMAX": ["k", "k 2", "k", "k x"],
    "ZREMRANGEBYSCORE": [f"k {ends}" for ends in ("100 1", "a 1", "2 b", "2 (3.5", "(1 2", "0x1 3", "-inf +inf")],
    "XADD": ["k * f v", "k * f v g w", "k * f", "k NOMKSTREAM * f v", "k bad f v", "k * " + "a b " * 40],
}  # fmt: skip

LEFT = [
    split_words(line)
    for line in (
        "TYPE k", "OBJECT ENCODING k", "PEXPIRETIME k", "GET k", "LRANGE k 0 -1", "SMEMBERS k", "HGETALL k",
        "HTTL k FIELDS 1 f", "ZRANGE k 0 -1 WITHSCORES", "XLEN k", "TYPE dst", "LRANGE dst 0 -1", "GET dst", "DBSIZE",
    )
]  # fmt: skip
COUNTERS = ("keyspace_hits", "keyspace_misses", "rdb_changes_since_last_save", "expired_keys")


def any_order(ours: Value, theirs: Value) -> bool:
    """Elements of hash tables, and pairs of a flat array, come in another order."""
    if ours.kind != theirs.kind or not isinstance(ours.data, tuple) or len(ours.data) != len(theirs.data):
        return ours == theirs
    return sorted(map(repr, ours.data)) == sorted(map(repr, theirs.data))


UNORDERED: dict[str, Comparison] = dict.fromkeys(("hgetall", "hkeys", "hvals", "smembers"), any_order)
UNORDERED["xadd"] = same_shape
RANDOM = ("SRANDMEMBER", "SPOP")


def how(request: tuple[bytes, ...]) -> Comparison:
    return UNORDERED.get(request[0].decode().lower()) or comparison_for(request)


def requests_of(name: str, kind: str) -> list[tuple[bytes, ...]]:
    seeds = [split_words(line) for line in SEEDS[kind].split("|") if line]
    forms = [split_words(f"{name} {form}".strip()) for form in FORMS[name]]
    return [*seeds, *forms]


def counters(connection: Connection) -> dict[str, int]:
    """Those of INFO that tell what commands have done, and the calls of each command."""
    text = "".join(connection.command("INFO", section).data.decode() for section in ("stats", "persistence"))
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    found = {name: int(values[name]) for name in COUNTERS}
    for line in connection.command("INFO", "commandstats").data.decode().splitlines():
        if line.startswith("cmdstat_") and "config" not in line and "info" not in line:
            command, _, rest = line.partition(":")
            parts = dict(part.split("=") for part in rest.split(","))
            found[command] = int(parts["calls"])
            found[command + " failed"] = int(parts["failed_calls"])
            found[command + " rejected"] = int(parts["rejected_calls"])
    return found


Outcome = tuple[list[Value], dict[str, int]]


def outcome(server: Server, resp: int, requests: list[tuple[bytes, ...]]) -> Outcome:
    """The replies, then those to LEFT, and what the counters have gained by the requests."""
    with server.connect(resp) as connection:
        connection.pipeline([("FLUSHALL",), ("CONFIG", "RESETSTAT")])
        before = counters(connection)
        replies = connection.pipeline(requests)
        after = counters(connection)
        replies += connection.pipeline(LEFT)
    return replies, {name: after[name] - before.get(name, 0) for name in after}


def compare(requests: list[tuple[bytes, ...]], what: str, ours: Outcome, theirs: Outcome) -> None:
    sent = [*requests, *LEFT]
    for at, (request, mine, other) in enumerate(zip(sent, ours[0], theirs[0], strict=True)):
        assert agree(how(request), mine, other), f"{what}: {sent[max(0, at - 5) : at + 1]}: {mine} and not {other}"
    assert ours[1] == theirs[1], f"{what}: {requests}"


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    parameters = {"enable-debug-command": "yes"}
    pair = Pair(start_subject(parameters), start_oracle(parameters))
    for server in (pair.subject, pair.oracle):
        server.command_once("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    yield pair
    pair.subject.stop()
    pair.oracle.stop()


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", FORMS)
def test_a_native_answers_as_its_handler_and_as_redis(servers: Pair, name: str, resp: int) -> None:
    for kind in SEEDS:
        if name in RANDOM and kind == "big-set":
            continue
        requests = requests_of(name, kind)
        begin()
        native = outcome(servers.subject, resp, requests)
        compare(requests, f"{kind}, beside redis", native, outcome(servers.oracle, resp, requests))
        with servers.subject.connect() as monitor:
            monitor.send("MONITOR")
            assert monitor.read().data == b"OK"
            handled = outcome(servers.subject, resp, requests)
        compare(requests, f"{kind}, beside the handler", native, handled)


@pytest.mark.mtredis_only
def test_every_native_has_forms() -> None:
    assert {name.lower().encode() for name in FORMS} == set(table.NATIVES)
