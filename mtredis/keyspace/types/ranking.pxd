# cython: freethreading_compatible=True
"""A big sorted set. See `ranking.pyx`."""
from libc.string cimport memcpy
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.fields cimport Fields
from mtredis.keyspace.encoding.ordered cimport Ordered
from mtredis.keyspace.entry cimport Entry, entry_key, entry_word
from mtredis.keyspace.value cimport Word

cdef struct Ranking:
    Fields *members              # member -> 8 bytes of its score
    Ordered *order               # (key_of_double(score), entry of the member)

cdef inline double entry_score(Entry *entry) noexcept nogil:
    cdef Word word = entry_word(entry)
    cdef double score
    memcpy(&score, &word, 8)
    return score

cdef Ranking *ranking_new(Core *core) noexcept nogil                        # NULL: no memory
cdef void ranking_free(void *memory) noexcept nogil
cdef size_t ranking_memory(void *memory) noexcept nogil
cdef void *ranking_copy(void *memory) noexcept nogil
# A member that is not there. 0, or -1: no memory; the same for the other.
cdef int ranking_add(Ranking *ranking, const char *member, size_t length, double score) noexcept nogil
cdef int ranking_move(Ranking *ranking, Entry *entry, double score) noexcept nogil      # to another score
cdef void ranking_delete(Ranking *ranking, Entry *entry) noexcept nogil
