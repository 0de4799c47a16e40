"""The longest common subsequence against the plain recursive definition."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.lib import lcs

texts = st.text("abc", max_size=14).map(str.encode)


@cache
def best(a: bytes, b: bytes) -> int:
    if not a or not b:
        return 0
    if a[-1] == b[-1]:
        return best(a[:-1], b[:-1]) + 1
    return max(best(a[:-1], b), best(a, b[:-1]))


def runs_of(flat: list[int]) -> list[tuple[int, int, int]]:
    return [(flat[i], flat[i + 1], flat[i + 2]) for i in range(0, len(flat), 3)]


@given(texts, texts)
def test_length_is_the_best_there_is(a: bytes, b: bytes) -> None:
    assert lcs.length(a, b) == best(a, b)


@given(texts, texts)
def test_the_runs_make_up_the_subsequence(a: bytes, b: bytes) -> None:
    found, flat = lcs.solve(a, b)
    assert len(found) == best(a, b)
    runs = runs_of(flat)
    assert b"".join(a[i : i + n] for i, _, n in reversed(runs)) == found
    assert b"".join(b[j : j + n] for _, j, n in reversed(runs)) == found
    for (i, j, _), (i2, j2, n2) in pairwise(runs):
        assert i2 + n2 <= i
        assert j2 + n2 <= j
        assert (i2 + n2, j2 + n2) != (i, j)  # else they were one run


def test_the_example_of_the_documentation() -> None:
    assert lcs.solve(b"ohmytext", b"mynewtext") == (b"mytext", [4, 5, 4, 2, 0, 2])


@pytest.mark.parametrize(("a", "b"), [(b"", b""), (b"", b"x"), (b"x", b"")])
def test_an_empty_string_has_nothing_in_common(a: bytes, b: bytes) -> None:
    assert lcs.length(a, b) == 0
    assert lcs.solve(a, b) == (b"", [])


def test_table_size_counts_four_bytes_for_each_pair_of_prefixes() -> None:
    assert lcs.table_size(2, 3) == 48
    assert lcs.table_size(2**29, 2**29) > 2**60
