"""Medians, ratios and verdicts, from rounds made up by hand."""

import pytest

from bench import targets
from bench.contenders import BASELINE
from bench.report import table
from bench.rounds import Result, Sample
from bench.workloads import PROFILES, Profile, Row, select


def result(*rounds: tuple[float, float], row: Row | None = None) -> Result:
    """A result with one (CPU of mtredis, CPU of redis) for each round; twice the CPU is half the speed."""
    made = Result(row or Row("GET"))
    for number, figures in enumerate(rounds):
        for name, cpu in zip(("mtredis", BASELINE), figures, strict=True):
            made.samples.append(Sample(number, name, 1000, 1e6 / cpu, cpu * 10, cpu * 20, cpu))
    return made


def test_a_disturbance_longer_than_a_round_does_not_move_the_ratio() -> None:
    medians = result((2.0, 4.0), (20.0, 40.0), (30.0, 60.0))
    ours = medians.medians()["mtredis"]
    assert (ours.cpu, ours.cpu_ratio, ours.speed_ratio, ours.p50_ratio) == (20.0, 2.0, 2.0, 0.5)


def test_without_the_baseline_there_is_no_ratio() -> None:
    alone = Result(Row("GET"), [Sample(0, "mtredis", 1, 1.0, 1.0, 1.0, 1.0)])
    assert alone.medians()["mtredis"].cpu_ratio is None


@pytest.mark.parametrize(("cpu", "is_met"), [(1.0, True), (1.04, True), (1.06, False)])
def test_a_target_is_a_bound_on_a_ratio(cpu: float, is_met: bool) -> None:
    verdicts = targets.check([result((cpu, 1.0))], None)
    assert [verdict.target.figure for verdict in verdicts] == ["cpu_ratio", "speed_ratio"]
    assert [verdict.is_met for verdict in verdicts] == [is_met, is_met]


def test_a_target_that_could_not_be_measured_is_missed() -> None:
    verdicts = targets.check([Result(Row("GET"), faults={"mtredis": "it failed"})], None)
    assert verdicts and not any(verdict.is_met for verdict in verdicts)
    assert "not measured" in verdicts[0].wording


def test_the_short_profile_and_that_of_types_have_a_row_for_every_target() -> None:
    rows = {row.name for name in ("short", "types") for row in PROFILES[name].rows}
    elsewhere = {target.row for target in targets.TARGETS if target.figure in ("rss_ratio", "growth")}
    assert {target.row for target in targets.TARGETS} - elsewhere == rows | {targets.FOOTPRINT_ROW}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_row_names_tell_rows_apart(profile: Profile) -> None:
    names = [row.name for row in profile.rows]
    assert len(set(names)) == len(names)


def test_rows_are_chosen_by_name_in_any_case() -> None:
    assert [row.name for row in select(PROFILES["short"].rows, "get c50 p1*")] == [
        "GET c50 P1", "GET c50 P16", "GET c50 P100",
    ]  # fmt: skip


def test_the_table_names_what_failed() -> None:
    failed = result((1.0, 2.0), row=Row("SET", size=65536))
    failed.faults["redis-io2"] = "it failed"
    lines = table([failed]).splitlines()
    assert lines[2].split()[:5] == ["SET", "c50", "P1", "64KiB", "mtredis"]
    assert lines[4].split() == ["redis-io2", "failed"]
