# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The holes in glibc's heap: taking them all, so that what is moved goes where it should, and giving pages back.

Idea: glibc's malloc gives a page back only when nothing lives in it, and hands out the hole that was freed last,
wherever it is. Whoever wants what lives to move together therefore takes all holes first (`holes_take`: asks for ever
smaller chunks until the heap would have to grow), which also tells exactly how much of the heap is in use. Then the
holes below a cutoff are freed again (`holes_split`), and from there on what is asked for comes from below; what is
moved away leaves holes that are held until the end (`holes_hold`). When all is released, they join to large ones.

Giving back: `malloc_trim` holds malloc's lock while it looks at every free chunk and while the kernel takes the pages:
65 to 540 ms for a heap of 500 MB in which every page has a hole. Here each large hole is taken, its pages are given
back while it is ours (MADV_DONTNEED: they read as zeros when they are needed again), and it is freed: steps of some
100 µs. The highest chunk is held to the last, so that meanwhile nothing is cut off the heap's end in one long step.

Owner: the thread that executes, which must be the process's main thread: only that one's memory comes from this heap.
Limits: glibc on Linux, the heap that brk() makes; blocks that are mapped and those of other threads are left alone.
"""
from libc.stdlib cimport free, malloc
from mtredis.lib.clock cimport monotonic_us

cdef extern from "<malloc.h>" nogil:
    size_t malloc_usable_size(const void *pointer) noexcept

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size) noexcept

cdef extern from "<unistd.h>" nogil:
    void *sbrk(long increment) noexcept

cdef extern from "<sys/mman.h>" nogil:
    int madvise(void *address, size_t length, int advice) noexcept
    int MADV_DONTNEED

cdef enum:
    SIZES = 17
    SMALLEST_WITH_PAGES = 9      # of the sizes: the rest hold no whole page for certain
    PAGE = 4096
    HEAD = 8                     # malloc's own bytes before a chunk
    CLOCK_EVERY = 16             # chunks between two looks at the clock
    SORT_EVERY = 256             # chunks freed until malloc is made to put them in order, lest that be one long step
    TRIES = 16                   # chunks asked for until one lies low
    ALIGNED_MORE = 32            # bytes that malloc asks for beside the alignment
    SORTED_AT_ONCE = 10000 * 64  # malloc puts that many freed chunks in order per call; so many bytes hold no more
    GROWTH_OF_TAKING = 16 << 20  # bytes by which the heap may grow while holes are taken, as each size ends so
    GROWTH_MIN = 2 << 20         # bytes by which it may grow later
    MAPPED = 4 << 20             # larger than what malloc cuts out of the heap, unless its end has it

cdef size_t[SIZES] sizes = [
    2 << 20, 1 << 20, 512 << 10, 256 << 10, 128 << 10, 64 << 10, 32 << 10, 16 << 10, 8 << 10, 4 << 10, 2 << 10, 1 << 10,
    504, 248, 120, 56, 24,
]


cdef inline uintptr_t heap_end() noexcept nogil:
    return <uintptr_t> sbrk(0)


cdef bint is_in_heap(const Holes *holes, const void *chunk) noexcept nogil:
    """Neither mapped nor another thread's."""
    return holes.start <= <uintptr_t> chunk < heap_end() or holes.limit == ANYWHERE


cdef void holes_open(Holes *holes, uintptr_t start, size_t spare) noexcept nogil:
    """Nothing is held."""
    holes.start = start
    holes.cutoff = holes.limit = 0
    holes.top = heap_end() + GROWTH_OF_TAKING
    holes.top_left = holes.top_allowed = 0
    holes.held = holes.pin = NULL
    holes.held_bytes = holes.held_chunks = holes.low_bytes = holes.given_back = 0
    holes.no_room = <size_t> -1
    holes.spared_from = heap_end() - spare
    holes.step = 0
    holes.sorted_span = 0


cdef uint64_t holes_span(const Holes *holes) noexcept nogil:
    """From the heap's start to its end."""
    return heap_end() - holes.start


cdef uint64_t holes_in_use(const Holes *holes) noexcept nogil:
    """What others hold, if everything free is held here."""
    return holes_span(holes) - holes.held_bytes


cdef void link(Holes *holes, void *chunk) noexcept nogil:
    (<void **> chunk)[0] = holes.held
    holes.held = chunk


cdef void holes_hold(Holes *holes, void *chunk) noexcept nogil:
    """The chunk will not be handed out again until all is released."""
    holes.held_bytes += malloc_usable_size(chunk) + HEAD
    holes.held_chunks += 1
    if chunk > holes.pin:
        if holes.pin != NULL:
            link(holes, holes.pin)
        holes.pin = chunk
    else:
        link(holes, chunk)


cdef void give_back(Holes *holes, void *chunk) noexcept nogil:
    """The kernel has the chunk's whole pages, but for the first, which the links need."""
    cdef uintptr_t first = (<uintptr_t> chunk + sizeof(void *) + PAGE - 1) & ~<uintptr_t> (PAGE - 1)
    cdef uintptr_t last = (<uintptr_t> chunk + malloc_usable_size(chunk)) & ~<uintptr_t> (PAGE - 1)
    if last > holes.spared_from:
        last = holes.spared_from & ~<uintptr_t> (PAGE - 1)
    if first < last and madvise(<void *> first, last - first, MADV_DONTNEED) == 0:
        holes.given_back += last - first


cdef void ask_for(size_t size) noexcept nogil:
    """A malloc for what it does on the way. (The compiler would leave out one whose result nobody looks at.)"""
    cdef void *chunk = malloc(size)
    if malloc_usable_size(chunk):
        free(chunk)


cdef bint sort_holes(Holes *holes, int64_t deadline) noexcept nogil:
    """Has malloc sort what was freed lately: it looks at so many chunks per call, and else would miss the rest."""
    while holes.sorted_span < holes_span(holes):
        ask_for(MAPPED)
        holes.sorted_span += SORTED_AT_ONCE
        if monotonic_us() >= deadline:
            return False
    return True


cdef bint holes_take(Holes *holes, bint only_pages, int64_t deadline) noexcept nogil:
    """Takes holes, the largest first, until the deadline; true: there are no more."""
    cdef int last = SMALLEST_WITH_PAGES if only_pages else SIZES
    cdef int count = 0
    cdef uintptr_t end
    cdef void *chunk
    if not sort_holes(holes, deadline):
        return False
    while holes.step < last:
        end = heap_end()
        chunk = malloc(sizes[holes.step])
        if chunk == NULL:
            return True
        if not is_in_heap(holes, chunk):     # mapped, or this is not the main thread
            free(chunk)
            holes.step += 1
            continue
        holes_hold(holes, chunk)
        if heap_end() != end:                # no hole was large enough
            holes.step += 1
        elif only_pages:
            give_back(holes, chunk)
        count += 1
        if (only_pages or count % CLOCK_EVERY == 0) and monotonic_us() >= deadline:
            return False
    return True


cdef inline void *unlink(void **list) noexcept nogil:
    cdef void *chunk = list[0]
    list[0] = (<void **> chunk)[0]
    return chunk


cdef inline void sort_freed(uint64_t *freed) noexcept nogil:
    """Has malloc put in order what was freed lately, every now and then (it does when asked for a large one)."""
    freed[0] += 1
    if freed[0] % SORT_EVERY == 0:
        ask_for(2048)


cdef bint holes_split(Holes *holes, void **rest, int64_t deadline) noexcept nogil:
    """Sorts what is held: low chunks are freed, the others wait in `rest` and are held again at the end."""
    cdef uint64_t count = 0
    cdef void *chunk
    cdef size_t size
    while holes.held != NULL:
        chunk = unlink(&holes.held)
        if <uintptr_t> chunk < holes.cutoff:
            size = malloc_usable_size(chunk) + HEAD
            holes.held_bytes -= size
            holes.low_bytes += size
            holes.held_chunks -= 1
            free(chunk)
            sort_freed(&count)
        else:
            (<void **> chunk)[0] = rest[0]
            rest[0] = chunk
            count += 1
        if count % CLOCK_EVERY == 0 and monotonic_us() >= deadline:
            return False
    holes.held = rest[0]
    rest[0] = NULL
    return True


cdef void holes_rejoin(Holes *holes, void **rest) noexcept nogil:
    """What a split that is given up has left aside is held as before."""
    while rest[0] != NULL:
        link(holes, unlink(rest))


cdef bint holes_release(Holes *holes, int64_t deadline) noexcept nogil:
    """Frees what is held, but for the pin, until the deadline."""
    cdef uint64_t count = 0
    cdef void *chunk
    while holes.held != NULL:
        chunk = unlink(&holes.held)
        holes.held_bytes -= malloc_usable_size(chunk) + HEAD
        holes.held_chunks -= 1
        free(chunk)
        sort_freed(&count)
        if count % CLOCK_EVERY == 0 and monotonic_us() >= deadline:
            return False
    return True


cdef void holes_close(Holes *holes) noexcept nogil:
    """Nothing is held any more."""
    holes_release(holes, <int64_t> 0x7fffffffffffffff)
    free(holes.pin)
    holes.pin = NULL
    holes.held_bytes = holes.held_chunks = 0


cdef void *holes_low(Holes *holes, size_t size) noexcept nogil:
    """A chunk of that size below the limit; what is found above on the way is held. NULL: there is none.

    Holes are used before the heap grows, so a chunk from beyond its end tells that no hole is large enough. There, too,
    what moves lies close together, but it takes memory until the pass is over: so much is allowed, and then nothing of
    that size is asked for again.
    """
    cdef void *chunk
    cdef int i
    if size >= holes.no_room:
        return NULL
    for i in range(TRIES):
        chunk = malloc(size)
        if chunk == NULL:
            return NULL
        if holes.start <= <uintptr_t> chunk < holes.limit:
            return chunk
        if not is_in_heap(holes, chunk):
            free(chunk)
            return NULL
        if <uintptr_t> chunk >= holes.top and size <= holes.top_left:
            holes.top_left -= size
            return chunk
        holes_hold(holes, chunk)
    holes.no_room = size
    return NULL


cdef void holes_aim(Holes *holes, uintptr_t cutoff, uint64_t top_left) noexcept nogil:
    """Where things should go."""
    holes.cutoff = holes.limit = cutoff
    holes.top = heap_end()
    holes.top_left = holes.top_allowed = top_left


cdef bint holes_are_missed(Holes *holes) noexcept nogil:
    """What is held is missing to whoever writes much; then it is better to give it up."""
    return holes.top != ANYWHERE and (
        heap_end() > holes.top + (holes.top_allowed - holes.top_left) + GROWTH_MIN + holes_span(holes) // 32)


cdef void *holes_low_aligned(Holes *holes, size_t alignment, size_t size) noexcept nogil:
    """The same for alignments above 16. malloc cuts such a chunk out of a larger one, so room for it is found first."""
    cdef void *chunk = holes_low(holes, size + alignment + ALIGNED_MORE)
    if chunk == NULL:
        return NULL
    free(chunk)                      # and is the first that malloc looks at now
    chunk = aligned_alloc(alignment, size)
    if chunk == NULL or holes.start <= <uintptr_t> chunk < holes.limit or <uintptr_t> chunk >= holes.top:
        return chunk
    if is_in_heap(holes, chunk):
        holes_hold(holes, chunk)
    else:
        free(chunk)
    return NULL
