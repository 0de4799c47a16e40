"""Logs that are read: whole, cut off at every byte, broken, with transactions, annotations and large values."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtredis.durability.aof.replay import AofPiece, Player

from mtredis.durability.loading import LoadError
from mtredis.registry import command as registry
from mtredis.registry import table
from tests.support.resp import encode, encode_all

type Command = tuple[Any, ...]

COMMANDS: list[Command] = [
    ("SELECT", 0), ("SET", "key", "value"), ("MULTI",), ("INCR", "n"), ("RPUSH", "l", "a", ""), ("EXEC",),
    ("SET", b"\r\n$1", b"*1\r\n"), ("multi",), ("DEL", "key"), ("Exec",), ("SADD", "s", "x" * 50),
]  # fmt: skip


FRAGMENTS = [b"*1\r\n", b"*2\r\n", b"$1\r\n", b"$0\r\n", b"a\r\n", b"\r\n", b"#\r\n", b"$5\r\nMULTI\r\n"]


class Kept(Player):
    """A player that keeps what it is told."""

    def __init__(self) -> None:
        self.commands: list[list[bytes]] = []

    def execute(self, argv: list[bytes]) -> None:
        self.commands.append(argv)


def words(commands: list[Command]) -> list[list[bytes]]:
    """What a player sees of them: all but the brackets of transactions."""
    flat = [[word if isinstance(word, bytes) else str(word).encode() for word in command] for command in commands]
    return [argv for argv in flat if argv[0].lower() not in (b"multi", b"exec")]


def load(path: Path, *, truncate: bool = True, budget: int = 10**9, **options: Any) -> Kept:
    player = Kept()
    piece = AofPiece(player, str(path), may_truncate=lambda: truncate, **options)
    assert piece.total == path.stat().st_size
    while not piece.run(budget):
        assert piece.done <= piece.total
    return player


def whole_before(offset: int) -> tuple[int, list[list[bytes]]]:
    """The last offset at which the log could be cut without loss, and the commands before it."""
    good, at, done, pending = 0, 0, [], []
    in_transaction = False
    for command in COMMANDS:
        at += len(encode(*command))
        if at > offset:
            break
        name = str(command[0]).lower()
        in_transaction = (in_transaction or name == "multi") and name != "exec"
        pending.append(command)
        if not in_transaction:
            good, done = at, [*done, *pending]
            pending = []
    return good, words(done)


def test_a_log_is_executed_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"#TS:1\r\n" + encode_all(COMMANDS) + b"#TS:2\r\n")
    assert load(path).commands == words(COMMANDS)
    path.write_bytes(b"")
    assert load(path).commands == []


def test_a_log_that_is_cut_off_anywhere_is_cut_back_to_what_is_whole(tmp_path: Path) -> None:
    path, data = tmp_path / "log", encode_all(COMMANDS)
    for offset in range(len(data) + 1):
        path.write_bytes(data[:offset])
        good, done = whole_before(offset)
        if good != offset:
            with pytest.raises(LoadError, match="Unexpected end of file reading the append only file log"):
                load(path, truncate=False)
            assert path.stat().st_size == offset
        assert load(path).commands == done, offset
        assert path.read_bytes() == data[:good]


def test_only_the_last_file_is_cut_back(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(encode_all(COMMANDS)[:-1])
    with pytest.raises(LoadError, match="the truncated file is not the last file"):
        load(path, is_last=False)
    assert path.read_bytes() == encode_all(COMMANDS)[:-1]


@pytest.mark.parametrize(
    ("tail", "at"),
    [
        (b"garbage", 0), (b"\0", 0), (b"*x\r\n", 1), (b"*0\r\n", 0), (b"*-1\r\n", 1), (b"*1\n", 2), (b"*1\r\r", 3),
        (b"*1\r\n+x\r\n", 4), (b"*1\r\n$x\r\n", 5), (b"*1\r\n$-1\r\n", 5), (b"*1\r\n$1\r\nab\r\n", 9),
        (b"*1\r\n$99999999999999\r\n", 4), (b"*1\r\n$1\r\na\rx", 9), (b"#" + b"x" * 2000, 0),
    ],
)  # fmt: skip
def test_garbage_is_refused_with_its_offset(tmp_path: Path, tail: bytes, at: int) -> None:
    path, head = tmp_path / "log", encode_all(COMMANDS)
    path.write_bytes(head + tail + encode("SET", "k", "v"))
    player = Kept()
    piece = AofPiece(player, str(path), may_truncate=lambda: True)
    with pytest.raises(LoadError, match=rf"^Bad file format reading .* log at offset {len(head) + at}:"):
        piece.run(10**9)
    assert player.commands == words(COMMANDS)


def test_a_log_begins_behind_its_preamble(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"preamble" + encode_all(COMMANDS) + b"*1\r\n$4")
    assert load(path, start=8).commands == words(COMMANDS)
    assert path.read_bytes() == b"preamble" + encode_all(COMMANDS)


def test_large_values_and_large_transactions(tmp_path: Path) -> None:
    """More than one read brings: values, commands of many words, transactions."""
    path = tmp_path / "log"
    commands: list[Command] = [
        ("SET", "k", "x" * 3_000_000), ("RPUSH", "l", *range(400_000)), ("SET", "k", "y"), ("MULTI",),
        *[("SET", number, "z" * 100) for number in range(30_000)], ("EXEC",), ("SET", "last", "one"),
    ]  # fmt: skip
    path.write_bytes(encode_all(commands))
    assert load(path).commands == words(commands)
    path.write_bytes(encode_all(commands[:-2]))
    assert load(path).commands == words(commands[:3])


def test_work_is_done_in_slices(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(encode_all(COMMANDS) * 5000)
    player = Kept()
    piece = AofPiece(player, str(path))
    slices = 1
    while not piece.run(500):
        slices += 1
    assert slices > 3 and len(player.commands) == 5000 * len(words(COMMANDS))


def test_a_delay_after_each_command(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(encode_all(COMMANDS))
    player = Kept()
    piece = AofPiece(player, str(path), delay=lambda: 20_000)
    assert not piece.run(1000) and len(player.commands) == 1
    assert not piece.run(1000) and len(player.commands) == 1
    while not piece.run(10**6):
        continue
    assert player.commands == words(COMMANDS)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"can't open the append log file none for reading: No such file"):
        AofPiece(Kept(), str(tmp_path / "none"))


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.lists(st.sampled_from(FRAGMENTS), max_size=20).map(b"".join))
def test_hostile_logs_do_no_harm(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("hostile") / "log"
    path.write_bytes(data)
    try:
        player = load(path)
    except LoadError:
        return
    left = path.read_bytes()
    assert data.startswith(left)
    assert load(path).commands == player.commands and path.read_bytes() == left


@pytest.fixture(autouse=True, scope="module")
def commands_are_published() -> None:
    """Names are looked up when a log is read."""
    if not registry.REGISTRY.commands:
        registry.load_families()
    assert table is not None
