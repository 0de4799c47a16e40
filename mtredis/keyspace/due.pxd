# cython: freethreading_compatible=True
"""When parts of the values in a table go: an index over (time, hash of the key). How it works: `due.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.core cimport Table
from mtredis.keyspace.entry cimport TYPE_HASH, Entry, entry_type, entry_word
from mtredis.keyspace.value cimport value_due

# The key whose value's next part went at `before` (-1: none did) is to be found under `after` (-1: nowhere).
cdef void due_change(Table *table, uint64_t hash, int64_t before, int64_t after) noexcept nogil
# The hash of the key of which a part goes first, and when; false: none does.
cdef bint due_first(Table *table, uint64_t *hash, int64_t *time) noexcept nogil
cdef uint64_t due_count(Table *table) noexcept nogil     # keys whose values have parts that go

cdef inline int64_t entry_due(Entry *entry) noexcept nogil:
    """Unix ms at which the next part of the entry's value goes; -1: none does."""
    return value_due(entry_word(entry)) if entry_type(entry) == TYPE_HASH else -1

cdef inline void due_move(Table *table, uint64_t hash, int64_t before, int64_t after) noexcept nogil:
    """What went next at `before` goes at `after` now; -1: nothing."""
    if before != after:
        due_change(table, hash, before, after)
