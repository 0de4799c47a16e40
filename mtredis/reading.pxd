# cython: freethreading_compatible=True
"""A read under way, and what all reads need: for `reads.pyx` and `collection_reads.pyx`, which tell how they work."""
from libc.stdint cimport int64_t, uint32_t
from mtredis.client cimport Connection
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.entry cimport Entry, entry_int, entry_is_int, entry_value
from mtredis.lib.buffer cimport Buffer
from mtredis.lib.numbers cimport integer_from_text
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.protocol.reply cimport write_bulk, write_bulk_integer

cdef enum:
    COPY_MAX = 65536       # bytes copied under a segment's lock; longer replies are the executor's
    SURE_BYTES = 1 << 20   # a string may always be as long: proto-max-bulk-len is never less

cdef struct Reading:             # one read under way
    Core *core
    Connection *connection
    Query *query
    Request *request
    int64_t now
    size_t limit                 # bytes that the reply may have

cdef inline const char *text(Reading *reading, uint32_t index, size_t *length) noexcept nogil:
    """The bytes of an argument."""
    cdef Argument *found = &reading.query.arguments[reading.request.first + index]
    length[0] = found.length
    return reading.query.data + found.offset

cdef inline bint is_word(const char *word, size_t length, const char *upper, size_t size) noexcept nogil:
    """Whether these bytes are an option, in any case."""
    cdef size_t i
    if length != size:
        return False
    for i in range(size):
        if (word[i] & 0xdf) != upper[i]:
            return False
    return True

cdef inline bint read_integer(Reading *reading, uint32_t index, int64_t *value) noexcept nogil:
    """The integer in an argument; False: it is none."""
    cdef size_t length
    cdef const char *word = text(reading, index, &length)
    return integer_from_text(word, length, value)

cdef inline bint write_string_of(Buffer *out, Entry *entry) noexcept nogil:
    """The string that an entry holds."""
    cdef size_t length
    cdef char *data
    if entry_is_int(entry):
        return write_bulk_integer(out, entry_int(entry)) == 0
    data = entry_value(entry, &length)
    return write_bulk(out, data, length) == 0
