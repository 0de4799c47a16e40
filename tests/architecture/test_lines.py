"""How long lines are in Cython files, which ruff does not look at."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LENGTH_MAX = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]


def cython_files() -> list[Path]:
    return sorted(path for path in (ROOT / "mtredis").rglob("*") if path.suffix in {".pyx", ".pxd"})


def test_no_line_of_a_cython_file_is_too_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{number}: {len(line)} characters"
        for path in cython_files()
        for number, line in enumerate(path.read_text().split("\n"), 1)
        if len(line) > LENGTH_MAX
    ]
    assert not long, "\n".join(long)


def test_the_cython_files_are_seen() -> None:
    assert len(cython_files()) > 50
