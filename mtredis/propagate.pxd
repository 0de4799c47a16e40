# cython: freethreading_compatible=True
"""The write stream: what has changed, as commands, on its way to the AOF and to replicas. See `propagate.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.lib.buffer cimport Buffer

cdef class Sink:
    # Takes all of it, in its own way (-1: a Python exception is set). What comes is whole execution units.
    cdef int write(self, const char *data, size_t length) except -1

cdef class Propagation:
    cdef Buffer pending              # encoded, and not given to the sinks yet
    cdef list sinks
    cdef readonly bint is_on         # there is a sink: else nothing is encoded
    cdef readonly bint is_broken     # memory was out: something is missing in the stream
    cdef readonly uint64_t offset    # bytes given to the sinks since the start
    cdef int selected                # the database that the stream is in; -1: unknown
    cdef int depth                   # of nested units
    cdef size_t unit_start           # of the unit under way, in `pending`
    cdef int64_t unit_commands       # in the unit under way
    cdef public object on_broken     # (): called once
    cdef public object on_switch     # (is_on): called when the first sink comes and when the last has gone

    cdef object switch(self, bint is_on)
    # Room for a command of so many arguments and bytes, so that its `put_*` cannot fail; 0, or -1: no memory.
    cdef int reserve(self, size_t arguments, size_t size) noexcept
    # A command: its head, then each of its arguments. After `reserve`, or checked by the caller (-1: no memory).
    cdef int select(self, int database) noexcept
    cdef int put_command(self, int database, int64_t arguments) noexcept
    cdef int put(self, const char *data, size_t length) noexcept
    cdef int put_integer(self, int64_t value) noexcept
    cdef void broken(self) noexcept
    cdef void unit_begin(self) noexcept
    cdef void unit_end(self) noexcept
    # Gives the sinks the units that are complete.
    cdef int flush(self) except -1
