"""Runs the same requests against the server under test and against redis-server, and compares every byte's meaning.

Idea: a script is a list of steps, written as lines; the same steps go to both servers over connections of the same
protocol, and what each connection received, push messages included, must be equal. There are only as many
exceptions as there are values that cannot be equal (ids, times, ports): the table `_COMPARISONS`.

A line:  [@N] [~|^] request     in redis-cli's quoting ("..." with \\xHH and \\n; '...'; "" is an empty argument)
  @N   the connection to use (default 1); connections appear when they are first used
  ~    no reply is expected (CLIENT REPLY OFF and what follows it)
  ^    everything up to the close of the connection is expected
  #    a comment
A tuple of arguments stands for a line of which the arguments are already known.

Limits: a step is over when its reply is there on both sides, so scripts are about order, not about races.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from tests.support.resp import CLOSED, QUEUED, Argument, Connection, Value, encode_all
from tests.support.servers import Server

Line = str | tuple[Argument, ...]
Script = str | Sequence[Line]

PLAIN_MODES = ("resp2", "resp3")
MODES = ("resp2", "resp3", "multi2", "multi3")
"""In the multi modes each request is wrapped into a MULTI and an EXEC of its own."""

_FENCE = b"--fence--"
_SUBSCRIPTION = {b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe", b"ssubscribe", b"sunsubscribe"}
_MESSAGE = {b"message", b"pmessage", b"smessage"}
_NEVER_WRAPPED = _SUBSCRIPTION | {
    b"multi",
    b"exec",
    b"discard",
    b"watch",
    b"unwatch",
    b"hello",
    b"reset",
    b"quit",
    b"monitor",
    b"auth",
    b"shutdown",
    b"sync",
    b"psync",
}


class Step(NamedTuple):
    """One request of a script."""

    connection: int
    expect: str
    """"reply", "nothing" or "close"."""
    arguments: tuple[bytes, ...]


def quoted(argument: bytes) -> str:
    """The argument as redis-cli would print it: for messages about failures."""
    if len(argument) > 80:
        return f"<{len(argument)} bytes {argument[:20]!r}...>"
    return repr(argument)[1:] if not re.fullmatch(rb"[!-&(-~]+", argument) else argument.decode()


_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}
_WORD = re.compile(
    r"""\s*(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\'|[^'])*)'|(?P<bare>[^\s"']\S*))(?=\s|$)""", re.DOTALL
)


def split_words(line: str) -> tuple[bytes, ...]:
    """The arguments of a line in redis-cli's quoting."""
    words, position, end = [], 0, len(line.rstrip())
    while position < end:
        found = _WORD.match(line, position)
        assert found is not None, f"bad quoting in {line!r}"
        if found["double"] is not None:
            words.append(_unescape(found["double"]))
        elif found["single"] is not None:
            words.append(found["single"].replace("\\'", "'").encode())
        else:
            words.append(found["bare"].encode())
        position = found.end()
    return tuple(words)


def _unescape(text: str) -> bytes:
    parts = re.split(r"\\(x[0-9a-fA-F]{2}|.)", text, flags=re.DOTALL)
    result = parts[0].encode()
    for escape, plain in zip(parts[1::2], parts[2::2], strict=True):
        if len(escape) == 3:
            result += bytes.fromhex(escape[1:])
        else:
            result += _ESCAPES.get(escape, escape.encode())
        result += plain.encode()
    return result


def steps(script: Script) -> list[Step]:
    """The script's steps."""
    lines = script.splitlines() if isinstance(script, str) else script
    result = []
    for line in lines:
        if isinstance(line, tuple):
            arguments = tuple(each if isinstance(each, bytes) else str(each).encode() for each in line)
            result.append(Step(1, "reply", arguments))
        elif line.strip() and not line.strip().startswith("#"):
            result.append(_parsed(line.strip()))
    return result


def _parsed(line: str) -> Step:
    found = re.match(r"(?:@(\d+)\s+)?(?:([~^])\s+)?(.*)", line, re.DOTALL)
    assert found is not None
    expect = {"~": "nothing", "^": "close", None: "reply"}[found[2]]
    return Step(int(found[1] or 1), expect, split_words(found[3]))


def commands_of(script: Script) -> set[str]:
    """The lower-case names that a script uses, `a|b` for what may be a subcommand."""
    names = set()
    for step in steps(script):
        words = [word.decode("latin1").lower() for word in step.arguments[:2]]
        if words:
            names.add(words[0])
            names.add("|".join(words))
    return names


# -- comparing


def _equal(ours: Value, theirs: Value) -> bool:
    return ours == theirs


class _Run:
    """When the two servers began to get the requests that are being compared."""

    began = 0.0


def begin() -> None:
    """From now on the two servers do the same, each at moments of its own."""
    _Run.began = time.monotonic()


def near(ours: Value, theirs: Value, unit: int = 1) -> bool:
    """Equal, or two times (in so many units a second) of which no more than the measured duration lies between.

    Two seconds are allowed on top, for clocks that are rounded or cached. Negative numbers are no times.
    """
    if ours.kind == theirs.kind == "integer" and min(ours.data, theirs.data) >= 0:
        return bool(abs(ours.data - theirs.data) <= (2 + time.monotonic() - _Run.began) * unit)
    return ours == theirs


near_in_ms = partial(near, unit=1000)


def each_near(unit: int = 1) -> "Comparison":
    """Of arrays of times."""

    def same(ours: Value, theirs: Value) -> bool:
        if ours.kind != theirs.kind or ours.kind != "array" or len(ours.data) != len(theirs.data):
            return ours == theirs
        return all(near(a, b, unit) for a, b in zip(ours.data, theirs.data, strict=True))

    return same


def _same_items_in_any_order(ours: Value, theirs: Value) -> bool:
    if ours.kind == theirs.kind and isinstance(ours.data, tuple) and isinstance(theirs.data, tuple):
        return sorted(ours.data, key=repr) == sorted(theirs.data, key=repr)
    return ours == theirs


def same_shape(ours: Value, theirs: Value) -> bool:
    """Equal in types and counts; the scalars themselves may differ (errors may not)."""
    if ours.kind != theirs.kind or ours.is_error:
        return ours == theirs
    if not isinstance(ours.data, tuple):
        return True
    if len(ours.data) != len(theirs.data):
        return False
    if ours.kind == "map":
        return all(a[0] == b[0] and same_shape(a[1], b[1]) for a, b in zip(ours.data, theirs.data, strict=True))
    return all(same_shape(a, b) for a, b in zip(ours.data, theirs.data, strict=True))


_VALUES_OF_OUR_OWN = {b"server", b"version", b"id", b"modules"}


def _same_hello(ours: Value, theirs: Value) -> bool:
    if ours.kind != theirs.kind or not isinstance(ours.data, tuple) or not isinstance(theirs.data, tuple):
        return ours == theirs
    flat = [_flat(each) for each in (ours, theirs)]
    if [key for key, _ in flat[0]] != [key for key, _ in flat[1]]:
        return False
    return all(
        mine.kind == other.kind and (mine == other or key.data in _VALUES_OF_OUR_OWN)
        for (key, mine), (_, other) in zip(*flat, strict=True)
    )


def _flat(value: Value) -> list[tuple[Value, Value]]:
    if value.kind == "map":
        return list(value.data)
    return list(zip(value.data[::2], value.data[1::2], strict=True))


def _same_help(ours: Value, theirs: Value) -> bool:
    """HELP has Redis's frame around our own words."""
    if ours.kind != theirs.kind or ours.kind != "array":
        return ours == theirs
    return ours.data[0] == theirs.data[0] and ours.data[-2:] == theirs.data[-2:]


_COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "ttl": near,
    "pttl": near_in_ms,
    "expiretime": near,
    "pexpiretime": near_in_ms,
    "httl": each_near(),
    "hpttl": each_near(1000),
    "hexpiretime": each_near(),
    "hpexpiretime": each_near(1000),
    "hello": _same_hello,
    "keys": _same_items_in_any_order,
    "config|get": _same_items_in_any_order,
    "time": same_shape,
    "lastsave": same_shape,
    "info": same_shape,
    "client|id": same_shape,
    "client|info": same_shape,
    "client|list": same_shape,
    "object|idletime": near,
    "object|freq": same_shape,
    "memory|usage": same_shape,
    "memory|doctor": same_shape,
    "memory|malloc-stats": same_shape,
    "memory|purge": same_shape,
    "latency|doctor": same_shape,
    "lolwut": same_shape,
    "slowlog|get": same_shape,
    "pubsub|channels": _same_items_in_any_order,
    "pubsub|shardchannels": _same_items_in_any_order,
    "command|list": _same_items_in_any_order,
}

Comparison = Callable[[Value, Value], bool]


def comparison_for(arguments: tuple[bytes, ...]) -> Comparison:
    """How the replies of this request have to agree; plain equality for almost all."""
    words = [word.decode("latin1").lower() for word in arguments[:2]]
    pair = "|".join(words)
    if words[1:] == ["help"]:
        return _same_help
    return _COMPARISONS.get(pair) or _COMPARISONS.get(words[0] if words else "") or _equal


# -- running


class Side:
    """The connections of one script to one server."""

    def __init__(self, server: Server, mode: str) -> None:
        self.server = server
        self.resp = 3 if mode.endswith("3") else 2
        self.multi = mode.startswith("multi")
        self.connections: dict[int, Connection] = {}
        self.ended: set[int] = set()
        self.unanswered: Step | None = None

    def connection(self, number: int) -> Connection:
        if number not in self.connections:
            self.connections[number] = self.server.connect(self.resp)
        return self.connections[number]

    def start(self, step: Step) -> None:
        """Sends the step's request."""
        if step.connection in self.ended:
            return
        if self.unanswered is not None and self.unanswered.connection != step.connection:
            self._await(self.unanswered)
        self.unanswered = step if step.expect == "nothing" else None
        connection = self.connection(step.connection)
        requests: list[tuple[bytes, ...]] = [step.arguments]
        if self._is_wrapped(step):
            requests = [(b"MULTI",), step.arguments, (b"EXEC",)]
        try:
            connection.send_raw(encode_all(requests))
        except ConnectionError:
            self.ended.add(step.connection)

    def finish(self, step: Step) -> list[Value]:
        """What the step's connection received up to and including the step's reply."""
        if step.connection in self.ended:
            return [CLOSED]
        connection = self.connection(step.connection)
        try:
            if self._is_wrapped(step):
                return [value for _ in range(3) for value in self._replies(connection, (b"",))]
            if step.expect == "nothing":
                return []
            if step.expect == "close":
                self.ended.add(step.connection)
                return connection.read_until_close()
            return self._replies(connection, step.arguments)
        except ConnectionError:
            self.ended.add(step.connection)
            return [CLOSED]
        except TimeoutError as timeout:
            return [Value("timeout", str(timeout))]

    def _await(self, step: Step) -> None:
        """Returns when the request, which has no reply, was executed: what comes next comes over another connection."""
        name = step.arguments[0].lower()
        host, port = self.connection(step.connection).socket.getsockname()
        wanted = re.compile(rb" addr=%s:%d .* cmd=%s[ |]" % (re.escape(host.encode()), port, re.escape(name)))
        deadline = time.monotonic() + 30
        while not wanted.search(self.server.command_once("CLIENT", "LIST").data):
            assert time.monotonic() < deadline, f"{self.server.command[0]} does not execute {step}"

    def _is_wrapped(self, step: Step) -> bool:
        return self.multi and step.expect == "reply" and step.arguments[0].lower() not in _NEVER_WRAPPED

    def _replies(self, connection: Connection, arguments: tuple[bytes, ...]) -> list[Value]:
        name = arguments[0].lower()
        if name in _SUBSCRIPTION:
            return self._confirmations(connection, arguments)
        received = [connection.read()]
        while is_message(received[-1]):
            received.append(connection.read())
        return received

    def _confirmations(self, connection: Connection, arguments: tuple[bytes, ...]) -> list[Value]:
        wanted = max(1, len(arguments) - 1)
        received: list[Value] = []
        while wanted:
            received.append(connection.read())
            if not is_message(received[-1]):
                wanted -= 1
            if received[-1].is_error or received[-1] == QUEUED:
                break
        return received

    def drain(self, number: int) -> list[Value]:
        """What the connection still had to say: everything up to the answer to a PING of ours."""
        connection = self.connections[number]
        if number in self.ended:
            return []
        try:
            connection.send("PING", _FENCE)
            return self._until_fence(connection)
        except ConnectionError:
            return [CLOSED]
        except TimeoutError as timeout:
            return [Value("timeout", str(timeout))]

    def _until_fence(self, connection: Connection) -> list[Value]:
        received: list[Value] = []
        while True:
            value = connection.read()
            if value == QUEUED or (value.is_error and value.data.startswith(b"NOAUTH")):
                return [*received, value]
            if value == Value("bulk", _FENCE):
                return received
            if value.kind == "array" and value.data[-1:] == (Value("bulk", _FENCE),):
                return received
            received.append(value)

    def close(self) -> None:
        """Ends all connections, and waits until the server knows: what follows must not find their subscriptions."""
        for connection in self.connections.values():
            connection.close_and_wait()


def is_message(value: Value) -> bool:
    """True for what a publisher or a server event caused, not the request."""
    if value.kind not in {"push", "array"} or not value.data:
        return False
    kind = value.data[0].data
    return kind in _MESSAGE or (value.kind == "push" and kind not in _SUBSCRIPTION)


def in_pattern_order(values: list[Value]) -> list[Value]:
    """The values, with the messages that several patterns caused for one PUBLISH sorted: Redis has no order there."""
    return [value for _, run in groupby(values, _published) for value in sorted(run, key=repr)]


def _published(value: Value) -> object:
    if is_message(value) and value.data[0].data == b"pmessage":
        return value.data[2:]
    return object()  # equal to nothing else: a run of one


class Difference(AssertionError):
    """The two servers answered differently."""


class Pair:
    """The server under test and the oracle."""

    def __init__(self, subject: Server, oracle: Server) -> None:
        self.subject = subject
        self.oracle = oracle

    def compare(self, script: Script, mode: str = "resp2", *, how: dict[str, Comparison] | None = None) -> None:
        """Runs the script on both; raises Difference for the first step that is answered differently.

        `how` maps a command name (or "name|subcommand") to a comparison that replaces the usual one.
        """
        ours, theirs = Side(self.subject, mode), Side(self.oracle, mode)
        begin()
        done: list[str] = []
        try:
            for step in steps(script):
                ours.start(step)
                theirs.start(step)
                replies = (ours.finish(step), theirs.finish(step))
                done.append(" ".join(quoted(each) for each in step.arguments)[:200])
                self._check(step.arguments, replies, done, how)
            for number in sorted(theirs.connections):
                rest = (ours.drain(number), theirs.drain(number))
                done.append(f"(rest of connection {number})")
                self._check((b"",), rest, done, how)
        finally:
            ours.close()
            theirs.close()

    def _check(
        self,
        arguments: tuple[bytes, ...],
        replies: tuple[list[Value], list[Value]],
        done: list[str],
        how: dict[str, Comparison] | None,
    ) -> None:
        ours, theirs = (in_pattern_order(values) for values in replies)
        assert all(value.kind != "timeout" for value in theirs), (
            f"redis gives no answer after {done[-5:]}: fix the script"
        )
        if ours == theirs:
            return
        same = _chosen(arguments, how)
        if len(ours) == len(theirs) and all(agree(same, a, b) for a, b in zip(ours, theirs, strict=True)):
            return
        history = "\n    ".join(done[-12:])
        raise Difference(f"after\n    {history}\n  subject {shown(ours)}\n  redis   {shown(theirs)}")


def _chosen(arguments: tuple[bytes, ...], how: dict[str, Comparison] | None) -> Comparison:
    words = [word.decode("latin1").lower() for word in arguments[:2]]
    for name in ("|".join(words), words[0]):
        if how and name in how:
            return how[name]
    return comparison_for(arguments)


def agree(same: Comparison, ours: Value, theirs: Value) -> bool:
    """The comparison, applied to the values or, after an EXEC of one request, to their only items."""
    if ours == theirs or same(ours, theirs):
        return True
    if ours.kind == theirs.kind == "array" and len(ours.data) == len(theirs.data) == 1:
        return same(ours.data[0], theirs.data[0])
    return False


def shown(values: list[Value]) -> str:
    text = repr(values)
    return text if len(text) < 3000 else f"{text[:3000]}... ({len(text)} characters)"


def scripted(cases: dict[str, Script], modes: Iterable[str] = MODES) -> tuple[str, list[Any], list[str]]:
    """Arguments for `pytest.mark.parametrize`: every case in every mode."""
    rows = [(script, mode) for script in cases.values() for mode in modes]
    names = [f"{name}-{mode}" for name in cases for mode in modes]
    return "script, mode", rows, names


def parametrize_scripts(cases: dict[str, Script], modes: Iterable[str] = MODES) -> Any:
    """A decorator that runs a test with (script, mode) for each case in each mode."""
    import pytest

    names, rows, ids = scripted(cases, modes)
    return pytest.mark.parametrize(names, rows, ids=ids)
