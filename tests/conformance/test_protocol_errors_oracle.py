"""What the parser makes of odd bytes, against redis-server: the replies, and whether the connection is closed."""

import select
import socket
from collections.abc import Iterator

import pytest

from tests.support.oracle import start_oracle
from tests.support.protocol_cases import CASES, UNAUTHENTICATED_CASES
from tests.support.protocol_model import PASSWORD, answer
from tests.support.servers import Server

_PATIENCE = 10.0  # seconds for what must come
_SILENCE = 0.004  # seconds in which what must not come would have come


@pytest.fixture(scope="module")
def open_oracle() -> Iterator[Server]:
    with start_oracle() as server:
        yield server


@pytest.fixture(scope="module")
def locked_oracle() -> Iterator[Server]:
    with start_oracle({"requirepass": PASSWORD.decode()}) as server:
        yield server


def converse(server: Server, pieces: list[bytes], expected: bytes, closes: bool) -> tuple[bytes, bool]:
    """The server's replies, and whether it closed; waits no longer than the expected answer needs."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed before it took everything; what it answered can still be read
        while closes or len(received) < len(expected) or select.select([connection], [], [], _SILENCE)[0]:
            try:
                chunk = connection.recv(65536)
            except ConnectionResetError:
                return received, True
            except TimeoutError:
                return received, False
            if not chunk:
                return received, True
            received += chunk
        return received, False


def compare(server: Server, cases: list[bytes], *, authenticated: bool, bytewise: bool) -> None:
    differences = []
    for case in cases:
        pieces = [case[i : i + 1] for i in range(len(case))] if bytewise else [case]
        ours = answer(pieces, authenticated=authenticated)
        theirs = converse(server, pieces, *ours)
        if ours != theirs:
            differences.append((case[:200], ours, theirs))
    assert not differences, "\n".join(
        f"{case}\n  mtredis {ours}\n  redis   {theirs}" for case, ours, theirs in differences
    )


def test_requests_sent_whole(open_oracle: Server) -> None:
    compare(open_oracle, CASES, authenticated=True, bytewise=False)


def test_requests_sent_byte_by_byte(open_oracle: Server) -> None:
    compare(open_oracle, [case for case in CASES if len(case) <= 60], authenticated=True, bytewise=True)


def test_requests_before_auth(locked_oracle: Server) -> None:
    compare(locked_oracle, UNAUTHENTICATED_CASES, authenticated=False, bytewise=False)
