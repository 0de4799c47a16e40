"""Where a configuration comes from: redis.conf files, standard input, the command line, in this order; the last word
wins.

Idea: everything becomes directives, a name with words, and each is handed to `Config.load`. Command-line arguments
are first written as lines of a file, as redis-server does it, so `--name value` means exactly what `name value` in a
file means.

Owner: the main thread, before any other thread runs. Errors: ConfigFileError, whose text is the whole report for
standard error.
Limits: a file that includes itself is refused (Redis reads it for ever); Sentinel, ACL users and modules are not
there yet, so their directives are bad ones.
"""

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtredis import __version__
from mtredis.errors import ConfigError
from mtredis.ops.config import Config, RenamedCommand
from mtredis.registry.words import quote_word, split_words

# What Redis once knew and now ignores, each with one argument.
IGNORED = frozenset(
    ("io-threads-do-reads", "lua-replicate-commands", "list-max-ziplist-entries", "list-max-ziplist-value")
)
MAX_INCLUDE_DEPTH = 32
_TRIMMED = " \t\r\n"


class ConfigFileError(ConfigError):
    """A configuration that stops the start; the text is the report, several lines long."""


@dataclass(frozen=True, slots=True)
class Options:
    """A command line: `action` is serve, version or help; `overrides` are lines of a configuration file."""

    config_path: str | None = None
    stdin: bool = False
    overrides: tuple[str, ...] = ()
    action: str = "serve"


_ACTIONS = {"-v": "version", "--version": "version", "-h": "help", "--help": "help"}


def parse_command_line(argv: Sequence[str]) -> Options:
    """What `argv` (without the program's name) asks for, by redis-server's rules."""
    if argv and argv[0] in _ACTIONS:
        return Options(action=_ACTIONS[argv[0]])
    path = str(Path(argv[0]).absolute()) if argv and not argv[0].startswith("-") else None
    rest = list(argv[1:] if path else argv)
    last = len(rest) - 1
    stdin = False
    lines: list[str] = []
    wants_value = False
    for position, argument in enumerate(rest):
        if argument == "-" and (position == last or (position == 0 and path is None)):
            stdin = True
        elif argument.startswith("--") and not wants_value:
            lines.append(argument[2:])
            wants_value = len(split_words(argument) or ()) == 1
            follower = rest[position + 1] if position < last else "--"
            if wants_value and argument.lower() == "--save" and follower.startswith("--"):
                # A list of save points may be empty, which a shell's array gives as no argument at all.
                lines[-1] += ' ""'
                wants_value = False
        else:
            lines = [*lines[:-1], f"{lines[-1] if lines else ''} {quote_word(argument)}"]
            wants_value = False
    return Options(path, stdin, tuple(lines))


def load(options: Options) -> Config:
    """The configuration that `options` lead to; the process is in its `dir`. Raises ConfigFileError."""
    config = Config()
    loader = _Loader(config)
    if options.config_path:
        # Made absolute before a `dir` directive can move the process away from where the path is valid.
        config.path = str(Path(options.config_path).absolute())
        loader.read_file(config.path)
    if options.stdin:
        loader.read_lines(sys.stdin.read().split("\n"), "standard input")
    loader.read_lines(options.overrides, "command line")
    _check_log_file(config)
    return config


def _check_log_file(config: Config) -> None:
    if not config.logfile:
        return
    try:
        os.close(os.open(config.logfile, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644))
    except OSError as error:
        raise ConfigFileError(_headline() + f"Can't open the log file: {os.strerror(error.errno or 0)}") from None


def _headline() -> str:
    return f"\n*** FATAL CONFIG FILE ERROR (mtredis {__version__}) ***\n"


def fatal_report(where: str, line: str, reason: str) -> ConfigFileError:
    """The error to raise for `line`, found at `where` ("/etc/mtredis.conf:12", "command line:1")."""
    number = where.rpartition(":")[2]
    place = f"Reading the configuration file, at line {number}\n>>> '{line}'\n"
    return ConfigFileError(f"{_headline()}{place}{where}: {reason}")


class _Loader:
    """Reads sources into one Config and knows which files it is in the middle of."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.open_files: list[str] = []

    def read_file(self, path: str) -> None:
        try:
            text = Path(path).read_bytes().decode("utf-8", "surrogateescape")
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ConfigFileError(f"Fatal error, can't open config file '{path}': {reason}") from None
        self.open_files.append(os.path.realpath(path))
        self.read_lines(text.split("\n"), path)
        self.open_files.pop()

    def read_lines(self, lines: Sequence[str], source: str) -> None:
        for number, raw in enumerate(lines, 1):
            line = raw.strip(_TRIMMED)
            if not line or line.startswith("#"):
                continue
            where = f"{source}:{number}"
            try:
                self._directive(line, where)
            except ConfigFileError:
                raise
            except ConfigError as error:
                raise fatal_report(where, line, str(error)) from None

    def _directive(self, line: str, where: str) -> None:
        words = split_words(line)
        if words is None:
            raise ConfigError("Unbalanced quotes in configuration line")
        if not words:
            return
        name, arguments = words[0].lower(), words[1:]
        try:
            self.config.load(name, arguments)
        except LookupError:
            self._special(name, arguments, where)

    def _special(self, name: str, arguments: list[str], where: str) -> None:
        """A directive that is no parameter."""
        if name == "include" and len(arguments) == 1:
            self._include(arguments[0])
        elif name == "rename-command" and len(arguments) == 2:
            self.config.renamed_commands.append(RenamedCommand(arguments[0], arguments[1], where))
        elif not (name in IGNORED and len(arguments) == 1):
            raise ConfigError("Bad directive or wrong number of arguments")

    def _include(self, pattern: str) -> None:
        # Path.glob takes no absolute patterns.
        paths = sorted(glob.glob(pattern)) if set(pattern) & set("*?[") else [pattern]  # noqa: PTH207
        for path in paths:
            if os.path.realpath(path) in self.open_files or len(self.open_files) >= MAX_INCLUDE_DEPTH:
                raise ConfigError(f"'{path}' includes itself")
            if not Path(path).exists():
                raise ConfigError(f"Fatal error, can't open config file '{path}': No such file or directory")
            self.read_file(path)
