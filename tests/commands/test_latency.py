"""LATENCY's replies."""

from types import SimpleNamespace

import pytest

from mtredis.commands.server import latency
from mtredis.errors import CommandError
from mtredis.ops.latency import Histogram, LatencyMonitor
from mtredis.registry.command import REGISTRY
from tests.support.fake_context import FakeContext

assert latency.__doc__


def context(threshold: int = 10) -> FakeContext:
    ctx = FakeContext(resp=3)
    ctx.server.latency = LatencyMonitor()
    ctx.server.config = SimpleNamespace(latency_monitor_threshold=threshold, slowlog_log_slower_than=10_000)
    return ctx


def test_latest_and_history() -> None:
    ctx = context()
    for milliseconds, now in ((50, 100), (20, 101)):
        ctx.server.latency.sample("command", milliseconds, now)
    assert ctx.run("LATENCY", "LATEST") == [[b"command", 101, 20, 50]]
    assert ctx.run("LATENCY", "HISTORY", "command") == [[100, 50], [101, 20]]
    assert ctx.run("LATENCY", "HISTORY", "nosuch") == []


def test_graph() -> None:
    ctx = context()
    ctx.server.latency.sample("command", 20)
    head = b"command - high 20 ms, low 20 ms (all time high 20 ms)\n---"
    assert ctx.run("LATENCY", "GRAPH", "command").startswith(head)
    with pytest.raises(CommandError, match="ERR No samples available for event 'nosuch'"):
        ctx.run("LATENCY", "GRAPH", "nosuch")


def test_reset() -> None:
    ctx = context()
    for event in ("command", "fast-command"):
        ctx.server.latency.sample(event, 20)
    assert ctx.run("LATENCY", "RESET", "nosuch") == 0
    assert ctx.run("LATENCY", "RESET") == 2
    assert ctx.run("LATENCY", "LATEST") == []


def test_doctor_tells_what_it_knows() -> None:
    assert b"CONFIG SET latency-monitor-threshold" in context(0).run("LATENCY", "DOCTOR")
    ctx = context()
    assert b"Nothing" in ctx.run("LATENCY", "DOCTOR")
    ctx.server.latency.sample("command", 20)
    ctx.server.latency.sample("mystery", 30)
    text = ctx.run("LATENCY", "DOCTOR").decode()
    assert "1. command: 1 spikes (average 20 ms" in text
    assert "SLOWLOG GET" in text
    assert "LATENCY HISTORY mystery" in text
    assert "slowlog-log-slower-than" not in text
    ctx.server.config.slowlog_log_slower_than = -1
    assert "CONFIG SET slowlog-log-slower-than 10000" in ctx.run("LATENCY", "DOCTOR").decode()


def test_histogram_of_all_or_some() -> None:
    ctx = context()
    counts = [0] * 168
    counts[7] = 3
    timed = [REGISTRY.commands[b"latency"].subcommands[name] for name in (b"reset", b"latest")]
    ctx.server.statistics = SimpleNamespace(histograms=lambda: iter([(each, Histogram(counts)) for each in timed]))
    shown = {b"calls": 3, b"histogram_usec": {1: 3}}
    assert ctx.run("LATENCY", "HISTOGRAM") == {b"latency|reset": shown, b"latency|latest": shown}
    assert ctx.run("LATENCY", "HISTOGRAM", "LATENCY|latest", "nosuch") == {b"latency|latest": shown}
    assert len(ctx.run("LATENCY", "HISTOGRAM", "latency")) == 2
    assert ctx.run("LATENCY", "HISTOGRAM", "get") == {}
