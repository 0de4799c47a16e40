"""MONITOR, and the lines that monitors get."""

from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.client import SharedSettings

from mtredis.commands.server import monitor
from mtredis.errors import CommandError
from mtredis.executor.admission import MONITORED
from mtredis.executor.monitors import Monitors, quote
from mtredis.registry.command import REGISTRY
from tests.support.fake_context import FakeContext

assert monitor.__doc__


class FakeClient:
    def __init__(self, address: str = "127.0.0.1:5", is_unix_socket: bool = False) -> None:
        self.address, self.is_unix_socket, self.db_index, self.monitor = address, is_unix_socket, 3, False
        self.pushed: list[bytes] = []

    def push(self, data: bytes) -> None:
        self.pushed.append(data)


@pytest.fixture
def settings() -> SharedSettings:
    return SharedSettings()


@pytest.fixture
def ctx(settings: SharedSettings) -> Any:
    context = FakeContext(client=FakeClient())
    context.server = SimpleNamespace(monitors=Monitors(settings))
    return context


def test_monitor_raises_the_gate_until_the_last_one_goes(ctx: FakeContext, settings: SharedSettings) -> None:
    assert ctx.run("MONITOR") == b"OK"
    assert settings.is_gate(MONITORED)
    assert ctx.client.monitor
    with pytest.raises(AssertionError, match="0 replies"):  # Redis says nothing the second time
        ctx.run("MONITOR")
    assert len(ctx.server.monitors) == 1
    ctx.server.monitors.discard(ctx.client)
    assert not settings.is_gate(MONITORED)
    assert not ctx.client.monitor


def test_monitor_in_exec_is_refused(ctx: FakeContext) -> None:
    ctx.in_exec = True
    with pytest.raises(CommandError, match="ERR MONITOR isn't allowed for DENY BLOCKING client"):
        ctx.run("MONITOR")


def test_lines(ctx: FakeContext) -> None:
    monitors, watcher = ctx.server.monitors, FakeClient()
    monitors.add(watcher)
    info = REGISTRY.commands[b"monitor"]
    plain = SimpleNamespace(flags=0, name=b"get")
    monitors.feed(FakeClient(), plain, [b"GET", b'a"\x00'])
    monitors.feed(FakeClient("/tmp/s:0", True), SimpleNamespace(flags=0, name=b"auth"), [b"AUTH", b"pw"])
    monitors.feed(FakeClient(), info, [b"MONITOR"])
    tcp, unix = (line.split(b" ", 1) for line in watcher.pushed)
    assert tcp[1] == b'[3 127.0.0.1:5] "GET" "a\\"\\x00"\r\n'
    assert unix[1] == b'[3 unix:/tmp/s] "AUTH" "(redacted)"\r\n'
    assert tcp[0].startswith(b"+1")
    assert len(tcp[0].partition(b".")[2]) == 6


def test_quote() -> None:
    assert quote(b'a\\"\n\r\t\a\b\x7f\xff ~') == b'"a\\\\\\"\\n\\r\\t\\a\\b\\x7f\\xff ~"'
