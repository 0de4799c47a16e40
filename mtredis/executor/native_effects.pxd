# cython: freethreading_compatible=True
"""What native writes have done, for the write stream: see `native_effects.pyx`."""
from libc.stdint cimport int64_t
from mtredis.client cimport Connection
from mtredis.lib.buffer cimport Buffer, buffer_reserve
from mtredis.propagate cimport Propagation
from mtredis.protocol.parser cimport Query, Request

cdef enum:
    EFFECT_ROOM = 512            # bytes that the words of a short command take beyond its arguments

cdef inline bint has_room_for_effect(Buffer *effects, size_t length) noexcept nogil:
    """Whether there is room for a short command whose arguments have that many bytes; in no stream there is."""
    return effects == NULL or buffer_reserve(effects, length + EFFECT_ROOM) != NULL

cdef bint effect_reserve(Propagation propagation, Query *query, Request *request) noexcept
cdef void effect_put(Propagation propagation, Connection *connection, Query *query, Request *request, int native,
                     size_t mark, int64_t expire_at) noexcept
