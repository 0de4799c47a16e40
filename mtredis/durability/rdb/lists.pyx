# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Lists from RDB data, and the strings that packed values of all types are.

Idea: nodes that were packed are taken as they are and stay nodes; a list of one that is within the limits becomes just
that listpack. Elements that come one by one are dealt to nodes as pushing deals them.

Owner: as `values`. Invariant: what is refused has left nothing behind.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from mtredis.durability.rdb.ancient cimport listpack_of_ziplist, listpack_of_zipmap
from mtredis.durability.rdb.format cimport (
    NODE_PACKED, NODE_PLAIN, RDB_LIST, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST_2, RDB_LIST_ZIPLIST,
)
from mtredis.durability.rdb.input cimport (
    INPUT_EMPTY, INPUT_NO_MEMORY, Text, input_bad, input_expect, input_fail, read_chunk, read_length, read_text,
    text_free,
)
from mtredis.keyspace.encoding.listpack cimport (
    LISTPACK_MAX, lp_bytes, lp_first, lp_free, lp_is_valid, lp_next, lp_text,
)
from mtredis.keyspace.encoding.quicklist cimport (
    QuickNode, Quicklist, ql_adopt, ql_free, ql_limits, ql_new, ql_push, ql_release,
)
from mtredis.keyspace.encoding.room cimport room_memory
from mtredis.keyspace.value cimport IN_LISTPACK, IN_QUICKLIST, word_of
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE


cdef bint no_memory(Input *input) noexcept nogil:
    return input_fail(input, INPUT_NO_MEMORY, b"no memory for a value")


cdef bint read_count(Input *input, uint64_t *count, size_t each) noexcept nogil:
    """How many elements follow, each of which takes at least so many bytes; false for none, too."""
    if not read_length(input, count) or not input_expect(input, count[0], each):
        return False
    return True if count[0] else input_fail(input, INPUT_EMPTY, b"a collection without elements")


cdef Word settled_list(Core *core, Quicklist *ql) noexcept nogil:
    """A list of one packed node within the limits is just that listpack."""
    cdef size_t bytes
    cdef uint64_t count
    if ql.nodes == 1 and not ql.head.plain_length:
        ql_limits(core.limits.list_max_listpack_size, &bytes, &count)
        if lp_bytes(ql.head.data) <= bytes and ql.count <= count:
            return word_of(ql_release(ql), IN_LISTPACK)
    return word_of(ql, IN_QUICKLIST)


cdef bint push_elements(Input *input, Quicklist *ql, uint64_t count) noexcept nogil:
    cdef Text text
    cdef int code
    while count:
        if not read_text(input, &text):
            text_free(&text)
            return False
        code = ql_push(ql, text.text, text.length, False)
        text_free(&text)
        if code < 0:
            return no_memory(input)
        count -= 1
    return True


cdef bint push_listpack(Input *input, Quicklist *ql, Listpack *lp) noexcept nogil:
    """Pushes each element."""
    cdef Listpack *p = lp_first(lp)
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    while p != NULL:
        text = lp_text(p, digits, &length)
        if ql_push(ql, text, length, False) < 0:
            return no_memory(input)
        p = lp_next(lp, p)
    return True


cdef bint load_plain_list(Input *input, Quicklist *ql) noexcept nogil:
    cdef uint64_t count
    return read_count(input, &count, 1) and push_elements(input, ql, count)


cdef Listpack *read_listpack(Input *input) noexcept nogil:
    """A string that is a sound listpack; NULL: it is not."""
    cdef unsigned char *chunk = NULL
    cdef size_t length = 0
    if not read_chunk(input, &chunk, &length):
        return NULL
    if length <= LISTPACK_MAX and lp_is_valid(chunk, length):
        return chunk
    free(chunk)
    input_bad(input, b"a listpack is damaged")
    return NULL


cdef Listpack *read_ancient(Input *input, bint is_zipmap) noexcept nogil:
    """A string that is a ziplist or a zipmap, as a listpack; NULL: it is not."""
    cdef Text text
    cdef Listpack *lp = NULL
    if read_text(input, &text):
        if is_zipmap:
            lp = listpack_of_zipmap(input, <const unsigned char *> text.text, text.length)
        else:
            lp = listpack_of_ziplist(input, <const unsigned char *> text.text, text.length)
    text_free(&text)
    return lp


cdef bint adopt_node(Input *input, Quicklist *ql, Listpack *lp) noexcept nogil:
    """The listpack (NULL: false) becomes a node, unless it is empty: there were such."""
    if lp == NULL:
        return False
    if lp_first(lp) == NULL:
        lp_free(lp)
        return True
    if ql_adopt(ql, lp) < 0:
        lp_free(lp)
        return no_memory(input)
    return True


cdef bint adopt_plain(Input *input, Quicklist *ql) noexcept nogil:
    """A string becomes a node of its own, whatever its size: another limit may have been in force at its writing."""
    cdef unsigned char *chunk = NULL
    cdef size_t length = 0
    cdef QuickNode *node
    if not read_chunk(input, &chunk, &length):
        return False
    node = <QuickNode *> malloc(sizeof(QuickNode)) if length else NULL
    if node == NULL:
        free(chunk)
        return no_memory(input) if length else input_bad(input, b"a node of a list is empty")
    node.previous = ql.tail
    node.next = NULL
    node.data = chunk
    node.plain_length = length
    node.count = 1
    if ql.tail != NULL:
        ql.tail.next = node
    else:
        ql.head = node
    ql.tail = node
    ql.nodes += 1
    ql.count += 1
    ql.memory += room_memory(node) + room_memory(chunk)
    return True


cdef bint load_node(Input *input, Quicklist *ql, int kind) noexcept nogil:
    """A node of a quicklist."""
    cdef uint64_t container
    if kind == RDB_LIST_QUICKLIST:
        return adopt_node(input, ql, read_ancient(input, False))
    if not read_length(input, &container):
        return False
    if container == NODE_PACKED:
        return adopt_node(input, ql, read_listpack(input))
    if container != NODE_PLAIN:
        return input_bad(input, b"a node of a list is neither packed nor plain")
    return adopt_plain(input, ql)


cdef bint load_nodes(Input *input, Quicklist *ql, int kind) noexcept nogil:
    cdef uint64_t nodes
    if not read_count(input, &nodes, 2 if kind == RDB_LIST_QUICKLIST_2 else 1):
        return False
    while nodes:
        if not load_node(input, ql, kind):
            return False
        nodes -= 1
    return True if ql.count else input_fail(input, INPUT_EMPTY, b"a collection without elements")


cdef bint load_ziplist_list(Input *input, Quicklist *ql) noexcept nogil:
    cdef Listpack *lp = read_ancient(input, False)
    cdef bint is_good = lp != NULL and push_listpack(input, ql, lp)
    lp_free(lp)
    if not is_good:
        return False
    return True if ql.count else input_fail(input, INPUT_EMPTY, b"a collection without elements")


cdef Word load_list(Input *input, Core *core, int kind) noexcept nogil:
    cdef Quicklist *ql = ql_new(core.limits.list_max_listpack_size)
    cdef bint is_good
    if ql == NULL:
        no_memory(input)
        return 0
    if kind == RDB_LIST:
        is_good = load_plain_list(input, ql)
    elif kind == RDB_LIST_ZIPLIST:
        is_good = load_ziplist_list(input, ql)
    else:
        is_good = load_nodes(input, ql, kind)
    if not is_good:
        ql_free(ql)
        return 0
    return word_of(ql, IN_QUICKLIST) if kind == RDB_LIST_ZIPLIST else settled_list(core, ql)
