# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What all tables of a keyspace share: version, clock, hash key, readers' slots and memory to be freed.

Idea, version: a counter that is odd while something is under way that must look like one step. A reader that saw it
even before its copy and unchanged after has seen no half of anything.

Idea, epochs: readers follow pointers to directories and segments without a lock, so what is replaced may not be freed
while one of them could still look at it. A reader writes the global epoch into its slot when it enters and 0 when it
leaves; what is retired gets the epoch of its retirement, after which the epoch moves on; it is freed when every reader
inside entered later. Entries need none of this: they are touched under the lock of their segment only.

Owner: the executor, except `readers` (each slot its reader's), `pending` (a lock-free stack that any thread may push
to and take from as a whole) and `held` (the snapshot's thread sets it, and whoever takes it away owns the memory).
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from mtredis.keyspace.entry cimport (
    Entry, entry_clock, entry_is_string, entry_memory, entry_set_clock, entry_word,
)
from mtredis.keyspace.value cimport value_free, word_memory
from mtredis.lib.atomics cimport (
    add_u64, compare_exchange_pointer, exchange_pointer, fence, load_pointer, load_u64, store_relaxed_u64, store_u64,
)

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t size) noexcept

cdef extern from "sched.h" nogil:
    int sched_yield() noexcept

cdef enum:
    SLOTS = READER_SLOTS + 1
    LAZY_FREE_SIZE = 65536     # a dead collection larger than this is worth another thread's time
    LAZY_FREE_STRING = 1 << 20 # a string is one piece of memory; freeing it takes long where the kernel gets pages back
    LFU_START = 5              # a new key's counter, so that it is not evicted before it could be used


cdef Core *core_new(int databases, const uint64_t *hash_key, uint64_t random) noexcept nogil:
    """A core without tables (the slots are there); NULL: no memory."""
    cdef Core *core = <Core *> aligned_alloc(64, (sizeof(Core) + 63) // 64 * 64)
    if core == NULL:
        return NULL
    memset(core, 0, sizeof(Core))
    core.tables = <Table **> calloc(databases, sizeof(Table *))
    core.readers = <ReaderSlot *> aligned_alloc(64, SLOTS * sizeof(ReaderSlot))
    if core.tables == NULL or core.readers == NULL:
        free(core.tables)
        free(core.readers)
        free(core)
        return NULL
    memset(core.readers, 0, SLOTS * sizeof(ReaderSlot))
    core.databases = databases
    core.hash_key[0] = hash_key[0]
    core.hash_key[1] = hash_key[1]
    core.random = random | 1
    core.epoch = 1
    core.snapshot_number = NO_SNAPSHOT
    core.lfu_log_factor = 10
    core.lfu_decay_time = 1
    set_default_limits(&core.limits)
    return core


cdef void set_default_limits(Limits *limits) noexcept nogil:
    """Redis's own, for a keyspace that nobody configures."""
    limits.hash_max_listpack_entries = limits.set_max_intset_entries = 512
    limits.set_max_listpack_entries = limits.zset_max_listpack_entries = 128
    limits.hash_max_listpack_value = limits.set_max_listpack_value = limits.zset_max_listpack_value = 64
    limits.list_max_listpack_size = -2
    limits.stream_node_max_bytes = 4096
    limits.stream_node_max_entries = 100


cdef void core_free(Core *core) noexcept nogil:
    """Frees everything but the tables."""
    cdef Retired *item = core.retired
    cdef Retired *following
    free_pending(core)
    while item != NULL:
        following = item.next
        free(item)
        item = following
    free(core.readers)
    free(core.tables)
    free(core)


# Clock and access clock -----------------------------------------------------------------------------------------


cdef void core_update_clock(Core *core) noexcept nogil:
    """Derives the access clock from `now`."""
    if core.lfu:
        core.clock = <uint32_t> ((core.now // 60000) & 0xffff) << 8
    else:
        core.clock = <uint32_t> ((core.now // 1000) & 0xffffff)
    core.next_tick = core.now - core.now % 1000 + 1000


cdef void core_set_now(Core *core, int64_t now) noexcept nogil:
    """Sets the time; the access clock follows once a second."""
    if now >= core.next_tick or now < core.now:
        core.now = now
        core_update_clock(core)
    else:
        core.now = now


cdef uint32_t core_new_clock(Core *core) noexcept nogil:
    """The access clock of a new entry."""
    return core.clock | LFU_START if core.lfu else core.clock


cdef uint32_t entry_frequency(Core *core, Entry *entry) noexcept nogil:
    """The LFU counter after the decay that is due."""
    cdef uint32_t clock = entry_clock(entry)
    cdef uint32_t counter = clock & 0xff
    cdef uint32_t minutes = ((core.clock >> 8) - (clock >> 8)) & 0xffff
    cdef uint32_t periods
    if core.lfu_decay_time == 0:
        return counter
    periods = minutes // core.lfu_decay_time
    return counter - periods if counter > periods else 0


cdef void entry_touch(Core *core, Entry *entry, uint64_t *random) noexcept nogil:
    """Notes an access: LRU the time, LFU the time and, ever more rarely the higher it is, one more on the counter."""
    cdef uint32_t counter, excess
    if core.no_touch:
        return
    if not core.lfu:
        if entry_clock(entry) != core.clock:
            entry_set_clock(entry, core.clock)
        return
    counter = entry_frequency(core, entry)
    if counter < 255:
        excess = counter - LFU_START if counter > LFU_START else 0
        if <double> (next_random(random) >> 11) * (1.0 / 9007199254740992.0) * (excess * core.lfu_log_factor + 1) < 1.0:
            counter += 1
    entry_set_clock(entry, core.clock | counter)


# Version --------------------------------------------------------------------------------------------------------


cdef void version_begin(Core *core) noexcept nogil:
    """Readers see nothing until the matching version_end."""
    core.version_depth += 1
    if core.version_depth == 1:
        store_relaxed_u64(&core.version, core.version + 1)
        fence()


cdef void version_end(Core *core) noexcept nogil:
    """All that was done since version_begin is visible as one step."""
    core.version_depth -= 1
    if core.version_depth == 0:
        store_u64(&core.version, core.version + 1)


# Memory that others may still look at ----------------------------------------------------------------------------


cdef void core_retire(Core *core, Retired *item) noexcept nogil:
    """Frees it as soon as no reader can see it; it must be unreachable for readers that enter from now on."""
    if not core.readers_active:
        free(item)
        return
    fence()
    item.epoch = core.epoch
    item.next = core.retired
    core.retired = item
    store_u64(&core.epoch, core.epoch + 1)
    core.retired_count += 1
    if core.retired_count >= 16:
        core_reclaim(core)


cdef uint64_t oldest_reader(Core *core) noexcept nogil:
    """The lowest epoch in which a reader entered that is still inside; the current one if there is none."""
    cdef uint64_t oldest = core.epoch
    cdef uint64_t epoch
    cdef int i
    fence()
    for i in range(SLOTS):
        epoch = load_u64(&core.readers[i].epoch)
        if epoch != 0 and epoch < oldest:
            oldest = epoch
    return oldest


cdef void core_reclaim(Core *core) noexcept nogil:
    """Frees what no reader can see any more."""
    cdef Retired **link = &core.retired
    cdef Retired *item
    cdef uint64_t oldest
    if core.retired == NULL:
        return
    oldest = oldest_reader(core)
    while link[0] != NULL:
        item = link[0]
        if item.epoch < oldest:
            link[0] = item.next
            core.retired_count -= 1
            free(item)
        else:
            link = &item.next


cdef uint64_t core_next_epoch(Core *core) noexcept nogil:
    """Ends an epoch: readers that enter from now on see what was done before. Executor only."""
    fence()
    store_u64(&core.epoch, core.epoch + 1)
    return core.epoch


cdef void core_wait_readers(Core *core, uint64_t epoch) noexcept nogil:
    """Returns when no reader that entered before `epoch` (from core_next_epoch) is inside. Any thread."""
    cdef int i
    cdef uint64_t entered
    fence()
    for i in range(SLOTS):
        while True:
            entered = load_u64(&core.readers[i].epoch)
            if entered == 0 or entered >= epoch:
                break
            sched_yield()


cdef void core_release(Core *core, Entry *entry) noexcept nogil:
    """Disposes of an entry that is in no table any more, and of its value: at once, or later (big ones)."""
    cdef Word word = 0 if entry_is_string(entry) else entry_word(entry)
    if core.held != NULL and core_surrender(core, word_memory(word) if word else <void *> entry):
        if word:
            free(entry)
        return
    if core.lazy_free and entry_memory(entry) > <size_t> (LAZY_FREE_SIZE if word else LAZY_FREE_STRING):
        (<Dead *> entry).word = word
        add_u64(&core.lazy_pending, 1)
        push(<void **> &core.pending, <void *> entry)
        return
    if word:
        value_free(word)
    free(entry)


cdef void push(void **stack, void *item) noexcept nogil:
    """Onto a lock-free stack whose links are the first word of each item."""
    cdef void *head = load_pointer(stack)
    while True:
        (<void **> item)[0] = head
        if compare_exchange_pointer(stack, &head, item):
            return


cdef void free_pending(Core *core) noexcept nogil:
    """Frees the big dead entries and their values; any thread."""
    cdef Dead *item = <Dead *> exchange_pointer(<void **> &core.pending, NULL)
    cdef Dead *following
    cdef uint64_t count = 0
    while item != NULL:
        following = item.next
        if item.word:
            value_free(item.word)
        free(item)
        item = following
        count += 1
    core_freed_lazily(core, count)


cdef void core_freed_lazily(Core *core, uint64_t keys) noexcept nogil:
    add_u64(&core.lazy_freed, keys)
    add_u64(&core.lazy_pending, <uint64_t> -<int64_t> keys)


cdef uint64_t core_used_memory(Core *core) noexcept nogil:
    """The estimate over all tables; what waits to be freed is not in it."""
    cdef uint64_t total = 0
    cdef int i
    for i in range(core.databases):
        total += core.tables[i].used_memory
    return total
