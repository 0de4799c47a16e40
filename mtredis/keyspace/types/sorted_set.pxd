# cython: freethreading_compatible=True
"""Sorted sets: see `sorted_set.pyx`. The functions here need no GIL; -1: no memory, and nothing has changed."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.listpack cimport Element, Listpack
from mtredis.keyspace.encoding.ordered cimport Cursor
from mtredis.keyspace.value cimport Word

cdef enum:                       # what ZADD may be told
    ZADD_NX = 1
    ZADD_XX = 2
    ZADD_GT = 4
    ZADD_LT = 8
    ZADD_INCR = 16
    ZSET_NAN = -2                # what has become of a member
    ZSET_NO_MEMORY = -1
    ZSET_UPDATED = 0
    ZSET_ADDED = 1
    ZSET_UNCHANGED = 2
    ZSET_SKIPPED = 3             # an option forbids it

cdef struct ZsetCursor:          # a walk over a value that is not changed meanwhile
    Word word
    bint reverse
    Listpack *packed             # the member; NULL: beyond the end
    Cursor ranked

# An empty value that suits `hint` members, the first of which is that long; 0: no memory.
cdef Word zset_new(Core *core, size_t length, uint64_t hint) noexcept nogil
cdef int zset_reserve(Core *core, Word *word, uint64_t hint) noexcept nogil       # `hint` members are about to be added
cdef uint64_t zset_length(Word word) noexcept nogil
# ZADD of one member: UPDATED, ADDED, UNCHANGED or -1; the score is no NaN.
cdef int zset_add(Core *core, Word *word, const char *member, size_t length, double score) noexcept nogil
# The same with options, and what ZSET_NAN and ZSET_SKIPPED stand for; *score is the new score unless it was skipped.
cdef int zset_update(Core *core, Word *word, const char *member, size_t length, double *score,
                     int flags) noexcept nogil
cdef int zset_remove(Core *core, Word *word, const char *member, size_t length) noexcept nogil   # 1: was there
cdef void zset_remove_range(Core *core, Word *word, uint64_t rank, uint64_t count) noexcept nogil    # that lie in it
cdef bint zset_score(Word word, const char *member, size_t length, double *score) noexcept nogil     # false: no member
cdef int64_t zset_rank(Word word, const char *member, size_t length, bint reverse) noexcept nogil    # -1: no member
# How many members have a lower score; with `beyond`, a score that is not higher.
cdef uint64_t zset_rank_of_score(Word word, double score, bint beyond) noexcept nogil
# The same by member, for sorted sets whose scores are all equal.
cdef uint64_t zset_rank_of_text(Word word, const char *text, size_t length, bint beyond) noexcept nogil
# A walk from the member of that rank on (counted from the end, and backwards, if reverse).
cdef void zset_start(Word word, uint64_t rank, bint reverse, ZsetCursor *cursor) noexcept nogil
cdef bint zset_next(ZsetCursor *cursor, Element *member, double *score) noexcept nogil
# A random member, each with the same probability; false: there is none.
cdef bint zset_draw(Core *core, Word word, Element *member, double *score) noexcept nogil

cdef class SortedSet(Collection):
    cdef int finish(self, int code) except -1
    cpdef object score(self, bytes member)
    cpdef list range(self, uint64_t rank, uint64_t count, bint reverse=*)
    cpdef list members(self, uint64_t rank, uint64_t count, bint reverse=*)
    cpdef int remove_range(self, uint64_t rank, uint64_t count) except -1
    cdef int prepare(self, size_t length, uint64_t hint) noexcept nogil
    cdef list texts(self)
