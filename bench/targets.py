"""What issues 2 and 3 want reached, and the check of it (`--check`).

Idea: a target is a bound on one figure of mtredis in one row. The bounds hold for 2 cores, default workers, 32 bytes
and the median of 5 rounds; on other machines they are a hint. A target whose row was wanted but could not be measured
is missed; one whose row is not in the profile is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench import packed
from bench.curves import COMPLEXITY, Curve
from bench.footprint import FootprintResult
from bench.packed import PackedResult
from bench.rounds import Result
from bench.workloads import PROFILES

OURS = "mtredis"
FOOTPRINT_ROW = "footprint"


@dataclass(frozen=True)
class Target:
    """One bound."""

    row: str
    figure: str
    bound: float
    is_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether the value keeps the bound; an unknown value (NaN) does not."""
        return value >= self.bound if self.is_least else value <= self.bound

    @property
    def wording(self) -> str:
        """For people: "GET c50 P1: cpu_ratio ≥ 0.95"."""
        return f"{self.row}: {self.figure} {'≥' if self.is_least else '≤'} {self.bound:g}"


_RATIOS = {
    "GET c50 P1": 0.95,
    "SET c50 P1": 0.85,
    "GET c50 P16": 1.0,
    "SET c50 P16": 0.8,
    "GET c50 P100": 1.0,
    "SET c50 P100": 0.8,
    "GET c1000 P1": 0.9,
    "SET c1000 P1": 0.9,
}
_FOOTPRINT = {
    "bytes_per_key": 120,
    "bytes_per_integer": 80,
    "bytes_per_connection": 8192,
    "idle_cpu_percent": 1.0,
}
_SMALL = 100
"""Collections up to so many elements are small."""
_TYPES = {row.name: 0.85 if row.pipeline == 1 else 0.6 for row in PROFILES["types"].rows}
_PACKED = {f"{kind} of {size}": 1.5 if size <= _SMALL else 2.0 for kind in packed.KINDS for size in packed.KEYS}
_MOST_GROWTH = 20.0
"""From 10³ to 10⁶ members: a cost of O(log n) doubles, and misses the caches; one of O(n) grows by about 1000."""
TARGETS = (
    *(Target(row, figure, bound) for row, bound in _RATIOS.items() for figure in ("cpu_ratio", "speed_ratio")),
    Target("GET c1 P1", "p50_ratio", 1.15, is_least=False),
    Target("SET c1 P1", "p50_ratio", 1.6, is_least=False),
    *(Target(FOOTPRINT_ROW, figure, bound, is_least=False) for figure, bound in _FOOTPRINT.items()),
    *(Target(row, "cpu_ratio", bound) for row, bound in _TYPES.items()),
    *(Target(row, "rss_ratio", bound, is_least=False) for row, bound in _PACKED.items()),
    *(Target(f"{command} curve", "growth", _MOST_GROWTH, is_least=False) for command in COMPLEXITY),
)


@dataclass(frozen=True)
class Verdict:
    """A target and what was measured for it; None: nothing."""

    target: Target
    value: float | None

    @property
    def is_met(self) -> bool:
        """Whether it was measured and keeps the bound."""
        return self.value is not None and self.target.is_met(self.value)

    @property
    def wording(self) -> str:
        """One line for people."""
        measured = "not measured" if self.value is None else f"{self.value:.3g}"
        return f"{'met   ' if self.is_met else 'MISSED'}  {self.target.wording:<42} measured: {measured}"


def check(
    results: Sequence[Result],
    footprint: FootprintResult | None = None,
    collections: PackedResult | None = None,
    curves: Sequence[Curve] = (),
) -> list[Verdict]:
    """The verdict on every target of the rows that were wanted, in the table's order."""
    figures: dict[str, dict[str, float | None]] = {}
    for result in results:
        medians = result.medians().get(OURS)
        figures[result.row.name] = {} if medians is None else vars(medians)
    if footprint is not None:
        figures[FOOTPRINT_ROW] = dict(footprint.medians().get(OURS, {}))
    if collections is not None:
        figures |= {row: dict(each.get(OURS, {})) for row, each in collections.medians().items()}
    figures |= {f"{curve.command} curve": {"growth": curve.growth} for curve in curves if curve.contender == OURS}
    return [Verdict(each, figures[each.row].get(each.figure)) for each in TARGETS if each.row in figures]
