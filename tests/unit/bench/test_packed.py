"""The requests that make collections, and the ratios of what they took."""

import pytest

from bench import targets
from bench.contenders import BASELINE
from bench.packed import KEYS, KINDS, PackedResult, Sample, exchanges
from bench.report import packed_table


def sample(contender: str, rss: float, used: float, size: int = 10, number: int = 0) -> Sample:
    return Sample(number, contender, "hash", size, 1000, rss, used)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 1001])
def test_requests_are_well_formed_and_their_replies_count_the_elements(kind: str, size: int) -> None:
    added: dict[bytes, int] = {}
    for request, reply in exchanges(kind, size, 3):
        lines = request.split(b"\r\n")
        words = lines[2::2]
        assert lines[0] == b"*%d" % len(words)
        assert lines[1:-1:2] == [b"$%d" % len(word) for word in words]
        count = 1 if kind == "stream" else int(reply[1:])
        added[words[1]] = count if kind == "list" else added.get(words[1], 0) + count
    assert list(added.values()) == [size] * 3


def test_a_ratio_is_that_of_the_medians() -> None:
    ours = [sample("mtredis", rss, 90, number=number) for number, rss in enumerate((100.0, 300.0, 120.0))]
    medians = PackedResult([*ours, sample(BASELINE, 100.0, 100.0)]).medians()["hash of 10"]
    assert medians["mtredis"] == {"rss": 120, "used_memory": 90, "rss_ratio": 1.2, "used_memory_ratio": 0.9}
    assert medians[BASELINE]["rss_ratio"] == 1


def test_without_the_baseline_there_is_no_ratio() -> None:
    alone = PackedResult([sample("mtredis", 100.0, 90.0)])
    assert alone.medians() == {"hash of 10": {"mtredis": {"rss": 100, "used_memory": 90}}}
    assert [verdict.is_met for verdict in targets.check([], None, alone)] == [False]


@pytest.mark.parametrize(
    ("size", "bytes_", "is_met"), [(10, 149, True), (10, 151, False), (1000, 199, True), (1000, 201, False)]
)
def test_small_and_big_have_their_bounds(size: int, bytes_: float, is_met: bool) -> None:
    result = PackedResult([sample("mtredis", bytes_, 1, size), sample(BASELINE, 100, 1, size)])
    (verdict,) = targets.check([], None, result)
    assert (verdict.target.row, verdict.is_met) == (f"hash of {size}", is_met)


def test_the_table_has_a_line_for_each_server() -> None:
    lines = packed_table(PackedResult([sample("mtredis", 1234, 90), sample(BASELINE, 100, 100)])).splitlines()
    assert lines[2].split() == ["hash", "of", "10", "mtredis", "1,234", "90", "12.34", "0.90"]
    assert lines[3].split() == [BASELINE, "100", "100", "1.00", "1.00"]


def test_every_kind_and_size_has_a_target() -> None:
    rows = {target.row for target in targets.TARGETS if target.figure == "rss_ratio"}
    assert rows == {f"{kind} of {size}" for kind in KINDS for size in KEYS}
