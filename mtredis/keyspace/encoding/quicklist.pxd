# cython: freethreading_compatible=True
"""Quicklist: a doubly linked list of listpacks, for lists that outgrow one. How it works: `quicklist.pyx`.

Codes: 0, or -1: no memory, and nothing has changed. A place dies with the next change, unless the function moves it.
Texts of changes may not lie in the list itself.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.keyspace.encoding.listpack cimport Element, Listpack

cdef struct QuickNode:
    QuickNode *previous
    QuickNode *next
    unsigned char *data          # a Listpack, or the bytes of one big element
    size_t plain_length          # how many; 0: a Listpack
    uint32_t count               # elements

cdef struct Quicklist:
    QuickNode *head              # NULL: empty
    QuickNode *tail
    uint64_t count               # elements
    uint64_t nodes
    size_t memory                # bytes that malloc holds for all of it, its own 8 per chunk included
    int fill                     # list-max-listpack-size when it was made, -5 to 32767

cdef struct QuickPlace:
    QuickNode *node              # NULL: beyond an end
    Listpack *p                  # the element in the node; NULL: the node is one big element

cdef Quicklist *ql_new(int64_t fill) noexcept nogil                         # empty; NULL: no memory
cdef void ql_free(Quicklist *ql) noexcept nogil
cdef Quicklist *ql_copy(Quicklist *ql) noexcept nogil                       # NULL: no memory
# What `fill` (list-max-listpack-size) allows a node: bytes and elements, of which one is as good as without a bound.
cdef void ql_limits(int64_t fill, size_t *bytes, uint64_t *count) noexcept nogil
cdef bint ql_exceeds(int64_t fill, size_t bytes, uint64_t count) noexcept nogil
cdef int ql_push(Quicklist *ql, const char *text, size_t length, bint left) noexcept nogil
cdef int ql_adopt(Quicklist *ql, Listpack *lp) noexcept nogil               # owns it from now on, as its last node
cdef Listpack *ql_release(Quicklist *ql) noexcept nogil             # frees all but the listpack of its only node
cdef bint ql_seek(Quicklist *ql, int64_t index, QuickPlace *place) noexcept nogil  # negative: from the end; false: none
cdef bint ql_next(QuickPlace *place) noexcept nogil                         # false: beyond the end
cdef bint ql_previous(QuickPlace *place) noexcept nogil
cdef void ql_get(const QuickPlace *place, Element *element) noexcept nogil
cdef bint ql_equals(const QuickPlace *place, const char *text, size_t length) noexcept nogil
cdef int ql_insert(Quicklist *ql, QuickPlace *place, const char *text, size_t length, bint after) noexcept nogil
cdef int ql_replace(Quicklist *ql, QuickPlace *place, const char *text, size_t length) noexcept nogil
# The place moves on to the element behind (`forward`) or before the one that goes.
cdef void ql_delete(Quicklist *ql, QuickPlace *place, bint forward) noexcept nogil
cdef void ql_delete_range(Quicklist *ql, uint64_t index, uint64_t count) noexcept nogil
