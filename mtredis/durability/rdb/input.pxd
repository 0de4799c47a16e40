# cython: freethreading_compatible=True
"""The primitives of the RDB format, read from memory that nobody vouches for. See `input.pyx`.

What reads returns false when it cannot; then `code`, `error` and `error_at` say why, and `at` is anywhere.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:                           # Input.code
    INPUT_GOOD = 0
    INPUT_NO_MEMORY = -1
    INPUT_SHORT = -2                 # the rest has not come yet
    INPUT_BAD = -3                   # it is not what it should be
    INPUT_EMPTY = -4                 # a collection without elements

cdef struct Input:
    const unsigned char *data
    size_t size                      # bytes that are there
    size_t at                        # the next
    uint64_t beyond                  # how many more may come behind them
    int code
    const char *error                # what is wrong
    size_t error_at

cdef struct Text:                    # a string; it must not be moved
    const char *text
    size_t length
    char *owned                      # NULL: the text lies in the input or in `digits`
    char digits[24]

cdef bint input_fail(Input *input, int code, const char *error) noexcept nogil      # false
cdef bint input_bad(Input *input, const char *error) noexcept nogil                 # false; the same with INPUT_BAD
# Whether so many bytes are there.
cdef bint input_need(Input *input, uint64_t bytes) noexcept nogil
# Whether so many things can follow, each of which takes at least `each` bytes: before anything is made for them.
cdef bint input_expect(Input *input, uint64_t count, size_t each) noexcept nogil
cdef bint read_byte(Input *input, int *byte) noexcept nogil
cdef bint read_int64(Input *input, int64_t *number) noexcept nogil                  # little-endian
cdef bint read_length(Input *input, uint64_t *length) noexcept nogil
cdef bint read_text(Input *input, Text *text) noexcept nogil                        # then text_free
cdef void text_free(Text *text) noexcept nogil
# The string in a malloc'd chunk of its own.
cdef bint read_chunk(Input *input, unsigned char **chunk, size_t *length) noexcept nogil
cdef bint skip_string(Input *input) noexcept nogil
