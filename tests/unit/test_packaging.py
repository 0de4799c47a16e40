"""What pyproject.toml says about the package is true of the tree: the compiled modules, the entry point, the typing."""

import importlib
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mtredis"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPILED: list[dict[str, Any]] = PYPROJECT["tool"]["setuptools"]["ext-modules"]
SOURCES = {source for module in COMPILED for source in module["sources"]}


def relative(paths: set[Path]) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in paths}


def test_each_line_names_one_module_and_its_source() -> None:
    for module in COMPILED:
        assert len(module["sources"]) == 1
        assert (ROOT / module["sources"][0]).is_file()
        assert module["sources"][0].rpartition(".")[0] == module["name"].replace(".", "/")


def test_no_module_is_listed_twice() -> None:
    names = [module["name"] for module in COMPILED]
    assert sorted(set(names)) == sorted(names)


def test_all_lines_have_the_same_flags() -> None:
    assert len({tuple(module["extra-compile-args"]) for module in COMPILED}) == 1


def test_every_cython_source_is_listed() -> None:
    augmented = {path.with_suffix(".py") for path in PACKAGE.rglob("*.pxd") if path.with_suffix(".py").exists()}
    assert relative(set(PACKAGE.rglob("*.pyx")) | augmented) == SOURCES


def test_every_listed_source_is_made_for_free_threading() -> None:
    for source in SOURCES:
        first = (ROOT / source).read_text().partition("\n")[0]
        assert first.startswith("# cython:"), source
        assert "freethreading_compatible=True" in first, source


def test_no_compiled_module_has_outlived_its_line() -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    built = {module["name"].replace(".", "/") + suffix for module in COMPILED}
    assert relative(set(PACKAGE.rglob(f"*{suffix}"))) <= built, "remove it, or `make clean build`"


def test_every_folder_with_sources_is_a_package() -> None:
    folders = {path.parent for suffix in ("py", "pyx", "pxd") for path in PACKAGE.rglob(f"*.{suffix}")}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_the_command_starts_what_it_names() -> None:
    for target in PYPROJECT["project"]["scripts"].values():
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("name", ["py.typed", "../LICENSE", "../README.md"])
def test_what_the_package_promises_is_there(name: str) -> None:
    assert (PACKAGE / name).is_file()
