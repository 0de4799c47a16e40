# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The directory of a table: which segment holds a hash, splitting a full one, merging two small ones; copies of tables.

Idea (extendible hashing): the directory has 2 ** depth slots, indexed by the top bits of the hash; a segment of depth d
stands in 2 ** (depth - d) neighbouring slots. A full segment splits alone: the old one keeps the hashes whose next bit
is 0, a new one gets the others. Only when it already had the directory's depth does the directory double, which copies
pointers and no entry. Merging is the reverse. There is no rehash of the whole, ever. A copy is made segment by segment,
with every entry in the same place, so it takes no hash either.

Owner: the executor. Readers may be inside (see `table.pyx`): the new contents of a segment are made up aside and copied
in under its lock, slots change one by one, a reader that locked the wrong segment notices by its prefix or `alive`;
directories and segments that fall out of use are retired, not freed.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset
from mtredis.keyspace.core cimport core_release, core_retire
from mtredis.keyspace.encoding.ordered cimport ordered_free
from mtredis.keyspace.entry cimport entry_set_fresh, entry_size
from mtredis.keyspace.segment cimport (
    SEGMENT_BUCKETS, SEGMENT_CAPACITY, Bucket, entry_hash, prefetch, segment_entries, segment_place, segment_refill,
)
from mtredis.lib.atomics cimport lock_byte, store_pointer, unlock_byte

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(void *pointer) noexcept

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t size) noexcept

cdef enum:
    MERGE_BELOW = 184      # entries in two buddies; far below a full segment, so that they do not split again at once
    AHEAD = 12             # entries between the one that is copied and the one that is loaded


cdef uint64_t memory_of(void *pointer) noexcept nogil:
    """What the allocator holds for it, its own 8 bytes included."""
    return malloc_usable_size(pointer) + 8 if pointer != NULL else 0


cdef Table *table_new(Core *core) noexcept nogil:
    """An empty table without a segment; NULL: no memory."""
    cdef Table *table = <Table *> calloc(1, sizeof(Table))
    if table != NULL:
        table.core = core
    return table


cdef void table_free(Table *table) noexcept nogil:
    """Frees a table that no reader can reach, and what is in it. Any thread."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef uint64_t i
    cdef int j, count
    for i in range(table.segment_count):
        count = segment_entries(table.segments[i], entries)
        for j in range(count):
            core_release(table.core, entries[j])
        free(table.segments[i])
    free(table.segments)
    free(table.directory)
    if table.due != NULL:
        ordered_free(table.due)
    free(table.sizes)
    free(table)


cdef Directory *directory_new(uint64_t depth) noexcept nogil:
    cdef size_t further = (<size_t> 1 << depth) - 1
    cdef Directory *directory = <Directory *> malloc(sizeof(Directory) + further * sizeof(Segment *))
    if directory != NULL:
        directory.depth = depth
    return directory


cdef void directory_publish(Table *table, Directory *directory) noexcept nogil:
    """Replaces the directory by one that is complete."""
    cdef Directory *old = table.directory
    table.used_memory += memory_of(directory) - memory_of(old)
    store_pointer(<void **> &table.directory, directory)
    if old != NULL:
        core_retire(table.core, &old.retired)


cdef Segment *segment_new(uint64_t prefix, int depth) noexcept nogil:
    cdef Segment *segment = <Segment *> aligned_alloc(64, sizeof(Segment))
    if segment != NULL:
        memset(segment, 0, sizeof(Segment))
        segment.prefix = prefix
        segment.depth = depth
        segment.alive = 1
    return segment


cdef bint vector_reserve(Table *table) noexcept nogil:
    """Room for one more segment in table.segments."""
    cdef uint64_t capacity
    cdef Segment **grown
    if table.segment_count < table.segment_capacity:
        return True
    capacity = table.segment_capacity * 2 if table.segment_capacity else 1
    grown = <Segment **> realloc(table.segments, capacity * sizeof(Segment *))
    if grown == NULL:
        return False
    table.used_memory += (capacity - table.segment_capacity) * sizeof(Segment *)
    table.segments = grown
    table.segment_capacity = capacity
    return True


cdef void vector_add(Table *table, Segment *segment) noexcept nogil:
    segment.position = table.segment_count
    table.segments[table.segment_count] = segment
    table.segment_count += 1
    table.depth_counts[segment.depth] += 1
    table.used_memory += memory_of(segment)


cdef void vector_remove(Table *table, Segment *segment) noexcept nogil:
    cdef Segment *last
    cdef Segment **shrunk
    cdef uint64_t capacity = table.segment_capacity // 2
    table.segment_count -= 1
    last = table.segments[table.segment_count]
    table.segments[segment.position] = last
    last.position = segment.position
    table.used_memory -= memory_of(segment)
    if capacity and table.segment_count <= capacity // 2:
        shrunk = <Segment **> realloc(table.segments, capacity * sizeof(Segment *))
        if shrunk != NULL:
            table.used_memory -= (table.segment_capacity - capacity) * sizeof(Segment *)
            table.segments = shrunk
            table.segment_capacity = capacity


cdef int table_open(Table *table) noexcept nogil:
    """The first segment and a directory with one slot."""
    cdef Segment *segment
    cdef Directory *directory
    if not vector_reserve(table):
        return -1
    segment = segment_new(0, 0)
    directory = directory_new(0)
    if segment == NULL or directory == NULL:
        free(segment)
        free(directory)
        return -1
    directory.slots[0] = segment
    vector_add(table, segment)
    directory_publish(table, directory)
    return 0


cdef int directory_double(Table *table) noexcept nogil:
    """Each slot becomes two."""
    cdef Directory *old = table.directory
    cdef Directory *directory = directory_new(old.depth + 1)
    cdef uint64_t i
    if directory == NULL:
        return -1
    for i in range(<uint64_t> 1 << old.depth):
        directory.slots[2 * i] = old.slots[i]
        directory.slots[2 * i + 1] = old.slots[i]
    directory_publish(table, directory)
    return 0


cdef void directory_shrink(Table *table) noexcept nogil:
    """As deep as the deepest segment; stays as it is when there is no memory for a smaller one."""
    cdef Directory *old = table.directory
    cdef uint64_t depth = old.depth
    cdef uint64_t i
    cdef Directory *directory
    while depth and table.depth_counts[depth] == 0:
        depth -= 1
    if depth == old.depth:
        return
    directory = directory_new(depth)
    if directory == NULL:
        return
    for i in range(<uint64_t> 1 << depth):
        directory.slots[i] = old.slots[i << (old.depth - depth)]
    directory_publish(table, directory)


cdef void directory_assign(Table *table, Segment *segment) noexcept nogil:
    """Puts the segment into every slot of its prefix."""
    cdef int span = <int> table.directory.depth - segment.depth
    cdef uint64_t first = segment.prefix << span
    cdef uint64_t i
    for i in range(first, first + (<uint64_t> 1 << span)):
        store_pointer(<void **> &table.directory.slots[i], segment)


cdef void segment_adopt(Segment *segment, Segment *image) noexcept nogil:
    """Takes over contents and place in the hash space that were made up aside (the caller holds the lock)."""
    memcpy(segment.buckets, image.buckets, sizeof(Bucket) * SEGMENT_BUCKETS)
    segment.count = image.count
    segment.volatile_count = image.volatile_count
    segment.stash_count = image.stash_count
    segment.stashed = image.stashed
    segment.prefix = image.prefix
    segment.depth = image.depth


cdef int table_split(Table *table, Segment *segment) noexcept nogil:
    """The segment keeps the lower half of its hashes, a new one gets the upper half."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef Segment lower
    cdef Segment *upper
    cdef uint64_t hash
    cdef int i, count, depth = segment.depth
    if depth >= MAX_DEPTH or not vector_reserve(table):
        return -1
    if depth == <int> table.directory.depth and directory_double(table) < 0:
        return -1
    upper = segment_new((segment.prefix << 1) | 1, depth + 1)
    if upper == NULL:
        return -1
    memset(&lower, 0, sizeof(Segment))
    lower.prefix = segment.prefix << 1
    lower.depth = depth + 1
    count = segment_entries(segment, entries)
    for i in range(count):
        hash = entry_hash(table.core.hash_key, entries[i])
        if not segment_place(upper if (hash >> (63 - depth)) & 1 else &lower, hash, entries[i]):
            free(upper)
            return -1
    lock_byte(&segment.lock)
    upper.saved = segment.saved
    segment_adopt(segment, &lower)
    table.depth_counts[depth] -= 1
    table.depth_counts[depth + 1] += 1
    vector_add(table, upper)
    directory_assign(table, upper)
    unlock_byte(&segment.lock)
    return 0


cdef Segment *buddy_to_merge(Table *table, Segment *segment) noexcept nogil:
    """The other half of what it was split from, if the two together are small; NULL otherwise."""
    cdef Segment *buddy
    cdef int depth = segment.depth
    if depth == 0:
        return NULL
    buddy = table_segment(table, (segment.prefix ^ 1) << (64 - depth))
    if buddy.depth != depth or segment.count + buddy.count >= MERGE_BELOW:
        return NULL
    return buddy


cdef bint merge_pair(Table *table, Segment *lower, Segment *upper) noexcept nogil:
    """Everything goes into `lower`; False: it cannot be, nothing has changed."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef Segment joined
    cdef int i, count
    memset(&joined, 0, sizeof(Segment))
    joined.prefix = lower.prefix >> 1
    joined.depth = lower.depth - 1
    count = segment_entries(lower, entries)
    count += segment_entries(upper, &entries[count])
    for i in range(count):
        if not segment_place(&joined, entry_hash(table.core.hash_key, entries[i]), entries[i]):
            return False
    lock_byte(&lower.lock)
    lock_byte(&upper.lock)
    if table.captured == table.core.snapshot_number and (
            (lower.saved == table.captured) != (upper.saved == table.captured)):
        unlock_byte(&upper.lock)      # the snapshot is done with one of them only
        unlock_byte(&lower.lock)
        return False
    table.depth_counts[lower.depth] -= 2
    segment_adopt(lower, &joined)
    table.depth_counts[lower.depth] += 1
    upper.alive = 0
    vector_remove(table, upper)
    directory_assign(table, lower)
    unlock_byte(&upper.lock)
    unlock_byte(&lower.lock)
    core_retire(table.core, &upper.retired)
    return True


cdef void table_merge(Table *table, Segment *segment) noexcept nogil:
    """Joins a small segment with its buddy, again and again, and shrinks the directory."""
    cdef Segment *buddy = buddy_to_merge(table, segment)
    cdef Segment *lower
    if buddy == NULL:
        return
    while buddy != NULL:
        lower = buddy if segment.prefix & 1 else segment
        if not merge_pair(table, lower, segment if lower == buddy else buddy):
            break
        segment = lower
        buddy = buddy_to_merge(table, segment)
    directory_shrink(table)


# Copies -----------------------------------------------------------------------------------------------------------


cdef int64_t entries_copy(Entry **entries, Entry **copies, int count) noexcept nogil:
    """Copies strings, without what their memory has to spare."""
    cdef int64_t held = 0
    cdef size_t size
    cdef int i, j
    for i in range(count):
        if i + AHEAD < count:
            prefetch(<char *> entries[i + AHEAD] + 32)    # half of the entries end in the next cache line
        size = entry_size(entries[i])
        copies[i] = <Entry *> malloc(size)
        if copies[i] == NULL:
            for j in range(i):
                free(copies[j])
            return -1
        memcpy(copies[i], entries[i], size)
        entry_set_fresh(copies[i], False)
        held += memory_of(copies[i])
    return held


cdef Segment *segment_copy(Segment *segment, Copied copied, void *context, int64_t *held) noexcept nogil:
    """The segment with copies of its entries, which hold so many bytes; NULL: no memory."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef Entry *copies[SEGMENT_CAPACITY]
    cdef int count = segment_entries(segment, entries)
    cdef Segment *copy = segment_new(segment.prefix, segment.depth)
    if copy == NULL:
        return NULL
    held[0] = entries_copy(entries, copies, count)
    if held[0] < 0:
        free(copy)
        return NULL
    segment_adopt(copy, segment)
    segment_refill(copy, copies)
    if copied != NULL:
        copied(context, entries, copies, count)
    return copy


cdef int directory_copy(Table *table, Table *copy) noexcept nogil:
    """The copy's segments, which lie in the vector as the table's do, get their slots; 0, or -1: no memory."""
    cdef Directory *directory = directory_new(table.directory.depth)
    cdef uint64_t i
    if directory == NULL:
        return -1
    for i in range(<uint64_t> 1 << directory.depth):
        directory.slots[i] = copy.segments[table.directory.slots[i].position]
    directory_publish(copy, directory)
    return 0


cdef int table_copy(Table *table, Table *copy, Copied copied, void *context) noexcept nogil:
    """Fills a new table with copies of what is in another, in the same places."""
    cdef Segment *segment
    cdef int64_t held
    cdef uint64_t i
    for i in range(table.segment_count):
        segment = segment_copy(table.segments[i], copied, context, &held) if vector_reserve(copy) else NULL
        if segment == NULL:
            return -1
        vector_add(copy, segment)
        copy.used_memory += held
    if table.directory != NULL and directory_copy(table, copy) < 0:
        return -1
    copy.count = table.count
    copy.volatile_count = table.volatile_count
    return 0
