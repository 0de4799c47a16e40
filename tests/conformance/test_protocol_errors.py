"""What a server says to bytes that are not RESP, and inline commands, against redis-server."""

import pytest

from tests.support.differential import Pair, in_pattern_order
from tests.support.resp import Connection, Value, encode
from tests.support.servers import Server

_FENCE = b"--the end--"


def answers(server: Server, data: bytes, *, pieces: int = 0) -> list[Value]:
    """Everything that the server sends in answer to the bytes (cut into pieces of that size, if given)."""
    with server.connect(timeout=5) as connection:
        try:
            if pieces:
                for start in range(0, len(data), pieces):
                    connection.send_raw(data[start : start + pieces])
            else:
                connection.send_raw(data)
            if not data.endswith(b"111"):  # a line without end stays without end
                connection.send("ECHO", _FENCE)
        except ConnectionError:
            pass  # the server has closed already: what it said before is still to be read
        return _until_fence(connection)


def _until_fence(connection: Connection) -> list[Value]:
    received = []
    while True:
        try:
            value = connection.read()
        except ConnectionError:
            return [*received, Value("closed")]
        except TimeoutError:
            return [*received, Value("waits")]
        if value == Value("bulk", _FENCE):
            return received
        received.append(value)


BROKEN = {
    "multibulk count not a number": b"*a\r\n",
    "multibulk count empty": b"*\r\n",
    "multibulk count negative": b"*-10\r\n",
    "multibulk count zero": b"*0\r\n",
    "multibulk count minus one": b"*-1\r\n",
    "multibulk count too big": b"*1048577\r\n",
    "multibulk count huge": b"*20000000000000000000\r\n",
    "multibulk count int32": b"*2147483648\r\n",
    "multibulk count with sign": b"*+1\r\n$4\r\nPING\r\n",
    "multibulk count with zeros": b"*01\r\n$4\r\nPING\r\n",
    "multibulk count with space": b"* 1\r\n$4\r\nPING\r\n",
    "bulk length not a number": b"*2\r\n$3\r\nGET\r\n$x\r\n",
    "bulk length empty": b"*1\r\n$\r\n",
    "bulk length negative": b"*1\r\n$-1\r\n",
    "bulk length too big": b"*1\r\n$536870913\r\n",
    "bulk length huge": b"*1\r\n$99999999999999999999\r\n",
    "bulk length with sign": b"*1\r\n$+4\r\nPING\r\n",
    "bulk length with zeros": b"*1\r\n$04\r\nPING\r\n",
    "no dollar": b"*1\r\nPING\r\n",
    "colon in the dollar's place": b"*2\r\n$3\r\nGET\r\n:3\r\nabc\r\n",
    "quote in the dollar's place": b"*2\r\n$3\r\nGET\r\n'\r\n",
    "high byte in the dollar's place": b"*2\r\n$3\r\nGET\r\n\xff\r\n",
    "newline in the dollar's place": b"*2\r\n$3\r\nGET\r\n\n\r\n",
    "wrong bytes for CRLF": b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    "LF only after the count": b"*1\n$4\r\nPING\r\n\r\n",
    "LF only after the length": b"*1\r\n$4\nPING\r\n\r\n",
    "after good ones": encode("PING") * 3 + b"*1\r\n!\r\n" + encode("PING"),
    "empty bulk as a command": b"*1\r\n$0\r\n\r\n",
    "empty bulks": b"*3\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n",
    "count line without end": b"*" + b"1" * 70_000,
    "length line without end": b"*1\r\n$" + b"1" * 70_000,
    "inline without end": b"1" * 70_000,
    "inline of 64 KiB": b"ECHO " + b"x" * (65536 - 7) + b"\r\n",
    "inline longer than one read": b"ECHO " + b"x" * 40_000 + b"\r\n",
    "post": b"POST / HTTP/1.1\r\n\r\n",
    "host": b"Host: localhost\r\n\r\n",
    "get of http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
INLINE = {
    "ping": b"PING\r\n",
    "lf only": b"PING\n",
    "lower case with spaces": b"   ping   \r\n",
    "arguments": b"SET k v\r\nGET k\r\n",
    "quotes": b'SET k "hello world"\r\nGET k\r\n',
    "escapes": rb'SET k "\x41\n\r\t\b\a\"\\\q"' + b"\r\nGET k\r\n",
    "single quotes": rb"SET k 'it\'s \x41 \n'" + b"\r\nGET k\r\n",
    "bad hex": rb'ECHO "\xZZ"' + b"\r\n",
    "unbalanced double": b'SET k "v\r\n',
    "unbalanced single": b"SET k 'v\r\n",
    "text after the quote": b'SET k "v"x\r\n',
    "text after the single quote": b"SET k 'v'x\r\n",
    "quote inside a word": b'ECHO a"b"\r\n',
    "empty quotes": b"ECHO \"\"\r\nECHO ''\r\n",
    "empty lines": b"\r\n\r\n\n\nPING\r\n",
    "spaces only": b"    \r\nPING\r\n",
    "tabs": b"SET\tk\tv\r\nGET\tk\r\n",
    "high bytes": b"ECHO \xff\xfe\r\n",
    "only a quote": b'"\r\n',
    "cr inside": b"ECHO a\rb\r\n",
    "mixed with multibulk": b"PING\r\n" + encode("PING") + b"ECHO x\r\n" + encode("ECHO", "y"),
    "many": b"PING\r\n" * 5000,
    "unknown": b"FOO bar baz\r\n",
    "bad arity": b"GET\r\n",
    "dollar": b"$4\r\nPING\r\n",
    "vertical tab": b"ECHO\x0bx\r\n",
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken(pair: Pair, name: str) -> None:
    assert answers(pair.subject, BROKEN[name]) == answers(pair.oracle, BROKEN[name])


@pytest.mark.parametrize("pieces", [0, 1, 7])
@pytest.mark.parametrize("name", list(INLINE))
def test_inline(pair: Pair, name: str, pieces: int) -> None:
    if name == "many" and pieces == 1:
        pieces = 3
    assert answers(pair.subject, INLINE[name], pieces=pieces) == answers(pair.oracle, INLINE[name], pieces=pieces)


@pytest.mark.parametrize("name", ["bulk length not a number", "after good ones", "no dollar"])
def test_broken_in_pieces(pair: Pair, name: str) -> None:
    ours, theirs = (answers(server, BROKEN[name], pieces=1) for server in (pair.subject, pair.oracle))
    # what follows a refused byte may already be on its way when the connection closes: only the first error counts
    assert ours[: len(theirs)] == theirs[: len(ours)]
    assert Value("closed") in ours


def test_every_split_of_a_pipeline(pair: Pair) -> None:
    requests = (
        encode("SET", "k", b"\r\n$3\r\n") + encode("GET", "k") + b"GET k\r\n" + encode("MSET", "a", "", "b", "x" * 50)
    )
    whole = answers(pair.oracle, requests)
    for cut in range(1, len(requests)):
        with pair.subject.connect() as connection:
            connection.send_raw(requests[:cut])
            connection.send_raw(requests[cut:])
            assert [connection.read() for _ in whole] == whole, f"cut after byte {cut}"


@pytest.mark.parametrize("depth", [1, 16, 1000, 20_000])
def test_deep_pipelines(pair: Pair, depth: int) -> None:
    with pair.subject.connect(timeout=30) as connection:
        replies = connection.pipeline([("INCR", "n") for _ in range(depth)])
        assert replies == [Value("integer", number) for number in range(1, depth + 1)]


def test_a_request_with_very_many_arguments(pair: Pair) -> None:
    keys = [b"k%d" % number for number in range(300_000)]
    replies = []
    for server in (pair.subject, pair.oracle):
        with server.connect(timeout=60) as connection:
            replies.append(connection.command("EXISTS", *keys))
            replies.append(connection.command("DEL", *keys))
    assert in_pattern_order(replies[:2]) == replies[2:]


def test_the_query_buffer_limit_of_bulk_length_is_configurable(pair: Pair) -> None:
    replies = []
    for server in (pair.subject, pair.oracle):
        server.command_once("CONFIG", "SET", "proto-max-bulk-len", "1mb")
        replies.append(answers(server, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n"))
        replies.append(answers(server, encode("SET", "k", b"x" * 1048576)))
        replies.append(answers(server, encode("SETRANGE", "k", 1048576, b"x")))
        replies.append(answers(server, encode("APPEND", "k", b"xx")))
    assert replies[:4] == replies[4:]
