"""Starts the server under test, or a redis-server, as a real process and ends it again.

Idea: a test never sees how a server is started. `Server` makes a temporary folder, picks a free port, waits until
PING is answered, keeps the log, and at the end asks with SIGTERM, wants exit code 0, and searches the log for what
must never be there (a traceback, a report of a bug, a sanitizer's finding).

Switches (environment):
  MTREDIS_TEST_SERVER   path of a server binary to test in mtredis's place, for example redis-server: with it the
                        tests themselves are tested
  PYTHON_GIL=1          run mtredis with the GIL on
  MTREDIS_ORACLE        path of the redis-server that the differential tests compare with (see oracle.py)

Owner: the test that started it; processes are only ever ended by their own handle.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.resp import Connection

REPOSITORY = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 60.0
SHUTDOWN_SECONDS = 60.0
_FORBIDDEN_IN_LOG = re.compile(
    r"Traceback \(most recent call last\)|\bBUG\b|\bbug\b|AddressSanitizer|ThreadSanitizer|Fatal Python error"
)
_NOTHING_SAVED = {"save": '""', "appendonly": "no"}   # unless a test says otherwise
_MTREDIS_ONLY = ("io-threads-mode",)

Parameters = Mapping[str, Any]


class ServerFailed(AssertionError):
    """A server did not start, did not stop cleanly, or logged what it must not."""


def subject_binary() -> str | None:
    """The binary that plays the server under test, or None for mtredis itself."""
    return os.environ.get("MTREDIS_TEST_SERVER") or None


def subject_is_mtredis() -> bool:
    return subject_binary() is None


def subject_command() -> list[str]:
    """The start of the command line of the server under test."""
    binary = subject_binary()
    if binary is not None:
        return [binary]
    gil = "1" if os.environ.get("PYTHON_GIL") == "1" else "0"
    switch = ["-X", f"gil={gil}"] if sysconfig.get_config_var("Py_GIL_DISABLED") else []
    return [sys.executable, *switch, "-m", "mtredis"]


def server_environment() -> dict[str, str]:
    """The environment of a child: the repository importable, the log unbuffered."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running server. `parameters` are names of redis.conf; a list value repeats the words after the name."""

    def __init__(self, command: list[str], parameters: Parameters | None = None, *, config_text: str = "") -> None:
        self.is_mtredis = "mtredis" in command
        self.folder = Path(tempfile.mkdtemp(prefix="mtr-"))
        self.parameters: dict[str, Any] = {"port": free_port(), "bind": "127.0.0.1", "enable-debug-command": "yes"}
        self.parameters |= _NOTHING_SAVED
        self.parameters |= parameters or {}
        if not self.is_mtredis:
            for name in _MTREDIS_ONLY:
                self.parameters.pop(name, None)
        self.log_path = self.folder / "server.log"
        self._log = self.log_path.open("wb")
        self.command = [*command, *self._config_file(config_text), *self._words()]
        self.process: subprocess.Popen[bytes] | None = None
        self._start()

    def _config_file(self, text: str) -> list[str]:
        if not text:
            return []
        path = self.folder / "server.conf"
        path.write_text(text)
        return [str(path)]

    def _words(self) -> list[str]:
        words: list[str] = []
        for name, value in self.parameters.items():
            values = value if isinstance(value, list) else [value]
            words += [f"--{name}", *(str(each) for each in values)]
        return [word if word != '""' else "" for word in words]

    # -- addresses and clients

    @property
    def port(self) -> int:
        return int(self.parameters["port"])

    @property
    def socket_path(self) -> str | None:
        path = self.parameters.get("unixsocket")
        return None if path is None else str(self.folder / path)

    @property
    def address(self) -> tuple[str, int] | str:
        if self.port:
            return ("127.0.0.1", self.port)
        assert self.socket_path is not None
        return self.socket_path

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def connect(self, resp: int = 2, **options: Any) -> Connection:
        return Connection(self.address, resp=resp, **options)

    def command_once(self, *arguments: bytes | str | int) -> Any:
        """Sends one request over a connection of its own and returns the reply."""
        with self.connect() as connection:
            return connection.command(*arguments)

    # -- life

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, stdout=self._log, stderr=subprocess.STDOUT, env=server_environment()
        )
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._answers():
            if self.process.poll() is not None:
                text = self.log()
                self._clean_up()
                raise ServerFailed(f"{self.command} ended with {self.process.returncode} at its start:\n{text}")
            if time.monotonic() > deadline:
                text = self.log()
                self.kill()
                raise ServerFailed(f"{self.command} did not answer PING in {STARTUP_SECONDS:.0f} s:\n{text}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            connection = Connection(self.address, timeout=2)
            try:
                return connection.command("PING").kind in {"simple", "error"}
            finally:
                connection.close_and_wait()   # it is not there any more when the test counts
        except OSError:
            return False

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, signal_number: int = signal.SIGTERM, *, check: bool = True) -> int:
        """Ends the server as an operator would; returns the exit code. With `check` all has to be clean."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            code = self.process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            text = self.log()
            self.kill()
            raise ServerFailed(
                f"did not end within {SHUTDOWN_SECONDS:.0f} s after signal {signal_number}:\n{text[-4000:]}"
            ) from None
        text = self.log()
        self._clean_up()
        self.final_log = text
        if check:
            self._check(code, text)
        return code

    def _check(self, code: int, text: str) -> None:
        finding = _FORBIDDEN_IN_LOG.search(text)
        if finding is not None:
            start = max(0, finding.start() - 500)
            raise ServerFailed(f"the log of pid {self.pid} holds {finding.group()!r}:\n{text[start : start + 4000]}")
        if code != 0:
            raise ServerFailed(f"exit code {code}, log:\n{text[-4000:]}")

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._clean_up()

    def _clean_up(self) -> None:
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_rest: object) -> None:
        if self.process is None or not self.folder.exists():
            return
        self.stop(check=exc_type is None)

    # -- what the operating system says about the process

    def memory(self) -> int:
        """Resident set size in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found.group(1)) * 1024

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_subject(parameters: Parameters | None = None, *, config_text: str = "") -> Server:
    """A new server under test."""
    return Server(subject_command(), parameters, config_text=config_text)
