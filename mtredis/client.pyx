# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""A client's session as command handlers see it, and how the executor reaches a client at any time.

Idea: a connection lives in C memory that workers and the executor hand to each other (`client.pxd` says who owns which
field). A Python `Client` is made only when a handler first asks for it, so ten thousand connections that GET and SET
cost no Python objects at all.

Owner: the executor thread, for everything in this module. Invariant: `Client.connection` is NULL from the moment on
that the executor has learned of the close, so a stale reference in somebody's list does no harm.
"""
import socket
import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy
from mtredis.lib.atomics cimport add_u64, load_u64
from mtredis.lib.buffer cimport buffer_append
from mtredis.lib.mailbox cimport mailbox_post
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.registry.table cimport command_at

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    time_t c_time "time"(time_t *result)


cdef class SharedSettings:
    """What every thread must know of the configuration, as one struct of words. The executor writes, all read."""

    def __cinit__(self):
        self.values.max_bulk = 512 << 20
        self.values.query_limit = 1 << 30
        self.values.max_clients = 10000
        self.values.keepalive = 300
        self.values.backlog_alarm = <uint64_t> -1

    def set_limits(self, *, int64_t max_bulk, int64_t query_limit, int64_t idle_timeout, int64_t max_clients,
                   int keepalive, bint password_set, bint protected) -> None:
        """Takes over the values of the parameters with these meanings (bytes, seconds)."""
        self.values.max_bulk = max_bulk
        self.values.query_limit = query_limit
        self.values.idle_timeout = idle_timeout
        self.values.max_clients = max_clients
        self.values.keepalive = keepalive
        self.values.password_set = password_set
        self.values.protected = protected

    def set_output_limit(self, int output_class, int64_t hard, int64_t soft, int64_t soft_seconds) -> None:
        """client-output-buffer-limit of one class: 0 normal, 1 replica, 2 pubsub; bytes and seconds, 0: none."""
        self.values.output_limits[output_class] = OutputLimit(hard, soft, soft_seconds)

    def set_memory(self, uint64_t maximum, uint64_t other) -> None:
        """`maxmemory`, and what counts towards it beside the keyspace's estimate and the backlog; bytes."""
        self.values.max_memory = maximum
        self.values.other_memory = other

    @property
    def backlog(self) -> int:
        """Bytes of what clients hold and that may grow without limit: large buffers, transactions, subscriptions."""
        return load_u64(&self.values.backlog)

    def set_backlog_alarm(self, uint64_t more) -> None:
        """The executor's `on_backlog` is to be called when the backlog has grown by so many bytes."""
        self.values.backlog_alarm = load_u64(&self.values.backlog) + more

    def set_gate(self, uint32_t gate, bint in_force) -> None:
        """Raises or lowers one of the global gates."""
        if in_force:
            self.values.gates |= gate
        else:
            self.values.gates &= ~gate

    def is_gate(self, uint32_t gate) -> bool:
        """Whether one of these gates is in force."""
        return (self.values.gates & gate) != 0

    def statistics(self) -> dict[str, int]:
        """Connections: now, accepted, rejected, closed for a limit."""
        return {
            "connected": self.values.connected,
            "accepted": self.values.accepted,
            "rejected": self.values.rejected,
            "output_limit_closed": load_u64(&self.values.limit_closed),
            "query_limit_closed": load_u64(&self.values.query_closed),
        }

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.values.accepted = self.values.rejected = 0
        self.values.limit_closed = self.values.query_closed = 0


cdef inline size_t output_length(Connection *connection) noexcept nogil:
    """Bytes in the output buffer that are not sent. For a buffer that its loop is just emptying it may be too small."""
    # `sent` first: both shrink together, `length` before it.
    cdef size_t sent = <size_t> load_u64(<uint64_t *> &connection.sent)
    cdef size_t length = <size_t> load_u64(<uint64_t *> &connection.out.length)
    return length - sent if length > sent else 0


cdef inline bint is_at_rest(Connection *connection) noexcept nogil:
    """Whether its buffers are the executor's to look into, not a worker's."""
    return connection.held or connection.executing or is_driven_by_executor(connection.loop)


cdef inline size_t output_memory(Connection *connection) noexcept nogil:
    """Bytes of replies that wait for the client, wherever they are."""
    return output_length(connection) + <size_t> load_u64(&connection.pending_output)


cdef bint is_over_output_limit(Connection *connection, size_t coming) noexcept nogil:
    """Whether the client's backlog, with `coming` more bytes, is over its class's hard limit, or has been over the soft
    one for too long.
    """
    cdef OutputLimit *limit = &connection.loop.settings.output_limits[connection.output_class]
    cdef int64_t used, since
    if limit.hard == 0 and limit.soft == 0:
        return False
    used = <int64_t> (output_memory(connection) + coming)
    if limit.hard and used >= limit.hard:
        return True
    if limit.soft == 0 or used < limit.soft:
        connection.soft_limit_since = 0
        return False
    since = connection.soft_limit_since   # once: the other thread that looks may find the client below the limit
    if since == 0:
        connection.soft_limit_since = c_time(NULL) * 1000
        return False
    return c_time(NULL) * 1000 - since > limit.soft_seconds * 1000


cdef int connection_push(Connection *connection, const char *data, size_t length) noexcept nogil:
    """Sends encoded bytes to a client behind all that it has been sent so far; 0, or -1 when memory is out.

    A client that is over its output limit is closed instead; one that is about to close gets nothing. Executor only.
    """
    cdef Letter *letter
    if connection.fd < 0 or connection.killed or connection.close_after_reply:
        return 0
    if is_over_output_limit(connection, length):
        add_u64(&connection.loop.settings.limit_closed, 1)
        connection_kill(connection)
        return 0
    # Letters that the worker had not read when it yielded are older, so this must not overtake them.
    if is_driven_by_executor(connection.loop) and load_u64(&connection.pending_output) == 0:
        if connection.fd < 0:   # its worker has closed it and yielded since
            return 0
        if buffer_append(&connection.out, data, length) < 0:
            return -1
        loop_queue_flush(connection.loop, connection)
    elif connection.held:
        if buffer_append(&connection.out, data, length) < 0:
            return -1
    else:
        letter = <Letter *> malloc(sizeof(Letter) + length)
        if letter == NULL:
            return -1
        letter.kind = LETTER_OUTPUT
        letter.connection = connection
        letter.length = length
        memcpy(<char *> letter + sizeof(Letter), data, length)
        add_u64(&connection.pending_output, length)
        loop_collect(connection.loop, letter)
    return 0


cdef void connection_kill(Connection *connection) noexcept nogil:
    """Has the connection closed without sending what is still queued. Executor only."""
    cdef Letter *letter
    if connection.killed or connection.fd < 0:
        return
    connection.killed = True
    if is_driven_by_executor(connection.loop):
        if connection.fd >= 0:   # else its worker has closed it and yielded since
            loop_queue_flush(connection.loop, connection)
    elif not connection.held:
        letter = <Letter *> malloc(sizeof(Letter))
        if letter != NULL:   # else the loop's walk over its connections finds the mark
            letter.kind = LETTER_KILL
            letter.connection = connection
            letter.length = 0
            mailbox_post(&connection.loop.mailbox, &letter.mail)


cdef Client client_of(Connection *connection):
    """The session of a connection, made on first use. Executor only."""
    cdef Client client
    if connection.client == NULL:
        client = Client.__new__(Client)
        client.connection = connection
        client.id = connection.id
        Py_INCREF(client)
        connection.client = <PyObject *> client
    return <Client> connection.client


unix_socket_path = ""   # set by the server before anybody connects


cdef str format_address(Address *address):
    """`ip:port`, `[ip6]:port`, or `path:0` for a Unix socket."""
    if address.family == socket.AF_INET:
        return f"{socket.inet_ntop(socket.AF_INET, address.bytes[:4])}:{address.port}"
    if address.family == socket.AF_INET6:
        return f"[{socket.inet_ntop(socket.AF_INET6, address.bytes[:16])}]:{address.port}"
    return f"{unix_socket_path}:0"


def set_unix_socket_path(str path not None) -> None:
    """Clients of the Unix socket are shown with this path."""
    global unix_socket_path
    unix_socket_path = path


cdef class Client:
    """A connected client's session. Owner: the executor.

    Plain state is held in Python attributes; whatever workers must know is a property over the connection.
    """

    def __cinit__(self):
        self.connection = NULL
        self.name = self.lib_name = self.lib_ver = b""
        self.user = b"default"
        self.watched = None
        self.blocked = None
        self._transaction = self._subscriptions = None
        self._reply_mode = "on"

    cdef inline void set_gate(self, uint32_t gate, bint in_force) noexcept:
        if self.connection != NULL:
            if in_force:
                self.connection.gates |= gate
            else:
                self.connection.gates &= ~gate

    cdef void update_subscribed_gate(self):
        self.set_gate(GATE_SUBSCRIBED, self._subscriptions is not None and self.resp == 2)

    def __repr__(self):
        return f"<Client {self.id} {self.address}>"

    @property
    def is_connected(self) -> bool:
        """False once the socket is closed."""
        return self.connection != NULL and self.connection.fd >= 0

    @property
    def db_index(self) -> int:
        """The selected database."""
        return self.connection.db if self.connection != NULL else 0

    @db_index.setter
    def db_index(self, int index):
        if self.connection != NULL:
            self.connection.db = index

    @property
    def resp(self) -> int:
        """The protocol version, 2 or 3."""
        return self.connection.resp if self.connection != NULL else 2

    @resp.setter
    def resp(self, int version):
        if self.connection != NULL:
            self.connection.resp = version
            self.update_subscribed_gate()

    @property
    def authenticated(self) -> bool:
        """Whether the client may run commands at all."""
        return self.connection == NULL or not self.connection.gates & GATE_UNAUTHENTICATED

    @authenticated.setter
    def authenticated(self, bint value):
        self.set_gate(GATE_UNAUTHENTICATED, not value)

    @property
    def transaction(self):
        """The open MULTI's `Transaction`, or None."""
        return self._transaction

    @transaction.setter
    def transaction(self, value):
        if self._transaction is not None:
            self.hold(-self._transaction.held)
        self._transaction = value
        self.set_gate(GATE_MULTI, value is not None)

    @property
    def subscriptions(self):
        """What the client is subscribed to (`executor.pubsub`), or None for nothing."""
        return self._subscriptions

    @subscriptions.setter
    def subscriptions(self, value):
        self._subscriptions = value
        if self.connection != NULL:
            self.connection.output_class = CLASS_PUBSUB if value is not None else CLASS_NORMAL
            self.update_subscribed_gate()

    @property
    def kind(self) -> str:
        """The class for output limits and CLIENT KILL TYPE: "normal" or "pubsub"."""
        return "pubsub" if self._subscriptions is not None else "normal"

    @property
    def reply_mode(self) -> str:
        """CLIENT REPLY: "on", "off", "skip" (the next reply) or "skipping" (the current one)."""
        return self._reply_mode

    @reply_mode.setter
    def reply_mode(self, str mode):
        self._reply_mode = mode
        self.set_gate(GATE_MUTED, mode != "on")

    @property
    def monitor(self) -> bool:
        """Whether the client is in MONITOR mode, where it may not use the keyspace."""
        return self._monitor

    @monitor.setter
    def monitor(self, bint value):
        self._monitor = value
        self.set_gate(GATE_TRACED, value)

    @property
    def no_touch(self) -> bool:
        """CLIENT NO-TOUCH: reads leave the keys' access clocks alone."""
        return self._no_touch

    @no_touch.setter
    def no_touch(self, bint value):
        self._no_touch = value
        self.set_gate(GATE_NO_TOUCH, value)

    @property
    def no_evict(self) -> bool:
        """CLIENT NO-EVICT: the client is exempt from client eviction."""
        return self._no_evict

    @no_evict.setter
    def no_evict(self, bint value):
        self._no_evict = value

    @property
    def address(self) -> str:
        """The peer, as CLIENT LIST prints it."""
        return format_address(&self.connection.peer) if self.connection != NULL else ""

    @property
    def local_address(self) -> str:
        """Our side of the connection."""
        return format_address(&self.connection.local) if self.connection != NULL else ""

    @property
    def is_unix_socket(self) -> bool:
        """Whether the client came through the Unix socket."""
        return self.connection != NULL and self.connection.peer.family == socket.AF_UNIX

    @property
    def fd(self) -> int:
        """The socket's number; -1 once closed."""
        return self.connection.fd if self.connection != NULL else -1

    @property
    def io_thread(self) -> int:
        """The index of the loop that serves the connection, from 0."""
        return self.connection.loop.index if self.connection != NULL else 0

    @property
    def created(self) -> int:
        """When the connection was accepted, unix ms."""
        return self.connection.created if self.connection != NULL else 0

    @property
    def last_interaction(self) -> int:
        """When bytes last came from the client, unix ms."""
        return self.connection.last_interaction if self.connection != NULL else 0

    @property
    def idle_seconds(self) -> int:
        """Seconds since the last interaction."""
        return max(0, int(time.time() * 1000) - self.last_interaction) // 1000

    @property
    def age_seconds(self) -> int:
        """Seconds since the connection was accepted."""
        return max(0, int(time.time() * 1000) - self.created) // 1000

    @property
    def last_command(self) -> str:
        """The full name of the command executed last, "NULL" before the first."""
        if self.connection == NULL or self.connection.last_command < 0:
            return "NULL"
        return command_at(self.connection.last_command).name.decode()

    @property
    def query_length(self) -> int:
        """Bytes received and not yet executed."""
        if self.connection == NULL:
            return 0
        if not is_at_rest(self.connection):
            return self.connection.query_bytes
        return pending_query_length(self.connection.query) if self.connection.query != NULL else 0

    @property
    def query_capacity(self) -> int:
        """Bytes held for the query buffer."""
        if self.connection == NULL:
            return 0
        if not is_at_rest(self.connection):
            return self.connection.query_room
        return self.connection.query.capacity if self.connection.query != NULL else 0

    @property
    def argument_memory(self) -> int:
        """Bytes of the arguments of half-received requests; 0 while a worker has them."""
        if self.connection == NULL or not is_at_rest(self.connection) or self.connection.query == NULL:
            return 0
        return self.connection.query.arguments_capacity * sizeof(Argument)

    @property
    def output_length(self) -> int:
        """Bytes of replies in the output buffer."""
        return output_length(self.connection) if self.connection != NULL else 0

    @property
    def output_capacity(self) -> int:
        """Bytes held for the output buffer."""
        return self.connection.out.capacity if self.connection != NULL else 0

    @property
    def is_over_output_limit(self) -> bool:
        """Whether more output waits for the client than `client-output-buffer-limit` allows."""
        return self.connection != NULL and is_over_output_limit(self.connection, 0)

    @property
    def output_memory(self) -> int:
        """Bytes of replies that wait for the client, wherever they are."""
        return output_memory(self.connection) if self.connection != NULL else 0

    @property
    def pending_output(self) -> int:
        """Bytes of pushes that are on their way to the client's worker."""
        return load_u64(&self.connection.pending_output) if self.connection != NULL else 0

    def hold(self, int64_t size) -> None:
        """The session takes so many bytes more (or less): what it has queued, watches, listens to."""
        if self.connection != NULL:
            self.connection.session += size
            add_u64(&self.connection.loop.settings.backlog, size)

    @property
    def total_memory(self) -> int:
        """Bytes that the connection holds altogether."""
        if self.connection == NULL:
            return 0
        return (sizeof(Connection) + self.query_capacity + self.argument_memory + self.output_capacity
                + self.pending_output + self.connection.session)

    @property
    def net_in(self) -> int:
        """Bytes received."""
        return self.connection.net_in if self.connection != NULL else 0

    @property
    def net_out(self) -> int:
        """Bytes sent."""
        return self.connection.net_out if self.connection != NULL else 0

    @property
    def commands_processed(self) -> int:
        """Commands executed."""
        return self.connection.commands if self.connection != NULL else 0

    def push(self, bytes data not None) -> None:
        """Queues encoded bytes behind all that the client has been sent so far, and behind the reply to the command
        that the client is running. Raises MemoryError.
        """
        if self.connection == NULL:
            return
        if self.connection.executing:
            if self.late_pushes is None:
                self.late_pushes = []
            self.late_pushes.append(data)
        elif connection_push(self.connection, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)) < 0:
            raise MemoryError

    def push_late(self) -> None:
        """Sends what the client's own command has pushed to it; the executor calls it behind the reply."""
        late, self.late_pushes = self.late_pushes, None
        for data in late:
            self.push(data)

    def kill(self) -> None:
        """Closes the connection; what is still queued for it is lost."""
        if self.connection != NULL:
            connection_kill(self.connection)

    def close_after_reply(self) -> None:
        """Closes the connection when the replies so far, the current one too, are sent."""
        if self.connection != NULL:
            self.connection.close_after_reply = True


cdef size_t pending_query_length(Query *query) noexcept nogil:
    """Bytes from the first request not yet executed to the end; all of it while one is half received."""
    cdef Request *request
    if query.requests_next < query.requests_length:
        request = &query.requests[query.requests_next]
        return query.length - query.arguments[request.first].offset
    return query.length - query.scanned
