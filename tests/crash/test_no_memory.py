"""No memory for the write stream, when the data have changed already: no change is lost that somebody was told of.

Idea: a library is preloaded that fails every large realloc while a file exists: the stream's buffer is the only one
that grows so far under a transaction of many small writes. redis-server has no such case, it ends when memory is out.
"""

import os
from pathlib import Path

import pytest

from mtredis.lib import allocator
from tests.support import preload
from tests.support.durable import DurableServer
from tests.support.resp import Connection

SUBSTITUTE = """
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
void *__libc_realloc(void *pointer, size_t size);
void *realloc(void *pointer, size_t size) {
    if (size >= 1 << 20 && access(getenv("MTR_NO_MEMORY"), F_OK) == 0) { errno = ENOMEM; return NULL; }
    return __libc_realloc(pointer, size);
}
"""
KEYS = 3000
VALUE = b"v" * 1000
REFUSAL = b"MISCONF Errors writing to the AOF file: Cannot allocate memory"

pytestmark = [
    pytest.mark.skipif("MTREDIS_ASAN" in os.environ, reason="the sanitizer has a realloc of its own"),
    pytest.mark.skipif(allocator.NAME != "glibc", reason="the substitute calls glibc's function"),
]


class Scarce:
    """A server with an AOF whose memory is out from `run_out` to `recover`."""

    def __init__(self, folder: Path, policy: str) -> None:
        source, self._switch = folder / "realloc.c", folder / "out"
        source.write_text(SUBSTITUTE)
        library = preload.build(source, folder, "-O1")
        self.server = DurableServer("subject", folder, appendonly="yes", appendfsync=policy)
        self.server.environment = {"LD_PRELOAD": str(library), "MTR_NO_MEMORY": str(self._switch)}
        self.server.start()

    def run_out(self) -> None:
        self._switch.touch()

    def recover(self) -> None:
        self._switch.unlink()


def queue_many(connection: Connection) -> None:
    """A transaction that needs megabytes of the stream, up to its EXEC."""
    connection.command("MULTI")
    for start in range(0, KEYS, 20):
        connection.pipeline([("SET", f"k{number}", VALUE) for number in range(start, start + 20)])


@pytest.mark.parametrize("policy", ["everysec", "no"])
def test_the_log_is_rewritten_and_writes_are_refused_meanwhile(tmp_path: Path, policy: str) -> None:
    scarce = Scarce(tmp_path, policy)
    with scarce.server as server:
        with server.connect() as connection:
            connection.command("SET", "before", 1)
            queue_many(connection)
            scarce.run_out()
            replies = connection.pipeline([("EXEC",), ("SET", "refused", 1), ("GET", "k1"), ("DEL", "k1")])
            scarce.recover()
            assert [reply.data for reply in replies[0].data] == [b"OK"] * KEYS
            assert (replies[1].data, replies[2].data, replies[3].data) == (REFUSAL, VALUE, REFUSAL)
            server.wait_info(aof_last_write_status="ok", aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
            assert connection.command("SET", "after", 1).data == b"OK"
            assert "Out of memory: the AOF lacks changes." in server.log()
            if policy == "everysec":
                assert connection.command("WAITAOF", 1, 0, 10_000).data[0].data == 1
        server.kill()
        server.start()
        with server.connect() as connection:
            assert connection.command("DBSIZE").data == KEYS + 2
            values = connection.command("MGET", "before", "after", "k0", f"k{KEYS - 1}").data
            assert [each.data for each in values] == [b"1", b"1", VALUE, VALUE]


def test_under_always_the_process_ends_before_anybody_is_told(tmp_path: Path) -> None:
    scarce = Scarce(tmp_path, "always")
    with scarce.server as server:
        with server.connect() as connection:
            connection.command("SET", "before", 1)
            queue_many(connection)
            scarce.run_out()
            connection.send("EXEC")
            with pytest.raises((OSError, EOFError)):
                connection.read()
        assert server.wait_end() == 1
        assert "out of memory. Exiting" in server.log()
        scarce.recover()
        server.start()
        with server.connect() as other:
            assert (other.command("DBSIZE").data, other.command("GET", "before").data) == (1, b"1")
