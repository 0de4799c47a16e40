# cython: freethreading_compatible=True
"""Room: how the buffer of a packed collection grows and shrinks, and what it really takes.

Idea: the allocator rounds every size up, so a buffer is moved only when what it really holds is exceeded; then it gets
up to an eighth more than it needs (from 128 bytes on; the size classes that Redis has from jemalloc waste as much), so
that growing by n elements moves it O(log n) times. It gives back what it does not need once that is more than half.

Owner: whoever owns the buffer.
"""
from libc.stdlib cimport realloc

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(void *pointer) noexcept

cdef extern from *:
    """
    #define mt_size_of_step(size) ((size_t) 1 << (60 - __builtin_clzll((unsigned long long) (size))))
    """
    size_t mt_size_of_step(size_t size) noexcept nogil    # an eighth of the greatest power of two in `size` (>= 8)

cdef enum:
    CHUNK_HEAD = 8         # bytes of malloc's own per chunk
    KEPT_SIZE = 64         # a buffer this small is never moved for being too large


cdef inline size_t room_memory(const void *buffer) noexcept nogil:
    """What malloc holds for it, its own bytes included."""
    return malloc_usable_size(<void *> buffer) + CHUNK_HEAD


cdef inline unsigned char *room_for(unsigned char *buffer, size_t size) noexcept nogil:
    """The buffer with room for `size` bytes; NULL: no memory, and it is as it was."""
    cdef size_t step = 16
    if size <= malloc_usable_size(buffer):
        return buffer
    if size > 128:
        step = mt_size_of_step(size)
    return <unsigned char *> realloc(buffer, ((size + CHUNK_HEAD + step - 1) & ~(step - 1)) - CHUNK_HEAD)


cdef inline unsigned char *room_trimmed(unsigned char *buffer, size_t size) noexcept nogil:
    """The buffer, of which only `size` bytes are still needed; never fails."""
    cdef size_t usable = malloc_usable_size(buffer)
    cdef unsigned char *moved
    if usable <= KEPT_SIZE or size * 2 >= usable:
        return buffer
    moved = <unsigned char *> realloc(buffer, size)
    return moved if moved != NULL else buffer
