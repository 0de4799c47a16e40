"""SAVE, BGSAVE, LASTSAVE: their replies in every state, with a saver that does nothing."""

from types import SimpleNamespace
from typing import Any

import pytest

import mtredis.commands.server.persistence  # noqa: F401  (registers the commands)
from mtredis.errors import CommandError
from tests.support.fake_context import FakeContext

BUSY = (
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a "
    "BGSAVE whenever possible."
)


class FakeSaver:
    def __init__(self, server: Any) -> None:
        self.server, self.calls = server, list[str]()
        self.works, self.is_scheduled, self.saves, self.last_save = True, False, 0, 1234

    @property
    def is_saving(self) -> bool:
        return bool(self.server.snapshots.current == "rdb")

    def save(self) -> bool:
        self.calls.append("save")
        return self.works

    def background_save(self) -> bool:
        self.calls.append("background")
        return self.works


@pytest.fixture
def ctx() -> Any:
    context = FakeContext()
    context.server = SimpleNamespace(snapshots=SimpleNamespace(current=None))
    context.server.saver = FakeSaver(context.server)
    return context


def refusal(ctx: FakeContext, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        ctx.run(*words)
    return str(caught.value)


def test_save(ctx: FakeContext) -> None:
    saver = ctx.server.saver
    assert ctx.run("SAVE") == b"OK"
    assert (saver.calls, saver.saves) == (["save"], 1)
    saver.works = False
    assert refusal(ctx, "SAVE") == "ERR"
    ctx.server.snapshots.current = "aof"
    saver.works = True
    assert ctx.run("SAVE") == b"OK"
    ctx.server.snapshots.current = "rdb"
    assert refusal(ctx, "SAVE") == "ERR Background save already in progress"
    assert saver.calls == ["save"] * 3


def test_bgsave(ctx: FakeContext) -> None:
    saver = ctx.server.saver
    assert ctx.run("BGSAVE") == ctx.run("BGSAVE", "schedule") == b"Background saving started"
    assert saver.calls == ["background"] * 2
    saver.works = False
    assert refusal(ctx, "BGSAVE") == "ERR"
    assert refusal(ctx, "BGSAVE", "NOW") == refusal(ctx, "BGSAVE", "SCHEDULE", "x") == "ERR syntax error"
    assert not saver.is_scheduled


def test_bgsave_while_a_snapshot_is_under_way(ctx: FakeContext) -> None:
    saver = ctx.server.saver
    ctx.server.snapshots.current = "rdb"
    assert refusal(ctx, "BGSAVE") == refusal(ctx, "BGSAVE", "SCHEDULE") == "ERR Background save already in progress"
    ctx.server.snapshots.current = "aof"
    assert refusal(ctx, "BGSAVE") == BUSY
    assert not saver.is_scheduled
    assert ctx.run("BGSAVE", "SCHEDULE") == b"Background saving scheduled"
    assert saver.is_scheduled
    assert saver.calls == []


def test_bgsave_in_a_transaction_comes_later(ctx: FakeContext) -> None:
    ctx.in_exec = True
    assert ctx.run("BGSAVE") == b"Background saving scheduled"
    assert (ctx.server.saver.is_scheduled, ctx.server.saver.calls) == (True, [])


def test_lastsave(ctx: FakeContext) -> None:
    assert ctx.run("LASTSAVE") == 1234
