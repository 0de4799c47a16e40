# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Hashes: fields with values, and with a time to live of their own if they want one.

Idea: few short fields are kept in a listpack of pairs; when the first time to live is asked for, it becomes one of
triples ("listpackex", `encoding/timed.pyx`); all else is a table of fields. A hash changes its encoding when something
comes that does not fit, at Redis's thresholds (`Limits`), and never back. `value_due` tells when the next field goes:
the table of the key keeps it in its index (`due.pyx`), which is how active expiry finds it.

Expired fields stay until somebody deletes them, and count in the length as in Redis: `find` sees them, `get` does not.

Owner: the executor; the functions that read may run on a worker while the key's segment is locked and the entry not
BUSY. Costs: O(1), but O(n) in a listpack, whose size is bounded; with times O(log n). A random field is O(1), in a
listpack O(n).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from mtredis.keyspace.collection cimport change_begin, change_end
from mtredis.keyspace.core cimport next_random
from mtredis.keyspace.encoding.fields cimport (
    FIELDS_BATCH, fields_count, fields_find, fields_next, fields_random, fields_scan, fields_start,
)
from mtredis.keyspace.encoding.listpack cimport (
    LISTPACK_MAX, LP_REPLACE, lp_append, lp_bytes, lp_copy, lp_count, lp_delete, lp_delete_range, lp_find, lp_first,
    lp_free, lp_get, lp_insert, lp_memory, lp_new, lp_next, lp_seek,
)
from mtredis.keyspace.encoding.ordered cimport Cursor, cursor_item, cursor_key, cursor_next, ordered_first
from mtredis.keyspace.encoding.timed cimport (
    KEEP_TIME, NO_TIME, TimedFields, timed_copy, timed_delete, timed_due, timed_expire, timed_free, timed_memory,
    timed_new, timed_set, timed_set_time, triples_append, triples_due, triples_expire, triples_of, triples_set_time,
    triples_time,
)
from mtredis.keyspace.entry cimport (
    TYPE_HASH, Entry, entry_expire, entry_int, entry_is_expired, entry_is_int, entry_key, entry_value,
)
from mtredis.keyspace.value cimport (
    IN_HASHTABLE, IN_LISTPACK, IN_LISTPACK_EX, register_due, register_encoding, word_encoding, word_memory, word_of,
)
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_to_text

cdef enum:
    SAMPLE_FACTOR = 3          # a hash this many times larger than the sample is drawn from, not walked over


# Values, without the GIL ------------------------------------------------------------------------------------------


cdef inline Listpack *packed_of(Word word) noexcept nogil:
    return <Listpack *> word_memory(word)


cdef inline TimedFields *table_of(Word word) noexcept nogil:
    return <TimedFields *> word_memory(word)


cdef inline int width_of(Word word) noexcept nogil:
    """Elements per field of a packed hash."""
    return 2 if word_encoding(word) == IN_LISTPACK else 3


cdef Word hash_new() noexcept nogil:
    """An empty hash."""
    cdef Listpack *lp = lp_new(0)
    return word_of(lp, IN_LISTPACK) if lp != NULL else 0


cdef uint64_t hash_length(Word word) noexcept nogil:
    """How many fields there are, expired ones included."""
    if word_encoding(word) == IN_HASHTABLE:
        return fields_count(table_of(word).fields)
    return lp_count(packed_of(word)) // width_of(word)


cdef int64_t value_time(Word word) noexcept nogil:
    """The time of the field that goes first."""
    if word_encoding(word) == IN_HASHTABLE:
        return timed_due(word_memory(word))
    return triples_due(packed_of(word)) if word_encoding(word) == IN_LISTPACK_EX else NO_TIME


cdef bint hash_has_times(Word word) noexcept nogil:
    """Whether a field has a time to live."""
    return value_time(word) != NO_TIME


cdef inline Listpack *find_packed(Word word, const char *field, size_t flen) noexcept nogil:
    cdef Listpack *lp = packed_of(word)
    return lp_find(lp, lp_first(lp), field, flen, width_of(word) - 1)


cdef inline void element_of(Entry *entry, Element *element) noexcept nogil:
    """The value of a field's entry."""
    if entry_is_int(entry):
        element.text = NULL
        element.number = entry_int(entry)
    else:
        element.text = entry_value(entry, &element.length)


cdef bint hash_find(Word word, const char *field, size_t flen, Element *value, int64_t *time) noexcept nogil:
    """Whether the field is there, expired or not."""
    cdef Listpack *p
    cdef Entry *entry
    if word_encoding(word) == IN_HASHTABLE:
        entry = fields_find(table_of(word).fields, field, flen)
        if entry == NULL:
            return False
        element_of(entry, value)
        time[0] = entry_expire(entry)
        return True
    p = find_packed(word, field, flen)
    if p == NULL:
        return False
    lp_get(lp_next(packed_of(word), p), value)
    time[0] = triples_time(packed_of(word), p) if word_encoding(word) == IN_LISTPACK_EX else NO_TIME
    return True


cdef bint hash_get(Core *core, Word word, const char *field, size_t flen, int64_t now, Element *value) noexcept nogil:
    """Whether the field is there and has not expired."""
    cdef int64_t time = NO_TIME
    return hash_find(word, field, flen, value, &time) and (time == NO_TIME or time >= now)


cdef int become_table(Core *core, Word *word) noexcept nogil:
    """From packed to a table; 0 or -1."""
    cdef TimedFields *timed = timed_new(core)
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *p = lp_first(lp)
    cdef char digits[2][INTEGER_TEXT_SIZE]
    cdef Element field, value
    cdef int64_t time = NO_TIME
    cdef bint has_times = word_encoding(word[0]) == IN_LISTPACK_EX
    if timed == NULL:
        return -1
    while p != NULL:
        if has_times:
            time = triples_time(lp, p)
        lp_get(p, &field)
        p = lp_next(lp, p)
        lp_get(p, &value)
        spell(&field, digits[0])
        spell(&value, digits[1])
        if timed_set(timed, field.text, field.length, value.text, value.length, time) < 0:
            timed_free(timed)
            return -1
        p = lp_next(lp, lp_next(lp, p)) if has_times else lp_next(lp, p)
    word[0] = word_of(timed, IN_HASHTABLE)
    lp_free(lp)
    return 0


cdef inline void spell(Element *element, char *digits) noexcept nogil:
    """The element as text; `digits` (INTEGER_TEXT_SIZE bytes) is used for an integer."""
    if element.text == NULL:
        element.length = integer_to_text(digits, element.number)
        element.text = digits


cdef int add_packed(Word *word, const char *field, size_t flen, const char *value, size_t vlen) noexcept nogil:
    """A field that is not there, at the end; 0 or -1."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *grown
    cdef int code = 0
    if word_encoding(word[0]) == IN_LISTPACK_EX:
        code = triples_append(&lp, field, flen, value, vlen)
        word[0] = word_of(lp, IN_LISTPACK_EX)
        return code
    lp = lp_append(lp, field, flen)
    if lp == NULL:
        return -1
    grown = lp_append(lp, value, vlen)
    if grown == NULL:
        grown = lp_delete_range(lp, -1, 1)
        code = -1
    word[0] = word_of(grown, IN_LISTPACK)
    return code


cdef int set_packed(Word *word, const char *field, size_t flen, const char *value, size_t vlen,
                    bint keep_time) noexcept nogil:
    """Upsert into a listpack; 1, 0 or -1. As in Redis a field that loses its time goes to the end."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *p = find_packed(word[0], field, flen)
    cdef size_t offset = p - lp
    cdef int encoding = word_encoding(word[0])
    if p == NULL:
        return 1 if add_packed(word, field, flen, value, vlen) == 0 else -1
    lp = lp_insert(lp, lp_next(lp, p), LP_REPLACE, value, vlen, NULL)
    if lp == NULL:
        return -1
    if encoding == IN_LISTPACK_EX and not keep_time and triples_time(lp, lp + offset) != NO_TIME:
        triples_set_time(&lp, lp + offset, NO_TIME)    # in place of a longer time: this needs no memory
    word[0] = word_of(lp, encoding)
    return 0


cdef inline bint is_too_long(Core *core, size_t length) noexcept nogil:
    return <int64_t> length > core.limits.hash_max_listpack_value


cdef int set_field(Core *core, Word *word, const char *field, size_t flen, const char *value, size_t vlen,
                   bint keep_time) noexcept nogil:
    """Upsert; 1: new, 0: replaced, -1."""
    cdef int code
    if word_encoding(word[0]) != IN_HASHTABLE and (is_too_long(core, flen) or is_too_long(core, vlen)
                                                   or not has_room(word[0], flen + vlen)):
        if become_table(core, word) < 0:
            return -1
    if word_encoding(word[0]) == IN_HASHTABLE:
        return timed_set(table_of(word[0]), field, flen, value, vlen, KEEP_TIME if keep_time else NO_TIME)
    code = set_packed(word, field, flen, value, vlen, keep_time)
    if code == 1 and <int64_t> hash_length(word[0]) > core.limits.hash_max_listpack_entries:
        if become_table(core, word) < 0:
            hash_delete(word, field, flen)
            return -1
    return code


cdef inline bint has_room(Word word, size_t more) noexcept nogil:
    """Whether so many bytes more leave it a listpack."""
    return lp_bytes(packed_of(word)) + more <= LISTPACK_MAX


cdef int hash_set(Core *core, Word *word, const char *field, size_t flen, const char *value,
                  size_t vlen) noexcept nogil:
    """Upsert; the field has no time to live then."""
    return set_field(core, word, field, flen, value, vlen, False)


cdef int hash_set_keeping_time(Core *core, Word *word, const char *field, size_t flen, const char *value,
                               size_t vlen) noexcept nogil:
    """Upsert; the field's time to live is as it was."""
    return set_field(core, word, field, flen, value, vlen, True)


cdef bint hash_delete(Word *word, const char *field, size_t flen) noexcept nogil:
    """Whether the field was there, expired or not."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *p
    cdef int i, encoding = word_encoding(word[0])
    if encoding == IN_HASHTABLE:
        return timed_delete(table_of(word[0]), field, flen)
    p = find_packed(word[0], field, flen)
    if p == NULL:
        return False
    for i in range(width_of(word[0])):
        lp = lp_delete(lp, p, &p)
    word[0] = word_of(lp, encoding)
    return True


cdef int hash_prepare_times(Word *word) noexcept nogil:
    """Fields can have times from now on; 0 or -1."""
    cdef Listpack *lp
    if word_encoding(word[0]) == IN_LISTPACK:
        lp = triples_of(packed_of(word[0]))
        if lp == NULL:
            return -1
        lp_free(packed_of(word[0]))
        word[0] = word_of(lp, IN_LISTPACK_EX)
    return 0


cdef int hash_set_time(Word *word, const char *field, size_t flen, int64_t time) noexcept nogil:
    """The field has the time to live, or none."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *p
    cdef int code
    if word_encoding(word[0]) == IN_HASHTABLE:
        return timed_set_time(table_of(word[0]), field, flen, time)
    p = find_packed(word[0], field, flen)
    if p == NULL:
        return 0
    code = triples_set_time(&lp, p, time)
    word[0] = word_of(lp, IN_LISTPACK_EX)
    return 1 if code == 0 else -1


cdef uint64_t hash_expire(Word *word, int64_t now, uint64_t limit) noexcept nogil:
    """Deletes fields that are due, the earliest first."""
    cdef Listpack *lp = packed_of(word[0])
    cdef uint64_t count
    if word_encoding(word[0]) == IN_HASHTABLE:
        return timed_expire(table_of(word[0]), now, limit)
    if word_encoding(word[0]) == IN_LISTPACK:
        return 0
    count = triples_expire(&lp, now, limit)
    word[0] = word_of(lp, IN_LISTPACK_EX)
    return count


cdef void hash_start(Word word, HashCursor *cursor) noexcept nogil:
    """Before the first field."""
    cursor.word = word
    if word_encoding(word) == IN_HASHTABLE:
        fields_start(table_of(word).fields, &cursor.fields)
    else:
        cursor.packed = lp_first(packed_of(word))


cdef bint hash_next(HashCursor *cursor, int64_t now, Element *field, Element *value) noexcept nogil:
    """The next field that has not expired."""
    cdef Listpack *lp = packed_of(cursor.word)
    cdef Element time
    cdef Entry *entry
    if word_encoding(cursor.word) == IN_HASHTABLE:
        entry = fields_next(table_of(cursor.word).fields, &cursor.fields)
        while entry != NULL and entry_is_expired(entry, now):
            entry = fields_next(table_of(cursor.word).fields, &cursor.fields)
        if entry == NULL:
            return False
        field.text = entry_key(entry, &field.length)
        element_of(entry, value)
        return True
    while cursor.packed != NULL:
        lp_get(cursor.packed, field)
        cursor.packed = lp_next(lp, cursor.packed)
        lp_get(cursor.packed, value)
        cursor.packed = lp_next(lp, cursor.packed)
        if word_encoding(cursor.word) == IN_LISTPACK:
            return True
        lp_get(cursor.packed, &time)
        cursor.packed = lp_next(lp, cursor.packed)
        if time.number == 0 or time.number >= now:
            return True
    return False


cdef void free_packed(void *memory) noexcept nogil:
    lp_free(<Listpack *> memory)


cdef size_t packed_memory(void *memory) noexcept nogil:
    return lp_memory(<Listpack *> memory)


cdef void *copy_packed(void *memory) noexcept nogil:
    return lp_copy(<Listpack *> memory)


cdef int64_t packed_due(void *memory) noexcept nogil:
    return triples_due(<Listpack *> memory)


cdef uint64_t count_packed(void *memory) noexcept nogil:
    return lp_count(<Listpack *> memory) // 3


cdef uint64_t count_timed(void *memory) noexcept nogil:
    return fields_count((<TimedFields *> memory).fields)


register_encoding(IN_LISTPACK_EX, b"listpackex", free_packed, packed_memory, copy_packed, count_packed)
register_encoding(IN_HASHTABLE, b"hashtable", timed_free, timed_memory, timed_copy, count_timed)
register_due(IN_LISTPACK_EX, packed_due)
register_due(IN_HASHTABLE, timed_due)


# The handle -------------------------------------------------------------------------------------------------------


cdef bytes bytes_of(Element *element):
    cdef char digits[INTEGER_TEXT_SIZE]
    if element.text == NULL:
        return PyBytes_FromStringAndSize(digits, integer_to_text(digits, element.number))
    return PyBytes_FromStringAndSize(element.text, element.length)


cdef int put_item(list found, Element *field, Element *value, int what) except -1:
    if what & WITH_FIELDS:
        found.append(bytes_of(field))
    if what & WITH_VALUES:
        found.append(bytes_of(value))
    return 0


cdef int put_entry(list found, Entry *entry) except -1:
    cdef Element field, value
    field.text = entry_key(entry, &field.length)
    element_of(entry, &value)
    return put_item(found, &field, &value, WITH_FIELDS | WITH_VALUES)


cdef class Hash(Collection):
    """A hash. Times are unix ms; lists of fields and values are flat: field, value, field, value."""

    def __cinit__(self):
        self.type = TYPE_HASH

    cdef int start(self) except -1:
        self.change.word = hash_new()
        if self.change.word == 0:
            raise MemoryError
        return 0

    cpdef uint64_t length(self):
        """How many fields there are, expired ones included."""
        return hash_length(self.change.word)

    @property
    def has_times(self):
        """Whether a field has a time to live."""
        return hash_has_times(self.change.word)

    @property
    def due(self):
        """The time at which the next field goes; -1: none does."""
        return value_time(self.change.word)

    def packed(self) -> bytes | None:
        """The listpack byte for byte, as Redis has and saves it: of pairs, or of triples with times; None: a table."""
        cdef Listpack *lp = packed_of(self.change.word)
        if word_encoding(self.change.word) == IN_HASHTABLE:
            return None
        return PyBytes_FromStringAndSize(<char *> lp, lp_bytes(lp))

    # Reading --------------------------------------------------------------------------------------------------

    cpdef bytes get(self, bytes field):
        """The field's value; None: missing or expired."""
        cdef Element value
        if not hash_get(self.change.core, self.change.word, <const char *> field, PyBytes_GET_SIZE(field),
                        self.change.core.now, &value):
            return None
        return bytes_of(&value)

    def value_length(self, bytes field not None) -> int:
        """Bytes of the field's value; -1: missing or expired."""
        cdef Element value
        cdef char digits[INTEGER_TEXT_SIZE]
        if not hash_get(self.change.core, self.change.word, <const char *> field, PyBytes_GET_SIZE(field),
                        self.change.core.now, &value):
            return -1
        spell(&value, digits)
        return value.length

    cpdef int64_t time(self, bytes field) except? -3:
        """The time until which the field lives, past or not; -1: it stays, -2: there is none."""
        cdef Element value
        cdef int64_t time = NO_TIME
        if not hash_find(self.change.word, <const char *> field, PyBytes_GET_SIZE(field), &value, &time):
            return -2
        return time

    cpdef list items(self, int64_t now, int what=WITH_FIELDS | WITH_VALUES):
        """All that has not expired: the fields (1), their values (2), or both (3)."""
        cdef HashCursor cursor
        cdef Element field, value
        cdef list found = []
        hash_start(self.change.word, &cursor)
        while hash_next(&cursor, now, &field, &value):
            put_item(found, &field, &value, what)
        return found

    cpdef list draw(self, int64_t count):
        """So many random fields with their values, each as likely as any other every time; expired ones count."""
        cdef Core *core = self.change.core
        cdef Word word = self.change.word
        cdef uint64_t length = hash_length(word)
        cdef list found = []
        cdef Element field, value
        cdef Listpack *p
        cdef int64_t i
        for i in range(count if length else 0):
            if word_encoding(word) == IN_HASHTABLE:
                put_entry(found, fields_random(table_of(word).fields, &core.random))
            else:
                p = lp_seek(packed_of(word), <int64_t> (next_random(&core.random) % length) * width_of(word))
                lp_get(p, &field)
                lp_get(lp_next(packed_of(word), p), &value)
                put_item(found, &field, &value, WITH_FIELDS | WITH_VALUES)
        return found

    cpdef list sample(self, uint64_t count):
        """So many different fields with their values, all choices being equally likely; at most all."""
        cdef uint64_t left = hash_length(self.change.word)
        cdef HashCursor cursor
        cdef Element field, value
        cdef list found = []
        if word_encoding(self.change.word) == IN_HASHTABLE and count * SAMPLE_FACTOR < left:
            return self.sample_by_drawing(count)
        hash_start(self.change.word, &cursor)
        while count and hash_next(&cursor, 0, &field, &value):
            if next_random(&self.change.core.random) % left < count:
                put_item(found, &field, &value, WITH_FIELDS | WITH_VALUES)
                count -= 1
            left -= 1
        return found

    def sample_by_drawing(self, uint64_t count) -> list:
        """The same for few of many: draws again what has been drawn before."""
        cdef set seen = set()
        cdef list found = []
        cdef list drawn
        while <uint64_t> len(seen) < count:
            drawn = self.draw(1)
            if drawn[0] not in seen:
                seen.add(drawn[0])
                found += drawn
        return found

    cpdef tuple scan(self, uint64_t cursor, int64_t count, int64_t now):
        """(the next cursor, fields and values): a part of what has not expired; cursor 0 begins and ends.

        A packed hash comes whole. A field that stays is met at least once, whatever else changes meanwhile.
        """
        cdef Entry *batch[FIELDS_BATCH]
        cdef list found = []
        cdef int64_t visits = min(max(count, 1), <int64_t> 1 << 40) * 10
        cdef int64_t met = 0
        cdef int i, size
        if word_encoding(self.change.word) != IN_HASHTABLE:
            return 0, self.items(now)
        while True:
            size = fields_scan(table_of(self.change.word).fields, cursor, batch, &cursor)
            met += size
            for i in range(size):
                if not entry_is_expired(batch[i], now):
                    put_entry(found, batch[i])
            visits -= 1
            if cursor == 0 or visits <= 0 or met >= count:
                return cursor, found

    # Changing -------------------------------------------------------------------------------------------------

    cpdef bint set(self, bytes field, bytes value, bint keep_time=False) except -1:
        """The field has the value, and no time to live unless it keeps the one it has. True: it is new."""
        cdef int code
        if field is None or value is None:
            raise TypeError("fields and values are bytes")
        change_begin(&self.change)
        code = set_field(self.change.core, &self.change.word, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field),
                         PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), keep_time)
        change_end(&self.change)
        if code < 0:
            raise MemoryError
        return code

    cpdef int64_t set_pairs(self, list words, Py_ssize_t start=0) except -1:
        """Sets fields to values, given by turns from word `start` on; how many are new."""
        cdef Py_ssize_t i
        cdef int64_t added = 0
        cdef int code = 0
        self.reserve(words, start)
        change_begin(&self.change)
        for i in range(start, len(words) - 1, 2):
            code = hash_set(
                self.change.core, &self.change.word, PyBytes_AS_STRING(words[i]), PyBytes_GET_SIZE(words[i]),
                PyBytes_AS_STRING(words[i + 1]), PyBytes_GET_SIZE(words[i + 1]))
            if code < 0:
                break
            added += code
        change_end(&self.change)
        if code < 0:
            raise MemoryError
        return added

    cpdef bint reserve(self, list words, Py_ssize_t start) except -1:
        """Fields and values, by turns from word `start` on, are about to be set: what cannot hold them is converted.

        Redis counts fields that are there already, too. True: it is a table now that was none.
        """
        cdef Core *core = self.change.core
        cdef Py_ssize_t i, count = len(words)
        cdef size_t total = 0
        cdef bint fits = (count - start) // 2 <= core.limits.hash_max_listpack_entries
        for i in range(start, count):
            if not isinstance(words[i], bytes):
                raise TypeError("fields and values are bytes")
            total += PyBytes_GET_SIZE(words[i])
            fits = fits and not is_too_long(core, PyBytes_GET_SIZE(words[i]))
        if word_encoding(self.change.word) == IN_HASHTABLE or (fits and has_room(self.change.word, total)):
            return False
        self.convert()
        return True

    cdef int convert(self) except -1:
        """It is a table."""
        cdef int code
        change_begin(&self.change)
        code = become_table(self.change.core, &self.change.word)
        change_end(&self.change)
        if code < 0:
            raise MemoryError
        return 0

    cpdef bint delete(self, bytes field) except -1:
        """The field is gone; whether it was there, expired or not."""
        cdef bint found
        if field is None:
            raise TypeError("a field is bytes")
        change_begin(&self.change)
        found = hash_delete(&self.change.word, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field))
        change_end(&self.change)
        return found

    cpdef bint prepare_times(self) except -1:
        """Fields can have times to live: a listpack has become a listpackex. Whether it was one."""
        cdef int code
        if word_encoding(self.change.word) != IN_LISTPACK:
            return False
        change_begin(&self.change)
        code = hash_prepare_times(&self.change.word)
        change_end(&self.change)
        if code < 0:
            raise MemoryError
        return True

    cpdef bint set_time(self, bytes field, int64_t at) except -1:
        """The field lives until then, -1: for ever; false: it is missing."""
        cdef int code
        if field is None:
            raise TypeError("a field is bytes")
        self.prepare_times()
        change_begin(&self.change)
        code = hash_set_time(&self.change.word, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field), at)
        change_end(&self.change)
        if code < 0:
            raise MemoryError
        return code

    cpdef list due_fields(self, int64_t now, uint64_t limit=0xffffffff):
        """The fields that `expire` would delete, in its order."""
        cdef TimedFields *timed = table_of(self.change.word)
        cdef Listpack *lp = packed_of(self.change.word)
        cdef Listpack *p
        cdef Cursor cursor
        cdef Element field
        cdef list found = []
        if self.due == NO_TIME:
            return found
        if word_encoding(self.change.word) == IN_HASHTABLE:
            ordered_first(timed.times, &cursor)
            while cursor.leaf != NULL and <uint64_t> len(found) < limit and <int64_t> cursor_key(&cursor) <= now:
                field.text = entry_key(<Entry *> cursor_item(&cursor), &field.length)
                found.append(bytes_of(&field))
                cursor_next(&cursor)
            return found
        p = lp_first(lp)
        while p != NULL and <uint64_t> len(found) < limit and 0 <= triples_time(lp, p) <= now:
            lp_get(p, &field)
            found.append(bytes_of(&field))
            p = lp_next(lp, lp_next(lp, lp_next(lp, p)))
        return found

    cpdef uint64_t expire(self, int64_t now, uint64_t limit=0xffffffff) except? 0xffffffff:
        """Deletes at most `limit` fields whose time is `now` or before, the earliest first; how many."""
        cdef uint64_t count
        change_begin(&self.change)
        count = hash_expire(&self.change.word, now, limit)
        change_end(&self.change)
        return count
