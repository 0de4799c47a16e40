# cython: freethreading_compatible=True
"""The two clocks of the core: unix time in ms for what clients see, a monotonic one in µs for durations."""
from libc.stdint cimport int64_t

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *result)
    int CLOCK_REALTIME, CLOCK_MONOTONIC

cdef inline int64_t unix_ms() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_REALTIME, &t)
    return <int64_t> t.tv_sec * 1000 + t.tv_nsec // 1000000

cdef inline int64_t monotonic_us() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t> t.tv_sec * 1000000 + t.tv_nsec // 1000
