# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Active defragmentation: keys and values move to the lower part of the heap, and the kernel gets the rest back.

Idea: a page that holds one live entry cannot go back, so after many deletions RSS stays. A pass takes all holes of the
heap (`lib/holes`), which tells how much is in use; a cutoff is put a little above that; the holes below are freed, and
what lies above is copied there, entry by entry in the order of hashes, each reached from its one slot. At last the
upper part is free and its pages are given back. Every phase goes on from where it was in steps of some hundred µs, so
nobody waits for it; it needs little memory, for what moves down fits into holes; and it may be given up at any moment,
as it is when writers make the heap grow because the holes are taken.

What moves: entries, segments, and values in all encodings, in one step if they are small. Large ones go part by part:
fields by their hash, list nodes by number, tree nodes by rank, all of which survive changes between two steps.

Owner: the executor thread, between two commands (nobody holds a pointer into the keyspace then). Readers on other
threads: an entry changes its address under the lock of its segment, a segment as when it is merged, and a collection is
BUSY for the time of a step, as when it is changed. While a snapshot is under way nothing moves.
Limits: only the heap of the main thread (`Defragmenter.is_possible`); directories, consumer groups and blocks above
the size from which they are mapped stay where they are.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from mtredis.keyspace.collection cimport Change, change_begin, change_end, change_open
from mtredis.keyspace.core cimport core_retire
from mtredis.keyspace.directory cimport memory_of, table_segment
from mtredis.keyspace.encoding.fields cimport Fields
from mtredis.keyspace.encoding.ordered cimport (
    Ordered, key_of_double, node_relink, ordered_insert, ordered_remove, ordered_replace,
)
from mtredis.keyspace.encoding.ordered_node cimport Node, branches_of, held, pairs_of
from mtredis.keyspace.encoding.quicklist cimport QuickNode, Quicklist
from mtredis.keyspace.encoding.timed cimport TimedFields
from mtredis.keyspace.entry cimport (
    Entry, entry_expire, entry_has_expire, entry_is_busy, entry_is_string, entry_word,
)
from mtredis.keyspace.segment cimport (
    BUCKET_SLOTS, SEGMENT_BUCKETS, SEGMENT_CAPACITY, TAKEN, Bucket, Segment, entry_hash, lowest_bit, segment_entries,
)
from mtredis.keyspace.types.ranking cimport Ranking, entry_score
from mtredis.keyspace.types.stream_entries cimport StreamData, StreamNode
from mtredis.keyspace.value cimport (
    IN_FIELDS, IN_HASHTABLE, IN_QUICKLIST, IN_SKIPLIST, IN_STREAM, Word, value_memory, word_encoding, word_memory,
    word_of,
)
from mtredis.lib.atomics cimport lock_byte, store_pointer, unlock_byte
from mtredis.lib.clock cimport monotonic_us
from mtredis.lib.holes cimport (
    ANYWHERE, holes_aim, holes_are_missed, holes_close, holes_hold, holes_in_use, holes_low, holes_low_aligned,
    holes_open, holes_rejoin, holes_release, holes_span, holes_split, holes_take, is_high,
)

from mtredis.lib import allocator

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(const void *pointer) noexcept

cdef enum:
    LARGE = 16000              # bytes from which a value is moved in several steps, unless somebody wishes otherwise
    MOVED_MAX = 32768
    CLOCK_EVERY = 8            # pieces between two looks at the clock
    SPARE = 8 << 20            # bytes that the end of the heap keeps for what comes
    WORTH = 1 << 20            # bytes above the cutoff for which moving anything is worth while, or a 16th of the heap

cdef enum:                     # phases of a pass
    IDLE = 0
    TAKE = 1                   # the holes of the heap
    SPLIT = 2                  # those below the cutoff are free again
    MOVE = 3
    RELEASE = 4
    GIVE_BACK = 5              # the pages of large holes
    FREE = 6

cdef enum:
    ALL_DONE = 0               # instead of a position
    NEVER = 0x7fffffffffffffff # a deadline


# One piece of memory ----------------------------------------------------------------------------------------------


cdef inline bint should_move(const Moves *moves, const void *chunk, size_t size) noexcept nogil:
    """It lies in the upper part, and is not so large that nearly all its pages are its own."""
    return size <= MOVED_MAX and is_high(moves.holes, chunk)


cdef void *relocated(Moves *moves, void *chunk) noexcept nogil:
    """A copy of the chunk below the cutoff, if it lies above and there is room; NULL: it stays."""
    cdef size_t size
    cdef void *fresh
    size = malloc_usable_size(chunk)
    fresh = holes_low(moves.holes, size) if should_move(moves, chunk, size) else NULL
    if fresh == NULL:
        moves.stayed += 1
        return NULL
    memcpy(fresh, chunk, size)
    moves.moved += 1
    return fresh


cdef inline int64_t relocate(Moves *moves, void **pointer) noexcept nogil:
    """What `pointer` points to lies well, if possible; how many more bytes it holds. For what no reader looks at."""
    cdef void *old = pointer[0]
    cdef void *fresh = relocated(moves, old)
    cdef int64_t more
    if fresh == NULL:
        return 0
    more = <int64_t> malloc_usable_size(fresh) - <int64_t> malloc_usable_size(old)
    pointer[0] = fresh
    holes_hold(moves.holes, old)
    return more


# Segments, of the keyspace and of large collections ---------------------------------------------------------------


cdef inline uint64_t after(Segment *segment) noexcept nogil:
    """The first hash behind those of a segment; 0: there is none."""
    return (segment.prefix + 1) << (64 - segment.depth) if segment.depth else ALL_DONE


cdef void move_segment(Moves *moves, Table *table, Segment *segment) noexcept nogil:
    """Gives the segment another place: readers that meet the old one see that it is dead and look again."""
    cdef Segment *fresh
    cdef uint64_t first, i
    cdef int span
    if not is_high(moves.holes, segment):
        return
    fresh = <Segment *> holes_low_aligned(moves.holes, 64, sizeof(Segment))
    if fresh == NULL:
        moves.stayed += 1
        return
    lock_byte(&segment.lock)
    memcpy(fresh, segment, sizeof(Segment))
    fresh.lock = 0
    span = <int> table.directory.depth - segment.depth
    first = segment.prefix << span
    for i in range(first, first + (<uint64_t> 1 << span)):
        store_pointer(<void **> &table.directory.slots[i], fresh)
    table.segments[segment.position] = fresh
    table.used_memory += memory_of(fresh) - memory_of(segment)
    segment.alive = 0
    unlock_byte(&segment.lock)
    moves.moved += 1
    if table.core.readers_active:
        core_retire(table.core, &segment.retired)
    else:
        holes_hold(moves.holes, segment)


# Collections -------------------------------------------------------------------------------------------------------


ctypedef bint (*Follow)(Moves *moves, void *index, Entry *old, Entry *fresh) noexcept nogil


cdef bint follow_nothing(Moves *moves, void *index, Entry *old, Entry *fresh) noexcept nogil:
    return True


cdef bint follow_score(Moves *moves, void *index, Entry *old, Entry *fresh) noexcept nogil:
    """The tree of a sorted set refers to the member's new place."""
    return ordered_replace(<Ordered *> index, key_of_double(entry_score(fresh)), old, fresh)


cdef bint follow_time(Moves *moves, void *index, Entry *old, Entry *fresh) noexcept nogil:
    """The tree of times refers to the field's new place. Equal times are ordered by address, so it is another pair."""
    cdef uint64_t time
    if not entry_has_expire(fresh):
        return True
    time = <uint64_t> entry_expire(fresh)
    if not ordered_remove(<Ordered *> index, time, old):
        return True                      # it never was in it, for want of memory
    if ordered_insert(<Ordered *> index, time, fresh) > 0:
        return True
    ordered_insert(<Ordered *> index, time, old)
    return False


cdef int64_t move_field(Moves *moves, Entry **slot, Follow follow, void *index) noexcept nogil:
    """One field's entry; how many bytes more it holds."""
    cdef Entry *old = slot[0]
    cdef Entry *fresh = <Entry *> relocated(moves, old)
    cdef int64_t more
    if fresh == NULL:
        return 0
    if not follow(moves, index, old, fresh):
        free(fresh)
        return 0
    more = <int64_t> malloc_usable_size(fresh) - <int64_t> malloc_usable_size(old)
    slot[0] = fresh
    holes_hold(moves.holes, old)
    return more


cdef void move_fields_of(Moves *moves, Table *table, Segment *segment, Follow follow, void *index) noexcept nogil:
    """All fields of an inner segment, and the segment."""
    cdef Bucket *bucket
    cdef unsigned int taken
    cdef int i
    for i in range(SEGMENT_BUCKETS):
        bucket = &segment.buckets[i]
        taken = bucket.meta & TAKEN
        while taken:
            table.used_memory += move_field(moves, &bucket.entries[lowest_bit(taken)], follow, index)
            taken &= taken - 1
    move_segment(moves, table, segment)


cdef uint64_t move_table(Moves *moves, Table **place, uint64_t position, Follow follow, void *index,
                         int64_t deadline) noexcept nogil:
    """The table of a collection from a hash on; where to go on, 0: done."""
    cdef Table *table = place[0]
    cdef Segment *segment
    if position == 0:
        relocate(moves, <void **> place)
        table = place[0]
        relocate(moves, <void **> &table.segments)
        table.used_memory += relocate(moves, <void **> &table.directory)
    while True:
        segment = table_segment(table, position)
        position = after(segment)
        move_fields_of(moves, table, segment, follow, index)
        if position == ALL_DONE or monotonic_us() >= deadline:
            return position


cdef uint64_t move_fields(Moves *moves, Fields **place, uint64_t position, Follow follow, void *index,
                          int64_t deadline) noexcept nogil:
    """Fields in either form."""
    cdef Fields *fields
    cdef Entry **block
    cdef uint32_t i
    if position == 0:
        relocate(moves, <void **> place)
    fields = place[0]
    if fields.table != NULL:
        return move_table(moves, &fields.table, position, follow, index, deadline)
    block = fields.small
    if block != NULL:
        fields.small_memory += relocate(moves, <void **> &fields.small)
        if block != fields.small:
            fields.tags = <unsigned char *> fields.small + (<unsigned char *> fields.tags - <unsigned char *> block)
    for i in range(fields.small_count):
        fields.small_memory += move_field(moves, &fields.small[i], follow, index)
    return ALL_DONE


cdef void move_tree_node(Moves *moves, Ordered *tree, Node **place) noexcept nogil:
    """One node of a tree, whose neighbours follow."""
    cdef Node *old = place[0]
    cdef Node *node = <Node *> relocated(moves, old)
    if node == NULL:
        return
    tree.memory += held(node) - held(old)
    place[0] = node
    node_relink(tree, node)
    holes_hold(moves.holes, old)


cdef Node *move_path(Moves *moves, Ordered *tree, uint64_t *rank) noexcept nogil:
    """The nodes from the root to the leaf with that rank; the leaf. `rank` becomes that of the next leaf."""
    cdef Node **place = &tree.root
    cdef uint64_t left = rank[0]
    cdef int i
    while True:
        move_tree_node(moves, tree, place)
        if place[0].level == 0:
            rank[0] += place[0].count - left
            return place[0]
        i = 0
        while left >= branches_of(place[0])[i].count:
            left -= branches_of(place[0])[i].count
            i += 1
        place = &branches_of(place[0])[i].child


cdef void move_root(Moves *moves, Ordered **place) noexcept nogil:
    """The tree's own struct."""
    cdef int64_t more = relocate(moves, <void **> place)
    place[0].memory += more


cdef uint64_t move_tree(Moves *moves, Ordered **place, uint64_t rank, int64_t deadline) noexcept nogil:
    """A tree from a rank on; the rank to go on from, 0: done."""
    cdef Ordered *tree
    if rank == 0:
        move_root(moves, place)
    tree = place[0]
    while rank < tree.count:
        move_path(moves, tree, &rank)
        if monotonic_us() >= deadline:
            break
    return rank if rank < tree.count else ALL_DONE


cdef void move_list_node(Moves *moves, Quicklist *list, QuickNode *node) noexcept nogil:
    """A node's elements and the node, whose neighbours follow."""
    cdef QuickNode *fresh
    list.memory += relocate(moves, <void **> &node.data)
    fresh = <QuickNode *> relocated(moves, node)
    if fresh == NULL:
        return
    list.memory += malloc_usable_size(fresh) - malloc_usable_size(node)
    if fresh.previous != NULL:
        fresh.previous.next = fresh
    else:
        list.head = fresh
    if fresh.next != NULL:
        fresh.next.previous = fresh
    else:
        list.tail = fresh
    holes_hold(moves.holes, node)


cdef uint64_t move_list(Moves *moves, Quicklist **place, uint64_t position, int64_t deadline) noexcept nogil:
    """A list from an element on; the first element of the node to go on with, 0: done."""
    cdef Quicklist *list
    cdef QuickNode *node
    cdef QuickNode *following
    cdef uint64_t passed = 0
    cdef int64_t more
    if position == 0:
        more = relocate(moves, <void **> place)
        place[0].memory += more
    list = place[0]
    node = list.head
    while node != NULL and passed < position:
        passed += node.count
        node = node.next
    while node != NULL:
        following = node.next
        passed += node.count
        move_list_node(moves, list, node)
        node = following
        if monotonic_us() >= deadline:
            break
    return passed if node != NULL else ALL_DONE


cdef void move_stream_node(Moves *moves, StreamData *stream, StreamNode *node) noexcept nogil:
    """A node of entries; the tree follows."""
    cdef StreamNode *fresh
    stream.memory += relocate(moves, <void **> &node.entries)
    fresh = <StreamNode *> relocated(moves, node)
    if fresh == NULL:
        return
    stream.memory += malloc_usable_size(fresh) - malloc_usable_size(node)
    ordered_replace(stream.nodes, node.id.ms, node, fresh)
    holes_hold(moves.holes, node)


cdef uint64_t move_stream(Moves *moves, StreamData **place, uint64_t rank, int64_t deadline) noexcept nogil:
    """The nodes of a stream from a rank on; the rank to go on from, 0: done."""
    cdef StreamData *stream
    cdef Node *leaf
    cdef int64_t more
    cdef int i
    if rank == 0:
        more = relocate(moves, <void **> place)
        place[0].memory += more
        move_root(moves, &place[0].nodes)
    stream = place[0]
    while rank < stream.nodes.count:
        leaf = move_path(moves, stream.nodes, &rank)
        for i in range(leaf.count):
            move_stream_node(moves, stream, <StreamNode *> pairs_of(leaf)[i].item)
        if monotonic_us() >= deadline:
            break
    return rank if rank < stream.nodes.count else ALL_DONE


cdef uint64_t move_ranking(Moves *moves, Ranking **ranking, Place *place, int64_t deadline) noexcept nogil:
    """A large sorted set: its members, then the tree."""
    cdef uint64_t position = place.position
    if place.part == 0:
        if position == 0:
            relocate(moves, <void **> ranking)
        position = move_fields(moves, &ranking[0].members, position, follow_score, ranking[0].order, deadline)
        if position != ALL_DONE:
            return position
        place.part = 1
    return move_tree(moves, &ranking[0].order, position, deadline)


cdef uint64_t move_timed(Moves *moves, TimedFields **timed, Place *place, int64_t deadline) noexcept nogil:
    """A large hash: its fields, then the tree of their times."""
    cdef uint64_t position = place.position
    cdef bint is_any
    if place.part == 0:
        if position == 0:
            relocate(moves, <void **> timed)
        is_any = timed[0].times != NULL
        position = move_fields(moves, &timed[0].fields, position, follow_time if is_any else follow_nothing,
                               timed[0].times, deadline)
        if position != ALL_DONE:
            return position
        place.part = 1
    return move_tree(moves, &timed[0].times, position, deadline) if timed[0].times != NULL else ALL_DONE


cdef bint move_value(Moves *moves, Word *word, Place *place, int64_t deadline) noexcept nogil:
    """A value from a place in it on, until the deadline; true: that was all of it, else `place` says where to go on."""
    cdef void *memory = word_memory(word[0])
    cdef int encoding = word_encoding(word[0])
    if encoding == IN_FIELDS:
        place.position = move_fields(moves, <Fields **> &memory, place.position, follow_nothing, NULL, deadline)
    elif encoding == IN_HASHTABLE:
        place.position = move_timed(moves, <TimedFields **> &memory, place, deadline)
    elif encoding == IN_SKIPLIST:
        place.position = move_ranking(moves, <Ranking **> &memory, place, deadline)
    elif encoding == IN_QUICKLIST:
        place.position = move_list(moves, <Quicklist **> &memory, place.position, deadline)
    elif encoding == IN_STREAM:
        place.position = move_stream(moves, <StreamData **> &memory, place.position, deadline)
    else:
        relocate(moves, &memory)
        place.position = ALL_DONE
    word[0] = word_of(memory, encoding)
    return place.position == ALL_DONE


# Keys --------------------------------------------------------------------------------------------------------------


cdef void move_entry(Moves *moves, Table *table, Segment *segment, Entry **slot) noexcept nogil:
    """The key's entry, under the segment's lock if somebody reads."""
    cdef Entry *old = slot[0]
    cdef Entry *fresh
    cdef size_t size
    size = malloc_usable_size(old)
    fresh = <Entry *> holes_low(moves.holes, size) if should_move(moves, old, size) else NULL
    if fresh == NULL:
        moves.stayed += 1
        return
    if table.core.readers_active:
        lock_byte(&segment.lock)
        memcpy(fresh, old, size)
        slot[0] = fresh
        unlock_byte(&segment.lock)
    else:
        memcpy(fresh, old, size)
        slot[0] = fresh
    table.used_memory += malloc_usable_size(fresh) - size
    moves.moved += 1
    holes_hold(moves.holes, old)


cdef bint move_collection(Moves *moves, Table *table, uint64_t hash, Entry *entry, Place *place,
                          int64_t deadline) noexcept nogil:
    """The value of a key; readers leave it alone meanwhile. As `move_value`."""
    cdef Change change
    cdef bint is_done
    change_open(&change, table.core, table, hash, entry)
    change_begin(&change)
    is_done = move_value(moves, &change.word, place, deadline)
    change_end(&change)
    return is_done


cdef Entry *find_hash(Table *table, uint64_t hash) noexcept nogil:
    """The entry of a key with that hash; NULL: there is none."""
    cdef Segment *segment = table_segment(table, hash)
    cdef Bucket *bucket
    cdef int i, j
    if segment == NULL:
        return NULL
    for i in range(SEGMENT_BUCKETS):
        bucket = &segment.buckets[i]
        for j in range(BUCKET_SLOTS):
            if (bucket.meta >> j) & 1 and bucket.tags[j] == <uint8_t> hash \
                    and entry_hash(table.core.hash_key, bucket.entries[j]) == hash:
                return bucket.entries[j]
    return NULL


cdef class Defragmenter:
    """Passes over one keyspace. The executor's."""

    def __cinit__(self, Keyspace keyspace not None):
        self.keyspace = keyspace
        self.core = keyspace.core
        self.moves.holes = &self.holes
        self.large = LARGE
        self.waiting = <uint64_t *> malloc(SEGMENT_CAPACITY * sizeof(uint64_t))
        if self.waiting == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.waiting != NULL:
            self.stop()
            free(self.waiting)

    def begin(self, bint compacts):
        """Begins a pass, which only gives pages back if it does not compact; false: this heap is none of glibc's."""
        cdef uintptr_t start = <uintptr_t> allocator.heap_start()
        self.stop()
        holes_open(&self.holes, start, 0 if compacts else SPARE)
        self.database = 0
        self.position = 0
        self.is_last = False
        self.waiting_count = 0
        self.place.part = 0
        self.place.position = 0
        if start == 0:
            return False
        self.phase = TAKE if compacts else GIVE_BACK
        return True

    def begin_everywhere(self):
        """Begins a pass that moves everything to wherever there is room; for tests."""
        self.begin(True)
        self.phase = MOVE
        self.holes.cutoff = 0
        self.holes.limit = self.holes.top = ANYWHERE

    def step(self, int64_t budget_us):
        """Goes on for about so long; whether a pass is under way still. Not while something of the keyspace is held."""
        cdef int64_t started = monotonic_us()
        cdef bint is_over
        if self.phase == IDLE or self.core.snapshot != NULL:
            return self.phase != IDLE
        with nogil:
            is_over = self.advance(started + budget_us)
        self.microseconds += monotonic_us() - started
        return not is_over

    def stop(self):
        """Ends the pass that is under way, at once; what was moved stays where it is."""
        if self.phase == IDLE:
            return
        self.phase = IDLE
        holes_rejoin(&self.holes, &self.rest)
        holes_close(&self.holes)

    cdef bint advance(self, int64_t deadline) noexcept nogil:
        """Goes on until the deadline; true: the pass is over."""
        while monotonic_us() < deadline:
            if self.phase < RELEASE and holes_are_missed(&self.holes):
                holes_rejoin(&self.holes, &self.rest)
                self.given_up += 1
                self.phase = RELEASE
            if self.phase == TAKE and holes_take(&self.holes, False, deadline):
                self.phase = SPLIT if self.choose_cutoff() else RELEASE
            elif self.phase == SPLIT and holes_split(&self.holes, &self.rest, deadline):
                self.phase = MOVE
            elif self.phase == MOVE and self.walk(deadline):
                self.phase = RELEASE
            elif self.phase == RELEASE and holes_release(&self.holes, deadline):
                self.holes.step = 0
                self.holes.sorted_span = 0
                self.phase = GIVE_BACK if self.holes.start else FREE
            elif self.phase == GIVE_BACK and holes_take(&self.holes, True, deadline):
                self.phase = FREE
            elif self.phase == FREE and holes_release(&self.holes, deadline):
                self.given_back += self.holes.given_back
                self.passes += 1
                self.phase = IDLE
                holes_close(&self.holes)
                return True
        return False

    cdef bint choose_cutoff(self) noexcept nogil:
        """A little above what is in use; false: there is too little beyond to be worth while."""
        cdef uint64_t wanted
        self.in_use = holes_in_use(&self.holes)
        self.span = holes_span(&self.holes)
        wanted = self.in_use + self.in_use // 16 + WORTH
        holes_aim(&self.holes, self.holes.start + wanted, (self.span - wanted) // 4 if self.span > wanted else 0)
        return wanted + WORTH + self.span // 16 < self.span

    cdef bint walk(self, int64_t deadline) noexcept nogil:
        """Goes on moving keys; true: it has been everywhere."""
        cdef Table *table
        cdef Segment *segment
        while self.database < self.core.databases:
            table = self.core.tables[self.database]
            while self.waiting_count:
                if not self.visit_large(table, deadline):
                    return False
            segment = NULL if self.is_last else table_segment(table, self.position)
            if segment == NULL:
                self.database += 1
                self.position = 0
                self.is_last = False
                continue
            if not self.visit_segment(table, segment, deadline):
                return False
            self.position = after(segment)
            self.is_last = self.position == ALL_DONE
            move_segment(&self.moves, table, segment)
            if monotonic_us() >= deadline:
                return False
        return True

    cdef bint visit_segment(self, Table *table, Segment *segment, int64_t deadline) noexcept nogil:
        """Moves the keys of a segment with their small values; false: out of time, it has to be visited again."""
        cdef Entry *entries[SEGMENT_CAPACITY]
        cdef Bucket *bucket
        cdef unsigned int taken
        cdef int64_t moved
        cdef int i, slot
        self.waiting_count = 0
        segment_entries(segment, entries)            # prefetches them
        for i in range(SEGMENT_BUCKETS):
            bucket = &segment.buckets[i]
            taken = bucket.meta & TAKEN
            while taken:
                slot = lowest_bit(taken)
                taken &= taken - 1
                moved = self.moves.moved
                move_entry(&self.moves, table, segment, &bucket.entries[slot])
                if not entry_is_string(bucket.entries[slot]):
                    self.visit_value(table, bucket.entries[slot], deadline)
                if self.moves.moved != moved:
                    self.moves.keys_moved += 1
                else:
                    self.moves.keys_stayed += 1
            if i % CLOCK_EVERY == CLOCK_EVERY - 1 and monotonic_us() >= deadline:
                return False
        return True

    cdef void visit_value(self, Table *table, Entry *entry, int64_t deadline) noexcept nogil:
        """Moves a small value; a large one is put on the list."""
        cdef Place place
        cdef Word word = entry_word(entry)
        cdef uint64_t hash
        if entry_is_busy(entry):
            return
        hash = entry_hash(table.core.hash_key, entry)
        if value_memory(word) >= self.large:
            self.waiting[self.waiting_count] = hash
            self.waiting_count += 1
            self.place.part = 0
            self.place.position = 0
            return
        place.part = 0
        place.position = 0
        while not move_collection(&self.moves, table, hash, entry, &place, NEVER):
            pass

    cdef bint visit_large(self, Table *table, int64_t deadline) noexcept nogil:
        """Goes on with the last of the large values; false: out of time."""
        cdef Entry *entry = find_hash(table, self.waiting[self.waiting_count - 1])
        cdef int64_t moved = self.moves.moved
        if entry != NULL and not entry_is_string(entry) and not entry_is_busy(entry):
            if not move_collection(
                    &self.moves, table, self.waiting[self.waiting_count - 1], entry, &self.place, deadline):
                return False
        self.waiting_count -= 1
        self.place.part = 0
        self.place.position = 0
        return monotonic_us() < deadline

    # --- figures -----------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """A pass is under way."""
        return self.phase != IDLE

    @property
    def is_blocked(self) -> bool:
        """A snapshot reads the keyspace: `step` does nothing."""
        return self.core.snapshot != NULL

    @property
    def held(self) -> int:
        """Bytes that are free, but not for use while the pass lasts."""
        return self.holes.held_bytes if self.phase != IDLE else 0

    def statistics(self) -> dict:
        """INFO stats."""
        return {
            "active_defrag_hits": self.moves.moved,
            "active_defrag_misses": self.moves.stayed,
            "active_defrag_key_hits": self.moves.keys_moved,
            "active_defrag_key_misses": self.moves.keys_stayed,
        }

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.moves.moved = self.moves.stayed = self.moves.keys_moved = self.moves.keys_stayed = 0
        self.microseconds = 0
