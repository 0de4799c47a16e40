"""The manifest: which files make up the append only log, and in which order.

    file appendonly.aof.2.base.rdb seq 2 type b
    file appendonly.aof.1.incr.aof seq 1 type h
    file appendonly.aof.3.incr.aof seq 3 type i startoffset 0

Idea: one base (the data set at some moment) and increments (what came after it) are the log; history are files that a
rewrite has made superfluous and that wait to be deleted. A `Manifest` is a value: each step of the log's life makes a
new one from the one before, and the server has one or the other, never a mixture.

Owner: none; immutable. Text is bytes as in the file; names are str as the operating system wants them.
Invariants: what `parse` takes and refuses, and why, is what redis-server 8.0 takes and refuses.
"""

import re
from dataclasses import dataclass, replace

from mtredis.errors import MtredisError
from mtredis.registry.words import quote_word, split_words

BASE, HISTORY, INCREMENT = "b", "h", "i"
LINE_MAX = 1024  # bytes, with the newline
_LOOSE_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_PLAIN = re.compile(r"[!#-&(-\[\]-~]*")  # printable, no blank, no backslash, no quotes


class ManifestError(MtredisError):
    """The file is not a manifest. `line` (its number, its text) where that says more."""

    def __init__(self, reason: str, line: tuple[int, str] | None = None) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Part:
    """One file. `start` and `end`: offsets in the write stream, if they are known (-1: not)."""

    name: str
    number: int
    type: str
    start: int = -1
    end: int = -1

    def line(self) -> str:
        """The file's line in the manifest."""
        name = self.name if _PLAIN.fullmatch(self.name) else quote_word(self.name)
        text = f"file {name} seq {self.number} type {self.type}"
        if self.start != -1:
            text += f" startoffset {self.start}"
            if self.end != -1:
                text += f" endoffset {self.end}"
        return text + "\n"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of the log. The numbers are those given last."""

    base: Part | None = None
    history: tuple[Part, ...] = ()
    increments: tuple[Part, ...] = ()
    base_number: int = 0
    increment_number: int = 0

    @property
    def is_empty(self) -> bool:
        """True if there is no log at all."""
        return self.base is None and not self.increments

    @property
    def parts(self) -> tuple[Part, ...]:
        """The files that hold the data, in the order in which they are loaded."""
        return (*((self.base,) if self.base is not None else ()), *self.increments)

    def text(self) -> bytes:
        """The manifest as it stands in its file."""
        lines = [] if self.base is None else [self.base.line()]
        lines += [part.line() for part in (*self.history, *self.increments)]
        return "".join(lines).encode("utf-8", "surrogateescape")

    # --- steps -------------------------------------------------------------------------------------------------------

    def with_base(self, prefix: str, is_rdb: bool) -> "Manifest":
        """There is a new base, and the one before is history."""
        number = self.base_number + 1
        name = f"{prefix}.{number}.base.{'rdb' if is_rdb else 'aof'}"
        history = self.history
        if self.base is not None:
            history = (replace(self.base, type=HISTORY), *history)
        return replace(self, base=Part(name, number, BASE), base_number=number, history=history)

    def with_increment(self, prefix: str, start: int) -> "Manifest":
        """There is one more increment, into which is written from now on."""
        number = self.increment_number + 1
        part = Part(f"{prefix}.{number}.incr.aof", number, INCREMENT, start)
        return replace(self, increments=(*self.increments, part), increment_number=number)

    def without_rewritten(self, keep_last: bool) -> "Manifest":
        """The increments, but for the one that is written if `keep_last`, are in the base: they are history."""
        kept = self.increments[-1:] if keep_last else ()
        rewritten = self.increments[: len(self.increments) - len(kept)]
        # As in Redis, the oldest stands first.
        history = (*(replace(part, type=HISTORY) for part in rewritten), *self.history)
        return replace(self, increments=kept, history=history)

    def without_history(self) -> "Manifest":
        """What is history is no concern of the manifest any more."""
        return replace(self, history=())

    def with_end(self, end: int) -> "Manifest":
        """The last increment ends at this offset of the write stream (-1: it is not known, for it still grows)."""
        if not self.increments:
            return self
        return replace(self, increments=(*self.increments[:-1], replace(self.increments[-1], end=end)))

    @staticmethod
    def of_old_file(name: str) -> "Manifest":
        """The log that an old version of Redis has left in a single file."""
        return Manifest(base=Part(name, 1, BASE), base_number=1)


# --- reading ---------------------------------------------------------------------------------------------------------


def parse(data: bytes) -> Manifest:
    """The manifest that the file's bytes mean. Raises ManifestError."""
    manifest = Manifest()
    lines = list(_lines(data))
    if not lines:
        raise ManifestError("Found an empty AOF manifest")
    for number, line in enumerate(lines, 1):
        if line.startswith(b"#"):
            continue
        # As C sees it: a NUL ends the line.
        seen = line.partition(b"\0")[0]
        if b"\n" not in seen:
            raise ManifestError("The AOF manifest file contains too long line")
        text = seen.strip(b" \t\r\n").decode("utf-8", "surrogateescape")
        try:
            manifest = _with_line(manifest, text)
        except ManifestError as error:
            raise ManifestError(str(error), (number, text)) from None
    return manifest


def _lines(data: bytes) -> list[bytes]:
    """The lines with their newlines; what is longer than LINE_MAX in pieces."""
    lines: list[bytes] = []
    *whole, rest = data.split(b"\n")
    for line in [*(line + b"\n" for line in whole), rest]:
        lines += [line[at : at + LINE_MAX] for at in range(0, len(line), LINE_MAX)]
    return lines


def _with_line(manifest: Manifest, text: str) -> Manifest:
    words = split_words(text) if text else None
    if words is None or len(words) < 6 or len(words) % 2:
        raise ManifestError("Invalid AOF manifest file format")
    part = _part(words)
    if part.type == BASE:
        if manifest.base is not None:
            raise ManifestError("Found duplicate base file information")
        return replace(manifest, base=part, base_number=part.number)
    if part.type == HISTORY:
        return replace(manifest, history=(*manifest.history, part))
    if part.type == INCREMENT:
        if part.number <= (manifest.increments[-1].number if manifest.increments else 0):
            raise ManifestError("Found a non-monotonic sequence number")
        return replace(manifest, increments=(*manifest.increments, part), increment_number=part.number)
    raise ManifestError("Unknown AOF file type")


def _part(words: list[str]) -> Part:
    """The file that pairs of keys and values describe; keys that are unknown belong to a later version."""
    name, numbers, kind = None, {"seq": 0, "startoffset": -1, "endoffset": -1}, ""
    for key, value in zip(words[::2], words[1::2], strict=True):
        key = key.lower()
        if key == "file":
            name = _file_name(value)
        elif key == "type":
            kind = value[:1]
        elif key in numbers:
            numbers[key] = _loose_integer(value)
    if name is None or not numbers["seq"] or not kind or kind == "\0":
        raise ManifestError("Invalid AOF manifest file format")
    return Part(name, numbers["seq"], kind, numbers["startoffset"], numbers["endoffset"])


def _file_name(value: str) -> str:
    if "/" in value or "\\" in value:
        raise ManifestError("File can't be a path, just a filename")
    return value.partition("\0")[0]


def _loose_integer(word: str) -> int:
    """atoll's idea of a number: what cannot be read is zero, what is too large is the largest."""
    found = _LOOSE_INTEGER.match(word)
    return max(-(2**63), min(int(found[1]), 2**63 - 1)) if found else 0
