import threading

import pytest

from mtredis.executor.background import Background


def test_work_runs_in_order_on_another_thread() -> None:
    background, seen = Background(), []
    for number in range(5):
        background.submit(lambda number=number: seen.append((number, threading.current_thread().name)))
    background.stop()
    assert seen == [(number, "background") for number in range(5)]
    assert background.pending == 0


def test_stop_waits_for_what_is_under_way() -> None:
    background, gate, done = Background(), threading.Event(), []
    background.submit(lambda: (gate.wait(5), done.append(True)))
    assert background.pending == 1
    gate.set()
    background.stop()
    assert done == [True]


def test_work_that_fails_is_logged_and_the_thread_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    background, done = Background(), []
    background.submit(lambda: 1 // 0)
    background.submit(lambda: done.append(True))
    background.stop()
    assert done == [True]
    assert "ZeroDivisionError" in capfd.readouterr().out


def test_it_can_be_stopped_without_ever_having_worked_and_used_again() -> None:
    background, done = Background(), []
    background.stop()
    background.submit(lambda: done.append(1))
    background.stop()
    background.submit(lambda: done.append(2))
    background.stop()
    assert done == [1, 2]
