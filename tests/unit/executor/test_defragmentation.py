"""When passes begin, what share of the CPU they get, and what is counted."""

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.keyspace.database import Keyspace

from mtredis.executor.defragmentation import BLOCKED_MS, Defragmentation

MEGABYTE = 1 << 20


class FakeDefragmenter:
    """Needs `left` steps for a pass."""

    def __init__(self) -> None:
        self.left, self.is_running, self.is_blocked, self.is_possible, self.large = 3, False, False, True, 0
        self.begun: list[bool] = []

    def begin(self, compacts: bool) -> bool:
        self.begun.append(compacts)
        self.is_running = self.is_possible
        return self.is_possible

    def step(self, budget: int) -> bool:
        self.left -= 1
        self.is_running = self.left > 0
        return self.is_running

    def stop(self) -> None:
        self.is_running = False

    def statistics(self) -> dict[str, int]:
        return {"active_defrag_hits": 7}

    def reset_statistics(self) -> None:
        pass


class FakeMemory:
    rss = 0
    size = 1000 * MEGABYTE
    correction = 0

    def used(self) -> int:
        return self.size

    def unexplained(self) -> int:
        return max(0, self.rss - self.size)

    def measure(self) -> None:
        pass


class Rig:
    """A policy with a clock of its own; `later` is what it wants to be called for."""

    def __init__(self, **parameters: Any) -> None:
        self.now = 0.0
        self.memory = FakeMemory()
        self.policy = Defragmentation(Keyspace(1), self.memory, self.clock)  # type: ignore[arg-type]
        self.defragmenter: Any = FakeDefragmenter()
        self.policy.defragmenter = self.defragmenter
        self.later: list[tuple[int, Callable[[], object]]] = []
        self.cycles: list[int] = []
        self.given_back = 0
        self.policy.call_later = lambda delay, function: self.later.append((delay, function))
        self.policy.on_cycle = self.cycles.append
        self.policy.give_back = self.give_back
        values = {
            "activedefrag": True, "active_defrag_ignore_bytes": 100 * MEGABYTE, "active_defrag_threshold_lower": 10,
            "active_defrag_threshold_upper": 100, "active_defrag_cycle_min": 1, "active_defrag_cycle_max": 25,
            "active_defrag_max_scan_fields": 1000,
        } | parameters  # fmt: skip
        self.policy.follow(SimpleNamespace(**values))

    def clock(self) -> float:
        self.now += 0.0005
        return self.now

    def give_back(self) -> None:
        self.given_back += 1

    def fragment(self, percent: int) -> None:
        self.memory.rss = self.memory.size * (100 + percent) // 100

    def run(self) -> int:
        """Does what it wanted, until it wants nothing; how often it was called."""
        calls = 0
        while self.later:
            self.later.pop()[1]()
            calls += 1
        return calls


@pytest.mark.parametrize(
    ("percent", "share"), [(0, 0), (9, 0), (10, 1), (55, 13), (99, 24), (100, 25), (500, 25)],
)  # fmt: skip
def test_the_share_grows_with_fragmentation(percent: int, share: int) -> None:
    rig = Rig()
    rig.fragment(percent)
    assert rig.policy.wanted_percent() == share


def test_little_is_ignored_whatever_its_percentage() -> None:
    rig = Rig()
    rig.memory.size = 10 * MEGABYTE
    rig.fragment(900)
    assert rig.policy.wanted_percent() == 0


def test_equal_thresholds_mean_all_or_nothing() -> None:
    rig = Rig(active_defrag_threshold_lower=20, active_defrag_threshold_upper=20)
    rig.fragment(19)
    assert rig.policy.wanted_percent() == 0
    rig.fragment(20)
    assert rig.policy.wanted_percent() == 25


def test_a_pass_runs_in_steps_and_its_time_is_counted() -> None:
    rig = Rig()
    rig.fragment(100)
    rig.policy.cron()
    rig.policy.cron()
    assert rig.defragmenter.begun == [True]
    assert rig.policy.statistics()["active_defrag_running"] == 25
    assert rig.policy.statistics()["current_active_defrag_time"] > 0
    assert rig.run() == 3
    figures = rig.policy.statistics()
    assert (figures["active_defrag_running"], figures["current_active_defrag_time"]) == (0, 0)
    assert figures["total_active_defrag_time"] > 0
    assert figures["active_defrag_hits"] == 7
    assert len(rig.cycles) == 3
    rig.policy.reset_statistics()
    assert rig.policy.statistics()["total_active_defrag_time"] == 0


def test_the_share_of_the_cpu_is_kept() -> None:
    rig = Rig(active_defrag_cycle_min=5, active_defrag_cycle_max=5)
    rig.fragment(100)
    rig.policy.cron()
    rig.later.pop()[1]()
    assert rig.later[0][0] == round(rig.cycles[0] * 95 / 5 / 1000)


def test_what_a_pass_could_not_recover_begins_no_other() -> None:
    rig = Rig()
    rig.fragment(50)
    rig.policy.cron()
    rig.run()
    rig.policy.cron()
    assert len(rig.defragmenter.begun) == 1
    rig.fragment(59)
    assert rig.policy.wanted_percent() == 0
    rig.fragment(61)
    assert rig.policy.wanted_percent() == 1
    rig.fragment(5)
    assert rig.policy.fragmentation() == 0
    rig.fragment(20)   # more than was left at last
    assert rig.policy.wanted_percent() == 2


def test_nothing_moves_without_activedefrag_but_pages_are_given_back() -> None:
    rig = Rig(activedefrag=False)
    rig.fragment(300)
    rig.policy.cron()
    assert rig.defragmenter.begun == []
    rig.now = 60
    rig.policy.trim_if_due(1000, is_calm=False)
    rig.policy.trim_if_due(2000, is_calm=False)
    assert rig.defragmenter.begun == [False]
    assert rig.policy.statistics()["active_defrag_running"] == 0
    rig.run()
    assert rig.policy.statistics()["total_active_defrag_time"] == 0


@pytest.mark.parametrize(("percent", "correction", "is_calm", "seconds"), [
    (0, 0, False, None), (100, 0, False, 60), (0, 0, True, 2), (100, 0, True, 2), (30, MEGABYTE, False, 0.5),
    (30, MEGABYTE, True, 0.5),
])  # fmt: skip
def test_pages_are_given_back_the_sooner_the_more_it_helps(
    percent: int, correction: int, is_calm: bool, seconds: float | None
) -> None:
    rig = Rig(activedefrag=False)
    rig.memory.correction = correction
    rig.fragment(percent)
    commands, begun = 0, []
    for _ in range(1000):
        rig.now += 0.125
        commands += 1000
        before = len(rig.defragmenter.begun)
        rig.policy.trim_if_due(commands, is_calm)
        if len(rig.defragmenter.begun) != before:
            begun.append(rig.now)
            rig.defragmenter.left = 3
            rig.run()
    pauses = [later - earlier for earlier, later in pairwise(begun)]
    if seconds is None:
        assert begun == []
    else:
        assert pauses
        assert all(seconds <= pause < seconds + 0.25 for pause in pauses)


def test_without_commands_there_is_nothing_new_to_give_back() -> None:
    rig = Rig(activedefrag=False)
    rig.now = 60
    rig.policy.trim_if_due(999, is_calm=True)
    assert rig.defragmenter.begun == []


def test_switching_it_off_ends_a_pass() -> None:
    rig = Rig()
    rig.fragment(100)
    rig.policy.cron()
    rig.policy.follow(SimpleNamespace(
        activedefrag=False, active_defrag_ignore_bytes=1, active_defrag_threshold_lower=1,
        active_defrag_threshold_upper=1, active_defrag_cycle_min=1, active_defrag_cycle_max=1,
        active_defrag_max_scan_fields=1,
    ))  # fmt: skip
    assert not rig.defragmenter.is_running
    assert rig.policy.percent == 0
    assert rig.run() == 1
    assert rig.cycles == []


def test_purge_does_a_step_at_once_and_the_rest_later() -> None:
    rig = Rig(activedefrag=False)
    rig.policy.purge()
    assert rig.defragmenter.begun == [True]
    assert len(rig.cycles) == 1
    assert rig.run() == 2


def test_a_snapshot_makes_a_pass_wait() -> None:
    rig = Rig()
    rig.fragment(100)
    rig.defragmenter.is_blocked = True
    rig.policy.cron()
    rig.later.pop()[1]()
    assert rig.cycles == []
    assert rig.later[0][0] == BLOCKED_MS
    rig.defragmenter.is_blocked = False
    assert rig.run() == 3


def test_where_nothing_can_move_the_allocator_is_asked() -> None:
    rig = Rig()
    rig.defragmenter.is_possible = False
    rig.policy.purge()
    assert rig.given_back == 1
    assert rig.later == []
