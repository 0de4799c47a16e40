# cython: freethreading_compatible=True
"""A segment: one small hash table of up to 490 entries. Inline functions on its buckets; no locks are taken here.

Idea: 64 home buckets and 6 stash buckets, each one cache line: 7 one-byte tags, a byte that says which slots are taken,
7 pointers. The home of a hash is the 6 bits below the segment's prefix, so (segment, bucket) order is hash order at any
depth. An entry lies in its home, else in the next bucket (wrapping), else in the stash; bit 7 of the home's `meta` says
that some entry lies elsewhere, and the home's bit in `stashed` that some lies in the stash, so a search of a key that
is not there usually ends after one cache line. Both marks stay until the segment is rebuilt or its stash is empty.

Owner: the executor; what a reader may do: `table.pyx`.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from mtredis.keyspace.entry cimport Entry, entry_has_expire, entry_has_key, entry_key
from mtredis.lib.siphash cimport siphash13

cdef extern from *:
    """
    #define mt_lowest_bit(x) __builtin_ctzll(x)
    #define mt_bits(x) __builtin_popcountll(x)
    #define mt_prefetch(p) __builtin_prefetch(p)
    """
    int lowest_bit "mt_lowest_bit"(uint64_t word) noexcept nogil
    int bits "mt_bits"(uint64_t word) noexcept nogil
    void prefetch "mt_prefetch"(const void *address) noexcept nogil

cdef enum:
    BUCKET_SLOTS = 7
    HOME_BUCKETS = 64
    SEGMENT_BUCKETS = 70       # the last 6 are the stash
    SEGMENT_CAPACITY = 490
    ELSEWHERE = 0x80           # in Bucket.meta
    TAKEN = 0x7f

cdef struct Retired:       # the first field of what readers may still look at after it was replaced
    Retired *next
    uint64_t epoch

cdef struct Bucket:        # one cache line
    uint8_t tags[7]        # the low 8 bits of the hash
    uint8_t meta           # bits 0 to 6: the slot is taken; bit 7: ELSEWHERE
    Entry *entries[7]

cdef struct Segment:
    Retired retired
    uint64_t prefix        # the top `depth` bits of every hash in here
    uint64_t stashed       # bit b: an entry with home b may lie in the stash
    uint32_t position      # in table.segments
    uint32_t count
    uint32_t volatile_count
    uint32_t stash_count
    uint8_t lock
    uint8_t depth
    uint8_t alive
    uint32_t saved         # number of the last snapshot that is done with it
    uint8_t padding[8]
    Bucket buckets[70]

cdef inline int home_of(uint64_t hash, int depth) noexcept nogil:
    return <int> ((hash << depth) >> 58)

cdef inline uint64_t prefix_of(uint64_t hash, int depth) noexcept nogil:
    return (hash >> 1) >> (63 - depth)

cdef inline uint64_t entry_hash(const uint64_t *hash_key, Entry *entry) noexcept nogil:
    cdef size_t length
    cdef char *key = entry_key(entry, &length)
    return siphash13(hash_key, key, length)

cdef inline Entry **bucket_find(Bucket *bucket, uint8_t tag, const char *key, size_t length) noexcept nogil:
    """All 7 tags are compared at once: a byte of `difference` is 0 where the tag is equal."""
    cdef uint64_t word = (<uint64_t *> bucket)[0]
    cdef uint64_t difference = word ^ (<uint64_t> 0x0001010101010101 * tag)
    cdef uint64_t matches = (difference - <uint64_t> 0x0001010101010101) & ~difference & <uint64_t> 0x0080808080808080
    cdef int i
    while matches:
        i = lowest_bit(matches) >> 3
        if (word >> (56 + i)) & 1 and entry_has_key(bucket.entries[i], key, length):
            return &bucket.entries[i]
        matches &= matches - 1
    return NULL

cdef inline Entry **segment_find(Segment *segment, uint64_t hash, const char *key, size_t length) noexcept nogil:
    """The slot of the key; NULL: not here."""
    cdef int home = home_of(hash, segment.depth)
    cdef uint8_t tag = <uint8_t> hash
    cdef Bucket *bucket = &segment.buckets[home]
    cdef Entry **slot = bucket_find(bucket, tag, key, length)
    cdef int i
    if slot != NULL or not (bucket.meta & ELSEWHERE):
        return slot
    slot = bucket_find(&segment.buckets[(home + 1) & (HOME_BUCKETS - 1)], tag, key, length)
    if slot != NULL or not ((segment.stashed >> home) & 1):
        return slot
    for i in range(HOME_BUCKETS, SEGMENT_BUCKETS):
        slot = bucket_find(&segment.buckets[i], tag, key, length)
        if slot != NULL:
            return slot
    return NULL

cdef inline bint bucket_place(Bucket *bucket, uint8_t tag, Entry *entry) noexcept nogil:
    cdef unsigned int vacant = ~bucket.meta & TAKEN
    cdef int i
    if vacant == 0:
        return False
    i = lowest_bit(vacant)
    bucket.tags[i] = tag
    bucket.entries[i] = entry
    bucket.meta |= <uint8_t> (1 << i)
    return True

cdef inline bint segment_place(Segment *segment, uint64_t hash, Entry *entry) noexcept nogil:
    """Puts an entry in whose key is not there; False: full, nothing has changed that a search would notice."""
    cdef int home = home_of(hash, segment.depth)
    cdef uint8_t tag = <uint8_t> hash
    cdef Bucket *bucket = &segment.buckets[home]
    cdef int i
    if not bucket_place(bucket, tag, entry):
        bucket.meta |= ELSEWHERE
        if not bucket_place(&segment.buckets[(home + 1) & (HOME_BUCKETS - 1)], tag, entry):
            for i in range(HOME_BUCKETS, SEGMENT_BUCKETS):
                if bucket_place(&segment.buckets[i], tag, entry):
                    segment.stashed |= <uint64_t> 1 << home
                    segment.stash_count += 1
                    break
            else:
                return False
    segment.count += 1
    if entry_has_expire(entry):
        segment.volatile_count += 1
    return True

cdef inline void segment_remove(Segment *segment, Entry **slot) noexcept nogil:
    """Empties a slot that segment_find found (the entry itself is the caller's)."""
    cdef size_t offset = <size_t> (<char *> slot - <char *> &segment.buckets[0])
    cdef size_t index = offset >> 6
    cdef Bucket *bucket = &segment.buckets[index]
    bucket.meta &= <uint8_t> ~(1 << (slot - &bucket.entries[0]))
    if entry_has_expire(slot[0]):
        segment.volatile_count -= 1
    segment.count -= 1
    slot[0] = NULL
    if index >= HOME_BUCKETS:
        segment.stash_count -= 1
        if segment.stash_count == 0:
            segment.stashed = 0

cdef inline void segment_refill(Segment *segment, Entry **entries) noexcept nogil:
    """Other entries with the same keys take the places of those that segment_entries gives, in its order."""
    cdef int i, n = 0
    cdef unsigned int taken
    cdef Bucket *bucket
    for i in range(SEGMENT_BUCKETS):
        bucket = &segment.buckets[i]
        taken = bucket.meta & TAKEN
        while taken:
            bucket.entries[lowest_bit(taken)] = entries[n]
            n += 1
            taken &= taken - 1

cdef inline int segment_entries(Segment *segment, Entry **out) noexcept nogil:
    """Every entry, prefetched, into `out` (room for SEGMENT_CAPACITY); their number."""
    cdef int i, n = 0
    cdef unsigned int taken
    cdef Bucket *bucket
    for i in range(SEGMENT_BUCKETS):
        bucket = &segment.buckets[i]
        taken = bucket.meta & TAKEN
        while taken:
            out[n] = bucket.entries[lowest_bit(taken)]
            prefetch(out[n])
            n += 1
            taken &= taken - 1
    return n
