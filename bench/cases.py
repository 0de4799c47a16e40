"""The commands on collections that are measured: their requests, and what the server has to hold for them.

Idea: a case is a request as redis-benchmark takes it (`__rand_int__` becomes a number of 12 digits below the case's
spread) and a dataset. A case that uses its data up, or adds to it, gets it anew before every run, as much of it as the
run has requests, so that all contenders do the same work in every round; the others keep theirs for the whole row.
A row with `members` is a point of a curve: its dataset is one big collection of each type with so many members.

A dataset is a series of exchanges: requests, and the replies that the server has to give to them. Random members come
from SPREAD names, so that a run of some 100,000 SADDs, HSETs or ZADDs first adds, then mostly finds or updates.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import batched

SPREAD = 100_000
RANGE_MEMBERS = 10_000
SMALL_KEYS = 10_000
SMALL_MEMBERS = 10
MEMBERS_PER_REQUEST = 500
VALUE = b"v" * 32

Exchange = tuple[bytes, bytes]
"""A request and the reply that it has to get."""


@dataclass(frozen=True)
class Case:
    """One command on a collection."""

    request: str
    """With {value} for a value of the row's size, {middle} and {end} for ranks in the middle of the collection."""
    dataset: str = "nothing"
    amount: int = 0
    """How many members the dataset has; 0: as many as the run has requests."""
    spread: int = SPREAD
    """__rand_int__ is below it."""
    changes_data: bool = False
    """Whether the dataset has to be laid anew before every run."""

    def words(self, size: int, members: int) -> list[str]:
        """The request for a row with values of this size and, on a curve, so many members."""
        middle = members // 2
        return self.request.format(value="x" * size, middle=middle, end=middle + 9).split()


CASES = {
    "LPUSH": Case("LPUSH list {value}", changes_data=True),
    "RPOP": Case("RPOP list", "list", changes_data=True),
    "LPOP": Case("LPOP list", "list", changes_data=True),
    "LRANGE": Case("LRANGE list 0 99", "list", RANGE_MEMBERS),
    "SADD": Case("SADD set element:__rand_int__", changes_data=True),
    "SPOP": Case("SPOP set", "set", changes_data=True),
    "SISMEMBER": Case("SISMEMBER set element:__rand_int__", "set", SPREAD),
    "SMEMBERS": Case("SMEMBERS set:__rand_int__", "small sets", SMALL_KEYS, SMALL_KEYS),
    "HSET": Case("HSET hash element:__rand_int__ {value}", changes_data=True),
    "HGET": Case("HGET hash element:__rand_int__", "hash", SPREAD),
    "HGETALL": Case("HGETALL hash:__rand_int__", "small hashes", SMALL_KEYS, SMALL_KEYS),
    "ZADD": Case("ZADD scores __rand_int__ element:__rand_int__", changes_data=True),
    "ZSCORE": Case("ZSCORE scores element:__rand_int__", "scores", SPREAD),
    "ZRANGE": Case("ZRANGE scores 0 99", "scores", RANGE_MEMBERS),
    "XADD": Case("XADD stream * field {value}", changes_data=True),
    # only on curves
    "SRANDMEMBER": Case("SRANDMEMBER set", "set", SPREAD),
    "HRANDFIELD": Case("HRANDFIELD hash", "hash", SPREAD),
    "ZRANDMEMBER": Case("ZRANDMEMBER scores", "scores", SPREAD),
    "ZRANK": Case("ZRANK scores element:__rand_int__", "scores", SPREAD),
    "ZRANGE-MIDDLE": Case("ZRANGE scores {middle} {end}", "scores", SPREAD),
    "RPOP+LPUSH": Case("LMOVE list list RIGHT LEFT", "list", SPREAD),
    "SINTER": Case("SINTER few set", "set", SPREAD),
}
"""RPOP+LPUSH takes from one end and adds to the other in one command, so that the list keeps its length; SINTER is that
of 10 members with a big set."""


def encode(*argv: bytes) -> bytes:
    """The request in RESP."""
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in argv)


def member(index: int) -> bytes:
    """The member that redis-benchmark makes of element:__rand_int__."""
    return b"element:%012d" % index


# -- one collection of so many members


def _list(key: bytes, count: int) -> Iterator[Exchange]:
    for batch in batched(range(count), MEMBERS_PER_REQUEST, strict=False):
        yield encode(b"RPUSH", key, *[VALUE] * len(batch)), b":%d\r\n" % (batch[-1] + 1)


def _set(key: bytes, count: int) -> Iterator[Exchange]:
    for batch in batched(range(count), MEMBERS_PER_REQUEST, strict=False):
        yield encode(b"SADD", key, *map(member, batch)), b":%d\r\n" % len(batch)


def _hash(key: bytes, count: int) -> Iterator[Exchange]:
    for batch in batched(range(count), MEMBERS_PER_REQUEST, strict=False):
        words = [word for index in batch for word in (member(index), VALUE)]
        yield encode(b"HSET", key, *words), b":%d\r\n" % len(batch)


def _scores(key: bytes, count: int) -> Iterator[Exchange]:
    for batch in batched(range(count), MEMBERS_PER_REQUEST, strict=False):
        words = [word for index in batch for word in (b"%d" % index, member(index))]
        yield encode(b"ZADD", key, *words), b":%d\r\n" % len(batch)


def _small(kind: Callable[[bytes, int], Iterator[Exchange]], name: bytes, keys: int) -> Iterator[Exchange]:
    for index in range(keys):
        yield from kind(b"%b:%012d" % (name, index), SMALL_MEMBERS)


_DATASETS: dict[str, Callable[[int], Iterable[Exchange]]] = {
    "nothing": lambda count: (),
    "list": lambda count: _list(b"list", count),
    "set": lambda count: _set(b"set", count),
    "hash": lambda count: _hash(b"hash", count),
    "scores": lambda count: _scores(b"scores", count),
    "small sets": lambda count: _small(_set, b"set", count),
    "small hashes": lambda count: _small(_hash, b"hash", count),
}


@lru_cache(maxsize=1)
def exchanges(dataset: str, amount: int) -> tuple[Exchange, ...]:
    """What lays the dataset on an empty server; kept, for the other contenders and rounds get the same."""
    return tuple(_DATASETS[dataset](amount))


def curve_exchanges(members: int) -> Iterator[Exchange]:
    """What lays one collection of each type with so many members, and the set of few, on an empty server."""
    yield from _list(b"list", members)
    yield from _set(b"set", members)
    yield from _hash(b"hash", members)
    yield from _scores(b"scores", members)
    yield from _set(b"few", SMALL_MEMBERS)
