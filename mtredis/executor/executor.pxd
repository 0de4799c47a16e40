# cython: freethreading_compatible=True
"""The executor's data: see `executor.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.client cimport EVENTS_MAX, Client, Connection, Letter, Loop
from mtredis.executor.dispatch cimport Dispatcher
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.database cimport Keyspace
from mtredis.lib.epoll cimport epoll_event
from mtredis.lib.mailbox cimport Mail, Mailbox

cdef enum:
    LOOPS_MAX = 128

cdef class Executor:
    cdef Mailbox mailbox
    cdef int epoll_fd
    cdef Core *core
    cdef readonly Dispatcher dispatcher
    cdef Loop *loops[LOOPS_MAX]
    cdef int resume_fds[LOOPS_MAX]
    cdef bint driving[LOOPS_MAX]         # this thread drives the loop
    cdef Letter yield_letters[LOOPS_MAX]
    cdef Letter stop_letters[LOOPS_MAX]
    cdef int loops_length
    cdef Connection *connections         # all registered ones, newest first
    cdef int64_t connections_length
    cdef object calls                    # deque of callables for this thread
    cdef list timers                     # heap of (unix ms, number, callable)
    cdef uint64_t timers_made
    cdef epoll_event events[EVENTS_MAX]  # what the last wait has reported
    cdef int events_length
    cdef bint was_busy                   # the last wait has reported something
    cdef int patience
    cdef bint stopping
    cdef bint redrive                    # a driven loop has work that no event announces
    cdef int64_t next_cron
    cdef int64_t alarm                   # unix ms at which `on_alarm` is due; 0: none
    cdef public int64_t cron_interval    # ms
    cdef public uint64_t rounds          # of the loop in `run`
    cdef public uint64_t driven_reads    # of sockets, by this thread
    cdef public uint64_t driven_writes
    # Hooks, set by the server
    cdef public object on_cron           # (unix ms)
    cdef public object on_backlog        # (): what waits for clients has grown to the alarm
    cdef public object on_closed         # (client)
    cdef public object on_alarm          # (unix ms)

    cdef start_driving(self, int i)
    cdef int time_to_wait(self, int64_t now) except -1
    cdef bint look_again(self) noexcept nogil
    cdef void wait(self, int timeout) noexcept
    cdef int take_mail(self) except -1
    cdef int drive(self) except -1
    cdef void take_events(self) noexcept nogil
    cdef int execute_ready(self, Loop *loop) except -1
    cdef void register(self, Connection *connection) noexcept
    cdef int forget(self, Connection *connection) except -1
    cdef int look_at_backlog(self, Connection *connection) except -1
    cdef void give_back(self, Connection *connection, int kind) noexcept
    cdef int settle(self) except -1
    cdef void post_collected(self) noexcept nogil
    cdef void flush_driven(self) noexcept nogil
    cdef void resume_connection(self, Connection *connection) noexcept
