"""Blocked clients: who is served when, what remains of those who wait no more, and deadlines that are forgotten.

Idea: a `Stage` is a keyspace of Python lists and a `Blocking` over it, with handlers like those of BLPOP and BLMOVE.
The order of service is compared with a model that keeps one list of waiting clients and looks through all of it.
"""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.executor import admission
from mtredis.executor.blocking import FORGOTTEN_MAX, GONE, POSTPONED, SERVED, UNBLOCKED, WAITS, Blocking, Deadlines

KEYS = (b"a", b"b", b"c")
POP = SimpleNamespace(group="list", name=b"blpop")
MOVE = SimpleNamespace(group="list", name=b"blmove")
READ_GROUP = SimpleNamespace(group="stream", name=b"xreadgroup")
OTHER = SimpleNamespace(group="other", name=b"other")


class Client:
    """What Blocking knows of a client."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.blocked: Any = None


class Database:
    def __init__(self) -> None:
        self.lists: dict[bytes, list[int]] = {}
        self.types: dict[bytes, bytes] = {}

    def peek_type(self, key: bytes) -> bytes | None:
        return self.types.get(key, b"list") if key in self.lists else None


class Stage:
    """`served` is (client id, key, element) of all who got something, `answers` (client id, error) of the others."""

    def __init__(self) -> None:
        self.databases = [Database(), Database()]
        self.queues: list[dict[bytes, Any]] = [{}, {}]
        self.ready: dict[tuple[int, bytes], None] = {}
        self.gates: set[int] = set()
        self.alarm = 0
        self.now = 1000
        self.numbers = 0
        self.served: list[tuple[int, bytes, int]] = []
        self.answers: list[tuple[int, str | None]] = []
        self.resumed: list[int] = []
        self.runs: list[int] = []
        self.outcome: int | None = None   # of every run, where set
        self.blocking = Blocking(self.databases, self.queues, self.ready, self.set_gate)
        self.blocking.retry = self.retry
        self.blocking.answer = lambda blocked, error: self.answers.append((blocked.client_id, error))
        self.blocking.resume = lambda client: self.resumed.append(client.id)
        self.blocking.set_alarm = lambda when: setattr(self, "alarm", when)

    def set_gate(self, gate: int, in_force: bool) -> None:
        (self.gates.add if in_force else self.gates.discard)(gate)

    def touched(self, key: bytes, index: int = 0) -> None:
        if key in self.queues[index]:
            self.ready[index, key] = None

    def wait(
        self, *keys: bytes, command: Any = POP, timeout: int = 0, index: int = 0, on_missing: bool = False
    ) -> Client:
        self.numbers += 1
        client = Client(self.numbers)
        argv = [command.name, *keys]
        self.blocking.wait(
            client, command, argv, argv, index, self.now, 0, list(keys[:1] if command is MOVE else keys), timeout,
            "null_array", on_missing,
        )  # fmt: skip
        return client

    def push(self, key: bytes, *elements: int, index: int = 0) -> None:
        self.databases[index].lists.setdefault(key, []).extend(elements)
        self.touched(key, index)

    def retry(self, blocked: Any) -> int:
        self.runs.append(blocked.client_id)
        if self.outcome is not None:
            return self.outcome
        lists = self.databases[blocked.db_index].lists
        keys = blocked.argv[1:2] if blocked.command is MOVE else blocked.argv[1:]
        key = next((key for key in keys if key in lists), None)
        if key is None:
            return WAITS
        element = lists[key].pop(0)
        if not lists[key]:
            del lists[key]
        self.touched(key, blocked.db_index)
        if blocked.command is MOVE:
            self.push(blocked.argv[2], element, index=blocked.db_index)
        self.served.append((blocked.client_id, key, element))
        return SERVED

    def check_nothing_is_left(self) -> None:
        assert self.queues == [{}, {}] and not self.ready and not self.gates and not len(self.blocking)
        assert set(self.blocking.statistics().values()) == {0}


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_who_came_first_is_served_first_and_one_push_serves_several(stage: Stage) -> None:
    for _ in range(40):   # more than one batch
        stage.wait(b"a")
    stage.push(b"a", *range(35))
    stage.blocking.serve()
    assert stage.served == [(number + 1, b"a", number) for number in range(35)]
    assert stage.resumed == list(range(1, 36))
    assert stage.runs == stage.resumed, "nobody is run for nothing"
    assert list(stage.queues[0]) == [b"a"] and len(stage.queues[0][b"a"]) == 5


def test_keys_are_served_in_the_order_in_which_they_became_ready(stage: Stage) -> None:
    first, second, third = stage.wait(b"a", b"b"), stage.wait(b"b"), stage.wait(b"a")
    stage.push(b"b", 1)
    stage.push(b"a", 2)
    stage.push(b"b", 3)
    stage.blocking.serve()
    # `first` is woken by b, but its command looks at a before.
    assert stage.served == [(first.id, b"a", 2), (second.id, b"b", 1)]
    assert third.blocked is not None and stage.databases[0].lists == {b"b": [3]}


def test_what_a_served_command_makes_ready_is_served_in_the_same_go(stage: Stage) -> None:
    for place in range(200):   # deeper than any recursion would be good for
        stage.wait(b"%d" % place, b"%d" % (place + 1), command=MOVE)
    last = stage.wait(b"200")
    stage.push(b"0", 7)
    stage.blocking.serve()
    assert stage.served[-1] == (last.id, b"200", 7)
    stage.check_nothing_is_left()


def test_two_who_move_in_a_circle_come_to_an_end(stage: Stage) -> None:
    stage.wait(b"a", b"b", command=MOVE)
    stage.wait(b"b", b"a", command=MOVE)
    stage.push(b"a", 1)
    stage.blocking.serve()
    assert stage.databases[0].lists == {b"a": [1]}
    stage.check_nothing_is_left()


def test_a_key_that_holds_another_type_or_is_gone_again_wakes_nobody(stage: Stage) -> None:
    client = stage.wait(b"a")
    stage.databases[0].types[b"a"] = b"string"
    stage.push(b"a", 1)
    stage.blocking.serve()
    del stage.databases[0].lists[b"a"]
    stage.touched(b"a")
    stage.blocking.serve()
    assert client.blocked is not None and not stage.runs and not stage.ready


def test_a_command_of_no_blocking_family_is_run_for_any_type(stage: Stage) -> None:
    stage.wait(b"a", command=OTHER)
    stage.databases[0].types[b"a"] = b"string"
    stage.push(b"a", 1)
    stage.blocking.serve()
    assert stage.runs == [1]


def test_other_databases_have_other_keys(stage: Stage) -> None:
    stage.wait(b"a", index=1)
    stage.push(b"a", 1, index=0)
    stage.blocking.serve()
    assert not stage.served
    stage.push(b"a", 2, index=1)
    stage.blocking.serve()
    assert stage.served == [(1, b"a", 2)]


def test_whoever_waits_for_a_loss_is_run_at_every_change(stage: Stage) -> None:
    patient, watcher = stage.wait(b"s"), stage.wait(b"s", command=READ_GROUP, on_missing=True)
    assert stage.gates == {admission.BLOCKED, admission.BLOCKED_ON_MISSING}
    assert stage.blocking.statistics()["total_blocking_keys_on_nokey"] == 1
    stage.touched(b"s")   # deleted
    stage.blocking.serve()
    assert stage.runs == [watcher.id]
    stage.outcome = SERVED
    stage.touched(b"s")
    stage.blocking.serve()
    assert watcher.blocked is None and patient.blocked is not None
    assert stage.gates == {admission.BLOCKED}


def test_blocking_again_keeps_the_place_and_drops_the_marks_of_its_own(stage: Stage) -> None:
    first, second = stage.wait(b"a", on_missing=True), stage.wait(b"a", on_missing=True)

    def mark_and_wait(blocked: Any) -> int:
        stage.runs.append(blocked.client_id)
        stage.touched(b"a")
        return WAITS

    stage.blocking.retry = mark_and_wait
    stage.touched(b"a")
    stage.blocking.serve()
    assert stage.runs == [first.id, second.id]
    assert [blocked.client for blocked in stage.queues[0][b"a"]] == [first, second]


def test_what_a_pause_holds_up_is_served_when_it_ends(stage: Stage) -> None:
    stage.wait(b"a")
    stage.wait(b"a")
    stage.outcome = POSTPONED
    stage.push(b"a", 1, 2)
    stage.blocking.serve()
    assert not stage.served and not stage.ready
    stage.outcome = None
    stage.blocking.pause_ended()
    stage.blocking.serve()
    assert stage.served == [(1, b"a", 1), (2, b"a", 2)]


def test_whoever_is_gone_gets_nothing_and_the_next_one_does(stage: Stage) -> None:
    gone, forgotten, there = stage.wait(b"a"), stage.wait(b"a", timeout=10), stage.wait(b"a")
    stage.blocking.forget(forgotten)
    stage.blocking.forget(forgotten)
    run = stage.retry
    stage.blocking.retry = lambda blocked: GONE if blocked.client is gone else run(blocked)
    stage.push(b"a", 1)
    stage.blocking.serve()
    assert stage.served == [(there.id, b"a", 1)] and stage.resumed == [there.id]
    stage.check_nothing_is_left()


def test_timeouts_come_in_their_order_and_never_early(stage: Stage) -> None:
    late, early, never = stage.wait(b"a", timeout=20), stage.wait(b"b", b"b", timeout=10), stage.wait(b"a")
    assert stage.alarm == 1011
    stage.blocking.expire(1010)
    assert not stage.answers and stage.alarm == 1011
    stage.blocking.expire(1011)
    assert stage.answers == [(early.id, None)] and stage.alarm == 1021
    stage.blocking.expire(2000)
    assert stage.answers[1:] == [(late.id, None)] and stage.alarm == 0
    assert never.blocked is not None and stage.resumed == [early.id, late.id]
    assert stage.blocking.statistics()["clients_in_timeout_table"] == 0


def test_client_unblock_ends_the_waiting_in_either_way(stage: Stage) -> None:
    first, second = stage.wait(b"a", timeout=5), stage.wait(b"a")
    assert stage.blocking.unblock(first.id, False) and stage.blocking.unblock(second.id, True)
    assert not stage.blocking.unblock(first.id, False) and not stage.blocking.unblock(99, True)
    assert stage.answers == [(first.id, None), (second.id, UNBLOCKED)]
    assert stage.resumed == [first.id, second.id]
    stage.check_nothing_is_left()


class Model:
    """Redis's order in its plainest form: one list of those who wait, looked through for each ready key."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, bool, tuple[bytes, ...]]] = []   # (id, moves, keys)
        self.lists: dict[bytes, list[int]] = {}
        self.ready: list[bytes] = []
        self.served: list[tuple[int, bytes, int]] = []

    def push(self, key: bytes, *elements: int) -> None:
        self.lists.setdefault(key, []).extend(elements)
        if key not in self.ready:
            self.ready.append(key)

    def serve(self) -> None:
        while self.ready:
            self._serve_key(self.ready.pop(0))

    def _serve_key(self, key: bytes) -> None:
        for client in list(self.waiting):
            number, moves, keys = client
            watched = keys[:1] if moves else keys
            if key in watched and self.lists.get(key):
                source = next(key for key in watched if self.lists.get(key))
                element = self.lists[source].pop(0)
                if not self.lists[source]:
                    del self.lists[source]
                self.waiting.remove(client)
                self.served.append((number, source, element))
                if moves:
                    self.push(keys[1], element)


actions = st.one_of(
    st.tuples(st.just("pop"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=3)),
    st.tuples(st.just("move"), st.lists(st.sampled_from(KEYS), min_size=2, max_size=2)),
    st.tuples(st.just("push"), st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 3)), min_size=1, max_size=4)),
    st.tuples(st.just("unblock"), st.integers(0, 5)),
)


@given(st.lists(actions, max_size=30))
def test_the_order_of_service_is_the_models(script: list[tuple[str, Any]]) -> None:
    stage, model, elements = Stage(), Model(), iter(range(1000))
    for action, words in script:
        if action == "push":
            for key, count in words:
                pushed = [next(elements) for _ in range(count + 1)]
                stage.push(key, *pushed)
                model.push(key, *pushed)
            stage.blocking.serve()
            model.serve()
        elif action == "unblock":
            if words < len(model.waiting):
                stage.blocking.unblock(model.waiting.pop(words)[0], False)
        elif not any(key in model.lists for key in (words if action == "pop" else words[:1])):
            stage.wait(*words, command=POP if action == "pop" else MOVE)
            model.waiting.append((stage.numbers, action == "move", tuple(words)))
        assert stage.served == model.served
        assert stage.databases[0].lists == model.lists
        assert sorted(stage.blocking._clients) == sorted(number for number, _, _ in model.waiting)
        assert all(stage.queues[0].values()), "an empty queue is left"
    for number, _, _ in list(model.waiting):
        stage.blocking.unblock(number, True)
    stage.check_nothing_is_left()


@given(st.lists(st.tuples(st.sampled_from(("add", "discard", "due")), st.integers(1, 300)), max_size=300))
def test_deadlines_are_those_of_a_sorted_list(script: list[tuple[str, int]]) -> None:
    deadlines, model, entries = Deadlines(), list[tuple[int, int]](), list[Any]()
    for step, (action, number) in enumerate(script):
        if action == "add":
            entries.append(deadlines.add(number, (number, step)))
            model.append((number, step))
        elif action == "discard" and entries:
            entry = entries[number % len(entries)]
            if entry[2] is not None:
                model.remove(entry[2])
            deadlines.discard(entry)
        else:
            due = sorted(item for item in model if item[0] < number)
            assert list(deadlines.pop_due(number)) == due
            model = [item for item in model if item not in due]
        assert len(deadlines) == len(model)
        assert deadlines.first <= min(model, default=(301,))[0]
        assert len(deadlines._heap) <= 2 * len(model) + FORGOTTEN_MAX


def test_deadlines_of_those_who_were_served_in_time_are_forgotten(stage: Stage) -> None:
    for number in range(10_000):
        stage.wait(b"a", timeout=1_000_000 - number)
        stage.push(b"a", number)
        stage.blocking.serve()
    assert len(stage.served) == 10_000
    assert len(stage.blocking._deadlines._heap) <= FORGOTTEN_MAX
    stage.check_nothing_is_left()
