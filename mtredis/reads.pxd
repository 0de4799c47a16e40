# cython: freethreading_compatible=True
"""Single-key reads in C, shared by workers and the executor: see `reads.pyx`."""
from libc.stdint cimport int64_t
from mtredis.client cimport Connection
from mtredis.keyspace.entry cimport Entry
from mtredis.protocol.parser cimport Query, Request

cdef bint read_fits(int native, Request *request) noexcept nogil
cdef bint read_touches(int native) noexcept nogil
cdef bint write_read(int native, Entry *entry, Connection *connection, Query *query, Request *request,
                     int64_t now) noexcept nogil
