"""A server whose folder outlives it: started, killed at any moment, started again on what it left.

Idea: tests of durability are about what is in the folder, so the folder is the test's, not the server's. `start`,
`kill` and `stop` can be called as often as needed; each start may change parameters and environment. The log goes on.

Owner: the test that made it. Processes are only ended by their own handle.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.oracle import require_oracle
from tests.support.resp import Connection, Value
from tests.support.servers import ServerFailed, free_port, server_environment, subject_command, subject_is_mtredis

START_SECONDS = 60.0
STOP_SECONDS = 30.0
PORTS_TRIED = 5
CONTENDERS = ("subject", "oracle")
"""Which server: the one under test, or redis-server, with which the test itself is tested."""


def command_of(contender: str) -> list[str]:
    """How the command line starts."""
    return subject_command() if contender == "subject" else [require_oracle()]


class DurableServer:
    """A server on a folder of the test's own (or a new one, which `close` removes)."""

    def __init__(self, contender: str, folder: Path | None = None, **parameters: Any) -> None:
        self.contender = contender
        self.is_mtredis = contender == "subject" and subject_is_mtredis()
        self._command = command_of(contender)
        self._is_mine = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="mtr-durable-")) if folder is None else folder
        self.data = self.folder / "data"
        self.data.mkdir(exist_ok=True)
        self.log_path = self.folder / "server.log"
        self.parameters: dict[str, Any] = {
            "port": free_port(), "bind": "127.0.0.1", "enable-debug-command": "yes", "enable-protected-configs": "yes",
            "save": "", "appendonly": "no", "dir": str(self.data),
        }  # fmt: skip
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.change(**parameters)

    def change(self, **parameters: Any) -> None:
        """From the next start on, with these parameters."""
        self.parameters |= {name.replace("_", "-"): value for name, value in parameters.items()}

    # -- life

    def launch(self) -> None:
        """The process runs; it need not answer yet."""
        assert self.process is None
        words = [word for name, value in self.parameters.items() for word in (f"--{name}", str(value))]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, *words], cwd=self.folder, stdout=log, stderr=subprocess.STDOUT,
                env=server_environment() | self.environment, start_new_session=True,
            )  # fmt: skip

    def start(self, seconds: float = START_SECONDS) -> "DurableServer":
        """It runs, has loaded what there was, and answers; on another port if somebody has taken this one meanwhile."""
        for _ in range(PORTS_TRIED):
            self.launch()
            try:
                self.wait_ready(seconds)
                return self
            except ServerFailed:
                if self.process is not None or "Address already in use" not in self.log()[-500:]:
                    raise
                self.change(port=free_port())
        raise ServerFailed(f"{self.contender} found no free port")

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """PING is answered with PONG, or with an error that is not LOADING."""
        deadline = time.monotonic() + seconds
        while not self._is_ready():
            assert self.process is not None
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                raise ServerFailed(f"{self.contender} ended with {code} at its start:\n{self.log()[-3000:]}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.contender} is not ready after {seconds} s:\n{self.log()[-3000:]}")
            time.sleep(0.005)

    def _is_ready(self) -> bool:
        try:
            with self.connect(timeout=5) as connection:
                reply, facts = connection.pipeline([("PING",), ("INFO", "server")])
                # on a busy machine somebody else's server may have the port
                is_it = b"process_id:%d\r\n" % self.pid in facts.data
                return is_it and (reply.kind == "simple" or not reply.data.startswith(b"LOADING"))
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL, also for the children that redis-server forks to save: nothing can be put in order any more."""
        process, self.process = self.process, None
        if process is not None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Ends it as an operator would; the exit code."""
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(signal_number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerFailed(f"{self.contender} did not end after {signal_number}:\n{self.log()[-3000:]}") from None

    def wait_end(self, seconds: float = STOP_SECONDS) -> int:
        """It ends by itself; the exit code."""
        assert self.process is not None
        code = self.process.wait(seconds)
        self.process = None
        return code

    def close(self) -> None:
        """The process is gone, and a folder that was made for it, too."""
        self.kill()
        if self._is_mine:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "DurableServer":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- looking at it

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", int(self.parameters["port"]))

    def connect(self, **options: Any) -> Connection:
        return Connection(self.address, **options)

    def command(self, *arguments: bytes | str | int) -> Value:
        """The reply to one request over a connection of its own."""
        with self.connect(timeout=30) as connection:
            return connection.command(*arguments)

    def info(self, section: str = "persistence") -> dict[str, str]:
        """INFO as a dict."""
        text = self.command("INFO", section).data.decode()
        return dict(re.findall(r"^(\w+):(.*?)\r?$", text, re.MULTILINE))

    def wait_info(self, seconds: float = 30.0, section: str = "persistence", **wanted: str) -> dict[str, str]:
        """A section of INFO, once these fields have these values."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.info(section)
            if all(found.get(name) == value for name, value in wanted.items()):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.contender}: {wanted} not reached in {seconds} s: {found}")
            time.sleep(0.01)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
