"""Fields whose time has passed: found by a look, and by the cron's cycle."""

import pytest
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.hash import Hash

from mtredis.keyspace.field_expiry import EXPIRED, FIELDS_AT_ONCE, KEY_GONE, NOT_EXPIRED, FieldExpiry, expire_field

NOW = 1_700_000_000_000
LONG = 10_000_000


class World:
    """A keyspace, its field expiry, and what that has announced."""

    def __init__(self, databases: int = 3) -> None:
        self.keyspace = Keyspace(databases)
        self.keyspace.now = NOW
        self.events: list[tuple[int, bytes, bytes]] = []
        self.expiry = FieldExpiry(self.keyspace, lambda index, key, event: self.events.append((index, key, event)))

    def hash(self, index: int, key: bytes, times: dict[bytes, int]) -> Hash:
        """A hash whose fields live for so many ms, -1: for ever."""
        hash_ = self.keyspace[index].write(key, Hash)
        for field, life in times.items():
            hash_.set(field, b"v")
            if life != -1:
                hash_.set_time(field, NOW + life)
        return hash_


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=[512, 0], ids=["packed", "table"])
def both(request: pytest.FixtureRequest, world: World) -> World:
    world.keyspace.set_limits({"hash_max_listpack_entries": request.param})
    return world


def test_a_look_finds_a_field_expired_when_its_time_lies_before_now(both: World) -> None:
    hash_ = both.hash(0, b"h", {b"a": 5, b"b": 7, b"c": -1})
    db = both.keyspace[0]

    def look(field: bytes) -> int:
        return expire_field(both.keyspace, db, b"h", hash_, field)

    both.keyspace.now = NOW + 5
    assert [look(field) for field in (b"a", b"b", b"c", b"none")] == [NOT_EXPIRED] * 4
    both.keyspace.now = NOW + 6
    assert look(b"a") == EXPIRED and look(b"a") == NOT_EXPIRED
    assert len(hash_) == 2 and both.keyspace.expired_fields == 1
    hash_.delete(b"c")
    both.keyspace.now = NOW + 8
    assert look(b"b") == KEY_GONE and not db.exists(b"h")
    assert both.keyspace.expired_fields == 2 and both.events == []


def test_who_wants_to_know_is_told_which_fields_went(both: World) -> None:
    told: list[tuple[int, bytes, list[bytes]]] = []
    both.keyspace.on_fields_expired = lambda *what: told.append(what)
    hash_ = both.hash(1, b"h", {b"a": 5, b"b": 7, b"1": 6, b"c": -1, b"d": 100})
    both.hash(0, b"plain", {b"a": -1})
    both.keyspace.now = NOW + 6
    assert expire_field(both.keyspace, both.keyspace[1], b"h", hash_, b"a") == EXPIRED
    assert expire_field(both.keyspace, both.keyspace[1], b"h", hash_, b"1") == NOT_EXPIRED
    both.keyspace.now = NOW + 7
    assert hash_.due_fields(NOW + 6) == [b"1"] and hash_.due_fields(NOW + 7, 1) == [b"1"]
    assert both.expiry.run(LONG) == 2
    assert told == [(1, b"h", [b"a"]), (1, b"h", [b"1", b"b"])]
    rest = both.keyspace[1].peek(b"h", Hash)   # the handle from before has not seen the change
    assert rest is not None
    assert rest.due_fields(NOW + 99) == [] and rest.due_fields(NOW + 100) == [b"d"]


def test_a_look_can_leave_the_empty_hash(both: World) -> None:
    hash_ = both.hash(0, b"h", {b"a": 5})
    both.keyspace.now = NOW + 6
    assert expire_field(both.keyspace, both.keyspace[0], b"h", hash_, b"a", keeps_key=True) == EXPIRED
    assert len(hash_) == 0 and both.keyspace[0].exists(b"h")


def test_while_paused_nothing_goes(both: World) -> None:
    hash_ = both.hash(0, b"h", {b"a": 5})
    both.keyspace.now = NOW + 6
    both.keyspace.expire_paused = True
    assert expire_field(both.keyspace, both.keyspace[0], b"h", hash_, b"a") == EXPIRED
    assert both.expiry.run(LONG) == 0 and len(hash_) == 1 and hash_.get(b"a") is None


def test_a_cycle_deletes_what_is_due_in_every_database(both: World) -> None:
    both.hash(0, b"h", {b"a": 5, b"b": 6, b"c": -1})
    both.hash(0, b"gone", {b"a": 5, b"b": 4})
    both.hash(2, b"h", {b"x": 3, b"y": 100})
    both.hash(1, b"later", {b"x": 100})
    assert both.expiry.run(LONG) == 0 and both.events == []
    both.keyspace.now = NOW + 5
    assert both.expiry.run(LONG) == 4
    assert sorted(both.events) == [
        (0, b"gone", b"del"), (0, b"gone", b"hexpired"), (0, b"h", b"hexpired"), (2, b"h", b"hexpired"),
    ]  # fmt: skip
    assert both.events.index((0, b"gone", b"hexpired")) < both.events.index((0, b"gone", b"del"))
    assert both.keyspace[0].keys() == [b"h"] and both.keyspace.expired_fields == 4
    assert [both.keyspace[index].timed for index in range(3)] == [1, 1, 1]
    both.keyspace.now = NOW + 100
    assert both.expiry.run(LONG) == 3
    assert [both.keyspace[index].timed for index in range(3)] == [0, 0, 0]
    assert both.expiry.microseconds > 0


def test_a_cycle_without_time_does_one_slice_and_goes_on_there(world: World) -> None:
    fields = {b"f%d" % i: 1 + i % 3 for i in range(FIELDS_AT_ONCE * 2 + 10)}
    world.hash(1, b"big", fields | {b"stays": -1})
    world.hash(0, b"small", {b"a": 1})
    world.keyspace.now = NOW + 10
    assert [world.expiry.run(0) for _ in range(5)] == [1, FIELDS_AT_ONCE, FIELDS_AT_ONCE, 10, 0]
    assert world.keyspace[1].peek(b"big", Hash).items(0) == [b"stays", b"v"]
    assert [event for event in world.events if event[1] == b"big"] == [(1, b"big", b"hexpired")] * 3


def test_a_key_whose_own_time_is_over_goes_as_a_whole(both: World) -> None:
    both.hash(0, b"h", {b"a": 5, b"b": -1})
    both.keyspace[0].set_expire(b"h", NOW + 5)
    both.keyspace.now = NOW + 6
    assert both.expiry.run(LONG) == 0 and both.events == []
    assert len(both.keyspace[0]) == 0 and both.keyspace[0].timed == 0 and both.keyspace.expired == 1


def test_memory_is_bounded_whatever_times_are_set(both: World) -> None:
    """However often times change and keys come and go, the index holds one pair per hash that has times."""
    db = both.keyspace[0]
    hash_ = both.hash(0, b"h", {b"a": 5, b"b": 6})
    before = both.keyspace.used_memory
    for i in range(3000):
        hash_.set_time(b"a" if i % 2 else b"b", NOW + 1 + i * 7919 % 100_000)
    assert db.timed == 1 and both.keyspace.used_memory <= before + 64
    for i in range(2000):
        both.hash(0, b"k%d" % (i % 5), {b"far": 10**12 + i})
        db.delete(b"k%d" % (i % 5))
    assert db.timed == 1 and both.keyspace.used_memory <= before + 64
