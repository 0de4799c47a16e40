"""Reading the arguments of the stream commands: ids, ends of ranges, and how to trim.

Idea: an id is an int here, milliseconds << 64 | sequence number, so the next one is `id + 1`; `format_id` writes it as
clients read it. As in arguments.py, each function gives back a checked value or raises the error that Redis replies
with.

Owner: none; pure functions.
Limits: as in Redis a number may have zeros, blanks or a sign before it, and a NUL byte ends it.
"""

import re
from typing import Any, NamedTuple

from mtredis.errors import CommandError
from mtredis.executor.arguments import INT64_MAX, UINT64_MAX, integer

MAX_ID = (1 << 128) - 1
ID_TEXT_MAX = 127

_PLAIN = re.compile(rb"([0-9]{1,19})(?:-([0-9]{1,19}))?")
_CANONICAL_NEGATIVE = re.compile(rb"-[1-9][0-9]{0,18}")
_STRTOULL = re.compile(rb"[ \t\n\v\f\r]*([+-]?)0*([0-9]{1,20})")


def format_id(number: int) -> bytes:
    """The id as clients read it."""
    return b"%d-%d" % (number >> 64, number & UINT64_MAX)


def invalid_id() -> CommandError:
    """The refusal of what is no id."""
    return CommandError("ERR Invalid stream ID specified as stream command argument")


def _unsigned(text: bytes) -> int:
    """An unsigned 64-bit integer as C's strtoull reads it, but not a plain negative one; else an error."""
    spelling = _STRTOULL.fullmatch(text)
    if spelling is None or _CANONICAL_NEGATIVE.fullmatch(text):
        raise invalid_id()
    value = int(spelling[2])
    if value > UINT64_MAX:
        raise invalid_id()
    return -value & UINT64_MAX if spelling[1] == b"-" else value


def strict_id(text: bytes, missing: int = 0) -> int:
    """`ms-seq`, or `ms` alone, whose sequence number is then `missing`."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        return int(plain[1]) << 64 | (missing if plain[2] is None else int(plain[2]))
    if len(text) > ID_TEXT_MAX:
        raise invalid_id()
    ms, dash, sequence = text.partition(b"\0")[0].partition(b"-")
    return _unsigned(ms) << 64 | (_unsigned(sequence) if dash else missing)


def any_id(text: bytes, missing: int = 0) -> int:
    """The same, or `-` for the lowest id and `+` for the highest."""
    if text in (b"-", b"+"):
        return 0 if text == b"-" else MAX_ID
    return strict_id(text, missing)


def new_id(text: bytes) -> tuple[int, bool]:
    """XADD's id, and whether it is `ms-*`, so that its sequence number is not given."""
    ms, _, sequence = text.partition(b"-")
    if sequence == b"*" and len(text) <= ID_TEXT_MAX:
        return _unsigned(ms) << 64, True
    return strict_id(text), False


def range_start(text: bytes) -> int:
    """The first id of a range; a `(` before it leaves the id itself out."""
    if len(text) < 2 or text[:1] != b"(":
        return any_id(text)
    first = strict_id(text[1:])
    if first == MAX_ID:
        raise CommandError("ERR invalid start ID for the interval")
    return first + 1


def range_end(text: bytes) -> int:
    """The last id of a range; a `(` before it leaves the id itself out."""
    if len(text) < 2 or text[:1] != b"(":
        return any_id(text, UINT64_MAX)
    last = strict_id(text[1:], UINT64_MAX)
    if last == 0:
        raise CommandError("ERR invalid end ID for the interval")
    return last - 1


def blocking_milliseconds(text: bytes, now: int) -> int:
    """How many ms XREAD and XREADGROUP wait, from `now` on; 0: for ever."""
    timeout = integer(text, "timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError("ERR timeout is negative")
    if timeout > INT64_MAX - now:
        raise CommandError("ERR timeout is out of range")
    return timeout


class Trim(NamedTuple):
    """What XADD and XTRIM delete."""

    by_id: bool
    threshold: int
    """The entries that stay, or the lowest id that stays."""
    is_approximate: bool
    limit: int
    """Entries to delete at most; 0: any number."""


class TrimWords:
    """The options of XTRIM, and those of XADD before its id, as they are read one by one."""

    def __init__(self) -> None:
        self.by_id: bool | None = None
        self.threshold = 0
        self.is_approximate = False
        self.limit = -1
        self._threshold_at = 0
        self._limit_at: list[int] = []   # where LIMIT stands

    def take(self, argv: list[bytes], at: int) -> int:
        """Reads the option at `at`; where the next word stands, or `at` if it is none of these options."""
        word = argv[at].upper()
        if at + 1 >= len(argv):
            return at
        if word in (b"MAXLEN", b"MINID"):
            return self._strategy(argv, at + 1, word == b"MINID")
        if word == b"LIMIT":
            self.limit = integer(argv[at + 1])
            self._limit_at.append(at)
            if self.limit < 0:
                raise CommandError("ERR The LIMIT argument must be >= 0.")
            return at + 2
        return at

    def _strategy(self, argv: list[bytes], at: int, by_id: bool) -> int:
        if self.by_id is not None:
            raise CommandError("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        if argv[at] in (b"~", b"=") and at + 1 < len(argv):
            self.is_approximate = argv[at] == b"~"
            at += 1
        if by_id:
            self.threshold = strict_id(argv[at])
        else:
            self.threshold = integer(argv[at])
            if self.threshold < 0:
                raise CommandError("ERR The MAXLEN argument must be >= 0.")
        self.by_id = by_id
        self._threshold_at = at
        return at + 1

    def exact(self, argv: list[bytes], stream: Any) -> list[bytes]:
        """The command with the trimming that "~" has led to, instead of the one that it allows."""
        if not self.is_approximate or self.by_id is None:
            return argv
        words = argv[:]
        words[self._threshold_at - 1] = b"="
        if not self.by_id:
            words[self._threshold_at] = b"%d" % len(stream)
        else:
            words[self._threshold_at] = format_id(stream.first_id if len(stream) else MAX_ID)
        for at in reversed(self._limit_at):
            del words[at:at + 2]
        return words

    def result(self, keyspace: Any, is_replayed: bool = False) -> Trim | None:
        """What the options mean together; None: nothing to trim. The keyspace's limits make up for a missing LIMIT.

        What is replayed has been trimmed by its LIMIT before, and redis-server leaves the word in its AOF.
        """
        if self.limit > 0 and self.by_id is None:
            raise CommandError("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
        limit = 0 if is_replayed else self.limit
        if not is_replayed and limit >= 0 and not self.is_approximate:
            raise CommandError("ERR syntax error, LIMIT cannot be used without the special ~ option")
        if self.by_id is None:
            return None
        if not self.is_approximate or is_replayed:
            limit = 0
        elif limit < 0:
            limit = 100 * keyspace.limits["stream_node_max_entries"]
            limit = 10_000 if limit <= 0 else min(limit, 1_000_000)
        return Trim(self.by_id, self.threshold, self.is_approximate, limit)
