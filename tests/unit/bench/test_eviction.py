"""The traces of the eviction bench, its exact LRU, and its table."""

import random
from collections import Counter
from itertools import islice

import pytest

from bench import eviction
from bench.eviction import UNIVERSE, ExactLru, Figures, get_request, name_of, set_request, table, with_scan, zipf


@pytest.mark.parametrize("exponent", [0.7, 1.2])
def test_popularity_falls_as_zipf_says(exponent: float) -> None:
    counts = Counter(islice(zipf(exponent)(random.Random(1)), 300_000))
    assert set(counts) <= set(range(UNIVERSE))
    first, tenth = counts[0], sum(counts[rank] for rank in range(8, 11)) / 3
    assert first / tenth == pytest.approx(10**exponent, rel=0.15)


def test_a_scan_asks_for_each_of_its_keys_once_and_in_order() -> None:
    keys = list(islice(with_scan(zipf(0.99))(random.Random(2)), 20_000))
    scanned = [key for key in keys if key >= UNIVERSE]
    assert scanned == list(range(UNIVERSE, UNIVERSE + len(scanned)))
    assert len(scanned) / len(keys) == pytest.approx(eviction.SCAN_SHARE, abs=0.02)


def test_the_same_seed_gives_the_same_trace() -> None:
    trace = with_scan(zipf(0.99))
    assert list(islice(trace(random.Random(3)), 1000)) == list(islice(trace(random.Random(3)), 1000))


def test_the_exact_lru(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eviction, "KEYS", 2)
    cache = ExactLru()
    assert [cache.ask(key) for key in (1, 2, 1, 3, 1, 2)] == [False, False, True, False, True, False]


def test_requests() -> None:
    assert name_of(7) == b"key:0000000007"
    assert get_request(7) == b"*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000007\r\n"
    assert set_request(7).startswith(b"*3\r\n$3\r\nSET\r\n$14\r\nkey:0000000007\r\n$64\r\n")


def test_the_table() -> None:
    pairs = [(name, policy) for name in ("redis", "mtredis") for policy in eviction.POLICIES]
    figures = Figures(dict(zip(pairs, (1.0, 2.0, 3.0, 4.04), strict=True)), dict.fromkeys(pairs, 20_000.4), 0.5)
    assert table({"zipf 1": figures}).splitlines() == [
        "| trace | exact LRU | redis lru | redis lfu | mtredis lru | mtredis lfu | keys held |",
        "|---|---|---|---|---|---|---|",
        "| zipf 1 | 0.5 | 1.0 | 2.0 | 3.0 | 4.0 | 20000 / 20000 / 20000 / 20000 |",
    ]
