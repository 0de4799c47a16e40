# cython: freethreading_compatible=True
"""Streams from RDB data. See `streams.pyx`."""
from mtredis.durability.rdb.input cimport Input
from mtredis.keyspace.value cimport Word

cdef Word load_stream(Input *input, int kind) noexcept nogil     # 0: input.code says why
