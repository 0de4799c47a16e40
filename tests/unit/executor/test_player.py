"""Logs that are executed: what they change, and what nobody notices of it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mtredis.durability.aof.replay import AofPiece
from mtredis.executor.player import LogPlayer

from mtredis.durability.loading import LoadError
from mtredis.executor import admission
from mtredis.ops.config import Config
from mtredis.registry import table
from mtredis.server import Server
from tests.support.resp import Argument, encode_all

PAST, FUTURE = 1_000_000, 33177117420000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A whole server that does not run: this thread is its executor."""
    config = Config()
    config.assign("save", ())
    made = Server(config)
    yield made
    made.background.stop()


@pytest.fixture
def player(server: Server) -> LogPlayer:
    server.keyspace.flush(range(16)).free()
    server.player.rewind()
    return server.player


def play(player: LogPlayer, folder: Path, *requests: tuple[Argument, ...]) -> None:
    path = folder / "log"
    path.write_bytes(encode_all(requests))
    piece = AofPiece(player, str(path))
    while not piece.run(1_000_000):
        continue


def test_commands_change_what_they_would_change(server: Server, player: LogPlayer, tmp_path: Path) -> None:
    play(
        player, tmp_path, ("SET", "k", "v"), ("select", 3), ("SET", "n", 5), ("MULTI",), ("INCR", "n"),
        ("RPUSH", "l", "a", "b"), ("EXEC",), ("SET", "t", "v", "PXAT", FUTURE), ("XADD", "x", "5-1", "f", "v"),
        ("LMOVE", "l", "m", "LEFT", "RIGHT"), ("COPY", "n", "c"),
    )  # fmt: skip
    assert server.keyspace[0].peek_string(b"k") == b"v"
    database = server.keyspace[3]
    assert database.peek_string(b"n") == database.peek_string(b"c") == b"6"
    assert database.expire_at(b"t") == FUTURE and sorted(database.keys()) == [b"c", b"l", b"m", b"n", b"t", b"x"]
    player.rewind()
    play(player, tmp_path, ("SET", "other", "v"))
    assert server.keyspace[0].peek_string(b"other") == b"v"


def test_nothing_expires_meanwhile(server: Server, player: LogPlayer, tmp_path: Path) -> None:
    """A key whose time is over may be spoken of later in the log."""
    play(
        player, tmp_path, ("SET", "k", "v", "PXAT", PAST), ("APPEND", "k", "w"), ("PERSIST", "k"), ("SET", "gone", "v"),
        ("PEXPIREAT", "gone", PAST), ("HSET", "h", "f", "v", "g", "w"), ("HPEXPIREAT", "h", PAST, "FIELDS", 1, "f"),
        ("HPERSIST", "h", "FIELDS", 1, "f"), ("RPUSH", "l", "a"), ("PEXPIREAT", "l", PAST), ("RPUSH", "l", "b"),
        ("PEXPIREAT", "l", FUTURE),
    )  # fmt: skip
    database = server.keyspace[0]
    assert server.keyspace.expired == 0
    assert database.peek_string(b"k") == b"vw" and database.expire_at(b"k") == -1
    assert database.expire_at(b"gone") in (PAST, -2) and not database.exists(b"gone")
    assert database.expire_at(b"l") == FUTURE and database.contains(b"h")


def test_relative_times_count_from_now(server: Server, player: LogPlayer, tmp_path: Path) -> None:
    play(
        player, tmp_path, ("SETEX", "k", 100, "v"), ("SET", "p", "v"), ("PEXPIRE", "p", 100_000),
        ("SET", "s", "v", "EX", 100), ("SET", "t", "v", "nx", "px", 100_000),
    )  # fmt: skip
    now = int(time.time() * 1000)
    for key in (b"k", b"p", b"s", b"t"):
        assert now + 60_000 < server.keyspace[0].expire_at(key) <= now + 100_000


def test_nobody_notices(server: Server, player: LogPlayer, tmp_path: Path) -> None:
    """No command is counted or propagated, no event published, no gate in force; changes are counted."""
    heard: list[object] = []
    server.context.notifier = lambda *event: heard.append(event)
    server.shared.set_gate(server_gates(), True)
    executed, misses, dirty = server.dispatcher.commands, server.keyspace.misses, server.context.dirty
    calls = {name: (row.calls, row.failed) for name, row in statistics().items()}
    before = server.propagation.position
    try:
        play(player, tmp_path, ("SET", "k", "v"), ("GETSET", "k", "w"), ("SORT", "none", "STORE", "s"), ("DEL", "k"))
    finally:
        server.shared.set_gate(server_gates(), False)
        server.context.notifier = server.publish_event
    assert heard == [] and server.dispatcher.commands == executed and server.keyspace.misses == misses
    assert {name: (row.calls, row.failed) for name, row in statistics().items()} == calls
    assert server.context.dirty == dirty + 3 and server.propagation.position == before
    assert abs(server.keyspace.now - time.time() * 1000) < 60_000


def server_gates() -> int:
    return admission.NOTIFY | admission.LOADING_GATE | admission.DISK_ERROR | admission.MEMORY


class Row:
    """What is counted of a command."""

    def __init__(self, calls: int, failed: int) -> None:
        self.calls, self.failed = calls, failed


def statistics() -> dict[str, Row]:
    return {row[0]: Row(row[1], row[-1]) for row in map(tuple, table.statistics())}


def test_what_was_refused_is_told(
    server: Server, player: LogPlayer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    play(player, tmp_path, ("SET", "k", "v"), ("LPUSH", "k", "x"), ("HSET", "h", "f"), ("SET", "after", "v"))
    said = capfd.readouterr().out
    assert said.count("== CRITICAL == This server is sending an error to its AOF-loading-client") == 2
    assert "WRONGTYPE" in said and "after processing the command 'lpush'" in said
    assert server.keyspace[0].exists(b"after")


@pytest.mark.parametrize("name", ["NOSUCH", "OBJECT", "CONFIG"])
def test_an_unknown_command_ends_the_loading(player: LogPlayer, tmp_path: Path, name: str) -> None:
    with pytest.raises(LoadError, match=f"Unknown command '{name}' reading the append only file log"):
        play(player, tmp_path, ("SET", "k", "v"), (name, "nothing"))
