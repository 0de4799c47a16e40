# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Quicklist: a doubly linked list of listpacks, for lists that outgrow one.

Idea: a node is a listpack of bounded size (`fill`: negative for 4, 8, 16, 32 or 64 KB, positive for that many elements
and at most 8 KB), so a change moves at most that much memory, both ends are O(1), and an element costs little more than
its bytes. An element that is too big for a node stands in one of its own, unpacked ("plain"). An insertion into the
middle of a full node splits it, and then neighbours that fit together are merged.

When a list is packed into one listpack again depends on how many nodes it has, and OBJECT ENCODING shows it: so
elements are dealt to nodes exactly as Redis does it, the estimate of 8 bytes beside an element's text included.

Owner: the executor; seeking and walking may run on a worker while the key's segment is locked and the entry not BUSY.
Invariants: no node is empty; `count`, `nodes` and `memory` are those of the nodes. What can fail allocates before it
changes anything; merging is left out when there is no memory for it.
Limits: `list-compress-depth` is accepted, but nodes are never compressed. Seeking is O(nodes).
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset
from mtredis.keyspace.encoding.listpack cimport (
    LP_AFTER, LP_BEFORE, LP_HEADER, LP_REPLACE, Element, Listpack, lp_append, lp_bytes, lp_copy, lp_count, lp_delete,
    lp_delete_range, lp_equals, lp_first, lp_free, lp_get, lp_insert, lp_last, lp_merge, lp_new, lp_next, lp_prepend,
    lp_previous, lp_seek,
)
from mtredis.keyspace.encoding.room cimport room_memory

cdef enum:
    SAFE_BYTES = 8192              # of a node of several elements, when only their number is bounded
    ELEMENT_OVERHEAD = 8           # bytes that an element is taken to need beside its text
    LISTPACK_FRAME = 7             # header and end byte, which two merged listpacks need once
    FILL_MIN = -5
    FILL_MAX = 32767


# Limits -----------------------------------------------------------------------------------------------------------


cdef void ql_limits(int64_t fill, size_t *bytes, uint64_t *count) noexcept nogil:
    bytes[0] = ~<size_t> 0
    count[0] = ~<uint64_t> 0
    if fill < 0:
        bytes[0] = <size_t> 4096 << ((-fill if fill > FILL_MIN else -FILL_MIN) - 1)
    else:
        count[0] = <uint64_t> fill if fill else 1


cdef bint ql_exceeds(int64_t fill, size_t bytes, uint64_t count) noexcept nogil:
    cdef size_t most_bytes
    cdef uint64_t most
    ql_limits(fill, &most_bytes, &most)
    return bytes > most_bytes or (fill >= 0 and (bytes > SAFE_BYTES or count > most))


cdef inline bint is_big(const Quicklist *ql, size_t length) noexcept nogil:
    """Whether an element gets a node of its own."""
    cdef size_t bytes = SAFE_BYTES
    cdef uint64_t count
    if ql.fill < 0:
        ql_limits(ql.fill, &bytes, &count)
    return length > bytes


cdef bint has_room(const Quicklist *ql, const QuickNode *node, size_t length) noexcept nogil:
    """Whether the node (NULL: no) may get one more element of that length."""
    if node == NULL or node.plain_length or is_big(ql, length):
        return False
    return not ql_exceeds(ql.fill, lp_bytes(node.data) + length + ELEMENT_OVERHEAD, <uint64_t> node.count + 1)


cdef bint fit_together(const Quicklist *ql, const QuickNode *a, const QuickNode *b) noexcept nogil:
    if a == NULL or b == NULL or a.plain_length or b.plain_length:
        return False
    return not ql_exceeds(
        ql.fill, lp_bytes(a.data) + lp_bytes(b.data) - LISTPACK_FRAME, <uint64_t> a.count + b.count)


# Nodes ------------------------------------------------------------------------------------------------------------


cdef QuickNode *node_new(unsigned char *data, size_t plain_length, size_t count) noexcept nogil:
    """A node of its own that holds `data`, or NULL: no memory, or no data; then the data is freed."""
    cdef QuickNode *node = <QuickNode *> malloc(sizeof(QuickNode)) if data != NULL else NULL
    if node == NULL:
        free(data)
        return NULL
    node.previous = NULL
    node.next = NULL
    node.data = data
    node.plain_length = plain_length
    node.count = <uint32_t> count
    return node


cdef void node_free(QuickNode *node) noexcept nogil:
    free(node.data)
    free(node)


cdef unsigned char *plain_data(const char *text, size_t length) noexcept nogil:
    cdef unsigned char *data = <unsigned char *> malloc(length)
    if data != NULL:
        memcpy(data, text, length)
    return data


cdef QuickNode *node_of(const Quicklist *ql, const char *text, size_t length) noexcept nogil:
    """A node of that one element; NULL: no memory."""
    cdef Listpack *lp
    cdef Listpack *filled
    if is_big(ql, length):
        return node_new(plain_data(text, length), length, 1)
    lp = lp_new(0)
    if lp == NULL:
        return NULL
    filled = lp_append(lp, text, length)
    if filled == NULL:
        lp_free(lp)
        return NULL
    return node_new(filled, 0, 1)


cdef QuickNode *node_part(const QuickNode *node, size_t index, size_t count) noexcept nogil:
    """A new node with copies of `count` elements of a packed one, from `index` on; NULL: no memory."""
    cdef Listpack *lp = lp_copy(node.data)
    if lp == NULL:
        return NULL
    lp = lp_delete_range(lp, <int64_t> (index + count), node.count)
    return node_new(lp_delete_range(lp, 0, index), 0, count)


cdef inline size_t node_memory(const QuickNode *node) noexcept nogil:
    return room_memory(node) + room_memory(node.data)


cdef void link_node(Quicklist *ql, QuickNode *node, QuickNode *beside, bint after) noexcept nogil:
    """Puts a node behind or before another one (NULL: the list is empty) and counts it and its elements."""
    cdef QuickNode *previous = beside if after else NULL
    cdef QuickNode *following = beside if not after else NULL
    if beside != NULL and after:
        following = beside.next
    elif beside != NULL:
        previous = beside.previous
    node.previous = previous
    node.next = following
    if previous != NULL:
        previous.next = node
    else:
        ql.head = node
    if following != NULL:
        following.previous = node
    else:
        ql.tail = node
    ql.nodes += 1
    ql.count += node.count
    ql.memory += node_memory(node)


cdef void drop_node(Quicklist *ql, QuickNode *node) noexcept nogil:
    """Takes the node out, with its elements, and frees it."""
    if node.previous != NULL:
        node.previous.next = node.next
    else:
        ql.head = node.next
    if node.next != NULL:
        node.next.previous = node.previous
    else:
        ql.tail = node.previous
    ql.nodes -= 1
    ql.count -= node.count
    ql.memory -= node_memory(node)
    node_free(node)


cdef int add_to_end(Quicklist *ql, QuickNode *node, const char *text, size_t length, bint left) noexcept nogil:
    """One more element at an end of a packed node."""
    cdef size_t memory = room_memory(node.data)
    cdef Listpack *lp = lp_prepend(node.data, text, length) if left else lp_append(node.data, text, length)
    if lp == NULL:
        return -1
    node.data = lp
    node.count += 1
    ql.count += 1
    ql.memory += room_memory(lp) - memory
    return 0


cdef void cut_node(Quicklist *ql, QuickNode *node, size_t index, size_t count) noexcept nogil:
    """A packed node loses some of its elements, but not all."""
    ql.memory -= room_memory(node.data)
    node.data = lp_delete_range(node.data, <int64_t> index, count)
    node.count -= <uint32_t> count
    ql.count -= count
    ql.memory += room_memory(node.data)


cdef QuickNode *join(Quicklist *ql, QuickNode *a, QuickNode *b) noexcept nogil:
    """`a` gets the elements of `b`, which is behind it, and `b` goes; NULL: no memory, both are as they were."""
    cdef size_t memory = room_memory(a.data)
    cdef Listpack *lp = lp_merge(a.data, b.data)
    if lp == NULL:
        return NULL
    a.data = lp
    a.count += b.count
    ql.count += b.count
    ql.memory += room_memory(lp) - memory
    drop_node(ql, b)
    return a


cdef void merge_around(Quicklist *ql, QuickNode *center) noexcept nogil:
    """Joins neighbours that fit together: first those on either side of `center`, then it with them."""
    cdef QuickNode *joined
    if center.previous != NULL and fit_together(ql, center.previous.previous, center.previous):
        join(ql, center.previous.previous, center.previous)
    if center.next != NULL and fit_together(ql, center.next, center.next.next):
        join(ql, center.next, center.next.next)
    if fit_together(ql, center.previous, center):
        joined = join(ql, center.previous, center)
        center = joined if joined != NULL else center
    if fit_together(ql, center, center.next):
        join(ql, center, center.next)


# The whole --------------------------------------------------------------------------------------------------------


cdef Quicklist *ql_new(int64_t fill) noexcept nogil:
    cdef Quicklist *ql = <Quicklist *> malloc(sizeof(Quicklist))
    if ql == NULL:
        return NULL
    memset(ql, 0, sizeof(Quicklist))
    ql.fill = <int> (FILL_MAX if fill > FILL_MAX else FILL_MIN if fill < FILL_MIN else fill)
    ql.memory = room_memory(ql)
    return ql


cdef void ql_free(Quicklist *ql) noexcept nogil:
    cdef QuickNode *node = ql.head
    cdef QuickNode *following
    while node != NULL:
        following = node.next
        node_free(node)
        node = following
    free(ql)


cdef Quicklist *ql_copy(Quicklist *ql) noexcept nogil:
    cdef Quicklist *copy = ql_new(ql.fill)
    cdef QuickNode *node = ql.head
    cdef QuickNode *fresh
    while copy != NULL and node != NULL:
        if node.plain_length:
            fresh = node_new(plain_data(<const char *> node.data, node.plain_length), node.plain_length, 1)
        else:
            fresh = node_new(lp_copy(node.data), 0, node.count)
        if fresh == NULL:
            ql_free(copy)
            return NULL
        link_node(copy, fresh, copy.tail, True)
        node = node.next
    return copy


cdef int ql_push(Quicklist *ql, const char *text, size_t length, bint left) noexcept nogil:
    cdef QuickNode *end = ql.head if left else ql.tail
    cdef QuickNode *node
    if has_room(ql, end, length):
        return add_to_end(ql, end, text, length, left)
    node = node_of(ql, text, length)
    if node == NULL:
        return -1
    link_node(ql, node, end, not left)
    return 0


cdef int ql_adopt(Quicklist *ql, Listpack *lp) noexcept nogil:
    """The listpack, which is not empty, is the last node; -1: no memory, it still is the caller's."""
    cdef QuickNode *node = <QuickNode *> malloc(sizeof(QuickNode))
    if node == NULL:
        return -1
    node.data = lp
    node.plain_length = 0
    node.count = <uint32_t> lp_count(lp)
    link_node(ql, node, ql.tail, True)
    return 0


cdef Listpack *ql_release(Quicklist *ql) noexcept nogil:
    cdef Listpack *lp = ql.head.data
    free(ql.head)
    free(ql)
    return lp


# Places -----------------------------------------------------------------------------------------------------------


cdef QuickNode *node_at(Quicklist *ql, uint64_t *index) noexcept nogil:
    """The node with the element (which is there); `index` becomes the one in it. From the nearer end."""
    cdef QuickNode *node
    cdef uint64_t first
    if index[0] < ql.count // 2:
        node = ql.head
        while index[0] >= node.count:
            index[0] -= node.count
            node = node.next
        return node
    node = ql.tail
    first = ql.count - node.count
    while index[0] < first:
        node = node.previous
        first -= node.count
    index[0] -= first
    return node


cdef bint ql_seek(Quicklist *ql, int64_t index, QuickPlace *place) noexcept nogil:
    cdef uint64_t position = <uint64_t> (index if index >= 0 else index + <int64_t> ql.count)
    place.node = NULL
    place.p = NULL
    if position >= ql.count:
        return False
    place.node = node_at(ql, &position)
    if not place.node.plain_length:
        place.p = lp_seek(place.node.data, <int64_t> position)
    return True


cdef bint ql_next(QuickPlace *place) noexcept nogil:
    if place.p != NULL:
        place.p = lp_next(place.node.data, place.p)
        if place.p != NULL:
            return True
    place.node = place.node.next
    if place.node == NULL:
        return False
    if not place.node.plain_length:
        place.p = lp_first(place.node.data)
    return True


cdef bint ql_previous(QuickPlace *place) noexcept nogil:
    if place.p != NULL:
        place.p = lp_previous(place.node.data, place.p)
        if place.p != NULL:
            return True
    place.node = place.node.previous
    if place.node == NULL:
        return False
    if not place.node.plain_length:
        place.p = lp_last(place.node.data)
    return True


cdef void ql_get(const QuickPlace *place, Element *element) noexcept nogil:
    if place.p != NULL:
        lp_get(place.p, element)
    else:
        element.text = <const char *> place.node.data
        element.length = place.node.plain_length


cdef bint ql_equals(const QuickPlace *place, const char *text, size_t length) noexcept nogil:
    if place.p != NULL:
        return lp_equals(place.p, text, length)
    return place.node.plain_length == length and memcmp(place.node.data, text, length) == 0


cdef size_t index_in_node(const QuickPlace *place) noexcept nogil:
    cdef Listpack *p = lp_first(place.node.data)
    cdef size_t index = 0
    while p != place.p:
        p = lp_next(place.node.data, p)
        index += 1
    return index


cdef inline bint is_at_end(const QuickPlace *place, bint after) noexcept nogil:
    """Whether nothing of the node is behind (or before) the place."""
    if place.p == NULL:
        return True
    return lp_next(place.node.data, place.p) == NULL if after else place.p == place.node.data + LP_HEADER


# Changes in the middle --------------------------------------------------------------------------------------------


cdef QuickNode *copy_of_side(const QuickPlace *place, bint after) noexcept nogil:
    """A new node with what is in the node behind (or before) the place, which is not nothing; NULL: no memory."""
    cdef size_t index = index_in_node(place)
    if after:
        return node_part(place.node, index + 1, place.node.count - index - 1)
    return node_part(place.node, 0, index)


cdef void split_off(Quicklist *ql, QuickNode *node, QuickNode *part, QuickNode *beside, bint after) noexcept nogil:
    """`part`, the copy of a side, takes its elements over from the node, and its place in the list behind `beside`."""
    cut_node(ql, node, node.count - part.count if after else 0, part.count)
    link_node(ql, part, beside, after)


cdef int insert_splitting(Quicklist *ql, QuickPlace *place, const char *text, size_t length, bint after) noexcept nogil:
    """Into the middle of a full node: what is behind (before) the place goes into a new node, with the element."""
    cdef QuickNode *part = copy_of_side(place, after)
    cdef Listpack *lp
    if part == NULL:
        return -1
    lp = lp_prepend(part.data, text, length) if after else lp_append(part.data, text, length)
    if lp == NULL:
        node_free(part)
        return -1
    part.data = lp
    split_off(ql, place.node, part, place.node, after)
    part.count += 1
    ql.count += 1
    merge_around(ql, place.node)
    return 0


cdef int insert_big(Quicklist *ql, QuickPlace *place, const char *text, size_t length, bint after) noexcept nogil:
    """A node of its own between two parts of the node, or beside it."""
    cdef QuickNode *part = NULL
    cdef QuickNode *node = node_of(ql, text, length)
    if node == NULL:
        return -1
    if not is_at_end(place, after):
        part = copy_of_side(place, after)
        if part == NULL:
            node_free(node)
            return -1
    link_node(ql, node, place.node, after)
    if part != NULL:
        split_off(ql, place.node, part, node, after)
    return 0


cdef int insert_here(Quicklist *ql, QuickPlace *place, const char *text, size_t length, bint after) noexcept nogil:
    """Into a packed node with room."""
    cdef QuickNode *node = place.node
    cdef size_t memory = room_memory(node.data)
    cdef Listpack *lp = lp_insert(node.data, place.p, LP_AFTER if after else LP_BEFORE, text, length, NULL)
    if lp == NULL:
        return -1
    node.data = lp
    node.count += 1
    ql.count += 1
    ql.memory += room_memory(lp) - memory
    return 0


cdef int ql_insert(Quicklist *ql, QuickPlace *place, const char *text, size_t length, bint after) noexcept nogil:
    cdef QuickNode *neighbour = place.node.next if after else place.node.previous
    cdef QuickNode *node
    if is_big(ql, length):
        return insert_big(ql, place, text, length, after)
    if has_room(ql, place.node, length):
        return insert_here(ql, place, text, length, after)
    if not is_at_end(place, after):
        return insert_splitting(ql, place, text, length, after)
    if has_room(ql, neighbour, length):
        return add_to_end(ql, neighbour, text, length, after)
    node = node_of(ql, text, length)
    if node == NULL:
        return -1
    link_node(ql, node, place.node, after)
    return 0


cdef int replace_by_big(Quicklist *ql, QuickPlace *place, const char *text, size_t length) noexcept nogil:
    """A packed element gives way to one that gets a node of its own."""
    cdef QuickNode *packed = place.node
    cdef QuickNode *node = node_of(ql, text, length)
    cdef QuickNode *part = NULL
    if node == NULL:
        return -1
    if not is_at_end(place, True):
        part = copy_of_side(place, True)
        if part == NULL:
            node_free(node)
            return -1
    link_node(ql, node, packed, True)
    if part != NULL:
        split_off(ql, packed, part, node, True)
    if packed.count == 1:
        drop_node(ql, packed)
    else:
        cut_node(ql, packed, packed.count - 1, 1)
        merge_around(ql, node)
    return 0


cdef int replace_plain(Quicklist *ql, QuickPlace *place, const char *text, size_t length) noexcept nogil:
    """An element in a node of its own gives way to another."""
    cdef QuickNode *node = place.node
    cdef unsigned char *data
    if not is_big(ql, length):
        if ql_insert(ql, place, text, length, True) < 0:
            return -1
        drop_node(ql, node)
        return 0
    data = plain_data(text, length)
    if data == NULL:
        return -1
    ql.memory += room_memory(data) - room_memory(node.data)
    free(node.data)
    node.data = data
    node.plain_length = length
    return 0


cdef int ql_replace(Quicklist *ql, QuickPlace *place, const char *text, size_t length) noexcept nogil:
    cdef QuickNode *node = place.node
    cdef size_t memory = room_memory(node.data)
    cdef Listpack *lp
    if node.plain_length:
        return replace_plain(ql, place, text, length)
    if is_big(ql, length):
        return replace_by_big(ql, place, text, length)
    lp = lp_insert(node.data, place.p, LP_REPLACE, text, length, NULL)
    if lp == NULL:
        return -1
    node.data = lp
    ql.memory += room_memory(lp) - memory
    return 0


cdef void ql_delete(Quicklist *ql, QuickPlace *place, bint forward) noexcept nogil:
    cdef QuickPlace gone = place[0]
    cdef QuickNode *node = gone.node
    cdef size_t memory
    cdef Listpack *following
    if node.count == 1:
        if forward:
            ql_next(place)
        else:
            ql_previous(place)
        drop_node(ql, node)
        return
    memory = room_memory(node.data)
    node.data = lp_delete(node.data, gone.p, &following)
    node.count -= 1
    ql.count -= 1
    ql.memory += room_memory(node.data) - memory
    # What is behind now; where nothing is, the last one of the node stands in for what went.
    place.p = following if following != NULL else lp_last(node.data)
    if not forward and following != NULL:
        ql_previous(place)
    elif forward and following == NULL:
        ql_next(place)


cdef void ql_delete_range(Quicklist *ql, uint64_t index, uint64_t count) noexcept nogil:
    cdef QuickNode *node
    cdef QuickNode *following
    cdef uint64_t here
    if index >= ql.count or count == 0:
        return
    node = node_at(ql, &index)
    while count and node != NULL:
        following = node.next
        here = min(<uint64_t> node.count - index, count)
        if here == node.count:
            drop_node(ql, node)
        else:
            cut_node(ql, node, index, here)
        count -= here
        node = following
        index = 0
