"""What the server asks of its process: background, pid file, open files, out-of-memory score, size of pages, log.

Idea: small functions over the operating system, each complete in itself; `__main__` and `server.py` call them in
order.
Owner: the main thread, at start and at the end. `daemonize` must run before the first thread does: a fork copies no
threads. Texts of the log lines follow redis-server 8.0.
"""

import ctypes
import os
import resource
import sys
from pathlib import Path

from mtredis.errors import ConfigError
from mtredis.ops import log
from mtredis.ops.config import Config

DEFAULT_PIDFILE = "/var/run/mtredis.pid"
# Descriptors for everything that is no client: listeners, the workers' epoll and eventfd pairs, log and data files.
RESERVED_DESCRIPTORS = 32
_OOM_SCORE_ADJ = Path("/proc/self/oom_score_adj")
_PR_SET_THP_DISABLE = 41   # <linux/prctl.h>


def open_logs(config: Config) -> None:
    """The log goes where `config` says, and follows CONFIG SET of loglevel and hide-user-data-from-log."""
    log.open_log(config.loglevel, config.logfile, hide_user_data=config.hide_user_data_from_log)
    if config.syslog_enabled:
        log.open_syslog(config.syslog_ident, config.syslog_facility)
    config.on_change("loglevel", log.set_level)
    config.on_change("hide-user-data-from-log", log.set_hide_user_data)


def daemonize() -> None:
    """The caller goes on as a daemon, without a terminal, in a session it does not lead; the first process is gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


def pidfile_path(config: Config) -> str:
    """Where the pid file goes; "" for none. A daemon always has one."""
    return config.pidfile or (DEFAULT_PIDFILE if config.daemonize else "")


def write_pidfile(path: str) -> Path | None:
    """The file `path` holds this process's id; returns it, or logs why not. A server runs without one, too."""
    file = Path(path).absolute()
    try:
        file.write_text(f"{os.getpid()}\n")
    except OSError as error:
        log.warning(f"Failed to write PID file: {error.strerror}")
        return None
    return file


def remove_pidfile(file: Path) -> None:
    """The pid file is gone, unless another process has written its own id to it in the meantime."""
    try:
        if file.read_text().strip() == str(os.getpid()):
            file.unlink()
    except OSError as error:
        log.warning(f"Failed to remove PID file: {error.strerror}")


def fit_open_files(maxclients: int, reserved: int = RESERVED_DESCRIPTORS) -> int:
    """How many clients the limit of open files allows, at most `maxclients`, after raising the limit as far as need be.

    Raises ConfigError when it does not even allow the server's own `reserved` descriptors.
    """
    wanted = maxclients + reserved
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _covers(soft, wanted):
        return maxclients
    reached, reason = _raise_open_files(wanted, soft, hard)
    if _covers(reached, wanted):
        log.notice(f"Increased maximum number of open files to {wanted} (it was originally set to {soft}).")
        return maxclients
    if reached <= reserved:
        raise ConfigError(
            f"Your current 'ulimit -n' of {soft} is not enough for the server to start. "
            f"Please increase your open file limit to at least {wanted}. Exiting."
        )
    fitting = reached - reserved
    log.warning(f"You requested maxclients of {maxclients} requiring at least {wanted} max file descriptors.")
    log.warning(f"Server can't set maximum open files to {wanted} because of OS error: {reason}.")
    log.warning(
        f"Current maximum open files is {reached}. maxclients has been reduced to {fitting} to compensate for "
        "low ulimit. If you need higher maxclients increase 'ulimit -n'."
    )
    return fitting


def _covers(limit: int, wanted: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= wanted


def _raise_open_files(wanted: int, soft: int, hard: int) -> tuple[int, str]:
    """The limit of open files that is in force after trying for `wanted`, and why it is not `wanted`."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted if not _covers(hard, wanted) else hard))
        return wanted, ""
    except (OSError, ValueError) as error:
        reason = str(error)
    if hard == resource.RLIM_INFINITY or hard <= soft:
        return soft, reason
    # Short of privileges, what the hard limit allows can still be had.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard, reason


def follow_maxclients(config: Config, reserved: int = RESERVED_DESCRIPTORS) -> None:
    """maxclients is what the limit of open files allows, now and after each CONFIG SET (which is refused otherwise)."""
    config.assign("maxclients", fit_open_files(config.maxclients, reserved))

    def changed(maxclients: int) -> None:
        fitting = fit_open_files(maxclients, reserved)
        if fitting != maxclients:
            raise ConfigError(
                f"The operating system is not able to handle the specified number of clients, try with {fitting}"
            )

    config.on_change("maxclients", changed)


def check_tcp_backlog(backlog: int, somaxconn: Path = Path("/proc/sys/net/core/somaxconn")) -> None:
    """Logs a warning when the kernel cuts the queue of new connections shorter than tcp-backlog."""
    try:
        limit = int(somaxconn.read_text())
    except (OSError, ValueError):
        log.debug(f"{somaxconn} cannot be read, so tcp-backlog is not checked")
        return
    if 0 < limit < backlog:
        log.warning(
            f"WARNING: The TCP backlog setting of {backlog} cannot be enforced because {somaxconn} "
            f"is set to the lower value of {limit}."
        )


def avoid_huge_pages(is_wanted: bool, enabled: Path = Path("/sys/kernel/mm/transparent_hugepage/enabled")) -> None:
    """Where the kernel gives every process transparent huge pages, this one does without, or a warning is logged.

    A page of 2 MB cannot go back while anything in it lives, so RSS would stay high where keys come and go.
    """
    try:
        if "[always]" not in enabled.read_text():
            return
    except OSError:
        log.debug(f"{enabled} cannot be read, so transparent huge pages are not looked for")
        return
    if is_wanted and ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, *map(ctypes.c_ulong, (1, 0, 0, 0))) == 0:
        return
    log.warning(
        "WARNING You have Transparent Huge Pages (THP) support enabled in your kernel. This will create latency and "
        f"memory usage issues. To fix this issue run the command 'echo madvise > {enabled}' as root, and add it to "
        "your /etc/rc.local in order to retain the setting after a reboot. The server must be restarted after THP is "
        "disabled (set to 'madvise' or 'never')."
    )


class OomScore:
    """Keeps oom_score_adj as configured, and gives back what it was when that is switched off. Owner: the executor."""

    def __init__(self, config: Config, path: Path = _OOM_SCORE_ADJ) -> None:
        self.config = config
        self.path = path
        self.original: int | None = None

    def follow(self) -> None:
        """oom_score_adj is as configured, now and after each CONFIG SET."""
        self.apply()
        self.config.on_any_change(("oom-score-adj", "oom-score-adj-values"), self.apply)

    def apply(self) -> None:
        """Raises ConfigError when the kernel refuses the figure."""
        mode = self.config.oom_score_adj
        if mode == "no" and self.original is None:
            return
        try:
            if self.original is None:
                self.original = int(self.path.read_text())
            base = 0 if mode == "absolute" else self.original
            score = base + (0 if mode == "no" else self.config.oom_score_adj_values[0])
            self.path.write_text(f"{min(max(score, -1000), 1000)}\n")
        except OSError as error:
            log.warning(f"Unable to write oom_score_adj: {error.strerror}")
            raise ConfigError("Failed to set current oom_score_adj. Check server logs.") from None
        if mode == "no":
            self.original = None
