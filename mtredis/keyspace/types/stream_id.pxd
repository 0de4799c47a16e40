# cython: freethreading_compatible=True
"""The id of a stream entry: 128 bits, milliseconds before sequence number. All that is kept by id begins with one, so
that an `Ordered` with the milliseconds as keys and `tie_of_ids` holds it in the order of ids.
"""
from libc.stdint cimport uint64_t

cdef enum:
    ID_TEXT_SIZE = 41            # two uint64 and a dash

cdef struct StreamId:
    uint64_t ms
    uint64_t seq

cdef inline int id_compare(const StreamId *a, const StreamId *b) noexcept nogil:
    if a.ms != b.ms:
        return -1 if a.ms < b.ms else 1
    return -1 if a.seq < b.seq else a.seq > b.seq

cdef inline bint id_is_zero(const StreamId *id) noexcept nogil:
    return id.ms == 0 and id.seq == 0

cdef inline int tie_of_ids(const void *a, const void *b) noexcept nogil:
    """The order of two ids of the same millisecond."""
    cdef uint64_t left = (<const StreamId *> a).seq
    cdef uint64_t right = (<const StreamId *> b).seq
    return -1 if left < right else left > right

cdef inline bint is_id_before(uint64_t key, const void *item, const void *context) noexcept nogil:
    """For ordered_seek: items below the id `context`."""
    return id_compare(<const StreamId *> item, <const StreamId *> context) < 0

cdef inline bint is_id_up_to(uint64_t key, const void *item, const void *context) noexcept nogil:
    """For ordered_seek: items up to the id `context`, itself included."""
    return id_compare(<const StreamId *> item, <const StreamId *> context) <= 0

cdef inline char *put_digits(char *target, uint64_t value) noexcept nogil:
    cdef char digits[20]
    cdef int count = 0
    while value >= 10:
        digits[count] = <char> (c'0' + value % 10)
        value //= 10
        count += 1
    target[0] = <char> (c'0' + value)
    target += 1
    while count:
        count -= 1
        target[0] = digits[count]
        target += 1
    return target

cdef inline size_t id_text(const StreamId *id, char *target) noexcept nogil:
    """Writes the id as clients read it (ID_TEXT_SIZE bytes of room) and returns the length."""
    cdef char *end = put_digits(target, id.ms)
    end[0] = c'-'
    return put_digits(end + 1, id.seq) - target
