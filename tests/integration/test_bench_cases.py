"""What the bench asks for does on mtredis what it does on redis-server: the same data, no errors, no nulls."""

from collections.abc import Iterable

import pytest

from bench import packed
from bench.cases import CASES, Exchange, curve_exchanges, exchanges
from bench.drivers import key_name
from tests.support.differential import Pair
from tests.support.resp import Connection

RUNS = 20
MEMBERS = 1200


def lay(connection: Connection, laid: Iterable[Exchange]) -> None:
    for request, expected in laid:
        connection.send_raw(request)
        reply = connection.read()
        value = expected.split(b"\r\n")[1] if expected.startswith(b"$") else int(expected[1:])
        assert reply.data == value, reply


@pytest.mark.parametrize("command", CASES)
def test_a_case_runs_on_both(pair: Pair, command: str) -> None:
    case = CASES[command]
    laid = list(curve_exchanges(MEMBERS) if case.amount else exchanges(case.dataset, MEMBERS))
    if case.dataset.startswith("small"):
        laid = list(exchanges(case.dataset, RUNS))
    kinds = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            lay(connection, laid)
            replies = []
            for number in range(RUNS):
                words = [word.replace("__rand_int__", f"{number:012}") for word in case.words(32, MEMBERS)]
                replies.append(connection.command(*words))
            assert not any(reply.is_error for reply in replies), replies
            assert all(reply.data is not None for reply in replies)
            kinds.append([reply.kind for reply in replies])
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("size", [10, 1200])
@pytest.mark.parametrize("kind", packed.KINDS)
def test_collections_are_packed_alike(pair: Pair, kind: str, size: int) -> None:
    encodings = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            lay(connection, packed.exchanges(kind, size, 2))
            encodings.append([connection.command("OBJECT", "ENCODING", key_name(index)).data for index in range(2)])
    assert encodings[0] == encodings[1]
    assert None not in encodings[0]
