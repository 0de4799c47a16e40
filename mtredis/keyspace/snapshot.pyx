# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A point in time of a whole keyspace, read by another thread while the executor goes on: no fork, no pause.

Idea: the reading thread walks the segments of all tables in the order of hashes. Under a segment's lock it copies the
entries, and notes in the segment that it is done; what is made of the copies happens without the lock. The executor,
before it changes, replaces or removes an entry in a segment that is not done, sees to it that the snapshot gets the
entry as it was, its before-image: what is thrown away anyhow is handed over as it is, what is changed in place is
copied. The flag FRESH of an entry says that the snapshot has it already, or that it was made after the begin; the
reading thread takes it away when it is done with the segment, so none is left in the end, however it ends.
Before-images wait in a queue, which comes before the next segment, so it is as long as the reading thread is slow.

What is too large to be copied under the lock is lent: the reading thread reads the very entry or value, `core.held`
names it, and whoever would change or free it takes the name away (`core_surrender`) and leaves the memory to the
snapshot: a string is replaced, of a collection the executor goes on with a copy. Streams are not lent, for handles
point into them; a large one is copied under the lock.

Owner: `snapshot_begin` and `snapshot_end` are the executor's, as is all that tables call; next and release are the
reading thread's; the queue has one writer and one reader. The reading thread has the epoch slot SNAPSHOT_SLOT.

Invariants: each entry that was there at the begin comes once, as it was (of the access clock that is no promise). An
entry is FRESH only in a captured table's segment that is not done. A segment that is done never becomes one that is
not: halves inherit it, and a done one is not joined with one that is not. What is not "wanted" (`snapshot_wants`)
never will be, so the executor may find that out without the lock. A flushed table lives until the walk has left it.

Limits: a collection that was not copied yet, or is lent, is copied by the executor as a whole when it is first changed,
renamed or given another time to live: O(n), once for each snapshot. For a million elements: a list 4 ms, a stream of
half as many entries 4 ms, a set or hash 0.04 s (0.25 s if each field has a time to live of its own), a sorted set
0.12 s (CPU). A large stream keeps its segment locked for the time of its copy. Without memory for a before-image the
snapshot fails and the executor goes on; without memory for a copy of what is lent the executor waits until it is given
back.
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy
from mtredis.keyspace.core cimport (
    NO_SNAPSHOT, SNAPSHOT_SLOT, Directory, core_surrender, core_wait_readers,
)
from mtredis.keyspace.directory cimport table_free
from mtredis.keyspace.entry cimport (
    TYPE_STREAM, entry_is_fresh, entry_is_string, entry_memory, entry_set_fresh, entry_set_word, entry_size, entry_type,
    entry_word,
)
from mtredis.keyspace.segment cimport (
    SEGMENT_BUCKETS, SEGMENT_CAPACITY, TAKEN, Bucket, lowest_bit, prefetch, prefix_of, segment_entries,
)
from mtredis.keyspace.value cimport (
    IN_INTSET, IN_LISTPACK, IN_LISTPACK_EX, value_copy, value_free, value_memory, word_encoding, word_memory,
)
from mtredis.lib.atomics cimport (
    add_u64, fence, load_i32, load_u64, lock_byte, store_i32, store_pointer, store_u32, store_u64, unlock_byte,
)

cdef extern from "sched.h" nogil:
    int sched_yield() noexcept

cdef extern from *:
    """
    static inline int mt_compare_exchange_i32(int32_t *p, int32_t expected, int32_t desired) {
        return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    """
    bint compare_exchange_i32 "mt_compare_exchange_i32"(int32_t *p, int32_t expected, int32_t desired) noexcept nogil

cdef enum:
    KEPT_MAX = 490
    # What is copied under one lock: some 10 to 20 microseconds' worth.
    ARENA_SIZE = 131072
    VALUES_MAX = 65536     # bytes of collections;
    PIECES_WEIGHT = 4      # those in many pieces count so many times,
    PIECES_MAX = 4096      # and only up to that size: in larger ones are tables, which only the executor may make

cdef enum Lent:
    NOTHING = 0
    COPIES = 1             # shells in the arena, values copied
    KEPT = 2               # before-images
    HELD = 3               # one, which is still in use

cdef enum Owner:
    KEYSPACE = 0
    SNAPSHOT = 1           # flushed before the walk has left it
    LEFT = 2               # the walk has left it


# Begin and end ------------------------------------------------------------------------------------------------------


cdef Snapshot *snapshot_begin(Core *core) noexcept nogil:
    """From now on what is there at this moment is kept until the reading thread has got it."""
    cdef Snapshot *snapshot
    if core.snapshot != NULL:
        return NULL
    snapshot = <Snapshot *> calloc(1, sizeof(Snapshot))
    if snapshot == NULL:
        return NULL
    snapshot.core = core
    snapshot.keys = <int64_t *> calloc(core.databases, sizeof(int64_t))
    snapshot.volatile_keys = <int64_t *> calloc(core.databases, sizeof(int64_t))
    snapshot.tables = <Captured *> calloc(core.databases, sizeof(Captured))
    snapshot.arena = <char *> malloc(ARENA_SIZE)
    snapshot.first = snapshot.last = kept_new()
    if (snapshot.keys == NULL or snapshot.volatile_keys == NULL or snapshot.tables == NULL or snapshot.arena == NULL
            or snapshot.first == NULL):
        snapshot_free(snapshot)
        return NULL
    core.snapshots += 1
    core.snapshot_number = core.snapshots
    capture_tables(snapshot)
    core.snapshot = snapshot
    core.readers_active |= SNAPSHOT_READS
    return snapshot


cdef void capture_tables(Snapshot *snapshot) noexcept nogil:
    """Notes what there is. A table without a directory has nothing, and what comes into it is not looked at."""
    cdef Core *core = snapshot.core
    cdef Table *table
    cdef int i
    for i in range(core.databases):
        table = core.tables[i]
        snapshot.keys[i] = table.count
        snapshot.volatile_keys[i] = table.volatile_count
        snapshot.keys_total += table.count
        if table.directory != NULL:
            table.captured = core.snapshot_number
            table.captured_as = i
            snapshot.tables[snapshot.table_count].table = table
            snapshot.tables[snapshot.table_count].database = i
            snapshot.table_count += 1


cdef void snapshot_abort(Snapshot *snapshot) noexcept nogil:
    """Nothing is kept from now on."""
    compare_exchange_i32(&snapshot.failed, 0, SNAPSHOT_ABORTED)


cdef void snapshot_end(Snapshot *snapshot) noexcept nogil:
    """Everything is as if it had never been; does the rest of what an aborted one has to do."""
    cdef Core *core = snapshot.core
    snapshot_abort(snapshot)
    tidy_up(snapshot)
    core.readers_active &= ~SNAPSHOT_READS
    core.snapshot_number = NO_SNAPSHOT
    core.snapshot = NULL
    snapshot_free(snapshot)


cdef void snapshot_free(Snapshot *snapshot) noexcept nogil:
    free(snapshot.keys)
    free(snapshot.volatile_keys)
    free(snapshot.tables)
    free(snapshot.arena)
    free(snapshot.first)
    free(snapshot)


# Before-images: a queue with one writer, the executor, and one reader -----------------------------------------------


cdef Kept *kept_new() noexcept nogil:
    cdef Kept *kept = <Kept *> malloc(sizeof(Kept))
    if kept != NULL:
        kept.next = NULL
        kept.count = 0
    return kept


cdef bint keep(Table *table, Entry *entry) noexcept nogil:
    """The snapshot owns the entry; false: no memory, it has failed. With the segment locked: it is not done, so the
    reading thread will look at the queue after it has been here."""
    cdef Snapshot *snapshot = <Snapshot *> table.core.snapshot
    cdef Kept *kept = snapshot.last
    cdef Kept *fresh
    cdef int64_t bytes
    if load_i32(&snapshot.failed):
        return False
    if kept.count == KEPT_MAX:
        fresh = kept_new()
        if fresh == NULL:
            compare_exchange_i32(&snapshot.failed, 0, SNAPSHOT_NO_MEMORY)
            return False
        store_pointer(<void **> &kept.next, fresh)
        snapshot.last = kept = fresh
    bytes = entry_memory(entry)
    bytes += <int64_t> add_u64(<uint64_t *> &snapshot.kept_bytes, bytes)
    if bytes > snapshot.kept_peak:
        store_u64(<uint64_t *> &snapshot.kept_peak, bytes)
    store_u64(<uint64_t *> &snapshot.kept_count, snapshot.kept_count + 1)
    kept.entries[kept.count] = entry
    kept.databases[kept.count] = table.captured_as
    store_i32(&kept.count, kept.count + 1)    # the reading thread may free the entry from now on
    return True


cdef bint take_kept(Snapshot *snapshot, Images *images) noexcept nogil:
    """The images that have waited longest, all of one database; false: none waits."""
    cdef Kept *kept = snapshot.first
    cdef Kept *following
    cdef int count
    while True:
        following = <Kept *> load_pointer(<void **> &kept.next)    # once there is one, the count stays
        count = load_i32(&kept.count)
        if snapshot.taken < count:
            break
        if following == NULL:
            return False
        free(kept)
        snapshot.first = kept = following
        snapshot.taken = 0
    images.database = kept.databases[snapshot.taken]
    images.count = 0
    while snapshot.taken < count and kept.databases[snapshot.taken] == images.database:
        images.entries[images.count] = kept.entries[snapshot.taken]
        images.count += 1
        snapshot.taken += 1
    snapshot.lent = KEPT
    return True


cdef void free_kept(Snapshot *snapshot, Images *images) noexcept nogil:
    cdef int64_t bytes = 0
    cdef Entry *entry
    cdef int i
    for i in range(images.count):
        entry = images.entries[i]
        bytes += entry_memory(entry)
        image_free(entry)
    add_u64(<uint64_t *> &snapshot.kept_bytes, <uint64_t> -bytes)


cdef Entry *image_new(Entry *entry) noexcept nogil:
    """The entry and its value once more; NULL: no memory."""
    cdef size_t size = entry_size(entry)
    cdef Entry *image = <Entry *> malloc(size)
    cdef Word word
    if image == NULL:
        return NULL
    memcpy(image, entry, size)
    if not entry_is_string(entry):
        word = value_copy(entry_word(entry))
        if word == 0:
            free(image)
            return NULL
        entry_set_word(image, word)
    return image


cdef void image_free(Entry *image) noexcept nogil:
    if not entry_is_string(image):
        value_free(entry_word(image))
    free(image)


# What tables call ---------------------------------------------------------------------------------------------------


cdef bint snapshot_takes(Table *table, Segment *segment, Entry *entry) noexcept nogil:
    """Hands over what would be thrown away."""
    return snapshot_wants(table, segment, entry) and keep(table, entry)


cdef void snapshot_admit(Table *table, Segment *segment, Entry *entry) noexcept nogil:
    """It was not there at the begin."""
    entry_set_fresh(entry, table.captured == table.core.snapshot_number and segment.saved != table.captured)


cdef void snapshot_claim(Table *table, Segment *segment, Entry *entry) noexcept nogil:
    """Keeps a copy, which is made before the lock is taken."""
    cdef Entry *image
    if not snapshot_wants(table, segment, entry):
        return
    image = image_new(entry)
    lock_byte(&segment.lock)
    if snapshot_wants(table, segment, entry):
        if image == NULL:
            compare_exchange_i32(&(<Snapshot *> table.core.snapshot).failed, 0, SNAPSHOT_NO_MEMORY)
        elif keep(table, image):
            image = NULL
        entry_set_fresh(entry, True)
    unlock_byte(&segment.lock)
    if image != NULL:
        image_free(image)


cdef Word snapshot_detach(Core *core, Word word) noexcept nogil:
    """A copy in place of a value that is lent; it is the snapshot that frees the value then."""
    cdef void *memory = word_memory(word)
    cdef Word copy
    if load_pointer(&core.held) != memory:
        return word
    copy = value_copy(word)
    if copy == 0:
        compare_exchange_i32(&(<Snapshot *> core.snapshot).failed, 0, SNAPSHOT_NO_MEMORY)
        while load_pointer(&core.held) == memory:
            sched_yield()
        return word
    if core_surrender(core, memory):
        return copy
    value_free(copy)
    return word


cdef bint snapshot_adopts(Core *core, Table *table, uint64_t epoch) noexcept nogil:
    """A table that was flushed lives until the walk has left it."""
    cdef Snapshot *snapshot = <Snapshot *> core.snapshot
    cdef int i
    if snapshot == NULL or table.captured != core.snapshot_number:
        return False
    for i in range(snapshot.table_count):
        if snapshot.tables[i].table == table:
            snapshot.tables[i].epoch = epoch
            return compare_exchange_i32(&snapshot.tables[i].owner, KEYSPACE, SNAPSHOT)
    return False


# Walking: the reading thread ----------------------------------------------------------------------------------------


cdef void prefetch_entries(Segment *segment) noexcept nogil:
    """Starts loading what will be copied under the lock. What it sees without the lock need not be true."""
    cdef Bucket *bucket
    cdef unsigned int taken
    cdef int i
    for i in range(SEGMENT_BUCKETS):
        bucket = &segment.buckets[i]
        taken = bucket.meta & TAKEN
        while taken:
            prefetch(bucket.entries[lowest_bit(taken)])
            taken &= taken - 1


cdef Segment *enter_segment(Snapshot *snapshot) noexcept nogil:
    """The segment that is next, locked, as a reader does it (`table.pyx`)."""
    cdef Table *table = snapshot.tables[snapshot.current].table
    cdef Core *core = snapshot.core
    cdef Directory *directory
    cdef Segment *segment
    store_u64(&core.readers[SNAPSHOT_SLOT].epoch, load_u64(&core.epoch))
    fence()
    while True:
        directory = <Directory *> load_pointer(<void **> &table.directory)
        segment = <Segment *> load_pointer(
            <void **> &directory.slots[prefix_of(snapshot.position, <int> directory.depth)])
        prefetch_entries(segment)
        lock_byte(&segment.lock)
        if segment.alive and prefix_of(snapshot.position, segment.depth) == segment.prefix:
            return segment
        unlock_byte(&segment.lock)


cdef void leave_segment(Snapshot *snapshot, Segment *segment, bint is_done) noexcept nogil:
    """Unlocks it and, if it is done, goes on to the next, perhaps in the next table."""
    cdef uint64_t following = (segment.prefix + 1) << (64 - segment.depth) if segment.depth else 0
    unlock_byte(&segment.lock)
    store_u64(&snapshot.core.readers[SNAPSHOT_SLOT].epoch, 0)
    if is_done:
        snapshot.position = following
        if following == 0:
            leave_table(snapshot)


cdef void leave_table(Snapshot *snapshot) noexcept nogil:
    """Goes on to the next table; one that was flushed in between is freed."""
    cdef Captured *captured = &snapshot.tables[snapshot.current]
    if not compare_exchange_i32(&captured.owner, KEYSPACE, LEFT):
        core_wait_readers(snapshot.core, captured.epoch)
        table_free(captured.table)
    snapshot.current += 1


cdef void finish_segment(Snapshot *snapshot, Segment *segment, Entry **entries, int count) noexcept nogil:
    """The segment is done: nothing in it is FRESH."""
    cdef int i
    for i in range(count):
        if entry_is_fresh(entries[i]):
            entry_set_fresh(entries[i], False)
    store_u32(&segment.saved, snapshot.core.snapshot_number)


cdef void tidy_up(Snapshot *snapshot) noexcept nogil:
    """Walks to the end without copying, and throws away what was kept."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef Segment *segment
    cdef Images images
    while snapshot.current < snapshot.table_count:
        segment = enter_segment(snapshot)
        finish_segment(snapshot, segment, entries, segment_entries(segment, entries))
        leave_segment(snapshot, segment, True)
        while take_kept(snapshot, &images):
            free_kept(snapshot, &images)
    while take_kept(snapshot, &images):
        free_kept(snapshot, &images)
    snapshot.lent = NOTHING


# Copying: the reading thread ----------------------------------------------------------------------------------------


cdef Entry *copy_shell(Snapshot *snapshot, Entry *entry) noexcept nogil:
    """The bytes of the entry once more, in the arena if they fit. NULL: no memory."""
    cdef size_t size = entry_size(entry)
    cdef Entry *copy
    if size > ARENA_SIZE - snapshot.arena_used:
        copy = <Entry *> malloc(size)
        if copy == NULL:
            return NULL
    else:
        copy = <Entry *> (snapshot.arena + snapshot.arena_used)
        snapshot.arena_used += (size + 7) & ~<size_t> 7
    memcpy(copy, entry, size)
    return copy


cdef void free_shell(Snapshot *snapshot, Entry *entry) noexcept nogil:
    if not snapshot.arena <= <char *> entry < snapshot.arena + ARENA_SIZE:
        free(entry)


cdef bint is_in_one_piece(Word word) noexcept nogil:
    cdef int encoding = word_encoding(word)
    return encoding == IN_LISTPACK or encoding == IN_INTSET or encoding == IN_LISTPACK_EX


cdef bint is_affordable(Snapshot *snapshot, Entry *entry) noexcept nogil:
    """Is there time to copy this one, too, under the same lock? Notes its price."""
    cdef size_t price = 0
    if entry_size(entry) > ARENA_SIZE - 8 - snapshot.arena_used:
        return False
    if not entry_is_string(entry):
        price = value_memory(entry_word(entry))
        if not is_in_one_piece(entry_word(entry)):
            price = price * PIECES_WEIGHT if price <= PIECES_MAX else VALUES_MAX + 1
    if price > VALUES_MAX - snapshot.values_copied:
        return False
    snapshot.values_copied += price
    return True


cdef bint copy_entry(Snapshot *snapshot, Entry *entry, Images *images) noexcept nogil:
    """Adds a copy to the images; false: no memory."""
    cdef Entry *copy
    cdef Word word = 0
    if not entry_is_string(entry):
        word = value_copy(entry_word(entry))
        if word == 0:
            return False
    copy = copy_shell(snapshot, entry)
    if copy == NULL:
        if word:
            value_free(word)
        return False
    if word:
        entry_set_word(copy, word)
    images.entries[images.count] = copy
    images.count += 1
    return True


cdef bint lend(Snapshot *snapshot, Entry *entry, Images *images) noexcept nogil:
    """The one image is the entry itself, or a copy that shares its value (a stream's is copied). False: no memory."""
    cdef Entry *shell = entry
    if entry_type(entry) == TYPE_STREAM:
        if not copy_entry(snapshot, entry, images):
            return False
        entry_set_fresh(entry, True)
        return True
    if not entry_is_string(entry):
        shell = copy_shell(snapshot, entry)
        if shell == NULL:
            return False
    images.entries[0] = shell
    images.count = 1
    snapshot.lent = HELD
    store_pointer(&snapshot.core.held, <void *> entry if shell == entry else word_memory(entry_word(entry)))
    fence()
    entry_set_fresh(entry, True)
    return True


cdef bint copy_segment(Snapshot *snapshot, Segment *segment, Images *images) noexcept nogil:
    """Copies what is affordable, or lends one that never is; whether the segment is done."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef Entry *copied[SEGMENT_CAPACITY]
    cdef Entry *left = NULL
    cdef int count = segment_entries(segment, entries)
    cdef int i
    cdef bint is_memory = True
    for i in range(count):
        if entry_is_fresh(entries[i]):
            continue
        if not is_affordable(snapshot, entries[i]):
            left = entries[i]
        elif copy_entry(snapshot, entries[i], images):
            copied[images.count - 1] = entries[i]
        else:
            is_memory = False
            break
    if is_memory and left != NULL and images.count == 0:
        is_memory = lend(snapshot, left, images)
    elif is_memory and left != NULL:
        for i in range(images.count):
            entry_set_fresh(copied[i], True)
    elif is_memory:
        finish_segment(snapshot, segment, entries, count)
        return True
    if not is_memory:
        compare_exchange_i32(&snapshot.failed, 0, SNAPSHOT_NO_MEMORY)
    return False


cdef bint visit_segment(Snapshot *snapshot, Images *images) noexcept nogil:
    """Images from the segment that is next; false: it has none (any more), or there is no memory."""
    cdef Segment *segment
    cdef bint is_done
    images.database = snapshot.tables[snapshot.current].database
    images.count = 0
    snapshot.lent = COPIES
    snapshot.arena_used = snapshot.values_copied = 0
    segment = enter_segment(snapshot)
    is_done = copy_segment(snapshot, segment, images)
    leave_segment(snapshot, segment, is_done)
    return images.count != 0


cdef int snapshot_next(Snapshot *snapshot, Images *images) noexcept nogil:
    """The next piece of what there was at the begin."""
    cdef bint is_there = take_kept(snapshot, images)
    while not is_there and snapshot.current < snapshot.table_count and load_i32(&snapshot.failed) == 0:
        is_there = visit_segment(snapshot, images)
    if not is_there:    # all segments are done: nothing comes into the queue any more
        is_there = take_kept(snapshot, images)
    if load_i32(&snapshot.failed):
        if is_there:
            snapshot_release(snapshot, images)
        tidy_up(snapshot)
        return snapshot.failed
    if not is_there:
        return SNAPSHOT_DONE
    add_u64(<uint64_t *> &snapshot.keys_done, images.count)
    return SNAPSHOT_IMAGES


cdef void snapshot_release(Snapshot *snapshot, Images *images) noexcept nogil:
    """The images are no longer needed."""
    cdef Entry *entry
    cdef int i
    if snapshot.lent == KEPT:
        free_kept(snapshot, images)
    elif snapshot.lent == HELD:
        entry = images.entries[0]
        if entry_is_string(entry):
            if not core_surrender(snapshot.core, entry):
                free(entry)
        else:
            if not core_surrender(snapshot.core, word_memory(entry_word(entry))):
                value_free(entry_word(entry))
            free_shell(snapshot, entry)
    elif snapshot.lent == COPIES:
        for i in range(images.count):
            entry = images.entries[i]
            if not entry_is_string(entry):
                value_free(entry_word(entry))
            free_shell(snapshot, entry)
    snapshot.lent = NOTHING
    images.count = 0
