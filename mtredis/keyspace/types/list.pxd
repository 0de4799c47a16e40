# cython: freethreading_compatible=True
"""Lists: see `list.pyx`. The functions work on a value without the GIL; codes: -1 no memory, nothing has changed."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.listpack cimport Element
from mtredis.keyspace.encoding.quicklist cimport QuickPlace
from mtredis.keyspace.value cimport Word

cdef struct ListCursor:          # a walk over a value that is not changed meanwhile
    Word word
    QuickPlace place             # the element that comes next; of a listpack: its `p`, without a node

cdef Word list_new() noexcept nogil                                         # empty; 0: no memory
cdef uint64_t list_length(Word word) noexcept nogil
# One more element at an end. Several at once: list_grow with the sum of their lengths, then list_add each.
cdef int list_push(Core *core, Word *word, const char *text, size_t length, bint left) noexcept nogil
cdef int list_grow(Core *core, Word *word, size_t bytes, uint64_t count) noexcept nogil
cdef int list_add(Word *word, const char *text, size_t length, bint left) noexcept nogil
# The element at an end; false: the list is empty. It dies with the next change, list_drop too.
cdef bint list_peek(Word word, bint left, Element *element) noexcept nogil
cdef void list_drop(Core *core, Word *word, bint left) noexcept nogil       # of a list that is not empty
cdef void list_shrink(Core *core, Word *word) noexcept nogil                # packs a list that has become small again
cdef bint list_index(Word word, int64_t index, Element *element) noexcept nogil   # negative: from the end; false: none
# Bounds as LRANGE has them become a first element and a number of elements, which is 0 if there are none.
cdef uint64_t list_range_count(Word word, int64_t *start, int64_t stop) noexcept nogil
# A walk from the element at `start` (negative: from the end) on; false: beyond an end.
cdef void list_range_start(Word word, int64_t start, ListCursor *cursor) noexcept nogil
cdef bint list_range_next(ListCursor *cursor, Element *element) noexcept nogil
cdef bint list_range_previous(ListCursor *cursor, Element *element) noexcept nogil

cdef class List(Collection):
    cdef int finish(self, int code) except -1
    cpdef uint64_t push(self, list elements, bint left, Py_ssize_t start=*) except? 0
    cpdef bytes pop(self, bint left)
    cpdef list pop_many(self, bint left, int64_t count)
    cdef int rotate(self, bytes element, size_t counted, bint left, bint target_left) except -1
    cpdef bytes move(self, List target, bint left, bint target_left)
    cpdef list range(self, int64_t start, int64_t stop)
    cpdef bytes index(self, int64_t index)
    cpdef bint insert(self, bytes pivot, bytes element, bint after) except -1
    cpdef bint set(self, int64_t index, bytes element) except -1
    cpdef int64_t remove(self, bytes element, int64_t count) except -1
    cpdef int64_t trim(self, int64_t start, int64_t stop) except -1
    cpdef list positions(self, bytes element, int64_t rank, int64_t count, int64_t maxlen)
