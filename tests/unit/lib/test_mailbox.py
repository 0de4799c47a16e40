"""The mailbox, seen through `Executor.call_soon`: nothing posted is lost, doubled or overtaken, asleep or awake."""

import random
import threading
import time
from pathlib import Path

import pytest

from tests.support.core import PATIENCE, Core

THREADS = 5
CALLS = 20_000


@pytest.mark.parametrize("drive", ["executor", "workers"])
def test_calls_from_many_threads_all_arrive_in_each_senders_order(tmp_path: Path, drive: str) -> None:
    core = Core(tmp_path, drive)
    arrived: list[list[int]] = [[] for _ in range(THREADS)]
    finished = threading.Semaphore(0)

    def post(number: int) -> None:
        draw = random.Random(number)
        mine = arrived[number]
        for i in range(CALLS):
            core.executor.call_soon(lambda i=i: mine.append(i))   # type: ignore[misc]
            if draw.random() < 0.002:   # long enough for the executor to fall asleep
                time.sleep(draw.random() * 0.0005)
        core.executor.call_soon(finished.release)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in threads:
        assert finished.acquire(timeout=PATIENCE)
    core.close()
    assert [len(calls) for calls in arrived] == [CALLS] * THREADS
    assert all(calls == list(range(CALLS)) for calls in arrived)


def test_a_call_wakes_a_sleeping_executor_at_once(tmp_path: Path) -> None:
    core = Core(tmp_path)
    core.on_executor(lambda: setattr(core.executor, "cron_interval", 10_000))
    waits = []
    for _ in range(50):
        begin = time.monotonic()
        core.on_executor(lambda: None)
        waits.append(time.monotonic() - begin)
    core.close()
    assert sorted(waits)[25] < 0.5   # without the wake-up it would be the poll's second
