# cython: freethreading_compatible=True
"""Streams: the handle. The functions on C memory are those of stream_entries.pxd, some of them by their names here."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.types.stream_entries cimport (
    StreamData, StreamEntry, stream_append, stream_create, stream_length,
)
from mtredis.keyspace.types.stream_id cimport StreamId
from mtredis.keyspace.value cimport word_memory

cdef StreamId id_of(object number) except *                  # from Python's form: ms << 64 | seq
cdef object number_of(const StreamId *id)
cdef bytes text_of(const StreamId *id)                       # as clients read it
cdef list pairs_of(StreamEntry *entry)                       # names and values take turns

cdef class Stream(Collection):
    cdef inline StreamData *data(self) noexcept:
        return <StreamData *> word_memory(self.change.word)

    cdef StreamId completed(self, id, bint is_partial) except *
    cdef int append(self, list argv, Py_ssize_t start, Py_ssize_t count, const uint64_t *explicit_id,
                    const char **fields, size_t *lengths, StreamId *added)
    cdef int64_t trim(self, const uint64_t *length, const StreamId *minimum, bint approximate, int64_t limit) except -1
