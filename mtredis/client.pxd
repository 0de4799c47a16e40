# cython: freethreading_compatible=True
"""A client's connection and session, and the loop that drives it: the memory that workers and the executor share.

Who may touch a field of `Connection`:
- *loop*: the thread that drives the connection's loop (its worker, or the executor while it drives the loops);
- *holder*: the loop, but the executor between taking the connection's requests and giving it back;
- *executor*: the executor alone; `gates`, `db` and `resp` are its too, and it changes them only while it holds the
  connection, which is what lets the loop read them.
Counters may be read by anyone at any time: they are words that one thread writes.
"""
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from mtredis.lib.atomics cimport add_u64, load_i32
from mtredis.lib.buffer cimport Buffer
from mtredis.lib.mailbox cimport Mail, Mailbox
from mtredis.protocol.parser cimport Query
from mtredis.registry.table cimport COMMANDS_MAX

cdef enum:
    QUERY_SIZE = 16384           # bytes that one read asks for, and a pooled query buffer holds
    OUTPUT_SIZE = 16384          # bytes of a pooled output buffer
    EVENTS_MAX = 512             # readiness events taken per wait

# Gates: why a command may have to be refused, queued or put off. The hot path tests them all with one AND.
cdef enum Gate:
    GATE_UNAUTHENTICATED = 1     # per connection
    GATE_MULTI = 2
    GATE_SUBSCRIBED = 4          # RESP2 and subscribed: few commands are allowed
    GATE_MUTED = 8               # CLIENT REPLY OFF or SKIP
    GATE_NO_TOUCH = 16
    GATE_NO_EVICT = 32
    GATE_TRACED = 64             # the session wants to see every command itself (MONITOR clients)
    GATE_LOADING = 256           # global, in Settings.gates
    GATE_MEMORY = 512            # maxmemory is set
    GATE_PAUSED = 1024
    GATE_MONITORED = 2048
    GATE_NOTIFY = 4096           # some keyspace events are published
    GATE_MISSES = 8192           # key misses are events
    GATE_WATCHED = 16384         # somebody watches a key
    GATE_BLOCKED = 32768         # somebody is blocked on a key: pushes must reach `Context.modified`
    GATE_PROTECTED = 65536       # DEBUG is not for everybody
    GATE_TIMED = 131072          # the slow log wants to hear even of the fastest commands
    GATE_BLOCKED_ON_MISSING = 262144   # somebody is blocked until a key is changed in any way
    GATE_DISK_ERROR = 524288     # what is written could not be saved: writes are refused
    GATE_DURABLE = 1048576       # nobody may see what is not on disk: workers answer no reads
    # Sets of them
    GATES_OF_READS = 1 | 2 | 4 | 8 | 16 | 64 | 256 | 1024 | 2048 | 8192 | 131072
    GATES_OF_WORKER_READS = GATES_OF_READS | 1048576
    GATES_OF_WRITES = 1 | 2 | 4 | 8 | 16 | 64 | 256 | 1024 | 2048 | 131072 | 524288
    GATES_OF_CHANGES = 4096 | 16384 | 262144   # somebody must be told of each modified key

cdef enum Letters:
    LETTER_REGISTER = 1          # acceptor -> executor: a connection exists
    LETTER_REQUESTS              # loop -> executor: execute its requests
    LETTER_CLOSED                # loop -> executor: the socket is gone, forget the session
    LETTER_CALL                  # any thread -> executor: look into the queue of calls
    LETTER_ARRIVAL               # acceptor -> loop: a new connection
    LETTER_DONE                  # executor -> loop: requests executed, replies written; also ends a parking
    LETTER_PARKED                # executor -> loop: the same, but serve nothing more of it until LETTER_DONE
    LETTER_RELEASE               # executor -> loop: nobody refers to the connection any more
    LETTER_OUTPUT                # executor -> loop: append these bytes (allocated, the loop frees it)
    LETTER_KILL                  # executor -> loop: close it (allocated, the loop frees it)
    LETTER_YIELD                 # executor -> loop: hand the loop over
    LETTER_YIELDED               # loop -> executor: it is yours (`connection` is the Loop)
    LETTER_STOP                  # executor -> loop: end the worker

cdef enum Driver:
    DRIVEN_BY_WORKER = 0
    DRIVEN_BY_EXECUTOR = 1

cdef enum OutputClass:
    CLASS_NORMAL = 0
    CLASS_REPLICA = 1
    CLASS_PUBSUB = 2

cdef struct Letter:
    Mail mail
    int kind
    Connection *connection
    size_t length                # of what follows the letter in memory, for LETTER_OUTPUT

cdef struct OutputLimit:
    int64_t hard                 # bytes; 0: none
    int64_t soft                 # bytes; 0: none
    int64_t soft_seconds

cdef struct Settings:
    # Written by the executor when the configuration changes, read by every thread.
    int64_t max_bulk
    int64_t query_limit
    OutputLimit output_limits[3]
    int64_t idle_timeout         # seconds; 0: none
    int64_t max_clients
    int32_t keepalive            # seconds; 0: off
    uint8_t password_set         # new connections start unauthenticated
    uint8_t protected            # refuse strangers (protected-mode without password)
    uint32_t gates               # global gates in force
    uint64_t max_memory          # bytes, with GATE_MEMORY
    uint64_t other_memory        # bytes that count beside the keyspace and the backlog, sampled
    uint64_t backlog_alarm       # bytes of backlog at which the executor looks at the clients
    # Counters
    uint64_t backlog             # atomic: bytes of all clients' large buffers and of their sessions
    int32_t connected            # atomic
    uint64_t next_id             # atomic
    uint64_t rejected            # acceptor
    uint64_t accepted            # acceptor
    uint64_t limit_closed        # atomic: connections closed for an output buffer limit
    uint64_t query_closed        # atomic: connections closed for a query buffer limit

cdef struct Address:
    uint8_t family               # AF_INET, AF_INET6, AF_UNIX
    uint16_t port
    uint8_t bytes[16]

cdef struct Connection:
    Letter registration          # each hand-over has its own letter, so that none is posted twice at a time
    Letter arrival               # later ends a parking, when the executor's `done` may still be under way
    Letter request
    Letter done
    # loop
    Loop *loop
    Connection *previous
    Connection *next
    Connection *next_ready
    Connection *next_unflushed
    int fd                       # -1 once closed
    uint8_t readable             # the kernel may have more bytes for us
    uint8_t hung_up              # the peer has closed its side: a short read proves nothing
    uint8_t in_flight            # its requests are at the executor
    uint8_t on_ready             # member of loop.ready or loop.again
    uint8_t rescan               # complete requests may still be unscanned: the last scan stopped at its limit
    uint8_t on_unflushed         # member of loop.unflushed
    uint8_t write_armed          # EPOLLOUT is asked for
    uint8_t broken               # the socket failed: close without sending
    Letter *deferred             # pushes that came while it was in flight, oldest first; they go before its replies
    size_t submitted             # out.length when it went in flight: where they go
    uint8_t parked               # its current command waits (CLIENT PAUSE, blocking): read nothing, serve nothing
    # holder
    Query *query                 # NULL while there is nothing half-read
    Buffer out
    size_t sent                  # bytes of out that are sent
    uint64_t backlog             # bytes of buffers that are larger than the pooled ones
    uint8_t close_after_reply
    uint8_t killed               # close as soon as the loop gets to it (any thread sets it)
    # executor
    PyObject *client             # owned reference to the Python Client, NULL until one is needed
    Connection *previous_client  # the executor's list of all connections
    Connection *next_client
    uint8_t registered
    uint8_t held                 # from LETTER_REQUESTS until LETTER_DONE is posted (not only collected)
    uint8_t resp                 # 2 or 3
    uint8_t output_class
    uint8_t executing            # its command runs right now: what is pushed to it follows the reply
    uint8_t parked_by_executor   # LETTER_PARKED was posted and no LETTER_DONE since
    uint64_t session             # bytes of what it has queued, watches and listens to
    int32_t db
    uint32_t gates
    int32_t last_command         # entry id, -1: none yet
    int64_t soft_limit_since     # ms; 0: below the soft limit
    # words written by one thread, read by any
    uint64_t id
    int64_t created              # unix ms
    int64_t last_interaction     # unix ms
    uint64_t net_in
    uint64_t net_out
    uint64_t commands
    uint64_t pending_output      # bytes in letters under way (atomic)
    uint64_t query_bytes         # half received, and room for them, when the loop last had no more to do for it
    uint64_t query_room
    Address peer
    Address local

cdef struct Loop:
    Mailbox mailbox
    Mailbox *executor            # where requests go
    Settings *settings
    int epoll_fd                 # where its sockets are registered now: its worker's, or the executor's own
    int index
    int32_t driver               # a Driver: written by the executor to take over, by the worker to give up
    Connection *connections      # all of them, newest first
    int64_t connections_length
    Connection *cursor           # where the periodic walk stands
    Connection *ready            # with requests for the executor, oldest first
    Connection *ready_last
    Connection *again            # readable although the kernel will not say so again
    Connection *unflushed        # with output to send
    Query *free_queries
    int free_queries_length
    void *free_outputs           # linked through their first word
    int free_outputs_length
    int64_t now                  # unix ms at the last wake-up
    int64_t next_walk
    Mail *posting_newest         # executor: letters to the loop, collected until what they tell of is in the log
    Mail *posting_oldest
    # how the executor drives a loop without knowing the network
    void (*attach)(Loop *loop, int epoll_fd) noexcept nogil      # moves all sockets; -1: to its worker's own
    void (*take_event)(Loop *loop, Connection *connection, uint32_t events) noexcept nogil
    int (*turn)(Loop *loop) noexcept nogil                       # letters and whatever no event announces
    void (*finish)(Loop *loop, Connection *connection) noexcept nogil
    void (*flush)(Loop *loop) noexcept nogil
    # counters, read by any thread
    uint64_t net_in
    uint64_t net_out
    uint64_t commands            # served by the worker itself
    uint64_t hits
    uint64_t misses
    uint64_t reads
    uint64_t writes
    uint64_t protocol_errors
    uint64_t served[COMMANDS_MAX]

cdef inline bint is_driven_by_executor(Loop *loop) noexcept nogil:
    return load_i32(&loop.driver) == DRIVEN_BY_EXECUTOR

cdef inline void note_backlog(Connection *connection) noexcept nogil:
    """Counts the buffers if they are larger than those of the pools. For the connection's holder."""
    cdef uint64_t backlog = 0
    if connection.out.capacity > OUTPUT_SIZE:
        backlog = connection.out.capacity
    if connection.query != NULL and connection.query.capacity > QUERY_SIZE:
        backlog += connection.query.capacity
    if backlog != connection.backlog:
        add_u64(&connection.loop.settings.backlog, backlog - connection.backlog)
        connection.backlog = backlog

cdef inline void loop_queue_flush(Loop *loop, Connection *connection) noexcept nogil:
    """Has the loop send the connection's output (or close it) before it next waits. Driver of the loop only."""
    if not connection.on_unflushed:
        connection.on_unflushed = True
        connection.next_unflushed = loop.unflushed
        loop.unflushed = connection

cdef inline void loop_collect(Loop *loop, Letter *letter) noexcept nogil:
    """Puts a letter behind those that the executor sends to the loop at the end of its step. Executor only."""
    letter.mail.next = loop.posting_newest
    if loop.posting_newest == NULL:
        loop.posting_oldest = &letter.mail
    loop.posting_newest = &letter.mail

cdef bint is_over_output_limit(Connection *connection, size_t coming) noexcept nogil
cdef int connection_push(Connection *connection, const char *data, size_t length) noexcept nogil
cdef void connection_kill(Connection *connection) noexcept nogil
cdef Client client_of(Connection *connection)
cdef str format_address(Address *address)

cdef class SharedSettings:
    cdef Settings values

cdef class Client:
    cdef Connection *connection      # NULL once the connection is gone
    cdef readonly object id
    cdef public bytes name
    cdef public bytes lib_name
    cdef public bytes lib_ver
    cdef public bytes user
    cdef bint _monitor               # the client is in MONITOR mode
    cdef public set watched          # (db index, key) pairs
    cdef public object blocked       # executor.blocking.Blocked while the client waits in a command
    cdef list late_pushes            # pushed by the client's own command
    cdef object _transaction
    cdef object _subscriptions
    cdef public object _reply_mode
    cdef bint _no_evict
    cdef bint _no_touch
    cdef void update_subscribed_gate(self)
    cdef inline void set_gate(self, uint32_t gate, bint in_force) noexcept
