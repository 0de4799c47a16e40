"""Snapshots read by one thread while the executor's changes everything at full speed and others read keys.

Idea: the test's main thread is the executor. It notes what there is, begins a snapshot, starts a thread that reads it
(now and then giving way), and changes keys at random until that thread is done; the snapshot must be what was noted.

Seconds per test: MTREDIS_STRESS_SECONDS (default 4).
"""

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.point_in_time import Aborted, PointInTime, counted_memory, fresh_keys
from mtredis.keyspace.reader import RETRY, Reader
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream

from tests.support.point_in_time import contents, gathered, snapshot_of

pytestmark = pytest.mark.stress
SECONDS = float(os.environ.get("MTREDIS_STRESS_SECONDS", "4"))
AT_LEAST = 3   # snapshots
NOW = 1_000_000
KEYS = 3000
DATABASES = 3


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Threads change places often, if they have to."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    yield
    sys.setswitchinterval(interval)


class Reading(threading.Thread):
    """Reads a snapshot, and gives way with that probability after each key."""

    def __init__(self, point: PointInTime, pauses: float) -> None:
        super().__init__()
        self.point = point
        self.pauses = pauses
        self.items: list[Any] = []
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        chance = random.Random()
        try:
            for item in self.point:
                self.items.append(item)
                if chance.random() < self.pauses:
                    time.sleep(chance.choice([0, 0.0001, 0.001]))
        except BaseException as failure:
            self.failure = failure


def name(number: int) -> bytes:
    return b"key:%d" % number


def change_strings(keyspace: Keyspace, chance: random.Random) -> None:
    """One step: strings of all lengths, numbers, times to live, new and dead keys."""
    db = keyspace[chance.randrange(DATABASES)]
    key = name(chance.randrange(KEYS))
    step = chance.randrange(12)
    if step < 4:
        db.set_string(key, b"v%d" % chance.randrange(10**9) * chance.choice([1, 1, 1, 9, 300]))
    elif step < 6:
        db.delete(key)
    elif step == 6:
        db.set_string(key, b"%d" % chance.randrange(100))
    elif step == 7 and db.encoding(key) == b"int":
        db.increment(key, 1)
    elif step == 8:
        db.append(key, b"suffix")
    elif step == 9:
        db.set_expire(key, NOW + chance.randrange(10**6))
    elif step == 10 and db.exists(key):
        db.rename(key, name(chance.randrange(KEYS)))
    elif step == 11:
        db.move(key, keyspace[chance.randrange(DATABASES)])


def change_large(keyspace: Keyspace, chance: random.Random) -> None:
    """One step on a few keys with large values, which are lent."""
    db = keyspace[0]
    key = b"large:%d" % chance.randrange(12)
    kind = db.peek_type(key)
    step = chance.randrange(20)
    if step == 0:
        db.delete(key)
    elif step == 1:
        db.set_expire(key, NOW + chance.randrange(10**6))
    elif step == 2 and kind is not None:
        db.rename(key, b"large:%d" % chance.randrange(12))
    elif kind is None:
        make_large(db, key, chance)
    elif kind == b"string":
        db.append(key, b"x" * chance.randrange(100)) if step & 1 else db.set_range(key, 5, b"patch")
    elif kind == b"list":
        db.lookup_write(key, List).push([b"new"], True)
        db.lookup_write(key, List).pop(False)
    elif kind == b"set":
        db.lookup_write(key, Set).pop()
        db.lookup_write(key, Set).add(b"%d" % chance.randrange(10**6))
    elif kind == b"zset":
        db.lookup_write(key, SortedSet).add(b"m%d" % chance.randrange(2000), chance.random())
    elif kind == b"hash":
        db.lookup_write(key, Hash).set(b"f%d" % chance.randrange(2000), b"new")
    else:
        db.lookup_write(key, Stream).add([b"f", b"new"], 0)


def make_large(db: Any, key: bytes, chance: random.Random) -> None:
    kind = chance.choice([None, List, Set, SortedSet, Hash, Stream])
    count = chance.choice([50, 1000])
    if kind is None:
        db.set_string(key, b"s" * count * 300)
    elif kind is List:
        db.write(key, List).push([b"e%d" % i for i in range(count)], False)
    elif kind is Set:
        db.write(key, Set).add_many([b"e%d" % i for i in range(count)])
    elif kind is SortedSet:
        db.write(key, SortedSet).update_many([b"m%d" % i for i in range(count)], [float(i) for i in range(count)])
    elif kind is Hash:
        db.write(key, Hash).set_pairs([b"f%d" % (i // 2) for i in range(2 * count)])
    else:
        stream = db.write(key, Stream)
        for i in range(count // 10):
            stream.add([b"f", b"v%d" % i], 0)


def change_all(keyspace: Keyspace, chance: random.Random) -> None:
    """Both, and now and then whole databases."""
    if chance.random() < 0.002:
        keyspace.swap(chance.randrange(DATABASES), chance.randrange(DATABASES))
    if chance.random() < 0.0005:
        dead = keyspace.flush([chance.randrange(DATABASES)])
        threading.Thread(target=dead.free).start()
    change_large(keyspace, chance) if chance.random() < 0.2 else change_strings(keyspace, chance)


def change_size(keyspace: Keyspace, chance: random.Random) -> None:
    """The table grows and shrinks; few keys stay."""
    db = keyspace[0]
    first = chance.randrange(40) * 1000
    is_growing = chance.random() < 0.5
    for i in range(first, first + 1000):
        if is_growing:
            db.set_string(b"bulk:%d" % i, b"v")
        else:
            db.delete(b"bulk:%d" % i)


def run(change: Callable[[Keyspace, random.Random], None], pauses: float, *, aborts: float = 0.0) -> None:
    """Snapshots, one after the other, for SECONDS, but AT_LEAST some."""
    keyspace = Keyspace(DATABASES)
    keyspace.now = NOW
    keyspace.lazy_free = True
    chance = random.Random()
    snapshots = 0
    for _ in range(5000):
        change(keyspace, chance) if change is not change_size else change_strings(keyspace, chance)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline or snapshots < AT_LEAST:
        frozen = contents(keyspace)
        point = snapshot_of(keyspace)
        reading = Reading(point, pauses)
        is_aborted = chance.random() < aborts
        while reading.is_alive():
            change(keyspace, chance)
            if is_aborted and chance.random() < 0.001:
                point.abort()
        reading.join()
        keyspace.free_pending()
        snapshots += 1
        if reading.failure is None:
            assert gathered(reading.items) == frozen
            assert point.statistics()["keys_done"] == len(frozen)
        elif not (is_aborted and isinstance(reading.failure, Aborted)):
            raise reading.failure
        assert fresh_keys(keyspace) == 0
        point.end()
        assert keyspace.used_memory == counted_memory(keyspace)


def test_strings() -> None:
    run(change_strings, 0.01)


def test_strings_read_without_a_pause() -> None:
    run(change_strings, 0)


def test_everything() -> None:
    run(change_all, 0.02)


def test_large_values_only() -> None:
    run(change_large, 0.3)


def test_a_table_that_grows_and_shrinks() -> None:
    run(change_size, 0.001)


def test_some_are_aborted() -> None:
    run(change_all, 0.02, aborts=0.7)


def test_with_readers_on_other_threads() -> None:
    keyspace = Keyspace(1)
    keyspace.now = NOW
    keyspace.readers_active = True
    db = keyspace[0]
    for number in range(KEYS):
        db.set_string(name(number), b"0" * 20)
    stop = threading.Event()
    torn = []

    def read(slot: int) -> None:
        reader = Reader(keyspace, slot)
        chance = random.Random(slot)
        while not stop.is_set():
            value = reader.get(0, name(chance.randrange(KEYS)))
            if value is not RETRY and (len(value) != 20 or len(set(value)) != 1):
                torn.append(value)

    readers = [threading.Thread(target=read, args=(slot,)) for slot in range(2)]
    for reader in readers:
        reader.start()
    chance = random.Random(1)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        frozen = contents(keyspace)
        point = snapshot_of(keyspace)
        reading = Reading(point, 0.01)
        while reading.is_alive():
            db.set_string(name(chance.randrange(KEYS)), b"%d" % chance.randrange(10) * 20)
        reading.join()
        assert gathered(reading.items) == frozen
        point.end()
    stop.set()
    for reader in readers:
        reader.join()
    assert not torn
