# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fields: set members, hash fields and members of sorted sets, in one of two forms. The API stands in `fields.pxd`.

Idea: up to SMALL_MAX fields lie in one block, an array of entries with an array of tags (the low 8 bits of the hash)
behind it; a search compares 8 tags per step and touches an entry only where the tag is equal. More fields lie in a
`Table`. A change of form moves pointers, never an entry, and goes back only below SMALL_KEEP fields, so that no series
of changes around one number of fields pays for it again and again. A copy has the form and the places of its source.

Owner: the executor, except `fields_free` (any thread, since nobody else can reach them by then). A worker may read
while it holds the lock of the key's segment. No thread sees an inner table but through that lock, so its segments are
freed at once when the form changes; what the table itself retires is freed by the core like that of any other.

Invariants: a name is there at most once. While `table` is NULL all fields are in `small`, else none; small_memory and
small_volatile are exact. Whatever needs memory gets it before anything is changed. Limits: names, values below 4 GiB.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove, memset
from mtredis.keyspace.core cimport (
    Core, Table, core_free, core_new, core_new_clock, core_release, entry_touch, key_hash, next_random,
)
from mtredis.keyspace.directory cimport entries_copy, memory_of, table_copy, table_new, table_segment
from mtredis.keyspace.entry cimport (
    EXTENDED, INTEGER, TYPE_STRING, Entry, entry_clock, entry_copy, entry_expire, entry_has_expire, entry_has_key,
    entry_is_int, entry_key, entry_key_length, entry_key_offset, entry_new, entry_size, entry_string, entry_value,
    entry_write_header,
)
from mtredis.keyspace.segment cimport lowest_bit, segment_entries, segment_find
from mtredis.keyspace.table cimport table_put, table_random, table_scan, table_set_expire, table_take
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_from_text

cdef enum:
    SMALL_KEEP = SMALL_MAX // 4  # a table with fewer fields becomes small again
    SMALL_FIRST = 4              # capacity of the first block
    LENGTH_MAX = 0xffffffff
    CURSOR_SHIFT = 16            # a position of table_scan has that many zeros at its end

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(void *pointer) noexcept


# The small form -------------------------------------------------------------------------------------------------


cdef int small_find(Fields *fields, uint8_t tag, const char *name, size_t length) noexcept nogil:
    """The place of the field; -1: missing. A byte of `difference` is 0 where the tag is equal."""
    cdef uint64_t word, difference, matches
    cdef uint32_t first, i
    for first in range(0, fields.small_count, 8):
        memcpy(&word, fields.tags + first, 8)
        difference = word ^ (<uint64_t> 0x0101010101010101 * tag)
        matches = (difference - <uint64_t> 0x0101010101010101) & ~difference & <uint64_t> 0x8080808080808080
        while matches:
            i = first + (lowest_bit(matches) >> 3)
            if i >= fields.small_count:
                return -1
            if entry_has_key(fields.small[i], name, length):
                return <int> i
            matches &= matches - 1
    return -1


cdef int small_resize(Fields *fields, uint32_t capacity) noexcept nogil:
    """Moves the pointers into a block with room for so many; 0, or -1: no memory. Tags take whole words."""
    cdef size_t tags_size = (capacity + 7) & ~<size_t> 7
    cdef Entry **block = <Entry **> malloc(capacity * sizeof(Entry *) + tags_size)
    cdef uint8_t *tags
    if block == NULL:
        return -1
    tags = <uint8_t *> &block[capacity]
    memset(tags, 0, tags_size)
    if fields.small_count:
        memcpy(block, fields.small, fields.small_count * sizeof(Entry *))
        memcpy(tags, fields.tags, fields.small_count)
    fields.small_memory += memory_of(block) - memory_of(fields.small)
    free(fields.small)
    fields.small = block
    fields.tags = tags
    fields.small_capacity = capacity
    return 0


cdef void small_append(Fields *fields, uint8_t tag, Entry *entry) noexcept nogil:
    """Adds a field whose name is not there; there is room."""
    fields.small[fields.small_count] = entry
    fields.tags[fields.small_count] = tag
    fields.small_count += 1
    fields.small_volatile += entry_has_expire(entry)
    fields.small_memory += memory_of(entry)


cdef void small_replace(Fields *fields, Entry **slot, Entry *fresh) noexcept nogil:
    """Another entry of the same name takes the slot; the old one is released."""
    cdef Entry *old = slot[0]
    fields.small_memory += memory_of(fresh) - memory_of(old)
    fields.small_volatile += entry_has_expire(fresh)
    fields.small_volatile -= entry_has_expire(old)
    slot[0] = fresh
    core_release(fields.core, old)


cdef void small_remove(Fields *fields, int place) noexcept nogil:
    """The last field takes the place. The block shrinks when three quarters are empty, if there is memory for it."""
    cdef Entry *entry = fields.small[place]
    fields.small_count -= 1
    fields.small[place] = fields.small[fields.small_count]
    fields.tags[place] = fields.tags[fields.small_count]
    fields.small_volatile -= entry_has_expire(entry)
    fields.small_memory -= memory_of(entry)
    core_release(fields.core, entry)
    if fields.small_capacity > SMALL_FIRST and fields.small_count * 4 <= fields.small_capacity:
        small_resize(fields, fields.small_capacity // 2)


# Change of form -------------------------------------------------------------------------------------------------


cdef void table_discard(Table *table) noexcept nogil:
    """Frees the table but not the entries; nobody else may know it."""
    cdef uint64_t i
    for i in range(table.segment_count):
        free(table.segments[i])
    free(table.segments)
    free(table.directory)
    free(table)


cdef int become_table(Fields *fields) noexcept nogil:
    """From small to table; 0, or -1: no memory."""
    cdef Table *table = table_new(fields.core)
    cdef Entry *entry
    cdef size_t length
    cdef char *name
    cdef uint32_t i
    if table == NULL:
        return -1
    for i in range(fields.small_count):
        entry = fields.small[i]
        name = entry_key(entry, &length)
        if table_put(table, key_hash(fields.core, name, length), entry) < 0:
            table_discard(table)
            return -1
    free(fields.small)
    fields.small = NULL
    fields.tags = NULL
    fields.small_count = fields.small_capacity = fields.small_volatile = 0
    fields.small_memory = 0
    fields.table = table
    return 0


cdef void become_small(Fields *fields) noexcept nogil:
    """From a table with at most SMALL_KEEP fields to small; stays as it is if there is no memory for the block."""
    cdef Table *table = fields.table
    cdef FieldsCursor cursor
    cdef Entry *entry
    cdef size_t length
    cdef char *name
    if small_resize(fields, SMALL_KEEP) < 0:
        return
    fields_start(fields, &cursor)
    entry = fields_next(fields, &cursor)
    while entry != NULL:
        name = entry_key(entry, &length)
        small_append(fields, <uint8_t> key_hash(fields.core, name, length), entry)
        entry = fields_next(fields, &cursor)
    fields.table = NULL
    table_discard(table)


# Whole ----------------------------------------------------------------------------------------------------------


cdef Fields *fields_new(Core *core) noexcept nogil:
    """No fields yet; NULL: no memory."""
    cdef Fields *fields = <Fields *> calloc(1, sizeof(Fields))
    if fields != NULL:
        fields.core = core
    return fields


cdef void fields_free(Fields *fields) noexcept nogil:
    """Frees the fields with every entry, without a look at the core."""
    cdef FieldsCursor cursor
    cdef Entry *entry
    fields_start(fields, &cursor)
    entry = fields_next(fields, &cursor)
    while entry != NULL:
        free(entry)
        entry = fields_next(fields, &cursor)
    if fields.table != NULL:
        table_discard(fields.table)
    free(fields.small)
    free(fields)


cdef int small_copy(Fields *fields, Fields *copy, Copied copied, void *context) noexcept nogil:
    """Fills new fields with copies of small ones; 0, or -1: no memory."""
    cdef int64_t held
    if fields.small_count == 0:
        return 0
    if small_resize(copy, fields.small_capacity) < 0:
        return -1
    held = entries_copy(fields.small, copy.small, <int> fields.small_count)
    if held < 0:
        return -1
    memcpy(copy.tags, fields.tags, fields.small_count)
    copy.small_count = fields.small_count
    copy.small_volatile = fields.small_volatile
    copy.small_memory += held
    if copied != NULL:
        copied(context, fields.small, copy.small, <int> fields.small_count)
    return 0


cdef Fields *fields_copy_telling(Fields *fields, Copied copied, void *context) noexcept nogil:
    """The same fields, values and times, which only reads the source."""
    cdef Fields *copy = fields_new(fields.core)
    cdef int code = -1
    if copy == NULL:
        return NULL
    if fields.table == NULL:
        code = small_copy(fields, copy, copied, context)
    else:
        copy.table = table_new(fields.core)
        if copy.table != NULL:
            code = table_copy(fields.table, copy.table, copied, context)
    if code < 0:
        fields_free(copy)
        return NULL
    return copy


cdef Fields *fields_copy(Fields *fields) noexcept nogil:
    """The same fields, values and times."""
    return fields_copy_telling(fields, NULL, NULL)


cdef uint64_t fields_count(Fields *fields) noexcept nogil:
    """How many fields there are, expired ones included."""
    return fields.table.count if fields.table != NULL else fields.small_count


cdef uint64_t fields_volatile(Fields *fields) noexcept nogil:
    """How many have a time to live."""
    return fields.table.volatile_count if fields.table != NULL else fields.small_volatile


cdef size_t fields_memory(Fields *fields) noexcept nogil:
    """What malloc holds for all of it. (used_memory counts the vector of segments without malloc's share.)"""
    cdef Table *table = fields.table
    if table == NULL:
        return memory_of(fields) + fields.small_memory
    return memory_of(fields) + memory_of(table) + table.used_memory + memory_of(table.segments) - \
        table.segment_capacity * sizeof(void *)


# One field ------------------------------------------------------------------------------------------------------


cdef inline Entry **find_slot(Fields *fields, uint64_t hash, const char *name, size_t length) noexcept nogil:
    """Where the entry of the field is kept; NULL: missing."""
    cdef int place
    if fields.table != NULL:    # never without a segment: it has held fields
        return segment_find(table_segment(fields.table, hash), hash, name, length)
    place = small_find(fields, <uint8_t> hash, name, length)
    return &fields.small[place] if place >= 0 else NULL


cdef Entry *fields_find(Fields *fields, const char *name, size_t length) noexcept nogil:
    """The field's entry, expired or not; NULL: missing."""
    cdef Entry **slot = find_slot(fields, key_hash(fields.core, name, length), name, length)
    return slot[0] if slot != NULL else NULL


cdef int add(Fields *fields, uint64_t hash, Entry *entry) noexcept nogil:
    """Adds a field whose name is not there; 0, or -1: no memory, the entry is still the caller's."""
    if fields.table == NULL and fields.small_count == SMALL_MAX and become_table(fields) < 0:
        return -1
    if fields.table != NULL:
        return 0 if table_put(fields.table, hash, entry) >= 0 else -1
    if fields.small_count == fields.small_capacity and small_resize(
            fields, fields.small_capacity * 2 if fields.small_capacity else SMALL_FIRST) < 0:
        return -1
    small_append(fields, <uint8_t> hash, entry)
    return 0


cdef inline bint entry_is_extended(const Entry *entry) noexcept nogil:
    return (entry.head & EXTENDED) != 0


cdef bint rewrite(Entry *entry, uint32_t flags, const char *value, size_t value_length,
                  int64_t expire_at) noexcept nogil:
    """Puts a new value into the entry if the layout stays and no more than half of its memory is wasted."""
    cdef size_t key_length = entry_key_length(entry)
    cdef size_t offset = entry_key_offset(entry)
    cdef size_t size = offset + key_length + value_length
    cdef size_t usable
    cdef bint is_extended = key_length > 255 or value_length >= (1 << 24)
    if entry_has_expire(entry) != (expire_at != -1) or entry_is_extended(entry) != is_extended:
        return False
    if size != entry_size(entry):
        usable = malloc_usable_size(entry)
        if size > usable or (usable > 64 and size * 2 < usable):
            return False
    memmove(<char *> entry + offset + key_length, value, value_length)    # may be a part of the old value
    entry_write_header(entry, flags, entry_clock(entry), expire_at, key_length, value_length)
    return True


cdef Entry *upsert(Fields *fields, const char *name, size_t length, uint32_t flags, const char *value,
                   size_t value_length, int64_t expire_at, bint *added) noexcept nogil:
    """The entry of the field, which has the value now; NULL: no memory."""
    cdef uint64_t hash
    cdef Entry **slot
    cdef Entry *fresh
    cdef size_t unused
    added[0] = False
    if length > LENGTH_MAX or value_length > LENGTH_MAX:
        return NULL
    hash = key_hash(fields.core, name, length)
    slot = find_slot(fields, hash, name, length)
    if slot != NULL and rewrite(slot[0], flags, value, value_length, expire_at):
        entry_touch(fields.core, slot[0], &fields.core.random)
        return slot[0]
    fresh = entry_new(flags, core_new_clock(fields.core) if slot == NULL else entry_clock(slot[0]), expire_at, name,
                      length, value_length, 0)
    if fresh == NULL:
        return NULL
    if value_length:
        memcpy(entry_value(fresh, &unused), value, value_length)
    if slot == NULL:
        if add(fields, hash, fresh) < 0:
            free(fresh)
            return NULL
        added[0] = True
        return fresh
    entry_touch(fields.core, fresh, &fields.core.random)
    if fields.table != NULL:
        table_put(fields.table, hash, fresh)    # replaces, which needs no memory
    else:
        small_replace(fields, slot, fresh)
    return fresh


cdef int fields_set(Fields *fields, const char *name, size_t length, const char *value, size_t value_length,
                    int64_t expire_at) noexcept nogil:
    """Upsert, a number as a number; 1: added, 0: replaced, -1: no memory."""
    cdef int64_t number
    cdef uint32_t flags = TYPE_STRING
    cdef bint added
    if 0 < value_length <= INTEGER_TEXT_SIZE and integer_from_text(value, value_length, &number):
        flags = INTEGER
        value = <char *> &number
        value_length = 8
    if upsert(fields, name, length, flags, value, value_length, expire_at, &added) == NULL:
        return -1
    return added


cdef Entry *fields_set_word(Fields *fields, const char *name, size_t length, uint64_t word, bint *added) noexcept nogil:
    """Upsert of 8 bytes as they are, without a time to live; the entry, NULL: no memory."""
    return upsert(fields, name, length, TYPE_STRING, <char *> &word, 8, -1, added)


cdef int fields_set_expire(Fields *fields, const char *name, size_t length, int64_t expire_at) noexcept nogil:
    """Sets (-1: removes) the time to live; 1: done, 0: missing, -1: no memory."""
    cdef uint64_t hash = key_hash(fields.core, name, length)
    cdef Entry **slot
    cdef Entry *fresh
    if fields.table != NULL:
        return table_set_expire(fields.table, hash, name, length, expire_at)
    slot = find_slot(fields, hash, name, length)
    if slot == NULL:
        return 0
    if expire_at != entry_expire(slot[0]):
        fresh = entry_copy(slot[0], name, length, expire_at)
        if fresh == NULL:
            return -1
        small_replace(fields, slot, fresh)
    return 1


cdef bint fields_delete(Fields *fields, const char *name, size_t length) noexcept nogil:
    """Whether the field was there."""
    cdef uint64_t hash = key_hash(fields.core, name, length)
    cdef Entry *entry
    cdef int place
    if fields.table != NULL:
        entry = table_take(fields.table, hash, name, length)
        if entry == NULL:
            return False
        core_release(fields.core, entry)
        if fields.table.count < SMALL_KEEP:
            become_small(fields)
        return True
    place = small_find(fields, <uint8_t> hash, name, length)
    if place < 0:
        return False
    small_remove(fields, place)
    return True


# Many fields ----------------------------------------------------------------------------------------------------


cdef Entry *fields_random(Fields *fields, uint64_t *random) noexcept nogil:
    """One field, each with the same probability; NULL: there is none."""
    if fields.table != NULL:
        return table_random(fields.table, random)
    if fields.small_count == 0:
        return NULL
    return fields.small[((next_random(random) >> 32) * fields.small_count) >> 32]


cdef int fields_scan(Fields *fields, uint64_t cursor, Entry **out, uint64_t *next) noexcept nogil:
    """The fields of the next home bucket that has any; small ones all at once.

    A field that is there all the time is met at least once, whatever changes of form happen in between: small fields
    come whole at any cursor and end the walk, and a cursor into a table is a hash, which stays good.
    """
    cdef uint64_t position = cursor << CURSOR_SHIFT
    cdef int count = 0
    next[0] = 0
    if fields.table == NULL:
        if fields.small_count:
            memcpy(out, fields.small, fields.small_count * sizeof(Entry *))
        return <int> fields.small_count
    while count == 0:
        count = table_scan(fields.table, position, out, &position)
        if position == 0:
            break
    next[0] = position >> CURSOR_SHIFT
    return count


cdef void fields_start(Fields *fields, FieldsCursor *cursor) noexcept nogil:
    """Before the first field."""
    cursor.segment = 0
    cursor.index = 0
    cursor.count = <int> fields.small_count if fields.table == NULL else 0


cdef Entry *fields_next(Fields *fields, FieldsCursor *cursor) noexcept nogil:
    """The next field; NULL: that was all. A segment is read as a whole, so that its entries are loaded in parallel."""
    cursor.index += 1
    if fields.table == NULL:
        return fields.small[cursor.index - 1] if cursor.index <= cursor.count else NULL
    while cursor.index > cursor.count:
        if cursor.segment == fields.table.segment_count:
            return NULL
        cursor.count = segment_entries(fields.table.segments[cursor.segment], cursor.entries)
        cursor.segment += 1
        cursor.index = 1
    return cursor.entries[cursor.index - 1]


# For tests ------------------------------------------------------------------------------------------------------


cdef bytes bytes_of_name(Entry *entry):
    cdef size_t length
    cdef char *name = entry_key(entry, &length)
    return name[:length]


cdef bytes bytes_of_value(Entry *entry):
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *value = entry_string(entry, digits, &length)
    return value[:length]


cdef class FieldsProbe:
    """Fields with a core of their own, for tests; a copy shares its source's core. One thread at a time."""

    cdef Fields *fields
    cdef Core *core
    cdef FieldsProbe source       # whose core it is, kept alive; None: this one's own
    cdef bint owns_core           # the collector may have cleared `source` when it comes to __dealloc__
    cdef uint64_t random

    def __cinit__(self, bytes hash_key=b"0123456789abcdef", uint64_t seed=1, FieldsProbe source=None):
        cdef uint64_t words[2]
        if len(hash_key) != 16:
            raise ValueError("a hash key has 16 bytes")
        self.source = source
        self.random = seed | 1
        if source is not None:
            self.core = source.core
            self.fields = fields_copy(source.fields)
        else:
            memcpy(words, <const char *> hash_key, 16)
            self.core = core_new(1, words, seed)
            self.owns_core = True
            if self.core != NULL:
                self.fields = fields_new(self.core)
        if self.fields == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.fields != NULL:
            fields_free(self.fields)
        if self.owns_core and self.core != NULL:
            core_free(self.core)

    def __len__(self):
        return fields_count(self.fields)

    @property
    def volatile(self):
        return fields_volatile(self.fields)

    @property
    def memory(self):
        return fields_memory(self.fields)

    @property
    def is_table(self):
        return self.fields.table != NULL

    def simulate_readers(self, bint active):
        """Whether the core believes in readers; its locks are taken then and replaced segments retired."""
        self.core.readers_active = active

    def counted_memory(self):
        """What `memory` must be, added up chunk by chunk."""
        cdef FieldsCursor cursor
        cdef Entry *entry
        cdef Table *table = self.fields.table
        cdef uint64_t i
        total = memory_of(self.fields) + memory_of(self.fields.small)
        if table != NULL:
            total += memory_of(table) + memory_of(table.directory) + memory_of(table.segments)
            for i in range(table.segment_count):
                total += memory_of(table.segments[i])
        fields_start(self.fields, &cursor)
        entry = fields_next(self.fields, &cursor)
        while entry != NULL:
            total += memory_of(entry)
            entry = fields_next(self.fields, &cursor)
        return total

    def set(self, bytes name, bytes value=b"", int64_t expire_at=-1):
        code = fields_set(self.fields, <const char *> name, len(name), <const char *> value, len(value), expire_at)
        if code < 0:
            raise MemoryError
        return code == 1

    def set_word(self, bytes name, uint64_t word):
        cdef bint added
        if fields_set_word(self.fields, <const char *> name, len(name), word, &added) == NULL:
            raise MemoryError
        return added

    def get(self, bytes name):
        """(value, expire_at, whether it is kept as a number), or None."""
        cdef Entry *entry = fields_find(self.fields, <const char *> name, len(name))
        return None if entry == NULL else (bytes_of_value(entry), entry_expire(entry), entry_is_int(entry))

    def set_expire(self, bytes name, int64_t expire_at):
        code = fields_set_expire(self.fields, <const char *> name, len(name), expire_at)
        if code < 0:
            raise MemoryError
        return code == 1

    def delete(self, bytes name):
        return fields_delete(self.fields, <const char *> name, len(name))

    def draw(self):
        """The name of a random field, or None."""
        cdef Entry *entry = fields_random(self.fields, &self.random)
        return None if entry == NULL else bytes_of_name(entry)

    def scan(self, uint64_t cursor):
        """(the next cursor, names)."""
        cdef Entry *batch[FIELDS_BATCH]
        cdef uint64_t following
        cdef int i, count = fields_scan(self.fields, cursor, batch, &following)
        return following, [bytes_of_name(batch[i]) for i in range(count)]

    def items(self):
        """(name, value, expire_at) of every field."""
        cdef FieldsCursor cursor
        cdef Entry *entry
        fields_start(self.fields, &cursor)
        found = []
        entry = fields_next(self.fields, &cursor)
        while entry != NULL:
            found.append((bytes_of_name(entry), bytes_of_value(entry), entry_expire(entry)))
            entry = fields_next(self.fields, &cursor)
        return found

    def copy(self):
        return FieldsProbe(source=self)
