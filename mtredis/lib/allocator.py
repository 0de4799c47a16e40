"""The C library's allocator: what it holds, giving pages back, its own report.

Idea: keys, values and buffers live in glibc's heap; its figures come from `mallinfo2`, the report from `malloc_info`.
Owner: none, any thread; glibc locks. Limits: CPython's own objects live in another heap (mimalloc) that is not seen
here; where the library has no such functions (musl), figures are 0 and nothing is given back.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


@dataclass(frozen=True, slots=True)
class HeapFigures:
    """Bytes: `allocated` by the program, `active` held from the kernel for that."""

    allocated: int
    active: int


_libc = ctypes.CDLL(None)
_mallinfo2 = getattr(_libc, "mallinfo2", None)
_malloc_trim = getattr(_libc, "malloc_trim", None)
_malloc_info = getattr(_libc, "malloc_info", None)
if _mallinfo2 is not None:
    _mallinfo2.restype = _Mallinfo
if _malloc_info is not None:
    _malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
    _libc.open_memstream.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t)]
    _libc.open_memstream.restype = ctypes.c_void_p
    _libc.fclose.argtypes = [ctypes.c_void_p]

_libc.malloc.argtypes, _libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
_libc.free.argtypes = [ctypes.c_void_p]
if hasattr(_libc, "sbrk"):
    _libc.sbrk.argtypes = [ctypes.c_ssize_t]
    _libc.sbrk.restype = ctypes.c_void_p

_mallopt = getattr(_libc, "mallopt", None)
_M_MXFAST, _M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = 1, -1, -3
_MAPPED_FROM = 4 << 20  # blocks from this size on come from the kernel each time, and go back at once
_SLACK = 8 << 20  # free memory that the top of the heap keeps

NAME = "libc" if _mallinfo2 is None else "glibc"


def heap_figures() -> HeapFigures:
    """What the heap holds now. Looks at every free chunk (46 ms after most of 3 M keys are gone): for the start."""
    if _mallinfo2 is None:
        return HeapFigures(0, 0)
    info = _mallinfo2()
    return HeapFigures(info.uordblks + info.hblkhd, info.arena + info.hblkhd)


def tune() -> None:
    """glibc's malloc suits a server; call it before the first large block.

    Blocks of some hundred KB are used again. glibc would get each above 128 KB from the kernel and give it back, and
    each of its pages costs a fault: more than half of the cost of an unpipelined GET of 64 KiB (38 µs instead of 17;
    redis-server: 17 to 20). The slack bounds what a burst leaves behind, so deep pipelines of big values still pay.

    What is freed joins its free neighbours at once. glibc would keep chunks up to 128 bytes apart, which makes DEL 10 %
    cheaper, and join all of them in one go when somebody asks for a large block: 1,050 ms after 4 M keys were deleted.
    """
    if _mallopt is not None:
        _mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)
        _mallopt(_M_TRIM_THRESHOLD, _SLACK)
        _mallopt(_M_MXFAST, 0)


@cache
def heap_start() -> int:
    """Where the heap begins that brk() makes, from which the main thread gets its memory; 0: there is none here.

    There is none where malloc is another one (preloaded, or a sanitizer's), and none for other threads.
    """
    if _mallinfo2 is None:
        return 0
    lines = Path("/proc/self/maps").read_text().splitlines()
    start = next((int(line[: line.index("-")], 16) for line in lines if line.endswith("[heap]")), 0)
    piece = _libc.malloc(64)
    try:
        return start if start <= (piece or 0) < int(_libc.sbrk(0)) else 0
    finally:
        _libc.free(piece)


def heap_span() -> int:
    """Bytes from the start of that heap to its end; costs nothing."""
    return int(_libc.sbrk(0)) - heap_start() if heap_start() else 0


def give_back() -> bool:
    """The kernel has back what pages the heap could spare; whether there were any."""
    return _malloc_trim is not None and bool(_malloc_trim(0))


def report() -> bytes | None:
    """glibc's description of its arenas (XML), or None where there is none."""
    if _malloc_info is None:
        return None
    text, size = ctypes.c_void_p(), ctypes.c_size_t()
    stream = _libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
    if not stream:
        raise MemoryError
    _malloc_info(0, stream)
    _libc.fclose(stream)
    try:
        return ctypes.string_at(text, size.value)
    finally:
        _libc.free(text)
