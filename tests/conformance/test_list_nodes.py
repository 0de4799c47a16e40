"""How lists are dealt to nodes, beside redis-server: number of nodes, their bytes and the encoding after every change.

Idea: the handle of the list type runs here, in the test's process, and redis-server gets the same changes as commands;
DEBUG OBJECT tells what its quicklist looks like. Where nodes differ, OBJECT ENCODING would differ sooner or later.
"""

import re
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.list import List

from tests.support.resp import Connection
from tests.support.servers import Server

FILLS = [-1, -2, -3, -4, -5, -100, 0, 1, 2, 3, 10, 128, 100000]
SHAPE = re.compile(rb"ql_nodes:(\d+) ql_avg_node:[\d.]+ ql_listpack_max:(-?\d+) .*ql_uncompressed_size:(\d+)")

numbers = st.sampled_from([0, 1, 127, 128, -1, -4097, 40000, 2**31, -(2**63)]).map(lambda number: b"%d" % number)
lengths = st.sampled_from([0, 1, 20, 63, 64, 300, 1000, 2000, 4080, 4089, 4096, 4097, 8180, 8192, 8193, 16384, 65537])
elements = st.one_of(numbers, lengths.map(lambda length: b"x" * length), st.integers(0, 5000).map(lambda n: b"y" * n))
batches = st.one_of(
    st.lists(elements, min_size=1, max_size=8),
    st.tuples(st.one_of(numbers, st.just(b"t" * 50)), st.integers(1, 150)).map(lambda pair: [pair[0]] * pair[1]),
)
places = st.one_of(st.integers(-9, 9), st.integers(-200, 200))
sides = st.booleans()
ENDS = {True: "LEFT", False: "RIGHT"}


class Nodes(RuleBasedStateMachine):
    """Two lists on either side."""

    oracle: ClassVar[Connection]
    keys = st.sampled_from([b"a", b"a", b"a", b"b"])

    @initialize(fill=st.sampled_from(FILLS))
    def begin(self, fill: int) -> None:
        self.keyspace = Keyspace(1)
        self.db = self.keyspace[0]
        self.limit(fill)
        self.oracle.command("FLUSHALL")

    def limit(self, fill: int) -> None:
        self.keyspace.set_limits({"list_max_listpack_size": fill})
        self.oracle.command("CONFIG", "SET", "list-max-listpack-size", fill)

    def same(self, key: bytes) -> None:
        handle = self.db.lookup_write(key, List)
        if handle is not None and self.db.drop_if_empty(key, handle):
            handle = None
        assert self.db.encoding(key) == self.oracle.command("OBJECT", "ENCODING", key).data
        if self.db.encoding(key) == b"quicklist":
            found = SHAPE.search(self.oracle.command("DEBUG", "OBJECT", key).data)
            assert found is not None
            nodes = handle.nodes()
            assert (len(nodes), sum(size for _, size, _ in nodes)) == (int(found[1]), int(found[3]))
        whole = [each.data for each in self.oracle.command("LRANGE", key, 0, -1).data]
        assert (handle.range(0, -1) if handle is not None else []) == whole

    def at(self, key: bytes, place: int) -> bytes:
        """An element of the list."""
        return self.db.lookup_write(key, List).index(place) or b"0"

    def has(self, key: bytes) -> bool:
        return bool(self.db.exists(key))

    @rule(key=keys, texts=batches, left=sides)
    def push(self, key: bytes, texts: list[bytes], left: bool) -> None:
        self.db.write(key, List).push(texts, left)
        self.oracle.command("LPUSH" if left else "RPUSH", key, *texts)
        self.same(key)

    @rule(key=keys, left=sides, count=st.one_of(st.just(1), st.integers(1, 200)))
    def pop(self, key: bytes, left: bool, count: int) -> None:
        if self.has(key):
            self.db.lookup_write(key, List).pop_many(left, count)
            self.oracle.command("LPOP" if left else "RPOP", key, count)
            self.same(key)

    @rule(key=keys, to=keys, left=sides, to_left=sides)
    def move(self, key: bytes, to: bytes, left: bool, to_left: bool) -> None:
        if self.has(key):
            handle = self.db.lookup_write(key, List)
            handle.move(handle if key == to else self.db.write(to, List), left, to_left)
            self.oracle.command("LMOVE", key, to, ENDS[left], ENDS[to_left])
            self.same(key)
            self.same(to)

    @rule(key=keys, place=places, text=elements, after=sides)
    def insert(self, key: bytes, place: int, text: bytes, after: bool) -> None:
        if self.has(key):
            pivot = self.at(key, place)
            self.db.lookup_write(key, List).insert(pivot, text, after)
            self.oracle.command("LINSERT", key, "AFTER" if after else "BEFORE", pivot, text)
            self.same(key)

    @rule(key=keys, place=places, text=elements)
    def set(self, key: bytes, place: int, text: bytes) -> None:
        if self.has(key):
            self.db.lookup_write(key, List).set(place, text)
            self.oracle.command("LSET", key, place, text)
            self.same(key)

    @rule(key=keys, place=places, count=st.integers(-5, 5))
    def remove(self, key: bytes, place: int, count: int) -> None:
        if self.has(key):
            text = self.at(key, place)
            self.db.lookup_write(key, List).remove(text, count)
            self.oracle.command("LREM", key, count, text)
            self.same(key)

    @rule(key=keys, start=places, stop=places)
    def trim(self, key: bytes, start: int, stop: int) -> None:
        if self.has(key):
            self.db.lookup_write(key, List).trim(start, stop)
            self.oracle.command("LTRIM", key, start, stop)
            self.same(key)

    @rule(fill=st.sampled_from(FILLS))
    def change_limit(self, fill: int) -> None:
        self.limit(fill)


def drive(machine: type[Any], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=50, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.fixture
def oracle_connection(oracle: Server) -> Any:
    with oracle.connect() as connection:
        yield connection


def test_nodes(oracle_connection: Connection) -> None:
    drive(type("Nodes", (Nodes,), {"oracle": oracle_connection}), 120)


@pytest.mark.parametrize("fill", [-1, -2, 2, 10])
def test_nodes_under_one_limit(oracle_connection: Connection, fill: int) -> None:
    """Without changes of the limit the lists get long."""

    def limit(self: Any, _: int) -> None:
        Nodes.limit(self, fill)

    make: Callable[..., Any] = type
    drive(make("Nodes", (Nodes,), {"oracle": oracle_connection, "limit": limit}), 50)
