# cython: freethreading_compatible=True
"""What a worker does with one connection: see `connection.pyx`."""
from mtredis.client cimport Connection, Loop

cdef void take_connection_output(Loop *loop, Connection *connection) noexcept nogil
cdef void trim_pools(Loop *loop) noexcept nogil
cdef void advance(Loop *base, Connection *connection) noexcept nogil
cdef void flush_connection(Loop *loop, Connection *connection) noexcept nogil
cdef void insert_deferred(Connection *connection) noexcept nogil
cdef void note_query(Connection *connection) noexcept nogil
