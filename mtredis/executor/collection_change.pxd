# cython: freethreading_compatible=True
"""How a native write changes a collection, for `list_writes.pyx` and `collection_writes.pyx`.

Idea: `open_collection` finds the value that is to be changed, or takes an empty one, made aside, that becomes the
key's when it has got its elements (`close_collection`); what takes the last element takes the key (`end_removal`).
Between the two, readers leave the key alone (`keyspace/collection.pyx`), so each command is one step for them.

Owner: the executor thread.
"""
from libc.stdint cimport int64_t, uint64_t
from mtredis.client cimport Connection
from mtredis.executor.native cimport Writing
from mtredis.keyspace.collection cimport Change, change_begin, change_drop, change_end, change_open
from mtredis.keyspace.core cimport entry_touch
from mtredis.keyspace.encoding.listpack cimport Element
from mtredis.keyspace.entry cimport entry_type
from mtredis.keyspace.table cimport table_set_word
from mtredis.keyspace.value cimport Word, value_free
from mtredis.protocol.reply cimport write_bulk, write_bulk_integer, write_integer

cdef inline bint is_other(Writing *writing, int type) noexcept nogil:
    """A key that is there and holds another type."""
    return writing.entry != NULL and entry_type(writing.entry) != type

cdef inline bint open_collection(Writing *writing, Change *change, Word fresh) noexcept nogil:
    """Begins the change of what is under the key, or of `fresh` (0: no memory) if there is nothing."""
    if writing.entry != NULL:
        entry_touch(writing.core, writing.entry, &writing.core.random)
        change_open(change, writing.core, writing.table, writing.hash, writing.entry)
    elif fresh == 0:
        return False
    else:
        change.core = writing.core
        change.table = NULL
        change.entry = NULL
        change.word = fresh
    change_begin(change)
    return True

cdef inline bint close_collection(Writing *writing, Change *change, int type, int code, int64_t changed) noexcept nogil:
    """Ends the change, which failed if `code` is negative; a fresh value goes under its key. Whether all is well."""
    change_end(change)
    if change.entry == NULL and (code < 0 or table_set_word(
            writing.table, writing.hash, writing.key, writing.key_length, type, change.word, -1) < 0):
        value_free(change.word)
        return False
    writing.counts.dirty[0] += changed
    return code >= 0

cdef inline void end_removal(Writing *writing, Change *change, uint64_t left) noexcept nogil:
    """Ends a change that took elements away: the key goes with the last."""
    if left == 0:
        change_drop(change, writing.key, writing.key_length)
    else:
        change_end(change)

cdef inline bint close_removal(Writing *writing, Change *change, int64_t removed, uint64_t left) noexcept nogil:
    """The same, with the number of those removed as the reply."""
    end_removal(writing, change, left)
    writing.counts.dirty[0] += removed
    return write_integer(&writing.connection.out, removed) == 0

cdef inline bint write_element(Connection *connection, Element *element) noexcept nogil:
    if element.text == NULL:
        return write_bulk_integer(&connection.out, element.number) == 0
    return write_bulk(&connection.out, element.text, element.length) == 0
