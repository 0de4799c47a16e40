# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A collection as handlers hold it, and how its value is changed beside readers.

Idea: values are C memory (`value.pxd`); a `Collection` is a handle on one, made for a command and thrown away after it.
It stands in a database (attached: `Database.lookup_read`, `lookup_write`, `write`, `create`, `put`) or for itself
(detached: `Keyspace.new`), then it owns the value until `Database.put` takes it over.

A value of any size may be under change for long, so a change does not keep the segment locked: `change_begin` marks the
entry BUSY under the lock, and readers that find it so leave the request to the executor; `change_end` publishes the
value's new address, accounts for its memory and takes the mark away. Readers of all other keys never notice.

Owner: the executor. Invariants: between begin and end no Python exception is raised and nothing else of the table is
changed; a handle dies when its key is deleted, replaced or gets or loses a time to live (the entry may move). After
`change_begin` nothing is good that was found in the value before: `change.word` may be a copy (but a stream's stays).
"""
cimport cython
from libc.stdint cimport uint64_t
from mtredis.keyspace.core cimport SNAPSHOT_READS
from mtredis.keyspace.directory cimport table_segment
from mtredis.keyspace.due cimport due_move
from mtredis.keyspace.encoding.fields cimport Fields, fields_copy, fields_count, fields_free, fields_memory
from mtredis.keyspace.encoding.intset cimport Intset, is_copy, is_count, is_free, is_memory
from mtredis.keyspace.encoding.listpack cimport Listpack, lp_copy, lp_count, lp_free, lp_memory
from mtredis.keyspace.entry cimport BUSY, entry_set_word, entry_type, entry_word
from mtredis.keyspace.sizes cimport size_of_value, sizes_move
from mtredis.keyspace.snapshot cimport snapshot_claim, snapshot_detach
from mtredis.keyspace.table cimport table_delete, table_write_lock, table_write_unlock
from mtredis.keyspace.segment cimport Segment
from mtredis.keyspace.value cimport (
    IN_FIELDS, IN_INTSET, IN_LISTPACK, register_encoding, value_due, value_encoding, value_free,
    value_is_empty, value_memory,
)


cdef void change_open(Change *change, Core *core, Table *table, uint64_t hash, Entry *entry) noexcept nogil:
    """The collection of an entry in a table; nothing is marked yet."""
    change.core = core
    change.table = table
    change.hash = hash
    change.entry = entry
    change.word = entry_word(entry)


cdef void change_begin(Change *change) noexcept nogil:
    """From now on no reader looks at the value."""
    cdef Segment *locked
    if change.table == NULL:
        return
    if change.core.readers_active & SNAPSHOT_READS:
        snapshot_claim(change.table, table_segment(change.table, change.hash), change.entry)
    change.memory = value_memory(change.word)
    change.due = value_due(change.word)
    change.size = size_of_value(change.table, entry_type(change.entry), change.word)
    if change.core.readers_active:
        locked = table_write_lock(change.table, change.hash)
        change.entry.head |= BUSY
        table_write_unlock(locked)
        change_detach(change)


cdef void change_detach(Change *change) noexcept nogil:
    """Has the value for itself: while the snapshot reads it, what is changed is a copy, which is the value then."""
    cdef Segment *locked
    cdef Word word = snapshot_detach(change.core, change.word)
    if word == change.word:
        return
    locked = table_write_lock(change.table, change.hash)
    entry_set_word(change.entry, word)
    table_write_unlock(locked)
    change.table.used_memory += value_memory(word) - change.memory
    change.memory = value_memory(word)
    change.word = word


cdef inline void account(Change *change) noexcept nogil:
    """The table knows what the change has made of the value: its memory, when a part of it goes, its size."""
    change.table.used_memory += value_memory(change.word) - change.memory
    due_move(change.table, change.hash, change.due, value_due(change.word))
    sizes_move(change.size, size_of_value(change.table, entry_type(change.entry), change.word))


cdef void change_end(Change *change) noexcept nogil:
    """What is in `change.word` is the value, for readers too; an empty one stays hidden until its key is deleted."""
    cdef Segment *locked
    if change.table == NULL:
        return
    account(change)
    locked = table_write_lock(change.table, change.hash)
    entry_set_word(change.entry, change.word)
    if locked == NULL or not value_is_empty(change.word):
        change.entry.head &= ~<unsigned int> BUSY
    table_write_unlock(locked)


cdef void change_drop(Change *change, const char *key, size_t length) noexcept nogil:
    """Ends the change of a value that has lost its last element: the key is gone, and no reader has seen it empty."""
    cdef Segment *locked = table_write_lock(change.table, change.hash)
    entry_set_word(change.entry, change.word)
    table_write_unlock(locked)
    account(change)
    table_delete(change.table, change.hash, key, length)


@cython.no_gc          # it is in no cycle, and there is one for every command
cdef class Collection:
    """What lists, sets, sorted sets, hashes and streams have in common."""

    def __dealloc__(self):
        if self.change.table == NULL and self.change.word:
            value_free(self.change.word)

    cdef int start(self) except -1:
        """Gives a detached collection its empty value."""
        raise NotImplementedError

    cpdef uint64_t length(self):
        """How many elements it has."""
        raise NotImplementedError

    cdef void attach(self, Core *core, Table *table, uint64_t hash, Entry *entry) noexcept:
        """Makes the handle stand for the value of an entry."""
        change_open(&self.change, core, table, hash, entry)

    def __len__(self):
        return self.length()

    @property
    def encoding(self) -> bytes:
        """How the value lies in memory, in the words of OBJECT ENCODING."""
        return value_encoding(self.change.word)

    @property
    def memory(self) -> int:
        """Bytes that the value holds."""
        return value_memory(self.change.word)


cdef void free_listpack(void *memory) noexcept nogil:
    lp_free(<Listpack *> memory)


cdef size_t listpack_memory(void *memory) noexcept nogil:
    return lp_memory(<Listpack *> memory)


cdef void *copy_listpack(void *memory) noexcept nogil:
    return lp_copy(<Listpack *> memory)


cdef uint64_t count_listpack(void *memory) noexcept nogil:
    return lp_count(<Listpack *> memory)


cdef void free_intset(void *memory) noexcept nogil:
    is_free(<Intset *> memory)


cdef size_t intset_memory(void *memory) noexcept nogil:
    return is_memory(<Intset *> memory)


cdef void *copy_intset(void *memory) noexcept nogil:
    return is_copy(<Intset *> memory)


cdef uint64_t count_intset(void *memory) noexcept nogil:
    return is_count(<Intset *> memory)


cdef void free_fields(void *memory) noexcept nogil:
    fields_free(<Fields *> memory)


cdef size_t memory_of_fields(void *memory) noexcept nogil:
    return fields_memory(<Fields *> memory)


cdef void *copy_fields(void *memory) noexcept nogil:
    return fields_copy(<Fields *> memory)


cdef uint64_t count_fields(void *memory) noexcept nogil:
    return fields_count(<Fields *> memory)


register_encoding(IN_LISTPACK, b"listpack", free_listpack, listpack_memory, copy_listpack, count_listpack)
register_encoding(IN_INTSET, b"intset", free_intset, intset_memory, copy_intset, count_intset)
register_encoding(IN_FIELDS, b"hashtable", free_fields, memory_of_fields, copy_fields, count_fields)
