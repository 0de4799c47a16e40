# cython: freethreading_compatible=True
"""Hot commands in C: see `native.pyx`."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.client cimport Connection, Settings
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.entry cimport Entry
from mtredis.lib.buffer cimport Buffer
from mtredis.protocol.parser cimport Argument, Query, Request

cdef struct Counts:              # of the executor, which a native command adds to
    int64_t *dirty
    int64_t *hits
    int64_t *misses
    int64_t expire_at            # unix ms: the time that the command has set; -1: none (native_effects.pyx)
    Buffer *effects              # where what the command has done goes; NULL: nowhere

cdef struct Writing:             # one write under way
    Core *core
    Connection *connection
    Query *query
    Request *request
    Argument *arguments          # of the request
    Table *table                 # of the client's database
    const char *key
    size_t key_length
    uint64_t hash
    Entry *entry                 # what is under the key, not expired; NULL: nothing
    Counts *counts

# Does the whole command and writes its reply; or does nothing, but for bytes behind the reply's mark: False.
# There is room for a reply of REPLY_ROOM bytes, so that none that is as short fails when the change is made.
ctypedef bint (*RunWrite)(Writing *writing) noexcept nogil

cdef enum:
    REPLY_ROOM = 128             # more than any reply but a bulk string

cdef inline const char *text(Writing *writing, uint32_t index, size_t *length) noexcept nogil:
    """The bytes of an argument."""
    length[0] = writing.arguments[index].length
    return writing.query.data + writing.arguments[index].offset

cdef bint run_read(Core *core, uint32_t gates, Connection *connection, Query *query, Request *request, int native,
                   Counts *counts) noexcept
cdef bint run_write(Core *core, Settings *settings, Connection *connection, Query *query, Request *request, int native,
                    Counts *counts) noexcept
