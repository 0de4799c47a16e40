# cython: freethreading_compatible=True
"""Lists from RDB data, and what all values begin with. See `lists.pyx`."""
from libc.stdint cimport uint64_t
from mtredis.durability.rdb.input cimport Input
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.listpack cimport Listpack
from mtredis.keyspace.value cimport Word

cdef bint no_memory(Input *input) noexcept nogil                             # false
# How many elements follow, each of which takes at least so many bytes; false (INPUT_EMPTY): none.
cdef bint read_count(Input *input, uint64_t *count, size_t each) noexcept nogil
cdef Listpack *read_listpack(Input *input) noexcept nogil                    # the caller's; NULL: input.code says why
cdef Listpack *read_ancient(Input *input, bint is_zipmap) noexcept nogil     # the same of a ziplist or a zipmap
cdef Word load_list(Input *input, Core *core, int kind) noexcept nogil       # 0: input.code says why
