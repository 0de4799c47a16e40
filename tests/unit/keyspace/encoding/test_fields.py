"""Fields against a dict through both forms, exact memory, fair random fields, and SCAN's guarantee."""

import random
from collections import Counter
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from mtredis.keyspace.encoding.fields import FieldsProbe

SMALL_MAX = 128
SMALL_KEEP = 32
NAMES = st.one_of(
    st.integers(0, 200).map(lambda n: b"f%d" % n),
    st.sampled_from([b"", b"\0", b"m" * 255, b"l" * 256, b"l" * 70_000]),
)
VALUES = st.one_of(
    st.binary(max_size=40), st.binary(min_size=500, max_size=600),
    st.integers(-(2**64), 2**64).map(lambda n: b"%d" % n),
    st.sampled_from([b"", b"0", b"-0", b"007", b"+1", b" 1", b"1 ", b"-9223372036854775808", b"9223372036854775808"]),
)
TIMES = st.sampled_from([-1, -1, 0, 1, 2**62])


def number_of(value):
    """Whether the text is what a 64-bit number is printed as."""
    try:
        number = int(value)
    except ValueError:
        return False
    return b"%d" % number == value and -(2**63) <= number < 2**63


class Model(RuleBasedStateMachine):
    """`self.model` maps names to (value, expire_at, kept as a number)."""

    @initialize(seed=st.integers(1, 2**32), readers=st.booleans())
    def begin(self, seed, readers):
        self.fields = FieldsProbe(seed.to_bytes(16), seed)
        self.fields.simulate_readers(readers)
        self.model = {}
        self.others = []    # (fields, what they hold)

    @rule(name=NAMES, value=VALUES, expire_at=TIMES)
    def set_one(self, name, value, expire_at):
        assert self.fields.set(name, value, expire_at) == (name not in self.model)
        self.model[name] = (value, expire_at, number_of(value))

    @rule(name=NAMES, word=st.one_of(st.integers(0, 2**64 - 1), st.just(int.from_bytes(b"12345678", "little"))))
    def set_word(self, name, word):
        assert self.fields.set_word(name, word) == (name not in self.model)
        self.model[name] = (word.to_bytes(8, "little"), -1, False)

    @rule(first=st.integers(0, 1500), count=st.integers(0, 1500), value=VALUES, expire_at=TIMES)
    def set_many(self, first, count, value, expire_at):
        for i in range(first, first + count):
            self.set_one(b"f%d" % i, value, expire_at)

    @rule(name=NAMES)
    def delete(self, name):
        assert self.fields.delete(name) == (self.model.pop(name, None) is not None)

    @rule(keep=st.sampled_from([0, 1, 5, SMALL_KEEP - 1, SMALL_KEEP, 90, SMALL_MAX, 300]), seed=st.integers(0, 9))
    def delete_but_some(self, keep, seed):
        names = sorted(self.model)
        random.Random(seed).shuffle(names)
        for name in names[keep:]:
            self.delete(name)

    @rule(name=NAMES, expire_at=TIMES)
    def set_expire(self, name, expire_at):
        assert self.fields.set_expire(name, expire_at) == (name in self.model)
        if name in self.model:
            value, _, number = self.model[name]
            self.model[name] = (value, expire_at, number)

    @rule(name=NAMES)
    def get(self, name):
        assert self.fields.get(name) == self.model.get(name)

    @rule()
    def scan(self):
        cursor, met = self.fields.scan(0)
        while cursor:
            cursor, names = self.fields.scan(cursor)
            assert names or not cursor
            met += names
        assert sorted(met) == sorted(self.model)

    @rule(is_copy=st.booleans())
    def go_on_with_one_of_two(self, is_copy):
        """Of a copy and its source; the other one changes before and stays as it is then."""
        copy = self.fields.copy()
        assert copy.items() == self.fields.items()
        self.fields, other = (copy, self.fields) if is_copy else (self.fields, copy)
        other.set(b"only in the other")
        other.delete(b"f0")
        self.others = [(other, other.items()), *self.others[:1]]

    @invariant()
    def is_the_model(self):
        fields = self.fields
        assert len(fields) == len(self.model)
        assert fields.volatile == sum(expire_at != -1 for _, expire_at, _ in self.model.values())
        assert fields.memory == fields.counted_memory()
        assert sorted(fields.items()) == sorted((name, *entry[:2]) for name, entry in self.model.items())
        drawn = fields.draw()
        assert drawn in self.model if self.model else drawn is None
        if len(self.model) > SMALL_MAX:
            assert fields.is_table
        if len(self.model) < SMALL_KEEP:
            assert not fields.is_table

    @invariant()
    def others_stay(self):
        for other, items in self.others:
            assert other.items() == items

    def teardown(self):
        for name, entry in getattr(self, "model", {}).items():
            assert self.fields.get(name) == entry


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def filled(count, seed=1, prefix=b"f"):
    """Fields with so many names."""
    fields = FieldsProbe(seed=seed)
    for i in range(count):
        fields.set(b"%s%d" % (prefix, i))
    return fields


def test_the_form_changes_at_its_limits_only():
    fields = filled(SMALL_MAX)
    assert not fields.is_table
    fields.set(b"one more")
    assert fields.is_table
    for i in range(SMALL_MAX - SMALL_KEEP + 1):
        fields.delete(b"f%d" % i)
        assert fields.is_table
    fields.delete(b"one more")
    assert not fields.is_table
    assert len(fields) == SMALL_KEEP - 1


def test_a_table_that_becomes_small_keeps_times_to_live():
    fields = filled(1000)
    fields.set_expire(b"f999", 12345)
    for i in range(999):
        fields.delete(b"f%d" % i)
    assert not fields.is_table
    assert fields.items() == [(b"f999", b"", 12345)]
    assert fields.volatile == 1


@pytest.mark.parametrize("readers", [False, True])
def test_memory_comes_back(readers):
    fields = FieldsProbe()
    fields.simulate_readers(readers)
    fields.set(b"first")
    before = fields.memory
    for i in range(5000):
        fields.set(b"f%d" % i, b"v" * 50)
    peak = fields.memory
    for i in range(5000):
        fields.delete(b"f%d" % i)
    assert peak > 5000 * 60
    assert fields.memory == fields.counted_memory() == before


def test_a_value_that_shrinks_does_not_keep_its_memory():
    fields = FieldsProbe()
    fields.set(b"f", b"v" * 10_000)
    large = fields.memory
    fields.set(b"f", b"v")
    assert fields.memory < large - 9000


def test_a_value_of_16_mib_and_back():
    fields = FieldsProbe()
    for value in (b"a" * (1 << 24), b"b" * ((1 << 24) - 1), b"c" * (1 << 24), b"d" * ((1 << 24) - 1)):
        fields.set(b"f", value, 1 if value[0] in b"bd" else -1)
        assert fields.get(b"f") == (value, 1 if value[0] in b"bd" else -1, False)
        assert fields.volatile == (value[0] in b"bd")
        assert fields.memory == fields.counted_memory()


@pytest.mark.parametrize(("added", "kept"), [(1, 1), (100, 100), (129, 129), (300, 40), (3000, 3000), (3000, 600)])
def test_random_fields_are_fair(added, kept):
    fields = filled(added, seed=7)
    names = [b"f%d" % i for i in range(added)]
    random.Random(7).shuffle(names)
    for name in names[kept:]:
        fields.delete(name)
    each = 40
    drawn = Counter(fields.draw() for _ in range(kept * each))
    assert set(drawn) == set(names[:kept])    # one is missed with a probability of exp(-40)
    chi_square = sum((drawn[name] - each) ** 2 / each for name in names[:kept])
    # mean kept - 1, deviation sqrt(2 (kept - 1)): six deviations, and room for the skew of few degrees of freedom
    assert chi_square <= kept - 1 + 6 * (2 * (kept - 1)) ** 0.5 + 10 * (kept > 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(0, 4000), st.sampled_from([(30, 2), (2, 30), (20, 20)]))
def test_scan_meets_each_lasting_field_while_others_come_and_go(seed, lasting, others, rates):
    randomness = random.Random(seed)
    fields = filled(lasting, prefix=b"stay:")
    stay = {b"stay:%d" % i for i in range(lasting)}
    passing = [b"old:%d" % i for i in range(others)]
    for name in passing:
        fields.set(name)
    cursor, met = fields.scan(0)
    steps = 0
    while cursor:
        assert cursor < 2**48
        for _ in range(randomness.randrange(rates[0])):
            passing.append(b"new:%d" % randomness.getrandbits(60))
            fields.set(passing[-1])
        randomness.shuffle(passing)
        for _ in range(min(len(passing), randomness.randrange(rates[1]))):
            fields.delete(passing.pop())
        steps += 1
        if steps > 300:
            while passing:
                fields.delete(passing.pop())
        cursor, names = fields.scan(cursor)
        met += names
    assert stay <= set(met)


def test_scan_of_a_table_that_becomes_small_and_a_table_again():
    fields = filled(40, prefix=b"stay:")
    for i in range(2000):
        fields.set(b"old:%d" % i)
    cursor, met = fields.scan(0)
    for _ in range(20):
        cursor, names = fields.scan(cursor)
        met += names
    for i in range(2000):
        fields.delete(b"old:%d" % i)
    for i in range(10, 40):
        fields.delete(b"stay:%d" % i)
    assert not fields.is_table
    for i in range(3000):
        fields.set(b"new:%d" % i)
    assert fields.is_table
    while cursor:
        cursor, names = fields.scan(cursor)
        met += names
    assert {b"stay:%d" % i for i in range(10)} <= set(met)


def test_any_number_is_a_cursor():
    fields = filled(500)
    names = {name for name, _, _ in fields.items()}
    for cursor in (1, 2**47, 2**48 - 1, 2**48, 2**63, 2**64 - 1):
        following, met = fields.scan(cursor)
        assert following < 2**48
        assert set(met) <= names
    assert len(filled(5).scan(12345)[1]) == 5


def test_another_thread_frees_while_this_one_goes_on():
    mine = filled(10)
    theirs = [filled(2000), filled(20)]
    thread = Thread(target=theirs.clear)
    thread.start()
    for i in range(3000):
        mine.set(b"g%d" % i, b"v")
    thread.join()
    assert len(mine) == 3010
    assert mine.memory == mine.counted_memory()


def states():
    """(how many fields are added, how many of them stay): both forms, splits, depths, merged and empty segments."""
    added = [0, 1, 4, 5, SMALL_MAX, SMALL_MAX + 1, 300, 430, 491, 1000, 5000, 40_000]
    sparse = [(300, SMALL_KEEP), (300, SMALL_KEEP - 1), (5000, 600), (5000, 33), (40_000, 9000), (40_000, 1)]
    return [(count, count) for count in added] + sparse


def mixed(added, kept):
    """Fields and what they hold: many are deleted, every fifth has a time to live, some have memory to spare."""
    fields, model = FieldsProbe(seed=added + kept), {}
    for i in range(added):
        name, value, time = b"f%d" % i, b"%d" % i if i % 3 else b"v" * (i % 90), -1 if i % 5 else 10 + i
        fields.set(name, b"v" * 100)
        fields.set(name, value, time)
        model[name] = (value, time, number_of(value))
    for name in random.Random(7).sample(sorted(model), added - kept):
        fields.delete(name)
        del model[name]
    return fields, model


@pytest.mark.parametrize(("added", "kept"), states())
def test_a_copy_has_everything_and_no_more_memory(added, kept):
    fields, model = mixed(added, kept)
    before = fields.memory
    copy = fields.copy()
    assert copy.items() == fields.items() and copy.is_table == fields.is_table
    assert (len(copy), copy.volatile) == (kept, fields.volatile)
    assert all(copy.get(name) == entry for name, entry in model.items())
    assert copy.get(b"none") is None and (copy.draw() in model if model else copy.draw() is None)
    assert copy.memory == copy.counted_memory()
    assert copy.memory <= before * 1.02 + 100 + 16 * kept    # what malloc may add where no chunk fits
    assert fields.memory == fields.counted_memory() == before


@pytest.mark.parametrize("readers", [False, True])
@pytest.mark.parametrize(("added", "kept"), states())
def test_a_copy_and_its_source_go_their_own_ways(added, kept, readers):
    """One splits, the other merges, and each has what it should have; then the other way round."""
    fields, model = mixed(added, kept)
    fields.simulate_readers(readers)
    for growing, shrinking in ((fields, fields.copy()), (fields.copy(), fields)):
        for i in range(kept + 600):
            assert growing.set(b"more:%d" % i, b"x", 5)
        for name in model:
            assert shrinking.delete(name)
        assert len(shrinking) == 0 and shrinking.items() == [] and not shrinking.is_table
        assert all(growing.get(name) == entry for name, entry in model.items())
        assert len(growing) == kept + kept + 600
        for probe in (growing, shrinking):
            assert probe.memory == probe.counted_memory()
        for i in range(kept + 600):
            assert growing.delete(b"more:%d" % i)
        for name, (value, time, _) in model.items():
            assert growing.get(name)[0] == value and growing.set_expire(name, time)
            shrinking.set(name, value, time)


def test_a_copy_lives_on_without_its_source():
    fields, model = mixed(5000, 3000)
    copy = fields.copy()
    for name in model:
        fields.delete(name)
    del fields
    assert sorted(item[0] for item in copy.items()) == sorted(model)


def test_others_read_the_source_while_it_is_copied():
    fields, model = mixed(20_000, 12_000)
    names, items, wrong, is_over = sorted(model), fields.items(), [], False

    def read(seed):
        draw = random.Random(seed)
        while not is_over:
            name = draw.choice(names)
            if fields.get(name) != model[name] or fields.get(b"none") is not None:
                wrong.append(name)

    threads = [Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        copy = fields.copy()
        copy.delete(names[0])
    is_over = True
    for thread in threads:
        thread.join()
    assert not wrong
    assert fields.items() == items and fields.memory == fields.counted_memory()
