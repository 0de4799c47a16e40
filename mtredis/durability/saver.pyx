# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A point in time of the whole keyspace, written to a file: by another thread while the server goes on, or at once.

Idea: `begin` fixes the moment, `write` asks the keyspace for the entries of that moment piece by piece, encodes them
and writes the file in pieces of about a megabyte; the GIL is not held meanwhile, and no Python object is made for a
key. Every few megabytes the kernel is asked to write what it was given, so that the fsync at the end is short and the
disk is never flooded. `write_now` does the same from the tables as they are, on the thread that owns them, which waits.

Owner: the executor of `begin`, `finish` and `write_now`; of `write` the thread that calls it, which nobody disturbs.
Invariants: after `write` or `write_now` the file is complete and on disk (its name is not: `files.replace_durably`), or
an exception was raised and there is no file.
Limits: an encoded value is in memory as a whole.
"""
import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport rand
from mtredis.durability.aof.commands cimport commands_select, commands_write_entry
from mtredis.durability.rdb.writer cimport (
    NOTHING_MORE, WITH_FREQUENCY, WITH_IDLE, RdbOut, rdb_close, rdb_open, rdb_taken, rdb_write_aux, rdb_write_database,
    rdb_write_end, rdb_write_entry, rdb_write_function, rdb_write_header,
)
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.database cimport Keyspace
from mtredis.keyspace.entry cimport Entry, entry_clock
from mtredis.keyspace.segment cimport SEGMENT_CAPACITY, segment_entries
from mtredis.keyspace.snapshot cimport (
    SNAPSHOT_ABORTED, SNAPSHOT_DONE, SNAPSHOT_IMAGES, Images, snapshot_abort, snapshot_begin, snapshot_end,
    snapshot_next, snapshot_release,
)
from mtredis.lib.atomics cimport load_u8, load_u64, store_u64, store_u8
from mtredis.lib.buffer cimport buffer_append
from mtredis.errors import MtredisError

cdef extern from "<unistd.h>" nogil:
    ssize_t posix_write "write"(int fd, const void *data, size_t length)
    int fsync(int fd)
    int posix_close "close"(int fd)
    int usleep(unsigned int microseconds)

cdef extern from "<fcntl.h>" nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <fcntl.h>
    #include <sys/types.h>
    extern int sync_file_range(int fd, off64_t offset, off64_t nbytes, unsigned int flags);
    #ifndef SYNC_FILE_RANGE_WRITE
    #define SYNC_FILE_RANGE_WAIT_BEFORE 1
    #define SYNC_FILE_RANGE_WRITE 2
    #define SYNC_FILE_RANGE_WAIT_AFTER 4
    #endif
    """
    int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)
    int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)
    int POSIX_FADV_DONTNEED
    unsigned int SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE, SYNC_FILE_RANGE_WAIT_AFTER

cdef enum:
    PIECE = 1 << 20          # bytes that are encoded before they are written
    SLEEP_SLICE = 10000      # µs after which a delay looks whether it was aborted
    NO_MEMORY = -1
    NO_WRITE = -2            # errno says why
    ABORTED = -3

RDB, COMMANDS = 0, 1         # formats
WITHOUT_USAGE, IDLE_TIMES, FREQUENCIES = NOTHING_MORE, WITH_IDLE, WITH_FREQUENCY
OPERATIONS = ("open", "write", "fsync", "close")


class SaveError(MtredisError):
    """What was to be written is not there: memory was out, or somebody has aborted it (`is_aborted`)."""

    def __init__(self, text: str, is_aborted: bool = False) -> None:
        super().__init__(text)
        self.is_aborted = is_aborted


cdef class SnapshotFile:
    """One file with all keys, named `path`; used once.

    `format`: RDB (with `aux` fields and function libraries) or COMMANDS (after the bytes of `opening`); `usage`:
    what is kept of the keys' use; `sync_every`: bytes after which the kernel is asked to write (0: only at the
    end); `key_delay`: µs to wait after each key (below 0: after some), for tests; `keep_cache`: the file is read
    again soon.
    """

    def __cinit__(self, Keyspace keyspace not None, str path not None, *, int format=0, bint compress=True,
                  bint checksum=True, aux=(), functions=(), bytes opening not None=b"", int usage=0,
                  uint64_t sync_every=4 << 20, int key_delay=0, bint keep_cache=False):
        self.keyspace = keyspace
        self.core = keyspace.core
        self.path = path
        self.format = format
        self.checksum = checksum and format == 0
        self.aux = list(aux)
        self.functions = list(functions)
        self.opening = opening
        self.usage = usage
        self.sync_every = sync_every
        self.key_delay = key_delay
        self.keep_cache = keep_cache
        self.fd = -1
        rdb_open(&self.out, compress)

    def __dealloc__(self):
        rdb_close(&self.out)

    @property
    def operation(self) -> str:
        """What was done to the file last: that is what failed."""
        return OPERATIONS[self.step]

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return load_u64(&self.written)

    @property
    def keys(self) -> int:
        """Keys in it so far."""
        return load_u64(&self.keys_done)

    @property
    def keys_total(self) -> int:
        """Keys there were when it was begun."""
        return self.total

    @property
    def kept(self) -> int:
        """Bytes that are held in memory now because what they are of has been changed since."""
        return <int64_t> load_u64(<uint64_t *> &self.snapshot.kept_bytes) if self.snapshot != NULL else 0

    @property
    def kept_peak(self) -> int:
        """The most that it ever was."""
        return <int64_t> load_u64(<uint64_t *> &self.snapshot.kept_peak) if self.snapshot != NULL else self.peak

    # --- the executor ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The point in time is now. Raises SaveError when memory is out, or another snapshot is under way."""
        self.note_clock()
        with nogil:
            self.snapshot = snapshot_begin(self.core)
        if self.snapshot == NULL:
            raise SaveError("no memory for a snapshot")
        self.total = self.snapshot.keys_total

    def abort(self) -> None:
        """`write` raises as soon as it can."""
        store_u8(&self.aborting, 1)
        if self.snapshot != NULL:
            snapshot_abort(self.snapshot)

    def finish(self) -> None:
        """After `write` has returned or raised, or instead of it: nothing is held any more."""
        cdef Snapshot *snapshot = self.snapshot
        if snapshot != NULL:
            self.peak = snapshot.kept_peak
            self.snapshot = NULL
            with nogil:
                snapshot_end(snapshot)

    def write_now(self) -> None:
        """Instead of all that: writes the file from the tables as they are, on their own thread."""
        self.note_clock()
        self.write_file(False)

    cdef void note_clock(self) noexcept:
        cdef int i
        self.clock = self.core.clock
        self.total = 0
        for i in range(self.core.databases):
            self.total += self.core.tables[i].count

    # --- the thread that writes --------------------------------------------------------------------------------------

    def write(self) -> None:
        """Writes the file; once. OSError (`operation` says what failed) or SaveError: there is no file."""
        if self.snapshot == NULL:
            raise SaveError("nothing was begun")
        try:
            self.write_file(True)
        except BaseException:
            with nogil:
                self.leave_snapshot()
            raise

    cdef object write_file(self, bint of_snapshot):
        cdef int code
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self.step = 1
        try:
            self.put_head()
            with nogil:
                code = self.write_all(of_snapshot)
            if code < 0:
                raise self.failure(code)
        except BaseException as error:
            self.give_up(error)
            raise

    cdef int give_up(self, error) except -1:
        """There is no file."""
        if self.fd >= 0:
            posix_close(self.fd)
        try:
            os.unlink(self.path)
        except OSError as unlinking:
            error.add_note(f"and the file stays: {unlinking}")
        return 0

    cdef object failure(self, int code):
        if code == NO_WRITE:
            return OSError(self.error, os.strerror(self.error), self.path)
        if code == ABORTED:
            return SaveError("the snapshot was aborted", True)
        return SaveError("no memory for a snapshot")

    cdef int write_all(self, bint of_snapshot) noexcept nogil:
        cdef int code = self.put_snapshot() if of_snapshot else self.put_tables()
        if code == 0:
            code = self.put_end()
        if code == 0:
            code = self.drain()
        return code if code < 0 else self.close()

    cdef int close(self) noexcept nogil:
        """The file is on disk and closed."""
        cdef int fd = self.fd
        self.step = 2
        if fsync(fd) < 0:
            return self.failed()
        if not self.keep_cache:
            posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)
        self.step = 3
        self.fd = -1
        if posix_close(fd) < 0:
            return self.failed()
        self.is_whole = True
        return 0

    cdef int failed(self) noexcept nogil:
        self.error = errno
        return NO_WRITE

    # What is in the file ------------------------------------------------------------------------------------------

    cdef int put_head(self) except -1:
        """All that stands before the keys."""
        cdef int code = 0
        if self.format == 0:
            code = self.put_rdb_head()
        elif self.opening:
            code = buffer_append(&self.out.buffer, PyBytes_AS_STRING(self.opening), PyBytes_GET_SIZE(self.opening))
        if code:
            raise SaveError("no memory for a snapshot")
        return 0

    cdef int put_rdb_head(self) except -2:
        cdef int code
        cdef bytes name, text
        code = rdb_write_header(&self.out)
        for name, text in self.aux:
            code |= rdb_write_aux(&self.out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), PyBytes_AS_STRING(text),
                                  PyBytes_GET_SIZE(text))
        for text in self.functions:
            code |= rdb_write_function(&self.out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        return code

    cdef int put_end(self) noexcept nogil:
        return 0 if self.format != 0 or rdb_write_end(&self.out, self.checksum) == 0 else NO_MEMORY

    cdef int put_snapshot(self) noexcept nogil:
        """All keys of the point in time."""
        cdef Snapshot *snapshot = self.snapshot
        cdef Images images
        cdef int code, found
        self.selected = -1
        while True:
            found = snapshot_next(snapshot, &images)
            if found != SNAPSHOT_IMAGES:
                break
            code = self.put_entries(images.database, snapshot.keys[images.database],
                                    snapshot.volatile_keys[images.database], images.entries, images.count)
            snapshot_release(snapshot, &images)
            if code < 0:
                return code
        return 0 if found == SNAPSHOT_DONE else ABORTED if found == SNAPSHOT_ABORTED else NO_MEMORY

    cdef void leave_snapshot(self) noexcept nogil:
        """Nothing more is read: what the snapshot has to tidy up is done in small steps here, not by the executor."""
        cdef Images images
        snapshot_abort(self.snapshot)
        while snapshot_next(self.snapshot, &images) == SNAPSHOT_IMAGES:
            snapshot_release(self.snapshot, &images)

    cdef int put_tables(self) noexcept nogil:
        """All keys of all databases as they are."""
        cdef Entry *entries[SEGMENT_CAPACITY]
        cdef Table *table
        cdef uint64_t i
        cdef int database, count, code
        self.selected = -1
        for database in range(self.core.databases):
            table = self.core.tables[database]
            for i in range(table.segment_count):
                count = segment_entries(table.segments[i], entries)
                code = self.put_entries(database, table.count, table.volatile_count, entries, count)
                if code < 0:
                    return code
        return 0

    cdef int put_entries(self, int database, uint64_t keys, uint64_t volatile_keys, Entry **entries,
                         int count) noexcept nogil:
        """Entries of one database, which has so many keys."""
        cdef int i, code
        if count and database != self.selected:
            if self.put_database(database, keys, volatile_keys) < 0:
                return NO_MEMORY
            self.selected = database
        for i in range(count):
            if self.put_entry(entries[i]) < 0:
                return NO_MEMORY
            store_u64(&self.keys_done, self.keys_done + 1)
            if self.out.buffer.length >= PIECE and self.fd >= 0:
                code = self.drain()
                if code < 0:
                    return code
            if self.key_delay and not self.wait():
                return ABORTED
        return 0

    cdef int put_database(self, int database, uint64_t keys, uint64_t volatile_keys) noexcept nogil:
        if self.format != 0:
            return commands_select(&self.out.buffer, database)
        return rdb_write_database(&self.out, database, keys, volatile_keys)

    cdef int put_entry(self, Entry *entry) noexcept nogil:
        if self.format != 0:
            return commands_write_entry(&self.out.buffer, entry)
        return rdb_write_entry(&self.out, entry, self.usage, self.usage_of(entry))

    cdef uint64_t usage_of(self, Entry *entry) noexcept nogil:
        """What is written of the key's use, as of the begin."""
        cdef uint32_t clock = entry_clock(entry)
        cdef uint32_t counter, minutes, periods
        if self.usage == WITH_IDLE:
            return (self.clock - clock) & 0xFFFFFF
        if self.usage != WITH_FREQUENCY:
            return 0
        counter = clock & 0xFF
        minutes = ((self.clock >> 8) - (clock >> 8)) & 0xFFFF
        periods = minutes // self.core.lfu_decay_time if self.core.lfu_decay_time else 0
        return counter - periods if counter > periods else 0

    cdef bint wait(self) noexcept nogil:
        """The delay after a key; False: it was aborted."""
        cdef int left = self.key_delay
        if left < 0:
            left = 1 if rand() % -left == 0 else 0
        while left > 0 and not load_u8(&self.aborting):
            usleep(min(left, SLEEP_SLICE))
            left -= SLEEP_SLICE
        return not load_u8(&self.aborting)

    # The file -----------------------------------------------------------------------------------------------------

    cdef int drain(self) noexcept nogil:
        """Writes what is encoded."""
        cdef size_t at = 0, size
        cdef ssize_t done
        while at < self.out.buffer.length:
            if load_u8(&self.aborting):
                return ABORTED
            size = min(self.out.buffer.length - at, <size_t> (4 * PIECE))
            done = posix_write(self.fd, self.out.buffer.data + at, size)
            if done < 0:
                if errno == EINTR:
                    continue
                return self.failed()
            at += done
            store_u64(&self.written, self.written + done)
            if self.sync_every and self.written - self.synced >= self.sync_every and self.sync() < 0:
                return self.failed()
        if self.checksum:
            rdb_taken(&self.out)
        else:
            self.out.buffer.length = self.out.summed = 0
        return 0

    cdef int sync(self) noexcept nogil:
        """Has the kernel begin to write what came since the last time, and waits for what it was given then."""
        cdef uint64_t start = self.synced
        cdef unsigned int all_of_it = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER
        if sync_file_range(self.fd, start, self.written - start, SYNC_FILE_RANGE_WRITE) < 0:
            return -1
        if start > self.waited and sync_file_range(self.fd, self.waited, start - self.waited, all_of_it) < 0:
            return -1
        self.waited = start
        self.synced = self.written
        if not self.keep_cache:
            posix_fadvise(self.fd, 0, 0, POSIX_FADV_DONTNEED)
        return 0
