"""Clients that write numbered records and note what was acknowledged; and the judgement on what a restart brought back.

Idea: every client owns its keys and counts its operations. Operation n is decided by (seed, client, n) alone and
writes n into what it changes. The server executes one client's operations in their order, so whatever a restart brings
back has to equal, for each client, the state after exactly its first m operations, for some m: at least the
acknowledged ones if nothing acknowledged may be lost, at most those that were sent. Because a transaction is one
operation, half a transaction is never such a state. Transfers between accounts that all clients share tie the clients
together: the balances have to be what the transfers among each client's first m operations make of them.

Keys with a short time to live are judged by the clock: past their time they must be gone; before it they must be there.

Owner: a client belongs to its thread while a storm is on; to the test otherwise.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.resp import Connection, ConnectionEnded, MalformedReply, encode_all

ACCOUNTS = 8
LIST_LENGTH = 60
PIPELINES = (1, 1, 2, 5, 20)
SHORT_MS = (20, 400)
LONG_MS = 3_600_000
SLACK_MS = 2
PADDING = (0, 3, 40, 400, 3000)

Request = tuple[Any, ...]


@dataclass
class Model:
    """What one client's keys hold after its first operations, and what it moved between the shared accounts."""

    number: int = 0
    """Of the last operation in it."""
    data: dict[bytes, Any] = field(default_factory=dict)
    """Strings as bytes, lists as lists, hashes and sets of scores as dicts, streams as lists of numbers."""
    short: dict[bytes, tuple[bytes, int, float, float]] = field(default_factory=dict)
    """Keys that expire soon: value, time to live in ms, and the earliest and latest unix time at which it was set."""
    long: dict[bytes, tuple[int, float, float]] = field(default_factory=dict)
    moved: list[int] = field(default_factory=lambda: [0] * ACCOUNTS)

    def copy(self) -> "Model":
        data = {key: value if isinstance(value, bytes) else value.copy() for key, value in self.data.items()}
        return Model(self.number, data, dict(self.short), dict(self.long), list(self.moved))


@dataclass(frozen=True)
class Operation:
    """Its requests, all in one transaction if there are several, and what they do to the model."""

    requests: tuple[Request, ...]
    apply: Callable[[Model, float, float], None]


def operation(seed: int, client: int, number: int) -> Operation:
    """Operation `number` of a client."""
    chance = random.Random(f"{seed}:{client}:{number}")
    make = chance.choices(_KINDS, _WEIGHTS)[0]
    return make(chance, b"%d" % client, number)


def _put(key: bytes, value: bytes) -> Callable[[Model, float, float], None]:
    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data[key] = value
        model.long.pop(key, None)

    return apply


def _set(chance: random.Random, client: bytes, number: int) -> Operation:
    key = b"s:%b:%d" % (client, chance.randrange(30))
    value = b"%d:" % number + b"x" * chance.choice(PADDING)
    return Operation((("SET", key, value),), _put(key, value))


def _increment(chance: random.Random, client: bytes, number: int) -> Operation:
    key = b"i:%b" % client
    amount = chance.randrange(1, 5)

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data[key] = b"%d" % (int(model.data.get(key, b"0")) + amount)

    return Operation((("INCRBY", key, amount),), apply)


def _push(chance: random.Random, client: bytes, number: int) -> Operation:
    key, value = b"l:%b" % client, b"%d" % number

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data.setdefault(key, []).append(value)
        del model.data[key][:-LIST_LENGTH]

    return Operation((("RPUSH", key, value), ("LTRIM", key, -LIST_LENGTH, -1)), apply)


def _pair(chance: random.Random, client: bytes, number: int) -> Operation:
    left, right, value = b"x:%b" % client, b"y:%b" % client, b"%d" % number

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data[left] = model.data[right] = value

    return Operation((("SET", left, value), ("SET", right, value)), apply)


def _transfer(chance: random.Random, client: bytes, number: int) -> Operation:
    source, target = chance.sample(range(ACCOUNTS), 2)
    amount, mark = chance.randrange(1, 1000), b"t:%b" % client

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.moved[source] -= amount
        model.moved[target] += amount
        model.data[mark] = b"%d" % number

    requests = (
        ("DECRBY", b"account:%d" % source, amount), ("INCRBY", b"account:%d" % target, amount), ("SET", mark, number),
    )  # fmt: skip
    return Operation(requests, apply)


def _fields(chance: random.Random, client: bytes, number: int) -> Operation:
    key, name, value = b"h:%b" % client, b"f%d" % chance.randrange(150), b"%d" % number

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data.setdefault(key, {})[name] = value

    return Operation((("HSET", key, name, value),), apply)


def _score(chance: random.Random, client: bytes, number: int) -> Operation:
    key, name = b"z:%b" % client, b"m%d" % chance.randrange(150)

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data.setdefault(key, {})[name] = b"%d" % number

    return Operation((("ZADD", key, number, name),), apply)


def _delete(chance: random.Random, client: bytes, number: int) -> Operation:
    key = b"s:%b:%d" % (client, chance.randrange(30))

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data.pop(key, None)
        model.long.pop(key, None)

    return Operation((("DEL", key),), apply)


def _stream(chance: random.Random, client: bytes, number: int) -> Operation:
    key = b"q:%b" % client

    def apply(model: Model, _sent: float, _done: float) -> None:
        model.data.setdefault(key, []).append(b"%d" % number)
        del model.data[key][:-LIST_LENGTH]

    return Operation((("XADD", key, "MAXLEN", LIST_LENGTH, "*", "n", number),), apply)


def _short(chance: random.Random, client: bytes, number: int) -> Operation:
    key, value, life = b"e:%b:%d" % (client, chance.randrange(20)), b"%d" % number, chance.randrange(*SHORT_MS)

    def apply(model: Model, sent: float, done: float) -> None:
        model.short[key] = (value, life, sent, done)

    return Operation((("SET", key, value, "PX", life),), apply)


def _long(chance: random.Random, client: bytes, number: int) -> Operation:
    key, value = b"s:%b:%d" % (client, chance.randrange(30)), b"%d" % number

    def apply(model: Model, sent: float, done: float) -> None:
        model.data[key] = value
        model.long[key] = (LONG_MS, sent, done)

    if chance.random() < 0.5:
        return Operation((("SET", key, value, "PX", LONG_MS),), apply)
    return Operation((("SET", key, value), ("PEXPIRE", key, LONG_MS)), apply)


_KINDS = (_set, _increment, _push, _pair, _transfer, _fields, _score, _delete, _stream, _short, _long)
_WEIGHTS = (5, 2, 2, 3, 3, 2, 2, 1, 1, 1, 1)


def _requests(operation_: Operation) -> list[Request]:
    if len(operation_.requests) == 1:
        return list(operation_.requests)
    return [("MULTI",), *operation_.requests, ("EXEC",)]


class Client:
    """One connection that writes, in pipelines of random length, until it is told to stop or the server is gone."""

    def __init__(self, seed: int, identity: int) -> None:
        self.seed = seed
        self.identity = identity
        self.base = Model()
        """What is there for certain; operations after `base.number` are in `log`."""
        self.log: list[tuple[int, float, float]] = []
        """(number, unix time in ms before sending, after the reply), acknowledged or not."""
        self.acknowledged = 0
        self.next = 1
        self.refusals: list[bytes] = []

    def run(self, connection: Connection, stop: threading.Event) -> None:
        """Writes; every way out leaves the ledger true."""
        chance = random.Random(f"{self.seed}:{self.identity}:{self.next}:lengths")
        try:
            while not stop.is_set():
                self._batch(connection, chance.choice(PIPELINES))
        except (OSError, ConnectionEnded, MalformedReply):
            return   # the server was killed; a reply that was cut off is no reply

    def _batch(self, connection: Connection, length: int) -> None:
        numbers = range(self.next, self.next + length)
        requests = [_requests(operation(self.seed, self.identity, number)) for number in numbers]
        sent = time.time() * 1000
        first = len(self.log)
        self.log += [(number, sent, float("inf")) for number in numbers]
        self.next += length
        connection.send_raw(encode_all(request for each in requests for request in each))
        for index, (number, each) in enumerate(zip(numbers, requests, strict=True)):
            replies = [connection.read_reply() for _ in each]
            if any(reply.is_error for reply in replies):
                self.refusals.append(next(reply.data for reply in replies if reply.is_error))
                raise AssertionError(f"client {self.identity}: {each} was answered with {replies}")
            self.log[first + index] = (number, sent, time.time() * 1000)
            self.acknowledged = number

    # -- judgement

    def model_after(self, number: int) -> Model:
        """The state after its first `number` operations."""
        model = self.base.copy()
        for each, sent, done in self.log:
            if each > number:
                break
            self.advance(model, each, sent, done)
        return model

    def advance(self, model: Model, number: int, sent: float, done: float) -> None:
        operation(self.seed, self.identity, number).apply(model, sent, done)
        model.number = number

    def settle(self, model: Model) -> None:
        """The model is what there is; what was sent after it never happened."""
        model.short = {}
        self.base, self.log, self.acknowledged = model, [], model.number


class Judgement(AssertionError):
    """What came back is no state that the rules allow."""


@dataclass
class Found:
    """What the restarted server holds for one client, read in one transaction."""

    data: dict[bytes, Any]
    short: dict[bytes, tuple[bytes, int]]
    """Value and unix time of expiry in ms, of those that are there."""
    expiry: dict[bytes, int]
    read_at: float

    def newest(self) -> int:
        """The highest number of an operation that left a trace in it."""
        numbers = [0, *(int(value) for value, _at in self.short.values())]
        for key, value in self.data.items():
            kind = key[:1]
            if kind in (b"s", b"x", b"y", b"t"):
                numbers.append(int(value.split(b":")[0]))
            elif kind in (b"l", b"q"):
                numbers.append(int(value[-1]))
            elif kind in (b"h", b"z"):
                numbers.append(max(map(int, value.values())))
        return max(numbers)


def read_client(connection: Connection, identity: int) -> Found:
    """All keys of a client, at one moment."""
    strings = [key % identity for key in (b"i:%d", b"x:%d", b"y:%d", b"t:%d")]
    strings += [b"s:%d:%d" % (identity, number) for number in range(30)]
    shorts = [b"e:%d:%d" % (identity, number) for number in range(20)]
    requests: list[Request] = [("MGET", *strings)]
    requests += [("PEXPIRETIME", key) for key in strings]
    requests += [("LRANGE", b"l:%d" % identity, 0, -1), ("HGETALL", b"h:%d" % identity)]
    requests += [("ZRANGE", b"z:%d" % identity, 0, -1, "WITHSCORES"), ("XRANGE", b"q:%d" % identity, "-", "+")]
    requests += [("MGET", *shorts), *[("PEXPIRETIME", key) for key in shorts], ("TIME",)]
    replies = connection.pipeline([("MULTI",), *requests, ("EXEC",)])
    plain = replies[-1].plain()
    assert isinstance(plain, list), replies
    values, times = plain[0], plain[1 : 1 + len(strings)]
    rest = plain[1 + len(strings) :]
    data: dict[bytes, Any] = {key: value for key, value in zip(strings, values, strict=True) if value is not None}
    for prefix, reply in zip((b"l:%d", b"h:%d", b"z:%d", b"q:%d"), rest, strict=False):
        if reply:
            data[prefix % identity] = _collection(prefix, reply)
    short_values, short_times = rest[4], rest[5 : 5 + len(shorts)]
    short = {
        key: (value, at) for key, value, at in zip(shorts, short_values, short_times, strict=True) if value is not None
    }
    expiry = {key: at for key, at in zip(strings, times, strict=True) if at >= 0}
    seconds, micros = map(int, rest[-1])
    return Found(data, short, expiry, seconds * 1000 + micros / 1000)


def _collection(prefix: bytes, reply: list[Any]) -> Any:
    if prefix == b"l:%d":
        return reply
    if prefix == b"q:%d":
        return [entry[1][1] for entry in reply]
    return dict(zip(reply[::2], reply[1::2], strict=True))


def judge_client(client: Client, found: Found, least: int) -> Model:
    """The model of what came back; raises Judgement unless it is a state after at least `least` operations."""
    start = max(least, found.newest(), client.base.number)
    if found.newest() >= client.next:
        raise Judgement(f"client {client.identity}: operation {found.newest()} was never sent ({client.next - 1} were)")
    model = client.model_after(start)
    pending = [entry for entry in client.log if entry[0] > start]
    complaints = _differences(model, found)
    for number, sent, done in pending[:40]:
        if not complaints:
            break
        client.advance(model, number, sent, done)
        complaints = _differences(model, found)
    if complaints:
        shown = _differences(client.model_after(start), found)
        raise Judgement(
            f"client {client.identity}: what came back is not the state after any m operations with "
            f"{least} <= m <= {client.next - 1} (newest trace: {found.newest()}, acknowledged: {client.acknowledged}); "
            f"beside the state after {start}: {shown[:6]}"
        )
    _judge_times(client, model, found)
    return model


def _differences(model: Model, found: Found) -> list[str]:
    keys = sorted(model.data.keys() | found.data.keys())
    return [
        f"{key!r}: {_short_text(found.data.get(key))} instead of {_short_text(model.data.get(key))}"
        for key in keys if model.data.get(key) != found.data.get(key)
    ] + [
        f"{key!r}: expiry {found.expiry.get(key)}" for key in keys if (key in model.long) != (key in found.expiry)
    ]  # fmt: skip


def _short_text(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:50]}...{text[-50:]}"


def _judge_times(client: Client, model: Model, found: Found) -> None:
    """Times to live went on while the server was down."""
    for key, (life, sent, done) in model.long.items():
        if not sent - SLACK_MS + life <= found.expiry[key] <= done + SLACK_MS + life:
            at = found.expiry[key]
            raise Judgement(f"client {client.identity}: {key!r} expires at {at}, set {sent} to {done}, for {life}")
    for key, (value, at) in found.short.items():
        if at < int(found.read_at):
            raise Judgement(f"client {client.identity}: {key!r} is alive at {found.read_at}, past its time {at}")
        known = model.short.get(key)
        if known is None and int(value) <= client.base.number:
            continue  # from the life before
        if known is None or known[0] != value:
            raise Judgement(f"client {client.identity}: {key!r} is {value!r}; the state has {known}")
        if not known[2] - SLACK_MS + known[1] <= at <= known[3] + SLACK_MS + known[1]:
            raise Judgement(f"client {client.identity}: {key!r} expires at {at}, but was set {known}")
    later = [number for number, _, _ in client.log if number > model.number]
    in_flight = {operation(client.seed, client.identity, number).requests[0][1] for number in later}
    for key, (value, life, sent, _done) in model.short.items():
        if key not in in_flight and sent + life > found.read_at + SLACK_MS and key not in found.short:
            raise Judgement(f"client {client.identity}: {key!r} = {value!r} is gone before its time")


class Storm:
    """Several clients at once, over any number of lives of the server."""

    def __init__(self, clients: int, seed: int) -> None:
        self.clients = [Client(seed, identity) for identity in range(clients)]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._connections: list[Connection] = []
        self.failures: list[BaseException] = []

    def begin(self, connect: Callable[[], Connection]) -> None:
        """All clients write from now on."""
        self._stop.clear()
        for client in self.clients:
            connection = connect()
            self._connections.append(connection)
            thread = threading.Thread(target=self._run, args=(client, connection), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, client: Client, connection: Connection) -> None:
        try:
            client.run(connection, self._stop)
        except BaseException as failure:
            self.failures.append(failure)

    def end(self) -> None:
        """No client writes any more (each finished its batch, or lost its server)."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        for connection in self._connections:
            connection.close()
        self._threads, self._connections = [], []
        if self.failures:
            raise self.failures[0]

    def wait_for(self, operations: int, timeout: float = 120.0) -> None:
        """Until each client has so many operations acknowledged."""
        deadline = time.monotonic() + timeout
        while any(client.acknowledged < operations for client in self.clients) and not self.failures:
            assert time.monotonic() < deadline, self.acknowledged()
            time.sleep(0.01)

    def acknowledged(self) -> dict[int, int]:
        """Client -> the number of its last acknowledged operation."""
        return {client.identity: client.acknowledged for client in self.clients}

    def operations(self) -> int:
        return sum(client.acknowledged for client in self.clients)

    def judge(self, connection: Connection, least: dict[int, int]) -> dict[int, int]:
        """What came back is allowed, and is what the clients go on from; client -> operations that are in it."""
        models = {
            client: judge_client(client, read_client(connection, client.identity), least[client.identity])
            for client in self.clients
        }
        accounts = [b"account:%d" % number for number in range(ACCOUNTS)]
        balances = [int(value or 0) for value in connection.command("MGET", *accounts).plain()]
        wanted = [sum(model.moved[account] for model in models.values()) for account in range(ACCOUNTS)]
        if balances != wanted:
            raise Judgement(f"accounts hold {balances}, the transfers that are there make {wanted}")
        for client, model in models.items():
            client.settle(model)
        return {client.identity: model.number for client, model in models.items()}
