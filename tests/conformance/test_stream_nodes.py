"""The nodes of streams, byte for byte as redis-server packs them, and a state machine for the whole family.

Idea: the handle of the stream type runs here, in the test's process, and redis-server gets the same changes as
commands; DUMP shows what its listpacks hold. The other machine drives two servers, as those of test_state_machines.py.
"""

import os
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.stream import Stream

from tests.conformance.test_state_machines import Machine
from tests.conformance.test_stream import same_but_for_times, same_pending
from tests.support.differential import Pair
from tests.support.dump import read_length, read_string
from tests.support.resp import Connection
from tests.support.servers import Server

FACTOR = float(os.environ.get("MTREDIS_EXAMPLES", "1"))
STREAM = 21
SEQUENCE = (1 << 64) - 1

names = st.sampled_from([b"f", b"f", b"field", b"7", b"", b"n" * 70])
values = st.one_of(
    st.binary(max_size=30),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
    st.sampled_from([0, 63, 64, 127, 128, 300, 4095, 4096, 5000, 70_000]).map(lambda length: b"x" * length),
)
pairs = st.lists(st.tuples(names, values), min_size=1, max_size=4).map(lambda many: [w for pair in many for w in pair])
steps = st.sampled_from(
    [1, 1, 1, 126, 128, 4095, 33000, 1 << 24, 1 << 32, 1 << 40, 1 << 64, 5 << 64, (127 << 64) + 3, 1 << 90, 1 << 110]
)


def text(number: int) -> bytes:
    return b"%d-%d" % (number >> 64, number & SEQUENCE)


def nodes_of(payload: bytes) -> list[tuple[int, bytes]]:
    """The nodes in a DUMP of a stream."""
    assert payload[0] == STREAM
    count, offset = read_length(payload, 1)
    nodes = []
    for _ in range(count):
        name, offset = read_string(payload, offset)
        packed, offset = read_string(payload, offset)
        nodes.append((int.from_bytes(name, "big"), packed))
    return nodes


class Nodes(RuleBasedStateMachine):
    """One stream on either side."""

    oracle: ClassVar[Connection]

    @initialize(entries=st.sampled_from([0, 1, 3, 100]), size=st.sampled_from([0, 100, 4096]))
    def begin(self, entries: int, size: int) -> None:
        keyspace = Keyspace(1)
        keyspace.set_limits({"stream_node_max_entries": entries, "stream_node_max_bytes": size})
        self.stream = keyspace.new(Stream)
        self.oracle.command("FLUSHALL")
        for name, value in (("entries", entries), ("bytes", size)):
            self.oracle.command("CONFIG", "SET", f"stream-node-max-{name}", value)
        self.oracle.command("CONFIG", "SET", "rdbcompression", "no")
        self.last = 0
        self.ids: list[int] = []

    def same(self) -> None:
        assert self.stream.packed_nodes() == nodes_of(self.oracle.command("DUMP", "s").data)
        assert len(self.stream) == self.oracle.command("XLEN", "s").data

    @rule(step=steps, entry=pairs, count=st.sampled_from([1, 1, 1, 5, 130]))
    def add(self, step: int, entry: list[bytes], count: int) -> None:
        if sum(map(len, entry)) > 1000:
            count = 1
        for _ in range(count):
            self.last += step
            self.stream.add(entry, 0, self.last)
            assert self.oracle.command("XADD", "s", text(self.last), *entry).data == text(self.last)
            self.ids.append(self.last)
        self.same()

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.ids:
            chosen = data.draw(st.lists(st.sampled_from(self.ids), min_size=1, max_size=20))
            assert self.stream.delete(chosen) == self.oracle.command("XDEL", "s", *map(text, chosen)).data
            self.same()

    @rule(data=st.data(), by_id=st.booleans(), is_approximate=st.booleans(), limit=st.sampled_from([0, 0, 3, 150]))
    def trim(self, data: st.DataObject, by_id: bool, is_approximate: bool, limit: int) -> None:
        if not self.ids:
            return
        how = ("~", "LIMIT", limit) if is_approximate else ("=",)
        limit = limit if is_approximate else 0
        if by_id:
            minimum = data.draw(st.sampled_from(self.ids))
            deleted = self.stream.trim_id(minimum, is_approximate, limit)
            reply = self.oracle.command("XTRIM", "s", "MINID", how[0], text(minimum), *how[1:])
        else:
            length = data.draw(st.integers(0, len(self.stream)))
            deleted = self.stream.trim_length(length, is_approximate, limit)
            reply = self.oracle.command("XTRIM", "s", "MAXLEN", how[0], length, *how[1:])
        assert deleted == reply.data
        self.same()


def drive(machine: type[Any], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(examples * FACTOR), stateful_step_count=40, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_nodes(oracle: Server) -> None:
    with oracle.connect() as connection:
        drive(type("Nodes", (Nodes,), {"oracle": connection}), 100)


keys = st.sampled_from([b"s", b"s", b"s", b"t", b"text"])
groups = st.sampled_from([b"g", b"g", b"h", b"none"])
consumers = st.sampled_from([b"alice", b"bob", b"carol"])
few = st.integers(1, 9)
ids = st.tuples(st.integers(0, 12), st.integers(0, 3)).map(lambda pair: b"%d-%d" % pair)
id_lists = st.lists(ids, min_size=1, max_size=4)
ends = st.one_of(
    ids, few.map(lambda ms: b"%d" % ms), ids.map(lambda number: b"(" + number), st.sampled_from([b"-", b"+"])
)
counts = st.sampled_from([(), (), ("COUNT", 1), ("COUNT", 3), ("COUNT", 0)])
trims = st.one_of(
    st.just(()),
    st.tuples(st.just("MAXLEN"), st.sampled_from(["~", "="]), st.integers(0, 9)),
    st.tuples(st.just("MINID"), st.sampled_from(["~", "="]), ids),
)
Words = tuple[Any, ...]


class Streams(Machine):
    """Two streams with two groups each, and a key that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.both("SET", "text", "v")

    def look(self, *words: Any) -> None:
        self.both(*words, same=same_pending if words[0] == "XPENDING" else same_but_for_times)

    @rule(key=keys, option=st.sampled_from([(), (), ("NOMKSTREAM",)]), trim=trims,
          number=st.one_of(ids, few.map(lambda ms: b"%d-*" % ms)), entry=st.lists(values, min_size=2, max_size=2))
    def add(self, key: bytes, option: Words, trim: Words, number: bytes, entry: list[bytes]) -> None:
        self.both("XADD", key, *option, *trim, number, *entry)

    @rule(key=keys, number=ids, count=few)
    def add_many(self, key: bytes, number: bytes, count: int) -> None:
        for i in range(count):
            self.both("XADD", key, b"%d-*" % (int(number.partition(b"-")[0]) + i // 3), "f", i)

    @rule(key=keys, trim=trims)
    def trim(self, key: bytes, trim: Words) -> None:
        self.both("XTRIM", key, *trim)

    @rule(key=keys, numbers=id_lists)
    def delete(self, key: bytes, numbers: list[bytes]) -> None:
        self.both("XDEL", key, *numbers)

    @rule(key=keys, number=ids, added=st.sampled_from([(), ("ENTRIESADDED", 5), ("ENTRIESADDED", 100)]),
          deleted=st.one_of(st.just(()), st.tuples(st.just("MAXDELETEDID"), ids)))
    def set_id(self, key: bytes, number: bytes, added: Words, deleted: Words) -> None:
        self.both("XSETID", key, number, *added, *deleted)

    @rule(key=keys, first=ends, last=ends, count=counts, name=st.sampled_from(["XRANGE", "XREVRANGE"]))
    def range(self, key: bytes, first: bytes, last: bytes, count: Words, name: str) -> None:
        self.both(name, key, first, last, *count)

    @rule(wanted=st.lists(st.tuples(keys, st.one_of(ids, st.sampled_from([b"$", b"+"]))), min_size=1, max_size=3),
          count=counts)
    def read(self, wanted: list[tuple[bytes, bytes]], count: Words) -> None:
        self.both("XREAD", *count, "STREAMS", *[key for key, _ in wanted], *[number for _, number in wanted])

    @rule(key=keys, group=groups, number=st.one_of(ids, st.just(b"$")), making=st.sampled_from([(), ("MKSTREAM",)]),
          read=st.sampled_from([(), ("ENTRIESREAD", 3), ("ENTRIESREAD", -1)]),
          name=st.sampled_from(["CREATE", "CREATE", "SETID"]))
    def group(self, key: bytes, group: bytes, number: bytes, making: Words, read: Words, name: str) -> None:
        self.both("XGROUP", name, key, group, number, *making, *read)

    @rule(key=keys, group=groups, consumer=consumers, name=st.sampled_from(["CREATECONSUMER", "DELCONSUMER"]))
    def consumer(self, key: bytes, group: bytes, consumer: bytes, name: str) -> None:
        self.both("XGROUP", name, key, group, consumer)

    @rule(key=keys, group=groups)
    def destroy(self, key: bytes, group: bytes) -> None:
        self.both("XGROUP", "DESTROY", key, group)

    @rule(key=keys, group=groups, consumer=consumers, count=counts, option=st.sampled_from([(), (), ("NOACK",)]),
          number=st.one_of(st.just(b">"), st.just(b">"), ids))
    def read_group(
        self, key: bytes, group: bytes, consumer: bytes, count: Words, option: Words, number: bytes
    ) -> None:
        self.both("XREADGROUP", "GROUP", group, consumer, *count, *option, "STREAMS", key, number)

    @rule(key=keys, group=groups, numbers=id_lists)
    def acknowledge(self, key: bytes, group: bytes, numbers: list[bytes]) -> None:
        self.both("XACK", key, group, *numbers)

    @rule(key=keys, group=groups, consumer=consumers, idle=st.sampled_from([0, 0, 0, 10_000_000]), numbers=id_lists,
          options=st.lists(st.sampled_from(
              [("FORCE",), ("JUSTID",), ("RETRYCOUNT", 5), ("IDLE", 20_000_000), ("LASTID", b"5-1")]), max_size=3))
    def claim(
        self, key: bytes, group: bytes, consumer: bytes, idle: int, numbers: list[bytes], options: list[Words]
    ) -> None:
        self.both("XCLAIM", key, group, consumer, idle, *numbers, *[word for each in options for word in each])

    @rule(key=keys, group=groups, consumer=consumers, idle=st.sampled_from([0, 0, 0, 10_000_000]), first=ends,
          count=counts, option=st.sampled_from([(), ("JUSTID",)]))
    def claim_idle(
        self, key: bytes, group: bytes, consumer: bytes, idle: int, first: bytes, count: Words, option: Words
    ) -> None:
        self.both("XAUTOCLAIM", key, group, consumer, idle, first, *count, *option)

    @rule(key=keys, group=groups, first=ends, last=ends, consumer=st.one_of(st.just(()), st.tuples(consumers)),
          idle=st.sampled_from([(), ("IDLE", 10_000_000)]))
    def pending(self, key: bytes, group: bytes, first: bytes, last: bytes, consumer: Words, idle: Words) -> None:
        self.look("XPENDING", key, group)
        self.look("XPENDING", key, group, *idle, first, last, 10, *consumer)

    @rule(key=keys)
    def info(self, key: bytes) -> None:
        self.look("XINFO", "STREAM", key)
        self.look("XINFO", "STREAM", key, "FULL")
        self.look("XINFO", "GROUPS", key)
        self.look("XINFO", "CONSUMERS", key, "g")

    @rule(key=keys, other=keys, name=st.sampled_from(["COPY", "RENAME", "DEL", "EXPIRE"]))
    def keyspace(self, key: bytes, other: bytes, name: str) -> None:
        argument: Words = {"DEL": (), "EXPIRE": (10_000,)}.get(name, (other,))
        self.both(name, key, *argument)


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi3"])
def test_streams(pair: Pair, mode: str) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as client:
            client.command("CONFIG", "SET", "stream-node-max-entries", 4)
    drive(type("Streams", (Streams,), {"servers": (pair.subject, pair.oracle), "mode": mode}), 60)
