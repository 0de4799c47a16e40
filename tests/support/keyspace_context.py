"""A context with a real keyspace for handlers of the data families, without server and network.

Idea: what the executor's `Context` does after a change is recorded here instead: `ctx.events` is the list of keyspace
events as (event, key, database), `ctx.dirty` counts as in INFO, `ctx.watches` records which databases were touched.
"""

from types import SimpleNamespace
from typing import Any

import pytest
from mtredis.keyspace.database import Keyspace

from mtredis.commands import bitmap, generic, hash_expiry, string
from mtredis.commands import hash as hashes
from mtredis.commands import set as sets
from mtredis.commands.server import keyspace as databases
from mtredis.errors import CommandError
from mtredis.executor.background import Background
from tests.support.fake_context import FakeContext

FAMILIES = (bitmap, databases, generic, hash_expiry, hashes, sets, string)  # importing them registers their commands
NOW = 1_700_000_000_000


class RecordingWatches:
    """Stands in for executor.transaction.Watches."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def flushed(self, index: int) -> None:
        self.calls.append(("flushed", index))

    def swapped(self, first: int, second: int) -> None:
        self.calls.append(("swapped", first, second))

    def touched(self, index: int, key: bytes) -> None:
        self.calls.append(("touched", index, key))


class KeyspaceContext(FakeContext):
    """FakeContext with `databases` real databases; `select` changes `db`, `later` moves the clock."""

    def __init__(self, databases: int = 4) -> None:
        super().__init__(now=NOW)
        self.server.keyspace = Keyspace(databases)
        self.server.config = SimpleNamespace(
            proto_max_bulk_len=0, maxmemory=0, maxmemory_policy="noeviction", lazyfree_lazy_user_flush=False,
            lazyfree_lazy_expire=False, lazyfree_lazy_server_del=False,
        )
        self.keyspace = self.server.keyspace
        self.server.keyspace.now = NOW
        self.limit_strings(1 << 20)
        self.client.output_length, self.client.is_over_output_limit = 0, False
        self.server.background = Background()
        self.server.saver = SimpleNamespace(flushed=lambda: None)
        self.watches = RecordingWatches()
        self.dirty = 0
        self.log: list[tuple[bytes, bytes, int]] = []
        self.db = self.server.keyspace[0]

    def select(self, index: int) -> None:
        self.db = self.server.keyspace[index]

    def limit_strings(self, length: int) -> None:
        """Sets proto-max-bulk-len."""
        self.server.config.proto_max_bulk_len = self.server.keyspace.proto_max_bulk_len = length

    def later(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.server.keyspace.now = self.now

    def modified(self, key: bytes, event: bytes, count: int = 1) -> None:
        self.modified_in(self.db.index, key, event, count)

    def modified_in(self, index: int, key: bytes, event: bytes, count: int = 1) -> None:
        if count:
            self.dirty += count
            self.log.append((event, key, index))

    def flushed(self, index: int) -> None:
        self.watches.flushed(index)

    def swapped(self, first: int, second: int) -> None:
        self.watches.swapped(first, second)

    def announce(self, index: int, key: bytes, event: bytes) -> None:
        self.watches.touched(index, key)
        self.log.append((event, key, index))

    def notify(self, event: bytes, key: bytes) -> None:
        self.log.append((event, key, self.db.index))

    def effects(self, *argv: bytes | str | int) -> tuple[int, list[str]]:
        """What a request adds to the dirty count, and its events in database 0 as "event key" (else "event key@db")."""
        self.dirty, self.log = 0, []
        self.run(*argv)
        return self.dirty, [
            f"{event.decode()} {key.decode()}" + (f"@{index}" if index else "") for event, key, index in self.log
        ]

    def error(self, *argv: bytes | str | int) -> str:
        """The text of the error that a request gets; nothing may have changed then."""
        self.dirty, self.log = 0, []
        with pytest.raises(CommandError) as caught:
            self.run(*argv)
        assert (self.dirty, self.log) == (0, [])
        return str(caught.value)
