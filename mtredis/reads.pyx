# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""Single-key reads in C: the replies of GET, TTL, HGET, LRANGE ... for an entry that somebody has looked up.

Idea: a worker finds the entry under its segment's lock, the executor finds it without one; what follows is the same, so
it stands here and in `collection_reads.pyx`, below both: a table says for each of these commands how many arguments its
plain form has and which function writes the reply. Whatever is out of the ordinary (another type, a big value, an
option) is refused with False, nothing written, and the Python handler of the command answers instead: it is the
complete one.

Which of them a worker may serve, and why (`registry/table.pxd`: those before NATIVE_SERVED_END):
- a command of one key sees one moment: the lock of the key's segment. It reads either bytes in the entry (GET, STRLEN,
  GETRANGE, GETBIT, EXISTS, TYPE, TTL, PTTL) or a collection that is not under change (all others), see below;
- MGET stays with the executor: its keys lie in several segments, and a worker that takes one lock after the other
  would see them at several moments, a later change of one client without the earlier one;
- SRANDMEMBER does, since it draws from the executor's random numbers;
- whatever finds something expired does, since that has to be deleted and made known.

Owner: none; the functions work on what their caller holds. Safe beside an executor that changes collections: a worker
holds the lock of the key's segment, and an entry under change is marked BUSY before the first byte of its value is
touched and until the last (`keyspace/collection.pyx`); a worker refuses a BUSY one.
"""
from libc.stdint cimport int64_t, uint32_t
from mtredis.client cimport Connection
from mtredis.collection_reads cimport (
    write_has_field, write_has_member, write_has_members, write_hash_field, write_hash_fields, write_hash_items,
    write_hash_keys, write_hash_length, write_hash_values, write_list_element, write_list_length, write_list_range,
    write_random_member, write_range_by_score, write_rank, write_reverse_range, write_reverse_range_by_score,
    write_reverse_rank, write_score, write_score_count, write_scores, write_set_length, write_set_members,
    write_sorted_length, write_sorted_range, write_stream_length, write_value_length,
)
from mtredis.keyspace.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, entry_expire, entry_is_string, entry_string,
    entry_string_length, entry_type, entry_value_length,
)
from mtredis.lib.buffer cimport Buffer, buffer_append
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE
from mtredis.protocol.reply cimport write_bulk, write_integer, write_null
from mtredis.reading cimport SURE_BYTES, read_integer, write_string_of
from mtredis.registry.table cimport (
    NATIVE_EXISTS, NATIVE_GET, NATIVE_GETBIT, NATIVE_GETRANGE, NATIVE_HEXISTS, NATIVE_HGET, NATIVE_HGETALL,
    NATIVE_HKEYS, NATIVE_HLEN, NATIVE_HMGET, NATIVE_HSTRLEN, NATIVE_HVALS, NATIVE_LINDEX, NATIVE_LLEN, NATIVE_LRANGE,
    NATIVE_PING, NATIVE_PTTL, NATIVE_READS_END, NATIVE_SCARD, NATIVE_SISMEMBER, NATIVE_SMEMBERS, NATIVE_SMISMEMBER,
    NATIVE_SRANDMEMBER, NATIVE_STRLEN, NATIVE_TTL, NATIVE_TYPE, NATIVE_XLEN, NATIVE_ZCARD, NATIVE_ZCOUNT,
    NATIVE_ZMSCORE, NATIVE_ZRANGE, NATIVE_ZRANGEBYSCORE, NATIVE_ZRANK, NATIVE_ZREVRANGE, NATIVE_ZREVRANGEBYSCORE,
    NATIVE_ZREVRANK, NATIVE_ZSCORE,
)

cdef enum:
    ANY_NUMBER = 1 << 20       # of arguments


cdef struct ReadTraits:
    WriteReply write
    uint32_t least             # arguments, the command's name included
    uint32_t most
    bint touches               # counts as a use of the key for eviction


cdef ReadTraits traits[NATIVE_READS_END]


cdef void declare(int native, WriteReply write, uint32_t least, uint32_t most, bint touches=True):
    traits[native].write = write
    traits[native].least = least
    traits[native].most = most
    traits[native].touches = touches


cdef bint read_fits(int native, Request *request) noexcept nogil:
    """Whether the request has as many arguments as the plain form that `write_read` answers."""
    return traits[native].least <= request.argc <= traits[native].most


cdef bint read_touches(int native) noexcept nogil:
    """Whether the read counts as a use of the key for eviction."""
    return traits[native].touches


cdef bint write_read(int native, Reading *reading, Entry *entry) noexcept nogil:
    """Writes the reply for `entry` (NULL: no such key); False, with nothing written, when the handler must answer."""
    cdef size_t mark = reading.connection.out.length
    if traits[native].write(reading, entry) and reading.connection.out.length - mark <= reading.limit:
        return True
    reading.connection.out.length = mark
    return False


# Strings, and keys of any type ------------------------------------------------------------------------------------


cdef bint write_ping(Reading *reading, Entry *entry) noexcept nogil:
    return buffer_append(&reading.connection.out, b"+PONG\r\n", 7) == 0


cdef bint write_string(Reading *reading, Entry *entry) noexcept nogil:
    """GET key"""
    cdef Connection *connection = reading.connection
    if entry == NULL:
        return write_null(&connection.out, connection.resp) == 0
    return (entry_is_string(entry) and entry_value_length(entry) <= reading.limit
            and write_string_of(&connection.out, entry))


cdef bint write_string_length(Reading *reading, Entry *entry) noexcept nogil:
    """STRLEN key"""
    if entry != NULL and not entry_is_string(entry):
        return False
    return write_integer(&reading.connection.out, entry_string_length(entry) if entry != NULL else 0) == 0


cdef bint write_string_range(Reading *reading, Entry *entry) noexcept nogil:
    """GETRANGE key start end"""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef const char *string = digits
    cdef size_t length = 0
    cdef int64_t start, end, size
    if not read_integer(reading, 2, &start) or not read_integer(reading, 3, &end):
        return False
    if entry != NULL:
        if not entry_is_string(entry):
            return False
        string = entry_string(entry, digits, &length)
    size = <int64_t> length
    if start < 0 and end < 0 and start > end:
        size = 0                 # out of order before either is cut to fit
    start = max(0, start + size if start < 0 else start)
    end = min(size - 1, max(0, end + size if end < 0 else end))
    size = end - start + 1 if start <= end else 0
    return <size_t> size <= reading.limit and write_bulk(
        &reading.connection.out, string + (start if size else 0), size) == 0


cdef bint write_bit(Reading *reading, Entry *entry) noexcept nogil:
    """GETBIT key offset"""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef const char *string = digits
    cdef size_t length = 0
    cdef int64_t offset
    cdef int bit = 0
    if not read_integer(reading, 2, &offset) or not 0 <= offset < 8 * SURE_BYTES:
        return False
    if entry != NULL:
        if not entry_is_string(entry):
            return False
        string = entry_string(entry, digits, &length)
    if <size_t> (offset >> 3) < length:
        bit = (<unsigned char> string[offset >> 3] >> (7 - (offset & 7))) & 1
    return write_integer(&reading.connection.out, bit) == 0


cdef bint write_exists(Reading *reading, Entry *entry) noexcept nogil:
    """EXISTS key"""
    return write_integer(&reading.connection.out, entry != NULL) == 0


cdef bint write_type(Reading *reading, Entry *entry) noexcept nogil:
    """TYPE key"""
    cdef Buffer *out = &reading.connection.out
    if entry == NULL:
        return buffer_append(out, b"+none\r\n", 7) == 0
    if entry_is_string(entry):
        return buffer_append(out, b"+string\r\n", 9) == 0
    if entry_type(entry) == TYPE_LIST:
        return buffer_append(out, b"+list\r\n", 7) == 0
    if entry_type(entry) == TYPE_SET:
        return buffer_append(out, b"+set\r\n", 6) == 0
    if entry_type(entry) == TYPE_SORTED_SET:
        return buffer_append(out, b"+zset\r\n", 7) == 0
    if entry_type(entry) == TYPE_HASH:
        return buffer_append(out, b"+hash\r\n", 7) == 0
    return entry_type(entry) == TYPE_STREAM and buffer_append(out, b"+stream\r\n", 9) == 0


cdef bint write_time(Reading *reading, Entry *entry, bint in_seconds) noexcept nogil:
    cdef int64_t expire
    if entry == NULL:
        return write_integer(&reading.connection.out, -2) == 0
    expire = entry_expire(entry)
    if expire < 0:
        return write_integer(&reading.connection.out, -1) == 0
    expire = expire - reading.now if expire > reading.now else 0
    return write_integer(&reading.connection.out, (expire + 500) // 1000 if in_seconds else expire) == 0


cdef bint write_ttl(Reading *reading, Entry *entry) noexcept nogil:
    """TTL key"""
    return write_time(reading, entry, True)


cdef bint write_pttl(Reading *reading, Entry *entry) noexcept nogil:
    """PTTL key"""
    return write_time(reading, entry, False)


declare(NATIVE_PING, write_ping, 1, 1, False)
declare(NATIVE_GET, write_string, 2, 2)
declare(NATIVE_STRLEN, write_string_length, 2, 2)
declare(NATIVE_GETRANGE, write_string_range, 4, 4)
declare(NATIVE_GETBIT, write_bit, 3, 3)
declare(NATIVE_EXISTS, write_exists, 2, 2, False)
declare(NATIVE_TYPE, write_type, 2, 2, False)
declare(NATIVE_TTL, write_ttl, 2, 2, False)
declare(NATIVE_PTTL, write_pttl, 2, 2, False)
declare(NATIVE_LLEN, write_list_length, 2, 2)
declare(NATIVE_LINDEX, write_list_element, 3, 3)
declare(NATIVE_LRANGE, write_list_range, 4, 4)
declare(NATIVE_HGET, write_hash_field, 3, 3)
declare(NATIVE_HMGET, write_hash_fields, 3, ANY_NUMBER)
declare(NATIVE_HGETALL, write_hash_items, 2, 2)
declare(NATIVE_HKEYS, write_hash_keys, 2, 2)
declare(NATIVE_HVALS, write_hash_values, 2, 2)
declare(NATIVE_HSTRLEN, write_value_length, 3, 3)
declare(NATIVE_HLEN, write_hash_length, 2, 2)
declare(NATIVE_HEXISTS, write_has_field, 3, 3)
declare(NATIVE_SCARD, write_set_length, 2, 2)
declare(NATIVE_SISMEMBER, write_has_member, 3, 3)
declare(NATIVE_SMISMEMBER, write_has_members, 3, ANY_NUMBER)
declare(NATIVE_SMEMBERS, write_set_members, 2, 2)
declare(NATIVE_SRANDMEMBER, write_random_member, 2, 2)
declare(NATIVE_ZCARD, write_sorted_length, 2, 2)
declare(NATIVE_ZSCORE, write_score, 3, 3)
declare(NATIVE_ZRANK, write_rank, 3, 3)
declare(NATIVE_ZMSCORE, write_scores, 3, ANY_NUMBER)
declare(NATIVE_ZREVRANK, write_reverse_rank, 3, 3)
declare(NATIVE_ZRANGE, write_sorted_range, 4, 5)
declare(NATIVE_ZREVRANGE, write_reverse_range, 4, 5)
declare(NATIVE_ZRANGEBYSCORE, write_range_by_score, 4, 8)
declare(NATIVE_ZREVRANGEBYSCORE, write_reverse_range_by_score, 4, 8)
declare(NATIVE_ZCOUNT, write_score_count, 4, 4)
declare(NATIVE_XLEN, write_stream_length, 2, 2)
