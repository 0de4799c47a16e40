# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Consumer groups of a stream in C memory: groups, consumers, and what is delivered but not acknowledged.

Idea: everything stands in an `Ordered`. Groups and consumers are found by name: the first 8 bytes of it are the key,
the rest decides ties, so that a walk goes in the order of bytes, as Redis shows them. A Nack is in two trees by its id,
that of its group and that of its consumer, so that it is found from either side and one walk shows the oldest first.

Owner: the executor; groups_free may run on any thread for groups that nobody can reach.
Invariants: every Nack of a group is in the tree of exactly one of its consumers, and the other way round. What returns
NULL or false for lack of memory has changed nothing.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy
from mtredis.keyspace.encoding.ordered cimport (
    Cursor, Ordered, cursor_item, cursor_next, ordered_find, ordered_first, ordered_free, ordered_insert, ordered_new,
    ordered_remove,
)
from mtredis.keyspace.encoding.room cimport room_memory
from mtredis.keyspace.types.stream_id cimport tie_of_ids


# Names ---------------------------------------------------------------------------------------------------------------

cdef int tie_of_names(const void *a, const void *b) noexcept nogil:
    """The order of bytes; a beginning goes before the whole."""
    cdef const Name *left = <const Name *> a
    cdef const Name *right = <const Name *> b
    cdef int order = memcmp(left.text, right.text, min(left.length, right.length))
    if order:
        return order
    return -1 if left.length < right.length else left.length > right.length


cdef uint64_t key_of_name(const Name *name) noexcept nogil:
    """Its first 8 bytes as a big-endian number, zeros behind a short one."""
    cdef uint64_t key = 0
    cdef size_t i
    for i in range(8):
        key = key << 8 | (<unsigned char> name.text[i] if i < name.length else 0)
    return key


cdef void *find_named(Ordered *tree, const char *text, size_t length) noexcept nogil:
    cdef Name name
    cdef Cursor cursor
    name.text = text
    name.length = length
    return cursor_item(&cursor) if ordered_find(tree, key_of_name(&name), &name, &cursor) else NULL


cdef Name *new_named(size_t size, const char *text, size_t length) noexcept nogil:
    """A chunk for a struct of that size that begins with a Name, the text behind it."""
    cdef char *chunk = <char *> malloc(size + length)
    cdef Name *name = <Name *> chunk
    if chunk != NULL:
        memcpy(chunk + size, text, length)
        name.text = chunk + size
        name.length = length
    return name


# Trees whose memory counts -------------------------------------------------------------------------------------------

cdef Ordered *tree_new(int (*tie)(const void *, const void *) noexcept nogil, size_t *memory) noexcept nogil:
    cdef Ordered *tree = ordered_new(tie)
    if tree != NULL:
        memory[0] += tree.memory
    return tree


cdef void tree_free(Ordered *tree, size_t *memory) noexcept nogil:
    if tree != NULL:
        memory[0] -= tree.memory
        ordered_free(tree)


cdef bint tree_insert(Ordered *tree, uint64_t key, void *item, size_t *memory) noexcept nogil:
    cdef size_t before = tree.memory
    cdef int code = ordered_insert(tree, key, item)
    memory[0] += tree.memory - before
    return code > 0


cdef void tree_remove(Ordered *tree, uint64_t key, const void *item, size_t *memory) noexcept nogil:
    cdef size_t before = tree.memory
    ordered_remove(tree, key, item)
    memory[0] += tree.memory - before


cdef void chunk_free(void *chunk, size_t *memory) noexcept nogil:
    if chunk != NULL:
        memory[0] -= room_memory(chunk)
        free(chunk)


# Groups --------------------------------------------------------------------------------------------------------------

cdef Ordered *groups_new(size_t *memory) noexcept nogil:
    return tree_new(tie_of_names, memory)


cdef size_t group_free(Group *group) noexcept nogil:
    """Frees it and all that is in it; how many bytes that was."""
    cdef size_t memory = 0
    cdef Cursor cursor
    cdef bint is_there
    cdef Consumer *consumer
    if group.pending != NULL:
        is_there = ordered_first(group.pending, &cursor)
        while is_there:
            chunk_free(cursor_item(&cursor), &memory)
            is_there = cursor_next(&cursor)
        tree_free(group.pending, &memory)
    if group.consumers != NULL:
        is_there = ordered_first(group.consumers, &cursor)
        while is_there:
            consumer = <Consumer *> cursor_item(&cursor)
            tree_free(consumer.pending, &memory)
            chunk_free(consumer, &memory)
            is_there = cursor_next(&cursor)
        tree_free(group.consumers, &memory)
    chunk_free(group, &memory)
    return 0 - memory


cdef void groups_free(Ordered *groups) noexcept nogil:
    cdef Cursor cursor
    cdef bint is_there = ordered_first(groups, &cursor)
    while is_there:
        group_free(<Group *> cursor_item(&cursor))
        is_there = cursor_next(&cursor)
    ordered_free(groups)


cdef Group *group_find(Ordered *groups, const char *name, size_t length) noexcept nogil:
    return <Group *> find_named(groups, name, length) if groups != NULL else NULL


cdef Group *group_create(Ordered *groups, const char *name, size_t length, const StreamId *last_id,
                         int64_t entries_read, size_t *memory) noexcept nogil:
    cdef Group *group = <Group *> new_named(sizeof(Group), name, length)
    if group == NULL:
        return NULL
    memory[0] += room_memory(group)
    group.last_id = last_id[0]
    group.entries_read = entries_read
    group.pending = tree_new(tie_of_ids, memory)
    group.consumers = tree_new(tie_of_names, memory)
    if (group.pending == NULL or group.consumers == NULL
            or not tree_insert(groups, key_of_name(&group.name), group, memory)):
        memory[0] -= group_free(group)
        return NULL
    return group


cdef void group_destroy(Ordered *groups, Group *group, size_t *memory) noexcept nogil:
    """The group is gone, and all that was pending in it."""
    tree_remove(groups, key_of_name(&group.name), group, memory)
    memory[0] -= group_free(group)


cdef bint copy_consumers(Group *source, Group *target, size_t *memory) noexcept nogil:
    cdef Cursor cursor
    cdef Consumer *consumer
    cdef Consumer *copy
    cdef bint is_there = ordered_first(source.consumers, &cursor)
    while is_there:
        consumer = <Consumer *> cursor_item(&cursor)
        copy = consumer_create(target, consumer.name.text, consumer.name.length, consumer.seen_time, memory)
        if copy == NULL:
            return False
        copy.active_time = consumer.active_time
        is_there = cursor_next(&cursor)
    return True


cdef bint copy_pending(Group *source, Group *target, size_t *memory) noexcept nogil:
    cdef Cursor cursor
    cdef Nack *nack
    cdef Consumer *consumer
    cdef bint is_there = ordered_first(source.pending, &cursor)
    while is_there:
        nack = <Nack *> cursor_item(&cursor)
        consumer = consumer_find(target, nack.consumer.name.text, nack.consumer.name.length)
        if nack_create(target, consumer, &nack.id, nack.delivery_time, nack.delivery_count, memory) == NULL:
            return False
        is_there = cursor_next(&cursor)
    return True


cdef Ordered *groups_copy(Ordered *groups, size_t *memory) noexcept nogil:
    """A deep copy."""
    cdef Ordered *copies
    cdef Cursor cursor
    cdef Group *group
    cdef Group *copy
    cdef bint is_there
    copies = groups_new(memory)
    if copies == NULL:
        return NULL
    is_there = ordered_first(groups, &cursor)
    while is_there:
        group = <Group *> cursor_item(&cursor)
        copy = group_create(copies, group.name.text, group.name.length, &group.last_id, group.entries_read, memory)
        if copy == NULL or not copy_consumers(group, copy, memory) or not copy_pending(group, copy, memory):
            groups_free(copies)
            return NULL
        is_there = cursor_next(&cursor)
    return copies


# Consumers -----------------------------------------------------------------------------------------------------------

cdef Consumer *consumer_find(Group *group, const char *name, size_t length) noexcept nogil:
    return <Consumer *> find_named(group.consumers, name, length)


cdef Consumer *consumer_create(Group *group, const char *name, size_t length, int64_t now,
                               size_t *memory) noexcept nogil:
    cdef Consumer *consumer = <Consumer *> new_named(sizeof(Consumer), name, length)
    if consumer == NULL:
        return NULL
    memory[0] += room_memory(consumer)
    consumer.seen_time = now
    consumer.active_time = -1
    consumer.pending = tree_new(tie_of_ids, memory)
    if consumer.pending == NULL or not tree_insert(group.consumers, key_of_name(&consumer.name), consumer, memory):
        tree_free(consumer.pending, memory)
        chunk_free(consumer, memory)
        return NULL
    return consumer


cdef uint64_t consumer_delete(Group *group, Consumer *consumer, size_t *memory) noexcept nogil:
    """The consumer is gone and with it what was pending for it."""
    cdef uint64_t count = consumer.pending.count
    cdef Cursor cursor
    cdef Nack *nack
    cdef bint is_there = ordered_first(consumer.pending, &cursor)
    while is_there:
        nack = <Nack *> cursor_item(&cursor)
        tree_remove(group.pending, nack.id.ms, nack, memory)
        is_there = cursor_next(&cursor)
    free_pending_of(consumer, memory)
    tree_remove(group.consumers, key_of_name(&consumer.name), consumer, memory)
    tree_free(consumer.pending, memory)
    chunk_free(consumer, memory)
    return count


cdef void free_pending_of(Consumer *consumer, size_t *memory) noexcept nogil:
    cdef Cursor cursor
    cdef bint is_there = ordered_first(consumer.pending, &cursor)
    while is_there:
        chunk_free(cursor_item(&cursor), memory)
        is_there = cursor_next(&cursor)


# What is pending -----------------------------------------------------------------------------------------------------

cdef Nack *nack_find(Ordered *pending, const StreamId *id) noexcept nogil:
    cdef Cursor cursor
    return <Nack *> cursor_item(&cursor) if ordered_find(pending, id.ms, id, &cursor) else NULL


cdef Nack *nack_create(Group *group, Consumer *consumer, const StreamId *id, int64_t delivery_time,
                       uint64_t delivery_count, size_t *memory) noexcept nogil:
    cdef Nack *nack = <Nack *> malloc(sizeof(Nack))
    if nack == NULL:
        return NULL
    nack.id = id[0]
    nack.consumer = consumer
    nack.delivery_time = delivery_time
    nack.delivery_count = delivery_count
    if not tree_insert(group.pending, id.ms, nack, memory):
        free(nack)
        return NULL
    if not tree_insert(consumer.pending, id.ms, nack, memory):
        tree_remove(group.pending, id.ms, nack, memory)
        free(nack)
        return NULL
    memory[0] += room_memory(nack)
    return nack


cdef void nack_delete(Group *group, Nack *nack, size_t *memory) noexcept nogil:
    """The entry is pending no more."""
    tree_remove(group.pending, nack.id.ms, nack, memory)
    tree_remove(nack.consumer.pending, nack.id.ms, nack, memory)
    chunk_free(nack, memory)


cdef bint nack_assign(Nack *nack, Consumer *consumer, size_t *memory) noexcept nogil:
    """The entry is pending for that consumer, whoever had it."""
    if nack.consumer == consumer:
        return True
    if not tree_insert(consumer.pending, nack.id.ms, nack, memory):
        return False
    tree_remove(nack.consumer.pending, nack.id.ms, nack, memory)
    nack.consumer = consumer
    return True
