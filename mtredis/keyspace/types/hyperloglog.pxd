# cython: freethreading_compatible=True
"""HyperLogLogs as Redis writes them: see `hyperloglog.pyx`. The functions here need no GIL."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    REGISTERS = 16384
    HEADER_SIZE = 16
    DENSE_SIZE = 12304           # the header and 16384 registers of 6 bits
    IS_DENSE = 0                 # byte 4 of the header
    IS_SPARSE = 1
    CORRUPT = -1                 # the runs do not cover 16384 registers
    NO_MEMORY = -2

cdef struct Sketch:              # a HyperLogLog that is being changed
    uint8_t *data
    size_t length
    size_t capacity              # more than `length`: one byte behind the end may be read

cdef uint64_t murmur_hash(const uint8_t *text, size_t length) noexcept nogil
# The register of an element, and what it has to be at least (1 to 51).
cdef uint32_t element_place(const uint8_t *text, size_t length, int *rank) noexcept nogil
# Whether the bytes are a HyperLogLog, as far as Redis checks before it works on them.
cdef bint sketch_is_valid(const uint8_t *data, size_t length) noexcept nogil
cdef int sketch_open(Sketch *sketch, const uint8_t *data, size_t length) noexcept nogil       # a copy; 0 or NO_MEMORY
# The register is at least `rank` afterwards: 1, 0 (it was), CORRUPT or NO_MEMORY; a sparse one may become dense.
cdef int sketch_set(Sketch *sketch, uint32_t index, int rank, uint64_t sparse_max) noexcept nogil
cdef int sketch_to_dense(Sketch *sketch) noexcept nogil                                       # 0, CORRUPT or NO_MEMORY
# raw: a byte for each register, which becomes the greater of itself and the register. 0 or CORRUPT.
cdef int merge_into_raw(const uint8_t *data, size_t length, uint8_t *raw) noexcept nogil
# How often each register value occurs. 0 or CORRUPT.
cdef int register_counts(const uint8_t *data, size_t length, uint32_t *counts) noexcept nogil
cdef int64_t estimate(const uint32_t *counts) noexcept nogil
