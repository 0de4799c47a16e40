"""SUBSCRIBE and its relatives, PUBLISH, SPUBLISH, PUBSUB as clients see them."""

from typing import Any

import pytest

import mtredis.commands.connection
import mtredis.commands.pubsub
import mtredis.commands.transactions  # noqa: F401
from mtredis.errors import CommandError
from mtredis.executor.pubsub import encode_message
from tests.support.fake_session import FakeServer, Session


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def client(server: FakeServer) -> Session:
    return server.connect()


@pytest.fixture
def other(server: FakeServer) -> Session:
    return server.connect(3)


def test_each_channel_is_confirmed_with_the_count(client: Session) -> None:
    assert client.run_all("SUBSCRIBE", "a", "b", "a") == [
        [b"subscribe", b"a", 1],
        [b"subscribe", b"b", 2],
        [b"subscribe", b"a", 2],
    ]
    assert client.run_all("PSUBSCRIBE", "p*") == [[b"psubscribe", b"p*", 3]]
    assert client.run_all("SSUBSCRIBE", "s") == [[b"ssubscribe", b"s", 1]]
    assert client.run_all("UNSUBSCRIBE", "b", "zzz") == [[b"unsubscribe", b"b", 2], [b"unsubscribe", b"zzz", 2]]
    assert client.run_all("UNSUBSCRIBE") == [[b"unsubscribe", b"a", 1]]
    assert client.run_all("PUNSUBSCRIBE") == [[b"punsubscribe", b"p*", 0]]
    assert client.client.kind == "pubsub"
    assert client.run_all("SUNSUBSCRIBE") == [[b"sunsubscribe", b"s", 0]]
    assert client.client.kind == "normal"


def test_confirmations_are_pushes(client: Session) -> None:
    client.run_all("SUBSCRIBE", "a")
    assert client.reply.calls[0] == ("push", 3)


@pytest.mark.parametrize("verb", ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"])
def test_leaving_nothing_is_confirmed_without_a_name(client: Session, verb: str) -> None:
    assert client.run_all(verb) == [[verb.lower().encode(), None, 0]]


def test_leaving_all_channels_without_any_shows_what_else_is_heard(client: Session) -> None:
    client.run_all("PSUBSCRIBE", "p")
    assert client.run_all("UNSUBSCRIBE") == [[b"unsubscribe", None, 1]]


def test_publish_counts_and_delivers(client: Session, other: Session) -> None:
    client.run_all("SUBSCRIBE", "c")
    other.run_all("PSUBSCRIBE", "c*")
    other.run_all("SSUBSCRIBE", "c")
    assert other.run("PUBLISH", "c", "m") == 2
    assert client.messages() == encode_message([b"message", b"c", b"m"], 2)
    assert other.messages() == encode_message([b"pmessage", b"c*", b"c", b"m"], 3)
    assert other.run("SPUBLISH", "c", "m") == 1
    assert client.messages() == b""
    assert other.messages() == encode_message([b"smessage", b"c", b"m"], 3)


def test_pubsub_shows_what_is_listened_to(client: Session, other: Session) -> None:
    client.run_all("SUBSCRIBE", "news", "nerd")
    other.run_all("SUBSCRIBE", "news")
    client.run_all("PSUBSCRIBE", "p1", "p2")
    other.run_all("PSUBSCRIBE", "p1")
    other.run_all("SSUBSCRIBE", "shard")
    asker = other
    assert asker.run("PUBSUB", "CHANNELS") == [b"news", b"nerd"]
    assert asker.run("PUBSUB", "CHANNELS", "ne[w]*") == [b"news"]
    assert asker.run("PUBSUB", "NUMSUB") == []
    assert asker.run("PUBSUB", "NUMSUB", "news", "shard") == [b"news", 2, b"shard", 0]
    assert asker.run("PUBSUB", "NUMPAT") == 2
    assert asker.run("PUBSUB", "SHARDCHANNELS") == [b"shard"]
    assert asker.run("PUBSUB", "SHARDCHANNELS", "x*") == []
    assert asker.run("PUBSUB", "SHARDNUMSUB", "shard", "news") == [b"shard", 1, b"news", 0]


@pytest.mark.parametrize("subcommand", ["CHANNELS", "shardchannels"])
def test_one_pattern_at_most(client: Session, subcommand: str) -> None:
    with pytest.raises(CommandError) as refusal:
        client.run("PUBSUB", subcommand, "a", "b")
    assert str(refusal.value) == (
        f"ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try PUBSUB HELP."
    )


def test_inside_exec_shard_channels_are_refused_and_others_are_not(client: Session) -> None:
    client.run("MULTI")
    client.run("SSUBSCRIBE", "s")
    client.run("SUBSCRIBE", "c")
    refused, confirmed = client.run("EXEC")
    assert str(refused) == "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"
    assert confirmed == [b"subscribe", b"c", 1]


@pytest.mark.parametrize(
    ("resp", "argv", "reply"),
    [
        (2, ("PING",), [b"pong", b""]),
        (2, ("PING", "x"), [b"pong", b"x"]),
        (3, ("PING",), b"PONG"),
        (3, ("PING", "x"), b"x"),
    ],
)
def test_ping_while_listening(server: FakeServer, resp: int, argv: tuple[str, ...], reply: Any) -> None:
    client = server.connect(resp)
    client.run_all("SUBSCRIBE", "c")
    assert client.run(*argv) == reply


def test_reset_stops_listening(server: FakeServer, client: Session) -> None:
    client.run_all("SUBSCRIBE", "c")
    client.run_all("SSUBSCRIBE", "c")
    client.run("RESET")
    assert not any(server.pubsub.statistics().values())
    assert client.run("PING") == b"PONG"
