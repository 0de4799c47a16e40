"""Listening sockets: TCP on every address of `bind`, a Unix socket, or those that systemd hands over.

Idea: plain Python sockets made once; the acceptor takes connections from their descriptors.
Owner: the main thread until the server runs, then the executor (CONFIG SET bind or port).
Limits: an address written `-addr` may be missing here; every other one must be had, or nothing is listened on.
"""

import errno
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from mtredis.errors import ConfigError
from mtredis.ops import log

_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.ENOPROTOOPT}


def listen_tcp(addresses: Sequence[str], port: int, backlog: int) -> list[socket.socket]:
    """Non-blocking listening sockets, one for each of `addresses` ("*" and "::*": all of IPv4 and IPv6).

    Raises ConfigError, with everything closed again, when an address without a leading "-" cannot be listened on.
    """
    sockets: list[socket.socket] = []
    for address in addresses:
        optional = address.startswith("-")
        try:
            sockets.append(listen_address(address.removeprefix("-"), port, backlog))
        except OSError as error:
            if optional and error.errno in _ABSENT:
                continue
            log.warning(f"Warning: Could not create server TCP listening socket {address}:{port}: {error.strerror}")
            for opened in sockets:
                opened.close()
            raise ConfigError(f"Failed listening on port {port} (tcp), aborting.") from error
    if not sockets and addresses:
        raise ConfigError(f"Failed listening on port {port} (tcp), aborting.")
    return sockets


def listen_address(address: str, port: int, backlog: int) -> socket.socket:
    """One non-blocking listening TCP socket. Raises OSError."""
    host = {"*": "0.0.0.0", "::*": "::"}.get(address, address)
    family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(target)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def listen_unix(path: str, permissions: int, backlog: int) -> socket.socket:
    """A non-blocking listening Unix socket at `path`, replacing a stale one; mode `permissions` unless 0.

    Raises ConfigError when the path cannot be had; a file that is no socket is never removed.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        file = Path(path)
        if file.exists() and stat.S_ISSOCK(file.stat().st_mode):
            file.unlink()
        listener.bind(path)
        if permissions:
            file.chmod(permissions)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigError(f"Failed opening Unix socket: bind: {error.strerror}") from error
    return listener


def close_listeners(sockets: Sequence[socket.socket], unix_path: str = "") -> None:
    """Nobody connects any more; the Unix socket's file is gone."""
    for listener in sockets:
        listener.close()
    if unix_path:
        Path(unix_path).unlink(missing_ok=True)
