"""The registry against redis-server: what is declared here must be what redis-server says about its own commands.

Compared: COMMAND INFO of every registered command; the argument tree of COMMAND DOCS; keys found in requests; the texts
of refusals. And the language: every syntax of redis-server's can be declared and gives the same tree and arity.
Not compared: summaries and complexities (own words), history, notes of key specs, the versions of single arguments
where a declaration leaves them out.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mtredis.errors import CommandError
from mtredis.registry import keyspec
from mtredis.registry.command import COMMANDS, REGISTRY, Command, Registry, keys_with_flags, load_families
from mtredis.registry.docs import write_info
from mtredis.registry.syntax import parse
from tests.support import declaration
from tests.support.fake_context import FakeContext, FakeReply
from tests.support.oracle import start_oracle
from tests.support.resp import Connection

load_families()
NAMES = sorted(command.name.decode() for command in REGISTRY.walk())
WITH_KEYS = sorted(command.name.decode() for command in REGISTRY.walk() if command.has_keys)
# The block repeats its token, but the reply says only "multiple".
INEXPRESSIBLE = {"sentinel|config"}


@pytest.fixture(scope="module")
def redis() -> Iterator[Connection]:
    with start_oracle() as server, server.connect(resp=3) as connection:
        yield connection


@pytest.fixture(scope="module")
def redis_docs(redis: Connection) -> dict[str, Any]:
    """COMMAND DOCS of redis-server, subcommands included, by full name."""
    flat = {}
    for name, entry in redis.command("COMMAND", "DOCS").plain().items():
        flat[name.decode()] = entry
        flat.update({sub.decode(): each for sub, each in entry.get(b"subcommands", {}).items()})
    return flat


@pytest.fixture(scope="module")
def redis_info(redis: Connection) -> dict[str, Any]:
    """COMMAND INFO of redis-server, subcommands included, by full name."""
    flat = {}
    for entry in redis.command("COMMAND", "INFO").plain():
        flat[entry[0].decode()] = entry
        flat.update({each[0].decode(): each for each in entry[9]})
    return flat


def ours(name: str) -> Command:
    command = REGISTRY.lookup_name(name.encode())
    assert command is not None
    return command


def comparable(info: Any) -> Any:
    """The first nine fields of COMMAND INFO, without the notes of key specs; the order of a set says nothing."""
    name, arity, flags, first, last, step, categories, tips, key_specs = info[:9]
    specs = [{field: value for field, value in spec.items() if field != b"notes"} for spec in key_specs]
    for spec in specs:
        spec[b"flags"] = sorted(spec[b"flags"])
    return name, arity, sorted(flags), first, last, step, sorted(categories), sorted(tips), specs


@pytest.mark.parametrize("name", NAMES)
def test_command_info(name: str, redis_info: dict[str, Any]) -> None:
    (replied,) = FakeContext(resp=3).run("COMMAND", "INFO", name)
    assert name in redis_info, "redis-server has no such command"
    assert comparable(replied) == comparable(redis_info[name])


@pytest.mark.parametrize("name", NAMES)
def test_command_docs(name: str, redis_docs: dict[str, Any]) -> None:
    (replied,) = FakeContext(resp=3).run("COMMAND", "DOCS", name).values()
    theirs = redis_docs[name]
    for field in (b"since", b"group", b"deprecated_since", b"replaced_by"):
        assert replied.get(field) == theirs.get(field), field
    assert sorted(replied.get(b"doc_flags", ())) == sorted(theirs.get(b"doc_flags", ()))
    assert replied[b"summary"].strip() != theirs[b"summary"].strip(), "the summary must be in our own words"


@pytest.mark.parametrize("name", NAMES)
def test_argument_tree(name: str, redis_docs: dict[str, Any]) -> None:
    declared = declaration.parsed_tree(ours(name).arguments)
    theirs = declaration.tree(redis_docs[name].get(b"arguments", ()))
    assert declaration.without_versions(declared) == declaration.without_versions(theirs)


def test_versions_of_arguments_are_right_where_they_are_given(redis_docs: dict[str, Any]) -> None:
    checked = 0
    for command in REGISTRY.walk():
        theirs = declaration.tree(redis_docs[command.name.decode()].get(b"arguments", ()))
        declared = declaration.parsed_tree(command.arguments)
        for mine, other in zip(_flat(declared), _flat(theirs), strict=False):
            for field in ("since", "deprecated_since"):
                if mine[field] is not None:
                    assert mine[field] == other[field], (command.name, mine["name"], field)
                    checked += 1
    assert checked > 0


def _flat(nodes: list[declaration.Node]) -> Iterator[declaration.Node]:
    for node in nodes:
        yield node
        yield from _flat(node["arguments"])


def test_every_syntax_of_redis_can_be_declared(redis_docs: dict[str, Any], redis_info: dict[str, Any]) -> None:
    compared = 0
    for name, entry in redis_docs.items():
        theirs = declaration.tree(entry.get(b"arguments", ()))
        if name in INEXPRESSIBLE or name not in redis_info:
            continue
        text = declaration.declare(name, theirs)
        assert declaration.parsed_tree(parse(text).arguments) == theirs, text
        compared += 1
    assert compared > 350


DECLARED = (
    "GET key",
    "MGET key...",
    "MSET {key value}...",
    "RENAME key newkey",
    "BITOP (operation=AND|OR|XOR|NOT) destkey key...",
    "BLPOP key... timeout",
    "BLMPOP timeout numkeys key... (where=LEFT|RIGHT) [COUNT count]",
    "ZUNION numkeys key... [WEIGHTS weight...]",
    "ZUNIONSTORE destination numkeys key... [WEIGHTS weight...]",
    "EVAL script numkeys [key...] [arg...]",
    "XREAD [COUNT count] [BLOCK milliseconds] (STREAMS key... ID:string...)",
    "XREADGROUP (group-block=GROUP group consumer) [COUNT count] [NOACK] (STREAMS key... ID:string...)",
    "GEORADIUS key longitude latitude radius (unit=M|KM) [WITHCOORD] [store=STORE storekey|STOREDIST storedistkey]",
    "PFMERGE destkey [sourcekey...]",
    "OBJECT ENCODING key",
    "XGROUP CREATE key group id",
    "MEMORY USAGE key [SAMPLES count]",
)
REQUESTS = """
    GET a
    MGET a b c
    MSET a 1 b 2
    MSET a 1 b
    RENAME a b
    BITOP AND d a b c
    BITOP NOT d a
    BLPOP a b c 0
    BLMPOP 0 2 a b LEFT
    BLMPOP 0 3 a b LEFT
    BLMPOP 0 9 a b LEFT
    ZUNION 2 a b WEIGHTS 1 2
    ZUNION 1 a b c
    ZUNION 0 a b
    ZUNION -1 a b
    ZUNION +2 a b
    ZUNION 02 a b
    ZUNION 2x a b
    ZUNION x a b
    ZUNION 99999999999999999999 a b
    ZUNIONSTORE d 2 a b
    ZUNIONSTORE d 3 a b
    EVAL s 2 a b c
    EVAL s 0
    EVAL s 0 a
    XREAD STREAMS a b 0 0
    XREAD COUNT 1 BLOCK 0 streams a 0
    XREADGROUP GROUP g c STREAMS a b > >
    XREADGROUP GROUP STREAMS c COUNT 1 STREAMS a >
    GEORADIUS a 1 2 3 m
    GEORADIUS a 1 2 3 m WITHCOORD STORE b
    GEORADIUS a 1 2 3 m STOREDIST c
    PFMERGE a
    PFMERGE a b c
    OBJECT ENCODING a
    XGROUP CREATE a g 0
    MEMORY USAGE a SAMPLES 5
"""


@pytest.fixture(scope="module")
def declared() -> Registry:
    """A registry of the shapes above, all of which a syntax line tells."""
    registry = Registry()

    def handler(ctx: Any, argv: list[bytes]) -> None:
        """Does nothing."""

    for text in DECLARED:
        registry.command(text, since="1.0.0", group="string")(handler)
    return registry


def test_key_specs_follow_from_the_syntax(declared: Registry, redis_info: dict[str, Any]) -> None:
    """Places, the legacy triple and the flag movablekeys (the key flags are a matter of each command)."""
    compared = 0
    for command in declared.walk():
        if command.handler is None:
            continue
        mine = info_of(command)
        theirs = redis_info[command.name.decode()]
        assert mine[3:6] == theirs[3:6], command.name
        assert (b"movablekeys" in mine[2]) == (b"movablekeys" in theirs[2]), command.name
        places = [
            [{field: spec[field] for field in (b"begin_search", b"find_keys")} for spec in info[8]]
            for info in (mine, theirs)
        ]
        assert places[0] == places[1], command.name
        compared += 1
    assert compared == len(DECLARED)


def info_of(command: Command) -> Any:
    """COMMAND INFO of a command that is not in the server's registry."""
    reply = FakeReply(resp=3)
    write_info(reply, command)
    return reply.value()


@pytest.mark.parametrize("request_line", [line.strip() for line in REQUESTS.strip().splitlines()])
def test_keys_of_requests(request_line: str, declared: Registry, redis: Connection) -> None:
    argv = request_line.encode().split()
    command = declared.lookup(argv)
    assert command is not None
    found = [argv[index] for index, _ in keys_with_flags(command, argv)]
    theirs = redis.command("COMMAND", "GETKEYS", *argv)
    assert found == ([] if theirs.is_error else theirs.plain())


GETKEYS = """
    GET k
    get
    GET a b
    SET k v
    SET k v GET
    SET k v EX 10 get
    SET k get
    MSET a 1 b 2
    MSET a 1 b
    MGET a b
    BITFIELD k GET u8 0
    BITFIELD k GET u8 0 OVERFLOW SAT
    BITFIELD k SET u8 0 1
    BITFIELD k INCRBY u8 0
    BITFIELD k
    BITOP AND d a b
    RENAME a b
    COPY a b
    COPY a b DB 1 REPLACE
    DEL a b c
    LCS a b
    OBJECT ENCODING k
    OBJECT
    OBJECT NOPE k
    PING
    CONFIG GET x
    CONFIG
    SPUBLISH a b
    SUBSCRIBE a
    WATCH a b
    MEMORY USAGE k SAMPLES 0
    NOPE a
    COMMAND GETKEYS get k
    MULTI
"""


@pytest.mark.parametrize("subcommand", ["GETKEYS", "GETKEYSANDFLAGS"])
@pytest.mark.parametrize("request_line", [line.strip() for line in GETKEYS.strip().splitlines()])
def test_getkeys(subcommand: str, request_line: str, redis: Connection) -> None:
    argv = ("COMMAND", subcommand, *request_line.split())
    assert replied(*argv) == redis.command(*argv).plain()


def replied(*argv: bytes | str) -> Any:
    """The reply of the server's own commands as plain values; an error as its text."""
    try:
        return FakeContext(resp=3).run(*argv)
    except CommandError as error:
        return str(error).encode("utf-8", "surrogateescape")


REFUSED: tuple[tuple[bytes, ...], ...] = (
    (b"nope",),
    (b"Nope", b"a", b"", b"b c"),
    (b"n\r\no", b"a\nb"),
    (b"x" * 200, b"a"),
    (b"x", b"a" * 100, b"b" * 100, b"c"),
    (b"x", b"a" * 127, b"b"),
    (b"x", b"a" * 125, b"b", b"c"),
    (b"x", b"a" * 126, b"b", b"c"),
    (b"x", *(b"%d" % number for number in range(100))),
    (b"a\0b", b"c\0d"),
    (b"\xff\xfe", b"\xc3\xa4", b"\x80"),
    (b"",),
    (b"config|get", b"x"),
    (b"config",),
    (b"Config", b"Nope"),
    (b"config", b"n" * 200, b"x"),
    (b"config", b"n\r\n\0o"),
    (b"config", b""),
    (b"config", b"get"),
    (b"CONFIG", b"Resetstat", b"x"),
    (b"config", b"help", b"x"),
    (b"get",),
    (b"Get", b"a", b"b"),
    (b"set", b"a"),
    (b"object", b"encoding"),
    (b"command", b"nope"),
    (b"command", b"count", b"x"),
    (b"command", b"list", b"x"),
    (b"command", b"list", b"filterby", b"x", b"y"),
    (b"command", b"list", b"filterby", b"pattern"),
    (b"command", b"list", b"filterby", b"pattern", b"x", b"y"),
    (b"command", b"getkeys"),
)


@pytest.mark.parametrize("argv", REFUSED, ids=lambda argv: repr(argv)[:40])
def test_refusals(argv: tuple[bytes, ...], redis: Connection) -> None:
    theirs = redis.command(*argv)
    assert theirs.is_error
    assert replied(*argv) == theirs.data


@pytest.mark.parametrize("pattern", ["*get*", "config|*", "G?T", "*", "nope", "", "[a-c]*", "CONFIG"])
def test_list_by_pattern(pattern: str, redis: Connection) -> None:
    """redis-server has more commands: of those that are here, the pattern chooses the same."""
    argv = ("COMMAND", "LIST", "FILTERBY", "PATTERN", pattern)
    theirs = set(redis.command(*argv).plain())
    assert set(replied(*argv)) == theirs & {name.encode() for name in NAMES}


@pytest.mark.parametrize(
    "category", [*"keyspace read write string bitmap pubsub admin fast slow dangerous".split(), "READ", "nope"]
)
def test_list_by_category(category: str, redis: Connection) -> None:
    argv = ("COMMAND", "LIST", "FILTERBY", "ACLCAT", category)
    theirs = set(redis.command(*argv).plain())
    assert set(replied(*argv)) == theirs & {name.encode() for name in NAMES}


@pytest.mark.parametrize("name", sorted(command.name.decode() for command in COMMANDS.values() if command.subcommands))
def test_help_has_the_layout_of_redis(name: str, redis: Connection) -> None:
    lines, theirs = replied(name, "HELP"), redis.command(name, "HELP").plain()
    assert (lines[0], lines[-2:]) == (theirs[0], theirs[-2:])
    usage = re.compile(rb"^(    \S.*|[A-Z(][^a-z]*.*)$")
    assert all(usage.match(line) for line in lines[1:])


FIRST_RELEASE = """
    auth hello ping echo select quit reset client del unlink exists type rename renamenx copy move touch keys
    scan randomkey expire pexpire expireat pexpireat ttl pttl expiretime pexpiretime persist object get set
    setnx setex psetex getset getdel getex mget mset msetnx append strlen getrange substr setrange incr decr
    incrby decrby incrbyfloat lcs setbit getbit bitcount bitpos bitop bitfield bitfield_ro multi exec discard
    watch unwatch subscribe psubscribe unsubscribe punsubscribe publish pubsub ssubscribe sunsubscribe
    spublish command config info dbsize time lastsave lolwut slowlog latency monitor shutdown memory debug
    swapdb flushdb flushall
""".split()
LATER = {"client|caching", "client|tracking", "client|trackinginfo"}


@pytest.mark.parametrize("name", FIRST_RELEASE)
def test_the_first_release_is_complete(name: str, redis_info: dict[str, Any]) -> None:
    assert name.encode() in COMMANDS
    subcommands = {each[0].decode() for each in redis_info[name][9]}
    assert subcommands - LATER <= set(NAMES)


@pytest.mark.parametrize("name", WITH_KEYS)
def test_keys_of_every_command_are_found(name: str, redis: Connection) -> None:
    """A request of the fewest words, and one with three words more."""
    command = ours(name)
    words = [word.encode() for word in name.split("|")]
    least = words + [b"1"] * (abs(command.arity) - len(words))
    for argv in (least, [*least, b"1", b"1", b"1"]):
        for subcommand in ("GETKEYS", "GETKEYSANDFLAGS"):
            assert replied("COMMAND", subcommand, *argv) == redis.command("COMMAND", subcommand, *argv).plain()


def test_key_flags_are_all_known(redis_info: dict[str, Any]) -> None:
    """Every flag that redis-server uses has a name here."""
    used = {flag for info in redis_info.values() for spec in info[8] for flag in spec[b"flags"]}
    known = {name.encode() for name in keyspec.key_flag_names(keyspec.KeyFlag(2047))}
    assert used <= known
