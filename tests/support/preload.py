"""Libraries of C that tests preload into a process, to watch or to disturb what it asks of the C library."""

import shutil
import subprocess
from pathlib import Path

from tests.support.oracle import unavailable


def build(source: Path, folder: Path, *options: str) -> Path:
    """The library, made in that folder; skips the test where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        unavailable(f"no C compiler (cc, gcc) to build {source.name} with")
    assert compiler is not None
    target = folder / source.with_suffix(".so").name
    command = [compiler, "-shared", "-fPIC", "-o", str(target), str(source), *options]
    subprocess.run(command, check=True, timeout=60)
    return target
