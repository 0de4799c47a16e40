# cython: freethreading_compatible=True
"""Writing RESP into a `Buffer`: C functions for the core, the class `Reply` for command handlers. See `reply.pyx`."""
from libc.stdint cimport int64_t
from mtredis.lib.buffer cimport Buffer

cdef int write_integer(Buffer *out, int64_t value) noexcept nogil            # :N
cdef int write_bulk(Buffer *out, const char *data, size_t length) noexcept nogil
cdef int write_bulk_integer(Buffer *out, int64_t value) noexcept nogil       # an integer as a bulk string
cdef int write_null(Buffer *out, int resp) noexcept nogil
cdef int write_double(Buffer *out, double value, int resp) noexcept nogil
cdef int write_header(Buffer *out, char kind, int64_t count) noexcept nogil  # "*3\r\n", "%2\r\n", "$-1\r\n", ...
cdef int write_error(Buffer *out, const char *text, size_t length) noexcept nogil  # "-" text, CR and LF become spaces

cdef class Reply:
    cdef Buffer *out        # the current client's; set by the executor before each command
    cdef public int resp    # 2 or 3
    cdef public Py_ssize_t errors     # error replies written since the executor reset it
