# cython: freethreading_compatible=True
"""The keyspace in C memory, as the compiled core uses it (all of it without the GIL). How it works: `table.pyx`.

Who may call what:
- the executor thread: everything but `reader_*`. What takes a segment's lock for you when `core.readers_active` is set:
  all `table_*` that change something. Changing an entry by its pointer yourself: between `table_write_lock` and
  `table_write_unlock`. Steps that readers must see as one: between `version_begin` and `version_end` (nestable).
- a worker: `reader_*` with its own slot (0 to READER_SLOTS - 1), and `key_hash`. A pointer to an Entry dies with the
  lock.

Codes of the functions that return int: >= 0 as documented with each, NO_MEMORY: nothing was changed.
A life of a SET:   hash = key_hash(core, key, klen); table_set_string(core.tables[db], hash, key, klen, v, vlen, -1, 0)
A life of a GET:   entry = table_find(table, hash, key, klen); entry_is_expired(entry, core.now)?
                   entry_touch(core, entry, &core.random); data = entry_string(entry, digits, &length)
A reader's GET:    code = reader_find(core, slot, db, hash, key, klen, now, &entry, &read), copy,
                   reader_done(core, &read)
"""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.core cimport (
    READER_SLOTS, Core, Directory, Table, core_free, core_freed_lazily, core_new, core_next_epoch, core_reclaim,
    core_release, core_set_now, core_update_clock, core_used_memory, core_wait_readers, entry_frequency, entry_touch,
    free_pending, key_hash, next_random, version_begin, version_end,
)
from mtredis.keyspace.directory cimport table_free, table_new, table_segment
from mtredis.keyspace.segment cimport Segment
from mtredis.keyspace.value cimport Word

cdef enum:
    NO_MEMORY = -1
    WRONG_TYPE = -2        # the key holds no string
    NOT_INTEGER = -3       # the string is no int64
    OVERFLOW = -4          # the sum is no int64
    TOO_LONG = -5          # longer than an entry can be

    SET_KEEP_TTL = 1       # table_set_*: leave the time to live as it is (and ignore expire_at)
    SET_PLAIN = 2          # table_set_string: no INTEGER encoding (INCRBYFLOAT's result)
    SET_RAW = 4            # table_set_string: no INTEGER encoding, reported as "raw"

    READ_FOUND = 1
    READ_MISSING = 0
    READ_RETRY = -1        # torn or expired: let the executor answer

cdef struct Read:          # what a reader holds between reader_find and reader_done
    uint64_t version
    Segment *segment
    int slot

# Table: lookups -------------------------------------------------------------------------------------------------

# Three steps for a batch of keys, each over the whole batch: every step loads what the next one needs.
cdef void table_prefetch(Table *table, uint64_t hash) noexcept nogil          # the segment's header
cdef void table_prefetch_bucket(Table *table, uint64_t hash) noexcept nogil   # the home bucket
cdef void table_prefetch_entry(Table *table, uint64_t hash) noexcept nogil    # the likely entry
cdef Entry *table_find(Table *table, uint64_t hash, const char *key, size_t length) noexcept nogil   # NULL: missing

# Table: changes -------------------------------------------------------------------------------------------------

# Upsert, replacing any type; 1: created, 0: replaced. expire_at: unix ms or -1. Resets or touches the access clock.
cdef int table_set_string(Table *table, uint64_t hash, const char *key, size_t key_length, const char *value,
                          size_t value_length, int64_t expire_at, int mode) noexcept nogil
cdef int table_set_int(Table *table, uint64_t hash, const char *key, size_t key_length, int64_t value,
                       int64_t expire_at, int mode) noexcept nogil
# INCRBY: 0, or WRONG_TYPE, NOT_INTEGER, OVERFLOW, NO_MEMORY. A missing key counts as 0; the TTL stays.
cdef int table_increment(Table *table, uint64_t hash, const char *key, size_t key_length, int64_t delta,
                         int64_t *result) noexcept nogil
# Bytes [offset, offset + length) of the string become `data` (APPEND, SETRANGE, SETBIT); it grows with zeros and
# becomes "raw"; created if missing. The TTL stays. The new length, or WRONG_TYPE, TOO_LONG, NO_MEMORY. `data` is not
# inside it.
cdef int64_t table_write_range(Table *table, uint64_t hash, const char *key, size_t key_length, uint64_t offset,
                               const char *data, size_t length) noexcept nogil
# Upsert of a collection; takes over its value on success. 1: created, 0: replaced.
cdef int table_set_word(Table *table, uint64_t hash, const char *key, size_t key_length, int type, Word word,
                        int64_t expire_at) noexcept nogil
# Puts an entry made by entry_new/entry_copy under the key in it, replacing; the table owns it on success.
cdef int table_put(Table *table, uint64_t hash, Entry *entry) noexcept nogil
cdef int table_delete(Table *table, uint64_t hash, const char *key, size_t length) noexcept nogil   # 1: was there
# Out of the table, not freed (the caller owns it); NULL: missing.
cdef Entry *table_take(Table *table, uint64_t hash, const char *key, size_t length) noexcept nogil
# -1 removes the TTL. 1: done, 0: missing.
cdef int table_set_expire(Table *table, uint64_t hash, const char *key, size_t length, int64_t expire_at) noexcept nogil
cdef Segment *table_write_lock(Table *table, uint64_t hash) noexcept nogil    # NULL (nothing locked): no readers
cdef void table_write_unlock(Segment *segment) noexcept nogil                 # NULL is fine

# Table: whole ---------------------------------------------------------------------------------------------------

# Entries whose hash is at or after `position` in its home bucket, into `out` (room for SCAN_BATCH); their number.
# `next` becomes the position after that bucket; 0: the end.
cdef int table_scan(Table *table, uint64_t position, Entry **out, uint64_t *next) noexcept nogil
# One entry, each with the same probability; NULL: the table is empty.
cdef Entry *table_random(Table *table, uint64_t *random) noexcept nogil

cdef enum:
    SCAN_BATCH = 56        # home, neighbour and stash

# Readers (any thread) -------------------------------------------------------------------------------------------

# READ_FOUND: `entry` (any type) may be read until reader_done, which must follow at once. The others: nothing is held.
# `now`: the reader's clock, unix ms.
cdef int reader_find(Core *core, int slot, int database, uint64_t hash, const char *key, size_t length, int64_t now,
                     Entry **entry, Read *read) noexcept nogil
# True: what was copied is whole. False: READ_RETRY.
cdef bint reader_done(Core *core, Read *read) noexcept nogil
