"""AUTH, HELLO, PING, ECHO, SELECT, QUIT, RESET as a client sees them."""

import pytest

import mtredis.commands.connection
import mtredis.commands.transactions  # noqa: F401
from mtredis.errors import CommandError
from tests.support.fake_session import FakeServer, Session

WRONGPASS = "WRONGPASS invalid username-password pair or user is disabled."


@pytest.fixture
def client() -> Session:
    return FakeServer().connect()


@pytest.fixture
def stranger() -> Session:
    """A client of a server with a password, which it has not said yet."""
    return FakeServer(requirepass="sesam").connect()


def refusal_of(client: Session, *argv: str | bytes) -> str:
    with pytest.raises(CommandError) as refusal:
        client.run(*argv)
    return str(refusal.value)


@pytest.mark.parametrize("argv", [("AUTH", "sesam"), ("AUTH", "default", "sesam")])
def test_the_right_password_opens(stranger: Session, argv: tuple[str, ...]) -> None:
    assert stranger.run(*argv) == b"OK"
    assert stranger.client.authenticated
    assert stranger.client.user == b"default"


@pytest.mark.parametrize("argv", [("wrong",), ("sesam2",), ("",), ("default", "wrong"), ("alice", "sesam")])
def test_a_wrong_password_or_user_does_not(stranger: Session, argv: tuple[str, ...]) -> None:
    assert refusal_of(stranger, "AUTH", *argv) == WRONGPASS
    assert not stranger.client.authenticated


def test_a_wrong_password_does_not_lock_out_who_is_in(stranger: Session) -> None:
    stranger.run("AUTH", "sesam")
    assert refusal_of(stranger, "AUTH", "wrong") == WRONGPASS
    assert stranger.client.authenticated


def test_a_password_may_be_any_bytes() -> None:
    password = b"p\xff\xc3\xa4 \x01"
    client = FakeServer(requirepass=password.decode("utf-8", "surrogateescape")).connect()
    assert client.run("AUTH", password) == b"OK"


def test_auth_without_a_password_configured(client: Session) -> None:
    assert refusal_of(client, "AUTH", "x") == (
        "ERR AUTH <password> called without any password configured for the default user. "
        "Are you sure your configuration is correct?"
    )
    assert client.run("AUTH", "default", "anything") == b"OK"
    assert refusal_of(client, "AUTH", "alice", "x") == WRONGPASS
    assert refusal_of(client, "AUTH", "a", "b", "c") == "ERR syntax error"


def test_hello_says_who_is_there(client: Session) -> None:
    assert client.run("HELLO", 3) == {
        b"server": b"redis",
        b"version": b"8.0.6",
        b"proto": 3,
        b"id": 1,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }
    assert client.client.resp == 3
    assert client.reply.resp == 3
    assert client.run("HELLO")[b"proto"] == 3
    assert client.run("HELLO", 2)[b"proto"] == 2


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("4",), "NOPROTO unsupported protocol version"),
        (("1",), "NOPROTO unsupported protocol version"),
        (("03",), "ERR Protocol version is not an integer or out of range"),
        (("3", "AUTH", "default"), "ERR Syntax error in HELLO option 'AUTH'"),
        (("3", "setname"), "ERR Syntax error in HELLO option 'setname'"),
        (("3", "what"), "ERR Syntax error in HELLO option 'what'"),
        (("3", "SETNAME", "a b"), "ERR Client names cannot contain spaces, newlines or special characters."),
        (("3", "AUTH", "alice", "x", "SETNAME", "n"), WRONGPASS),
    ],
)
def test_hello_refused_changes_nothing(client: Session, argv: tuple[str, ...], text: str) -> None:
    assert refusal_of(client, "HELLO", *argv) == text
    assert client.client.resp == 2
    assert client.client.name == b""


def test_hello_with_options(stranger: Session) -> None:
    assert refusal_of(stranger, "HELLO", "3").startswith("NOAUTH HELLO must be called with the client already")
    assert refusal_of(stranger, "HELLO").startswith("NOAUTH ")
    assert refusal_of(stranger, "HELLO", "3", "AUTH", "default", "no") == WRONGPASS
    stranger.run("HELLO", "3", "SETNAME", "first", "auth", "default", "sesam", "setname", "worker")
    assert stranger.client.authenticated
    assert stranger.client.name == b"worker"


def test_ping_and_echo(client: Session) -> None:
    assert client.run("PING") == b"PONG"
    assert client.reply.calls == [("simple", b"PONG")]
    assert client.run("PING", b"a\0b") == b"a\0b"
    assert client.run("ECHO", "x") == b"x"
    assert refusal_of(client, "PING", "a", "b") == "ERR wrong number of arguments for 'ping' command"


def test_select(client: Session) -> None:
    assert client.run("SELECT", 15) == b"OK"
    assert client.client.db_index == 15
    assert refusal_of(client, "SELECT", "16") == "ERR DB index is out of range"
    assert refusal_of(client, "SELECT", "x") == "ERR value is not an integer or out of range"
    assert refusal_of(client, "SELECT", "2147483648") == (
        "ERR value is out of range, value must between -2147483648 and 2147483647"
    )
    assert client.client.db_index == 15


def test_quit_closes_after_the_reply(client: Session) -> None:
    assert client.run("QUIT", "whatever") == b"OK"
    assert client.client.closes_after_reply
    assert not client.client.is_killed


def test_reset_makes_a_connection_new_but_keeps_its_library(stranger: Session) -> None:
    client = stranger.client
    stranger.run("HELLO", "3", "AUTH", "default", "sesam", "SETNAME", "n")
    stranger.run("SELECT", 4)
    stranger.run("WATCH", "k")
    stranger.run("MULTI")
    client.lib_name, client.reply_mode, client.no_evict, client.no_touch = b"lib", "off", True, True
    assert stranger.run("RESET") == b"RESET"
    assert (client.authenticated, client.name, client.db_index, client.transaction) == (False, b"", 0, None)
    assert (client.resp, stranger.reply.resp, client.reply_mode, client.lib_name) == (2, 2, "on", b"lib")
    assert not client.no_evict
    assert not client.no_touch
    assert stranger.server.watches.count(client) == 0
