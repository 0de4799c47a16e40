# cython: freethreading_compatible=True
"""Hot commands in C: see `native.pyx`."""
from libc.stdint cimport int64_t, uint32_t
from mtredis.client cimport Connection, Settings
from mtredis.keyspace.core cimport Core
from mtredis.protocol.parser cimport Query, Request

cdef bint run_read(Core *core, uint32_t gates, Connection *connection, Query *query, Request *request, int native,
                   int64_t *hits, int64_t *misses) noexcept
cdef bint run_write(Core *core, Settings *settings, Connection *connection, Query *query, Request *request, int native,
                    int64_t *dirty) noexcept
