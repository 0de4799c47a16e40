"""The memory account: estimate, limit, peak, and sizes in words."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.keyspace.database import Keyspace

from mtredis.keyspace.memory import MemoryAccount, human_size


class FakeProcess:
    rss = 1_000_000

    def memory_info(self) -> Any:
        return SimpleNamespace(rss=self.rss)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1536, "1.50K"), (1 << 20, "1.00M"), (3 << 29, "1.50G"),
     (1 << 40, "1.00T"), (1 << 50, "1.00P"), (1 << 60, f"{1 << 60}B")],
)  # fmt: skip
def test_human_size(size: int, text: str) -> None:
    assert human_size(size) == text


def test_the_estimate_follows_data_and_clients() -> None:
    keyspace = Keyspace(2)
    account = MemoryAccount(keyspace, FakeProcess())  # type: ignore[arg-type]
    before = account.used()
    keyspace[1].set_string(b"key", b"x" * 100_000)
    assert 100_000 < account.used() - before < 110_000
    account.sample({"normal": 5_000, "pubsub": 1_000})
    assert account.clients == 6_000
    peak = account.peak
    assert peak == account.used()
    keyspace[1].delete(b"key")
    account.sample()
    assert (account.peak, account.used() < peak) == (peak, True)


def test_the_limit() -> None:
    keyspace = Keyspace(1)
    account = MemoryAccount(keyspace, FakeProcess())  # type: ignore[arg-type]
    assert not account.is_over_limit()
    account.maxmemory = 50_000
    assert not account.is_over_limit()
    keyspace[0].set_string(b"key", b"x" * 100_000)
    assert account.is_over_limit()


def test_overview_adds_up() -> None:
    keyspace = Keyspace(2)
    account = MemoryAccount(keyspace, FakeProcess())  # type: ignore[arg-type]
    for number in range(100):
        keyspace[1].set_string(b"%d" % number, b"x" * 1000)
    memory = account.overview({"normal": 10, "pubsub": 20})
    assert (memory.keys, memory.clients, memory.rss) == (100, 30, FakeProcess.rss)
    assert memory.overhead + memory.dataset == memory.used
    assert 1000 < memory.bytes_per_key < 1200
    assert 0 < memory.dataset_percent <= 100
    assert memory.peak_percent == 100
    assert memory.fragmentation == memory.rss / memory.used
    if not os.environ.get("MTREDIS_ASAN"):   # the sanitizer's allocator tells no figures
        assert memory.heap.active >= memory.heap.allocated > 0
