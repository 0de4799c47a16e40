"""The server's log: Redis's line format, on standard output or a file, and on syslog as well when asked.

    4211:M 21 Nov 2026 03:33:01.123 * Ready to accept connections tcp

Idea: a line is built and handed to the kernel in one write, to a file that is opened for that line alone. So no lock
is needed, lines of several threads never mix, and a log file that was moved away or deleted comes back by itself.

Owner: none; every function may be called from any thread. The `open_...` and `set_...` functions replace one object
as a whole.
Limits: a line that cannot be written (disk full, reader gone) is counted in `dropped()` and given up: logging never
stops a server.
"""

import os
import syslog
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

LEVELS = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3, "nothing": 4}
_MARKS = ".-*#"
_SYSLOG_PRIORITIES = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class _Settings:
    level: int = LEVELS["notice"]
    path: str = ""
    syslog: bool = False
    hide_user_data: bool = False
    role: str = "M"


class _State:
    settings = _Settings()
    dropped = 0


def open_log(level: str, path: str, *, hide_user_data: bool = False) -> None:
    """Messages of `level` and above go to the file `path`, or to standard output when it is empty."""
    # Absolute, so that a later change of `dir` does not start a second file elsewhere.
    absolute = str(Path(path).absolute()) if path else ""
    _State.settings = replace(_State.settings, level=LEVELS[level], path=absolute, hide_user_data=hide_user_data)


def open_syslog(ident: str, facility: str) -> None:
    """All that is logged goes to syslog too, as `ident`, under a facility such as "local0"."""
    number = getattr(syslog, f"LOG_{facility.upper()}")
    syslog.openlog(ident, syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT, number)
    _State.settings = replace(_State.settings, syslog=True)


def set_level(name: str) -> None:
    """Messages below level `name` are not logged any more."""
    _State.settings = replace(_State.settings, level=LEVELS[name])


def set_hide_user_data(hide: bool) -> None:
    _State.settings = replace(_State.settings, hide_user_data=hide)


def user_data(text: str) -> str:
    """`text`, which came from a user, as it may be logged."""
    return "*redacted*" if _State.settings.hide_user_data else text


def traceback_of(error: BaseException) -> str:
    """Where `error` came from, for a log message; its own text, which may quote a user, only if that may be logged."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{frames}{type(error).__name__}: {user_data(str(error))}"


def dropped() -> int:
    """How many lines could not be written since the start."""
    return _State.dropped


def debug(message: str) -> None:
    _log(0, message)


def verbose(message: str) -> None:
    _log(1, message)


def notice(message: str) -> None:
    _log(2, message)


def warning(message: str) -> None:
    _log(3, message)


def format_line(level: int, message: str, unix_time: float, pid: int, role: str = "M") -> str:
    """One line of the log, in local time, without its newline."""
    local = time.localtime(unix_time)
    day = f"{local.tm_mday:02d} {_MONTHS[local.tm_mon - 1]} {local.tm_year}"
    moment = f"{day} {local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d}"
    return f"{pid}:{role} {moment}.{int(unix_time * 1000) % 1000:03d} {_MARKS[level]} {message}"


def _log(level: int, message: str) -> None:
    settings = _State.settings
    if level < settings.level:
        return
    line = format_line(level, message, time.time(), os.getpid(), settings.role)
    try:
        _write((line + "\n").encode("utf-8", "surrogateescape"), settings.path)
    except OSError:
        _State.dropped += 1
    if settings.syslog:
        syslog.syslog(_SYSLOG_PRIORITIES[level], message.replace("\0", "\\0").encode("utf-8", "replace").decode())


def _write(line: bytes, path: str) -> None:
    if not path:
        _write_all(1, line)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _write_all(descriptor, line)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]
