"""RDB: the format of Redis's snapshots and DUMP payloads. `format` has its constants, `writer` makes it, `reader` takes
it apart (`input` its primitives, `values`, `streams` and `ancient` the values, `packed` what is checked)."""

from mtredis.errors import MtredisError

SIGNATURE = b"REDIS"


def begins_as_rdb(head: bytes) -> bool:
    """Whether these are the first bytes of an RDB file."""
    return head.startswith(SIGNATURE)


class RdbError(MtredisError):
    """Data that is no RDB file or payload; the text says what is wrong and `offset` where, in bytes from the start."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(f"{text} at offset {offset}")
        self.offset = offset
