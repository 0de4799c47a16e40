# cython: freethreading_compatible=True
"""Single-key reads in C, shared by workers and the executor: see `reads.pyx`."""
from mtredis.keyspace.entry cimport Entry
from mtredis.protocol.parser cimport Request
from mtredis.reading cimport Reading

# Writes the reply for an entry (NULL: no such key); False: the handler must answer.
ctypedef bint (*WriteReply)(Reading *reading, Entry *entry) noexcept nogil

cdef bint read_fits(int native, Request *request) noexcept nogil
cdef bint read_touches(int native) noexcept nogil
cdef bint write_read(int native, Reading *reading, Entry *entry) noexcept nogil
