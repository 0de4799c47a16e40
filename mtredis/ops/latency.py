"""The latency monitor: for each kind of event, when it last took long, and how long at most.

Idea: a ring of 160 samples for each event, one a second (the worst of that second), and the maximum since the last reset.
Owner: the executor thread. Limit: only events that someone reports by `sample` are known.
"""

import time
from collections import deque
from dataclasses import dataclass, field

SAMPLES = 160


@dataclass(slots=True)
class EventHistory:
    """`samples`: (unix seconds, ms), oldest first. `maximum` in ms since the last reset."""

    maximum: int = 0
    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SAMPLES))


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
        """Forgets these events, or all; how many there were."""
        doomed = [event for event in (events or tuple(self.events)) if event in self.events]
        for event in doomed:
            del self.events[event]
        return len(doomed)
