"""The kinds of parameters that are like no other: save points, output buffer limits, addresses, event classes, ...

Idea: each has its own little language in redis.conf; everything about one of them stands in one class here.
Owner: none; immutable after import. The texts of refusals are those of redis-server 8.0.
"""

import locale
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mtredis.errors import ConfigError
from mtredis.registry.parameter import Kind, Line, format_memory, parse_memory
from mtredis.registry.words import quote_word

MAX_ADDRESSES = 16
_ADDRESS = re.compile(r"[*A-Za-z0-9:.%_-]+", re.ASCII)
# strtoll's idea of a number: blanks and a plus may stand before it, and nothing at all is zero.
_LOOSE_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,18}|", re.ASCII)
_EVENT_CLASSES = "g$lshzxetdn"
_ALL_EVENT_CLASSES = frozenset("g$lshzxetd")
_DOUBLE = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)", re.ASCII | re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[+-]?0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(p[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)


def _loose_integer(word: str) -> int | None:
    return int(word or "0") if _LOOSE_INTEGER.fullmatch(word) else None


def _loose_double(word: str) -> float | None:
    """strtod's idea of a number, hexadecimal included, except for what is not a number."""
    if _HEXADECIMAL.fullmatch(word):
        return float.fromhex(word)
    return float(word) if _DOUBLE.fullmatch(word) else None


class SavePoints(Kind):
    """Seconds and changes, in pairs, as a tuple of tuples: so many changes in so many seconds cause a snapshot."""

    multiple = True
    adds = True
    placeholder = '{<seconds> <changes>}...|""'

    def parse(self, words: Sequence[str], current: object) -> tuple[tuple[int, int], ...]:
        if list(words) == [""]:
            return ()
        numbers = [number for word in words if (number := _loose_integer(word)) is not None]
        if len(numbers) != len(words) or len(numbers) % 2 or any(
            number < 1 - index % 2 for index, number in enumerate(numbers)
        ):
            raise ConfigError("Invalid save parameters")
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))

    def show(self, value: tuple[tuple[int, int], ...]) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, name: str, value: tuple[tuple[int, int], ...], default: object) -> list[Line]:
        points = [f"{name} {seconds} {changes}" for seconds, changes in value]
        return [(line, True) for line in points or [f'{name} ""']]


class OutputLimit(NamedTuple):
    """More pending output than `hard` bytes, or than `soft` bytes for `seconds`, closes a client; 0: no limit."""

    hard: int
    soft: int
    seconds: int


class OutputLimits(Kind):
    """{class hard soft seconds}...; the value maps class to OutputLimit. Classes that are not named keep theirs."""

    multiple = True
    placeholder = "{<class> <hard> <soft> <seconds>}..."
    classes = {"normal": "normal", "slave": "replica", "replica": "replica", "pubsub": "pubsub"}

    def parse(self, words: Sequence[str], current: Mapping[str, OutputLimit]) -> dict[str, OutputLimit]:
        if len(words) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        limits = dict(current)
        for start in range(0, len(words), 4):
            name = self.classes.get(words[start].lower())
            if name is None:
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            hard, soft = parse_memory(words[start + 1]), parse_memory(words[start + 2])
            seconds = _loose_integer(words[start + 3])
            if hard is None or soft is None or seconds is None or seconds < 0:
                raise ConfigError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            limits[name] = OutputLimit(hard, soft, seconds)
        return limits

    def show(self, value: Mapping[str, OutputLimit]) -> str:
        # CONFIG GET kept Redis's old word for a replica; the file did not.
        named = (("slave" if name == "replica" else name, limit) for name, limit in value.items())
        return " ".join(f"{name} {limit.hard} {limit.soft} {limit.seconds}" for name, limit in named)

    def lines(self, name: str, value: Mapping[str, OutputLimit], default: Mapping[str, OutputLimit]) -> list[Line]:
        result = []
        for kind, limit in value.items():
            text = f"{name} {kind} {format_memory(limit.hard)} {format_memory(limit.soft)} {limit.seconds}"
            result.append((text, limit != default[kind]))
        return result


class Addresses(Kind):
    """The addresses to listen on, a tuple of str. One that starts with '-' may be missing on this machine."""

    multiple = True
    placeholder = "<address>..."

    def parse(self, words: Sequence[str], current: object) -> tuple[str, ...]:
        if len(words) > MAX_ADDRESSES:
            raise ConfigError("Too many bind addresses specified.")
        if list(words) == [""]:
            return ()
        if not all(_ADDRESS.fullmatch(word) for word in words):
            # What Redis says after it has tried.
            raise ConfigError("Failed to bind to specified addresses.")
        return tuple(words)

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value)

    def write(self, value: tuple[str, ...]) -> str:
        return " ".join(value) or '""'

    def lines(self, name: str, value: tuple[str, ...], default: tuple[str, ...]) -> list[Line]:
        return [] if value == default else super().lines(name, value, default)


class EventClasses(Kind):
    """Which keyspace events are published: a str of class letters in Redis's order, A for all but m and n.

    CONFIG GET leaves out an n beside A, as Redis does; Redis's CONFIG REWRITE thereby loses it, this one does not.
    """

    placeholder = '"<classes>"'

    def parse(self, words: Sequence[str], current: object) -> str:
        letters = set(words[0])
        if letters - set("AKEm" + _EVENT_CLASSES):
            raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        if "A" in letters or letters >= _ALL_EVENT_CLASSES:
            letters = letters - _ALL_EVENT_CLASSES | {"A"}
        return "".join(letter for letter in "A" + _EVENT_CLASSES + "KEm" if letter in letters)

    def show(self, value: str) -> str:
        return value.replace("n", "") if "A" in value else value

    def write(self, value: str) -> str:
        return f'"{value}"'


class OomScores(Kind):
    """oom_score_adj of a primary, a replica and a background child, as a tuple of three ints."""

    multiple = True
    placeholder = "<primary> <replica> <child>"

    def parse(self, words: Sequence[str], current: object) -> tuple[int, ...]:
        if len(words) != 3:
            raise ConfigError("wrong number of arguments")
        scores = [_loose_integer(word) for word in words]
        if any(score is None or not -2000 <= score <= 2000 for score in scores):
            raise ConfigError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        return tuple(score for score in scores if score is not None)

    def show(self, value: tuple[int, ...]) -> str:
        return " ".join(map(str, value))


class Percentiles(Kind):
    """Percentiles between 0 and 100, as a tuple of floats; none turns the figures off."""

    multiple = True
    placeholder = "<percentile>..."

    def parse(self, words: Sequence[str], current: object) -> tuple[float, ...]:
        if list(words) == [""]:
            return ()
        result = []
        for word in words:
            percentile = _loose_double(word)
            if percentile is None:
                raise ConfigError("Invalid latency-tracking-info-percentiles parameters")
            if not 0.0 <= percentile <= 100.0:
                raise ConfigError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            result.append(percentile)
        return tuple(result)

    def show(self, value: tuple[float, ...]) -> str:
        return " ".join(f"{number:f}".rstrip("0").rstrip(".") for number in value)

    def write(self, value: tuple[float, ...]) -> str:
        return self.show(value) or '""'


class Directory(Kind):
    """A folder that exists and can be entered, held as an absolute path."""

    placeholder = "<folder>"

    def parse(self, words: Sequence[str], current: str) -> str:
        try:
            # Looking at its "." fails whenever entering it would: absent, no folder, no right to search.
            os.stat(f"{Path(current, words[0])}/." if words[0] else "")  # noqa: PTH116
        except OSError as error:
            raise ConfigError(os.strerror(error.errno or 0)) from None
        except ValueError:
            raise ConfigError("the path holds a NUL byte") from None
        return str(Path(current, words[0]).resolve())

    def lines(self, name: str, value: str, default: str) -> list[Line]:
        return [(f"{name} {self.write(value)}", True)]

    def write(self, value: str) -> str:
        return quote_word(value)


def refuse_path(parameter: str) -> Callable[[str], None]:
    """A check for Text: a file name of `parameter` must not lead to another folder."""

    def check(value: str) -> None:
        if "/" in value or "\\" in value:
            raise ConfigError(f"{parameter} can't be a path, just a filename")

    return check


def refuse_bad_name(parameter: str, what: str) -> Callable[[str], None]:
    """A check for Text: what `parameter` names is in the working folder, and has a name."""

    def check(value: str) -> None:
        if not value:
            raise ConfigError(f"{parameter} can't be empty")
        if "/" in value or "\\" in value:
            raise ConfigError(f"{parameter} can't be a path, just a {what}")

    return check


def refuse_locale(value: str) -> None:
    """A check for Text: the locale must exist on this machine; it is not set by that."""
    current = locale.setlocale(locale.LC_COLLATE)
    try:
        locale.setlocale(locale.LC_COLLATE, value)
    except (locale.Error, ValueError) as error:
        raise ConfigError("Invalid locale name") from error
    finally:
        locale.setlocale(locale.LC_COLLATE, current)
