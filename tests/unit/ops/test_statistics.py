"""Error kinds, rates, and the sums over the workers."""

from types import SimpleNamespace

from mtredis.ops.statistics import ERROR_KINDS_MAX, Rate, Statistics


def statistics(**faults: int) -> Statistics:
    worker = SimpleNamespace(
        statistics=lambda: {"protocol_errors": faults.get("faults", 0), "commands": 1},
        served=lambda: {b"get": 2},
    )
    return Statistics(SimpleNamespace(workers=[worker, worker]))


def test_a_rate_is_the_growth_per_second() -> None:
    rate = Rate()
    assert rate.per_second == 0.0
    for step in range(40):
        rate.sample(step * 100, step * 50)
    assert rate.per_second == 500.0
    rate.reset()
    assert rate.per_second == 0.0


def test_errors_are_counted_by_their_code_word() -> None:
    found = statistics()
    for text in ("ERR no", "ERR other", "WRONGTYPE Operation", "NOSPACE", "A" * 40 + " long"):
        found.count_error(text)
    assert found.of_errors() == {"ERR": 4, "WRONGTYPE": 1}
    assert found.error_replies == 5


def test_protocol_errors_of_workers_are_errors() -> None:
    assert statistics(faults=2).of_errors() == {"ERR": 4}


def test_made_up_kinds_end_the_counting_until_reset() -> None:
    found = statistics()
    for number in range(ERROR_KINDS_MAX + 5):
        found.count_error(f"E{number} text")
    assert found.of_errors() == {"ERRORSTATS_DISABLED": 1}
    assert found.error_replies == ERROR_KINDS_MAX + 5
    found.reset()
    found.count_error("ERR again")
    assert (found.of_errors(), found.error_replies) == ({"ERR": 1}, 1)


def test_workers_are_summed() -> None:
    assert statistics().of_workers()["commands"] == 2
    assert statistics().served() == {b"get": 4}
