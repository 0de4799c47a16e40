"""Process: background, pid file, open files, out-of-memory score."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtredis.errors import CommandError, ConfigError
from mtredis.ops import process
from mtredis.ops.config import Config
from tests.unit.ops.conftest import LogFile


class Limits:
    """A stand-in for the kernel's limit of open files, which tests must not change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, *, privileged: bool = False) -> None:
        self.soft, self.hard, self.privileged = soft, hard, privileged
        monkeypatch.setattr(resource, "getrlimit", lambda kind: (self.soft, self.hard))
        monkeypatch.setattr(resource, "setrlimit", self._set)

    def _set(self, kind: int, limits: tuple[int, int]) -> None:
        soft, hard = limits
        if hard > self.hard and not self.privileged:
            raise ValueError("not allowed to raise maximum limit")
        self.soft, self.hard = soft, hard


def test_enough_open_files_already(monkeypatch: pytest.MonkeyPatch, logged: LogFile) -> None:
    Limits(monkeypatch, 1024, 4096)
    assert process.fit_open_files(900) == 900
    assert logged.messages() == []


def test_the_limit_is_raised(monkeypatch: pytest.MonkeyPatch, logged: LogFile) -> None:
    limits = Limits(monkeypatch, 1024, 20000)
    assert process.fit_open_files(10000) == 10000
    assert (limits.soft, limits.hard) == (10032, 20000)
    assert logged.messages() == ["* Increased maximum number of open files to 10032 (it was originally set to 1024)."]


def test_a_privileged_server_raises_the_hard_limit(monkeypatch: pytest.MonkeyPatch, logged: LogFile) -> None:
    limits = Limits(monkeypatch, 1024, 1024, privileged=True)
    assert process.fit_open_files(5000) == 5000
    assert (limits.soft, limits.hard) == (5032, 5032)


def test_what_the_hard_limit_allows_is_taken(monkeypatch: pytest.MonkeyPatch, logged: LogFile) -> None:
    limits = Limits(monkeypatch, 1024, 4096)
    assert process.fit_open_files(10000) == 4064
    assert limits.soft == 4096
    assert logged.messages() == [
        "# You requested maxclients of 10000 requiring at least 10032 max file descriptors.",
        "# Server can't set maximum open files to 10032 because of OS error: not allowed to raise maximum limit.",
        "# Current maximum open files is 4096. maxclients has been reduced to 4064 to compensate for low ulimit. "
        "If you need higher maxclients increase 'ulimit -n'.",
    ]


def test_too_few_open_files_for_any_client(monkeypatch: pytest.MonkeyPatch, logged: LogFile) -> None:
    Limits(monkeypatch, 16, 32)
    with pytest.raises(ConfigError, match="^Your current 'ulimit -n' of 16 is not enough"):
        process.fit_open_files(100)


def test_maxclients_follows(monkeypatch: pytest.MonkeyPatch, logged: LogFile) -> None:
    Limits(monkeypatch, 1024, 4096)
    config = Config()
    process.follow_maxclients(config)
    assert config.maxclients == 4064
    with pytest.raises(CommandError, match="the specified number of clients, try with 4064$"):
        config.set_many([("maxclients", "9000")])
    assert config.maxclients == 4064
    config.set_many([("maxclients", "4000")])
    assert config.maxclients == 4000


def test_where_the_pidfile_goes() -> None:
    config = Config()
    assert process.pidfile_path(config) == ""
    config.load("daemonize", ["yes"])
    assert process.pidfile_path(config) == process.DEFAULT_PIDFILE
    config.load("pidfile", ["/x"])
    assert process.pidfile_path(config) == "/x"


def test_pidfile(tmp_path: Path, logged: LogFile) -> None:
    file = process.write_pidfile(str(tmp_path / "x.pid"))
    assert file is not None
    assert file.read_text() == f"{os.getpid()}\n"
    process.remove_pidfile(file)
    assert not file.exists()
    assert logged.messages() == []


def test_a_pidfile_of_another_process_stays(tmp_path: Path, logged: LogFile) -> None:
    file = process.write_pidfile(str(tmp_path / "x.pid"))
    assert file is not None
    file.write_text("1\n")
    process.remove_pidfile(file)
    assert file.exists()


def test_a_pidfile_that_cannot_be_written_is_logged(tmp_path: Path, logged: LogFile) -> None:
    assert process.write_pidfile(str(tmp_path / "none" / "x.pid")) is None
    process.remove_pidfile(tmp_path / "none" / "x.pid")
    assert logged.messages() == [
        "# Failed to write PID file: No such file or directory",
        "# Failed to remove PID file: No such file or directory",
    ]


_DAEMON = """
import os, sys, pathlib
from mtredis.ops import process
process.daemonize()
state = [os.getpid(), os.getsid(0), os.getpgid(0), os.readlink("/proc/self/fd/0"), os.readlink("/proc/self/fd/1")]
part = pathlib.Path(sys.argv[1] + ".part")
part.write_text(" ".join(map(str, state)))
part.rename(sys.argv[1])
"""


def test_daemonize(tmp_path: Path) -> None:
    path = tmp_path / "state"
    done = subprocess.run([sys.executable, "-c", _DAEMON, str(path)], timeout=60, check=False)
    assert done.returncode == 0
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    pid, session, group, stdin, stdout = path.read_text().split()
    assert session != str(os.getsid(0))
    assert pid not in (session, group)
    assert (stdin, stdout) == ("/dev/null", "/dev/null")


def test_a_long_tcp_backlog_is_warned_about(tmp_path: Path, logged: LogFile) -> None:
    somaxconn = tmp_path / "somaxconn"
    somaxconn.write_text("128\n")
    process.check_tcp_backlog(128, somaxconn)
    assert logged.messages() == []
    process.check_tcp_backlog(511, somaxconn)
    process.check_tcp_backlog(511, tmp_path / "none")
    assert "setting of 511 cannot be enforced" in logged.messages()[0]
    assert logged.messages()[1].startswith(". ")


_PAGES = """
import sys
from pathlib import Path
from mtredis.ops import process
process.avoid_huge_pages(sys.argv[2] == "yes", Path(sys.argv[1]))
print(Path("/proc/self/status").read_text())
"""


@pytest.mark.parametrize(
    ("enabled", "is_wanted", "remain", "is_warned"),
    [("[always] madvise never", "yes", False, False), ("[always] madvise never", "no", True, True),
     ("always [madvise] never", "yes", True, False), (None, "yes", True, False)],
)  # fmt: skip
def test_huge_pages_are_avoided(
    tmp_path: Path, enabled: str | None, is_wanted: str, remain: bool, is_warned: bool
) -> None:
    path = tmp_path / "enabled"
    if enabled is not None:
        path.write_text(enabled + "\n")
    done = subprocess.run(
        [sys.executable, "-c", _PAGES, str(path), is_wanted], capture_output=True, text=True, timeout=60, check=True
    )
    before = "THP_enabled:\t1" in Path("/proc/self/status").read_text()
    assert ("THP_enabled:\t1" in done.stdout) == (remain and before)
    assert ("Transparent Huge Pages" in done.stdout) == is_warned


def test_oom_score(tmp_path: Path, logged: LogFile) -> None:
    path, config = tmp_path / "oom_score_adj", Config()
    path.write_text("-17\n")
    process.OomScore(config, path).follow()
    assert path.read_text() == "-17\n"
    config.set_many([("oom-score-adj", "relative"), ("oom-score-adj-values", "100 200 300")])
    assert path.read_text() == "83\n"
    config.set_many([("oom-score-adj", "absolute"), ("oom-score-adj-values", "1500 1600 1700")])
    assert path.read_text() == "1000\n"
    config.set_many([("oom-score-adj", "no")])
    assert path.read_text() == "-17\n"
    config.set_many([("oom-score-adj-values", "1 2 3")])
    assert path.read_text() == "-17\n"


def test_an_oom_score_that_the_kernel_refuses(tmp_path: Path, logged: LogFile) -> None:
    config = Config()
    process.OomScore(config, tmp_path / "none").follow()
    with pytest.raises(CommandError, match=r"Failed to set current oom_score_adj. Check server logs\.$"):
        config.set_many([("oom-score-adj", "yes")])
    assert config.oom_score_adj == "no"


def test_logs_follow_the_configuration(tmp_path: Path) -> None:
    config = Config()
    config.load("logfile", [str(tmp_path / "x.log")])
    config.load("loglevel", ["warning"])
    process.open_logs(config)
    process.log.notice("not seen")
    config.set_many([("loglevel", "verbose"), ("hide-user-data-from-log", "yes")])
    process.log.verbose(f"seen {process.log.user_data('key')}")
    assert LogFile(tmp_path / "x.log").messages() == ["- seen *redacted*"]
