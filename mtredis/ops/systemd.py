"""The conversation with a supervisor: readiness, status and watchdog to systemd, sockets inherited from it, or
upstart's stop.

Idea: systemd's protocols need no library. A notification is a datagram of NAME=VALUE lines to the socket that
NOTIFY_SOCKET names; inherited sockets are the descriptors from 3 on that LISTEN_FDS counts, if LISTEN_PID is this
process.

Owner: the main thread creates a Supervisor; its methods may then be called from any thread, since one datagram is one
send.
Invariant: without a supervisor every method does nothing. Limit: a datagram that cannot be sent is logged, not
repeated.
"""

import contextlib
import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass

from mtredis.ops import log

FIRST_INHERITED = 3


class Supervisor:
    """Tells systemd how the server does. `address` is the value of NOTIFY_SOCKET, "" for nobody to tell."""

    def __init__(self, address: str = "") -> None:
        # "@name" means a socket in the abstract namespace, which has no file.
        self.address = "\0" + address[1:] if address.startswith("@") else address

    @property
    def active(self) -> bool:
        return bool(self.address)

    def ready(self, status: str) -> None:
        """The server takes connections."""
        self.notify(f"STATUS={status}", "READY=1")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self.notify(f"STATUS={status}")

    def extend(self, status: str, seconds: int) -> None:
        """One line for `systemctl status` while the server starts or stops; systemd waits so long for the next."""
        self.notify(f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000}")

    def stopping(self) -> None:
        self.notify("STATUS=Shutting down", "STOPPING=1")

    def watchdog(self) -> None:
        """The server is alive: due more often than once per `watchdog_interval`."""
        self.notify("WATCHDOG=1")

    @contextlib.contextmanager
    def kept_alive(self, interval: float | None) -> Iterator[None]:
        """While this lasts a thread of its own feeds the watchdog: for work that stops the one that else does."""
        if not self.address or interval is None:
            yield
            return
        over = threading.Event()

        def feed() -> None:
            while not over.wait(interval / 3):
                self.watchdog()

        thread = threading.Thread(target=feed, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def notify(self, *assignments: str) -> None:
        if not self.address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto("\n".join(assignments).encode(), self.address)
        except OSError as error:
            log.warning(f"systemd supervision error: sd_notify: {error.strerror}")


def supervise(mode: str, environment: MutableMapping[str, str] = os.environ) -> Supervisor:
    """The Supervisor for `supervised` = `mode`; with upstart, the process stops itself once to say that it is ready."""
    if mode == "auto":
        if "UPSTART_JOB" in environment:
            log.verbose("Upstart supervision detected.")
            mode = "upstart"
        elif "NOTIFY_SOCKET" in environment:
            log.verbose("Systemd supervision detected.")
            mode = "systemd"
    if mode == "upstart":
        _signal_upstart(environment)
    elif mode == "systemd":
        return _systemd(environment)
    return Supervisor()


def _signal_upstart(environment: MutableMapping[str, str]) -> None:
    if environment.pop("UPSTART_JOB", None) is None:
        log.warning("upstart supervision requested, but UPSTART_JOB not found!")
        return
    log.notice("supervised by upstart, will stop to signal readiness.")
    signal.raise_signal(signal.SIGSTOP)


def _systemd(environment: MutableMapping[str, str]) -> Supervisor:
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        log.warning("systemd supervision error: NOTIFY_SOCKET not found!")
        return Supervisor()
    log.notice(
        "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and TimeoutStopSec "
        "in your service unit."
    )
    return Supervisor(address)


def watchdog_interval(environment: MutableMapping[str, str] = os.environ) -> float | None:
    """Seconds within which systemd wants a sign of life; None if it does not. Half of it is a good period."""
    period = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(period) / 1_000_000 if period.isdecimal() and int(period) > 0 else None


@dataclass(frozen=True, slots=True)
class InheritedSocket:
    """A listening socket made by systemd; `name` is the FileDescriptorName of its unit."""

    socket: socket.socket
    name: str


def inherited_sockets(environment: MutableMapping[str, str] = os.environ) -> list[InheritedSocket]:
    """The listening sockets handed over by socket activation; they are not inherited any further. Call it once."""
    count, pid = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    result = []
    for index in range(int(count)):
        descriptor = FIRST_INHERITED + index
        name = names[index] if index < len(names) and names[index] else "unknown"
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            log.warning(f"Descriptor {descriptor} ({name}), inherited from systemd, is no socket and is ignored")
            continue
        inherited = socket.socket(fileno=descriptor)
        inherited.set_inheritable(False)
        if not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            log.warning(f"Socket {descriptor} ({name}), inherited from systemd, does not listen and is ignored")
            inherited.detach()
            continue
        inherited.setblocking(False)
        result.append(InheritedSocket(inherited, name))
    return result
