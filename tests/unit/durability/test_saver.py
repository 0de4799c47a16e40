"""A point in time in a file: what is in it, what happens when it cannot be written."""

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mtredis.durability.rdb.reader import Reader
from mtredis.durability.rdb.writer import save
from mtredis.durability.saver import FREQUENCIES, IDLE_TIMES, SaveError, SnapshotFile
from mtredis.keyspace.database import Keyspace

NOW = 1_700_000_000_000


@pytest.fixture
def keyspace() -> Keyspace:
    made = Keyspace(16)
    made.now = NOW
    return made


def fill(keyspace: Keyspace, keys: int = 3000, size: int = 10) -> None:
    for number in range(keys):
        keyspace[number % 3].set_string(b"key:%d" % number, b"%d-" % number * size)


def all_keys(database: Any) -> list[bytes]:
    keys: list[bytes] = database.keys()
    return keys


def read(data: bytes) -> tuple[Reader, dict[tuple[int, bytes], bytes]]:
    keyspace = Keyspace(16)
    keyspace.now = NOW
    reader = Reader(keyspace, total=len(data))
    reader.feed(data)
    reader.finish()
    found = {
        (index, key): keyspace[index].peek_string(key) for index in range(16) for key in all_keys(keyspace[index])
    }
    return reader, found


def contents(keyspace: Keyspace) -> dict[tuple[int, bytes], bytes]:
    return {(index, key): keyspace[index].peek_string(key) for index in range(16) for key in all_keys(keyspace[index])}


def run(file: SnapshotFile, way: str) -> None:
    if way == "now":
        file.write_now()
        return
    file.begin()
    try:
        file.write()
    finally:
        file.finish()


WAYS = pytest.mark.parametrize("way", ["now", "snapshot"])


@WAYS
def test_the_file_has_all_keys_and_what_was_to_be_said_of_it(tmp_path: Path, keyspace: Keyspace, way: str) -> None:
    fill(keyspace)
    file = SnapshotFile(keyspace, str(tmp_path / "a.rdb"), aux=[(b"a", b"b"), (b"c", b"")], functions=[b"code"])
    run(file, way)
    data = (tmp_path / "a.rdb").read_bytes()
    reader, found = read(data)
    assert found == contents(keyspace)
    assert (reader.aux, reader.functions, reader.has_checksum) == ({b"a": b"b", b"c": b""}, [b"code"], True)
    assert (file.size, file.keys, file.keys_total, file.is_whole) == (len(data), 3000, 3000, True)
    assert (tmp_path / "a.rdb").stat().st_mode & 0o777 == 0o644


@WAYS
def test_it_is_the_file_that_the_codec_makes(tmp_path: Path, keyspace: Keyspace, way: str) -> None:
    fill(keyspace, 500, 30)
    for compress, checksum in ((True, True), (False, False)):
        file = SnapshotFile(keyspace, str(tmp_path / "a.rdb"), compress=compress, checksum=checksum)
        run(file, way)
        data = (tmp_path / "a.rdb").read_bytes()
        reader, found = read(data)
        assert found == contents(keyspace)
        assert reader.has_checksum is checksum
        assert len(data) == len(save(keyspace, compress=compress, with_checksum=checksum))


@WAYS
def test_an_empty_keyspace_is_an_empty_file(tmp_path: Path, keyspace: Keyspace, way: str) -> None:
    run(SnapshotFile(keyspace, str(tmp_path / "a.rdb")), way)
    assert (tmp_path / "a.rdb").read_bytes()[:10] == b"REDIS0012\xff"


@WAYS
def test_more_than_a_piece_is_written_in_steps(tmp_path: Path, keyspace: Keyspace, way: str) -> None:
    fill(keyspace, 300)
    for number in range(9):
        keyspace[0].set_string(b"big%d" % number, bytes([number]) * 2_500_000)
    for sync_every in (0, 1 << 20, 4 << 20):
        file = SnapshotFile(keyspace, str(tmp_path / "a.rdb"), compress=False, sync_every=sync_every)
        run(file, way)
        assert read((tmp_path / "a.rdb").read_bytes())[1] == contents(keyspace)


@WAYS
def test_the_use_of_keys_is_kept_if_it_is_asked_for(tmp_path: Path, keyspace: Keyspace, way: str) -> None:
    keyspace[0].set_string(b"k", b"v")
    keyspace.now = NOW + 70_000
    run(SnapshotFile(keyspace, str(tmp_path / "a.rdb"), usage=IDLE_TIMES), way)
    assert b"\xf8\x40\x46\x00\x01k\x01v" in (tmp_path / "a.rdb").read_bytes()   # 70 seconds
    keyspace.lfu = True
    keyspace[0].set_string(b"k", b"v")
    run(SnapshotFile(keyspace, str(tmp_path / "a.rdb"), usage=FREQUENCIES), way)
    frequency = (tmp_path / "a.rdb").read_bytes().split(b"\xf9")[1][0]
    assert frequency == keyspace[0].frequency(b"k")
    run(SnapshotFile(keyspace, str(tmp_path / "a.rdb")), way)
    assert not {0xF8, 0xF9} & set((tmp_path / "a.rdb").read_bytes()[9:-9])


def test_a_snapshot_is_of_the_moment_of_its_begin(tmp_path: Path, keyspace: Keyspace) -> None:
    fill(keyspace)
    before = contents(keyspace)
    file = SnapshotFile(keyspace, str(tmp_path / "a.rdb"))
    file.begin()
    for number in range(0, 3000, 2):
        keyspace[number % 3].set_string(b"key:%d" % number, b"new")
    for number in range(0, 3000, 3):
        keyspace[number % 3].delete(b"key:%d" % number)
    fill(keyspace, 9000)
    keyspace.swap(0, 1)
    keyspace.flush([2]).free()
    thread = threading.Thread(target=file.write)
    thread.start()
    thread.join()
    file.finish()
    assert read((tmp_path / "a.rdb").read_bytes())[1] == before
    assert file.kept_peak > 0
    assert file.keys_total == 3000


def test_what_was_not_begun_is_not_written(tmp_path: Path, keyspace: Keyspace) -> None:
    file = SnapshotFile(keyspace, str(tmp_path / "a.rdb"))
    with pytest.raises(SaveError, match="begun"):
        file.write()
    file.finish()
    assert list(tmp_path.iterdir()) == []


def test_two_snapshots_at_a_time_are_one_too_many(tmp_path: Path, keyspace: Keyspace) -> None:
    fill(keyspace)
    first, second = (SnapshotFile(keyspace, str(tmp_path / name)) for name in "ab")
    first.begin()
    with pytest.raises(SaveError):
        second.begin()
    second.finish()
    first.finish()   # without a word written
    second.begin()
    second.write()
    second.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


# --- what can go wrong ------------------------------------------------------------------------------------------------


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """No file can become longer: write(2) says EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@WAYS
@pytest.mark.parametrize("limit", [0, 5000, 3 << 20])
def test_a_disk_that_takes_no_more_leaves_no_file(tmp_path: Path, keyspace: Keyspace, way: str, limit: int) -> None:
    fill(keyspace, 30_000, 20)
    file = SnapshotFile(keyspace, str(tmp_path / "a.rdb"), compress=False)
    with longest_file(limit), pytest.raises(OSError, match="File too large") as caught:
        run(file, way)
    assert (caught.value.filename, file.operation, file.is_whole) == (str(tmp_path / "a.rdb"), "write", False)
    assert list(tmp_path.iterdir()) == []
    again = SnapshotFile(keyspace, str(tmp_path / "a.rdb"))
    run(again, way)
    assert read((tmp_path / "a.rdb").read_bytes())[1] == contents(keyspace)


@WAYS
def test_a_folder_that_is_not_there(tmp_path: Path, keyspace: Keyspace, way: str) -> None:
    fill(keyspace)
    file = SnapshotFile(keyspace, str(tmp_path / "nosuch" / "a.rdb"))
    with pytest.raises(FileNotFoundError):
        run(file, way)
    assert (file.operation, file.is_whole) == ("open", False)


def test_an_aborted_snapshot_leaves_no_file(tmp_path: Path, keyspace: Keyspace) -> None:
    fill(keyspace)
    for delay in (0, 1_000_000):
        file = SnapshotFile(keyspace, str(tmp_path / "a.rdb"), key_delay=delay)
        errors: list[Any] = []

        def write(file: SnapshotFile = file, errors: list[Any] = errors) -> None:
            try:
                file.write()
            except SaveError as failure:
                errors.append(failure)

        file.begin()
        thread = threading.Thread(target=write)
        if not delay:
            file.abort()
        thread.start()
        file.abort()
        thread.join(30)
        assert not thread.is_alive()
        file.finish()
        assert [error.is_aborted for error in errors] == [True]
        assert list(tmp_path.iterdir()) == []
