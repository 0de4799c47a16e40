# cython: freethreading_compatible=True
"""The directory of a table: which segment holds a hash, splitting a full one, merging two small ones; copies of tables.

See `directory.pyx`.
"""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.core cimport Core, Directory, Table
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.segment cimport Segment, prefix_of

cdef enum:
    MAX_DEPTH = 40         # SCAN's cursor is the top 48 bits of a hash: 40, 6 for the bucket, 2 to spare

# So many entries have been copied; both arrays are gone after the call.
ctypedef void (*Copied)(void *context, Entry **entries, Entry **copies, int count) noexcept nogil

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
# Fills a new table with copies of what is in another, all of it strings, and only reads that one; `copied` (NULL:
# nobody) hears of all entries. 0, or -1: no memory, the new table is only good for being freed.
cdef int table_copy(Table *table, Table *copy, Copied copied, void *context) noexcept nogil
# Copies so many strings. Bytes that malloc holds for the copies; -1: no memory, there are none.
cdef int64_t entries_copy(Entry **entries, Entry **copies, int count) noexcept nogil
cdef uint64_t memory_of(void *pointer) noexcept nogil
