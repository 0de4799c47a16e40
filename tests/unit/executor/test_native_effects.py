"""What natives put into the write stream, beside what the handlers of the same commands put there.

Idea: each plain form runs once alone, natively, and once in a transaction, by its handler; a transaction of one command
is no unit, so both leave the same. `conformance/test_propagation.py` compares with redis-server.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.core import Core
from tests.support.effects import Effect, KeptStream
from tests.unit.executor.test_native import SETUP, WRITES, Handlers, ask, core, handlers, named  # noqa: F401  (fixtures)

CHANCE = ("SPOP set",)
NOTHING = (
    "SETNX str v", "GETEX str", "EXPIRE none 10", "PERSIST str", "RPOP none", "HSETNX hash f 1", "ZPOPMAX none",
    "SETBIT str 9 1",
)  # fmt: skip
# Times, and the ids that are made of them.
MOMENT = re.compile(rb"1[0-9]{12}(-[0-9]+)?")


@pytest.fixture
def stream(core: Core) -> Iterator[KeptStream]:  # noqa: F811
    sink = KeptStream()
    core.on_executor(lambda: core.executor.dispatcher.propagation.add_sink(sink))
    yield sink
    core.on_executor(lambda: core.executor.dispatcher.propagation.remove_sink(sink))


def effects(
    core: Core, stream: KeptStream, *lines: str, handlers: Handlers | None = None  # noqa: F811
) -> list[Effect]:
    """What the requests propagate after SETUP; moments are all alike. `handlers` has those that they have called."""
    give: Any = core.executor.dispatcher.propagation.give
    ask(core, *SETUP)
    core.on_executor(give)
    if handlers is not None:
        handlers.called.clear()
    stream.data = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
    ask(core, *lines)
    core.on_executor(give)
    return [(database, tuple(MOMENT.sub(b"<moment>", word) for word in argv)) for database, argv in stream.effects()]


@pytest.mark.parametrize("line", sorted({*WRITES} - {*CHANCE}))
def test_natives_and_handlers_have_the_same_effect(
    core: Core, handlers: Handlers, stream: KeptStream, line: str  # noqa: F811
) -> None:
    handled = effects(core, stream, "MULTI", line, "EXEC", handlers=handlers)
    assert handlers.called == named(line)
    native = effects(core, stream, line, handlers=handlers)
    assert handlers.called == []
    assert [(database, (argv[0].upper(), *argv[1:])) for database, argv in native] == [
        (database, (argv[0].upper(), *argv[1:])) for database, argv in handled
    ]
    assert (native == []) == (line in NOTHING)


def test_a_member_that_was_drawn_is_named(core: Core, stream: KeptStream) -> None:  # noqa: F811
    ((database, argv),) = effects(core, stream, "SPOP set")
    assert (database, argv[:2]) == (0, (b"SREM", b"set")) and argv[2] in {b"a", b"b", b"c", b"1", b"2", b"3"}
    assert effects(core, stream, "SADD one " + "x" * 5000, "SPOP one")[1] == (0, (b"SREM", b"one", b"x" * 5000))


def test_each_native_is_in_its_own_database(core: Core, stream: KeptStream) -> None:  # noqa: F811
    found = effects(core, stream, "SELECT 1", "SET k v", "INCR n", "SELECT 0", "SET k v")
    assert found == [(1, (b"SET", b"k", b"v")), (1, (b"INCR", b"n")), (0, (b"SET", b"k", b"v"))]


@pytest.mark.parametrize("count", [1, 9, 10, 99, 2000])
def test_arguments_of_any_number_and_length(core: Core, stream: KeptStream, count: int) -> None:  # noqa: F811
    words = ["x" * length for length in range(1, count + 1)]
    assert effects(core, stream, "RPUSH rest " + " ".join(words)) == [
        (0, (b"RPUSH", b"rest", *(word.encode() for word in words)))
    ]
