# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Eviction: which keys go when memory is short, as `maxmemory-policy` says.

Idea: before each eviction a few keys of every database are drawn and offered to a pool of the 16 worst ones that is
kept from one eviction to the next; the worst of the pool goes. Drawing is fair and takes no time that grows with the
number of keys: a random place of a random segment, and from there a part of one bucket, which is a cache line of
pointers. Keys lie in buckets by their hash, so neighbours have nothing else in common.

Where there are few keys, or few with a time to live and only those may go, segments are drawn instead until one holds
such a key (`volatile_count`), and all of it is looked at; where even that finds none, the segments are walked from
where the last walk stopped. Walks cost one look at each segment, not at each key, per round through all volatile keys.

A rank depends on nothing that passes while a key waits in the pool: for LRU it is the time of the last access, not the
idle time. So a candidate with a lower rank than it had has been used meanwhile, and is spared.

Owner: the executor thread. Invariants: the pool is sorted, holds no key twice, and refers to no memory: it names a key
by database and hash, so keys, tables and databases may come and go. Memory that is freed in the background counts as
free at once (`used_memory` does not hold it), so the loop ends as soon as enough keys are gone. Limit: volatile-random
draws among rare volatile keys segment by segment, so keys that share theirs are a little less likely.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memmove
from mtredis.keyspace.core cimport core_used_memory, entry_frequency, next_random
from mtredis.keyspace.entry cimport entry_clock, entry_expire, entry_has_expire, entry_key, entry_memory
from mtredis.keyspace.segment cimport (
    BUCKET_SLOTS, ELSEWHERE, HOME_BUCKETS, SEGMENT_BUCKETS, SEGMENT_CAPACITY, Bucket, Segment, entry_hash, home_of,
    prefetch, segment_entries,
)
from mtredis.keyspace.table cimport table_delete, table_random, table_segment
from mtredis.lib.clock cimport monotonic_us

cdef enum:
    PLACE_DRAWS = 32          # random places looked at for the wanted number of keys
    SEGMENT_DRAWS = 32        # random segments looked at for one with a volatile key
    AHEAD = 8                 # segments prefetched on a walk
    RARE = 8                  # volatile keys are rare if fewer than one key in so many is one
    BIG = 65536               # bytes
    CLOCK_EVERY = 16          # evictions between two looks at the clock
    CLOCK_BITS = 0xffffff
    CLOCK_SLIP = 3600         # an access so many seconds ahead is one from before the clock was set back
    FREQUENCY_MAX = 255

ENOUGH, OUT_OF_TIME, NOTHING_LEFT = range(3)
ORDERS = {"random": BY_CHANCE, "lru": BY_IDLE_TIME, "lfu": BY_FREQUENCY, "ttl": BY_TIME_TO_LIVE}


# Drawing keys ---------------------------------------------------------------------------------------------------


cdef int draw_places(Table *table, uint64_t *random, int wanted, bint only_volatile, Entry **out) noexcept nogil:
    """Up to `wanted` keys from random places, each key with the same probability; fewer where the table is sparse."""
    cdef uint64_t draw
    cdef uint32_t place
    cdef Bucket *bucket
    cdef int i, j, slot, window, count = 0
    for i in range(PLACE_DRAWS):
        draw = next_random(random)
        place = <uint32_t> ((<uint64_t> <uint32_t> draw * <uint64_t> SEGMENT_CAPACITY) >> 32)
        bucket = &table.segments[((draw >> 32) * table.segment_count) >> 32].buckets[place // BUCKET_SLOTS]
        window = min(wanted - count, <int> BUCKET_SLOTS)
        for j in range(window):
            slot = <int> ((place + j) % BUCKET_SLOTS)
            if (bucket.meta >> slot) & 1 and (not only_volatile or entry_has_expire(bucket.entries[slot])):
                out[count] = bucket.entries[slot]
                count += 1
        if count == wanted:
            break
    return count


cdef Segment *draw_segment(Table *table, uint64_t *random, bint only_volatile, uint32_t *cursor) noexcept nogil:
    """A segment with a key that may go; the caller knows that there is one."""
    cdef Segment *segment
    cdef uint64_t i
    for i in range(SEGMENT_DRAWS):
        segment = table.segments[((next_random(random) >> 32) * table.segment_count) >> 32]
        if segment.volatile_count if only_volatile else segment.count:
            return segment
    for i in range(table.segment_count):
        prefetch(table.segments[(cursor[0] + AHEAD) % table.segment_count])
        cursor[0] = <uint32_t> ((cursor[0] + 1) % table.segment_count)
        segment = table.segments[cursor[0]]
        if segment.volatile_count if only_volatile else segment.count:
            return segment
    return table.segments[0]


cdef int draw_from_segment(Segment *segment, bint only_volatile, Entry **out) noexcept nogil:
    """All keys of a segment that may go; `out` has room for SEGMENT_CAPACITY."""
    cdef int count = segment_entries(segment, out)
    cdef int i, kept = 0
    if not only_volatile:
        return count
    for i in range(count):
        if entry_has_expire(out[i]):
            out[kept] = out[i]
            kept += 1
    return kept


# Looking a candidate up -----------------------------------------------------------------------------------------


cdef Entry *find_in_bucket(Table *table, Bucket *bucket, uint64_t hash) noexcept nogil:
    cdef int i
    for i in range(BUCKET_SLOTS):
        if (bucket.meta >> i) & 1 and bucket.tags[i] == <uint8_t> hash \
                and entry_hash(table.core.hash_key, bucket.entries[i]) == hash:
            return bucket.entries[i]
    return NULL


cdef Entry *find_hash(Table *table, uint64_t hash) noexcept nogil:
    """The key with this hash; NULL: there is none (any more)."""
    cdef Segment *segment = table_segment(table, hash)
    cdef Entry *entry
    cdef int home, i
    if segment == NULL:
        return NULL
    home = home_of(hash, segment.depth)
    entry = find_in_bucket(table, &segment.buckets[home], hash)
    if entry != NULL or not (segment.buckets[home].meta & ELSEWHERE):
        return entry
    entry = find_in_bucket(table, &segment.buckets[(home + 1) & (HOME_BUCKETS - 1)], hash)
    if entry != NULL or not ((segment.stashed >> home) & 1):
        return entry
    for i in range(HOME_BUCKETS, SEGMENT_BUCKETS):
        entry = find_in_bucket(table, &segment.buckets[i], hash)
        if entry != NULL:
            return entry
    return NULL


# ----------------------------------------------------------------------------------------------------------------


cdef class Evictor:
    """Evicts keys of one keyspace. Nothing goes before `set_policy`."""

    def __cinit__(self, Keyspace keyspace not None):
        self.keyspace = keyspace
        self.core = keyspace.core
        self.cursors = <uint32_t *> calloc(self.core.databases, sizeof(uint32_t))
        self.samples = 5
        if self.cursors == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.cursors)

    def set_policy(self, str policy, int samples):
        """Follows a `maxmemory-policy`, looking at about `samples` keys (1 to 64) of each database per eviction."""
        scope, _, order = policy.partition("-")
        self.enabled = policy != "noeviction"
        if self.enabled and (scope not in ("allkeys", "volatile") or order not in ORDERS):
            raise ValueError(policy)
        if not 1 <= samples <= 64:
            raise ValueError(samples)
        self.order = ORDERS[order] if self.enabled else BY_CHANCE
        self.only_volatile = scope == "volatile"
        self.samples = samples
        self.pooled = 0

    cdef uint64_t candidates_in(self, Table *table) noexcept nogil:
        """How many keys of a database may go."""
        return table.volatile_count if self.only_volatile else table.count

    cdef int collect(self, int database, int wanted, Entry **out) noexcept nogil:
        """About `wanted` keys of a database that may go, at least one; the caller knows that there is one."""
        cdef Table *table = self.core.tables[database]
        cdef int count = 0
        if not self.only_volatile or table.volatile_count * RARE >= table.count:
            count = draw_places(table, &self.core.random, wanted, self.only_volatile, out)
        if count < wanted:
            count = draw_from_segment(
                draw_segment(table, &self.core.random, self.only_volatile, &self.cursors[database]),
                self.only_volatile, out)
        return count

    cdef uint64_t rank_of(self, Entry *entry) noexcept nogil:
        """How soon a key should go; comparable with ranks from before, at any later time."""
        cdef uint32_t idle
        if self.order == BY_IDLE_TIME:
            idle = (self.core.clock - entry_clock(entry)) & CLOCK_BITS
            if idle > CLOCK_BITS - CLOCK_SLIP:
                idle = 0
            return (<uint64_t> 1 << 40) + idle - <uint64_t> (self.core.now // 1000)   # never below zero
        if self.order == BY_FREQUENCY:
            return FREQUENCY_MAX - entry_frequency(self.core, entry)
        return UINT64_MAX - <uint64_t> entry_expire(entry)

    # The pool ---------------------------------------------------------------------------------------------------

    cdef void add(self, uint64_t rank, uint64_t hash, int database) noexcept nogil:
        """Puts a key into the pool (again), unless that is full of keys that should go before it."""
        cdef int i
        for i in range(self.pooled):
            if self.pool[i].hash == hash and self.pool[i].database == database:
                self.discard(i)
                break
        if self.pooled == POOL_SIZE:
            if rank <= self.pool[0].rank:
                return
            self.discard(0)
        i = self.pooled
        while i > 0 and self.pool[i - 1].rank >= rank:
            self.pool[i] = self.pool[i - 1]
            i -= 1
        self.pool[i].rank, self.pool[i].hash, self.pool[i].database = rank, hash, database
        self.pooled += 1

    cdef void discard(self, int position) noexcept nogil:
        self.pooled -= 1
        memmove(&self.pool[position], &self.pool[position + 1], (self.pooled - position) * sizeof(Candidate))

    cdef bint fill(self) noexcept nogil:
        """Offers some keys of every database to the pool; false: there is no key that may go."""
        cdef Entry *drawn[SEGMENT_CAPACITY]
        cdef uint64_t rank
        cdef bint is_any = False
        cdef int database, i, count
        for database in range(self.core.databases):
            if self.candidates_in(self.core.tables[database]) == 0:
                continue
            is_any = True
            count = self.collect(database, self.samples, drawn)
            for i in range(count):
                prefetch(drawn[i])
            for i in range(count):
                rank = self.rank_of(drawn[i])
                if self.pooled < POOL_SIZE or rank > self.pool[0].rank:
                    self.add(rank, entry_hash(self.core.hash_key, drawn[i]), database)
        return is_any

    cdef Entry *take_best(self, int *database) noexcept nogil:
        """The key of the pool that should go first, out of the pool; NULL: none of the pool is worth it any more."""
        cdef Entry *entry
        cdef Candidate *best
        while self.pooled:
            self.pooled -= 1
            best = &self.pool[self.pooled]
            entry = find_hash(self.core.tables[best.database], best.hash)
            if entry == NULL or (self.only_volatile and not entry_has_expire(entry)):
                continue
            if self.rank_of(entry) >= best.rank:
                database[0] = best.database
                return entry
        return NULL

    # Evicting ---------------------------------------------------------------------------------------------------

    cdef Entry *take_any(self, int *database) noexcept nogil:
        """A random key of the next database that has one; NULL: none has."""
        cdef Entry *drawn[SEGMENT_CAPACITY]
        cdef Table *table
        cdef int i, count
        for i in range(self.core.databases):
            self.next_database = (self.next_database + 1) % self.core.databases
            table = self.core.tables[self.next_database]
            if self.candidates_in(table):
                database[0] = self.next_database
                if not self.only_volatile:
                    return table_random(table, &self.core.random)
                count = self.collect(self.next_database, 1, drawn)
                return drawn[((next_random(&self.core.random) >> 32) * count) >> 32]
        return NULL

    cdef Entry *choose(self, int *database) noexcept nogil:
        """The next key to go; NULL: there is none."""
        cdef Entry *entry
        if self.order == BY_CHANCE:
            return self.take_any(database)
        while self.fill():
            entry = self.take_best(database)
            if entry != NULL:
                return entry
        return NULL

    cdef int evict(self, Entry *entry, int database) except -1:
        """The key is gone, counted, and made known."""
        cdef size_t length
        cdef char *key = entry_key(entry, &length)
        cdef bytes name = PyBytes_FromStringAndSize(key, length) if self.on_evicted is not None else None
        cdef size_t memory = entry_memory(entry)
        if memory > BIG:
            self.evicted_big += memory
        table_delete(self.core.tables[database], entry_hash(self.core.hash_key, entry), key, length)
        self.evicted += 1
        if name is not None:
            self.on_evicted(database, name)
        return 0

    cpdef int run(self, uint64_t limit, int64_t budget_us) except -1:
        """Evicts until the data take at most `limit` bytes: ENOUGH, OUT_OF_TIME (budget_us -1: never), NOTHING_LEFT."""
        cdef int64_t start = monotonic_us()
        cdef int database = 0, count = 0
        cdef Entry *entry
        while core_used_memory(self.core) > limit:
            entry = self.choose(&database) if self.enabled else NULL
            if entry == NULL:
                return NOTHING_LEFT
            self.evict(entry, database)
            count += 1
            if count % CLOCK_EVERY == 0 and 0 <= budget_us < monotonic_us() - start:
                return OUT_OF_TIME
        return ENOUGH

    # For tests and whoever is curious ---------------------------------------------------------------------------

    def candidates(self):
        """The pool: (database, key) of those that are still there, the one that goes first at the end."""
        cdef list found = []
        cdef Entry *entry
        cdef size_t length
        cdef char *key
        cdef int i
        for i in range(self.pooled):
            entry = find_hash(self.core.tables[self.pool[i].database], self.pool[i].hash)
            if entry != NULL:
                key = entry_key(entry, &length)
                found.append((self.pool[i].database, PyBytes_FromStringAndSize(key, length)))
        return found

    def draw(self, int database):
        """The keys that one drawing from a database finds."""
        cdef Entry *drawn[SEGMENT_CAPACITY]
        cdef size_t length
        cdef char *key
        cdef list found = []
        cdef int i
        if not 0 <= database < self.core.databases:
            raise IndexError(database)
        if self.candidates_in(self.core.tables[database]):
            for i in range(self.collect(database, self.samples, drawn)):
                key = entry_key(drawn[i], &length)
                found.append(PyBytes_FromStringAndSize(key, length))
        return found
