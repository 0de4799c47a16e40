"""CLIENT's subcommands as clients see them."""

import re

import pytest

import mtredis.commands.client
import mtredis.commands.pubsub
import mtredis.commands.transactions  # noqa: F401
from mtredis.errors import CommandError
from mtredis.executor.pause import PauseMode
from mtredis.registry.command import READONLY, WRITE
from tests.support.fake_session import NOW, FakeServer, Session

FIELDS = (
    "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp "
    "obl oll omem tot-mem events cmd user redir resp lib-name lib-ver io-thread"
).split()


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def client(server: FakeServer) -> Session:
    return server.connect()


@pytest.fixture
def other(server: FakeServer) -> Session:
    return server.connect(3)


def refusal_of(client: Session, *argv: str | bytes) -> str:
    with pytest.raises(CommandError) as refusal:
        client.run(*argv)
    return str(refusal.value)


def line_of(text: bytes) -> dict[str, str]:
    assert text.endswith(b"\n")
    pairs = [field.partition("=") for field in text.decode().rstrip("\n").split(" ")]
    assert [name for name, _, _ in pairs] == FIELDS
    return {name: value for name, _, value in pairs}


def ids(text: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"^id=(\d+) ", text, re.MULTILINE)]


def test_info_is_a_line_of_redis_fields(client: Session) -> None:
    client.client.created = NOW - 7_000
    client.run("CLIENT", "SETNAME", "worker")
    client.run("CLIENT", "SETINFO", "lib-name", "redis-py")
    client.run("CLIENT", "SETINFO", "LIB-VER", "6.0")
    line = line_of(client.run("CLIENT", "INFO"))
    assert client.reply.calls[0][0] == "verbatim"
    assert (line["id"], line["addr"], line["laddr"]) == ("1", "127.0.0.1:50001", "127.0.0.1:6379")
    assert (line["name"], line["lib-name"], line["lib-ver"], line["user"]) == ("worker", "redis-py", "6.0", "default")
    assert (line["age"], line["flags"], line["multi"], line["resp"]) == ("7", "N", "-1", "2")
    assert line["argv-mem"] == "10"


def test_the_line_shows_transaction_watches_and_subscriptions(
    server: FakeServer, client: Session, other: Session
) -> None:
    other.run_all("SUBSCRIBE", "a", "b")
    other.run_all("PSUBSCRIBE", "p")
    other.run_all("SSUBSCRIBE", "s")
    other.run("WATCH", "k", "l")
    other.run("MULTI")
    other.run("UNWATCH")
    line = line_of(client.run("CLIENT", "LIST", "ID", "2"))
    assert (line["sub"], line["psub"], line["ssub"], line["watch"], line["multi"]) == ("2", "1", "1", "2", "1")
    assert (line["flags"], line["multi-mem"]) == ("Px", "15")
    other.client.no_evict = other.client.no_touch = other.client.is_unix_socket = True
    client.touch(b"k")
    assert line_of(client.run("CLIENT", "LIST", "ID", "2"))["flags"] == "PxdUeT"
    other.client.monitor = True
    server.dispatcher.postponed.append(other.client)
    assert line_of(client.run("CLIENT", "LIST", "ID", "2"))["flags"] == "OPxbdUeT"


def test_list_filters(client: Session, other: Session) -> None:
    other.run_all("SUBSCRIBE", "a")
    assert ids(client.run("CLIENT", "LIST")) == [1, 2]
    assert ids(client.run("CLIENT", "LIST", "TYPE", "NORMAL")) == [1]
    assert ids(client.run("CLIENT", "LIST", "type", "pubsub")) == [2]
    assert client.run("CLIENT", "LIST", "TYPE", "replica") == b""
    assert client.run("CLIENT", "LIST", "TYPE", "slave") == b""
    assert ids(client.run("CLIENT", "LIST", "ID", "2", "77", "1")) == [2, 1]


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("TYPE", "what"), "ERR Unknown client type 'what'"),
        (("ID", "1", "x"), "ERR Invalid client ID"),
        (("ID",), "ERR syntax error"),
        (("TYPE",), "ERR syntax error"),
        (("TYPE", "normal", "x"), "ERR syntax error"),
        (("",), "ERR syntax error"),
    ],
)
def test_list_refusals(client: Session, argv: tuple[str, ...], text: str) -> None:
    assert refusal_of(client, "CLIENT", "LIST", *argv) == text


def test_id_name_and_redirection(client: Session, other: Session) -> None:
    assert (client.run("CLIENT", "ID"), other.run("CLIENT", "ID")) == (1, 2)
    assert client.run("CLIENT", "GETNAME") is None
    client.run("CLIENT", "SETNAME", "x")
    assert client.run("CLIENT", "GETNAME") == b"x"
    client.run("CLIENT", "SETNAME", "")
    assert client.run("CLIENT", "GETNAME") is None
    assert client.run("CLIENT", "GETREDIR") == -1


@pytest.mark.parametrize("name", [b"a b", b"a\n", b"\xff", b"\x7f"])
def test_attributes_must_fit_into_the_line(client: Session, name: bytes) -> None:
    rule = "cannot contain spaces, newlines or special characters."
    assert refusal_of(client, "CLIENT", "SETNAME", name) == f"ERR Client names {rule}"
    assert refusal_of(client, "CLIENT", "SETINFO", "Lib-Name", name) == f"ERR Lib-Name {rule}"
    assert client.client.name == client.client.lib_name == b""


def test_setinfo_knows_two_attributes(client: Session) -> None:
    assert refusal_of(client, "CLIENT", "SETINFO", "lib-x", "1") == "ERR Unrecognized option 'lib-x'"


def test_reply_modes(client: Session) -> None:
    assert client.run_all("CLIENT", "REPLY", "SKIP") == []
    assert client.client.reply_mode == "skip"
    assert client.run_all("CLIENT", "REPLY", "off") == []
    assert client.run_all("CLIENT", "REPLY", "SKIP") == []
    assert client.client.reply_mode == "off"
    assert client.run("CLIENT", "REPLY", "ON") == b"OK"
    assert client.client.reply_mode == "on"
    assert refusal_of(client, "CLIENT", "REPLY", "x") == "ERR syntax error"


@pytest.mark.parametrize("name", ["no-evict", "no-touch"])
def test_switches(client: Session, name: str) -> None:
    attribute = name.replace("-", "_")
    assert client.run("CLIENT", name, "on") == b"OK"
    assert getattr(client.client, attribute) is True
    assert client.run("CLIENT", name, "OFF") == b"OK"
    assert getattr(client.client, attribute) is False
    assert refusal_of(client, "CLIENT", name, "maybe") == "ERR syntax error"


# KILL


def killed(server: FakeServer) -> list[int]:
    return [number for number, client in server.clients.items() if client.is_killed]


def test_the_old_form_kills_one_address_even_the_own(server: FakeServer, client: Session, other: Session) -> None:
    assert client.run("CLIENT", "KILL", "127.0.0.1:50002") == b"OK"
    assert killed(server) == [2]
    assert client.run("CLIENT", "KILL", "127.0.0.1:50001") == b"OK"
    assert client.client.closes_after_reply
    assert not client.client.is_killed
    assert refusal_of(client, "CLIENT", "KILL", "1.2.3.4:5") == "ERR No such client"


@pytest.mark.parametrize(
    ("filters", "victims"),
    [
        (("ID", "3"), [3]),
        (("ID", "1"), []),
        (("ADDR", "127.0.0.1:50002"), [2]),
        (("LADDR", "127.0.0.1:6379"), [2, 3, 4]),
        (("LADDR", "127.0.0.1:1"), []),
        (("TYPE", "pubsub"), [3]),
        (("type", "normal"), [2, 4]),
        (("TYPE", "master"), []),
        (("USER", "default"), [2, 3, 4]),
        (("MAXAGE", "100"), [4]),
        (("MAXAGE", "101"), []),
        (("TYPE", "normal", "ID", "3"), []),
        (("ID", "2", "ID", "3"), [3]),
        (("SKIPME", "yes"), [2, 3, 4]),
    ],
)
def test_kill_filters_all_have_to_match(
    server: FakeServer, client: Session, filters: tuple[str, ...], victims: list[int]
) -> None:
    sessions = [server.connect() for _ in range(3)]
    sessions[1].run_all("SUBSCRIBE", "c")
    sessions[2].client.created = NOW - 100_000
    assert client.run("CLIENT", "KILL", *filters) == len(victims)
    assert killed(server) == victims
    assert not client.client.closes_after_reply


def test_skipme_no_includes_the_caller(server: FakeServer, client: Session, other: Session) -> None:
    assert client.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") == 2
    assert killed(server) == [2]
    assert client.client.closes_after_reply


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("ID", "0"), "ERR client-id should be greater than 0"),
        (("ID", "x"), "ERR client-id should be greater than 0"),
        (("MAXAGE", "x"), "ERR maxage is not an integer or out of range"),
        (("MAXAGE", "0"), "ERR maxage should be greater than 0"),
        (("TYPE", "x"), "ERR Unknown client type 'x'"),
        (("USER", "x"), "ERR No such user 'x'"),
        (("SKIPME", "x"), "ERR syntax error"),
        (("ID", "2", "ADDR"), "ERR syntax error"),
        (("WHAT", "x"), "ERR syntax error"),
    ],
)
def test_kill_refusals_kill_nobody(
    server: FakeServer, client: Session, other: Session, argv: tuple[str, ...], text: str
) -> None:
    assert refusal_of(client, "CLIENT", "KILL", "ID", "2", *argv) == text
    assert killed(server) == []


# PAUSE and UNBLOCK


def test_pause_and_unpause(server: FakeServer, client: Session) -> None:
    assert client.run("CLIENT", "PAUSE", "500", "write") == b"OK"
    assert server.pause.mode is PauseMode.WRITE
    assert server.pause.expires_at == NOW + 500
    assert server.pause.blocks(WRITE)
    assert not server.pause.blocks(READONLY)
    assert client.run("CLIENT", "PAUSE", "100") == b"OK"
    assert server.pause.mode is PauseMode.ALL
    assert server.pause.expires_at == NOW + 500
    assert client.run("CLIENT", "UNPAUSE") == b"OK"
    assert not server.pause.is_active(NOW)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("x",), "ERR timeout is not an integer or out of range"),
        (("-1",), "ERR timeout is negative"),
        (("9223372036854775807",), "ERR timeout is out of range"),
        (("x", "SOME"), "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        (
            ("1", "ALL", "x"),
            "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
        ),
    ],
)
def test_pause_refusals(server: FakeServer, client: Session, argv: tuple[str, ...], text: str) -> None:
    assert refusal_of(client, "CLIENT", "PAUSE", *argv) == text
    assert not server.pause.is_active(NOW)


def test_a_pause_of_no_time_is_none(server: FakeServer, client: Session) -> None:
    assert client.run("CLIENT", "PAUSE", "0") == b"OK"
    assert not server.pause.is_active(NOW)


def test_unblock_wakes_a_client_that_waits(server: FakeServer, client: Session, other: Session) -> None:
    answers: list[tuple[int, str | None]] = []
    server.blocking.answer = lambda blocked, error: answers.append((blocked.client_id, error))
    server.blocking.resume = lambda woken: answers.append((woken.id, "goes on"))
    for reason in ("", "timeout", "ERROR"):
        server.blocking.wait(
            other.client, client.registry.commands[b"client"], [], [], 0, NOW, 0, [b"k"], 0, "null", False
        )
        assert client.run("CLIENT", "UNBLOCK", "2", *([reason] if reason else [])) == 1
        assert other.client.blocked is None
        assert client.run("CLIENT", "UNBLOCK", "2") == 0
    text = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
    assert answers == [(2, None), (2, "goes on"), (2, None), (2, "goes on"), (2, text), (2, "goes on")]


def test_a_killed_client_waits_for_nothing(server: FakeServer, client: Session, other: Session) -> None:
    server.blocking.wait(
        other.client, client.registry.commands[b"client"], [], [], 0, NOW, 0, [b"k"], 0, "null", False
    )
    assert client.run("CLIENT", "KILL", "ID", "2") == 1
    assert other.client.blocked is None and not len(server.blocking)


def test_a_killed_client_hears_nothing(server: FakeServer, client: Session, other: Session) -> None:
    other.run_all("SUBSCRIBE", "news")
    other.run_all("PSUBSCRIBE", "n*")
    assert client.run("PUBLISH", "news", "one") == 2
    assert client.run("CLIENT", "KILL", "ID", "2") == 1
    assert client.run("PUBLISH", "news", "two") == 0
    assert client.run("PUBSUB", "NUMPAT") == 0


def test_unblock_finds_nobody_blocked(client: Session, other: Session) -> None:
    assert client.run("CLIENT", "UNBLOCK", "2") == 0
    assert client.run("CLIENT", "UNBLOCK", "2", "error") == 0
    assert refusal_of(client, "CLIENT", "UNBLOCK", "x") == "ERR value is not an integer or out of range"
    assert refusal_of(client, "CLIENT", "UNBLOCK", "x", "why") == (
        "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
    )
    assert refusal_of(client, "CLIENT", "UNBLOCK", "1", "ERROR", "x") == (
        "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."
    )
