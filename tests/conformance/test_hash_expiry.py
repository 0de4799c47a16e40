"""Fields whose time passes, keyspace events of hashes, and random sequences of all commands, against redis-server."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.conformance.test_hash import UNORDERED
from tests.conformance.test_state_machines import _FACTOR, FUTURE, Machine, number_texts
from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts
from tests.support.resp import Argument
from tests.support.servers import Server

EVENTS: dict[str, Script] = {
    "events": """
        @2 CONFIG SET notify-keyspace-events KEAn
        @2 DEBUG SET-ACTIVE-EXPIRE 0
        @3 PSUBSCRIBE __key*
        HSET h a 1 b 2
        HSET h a 1
        HMSET h a 1
        HSETNX h a 1
        HSETNX h c 1
        HINCRBY h a 1
        HINCRBYFLOAT h a 1.5
        HGET h a
        HGETALL h
        HEXPIRE h 100 FIELDS 2 a none
        HEXPIRE h 100 NX FIELDS 2 a none
        HPERSIST h FIELDS 2 a b
        HPERSIST h FIELDS 2 a b
        HEXPIRE h 0 FIELDS 2 a none
        HGETDEL h FIELDS 2 none a
        HGETDEL h FIELDS 2 none b
        HGETEX h FIELDS 1 c
        HGETEX h EX 100 FIELDS 2 c d
        HGETEX h PERSIST FIELDS 2 c d
        HGETEX h PERSIST FIELDS 2 c d
        HGETEX h EXAT 1 FIELDS 2 c d
        HSETEX h FXX FIELDS 1 a 1
        HSETEX h FNX FIELDS 1 a 1
        HSETEX h EX 100 FIELDS 1 a 1
        HSETEX h KEEPTTL FIELDS 2 a 1 b 1
        HSETEX h PXAT 1 FIELDS 2 a 1 b 1
        HSETEX n PXAT 1 FIELDS 2 a 1 b 1
        HSET h a 1 b 2 c 3
        HPEXPIREAT h 1 FIELDS 2 a b
        HPEXPIREAT h 1 FIELDS 2 a c
        HSET h a 1 b 2
        HDEL h a none
        HDEL h a
        HDEL h b
        HGET h b
        MULTI
        HSET h f v
        HPEXPIREAT h 1 FIELDS 1 f
        EXEC
    """,
}

INACTIVE: dict[str, Script] = {
    "inactive": """
        DEBUG SET-ACTIVE-EXPIRE 0
        HSET h a 1 b 2
        HPEXPIRE h 1 FIELDS 1 a
        DEBUG SLEEP 0.2
        HLEN h
        DEBUG SLEEP 0.2
        HLEN h
        HGETALL h
        HGET h a
        HLEN h
    """,
}

# What is asked of a hash in which `a` has expired: with `b` that stays, or alone.
_ASKED = (
    "HGET h a", "HMGET h a b", "HMGET h b a", "HMGET h a a", "HMGET h a c", "HGETALL h", "HKEYS h", "HVALS h",
    "HLEN h", "HEXISTS h a", "HSTRLEN h a", "HSCAN h 0", "HSCAN h 0 NOVALUES", "HRANDFIELD h", "HRANDFIELD h 5",
    "HRANDFIELD h -2", "HRANDFIELD h 0", "HDEL h a", "HDEL h a b", "HSET h a new", "HSETNX h a new", "HINCRBY h a 5",
    "HINCRBYFLOAT h a 5", "HTTL h FIELDS 2 a b", "HPTTL h FIELDS 1 a", "HEXPIRETIME h FIELDS 1 a",
    "HPEXPIRETIME h FIELDS 1 a", "HPERSIST h FIELDS 2 a b", f"HPEXPIREAT h {FUTURE} FIELDS 1 a",
    f"HPEXPIREAT h {FUTURE} NX FIELDS 1 a", f"HPEXPIREAT h {FUTURE} XX FIELDS 1 a",
    f"HPEXPIREAT h {FUTURE} GT FIELDS 1 a", f"HPEXPIREAT h {FUTURE} LT FIELDS 1 a", "HPEXPIREAT h 1 FIELDS 1 a",
    "HGETDEL h FIELDS 1 a", "HGETDEL h FIELDS 2 a b", "HGETDEL h FIELDS 2 a a", "HGETEX h FIELDS 2 a b",
    "HGETEX h PERSIST FIELDS 2 a b", f"HGETEX h PXAT {FUTURE} FIELDS 2 a b", "HGETEX h PXAT 1 FIELDS 2 a b",
    "HSETEX h FXX FIELDS 1 a x", "HSETEX h FNX FIELDS 1 a x", "HSETEX h FXX FIELDS 2 b x a y",
    "HSETEX h FNX FIELDS 2 a x b y", f"HSETEX h PXAT {FUTURE} FIELDS 1 a x", "HSETEX h KEEPTTL FIELDS 1 a x",
    "HSETEX h FNX KEEPTTL FIELDS 1 a x", "HSETEX h FIELDS 1 a x", "COPY h g", "RENAME h g", "OBJECT ENCODING h",
    "EXISTS h", "TYPE h", "DEL h",
)  # fmt: skip


def expired_scripts() -> Iterator[tuple[str, Script]]:
    for name, fields, setting in (
        ("packed", "b 2 a 1", "512"), ("alone", "a 1", "512"), ("table", "b 2 a 1", "0"), ("table-alone", "a 1", "0"),
    ):  # fmt: skip
        lines = [
            "@2 CONFIG SET notify-keyspace-events KEA", f"@2 CONFIG SET hash-max-listpack-entries {setting}",
            "@2 DEBUG SET-ACTIVE-EXPIRE 0", "@3 PSUBSCRIBE __key*",
        ]  # fmt: skip
        for asked in _ASKED:
            lines += [
                "@2 FLUSHALL", f"HSET h {fields}", "HPEXPIRE h 1 FIELDS 1 a", "WATCH h", "@2 DEBUG SLEEP 0.003", asked,
                "MULTI", "PING", "EXEC", "HLEN h", "HGETALL h", "HPEXPIRETIME h FIELDS 2 a b", "HGETALL g", "HLEN g",
            ]  # fmt: skip
        yield name, "\n".join(lines)


EXPIRED: dict[str, Script] = dict(expired_scripts())


@parametrize_scripts(EVENTS, PLAIN_MODES)
def test_hash_events(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(EXPIRED, PLAIN_MODES)
def test_expired_fields(pair: Pair, script: Script, mode: str) -> None:
    """What each command makes of a field whose time has passed, and what it says of it."""
    pair.compare(script, mode, how={name: same for name, same in UNORDERED.items() if name != "hrandfield"})


@parametrize_scripts(INACTIVE, ["resp2"])
def test_without_active_expiry_fields_stay(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def test_fields_go_that_nobody_asks_for(pair: Pair) -> None:
    """Active expiry: fields, then the key, each with its events; SELECT 1 has some, too."""
    for server in (pair.subject, pair.oracle):
        with server.connect(3) as listener, server.connect() as client:
            client.command("CONFIG", "SET", "notify-keyspace-events", "Ehgx")
            listener.send("PSUBSCRIBE", "*")
            listener.read()
            requests = [("SELECT", 1), ("HSET", "h", "a", 1, "b", 2), ("HSET", "g", "a", 1)]
            requests += [("HPEXPIRE", key, 40, "FIELDS", 1, "a") for key in ("h", "g")]
            assert not any(reply.is_error for reply in client.pipeline(requests))
            events = set()
            while ("del", b"g") not in events or ("hexpired", b"h") not in events:
                message = listener.read().data
                events.add((message[2].data.decode().rpartition(":")[2], message[3].data))
            assert ("hexpired", b"g") in events
            assert client.command("DBSIZE").data == 1 and client.command("HLEN", "h").data == 1
            assert "expired_subkeys:2" in client.command("INFO", "stats").data.decode()


def test_subexpiry(pair: Pair) -> None:
    """INFO keyspace counts the hashes with times; INFO stats the fields that went."""
    script = [
        ("DEBUG", "SET-ACTIVE-EXPIRE", 0),
        *[("HSET", f"h{i}", "a", 1, "b", 2) for i in range(5)],
        ("SET", "s", "v"),
        *[("HPEXPIREAT", f"h{i}", FUTURE + i, "FIELDS", 1, "a") for i in range(5)],
        ("HPEXPIREAT", "h0", 1, "FIELDS", 1, "b"),
        ("DEL", "h1"),
        ("SET", "h2", "v"),
        ("RENAME", "h3", "h5"),
        ("COPY", "h5", "h6"),
        ("MOVE", "h6", 2),
        ("HDEL", "h0", "a"),
    ]
    pair.compare(script)
    for server in (pair.subject, pair.oracle):
        with server.connect() as client:
            text = client.command("INFO", "keyspace", "stats").data.decode()
            found = [line.rpartition("subexpiry=")[2] for line in text.split() if line.startswith("db")]
            assert found == ["2", "1"], text
            assert "expired_subkeys:1" in text


class Hashes(Machine):
    """All commands of the family on two hashes; the first connection's FLUSHALL leaves the limits as they are."""

    keys = st.sampled_from([b"h", b"g"])
    fields = st.sampled_from([b"a", b"b", b"c", b"d", b"1", b"23", b"", b"long-field"])
    values = st.one_of(st.sampled_from([b"", b"x", b"1", b"-5", b"1.5", b"long-value-1", b"y" * 30]), number_texts)
    pair_lists = st.lists(st.tuples(fields, values), min_size=1, max_size=5)
    many = st.lists(fields, min_size=1, max_size=4)
    times = st.sampled_from([FUTURE, FUTURE + 1, FUTURE - 1, FUTURE + 1000, 1, 0])
    conditions = st.sampled_from([(), (), ("NX",), ("XX",), ("GT",), ("LT",)])

    def __init__(self) -> None:
        super().__init__()
        self.both("CONFIG", "SET", "hash-max-listpack-entries", 5, on=9)
        self.both("CONFIG", "SET", "hash-max-listpack-value", 11, on=9)

    def ask(self, *arguments: Argument) -> None:
        same = UNORDERED.get(str(arguments[0]).lower())
        self.both(*arguments, same=same)

    @rule(key=keys, pairs=pair_lists, name=st.sampled_from(["HSET", "HMSET"]))
    def set(self, key: bytes, pairs: list[tuple[bytes, bytes]], name: str) -> None:
        self.ask(name, key, *[word for pair in pairs for word in pair])

    @rule(key=keys, field=fields, value=values)
    def set_new(self, key: bytes, field: bytes, value: bytes) -> None:
        self.ask("HSETNX", key, field, value)

    @rule(key=keys, field=fields, name=st.sampled_from(["HGET", "HEXISTS", "HSTRLEN"]))
    def read(self, key: bytes, field: bytes, name: str) -> None:
        self.ask(name, key, field)

    @rule(key=keys, fields=many, name=st.sampled_from(["HMGET", "HDEL"]))
    def read_or_delete(self, key: bytes, fields: list[bytes], name: str) -> None:
        self.ask(name, key, *fields)

    @rule(key=keys, name=st.sampled_from(["HGETALL", "HKEYS", "HVALS", "HLEN"]))
    def whole(self, key: bytes, name: str) -> None:
        self.ask(name, key)

    @rule(key=keys)
    def encoding(self, key: bytes) -> None:
        self.ask("OBJECT", "ENCODING", key)

    @rule(key=keys, field=fields, by=number_texts, name=st.sampled_from(["HINCRBY", "HINCRBYFLOAT"]))
    def increment(self, key: bytes, field: bytes, by: bytes, name: str) -> None:
        self.ask(name, key, field, by)

    @rule(key=keys, fields=many, at=times, condition=conditions)
    def expire(self, key: bytes, fields: list[bytes], at: int, condition: tuple[str, ...]) -> None:
        self.ask("HPEXPIREAT", key, at, *condition, "FIELDS", len(fields), *fields)

    @rule(key=keys, fields=many, name=st.sampled_from(["HPEXPIRETIME", "HEXPIRETIME", "HPERSIST", "HGETDEL"]))
    def named(self, key: bytes, fields: list[bytes], name: str) -> None:
        self.ask(name, key, "FIELDS", len(fields), *fields)

    @rule(key=keys, fields=many, at=times, option=st.sampled_from([(), ("PERSIST",), ("PXAT",)]))
    def get_and_expire(self, key: bytes, fields: list[bytes], at: int, option: tuple[str, ...]) -> None:
        time = (at,) if option == ("PXAT",) else ()
        self.ask("HGETEX", key, *option, *time, "FIELDS", len(fields), *fields)

    @rule(
        key=keys, pairs=pair_lists, at=times,
        condition=st.sampled_from([(), ("FNX",), ("FXX",)]), option=st.sampled_from([(), ("KEEPTTL",), ("PXAT",)]),
    )  # fmt: skip
    def set_and_expire(
        self, key: bytes, pairs: list[tuple[bytes, bytes]], at: int, condition: tuple[str, ...], option: tuple[str, ...]
    ) -> None:
        time = (at,) if option == ("PXAT",) else ()
        words = [word for pair in pairs for word in pair]
        self.ask("HSETEX", key, *condition, *option, *time, "FIELDS", len(pairs), *words)

    @rule(name=st.sampled_from(["RENAME", "COPY", "RENAMENX"]), first=keys, second=keys)
    def transfer(self, name: str, first: bytes, second: bytes) -> None:
        self.ask(name, first, second)

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        self.ask("DEL", key)


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi2"])
def test_hash_machine(subject: Server, oracle: Server, mode: str) -> None:
    machine = type("Hashes", (Hashes,), {"servers": (subject, oracle), "mode": mode})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(1, int(80 * _FACTOR)), stateful_step_count=40, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
