# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One database's keys: lookups, changes, walking, and the protocol of readers on other threads.

Idea: directory -> segment -> bucket -> entry (`directory.pyx`, `segment.pxd`, `entry.pxd`). A lookup costs the cache
lines of a directory slot, a segment's header, a bucket and the entry.

Owner: the executor thread is the only writer. While `core.readers_active` is set it changes a segment and the entries
in it only under the segment's lock; its own lookups need none. A reader: version even -> epoch -> directory -> segment
-> lock -> is it alive and of this prefix, else again -> find, copy -> unlock -> version unchanged. So a reader sees
each entry whole, and several entries or none of several changes between version_begin and version_end. While a snapshot
is under way, it is handed what it has not yet before that changes (`snapshot.pyx`), and a string that it may be reading
is not changed in place.

Invariants: a key is in the table at most once; table.count, volatile_count and used_memory are exact sums. Whatever
needs memory gets it before anything is changed. Limits: keys and values below 4 GiB each.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, memset
from mtredis.keyspace.core cimport core_new_clock
from mtredis.keyspace.due cimport due_move, entry_due
from mtredis.keyspace.directory cimport memory_of, table_merge, table_open, table_split
from mtredis.keyspace.entry cimport (
    FRESH, HAS_EXPIRE, INTEGER, RAW, TYPE_MASK, TYPE_STRING, entry_clock, entry_copy, entry_expire, entry_has_expire,
    entry_int, entry_is_expired, entry_is_int, entry_is_string, entry_key, entry_key_length, entry_key_offset,
    entry_memory, entry_new, entry_set_int, entry_set_value_length, entry_size, entry_string, entry_value,
    entry_write_header,
)
from mtredis.keyspace.segment cimport (
    ELSEWHERE, HOME_BUCKETS, SEGMENT_BUCKETS, SEGMENT_CAPACITY, TAKEN, Bucket, entry_hash, home_of, lowest_bit,
    prefetch, prefix_of, segment_find, segment_place, segment_remove,
)
from mtredis.keyspace.sizes cimport size_of, sizes_move
from mtredis.keyspace.snapshot cimport snapshot_admit, snapshot_claim, snapshot_guards, snapshot_takes
from mtredis.lib.atomics cimport fence, fence_acquire, load_pointer, load_u64, lock_byte, store_u64, unlock_byte
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_from_text

cdef enum:
    LENGTH_MAX = 0xffffffff
    SPARE_MAX = 1048576        # a string that grows is given as much again as it is long, up to this
    RANDOM_TRIES = 20000       # draws before table_random gives up being exactly fair

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(void *pointer) noexcept


# Lookups --------------------------------------------------------------------------------------------------------


cdef void table_prefetch(Table *table, uint64_t hash) noexcept nogil:
    """Starts loading the segment's header."""
    if table.directory != NULL:
        prefetch(table_segment(table, hash))


cdef void table_prefetch_bucket(Table *table, uint64_t hash) noexcept nogil:
    """Starts loading the home bucket."""
    cdef Segment *segment = table_segment(table, hash)
    if segment != NULL:
        prefetch(&segment.buckets[home_of(hash, segment.depth)])


cdef void table_prefetch_entry(Table *table, uint64_t hash) noexcept nogil:
    """Starts loading the entries in the home bucket whose tag fits."""
    cdef Segment *segment = table_segment(table, hash)
    cdef Bucket *bucket
    cdef int i
    if segment == NULL:
        return
    bucket = &segment.buckets[home_of(hash, segment.depth)]
    for i in range(7):
        if bucket.tags[i] == <uint8_t> hash:
            prefetch(bucket.entries[i])


cdef Entry *table_find(Table *table, uint64_t hash, const char *key, size_t length) noexcept nogil:
    """The entry of the key, expired or not; NULL: missing."""
    cdef Entry **slot = find_slot(table, hash, key, length)
    return slot[0] if slot != NULL else NULL


cdef inline Entry **find_slot(Table *table, uint64_t hash, const char *key, size_t length) noexcept nogil:
    cdef Segment *segment = table_segment(table, hash)
    if segment == NULL:
        return NULL
    return segment_find(segment, hash, key, length)


# Changes --------------------------------------------------------------------------------------------------------


cdef Segment *table_write_lock(Table *table, uint64_t hash) noexcept nogil:
    """Keeps readers out of the segment of `hash`; NULL: there are no readers, nothing was locked."""
    cdef Segment *segment
    if not table.core.readers_active:
        return NULL
    segment = table_segment(table, hash)
    if segment != NULL:
        lock_byte(&segment.lock)
    return segment


cdef void table_write_unlock(Segment *segment) noexcept nogil:
    """Lets readers in again."""
    if segment != NULL:
        unlock_byte(&segment.lock)


cdef int insert(Table *table, uint64_t hash, Entry *entry) noexcept nogil:
    """Puts in an entry whose key is not there: 1, or NO_MEMORY and the entry is still the caller's."""
    cdef Segment *segment
    cdef Segment *locked
    cdef bint placed
    if table.directory == NULL and table_open(table) < 0:
        return NO_MEMORY
    while True:
        segment = table_segment(table, hash)
        locked = table_write_lock(table, hash)
        if locked != NULL:
            snapshot_admit(table, segment, entry)
        placed = segment_place(segment, hash, entry)
        table_write_unlock(locked)
        if placed:
            break
        if table_split(table, segment) < 0:
            return NO_MEMORY
    table.count += 1
    table.used_memory += entry_memory(entry)
    if entry_has_expire(entry):
        table.volatile_count += 1
    sizes_move(NULL, size_of(table, entry))
    due_move(table, hash, -1, entry_due(entry))
    return 1


cdef void count_volatile(Table *table, uint64_t hash, int change) noexcept nogil:
    if change:
        table.volatile_count += change
        table_segment(table, hash).volatile_count += change


cdef void replace(Table *table, uint64_t hash, Entry **slot, Entry *fresh) noexcept nogil:
    """Puts another entry with the same key into the slot and disposes of the old one."""
    cdef Entry *old = slot[0]
    cdef Segment *locked
    cdef bint is_taken = False
    table.used_memory += entry_memory(fresh) - entry_memory(old)
    count_volatile(table, hash, <int> entry_has_expire(fresh) - <int> entry_has_expire(old))
    sizes_move(size_of(table, old), size_of(table, fresh))
    due_move(table, hash, entry_due(old), entry_due(fresh))
    locked = table_write_lock(table, hash)
    if locked != NULL:
        snapshot_admit(table, locked, fresh)
        is_taken = snapshot_takes(table, locked, old)
    slot[0] = fresh
    table_write_unlock(locked)
    if not is_taken:
        core_release(table.core, old)


cdef inline size_t key_offset(size_t key_length, size_t value_length, int64_t expire_at) noexcept nogil:
    """Where an entry's key begins that is laid out for these."""
    return 8 + (8 if expire_at != -1 else 0) + (8 if key_length > 255 or value_length >= (1 << 24) else 0)


cdef inline bint fits_in_place(Entry *entry, size_t size) noexcept nogil:
    """Does a string of `size` bytes in all fit into this one's memory without wasting half of it?"""
    cdef size_t usable
    if not entry_is_string(entry):
        return False
    if size == entry_size(entry):
        return True
    usable = malloc_usable_size(entry)
    return size <= usable and (usable <= 64 or size * 2 >= usable)


cdef int store(Table *table, uint64_t hash, const char *key, size_t key_length, uint32_t flags, const char *value,
               size_t value_length, int64_t expire_at, int mode) noexcept nogil:
    """Upsert of anything; in place where the memory suits."""
    cdef Entry **slot
    cdef Entry *entry
    cdef Entry *fresh
    cdef size_t offset, length
    cdef uint64_t *size
    cdef Segment *locked
    if key_length > LENGTH_MAX or value_length > LENGTH_MAX:
        return TOO_LONG
    slot = find_slot(table, hash, key, key_length)
    if slot == NULL:
        if mode & SET_KEEP_TTL:
            expire_at = -1
        fresh = entry_new(flags, core_new_clock(table.core), expire_at, key, key_length, value_length, 0)
        if fresh == NULL:
            return NO_MEMORY
        memcpy(entry_value(fresh, &length), value, value_length)
        if insert(table, hash, fresh) < 0:
            free(fresh)
            return NO_MEMORY
        return 1
    entry = slot[0]
    if mode & SET_KEEP_TTL:
        expire_at = entry_expire(entry)
    offset = key_offset(key_length, value_length, expire_at)
    if (flags & TYPE_MASK) == TYPE_STRING and fits_in_place(entry, offset + key_length + value_length) \
            and not snapshot_guards(table, table_segment(table, hash), entry):
        count_volatile(table, hash, <int> (expire_at != -1) - <int> entry_has_expire(entry))
        size = size_of(table, entry)
        locked = table_write_lock(table, hash)
        if offset != entry_key_offset(entry):
            memmove(<char *> entry + offset, <char *> entry + entry_key_offset(entry), key_length)
        entry_write_header(entry, flags | (entry.head & FRESH), entry_clock(entry), expire_at, key_length, value_length)
        memcpy(<char *> entry + offset + key_length, value, value_length)
        entry_touch(table.core, entry, &table.core.random)
        table_write_unlock(locked)
        sizes_move(size, size_of(table, entry))
        return 0
    fresh = entry_new(flags, entry_clock(entry), expire_at, key, key_length, value_length, 0)
    if fresh == NULL:
        return NO_MEMORY
    memcpy(entry_value(fresh, &length), value, value_length)
    entry_touch(table.core, fresh, &table.core.random)
    replace(table, hash, slot, fresh)
    return 0


cdef int table_set_string(Table *table, uint64_t hash, const char *key, size_t key_length, const char *value,
                          size_t value_length, int64_t expire_at, int mode) noexcept nogil:
    """Upsert of a string, kept as a number if it is one; 1: created, 0: replaced."""
    cdef int64_t number
    if mode & SET_RAW:
        return store(table, hash, key, key_length, RAW, value, value_length, expire_at, mode)
    if value_length <= INTEGER_TEXT_SIZE and not (mode & SET_PLAIN) and integer_from_text(value, value_length, &number):
        return store(table, hash, key, key_length, INTEGER, <char *> &number, 8, expire_at, mode)
    return store(table, hash, key, key_length, TYPE_STRING, value, value_length, expire_at, mode)


cdef int table_set_int(Table *table, uint64_t hash, const char *key, size_t key_length, int64_t value,
                       int64_t expire_at, int mode) noexcept nogil:
    """Upsert of a number; 1: created, 0: replaced."""
    return store(table, hash, key, key_length, INTEGER, <char *> &value, 8, expire_at, mode)


cdef int table_set_word(Table *table, uint64_t hash, const char *key, size_t key_length, int type, Word word,
                        int64_t expire_at) noexcept nogil:
    """Upsert of a collection; its value is the table's on success."""
    return store(table, hash, key, key_length, type, <char *> &word, sizeof(Word), expire_at, 0)


cdef int table_increment(Table *table, uint64_t hash, const char *key, size_t key_length, int64_t delta,
                         int64_t *result) noexcept nogil:
    """Adds to the number under the key; a missing key counts as 0."""
    cdef Entry *entry = table_find(table, hash, key, key_length)
    cdef int64_t value = 0
    cdef uint64_t *size
    cdef size_t length
    cdef char *text
    cdef Segment *locked
    cdef int code
    if entry != NULL:
        if not entry_is_string(entry):
            return WRONG_TYPE
        if entry_is_int(entry):
            value = entry_int(entry)
        else:
            text = entry_value(entry, &length)
            if length > INTEGER_TEXT_SIZE or not integer_from_text(text, length, &value):
                return NOT_INTEGER
    if (delta > 0 and value > <int64_t> 0x7fffffffffffffff - delta) or \
            (delta < 0 and value < -<int64_t> 0x7fffffffffffffff - 1 - delta):
        return OVERFLOW
    value += delta
    if entry != NULL and entry_is_int(entry) and not snapshot_guards(table, table_segment(table, hash), entry):
        size = size_of(table, entry)
        locked = table_write_lock(table, hash)
        entry_set_int(entry, value)
        entry_touch(table.core, entry, &table.core.random)
        table_write_unlock(locked)
        sizes_move(size, size_of(table, entry))
    else:
        code = table_set_int(table, hash, key, key_length, value, -1, SET_KEEP_TTL)
        if code < 0:
            return code
    result[0] = value
    return 0


cdef void write_range(char *target, size_t old_length, uint64_t offset, const char *data, size_t length) noexcept nogil:
    """The bytes of the patch, and zeros between the old end and its start."""
    if offset > old_length:
        memset(target + old_length, 0, offset - old_length)
    memcpy(target + offset, data, length)


cdef int64_t table_write_range(Table *table, uint64_t hash, const char *key, size_t key_length, uint64_t offset,
                               const char *data, size_t length) noexcept nogil:
    """Writes into a string, which grows as needed and becomes "raw"; the new length."""
    cdef Entry **slot = find_slot(table, hash, key, key_length)
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef const char *old
    cdef size_t old_length, new_length = offset + length, unused
    cdef Entry *fresh
    if new_length > LENGTH_MAX or key_length > LENGTH_MAX:
        return TOO_LONG
    if slot == NULL:
        fresh = entry_new(RAW, core_new_clock(table.core), -1, key, key_length, new_length, 0)
        if fresh == NULL:
            return NO_MEMORY
        write_range(entry_value(fresh, &unused), 0, offset, data, length)
        if insert(table, hash, fresh) < 0:
            free(fresh)
            return NO_MEMORY
        return new_length
    if not entry_is_string(slot[0]):
        return WRONG_TYPE
    old = entry_string(slot[0], digits, &old_length)
    if new_length < old_length:
        new_length = old_length
    if not entry_is_int(slot[0]) and entry_key_offset(slot[0]) == key_offset(
            key_length, new_length, entry_expire(slot[0])) and not snapshot_guards(
            table, table_segment(table, hash), slot[0]):
        if extend(table, hash, slot, old_length, new_length, offset, data, length) < 0:
            return NO_MEMORY
        return new_length
    fresh = entry_new(RAW, entry_clock(slot[0]), entry_expire(slot[0]), key, key_length, new_length,
                      spare(new_length) if new_length > old_length else 0)
    if fresh == NULL:
        return NO_MEMORY
    memcpy(entry_value(fresh, &unused), old, old_length)
    write_range(entry_value(fresh, &unused), old_length, offset, data, length)
    entry_touch(table.core, fresh, &table.core.random)
    replace(table, hash, slot, fresh)
    return new_length


cdef inline size_t spare(size_t length) noexcept nogil:
    return length if length < SPARE_MAX else SPARE_MAX


cdef int extend(Table *table, uint64_t hash, Entry **slot, size_t old_length, size_t new_length, uint64_t offset,
                const char *data, size_t length) noexcept nogil:
    """write_range on an entry whose layout stays; the allocator may move it. 0 or NO_MEMORY."""
    cdef Entry *entry = slot[0]
    cdef size_t head = entry_key_offset(entry) + entry_key_length(entry)
    cdef size_t usable = malloc_usable_size(entry)
    cdef uint64_t *size
    cdef Segment *locked = table_write_lock(table, hash)
    if head + new_length > usable:
        entry = <Entry *> realloc(entry, head + new_length + spare(new_length))
        if entry == NULL:
            table_write_unlock(locked)
            return NO_MEMORY
        slot[0] = entry
        table.used_memory += memory_of(entry) - (usable + 8)
    size = size_of(table, entry)
    write_range(<char *> entry + head, old_length, offset, data, length)
    entry_set_value_length(entry, new_length)
    entry.head |= RAW
    sizes_move(size, size_of(table, entry))
    entry_touch(table.core, entry, &table.core.random)
    table_write_unlock(locked)
    return 0


cdef int table_put(Table *table, uint64_t hash, Entry *entry) noexcept nogil:
    """Puts a ready entry under its key; the table owns it on success. 1: created, 0: replaced."""
    cdef size_t length
    cdef char *key = entry_key(entry, &length)
    cdef Entry **slot = find_slot(table, hash, key, length)
    if slot == NULL:
        return insert(table, hash, entry)
    replace(table, hash, slot, entry)
    return 0


cdef Entry *take(Table *table, uint64_t hash, const char *key, size_t length, bint *is_taken) noexcept nogil:
    """Takes the entry out; it is the caller's then, unless the snapshot has taken it. NULL: missing."""
    cdef Segment *segment = table_segment(table, hash)
    cdef Entry **slot
    cdef Entry *entry
    cdef Segment *locked
    if segment == NULL:
        return NULL
    slot = segment_find(segment, hash, key, length)
    if slot == NULL:
        return NULL
    entry = slot[0]
    table.count -= 1
    table.used_memory -= entry_memory(entry)
    if entry_has_expire(entry):
        table.volatile_count -= 1
    sizes_move(size_of(table, entry), NULL)
    due_move(table, hash, entry_due(entry), -1)
    locked = table_write_lock(table, hash)
    segment_remove(segment, slot)
    is_taken[0] = locked != NULL and snapshot_takes(table, segment, entry)
    table_write_unlock(locked)
    if segment.count < SEGMENT_CAPACITY // 4 and (segment.count & 7) == 0:
        table_merge(table, segment)
    return entry


cdef Entry *table_take(Table *table, uint64_t hash, const char *key, size_t length) noexcept nogil:
    """Takes the entry out; it is the caller's then. NULL: missing."""
    cdef Entry *entry
    cdef bint is_taken
    if table.captured == table.core.snapshot_number:
        entry = table_find(table, hash, key, length)
        if entry != NULL:
            snapshot_claim(table, table_segment(table, hash), entry)
    return take(table, hash, key, length, &is_taken)


cdef int table_delete(Table *table, uint64_t hash, const char *key, size_t length) noexcept nogil:
    """1: the key was there and is gone; 0: it was not."""
    cdef bint is_taken
    cdef Entry *entry = take(table, hash, key, length, &is_taken)
    if entry == NULL:
        return 0
    if not is_taken:
        core_release(table.core, entry)
    return 1


cdef int set_expire_in_copy(Table *table, uint64_t hash, Entry **slot, int64_t expire_at) noexcept nogil:
    """Replaces the entry by one with that time to live. 1, or NO_MEMORY."""
    cdef size_t length
    cdef char *key = entry_key(slot[0], &length)
    cdef Entry *fresh = entry_copy(slot[0], key, length, expire_at)
    if fresh == NULL:
        return NO_MEMORY
    replace(table, hash, slot, fresh)
    return 1


cdef int table_set_expire(Table *table, uint64_t hash, const char *key, size_t length,
                          int64_t expire_at) noexcept nogil:
    """Sets (-1: removes) the time to live. 1: done, 0: missing."""
    cdef Entry **slot = find_slot(table, hash, key, length)
    cdef Entry *entry
    cdef size_t size, usable, old_offset, new_offset
    cdef Segment *locked
    cdef int change
    if slot == NULL:
        return 0
    entry = slot[0]
    if snapshot_guards(table, table_segment(table, hash), entry):
        if entry_is_string(entry):
            return set_expire_in_copy(table, hash, slot, expire_at)
        snapshot_claim(table, table_segment(table, hash), entry)
    change = <int> (expire_at != -1) - <int> entry_has_expire(entry)
    size = entry_size(entry)
    old_offset = entry_key_offset(entry)
    new_offset = old_offset + 8 * change
    locked = table_write_lock(table, hash)
    if change > 0:
        usable = malloc_usable_size(entry)
        if size + 8 > usable:
            entry = <Entry *> realloc(entry, size + 8)
            if entry == NULL:
                table_write_unlock(locked)
                return NO_MEMORY
            slot[0] = entry
            table.used_memory += memory_of(entry) - (usable + 8)
    if change:
        memmove(<char *> entry + new_offset, <char *> entry + old_offset, size - old_offset)
        entry.head ^= HAS_EXPIRE
    if expire_at != -1:
        memcpy(<char *> entry + new_offset - 8, &expire_at, 8)
    table_write_unlock(locked)
    count_volatile(table, hash, change)
    return 1


# Walking --------------------------------------------------------------------------------------------------------


cdef int scan_bucket(const uint64_t *hash_key, Segment *segment, int bucket_index, int home, uint64_t position,
                     Entry **out, int count) noexcept nogil:
    """Adds the entries of one bucket that belong to `home` and lie at or after `position`."""
    cdef Bucket *bucket = &segment.buckets[bucket_index]
    cdef unsigned int taken = bucket.meta & TAKEN
    cdef Entry *entry
    cdef uint64_t hash
    while taken:
        entry = bucket.entries[lowest_bit(taken)]
        taken &= taken - 1
        hash = entry_hash(hash_key, entry)
        if hash >= position and home_of(hash, segment.depth) == home:
            out[count] = entry
            count += 1
    return count


cdef int table_scan(Table *table, uint64_t position, Entry **out, uint64_t *next) noexcept nogil:
    """The entries from `position` to the end of its home bucket, which is the unit of SCAN.

    A position is a hash, so it means the same after any split or merge: each key that is there all the time is met
    exactly once.
    """
    cdef Segment *segment = table_segment(table, position)
    cdef int home, i, depth, count
    cdef const uint64_t *hash_key
    next[0] = 0
    if segment == NULL:
        return 0
    depth = segment.depth
    if segment.count == 0:
        next[0] = (segment.prefix + 1) << (64 - depth) if depth else 0
        return 0
    home = home_of(position, depth)
    next[0] = ((position >> (58 - depth)) + 1) << (58 - depth)
    hash_key = table.core.hash_key
    count = scan_bucket(hash_key, segment, home, home, position, out, 0)
    if segment.buckets[home].meta & ELSEWHERE:
        count = scan_bucket(hash_key, segment, (home + 1) & (HOME_BUCKETS - 1), home, position, out, count)
        if (segment.stashed >> home) & 1:
            for i in range(HOME_BUCKETS, SEGMENT_BUCKETS):
                count = scan_bucket(hash_key, segment, i, home, position, out, count)
    return count


cdef Entry *table_random(Table *table, uint64_t *random) noexcept nogil:
    """One entry, each with the same probability: draw a slot of a segment until one is taken. NULL: empty."""
    cdef uint64_t draw
    cdef Segment *segment
    cdef Bucket *bucket
    cdef uint32_t place
    cdef int i, j
    if table.count == 0:
        return NULL
    for i in range(RANDOM_TRIES):
        draw = next_random(random)
        segment = table.segments[((draw >> 32) * table.segment_count) >> 32]
        place = <uint32_t> ((<uint64_t> <uint32_t> draw * <uint64_t> SEGMENT_CAPACITY) >> 32)
        bucket = &segment.buckets[place // 7]
        if (bucket.meta >> (place % 7)) & 1:
            return bucket.entries[place % 7]
    draw = next_random(random) >> 32
    for i in range(<int> table.segment_count):    # nearly empty segments that could not merge: whoever is nearest
        segment = table.segments[(draw + i) % table.segment_count]
        for j in range(SEGMENT_BUCKETS):
            if segment.buckets[j].meta & TAKEN:
                return segment.buckets[j].entries[lowest_bit(segment.buckets[j].meta & TAKEN)]
    return NULL


# Readers on other threads -----------------------------------------------------------------------------------------


cdef int leave(Core *core, Read *read, int code) noexcept nogil:
    """Ends a read that holds no lock: `code` if all that was seen is of one piece."""
    cdef bint whole
    fence_acquire()
    whole = load_u64(&core.version) == read.version
    store_u64(&core.readers[read.slot].epoch, 0)
    return code if whole else READ_RETRY


cdef int reader_find(Core *core, int slot, int database, uint64_t hash, const char *key, size_t length, int64_t now,
                     Entry **entry, Read *read) noexcept nogil:
    """READ_FOUND with the segment locked until reader_done; or READ_MISSING, READ_RETRY with nothing held."""
    cdef Table *table
    cdef Directory *directory
    cdef Segment *segment
    cdef Entry **place
    read.slot = slot
    read.version = load_u64(&core.version)
    if read.version & 1:
        return READ_RETRY
    store_u64(&core.readers[slot].epoch, load_u64(&core.epoch))
    fence()
    table = <Table *> load_pointer(<void **> &core.tables[database])
    while True:
        directory = <Directory *> load_pointer(<void **> &table.directory)
        if directory == NULL:
            return leave(core, read, READ_MISSING)
        segment = <Segment *> load_pointer(
            <void **> &directory.slots[prefix_of(hash, <int> directory.depth)])
        lock_byte(&segment.lock)
        if segment.alive and prefix_of(hash, segment.depth) == segment.prefix:
            break
        unlock_byte(&segment.lock)
    place = segment_find(segment, hash, key, length)
    if place == NULL or entry_is_expired(place[0], now):
        unlock_byte(&segment.lock)
        return leave(core, read, READ_MISSING if place == NULL else READ_RETRY)
    read.segment = segment
    entry[0] = place[0]
    return READ_FOUND


cdef bint reader_done(Core *core, Read *read) noexcept nogil:
    """Lets go; true if what was copied is of one piece."""
    unlock_byte(&read.segment.lock)
    return leave(core, read, READ_FOUND) == READ_FOUND
