"""How packed hashes lie in memory, byte for byte as in redis-server: what RDB files and DUMP will take as it is.

Idea: the handlers run here, in the test's process, and redis-server gets the same requests; DUMP shows its listpack.
"""

from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from mtredis.keyspace.types.hash import Hash

from tests.support.dump import FOOTER, read_string
from tests.support.keyspace_context import KeyspaceContext
from tests.support.resp import Argument, Connection
from tests.support.servers import Server

FUTURE = 33177117420000
HASH_LISTPACK, HASH_LISTPACK_EX = 16, 25
MINIMUM_SIZE = 8  # before a listpackex: the first time

lengths = st.sampled_from([0, 1, 63, 64, 65, 127, 128, 300, 4095, 4096])
texts = st.one_of(
    st.sampled_from([0, 1, 127, 128, -1, -4096, -4097, 4095, 40000, -(2**23), 2**31, 2**63 - 1, -(2**63)]).map(str),
    lengths.map(lambda length: "x" * length),
    st.integers(0, 9).map(lambda number: f"f{number}"),
)
fields = st.one_of(st.integers(0, 9).map(lambda number: f"f{number}"), texts)
times = st.one_of(st.integers(FUTURE, FUTURE + 3), st.sampled_from([FUTURE, 2**46 - 1, 2**45]))


class Bytes(RuleBasedStateMachine):
    """One hash on either side."""

    oracle: ClassVar[Connection]

    @initialize()
    def begin(self) -> None:
        self.ctx = KeyspaceContext()
        limits = {"hash_max_listpack_entries": 100, "hash_max_listpack_value": 5000}
        self.ctx.server.keyspace.set_limits(limits)
        for name, value in limits.items():
            self.oracle.command("CONFIG", "SET", name.replace("_", "-"), value)
        self.oracle.command("CONFIG", "SET", "rdbcompression", "no")
        self.oracle.command("FLUSHALL")

    def both(self, *request: Argument) -> None:
        self.ctx.run(*request)
        assert not self.oracle.command(*request).is_error
        payload = self.oracle.command("DUMP", "h").data
        hash_ = self.ctx.db.peek(b"h", Hash)
        if payload is None:
            assert hash_ is None
            return
        assert payload[0] in (HASH_LISTPACK, HASH_LISTPACK_EX)
        start = 1 + MINIMUM_SIZE if payload[0] == HASH_LISTPACK_EX else 1
        packed, end = read_string(payload, start)
        assert end == len(payload) - FOOTER and hash_.packed() == packed
        assert (hash_.encoding == b"listpackex") == (start > 1)

    @rule(pairs=st.lists(st.tuples(fields, texts), min_size=1, max_size=4))
    def set(self, pairs: list[tuple[str, str]]) -> None:
        self.both("HSET", "h", *[word for pair in pairs for word in pair])

    @rule(chosen=st.lists(fields, min_size=1, max_size=3))
    def delete(self, chosen: list[str]) -> None:
        self.both("HDEL", "h", *chosen)

    @rule(chosen=st.lists(fields, min_size=1, max_size=3), at=times, condition=st.sampled_from([(), ("GT",), ("NX",)]))
    def expire(self, chosen: list[str], at: int, condition: tuple[str, ...]) -> None:
        self.both("HPEXPIREAT", "h", at, *condition, "FIELDS", len(chosen), *chosen)

    @rule(chosen=st.lists(fields, min_size=1, max_size=3), name=st.sampled_from(["HPERSIST", "HGETDEL"]))
    def named(self, chosen: list[str], name: str) -> None:
        self.both(name, "h", "FIELDS", len(chosen), *chosen)

    @rule(pairs=st.lists(st.tuples(fields, texts), min_size=1, max_size=3), at=times, keeps=st.booleans())
    def set_and_expire(self, pairs: list[tuple[str, str]], at: int, keeps: bool) -> None:
        option = ("KEEPTTL",) if keeps else ("PXAT", at)
        self.both("HSETEX", "h", *option, "FIELDS", len(pairs), *[word for pair in pairs for word in pair])

    @rule(field=fields, by=st.integers(-300, 300))
    def increment(self, field: str, by: int) -> None:
        self.both("HDEL", "h", field)
        self.both("HINCRBY", "h", field, by)
        self.both("HINCRBY", "h", field, by)


def test_listpacks_are_those_of_redis(oracle: Server) -> None:
    with oracle.connect() as connection:
        run_state_machine_as_test(
            type("Bytes", (Bytes,), {"oracle": connection}),
            settings=settings(
                max_examples=100, stateful_step_count=30, deadline=None, database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
