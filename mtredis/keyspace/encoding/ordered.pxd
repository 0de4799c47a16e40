# cython: freethreading_compatible=True
"""Ordered: a B+ tree of (key, item) pairs with ranks: sorted sets, streams, pending entries, times of fields.

How it works: `ordered.pyx`. Order: by `key` (a uint64), among equal keys by `tie(a, b)` of the items, the tree's own
first (NULL: at most one item per key, items are not looked at). What is given to look an item up may be any that sorts
equal. An item that is in the tree must stay readable until it is removed or replaced.
A pair is in it at most once. Items are not owned. O(log n) for everything but walking (O(1) per step).
A cursor dies with the next change of the tree.
"""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.encoding.ordered_node cimport Node

ctypedef int (*Tie)(const void *a, const void *b) noexcept nogil           # < 0, 0, > 0
# Whether (key, item) lies before the place that is looked for: true for a first part of the tree, false for the rest.
ctypedef bint (*Before)(uint64_t key, const void *item, const void *context) noexcept nogil
# Puts other items in the place of so many, each of which sorts as the one before.
ctypedef void (*Renew)(void *context, void **items, int count) noexcept nogil

cdef struct Ordered:
    Node *root                   # NULL: empty
    Node *first                  # leftmost and rightmost leaf
    Node *last
    uint64_t count
    size_t memory                # bytes that malloc holds for nodes (its own 8 per chunk included) and for this struct
    Tie tie

cdef struct Cursor:
    Node *leaf                   # NULL: beyond an end
    int index

cdef inline void node_relink(Ordered *tree, Node *node) noexcept nogil:
    """Its neighbours find a leaf at its new place in memory."""
    if node.level == 0:
        if node.previous != NULL:
            node.previous.next = node
        else:
            tree.first = node
        if node.next != NULL:
            node.next.previous = node
        else:
            tree.last = node


cdef Ordered *ordered_new(Tie tie) noexcept nogil                           # NULL: no memory
cdef void ordered_free(Ordered *tree) noexcept nogil                        # not the items
# The same pairs with items renewed; follows neither the old nor the new. NULL: no memory.
cdef Ordered *ordered_copy(Ordered *tree, Renew renew, void *context) noexcept nogil
# 1: inserted, 0: it was there, -1: no memory
cdef int ordered_insert(Ordered *tree, uint64_t key, void *item) noexcept nogil
# Whether it was there; never fails.
cdef bint ordered_remove(Ordered *tree, uint64_t key, const void *item) noexcept nogil
# The pair at `key`/`item` gets another item that sorts equal (it was moved in memory). Whether it was there.
# `item` may be freed already if it is the very address that the tree has: it is not followed.
cdef bint ordered_replace(Ordered *tree, uint64_t key, const void *item, void *fresh) noexcept nogil
cdef int64_t ordered_rank(Ordered *tree, uint64_t key, const void *item) noexcept nogil  # from 0; -1: not there
cdef bint ordered_find(Ordered *tree, uint64_t key, const void *item, Cursor *cursor) noexcept nogil
cdef bint ordered_at(Ordered *tree, uint64_t rank, Cursor *cursor) noexcept nogil        # false: rank >= count
# The rank of the first pair that is not `before`; the cursor stands on it (leaf NULL: there is none).
cdef uint64_t ordered_seek(Ordered *tree, Before before, const void *context, Cursor *cursor) noexcept nogil
# The first pair with key >= `key`; its rank.
cdef uint64_t ordered_seek_key(Ordered *tree, uint64_t key, Cursor *cursor) noexcept nogil
cdef bint ordered_first(Ordered *tree, Cursor *cursor) noexcept nogil
cdef bint ordered_last(Ordered *tree, Cursor *cursor) noexcept nogil
cdef bint cursor_next(Cursor *cursor) noexcept nogil        # false, leaf NULL: beyond the end
cdef bint cursor_previous(Cursor *cursor) noexcept nogil
cdef uint64_t cursor_key(const Cursor *cursor) noexcept nogil
cdef void *cursor_item(const Cursor *cursor) noexcept nogil

cdef uint64_t key_of_double(double value) noexcept nogil    # order-preserving; -0.0 and 0.0 are equal; not for NaN
cdef double double_of_key(uint64_t key) noexcept nogil
