# cython: freethreading_compatible=True
"""A point in time of a whole keyspace, read by another thread while the executor goes on. How it works: `snapshot.pyx`.

A life of one:  executor: snapshot_begin
                any one thread: while snapshot_next(...) == 1: use the images; snapshot_release(...)
                executor, when that thread has left for good: snapshot_end
Whoever stops early says snapshot_abort and then asks snapshot_next once more, which tidies up in small slices and
says -2; what is left of that work is done by snapshot_end, on the executor, at one go.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from mtredis.keyspace.core cimport SNAPSHOT_READS, Core, Table
from mtredis.keyspace.entry cimport FRESH, Entry
from mtredis.keyspace.segment cimport Segment
from mtredis.keyspace.value cimport Word
from mtredis.lib.atomics cimport fence_acquire, load_pointer, load_u32

cdef enum:
    IMAGES_MAX = 490

    SNAPSHOT_IMAGES = 1
    SNAPSHOT_DONE = 0
    SNAPSHOT_NO_MEMORY = -1
    SNAPSHOT_ABORTED = -2

cdef struct Images:        # one piece of a snapshot, good between snapshot_next and snapshot_release; one at a time
    int database           # as of the begin
    int count
    Entry *entries[490]    # read only; entry_memory does not work on them

cdef struct Captured:      # a table as of the begin
    Table *table
    int database
    int32_t owner          # who is to free the table, if somebody has flushed it
    uint64_t epoch         # of its flush

cdef struct Kept:          # a piece of the queue of before-images
    Kept *next
    int32_t count
    int32_t databases[490]
    Entry *entries[490]

cdef struct Snapshot:
    Core *core
    # Figures. The first three (two of them by database) are as of the begin, the others go on; atomic, any thread.
    int64_t keys_total
    int64_t *keys
    int64_t *volatile_keys
    int64_t keys_done
    int64_t kept_bytes     # memory of before-images that wait
    int64_t kept_peak
    int64_t kept_count     # before-images so far
    # The rest is the business of `snapshot.pyx`.
    int32_t failed         # 0, SNAPSHOT_NO_MEMORY or SNAPSHOT_ABORTED; any thread
    int32_t lent           # what kind of images is out
    int table_count
    int current            # the table that is walked
    uint64_t position      # all hashes below it are done in that table
    Captured *tables
    Kept *first            # the reading thread's end of the queue,
    Kept *last             # the executor's
    int taken              # of the first piece
    char *arena            # small copies lie in here
    size_t arena_used
    size_t values_copied   # of the images that are out

# Executor. NULL: no memory, or one is under way.
cdef Snapshot *snapshot_begin(Core *core) noexcept nogil
cdef void snapshot_end(Snapshot *snapshot) noexcept nogil
# The reading thread. 1: images (count >= 1, all of one database), 0: that was all, -1: no memory, -2: aborted.
cdef int snapshot_next(Snapshot *snapshot, Images *images) noexcept nogil
cdef void snapshot_release(Snapshot *snapshot, Images *images) noexcept nogil
# Any thread, between begin and end: the next snapshot_next says -2.
cdef void snapshot_abort(Snapshot *snapshot) noexcept nogil

# For the tables: the executor is about to change something --------------------------------------------------------

cdef inline bint snapshot_wants(Table *table, Segment *segment, const Entry *entry) noexcept nogil:
    """Is the entry part of the snapshot and neither copied nor kept? Without the lock only "no" is sure (and stays)."""
    return (table.captured == table.core.snapshot_number and load_u32(&segment.saved) != table.captured
            and not (load_u32(&(<Entry *> entry).head) & FRESH))

cdef inline bint snapshot_guards(Table *table, Segment *segment, Entry *entry) noexcept nogil:
    """May the string not be changed in place? Needs no lock; "no" is sure."""
    if not (table.core.readers_active & SNAPSHOT_READS):
        return False
    if snapshot_wants(table, segment, entry):
        return True
    fence_acquire()
    return load_pointer(&table.core.held) == <void *> entry

# The entry goes out of the table, whose segment is locked: true: the snapshot has it now.
cdef bint snapshot_takes(Table *table, Segment *segment, Entry *entry) noexcept nogil
# The entry comes into the table, whose segment is locked.
cdef void snapshot_admit(Table *table, Segment *segment, Entry *entry) noexcept nogil
# The entry is going to be changed: afterwards the snapshot has a copy if it wants one, and will not look at the entry.
cdef void snapshot_claim(Table *table, Segment *segment, Entry *entry) noexcept nogil
# What the executor may change instead of the value, which the snapshot may be reading: the value itself or a copy.
cdef Word snapshot_detach(Core *core, Word word) noexcept nogil
# The table is in no database any more: true: the snapshot frees it. `epoch`: of core_next_epoch, after that.
cdef bint snapshot_adopts(Core *core, Table *table, uint64_t epoch) noexcept nogil
