# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The decimal digits of a double by Grisu2, as Redis prints it.

Idea (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers", 2010): the double and the
two midpoints to its neighbours are multiplied by a power of ten that brings them into a range where 64-bit integers do;
digits of the upper bound are produced until what is left is within the bounds. The result always reads back to the same
double; about once in a thousand it is not the shortest. Scores and other doubles are part of the protocol and of dumps,
so which power is taken, how products are rounded and that the bounds shrink by one unit follow Redis.

Owner: none; pure functions that need no thread state. The table of powers is made once, at import.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from mtredis.lib.bits cimport leading_zeros

cdef extern from *:
    """
    static inline unsigned long long mt_multiply_high(unsigned long long a, unsigned long long b)
    {
        return (unsigned long long) (((unsigned __int128) a * b + ((unsigned __int128) 1 << 63)) >> 64);
    }
    """
    uint64_t multiply_high "mt_multiply_high"(uint64_t a, uint64_t b) noexcept nogil      # rounded to nearest

cdef enum:
    POWERS = 87
    POWER_FIRST = -348           # of ten; then every 8th
    POWER_STEP = 8
    EXPONENT_MIN = -60           # where a product's exponent must lie
    EXPONENT_MAX = -32

cdef struct Power:
    uint64_t mantissa            # its top bit is set
    int exponent                 # of two

cdef Power powers[POWERS]


cdef void fill_powers():
    """Every mantissa is the nearest one."""
    cdef int i
    for i in range(POWERS):
        power = POWER_FIRST + i * POWER_STEP
        numerator, denominator = 10 ** max(power, 0), 10 ** max(-power, 0)
        shift = numerator.bit_length() - denominator.bit_length() - 64
        if shift > 0:
            denominator <<= shift
        else:
            numerator <<= -shift
        if numerator // denominator >> 64:
            denominator <<= 1
            shift += 1
        mantissa = (2 * numerator + denominator) // (2 * denominator)
        powers[i].mantissa = mantissa
        powers[i].exponent = shift


cdef inline int power_for(int exponent) noexcept nogil:
    """Which power brings a number with that exponent into the range. Two may do: it begins where Redis does."""
    cdef int approximate = <int> (-(exponent + POWERS) * 0.30102999566398114)
    cdef int index = (approximate - POWER_FIRST) // POWER_STEP
    while True:
        if exponent + powers[index].exponent + 64 < EXPONENT_MIN:
            index += 1
        elif exponent + powers[index].exponent + 64 > EXPONENT_MAX:
            index -= 1
        else:
            return index


cdef inline void approach(char *last, uint64_t delta, uint64_t rest, uint64_t unit, uint64_t distance) noexcept nogil:
    """Lowers the last digit as long as that brings the digits nearer to the double and they stay within the bounds."""
    while rest < distance and delta - rest >= unit and (
            rest + unit < distance or distance - rest > rest + unit - distance):
        last[0] -= 1
        rest += unit


cdef int produce(char *digits, uint64_t upper, uint64_t distance, uint64_t delta, int shift,
                 int *exponent) noexcept nogil:
    """Digits of `upper` (`shift` bits behind the point), `delta` above the lower bound, `distance` above the double."""
    cdef uint64_t mask = (<uint64_t> 1 << shift) - 1
    cdef uint64_t whole = upper >> shift
    cdef uint64_t part = upper & mask
    cdef uint64_t divisor = 1000000000
    cdef uint64_t scale = 1
    cdef uint64_t rest, digit
    cdef int place = 10
    cdef int count = 0
    while place > 0:
        digit = whole // divisor
        whole -= digit * divisor
        if digit or count:
            digits[count] = <char> (c'0' + digit)
            count += 1
        place -= 1
        rest = (whole << shift) + part
        if rest <= delta:
            exponent[0] += place
            approach(digits + count - 1, delta, rest, divisor << shift, distance)
            return count
        divisor //= 10
    while True:
        part *= 10
        delta *= 10
        scale *= 10
        place -= 1
        digit = part >> shift
        part &= mask
        if digit or count:
            digits[count] = <char> (c'0' + digit)
            count += 1
        if part < delta:
            exponent[0] += place
            approach(digits + count - 1, delta, part, mask + 1, distance * scale)
            return count


cdef int grisu_digits(double value, char *digits, int *exponent) noexcept nogil:
    """Writes the digits of a finite positive double; their count. The last stands for 10**exponent."""
    cdef uint64_t hidden = <uint64_t> 1 << 52
    cdef uint64_t bits, fraction, exact, lower, upper, power
    cdef int binary, shift, index
    memcpy(&bits, &value, 8)
    fraction = bits & (hidden - 1)
    binary = <int> (bits >> 52)
    if binary:
        fraction |= hidden
    else:
        binary = 1
    shift = leading_zeros(fraction)
    binary -= 1075 + shift
    index = power_for(binary)
    power = powers[index].mantissa
    exact = multiply_high(fraction << shift, power)
    upper = multiply_high((2 * fraction + 1) << (shift - 1), power) - 1
    if fraction == hidden:
        lower = multiply_high((4 * fraction - 1) << (shift - 2), power) + 1
    else:
        lower = multiply_high((2 * fraction - 1) << (shift - 1), power) + 1
    exponent[0] = -(POWER_FIRST + index * POWER_STEP)
    return produce(digits, upper, upper - exact, upper - lower, -(binary + powers[index].exponent + 64), exponent)


fill_powers()
