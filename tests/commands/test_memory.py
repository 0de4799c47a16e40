"""MEMORY's replies."""

from types import SimpleNamespace
from typing import Any

import pytest

from mtredis.commands.server import memory
from mtredis.errors import CommandError
from mtredis.executor.defragmentation import Defragmentation
from mtredis.keyspace.memory import MemoryAccount
from mtredis.lib.meter import Meter
from tests.support.keyspace_context import KeyspaceContext

assert memory.__doc__


@pytest.fixture
def ctx() -> Any:
    context = KeyspaceContext()
    context.resp = 3
    context.server.memory = MemoryAccount(context.server.keyspace, Meter())
    context.server.executor = SimpleNamespace(survey=lambda: {"normal": 1000, "pubsub": 500, "backlog": 0})
    context.server.clients = [object()]
    return context


def test_usage_grows_with_the_value(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "small", "v")
    ctx.run("SET", "large", b"v" * 10_000)
    small, large = ctx.run("MEMORY", "USAGE", "small"), ctx.run("MEMORY", "USAGE", "large", "SAMPLES", 0)
    assert 10 < small < 100
    assert 10_000 < large < 11_000
    assert ctx.run("MEMORY", "USAGE", "nosuch") is None


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("SAMPLES", "ERR syntax error"),
        ("SAMPLES -1", "ERR syntax error"),
        ("SAMPLES x", "ERR value is not an integer or out of range"),
        ("BOGUS 1", "ERR syntax error"),
        ("SAMPLES 1 x", "ERR syntax error"),
    ],
)
def test_usage_refuses(ctx: KeyspaceContext, words: str, text: str) -> None:
    with pytest.raises(CommandError) as caught:
        ctx.run("MEMORY", "USAGE", "k", *words.split())
    assert str(caught.value) == text


def test_stats(ctx: KeyspaceContext) -> None:
    for number in range(50):
        ctx.run("SET", f"key:{number}", "v")
    found = ctx.run("MEMORY", "STATS")
    assert (found[b"keys.count"], found[b"clients.normal"]) == (50, 1500)
    assert found[b"db.0"][b"overhead.hashtable.main"] > 0
    assert b"db.1" not in found
    assert found[b"overhead.total"] + found[b"dataset.bytes"] == found[b"total.allocated"]
    assert isinstance(found[b"fragmentation"], float)


def test_doctor(ctx: KeyspaceContext) -> None:
    assert b"too little data" in ctx.run("MEMORY", "DOCTOR")
    for number in range(8):
        ctx.run("SET", f"key:{number}", b"x" * (1 << 20))
    assert b"too little data" not in ctx.run("MEMORY", "DOCTOR")
    ctx.server.executor.survey = lambda: {"normal": 1 << 20, "pubsub": 0, "backlog": 0}
    assert b" * Clients:" in ctx.run("MEMORY", "DOCTOR")


def test_purge_and_malloc_stats(ctx: KeyspaceContext) -> None:
    defragmentation = ctx.server.defragmentation = Defragmentation(ctx.server.keyspace, ctx.server.memory)
    later: list[Any] = []
    defragmentation.call_later = lambda delay, function: later.append(function)
    defragmentation.give_back = lambda: later.append(None)
    defragmentation.on_cycle = lambda microseconds: None
    assert ctx.run("MEMORY", "PURGE") == b"OK"
    assert len(later) == 1   # the rest is done in the background
    assert b"<malloc" in ctx.run("MEMORY", "MALLOC-STATS")
