"""The order of system calls, and power losses worked out from it; and the proof that the model sees disorder."""

import os
import random
from pathlib import Path

import pytest

from tests.crash.power import MODES, PowerRun
from tests.support.disk_model import Disk, broken_rules
from tests.support.shim import Kind, Record

LOSSES = {"subject": 10, "oracle": 16}
ROOT = "/d"


@pytest.mark.parametrize("contender", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_power_losses_are_survived(mode: str, contender: str) -> None:
    run = PowerRun(contender, mode, seed=4)
    try:
        run.record(0.2)
        assert run.broken_rules() == []
        assert run.losses(LOSSES[contender]) > 0
    finally:
        run.close()


@pytest.mark.parametrize("dropped", ["fsync of the log", "fsync of folders"])
def test_a_missing_fsync_is_seen(dropped: str) -> None:
    """The trace of a correct run, without some of its fsyncs, breaks the rules."""
    run = PowerRun("oracle", "always", seed=4)
    try:
        run.record(0.1)
        assert run.broken_rules() == []
        paths: dict[int, str] = {}
        kept = []
        for record in run.trace:
            if record.kind is Kind.OPEN:
                paths[record.fd] = record.path
            is_sync = record.kind in (Kind.SYNC_BEGIN, Kind.SYNC_END)
            is_folder = paths.get(record.fd, "").endswith("appendonlydir")
            is_log = ".incr." in paths.get(record.fd, "")
            if not (is_sync and (is_log if dropped == "fsync of the log" else is_folder)):
                kept.append(record)
        run.trace = kept
        assert run.broken_rules() != []
    finally:
        run.close()


# -- the model, by hand


def call(kind: Kind, fd: int = 3, path: str = "", other: str = "", data: bytes = b"", **rest: int) -> Record:
    fields = {"result": 0, "flags": 0, "offset": 0} | rest
    return Record(1, kind, fd, fields["result"], fields["flags"], fields["offset"], path, other, data)


def create(path: str, fd: int = 3) -> Record:
    return call(Kind.OPEN, fd, path, flags=os.O_CREAT | os.O_WRONLY)


def synced(fd: int = 3) -> list[Record]:
    return [call(Kind.SYNC_BEGIN, fd), call(Kind.SYNC_END, fd)]


def folder_synced(fd: int = 9) -> list[Record]:
    return [call(Kind.OPEN, fd, ROOT, flags=os.O_DIRECTORY), *synced(fd), call(Kind.CLOSE, fd)]


def survivors(calls: list[Record], count: int = 200) -> set[tuple[tuple[str, bytes | None], ...]]:
    disk = Disk(ROOT)
    for record in calls:
        disk.apply(record)
    return {
        tuple(sorted((path[len(ROOT) :], data) for path, data in state.names.items() if path != ROOT))
        for state in disk.states(random.Random(1), count)
    }  # fmt: skip


def test_what_was_fsynced_survives_and_the_rest_may_be_torn() -> None:
    calls = [create("/d/f"), call(Kind.WRITE, data=b"ab"), *synced(), *folder_synced()]
    calls.append(call(Kind.WRITE, data=b"cd", offset=2))
    assert survivors(calls) == {(("/f", b"ab"),), (("/f", b"abc"),), (("/f", b"abcd"),)}


def test_a_new_name_needs_its_folder() -> None:
    calls = [create("/d/f"), call(Kind.WRITE, data=b"ab"), *synced()]
    assert survivors(calls) == {(), (("/f", b"ab"),)}
    assert broken_rules(calls, ROOT) == ["never on disk: the name /d/f"]
    assert broken_rules([*calls, *folder_synced()], ROOT) == []


def test_a_rename_without_an_fsync_may_leave_an_empty_file() -> None:
    old = [create("/d/f"), call(Kind.WRITE, data=b"old"), *synced(), *folder_synced()]
    new = [create("/d/temp", 4), call(Kind.WRITE, 4, data=b"new")]
    rename = call(Kind.RENAME, path="/d/temp", other="/d/f")
    assert (("/f", b""),) in survivors([*old, *new, rename])
    assert broken_rules([*old, *new, rename], ROOT)[0] == "renamed before its fsync: /d/temp"
    names = {state for each in survivors([*old, *new, *synced(4), rename]) for state in each if state[0] == "/f"}
    assert names == {("/f", b"old"), ("/f", b"new")}


def test_a_failed_fsync_promises_nothing() -> None:
    calls = [create("/d/f"), *folder_synced(), call(Kind.WRITE, data=b"ab"), call(Kind.SYNC_BEGIN)]
    calls.append(call(Kind.SYNC_END, result=-1))
    assert (("/f", b""),) in survivors(calls)


def test_a_write_during_an_fsync_is_not_covered() -> None:
    calls = [create("/d/f"), *folder_synced(), call(Kind.WRITE, data=b"a"), call(Kind.SYNC_BEGIN)]
    calls += [call(Kind.WRITE, data=b"b", offset=1), call(Kind.SYNC_END)]
    assert survivors(calls) == {(("/f", b"a"),), (("/f", b"ab"),)}


def test_a_truncation_is_a_change_like_any_other() -> None:
    calls = [create("/d/f"), *folder_synced(), call(Kind.WRITE, data=b"abc"), *synced(), call(Kind.TRUNCATE, offset=1)]
    assert survivors(calls) == {(("/f", b"abc"),), (("/f", b"a"),)}


def test_a_manifest_must_not_name_what_is_gone_or_not_there() -> None:
    line = b"file base.1.base.rdb seq 1 type b\n"
    manifest = [create("/d/temp-m", 5), call(Kind.WRITE, 5, data=line), *synced(5)]
    manifest.append(call(Kind.RENAME, path="/d/temp-m", other="/d/a.manifest"))
    base = [create("/d/base.1.base.rdb"), call(Kind.WRITE, data=b"x"), *synced()]
    assert broken_rules([*manifest, *folder_synced()], ROOT) != []
    good = [*base, *manifest, *folder_synced()]
    assert broken_rules(good, ROOT) == []
    assert broken_rules([*good, call(Kind.UNLINK, path="/d/base.1.base.rdb")], ROOT) == [
        "unlinked while the manifest on disk names it: /d/base.1.base.rdb"
    ]


def test_lost_folders_take_their_files_along(tmp_path: Path) -> None:
    disk = Disk(ROOT)
    for record in [call(Kind.MKDIR, path="/d/sub"), create("/d/sub/f"), call(Kind.WRITE, data=b"x"), *synced()]:
        disk.apply(record)
    for record in [call(Kind.OPEN, 9, "/d/sub", flags=os.O_DIRECTORY), *synced(9)]:
        disk.apply(record)
    lost = next(disk.states(random.Random(1), 1))
    disk.write_state(lost, tmp_path)
    assert list(tmp_path.iterdir()) == []
