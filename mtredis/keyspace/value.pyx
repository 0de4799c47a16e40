# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The value of a key that is no string: one word, of any of the encodings.

Idea: malloc's addresses are multiples of 16, so an address has room for the encoding in its low bits, and a key's entry
holds a collection in 8 bytes. What can be done with a value whatever it is (free, measure, copy, name) goes through a
table of functions in which each encoding registers itself; what it means is the business of `types/`.

Owner: the executor, except that value_free may run on any thread for a value that nobody can reach. No Python object is
involved, which is why values can be read by workers and freed in the background.
"""

cdef EncodingTraits traits[ENCODINGS]


cdef void register_encoding(int encoding, const char *name, void (*free)(void *) noexcept nogil,
                            size_t (*memory)(void *) noexcept nogil, void *(*copy)(void *) noexcept nogil,
                            uint64_t (*count)(void *) noexcept nogil) noexcept:
    """From now on there may be values in this encoding."""
    traits[encoding].name = name
    traits[encoding].free = free
    traits[encoding].memory = memory
    traits[encoding].copy = copy
    traits[encoding].count = count


cdef void register_due(int encoding, int64_t (*due)(void *) noexcept nogil) noexcept:
    """From now on parts of values in this encoding can have a time to live."""
    traits[encoding].due = due


cdef const char *value_encoding(Word word) noexcept nogil:
    """The encoding's name, as OBJECT ENCODING says it."""
    return traits[word_encoding(word)].name


cdef bint value_is_empty(Word word) noexcept nogil:
    """Whether nothing is left in a value that may not be empty."""
    cdef EncodingTraits *known = &traits[word_encoding(word)]
    return known.count != NULL and known.count(word_memory(word)) == 0


cdef uint64_t value_count(Word word) noexcept nogil:
    """The elements of a listpack, or what members any other value has; 0 of a stream."""
    cdef EncodingTraits *known = &traits[word_encoding(word)]
    return known.count(word_memory(word)) if known.count != NULL else 0


cdef void value_free(Word word) noexcept nogil:
    """The value's memory is free."""
    traits[word_encoding(word)].free(word_memory(word))


cdef size_t value_memory(Word word) noexcept nogil:
    """Bytes that the allocator holds for it."""
    return traits[word_encoding(word)].memory(word_memory(word))


cdef Word value_copy(Word word) noexcept nogil:
    """A deep copy; 0: no memory."""
    cdef void *memory = traits[word_encoding(word)].copy(word_memory(word))
    return word_of(memory, word_encoding(word)) if memory != NULL else 0


cdef int64_t value_due(Word word) noexcept nogil:
    """Unix ms at which the next part of it goes; -1: none does."""
    cdef EncodingTraits *known = &traits[word_encoding(word)]
    return known.due(word_memory(word)) if known.due != NULL else -1
