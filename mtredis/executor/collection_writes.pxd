# cython: freethreading_compatible=True
"""Writes of sets, hashes, sorted sets and streams in C, for the table in `native.pyx`: see `collection_writes.pyx`."""
from mtredis.executor.native cimport Writing

cdef bint run_sadd(Writing *writing) noexcept nogil
cdef bint run_srem(Writing *writing) noexcept nogil
cdef bint run_spop(Writing *writing) noexcept nogil
cdef bint run_hset(Writing *writing) noexcept nogil
cdef bint run_hmset(Writing *writing) noexcept nogil
cdef bint run_hsetnx(Writing *writing) noexcept nogil
cdef bint run_hincrby(Writing *writing) noexcept nogil
cdef bint run_hdel(Writing *writing) noexcept nogil
cdef bint run_zadd(Writing *writing) noexcept nogil
cdef bint run_zincrby(Writing *writing) noexcept nogil
cdef bint run_zrem(Writing *writing) noexcept nogil
cdef bint run_zpopmin(Writing *writing) noexcept nogil
cdef bint run_zpopmax(Writing *writing) noexcept nogil
cdef bint run_zremrangebyscore(Writing *writing) noexcept nogil
cdef bint run_xadd(Writing *writing) noexcept nogil
