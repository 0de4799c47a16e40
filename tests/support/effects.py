"""What servers propagate: reading their AOF, and comparing what two of them have written.

Idea: an effect is (database, argv); SELECT is read and left out, MULTI and EXEC are effects of no database, so that
units are compared, too. The section of a script lies between two marks that are set before and after it. Times and the
ids that are made of them may lie as far apart as the two runs.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from mtredis.propagate import Sink

from tests.support.differential import Script, Side, steps
from tests.support.servers import Server

type Effect = tuple[int, tuple[bytes, ...]]

PATIENCE = 60.0
NO_DATABASE = -1
_TIME = re.compile(rb"([0-9]{13,19})(-[0-9]+)?")
_TIMES_APART = 120_000   # ms between the two runs of a script, at most
_UNTIL = re.compile(rb"\*([0-9]+)\r\n")


def commands_in(data: bytes) -> Iterator[tuple[bytes, ...]]:
    """The commands of a stream; what is incomplete at its end is left out."""
    at = 0
    while (head := _UNTIL.match(data, at)) is not None:
        at = head.end()
        argv = []
        for _ in range(int(head[1])):
            end = data.find(b"\r\n", at)
            if end < 0:
                return
            length = int(data[at + 1 : end])
            argv.append(data[end + 2 : end + 2 + length])
            at = end + 4 + length
        if at > len(data):
            return
        yield tuple(argv)
    assert at >= len(data) or data[at:at + 1] == b"*", data[at:at + 80]


def effects_in(data: bytes, database: int = NO_DATABASE) -> list[Effect]:
    """The effects of a stream that is in a database at its beginning."""
    found = []
    for argv in commands_in(data):
        name = argv[0].upper()
        if name == b"SELECT":
            database = int(argv[1])
        else:
            found.append((NO_DATABASE if name in (b"MULTI", b"EXEC") else database, argv))
    return found


class KeptStream(Sink):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.data = b""

    def take(self, data: bytes) -> None:
        self.data += data

    def effects(self) -> list[Effect]:
        """What has come since the last call."""
        data, self.data = self.data, b""
        return effects_in(data)


def recording_parameters() -> dict[str, Any]:
    """What makes a server keep all its effects in one file, as commands, from its start on."""
    return {
        "unixsocket": "u.sock", "appendonly": "yes", "appendfsync": "no", "auto-aof-rewrite-percentage": 0,
        "aof-use-rdb-preamble": "no",
    }  # fmt: skip


class Recorded:
    """A server, started with `recording_parameters`, whose effects can be read."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.file = (server.folder / "appendonlydir" / "appendonly.aof.1.incr.aof").open("rb")
        self.marks = 0

    def mark(self) -> bytes:
        """Leaves a mark in the stream, behind all that has happened; the stream from the last mark up to this one."""
        self.marks += 1
        mark = b"--mark-%d--\r\n" % self.marks
        with self.server.connect() as admin:
            admin.command("SET", "--mark--", mark[:-2])
        deadline = time.monotonic() + PATIENCE
        section = b""
        while not section.endswith(mark):
            assert time.monotonic() < deadline, "the effects do not come"
            section += self.file.read()
        return section

    def effects_of(self, run: Callable[[], object]) -> list[Effect]:
        """What `run()` has the server propagate."""
        self.mark()
        run()
        return effects_in(self.mark(), 0)[:-1]


def run_script(server: Server, script: Script, mode: str = "resp2") -> None:
    """Sends a script's requests; the replies are not looked at."""
    side = Side(server, mode)
    try:
        for step in steps(script):
            side.start(step)
            side.finish(step)
    finally:
        side.close()


def is_same_word(ours: bytes, theirs: bytes) -> bool:
    """Equal, or two times (or ids made of them) that lie near each other."""
    if ours == theirs:
        return True
    one, other = _TIME.fullmatch(ours), _TIME.fullmatch(theirs)
    return (
        one is not None and other is not None and one[2] == other[2]
        and abs(int(one[1]) - int(other[1])) < _TIMES_APART
    )  # fmt: skip


def is_same(ours: Effect, theirs: Effect) -> bool:
    """Whether two effects are equal; a command's name is, in any case."""
    return (
        ours[0] == theirs[0] and len(ours[1]) == len(theirs[1]) and ours[1][0].upper() == theirs[1][0].upper()
        and all(map(is_same_word, ours[1][1:], theirs[1][1:]))
    )  # fmt: skip


def first_difference(ours: list[Effect], theirs: list[Effect]) -> str | None:
    """A description of where the two begin to differ; None: nowhere."""
    for at in range(max(len(ours), len(theirs))):
        mine, other = ours[at : at + 1], theirs[at : at + 1]
        if not mine or not other or not is_same(mine[0], other[0]):
            return f"effect {at}:\n  before  {ours[max(0, at - 3) : at]}\n  subject {ours[at : at + 4]}\n" \
                   f"  redis   {theirs[at : at + 4]}"
    return None
