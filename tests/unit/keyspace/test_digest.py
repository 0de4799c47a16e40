"""Digests: what they depend on, and what not. That they are Redis's is tested in tests/conformance/test_object.py."""

import random

import pytest
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream

from mtredis.keyspace.digest import NOTHING, data_digest, value_digest

NOW = 1_700_000_000_000


def filled(seed: int) -> Keyspace:
    """The same data whatever the seed, put in in another order and under another hash key."""
    keyspace = Keyspace(4)
    keyspace.now = NOW
    source = random.Random(seed)
    numbers = list(range(300))
    for index in (0, 2):
        db = keyspace[index]
        db.write(b"list", List).push([b"a", b"b", b"a"], False)
        for number in source.sample(numbers, len(numbers)):
            db.write(b"set", Set).add(b"m%d" % number)
            db.write(b"zset", SortedSet).add(b"m%d" % number, number / 7)
            db.write(b"hash", Hash).set(b"f%d" % number, b"v%d" % number)
        db.write(b"stream", Stream).add([b"f", b"v"], 0, 1 << 64)
        db.set_string(b"string", b"v")
        db.set_string(b"time", b"v", NOW + 1000)
    return keyspace


KEYS = [b"list", b"set", b"zset", b"hash", b"stream", b"string", b"time"]


def test_the_order_of_tables_does_not_count() -> None:
    first, second = filled(1), filled(2)
    assert data_digest(first) == data_digest(second) != NOTHING
    for key in KEYS:
        assert value_digest(first[0], key) == value_digest(second[2], key)
    assert len({value_digest(first[0], key) for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("change", [
    lambda db: db.write(b"list", List).push([b"a"], True),
    lambda db: db.write(b"list", List).set(0, b"b"),
    lambda db: db.write(b"set", Set).add(b"new"),
    lambda db: db.write(b"zset", SortedSet).add(b"m1", 0.25),
    lambda db: db.write(b"hash", Hash).set(b"f1", b"new"),
    lambda db: db.write(b"stream", Stream).add([b"f", b"v"], 0, 2 << 64),
    lambda db: db.set_string(b"string", b"w"),
    lambda db: db.set_expire(b"set", NOW + 5),
    lambda db: db.persist(b"time"),
    lambda db: db.rename(b"string", b"other"),
    lambda db: db.delete(b"hash"),
])  # fmt: skip
def test_every_change_counts(change) -> None:  # type: ignore[no-untyped-def]
    keyspace = filled(1)
    before = data_digest(keyspace)
    change(keyspace[2])
    assert data_digest(keyspace) != before


def test_the_database_counts_and_the_order_of_a_list() -> None:
    keyspace = filled(1)
    before = data_digest(keyspace)
    keyspace.swap(1, 2)
    assert data_digest(keyspace) != before
    keyspace.swap(1, 2)
    assert data_digest(keyspace) == before
    elements = keyspace[0].write(b"list", List)
    list_before = value_digest(keyspace[0], b"list")
    elements.push([elements.pop(True)], False)
    assert value_digest(keyspace[0], b"list") != list_before


def test_looking_leaves_no_trace() -> None:
    keyspace = filled(1)
    keyspace.now = NOW + 500_000
    data_digest(keyspace)
    assert (keyspace.hits, keyspace.misses) == (0, 0)
    assert keyspace[0].idle_seconds(b"set") == 500
    assert value_digest(keyspace[0], b"time") == value_digest(keyspace[0], b"none") == NOTHING
