# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""When parts of the values in a table go: an index over (time, hash of the key), where active expiry finds what is due.

Idea: each key whose value has fields with a time to live stands in one tree per table, under the time of its next
field. A pair is 16 bytes and refers to no memory: the key's entry is looked up by its hash. So it may move, and the
tables of two databases may be swapped or thrown away as they are. All ways into and out of a table and every change of
a value (`table.pyx`, `collection.pyx`) come by here, so there is exactly one pair for such a key and no other pair.

Owner: the executor. Invariant: the pair's time is what `value_due` says. Limit: a pair for which there is no memory is
missing; its fields still expire when somebody looks at them.
"""
from mtredis.keyspace.encoding.ordered cimport (
    Cursor, cursor_item, cursor_key, ordered_first, ordered_free, ordered_insert, ordered_new, ordered_remove,
)


cdef int by_hash(const void *a, const void *b) noexcept nogil:
    """The order of pairs with the same time; an item is the hash itself."""
    return (<uint64_t> a > <uint64_t> b) - (<uint64_t> a < <uint64_t> b)


cdef void due_change(Table *table, uint64_t hash, int64_t before, int64_t after) noexcept nogil:
    """The key's pair has another time, or begins or ends to be there."""
    cdef size_t held = table.due.memory if table.due != NULL else 0
    if before != -1 and table.due != NULL:
        ordered_remove(table.due, <uint64_t> before, <void *> hash)
    if after != -1:
        if table.due == NULL:
            table.due = ordered_new(by_hash)
        if table.due != NULL:
            ordered_insert(table.due, <uint64_t> after, <void *> hash)
    if table.due != NULL and table.due.count == 0:
        ordered_free(table.due)
        table.due = NULL
    table.used_memory += (table.due.memory if table.due != NULL else 0) - held


cdef bint due_first(Table *table, uint64_t *hash, int64_t *time) noexcept nogil:
    """The first pair."""
    cdef Cursor cursor
    if table.due == NULL or not ordered_first(table.due, &cursor):
        return False
    hash[0] = <uint64_t> cursor_item(&cursor)
    time[0] = <int64_t> cursor_key(&cursor)
    return True


cdef uint64_t due_count(Table *table) noexcept nogil:
    """How many keys have a pair."""
    return table.due.count if table.due != NULL else 0
