"""Which requests are executed natively: the plain forms are, what is near to them and what a gate concerns is not.

What they answer is compared in `conformance/test_natives.py`.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mtredis.executor import admission
from mtredis.registry import command as registry
from mtredis.registry import table
from tests.support.core import Core, encode, receive_exactly

SETUP = (
    "DEL str num other due list set hash timed zset stream rest fresh none",
    "SET str hello", "SET num 10", "SET other 1", "SET due 1 PX 100000000", "RPUSH list a b c d e f 1 2",
    "SADD set a b c 1 2 3", "HSET hash f 1 g text", "HSET timed f 1 g 2", "HEXPIRE timed 1000 FIELDS 1 f",
    "ZADD zset 1 a 2 b 3 c", "XADD stream 1-1 f v", "RPUSH rest x",
)  # fmt: skip

READS = (
    "PING", "EXISTS str", "TYPE str", "TYPE list", "TYPE set", "TYPE zset", "TYPE hash", "TYPE stream", "TTL due",
    "PTTL str", "GET str", "STRLEN num", "GETRANGE str 1 -2", "GETRANGE none 0 1", "GETBIT str 1", "GETBIT num 900",
    "LLEN list", "LINDEX list -1", "LRANGE list 0 -1", "HGET hash f", "HGET timed f", "HMGET hash f none",
    "HGETALL hash",
    "HKEYS hash", "HVALS hash", "HLEN hash", "HEXISTS hash f", "HSTRLEN hash g", "HSTRLEN none f", "SCARD set",
    "SISMEMBER set a", "SMISMEMBER set a z", "SMEMBERS set", "ZCARD zset", "ZSCORE zset a", "ZMSCORE zset a none",
    "ZRANK zset b", "ZREVRANK zset b", "ZREVRANK zset none", "ZRANGE zset 0 -1 WITHSCORES", "ZREVRANGE zset 0 1",
    "ZREVRANGE zset 0 -1 withscores", "ZRANGEBYSCORE zset (1 +inf WITHSCORES", "ZRANGEBYSCORE zset -inf 5 LIMIT 0 1",
    "ZREVRANGEBYSCORE zset 5 1", "ZCOUNT zset 1 2", "XLEN stream",
)  # fmt: skip
READS_OF_THE_EXECUTOR = ("MGET str none list num", "SRANDMEMBER set", "SRANDMEMBER none")
FEEDING = (
    "LPUSH list a b", "RPUSH list a", "LPUSHX list a", "RPUSHX list a", "LMOVE list rest LEFT RIGHT",
    "RPOPLPUSH list fresh", "ZADD zset 1 d 5 a", "ZINCRBY zset 1.5 a", "ZINCRBY none 1 a", "XADD stream * f v g w",
)  # fmt: skip
WRITES = (
    *FEEDING, "SET str v", "SET str v EX 10", "SET fresh v NX PX 1000", "SET str v xx keepttl", "SETNX str v",
    "SETNX fresh v", "SETEX str 10 v", "PSETEX str 10000 v", "GETSET str v", "GETSET none v", "GETDEL str", "GETEX str",
    "GETEX str EX 10", "GETEX due PERSIST", "APPEND str v", "APPEND none v", "SETBIT str 9 1", "MSET str 1 fresh 2",
    "INCR num", "DECR num", "INCRBY num 5", "DECRBY num 5", "DEL str", "DEL str none list", "UNLINK hash",
    "EXPIRE str 10",
    "EXPIRE none 10", "PEXPIRE list 1000", "EXPIREAT str 33177117420", "PEXPIREAT str 33177117420000", "PERSIST due",
    "PERSIST str", "LPOP list", "RPOP none", "LTRIM list 1 -2", "SADD set z", "SREM set a b", "SPOP set",
    "HSET hash f 2 h 3", "HMSET hash f 2", "HSETNX hash f 1", "HSETNX hash new 1", "HINCRBY hash f -3",
    "HINCRBY none f 1", "HDEL hash f", "ZREM zset a", "ZPOPMIN zset", "ZPOPMAX none", "ZREMRANGEBYSCORE zset -inf (3",
)  # fmt: skip
LEFT_TO_HANDLERS = (
    # wrong types and faults
    "GETRANGE list 0 1", "GETRANGE str x 1", "GETBIT str -1", "HSTRLEN str f", "ZREVRANGE zset a 1", "ZCOUNT zset a 1",
    "HINCRBY hash g 1", "HINCRBY hash f 01", "ZINCRBY zset nan a", "APPEND list x", "INCR str", "GETSET list v",
    "LPUSH str a", "EXPIRE str x", "SETEX str 0 v", "SETBIT str 0 2", "MSET str 1 fresh", "LMOVE list rest UP LEFT",
    "LMOVE list str LEFT LEFT", "SRANDMEMBER str", "HSET hash f 1 g", "ZADD zset x a",
    # options and arguments that are not plain
    "SET str v GET", "SET str v EXAT 33177117420", "EXPIRE str 10 NX", "EXPIRE str 0", "EXPIREAT str 1",
    "GETEX str PXAT 1",
    "LPOP list 2", "SPOP set 1", "SRANDMEMBER set 2", "ZADD zset NX 1 a", "ZPOPMIN zset 2", "ZRANGE zset 0 1 REV",
    "ZREVRANGE zset 0 1 LIMIT 0 1", "ZRANGEBYSCORE zset 0 1 LIMIT -1 1", "XADD stream NOMKSTREAM * f v",
    "RPOPLPUSH list list", "ZRANK zset a WITHSCORE", "EXISTS str num",
    # times of fields
    "HSET timed g 5", "HINCRBY timed g 5", "HSETNX timed h 5", "HDEL timed g", "HGETALL timed", "HKEYS timed",
    "HGET timed none",
)  # fmt: skip


class Handlers:
    """The handlers of all natives, which write down that they were called."""

    def __init__(self) -> None:
        self.called: list[bytes] = []
        self.originals = {command: command.handler for command in map(self.command, table.NATIVES)}
        for command, handler in self.originals.items():
            object.__setattr__(command, "handler", self.recording(command.name, handler))

    @staticmethod
    def command(name: bytes) -> Any:
        command = registry.COMMANDS[name]
        assert command.handler is not None
        return command

    def recording(self, name: bytes, handler: Any) -> Any:
        def run(ctx: Any, argv: list[bytes]) -> None:
            self.called.append(name)
            handler(ctx, argv)

        return run

    def restore(self) -> None:
        for command, handler in self.originals.items():
            object.__setattr__(command, "handler", handler)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    folder: Path = tmp_path_factory.mktemp("core")
    made = Core(folder)
    made.server.config = SimpleNamespace(proto_max_bulk_len=512 << 20, lazyfree_lazy_expire=False)
    yield made
    made.close()


@pytest.fixture
def handlers(core: Core) -> Iterator[Handlers]:
    core.drive_by("executor")
    made = Handlers()
    yield made
    made.restore()


def ask(core: Core, *lines: str) -> bytes:
    """Sends the requests and waits until all are answered; the replies, and those before them."""
    with core.connect() as client:
        client.sendall(b"".join(encode(*line.split()) for line in (*lines, "ECHO --end--")))
        received = b""
        while not received.endswith(b"--end--\r\n"):
            piece = receive_exactly(client, 1)
            assert piece, received
            received += piece
    return received


def called(core: Core, handlers: Handlers, line: str) -> list[bytes]:
    """The handlers that one request calls."""
    ask(core, *SETUP)
    handlers.called.clear()
    ask(core, line)
    return handlers.called


def named(line: str) -> list[bytes]:
    return [line.split()[0].lower().encode()]


@pytest.mark.parametrize("line", READS + READS_OF_THE_EXECUTOR + WRITES)
def test_a_plain_form_needs_no_handler(core: Core, handlers: Handlers, line: str) -> None:
    assert called(core, handlers, line) == []


def test_every_native_has_a_plain_form() -> None:
    lines = READS + READS_OF_THE_EXECUTOR + WRITES
    assert {name for line in lines for name in named(line)} == set(table.NATIVES)


@pytest.mark.parametrize("line", LEFT_TO_HANDLERS)
def test_what_is_not_plain_is_left_to_the_handler(core: Core, handlers: Handlers, line: str) -> None:
    assert called(core, handlers, line) == named(line)


@pytest.mark.parametrize("gate", [admission.WATCHED, admission.NOTIFY, admission.BLOCKED_ON_MISSING])
@pytest.mark.parametrize("line", WRITES)
def test_who_waits_for_changes_hears_of_each(core: Core, handlers: Handlers, line: str, gate: int) -> None:
    core.settings.set_gate(gate, True)
    try:
        assert called(core, handlers, line) == named(line)
    finally:
        core.settings.set_gate(gate, False)


@pytest.mark.parametrize("line", READS + READS_OF_THE_EXECUTOR + WRITES)
def test_blocked_clients_hear_of_what_may_feed_them(core: Core, handlers: Handlers, line: str) -> None:
    core.settings.set_gate(admission.BLOCKED, True)
    try:
        assert called(core, handlers, line) == (named(line) if line in FEEDING else [])
    finally:
        core.settings.set_gate(admission.BLOCKED, False)


@pytest.mark.parametrize("line", READS + READS_OF_THE_EXECUTOR + WRITES)
def test_monitors_see_every_command(core: Core, handlers: Handlers, line: str) -> None:
    core.settings.set_gate(admission.MONITORED, True)
    try:
        assert called(core, handlers, line) == named(line)
    finally:
        core.settings.set_gate(admission.MONITORED, False)


@pytest.mark.parametrize(
    "line", ["GET due", "MGET str due", "INCR due", "SETNX due v", "EXPIRE due 5", "DEL str due", "MSET str 1 due 2",
             "RPOPLPUSH list due", "GETEX due"],
)  # fmt: skip
def test_an_expired_key_is_the_handlers(core: Core, handlers: Handlers, line: str) -> None:
    ask(core, *SETUP)
    core.on_executor(lambda: core.keyspace[0].set_expire(b"due", int(time.time() * 1000) - 10_000))
    handlers.called.clear()
    ask(core, line)
    assert handlers.called == named(line)


@pytest.mark.parametrize("line", READS)
def test_a_worker_serves_it(core: Core, handlers: Handlers, line: str) -> None:
    ask(core, *SETUP)
    core.drive_by("workers")
    before = core.statistics("commands")
    ask(core, line)
    assert core.statistics("commands") - before == 1


@pytest.mark.parametrize("line", READS_OF_THE_EXECUTOR + WRITES)
def test_no_worker_serves_it(core: Core, handlers: Handlers, line: str) -> None:
    ask(core, *SETUP)
    core.drive_by("workers")
    before = core.statistics("commands")
    ask(core, line)
    assert core.statistics("commands") == before


def test_more_keys_than_a_batch_are_the_handlers(core: Core, handlers: Handlers) -> None:
    keys = " ".join(f"key{i}" for i in range(65))
    assert called(core, handlers, f"MGET {keys}") == [b"mget"]
    assert called(core, handlers, f"DEL {keys}") == [b"del"]
    assert called(core, handlers, f"MSET {' '.join(f'key{i} {i}' for i in range(65))}") == [b"mset"]
