# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Streams: entries of fields and values under growing ids.

Idea: `stream_entries.pyx` holds the entries, `stream_pending.pyx` the consumer groups; `Stream` is the handle on both
that handlers work with, `stream_group.pyx` the one on a group. Here an id is an int: milliseconds << 64 | sequence
number, so the next id is `id + 1` and ids compare as they should.

Owner: the executor.
Costs: appending O(1); looking for an id and the start of a range O(log n) and a walk over one node (at most
stream-node-max-entries); trimming O(log n) for each node that goes.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from mtredis.keyspace.collection cimport change_begin, change_end
from mtredis.keyspace.encoding.listpack cimport Listpack, lp_behind, lp_bytes, lp_text
from mtredis.keyspace.encoding.ordered cimport Cursor, cursor_item, cursor_next, ordered_first
from mtredis.keyspace.entry cimport TYPE_STREAM
from mtredis.keyspace.types.stream_entries cimport (
    STREAM_EXHAUSTED, STREAM_ID_TOO_SMALL, STREAM_TOO_LARGE, StreamNode, Walk, stream_delete, stream_edge, stream_find,
    stream_refresh_first, stream_trim, walk_next, walk_start,
)
from mtredis.keyspace.types.stream_id cimport ID_TEXT_SIZE, id_compare, id_is_zero, id_text
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE

from mtredis.errors import CommandError

cdef enum:
    ARGUMENTS_ON_STACK = 32

cdef object SEQUENCE = (1 << 64) - 1
MAX_ID = (1 << 128) - 1


cdef StreamId id_of(object number) except *:
    cdef StreamId id
    id.ms = number >> 64
    id.seq = number & SEQUENCE
    return id


cdef object number_of(const StreamId *id):
    return (<object> id.ms << 64) | id.seq


cdef bytes text_of(const StreamId *id):
    cdef char text[ID_TEXT_SIZE]
    return PyBytes_FromStringAndSize(text, id_text(id, text))


cdef bytes bytes_at(const Listpack *p):
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text = lp_text(p, digits, &length)
    return PyBytes_FromStringAndSize(text, length)


cdef list pairs_of(StreamEntry *entry):
    cdef list pairs = []
    cdef Listpack *p = entry.values
    cdef Listpack *name = entry.names
    cdef int64_t i
    for i in range(entry.count):
        if name != NULL:
            pairs.append(bytes_at(name))
            name = lp_behind(name)
        else:
            pairs.append(bytes_at(p))
            p = lp_behind(p)
        pairs.append(bytes_at(p))
        p = lp_behind(p)
    return pairs


cdef class Stream(Collection):
    """A stream as handlers hold it."""

    def __cinit__(self):
        self.type = TYPE_STREAM

    cdef int start(self) except -1:
        self.change.word = stream_create()
        if self.change.word == 0:
            raise MemoryError
        return 0

    cpdef uint64_t length(self):
        """How many entries it has."""
        return self.data().length

    @property
    def last_id(self):
        """The last id that was given, even if its entry is gone."""
        return number_of(&self.data().last_id)

    @property
    def first_id(self):
        """The id of the first entry; 0: there is none."""
        return number_of(&self.data().first_id)

    @property
    def max_deleted_id(self):
        """The highest id that was deleted by itself; 0: none was."""
        return number_of(&self.data().max_deleted_id)

    @property
    def entries_added(self):
        """How many entries were ever added."""
        return self.data().entries_added

    @property
    def nodes(self):
        """Into how many nodes the entries are packed."""
        return self.data().nodes.count

    @property
    def index_nodes(self):
        """Of how many nodes the index of the nodes consists, reckoned from its full leaves (64) and branches (32)."""
        cdef uint64_t level = (self.data().nodes.count + 63) // 64
        cdef uint64_t total = level
        while level > 1:
            level = (level + 31) // 32
            total += level
        return total

    @property
    def top_id(self):
        """The id of the last entry that is there; 0: there is none."""
        cdef StreamId id
        return number_of(&id) if stream_edge(self.data(), True, &id) else 0

    # Changing ---------------------------------------------------------------------------------------------------

    def add(self, list argv not None, Py_ssize_t start, id=None, bint is_partial=False):
        """Appends the pairs `argv[start:]`; the new id as clients read it. Raises CommandError.

        `id` None: one is made from the time; `is_partial`: only its milliseconds count, the sequence number is made.
        """
        cdef Py_ssize_t count = len(argv) - start
        cdef const char *on_stack[ARGUMENTS_ON_STACK]
        cdef size_t lengths_on_stack[ARGUMENTS_ON_STACK]
        cdef const char **fields = on_stack
        cdef size_t *lengths = lengths_on_stack
        cdef StreamId wanted, added
        cdef const uint64_t *explicit_id = NULL
        cdef int code
        if id is not None:
            wanted = self.completed(id, is_partial)
            explicit_id = &wanted.ms
        if count > ARGUMENTS_ON_STACK:
            fields = <const char **> malloc(count * (sizeof(char *) + sizeof(size_t)))
            if fields == NULL:
                raise MemoryError
            lengths = <size_t *> (fields + count)
        code = self.append(argv, start, count, explicit_id, fields, lengths, &added)
        if count > ARGUMENTS_ON_STACK:
            free(fields)
        if code == 0:
            return text_of(&added)
        if code == STREAM_EXHAUSTED:
            raise CommandError("ERR The stream has exhausted the last possible ID, unable to add more items")
        if code == STREAM_ID_TOO_SMALL:
            raise id_too_small()
        if code == STREAM_TOO_LARGE:
            raise CommandError("ERR Elements are too large to be stored")
        raise TypeError("fields are bytes") if code == 1 else MemoryError()

    cdef StreamId completed(self, id, bint is_partial) except *:
        """The id with its sequence number, which is the one after the last of these milliseconds if it is partial."""
        cdef StreamId wanted = id_of(id)
        cdef StreamId last = self.data().last_id
        if is_partial:
            wanted.seq = 0
            if wanted.ms == last.ms:
                if last.seq == UINT64_MAX and last.ms != UINT64_MAX:
                    raise id_too_small()
                wanted.seq = last.seq + 1
        return wanted

    cdef int append(self, list argv, Py_ssize_t start, Py_ssize_t count, const uint64_t *explicit_id,
                    const char **fields, size_t *lengths, StreamId *added):
        """Gathers the arguments and appends; stream_append's code, 1: an argument is no bytes."""
        cdef Py_ssize_t i
        cdef int code
        for i in range(count):
            if not isinstance(argv[start + i], bytes):
                return 1
            fields[i] = PyBytes_AS_STRING(argv[start + i])
            lengths[i] = PyBytes_GET_SIZE(argv[start + i])
        change_begin(&self.change)
        code = stream_append(self.change.core, &self.change.word, explicit_id, self.change.core.now, fields, lengths,
                             count, &added.ms)
        change_end(&self.change)
        return code

    def delete(self, list ids not None):
        """Deletes the entries; how many there were."""
        cdef StreamData *stream = self.data()
        cdef StreamId id
        cdef int64_t deleted = 0
        cdef int code = 0
        cdef bint was_first = False
        for number in ids:
            id = id_of(number)
            change_begin(&self.change)
            code = stream_delete(stream, &id)
            if code > 0:
                deleted += 1
                was_first = was_first or id_compare(&id, &stream.first_id) == 0
                if id_compare(&id, &stream.max_deleted_id) > 0:
                    stream.max_deleted_id = id
            change_end(&self.change)
            if code < 0:
                break
        if deleted and (was_first or stream.length == 0):
            change_begin(&self.change)
            stream_refresh_first(stream)
            change_end(&self.change)
        if code < 0:
            raise MemoryError
        return deleted

    def trim_length(self, uint64_t length, bint approximate=False, int64_t limit=0):
        """Deletes the oldest entries until `length` are left; how many it took. See stream_trim for the others."""
        return self.trim(&length, NULL, approximate, limit)

    def trim_id(self, minimum, bint approximate=False, int64_t limit=0):
        """Deletes the entries below the id; how many it took."""
        cdef StreamId id = id_of(minimum)
        return self.trim(NULL, &id, approximate, limit)

    cdef int64_t trim(self, const uint64_t *length, const StreamId *minimum, bint approximate, int64_t limit) except -1:
        cdef int64_t deleted
        change_begin(&self.change)
        deleted = stream_trim(self.data(), length, minimum, approximate, limit)
        change_end(&self.change)
        if deleted < 0:
            raise MemoryError
        return deleted

    def set_ids(self, last_id, int64_t entries_added=-1, max_deleted_id=0):
        """Sets the last id, and what else is given."""
        cdef StreamData *stream = self.data()
        cdef StreamId last = id_of(last_id)
        cdef StreamId deleted = id_of(max_deleted_id)
        change_begin(&self.change)
        stream.last_id = last
        if entries_added != -1:
            stream.entries_added = entries_added
        if not id_is_zero(&deleted):
            stream.max_deleted_id = deleted
        change_end(&self.change)

    # Reading ----------------------------------------------------------------------------------------------------

    def range(self, first, last, int64_t count=0, bint backward=False):
        """The entries from one id to another, both included, as (id as clients read it, [name, value, ...]).

        Up to `count` of them (0: all), in the order of ids or `backward`.
        """
        cdef StreamId low = id_of(first)
        cdef StreamId high = id_of(last)
        cdef StreamEntry entry
        cdef Walk walk
        cdef list entries = []
        walk_start(&walk, self.data(), &low, &high, backward)
        while walk_next(&walk, &entry):
            entries.append((text_of(&entry.id), pairs_of(&entry)))
            count -= 1
            if count == 0:
                break
        return entries

    def entry(self, id):
        """[name, value, ...] of one entry; None: it is not there."""
        cdef StreamId wanted = id_of(id)
        cdef StreamEntry found
        return pairs_of(&found) if stream_find(self.data(), &wanted, &found) else None

    def packed_nodes(self):
        """The nodes as (id of the master entry, bytes of the listpack), byte for byte as Redis has and saves them."""
        cdef list nodes = []
        cdef StreamNode *node
        cdef Cursor cursor
        cdef bint is_there = ordered_first(self.data().nodes, &cursor)
        while is_there:
            node = <StreamNode *> cursor_item(&cursor)
            nodes.append((number_of(&node.id),
                          PyBytes_FromStringAndSize(<char *> node.entries, lp_bytes(node.entries))))
            is_there = cursor_next(&cursor)
        return nodes


cdef object id_too_small():
    return CommandError("ERR The ID specified in XADD is equal or smaller than the target stream top item")
