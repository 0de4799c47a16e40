# cython: freethreading_compatible=True
"""The executor's data: see `executor.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.client cimport Client, Connection, Letter, Loop, Settings, SharedSettings
from mtredis.executor.context cimport Context
from mtredis.keyspace.database cimport Keyspace
from mtredis.keyspace.core cimport Core
from mtredis.lib.mailbox cimport Mail, Mailbox
from mtredis.protocol.parser cimport Query, Request
from mtredis.protocol.reply cimport Reply
from mtredis.registry.table cimport CommandEntry

cdef enum:
    LOOPS_MAX = 128

cdef class Executor:
    cdef Mailbox mailbox
    cdef int epoll_fd
    cdef Settings *settings
    cdef Core *core
    cdef Loop *loops[LOOPS_MAX]
    cdef int resume_fds[LOOPS_MAX]
    cdef bint driving[LOOPS_MAX]         # this thread drives the loop
    cdef Letter yield_letters[LOOPS_MAX]
    cdef Mail *done_newest[LOOPS_MAX]    # connections to give back to each worker, collected
    cdef Mail *done_oldest[LOOPS_MAX]
    cdef int loops_length
    cdef Connection *connections         # all registered ones, newest first
    cdef int64_t connections_length
    cdef readonly Context context
    cdef Keyspace keyspace
    cdef Reply reply
    cdef SharedSettings settings_holder
    cdef object calls                    # deque of callables for this thread
    cdef list timers                     # heap of (unix ms, number, callable)
    cdef uint64_t timers_made
    cdef public list postponed           # clients whose command waits for the end of a pause
    cdef bint stopping
    cdef bint redrive                    # a driven loop has work that no event announces
    cdef int64_t next_cron
    cdef public int64_t cron_interval    # ms
    cdef public uint64_t commands        # executed on this thread
    cdef public uint64_t rounds          # of the loop in `run`
    cdef public uint64_t driven_reads    # of sockets, by this thread
    cdef public uint64_t driven_writes
    cdef Py_ssize_t errors_seen          # error replies that are counted for a command already
    cdef public int64_t slow_threshold   # µs from which `on_slow` is told; -1: never
    cdef uint64_t natives                # counts native commands, to time one in NATIVE_SAMPLE
    cdef int64_t command_time            # µs of the command that ran last
    # Hooks, set by the server
    cdef public object admit             # (context, command, argv, gates) -> True to run, False to postpone; may raise
    cdef public object on_cron           # (unix ms)
    cdef public object on_closed         # (client)
    cdef public object on_slow           # (argv, µs, client)
    cdef public object on_monitor        # (client, argv)
    cdef public object on_bug            # (command name, exception)
    cdef public object on_error_reply    # (text)
    cdef public object resolve           # argv -> Command or None (registry.lookup)
    cdef public object refuse_unknown    # argv -> CommandError
    cdef public object refuse_arity      # command -> CommandError

    cdef start_driving(self, int i)
    cdef Client client_of(self, Connection *connection)
    cdef int time_to_wait(self, int64_t now) except -1
    cdef void wait(self, int timeout) noexcept
    cdef int take_mail(self) except -1
    cdef int drive(self) except -1
    cdef int drive_loop(self, Loop *loop) except -1
    cdef int execute(self, Connection *connection) except -1
    cdef bint run_native(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept
    cdef bint run_read(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept
    cdef bint run_write(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept
    cdef int call(self, Connection *connection, Query *query, Request *request) except -1
    cdef int dispatch(self, Connection *connection, CommandEntry *entry, object command, list argv) except -1
    cdef reject(self, Connection *connection, CommandEntry *entry, error)
    cdef reply_error(self, error)
    cdef invoke_muted(self, CommandEntry *entry, object command, list argv)
    cdef int invoke(self, CommandEntry *entry, object command, list argv) except -1
    cdef void register(self, Connection *connection) noexcept
    cdef int forget(self, Connection *connection) except -1
    cdef void give_back(self, Connection *connection, int kind) noexcept
    cdef void post_given_back(self) noexcept
    cdef void resume_connection(self, Connection *connection) noexcept
