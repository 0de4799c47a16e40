"""The command `mtredis-check-rdb FILE`: reads an RDB file to its end and says what is in it, or where it is broken.

Idea: the reader that also loads files at the start puts the keys into a keyspace of this process, which is emptied now
and then, so a file may be larger than the memory. What `redis-check-rdb` prints is the model: a line with its offset
for each field and database, then figures; exit status 0: the file is sound, 1: it is not, or cannot be read.

Owner: the main thread of its own process. Limits: values of modules are refused, for nobody here knows their format.
"""

import sys
import time
from collections.abc import Sequence
from typing import BinaryIO

from mtredis import __version__
from mtredis.durability.rdb import RdbError
from mtredis.durability.rdb.reader import Reader
from mtredis.keyspace.database import Keyspace

DATABASES = 4096
FEED = 1 << 20
EMPTIED_AFTER = 64 << 20    # bytes of the file
USAGE = "Usage: mtredis-check-rdb <rdb-file-name>"
TYPES = (
    "string", "list", "set", "zset", "hash", "zset-v2", "module-pre-release", "module", "", "hash-zipmap",
    "list-ziplist", "set-intset", "zset-ziplist", "hash-ziplist", "list-quicklist", "stream", "hash-listpack",
    "zset-listpack", "list-quicklist-v2", "stream-v2", "set-listpack", "stream-v3", "hash-ttl-pre-release",
    "hash-listpack-ttl-pre-release", "hash-ttl", "hash-listpack-ttl",
)  # fmt: skip
WITH_FIELD_TIMES = range(22, 26)


class Check:
    """One file that is checked; `lines` are written to standard output as they come."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._keyspace = Keyspace(DATABASES)
        self._keyspace.active_expire = False
        now = int(time.time() * 1000)
        self._reader = Reader(self._keyspace, expired_before=now, allow_duplicates=True)
        self._emptied_at = 0
        self._aux = self._selected = self._modules = self._functions = 0

    @property
    def offset(self) -> int:
        """How far the file has been read: if it is sound, to its end, behind which a larger file may go on."""
        return int(self._reader.offset)

    def run(self) -> bool:
        """Whether the file is sound."""
        try:
            self._read()
        except RdbError as error:
            self._report()
            say("--- RDB ERROR DETECTED ---")
            say(f"[offset {error.offset}] {str(error).removesuffix(f' at offset {error.offset}')}")
        except MemoryError:
            self._report()
            say("--- RDB ERROR DETECTED ---")
            say(f"[offset {self._reader.offset}] no memory for what stands here")
        except OSError as error:
            say(f"[offset {self._reader.offset}] cannot read the file: {error.strerror}")
        self._figures()
        return bool(self._reader.is_done)

    def _read(self) -> None:
        reader = self._reader
        while not reader.is_done:
            # The fields at the begin are reported one by one, with their offsets.
            has_more = reader.run(1 if not reader.selections else FEED)
            self._report()
            if has_more or reader.is_done:
                continue
            if reader.offset - self._emptied_at >= EMPTIED_AFTER:
                self._emptied_at = reader.offset
                self._keyspace.flush(range(DATABASES)).free()
            data = self._file.read(FEED)
            if not data:
                reader.finish()
                self._report()
                break
            reader.feed(data)
        if reader.version >= 5:
            good = "Checksum OK" if reader.has_checksum else "the file was saved without a checksum: none was checked"
            say(f"[offset {reader.offset}] {good}")

    def _report(self) -> None:
        """Says what the reader has come by since the last time."""
        reader = self._reader
        at = f"[offset {reader.offset}]"
        for name, value in list(reader.aux.items())[self._aux :]:
            say(f"{at} AUX FIELD {shown(name)} = '{shown(value)}'")
        for module in reader.modules[self._modules :]:
            say(f"{at} MODULE AUX for: {module}")
        for code in reader.functions[self._functions :]:
            say(f"{at} FUNCTION LIBRARY of {len(code)} bytes")
        for offset, database in reader.selections[self._selected :]:
            say(f"[offset {offset}] Selecting DB ID {database}")
        self._aux, self._modules, self._functions = len(reader.aux), len(reader.modules), len(reader.functions)
        self._selected = len(reader.selections)

    def _figures(self) -> None:
        reader = self._reader
        counts = reader.counts()
        say(f"[info] {sum(counts.values())} keys read")
        for kind, count in counts.items():
            say(f"[info] {count} of type {TYPES[kind]}")
        say(f"[info] {reader.keys_volatile} expires")
        say(f"[info] {reader.keys_expired} already expired")
        say(f"[info] {sum(counts.get(kind, 0) for kind in WITH_FIELD_TIMES)} subexpires")
        if reader.keys_empty:
            say(f"[info] {reader.keys_empty} keys without elements, which are skipped")


def say(line: str) -> None:
    print(line)


def shown(text: bytes) -> str:
    """Bytes of a file that nobody vouches for, as a terminal may see them."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1]
        for character in text.decode("utf-8", "backslashreplace")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the file that the command line names; the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["-v"], ["--version"]):
        print(f"mtredis-check-rdb {__version__}")
        return 0
    if len(words) != 1:
        print(USAGE, file=sys.stderr)
        return 1
    say(f"[offset 0] Checking RDB file {words[0]}")
    try:
        with open(words[0], "rb", buffering=0) as file:  # noqa: PTH123 - the path is a text
            is_sound = Check(file).run()
    except OSError as error:
        print(f"Cannot open {words[0]}: {error.strerror}", file=sys.stderr)
        return 1
    if is_sound:
        say("The file is sound.")
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
