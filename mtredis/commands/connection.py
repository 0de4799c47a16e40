"""AUTH, HELLO, PING, ECHO, SELECT, QUIT, RESET: what a connection says about itself. CLIENT is in `client.py`.

Idea: there is one user, `default`, whose password is `requirepass`; without a password everybody is in.
Owner: the executor thread.
Invariant: a handler that refuses has changed nothing, with Redis's one exception: HELLO's AUTH stays in force
whatever is wrong with the rest of it.
Limits: no ACL yet, so every other user's name is a wrong one.
"""

import hashlib
import hmac
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import integer, small_integer
from mtredis.executor.client_line import NAME_REFUSED, check_attribute, shown
from mtredis.registry.command import ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, SENTINEL, STALE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context


def is_right_password(given: bytes, configured: str) -> bool:
    """Compares in a time that tells neither the password's length nor where the two differ."""
    expected = configured.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())


def authenticate(ctx: "Context", username: bytes, password: bytes) -> None:
    """The client is the user; raises WRONGPASS if that user does not exist or has another password."""
    configured = ctx.server.config.requirepass
    if username != b"default" or (configured and not is_right_password(password, configured)):
        raise CommandError("WRONGPASS invalid username-password pair or user is disabled.")
    ctx.client.authenticated = True
    ctx.client.user = b"default"


@command(
    "AUTH [username@6.0.0] password",
    flags=NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | SENTINEL | ALLOW_BUSY,
    since="1.0.0",
    complexity="O(N) with N passwords of the user",
)
def auth(ctx: "Context", argv: list[bytes]) -> None:
    """Makes the connection one of a user who knows the password."""
    if len(argv) > 3:
        raise SyntaxFault()
    if len(argv) == 2:
        if not ctx.server.config.requirepass:
            raise CommandError(
                "ERR AUTH <password> called without any password configured for the default user. "
                "Are you sure your configuration is correct?"
            )
        authenticate(ctx, b"default", argv[1])
    else:
        authenticate(ctx, argv[1], argv[2])
    ctx.reply.ok()


def parse_protocol(word: bytes) -> int:
    """HELLO's protocol version."""
    version = integer(word, "Protocol version is not an integer or out of range")
    if version not in (2, 3):
        raise CommandError("NOPROTO unsupported protocol version")
    return version


def parse_hello_options(options: list[bytes]) -> tuple[tuple[bytes, bytes] | None, bytes | None]:
    """The credentials and the client's name, where given; the last of each counts."""
    credentials, name = None, None
    position = 0
    while position < len(options):
        option, following = options[position].upper(), options[position + 1 :]
        if option == b"AUTH" and len(following) >= 2:
            credentials = following[0], following[1]
            position += 3
        elif option == b"SETNAME" and following:
            name = following[0]
            check_attribute(name, NAME_REFUSED)
            position += 2
        else:
            raise CommandError(f"ERR Syntax error in HELLO option '{shown(options[position])}'")
    return credentials, name


@command(
    "HELLO [arguments=protover [AUTH username password] [SETNAME clientname]]",
    flags=NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | SENTINEL | ALLOW_BUSY,
    since="6.0.0",
    complexity="O(1)",
)
def hello(ctx: "Context", argv: list[bytes]) -> None:
    """Agrees on the protocol, and says who the server and this connection are."""
    client = ctx.client
    version = parse_protocol(argv[1]) if len(argv) > 1 else 0
    credentials, name = parse_hello_options(argv[2:])
    if credentials is not None:
        authenticate(ctx, *credentials)
    if not client.authenticated:
        raise CommandError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
            "the same time"
        )
    if name is not None:
        client.name = name
    if version:
        client.resp = version
        ctx.reply.resp = version
    write_greeting(ctx)


def write_greeting(ctx: "Context") -> None:
    """HELLO's reply."""
    reply = ctx.reply
    reply.map(7)
    for field, value in (
        (b"server", b"redis"),
        (b"version", ctx.server.redis_version.encode()),
        (b"proto", ctx.client.resp),
        (b"id", ctx.client.id),
        (b"mode", b"standalone"),
        (b"role", b"master"),
    ):
        reply.bulk(field)
        if isinstance(value, int):
            reply.integer(value)
        else:
            reply.bulk(value)
    reply.bulk(b"modules")
    reply.array(0)


@command(
    "PING [message]",
    flags=FAST | SENTINEL,
    since="1.0.0",
    complexity="O(1)",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def ping(ctx: "Context", argv: list[bytes]) -> None:
    """Answers PONG, or the message."""
    if len(argv) > 2:
        raise CommandError("ERR wrong number of arguments for 'ping' command")
    reply = ctx.reply
    if ctx.client.subscriptions is not None and ctx.client.resp == 2:
        # A RESP2 connection that listens gets nothing but arrays, so that they cannot be mistaken for messages.
        reply.array(2)
        reply.bulk(b"pong")
        reply.bulk(argv[1] if len(argv) == 2 else b"")
    elif len(argv) == 2:
        reply.bulk(argv[1])
    else:
        reply.simple(b"PONG")


@command("ECHO message", flags=LOADING | STALE | FAST, since="1.0.0", complexity="O(1)")
def echo(ctx: "Context", argv: list[bytes]) -> None:
    """Answers the message."""
    ctx.reply.bulk(argv[1])


@command("SELECT index", flags=LOADING | STALE | FAST, since="1.0.0", complexity="O(1)")
def select(ctx: "Context", argv: list[bytes]) -> None:
    """Makes another database the one of the connection."""
    ctx.select(small_integer(argv[1]))
    ctx.reply.ok()


@command(
    "QUIT",
    flags=ALLOW_BUSY | NOSCRIPT | LOADING | STALE | FAST | NO_AUTH,
    since="1.0.0",
    complexity="O(1)",
    arity=-1,
    deprecated_since="7.2.0",
    replaced_by="just closing the connection",
)
def quit_(ctx: "Context", argv: list[bytes]) -> None:
    """Closes the connection once the reply is sent."""
    ctx.reply.ok()
    ctx.client.close_after_reply()


@command("RESET", flags=NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY, since="6.2.0", complexity="O(1)")
def reset(ctx: "Context", argv: list[bytes]) -> None:
    """Makes the connection what it was when it was new; only the library's name and version stay."""
    client, server = ctx.client, ctx.server
    server.monitors.discard(client)
    ctx.select(0)
    client.authenticated = not server.config.requirepass
    client.user = b"default"
    client.transaction = None
    server.watches.unwatch(client)
    server.pubsub.unsubscribe_all(client)
    client.name = b""
    client.reply_mode = "on"
    client.no_touch = client.no_evict = False
    client.resp = 2
    ctx.reply.resp = 2
    ctx.reply.simple(b"RESET")
