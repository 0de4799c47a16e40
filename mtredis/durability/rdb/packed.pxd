# cython: freethreading_compatible=True
"""What must be true of listpacks from outside before they become values. See `packed.pyx`.

They return whether it is true; else input.code says why, and the listpack is still the caller's.
"""
from libc.stdint cimport uint64_t
from mtredis.durability.rdb.input cimport Input
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.listpack cimport Listpack
from mtredis.keyspace.types.stream_id cimport StreamId

# A whole listpack, not empty, of `width` elements for each thing, whose first ones are distinct. An integer that is
# kept as text becomes an integer, so the listpack may move.
cdef bint packed_check(Input *input, Core *core, Listpack **lp, size_t width) noexcept nogil
cdef bint packed_check_scores(Input *input, Listpack *lp, bint *is_sorted) noexcept nogil   # (member, score) pairs
cdef bint packed_check_times(Input *input, Listpack *lp, bint *is_sorted) noexcept nogil    # (field, value, time)
# A node of a stream, whose entries have ids above `last`, which becomes the last of them; how many live ones it has.
cdef bint packed_check_node(Input *input, const Listpack *lp, size_t size, const StreamId *master, StreamId *last,
                            uint64_t *live) noexcept nogil
