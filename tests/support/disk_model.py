"""What a disk may hold after a power loss, worked out from a trace of system calls (tests/support/shim.py).

Idea: a disk keeps what was fsynced; of the rest anything that respects two orders may survive. The bytes of a file: any
prefix of the writes since its last fsync, the last of them perhaps torn. Names (create, rename, unlink, mkdir): any
prefix of what was done since the last fsync of their folder: file systems with a journal keep the order of names, and
may keep a rename while they lose the bytes of the file that it names. That last one is what needs the fsync before.

`Disk.apply` takes the records one after the other; `states` draws what a power loss at this moment could leave;
`Disk.write_state` puts one into a folder. `broken_rules` looks at the whole trace for what must never happen.

Limits: blocks of one file that reach the disk out of order (a hole of zeros before data) are not modelled; a folder's
fsync covers the names in it, not those above.
"""

import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.shim import Kind, Record


@dataclass(eq=False)
class File:
    """A file or a folder, whatever its names are."""

    is_folder: bool = False
    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Since the last fsync: (offset, bytes), or (length, None) for a truncation."""
    begun: list[int] = field(default_factory=list)
    """How many of `pending` each fsync under way covers."""

    def content(self, changes: int | None = None, torn: int | None = None) -> bytes:
        """The bytes after so many of the pending changes; of the last of them, a write, `torn` bytes arrived."""
        data = bytearray(self.synced)
        listed = self.pending if changes is None else self.pending[:changes]
        for number, (offset, written) in enumerate(listed):
            is_torn = torn is not None and number == len(listed) - 1
            _change(data, offset, written[:torn] if is_torn and written is not None else written)
        return bytes(data)

    def synced_up_to(self, changes: int) -> None:
        for offset, written in self.pending[:changes]:
            _change(self.synced, offset, written)
        del self.pending[:changes]
        self.begun = [max(0, each - changes) for each in self.begun]


def _change(data: bytearray, offset: int, written: bytes | None) -> None:
    if written is None:
        del data[offset:]
        data.extend(b"\0" * (offset - len(data)))
    else:
        data.extend(b"\0" * (offset - len(data)))
        data[offset : offset + len(written)] = written


@dataclass(frozen=True, eq=False)
class Naming:
    """A change of names: `path` is now `file` (None: nothing), and `gone` (of a rename) is nothing any more."""

    path: str
    file: File | None
    gone: str = ""

    @property
    def folders(self) -> set[str]:
        """A rename is on disk once the folder of the new name is."""
        return {os.path.dirname(self.path)}  # noqa: PTH120

    def perform(self, names: dict[str, File]) -> None:
        names.pop(self.gone, None)
        if self.file is None:
            names.pop(self.path, None)
        else:
            names[self.path] = self.file


@dataclass
class State:
    """One thing that the disk may hold."""

    names: dict[str, bytes | None]
    """Path -> content; None for a folder."""
    description: str


class Disk:
    """A folder, from empty, as the calls of a trace make it."""

    def __init__(self, root: str, *, keeps_folders: bool = False) -> None:
        """`keeps_folders`: a new folder is on disk at once, for servers that do not fsync the one that it is in."""
        self.root = root
        self._keeps_folders = keeps_folders
        self.names: dict[str, File] = {root: File(is_folder=True)}
        self.on_disk: dict[str, File] = dict(self.names)
        self.pending: list[Naming] = []
        self._open: dict[tuple[int, int], File] = {}
        self._main = 0

    # -- following the trace

    def apply(self, record: Record) -> None:
        """The call has been made."""
        self._main = self._main or record.pid
        handler = _HANDLERS.get(record.kind)
        if handler is not None:
            handler(self, record)

    def file_of(self, record: Record) -> File | None:
        """What the descriptor stands for; a forked child has its parent's."""
        return self._open.get((record.pid, record.fd)) or self._open.get((self._main, record.fd))

    def path_of(self, file: File) -> str:
        """One of its names, now."""
        return next((path for path, each in self.names.items() if each is file), "(no name)")

    def _opened(self, record: Record) -> None:
        file = self.names.get(record.path)
        if file is None:
            is_folder = bool(record.flags & os.O_DIRECTORY)
            file = File(is_folder=is_folder)
            self._name(Naming(record.path, file))
        elif record.flags & os.O_TRUNC and record.flags & os.O_ACCMODE != os.O_RDONLY:
            file.pending.append((0, None))
        self._open[record.pid, record.fd] = file

    def _closed(self, record: Record) -> None:
        self._open.pop((record.pid, record.fd), None)

    def _written(self, record: Record) -> None:
        file = self.file_of(record)
        assert file is not None, record
        file.pending.append((record.offset, record.data))

    def _truncated(self, record: Record) -> None:
        file = self.file_of(record)
        assert file is not None, record
        file.pending.append((record.offset, None))

    def _sync_began(self, record: Record) -> None:
        file = self.file_of(record)
        assert file is not None, record
        file.begun.append(len(self.pending) if file.is_folder else len(file.pending))

    def _synced(self, record: Record) -> None:
        file = self.file_of(record)
        assert file is not None, record
        covered = file.begun.pop(0)
        if record.result != 0:
            return
        if file.is_folder:
            self._folder_synced(self.path_of(file))
        else:
            file.synced_up_to(covered)

    def _folder_synced(self, path: str) -> None:
        """Names in it are on disk, and with them what the journal had before: all that concern the same names."""
        kept = []
        for naming in self.pending:
            if path in naming.folders:
                naming.perform(self.on_disk)
            else:
                kept.append(naming)
        self.pending = kept

    def _name(self, naming: Naming) -> None:
        naming.perform(self.names)
        self.pending.append(naming)

    def _renamed(self, record: Record) -> None:
        self._name(Naming(record.other, self.names[record.path], gone=record.path))

    def _unlinked(self, record: Record) -> None:
        self._name(Naming(record.path, None))

    def _made_folder(self, record: Record) -> None:
        self._name(Naming(record.path, File(is_folder=True)))
        if self._keeps_folders:
            self.pending.pop().perform(self.on_disk)

    # -- a power loss now

    def states(self, chance: random.Random, count: int) -> Iterator[State]:
        """Some of the states that are possible, the two extreme ones first."""
        for number in range(count):
            namings = (0, len(self.pending), chance.randint(0, len(self.pending)))[min(number, 2)]
            names = dict(self.on_disk)
            for naming in self.pending[:namings]:
                naming.perform(names)
            contents, texts = {}, [f"{namings} of {len(self.pending)} pending names"]
            for path, file in names.items():
                contents[path], text = self._survivor(file, chance, number)
                if text:
                    texts.append(f"{os.path.relpath(path, self.root)}: {text}")
            yield State(contents, "; ".join(texts))

    @staticmethod
    def _survivor(file: File, chance: random.Random, number: int) -> tuple[bytes | None, str]:
        if file.is_folder:
            return None, ""
        total = len(file.pending)
        if number == 0 or total == 0:
            return bytes(file.synced), f"{total} writes lost" if total else ""
        changes = total if number == 1 else chance.randint(0, total)
        last = file.pending[changes - 1][1] if changes else None
        torn = chance.randint(0, len(last)) if number > 1 and last is not None else None
        return file.content(changes, torn), f"{changes} of {total} writes, the last to {torn}"

    def write_state(self, state: State, folder: Path) -> None:
        """The folder holds the state."""
        for path in sorted(state.names):
            content = state.names[path]
            target = folder / os.path.relpath(path, self.root)
            if not target.parent.is_dir():
                continue  # its folder was lost
            if content is None:
                target.mkdir(exist_ok=True)
            else:
                target.write_bytes(content)


_HANDLERS = {
    Kind.OPEN: Disk._opened,
    Kind.CLOSE: Disk._closed,
    Kind.WRITE: Disk._written,
    Kind.TRUNCATE: Disk._truncated,
    Kind.SYNC_BEGIN: Disk._sync_began,
    Kind.SYNC_END: Disk._synced,
    Kind.RENAME: Disk._renamed,
    Kind.UNLINK: Disk._unlinked,
    Kind.MKDIR: Disk._made_folder,
}


# -- rules that hold at every moment of a trace

NOT_LAST = "the manifest on disk has another increment behind one that was not fsynced"
_MANIFEST_LINE = re.compile(rb"^file (\S+) seq \d+ type ([bih])", re.MULTILINE)


def named_files(manifest: bytes) -> list[str]:
    """What a manifest needs: its base and increments, without history."""
    return [name.decode() for name, kind in _MANIFEST_LINE.findall(manifest) if kind != b"h"]


def broken_rules(trace: Sequence[Record], root: str, *, keeps_folders: bool = False) -> list[str]:
    """What was done in the wrong order, by rule; empty: nothing."""
    disk = Disk(root, keeps_folders=keeps_folders)
    found: list[str] = []
    for record in trace:
        found += _before(disk, record)
        disk.apply(record)
        if record.kind is Kind.SYNC_END:
            found += _manifest_complete(disk)
    found += [f"never on disk: the name {naming.path}" for naming in disk.pending if _matters(naming, disk)]
    return list(dict.fromkeys(found))


def _before(disk: Disk, record: Record) -> list[str]:
    if record.kind is Kind.RENAME:
        file = disk.names[record.path]
        return [f"renamed before its fsync: {record.path}"] if file.pending else []
    if record.kind is Kind.UNLINK:
        return [
            f"unlinked while the manifest on disk names it: {record.path}"
            for path, names in _manifests(disk) if record.path in names and record.path in disk.on_disk
            and not os.path.basename(record.path).startswith("temp") and path != record.path  # noqa: PTH119
        ]  # fmt: skip
    return []


def _manifests(disk: Disk) -> list[tuple[str, list[str]]]:
    """The manifests on disk with the paths of what they name."""
    return [
        (path, [os.path.join(os.path.dirname(path), name) for name in named_files(bytes(file.synced))])  # noqa: PTH118, PTH120
        for path, file in disk.on_disk.items() if path.endswith(".manifest")
    ]  # fmt: skip


def _manifest_complete(disk: Disk) -> list[str]:
    found = []
    for path, names in _manifests(disk):
        for name in names:
            if name not in disk.on_disk:
                found.append(f"{os.path.basename(path)} is on disk and names what is not: {name}")  # noqa: PTH119
            elif ".base." in name and disk.on_disk[name].pending:
                found.append(f"{os.path.basename(path)} is on disk and names a base that was not fsynced: {name}")  # noqa: PTH119
            elif name != names[-1] and disk.on_disk[name].pending:
                found.append(f"{NOT_LAST}: {name}")
    return found


def _matters(naming: Naming, disk: Disk) -> bool:
    """Whether the data need the name: an unlink, or a temporary file, may be forgotten."""
    is_there = naming.file is not None and disk.names.get(naming.path) is naming.file
    return is_there and not os.path.basename(naming.path).startswith("temp")  # noqa: PTH119
