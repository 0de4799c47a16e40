"""MONITOR: what is shown to whom, and the gate that goes up and down with the monitors."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.client import SharedSettings

from mtredis.executor.admission import MONITORED
from mtredis.executor.monitors import Monitors, quote
from mtredis.registry.command import ADMIN, SKIP_MONITOR


class Session:
    def __init__(self, address: str = "127.0.0.1:6000", is_unix_socket: bool = False) -> None:
        self.address, self.is_unix_socket, self.db_index, self.monitor = address, is_unix_socket, 3, False
        self.received: list[bytes] = []

    def push(self, data: bytes) -> None:
        self.received.append(data)


def command(name: bytes = b"set", flags: int = 0) -> Any:
    return SimpleNamespace(name=name, flags=flags)


@pytest.fixture
def settings() -> SharedSettings:
    return SharedSettings()


@pytest.fixture
def monitors(settings: SharedSettings) -> Monitors:
    return Monitors(settings)


def test_the_gate_is_up_while_somebody_monitors(monitors: Monitors, settings: SharedSettings) -> None:
    first, second = Session(), Session()
    for session in (first, second):
        monitors.add(session)  # type: ignore[arg-type]
        assert session.monitor and session in monitors
        assert settings.is_gate(MONITORED)
    monitors.discard(first)  # type: ignore[arg-type]
    assert settings.is_gate(MONITORED) and not first.monitor and len(monitors) == 1
    monitors.discard(second)  # type: ignore[arg-type]
    assert not settings.is_gate(MONITORED) and len(monitors) == 0


def test_who_never_monitored_may_be_discarded(monitors: Monitors, settings: SharedSettings) -> None:
    monitors.discard(Session())  # type: ignore[arg-type]
    assert not settings.is_gate(MONITORED)


@pytest.mark.parametrize(
    ("source", "shown"),
    [(Session(), b"127.0.0.1:6000"), (Session("/tmp/u.sock:0", True), b"unix:/tmp/u.sock")],
)
def test_every_monitor_gets_the_line(monitors: Monitors, source: Session, shown: bytes) -> None:
    watching = [Session(), Session()]
    for session in watching:
        monitors.add(session)  # type: ignore[arg-type]
    monitors.feed(source, command(), [b"SET", b"k", b"a b"])  # type: ignore[arg-type]
    for session in watching:
        (line,) = session.received
        assert re.fullmatch(rb'\+\d+\.\d{6} \[3 ' + re.escape(shown) + rb'\] "SET" "k" "a b"\r\n', line)


@pytest.mark.parametrize("flags", [ADMIN, SKIP_MONITOR])
def test_administrative_commands_are_not_shown(monitors: Monitors, flags: int) -> None:
    watching = Session()
    monitors.add(watching)  # type: ignore[arg-type]
    monitors.feed(Session(), command(flags=flags), [b"SET"])  # type: ignore[arg-type]
    assert watching.received == []


def test_secrets_are_not_shown(monitors: Monitors) -> None:
    watching = Session()
    monitors.add(watching)  # type: ignore[arg-type]
    monitors.feed(Session(), command(b"auth"), [b"AUTH", b"swordfish"])  # type: ignore[arg-type]
    assert b"swordfish" not in b"".join(watching.received)


def test_a_monitor_may_leave_while_it_is_told(monitors: Monitors) -> None:
    class Slow(Session):
        def push(self, data: bytes) -> None:
            super().push(data)
            monitors.discard(self)  # type: ignore[arg-type]

    slow, other = Slow(), Session()
    monitors.add(slow)  # type: ignore[arg-type]
    monitors.add(other)  # type: ignore[arg-type]
    for _ in range(2):
        monitors.feed(Session(), command(), [b"SET"])  # type: ignore[arg-type]
    assert len(slow.received) == 1 and len(other.received) == 2


def test_what_does_not_print_is_escaped() -> None:
    assert quote(b'a"\\\n\r\t\a\b\x00\xff ~') == b'"a\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff ~"'
