# cython: freethreading_compatible=True
"""The directory of a table: which segment holds a hash, splitting a full one, merging two small ones. See `directory.pyx`."""
from libc.stdint cimport uint64_t
from mtredis.keyspace.core cimport Core, Directory, Table
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.segment cimport Segment, prefix_of

cdef enum:
    MAX_DEPTH = 40         # SCAN's cursor is the top 48 bits of a hash: 40, 6 for the bucket, 2 to spare

cdef inline Segment *table_segment(Table *table, uint64_t hash) noexcept nogil:
    """The segment that holds `hash` now; NULL: the table has none yet. Executor only."""
    if table.directory == NULL:
        return NULL
    return table.directory.slots[prefix_of(hash, <int> table.directory.depth)]

cdef Table *table_new(Core *core) noexcept nogil
cdef void table_free(Table *table) noexcept nogil
# The first segment; 0, or -1: no memory.
cdef int table_open(Table *table) noexcept nogil
# Halves a segment; 0, or -1: no memory, nothing has changed.
cdef int table_split(Table *table, Segment *segment) noexcept nogil
# Joins a small segment with its buddy, again and again, and shrinks the directory.
cdef void table_merge(Table *table, Segment *segment) noexcept nogil
cdef uint64_t memory_of(void *pointer) noexcept nogil
