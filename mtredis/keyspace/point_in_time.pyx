# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A snapshot (`snapshot.pyx`) as Python objects: for tests and whoever is curious.

Owner: `begin` and `end` the executor, iteration one thread, `abort` any. Iteration gives a string as bytes, a
collection as what `read` makes of a handle that is good during that call and not to be changed.
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint64_t
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.core cimport Table
from mtredis.keyspace.database cimport Keyspace
from mtredis.keyspace.directory cimport memory_of
from mtredis.keyspace.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, Entry, entry_expire, entry_is_fresh, entry_is_string,
    entry_key, entry_memory, entry_string, entry_type, entry_word,
)
from mtredis.keyspace.segment cimport SEGMENT_CAPACITY, Segment, segment_entries
from mtredis.keyspace.snapshot cimport (
    SNAPSHOT_IMAGES, SNAPSHOT_NO_MEMORY, Images, Snapshot, snapshot_abort, snapshot_begin, snapshot_end, snapshot_next,
    snapshot_release,
)
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE

from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream

cdef dict KINDS = {TYPE_LIST: List, TYPE_SET: Set, TYPE_SORTED_SET: SortedSet, TYPE_HASH: Hash, TYPE_STREAM: Stream}


class Aborted(Exception):
    """Somebody has called abort()."""


@cython.no_gc_clear    # __dealloc__ needs the keyspace
cdef class PointInTime:
    """`for database, key, expire_at, value in point` (each key once) between begin() and end()."""

    cdef Keyspace keyspace
    cdef object read
    cdef Snapshot *snapshot
    cdef Images images
    cdef int place         # of the next image; -1: none is out

    def __cinit__(self, Keyspace keyspace not None, read):
        self.keyspace = keyspace
        self.read = read
        self.place = -1

    def __dealloc__(self):
        if self.snapshot != NULL:
            self.end()

    def begin(self):
        """It is now."""
        if self.snapshot != NULL:
            raise RuntimeError("a point in time begins once")
        self.snapshot = snapshot_begin(self.keyspace.core)
        if self.snapshot == NULL:
            raise RuntimeError("another point in time has not ended, or there is no memory")

    def end(self):
        """It is no longer kept; the reading thread must have left it."""
        self.check()
        self.give_back()
        snapshot_end(self.snapshot)
        self.snapshot = NULL

    def abort(self):
        """Iteration raises Aborted."""
        self.check()
        snapshot_abort(self.snapshot)

    def __iter__(self):
        return self

    def __next__(self):
        cdef Entry *entry
        self.check()
        if self.place == -1 and not self.fetch():
            raise StopIteration
        entry = self.images.entries[self.place]
        item = (self.images.database, key_of(entry), entry_expire(entry), self.value_of(entry))
        self.place += 1
        if self.place == self.images.count:
            self.give_back()
        return item

    def hold(self):
        """The next piece has been read (unless one is out already), and is looked at later."""
        self.check()
        if self.place == -1:
            self.fetch()

    def skip(self):
        """Reads the next piece and looks at nothing in it; how many keys it had."""
        cdef int count
        self.check()
        self.give_back()
        if not self.fetch():
            return 0
        count = self.images.count
        self.give_back()
        return count

    cdef int check(self) except -1:
        if self.snapshot == NULL:
            raise RuntimeError("it has not begun, or has ended")
        return 0

    cdef bint fetch(self) except -1:
        """There are images out; false: there are no more."""
        cdef int code
        with nogil:
            code = snapshot_next(self.snapshot, &self.images)
        if code == SNAPSHOT_IMAGES:
            self.place = 0
            return True
        if code == SNAPSHOT_NO_MEMORY:
            raise MemoryError
        if code < 0:
            raise Aborted
        return False

    cdef void give_back(self) noexcept:
        if self.place != -1:
            self.place = -1
            with nogil:
                snapshot_release(self.snapshot, &self.images)

    cdef object value_of(self, Entry *entry):
        cdef char digits[INTEGER_TEXT_SIZE]
        cdef size_t length
        cdef const char *text
        cdef Collection collection
        if entry_is_string(entry):
            text = entry_string(entry, digits, &length)
            return PyBytes_FromStringAndSize(text, length)
        kind = KINDS[entry_type(entry)]
        collection = kind.__new__(kind)
        collection.change.core = self.keyspace.core
        collection.keyspace = self.keyspace
        collection.change.word = entry_word(entry)
        try:
            return self.read(collection)
        finally:
            collection.change.word = 0    # it is not the handle's

    @property
    def is_lent(self):
        """Whether the snapshot reads something that is still in use."""
        return self.keyspace.core.held != NULL

    def statistics(self):
        """The figures by name; keys and volatile_keys by database."""
        self.check()
        cdef Snapshot *snapshot = self.snapshot
        databases = range(self.keyspace.core.databases)
        return {
            "keys_total": snapshot.keys_total, "keys_done": snapshot.keys_done,
            "kept_bytes": snapshot.kept_bytes, "kept_peak": snapshot.kept_peak, "kept_count": snapshot.kept_count,
            "keys": [snapshot.keys[i] for i in databases],
            "volatile_keys": [snapshot.volatile_keys[i] for i in databases],
        }


cdef bytes key_of(Entry *entry):
    cdef size_t length
    cdef char *key = entry_key(entry, &length)
    return PyBytes_FromStringAndSize(key, length)


def fresh_keys(Keyspace keyspace not None):
    """How many keys are marked as FRESH; none while no snapshot is under way."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef Table *table
    cdef uint64_t position
    cdef int i, j, count = 0
    for i in range(keyspace.core.databases):
        table = keyspace.core.tables[i]
        for position in range(table.segment_count):
            for j in range(segment_entries(table.segments[position], entries)):
                count += entry_is_fresh(entries[j])
    return count


def counted_memory(Keyspace keyspace not None):
    """What `Keyspace.used_memory` must be, added up chunk by chunk."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef Table *table
    cdef uint64_t position, total = 0
    cdef int i, j
    for i in range(keyspace.core.databases):
        table = keyspace.core.tables[i]
        total += memory_of(table.directory) + table.segment_capacity * sizeof(Segment *)
        total += table.due.memory if table.due != NULL else 0
        for position in range(table.segment_count):
            total += memory_of(table.segments[position])
            for j in range(segment_entries(table.segments[position], entries)):
                total += entry_memory(entries[j])
    return total
