"""mtredis-check-rdb: what it says, and that nothing can upset it."""

import random
import subprocess
from pathlib import Path

import pytest
from mtredis.durability.rdb.writer import save
from mtredis.keyspace.database import Keyspace

from mtredis.durability import check_rdb
from tests.support import rdb
from tests.support.servers import subject_command

SAMPLES = Path(__file__).parent / "rdb/samples"
BROKEN = {"invalid_chksum_v8.rdb"}


def check(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = check_rdb.main([str(path)])
    return code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.rdb")))
def test_files_of_many_versions(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = check(SAMPLES / name, capsys)
    assert code == (name in BROKEN)
    assert ("--- RDB ERROR DETECTED ---" in lines) is (name in BROKEN)


def test_what_is_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keyspace = Keyspace(16)
    keyspace[0].set_string(b"a", b"1")
    keyspace[0].set_string(b"b", b"2", 1000)
    keyspace[5].set_string(b"c", b"3", 33177117420000)
    path = tmp_path / "a.rdb"
    path.write_bytes(save(keyspace, aux={b"redis-ver": b"8.0.6", b"odd": b"\x1b[31m\xff\n"}))
    code, lines = check(path, capsys)
    assert code == 0
    size = path.stat().st_size
    assert lines[0] == f"[offset 0] Checking RDB file {path}"
    assert lines[1] == "[offset 26] AUX FIELD redis-ver = '8.0.6'"
    assert lines[2].endswith(r" AUX FIELD odd = '\x1b[31m\xff\n'")
    assert [line.split("] ")[1] for line in lines[3:6]] == ["Selecting DB ID 0", "Selecting DB ID 5", "Checksum OK"]
    assert lines[5].startswith(f"[offset {size}]")
    assert lines[6:] == [
        "[info] 3 keys read", "[info] 3 of type string", "[info] 2 expires", "[info] 1 already expired",
        "[info] 0 subexpires", "The file is sound.",
    ]  # fmt: skip


def test_a_file_without_a_checksum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.rdb"
    path.write_bytes(rdb.file(with_checksum=False))
    assert check(path, capsys)[0] == 0
    path.write_bytes(rdb.file(version=4))
    code, lines = check(path, capsys)
    assert code == 0 and not any("hecksum" in line for line in lines[1:])


@pytest.mark.parametrize(
    ("data", "offset", "text"),
    [
        (b"", 0, "too early"),
        (b"REDIS", 0, "too early"),
        (b"REDIS0012", 9, "too early"),
        (b"REDIS9999\xff", 0, "version"),
        (b"nothing known", 0, "no RDB file"),
        (b"REDIS0012\xee", 9, "known"),
        (b"REDIS0012\x00\x01a\xbf", 12, "length"),
        (rdb.file(b"\x00\x01a\x01b")[:-1] + b"x", 15, "checksum"),
    ],
)
def test_what_is_broken_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, offset: int, text: str
) -> None:
    path = tmp_path / "a.rdb"
    path.write_bytes(data)
    code, lines = check(path, capsys)
    assert code == 1
    error = lines[lines.index("--- RDB ERROR DETECTED ---") + 1]
    assert error.startswith(f"[offset {offset}] ") and text in error


def test_spoilt_files_never_upset_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = random.Random(5)
    path = tmp_path / "a.rdb"
    sources = [path.read_bytes() for path in sorted(SAMPLES.glob("*.rdb"))]
    for _ in range(150):
        path.write_bytes(rdb.damaged(generator.choice(sources)[:20_000], generator))
        code, lines = check(path, capsys)
        assert code == ("--- RDB ERROR DETECTED ---" in lines)


def test_what_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_rdb.main([str(tmp_path / "nosuch")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert check_rdb.main([str(tmp_path)]) == 1
    assert check_rdb.main([]) == 1
    assert "Usage: mtredis-check-rdb" in capsys.readouterr().err
    assert check_rdb.main(["--version"]) == 0


def test_it_is_a_program(tmp_path: Path) -> None:
    path = tmp_path / "a.rdb"
    command = [*subject_command()[:-1], "mtredis.durability.check_rdb", str(path)]
    for data, code in ((rdb.file(), 0), (b"REDIS0012", 1)):
        path.write_bytes(data)
        assert subprocess.run(command, capture_output=True, check=False).returncode == code
