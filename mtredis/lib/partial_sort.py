"""A part of a sorted list, with equal items where Redis's partial quicksort leaves them.

Idea: where keys differ every sort gives the same, so Python's does the work. Only if equal keys reach into the part
that is wanted the quicksort of Bentley and McIlroy ("Engineering a Sort Function", 1993) is run as Redis does with
SORT ... BY ... LIMIT and GEOSEARCH ... COUNT: it is not stable, and leaves alone what lies outside of the part.

Owner: none. Cost: O(n log n); items that were made for it can cost quicksort O(n^2), as there.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

SMALL = 7  # fewer items are sorted by insertion
MEDIUM = 40  # more items take their pivot from nine


def partial_sort(keys: list[Any], start: int, end: int, *, reverse: bool = False) -> list[int]:
    """The indexes of the items that come to the places `start` to `end` - 1 when they are sorted by their keys."""
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)
    if end - start == len(keys) or start >= end:
        return order[start:end]
    shown = [keys[index] for index in order[max(start - 1, 0) : end + 1]]
    if any(one == other for one, other in pairwise(shown)):
        order = list(range(len(keys)))
        Quicksort(keys, order, -1 if reverse else 1).sort(0, len(keys), start, end - 1)
    return order[start:end]


class Quicksort:
    """Sorts `order`, indexes of `keys`, in place; `sign` -1: the greatest key first."""

    def __init__(self, keys: list[Any], order: list[int], sign: int) -> None:
        self.order = order

        def compare(one: int, other: int) -> int:
            a, b = keys[order[one]], keys[order[other]]
            return sign * ((a > b) - (a < b))

        self.compare: Callable[[int, int], int] = compare

    def swap(self, one: int, other: int) -> None:
        order = self.order
        order[one], order[other] = order[other], order[one]

    def swap_blocks(self, one: int, other: int, count: int) -> None:
        for step in range(count):
            self.swap(one + step, other + step)

    def sort(self, low: int, count: int, start: int, last: int) -> None:
        """Sorts `count` items from `low` on, as far as the places from `start` to `last` are among them."""
        while count >= SMALL:
            self.swap(low, self.pivot(low, count))
            less, greater = self.partition(low, count)
            if less > 1 and start <= low + less - 1 and last >= low:
                self.sort(low, less, start, last)
            low, count = low + count - greater, greater
            if count < 2 or start > low + count - 1 or last < low:
                return
        self.insertion_sort(low, count)

    def insertion_sort(self, low: int, count: int) -> None:
        for at in range(low + 1, low + count):
            while at > low and self.compare(at - 1, at) > 0:
                self.swap(at - 1, at)
                at -= 1

    def pivot(self, low: int, count: int) -> int:
        """The middle item, the median of three or of three such medians."""
        first, middle, last = low, low + count // 2, low + count - 1
        if count == SMALL:
            return middle
        if count > MEDIUM:
            step = count // 8
            first = self.median(first, first + step, first + 2 * step)
            middle = self.median(middle - step, middle, middle + step)
            last = self.median(last - 2 * step, last - step, last)
        return self.median(first, middle, last)

    def median(self, a: int, b: int, c: int) -> int:
        if self.compare(a, b) < 0:
            if self.compare(b, c) < 0:
                return b
            return c if self.compare(a, c) < 0 else a
        if self.compare(b, c) > 0:
            return b
        return a if self.compare(a, c) < 0 else c

    def partition(self, low: int, count: int) -> tuple[int, int]:
        """Divides by the item at `low`: how many are less and stand first now, and how many greater and stand last."""
        left = equal_left = low + 1
        right = equal_right = low + count - 1
        while True:
            while left <= right and (result := self.compare(left, low)) <= 0:
                if result == 0:
                    self.swap(equal_left, left)
                    equal_left += 1
                left += 1
            while left <= right and (result := self.compare(right, low)) >= 0:
                if result == 0:
                    self.swap(right, equal_right)
                    equal_right -= 1
                right -= 1
            if left > right:
                break
            self.swap(left, right)
            left += 1
            right -= 1
        end = low + count
        less, greater = left - equal_left, equal_right - right
        block = min(equal_left - low, less)
        self.swap_blocks(low, left - block, block)
        block = min(greater, end - equal_right - 1)
        self.swap_blocks(left, end - block, block)
        return less, greater
