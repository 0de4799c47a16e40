# cython: freethreading_compatible=True
"""A worker's way to the keyspace: see `reads.pyx`."""
from libc.stdint cimport uint64_t
from mtredis.client cimport Connection, Loop
from mtredis.keyspace.core cimport Core

cdef struct Reader:
    Core *core
    int slot          # this worker's, in the keyspace's epochs
    uint64_t random   # for the LFU counters

cdef void serve_reads(Reader *reader, Loop *loop, Connection *connection) noexcept nogil
