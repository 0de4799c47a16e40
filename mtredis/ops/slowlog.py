"""The slow log: the last commands that took longer than `slowlog-log-slower-than`.

Idea: a bounded deque, newest first; long commands and long arguments are cut when they are recorded, so the log's
memory is bounded by its length. Owner: the executor thread. The texts of the cuts are those of Redis.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

MAX_ARGUMENTS = 32
MAX_ARGUMENT_LENGTH = 128


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """One entry: `started` in unix seconds, `microseconds` it took, the arguments (cut) and who asked."""

    id: int
    started: int
    microseconds: int
    argv: list[bytes]
    address: str
    name: bytes


def cut_arguments(argv: Sequence[bytes]) -> list[bytes]:
    """At most 32 arguments of at most 128 bytes, with notes in place of what is left out."""
    kept = list(argv[: MAX_ARGUMENTS - 1] if len(argv) > MAX_ARGUMENTS else argv)
    cut = [
        argument
        if len(argument) <= MAX_ARGUMENT_LENGTH
        else argument[:MAX_ARGUMENT_LENGTH] + b"... (%d more bytes)" % (len(argument) - MAX_ARGUMENT_LENGTH)
        for argument in kept
    ]
    if len(argv) > MAX_ARGUMENTS:
        cut.append(b"... (%d more arguments)" % (len(argv) - MAX_ARGUMENTS + 1))
    return cut


class SlowLog:
    """The entries, newest first; ids grow for ever, `reset` does not restart them."""

    __slots__ = ("_entries", "_max_len", "_next_id")

    def __init__(self, max_len: int = 128) -> None:
        self._entries: deque[SlowCommand] = deque()
        self._max_len = max_len
        self._next_id = 0

    def __len__(self) -> int:
        return len(self._entries)

    def set_max_len(self, max_len: int) -> None:
        """At most `max_len` entries are kept from now on."""
        self._max_len = max_len
        self._trim()

    def record(self, argv: Sequence[bytes], microseconds: int, address: str, name: bytes) -> None:
        """The newest entry is this command, which has just ended."""
        entry = SlowCommand(self._next_id, int(time.time()), microseconds, cut_arguments(argv), address, name)
        self._next_id += 1
        self._entries.appendleft(entry)
        self._trim()

    def entries(self, count: int = -1) -> list[SlowCommand]:
        """The newest `count` entries; -1: all."""
        return list(self._entries)[: count if count >= 0 else None]

    def reset(self) -> None:
        """The log is empty."""
        self._entries.clear()

    def _trim(self) -> None:
        while len(self._entries) > self._max_len:
            self._entries.pop()
