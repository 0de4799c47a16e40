"""Every exception that mtredis raises on purpose, and the text each of them carries.

Idea: a failure's class decides what happens to the client, its text is what the client reads.
`CommandError` becomes an error reply and the client lives; `ProtocolError` gets one error reply and the
connection closes; `ConfigError` stops a start or refuses a CONFIG SET. Anything else that is raised is a bug.

Owner: none; exceptions are values. Raise a fresh instance each time: a shared one grows its traceback for ever.
Source of the texts: redis-server 8.0, compared by the differential tests.
"""


class MtredisError(Exception):
    """The root of all that is raised on purpose."""


class CommandError(MtredisError):
    """A refused command. `str(error)` is the reply without its leading '-': a code word, a space, a text."""


class WrongType(CommandError):
    """The key holds another data type than the command works on."""

    def __init__(self) -> None:
        super().__init__("WRONGTYPE Operation against a key holding the wrong kind of value")


class SyntaxFault(CommandError):
    """The arguments do not fit the command's syntax."""

    def __init__(self) -> None:
        super().__init__("ERR syntax error")


class NotInteger(CommandError):
    """An argument or a value is not a decimal signed 64-bit integer."""

    def __init__(self) -> None:
        super().__init__("ERR value is not an integer or out of range")


class NotFloat(CommandError):
    """An argument or a value is not a floating-point number."""

    def __init__(self) -> None:
        super().__init__("ERR value is not a valid float")


class NoSuchKey(CommandError):
    """The key that the command needs does not exist."""

    def __init__(self) -> None:
        super().__init__("ERR no such key")


class ProtocolError(MtredisError):
    """The peer broke the protocol; its text follows 'ERR Protocol error: ' in the reply before the close."""


class ConfigError(MtredisError):
    """A configuration that cannot be used; the text names the parameter and, for a file, its line."""
