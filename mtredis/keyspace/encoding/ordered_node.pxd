# cython: freethreading_compatible=True
"""The nodes of the B+ tree in `ordered.pyx`: their layout, for it and for its tests; nobody else looks into them.

With leaves of 64 a pair costs 19 bytes when keys come in any order and 17 when they rise. Leaves of 32 cost 22 and are
no faster; those of 128 cost 17.5, but taking pairs out at the left, as streams do, is a tenth slower (37 to 42 ns).
"""
from libc.stdint cimport uint16_t, uint64_t

cdef extern from "<malloc.h>" nogil:
    size_t malloc_usable_size(void *pointer) noexcept

cdef enum:
    LEAF_MAX = 64            # pairs
    INNER_MAX = 32           # children
    LEAF_MERGE = 32          # two leaves with no more than that become one
    INNER_MERGE = 16
    CAPACITY_MIN = 4

cdef struct Node:            # 24 bytes, so that pairs of 16 fill malloc's chunks (16n + 8) without a gap
    Node *previous           # leaves only
    Node *next
    uint16_t count
    uint16_t capacity
    uint16_t level           # 0: a leaf

cdef struct Pair:            # a leaf's, after the Node
    uint64_t key
    void *item

cdef struct Branch:          # an inner node's, after the Node
    Pair pair                # the first of the subtree
    Node *child
    uint64_t count           # pairs in the subtree


cdef inline Pair *pairs_of(const Node *leaf) noexcept nogil:
    return <Pair *> (leaf + 1)


cdef inline Branch *branches_of(const Node *inner) noexcept nogil:
    return <Branch *> (inner + 1)


cdef inline Pair first_pair(const Node *node) noexcept nogil:
    return branches_of(node).pair if node.level else pairs_of(node)[0]


cdef inline size_t node_size(int level, int capacity) noexcept nogil:
    return sizeof(Node) + capacity * (sizeof(Branch) if level else sizeof(Pair))


cdef inline int fitting(int count, int maximum) noexcept nogil:
    """The capacity for so many pairs or branches: 4, 8, 16, 24 and so on."""
    return min(maximum, CAPACITY_MIN if count <= CAPACITY_MIN else (count + 7) & ~7)


cdef inline int maximum_of(const Node *node) noexcept nogil:
    return INNER_MAX if node.level else LEAF_MAX


cdef inline size_t held(void *chunk) noexcept nogil:
    return malloc_usable_size(chunk) + 8
