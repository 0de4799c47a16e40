# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""One connection: from the socket to requests, from replies to the socket.

Idea: a connection advances as far as it gets without waiting: served requests are dropped from its query buffer, bytes
are received and scanned, single-key reads are answered on the spot (`reads`), and the first request that needs the
executor makes the whole connection go there, with all requests behind it; its order is kept by never having more than
one batch of a connection under way.

Owner: the thread that drives the connection's loop. Invariants: sockets are edge-triggered, so whoever stops reading
early puts the connection on `again`. A connection is closed in `flush_connection` alone, never while it is in flight or
on a list. An idle connection owns no buffer: both come from the loop's pools.
"""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove, strlen
from mtredis.client cimport (
    GATE_UNAUTHENTICATED, LETTER_CLOSED, LETTER_REQUESTS, OUTPUT_SIZE, QUERY_SIZE, Connection, Letter, Loop,
    is_driven_by_executor, is_over_output_limit, loop_queue_flush, note_backlog,
)
from mtredis.lib.atomics cimport add_i32, add_u64, load_u64, store_u64
from mtredis.lib.buffer cimport buffer_append, buffer_free, buffer_reserve
from mtredis.lib.epoll cimport EPOLL_CTL_MOD, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, epoll_ctl, epoll_event
from mtredis.lib.mailbox cimport mailbox_post, posix_close
from mtredis.network.reads cimport serve_reads
from mtredis.network.worker cimport WorkerLoop
from mtredis.protocol.parser cimport (
    SCAN_ERROR, SCAN_FULL, Query, Request, ScanLimits, ScanResult, query_clear, query_consume, query_free,
    query_missing, query_reserve, query_scan,
)
from mtredis.registry.table cimport command_lookup

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void *data, size_t length, int flags)
    ssize_t send(int fd, const void *data, size_t length, int flags)
    int MSG_NOSIGNAL, MSG_DONTWAIT

cdef enum:
    REQUESTS_PER_SCAN = 1024     # keeps one client's pipeline from holding up the others
    READS_PER_TURN = 4
    POOL_MAX = 256               # idle buffers of each kind that a loop keeps


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
    connection.out.length = 0   # before `sent`, as in `drop_sent`
    store_u64(<uint64_t *> &connection.sent, 0)
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


cdef void note_query(Connection *connection) noexcept nogil:
    """Publishes the size of what is half received: only the loop may follow the pointer."""
    cdef Query *query = connection.query
    note_backlog(connection)
    connection.query_bytes = query.length - query.scanned if query != NULL else 0
    connection.query_room = query.capacity if query != NULL else 0


cdef inline void release_query(Loop *loop, Connection *connection) noexcept nogil:
    """Takes the query buffer of a parked connection back, if nothing is left in it."""
    cdef Query *query = connection.query
    if query != NULL and query.requests_next == query.requests_length and query.error[0] == 0:
        query_consume(query)
        if is_empty(query):
            connection.query = NULL
            give_query(loop, query)


cdef void advance(Loop *base, Connection *connection) noexcept nogil:
    """Takes the connection as far as it gets without waiting for the kernel or the executor."""
    cdef WorkerLoop *loop = <WorkerLoop *> base
    cdef Query *query
    cdef int turns = READS_PER_TURN
    while not (connection.killed or connection.broken or connection.close_after_reply or connection.parked):
        query = connection.query
        if query != NULL:
            if query.requests_next < query.requests_length:
                # What was pushed to the client before it asked goes out before the answer, so if the letter is still
                # under way, the executor answers.
                if not is_driven_by_executor(base) and load_u64(&connection.pending_output) == 0:
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
    if connection.parked:
        release_query(base, connection)
    note_query(connection)
    if connection.parked and connection.hung_up:
        connection.broken = True
    if connection.out.length > connection.sent or (
            connection.killed or connection.broken or connection.close_after_reply):
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
    """Gives the buffers back, tells the executor, and closes the socket.

    In this order: a client that sees the end of one connection and then asks over another finds the first forgotten.
    """
    cdef int fd = connection.fd
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
    note_backlog(connection)
    connection.request.kind = LETTER_CLOSED
    mailbox_post(loop.executor, &connection.request.mail)
    posix_close(fd)


cdef void drop_sent(Connection *connection) noexcept nogil:
    """Moves what is still due to the buffer's front: a client that is always a little behind never empties it."""
    cdef size_t due = connection.out.length - connection.sent
    memmove(connection.out.data, connection.out.data + connection.sent, due)
    connection.out.length = due   # before `sent`, for the executor that looks at both (`output_length`)
    store_u64(<uint64_t *> &connection.sent, 0)


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
            elif is_over_output_limit(connection, 0):
                add_u64(&loop.settings.limit_closed, 1)
                connection.broken = True
            else:
                arm_write(loop, connection, True)
            break
        elif errno != EINTR:
            connection.broken = True
    note_backlog(connection)
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
