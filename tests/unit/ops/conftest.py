"""What the tests of `ops` share: a process whose folder and log are put back."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtredis.ops import log


@pytest.fixture(autouse=True)
def _unchanged_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = Path.cwd()
    settings = log._State.settings
    yield
    os.chdir(folder)
    log._State.settings = settings


@pytest.fixture
def logged(tmp_path_factory: pytest.TempPathFactory) -> "LogFile":
    """The log goes to a file of this test."""
    path = tmp_path_factory.mktemp("log") / "server.log"
    log.open_log("debug", str(path))
    return LogFile(path)


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def messages(self) -> list[str]:
        """What was logged, each with its level's mark in front."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [line.split(" ", 5)[5] for line in lines]
