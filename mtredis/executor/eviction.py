"""Eviction: keeps the server inside `maxmemory` by deleting keys, and clients' buffers inside `maxmemory-clients`.

Idea: a write that finds the limit passed (the memory gate in `admission.py`) first has keys evicted, for as long as
`maxmemory-eviction-tenacity` allows; what is left to do is done a slice at a time between the rounds of the executor,
while commands go on. Only when nothing may go is a write refused. A little more is evicted than must be (SLACK), so
that the writes that follow find room and take the native path.

It cannot spiral: the loop ends by the estimate, in which a deleted key is gone at once, whether or not its memory has
been freed yet or the kernel has it back; what RSS adds to the estimate (`MemoryAccount`) does not grow by deleting.
Before keys are evicted because clients hold much, their buffers are measured anew.

Owner: the executor thread. Limits: only writes that may need memory, cron and a change of the limits start an eviction,
not every command; clients are measured ten times a second, not after each command.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mtredis.keyspace.evict import NOTHING_LEFT, Evictor
from mtredis.ops import log

if TYPE_CHECKING:
    from mtredis.client import Client
    from mtredis.keyspace.database import Keyspace
    from mtredis.keyspace.memory import MemoryAccount

# How an attempt to get below the limit ended: it is over, it goes on in the background, or nothing may go.
BELOW, RUNNING, STUCK = range(3)

SLACK = 16 << 10            # bytes, or a 256th of the limit
PENDING_MAX = 8 << 20       # bytes evicted that may wait for the background; it cannot keep up when there are more
CLIENTS_AGE = 0.1           # seconds for which a measurement of the clients is believed when keys would go for them
CLIENT_LIMIT_MIN = 128 << 10


def time_limit(tenacity: int) -> int:
    """µs that one attempt may take at a `maxmemory-eviction-tenacity`; -1: as long as it takes."""
    if tenacity <= 10:
        return 50 * tenacity
    return int(500 * 1.15 ** (tenacity - 10)) if tenacity < 100 else -1


def client_limit(amount: int, maxmemory: int) -> int:
    """Bytes that a `maxmemory-clients` allows (negative: a percentage of maxmemory); 0: no limit."""
    if amount < 0:
        amount = -amount * maxmemory // 100
    return max(amount, CLIENT_LIMIT_MIN) if amount else 0


class Eviction:
    """Gets memory below its limits. The server sets the hooks before anything runs."""

    def __init__(
        self, keyspace: "Keyspace", memory: "MemoryAccount", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keyspace = keyspace
        self._memory = memory
        self._clock = clock
        self.evictor = Evictor(keyspace)
        self._budget_us = time_limit(10)
        self._is_scheduled = False
        self._may_evict = False
        self._measured_at = clock()
        self._exceeded_since: float | None = None
        self._exceeded = 0.0
        self.evicted_clients = 0
        # Hooks
        self.is_safe: Callable[[], bool]   # False: keys must stay now, and writes are not refused
        self.call_soon: Callable[[Callable[[], object]], object]   # calls it after other work of the executor
        self.measure_clients: Callable[[], object]   # into the memory account
        self.free_pending: Callable[[], object]   # has freed what waits for it, in the background
        self.on_cycle: Callable[[int], object]   # µs that an attempt has taken
        self.on_lazyfree: Callable[[int], object] = lambda microseconds: None   # that it waited for what is freed

    def follow(self, policy: str, samples: int, tenacity: int) -> None:
        """Other parameters are in force."""
        self.evictor.set_policy(policy, samples)
        self._may_evict = policy != "noeviction"
        self._budget_us = time_limit(tenacity)

    # --- keys --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Has evicted in the background what is too much."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_scheduled = False
        self.perform()

    def perform(self) -> int:
        """Evicts keys if memory is above the limit: BELOW, RUNNING (writes may go on), or STUCK."""
        if not self.is_safe():
            return BELOW
        outcome = self._evict() if self._memory.is_over_limit() else BELOW
        if outcome == RUNNING:
            self.start()
        self._note(outcome)
        return outcome

    def postpone(self) -> int:
        """As `perform` where no key may change now: RUNNING if keys will go soon, even if there prove to be none."""
        if not self.is_safe() or not self._memory.is_over_limit():
            return BELOW
        if not self._may_evict:
            return STUCK
        self.start()
        return RUNNING

    def _evict(self) -> int:
        memory, started = self._memory, self._clock()
        if memory.clients > memory.maxmemory // 16 and started - self._measured_at >= CLIENTS_AGE:
            self.measure_clients()
            self._measured_at = started
        target = memory.room_for_data() - min(SLACK, memory.maxmemory // 256)
        outcome = self.evictor.run(max(0, target), self._budget_us)
        if self._keyspace.has_pending:
            self._free_big()
        self.on_cycle(int((self._clock() - started) * 1e6))
        if not memory.is_over_limit():
            return BELOW
        if outcome == NOTHING_LEFT or memory.data() == 0:
            return STUCK
        return RUNNING   # time was over, or clients have taken more meanwhile

    def _free_big(self) -> None:
        """What was evicted and is big is freed in the background, or here when too much of it is waiting."""
        if self.evictor.evicted_big > PENDING_MAX:
            started = self._clock()
            self._keyspace.free_pending()
            self.evictor.evicted_big = 0
            self.on_lazyfree(int((self._clock() - started) * 1e6))
        else:
            self.free_pending()

    def _note(self, outcome: int) -> None:
        """Keeps the time for which the limit is exceeded."""
        if outcome != BELOW:
            if self._exceeded_since is None:
                self._exceeded_since = self._clock()
        elif self._exceeded_since is not None:
            self._exceeded += self._clock() - self._exceeded_since
            self._exceeded_since = None

    # --- clients -----------------------------------------------------------------------------------------------------

    def evict_clients(
        self, held: int, limit: int, clients: Callable[[], list["Client"]], describe: Callable[["Client"], str]
    ) -> bool:
        """Closes the largest clients until what all `held` is below the limit; those of CLIENT NO-EVICT stay.

        Whether there were any.
        """
        if limit == 0 or held < limit:
            return False
        before = self.evicted_clients
        for client in sorted(clients(), key=lambda client: client.total_memory, reverse=True):
            if held < limit:
                break
            if client.no_evict:
                continue
            held -= client.total_memory
            log.notice(f"Evicting client: {describe(client)}")
            self.evicted_clients += 1
            client.kill()
        return self.evicted_clients != before

    # --- figures -----------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, int]:
        """INFO stats; times in ms."""
        current = self._clock() - self._exceeded_since if self._exceeded_since is not None else 0.0
        return {
            "evicted_keys": self.evictor.evicted,
            "evicted_clients": self.evicted_clients,
            "total_eviction_exceeded_time": int((self._exceeded + current) * 1000),
            "current_eviction_exceeded_time": int(current * 1000),
        }

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.evictor.evicted = self.evicted_clients = 0
        self._exceeded, self._exceeded_since = 0.0, None
