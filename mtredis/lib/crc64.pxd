# cython: freethreading_compatible=True
"""CRC-64 as RDB files and DUMP payloads carry it. See `crc64.pyx`."""
from libc.stdint cimport uint64_t

# The checksum of what `crc` is the checksum of (0: nothing) followed by the data.
cdef uint64_t crc64(uint64_t crc, const void *data, size_t length) noexcept nogil
