"""Which way imports point, and that no import turns the GIL on.

Idea: LAYERS is the order of ARCHITECTURE section 4; a module may import from its own layer's package and from layers
further down, never from a neighbour or from above. It is checked in the sources, .py by its syntax tree, .pyx and
.pxd by their import lines, so that an import inside a function counts too. Only `if TYPE_CHECKING:` does not: it
says what something is and imports nothing.

Limits: an import of a computed name is not seen.
"""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mtredis"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("server",),
    ("commands",),
    ("scripting", "sentinel", "cluster"),
    ("replication",),
    ("executor", "network"),
    ("durability",),
    ("reads",),
    ("collection_reads",),
    ("reading",),
    ("keyspace",),
    ("client", "propagate"),
    ("ops",),
    ("registry",),
    ("protocol",),
    ("lib",),      # reads numbers, and refuses bad ones with the errors below
    ("errors",),
    ("__init__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def source_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix in {".py", ".pyi", ".pyx", ".pxd"})


def module_of(path: Path, root: Path = ROOT) -> str:
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports_of(text: str, suffix: str, package: str) -> Iterator[str]:
    """The dotted names that a source imports; `from a import b` gives a.b."""
    yield from imports_of_python(text, package) if suffix in {".py", ".pyi"} else imports_of_cython(text, package)


def imports_of_python(text: str, package: str) -> Iterator[str]:
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute("." * node.level + (node.module or ""), package)
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def imports_of_cython(text: str, package: str) -> Iterator[str]:
    text = re.sub(r'"""(?:[^"\\]|\\.|"(?!""))*"""|#[^\n]*', "", text)
    for match in re.finditer(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+c?import[ \t]*(\([^)]*\)|[^\n]*)", text, re.MULTILINE):
        origin = absolute(match[1], package)
        for name in match[2].strip("()").split(","):
            if name.strip():
                yield f"{origin}.{name.split()[0]}"
    for match in re.finditer(r"^[ \t]*c?import[ \t]+([^\n]*)", text, re.MULTILINE):
        for name in match[1].split(","):
            yield name.split()[0]


def absolute(name: str, package: str) -> str:
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [name[level:]])])


def layer_of(module: str) -> str:
    """The layer that a dotted name under mtredis belongs to: its second part, or the package itself."""
    parts = module.split(".")
    is_layer = len(parts) > 1 and (parts[1] in RANK or any(PACKAGE.glob(f"{parts[1]}*")))
    return parts[1] if is_layer else "__init__"


def family_of(module: str) -> str | None:
    """The command family that a module is: mtredis.commands.string, mtredis.commands.server.info; None for others."""
    match = re.match(r"mtredis\.commands\.((?:server\.)?[a-z_]+)", module)
    return match[1] if match and match[1] != "server" else None


def edges() -> Iterator[tuple[Path, str, str]]:
    """Each import of one mtredis module by another: the file, its module, the imported name."""
    for path in source_files(PACKAGE):
        module = module_of(path)
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        for imported in imports_of(path.read_text(), path.suffix, package):
            if imported.split(".")[0] == "mtredis":
                yield path.relative_to(ROOT), module, imported


def test_every_module_belongs_to_a_layer() -> None:
    strangers = {path.name for path in PACKAGE.iterdir() if path.suffix != ".so" and path.name != "py.typed"}
    strangers = {name.partition(".")[0] for name in strangers} - RANK.keys() - {"__pycache__"}
    assert not strangers


def test_imports_point_down() -> None:
    wrong = [
        f"{path}: {module} imports {imported}"
        for path, module, imported in edges()
        if layer_of(module) != layer_of(imported) and RANK[layer_of(module)] >= RANK[layer_of(imported)]
    ]
    assert not wrong, "\n".join(wrong)


def test_a_command_family_imports_no_other_family() -> None:
    wrong = [
        f"{path}: {imported}"
        for path, module, imported in edges()
        if family_of(module) and family_of(imported) and family_of(module) != family_of(imported)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_edges_are_seen() -> None:
    assert len(list(edges())) > 50


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        ("import mtredis.lib.glob, os", ".py", ["mtredis.lib.glob", "os"]),
        ("from . import a\nfrom ..lib import b", ".py", ["mtredis.executor.a", "mtredis.lib.b"]),
        ("def f():\n    from mtredis import server", ".py", ["mtredis.server"]),
        ("if TYPE_CHECKING:\n    import x\nelse:\n    import y", ".py", ["y"]),
        ("from mtredis.lib cimport (\n    a, b as c,\n)", ".pyx", ["mtredis.lib.a", "mtredis.lib.b"]),
        ("cimport cython\n    import os as o, sys", ".pyx", ["cython", "os", "sys"]),
        ("from .glob cimport match  # from x import y", ".pxd", ["mtredis.executor.glob.match"]),
        ('"""Text.\n\nimport nothing\n"""\ncimport libc.math', ".pyx", ["libc.math"]),
    ],
)
def test_what_counts_as_an_import(text: str, suffix: str, expected: list[str]) -> None:
    assert sorted(imports_of(text, suffix, "mtredis.executor")) == sorted(expected)


IMPORT_ALL = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"


def run_python(code: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    result = subprocess.run(
        [sys.executable, *options, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_every_module_can_be_imported() -> None:
    modules = sorted({module_of(path) for path in source_files(PACKAGE) if path.suffix in {".py", ".pyx"}})
    run_python(IMPORT_ALL, *modules, options=("-X", "gil=0") if FREE_THREADED else ())


@pytest.mark.skipif(not FREE_THREADED, reason="this interpreter always has a GIL")
def test_the_core_leaves_the_gil_off() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    core = [module["name"] for module in listed]
    assert core
    assert run_python(IMPORT_ALL + "print(sys._is_gil_enabled())", *core) == "False"
