"""Keys and values move while workers read them and clients change them: every answer is right, and nothing is lost.

Idea: what a key, field, member or element holds follows from its name, so readers know what is right. Waves of other
keys come and go and leave holes, so that pass follows pass; MEMORY PURGE begins them, too. In the end everything is
counted.

Seconds per test: MTREDIS_STRESS_SECONDS (default 6).
"""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.stress.test_threads import SECONDS, Crowd
from tests.support.resp import Connection
from tests.support.servers import Server

pytestmark = [pytest.mark.stress, pytest.mark.mtredis_only]
COUNT = 20_000
PIPELINE = 50
WAVE = 30_000
PARAMETERS = {
    "activedefrag": "yes", "active-defrag-ignore-bytes": "1mb", "active-defrag-threshold-lower": "0",
    "active-defrag-threshold-upper": "1", "active-defrag-cycle-min": "50", "active-defrag-cycle-max": "50",
    "active-defrag-max-scan-fields": "100", "io-threads": 2,
}  # fmt: skip


def value(number: int) -> bytes:
    return b"value:%d:" % number + b"x" * (number % 60)


def writes(number: int) -> list[tuple[bytes, ...]]:
    """What stores a number everywhere."""
    return [
        (b"SET", b"string:%d" % number, value(number)),
        (b"HSET", b"hash:%d" % (number % 300), b"f%d" % number, value(number)),
        (b"HSET", b"hash", b"f%d" % number, value(number)),
        (b"ZADD", b"zset", b"%d" % number, b"m%d" % number),
        (b"SADD", b"set", b"m%d" % number),
    ]


def reads(number: int) -> list[tuple[bytes, ...]]:
    return [
        (b"GET", b"string:%d" % number),
        (b"HGET", b"hash:%d" % (number % 300), b"f%d" % number),
        (b"HGET", b"hash", b"f%d" % number),
        (b"ZSCORE", b"zset", b"m%d" % number),
        (b"SISMEMBER", b"set", b"m%d" % number),
        (b"LINDEX", b"list", b"%d" % number),
    ]


def answers(number: int) -> list[tuple[Any, ...]]:
    """What may be read of a number: it is there, or it is being written anew."""
    return [*[(value(number), None)] * 3, (b"%d" % number, None), (1, 0), (b"element:%d" % number,)]


def pipelined(connection: Connection, requests: list[tuple[bytes, ...]]) -> list[Any]:
    replies = connection.pipeline(requests)
    assert not [reply for reply in replies if reply.is_error]
    return [reply.data for reply in replies]


class Churn:
    """Clients of one server."""

    def __init__(self, server: Server) -> None:
        self.connections = [server.connect(timeout=60) for _ in range(5)]
        first = self.connections[0]
        for start in range(0, COUNT, PIPELINE):
            numbers = range(start, start + PIPELINE)
            pipelined(first, [request for number in numbers for request in writes(number)])
            pipelined(first, [(b"RPUSH", b"list", *[b"element:%d" % number for number in numbers])])
            pipelined(first, [(b"XADD", b"stream", b"%d-1" % (number + 1), b"f", value(number)) for number in numbers])

    def rewrite(self) -> int:
        """Takes numbers away and stores them again."""
        numbers = [random.randrange(COUNT) for _ in range(PIPELINE)]
        for number in numbers:
            gone = [
                (b"DEL", b"string:%d" % number), (b"HDEL", b"hash:%d" % (number % 300), b"f%d" % number),
                (b"HDEL", b"hash", b"f%d" % number), (b"ZREM", b"zset", b"m%d" % number),
                (b"SREM", b"set", b"m%d" % number),
            ]  # fmt: skip
            pipelined(self.connections[0], gone + writes(number))
        return PIPELINE

    def read(self, index: int) -> int:
        numbers = [random.randrange(COUNT) for _ in range(PIPELINE)]
        found = pipelined(self.connections[1 + index], [request for number in numbers for request in reads(number)])
        wanted = [answer for number in numbers for answer in answers(number)]
        assert [pair for pair in zip(found, wanted, strict=True) if pair[0] not in pair[1]] == []
        return PIPELINE

    def wave(self) -> int:
        """Leaves holes."""
        keys = [b"wave:%d" % number for number in range(WAVE)]
        for start in range(0, WAVE, PIPELINE):
            pipelined(self.connections[3], [(b"SET", key, key * 5) for key in keys[start : start + PIPELINE]])
        random.shuffle(keys)
        for start in range(0, WAVE, PIPELINE):
            pipelined(self.connections[3], [(b"DEL", *keys[start : start + PIPELINE])])
        return 1

    def purge(self) -> int:
        assert pipelined(self.connections[4], [(b"MEMORY", b"PURGE")]) == [b"OK"]
        time.sleep(0.05)
        return 1


@pytest.mark.parametrize("mode", ["threads", "executor"])
def test_what_moves_is_read_and_changed(serve: Callable[..., Server], mode: str) -> None:
    server = serve(**PARAMETERS, **{"io-threads-mode": mode})
    churn = Churn(server)
    crowd = Crowd(SECONDS)
    crowd.add(churn.rewrite)
    for index in range(2):
        crowd.add(churn.read, index)
    crowd.add(churn.wave)
    crowd.add(churn.purge)
    crowd.run()
    last = churn.connections[0]
    (text,) = pipelined(last, [(b"INFO", b"stats")])
    figures = dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
    assert int(figures["active_defrag_hits"]) > 0
    for start in range(0, COUNT, PIPELINE):
        numbers = range(start, start + PIPELINE)
        found = pipelined(last, [request for number in numbers for request in reads(number)])
        assert found == [answer[0] for number in numbers for answer in answers(number)]
    counts: list[tuple[bytes, ...]] = [
        (b"ZCARD", b"zset"), (b"SCARD", b"set"), (b"HLEN", b"hash"), (b"XLEN", b"stream"),
    ]  # fmt: skip
    assert pipelined(last, counts) == [COUNT] * 4
    members = pipelined(last, [(b"ZRANGE", b"zset", b"0", b"-1")])[0]
    assert [member.data for member in members] == [b"m%d" % number for number in range(COUNT)]
    entries = pipelined(last, [(b"XRANGE", b"stream", b"-", b"+")])[0]
    assert [entry.data[1].data[1].data for entry in entries] == [value(number) for number in range(COUNT)]
    for connection in churn.connections:
        connection.close()
