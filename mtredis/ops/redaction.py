"""What of a request must not be shown to others: passwords, in the slow log and to MONITOR.

Idea: a table from command names to the function that gives back the request with "(redacted)" in place of secrets; all
other requests are shown as they came. Owner: none, pure functions.
"""

from collections.abc import Callable, Sequence

from mtredis.ops.config import hide_secrets

REDACTED = b"(redacted)"


def _auth(argv: Sequence[bytes]) -> list[bytes]:
    """AUTH [username] password: a request with more words is refused unread, and shown."""
    return [argv[0], *[REDACTED] * (len(argv) - 1)] if len(argv) <= 3 else list(argv)


def _hello(argv: Sequence[bytes]) -> list[bytes]:
    """HELLO protover ... AUTH username password ...; options are read as HELLO reads them, up to the first bad one."""
    shown = list(argv)
    if len(argv) < 2 or argv[1] not in (b"2", b"3"):
        return shown
    place = 2
    while place < len(argv):
        option, following = argv[place].upper(), len(argv) - place - 1
        if option == b"AUTH" and following >= 2:
            shown[place + 1] = shown[place + 2] = REDACTED
            place += 3
        elif option == b"SETNAME" and following:
            place += 2
        else:
            break
    return shown


_SECRETIVE: dict[bytes, Callable[[Sequence[bytes]], list[bytes]]] = {
    b"auth": _auth,
    b"hello": _hello,
    b"config|set": hide_secrets,
}


def shown_arguments(name: bytes, argv: Sequence[bytes]) -> Sequence[bytes]:
    """The request to the command of this full name (lower case) as others may see it."""
    hide = _SECRETIVE.get(name)
    return argv if hide is None else hide(argv)
