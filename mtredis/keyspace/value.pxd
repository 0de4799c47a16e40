# cython: freethreading_compatible=True
"""The value of a key that is no string: one word, of any of the encodings. See `value.pyx`."""
from libc.stdint cimport int64_t, uint64_t

ctypedef uint64_t Word           # the address of the value's memory; in the low 4 bits its encoding

cdef enum Encoding:
    IN_LISTPACK = 0              # Listpack: small lists, sets, hashes and sorted sets
    IN_INTSET = 1                # Intset: small sets of integers
    IN_LISTPACK_EX = 2           # small hashes with times to live (types/hash.pyx)
    IN_QUICKLIST = 3             # types/list.pyx
    IN_FIELDS = 4                # Fields: big sets
    IN_HASHTABLE = 5             # big hashes (types/hash.pyx)
    IN_SKIPLIST = 6              # big sorted sets (types/sorted_set.pyx)
    IN_STREAM = 7                # types/stream.pyx
    ENCODINGS = 8
    ENCODING_MASK = 15

cdef struct EncodingTraits:
    const char *name                                     # what OBJECT ENCODING says
    void (*free)(void *memory) noexcept nogil            # any thread
    size_t (*memory)(void *memory) noexcept nogil        # bytes that malloc holds for it, its own included; O(1)
    void *(*copy)(void *memory) noexcept nogil           # a deep copy; NULL: no memory
    uint64_t (*count)(void *memory) noexcept nogil       # elements or members; NULL: it may stay empty (streams)
    int64_t (*due)(void *memory) noexcept nogil          # unix ms at which a part of it goes, -1: none; NULL: never

cdef struct Limits:              # up to where collections stay packed; the parameters of the same names
    int64_t hash_max_listpack_entries
    int64_t hash_max_listpack_value
    int64_t set_max_intset_entries
    int64_t set_max_listpack_entries
    int64_t set_max_listpack_value
    int64_t zset_max_listpack_entries
    int64_t zset_max_listpack_value
    int64_t list_max_listpack_size
    int64_t list_compress_depth
    int64_t stream_node_max_bytes
    int64_t stream_node_max_entries

cdef inline Word word_of(void *memory, int encoding) noexcept nogil:
    return <uint64_t> memory | <uint64_t> encoding

cdef inline int word_encoding(Word word) noexcept nogil:
    return <int> (word & ENCODING_MASK)

cdef inline void *word_memory(Word word) noexcept nogil:
    return <void *> (word & ~<uint64_t> ENCODING_MASK)

# Every encoding registers what can be done with any value, once, when its module is imported.
cdef void register_encoding(int encoding, const char *name, void (*free)(void *) noexcept nogil,
                            size_t (*memory)(void *) noexcept nogil, void *(*copy)(void *) noexcept nogil,
                            uint64_t (*count)(void *) noexcept nogil) noexcept
# Parts of values in this encoding (fields) can have times to live of their own; `due` tells the next, in O(1).
cdef void register_due(int encoding, int64_t (*due)(void *) noexcept nogil) noexcept
cdef const char *value_encoding(Word word) noexcept nogil
cdef bint value_is_empty(Word word) noexcept nogil       # and its key must not stay
cdef uint64_t value_count(Word word) noexcept nogil      # of a listpack: its elements; of a stream: 0
cdef void value_free(Word word) noexcept nogil
cdef size_t value_memory(Word word) noexcept nogil
cdef Word value_copy(Word word) noexcept nogil           # 0: no memory
cdef int64_t value_due(Word word) noexcept nogil         # unix ms at which the next part of it goes; -1: none does
