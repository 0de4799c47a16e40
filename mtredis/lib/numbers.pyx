# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Numbers as Redis reads and writes them.

Idea: what a client may send as a number, and the digits it reads back, are part of the protocol. So an integer has
exactly one spelling (no plus, no leading zero, no space, no "-0"), a float is what strtod takes whole, and
INCRBYFLOAT adds in C `long double` (64 bits of mantissa on x86) and prints 17 decimals without trailing zeros.

Owner: none; pure functions. The C functions marked nogil need no thread state and touch no Python object.

Limits: a double is printed as Redis prints it (grisu.pyx), which for about one in a thousand is not the shortest text
that reads back to the same double.
"""
from libc cimport errno as c_errno
from libc.errno cimport EINVAL, ERANGE
from libc.math cimport HUGE_VAL
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memcpy, memset
from mtredis.lib.grisu cimport GRISU_DIGITS, grisu_digits

from mtredis.errors import CommandError, NotFloat, NotInteger

cdef extern from "stdlib.h" nogil:
    long double strtold(const char *text, char **end)

cdef extern from "math.h" nogil:
    bint isnan(long double value)
    bint isinf(long double value)
    long double ceill(long double value)

cdef enum:
    INTEGER_TEXT_LIMIT = 21         # a longer text is refused unread
    LONG_DOUBLE_TEXT_LIMIT = 5120   # likewise, and room for the widest finite long double in digits


cdef inline bint is_space(char c) noexcept nogil:
    return c == c' ' or (c >= 9 and c <= 13)


cdef bint integer_from_text(const char *text, size_t length, int64_t *value) noexcept nogil:
    """True and the value if the text is the one canonical spelling of a signed 64-bit integer."""
    cdef uint64_t total
    cdef unsigned int digit
    cdef size_t i = 0
    cdef bint negative
    if length == 0 or length >= INTEGER_TEXT_LIMIT:
        return False
    if length == 1 and text[0] == c'0':
        value[0] = 0
        return True
    negative = text[0] == c'-'
    if negative:
        i = 1
        if length == 1:
            return False
    if text[i] < c'1' or text[i] > c'9':
        return False
    total = <uint64_t> (text[i] - c'0')
    i += 1
    while i < length:
        digit = <unsigned int> (<unsigned char> text[i]) - 48
        if digit > 9 or total > (<uint64_t> 0xFFFFFFFFFFFFFFFF - digit) // 10:
            return False
        total = total * 10 + digit
        i += 1
    if negative:
        if total > <uint64_t> 0x8000000000000000:
            return False
        value[0] = <int64_t> (0 - total)
    else:
        if total > <uint64_t> 0x7FFFFFFFFFFFFFFF:
            return False
        value[0] = <int64_t> total
    return True


cdef bint double_from_text(const char *text, size_t length, double *value) noexcept nogil:
    """True and the value if strtod takes the whole text; no leading space, no NaN, no overflow, no underflow to zero.

    The text must be followed by a NUL byte (as in a bytes object)."""
    cdef char *end
    cdef double result
    if length == 0 or is_space(text[0]):
        return False
    c_errno.errno = 0
    result = strtod(text, &end)
    if <size_t> (end - text) != length or c_errno.errno == EINVAL or result != result:
        return False
    if c_errno.errno == ERANGE and (result == HUGE_VAL or result == -HUGE_VAL or result == 0):
        return False
    value[0] = result
    return True


cdef bint long_double_from_text(const char *text, size_t length, long double *value) noexcept nogil:
    """As double_from_text, in extended precision, for at most 5119 bytes; they need no NUL behind them."""
    cdef char buffer[LONG_DOUBLE_TEXT_LIMIT]
    cdef char *end
    cdef long double result
    if length == 0 or length >= LONG_DOUBLE_TEXT_LIMIT or is_space(text[0]):
        return False
    memcpy(buffer, text, length)
    buffer[length] = 0
    c_errno.errno = 0
    result = strtold(buffer, &end)
    if <size_t> (end - buffer) != length or c_errno.errno == EINVAL or isnan(result):
        return False
    if c_errno.errno == ERANGE and (isinf(result) or result == 0):
        return False
    value[0] = result
    return True


cdef int copy_text(char *target, const char *text, int length) noexcept nogil:
    memcpy(target, text, length)
    return length


cdef int lay_out(char *target, const char *digits, int count, int exponent) noexcept nogil:
    """Writes 0.digits * 10**(exponent + count) the way Redis lays digits out; returns the length."""
    cdef int magnitude = exponent + count - 1    # of the first digit
    cdef int size = magnitude if magnitude >= 0 else -magnitude
    cdef int length, point
    if exponent >= 0 and size < count + 7:
        memcpy(target, digits, count)
        memset(target + count, c'0', exponent)
        return count + exponent
    if exponent < 0 and (exponent > -7 or size < 4):
        point = count + exponent
        if point <= 0:
            memcpy(target, b"0.", 2)
            memset(target + 2, c'0', -point)
            memcpy(target + 2 - point, digits, count)
            return count + 2 - point
        memcpy(target, digits, point)
        target[point] = c'.'
        memcpy(target + point + 1, digits + point, count - point)
        return count + 1
    target[0] = digits[0]
    length = 1
    if count > 1:
        target[1] = c'.'
        memcpy(target + 2, digits + 1, count - 1)
        length = count + 1
    target[length] = c'e'
    target[length + 1] = c'-' if magnitude < 0 else c'+'
    return length + 2 + integer_to_text(target + length + 2, size)


cdef int double_to_text(char *target, double value) noexcept nogil:
    """Writes a double as Redis replies with it (at most DOUBLE_TEXT_SIZE bytes, no NUL); returns the length."""
    cdef double bound = 4611686018427387904.0    # 2**62: within it, whole numbers print as integers
    if value != 0 and -bound <= value <= bound and <double> (<int64_t> value) == value:
        return integer_to_text(target, <int64_t> value)
    return shortest_to_text(target, value)


cdef int shortest_to_text(char *target, double value) noexcept nogil:
    """The same, but large whole numbers with an exponent, too."""
    cdef char digits[GRISU_DIGITS]
    cdef int count, exponent = 0, sign = 0
    if value != value:
        return copy_text(target, b"nan", 3)
    if value == 0:
        return copy_text(target, b"-0", 2) if 1.0 / value < 0 else copy_text(target, b"0", 1)
    if value < 0:
        target[0] = c'-'
        sign = 1
        value = -value
    if value == HUGE_VAL:
        return sign + copy_text(target + sign, b"inf", 3)
    count = grisu_digits(value, digits, &exponent)
    return sign + lay_out(target + sign, digits, count, exponent)


cdef bytes human(long double value):
    """The digits of a long double in fixed notation: 17 decimals, less the trailing zeros."""
    cdef char text[LONG_DOUBLE_TEXT_LIMIT]
    cdef int length
    if isnan(value):
        return b"nan"
    if isinf(value):
        return b"inf" if value > 0 else b"-inf"
    length = snprintf(text, sizeof(text), "%.17Lf", value)
    while text[length - 1] == c'0':
        length -= 1
    if text[length - 1] == c'.':
        length -= 1
    if length == 2 and text[0] == c'-' and text[1] == c'0':
        return b"0"
    return text[:length]


def parse_integer(bytes text not None) -> int:
    """The signed 64-bit integer that the text is the canonical decimal of; raises NotInteger otherwise."""
    cdef int64_t value
    if not integer_from_text(text, len(text), &value):
        raise NotInteger()
    return value


def parse_float(bytes text not None) -> float:
    """The double that the text denotes (decimal, hexadecimal, inf); raises NotFloat otherwise and for NaN."""
    cdef double value
    if not double_from_text(text, len(text), &value):
        raise NotFloat()
    return value


def format_double(double value) -> bytes:
    """The double as it stands in a reply: its digits, an exponent only for the very large and very small."""
    cdef char text[DOUBLE_TEXT_SIZE]
    cdef int length = double_to_text(text, value)
    return text[:length]


def format_shortest(double value) -> bytes:
    """The fewest digits that give the double, large whole numbers with an exponent: how digests take in scores."""
    cdef char text[DOUBLE_TEXT_SIZE]
    cdef int length = shortest_to_text(text, value)
    return text[:length]


def format_float_human(double value) -> bytes:
    """The double in fixed notation with up to 17 decimals and no trailing zeros."""
    return human(value)


def milliseconds_of_seconds(bytes text not None) -> int:
    """The ms, rounded up, of seconds written as a number of extended precision; raises NotFloat.

    2**63 stands for all that is more than 63 bits hold, -2**63 for all that is less."""
    cdef long double value
    cdef long double bound = 9223372036854775808.0    # 2**63
    if not long_double_from_text(text, len(text), &value):
        raise NotFloat()
    value *= 1000
    if value >= bound:
        return 2**63
    return <int64_t> ceill(value) if value > -bound else -2**63


def add_long_double(bytes value not None, bytes increment not None) -> bytes:
    """The sum in extended precision, in fixed notation with up to 17 decimals: what INCRBYFLOAT stores.

    Raises NotFloat if either text is no number, CommandError if the sum is not finite."""
    cdef long double total, step
    if not long_double_from_text(value, len(value), &total) \
            or not long_double_from_text(increment, len(increment), &step):
        raise NotFloat()
    total += step
    if isnan(total) or isinf(total):
        raise CommandError("ERR increment would produce NaN or Infinity")
    return human(total)
