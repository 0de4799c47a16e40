"""MONITOR: the clients that see every command.

Idea: while there is one, a gate is up that keeps workers and native commands from answering by themselves, so every
command passes the executor's Python path and is told here, after it has run: SELECT shows the new database, a
transaction's commands come between MULTI and EXEC. Refused commands never run and are not shown.

Owner: the executor thread.
"""

import time
from typing import TYPE_CHECKING

from mtredis.executor.admission import MONITORED
from mtredis.ops.redaction import shown_arguments
from mtredis.registry.command import ADMIN, SKIP_MONITOR, Command

if TYPE_CHECKING:
    from mtredis.client import Client, SharedSettings

_ESCAPES = {ord("\\"): b"\\\\", ord('"'): b'\\"', 10: b"\\n", 13: b"\\r", 9: b"\\t", 7: b"\\a", 8: b"\\b"}


def quote(argument: bytes) -> bytes:
    """The argument in double quotes, with everything that does not print escaped."""
    parts = [_ESCAPES.get(byte) or (bytes((byte,)) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in argument]
    return b'"' + b"".join(parts) + b'"'


class Monitors:
    """The monitoring clients, in the order in which they came."""

    __slots__ = ("_clients", "_settings")

    def __init__(self, settings: "SharedSettings") -> None:
        self._clients: dict[Client, None] = {}
        self._settings = settings

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, client: "Client") -> bool:
        return client in self._clients

    def add(self, client: "Client") -> None:
        """The client sees every command from now on."""
        self._clients[client] = None
        client.monitor = True
        self._settings.set_gate(MONITORED, True)

    def discard(self, client: "Client") -> None:
        """The client sees no commands any more."""
        self._clients.pop(client, None)
        client.monitor = False
        self._settings.set_gate(MONITORED, bool(self._clients))

    def feed(self, client: "Client", command: Command, argv: list[bytes]) -> None:
        """Tells all monitors of a command that has just run; administrative ones and secrets are left out."""
        if command.flags & (ADMIN | SKIP_MONITOR):
            return
        source = b"unix:" + client.address[:-2].encode() if client.is_unix_socket else client.address.encode()
        words = b" ".join(map(quote, shown_arguments(command.name, argv)))
        line = b"+%.6f [%d %s] %s\r\n" % (time.time(), client.db_index, source, words)
        for monitor in tuple(self._clients):   # one that cannot keep up is closed, and leaves the dict
            monitor.push(line)
