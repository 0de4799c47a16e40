"""Worker-served reads that `test_collections.py` does not send, beside native writes: each reply shows one moment.

Idea and means are those of `test_collections.py`; and a MSET is one step even for reads of its keys one by one.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.stress.test_collections import MANY, Talker, exchange, run_crowd
from tests.stress.test_threads import Generations
from tests.support.servers import Server

pytestmark = pytest.mark.stress

Requests = list[tuple[str | int, ...]]


@pytest.fixture
def threaded(serve: Callable[..., Server]) -> Server:
    """A server whose workers are always in use, with small thresholds, so that values change their encoding often."""
    return serve(
        **{
            "io-threads": "4", "io-threads-mode": "threads", "hash-max-listpack-entries": "16",
            "zset-max-listpack-entries": "16", "list-max-listpack-size": "16",
        }
    )  # fmt: skip


def test_fields_and_values_are_of_one_generation(threaded: Server) -> None:
    """HKEYS, HVALS and HSTRLEN of hashes all fields of which one HSET sets."""
    sizes = {"small": 7, "big": MANY}

    def write(talker: Talker, generations: Generations) -> int:
        requests: Requests = []
        for n in generations.take(20):
            for key, size in sizes.items():
                requests.append(("HSET", key, *[word for i in range(size) for word in (f"f{i}", n)]))
                requests.append(("HSET", key, "text", "x" * (n % 80)))
        exchange(talker, [*requests, ("DEL", "small", "big")])
        return len(requests)

    def read(talker: Talker) -> int:
        requests: Requests = [(name, key) for key in sizes for name in ("HKEYS", "HVALS")]
        requests += [("HSTRLEN", key, "text") for key in sizes]
        replies = exchange(talker, requests * 8)
        for at in range(0, len(replies), 6):
            for size, fields, values in zip(sizes.values(), replies[at : at + 4 : 2], replies[at + 1 : at + 4 : 2],
                                            strict=True):  # fmt: skip
                assert len(fields) in (0, size, size + 1)
                assert len({value for value in values if value.isdigit()}) <= 1
            assert all(length < 80 for length in replies[at + 4 : at + 6])
        return len(replies)

    run_crowd(threaded, write, read)


def test_ranges_by_score_are_of_one_generation(threaded: Server) -> None:
    """All members have the same score at any time, which grows; ZINCRBY moves one that belongs to none of them."""
    sizes = {"small": 12, "big": MANY}

    def write(talker: Talker, generations: Generations) -> int:
        requests: Requests = []
        for n in generations.take(10):
            for key, size in sizes.items():
                requests.append(("ZADD", key, *[word for i in range(size) for word in (n + 1, f"m{i}")]))
                requests += [("ZINCRBY", key, -1, "low"), ("ZREMRANGEBYSCORE", key, "-inf", 0)]
        exchange(talker, [*requests, ("DEL", "small", "big")])
        return len(requests)

    def read(talker: Talker) -> int:
        requests: Requests = []
        for key in sizes:
            requests += [("ZRANGEBYSCORE", key, 1, "+inf", "WITHSCORES"), ("ZREVRANGE", key, 0, -1),
                         ("ZREVRANGEBYSCORE", key, "+inf", 1, "LIMIT", 1, 5), ("ZCOUNT", key, 1, "+inf"),
                         ("ZMSCORE", key, "m3", "m1"), ("ZREVRANK", key, "m0")]  # fmt: skip
        replies = exchange(talker, requests * 4)
        for at in range(0, len(replies), 6):
            check(list(sizes.values())[at // 6 % 2], *replies[at : at + 6])
        return len(replies)

    def check(size: int, scored: Any, members: Any, some: Any, count: int, pair: Any, rank: int | None) -> None:
        assert len(scored) in (0, 2 * size)
        assert len(set(scored[1::2])) <= 1
        assert len(members) in (0, 1, size, size + 1)
        assert len(some) in (0, 5)
        assert count in (0, size)
        assert pair[0] == pair[1]
        assert rank in (None, size - 1)

    run_crowd(threaded, write, read)


def test_strings_change_as_wholes_and_mset_is_one_step(threaded: Server) -> None:
    """Who sees one key of an MSET sees the others, too; a string never shows parts of two generations."""

    def write(talker: Talker, generations: Generations) -> int:
        requests: Requests = []
        for n in generations.take(50):
            text = str(n % 10) * (1 + n % 300)
            requests += [("MSET", "a", n, "b", n), ("SET", "text", text), ("APPEND", "text", text)]
            requests += [("SETBIT", "bits", 9, n % 2), ("EXPIRE", "text", 1000), ("PERSIST", "text")]
        exchange(talker, requests)
        return len(requests)

    def read(talker: Talker) -> int:
        requests: Requests = [("GET", "a"), ("GET", "b"), ("GET", "a")]
        requests += [("GETRANGE", "text", 0, -1), ("GETBIT", "bits", 9)]
        replies = exchange(talker, requests * 30)
        for first, second, third, text, bit in zip(*(replies[i::5] for i in range(5)), strict=True):
            assert int(first or 0) <= int(second or 0) <= int(third or 0)
            assert len(set(text)) <= 1
            assert bit in (0, 1)
        return len(replies)

    run_crowd(threaded, write, read)
