# cython: freethreading_compatible=True
"""Bits of a word: what the processor counts in one instruction."""
from libc.stdint cimport uint64_t

cdef extern from *:
    int leading_zeros "__builtin_clzll"(uint64_t word) noexcept nogil      # of a word that is not 0
