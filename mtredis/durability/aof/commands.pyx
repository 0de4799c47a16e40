# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Keys as commands that make them anew: the base of a log without an RDB preamble.

Idea: for each type the few commands that redis-server writes, too; at most 64 members in one, so that none takes long
when the log is loaded. The time to live follows the key.

Owner: none; any one thread, without the GIL, while the values are not changed.
Limits: as in Redis, what these commands cannot say is lost: access clocks, entries that are pending though they were
deleted, when consumers were last seen.
"""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport strlen
from mtredis.keyspace.encoding.listpack cimport Element, Listpack, lp_behind, lp_get
from mtredis.keyspace.encoding.ordered cimport Cursor, Ordered, cursor_item, cursor_next, ordered_first
from mtredis.keyspace.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, Entry, entry_expire, entry_is_string, entry_key, entry_string,
    entry_type, entry_word,
)
from mtredis.keyspace.types.hash cimport (
    HashCursor, hash_find, hash_has_times, hash_length, hash_next, hash_start,
)
from mtredis.keyspace.types.list cimport ListCursor, list_length, list_range_next, list_range_start
from mtredis.keyspace.types.set cimport SetCursor, set_length, set_next, set_start
from mtredis.keyspace.types.sorted_set cimport ZsetCursor, zset_length, zset_next, zset_start
from mtredis.keyspace.types.stream_entries cimport StreamData, StreamEntry, Walk, walk_next, walk_start
from mtredis.keyspace.types.stream_id cimport ID_TEXT_SIZE, StreamId, id_text
from mtredis.keyspace.types.stream_pending cimport Consumer, Group, Nack
from mtredis.keyspace.value cimport Word, word_memory
from mtredis.lib.buffer cimport Buffer
from mtredis.lib.numbers cimport DOUBLE_TEXT_SIZE, INTEGER_TEXT_SIZE, double_to_text, integer_to_text
from mtredis.protocol.reply cimport write_bulk, write_bulk_integer, write_header

cdef enum:
    ITEMS = 64               # in one command
    ALWAYS = -1              # a time at which nothing has expired

cdef struct Text:
    const char *data
    size_t length


cdef inline Text text_of_key(Entry *entry) noexcept nogil:
    cdef Text text
    text.data = entry_key(entry, &text.length)
    return text


cdef inline int put_words(Buffer *out, const char *word) noexcept nogil:
    return write_bulk(out, word, strlen(word))


cdef inline int put_text(Buffer *out, Text *text) noexcept nogil:
    return write_bulk(out, text.data, text.length)


cdef inline int put_element(Buffer *out, Element *element) noexcept nogil:
    if element.text == NULL:
        return write_bulk_integer(out, element.number)
    return write_bulk(out, element.text, element.length)


cdef inline int put_double(Buffer *out, double value) noexcept nogil:
    cdef char digits[DOUBLE_TEXT_SIZE]
    return write_bulk(out, digits, double_to_text(digits, value))


cdef inline int put_id(Buffer *out, const StreamId *id) noexcept nogil:
    cdef char digits[ID_TEXT_SIZE]
    return write_bulk(out, digits, id_text(id, digits))


cdef int put_head(Buffer *out, const char *name, Text *key, uint64_t left, int each) noexcept nogil:
    """A command for the next items, each of which is so many arguments; `left` of them are still to come."""
    cdef int64_t items = <int64_t> (ITEMS if left > ITEMS else left)
    if write_header(out, c'*', 2 + items * each) < 0 or put_words(out, name) < 0:
        return -1
    return put_text(out, key)


cdef int commands_select(Buffer *out, int database) noexcept nogil:
    """SELECT."""
    if write_header(out, c'*', 2) < 0 or put_words(out, b"SELECT") < 0:
        return -1
    return write_bulk_integer(out, database)


cdef int commands_write_entry(Buffer *out, Entry *entry) noexcept nogil:
    """All that makes the key what it is."""
    cdef Text key = text_of_key(entry)
    cdef int64_t expire_at = entry_expire(entry)
    cdef int code
    if entry_is_string(entry):
        code = put_string(out, &key, entry)
    else:
        code = put_collection(out, &key, entry_type(entry), entry_word(entry))
    if code < 0 or expire_at == -1:
        return code
    if write_header(out, c'*', 3) < 0 or put_words(out, b"PEXPIREAT") < 0 or put_text(out, &key) < 0:
        return -1
    return write_bulk_integer(out, expire_at)


cdef int put_string(Buffer *out, Text *key, Entry *entry) noexcept nogil:
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text = entry_string(entry, digits, &length)
    if write_header(out, c'*', 3) < 0 or put_words(out, b"SET") < 0 or put_text(out, key) < 0:
        return -1
    return write_bulk(out, text, length)


cdef int put_collection(Buffer *out, Text *key, int type, Word word) noexcept nogil:
    if type == TYPE_LIST:
        return put_list(out, key, word)
    if type == TYPE_SET:
        return put_set(out, key, word)
    if type == TYPE_SORTED_SET:
        return put_sorted_set(out, key, word)
    if type == TYPE_HASH:
        return put_timed_hash(out, key, word) if hash_has_times(word) else put_hash(out, key, word)
    return put_stream(out, key, <StreamData *> word_memory(word))


cdef int put_list(Buffer *out, Text *key, Word word) noexcept nogil:
    cdef ListCursor cursor
    cdef Element element
    cdef uint64_t done = 0, length = list_length(word)
    list_range_start(word, 0, &cursor)
    while list_range_next(&cursor, &element):
        if done % ITEMS == 0 and put_head(out, b"RPUSH", key, length - done, 1) < 0:
            return -1
        if put_element(out, &element) < 0:
            return -1
        done += 1
    return 0


cdef int put_set(Buffer *out, Text *key, Word word) noexcept nogil:
    cdef SetCursor cursor
    cdef Element member
    cdef uint64_t done = 0, length = set_length(word)
    set_start(word, &cursor)
    while set_next(&cursor, &member):
        if done % ITEMS == 0 and put_head(out, b"SADD", key, length - done, 1) < 0:
            return -1
        if put_element(out, &member) < 0:
            return -1
        done += 1
    return 0


cdef int put_sorted_set(Buffer *out, Text *key, Word word) noexcept nogil:
    cdef ZsetCursor cursor
    cdef Element member
    cdef double score
    cdef uint64_t done = 0, length = zset_length(word)
    zset_start(word, 0, False, &cursor)
    while zset_next(&cursor, &member, &score):
        if done % ITEMS == 0 and put_head(out, b"ZADD", key, length - done, 2) < 0:
            return -1
        if put_double(out, score) < 0 or put_element(out, &member) < 0:
            return -1
        done += 1
    return 0


cdef int put_hash(Buffer *out, Text *key, Word word) noexcept nogil:
    cdef HashCursor cursor
    cdef Element field, value
    cdef uint64_t done = 0, length = hash_length(word)
    hash_start(word, &cursor)
    while hash_next(&cursor, ALWAYS, &field, &value):
        if done % ITEMS == 0 and put_head(out, b"HMSET", key, length - done, 2) < 0:
            return -1
        if put_element(out, &field) < 0 or put_element(out, &value) < 0:
            return -1
        done += 1
    return 0


cdef int put_timed_hash(Buffer *out, Text *key, Word word) noexcept nogil:
    """Field by field, each with its time."""
    cdef HashCursor cursor
    cdef Element field, value
    cdef int64_t time
    hash_start(word, &cursor)
    while hash_next(&cursor, ALWAYS, &field, &value):
        if put_head(out, b"HMSET", key, 1, 2) < 0 or put_element(out, &field) < 0 or put_element(out, &value) < 0:
            return -1
        time = time_of(word, &field)
        if time != -1 and put_field_time(out, key, &field, time) < 0:
            return -1
    return 0


cdef int64_t time_of(Word word, Element *field) noexcept nogil:
    """When the field goes; -1: never."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef const char *text = field.text
    cdef size_t length = field.length
    cdef Element value
    cdef int64_t time = -1
    if text == NULL:
        text = digits
        length = integer_to_text(digits, field.number)
    hash_find(word, text, length, &value, &time)
    return time


cdef int put_field_time(Buffer *out, Text *key, Element *field, int64_t time) noexcept nogil:
    if write_header(out, c'*', 6) < 0 or put_words(out, b"HPEXPIREAT") < 0 or put_text(out, key) < 0:
        return -1
    if write_bulk_integer(out, time) < 0 or put_words(out, b"FIELDS") < 0 or put_words(out, b"1") < 0:
        return -1
    return put_element(out, field)


# Streams ----------------------------------------------------------------------------------------------------------


cdef int put_stream(Buffer *out, Text *key, StreamData *stream) noexcept nogil:
    cdef StreamId first, last
    cdef StreamEntry entry
    cdef Walk walk
    first.ms = first.seq = 0
    last.ms = last.seq = UINT64_MAX
    if stream.length == 0 and put_empty_stream(out, key) < 0:
        return -1
    walk_start(&walk, stream, &first, &last, False)
    while walk_next(&walk, &entry):
        if put_stream_entry(out, key, &entry) < 0:
            return -1
    if put_stream_state(out, key, stream) < 0:
        return -1
    return 0 if stream.groups == NULL else put_groups(out, key, stream.groups)


cdef int put_empty_stream(Buffer *out, Text *key) noexcept nogil:
    """An entry that goes as it comes leaves a stream behind."""
    if write_header(out, c'*', 7) < 0 or put_words(out, b"XADD") < 0 or put_text(out, key) < 0:
        return -1
    if put_words(out, b"MAXLEN") < 0 or put_words(out, b"0") < 0 or put_words(out, b"0-1") < 0:
        return -1
    return -1 if put_words(out, b"x") < 0 or put_words(out, b"y") < 0 else 0


cdef int put_at(Buffer *out, Listpack **place) noexcept nogil:
    """The element there; `place` is behind it then."""
    cdef Element element
    lp_get(place[0], &element)
    place[0] = lp_behind(place[0])
    return put_element(out, &element)


cdef int put_stream_entry(Buffer *out, Text *key, StreamEntry *entry) noexcept nogil:
    cdef Listpack *names = entry.names
    cdef Listpack *values = entry.values
    cdef int64_t i
    if write_header(out, c'*', 3 + entry.count * 2) < 0 or put_words(out, b"XADD") < 0 or put_text(out, key) < 0:
        return -1
    if put_id(out, &entry.id) < 0:
        return -1
    for i in range(entry.count):
        if put_at(out, &names if names != NULL else &values) < 0 or put_at(out, &values) < 0:
            return -1
    return 0


cdef int put_stream_state(Buffer *out, Text *key, StreamData *stream) noexcept nogil:
    """What entries alone do not tell."""
    if write_header(out, c'*', 7) < 0 or put_words(out, b"XSETID") < 0 or put_text(out, key) < 0:
        return -1
    if put_id(out, &stream.last_id) < 0 or put_words(out, b"ENTRIESADDED") < 0:
        return -1
    if write_bulk_integer(out, <int64_t> stream.entries_added) < 0 or put_words(out, b"MAXDELETEDID") < 0:
        return -1
    return put_id(out, &stream.max_deleted_id)


cdef int put_groups(Buffer *out, Text *key, Ordered *groups) noexcept nogil:
    cdef Cursor cursor, inner
    cdef Group *group
    cdef bint is_there = ordered_first(groups, &cursor)
    cdef bint has_consumer
    while is_there:
        group = <Group *> cursor_item(&cursor)
        if put_group(out, key, group) < 0:
            return -1
        has_consumer = ordered_first(group.consumers, &inner)
        while has_consumer:
            if put_consumer(out, key, group, <Consumer *> cursor_item(&inner)) < 0:
                return -1
            has_consumer = cursor_next(&inner)
        is_there = cursor_next(&cursor)
    return 0


cdef int put_group(Buffer *out, Text *key, Group *group) noexcept nogil:
    if write_header(out, c'*', 7) < 0 or put_words(out, b"XGROUP") < 0 or put_words(out, b"CREATE") < 0:
        return -1
    if put_text(out, key) < 0 or write_bulk(out, group.name.text, group.name.length) < 0:
        return -1
    if put_id(out, &group.last_id) < 0 or put_words(out, b"ENTRIESREAD") < 0:
        return -1
    return write_bulk_integer(out, group.entries_read)


cdef int put_consumer(Buffer *out, Text *key, Group *group, Consumer *consumer) noexcept nogil:
    """A consumer with what it has not acknowledged."""
    cdef Cursor cursor
    cdef bint is_there = ordered_first(consumer.pending, &cursor)
    if not is_there:
        if write_header(out, c'*', 5) < 0 or put_words(out, b"XGROUP") < 0 or put_words(out, b"CREATECONSUMER") < 0:
            return -1
        if put_text(out, key) < 0 or write_bulk(out, group.name.text, group.name.length) < 0:
            return -1
        return write_bulk(out, consumer.name.text, consumer.name.length)
    while is_there:
        if put_pending(out, key, group, <Nack *> cursor_item(&cursor)) < 0:
            return -1
        is_there = cursor_next(&cursor)
    return 0


cdef int put_pending(Buffer *out, Text *key, Group *group, Nack *nack) noexcept nogil:
    if write_header(out, c'*', 12) < 0 or put_words(out, b"XCLAIM") < 0 or put_text(out, key) < 0:
        return -1
    if write_bulk(out, group.name.text, group.name.length) < 0:
        return -1
    if write_bulk(out, nack.consumer.name.text, nack.consumer.name.length) < 0 or put_words(out, b"0") < 0:
        return -1
    if put_id(out, &nack.id) < 0 or put_words(out, b"TIME") < 0 or write_bulk_integer(out, nack.delivery_time) < 0:
        return -1
    if put_words(out, b"RETRYCOUNT") < 0 or write_bulk_integer(out, <int64_t> nack.delivery_count) < 0:
        return -1
    return -1 if put_words(out, b"JUSTID") < 0 or put_words(out, b"FORCE") < 0 else 0
