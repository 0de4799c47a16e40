"""How much memory the server uses: the keyspace's running estimate, and what the kernel says the process holds.

Idea: the estimate follows every write at once but knows only the data; RSS knows everything but is read some times a
second, and keeps pages that an allocator has not given back. `used()` is the estimate plus what the process held before
it had any data; `rss` is psutil's last reading. Limits are checked against `used()`, so that deleting helps at once.

Owner: the executor thread. Figures in bytes. Limit: client buffers are counted by sampling, once per cron.
"""

from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from mtredis.keyspace.database import Keyspace


class MemoryAccount:
    """The server's memory figures. `maxmemory` 0 means no limit."""

    def __init__(self, keyspace: "Keyspace", process: psutil.Process | None = None) -> None:
        self._keyspace = keyspace
        self._process = process or psutil.Process()
        self.maxmemory = 0
        self.rss = 0
        self.rss_peak = 0
        self.peak = 0
        self.peak_time = 0.0
        self.startup = max(0, self._read_rss() - self.data())
        self.sample()

    def _read_rss(self) -> int:
        return int(self._process.memory_info().rss)

    def data(self) -> int:
        """The estimate of what keys and values take, with the tables that hold them."""
        return int(self._keyspace.used_memory)

    def used(self) -> int:
        """The estimate of all that the server uses."""
        return self.startup + self.data()

    def sample(self) -> None:
        """Reads RSS and keeps the peaks. Cron calls it."""
        self.rss = self._read_rss()
        self.rss_peak = max(self.rss_peak, self.rss)
        self.peak = max(self.peak, self.used())

    def is_over_limit(self) -> bool:
        """Whether a command that needs memory must be refused."""
        return 0 < self.maxmemory < self.used()

    def fragmentation(self) -> float:
        """RSS over the estimate."""
        return self.rss / max(1, self.used())

    def statistics(self) -> dict[str, Any]:
        """Bytes by name."""
        return {
            "used": self.used(),
            "data": self.data(),
            "peak": self.peak,
            "rss": self.rss,
            "rss_peak": self.rss_peak,
            "startup": self.startup,
            "maxmemory": self.maxmemory,
            "fragmentation": self.fragmentation(),
        }
