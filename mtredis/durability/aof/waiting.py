"""Clients that wait in WAITAOF until what they have written is on disk.

Idea: who waits has an offset of the write stream; each time the log is synced further, those whose offset is behind
are let go. As there are no replicas, who asks for some of those waits for the time to be over, and is then told how
far the log is.

Owner: the executor. Limit: a client waits for all that was written before its WAITAOF, by others, too.
"""

from typing import Any

from mtredis.durability.aof.log import AppendLog

OFF = "WAITAOF cannot be used when numlocal is set but appendonly is disabled."


def reply(is_synced: bool) -> bytes:
    """The reply of WAITAOF: logs here and replicas that have it on disk; the same in every protocol version."""
    return b"*2\r\n:%d\r\n:0\r\n" % is_synced


class Waiting:
    """Who waits. `blocking` has the clients, `propagation` says how far the stream is."""

    def __init__(self, log: AppendLog, propagation: Any, blocking: Any) -> None:
        self._log, self._propagation, self._blocking = log, propagation, blocking
        self._clients: dict[int, tuple[int, bool, bool]] = {}   # by id: offset, needs the log, wants replicas

    def position(self) -> int:
        """The offset behind all that has been changed so far."""
        return int(self._propagation.position)

    def is_synced(self, position: int) -> bool:
        """Whether all before that offset is on disk."""
        return bool(self._log.fd >= 0 and self._log.synced >= position)

    def add(self, client_id: int, position: int, needs_log: bool, needs_replicas: bool) -> None:
        """The client, which is about to block, is let go as soon as the log is that far."""
        self._clients[client_id] = (position, needs_log, needs_replicas)
        self._log.is_awaited = True

    def check(self) -> None:
        """Lets those go whose offset is on disk."""
        for client_id, (position, _, needs_replicas) in list(self._clients.items()):
            blocked = self._blocking.get(client_id)
            if blocked is None:
                del self._clients[client_id]
            elif self.is_synced(position):
                blocked.null = reply(True)
                if not needs_replicas:
                    del self._clients[client_id]
                    self._blocking.unblock(client_id, with_error=False)
        self._log.is_awaited = bool(self._clients)

    def refuse(self) -> None:
        """The log is off: nobody can wait for it."""
        for client_id, (_, needs_log, _) in list(self._clients.items()):
            if needs_log:
                del self._clients[client_id]
                self._blocking.fail(client_id, f"ERR {OFF}")
