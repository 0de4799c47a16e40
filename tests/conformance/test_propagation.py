"""What goes out for each write: compared with the AOF of redis-server, and replayed to see that it makes the same data.

Idea: `FORMS` has each write command in each form whose effect may differ from the request; both servers run it on the
same data, alone (the natives' way) and in a transaction (the handlers'), and what they propagate must be equal. The
scripts of the other conformance tests are compared in the same way, those of blocked clients, too. A random sequence of
writes is replayed on another server, and both must have the same data then.

What differs on purpose: the table `DIFFERENT`, and `without_limit`. Owner: pytest's thread.
Limits, as in redis-server: a consumer that nothing is pending for, and the number of deliveries that XREADGROUP has
raised by showing a consumer's history, are in no effect; nor is what BITFIELD adds to a string when OVERFLOW FAIL then
prevents the change.
"""

import importlib
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtredis.registry import command as registry
from tests.conformance import test_blocking
from tests.conftest import Shared
from tests.support.dataset import FUTURE
from tests.support.differential import Script, split_words
from tests.support.effects import (
    NO_DATABASE,
    Effect,
    Recorded,
    first_difference,
    recording_parameters,
    run_script,
)
from tests.support.oracle import start_oracle
from tests.support.resp import Connection
from tests.support.servers import Server, start_subject

SETUP = f"""
    SET s hello
    SET n 10
    SET f 10.5
    SET due v PXAT {FUTURE}
    RPUSH l a b c d e f
    RPUSH m x y
    SADD t a b c d
    SADD u c d e
    SADD one x
    ZADD z 1 a 2 b 3 c 4 d
    ZADD y 1 c 5 e
    HSET h a 1 b 2 c 3
    HSET ht f 1 g 2
    HPEXPIREAT ht {FUTURE} FIELDS 1 f
    XADD x 1-1 f v
    XADD x 1-2 f v
    XADD x 2-1 f v
    XADD x 3-1 f v
    XGROUP CREATE x g 0
    XREADGROUP GROUP g alice COUNT 3 STREAMS x >
    XDEL x 1-2
    GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    PFADD p a b c
    PFADD q c d
"""

DUMPED = r'"\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC"'

FORMS = rf"""
    SET s v
    set fresh v nx
    SET s v NX
    SET s v XX KEEPTTL
    SET s v EX 100
    SET s v px 100000
    SET s v EXAT 33177117420
    SET s v PXAT {FUTURE}
    SET s v NX GET
    SET s v GET
    SET s v get XX KEEPTTL
    SET s v GET EX 100
    SET s v XX GET PXAT {FUTURE}
    SET s v EXAT 1
    SETNX s v
    SETNX fresh v
    SETEX s 100 v
    PSETEX s 100000 v
    MSET s 1 fresh 2
    MSETNX s 1 fresh 2
    MSETNX fresh 1 other 2
    GETSET s v
    GETSET fresh v
    GETDEL s
    GETDEL fresh
    GETEX s
    GETEX s EX 100
    GETEX s PX 100000
    GETEX s EXAT 33177117420
    GETEX s PXAT {FUTURE}
    GETEX s PXAT 1
    GETEX s PERSIST
    GETEX due PERSIST
    APPEND s v
    APPEND fresh v
    SETRANGE s 2 v
    SETRANGE s 2 ""
    INCR n
    DECR n
    INCRBY n 5
    DECRBY n 5
    INCR s
    INCRBYFLOAT f 0.1
    INCRBYFLOAT due 1
    INCRBYFLOAT fresh 5
    SETBIT s 7 1
    SETBIT s 0 0
    BITOP AND fresh s n
    BITOP NOT s none
    BITFIELD s SET u8 0 255 GET u8 0 INCRBY i5 100 1
    BITFIELD s GET u8 0
    PFADD p x y
    PFADD p a
    PFADD fresh
    PFCOUNT p
    PFCOUNT p q
    PFMERGE fresh p q
    PFDEBUG TODENSE p
    PFDEBUG GETREG p
    PFDEBUG ENCODING p
    DEL s none l
    DEL none
    UNLINK s
    RENAME s l
    RENAME s s
    RENAMENX s l
    RENAMENX s fresh
    MOVE s 1
    MOVE none 1
    COPY s fresh
    COPY s l REPLACE
    COPY s l
    COPY s fresh DB 1
    EXPIRE s 100
    EXPIRE s 100 nx
    EXPIRE s 100 XX
    EXPIRE due 100 LT
    EXPIRE due 100 GT
    EXPIRE s -1
    EXPIRE none 100
    PEXPIRE s 100000
    PEXPIRE s 0
    EXPIREAT s 33177117420
    EXPIREAT s 1
    PEXPIREAT s {FUTURE}
    pexpireat s {FUTURE} NX
    PEXPIREAT s 1
    PERSIST due
    PERSIST s
    RESTORE fresh 0 {DUMPED}
    RESTORE s 0 {DUMPED} REPLACE
    RESTORE fresh 100000 {DUMPED}
    RESTORE fresh {FUTURE} {DUMPED} ABSTTL
    RESTORE s 100000 {DUMPED} REPLACE IDLETIME 5
    RESTORE s 1 {DUMPED} REPLACE ABSTTL
    RESTORE fresh 1 {DUMPED} ABSTTL
    RESTORE-ASKING fresh 100000 {DUMPED}
    SORT l ALPHA STORE fresh
    SORT none STORE s
    SORT l ALPHA
    LPUSH l 1 2
    LPUSH fresh 1
    RPUSH l 1 2
    LPUSHX l 1
    LPUSHX fresh 1
    RPUSHX l 1
    LPOP l
    LPOP l 2
    LPOP l 0
    LPOP none
    LPOP l 100
    RPOP l
    RPOP l 2
    LMPOP 2 none l LEFT
    LMPOP 2 m l RIGHT COUNT 5
    LMPOP 1 none LEFT
    LMOVE l m LEFT RIGHT
    LMOVE l l LEFT RIGHT
    lmove l fresh right left
    LMOVE none m LEFT RIGHT
    RPOPLPUSH l m
    BLPOP none l 0
    BRPOP l 0
    BLPOP none 0.01
    BLMPOP 0 1 l RIGHT COUNT 2
    BLMOVE l m left RIGHT 0
    BRPOPLPUSH l m 0
    LINSERT l BEFORE b new
    LINSERT l BEFORE none new
    LSET l 0 new
    LREM l 1 b
    LREM l 1 none
    LTRIM l 1 2
    LTRIM l 0 -1
    LTRIM l 9 1
    SADD t a new
    SADD t a
    SREM t a none
    SREM t none
    SREM one x
    SMOVE t u a
    SMOVE t u none
    SPOP one
    SPOP t
    SPOP t 2
    SPOP t 0
    SPOP t 4
    SPOP t 100
    SPOP none 1
    SINTERSTORE fresh t u
    SINTERSTORE s none u
    SUNIONSTORE t t u
    SDIFFSTORE fresh t u
    ZADD z 5 a 6 new
    ZADD z NX 5 a
    ZADD z GT CH 5 a
    ZADD z INCR 1.5 a
    ZADD z XX INCR 1.5 none
    ZINCRBY z 1.5 a
    ZREM z a none
    ZREM z none
    ZPOPMIN z
    ZPOPMIN z 2
    ZPOPMIN z 0
    ZPOPMAX z
    ZMPOP 2 none z MIN
    ZMPOP 1 z MAX COUNT 100
    BZPOPMIN none z 0
    BZPOPMAX z 0
    BZMPOP 0 1 z MIN COUNT 2
    ZREMRANGEBYRANK z 0 1
    ZREMRANGEBYSCORE z (1 3
    ZREMRANGEBYSCORE z 8 9
    ZREMRANGEBYLEX z [a [b
    ZRANGESTORE fresh z 0 1
    ZRANGESTORE s none 0 1
    ZUNIONSTORE fresh 2 z y WEIGHTS 1 2
    ZINTERSTORE fresh 2 z y
    ZDIFFSTORE fresh 2 z y
    ZDIFFSTORE s 1 none
    GEOADD geo 2.35 48.85 Paris
    GEOADD geo NX CH 13.361389 38.115556 Palermo 2.35 48.85 Paris
    GEOADD geo 13.361389 38.115556 Palermo
    GEOSEARCHSTORE fresh geo FROMMEMBER Palermo BYRADIUS 500 km
    GEOSEARCHSTORE s none FROMLONLAT 0 0 BYRADIUS 1 km
    GEORADIUS geo 15 37 200 km STORE fresh
    GEORADIUS geo 15 37 200 km
    GEORADIUSBYMEMBER geo Palermo 500 km STOREDIST fresh
    HSET h a 5 new 6
    HMSET h a 5
    HSETNX h a 5
    HSETNX h new 5
    HDEL h a none
    HDEL h none
    HDEL h a b c
    HINCRBY h a 5
    HINCRBY ht g 5
    HINCRBYFLOAT h a 0.1
    HINCRBYFLOAT ht f 0.1
    HINCRBYFLOAT fresh a 5
    HEXPIRE h 100 FIELDS 2 a none
    HEXPIRE h 100 NX FIELDS 2 a b
    HEXPIRE h 100 xx fields 1 a
    HEXPIRE h 0 FIELDS 2 a b
    HEXPIRE ht 100 GT FIELDS 2 f g
    HPEXPIRE h 100000 FIELDS 1 a
    HEXPIREAT h 33177117420 FIELDS 1 a
    HEXPIREAT h 1 FIELDS 3 a b c
    HPEXPIREAT h {FUTURE} FIELDS 2 a none
    HPEXPIREAT h {FUTURE} FIELDS 1 none
    HPERSIST ht FIELDS 2 f g
    HPERSIST ht FIELDS 1 g
    HGETDEL h FIELDS 2 a none
    HGETDEL h FIELDS 1 none
    HGETDEL h FIELDS 3 a b c
    HGETEX h FIELDS 1 a
    HGETEX h EX 100 FIELDS 2 a none
    HGETEX h PX 100000 FIELDS 1 a
    HGETEX h EXAT 33177117420 FIELDS 1 a
    HGETEX h PXAT {FUTURE} FIELDS 1 a
    HGETEX h EXAT 1 FIELDS 2 a none
    HGETEX ht PERSIST FIELDS 2 f g
    HGETEX ht PERSIST FIELDS 1 g
    HSETEX h FIELDS 1 a 5
    HSETEX h EX 100 FIELDS 2 a 5 b 6
    HSETEX h FXX PX 100000 FIELDS 1 a 5
    HSETEX h EXAT 33177117420 FNX FIELDS 1 new 5
    HSETEX h FXX FIELDS 1 none 5
    HSETEX h PXAT {FUTURE} FIELDS 1 a 5
    HSETEX h PXAT 1 FIELDS 2 a 5 b 6
    HSETEX ht KEEPTTL FIELDS 1 f 5
    XADD x * f v
    XADD x 5-* f v
    XADD x 7 f v
    XADD x 7-7 f v g w
    XADD x NOMKSTREAM * f v
    XADD fresh NOMKSTREAM * f v
    XADD x MAXLEN 2 * f v
    XADD x MAXLEN ~ 2 * f v
    XADD x MAXLEN ~ 2 LIMIT 5 * f v
    XADD x MINID ~ 2 9-9 f v
    XADD x NOMKSTREAM MINID = 2 * f v
    XTRIM x MAXLEN 1
    XTRIM x MAXLEN ~ 0
    XTRIM x MAXLEN ~ 1
    XTRIM x MINID 2-1
    XTRIM x MINID ~ 5 LIMIT 0
    XDEL x 1-1 9-9
    XDEL x 9-9
    XSETID x 9-9
    XSETID x 9-9 ENTRIESADDED 100 MAXDELETEDID 5-5
    XGROUP CREATE x new $
    XGROUP CREATE x new 0 ENTRIESREAD 2
    XGROUP CREATE fresh new $ MKSTREAM
    XGROUP SETID x g $
    XGROUP SETID x g 1-1 ENTRIESREAD 1
    XGROUP DESTROY x g
    XGROUP DESTROY x none
    XGROUP CREATECONSUMER x g bob
    XGROUP CREATECONSUMER x g alice
    XGROUP DELCONSUMER x g alice
    XGROUP DELCONSUMER x g bob
    XREADGROUP GROUP g alice STREAMS x >
    XREADGROUP GROUP g bob COUNT 1 STREAMS x >
    XREADGROUP GROUP g bob NOACK STREAMS x >
    XREADGROUP GROUP g alice NOACK STREAMS x >
    XREADGROUP GROUP g alice STREAMS x 0
    XREADGROUP GROUP g bob STREAMS x 0
    XACK x g 1-1 9-9
    XACK x g 9-9
    XCLAIM x g bob 0 1-1 2-1
    XCLAIM x g bob 0 1-2
    XCLAIM x g bob 0 1-1 1-2 JUSTID
    XCLAIM x g bob 100000 1-1
    XCLAIM x g bob 0 3-1 FORCE RETRYCOUNT 7
    XCLAIM x g bob 0 1-1 LASTID 5-5
    XCLAIM x g bob 100000 1-1 LASTID 5-5
    XCLAIM x g bob 0 1-1 TIME 1700000000000
    XAUTOCLAIM x g bob 0 0
    XAUTOCLAIM x g bob 0 0 COUNT 1 JUSTID
    XAUTOCLAIM x g bob 100000 0
    FLUSHDB
    flushdb async
    FLUSHALL
    FLUSHALL SYNC
    SWAPDB 0 1
    SWAPDB 0 0
    PUBLISH channel message
    SPUBLISH channel message
"""

# Write commands none of whose forms has an effect in an AOF, and why.
WITHOUT_EFFECT = {
    "publish": "goes to replicas only",
    "spublish": "goes to replicas only",
}

# The scripts of other conformance tests, by module; not those whose outcome is left to chance.
MODULES = (
    "string generic expire dump bitmap hyperloglog list set hash hash_expiry sorted_set geo stream sort transactions "
    "list_nodes stream_nodes"
).split()
LEFT_OUT = {
    ("set", "CHANCE"): "members drawn at random",
}
DIFFERENT = {
    ("transactions", "watch-and-expiry"): "EXEC deletes a watched key that has expired, redis-server leaves it",
    ("dump", "duplicates"): "RESTORE refuses what redis-server takes: elements that are there twice",
}
RANDOM = {b"SPOP"}   # of these only the shape is compared


@pytest.fixture(scope="module")
def both() -> Iterator[tuple["Subject", "Subject"]]:
    """mtredis and redis-server, recorded."""
    servers = [start_subject(recording_parameters()), start_oracle(recording_parameters())]
    yield Subject(servers[0]), Subject(servers[1])
    for server in servers:
        server.stop()


class Subject:
    """A server whose effects are looked at."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.shared = Shared(server)
        self.recorded = Recorded(server)

    def reset(self) -> None:
        """Empty, and nothing expires that nobody looks at."""
        self.shared.reset()
        self.server.command_once("DEBUG", "SET-ACTIVE-EXPIRE", "0")

    def effects_of(self, script: Script, mode: str = "resp2") -> list[Effect]:
        """What a script has propagated, from an empty server to an empty one."""
        def run() -> None:
            run_script(self.server, script, mode)
            self.shared.reset()

        self.reset()
        return self.recorded.effects_of(run)


def forms() -> dict[str, list[str]]:
    """The forms by command."""
    found: dict[str, list[str]] = {}
    for line in FORMS.strip().splitlines():
        words = [word.decode("latin1").lower() for word in split_words(line)]
        name = "|".join(words[:2]) if words[0] == "xgroup" else words[0]
        found.setdefault(name, []).append(line.strip())
    return found


def without_limit(effects: list[Effect]) -> list[Effect]:
    """LIMIT of a trimming that has become exact: redis-server leaves it, though it refuses it from clients."""
    kept = []
    for database, argv in effects:
        at = [word.upper() for word in argv].index(b"LIMIT") if b"LIMIT" in map(bytes.upper, argv) else 0
        if at and argv[0].upper() in (b"XADD", b"XTRIM"):
            argv = argv[:at] + argv[at + 2 :]
        kept.append((database, argv))
    return kept


def shapes(effects: list[Effect]) -> list[Effect]:
    """The effects with the names of members left out."""
    return [(database, argv[:2] + (b"",) * len(argv[2:])) for database, argv in effects]


def compare(ours: list[Effect], theirs: list[Effect], what: str, *, by_shape: bool = False) -> None:
    theirs = without_limit(theirs)
    if by_shape:
        ours, theirs = shapes(ours), shapes(theirs)
    difference = first_difference(ours, theirs)
    assert difference is None, f"{what}: {difference}"


def ask(connection: Connection, line: str) -> None:
    connection.command(*split_words(line))


def ask_all(connection: Connection, lines: list[str]) -> None:
    for line in lines:
        ask(connection, line)


@pytest.mark.parametrize("mode", ["alone", "exec"])
@pytest.mark.parametrize("name", forms())
def test_the_effects_are_those_of_redis(both: tuple[Subject, Subject], name: str, mode: str) -> None:
    has_effect = False
    for form in forms()[name]:
        found = []
        for subject in both:
            with subject.server.connect() as client:
                ask_all(client, ["FLUSHALL", *SETUP.strip().splitlines()])
                lines = [form] if mode == "alone" else ["MULTI", "SET beside 1", form, "EXEC"]
                found.append(subject.recorded.effects_of(partial(ask_all, client, lines)))
        by_shape = any(word.encode() in RANDOM for word in form.split())
        compare(*found, form, by_shape=by_shape)
        has_effect = has_effect or len(found[0]) > (0 if mode == "alone" else 1)
    assert has_effect != (name in WITHOUT_EFFECT)


def test_every_write_command_is_here() -> None:
    registry.load_families()
    writes = {
        command.name.decode() for command in registry.REGISTRY.walk()
        if command.flags & (registry.WRITE | registry.MAY_REPLICATE) and command.handler is not None
    }  # fmt: skip
    assert writes == set(forms())


def other_scripts() -> dict[str, Script]:
    """The scripts of other modules, by module and name."""
    found: dict[str, Script] = {}
    for module in MODULES:
        for attribute, value in vars(importlib.import_module(f"tests.conformance.test_{module}")).items():
            if is_scripts(attribute, value) and (module, attribute) not in LEFT_OUT:
                found |= {f"{module}-{name}": script for name, script in value.items()
                          if (module, name) not in DIFFERENT}
    return found


def is_script(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(line, str | tuple) for line in value)
    )


def is_scripts(name: str, value: Any) -> bool:
    return (
        name.isupper() and isinstance(value, dict) and bool(value)
        and all(isinstance(key, str) and is_script(script) for key, script in value.items())
    )  # fmt: skip


SCRIPTS = other_scripts()


@pytest.mark.parametrize("mode", ["resp2", "multi2"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_have_the_effects_of_redis(both: tuple[Subject, Subject], name: str, mode: str) -> None:
    ours, theirs = (subject.effects_of(SCRIPTS[name], mode) for subject in both)
    compare(ours, theirs, name)


BLOCKED = test_blocking.LISTS | test_blocking.SORTED_SETS | test_blocking.STREAMS


@pytest.mark.parametrize("name", BLOCKED)
def test_what_blocked_clients_get_goes_out_as_with_redis(both: tuple[Subject, Subject], name: str) -> None:
    found = []
    for subject in both:
        subject.shared.reset()
        found.append(subject.recorded.effects_of(partial(test_blocking.run, subject.server, BLOCKED[name], 2)))
    compare(*found, name)


# --- what is nobody's command ---------------------------------------------------------------------------------------


def test_keys_and_fields_that_expire_go_out_as_deletions(both: tuple[Subject, Subject]) -> None:
    subject = both[0]
    subject.shared.reset()
    with subject.server.connect() as client:
        def expire() -> None:
            for line in ("SET k v PX 1", "HSET h a 1 b 2 c 3", "HPEXPIRE h 1 FIELDS 2 a b", "SET long v PX 100000"):
                ask(client, line)
            while client.command("DBSIZE").data > 2 + 1 or client.command("HLEN", "h").data > 1:
                pass

        effects = subject.recorded.effects_of(expire)
    deletions = {(argv[0], argv[1], *sorted(argv[2:])) for _, argv in effects if argv[0] in (b"DEL", b"HDEL")}
    assert deletions == {(b"DEL", b"k"), (b"HDEL", b"h", b"a", b"b")}
    assert {database for database, _ in effects} == {0}


@pytest.mark.parametrize(("parameter", "name"), [("no", b"DEL"), ("yes", b"UNLINK")])
def test_lazyfree_parameters_choose_between_del_and_unlink(
    both: tuple[Subject, Subject], parameter: str, name: bytes
) -> None:
    script = [
        f"CONFIG SET lazyfree-lazy-expire {parameter} lazyfree-lazy-server-del {parameter}", "SET k v PX 1",
        "DEBUG SLEEP 0.01", "GET k", "SET k v", "EXPIRE k -1", "SET k v", "GETEX k PXAT 1", "SADD k a b", "SPOP k 2",
    ]  # fmt: skip
    ours, theirs = (subject.effects_of(script) for subject in both)
    compare(ours, theirs, str(script))
    assert [argv[0] for _, argv in ours].count(name) == 4


@pytest.mark.parametrize(("parameter", "name"), [("no", b"DEL"), ("yes", b"UNLINK")])
def test_evicted_keys_go_out_as_deletions(both: tuple[Subject, Subject], parameter: str, name: bytes) -> None:
    subject = both[0]
    subject.reset()
    with subject.server.connect() as client:
        def evict() -> None:
            for line in ("SET a v", "SET b v", f"CONFIG SET lazyfree-lazy-eviction {parameter}",
                         "CONFIG SET maxmemory-policy allkeys-lru", "CONFIG SET maxmemory 1"):  # fmt: skip
                ask(client, line)
            while client.command("DBSIZE").data:
                pass
            ask(client, "CONFIG SET maxmemory 0")

        effects = subject.recorded.effects_of(evict)
    assert sorted(argv for _, argv in effects if argv[0] == name) == [(name, b"--mark--"), (name, b"a"), (name, b"b")]


def test_expired_keys_that_a_walk_meets_are_units_of_their_own(both: tuple[Subject, Subject]) -> None:
    script = ["SET a v PX 1", "SET b v PX 1", "DEBUG SLEEP 0.01", "SCAN 0", "SET a v PX 1", "SET b v PX 1",
              "DEBUG SLEEP 0.01", "MGET a b", "SET a v PX 1", "SET b v PX 1", "DEBUG SLEEP 0.01", "MULTI", "SET a w",
              "SCAN 0", "EXEC"]  # fmt: skip
    ours, theirs = (subject.effects_of(script) for subject in both)
    by_name = [sorted(effects[2:4]) + effects[4:] for effects in (ours, theirs)]
    compare(*by_name, "walk")


# --- replay ---------------------------------------------------------------------------------------------------------

PLACES = ["s", "n", "l", "m", "t", "u", "z", "y", "h", "ht", "x", "geo", "p", "fresh", "none"]
WORDS = re.compile(r"\b(s|n|l|m|t|u|z|y|h|ht|x|p|fresh|none)\b")
ALL_FORMS = [form for name, lines in forms().items() for form in lines if name not in ("publish", "spublish")]


@st.composite
def requests(draw: st.DrawFn) -> list[list[bytes]]:
    """Requests that write, some of them in transactions, in several databases."""
    found = [list(split_words(line)) for line in SETUP.strip().splitlines()]
    for _ in range(draw(st.integers(1, 25))):
        chosen = draw(st.sampled_from(ALL_FORMS))
        if draw(st.booleans()):
            other = draw(st.sampled_from(PLACES))
            chosen = WORDS.sub(other, chosen, count=1)
        request = list(split_words(chosen))
        if request[0].upper().startswith(b"B") and request[0].upper() not in (b"BITOP", b"BITFIELD"):
            found += [[b"MULTI"], request, [b"EXEC"]]
            continue
        found.append(request)
        kind = draw(st.integers(0, 9))
        if kind == 0:
            found.append([b"SELECT", b"%d" % draw(st.integers(0, 1))])
        elif kind == 1:
            found = [*found[:-1], [b"MULTI"], found[-1], [b"APPEND", b"s", b"x"], [b"EXEC"]]
    return found


def state(client: Connection) -> list[Any]:
    """All that there is: digests and times to live of keys, consumer groups."""
    found = []
    for database in (0, 1):
        client.command("SELECT", database)
        for key in sorted(item.data for item in client.command("KEYS", "*").data):
            if key == b"--mark--":
                continue
            found.append((database, key, client.command("DEBUG", "DIGEST-VALUE", key), client.command(
                "PEXPIRETIME", key)))
            if client.command("TYPE", key).data == b"stream":
                found += groups_of(client, key)
    return found


def groups_of(client: Connection, key: bytes) -> list[Any]:
    """What of the groups of a stream redis-server keeps, too: no consumers without pending entries, no deliveries that
    were only looked at again."""
    found = []
    for group in client.command("XINFO", "GROUPS", key).data:
        rows = client.command("XPENDING", key, group.data[1].data, "-", "+", 100).data
        found.append((group.data[:2], group.data[4:], [row.data[:2] for row in rows]))
    return found


@pytest.fixture(scope="module")
def replica() -> Iterator[Server]:
    server = start_subject()
    yield server
    server.stop()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(requests=requests())
def test_replayed_effects_make_the_same_data(
    both: tuple[Subject, Subject], replica: Server, requests: list[list[bytes]]
) -> None:
    subject = both[0]
    subject.reset()
    with subject.server.connect() as client, replica.connect() as copy:
        effects = subject.recorded.effects_of(lambda: client.pipeline(requests))
        copy.command("FLUSHALL")
        copy.command("SELECT", 0)
        now = 0
        for database, argv in effects:
            if database not in (NO_DATABASE, now):
                copy.command("SELECT", database)
                now = database
            reply = copy.command(*argv)
            assert not reply.is_error, (argv, reply)
        assert state(copy) == state(client)
