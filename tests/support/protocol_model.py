"""A server that knows PING, ECHO and AUTH: what Parser and Encoder would answer to raw bytes.

Idea: the smallest thing that turns the protocol layer's results into the bytes a client sees, so that they can be
compared with those of redis-server without a server of our own.
"""

from collections.abc import Iterable

from mtredis.protocol.parser import Parser
from mtredis.protocol.reply import Encoder

from mtredis.errors import ProtocolError

PASSWORD = b"secret"


def answer(pieces: Iterable[bytes], *, authenticated: bool = True) -> tuple[bytes, bool]:
    """The bytes sent for these pieces, and whether the connection is closed after them."""
    parser, reply = Parser(authenticated=authenticated), Encoder()
    try:
        for piece in pieces:
            _serve(parser, reply, piece)
    except ProtocolError as error:
        reply.error(b"ERR Protocol error: " + str(error).encode("latin-1"))
        return reply.take(), True
    return reply.take(), False


def _serve(parser: Parser, reply: Encoder, piece: bytes) -> None:
    requests = parser.feed(piece)
    while requests:
        for argv in requests:
            _execute(parser, reply, argv)
        requests = parser.feed(b"")


def _execute(parser: Parser, reply: Encoder, argv: list[bytes]) -> None:
    name = argv[0].lower()
    if name not in (b"ping", b"echo", b"auth"):
        reply.error(_unknown(argv))
    elif name in (b"echo", b"auth") and len(argv) != 2:
        reply.error(b"ERR wrong number of arguments for '" + name + b"' command")
    elif name == b"auth" and argv[1] == PASSWORD:
        parser.authenticated = True
        reply.ok()
    elif not parser.authenticated:
        reply.error("NOAUTH Authentication required.")
    elif len(argv) > 2:
        reply.error(b"ERR wrong number of arguments for 'ping' command")
    elif len(argv) == 1:
        reply.simple(b"PONG")
    else:
        reply.bulk(argv[1])


def _unknown(argv: list[bytes]) -> bytes:
    """Redis's text, which cuts at NUL bytes and at 128 bytes."""
    quoted = b""
    for argument in argv[1:]:
        if len(quoted) >= 128:
            break
        quoted += b"'" + argument.split(b"\0")[0][: 128 - len(quoted)] + b"' "
    name = argv[0].split(b"\0")[0][:128]
    return b"ERR unknown command '" + name + b"', with args beginning with: " + quoted
