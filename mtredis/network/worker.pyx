# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""A worker: waits for its clients, has each connection advance, and exchanges connections with the executor.

Idea: everything here is C without the GIL. One round: wait, let the connections that have events advance
(`connection.pyx`), handle letters, hand all connections with requests for the executor over in one post, send.

Owner: the thread that drives the loop: the worker's own, or, at low load, the executor's (`Loop.driver`). They hand it
over explicitly: LETTER_YIELD makes the worker finish its round and sleep on `resume_fd`; the new driver then attaches
all sockets to its own epoll instance (about 1 µs for each connection), so that whoever drives waits in one place.

Invariant: a connection is freed only by LETTER_RELEASE, the executor's word that it holds no reference.
"""
import threading

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset
from mtredis.client cimport (
    CLASS_NORMAL, DRIVEN_BY_EXECUTOR, EVENTS_MAX, LETTER_ARRIVAL, LETTER_DONE, LETTER_KILL, LETTER_OUTPUT,
    LETTER_PARKED, LETTER_RELEASE, LETTER_STOP, LETTER_YIELD, LETTER_YIELDED, Connection, Letter, Loop, SharedSettings,
    is_driven_by_executor, is_over_output_limit, loop_queue_flush,
)
from mtredis.keyspace.database cimport Keyspace
from mtredis.lib.atomics cimport add_u64, store_i32
from mtredis.lib.buffer cimport buffer_append
from mtredis.lib.clock cimport unix_ms
from mtredis.lib.epoll cimport (
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP,
    epoll_create1, epoll_ctl, epoll_event, epoll_wait,
)
from mtredis.lib.mailbox cimport (
    EFD_CLOEXEC, Mail, Mailbox, eventfd, mailbox_awake, mailbox_close, mailbox_drain, mailbox_may_sleep, mailbox_open,
    mailbox_post, mailbox_post_chain, mailbox_take, posix_close, posix_read,
)
from mtredis.network.connection cimport (
    advance, flush_connection, insert_deferred, note_query, take_connection_output, trim_pools,
)
from mtredis.protocol.parser cimport Query
from mtredis.registry.table cimport command_at, command_count

cdef enum:
    WALK_INTERVAL = 100          # ms between two steps of the walk over all connections
    WALK_ROUND = 10              # steps for one round
    IDLE_QUERY = 2000            # ms after which a half-received request's buffer is cut to its size


cdef void flush(Loop *loop) noexcept nogil:
    """Sends everything that is due."""
    cdef Connection *connection
    while loop.unflushed != NULL:
        connection = loop.unflushed
        loop.unflushed = connection.next_unflushed
        connection.on_unflushed = False
        flush_connection(loop, connection)


cdef void welcome(Loop *loop, Connection *connection) noexcept nogil:
    """Makes an accepted connection one of the loop's own, and only then known to the executor, who may close it."""
    cdef epoll_event event
    connection.previous = NULL
    connection.next = loop.connections
    if loop.connections != NULL:
        loop.connections.previous = connection
    loop.connections = connection
    loop.connections_length += 1
    mailbox_post(loop.executor, &connection.registration.mail)
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET
    event.data.ptr = connection
    if epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, connection.fd, &event) < 0:
        connection.broken = True
        loop_queue_flush(loop, connection)


cdef void append_output(Loop *loop, Letter *letter) noexcept nogil:
    """Queues what the executor pushes to a client, and frees the letter.

    While the connection is in flight its output buffer is the executor's, so the letter waits for LETTER_DONE.
    """
    cdef Connection *connection = letter.connection
    cdef Letter *last
    if connection.in_flight:
        letter.mail.next = NULL
        if connection.deferred == NULL:
            connection.deferred = letter
            return
        last = connection.deferred
        while last.mail.next != NULL:
            last = <Letter *> last.mail.next
        last.mail.next = &letter.mail
        return
    add_u64(&connection.pending_output, <uint64_t> -<int64_t> letter.length)
    if connection.fd >= 0:
        take_connection_output(loop, connection)
        if buffer_append(&connection.out, <char *> letter + sizeof(Letter), letter.length) < 0:
            connection.broken = True
        loop_queue_flush(loop, connection)
    free(letter)


cdef void handle_letter(WorkerLoop *loop, Letter *letter) noexcept nogil:
    cdef Connection *connection = letter.connection
    if letter.kind == LETTER_DONE or letter.kind == LETTER_PARKED:
        if connection.fd < 0:
            return
        connection.in_flight = False
        if connection.deferred != NULL:
            insert_deferred(connection)
        connection.parked = letter.kind == LETTER_PARKED
        advance(&loop.base, connection)
    elif letter.kind == LETTER_OUTPUT:
        append_output(&loop.base, letter)
    elif letter.kind == LETTER_ARRIVAL:
        welcome(&loop.base, connection)
    elif letter.kind == LETTER_RELEASE:
        free(connection)
    elif letter.kind == LETTER_KILL:
        if connection.fd >= 0:
            loop_queue_flush(&loop.base, connection)
        free(letter)
    elif letter.kind == LETTER_YIELD:
        loop.yielding = True
    elif letter.kind == LETTER_STOP:
        loop.stopping = True


cdef int take_mail(WorkerLoop *loop) noexcept nogil:
    """Handles all letters; how many there were."""
    cdef Mail *mail = mailbox_take(&loop.base.mailbox)
    cdef Mail *following
    cdef int count = 0
    while mail != NULL:
        following = mail.next
        handle_letter(loop, <Letter *> mail)
        mail = following
        count += 1
    return count


cdef void take_event(Loop *loop, Connection *connection, uint32_t events) noexcept nogil:
    """Acts on what the kernel has reported of a connection."""
    if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
        connection.hung_up = True
    if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
        connection.readable = True
        if connection.parked and connection.hung_up:
            connection.broken = True
            loop_queue_flush(loop, connection)
        elif not (connection.in_flight or connection.on_ready):
            advance(loop, connection)
    if events & EPOLLOUT:
        loop_queue_flush(loop, connection)


cdef void walk_connection(Loop *loop, Connection *connection) noexcept nogil:
    """What is due for a connection about once a second: idle timeout, a buffer larger than its content."""
    cdef Query *query = connection.query
    cdef int64_t idle = loop.now - connection.last_interaction
    cdef char *data
    if connection.in_flight or connection.on_ready:
        return
    if connection.killed:
        loop_queue_flush(loop, connection)
    elif (loop.settings.idle_timeout > 0 and idle > loop.settings.idle_timeout * 1000 and not connection.parked
            and connection.output_class == CLASS_NORMAL):
        connection.broken = True
        loop_queue_flush(loop, connection)
    elif query != NULL and idle > IDLE_QUERY and query.capacity > query.length + 1024 and not connection.parked:
        data = <char *> realloc(query.data, query.length + 65)   # the scanner wants a byte more than the capacity
        if data != NULL:
            query.data = data
            query.capacity = query.length + 64
            note_query(connection)
    if connection.out.length > connection.sent and is_over_output_limit(connection, 0):
        add_u64(&loop.settings.limit_closed, 1)
        connection.broken = True
        loop_queue_flush(loop, connection)


cdef void walk(Loop *loop) noexcept nogil:
    """One step of the endless walk over all connections."""
    cdef int64_t left = loop.connections_length // WALK_ROUND + 1
    cdef Connection *connection
    loop.next_walk = loop.now + WALK_INTERVAL
    trim_pools(loop)
    while left > 0:
        if loop.cursor == NULL:
            loop.cursor = loop.connections
            if loop.cursor == NULL:
                return
            left = left if left < loop.connections_length else loop.connections_length
        connection = loop.cursor
        loop.cursor = connection.next
        walk_connection(loop, connection)
        left -= 1


cdef int turn(Loop *base) noexcept nogil:
    """Does what no event announces: connections left readable, letters, the walk; how many letters there were."""
    cdef Connection *connection
    cdef Connection *again = base.again
    cdef int letters
    base.again = NULL
    while again != NULL:
        connection = again
        again = connection.next_ready
        connection.on_ready = False
        advance(base, connection)
    letters = take_mail(<WorkerLoop *> base)
    if base.now >= base.next_walk:
        walk(base)
    return letters


cdef void poll(WorkerLoop *loop, int timeout) noexcept nogil:
    """A worker's round: waits up to `timeout` ms, reads, scans, answers reads, posts the rest to the executor."""
    cdef epoll_event events[EVENTS_MAX]
    cdef Loop *base = &loop.base
    cdef int i, count
    count = epoll_wait(loop.own_epoll_fd, events, EVENTS_MAX, 0 if base.again != NULL else timeout)
    mailbox_awake(&base.mailbox)
    base.now = unix_ms()
    for i in range(count):
        if events[i].data.ptr == base:
            mailbox_drain(&base.mailbox)
        else:
            take_event(base, <Connection *> events[i].data.ptr, events[i].events)
    turn(base)
    if loop.outgoing_newest != NULL:
        mailbox_post_chain(base.executor, loop.outgoing_newest, loop.outgoing_oldest)
        loop.outgoing_newest = loop.outgoing_oldest = NULL


cdef void attach(Loop *loop, int epoll_fd) noexcept nogil:
    """Moves all sockets to the epoll instance of the loop's new driver (-1: its worker).

    Nothing is missed: adding an edge-triggered socket reports what is readable already.
    """
    cdef epoll_event event
    cdef Connection *connection = loop.connections
    cdef int former = loop.epoll_fd
    loop.epoll_fd = epoll_fd if epoll_fd >= 0 else (<WorkerLoop *> loop).own_epoll_fd
    while connection != NULL:
        epoll_ctl(former, EPOLL_CTL_DEL, connection.fd, NULL)
        event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (EPOLLOUT if connection.write_armed else 0)
        event.data.ptr = connection
        if epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, connection.fd, &event) < 0:
            connection.broken = True
            loop_queue_flush(loop, connection)
        connection = connection.next


cdef void yield_to_executor(WorkerLoop *loop) noexcept nogil:
    """Hands the loop to the executor and sleeps until it comes back."""
    cdef uint64_t count
    loop.yielding = False
    store_i32(&loop.base.driver, DRIVEN_BY_EXECUTOR)
    mailbox_post(loop.base.executor, &loop.yielded.mail)
    while posix_read(loop.resume_fd, &count, sizeof(count)) < 0:
        pass


cdef void run_loop(WorkerLoop *loop) noexcept nogil:
    """The worker thread's life. It begins with the word that the loop, which was the executor's, is its own."""
    cdef int timeout
    cdef uint64_t count
    while posix_read(loop.resume_fd, &count, sizeof(count)) < 0:
        pass
    while not loop.stopping:
        timeout = WALK_INTERVAL if mailbox_may_sleep(&loop.base.mailbox) else 0
        poll(loop, timeout)
        flush(&loop.base)
        if loop.yielding and not loop.stopping:   # nobody would give it back
            yield_to_executor(loop)


cdef class Worker:
    """A loop with its thread. `address` is how `server` introduces it to the acceptor and the executor."""

    def __cinit__(self, int index, SharedSettings settings, size_t executor_mailbox, Keyspace keyspace):
        cdef epoll_event event
        cdef Loop *loop = &self.loop.base
        memset(&self.loop, 0, sizeof(self.loop))
        loop.mailbox.event_fd = self.loop.own_epoll_fd = self.loop.resume_fd = -1
        self.settings = settings
        self.keyspace = keyspace
        loop.settings = &settings.values
        loop.executor = <Mailbox *> executor_mailbox
        loop.index = index
        loop.driver = DRIVEN_BY_EXECUTOR
        loop.attach = attach
        loop.take_event = take_event
        loop.turn = turn
        loop.finish = advance
        loop.flush = flush
        loop.now = unix_ms()
        self.loop.yielded.kind = LETTER_YIELDED
        self.loop.yielded.connection = <Connection *> loop
        self.loop.reader.core = keyspace.core
        self.loop.reader.slot = index
        self.loop.reader.random = 0x9E3779B97F4A7C15ULL ^ <uint64_t> (index + 1)
        self.loop.own_epoll_fd = loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.loop.resume_fd = eventfd(0, EFD_CLOEXEC)
        if loop.epoll_fd < 0 or self.loop.resume_fd < 0 or mailbox_open(&loop.mailbox) < 0:
            raise OSError(errno, "cannot make a worker's event loop")
        event.events = EPOLLIN
        event.data.ptr = loop
        if epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, loop.mailbox.event_fd, &event) < 0:
            raise OSError(errno, "cannot watch a worker's mailbox")

    def __dealloc__(self):
        mailbox_close(&self.loop.base.mailbox)
        if self.loop.own_epoll_fd >= 0:
            posix_close(self.loop.own_epoll_fd)
        if self.loop.resume_fd >= 0:
            posix_close(self.loop.resume_fd)
        while self.loop.base.free_queries_length > 4 or self.loop.base.free_outputs_length > 4:
            trim_pools(&self.loop.base)

    @property
    def address(self) -> int:
        """The address of the Loop struct."""
        return <size_t> &self.loop.base

    @property
    def resume_fd(self) -> int:
        """The eventfd that the executor writes to give the loop to its worker."""
        return self.loop.resume_fd

    def start(self) -> None:
        """Starts the thread; it sleeps until the executor gives it the loop."""
        self.thread = threading.Thread(target=self.run, name=f"worker-{self.loop.base.index}", daemon=True)
        self.thread.start()

    def run(self) -> None:
        """The thread's main: C code without the GIL until the executor says stop."""
        with nogil:
            run_loop(&self.loop)

    def join(self, timeout: float) -> bool:
        """Waits for the thread's end; False when it has not come in time."""
        self.thread.join(timeout)
        return not self.thread.is_alive()

    def statistics(self) -> dict[str, int]:
        """Counters since the start or the last reset; bytes and pieces."""
        cdef Loop *loop = &self.loop.base
        return {
            "net_in": loop.net_in, "net_out": loop.net_out, "commands": loop.commands, "hits": loop.hits,
            "misses": loop.misses, "reads": loop.reads, "writes": loop.writes,
            "protocol_errors": loop.protocol_errors, "connections": loop.connections_length,
            "driven_by_executor": is_driven_by_executor(loop),
        }

    def served(self) -> dict[bytes, int]:
        """Reads that the worker answered itself, by command name."""
        cdef int i
        return {
            command_at(i).name[:command_at(i).name_length]: self.loop.base.served[i]
            for i in range(command_count()) if self.loop.base.served[i]
        }

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT; a count that happens at this moment may survive."""
        cdef Loop *loop = &self.loop.base
        loop.net_in = loop.net_out = loop.commands = loop.hits = loop.misses = 0
        loop.reads = loop.writes = loop.protocol_errors = 0
        memset(loop.served, 0, sizeof(loop.served))
