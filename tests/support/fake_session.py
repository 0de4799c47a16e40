"""Several clients of one server, in process: for commands about connections, transactions and pub/sub.

Idea: `FakeServer` holds the real `PubSub`, `Watches` and `Pause` around a keyspace of sets; `connect()` gives a
`Session`, a `FakeContext` with a client of its own, which queues and runs
EXEC's commands as the executor does, so that a test reads like a dialogue.

Owner: one test.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from mtredis.errors import CommandError
from mtredis.executor.blocking import Blocking
from mtredis.executor.pause import Pause
from mtredis.executor.pubsub import PubSub
from mtredis.executor.transaction import Watches
from tests.support.fake_context import FakeContext, FakeReply

NOW = 1_700_000_000_000
EXEMPT_FROM_QUEUE = {b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"}


@dataclass(eq=False)
class FakeClient:
    """The attributes of mtredis.client.Client that Python code uses; notes what is done to it."""

    id: int
    address: str
    resp: int = 2
    local_address: str = "127.0.0.1:6379"
    fd: int = 8
    name: bytes = b""
    lib_name: bytes = b""
    lib_ver: bytes = b""
    db_index: int = 0
    authenticated: bool = True
    user: bytes = b"default"
    created: int = NOW
    idle_seconds: int = 0
    io_thread: int = 0
    transaction: Any = None
    blocked: Any = None
    subscriptions: Any = None
    monitor: bool = False
    no_evict: bool = False
    no_touch: bool = False
    is_unix_socket: bool = False
    reply_mode: str = "on"
    last_command: str = "NULL"
    query_length: int = 0
    query_capacity: int = 0
    output_length: int = 0
    output_capacity: int = 0
    output_memory: int = 0
    total_memory: int = 0
    held: int = 0
    received: list[bytes] = field(default_factory=list)
    is_killed: bool = False
    closes_after_reply: bool = False

    def hold(self, size: int) -> None:
        self.held += size

    @property
    def kind(self) -> str:
        return "normal" if self.subscriptions is None else "pubsub"

    def push(self, data: bytes) -> None:
        self.received.append(data)

    def kill(self) -> None:
        self.is_killed = True

    def close_after_reply(self) -> None:
        self.closes_after_reply = True


class FakeKeyspace:
    """Databases as sets of existing keys; counts how often the version was made odd and even."""

    def __init__(self) -> None:
        self.databases: list[set[bytes]] = [set() for _ in range(16)]
        self.versions: list[str] = []

    def __getitem__(self, index: int) -> Any:
        return SimpleNamespace(exists=self.databases[index].__contains__)

    def version_begin(self) -> None:
        self.versions.append("begin")

    def version_end(self) -> None:
        self.versions.append("end")


class FakeServer:
    """What the sessions share."""

    def __init__(self, requirepass: str = "") -> None:
        self.config = SimpleNamespace(requirepass=requirepass)
        self.keyspace = FakeKeyspace()
        self.watches = Watches(self.keyspace)
        self.pubsub = PubSub()
        self.pause = Pause()
        self.dispatcher = SimpleNamespace(postponed=[])
        self.blocking = Blocking(self.keyspace, [{} for _ in range(16)], {}, lambda gate, in_force: None)
        self.monitors: set[Any] = set()
        self.clients: dict[int, FakeClient] = {}
        self.redis_version = "8.0.6"

    def connect(self, resp: int = 2) -> "Session":
        number = len(self.clients) + 1
        client = FakeClient(number, f"127.0.0.1:{50_000 + number}", resp, authenticated=not self.config.requirepass)
        self.clients[number] = client
        return Session(server=self, client=client, resp=resp, now=NOW)

    def forget_client(self, client: Any) -> None:
        self.pubsub.unsubscribe_all(client)
        self.watches.unwatch(client)
        self.monitors.discard(client)
        self.blocking.forget(client)


class Session(FakeContext):
    """One client's connection."""

    def run(self, *argv: bytes | str | int) -> Any:
        replies = self.run_all(*argv)
        assert len(replies) == 1, replies
        return replies[0]

    def run_all(self, *argv: bytes | str | int) -> list[Any]:
        """All the messages of an answer, none for a command that is not answered."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in argv]
        command = self.registry.lookup(words)
        assert command is not None
        assert command.handler is not None
        if self.client.transaction is not None and command.name not in EXEMPT_FROM_QUEUE:
            self.client.transaction.queue(command, words)
            return [b"QUEUED"]
        self.resp = self.client.resp
        self.reply = FakeReply(self.resp)
        command.handler(self, words)
        return self.reply.values()

    def execute_queued(self, command: Any, argv: list[bytes]) -> None:
        try:
            command.handler(self, argv)
        except CommandError as refusal:
            self.reply.error(str(refusal))

    def messages(self) -> bytes:
        """What was pushed since the last call."""
        received = b"".join(self.client.received)
        self.client.received.clear()
        return received

    def touch(self, key: bytes) -> None:
        """As if this client had changed the key."""
        self.server.watches.touched(self.client.db_index, key)
