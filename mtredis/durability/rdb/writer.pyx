# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""RDB, written: values, keys with what belongs to them, and what stands around them, as Redis 8.0 writes version 12.

Idea: everything is appended to a buffer of C memory, and no Python object is made for a key or an element. Packed
encodings lie in memory as the format has them, so each of them is one string. Whoever writes a file takes the buffer
now and then (`rdb_taken`); the checksum goes with it. Sans-IO: nothing here knows a file or a clock.

Owner of an `RdbOut`: one thread at a time, any; of the values: nobody may change them meanwhile. `Writer` and `dump`
are the Python face.
Invariants: what Redis writes for the same encodings is written byte for byte, but for the order in tables.
Limits: strings of 4 GB and more are not compressed.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, int64_t, uint16_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memmove, memset
from mtredis.durability.rdb.format cimport (
    LENGTH_14, LENGTH_32, LENGTH_64, LENGTH_SPECIAL, NODE_PACKED, NODE_PLAIN, OP_AUX, OP_EOF, OP_EXPIRETIME_MS, OP_FREQ,
    OP_FUNCTION2, OP_IDLE, OP_RESIZEDB, OP_SELECTDB, RDB_HASH, RDB_HEADER, RDB_HASH_LISTPACK, RDB_HASH_LISTPACK_EX,
    RDB_HASH_METADATA, RDB_LIST_QUICKLIST_2, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_STREAM_LISTPACKS_3,
    RDB_STRING, RDB_VERSION, RDB_ZSET_2, RDB_ZSET_LISTPACK, SPECIAL_INT8, SPECIAL_INT16, SPECIAL_INT32, SPECIAL_LZF,
)
from mtredis.keyspace.core cimport Table, entry_frequency
from mtredis.keyspace.database cimport Database, Keyspace
from mtredis.keyspace.encoding.fields cimport Fields, FieldsCursor, fields_count, fields_next, fields_start
from mtredis.keyspace.encoding.intset cimport Intset, is_bytes
from mtredis.keyspace.encoding.listpack cimport Listpack, lp_bytes
from mtredis.keyspace.encoding.ordered cimport (
    Cursor, Ordered, cursor_item, cursor_next, cursor_previous, ordered_first, ordered_last,
)
from mtredis.keyspace.encoding.quicklist cimport QuickNode, Quicklist
from mtredis.keyspace.encoding.timed cimport NO_TIME, TimedFields, timed_due, triples_due
from mtredis.keyspace.entry cimport (
    TYPE_LIST, TYPE_HASH, TYPE_SET, TYPE_SORTED_SET, entry_clock, entry_expire, entry_is_string, entry_key,
    entry_string, entry_type, entry_word,
)
from mtredis.keyspace.segment cimport SEGMENT_CAPACITY, segment_entries
from mtredis.keyspace.types.ranking cimport Ranking, entry_score
from mtredis.keyspace.types.stream_entries cimport StreamData, StreamNode
from mtredis.keyspace.types.stream_id cimport StreamId
from mtredis.keyspace.types.stream_pending cimport Consumer, Group, Nack
from mtredis.keyspace.value cimport (
    IN_HASHTABLE, IN_INTSET, IN_LISTPACK, IN_LISTPACK_EX, word_encoding, word_memory,
)
from mtredis.lib.buffer cimport buffer_append, buffer_free, buffer_reserve
from mtredis.lib.crc64 cimport crc64
from mtredis.lib.lzf cimport lzf_compress, lzf_table
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_from_text

cdef extern from *:
    """
    #define mt_big64(x) __builtin_bswap64(x)
    #define mt_big32(x) __builtin_bswap32(x)
    """
    uint64_t big64 "mt_big64"(uint64_t word) noexcept nogil
    unsigned int big32 "mt_big32"(unsigned int word) noexcept nogil

cdef enum:
    INTEGER_MOST = 11            # longer texts are no int32
    COMPRESS_ABOVE = 20          # bytes
    COMPRESS_GAIN = 4            # bytes that compression must save

# Primitives -------------------------------------------------------------------------------------------------------


cdef void rdb_open(RdbOut *out, bint compress) noexcept nogil:
    memset(out, 0, sizeof(RdbOut))
    out.compress = compress


cdef void rdb_close(RdbOut *out) noexcept nogil:
    buffer_free(&out.buffer)
    free(out.table)
    out.table = NULL


cdef uint64_t rdb_checksum(RdbOut *out) noexcept nogil:
    out.crc = crc64(out.crc, out.buffer.data + out.summed, out.buffer.length - out.summed)
    out.summed = out.buffer.length
    return out.crc


cdef void rdb_taken(RdbOut *out) noexcept nogil:
    rdb_checksum(out)
    out.summed = 0
    out.buffer.length = 0


cdef inline int put(RdbOut *out, const void *data, size_t length) noexcept nogil:
    return buffer_append(&out.buffer, <const char *> data, length)


cdef inline int put_byte(RdbOut *out, int byte) noexcept nogil:
    cdef char *target = buffer_reserve(&out.buffer, 1)
    if target == NULL:
        return -1
    target[0] = <char> byte
    out.buffer.length += 1
    return 0


cdef inline int put_number(RdbOut *out, int64_t number) noexcept nogil:
    """8 bytes, little-endian."""
    return put(out, &number, 8)


cdef int rdb_write_length(RdbOut *out, uint64_t length) noexcept nogil:
    cdef unsigned char head[9]
    cdef unsigned int word
    if length < 64:
        return put_byte(out, <int> length)
    if length < 16384:
        head[0] = <unsigned char> (LENGTH_14 | (length >> 8))
        head[1] = length & 0xFF
        return put(out, head, 2)
    if length <= 0xFFFFFFFFU:
        head[0] = LENGTH_32
        word = big32(<unsigned int> length)
        memcpy(head + 1, &word, 4)
        return put(out, head, 5)
    head[0] = LENGTH_64
    length = big64(length)
    memcpy(head + 1, &length, 8)
    return put(out, head, 9)


cdef int integer_form(const char *text, size_t length, unsigned char *form) noexcept nogil:
    """Writes the text as an integer of up to 4 bytes; the bytes that takes, 0: it is none."""
    cdef int64_t number
    if length > INTEGER_MOST or not integer_from_text(text, length, &number):
        return 0
    memcpy(form + 1, &number, 4)
    if -128 <= number <= 127:
        form[0] = LENGTH_SPECIAL | SPECIAL_INT8
        return 2
    if INT16_MIN <= number <= INT16_MAX:
        form[0] = LENGTH_SPECIAL | SPECIAL_INT16
        return 3
    form[0] = LENGTH_SPECIAL | SPECIAL_INT32
    return 5 if INT32_MIN <= number <= INT32_MAX else 0


cdef int put_compressed(RdbOut *out, const char *text, size_t length) noexcept nogil:
    """1: it is written, 0: compressing does not pay (or has no memory), -1."""
    cdef size_t start = out.buffer.length
    cdef size_t size
    cdef char *target
    if out.table == NULL:
        out.table = lzf_table()
        if out.table == NULL:
            return 0
    target = buffer_reserve(&out.buffer, length + 19)    # two lengths of up to 9 bytes and a byte stand before the data
    if target == NULL:
        return -1
    size = lzf_compress(out.table, <const unsigned char *> text, length, <unsigned char *> target + 19,
                        length - COMPRESS_GAIN)
    if size == 0:
        return 0
    target[0] = <char> (LENGTH_SPECIAL | SPECIAL_LZF)
    out.buffer.length += 1
    rdb_write_length(out, size)
    rdb_write_length(out, length)
    memmove(out.buffer.data + out.buffer.length, out.buffer.data + start + 19, size)
    out.buffer.length += size
    return 1


cdef int rdb_write_string(RdbOut *out, const char *text, size_t length) noexcept nogil:
    cdef unsigned char form[5]
    cdef int code = integer_form(text, length, form)
    if code:
        return put(out, form, code)
    if out.compress and length > COMPRESS_ABOVE:
        code = put_compressed(out, text, length)
        if code:
            return 0 if code > 0 else -1
    if rdb_write_length(out, length) < 0:
        return -1
    return put(out, text, length)


# Collections ------------------------------------------------------------------------------------------------------


cdef int rdb_type_of(int type, Word word) noexcept nogil:
    cdef int encoding = word_encoding(word)
    if type == TYPE_LIST:
        return RDB_LIST_QUICKLIST_2
    if type == TYPE_SET:
        return RDB_SET_INTSET if encoding == IN_INTSET else RDB_SET_LISTPACK if encoding == IN_LISTPACK else RDB_SET
    if type == TYPE_SORTED_SET:
        return RDB_ZSET_LISTPACK if encoding == IN_LISTPACK else RDB_ZSET_2
    if type == TYPE_HASH:
        if encoding == IN_HASHTABLE:
            return RDB_HASH if timed_due(word_memory(word)) == NO_TIME else RDB_HASH_METADATA
        return RDB_HASH_LISTPACK if encoding == IN_LISTPACK else RDB_HASH_LISTPACK_EX
    return RDB_STREAM_LISTPACKS_3


cdef inline int put_listpack(RdbOut *out, const void *lp) noexcept nogil:
    return rdb_write_string(out, <const char *> lp, lp_bytes(<const Listpack *> lp))


cdef int put_list(RdbOut *out, Word word) noexcept nogil:
    cdef QuickNode *node
    if word_encoding(word) == IN_LISTPACK:
        if rdb_write_length(out, 1) < 0 or rdb_write_length(out, NODE_PACKED) < 0:
            return -1
        return put_listpack(out, word_memory(word))
    if rdb_write_length(out, (<Quicklist *> word_memory(word)).nodes) < 0:
        return -1
    node = (<Quicklist *> word_memory(word)).head
    while node != NULL:
        if rdb_write_length(out, NODE_PLAIN if node.plain_length else NODE_PACKED) < 0:
            return -1
        if rdb_write_string(out, <const char *> node.data, node.plain_length or lp_bytes(node.data)) < 0:
            return -1
        node = node.next
    return 0


cdef int put_members(RdbOut *out, Fields *fields) noexcept nogil:
    """A set's table."""
    cdef FieldsCursor cursor
    cdef Entry *entry
    cdef size_t length
    cdef char *name
    if rdb_write_length(out, fields_count(fields)) < 0:
        return -1
    fields_start(fields, &cursor)
    entry = fields_next(fields, &cursor)
    while entry != NULL:
        name = entry_key(entry, &length)
        if rdb_write_string(out, name, length) < 0:
            return -1
        entry = fields_next(fields, &cursor)
    return 0


cdef int put_ranking(RdbOut *out, Ranking *ranking) noexcept nogil:
    """From the highest score to the lowest."""
    cdef Cursor cursor
    cdef size_t length
    cdef char *member
    cdef double score
    cdef bint is_there = ordered_last(ranking.order, &cursor)
    if rdb_write_length(out, ranking.order.count) < 0:
        return -1
    while is_there:
        member = entry_key(<Entry *> cursor_item(&cursor), &length)
        score = entry_score(<Entry *> cursor_item(&cursor))
        if rdb_write_string(out, member, length) < 0 or put(out, &score, 8) < 0:
            return -1
        is_there = cursor_previous(&cursor)
    return 0


cdef int put_field(RdbOut *out, Entry *entry) noexcept nogil:
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text = entry_key(entry, &length)
    if rdb_write_string(out, text, length) < 0:
        return -1
    text = entry_string(entry, digits, &length)
    return rdb_write_string(out, text, length)


cdef int put_table(RdbOut *out, TimedFields *timed) noexcept nogil:
    """A hash's table; times relative to the first, 1 more, so that 0 means none."""
    cdef int64_t first = timed_due(timed)
    cdef int64_t time
    cdef FieldsCursor cursor
    cdef Entry *entry
    if first != NO_TIME and put_number(out, first) < 0:
        return -1
    if rdb_write_length(out, fields_count(timed.fields)) < 0:
        return -1
    fields_start(timed.fields, &cursor)
    entry = fields_next(timed.fields, &cursor)
    while entry != NULL:
        if first != NO_TIME:
            time = entry_expire(entry)
            if rdb_write_length(out, 0 if time == NO_TIME else <uint64_t> (time - first + 1)) < 0:
                return -1
        if put_field(out, entry) < 0:
            return -1
        entry = fields_next(timed.fields, &cursor)
    return 0


cdef int put_hash(RdbOut *out, Word word) noexcept nogil:
    cdef int64_t first
    if word_encoding(word) == IN_HASHTABLE:
        return put_table(out, <TimedFields *> word_memory(word))
    if word_encoding(word) == IN_LISTPACK_EX:
        first = triples_due(<Listpack *> word_memory(word))
        if put_number(out, 0 if first == NO_TIME else first) < 0:
            return -1
    return put_listpack(out, word_memory(word))


cdef int put_collection(RdbOut *out, int type, Word word) noexcept nogil:
    if type == TYPE_LIST:
        return put_list(out, word)
    if type == TYPE_HASH:
        return put_hash(out, word)
    if type != TYPE_SET and type != TYPE_SORTED_SET:
        return put_stream(out, <StreamData *> word_memory(word))
    if word_encoding(word) == IN_LISTPACK:
        return put_listpack(out, word_memory(word))
    if word_encoding(word) == IN_INTSET:
        return rdb_write_string(out, <const char *> word_memory(word), is_bytes(<Intset *> word_memory(word)))
    if type == TYPE_SET:
        return put_members(out, <Fields *> word_memory(word))
    return put_ranking(out, <Ranking *> word_memory(word))


cdef int rdb_write_collection(RdbOut *out, int type, Word word) noexcept nogil:
    return -1 if put_byte(out, rdb_type_of(type, word)) < 0 else put_collection(out, type, word)


# Streams ----------------------------------------------------------------------------------------------------------


cdef int put_raw_id(RdbOut *out, const StreamId *id) noexcept nogil:
    """16 bytes, big-endian."""
    cdef uint64_t words[2]
    words[0] = big64(id.ms)
    words[1] = big64(id.seq)
    return put(out, words, 16)


cdef int put_id(RdbOut *out, const StreamId *id) noexcept nogil:
    """As two lengths."""
    return -1 if rdb_write_length(out, id.ms) < 0 or rdb_write_length(out, id.seq) < 0 else 0


cdef int put_nodes(RdbOut *out, Ordered *nodes) noexcept nogil:
    cdef Cursor cursor
    cdef StreamNode *node
    cdef bint is_there = ordered_first(nodes, &cursor)
    if rdb_write_length(out, nodes.count) < 0:
        return -1
    while is_there:
        node = <StreamNode *> cursor_item(&cursor)
        if rdb_write_length(out, 16) < 0 or put_raw_id(out, &node.id) < 0 or put_listpack(out, node.entries) < 0:
            return -1
        is_there = cursor_next(&cursor)
    return 0


cdef int put_pending(RdbOut *out, Ordered *pending, bint is_whole) noexcept nogil:
    """A group's entries with time and count, or only the ids of a consumer's."""
    cdef Cursor cursor
    cdef Nack *nack
    cdef bint is_there = ordered_first(pending, &cursor)
    if rdb_write_length(out, pending.count) < 0:
        return -1
    while is_there:
        nack = <Nack *> cursor_item(&cursor)
        if put_raw_id(out, &nack.id) < 0:
            return -1
        if is_whole and (put_number(out, nack.delivery_time) < 0 or rdb_write_length(out, nack.delivery_count) < 0):
            return -1
        is_there = cursor_next(&cursor)
    return 0


cdef int put_consumers(RdbOut *out, Ordered *consumers) noexcept nogil:
    cdef Cursor cursor
    cdef Consumer *consumer
    cdef bint is_there = ordered_first(consumers, &cursor)
    if rdb_write_length(out, consumers.count) < 0:
        return -1
    while is_there:
        consumer = <Consumer *> cursor_item(&cursor)
        if rdb_write_string(out, consumer.name.text, consumer.name.length) < 0:
            return -1
        if put_number(out, consumer.seen_time) < 0 or put_number(out, consumer.active_time) < 0:
            return -1
        if put_pending(out, consumer.pending, False) < 0:
            return -1
        is_there = cursor_next(&cursor)
    return 0


cdef int put_group(RdbOut *out, Group *group) noexcept nogil:
    if rdb_write_string(out, group.name.text, group.name.length) < 0 or put_id(out, &group.last_id) < 0:
        return -1
    if rdb_write_length(out, <uint64_t> group.entries_read) < 0 or put_pending(out, group.pending, True) < 0:
        return -1
    return put_consumers(out, group.consumers)


cdef int put_stream(RdbOut *out, StreamData *stream) noexcept nogil:
    cdef Cursor cursor
    cdef bint is_there = stream.groups != NULL and ordered_first(stream.groups, &cursor)
    if put_nodes(out, stream.nodes) < 0 or rdb_write_length(out, stream.length) < 0:
        return -1
    if put_id(out, &stream.last_id) < 0 or put_id(out, &stream.first_id) < 0 or put_id(out, &stream.max_deleted_id) < 0:
        return -1
    if rdb_write_length(out, stream.entries_added) < 0:
        return -1
    if rdb_write_length(out, stream.groups.count if stream.groups != NULL else 0) < 0:
        return -1
    while is_there:
        if put_group(out, <Group *> cursor_item(&cursor)) < 0:
            return -1
        is_there = cursor_next(&cursor)
    return 0


# Records ----------------------------------------------------------------------------------------------------------


cdef int put_content(RdbOut *out, Entry *entry) noexcept nogil:
    """The string of an entry that is one."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text = entry_string(entry, digits, &length)
    return rdb_write_string(out, text, length)


cdef int rdb_write_value(RdbOut *out, Entry *entry) noexcept nogil:
    if not entry_is_string(entry):
        return rdb_write_collection(out, entry_type(entry), entry_word(entry))
    return -1 if put_byte(out, RDB_STRING) < 0 else put_content(out, entry)


cdef int rdb_write_entry(RdbOut *out, Entry *entry, int more, uint64_t usage) noexcept nogil:
    cdef int64_t expire_at = entry_expire(entry)
    cdef size_t length
    cdef char *key = entry_key(entry, &length)
    cdef bint is_string = entry_is_string(entry)
    if expire_at != -1 and (put_byte(out, OP_EXPIRETIME_MS) < 0 or put_number(out, expire_at) < 0):
        return -1
    if more == WITH_IDLE and (put_byte(out, OP_IDLE) < 0 or rdb_write_length(out, usage) < 0):
        return -1
    if more == WITH_FREQUENCY and (put_byte(out, OP_FREQ) < 0 or put_byte(out, <int> (usage & 0xFF)) < 0):
        return -1
    if put_byte(out, RDB_STRING if is_string else rdb_type_of(entry_type(entry), entry_word(entry))) < 0:
        return -1
    if rdb_write_string(out, key, length) < 0:
        return -1
    return put_content(out, entry) if is_string else put_collection(out, entry_type(entry), entry_word(entry))


cdef int rdb_write_header(RdbOut *out) noexcept nogil:
    return put(out, b"REDIS0012", RDB_HEADER)


cdef int rdb_write_aux(RdbOut *out, const char *name, size_t name_length, const char *text,
                       size_t length) noexcept nogil:
    if put_byte(out, OP_AUX) < 0 or rdb_write_string(out, name, name_length) < 0:
        return -1
    return rdb_write_string(out, text, length)


cdef int rdb_write_function(RdbOut *out, const char *code, size_t length) noexcept nogil:
    return -1 if put_byte(out, OP_FUNCTION2) < 0 else rdb_write_string(out, code, length)


cdef int rdb_write_database(RdbOut *out, uint64_t index, uint64_t keys, uint64_t volatile_keys) noexcept nogil:
    """What follows is in the database; how many keys it has, and with a time to live, is a hint."""
    if put_byte(out, OP_SELECTDB) < 0 or rdb_write_length(out, index) < 0:
        return -1
    if put_byte(out, OP_RESIZEDB) < 0 or rdb_write_length(out, keys) < 0:
        return -1
    return rdb_write_length(out, volatile_keys)


cdef int rdb_write_end(RdbOut *out, bint with_checksum) noexcept nogil:
    """The end of a file; a checksum of 0 says that there is none."""
    if put_byte(out, OP_EOF) < 0:
        return -1
    return put_number(out, <int64_t> rdb_checksum(out) if with_checksum else 0)


cdef int put_footer(RdbOut *out) noexcept nogil:
    """The end of a payload."""
    cdef uint16_t version = RDB_VERSION
    if put(out, &version, 2) < 0:
        return -1
    return put_number(out, <int64_t> rdb_checksum(out))


cdef int put_segments(RdbOut *out, Table *table, int more) noexcept nogil:
    """All keys of a table, which nobody changes meanwhile."""
    cdef Entry *entries[SEGMENT_CAPACITY]
    cdef uint64_t i, usage = 0
    cdef int j
    for i in range(table.segment_count):
        for j in range(segment_entries(table.segments[i], entries)):
            if more == WITH_IDLE:
                usage = (table.core.clock - entry_clock(entries[j])) & 0xFFFFFF
            elif more == WITH_FREQUENCY:
                usage = entry_frequency(table.core, entries[j])
            if rdb_write_entry(out, entries[j], more, usage) < 0:
                return -1
    return 0


# For Python -------------------------------------------------------------------------------------------------------


cdef int done(int code) except -1:
    if code < 0:
        raise MemoryError
    return 0


cdef class Writer:
    """A file, piece by piece: `take` gives what was written since it was last called."""

    cdef RdbOut out

    def __cinit__(self, bint compress=True):
        rdb_open(&self.out, compress)

    def __dealloc__(self):
        rdb_close(&self.out)

    def header(self) -> None:
        """The file begins."""
        done(rdb_write_header(&self.out))

    def aux(self, bytes name not None, bytes text not None) -> None:
        """A field of information about the file."""
        done(rdb_write_aux(&self.out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), PyBytes_AS_STRING(text),
                           PyBytes_GET_SIZE(text)))

    def function(self, bytes code not None) -> None:
        """The source of a function library."""
        done(rdb_write_function(&self.out, PyBytes_AS_STRING(code), PyBytes_GET_SIZE(code)))

    def database(self, Database db not None, int more=0) -> None:
        """All keys of a database, unless it is empty; `more`: NOTHING_MORE, WITH_IDLE or WITH_FREQUENCY."""
        cdef Table *table = db.table()
        if table.count == 0:
            return
        done(rdb_write_database(&self.out, db.index, table.count, table.volatile_count))
        done(put_segments(&self.out, table, more))

    def end(self, bint with_checksum=True) -> None:
        """The file ends."""
        done(rdb_write_end(&self.out, with_checksum))

    def take(self) -> bytes:
        """What was written since the last time."""
        cdef bytes data = PyBytes_FromStringAndSize(self.out.buffer.data, self.out.buffer.length)
        rdb_taken(&self.out)
        return data


def save(Keyspace keyspace not None, *, dict aux=None, bint compress=True, bint with_checksum=True,
         int more=0) -> bytes:
    """A whole file with all databases, in one piece: for small ones."""
    cdef Writer writer = Writer(compress)
    writer.header()
    for name, text in (aux or {}).items():
        writer.aux(name, text)
    for database in keyspace.databases:
        writer.database(database, more)
    writer.end(with_checksum)
    return writer.take()


def dump(Database db not None, bytes key not None, bint compress=True) -> bytes | None:
    """What DUMP replies with: the value under the key with version and checksum; None: missing. A read lookup."""
    cdef Entry *entry = db.read(key)
    cdef RdbOut out
    if entry == NULL:
        return None
    rdb_open(&out, compress)
    try:
        done(rdb_write_value(&out, entry))
        done(put_footer(&out))
        return PyBytes_FromStringAndSize(out.buffer.data, out.buffer.length)
    finally:
        rdb_close(&out)
