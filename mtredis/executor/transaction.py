"""MULTI's queue of one client, and WATCH for all of them.

Idea: a `Transaction` exists from MULTI to EXEC or DISCARD and hangs on the client; the executor queues into it.
WATCH comes before the transaction it guards, so what a client watches, and whether one of those keys was touched, lives
in the server's one `Watches`, which every change of a key passes (`touched`, from `Context.modified`).

For each watched key it is remembered whether it existed when WATCH saw it. As every later change but one arrives by
`touched`, that flag still holds at EXEC unless the key's time to live ran out: so "existed then and is missing now"
is Redis's rule for expired keys, and FLUSHALL needs no look at the table. A key that was already expired at WATCH
counts as missing (the keyspace deletes it on the look), so that its removal later changes nothing.

Owner: the executor thread.
Invariants: a client is in `_watched` exactly while it watches a key; `keys` has no empty sets; a dirty client watches
nothing (what could still happen to its keys does not matter).
Limits: `flushed` and `swapped` walk all watched keys of all databases.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mtredis.registry.command import Command

if TYPE_CHECKING:
    from mtredis.client import Client

# What a queued argument costs beyond its bytes, for CLIENT LIST's multi-mem: Redis counts a pointer each.
POINTER_SIZE = 8
# What it, a queued command and a watched key really cost beyond their bytes: Python objects.
ARGUMENT_SIZE, COMMAND_SIZE, WATCH_SIZE = 48, 160, 400


class Transaction:
    """The commands a client has queued since MULTI, and what already dooms its EXEC; `held`: the bytes they take."""

    __slots__ = ("commands", "dirty_cas", "dirty_exec", "flags", "held", "memory")

    def __init__(self, dirty_cas: bool = False) -> None:
        self.commands: list[tuple[Command, list[bytes]]] = []
        self.flags = 0
        self.memory = self.held = 0
        self.dirty_exec = False
        self.dirty_cas = dirty_cas

    def __len__(self) -> int:
        return len(self.commands)

    def __bool__(self) -> bool:
        return True  # an empty transaction is still one

    def queue(self, command: Command, argv: list[bytes]) -> int:
        """EXEC will run the command; a transaction that is doomed already keeps nothing more. The bytes it takes."""
        if self.dirty_exec or self.dirty_cas:
            return 0
        self.commands.append((command, argv))
        self.flags |= command.flags
        size = sum(map(len, argv))
        self.memory += size + POINTER_SIZE * len(argv)
        size += COMMAND_SIZE + ARGUMENT_SIZE * len(argv)
        self.held += size
        return size

    def flag_dirty_exec(self) -> None:
        """EXEC will answer EXECABORT: a command was refused when it should have been queued."""
        self.dirty_exec = True


class Watches:
    """All clients' watched keys. `on_change(is_any)` is told when there are some and when there are none again."""

    __slots__ = ("_dirty", "_keyspace", "_watched", "keys", "on_change")

    def __init__(self, keyspace: Any) -> None:
        self.keys: dict[tuple[int, bytes], set[Client]] = {}
        self._watched: dict[Client, dict[tuple[int, bytes], bool]] = {}
        self._dirty: set[Client] = set()
        self._keyspace = keyspace
        self.on_change: Callable[[bool], object] | None = None

    def watch(self, client: "Client", db_index: int, keys: Iterable[bytes]) -> None:
        """The client's next EXEC fails if one of the keys changes; nothing to do if it fails anyway."""
        if client in self._dirty:
            return
        db = self._keyspace[db_index]
        was_any = bool(self.keys)
        watched = self._watched.setdefault(client, {})
        for key in keys:
            place = (db_index, key)
            if place not in watched:
                watched[place] = db.exists(key)
                self.keys.setdefault(place, set()).add(client)
                client.hold(WATCH_SIZE + len(key))
        if self.on_change is not None and not was_any:
            self.on_change(True)

    def unwatch(self, client: "Client") -> None:
        """The client watches nothing and is not dirty: after EXEC, DISCARD, UNWATCH, RESET and its close."""
        self._release(client)
        self._dirty.discard(client)

    def touched(self, db_index: int, key: bytes) -> None:
        """The key was created, changed or deleted: EXEC of those who watch it fails."""
        clients = self.keys.get((db_index, key))
        if clients is not None:
            for client in tuple(clients):
                self._mark_dirty(client)

    def flushed(self, db_index: int) -> None:
        """The database was (or is about to be) emptied: only a watched key that existed has changed."""
        self._touch_where(lambda place, existed: existed and place[0] == db_index)

    def swapped(self, first: int, second: int) -> None:
        """Two databases changed places (before or after this call): a key missing in both has not changed."""
        one, other = self._keyspace[first], self._keyspace[second]
        self._touch_where(
            lambda place, existed: (
                place[0] in (first, second) and (existed or one.exists(place[1]) or other.exists(place[1]))
            )
        )

    def is_dirty(self, client: "Client") -> bool:
        """True if a watched key was touched since WATCH. Expiry that nobody has noticed yet does not count."""
        return client in self._dirty

    def is_intact(self, client: "Client") -> bool:
        """True if EXEC may run: no watched key was touched, and none that existed has expired."""
        if client in self._dirty:
            return False
        watched = self._watched.get(client)
        if watched is None:
            return True
        # A lookup may expire a key, and the keyspace then reports it here: hence the copy.
        return all(self._keyspace[db].exists(key) for (db, key), existed in tuple(watched.items()) if existed)

    def count(self, client: "Client") -> int:
        """The number of keys the client watches."""
        return len(self._watched.get(client, ()))

    def statistics(self) -> dict[str, int]:
        """INFO clients: how many clients watch, and how many different keys."""
        return {"watching_clients": len(self._watched), "total_watched_keys": len(self.keys)}

    def _touch_where(self, condition: Any) -> None:
        for client, watched in tuple(self._watched.items()):
            if any(condition(place, existed) for place, existed in tuple(watched.items())):
                self._mark_dirty(client)

    def _mark_dirty(self, client: "Client") -> None:
        self._release(client)
        self._dirty.add(client)
        if client.transaction is not None:
            client.transaction.dirty_cas = True

    def _release(self, client: "Client") -> None:
        for place in self._watched.pop(client, ()):
            client.hold(-(WATCH_SIZE + len(place[1])))
            clients = self.keys[place]
            clients.discard(client)
            if not clients:
                del self.keys[place]
                if self.on_change is not None and not self.keys:
                    self.on_change(False)
