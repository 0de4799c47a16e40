"""When snapshots are written and what becomes of them, with a clock and a snapshot thread by hand."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.durability.rdb.reader import Reader
from mtredis.keyspace.database import Keyspace

from mtredis.durability import saving
from mtredis.durability.saving import BGSAVE_FAILED, Saver
from mtredis.durability.snapshots import Snapshots
from mtredis.ops.config import Config


class Host:
    """What a Saver wants of a server. `step` waits for the snapshot thread and lets the executor hear of it."""

    def __init__(self, folder: Path, clock: list[float]) -> None:
        self.clock = clock
        self.calls: list[Callable[[], None]] = []
        self.config = Config()
        self.config.assign("dir", str(folder))
        self.config.assign("save", ((60, 5), (10, 100)))
        self.keyspace = Keyspace(16)
        self.context = SimpleNamespace(dirty=0)
        self.memory = SimpleNamespace(used=lambda: 4711)
        self.loading = SimpleNamespace(keys_loaded=1, keys_expired=2)
        self.redis_version = "8.0.6"
        self.snapshots = Snapshots(self.calls.append)
        self.saver = Saver(self)
        self.changes_of_status = 0
        self.saver.on_status_change = self._note

    def _note(self) -> None:
        self.changes_of_status += 1

    def step(self) -> None:
        assert self.snapshots.wait(30)

    def cron(self, seconds: float = 0) -> bool:
        """Whether a save has begun after so many seconds."""
        self.clock[0] += seconds
        self.saver.cron(int(self.clock[0] * 1000))
        return self.saver.is_saving

    def write(self, key: bytes, value: bytes = b"v") -> None:
        self.keyspace[0].set_string(key, value)
        self.context.dirty += 1


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    clock = [10_000.0]
    monkeypatch.setattr(saving, "time", SimpleNamespace(time=lambda: clock[0]))
    return Host(tmp_path, clock)


def keys_in(path: Path) -> set[bytes]:
    keyspace = Keyspace(16)
    reader = Reader(keyspace)
    reader.feed(path.read_bytes())
    reader.finish()
    return set(keyspace[0].keys())


def break_disk(host: Host) -> None:
    """Nothing can be written: the folder is gone."""
    host.config.assign("dir", host.config.dir + "/nosuch")


def mend_disk(host: Host) -> None:
    host.config.assign("dir", host.config.dir.removesuffix("/nosuch"))


# --- save points ------------------------------------------------------------------------------------------------------


def test_save_points(host: Host) -> None:
    assert not host.cron(1000)
    host.context.dirty = 4
    assert not host.cron(1000)
    host.context.dirty = 5
    assert host.cron()
    host.step()
    assert host.saver.changes == 0
    host.context.dirty += 99
    assert not host.cron(60)
    assert host.cron(1)
    host.step()
    host.context.dirty += 100
    assert not host.cron(10)
    assert host.cron(1)
    host.step()
    assert host.saver.saves == 3


def test_without_save_points_nothing_is_saved(host: Host) -> None:
    host.config.assign("save", ())
    host.context.dirty = 10**6
    assert not host.cron(10**6)


def test_there_is_one_snapshot_at_a_time(host: Host) -> None:
    host.context.dirty = 1000
    assert host.cron(100)
    host.context.dirty = 2000
    assert host.cron(100)
    assert host.saver.saves == 1
    host.step()
    assert host.saver.changes == 1000   # those since it was begun


def test_a_scheduled_save_waits_for_the_snapshot_under_way(host: Host) -> None:
    done = threading.Event()
    other = SimpleNamespace(
        begin=lambda: None, write=lambda: done.wait(30), abort=done.set, finish=lambda: None, keys=0, keys_total=0,
        kept=0, kept_peak=0,
    )  # fmt: skip
    host.snapshots.start(other, lambda error: None, "aof")
    host.saver.is_scheduled = True
    assert not host.cron(100)
    done.set()
    host.step()
    assert host.cron()
    assert not host.saver.is_scheduled
    host.step()


# --- what becomes of it -----------------------------------------------------------------------------------------------


def test_a_background_save(host: Host, tmp_path: Path) -> None:
    host.write(b"a")
    assert host.saver.background_save()
    assert host.saver.statistics()["rdb_current_bgsave_time_sec"] == 0
    host.write(b"b")
    host.clock[0] += 3
    host.step()
    assert keys_in(tmp_path / "dump.rdb") == {b"a"}
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    assert host.saver.statistics() == {
        "rdb_changes_since_last_save": 1, "rdb_bgsave_in_progress": 0, "rdb_last_save_time": 10_003,
        "rdb_last_bgsave_status": "ok", "rdb_last_bgsave_time_sec": 3, "rdb_current_bgsave_time_sec": -1,
        "rdb_saves": 1, "rdb_last_cow_size": 0, "rdb_last_load_keys_expired": 2, "rdb_last_load_keys_loaded": 1,
    }  # fmt: skip


def test_a_save_at_once(host: Host, tmp_path: Path) -> None:
    host.write(b"a")
    host.clock[0] += 7
    assert host.saver.save()
    assert keys_in(tmp_path / "dump.rdb") == {b"a"}
    assert (host.saver.changes, host.saver.last_save) == (0, 10_007)
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]


def test_what_the_file_says_of_itself(host: Host) -> None:
    assert host.saver.aux() == [
        (b"redis-ver", b"8.0.6"), (b"redis-bits", b"64"), (b"ctime", b"10000"), (b"used-mem", b"4711"),
        (b"aof-base", b"0"),
    ]  # fmt: skip
    assert host.saver.aux(is_base=True)[-1] == (b"aof-base", b"1")


def test_function_libraries_that_were_loaded_are_saved(host: Host, tmp_path: Path) -> None:
    host.saver.functions = [b"#!lua name=x"]
    assert host.saver.save()
    reader = Reader(Keyspace(16))
    reader.feed((tmp_path / "dump.rdb").read_bytes())
    reader.finish()
    assert reader.functions == [b"#!lua name=x"]


def test_a_failure_is_told_and_tried_again_after_a_while(host: Host) -> None:
    break_disk(host)
    host.context.dirty = 1000
    assert host.cron(100)
    host.step()
    assert (host.saver.is_failing, host.changes_of_status) == (True, 1)
    assert host.saver.statistics()["rdb_last_bgsave_status"] == "err"
    assert host.saver.changes == 1000
    assert host.saver.refusal == BGSAVE_FAILED
    assert not host.cron(5)
    assert host.cron(1)
    host.step()
    mend_disk(host)
    assert not host.cron(5)
    assert host.cron(1)
    host.step()
    assert (host.saver.is_failing, host.changes_of_status, host.saver.refusal) == (False, 2, None)
    assert host.saver.saves == 3


def test_writes_are_refused_only_where_that_was_asked_for(host: Host) -> None:
    host.saver.is_failing = True
    assert host.saver.refusal == BGSAVE_FAILED
    host.config.assign("save", ())
    assert host.saver.refusal is None
    host.config.assign("save", ((1, 1),))
    host.config.assign("stop-writes-on-bgsave-error", False)
    assert host.saver.refusal is None


def test_a_save_at_once_that_fails_blames_nobody_but_leaves_the_file(host: Host, tmp_path: Path) -> None:
    host.write(b"a")
    assert host.saver.save()
    host.write(b"b")
    break_disk(host)
    assert not host.saver.save()
    assert not host.saver.is_failing
    assert host.saver.changes == 1
    assert keys_in(tmp_path / "dump.rdb") == {b"a"}


def test_a_name_that_cannot_be_taken_leaves_no_temporary_file(host: Host, tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").mkdir()
    (tmp_path / "dump.rdb" / "x").write_text("")
    assert not host.saver.save()
    assert host.saver.background_save()
    host.step()
    assert host.saver.is_failing
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]


def test_no_snapshot_can_be_begun(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(host.snapshots, "start", refuse)
    assert not host.saver.background_save()
    assert host.saver.is_failing


# --- FLUSHALL ---------------------------------------------------------------------------------------------------------


def test_flushall_takes_the_saved_data_along(host: Host, tmp_path: Path) -> None:
    host.write(b"a")
    assert host.saver.save()
    host.keyspace.flush(range(16)).free()
    host.context.dirty += 1
    host.saver.flushed()
    assert keys_in(tmp_path / "dump.rdb") == set()
    assert host.saver.changes == 0


def test_flushall_without_save_points_leaves_the_file(host: Host, tmp_path: Path) -> None:
    host.write(b"a")
    assert host.saver.save()
    host.config.assign("save", ())
    host.keyspace.flush(range(16)).free()
    host.saver.flushed()
    assert keys_in(tmp_path / "dump.rdb") == {b"a"}


@pytest.mark.parametrize("delay", [0, 1_000_000])
def test_flushall_ends_the_save_under_way(host: Host, tmp_path: Path, delay: int) -> None:
    for number in range(100):
        host.write(b"%d" % number)
    host.config.assign("rdb-key-save-delay", delay)
    assert host.saver.background_save()
    host.config.assign("rdb-key-save-delay", 0)
    host.keyspace.flush(range(16)).free()
    host.saver.flushed()
    assert host.saver.is_saving   # until its thread has left
    host.step()
    assert keys_in(tmp_path / "dump.rdb") == set()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    assert (host.saver.is_failing, host.saver.changes) == (False, 0)


# --- temporary files --------------------------------------------------------------------------------------------------


def test_temporary_files_of_the_dead_are_removed(host: Host, tmp_path: Path) -> None:
    gone = 2**22 + 5   # above the largest process id
    mine = [f"temp-{os.getpid()}.rdb", f"temp-{gone}.rdb", f"temp-{gone}-now.rdb"]
    others = [f"temp-{os.getppid()}.rdb", "temp-x.rdb", "temp-1.rdb.bak", "dump.rdb"]
    for name in (*mine, *others):
        (tmp_path / name).write_text("x")
    host.saver.remove_stale()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_progress(host: Host) -> None:
    assert set(map(str, host.saver.progress().values())) == {"0", "0.00"}
    for number in range(10):
        host.write(b"%d" % number)
    host.config.assign("rdb-key-save-delay", 50_000_000)
    assert host.saver.background_save()
    progress = host.saver.progress()
    assert progress["current_save_keys_total"] == 10
    assert 0 <= int(str(progress["current_save_keys_processed"])) <= 1
    host.saver.abort()
    host.step()
    assert host.saver.progress()["current_save_keys_total"] == 0
