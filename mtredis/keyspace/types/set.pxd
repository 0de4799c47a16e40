# cython: freethreading_compatible=True
"""Sets: see `set.pyx`. The functions here work on a value without the GIL; codes: -1 no memory, nothing has changed."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.fields cimport FieldsCursor
from mtredis.keyspace.encoding.listpack cimport Element, Listpack
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.value cimport Word

cdef struct SetPlace:            # a member of a value that has not been changed since
    uint32_t position            # in an intset
    Listpack *packed             # in a listpack
    Entry *entry                 # in a table

cdef struct SetCursor:           # a walk over a value that is not changed meanwhile
    Word word
    uint32_t position
    Listpack *packed
    FieldsCursor fields

# An empty value that suits `hint` members, the first of which is given; 0: no memory.
cdef Word set_new(Core *core, const char *first, size_t length, uint64_t hint) noexcept nogil
cdef Word set_empty(Core *core, int encoding) noexcept nogil
cdef uint64_t set_length(Word word) noexcept nogil
cdef int set_add(Core *core, Word *word, const char *member, size_t length) noexcept nogil     # 1: new, 0: it was there
cdef int set_remove(Core *core, Word *word, const char *member, size_t length) noexcept nogil  # 1: it was there, 0: not
cdef bint set_contains(Core *core, Word word, const char *member, size_t length) noexcept nogil
cdef int set_add_element(Core *core, Word *word, Element *member) noexcept nogil
cdef int set_remove_element(Core *core, Word *word, Element *member) noexcept nogil
cdef bint set_contains_element(Core *core, Word word, Element *member) noexcept nogil
cdef int set_reserve(Core *core, Word *word, uint64_t hint) noexcept nogil     # `hint` members are about to be added
cdef int set_settle(Core *core, Word *word) noexcept nogil                     # an intset, if that is possible
# A random member, each with the same probability; false: there is none. The element dies with the next change.
cdef bint set_draw(Core *core, Word word, SetPlace *place, Element *member) noexcept nogil
cdef int set_drop(Core *core, Word *word, SetPlace *place) noexcept nogil      # removes what set_draw has drawn
cdef void set_start(Word word, SetCursor *cursor) noexcept nogil
cdef bint set_next(SetCursor *cursor, Element *member) noexcept nogil
cdef bytes bytes_of(Element *member)

cdef class Set(Collection):
    cdef int restart(self, int encoding) except -1
    cdef int expect(self, bytes first, uint64_t hint) noexcept
    cdef int finish(self, int code) except -1
    cdef list shuffled(self, int64_t count)
    cpdef int add(self, bytes member) except -1
    cpdef int64_t add_many(self, list members, Py_ssize_t start=*) except -1
    cpdef int remove(self, bytes member) except -1
    cpdef int64_t remove_many(self, list members, Py_ssize_t start=*) except -1
    cpdef bint contains(self, bytes member) except -1
    cpdef list members(self)
    cpdef bytes random(self)
    cpdef list draw(self, int64_t count)
    cpdef list sample(self, int64_t count)
    cpdef bytes pop(self)
    cpdef list split(self, int64_t keep, Set rest)
