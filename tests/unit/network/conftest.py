"""A core for each way of driving it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.core import Core


@pytest.fixture(params=["executor", "workers", "swinging"])
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    made = Core(tmp_path, request.param)
    yield made
    made.close()
