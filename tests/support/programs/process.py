"""Runs a program's worker as a process of its own, and waits for what must come true, never for a time.

Idea: a worker is a child with its output in a file; whatever goes wrong, the test shows that output. It is ended with
the signal that an operator would send, and has to leave with exit code 0.

Owner: the test that started it; processes are only ever ended by their own handle.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.servers import REPOSITORY, server_environment

PATIENCE = 30.0
"""Seconds until a condition is given up; a loaded machine needs some of them, a sound one a fraction of the first."""
_STEP = 0.02


class Program:
    """A running worker: `with Program(folder, [sys.executable, "-m", "rq.cli", ...]) as worker`."""

    def __init__(self, folder: Path, command: list[str], **environment: str) -> None:
        self.path = folder / "program.log"
        self._log = self.path.open("wb")
        self.process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=server_environment() | environment,
        )

    def log(self) -> str:
        """What it printed so far."""
        return self.path.read_text(errors="replace")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Returns once the condition holds, while the program is running."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before {what}:\n{self.log()}"
            assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}\n{self.log()}"
            time.sleep(_STEP)

    def finish(self) -> str:
        """Waits until it ends of itself, with exit code 0; returns what it printed."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {PATIENCE:.0f} s:\n{self.log()}") from None
        assert code == 0, f"ended with {code}:\n{self.log()}"
        return self.log()

    def stop(self) -> str:
        """Asks it to end and waits for it, as `finish` does."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()


def until(condition: Callable[[], object], what: str) -> None:
    """Returns once the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(_STEP)
