# cython: freethreading_compatible=True
"""What all tables of a keyspace share: version, clock, hash key, readers' slots, memory to be freed. See `core.pyx`."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from mtredis.keyspace.encoding.ordered cimport Ordered
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.segment cimport Retired, Segment
from mtredis.keyspace.value cimport Limits, Word
from mtredis.lib.atomics cimport compare_exchange_pointer, load_pointer
from mtredis.lib.siphash cimport siphash13

cdef enum:
    READER_SLOTS = 128     # of workers; one more is the snapshot's
    SNAPSHOT_SLOT = 128

    WORKERS_READ = 1       # bits of Core.readers_active
    SNAPSHOT_READS = 2

    NO_SNAPSHOT = 0xffffffff

cdef struct Core

cdef struct Directory:
    Retired retired
    uint64_t depth
    Segment *slots[1]      # 2 ** depth of them

cdef struct Table:
    Directory *directory   # NULL: no segment yet
    Core *core
    Segment **segments     # every segment once, in no order
    uint64_t segment_count
    uint64_t segment_capacity
    uint64_t count
    uint64_t volatile_count
    uint64_t used_memory   # bytes of entries, segments and directory, the allocator's overhead included
    uint32_t expire_cursor # the next segment of the active expiry
    uint32_t captured      # number of the last snapshot that it is part of; 0: none
    int32_t captured_as    # which database it was then
    int64_t average_ttl    # ms, estimated by the active expiry; 0: unknown
    uint32_t depth_counts[48]
    uint64_t *sizes        # keys by type and size; NULL: not counted, it is within a value (`sizes.pxd`)
    Ordered *due           # (when the next part of a value goes, hash of its key); NULL: no part does (`due.pyx`)

cdef struct ReaderSlot:    # one cache line
    uint64_t epoch         # 0: outside
    uint64_t padding[7]

cdef struct Dead:          # what a big entry becomes that waits to be freed
    Dead *next
    Word word              # its value, if it is a collection; 0: a string

cdef struct Core:
    uint64_t version       # odd: something that must look atomic is under way
    uint64_t padding0[7]
    Table **tables
    int32_t databases
    uint8_t readers_active # WORKERS_READ, SNAPSHOT_READS: set before these threads read, cleared after they stopped
    uint8_t lazy_free      # big dead entries wait for free_pending() instead of being freed on the spot
    uint8_t lfu            # the access clock is LFU's
    uint8_t no_touch
    uint32_t version_depth
    uint32_t clock         # 24 bits: seconds (LRU) or minutes << 8 (LFU); follows `now`
    int64_t now            # unix ms; set with core_set_now
    int64_t next_tick
    uint64_t random        # state of the executor's random numbers
    uint64_t hash_key[2]
    void *snapshot         # Snapshot, the one under way; NULL: none
    uint32_t snapshot_number   # its number; NO_SNAPSHOT: none
    uint32_t snapshots         # how many there were
    void *held             # an entry or the memory of a value that the snapshot reads without a lock: core_surrender
    uint32_t lfu_log_factor
    uint32_t lfu_decay_time
    uint64_t epoch
    Retired *retired
    uint32_t retired_count
    Dead *pending              # big dead entries; any thread may take them
    uint64_t lazy_pending      # keys that another thread will free, and such that it has freed; atomic
    uint64_t lazy_freed
    Limits limits
    ReaderSlot *readers

cdef Core *core_new(int databases, const uint64_t *hash_key, uint64_t random) noexcept nogil
cdef void core_free(Core *core) noexcept nogil          # no reader inside
cdef void core_set_now(Core *core, int64_t now) noexcept nogil
cdef void core_update_clock(Core *core) noexcept nogil  # after a change of `lfu`

cdef inline uint64_t key_hash(Core *core, const char *key, size_t length) noexcept nogil:
    return siphash13(core.hash_key, key, length)

cdef inline uint64_t next_random(uint64_t *state) noexcept nogil:
    """xorshift64*: for sampling, not for secrets. The state must not be 0."""
    cdef uint64_t x = state[0]
    x ^= x >> 12
    x ^= x << 25
    x ^= x >> 27
    state[0] = x
    return x * <uint64_t> 2685821657736338717

cdef uint32_t core_new_clock(Core *core) noexcept nogil     # the access clock of a new entry
cdef uint32_t entry_frequency(Core *core, Entry *entry) noexcept nogil   # LFU counter, decayed
cdef void entry_touch(Core *core, Entry *entry, uint64_t *random) noexcept nogil   # the access clock; obeys no_touch

# What readers must see as one step; cheap, nestable.
cdef void version_begin(Core *core) noexcept nogil
cdef void version_end(Core *core) noexcept nogil

# Memory ---------------------------------------------------------------------------------------------------------

# Whoever would change or free that memory calls this first: true, if the snapshot is reading it; then it frees it.
cdef inline bint core_surrender(Core *core, void *memory) noexcept nogil:
    cdef void *expected = memory
    while memory != NULL and load_pointer(&core.held) == memory:
        if compare_exchange_pointer(&core.held, &expected, NULL):
            return True
        expected = memory
    return False

cdef void core_release(Core *core, Entry *entry) noexcept nogil      # an entry that is in no table any more
cdef void core_reclaim(Core *core) noexcept nogil                    # frees what no reader can see any more
cdef uint64_t core_next_epoch(Core *core) noexcept nogil             # executor; then, on any thread:
cdef void core_wait_readers(Core *core, uint64_t epoch) noexcept nogil   # until all that entered before have left
cdef void core_retire(Core *core, Retired *item) noexcept nogil      # malloc'd memory, out of reach for new readers
cdef uint64_t core_used_memory(Core *core) noexcept nogil
cdef void free_pending(Core *core) noexcept nogil                    # any thread
cdef void core_freed_lazily(Core *core, uint64_t keys) noexcept nogil    # so many of `lazy_pending` are gone
