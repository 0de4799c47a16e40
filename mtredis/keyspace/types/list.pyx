# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Lists: sequences of elements with two ends.

Idea: a list that fits one node of a quicklist (`list-max-listpack-size`) is just that listpack, else a quicklist.
It is converted before an addition that would make it too large (`list_grow`: the texts of all that is added count, not
what they will take), and back when something is removed or replaced and one packed node of at most half the limit is
left (`list_shrink`), so that a list at the limit does not go to and fro. Each is Redis's rule to the byte.

Owner: the executor; what reads may run on a worker, too, while the key's segment is locked and the entry not BUSY.
Invariants: a list is empty only within a command. Costs: ends O(1), an index O(nodes), a range O(nodes + its length)
from the nearer end.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from mtredis.keyspace.collection cimport change_begin, change_end
from mtredis.keyspace.encoding.listpack cimport (
    LP_AFTER, LP_BEFORE, LP_REPLACE, Listpack, lp_append, lp_bytes, lp_count, lp_delete, lp_delete_range, lp_equals,
    lp_first, lp_free, lp_get, lp_insert, lp_last, lp_memory, lp_new, lp_next, lp_prepend, lp_previous, lp_seek,
)
from mtredis.keyspace.encoding.quicklist cimport (
    QuickNode, Quicklist, ql_adopt, ql_copy, ql_delete, ql_delete_range, ql_equals, ql_exceeds, ql_free, ql_get,
    ql_insert, ql_limits, ql_new, ql_next, ql_previous, ql_push, ql_release, ql_replace, ql_seek,
)
from mtredis.keyspace.encoding.room cimport room_memory
from mtredis.keyspace.entry cimport TYPE_LIST
from mtredis.keyspace.value cimport (
    IN_LISTPACK, IN_QUICKLIST, register_encoding, word_encoding, word_memory, word_of,
)
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_to_text


# Values, without the GIL ------------------------------------------------------------------------------------------


cdef inline bint is_packed(Word word) noexcept nogil:
    return word_encoding(word) == IN_LISTPACK


cdef inline Listpack *packed(Word word) noexcept nogil:
    return <Listpack *> word_memory(word)


cdef inline Quicklist *quick(Word word) noexcept nogil:
    return <Quicklist *> word_memory(word)


cdef inline int repack(Word *word, Listpack *lp) noexcept nogil:
    """The value is the listpack that a change has returned; -1: NULL, there was no memory for it."""
    if lp == NULL:
        return -1
    word[0] = word_of(lp, IN_LISTPACK)
    return 0


cdef Word list_new() noexcept nogil:
    cdef Listpack *lp = lp_new(0)
    return word_of(lp, IN_LISTPACK) if lp != NULL else 0


cdef uint64_t list_length(Word word) noexcept nogil:
    return lp_count(packed(word)) if is_packed(word) else quick(word).count


cdef int list_grow(Core *core, Word *word, size_t bytes, uint64_t count) noexcept nogil:
    """Readies the list for `count` more elements, whose texts have so many bytes."""
    cdef Listpack *lp = packed(word[0])
    cdef Quicklist *ql
    cdef uint64_t present
    if not is_packed(word[0]):
        return 0
    present = lp_count(lp)
    if not ql_exceeds(core.limits.list_max_listpack_size, lp_bytes(lp) + bytes, present + count):
        return 0
    ql = ql_new(core.limits.list_max_listpack_size)
    if ql == NULL:
        return -1
    if present == 0:
        lp_free(lp)
    elif ql_adopt(ql, lp) < 0:
        ql_free(ql)
        return -1
    word[0] = word_of(ql, IN_QUICKLIST)
    return 0


cdef void list_shrink(Core *core, Word *word) noexcept nogil:
    cdef Quicklist *ql = quick(word[0])
    cdef size_t bytes
    cdef uint64_t count
    if is_packed(word[0]) or ql.nodes != 1 or ql.head.plain_length:
        return
    ql_limits(core.limits.list_max_listpack_size, &bytes, &count)
    if lp_bytes(ql.head.data) <= bytes // 2 and ql.count <= count // 2:
        word[0] = word_of(ql_release(ql), IN_LISTPACK)


cdef int list_add(Word *word, const char *text, size_t length, bint left) noexcept nogil:
    """One more element at an end of a list that is ready for it."""
    cdef Listpack *lp = packed(word[0])
    if not is_packed(word[0]):
        return ql_push(quick(word[0]), text, length, left)
    return repack(word, lp_prepend(lp, text, length) if left else lp_append(lp, text, length))


cdef int list_push(Core *core, Word *word, const char *text, size_t length, bint left) noexcept nogil:
    if list_grow(core, word, length, 1) < 0:
        return -1
    return list_add(word, text, length, left)


cdef void remove_range(Word *word, uint64_t start, uint64_t count) noexcept nogil:
    """`count` elements, which are there, from `start` on are gone."""
    if is_packed(word[0]):
        repack(word, lp_delete_range(packed(word[0]), <int64_t> start, count))
    else:
        ql_delete_range(quick(word[0]), start, count)


cdef void remove_end(Word *word, bint left) noexcept nogil:
    cdef QuickPlace place
    cdef Listpack *lp = packed(word[0])
    if is_packed(word[0]):
        repack(word, lp_delete(lp, lp_first(lp) if left else lp_last(lp), NULL))
    else:
        ql_seek(quick(word[0]), 0 if left else -1, &place)
        ql_delete(quick(word[0]), &place, left)


cdef void list_drop(Core *core, Word *word, bint left) noexcept nogil:
    remove_end(word, left)
    list_shrink(core, word)


cdef bint list_peek(Word word, bint left, Element *element) noexcept nogil:
    return list_index(word, 0 if left else -1, element)


cdef bint list_index(Word word, int64_t index, Element *element) noexcept nogil:
    cdef ListCursor cursor
    list_range_start(word, index, &cursor)
    return list_range_next(&cursor, element)


cdef uint64_t list_range_count(Word word, int64_t *start, int64_t stop) noexcept nogil:
    cdef int64_t length = <int64_t> list_length(word)
    cdef int64_t first = start[0] + length if start[0] < 0 else start[0]
    stop = stop + length if stop < 0 else stop
    stop = length - 1 if stop >= length else stop
    start[0] = first if first > 0 else 0
    return <uint64_t> (stop - start[0] + 1) if start[0] <= stop else 0


cdef void list_range_start(Word word, int64_t start, ListCursor *cursor) noexcept nogil:
    cursor.word = word
    cursor.place.node = NULL
    if is_packed(word):
        cursor.place.p = lp_seek(packed(word), start)
    else:
        ql_seek(quick(word), start, &cursor.place)


cdef bint list_range_next(ListCursor *cursor, Element *element) noexcept nogil:
    if cursor.place.node != NULL:
        ql_get(&cursor.place, element)
        ql_next(&cursor.place)
        return True
    if cursor.place.p == NULL:
        return False
    lp_get(cursor.place.p, element)
    cursor.place.p = lp_next(packed(cursor.word), cursor.place.p)
    return True


cdef bint list_range_previous(ListCursor *cursor, Element *element) noexcept nogil:
    if cursor.place.node != NULL:
        ql_get(&cursor.place, element)
        ql_previous(&cursor.place)
        return True
    if cursor.place.p == NULL:
        return False
    lp_get(cursor.place.p, element)
    cursor.place.p = lp_previous(packed(cursor.word), cursor.place.p)
    return True


cdef inline bint equals_here(const ListCursor *cursor, const char *text, size_t length) noexcept nogil:
    if cursor.place.node != NULL:
        return ql_equals(&cursor.place, text, length)
    return lp_equals(cursor.place.p, text, length)


cdef inline bint is_at_element(const ListCursor *cursor) noexcept nogil:
    return cursor.place.node != NULL or cursor.place.p != NULL


cdef inline void step(ListCursor *cursor, bint forward) noexcept nogil:
    if cursor.place.node == NULL:
        if forward:
            cursor.place.p = lp_next(packed(cursor.word), cursor.place.p)
        else:
            cursor.place.p = lp_previous(packed(cursor.word), cursor.place.p)
    elif forward:
        ql_next(&cursor.place)
    else:
        ql_previous(&cursor.place)


cdef int insert_beside(Word *word, const char *pivot, size_t pivot_length, const char *text, size_t length,
                       bint after) noexcept nogil:
    """1: inserted beside the first element that equals the pivot, 0: there is none, -1: no memory."""
    cdef ListCursor cursor
    cdef Listpack *lp = packed(word[0])
    list_range_start(word[0], 0, &cursor)
    while is_at_element(&cursor) and not equals_here(&cursor, pivot, pivot_length):
        step(&cursor, True)
    if not is_at_element(&cursor):
        return 0
    if cursor.place.node != NULL:
        return -1 if ql_insert(quick(word[0]), &cursor.place, text, length, after) < 0 else 1
    lp = lp_insert(lp, cursor.place.p, LP_AFTER if after else LP_BEFORE, text, length, NULL)
    return -1 if repack(word, lp) < 0 else 1


cdef int replace_at(Word *word, int64_t index, const char *text, size_t length) noexcept nogil:
    """1: replaced, 0: there is no such element, -1: no memory."""
    cdef ListCursor cursor
    list_range_start(word[0], index, &cursor)
    if not is_at_element(&cursor):
        return 0
    if cursor.place.node != NULL:
        return -1 if ql_replace(quick(word[0]), &cursor.place, text, length) < 0 else 1
    return -1 if repack(word, lp_insert(packed(word[0]), cursor.place.p, LP_REPLACE, text, length, NULL)) < 0 else 1


cdef void delete_here(Word *word, ListCursor *cursor, bint forward) noexcept nogil:
    """The element at the cursor is gone; the cursor stands on the next one in its direction."""
    cdef Listpack *lp = packed(word[0])
    cdef Listpack *following
    if cursor.place.node != NULL:
        ql_delete(quick(word[0]), &cursor.place, forward)
        return
    lp = lp_delete(lp, cursor.place.p, &following)
    repack(word, lp)
    cursor.word = word[0]
    if forward:
        cursor.place.p = following
    else:
        cursor.place.p = lp_previous(lp, following) if following != NULL else lp_last(lp)


cdef int64_t remove_equal(Word *word, const char *text, size_t length, int64_t count, bint forward) noexcept nogil:
    """Removes the first `count` elements (0: all) that equal the text, from either end; how many there were."""
    cdef ListCursor cursor
    cdef int64_t removed = 0
    list_range_start(word[0], 0 if forward else -1, &cursor)
    while is_at_element(&cursor):
        if not equals_here(&cursor, text, length):
            step(&cursor, forward)
            continue
        delete_here(word, &cursor, forward)
        removed += 1
        if removed == count:
            break
    return removed


# Handles ----------------------------------------------------------------------------------------------------------


cdef bytes bytes_of(const Element *element):
    cdef char digits[INTEGER_TEXT_SIZE]
    if element.text != NULL:
        return PyBytes_FromStringAndSize(element.text, <Py_ssize_t> element.length)
    return PyBytes_FromStringAndSize(digits, integer_to_text(digits, element.number))


cdef class List(Collection):
    """A list as handlers see it. Its elements are bytes; positions count from 0, negative ones from the end."""

    def __cinit__(self):
        self.type = TYPE_LIST

    cdef int start(self) except -1:
        self.change.word = list_new()
        return self.finish(-1 if self.change.word == 0 else 0)

    cdef int finish(self, int code) except -1:
        if code < 0:
            raise MemoryError
        return code

    cpdef uint64_t length(self):
        """How many elements there are."""
        return list_length(self.change.word)

    cpdef uint64_t push(self, list elements, bint left, Py_ssize_t start=0) except? 0:
        """Adds the elements from `start` on, one after the other, at an end; how many there are now."""
        cdef Py_ssize_t i
        cdef size_t total = 0
        cdef Word *word = &self.change.word
        cdef int code
        for i in range(start, len(elements)):
            total += <size_t> len(<bytes?> elements[i])
        change_begin(&self.change)
        code = list_grow(self.change.core, word, total, <uint64_t> (len(elements) - start))
        i = start
        while code == 0 and i < len(elements):
            code = list_add(word, PyBytes_AS_STRING(elements[i]), <size_t> PyBytes_GET_SIZE(elements[i]), left)
            i += 1
        if code < 0:
            while i > start + 1:       # the last one has failed
                i -= 1
                remove_end(word, left)
            list_shrink(self.change.core, word)
        change_end(&self.change)
        self.finish(code)
        return list_length(self.change.word)

    cpdef bytes pop(self, bint left):
        """Removes the element at an end and returns it; None: the list is empty."""
        cdef Element element
        if not list_peek(self.change.word, left, &element):
            return None
        popped = bytes_of(&element)
        change_begin(&self.change)
        list_drop(self.change.core, &self.change.word, left)
        change_end(&self.change)
        return popped

    cpdef list pop_many(self, bint left, int64_t count):
        """Removes up to `count` elements from an end and returns them, the outermost first."""
        cdef int64_t length = <int64_t> list_length(self.change.word)
        cdef int64_t start
        count = min(count, length)
        if count <= 0:
            return []
        start = 0 if left else length - count
        popped = self.range(start, start + count - 1)
        if not left:
            popped.reverse()
        change_begin(&self.change)
        remove_range(&self.change.word, <uint64_t> start, <uint64_t> count)
        list_shrink(self.change.core, &self.change.word)
        change_end(&self.change)
        return popped

    cpdef bytes move(self, List target, bint left, bint target_left):
        """Moves the element at an end to an end of another list, or of this one, and returns it.

        None: there is none. The target must be another list, or this very handle.
        """
        cdef Element element
        cdef size_t counted
        cdef bytes moved
        if not list_peek(self.change.word, left, &element):
            return None
        moved = bytes_of(&element)
        # An integer that Redis takes from a quicklist has no text there whose length could count.
        counted = 0 if element.text == NULL and not is_packed(self.change.word) else <size_t> len(moved)
        if target is self:
            self.rotate(moved, counted, left, target_left)
            return moved
        change_begin(&target.change)
        code = list_grow(self.change.core, &target.change.word, counted, 1)
        if code == 0:
            code = list_add(&target.change.word, PyBytes_AS_STRING(moved), PyBytes_GET_SIZE(moved), target_left)
        change_end(&target.change)
        self.finish(code)
        change_begin(&self.change)
        list_drop(self.change.core, &self.change.word, left)
        change_end(&self.change)
        return moved

    cdef int rotate(self, bytes element, size_t counted, bint left, bint target_left) except -1:
        """The element, which is at an end, goes to an end of the same list."""
        cdef const char *text = PyBytes_AS_STRING(element)
        cdef size_t length = <size_t> PyBytes_GET_SIZE(element)
        cdef Word *word = &self.change.word
        cdef int code
        change_begin(&self.change)
        remove_end(word, left)
        code = list_grow(self.change.core, word, counted, 1)
        if code == 0:
            code = list_add(word, text, length, target_left)
        if code < 0:
            list_add(word, text, length, left)     # back into the memory that it has just left
        list_shrink(self.change.core, word)
        change_end(&self.change)
        return self.finish(code)

    cpdef list range(self, int64_t start, int64_t stop):
        """The elements from `start` to `stop`, both included."""
        cdef ListCursor cursor
        cdef Element element
        cdef Py_ssize_t count = <Py_ssize_t> list_range_count(self.change.word, &start, stop)
        cdef list elements
        cdef bytes text
        cdef Py_ssize_t i
        if count == 0:
            return []
        elements = PyList_New(count)
        list_range_start(self.change.word, start, &cursor)
        for i in range(count):
            list_range_next(&cursor, &element)
            text = bytes_of(&element)
            Py_INCREF(text)
            PyList_SET_ITEM(elements, i, text)
        return elements

    cpdef bytes index(self, int64_t index):
        """The element at a position; None: there is none."""
        cdef Element element
        return bytes_of(&element) if list_index(self.change.word, index, &element) else None

    cpdef bint insert(self, bytes pivot, bytes element, bint after) except -1:
        """Inserts an element behind or before the first one that equals the pivot; whether there is such a one."""
        cdef const char *text = PyBytes_AS_STRING(element)
        cdef size_t length = <size_t> len(element)
        cdef size_t pivot_length = <size_t> len(pivot)
        cdef int code
        change_begin(&self.change)
        code = list_grow(self.change.core, &self.change.word, length, 1)
        if code == 0:
            code = insert_beside(&self.change.word, PyBytes_AS_STRING(pivot), pivot_length, text, length, after)
        change_end(&self.change)
        return self.finish(code)

    cpdef bint set(self, int64_t index, bytes element) except -1:
        """Replaces the element at a position; whether there is one."""
        cdef size_t length = <size_t> len(element)
        cdef int code
        change_begin(&self.change)
        code = list_grow(self.change.core, &self.change.word, length, 1)
        if code == 0:
            code = replace_at(&self.change.word, index, PyBytes_AS_STRING(element), length)
        if code == 1:
            list_shrink(self.change.core, &self.change.word)
        change_end(&self.change)
        return self.finish(code)

    cpdef int64_t remove(self, bytes element, int64_t count) except -1:
        """Removes the first `count` elements that equal this one (negative: the last, 0: all); how many there were."""
        cdef size_t length = <size_t> len(element)
        cdef int64_t removed
        change_begin(&self.change)
        removed = remove_equal(&self.change.word, PyBytes_AS_STRING(element), length, count if count >= 0 else -count,
                               count >= 0)
        if removed:
            list_shrink(self.change.core, &self.change.word)
        change_end(&self.change)
        return removed

    cpdef int64_t trim(self, int64_t start, int64_t stop) except -1:
        """Keeps the elements from `start` to `stop`, both included; how many went."""
        cdef uint64_t length = list_length(self.change.word)
        cdef uint64_t kept = list_range_count(self.change.word, &start, stop)
        cdef uint64_t behind = length - kept - <uint64_t> start if kept else 0
        change_begin(&self.change)
        if kept < length:
            remove_range(&self.change.word, length - behind, behind)
            remove_range(&self.change.word, 0, length - kept - behind)
        list_shrink(self.change.core, &self.change.word)
        change_end(&self.change)
        return <int64_t> (length - kept)

    cpdef list positions(self, bytes element, int64_t rank, int64_t count, int64_t maxlen):
        """Where the element is: from its `rank`th (not 0; negative: from the end) match on, up to `count` (0: all).

        Looks at no more than `maxlen` elements (0: at all).
        """
        cdef const char *text = PyBytes_AS_STRING(element)
        cdef size_t size = <size_t> len(element)
        cdef bint forward = rank > 0
        cdef int64_t length = <int64_t> list_length(self.change.word)
        cdef int64_t skipped = (rank if forward else -rank) - 1
        cdef int64_t at = 0
        cdef ListCursor cursor
        cdef list found = []
        list_range_start(self.change.word, 0 if forward else -1, &cursor)
        while is_at_element(&cursor) and (maxlen == 0 or at < maxlen):
            if equals_here(&cursor, text, size):
                if skipped > 0:
                    skipped -= 1
                else:
                    found.append(at if forward else length - 1 - at)
                    if len(found) == count:
                        break
            at += 1
            step(&cursor, forward)
        return found


    def nodes(self) -> list[tuple[int, int, int]]:
        """Elements, bytes, and bytes that malloc holds, of each node (for tests and DEBUG); a listpack is one."""
        cdef QuickNode *node
        cdef Listpack *lp = packed(self.change.word)
        cdef list nodes = []
        if is_packed(self.change.word):
            return [(lp_count(lp), lp_bytes(lp), lp_memory(lp))]
        node = quick(self.change.word).head
        while node != NULL:
            bytes_used = node.plain_length if node.plain_length else lp_bytes(node.data)
            nodes.append((node.count, bytes_used, room_memory(node) + room_memory(node.data)))
            node = node.next
        return nodes


# What can be done with a value in this encoding, whatever it holds ------------------------------------------------


cdef void free_quicklist(void *memory) noexcept nogil:
    ql_free(<Quicklist *> memory)


cdef size_t quicklist_memory(void *memory) noexcept nogil:
    return (<Quicklist *> memory).memory


cdef void *copy_quicklist(void *memory) noexcept nogil:
    return ql_copy(<Quicklist *> memory)


cdef uint64_t count_quicklist(void *memory) noexcept nogil:
    return (<Quicklist *> memory).count


register_encoding(IN_QUICKLIST, b"quicklist", free_quicklist, quicklist_memory, copy_quicklist, count_quicklist)
