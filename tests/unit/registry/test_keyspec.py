"""Key specs: their derivation from the syntax, the legacy triple, and the search for keys."""

from collections.abc import Sequence

import pytest

from mtredis.registry import keyspec
from mtredis.registry.command import READONLY, WRITE, Command, CommandFlag, Registry, keys, keys_with_flags
from mtredis.registry.keyspec import BeginIndex, BeginKeyword, FindKeynum, FindRange, KeyFlag, KeySpec, spec
from mtredis.registry.syntax import DeclarationError


def declare(text: str, flags: CommandFlag = READONLY, **options: object) -> Command:
    registry = Registry()

    def handler(ctx: object, argv: list[bytes]) -> None:
        """Does nothing."""

    registry.command(text, flags=flags, since="1.0.0", group="string", **options)(handler)  # type: ignore[arg-type]
    return list(registry.walk())[-1]


def places(command: Command) -> list[tuple[object, object]]:
    return [(key_spec.begin, key_spec.find) for key_spec in command.key_specs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET key", [(BeginIndex(1), FindRange(0))]),
        ("MGET key...", [(BeginIndex(1), FindRange(-1))]),
        ("BLPOP key... timeout", [(BeginIndex(1), FindRange(-2))]),
        ("MSET {key value}...", [(BeginIndex(1), FindRange(-1, 2))]),
        ("X {path key value}... last", [(BeginIndex(2), FindRange(-2, 3))]),
        ("RENAME key newkey", [(BeginIndex(1), FindRange(0)), (BeginIndex(2), FindRange(0))]),
        ("BITOP (operation=AND|OR) destkey key...", [(BeginIndex(2), FindRange(0)), (BeginIndex(3), FindRange(-1))]),
        ("ZUNIONSTORE destination numkeys key... [WITHSCORES]",
         [(BeginIndex(1), FindRange(0)), (BeginIndex(2), FindKeynum())]),
        ("EVAL script numkeys [key...] [arg...]", [(BeginIndex(2), FindKeynum())]),
        ("XREAD [COUNT count] (STREAMS key... ID:string...)", [(BeginKeyword("STREAMS", 1), FindRange(-1, 1, 2))]),
        ("X a b [KEYS numkeys key...]", [(BeginKeyword("KEYS", 3), FindKeynum())]),
        ("OBJECT ENCODING key", [(BeginIndex(2), FindRange(0))]),
        ("GEO key m [store=STORE storekey|STOREDIST storedistkey]",
         [(BeginIndex(1), FindRange(0)), (BeginKeyword("STORE", 3), FindRange(0)),
          (BeginKeyword("STOREDIST", 3), FindRange(0))]),
        ("MIGRATE host (which=key|empty='\"\"') [KEYS keys/key...]",
         [(BeginIndex(2), FindRange(0)), (BeginKeyword("KEYS", 3), FindRange(-1))]),
        ("PFMERGE destkey [sourcekey...]", [(BeginIndex(1), FindRange(0)), (BeginIndex(2), FindRange(-1))]),
        ("X [option] key", [(None, None)]),
        ("X key... [COUNT count]", [(None, None)]),
    ],
)  # fmt: skip
def test_places_follow_from_the_syntax(text: str, expected: list[tuple[object, object]]) -> None:
    assert places(declare(text)) == expected


def test_the_tree_names_its_key_specs() -> None:
    command = declare("RENAME key newkey", WRITE)
    assert [argument.key_spec_index for argument in command.arguments] == [0, 1]


def test_a_block_whose_keys_cannot_be_found_is_refused() -> None:
    with pytest.raises(DeclarationError, match="give key_specs="):
        declare("X {key [option]}...")


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        ("GET key", READONLY, [KeyFlag.RO | KeyFlag.ACCESS]),
        ("WATCH key...", CommandFlag(0), [KeyFlag.RO]),
        ("APPEND key value", WRITE, [KeyFlag.RW | KeyFlag.UPDATE]),
        ("BITOP destkey key...", WRITE, [KeyFlag.OW | KeyFlag.UPDATE, KeyFlag.RO | KeyFlag.ACCESS]),
    ],
)
def test_flags_follow_from_the_command(text: str, flags: CommandFlag, expected: list[KeyFlag]) -> None:
    assert [key_spec.flags for key_spec in declare(text, flags).key_specs] == expected


def test_flags_can_be_said_for_all_or_for_each() -> None:
    both = declare("RENAME key newkey", WRITE, key_flags="RM DELETE")
    assert {key_spec.flags for key_spec in both.key_specs} == {KeyFlag.RM | KeyFlag.DELETE}
    each = declare("RENAME key newkey", WRITE, key_flags=["RW ACCESS DELETE", "OW INSERT"])
    assert each.key_specs[1].flags == KeyFlag.OW | KeyFlag.INSERT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key_flags": ["RO"]}, "1 key_flags for 2 key specs"),
        ({"key_flags": "RO READ"}, "unknown key flag 'READ'"),
        ({"key_flags": "RO", "key_specs": [spec("RO", index=1, last=0)]}, "leave key_flags out"),
    ],
)
def test_wrong_key_declarations(options: dict[str, object], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        declare("RENAME key newkey", WRITE, **options)


def test_flag_names_are_written_as_redis_writes_them() -> None:
    flags = keyspec.key_flags("RW ACCESS UPDATE NOT_KEY INCOMPLETE VARIABLE_FLAGS")
    assert keyspec.key_flag_names(flags) == ["RW", "access", "update", "not_key", "incomplete", "variable_flags"]


RANGE = spec("RO", index=1, last=0)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ([], (0, 0, 0, False)),
        ([RANGE], (1, 1, 1, False)),
        ([spec("RO", index=1, last=-1, step=2)], (1, -1, 2, False)),
        ([spec("RO INCOMPLETE", index=1, last=0)], (1, 1, 1, True)),
        ([RANGE, spec("RO", index=2, last=0)], (1, 2, 1, False)),
        ([RANGE, spec("RO", index=2, last=-1)], (1, -1, 1, False)),
        ([RANGE, spec("RO", index=3, last=0)], (1, 1, 1, True)),
        ([RANGE, spec("RO", index=2, last=-1, step=2)], (1, 1, 1, True)),
        ([RANGE, spec("RO", keyword="STORE", startfrom=2, last=0)], (1, 1, 1, True)),
        ([spec("RO", index=1, keynum=(0, 1, 1))], (0, 0, 0, True)),
        ([spec("RO", keyword="STREAMS", last=-1, limit=2)], (0, 0, 0, True)),
        ([spec("RO")], (0, 0, 0, True)),
    ],
)
def test_legacy_range(specs: list[KeySpec], expected: tuple[int, int, int, bool]) -> None:
    assert keyspec.legacy_range(specs) == expected


@pytest.mark.parametrize(
    ("text", "request_line", "expected"),
    [
        ("GET key", "get a", [1]),
        ("MGET key...", "mget a b c", [1, 2, 3]),
        ("BLPOP key... timeout", "blpop a b 0", [1, 2]),
        ("MSET {key value}...", "mset a 1 b 2", [1, 3]),
        ("MSET {key value}...", "mset a 1 b", [1, 3]),
        ("ZUNIONSTORE destination numkeys key... [AGGREGATE how]", "zunionstore d 2 a b AGGREGATE x", [1, 3, 4]),
        ("ZUNIONSTORE destination numkeys key...", "zunionstore d 3 a b", []),
        ("ZUNIONSTORE destination numkeys key...", "zunionstore d x a b", []),
        ("ZUNIONSTORE destination numkeys key...", "zunionstore d -1 a b", []),
        ("ZUNIONSTORE destination numkeys key...", "zunionstore d +02 a b", [1, 3, 4]),
        ("ZUNIONSTORE destination numkeys key...", "zunionstore d 1x a b", [1, 3]),
        ("EVAL script numkeys [key...] [arg...]", "eval s 2 a b c", [3, 4]),
        ("EVAL script numkeys [key...] [arg...]", "eval s 0 a", []),
        ("XREAD [COUNT count] (STREAMS key... ID:string...)", "xread count 1 Streams a b 0 0", [4, 5]),
        ("XREAD [COUNT count] (STREAMS key... ID:string...)", "xread count 1 a b", []),
        ("GEO key m [store=STORE storekey|STOREDIST storedistkey]", "geo k m STORE a storedist b", [1, 4, 6]),
        ("GEO key m [store=STORE storekey|STOREDIST storedistkey]", "geo k STORE a", [1]),
        ("OBJECT ENCODING key", "object encoding a", [2]),
        ("PING [message]", "ping a", []),
    ],
)
def test_keys_of_a_request(text: str, request_line: str, expected: list[int]) -> None:
    assert keys(declare(text), [word.encode() for word in request_line.split()]) == expected


def test_a_keyword_can_be_searched_from_the_end() -> None:
    migrate = declare(
        "MIGRATE host port key db timeout:integer [KEYS keys/key...]",
        key_specs=[spec("RW", index=3, last=0), spec("RW", keyword="KEYS", startfrom=-2, last=-1)],
    )
    assert keys(migrate, b"migrate h KEYS k 0 9 KEYS a b".split()) == [3, 7, 8]


def test_fake_keys_are_no_keys() -> None:
    command = declare("SPUBLISH shardchannel message", key_specs=[spec("NOT_KEY", index=1, last=0)])
    assert not command.has_keys
    assert keys(command, b"spublish a b".split()) == []


def test_the_commands_own_function_decides_where_specs_cannot() -> None:
    def last_word(argv: Sequence[bytes]) -> list[keyspec.KeyReference]:
        return [(len(argv) - 1, KeyFlag.OW)]

    unknown = declare("SORT key [STORE destination]", key_specs=[RANGE, spec("OW")], getkeys=last_word)
    assert keys(unknown, b"sort a store b".split()) == [3]
    incomplete = declare("X key", key_flags="RO INCOMPLETE", getkeys=last_word)
    assert keys(incomplete, b"x a".split()) == [1]
    exact = declare("X key value", getkeys=last_word)
    assert keys(exact, b"x a b".split()) == [1]


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [("set k v", "OW UPDATE"), ("set k v ex 1 Get", "RW ACCESS UPDATE"), ("set k get", "OW UPDATE")],
)
def test_set_reads_only_with_get(request_line: str, expected: str) -> None:
    command = declare(
        "SET key value [GET]", WRITE, key_flags="RW ACCESS UPDATE VARIABLE_FLAGS", getkeys=keyspec.set_keys
    )
    assert keys_with_flags(command, request_line.encode().split()) == [(1, keyspec.key_flags(expected))]


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("bitfield k", "RO ACCESS"),
        ("bitfield k get u8 0 overflow sat GET u8 1", "RO ACCESS"),
        ("bitfield k get u8 0 set u8 0 1", "RW ACCESS UPDATE"),
        ("bitfield k get u8", "RW ACCESS UPDATE"),
        ("bitfield k bogus", "RW ACCESS UPDATE"),
    ],
)
def test_bitfield_writes_unless_it_only_gets(request_line: str, expected: str) -> None:
    assert keyspec.bitfield_keys(request_line.encode().split()) == [(1, keyspec.key_flags(expected))]
