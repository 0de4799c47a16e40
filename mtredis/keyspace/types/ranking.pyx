# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A big sorted set (encoding "skiplist"): fields for the scores of members, a tree for their order.

Idea: the fields hold member -> score; the tree holds the fields' entries by (score, member) and knows ranks. An entry
stays where it is as long as its member is there, so the tree may refer to it, and a score is changed in place.

Owner: whoever owns the value. Invariants: the tree's key of an entry is that of its score; both hold the same entries.
What fails for want of memory has changed nothing. Limit: -0 and 0 are one score, of which what came first is kept.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from mtredis.keyspace.core cimport Table, key_hash
from mtredis.keyspace.encoding.fields cimport (
    fields_copy, fields_delete, fields_find, fields_free, fields_memory, fields_new, fields_set_word,
)
from mtredis.keyspace.encoding.ordered cimport (
    Cursor, cursor_item, cursor_key, cursor_next, key_of_double, ordered_first, ordered_free, ordered_insert,
    ordered_new, ordered_remove,
)
from mtredis.keyspace.encoding.room cimport room_memory
from mtredis.keyspace.entry cimport entry_set_word
from mtredis.keyspace.segment cimport prefetch
from mtredis.keyspace.table cimport table_prefetch_bucket, table_prefetch_entry
from mtredis.keyspace.types.sorted_listpack cimport compare_texts

cdef enum:
    COPY_BATCH = 32


cdef inline uint64_t word_of_score(double score) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, &score, 8)
    return word


cdef int compare_entries(const void *a, const void *b) noexcept nogil:
    cdef size_t a_length, b_length
    cdef const char *a_text = entry_key(<Entry *> a, &a_length)
    cdef const char *b_text = entry_key(<Entry *> b, &b_length)
    return compare_texts(a_text, a_length, b_text, b_length)


cdef Ranking *ranking_over(Fields *members) noexcept nogil:
    """A ranking that takes over the fields and has not ordered them yet; NULL: no memory, and they are freed."""
    cdef Ranking *ranking
    if members == NULL:
        return NULL
    ranking = <Ranking *> malloc(sizeof(Ranking))
    if ranking != NULL:
        ranking.members = members
        ranking.order = ordered_new(compare_entries)
        if ranking.order != NULL:
            return ranking
    free(ranking)
    fields_free(members)
    return NULL


cdef void ranking_free(void *memory) noexcept nogil:
    ordered_free((<Ranking *> memory).order)
    fields_free((<Ranking *> memory).members)
    free(memory)


cdef size_t ranking_memory(void *memory) noexcept nogil:
    cdef Ranking *ranking = <Ranking *> memory
    return room_memory(ranking) + fields_memory(ranking.members) + ranking.order.memory


cdef void *ranking_copy(void *memory) noexcept nogil:
    """In order, so that the copy's tree is as compact as can be."""
    cdef Ranking *ranking = <Ranking *> memory
    cdef Ranking *copy = ranking_over(fields_copy(ranking.members))
    cdef Cursor cursor
    cdef bint is_there
    if copy == NULL:
        return NULL
    is_there = ordered_first(ranking.order, &cursor)
    while is_there:
        if not order_some(copy, &cursor, &is_there):
            ranking_free(copy)
            return NULL
    return copy


cdef bint order_some(Ranking *copy, Cursor *cursor, bint *is_there) noexcept nogil:
    """Adds the next members at the cursor to the copy's tree; false: no memory. Three rounds, as memory is slow: each
    loads what the next one needs."""
    cdef Entry *entries[COPY_BATCH]
    cdef uint64_t keys[COPY_BATCH]
    cdef uint64_t hashes[COPY_BATCH]
    cdef Table *table = copy.members.table
    cdef size_t length
    cdef char *member
    cdef int i, count = 0
    while is_there[0] and count < COPY_BATCH:
        entries[count] = <Entry *> cursor_item(cursor)
        keys[count] = cursor_key(cursor)
        prefetch(entries[count])
        count += 1
        is_there[0] = cursor_next(cursor)
    for i in range(count):
        member = entry_key(entries[i], &length)
        hashes[i] = key_hash(copy.members.core, member, length)
        if table != NULL:
            table_prefetch_bucket(table, hashes[i])
    if table != NULL:
        for i in range(count):
            table_prefetch_entry(table, hashes[i])
    for i in range(count):
        member = entry_key(entries[i], &length)
        if ordered_insert(copy.order, keys[i], fields_find(copy.members, member, length)) < 0:
            return False
    return True


cdef Ranking *ranking_new(Core *core) noexcept nogil:
    return ranking_over(fields_new(core))


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
