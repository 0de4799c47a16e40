"""Where the redis-server is that the differential tests compare with, and its companions.

Idea: the reference is the real thing, version 8.0. MTREDIS_ORACLE names the binary; without it the cache that
`.ci/run` fills is looked at. Without an oracle the tests are skipped at home and are an error in CI.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.support.servers import Parameters, Server

_CACHE = Path.home() / ".cache" / "mtredis" / "redis-8.0"


def in_ci() -> bool:
    return bool(os.environ.get("CI"))


def unavailable(reason: str) -> None:
    """Skips the test; in CI, where nothing may be missing, fails it."""
    if in_ci():
        pytest.fail(f"{reason} (and CI is set)")
    pytest.skip(reason)


@cache
def oracle_binary() -> str | None:
    named = os.environ.get("MTREDIS_ORACLE")
    candidates = [named] if named else [str(_CACHE / "redis-server"), shutil.which("redis-server") or ""]
    for path in candidates:
        if path and os.access(path, os.X_OK) and " v=8.0." in _version(path):
            return path
    return None


def _version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout


def require_oracle() -> str:
    path = oracle_binary()
    if path is None:
        unavailable(f"no redis-server 8.0 (MTREDIS_ORACLE, {_CACHE}); .ci/run builds one")
    assert path is not None
    return path


def start_oracle(parameters: Parameters | None = None) -> Server:
    """A new redis-server 8.0."""
    return Server([require_oracle()], parameters)


def tool(name: str) -> str:
    """The path of redis-cli or redis-benchmark: beside the oracle, in the cache, or on PATH."""
    oracle = os.environ.get("MTREDIS_ORACLE")
    folders = [Path(oracle).parent] if oracle else []
    for folder in [*folders, _CACHE]:
        path = folder / name
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which(name)
    if found is None:
        unavailable(f"no {name} in {_CACHE} or on PATH")
    assert found is not None
    return found
