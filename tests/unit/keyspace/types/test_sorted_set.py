"""The sorted set type against a Python dict of scores: every operation, in both encodings and across the limits.

Idea: limits are set low and changed in between, so that sorted sets become skiplists at all sizes; the model knows
Redis's rules for that, which never lead back. What is drawn at random is checked to be possible by the state machine,
and to be fair by chi-square tests with fixed seeds. Scores come from few values, so members often decide the order.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.lib.numbers import format_double

from mtredis.errors import CommandError, WrongType

NX, XX, GT, LT, INCR = 1, 2, 4, 8, 16
UPDATED, ADDED, UNCHANGED, SKIPPED = range(4)
LISTPACK, SKIPLIST = b"listpack", b"skiplist"
LARGEST = 2.0**62   # whole scores up to here are integers in a listpack

members = st.one_of(
    st.integers(-5, 40).map(lambda number: b"%d" % number),
    st.sampled_from([b"", b"a", b"a\0", b"b", b"bb", b"\xff", b"007", b"%d" % 2**63, b"x" * 64, b"y" * 65]),
    st.just(b"z" * 5000),
    st.binary(max_size=4),
)
scores = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-7, 0.1, math.inf, -math.inf, LARGEST, -LARGEST, 2 * LARGEST]),
    st.integers(-3, 3).map(float),
    st.floats(allow_nan=False),
)
some = st.lists(st.tuples(members, scores), min_size=1, max_size=12)
conditions = st.sampled_from([0, 0, NX, XX, GT, LT, XX | GT, XX | LT])
ranks = st.integers(0, 60)


def flat(pairs: list[tuple[bytes, float]]) -> list[Any]:
    return [value for pair in pairs for value in pair]


def same_bits(a: float, b: float) -> bool:
    return a == b and math.copysign(1, a) == math.copysign(1, b)


class Against(RuleBasedStateMachine):
    """A sorted set in a database, or in none, beside its model."""

    @initialize(attached=st.booleans(), entries=st.integers(0, 30), value=st.sampled_from([0, 3, 64]))
    def begin(self, attached: bool, entries: int, value: int) -> None:
        self.keyspace = Keyspace(2, seed=7)
        self.attached = attached
        self.model: dict[bytes, float] = {}
        self.limit(entries, value)
        self.zset = self.keyspace[0].create(b"key", SortedSet) if attached else self.keyspace.new(SortedSet)
        self.is_packed = True   # what is empty takes the suitable encoding with its first member

    @rule(entries=st.integers(0, 30), value=st.sampled_from([0, 3, 64]))
    def limit(self, entries: int, value: int) -> None:
        self.entries, self.value = entries, value
        self.keyspace.set_limits({"zset_max_listpack_entries": entries, "zset_max_listpack_value": value})

    def fits(self, member: bytes) -> bool:
        return len(self.model) < self.entries and len(member) <= self.value

    def expected(self, member: bytes, score: float, flags: int) -> tuple[int, float]:
        """ZADD as Redis describes it; changes the model."""
        if member not in self.model:
            if flags & XX:
                return SKIPPED, score
            self.is_packed &= self.fits(member)
            self.model[member] = score + 0.0 if self.is_packed else score
            return ADDED, score
        current = self.model[member]
        if flags & NX:
            return SKIPPED, score
        if flags & INCR:
            score += current
            if math.isnan(score):
                return -2, score
        if (flags & LT and score >= current) or (flags & GT and score <= current):
            return SKIPPED, score
        if score == current:
            return UNCHANGED, score
        self.model[member] = score + 0.0 if self.is_packed else score
        return UPDATED, score

    @rule(member=members, score=scores)
    def add(self, member: bytes, score: float) -> None:
        assert self.zset.add(member, score) == self.expected(member, score, 0)[0]

    @rule(member=members, score=scores, flags=conditions, is_sum=st.booleans())
    def update(self, member: bytes, score: float, flags: int, is_sum: bool) -> None:
        flags |= INCR * is_sum
        code, total = self.expected(member, score, flags)
        if code < 0:
            with pytest.raises(CommandError, match="^ERR resulting score is not a number"):
                self.zset.update(member, score, flags)
            return
        ours = self.zset.update(member, score, flags)
        assert ours[0] == code
        assert code == SKIPPED or ours[1] == total

    @rule(pairs=some, flags=conditions)
    def update_many(self, pairs: list[tuple[bytes, float]], flags: int) -> None:
        if len(pairs) > self.entries or (not self.model and len(pairs[0][0]) > self.value):
            self.is_packed = False
        codes = [self.expected(member, score, flags)[0] for member, score in pairs]
        ours = self.zset.update_many([pair[0] for pair in pairs], [pair[1] for pair in pairs], flags)
        assert ours == (codes.count(ADDED), codes.count(UPDATED))

    @rule(count=st.integers(100, 300), step=st.sampled_from([1, 7, -1]))
    def add_many(self, count: int, step: int) -> None:
        self.update_many([(b"m%d" % at, float(at * step % 50)) for at in range(count)], 0)

    @rule(member=members)
    def remove(self, member: bytes) -> None:
        assert self.zset.remove(member) == (self.model.pop(member, None) is not None)

    @rule(gone=st.lists(members, max_size=8))
    def remove_many(self, gone: list[bytes]) -> None:
        wanted = sum(self.model.pop(member, None) is not None for member in gone)
        assert self.zset.remove_many([b"skipped", *gone], 1) == wanted

    @precondition(lambda self: self.model)
    @rule(rank=ranks, count=ranks)
    def remove_range(self, rank: int, count: int) -> None:
        for member, _ in self.ordered()[rank : rank + count]:
            del self.model[member]
        self.zset.remove_range(rank, count)

    @rule(count=st.integers(0, 5), highest=st.booleans())
    def pop(self, count: int, highest: bool) -> None:
        pairs = self.ordered()[:: -1 if highest else 1][:count]
        assert self.zset.pop(count, highest) == flat(pairs)
        for member, _ in pairs:
            del self.model[member]

    @rule(member=members, score=scores, text=members)
    def look(self, member: bytes, score: float, text: bytes) -> None:
        ordered = self.ordered()
        found = self.zset.score(member)
        assert found == self.model.get(member)
        values = [score for _, score in ordered]
        assert self.zset.rank_of_score(score) == bisect_left(values, score)
        assert self.zset.rank_of_score(score, True) == bisect_right(values, score)
        if member in self.model:
            assert same_bits(found, self.model[member])
            rank = ordered.index((member, self.model[member]))
            assert self.zset.rank(member) == rank
            assert self.zset.rank(member, True) == len(ordered) - 1 - rank
        else:
            assert self.zset.rank(member) is None
        if len(set(values)) == 1:
            names = [name for name, _ in ordered]
            assert self.zset.rank_of_text(text) == bisect_left(names, text)
            assert self.zset.rank_of_text(text, True) == bisect_right(names, text)

    @rule(rank=ranks, count=ranks, reverse=st.booleans())
    def read(self, rank: int, count: int, reverse: bool) -> None:
        wanted = self.ordered()[:: -1 if reverse else 1][rank : rank + count]
        assert self.zset.range(rank, count, reverse) == flat(wanted)
        assert self.zset.members(rank, count, reverse) == [member for member, _ in wanted]

    @rule(count=st.integers(0, 50))
    def draw(self, count: int) -> None:
        drawn = self.zset.random(count)
        assert len(drawn) == (2 * count if self.model else 0)
        assert dict(zip(drawn[::2], drawn[1::2], strict=True)).items() <= self.model.items()
        sampled = self.zset.sample(count)
        assert len(set(sampled[::2])) == len(sampled) // 2 == min(count, len(self.model))
        assert dict(zip(sampled[::2], sampled[1::2], strict=True)).items() <= self.model.items()

    @rule(count=st.integers(1, 40))
    def scan(self, count: int) -> None:
        found, cursor, rounds = dict[bytes, bytes](), 0, 0
        while True:
            cursor, pairs = self.zset.scan(cursor, count)
            found.update(zip(pairs[::2], pairs[1::2], strict=True))
            rounds += 1
            if cursor == 0:
                break
        form = format_double if self.zset.encoding == LISTPACK else (lambda score: b"%.17g" % score)
        assert found == {member: form(score) for member, score in self.model.items()}
        assert self.zset.encoding == SKIPLIST or rounds == 1

    @precondition(lambda self: self.attached)
    @rule()
    def copy(self) -> None:
        db = self.keyspace[0]
        assert db.copy(b"key", self.keyspace[1], b"copy")
        copied = self.keyspace[1].peek(b"copy", SortedSet)
        assert copied.range(0, len(self.model)) == flat(self.ordered())
        assert copied.encoding == self.zset.encoding
        assert all(copied.rank(member) == rank for rank, (member, _) in enumerate(self.ordered()))
        copied.add(b"only in the copy", 0.0)
        for member in self.model:
            copied.remove(member)
        assert copied.members(0, 2) == [b"only in the copy"]
        self.keyspace[1].delete(b"copy")

    def ordered(self) -> list[tuple[bytes, float]]:
        return sorted(self.model.items(), key=lambda pair: (pair[1], pair[0]))

    @invariant()
    def is_the_same(self) -> None:
        if not hasattr(self, "zset"):
            return
        assert self.zset.length() == len(self.model)
        if self.model:
            assert self.zset.encoding == (LISTPACK if self.is_packed else SKIPLIST)
        ours = self.zset.range(0, len(self.model) + 1)
        assert ours == flat(self.ordered())
        if self.attached:
            empty = Keyspace(1)
            assert self.keyspace.used_memory - self.zset.memory >= empty.used_memory
            assert self.keyspace[0].memory_usage(b"key") - self.zset.memory < 100


TestSortedSet = Against.TestCase
TestSortedSet.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


@pytest.fixture(params=[LISTPACK, SKIPLIST])
def zset(request: pytest.FixtureRequest) -> SortedSet:
    """Ten members m0 to m9 with their numbers as scores."""
    keyspace = Keyspace(1, seed=11)
    keyspace.set_limits({"zset_max_listpack_entries": 128 if request.param == LISTPACK else 0})
    zset = keyspace.new(SortedSet)
    zset.update_many([b"m%d" % at for at in range(10)], [float(at) for at in range(10)])
    assert zset.encoding == request.param
    return zset


def chi_square(counts: Counter[Any], outcomes: int) -> float:
    expected = counts.total() / outcomes
    return sum((counts[outcome] - expected) ** 2 / expected for outcome in counts) + (outcomes - len(counts)) * expected


def test_random_members_are_fair(zset: SortedSet) -> None:
    counts = Counter(zset.random(5000)[::2])
    assert chi_square(counts, 10) < 27.9   # 9 degrees of freedom: one time in a thousand


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_samples_are_fair(zset: SortedSet, count: int) -> None:
    counts: Counter[bytes] = Counter()
    for _ in range(3000 // count):
        counts.update(zset.sample(count)[::2])
    assert chi_square(counts, 10) < 27.9


def test_a_scan_meets_what_stays(zset: SortedSet) -> None:
    keyspace = Keyspace(1, seed=5)
    big = keyspace.new(SortedSet)
    names = [b"member:%d" % at for at in range(3000)]
    big.update_many(names, [1.0] * len(names))
    met, cursor, rounds = set[bytes](), 0, 0
    while True:
        cursor, pairs = big.scan(cursor, 10)
        met.update(pairs[::2])
        rounds += 1
        if cursor == 0:
            break
        big.remove(names[-rounds])   # grows smaller during the walk
        big.add(b"new:%d" % rounds, 2.0)
    assert rounds > 100
    assert met >= set(names[:-rounds])


def test_a_member_moves_with_its_score(zset: SortedSet) -> None:
    for score in (20.0, -1.0, 4.5, 4.25, 9.0, 0.0, -0.0, 3.0, 3.5):
        zset.add(b"m4x", score)
        others = [(float(at), b"m%d" % at) for at in range(10)]
        ordered = [member for _, member in sorted([*others, (score, b"m4x")])]
        assert zset.members(0, 11) == ordered
        assert [zset.rank(member) for member in ordered] == list(range(11))


def test_what_is_no_score_or_member(zset: SortedSet) -> None:
    with pytest.raises(ValueError, match="NaN"):
        zset.add(b"a", math.nan)
    with pytest.raises(TypeError):
        zset.update_many([b"a", "b"], [1.0, 2.0])
    with pytest.raises(TypeError):
        zset.update_many([b"a", b"b"], [1.0, 2])
    with pytest.raises(ValueError, match="every member"):
        zset.update_many([b"a", b"b"], [1.0])
    with pytest.raises(TypeError):
        zset.remove_many([b"m1", 1])
    assert zset.length() == 10


def test_memory_follows_the_members() -> None:
    keyspace = Keyspace(1)
    before = keyspace.used_memory
    zset = keyspace[0].create(b"k", SortedSet)
    sizes = []
    for count in (2, 10, 100, 1000, 20_000):
        names = [b"member:%d" % at for at in range(count)]
        zset.update_many(names, [float(at) for at in range(count)])
        sizes.append(zset.memory / count)
        assert keyspace.used_memory - before >= zset.memory
    assert max(sizes[2:3]) < 20   # packed
    assert max(sizes[3:]) < 110
    zset.remove_range(0, 19_990)
    assert zset.memory < 3000
    keyspace[0].delete(b"k")
    assert keyspace.used_memory < before + 10_000


# Sizes around those of leaves (64), of inner nodes (32 children) and of the next level; scores that rise, that come in
# any order, that are few, so that members decide.
@pytest.mark.parametrize("order", ["rising", "any", "few"])
@pytest.mark.parametrize(
    ("added", "kept"),
    [(2, 2), (64, 64), (65, 65), (129, 129), (2048, 2048), (2049, 2049), (70_000, 70_000), (70_000, 900)],
)
def test_a_copy_of_a_tree(added: int, kept: int, order: str) -> None:
    choice = random.Random(added + kept)
    keyspace = Keyspace(2)
    first, second = keyspace
    keyspace.set_limits({"zset_max_listpack_entries": 0})
    zset = first.create(b"k", SortedSet)
    names = [b"%x" % choice.getrandbits(60) for _ in range(added)]
    drawn = {"rising": float, "any": lambda at: choice.random(), "few": lambda at: float(choice.randrange(5))}[order]
    model = {name: drawn(at) for at, name in enumerate(names)}
    zset.update_many(list(model), list(model.values()))
    for name in names[kept:]:
        zset.remove(name)
        del model[name]
    before, held, original = keyspace.used_memory, zset.memory, flat(ranked(model))
    assert first.copy(b"k", second, b"c")
    copied = second.lookup_write(b"c", SortedSet)
    grown = keyspace.used_memory - before
    assert zset.memory == held
    assert copied.memory <= held * 1.02 + 100 + 16 * kept    # what malloc may add where no chunk fits
    assert copied.memory <= grown < copied.memory + 10_000
    for which in (copied, zset):
        assert which.range(0, kept) == original and which.encoding == SKIPLIST
        assert which.members(0, kept, True) == original[-2::-2]
        assert all(which.rank(name) == rank and which.score(name) == score
                   for rank, (name, score) in enumerate(ranked(model)))
    go_their_own_ways(zset, copied, model, choice)
    go_their_own_ways(copied, zset, model, choice)
    assert first.delete(b"k") and second.delete(b"c")
    assert keyspace.used_memory < 20_000


def ranked(model: dict[bytes, float]) -> list[tuple[bytes, float]]:
    return sorted(model.items(), key=lambda pair: (pair[1], pair[0]))


def go_their_own_ways(one: SortedSet, other: SortedSet, model: dict[bytes, float], choice: random.Random) -> None:
    """One loses its members in any order and gets them again, the other has their scores changed and changed back."""
    names = choice.sample(sorted(model), len(model))
    for name in names:
        assert one.remove(name)
    assert one.length() == 0
    for name in names[:3000]:
        other.add(name, -model[name] - 1.0)
    changed = model | {name: -model[name] - 1.0 for name in names[:3000]}
    assert other.range(0, len(model)) == flat(ranked(changed))
    one.update_many(names, [model[name] for name in names])
    for name in names[:3000]:
        other.add(name, model[name])
    assert one.range(0, len(model)) == other.range(0, len(model)) == flat(ranked(model))


def test_other_types() -> None:
    keyspace = Keyspace(1)
    keyspace[0].create(b"s", Set).add(b"a")
    with pytest.raises(WrongType):
        keyspace[0].lookup_read(b"s", SortedSet)
    keyspace[0].create(b"z", SortedSet).add(b"a", 1.0)
    with pytest.raises(WrongType):
        keyspace[0].lookup_read(b"z", Set)
    assert keyspace[0].peek_type(b"z") == b"zset"
