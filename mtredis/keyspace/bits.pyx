# cython: freethreading_compatible=True
# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Bits of a string: count, find, combine, and read or write integers of any width at any bit.

Idea: a string is a row of bits, bit 0 the most significant one of byte 0 (Redis's order). Every range is two
inclusive absolute bit positions, so that the BYTE and the BIT form of a command share one function; edges are
masked bytes, and all that lies between runs in words of eight bytes.

Owner: none. The functions keep no state; the C ones need no GIL. The Python ones take any contiguous buffer, and
whoever lends it keeps it unchanged until they return (they detach from the interpreter for long ones).

Invariants: 0 <= first_bit <= last_bit < 8 * length, checked by the Python functions and assumed by the C ones.
Bits behind the end of the data read as 0.

Limits: fields are 1 to 64 bits wide. POPCNT is used where the processor has it, else arithmetic on words.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stdint.h>
    #include <stddef.h>
    #include <string.h>

    static uint64_t mt_popcount_words(const unsigned char *p, size_t words) {
        uint64_t total = 0, x;
        while (words--) {
            memcpy(&x, p, 8);
            p += 8;
            x -= (x >> 1) & 0x5555555555555555ULL;
            x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
            total += (((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL) * 0x0101010101010101ULL) >> 56;
        }
        return total;
    }

    #if defined(__x86_64__) && defined(__GNUC__)
    __attribute__((target("popcnt")))
    static uint64_t mt_popcount_words_popcnt(const unsigned char *p, size_t words) {
        /* four sums: the instruction's result waits for its old target on many processors */
        uint64_t a = 0, b = 0, c = 0, d = 0, x[4];
        for (; words >= 4; words -= 4, p += 32) {
            memcpy(x, p, 32);
            a += (uint64_t) __builtin_popcountll(x[0]);
            b += (uint64_t) __builtin_popcountll(x[1]);
            c += (uint64_t) __builtin_popcountll(x[2]);
            d += (uint64_t) __builtin_popcountll(x[3]);
        }
        for (; words; words--, p += 8) {
            memcpy(x, p, 8);
            a += (uint64_t) __builtin_popcountll(x[0]);
        }
        return a + b + c + d;
    }
    static uint64_t mt_popcount(const unsigned char *p, size_t words) {
        return __builtin_cpu_supports("popcnt") ? mt_popcount_words_popcnt(p, words) : mt_popcount_words(p, words);
    }
    #else
    #define mt_popcount mt_popcount_words
    #endif

    /* the first byte that is not `skip`, or `length` */
    static size_t mt_skip_bytes(const unsigned char *p, size_t length, unsigned char skip) {
        uint64_t pattern = skip ? ~0ULL : 0ULL, x;
        size_t i = 0;
        for (; i + 8 <= length; i += 8) {
            memcpy(&x, p + i, 8);
            if (x != pattern) break;
        }
        while (i < length && p[i] == skip) i++;
        return i;
    }

    #define MT_COMBINE(name, operator) \\
        static void name(unsigned char *restrict out, const unsigned char *restrict in, size_t length) { \\
            uint64_t x, y; \\
            size_t i = 0; \\
            for (; i + 8 <= length; i += 8) { \\
                memcpy(&x, out + i, 8); memcpy(&y, in + i, 8); \\
                x operator y; \\
                memcpy(out + i, &x, 8); \\
            } \\
            for (; i < length; i++) out[i] operator in[i]; \\
        }
    MT_COMBINE(mt_and, &=)
    MT_COMBINE(mt_or, |=)
    MT_COMBINE(mt_xor, ^=)
    static void mt_not(unsigned char *out, size_t length) {
        uint64_t x;
        size_t i = 0;
        for (; i + 8 <= length; i += 8) {
            memcpy(&x, out + i, 8); x = ~x; memcpy(out + i, &x, 8);
        }
        for (; i < length; i++) out[i] = (unsigned char) ~out[i];
    }
    static inline int mt_leading(unsigned int byte) { return __builtin_clz(byte) - 24; }
    """
    uint64_t mt_popcount(const unsigned char *p, size_t words) noexcept nogil
    size_t mt_skip_bytes(const unsigned char *p, size_t length, unsigned char skip) noexcept nogil
    void mt_and(unsigned char *out, const unsigned char *data, size_t length) noexcept nogil
    void mt_or(unsigned char *out, const unsigned char *data, size_t length) noexcept nogil
    void mt_xor(unsigned char *out, const unsigned char *data, size_t length) noexcept nogil
    void mt_not(unsigned char *out, size_t length) noexcept nogil
    int mt_leading(unsigned int byte) noexcept nogil

cdef enum:
    DETACH_FROM = 1 << 16   # bytes; shorter work is done before a detach and an attach would be
    BLOCK = 1 << 15         # bytes of the result that stay in the first cache while all sources pass over them

AND = 0
OR = 1
XOR = 2
NOT = 3


cdef int64_t count_bits(const unsigned char *data, int64_t first_bit, int64_t last_bit) noexcept nogil:
    """How many bits of the range are 1."""
    cdef int64_t first = first_bit >> 3
    cdef int64_t last = last_bit >> 3
    cdef unsigned char head = 0xFF >> (first_bit & 7)
    cdef unsigned char tail = (0xFF << (7 - (last_bit & 7))) & 0xFF
    cdef uint64_t edges = 0
    cdef size_t middle, words
    if first == last:
        edges = data[first] & head & tail
        return <int64_t> mt_popcount(<const unsigned char *> &edges, 1)
    middle = <size_t> (last - first - 1)
    words = middle >> 3
    memcpy(&edges, data + first + 1 + words * 8, middle & 7)  # at most 7 bytes: the eighth is for the first
    (<unsigned char *> &edges)[7] = data[first] & head
    cdef uint64_t end = data[last] & tail
    return <int64_t> (
        mt_popcount(data + first + 1, words)
        + mt_popcount(<const unsigned char *> &edges, 1)
        + mt_popcount(<const unsigned char *> &end, 1)
    )


cdef int64_t find_bit(const unsigned char *data, int64_t first_bit, int64_t last_bit, bint bit) noexcept nogil:
    """The position of the first bit of the range that is `bit`, or -1."""
    cdef int64_t first = first_bit >> 3
    cdef int64_t last = last_bit >> 3
    cdef int64_t position, index
    cdef unsigned char flip = 0 if bit else 0xFF    # what is looked for becomes a 1
    cdef unsigned char byte = (data[first] ^ flip) & (0xFF >> (first_bit & 7))
    if byte == 0 and first < last:
        first += 1
        index = first + <int64_t> mt_skip_bytes(data + first, <size_t> (last - first), flip)
        first = index
        byte = data[index] ^ flip
    if byte == 0:
        return -1
    position = first * 8 + mt_leading(byte)
    return position if position <= last_bit else -1


cdef inline void load_window(
    const unsigned char *data, size_t length, uint64_t offset, unsigned char *window
) noexcept nogil:
    """The nine bytes that hold every field beginning at bit `offset`; those behind the end are 0."""
    cdef uint64_t start = offset >> 3
    cdef size_t present = 0
    if start < length:
        present = length - start
        if present > 9:
            present = 9
        memcpy(window, data + start, present)
    memset(window + present, 0, 9 - present)


cdef uint64_t read_field(const unsigned char *data, size_t length, uint64_t offset, int bits) noexcept nogil:
    """The unsigned integer in `bits` bits from bit `offset`."""
    cdef unsigned char window[9]
    cdef uint64_t value = 0
    cdef int shift = offset & 7
    cdef int i
    load_window(data, length, offset, window)
    for i in range(8):
        value = (value << 8) | window[i]
    if shift:
        value = (value << shift) | (window[8] >> (8 - shift))
    return value >> (64 - bits)


cdef int write_field(
    const unsigned char *data, size_t length, uint64_t offset, int bits, uint64_t value, unsigned char *patch
) noexcept nogil:
    """Fills `patch` (room for 9 bytes) with the bytes from `offset >> 3` as they are once the field holds `value`;
    returns how many bytes the field touches."""
    cdef int shift = offset & 7
    cdef int position
    cdef int i
    cdef unsigned char mask
    load_window(data, length, offset, patch)
    for i in range(bits):
        position = shift + i
        mask = 0x80 >> (position & 7)
        if (value >> (bits - 1 - i)) & 1:
            patch[position >> 3] |= mask
        else:
            patch[position >> 3] &= ~mask & 0xFF
    return (shift + bits + 7) >> 3


def count(data, int64_t first_bit, int64_t last_bit) -> int:
    """How many bits from `first_bit` to `last_bit` (inclusive) of a buffer are 1."""
    cdef Py_buffer view
    cdef int64_t total
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        check_range(first_bit, last_bit, view.len)
        if last_bit - first_bit < 8 * DETACH_FROM:
            return count_bits(<const unsigned char *> view.buf, first_bit, last_bit)
        with nogil:
            total = count_bits(<const unsigned char *> view.buf, first_bit, last_bit)
        return total
    finally:
        PyBuffer_Release(&view)


def find(data, int64_t first_bit, int64_t last_bit, bint bit) -> int:
    """The position of the first bit equal to `bit` from `first_bit` to `last_bit` (inclusive) of a buffer, or -1."""
    cdef Py_buffer view
    cdef int64_t position
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        check_range(first_bit, last_bit, view.len)
        if last_bit - first_bit < 8 * DETACH_FROM:
            return find_bit(<const unsigned char *> view.buf, first_bit, last_bit, bit)
        with nogil:
            position = find_bit(<const unsigned char *> view.buf, first_bit, last_bit, bit)
        return position
    finally:
        PyBuffer_Release(&view)


cdef int check_range(int64_t first_bit, int64_t last_bit, Py_ssize_t length) except -1:
    if first_bit < 0 or first_bit > last_bit or last_bit >= <int64_t> length * 8:
        raise IndexError("bits outside of the data")
    return 0


def get_field(data, uint64_t offset, int bits, bint signed) -> int:
    """The integer in `bits` (1..64) bits from bit `offset` of a buffer; bits behind its end are 0."""
    cdef Py_buffer view
    cdef uint64_t value
    check_width(bits)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    value = read_field(<const unsigned char *> view.buf, <size_t> view.len, offset, bits)
    PyBuffer_Release(&view)
    if not signed:
        return value
    # move the field's sign to the word's, and back arithmetically
    return (<int64_t> (value << (64 - bits))) >> (64 - bits)


def field_patch(data, uint64_t offset, int bits, uint64_t value) -> bytes:
    """The bytes to write at byte `offset // 8` of a buffer so that the field of `bits` (1..64) bits at bit `offset`
    holds the low `bits` bits of `value` and no other bit changes."""
    cdef Py_buffer view
    cdef unsigned char patch[9]
    cdef int length
    check_width(bits)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    length = write_field(<const unsigned char *> view.buf, <size_t> view.len, offset, bits, value, patch)
    PyBuffer_Release(&view)
    return PyBytes_FromStringAndSize(<char *> patch, length)


cdef int check_width(int bits) except -1:
    if bits < 1 or bits > 64:
        raise ValueError("a field has 1 to 64 bits")
    return 0


def combine(int operation, list sources) -> bytes:
    """AND, OR or XOR of all buffers, or NOT of the only one; as long as the longest, shorter ones padded with 0."""
    cdef Py_ssize_t n = len(sources)
    cdef Py_ssize_t held = 0
    cdef Py_ssize_t longest = 0
    cdef Py_buffer *views
    if n == 0 or operation < 0 or operation > 3 or (operation == 3 and n != 1):
        raise ValueError("no such operation on so many sources")
    views = <Py_buffer *> calloc(n, sizeof(Py_buffer))
    if views == NULL:
        raise MemoryError()
    try:
        while held < n:
            PyObject_GetBuffer(sources[held], &views[held], PyBUF_SIMPLE)
            held += 1
            if views[held - 1].len > longest:
                longest = views[held - 1].len
        result = PyBytes_FromStringAndSize(NULL, longest)
        out = <unsigned char *> PyBytes_AS_STRING(result)
        if longest < DETACH_FROM:
            combine_blocks(operation, views, n, out, longest)
        else:
            with nogil:
                combine_blocks(operation, views, n, out, longest)
        return result
    finally:
        while held > 0:
            held -= 1
            PyBuffer_Release(&views[held])
        free(views)


cdef void combine_blocks(
    int operation, Py_buffer *views, Py_ssize_t n, unsigned char *out, Py_ssize_t longest
) noexcept nogil:
    """Block by block, all sources over one block before the next one."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length, present, i
    cdef const unsigned char *source
    while start < longest:
        length = longest - start
        if length > BLOCK:
            length = BLOCK
        for i in range(n):
            present = views[i].len - start
            if present < 0:
                present = 0
            elif present > length:
                present = length
            source = <const unsigned char *> views[i].buf + (start if present else 0)
            if i == 0:
                memcpy(out + start, source, present)
                memset(out + start + present, 0, length - present)
            elif operation == 0:
                mt_and(out + start, source, present)
                memset(out + start + present, 0, length - present)
            elif operation == 1:
                mt_or(out + start, source, present)
            else:
                mt_xor(out + start, source, present)
        if operation == 3:
            mt_not(out + start, length)
        start += length
