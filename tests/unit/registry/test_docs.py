"""The shapes of COMMAND INFO and COMMAND DOCS."""

from typing import Any

from mtredis.registry import docs
from mtredis.registry.command import FAST, WRITE, Registry
from mtredis.registry.keyspec import KeyFlag, spec
from tests.support.fake_context import FakeReply


def registry_of(text: str, **options: Any) -> Registry:
    registry = Registry()

    def handler(ctx: Any, argv: list[bytes]) -> None:
        """Does it."""

    registry.command(text, since="1.2.0", group="string", **options)(handler)
    return registry


def info(registry: Registry, name: bytes) -> Any:
    reply = FakeReply()
    docs.write_info(reply, registry.lookup_name(name))
    return reply.value()


def documentation(registry: Registry, name: bytes) -> Any:
    command = registry.lookup_name(name)
    assert command is not None
    reply = FakeReply()
    reply.map(1)
    docs.write_docs(reply, command)
    return reply.value()[name]


def test_info() -> None:
    registry = registry_of("APPEND key value", flags=WRITE | FAST, tips=("request_policy:all_shards",))
    assert info(registry, b"append") == [
        b"append", 3, [b"write", b"fast"], 1, 1, 1, [b"@write", b"@string", b"@fast"], [b"request_policy:all_shards"],
        [{
            b"flags": [b"RW", b"update"],
            b"begin_search": {b"type": b"index", b"spec": {b"index": 1}},
            b"find_keys": {b"type": b"range", b"spec": {b"lastkey": 0, b"keystep": 1, b"limit": 0}},
        }],
        [],
    ]  # fmt: skip


def test_info_of_a_missing_command_is_null() -> None:
    assert info(Registry(), b"nope") is None


def test_info_of_every_kind_of_key_spec() -> None:
    specs = [
        spec("RO", keyword="STREAMS", startfrom=4, last=-1, limit=2),
        spec("RO", index=2, keynum=(0, 1, 1)),
        spec("OW"),
    ]
    listed = info(registry_of("X key", key_specs=specs), b"x")[8]
    assert listed[0][b"begin_search"] == {b"type": b"keyword", b"spec": {b"keyword": b"STREAMS", b"startfrom": 4}}
    assert listed[0][b"find_keys"][b"spec"] == {b"lastkey": -1, b"keystep": 1, b"limit": 2}
    assert listed[1][b"find_keys"] == {b"type": b"keynum", b"spec": {b"keynumidx": 0, b"firstkey": 1, b"keystep": 1}}
    assert listed[2][b"begin_search"] == listed[2][b"find_keys"] == {b"type": b"unknown", b"spec": {}}


def test_info_lists_subcommands() -> None:
    registry = registry_of("CONFIG GET parameter...")
    registry.container("CONFIG", since="2.0.0", summary="Parameters.", group="server")
    assert [subcommand[0] for subcommand in info(registry, b"config")[9]] == [b"config|get", b"config|help"]


def test_docs() -> None:
    registry = registry_of(
        "GETSET key value", complexity="O(1)", deprecated_since="6.2.0", replaced_by="`SET` with `GET`", syscmd=True
    )
    assert documentation(registry, b"getset") == {
        b"summary": b"Does it.",
        b"since": b"1.2.0",
        b"group": b"string",
        b"complexity": b"O(1)",
        b"doc_flags": [b"deprecated", b"syscmd"],
        b"deprecated_since": b"6.2.0",
        b"replaced_by": b"`SET` with `GET`",
        b"arguments": [
            {b"name": b"key", b"type": b"key", b"display_text": b"key", b"key_spec_index": 0},
            {b"name": b"value", b"type": b"string", b"display_text": b"value"},
        ],
    }


def test_docs_of_nested_arguments() -> None:
    arguments = documentation(registry_of("X [expiration=EX seconds@2.6.12|KEEPTTL]"), b"x")[b"arguments"]
    assert arguments == [{
        b"name": b"expiration", b"type": b"oneof", b"flags": [b"optional"], b"arguments": [
            {b"name": b"seconds", b"type": b"integer", b"display_text": b"seconds", b"token": b"EX",
             b"since": b"2.6.12"},
            {b"name": b"keepttl", b"type": b"pure-token", b"display_text": b"keepttl", b"token": b"KEEPTTL"},
        ],
    }]  # fmt: skip


def test_docs_of_a_container() -> None:
    registry = registry_of("CONFIG GET")
    registry.container("CONFIG", since="2.0.0", summary="Parameters.", group="server")
    replied = documentation(registry, b"config")
    assert replied[b"complexity"] == b"Depends on subcommand."
    assert set(replied[b"subcommands"]) == {b"config|get", b"config|help"}
    assert b"arguments" not in replied


def test_key_flags() -> None:
    reply = FakeReply()
    docs.write_key_flags(reply, KeyFlag.RM | KeyFlag.DELETE)
    assert reply.value() == [b"RM", b"delete"]
