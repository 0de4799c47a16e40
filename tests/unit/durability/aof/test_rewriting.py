"""When the log is rewritten by itself: growth, and the delay after failures."""

from mtredis.durability.aof.rewriting import RewriteLimit, growth


def test_growth_is_relative_to_the_last_rewrite() -> None:
    assert growth(200, 100) == 100
    assert growth(150, 100) == 50
    assert growth(100, 0) == 9900
    assert growth(0, 100) == -100


def test_failures_in_a_row_make_the_next_attempt_wait_ever_longer() -> None:
    limit = RewriteLimit()
    assert [limit.is_limited(failures, 0) for failures in range(3)] == [0, 0, 0]
    now, delays = 1000, []
    for _ in range(9):
        delays.append(limit.is_limited(3, now))
        assert limit.is_limited(3, now) == -1
        assert limit.is_limited(3, now + delays[-1] * 60 - 1) == -1
        now += delays[-1] * 60
        assert limit.is_limited(3, now) == 0   # one attempt
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert limit.is_limited(0, now) == 0
    assert limit.is_limited(3, now) == 1
