"""The compiled core in this process, without a server: keyspace, executor, workers, acceptor, and sockets.

Idea: `Core` introduces the parts to each other as `server.py` does, with the real command families and only those hooks
that a test needs. `on_executor(function)` runs a function on the executor thread and returns what it returns, which is
also the barrier to wait at; `until(condition)` waits for what another thread does.

Owner: one test. `close()` ends every thread and fails the test if one does not end, or if a handler had a bug.
"""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mtredis.client import SharedSettings
from mtredis.executor.executor import Executor
from mtredis.keyspace.database import Keyspace
from mtredis.network.acceptor import Acceptor
from mtredis.network.worker import Worker

from mtredis.executor import admission
from mtredis.executor.blocking import Blocking
from mtredis.executor.monitors import Monitors
from mtredis.executor.pause import Pause
from mtredis.executor.pubsub import PubSub
from mtredis.executor.transaction import Watches
from mtredis.network import listeners
from mtredis.registry import command as registry
from mtredis.registry import table

PATIENCE = 60.0


def until(condition: Callable[[], bool], what: str = "") -> None:
    """Returns as soon as the condition holds; fails after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it never came: {what or condition}"
        time.sleep(0.001)


def publish_registry() -> None:
    """The C table is that of the real commands."""
    registry.load_families()
    table.publish(admission.describe_all(registry.REGISTRY, registry.REGISTRY.walk()))


def encode(*words: bytes | str) -> bytes:
    """A request."""
    encoded = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


class Core:
    """`drive` is who drives the loops: "executor", "workers", or "swinging" (they change all the time)."""

    def __init__(self, folder: Path, drive: str = "executor", workers: int = 2) -> None:
        publish_registry()
        self.drive = drive
        self.bugs: list[tuple[str, BaseException]] = []
        self.closed: list[int] = []
        self.settings = SharedSettings()
        self.keyspace = Keyspace(4)
        self.server = SimpleNamespace(
            keyspace=self.keyspace, pubsub=PubSub(), pause=Pause(), monitors=Monitors(self.settings),
            watches=Watches(self.keyspace), redis_version="8.0.6", shared=self.settings,
        )  # fmt: skip
        self.executor = Executor(self.server, self.keyspace, self.settings)
        self.server.executor = self.executor
        self.server.dispatcher = self.executor.dispatcher
        self.workers = [
            Worker(index, self.settings, self.executor.mailbox_address, self.keyspace) for index in range(workers)
        ]
        self._introduce()
        for worker in self.workers:
            self.executor.add_loop(worker.address, worker.resume_fd)
            worker.start()
        self.acceptor = Acceptor(self.settings, [w.address for w in self.workers])
        self.unix_path = str(folder / "u.sock")
        self.tcp = listeners.listen_address("127.0.0.1", 0, 128)
        self.unix = listeners.listen_unix(self.unix_path, 0, 128)
        for listener in (self.tcp, self.unix):
            self.acceptor.listen(listener.fileno())
        self.acceptor.start()
        self.thread = threading.Thread(target=self.executor.run, name="executor", daemon=True)
        self.thread.start()
        self.drive_by(drive)

    def _introduce(self) -> None:
        dispatcher, context = self.executor.dispatcher, self.executor.dispatcher.context
        dispatcher.admit = admission.admit
        dispatcher.resolve = registry.subcommand_of
        dispatcher.refuse_unknown = registry.REGISTRY.unknown_command
        dispatcher.refuse_arity = registry.wrong_arity
        dispatcher.refuse_exec = lambda client, command, argv, error: error
        dispatcher.on_slow = dispatcher.on_monitor = dispatcher.on_error_reply = lambda *_: None
        dispatcher.on_bug = lambda name, error: self.bugs.append((name, error))
        context.watches = self.server.watches
        blocking = Blocking(self.keyspace, context.queues, context.ready, self.settings.set_gate)
        context.blocking = self.server.blocking = blocking
        blocking.retry, blocking.answer = dispatcher.retry, dispatcher.answer
        blocking.resume, blocking.set_alarm = self.executor.resume, self.executor.set_alarm
        self.executor.on_alarm = blocking.expire
        context.notifier = lambda *_: None
        self.executor.on_closed = self._forget
        self.executor.on_cron = self._cron
        self.executor.cron_interval = 2

    def _forget(self, client: Any) -> None:
        self.closed.append(client.id)
        self.server.pubsub.unsubscribe_all(client)
        self.server.watches.unwatch(client)
        self.server.blocking.forget(client)

    def _cron(self, now: int) -> None:
        if self.drive == "swinging":
            self.executor.set_driving(self.executor.rounds % 2 == 0)
        else:
            self.executor.set_driving(self.drive == "executor")

    def drive_by(self, drive: str) -> None:
        """Changes who drives, and waits until it is so."""
        self.drive = drive
        if drive != "swinging":
            expected = len(self.workers) if drive == "executor" else 0
            until(lambda: self.on_executor(lambda: self.executor.driven_loops) == expected, f"driven by {drive}")

    def on_executor[T](self, function: Callable[[], T]) -> T:
        """What the function returns on the executor thread."""
        done = threading.Event()
        result: list[T] = []

        def call() -> None:
            try:
                result.append(function())
            finally:
                done.set()

        self.executor.call_soon(call)
        assert done.wait(PATIENCE), "the executor does not come to it"
        return result[0]

    def connect(self, unix: bool = False) -> socket.socket:
        """A client's socket."""
        if unix:
            client = socket.socket(socket.AF_UNIX)
            client.connect(self.unix_path)
        else:
            client = socket.create_connection(self.tcp.getsockname())
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(PATIENCE)
        return client

    def statistics(self, name: str) -> int:
        """A counter of the workers, summed up."""
        return sum(worker.statistics()[name] for worker in self.workers)

    def close(self) -> None:
        """Ends all threads."""
        self.acceptor.stop()
        listeners.close_listeners([self.tcp, self.unix], self.unix_path)
        self.executor.call_soon(self.executor.stop)
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the executor does not end"
        self.executor.stop_workers()
        assert all(worker.join(PATIENCE) for worker in self.workers), "a worker does not end"
        assert not self.bugs, self.bugs


def receive_exactly(client: socket.socket, size: int) -> bytes:
    """Reads that many bytes; fewer only at the end of the stream."""
    parts = []
    while size:
        part = client.recv(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def receive_all(client: socket.socket) -> bytes:
    """Everything up to the end of the stream; a reset is an end, too."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        parts.append(b"")
    return b"".join(parts)
