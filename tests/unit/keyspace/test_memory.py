"""The memory account: estimate, limit, peak, and sizes in words."""

import os

import pytest
from mtredis.keyspace.database import Keyspace

from mtredis.keyspace.memory import RSS_NOISE, MemoryAccount, human_size
from mtredis.lib.meter import Meter

MEGABYTE = 1 << 20


class FakeMeter(Meter):
    """RSS is what a test says."""

    def __init__(self) -> None:
        self.rss = 1_000_000
        self.next = self.rss

    def read_rss(self) -> int:
        self.rss = self.next
        return self.rss


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1536, "1.50K"), (1 << 20, "1.00M"), (3 << 29, "1.50G"),
     (1 << 40, "1.00T"), (1 << 50, "1.00P"), (1 << 60, f"{1 << 60}B")],
)  # fmt: skip
def test_human_size(size: int, text: str) -> None:
    assert human_size(size) == text


def test_the_estimate_follows_data_and_clients() -> None:
    keyspace = Keyspace(2)
    account = MemoryAccount(keyspace, FakeMeter())
    before = account.used()
    keyspace[1].set_string(b"key", b"x" * 100_000)
    assert 100_000 < account.used() - before < 110_000
    account.sample({"normal": 5_000, "pubsub": 1_000, "backlog": 0})
    assert account.clients == 6_000
    peak = account.peak
    assert peak == account.used()
    keyspace[1].delete(b"key")
    account.sample()
    assert (account.peak, account.used() < peak) == (peak, True)


def test_the_limit() -> None:
    keyspace = Keyspace(1)
    account = MemoryAccount(keyspace, FakeMeter())
    assert not account.is_over_limit()
    account.maxmemory = 50_000
    assert not account.is_over_limit()
    keyspace[0].set_string(b"key", b"x" * 100_000)
    assert account.is_over_limit()


def test_rss_is_the_last_reading_and_may_be_read_now() -> None:
    meter = FakeMeter()
    account = MemoryAccount(Keyspace(1), meter)
    meter.next = 2_000_000
    account.sample()
    assert account.rss == 1_000_000
    account.measure()
    assert account.rss == 2_000_000


def test_overview_adds_up() -> None:
    keyspace = Keyspace(2)
    account = MemoryAccount(keyspace, FakeMeter())
    empty = account.data()
    for number in range(100):
        keyspace[1].set_string(b"%d" % number, b"x" * 1000)
    memory = account.overview({"normal": 10, "pubsub": 20, "backlog": 0})
    assert (memory.keys, memory.clients, memory.rss) == (100, 30, 1_000_000)
    assert memory.overhead + memory.dataset == memory.used
    assert 1000 < memory.bytes_per_key < 1200
    assert 0 < memory.dataset_percent <= 100
    assert memory.peak_percent == 100
    assert memory.base == max(0, 1_000_000 - empty)
    assert memory.unexplained == memory.rss - memory.base - memory.used
    assert memory.fragmentation == max(0, memory.rss - memory.base) / memory.used
    if not os.environ.get("MTREDIS_ASAN"):   # the sanitizer's allocator tells no figures
        assert memory.heap.active >= memory.heap.allocated > 0


class Swelling:
    """An account whose RSS a test sets; `held` is what it has grown by since the start."""

    def __init__(self, maxmemory: int) -> None:
        self.meter = FakeMeter()
        self.keyspace = Keyspace(1)
        self.account = MemoryAccount(self.keyspace, self.meter)
        self.account.maxmemory = maxmemory

    def sample(self, held: int) -> int:
        self.meter.rss = 1_000_000 + held
        self.account.sample()
        return self.account.correction

    def hold(self, size: int) -> None:
        self.keyspace.flush([0]).free()
        self.keyspace[0].set_string(b"key", b"x" * size)


def test_rss_near_the_limit_needs_no_correction() -> None:
    swelling = Swelling(1000 * MEGABYTE)
    assert swelling.sample(1000 * MEGABYTE + RSS_NOISE) == 0
    assert swelling.sample(1050 * MEGABYTE + RSS_NOISE) == 0
    assert swelling.sample(1060 * MEGABYTE + RSS_NOISE) == 10 * MEGABYTE


def test_what_rss_holds_beyond_the_limit_counts_up_to_a_quarter() -> None:
    swelling = Swelling(100 * MEGABYTE)
    swelling.hold(90 * MEGABYTE)
    room = swelling.account.room_for_data()
    assert swelling.sample(105 * MEGABYTE + RSS_NOISE + 7) == 7
    assert swelling.account.room_for_data() == room - 7
    assert swelling.sample(500 * MEGABYTE) == 25 * MEGABYTE
    assert swelling.account.is_over_limit()


def test_deleting_does_not_make_the_correction_grow() -> None:
    """What the allocator keeps of memory that was used is no reason to delete more."""
    swelling = Swelling(100 * MEGABYTE)
    swelling.hold(150 * MEGABYTE)
    swelling.sample(170 * MEGABYTE)
    assert swelling.account.correction == 0
    swelling.hold(95 * MEGABYTE)
    assert swelling.sample(170 * MEGABYTE) == 0
    assert swelling.sample(120 * MEGABYTE) == 0   # given back: what was used explains no more than that
    assert swelling.sample(150 * MEGABYTE) == 150 * MEGABYTE - 120 * MEGABYTE - 5 * MEGABYTE - RSS_NOISE


def test_the_correction_goes_back_slowly_and_whole() -> None:
    swelling = Swelling(100 * MEGABYTE)
    top = swelling.sample(120 * MEGABYTE + RSS_NOISE)
    assert top == 15 * MEGABYTE
    assert top * 0.9 < swelling.sample(100 * MEGABYTE) < top
    for _ in range(400):
        swelling.sample(100 * MEGABYTE)
    assert swelling.account.correction == 0


def test_without_a_limit_nothing_is_corrected() -> None:
    assert Swelling(0).sample(1 << 40) == 0
