"""The eviction's decisions: who evicts when, what is refused, what goes on in the background, and the clients."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.keyspace.database import Keyspace

from mtredis.executor.eviction import BELOW, CLIENT_LIMIT_MIN, RUNNING, STUCK, Eviction, client_limit, time_limit
from mtredis.keyspace.memory import MemoryAccount


class Bench:
    """An Eviction with a clock of its own and hooks that take notes."""

    def __init__(self, maxmemory: int, policy: str = "allkeys-lru", tenacity: int = 100) -> None:
        self.time = 100.0
        self.keyspace = Keyspace(2)
        self.memory = MemoryAccount(self.keyspace, SimpleNamespace(rss=1 << 20))  # type: ignore[arg-type]
        self.memory.maxmemory = maxmemory
        self.eviction = Eviction(self.keyspace, self.memory, lambda: self.time)
        self.eviction.follow(policy, 5, tenacity)
        self.later: list[Callable[[], object]] = []
        self.freed = self.measured = 0
        self.cycles: list[int] = []
        self.safe = True
        self.eviction.is_safe = lambda: self.safe
        self.eviction.call_soon = self.later.append
        self.eviction.measure_clients = self.measure
        self.eviction.free_pending = self.free
        self.eviction.on_cycle = self.cycles.append

    def measure(self) -> None:
        self.measured += 1
        self.memory.sample({"normal": 0, "pubsub": 0, "backlog": 0})

    def free(self) -> None:
        self.freed += 1
        self.keyspace.free_pending()

    def fill(self, count: int, size: int = 100) -> None:
        for number in range(count):
            self.keyspace[0].set_string(b"%d" % number, b"x" * size)


def test_below_the_limit_nothing_happens() -> None:
    bench = Bench(1 << 20)
    bench.fill(100)
    assert bench.eviction.perform() == BELOW
    assert (bench.eviction.evictor.evicted, bench.cycles, bench.later) == (0, [], [])


def test_keys_go_until_memory_is_a_little_below_the_limit() -> None:
    bench = Bench(1 << 20)
    bench.fill(20_000)
    assert bench.eviction.perform() == BELOW
    used = bench.memory.other() + bench.keyspace.used_memory
    assert (1 << 20) * 0.98 < used <= (1 << 20) - (1 << 12)
    assert (len(bench.cycles), bench.later) == (1, [])


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_when_nothing_may_go_it_is_stuck(policy: str) -> None:
    bench = Bench(1 << 20, policy)
    bench.fill(20_000)
    assert bench.eviction.perform() == STUCK
    assert (len(bench.keyspace[0]), bench.later) == (20_000, [])


def test_without_time_it_goes_on_in_the_background() -> None:
    bench = Bench(1 << 20, tenacity=0)
    bench.fill(20_000)
    assert bench.eviction.perform() == RUNNING
    assert bench.eviction.perform() == RUNNING
    assert len(bench.later) == 1   # however often somebody asks
    slices = 0
    while bench.later:
        slices += 1
        bench.later.pop()()
    assert slices > 100
    assert not bench.memory.is_over_limit()


def test_a_pause_keeps_keys_and_refuses_nothing() -> None:
    bench = Bench(1 << 20, "noeviction")
    bench.fill(20_000)
    bench.safe = False
    assert bench.eviction.perform() == BELOW
    assert len(bench.keyspace[0]) == 20_000


def test_big_values_are_freed_in_the_background_and_no_key_goes_for_them_twice() -> None:
    bench = Bench(20 << 20)
    bench.keyspace.lazy_free = True
    bench.fill(10, 2 << 20)
    assert bench.eviction.perform() == BELOW
    assert (bench.freed, len(bench.keyspace[0])) == (1, 9)
    bench.fill(13, 2 << 20)   # the background does not get to it
    assert bench.eviction.perform() == BELOW
    assert (bench.freed, len(bench.keyspace[0])) == (1, 9)
    assert not bench.keyspace.has_pending


def test_clients_are_measured_again_before_keys_go_for_them() -> None:
    bench = Bench(1 << 20)
    bench.fill(1000)
    bench.memory.sample({"normal": 10 << 20, "pubsub": 0, "backlog": 0})
    bench.time += 1
    assert bench.eviction.perform() == BELOW
    assert (bench.measured, len(bench.keyspace[0])) == (1, 1000)


def test_the_time_above_the_limit_is_kept() -> None:
    bench = Bench(1 << 20, "noeviction")
    bench.fill(20_000)
    bench.eviction.perform()
    bench.time += 2.5
    bench.eviction.perform()
    figures = bench.eviction.statistics()
    assert figures["total_eviction_exceeded_time"] == figures["current_eviction_exceeded_time"] == 2500
    bench.memory.maxmemory = 1 << 30
    bench.time += 1
    assert bench.eviction.perform() == BELOW
    bench.time += 5
    figures = bench.eviction.statistics()
    assert (figures["total_eviction_exceeded_time"], figures["current_eviction_exceeded_time"]) == (3500, 0)
    bench.eviction.reset_statistics()
    assert set(bench.eviction.statistics().values()) == {0}


@pytest.mark.parametrize(
    ("tenacity", "microseconds"), [(0, 0), (1, 50), (10, 500), (11, 575), (50, 133_931), (99, 126_214_000), (100, -1)]
)
def test_time_limits(tenacity: int, microseconds: int) -> None:
    assert time_limit(tenacity) == pytest.approx(microseconds, rel=0.01)


@pytest.mark.parametrize(
    ("amount", "maxmemory", "limit"),
    [(0, 1 << 30, 0), (1 << 20, 0, 1 << 20), (-5, 100 << 20, 5 << 20), (-5, 0, 0),
     (1000, 0, CLIENT_LIMIT_MIN)],
)  # fmt: skip
def test_client_limits(amount: int, maxmemory: int, limit: int) -> None:
    assert client_limit(amount, maxmemory) == limit


class FakeClient:
    def __init__(self, total_memory: int, no_evict: bool = False) -> None:
        self.total_memory, self.no_evict, self.killed = total_memory, no_evict, False

    def kill(self) -> None:
        self.killed = True


def killed(limit: int, *clients: FakeClient) -> list[int]:
    bench = Bench(0)
    everybody: Any = list(clients)
    held = sum(client.total_memory for client in clients)
    bench.eviction.evict_clients(held, limit, lambda: everybody, lambda client: "a client")
    gone = [client.total_memory for client in clients if client.killed]
    assert bench.eviction.evicted_clients == len(gone)
    return gone


def test_the_largest_clients_go_first() -> None:
    sizes = (10, 500, 30, 400, 20)
    assert killed(961, *map(FakeClient, sizes)) == []
    assert killed(960, *map(FakeClient, sizes)) == [500]
    assert killed(460, *map(FakeClient, sizes)) == [500, 400]
    assert killed(0, *map(FakeClient, sizes)) == []   # no limit


def test_protected_clients_stay() -> None:
    assert killed(100, FakeClient(500, no_evict=True), FakeClient(50), FakeClient(60)) == [50, 60]


def test_without_any_data_it_is_stuck_at_once() -> None:
    assert Bench(1).eviction.perform() == STUCK


def test_a_postponed_eviction_changes_nothing_now() -> None:
    bench = Bench(1 << 20)
    assert bench.eviction.postpone() == BELOW
    bench.fill(20_000)
    assert bench.eviction.postpone() == RUNNING
    assert (len(bench.keyspace[0]), len(bench.later)) == (20_000, 1)
    bench.later.pop()()
    assert not bench.memory.is_over_limit()
    stuck = Bench(1 << 20, "noeviction")
    stuck.fill(20_000)
    assert (stuck.eviction.postpone(), stuck.later) == (STUCK, [])
