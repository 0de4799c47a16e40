"""Files that are replaced as a whole."""

import os
from pathlib import Path

import pytest

from mtredis.durability import files


def test_a_file_takes_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    replace, fsync = os.replace, os.fsync

    def noted_replace(source: str, target: str) -> None:
        calls.append("replace")
        replace(source, target)

    def noted_fsync(descriptor: int) -> None:
        calls.append("fsync " + os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
        fsync(descriptor)

    monkeypatch.setattr(files.os, "replace", noted_replace)
    monkeypatch.setattr(files.os, "fsync", noted_fsync)
    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("new")
    files.replace_durably(str(tmp_path / "new"), str(tmp_path / "old"))
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "new"
    assert calls == ["replace", f"fsync {tmp_path}"]


def test_a_name_without_a_folder_is_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("a")
    files.replace_durably("a", "b")
    assert (tmp_path / "b").read_text() == "a"


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.sync_directory(str(tmp_path / "nosuch"))


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    files.remove_quietly(str(tmp_path / "a"))
    files.remove_quietly(str(tmp_path / "a"))
    with pytest.raises(OSError, match="directory"):
        files.remove_quietly(str(tmp_path))
