# cython: freethreading_compatible=True
"""Writes of lists in C, for the table in `native.pyx`: see `list_writes.pyx`."""
from mtredis.executor.native cimport Writing

cdef bint run_lpush(Writing *writing) noexcept nogil
cdef bint run_rpush(Writing *writing) noexcept nogil
cdef bint run_lpushx(Writing *writing) noexcept nogil
cdef bint run_rpushx(Writing *writing) noexcept nogil
cdef bint run_lpop(Writing *writing) noexcept nogil
cdef bint run_rpop(Writing *writing) noexcept nogil
cdef bint run_rpoplpush(Writing *writing) noexcept nogil
cdef bint run_lmove(Writing *writing) noexcept nogil
cdef bint run_ltrim(Writing *writing) noexcept nogil
