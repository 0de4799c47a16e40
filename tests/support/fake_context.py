"""A context for command handlers without a server: records the reply as Python values, and what was changed.

Idea: a handler is a function of (ctx, argv); `FakeContext.run(b"CONFIG", b"GET", b"port")` finds the command in the
registry, checks the arity as dispatch does, calls the handler and returns its one reply:
    ok/simple/bulk/verbatim -> bytes   integer/big_number -> int   double -> float   boolean -> bool   null -> None
    array/set/push -> list             map -> dict                 error -> CommandError (the instance, not raised)
A handler that blocks instead of replying gives a `Blocked`; `rerun()` then calls it again as a wake-up does.
What a handler raises is raised. `reply.calls` keeps the methods called, for tests that look at types.

Owner: one test. Replies that are incomplete, or more than one, are AssertionErrors.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

from mtredis.errors import CommandError
from mtredis.registry.command import REGISTRY, Registry, check_arity, wrong_arity


class Blocked(NamedTuple):
    """What a handler has passed to `ctx.block`."""

    keys: list[bytes]
    timeout_ms: int
    null: str
    on_missing: bool = False


class _Open:
    """An aggregate that still waits for `missing` values."""

    def __init__(self, kind: str, missing: int) -> None:
        self.kind, self.missing, self.values = kind, missing, list[Any]()

    def closed(self) -> Any:
        if self.kind != "map":
            return self.values
        return dict(zip(self.values[::2], self.values[1::2], strict=True))


class FakeReply:
    """The methods of mtredis.protocol.reply.Reply; `value()` gives the one reply that was written."""

    def __init__(self, resp: int = 2) -> None:
        self.resp = resp
        self.calls: list[tuple[Any, ...]] = []
        self._open: list[_Open] = []
        self._done: list[Any] = []

    def value(self) -> Any:
        assert not self._open, f"incomplete reply: {self._open[-1].missing} values are missing; calls: {self.calls}"
        assert len(self._done) == 1, f"{len(self._done)} replies instead of one; calls: {self.calls}"
        return self._done[0]

    def values(self) -> list[Any]:
        """All complete replies, for handlers that answer more than once (SUBSCRIBE)."""
        assert not self._open, f"incomplete reply; calls: {self.calls}"
        return self._done

    def _put(self, method: str, value: Any, *arguments: Any) -> None:
        self.calls.append((method, *arguments))
        self._complete(value)

    def _complete(self, value: Any) -> None:
        while self._open:
            top = self._open[-1]
            top.values.append(value)
            top.missing -= 1
            if top.missing:
                return
            self._open.pop()
            value = top.closed()
            if top.kind == "attribute":
                return
        self._done.append(value)

    def _begin(self, kind: str, count: int, values: int) -> None:
        self.calls.append((kind, count))
        aggregate = _Open(kind, values)
        if values:
            self._open.append(aggregate)
        elif kind != "attribute":
            self._complete(aggregate.closed())

    def ok(self) -> None:
        self._put("ok", b"OK")

    def simple(self, text: bytes) -> None:
        self._put("simple", _bytes(text), text)

    status = simple

    def error(self, text: str) -> None:
        self._put("error", CommandError(text), text)

    def integer(self, value: int) -> None:
        assert isinstance(value, int), f"integer({value!r})"
        self._put("integer", int(value), value)

    def bulk(self, data: bytes) -> None:
        self._put("bulk", _bytes(data), data)

    def bulk_or_null(self, data: bytes | None) -> None:
        if data is None:
            self.null()
        else:
            self.bulk(data)

    def null(self) -> None:
        self._put("null", None)

    def null_array(self) -> None:
        self._put("null_array", None)

    def double(self, value: float) -> None:
        self._put("double", float(value), value)

    def boolean(self, value: bool) -> None:
        self._put("boolean", bool(value), value)

    def big_number(self, digits: bytes) -> None:
        self._put("big_number", int(digits), digits)

    def verbatim(self, text: bytes, ext: bytes = b"txt") -> None:
        self._put("verbatim", _bytes(text), text, ext)

    def scan(self, cursor: int, items: list[bytes]) -> None:
        self.array(2)
        self.bulk(b"%d" % cursor)
        self.bulks([*items])

    def bulks(self, items: list[bytes | None]) -> None:
        self.array(len(items))
        for item in items:
            self.bulk_or_null(item)

    def bulk_set(self, items: list[bytes | None]) -> None:
        self.set(len(items))
        self.more_bulks(items)

    def more_bulks(self, items: list[bytes | None]) -> None:
        for item in items:
            self.bulk_or_null(item)

    def integers(self, items: list[int]) -> None:
        self.array(len(items))
        for item in items:
            self.integer(item)

    def array(self, count: int) -> None:
        self._begin("array", count, count)

    def set(self, count: int) -> None:
        self._begin("set", count, count)

    def push(self, count: int) -> None:
        self._begin("push", count, count)

    def map(self, pairs: int) -> None:
        self._begin("map", pairs, 2 * pairs)

    def attribute(self, pairs: int) -> None:
        self._begin("attribute", pairs, 2 * pairs)

    def raw(self, data: bytes) -> None:
        self._put("raw", _bytes(data), data)


class FakeContext:
    """The context of the contract; set `db`, `client` or `server` to what the handler needs."""

    def __init__(
        self, *, resp: int = 2, now: int = 1_700_000_000_000, registry: Registry = REGISTRY, **parts: Any
    ) -> None:
        self.resp = resp
        self.now = now
        self.registry = registry
        self.in_exec = False
        self.may_block = True
        self.retrying = False
        self.propagates, self.replays = True, False
        self.propagated: list[list[bytes]] | None = None   # what goes out in place of the request; None: the request
        self.blocked: Blocked | None = None
        self.argv: list[bytes] = []
        self.reply = FakeReply(resp)
        self.client = SimpleNamespace(
            id=1, name=b"", lib_name=b"", lib_ver=b"", db_index=0, resp=resp, authenticated=True, user=b"default",
            transaction=None, subscriptions=None, no_evict=False, no_touch=False, kind="normal", hold=lambda size: None,
        )  # fmt: skip
        self.server = SimpleNamespace(commands=registry.commands)
        self.db: Any = None
        self.modifications: list[tuple[bytes, bytes, int]] = []
        self.events: list[tuple[bytes, bytes]] = []
        for name, part in parts.items():
            setattr(self, name, part)

    def run(self, *argv: bytes | str | int) -> Any:
        """The reply to a request; raises what dispatch or the handler raises."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in argv]
        command = self.registry.lookup(words)
        if command is None:
            raise self.registry.unknown_command(words)
        if not check_arity(command, len(words)):
            raise wrong_arity(command)
        assert command.handler is not None
        return self._answer(command, words)

    def rerun(self) -> Any:
        """Calls the handler that has blocked once more, as a wake-up does, with the argv that it left."""
        command = self.registry.lookup(self.argv)
        assert self.blocked is not None and command is not None
        self.retrying = True
        try:
            return self._answer(command, self.argv)
        finally:
            self.retrying = False

    def _answer(self, command: Any, argv: list[bytes]) -> Any:
        self.reply = FakeReply(self.resp)
        self.blocked, self.argv, self.propagated = None, argv, None
        command.handler(self, argv)
        if self.blocked is None:
            return self.reply.value()
        assert not self.reply.calls, f"a handler that blocks does not reply: {self.reply.calls}"
        return self.blocked

    def block(self, keys: list[bytes], timeout_ms: int, null: str, on_missing: bool = False) -> None:
        assert self.may_block and not self.in_exec, "blocks where nobody may"
        assert self.blocked is None, "blocks twice"
        assert null in ("null", "null_array") and timeout_ms >= 0 and keys
        self.blocked = Blocked(list(keys), timeout_ms, null, on_missing)

    def modified(self, key: bytes, event: bytes, count: int = 1) -> None:
        if count:
            self.modifications.append((key, event, count))

    def notify(self, event: bytes, key: bytes) -> None:
        self.events.append((event, key))

    def propagate(self, *argv: bytes | int) -> None:
        words = [word if isinstance(word, bytes) else b"%d" % word for word in argv]
        self.propagated = [*(self.propagated or []), words]

    def propagate_deletion(self, key: bytes, lazily: bool) -> None:
        self.propagate(b"UNLINK" if lazily else b"DEL", key)

    def propagate_nothing(self) -> None:
        self.propagated = self.propagated or []

    def select(self, index: int) -> None:
        if not 0 <= index < 16:
            raise CommandError("ERR DB index is out of range")
        self.client.db_index = index


def _bytes(data: Any) -> bytes:
    assert isinstance(data, bytes | bytearray | memoryview), f"bytes wanted, not {data!r}"
    return bytes(data)
