# cython: freethreading_compatible=True
"""The command table in C memory: see `table.pyx`."""
from cpython.ref cimport PyObject
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    COMMAND_NAME_SIZE = 40
    COMMANDS_MAX = 512

# What the compiled core can do by itself; 0: only the Python handler.
cdef enum Native:
    NATIVE_NONE = 0
    NATIVE_GET
    NATIVE_STRLEN
    NATIVE_EXISTS
    NATIVE_TTL
    NATIVE_PTTL
    NATIVE_PING
    NATIVE_READS_END       # everything before is served by workers, too
    NATIVE_SET
    NATIVE_INCR
    NATIVE_DECR
    NATIVE_INCRBY
    NATIVE_DECRBY

cdef struct CommandEntry:
    char name[COMMAND_NAME_SIZE]   # lower case; "config|get" for a subcommand
    uint8_t name_length
    uint8_t native                 # a Native
    int16_t arity                  # Redis's convention: negative for "at least"
    uint16_t id                    # index in the table; names the counters of workers
    uint32_t gated_by              # gates (client.pxd) that must be looked at before it runs
    uint64_t flags                 # registry.command flags
    PyObject *command              # borrowed: the registry keeps every Command for ever
    # Owned by the executor:
    uint64_t calls
    uint64_t microseconds
    uint64_t rejected
    uint64_t failed

cdef CommandEntry *command_lookup(const char *name, size_t length) noexcept nogil
cdef CommandEntry *command_at(int index) noexcept nogil
cdef int command_count() noexcept nogil
