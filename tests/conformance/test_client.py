"""CLIENT in all its forms against redis-server."""

import re
import time

import pytest

from tests.support.differential import MODES, PLAIN_MODES, Pair, Script, parametrize_scripts
from tests.support.resp import CLOSED, OK, Connection, Value

SCRIPTS: dict[str, Script] = {
    "arity": """
        CLIENT
        CLIENT BOGUS
        CLIENT ID x
        CLIENT GETNAME x
        CLIENT SETNAME
        CLIENT SETNAME a b
        CLIENT INFO x
        CLIENT SETINFO
        CLIENT SETINFO LIB-NAME
        CLIENT SETINFO LIB-NAME a b
        CLIENT REPLY
        CLIENT REPLY a b
        CLIENT KILL
        CLIENT PAUSE
        CLIENT PAUSE a b c
        CLIENT UNPAUSE x
        CLIENT UNBLOCK
        CLIENT UNBLOCK 1 2 3
        CLIENT NO-EVICT
        CLIENT NO-EVICT a b
        CLIENT NO-TOUCH
        CLIENT NO-TOUCH a b
        CLIENT GETREDIR x
        CLIENT HELP x
    """,
    "help": "CLIENT HELP",
    "names": r"""
        CLIENT GETNAME
        CLIENT SETNAME joe
        CLIENT GETNAME
        CLIENT SETNAME "a b"
        CLIENT SETNAME "a\nb"
        CLIENT SETNAME "\xff"
        CLIENT SETNAME "!~"
        CLIENT GETNAME
        CLIENT SETNAME ""
        CLIENT GETNAME
        client setname Joe
        client getname
    """,
    "setinfo": r"""
        CLIENT SETINFO LIB-NAME redis-py
        CLIENT SETINFO lib-ver 1.2.3
        CLIENT SETINFO LIB-NAME "with space"
        CLIENT SETINFO LIB-VER "new\nline"
        CLIENT SETINFO BOGUS x
        CLIENT SETINFO LIB-NAME ""
        CLIENT SETINFO LIB-NAME redis-py(tool_v1)
    """,
    "switches": """
        CLIENT NO-EVICT on
        CLIENT NO-EVICT OFF
        CLIENT NO-EVICT bogus
        CLIENT NO-TOUCH ON
        CLIENT NO-TOUCH off
        CLIENT NO-TOUCH bogus
        CLIENT GETREDIR
        CLIENT REPLY ON
        CLIENT REPLY bogus
        CLIENT ID
        CLIENT INFO
    """,
    "pause": """
        CLIENT PAUSE abc
        CLIENT PAUSE -1
        CLIENT PAUSE 1.5
        CLIENT PAUSE 10 BOGUS
        CLIENT PAUSE 0
        CLIENT UNPAUSE
        CLIENT PAUSE 9223372036854775807
        CLIENT UNPAUSE
        CLIENT PAUSE 1 WRITE
        CLIENT PAUSE 1 ALL
        CLIENT PAUSE 10 write
        CLIENT UNPAUSE
    """,
    "unblock": """
        CLIENT UNBLOCK abc
        CLIENT UNBLOCK 999999
        CLIENT UNBLOCK 999999 TIMEOUT
        CLIENT UNBLOCK 999999 ERROR
        CLIENT UNBLOCK 999999 BOGUS
        CLIENT UNBLOCK -1
    """,
    "kill-syntax": """
        CLIENT KILL 1.2.3.4:99
        CLIENT KILL ""
        CLIENT KILL ID
        CLIENT KILL ID abc
        CLIENT KILL ID 0
        CLIENT KILL ID -5
        CLIENT KILL ID 999999999
        CLIENT KILL ADDR 1.2.3.4:99
        CLIENT KILL LADDR 1.2.3.4:99
        CLIENT KILL USER nobody
        CLIENT KILL TYPE bogus
        CLIENT KILL TYPE replica
        CLIENT KILL TYPE slave
        CLIENT KILL TYPE master
        CLIENT KILL TYPE pubsub
        CLIENT KILL SKIPME maybe ID 9
        CLIENT KILL SKIPME yes
        CLIENT KILL SKIPME
        CLIENT KILL MAXAGE 1000000
        CLIENT KILL MAXAGE abc
        CLIENT KILL MAXAGE -1
        CLIENT KILL MAXAGE 0
        CLIENT KILL BOGUS 1
        CLIENT KILL ID 999999999 TYPE normal
        CLIENT KILL id 999999999 type normal skipme no
        CLIENT KILL ID 999999998 ID 999999999
        CLIENT KILL ID 999999999 ADDR
    """,
    "list-syntax": """
        CLIENT LIST
        CLIENT LIST TYPE normal
        CLIENT LIST TYPE pubsub
        CLIENT LIST TYPE replica
        CLIENT LIST TYPE master
        CLIENT LIST TYPE bogus
        CLIENT LIST TYPE
        CLIENT LIST ID
        CLIENT LIST ID abc
        CLIENT LIST ID 999999999
        CLIENT LIST ID 1 2 abc
        CLIENT LIST BOGUS
        CLIENT LIST BOGUS x
        CLIENT LIST TYPE normal x
    """,
}
REPLY_SCRIPTS: dict[str, Script] = {
    "off-on": """
        ~ CLIENT REPLY OFF
        ~ SET k v
        ~ GET k
        ~ NOSUCHCOMMAND
        CLIENT REPLY ON
        GET k
    """,
    "skip": """
        ~ CLIENT REPLY SKIP
        ~ SET k v
        GET k
        ~ CLIENT REPLY SKIP
        ~ CLIENT REPLY SKIP
        ~ PING
        PING
        ~ CLIENT REPLY SKIP
        CLIENT REPLY ON
        ~ CLIENT REPLY SKIP
        ~ NOSUCHCOMMAND
        PING
    """,
    "off-and-messages": """
        SUBSCRIBE a
        UNSUBSCRIBE a
        ~ CLIENT REPLY OFF
        ~ SUBSCRIBE b
        @2 PUBLISH b x
        ~ UNSUBSCRIBE b
        CLIENT REPLY ON
        PING
    """,
    "in-transaction": """
        MULTI
        CLIENT REPLY ON
        GET k
        EXEC
    """,
}


@parametrize_scripts(SCRIPTS, MODES)
def test_client(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(REPLY_SCRIPTS, PLAIN_MODES)
def test_client_reply(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def fields(line: bytes) -> dict[bytes, bytes]:
    """One line of CLIENT LIST as a dict."""
    return dict(part.partition(b"=")[::2] for part in line.strip().split(b" "))


def client_id(connection: Connection) -> int:
    return int(connection.command("CLIENT", "ID").data)


_NOT_COMPARED = {
    b"id", b"addr", b"laddr", b"fd", b"age", b"idle", b"qbuf", b"qbuf-free", b"argv-mem", b"multi-mem",
    b"rbs", b"rbp", b"oll", b"obl", b"omem", b"tot-mem", b"events", b"io-thread", b"tot-net-in",
    b"tot-net-out", b"tot-cmds", b"read-events", b"avg-pipeline-len-sum", b"avg-pipeline-len-cnt",
    b"parse-batch-cmd-sum", b"parse-batch-cmd-cnt",
}  # fmt: skip
_STATES = {
    "plain": [],
    "named": [("CLIENT", "SETNAME", "joe"), ("SELECT", "3")],
    "library": [("CLIENT", "SETINFO", "LIB-NAME", "lib"), ("CLIENT", "SETINFO", "LIB-VER", "1.0")],
    "multi": [("WATCH", "a", "b"), ("MULTI",), ("SET", "a", "1"), ("GET", "a")],
    "subscribed": [("SUBSCRIBE", "a"), ("SUBSCRIBE", "b"), ("PSUBSCRIBE", "c*"), ("SSUBSCRIBE", "s")],
    "no-evict-no-touch": [("CLIENT", "NO-EVICT", "on"), ("CLIENT", "NO-TOUCH", "on")],
    "resp3": [("HELLO", "3")],
    "error": [("GET",)],
    "monitor": [("MONITOR",)],
}


@pytest.mark.parametrize("state", list(_STATES))
def test_client_list_describes_the_connection(pair: Pair, state: str) -> None:
    lines = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as admin, server.connect() as connection:
            number = client_id(connection)
            for request in _STATES[state]:
                connection.command(*request)
            lines.append(fields(admin.command("CLIENT", "LIST", "ID", number).data))
            assert lines[-1][b"id"] == b"%d" % number
            host, port = connection.socket.getsockname()
            assert lines[-1][b"addr"] == f"{host}:{port}".encode()
            assert re.fullmatch(rb"\d+", lines[-1][b"age"])
    assert list(lines[0]) == list(lines[1]), "the fields and their order"
    differing = {key: (lines[0][key], lines[1][key]) for key in lines[0] if lines[0][key] != lines[1][key]}
    assert {key: value for key, value in differing.items() if key not in _NOT_COMPARED} == {}


def test_client_info_is_the_own_line(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect(3) as connection:
            number = client_id(connection)
            info = connection.command("CLIENT", "INFO")
            assert info.kind == "verbatim"
            own = fields(info.data[4:])
            assert own[b"id"] == b"%d" % number
            assert own[b"cmd"] == b"client|info"
            assert own[b"resp"] == b"3"


def test_client_list_filters(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as admin, server.connect() as other, server.connect() as subscriber:
            subscriber.command("SUBSCRIBE", "c")
            other_id = client_id(other)
            listed = [
                fields(line)[b"id"] for line in admin.command("CLIENT", "LIST", "TYPE", "pubsub").data.splitlines()
            ]
            assert len(listed) == 1
            everyone = admin.command("CLIENT", "LIST").data.splitlines()
            assert len(everyone) == 3
            both = admin.command("CLIENT", "LIST", "ID", other_id, 99999999, client_id(admin)).data.splitlines()
            assert len(both) == 2
            assert [int(fields(line)[b"id"]) for line in everyone] == sorted(
                int(fields(line)[b"id"]) for line in everyone
            )


_KILL_FILTERS = {
    "old form": lambda other, address, local: (address,),
    "id": lambda other, address, local: ("ID", other),
    "addr": lambda other, address, local: ("ADDR", address),
    "addr and type": lambda other, address, local: ("ADDR", address, "TYPE", "normal"),
    "addr and laddr": lambda other, address, local: (
        "LADDR",
        local,
        "ADDR",
        address,
        "USER",
        "default",
        "SKIPME",
        "yes",
    ),
}


@pytest.mark.parametrize("name", list(_KILL_FILTERS))
def test_client_kill_finds_its_victim(pair: Pair, name: str) -> None:
    answers = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as admin, server.connect() as victim:
            number = client_id(victim)
            address, local = (
                ":".join(map(str, each())) for each in (victim.socket.getsockname, victim.socket.getpeername)
            )
            answers.append(admin.command("CLIENT", "KILL", *_KILL_FILTERS[name](number, address, local)))
            assert victim.read_until_close() == [CLOSED]
            assert admin.command("PING").data == b"PONG"
            assert admin.command("CLIENT", "LIST", "ID", number).data == b""
    assert answers[0] == answers[1]


def test_client_kill_by_type_user_and_skipme(pair: Pair) -> None:
    answers = []
    for server in (pair.subject, pair.oracle):
        with (
            server.connect() as admin,
            server.connect() as one,
            server.connect() as two,
            server.connect() as subscriber,
        ):
            subscriber.command("SUBSCRIBE", "c")
            one.command("PING")
            two.command("PING")
            replies = [admin.command("CLIENT", "KILL", "TYPE", "pubsub")]
            assert subscriber.read_until_close() == [CLOSED]
            replies.append(admin.command("CLIENT", "KILL", "LADDR", "{}:{}".format(*admin.socket.getpeername())))
            assert one.read_until_close() == [CLOSED]
            assert two.read_until_close() == [CLOSED]
            admin.send("CLIENT", "KILL", "USER", "default", "SKIPME", "no")
            replies += admin.read_until_close()
            answers.append(replies)
    assert answers[0] == answers[1]


def test_client_kill_maxage(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as old:
            old.command("PING")
            time.sleep(2.2)
            with server.connect() as admin, server.connect() as young:
                young.command("PING")
                killed = admin.command("CLIENT", "KILL", "MAXAGE", "2")
                assert killed.kind == "integer"
                assert killed.data == 1
                assert old.read_until_close() == [CLOSED]
                assert young.command("PING").data == b"PONG"


def test_killing_oneself_is_answered_first(pair: Pair) -> None:
    answers = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.send("CLIENT", "KILL", "ID", client_id(connection), "SKIPME", "no")
            answers.append(connection.read_until_close())
    assert answers[0] == answers[1] == [Value("integer", 1), CLOSED]


def test_pause_holds_writes_only(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as admin, server.connect() as reader, server.connect() as writer:
            reader.command("SET", "k", "v")
            assert admin.command("CLIENT", "PAUSE", "10000", "WRITE") == OK
            assert reader.command("GET", "k").data == b"v"
            writer.send("SET", "k", "w")
            assert writer.is_quiet(0.15)
            assert reader.command("GET", "k").data == b"v"
            assert admin.command("CLIENT", "UNPAUSE") == OK
            assert writer.read() == OK
            assert reader.command("GET", "k").data == b"w"


def test_pause_holds_everything(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as admin, server.connect() as reader:
            started = time.monotonic()
            assert admin.command("CLIENT", "PAUSE", "300") == OK
            assert reader.command("GET", "k").kind == "null-bulk"
            assert time.monotonic() - started > 0.29


def test_pause_holds_a_transaction_that_writes(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as admin, server.connect() as writer, server.connect() as reader:
            writer.pipeline([("MULTI",), ("SET", "k", "v")])
            reader.pipeline([("MULTI",), ("GET", "k")])
            admin.command("CLIENT", "PAUSE", "10000", "WRITE")
            assert reader.command("EXEC").kind == "array"
            writer.send("EXEC")
            assert writer.is_quiet(0.15)
            admin.command("CLIENT", "UNPAUSE")
            assert writer.read() == Value("array", (OK,))


def test_ids_only_grow(pair: Pair) -> None:
    with pair.subject.connect() as first:
        one = client_id(first)
    with pair.subject.connect() as second:
        assert client_id(second) > one
