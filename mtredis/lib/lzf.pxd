# cython: freethreading_compatible=True
"""LZF compression on plain memory. See `lzf.pyx`."""
from libc.stdint cimport uint32_t

cdef enum:
    LZF_SLOTS = 65536

cdef struct LzfTable:            # where each sequence of three bytes was seen last; all zeros before its first use
    uint32_t base                # slots below belong to texts that are done with
    uint32_t slots[65536]

cdef LzfTable *lzf_table() noexcept nogil                                    # NULL: no memory; free() it
# The length of the compressed text; 0: it does not fit `room` bytes.
cdef size_t lzf_compress(LzfTable *table, const unsigned char *text, size_t length, unsigned char *out,
                         size_t room) noexcept nogil
# Whether the data decompresses to exactly `length` bytes. Nothing is read or written beyond what is given.
cdef bint lzf_decompress(const unsigned char *data, size_t size, unsigned char *out, size_t length) noexcept nogil
# The most that so much data can decompress to.
cdef inline size_t lzf_bound(size_t size) noexcept nogil:
    return size * 88 if size < <size_t> 1 << 56 else ~<size_t> 0    # 3 bytes make up to 264
