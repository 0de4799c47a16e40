"""Blocking commands against redis-server: who is woken when, with what, and what is counted.

Idea: a script runs on both servers with several clients, and what every client received must be equal. A line is

    [@N] REQUEST     client N (default 1) sends the request and gets one reply
    @N & REQUEST     client N blocks: the script goes on when the server says that it does
    @N <             a reply that client N has been waiting for; @N <3: three of them
    @N .do words     something that is no request, from the table `ACTIONS`

Owner: pytest's thread. The scripts are about order; how long a timeout lasts is tested at the end.
"""

import re
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.differential import Pair, split_words
from tests.support.resp import Connection
from tests.support.servers import Server

LISTS = {
    "first come, first served": """
        @2 & BLPOP k 0
        @3 & BRPOP k 0
        @4 & BLPOP k 0
        RPUSH k a
        @2 <
        RPUSH k b c d
        @3 <
        @4 <
        LRANGE k 0 -1
    """,
    "one push for several": """
        @2 & BLPOP k 0
        @3 & BLPOP k 0
        @4 & BLMPOP 0 1 k RIGHT COUNT 2
        @5 & BLPOP k 0
        RPUSH k a b c d e
        @2 <
        @3 <
        @4 <
        @5 <
        EXISTS k
    """,
    "several keys": """
        @2 & BLPOP a b 0
        @3 & BLPOP b 0
        @4 & BLPOP c a 0
        .clients
        MULTI
        RPUSH b 1
        RPUSH a 2
        RPUSH b 3
        EXEC
        @2 <
        @3 <
        LRANGE a 0 -1
        LRANGE b 0 -1
        .clients
        RPUSH a 4
        @4 <
        .clients
    """,
    "the same key twice": """
        @2 & BLPOP a a b a 0
        .clients
        RPUSH a 1 2
        @2 <
        LRANGE a 0 -1
        .clients
    """,
    "the order of the keys": """
        @2 & BLPOP a b c 0
        MULTI
        RPUSH c 3
        RPUSH b 2
        EXEC
        @2 <
        LRANGE b 0 -1
        LRANGE c 0 -1
    """,
    "woken at the end of a transaction": """
        @2 & BLPOP k 0
        @3 & BRPOP k 0
        MULTI
        LPUSH k a
        LPUSH k b
        LPUSH k c
        LLEN k
        EXEC
        @2 <
        @3 <
        LRANGE k 0 -1
    """,
    "gone before the end of a transaction": """
        @2 & BLPOP k 0
        MULTI
        RPUSH k a
        DEL k
        EXEC
        MULTI
        RPUSH k a
        DEL k
        SET k text
        EXEC
        MULTI
        DEL k
        RPUSH k a
        SADD other x
        EXEC
        @2 <
    """,
    "another type": """
        @2 & BLPOP k 0
        SET k text
        APPEND k more
        DEL k
        SADD k member
        DEL k
        RPUSH k a
        @2 <
    """,
    "a key before it has another type when woken": """
        @2 & BLPOP a b 0
        @3 & BLPOP b 0
        SET a text
        RPUSH b 1 2
        @2 <
        @3 <
        LRANGE b 0 -1
        .stats blpop
    """,
    "ways for a list to appear": """
        @2 & BLPOP k 0
        RPUSH src a
        RENAME src k
        @2 <
        RPUSH src b
        @2 & BLPOP k 0
        COPY src k
        @2 <
        @2 & BLPOP k 0
        LMOVE src k LEFT RIGHT
        @2 <
        SELECT 1
        RPUSH k c
        @2 & BLPOP k 0
        MOVE k 0
        @2 <
        RPUSH k d
        @2 & BLPOP k 0
        SWAPDB 0 1
        @2 <
        SWAPDB 0 1
    """,
    "other databases": """
        @2 SELECT 3
        @2 & BLPOP k 0
        @3 & BLPOP k 0
        RPUSH k zero
        @3 <
        SELECT 3
        RPUSH k three
        @2 <
    """,
    "moving": """
        @2 & BLMOVE a b LEFT RIGHT 0
        @3 & BRPOPLPUSH b c 0
        @4 & BLPOP c 0
        RPUSH a 1
        @2 <
        @3 <
        @4 <
        EXISTS a b c
        @2 & BLMOVE a a RIGHT LEFT 0
        RPUSH a 1 2
        @2 <
        LRANGE a 0 -1
    """,
    "moving in a circle": """
        @2 & BLMOVE a b LEFT LEFT 0
        @3 & BLMOVE b a LEFT LEFT 0
        RPUSH a 1 2
        @2 <
        @3 <
        LRANGE a 0 -1
        LRANGE b 0 -1
    """,
    "moving to another type": """
        SET b text
        @2 & BLMOVE a b LEFT RIGHT 0
        @3 & BLPOP a 0
        RPUSH a 1
        @2 <
        @3 <
        .stats blmove
        .errors
    """,
    "inside a transaction nobody blocks": """
        MULTI
        BLPOP k 0
        BRPOP k 0
        BLMOVE k l LEFT RIGHT 0
        BRPOPLPUSH k l 0
        BLMPOP 0 1 k LEFT
        EXEC
        .clients
        MULTI
        RPUSH k a b
        BLPOP k 0
        BLMOVE k l LEFT RIGHT 0
        EXEC
    """,
    "what comes behind in the pipeline": """
        @2 & BLPOP k 0
        @2 .send PING
        @2 .send SET x 1
        @2 .send BLPOP k 0
        @2 .send GET x
        RPUSH k a
        @2 <3
        RPUSH k b
        @2 <2
    """,
    "a client that serves itself": """
        RPUSH k a
        BLPOP k 0
        @2 & BLPOP k 0
        @3 & BLMOVE l k LEFT RIGHT 0
        LPUSH l x
        @3 <
        @2 <
    """,
    "unblock": """
        @2 & BLPOP k 0
        @2 .unblock
        @2 <
        @2 & BLMOVE k l LEFT RIGHT 10
        @2 .unblock TIMEOUT
        @2 <
        @2 & BLMPOP 10 1 k LEFT
        @2 .unblock TIMEOUT
        @2 <
        @2 & BRPOP k 10
        @2 .unblock error
        @2 <
        @2 .unblock
        @2 .unblock ERROR
        .clients
        .stats blpop
        .stats blmove
        .stats brpop
        .errors
        RPUSH k a
        @2 PING
        LRANGE k 0 -1
    """,
    "unblock inside a transaction": """
        @2 & BLPOP k 0
        @3 & BLPOP k 0
        MULTI
        @2 .unblock ERROR
        @2 .unblock ERROR
        RPUSH k a
        EXEC
        @2 <
        @3 <
    """,
    "killed": """
        @2 & BLPOP k 0
        @3 & BLPOP k 0
        @2 .kill
        RPUSH k a
        @3 <
        .clients
    """,
    "closed": """
        @2 & BLPOP k 0
        @3 & BLPOP k l 5
        @4 & BLPOP k 0
        @2 .close
        @3 .half-close
        .clients
        RPUSH k a
        @4 <
    """,
    "a pause": """
        @2 & BLPOP k 0
        MULTI
        RPUSH k a
        CLIENT PAUSE 100000 WRITE
        EXEC
        LRANGE k 0 -1
        CLIENT UNPAUSE
        @2 <
        LRANGE k 0 -1
    """,
    "silence": """
        @2 .send CLIENT REPLY OFF
        @2 & BLPOP k 0
        RPUSH k a
        @2 CLIENT REPLY ON
        @2 .send CLIENT REPLY SKIP
        @2 & BLPOP k 0
        RPUSH k b
        @2 PING
        @2 .send CLIENT REPLY SKIP
        @2 & BLPOP k 0.01
        @2 PING
        EXISTS k
    """,
    "watched keys": """
        WATCH k
        @2 & BLPOP k 0
        @3 RPUSH k a
        @2 <
        MULTI
        PING
        EXEC
    """,
    "events": """
        CONFIG SET notify-keyspace-events KEA
        @5 SUBSCRIBE __keyspace@0__:a __keyspace@0__:b
        @5 <
        @2 & BLMOVE a b LEFT RIGHT 0
        @3 & BLPOP b 0
        RPUSH a 1
        @2 <
        @3 <
        @5 <6
    """,
    "what is counted": """
        @2 & BLPOP k 0
        .stats blpop
        RPUSH k a
        @2 <
        .stats blpop
        @2 & BLPOP k 0.01
        @2 <
        .stats blpop
        @2 & BLPOP k 0
        @2 .close
        .stats blpop
        .clients
    """,
    "what monitors see": """
        @5 MONITOR
        @2 & BLPOP k 0
        RPUSH k a
        @2 <
        @5 .seen blpop rpush
    """,
    "what the slow log sees": """
        CONFIG SET slowlog-log-slower-than 0
        @2 & BLPOP k 0
        SLOWLOG RESET
        RPUSH k a
        @2 <
        .slow
    """,
    "memory is short when woken": """
        RPUSH src 1 2
        @2 & BLMOVE k l LEFT RIGHT 0
        @3 & BLPOP k 0
        CONFIG SET maxmemory 1
        RENAME src k
        CONFIG SET maxmemory 0
        @2 <
        @3 <
        .stats blmove
        .errors
    """,
    "wrong arguments": """
        BLPOP k
        BLPOP k abc
        BLPOP k -1
        BLPOP k inf
        BLPOP k 1e300
        BLPOP k 9223372036854775
        BLMOVE a b LEFT UP 0
        BLMOVE a b LEFT RIGHT x
        BLMPOP 0 0 k LEFT
        BLMPOP 0 1 k UP
        BLMPOP -1 1 k LEFT
        BRPOPLPUSH a b x
        SET k text
        BLPOP k 0
        BLMOVE k l LEFT RIGHT 0
        BLPOP missing k 0
        .clients
    """,
}

SORTED_SETS = {
    "sorted sets": """
        @2 & BZPOPMIN z 0
        @3 & BZPOPMAX y z 0
        @4 & BZMPOP 0 2 z y MIN COUNT 2
        ZADD z 1 a 2 b 3 c
        @2 <
        @3 <
        @4 <
        .clients
        @2 & BZPOPMIN z 0
        RPUSH z a
        DEL z
        ZADD src 5 m
        ZUNIONSTORE z 1 src
        @2 <
        MULTI
        BZPOPMIN z 0
        BZMPOP 0 1 z MIN
        EXEC
        @2 & BZPOPMAX z 0.01
        @2 <
        @2 & BZMPOP 0.01 1 z MIN
        @2 <
    """,
    "a list and a sorted set under one name": """
        @2 & BLPOP k 0
        @3 & BZPOPMIN k 0
        ZADD k 1 a
        @3 <
        @3 & BZPOPMIN k 0
        RPUSH k b
        @2 <
        ZADD k 2 c
        @3 <
    """,
}

STREAMS = {
    "everybody reads the same entry": """
        @2 & XREAD BLOCK 0 STREAMS s $
        @3 & XREAD BLOCK 0 COUNT 1 STREAMS t s $ $
        @4 & XREAD BLOCK 0 STREAMS s 5-0
        XADD s 3-0 f v
        @2 <
        @3 <
        XADD s 6-0 f w
        @4 <
        .clients
        MULTI
        XREAD BLOCK 0 STREAMS s $
        EXEC
        @2 & XREAD BLOCK 11 STREAMS s $
        @2 <
    """,
    "the dollar is that of the beginning": """
        XADD s 1-0 f v
        @2 & XREAD BLOCK 0 STREAMS s t $ $
        MULTI
        XADD s 2-0 f v
        XADD s 3-0 f v
        EXEC
        @2 <
    """,
    "what is shown of the dollar": """
        CONFIG SET slowlog-log-slower-than 0
        XADD s 1-0 f v
        @5 MONITOR
        @2 & XREAD BLOCK 0 STREAMS s $
        SLOWLOG RESET
        XADD s 2-0 f v
        @2 <
        @5 .seen xread xadd
        .slow
        .stats xread
    """,
    "groups": """
        XGROUP CREATE s g $ MKSTREAM
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        @3 & XREADGROUP GROUP g bob BLOCK 0 STREAMS s >
        .clients
        XADD s 1-0 f v
        @2 <
        MULTI
        XADD s 2-0 f v
        XADD s 3-0 f v
        EXEC
        @3 <
        .clients
    """,
    "a group whose stream goes": """
        XGROUP CREATE s g $ MKSTREAM
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        DEL s
        @2 <
        XGROUP CREATE s g $ MKSTREAM
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        SET s text
        @2 <
        DEL s
        XGROUP CREATE s g $ MKSTREAM
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        XGROUP DESTROY s g
        @2 <
        XGROUP CREATE s g $ MKSTREAM
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        FLUSHALL
        @2 <
        XGROUP CREATE s g $ MKSTREAM
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        SWAPDB 0 1
        @2 <
        SELECT 1
        @2 SELECT 1
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        RENAME s elsewhere
        @2 <
        XGROUP CREATE s g $ MKSTREAM
        @2 & XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        .clients
        PEXPIRE s 1
        @2 <
        .stats xreadgroup
        .errors
        FLUSHALL
    """,
}


def _fields(text: bytes, *names: str) -> list[str]:
    """Those lines of INFO."""
    return [line for line in text.decode().split("\r\n") if line.partition(":")[0] in names]


class Stage:
    """The clients of one script at one server, and everything that they received."""

    def __init__(self, server: Server, resp: int) -> None:
        self.server, self.resp = server, resp
        self.clients: dict[int, Connection] = {}
        self.ids: dict[int, int] = {}
        self.admin = server.connect()
        self.received: list[tuple[str, Any]] = []

    def client(self, number: int) -> Connection:
        if number not in self.clients:
            self.clients[number] = self.server.connect(self.resp)
            self.ids[number] = self.clients[number].command("CLIENT", "ID").data
        return self.clients[number]

    def blocked(self) -> int:
        text = self.admin.command("INFO", "clients").data
        return int(re.search(rb"\r\nblocked_clients:(\d+)", text)[1])   # type: ignore[index]

    def until_blocked(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while self.blocked() != count:
            assert time.monotonic() < deadline, f"{self.blocked()} are blocked, not {count}"

    def perform(self, line: str) -> None:
        found = re.match(r"(?:@(\d+)\s+)?(&|<\d*|\.[a-z-]+)?\s*(.*)", line)
        assert found is not None
        number, sign, rest = int(found[1] or 1), found[2] or "", split_words(found[3])
        client = self.client(number)
        result: Any = None
        if sign == "&":
            before = self.blocked()
            client.send(*rest)
            if not {b"0.01", b"11"} & set(rest):   # such a short timeout may be over already
                self.until_blocked(before + 1)
        elif sign.startswith("<"):
            result = [client.read() for _ in range(int(sign[1:] or 1))]
        elif sign:
            result = ACTIONS[sign](self, number, [word.decode() for word in rest])
        else:
            client.send(*rest)
            result = client.read()
        self.received.append((line, result))

    def close(self) -> None:
        for client in (*self.clients.values(), self.admin):
            client.close()


def _clients(stage: Stage, number: int, words: list[str]) -> Any:
    return _fields(
        stage.admin.command("INFO", "clients").data, "blocked_clients", "clients_in_timeout_table",
        "total_blocking_keys", "total_blocking_keys_on_nokey",
    )  # fmt: skip


def _stats(stage: Stage, number: int, words: list[str]) -> Any:
    lines = _fields(stage.admin.command("INFO", "commandstats").data, f"cmdstat_{words[0]}")
    return [re.sub(r"usec.*?,(?=rej)", "", line) for line in lines]


def _errors(stage: Stage, number: int, words: list[str]) -> Any:
    return [line for line in stage.admin.command("INFO", "errorstats").data.decode().split("\r\n")[1:] if line]


def _send(stage: Stage, number: int, words: list[str]) -> Any:
    stage.client(number).send(*words)


def _unblock(stage: Stage, number: int, words: list[str]) -> Any:
    stage.client(1).send("CLIENT", "UNBLOCK", stage.ids[number], *words)
    return stage.client(1).read()


def _kill(stage: Stage, number: int, words: list[str]) -> Any:
    stage.client(1).send("CLIENT", "KILL", "ID", stage.ids[number])
    return stage.client(1).read()


def _close(stage: Stage, number: int, words: list[str]) -> Any:
    before = stage.blocked()
    stage.client(number).close()
    stage.until_blocked(before - 1)


def _half_close(stage: Stage, number: int, words: list[str]) -> Any:
    before = stage.blocked()
    stage.client(number).socket.shutdown(socket.SHUT_WR)
    stage.until_blocked(before - 1)


def _seen(stage: Stage, number: int, words: list[str]) -> Any:
    """What a monitor sees up to the next PING, of these commands."""
    stage.client(1).command("PING", "--end--")
    lines: list[str] = []
    while not lines or "--end--" not in lines[-1]:
        lines.append(re.sub(r"^.*?\] ", "", stage.client(number).read().data.decode()))
    return [line for line in lines if line.split()[0].strip('"').lower() in words]


def _slow(stage: Stage, number: int, words: list[str]) -> Any:
    """The commands in the slow log, newest first."""
    return [entry.data[3] for entry in stage.client(1).command("SLOWLOG", "GET", "10").data]


ACTIONS: dict[str, Callable[[Stage, int, list[str]], Any]] = {
    ".clients": _clients, ".stats": _stats, ".errors": _errors, ".send": _send, ".unblock": _unblock,
    ".kill": _kill, ".close": _close, ".half-close": _half_close, ".seen": _seen, ".slow": _slow,
}  # fmt: skip


def run(server: Server, script: str, resp: int) -> list[tuple[str, Any]]:
    stage = Stage(server, resp)
    try:
        for line in filter(None, map(str.strip, script.splitlines())):
            try:
                stage.perform(line)
            except TimeoutError:
                raise AssertionError(f"nothing comes for {line!r} after {stage.received[-4:]}") from None
        return stage.received
    finally:
        stage.close()


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", [*LISTS, *SORTED_SETS, *STREAMS])
def test_script(pair: Pair, name: str, resp: int) -> None:
    script = (LISTS | SORTED_SETS | STREAMS)[name]
    theirs, ours = run(pair.oracle, script, resp), run(pair.subject, script, resp)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == other, f"{mine[0]}: {mine[1]}, Redis: {other[1]}"


def test_messages_come_while_a_client_is_blocked_and_its_own_behind_the_reply(pair: Pair) -> None:
    script = """
        CONFIG SET notify-keyspace-events KEA
        @2 SUBSCRIBE news __keyspace@0__:k
        @2 <
        @2 & BLPOP k 0
        PUBLISH news one
        @2 <
        RPUSH k a
        @2 <4
        PUBLISH news two
        @2 <
    """
    assert run(pair.subject, script, 3) == run(pair.oracle, script, 3)


@pytest.mark.parametrize("timeout", ["0.05", "0.0501", "5e-2", "0.1"])
def test_timeouts_are_exact_to_the_millisecond_and_never_early(client: Connection, timeout: str) -> None:
    elapsed = []
    for _ in range(5):
        start = time.monotonic()
        assert client.command("BLPOP", "k", timeout).kind == "null-array"
        elapsed.append(time.monotonic() - start)
    assert min(elapsed) >= float(timeout)


def test_a_client_that_blocks_is_flagged(client: Connection, subject: Server) -> None:
    number = client.command("CLIENT", "ID").data
    client.send("BLPOP", "k", 0)
    with subject.connect() as admin:
        deadline = time.monotonic() + 10
        while b" flags=b " not in admin.command("CLIENT", "LIST", "ID", number).data:
            assert time.monotonic() < deadline
        assert b" cmd=blpop " in admin.command("CLIENT", "LIST", "ID", number).data
        admin.command("RPUSH", "k", 1)
        assert not client.read().is_error
        assert b" flags=N " in admin.command("CLIENT", "LIST", "ID", number).data


def test_an_expired_stream_wakes_its_groups_readers(client: Connection, subject: Server) -> None:
    with subject.connect() as admin:
        admin.command("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        client.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        admin.command("PEXPIRE", "s", 20)
    assert client.read().data.startswith(b"NOGROUP")
