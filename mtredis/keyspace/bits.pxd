# cython: freethreading_compatible=True
"""Counting, finding and combining bits in C memory. See `bits.pyx`."""
from libc.stdint cimport int64_t, uint64_t

cdef int64_t count_bits(const unsigned char *data, int64_t first_bit, int64_t last_bit) noexcept nogil
cdef int64_t find_bit(const unsigned char *data, int64_t first_bit, int64_t last_bit, bint bit) noexcept nogil
cdef uint64_t read_field(const unsigned char *data, size_t length, uint64_t offset, int bits) noexcept nogil
cdef int write_field(
    const unsigned char *data, size_t length, uint64_t offset, int bits, uint64_t value, unsigned char *patch
) noexcept nogil
