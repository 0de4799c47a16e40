"""Keys with a time to live: lazy and active expiry."""

import pytest
from mtredis.keyspace.database import Keyspace

NOW = 1_700_000_000_000
PLENTY = 60_000_000


@pytest.fixture
def gone():
    return []


@pytest.fixture
def keyspace(gone):
    keyspace = Keyspace(4)
    keyspace.now = NOW
    keyspace.on_expired = lambda index, key: gone.append((index, key, keyspace[index].exists(key)))
    return keyspace


@pytest.fixture
def db(keyspace):
    return keyspace[0]


def test_a_key_lives_to_the_end_of_its_last_millisecond(keyspace, db, gone):
    db.set_string(b"k", b"v", NOW + 100)
    keyspace.now = NOW + 100
    assert db.string(b"k") == b"v"
    keyspace.now = NOW + 101
    assert len(db) == 1
    assert db.string(b"k") is None
    assert (len(db), db.volatile, gone) == (0, 0, [(0, b"k", False)])
    assert (keyspace.expired, keyspace.expired_lazy, keyspace.misses) == (1, 1, 1)


@pytest.mark.parametrize(
    "use",
    [
        lambda db: db.append(b"k", b"new") == 3, lambda db: db.increment(b"k", 4) == 4, lambda db: not db.delete(b"k"),
        lambda db: not db.set_expire(b"k", NOW + 10**6), lambda db: not db.persist(b"k"),
        lambda db: db.peek_type(b"k") is None,
        lambda db: db.set_string_keep_ttl(b"k", b"v") and db.expire_at(b"k") == -1,
        lambda db: db.set_bit(b"k", 0, 1) == 0,
        lambda db: not db.copy(b"k", db, b"l"), lambda db: db.random_key() is None, lambda db: db.scan(0) == (0, []),
        lambda db: db.set_string(b"k", b"v"), lambda db: db.set_range(b"k", 1, b"x") == 2,
        lambda db: not db.touch(b"k"),
        lambda db: db.expire_at(b"k") == -2,
    ],
)
def test_every_access_sees_an_expired_key_as_missing(keyspace, db, gone, use):
    db.set_string(b"k", b"7", NOW + 1)
    keyspace.now = NOW + 2
    assert use(db)
    assert gone == [(0, b"k", False)]


def test_rename_onto_and_move_onto_an_expired_key(keyspace, db, gone):
    db.set_string(b"old", b"7", NOW + 1)
    keyspace[1].set_string(b"k", b"7", NOW + 1)
    db.set_string(b"k", b"v")
    keyspace.now = NOW + 2
    assert db.move(b"k", keyspace[1])
    keyspace[1].move(b"k", db)
    db.rename(b"k", b"old")
    assert (gone, db.string(b"old")) == ([(1, b"k", False), (0, b"old", False)], b"v")


def test_keys_and_dbsize_do_not_delete(keyspace, db, gone):
    db.set_string(b"k", b"7", NOW + 1)
    db.set_string(b"l", b"7")
    keyspace.now = NOW + 2
    assert (db.keys(), len(db), gone) == ([b"l"], 2, [])


def test_paused_expiry_hides_keys_but_keeps_them(keyspace, db, gone):
    db.set_string(b"k", b"7", NOW + 1)
    keyspace.now = NOW + 2
    keyspace.expire_paused = True
    assert (db.string(b"k"), len(db), gone, keyspace.active_expire_cycle(PLENTY, 1)) == (None, 1, [], (0, False))
    assert db.random_key() == b"k"
    keyspace.expire_paused = False
    assert (db.string(b"k"), len(db)) == (None, 0)


def test_a_cycle_empties_databases_full_of_dead_keys(keyspace, gone):
    for index in (0, 3):
        for i in range(5000):
            keyspace[index].set_string(b"k%d" % i, b"v", NOW + 1 + i % 7)
        keyspace[index].set_string(b"forever", b"v")
    keyspace.now = NOW + 100
    assert keyspace.active_expire_cycle(PLENTY, 1) == (10000, False)
    assert [len(db) for db in keyspace] == [1, 0, 0, 1]
    assert len(gone) == 10000
    assert (keyspace.expired, keyspace.expired_lazy, keyspace.expiry.expired) == (10000, 0, 10000)


def test_a_cycle_stops_when_its_time_is_up_and_goes_on_later(keyspace, db):
    for i in range(20000):
        db.set_string(b"k%d" % i, b"v", NOW + 1)
    keyspace.now = NOW + 100
    expired, is_cut = keyspace.active_expire_cycle(0, 1)
    assert 0 < expired < 1000
    assert is_cut
    assert keyspace.expiry.cut_short == 1
    cycles = 1
    while len(db):
        assert keyspace.active_expire_cycle(0, 1)[0] > 0
        cycles += 1
    assert cycles > 20


def test_a_cycle_looks_at_little_where_little_is_dead(keyspace, db):
    for i in range(20000):
        db.set_string(b"k%d" % i, b"v", NOW + (1 if i % 10 == 0 else 10**9))
    keyspace.now = NOW + 100
    expired, _ = keyspace.active_expire_cycle(PLENTY, 1)
    assert 0 < expired < 200
    for _ in range(db.segments):
        keyspace.active_expire_cycle(PLENTY, 1)
    assert len(db) == 18000
    assert 10**9 * 0.99 < db.average_ttl <= 10**9


def keys_left_after_a_cycle(keyspace, db, effort):
    """Of 20,000 keys, a sixth of them dead."""
    keyspace.flush([0]).free()
    keyspace.now = NOW
    for i in range(20000):
        db.set_string(b"k%d" % i, b"v", NOW + (1 if i % 6 == 0 else 10**9))
    keyspace.now = NOW + 100
    keyspace.active_expire_cycle(PLENTY, effort)
    return len(db)


def test_effort_lowers_the_share_of_dead_keys_that_is_put_up_with(keyspace, db):
    # A cycle judges by samples, so that now and then one stops early: what counts is how far it can get.
    assert any(keys_left_after_a_cycle(keyspace, db, 1) > 19000 for _ in range(20))
    assert any(keys_left_after_a_cycle(keyspace, db, 10) < 17000 for _ in range(20))


def test_databases_take_turns(keyspace):
    for index in range(4):
        for i in range(3000):
            keyspace[index].set_string(b"k%d" % i, b"v", NOW + 1)
    keyspace.now = NOW + 100
    for _ in range(400):
        keyspace.active_expire_cycle(0, 1)
    assert [len(db) for db in keyspace] == [0, 0, 0, 0]


def test_an_observer_that_raises_leaves_a_whole_keyspace(keyspace, db):
    def refuse(index, key):
        raise RuntimeError(key)

    keyspace.on_expired = refuse
    db.set_string(b"k", b"v", NOW + 1)
    keyspace.now = NOW + 2
    with pytest.raises(RuntimeError):
        db.string(b"k")
    assert (db.string(b"k"), len(db), db.volatile) == (None, 0, 0)
