# cython: freethreading_compatible=True
"""Ziplists and zipmaps, which Redis wrote before listpacks. See `ancient.pyx`."""
from mtredis.durability.rdb.input cimport Input
from mtredis.keyspace.encoding.listpack cimport Listpack

# A listpack with the same elements (of a zipmap: names and values in turn); NULL: input.code says why.
cdef Listpack *listpack_of_ziplist(Input *input, const unsigned char *data, size_t size) noexcept nogil
cdef Listpack *listpack_of_zipmap(Input *input, const unsigned char *data, size_t size) noexcept nogil
