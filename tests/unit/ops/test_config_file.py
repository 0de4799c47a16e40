"""Files and command lines: what they mean, and how a bad one is reported."""

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis import __version__
from mtredis.ops.config import Config, RenamedCommand
from mtredis.ops.config_file import ConfigFileError, Options, load, parse_command_line


def loaded(folder: Path, text: str, *overrides: str) -> Config:
    path = folder / "server.conf"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return load(Options(str(path), False, overrides))


def report(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigFileError) as caught:
        loaded(folder, text, *overrides)
    return str(caught.value)


def test_a_file(tmp_path: Path) -> None:
    text = '# comment\n\n  PORT 7000 \r\nrequirepass "a b\\x41"\nbind 127.0.0.1 -::1\nMaxMemory 1gb\nport 7001'
    config = loaded(tmp_path, text)
    assert (config.port, config.requirepass, config.bind) == (7001, "a bA", ("127.0.0.1", "-::1"))
    assert config.maxmemory == 1024**3
    assert config.path == str(tmp_path / "server.conf")


@pytest.mark.parametrize(
    ("text", "overrides", "points"),
    [
        ("save 1 2\nsave 3 4", (), ((1, 2), (3, 4))),
        ('save 1 2\nsave ""\nsave 3 4 5 6', (), ((3, 4), (5, 6))),
        ("port 1", (), ((3600, 1), (300, 100), (60, 10000))),
        ('save "7 8 9 10"', (), ((7, 8), (9, 10))),
        ("save 1 2", ("save 5 6",), ((1, 2), (5, 6))),
        ("save 1 2", ('save ""',), ()),
        ("port 1", ("save 5 6",), ((5, 6),)),
    ],
)
def test_save_points_of_several_lines_add_up(
    tmp_path: Path, text: str, overrides: tuple[str, ...], points: tuple[tuple[int, int], ...]
) -> None:
    config = loaded(tmp_path, text, *overrides)
    assert config.save == points
    config.set_many([("save", "9 9")])
    assert config.save == ((9, 9),)


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.conf"
    path.write_text("port 1\ntimeout 1\nhz 1\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("timeout 2\nhz 2"))
    config = load(Options(str(path), True, ("hz 3",)))
    assert (config.port, config.timeout, config.hz) == (1, 2, 3)


def test_no_source_at_all() -> None:
    config = load(Options())
    assert config.path is None
    assert config.port == 6379


def test_bad_lines_name_file_and_line(tmp_path: Path) -> None:
    assert report(tmp_path, "port 7000\n\nfoo  bar\n") == (
        f"\n*** FATAL CONFIG FILE ERROR (mtredis {__version__}) ***\n"
        "Reading the configuration file, at line 3\n"
        ">>> 'foo  bar'\n"
        f"{tmp_path}/server.conf:3: Bad directive or wrong number of arguments"
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("port", "wrong number of arguments"),
        ("port 1 2", "wrong number of arguments"),
        ("port x", "argument couldn't be parsed into an integer"),
        ('requirepass "x', "Unbalanced quotes in configuration line"),
        ("include", "Bad directive or wrong number of arguments"),
        ("rename-command A", "Bad directive or wrong number of arguments"),
        ("save 900", "Invalid save parameters"),
        ("appendfsync sometimes", "argument(s) must be one of the following: everysec, always, no"),
        ("dir /no/such/folder", "No such file or directory"),
        ("user default on", "Bad directive or wrong number of arguments"),
        ("loadmodule x.so", "Bad directive or wrong number of arguments"),
    ],
)
def test_reasons(tmp_path: Path, line: str, reason: str) -> None:
    assert report(tmp_path, line).endswith(f"server.conf:1: {reason}")


def test_a_bad_override_is_reported_as_such(tmp_path: Path) -> None:
    assert report(tmp_path, "", "hz 5", 'port "x"').endswith(
        "at line 2\n>>> 'port \"x\"'\ncommand line:2: argument couldn't be parsed into an integer"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="^Fatal error, can't open config file '.*x.conf': No such file"):
        load(Options(str(tmp_path / "x.conf")))


def test_includes(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("hz 1\ntimeout 1\n")
    (tmp_path / "b.conf").write_text("hz 2\n")
    config = loaded(tmp_path, f"hz 9\ninclude {tmp_path}/[ab].conf\ninclude {tmp_path}/none*.conf\n")
    assert (config.hz, config.timeout) == (2, 1)
    assert config.path == str(tmp_path / "server.conf")


def test_an_include_starts_in_the_folder_of_that_moment(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "more.conf").write_text("hz 7")
    config = loaded(tmp_path, f"dir {tmp_path}/below\ninclude more.conf")
    assert config.hz == 7
    assert config.dir == str(Path.cwd()) == str((tmp_path / "below").resolve())


def test_errors_in_an_included_file_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text("hz 1\nport x")
    assert f"{tmp_path}/bad.conf:2: argument" in report(tmp_path, f"\n\ninclude {tmp_path}/bad.conf")
    missing = report(tmp_path, f"\ninclude {tmp_path}/missing.conf")
    assert missing.endswith(f"server.conf:2: Fatal error, can't open config file '{tmp_path}/missing.conf': "
                            "No such file or directory")  # fmt: skip


def test_a_file_that_includes_itself(tmp_path: Path) -> None:
    (tmp_path / "other.conf").write_text(f"include {tmp_path}/server.conf")
    assert report(tmp_path, f"include {tmp_path}/other.conf").endswith("includes itself")


def test_renamed_commands(tmp_path: Path) -> None:
    config = loaded(tmp_path, 'rename-command CONFIG ""\nRENAME-command get fetch')
    where = f"{tmp_path}/server.conf"
    assert config.renamed_commands == [
        RenamedCommand("CONFIG", "", f"{where}:1"),
        RenamedCommand("get", "fetch", f"{where}:2"),
    ]


def test_what_redis_ignores_is_ignored(tmp_path: Path) -> None:
    assert loaded(tmp_path, "io-threads-do-reads yes\nlua-replicate-commands no").port == 6379


def test_a_log_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    reason = "Can't open the log file: No such file or directory"
    assert report(tmp_path, f"logfile {tmp_path}/none/x.log").endswith(reason)
    loaded(tmp_path, f"logfile {tmp_path}/x.log")
    assert (tmp_path / "x.log").exists()


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    config = loaded(tmp_path, "requirepass \udcff\udcfe")
    assert config.requirepass.encode("utf-8", "surrogateescape") == b"\xff\xfe"


@given(st.text())
def test_any_file_loads_or_is_reported(text: str) -> None:
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    path = folder / f"fuzz-{os.getpid()}.conf"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    reports = []
    try:
        load(Options(str(path)))
    except ConfigFileError as error:
        reports.append(str(error))
    finally:
        path.unlink()
    assert all(f"{path}:" in each for each in reports)


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        ([], Options()),
        (["-v"], Options(action="version")),
        (["--version"], Options(action="version")),
        (["-h"], Options(action="help")),
        (["--help", "x"], Options(action="help")),
        (["-"], Options(stdin=True)),
        (["/a.conf", "-"], Options("/a.conf", stdin=True)),
        (["--port", "7000", "-"], Options(stdin=True, overrides=('port "7000"',))),
        (["--port", "7000"], Options(overrides=('port "7000"',))),
        (["--port 7000"], Options(overrides=("port 7000",))),
        (["--port 7000", "--hz", "5"], Options(overrides=("port 7000", 'hz "5"'))),
        (["/a.conf", "--bind", "::1", "127.0.0.1"], Options("/a.conf", overrides=('bind "::1" "127.0.0.1"',))),
        (["--requirepass", "--odd"], Options(overrides=('requirepass "--odd"',))),
        (["--save", "--port", "1"], Options(overrides=('save ""', 'port "1"'))),
        (["--port", "1", "--save"], Options(overrides=('port "1"', 'save ""'))),
        (["--save", "", "--port", "1"], Options(overrides=('save ""', 'port "1"'))),
        (["--requirepass", 'a "b'], Options(overrides=('requirepass "a \\"b"',))),
        (["--daemonize"], Options(overrides=("daemonize",))),
    ],
)
def test_command_lines(argv: list[str], options: Options) -> None:
    assert parse_command_line(argv) == options


def test_a_relative_path_is_made_absolute(tmp_path: Path) -> None:
    os.chdir(tmp_path)
    assert parse_command_line(["x.conf"]).config_path == f"{Path.cwd()}/x.conf"


def test_words_without_a_parameter_are_refused() -> None:
    with pytest.raises(ConfigFileError, match="Bad directive"):
        load(parse_command_line(["-x", "1"]))
