# cython: freethreading_compatible=True
"""The decimal digits of a double by Grisu2. See `grisu.pyx`."""

cdef enum:
    GRISU_DIGITS = 18            # at most

# `value` is finite and above 0: it is the digits, as an integer, times 10**exponent. How many they are.
cdef int grisu_digits(double value, char *digits, int *exponent) noexcept nogil
