# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""Single-key reads in C: the reply of GET, STRLEN, EXISTS, TTL, PTTL for an entry that somebody has looked up.

Idea: a worker finds the entry under its segment's lock, the executor finds it without one; what follows is the same, so
it stands here, below both. Whatever is out of the ordinary (another type, a big value, an option) is refused with
False, nothing written, and the Python handler of the command answers instead: it is the complete one.

Owner: none; the functions work on what their caller holds.
"""
from libc.stdint cimport int64_t
from mtredis.keyspace.entry cimport (
    Entry, entry_expire, entry_int, entry_is_int, entry_is_string, entry_string_length, entry_value,
)
from mtredis.lib.buffer cimport buffer_append
from mtredis.protocol.reply cimport write_bulk, write_bulk_integer, write_integer, write_null
from mtredis.registry.table cimport (
    NATIVE_EXISTS, NATIVE_GET, NATIVE_PING, NATIVE_PTTL, NATIVE_STRLEN, NATIVE_TTL,
)

cdef enum:
    COPY_MAX = 65536   # bytes copied under a segment's lock; longer values are the executor's


cdef bint read_fits(int native, Request *request) noexcept nogil:
    """Whether the request has the plain form that `write_read` answers."""
    return request.argc == (1 if native == NATIVE_PING else 2)


cdef bint read_touches(int native) noexcept nogil:
    """Whether the read counts as a use of the key for eviction."""
    return native == NATIVE_GET or native == NATIVE_STRLEN


cdef bint write_read(int native, Entry *entry, Connection *connection, Query *query, Request *request,
                     int64_t now) noexcept nogil:
    """Writes the reply for `entry` (NULL: no such key); False, with nothing written, when the handler must answer."""
    cdef size_t length
    cdef char *data
    cdef int64_t expire
    if native == NATIVE_GET:
        if entry == NULL:
            return write_null(&connection.out, connection.resp) == 0
        if not entry_is_string(entry):
            return False
        if entry_is_int(entry):
            return write_bulk_integer(&connection.out, entry_int(entry)) == 0
        data = entry_value(entry, &length)
        if length > COPY_MAX:
            return False
        return write_bulk(&connection.out, data, length) == 0
    if native == NATIVE_STRLEN:
        if entry != NULL and not entry_is_string(entry):
            return False
        return write_integer(&connection.out, entry_string_length(entry) if entry != NULL else 0) == 0
    if native == NATIVE_EXISTS:
        return write_integer(&connection.out, entry != NULL) == 0
    if native == NATIVE_TTL or native == NATIVE_PTTL:
        if entry == NULL:
            return write_integer(&connection.out, -2) == 0
        expire = entry_expire(entry)
        if expire < 0:
            return write_integer(&connection.out, -1) == 0
        expire = expire - now if expire > now else 0
        return write_integer(&connection.out, (expire + 500) // 1000 if native == NATIVE_TTL else expire) == 0
    return False
