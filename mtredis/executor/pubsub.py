"""Who listens to which channel, and the delivery of messages to them.

Idea: three directories (channels, patterns, shard channels) from a name to the clients that listen, in the order they
came; each client carries the mirror image in `client.subscriptions`, which is None while it listens to nothing.
A message is encoded once for each protocol that some receiver speaks and the same bytes are pushed to all.

Owner: the executor thread.
Invariants: a client is in a directory exactly if the directory's name is in its `Subscriptions`; no directory holds an
empty entry; a client without any subscription holds no `Subscriptions`.
Limits: a publish matches every pattern in turn, as Redis does. Messages to the client whose command is just running
are put behind its reply by `Client.push`, not here.
"""

from typing import TYPE_CHECKING

from mtredis.lib.glob import glob_match

if TYPE_CHECKING:
    from mtredis.client import Client

    type Directory = dict[bytes, dict[Client, None]]


NAME_SIZE = 300   # bytes that a subscription takes beside the name: Python objects


class Subscriptions:
    """What one client listens to: three ordered sets of names."""

    __slots__ = ("channels", "patterns", "shard_channels")

    def __init__(self) -> None:
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}

    @property
    def count(self) -> int:
        """Channels and patterns together: the number in the replies of SUBSCRIBE and PSUBSCRIBE."""
        return len(self.channels) + len(self.patterns)

    @property
    def is_empty(self) -> bool:
        """True if nothing is left to listen to."""
        return not (self.channels or self.patterns or self.shard_channels)


def encode_message(parts: list[bytes], resp: int) -> bytes:
    """The parts as one out-of-band message: a push in RESP3, an array in RESP2."""
    pieces = [b"%c%d\r\n" % (b">" if resp == 3 else b"*", len(parts))]
    for part in parts:
        pieces.append(b"$%d\r\n" % len(part))
        pieces.append(part)
        pieces.append(b"\r\n")
    return b"".join(pieces)


class PubSub:
    """The directories of all listening clients of a server."""

    __slots__ = ("_clients", "channels", "patterns", "shard_channels")

    def __init__(self) -> None:
        self.channels: Directory = {}
        self.patterns: Directory = {}
        self.shard_channels: Directory = {}
        self._clients: set[Client] = set()

    # Each of these is true afterwards whether or not it was before; the reply counts are the caller's business.

    def subscribe(self, client: "Client", channel: bytes) -> None:
        """The client receives what is published to the channel."""
        self._join(client, self.channels, self._of(client).channels, channel)

    def subscribe_pattern(self, client: "Client", pattern: bytes) -> None:
        """The client receives what is published to any channel that matches the pattern."""
        self._join(client, self.patterns, self._of(client).patterns, pattern)

    def subscribe_shard(self, client: "Client", channel: bytes) -> None:
        """The client receives what is published to the shard channel."""
        self._join(client, self.shard_channels, self._of(client).shard_channels, channel)

    def unsubscribe(self, client: "Client", channel: bytes) -> None:
        """The client no longer receives what is published to the channel."""
        if client.subscriptions is not None:
            self._leave(client, self.channels, client.subscriptions.channels, channel)

    def unsubscribe_pattern(self, client: "Client", pattern: bytes) -> None:
        """The client no longer receives what is published to channels that match the pattern."""
        if client.subscriptions is not None:
            self._leave(client, self.patterns, client.subscriptions.patterns, pattern)

    def unsubscribe_shard(self, client: "Client", channel: bytes) -> None:
        """The client no longer receives what is published to the shard channel."""
        if client.subscriptions is not None:
            self._leave(client, self.shard_channels, client.subscriptions.shard_channels, channel)

    def unsubscribe_all(self, client: "Client") -> None:
        """The client listens to nothing: after RESET and when it closes."""
        subscriptions = client.subscriptions
        if subscriptions is None:
            return
        for directory, names in (
            (self.channels, subscriptions.channels),
            (self.patterns, subscriptions.patterns),
            (self.shard_channels, subscriptions.shard_channels),
        ):
            for name in tuple(names):
                self._leave(client, directory, names, name)

    def publish(self, channel: bytes, message: bytes) -> int:
        """Sends the message to the channel's clients and to those of matching patterns; the number of deliveries."""
        receivers = self._deliver(self.channels.get(channel), [b"message", channel, message])
        for pattern, clients in tuple(self.patterns.items()):
            if glob_match(pattern, channel):
                receivers += self._deliver(clients, [b"pmessage", pattern, channel, message])
        return receivers

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        """Sends the message to the shard channel's clients; patterns do not apply. The number of deliveries."""
        return self._deliver(self.shard_channels.get(channel), [b"smessage", channel, message])

    def notify_keyspace_event(
        self, event: bytes, key: bytes, db_index: int, keyspace: bool = True, keyevent: bool = True
    ) -> None:
        """Publishes what happened to a key, on the channel of the key ('K') and on that of the event ('E')."""
        if not (self.channels or self.patterns):
            return
        if keyspace:
            self.publish(b"__keyspace@%d__:%s" % (db_index, key), event)
        if keyevent:
            self.publish(b"__keyevent@%d__:%s" % (db_index, event), key)

    def statistics(self) -> dict[str, int]:
        """INFO's counts: clients that listen, and the names somebody listens to."""
        return {
            "pubsub_clients": len(self._clients),
            "pubsub_channels": len(self.channels),
            "pubsub_patterns": len(self.patterns),
            "pubsubshard_channels": len(self.shard_channels),
        }

    def _of(self, client: "Client") -> Subscriptions:
        if client.subscriptions is None:
            client.subscriptions = Subscriptions()
            self._clients.add(client)
        subscriptions: Subscriptions = client.subscriptions
        return subscriptions

    @staticmethod
    def _join(client: "Client", directory: "Directory", names: dict[bytes, None], name: bytes) -> None:
        if name not in names:
            client.hold(NAME_SIZE + len(name))
        names[name] = None
        directory.setdefault(name, {})[client] = None

    def _leave(self, client: "Client", directory: "Directory", names: dict[bytes, None], name: bytes) -> None:
        if name not in names:
            return
        del names[name]
        client.hold(-(NAME_SIZE + len(name)))
        clients = directory[name]
        del clients[client]
        if not clients:
            del directory[name]
        if client.subscriptions.is_empty:
            client.subscriptions = None
            self._clients.discard(client)

    @staticmethod
    def _deliver(clients: "dict[Client, None] | None", parts: list[bytes]) -> int:
        if not clients:
            return 0
        encoded: dict[int, bytes] = {}
        receivers = tuple(clients)  # a push over the output buffer limit may close its client
        for client in receivers:
            data = encoded.get(client.resp)
            if data is None:
                data = encoded[client.resp] = encode_message(parts, client.resp)
            client.push(data)
        return len(receivers)
