"""The servers that are compared: how each is started, what it has used, and that it is gone afterwards.

Idea: a contender is a command line; a running one is a child process on a free loopback port, known by its pid and
stopped by it on every way out of the `with` block. All of them run during the whole bench, pinned to nothing; an idle
one costs nothing.

CPU is the sum over the threads' schedstat (nanoseconds on a CPU). A thread that ends takes its figure along; neither
server ends threads while it serves.

Limits: the port is free when it is chosen, not for certain when the server binds it; then the start fails and says so.
"""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from bench.faults import BenchFault

HOST = "127.0.0.1"
MAXCLIENTS = 15_000
START_SECONDS = 30.0
STOP_SECONDS = 10.0
BASELINE = "redis"
"""The name of redis-server without io-threads, to which all ratios refer."""


@dataclass(frozen=True)
class Contender:
    """A server to measure: its name in the table, its command line, and the threads that it is told to use."""

    name: str
    command: tuple[str, ...]
    io_threads: int | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is mtredis."""
        return self.name.startswith("mtredis")

    def command_line(self, port: int) -> list[str]:
        """The whole command line for a server on this port, without persistence (rows may switch it on)."""
        parameters = {"port": str(port), "bind": HOST, "save": "", "appendonly": "no", "maxclients": str(MAXCLIENTS)}
        if self.io_threads is not None:
            parameters["io-threads"] = str(self.io_threads)
        words = [word for name, value in parameters.items() for word in (f"--{name}", value)]
        return [*self.command, *words]


def mtredis(io_threads: int | None = None) -> Contender:
    """mtredis as it stands in this tree, with its default workers or this many."""
    name = "mtredis" if io_threads is None else f"mtredis-{io_threads}"
    return Contender(name, (sys.executable, "-m", "mtredis"), io_threads)


def redis(folder: Path, io_threads: int | None = None) -> Contender:
    """redis-server from this folder, without io-threads or with this many (its main thread is one of them)."""
    name = BASELINE if io_threads is None else f"redis-io{io_threads}"
    return Contender(name, (str(folder / "redis-server"),), io_threads)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A contender that runs: `with Server(contender, folder) as server`. Its output goes to a file in `folder`.

    What it saves lies in `data`, a new folder below `folder` if none is given.
    """

    def __init__(self, contender: Contender, folder: Path, data: Path | None = None) -> None:
        self.contender = contender
        self.name = contender.name
        self.port = free_port()
        self.log = folder / f"{contender.name}-{self.port}.log"
        self.data = data or folder / f"{contender.name}-{self.port}"
        self.data.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self.contender.command_line(self.port), cwd=self.data,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                with socket.create_connection((HOST, self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(7) == b"+PONG\r\n":
                        return
            except OSError:
                time.sleep(0.02)
        raise BenchFault(f"{self.name} does not answer after {START_SECONDS:.0f} s; {self.log_tail()}")

    def stop(self) -> None:
        """The process is gone: asked with SIGTERM, after STOP_SECONDS killed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"bench: {self.name} ignores SIGTERM for {STOP_SECONDS:.0f} s and is killed", file=sys.stderr)
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise BenchFault(f"{self.name} is not running")
        return self._process.pid

    def check_alive(self) -> None:
        """Raises BenchFault with the end of the log when the process has ended."""
        status = None if self._process is None else self._process.poll()
        if status is not None:
            raise BenchFault(f"{self.name} ended with status {status}; {self.log_tail()}")

    def log_tail(self) -> str:
        """The end of what the server printed."""
        lines = self.log.read_text(errors="replace").splitlines()[-12:]
        return "its last words:\n  " + "\n  ".join(lines)

    def cpu_seconds(self) -> float:
        """The CPU time that the server's threads have used so far, in seconds."""
        total = 0
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
        return total / 1e9

    def settled_cpu_seconds(self) -> float:
        """The same, once the server has finished with what its last clients left to do (closing them, mostly)."""
        before = self.cpu_seconds()
        for _ in range(25):
            time.sleep(0.02)
            now = self.cpu_seconds()
            if now - before < 0.001:
                return now
            before = now
        return before

    def threads(self) -> int:
        """How many threads it has now."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def rss(self) -> int:
        """Its resident memory in bytes."""
        resident: int = psutil.Process(self.pid).memory_info().rss
        return resident
