# cython: freethreading_compatible=True
"""A growable run of bytes in C memory: what replies are written into and sockets are read into.

Idea: `data[:length]` is in use, `capacity` is allocated; growing at least doubles, so appending is amortised O(1).
Owner: whoever owns the struct that holds it. Failure to allocate returns NULL or -1 and leaves the buffer as it was.
"""

from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

cdef struct Buffer:
    char *data
    size_t length
    size_t capacity

cdef inline char *buffer_reserve(Buffer *buffer, size_t extra) noexcept nogil:
    """Room for `extra` more bytes behind the end; NULL when memory is out."""
    cdef size_t wanted = buffer.length + extra
    cdef size_t capacity
    cdef char *data
    if wanted <= buffer.capacity:
        return buffer.data + buffer.length
    capacity = buffer.capacity * 2
    if capacity < wanted:
        capacity = wanted
    if capacity < 256:
        capacity = 256
    data = <char *> realloc(buffer.data, capacity)
    if data == NULL:
        return NULL
    buffer.data = data
    buffer.capacity = capacity
    return data + buffer.length

cdef inline int buffer_append(Buffer *buffer, const char *data, size_t length) noexcept nogil:
    """Appends; 0, or -1 when memory is out."""
    cdef char *target = buffer_reserve(buffer, length)
    if target == NULL:
        return -1
    memcpy(target, data, length)
    buffer.length += length
    return 0

cdef inline void buffer_free(Buffer *buffer) noexcept nogil:
    """Releases the memory; the buffer is empty and usable again."""
    free(buffer.data)
    buffer.data = NULL
    buffer.length = 0
    buffer.capacity = 0
