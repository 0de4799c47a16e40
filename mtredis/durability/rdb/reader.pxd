# cython: freethreading_compatible=True
"""RDB files and payloads, read. See `reader.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.durability.rdb.input cimport Input, Text
from mtredis.durability.rdb.values cimport Loaded
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.database cimport Database, Keyspace
from mtredis.lib.buffer cimport Buffer

cdef class Reader:
    cdef Keyspace keyspace
    cdef Core *core
    cdef Buffer buffer               # what was fed and is not behind us
    cdef Input input                 # over the buffer
    cdef uint64_t consumed           # bytes of the file before the buffer
    cdef uint64_t total              # of the file, if it is known
    cdef size_t wanted               # no record can be read before so many bytes are in the buffer
    cdef size_t summed               # bytes of the buffer that are in `crc`
    cdef uint64_t crc
    cdef Text name                   # of an event
    cdef Text text
    cdef uint64_t module
    cdef int database
    cdef int64_t expire_at           # what is known of the next key
    cdef int64_t idle
    cdef int64_t frequency
    cdef readonly int version        # 0: the header has not come yet
    cdef readonly bint is_done       # the end was read, and the checksum was right
    cdef readonly bint has_checksum
    cdef uint64_t kinds[32]          # keys read, by the type byte
    cdef readonly uint64_t keys_volatile     # of them, with a time to live
    cdef readonly list selections    # (offset, database) of each SELECTDB
    cdef readonly uint64_t keys_loaded
    cdef readonly uint64_t keys_expired
    cdef readonly uint64_t keys_empty
    cdef readonly dict aux
    cdef readonly list functions
    cdef readonly list modules
    cdef public int64_t expired_before
    cdef public bint allow_duplicates
    cdef public bint check_sum

    cdef int header(self) noexcept nogil
    cdef int record(self) noexcept nogil
    cdef int opcode(self, int code) noexcept nogil
    cdef int number_opcode(self, int code) noexcept nogil
    cdef int module_aux(self) noexcept nogil
    cdef int key(self, int kind) noexcept nogil
    cdef int store(self, Text *key, Loaded *loaded) noexcept nogil
    cdef int finale(self) noexcept nogil
    cdef int records(self, size_t until) noexcept nogil
    cdef void compact(self) noexcept nogil
    cdef int happened(self, int event) except -1
    cdef object failure(self)

cdef class Payload:
    cdef Keyspace keyspace
    cdef bytes data                  # in which a string may lie
    cdef Loaded loaded

    cpdef bint put(self, Database db, bytes key, int64_t expire_at=*, int64_t idle=*, int64_t frequency=*) except -1
