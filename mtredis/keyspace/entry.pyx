# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Making, copying and reading entries. The layout and the rules of ownership stand in `entry.pxd`."""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy
from mtredis.keyspace.value cimport value_memory
from mtredis.lib.numbers cimport integer_to_text

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(void *pointer) noexcept


cdef size_t entry_string_length(Entry *entry) noexcept nogil:
    """The string's length as clients see it."""
    cdef char digits[20]
    if entry.head & INTEGER:
        return integer_to_text(digits, entry_int(entry))
    return entry_value_length(entry)


cdef const char *entry_string(Entry *entry, char *digits, size_t *length) noexcept nogil:
    """The string's bytes as clients see them, in the entry or in `digits`."""
    if entry.head & INTEGER:
        length[0] = integer_to_text(digits, entry_int(entry))
        return digits
    return entry_value(entry, length)


cdef const char *entry_string_encoding(Entry *entry) noexcept nogil:
    """What OBJECT ENCODING says of a string."""
    if entry.head & INTEGER:
        return b"int"
    if entry.head & RAW or entry_value_length(entry) > EMBSTR_LIMIT:
        return b"raw"
    return b"embstr"


cdef void entry_set_value_length(Entry *entry, size_t length) noexcept nogil:
    """Changes the stored length, in whichever form the entry has; the caller knows that it fits."""
    if entry.head & EXTENDED:
        (<uint32_t *> entry)[3] = <uint32_t> length
    else:
        entry.lengths = (entry.lengths & 0xff) | <uint32_t> (length << 8)


cdef void entry_write_header(Entry *entry, uint32_t flags, uint32_t clock, int64_t expire_at, size_t key_length,
                             size_t value_length) noexcept nogil:
    """Header and optional fields; HAS_EXPIRE and EXTENDED in `flags` are derived here."""
    flags &= <uint32_t> ~(HAS_EXPIRE | EXTENDED)
    if expire_at != -1:
        flags |= HAS_EXPIRE
    if key_length > 255 or value_length >= (1 << 24):
        flags |= EXTENDED
    entry.head = flags | (clock << 8)
    if flags & EXTENDED:
        entry.lengths = 0
        (<uint32_t *> entry)[2] = <uint32_t> key_length
        (<uint32_t *> entry)[3] = <uint32_t> value_length
    else:
        entry.lengths = <uint32_t> key_length | <uint32_t> (value_length << 8)
    if flags & HAS_EXPIRE:
        memcpy(<char *> entry + 8 + ((flags & EXTENDED) >> 3), &expire_at, 8)


cdef Entry *entry_new(uint32_t flags, uint32_t clock, int64_t expire_at, const char *key, size_t key_length,
                      size_t value_length, size_t reserve) noexcept nogil:
    """A new entry whose value the caller fills in; NULL: no memory."""
    cdef size_t size = 8 + key_length + value_length + reserve
    cdef Entry *entry
    if expire_at != -1:
        size += 8
    if key_length > 255 or value_length >= (1 << 24):
        size += 8
    entry = <Entry *> malloc(size)
    if entry == NULL:
        return NULL
    entry_write_header(entry, flags, clock, expire_at, key_length, value_length)
    memcpy(<char *> entry + entry_key_offset(entry), key, key_length)
    return entry


cdef size_t entry_memory(Entry *entry) noexcept nogil:
    """What the allocator really holds for it and its value."""
    cdef size_t held = malloc_usable_size(entry) + 8
    if not entry_is_string(entry):
        held += value_memory(entry_word(entry))
    return held


cdef Entry *entry_copy(Entry *entry, const char *key, size_t key_length, int64_t expire_at) noexcept nogil:
    """The same value, flags and clock under another key and expiry."""
    cdef size_t length
    cdef char *value = entry_value(entry, &length)
    cdef Entry *copy = entry_new(entry_flags(entry), entry_clock(entry), expire_at, key, key_length, length, 0)
    cdef size_t unused
    if copy != NULL:
        memcpy(entry_value(copy, &unused), value, length)
    return copy
