"""Readers on other threads while the owner writes: they see whole values, whole steps, and never freed memory."""

import threading
import time

import pytest
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.reader import RETRY, Reader
from mtredis.keyspace.types.set import Set

NOW = 1_700_000_000_000


@pytest.fixture
def keyspace():
    keyspace = Keyspace(2)
    keyspace.now = NOW
    keyspace.readers_active = True
    return keyspace


def race(write, *reads, seconds=1.0):
    """Runs `write` over and over here and each of `reads` on a thread; returns how often each ran."""
    stop = threading.Event()
    counts = [0] * len(reads)
    failures = []

    def loop(index, read):
        try:
            while not stop.is_set():
                read()
                counts[index] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=loop, args=each) for each in enumerate(reads)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end and not failures:
        write(rounds)
        rounds += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    return rounds, counts


def test_what_a_reader_says(keyspace):
    reader = Reader(keyspace, 0)
    assert reader.get(0, b"k") is None
    keyspace[0].set_string(b"k", b"v", NOW + 10)
    keyspace[0].set_string(b"n", b"42")
    assert [reader.get(0, key) for key in (b"k", b"n", b"x")] == [b"v", b"42", None]
    assert reader.get(1, b"k") is None
    keyspace.version_begin()
    keyspace.version_begin()
    assert reader.get(0, b"k") is RETRY
    keyspace.version_end()
    assert reader.get(0, b"x") is RETRY
    keyspace.version_end()
    assert reader.get(0, b"k") == b"v"
    keyspace.now = NOW + 11
    assert reader.get(0, b"k") is RETRY
    keyspace[0].write(b"set", Set).add(b"member")
    assert reader.get(0, b"set") is RETRY
    with pytest.raises(IndexError):
        reader.get(2, b"k")
    with pytest.raises(ValueError, match="128"):
        Reader(keyspace, 128)


def test_values_are_never_torn(keyspace):
    db = keyspace[0]
    sizes = (1, 30, 32, 200, 5000, 70_000)

    def write(i):
        value = bytes([65 + i % 26]) * sizes[i % len(sizes)]
        if i % 3:
            db.set_string(b"k", value, NOW + 1000 if i % 2 else -1)
        elif i % 5:
            db.set_string(b"k", b"%d" % (1111 * (i % 9)))
        else:
            db.set_expire(b"k", NOW + 2000)
            db.persist(b"k")

    def reading(slot):
        reader = Reader(keyspace, slot)

        def read():
            value = reader.get(0, b"k")
            assert value is RETRY or not value or len(set(value)) == 1
        return read

    rounds, counts = race(write, reading(0), reading(1), reading(2))
    assert rounds > 100
    assert min(counts) > 100


def test_a_rename_is_one_step(keyspace):
    """The key is always in exactly one of two places, which a reader that saw both in one version would notice."""
    db = keyspace[0]
    db.set_string(b"here", b"v")
    reader = Reader(keyspace, 3)
    seen = set()

    def write(i):
        keyspace.version_begin()
        db.set_string(b"left", b"%d" % i)
        db.set_string(b"right", b"%d" % i)
        keyspace.version_end()
        db.rename(b"here" if i % 2 == 0 else b"there", b"there" if i % 2 == 0 else b"here")

    def read():
        left, right = reader.get(0, b"left"), reader.get(0, b"right")
        if left is not RETRY and right is not RETRY and left is not None:
            assert int(right) >= int(left)
        seen.add(reader.get(0, b"here"))

    race(write, read)
    assert seen <= {b"v", None, RETRY}


def test_keys_are_found_while_segments_split_and_merge(keyspace):
    db = keyspace[0]
    for i in range(200):
        db.set_string(b"stay:%d" % i, b"%d" % i)
    found = [0, 0]

    def write(number):
        for i in range(4000):
            db.set_string(b"guest:%d:%d" % (number % 3, i), b"x" * 40)
        for i in range(4000):
            db.delete(b"guest:%d:%d" % (number % 3, i))

    def reading(slot):
        reader = Reader(keyspace, slot)

        def read():
            for i in range(200):
                value = reader.get(0, b"stay:%d" % i)
                assert value is RETRY or value == b"%d" % i
                found[slot] += value is not RETRY
        return read

    rounds, _ = race(write, reading(0), reading(1), seconds=1.5)
    assert rounds > 3
    assert min(found) > 1000
    keyspace.reclaim()


def test_flushes_and_swaps_under_readers(keyspace):
    def write(i):
        for index in (0, 1):
            for j in range(600):
                keyspace[index].set_string(b"k%d" % j, b"%d" % index)
        keyspace.swap(0, 1)
        keyspace.swap(0, 1)
        dead = keyspace.flush([i % 2])
        thread = threading.Thread(target=dead.free)
        thread.start()
        thread.join()

    def reading(slot):
        reader = Reader(keyspace, slot)

        def read():
            for j in range(0, 600, 7):
                assert reader.get(slot % 2, b"k%d" % j) in (None, RETRY, b"0", b"1")
        return read

    rounds, counts = race(write, reading(0), reading(1))
    assert rounds > 0
    assert min(counts) > 0


def test_what_was_retired_waits_for_the_reader_and_then_goes(keyspace):
    for number in range(5):
        for i in range(10_000):
            keyspace[0].set_string(b"%d" % i, b"v")
        for i in range(10_000):
            keyspace[0].delete(b"%d" % i)
        assert keyspace.statistics()["retired"] < 16, number
    keyspace.reclaim()
    assert keyspace.statistics()["retired"] == 0
