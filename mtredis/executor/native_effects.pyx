# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What native writes have done, encoded for the write stream straight from the query buffer.

Idea: most are deterministic and go out as they were asked for. The others become what Redis makes of them: a time
becomes an absolute one, a drawn member or a generated id is taken from the reply. There is room before anything is
changed (`effect_reserve`), so nothing here can fail: without room the native refuses, and its handler does the command.

Owner: the executor thread. A native write that is not deterministic needs its case in `effect_put`.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy
from mtredis.client cimport Connection
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_to_text
from mtredis.propagate cimport Propagation
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.registry.table cimport (
    NATIVE_EXPIRE, NATIVE_EXPIREAT, NATIVE_GETDEL, NATIVE_GETEX, NATIVE_GETSET, NATIVE_PEXPIRE, NATIVE_PSETEX,
    NATIVE_SET, NATIVE_SETEX, NATIVE_SPOP, NATIVE_XADD,
)

cdef enum:
    WORD_ROOM = 32               # bytes, at most, around an argument


cdef bint effect_reserve(Propagation propagation, Query *query, Request *request) noexcept:
    """Room for a native write's effect, but for a member that SPOP draws."""
    cdef Argument *arguments = &query.arguments[request.first]
    cdef size_t size = request.argc * WORD_ROOM
    cdef uint32_t i
    for i in range(request.argc):
        size += arguments[i].length
    return has_room_for_effect(&propagation.pending, size)


# The following write into room that is there ----------------------------------------------------------------------


cdef inline char *write_head(char *target, char kind, size_t number) noexcept nogil:
    """The line `kind` `number`."""
    target[0] = kind
    if number < 10:
        target[1] = <char> (c'0' + number)
        target += 2
    else:
        target += 1 + integer_to_text(target + 1, <int64_t> number)
    target[0] = c'\r'
    target[1] = c'\n'
    return target + 2


cdef inline char *write_word(char *target, const char *word, size_t length) noexcept nogil:
    """One argument of a command."""
    target = write_head(target, c'$', length)
    memcpy(target, word, length)
    target[length] = c'\r'
    target[length + 1] = c'\n'
    return target + length + 2


cdef inline char *write_argument(char *target, Query *query, Argument *argument) noexcept nogil:
    """One argument of the request."""
    return write_word(target, query.data + argument.offset, argument.length)


cdef inline char *write_number(char *target, int64_t number) noexcept nogil:
    cdef char digits[INTEGER_TEXT_SIZE]
    return write_word(target, digits, integer_to_text(digits, number))


cdef char *write_replied(char *target, Connection *connection, size_t mark) noexcept nogil:
    """The bulk string that is the reply, as an argument: it is written alike."""
    cdef size_t length = connection.out.length - mark
    memcpy(target, connection.out.data + mark, length)
    return target + length


cdef inline char *write_time(char *target, Query *query, Argument *key, int64_t expire_at) noexcept nogil:
    """PEXPIREAT key unix-time-milliseconds"""
    target = write_word(write_head(target, c'*', 3), b"PEXPIREAT", 9)
    return write_number(write_argument(target, query, key), expire_at)


cdef char *write_set_with_time(char *target, Query *query, Argument *key, Argument *value,
                               int64_t expire_at) noexcept nogil:
    """SET key value PXAT unix-time-milliseconds"""
    target = write_word(write_head(target, c'*', 5), b"SET", 3)
    target = write_argument(write_argument(target, query, key), query, value)
    return write_number(write_word(target, b"PXAT", 4), expire_at)


cdef char *write_rest(char *target, Query *query, Argument *arguments, uint32_t first, uint32_t argc) noexcept nogil:
    cdef uint32_t i
    for i in range(first, argc):
        target = write_argument(target, query, &arguments[i])
    return target


cdef void effect_put(Propagation propagation, Connection *connection, Query *query, Request *request, int native,
                     size_t mark, int64_t expire_at) noexcept:
    """Adds the effect of a native write that has changed something and whose reply begins at `mark`."""
    cdef Argument *arguments = &query.arguments[request.first]
    cdef uint32_t argc = request.argc
    cdef char *target
    if connection.db != propagation.selected:
        propagation.select(connection.db)
    propagation.unit_commands += 1
    target = propagation.pending.data + propagation.pending.length
    if (native == NATIVE_SET and argc > 3 or native == NATIVE_SETEX or native == NATIVE_PSETEX) and expire_at >= 0:
        target = write_set_with_time(
            target, query, &arguments[1], &arguments[2 if native == NATIVE_SET else 3], expire_at)
    elif native == NATIVE_EXPIRE or native == NATIVE_PEXPIRE or native == NATIVE_EXPIREAT or (
            native == NATIVE_GETEX and expire_at >= 0):
        target = write_time(target, query, &arguments[1], expire_at)
    elif native == NATIVE_GETEX:
        target = write_argument(write_word(write_head(target, c'*', 2), b"PERSIST", 7), query, &arguments[1])
    elif native == NATIVE_GETDEL:
        target = write_argument(write_word(write_head(target, c'*', 2), b"DEL", 3), query, &arguments[1])
    elif native == NATIVE_GETSET:
        target = write_rest(write_word(write_head(target, c'*', 3), b"SET", 3), query, arguments, 1, 3)
    elif native == NATIVE_SPOP:
        target = write_argument(write_word(write_head(target, c'*', 3), b"SREM", 4), query, &arguments[1])
        target = write_replied(target, connection, mark)
    elif native == NATIVE_XADD:
        target = write_rest(write_head(target, c'*', argc), query, arguments, 0, 2)
        target = write_rest(write_replied(target, connection, mark), query, arguments, 3, argc)
    else:
        target = write_rest(write_head(target, c'*', argc), query, arguments, 0, argc)
    propagation.pending.length = target - propagation.pending.data
