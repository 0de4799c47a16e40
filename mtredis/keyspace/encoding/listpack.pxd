# cython: freethreading_compatible=True
"""Listpack: a sequence of strings and integers in one buffer, in the layout of Redis. How it works: `listpack.pyx`.

A listpack is one malloc'd buffer. What may move it returns the new address, or NULL when memory is out (or it would
outgrow LISTPACK_MAX): then nothing has changed and the old address is still good. A pointer to an element dies with the
next change. `lp_insert` and friends take text; text that is the canonical decimal of an int64 is stored as an integer.
"""
from libc.stdint cimport int64_t, uint32_t

ctypedef unsigned char Listpack

cdef enum:
    LISTPACK_MAX = 1073741824    # bytes; Redis's own limit
    LP_BEFORE = 0
    LP_AFTER = 1
    LP_REPLACE = 2
    LP_HEADER = 6                # bytes before the first element
    LP_END = 0xFF                # the byte behind the last one

cdef struct Element:             # an element, decoded
    const char *text             # NULL: it is an integer
    size_t length                # of text
    int64_t number

cdef Listpack *lp_new(size_t capacity) noexcept nogil             # empty; NULL: no memory
cdef void lp_free(Listpack *lp) noexcept nogil
cdef Listpack *lp_copy(const Listpack *lp) noexcept nogil
cdef size_t lp_memory(const Listpack *lp) noexcept nogil          # what malloc holds for it, its own 8 bytes included
cdef size_t lp_count(Listpack *lp) noexcept nogil                 # O(1) below 65535, else it walks (as Redis)
cdef inline size_t lp_bytes(const Listpack *lp) noexcept nogil:
    """Total, header and end byte included."""
    return lp[0] | <uint32_t> lp[1] << 8 | <uint32_t> lp[2] << 16 | <uint32_t> lp[3] << 24

# Walking. NULL: there is none. lp_seek: negative indexes count from the end; walks from the nearer end.
cdef Listpack *lp_last(Listpack *lp) noexcept nogil
cdef Listpack *lp_previous(Listpack *lp, Listpack *p) noexcept nogil
cdef Listpack *lp_seek(Listpack *lp, int64_t index) noexcept nogil
cdef Listpack *lp_behind_wide(Listpack *p) noexcept nogil         # lp_behind for what does not begin with 0 to 0xBF

cdef inline Listpack *lp_behind(Listpack *p) noexcept nogil:
    """The next element or the end byte."""
    if p[0] < 0x80:
        return p + 2
    if p[0] < 0xC0:
        return p + 2 + (p[0] & 0x3F)
    return lp_behind_wide(p)

cdef inline Listpack *lp_first(Listpack *lp) noexcept nogil:
    return lp + LP_HEADER if lp[LP_HEADER] != LP_END else NULL

cdef inline Listpack *lp_next(Listpack *lp, Listpack *p) noexcept nogil:
    p = lp_behind(p)
    return p if p[0] != LP_END else NULL

# Reading.
cdef void lp_get_wide(const Listpack *p, Element *element) noexcept nogil   # as lp_behind_wide

cdef inline void lp_get(const Listpack *p, Element *element) noexcept nogil:
    """Sets `number` or `length`, as `text` says, and leaves the other as it is."""
    if p[0] < 0x80:
        element.text = NULL
        element.number = p[0]
    elif p[0] < 0xC0:
        element.text = <const char *> p + 1
        element.length = p[0] & 0x3F
    else:
        lp_get_wide(p, element)

# The element as bytes; `digits` (20 bytes of room) is used for an integer.
cdef const char *lp_text(const Listpack *p, char *digits, size_t *length) noexcept nogil
cdef bint lp_equals(const Listpack *p, const char *text, size_t length) noexcept nogil
# The first element from `p` on that equals the text, looking at every (skip + 1)th; NULL: none. `p` NULL: none either.
cdef Listpack *lp_find(Listpack *lp, Listpack *p, const char *text, size_t length, int skip) noexcept nogil
# Bytes that one element of this text takes; for "does it fit" questions.
cdef size_t lp_element_size(const char *text, size_t length) noexcept nogil

# Changes; the text may not lie in the listpack itself. `at` (NULL: not wanted) receives the address of the element
# that was inserted, replaced, or follows what was deleted (NULL: none).
cdef Listpack *lp_append(Listpack *lp, const char *text, size_t length) noexcept nogil
cdef Listpack *lp_append_integer(Listpack *lp, int64_t number) noexcept nogil
cdef Listpack *lp_prepend(Listpack *lp, const char *text, size_t length) noexcept nogil
cdef Listpack *lp_insert(
    Listpack *lp, Listpack *p, int where, const char *text, size_t length, Listpack **at
) noexcept nogil
cdef Listpack *lp_insert_integer(Listpack *lp, Listpack *p, int where, int64_t number, Listpack **at) noexcept nogil
cdef Listpack *lp_delete(Listpack *lp, Listpack *p, Listpack **at) noexcept nogil                # never fails
cdef Listpack *lp_delete_range(Listpack *lp, int64_t index, size_t count) noexcept nogil         # never fails
# The elements of `tail` (another one; it stays as it is) behind those of `lp`.
cdef Listpack *lp_merge(Listpack *lp, Listpack *tail) noexcept nogil

# Whether `size` bytes from anywhere are a whole listpack, every element of it sound (for RDB files and RESTORE). Never
# reads beyond.
cdef bint lp_is_valid(const unsigned char *data, size_t size) noexcept nogil
