"""The B+ tree against a sorted list: any operations in any order, and long runs with all invariants looked at."""

import math
import random
from bisect import bisect_left, insort

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mtredis.keyspace.encoding.ordered_map import OrderedMap, double_of, key_of

LAST_KEY = 2**64 - 1
ITEM_MIN = -(2**63)
EMPTY_MEMORY = OrderedMap().memory
KEYS = st.one_of(st.integers(0, 12), st.integers(0, LAST_KEY), st.sampled_from([LAST_KEY, 2**63, 2**63 - 1]))
ITEMS = st.integers(-40, 40)
FIRST = ITEM_MIN  # sorts before all items


class Model(RuleBasedStateMachine):
    """`self.pairs` is what the tree holds, in order."""

    def __init__(self):
        super().__init__()
        self.tree = OrderedMap()
        self.pairs = []

    def insert_all(self, pairs):
        for pair in pairs:
            is_new = self.place(pair) is None
            assert self.tree.insert(*pair) == is_new
            if is_new:
                insort(self.pairs, pair)

    def place(self, pair):
        index = bisect_left(self.pairs, pair)
        return index if index < len(self.pairs) and self.pairs[index] == pair else None

    def pair_at(self, index):
        return self.pairs[index] if index < len(self.pairs) else None

    @rule(key=KEYS, item=ITEMS)
    def insert(self, key, item):
        self.insert_all([(key, item)])

    @rule(start=st.integers(0, 2**63), step=st.integers(1, 3), count=st.integers(50, 1500), items=st.integers(1, 30))
    def insert_rising(self, start, step, count, items):
        self.insert_all([(start + n // items * step, n % items) for n in range(count)])

    @rule(end=st.integers(2000, 2**63), count=st.integers(50, 300))
    def insert_falling(self, end, count):
        self.insert_all([(end - n, 0) for n in range(count)])

    @rule(seed=st.integers(0, 999), keys=st.sampled_from([1, 7, 1000, LAST_KEY]), count=st.integers(50, 1500))
    def insert_any(self, seed, keys, count):
        choice = random.Random(seed)
        self.insert_all([(choice.randrange(keys), choice.randrange(1000)) for _ in range(count)])

    @rule(key=KEYS, item=ITEMS)
    def remove(self, key, item):
        index = self.place((key, item))
        assert self.tree.remove(key, item) == (index is not None)
        if index is not None:
            del self.pairs[index]

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), count=st.integers(1, 1500))
    def remove_run(self, data, count):
        start = data.draw(st.integers(0, len(self.pairs) - 1))
        for pair in self.pairs[start : start + count]:
            assert self.tree.remove(*pair)
        del self.pairs[start : start + count]

    @precondition(lambda self: self.pairs)
    @rule(seed=st.integers(0, 999), share=st.sampled_from([0.1, 0.5, 0.95, 1]))
    def remove_any(self, seed, share):
        choice = random.Random(seed)
        for pair in choice.sample(self.pairs, int(len(self.pairs) * share)):
            assert self.tree.remove(*pair)
            del self.pairs[bisect_left(self.pairs, pair)]

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), count=st.integers(1, 300))
    def replace_run(self, data, count):
        start = data.draw(st.integers(0, len(self.pairs) - 1))
        for pair in self.pairs[start : start + count]:
            assert self.tree.replace(*pair)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def look_at_one(self, data):
        rank = data.draw(st.integers(0, len(self.pairs) - 1))
        pair = self.pairs[rank]
        assert self.tree.at(rank) == pair
        assert self.tree.rank(*pair) == rank
        assert self.tree.find(*pair) == pair
        assert self.tree.seek(*pair) == (rank, pair)

    @rule(key=KEYS, item=ITEMS)
    def look_for_any(self, key, item):
        index = self.place((key, item))
        assert self.tree.rank(key, item) == (-1 if index is None else index)
        assert self.tree.find(key, item) == (None if index is None else (key, item))
        assert self.tree.replace(key, item) == (index is not None)
        start = bisect_left(self.pairs, (key, item))
        assert self.tree.seek(key, item) == (start, self.pair_at(start))
        start = bisect_left(self.pairs, (key, FIRST))
        assert self.tree.seek_key(key) == (start, self.pair_at(start))

    @rule(beyond=st.integers(0, 2**63))
    def look_beyond_the_end(self, beyond):
        assert self.tree.at(len(self.pairs) + beyond) is None

    @rule()
    def walk(self):
        assert self.tree.forward() == self.pairs
        assert self.tree.backward() == self.pairs[::-1]

    @invariant()
    def the_tree_is_right(self):
        assert len(self.tree) == len(self.pairs)
        leaves, levels = self.tree.check()
        assert leaves <= max(1, len(self.pairs)) and (levels == 0) == (not self.pairs)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def in_order(name, count):
    choice = random.Random(name)
    if name == "rising":
        return [(n, 0) for n in range(count)]
    if name == "falling":
        return [(n, 0) for n in reversed(range(count))]
    if name == "one key":
        return [(7, item) for item in choice.sample(range(count), count)]
    if name == "few keys":
        return [(choice.randrange(20), item) for item in choice.sample(range(count), count)]
    return [(choice.randrange(LAST_KEY), item) for item in range(count)]


@pytest.mark.parametrize("removal", ["left", "right", "any", "thinning"])
@pytest.mark.parametrize("name", ["rising", "falling", "one key", "few keys", "any"])
def test_a_hundred_thousand_pairs_come_and_go_and_memory_with_them(name, removal):
    pairs = in_order(name, 100_000)
    tree = OrderedMap()
    for pair in pairs:
        assert tree.insert(*pair)
    tree.check()
    pairs.sort()
    assert tree.forward() == pairs
    if removal == "right":
        pairs.reverse()
    elif removal == "any":
        random.Random(removal).shuffle(pairs)
    elif removal == "thinning":  # every leaf goes down at the same pace
        pairs = [pair for start in (0, 2, 1, 4, 3, 6, 5) for pair in pairs[start::7]]
    for n, pair in enumerate(pairs):
        assert tree.remove(*pair)
        if n % 10_000 == 0:
            tree.check()
            assert tree.memory - EMPTY_MEMORY < 60 * len(tree) + 1000
    assert len(tree) == 0 and tree.check() == (0, 0) and tree.memory == EMPTY_MEMORY


@pytest.mark.parametrize("name", ["rising", "one key", "any"])
def test_ranks_of_a_hundred_thousand(name):
    pairs = in_order(name, 100_000)
    tree = OrderedMap()
    for pair in pairs:
        tree.insert(*pair)
    pairs.sort()
    for rank in range(0, len(pairs), 7):
        assert tree.at(rank) == pairs[rank] and tree.rank(*pairs[rank]) == rank


def test_a_tree_that_grows_at_its_right_end_has_full_leaves():
    tree = OrderedMap()
    for n in range(64 * 1000):
        tree.insert(n, 0)
    leaves, _ = tree.check()
    assert leaves == 1000 and tree.memory < 17.2 * len(tree)


def test_pairs_in_any_order_cost_little_more_than_themselves():
    tree = OrderedMap()
    for pair in in_order("any", 50_000):
        tree.insert(*pair)
    assert tree.memory < 20 * len(tree)


@pytest.mark.parametrize(("count", "memory"), [(1, 96), (4, 96), (5, 160), (16, 288), (130, 3000)])
def test_a_small_tree_is_small(count, memory):
    tree = OrderedMap()
    for n in random.Random(count).sample(range(10**6), count):
        tree.insert(n, n)
    assert tree.memory - EMPTY_MEMORY <= memory


def test_a_queue_stays_small():
    tree = OrderedMap()
    for n in range(20_000):
        tree.insert(n, 0)
        if n >= 100:
            assert tree.remove(n - 100, 0)
    assert tree.forward() == [(n, 0) for n in range(19_900, 20_000)]
    leaves, _ = tree.check()
    assert leaves <= 4 and tree.memory < 4000


def test_a_pair_coming_and_going_at_a_boundary_leaves_the_tree_right():
    for count in (1, 4, 5, 8, 16, 32, 64, 65, 64 * 32, 64 * 32 + 1):
        tree = OrderedMap()
        for n in range(count):
            tree.insert(n * 2, 0)
        for n in (0, count // 2, count - 1):
            for _ in range(3):
                assert tree.insert(n * 2 + 1, 0)
                tree.check()
                assert tree.remove(n * 2 + 1, 0)
                tree.check()
        assert tree.forward() == [(n * 2, 0) for n in range(count)]


@pytest.mark.parametrize("count", [1, 4, 64, 65, 3000])
def test_every_item_may_move_in_memory_and_the_old_one_is_never_looked_at(count):
    tree = OrderedMap()
    pairs = [(5, item) for item in range(count)]
    for pair in random.Random(count).sample(pairs, count):
        tree.insert(*pair)
    for pair in pairs:
        assert tree.replace(*pair)
    tree.check()
    assert tree.forward() == pairs and [tree.rank(*pair) for pair in pairs] == list(range(count))


def test_without_ties_there_is_one_item_a_key():
    tree = OrderedMap(ties=False)
    for key in range(1000):
        assert tree.insert(key, key + 1)
        assert not tree.insert(key, key + 2)
    assert tree.find(500, 0) == (500, 501) and tree.rank(500, 77) == 500
    assert tree.replace(500, 9) and tree.find(500, 0) == (500, 9)
    assert tree.remove(500, 77) and not tree.remove(500, 9)
    assert tree.seek_key(500) == (500, (501, 502)) and len(tree) == 999
    tree.check()


def test_an_empty_tree():
    tree = OrderedMap()
    assert tree.at(0) is None and tree.find(0, 0) is None and tree.rank(0, 0) == -1
    assert tree.seek(0, 0) == (0, None) and tree.seek_key(0) == (0, None)
    assert tree.forward() == [] and tree.backward() == [] and tree.check() == (0, 0)
    assert not tree.remove(0, 0) and not tree.replace(0, 0)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_keys_of_doubles_lie_as_the_doubles(a, b):
    assert (key_of(a) < key_of(b)) == (a < b) and (key_of(a) == key_of(b)) == (a == b)
    assert double_of(key_of(a)) == a


def test_the_zeros_are_one_and_infinities_lie_outside():
    assert key_of(-0.0) == key_of(0.0) and math.copysign(1, double_of(key_of(-0.0))) == 1
    assert key_of(-math.inf) < key_of(-1.7976931348623157e308) and key_of(1.7976931348623157e308) < key_of(math.inf)
    assert key_of(-5e-324) < key_of(0.0) < key_of(5e-324)
