"""How much memory the server uses: the keyspace's running estimate, and what the kernel says the process holds.

Idea: the estimate follows every write at once but knows only the data and, by sampling, the clients; RSS knows
everything but is read some times a second, and keeps pages that an allocator has not given back. `used()` is the
estimate; `rss` is psutil's last reading (`lib/meter`), and `base` what the process held before it had any data, the
interpreter above all: that counts neither as used nor towards a limit, for a user's limit is meant for the data. Limits
are checked against the estimate, so that deleting helps at once.

What RSS holds above the limit and the estimate does not explain (fragmentation, above all) is added to the estimate
when it is compared with the limit: `correction`. What the estimate was at its highest since RSS was last lower explains
that much of RSS: it is memory that was freed and that the allocator keeps for what comes. So the correction grows with
RSS alone, never by deleting, and at most to a quarter of the limit; it goes back slowly, so nothing swings.

Limit: values many times larger than those they replace find no room in the holes that these leave; then RSS passes the
limit for some seconds, by a third to two thirds of it where keys go at random places and sizes come in phases
(redis-server under the same load: by its whole, and for longer), until the small ones are gone and their pages are
given back (`executor/defragmentation`).

Owner: the executor thread. Figures in bytes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtredis.lib import allocator
from mtredis.lib.allocator import HeapFigures
from mtredis.lib.meter import Meter

if TYPE_CHECKING:
    from mtredis.keyspace.database import Database, Keyspace

SEGMENT_SIZE = 4544 + 24  # struct Segment, its place in the directory and the vector
STARTUP = 128 * 64  # what is used without any data: the slots in which readers announce themselves
RSS_NOISE = 24 << 20  # bytes by which RSS may grow without any data
_UNITS = "KMGTP"


def human_size(size: int) -> str:
    """512B, 1.50K, 2.00M, ..."""
    if size < 1024:
        return f"{size}B"
    for power, unit in enumerate(_UNITS, 1):
        if size < 1024 ** (power + 1):
            return f"{size / 1024**power:.2f}{unit}"
    return f"{size}B"


def table_overhead(db: "Database") -> int:
    """What the tables of a database take without its entries."""
    return int(db.segments) * SEGMENT_SIZE if len(db) else 0


@dataclass(frozen=True, slots=True)
class MemoryOverview:
    """The server's memory at one moment, in bytes; `overhead` is all that is used but the data."""

    used: int
    peak: int
    rss: int
    base: int
    clients: int
    tables: int
    keys: int
    heap: HeapFigures

    @property
    def overhead(self) -> int:
        return STARTUP + self.clients + self.tables

    @property
    def dataset(self) -> int:
        return max(0, self.used - self.overhead)

    @property
    def dataset_percent(self) -> float:
        """Of what is used."""
        return self.dataset * 100 / max(1, self.used - STARTUP)

    @property
    def peak_percent(self) -> float:
        return self.used * 100 / max(1, self.peak)

    @property
    def bytes_per_key(self) -> int:
        return self.dataset // self.keys if self.keys else 0

    @property
    def resident(self) -> int:
        """What of the allocator's memory can be in RAM at most."""
        return min(self.rss, self.heap.active) if self.heap.active else self.rss

    @property
    def heap_fragmentation(self) -> float:
        return self.heap.active / max(1, self.heap.allocated) if self.heap.active else 1.0

    @property
    def heap_residence(self) -> float:
        return self.resident / max(1, self.heap.active) if self.heap.active else 1.0

    @property
    def rss_overhead(self) -> float:
        return self.rss / max(1, self.resident)

    @property
    def unexplained(self) -> int:
        """What RSS has grown by and the estimate does not know; below 0 when pages were swapped out or never used."""
        return self.rss - self.base - self.used

    @property
    def fragmentation(self) -> float:
        """What RSS has grown by over the estimate."""
        return max(0, self.rss - self.base) / max(1, self.used)


class MemoryAccount:
    """The server's memory figures. `maxmemory` 0 means no limit."""

    def __init__(self, keyspace: "Keyspace", meter: Meter) -> None:
        self._keyspace = keyspace
        self._meter = meter
        self.maxmemory = 0
        self.correction = 0
        self._steady = 0   # of the clients' memory, what is no backlog
        self._explained = 0
        self.rss = 0
        self.peak = 0
        self.peak_time = 0.0
        self.base = max(0, meter.rss - self.data())
        self.backlog: Callable[[], int] = lambda: 0   # hook: bytes that wait for clients at this moment
        heap = allocator.heap_figures()
        self._heap_at_start = heap.allocated - self.data() if heap.active else 0
        self.sample()

    def data(self) -> int:
        """The estimate of what keys and values take, with the tables that hold them."""
        return int(self._keyspace.used_memory)

    @property
    def clients(self) -> int:
        """What the clients' sessions and buffers take: surveyed, but for the backlog, which is known at any moment."""
        return max(0, self._steady + self.backlog())

    def used(self) -> int:
        """The estimate of all that the server uses."""
        return STARTUP + self.clients + self.data()

    def unexplained(self) -> int:
        """What RSS has grown by and the estimate does not know."""
        return max(0, self.rss - self.base - self.used())

    def sample(self, connections: dict[str, int] | None = None) -> None:
        """Takes over RSS and keeps the peak; `connections` is what a survey of them by the executor has found."""
        if connections is not None:
            self._steady = connections["normal"] + connections["pubsub"] - connections["backlog"]
        self.rss = self._meter.rss
        used = self.used()
        if used > self.peak:
            self.peak, self.peak_time = used, time.time()
        self._correct()

    def measure(self) -> None:
        """Samples an RSS that is read now, which may take long."""
        self._meter.read_rss()
        self.sample()

    def _correct(self) -> None:
        """Lets the correction follow RSS: upwards at once, downwards by a 16th of the way."""
        held = max(0, self.rss - self.base)
        self._explained = max(self.clients + self.data(), min(self._explained, held))
        excess = held - max(self._explained, self.maxmemory) - self.maxmemory // 20 - RSS_NOISE
        wanted = max(0, min(excess, self.maxmemory // 4))
        if wanted > self.correction:
            self.correction = wanted
        else:
            self.correction += (wanted - self.correction) // 16

    def is_over_limit(self) -> bool:
        """Whether keys must go or writes be refused: `maxmemory` bounds what is used, as corrected."""
        return 0 < self.maxmemory < self.other() + self.data()

    def other(self) -> int:
        """What counts towards `maxmemory` beside keys and values."""
        return STARTUP + self.clients + self.correction

    def steady_other(self) -> int:
        """The same without the backlog."""
        return max(0, STARTUP + self._steady + self.correction)

    def room_for_data(self) -> int:
        """Bytes that keys and values may take; below 0 if all else takes more than `maxmemory`."""
        return self.maxmemory - self.other()

    def heap(self) -> HeapFigures:
        """What the allocator holds. To ask it would take long when memory is fragmented, so this is put together from
        what the heap held at the start, the estimate, and the heap's extent (without blocks that are mapped)."""
        if not self._heap_at_start:
            return HeapFigures(0, 0)
        allocated = max(0, self._heap_at_start + self.clients + self.data())
        return HeapFigures(allocated, max(allocated, allocator.heap_span()))

    def overview(self, connections: dict[str, int]) -> MemoryOverview:
        """Everything that INFO and MEMORY STATS say, sampled now."""
        self.sample(connections)
        databases = [self._keyspace[index] for index in range(len(self._keyspace))]
        return MemoryOverview(
            used=self.used(),
            peak=self.peak,
            rss=self.rss,
            base=self.base,
            clients=self.clients,
            tables=sum(map(table_overhead, databases)),
            keys=sum(map(len, databases)),
            heap=self.heap(),
        )
