# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A big sorted set (encoding "skiplist"): fields for the scores of members, a tree for their order.

Idea: the fields hold member -> score; the tree holds the fields' entries by (score, member) and knows ranks. An entry
stays where it is as long as its member is there, so the tree may refer to it, and a score is changed in place. A copy
has the fields and the tree piece by piece; which entry has become which is kept in an open hash table until it is done.

Owner: whoever owns the value. Invariants: the tree's key of an entry is that of its score; both hold the same entries.
What fails for want of memory has changed nothing. Limit: -0 and 0 are one score, of which what came first is kept.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy
from mtredis.keyspace.encoding.fields cimport (
    fields_copy_telling, fields_count, fields_delete, fields_free, fields_memory, fields_new, fields_set_word,
)
from mtredis.keyspace.encoding.ordered cimport (
    key_of_double, ordered_copy, ordered_free, ordered_insert, ordered_new, ordered_remove,
)
from mtredis.keyspace.encoding.room cimport room_memory
from mtredis.keyspace.entry cimport entry_set_word
from mtredis.keyspace.segment cimport prefetch
from mtredis.keyspace.types.sorted_listpack cimport compare_texts

cdef extern from *:
    """
    /* One of n places, by the address times the golden ratio, so that neighbours and equal steps are spread. */
    static inline uint64_t mt_place_of(const void *address, uint64_t n) {
        uint64_t spread = (uint64_t) (uintptr_t) address * UINT64_C(0x9e3779b97f4a7c15);
        return (uint64_t) (((unsigned __int128) spread * n) >> 64);
    }
    """
    uint64_t place_of "mt_place_of"(const void *address, uint64_t n) noexcept nogil

cdef enum:
    AHEAD = 16                   # entries between the one that is noted and the one whose place is loaded

cdef struct Twin:
    void *entry                  # NULL: the place is free
    void *copy

cdef struct Twins:               # from a member's entry to its copy, while a ranking is copied: linear probing
    uint64_t capacity
    Twin *places


cdef inline uint64_t word_of_score(double score) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, &score, 8)
    return word


cdef int compare_entries(const void *a, const void *b) noexcept nogil:
    cdef size_t a_length, b_length
    cdef const char *a_text = entry_key(<Entry *> a, &a_length)
    cdef const char *b_text = entry_key(<Entry *> b, &b_length)
    return compare_texts(a_text, a_length, b_text, b_length)


cdef void ranking_free(void *memory) noexcept nogil:
    cdef Ranking *ranking = <Ranking *> memory
    if ranking.order != NULL:
        ordered_free(ranking.order)
    if ranking.members != NULL:
        fields_free(ranking.members)
    free(ranking)


cdef size_t ranking_memory(void *memory) noexcept nogil:
    cdef Ranking *ranking = <Ranking *> memory
    return room_memory(ranking) + fields_memory(ranking.members) + ranking.order.memory


cdef void twins_add(void *context, Entry **entries, Entry **copies, int count) noexcept nogil:
    """Notes the copies of so many entries. As memory is slow, places are loaded some time before they are needed."""
    cdef Twins *twins = <Twins *> context
    cdef uint64_t place
    cdef int i
    for i in range(count):
        if i + AHEAD < count:
            prefetch(&twins.places[place_of(entries[i + AHEAD], twins.capacity)])
        place = place_of(entries[i], twins.capacity)
        while twins.places[place].entry != NULL:
            place = place + 1 if place + 1 < twins.capacity else 0
        twins.places[place].entry = entries[i]
        twins.places[place].copy = copies[i]


cdef void twins_take(void *context, void **items, int count) noexcept nogil:
    """Copies in the place of so many entries, all of which have one. The first round loads what the second needs."""
    cdef Twins *twins = <Twins *> context
    cdef uint64_t place
    cdef int i
    for i in range(count):
        prefetch(&twins.places[place_of(items[i], twins.capacity)])
    for i in range(count):
        place = place_of(items[i], twins.capacity)
        while twins.places[place].entry != items[i]:
            place = place + 1 if place + 1 < twins.capacity else 0
        items[i] = twins.places[place].copy


cdef void copy_parts(Ranking *ranking, Ranking *copy) noexcept nogil:
    """Makes the copy's members and their order; without memory for both it has no order."""
    cdef Twins twins
    twins.capacity = fields_count(ranking.members) * 5 // 3 + 1
    twins.places = <Twin *> calloc(twins.capacity, sizeof(Twin))
    if twins.places == NULL:
        return
    copy.members = fields_copy_telling(ranking.members, twins_add, &twins)
    if copy.members != NULL:
        copy.order = ordered_copy(ranking.order, twins_take, &twins)
    free(twins.places)


cdef void *ranking_copy(void *memory) noexcept nogil:
    """Table and tree as they are, without hashing and comparing members; takes 27 bytes more per member meanwhile."""
    cdef Ranking *copy = <Ranking *> calloc(1, sizeof(Ranking))
    if copy == NULL:
        return NULL
    copy_parts(<Ranking *> memory, copy)
    if copy.order == NULL:
        ranking_free(copy)
        return NULL
    return copy


cdef Ranking *ranking_new(Core *core) noexcept nogil:
    cdef Ranking *ranking = <Ranking *> calloc(1, sizeof(Ranking))
    if ranking == NULL:
        return NULL
    ranking.members = fields_new(core)
    ranking.order = ordered_new(compare_entries)
    if ranking.members == NULL or ranking.order == NULL:
        ranking_free(ranking)
        return NULL
    return ranking


cdef int ranking_add(Ranking *ranking, const char *member, size_t length, double score) noexcept nogil:
    """Adds a member that is not there; 0, or -1: no memory."""
    cdef bint added
    cdef Entry *entry = fields_set_word(ranking.members, member, length, word_of_score(score), &added)
    if entry == NULL:
        return -1
    if ordered_insert(ranking.order, key_of_double(score), entry) < 0:
        fields_delete(ranking.members, member, length)
        return -1
    return 0


cdef int ranking_move(Ranking *ranking, Entry *entry, double score) noexcept nogil:
    """The entry is in the tree twice for a moment, so that nothing has changed when memory is out."""
    cdef double current = entry_score(entry)
    if ordered_insert(ranking.order, key_of_double(score), entry) < 0:
        return -1
    ordered_remove(ranking.order, key_of_double(current), entry)
    entry_set_word(entry, word_of_score(score))
    return 0


cdef void ranking_delete(Ranking *ranking, Entry *entry) noexcept nogil:
    cdef size_t length
    cdef char *member = entry_key(entry, &length)
    ordered_remove(ranking.order, key_of_double(entry_score(entry)), entry)
    fields_delete(ranking.members, member, length)
