"""The latency monitor's samples, their picture, and the reading of command histograms."""

from itertools import pairwise

import pytest

from mtredis.ops.latency import Histogram, LatencyMonitor, age_label, bucket_end, draw_columns


def histogram(*buckets: tuple[int, int]) -> Histogram:
    counts = [0] * 168
    for bucket, count in buckets:
        counts[bucket] = count
    return Histogram(counts)


def test_one_sample_a_second_the_worst() -> None:
    monitor = LatencyMonitor()
    for milliseconds, now in ((10, 100), (30, 100), (20, 100), (5, 101)):
        monitor.sample("command", milliseconds, now)
    assert list(monitor.events["command"].samples) == [(100, 30), (101, 5)]
    assert monitor.events["command"].maximum == 30


def test_only_the_last_160_samples_are_kept() -> None:
    monitor = LatencyMonitor()
    for now in range(200):
        monitor.sample("command", 200 - now, now)
    samples = monitor.events["command"].samples
    assert (len(samples), samples[0], monitor.events["command"].maximum) == (160, (40, 160), 200)


def test_reset_of_some_or_all_in_any_case() -> None:
    monitor = LatencyMonitor()
    for event in ("command", "fast-command", "expire-cycle"):
        monitor.sample(event, 1, 1)
    assert monitor.reset("COMMAND", "nosuch", "command") == 1
    assert list(monitor.events) == ["fast-command", "expire-cycle"]
    assert monitor.reset() == 2
    assert monitor.reset() == 0


def test_summary() -> None:
    monitor = LatencyMonitor()
    for milliseconds, now in ((10, 100), (20, 110), (60, 120)):
        monitor.sample("command", milliseconds, now)
    summary = monitor.events["command"].summary(130)
    assert (summary.count, summary.average, summary.mean_deviation, summary.maximum) == (3, 30, 20, 60)
    assert summary.seconds_between == 10.0


@pytest.mark.parametrize(
    ("seconds", "label"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86400, "1d"), (200000, "2d")],
)
def test_age_label(seconds: int, label: str) -> None:
    assert age_label(seconds) == label


def test_columns_grow_from_low_to_high() -> None:
    assert draw_columns([0, 6, 12], ["9s", "8s", "12m"], 0, 12).split("\n") == [
        "  #", " _|", " ||", "_||", "   ", "981", "ss2", "  m", "",
    ]  # fmt: skip


def test_graph_breaks_lines_after_80_samples() -> None:
    monitor = LatencyMonitor()
    for now in range(100):
        monitor.sample("command", 5, now)
    lines = monitor.graph("command", 100).split("\n")
    assert lines[0] == "command - high 5 ms, low 5 ms (all time high 5 ms)"
    assert lines[1] == "-" * 80
    assert {len(line) for line in lines} == {50, 80, 20, 0}


def test_buckets_end_where_the_next_begins() -> None:
    ends = [bucket_end(bucket) for bucket in range(168)]
    assert ends == sorted(set(ends))
    assert all((end - before) / end <= 0.125 for before, end in pairwise(ends[8:]))
    assert [ends[last] // 1000 for last in (7, 15, 23, 31, 39, 47, 55, 63)] == [1, 2, 4, 8, 16, 33, 66, 132]


def test_distribution_counts_up_to_each_border() -> None:
    assert histogram((0, 3), (7, 1), (40, 2), (47, 1)).distribution() == [(1, 4), (33, 7)]
    assert histogram().distribution() == []
    assert histogram((167, 1)).distribution() == [(1_073_741, 1)]


def test_percentiles() -> None:
    many = histogram((7, 90), (15, 9), (23, 1))
    assert many.calls == 100
    found = [many.percentile(percent) for percent in (0, 50, 90, 91, 99, 100)]
    assert found == [1.031, 1.031, 1.031, 2.063, 2.063, 4.127]
