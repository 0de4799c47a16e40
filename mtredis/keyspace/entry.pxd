# cython: freethreading_compatible=True
"""An entry: one key with its value, in one allocation. Inline accessors; `entry.pyx` makes and resizes them.

Layout: an 8-byte header, then optional 8-byte fields in this order, then the key's bytes, then the value:

    head     flags 8 bits | access clock 24 bits (LRU: seconds; LFU: 16 bits of minutes, 8 bits of counter)
    lengths  key length 8 bits | value length 24 bits
    [EXTENDED    key length 32 bits, value length 32 bits (then `lengths` is not used)]
    [HAS_EXPIRE  the unix time in ms after which the key is gone]
    key
    value    a string: its bytes; INTEGER: 8 bytes, value length 8; other types: a Word (value.pxd), 8 bytes

So a key of 16 bytes and a value of 32 need 56 bytes, all that malloc gives in a 64-byte chunk.

Owner: the executor. A reader on another thread looks at an entry only while it holds the lock of its segment, and
then may change nothing but the access clock; the snapshot's thread changes FRESH, too. It may follow the Word of a
collection only if the entry is not BUSY.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy
from mtredis.keyspace.value cimport Word

cdef enum:
    TYPE_STRING = 0
    TYPE_LIST = 1
    TYPE_SET = 2
    TYPE_SORTED_SET = 3
    TYPE_HASH = 4
    TYPE_STREAM = 6
    TYPE_MASK = 7         # bits 0 to 2 of the flags
    INTEGER = 8           # a string that is the canonical decimal of an int64, kept as the number
    RAW = 16              # a string that was changed in place: its encoding is reported as "raw" at any length
    BUSY = 16             # a collection that the executor is changing: readers must not look at it
    HAS_EXPIRE = 32
    EXTENDED = 64
    FRESH = 128           # no part of the snapshot under way that is still to be copied (`snapshot.pyx`)
    FLAGS_KEPT = 0x7f     # a copy of an entry is not FRESH for that
    EMBSTR_LIMIT = 44     # longer strings are reported as "raw"

cdef struct Entry:
    uint32_t head
    uint32_t lengths

cdef inline uint8_t *entry_bytes(Entry *entry) noexcept nogil:
    return <uint8_t *> entry

cdef inline uint32_t entry_flags(const Entry *entry) noexcept nogil:
    return entry.head & FLAGS_KEPT

cdef inline int entry_type(const Entry *entry) noexcept nogil:
    return entry.head & TYPE_MASK

cdef inline bint entry_is_string(const Entry *entry) noexcept nogil:
    return (entry.head & TYPE_MASK) == TYPE_STRING

cdef inline bint entry_is_int(const Entry *entry) noexcept nogil:
    """A string kept as a number: read it with `entry_int`."""
    return (entry.head & INTEGER) != 0

cdef inline bint entry_has_expire(const Entry *entry) noexcept nogil:
    return (entry.head & HAS_EXPIRE) != 0

cdef inline size_t entry_key_offset(const Entry *entry) noexcept nogil:
    """Where the key begins: header and optional fields (EXTENDED and HAS_EXPIRE are each worth 8 bytes)."""
    return 8 + ((entry.head & EXTENDED) >> 3) + ((entry.head & HAS_EXPIRE) >> 2)

cdef inline size_t entry_key_length(const Entry *entry) noexcept nogil:
    if entry.head & EXTENDED:
        return (<const uint32_t *> entry)[2]
    return entry.lengths & 0xff

cdef inline size_t entry_value_length(const Entry *entry) noexcept nogil:
    """Bytes of the value as stored: 8 for an INTEGER and for a collection."""
    if entry.head & EXTENDED:
        return (<const uint32_t *> entry)[3]
    return entry.lengths >> 8

cdef inline char *entry_key(Entry *entry, size_t *length) noexcept nogil:
    length[0] = entry_key_length(entry)
    return <char *> entry + entry_key_offset(entry)

cdef inline char *entry_value(Entry *entry, size_t *length) noexcept nogil:
    """The bytes of a string that is not an INTEGER; valid until the entry is changed."""
    length[0] = entry_value_length(entry)
    return <char *> entry + entry_key_offset(entry) + entry_key_length(entry)

cdef inline int64_t entry_int(Entry *entry) noexcept nogil:
    """The number of an INTEGER entry."""
    cdef int64_t value
    memcpy(&value, <char *> entry + entry_key_offset(entry) + entry_key_length(entry), 8)
    return value

cdef inline void entry_set_int(Entry *entry, int64_t value) noexcept nogil:
    """Changes the number of an entry that is an INTEGER already (with the segment locked if readers are active)."""
    memcpy(<char *> entry + entry_key_offset(entry) + entry_key_length(entry), &value, 8)

cdef inline Word entry_word(Entry *entry) noexcept nogil:
    """The value of an entry that is no string."""
    cdef Word word
    memcpy(&word, <char *> entry + entry_key_offset(entry) + entry_key_length(entry), 8)
    return word

cdef inline void entry_set_word(Entry *entry, Word word) noexcept nogil:
    """Another value for an entry that is no string (with the segment locked if readers are active)."""
    memcpy(<char *> entry + entry_key_offset(entry) + entry_key_length(entry), &word, 8)

cdef inline bint entry_is_busy(const Entry *entry) noexcept nogil:
    """A collection that is being changed."""
    return (entry.head & BUSY) != 0

cdef inline int64_t entry_expire(Entry *entry) noexcept nogil:
    """Unix ms after which the key is gone; -1: it stays."""
    cdef int64_t value
    if not (entry.head & HAS_EXPIRE):
        return -1
    memcpy(&value, <char *> entry + 8 + ((entry.head & EXTENDED) >> 3), 8)
    return value

cdef inline bint entry_is_expired(Entry *entry, int64_t now) noexcept nogil:
    return (entry.head & HAS_EXPIRE) != 0 and entry_expire(entry) < now

cdef inline size_t entry_size(const Entry *entry) noexcept nogil:
    """Bytes in use, without the allocator's own."""
    return entry_key_offset(entry) + entry_key_length(entry) + entry_value_length(entry)

cdef inline uint32_t entry_clock(const Entry *entry) noexcept nogil:
    return entry.head >> 8

cdef inline void entry_set_clock(Entry *entry, uint32_t clock) noexcept nogil:
    """Leaves the byte of the flags alone, which another thread may be changing under the segment's lock."""
    entry_bytes(entry)[1] = <uint8_t> clock
    entry_bytes(entry)[2] = <uint8_t> (clock >> 8)
    entry_bytes(entry)[3] = <uint8_t> (clock >> 16)

cdef inline bint entry_is_fresh(const Entry *entry) noexcept nogil:
    return (entry.head & FRESH) != 0

cdef inline void entry_set_fresh(Entry *entry, bint is_fresh) noexcept nogil:
    """With the segment locked; leaves the clock alone, which the executor changes without the lock."""
    entry_bytes(entry)[0] = (entry_bytes(entry)[0] & FLAGS_KEPT) | (FRESH if is_fresh else 0)

cdef inline bint entry_has_key(Entry *entry, const char *key, size_t length) noexcept nogil:
    return entry_key_length(entry) == length and memcmp(<char *> entry + entry_key_offset(entry), key, length) == 0

# entry.pyx ------------------------------------------------------------------------------------------------------

# The string's length as clients see it: the number of digits for an INTEGER.
cdef size_t entry_string_length(Entry *entry) noexcept nogil
# The string's bytes as clients see them; `digits` (INTEGER_TEXT_SIZE bytes of room) is used for an INTEGER.
cdef const char *entry_string(Entry *entry, char *digits, size_t *length) noexcept nogil
# "int", "embstr", "raw"; only for strings.
cdef const char *entry_string_encoding(Entry *entry) noexcept nogil
# A new entry with room for `value_length` bytes of value, which the caller fills in; NULL: no memory.
# flags: type | INTEGER | RAW. expire_at -1: none. reserve: extra bytes allocated behind the value.
cdef Entry *entry_new(uint32_t flags, uint32_t clock, int64_t expire_at, const char *key, size_t key_length,
                      size_t value_length, size_t reserve) noexcept nogil
# What the allocator really holds for it and its value, its own 8 bytes per piece included.
cdef size_t entry_memory(Entry *entry) noexcept nogil
# A copy of `entry` under another key and expiry (-1: none); of a collection the word is copied, not the value.
cdef Entry *entry_copy(Entry *entry, const char *key, size_t key_length, int64_t expire_at) noexcept nogil
# Lengths as stored (both forms); for in-place changes that keep the layout.
cdef void entry_set_value_length(Entry *entry, size_t length) noexcept nogil
# Header and optional fields of a chunk that is large enough; HAS_EXPIRE and EXTENDED are derived. Key, value: caller's.
cdef void entry_write_header(Entry *entry, uint32_t flags, uint32_t clock, int64_t expire_at, size_t key_length,
                             size_t value_length) noexcept nogil
