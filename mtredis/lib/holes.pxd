# cython: freethreading_compatible=True
"""The holes in glibc's heap: taking them all, so that what is moved goes where it should. How it works: `holes.pyx`."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t, uintptr_t

cdef extern from *:
    """
    #define MT_ANYWHERE UINTPTR_MAX
    """
    uintptr_t ANYWHERE "MT_ANYWHERE"

cdef struct Holes:
    uintptr_t start              # of the heap, the part that brk() makes
    uintptr_t cutoff             # what lies from here on should move
    uintptr_t limit              # to below this: the cutoff, but for tests (ANYWHERE)
    uintptr_t top                # beyond what was the heap's end when all holes were taken
    uint64_t top_left            # bytes that may still be put there
    uint64_t top_allowed         # and at first
    void *held                   # a list of chunks, its links in their first words
    void *pin                    # the highest one: while it is held, the heap's end does not move down
    uint64_t held_bytes          # malloc's own included
    uint64_t held_chunks
    uint64_t low_bytes           # those of the held ones that lie below `cutoff` (holes_split)
    uint64_t given_back          # bytes whose pages the kernel has back
    size_t no_room               # a chunk of that size was asked for, and there was no place for it
    uintptr_t spared_from        # pages from here on are kept: what the heap's end may keep for what comes
    uint64_t sorted_span         # so much of the heap's chunks malloc has put in order for certain
    int step                     # the next size to be asked for

# Nothing is held. `start` is the heap's; what lies above `spare` bytes from its end is not given back.
cdef void holes_open(Holes *holes, uintptr_t start, size_t spare) noexcept nogil
# Takes holes of all sizes, or only those with whole pages, which then go back to the kernel. True: there are no more.
cdef bint holes_take(Holes *holes, bint only_pages, int64_t deadline) noexcept nogil
# Whether others need the holes that are held: the heap has grown by more than a 32nd and some MB meanwhile.
cdef bint holes_are_missed(Holes *holes) noexcept nogil
# Everything is held: how much of the heap is in use by others, in bytes.
cdef uint64_t holes_in_use(const Holes *holes) noexcept nogil
cdef uint64_t holes_span(const Holes *holes) noexcept nogil               # bytes from the heap's start to its end
# Frees what is held below `cutoff`, so that what comes finds it. True: done. `rest` is the caller's: NULL at first.
cdef bint holes_split(Holes *holes, void **rest, int64_t deadline) noexcept nogil
cdef void holes_rejoin(Holes *holes, void **rest) noexcept nogil          # gives up a split
cdef bint holes_release(Holes *holes, int64_t deadline) noexcept nogil    # frees all but the pin; true: done
cdef void holes_close(Holes *holes) noexcept nogil                        # frees all, the pin too
cdef void holes_hold(Holes *holes, void *chunk) noexcept nogil            # a chunk that shall not be used again yet

cdef inline bint is_high(const Holes *holes, const void *chunk) noexcept nogil:
    """In the part of the heap that should become empty."""
    return holes.cutoff <= <uintptr_t> chunk < holes.top and is_in_heap(holes, chunk)

cdef bint is_in_heap(const Holes *holes, const void *chunk) noexcept nogil
# Everything is held, and the cutoff chosen: `top_left` bytes may go beyond the present end, if no hole is large enough.
cdef void holes_aim(Holes *holes, uintptr_t cutoff, uint64_t top_left) noexcept nogil
# A chunk of that size below the limit, or beyond the end; NULL: there is none.
cdef void *holes_low(Holes *holes, size_t size) noexcept nogil
cdef void *holes_low_aligned(Holes *holes, size_t alignment, size_t size) noexcept nogil
