"""The meter: what psutil says, and a thread that goes on asking."""

import os
import time
from types import SimpleNamespace

import psutil
import pytest

from mtredis.lib import meter
from mtredis.lib.meter import Meter


def test_idle_cores_are_those_since_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    now, idle = 100.0, SimpleNamespace(idle=50.0, iowait=1.0)
    monkeypatch.setattr(meter.time, "monotonic", lambda: now)
    monkeypatch.setattr(meter.psutil, "cpu_times", lambda: idle)
    monkeypatch.setattr(meter.os, "cpu_count", lambda: 2)
    figures = Meter()
    now, idle.idle, idle.iowait = 102.0, 50.5, 1.5
    figures.read()
    assert figures.idle_cores == 0.5
    now, idle.idle = 103.0, 90.0   # the kernel's ticks are coarse
    figures.read()
    assert figures.idle_cores == 2.0


def test_rss_is_that_of_this_process() -> None:
    figures = Meter()
    assert figures.rss == pytest.approx(psutil.Process(os.getpid()).memory_info().rss, rel=0.2)


def test_the_thread_reads_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PERIOD", 0.001)
    figures = Meter()
    readings = []
    monkeypatch.setattr(figures, "read", lambda: readings.append(1))
    figures.start()
    while len(readings) < 5:
        time.sleep(0.001)
    figures.stop()
    count = len(readings)
    time.sleep(0.02)
    assert len(readings) == count
    figures.stop()


def test_one_that_was_never_started_is_stopped_too() -> None:
    Meter().stop()
