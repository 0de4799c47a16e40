"""The C library's allocator: how the server tunes it."""

import os
import subprocess
import sys

import pytest

from mtredis.lib import allocator

PROGRAM = """
import ctypes
from mtredis.lib import allocator

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def kept_apart():
    pieces = [libc.malloc(56) for _ in range(1000)]
    before = allocator._mallinfo2().fsmblks
    for piece in pieces:
        libc.free(piece)
    return allocator._mallinfo2().fsmblks - before

assert kept_apart() > 20_000, "this malloc would join them anyway"
allocator.tune()
assert kept_apart() == 0
"""


@pytest.mark.skipif("MTREDIS_ASAN" in os.environ, reason="the sanitizer has a malloc of its own")
@pytest.mark.skipif(allocator.NAME != "glibc", reason="only glibc keeps small chunks apart")
def test_small_chunks_join_their_neighbours_at_once() -> None:
    """Or all of them are joined in one go, much later, while everybody waits."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
