"""Loading in slices: the order of pieces, the gate, the figures; RDB files as pieces."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.durability.rdb.writer import save
from mtredis.keyspace.database import Keyspace

from mtredis.durability import loading as module
from mtredis.durability.loading import LoadError, Loading, RdbPiece, rdb_pieces
from mtredis.ops.config import Config
from tests.support import rdb


class Stage:
    """An executor by hand: `rounds` runs what is due, each a millisecond later."""

    def __init__(self) -> None:
        self.now = 1000
        self.timers: list[tuple[int, Callable[[], None]]] = []
        self.gate: list[bool] = []
        self.ends: list[object] = []
        self.loading = Loading(lambda when, call: self.timers.append((when, call)), lambda: self.now, self.gate.append)

    def start(self, *pieces: Any) -> None:
        self.loading.start(pieces, lambda: self.ends.append("done"), self.ends.append)

    def round(self) -> None:
        self.now += 1
        due, self.timers = [call for when, call in self.timers if when <= self.now], []
        for call in due:
            call()


class Steps:
    """A piece of so many slices of 10 bytes; the one at `broken` raises."""

    def __init__(self, slices: int, broken: int = -1) -> None:
        self.total, self.done, self.slices, self.broken = 10 * slices, 0, slices, broken

    def run(self, budget_us: int) -> bool:
        if self.done == 10 * self.broken:
            raise LoadError("broken")
        self.done += 10
        return self.done >= self.total


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_pieces_are_loaded_one_slice_a_round(stage: Stage) -> None:
    stage.start(Steps(2), Steps(3))
    assert stage.gate == [True]
    for round_number in range(1, 5):
        stage.round()
        assert stage.ends == []
        assert (stage.loading.loaded, stage.loading.percent) == (10 * round_number, 20.0 * round_number)
    stage.round()
    assert stage.ends == ["done"]
    assert (stage.gate, stage.timers, stage.loading.is_active) == ([True, False], [], False)


def test_nothing_to_load_is_loaded_at_once(stage: Stage) -> None:
    stage.start()
    stage.round()
    assert (stage.ends, stage.gate) == (["done"], [True, False])


def test_a_broken_piece_leaves_the_gate_shut(stage: Stage) -> None:
    stage.start(Steps(1), Steps(3, broken=1), Steps(1))
    for _ in range(3):
        stage.round()
    assert [str(end) for end in stage.ends] == ["broken"]
    assert (stage.gate, stage.timers) == ([True], [])


def test_a_cancelled_loading_calls_nobody(stage: Stage) -> None:
    stage.start(Steps(3))
    stage.round()
    stage.loading.cancel()
    stage.round()
    assert (stage.ends, stage.gate, stage.timers) == ([], [True], [])


def test_everybody_may_wait(stage: Stage) -> None:
    stage.loading.run_now([Steps(2), Steps(3)])
    assert stage.gate == [True, False]
    with pytest.raises(LoadError):
        stage.loading.run_now([Steps(2, broken=0)])
    assert stage.gate == [True, False, True, False]


def test_figures_while_it_lasts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [5000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock[0], monotonic=lambda: clock[0]))
    assert stage.loading.statistics() == {}
    stage.start(Steps(4))
    stage.round()
    assert stage.loading.state() == {"loading": 1, "async_loading": 0}
    assert stage.loading.statistics() == {
        "loading_start_time": 5000, "loading_total_bytes": 40, "loading_rdb_used_mem": 0, "loading_loaded_bytes": 10,
        "loading_loaded_perc": "25.00", "loading_eta_seconds": 1,
    }  # fmt: skip
    clock[0] += 10.2
    assert stage.loading.statistics()["loading_eta_seconds"] == 10 * 30 // 11
    for _ in range(3):
        stage.round()
    assert stage.loading.statistics() == {}
    assert stage.loading.state() == {"loading": 0, "async_loading": 0}


def test_who_wants_to_know_hears_of_it_every_second(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, heard = [0.0], list[tuple[str, int]]()
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock[0], monotonic=lambda: clock[0]))
    stage.loading.on_status = lambda status, seconds: heard.append((status, seconds))
    stage.start(Steps(50))
    for _ in range(26):
        stage.round()
        clock[0] += 0.125
    assert [status for status, _ in heard] == [
        f"Loading: {percent}.0% of 500 bytes" for percent in (2, 18, 34, 50)
    ]
    assert {seconds for _, seconds in heard} == {module.STARTUP_EXTENSION}


# --- RDB files --------------------------------------------------------------------------------------------------------


class Host:
    """What an RdbPiece wants of a server."""

    def __init__(self) -> None:
        self.keyspace = Keyspace(16)
        self.config = Config()
        self.saver = SimpleNamespace(functions=[])
        self.loading = Stage().loading


def written(path: Path, keys: int, **options: Any) -> Keyspace:
    keyspace = Keyspace(16)
    for number in range(keys):
        keyspace[number % 3].set_string(b"key:%d" % number, b"value:%d" % number)
    path.write_bytes(save(keyspace, **options))
    return keyspace


def test_a_file_is_loaded_however_small_the_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEED", 100)
    monkeypatch.setattr(module, "STEP", 7)
    path = tmp_path / "a.rdb"
    keyspace = written(path, 500, aux={b"redis-ver": b"8.0.6", b"used-mem": b"12345", b"ctime": b"1"})
    host = Host()
    piece = RdbPiece(host, str(path))
    assert (piece.total, piece.done) == (path.stat().st_size, 0)
    slices = 1
    while not piece.run(50):
        assert piece.done <= piece.total
        slices += 1
    assert slices > 1 and piece.done == piece.total
    assert [len(host.keyspace[i]) for i in range(16)] == [len(keyspace[i]) for i in range(16)]
    assert host.keyspace[1].peek_string(b"key:1") == b"value:1"
    assert (host.loading.keys_loaded, host.loading.keys_expired, host.loading.used_memory) == (500, 0, 12345)


def test_keys_whose_time_is_over_are_left_out_unless_a_log_follows(tmp_path: Path) -> None:
    path = tmp_path / "a.rdb"
    gone = b"\xfc" + (1000).to_bytes(8, "little") + b"\x00" + rdb.string(b"gone") + rdb.string(b"v")
    path.write_bytes(rdb.file(gone, b"\x00" + rdb.string(b"here") + rdb.string(b"v")))
    for is_base, expected in ((False, (1, 1)), (True, (2, 0))):
        host = Host()
        assert RdbPiece(host, str(path), is_base=is_base).run(10**6)
        assert (host.loading.keys_loaded, host.loading.keys_expired) == expected
        assert len(host.keyspace[0]) == expected[0]


def test_function_libraries_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.rdb"
    path.write_bytes(rdb.file(b"\xf5" + rdb.string(b"#!lua name=x")))
    host = Host()
    assert RdbPiece(host, str(path)).run(10**6)
    assert host.saver.functions == [b"#!lua name=x"]


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda data: data[:-20], "too early"),
        (lambda data: b"", "too early"),
        (lambda data: b"nothing of that kind", "no RDB file"),
        (lambda data: data[:-3] + b"xyz", "checksum"),
        (lambda data: data[:9] + b"\xee" + data[10:], "offset 9"),
        (lambda data: data[:9] + b"\xfe\x40\xff" + data[11:], "more databases"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, spoil: Callable[[bytes], bytes], text: str) -> None:
    path = tmp_path / "a.rdb"
    written(path, 50)
    path.write_bytes(spoil(path.read_bytes()))
    piece = RdbPiece(Host(), str(path))
    with pytest.raises(LoadError, match=text) as caught:
        piece.run(10**6)
    assert f"The RDB file {path} cannot be loaded: " in str(caught.value) and "offset " in str(caught.value)


def test_a_wrong_checksum_may_be_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.rdb"
    written(path, 50)
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    host = Host()
    host.config.assign("rdbchecksum", False)
    assert RdbPiece(host, str(path)).run(10**6)
    assert host.loading.keys_loaded == 50


def test_a_delay_for_each_key_ends_the_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(
        module, "time", SimpleNamespace(time=lambda: clock[0], monotonic=lambda: clock[0], sleep=sleep)
    )
    path = tmp_path / "a.rdb"
    written(path, 20)
    host = Host()
    host.config.assign("key-load-delay", 4000)
    piece = RdbPiece(host, str(path))
    assert not piece.run(10_000)
    assert host.loading.keys_loaded == 3
    assert clock[0] == pytest.approx(100.008)
    host.config.assign("key-load-delay", 0)
    assert piece.run(10_000)
    assert host.loading.keys_loaded == 20


def test_the_pieces_of_a_configuration(tmp_path: Path) -> None:
    host = Host()
    host.config.assign("dir", str(tmp_path))
    assert rdb_pieces(host) == []
    written(tmp_path / "dump.rdb", 1)
    assert [piece.total for piece in rdb_pieces(host)] == [(tmp_path / "dump.rdb").stat().st_size]
    (tmp_path / "dump.rdb").unlink()
    (tmp_path / "dump.rdb").mkdir()
    with pytest.raises(LoadError, match="Is a directory"):
        rdb_pieces(host)
