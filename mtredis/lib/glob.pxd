# cython: freethreading_compatible=True
"""Glob matching on plain memory. See `glob.pyx`."""

cdef bint glob(const char *pattern, size_t pattern_length, const char *text, size_t text_length,
               bint nocase) noexcept nogil
