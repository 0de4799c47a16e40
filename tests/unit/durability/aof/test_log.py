"""The log's file: the policies, writes that fail in every way, what is kept and what is on disk.

Idea: files that really fail: /dev/full has no room, a limit on the size of files cuts writes short, a pipe that is full
takes a part and cannot be truncated or synced.
"""

import errno
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mtredis.durability.aof.log import AppendLog
from mtredis.propagate import Propagation


class Fatal(Exception):
    """Where the process would have ended."""


class Place:
    """A log behind a write stream, and what it told."""

    def __init__(self, policy: str = "no") -> None:
        self.log, self.stream = AppendLog(), Propagation()
        self.log.policy = policy
        self.syncs: list[tuple[int, int, bool]] = []
        self.errors: list[int] = []
        self.latencies: list[str] = []
        self.lost = self.heard = 0
        self.log.sync_soon = lambda *request: self.syncs.append(request)
        self.log.on_status = lambda: self.errors.append(self.log.error)
        self.log.on_fatal = self._die
        self.log.on_latency = lambda event, microseconds: self.latencies.append(event)
        self.log.on_synced = self._hear

    @staticmethod
    def _die(text: str) -> None:
        raise Fatal(text)

    def _hear(self) -> None:
        self.heard += 1

    def open(self, path: Path | str, flags: int = os.O_CREAT | os.O_APPEND) -> None:
        fd = os.open(path, os.O_WRONLY | flags, 0o644)
        size = os.fstat(fd).st_size
        self.log.open(fd, size, self.stream.offset)
        self.stream.add_sink(self.log)

    def put(self, *words: bytes) -> None:
        self.stream.append(0, list(words))
        self.stream.give()

    def done(self, error: int = 0) -> tuple[int, int, bool]:
        """The other thread has done the first fsync that it was asked for."""
        request = self.syncs.pop(0)
        self.log.sync_done(request[1], error)
        return request


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.log.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def now() -> int:
    return int(time.time() * 1000)


SELECT = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
PUT = b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"


def test_the_stream_is_appended(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before")
    place.open(path)
    place.put(b"a", b"b")
    place.put(b"a", b"b")
    assert path.read_bytes() == b"before" + SELECT + PUT + PUT
    assert place.log.size == path.stat().st_size
    assert place.log.taken == place.log.written == place.stream.offset == place.stream.position
    assert place.syncs == [] and place.log.synced == 0


def test_no_room_keeps_everything_until_there_is_some(place: Place, tmp_path: Path) -> None:
    place.open("/dev/full", 0)
    place.put(b"a", b"b")
    assert place.errors == [errno.ENOSPC]
    place.put(b"a", b"b")
    place.log.tick(now())
    assert place.errors == [errno.ENOSPC] and place.log.backlog_length == len(SELECT + PUT + PUT)
    assert not place.log.flush_now()
    room = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(room, place.log.fd)
    os.close(room)
    place.log.tick(now())
    assert (tmp_path / "log").read_bytes() == SELECT + PUT + PUT
    assert place.errors == [errno.ENOSPC, 0] and place.log.backlog_length == 0 and place.log.written == place.log.taken


def test_half_a_write_is_cut_off(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "log"
    place.open(path)
    place.put(b"a", b"b")
    with largest_file(path.stat().st_size + 10):
        place.put(b"a", b"b")
        assert path.read_bytes() == SELECT + PUT
        assert place.errors == [errno.ENOSPC]
    place.put(b"a", b"b")
    assert path.read_bytes() == SELECT + PUT + PUT + PUT
    assert place.errors == [errno.ENOSPC, 0]


def test_half_a_write_that_cannot_be_cut_off_is_continued(place: Place) -> None:
    reading, writing = os.pipe2(os.O_NONBLOCK)
    room = os.get_blocking(writing) or 65536
    os.write(writing, b"x" * (room - 4096))
    place.log.open(writing, 0, 0)
    place.stream.add_sink(place.log)
    place.put(b"SET", b"k", b"y" * 10_000)
    assert place.errors == [errno.ENOSPC] and 0 < place.log.backlog_length < 10_000
    received = os.read(reading, 65536)[room - 4096 :]
    while place.log.backlog_length:
        place.log.tick(now())
        received += os.read(reading, 65536)
    os.close(reading)
    assert received == SELECT + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000\r\n" + b"y" * 10_000 + b"\r\n"


@pytest.mark.parametrize("policy", ["everysec", "no"])
def test_the_process_goes_on_when_it_may(policy: str) -> None:
    place = Place(policy)
    place.open("/dev/full", 0)
    place.put(b"a", b"b")
    assert place.errors == [errno.ENOSPC]
    place.log.close()


def test_always_syncs_before_anything_else_happens(tmp_path: Path) -> None:
    place = Place("always")
    place.open(tmp_path / "log")
    place.log.is_awaited = True
    place.put(b"a", b"b")
    assert place.log.synced == place.stream.offset > 0 and place.heard == 1
    place.log.hold_syncs = True
    place.put(b"a", b"b")
    assert place.log.synced < place.stream.offset
    place.log.hold_syncs = False
    place.log.tick(now())
    assert place.log.synced == place.stream.offset and place.syncs == []
    place.log.close()


def test_always_cannot_go_on_without_room_or_without_a_disk() -> None:
    place = Place("always")
    place.open("/dev/full", 0)
    with pytest.raises(Fatal, match="Can't recover from AOF write error"):
        place.put(b"a", b"b")
    place.log.close()
    reading, writing = os.pipe()
    place = Place("always")
    place.log.open(writing, 0, 0)
    place.stream.add_sink(place.log)
    with pytest.raises(Fatal, match="Can't persist AOF for fsync error"):
        place.put(b"a", b"b")
    place.log.close()
    os.close(reading)


def test_everysec_asks_for_an_fsync_each_second(tmp_path: Path) -> None:
    place = Place("everysec")
    place.open(tmp_path / "log")
    place.put(b"a", b"b")
    assert place.syncs == []
    place.log.tick(now() + 1001)
    assert place.syncs == [(place.log.fd, place.stream.offset, False)] and place.log.pending_syncs == 1
    assert place.log.synced == 0
    place.done()
    assert place.log.synced == place.stream.offset and place.log.pending_syncs == 0
    place.log.tick(now() + 5000)
    assert place.syncs == []   # there is nothing new
    place.log.close()


def test_a_write_waits_for_an_fsync_but_not_for_ever(tmp_path: Path) -> None:
    place, path = Place("everysec"), tmp_path / "log"
    place.open(path)
    place.put(b"a", b"b")
    place.log.tick(now() + 1001)
    place.put(b"a", b"b")
    assert path.read_bytes() == SELECT + PUT and place.log.backlog_length == len(PUT)
    place.log.tick(now() + 1900)
    assert path.read_bytes() == SELECT + PUT and place.log.delayed == 0
    place.log.tick(now() + 2100)
    assert path.read_bytes() == SELECT + PUT + PUT and place.log.delayed == 1
    place.done()
    place.put(b"a", b"b")
    assert path.read_bytes() == SELECT + PUT + PUT + PUT and place.log.delayed == 1
    place.log.close()


def test_an_fsync_that_failed_is_tried_again(tmp_path: Path) -> None:
    place = Place("everysec")
    place.open(tmp_path / "log")
    place.put(b"a", b"b")
    place.log.tick(now() + 1001)
    place.done(errno.EIO)
    assert place.log.error == errno.EIO and place.log.synced == 0
    place.log.tick(now() + 2100)
    assert place.done()[1] == place.stream.offset
    assert place.log.error == 0 and place.log.synced == place.stream.offset
    place.log.close()


def test_another_file_leaves_nothing_behind(tmp_path: Path) -> None:
    place = Place("everysec")
    place.open(tmp_path / "first")
    place.put(b"a", b"b")
    first = place.log.fd
    second = os.open(tmp_path / "second", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    place.stream.restart()
    place.log.replace(second)
    assert place.syncs == [(first, place.stream.offset, True)]
    place.put(b"a", b"b")
    assert (tmp_path / "second").read_bytes() == b"" and place.log.backlog_length == len(SELECT + PUT)
    os.close(place.done()[0])
    place.log.tick(now())
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes() == SELECT + PUT
    place.log.close()


def test_a_file_is_not_replaced_while_something_is_held_back() -> None:
    place = Place()
    place.open("/dev/full", 0)
    place.put(b"a", b"b")
    with pytest.raises(RuntimeError):
        place.log.replace(0)
    place.log.close()


def test_annotations_tell_the_second(place: Place, tmp_path: Path) -> None:
    place.log.timestamps = True
    place.open(tmp_path / "log")
    before = int(time.time())
    place.put(b"a", b"b")
    head, _, rest = (tmp_path / "log").read_bytes().partition(b"\r\n")
    assert head.startswith(b"#TS:") and before <= int(head[4:]) <= int(time.time()) and rest == SELECT + PUT


def test_slow_writes_are_told(place: Place, tmp_path: Path) -> None:
    place.open(tmp_path / "log")
    place.log.flush_sleep = 2000
    place.put(b"a", b"b")
    assert place.latencies == []
    place.log.latency_threshold = 1000
    place.put(b"a", b"b")
    place.log.beside_snapshot = True
    place.put(b"a", b"b")
    assert place.latencies == ["aof-write-alone", "aof-write", "aof-write-active-child", "aof-write"]


def test_sync_now(place: Place, tmp_path: Path) -> None:
    place.open(tmp_path / "log")
    place.put(b"a", b"b")
    place.log.sync_now()
    assert place.log.synced == place.stream.offset
    place.log.close()
    reading, writing = os.pipe()
    place.log.open(writing, 0, 0)
    with pytest.raises(OSError, match="Invalid argument"):
        place.log.sync_now()
    os.close(reading)


def test_policies_have_names(place: Place) -> None:
    names: list[Any] = []
    for name in ("always", "everysec", "no"):
        place.log.policy = name
        names.append(place.log.policy)
    assert names == ["always", "everysec", "no"]
