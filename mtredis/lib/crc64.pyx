# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""CRC-64 as RDB files and DUMP payloads carry it.

Idea: the polynomial of Jones, reflected, begun with 0 and not inverted at the end. 8 bytes are taken at a time from
8 tables: table k has the checksum of a byte that k zero bytes follow, so the 8 look-ups do not wait for each other.

Owner: none; the tables are written when the module is imported and only read after that.
Limits: a little-endian machine.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef uint64_t POLYNOMIAL = <uint64_t> 0x95AC9329AC4BC9B5    # 0xAD93D23594C935A9, its bits in reverse
cdef uint64_t[8][256] TABLES


cdef void fill_tables() noexcept nogil:
    cdef uint64_t crc
    cdef int byte, bit, k
    for byte in range(256):
        crc = byte
        for bit in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
        TABLES[0][byte] = crc
    for byte in range(256):
        for k in range(1, 8):
            crc = TABLES[k - 1][byte]
            TABLES[k][byte] = TABLES[0][crc & 0xFF] ^ (crc >> 8)


fill_tables()


cdef uint64_t crc64(uint64_t crc, const void *data, size_t length) noexcept nogil:
    """The checksum of what came before, continued."""
    cdef const uint8_t *p = <const uint8_t *> data
    cdef uint64_t word
    while length >= 8:
        memcpy(&word, p, 8)
        word ^= crc
        crc = (TABLES[7][word & 0xFF] ^ TABLES[6][(word >> 8) & 0xFF] ^ TABLES[5][(word >> 16) & 0xFF]
               ^ TABLES[4][(word >> 24) & 0xFF] ^ TABLES[3][(word >> 32) & 0xFF] ^ TABLES[2][(word >> 40) & 0xFF]
               ^ TABLES[1][(word >> 48) & 0xFF] ^ TABLES[0][word >> 56])
        p += 8
        length -= 8
    while length:
        crc = TABLES[0][(crc ^ p[0]) & 0xFF] ^ (crc >> 8)
        p += 1
        length -= 1
    return crc


def checksum(data not None, uint64_t crc=0) -> int:
    """The CRC-64 of bytes (or any buffer of them) that follow what `crc` is the checksum of."""
    cdef const uint8_t[::1] view = data
    cdef size_t length = view.shape[0]
    if length == 0:
        return crc
    with nogil:
        crc = crc64(crc, &view[0], length)
    return crc
