"""The configuration in force: read by attribute, changed as a whole or not at all.

Idea: `config.tcp_keepalive` is the value of `tcp-keepalive`. `set_many` is CONFIG SET: it checks every name, parses
every value, puts them all in, then calls the hooks of what changed; the first refusal puts everything back. Whoever
must act on a change registers a hook with `on_change` and refuses it by raising ConfigError, having changed nothing
itself.

Owner: the executor once the server runs (before that, the main thread that loads the files). Other threads may read
an attribute: a value is replaced, never modified. Hooks run on the executor. Texts of the refusals are those of
redis-server 8.0. Limit: CONFIG SET during loading is not special, for nothing is loaded yet.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mtredis.errors import CommandError, ConfigError
from mtredis.lib.glob import glob_match
from mtredis.ops import log
from mtredis.ops.parameters import CATALOGUE
from mtredis.registry.parameter import Catalogue, Parameter
from mtredis.registry.words import split_words

type Hook = Callable[[], None]


@dataclass(frozen=True, slots=True)
class RenamedCommand:
    """A rename-command directive: `new` is empty to remove the command. `where` names file and line."""

    old: str
    new: str
    where: str


@dataclass(frozen=True, slots=True)
class _Change:
    """One parameter of a CONFIG SET, found by `name` (maybe an alias)."""

    name: str
    parameter: Parameter
    text: str


class Config:
    """All parameters with their values, as attributes named like the parameters with _ for -."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self.catalogue = catalogue
        self.path: str | None = None
        self.renamed_commands: list[RenamedCommand] = []
        self._hooks: list[tuple[frozenset[str], Hook]] = []
        self._loaded: set[str] = set()   # what files and the command line have named
        self._defaults = {parameter.name: parameter.initial() for parameter in catalogue.parameters}
        for parameter in catalogue.parameters:
            setattr(self, parameter.attribute, self._defaults[parameter.name])
        if catalogue.find("dir"):
            self.on_any_change(("dir",), self.enter_directory)

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that __init__ did not set; it also tells type checkers that values are of any type.
        raise AttributeError(f"there is no parameter {name.replace('_', '-')}")

    def value(self, parameter: Parameter) -> Any:
        return getattr(self, parameter.attribute)

    def default(self, parameter: Parameter) -> Any:
        """The default as it was when this Config was made."""
        return self._defaults[parameter.name]

    def show(self, parameter: Parameter) -> str:
        """The value as CONFIG GET replies it."""
        return parameter.kind.show(self.value(parameter))

    def assign(self, name: str, value: Any) -> None:
        """Puts in a value that the server found out itself, such as the maxclients that fit; no check, no hook."""
        parameter = self.catalogue.find(name)
        if parameter is None:
            raise KeyError(name)
        setattr(self, parameter.attribute, value)

    # CONFIG GET

    def get(self, *patterns: str) -> dict[str, str]:
        """Name to value of what matches one of the glob `patterns`; hidden ones only by their exact name."""
        found: dict[str, tuple[str, str]] = {}
        for pattern in patterns:
            for name, parameter in self._matches(pattern):
                # A name comes back as it was first written, once.
                found.setdefault(name.lower(), (name, self.show(parameter)))
        return dict(found.values())

    def _matches(self, pattern: str) -> Iterator[tuple[str, Parameter]]:
        if not set(pattern) & set("[*?"):
            parameter = self.catalogue.find(pattern)
            if parameter is not None:
                yield pattern, parameter
            return
        wanted = os.fsencode(pattern)
        for name, parameter in self.catalogue.by_name.items():
            if not parameter.hidden and glob_match(wanted, name.encode(), True):
                yield name, parameter

    # CONFIG SET

    def on_change(self, name: str, callback: Callable[[Any], None]) -> None:
        """After every change of `name`, `callback(value)` runs; it refuses the change by raising ConfigError."""
        parameter = self.catalogue.by_name[name]
        self.on_any_change((name,), lambda: callback(self.value(parameter)))

    def on_any_change(self, names: Iterable[str], callback: Hook) -> None:
        """`callback()` runs once when some of `names` were changed together; it refuses by raising ConfigError."""
        self._hooks.append((frozenset(self.catalogue.by_name[name].name for name in names), callback))

    def set_many(self, pairs: Sequence[tuple[str, str]], allow_protected: bool = False) -> None:
        """All `pairs` of name and text are in force, or CommandError is raised and nothing has changed."""
        changes = self._checked(pairs, allow_protected)
        before = {change.parameter: self.value(change.parameter) for change in changes}
        try:
            for change in changes:
                self._store(change)
            self._run_hooks(
                [change for change in changes if self.value(change.parameter) != before[change.parameter]], before
            )
        except _Refusal as refusal:
            self._restore(before)
            raise CommandError(
                f"ERR CONFIG SET failed (possibly related to argument '{refusal.name}') - {refusal}"
            ) from None

    def _checked(self, pairs: Sequence[tuple[str, str]], allow_protected: bool) -> list[_Change]:
        changes: list[_Change] = []
        refusal = None
        for name, text in pairs:
            parameter = self.catalogue.find(name)
            if parameter is None and refusal is None:
                shown = name.partition("\0")[0]   # as in Redis, a NUL ends what is shown
                raise CommandError(f"ERR Unknown option or number of arguments for CONFIG SET - '{shown}'")
            if parameter is None or refusal is not None:
                continue
            if not parameter.mutable:
                refusal = name, "can't set immutable config"
            elif parameter.protected and not allow_protected:
                refusal = name, "can't set protected config"
            elif any(change.name == name.lower() for change in changes):
                refusal = name, "duplicate parameter"
            changes.append(_Change(name.lower(), parameter, text))
        if refusal:
            raise CommandError(f"ERR CONFIG SET failed (possibly related to argument '{refusal[0]}') - {refusal[1]}")
        return changes

    def _store(self, change: _Change) -> None:
        kind = change.parameter.kind
        # CONFIG SET gives one text; Redis cuts it at single spaces and takes an empty one for no words at all.
        words = change.text.split(" ") if change.text else []
        try:
            value = kind.parse(words if kind.multiple else [change.text], self.value(change.parameter))
        except ConfigError as error:
            raise _Refusal(change.name, str(error)) from None
        setattr(self, change.parameter.attribute, value)

    def _run_hooks(self, changes: list[_Change], before: dict[Parameter, Any]) -> None:
        done: list[Hook] = []
        for names, hook in self._hooks:
            related = next((change.name for change in changes if change.parameter.name in names), None)
            if related is None:
                continue
            try:
                hook()
            except ConfigError as error:
                log.warning(
                    f"Failed applying new configuration. Possibly related to new {related} setting. "
                    "Restoring previous settings."
                )
                self._restore(before)
                _reapply(done)
                raise _Refusal(related, str(error)) from None
            done.append(hook)

    def _restore(self, before: dict[Parameter, Any]) -> None:
        for parameter, value in before.items():
            setattr(self, parameter.attribute, value)

    # Files and the command line

    def load(self, name: str, words: Sequence[str]) -> None:
        """Takes a directive of a configuration file; raises ConfigError with the reason, or LookupError if unknown."""
        parameter = self.catalogue.find(name)
        if parameter is None:
            raise LookupError(name)
        kind = parameter.kind
        if not kind.multiple and len(words) != 1:
            raise ConfigError("wrong number of arguments")
        if kind.multiple and len(words) == 1 and words[0]:
            # A value with blanks may be given as one word: --save "3600 1".
            inner = split_words(words[0])
            if inner is None:
                raise ConfigError("Unbalanced quotes in configuration line")
            words = inner
        value = kind.parse(words, self.value(parameter))
        if kind.adds and value and parameter.name in self._loaded:
            value = self.value(parameter) + value
        self._loaded.add(parameter.name)
        setattr(self, parameter.attribute, value)
        if parameter.name == "dir":
            self.enter_directory()

    def enter_directory(self) -> None:
        """The working folder of the process is `dir`."""
        try:
            os.chdir(self.dir)
        except OSError as error:
            raise ConfigError(os.strerror(error.errno or 0)) from None


def is_action_allowed(mode: str, address: str) -> bool:
    """Whether an enable-... parameter of value `mode` (no, yes, local) lets a client from `address` do the thing.

    `address` is that of CLIENT LIST: "ip:port", or a path with ":0" behind it for a Unix socket.
    """
    is_local = address.startswith(("127.", "[::1]:", "::1:", "/")) or address.endswith(":0")
    return mode == "yes" or (mode == "local" and is_local)


def hide_secrets(argv: Sequence[bytes]) -> list[bytes]:
    """The request CONFIG SET `argv` as it may be shown to others: without the values of sensitive parameters."""
    shown = list(argv)
    for position in range(2, len(shown) - 1, 2):
        parameter = CATALOGUE.find(shown[position].decode("utf-8", "surrogateescape"))
        if parameter is not None and parameter.sensitive:
            shown[position + 1] = b"(redacted)"
    return shown


def _reapply(hooks: list[Hook]) -> None:
    """Hooks that had already run see the restored values; one that refuses those can only be reported."""
    for hook in reversed(hooks):
        try:
            hook()
        except ConfigError as error:
            log.warning(f"Failed applying restored failed CONFIG SET command: {error}")


class _Refusal(Exception):
    """A refused CONFIG SET: the name it is about, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
