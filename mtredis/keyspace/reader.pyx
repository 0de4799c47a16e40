# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A reader on a thread that is not the executor: the reference use of the protocol in `table.pyx`.

Owner: one thread per slot. The copy is made into C memory, since nothing of Python may run under a segment's lock.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from mtredis.keyspace.core cimport Core, READER_SLOTS, key_hash
from mtredis.keyspace.entry cimport Entry, entry_is_string, entry_string
from mtredis.keyspace.table cimport READ_FOUND, READ_RETRY, Read, reader_done, reader_find
from mtredis.lib.buffer cimport buffer_append, buffer_free
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE


class Retry:
    """The kind of `RETRY`: what Reader.get says when the executor must answer."""


RETRY = Retry()


cdef class Reader:
    """Reads strings, in the slot that no other thread uses."""

    def __cinit__(self, Keyspace keyspace not None, int slot):
        if not 0 <= slot < READER_SLOTS:
            raise ValueError(slot)
        self.keyspace = keyspace
        self.slot = slot

    def __dealloc__(self):
        buffer_free(&self.buffer)

    cpdef object get(self, int index, bytes key):
        """The string, None if missing, or RETRY: torn, expired or no string; the executor must answer."""
        cdef Core *core = self.keyspace.core
        cdef const char *data = PyBytes_AS_STRING(key)
        cdef size_t size = PyBytes_GET_SIZE(key), length
        cdef char digits[INTEGER_TEXT_SIZE]
        cdef const char *text
        cdef Entry *entry
        cdef Read read
        cdef int code, copied = -1
        if not 0 <= index < core.databases:
            raise IndexError(index)
        self.buffer.length = 0
        with nogil:
            code = reader_find(core, self.slot, index, key_hash(core, data, size), data, size, core.now, &entry, &read)
            if code == READ_FOUND:
                if entry_is_string(entry):
                    text = entry_string(entry, digits, &length)
                    copied = buffer_append(&self.buffer, text, length)
                if not reader_done(core, &read) or copied < 0:
                    code = READ_RETRY
        if code == READ_RETRY:
            return RETRY
        return PyBytes_FromStringAndSize(self.buffer.data, self.buffer.length) if code == READ_FOUND else None
