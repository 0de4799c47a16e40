# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""A worker: waits for its clients, reads and scans their requests, answers what it can, sends what is due.

Idea: everything here is C without the GIL. A connection advances as far as it gets: served requests are dropped from its
query buffer, bytes are received and scanned, single-key reads are answered on the spot (`reads`), and the first request
that needs the executor makes the whole connection go there, with all requests behind it; its order is kept by never
having more than one batch of a connection under way. The connections of one wake-up go to the executor in one post.

Owner: the thread that drives the loop: the worker's own, or, at low load, the executor's (`Loop.driver`). They hand it
over explicitly: LETTER_YIELD makes the worker finish its round and sleep on `resume_fd`; the new driver then attaches all
sockets to its own epoll instance (0.8 µs for each connection), so that whoever drives waits in one place.

Invariants: sockets are edge-triggered, so whoever stops reading early puts the connection on `again`. Connections are
closed in `flush_connection` alone, never while they are in flight or on a list, and freed only by LETTER_RELEASE, the
executor's word that it holds no reference. Idle connections own no buffer: both buffers come from the loop's pools.
"""
import threading

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, memset, strlen
from mtredis.client cimport (
    CLASS_NORMAL, DRIVEN_BY_EXECUTOR, DRIVEN_BY_WORKER, EVENTS_MAX, GATE_UNAUTHENTICATED, LETTER_ARRIVAL, LETTER_CLOSED,
    LETTER_DONE, LETTER_KILL, LETTER_OUTPUT, LETTER_PARKED, LETTER_RELEASE, LETTER_REQUESTS, LETTER_STOP, LETTER_YIELD,
    LETTER_YIELDED, OUTPUT_SIZE, QUERY_SIZE, Connection, Letter, Loop, SharedSettings, is_driven_by_executor,
    is_over_output_limit, loop_queue_flush,
)
from mtredis.keyspace.database cimport Keyspace
from mtredis.lib.atomics cimport add_i32, add_u64, load_i32, store_i32
from mtredis.lib.buffer cimport buffer_append, buffer_free, buffer_reserve
from mtredis.lib.clock cimport unix_ms
from mtredis.lib.mailbox cimport (
    EFD_CLOEXEC, Mail, Mailbox, eventfd, mailbox_awake, mailbox_close, mailbox_drain, mailbox_may_sleep, mailbox_open,
    mailbox_post, mailbox_post_chain, mailbox_take, posix_close, posix_read, posix_write,
)
from mtredis.network.reads cimport serve_reads
from mtredis.protocol.parser cimport (
    SCAN_ERROR, SCAN_FULL, Query, Request, ScanLimits, ScanResult, query_clear, query_consume, query_free, query_missing,
    query_reserve, query_scan,
)
from mtredis.registry.table cimport command_at, command_count, command_lookup

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        void *ptr
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll_fd, epoll_event *events, int count, int timeout)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    uint32_t EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void *data, size_t length, int flags)
    ssize_t send(int fd, const void *data, size_t length, int flags)
    int MSG_NOSIGNAL, MSG_DONTWAIT

cdef enum:
    REQUESTS_PER_SCAN = 1024     # keeps one client's pipeline from holding up the others
    READS_PER_TURN = 4
    POOL_MAX = 256               # idle buffers of each kind that a loop keeps
    WALK_INTERVAL = 100          # ms between two steps of the walk over all connections
    WALK_ROUND = 10              # steps for one round
    IDLE_QUERY = 2000            # ms after which a half-received request's buffer is cut to its size


# --- pools ---------------------------------------------------------------------------------------------------------

cdef Query *take_query(Loop *loop) noexcept nogil:
    """An empty query buffer; NULL when memory is out."""
    cdef Query *query = loop.free_queries
    if query != NULL:
        loop.free_queries = query.next
        loop.free_queries_length -= 1
        return query
    query = <Query *> calloc(1, sizeof(Query))
    if query == NULL:
        return NULL
    query.bulk_length = -1
    if query_reserve(query, QUERY_SIZE) < 0:
        free(query)
        return NULL
    return query


cdef void give_query(Loop *loop, Query *query) noexcept nogil:
    """Takes a query buffer back; ones that grew, or that are too many, are freed."""
    if loop.free_queries_length >= POOL_MAX or query.capacity > 2 * QUERY_SIZE or query.arguments_capacity > 4096:
        query_free(query)
        free(query)
        return
    query_clear(query)
    query.next = loop.free_queries
    loop.free_queries = query
    loop.free_queries_length += 1


cdef inline bint is_empty(Query *query) noexcept nogil:
    """Whether nothing is half-received: neither bytes nor the header of a request."""
    return query.length == 0 and query.arguments_left == 0


cdef inline void give_connection_output(Loop *loop, Connection *connection) noexcept nogil:
    """Takes the connection's empty output buffer back."""
    connection.out.length = connection.sent = 0
    if connection.out.capacity != OUTPUT_SIZE or loop.free_outputs_length >= POOL_MAX:
        buffer_free(&connection.out)
        return
    (<void **> connection.out.data)[0] = loop.free_outputs
    loop.free_outputs = connection.out.data
    loop.free_outputs_length += 1
    connection.out.data = NULL
    connection.out.capacity = 0


cdef inline void take_connection_output(Loop *loop, Connection *connection) noexcept nogil:
    """Gives the connection an output buffer if it has none; without memory the reply's own growth will fail."""
    if connection.out.data != NULL:
        return
    if loop.free_outputs != NULL:
        connection.out.data = <char *> loop.free_outputs
        loop.free_outputs = (<void **> loop.free_outputs)[0]
        loop.free_outputs_length -= 1
    else:
        connection.out.data = <char *> malloc(OUTPUT_SIZE)
    connection.out.capacity = OUTPUT_SIZE if connection.out.data != NULL else 0


cdef void trim_pools(Loop *loop) noexcept nogil:
    """Frees a quarter of the idle buffers: after a burst the pools shrink to nothing within seconds."""
    cdef Query *query
    cdef void *output
    cdef int count
    for count in range((loop.free_queries_length + 3) // 4 if loop.free_queries_length > 4 else 0):
        query = loop.free_queries
        loop.free_queries = query.next
        loop.free_queries_length -= 1
        query_free(query)
        free(query)
    for count in range((loop.free_outputs_length + 3) // 4 if loop.free_outputs_length > 4 else 0):
        output = loop.free_outputs
        loop.free_outputs = (<void **> output)[0]
        loop.free_outputs_length -= 1
        free(output)


# --- one connection ------------------------------------------------------------------------------------------------

cdef bint receive(Loop *loop, Connection *connection) noexcept nogil:
    """Reads once from the socket into the query buffer; False when there was nothing, or the connection broke."""
    cdef Query *query
    cdef size_t missing, room
    cdef ssize_t count
    if connection.query == NULL:
        connection.query = take_query(loop)
        if connection.query == NULL:
            connection.broken = True
            return False
    query = connection.query
    missing = query_missing(query)
    if missing > query.length + 4 * QUERY_SIZE:
        missing = query.length + 4 * QUERY_SIZE   # grows with what has really come, not with what was announced
    room = query.capacity - query.length
    if room < missing or room < QUERY_SIZE // 4:
        if query_reserve(query, missing if missing > QUERY_SIZE else QUERY_SIZE) < 0:
            connection.broken = True
            return False
        room = query.capacity - query.length
    count = recv(connection.fd, query.data + query.length, room, MSG_DONTWAIT)
    loop.reads += 1
    if count > 0:
        query.length += count
        connection.net_in += count
        loop.net_in += count
        connection.last_interaction = loop.now
        if <size_t> count < room and not connection.hung_up:
            connection.readable = False
        if query.length - query.scanned > <size_t> loop.settings.query_limit:
            add_u64(&loop.settings.query_closed, 1)
            connection.broken = True
            return False
        return True
    if count == 0:
        connection.hung_up = connection.close_after_reply = True   # what is due is still sent, if it goes at once
    elif errno == EAGAIN or errno == EINTR:
        connection.readable = errno == EINTR
    else:
        connection.broken = True
    if is_empty(query):
        connection.query = NULL
        give_query(loop, query)
    return False


cdef void scan(Loop *loop, Connection *connection) noexcept nogil:
    """Turns received bytes into requests and names their commands."""
    cdef ScanLimits limits
    cdef Query *query = connection.query
    cdef Request *request
    cdef ScanResult result
    cdef uint32_t i
    limits.max_bulk = loop.settings.max_bulk
    limits.max_arguments = 2147483647
    limits.max_inline = 65536
    limits.authenticated = not connection.gates & GATE_UNAUTHENTICATED
    # An AUTH may change the limits for what is behind it.
    limits.request_limit = REQUESTS_PER_SCAN if limits.authenticated else 1
    result = query_scan(query, &limits)
    connection.rescan = result == SCAN_FULL
    if result == SCAN_ERROR:
        loop.protocol_errors += 1
    for i in range(query.requests_next, query.requests_length):
        request = &query.requests[i]
        request.command = command_lookup(
            query.data + query.arguments[request.first].offset, query.arguments[request.first].length)


cdef inline void submit(WorkerLoop *loop, Connection *connection) noexcept nogil:
    """Puts the connection's requests before the executor."""
    take_connection_output(&loop.base, connection)
    if is_driven_by_executor(&loop.base):
        connection.next_ready = NULL
        connection.on_ready = True
        if loop.base.ready == NULL:
            loop.base.ready = connection
        else:
            loop.base.ready_last.next_ready = connection
        loop.base.ready_last = connection
        return
    connection.in_flight = True
    connection.submitted = connection.out.length
    connection.request.kind = LETTER_REQUESTS
    connection.request.mail.next = loop.outgoing_newest
    if loop.outgoing_newest == NULL:
        loop.outgoing_oldest = &connection.request.mail
    loop.outgoing_newest = &connection.request.mail


cdef void report_fault(Loop *loop, Connection *connection) noexcept nogil:
    """Answers a broken request and closes once that is sent."""
    take_connection_output(loop, connection)
    cdef char *text = connection.query.error
    buffer_append(&connection.out, b"-ERR ", 5)
    buffer_append(&connection.out, text, strlen(text))
    buffer_append(&connection.out, b"\r\n", 2)
    connection.close_after_reply = True


cdef inline void note_query(Connection *connection) noexcept nogil:
    """Publishes the size of what is half received: only the loop may follow the pointer."""
    cdef Query *query = connection.query
    connection.query_bytes = query.length - query.scanned if query != NULL else 0
    connection.query_room = query.capacity if query != NULL else 0


cdef void advance(Loop *base, Connection *connection) noexcept nogil:
    """Takes the connection as far as it gets without waiting for the kernel or the executor."""
    cdef WorkerLoop *loop = <WorkerLoop *> base
    cdef Query *query
    cdef int turns = READS_PER_TURN
    while not (connection.killed or connection.broken or connection.close_after_reply or connection.parked):
        query = connection.query
        if query != NULL:
            if query.requests_next < query.requests_length:
                if not is_driven_by_executor(base):
                    take_connection_output(base, connection)
                    serve_reads(&loop.reader, base, connection)
                if query.requests_next < query.requests_length:
                    submit(loop, connection)
                    return
                continue
            if query.error[0] != 0:
                report_fault(base, connection)
                break
            query_consume(query)
            if connection.rescan:
                scan(base, connection)
                continue
            if is_empty(query):
                connection.query = NULL
                give_query(base, query)
        if not connection.readable:
            break
        if turns == 0:
            connection.on_ready = True
            connection.next_ready = base.again
            base.again = connection
            break
        turns -= 1
        if receive(base, connection):
            scan(base, connection)
    note_query(connection)
    if connection.parked and connection.hung_up:
        connection.broken = True
    if connection.out.length > connection.sent or connection.killed or connection.broken or connection.close_after_reply:
        loop_queue_flush(base, connection)
    elif connection.out.data != NULL:
        give_connection_output(base, connection)


cdef void arm_write(Loop *loop, Connection *connection, bint armed) noexcept nogil:
    """Asks the kernel to report, or no longer to report, room in the socket's send buffer."""
    cdef epoll_event event
    if connection.write_armed == armed:
        return
    connection.write_armed = armed
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (EPOLLOUT if armed else 0)
    event.data.ptr = connection
    if epoll_ctl(loop.epoll_fd, EPOLL_CTL_MOD, connection.fd, &event) < 0:
        connection.broken = True


cdef void close_connection(Loop *loop, Connection *connection) noexcept nogil:
    """Closes the socket, gives the buffers back, and tells the executor."""
    posix_close(connection.fd)
    connection.fd = -1
    add_i32(&loop.settings.connected, -1)
    if loop.cursor == connection:
        loop.cursor = connection.next
    if connection.previous != NULL:
        connection.previous.next = connection.next
    else:
        loop.connections = connection.next
    if connection.next != NULL:
        connection.next.previous = connection.previous
    loop.connections_length -= 1
    if connection.query != NULL:
        give_query(loop, connection.query)
        connection.query = NULL
    buffer_free(&connection.out)
    connection.sent = 0
    connection.request.kind = LETTER_CLOSED
    mailbox_post(loop.executor, &connection.request.mail)


cdef void drop_sent(Connection *connection) noexcept nogil:
    """Moves what is still due to the buffer's front: a client that is always a little behind never empties it."""
    cdef size_t due = connection.out.length - connection.sent
    memmove(connection.out.data, connection.out.data + connection.sent, due)
    connection.out.length = due   # before `sent`, for the executor that looks at both (`output_length`)
    connection.sent = 0


cdef void flush_connection(Loop *loop, Connection *connection) noexcept nogil:
    """Sends what the connection's client is due, and closes the connection if its time has come."""
    cdef ssize_t count
    if connection.in_flight or connection.on_ready or connection.fd < 0:
        return   # its turn ends with another flush
    while not (connection.killed or connection.broken) and connection.sent < connection.out.length:
        count = send(connection.fd, connection.out.data + connection.sent, connection.out.length - connection.sent,
                     MSG_NOSIGNAL | MSG_DONTWAIT)
        loop.writes += 1
        if count > 0:
            connection.sent += count
            connection.net_out += count
            loop.net_out += count
        elif errno == EAGAIN:
            if connection.close_after_reply and connection.hung_up:
                connection.broken = True
            elif is_over_output_limit(connection):
                add_u64(&loop.settings.limit_closed, 1)
                connection.broken = True
            else:
                arm_write(loop, connection, True)
            break
        elif errno != EINTR:
            connection.broken = True
    if connection.killed or connection.broken:
        close_connection(loop, connection)
    elif connection.sent > OUTPUT_SIZE and connection.sent > connection.out.length // 2 and (
            connection.sent < connection.out.length):
        drop_sent(connection)
    elif connection.sent == connection.out.length:
        if connection.close_after_reply:
            close_connection(loop, connection)
            return
        if connection.out.data != NULL:
            give_connection_output(loop, connection)
        arm_write(loop, connection, False)
        if connection.broken:
            close_connection(loop, connection)


cdef void flush(Loop *loop) noexcept nogil:
    """Sends everything that is due."""
    cdef Connection *connection
    while loop.unflushed != NULL:
        connection = loop.unflushed
        loop.unflushed = connection.next_unflushed
        connection.on_unflushed = False
        flush_connection(loop, connection)


# --- letters and events ----------------------------------------------------------------------------------------------

cdef void welcome(Loop *loop, Connection *connection) noexcept nogil:
    """Makes an accepted connection one of the loop's own."""
    cdef epoll_event event
    connection.previous = NULL
    connection.next = loop.connections
    if loop.connections != NULL:
        loop.connections.previous = connection
    loop.connections = connection
    loop.connections_length += 1
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


cdef void insert_deferred(Connection *connection) noexcept nogil:
    """Puts the pushes that waited before the replies of the requests that were in flight: they were sent first."""
    cdef Letter *letter = connection.deferred
    cdef Letter *following
    cdef size_t position = connection.submitted
    connection.deferred = NULL
    while letter != NULL:
        following = <Letter *> letter.mail.next
        add_u64(&connection.pending_output, <uint64_t> -<int64_t> letter.length)
        if buffer_reserve(&connection.out, letter.length) == NULL:
            connection.broken = True
        else:
            memmove(connection.out.data + position + letter.length, connection.out.data + position,
                    connection.out.length - position)
            memcpy(connection.out.data + position, <char *> letter + sizeof(Letter), letter.length)
            connection.out.length += letter.length
            position += letter.length
        free(letter)
        letter = following


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
    if connection.out.length > connection.sent and is_over_output_limit(connection):
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
    """The worker thread's life."""
    cdef int timeout
    cdef uint64_t count
    if load_i32(&loop.base.driver) == DRIVEN_BY_EXECUTOR:
        while posix_read(loop.resume_fd, &count, sizeof(count)) < 0:
            pass
    while not loop.stopping:
        timeout = WALK_INTERVAL if mailbox_may_sleep(&loop.base.mailbox) else 0
        poll(loop, timeout)
        flush(&loop.base)
        if loop.yielding:
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
