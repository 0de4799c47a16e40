"""What issue 2 wants reached, and the check of it (`--check`).

Idea: a target is a bound on one figure of mtredis in one row. The bounds hold for 2 cores, default workers, 32 bytes
and the median of 5 rounds; on other machines they are a hint. A target whose row was wanted but could not be measured
is missed; one whose row is not in the profile is left out.
"""

from dataclasses import dataclass

from bench.footprint import FootprintResult
from bench.rounds import Result

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
TARGETS = (
    *(Target(row, figure, bound) for row, bound in _RATIOS.items() for figure in ("cpu_ratio", "speed_ratio")),
    Target("GET c1 P1", "p50_ratio", 1.15, is_least=False),
    Target("SET c1 P1", "p50_ratio", 1.6, is_least=False),
    *(Target(FOOTPRINT_ROW, figure, bound, is_least=False) for figure, bound in _FOOTPRINT.items()),
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


def check(results: list[Result], footprint: FootprintResult | None) -> list[Verdict]:
    """The verdict on every target of the rows that were wanted, in the table's order."""
    figures: dict[str, dict[str, float | None]] = {}
    for result in results:
        medians = result.medians().get(OURS)
        figures[result.row.name] = {} if medians is None else vars(medians)
    if footprint is not None:
        figures[FOOTPRINT_ROW] = dict(footprint.medians().get(OURS, {}))
    return [Verdict(each, figures[each.row].get(each.figure)) for each in TARGETS if each.row in figures]
