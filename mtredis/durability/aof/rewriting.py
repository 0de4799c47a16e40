"""When the log is rewritten by itself, and how long to wait after failures.

Idea: a rewrite is due when the log has grown by so many percent since the last one. Each one that fails has left one
more small file behind, so after some failures in a row the next attempt waits: a minute, then two, four, up to an hour.

Owner: the executor. The clock is the caller's.
"""

FAILURES_ALLOWED = 3
LONGEST_DELAY = 60  # minutes


def growth(size: int, base_size: int) -> int:
    """By how many percent the log has grown."""
    return size * 100 // (base_size or 1) - 100


class RewriteLimit:
    """Whether a rewrite has to wait because too many in a row have failed."""

    def __init__(self) -> None:
        self._delay = 0      # minutes
        self._until = 0      # unix seconds; 0: nothing to wait for

    def is_limited(self, failures: int, now: int) -> int:
        """0: go on. Else it has to wait; above 0: from now on, for so many minutes. `now` in unix seconds."""
        if failures < FAILURES_ALLOWED:
            self._delay = self._until = 0
            return 0
        if self._until:
            if now < self._until:
                return -1
            self._until = 0
            return 0
        self._delay = min(self._delay * 2 or 1, LONGEST_DELAY)
        self._until = now + self._delay * 60
        return self._delay
