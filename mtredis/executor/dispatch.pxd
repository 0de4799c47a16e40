# cython: freethreading_compatible=True
"""The dispatcher's data: see `dispatch.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.client cimport Connection, Settings, SharedSettings
from mtredis.executor.context cimport Context
from mtredis.executor.native cimport Counts
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.database cimport Keyspace
from mtredis.lib.buffer cimport Buffer
from mtredis.propagate cimport Propagation
from mtredis.protocol.parser cimport Query, Request
from mtredis.protocol.reply cimport Reply
from mtredis.registry.table cimport CommandEntry

cdef enum Outcome:
    RAN = 0
    STOPPED = 1              # the connection takes no further command now; this one was put off
    BLOCKED = 2              # the same, but this one is done as far as it goes: it waits for a key
    GONE = 3                 # nobody is there any more

cdef class Dispatcher:
    cdef Settings *settings
    cdef Core *core
    cdef readonly Context context
    cdef readonly Propagation propagation
    cdef bint left_changes               # by a native command that has then refused: its handler's are to go out
    cdef Buffer scratch                  # what a blocked client gets: the loop holds its own buffer
    cdef object blocked                  # executor.blocking.Blocked whose handler is run again, or None
    cdef Keyspace keyspace
    cdef Reply reply
    cdef SharedSettings settings_holder
    cdef public list postponed           # clients whose command waits for the end of a pause
    cdef public uint64_t commands        # executed here
    cdef public uint64_t long_commands   # those of them that took LONG_MICROSECONDS or more
    cdef public int64_t slow_threshold   # µs from which `on_slow` is told; -1: never
    cdef Py_ssize_t errors_seen          # error replies that are counted for a command already
    cdef uint64_t natives                # counts native commands, to time one in NATIVE_SAMPLE
    # Hooks, set by the server
    cdef public object admit             # (context, command, argv, gates) -> True to run, False to postpone; may raise
    cdef public object on_slow           # (command, argv, µs, client)
    cdef public object on_monitor        # (client, command, argv)
    cdef public object on_bug            # (command name, exception)
    cdef public object on_error_reply    # (text)
    cdef public object resolve           # argv -> Command or None (registry.lookup)
    cdef public object refuse_unknown    # argv -> CommandError
    cdef public object refuse_arity      # command -> CommandError
    cdef public object refuse_exec       # (client, command, argv, CommandError) -> CommandError; ends the transaction

    cdef int execute(self, Connection *connection) except -1
    cdef bint run_native(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept
    cdef bint run_native_write(self, Connection *connection, Query *query, Request *request, CommandEntry *entry,
                               Counts *counts) noexcept
    cdef int call(self, Connection *connection, Query *query, Request *request) except -1
    cdef int dispatch(self, Connection *connection, CommandEntry *entry, object command, list argv) except -1
    cdef int serve_blocked(self) except -1
    cdef int dispatch_muted(self, Connection *connection, CommandEntry *entry, object command, list argv) except -1
    cdef reject(self, Connection *connection, CommandEntry *entry, object command, list argv, error)
    cdef reply_error(self, error)
    cdef fail(self, size_t mark, error)
    cdef int invoke(self, CommandEntry *entry, object command, list argv) except -1
    cdef int propagate(self, int64_t dirty, list argv) except -1
    cdef int block(self, object command, list argv, list shown, int64_t elapsed) except -1
    cdef int count(self, CommandEntry *entry, object command, list shown, int64_t elapsed, bint failed) except -1
    cdef int enter_blocked(self, Connection *connection) except -1
    cdef int deliver(self, Connection *connection) except -1
