# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Intset: a sorted array of distinct integers in one buffer, byte for byte as Redis lays it out.

Idea: 4 bytes say how wide the numbers are (2, 4 or 8 bytes), 4 how many there are, then they follow, ascending. All are
as wide as the widest one ever added needs: a number that is too wide for the others lies before or behind them all, so
widening is one pass from the end. Removing never makes them narrower (as in Redis). Finding is a binary search.

Owner: whoever owns the buffer.

Invariants: width 2, 4 or 8; ascending, distinct; the buffer comes from malloc, so the numbers are aligned.
Limits: a little-endian machine; fewer than 2**32 - 1 numbers. Adding moves what is behind, so it is for small sets.
"""
from libc.stdint cimport INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove
from mtredis.keyspace.encoding.room cimport room_for, room_memory, room_trimmed

ctypedef fused Number:
    int16_t
    int32_t
    int64_t


cdef inline uint32_t width_for(int64_t number) noexcept nogil:
    if INT16_MIN <= number <= INT16_MAX:
        return 2
    return 4 if INT32_MIN <= number <= INT32_MAX else 8


cdef inline void set_header(Intset *set, uint32_t width, uint32_t count) noexcept nogil:
    (<uint32_t *> set)[0] = width
    (<uint32_t *> set)[1] = count


cdef inline void write_number(Intset *set, uint32_t position, int64_t number) noexcept nogil:
    cdef uint32_t width = is_width(set)
    if width == 2:
        (<int16_t *> (set + IS_HEADER))[position] = <int16_t> number
    elif width == 4:
        (<int32_t *> (set + IS_HEADER))[position] = <int32_t> number
    else:
        (<int64_t *> (set + IS_HEADER))[position] = number


cdef inline uint32_t lower_bound(const Number *numbers, uint32_t count, Number number) noexcept nogil:
    """How many are smaller. The loop has no branch to guess: its one decision becomes a conditional move."""
    cdef const Number *base = numbers
    cdef uint32_t half
    if count == 0:
        return 0
    while count > 1:
        half = count // 2
        base += half if base[half - 1] < number else 0
        count -= half
    return <uint32_t> (base - numbers) + (base[0] < number)


cdef bint is_find(const Intset *set, int64_t number, uint32_t *position) noexcept nogil:
    """`position` may be NULL."""
    cdef uint32_t width = is_width(set)
    cdef uint32_t count = is_count(set)
    cdef uint32_t place
    if width_for(number) > width:
        place = 0 if number < 0 else count
    elif count != 0 and number > is_get(set, count - 1):
        place = count              # what is added in ascending order, as ids are
    elif width == 2:
        place = lower_bound(<const int16_t *> (set + IS_HEADER), count, <int16_t> number)
    elif width == 4:
        place = lower_bound(<const int32_t *> (set + IS_HEADER), count, <int32_t> number)
    else:
        place = lower_bound(<const int64_t *> (set + IS_HEADER), count, number)
    if position != NULL:
        position[0] = place
    return place < count and is_get(set, place) == number


cdef Intset *widened(Intset *set, int64_t number) noexcept nogil:
    """The set with a number that needs more width than it has."""
    cdef uint32_t old = is_width(set)
    cdef uint32_t count = is_count(set)
    cdef uint32_t width = width_for(number)
    cdef uint32_t shift = 1 if number < 0 else 0
    cdef uint32_t i = count
    cdef int64_t value
    set = room_for(set, IS_HEADER + (<size_t> count + 1) * width)
    if set == NULL:
        return NULL
    while i > 0:                   # from the end: a number is read before its place is written over
        i -= 1
        set_header(set, old, count)
        value = is_get(set, i)
        set_header(set, width, count)
        write_number(set, i + shift, value)
    set_header(set, width, count + 1)
    write_number(set, 0 if shift else count, number)
    return set


cdef Intset *is_add(Intset *set, int64_t number, bint *added) noexcept nogil:
    """`added` is true when it was not there before; NULL: no memory, or no room for a 2**32nd number."""
    cdef uint32_t count = is_count(set)
    cdef uint32_t width = is_width(set)
    cdef uint32_t position
    cdef Intset *place
    added[0] = False
    if width_for(number) <= width and is_find(set, number, &position):
        return set
    if count == <uint32_t> 0xFFFFFFFF:
        return NULL
    if width_for(number) > width:
        set = widened(set, number)
        added[0] = set != NULL
        return set
    set = room_for(set, IS_HEADER + (<size_t> count + 1) * width)
    if set == NULL:
        return NULL
    place = set + IS_HEADER + <size_t> position * width
    memmove(place + width, place, <size_t> (count - position) * width)
    set_header(set, width, count + 1)
    write_number(set, position, number)
    added[0] = True
    return set


cdef Intset *is_remove(Intset *set, int64_t number, bint *removed) noexcept nogil:
    """`removed` is true when it was there; never fails."""
    cdef uint32_t position
    removed[0] = is_find(set, number, &position)
    return is_remove_at(set, position) if removed[0] else set


cdef Intset *is_remove_at(Intset *set, uint32_t position) noexcept nogil:
    """position < count; never fails."""
    cdef uint32_t count = is_count(set)
    cdef uint32_t width = is_width(set)
    cdef Intset *place = set + IS_HEADER + <size_t> position * width
    memmove(place, place + width, <size_t> (count - position - 1) * width)
    set_header(set, width, count - 1)
    return room_trimmed(set, is_bytes(set))


cdef Intset *is_new() noexcept nogil:
    """An empty one, for numbers of 16 bits; NULL: no memory."""
    cdef Intset *set = <Intset *> malloc(IS_HEADER)
    if set != NULL:
        set_header(set, 2, 0)
    return set


cdef void is_free(Intset *set) noexcept nogil:
    free(set)


cdef Intset *is_copy(const Intset *set) noexcept nogil:
    cdef size_t size = is_bytes(set)
    cdef Intset *copy = <Intset *> malloc(size)
    if copy != NULL:
        memcpy(copy, set, size)
    return copy


cdef size_t is_memory(const Intset *set) noexcept nogil:
    return room_memory(set)


cdef inline int64_t load_number(const unsigned char *data, uint32_t width) noexcept nogil:
    """From any address."""
    cdef int16_t short_number
    cdef int32_t number
    cdef int64_t long_number
    if width == 2:
        memcpy(&short_number, data, 2)
        return short_number
    if width == 4:
        memcpy(&number, data, 4)
        return number
    memcpy(&long_number, data, 8)
    return long_number


cdef bint is_valid_intset(const unsigned char *data, size_t size) noexcept nogil:
    """An empty one is not valid (as in Redis): no key holds one."""
    cdef uint32_t width, count, i
    cdef int64_t number, last
    if size < IS_HEADER:
        return False
    memcpy(&width, data, 4)
    memcpy(&count, data + 4, 4)
    if (width != 2 and width != 4 and width != 8) or count == 0:
        return False
    if <uint64_t> size != IS_HEADER + <uint64_t> count * width:
        return False
    last = load_number(data + IS_HEADER, width)
    for i in range(1, count):
        number = load_number(data + IS_HEADER + <size_t> i * width, width)
        if number <= last:
            return False
        last = number
    return True
