# cython: freethreading_compatible=True
"""A collection as handlers hold it, and how its value is changed beside readers. See `collection.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.value cimport Word

cdef struct Change:              # a collection and where it is
    Core *core
    Table *table                 # NULL: in no database yet
    Entry *entry
    uint64_t hash                # of its key
    Word word                    # its value: functions of the types change it here
    size_t memory                # bytes it held when the change began
    int64_t due                  # when its next part went then
    uint64_t *size               # where its key was counted then

cdef void change_open(Change *change, Core *core, Table *table, uint64_t hash, Entry *entry) noexcept nogil
cdef void change_begin(Change *change) noexcept nogil
cdef void change_end(Change *change) noexcept nogil
cdef void change_drop(Change *change, const char *key, size_t length) noexcept nogil   # of an attached one

cdef class Collection:
    cdef Change change
    cdef object keyspace         # keeps the memory alive that the change points into
    cdef readonly int type       # TYPE_LIST, ...: set by each subclass in __cinit__

    cdef int start(self) except -1             # gives a detached one its empty value
    cpdef uint64_t length(self)                # elements
    cdef void attach(self, Core *core, Table *table, uint64_t hash, Entry *entry) noexcept
