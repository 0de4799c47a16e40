# cython: freethreading_compatible=True, language_level=3
"""Reading the arguments of commands: integers, times to live, cursors and the options that families share.

Idea: each function takes the raw words of a request and gives back a checked value or raises the `CommandError` whose
text Redis replies with. Nothing here looks at the keyspace, so a handler has parsed everything before it changes
anything.

Owner: none; pure functions.
Invariants: integers have one spelling (numbers.pyx); times to live leave this module as absolute unix
milliseconds, times to wait as milliseconds from now on.
Trap: these tables are made by the main thread, and CPython 3.13 without the GIL needs 8 µs for `table.get(key)` on
another thread (it waits for a lock that it holds itself); `key in table` and `table[key]` take 0.1 µs.
Limits: words of options are compared as they are but for the case of ASCII letters; Redis stops at a NUL byte in them.
"""

import re

from mtredis.errors import CommandError, NotFloat, NotInteger, SyntaxFault
from mtredis.lib.numbers import milliseconds_of_seconds, parse_integer

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
UINT64_MAX = 2**64 - 1
_STRTOULL = re.compile(rb"[ \t\n\v\f\r]*([+-]?)0*([0-9]{1,20})")


def integer(text: bytes, message: str = "") -> int:
    """A signed 64-bit integer; else an error with `message` (default: "value is not an integer or out of range")."""
    if not message:
        return parse_integer(text)
    try:
        return parse_integer(text)
    except NotInteger:
        raise CommandError("ERR " + message) from None


def small_integer(text: bytes, message: str = "") -> int:
    """A signed 32-bit integer, such as the number of a database; else an error with `message`, or Redis's own."""
    value = integer(text, message)
    if value < INT32_MIN or value > INT32_MAX:
        message = message or f"value is out of range, value must between {INT32_MIN} and {INT32_MAX}"
        raise CommandError("ERR " + message)
    return value


def invalid_expire(command: str) -> CommandError:
    """The refusal of a time to live; `command` is the full name in lower case."""
    return CommandError(f"ERR invalid expire time in '{command}' command")


def positive_expiry(text: bytes, is_seconds: bool, base: int, command: str) -> int:
    """The unix ms of SET's and GETEX's options: `base` (0 for absolute ones) plus a positive time; else an error."""
    value = parse_integer(text)
    if value <= 0 or (is_seconds and value > INT64_MAX // 1000):
        raise invalid_expire(command)
    if is_seconds:
        value *= 1000
    value += base
    if value > INT64_MAX:
        raise invalid_expire(command)
    return value


def any_expiry(text: bytes, is_seconds: bool, base: int, command: str) -> int:
    """The unix ms of EXPIRE and its kin, which take times in the past, too; an error when 64 bits cannot hold it."""
    value = parse_integer(text)
    if is_seconds:
        # C's division truncates, so the lower bound is one millisecond-thousand above Python's floor.
        if value > INT64_MAX // 1000 or value < -(-INT64_MIN // 1000):
            raise invalid_expire(command)
        value *= 1000
    if value > INT64_MAX - base:
        raise invalid_expire(command)
    return value + base


def blocking_timeout(text: bytes, now: int) -> int:
    """How many ms BLPOP and its kin wait, from `now` on, for a time given in seconds; 0: for ever."""
    try:
        milliseconds = milliseconds_of_seconds(text)
    except NotFloat:
        raise CommandError("ERR timeout is not a float or out of range") from None
    if milliseconds < 0:
        raise CommandError("ERR timeout is negative")
    if milliseconds > INT64_MAX - now:
        raise CommandError("ERR timeout is out of range")
    return milliseconds


# SET's and GETEX's options as a bit set.
NX = 1
XX = 2
GET = 4
KEEPTTL = 8
PERSIST = 16
EX = 32
PX = 64
EXAT = 128
PXAT = 256
TIMED = EX | PX | EXAT | PXAT
_EXPIRY_WORDS = {b"EX": EX, b"PX": PX, b"EXAT": EXAT, b"PXAT": PXAT}


def string_options(argv: list[bytes], start: int, is_set: bool) -> tuple[int, bytes]:
    """The options of SET (`is_set`) or GETEX from word `start` on: the bit set, and the word with the time, if any.

    An option may be repeated, the last time counts; SyntaxFault for two that exclude each other.
    """
    options = 0
    time = b""
    at = start
    argc = len(argv)
    while at < argc:
        word = argv[at].upper()
        at += 1
        if word in _EXPIRY_WORDS:
            timed = _EXPIRY_WORDS[word]
            if options & (KEEPTTL | PERSIST | (TIMED & ~timed)) or at == argc:
                raise SyntaxFault()
            options |= timed
            time = argv[at]
            at += 1
        elif is_set and word == b"NX" and not options & XX:
            options |= NX
        elif is_set and word == b"XX" and not options & NX:
            options |= XX
        elif is_set and word == b"GET":
            options |= GET
        elif is_set and word == b"KEEPTTL" and not options & TIMED:
            options |= KEEPTTL
        elif not is_set and word == b"PERSIST" and not options & TIMED:
            options |= PERSIST
        else:
            raise SyntaxFault()
    return options, time


def option_expiry(options: int, time: bytes, now: int, command: str) -> int:
    """The unix ms that `string_options` found, or -1."""
    if not options & TIMED:
        return -1
    base = now if options & (EX | PX) else 0
    return positive_expiry(time, bool(options & (EX | EXAT)), base, command)


# EXPIRE's conditions.
GT = 4
LT = 8
_CONDITION_WORDS = {b"NX": NX, b"XX": XX, b"GT": GT, b"LT": LT}


def expire_conditions(argv: list[bytes]) -> int:
    """EXPIRE's conditions from word 3 on as a bit set of NX, XX, GT, LT."""
    conditions = 0
    for word in argv[3:]:
        name = word.upper()
        if name not in _CONDITION_WORDS:
            shown = word.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            raise CommandError(f"ERR Unsupported option {shown}")
        conditions |= _CONDITION_WORDS[name]
    if conditions & NX and conditions & ~NX:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if conditions & GT and conditions & LT:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return conditions


def cursor(text: bytes) -> int:
    """The unsigned 64-bit cursor of SCAN and its kin. What is no plain number is read as C's strtoull reads it."""
    try:
        value = parse_integer(text)
    except NotInteger:
        spelling = _STRTOULL.fullmatch(text.partition(b"\0")[0])
        value = int(spelling[2]) if spelling is not None else -1
        if spelling is not None and spelling[1] == b"-" and value <= UINT64_MAX:
            value = -value & UINT64_MAX
    if value < 0 or value > UINT64_MAX:
        raise CommandError("ERR invalid cursor")
    return value


def scan_options(
    argv: list[bytes], start: int, *, is_keyspace: bool, is_hash: bool = False
) -> tuple[bytes | None, int, bytes | None, bool]:
    """The options of SCAN (`is_keyspace`), HSCAN (`is_hash`), SSCAN and ZSCAN from word `start` on:
    (pattern or None for all, count, type in lower case or None, whether NOVALUES was given)."""
    pattern: bytes | None = None
    count = 10
    kind: bytes | None = None
    is_without_values = False
    at = start
    while at < len(argv):
        word = argv[at].upper()
        value = argv[at + 1] if at + 1 < len(argv) else None
        if word == b"COUNT" and value is not None:
            count = parse_integer(value)
            if count < 1:
                raise SyntaxFault()
        elif word == b"MATCH" and value is not None:
            pattern = None if value == b"*" else value
        elif word == b"TYPE" and value is not None and is_keyspace:
            kind = value.lower()
        elif word == b"NOVALUES":
            if not is_hash:
                raise CommandError("ERR NOVALUES option can only be used in HSCAN")
            is_without_values = True
        else:
            raise SyntaxFault()
        at += 1 if word == b"NOVALUES" else 2
    return pattern, count, kind, is_without_values
