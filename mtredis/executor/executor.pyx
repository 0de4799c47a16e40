# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The executor: the one thread on which every command that is not a worker-served read runs, and every mutation.

Idea: one round is: wait for mail or events, execute the requests of the connections that workers have posted, drive those
loops that this thread has taken over (poll, execute, flush), run what is due (cron, timers, calls). A connection is
executed in place: arguments lie in its query buffer, replies go to its output buffer, nothing is copied between threads.

The hot commands in their plain form are executed natively on the C table (`run_native`); all others get a list of
`bytes` and go through `dispatch`: arity, gates, MULTI queue, handler. Errors: `CommandError` becomes a reply; any other
exception is a bug, logged with the command's name, and the client gets a generic error.

Owner: the executor thread, of everything here. `mailbox`, `call_soon` and `wake` are for other threads.
Invariant: a connection is executed either between its LETTER_REQUESTS and LETTER_DONE, or while this thread drives its
loop. Driving costs no hop, so it is the choice while this thread is not saturated (`set_driving`).
"""
import heapq
import time
from collections import deque

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from mtredis.client cimport (
    CLASS_PUBSUB, DRIVEN_BY_WORKER, GATE_MONITORED, GATE_MULTI, GATE_MUTED, GATES_OF_CHANGES, GATES_OF_READS,
    GATES_OF_WRITES, LETTER_CALL, LETTER_CLOSED, LETTER_DONE, LETTER_PARKED, LETTER_REGISTER, LETTER_RELEASE,
    LETTER_REQUESTS, LETTER_STOP, LETTER_YIELD, LETTER_YIELDED, QUERY_SIZE, Client, Connection, Letter, Loop, Settings,
    SharedSettings, connection_kill, is_driven_by_executor, is_over_output_limit,
)
from mtredis.executor.context cimport Context
from mtredis.keyspace.core cimport Table, core_set_now, entry_touch, key_hash
from mtredis.keyspace.entry cimport Entry, entry_is_expired
from mtredis.keyspace.table cimport table_find, table_increment, table_set_string
from mtredis.lib.atomics cimport add_u64, load_pointer, store_i32, store_u32
from mtredis.lib.buffer cimport buffer_append
from mtredis.lib.mailbox cimport (
    Mail, Mailbox, mailbox_awake, mailbox_close, mailbox_drain, mailbox_may_sleep, mailbox_open, mailbox_post,
    mailbox_post_chain, mailbox_take, mailbox_wake, posix_close, posix_write,
)
from mtredis.lib.numbers cimport integer_from_text
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.protocol.reply cimport write_integer
from mtredis.reads cimport read_fits, read_touches, write_read
from mtredis.registry.table cimport (
    NATIVE_DECR, NATIVE_DECRBY, NATIVE_INCR, NATIVE_INCRBY, NATIVE_NONE, NATIVE_PING, NATIVE_READS_END, NATIVE_SET,
    CommandEntry, command_at, count_timed, count_untimed,
)
from mtredis.errors import CommandError

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        void *ptr
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll_fd, epoll_event *events, int count, int timeout)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL
    uint32_t EPOLLIN

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *result)
    int CLOCK_REALTIME, CLOCK_MONOTONIC

cdef extern from "<stdint.h>" nogil:
    int64_t INT64_MIN

cdef enum:
    NATIVE_SAMPLE = 16       # one native command in so many is timed, and counts for all of them
    GIVE_BACK_BATCH = 32     # connections executed before workers get their results
    RAN = 0
    STOPPED = 1              # the connection takes no further command now


cdef inline int64_t unix_ms() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_REALTIME, &t)
    return <int64_t> t.tv_sec * 1000 + t.tv_nsec // 1000000


cdef inline int64_t monotonic_us() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t> t.tv_sec * 1000000 + t.tv_nsec // 1000


cdef class Executor:
    """The executor thread's state and main. Built by `server.py`, which sets the hooks before `run`."""

    def __cinit__(self, server, Keyspace keyspace, SharedSettings settings):
        cdef epoll_event event
        self.epoll_fd = self.mailbox.event_fd = -1
        self.keyspace = keyspace
        self.core = keyspace.core
        self.settings_holder = settings
        self.settings = &settings.values
        self.context = Context(server, keyspace, settings)
        self.reply = self.context.reply
        self.context.execute_queued = self.execute_queued
        self.calls = deque()
        self.timers = []
        self.postponed = []
        self.cron_interval = 100
        self.slow_threshold = -1
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self.epoll_fd < 0 or mailbox_open(&self.mailbox) < 0:
            raise OSError(errno, "cannot make the executor's event loop")
        event.events = EPOLLIN
        event.data.ptr = NULL
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.mailbox.event_fd, &event) < 0:
            raise OSError(errno, "cannot watch the executor's mailbox")

    def __dealloc__(self):
        mailbox_close(&self.mailbox)
        if self.epoll_fd >= 0:
            posix_close(self.epoll_fd)

    # --- introductions, before the thread runs -------------------------------------------------------------------------

    @property
    def mailbox_address(self) -> int:
        """The address of the mailbox, for acceptor and workers."""
        return <size_t> &self.mailbox

    def add_loop(self, size_t address, int resume_fd) -> None:
        """Introduces a worker's loop, which this thread drives until told otherwise."""
        cdef int i = self.loops_length
        if i >= LOOPS_MAX:
            raise ValueError(f"more than {LOOPS_MAX} loops")
        self.loops[i] = <Loop *> address
        self.resume_fds[i] = resume_fd
        self.loops_length += 1
        self.start_driving(i)

    cdef start_driving(self, int i):
        cdef epoll_event event
        event.events = EPOLLIN
        event.data.ptr = self.loops[i]
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.loops[i].epoll_fd, &event) < 0:
            raise OSError(errno, "cannot watch a worker's loop")
        self.driving[i] = True
        self.redrive = True

    # --- for any thread ----------------------------------------------------------------------------------------------

    def call_soon(self, function) -> None:
        """Has the executor thread call `function()`. Any thread."""
        cdef Letter *letter = <Letter *> malloc(sizeof(Letter))
        if letter == NULL:
            raise MemoryError
        letter.kind = LETTER_CALL
        letter.connection = NULL
        self.calls.append(function)
        mailbox_post(&self.mailbox, &letter.mail)

    # --- for the executor thread ---------------------------------------------------------------------------------------

    def call_at(self, int64_t when, function) -> None:
        """Calls `function()` at the unix time `when` (ms), or as soon after as possible."""
        self.timers_made += 1
        heapq.heappush(self.timers, (when, self.timers_made, function))

    def stop(self) -> None:
        """Makes `run` return after this round."""
        self.stopping = True

    def clients(self) -> list[Client]:
        """Every connected client, in the order in which they came."""
        cdef Connection *connection = self.connections
        cdef list found = []
        while connection != NULL:
            if connection.fd >= 0 and not connection.killed:
                found.append(self.client_of(connection))
            connection = connection.next_client
        found.reverse()
        return found

    cdef Client client_of(self, Connection *connection):
        cdef Connection *current = self.context.connection
        self.context.connection = connection
        client = self.context.client
        self.context.connection = current
        return client

    @property
    def connections_count(self) -> int:
        """How many connections are registered."""
        return self.connections_length

    def survey(self) -> dict[str, int]:
        """Bytes that the connections hold, and the largest buffers among them, without making any `Client`.

        The query buffer of a connection that its worker may just be giving back counts as a pooled one.
        """
        cdef Connection *connection = self.connections
        cdef size_t normal = 0, pubsub = 0, largest_input = 0, largest_output = 0
        cdef size_t query, output
        while connection != NULL:
            query = 0
            if connection.query != NULL:
                query = QUERY_SIZE
                if connection.held or is_driven_by_executor(connection.loop):
                    query = connection.query.capacity + connection.query.arguments_capacity * sizeof(Argument)
            output = connection.out.capacity + <size_t> connection.pending_output
            if connection.output_class == CLASS_PUBSUB:
                pubsub += sizeof(Connection) + query + output
            else:
                normal += sizeof(Connection) + query + output
            largest_input = max(largest_input, query)
            largest_output = max(largest_output, output)
            connection = connection.next_client
        return {"normal": normal, "pubsub": pubsub, "largest_input": largest_input, "largest_output": largest_output}

    def set_driving(self, bint by_executor) -> None:
        """Takes the workers' loops over, or gives them (back) to their threads, as far as that can be done now.

        Call it from cron, again and again: a loop with unfinished work is given back next time.
        """
        cdef int i
        cdef uint64_t one = 1
        for i in range(self.loops_length):
            if by_executor and not self.driving[i] and self.yield_letters[i].kind == 0:
                self.yield_letters[i].kind = LETTER_YIELD
                mailbox_post(&self.loops[i].mailbox, &self.yield_letters[i].mail)
            elif not by_executor and self.driving[i] and self.loops[i].ready == self.loops[i].unflushed == NULL:
                self.core.readers_active = True
                self.driving[i] = False
                epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, self.loops[i].epoll_fd, NULL)
                store_i32(&self.loops[i].driver, DRIVEN_BY_WORKER)
                posix_write(self.resume_fds[i], &one, sizeof(one))

    @property
    def driven_loops(self) -> int:
        """How many loops this thread drives now."""
        cdef int i
        return sum([1 for i in range(self.loops_length) if self.driving[i]])

    def stop_workers(self) -> None:
        """Tells every worker to end. After `run`."""
        cdef int i
        cdef uint64_t one = 1
        for i in range(self.loops_length):
            self.yield_letters[i].kind = LETTER_STOP
            mailbox_post(&self.loops[i].mailbox, &self.yield_letters[i].mail)
            if self.driving[i]:
                store_i32(&self.loops[i].driver, DRIVEN_BY_WORKER)
                posix_write(self.resume_fds[i], &one, sizeof(one))

    # --- the thread --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The thread's main: returns after `stop()`."""
        cdef int64_t now
        while not self.stopping:
            now = unix_ms()
            self.wait(self.time_to_wait(now))
            self.rounds += 1
            core_set_now(self.core, unix_ms())
            self.take_mail()
            self.drive()
            self.run_due()
        self.post_given_back()
        self.drive()

    cdef int time_to_wait(self, int64_t now) except -1:
        """ms until the next cron or timer."""
        cdef int64_t due = self.next_cron
        if self.redrive or self.calls:
            return 0
        if self.timers:
            due = min(due, <int64_t> self.timers[0][0])
        return <int> max(0, min(due - now, 1000))

    cdef void wait(self, int timeout) noexcept:
        """Waits until there is something to do, at most `timeout` ms, and marks the loops that have events."""
        cdef epoll_event events[LOOPS_MAX + 1]
        cdef int i, count
        with nogil:
            if timeout != 0 and not mailbox_may_sleep(&self.mailbox):
                timeout = 0
            for i in range(self.loops_length):
                if self.driving[i] and (self.loops[i].again != NULL or not mailbox_may_sleep(&self.loops[i].mailbox)):
                    timeout = 0
            count = epoll_wait(self.epoll_fd, events, LOOPS_MAX + 1, timeout)
            mailbox_awake(&self.mailbox)
            for i in range(self.loops_length):
                if self.driving[i]:
                    mailbox_awake(&self.loops[i].mailbox)
            for i in range(count):
                if events[i].data.ptr == NULL:
                    mailbox_drain(&self.mailbox)
                else:
                    (<Loop *> events[i].data.ptr).has_events = True

    cdef int take_mail(self) except -1:
        """Handles what other threads have posted."""
        cdef Mail *mail = mailbox_take(&self.mailbox)
        cdef Letter *letter
        cdef Connection *connection
        cdef int i, executed = 0
        while mail != NULL:
            letter = <Letter *> mail
            mail = mail.next
            connection = letter.connection
            if letter.kind == LETTER_REQUESTS:
                connection.held = True
                i = self.execute(connection)
                connection.held = False
                self.give_back(connection, LETTER_PARKED if i == STOPPED else LETTER_DONE)
                executed += 1
                if executed % GIVE_BACK_BATCH == 0:
                    self.post_given_back()
            elif letter.kind == LETTER_REGISTER:
                self.register(connection)
            elif letter.kind == LETTER_CLOSED:
                self.forget(connection)
            elif letter.kind == LETTER_CALL:
                free(letter)
            elif letter.kind == LETTER_YIELDED:
                for i in range(self.loops_length):
                    if <void *> self.loops[i] == <void *> connection:
                        self.yield_letters[i].kind = 0
                        self.start_driving(i)
        self.post_given_back()
        while self.calls:
            self.calls.popleft()()
        return 0

    cdef void give_back(self, Connection *connection, int kind) noexcept:
        """Returns an executed connection to its loop (collected; `post_given_back` sends)."""
        cdef int i = connection.loop.index
        connection.done.kind = kind
        connection.parked_by_executor = kind == LETTER_PARKED
        connection.done.mail.next = self.done_newest[i]
        if self.done_newest[i] == NULL:
            self.done_oldest[i] = &connection.done.mail
        self.done_newest[i] = &connection.done.mail

    cdef void post_given_back(self) noexcept:
        cdef int i
        for i in range(self.loops_length):
            if self.done_newest[i] != NULL:
                mailbox_post_chain(&self.loops[i].mailbox, self.done_newest[i], self.done_oldest[i])
                self.done_newest[i] = self.done_oldest[i] = NULL

    cdef int drive(self) except -1:
        """One round of every driven loop that has something to do."""
        cdef int i
        cdef Loop *loop
        cdef int64_t now = self.core.now
        self.redrive = False
        for i in range(self.loops_length):
            loop = self.loops[i]
            if self.driving[i] and (loop.has_events or loop.again != NULL or loop.ready != NULL
                                    or loop.unflushed != NULL or loop.next_walk <= now
                                    or load_pointer(&loop.mailbox.newest) != NULL):
                loop.has_events = False
                self.drive_loop(loop)
        return 0

    cdef int drive_loop(self, Loop *loop) except -1:
        """Polls a loop, executes what is ready, sends the replies."""
        cdef Connection *connection
        cdef uint64_t reads = loop.reads
        cdef uint64_t writes = loop.writes
        with nogil:
            loop.poll(loop, 0)
        self.driven_reads += loop.reads - reads
        reads = loop.reads
        while loop.ready != NULL:
            connection = loop.ready
            loop.ready = connection.next_ready
            connection.on_ready = False
            if not connection.registered:
                self.register(connection)
            if self.execute(connection) == STOPPED:
                connection.parked = connection.parked_by_executor = True
            loop.finish(loop, connection)
        with nogil:
            loop.flush(loop)
        self.driven_reads += loop.reads - reads
        self.driven_writes += loop.writes - writes
        return 0

    def run_due(self) -> None:
        """Runs cron and the timers whose time has come."""
        cdef int64_t now = self.core.now
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()
        if now >= self.next_cron or self.next_cron > now + 10 * self.cron_interval:
            self.next_cron = now + self.cron_interval
            self.on_cron(now)

    # --- connections -------------------------------------------------------------------------------------------------

    cdef void register(self, Connection *connection) noexcept:
        if connection.registered:
            return
        connection.registered = True
        connection.next_client = self.connections
        connection.previous_client = NULL
        if self.connections != NULL:
            self.connections.previous_client = connection
        self.connections = connection
        self.connections_length += 1

    cdef int forget(self, Connection *connection) except -1:
        """Drops the session of a closed connection and lets its loop free it."""
        cdef Client client
        if connection.registered:
            if connection.previous_client != NULL:
                connection.previous_client.next_client = connection.next_client
            else:
                self.connections = connection.next_client
            if connection.next_client != NULL:
                connection.next_client.previous_client = connection.previous_client
            self.connections_length -= 1
        if connection.client != NULL:
            client = <Client> connection.client
            connection.client = NULL
            try:
                self.on_closed(client)
            finally:
                client.connection = NULL
                Py_DECREF(client)
        connection.done.kind = LETTER_RELEASE
        mailbox_post(&connection.loop.mailbox, &connection.done.mail)
        return 0

    def resume(self, Client client) -> None:
        """Lets a parked client go on: with the command it was parked at, if that is still undone."""
        if client.connection != NULL and client.connection.parked_by_executor:
            self.resume_connection(client.connection)

    cdef void resume_connection(self, Connection *connection) noexcept:
        connection.parked_by_executor = False
        if is_driven_by_executor(connection.loop) and self.driving[connection.loop.index]:
            connection.parked = False
            connection.loop.finish(connection.loop, connection)
            self.redrive = True
            return
        connection.registration.kind = LETTER_DONE
        mailbox_post(&connection.loop.mailbox, &connection.registration.mail)

    # --- commands ----------------------------------------------------------------------------------------------------

    cdef int execute(self, Connection *connection) except -1:
        """Executes the connection's requests in order; STOPPED when the next one has to wait."""
        cdef Query *query = connection.query
        cdef Request *request
        cdef CommandEntry *entry
        while query.requests_next < query.requests_length and not (connection.close_after_reply or connection.killed):
            request = &query.requests[query.requests_next]
            entry = <CommandEntry *> request.command
            if entry == NULL or entry.native == NATIVE_NONE or not self.run_native(connection, query, request, entry):
                if self.call(connection, query, request) == STOPPED:
                    return STOPPED
            query.requests_next += 1
        if is_over_output_limit(connection):
            add_u64(&self.settings.limit_closed, 1)
            connection.killed = True
        return RAN

    cdef bint run_native(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept:
        """Executes a hot command in its plain form on the C table; False, with nothing done, for the handler."""
        cdef int64_t start = 0
        cdef int64_t elapsed
        cdef bint timed
        cdef bint ran
        self.natives += 1
        timed = self.natives % NATIVE_SAMPLE == 0
        if timed:
            start = monotonic_us()
        if entry.native < NATIVE_READS_END:
            ran = self.run_read(connection, query, request, entry)
        else:
            ran = self.run_write(connection, query, request, entry)
        if not ran:
            return False
        if timed:
            elapsed = monotonic_us() - start
            entry.microseconds += elapsed * NATIVE_SAMPLE
            count_timed(entry, elapsed, 1)
        else:
            count_untimed(entry)
        entry.calls += 1
        self.commands += 1
        connection.commands += 1
        connection.last_command = entry.id
        return True

    cdef bint run_read(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept:
        cdef Argument *key
        cdef const char *data
        cdef Entry *found
        if ((connection.gates | self.settings.gates) & GATES_OF_READS) or not read_fits(entry.native, request):
            return False
        if entry.native == NATIVE_PING:
            return buffer_append(&connection.out, b"+PONG\r\n", 7) == 0
        key = &query.arguments[request.first + 1]
        data = query.data + key.offset
        found = table_find(self.core.tables[connection.db], key_hash(self.core, data, key.length), data, key.length)
        if found != NULL:
            if entry_is_expired(found, self.core.now):
                return False
            if not write_read(entry.native, found, connection, query, request, self.core.now):
                return False
            if read_touches(entry.native):
                entry_touch(self.core, found, &self.core.random)
            self.keyspace.hits += 1
            return True
        self.keyspace.misses += 1
        return write_read(entry.native, NULL, connection, query, request, self.core.now)

    cdef bint run_write(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept:
        cdef Argument *arguments = &query.arguments[request.first]
        cdef const char *key = query.data + arguments[1].offset
        cdef size_t key_length = arguments[1].length
        cdef Table *table
        cdef uint64_t hash
        cdef Entry *found
        cdef int64_t delta = 1
        cdef int64_t result = 0
        if (connection.gates | self.settings.gates) & (GATES_OF_WRITES | GATES_OF_CHANGES):
            return False
        if request.argc != (2 if entry.native == NATIVE_INCR or entry.native == NATIVE_DECR else 3):
            return False
        table = self.core.tables[connection.db]
        hash = key_hash(self.core, key, key_length)
        if entry.native == NATIVE_SET:
            if table_set_string(table, hash, key, key_length, query.data + arguments[2].offset, arguments[2].length,
                                -1, 0) < 0:
                return False
            self.context.dirty += 1
            return buffer_append(&connection.out, b"+OK\r\n", 5) == 0
        if entry.native == NATIVE_INCRBY or entry.native == NATIVE_DECRBY:
            if not integer_from_text(query.data + arguments[2].offset, arguments[2].length, &delta):
                return False
        if entry.native == NATIVE_DECR or entry.native == NATIVE_DECRBY:
            if delta == INT64_MIN:
                return False
            delta = -delta
        found = table_find(table, hash, key, key_length)
        if found != NULL and entry_is_expired(found, self.core.now):
            return False
        if table_increment(table, hash, key, key_length, delta, &result) < 0:
            return False
        self.context.dirty += 1
        return write_integer(&connection.out, result) == 0

    cdef int call(self, Connection *connection, Query *query, Request *request) except -1:
        """Executes one request through its Python handler."""
        cdef CommandEntry *entry = <CommandEntry *> request.command
        cdef Argument *arguments = &query.arguments[request.first]
        cdef list argv = PyList_New(request.argc)
        cdef bytes argument
        cdef uint32_t i
        cdef int result
        for i in range(request.argc):
            argument = PyBytes_FromStringAndSize(query.data + arguments[i].offset, arguments[i].length)
            Py_INCREF(argument)
            PyList_SET_ITEM(argv, i, argument)
        core_set_now(self.core, unix_ms())
        self.context.enter(connection)
        command = <object> entry.command if entry != NULL else None
        if command is not None and (command.handler is None or command.subcommands):
            command = self.resolve(argv)
            if command is not None:
                entry = command_at(command.id)
        result = self.dispatch(connection, entry, command, argv)
        self.context.connection = NULL
        return result

    cdef int dispatch(self, Connection *connection, CommandEntry *entry, object command, list argv) except -1:
        """Refuses, postpones, queues or invokes a command; replies in every case but postponement (STOPPED)."""
        cdef uint32_t gates
        cdef size_t mark = connection.out.length
        try:
            if command is None:
                raise self.refuse_unknown(argv)
            if (len(argv) != entry.arity if entry.arity > 0 else len(argv) < -entry.arity) or command.handler is None:
                raise self.refuse_arity(command)
            gates = (connection.gates | self.settings.gates) & entry.gated_by
            if gates and not self.admit(self.context, command, argv, gates):
                self.postponed.append(self.context.client)
                return STOPPED
            if connection.gates & GATE_MULTI and entry.gated_by & GATE_MULTI:
                self.context.client.transaction.queue(command, argv)
                self.reply.simple(b"QUEUED")
            else:
                if connection.gates & GATE_MUTED:
                    self.invoke_muted(entry, command, argv)
                else:
                    self.invoke(entry, command, argv)
                return RAN
        except CommandError as error:
            connection.out.length = mark
            self.reject(connection, entry if command is not None else NULL, error)
        if connection.gates & GATE_MUTED:
            connection.out.length = mark
        return RAN

    cdef reject(self, Connection *connection, CommandEntry *entry, error):
        """Answers a command that was refused before it ran; an open MULTI cannot be executed any more."""
        if entry != NULL:
            entry.rejected += 1
        if connection.gates & GATE_MULTI:
            self.context.client.transaction.flag_dirty_exec()
        self.reply_error(error)

    cdef reply_error(self, error):
        cdef str text = str(error)
        self.reply.error(text.encode("utf-8", "surrogateescape"))
        self.on_error_reply(text)

    cdef invoke_muted(self, CommandEntry *entry, object command, list argv):
        """Invokes for a client that has asked for silence (CLIENT REPLY OFF or SKIP)."""
        cdef Client client = self.context.client
        cdef size_t mark = client.connection.out.length
        if client.reply_mode == "skip":
            client.reply_mode = "skipping"
        self.invoke(entry, command, argv)
        if client.reply_mode == "on":     # CLIENT REPLY ON has just been executed
            return
        if client.connection != NULL:
            client.connection.out.length = mark
        if client.reply_mode == "skipping":
            client.reply_mode = "on"

    cdef int invoke(self, CommandEntry *entry, object command, list argv) except -1:
        """Runs a handler, with all that belongs to a call: its reply or its error, its time, its statistics."""
        cdef Connection *connection = self.context.connection
        cdef size_t mark = connection.out.length
        cdef int64_t start = monotonic_us()
        cdef int64_t elapsed
        self.errors_seen = self.reply.errors
        connection.last_command = entry.id
        try:
            command.handler(self.context, argv)
        except CommandError as error:
            connection.out.length = mark
            self.reply_error(error)
        except MemoryError:
            connection.out.length = mark
            self.reply_error(CommandError("OOM command not allowed when the process is out of memory."))
        except Exception as error:
            connection.out.length = mark
            self.on_bug(command.name.decode(), error)
            self.reply_error(CommandError("ERR internal error, see the server's log"))
        elapsed = monotonic_us() - start
        entry.calls += 1
        entry.microseconds += elapsed
        count_timed(entry, elapsed, 1)
        if self.reply.errors != self.errors_seen:   # those of a queued command are not EXEC's
            entry.failed += 1
            self.errors_seen = self.reply.errors
        self.commands += 1
        connection.commands += 1
        self.command_time = elapsed
        if 0 <= self.slow_threshold <= elapsed:
            self.on_slow(command, argv, elapsed, self.context.client)
        if self.settings.gates & GATE_MONITORED:
            self.on_monitor(self.context.client, command, argv)
        return 0

    def execute_queued(self, command, list argv) -> None:
        """Runs one queued command of a transaction: writes its reply or its error."""
        self.invoke(command_at(command.id), command, argv)
