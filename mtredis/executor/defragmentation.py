"""When memory is defragmented, and when free pages go back to the kernel: the policy over `keyspace/defragment`.

Idea: fragmentation is what RSS holds above the estimate, in bytes and in percent of it, as for Redis. With
`activedefrag` a pass begins when both thresholds are passed, and takes a share of the CPU that grows from
`active-defrag-cycle-min` to `-max` with it, in steps of half a millisecond between the rounds of the executor. What a
pass has not been able to recover is not fragmentation (other threads' heaps, say), so it is taken off before the next
one is considered. While a snapshot is under way, a pass waits.

Without `activedefrag` only whole free pages are given back: now and then, when calm comes, and all the time while RSS
makes keys go that `maxmemory` would let stay (`MemoryAccount.correction`). Those pages lie where values of another size
were before, and nothing that is written now fits there. MEMORY PURGE has a whole pass made.

Owner: the executor thread. Limits: where the heap is not glibc's, nothing moves, and `give_back` is all there is.
malloc puts up to 10,000 free chunks in order in one call, so a step may take 3 to 6 ms.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mtredis.keyspace.defragment import Defragmenter

if TYPE_CHECKING:
    from mtredis.keyspace.database import Keyspace
    from mtredis.keyspace.memory import MemoryAccount

STEP = 500            # µs
PURGE_STEP = 2000     # µs of a pass that MEMORY PURGE makes before it answers
TRIM_PERCENT = 10     # of the CPU, for giving pages back without moving anything
PURGE_PERCENT = 25
BYTES_PER_FIELD = 16  # what active-defrag-max-scan-fields is taken for, as the size of a value says more about its cost
BLOCKED_MS = 100
TRIM_SECONDS = 60.0   # between two trims while commands go on, if there is much waste
TRIM_SECONDS_PRESSED = 0.5
TRIM_SECONDS_CALM = 2.0
TRIM_COMMANDS = 1000  # executed since the last trim, or there is nothing new to give back
WASTE_ALLOWED = 64 << 20   # bytes


class Defragmentation:
    """One keyspace's. The server sets the hooks before anything runs."""

    def __init__(
        self, keyspace: "Keyspace", memory: "MemoryAccount", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._memory = memory
        self._clock = clock
        self.defragmenter = Defragmenter(keyspace)
        self.enabled = False
        self._ignored = self._lower = self._upper = self._cycle_min = self._cycle_max = 0
        self.percent = 0          # of the CPU, while a pass that moves something is under way
        self._share = 0           # of the CPU, for any pass
        self._unavoidable = 0     # bytes of fragmentation that the last pass has left
        self._began = 0.0
        self._total = 0.0         # seconds
        self._trimmed_at = 0.0
        self._trimmed_commands = 0   # executed by then
        # Hooks
        self.call_later: Callable[[int, Callable[[], object]], object]   # in so many ms, between two commands
        self.on_cycle: Callable[[int], object]   # µs that a step has taken
        self.give_back: Callable[[], object]     # where there is nothing better

    def follow(self, config: Any) -> None:
        """Other parameters are in force."""
        self.enabled = config.activedefrag
        self._ignored = config.active_defrag_ignore_bytes
        self._lower, self._upper = config.active_defrag_threshold_lower, config.active_defrag_threshold_upper
        self._cycle_min, self._cycle_max = config.active_defrag_cycle_min, config.active_defrag_cycle_max
        self.defragmenter.large = config.active_defrag_max_scan_fields * BYTES_PER_FIELD
        self._unavoidable = 0
        if not self.enabled and self.percent:
            self._end()

    def fragmentation(self) -> int:
        """Bytes that RSS holds above the estimate, and that a pass may recover."""
        excess = self._memory.unexplained()
        self._unavoidable = min(self._unavoidable, excess)
        return excess - self._unavoidable

    def wanted_percent(self) -> int:
        """The share of the CPU that fragmentation is worth now; 0: below the thresholds."""
        excess = self.fragmentation()
        percent = excess * 100 // max(1, self._memory.used())
        if excess < self._ignored or percent < self._lower or not self.enabled:
            return 0
        if percent >= self._upper or self._upper <= self._lower:
            return max(self._cycle_min, self._cycle_max)
        rise = max(0, self._cycle_max - self._cycle_min) * (percent - self._lower) // (self._upper - self._lower)
        return self._cycle_min + rise

    # --- passes ------------------------------------------------------------------------------------------------------

    def cron(self) -> None:
        """Begins a pass if memory is fragmented; one that is under way gets the share that it is worth now."""
        if not self.enabled:
            return
        wanted = self.wanted_percent()
        if not self.defragmenter.is_running and wanted:
            self._start(True, wanted)
        elif self.percent:
            self.percent = self._share = max(self.percent, wanted)

    def trim_if_due(self, commands: int, is_calm: bool) -> None:
        """Whole free pages go back to the kernel soon; nothing moves. `commands`: executed so far."""
        if self._memory.correction:
            pause = TRIM_SECONDS_PRESSED
        elif is_calm:
            pause = TRIM_SECONDS_CALM
        elif self._memory.unexplained() > self._memory.used() // 2 + WASTE_ALLOWED:
            pause = TRIM_SECONDS
        else:
            return
        now = self._clock()
        if now - self._trimmed_at < pause or commands - self._trimmed_commands < TRIM_COMMANDS:
            return
        self._trimmed_at, self._trimmed_commands = now, commands
        if not self.defragmenter.is_running:
            self._start(False, TRIM_PERCENT)

    def purge(self) -> None:
        """A whole pass is made: it begins now, and goes on in the background."""
        if not self.defragmenter.is_running:
            self._start(True, PURGE_PERCENT)
        if self.defragmenter.is_running and not self.defragmenter.is_blocked:
            self._step(PURGE_STEP)

    def _start(self, compacts: bool, share: int) -> None:
        if not self.defragmenter.begin(compacts):
            self.give_back()
            return
        self._share = share
        self.percent = share if compacts else 0
        self._began = self._clock()
        self.call_later(1, self._go_on)

    def _go_on(self) -> None:
        if not self.defragmenter.is_running:
            return
        if self.defragmenter.is_blocked:
            self.call_later(BLOCKED_MS, self._go_on)
            return
        spent = self._step(STEP)
        if self.defragmenter.is_running:
            self.call_later(max(1, round(spent * (100 - self._share) / self._share / 1000)), self._go_on)

    def _step(self, budget: int) -> int:
        """One step; how many µs it took."""
        began = self._clock()
        is_over = not self.defragmenter.step(budget)
        spent = int((self._clock() - began) * 1e6)
        if is_over:
            self._end()
        self.on_cycle(spent)
        return spent

    def _end(self) -> None:
        self.defragmenter.stop()
        self._memory.measure()
        if self.percent:
            self._unavoidable = self._memory.unexplained()
            self._total += self._clock() - self._began
        self.percent = 0

    # --- figures -----------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, int]:
        """INFO stats and memory; times in ms."""
        current = self._clock() - self._began if self.percent else 0.0
        return {
            **self.defragmenter.statistics(),
            "active_defrag_running": self.percent,
            "total_active_defrag_time": int((self._total + current) * 1000),
            "current_active_defrag_time": int(current * 1000),
        }

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.defragmenter.reset_statistics()
        self._total, self._began = 0.0, self._clock()
