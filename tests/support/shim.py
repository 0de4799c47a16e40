"""Watches and disturbs what a server does to its files: the test's side of `disk_shim.c`, which is preloaded into it.

Idea: `Shim(folder)` gives a server an environment (`environment()`). From then on `trace()` reads every call that
changed something below the folder, and every send to a client, in their order; the fields of `Control` make calls fail,
fall short, or wait, from the very next call on.

Owner: the test. Limits: only what goes through the C library's functions is seen; that is all that redis-server and
mtredis do. Needs a C compiler: `require_compiler()` skips without one.
"""

import mmap
import os
import shutil
import struct
import tempfile
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path

from tests.support import preload

_SOURCE = Path(__file__).with_name("disk_shim.c")
_CONTROL = struct.Struct("=q8i3q128s")
_NAMES = (
    *("space", "write_error", "sync_error", "rename_error", "open_error", "unlink_error", "largest", "hold_sync"),
    *("holding", "writes", "syncs", "refused", "match"),
)
_FIELDS: dict[str, tuple[int, str]] = {}
_offset = 0
for _name, _form in zip(_NAMES, ["q", *"iiiiiiii", *"qqq", "128s"], strict=True):
    _FIELDS[_name] = (_offset, "=" + _form)
    _offset += struct.calcsize("=" + _form)
_HEAD = struct.Struct("=I5iqIII4x")


class Kind(IntEnum):
    """What a record is about."""

    OPEN = 1
    CLOSE = 2
    WRITE = 3
    TRUNCATE = 4
    SYNC_BEGIN = 5
    SYNC_END = 6
    RENAME = 7
    UNLINK = 8
    MKDIR = 9
    SEND = 10


@dataclass(frozen=True)
class Record:
    """One call."""

    pid: int
    kind: Kind
    fd: int
    result: int
    """Of an fsync: 0 or -1. Of an open: whether the file was there before."""
    flags: int
    offset: int
    """Of a write: where it went; of a truncation: the new length."""
    path: str
    other: str
    data: bytes


@cache
def library() -> Path:
    """The compiled shim; skips the test where there is no compiler."""
    return preload.build(_SOURCE, Path(tempfile.mkdtemp(prefix="mtr-shim-")), "-O2", "-ldl", "-lpthread")


class Control:
    """The calls that fail from now on. Errors are numbers of `errno`; 0 takes them away."""

    space: int
    write_error: int
    sync_error: int
    rename_error: int
    open_error: int
    unlink_error: int
    largest: int
    hold_sync: int
    holding: int
    writes: int
    syncs: int
    refused: int

    def __init__(self, path: Path) -> None:
        path.write_bytes(_CONTROL.pack(-1, *[0] * 11, b""))
        with path.open("r+b") as file:
            self.__dict__["_memory"] = mmap.mmap(file.fileno(), _CONTROL.size)

    def __getattr__(self, name: str) -> int:
        offset, form = _FIELDS[name]
        return int(struct.unpack_from(form, self.__dict__["_memory"], offset)[0])

    def __setattr__(self, name: str, value: int) -> None:
        offset, form = _FIELDS[name]
        struct.pack_into(form, self.__dict__["_memory"], offset, value)

    def only(self, part: str) -> None:
        """Only paths with this in them are disturbed; "": all."""
        offset, form = _FIELDS["match"]
        struct.pack_into(form, self.__dict__["_memory"], offset, part.encode())

    def calm(self) -> None:
        """Nothing fails any more."""
        for name in ("write_error", "sync_error", "rename_error", "open_error", "unlink_error", "largest", "hold_sync"):
            setattr(self, name, 0)
        self.space = -1
        self.only("")


class Shim:
    """A folder whose server is watched."""

    def __init__(self, folder: Path, *, traced: bool = True) -> None:
        self.folder = folder.resolve()
        self.library = library()
        self._own = Path(tempfile.mkdtemp(prefix="mtr-trace-"))
        self.control = Control(self._own / "control")
        self._trace = self._own / "trace" if traced else None

    def environment(self) -> dict[str, str]:
        """What the server's environment has to have."""
        words = {"LD_PRELOAD": str(self.library), "MTR_SHIM_ROOT": str(self.folder)}
        words["MTR_SHIM_CONTROL"] = str(self._own / "control")
        if self._trace is not None:
            words["MTR_SHIM_TRACE"] = str(self._trace)
        if "LD_PRELOAD" in os.environ:
            words["LD_PRELOAD"] += ":" + os.environ["LD_PRELOAD"]
        return words

    def trace(self) -> list[Record]:
        """What has been done so far; a record that is being written is left out."""
        assert self._trace is not None
        data = self._trace.read_bytes() if self._trace.exists() else b""
        records, at = [], 0
        while at + _HEAD.size <= len(data):
            size, pid, kind, fd, result, flags, offset, path, other, length = _HEAD.unpack_from(data, at)
            if at + size > len(data):
                break
            start = at + _HEAD.size
            texts = [data[start : start + path], data[start + path : start + path + other]]
            payload = data[start + path + other : start + path + other + length]
            paths = [os.path.normpath(os.fsdecode(text)) if text else "" for text in texts]
            records.append(Record(pid, Kind(kind), fd, result, flags, offset, paths[0], paths[1], payload))
            at += size
        return records

    def close(self) -> None:
        """The trace is gone."""
        shutil.rmtree(self._own, ignore_errors=True)
