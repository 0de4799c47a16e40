# cython: freethreading_compatible=True
"""Consumer groups of a stream in C memory: groups, consumers, and what is delivered but not acknowledged.

A function with a `memory` adds to it what malloc gave (its own 8 bytes per chunk included) and takes off what it got
back. How it works: `stream_pending.pyx`.
"""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.encoding.ordered cimport Ordered
from mtredis.keyspace.types.stream_id cimport StreamId

cdef struct Name:                # begins what is kept by name
    const char *text             # for a group or a consumer: in the same chunk
    size_t length

cdef struct Consumer:
    Name name
    int64_t seen_time            # unix ms of its last command
    int64_t active_time          # unix ms when it last got an entry; -1: never
    Ordered *pending             # its Nacks, by id

cdef struct Nack:                # an entry that was delivered and not acknowledged
    StreamId id
    Consumer *consumer
    int64_t delivery_time        # unix ms
    uint64_t delivery_count

cdef struct Group:
    Name name
    StreamId last_id             # the last that was delivered
    int64_t entries_read         # how many were, since the stream's beginning; -1: unknown
    Ordered *pending             # all its Nacks, by id; they belong to it
    Ordered *consumers           # by name

cdef Ordered *groups_new(size_t *memory) noexcept nogil                      # NULL: no memory (here and below)
cdef void groups_free(Ordered *groups) noexcept nogil                        # any thread
cdef Ordered *groups_copy(Ordered *groups, size_t *memory) noexcept nogil
cdef Group *group_find(Ordered *groups, const char *name, size_t length) noexcept nogil      # NULL: there is none
cdef Group *group_create(Ordered *groups, const char *name, size_t length, const StreamId *last_id,
                         int64_t entries_read, size_t *memory) noexcept nogil                # the name must be free
cdef void group_destroy(Ordered *groups, Group *group, size_t *memory) noexcept nogil
cdef Consumer *consumer_find(Group *group, const char *name, size_t length) noexcept nogil   # NULL: there is none
cdef Consumer *consumer_create(Group *group, const char *name, size_t length, int64_t now,
                               size_t *memory) noexcept nogil                                # the name must be free
cdef uint64_t consumer_delete(Group *group, Consumer *consumer, size_t *memory) noexcept nogil   # how many were pending
cdef Nack *nack_find(Ordered *pending, const StreamId *id) noexcept nogil    # NULL: there is none
# The id must not be pending.
cdef Nack *nack_create(Group *group, Consumer *consumer, const StreamId *id, int64_t delivery_time,
                       uint64_t delivery_count, size_t *memory) noexcept nogil
cdef void nack_delete(Group *group, Nack *nack, size_t *memory) noexcept nogil
# False: no memory, unchanged.
cdef bint nack_assign(Nack *nack, Consumer *consumer, size_t *memory) noexcept nogil
