# cython: freethreading_compatible=True
"""A small sorted set in a listpack. See `sorted_listpack.pyx`."""
from libc.string cimport memcmp
from mtredis.keyspace.encoding.listpack cimport Listpack
from mtredis.keyspace.value cimport Word

cdef inline int compare_texts(const char *a, size_t a_length, const char *b, size_t b_length) noexcept nogil:
    cdef int order = memcmp(a, b, min(a_length, b_length))
    return order if order else (a_length > b_length) - (a_length < b_length)

cdef Listpack *packed_find(Listpack *lp, const char *member, size_t length) noexcept nogil    # NULL: no member
cdef double packed_score(const Listpack *p) noexcept nogil                  # of the element behind a member
cdef int compare_packed(const Listpack *p, const char *text, size_t length) noexcept nogil    # a member with a text
# The first member that comes after this one with that score; NULL: none.
cdef Listpack *packed_spot(Listpack *lp, const char *member, size_t length, double score) noexcept nogil
# The word is a listpack's. 0, or -1: no memory.
cdef int packed_insert(Word *word, Listpack *spot, const char *member, size_t length, double score) noexcept nogil
cdef int packed_move(Word *word, Listpack *p, const char *member, size_t length, double score) noexcept nogil
cdef void packed_delete(Word *word, size_t offset) noexcept nogil           # of the member
