"""mtredis-check-aof: what it says of sound and broken logs, what it cuts off, and that it never cuts more."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtredis.durability.rdb.writer import save
from mtredis.keyspace.database import Keyspace

from mtredis.durability import check_aof
from mtredis.durability.check_aof import Broken, Commands, Task, main
from tests.support.resp import encode_all

GOOD = encode_all([("SELECT", 0), ("SET", "k", "v"), ("MULTI",), ("INCR", "n"), ("EXEC",)])
OPEN = encode_all([("MULTI",), ("INCR", "n")])


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user answers; by default yes."""
    answers = ["y\n"]
    monkeypatch.setattr("sys.stdin", type("Input", (), {"readline": lambda self: answers[0]})())
    return answers


def rdb() -> bytes:
    keyspace = Keyspace(16)
    keyspace[0].set_string(b"k", b"v")
    return bytes(save(keyspace))


def test_a_sound_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    path.write_bytes(GOOD + b"#TS:1\r\n")
    assert main([str(path)]) == 0
    text = capsys.readouterr().out
    size = len(GOOD) + 7
    assert f"AOF analyzed: filename={path}, size={size}, ok_up_to={size}, ok_up_to_line=24, diff=0" in text
    assert f"AOF {path} is valid" in text
    path.write_bytes(b"")
    assert main([str(path)]) == 0
    assert "is empty" in capsys.readouterr().out


@pytest.mark.parametrize("tail", [
    b"*", b"*2\r\n$3", b"garbage", b"\0\0\0", OPEN, OPEN + b"*1\r\n$", b"*1\r\n$1\r\nab\r\n", b"*1\r\n$4\r\nEXEC\r\n",
    b"*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n",
])  # fmt: skip
def test_what_is_broken_is_cut_off_when_that_is_wanted(
    tmp_path: Path, tail: bytes, answer: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.write_bytes(GOOD + tail)
    assert main([str(path)]) == 1
    assert "Use the --fix option" in capsys.readouterr().out
    answer[0] = "n\n"
    assert main(["--fix", str(path)]) == 1
    assert path.read_bytes() == GOOD + tail
    answer[0] = "Y\n"
    assert main(["--fix", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"from {len(GOOD + tail)} bytes, with {len(tail)} bytes, to {len(GOOD)} bytes" in said
    assert path.read_bytes() == GOOD
    assert main([str(path)]) == 0


def test_every_prefix_of_a_log_can_be_fixed(tmp_path: Path, answer: list[str]) -> None:
    path = tmp_path / "log"
    for size in range(1, len(GOOD) + 1):
        path.write_bytes(GOOD[:size])
        assert main(["--fix", str(path)]) == 0
        left = path.read_bytes()
        assert GOOD.startswith(left) and main([str(path)]) == 0


def test_a_log_behind_an_rdb_file(tmp_path: Path, answer: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path, head = tmp_path / "log", rdb()
    path.write_bytes(head + GOOD + b"*")
    assert main([str(path)]) == 1
    assert "RDB preamble is OK" in capsys.readouterr().out
    assert main(["--fix", str(path)]) == 0
    assert path.read_bytes() == head + GOOD
    path.write_bytes(head[:-4] + b"xxxx" + GOOD)
    assert main([str(path)]) == 1
    assert "not sane" in capsys.readouterr().out


def make_parts(folder: Path, *increments: bytes) -> Path:
    (folder / "a.1.base.rdb").write_bytes(rdb())
    lines = ["file a.1.base.rdb seq 1 type b\n", "file a.0.incr.aof seq 7 type h\n"]
    for number, data in enumerate(increments, 1):
        (folder / f"a.{number}.incr.aof").write_bytes(data)
        lines.append(f"file a.{number}.incr.aof seq {number} type i\n")
    manifest = folder / "a.manifest"
    manifest.write_text("# comment\n" + "".join(lines))
    return manifest


def test_parts(tmp_path: Path, answer: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    manifest = make_parts(tmp_path, GOOD, GOOD + b"*1")
    assert main([str(manifest)]) == 1
    assert main(["--fix", str(manifest)]) == 0
    assert "All AOF files and manifest are valid" in capsys.readouterr().out
    assert (tmp_path / "a.2.incr.aof").read_bytes() == GOOD
    (tmp_path / "a.1.incr.aof").write_bytes(GOOD + b"*1")
    assert main(["--fix", str(manifest)]) == 1
    assert "is not the last file" in capsys.readouterr().out
    assert (tmp_path / "a.1.incr.aof").read_bytes() == GOOD + b"*1"
    (tmp_path / "a.1.incr.aof").unlink()
    assert main([str(manifest)]) == 1
    assert "Cannot open file" in capsys.readouterr().out
    manifest.write_text("file a.1.base.rdb seq 1\n")
    assert main([str(manifest)]) == 1
    assert "The manifest is not valid" in capsys.readouterr().out


def test_a_log_is_cut_back_to_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = make_parts(tmp_path, GOOD, b"#TS:100\r\n" + GOOD + b"#TS:200\r\n" + GOOD)
    assert main(["--truncate-to-timestamp", "200", str(manifest)]) == 0
    assert "later than timestamp" in capsys.readouterr().out
    assert main(["--truncate-to-timestamp", "150", str(manifest)]) == 0
    assert (tmp_path / "a.2.incr.aof").read_bytes() == b"#TS:100\r\n" + GOOD
    assert main(["--truncate-to-timestamp", "50", str(manifest)]) == 1
    assert "has nothing before timestamp 50" in capsys.readouterr().out
    (tmp_path / "a.1.incr.aof").write_bytes(GOOD + b"#TS:300\r\n" + GOOD)
    assert main(["--truncate-to-timestamp", "250", str(manifest)]) == 1
    assert "not the last file" in capsys.readouterr().out
    (tmp_path / "a.1.incr.aof").write_bytes(b"#TS:x\r\n" + GOOD)
    assert main(["--truncate-to-timestamp", "250", str(manifest)]) == 1
    assert "Invalid timestamp annotation" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [[], ["--fix"], ["--what", "x"], ["a", "b"], ["--truncate-to-timestamp", "1", "a", "b"]]
)
def test_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert capsys.readouterr().out in (check_aof.USAGE + "\n", "Cannot open file --fix: No such file or directory\n")


def test_other_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0 and capsys.readouterr().out.startswith("mtredis-check-aof ")
    assert main(["--truncate-to-timestamp", "x", "file"]) == 1
    assert main([f"{os.sep}none"]) == 1


@given(st.binary(max_size=80) | st.lists(st.sampled_from(
    [b"*1\r\n", b"$0\r\n", b"\r\n", b"$5\r\nMULTI\r\n", b"$4\r\nEXEC\r\n", b"#x\n", b"*-1\r\n", b"$9"]
), max_size=20).map(b"".join))  # fmt: skip
def test_hostile_logs_have_a_sound_part(data: bytes) -> None:
    commands = Commands(io.BytesIO(data), Task())
    offset = len(data)
    try:
        commands.run()
    except Broken as error:
        offset = error.offset
    assert 0 <= offset <= len(data)
    assert 0 <= commands.good <= len(data)
    again = Commands(io.BytesIO(data[: commands.good]), Task())
    again.run()
    assert again.good == commands.good
