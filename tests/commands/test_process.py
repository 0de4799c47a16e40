"""TIME, LOLWUT, SHUTDOWN."""

import random
import time
from types import SimpleNamespace
from typing import Any

import pytest

from mtredis.commands.server import process
from mtredis.errors import CommandError
from tests.support.fake_context import FakeContext


@pytest.fixture
def ctx() -> Any:
    context = FakeContext()
    context.server = SimpleNamespace(started=1234.5, redis_version="8.0.6", stops=[], can_save=True)

    def shutdown(*words: str) -> bool:
        if "save" in words and "force" not in words and not context.server.can_save:
            return False
        context.server.stops.append(set(words))
        return True

    context.server.shutdown = shutdown
    return context


def test_time_is_now(ctx: FakeContext) -> None:
    seconds, microseconds = map(int, ctx.run("TIME"))
    assert abs(seconds + microseconds / 1e6 - time.time()) < 5
    assert 0 <= microseconds < 1_000_000


def test_lolwut_ends_with_the_version(ctx: FakeContext) -> None:
    assert ctx.run("LOLWUT").endswith(b"\nRedis ver. 8.0.6\n")
    assert ctx.run("LOLWUT", "VERSION", 5, 1, 2).count(b"\n") > 10
    assert ctx.run("LOLWUT", "version", 99) == b"Redis ver. 8.0.6\n"
    with pytest.raises(CommandError, match="ERR value is not an integer or out of range"):
        ctx.run("LOLWUT", "VERSION", "x")


def test_threads_never_touch() -> None:
    for seed in range(50):
        rows = process.draw_threads(random.Random(seed)).splitlines()
        assert len(rows) == process.SKETCH_ROWS
        assert len({sum(mark != " " for mark in row) for row in rows}) == 1
        assert max(map(len, rows)) <= process.SKETCH_COLUMNS


@pytest.mark.parametrize("words", ["BOGUS", "NOSAVE SAVE", "ABORT NOW", "NOSAVE BOGUS", "save nosave now"])
def test_shutdown_refuses_what_does_not_fit(ctx: FakeContext, words: str) -> None:
    with pytest.raises(CommandError, match="ERR syntax error"):
        ctx.run("SHUTDOWN", *words.split())
    assert ctx.server.stops == []


@pytest.mark.parametrize(
    ("words", "text"),
    [("ABORT", "ERR No shutdown in progress."), ("SAVE", "ERR Errors trying to SHUTDOWN. Check logs.")],
)
def test_shutdown_that_cannot_be(ctx: FakeContext, words: str, text: str) -> None:
    ctx.server.can_save = False
    with pytest.raises(CommandError, match=text):
        ctx.run("SHUTDOWN", *words.split())
    assert ctx.server.stops == []


@pytest.mark.parametrize("words", ["", "NOSAVE", "now force", "SAVE FORCE"])
def test_shutdown_stops_the_server_without_a_reply(ctx: FakeContext, words: str) -> None:
    with pytest.raises(AssertionError, match="0 replies"):
        ctx.run("SHUTDOWN", *words.split())
    assert ctx.server.stops == [{word.lower() for word in words.split()}]
