"""A disk that is full or fails: the same script has the same replies on mtredis and on redis-server, and loses nothing.

Idea: the shim (tests/support/shim.py) makes writes, fsyncs, renames fail from one call to the next. A scenario talks to
one server and returns what it was told; it also checks what must hold on both. Then the two transcripts are compared.
"""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.durable import CONTENDERS, DurableServer
from tests.support.shim import Shim

Transcript = list[Any]
EVERYSEC = {"appendonly": "yes", "appendfsync": "everysec"}
ALWAYS = {"appendonly": "yes", "appendfsync": "always"}
SAVE_POINT = {"save": "3600 1000000"}


class Place:
    """A server under the shim, and what it said."""

    def __init__(self, contender: str, folder: Path) -> None:
        self.server = DurableServer(contender, folder)
        self.shim = Shim(self.server.data, traced=False)
        self.control = self.shim.control
        self.server.environment = self.shim.environment()
        self.told: Transcript = []

    def ask(self, *requests: tuple[Any, ...]) -> None:
        """What each is answered with goes into the transcript."""
        for request in requests:
            self.told.append((request, repr(self.server.command(*request))))

    def value(self, key: str) -> bytes | None:
        return self.server.command("GET", key).data

    def close(self) -> None:
        self.server.close()
        self.shim.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Callable[[Callable[[Place], None], dict[str, str]], None]]:
    """Runs a scenario on both servers and compares what they said."""
    places: list[Place] = []

    def compare(scenario: Callable[[Place], None], parameters: dict[str, str]) -> None:
        for contender in CONTENDERS:
            (tmp_path / contender).mkdir()
            place = Place(contender, tmp_path / contender)
            places.append(place)
            place.server.change(**parameters)
            place.server.start()
            scenario(place)
        ours, theirs = (place.told for place in places)
        assert ours == theirs

    yield compare
    for place in places:
        place.close()


TOLD_WHILE_REFUSED = 18
WRITES = (("SET", "other", 1), ("INCR", "n"), ("DEL", "k"), ("PING",), ("FLUSHALL",))
READS = (("GET", "k"), ("EXISTS", "k", "other"), ("DBSIZE",), ("CONFIG", "GET", "appendfsync"), ("ECHO", "x"))


def _refuse_and_recover(place: Place, damage: Callable[[], None], *, solves_itself: bool = True) -> None:
    """everysec: the write that meets the error is acknowledged and kept, later ones are refused, until it is solved."""
    place.ask(("SET", "k", "before"), ("RPUSH", "l", *range(10)))
    damage()
    place.server.command("SET", "k", "meets the error")
    place.server.wait_info(aof_last_write_status="err")
    place.ask(*WRITES, *READS, ("MULTI",), ("GETEX", "k", "PERSIST"))
    with place.server.connect() as connection:
        requests = [("MULTI",), ("GET", "k"), ("SET", "other", 2), ("EXEC",)]
        place.told += [repr(reply) for reply in connection.pipeline(requests)]
    place.control.calm()
    if solves_itself:
        place.server.wait_info(aof_last_write_status="ok")
        place.ask(*READS, ("SET", "k2", "after"), ("PING",))
        place.server.wait_info(aof_buffer_length="0")  # a write may wait for an fsync that is under way
    place.server.kill()
    place.server.start()
    assert (place.value("k"), place.value("k2")) == (b"meets the error", b"after" if solves_itself else None)
    place.ask(("LRANGE", "l", 0, -1))


def test_no_space_for_the_log(both: Callable[..., None]) -> None:
    def scenario(place: Place) -> None:
        def fill() -> None:
            place.control.only("incr")
            place.control.space = 0

        _refuse_and_recover(place, fill)

    both(scenario, EVERYSEC)


def test_a_write_that_is_cut_short(both: Callable[..., None]) -> None:
    """Ten bytes fit: what was written of the command is taken back, or completed later; never half of it stays."""

    def scenario(place: Place) -> None:
        def fill() -> None:
            place.control.only("incr")
            place.control.space = 10

        _refuse_and_recover(place, fill)

    both(scenario, EVERYSEC)


def test_a_device_that_fails(both: Callable[..., None]) -> None:
    def scenario(place: Place) -> None:
        def fail() -> None:
            place.control.only("incr")
            place.control.write_error = errno.EIO

        _refuse_and_recover(place, fail)

    both(scenario, EVERYSEC)


def test_an_fsync_that_fails_under_everysec(both: Callable[..., None]) -> None:
    """redis-server refuses writes from then on for good: it does not try again to fsync what it has written."""

    def scenario(place: Place) -> None:
        def fail() -> None:
            place.control.only("incr")
            place.control.sync_error = errno.EIO

        _refuse_and_recover(place, fail, solves_itself=place.server.is_mtredis)
        del place.told[TOLD_WHILE_REFUSED:]

    both(scenario, EVERYSEC)


@pytest.mark.parametrize("what", ["write", "fsync", "short"])
def test_always_ends_the_server(both: Callable[..., None], what: str) -> None:
    """Nobody may be told OK then, and there is no way back: exit code 1, and all that was acknowledged is there."""

    def scenario(place: Place) -> None:
        for number in range(20):
            place.ask(("SET", "k", number))
        place.control.only("incr")
        if what == "write":
            place.control.write_error = errno.ENOSPC
        elif what == "fsync":
            place.control.sync_error = errno.EIO
        else:
            place.control.space = 7
        with place.server.connect() as connection, pytest.raises(ConnectionError):
            connection.command("SET", "k", "not acknowledged")
        place.told.append(place.server.wait_end())
        place.control.calm()
        place.server.start()
        assert place.value("k") in (b"19", b"not acknowledged")
        if what != "fsync":
            place.ask(("GET", "k"))

    both(scenario, ALWAYS)


def test_small_writes_are_completed(both: Callable[..., None]) -> None:
    """A system call that takes less than it was given has not failed."""

    def scenario(place: Place) -> None:
        place.control.only("temp")
        place.control.largest = 11
        place.ask(("RPUSH", "l", *range(200)), ("SET", "k", "x" * 500), ("SAVE",))
        place.server.kill()
        place.server.start()
        place.ask(("LRANGE", "l", 0, -1), ("GET", "k"))

    both(scenario, {})


def _fail_save(place: Place) -> None:
    place.told.append(place.server.command("BGSAVE").data)
    found = place.server.wait_info(rdb_bgsave_in_progress="0", rdb_last_bgsave_status="err")
    place.told.append((found["rdb_last_bgsave_status"], found["rdb_changes_since_last_save"]))


@pytest.mark.parametrize("what", ["space", "write", "fsync", "rename", "open"])
def test_a_save_that_fails(both: Callable[..., None], what: str) -> None:
    def scenario(place: Place) -> None:
        place.ask(("SET", "k", "saved"), ("SAVE",), ("SET", "k", "not saved"))
        old = (place.server.data / "dump.rdb").read_bytes()
        place.control.only("temp-")
        match what:
            case "space":
                place.control.space = 20
            case "write":
                place.control.write_error = errno.EIO
            case "fsync":
                place.control.sync_error = errno.EIO
            case "rename":
                place.control.rename_error = errno.EACCES
            case "open":
                place.control.open_error = errno.EACCES
        _fail_save(place)
        assert (place.server.data / "dump.rdb").read_bytes() == old
        assert [path.name for path in place.server.data.iterdir()] == ["dump.rdb"]
        place.ask(*WRITES, *READS, ("SAVE",))
        place.ask(("CONFIG", "SET", "stop-writes-on-bgsave-error", "no"), ("SET", "k", "unsafe"), ("PING",))
        place.ask(("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes"), ("SET", "k", "x"))
        place.control.calm()
        place.ask(("SAVE",), ("SET", "k", "allowed again"), ("PING",))
        place.told.append(place.server.command("BGSAVE").data)
        place.server.wait_info(rdb_bgsave_in_progress="0", rdb_last_bgsave_status="ok")
        place.server.kill()
        place.server.start()
        place.ask(("GET", "k"))

    both(scenario, SAVE_POINT)


def test_shutdown_stays_when_it_cannot_save(both: Callable[..., None]) -> None:
    def scenario(place: Place) -> None:
        place.ask(("SET", "k", "v"))
        place.control.only("temp-")
        place.control.space = 0
        place.ask(("SHUTDOWN", "SAVE"), ("SHUTDOWN",), ("GET", "k"))
        place.control.calm()
        assert place.server.stop() == 0
        place.server.start()
        place.ask(("GET", "k"))

    both(scenario, SAVE_POINT)


@pytest.mark.parametrize(
    ("what", "preamble"),
    [("space", "yes"), ("space", "no"), ("fsync", "yes"), ("rename", "no"), ("manifest", "yes"), ("increment", "yes")],
)
def test_a_rewrite_that_fails(both: Callable[..., None], what: str, preamble: str) -> None:
    """The old files stay, the log goes on, and the next rewrite works."""

    def scenario(place: Place) -> None:
        for number in range(50):
            place.server.command("RPUSH", "l", number)
        place.control.only({"manifest": "manifest", "increment": ".incr."}.get(what, "temp-rewriteaof"))
        match what:
            case "space":
                place.control.space = 30
            case "fsync":
                place.control.sync_error = errno.EIO
            case "increment":
                place.control.open_error = errno.EACCES
            case _:
                place.control.rename_error = errno.EACCES
        place.ask(("BGREWRITEAOF",))
        if what in ("manifest", "increment"):  # fails before it begins
            place.server.wait_info(aof_rewrite_in_progress="0")
        else:
            place.server.wait_info(aof_rewrite_in_progress="0", aof_last_bgrewrite_status="err")
        place.control.calm()
        place.ask(("RPUSH", "l", "after"))
        place.server.kill()
        place.server.start()
        place.ask(("LRANGE", "l", 0, -1), ("BGREWRITEAOF",))
        place.server.wait_info(aof_rewrite_in_progress="0", aof_last_bgrewrite_status="ok")
        place.ask(("RPUSH", "l", "last"))
        place.server.kill()
        place.server.start()
        place.ask(("LRANGE", "l", 0, -1))

    both(scenario, ALWAYS | {"aof-use-rdb-preamble": preamble})


def test_a_log_that_cannot_be_made_ends_the_start(both: Callable[..., None]) -> None:
    def scenario(place: Place) -> None:
        place.server.stop()
        place.server.change(appendonly="yes")
        place.control.only("appendonly")
        place.control.open_error = errno.EACCES
        place.server.launch()
        place.told.append(place.server.wait_end())
        place.control.calm()
        place.server.start()
        place.ask(("SET", "k", "v"))

    both(scenario, {})


def test_no_reply_leaves_before_a_slow_fsync_is_over(both: Callable[..., None]) -> None:
    """`always`: neither the writer's reply, nor what a reader, a subscriber or a blocked client would learn of it."""

    def scenario(place: Place) -> None:
        server = place.server
        with (
            server.connect() as writer, server.connect() as reader, server.connect() as blocked,
            server.connect() as subscriber, server.connect() as monitor,
        ):  # fmt: skip
            server.command("CONFIG", "SET", "notify-keyspace-events", "KA")
            subscriber.command("SUBSCRIBE", "__keyspace@0__:k")
            monitor.command("MONITOR")
            blocked.send("BLPOP", "l", 0)
            assert reader.command("GET", "k").data is None
            monitor.is_quiet(0.1)
            place.control.only("incr")
            place.control.hold_sync = 1
            writer.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\nx\r\n")
            while not place.control.holding:
                pass
            reader.send("GET", "k")
            assert writer.is_quiet(0.2)
            assert reader.is_quiet(0.1)
            assert blocked.is_quiet(0.05)
            assert subscriber.is_quiet(0.05)
            place.control.hold_sync = 0
            place.told += [writer.read(), writer.read(), reader.read(), blocked.read(), subscriber.read()]

    both(scenario, ALWAYS)
