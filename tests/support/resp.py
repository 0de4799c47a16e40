"""A raw RESP client for tests: strict about the wire, and it keeps every type apart.

Idea: an ordinary client library hides the difference between `+OK` and `$2 OK`, or between the three nulls. The
differential tests exist to see such differences, so each value comes back as `Value(kind, data)`, push messages
included, in the order in which they arrived. Anything that is not exactly RESP raises `MalformedReply`.

Owner: the thread that made the connection. No reconnects, no retries; every read has a deadline.
"""

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Argument = bytes | str | int
Address = tuple[str, int] | str
"""(host, port), or the path of a Unix socket."""


class MalformedReply(AssertionError):
    """The server sent bytes that are not RESP."""


class ConnectionEnded(ConnectionError):
    """The server closed the connection."""


class Value(NamedTuple):
    """One RESP value. `kind` is the wire type; `data` is bytes, int, bool, None, or a tuple of values (or of pairs)."""

    kind: str
    data: Any = None

    def __repr__(self) -> str:
        if self.kind in {"bulk", "simple", "error", "double"}:
            text = self.data if len(self.data) < 600 else self.data[:600] + b"..."
            return f"{self.kind}:{text!r}"
        if isinstance(self.data, tuple):
            return f"{self.kind}{list(self.data)!r}"
        return self.kind if self.data is None else f"{self.kind}:{self.data!r}"

    @property
    def is_error(self) -> bool:
        return self.kind == "error"

    def plain(self) -> Any:
        """The value as ordinary Python objects: for tests that look at content, not at types."""
        if self.kind in {"array", "set", "push"}:
            return [item.plain() for item in self.data]
        if self.kind == "map":
            return {key.plain(): value.plain() for key, value in self.data}
        if self.kind == "double":
            return float(self.data)
        return self.data


CLOSED = Value("closed")
OK = Value("simple", b"OK")
QUEUED = Value("simple", b"QUEUED")
PONG = Value("simple", b"PONG")


def encode(*arguments: Argument) -> bytes:
    """The request as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def encode_all(requests: Iterable[Iterable[Argument]]) -> bytes:
    """Several requests as one pipeline."""
    return b"".join(encode(*request) for request in requests)


class Connection:
    """One socket to a server. `send` and `read` are separate, so that pipelines and pushes can be tested."""

    def __init__(self, address: Address, *, resp: int = 2, timeout: float = 30.0, receive_buffer: int = 0) -> None:
        self.timeout = timeout
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_STREAM)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if isinstance(address, str):
            self._connect_unix(address)
        else:
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        self._received = bytearray()
        self._position = 0
        if resp == 3:
            reply = self.command("HELLO", 3)
            assert reply.kind == "map", f"HELLO 3 was answered with {reply!r}"

    def _connect_unix(self, path: str) -> None:
        """Waits while the listener's backlog is full. A Unix socket that does not block is refused then (EAGAIN), and
        Python's timeouts make sockets that do not block."""
        limit = struct.pack("ll", int(self.timeout), int(self.timeout % 1 * 1e6))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        try:
            self.socket.connect(path)
        except BlockingIOError:
            raise TimeoutError(f"{path} accepted no connection in {self.timeout} s") from None

    # -- sending

    def send(self, *arguments: Argument) -> None:
        self.send_raw(encode(*arguments))

    def send_raw(self, data: bytes) -> None:
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def command(self, *arguments: Argument) -> Value:
        """Sends one request and returns the next value that is not a push message."""
        self.send(*arguments)
        return self.read_reply()

    def pipeline(self, requests: Iterable[Iterable[Argument]]) -> list[Value]:
        """Sends all requests at once and returns their replies (push messages are dropped)."""
        wanted = list(requests)
        self.send_raw(encode_all(wanted))
        return [self.read_reply() for _ in wanted]

    # -- receiving

    def read_reply(self) -> Value:
        value = self.read()
        while value.kind == "push":
            value = self.read()
        return value

    def read(self, timeout: float | None = None) -> Value:
        """The next value of any kind. Raises TimeoutError, ConnectionEnded or MalformedReply."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        value = self._value(deadline)
        del self._received[: self._position]
        self._position = 0
        return value

    def read_until_close(self, timeout: float | None = None) -> list[Value]:
        """All values up to the end of the connection, with CLOSED as the last one."""
        values = []
        try:
            while True:
                values.append(self.read(timeout))
        except ConnectionError:
            return [*values, CLOSED]

    def is_quiet(self, seconds: float) -> bool:
        """True if nothing arrives for so long."""
        if self._received:
            return False
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return True
        self._received += data
        return False

    def close(self) -> None:
        self.socket.close()

    def close_and_wait(self) -> None:
        """Returns when the server has closed the connection too: its subscriptions and the like are gone."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(self.timeout)
            while self.socket.recv(1 << 16):
                pass
        except OSError as error:
            if error.errno not in {errno.ENOTCONN, errno.ECONNRESET}:   # the server was faster
                raise
        finally:
            self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- the decoder; its position only moves over whole values (read() drops what was taken)

    def _fill(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            self._position = 0
            raise TimeoutError(f"no complete reply in time; pending {bytes(self._received[:200])!r}")
        self.socket.settimeout(remaining)
        try:
            data = self.socket.recv(1 << 20)
        except TimeoutError:
            self._position = 0
            raise TimeoutError(f"no complete reply in time; pending {bytes(self._received[:200])!r}") from None
        if not data:
            raise ConnectionEnded(f"closed by the server; pending {bytes(self._received[:200])!r}")
        self._received += data

    def _line(self, deadline: float) -> bytes:
        searched = self._position
        while True:
            end = self._received.find(b"\r\n", searched)
            if end >= 0:
                line = bytes(self._received[self._position : end])
                if b"\n" in line or b"\r" in line:
                    raise MalformedReply(f"bare CR or LF in {line!r}")
                self._position = end + 2
                return line
            searched = max(self._position, len(self._received) - 1)
            self._fill(deadline)

    def _exactly(self, length: int, deadline: float) -> bytes:
        while len(self._received) < self._position + length + 2:
            self._fill(deadline)
        start, end = self._position, self._position + length
        if self._received[end : end + 2] != b"\r\n":
            raise MalformedReply(f"bulk of {length} bytes does not end in CRLF: {bytes(self._received[:200])!r}")
        self._position = end + 2
        return bytes(self._received[start:end])

    def _value(self, deadline: float) -> Value:
        line = self._line(deadline)
        mark, rest = line[:1], line[1:]
        if mark in _SCALARS:
            return _SCALARS[mark](rest)
        if mark in b"$=!" and mark:
            return self._blob(mark, rest, deadline)
        if mark in b"*~>%|" and mark:
            return self._aggregate(mark, rest, deadline)
        raise MalformedReply(f"unknown type in {line!r}")

    def _blob(self, mark: bytes, rest: bytes, deadline: float) -> Value:
        length = _decimal(rest)
        if mark == b"$" and length == -1:
            return Value("null-bulk")
        if length < 0:
            raise MalformedReply(f"negative length in {mark + rest!r}")
        data = self._exactly(length, deadline)
        if mark == b"=":
            if data[3:4] != b":":
                raise MalformedReply(f"verbatim string without format: {data[:20]!r}")
            return Value("verbatim", data)
        return Value("bulk" if mark == b"$" else "bulk-error", data)

    def _aggregate(self, mark: bytes, rest: bytes, deadline: float) -> Value:
        count = _decimal(rest)
        if mark == b"*" and count == -1:
            return Value("null-array")
        if count < 0:
            raise MalformedReply(f"negative count in {mark + rest!r}")
        if mark in b"%|":
            pairs = tuple((self._value(deadline), self._value(deadline)) for _ in range(count))
            if mark == b"%":
                return Value("map", pairs)
            return Value("attribute", (pairs, self._value(deadline)))
        kind = {b"*": "array", b"~": "set", b">": "push"}[mark]
        return Value(kind, tuple(self._value(deadline) for _ in range(count)))


def _decimal(text: bytes) -> int:
    digits = text[1:] if text[:1] == b"-" else text
    if not digits.isdigit() or (len(digits) > 1 and digits[:1] == b"0"):
        raise MalformedReply(f"not a canonical decimal: {text!r}")
    return int(text)


def _integer(rest: bytes) -> Value:
    return Value("integer", _decimal(rest))


def _double(rest: bytes) -> Value:
    try:
        float(rest)
    except ValueError:
        raise MalformedReply(f"not a double: {rest!r}") from None
    return Value("double", rest)


def _boolean(rest: bytes) -> Value:
    if rest not in {b"t", b"f"}:
        raise MalformedReply(f"not a boolean: {rest!r}")
    return Value("boolean", rest == b"t")


def _null(rest: bytes) -> Value:
    if rest:
        raise MalformedReply(f"null with text {rest!r}")
    return Value("null")


_SCALARS: dict[bytes, Callable[[bytes], Value]] = {
    b"+": lambda rest: Value("simple", rest),
    b"-": lambda rest: Value("error", rest),
    b":": _integer,
    b",": _double,
    b"#": _boolean,
    b"_": _null,
    b"(": lambda rest: Value("bignumber", _decimal(rest)),
}
