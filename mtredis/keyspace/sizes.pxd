# cython: freethreading_compatible=True
"""How large the values of a database are: keys counted by type and by power of two, for INFO keysizes.

Idea: a string is as large as its text is long, any other value as it has members; streams are not counted. Counting is
exact at any moment: whoever changes a value looks where its entry is counted (`size_of`) before and afterwards. All
ways into and out of a table (`table.pyx`) and all changes of a collection (`collection.pyx`) do. The tables within
large values have no counts.

Owner: the executor. Invariant: the sum of a type's counts is the number of its keys.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc
from mtredis.keyspace.core cimport Table
from mtredis.keyspace.entry cimport (
    TYPE_HASH, TYPE_SORTED_SET, TYPE_STRING, Entry, entry_int, entry_is_int, entry_type, entry_value_length, entry_word,
)
from mtredis.keyspace.value cimport IN_LISTPACK, Word, value_count, word_encoding
from mtredis.lib.bits cimport leading_zeros

cdef enum:
    SIZE_TYPES = 5         # TYPE_STRING to TYPE_HASH
    SIZE_BINS = 64         # 0, 1, 2 to 3, 4 to 7, ...

cdef inline bint sizes_begin(Table *table) noexcept nogil:
    """The table, which is empty, counts from now on; false: no memory. `table_free` frees the counts."""
    table.sizes = <uint64_t *> calloc(SIZE_TYPES * SIZE_BINS, sizeof(uint64_t))
    return table.sizes != NULL

cdef inline int bin_of(uint64_t size) noexcept nogil:
    return 64 - leading_zeros(size) if size else 0

cdef inline int bin_of_integer(int64_t number) noexcept nogil:
    """Of its decimal text: 1, 2 to 3, 4 to 7, 8 to 15, 16 to 20 characters."""
    cdef uint64_t value
    if number < 0:         # a sign is as good as a digit
        value = 10 * (0 - <uint64_t> number) if number > -(<int64_t> 1 << 60) else ~<uint64_t> 0
    else:
        value = <uint64_t> number
    if value < 10:
        return 1
    if value < 1000:
        return 2
    if value < 10_000_000:
        return 3
    return 4 if value < <uint64_t> 1_000_000_000_000_000 else 5

cdef inline uint64_t members_of(int type, Word word) noexcept nogil:
    """How many a value has; a listpack says how many elements, which are two per field and per member with a score."""
    cdef uint64_t count = value_count(word)
    if word_encoding(word) == IN_LISTPACK and (type == TYPE_HASH or type == TYPE_SORTED_SET):
        return count // 2
    return count

cdef inline uint64_t *size_of_value(Table *table, int type, Word word) noexcept nogil:
    """Where keys with such a value, which is no string, are counted; NULL: nowhere."""
    if table.sizes == NULL or type > TYPE_HASH:
        return NULL
    return &table.sizes[type * SIZE_BINS + bin_of(members_of(type, word))]

cdef inline uint64_t *size_of(Table *table, Entry *entry) noexcept nogil:
    """Where keys like this one are counted; NULL: nowhere."""
    if entry_type(entry) != TYPE_STRING:
        return size_of_value(table, entry_type(entry), entry_word(entry))
    if table.sizes == NULL:
        return NULL
    if entry_is_int(entry):
        return &table.sizes[bin_of_integer(entry_int(entry))]
    return &table.sizes[bin_of(entry_value_length(entry))]

cdef inline void sizes_move(uint64_t *before, uint64_t *after) noexcept nogil:
    """A key that was counted in one place is counted in the other; NULL: it was not there, or is there no more."""
    if before != after:
        if before != NULL:
            before[0] -= 1
        if after != NULL:
            after[0] += 1
