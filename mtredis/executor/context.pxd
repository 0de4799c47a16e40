# cython: freethreading_compatible=True
"""What a command handler is given: see `context.pyx`."""
from libc.stdint cimport int64_t
from mtredis.client cimport Client, Connection, Settings, SharedSettings
from mtredis.keyspace.database cimport Database, Keyspace
from mtredis.propagate cimport Propagation
from mtredis.protocol.reply cimport Reply

cdef class Context:
    cdef readonly Reply reply
    cdef readonly Database db
    cdef readonly object server
    cdef readonly Keyspace keyspace
    cdef readonly Propagation propagation
    cdef public bint replays              # the commands are effects of former ones (AOF): what was allowed then, is
    cdef bint is_replaced                 # the handler has said what goes into the write stream for it
    cdef public object execute_queued     # callable (command, argv): runs one command of a transaction
    cdef public object notifier           # callable (event, key, db index), when keyspace events are published
    cdef public object watches            # executor.transaction.Watches
    cdef public object blocking           # executor.blocking.Blocking
    cdef readonly list queues             # by database: key -> who is blocked on it (Blocking keeps them)
    cdef readonly dict ready              # (db index, key) of those that were changed since Blocking last served
    cdef tuple wait                       # what the handler has passed to `block`
    cdef readonly bint retrying           # the handler of a blocked client is run again
    cdef public int64_t dirty             # changes since the start
    cdef public bint in_exec
    cdef Settings *settings
    cdef Connection *connection           # of the client whose command runs; NULL: none (cron)
    cdef list databases
    cdef SharedSettings settings_holder
    cdef int enter(self, Connection *connection) except -1
    cdef int touched(self, int index, bytes key) except -1
    cdef int leave(self) except -1
