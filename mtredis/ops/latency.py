"""The latency monitor: for each kind of event, when it last took long, and how long at most; and command histograms.

Idea: a ring of 160 samples for each event, one a second (the worst of that second), and the maximum since the last
reset. A command's histogram has eight buckets for each doubling of time, starting so that every eighth ends where
Redis's LATENCY HISTOGRAM has a border; `registry.table` fills it, here it is read.

Owner: the executor thread. Limits: only events that someone reports by `sample` are known; a percentile is the upper
end of its bucket, at most 12.5 % too high.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

SAMPLES = 160
GRAPH_COLUMNS = 80
GRAPH_ROWS = 4
GRAPH_MARKS = "_o#"
BUCKETS = 168
BUCKETS_PER_DOUBLING = 8
STEP_NANOSECONDS = 129  # the width of the first buckets
LONGEST_MICROSECONDS = 1_073_741  # what Redis calls everything above a second


@dataclass(slots=True)
class EventHistory:
    """`samples`: (unix seconds, ms), oldest first. `maximum` in ms since the last reset."""

    maximum: int = 0
    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def summary(self, now: int) -> "EventSummary":
        """The samples in five figures; `now` in unix seconds."""
        values = [value for _, value in self.samples]
        average = sum(values) // len(values)
        return EventSummary(
            count=len(values),
            average=average,
            mean_deviation=sum(abs(average - value) for value in values) // len(values),
            seconds_between=max(1, now - self.samples[0][0]) / len(values),
            maximum=self.maximum,
        )


@dataclass(frozen=True, slots=True)
class EventSummary:
    """Times in ms, but for `seconds_between` two samples on average."""

    count: int
    average: int
    mean_deviation: int
    seconds_between: float
    maximum: int


class LatencyMonitor:
    """Histories by event name."""

    __slots__ = ("events",)

    def __init__(self) -> None:
        self.events: dict[str, EventHistory] = {}

    def sample(self, event: str, milliseconds: int, now: int | None = None) -> None:
        """The event has just taken so long; of several in one second the longest is kept."""
        seconds = int(time.time()) if now is None else now
        history = self.events.setdefault(event, EventHistory())
        history.maximum = max(history.maximum, milliseconds)
        if history.samples and history.samples[-1][0] == seconds:
            history.samples[-1] = (seconds, max(history.samples[-1][1], milliseconds))
        else:
            history.samples.append((seconds, milliseconds))

    def reset(self, *events: str) -> int:
        """Forgets these events (in any case), or all; how many there were."""
        wanted = {event.lower() for event in events}
        doomed = [event for event in self.events if not events or event.lower() in wanted]
        for event in doomed:
            del self.events[event]
        return len(doomed)

    def graph(self, event: str, now: int) -> str:
        """The event's samples as columns of characters with their ages below, under a line of figures."""
        history = self.events[event]
        values = [value for _, value in history.samples]
        head = f"{event} - high {max(values)} ms, low {min(values)} ms (all time high {history.maximum} ms)\n"
        labels = [age_label(now - when) for when, _ in history.samples]
        parts = [
            draw_columns(values[start:end], labels[start:end], min(values), max(values))
            for start, end in ((at, at + GRAPH_COLUMNS) for at in range(0, len(values), GRAPH_COLUMNS))
        ]
        return head + "-" * GRAPH_COLUMNS + "\n" + "\n".join(parts)


def age_label(seconds: int) -> str:
    """An age in its largest whole unit: 12s, 5m, 3h, 2d."""
    for limit, unit, letter in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds // unit}{letter}"
    return f"{seconds // 86400}d"


def draw_columns(values: Sequence[int], labels: Sequence[str], low: int, high: int) -> str:
    """One column for each value, its height between `low` and `high`, and its label written downwards below it."""
    marks = len(GRAPH_MARKS)
    steps = [min((value - low) * marks * GRAPH_ROWS // max(1, high - low), marks * GRAPH_ROWS - 1) for value in values]
    rows = []
    for row in range(GRAPH_ROWS):
        above = [step - (GRAPH_ROWS - row - 1) * marks for step in steps]
        rows.append("".join(" " if mark < 0 else GRAPH_MARKS[mark] if mark < marks else "|" for mark in above))
    rows.append(" " * len(values))
    for place in range(max(map(len, labels), default=0)):
        rows.append("".join(label[place : place + 1] or " " for label in labels))
    return "".join(row + "\n" for row in rows)


class Histogram:
    """A command's calls by duration, as counted in `registry.table`."""

    __slots__ = ("_counts",)

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts = counts

    @property
    def calls(self) -> int:
        return sum(self._counts)

    def percentile(self, percent: float) -> float:
        """µs that so many percent of the calls did not exceed."""
        wanted = max(1, int(percent / 100 * self.calls + 0.5))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return bucket_end(bucket) / 1000
        return 0.0

    def distribution(self) -> list[tuple[int, int]]:
        """(µs, calls that took no longer), at every doubling that adds calls."""
        found: list[tuple[int, int]] = []
        seen = 0
        for start in range(0, len(self._counts), BUCKETS_PER_DOUBLING):
            added = sum(self._counts[start : start + BUCKETS_PER_DOUBLING])
            if added:
                seen += added
                found.append((min(bucket_end(start + BUCKETS_PER_DOUBLING - 1) // 1000, LONGEST_MICROSECONDS), seen))
        return found


def bucket_end(bucket: int) -> int:
    """The longest duration in a bucket, in ns."""
    doubling, eighth = divmod(bucket, BUCKETS_PER_DOUBLING)
    steps = eighth + 1 if doubling == 0 else (BUCKETS_PER_DOUBLING + eighth + 1) << (doubling - 1)
    return steps * STEP_NANOSECONDS - 1
