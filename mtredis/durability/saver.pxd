# cython: freethreading_compatible=True
"""A point in time of the keyspace, written to a file. See `saver.pyx`."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from mtredis.durability.rdb.writer cimport RdbOut
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.database cimport Keyspace
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.snapshot cimport Snapshot

cdef class SnapshotFile:
    cdef Keyspace keyspace
    cdef Core *core
    cdef Snapshot *snapshot          # NULL: not begun, or finished
    cdef RdbOut out
    cdef readonly str path
    cdef list aux
    cdef list functions
    cdef bytes opening
    cdef int format
    cdef int usage
    cdef int key_delay
    cdef bint checksum
    cdef bint keep_cache
    cdef int fd                      # -1: not open
    cdef int error                   # errno
    cdef int step                    # of OPERATIONS
    cdef readonly bint is_whole      # all of it is on disk
    cdef int selected                # the database that the file is in
    cdef uint32_t clock              # the access clock of the moment
    cdef uint8_t aborting
    cdef uint64_t sync_every
    cdef uint64_t written            # bytes of the file
    cdef uint64_t synced             # of them, given to the disk
    cdef uint64_t waited             # of them, surely there
    cdef uint64_t keys_done
    cdef uint64_t total              # keys at the begin
    cdef uint64_t peak

    cdef void note_clock(self) noexcept
    cdef object write_file(self, bint of_snapshot)
    cdef int give_up(self, error) except -1
    cdef object failure(self, int code)
    cdef int write_all(self, bint of_snapshot) noexcept nogil
    cdef int close(self) noexcept nogil
    cdef int failed(self) noexcept nogil
    cdef int put_head(self) except -1
    cdef int put_rdb_head(self) except -2
    cdef int put_end(self) noexcept nogil
    cdef int put_snapshot(self) noexcept nogil
    cdef void leave_snapshot(self) noexcept nogil
    cdef int put_tables(self) noexcept nogil
    cdef int put_entries(self, int database, uint64_t keys, uint64_t volatile_keys, Entry **entries,
                         int count) noexcept nogil
    cdef int put_database(self, int database, uint64_t keys, uint64_t volatile_keys) noexcept nogil
    cdef int put_entry(self, Entry *entry) noexcept nogil
    cdef uint64_t usage_of(self, Entry *entry) noexcept nogil
    cdef bint wait(self) noexcept nogil
    cdef int drain(self) noexcept nogil
    cdef int sync(self) noexcept nogil
