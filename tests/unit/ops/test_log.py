"""The log: Redis's lines, whole ones from every thread, and never a reason to stop."""

import os
import re
import syslog
import threading
import time
from pathlib import Path

import pytest

from mtredis.ops import log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "server.log"
    log.open_log("debug", str(path))
    return path


def test_a_line_looks_like_redis_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    line = log.format_line(2, "message", 1795231981.1239, 42)
    assert line == "42:M 21 Nov 2026 03:33:01.123 * message"
    monkeypatch.undo()
    time.tzset()


def test_levels_and_their_marks(path: Path) -> None:
    for write in (log.debug, log.verbose, log.notice, log.warning):
        write("x")
    lines = path.read_text().splitlines()
    assert [re.sub(r"^\d+:M .{24} ", "", line) for line in lines] == [". x", "- x", "* x", "# x"]
    assert lines[0].startswith(f"{os.getpid()}:M ")


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 4), ("verbose", 3), ("notice", 2), ("warning", 1), ("nothing", 0)]
)
def test_lower_levels_are_left_out(path: Path, level: str, count: int) -> None:
    log.set_level(level)
    for write in (log.debug, log.verbose, log.notice, log.warning):
        write("x")
    assert len(path.read_text().splitlines() if path.exists() else []) == count


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    log.open_log("notice", "")
    log.notice("to stdout")
    assert capfd.readouterr().out.endswith(" * to stdout\n")


def test_a_file_that_was_moved_away_comes_back(path: Path) -> None:
    log.notice("one")
    path.rename(path.with_suffix(".1"))
    log.notice("two")
    assert path.read_text().count("\n") == 1


def test_a_relative_path_stays_where_it_was(tmp_path: Path) -> None:
    os.chdir(tmp_path)
    log.open_log("notice", "x.log")
    os.chdir("/")
    log.notice("here")
    assert "here" in (tmp_path / "x.log").read_text()


def test_a_line_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    before = log.dropped()
    log.open_log("notice", str(tmp_path / "none" / "x.log"))
    log.warning("lost")
    assert log.dropped() == before + 1


def test_lines_of_many_threads_stay_whole(path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(200):
            log.notice(f"{number}" * 300)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bodies = [line.rpartition(" ")[2] for line in path.read_text().splitlines()]
    assert len(bodies) == 1600
    assert all(len(body) == 300 and len(set(body)) == 1 for body in bodies)


def test_user_data(path: Path) -> None:
    assert log.user_data("key") == "key"
    log.set_hide_user_data(True)
    assert log.user_data("key") == "*redacted*"


def test_tracebacks_tell_the_place_and_hide_the_user(path: Path) -> None:
    try:
        int("secret")
    except ValueError as error:
        caught = error
    assert "test_log.py" in log.traceback_of(caught)
    assert "secret" in log.traceback_of(caught).splitlines()[-1]
    log.set_hide_user_data(True)
    assert log.traceback_of(caught).endswith("ValueError: *redacted*")


def test_bytes_that_are_no_text(path: Path) -> None:
    log.notice("\udcff")
    assert path.read_bytes().endswith(b"* \xff\n")


def test_syslog(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(syslog, "openlog", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(syslog, "syslog", lambda *arguments: calls.append(arguments))
    log.open_syslog("me", "local3")
    log.warning("w\0")
    assert calls[0][0] == "me"
    assert calls[0][2] == syslog.LOG_LOCAL3
    assert calls[1] == (syslog.LOG_WARNING, "w\\0")
