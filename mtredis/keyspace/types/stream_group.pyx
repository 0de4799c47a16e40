# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A consumer group as handlers hold it: what it has read, who reads for it, and what they have not acknowledged.

Idea: a `StreamGroup` is found by name on a `Stream` (`find_group`, `all_groups`) and dies with the next change of which
groups there are, and with the stream's handle. Its methods do to the pending entries what a command means; replies and
keyspace events are the handlers' business. Ids are ints where they come in, and as clients read them where they go out.

Owner: the executor. Invariant: what a method builds for its caller is built before the change it belongs to begins, so
a failure leaves stream and group in agreement (of a batch, the part before it is done).
Costs: O(log n) for each entry delivered, acknowledged or claimed; a claim also looks for the entry (stream.pyx).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from mtredis.keyspace.collection cimport change_begin, change_end
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.encoding.ordered cimport (
    Cursor, Ordered, cursor_item, cursor_next, ordered_first, ordered_last, ordered_seek,
)
from mtredis.keyspace.types.stream cimport id_of, number_of, pairs_of, text_of
from mtredis.keyspace.types.stream_entries cimport (
    StreamEntry, Walk, stream_distance, stream_edge, stream_find, stream_has_deleted_from, stream_lag, walk_next,
    walk_start,
)
from mtredis.keyspace.types.stream_id cimport id_compare, is_id_before
from mtredis.keyspace.types.stream_pending cimport (
    consumer_create, consumer_delete, consumer_find, group_create, group_destroy, group_find, groups_new, nack_assign,
    nack_create, nack_delete, nack_find,
)
from mtredis.lib.clock cimport unix_ms


def create_group(Stream stream not None, bytes name not None, last_id, int64_t entries_read=-1):
    """Makes a group that has everything up to `last_id` behind it; False: there is one of that name."""
    cdef StreamData *data = stream.data()
    cdef StreamId last = id_of(last_id)
    cdef Group *group = NULL
    if group_find(data.groups, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)) != NULL:
        return False
    change_begin(&stream.change)
    if data.groups == NULL:
        data.groups = groups_new(&data.memory)
    if data.groups != NULL:
        group = group_create(data.groups, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), &last, entries_read,
                             &data.memory)
    change_end(&stream.change)
    if group == NULL:
        raise MemoryError
    return True


def destroy_group(Stream stream not None, bytes name not None):
    """The group is gone with all that was pending in it; False: there was none."""
    cdef StreamData *data = stream.data()
    cdef Group *group = group_find(data.groups, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    if group == NULL:
        return False
    change_begin(&stream.change)
    group_destroy(data.groups, group, &data.memory)
    change_end(&stream.change)
    return True


def find_group(Stream stream not None, bytes name not None):
    """The group of that name, None if there is none."""
    cdef Group *group = group_find(stream.data().groups, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    return handle(stream, group) if group != NULL else None


def group_count(Stream stream not None):
    """How many groups the stream has."""
    cdef Ordered *groups = stream.data().groups
    return groups.count if groups != NULL else 0


def all_groups(Stream stream not None):
    """All groups in the order of their names."""
    cdef Ordered *groups = stream.data().groups
    cdef list handles = []
    cdef Cursor cursor
    cdef bint is_there = groups != NULL and ordered_first(groups, &cursor)
    while is_there:
        handles.append(handle(stream, <Group *> cursor_item(&cursor)))
        is_there = cursor_next(&cursor)
    return handles


cdef StreamGroup handle(Stream stream, Group *group):
    cdef StreamGroup made = StreamGroup.__new__(StreamGroup)
    made.stream = stream
    made.group = group
    return made


cdef void note_read(StreamData *stream, Group *group, const StreamId *id) noexcept nogil:
    """The group has read the entry, which is above all that it had."""
    if (group.entries_read != -1 and id_compare(&group.last_id, &stream.first_id) >= 0
            and not stream_has_deleted_from(stream, &group.last_id)):
        group.entries_read += 1
    elif stream.entries_added:
        group.entries_read = stream_distance(stream, id)
    group.last_id = id[0]


cdef bint note_pending(Group *group, Consumer *consumer, const StreamId *id, int64_t now,
                       size_t *memory) noexcept nogil:
    """The entry is pending for the consumer, delivered once; false: no memory."""
    cdef Nack *nack = nack_find(group.pending, id)
    if nack == NULL:
        if nack_create(group, consumer, id, now, 1, memory) == NULL:
            return False
    else:
        if not nack_assign(nack, consumer, memory):
            return False
        nack.delivery_time = now
        nack.delivery_count = 1
    consumer.active_time = now
    return True


cdef inline int64_t time_of_day(Core *core) noexcept nogil:
    """Unix ms, also while a log is replayed, for which the keyspace's clock stands still."""
    return core.now if core.now else unix_ms()


cdef class StreamGroup:
    """One consumer group of a stream."""

    @property
    def name(self):
        """Its name."""
        return PyBytes_FromStringAndSize(self.group.name.text, self.group.name.length)

    @property
    def last_id(self):
        """The id of the last entry that was delivered to it."""
        return number_of(&self.group.last_id)

    @property
    def entries_read(self):
        """How many entries it has read since the stream's beginning; None: unknown."""
        return self.group.entries_read if self.group.entries_read != -1 else None

    @property
    def lag(self):
        """How many entries it has not read; None: unknown."""
        cdef int64_t lag
        return lag if stream_lag(self.stream.data(), &self.group.last_id, self.group.entries_read, &lag) else None

    @property
    def pending_count(self):
        """How many entries are delivered and not acknowledged."""
        return self.group.pending.count

    @property
    def consumer_count(self):
        """How many consumers it has."""
        return self.group.consumers.count

    @property
    def has_new(self):
        """Whether there is an entry that it has not read."""
        cdef StreamId top
        return stream_edge(self.stream.data(), True, &top) and id_compare(&top, &self.group.last_id) > 0

    def set_position(self, last_id, int64_t entries_read=-1):
        """It goes on reading behind `last_id`."""
        cdef StreamId last = id_of(last_id)
        change_begin(&self.stream.change)
        self.group.last_id = last
        self.group.entries_read = entries_read
        change_end(&self.stream.change)

    def advance(self, last_id):
        """It goes on reading behind `last_id` unless it is there already; whether that was a change."""
        cdef StreamId last = id_of(last_id)
        if id_compare(&last, &self.group.last_id) <= 0:
            return False
        change_begin(&self.stream.change)
        self.group.last_id = last
        change_end(&self.stream.change)
        return True

    # Consumers --------------------------------------------------------------------------------------------------

    cdef Consumer *find(self, bytes name) except? NULL:
        return consumer_find(self.group, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))

    cdef Consumer *consumer(self, bytes name) except NULL:
        cdef Consumer *consumer = self.find(name)
        if consumer == NULL:
            raise KeyError(name)
        return consumer

    def has_consumer(self, bytes name not None):
        """Whether there is a consumer of that name."""
        return self.find(name) != NULL

    def create_consumer(self, bytes name not None):
        """Makes a consumer; False: there is one of that name."""
        cdef Consumer *made
        if self.find(name) != NULL:
            return False
        change_begin(&self.stream.change)
        made = consumer_create(self.group, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
                               time_of_day(self.stream.change.core), &self.stream.data().memory)
        change_end(&self.stream.change)
        if made == NULL:
            raise MemoryError
        return True

    def delete_consumer(self, bytes name not None):
        """The consumer is gone; how many entries were pending for it, None: there was none of that name."""
        cdef Consumer *consumer = self.find(name)
        cdef uint64_t count
        if consumer == NULL:
            return None
        change_begin(&self.stream.change)
        count = consumer_delete(self.group, consumer, &self.stream.data().memory)
        change_end(&self.stream.change)
        return count

    def see(self, bytes name not None):
        """A consumer is heard of now, and made if it is new; whether it is."""
        cdef bint is_new = self.create_consumer(name)
        cdef Consumer *consumer = self.consumer(name)
        change_begin(&self.stream.change)
        consumer.seen_time = time_of_day(self.stream.change.core)
        change_end(&self.stream.change)
        return is_new

    def consumers(self):
        """(name, seen and active in unix ms, -1: never, how many entries are pending) in the order of names."""
        cdef list rows = []
        cdef Cursor cursor
        cdef Consumer *consumer
        cdef bint is_there = ordered_first(self.group.consumers, &cursor)
        while is_there:
            consumer = <Consumer *> cursor_item(&cursor)
            rows.append((PyBytes_FromStringAndSize(consumer.name.text, consumer.name.length), consumer.seen_time,
                         consumer.active_time, consumer.pending.count))
            is_there = cursor_next(&cursor)
        return rows

    # Reading ----------------------------------------------------------------------------------------------------

    def deliver(self, bytes name not None, int64_t count=0, bint is_acknowledged=False):
        """Up to `count` (0: all) entries that nobody of the group has read, as `Stream.range` gives them.

        They are read now, and pending for the consumer unless `is_acknowledged`.
        """
        cdef Consumer *consumer = self.consumer(name)
        cdef StreamData *data = self.stream.data()
        cdef list entries
        cdef StreamId first = self.group.last_id
        cdef StreamId last
        cdef StreamEntry entry
        cdef Walk walk
        cdef int64_t left
        cdef bint is_noted = True
        last.ms = last.seq = UINT64_MAX
        if id_compare(&first, &last) == 0:
            return []
        entries = self.stream.range(number_of(&first) + 1, number_of(&last), count)
        left = len(entries)
        change_begin(&self.stream.change)
        first.seq += 1
        first.ms += first.seq == 0
        walk_start(&walk, data, &first, &last, False)
        while left and is_noted and walk_next(&walk, &entry):
            if not is_acknowledged:
                is_noted = note_pending(self.group, consumer, &entry.id, self.stream.change.core.now, &data.memory)
            if is_noted:
                note_read(data, self.group, &entry.id)
            left -= 1
        change_end(&self.stream.change)
        if not is_noted:
            raise MemoryError
        return entries

    def history(self, bytes name not None, first, int64_t count=0):
        """Up to `count` (0: all) entries that are pending for the consumer, from an id on, delivered once more now.

        As (id, [name, value, ...]); None in place of the list for one that is no longer in the stream.
        """
        cdef StreamId start = id_of(first)
        cdef StreamEntry entry
        cdef Cursor cursor
        cdef Nack *nack
        cdef list entries = []
        cdef Ordered *pending = self.consumer(name).pending
        ordered_seek(pending, is_id_before, &start, &cursor)
        while cursor.leaf != NULL:
            nack = <Nack *> cursor_item(&cursor)
            if stream_find(self.stream.data(), &nack.id, &entry):
                entries.append((text_of(&nack.id), pairs_of(&entry)))
                change_begin(&self.stream.change)
                nack.delivery_time = self.stream.change.core.now
                nack.delivery_count += 1
                change_end(&self.stream.change)
            else:
                entries.append((text_of(&nack.id), None))
            count -= 1
            if count == 0:
                break
            cursor_next(&cursor)
        return entries

    # What is pending --------------------------------------------------------------------------------------------

    cdef int delete(self, Nack *nack) except -1:
        change_begin(&self.stream.change)
        nack_delete(self.group, nack, &self.stream.data().memory)
        change_end(&self.stream.change)
        return 0

    def acknowledge(self, list ids not None):
        """The entries are pending no more; how many were."""
        cdef StreamId id
        cdef Nack *nack
        cdef int64_t count = 0
        for number in ids:
            id = id_of(number)
            nack = nack_find(self.group.pending, &id)
            if nack != NULL:
                self.delete(nack)
                count += 1
        return count

    def pending_range(self):
        """The first and the last id that are pending, as clients read them; None: nothing is."""
        cdef Cursor first, last
        if not ordered_first(self.group.pending, &first) or not ordered_last(self.group.pending, &last):
            return None
        return text_of(<StreamId *> cursor_item(&first)), text_of(<StreamId *> cursor_item(&last))

    def pending(self, first, last, int64_t count=-1, bytes name=None, int64_t min_idle=0):
        """(id, consumer, unix ms of the last delivery, number of deliveries) of what is pending from one id to another.

        Up to `count` (negative: all), of one consumer if a name is given, idle for `min_idle` ms (0: any).
        """
        cdef StreamId low = id_of(first)
        cdef StreamId high = id_of(last)
        cdef int64_t now = self.stream.change.core.now
        cdef Ordered *pending = self.group.pending if name is None else self.consumer(name).pending
        cdef Cursor cursor
        cdef Nack *nack
        cdef list rows = []
        ordered_seek(pending, is_id_before, &low, &cursor)
        while cursor.leaf != NULL and count:
            nack = <Nack *> cursor_item(&cursor)
            if id_compare(&nack.id, &high) > 0:
                break
            if min_idle == 0 or now - nack.delivery_time >= min_idle:
                rows.append(self.row(nack))
                count -= 1
            cursor_next(&cursor)
        return rows

    # Claiming ---------------------------------------------------------------------------------------------------

    cdef object row(self, Nack *nack):
        return (text_of(&nack.id), PyBytes_FromStringAndSize(nack.consumer.name.text, nack.consumer.name.length),
                nack.delivery_time, nack.delivery_count)

    cdef object claim_one(self, Consumer *consumer, const StreamId *id, int64_t delivery_time, int64_t retry_count,
                          bint is_counted):
        """The entry is pending for the consumer; `retry_count` -1: as it was, and one more if `is_counted`.

        Its row, as in `pending`.
        """
        cdef size_t *memory = &self.stream.data().memory
        cdef Nack *nack
        change_begin(&self.stream.change)
        nack = nack_find(self.group.pending, id)
        if nack == NULL:
            nack = nack_create(self.group, consumer, id, delivery_time, 1, memory)
        elif not nack_assign(nack, consumer, memory):
            nack = NULL
        if nack != NULL:
            nack.delivery_time = delivery_time
            nack.delivery_count = retry_count if retry_count >= 0 else nack.delivery_count + is_counted
            consumer.active_time = time_of_day(self.stream.change.core)
        change_end(&self.stream.change)
        if nack == NULL:
            raise MemoryError
        return self.row(nack)

    def claim(self, bytes name not None, list ids not None, int64_t min_idle, int64_t delivery_time,
              int64_t retry_count, bint is_forced, bint just_id):
        """Makes the consumer own the entries that are pending and idle for `min_idle` ms, or at all if `is_forced`.

        Those claimed as `Stream.range` gives them (`just_id`: their ids), and what has changed, as `pending` gives it:
        what is no longer in the stream, as it was, for it is not pending any more.
        """
        cdef Consumer *consumer = self.consumer(name)
        cdef StreamId id
        cdef StreamEntry entry
        cdef Nack *nack
        cdef list claimed = []
        cdef list changes = []
        for number in ids:
            id = id_of(number)
            nack = nack_find(self.group.pending, &id)
            if not stream_find(self.stream.data(), &id, &entry):
                if nack != NULL:
                    changes.append(self.row(nack))
                    self.delete(nack)
                continue
            if nack == NULL and not is_forced:
                continue
            if nack != NULL and min_idle and self.stream.change.core.now - nack.delivery_time < min_idle:
                continue
            claimed.append(text_of(&id) if just_id else (text_of(&id), pairs_of(&entry)))
            changes.append(self.claim_one(consumer, &id, delivery_time, retry_count, not just_id))
        return claimed, changes

    def claim_idle(self, bytes name not None, first, int64_t min_idle, int64_t count, int64_t attempts, bint just_id):
        """Makes the consumer own up to `count` entries from an id on that are idle for `min_idle` ms.

        Looks at `attempts` entries. (Those claimed, as in `claim`; the ids of those that were no longer in the stream,
        which count, too; what has changed, as in `claim`; the id to go on from, 0-0 at the end).
        """
        cdef Consumer *consumer = self.consumer(name)
        cdef int64_t now = self.stream.change.core.now
        cdef StreamId id = id_of(first)
        cdef StreamEntry entry
        cdef Cursor cursor
        cdef Nack *nack
        cdef list claimed = []
        cdef list deleted = []
        cdef list changes = []
        ordered_seek(self.group.pending, is_id_before, &id, &cursor)
        while attempts and count and cursor.leaf != NULL:
            attempts -= 1
            nack = <Nack *> cursor_item(&cursor)
            id = nack.id
            if not stream_find(self.stream.data(), &id, &entry):
                deleted.append(text_of(&id))
                changes.append(self.row(nack))
                self.delete(nack)
                count -= 1
                ordered_seek(self.group.pending, is_id_before, &id, &cursor)
                continue
            if min_idle == 0 or now - nack.delivery_time >= min_idle:
                claimed.append(text_of(&id) if just_id else (text_of(&id), pairs_of(&entry)))
                changes.append(self.claim_one(consumer, &id, now, -1, not just_id))
                count -= 1
            cursor_next(&cursor)
        following = text_of(<StreamId *> cursor_item(&cursor)) if cursor.leaf != NULL else b"0-0"
        return claimed, deleted, changes, following
