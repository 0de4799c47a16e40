"""Curves from rows made up by hand, and what is said of their growth."""

import pytest

from bench import curves, targets
from bench.contenders import BASELINE
from bench.report import curves_table
from bench.rounds import Result, Sample
from bench.workloads import PROFILES, Row


def point(members: int, ours: float, theirs: float) -> Result:
    made = Result(Row("ZRANK", pipeline=16, members=members))
    for name, cpu in (("mtredis", ours), (BASELINE, theirs)):
        made.samples.append(Sample(0, name, 1000, 1e6, 10.0, 20.0, cpu))
    return made


def test_growth_is_the_largest_size_beside_the_smallest() -> None:
    ours, theirs = curves.of([point(1000, 0.5, 1.0), point(1_000_000, 2.0, 3.0), point(10_000, 9.0, 9.0)])
    assert (ours.contender, ours.growth, theirs.contender, theirs.growth) == ("mtredis", 4.0, BASELINE, 3.0)
    assert ours.cpu == {1000: 0.5, 10_000: 9.0, 1_000_000: 2.0}


def test_one_size_is_no_curve_nor_are_ordinary_rows() -> None:
    ordinary = Result(Row("ZADD"), [Sample(0, "mtredis", 1, 1.0, 1.0, 1.0, 1.0)])
    assert curves.of([point(1000, 1.0, 1.0), ordinary]) == []


@pytest.mark.parametrize(("cost", "is_met"), [(19.9, True), (20.1, False), (1000.0, False)])
def test_a_curve_that_grows_with_its_size_misses_its_target(cost: float, is_met: bool) -> None:
    results = [point(1000, 1.0, 1.0), point(1_000_000, cost, 1.0)]
    (verdict,) = targets.check(results, curves=curves.of(results))
    assert (verdict.target.row, verdict.is_met) == ("ZRANK curve", is_met)


def test_the_table_has_a_column_for_each_size() -> None:
    lines = curves_table(curves.of([point(1000, 0.5, 1.0), point(10_000, 1.0, 3.0)])).splitlines()
    assert lines[0].split() == ["command", "documented", "server", "µs", "at", "1,000", "µs", "at", "10,000", "growth"]
    assert lines[2].split() == ["ZRANK", "O(log", "n)", "mtredis", "0.50", "1.00", "2.00"]


def test_every_curve_has_a_documented_cost() -> None:
    assert {row.command for row in PROFILES["curves"].rows} == set(curves.COMPLEXITY)
