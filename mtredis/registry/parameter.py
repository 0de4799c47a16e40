"""What a configuration parameter is: declared once, it gives CONFIG, --help, the file parser and configs/mtredis.conf.

Idea: a `Parameter` is a name, a kind, a default and a sentence. The kind (yes/no, number, memory, choice, ...) knows
three things: how words become a value (`parse`), how CONFIG GET shows it (`show`), and which lines stand for it in a
file (`lines`). A kind never has side effects; what a change does is hung on with `Config.on_change`.

Owner: none; parameters and kinds are immutable after import. Values are immutable by convention: replaced, never
changed. Texts of the refusals are those of redis-server 8.0. Limits: a value that Redis takes and this server cannot
honour yet is refused with "... is not supported yet" rather than stored and ignored.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtredis.errors import ConfigError
from mtredis.registry.words import quote_word

INT_MIN = -(2**31)
INT_MAX = 2**31 - 1
UINT_MAX = 2**32 - 1
LONG_MAX = 2**63 - 1
ULONG_MAX = 2**64 - 1

# A line of a configuration file, and whether it must be written although the file did not name the parameter.
type Line = tuple[str, bool]

_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_MEMORY = re.compile(r"([0-9]*)(b|k|kb|m|mb|g|gb)?", re.ASCII | re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}


class Kind:
    """One sort of value. `multiple` kinds take several words in a file; the others exactly one.

    With `adds`, the second and further lines of a file add to the value, a tuple; one that means nothing empties it.
    """

    multiple = False
    adds = False
    placeholder = "<value>"

    def parse(self, words: Sequence[str], current: Any) -> Any:
        """The value that `words` mean, given the `current` one; raises ConfigError with Redis's reason."""
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """The value as CONFIG GET replies it; CONFIG SET takes it back."""
        return str(value)

    def write(self, value: Any) -> str:
        """The value as it stands in a configuration file."""
        return self.show(value)

    def lines(self, name: str, value: Any, default: Any) -> list[Line]:
        """The lines that give `value` in a file; none when it is expressed by absence."""
        return [(f"{name} {self.write(value)}", value != default)]


class Boolean(Kind):
    """yes or no. `only` refuses the other one: the feature behind it is not there yet."""

    placeholder = "yes|no"

    def __init__(self, only: bool | None = None) -> None:
        self.only = only

    def parse(self, words: Sequence[str], current: Any) -> bool:
        value = {"yes": True, "no": False}.get(words[0].lower())
        if value is None:
            raise ConfigError("argument must be 'yes' or 'no'")
        if self.only is not None and value != self.only:
            raise ConfigError(f"'{words[0].lower()}' is not supported yet")
        return value

    def show(self, value: bool) -> str:
        return "yes" if value else "no"


def parse_integer(word: str) -> int | None:
    """A decimal signed 64-bit integer in its one canonical spelling, or None."""
    if not _INTEGER.fullmatch(word):
        return None
    number = int(word) if len(word) <= 20 else 2**64
    return number if -(2**63) <= number < 2**63 else None


def parse_memory(word: str) -> int | None:
    """An amount like 100, 1k (1000), 1kb (1024), 5GB, as an unsigned 64-bit number with Redis's overflow; or None."""
    found = _MEMORY.fullmatch(word)
    if found is None or len(found[1]) >= 128:
        return None
    digits = min(int(found[1] or "0"), ULONG_MAX)
    return digits * _UNITS[(found[2] or "").lower()] % 2**64


def format_memory(amount: int) -> str:
    """`amount` bytes in the largest unit that divides it, as CONFIG REWRITE writes it."""
    for unit in ("gb", "mb", "kb"):
        if amount and amount % _UNITS[unit] == 0:
            return f"{amount // _UNITS[unit]}{unit}"
    return str(amount)


@dataclass(frozen=True, slots=True)
class Range:
    """The inclusive bounds of a number; `unsigned` ones see a negative number as a huge one, as C does."""

    low: int
    high: int
    unsigned: bool = False

    def admit(self, number: int, base: str = "d") -> int:
        if self.unsigned:
            number %= 2**64
        if not self.low <= number <= self.high:
            raise ConfigError(f"argument must be between {self.low:{base}} and {self.high:{base}} inclusive")
        return number


class Integer(Kind):
    """A whole number within bounds; `clamp` narrows it silently, as Redis does for hz."""

    def __init__(self, low: int, high: int, *, unsigned: bool = False, clamp: tuple[int, int] | None = None) -> None:
        self.range = Range(low, high, unsigned)
        self.clamp = clamp
        # The larger bounds are those of C's types and would tell a reader nothing.
        self.placeholder = f"{low}..{high}" if high < INT_MAX else "<number>"

    def parse(self, words: Sequence[str], current: Any) -> int:
        number = parse_integer(words[0])
        if number is None:
            raise ConfigError("argument couldn't be parsed into an integer")
        number = self.range.admit(number)
        return min(max(number, self.clamp[0]), self.clamp[1]) if self.clamp else number


class Octal(Kind):
    """Permission bits, in octal."""

    placeholder = "<octal>"

    def __init__(self, low: int, high: int) -> None:
        self.range = Range(low, high, unsigned=True)

    def parse(self, words: Sequence[str], current: Any) -> int:
        if not re.fullmatch(r"\s*[+-]?[0-7]{1,22}", words[0], re.ASCII):
            raise ConfigError("argument couldn't be parsed as an octal number")
        return self.range.admit(int(words[0], 8), "o")

    def show(self, value: int) -> str:
        return f"{value:o}"


class Memory(Kind):
    """An amount of bytes with units; with `percent`, also a share such as 5%, held as a negative number."""

    placeholder = "<bytes>"

    def __init__(
        self, low: int, high: int, *, unsigned: bool = False, percent: bool = False, only: int | None = None
    ) -> None:
        self.range = Range(low, high, unsigned)
        self.percent = percent
        self.only = only
        if percent:
            self.placeholder = "<bytes>|<percent>%"

    def parse(self, words: Sequence[str], current: Any) -> int:
        value = self._number(words[0])
        if self.only is not None and value != self.only:
            raise ConfigError(f"any other value than {self.only} is not supported yet")
        return value

    def _number(self, word: str) -> int:
        amount = parse_memory(word)
        if amount is not None:
            amount = amount if self.range.unsigned or amount <= LONG_MAX else amount - 2**64
        elif self.percent and len(word) > 1 and word.endswith("%"):
            share = parse_integer(word[:-1])
            amount = -share if share is not None and share >= 0 else None
        if amount is None:
            raise ConfigError(
                "argument must be a memory or percent value" if self.percent else "argument must be a memory value"
            )
        if self.percent and amount < 0:
            if amount < self.range.low:
                raise ConfigError(f"percentage argument must be less or equal to {-self.range.low}")
            return amount
        return self.range.admit(amount)

    def show(self, value: int) -> str:
        return f"{-value}%" if value < 0 else str(value)

    def write(self, value: int) -> str:
        return f"{-value}%" if value < 0 else format_memory(value)


class Choice(Kind):
    """One of a few words. `same` maps second spellings to the one kept; `later` are known but not honoured yet."""

    def __init__(self, *names: str, same: Mapping[str, str] | None = None, later: Sequence[str] = ()) -> None:
        self.names = names
        self.same = dict(same or {})
        self.later = frozenset(later)
        self.placeholder = "|".join(name for name in names if name not in self.later and name not in self.same)

    def parse(self, words: Sequence[str], current: Any) -> str:
        word = words[0].lower()
        if len(words) != 1 or word not in self.names:
            raise ConfigError("argument(s) must be one of the following: " + ", ".join(self.names))
        if word in self.later:
            raise ConfigError(f"'{word}' is not supported yet")
        return self.same.get(word, word)


class Flags(Kind):
    """Several of a few words; the value is a tuple of them in the declared order, () for the word `default`."""

    multiple = True

    def __init__(
        self, *names: str, exclusive: tuple[frozenset[str], str] | None = None, later: Sequence[str] = ()
    ) -> None:
        self.names = names
        self.exclusive = exclusive
        self.later = frozenset(later)
        self.placeholder = "default|{" + "|".join(name for name in names if name not in self.later) + "}..."

    def parse(self, words: Sequence[str], current: Any) -> tuple[str, ...]:
        chosen = {word.lower() for word in words}
        if not words or chosen - {"default", *self.names}:
            raise ConfigError("argument(s) must be one of the following: " + ", ".join(("default", *self.names)))
        if self.exclusive and self.exclusive[0] <= chosen:
            raise ConfigError(self.exclusive[1])
        if refused := sorted(chosen & self.later):
            raise ConfigError(f"'{refused[0]}' is not supported yet")
        return tuple(name for name in self.names if name in chosen)

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value) or "default"


class Text(Kind):
    """Any text. `check` may refuse it; with `unset`, the empty text means that the parameter is not set at all."""

    placeholder = "<text>"

    def __init__(
        self, *, unset: bool = False, check: Callable[[str], None] | None = None, placeholder: str = "<text>"
    ) -> None:
        self.unset = unset
        self.check = check
        self.placeholder = placeholder

    def parse(self, words: Sequence[str], current: Any) -> str:
        if self.check:
            self.check(words[0])
        return words[0]

    def write(self, value: str) -> str:
        return quote_word(value)

    def lines(self, name: str, value: str, default: str) -> list[Line]:
        return [] if self.unset and not value else super().lines(name, value, default)


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """One declared parameter. `default` may be a function, asked by each Config; `default_note` words it then."""

    name: str
    kind: Kind
    default: Any
    summary: str
    theme: str
    mutable: bool = True
    hidden: bool = False
    sensitive: bool = False
    protected: bool = False
    aliases: tuple[str, ...] = ()
    default_note: str = ""

    @property
    def attribute(self) -> str:
        """The name under which a Config holds the value."""
        return self.name.replace("-", "_")

    def initial(self) -> Any:
        return self.default() if callable(self.default) else self.default


class Catalogue:
    """All parameters that were declared, by name and by alias, in the order of declaration."""

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []
        self.by_name: dict[str, Parameter] = {}

    def declare(self, parameter: Parameter) -> None:
        """Adds `parameter`; each name and each alias may be taken once."""
        for name in (parameter.name, *parameter.aliases):
            if name in self.by_name:
                raise ValueError(f"parameter {name} is declared twice")
            self.by_name[name] = parameter
        self.parameters.append(parameter)

    def find(self, name: str) -> Parameter | None:
        return self.by_name.get(name.lower())
