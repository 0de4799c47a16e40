# cython: freethreading_compatible=True
"""Fields: the hash table of a big collection (encoding "hashtable"): set members, hash fields, members of sorted sets.

A field is an `Entry` (keyspace/entry.pxd): name = key, value inline (none for a set, int64 values as INTEGER, 8 bytes
of double for a sorted set), its time to live, if it has one, in the entry. Few fields (up to SMALL_MAX) lie in one flat
array with one-byte tags; more in a `Table` (keyspace/table.pxd), so SCAN, random fields and growing without a pause
come from there.
How it works: `fields.pyx`. Owner: the executor; nothing here takes the lock of the key's segment.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.directory cimport Copied
from mtredis.keyspace.entry cimport Entry

cdef enum:
    SMALL_MAX = 128
    FIELDS_BATCH = 128           # room that fields_scan needs

cdef struct Fields:
    Core *core
    Table *table                 # NULL: `small` holds them
    Entry **small                # one malloc'd block: entries, then tags
    uint8_t *tags
    uint32_t small_count
    uint32_t small_capacity
    uint32_t small_volatile      # how many of `small` have a time to live
    size_t small_memory          # bytes of entries and block while small, malloc's own included

cdef struct FieldsCursor:        # a walk over all fields; dies with the next change
    uint64_t segment
    int index
    int count
    Entry *entries[490]

cdef Fields *fields_new(Core *core) noexcept nogil                 # NULL: no memory
cdef void fields_free(Fields *fields) noexcept nogil               # and every entry; any thread
cdef Fields *fields_copy(Fields *fields) noexcept nogil            # NULL: no memory; only reads the source
# The same, and `copied` hears of all fields: so many of the source and, in the same order, their copies.
cdef Fields *fields_copy_telling(Fields *fields, Copied copied, void *context) noexcept nogil
cdef uint64_t fields_count(Fields *fields) noexcept nogil
cdef uint64_t fields_volatile(Fields *fields) noexcept nogil       # how many have a time to live
cdef size_t fields_memory(Fields *fields) noexcept nogil           # O(1)
# Expired or not; NULL: missing.
cdef Entry *fields_find(Fields *fields, const char *name, size_t length) noexcept nogil
# Upsert; 1: added, 0: replaced, -1: no memory. expire_at unix ms, -1: none. The entry may move (others do not). Use
# fields_find to get it.
cdef int fields_set(Fields *fields, const char *name, size_t length, const char *value, size_t value_length,
                    int64_t expire_at) noexcept nogil
# As fields_set with a value of 8 bytes that is never taken for a number; returns the entry (NULL: no memory). Changing
# the 8 bytes later in place is fine.
cdef Entry *fields_set_word(Fields *fields, const char *name, size_t length, uint64_t word, bint *added) noexcept nogil
# 1; 0: missing; -1: no memory.
cdef int fields_set_expire(Fields *fields, const char *name, size_t length, int64_t expire_at) noexcept nogil
cdef bint fields_delete(Fields *fields, const char *name, size_t length) noexcept nogil
cdef Entry *fields_random(Fields *fields, uint64_t *random) noexcept nogil   # each with one probability; NULL: empty
# SCAN: a part of the fields into `out` (room for FIELDS_BATCH); their number. cursor 0 begins, *next 0 ends. A small
# one comes whole.
cdef int fields_scan(Fields *fields, uint64_t cursor, Entry **out, uint64_t *next) noexcept nogil
cdef void fields_start(Fields *fields, FieldsCursor *cursor) noexcept nogil
cdef Entry *fields_next(Fields *fields, FieldsCursor *cursor) noexcept nogil # NULL: that was all
