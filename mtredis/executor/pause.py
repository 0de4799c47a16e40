"""CLIENT PAUSE: which commands have to wait, and until when.

Idea: a pause is a mode (WRITE or ALL) and an end. The executor's gate asks `blocks` before it runs a client's command
and postpones the client while the answer is yes; `on_start` raises that gate, `on_end` lowers it and lets the
postponed clients go on.
As in Redis, a second PAUSE only ever extends: the later end wins and ALL is not weakened to WRITE.

Owner: the executor thread.
Invariants: `mode` is NONE exactly when `expires_at` is 0; `on_start` is called by every PAUSE that has an effect,
`on_end` once when the pause is over.
Limits: time is what the caller says it is (unix ms); nobody is woken by the clock alone, so the executor's cron calls
`is_active` at least every 100 ms while a pause lasts.
"""

from collections.abc import Callable
from enum import IntEnum

from mtredis.registry.command import MAY_REPLICATE, WRITE


class PauseMode(IntEnum):
    """What has to wait. A greater mode makes more commands wait."""

    NONE = 0
    WRITE = 1
    ALL = 2


class Pause:
    """The one pause of a server."""

    __slots__ = ("expires_at", "mode", "on_end", "on_start")

    def __init__(self) -> None:
        self.mode = PauseMode.NONE
        self.expires_at = 0
        self.on_start: Callable[[], object] | None = None
        self.on_end: Callable[[], object] | None = None

    def pause(self, until: int, mode: PauseMode, now: int) -> None:
        """Commands of `mode` wait until the unix time `until` (ms); a pause already in force is only ever extended."""
        expires_at = max(self.expires_at, until)
        if expires_at <= now:
            return
        self.expires_at = expires_at
        self.mode = max(self.mode, mode)
        if self.on_start is not None:
            self.on_start()

    def unpause(self) -> None:
        """No command waits any more."""
        if self.mode is PauseMode.NONE:
            return
        self.mode = PauseMode.NONE
        self.expires_at = 0
        if self.on_end is not None:
            self.on_end()

    def is_active(self, now: int) -> bool:
        """True while something has to wait at unix time `now` (ms); ends a pause whose time is over."""
        if self.mode is PauseMode.NONE:
            return False
        if now < self.expires_at:
            return True
        self.unpause()
        return False

    def blocks(self, command_flags: int) -> bool:
        """True if a command with these flags has to wait. For EXEC add the flags of the queued commands."""
        if self.mode is PauseMode.WRITE:
            return bool(command_flags & (WRITE | MAY_REPLICATE))
        return self.mode is PauseMode.ALL
