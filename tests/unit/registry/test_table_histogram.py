"""In which bucket of a command's histogram a duration is counted."""

import pytest
from mtredis.registry.table import bucket_of_duration

from mtredis.ops.latency import BUCKETS, bucket_end


@pytest.mark.parametrize("step", [1, 7, 997])
def test_a_duration_lies_between_the_ends_of_its_bucket(step: int) -> None:
    for microseconds in range(0, min(1_000_001, 3000 * step), step):
        bucket = bucket_of_duration(microseconds)
        assert 0 <= bucket < BUCKETS
        assert microseconds * 1000 <= bucket_end(bucket)
        assert bucket == 0 or microseconds * 1000 > bucket_end(bucket - 1)


def test_what_is_out_of_range_lies_at_the_ends() -> None:
    assert bucket_of_duration(-1) == 0
    # One second lies in the last bucket but one.
    assert bucket_of_duration(10**12) == bucket_of_duration(1_000_000) == BUCKETS - 2
