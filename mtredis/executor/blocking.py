"""Blocking: clients that wait in a command until a key has something for them.

Idea: a handler that finds nothing to take calls `ctx.block(keys, ...)` instead of replying. The client then stands in
the queue of each of those keys; its connection is parked, so nothing more of it is read or executed. Whoever changes a
key that has a queue (`ctx.modified` and its kin) leaves a mark in `ready`. Once the command that did so is over (a
whole EXEC, too), `serve` takes the marks in their order and runs the handlers of those who wait again, in the order in
which they came: one that blocks again keeps its place and its deadline, any other outcome is its reply. What a served
command makes ready itself (BLMOVE's destination) is one more mark, so nothing recurses; every mark is used up, and only
one who leaves makes new ones, so it ends.

As in Redis a client is run again only when the key holds the type that its command works on; a client that wants to
hear of the loss of its key, too (`on_missing`: XREADGROUP), at every change.

Owner: the executor thread. The clock is the caller's (unix ms).
Invariants: a client is in the queue of each of its keys exactly while `client.blocked` is set; there are no empty
queues; the two gates are up exactly while somebody waits (for the loss of a key). A command that blocks (again) has
changed nothing that others wait for: marks that it has left are dropped.
Limits: a client whose socket has died unnoticed may be served; a client that keeps its place after a futile run would
go to the end of the queue in Redis, which shows only where clients wait for several streams.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtredis.executor.admission import BLOCKED, BLOCKED_ON_MISSING
from mtredis.registry.command import Command

if TYPE_CHECKING:
    from mtredis.client import Client

# What became of a client whose handler was run again, as in dispatch.pxd.
SERVED, POSTPONED, WAITS, GONE = range(4)

UNBLOCKED = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
FOREVER = 2**63 - 1
BATCH = 16           # clients of a queue that are looked at in one go
FORGOTTEN_MAX = 64   # deadlines of clients that wait no more, beyond as many as there are of those who do

TYPE_OF_GROUP = {"list": b"list", "sorted-set": b"zset", "stream": b"stream"}


@dataclass(slots=True, eq=False)
class Blocked:
    """A client that waits, and the command that it waits in."""

    client: "Client"
    client_id: int
    command: Command
    argv: list[bytes]      # the handler may have changed it
    shown: list[bytes]     # as the client sent it
    db_index: int
    keys: tuple[bytes, ...]
    null: str | bytes      # what the timeout replies: "null" or "null_array", or these encoded bytes
    on_missing: bool
    value_type: bytes | None   # what a key must hold to have something for the client; None: anything
    microseconds: int      # that the handler has taken so far
    deadline: "list[Any] | None" = None   # in Deadlines


class Deadlines:
    """Who has to be told when. Forgets: those who are discarded early never outnumber the others by much."""

    __slots__ = ("_heap", "_length", "_numbers")

    def __init__(self) -> None:
        self._heap: list[list[Any]] = []   # [unix ms, number, item or None]
        self._length = 0
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return self._length

    @property
    def first(self) -> int:
        """The earliest time, perhaps that of somebody discarded; 0: there is none."""
        return self._heap[0][0] if self._heap else 0

    def add(self, when: int, item: object) -> list[Any]:
        """Remembers the item; what is returned discards it."""
        entry = [when, next(self._numbers), item]
        heapq.heappush(self._heap, entry)
        self._length += 1
        return entry

    def discard(self, entry: list[Any]) -> None:
        """Forgets an item; nothing to do if its time has come already."""
        if entry[2] is None:
            return
        entry[2] = None
        self._length -= 1
        if len(self._heap) > 2 * self._length + FORGOTTEN_MAX:
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapq.heapify(self._heap)

    def pop_due(self, now: int) -> Iterator[Any]:
        """Hands out, in order, the items whose time is over."""
        while self._heap and (self._heap[0][0] < now or self._heap[0][2] is None):
            entry = heapq.heappop(self._heap)
            item, entry[2] = entry[2], None
            if item is not None:
                self._length -= 1
                yield item


class Blocking:
    """All blocked clients. `queues` (by database) and `ready` are the context's, which writes the marks."""

    def __init__(
        self,
        keyspace: Any,
        queues: list[dict[bytes, dict[Blocked, None]]],
        ready: dict[tuple[int, bytes], None],
        set_gate: Callable[[int, bool], object],
    ) -> None:
        self._keyspace = keyspace
        self._queues = queues
        self._ready = ready
        self._set_gate = set_gate
        self._clients: dict[int, Blocked] = {}   # by client id
        self._on_missing: list[dict[bytes, int]] = [{} for _ in queues]   # how many wait for the loss of a key
        self._postponed: dict[tuple[int, bytes], None] = {}   # marks for the end of a pause
        self._deadlines = Deadlines()
        # Hooks, set by the server
        self.retry: Callable[[Blocked], int]   # runs the handler again: SERVED, POSTPONED, WAITS or GONE
        self.answer: Callable[[Blocked, str | None], object]   # replies with an error, or None: with the null
        self.resume: Callable[[Client], object]   # the client goes on with its next command
        self.set_alarm: Callable[[int], object]   # `expire` is to be called when this time has come

    def __len__(self) -> int:
        return len(self._clients)

    # --- a client begins and ends to wait ----------------------------------------------------------------------------

    def wait(
        self, client: "Client", command: Command, argv: list[bytes], shown: list[bytes], db_index: int, now: int,
        microseconds: int, keys: list[bytes], timeout: int, null: str | bytes, on_missing: bool,
    ) -> None:  # fmt: skip
        """The client waits for one of the keys, `timeout` ms from `now` on (0: for ever)."""
        blocked = Blocked(
            client, client.id, command, argv, shown, db_index, tuple(dict.fromkeys(keys)), null, on_missing,
            TYPE_OF_GROUP.get(command.group), microseconds,
        )  # fmt: skip
        if not self._clients:
            self._set_gate(BLOCKED, True)
        self._clients[client.id] = client.blocked = blocked
        self._enqueue(blocked)
        if timeout:
            blocked.deadline = self._deadlines.add(min(now + timeout, FOREVER - 1), blocked)
            if self._deadlines.first == blocked.deadline[0]:
                self.set_alarm(blocked.deadline[0] + 1)

    def _enqueue(self, blocked: Blocked) -> None:
        queues, on_missing = self._queues[blocked.db_index], self._on_missing[blocked.db_index]
        for key in blocked.keys:
            queue = queues.get(key)
            if queue is None:
                queue = queues[key] = {}
            queue[blocked] = None
            if blocked.on_missing:
                on_missing[key] = on_missing.get(key, 0) + 1
        if blocked.on_missing:
            self._set_gate(BLOCKED_ON_MISSING, True)

    def _release(self, blocked: Blocked) -> None:
        """Nothing refers to the waiting any more."""
        del self._clients[blocked.client_id]
        blocked.client.blocked = None
        queues, on_missing = self._queues[blocked.db_index], self._on_missing[blocked.db_index]
        for key in blocked.keys:
            queue = queues[key]
            del queue[blocked]
            if not queue:
                del queues[key]
            if blocked.on_missing:
                on_missing[key] -= 1
                if not on_missing[key]:
                    del on_missing[key]
        if blocked.deadline is not None:
            self._deadlines.discard(blocked.deadline)
        if not self._clients:
            self._set_gate(BLOCKED, False)
        if blocked.on_missing and not any(self._on_missing):
            self._set_gate(BLOCKED_ON_MISSING, False)

    def forget(self, client: "Client") -> None:
        """The client is gone, or about to go: it gets nothing any more."""
        if client.blocked is not None:
            self._release(client.blocked)

    def unblock(self, client_id: int, with_error: bool) -> bool:
        """CLIENT UNBLOCK: the client goes on as if its time were over, or with an error; False if it does not wait."""
        blocked = self._clients.get(client_id)
        if blocked is None:
            return False
        self._end(blocked, UNBLOCKED if with_error else None)
        return True

    def get(self, client_id: int) -> Blocked | None:
        """What a client waits in; None if it does not wait."""
        return self._clients.get(client_id)

    def fail(self, client_id: int, text: str) -> None:
        """A client that waits goes on with an error."""
        blocked = self._clients.get(client_id)
        if blocked is not None:
            self._end(blocked, text)

    def expire(self, now: int) -> None:
        """Those whose time is over get their null; sets the next alarm."""
        for blocked in self._deadlines.pop_due(now):
            self._end(blocked, None)
        first = self._deadlines.first
        self.set_alarm(first + 1 if first else 0)

    def _end(self, blocked: Blocked, error: str | None) -> None:
        self._release(blocked)
        self.answer(blocked, error)
        self.resume(blocked.client)

    # --- serving -----------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Nobody waits for something that is there. To be called between two commands, while there are marks."""
        while self._ready:
            for place in list(self._ready):
                del self._ready[place]   # first, so that what follows can mark it anew
                self._serve_key(place)

    def _serve_key(self, place: tuple[int, bytes]) -> None:
        """Runs the handlers of those who wait for the key, as long as it has something for them."""
        index, key = place
        queue, database = self._queues[index].get(key, {}), self._keyspace[index]
        kept = 0   # that many at the front stay
        while kept < len(queue):
            for blocked in tuple(itertools.islice(queue, kept, kept + BATCH)):
                held = database.peek_type(key)
                if held is None and key not in self._on_missing[index]:
                    return
                if self._is_concerned(blocked, held) and self._has_left(blocked, place):
                    continue
                kept += 1

    def _is_concerned(self, blocked: Blocked, held: bytes | None) -> bool:
        """True if the command may have to say something now that the key holds this type."""
        if blocked.on_missing:
            return True
        return held is not None and (blocked.value_type is None or held == blocked.value_type)

    def _has_left(self, blocked: Blocked, place: tuple[int, bytes]) -> bool:
        """Runs the handler again; True if the client waits no more."""
        marks = len(self._ready)
        outcome = self.retry(blocked)
        if outcome == SERVED:
            self._release(blocked)
            self.resume(blocked.client)
        elif outcome == GONE:
            self._release(blocked)
        elif outcome == POSTPONED:
            self._postponed[place] = None
        else:
            while len(self._ready) > marks:
                self._ready.popitem()
        return outcome in (SERVED, GONE)

    def pause_ended(self) -> None:
        """What could not be served during the pause is due."""
        self._ready.update(self._postponed)
        self._postponed.clear()

    def statistics(self) -> dict[str, int]:
        """INFO clients."""
        return {
            "blocked_clients": len(self._clients),
            "clients_in_timeout_table": len(self._deadlines),
            "total_blocking_keys": sum(map(len, self._queues)),
            "total_blocking_keys_on_nokey": sum(map(len, self._on_missing)),
        }
