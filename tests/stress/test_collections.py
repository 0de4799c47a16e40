"""Collections read by workers while the executor changes them: what must hold whatever the timing is.

Idea: each writer changes several elements of one value by one command, so every reply of one read command must show all
of them or none; the values go from nothing to beyond Redis's thresholds and back, so readers meet every encoding and
every conversion. The replies are whole or the parser of the test fails, and values only grow, so a reader that looked
at freed or half-written memory cannot go unnoticed. `served` proves that workers, not the executor, answered.

Seconds per test: MTREDIS_STRESS_SECONDS (default 4).
"""

import re
import select
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import hiredis
import pytest

from tests.stress.test_threads import SECONDS, Crowd, Generations
from tests.support.resp import encode_all
from tests.support.servers import Server

pytestmark = pytest.mark.stress
CHECKED_PER_SECOND = 300     # commands, at the least


@pytest.fixture
def threaded(serve: Callable[..., Server]) -> Server:
    """A server whose workers are always in use, with small thresholds, so that values change their encoding often."""
    return serve(
        **{
            "io-threads": "4", "io-threads-mode": "threads", "hash-max-listpack-entries": "16",
            "set-max-intset-entries": "16", "set-max-listpack-entries": "24", "zset-max-listpack-entries": "16",
            "list-max-listpack-size": "16",
        }
    )  # fmt: skip


class Talker:
    """A connection with a parser in C, so that the test reads as fast as the workers answer."""

    def __init__(self, server: Server) -> None:
        self.socket = server.connect(timeout=30).socket
        self.socket.settimeout(30)
        self.reader = hiredis.Reader()

    def replies(self, count: int) -> Iterator[Any]:
        while count:
            reply = self.reader.gets()
            if reply is not False:
                assert not isinstance(reply, hiredis.ReplyError), reply
                count -= 1
                yield reply
                continue
            piece = self.socket.recv(1 << 16)
            assert piece, "closed by the server"
            self.reader.feed(piece)


def exchange(talker: Talker, requests: list[tuple[str | int, ...]]) -> list[Any]:
    """The replies to a pipeline; an error reply is a failure."""
    talker.socket.sendall(encode_all(requests))
    return list(talker.replies(len(requests)))


def served_by_workers(server: Server) -> int:
    """Commands that workers have answered by themselves."""
    return sum(map(int, re.findall(rb"served=(\d+)", server.command_once("INFO", "threads").data)))


def run_crowd(
    server: Server, write: Callable[[Talker, Generations], int], read: Callable[[Talker], int]
) -> None:
    """One writer and four readers; both functions return how many commands they have checked."""
    before = served_by_workers(server)
    crowd = Crowd()
    crowd.add(write, Talker(server), Generations())
    for _ in range(4):
        crowd.add(read, Talker(server))
    checked = crowd.run(at_least=CHECKED_PER_SECOND * SECONDS)
    assert served_by_workers(server) - before > checked / 10, "it was not the workers who answered"


MANY = 300                   # elements of one command: a change that takes its time


def test_a_reader_never_sees_half_of_an_hset(threaded: Server) -> None:
    """All fields of one HSET are of the same generation, in hashes that change their encoding, go and come again."""

    def write(talker: Talker, generations: Generations) -> int:
        requests: list[tuple[str | int, ...]] = []
        for n in generations.take(20):
            few = [word for i in range(7) for word in (f"f{i}", n)]
            many = [word for i in range(MANY) for word in (f"f{i}", n)]
            requests += [("HSET", "small", "a", n, *few, "b", n), ("HSET", "big", "a", n, *many, "b", n)]
            requests += [("HSET", "small", "other", "x" * (n % 90))]
        exchange(talker, [*requests, ("DEL", "small"), ("UNLINK", "big")])
        return len(requests)

    def read(talker: Talker) -> int:
        keys = ("small", "big")
        requests: list[tuple[str | int, ...]] = [("HMGET", key, "b", "f5", "a") for key in keys] * 4
        requests += [("HGETALL", key) for key in keys]
        for reply in exchange(talker, requests * 5):
            if len(reply) == 3:
                assert len(set(reply)) == 1
            else:
                fields = dict(zip(reply[::2], reply[1::2], strict=True))
                fields.pop(b"other", None)
                assert len(set(fields.values())) <= 1
        return len(requests) * 5

    run_crowd(threaded, write, read)


def test_a_reader_never_sees_half_of_an_rpush(threaded: Server) -> None:
    """Lists that grow by a batch of consecutive numbers and are popped to nothing."""

    def write(talker: Talker, generations: Generations) -> int:
        requests: list[tuple[str | int, ...]] = [("DEL", "batches")]
        for n in generations.take(3):
            numbers = list(range(n * MANY, (n + 1) * MANY))
            requests += [("RPUSH", "batches", *numbers), ("RPUSH", "window", *numbers[:40])]
            requests += [("LPOP", "window")] * 30
        exchange(talker, [*requests, *[("LPOP", "window")] * 30])
        return len(requests)

    def read(talker: Talker) -> int:
        requests: list[tuple[str | int, ...]] = [
            ("LRANGE", "batches", 0, -1), ("LRANGE", "window", 0, -1), ("LLEN", "batches"),
        ]  # fmt: skip
        replies = exchange(talker, requests * 5)
        for batches, window, length in zip(replies[::3], replies[1::3], replies[2::3], strict=True):
            assert len(batches) % MANY == length % MANY == 0
            assert all(int(b) - int(a) == 1 for a, b in pairwise(batches))
            assert all(int(b) > int(a) for a, b in pairwise(window))
        return len(replies)

    run_crowd(threaded, write, read)


def test_a_reader_never_sees_half_of_an_sadd(threaded: Server) -> None:
    """Members that come and go together, in an intset, a listpack, a table."""
    batches = {
        "integers": list(range(1000, 1014)),
        "words": [f"word{i}" for i in range(20)],
        "table": [f"m{i}" for i in range(MANY)],
    }

    def write(talker: Talker, generations: Generations) -> int:
        requests: list[tuple[str | int, ...]] = []
        for n in generations.take(20):
            for key, members in batches.items():
                requests += [("SADD", key, *members), ("SADD", key, n), ("SREM", key, *reversed(members), n)]
        exchange(talker, requests)
        return len(requests)

    def read(talker: Talker) -> int:
        requests: list[tuple[str | int, ...]] = []
        for key, members in batches.items():
            requests += [("SMISMEMBER", key, members[-1], members[0], members[7]), ("SMEMBERS", key)]
        replies = exchange(talker, requests * 10)
        for (key, members), known, found in zip([*batches.items()] * 10, replies[::2], replies[1::2], strict=True):
            assert len(set(known)) == 1, key
            present = {str(member).encode() for member in members} & set(found)
            assert len(present) in (0, len(members)), key
            assert len(set(found)) == len(found)
        return len(replies)

    run_crowd(threaded, write, read)


def test_a_reader_never_sees_half_of_a_zadd(threaded: Server) -> None:
    """All members of one ZADD have the score of the same generation; scores, ranks and ranges agree."""
    sizes = {"small": 12, "big": MANY}

    def write(talker: Talker, generations: Generations) -> int:
        requests: list[tuple[str | int, ...]] = []
        for n in generations.take(20):
            for key, size in sizes.items():
                requests.append(("ZADD", key, *[word for i in range(size) for word in (n, f"m{i}")]))
        exchange(talker, [*requests, ("DEL", "small"), ("UNLINK", "big")])
        return len(requests)

    def read(talker: Talker) -> int:
        requests: list[tuple[str | int, ...]] = []
        for key in sizes:
            requests += [("ZRANGE", key, 0, -1, "WITHSCORES"), ("ZRANK", key, "m0"), ("ZSCORE", key, "m1")]
        replies = exchange(talker, requests * 8)
        for scored, rank in zip(replies[::3], replies[1::3], strict=True):
            assert len(set(scored[1::2])) <= 1
            assert rank in (None, 0)
        return len(replies)

    run_crowd(threaded, write, read)


def test_values_of_one_element_come_and_go(threaded: Server) -> None:
    """Keys are made and deleted beside their readers, by native commands and by handlers."""

    def write(talker: Talker, generations: Generations) -> int:
        requests: list[tuple[str | int, ...]] = []
        for n in generations.take(30):
            requests += [
                ("RPUSH", "l", n), ("LPOP", "l"), ("SADD", "s", n), ("SPOP", "s"), ("HSET", "h", "f", n),
                ("HDEL", "h", "f"), ("ZADD", "z", n, "m"), ("ZREM", "z", "m"), ("RPUSH", "l", n), ("LPOP", "l", 1),
                ("SADD", "s", n), ("SPOP", "s", 2), ("HSET", "h", "f", n), ("HGETDEL", "h", "FIELDS", 1, "f"),
                ("ZADD", "z", n, "m"), ("ZPOPMIN", "z"),
            ]  # fmt: skip
        exchange(talker, requests)
        return len(requests)

    def read(talker: Talker) -> int:
        requests: list[tuple[str | int, ...]] = [
            ("LRANGE", "l", 0, -1), ("SMEMBERS", "s"), ("HGETALL", "h"), ("ZRANGE", "z", 0, -1, "WITHSCORES"),
            ("EXISTS", "l"), ("TYPE", "s"),
        ]  # fmt: skip
        replies = exchange(talker, requests * 20)
        for elements, members, fields, scored in zip(*(replies[i::6] for i in range(4)), strict=True):
            assert len(elements) <= 1
            assert len(members) <= 1
            assert len(fields) in (0, 2)
            assert len(scored) in (0, 2)
        return len(replies)

    run_crowd(threaded, write, read)


def test_big_values_are_replaced_beside_their_readers(threaded: Server) -> None:
    """STORE commands, RENAME, COPY and UNLINK of thousands of elements: readers see the old value or the new."""
    threaded.command_once("SADD", "thousand", *range(1000))
    threaded.command_once("SADD", "two", *range(2000))

    def write(talker: Talker, generations: Generations) -> int:
        requests: list[tuple[str | int, ...]] = []
        for _ in generations.take(5):
            requests += [
                ("SUNIONSTORE", "target", "thousand", "two"), ("SINTERSTORE", "target", "thousand", "two"),
                ("COPY", "two", "copied", "REPLACE"), ("RENAME", "copied", "target"), ("UNLINK", "target"),
            ]  # fmt: skip
        exchange(talker, requests)
        return len(requests)

    def read(talker: Talker) -> int:
        replies = exchange(talker, [("SCARD", "target"), ("SMISMEMBER", "target", 1, 999, 1500)] * 30)
        for count, known in zip(replies[::2], replies[1::2], strict=True):
            assert count in (0, 1000, 2000)
            assert known in ([0, 0, 0], [1, 1, 0], [1, 1, 1])
        return len(replies)

    run_crowd(threaded, write, read)


def test_long_commands_do_not_stop_the_reads_of_others(serve: Callable[..., Server]) -> None:
    """While the executor works on a big value for long, workers go on answering GET: auto mode, after the first one."""
    server = serve(**{"io-threads": "2", "io-threads-mode": "auto"})
    talker, other = Talker(server), Talker(server)
    server.command_once("SET", "k", "v")
    for first in range(0, 600_000, 20_000):
        exchange(talker, [("RPUSH", "big", *(f"element:{n}" for n in range(first, first + 20_000)))])
    long_command = encode_all([("SORT", "big", "ALPHA", "LIMIT", "0", "1")])
    deadline = time.monotonic() + 60
    during = 0
    while during < 100:
        assert time.monotonic() < deadline, "every read waited for the executor"
        other.socket.sendall(long_command)
        during = 0
        while not select.select([other.socket], [], [], 0)[0]:
            assert exchange(talker, [("GET", "k")]) == [b"v"]
            during += 1
        list(other.replies(1))
