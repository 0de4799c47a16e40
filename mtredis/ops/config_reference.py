"""All parameters in words: the text of --help, and configs/mtredis.conf.

    python -m mtredis.ops.config_reference > configs/mtredis.conf

Idea: both are made from the declarations in `ops/parameters.py`, so neither can be out of date; a test compares the
file. In the file every parameter stands as a comment with its default: the file as it is changes nothing.
"""

import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby

from mtredis.ops.parameters import CATALOGUE
from mtredis.registry.parameter import Catalogue, Parameter

USAGE = """\
Usage: mtredis-server [CONFIG] [--parameter value ...] [-]
       mtredis-server -                  (read the configuration from standard input)
       mtredis-server -v or --version
       mtredis-server -h or --help

Examples:
       mtredis-server                    (the defaults)
       mtredis-server /etc/mtredis/mtredis.conf --port 7000
       mtredis-server --port 0 --unixsocket /run/mtredis.sock
       echo 'maxmemory 128mb' | mtredis-server -
"""

_INTRODUCTION = """\
# The configuration of mtredis, complete: every parameter with its default. GENERATED, do not edit here:
#
#     python -m mtredis.ops.config_reference > configs/mtredis.conf
#
# A line is a name and its values; names may be written in any case. Values with blanks go between "double quotes",
# where \\n, \\t and \\xHH are understood, or 'single quotes'. Amounts of memory: 1k = 1000 bytes, 1kb = 1024, and so on
# for m, mb, g, gb. Later lines win over earlier ones, standard input over files, the command line over both. A line
# that is not understood stops the start.
#
# include /path/to/other.conf             reads another file here; * ? [..] match several, or none
# rename-command CONFIG ""                removes a command; with a name instead of "", renames it
#
# Below, "# " begins an explanation and "#" alone a parameter with its default: take the sign away and change the value.
"""


def default_lines(parameter: Parameter) -> list[str]:
    """The lines of a file that give the default."""
    value = parameter.initial()
    lines = [line for line, _ in parameter.kind.lines(parameter.name, value, value)]
    return lines or [f"{parameter.name} {parameter.kind.write(value)}"]


def _remarks(parameter: Parameter) -> Iterator[str]:
    yield f"Values: {parameter.kind.placeholder}"
    if parameter.default_note:
        yield f"default: {parameter.default_note}"
    if parameter.aliases:
        yield f"also called: {', '.join(parameter.aliases)}"
    if not parameter.mutable:
        yield "only at start"
    elif parameter.protected:
        yield "CONFIG SET only with enable-protected-configs"


def _entry(parameter: Parameter) -> str:
    comment = textwrap.wrap(parameter.summary, 116) + textwrap.wrap("; ".join(_remarks(parameter)), 116)
    # A default that depends on the machine is not frozen into the file.
    example = f"{parameter.name} {parameter.kind.placeholder}"
    settings = [example] if parameter.default_note else default_lines(parameter)
    return "".join(f"# {line}\n" for line in comment) + "".join(f"#{line}\n" for line in settings)


def reference(catalogue: Catalogue = CATALOGUE) -> str:
    """The text of a complete configuration file."""
    parts = [_INTRODUCTION]
    visible = [parameter for parameter in catalogue.parameters if not parameter.hidden]
    for theme, parameters in groupby(visible, lambda parameter: parameter.theme):
        rule = "#" * 40
        parts.append(f"{rule} {theme} {rule}\n")
        parts.extend(_entry(parameter) for parameter in parameters)
    return "\n".join(parts)


def usage(catalogue: Catalogue = CATALOGUE) -> str:
    """The text of --help: how to call the server, and every parameter in one or two lines."""
    lines = [USAGE, "Parameters (on the command line with --, in a file without):"]
    for parameter in catalogue.parameters:
        if parameter.hidden:
            continue
        default = parameter.default_note or "; ".join(line.partition(" ")[2] for line in default_lines(parameter))
        lines.append(f"  --{parameter.name} {parameter.kind.placeholder}")
        lines.extend(
            textwrap.wrap(f"{parameter.summary} [{default}]", 100, initial_indent=" " * 8, subsequent_indent=" " * 8)
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
