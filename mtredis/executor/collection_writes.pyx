# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writes of sets, hashes, sorted sets and streams in C: what `native.pyx` calls for SADD, HSET, ZADD, XADD and others.

Idea: as `collection_change.pxd` has it. A hash whose fields have times to live is the handlers' (`is_no_plain_hash`).

Owner: the executor thread. When memory runs out nothing has changed, and the handler runs the command again to say so.
Limit: of several members or fields for a set, a hash or a sorted set that is there already, those before stay; to
set them once more does no harm, but a handler that gets through after all does not count them as new.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.string cimport memchr
from mtredis.client cimport Connection
from mtredis.collection_reads cimport ScoreBound, find_between, read_bound
from mtredis.executor.collection_change cimport (
    close_collection, close_removal, end_removal, is_other, open_collection, write_element,
)
from mtredis.executor.native cimport text
from mtredis.executor.native_effects cimport has_room_for_effect
from mtredis.keyspace.collection cimport Change, change_end
from mtredis.keyspace.encoding.listpack cimport Element
from mtredis.keyspace.entry cimport TYPE_HASH, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, entry_type, entry_word
from mtredis.keyspace.types.hash cimport (
    hash_delete, hash_find, hash_has_times, hash_length, hash_new, hash_set,
)
from mtredis.keyspace.types.set cimport (
    SetPlace, set_add, set_draw, set_drop, set_length, set_new, set_remove, set_reserve,
)
from mtredis.keyspace.types.sorted_set cimport (
    ZADD_INCR, ZSET_ADDED, ZSET_UPDATED, ZsetCursor, zset_add, zset_length, zset_new, zset_next, zset_remove,
    zset_remove_range, zset_reserve, zset_start, zset_update,
)
from mtredis.keyspace.types.stream_entries cimport stream_append, stream_create
from mtredis.lib.buffer cimport buffer_append
from mtredis.lib.numbers cimport (
    INTEGER_TEXT_SIZE, double_from_text, integer_from_text, integer_to_text, unsigned_to_text,
)
from mtredis.protocol.reply cimport write_bulk, write_double, write_header, write_integer, write_null

cdef enum:
    STREAM_FIELDS_MAX = 64       # fields and values of a native XADD


# Sets -------------------------------------------------------------------------------------------------------------


cdef bint run_sadd(Writing *writing) noexcept nogil:
    """SADD key member [member ...]"""
    cdef uint32_t argc = writing.request.argc
    cdef uint32_t i
    cdef Change change
    cdef size_t length
    cdef const char *member = text(writing, 2, &length)
    cdef int code = 0
    cdef int64_t added = 0
    if is_other(writing, TYPE_SET) or not open_collection(
            writing, &change, 0 if writing.entry != NULL else set_new(writing.core, member, length, argc - 2)):
        return False
    if writing.entry != NULL:
        code = set_reserve(writing.core, &change.word, argc - 2)
    for i in range(2, argc):
        if code < 0:
            break
        member = text(writing, i, &length)
        code = set_add(writing.core, &change.word, member, length)
        added += code > 0
    return (close_collection(writing, &change, TYPE_SET, code, added)
            and write_integer(&writing.connection.out, added) == 0)


cdef bint run_srem(Writing *writing) noexcept nogil:
    """SREM key member [member ...]"""
    cdef uint32_t i
    cdef Change change
    cdef size_t length
    cdef const char *member
    cdef int64_t removed = 0
    if writing.entry == NULL:
        return write_integer(&writing.connection.out, 0) == 0
    if is_other(writing, TYPE_SET) or not open_collection(writing, &change, 0):
        return False
    for i in range(2, writing.request.argc):
        member = text(writing, i, &length)
        removed += set_remove(writing.core, &change.word, member, length) > 0
    return close_removal(writing, &change, removed, set_length(change.word))


cdef inline size_t text_length(Element *member) noexcept nogil:
    return member.length if member.text != NULL else 0


cdef bint run_spop(Writing *writing) noexcept nogil:
    """SPOP key"""
    cdef Connection *connection = writing.connection
    cdef Change change
    cdef SetPlace place
    cdef Element member
    if writing.entry == NULL:
        return write_null(&connection.out, connection.resp) == 0
    if is_other(writing, TYPE_SET) or not open_collection(writing, &change, 0):
        return False
    if (not set_draw(writing.core, change.word, &place, &member) or not write_element(connection, &member)
            or not has_room_for_effect(writing.counts.effects, writing.key_length + text_length(&member))):
        change_end(&change)
        return False
    writing.counts.dirty[0] += 1
    set_drop(writing.core, &change.word, &place)
    end_removal(writing, &change, set_length(change.word))
    return True


# Hashes -----------------------------------------------------------------------------------------------------------


cdef inline bint is_no_plain_hash(Writing *writing) noexcept nogil:
    """A key that is there and holds another type, or a hash whose fields have times."""
    return writing.entry != NULL and (
        entry_type(writing.entry) != TYPE_HASH or hash_has_times(entry_word(writing.entry)))


cdef bint set_fields(Writing *writing, int64_t *added) noexcept nogil:
    """Sets fields to values, both from argument 2 on; how many are new."""
    cdef uint32_t argc = writing.request.argc
    cdef uint32_t i
    cdef Change change
    cdef size_t field_length, value_length
    cdef const char *field
    cdef const char *value
    cdef int code = 0
    cdef int64_t changed = 0
    added[0] = 0
    if argc & 1 or is_no_plain_hash(writing) or (argc - 2) // 2 > writing.core.limits.hash_max_listpack_entries:
        return False
    if not open_collection(writing, &change, 0 if writing.entry != NULL else hash_new()):
        return False
    for i in range(2, argc, 2):
        field = text(writing, i, &field_length)
        value = text(writing, i + 1, &value_length)
        code = hash_set(writing.core, &change.word, field, field_length, value, value_length)
        if code < 0:
            break
        added[0] += code
        changed += 1
    return close_collection(writing, &change, TYPE_HASH, code, changed)


cdef bint run_hset(Writing *writing) noexcept nogil:
    """HSET key field value [field value ...]"""
    cdef int64_t added
    return set_fields(writing, &added) and write_integer(&writing.connection.out, added) == 0


cdef bint run_hmset(Writing *writing) noexcept nogil:
    """HMSET key field value [field value ...]"""
    cdef int64_t added
    return set_fields(writing, &added) and buffer_append(&writing.connection.out, b"+OK\r\n", 5) == 0


cdef bint run_hsetnx(Writing *writing) noexcept nogil:
    """HSETNX key field value"""
    cdef size_t length
    cdef const char *field = text(writing, 2, &length)
    cdef Element value
    cdef int64_t time, added = 0
    if is_no_plain_hash(writing):
        return False
    if writing.entry == NULL or not hash_find(entry_word(writing.entry), field, length, &value, &time):
        if not set_fields(writing, &added):
            return False
    return write_integer(&writing.connection.out, added) == 0


cdef bint run_hincrby(Writing *writing) noexcept nogil:
    """HINCRBY key field increment"""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef Change change
    cdef Element former
    cdef size_t field_length, length
    cdef const char *field = text(writing, 2, &field_length)
    cdef const char *word = text(writing, 3, &length)
    cdef int64_t increment, time, value = 0
    cdef int code
    if is_no_plain_hash(writing) or not integer_from_text(word, length, &increment):
        return False
    if writing.entry != NULL and hash_find(entry_word(writing.entry), field, field_length, &former, &time):
        if former.text == NULL:
            value = former.number
        elif not integer_from_text(former.text, former.length, &value):
            return False
    if value > INT64_MAX - increment if increment > 0 else value < INT64_MIN - increment:
        return False
    value += increment
    if not open_collection(writing, &change, 0 if writing.entry != NULL else hash_new()):
        return False
    code = hash_set(writing.core, &change.word, field, field_length, digits, integer_to_text(digits, value))
    return (close_collection(writing, &change, TYPE_HASH, code, code >= 0)
            and write_integer(&writing.connection.out, value) == 0)


cdef bint run_hdel(Writing *writing) noexcept nogil:
    """HDEL key field [field ...]"""
    cdef uint32_t i
    cdef Change change
    cdef size_t length
    cdef const char *field
    cdef int64_t removed = 0
    if writing.entry == NULL:
        return write_integer(&writing.connection.out, 0) == 0
    if is_no_plain_hash(writing) or not open_collection(writing, &change, 0):
        return False
    for i in range(2, writing.request.argc):
        field = text(writing, i, &length)
        removed += hash_delete(&change.word, field, length)
    return close_removal(writing, &change, removed, hash_length(change.word))


# Sorted sets ------------------------------------------------------------------------------------------------------


cdef inline bint read_score(Writing *writing, uint32_t index, double *score) noexcept nogil:
    """A score that is a number; what follows an argument in the query buffer ends strtod."""
    cdef size_t length
    cdef const char *word = text(writing, index, &length)
    cdef int64_t number
    if length < 16 and integer_from_text(word, length, &number):
        score[0] = <double> number
        return True
    return double_from_text(word, length, score)


cdef bint run_zadd(Writing *writing) noexcept nogil:
    """ZADD key score member [score member ...]"""
    cdef uint32_t argc = writing.request.argc
    cdef uint32_t i
    cdef Change change
    cdef double score
    cdef size_t length, longest = 0
    cdef const char *member
    cdef int code = 0
    cdef int64_t added = 0, changed = 0
    if argc & 1 or is_other(writing, TYPE_SORTED_SET):
        return False
    for i in range(2, argc, 2):
        if not read_score(writing, i, &score):
            return False
        longest = max(longest, <size_t> writing.arguments[i + 1].length)
    if not open_collection(writing, &change, 0 if writing.entry != NULL else zset_new(
            writing.core, longest, (argc - 2) // 2)):
        return False
    if writing.entry != NULL:
        code = zset_reserve(writing.core, &change.word, (argc - 2) // 2)
    for i in range(2, argc, 2):
        if code < 0:
            break
        read_score(writing, i, &score)
        member = text(writing, i + 1, &length)
        code = zset_add(writing.core, &change.word, member, length, score)
        added += code == ZSET_ADDED
        changed += code == ZSET_ADDED or code == ZSET_UPDATED
    return (close_collection(writing, &change, TYPE_SORTED_SET, code, changed)
            and write_integer(&writing.connection.out, added) == 0)


cdef bint run_zincrby(Writing *writing) noexcept nogil:
    """ZINCRBY key increment member"""
    cdef Connection *connection = writing.connection
    cdef Change change
    cdef double score
    cdef size_t length
    cdef const char *member = text(writing, 3, &length)
    cdef int code
    if is_other(writing, TYPE_SORTED_SET) or not read_score(writing, 2, &score) or not open_collection(
            writing, &change, 0 if writing.entry != NULL else zset_new(writing.core, length, 1)):
        return False
    code = zset_update(writing.core, &change.word, member, length, &score, ZADD_INCR)
    return (close_collection(writing, &change, TYPE_SORTED_SET, code, code == ZSET_ADDED or code == ZSET_UPDATED)
            and write_double(&connection.out, score, connection.resp) == 0)


cdef bint run_zrem(Writing *writing) noexcept nogil:
    """ZREM key member [member ...]"""
    cdef uint32_t i
    cdef Change change
    cdef size_t length
    cdef const char *member
    cdef int64_t removed = 0
    if writing.entry == NULL:
        return write_integer(&writing.connection.out, 0) == 0
    if is_other(writing, TYPE_SORTED_SET) or not open_collection(writing, &change, 0):
        return False
    for i in range(2, writing.request.argc):
        member = text(writing, i, &length)
        removed += zset_remove(writing.core, &change.word, member, length) > 0
    return close_removal(writing, &change, removed, zset_length(change.word))


cdef bint pop_score(Writing *writing, bint highest) noexcept nogil:
    cdef Connection *connection = writing.connection
    cdef Change change
    cdef ZsetCursor cursor
    cdef Element member
    cdef double score
    cdef uint64_t left
    if writing.entry == NULL:
        return write_header(&connection.out, c'*', 0) == 0
    if is_other(writing, TYPE_SORTED_SET):
        return False
    zset_start(entry_word(writing.entry), 0, highest, &cursor)
    if not zset_next(&cursor, &member, &score) or write_header(&connection.out, c'*', 2) < 0 or \
            not write_element(connection, &member) or write_double(&connection.out, score, connection.resp) < 0:
        return False
    open_collection(writing, &change, 0)
    left = zset_length(change.word) - 1
    zset_remove_range(writing.core, &change.word, left if highest else 0, 1)
    end_removal(writing, &change, left)
    writing.counts.dirty[0] += 1
    return True


cdef bint run_zpopmin(Writing *writing) noexcept nogil:
    """ZPOPMIN key"""
    return pop_score(writing, False)


cdef bint run_zpopmax(Writing *writing) noexcept nogil:
    """ZPOPMAX key"""
    return pop_score(writing, True)


cdef bint run_zremrangebyscore(Writing *writing) noexcept nogil:
    """ZREMRANGEBYSCORE key min max"""
    cdef Change change
    cdef ScoreBound low, high
    cdef size_t length
    cdef const char *word = text(writing, 2, &length)
    cdef int64_t rank = 0, count = 0
    if is_other(writing, TYPE_SORTED_SET) or not read_bound(word, length, True, &low):
        return False
    word = text(writing, 3, &length)
    if not read_bound(word, length, False, &high):
        return False
    if writing.entry != NULL:
        find_between(entry_word(writing.entry), &low, &high, &rank, &count)
    if count == 0:
        return write_integer(&writing.connection.out, 0) == 0
    open_collection(writing, &change, 0)
    zset_remove_range(writing.core, &change.word, rank, count)
    return close_removal(writing, &change, count, zset_length(change.word))


# Streams ----------------------------------------------------------------------------------------------------------


cdef bint write_id(Connection *connection, const uint64_t *id) noexcept nogil:
    """A stream's id as a bulk string: ms-seq."""
    cdef char digits[2 * INTEGER_TEXT_SIZE + 2]
    cdef int length = unsigned_to_text(digits, id[0])
    digits[length] = c'-'
    length += 1
    return write_bulk(&connection.out, digits, length + unsigned_to_text(digits + length, id[1])) == 0


cdef bint read_id(Writing *writing, uint64_t *id) noexcept nogil:
    """An id in full, as it stands in a log that is replayed: ms-seq; False: anything else, or effects are wanted."""
    cdef size_t length
    cdef const char *word = text(writing, 2, &length)
    cdef const char *dash = <const char *> memchr(word, c'-', length)
    cdef int64_t ms, seq
    if dash == NULL or writing.counts.effects != NULL:
        return False
    if not integer_from_text(word, dash - word, &ms) or not integer_from_text(
            dash + 1, length - (dash - word) - 1, &seq) or ms < 0 or seq < 0:
        return False
    id[0] = <uint64_t> ms
    id[1] = <uint64_t> seq
    return True


cdef bint run_xadd(Writing *writing) noexcept nogil:
    """XADD key *|id field value [field value ...]"""
    cdef const char *fields[STREAM_FIELDS_MAX]
    cdef size_t lengths[STREAM_FIELDS_MAX]
    cdef uint32_t count = writing.request.argc - 3
    cdef uint32_t i
    cdef Change change
    cdef uint64_t id[2]
    cdef uint64_t explicit_id[2]
    cdef bint is_made = writing.arguments[2].length == 1 and writing.query.data[writing.arguments[2].offset] == c'*'
    cdef int code
    if count & 1 or count > STREAM_FIELDS_MAX or is_other(writing, TYPE_STREAM) or not (
            is_made or read_id(writing, explicit_id)):
        return False
    for i in range(count):
        fields[i] = text(writing, i + 3, &lengths[i])
    if not open_collection(writing, &change, 0 if writing.entry != NULL else stream_create()):
        return False
    code = stream_append(
        writing.core, &change.word, NULL if is_made else explicit_id, writing.core.now, fields, lengths, count, id)
    return close_collection(writing, &change, TYPE_STREAM, code, code >= 0) and write_id(writing.connection, id)
