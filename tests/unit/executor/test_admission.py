"""The gates: one bit means the same in C and in Python, Redis's order, and the text of each refusal."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mtredis
from mtredis.errors import CommandError
from mtredis.executor import admission
from mtredis.executor.admission import GATES, admit, describe_all, gates_of
from mtredis.executor.eviction import BELOW, RUNNING, STUCK
from mtredis.registry.command import (
    DENYOOM,
    LOADING,
    NO_AUTH,
    NO_MULTI,
    PROTECTED,
    READONLY,
    REGISTRY,
    WRITE,
    load_families,
)

PXD_NAMES = {
    "UNAUTHENTICATED": "UNAUTHENTICATED", "MULTI": "MULTI", "SUBSCRIBED": "SUBSCRIBED", "TRACED": "TRACED",
    "LOADING": "LOADING_GATE", "MEMORY": "MEMORY", "PAUSED": "PAUSED", "MONITORED": "MONITORED", "NOTIFY": "NOTIFY",
    "MISSES": "MISSES", "WATCHED": "WATCHED", "PROTECTED": "PROTECTED_GATE", "TIMED": "TIMED",
    "DISK_ERROR": "DISK_ERROR", "DURABLE": "DURABLE",
}  # fmt: skip


def gates_in_c() -> dict[str, int]:
    text = (Path(__file__).resolve().parents[3] / "mtredis" / "client.pxd").read_text()
    found = re.findall(r"^    GATE_([A-Z_]+) = (\d+) *(?:#.*)?$", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


def command(name: bytes = b"get", flags: int = 0) -> Any:
    return SimpleNamespace(name=name, flags=flags)


def context(**parts: Any) -> Any:
    server = SimpleNamespace(
        config=SimpleNamespace(enable_debug_command="no"),
        write_refusal="MISCONF what is wrong",
        eviction=SimpleNamespace(
            perform=lambda: parts.get("outcome", STUCK), postpone=lambda: parts.get("postponed", STUCK)
        ),
        pause=SimpleNamespace(is_active=lambda now: parts.get("paused", True), blocks=parts.get("blocks", bool)),
    )
    client = SimpleNamespace(transaction=parts.get("transaction"), address="127.0.0.1:5")
    return SimpleNamespace(server=server, client=client, now=1, retrying=parts.get("retrying", False))


def test_each_bit_is_that_of_the_compiled_core() -> None:
    in_c = gates_in_c()
    assert len(in_c) >= len(PXD_NAMES)
    assert {name: in_c[name] for name in PXD_NAMES} == {
        name: getattr(admission, here) for name, here in PXD_NAMES.items()
    }


def test_each_gate_is_one_bit_of_its_own() -> None:
    bits = list(gates_in_c().values())
    assert all(bit.bit_count() == 1 for bit in bits)
    assert len(set(bits)) == len(bits)


def test_gates_that_no_handler_asks_for_are_in_the_sets_of_the_native_path() -> None:
    """What admission refuses must keep a native command from answering by itself."""
    text = (Path(mtredis.__file__).parent / "client.pxd").read_text()
    for name, needed in (
        ("GATES_OF_READS", admission.UNAUTHENTICATED | admission.MULTI | admission.SUBSCRIBED | admission.PAUSED),
        ("GATES_OF_WRITES", admission.UNAUTHENTICATED | admission.MULTI | admission.PAUSED),
    ):
        found = re.search(rf"{name} = ([\d| ]+)", text)
        assert found is not None
        bits = sum(int(word) for word in found[1].split("|"))
        assert bits & needed == needed
        assert bits & admission.MONITORED and bits & admission.TIMED and bits & admission.TRACED


def test_the_order_is_that_of_redis() -> None:
    assert [gate for gate, _ in GATES] == [
        admission.PROTECTED_GATE, admission.UNAUTHENTICATED, admission.MULTI, admission.MEMORY, admission.DISK_ERROR,
        admission.SUBSCRIBED, admission.LOADING_GATE, admission.TRACED, admission.PAUSED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (admission.PROTECTED_GATE, "ERR DEBUG command not allowed."),
        (admission.UNAUTHENTICATED, "NOAUTH Authentication required."),
        (admission.MULTI, "ERR Command not allowed inside a transaction"),
        (admission.MEMORY, "OOM command not allowed when used memory > 'maxmemory'."),
        (admission.DISK_ERROR, "MISCONF what is wrong"),
        (
            admission.SUBSCRIBED,
            "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
            "context",
        ),
        (admission.LOADING_GATE, "LOADING Redis is loading the dataset in memory"),
        (admission.TRACED, "ERR Replica can't interact with the keyspace"),
    ],
)
def test_a_shut_gate_refuses_with_the_text_of_redis(gate: int, text: str) -> None:
    with pytest.raises(CommandError) as caught:
        admit(context(), command(flags=NO_MULTI), [b"get", b"k"], gate)
    assert str(caught.value).startswith(text)
    assert gate == admission.PROTECTED_GATE or str(caught.value) == text


def test_the_first_shut_gate_answers() -> None:
    everything = sum(gate for gate, _ in GATES)
    for number, (gate, _) in enumerate(GATES[:-1]):
        with pytest.raises(CommandError) as first:
            admit(context(), command(flags=NO_MULTI), [], everything & ~sum(gate for gate, _ in GATES[:number]))
        with pytest.raises(CommandError) as alone:
            admit(context(), command(flags=NO_MULTI), [], gate)
        assert str(first.value) == str(alone.value)


def test_each_refusal_is_a_fresh_exception() -> None:
    caught = []
    for _ in range(2):
        with pytest.raises(CommandError) as info:
            admit(context(), command(), [], admission.UNAUTHENTICATED)
        caught.append(info.value)
    assert caught[0] is not caught[1]


def test_other_commands_may_be_queued() -> None:
    assert admit(context(), command(), [], admission.MULTI)


def test_gates_that_do_not_concern_the_command_are_not_asked() -> None:
    assert admit(context(), command(), [], 0)


@pytest.mark.parametrize("outcome", [BELOW, RUNNING])
def test_writes_go_on_while_keys_are_evicted(outcome: int) -> None:
    assert admit(context(outcome=outcome), command(), [], admission.MEMORY)


def test_no_key_goes_while_blocked_clients_are_served() -> None:
    assert admit(context(retrying=True, postponed=RUNNING), command(), [], admission.MEMORY)
    with pytest.raises(CommandError, match="^OOM"):
        admit(context(retrying=True, outcome=BELOW), command(), [], admission.MEMORY)


def test_exec_needs_memory_only_for_what_it_has_queued() -> None:
    queued = SimpleNamespace(flags=DENYOOM)
    harmless = SimpleNamespace(flags=READONLY)
    assert admit(context(transaction=harmless), command(b"exec"), [], admission.MEMORY)
    assert admit(context(), command(b"exec"), [], admission.MEMORY)
    with pytest.raises(CommandError, match="^OOM"):
        admit(context(transaction=queued), command(b"exec"), [], admission.MEMORY)


def test_exec_is_refused_only_for_writes_that_it_has_queued() -> None:
    with pytest.raises(CommandError, match="^MISCONF"):
        admit(context(transaction=SimpleNamespace(flags=WRITE)), command(b"exec"), [], admission.DISK_ERROR)
    assert admit(context(transaction=SimpleNamespace(flags=READONLY)), command(b"exec"), [], admission.DISK_ERROR)


def test_a_pause_postpones_and_looks_at_what_exec_has_queued() -> None:
    def blocks(flags: int) -> bool:
        return bool(flags & WRITE)

    queued = SimpleNamespace(flags=WRITE)
    assert not admit(context(blocks=blocks), command(flags=WRITE), [], admission.PAUSED)
    assert admit(context(blocks=blocks), command(flags=READONLY), [], admission.PAUSED)
    assert not admit(context(blocks=blocks, transaction=queued), command(b"exec"), [], admission.PAUSED)
    assert admit(context(blocks=blocks, transaction=queued), command(b"get"), [], admission.PAUSED)
    assert admit(context(blocks=blocks, paused=False), command(flags=WRITE), [], admission.PAUSED)


def test_debug_is_for_whom_the_configuration_allows_it() -> None:
    ctx = context()
    for allowed in ("yes", "local"):
        ctx.server.config.enable_debug_command = allowed
        assert admit(ctx, command(), [], admission.PROTECTED_GATE)
    ctx.client.address = "10.0.0.1:5"
    with pytest.raises(CommandError):
        admit(ctx, command(), [], admission.PROTECTED_GATE)


@pytest.mark.parametrize(
    ("name", "flags", "gate", "concerns"),
    [
        (b"get", 0, admission.UNAUTHENTICATED, True),
        (b"auth", NO_AUTH, admission.UNAUTHENTICATED, False),
        (b"exec", 0, admission.MULTI, False),
        (b"get", 0, admission.MULTI, True),
        (b"ping", 0, admission.SUBSCRIBED, False),
        (b"ping", 0, admission.DISK_ERROR, True),
        (b"exec", 0, admission.DISK_ERROR, True),
        (b"get", READONLY, admission.DISK_ERROR, False),
        (b"del", WRITE, admission.DISK_ERROR, True),
        (b"get", 0, admission.SUBSCRIBED, True),
        (b"info", LOADING, admission.LOADING_GATE, False),
        (b"get", 0, admission.LOADING_GATE, True),
        (b"set", WRITE | DENYOOM, admission.MEMORY, True),
        (b"exec", 0, admission.MEMORY, True),
        (b"del", WRITE, admission.MEMORY, False),
        (b"get", READONLY, admission.TRACED, True),
        (b"ping", 0, admission.TRACED, False),
        (b"debug", PROTECTED, admission.PROTECTED_GATE, True),
        (b"get", 0, admission.PROTECTED_GATE, False),
        (b"ping", 0, admission.PAUSED, True),
    ],
)
def test_which_gates_concern_a_command(name: bytes, flags: int, gate: int, concerns: bool) -> None:
    assert bool(gates_of(command(name, flags)) & gate) is concerns


def test_the_table_describes_every_command_by_its_id() -> None:
    load_families()
    described = describe_all(REGISTRY, REGISTRY.walk())
    assert [entry[1].id for entry in described] == list(range(len(described)))
    named = {name for name, *_ in described if name}
    assert named == set(REGISTRY.commands)
    assert all(not name for name, found, *_ in described if b"|" in found.name)
