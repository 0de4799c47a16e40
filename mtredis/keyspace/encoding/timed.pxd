# cython: freethreading_compatible=True
"""Fields whose times to live matter: small ones in a listpack (`triples_*`), many in a table (`timed_*`).

See `timed.pyx`. Times are unix ms, -1: none. Codes: -1 no memory, nothing has changed. A pointer to an element dies
with the next change.
"""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.fields cimport Fields
from mtredis.keyspace.encoding.listpack cimport Listpack
from mtredis.keyspace.encoding.ordered cimport Ordered

cdef enum:
    NO_TIME = -1
    KEEP_TIME = -2               # timed_set: the time to live stays as it is

# A listpack of (field, value, time) in the order of times, those without one (0) at the end: Redis's "listpackex".
cdef Listpack *triples_of(Listpack *pairs) noexcept nogil                    # of (field, value); NULL: no memory
cdef int64_t triples_time(Listpack *lp, Listpack *field) noexcept nogil
cdef int64_t triples_due(Listpack *lp) noexcept nogil                        # the first time
cdef int triples_append(Listpack **lp, const char *field, size_t field_length, const char *value,
                        size_t value_length) noexcept nogil                  # 0 or -1; the field is not there
cdef int triples_set_time(Listpack **lp, Listpack *field, int64_t time) noexcept nogil     # 0 or -1
cdef uint64_t triples_expire(Listpack **lp, int64_t now, uint64_t limit) noexcept nogil    # how many went (time <= now)

cdef struct TimedFields:
    Fields *fields
    Ordered *times               # (time, entry) of each field that has a time; NULL: none has

cdef TimedFields *timed_new(Core *core) noexcept nogil                       # NULL: no memory
cdef void timed_free(void *memory) noexcept nogil                            # any thread
cdef void *timed_copy(void *memory) noexcept nogil
cdef size_t timed_memory(void *memory) noexcept nogil
cdef int64_t timed_due(void *memory) noexcept nogil                          # the first time
cdef int timed_set(TimedFields *timed, const char *field, size_t field_length, const char *value, size_t value_length,
                   int64_t time) noexcept nogil                              # 1: new, 0: replaced, -1
# 1; 0: missing; -1.
cdef int timed_set_time(TimedFields *timed, const char *field, size_t length, int64_t time) noexcept nogil
cdef bint timed_delete(TimedFields *timed, const char *field, size_t length) noexcept nogil
# How many went (time <= now).
cdef uint64_t timed_expire(TimedFields *timed, int64_t now, uint64_t limit) noexcept nogil
