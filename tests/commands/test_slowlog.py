"""SLOWLOG's replies."""

import pytest

from mtredis.commands.server import slowlog
from mtredis.errors import CommandError
from mtredis.ops.slowlog import SlowLog
from tests.support.fake_context import FakeContext

assert slowlog.__doc__


def context(entries: int) -> FakeContext:
    ctx = FakeContext()
    ctx.server.slowlog = SlowLog(100)
    for number in range(entries):
        ctx.server.slowlog.record([b"GET", b"%d" % number], number, "1.2.3.4:5", b"me")
    return ctx


def test_get_lists_the_newest_ten_unless_told() -> None:
    ctx = context(12)
    assert [entry[0] for entry in ctx.run("SLOWLOG", "GET")] == list(range(11, 1, -1))
    assert len(ctx.run("SLOWLOG", "GET", -1)) == 12
    assert ctx.run("SLOWLOG", "GET", 0) == []
    ((number, started, microseconds, argv, address, name),) = ctx.run("slowlog", "get", 1)
    assert (number, microseconds, argv, address, name) == (11, 11, [b"GET", b"11"], b"1.2.3.4:5", b"me")
    assert started > 1_000_000_000


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("GET", "-2"), "ERR count should be greater than or equal to -1"),
        (("GET", "x"), "ERR count should be greater than or equal to -1"),
        (("GET", "1", "2"), "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP."),
    ],
)
def test_refusals(words: tuple[str, ...], text: str) -> None:
    with pytest.raises(CommandError) as caught:
        context(1).run("SLOWLOG", *words)
    assert str(caught.value) == text


def test_len_and_reset() -> None:
    ctx = context(3)
    assert ctx.run("SLOWLOG", "LEN") == 3
    assert ctx.run("SLOWLOG", "RESET") == b"OK"
    assert ctx.run("SLOWLOG", "LEN") == 0
