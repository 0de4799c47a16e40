# cython: freethreading_compatible=True
"""Keys as commands that make them anew. See `commands.pyx`."""
from mtredis.keyspace.entry cimport Entry
from mtredis.lib.buffer cimport Buffer

# Which database the keys that follow are in; 0, or -1: no memory (here and below).
cdef int commands_select(Buffer *out, int database) noexcept nogil
cdef int commands_write_entry(Buffer *out, Entry *entry) noexcept nogil
