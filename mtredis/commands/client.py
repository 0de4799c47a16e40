"""CLIENT: what the connections are, and what can be done to them.

Idea: a client is a line of named fields (`executor/client_line.py`); the filters of KILL are a table of predicates.
Owner: the executor thread, which owns all sessions; the figures that a worker counts (bytes, buffers) are snapshots.
Limits: no replicas, so those types match nobody; TRACKING, CACHING and TRACKINGINFO come with client-side caching.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import INT64_MAX, integer
from mtredis.executor.client_line import NAME_REFUSED, check_attribute, client_line, shown
from mtredis.executor.pause import PauseMode
from mtredis.registry import command as registry
from mtredis.registry.command import ADMIN, LOADING, NOSCRIPT, SENTINEL, STALE, container

if TYPE_CHECKING:
    from mtredis.client import Client
    from mtredis.executor.context import Context

command = functools.partial(registry.command, group="connection")
container(
    "CLIENT",
    flags=SENTINEL,
    since="2.4.0",
    summary="Shows and changes the connections of clients.",
    group="connection",
    help_flags=LOADING | STALE | SENTINEL,
)

ABOUT_ITSELF = NOSCRIPT | LOADING | STALE | SENTINEL
ABOUT_OTHERS = ADMIN | ABOUT_ITSELF
TO_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")
UNREPEATABLE = ("nondeterministic_output",)
# Every name that TYPE knows; "slave" is the old word for replica.
TYPES = {b"normal": "normal", b"pubsub": "pubsub", b"replica": "replica", b"slave": "replica", b"master": "master"}


def parse_type(word: bytes) -> str:
    """A client type by any of its names."""
    kind = TYPES.get(word.lower())
    if kind is None:
        raise CommandError(f"ERR Unknown client type '{shown(word)}'")
    return kind


def parse_switch(word: bytes) -> bool:
    """ON or OFF."""
    switch = {b"on": True, b"off": False}.get(word.lower())
    if switch is None:
        raise SyntaxFault()
    return switch


def wrong_subcommand(argv: list[bytes]) -> CommandError:
    """The refusal of a subcommand with too many arguments."""
    return CommandError(
        f"ERR unknown subcommand or wrong number of arguments for '{shown(argv[1])[:128]}'. Try CLIENT HELP."
    )


# CLIENT LIST and INFO


def write_lines(ctx: "Context", argv: list[bytes], clients: "list[Client]") -> None:
    """Replies with one line for each of the clients."""
    own_memory = sum(map(len, argv))
    lines = [
        client_line(ctx.server, client, ctx.now, own_memory if client is ctx.client else 0) + "\n" for client in clients
    ]
    ctx.reply.verbatim("".join(lines).encode("utf-8", "surrogateescape"))


@command("CLIENT ID", flags=ABOUT_ITSELF, since="5.0.0", complexity="O(1)")
def client_id(ctx: "Context", argv: list[bytes]) -> None:
    """The number of this connection; no other has or had it."""
    ctx.reply.integer(ctx.client.id)


@command("CLIENT INFO", flags=ABOUT_ITSELF, since="6.2.0", complexity="O(1)", tips=UNREPEATABLE)
def client_info(ctx: "Context", argv: list[bytes]) -> None:
    """This connection's line of CLIENT LIST."""
    write_lines(ctx, argv, [ctx.client])


@command(
    "CLIENT LIST [TYPE (client-type=NORMAL|MASTER|REPLICA|PUBSUB)]@5.0.0 [ID client-id...]@6.2.0",
    flags=ABOUT_OTHERS,
    since="2.4.0",
    complexity="O(N) with N connections",
    tips=UNREPEATABLE,
)
def client_list(ctx: "Context", argv: list[bytes]) -> None:
    """A line for each connection, or for those of a type, or for those with the ids."""
    clients, option = ctx.server.clients, b"".join(argv[2:3]).lower()
    if len(argv) == 2:
        chosen = list(clients.values())
    elif option == b"type" and len(argv) == 4:
        kind = parse_type(argv[3])
        chosen = [client for client in clients.values() if client.kind == kind]
    elif option == b"id" and len(argv) > 3:
        ids = [integer(word, "Invalid client ID") for word in argv[3:]]
        chosen = [client for client in map(clients.get, ids) if client is not None]
    else:
        raise SyntaxFault()
    write_lines(ctx, argv, chosen)


# CLIENT KILL

type Filter = Callable[[Client], bool]


def kill_by_id(ctx: "Context", word: bytes) -> "Filter":
    number = integer(word, "client-id should be greater than 0")
    if number < 1:
        raise CommandError("ERR client-id should be greater than 0")
    return lambda client: client.id == number


def kill_by_age(ctx: "Context", word: bytes) -> "Filter":
    seconds = integer(word, "maxage is not an integer or out of range")
    if seconds <= 0:
        raise CommandError("ERR maxage should be greater than 0")
    now = ctx.now // 1000
    return lambda client: now - client.created // 1000 >= seconds


def kill_by_type(ctx: "Context", word: bytes) -> "Filter":
    kind = parse_type(word)
    return lambda client: client.kind == kind


def kill_by_address(ctx: "Context", word: bytes) -> "Filter":
    address = shown(word)
    return lambda client: client.address == address


def kill_by_local_address(ctx: "Context", word: bytes) -> "Filter":
    address = shown(word)
    return lambda client: client.local_address == address


def kill_by_user(ctx: "Context", word: bytes) -> "Filter":
    if word != b"default":
        raise CommandError(f"ERR No such user '{shown(word)}'")
    return lambda client: client.user == b"default"


def kill_but_me(ctx: "Context", word: bytes) -> "Filter":
    choice = word.lower()
    if choice not in (b"yes", b"no"):
        raise SyntaxFault()
    me = ctx.client if choice == b"yes" else None
    return lambda client: client is not me


KILL_FILTERS: dict[bytes, Callable[["Context", bytes], "Filter"]] = {
    b"id": kill_by_id,
    b"maxage": kill_by_age,
    b"type": kill_by_type,
    b"addr": kill_by_address,
    b"laddr": kill_by_local_address,
    b"user": kill_by_user,
    b"skipme": kill_but_me,
}


def parse_kill(ctx: "Context", options: list[bytes]) -> dict[bytes, "Filter"]:
    """The filters by name: all have to let a client through; of one given twice the last counts."""
    filters = {b"skipme": kill_but_me(ctx, b"yes")}
    for position in range(0, len(options), 2):
        name = options[position].lower()
        if name not in KILL_FILTERS or position + 1 == len(options):
            raise SyntaxFault()
        filters[name] = KILL_FILTERS[name](ctx, options[position + 1])
    return filters


def kill_matching(ctx: "Context", filters: "list[Filter]") -> int:
    """Closes the clients that all filters let through (the caller's own after the reply); how many."""
    victims = [client for client in ctx.server.clients.values() if all(passes(client) for passes in filters)]
    for client in victims:
        if client is ctx.client:
            client.close_after_reply()
        else:
            client.kill()
            ctx.server.forget_client(client)   # the close is noticed later, and nothing may go to it until then
    return len(victims)


@command(
    'CLIENT KILL (filter=old-format/"ip:port"!2.8.12 | (new-format=[ID client-id]@2.8.12'
    " | [TYPE (client-type=NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB)]@2.8.12 | [USER username]"
    ' | [ADDR addr/"ip:port"] | [LADDR laddr/"ip:port"]@6.2.0 | [SKIPME (skipme=YES|NO)] | [MAXAGE maxage]@7.4.0)...)',
    flags=ABOUT_OTHERS,
    since="2.4.0",
    complexity="O(N) with N connections",
)
def client_kill(ctx: "Context", argv: list[bytes]) -> None:
    """Closes the connections that all filters let through."""
    if len(argv) == 3:
        if not kill_matching(ctx, [kill_by_address(ctx, argv[2])]):
            raise CommandError("ERR No such client")
        ctx.reply.ok()
    else:
        ctx.reply.integer(kill_matching(ctx, list(parse_kill(ctx, argv[2:]).values())))


# What a client says about itself


@command("CLIENT GETNAME", flags=ABOUT_ITSELF, since="2.6.9", complexity="O(1)")
def client_getname(ctx: "Context", argv: list[bytes]) -> None:
    """This connection's name."""
    ctx.reply.bulk_or_null(ctx.client.name or None)


@command("CLIENT SETNAME connection-name", flags=ABOUT_ITSELF, since="2.6.9", complexity="O(1)", tips=TO_ALL_NODES)
def client_setname(ctx: "Context", argv: list[bytes]) -> None:
    """Names this connection; the empty name is none."""
    check_attribute(argv[2], NAME_REFUSED)
    ctx.client.name = argv[2]
    ctx.reply.ok()


@command(
    "CLIENT SETINFO (attr=LIB-NAME libname | LIB-VER libver)",
    flags=ABOUT_ITSELF,
    since="7.2.0",
    complexity="O(1)",
    tips=TO_ALL_NODES,
)
def client_setinfo(ctx: "Context", argv: list[bytes]) -> None:
    """Says which library, in which version, speaks through this connection."""
    attribute = argv[2].lower()
    if attribute not in (b"lib-name", b"lib-ver"):
        raise CommandError(f"ERR Unrecognized option '{shown(argv[2])}'")
    check_attribute(argv[3], f"ERR {shown(argv[2])} cannot contain spaces, newlines or special characters.")
    if attribute == b"lib-name":
        ctx.client.lib_name = argv[3]
    else:
        ctx.client.lib_ver = argv[3]
    ctx.reply.ok()


@command("CLIENT REPLY (action=ON|OFF|SKIP)", flags=ABOUT_ITSELF, since="3.2.0", complexity="O(1)")
def client_reply(ctx: "Context", argv: list[bytes]) -> None:
    """Whether this connection gets replies: all, none, or none to its next command. Only ON is answered."""
    client, action = ctx.client, argv[2].lower()
    if action == b"on":
        client.reply_mode = "on"
        ctx.reply.ok()
    elif action == b"off":
        client.reply_mode = "off"
    elif action == b"skip":
        if client.reply_mode != "off":
            client.reply_mode = "skip"
    else:
        raise SyntaxFault()


@command("CLIENT NO-EVICT (enabled=ON|OFF)", flags=ABOUT_OTHERS, since="7.0.0", complexity="O(1)")
def client_no_evict(ctx: "Context", argv: list[bytes]) -> None:
    """Whether this connection is spared when clients take too much memory."""
    ctx.client.no_evict = parse_switch(argv[2])
    ctx.reply.ok()


@command("CLIENT NO-TOUCH (enabled=ON|OFF)", flags=NOSCRIPT | LOADING | STALE, since="7.2.0", complexity="O(1)")
def client_no_touch(ctx: "Context", argv: list[bytes]) -> None:
    """Whether this connection's commands leave the access clocks of keys alone."""
    ctx.client.no_touch = parse_switch(argv[2])
    ctx.reply.ok()


@command("CLIENT GETREDIR", flags=ABOUT_ITSELF, since="6.0.0", complexity="O(1)")
def client_getredir(ctx: "Context", argv: list[bytes]) -> None:
    """The connection that gets this one's invalidation messages; -1 as this one tracks no keys."""
    ctx.reply.integer(-1)


# CLIENT PAUSE and UNBLOCK


@command("CLIENT PAUSE timeout:integer [mode=WRITE|ALL]@6.2.0", flags=ABOUT_OTHERS, since="3.0.0", complexity="O(1)")
def client_pause(ctx: "Context", argv: list[bytes]) -> None:
    """Makes the commands of all clients, or only writes, wait for some milliseconds."""
    if len(argv) > 4:
        raise wrong_subcommand(argv)
    mode = {b"write": PauseMode.WRITE, b"all": PauseMode.ALL}.get(argv[3].lower() if len(argv) == 4 else b"all")
    if mode is None:
        raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    timeout = integer(argv[2], "timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError("ERR timeout is negative")
    if timeout > INT64_MAX - ctx.now:
        raise CommandError("ERR timeout is out of range")
    ctx.server.pause.pause(ctx.now + timeout if timeout else 0, mode, ctx.now)
    ctx.reply.ok()


@command("CLIENT UNPAUSE", flags=ABOUT_OTHERS, since="6.2.0", complexity="O(N) with N waiting clients")
def client_unpause(ctx: "Context", argv: list[bytes]) -> None:
    """Ends the pause; what waited runs."""
    ctx.server.pause.unpause()
    ctx.reply.ok()


@command(
    "CLIENT UNBLOCK client-id [unblock-type=TIMEOUT|ERROR]",
    flags=ABOUT_OTHERS,
    since="5.0.0",
    complexity="O(log N) with N connections",
)
def client_unblock(ctx: "Context", argv: list[bytes]) -> None:
    """Wakes a connection that waits in a blocking command; 1 if there was one to wake."""
    if len(argv) > 4:
        raise wrong_subcommand(argv)
    if len(argv) == 4 and argv[3].lower() not in (b"timeout", b"error"):
        raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    with_error = len(argv) == 4 and argv[3].lower() == b"error"
    ctx.reply.integer(ctx.server.blocking.unblock(integer(argv[2]), with_error))
