"""How the cost of a command grows with the collection: the CPU per request from the smallest size to the largest.

Idea: the points are ordinary rows (`members` is set); a curve is those of one command on one contender. Its growth,
the cost at the largest size ÷ that at the smallest, tells the classes apart: a cost of O(1) or O(log n) grows with
what misses the caches, by some small factor from 10³ to 10⁶ members; one of O(n) would grow by about 1000.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.rounds import Result

COMPLEXITY = {
    "SRANDMEMBER": "O(1)",
    "HRANDFIELD": "O(1)",
    "ZRANDMEMBER": "O(1)",
    "ZRANK": "O(log n)",
    "ZRANGE-MIDDLE": "O(log n + 10)",
    "ZADD": "O(log n)",
    "RPOP+LPUSH": "O(1)",
    "SINTER": "O(10)",
    "HGET": "O(1)",
    "SISMEMBER": "O(1)",
}
"""As Redis documents it, n being the members of the big collection."""


@dataclass(frozen=True)
class Curve:
    """One command on one contender."""

    command: str
    contender: str
    cpu: dict[int, float]
    """Members -> CPU in µs per request."""

    @property
    def growth(self) -> float:
        """The cost at the largest size ÷ that at the smallest."""
        return self.cpu[max(self.cpu)] / self.cpu[min(self.cpu)]


def of(results: Sequence[Result]) -> list[Curve]:
    """The curves in these results: those of commands that were measured at two sizes or more."""
    points: dict[tuple[str, str], dict[int, float]] = {}
    for result in results:
        if result.row.members:
            for name, medians in result.medians().items():
                points.setdefault((result.row.command, name), {})[result.row.members] = medians.cpu
    return [Curve(command, name, cpu) for (command, name), cpu in sorted(points.items()) if len(cpu) > 1]
