"""The directories of pub/sub: who receives what, in which encoding, and that nothing is left behind."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from mtredis.executor.pubsub import PubSub, encode_message


@dataclass(eq=False)
class Listener:
    resp: int = 2
    subscriptions: Any = None
    received: list[bytes] = field(default_factory=list)
    held: int = 0

    def hold(self, size: int) -> None:
        self.held += size

    def push(self, data: bytes) -> None:
        self.received.append(data)


@pytest.fixture
def pubsub() -> PubSub:
    return PubSub()


def is_empty(pubsub: PubSub) -> bool:
    return not any(pubsub.statistics().values())


def test_a_message_is_an_array_in_resp2_and_a_push_in_resp3() -> None:
    assert encode_message([b"message", b"c", b""], 2) == b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n"
    assert encode_message([b"message", b"c", b""], 3) == b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n"


def test_publish_reaches_only_the_listeners_of_the_channel(pubsub: PubSub) -> None:
    old, new, other = Listener(2), Listener(3), Listener(2)
    pubsub.subscribe(old, b"news")
    pubsub.subscribe(new, b"news")
    pubsub.subscribe(other, b"weather")
    assert pubsub.publish(b"news", b"hi") == 2
    assert old.received == [encode_message([b"message", b"news", b"hi"], 2)]
    assert new.received == [encode_message([b"message", b"news", b"hi"], 3)]
    assert other.received == []
    assert pubsub.publish(b"nobody", b"hi") == 0


def test_receivers_of_one_protocol_share_the_encoded_bytes(pubsub: PubSub) -> None:
    first, second = Listener(), Listener()
    pubsub.subscribe(first, b"c")
    pubsub.subscribe(second, b"c")
    pubsub.publish(b"c", b"x")
    assert first.received[0] is second.received[0]


def test_a_client_gets_a_message_once_for_each_matching_subscription(pubsub: PubSub) -> None:
    client = Listener(3)
    pubsub.subscribe(client, b"news.it")
    pubsub.subscribe_pattern(client, b"news.*")
    pubsub.subscribe_pattern(client, b"*.i[st]")
    pubsub.subscribe_pattern(client, b"weather.*")
    assert pubsub.publish(b"news.it", b"m") == 3
    assert client.received == [
        encode_message([b"message", b"news.it", b"m"], 3),
        encode_message([b"pmessage", b"news.*", b"news.it", b"m"], 3),
        encode_message([b"pmessage", b"*.i[st]", b"news.it", b"m"], 3),
    ]


def test_shard_channels_are_a_world_of_their_own(pubsub: PubSub) -> None:
    shard, plain = Listener(), Listener()
    pubsub.subscribe_shard(shard, b"c")
    pubsub.subscribe(plain, b"c")
    pubsub.subscribe_pattern(plain, b"*")
    assert pubsub.publish_shard(b"c", b"m") == 1
    assert shard.received == [encode_message([b"smessage", b"c", b"m"], 2)]
    assert plain.received == []
    assert shard.subscriptions.count == 0


def test_subscribing_twice_is_subscribing_once(pubsub: PubSub) -> None:
    client = Listener()
    pubsub.subscribe(client, b"c")
    pubsub.subscribe(client, b"c")
    assert client.subscriptions.count == 1
    assert pubsub.publish(b"c", b"m") == 1


def test_the_last_unsubscribe_leaves_nothing_behind(pubsub: PubSub) -> None:
    client = Listener()
    pubsub.subscribe(client, b"a")
    pubsub.subscribe_pattern(client, b"p")
    pubsub.subscribe_shard(client, b"s")
    pubsub.unsubscribe(client, b"a")
    pubsub.unsubscribe_pattern(client, b"p")
    assert client.subscriptions is not None
    assert pubsub.statistics()["pubsub_clients"] == 1
    pubsub.unsubscribe_shard(client, b"s")
    assert client.subscriptions is None
    assert is_empty(pubsub)


def test_unsubscribing_from_what_one_does_not_hear_changes_nothing(pubsub: PubSub) -> None:
    client, other = Listener(), Listener()
    pubsub.subscribe(other, b"c")
    pubsub.unsubscribe(client, b"c")
    pubsub.unsubscribe_pattern(client, b"c")
    pubsub.unsubscribe_shard(client, b"c")
    pubsub.unsubscribe(other, b"d")
    assert client.subscriptions is None
    assert pubsub.publish(b"c", b"m") == 1


def test_a_closed_client_is_gone_from_everywhere(pubsub: PubSub) -> None:
    client, other = Listener(), Listener()
    for name in (b"a", b"b"):
        pubsub.subscribe(client, name)
        pubsub.subscribe_pattern(client, name)
        pubsub.subscribe_shard(client, name)
    pubsub.subscribe(other, b"a")
    pubsub.unsubscribe_all(client)
    pubsub.unsubscribe_all(client)
    assert client.subscriptions is None
    assert pubsub.channels == {b"a": {other: None}}
    pubsub.unsubscribe_all(other)
    assert is_empty(pubsub)


def test_a_receiver_that_closes_on_push_does_not_disturb_the_others(pubsub: PubSub) -> None:
    class Fragile(Listener):
        def push(self, data: bytes) -> None:
            pubsub.unsubscribe_all(self)

    fragile, sturdy = Fragile(), Listener()
    for client in (fragile, sturdy):
        pubsub.subscribe(client, b"c")
        pubsub.subscribe_pattern(client, b"c*")
    assert pubsub.publish(b"c", b"m") == 3
    assert len(sturdy.received) == 2


def test_keyspace_events_go_to_the_channel_of_the_key_and_of_the_event(pubsub: PubSub) -> None:
    client = Listener()
    pubsub.notify_keyspace_event(b"set", b"k", 0)
    pubsub.subscribe_pattern(client, b"__key*@3__:*")
    pubsub.notify_keyspace_event(b"set", b"k", 3)
    pubsub.notify_keyspace_event(b"set", b"k", 4)
    pattern = b"__key*@3__:*"
    key = encode_message([b"pmessage", pattern, b"__keyspace@3__:k", b"set"], 2)
    event = encode_message([b"pmessage", pattern, b"__keyevent@3__:set", b"k"], 2)
    assert client.received == [key, event]
    client.received.clear()
    pubsub.notify_keyspace_event(b"del", b"k", 3, keyevent=False)
    pubsub.notify_keyspace_event(b"del", b"k", 3, keyspace=False)
    assert client.received == [key.replace(b"set", b"del"), event.replace(b"set", b"del")]


def test_what_is_listened_to_is_accounted_for(pubsub: PubSub) -> None:
    client: Any = Listener()
    pubsub.subscribe(client, b"c" * 1000)
    once = client.held
    assert once > 1000
    pubsub.subscribe(client, b"c" * 1000)
    assert client.held == once
    pubsub.subscribe_pattern(client, b"p")
    pubsub.subscribe_shard(client, b"s")
    assert client.held > once
    pubsub.unsubscribe_all(client)
    assert client.held == 0
