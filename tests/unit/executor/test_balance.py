"""Who drives the connections: a pure state machine over injected readings."""

from types import SimpleNamespace

import pytest

from mtredis.executor import balance
from mtredis.executor.balance import (
    CALM,
    SAMPLES,
    SATURATED,
    SPARE_CORES,
    STALL_SAMPLES,
    Balance,
    LoadMeter,
)

BUSY = (SATURATED, SATURATED, SPARE_CORES)
NO_SPARE = (1.0, 1.0, SPARE_CORES - 0.01)
IDLE = (0.0, CALM - 0.01, 2.0)


def test_the_executor_hands_over_after_several_saturated_samples_in_a_row() -> None:
    state = Balance()
    assert [state.sample(*BUSY) for _ in range(SAMPLES)] == [True] * (SAMPLES - 1) + [False]


def test_one_calm_sample_starts_the_count_again() -> None:
    state = Balance()
    for _ in range(SAMPLES - 1):
        state.sample(*BUSY)
    assert state.sample(SATURATED - 0.01, 1.0, 2.0)
    assert [state.sample(*BUSY) for _ in range(SAMPLES)] == [True] * (SAMPLES - 1) + [False]


def test_without_spare_cores_a_saturated_executor_goes_on() -> None:
    state = Balance()
    assert all(state.sample(*NO_SPARE) for _ in range(10 * SAMPLES))


def test_the_loops_come_back_when_all_threads_are_nearly_idle() -> None:
    state = Balance(by_executor=False)
    assert not any(state.sample(0.0, CALM, 2.0) for _ in range(10 * SAMPLES))
    assert [state.sample(*IDLE) for _ in range(SAMPLES)] == [False] * (SAMPLES - 1) + [True]


def test_a_decision_does_not_count_towards_the_next() -> None:
    state = Balance()
    for _ in range(SAMPLES):
        state.sample(*BUSY)
    assert [state.sample(*IDLE) for _ in range(SAMPLES)] == [False] * (SAMPLES - 1) + [True]


def test_a_fixed_mode_decides_at_once_and_may_be_changed() -> None:
    state = Balance()
    state.mode = "threads"
    assert state.sample(*IDLE) is False
    state.mode = "executor"
    assert state.sample(*BUSY) is True
    state.mode = "auto"
    assert state.sample(*BUSY) is True


def test_after_a_long_command_the_workers_drive_for_a_while() -> None:
    state = Balance()
    assert state.sample(*IDLE, True) is False
    assert not any(state.sample(*IDLE) for _ in range(STALL_SAMPLES - 1))
    assert [state.sample(*IDLE) for _ in range(SAMPLES)] == [False] * (SAMPLES - 1) + [True]


def test_each_long_command_counts_anew_and_a_fixed_mode_does_not_care() -> None:
    state = Balance()
    state.sample(*IDLE, True)
    for _ in range(STALL_SAMPLES // 2):
        state.sample(*IDLE)
    state.sample(*IDLE, True)
    assert not any(state.sample(*IDLE) for _ in range(STALL_SAMPLES - 1))
    fixed = Balance("executor")
    assert fixed.sample(*IDLE, True) is True


def test_the_load_is_in_cores_since_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"monotonic": 100.0, "thread_time": 5.0, "process_time": 7.0}
    for name in seconds:
        monkeypatch.setattr(balance.time, name, lambda name=name: seconds[name])
    meter = SimpleNamespace(idle_cores=0.25)
    load = LoadMeter(meter)  # type: ignore[arg-type]
    seconds.update(monotonic=102.0, thread_time=6.0, process_time=10.0)
    assert load.read() == (0.5, 1.5, 0.25)
    seconds["monotonic"], meter.idle_cores = 103.0, 2.0
    assert load.read() == (0.0, 0.0, 2.0)
