# cython: freethreading_compatible=True
"""Moving keys and values together, so that the kernel gets pages back. See `defragment.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.database cimport Keyspace
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.segment cimport Segment
from mtredis.lib.holes cimport Holes

cdef struct Moves:               # what was done since the start or CONFIG RESETSTAT
    Holes *holes
    int64_t moved                # pieces of memory that lie elsewhere now
    int64_t stayed               # that lie well, or for which there was no room
    int64_t keys_moved           # keys of which a piece was moved
    int64_t keys_stayed

cdef struct Place:               # where a value is that is moved in several steps
    int part                     # of a sorted set: 0 its members, 1 their order
    uint64_t position            # a hash, a rank or a number of elements; what is below is done

cdef class Defragmenter:
    cdef Keyspace keyspace
    cdef Core *core
    cdef Holes holes
    cdef Moves moves
    cdef readonly int phase
    cdef void *rest
    cdef int database            # where the walk is
    cdef uint64_t position       # hashes below it are done
    cdef bint is_last            # the segment that was visited was the database's last
    cdef public size_t large     # bytes from which a value is moved in several steps
    cdef uint64_t *waiting       # hashes of the keys that have such
    cdef int waiting_count
    cdef Place place             # in the last of them
    cdef public int64_t microseconds     # spent
    cdef readonly int64_t passes
    cdef readonly int64_t given_up       # those of them that stopped because writers needed the holes
    cdef readonly uint64_t given_back    # bytes whose pages the kernel got, by all passes
    cdef readonly uint64_t in_use        # bytes of the heap, when its holes were counted last; 0: never
    cdef readonly uint64_t span          # of the heap then

    cdef bint advance(self, int64_t deadline) noexcept nogil
    cdef bint choose_cutoff(self) noexcept nogil
    cdef bint walk(self, int64_t deadline) noexcept nogil
    cdef bint visit_segment(self, Table *table, Segment *segment, int64_t deadline) noexcept nogil
    cdef bint visit_large(self, Table *table, int64_t deadline) noexcept nogil
    cdef void visit_value(self, Table *table, Entry *entry, int64_t deadline) noexcept nogil
