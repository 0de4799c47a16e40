# cython: freethreading_compatible=True
"""Intset: a sorted array of distinct integers in one buffer, in the layout of Redis. How it works: `intset.pyx`.

One malloc'd buffer; what may move it returns the new address, NULL when memory is out and nothing has changed.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t

ctypedef unsigned char Intset

cdef enum:
    IS_HEADER = 8                # bytes before the first number

cdef Intset *is_new() noexcept nogil
cdef void is_free(Intset *set) noexcept nogil
cdef Intset *is_copy(const Intset *set) noexcept nogil
cdef size_t is_memory(const Intset *set) noexcept nogil            # what malloc holds for it, its own 8 bytes included

cdef inline uint32_t is_width(const Intset *set) noexcept nogil:
    """Bytes of a number: 2, 4 or 8."""
    return (<const uint32_t *> set)[0]

cdef inline uint32_t is_count(const Intset *set) noexcept nogil:
    return (<const uint32_t *> set)[1]

cdef inline size_t is_bytes(const Intset *set) noexcept nogil:
    return IS_HEADER + <size_t> is_count(set) * is_width(set)

cdef inline int64_t is_get(const Intset *set, uint32_t position) noexcept nogil:
    """The numbers in ascending order; position < count."""
    cdef uint32_t width = is_width(set)
    if width == 2:
        return (<const int16_t *> (set + IS_HEADER))[position]
    if width == 4:
        return (<const int32_t *> (set + IS_HEADER))[position]
    return (<const int64_t *> (set + IS_HEADER))[position]

# position (NULL: not wanted): where it is or would go.
cdef bint is_find(const Intset *set, int64_t number, uint32_t *position) noexcept nogil
cdef Intset *is_add(Intset *set, int64_t number, bint *added) noexcept nogil
cdef Intset *is_remove(Intset *set, int64_t number, bint *removed) noexcept nogil           # never fails
cdef Intset *is_remove_at(Intset *set, uint32_t position) noexcept nogil                    # never fails
# Sorted, distinct, not empty, exact size, known width.
cdef bint is_valid_intset(const unsigned char *data, size_t size) noexcept nogil
