"""The command `mtredis-check-aof [--fix | --truncate-to-timestamp T] FILE`: is an append only log whole?

Idea: FILE is a manifest, whose files are checked in their order, or a single log, perhaps with an RDB file before its
commands. Commands are read one by one; the last offset behind a command in no open transaction is how far the file is
good. What comes after it can be cut off: with --fix, after asking; with --truncate-to-timestamp also what the
annotations date later. Only the last file of a log may be cut. The figures are those of `redis-check-aof`; exit status
0: all is sound (now), 1: it is not, or cannot be read.

Owner: the main thread of its own process.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import BinaryIO

from mtredis import __version__
from mtredis.durability.aof import manifest as manifests
from mtredis.durability.check_rdb import Check
from mtredis.durability.rdb import begins_as_rdb

USAGE = "Usage: mtredis-check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"
LINE_MAX = 1024        # bytes of a line
BULK_MAX = 1 << 62
STEP = 1 << 20         # bytes of an argument that are read at once


class Unsound(Exception):
    """The file cannot be taken, or must not be changed; the text is for the user."""


class Broken(Exception):
    """What stands at `offset` is no command."""

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(text)
        self.offset = offset


class Outcome(Enum):
    """What became of a file."""

    SOUND = "is valid"
    EMPTY = "is empty"
    TRUNCATED = "was truncated"


@dataclass
class Task:
    """What is to be done beside looking."""

    fix: bool = False
    until: int = 0     # unix seconds; 0: whatever the time


@dataclass
class Commands:
    """The commands of a file, from where it stands."""

    file: BinaryIO
    task: Task
    good: int = 0              # offset behind the last command that is in no open transaction
    lines: int = 1
    later: int = -1            # offset of the first annotation that is later than wanted
    in_transaction: bool = field(default=False)

    def run(self) -> None:
        """Reads to the end, or to an annotation that is later than wanted. Raises Broken."""
        self.good = self.file.tell()
        while True:
            at = self.file.tell()
            if not self.in_transaction:
                self.good = at
            mark = self.file.read(1)
            if not mark:
                break
            self.file.seek(at)
            if mark == b"#":
                if self._is_later():
                    self.later = at
                    return
            elif mark == b"*":
                self._command(at)
            else:
                raise Broken(at, f"expected a command ('*') or an annotation ('#'), got {mark!r}")
        if self.in_transaction:
            raise Broken(self.good, "the file ends before the EXEC of a transaction")

    def _is_later(self) -> bool:
        line = self.file.readline(LINE_MAX)
        if not self.task.until or not line.startswith(b"#TS:"):
            return False
        try:
            return int(line[4:].rstrip(b"\r\n")) > self.task.until
        except ValueError:
            raise Unsound("Invalid timestamp annotation") from None

    def _command(self, at: int) -> None:
        name = b""
        for index in range(self._number(b"*")):
            word = self._argument(keep=index == 0)
            name = word.lower() if index == 0 else name
        if name == b"multi":
            if self.in_transaction:
                raise Broken(at, "MULTI inside a transaction")
            self.in_transaction = True
        elif name == b"exec":
            if not self.in_transaction:
                raise Broken(at, "EXEC without MULTI")
            self.in_transaction = False

    def _number(self, prefix: bytes) -> int:
        at = self.file.tell()
        line = self.file.readline(LINE_MAX)
        if not line:
            raise Broken(at, f"the file ends where {prefix.decode()!r} is expected")
        if line[:1] != prefix:
            raise Broken(at, f"expected {prefix.decode()!r}, got {line[:1]!r}")
        digits = line[1:].removesuffix(b"\r\n")
        if not line.endswith(b"\r\n") or not digits.isdigit() or int(digits) > BULK_MAX:
            raise Broken(at, f"expected a number and the end of the line behind {prefix.decode()!r}")
        self.lines += 1
        return int(digits)

    def _argument(self, keep: bool) -> bytes:
        left = self._number(b"$")
        at, kept = self.file.tell(), b""
        wanted = left
        while left:
            piece = self.file.read(min(left, STEP))
            if not piece:
                raise Broken(at, f"expected {wanted} bytes, got {wanted - left}")
            kept = kept or (piece if keep else b"")
            left -= len(piece)
        if self.file.read(2) != b"\r\n":
            raise Broken(at + wanted, "expected the end of the line behind an argument")
        self.lines += 1
        return kept


def check_file(path: str, name: str, task: Task, *, is_last: bool, is_rdb: bool) -> Outcome:
    """Checks one file, and cuts it if that is wanted. Raises Unsound."""
    try:
        with open(path, "r+b") as file:  # noqa: PTH123 - paths are texts here
            return _check_open(file, name, task, is_last, is_rdb)
    except OSError as error:
        raise Unsound(f"Cannot open file {path}: {error.strerror}, aborting...") from None


def _check_open(file: BinaryIO, name: str, task: Task, is_last: bool, is_rdb: bool) -> Outcome:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return Outcome.EMPTY
    if is_rdb:
        _check_head(file)
    commands = Commands(file, task)
    try:
        commands.run()
    except Broken as error:
        say(f"0x{error.offset:16x}: {error}")
    if commands.later >= 0:
        _cut_later(file, name, task, commands.later, is_last)
        return Outcome.TRUNCATED
    excess = size - commands.good
    if excess == 0 and task.until:
        say(f"Nothing in AOF {name} is later than timestamp {task.until}")
        return Outcome.SOUND
    say(
        f"AOF analyzed: filename={name}, size={size}, ok_up_to={commands.good}, ok_up_to_line={commands.lines}, "
        f"diff={excess}"
    )
    if excess == 0:
        return Outcome.SOUND
    _cut_excess(file, name, task, size, commands.good, is_last)
    return Outcome.TRUNCATED


def _check_head(file: BinaryIO) -> None:
    check = Check(file)
    if not check.run():
        raise Unsound("RDB preamble of AOF file is not sane, aborting.")
    file.seek(check.offset)
    say("RDB preamble is OK, proceeding with AOF tail...")


def _cut_later(file: BinaryIO, name: str, task: Task, at: int, is_last: bool) -> None:
    if at == 0:
        raise Unsound(f"AOF {name} has nothing before timestamp {task.until}, aborting...")
    if not is_last:
        raise Unsound(
            f"AOF {name} is not truncated to timestamp {task.until} at offset {at}, for it is not the last file.\n"
            "If you insist, delete the files after it and their lines in the manifest, and start again."
        )
    file.truncate(at)


def _cut_excess(file: BinaryIO, name: str, task: Task, size: int, good: int, is_last: bool) -> None:
    if not task.fix:
        raise Unsound(f"AOF {name} is not valid. Use the --fix option to try fixing it.")
    if not is_last:
        raise Unsound(f"AOF {name} is not truncated, for it is not the last file")
    say(f"This will shrink the AOF {name} from {size} bytes, with {size - good} bytes, to {good} bytes")
    print("Continue? [y/N]: ", end="", flush=True)
    if not sys.stdin.readline().lower().startswith("y"):
        raise Unsound("Aborting...")
    file.truncate(good)


def check_parts(path: str, task: Task) -> None:
    """Checks all files that a manifest names. Raises Unsound."""
    say("Start checking Multi Part AOF")
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            manifest = manifests.parse(file.read())
    except manifests.ManifestError as error:
        where = f" (line {error.line[0]}: {error.line[1]!r})" if error.line is not None else ""
        raise Unsound(f"The manifest is not valid: {error}{where}") from None
    folder, parts = os.path.dirname(path), manifest.parts  # noqa: PTH120
    for part in parts:
        inside = os.path.join(folder, part.name)  # noqa: PTH118
        kind = "BASE" if part.type == manifests.BASE else "INCR"
        is_rdb = begins_as_rdb(_head(inside)) and kind == "BASE"
        say(f"Start to check {kind} AOF {part.name} ({'RDB' if is_rdb else 'RESP'} format).")
        outcome = check_file(inside, part.name, task, is_last=part is parts[-1], is_rdb=is_rdb)
        say(f"{kind} AOF {part.name} {outcome.value}")
    say("All AOF files and manifest are valid")


def check_single(path: str, task: Task) -> None:
    """Checks a log in a single file. Raises Unsound."""
    say("Start checking Old-Style AOF")
    outcome = check_file(path, path, task, is_last=True, is_rdb=begins_as_rdb(_head(path)))
    say(f"AOF {path} {outcome.value}")


def is_manifest(path: str) -> bool:
    """Whether the first line that is no comment speaks of a file. Raises Unsound."""
    for line in _head(path).split(b"\n"):
        if not line.startswith(b"#"):
            return line.startswith(b"file")
    return False


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(64 * LINE_MAX)
    except OSError as error:
        raise Unsound(f"Cannot open file {path}: {error.strerror}") from None


def say(line: str) -> None:
    print(line.encode("utf-8", "backslashreplace").decode(), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line asks for; the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["-v"], ["--version"]):
        say(f"mtredis-check-aof {__version__}")
        return 0
    task = Task()
    match words:
        case [path]:
            pass
        case ["--fix", path]:
            task.fix = True
        case ["--truncate-to-timestamp", number, path]:
            if not number.removeprefix("-").isascii() or not number.removeprefix("-").isdigit():
                say("Invalid timestamp, aborting...")
                return 1
            task.until = int(number)
        case _:
            say(USAGE)
            return 1
    try:
        if is_manifest(path):
            check_parts(path, task)
        else:
            check_single(path, task)
    except Unsound as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
