"""SCAN's guarantee, fair random keys, and the memory that keys take."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtredis.keyspace.database import Keyspace

NOW = 1_700_000_000_000


def scan_all(db, count, between=lambda: None):
    """Every key of a full iteration, in the order met."""
    cursor, met = db.scan(0, count)
    while cursor:
        between()
        cursor, keys = db.scan(cursor, count)
        met += keys
    return met


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3000), st.integers(20, 300), st.sampled_from([(30, 2), (2, 30), (20, 20)]))
def test_scan_meets_each_lasting_key_once_while_others_come_and_go(seed, lasting, count, rates):
    randomness = random.Random(seed)
    db = Keyspace(1)[0]
    stay = {b"stay:%d" % i for i in range(lasting)}
    for key in stay:
        db.set_string(key, b"")
    passing = [b"old:%d" % i for i in range(randomness.choice((0, 6000)))]
    for key in passing:
        db.set_string(key, b"")
    segments = set()

    def churn():
        segments.add(db.segments)
        for _ in range(randomness.randrange(rates[0] * count // 4 + 1)):
            passing.append(b"new:%d" % randomness.getrandbits(60))
            db.set_string(passing[-1], b"")
        randomness.shuffle(passing)
        for _ in range(min(len(passing), randomness.randrange(rates[1] * count // 4 + 1))):
            db.delete(passing.pop())
        if len(segments) > 60:
            while passing:
                db.delete(passing.pop())

    met = scan_all(db, count, churn)
    lasting_met = [key for key in met if key in stay]
    assert len(lasting_met) == len(stay)
    assert set(lasting_met) == stay


def test_scan_survives_splits_and_merges_in_the_middle():
    db = Keyspace(1)[0]
    for i in range(20_000):
        db.set_string(b"stay:%d" % i, b"")
    before = db.segments
    cursor, met = db.scan(0, 9000)
    for i in range(60_000):
        db.set_string(b"guest:%d" % i, b"")
    assert db.segments > 2 * before
    cursor, more = db.scan(cursor, 9000)
    met += more
    for i in range(60_000):
        db.delete(b"guest:%d" % i)
    for i in range(15_000):
        db.delete(b"stay:%d" % i)
    assert db.segments < before
    while cursor:
        cursor, more = db.scan(cursor, 1000)
        met += more
    lasting = [key for key in met if key.startswith(b"stay:") and int(key[5:]) >= 15_000]
    assert sorted(lasting) == sorted(b"stay:%d" % i for i in range(15_000, 20_000))


def test_scan_takes_any_cursor_and_ends():
    db = Keyspace(1)[0]
    assert db.scan(0, 10) == (0, [])
    assert db.scan(2**64 - 1, 10) == (0, [])
    for i in range(1000):
        db.set_string(b"%d" % i, b"")
    for cursor in (1, 12345, 2**47, 2**48 - 1, 2**63, 2**64 - 1):
        while cursor:
            cursor, _ = db.scan(cursor, 100)


def test_scan_of_nearly_nothing_is_bounded_work_and_ends():
    db = Keyspace(1)[0]
    for i in range(50_000):
        db.set_string(b"%d" % i, b"")
    cursor, keys = db.scan(0, 10)
    assert 10 <= len(keys) < 70
    assert cursor
    for i in range(1, 50_000):
        db.delete(b"%d" % i)
    assert scan_all(db, 10) == [b"0"]


@pytest.mark.parametrize("size", [1, 7, 100, 2000])
def test_random_key_is_fair(size):
    draws = 200 * size if size > 1 else 10
    keyspace = Keyspace(1, seed=12345)
    db = keyspace[0]
    for i in range(size):
        db.set_string(b"%d" % i, b"")
    met = dict.fromkeys(range(size), 0)
    for _ in range(draws):
        met[int(db.random_key())] += 1
    chi_square = sum((count - draws / size) ** 2 / (draws / size) for count in met.values())
    freedom = size - 1
    assert chi_square <= freedom + 5 * (2 * freedom) ** 0.5    # 5 standard deviations


def test_random_key_is_fair_between_crowded_and_empty_segments():
    """Segments of different depth: each key still has the same chance."""
    keyspace = Keyspace(1, seed=99)
    db = keyspace[0]
    for i in range(3000):
        db.set_string(b"%d" % i, b"")
    top_half = [key for key in scan_all(db, 100) if keyspace.key_hash(key) >> 63]
    for key in top_half[20:]:
        db.delete(key)
    share = 20 / len(db)
    draws = 60_000
    met = sum(keyspace.key_hash(db.random_key()) >> 63 for _ in range(draws))
    assert abs(met - draws * share) < 5 * (draws * share) ** 0.5


def test_random_key_with_only_expired_keys():
    keyspace = Keyspace(1)
    keyspace.now = NOW
    db = keyspace[0]
    for i in range(3000):
        db.set_string(b"%d" % i, b"", NOW + 1)
    keyspace.now = NOW + 2
    assert db.random_key() is None
    assert len(db) == 0


@pytest.mark.parametrize(("value", "limit"), [(b"v" * 32, 100), (b"1234567890", 85)])
def test_bytes_per_key(value, limit):
    keyspace = Keyspace(1)
    for i in range(200_000):
        keyspace[0].set_string(b"key:%012d" % i, value)
    assert keyspace.used_memory / 200_000 <= limit


def test_memory_returns_after_each_round():
    keyspace = Keyspace(1)
    db = keyspace[0]
    base = None
    for number in range(11):
        for i in range(5000):
            db.set_string(b"key:%d:%d" % (number, i), b"v" * (i % 100), NOW + i if i % 3 == 0 else -1)
            db.append(b"key:%d:%d" % (number, i), b"more")
        for i in range(5000):
            db.set_expire(b"key:%d:%d" % (number, i), NOW)
            db.persist(b"key:%d:%d" % (number, i))
            db.rename(b"key:%d:%d" % (number, i), b"other:%d" % i)
        for i in range(5000):
            assert db.delete(b"other:%d" % i)
        base = keyspace.used_memory if base is None else base
        assert (keyspace.used_memory, db.segments, len(db), db.volatile) == (base, 1, 0, 0)


def test_memory_usage_of_a_key():
    keyspace = Keyspace(1)
    db = keyspace[0]
    db.set_string(b"k" * 16, b"v" * 32)
    assert db.memory_usage(b"k" * 16) == 64 + 9
    db.set_string(b"big", b"v" * 100_000)
    assert 100_000 < db.memory_usage(b"big") < 105_000
    assert db.memory_usage(b"none") == -2


def test_big_values_wait_for_another_thread():
    keyspace = Keyspace(1)
    db = keyspace[0]
    keyspace.lazy_free = True
    for i in range(10):
        db.set_string(b"%d" % i, b"v" * 2_000_000)
    for i in range(10):
        db.delete(b"%d" % i)
    assert keyspace.used_memory < 10_000
    keyspace.free_pending()
    keyspace.free_pending()


def test_appending_is_amortised():
    """Growing a string by small pieces must not copy it each time: the estimate jumps seldom."""
    keyspace = Keyspace(1)
    sizes = set()
    for _ in range(20_000):
        keyspace[0].append(b"k", b"x" * 100)
        sizes.add(keyspace.used_memory)
    assert len(sizes) < 60
    assert keyspace[0].string_length(b"k") == 2_000_000
