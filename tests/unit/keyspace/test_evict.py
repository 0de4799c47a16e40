"""Eviction: drawing is fair, the pool keeps the right keys in order, and each policy's victims are those of a model."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.evict import ENOUGH, NOTHING_LEFT, OUT_OF_TIME, Evictor

START = 1_700_000_000_000
POLICIES = (
    "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
)  # fmt: skip
EXACT = 64   # keys looked at per eviction that are all there are, so that the choice is exact


def make(databases: int = 1, seed: int = 1) -> tuple[Keyspace, Evictor]:
    keyspace = Keyspace(databases, hash_key=bytes(range(16)), seed=seed)
    keyspace.now = START
    return keyspace, Evictor(keyspace)


def victims(keyspace: Keyspace, evictor: Evictor, count: int) -> list[tuple[int, bytes]]:
    """The next `count` keys that go, in order."""
    gone: list[tuple[int, bytes]] = []
    evictor.on_evicted = lambda index, key: gone.append((index, key))
    while len(gone) < count:
        assert evictor.run(keyspace.used_memory - 1, -1) == ENOUGH
    evictor.on_evicted = None
    return gone


def fill(keyspace: Keyspace, count: int, index: int = 0) -> list[bytes]:
    keys = [b"key:%d" % number for number in range(count)]
    for key in keys:
        keyspace[index].set_string(key, b"value")
    return keys


# --- drawing ----------------------------------------------------------------------------------------------------------


def assert_fair(counts: Counter[bytes], keys: list[bytes]) -> None:
    """Chi square of the counts; its mean is the number of keys, its deviation the root of twice that number."""
    expected = counts.total() / len(keys)
    assert expected > 20
    square = sum((counts[key] - expected) ** 2 / expected for key in keys)
    assert square < len(keys) + 6 * (2 * len(keys)) ** 0.5
    assert counts.keys() <= set(keys)


@pytest.mark.parametrize(("policy", "count"), [("allkeys-lru", 10), ("allkeys-lru", 3000), ("volatile-lru", 3000)])
def test_each_key_is_drawn_as_often_as_any_other(policy: str, count: int) -> None:
    keyspace, evictor = make()
    keys = fill(keyspace, count)
    for key in keys:
        keyspace[0].set_expire(key, START + 1000)
    evictor.set_policy(policy, 5)
    counts: Counter[bytes] = Counter()
    while counts.total() < 50 * count:
        counts.update(evictor.draw(0))
    assert_fair(counts, keys)


def test_deletions_leave_drawing_fair() -> None:
    keyspace, evictor = make()
    keys = fill(keyspace, 20_000)
    rest = random.Random(5).sample(keys, 500)
    for key in set(keys) - set(rest):
        keyspace[0].delete(key)
    evictor.set_policy("allkeys-lru", 5)
    counts: Counter[bytes] = Counter()
    while counts.total() < 30_000:
        counts.update(evictor.draw(0))
    assert_fair(counts, rest)


@pytest.mark.parametrize("samples", [1, 3, 5, 10, 64])
def test_about_as_many_keys_are_drawn_as_wanted(samples: int) -> None:
    keyspace, evictor = make()
    fill(keyspace, 5000)
    evictor.set_policy("allkeys-lru", samples)
    assert {len(evictor.draw(0)) for _ in range(100)} == {samples}


@pytest.mark.parametrize("rare", [1, 20, 600])
def test_rare_volatile_keys_are_all_found_again_and_again(rare: int) -> None:
    keyspace, evictor = make()
    keys = fill(keyspace, 100_000)
    volatile = random.Random(6).sample(keys, rare)
    for key in volatile:
        keyspace[0].set_expire(key, START + 5000)
    evictor.set_policy("volatile-ttl", 5)
    counts: Counter[bytes] = Counter()
    for _ in range(40 * rare):
        drawn = evictor.draw(0)
        assert drawn
        counts.update(drawn)
    assert counts.keys() == set(volatile)
    assert max(counts.values()) < 8 * min(counts.values())


def test_a_database_without_candidates_gives_none() -> None:
    keyspace, evictor = make(2)
    fill(keyspace, 10)
    evictor.set_policy("volatile-lru", 5)
    assert (evictor.draw(0), evictor.draw(1)) == ([], [])
    with pytest.raises(IndexError):
        evictor.draw(2)


# --- victims, against a model -----------------------------------------------------------------------------------------


def by_idle_time(keyspace: Keyspace, key: bytes) -> int:
    return -keyspace[0].idle_seconds(key)


def by_frequency(keyspace: Keyspace, key: bytes) -> int:
    return keyspace[0].frequency(key)


def by_time_to_live(keyspace: Keyspace, key: bytes) -> int:
    return keyspace[0].expire_at(key)


@pytest.mark.parametrize(
    ("policy", "worth"),
    [("allkeys-lru", by_idle_time), ("volatile-lru", by_idle_time), ("allkeys-lfu", by_frequency),
     ("volatile-lfu", by_frequency), ("volatile-ttl", by_time_to_live)],
)  # fmt: skip
@settings(max_examples=40)
@given(data=st.data())
def test_with_all_keys_in_sight_the_worst_goes(
    data: st.DataObject, policy: str, worth: Callable[[Keyspace, bytes], int]
) -> None:
    """Few enough keys that every drawing sees all of them: the order is exactly that of the policy."""
    keyspace, evictor = make(seed=data.draw(st.integers(1, 1000)))
    keyspace.lfu = policy.endswith("lfu")
    evictor.set_policy(policy, EXACT)
    keys = fill(keyspace, data.draw(st.integers(2, 12)))
    candidates = set(keys) if policy.startswith("allkeys") else set(data.draw(st.lists(st.sampled_from(keys))))
    for key in candidates:
        keyspace[0].set_expire(key, START + data.draw(st.integers(10**9, 2 * 10**9)))
    while candidates:
        for key in data.draw(st.lists(st.sampled_from(keys), max_size=6)):
            keyspace.now += data.draw(st.integers(0, 200_000))
            for _ in range(data.draw(st.integers(1, 5))):
                keyspace[0].touch(key)
        before = {key: worth(keyspace, key) for key in candidates}
        ((_, gone),) = victims(keyspace, evictor, 1)
        assert gone in candidates
        assert before[gone] == min(before.values())
        candidates.remove(gone)
    assert policy.startswith("allkeys") or evictor.run(0, -1) == NOTHING_LEFT


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_keys_in_use_survive(policy: str) -> None:
    """With five samples of thousands: a tenth of the keys is used all the time and hardly any of it goes."""
    keyspace, evictor = make()
    keyspace.lfu = policy.endswith("lfu")
    evictor.set_policy(policy, 5)
    keys = fill(keyspace, 5000)
    used = set(keys[::10])
    for _ in range(30):
        keyspace.now += 2000
        for key in used:
            keyspace[0].touch(key)
    gone = {key for _, key in victims(keyspace, evictor, 3000)}
    assert len(gone & used) <= 3


def test_random_policies_spread_over_keys_and_databases() -> None:
    keyspace, evictor = make(3)
    for index in range(3):
        fill(keyspace, 1000 if index else 30, index)
    evictor.set_policy("allkeys-random", 5)
    gone = victims(keyspace, evictor, 60)
    assert Counter(index for index, _ in gone) == {0: 20, 1: 20, 2: 20}
    assert len({key for _, key in gone}) > 40


def test_volatile_random_takes_volatile_keys_only() -> None:
    keyspace, evictor = make()
    keys = fill(keyspace, 2000)
    for key in keys[::50]:
        keyspace[0].set_expire(key, START + 10**6)
    evictor.set_policy("volatile-random", 5)
    assert evictor.run(0, -1) == NOTHING_LEFT
    assert set(keyspace[0].keys()) == set(keys) - set(keys[::50])


def test_all_databases_are_considered() -> None:
    keyspace, evictor = make(4)
    for index in (2, 0, 3):
        keyspace[index].set_string(b"k%d" % index, b"v")
        keyspace.now += 10_000
    evictor.set_policy("allkeys-lru", 5)
    assert victims(keyspace, evictor, 3) == [(2, b"k2"), (0, b"k0"), (3, b"k3")]


# --- the pool ---------------------------------------------------------------------------------------------------------


def test_the_pool_keeps_the_sixteen_worst_in_order() -> None:
    keyspace, evictor = make()
    evictor.set_policy("allkeys-lru", EXACT)
    keys = fill(keyspace, 40)
    random.Random(7).shuffle(keys)
    for key in keys:
        keyspace.now += 5000
        keyspace[0].touch(key)
    ((_, first),) = victims(keyspace, evictor, 1)
    assert first == keys[0]
    assert evictor.candidates() == [(0, key) for key in reversed(keys[1:16])]


def test_a_candidate_that_is_used_meanwhile_is_spared() -> None:
    keyspace, evictor = make()
    evictor.set_policy("allkeys-lru", EXACT)
    for number in range(20):
        keyspace[0].set_string(b"%d" % number, b"v")
        keyspace.now += 5000
    victims(keyspace, evictor, 1)
    assert evictor.candidates()[-1] == (0, b"1")
    keyspace[0].touch(b"1")
    assert victims(keyspace, evictor, 3) == [(0, b"2"), (0, b"3"), (0, b"4")]


def test_time_that_passes_does_not_make_candidates_stale() -> None:
    """What has waited in the pool for hours still goes before what has been idle for less time."""
    keyspace, evictor = make()
    evictor.set_policy("allkeys-lru", EXACT)
    for number in range(10):
        keyspace[0].set_string(b"%d" % number, b"v")
        keyspace.now += 60_000
    victims(keyspace, evictor, 1)
    keyspace.now += 10_000_000
    for number in range(10, 20):
        keyspace[0].set_string(b"%d" % number, b"v")
    keyspace.now += 10_000_000
    assert [key for _, key in victims(keyspace, evictor, 9)] == [b"%d" % number for number in range(1, 10)]


def test_candidates_may_vanish() -> None:
    keyspace, evictor = make(2)
    evictor.set_policy("volatile-ttl", EXACT)
    for number in range(30):
        keyspace[0].set_string(b"%d" % number, b"v", START + 1000 * (number + 1))
    assert victims(keyspace, evictor, 1) == [(0, b"0")]
    keyspace[0].delete(b"1")
    keyspace[0].persist(b"2")
    keyspace[0].set_expire(b"3", START + 10**9)
    assert victims(keyspace, evictor, 1) == [(0, b"4")]
    keyspace.swap(0, 1)
    assert victims(keyspace, evictor, 1) == [(1, b"5")]
    keyspace.flush([1]).free()
    keyspace[0].set_string(b"stays", b"v")
    assert evictor.run(0, -1) == NOTHING_LEFT
    assert evictor.candidates() == []


def test_a_clock_that_was_set_back_makes_nobody_idle() -> None:
    keyspace, evictor = make()
    evictor.set_policy("allkeys-lru", EXACT)
    keyspace[0].set_string(b"old", b"v")
    keyspace.now += 100_000
    keyspace[0].set_string(b"new", b"v")
    keyspace.now -= 50_000
    assert victims(keyspace, evictor, 2) == [(0, b"old"), (0, b"new")]


# --- running ----------------------------------------------------------------------------------------------------------


def test_it_stops_at_the_limit_and_not_below() -> None:
    keyspace, evictor = make()
    fill(keyspace, 5000)
    evictor.set_policy("allkeys-random", 5)
    limit = keyspace.used_memory // 2
    assert evictor.run(limit, -1) == ENOUGH
    assert limit - 6000 < keyspace.used_memory <= limit   # an entry, and a segment that two have merged into
    before = evictor.evicted
    assert evictor.run(limit, -1) == ENOUGH
    assert evictor.evicted == before > 1000


def test_without_time_sixteen_keys_go() -> None:
    keyspace, evictor = make()
    fill(keyspace, 1000)
    evictor.set_policy("allkeys-random", 5)
    assert evictor.run(0, 0) in (OUT_OF_TIME, NOTHING_LEFT)
    assert evictor.evicted % 16 == 0
    assert evictor.run(0, -1) == NOTHING_LEFT
    assert (evictor.evicted, len(keyspace[0])) == (1000, 0)


def test_what_waits_to_be_freed_counts_as_free() -> None:
    keyspace, evictor = make()
    keyspace.lazy_free = True
    for number in range(20):
        keyspace[0].set_string(b"%d" % number, b"x" * 2_000_000)
    evictor.set_policy("allkeys-lru", 5)
    limit = keyspace.used_memory - 20_000_000
    assert evictor.run(limit, -1) == ENOUGH
    assert (evictor.evicted, keyspace.has_pending) == (10, True)
    assert 20_000_000 < evictor.evicted_big < 21_000_000
    keyspace.free_pending()
    assert evictor.run(limit, -1) == ENOUGH
    assert evictor.evicted == 10


@pytest.mark.parametrize("policy", ["noeviction", *(policy for policy in POLICIES if policy.startswith("volatile"))])
def test_what_may_not_go_stays(policy: str) -> None:
    keyspace, evictor = make()
    fill(keyspace, 100)
    evictor.set_policy(policy, 5)
    assert evictor.run(0, -1) == NOTHING_LEFT
    assert len(keyspace[0]) == 100


def test_a_hook_that_fails_leaves_the_key_gone_and_counted() -> None:
    keyspace, evictor = make()
    fill(keyspace, 10)
    evictor.set_policy("allkeys-random", 5)

    def fail(index: int, key: bytes) -> None:
        raise OSError

    evictor.on_evicted = fail
    with pytest.raises(OSError):
        evictor.run(0, -1)
    assert (evictor.evicted, len(keyspace[0])) == (1, 9)


@pytest.mark.parametrize("policy", ["allkeys-ttl2", "lru", "somekeys-lru", ""])
def test_unknown_policies(policy: str) -> None:
    with pytest.raises(ValueError, match=policy or "^$"):
        make()[1].set_policy(policy, 5)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=25)
@given(seed=st.integers(1, 2**32))
def test_everything_at_random(policy: str, seed: int) -> None:
    """Any mix of writes, expiries, swaps, flushes and clocks: only keys that may go go, all of them in the end."""
    chance = random.Random(seed)
    keyspace, evictor = make(3, seed)
    evictor.set_policy(policy, chance.choice((1, 5, 64)))
    keyspace.lfu = policy.endswith("lfu")
    gone: list[tuple[int, bytes]] = []
    evictor.on_evicted = lambda index, key: gone.append((index, key))
    for _ in range(60):
        keyspace.now = START + chance.randrange(10**10)
        database = keyspace[chance.randrange(3)]
        for _ in range(chance.randrange(40)):
            expire_at = chance.choice((-1, START + 10**11 + chance.randrange(10**9)))
            database.set_string(b"%d" % chance.randrange(400), b"v" * chance.randrange(100), expire_at)
        if chance.random() < 0.1:
            keyspace.swap(0, 1)
        if chance.random() < 0.05:
            keyspace.flush([2]).free()
        may_go = {
            (database.index, key) for database in map(keyspace.__getitem__, range(3)) for key in list(database.keys())
            if policy.startswith("allkeys") or database.expire_at(key) != -1
        }  # fmt: skip
        gone.clear()
        outcome = evictor.run(max(0, keyspace.used_memory - chance.randrange(2000)), -1)
        assert len(set(gone)) == len(gone)
        assert set(gone) <= may_go
        assert outcome == ENOUGH or set(gone) == may_go
        assert not any(keyspace[index].exists(key) for index, key in gone)
