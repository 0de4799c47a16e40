# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writes of strings, and of keys of any type, in C: what `native.pyx` calls for SET, INCR, EXPIRE, DEL and their kin.

Idea: what a function refuses (an option that it does not know, a fault, another type, a string of more than a MiB) is
for the command's handler; it has changed nothing then, but for MSET out of memory, which the handler does again.

Owner: the executor thread. MSET and DEL of several keys are one step for readers.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t
from mtredis.executor.key_batch cimport KeyBatch, batch_find
from mtredis.executor.native cimport Writing, text
from mtredis.keyspace.core cimport version_begin, version_end
from mtredis.keyspace.entry cimport entry_has_expire, entry_is_string, entry_string, entry_string_length
from mtredis.keyspace.table cimport (
    SET_KEEP_TTL, table_delete, table_increment, table_set_expire, table_set_string, table_write_range,
)
from mtredis.lib.buffer cimport buffer_append
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_from_text
from mtredis.protocol.reply cimport write_integer, write_null
from mtredis.reading cimport SURE_BYTES, is_word, write_string_of


cdef inline bint write_ok(Writing *writing) noexcept nogil:
    return buffer_append(&writing.connection.out, b"+OK\r\n", 5) == 0


cdef inline bint store(Writing *writing, uint32_t index, int64_t expire_at, int mode) noexcept nogil:
    """The key holds the string in an argument; False: no memory."""
    cdef size_t length
    cdef const char *value = text(writing, index, &length)
    if table_set_string(writing.table, writing.hash, writing.key, writing.key_length, value, length, expire_at,
                        mode) < 0:
        return False
    writing.counts.dirty[0] += 1
    return True


cdef inline bint read_time(Writing *writing, uint32_t index, int64_t unit, int64_t since,
                           int64_t *expire_at) noexcept nogil:
    """The unix ms that is so many units (of `unit` ms) after `since`, if it is still to come."""
    cdef size_t length
    cdef const char *word = text(writing, index, &length)
    cdef int64_t time
    if not integer_from_text(word, length, &time) or time <= 0 or time > (INT64_MAX - since) // unit:
        return False
    expire_at[0] = writing.counts.expire_at = since + time * unit
    return expire_at[0] > writing.core.now


# Setting ----------------------------------------------------------------------------------------------------------


cdef struct SetOptions:
    int64_t expire_at
    bint has_expiry              # KEEPTTL counts
    bint keep_ttl
    int condition                # 'n', 'x', or 0: none


cdef bint read_set_options(Writing *writing, SetOptions *options) noexcept nogil:
    """NX or XX, and EX, PX, PXAT or KEEPTTL; False: anything else, or anything twice."""
    cdef uint32_t i = 3
    cdef size_t length
    cdef const char *word
    cdef int first
    options.expire_at = -1
    options.has_expiry = options.keep_ttl = False
    options.condition = 0
    while i < writing.request.argc:
        word = text(writing, i, &length)
        first = word[0] | 32 if length == 2 and (word[1] | 32) == c'x' else 0
        if first == c'n' or first == c'x':
            if options.condition:
                return False
            options.condition = first
        elif options.has_expiry:
            return False
        elif is_word(word, length, b"KEEPTTL", 7):
            options.has_expiry = options.keep_ttl = True
        elif (first == c'e' or first == c'p') and i + 1 < writing.request.argc and read_time(
                writing, i + 1, 1000 if first == c'e' else 1, writing.core.now, &options.expire_at):
            options.has_expiry = True
            i += 1
        # As it stands in a log that is replayed; the write stream wants it as it was written.
        elif is_word(word, length, b"PXAT", 4) and writing.counts.effects == NULL and (
                i + 1 < writing.request.argc) and read_time(writing, i + 1, 1, 0, &options.expire_at):
            options.has_expiry = True
            i += 1
        else:
            return False
        i += 1
    return True


cdef bint run_set(Writing *writing) noexcept nogil:
    """SET key value [NX|XX] [EX seconds|PX milliseconds|PXAT unix-time-milliseconds|KEEPTTL]"""
    cdef SetOptions options
    if writing.request.argc == 3:
        return store(writing, 2, -1, 0) and write_ok(writing)
    if not read_set_options(writing, &options):
        return False
    if options.condition and (options.condition == c'x') != (writing.entry != NULL):
        return write_null(&writing.connection.out, writing.connection.resp) == 0
    return store(writing, 2, options.expire_at, SET_KEEP_TTL if options.keep_ttl else 0) and write_ok(writing)


cdef bint run_setnx(Writing *writing) noexcept nogil:
    """SETNX key value"""
    if writing.entry == NULL and not store(writing, 2, -1, 0):
        return False
    return write_integer(&writing.connection.out, writing.entry == NULL) == 0


cdef bint run_setex(Writing *writing) noexcept nogil:
    """SETEX key seconds value"""
    cdef int64_t expire_at = -1
    return (read_time(writing, 2, 1000, writing.core.now, &expire_at) and store(writing, 3, expire_at, 0)
            and write_ok(writing))


cdef bint run_psetex(Writing *writing) noexcept nogil:
    """PSETEX key milliseconds value"""
    cdef int64_t expire_at = -1
    return (read_time(writing, 2, 1, writing.core.now, &expire_at) and store(writing, 3, expire_at, 0)
            and write_ok(writing))


cdef bint run_mset(Writing *writing) noexcept nogil:
    """MSET key value [key value ...]"""
    cdef KeyBatch batch
    cdef size_t length, value_length
    cdef const char *key
    cdef const char *value
    cdef int code = 0
    cdef uint32_t i
    if not writing.request.argc & 1 or not batch_find(
            &batch, writing.core, writing.table, writing.query.data, writing.arguments, writing.request.argc, 2):
        return False
    version_begin(writing.core)
    for i in range(batch.count):
        key = text(writing, 1 + 2 * i, &length)
        value = text(writing, 2 + 2 * i, &value_length)
        code = table_set_string(writing.table, batch.hashes[i], key, length, value, value_length, -1, 0)
        if code < 0:
            break
        writing.counts.dirty[0] += 1
    version_end(writing.core)
    return code >= 0 and write_ok(writing)


# Reading and changing ---------------------------------------------------------------------------------------------


cdef bint write_former(Writing *writing) noexcept nogil:
    """Replies with what the key holds, a string or nothing, and counts that as a read; False: it is no string."""
    if writing.entry == NULL:
        writing.counts.misses[0] += 1
        return write_null(&writing.connection.out, writing.connection.resp) == 0
    if not entry_is_string(writing.entry) or not write_string_of(&writing.connection.out, writing.entry):
        return False
    writing.counts.hits[0] += 1
    return True


cdef bint run_getset(Writing *writing) noexcept nogil:
    """GETSET key value"""
    return write_former(writing) and store(writing, 2, -1, 0)


cdef bint run_getdel(Writing *writing) noexcept nogil:
    """GETDEL key"""
    if not write_former(writing):
        return False
    writing.counts.dirty[0] += table_delete(writing.table, writing.hash, writing.key, writing.key_length)
    return True


cdef bint read_getex_option(Writing *writing, int64_t *expire_at) noexcept nogil:
    """EX seconds, PX milliseconds, or PERSIST, which is -1; False: anything else."""
    cdef size_t length
    cdef const char *word = text(writing, 2, &length)
    expire_at[0] = -1
    if writing.request.argc == 3:
        return is_word(word, length, b"PERSIST", 7)
    return ((is_word(word, length, b"EX", 2) and read_time(writing, 3, 1000, writing.core.now, expire_at))
            or (is_word(word, length, b"PX", 2) and read_time(writing, 3, 1, writing.core.now, expire_at)))


cdef bint run_getex(Writing *writing) noexcept nogil:
    """GETEX key [EX seconds|PX milliseconds|PERSIST]"""
    cdef int64_t expire_at = -1
    cdef bint is_changed
    if writing.request.argc > 2 and not read_getex_option(writing, &expire_at):
        return False
    if not write_former(writing):
        return False
    if writing.entry == NULL or writing.request.argc == 2:
        return True
    is_changed = expire_at != -1 or entry_has_expire(writing.entry)
    writing.counts.dirty[0] += is_changed
    return not is_changed or table_set_expire(
        writing.table, writing.hash, writing.key, writing.key_length, expire_at) >= 0


cdef bint run_append(Writing *writing) noexcept nogil:
    """APPEND key value"""
    cdef size_t length, added
    cdef const char *value = text(writing, 2, &added)
    if writing.entry == NULL:
        return store(writing, 2, -1, 0) and write_integer(&writing.connection.out, added) == 0
    if not entry_is_string(writing.entry):
        return False
    length = entry_string_length(writing.entry)
    if length + added > SURE_BYTES or table_write_range(
            writing.table, writing.hash, writing.key, writing.key_length, length, value, added) < 0:
        return False
    writing.counts.dirty[0] += 1
    return write_integer(&writing.connection.out, length + added) == 0


cdef bint run_setbit(Writing *writing) noexcept nogil:
    """SETBIT key offset value"""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef const char *string = digits
    cdef size_t length, size = 0
    cdef const char *word = text(writing, 2, &length)
    cdef int64_t offset
    cdef unsigned char byte = 0, mask
    cdef bint bit, former
    if not integer_from_text(word, length, &offset) or not 0 <= offset < 8 * SURE_BYTES:
        return False
    word = text(writing, 3, &length)
    if length != 1 or (word[0] != c'0' and word[0] != c'1'):
        return False
    if writing.entry != NULL:
        if not entry_is_string(writing.entry):
            return False
        string = entry_string(writing.entry, digits, &size)
    if <size_t> (offset >> 3) < size:
        byte = <unsigned char> string[offset >> 3]
    bit = word[0] == c'1'
    mask = <unsigned char> (1 << (7 - (offset & 7)))
    former = (byte & mask) != 0
    byte = <unsigned char> (byte | mask if bit else byte & ~mask)
    if table_write_range(writing.table, writing.hash, writing.key, writing.key_length, offset >> 3, <char *> &byte,
                         1) < 0:
        return False
    writing.counts.dirty[0] += bit != former or <size_t> (offset >> 3) >= size
    return write_integer(&writing.connection.out, former) == 0


# Counters ---------------------------------------------------------------------------------------------------------


cdef bint increment(Writing *writing, int64_t delta) noexcept nogil:
    cdef int64_t result = 0
    if table_increment(writing.table, writing.hash, writing.key, writing.key_length, delta, &result) < 0:
        return False
    writing.counts.dirty[0] += 1
    return write_integer(&writing.connection.out, result) == 0


cdef bint run_incr(Writing *writing) noexcept nogil:
    """INCR key"""
    return increment(writing, 1)


cdef bint run_decr(Writing *writing) noexcept nogil:
    """DECR key"""
    return increment(writing, -1)


cdef bint run_incrby(Writing *writing) noexcept nogil:
    """INCRBY key increment"""
    cdef size_t length
    cdef const char *word = text(writing, 2, &length)
    cdef int64_t delta
    return integer_from_text(word, length, &delta) and increment(writing, delta)


cdef bint run_decrby(Writing *writing) noexcept nogil:
    """DECRBY key decrement"""
    cdef size_t length
    cdef const char *word = text(writing, 2, &length)
    cdef int64_t delta
    return integer_from_text(word, length, &delta) and delta != INT64_MIN and increment(writing, -delta)


# Keys of any type -------------------------------------------------------------------------------------------------


cdef bint run_del(Writing *writing) noexcept nogil:
    """DEL key [key ...], UNLINK key [key ...]: big values are freed in the background in any case"""
    cdef KeyBatch batch
    cdef size_t length
    cdef const char *key
    cdef uint32_t i
    cdef int deleted = 0
    if writing.request.argc == 2:
        deleted = table_delete(writing.table, writing.hash, writing.key, writing.key_length)
    elif not batch_find(
            &batch, writing.core, writing.table, writing.query.data, writing.arguments, writing.request.argc, 1):
        return False
    else:
        version_begin(writing.core)
        for i in range(batch.count):
            key = text(writing, 1 + i, &length)
            deleted += table_delete(writing.table, batch.hashes[i], key, length)
        version_end(writing.core)
    writing.counts.dirty[0] += deleted
    return write_integer(&writing.connection.out, deleted) == 0


cdef inline bint expire(Writing *writing, int64_t unit, int64_t since) noexcept nogil:
    """Times that are past, the options, and what is wrong are the handler's."""
    cdef int64_t expire_at = -1
    cdef bint is_there = writing.entry != NULL
    if not read_time(writing, 2, unit, since, &expire_at):
        return False
    if is_there and table_set_expire(writing.table, writing.hash, writing.key, writing.key_length, expire_at) < 0:
        return False
    writing.counts.dirty[0] += is_there
    return write_integer(&writing.connection.out, is_there) == 0


cdef bint run_expire(Writing *writing) noexcept nogil:
    """EXPIRE key seconds"""
    return expire(writing, 1000, writing.core.now)


cdef bint run_pexpire(Writing *writing) noexcept nogil:
    """PEXPIRE key milliseconds"""
    return expire(writing, 1, writing.core.now)


cdef bint run_expireat(Writing *writing) noexcept nogil:
    """EXPIREAT key unix-time-seconds"""
    return expire(writing, 1000, 0)


cdef bint run_pexpireat(Writing *writing) noexcept nogil:
    """PEXPIREAT key unix-time-milliseconds"""
    return expire(writing, 1, 0)


cdef bint run_persist(Writing *writing) noexcept nogil:
    """PERSIST key"""
    cdef bint is_changed = writing.entry != NULL and entry_has_expire(writing.entry)
    if is_changed and table_set_expire(writing.table, writing.hash, writing.key, writing.key_length, -1) < 0:
        return False
    writing.counts.dirty[0] += is_changed
    return write_integer(&writing.connection.out, is_changed) == 0
