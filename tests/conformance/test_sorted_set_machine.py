"""Hypothesis drives both servers with long random sequences of sorted set commands and looks for a reply that differs.

Idea: as in `test_state_machines`. Limits of encodings change in between. Ranges by text are asked only of keys whose
scores are all 0, since Redis leaves open what they mean elsewhere.
"""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.conformance.test_state_machines import Machine, drive  # noqa: F401  (a fixture)
from tests.support.resp import Argument

keys = st.sampled_from([b"a", b"b", b"c", b"set"])
flat_keys = st.sampled_from([b"f", b"g"])
members = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"bb", b"c", b"12", b"-3", b"012", b"\xff\x00", b"m" * 8, b"m" * 9, b"x" * 70]),
    st.integers(0, 30).map(lambda number: b"m%d" % number),
)
scores = st.one_of(
    st.integers(-3, 9).map(lambda number: b"%d" % number),
    st.floats(allow_nan=False).map(lambda number: repr(number).encode()),
    st.sampled_from([b"0.1", b"1e20", b"inf", b"-inf", b"-0", b"nan", b"x", b"4611686018427387904", b"1.5"]),
)
pairs = st.lists(st.tuples(scores, members), min_size=1, max_size=7)
options = st.lists(st.sampled_from(["NX", "XX", "GT", "LT", "CH", "INCR"]), max_size=2)
numbers = st.one_of(st.integers(-6, 12), st.sampled_from([2**63 - 1, -(2**63)]))
bounds = st.one_of(scores, scores.map(lambda score: b"(" + score), st.sampled_from([b"-inf", b"+inf"]))
texts = st.one_of(st.sampled_from([b"-", b"+"]), st.tuples(st.sampled_from([b"[", b"("]), members).map(b"".join))
limits = st.one_of(st.just(()), st.tuples(st.just("LIMIT"), st.integers(-3, 5), st.integers(-2, 5)))
with_scores = st.sampled_from([(), ("WITHSCORES",)])
sources = st.lists(st.one_of(keys, flat_keys), min_size=1, max_size=3)


class SortedSets(Machine):
    """The sorted set commands on a handful of keys, one of which is a set now and then."""

    @initialize(entries=st.integers(0, 9), value=st.sampled_from([8, 64]))
    def begin(self, entries: int, value: int) -> None:
        self.limit(entries, value)

    @rule(entries=st.integers(0, 9), value=st.sampled_from([8, 64]))
    def limit(self, entries: int, value: int) -> None:
        self.both("CONFIG", "SET", "zset-max-listpack-entries", entries, "zset-max-listpack-value", value, on=9)

    @rule(key=keys, chosen=options, pairs=pairs)
    def add(self, key: bytes, chosen: list[str], pairs: list[tuple[bytes, bytes]]) -> None:
        self.both("ZADD", key, *chosen, *[word for pair in pairs for word in pair])

    @rule(key=keys, pairs=pairs)
    def add_plainly(self, key: bytes, pairs: list[tuple[bytes, bytes]]) -> None:
        self.both("ZADD", key, *[word for pair in pairs for word in pair])

    @rule(key=flat_keys, names=st.lists(members, min_size=1, max_size=6))
    def add_flat(self, key: bytes, names: list[bytes]) -> None:
        self.both("ZADD", key, *[word for name in names for word in (0, name)])

    @rule(names=st.lists(members, min_size=1, max_size=6))
    def add_to_set(self, names: list[bytes]) -> None:
        self.both("SADD", "set", *names)

    @rule(key=keys, by=scores, member=members)
    def increment(self, key: bytes, by: bytes, member: bytes) -> None:
        self.both("ZINCRBY", key, by, member)

    @rule(key=keys, names=st.lists(members, min_size=1, max_size=4), name=st.sampled_from(["ZREM", "ZMSCORE"]))
    def several(self, key: bytes, names: list[bytes], name: str) -> None:
        self.both(name, key, *names)

    @rule(key=keys, member=members)
    def look(self, key: bytes, member: bytes) -> None:
        for name in ("ZSCORE", "ZRANK", "ZREVRANK"):
            self.both(name, key, member)
        self.both("ZRANK", key, member, "WITHSCORE")

    @rule(key=st.one_of(keys, flat_keys))
    def state(self, key: bytes) -> None:
        self.both("OBJECT", "ENCODING", key)
        self.both("ZCARD", key)
        self.both("ZRANGE", key, 0, -1, "WITHSCORES")

    @rule(name=st.sampled_from(["ZRANGE", "ZREVRANGE"]), key=keys, start=numbers, stop=numbers, more=with_scores)
    def by_rank(self, name: str, key: bytes, start: int, stop: int, more: tuple[str, ...]) -> None:
        self.both(name, key, start, stop, *more)

    @rule(key=keys, low=bounds, high=bounds, limit=limits, more=with_scores)
    def by_score(
        self, key: bytes, low: bytes, high: bytes, limit: tuple[Argument, ...], more: tuple[str, ...]
    ) -> None:  # fmt: skip
        self.both("ZCOUNT", key, low, high)
        self.both("ZRANGEBYSCORE", key, low, high, *limit, *more)
        self.both("ZRANGE", key, high, low, "BYSCORE", "REV", *more, *limit)

    @rule(key=flat_keys, low=texts, high=texts, limit=limits)
    def by_text(self, key: bytes, low: bytes, high: bytes, limit: tuple[Argument, ...]) -> None:
        self.both("ZLEXCOUNT", key, low, high)
        self.both("ZRANGEBYLEX", key, low, high, *limit)
        self.both("ZREVRANGEBYLEX", key, high, low, *limit)

    @rule(key=keys, start=numbers, stop=numbers)
    def remove_by_rank(self, key: bytes, start: int, stop: int) -> None:
        self.both("ZREMRANGEBYRANK", key, start, stop)

    @rule(key=keys, low=bounds, high=bounds)
    def remove_by_score(self, key: bytes, low: bytes, high: bytes) -> None:
        self.both("ZREMRANGEBYSCORE", key, low, high)

    @rule(key=flat_keys, low=texts, high=texts)
    def remove_by_text(self, key: bytes, low: bytes, high: bytes) -> None:
        self.both("ZREMRANGEBYLEX", key, low, high)

    @rule(name=st.sampled_from(["ZPOPMIN", "ZPOPMAX"]), key=keys, count=st.one_of(st.just(()), st.tuples(numbers)))
    def pop(self, name: str, key: bytes, count: tuple[int, ...]) -> None:
        self.both(name, key, *count)

    @rule(chosen=sources, where=st.sampled_from(["MIN", "MAX"]), count=st.integers(0, 3))
    def pop_first(self, chosen: list[bytes], where: str, count: int) -> None:
        self.both("ZMPOP", len(chosen), *chosen, where, "COUNT", count)

    @rule(name=st.sampled_from(["ZUNION", "ZINTER"]), chosen=sources, weights=st.lists(scores, min_size=3, max_size=3),
          aggregate=st.sampled_from(["SUM", "MIN", "MAX"]),
          destination=st.sampled_from([None, b"a", b"b"]),
          is_weighted=st.booleans())  # fmt: skip
    def combine(
        self, name: str, chosen: list[bytes], weights: list[bytes], aggregate: str,
        destination: bytes | None,
        is_weighted: bool,
    ) -> None:  # fmt: skip
        more: tuple[Argument, ...] = ("WEIGHTS", *weights[: len(chosen)]) if is_weighted else ()
        if destination is None:
            self.both(name, len(chosen), *chosen, *more, "AGGREGATE", aggregate, "WITHSCORES")
        else:
            self.both(name + "STORE", destination, len(chosen), *chosen, *more, "AGGREGATE", aggregate)

    @rule(chosen=sources, destination=st.sampled_from([b"a", b"b"]), limit=st.integers(0, 3))
    def subtract(self, chosen: list[bytes], destination: bytes, limit: int) -> None:
        self.both("ZINTERCARD", len(chosen), *chosen, "LIMIT", limit)
        self.both("ZDIFF", len(chosen), *chosen, "WITHSCORES")
        self.both("ZDIFFSTORE", destination, len(chosen), *chosen)

    @rule(destination=keys, source=keys, start=numbers, stop=numbers)
    def store_range(self, destination: bytes, source: bytes, start: int, stop: int) -> None:
        self.both("ZRANGESTORE", destination, source, start, stop)

    @rule(key=keys, other=st.one_of(keys, flat_keys), name=st.sampled_from(["COPY", "RENAME"]))
    def move(self, key: bytes, other: bytes, name: str) -> None:
        if other not in (b"f", b"g"):
            self.both(name, key, other)

    @rule(key=st.one_of(keys, flat_keys))
    def delete(self, key: bytes) -> None:
        self.both("DEL", key)


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi3"])
def test_sorted_sets(drive: Callable[..., None], mode: str) -> None:  # noqa: F811
    drive(SortedSets, mode, 80)
