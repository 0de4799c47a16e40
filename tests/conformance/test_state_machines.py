"""Hypothesis drives both servers with long random sequences and looks for a reply that differs.

Idea: each machine is a set of rules that send one request to both servers at once; the comparison is that of
differential.py. Times to live use times far in the future or in the past (PEXPIREAT), so nothing has to sleep; a few
real short ones are in `Expiry.wait`. Shrinking gives the shortest sequence that shows a difference.

Limits: example counts are small by default; MTREDIS_EXAMPLES multiplies them.
"""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.support.differential import (
    Comparison,
    Difference,
    Side,
    Step,
    agree,
    begin,
    comparison_for,
    in_pattern_order,
    shown,
)
from tests.support.resp import Argument
from tests.support.servers import Server

_FACTOR = float(os.environ.get("MTREDIS_EXAMPLES", "1"))
FUTURE = 33177117420000

keys = st.sampled_from([b"a", b"b", b"c", b"", b"\x00key"])
small = st.integers(-3, 40)
numbers = st.one_of(small, st.sampled_from([2**63 - 1, -(2**63), 2**63 - 2, 10**18]), st.integers(-(2**63), 2**63 - 1))
number_texts = st.one_of(
    numbers.map(lambda n: b"%d" % n),
    st.sampled_from([b"abc", b"", b" 1", b"1 ", b"01", b"+1", b"-0", b"1.0", b"9223372036854775808"]),
)
texts = st.one_of(
    st.binary(max_size=12),
    numbers.map(lambda n: b"%d" % n),
    st.sampled_from([b"", b"x" * 44, b"x" * 45, b"y" * 300, b"1.5", b"1e3"]),
)
floats = st.one_of(
    st.sampled_from([b"0.1", b"-1.5", b"3", b"1e2", b"5.0e-3", b"nan", b"inf", b"x", b"1e308"]),
    small.map(lambda n: b"%d.25" % n),
)
moments = st.sampled_from([FUTURE, FUTURE + 1000, FUTURE - 1000, 1, 0, -5, 5])
conditions = st.sampled_from([(), (), ("NX",), ("XX",), ("GT",), ("LT",), ("XX", "GT"), ("NX", "LT")])


class Machine(RuleBasedStateMachine):
    """Several connections to each of the two servers; `both` sends one request to both."""

    servers: ClassVar[tuple[Server, Server]]
    mode: ClassVar[str] = "resp2"

    def __init__(self) -> None:
        super().__init__()
        self.sides = tuple(Side(server, self.mode) for server in self.servers)
        begin()
        self.both("FLUSHALL", on=9)

    def both(self, *arguments: Argument, on: int = 1, same: Comparison | None = None) -> None:
        words = tuple(each if isinstance(each, bytes) else str(each).encode() for each in arguments)
        step = Step(on, "reply", words)
        for side in self.sides:
            side.start(step)
        ours, theirs = (in_pattern_order(side.finish(step)) for side in self.sides)
        assert all(value.kind != "timeout" for value in theirs), f"redis gives no answer to {words}"
        if ours == theirs:
            return
        compare = same or comparison_for(words)
        if len(ours) == len(theirs) and all(agree(compare, a, b) for a, b in zip(ours, theirs, strict=True)):
            return
        raise Difference(f"{words}\n  subject {shown(ours)}\n  redis   {shown(theirs)}")

    def teardown(self) -> None:
        try:
            for number in sorted(self.sides[1].connections):
                ours, theirs = (in_pattern_order(side.drain(number)) for side in self.sides)
                assert ours == theirs, f"left over on connection {number}"
        finally:
            for side in self.sides:
                side.close()


class Strings(Machine):
    """The string commands on a handful of keys."""

    @rule(
        key=keys,
        value=texts,
        option=st.sampled_from([(), (), ("NX",), ("XX",), ("GET",), ("NX", "GET"), ("XX", "GET")]),
        life=st.sampled_from([(), (), ("KEEPTTL",), ("PXAT", FUTURE), ("PXAT", 1), ("EXAT", FUTURE // 1000)]),
    )
    def set(self, key: bytes, value: bytes, option: tuple[str, ...], life: tuple[Argument, ...]) -> None:
        self.both("SET", key, value, *option, *life)

    @rule(name=st.sampled_from(["GET", "STRLEN", "GETDEL", "INCR", "DECR", "PEXPIRETIME", "DEL", "EXISTS"]), key=keys)
    def on_key(self, name: str, key: bytes) -> None:
        self.both(name, key)

    @rule(key=keys)
    def encoding(self, key: bytes) -> None:
        self.both("OBJECT", "ENCODING", key)

    @rule(name=st.sampled_from(["SETNX", "GETSET", "APPEND"]), key=keys, value=texts)
    def with_text(self, name: str, key: bytes, value: bytes) -> None:
        self.both(name, key, value)

    @rule(name=st.sampled_from(["INCRBY", "DECRBY"]), key=keys, by=number_texts)
    def increment(self, name: str, key: bytes, by: bytes) -> None:
        self.both(name, key, by)

    @rule(key=keys, by=floats)
    def increment_float(self, key: bytes, by: bytes) -> None:
        self.both("INCRBYFLOAT", key, by)

    @rule(name=st.sampled_from(["GETRANGE", "SUBSTR"]), key=keys, start=number_texts, end=number_texts)
    def get_range(self, name: str, key: bytes, start: bytes, end: bytes) -> None:
        self.both(name, key, start, end)

    @rule(key=keys, offset=small, value=texts)
    def set_range(self, key: bytes, offset: int, value: bytes) -> None:
        self.both("SETRANGE", key, offset, value)

    @rule(pairs=st.lists(st.tuples(keys, texts), min_size=1, max_size=4), name=st.sampled_from(["MSET", "MSETNX"]))
    def many(self, pairs: list[tuple[bytes, bytes]], name: str) -> None:
        self.both(name, *[word for pair in pairs for word in pair])

    @rule(wanted=st.lists(keys, min_size=1, max_size=5))
    def get_many(self, wanted: list[bytes]) -> None:
        self.both("MGET", *wanted)

    @rule(key=keys, option=st.sampled_from([(), ("PERSIST",), ("PXAT", FUTURE), ("PXAT", 1), ("EXAT", 0), ("EX", 0)]))
    def get_and_expire(self, key: bytes, option: tuple[Argument, ...]) -> None:
        self.both("GETEX", key, *option)

    @rule(
        one=keys,
        two=keys,
        option=st.sampled_from([(), ("LEN",), ("IDX",), ("IDX", "WITHMATCHLEN", "MINMATCHLEN", "2")]),
    )
    def lcs(self, one: bytes, two: bytes, option: tuple[str, ...]) -> None:
        self.both("LCS", one, two, *option)


class Bitmaps(Machine):
    """The bitmap commands, mixed with string writes."""

    units = st.sampled_from([(), ("BYTE",), ("BIT",)])
    widths = st.sampled_from(
        ["u1", "u5", "u8", "u16", "u33", "u63", "i1", "i4", "i8", "i17", "i32", "i64", "u64", "i65"]
    )
    offsets = st.one_of(st.integers(0, 200), st.sampled_from([b"#0", b"#1", b"#7", -1, 4000]))

    @rule(key=keys, value=texts)
    def set(self, key: bytes, value: bytes) -> None:
        self.both("SET", key, value)

    @rule(key=keys, offset=st.integers(-1, 300), bit=st.sampled_from([0, 1, 1, 1, 2]))
    def set_bit(self, key: bytes, offset: int, bit: int) -> None:
        self.both("SETBIT", key, offset, bit)

    @rule(key=keys, offset=st.integers(-1, 400))
    def get_bit(self, key: bytes, offset: int) -> None:
        self.both("GETBIT", key, offset)

    @rule(key=keys, limits=st.one_of(st.just(()), st.tuples(small, small)), unit=units)
    def count(self, key: bytes, limits: tuple[int, ...], unit: tuple[str, ...]) -> None:
        self.both("BITCOUNT", key, *limits, *(unit if limits else ()))

    @rule(
        key=keys,
        bit=st.sampled_from([0, 1]),
        limits=st.one_of(st.just(()), st.tuples(small), st.tuples(small, small)),
        unit=units,
    )
    def position(self, key: bytes, bit: int, limits: tuple[int, ...], unit: tuple[str, ...]) -> None:
        self.both("BITPOS", key, bit, *limits, *(unit if len(limits) == 2 else ()))

    @rule(
        operation=st.sampled_from(["AND", "OR", "XOR", "NOT"]),
        destination=keys,
        sources=st.lists(keys, min_size=1, max_size=4),
    )
    def operate(self, operation: str, destination: bytes, sources: list[bytes]) -> None:
        self.both("BITOP", operation, destination, *sources)

    @rule(
        key=keys,
        work=st.lists(
            st.one_of(
                st.tuples(st.just("GET"), widths, offsets),
                st.tuples(st.just("SET"), widths, offsets, numbers.filter(lambda n: n > -(2**63))),
                st.tuples(st.just("INCRBY"), widths, offsets, numbers),
                st.tuples(st.just("OVERFLOW"), st.sampled_from(["WRAP", "SAT", "FAIL"])),
            ),
            min_size=1,
            max_size=5,
        ),
    )
    def field(self, key: bytes, work: list[tuple[Any, ...]]) -> None:
        self.both("BITFIELD", key, *[word for operation in work for word in operation])

    @rule(key=keys)
    def look(self, key: bytes) -> None:
        self.both("GET", key)
        self.both("OBJECT", "ENCODING", key)


class Expiry(Machine):
    """Keys of which the time has come, will come, or never comes, under every generic command."""

    @rule(key=keys, value=texts)
    def set(self, key: bytes, value: bytes) -> None:
        self.both("SET", key, value)

    @rule(key=keys, at=moments, condition=conditions)
    def expire_at(self, key: bytes, at: int, condition: tuple[str, ...]) -> None:
        self.both("PEXPIREAT", key, at, *condition)

    @rule(key=keys, at=moments, condition=conditions)
    def expire_at_seconds(self, key: bytes, at: int, condition: tuple[str, ...]) -> None:
        self.both("EXPIREAT", key, at // 1000, *condition)

    @rule(key=keys, after=st.sampled_from([100, 5000, -1, 0]), condition=conditions)
    def expire(self, key: bytes, after: int, condition: tuple[str, ...]) -> None:
        self.both("EXPIRE", key, after, *condition)

    @rule(
        name=st.sampled_from(["PERSIST", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "GET", "TYPE", "INCR", "DEL"]),
        key=keys,
    )
    def on_key(self, name: str, key: bytes) -> None:
        self.both(name, key)

    @rule(name=st.sampled_from(["RENAME", "RENAMENX"]), one=keys, two=keys)
    def rename(self, name: str, one: bytes, two: bytes) -> None:
        self.both(name, one, two)

    @rule(one=keys, two=keys, options=st.sampled_from([(), ("REPLACE",), ("DB", "1"), ("DB", "1", "REPLACE")]))
    def copy(self, one: bytes, two: bytes, options: tuple[str, ...]) -> None:
        self.both("COPY", one, two, *options)

    @rule(key=keys, db=st.sampled_from([0, 1, 2]))
    def move(self, key: bytes, db: int) -> None:
        self.both("MOVE", key, db)

    @rule(db=st.sampled_from([0, 1, 2]))
    def select(self, db: int) -> None:
        self.both("SELECT", db)

    @rule(one=st.sampled_from([0, 1, 2]), two=st.sampled_from([0, 1, 2]))
    def swap(self, one: int, two: int) -> None:
        self.both("SWAPDB", one, two)

    @rule()
    def count(self) -> None:
        self.both("DBSIZE")
        self.both("KEYS", "*")

    @rule(chosen=st.lists(keys, min_size=1, max_size=4), name=st.sampled_from(["EXISTS", "TOUCH", "UNLINK", "MGET"]))
    def several(self, chosen: list[bytes], name: str) -> None:
        self.both(name, *chosen)

    @rule(chosen=st.lists(keys, min_size=1, max_size=3, unique=True))
    def wait(self, chosen: list[bytes]) -> None:
        for key in chosen:
            self.both("PEXPIRE", key, 5)
        self.both("DEBUG", "SLEEP", "0.02")
        self.both("MGET", *chosen)
        self.both("KEYS", "*")


class Transactions(Machine):
    """Three clients that watch, queue, execute and write over each other's keys."""

    clients = st.sampled_from([1, 2, 3])
    requests = st.one_of(
        st.tuples(st.just("GET"), keys),
        st.tuples(st.just("SET"), keys, texts),
        st.tuples(st.just("INCR"), keys),
        st.tuples(st.just("APPEND"), keys, texts),
        st.tuples(st.just("DEL"), keys),
        st.tuples(st.just("PEXPIREAT"), keys, moments),
        st.tuples(st.just("PERSIST"), keys),
        st.tuples(st.just("RENAME"), keys, keys),
        st.tuples(st.just("SELECT"), st.sampled_from([0, 1])),
        st.tuples(st.just("SWAPDB"), st.just(0), st.just(1)),
        st.just(("FLUSHDB",)),
        st.just(("GET",)),
        st.just(("NOSUCHCOMMAND", "x")),
        st.just(("DBSIZE",)),
    )

    @rule(client=clients, request=requests)
    def request(self, client: int, request: tuple[Argument, ...]) -> None:
        self.both(*request, on=client)

    @rule(client=clients)
    def multi(self, client: int) -> None:
        self.both("MULTI", on=client)

    @rule(client=clients)
    def execute(self, client: int) -> None:
        self.both("EXEC", on=client)

    @rule(client=clients)
    def discard(self, client: int) -> None:
        self.both("DISCARD", on=client)

    @rule(client=clients, watched=st.lists(keys, min_size=1, max_size=3))
    def watch(self, client: int, watched: list[bytes]) -> None:
        self.both("WATCH", *watched, on=client)

    @rule(client=clients)
    def unwatch(self, client: int) -> None:
        self.both("UNWATCH", on=client)

    @rule(client=clients)
    def reset(self, client: int) -> None:
        if self.mode == "resp2":  # RESET goes back to RESP2
            self.both("RESET", on=client)


class PubSub(Machine):
    """Two subscribers and a publisher."""

    subscribers = st.sampled_from([1, 2])
    channels = st.lists(st.sampled_from([b"a", b"b", b"ab", b"", b"\xff"]), min_size=1, max_size=3)
    patterns = st.lists(st.sampled_from([b"a*", b"*", b"?", b"[ab]", b"zz"]), min_size=1, max_size=3)

    @rule(
        client=subscribers,
        chosen=channels,
        name=st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"]),
    )
    def channel(self, client: int, chosen: list[bytes], name: str) -> None:
        self.both(name, *chosen, on=client)

    @rule(client=subscribers, chosen=patterns, name=st.sampled_from(["PSUBSCRIBE", "PUNSUBSCRIBE"]))
    def pattern(self, client: int, chosen: list[bytes], name: str) -> None:
        self.both(name, *chosen, on=client)

    @rule(channel=channels, text=texts, name=st.sampled_from(["PUBLISH", "PUBLISH", "SPUBLISH"]))
    def publish(self, channel: list[bytes], text: bytes, name: str) -> None:
        self.both(name, channel[0], text, on=3)

    @rule(channel=channels, texts=st.lists(texts, min_size=1, max_size=3))
    def publish_in_transaction(self, channel: list[bytes], texts: list[bytes]) -> None:
        self.both("MULTI", on=3)
        for text in texts:
            self.both("PUBLISH", channel[0], text, on=3)
        self.both("EXEC", on=3)

    @rule(client=subscribers)
    def ping(self, client: int) -> None:
        self.both("PING", on=client)

    @rule(chosen=channels, name=st.sampled_from(["NUMSUB", "SHARDNUMSUB"]))
    def number(self, chosen: list[bytes], name: str) -> None:
        self.both("PUBSUB", name, *chosen, on=3)

    @rule(name=st.sampled_from(["CHANNELS", "NUMPAT", "SHARDCHANNELS"]))
    def ask(self, name: str) -> None:
        self.both("PUBSUB", name, on=3)

    @rule(client=subscribers)
    def get(self, client: int) -> None:
        self.both("GET", "k", on=client)


@pytest.fixture
def drive(subject: Server, oracle: Server) -> Callable[[type[Machine], str, int], None]:
    """Runs a machine in a mode for about so many examples."""

    def run(machine: type[Machine], mode: str, examples: int) -> None:
        bound = type(machine.__name__, (machine,), {"servers": (subject, oracle), "mode": mode})
        run_state_machine_as_test(
            bound,
            settings=settings(
                max_examples=max(1, int(examples * _FACTOR)),
                stateful_step_count=40,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    return run


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi2"])
@pytest.mark.parametrize("machine", [Strings, Bitmaps, Expiry])
def test_data(drive: Callable[..., None], machine: type[Machine], mode: str) -> None:
    drive(machine, mode, 80)


@pytest.mark.parametrize("mode", ["resp2", "resp3"])
@pytest.mark.parametrize("machine", [Transactions, PubSub])
def test_sessions(drive: Callable[..., None], machine: type[Machine], mode: str) -> None:
    drive(machine, mode, 100)
