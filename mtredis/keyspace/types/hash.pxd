# cython: freethreading_compatible=True
"""Hashes: see `hash.pyx`. The functions work on a value without the GIL; codes: -1 no memory, nothing has changed."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.fields cimport FieldsCursor
from mtredis.keyspace.encoding.listpack cimport Element, Listpack
from mtredis.keyspace.value cimport Word

cdef enum:
    WITH_FIELDS = 1
    WITH_VALUES = 2

cdef struct HashCursor:          # a walk over a value that is not changed meanwhile
    Word word
    Listpack *packed             # the next field in a listpack
    FieldsCursor fields

cdef Word hash_new() noexcept nogil                                          # empty; 0: no memory
cdef uint64_t hash_length(Word word) noexcept nogil                          # fields, expired ones included
cdef bint hash_has_times(Word word) noexcept nogil                           # whether a field has a time to live
# Upsert; 1: new, 0: replaced (an expired field, too). The field has no time to live then.
cdef int hash_set(Core *core, Word *word, const char *field, size_t flen, const char *value, size_t vlen) noexcept nogil
cdef int hash_set_keeping_time(Core *core, Word *word, const char *field, size_t flen, const char *value,
                               size_t vlen) noexcept nogil
# Whether the field is there, expired or not; its value and its time (unix ms, -1: none). The element dies with the next
# change.
cdef bint hash_find(Word word, const char *field, size_t flen, Element *value, int64_t *time) noexcept nogil
# False: missing or expired at `now`. Integers come as Element.number (text NULL).
cdef bint hash_get(Core *core, Word word, const char *field, size_t flen, int64_t now, Element *value) noexcept nogil
cdef bint hash_delete(Word *word, const char *field, size_t flen) noexcept nogil             # whether it was there
cdef int hash_prepare_times(Word *word) noexcept nogil                       # a listpack becomes a listpackex; 0 or -1
# time -1: none from now on. 1; 0: missing; the value is prepared.
cdef int hash_set_time(Word *word, const char *field, size_t flen, int64_t time) noexcept nogil
cdef uint64_t hash_expire(Word *word, int64_t now, uint64_t limit) noexcept nogil     # how many went (time <= now)
cdef void hash_start(Word word, HashCursor *cursor) noexcept nogil
# The next field that has not expired at `now`; false: that was all.
cdef bint hash_next(HashCursor *cursor, int64_t now, Element *field, Element *value) noexcept nogil

cdef class Hash(Collection):
    cpdef bytes get(self, bytes field)
    cpdef bint set(self, bytes field, bytes value, bint keep_time=*) except -1
    cpdef int64_t set_pairs(self, list words, Py_ssize_t start=*) except -1
    cpdef bint reserve(self, list words, Py_ssize_t start) except -1
    cpdef bint delete(self, bytes field) except -1
    cpdef bint prepare_times(self) except -1
    cpdef int64_t time(self, bytes field) except? -3
    cpdef bint set_time(self, bytes field, int64_t at) except -1
    cpdef list due_fields(self, int64_t now, uint64_t limit=*)
    cpdef uint64_t expire(self, int64_t now, uint64_t limit=*) except? 0xffffffff
    cpdef list items(self, int64_t now, int what=*)
    cpdef list draw(self, int64_t count)
    cpdef list sample(self, uint64_t count)
    cpdef tuple scan(self, uint64_t cursor, int64_t count, int64_t now)
    cdef int convert(self) except -1
