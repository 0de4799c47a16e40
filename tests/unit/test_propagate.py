"""The write stream: databases, units, sinks that come and go."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtredis.propagate import Propagation, Sink

from tests.support.effects import NO_DATABASE, Effect, KeptStream, effects_in

MULTI, EXEC = (NO_DATABASE, (b"MULTI",)), (NO_DATABASE, (b"EXEC",))


@pytest.fixture
def stream() -> Any:
    """A propagation and a sink that reads it."""
    propagation = Propagation()
    sink = KeptStream()
    propagation.add_sink(sink)
    return propagation, sink


def test_without_a_sink_nothing_is_kept() -> None:
    propagation = Propagation()
    assert not propagation.is_on
    propagation.append(0, [b"SET", b"k", b"v"])
    sink = KeptStream()
    propagation.add_sink(sink)
    propagation.give()
    assert propagation.is_on and sink.data == b"" and propagation.offset == 0


def test_a_command_is_encoded_as_a_request_behind_its_database(stream: Any) -> None:
    propagation, sink = stream
    propagation.append(3, [b"SET", b"k", 5])
    propagation.append(3, (b"DEL", b"k"))
    propagation.append(0, [b"SET", b"", b"\r\n"])
    assert sink.data == b""
    propagation.give()
    assert sink.data == (
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n5\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n"
    )
    assert propagation.offset == len(sink.data)


def test_several_commands_of_a_unit_are_a_transaction(stream: Any) -> None:
    propagation, sink = stream
    propagation.append(0, [b"A"])
    propagation.begin()
    propagation.append(0, [b"B"])
    propagation.begin()   # a command of an EXEC
    propagation.append(1, [b"C"])
    propagation.end()
    propagation.end()
    propagation.begin()
    propagation.append(1, [b"D"])
    propagation.end()
    propagation.begin()
    propagation.end()
    propagation.append(1, [b"E"])
    propagation.give()
    assert sink.effects() == [(0, (b"A",)), MULTI, (0, (b"B",)), (1, (b"C",)), EXEC, (1, (b"D",)), (1, (b"E",))]


def test_inside_a_unit_only_what_was_before_it_is_given(stream: Any) -> None:
    propagation, sink = stream
    propagation.append(0, [b"A"])
    propagation.begin()
    propagation.append(0, [b"B"])
    propagation.give()
    assert sink.effects() == [(0, (b"A",))]
    propagation.give()
    propagation.append(0, [b"C"])
    propagation.end()
    assert sink.data == b""
    propagation.give()
    assert [argv for _, argv in sink.effects()] == [(b"MULTI",), (b"B",), (b"C",), (b"EXEC",)]


def test_a_new_sink_begins_with_a_database_and_an_old_one_has_all_until_it_goes(stream: Any) -> None:
    propagation, first = stream
    propagation.append(2, [b"A"])
    second = KeptStream()
    propagation.add_sink(second)
    propagation.append(2, [b"B"])
    propagation.remove_sink(first)
    propagation.append(2, [b"C"])
    propagation.restart()   # a new file, for example
    propagation.append(2, [b"D"])
    propagation.give()
    assert first.effects() == [(2, (b"A",)), (2, (b"B",))]
    assert second.data.count(b"SELECT") == 2
    assert second.effects() == [(2, (b"B",)), (2, (b"C",)), (2, (b"D",))]
    propagation.remove_sink(second)
    assert not propagation.is_on


def test_half_a_unit_goes_with_the_last_sink(stream: Any) -> None:
    propagation, sink = stream
    propagation.begin()
    propagation.append(0, [b"A"])
    propagation.remove_sink(sink)
    propagation.add_sink(sink)
    propagation.append(0, [b"B"])
    propagation.end()
    propagation.give()
    assert sink.effects() == [(0, (b"B",))]


class FailingSink(Sink):
    """Takes nothing."""

    def take(self, data: bytes) -> None:
        raise OSError("the disk is full")


def test_what_a_sink_raises_is_passed_on_and_its_data_is_gone() -> None:
    propagation = Propagation()
    propagation.add_sink(FailingSink())
    propagation.append(0, [b"A"])
    with pytest.raises(OSError, match="the disk is full"):
        propagation.give()
    propagation.give()


def test_a_stream_with_half_a_command_is_broken_until_it_begins_anew(stream: Any) -> None:
    propagation, sink = stream
    told: list[bool] = []
    propagation.on_broken = lambda: told.append(True)
    propagation.append(0, [b"A"])
    for _ in range(2):
        with pytest.raises(TypeError):
            propagation.append(0, [b"SET", b"k", "no bytes"])
    propagation.append(0, [b"B"])
    propagation.give()
    assert propagation.is_broken and told == [True] and sink.data == b""
    propagation.restart()
    propagation.append(0, [b"C"])
    propagation.give()
    assert not propagation.is_broken and sink.effects() == [(0, (b"C",))]


def test_a_large_buffer_is_not_kept(stream: Any) -> None:
    propagation, sink = stream
    for size in (1 << 22, 10):
        propagation.append(0, [b"SET", b"k", b"x" * size])
        propagation.give()
    assert [len(argv[2]) for _, argv in sink.effects()] == [1 << 22, 10]


COMMANDS = st.tuples(st.integers(0, 15), st.lists(st.binary(max_size=20), min_size=1, max_size=4))


@given(units=st.lists(st.tuples(st.lists(COMMANDS, max_size=4), st.booleans())))
def test_the_stream_says_what_was_put_in(units: list[tuple[list[tuple[int, list[bytes]]], bool]]) -> None:
    propagation, sink = Propagation(), KeptStream()
    propagation.add_sink(sink)
    expected: list[Effect] = []
    for commands, is_given in units:
        propagation.begin()
        for database, argv in commands:
            propagation.append(database, [b"X", *argv])
        propagation.end()
        effects = [(database, (b"X", *argv)) for database, argv in commands]
        expected += [MULTI, *effects, EXEC] if len(effects) > 1 else effects
        if is_given:
            propagation.give()
    propagation.give()
    assert effects_in(sink.data) == expected
