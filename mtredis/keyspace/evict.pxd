# cython: freethreading_compatible=True
"""Eviction: which keys go when memory is short. See `evict.pyx`."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.database cimport Keyspace
from mtredis.keyspace.entry cimport Entry

cdef enum:
    POOL_SIZE = 16

cdef enum Order:           # what makes a key worth less than another
    BY_CHANCE = 0
    BY_IDLE_TIME = 1
    BY_FREQUENCY = 2
    BY_TIME_TO_LIVE = 3

cdef struct Candidate:     # refers to no memory: the entry is looked up when it is its turn
    uint64_t rank          # the higher, the sooner it goes
    uint64_t hash
    int database

cdef class Evictor:
    cdef Keyspace keyspace
    cdef Core *core
    cdef Candidate pool[POOL_SIZE]      # by rank, the lowest first
    cdef int pooled
    cdef Order order
    cdef bint only_volatile             # keys without a time to live stay
    cdef bint enabled                   # false: noeviction
    cdef int samples
    cdef int next_database              # where BY_CHANCE goes on
    cdef uint32_t *cursors              # by database: where the search for a rare volatile key goes on
    cdef public int64_t evicted         # keys
    cdef public int64_t evicted_big     # bytes of those that may wait to be freed; whoever frees them sets it to 0
    cdef public object on_evicted       # callable (database, key), called after the key is gone; or None

    cdef uint64_t candidates_in(self, Table *table) noexcept nogil
    cdef int collect(self, int database, int wanted, Entry **out) noexcept nogil
    cdef uint64_t rank_of(self, Entry *entry) noexcept nogil
    cdef void add(self, uint64_t rank, uint64_t hash, int database) noexcept nogil
    cdef void discard(self, int position) noexcept nogil
    cdef bint fill(self) noexcept nogil
    cdef Entry *take_best(self, int *database) noexcept nogil
    cdef Entry *take_any(self, int *database) noexcept nogil
    cdef Entry *choose(self, int *database) noexcept nogil
    cdef int evict(self, Entry *entry, int database) except -1
    cpdef int run(self, uint64_t limit, int64_t budget_us) except -1
