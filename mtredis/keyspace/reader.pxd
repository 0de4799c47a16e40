# cython: freethreading_compatible=True
"""A reader on another thread. See `reader.pyx`."""
from mtredis.keyspace.database cimport Keyspace
from mtredis.lib.buffer cimport Buffer

cdef class Reader:
    cdef Keyspace keyspace
    cdef int slot
    cdef Buffer buffer
    cpdef object get(self, int index, bytes key)
