# cython: freethreading_compatible=True
"""Numbers as Redis reads and writes them: C functions on plain memory. See `numbers.pyx`."""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    INTEGER_TEXT_SIZE = 20    # "-9223372036854775808"
    DOUBLE_TEXT_SIZE = 32     # the longest output of double_to_text is 25 bytes

cdef bint integer_from_text(const char *text, size_t length, int64_t *value) noexcept nogil
cdef bint double_from_text(const char *text, size_t length, double *value) noexcept nogil
cdef bint long_double_from_text(const char *text, size_t length, long double *value) noexcept nogil
cdef int double_to_text(char *target, double value) noexcept nogil

cdef inline int unsigned_to_text(char *target, uint64_t value) noexcept nogil:
    """Writes the decimal digits (at most INTEGER_TEXT_SIZE bytes, no NUL) and returns how many."""
    cdef char digits[20]
    cdef int count = 0, length = 0
    while value >= 10:
        digits[count] = <char> (c'0' + value % 10)
        value //= 10
        count += 1
    target[0] = <char> (c'0' + value)
    length = 1
    while count:
        count -= 1
        target[length] = digits[count]
        length += 1
    return length

cdef inline int integer_to_text(char *target, int64_t value) noexcept nogil:
    """The same of a signed number."""
    if value < 0:
        target[0] = c'-'
        return 1 + unsigned_to_text(target + 1, 0 - <uint64_t> value)
    return unsigned_to_text(target, <uint64_t> value)
