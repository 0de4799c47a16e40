# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The entries of a stream in C memory: nodes in Redis's layout, found by id.

Idea: entries are packed into listpacks ("nodes") of up to stream-node-max-entries or -bytes, in exactly the layout that
Redis keeps and saves, and an `Ordered` finds the node that an id belongs to by the id of its master entry:

    node    live, deleted, fields, name 1 ... name n, 0                   the master entry
            flags, ms, seq, [fields, name 1,] value 1 ... value n, elements   an entry; repeated

The ids of entries are differences to the master's. An entry whose names are those of the master leaves them out
(ENTRY_SAME_FIELDS). A deleted entry stays where it is and is marked; a node goes when no entry of it is left. The
number of an entry's elements stands behind it, so that a node can be walked either way (0 ends the master entry).

Owner: the executor; stream_free may run on any thread for a stream that nobody can reach. No Python object is involved.
Invariants: ids grow from node to node and within each; room for an entry is reserved before anything is written, so
what fails for lack of memory has changed nothing (stream_trim may have taken whole nodes before). Flags are one byte
(0 to 127 in a listpack) and are changed in place: whoever takes in a node from outside makes sure of it.
Limits: looking for an id walks one node; marked entries of a node are not given back before the node goes, as in Redis.
"""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.listpack cimport (
    LISTPACK_MAX, LP_REPLACE, Element, lp_append, lp_append_integer, lp_behind, lp_bytes, lp_copy, lp_equals, lp_first,
    lp_free, lp_get, lp_insert_integer, lp_last, lp_new, lp_next, lp_previous,
)
from mtredis.keyspace.encoding.ordered cimport (
    cursor_item, cursor_next, cursor_previous, ordered_first, ordered_free, ordered_insert, ordered_last, ordered_new,
    ordered_remove, ordered_seek,
)
from mtredis.keyspace.encoding.room cimport room_for, room_memory
from mtredis.keyspace.types.stream_id cimport id_compare, id_is_zero, is_id_up_to, tie_of_ids
from mtredis.keyspace.types.stream_pending cimport groups_copy, groups_free
from mtredis.keyspace.value cimport IN_STREAM, register_encoding, word_memory, word_of
from mtredis.lib.numbers cimport integer_from_text

cdef enum:
    COUNTS_ROOM = 8              # what the two counts of a node may grow by, and more
    MASTER_ROOM = 16             # header and master entry, its names and COUNTS_ROOM not counted


# The whole -----------------------------------------------------------------------------------------------------------

cdef StreamData *new_data() noexcept nogil:
    cdef StreamData *stream = <StreamData *> calloc(1, sizeof(StreamData))
    if stream == NULL:
        return NULL
    stream.nodes = ordered_new(tie_of_ids)
    if stream.nodes == NULL:
        free(stream)
        return NULL
    stream.memory = room_memory(stream)
    return stream


cdef Word stream_create() noexcept nogil:
    cdef StreamData *stream = new_data()
    return word_of(stream, IN_STREAM) if stream != NULL else 0


cdef void stream_free(void *memory) noexcept nogil:
    cdef StreamData *stream = <StreamData *> memory
    cdef StreamNode *node
    cdef Cursor cursor
    cdef bint is_there = ordered_first(stream.nodes, &cursor)
    while is_there:
        node = <StreamNode *> cursor_item(&cursor)
        lp_free(node.entries)
        free(node)
        is_there = cursor_next(&cursor)
    ordered_free(stream.nodes)
    if stream.groups != NULL:
        groups_free(stream.groups)
    free(stream)


cdef size_t stream_memory(void *memory) noexcept nogil:
    cdef StreamData *stream = <StreamData *> memory
    return stream.memory + stream.nodes.memory


cdef void *stream_copy(void *memory) noexcept nogil:
    cdef StreamData *stream = <StreamData *> memory
    cdef StreamData *copy = new_data()
    cdef StreamNode *node
    cdef Cursor cursor
    cdef bint is_there
    if copy == NULL:
        return NULL
    copy.length = stream.length
    copy.entries_added = stream.entries_added
    copy.first_id = stream.first_id
    copy.last_id = stream.last_id
    copy.max_deleted_id = stream.max_deleted_id
    is_there = ordered_first(stream.nodes, &cursor)
    while is_there:
        node = <StreamNode *> cursor_item(&cursor)
        if node_create(copy, &node.id, lp_copy(node.entries)) == NULL:
            stream_free(copy)
            return NULL
        is_there = cursor_next(&cursor)
    if stream.groups != NULL:
        copy.groups = groups_copy(stream.groups, &copy.memory)
        if copy.groups == NULL:
            stream_free(copy)
            return NULL
    return copy


cdef uint64_t stream_length(Word word) noexcept nogil:
    """How many entries it has."""
    return (<StreamData *> word_memory(word)).length


# Nodes ---------------------------------------------------------------------------------------------------------------

cdef inline int64_t number_at(const Listpack *p) noexcept nogil:
    """The integer of an element; 0 if it is none (a node that is none of ours)."""
    cdef Element element
    lp_get(p, &element)
    if element.text != NULL and not integer_from_text(element.text, element.length, &element.number):
        return 0
    return element.number


cdef StreamNode *node_create(StreamData *stream, const StreamId *id, Listpack *entries) noexcept nogil:
    """A node for a listpack, which is freed if there is no memory for it (NULL then; also for NULL)."""
    cdef StreamNode *node
    if entries == NULL:
        return NULL
    node = <StreamNode *> malloc(sizeof(StreamNode))
    if node != NULL:
        node.id = id[0]
        node.entries = entries
        if ordered_insert(stream.nodes, id.ms, node) > 0:
            stream.memory += room_memory(node) + room_memory(entries)
            return node
        free(node)
    lp_free(entries)
    return NULL


cdef void node_delete(StreamData *stream, StreamNode *node) noexcept nogil:
    ordered_remove(stream.nodes, node.id.ms, node)
    stream.memory -= room_memory(node) + room_memory(node.entries)
    lp_free(node.entries)
    free(node)


cdef bint node_reserve(StreamData *stream, StreamNode *node, size_t extra) noexcept nogil:
    """So many bytes can be added to the node; false: no memory."""
    cdef size_t before = room_memory(node.entries)
    cdef Listpack *moved = NULL
    if lp_bytes(node.entries) + extra <= LISTPACK_MAX:
        moved = room_for(node.entries, lp_bytes(node.entries) + extra)
    if moved == NULL:
        return False
    node.entries = moved
    stream.memory += room_memory(moved) - before
    return True


cdef void node_fit(StreamData *stream, StreamNode *node) noexcept nogil:
    """Gives back what the node does not need; it will not grow any more."""
    cdef size_t before = room_memory(node.entries)
    cdef Listpack *moved = <Listpack *> realloc(node.entries, lp_bytes(node.entries))
    if moved != NULL:
        node.entries = moved
        stream.memory += room_memory(moved) - before


cdef void node_count(StreamData *stream, StreamNode *node, int64_t live, int64_t deleted) noexcept nogil:
    """Adds to the counts of the node's entries, for which there must be room (COUNTS_ROOM)."""
    cdef size_t before = room_memory(node.entries)
    cdef Listpack *lp = node.entries
    cdef Listpack *p = lp_first(lp)
    lp = lp_insert_integer(lp, p, LP_REPLACE, number_at(p) + live, &p)
    if deleted:
        p = lp_behind(p)
        lp = lp_insert_integer(lp, p, LP_REPLACE, number_at(p) + deleted, NULL)
    node.entries = lp
    stream.memory += room_memory(lp) - before


# Appending -----------------------------------------------------------------------------------------------------------

cdef inline size_t integer_bound(int64_t number) noexcept nogil:
    """At most so many bytes of listpack."""
    if 0 <= number <= 127:
        return 2
    if -4096 <= number <= 4095:
        return 3
    if -2147483648 <= number <= 2147483647:
        return 6
    return 10


cdef inline size_t text_bound(size_t length) noexcept nogil:
    return length + (2 if length < 64 else 4 if length < 4000 else 10)


cdef size_t entry_bound(const StreamId *id, const StreamId *master, const size_t *lengths,
                        int64_t count) noexcept nogil:
    """Bytes that the entry, its names included, and a change of the node's counts take at most."""
    cdef size_t bound = COUNTS_ROOM + 2 + integer_bound(count >> 1) + integer_bound(2 * count + 4)
    cdef int64_t i
    bound += integer_bound(<int64_t> (id.ms - master.ms)) + integer_bound(<int64_t> (id.seq - master.seq))
    for i in range(count):
        bound += text_bound(lengths[i])
    return bound


cdef int next_id(const StreamData *stream, const uint64_t *explicit_id, int64_t now, StreamId *id) noexcept nogil:
    """The id that is asked for (NULL: made from the time), if it is above the last; else a code."""
    id[0] = stream.last_id
    if id.ms == UINT64_MAX and id.seq == UINT64_MAX:
        return STREAM_EXHAUSTED
    if explicit_id != NULL:
        id.ms = explicit_id[0]
        id.seq = explicit_id[1]
        return 0 if id_compare(id, &stream.last_id) > 0 else STREAM_ID_TOO_SMALL
    if now > 0 and <uint64_t> now > id.ms:
        id.ms = <uint64_t> now
        id.seq = 0
        return 0
    id.seq += 1
    if id.seq == 0:
        id.ms += 1
    return 0


cdef StreamNode *open_node(Core *core, StreamData *stream, uint64_t added, size_t bound) noexcept nogil:
    """The last node if it takes an entry of `added` bytes of text more; NULL: a new one has to begin."""
    cdef uint64_t bytes_max = <uint64_t> core.limits.stream_node_max_bytes
    cdef int64_t entries_max = core.limits.stream_node_max_entries
    cdef Cursor cursor
    cdef StreamNode *node
    cdef Listpack *p
    cdef size_t size
    if not ordered_last(stream.nodes, &cursor):
        return NULL
    node = <StreamNode *> cursor_item(&cursor)
    size = lp_bytes(node.entries)
    if bytes_max == 0 or bytes_max > LISTPACK_MAX:
        bytes_max = LISTPACK_MAX
    if size + added < bytes_max and size + bound <= LISTPACK_MAX:
        p = lp_first(node.entries)
        if entries_max == 0 or number_at(p) + number_at(lp_behind(p)) < entries_max:
            return node
    node_fit(stream, node)
    return NULL


cdef StreamNode *begin_node(StreamData *stream, const StreamId *id, const char **fields, const size_t *lengths,
                            int64_t count, size_t bound) noexcept nogil:
    """A new node with a master entry that has the names, and room for the first entry; NULL: no memory."""
    cdef Listpack *lp
    cdef StreamNode *node
    cdef int64_t i
    node = node_create(stream, id, lp_new(bound + MASTER_ROOM))
    if node == NULL:
        return NULL
    lp = lp_append_integer(node.entries, 1)
    lp = lp_append_integer(lp, 0)
    lp = lp_append_integer(lp, count >> 1)
    for i in range(0, count, 2):
        lp = lp_append(lp, fields[i], lengths[i])
    node.entries = lp_append_integer(lp, 0)
    return node


cdef bint has_names(StreamNode *node, const char **fields, const size_t *lengths, int64_t count) noexcept nogil:
    """Whether the names of the master entry are those of the pairs."""
    cdef Listpack *p = lp_behind(lp_behind(lp_first(node.entries)))
    cdef int64_t i
    if number_at(p) != count >> 1:
        return False
    for i in range(0, count, 2):
        p = lp_behind(p)
        if not lp_equals(p, fields[i], lengths[i]):
            return False
    return True


cdef void write_entry(StreamNode *node, const StreamId *id, bint is_same, const char **fields, const size_t *lengths,
                      int64_t count) noexcept nogil:
    """Puts the entry behind the others; there is room for it, so nothing moves."""
    cdef Listpack *lp = lp_append_integer(node.entries, ENTRY_SAME_FIELDS if is_same else 0)
    cdef int64_t i
    lp = lp_append_integer(lp, <int64_t> (id.ms - node.id.ms))
    lp = lp_append_integer(lp, <int64_t> (id.seq - node.id.seq))
    if not is_same:
        lp = lp_append_integer(lp, count >> 1)
    for i in range(count):
        if i & 1 or not is_same:
            lp = lp_append(lp, fields[i], lengths[i])
    node.entries = lp_append_integer(lp, 3 + (count >> 1) if is_same else 4 + count)


cdef int stream_append(Core *core, Word *word, const uint64_t *explicit_id, int64_t now, const char **fields,
                       const size_t *lengths, int64_t count, uint64_t *id) noexcept nogil:
    """Appends an entry of `count` / 2 pairs; see stream_entries.pxd."""
    cdef StreamData *stream = <StreamData *> word_memory(word[0])
    cdef StreamNode *node
    cdef StreamId fresh
    cdef Cursor cursor
    cdef uint64_t total = 0
    cdef size_t bound
    cdef bint is_same = True
    cdef int64_t i
    cdef int code = next_id(stream, explicit_id, now, &fresh)
    if code:
        return code
    for i in range(count):
        total += lengths[i]
    if total > LISTPACK_MAX:
        return STREAM_TOO_LARGE
    node = <StreamNode *> cursor_item(&cursor) if ordered_last(stream.nodes, &cursor) else NULL
    bound = entry_bound(&fresh, &node.id if node != NULL else &fresh, lengths, count)
    node = open_node(core, stream, total, bound)
    if node != NULL:
        if not node_reserve(stream, node, bound):
            return STREAM_NO_MEMORY
        is_same = has_names(node, fields, lengths, count)
        node_count(stream, node, 1, 0)
    else:
        bound = entry_bound(&fresh, &fresh, lengths, count)
        if bound + MASTER_ROOM > LISTPACK_MAX:
            return STREAM_TOO_LARGE
        node = begin_node(stream, &fresh, fields, lengths, count, bound)
        if node == NULL:
            return STREAM_NO_MEMORY
    write_entry(node, &fresh, is_same, fields, lengths, count)
    stream.length += 1
    stream.entries_added += 1
    stream.last_id = fresh
    if stream.length == 1:
        stream.first_id = fresh
    id[0] = fresh.ms
    id[1] = fresh.seq
    return 0


# Walking -------------------------------------------------------------------------------------------------------------

cdef bint seek_node(StreamData *stream, const StreamId *id, Cursor *cursor) noexcept nogil:
    """Puts the cursor on the last node that begins at or before the id; false: there is none."""
    if not ordered_last(stream.nodes, cursor):
        return False
    if id_compare(<StreamId *> cursor_item(cursor), id) <= 0:
        return True
    ordered_seek(stream.nodes, is_id_up_to, id, cursor)
    return cursor_previous(cursor)


cdef void walk_start(Walk *walk, StreamData *stream, const StreamId *first, const StreamId *last,
                     bint backward) noexcept nogil:
    """A walk over the entries from `first` to `last`, both included."""
    walk.first = first[0]
    walk.last = last[0]
    walk.backward = backward
    walk.with_deleted = False
    walk.place = NULL
    if not seek_node(stream, last if backward else first, &walk.cursor) and not backward:
        ordered_first(stream.nodes, &walk.cursor)


cdef bint walk_enter(Walk *walk) noexcept nogil:
    """Goes on to the next node; false: there is none."""
    cdef Listpack *p
    cdef int64_t i
    if walk.cursor.leaf == NULL:
        return False
    walk.node = <StreamNode *> cursor_item(&walk.cursor)
    p = lp_behind(lp_behind(lp_first(walk.node.entries)))
    walk.master_count = number_at(p)
    walk.master_names = lp_behind(p)
    if walk.backward:
        cursor_previous(&walk.cursor)
        p = lp_last(walk.node.entries)
        walk.place = p if number_at(p) else NULL
    else:
        cursor_next(&walk.cursor)
        for i in range(walk.master_count + 1):
            p = lp_behind(p)
        walk.place = lp_next(walk.node.entries, p)
    return True


cdef void read_entry(Walk *walk, Listpack *p, StreamEntry *entry) noexcept nogil:
    """Decodes the entry that begins at `p`."""
    entry.place = p
    entry.flags = number_at(p)
    p = lp_behind(p)
    entry.id.ms = walk.node.id.ms + <uint64_t> number_at(p)
    p = lp_behind(p)
    entry.id.seq = walk.node.id.seq + <uint64_t> number_at(p)
    p = lp_behind(p)
    entry.count = walk.master_count
    entry.names = walk.master_names
    if not entry.flags & ENTRY_SAME_FIELDS:
        entry.count = number_at(p)
        entry.names = NULL
        p = lp_behind(p)
    entry.values = p


cdef void step_forward(Walk *walk, StreamEntry *entry) noexcept nogil:
    """Reads the entry at the walk's place, which is then the next one."""
    cdef Listpack *p
    cdef int64_t elements
    read_entry(walk, walk.place, entry)
    elements = entry.count if entry.flags & ENTRY_SAME_FIELDS else 2 * entry.count
    p = entry.values
    while elements > 0:
        p = lp_behind(p)
        elements -= 1
    walk.place = lp_next(walk.node.entries, p)


cdef void step_backward(Walk *walk, StreamEntry *entry) noexcept nogil:
    """Reads the entry that ends at the walk's place, which is then the end of the one before."""
    cdef Listpack *p = walk.place
    cdef int64_t elements = number_at(p)
    while elements > 0:
        p = lp_previous(walk.node.entries, p)
        elements -= 1
    read_entry(walk, p, entry)
    p = lp_previous(walk.node.entries, p)
    walk.place = p if number_at(p) else NULL


cdef bint walk_next(Walk *walk, StreamEntry *entry) noexcept nogil:
    """The next entry of the range; those that are marked are passed over unless `with_deleted`."""
    while True:
        while walk.place == NULL:
            if not walk_enter(walk):
                return False
        if walk.backward:
            step_backward(walk, entry)
            if id_compare(&entry.id, &walk.first) < 0:
                break
            if id_compare(&entry.id, &walk.last) > 0:
                continue
        else:
            step_forward(walk, entry)
            if id_compare(&entry.id, &walk.last) > 0:
                break
            if id_compare(&entry.id, &walk.first) < 0:
                continue
        if walk.with_deleted or not entry.flags & ENTRY_DELETED:
            return True
    walk.place = NULL
    walk.cursor.leaf = NULL
    return False


cdef bint stream_find(StreamData *stream, const StreamId *id, StreamEntry *entry) noexcept nogil:
    """Whether the entry is there; decodes it."""
    cdef Walk walk
    walk_start(&walk, stream, id, id, False)
    return walk_next(&walk, entry)


cdef bint stream_edge(StreamData *stream, bint is_last, StreamId *id) noexcept nogil:
    cdef StreamId least, most
    cdef StreamEntry entry
    cdef Walk walk
    least.ms = least.seq = 0
    most.ms = most.seq = UINT64_MAX
    walk_start(&walk, stream, &least, &most, is_last)
    if not walk_next(&walk, &entry):
        return False
    id[0] = entry.id
    return True


# Deleting ------------------------------------------------------------------------------------------------------------

cdef inline void mark(StreamEntry *entry) noexcept nogil:
    """Marks the entry as deleted, in place."""
    entry.place[0] |= ENTRY_DELETED


cdef int stream_delete(StreamData *stream, const StreamId *id) noexcept nogil:
    """The entry is gone; its id may still have to be noted in first_id and max_deleted_id."""
    cdef Walk walk
    cdef StreamEntry entry
    cdef size_t offset
    walk_start(&walk, stream, id, id, False)
    if not walk_next(&walk, &entry):
        return 0
    if number_at(lp_first(walk.node.entries)) == 1:
        node_delete(stream, walk.node)
    else:
        offset = entry.place - walk.node.entries
        if not node_reserve(stream, walk.node, COUNTS_ROOM):
            return STREAM_NO_MEMORY
        entry.place = walk.node.entries + offset
        mark(&entry)
        node_count(stream, walk.node, -1, 1)
    stream.length -= 1
    return 1


cdef bint is_below(StreamNode *node, const StreamId *minimum) noexcept nogil:
    """Whether all entries of the node, the marked ones too, are below the id."""
    cdef Walk walk
    cdef StreamEntry entry
    walk.node = node
    walk.master_count = 0
    walk.master_names = NULL
    walk.place = lp_last(node.entries)
    if number_at(walk.place) == 0:
        return True
    step_backward(&walk, &entry)
    return id_compare(&entry.id, minimum) < 0


cdef int64_t trim_node(StreamData *stream, StreamNode *node, const uint64_t *length,
                       const StreamId *minimum) noexcept nogil:
    """Marks what is too much at the beginning of the node; how many, or STREAM_NO_MEMORY."""
    cdef Walk walk
    cdef StreamEntry entry
    cdef int64_t trimmed = 0
    if not node_reserve(stream, node, COUNTS_ROOM):
        return STREAM_NO_MEMORY
    walk_start(&walk, stream, &node.id, &node.id, False)
    walk.last.ms = walk.last.seq = UINT64_MAX
    walk.with_deleted = True
    while walk_next(&walk, &entry) and walk.node == node:
        if stream.length <= length[0] if length != NULL else id_compare(&entry.id, minimum) >= 0:
            break
        if not entry.flags & ENTRY_DELETED:
            mark(&entry)
            trimmed += 1
            stream.length -= 1
    if trimmed:
        node_count(stream, node, -trimmed, trimmed)
    return trimmed


cdef int64_t stream_trim(StreamData *stream, const uint64_t *length, const StreamId *minimum, bint approximate,
                         int64_t limit) noexcept nogil:
    """Deletes from the head; see stream_entries.pxd."""
    cdef Cursor cursor
    cdef StreamNode *node
    cdef int64_t deleted = 0, entries, trimmed = 0
    cdef bint is_whole
    while ordered_first(stream.nodes, &cursor):
        if length != NULL and stream.length <= length[0]:
            break
        node = <StreamNode *> cursor_item(&cursor)
        entries = number_at(lp_first(node.entries))
        if limit and deleted + entries > limit:
            break
        if length != NULL:
            is_whole = stream.length - <uint64_t> entries >= length[0]
        else:
            is_whole = is_below(node, minimum)
        if not is_whole:
            if not approximate:
                trimmed = trim_node(stream, node, length, minimum)
            break
        node_delete(stream, node)
        stream.length -= <uint64_t> entries
        deleted += entries
    if deleted or trimmed > 0:
        stream_refresh_first(stream)
    return trimmed if trimmed < 0 else deleted + trimmed


cdef void stream_refresh_first(StreamData *stream) noexcept nogil:
    """The first id is that of the first entry again; 0-0: there is none."""
    if stream.length == 0 or not stream_edge(stream, False, &stream.first_id):
        stream.first_id.ms = stream.first_id.seq = 0


# What consumer groups want to know -----------------------------------------------------------------------------------

cdef bint stream_has_deleted_from(StreamData *stream, const StreamId *id) noexcept nogil:
    """Whether an entry at or above the id was deleted by XDEL."""
    if stream.length == 0 or id_is_zero(&stream.max_deleted_id):
        return False
    return id_compare(id, &stream.max_deleted_id) <= 0


cdef int64_t stream_distance(StreamData *stream, const StreamId *id) noexcept nogil:
    cdef int order = id_compare(id, &stream.last_id)
    if stream.entries_added == 0:
        return 0
    if stream.length == 0 and order <= 0:
        return <int64_t> stream.entries_added
    if not id_is_zero(id) and id_compare(id, &stream.max_deleted_id) < 0:
        return -1
    if order == 0:
        return <int64_t> stream.entries_added
    if order > 0:
        return -1
    if not id_is_zero(&stream.max_deleted_id) and id_compare(&stream.max_deleted_id, &stream.first_id) >= 0:
        return -1
    order = id_compare(id, &stream.first_id)
    if order > 0:
        return -1
    return <int64_t> (stream.entries_added - stream.length) + (order == 0)


cdef bint stream_lag(StreamData *stream, const StreamId *last_id, int64_t entries_read, int64_t *lag) noexcept nogil:
    cdef int64_t distance
    lag[0] = 0
    if stream.entries_added == 0 or stream.length == 0:
        return True
    if (id_compare(last_id, &stream.first_id) < 0
            and id_compare(&stream.max_deleted_id, &stream.first_id) < 0):
        lag[0] = <int64_t> stream.length
        return True
    distance = entries_read
    if distance == -1 or stream_has_deleted_from(stream, last_id):
        distance = stream_distance(stream, last_id)
    if distance == -1:
        return False
    lag[0] = <int64_t> stream.entries_added - distance
    return True


register_encoding(IN_STREAM, b"stream", stream_free, stream_memory, stream_copy, NULL)
