# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reads of one collection in C: what `reads.pyx` calls for LLEN, HGET, SISMEMBER, ZRANGE and their kin.

Idea: each function checks the type, walks the value with the C functions of its type (`keyspace/types/`) and writes the
reply as it goes. A walk ends as soon as the reply is longer than the caller allows, so a worker holds a segment's lock
for microseconds, however big the value is; the executor then answers the request without a lock.

Owner and safety: `reads.pyx`.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.client cimport Connection
from mtredis.keyspace.encoding.listpack cimport Element
from mtredis.keyspace.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, Entry, entry_type, entry_word,
)
from mtredis.keyspace.types.hash cimport (
    WITH_FIELDS, WITH_VALUES, HashCursor, hash_get, hash_has_times, hash_length, hash_next, hash_start,
)
from mtredis.keyspace.types.list cimport (
    ListCursor, list_index, list_length, list_range_count, list_range_next, list_range_start,
)
from mtredis.keyspace.types.set cimport (
    SetCursor, SetPlace, set_contains, set_draw, set_length, set_next, set_start,
)
from mtredis.keyspace.types.sorted_set cimport (
    ZsetCursor, zset_length, zset_next, zset_rank, zset_rank_of_score, zset_score, zset_start,
)
from mtredis.keyspace.types.stream_entries cimport stream_length
from mtredis.keyspace.value cimport Word
from mtredis.lib.buffer cimport Buffer
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, double_from_text, integer_to_text
from mtredis.protocol.reply cimport (
    write_bulk, write_bulk_integer, write_double, write_header, write_integer, write_null,
)
from mtredis.reading cimport is_word, read_integer, text


cdef inline bint is_other(Entry *entry, int type) noexcept nogil:
    """A key that is there and holds another type."""
    return entry != NULL and entry_type(entry) != type


cdef inline bint write_element(Buffer *out, Element *element) noexcept nogil:
    if element.text == NULL:
        return write_bulk_integer(out, element.number) == 0
    return write_bulk(out, element.text, element.length) == 0


cdef inline bint write_empty(Reading *reading, char kind) noexcept nogil:
    """An aggregate without elements; RESP2 knows arrays only."""
    return write_header(&reading.connection.out, kind if reading.connection.resp == 3 else c'*', 0) == 0


cdef bint read_range(Reading *reading, int64_t *start, int64_t *stop) noexcept nogil:
    """The bounds in arguments 2 and 3; False: they are no integers."""
    return read_integer(reading, 2, start) and read_integer(reading, 3, stop)


# Lists ------------------------------------------------------------------------------------------------------------


cdef bint write_list_length(Reading *reading, Entry *entry) noexcept nogil:
    """LLEN key"""
    if is_other(entry, TYPE_LIST):
        return False
    return write_integer(&reading.connection.out, list_length(entry_word(entry)) if entry != NULL else 0) == 0


cdef bint write_list_element(Reading *reading, Entry *entry) noexcept nogil:
    """LINDEX key index"""
    cdef Connection *connection = reading.connection
    cdef Element element
    cdef int64_t index
    if is_other(entry, TYPE_LIST) or not read_integer(reading, 2, &index):
        return False
    if entry == NULL or not list_index(entry_word(entry), index, &element):
        return write_null(&connection.out, connection.resp) == 0
    return write_element(&connection.out, &element)


cdef bint write_list_range(Reading *reading, Entry *entry) noexcept nogil:
    """LRANGE key start stop"""
    cdef Buffer *out = &reading.connection.out
    cdef size_t mark = out.length
    cdef int64_t start, stop
    cdef uint64_t count
    cdef ListCursor cursor
    cdef Element element
    if is_other(entry, TYPE_LIST) or not read_range(reading, &start, &stop):
        return False
    if entry == NULL:
        return write_empty(reading, c'*')
    count = list_range_count(entry_word(entry), &start, stop)
    if write_header(out, c'*', count) < 0:
        return False
    if count == 0:
        return True
    list_range_start(entry_word(entry), start, &cursor)
    while count and out.length - mark <= reading.limit:
        if not list_range_next(&cursor, &element) or not write_element(out, &element):
            return False
        count -= 1
    return count == 0


# Hashes -----------------------------------------------------------------------------------------------------------


cdef inline bint find_field(Reading *reading, Entry *entry, uint32_t index, Element *value, bint *found) noexcept nogil:
    """Looks the field of an argument up; False: it may have expired, and somebody must be told."""
    cdef size_t length
    cdef const char *field = text(reading, index, &length)
    found[0] = hash_get(reading.core, entry_word(entry), field, length, reading.now, value)
    return found[0] or not hash_has_times(entry_word(entry))


cdef bint write_hash_length(Reading *reading, Entry *entry) noexcept nogil:
    """HLEN key"""
    if is_other(entry, TYPE_HASH):
        return False
    return write_integer(&reading.connection.out, hash_length(entry_word(entry)) if entry != NULL else 0) == 0


cdef bint write_hash_field(Reading *reading, Entry *entry) noexcept nogil:
    """HGET key field"""
    cdef Connection *connection = reading.connection
    cdef Element value
    cdef bint found = False
    if is_other(entry, TYPE_HASH) or (entry != NULL and not find_field(reading, entry, 2, &value, &found)):
        return False
    if not found:
        return write_null(&connection.out, connection.resp) == 0
    return write_element(&connection.out, &value)


cdef bint write_has_field(Reading *reading, Entry *entry) noexcept nogil:
    """HEXISTS key field"""
    cdef Element value
    cdef bint found = False
    if is_other(entry, TYPE_HASH) or (entry != NULL and not find_field(reading, entry, 2, &value, &found)):
        return False
    return write_integer(&reading.connection.out, found) == 0


cdef bint write_value_length(Reading *reading, Entry *entry) noexcept nogil:
    """HSTRLEN key field"""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef Element value
    cdef size_t length = 0
    cdef bint found = False
    if is_other(entry, TYPE_HASH) or (entry != NULL and not find_field(reading, entry, 2, &value, &found)):
        return False
    if found:
        length = value.length if value.text != NULL else <size_t> integer_to_text(digits, value.number)
    return write_integer(&reading.connection.out, length) == 0


cdef bint write_hash_fields(Reading *reading, Entry *entry) noexcept nogil:
    """HMGET key field [field ...]"""
    cdef Connection *connection = reading.connection
    cdef size_t mark = connection.out.length
    cdef Element value
    cdef bint found = False
    cdef uint32_t i
    if is_other(entry, TYPE_HASH) or write_header(&connection.out, c'*', reading.request.argc - 2) < 0:
        return False
    for i in range(2, reading.request.argc):
        if entry != NULL and not find_field(reading, entry, i, &value, &found):
            return False
        if not (write_element(&connection.out, &value) if found
                else write_null(&connection.out, connection.resp) == 0):
            return False
        if connection.out.length - mark > reading.limit:
            return False
    return True


cdef bint write_walk(Reading *reading, Entry *entry, int what) noexcept nogil:
    """The fields, their values, or both of a hash none of whose fields can have expired."""
    cdef Connection *connection = reading.connection
    cdef size_t mark = connection.out.length
    cdef HashCursor cursor
    cdef Element field, value
    cdef uint64_t count
    cdef bint as_map = what == (WITH_FIELDS | WITH_VALUES)
    if is_other(entry, TYPE_HASH):
        return False
    if entry == NULL:
        return write_empty(reading, c'%' if as_map else c'*')
    if hash_has_times(entry_word(entry)):     # how many have not expired is known at the end only
        return False
    count = hash_length(entry_word(entry))
    if (write_header(&connection.out, c'%', count) if as_map and connection.resp == 3
            else write_header(&connection.out, c'*', 2 * count if as_map else count)) < 0:
        return False
    hash_start(entry_word(entry), &cursor)
    while hash_next(&cursor, reading.now, &field, &value):
        if what & WITH_FIELDS and not write_element(&connection.out, &field):
            return False
        if what & WITH_VALUES and not write_element(&connection.out, &value):
            return False
        if connection.out.length - mark > reading.limit:
            return False
    return True


cdef bint write_hash_items(Reading *reading, Entry *entry) noexcept nogil:
    """HGETALL key"""
    return write_walk(reading, entry, WITH_FIELDS | WITH_VALUES)


cdef bint write_hash_keys(Reading *reading, Entry *entry) noexcept nogil:
    """HKEYS key"""
    return write_walk(reading, entry, WITH_FIELDS)


cdef bint write_hash_values(Reading *reading, Entry *entry) noexcept nogil:
    """HVALS key"""
    return write_walk(reading, entry, WITH_VALUES)


# Sets -------------------------------------------------------------------------------------------------------------


cdef bint write_set_length(Reading *reading, Entry *entry) noexcept nogil:
    """SCARD key"""
    if is_other(entry, TYPE_SET):
        return False
    return write_integer(&reading.connection.out, set_length(entry_word(entry)) if entry != NULL else 0) == 0


cdef inline bint has_member(Reading *reading, Entry *entry, uint32_t index) noexcept nogil:
    cdef size_t length
    cdef const char *member = text(reading, index, &length)
    return entry != NULL and set_contains(reading.core, entry_word(entry), member, length)


cdef bint write_has_member(Reading *reading, Entry *entry) noexcept nogil:
    """SISMEMBER key member"""
    if is_other(entry, TYPE_SET):
        return False
    return write_integer(&reading.connection.out, has_member(reading, entry, 2)) == 0


cdef bint write_has_members(Reading *reading, Entry *entry) noexcept nogil:
    """SMISMEMBER key member [member ...]"""
    cdef Buffer *out = &reading.connection.out
    cdef uint32_t i
    if is_other(entry, TYPE_SET) or write_header(out, c'*', reading.request.argc - 2) < 0:
        return False
    for i in range(2, reading.request.argc):
        if write_integer(out, has_member(reading, entry, i)) < 0:
            return False
    return True


cdef bint write_set_members(Reading *reading, Entry *entry) noexcept nogil:
    """SMEMBERS key"""
    cdef Connection *connection = reading.connection
    cdef size_t mark = connection.out.length
    cdef SetCursor cursor
    cdef Element member
    if is_other(entry, TYPE_SET):
        return False
    if entry == NULL:
        return write_empty(reading, c'~')
    if write_header(&connection.out, c'~' if connection.resp == 3 else c'*', set_length(entry_word(entry))) < 0:
        return False
    set_start(entry_word(entry), &cursor)
    while set_next(&cursor, &member):
        if not write_element(&connection.out, &member) or connection.out.length - mark > reading.limit:
            return False
    return True


cdef bint write_random_member(Reading *reading, Entry *entry) noexcept nogil:
    """SRANDMEMBER key, for the executor: it draws from its random numbers"""
    cdef Connection *connection = reading.connection
    cdef SetPlace place
    cdef Element member
    if is_other(entry, TYPE_SET):
        return False
    if entry == NULL:
        return write_null(&connection.out, connection.resp) == 0
    return set_draw(reading.core, entry_word(entry), &place, &member) and write_element(&connection.out, &member)


# Sorted sets ------------------------------------------------------------------------------------------------------


cdef bint write_sorted_length(Reading *reading, Entry *entry) noexcept nogil:
    """ZCARD key"""
    if is_other(entry, TYPE_SORTED_SET):
        return False
    return write_integer(&reading.connection.out, zset_length(entry_word(entry)) if entry != NULL else 0) == 0


cdef bint write_score(Reading *reading, Entry *entry) noexcept nogil:
    """ZSCORE key member"""
    cdef Connection *connection = reading.connection
    cdef size_t length
    cdef const char *member = text(reading, 2, &length)
    cdef double score
    if is_other(entry, TYPE_SORTED_SET):
        return False
    if entry == NULL or not zset_score(entry_word(entry), member, length, &score):
        return write_null(&connection.out, connection.resp) == 0
    return write_double(&connection.out, score, connection.resp) == 0


cdef bint write_scores(Reading *reading, Entry *entry) noexcept nogil:
    """ZMSCORE key member [member ...]"""
    cdef Connection *connection = reading.connection
    cdef size_t mark = connection.out.length
    cdef size_t length
    cdef const char *member
    cdef double score
    cdef uint32_t i
    cdef int code
    if is_other(entry, TYPE_SORTED_SET) or write_header(&connection.out, c'*', reading.request.argc - 2) < 0:
        return False
    for i in range(2, reading.request.argc):
        member = text(reading, i, &length)
        if entry != NULL and zset_score(entry_word(entry), member, length, &score):
            code = write_double(&connection.out, score, connection.resp)
        else:
            code = write_null(&connection.out, connection.resp)
        if code < 0 or connection.out.length - mark > reading.limit:
            return False
    return True


cdef inline bint write_rank_from(Reading *reading, Entry *entry, bint reverse) noexcept nogil:
    cdef Connection *connection = reading.connection
    cdef size_t length
    cdef const char *member = text(reading, 2, &length)
    cdef int64_t rank = -1
    if is_other(entry, TYPE_SORTED_SET):
        return False
    if entry != NULL:
        rank = zset_rank(entry_word(entry), member, length, reverse)
    if rank < 0:
        return write_null(&connection.out, connection.resp) == 0
    return write_integer(&connection.out, rank) == 0


cdef bint write_rank(Reading *reading, Entry *entry) noexcept nogil:
    """ZRANK key member"""
    return write_rank_from(reading, entry, False)


cdef bint write_reverse_rank(Reading *reading, Entry *entry) noexcept nogil:
    """ZREVRANK key member"""
    return write_rank_from(reading, entry, True)


cdef struct RangeOptions:
    bint with_scores
    int64_t offset
    int64_t limit                # below 0: none


cdef bint read_range_options(Reading *reading, bint may_limit, RangeOptions *options) noexcept nogil:
    """WITHSCORES, and LIMIT where that is possible; False: anything else."""
    cdef size_t length
    cdef const char *word
    cdef uint32_t i = 4
    options.with_scores = False
    options.offset = 0
    options.limit = -1
    while i < reading.request.argc:
        word = text(reading, i, &length)
        if is_word(word, length, b"WITHSCORES", 10):
            options.with_scores = True
        elif (may_limit and i + 2 < reading.request.argc and is_word(word, length, b"LIMIT", 5)
                and read_integer(reading, i + 1, &options.offset) and options.offset >= 0
                and read_integer(reading, i + 2, &options.limit)):
            i += 2
        else:
            return False
        i += 1
    return True


cdef bint write_members(Reading *reading, Entry *entry, int64_t rank, int64_t count, bint reverse,
                        bint with_scores) noexcept nogil:
    """The members from a rank on, counted from the end if reverse."""
    cdef Connection *connection = reading.connection
    cdef Buffer *out = &connection.out
    cdef size_t mark = out.length
    cdef bint in_pairs = with_scores and connection.resp == 3
    cdef ZsetCursor cursor
    cdef Element member
    cdef double score
    if count <= 0:
        return write_header(out, c'*', 0) == 0
    if write_header(out, c'*', count * 2 if with_scores and not in_pairs else count) < 0:
        return False
    zset_start(entry_word(entry), rank, reverse, &cursor)
    while count and out.length - mark <= reading.limit:
        if not zset_next(&cursor, &member, &score) or (in_pairs and write_header(out, c'*', 2) < 0):
            return False
        if not write_element(out, &member) or (with_scores and write_double(out, score, connection.resp) < 0):
            return False
        count -= 1
    return count == 0


cdef inline bint write_rank_range(Reading *reading, Entry *entry, bint reverse) noexcept nogil:
    cdef int64_t start, stop, length
    cdef RangeOptions options
    if is_other(entry, TYPE_SORTED_SET) or not read_range(reading, &start, &stop) or not read_range_options(
            reading, False, &options):
        return False
    length = zset_length(entry_word(entry)) if entry != NULL else 0
    start = max(0, start + length if start < 0 else start)
    stop = min(length - 1, stop + length if stop < 0 else stop)
    return write_members(reading, entry, start, stop - start + 1 if start <= stop else 0, reverse, options.with_scores)


cdef bint write_sorted_range(Reading *reading, Entry *entry) noexcept nogil:
    """ZRANGE key start stop [WITHSCORES], by rank"""
    return write_rank_range(reading, entry, False)


cdef bint write_reverse_range(Reading *reading, Entry *entry) noexcept nogil:
    """ZREVRANGE key start stop [WITHSCORES]"""
    return write_rank_range(reading, entry, True)


cdef bint read_bound(const char *word, size_t length, bint is_low, ScoreBound *bound) noexcept nogil:
    """A score that a range begins or ends with; False: it is not a plain one."""
    cdef bint is_exclusive = length > 0 and word[0] == c'('
    cdef size_t i
    word += is_exclusive
    length -= is_exclusive
    bound.beyond = is_exclusive == is_low
    for i in range(length):      # strtod knows more, and nobody else does
        if word[i] > c'9' and (word[i] | 32) != c'i' and (word[i] | 32) != c'n' and (word[i] | 32) != c'f':
            return False
    return double_from_text(word, length, &bound.score)


cdef void find_between(Word word, ScoreBound *low, ScoreBound *high, int64_t *rank, int64_t *count) noexcept nogil:
    """The rank of the first member within the bounds, and how many there are."""
    rank[0] = zset_rank_of_score(word, low.score, low.beyond)
    count[0] = <int64_t> zset_rank_of_score(word, high.score, high.beyond) - rank[0]
    if count[0] < 0:
        count[0] = 0


cdef bint read_between(Reading *reading, Entry *entry, bint reverse, int64_t *rank, int64_t *count) noexcept nogil:
    """What lies between the bounds in arguments 2 and 3, the higher one first if reverse; False: the handler's."""
    cdef ScoreBound low, high
    cdef size_t length
    cdef const char *word
    rank[0] = count[0] = 0
    if is_other(entry, TYPE_SORTED_SET):
        return False
    word = text(reading, 3 if reverse else 2, &length)
    if not read_bound(word, length, True, &low):
        return False
    word = text(reading, 2 if reverse else 3, &length)
    if not read_bound(word, length, False, &high):
        return False
    if entry != NULL:
        find_between(entry_word(entry), &low, &high, rank, count)
    return True


cdef bint write_score_count(Reading *reading, Entry *entry) noexcept nogil:
    """ZCOUNT key min max"""
    cdef int64_t rank, count
    return (read_between(reading, entry, False, &rank, &count)
            and write_integer(&reading.connection.out, count) == 0)


cdef inline bint write_score_range(Reading *reading, Entry *entry, bint reverse) noexcept nogil:
    cdef int64_t rank, count
    cdef RangeOptions options
    if not read_between(reading, entry, reverse, &rank, &count) or not read_range_options(reading, True, &options):
        return False
    if options.offset >= count:
        return write_header(&reading.connection.out, c'*', 0) == 0
    if reverse:
        rank = <int64_t> zset_length(entry_word(entry)) - rank - count
    count -= options.offset
    if 0 <= options.limit < count:
        count = options.limit
    return write_members(reading, entry, rank + options.offset, count, reverse, options.with_scores)


cdef bint write_range_by_score(Reading *reading, Entry *entry) noexcept nogil:
    """ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]"""
    return write_score_range(reading, entry, False)


cdef bint write_reverse_range_by_score(Reading *reading, Entry *entry) noexcept nogil:
    """ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]"""
    return write_score_range(reading, entry, True)


# Streams ----------------------------------------------------------------------------------------------------------


cdef bint write_stream_length(Reading *reading, Entry *entry) noexcept nogil:
    """XLEN key"""
    if is_other(entry, TYPE_STREAM):
        return False
    return write_integer(&reading.connection.out, stream_length(entry_word(entry)) if entry != NULL else 0) == 0
