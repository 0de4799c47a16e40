# cython: freethreading_compatible=True
"""Writes of strings and of keys in C, for the table in `native.pyx`: see `string_writes.pyx`."""
from mtredis.executor.native cimport Writing

cdef bint run_set(Writing *writing) noexcept nogil
cdef bint run_setnx(Writing *writing) noexcept nogil
cdef bint run_setex(Writing *writing) noexcept nogil
cdef bint run_psetex(Writing *writing) noexcept nogil
cdef bint run_getset(Writing *writing) noexcept nogil
cdef bint run_getdel(Writing *writing) noexcept nogil
cdef bint run_getex(Writing *writing) noexcept nogil
cdef bint run_append(Writing *writing) noexcept nogil
cdef bint run_setbit(Writing *writing) noexcept nogil
cdef bint run_mset(Writing *writing) noexcept nogil
cdef bint run_incr(Writing *writing) noexcept nogil
cdef bint run_decr(Writing *writing) noexcept nogil
cdef bint run_incrby(Writing *writing) noexcept nogil
cdef bint run_decrby(Writing *writing) noexcept nogil
cdef bint run_del(Writing *writing) noexcept nogil
cdef bint run_expire(Writing *writing) noexcept nogil
cdef bint run_pexpire(Writing *writing) noexcept nogil
cdef bint run_expireat(Writing *writing) noexcept nogil
cdef bint run_pexpireat(Writing *writing) noexcept nogil
cdef bint run_persist(Writing *writing) noexcept nogil
