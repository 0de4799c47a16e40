# cython: freethreading_compatible=True
"""RDB, written. See `writer.pyx`.

Functions return 0, or -1: no memory, and what is in the buffer is not a whole record. A value must not be changed
meanwhile; any one thread may write it, without the GIL.
"""
from libc.stdint cimport uint64_t
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.value cimport Word
from mtredis.lib.buffer cimport Buffer
from mtredis.lib.lzf cimport LzfTable

cdef enum:
    NOTHING_MORE = 0             # what is written of a key beside its value and time to live
    WITH_IDLE = 1                # seconds since the last access (LRU)
    WITH_FREQUENCY = 2           # how often it is used (LFU)

cdef struct RdbOut:
    Buffer buffer
    size_t summed                # bytes of the buffer that the checksum covers
    uint64_t crc
    LzfTable *table              # NULL: not needed yet
    bint compress                # strings above 20 bytes, if it is worth it

cdef void rdb_open(RdbOut *out, bint compress) noexcept nogil
cdef void rdb_close(RdbOut *out) noexcept nogil
# The checksum of all that was ever written.
cdef uint64_t rdb_checksum(RdbOut *out) noexcept nogil
# The buffer is empty again; what was in it has been taken, and counts for the checksum.
cdef void rdb_taken(RdbOut *out) noexcept nogil
cdef int rdb_write_length(RdbOut *out, uint64_t length) noexcept nogil
cdef int rdb_write_string(RdbOut *out, const char *text, size_t length) noexcept nogil
# The type byte and the value of a collection (its type: TYPE_LIST, ...), and of whatever an entry holds.
cdef int rdb_type_of(int type, Word word) noexcept nogil
cdef int rdb_write_collection(RdbOut *out, int type, Word word) noexcept nogil
cdef int rdb_write_value(RdbOut *out, Entry *entry) noexcept nogil           # type byte, value: what DUMP begins with
# A whole record: time to live, what `more` says (its figure in `usage`), type, key, value.
cdef int rdb_write_entry(RdbOut *out, Entry *entry, int more, uint64_t usage) noexcept nogil
cdef int rdb_write_header(RdbOut *out) noexcept nogil
cdef int rdb_write_aux(RdbOut *out, const char *name, size_t name_length, const char *text,
                       size_t length) noexcept nogil
cdef int rdb_write_function(RdbOut *out, const char *code, size_t length) noexcept nogil
cdef int rdb_write_database(RdbOut *out, uint64_t index, uint64_t keys, uint64_t volatile_keys) noexcept nogil
cdef int rdb_write_end(RdbOut *out, bint with_checksum) noexcept nogil
