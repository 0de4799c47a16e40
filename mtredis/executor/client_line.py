"""A client as one line of named fields: CLIENT LIST, CLIENT INFO, and log lines about a client.

Idea: the fields and their order are Redis 8.0's, so that tools which read them go on working. The line is split at
spaces by those tools; therefore names that clients choose are checked before they are taken.
Owner: the executor thread; the figures that a worker counts (buffers) are snapshots.
Limits: one output buffer (`rbs` long) where Redis has a fixed one and a list behind it, so `rbp` and `oll` are 0.
"""

from typing import TYPE_CHECKING, Any

from mtredis.errors import CommandError

if TYPE_CHECKING:
    from mtredis.client import Client

NAME_REFUSED = "ERR Client names cannot contain spaces, newlines or special characters."


def shown(word: bytes) -> str:
    """A word of a request as texts repeat it: as a C string, so up to a NUL byte."""
    return word.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def check_attribute(value: bytes, refusal: str) -> None:
    """Raises the refusal unless the value can stand in the line: printable ASCII without spaces."""
    if not all("!" <= character <= "~" for character in shown(value)):
        raise CommandError(refusal)


def flags_of(server: Any, client: "Client") -> str:
    """The letters of a client's states, in Redis's order; N if there is none."""
    letters = (
        ("O", client.monitor),
        ("P", client.subscriptions is not None),
        ("x", client.transaction is not None),
        ("b", client.blocked is not None or client in server.dispatcher.postponed),
        ("d", server.watches.is_dirty(client)),
        ("U", client.is_unix_socket),
        ("e", client.no_evict),
        ("T", client.no_touch),
    )
    return "".join(letter for letter, is_set in letters if is_set) or "N"


def client_line(server: Any, client: "Client", now: int, argv_memory: int = 0) -> str:
    """The client at unix time `now` (ms), without the line's end; `argv_memory`: bytes of its running command."""
    transaction, subscriptions = client.transaction, client.subscriptions
    fields = (
        ("id", client.id),
        ("addr", client.address),
        ("laddr", client.local_address),
        ("fd", client.fd),
        ("name", shown(client.name)),
        ("age", now // 1000 - client.created // 1000),
        ("idle", client.idle_seconds),
        ("flags", flags_of(server, client)),
        ("db", client.db_index),
        ("sub", len(subscriptions.channels) if subscriptions else 0),
        ("psub", len(subscriptions.patterns) if subscriptions else 0),
        ("ssub", len(subscriptions.shard_channels) if subscriptions else 0),
        ("multi", len(transaction) if transaction else -1),
        ("watch", server.watches.count(client)),
        ("qbuf", client.query_length),
        ("qbuf-free", client.query_capacity - client.query_length),
        ("argv-mem", argv_memory),
        ("multi-mem", transaction.memory if transaction else 0),
        ("rbs", client.output_capacity),
        ("rbp", 0),
        ("obl", client.output_length),
        ("oll", 0),
        ("omem", client.output_memory),
        ("tot-mem", client.total_memory),
        ("events", "r"),
        ("cmd", client.last_command),
        ("user", shown(client.user)),
        ("redir", -1),
        ("resp", client.resp),
        ("lib-name", shown(client.lib_name)),
        ("lib-ver", shown(client.lib_ver)),
        ("io-thread", client.io_thread),
    )
    return " ".join(f"{name}={value}" for name, value in fields)
