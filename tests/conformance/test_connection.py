"""PING, ECHO, HELLO, AUTH, SELECT, QUIT and RESET against redis-server."""

from collections.abc import Callable

import pytest

from tests.support.differential import MODES, PLAIN_MODES, Pair, Script, parametrize_scripts

SCRIPTS: dict[str, Script] = {
    "ping-echo": r"""
        PING
        PING hello
        PING ""
        PING a b
        ping "\x00\xff"
        ECHO
        ECHO hello
        ECHO ""
        ECHO a b
        eCHo "\r\n"
    """,
    "select": """
        SELECT
        SELECT 1 2
        SELECT 15
        SET k v
        SELECT 0
        GET k
    """,
    "auth-without-password": """
        AUTH
        AUTH secret
        AUTH default secret
        AUTH default ""
        AUTH nobody secret
        AUTH a b c
        PING
    """,
}
SESSION_SCRIPTS: dict[str, Script] = {
    "hello": """
        HELLO
        HELLO 2
        HELLO 3
        HELLO 3
        GET missing
        HELLO 2
        GET missing
        HELLO 1
        HELLO 4
        HELLO abc
        HELLO 3.0
        HELLO ""
        HELLO 3 BOGUS
        HELLO 3 SETNAME
        HELLO 3 AUTH
        HELLO 3 AUTH default
        HELLO 3 AUTH default wrong
        HELLO 3 AUTH nobody wrong
        HELLO 2 SETNAME joe
        CLIENT GETNAME
        HELLO 3 SETNAME "bad name"
        CLIENT GETNAME
        HELLO 3 SETNAME "" AUTH default x
        CLIENT GETNAME
        HELLO 3 SETNAME ""
        CLIENT GETNAME
        HELLO 3 SETNAME a SETNAME b
        CLIENT GETNAME
        hello 3 setname c
        CLIENT GETNAME
        HELLO AUTH
        HELLO SETNAME x
    """,
    "reset": """
        RESET
        RESET x
        CLIENT SETNAME joe
        SELECT 5
        SET k v
        WATCH k
        MULTI
        RESET
        EXEC
        CLIENT GETNAME
        GET k
        HELLO 3
        GET missing
        RESET
        GET missing
        SUBSCRIBE a
        RESET
        GET missing
    """,
    "reset-undoes-client-settings": """
        CLIENT NO-EVICT on
        CLIENT NO-TOUCH on
        ~ CLIENT REPLY OFF
        RESET
        GET missing
        PING
    """,
    "quit": "SET k v\n^ QUIT",
    "quit-with-arguments": "^ QUIT now please",
}


@parametrize_scripts(SCRIPTS, MODES)
def test_connection(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(SESSION_SCRIPTS, PLAIN_MODES)
def test_session(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


_PASSWORD_SCRIPTS: dict[str, Script] = {
    "refused": """
        PING
        GET k
        SET k v
        ECHO x
        SELECT 1
        MULTI
        SUBSCRIBE c
        CLIENT ID
        COMMAND
        NOSUCHCOMMAND
        GET
        HELLO
        HELLO 3
        HELLO 9
        HELLO 3 SETNAME x
        INFO
        AUTH
        AUTH wrong
        AUTH default wrong
        AUTH nobody secret
        AUTH a b c
        HELLO 3 AUTH default wrong
        HELLO 2 AUTH nobody secret
        RESET
        PING
    """,
    "auth": """
        AUTH secret
        PING
        AUTH wrong
        PING
        RESET
        PING
        AUTH default secret
        PING
    """,
    "hello-auth": """
        HELLO 3 AUTH default secret SETNAME joe
        CLIENT GETNAME
        PING
        RESET
        GET k
        HELLO 2 AUTH default secret
        GET k
    """,
    "quit": "^ QUIT",
    "config": """
        AUTH secret
        CONFIG GET requirepass
        CONFIG SET requirepass other
        PING
        @2 PING
        @2 AUTH secret
        @2 AUTH other
        @2 PING
        CONFIG SET requirepass ""
        @3 PING
        @3 AUTH x
        CONFIG SET requirepass secret
        @4 PING
        PING
    """,
}


@pytest.mark.parametrize("name", list(_PASSWORD_SCRIPTS))
def test_password(serve_pair: Callable[..., Pair], name: str) -> None:
    serve_pair(requirepass="secret").compare(_PASSWORD_SCRIPTS[name], "resp2")


@pytest.mark.parametrize(
    ("count", "length"), [(10, 16384), (11, 10), (10, 16385), (11, 16385), (1000, 10), (2, 16384), (3, 16385)]
)
def test_an_unauthenticated_client_is_held_to_small_requests(
    serve_pair: Callable[..., Pair], count: int, length: int
) -> None:
    pair = serve_pair(requirepass="secret")
    answers = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.send_raw(b"*%d\r\n$4\r\nPING\r\n$%d\r\n" % (count, length))
            if connection.is_quiet(0.3):
                answers.append("waits for more")
            else:
                answers.append(repr(connection.read_until_close(5)))
    assert answers[0] == answers[1]
