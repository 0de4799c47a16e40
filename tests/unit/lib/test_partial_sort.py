"""The part of a sorted list against a plain sort; where equal items land is compared with Redis in conformance."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.lib.partial_sort import Quicksort, partial_sort

keys = st.one_of(
    st.lists(st.integers(0, 5), max_size=120),
    st.lists(st.floats(allow_nan=False), max_size=120),
    st.lists(st.tuples(st.booleans(), st.binary(max_size=1)), max_size=60),
)


@given(keys, st.integers(0, 120), st.integers(0, 120), st.booleans())
def test_the_part_holds_what_a_full_sort_puts_there(items: list[object], one: int, other: int, reverse: bool) -> None:
    start, end = sorted((min(one, len(items)), min(other, len(items))))
    part = partial_sort(items, start, end, reverse=reverse)
    everything = sorted(items, reverse=reverse)  # type: ignore[type-var]
    assert [items[index] for index in part] == everything[start:end]
    assert len(set(part)) == len(part)


@given(keys, st.booleans())
def test_the_whole_is_sorted_stably(items: list[object], reverse: bool) -> None:
    order = partial_sort(items, 0, len(items), reverse=reverse)
    assert order == sorted(range(len(items)), key=lambda index: items[index], reverse=reverse)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 6, 7, 8, 40, 41, 1000])
@pytest.mark.parametrize("distinct", [1, 3, 10_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_quicksort_sorts_everything_if_asked_to(size: int, distinct: int, sign: int) -> None:
    items = [random.Random(size + distinct).randrange(distinct) for _ in range(size)]
    order = list(range(size))
    Quicksort(items, order, sign).sort(0, size, 0, size - 1)
    assert sorted(order) == list(range(size))
    assert [items[index] for index in order] == sorted(items, reverse=sign < 0)


def test_few_equal_items_stay_in_their_order() -> None:
    assert partial_sort([1, 1, 0, 1, 0], 0, 3) == [2, 4, 0]
    assert partial_sort([1, 1, 0, 1, 0], 1, 4, reverse=True) == [1, 3, 2]
    assert partial_sort([], 0, 0) == []
    assert partial_sort([1, 2], 2, 2) == []
