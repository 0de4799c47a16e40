"""CLIENT PAUSE's rules: extension only, the mode's reach, and the end that is told once."""

import pytest

from mtredis.executor.pause import Pause, PauseMode
from mtredis.registry.command import FAST, MAY_REPLICATE, READONLY, WRITE


def paused(mode: PauseMode) -> Pause:
    pause = Pause()
    pause.pause(2_000, mode, now=1_000)
    return pause


def test_write_mode_stops_what_could_be_replicated() -> None:
    pause = paused(PauseMode.WRITE)
    assert pause.blocks(WRITE | FAST)
    assert pause.blocks(MAY_REPLICATE)
    assert not pause.blocks(READONLY | FAST)


def test_all_mode_stops_everything_and_no_pause_nothing() -> None:
    assert paused(PauseMode.ALL).blocks(0)
    assert not Pause().blocks(WRITE)


def test_a_pause_ends_by_time_and_says_so_once() -> None:
    pause = paused(PauseMode.ALL)
    ends: list[int] = []
    pause.on_end = lambda: ends.append(1)
    assert pause.is_active(1_999)
    assert not ends
    assert not pause.is_active(2_000)
    assert not pause.is_active(2_001)
    pause.unpause()
    assert ends == [1]
    assert pause.expires_at == 0
    assert not pause.blocks(WRITE)


def test_a_second_pause_only_extends() -> None:
    pause = paused(PauseMode.ALL)
    pause.pause(1_500, PauseMode.WRITE, now=1_000)
    assert pause.expires_at == 2_000
    assert pause.blocks(READONLY)
    pause = paused(PauseMode.WRITE)
    pause.pause(3_000, PauseMode.ALL, now=1_000)
    assert pause.expires_at == 3_000
    assert pause.blocks(READONLY)


def test_every_effective_pause_is_told() -> None:
    pause = Pause()
    told: list[int] = []
    pause.on_start = lambda: told.append(pause.expires_at)
    pause.pause(2_000, PauseMode.WRITE, now=1_000)
    pause.pause(3_000, PauseMode.WRITE, now=1_000)
    assert told == [2_000, 3_000]


def test_a_pause_into_the_past_is_none() -> None:
    pause = Pause()
    pause.on_start = pytest.fail
    pause.pause(0, PauseMode.ALL, now=1_000)
    assert not pause.is_active(1_000)
    assert not pause.blocks(WRITE)
