# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The primitives of the RDB format, read from memory that nobody vouches for.

Idea: every look at the data asks first whether it is there. What is not there may still come (`beyond`): then the
record is read once more when more is there. A length that even all that may come cannot hold is refused at once, and no
memory is taken for what a length claims: strings are not copied, or are as long as data that is there; compressed
ones may claim 88 times what they have, which is the most that LZF can make of it.

Owner: one thread, that of the `Input`.
Limits: a little-endian machine; strings below 4 GB.
"""
from libc.stdint cimport UINT32_MAX, int8_t, int16_t, int32_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from mtredis.durability.rdb.format cimport (
    LENGTH_32, LENGTH_64, LENGTH_SPECIAL, SPECIAL_INT8, SPECIAL_INT16, SPECIAL_INT32, SPECIAL_LZF,
)
from mtredis.lib.lzf cimport lzf_bound, lzf_decompress
from mtredis.lib.numbers cimport integer_to_text

cdef extern from *:
    """
    #define mt_from_big64(x) __builtin_bswap64(x)
    #define mt_from_big32(x) __builtin_bswap32(x)
    """
    uint64_t from_big64 "mt_from_big64"(uint64_t word) noexcept nogil
    uint32_t from_big32 "mt_from_big32"(uint32_t word) noexcept nogil


cdef bint input_fail(Input *input, int code, const char *error) noexcept nogil:
    """Notes what is wrong, unless something was before; false."""
    if input.code == INPUT_GOOD:
        input.code = code
        input.error = error
        input.error_at = input.at
    return False


cdef bint input_bad(Input *input, const char *error) noexcept nogil:
    return input_fail(input, INPUT_BAD, error)


cdef bint input_need(Input *input, uint64_t bytes) noexcept nogil:
    cdef size_t left = input.size - input.at
    if bytes <= left:
        return True
    if bytes - left > input.beyond:
        return input_bad(input, b"the data ends too early, or a length is wrong,")
    return input_fail(input, INPUT_SHORT, b"the data ends too early")


cdef bint input_expect(Input *input, uint64_t count, size_t each) noexcept nogil:
    cdef uint64_t left = (input.size - input.at) + input.beyond
    return True if count <= left // each else input_bad(input, b"the data ends too early, or a number is wrong,")


cdef bint read_byte(Input *input, int *byte) noexcept nogil:
    if not input_need(input, 1):
        return False
    byte[0] = input.data[input.at]
    input.at += 1
    return True


cdef bint read_int64(Input *input, int64_t *number) noexcept nogil:
    if not input_need(input, 8):
        return False
    memcpy(number, input.data + input.at, 8)
    input.at += 8
    return True


cdef bint read_head(Input *input, uint64_t *length, int *special) noexcept nogil:
    """A length, or what stands in its place for a string that is kept in another way (-1: it is a length)."""
    cdef const unsigned char *p = input.data + input.at
    cdef uint32_t word
    special[0] = -1
    if not input_need(input, 1):
        return False
    if p[0] < 0x40:
        length[0] = p[0]
        input.at += 1
        return True
    if p[0] < 0x80:
        if not input_need(input, 2):
            return False
        length[0] = <uint64_t> (p[0] & 0x3F) << 8 | p[1]
        input.at += 2
        return True
    if p[0] == LENGTH_32:
        if not input_need(input, 5):
            return False
        memcpy(&word, p + 1, 4)
        length[0] = from_big32(word)
        input.at += 5
        return True
    if p[0] == LENGTH_64:
        if not input_need(input, 9):
            return False
        memcpy(length, p + 1, 8)
        length[0] = from_big64(length[0])
        input.at += 9
        return True
    if p[0] < LENGTH_SPECIAL:
        return input_bad(input, b"a length begins as none does")
    special[0] = p[0] & 0x3F
    input.at += 1
    return True


cdef bint read_length(Input *input, uint64_t *length) noexcept nogil:
    cdef size_t start = input.at
    cdef int special
    if not read_head(input, length, &special):
        return False
    if special >= 0:
        input.at = start
        return input_bad(input, b"a string stands where a length should")
    return True


cdef bint read_integer(Input *input, int special, int64_t *number) noexcept nogil:
    """The integer that is a string."""
    cdef const unsigned char *p = input.data + input.at
    cdef int8_t byte
    cdef int16_t half
    cdef int32_t word
    cdef int size = 1 if special == SPECIAL_INT8 else 2 if special == SPECIAL_INT16 else 4
    if special > SPECIAL_INT32:
        return input_bad(input, b"a string is kept in a way that is not known")
    if not input_need(input, size):
        return False
    if size == 1:
        byte = <int8_t> p[0]
        number[0] = byte
    elif size == 2:
        memcpy(&half, p, 2)
        number[0] = half
    else:
        memcpy(&word, p, 4)
        number[0] = word
    input.at += size
    return True


cdef bint read_compressed(Input *input, unsigned char **chunk, uint64_t *length) noexcept nogil:
    """A compressed string, in a chunk of its own."""
    cdef uint64_t size
    if not read_length(input, &size) or not read_length(input, length):
        return False
    if length[0] > lzf_bound(size) or length[0] > UINT32_MAX:
        return input_bad(input, b"a compressed string claims to be longer than it can be")
    if not input_need(input, size):
        return False
    chunk[0] = <unsigned char *> malloc(length[0] + 1)
    if chunk[0] == NULL:
        return input_fail(input, INPUT_NO_MEMORY, b"no memory for a string")
    if not lzf_decompress(input.data + input.at, size, chunk[0], length[0]):
        free(chunk[0])
        return input_bad(input, b"a compressed string is damaged")
    input.at += size
    return True


cdef bint read_text(Input *input, Text *text) noexcept nogil:
    cdef uint64_t length = 0
    cdef int64_t number = 0
    cdef int special
    text.owned = NULL
    text.text = text.digits
    text.length = 0
    if not read_head(input, &length, &special):
        return False
    if special == SPECIAL_LZF:
        if not read_compressed(input, <unsigned char **> &text.owned, &length):
            text.owned = NULL
            return False
        text.text = text.owned
    elif special >= 0:
        if not read_integer(input, special, &number):
            return False
        length = integer_to_text(text.digits, number)
    else:
        if length > UINT32_MAX:
            return input_bad(input, b"a string claims to be longer than any can be")
        if not input_need(input, length):
            return False
        text.text = <const char *> input.data + input.at
        input.at += length
    text.length = length
    return True


cdef void text_free(Text *text) noexcept nogil:
    """Good for a text that could not be read, too."""
    free(text.owned)
    text.owned = NULL


cdef bint read_chunk(Input *input, unsigned char **chunk, size_t *length) noexcept nogil:
    cdef Text text
    if not read_text(input, &text):
        return False
    length[0] = text.length
    if text.owned != NULL:
        chunk[0] = <unsigned char *> text.owned
        return True
    chunk[0] = <unsigned char *> malloc(text.length + 1)
    if chunk[0] == NULL:
        return input_fail(input, INPUT_NO_MEMORY, b"no memory for a string")
    memcpy(chunk[0], text.text, text.length)
    return True


cdef bint skip_string(Input *input) noexcept nogil:
    """Goes behind a string without decompressing it."""
    cdef uint64_t length = 0
    cdef int64_t number
    cdef int special
    if not read_head(input, &length, &special):
        return False
    if special == SPECIAL_LZF:
        if not read_length(input, &length):
            return False
        if not skip_length(input):
            return False
    elif special >= 0:
        return read_integer(input, special, &number)
    if not input_need(input, length):
        return False
    input.at += length
    return True


cdef bint skip_length(Input *input) noexcept nogil:
    cdef uint64_t length
    return read_length(input, &length)
