# cython: freethreading_compatible=True
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The longest common subsequence of two byte strings: its length, itself, or the runs that make it up.

Idea: the textbook table of the lengths for all pairs of prefixes, in 32-bit cells. For the length alone two rows do.
For the rest the whole table is kept and walked back from its end; where both ways are equally long the walk drops the
last byte of the second string, so that the runs are those that Redis reports.

Owner: none; no state. The loops run detached from the interpreter.

Limits: strings shorter than 2**32 - 1 bytes; the table takes 4 * (len(a) + 1) * (len(b) + 1) bytes, or MemoryError.
"""
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize


def table_size(size_t a_length, size_t b_length) -> int:
    """Bytes of the table for strings of these lengths."""
    return 4 * (a_length + 1) * (b_length + 1)


cdef void fill_row(
    const unsigned char *b, size_t b_length, unsigned char byte, const uint32_t *above, uint32_t *row
) noexcept nogil:
    """The row for one more byte of the first string; both rows have `b_length + 1` cells, the first of them 0."""
    cdef uint32_t left = 0
    cdef size_t j
    for j in range(b_length):
        if b[j] == byte:
            left = above[j] + 1
        elif above[j + 1] > left:
            left = above[j + 1]
        row[j + 1] = left


def length(const unsigned char[::1] a not None, const unsigned char[::1] b not None) -> int:
    """The length of the longest common subsequence."""
    cdef size_t n = <size_t> a.shape[0]
    cdef size_t m = <size_t> b.shape[0]
    cdef size_t i
    cdef uint32_t *rows
    cdef uint32_t result = 0
    if n == 0 or m == 0:
        return 0
    rows = <uint32_t *> calloc(2 * (m + 1), sizeof(uint32_t))
    if rows == NULL:
        raise MemoryError()
    cdef const unsigned char *p = &a[0]
    cdef const unsigned char *q = &b[0]
    with nogil:
        for i in range(n):
            fill_row(q, m, p[i], rows + (i & 1) * (m + 1), rows + ((i + 1) & 1) * (m + 1))
        result = rows[(n & 1) * (m + 1) + m]
    free(rows)
    return result


def solve(const unsigned char[::1] a not None, const unsigned char[::1] b not None):
    """(subsequence, runs): the bytes of the longest common subsequence, and its maximal runs of neighbours in both
    strings, last first, as flat ints: start in `a`, start in `b`, length, ..."""
    cdef size_t n = <size_t> a.shape[0]
    cdef size_t m = <size_t> b.shape[0]
    cdef size_t width = m + 1
    cdef size_t i, j
    cdef uint32_t *table
    if n == 0 or m == 0:
        return b"", []
    table = <uint32_t *> calloc((n + 1) * width, sizeof(uint32_t))
    if table == NULL:
        raise MemoryError()
    cdef const unsigned char *p = &a[0]
    cdef const unsigned char *q = &b[0]
    try:
        with nogil:
            for i in range(n):
                fill_row(q, m, p[i], table + i * width, table + (i + 1) * width)
        return walk_back(p, n, q, m, table)
    finally:
        free(table)


cdef tuple walk_back(const unsigned char *a, size_t n, const unsigned char *b, size_t m, const uint32_t *table):
    """Collects the subsequence and its runs from the end of the table to its beginning."""
    cdef size_t width = m + 1
    cdef size_t i = n
    cdef size_t j = m
    cdef uint32_t left = table[n * width + m]
    cdef size_t run = 0
    cdef list runs = []
    cdef bytes found = PyBytes_FromStringAndSize(NULL, left)
    cdef unsigned char *out = <unsigned char *> PyBytes_AS_STRING(found)
    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            i -= 1
            j -= 1
            left -= 1
            out[left] = a[i]
            run += 1
            continue
        if run:
            runs += (i, j, run)
            run = 0
        if table[(i - 1) * width + j] > table[i * width + j - 1]:
            i -= 1
        else:
            j -= 1
    if run:
        runs += (i, j, run)
    return found, runs
