"""Publish and subscribe against redis-server: confirmations, messages and their order, in RESP2 and RESP3."""

from tests.support.differential import MODES, PLAIN_MODES, Pair, Script, parametrize_scripts
from tests.support.resp import Value

SCRIPTS: dict[str, Script] = {
    "arity": """
        SUBSCRIBE
        PSUBSCRIBE
        SSUBSCRIBE
        PUBLISH
        PUBLISH c
        PUBLISH c m x
        SPUBLISH
        SPUBLISH c
        SPUBLISH c m x
        PUBSUB
        PUBSUB BOGUS
        PUBSUB CHANNELS a b
        PUBSUB NUMPAT x
        PUBSUB SHARDCHANNELS a b
        PUBSUB HELP
        PUBSUB HELP x
    """,
    "killed": """
        SUBSCRIBE a
        @2 PUBSUB NUMSUB a
        @2 CLIENT KILL TYPE pubsub
        @2 PUBSUB NUMSUB a
        @2 PUBLISH a late
    """,
    "subscribe": """
        SUBSCRIBE a
        SUBSCRIBE a
        SUBSCRIBE b c b
        @2 PUBLISH a hello
        @2 PUBLISH b ""
        @2 PUBLISH nobody x
        UNSUBSCRIBE a
        UNSUBSCRIBE a
        UNSUBSCRIBE never
        @2 PUBLISH a lost
        UNSUBSCRIBE b c
        PING
        UNSUBSCRIBE
        GET k
    """,
    "unsubscribe-from-all": """
        UNSUBSCRIBE
        PUNSUBSCRIBE
        SUNSUBSCRIBE
        SUBSCRIBE only
        UNSUBSCRIBE
        PSUBSCRIBE p*
        PUNSUBSCRIBE
        SSUBSCRIBE s
        SUNSUBSCRIBE
        GET k
    """,
    "psubscribe": r"""
        PSUBSCRIBE news.* h?llo "h[ae]llo" *
        PSUBSCRIBE news.*
        @2 PUBLISH news.art x
        @2 PUBLISH hello y
        @2 PUBLISH news. z
        @2 PUBLISH "" empty
        PUNSUBSCRIBE *
        @2 PUBLISH hxllo only-one
        @2 PUBLISH other lost
        SUBSCRIBE hello
        @2 PUBLISH hello both
        PUNSUBSCRIBE never
        PUNSUBSCRIBE h?llo "h[ae]llo"
        @2 PUBLISH hello one
        @2 PUBSUB NUMPAT
        @2 PUBSUB NUMSUB hello other
        @2 PUBSUB NUMSUB
        @2 PUBSUB CHANNELS
        PUNSUBSCRIBE news.*
        UNSUBSCRIBE hello
    """,
    "binary": [
        ("SUBSCRIBE", b"\x00\r\n\xff"),
        ("PING",),
        ("UNSUBSCRIBE", b"\x00\r\n\xff"),
        ("PUBLISH", b"\x00\r\n\xff", b"x"),
    ],
    "sharded": """
        SSUBSCRIBE a b
        SSUBSCRIBE a
        @2 SPUBLISH a hello
        @2 PUBLISH a not-sharded
        @2 SPUBLISH nobody x
        SUBSCRIBE a
        @2 PUBLISH a normal
        @2 SPUBLISH a sharded
        @2 PUBSUB SHARDCHANNELS
        @2 PUBSUB SHARDCHANNELS a*
        @2 PUBSUB SHARDNUMSUB a b c
        @2 PUBSUB SHARDNUMSUB
        @2 PUBSUB NUMSUB a b
        @2 PUBSUB CHANNELS
        SUNSUBSCRIBE never
        SUNSUBSCRIBE a
        @2 SPUBLISH a lost
        SUNSUBSCRIBE b
        UNSUBSCRIBE a
        PING
    """,
    "several-subscribers": """
        SUBSCRIBE c
        @2 SUBSCRIBE c d
        @3 PSUBSCRIBE c* d
        @4 PUBLISH c to-three
        @4 PUBLISH d to-two
        @4 PUBSUB NUMSUB c d
        @4 PUBSUB NUMPAT
        @4 PUBSUB CHANNELS
        @4 PUBSUB CHANNELS c*
        @4 PUBSUB CHANNELS x*
        @2 UNSUBSCRIBE c
        @4 PUBLISH c to-two
    """,
    "what-a-resp2-subscriber-may-say": """
        SUBSCRIBE c
        PING
        PING text
        PING a b
        GET k
        SET k v
        PUBLISH c to-myself
        PUBSUB CHANNELS
        CLIENT ID
        CLIENT LIST
        HELLO 3
        MULTI
        EXEC
        NOSUCHCOMMAND
        GET
        CONFIG GET maxmemory
        SSUBSCRIBE s
        PSUBSCRIBE p
        UNSUBSCRIBE
        PUNSUBSCRIBE
        SUNSUBSCRIBE
        GET k
        SUBSCRIBE c
        RESET
        GET k
        PING
    """,
    "self-publish": """
        SUBSCRIBE a
        PSUBSCRIBE *
        @2 SUBSCRIBE a
        @2 PSUBSCRIBE a*
        @3 MULTI
        @3 PUBLISH a 1
        @3 SET k v
        @3 PUBLISH a 2
        @3 EXEC
    """,
    "in-transaction": """
        MULTI
        SUBSCRIBE c
        PING
        EXEC
        PING
        @2 PUBLISH c m
    """,
    "transaction-of-everything": """
        MULTI
        SUBSCRIBE a b
        PSUBSCRIBE p*
        SSUBSCRIBE s
        EXEC
        @2 PUBLISH a 1
        @2 PUBLISH pq 2
        @2 SPUBLISH s 3
        UNSUBSCRIBE a b
        PUNSUBSCRIBE p*
        SUNSUBSCRIBE s
        PING
    """,
    "unsubscribe-then-normal": """
        SUBSCRIBE a
        UNSUBSCRIBE a
        SET k v
        GET k
        MULTI
        GET k
        EXEC
    """,
    "quit-while-subscribed": """
        SUBSCRIBE a
        ^ QUIT
        @2 PUBLISH a x
    """,
    "databases-do-not-matter": """
        SUBSCRIBE a
        @2 SELECT 5
        @2 PUBLISH a x
    """,
    "big-message": [("PUBLISH", "a", b"x" * 200_000)],
}
PUBLISHER_SCRIPTS: dict[str, Script] = {
    "wrapped": """
        PUBLISH c m
        SPUBLISH c m
        PUBSUB CHANNELS
        PUBSUB CHANNELS *
        PUBSUB NUMSUB a b
        PUBSUB NUMPAT
        PUBSUB SHARDCHANNELS
        PUBSUB SHARDNUMSUB a
    """
}
RESP3_SCRIPTS: dict[str, Script] = {
    "commands-between-messages": """
        SUBSCRIBE a
        SET k v
        GET k
        PUBLISH a to-myself
        GET k
        MULTI
        PUBLISH a inside
        GET k
        EXEC
        PING
        PING text
        @2 PUBLISH a x
        CLIENT GETNAME
        UNSUBSCRIBE
    """,
    "hello-2-while-subscribed": """
        SUBSCRIBE a
        HELLO 2
        GET k
        PING
        @2 PUBLISH a x
    """,
}


@parametrize_scripts(SCRIPTS, PLAIN_MODES)
def test_pubsub(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(PUBLISHER_SCRIPTS, MODES)
def test_publishers(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(RESP3_SCRIPTS, ("resp3",))
def test_pubsub_in_resp3(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def test_a_closed_subscriber_is_forgotten(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as publisher:
            subscriber = server.connect()
            subscriber.command("SUBSCRIBE", "c")
            assert publisher.command("PUBLISH", "c", "m").data == 1
            subscriber.close()
            while publisher.command("PUBLISH", "c", "m").data:
                pass
            assert publisher.command("PUBSUB", "NUMSUB", "c").data[1].data == 0


def test_messages_arrive_in_the_order_of_publishing(pair: Pair) -> None:
    with pair.subject.connect(3) as subscriber, pair.subject.connect() as publisher:
        subscriber.send("SUBSCRIBE", "c")
        assert subscriber.read().kind == "push"
        publisher.pipeline([("PUBLISH", "c", i) for i in range(5000)])
        received = [subscriber.read() for _ in range(5000)]
        assert received == [
            Value("push", (Value("bulk", b"message"), Value("bulk", b"c"), Value("bulk", b"%d" % i)))
            for i in range(5000)
        ]


def test_big_messages(pair: Pair) -> None:
    with pair.subject.connect() as subscriber, pair.subject.connect() as publisher:
        subscriber.command("SUBSCRIBE", "c")
        text = b"0123456789" * 300_000
        assert publisher.command("PUBLISH", "c", text).data == 1
        assert subscriber.read().data[2].data == text


def test_unsubscribe_without_arguments_confirms_each(pair: Pair) -> None:
    confirmations = []
    for server in (pair.subject, pair.oracle):
        for name in ("", "P", "S"):
            with server.connect() as connection:
                for request in [(f"{name}SUBSCRIBE", *"abcde"), (f"{name}UNSUBSCRIBE",), ("PING",)]:
                    connection.send(*request)
                confirmed = [connection.read().data for _ in range(10)]
                assert connection.read() == Value("simple", b"PONG")
                assert sorted(items[1].data for items in confirmed[5:]) == [b"a", b"b", b"c", b"d", b"e"]
                assert [items[2].data for items in confirmed] == [1, 2, 3, 4, 5, 4, 3, 2, 1, 0]
                confirmations.append({items[0].data for items in confirmed})
    assert confirmations[:3] == confirmations[3:]
