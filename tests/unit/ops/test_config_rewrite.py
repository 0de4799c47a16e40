"""CONFIG REWRITE: what stays, what changes, and that the result says what is in force."""

import contextlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtredis.errors import CommandError
from mtredis.ops import config_rewrite
from mtredis.ops.config import Config
from mtredis.ops.config_file import Options, load
from mtredis.ops.config_rewrite import SIGNATURE, rewrite, rewritten
from mtredis.ops.parameters import CATALOGUE
from mtredis.registry.parameter import Parameter


def changed(*pairs: tuple[str, str]) -> Config:
    config = Config()
    config.set_many(pairs)
    return config


def lines_without_dir(text: str) -> list[str]:
    """Without what is always there."""
    return [line for line in text.splitlines() if not line.startswith(("dir ", "save "))]


def test_lines_are_updated_in_place_and_comments_stay() -> None:
    text = "# my server\nPORT   1\n\n\n# about timeout\ntimeout 5\n"
    assert lines_without_dir(rewritten(text, changed(("timeout", "9")))) == [
        "# my server",
        "port 6379",
        "",
        "# about timeout",
        "timeout 9",
        SIGNATURE,
    ]


def test_changed_parameters_are_appended_once_below_the_signature() -> None:
    config = changed(("maxmemory", "1gb"), ("notify-keyspace-events", "KEA"), ("requirepass", "a b"))
    first = rewritten("", config)
    assert set(lines_without_dir(first)) == {
        SIGNATURE,
        "maxmemory 1gb",
        'notify-keyspace-events "AKE"',
        'requirepass "a b"',
    }
    assert rewritten(first, config) == first


def test_lines_too_many_become_empty() -> None:
    text = "timeout 1\ntimeout 2\n# end\n"
    assert lines_without_dir(rewritten(text, changed(("timeout", "3")))) == ["timeout 3", "", "# end", SIGNATURE]


def test_what_is_unset_loses_its_line() -> None:
    assert "requirepass" not in rewritten("requirepass x\nport 1\n", Config())


def test_unknown_lines_become_comments_and_directives_stay() -> None:
    text = 'include other.conf\nrename-command A ""\nfoo bar\nbad "quotes\n'
    assert rewritten(text, Config()).splitlines()[:4] == [
        "include other.conf",
        'rename-command A ""',
        "# ??? foo bar",
        '# ??? bad "quotes',
    ]


def test_output_limits_have_a_line_per_class() -> None:
    config = changed(("client-output-buffer-limit", "replica 1gb 0 0"))
    assert "client-output-buffer-limit replica 1gb 0 0" in rewritten("", config).splitlines()
    text = "client-output-buffer-limit pubsub 1 1 1\n"
    assert rewritten(text, config).splitlines()[0] == "client-output-buffer-limit normal 0 0 0"


def test_save_points_have_a_line_each_or_one_that_says_never() -> None:
    assert "save 3600 1\nsave 300 100\nsave 60 10000\n" in rewritten("", Config())
    assert rewritten("save 9 9\nport 1\n", changed(("save", ""))).startswith('save ""\nport 6379\n')


def test_rewrite_replaces_the_file(tmp_path: Path) -> None:
    path, link = tmp_path / "real.conf", tmp_path / "link.conf"
    path.write_text("timeout 5\n")
    path.chmod(0o640)
    link.symlink_to(path)
    config = load(Options(str(link)))
    config.set_many([("timeout", "6")])
    rewrite(config)
    assert "timeout 6\n" in path.read_text()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load(Options(str(path))).timeout == 6
    assert sorted(os.listdir(tmp_path)) == ["link.conf", "real.conf"]  # noqa: PTH208


def test_a_file_that_was_deleted_is_made_again_for_its_owner_alone(tmp_path: Path) -> None:
    config = changed(("timeout", "4"))
    config.path = str(tmp_path / "new.conf")
    rewrite(config)
    assert stat.S_IMODE((tmp_path / "new.conf").stat().st_mode) == 0o600
    assert load(Options(config.path)).timeout == 4


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.conf"
    path.write_text("timeout 5\n")
    config = load(Options(str(path)))
    monkeypatch.setattr(config_rewrite.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        rewrite(config)
    assert path.read_text() == "timeout 5\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.conf"]


SETTABLE = [each for each in CATALOGUE.parameters if each.mutable and each.name != "dir"]
VALUES = ["yes", "no", "0", "5", "1gb", "nosave now", "debug", "KEx", "", "a b", "normal 5 4 3", "1 2 3", "\udcff\n"]


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(SETTABLE), st.sampled_from(VALUES)), max_size=12),
    st.lists(st.sampled_from(["# c", "", "port 9", "TIMEOUT 3", "timeout 4", 'save ""', "bind ::1"]), max_size=8),
)
def test_a_rewritten_file_gives_the_configuration_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[Parameter, str]], lines: list[str]
) -> None:
    config = Config()
    for parameter, text in pairs:
        with contextlib.suppress(CommandError):  # not every value fits every parameter
            config.set_many([(parameter.name, text)], allow_protected=True)
    text = rewritten("\n".join(lines), config)
    path = tmp_path_factory.mktemp("rewrite") / "a.conf"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    again = load(Options(str(path)))
    assert again.get("*") == config.get("*")
    assert rewritten(text, again) == text
