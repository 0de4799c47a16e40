"""Snapshots on a thread of their own, with files that do what the test wants."""

import queue
import threading
from collections.abc import Callable

import pytest

from mtredis.durability.snapshots import Snapshots

SECONDS = 30


class Executor:
    """Runs what was called soon, on the thread that asks."""

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def call_soon(self, function: Callable[[], None]) -> None:
        self.calls.put(function)

    def run_one(self) -> None:
        self.calls.get(timeout=SECONDS)()


class File:
    """Waits in `write` until `go` is set; `aborted` sets it, too."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.calls, self.go = error, list[str](), threading.Event()

    def begin(self) -> None:
        self.calls.append("begin")

    def write(self) -> None:
        assert self.go.wait(SECONDS)
        self.calls.append("write on " + threading.current_thread().name)
        if self.error:
            raise self.error

    def abort(self) -> None:
        self.calls.append("abort")
        self.error = OSError("aborted")
        self.go.set()

    def finish(self) -> None:
        self.calls.append("finish")


class Unable(File):
    def begin(self) -> None:
        raise MemoryError("no memory")


@pytest.fixture
def executor() -> Executor:
    return Executor()


@pytest.fixture
def snapshots(executor: Executor) -> Snapshots:
    return Snapshots(executor.call_soon)


@pytest.mark.parametrize("error", [None, OSError("disk full")])
def test_a_file_is_begun_written_and_finished(
    executor: Executor, snapshots: Snapshots, error: Exception | None
) -> None:
    file, ends = File(error), list[Exception | None]()
    snapshots.start(file, ends.append, "aof")
    assert (snapshots.current, snapshots.purpose, file.calls) == (file, "aof", ["begin"])
    file.go.set()
    executor.run_one()
    assert file.calls == ["begin", "write on snapshot", "finish"]
    assert ends == [error]
    assert (snapshots.current, snapshots.purpose) == (None, "")


def test_there_is_one_at_a_time(executor: Executor, snapshots: Snapshots) -> None:
    first, second, ends = File(), File(), list[Exception | None]()
    snapshots.start(first, ends.append)
    with pytest.raises(RuntimeError):
        snapshots.start(second, ends.append)
    assert second.calls == []
    first.go.set()
    executor.run_one()
    snapshots.start(second, ends.append)
    second.go.set()
    executor.run_one()
    assert ends == [None, None]


def test_what_cannot_begin_has_not_begun(snapshots: Snapshots) -> None:
    with pytest.raises(MemoryError):
        snapshots.start(Unable(), lambda error: None)
    assert snapshots.current is None


def test_an_aborted_one_ends_with_its_error(executor: Executor, snapshots: Snapshots) -> None:
    snapshots.abort()   # nothing is there
    file, ends = File(), list[Exception | None]()
    snapshots.start(file, ends.append)
    snapshots.abort()
    executor.run_one()
    assert file.calls == ["begin", "abort", "write on snapshot", "finish"]
    assert len(ends) == 1 and str(ends[0]) == "aborted"


def test_it_may_be_waited_for(executor: Executor, snapshots: Snapshots) -> None:
    assert snapshots.wait(SECONDS)   # nothing is there
    file, ends = File(), list[Exception | None]()
    snapshots.start(file, ends.append)
    assert not snapshots.wait(0.0)
    file.go.set()
    assert snapshots.wait(SECONDS)
    assert ends == [None]
    following = File()
    snapshots.start(following, ends.append)
    executor.run_one()   # the end of the first, of which everybody knows
    assert snapshots.current is following and following.calls == ["begin"]
    following.go.set()
    executor.run_one()
    assert ends == [None, None]
