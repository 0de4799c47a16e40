"""What is measured: a row is one command, pipeline depth, number of connections and size of value.

Idea: the full cross product would take an hour and say little, so a profile walks along one axis at a time, away from
the base of 50 connections and 32 bytes. Keys have 16 bytes (redis-benchmark's "key:" and 12 digits). A command on a
collection is one of bench.cases; with `members` its row is a point of a curve over the size of the collection.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.cases import CASES, Case

KIBIBYTE = 1024
MOST_FILLED_BYTES = 64 * KIBIBYTE * KIBIBYTE
COMMANDS = ("GET", "SET", "INCR", "MSET", "MIXED")
"""MSET sets 10 keys; MIXED is 80 % GET and 20 % SET, from 80 % and 20 % of the connections."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    command: str
    clients: int = 50
    pipeline: int = 1
    size: int = 32
    members: int = 0
    log: str = ""
    """The `appendfsync` that it is measured with; empty: without an AOF."""

    @property
    def name(self) -> str:
        """How targets, `--only` and the report call it: "GET c50 P16", "SET c50 P1 1KiB", "ZRANK c50 P16 of 1000"."""
        size = "" if self.size == 32 else f" {self.size // KIBIBYTE}KiB" if self.size >= KIBIBYTE else f" {self.size}B"
        members = f" of {self.members}" if self.members else ""
        log = f" {self.log}" if self.log else ""
        return f"{self.command} c{self.clients} P{self.pipeline}{size}{members}{log}"

    @property
    def case(self) -> Case | None:
        """The case of a command on a collection, or None for one on strings."""
        return CASES.get(self.command)

    @property
    def is_laid_each_time(self) -> bool:
        """Whether its data have to be there anew before every run."""
        return self.case is not None and self.case.changes_data and not self.members

    @property
    def is_latency(self) -> bool:
        """Whether the probe measures it: redis-benchmark's histogram has steps of 8 µs, too coarse for one client."""
        return self.clients == 1 and self.pipeline == 1 and self.command in ("GET", "SET")

    @property
    def keys(self) -> int:
        """How many keys are filled before it, and used by it; for collections, how many names __rand_int__ makes."""
        if self.case is not None:
            return self.members or self.case.spread
        return min(100_000, MOST_FILLED_BYTES // self.size)

    @property
    def least_requests(self) -> int:
        """Enough that connecting, which is in the CPU figure too, is a small part of it."""
        return self.clients * max(20, 5 * self.pipeline)

    @property
    def warm_up_requests(self) -> int:
        """Enough to see how fast a server is: a tenth of a second or so."""
        return max(self.least_requests, (10_000 + 1000 * self.pipeline) // max(1, self.size // KIBIBYTE))


@dataclass(frozen=True)
class Profile:
    """A named set of rows, and how long they are measured by default."""

    rows: tuple[Row, ...]
    rounds: int = 5
    seconds: float = 0.5
    has_footprint: bool = False
    is_scaling: bool = False
    has_packed: bool = False
    has_io_threads: bool = True
    """Whether redis-server with io-threads is measured, too."""


_BASE = tuple(Row(command, pipeline=pipeline) for pipeline in (1, 16, 100) for command in ("GET", "SET"))
_CROWD = (Row("GET", clients=1000), Row("SET", clients=1000))
_LATENCY = (Row("GET", clients=1), Row("SET", clients=1))
_COMMANDS = tuple(Row(command, pipeline=pipeline) for pipeline in (1, 16, 100) for command in COMMANDS)
_CONNECTIONS = (
    *(Row(command, clients=1, pipeline=16) for command in ("GET", "SET")),
    *(
        Row(command, clients, pipeline)
        for clients in (1000, 10_000)
        for pipeline in (1, 16)
        for command in ("GET", "SET")
    ),
)
_VALUES = tuple(
    Row(command, pipeline=pipeline, size=size)
    for size in (KIBIBYTE, 64 * KIBIBYTE)
    for pipeline in (1, 16)
    for command in ("GET", "SET")
)
_SCALING = (
    *(Row(command, clients=200, pipeline=pipeline) for pipeline in (1, 16) for command in ("GET", "SET")),
    Row("MIXED", clients=200, pipeline=16),
)
_TYPES = tuple(
    Row(command, pipeline=pipeline)
    for pipeline in (1, 16)
    for command in (
        *("LPUSH", "RPOP", "LPOP", "LRANGE", "SADD", "SPOP", "SISMEMBER", "SMEMBERS"),
        *("HSET", "HGET", "HGETALL", "ZADD", "ZSCORE", "ZRANGE", "XADD"),
    )
)
CURVE_SIZES = (1000, 10_000, 100_000, 1_000_000)
_CURVES = tuple(
    Row(command, pipeline=16, members=members)
    for members in CURVE_SIZES
    for command in (
        *("SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "ZRANK", "ZRANGE-MIDDLE", "ZADD"),
        *("RPOP+LPUSH", "SINTER", "HGET", "SISMEMBER"),
    )
)

_PERSISTENCE = tuple(
    Row(command, pipeline=pipeline, log=log)
    for log in ("", "everysec", "always")
    for pipeline in (1, 16)
    for command in ("GET", "SET")
)

PROFILES = {
    "short": Profile(_BASE + _CROWD + _LATENCY),
    "full": Profile(_COMMANDS + _LATENCY + _CONNECTIONS + _VALUES, seconds=1.0, has_footprint=True),
    "commands": Profile(_COMMANDS),
    "connections": Profile(_LATENCY + _CONNECTIONS),
    "latency": Profile(_LATENCY),
    "values": Profile(_VALUES),
    "memory": Profile((), rounds=3, has_footprint=True),
    "types": Profile(_TYPES, has_io_threads=False),
    "packed": Profile((), rounds=1, has_packed=True, has_io_threads=False),
    "curves": Profile(_CURVES, rounds=3, seconds=0.3, has_io_threads=False),
    "persistence": Profile(_PERSISTENCE, has_io_threads=False),
    "scaling": Profile(_SCALING, rounds=3, is_scaling=True),
}


def select(rows: tuple[Row, ...], pattern: str) -> tuple[Row, ...]:
    """The rows whose name matches the shell pattern, without regard to case."""
    return tuple(row for row in rows if fnmatchcase(row.name.lower(), pattern.lower()))
