# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The executor: the one thread on which every command that is not a worker-served read runs, and every mutation.

Idea: a round is: wait for mail or events, execute the requests of the connections that workers have posted, drive the
loops that this thread has taken over (poll, execute, flush), run what is due (cron, timers, calls). A connection is
executed in place: arguments lie in its query buffer, replies go to its output buffer, no thread copies for another.

Each step ends with `settle`: what has changed is given to the sinks of the write stream (the log on disk), and only
then the letters to the workers are posted and the driven loops send. So nobody sees a change, as a reply or as a
message, before the sinks have it; and however many clients a step has served, the log is written, and synced, once.

What happens to a single request is the dispatcher's business (`dispatch.pyx`); here is the loop around it.

Owner: the executor thread, of everything here. `mailbox`, `call_soon` and `wake` are for other threads.
Invariant: a connection is executed either between its LETTER_REQUESTS and LETTER_DONE, or while this thread drives its
loop. Driving costs no hop, so it is the choice while this thread is not saturated (`set_driving`).
"""
import heapq
import time
from collections import deque

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_DECREF
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from mtredis.client cimport (
    CLASS_PUBSUB, DRIVEN_BY_WORKER, EVENTS_MAX, GATE_DURABLE, LETTER_CALL, LETTER_CLOSED, LETTER_DONE, LETTER_PARKED,
    LETTER_REGISTER, LETTER_RELEASE, LETTER_REQUESTS, LETTER_STOP, LETTER_YIELD, LETTER_YIELDED, OUTPUT_SIZE,
    QUERY_SIZE, Client, Connection, Letter, Loop, SharedSettings, client_of, is_driven_by_executor, loop_collect,
    note_backlog,
)
from mtredis.executor.dispatch cimport STOPPED, Dispatcher
from mtredis.keyspace.core cimport WORKERS_READ, core_set_now
from mtredis.lib.atomics cimport load_u64, store_i32
from mtredis.lib.clock cimport unix_ms
from mtredis.lib.epoll cimport (
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN, epoll_create1, epoll_ctl, epoll_wait,
)
from mtredis.lib.mailbox cimport (
    Mail, mailbox_awake, mailbox_close, mailbox_drain, mailbox_may_sleep, mailbox_open, mailbox_post,
    mailbox_post_chain, mailbox_take, posix_close, posix_write,
)
from mtredis.protocol.parser cimport Argument

cdef enum:
    GIVE_BACK_BATCH = 32     # connections executed before workers get their results
    PATIENCE_MAX = 8         # looks for events before sleeping
    PROBE_INTERVAL = 64
    MAILBOX_TAG = 1          # marks, in an event, the address of a loop whose mailbox is meant, not a connection


cdef class Executor:
    """The executor thread's state and main. Built by `server.py`, which sets the hooks before `run`."""

    def __cinit__(self, server, Keyspace keyspace, SharedSettings settings):
        cdef epoll_event event
        self.epoll_fd = self.mailbox.event_fd = -1
        self.core = keyspace.core
        self.dispatcher = Dispatcher(server, keyspace, settings)
        self.calls = deque()
        self.timers = []
        self.cron_interval = 100
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

    # --- introductions, before the thread runs ---------------------------------------------------------------------

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
        """Makes this thread the driver of a loop that its worker has left (or has not begun)."""
        cdef epoll_event event
        event.events = EPOLLIN
        event.data.ptr = <char *> self.loops[i] + MAILBOX_TAG
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.loops[i].mailbox.event_fd, &event) < 0:
            raise OSError(errno, "cannot watch a worker's mailbox")
        self.loops[i].attach(self.loops[i], self.epoll_fd)
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

    # --- for the executor thread -----------------------------------------------------------------------------------

    def call_at(self, int64_t when, function) -> None:
        """Calls `function()` at the unix time `when` (ms), or as soon after as possible."""
        self.timers_made += 1
        heapq.heappush(self.timers, (when, self.timers_made, function))

    def set_alarm(self, int64_t when) -> None:
        """Has `on_alarm` called at the unix time `when` (ms), and no longer at the time set before; 0: never."""
        self.alarm = when

    def stop(self) -> None:
        """Makes `run` return after this round."""
        self.stopping = True

    def clients(self) -> list[Client]:
        """Every connected client, in the order in which they came."""
        cdef Connection *connection = self.connections
        cdef list found = []
        while connection != NULL:
            if connection.fd >= 0 and not connection.killed:
                found.append(client_of(connection))
            connection = connection.next_client
        found.reverse()
        return found

    @property
    def connections_count(self) -> int:
        """How many connections are registered."""
        return self.connections_length

    def survey(self) -> dict[str, int]:
        """Bytes that the connections hold, and the largest buffers among them, without making any `Client`.

        A pooled buffer counts while something waits in it, for more or to be sent. `backlog` is what of it all is
        counted as it changes, too (`note_backlog`, `Client.hold`).
        """
        cdef Connection *connection = self.connections
        cdef size_t normal = 0, pubsub = 0, backlog = 0, largest_input = 0, largest_output = 0
        cdef size_t counted, pooled, query
        while connection != NULL:
            query = <size_t> load_u64(&connection.query_room)
            if connection.held or is_driven_by_executor(connection.loop):   # else it may go at any moment
                if connection.query != NULL:
                    query = connection.query.capacity + connection.query.arguments_capacity * sizeof(Argument)
            counted = <size_t> (load_u64(&connection.backlog) + connection.session)
            pooled = sizeof(Connection) + <size_t> load_u64(&connection.pending_output)
            if load_u64(&connection.query_bytes) != 0 and query <= QUERY_SIZE:
                pooled += query
            if connection.write_armed and connection.out.capacity <= OUTPUT_SIZE:
                pooled += OUTPUT_SIZE
            if connection.output_class == CLASS_PUBSUB:
                pubsub += counted + pooled
            else:
                normal += counted + pooled
            backlog += counted
            largest_input = max(largest_input, query)
            largest_output = max(largest_output, connection.out.capacity + <size_t> connection.pending_output)
            connection = connection.next_client
        return {"normal": normal, "pubsub": pubsub, "backlog": backlog,
                "largest_input": largest_input, "largest_output": largest_output}

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
                self.core.readers_active |= WORKERS_READ
                self.driving[i] = False
                epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, self.loops[i].mailbox.event_fd, NULL)
                self.loops[i].attach(self.loops[i], -1)
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
            self.stop_letters[i].kind = LETTER_STOP
            mailbox_post(&self.loops[i].mailbox, &self.stop_letters[i].mail)
            store_i32(&self.loops[i].driver, DRIVEN_BY_WORKER)
            posix_write(self.resume_fds[i], &one, sizeof(one))   # it may just be yielding

    # --- the thread --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The thread's main: returns after `stop()`."""
        cdef int64_t now
        while not self.stopping:
            now = unix_ms()
            self.wait(self.time_to_wait(now))
            PyErr_CheckSignals()
            self.rounds += 1
            core_set_now(self.core, unix_ms())
            self.take_mail()
            self.drive()
            self.run_due()
            if self.dispatcher.context.ready:   # an expired key, a client that blocked, the end of a pause
                self.dispatcher.serve_blocked()
            self.settle()
            self.flush_driven()
        self.drive()

    cdef int time_to_wait(self, int64_t now) except -1:
        """ms until the next cron or timer."""
        cdef int64_t due = self.next_cron
        if self.redrive or self.calls:
            return 0
        if self.timers:
            due = min(due, <int64_t> self.timers[0][0])
        if self.alarm:
            due = min(due, self.alarm)
        return <int> max(0, min(due - now, 1000))

    cdef bint look_again(self) noexcept nogil:
        """Looks for events some times more before sleeping, as long as that pays; True when there are some.

        A sleep costs this thread and the sender microseconds, a look 0.3. `patience`, the number of looks, grows with
        each success and shrinks faster with each failure, down to one try in PROBE_INTERVAL rounds: nothing, when
        clients are far away.
        """
        cdef int i
        if self.patience == 0 and self.rounds % PROBE_INTERVAL != 0:
            return False
        for i in range(self.patience + 1):
            self.events_length = epoll_wait(self.epoll_fd, self.events, EVENTS_MAX, 0)
            if self.events_length > 0:
                self.patience = min(self.patience + 1, PATIENCE_MAX)
                return True
        self.patience = self.patience // 2
        return False

    cdef void wait(self, int timeout) noexcept:
        """Waits until there is something to do, at most `timeout` ms; `events` holds what the kernel reports."""
        cdef int i
        with nogil:
            if self.was_busy and timeout != 0 and self.look_again():
                return
            if timeout != 0 and not mailbox_may_sleep(&self.mailbox):
                timeout = 0
            for i in range(self.loops_length):
                if self.driving[i] and (self.loops[i].again != NULL or not mailbox_may_sleep(&self.loops[i].mailbox)):
                    timeout = 0
            self.events_length = epoll_wait(self.epoll_fd, self.events, EVENTS_MAX, timeout)
            mailbox_awake(&self.mailbox)
            for i in range(self.loops_length):
                if self.driving[i]:
                    mailbox_awake(&self.loops[i].mailbox)
            self.was_busy = self.events_length > 0

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
                i = self.dispatcher.execute(connection)
                self.look_at_backlog(connection)
                self.give_back(connection, LETTER_PARKED if i == STOPPED else LETTER_DONE)
                executed += 1
                # Where each step costs an fsync, all that have come share one.
                if executed % GIVE_BACK_BATCH == 0 and not self.dispatcher.settings.gates & GATE_DURABLE:
                    self.settle()
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
        self.settle()
        while self.calls:
            self.attempt(self.calls.popleft())
        return 0

    cdef int look_at_backlog(self, Connection *connection) except -1:
        """Memory may have to go for the replies of what was just executed."""
        if connection.out.capacity > OUTPUT_SIZE:
            note_backlog(connection)
        if load_u64(&self.dispatcher.settings.backlog) > self.dispatcher.settings.backlog_alarm:
            self.attempt(self.on_backlog)
        return 0

    cdef void give_back(self, Connection *connection, int kind) noexcept:
        """Returns an executed connection to its loop (collected; `settle` sends)."""
        connection.done.kind = kind
        connection.parked_by_executor = kind == LETTER_PARKED
        loop_collect(connection.loop, &connection.done)

    cdef int settle(self) except -1:
        """Ends a step: the sinks have what has changed, and the workers get their letters."""
        if self.dispatcher.propagation.pending.length:
            self.dispatcher.propagation.flush()
        self.post_collected()
        return 0

    cdef void post_collected(self) noexcept nogil:
        """Sends the letters; up to here a push to a connection that is given back went straight behind its replies."""
        cdef Loop *loop
        cdef Mail *mail
        cdef Mail *newest
        cdef int i
        for i in range(self.loops_length):
            loop = self.loops[i]
            newest = mail = loop.posting_newest
            if newest == NULL:
                continue
            loop.posting_newest = NULL
            while mail != NULL:
                if (<Letter *> mail).kind == LETTER_DONE or (<Letter *> mail).kind == LETTER_PARKED:
                    (<Letter *> mail).connection.held = False
                mail = mail.next
            mailbox_post_chain(&loop.mailbox, newest, loop.posting_oldest)

    cdef int drive(self) except -1:
        """One round of the driven loops: reads all that is readable, executes all that is ready, then sends."""
        cdef int i
        cdef Loop *loop
        cdef uint64_t reads = 0
        cdef uint64_t writes = 0
        self.redrive = False
        with nogil:
            for i in range(self.loops_length):
                if self.driving[i]:
                    self.loops[i].now = self.core.now
                    reads += self.loops[i].reads
                    writes += self.loops[i].writes
            self.take_events()
            for i in range(self.loops_length):
                if self.driving[i]:
                    self.loops[i].turn(self.loops[i])
        for i in range(self.loops_length):
            if self.driving[i]:
                self.execute_ready(self.loops[i])
        self.settle()
        with nogil:
            for i in range(self.loops_length):
                loop = self.loops[i]
                if self.driving[i]:
                    loop.flush(loop)
                    self.driven_reads += loop.reads
                    self.driven_writes += loop.writes
        self.driven_reads -= reads
        self.driven_writes -= writes
        return 0

    cdef void flush_driven(self) noexcept nogil:
        """Sends what cron, timers and calls have left for clients of driven loops."""
        cdef Loop *loop
        cdef int i
        for i in range(self.loops_length):
            loop = self.loops[i]
            if self.driving[i] and loop.unflushed != NULL:
                self.driven_writes -= loop.writes
                loop.flush(loop)
                self.driven_writes += loop.writes

    cdef void take_events(self) noexcept nogil:
        """Lets the driven loops act on what the kernel has reported."""
        cdef Connection *connection
        cdef size_t address
        cdef int i
        for i in range(self.events_length):
            address = <size_t> self.events[i].data.ptr
            if address == 0:
                mailbox_drain(&self.mailbox)
            elif address & MAILBOX_TAG:
                mailbox_drain(&(<Loop *> (address - MAILBOX_TAG)).mailbox)
            else:
                connection = <Connection *> address
                connection.loop.take_event(connection.loop, connection, self.events[i].events)
        self.events_length = 0

    cdef int execute_ready(self, Loop *loop) except -1:
        """Executes the connections of a driven loop that have requests."""
        cdef Connection *connection
        while loop.ready != NULL:
            connection = loop.ready
            loop.ready = connection.next_ready
            connection.on_ready = False
            if not connection.registered:
                self.register(connection)
            if self.dispatcher.execute(connection) == STOPPED:
                connection.parked = connection.parked_by_executor = True
            self.look_at_backlog(connection)
            loop.finish(loop, connection)
        return 0

    def run_due(self) -> None:
        """Runs cron, the timers and the alarm whose time has come."""
        cdef int64_t now = self.core.now
        while self.timers and self.timers[0][0] <= now:
            self.attempt(heapq.heappop(self.timers)[2])
        if self.alarm and self.alarm <= now:
            self.alarm = 0
            self.attempt(self.on_alarm, now)
        if now >= self.next_cron or self.next_cron > now + 10 * self.cron_interval:
            self.next_cron = now + self.cron_interval
            self.attempt(self.on_cron, now)

    def attempt(self, function, *arguments) -> None:
        """Calls what is nobody's command; a bug in it is logged and must not end the server."""
        try:
            function(*arguments)
        except Exception as error:
            self.dispatcher.on_bug(getattr(function, "__qualname__", repr(function)), error)

    # --- connections -------------------------------------------------------------------------------------------------

    cdef void register(self, Connection *connection) noexcept:
        """Puts it into the list, the newest first: loops announce theirs nearly, not quite, in the order of arrival."""
        cdef Connection *newer = NULL
        cdef Connection *older = self.connections
        if connection.registered:
            return
        while older != NULL and older.id > connection.id:
            newer = older
            older = older.next_client
        connection.registered = True
        connection.previous_client = newer
        connection.next_client = older
        if newer != NULL:
            newer.next_client = connection
        else:
            self.connections = connection
        if older != NULL:
            older.previous_client = connection
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
                client.hold(-<int64_t> connection.session)
                client.connection = NULL
                Py_DECREF(client)
        connection.done.kind = LETTER_RELEASE
        loop_collect(connection.loop, &connection.done)   # behind what may have been pushed to it
        return 0

    def resume(self, Client client) -> None:
        """Lets a parked client go on: with the command it was parked at, if that is still undone."""
        if client.connection != NULL and client.connection.parked_by_executor:
            self.resume_connection(client.connection)

    cdef void resume_connection(self, Connection *connection) noexcept:
        connection.parked_by_executor = False
        if connection.held:   # LETTER_PARKED is not posted yet
            connection.done.kind = LETTER_DONE
            return
        if (is_driven_by_executor(connection.loop) and self.driving[connection.loop.index]
                and not connection.in_flight):   # else its loop has not read LETTER_PARKED yet
            connection.parked = False
            connection.loop.finish(connection.loop, connection)
            self.redrive = True
            return
        connection.arrival.kind = LETTER_DONE
        loop_collect(connection.loop, &connection.arrival)   # behind the reply that it was parked for
