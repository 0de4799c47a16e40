# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Streams from RDB data: nodes, counters, groups with what is pending, consumers. Versions 1 to 3 of the format.

Idea: a node is taken as it is after every entry in it was checked (`packed_check_node`). What can be known from the
entries is not believed: the length and the first id are counted anew, and the last id must not be below an entry. What
is pending in a group comes first without its consumer, then each consumer names its share: the first list is kept aside
in id order until the second is there.

Owner: as `values`. Invariant: what is refused has left nothing behind.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy
from mtredis.durability.rdb.format cimport (
    RDB_STREAM_LISTPACKS, RDB_STREAM_LISTPACKS_3,
)
from mtredis.durability.rdb.input cimport (
    INPUT_NO_MEMORY, Text, input_bad, input_expect, input_fail, input_need, read_chunk, read_int64, read_length,
    read_text, text_free,
)
from mtredis.durability.rdb.packed cimport packed_check_node
from mtredis.keyspace.encoding.ordered cimport ordered_insert
from mtredis.keyspace.encoding.room cimport room_memory
from mtredis.keyspace.types.stream_entries cimport (
    StreamData, StreamNode, stream_create, stream_distance, stream_free, stream_refresh_first,
)
from mtredis.keyspace.types.stream_id cimport StreamId, id_compare
from mtredis.keyspace.types.stream_pending cimport (
    Consumer, Group, consumer_create, consumer_find, group_create, group_find, groups_new, nack_create,
)
from mtredis.keyspace.value cimport word_memory

cdef extern from *:
    """
    #define mt_stream_big64(x) __builtin_bswap64(x)
    """
    uint64_t from_big64 "mt_stream_big64"(uint64_t word) noexcept nogil

cdef enum:
    RAW_ID = 16                  # bytes
    NODE_LEAST = 18              # bytes that a node takes at least
    PENDING_LEAST = 25           # that an entry of a group's list does
    GROUP_LEAST = 6
    CONSUMER_LEAST = 10

cdef struct Waiting:             # an entry that is pending, before its consumer is known
    StreamId id
    int64_t delivery_time
    uint64_t delivery_count
    uint8_t is_taken

cdef struct Backlog:
    Waiting *entries             # in the order of ids
    uint64_t count
    uint64_t taken


cdef inline bint no_memory(Input *input) noexcept nogil:
    return input_fail(input, INPUT_NO_MEMORY, b"no memory for a stream")


cdef bint read_raw_id(Input *input, StreamId *id) noexcept nogil:
    cdef uint64_t words[2]
    if not input_need(input, RAW_ID):
        return False
    memcpy(words, input.data + input.at, RAW_ID)
    id.ms = from_big64(words[0])
    id.seq = from_big64(words[1])
    input.at += RAW_ID
    return True


cdef bint read_id(Input *input, StreamId *id) noexcept nogil:
    """Two lengths."""
    return read_length(input, &id.ms) and read_length(input, &id.seq)


# Nodes ------------------------------------------------------------------------------------------------------------


cdef bint read_node_key(Input *input, StreamId *id) noexcept nogil:
    """The id of the master entry, a string."""
    cdef Text text
    cdef uint64_t words[2]
    cdef bint is_good = read_text(input, &text)
    if is_good and text.length != RAW_ID:
        is_good = input_bad(input, b"the id of a stream's node is none")
    if is_good:
        memcpy(words, text.text, RAW_ID)
        id.ms = from_big64(words[0])
        id.seq = from_big64(words[1])
    text_free(&text)
    return is_good


cdef bint add_node(Input *input, StreamData *stream, const StreamId *id, unsigned char *chunk) noexcept nogil:
    """Takes over a node's listpack."""
    cdef StreamNode *node = <StreamNode *> malloc(sizeof(StreamNode))
    if node != NULL:
        node.id = id[0]
        node.entries = chunk
        if ordered_insert(stream.nodes, id.ms, node) > 0:
            stream.memory += room_memory(node) + room_memory(chunk)
            return True
    free(node)
    free(chunk)
    return no_memory(input)


cdef bint load_node(Input *input, StreamData *stream, StreamId *last) noexcept nogil:
    cdef StreamId id
    cdef unsigned char *chunk = NULL
    cdef size_t length = 0
    cdef uint64_t live = 0
    if not read_node_key(input, &id):
        return False
    if id_compare(&id, last) <= 0:
        return input_bad(input, b"the ids of a stream's nodes do not rise")
    if not read_chunk(input, &chunk, &length):
        return False
    if not packed_check_node(input, chunk, length, &id, last, &live):
        free(chunk)
        return False
    if live == 0:
        free(chunk)              # we keep none in which all are deleted
        return True
    stream.length += live
    return add_node(input, stream, &id, chunk)


cdef bint load_nodes(Input *input, StreamData *stream, StreamId *last) noexcept nogil:
    cdef uint64_t nodes
    last.ms = last.seq = 0
    if not read_length(input, &nodes) or not input_expect(input, nodes, NODE_LEAST):
        return False
    while nodes:
        if not load_node(input, stream, last):
            return False
        nodes -= 1
    return True


cdef bint load_counters(Input *input, StreamData *stream, int kind) noexcept nogil:
    """Everything between nodes and groups."""
    cdef StreamId last, first
    cdef uint64_t length
    if not load_nodes(input, stream, &last):
        return False
    if not read_length(input, &length) or not read_id(input, &stream.last_id):
        return False
    if id_compare(&stream.last_id, &last) < 0:
        return input_bad(input, b"the last id of a stream is below that of an entry")
    stream_refresh_first(stream)
    stream.entries_added = stream.length
    if kind == RDB_STREAM_LISTPACKS:
        return True
    if not read_id(input, &first) or not read_id(input, &stream.max_deleted_id):
        return False
    if not read_length(input, &stream.entries_added):
        return False
    return True if stream.entries_added <= INT64_MAX else input_bad(input, b"a stream's number of entries is none")


# Groups -----------------------------------------------------------------------------------------------------------


cdef bint load_waiting(Input *input, Waiting *entry, const Waiting *before) noexcept nogil:
    """An entry of a group's list, above the one before (NULL: none)."""
    if not read_raw_id(input, &entry.id) or not read_int64(input, &entry.delivery_time):
        return False
    if not read_length(input, &entry.delivery_count):
        return False
    if before != NULL and id_compare(&entry.id, &before.id) <= 0:
        return input_bad(input, b"the ids of pending entries do not rise")
    return True


cdef bint load_backlog(Input *input, Backlog *backlog) noexcept nogil:
    """A group's list; memory is taken when its least size is there."""
    cdef uint64_t count, i
    if not read_length(input, &count) or not input_expect(input, count, PENDING_LEAST):
        return False
    if not input_need(input, count * PENDING_LEAST):
        return False
    backlog.entries = <Waiting *> calloc(count + 1, sizeof(Waiting))
    if backlog.entries == NULL:
        return no_memory(input)
    backlog.count = count
    for i in range(count):
        if not load_waiting(input, &backlog.entries[i], &backlog.entries[i - 1] if i else NULL):
            return False
    return True


cdef Waiting *find_waiting(Backlog *backlog, const StreamId *id) noexcept nogil:
    cdef uint64_t low = 0, high = backlog.count, middle
    cdef int order
    while low < high:
        middle = (low + high) // 2
        order = id_compare(&backlog.entries[middle].id, id)
        if order == 0:
            return &backlog.entries[middle]
        if order < 0:
            low = middle + 1
        else:
            high = middle
    return NULL


cdef bint load_share(Input *input, StreamData *stream, Group *group, Consumer *consumer,
                     Backlog *backlog) noexcept nogil:
    """The ids that are pending for a consumer."""
    cdef uint64_t count
    cdef StreamId id
    cdef Waiting *entry
    if not read_length(input, &count) or not input_expect(input, count, RAW_ID):
        return False
    while count:
        if not read_raw_id(input, &id):
            return False
        entry = find_waiting(backlog, &id)
        if entry == NULL:
            return input_bad(input, b"an entry is pending for a consumer, but not in its group,")
        if entry.is_taken:
            return input_bad(input, b"an entry is pending twice")
        if nack_create(group, consumer, &id, entry.delivery_time, entry.delivery_count, &stream.memory) == NULL:
            return no_memory(input)
        entry.is_taken = True
        backlog.taken += 1
        count -= 1
    return True


cdef bint load_consumer(Input *input, StreamData *stream, Group *group, int kind, Backlog *backlog) noexcept nogil:
    cdef Text name
    cdef Consumer *consumer = NULL
    cdef bint is_good = read_text(input, &name)
    if is_good and consumer_find(group, name.text, name.length) != NULL:
        is_good = input_bad(input, b"a consumer is there twice,")
    if is_good:
        consumer = consumer_create(group, name.text, name.length, 0, &stream.memory)
        is_good = consumer != NULL or no_memory(input)
    text_free(&name)
    if not is_good or not read_int64(input, &consumer.seen_time):
        return False
    consumer.active_time = consumer.seen_time
    if kind == RDB_STREAM_LISTPACKS_3 and not read_int64(input, &consumer.active_time):
        return False
    return load_share(input, stream, group, consumer, backlog)


cdef bint load_consumers(Input *input, StreamData *stream, Group *group, int kind, Backlog *backlog) noexcept nogil:
    cdef uint64_t count
    if not read_length(input, &count) or not input_expect(input, count, CONSUMER_LEAST):
        return False
    while count:
        if not load_consumer(input, stream, group, kind, backlog):
            return False
        count -= 1
    if backlog.taken != backlog.count:
        return input_bad(input, b"an entry is pending for no consumer")
    return True


cdef Group *load_group_head(Input *input, StreamData *stream, int kind) noexcept nogil:
    """A group with its name and place in the stream; NULL: see input."""
    cdef Text name
    cdef StreamId id
    cdef uint64_t entries_read = 0
    cdef Group *group = NULL
    cdef bint is_good = read_text(input, &name) and read_id(input, &id)
    if is_good and kind == RDB_STREAM_LISTPACKS:
        entries_read = <uint64_t> stream_distance(stream, &id)
    elif is_good:
        is_good = read_length(input, &entries_read)
    if is_good and <int64_t> entries_read < -1:
        is_good = input_bad(input, b"the number of entries that a group has read is none")
    if is_good and group_find(stream.groups, name.text, name.length) != NULL:
        is_good = input_bad(input, b"a group is there twice,")
    if is_good:
        group = group_create(stream.groups, name.text, name.length, &id, <int64_t> entries_read, &stream.memory)
        if group == NULL:
            no_memory(input)
    text_free(&name)
    return group


cdef bint load_group(Input *input, StreamData *stream, int kind) noexcept nogil:
    cdef Backlog backlog
    cdef bint is_good
    cdef Group *group = load_group_head(input, stream, kind)
    if group == NULL:
        return False
    backlog.entries = NULL
    backlog.count = backlog.taken = 0
    is_good = load_backlog(input, &backlog) and load_consumers(input, stream, group, kind, &backlog)
    free(backlog.entries)
    return is_good


cdef bint load_groups(Input *input, StreamData *stream, int kind) noexcept nogil:
    cdef uint64_t count
    if not read_length(input, &count) or not input_expect(input, count, GROUP_LEAST):
        return False
    if count == 0:
        return True
    stream.groups = groups_new(&stream.memory)
    if stream.groups == NULL:
        return no_memory(input)
    while count:
        if not load_group(input, stream, kind):
            return False
        count -= 1
    return True


cdef Word load_stream(Input *input, int kind) noexcept nogil:
    cdef Word word = stream_create()
    cdef StreamData *stream = <StreamData *> word_memory(word)
    if word == 0:
        no_memory(input)
        return 0
    if load_counters(input, stream, kind) and load_groups(input, stream, kind):
        return word
    stream_free(stream)
    return 0
