"""The command table in C memory, seen through the requests that find their commands in it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mtredis.registry import table
from tests.support.core import Core, encode, publish_registry, receive_exactly


def entry(name: bytes, wire_name: bytes | None = None) -> tuple[bytes, Any, int, int, int]:
    return (name if wire_name is None else wire_name, SimpleNamespace(name=name, subcommands={}), -1, 0, 0)


@pytest.fixture
def _restored() -> Iterator[None]:
    yield
    publish_registry()


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("where", [0, 1])
def test_a_name_that_does_not_fit_is_refused(where: int) -> None:
    names = [b"short", b"short"]
    names[where] = b"x" * 40
    with pytest.raises(ValueError, match="does not fit"):
        table.publish([entry(*names)])
    with pytest.raises(ValueError, match="does not fit"):
        table.publish([entry(b"", b"short")])
    table.publish([entry(b"y" * 39, b"x" * 39)])
    assert set(table.statistics()) == {b"y" * 39}


@pytest.mark.usefixtures("_restored")
def test_there_is_room_for_512_commands() -> None:
    table.publish([entry(b"c%d" % i) for i in range(512)])
    assert len(table.statistics()) == 512
    with pytest.raises(ValueError, match="more than 512 commands"):
        table.publish([entry(b"c%d" % i) for i in range(513)])


class Names:
    """Asks a running core which of its commands a name finds."""

    def __init__(self, core: Core, commands: list[bytes], hidden: list[bytes]) -> None:
        def handler(name: bytes) -> Any:
            return lambda ctx, argv: ctx.reply.bulk(name)

        self.kept = [
            SimpleNamespace(name=name, subcommands={}, handler=handler(name), flags=0, id=number)
            for number, name in enumerate(commands + hidden)
        ]
        table.publish([
            (b"" if command.name in hidden else command.name, command, -1, 0, 0) for command in self.kept
        ])  # fmt: skip
        self.client = core.connect()

    def find(self, name: bytes) -> bytes | None:
        self.client.sendall(encode(name))
        line = b""
        while not line.endswith(b"\r\n"):
            line += receive_exactly(self.client, 1)
        if line.startswith(b"-ERR unknown command"):
            return None
        return receive_exactly(self.client, int(line[1:]) + 2)[:-2]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    made = Core(tmp_path)
    yield made
    made.close()
    publish_registry()


def test_names_are_found_in_any_case_whole_and_alone(core: Core) -> None:
    # the same first and last eight bytes and the same length: one bucket for all of them
    colliding = [b"abcdefgh" + bytes((letter,)) * 8 + b"abcdefgh" for letter in b"klmnopqrst"]
    names = [b"a", b"ab", b"abcdefgh", b"abcdefghi", b"get2", b"z" * 39, b"with|bar", b"x_y", *colliding]
    asked = Names(core, names, [])
    for name in names:
        for written in (name, name.upper(), name.title(), name.swapcase()):
            assert asked.find(written) == name
    for missing in (b"b", b"abc", b"abcdefg", b"abcdefghij", b"z" * 38, b"z" * 40, b"z" * 300, b"abcdefgh" * 3):
        assert asked.find(missing) is None
    asked.client.close()


def test_folding_the_case_makes_no_two_names_one(core: Core) -> None:
    """`@` and backquote, `[` and `{` differ in the case bit, too, but are no letters."""
    asked = Names(core, [b"a@b", b"c{d"], [])
    assert asked.find(b"A@B") == b"a@b"
    assert asked.find(b"a`b") is None
    assert asked.find(b"C[D") is None
    asked.client.close()


def test_subcommands_are_no_commands(core: Core) -> None:
    asked = Names(core, [b"config"], [b"config|get"])
    assert asked.find(b"config") == b"config"
    assert asked.find(b"config|get") is None
    assert asked.find(b"") is None
    asked.client.close()


def test_only_calls_of_the_real_table_count(core: Core) -> None:
    asked = Names(core, [b"one", b"two"], [])
    for _ in range(3):
        asked.find(b"ONE")
    counts = core.on_executor(table.statistics)
    assert (counts[b"one"][0], counts[b"two"][0]) == (3, 0)
    core.on_executor(table.reset_statistics)
    assert core.on_executor(table.statistics)[b"one"][0] == 0
    asked.client.close()
