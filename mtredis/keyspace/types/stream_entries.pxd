# cython: freethreading_compatible=True
"""The entries of a stream in C memory: nodes in Redis's layout, found by id. How it works: `stream_entries.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.listpack cimport Listpack
from mtredis.keyspace.encoding.ordered cimport Cursor, Ordered
from mtredis.keyspace.types.stream_id cimport StreamId
from mtredis.keyspace.value cimport Word

cdef enum:
    ENTRY_DELETED = 1            # flags of an entry
    ENTRY_SAME_FIELDS = 2        # its field names are the master's

cdef enum:                       # codes of stream_append and stream_delete
    STREAM_NO_MEMORY = -1
    STREAM_ID_TOO_SMALL = -2     # not above the last id
    STREAM_EXHAUSTED = -3        # there is no higher id
    STREAM_TOO_LARGE = -4        # more than a listpack can hold

cdef struct StreamNode:
    StreamId id                  # of the master entry; deltas count from it
    Listpack *entries

cdef struct StreamData:
    Ordered *nodes               # StreamNode by id
    Ordered *groups              # Group by name (stream_pending.pxd); NULL: there never was one
    uint64_t length              # entries
    uint64_t entries_added       # ever
    StreamId first_id            # of the first entry; 0-0: there is none
    StreamId last_id             # the last that was given, even if its entry is gone
    StreamId max_deleted_id      # the highest that XDEL took
    size_t memory                # bytes that malloc holds for all of it, but for the nodes' tree

cdef struct StreamEntry:         # dies with the next change
    StreamId id
    int64_t flags
    int64_t count                # pairs
    Listpack *names              # with ENTRY_SAME_FIELDS: the first name in the master entry
    Listpack *values             # the first value; else the first name, and names and values take turns
    Listpack *place              # where the entry begins

cdef struct Walk:                # over the entries of a range of ids; dies with the next change
    StreamId first
    StreamId last
    bint backward
    bint with_deleted
    Cursor cursor                # on the node after this one
    StreamNode *node
    Listpack *place              # the next entry's flags, backwards its last element; NULL: no more in this node
    int64_t master_count
    Listpack *master_names

cdef Word stream_create() noexcept nogil                                     # empty; 0: no memory
cdef void stream_free(void *memory) noexcept nogil
cdef size_t stream_memory(void *memory) noexcept nogil
cdef void *stream_copy(void *memory) noexcept nogil
cdef uint64_t stream_length(Word word) noexcept nogil
# Appends `count` / 2 pairs (fields and values take turns) under an id, NULL: one made from `now` (unix ms); 0 and the
# id (two words), or a code, and nothing has changed.
cdef int stream_append(Core *core, Word *word, const uint64_t *explicit_id, int64_t now, const char **fields,
                       const size_t *lengths, int64_t count, uint64_t *id) noexcept nogil
cdef void walk_start(Walk *walk, StreamData *stream, const StreamId *first, const StreamId *last,
                     bint backward) noexcept nogil
cdef bint walk_next(Walk *walk, StreamEntry *entry) noexcept nogil           # false: that was all
cdef bint stream_find(StreamData *stream, const StreamId *id, StreamEntry *entry) noexcept nogil
# The id of the first or the last entry that is there; false: there is none.
cdef bint stream_edge(StreamData *stream, bint is_last, StreamId *id) noexcept nogil
# 1; 0: it is not there; STREAM_NO_MEMORY.
cdef int stream_delete(StreamData *stream, const StreamId *id) noexcept nogil
# Deletes from the head until `length` entries are left or all are >= `minimum` (the other one is NULL); whole nodes
# only if `approximate`; no more than `limit` entries (0: any number). How many, or STREAM_NO_MEMORY (some may be gone).
cdef int64_t stream_trim(StreamData *stream, const uint64_t *length, const StreamId *minimum, bint approximate,
                         int64_t limit) noexcept nogil
cdef void stream_refresh_first(StreamData *stream) noexcept nogil            # first_id, after entries are gone
cdef bint stream_has_deleted_from(StreamData *stream, const StreamId *id) noexcept nogil
# How many entries there ever were up to the id; -1: nobody knows.
cdef int64_t stream_distance(StreamData *stream, const StreamId *id) noexcept nogil
# How many a group that stands there has not had; false: nobody knows.
cdef bint stream_lag(StreamData *stream, const StreamId *last_id, int64_t entries_read, int64_t *lag) noexcept nogil
