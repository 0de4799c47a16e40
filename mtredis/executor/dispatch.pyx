# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The dispatcher: from a request in a query buffer to a reply in an output buffer.

Idea: the hot commands in their common forms are executed natively (`native.pyx`). Every other request becomes a list of
`bytes` and passes, in Redis's order: known command, arity, the gates that concern it (`admission.py`), the queue of an
open MULTI, and at last its handler. `CommandError` becomes a reply; any other exception is a bug, logged with the
command's name, and the client gets a generic error. A handler may block instead of replying (`blocking.py`): it is run
again by `retry`, and what it then replies goes through `scratch`, for the parked connection's own buffer is its loop's.

Owner: the executor thread. Invariant: each request that is not postponed writes its replies behind `mark` or nothing
(CLIENT REPLY); what is pushed to the client by its own command waits and follows the reply. A command is counted once,
when it has its reply, with the time of all its runs. While clients are blocked, a change and the serving of those who
waited for it are one step for readers.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.client cimport (
    GATE_BLOCKED, GATE_MONITORED, GATE_MULTI, GATE_MUTED, GATE_NO_TOUCH, Client, Connection, SharedSettings,
    connection_kill, connection_push, is_over_output_limit,
)
from mtredis.executor.context cimport Context
from mtredis.executor.native cimport Counts, run_read, run_write
from mtredis.executor.native_effects cimport effect_put, effect_reserve
from mtredis.keyspace.core cimport core_set_now, version_begin, version_end
from mtredis.lib.atomics cimport add_u64
from mtredis.lib.buffer cimport Buffer, buffer_free
from mtredis.lib.clock cimport monotonic_us, unix_ms
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.registry.table cimport (
    NATIVE_NONE, NATIVE_READS_END, CommandEntry, command_at, count_timed, count_untimed,
)
from mtredis.errors import CommandError
from mtredis.registry import command as registry

cdef enum:
    NATIVE_SAMPLE = 16       # one native command in so many is timed, and counts for all of them
    SCRATCH_MAX = 65536      # bytes that `scratch` keeps
    LONG_MICROSECONDS = 20000    # a command that stops the others for so long is one to mention

cdef uint64_t WRITES = registry.WRITE
cdef uint64_t PROPAGATED = registry.WRITE | registry.MAY_REPLICATE
cdef uint64_t BLOCKS = registry.BLOCKING
cdef uint64_t TOUCHES_ARBITRARY_KEYS = registry.TOUCHES_ARBITRARY_KEYS

# Their replies are messages, which CLIENT REPLY OFF does not silence.
CONFIRMED = frozenset((b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe", b"ssubscribe", b"sunsubscribe"))


cdef class Dispatcher:
    """Executes requests for the `Executor`. The server sets its hooks before anything runs."""

    def __cinit__(self, server, Keyspace keyspace, SharedSettings settings):
        self.keyspace = keyspace
        self.core = keyspace.core
        self.settings_holder = settings
        self.settings = &settings.values
        self.context = Context(server, keyspace, settings)
        self.propagation = self.context.propagation
        self.reply = self.context.reply
        self.context.execute_queued = self.execute_queued
        self.postponed = []
        self.slow_threshold = -1

    def __dealloc__(self):
        buffer_free(&self.scratch)

    cdef int execute(self, Connection *connection) except -1:
        """Executes the connection's requests in order; STOPPED when the next one has to wait."""
        cdef Query *query = connection.query
        cdef Request *request
        cdef CommandEntry *entry
        cdef int outcome
        while query.requests_next < query.requests_length and not (connection.close_after_reply or connection.killed):
            request = &query.requests[query.requests_next]
            entry = <CommandEntry *> request.command
            if entry == NULL or entry.native == NATIVE_NONE or not self.run_native(connection, query, request, entry):
                outcome = self.call(connection, query, request)
                core_set_now(self.core, unix_ms())   # natives do not look at the clock, and a handler may take its time
                if outcome != RAN:
                    query.requests_next += outcome == BLOCKED
                    return STOPPED
            query.requests_next += 1
        if is_over_output_limit(connection, 0):
            add_u64(&self.settings.limit_closed, 1)
            connection.killed = True
        return RAN

    cdef bint run_native(self, Connection *connection, Query *query, Request *request, CommandEntry *entry) noexcept:
        """Executes a hot command in its plain form; False, with nothing done, for the handler."""
        cdef uint32_t gates = connection.gates | self.settings.gates
        cdef int64_t start = 0
        cdef int64_t elapsed
        cdef bint timed, ran
        cdef Counts counts
        counts.dirty = &self.context.dirty
        counts.hits = &self.keyspace.hits
        counts.misses = &self.keyspace.misses
        self.natives += 1
        timed = self.natives % NATIVE_SAMPLE == 0
        if timed:
            start = monotonic_us()
        if entry.native < NATIVE_READS_END:
            ran = run_read(self.core, gates, connection, query, request, entry.native, &counts)
        else:
            ran = self.run_native_write(connection, query, request, entry, &counts)
        if not ran:
            return False
        if timed:
            elapsed = monotonic_us() - start
            entry.microseconds += elapsed * NATIVE_SAMPLE
            count_timed(entry, elapsed, 1)
            self.long_commands += elapsed >= LONG_MICROSECONDS
        else:
            count_untimed(entry)
        entry.calls += 1
        self.commands += 1
        connection.commands += 1
        connection.last_command = entry.id
        return True

    cdef bint run_native_write(self, Connection *connection, Query *query, Request *request, CommandEntry *entry,
                               Counts *counts) noexcept:
        """Executes a write, and puts what it has changed into the write stream."""
        cdef int64_t dirty = self.context.dirty
        cdef size_t mark = connection.out.length
        cdef bint ran
        counts.effects = NULL
        if not self.propagation.is_on:
            return run_write(self.core, self.settings, connection, query, request, entry.native, counts)
        if not effect_reserve(self.propagation, query, request):
            return False
        counts.effects = &self.propagation.pending
        counts.expire_at = -1
        ran = run_write(self.core, self.settings, connection, query, request, entry.native, counts)
        if self.context.dirty != dirty:
            if ran:
                effect_put(self.propagation, connection, query, request, entry.native, mark, counts.expire_at)
            else:
                self.left_changes = True
        return ran

    cdef int call(self, Connection *connection, Query *query, Request *request) except -1:
        """Executes one request through its Python handler."""
        cdef CommandEntry *entry = <CommandEntry *> request.command
        cdef Argument *arguments = &query.arguments[request.first]
        cdef list argv = PyList_New(request.argc)
        cdef bytes argument
        cdef uint32_t i
        cdef int result
        cdef bint is_one_step = False
        for i in range(request.argc):
            argument = PyBytes_FromStringAndSize(query.data + arguments[i].offset, arguments[i].length)
            Py_INCREF(argument)
            PyList_SET_ITEM(argv, i, argument)
        core_set_now(self.core, unix_ms())
        self.context.enter(connection)
        command = <object> entry.command if entry != NULL else None
        if command is not None and command.subcommands:
            command = self.resolve(command, argv)
            if command is not None:
                entry = command_at(command.id)
        if command is not None:
            connection.last_command = entry.id
            if self.settings.gates & GATE_BLOCKED and (entry.flags & WRITES or connection.gates & GATE_MULTI):
                is_one_step = True
                version_begin(self.core)
        self.core.no_touch = (connection.gates & GATE_NO_TOUCH) != 0
        if connection.gates & GATE_MUTED:
            result = self.dispatch_muted(connection, entry, command, argv)
        else:
            result = self.dispatch(connection, entry, command, argv)
        self.core.no_touch = False
        self.context.leave()
        if self.context.ready and result != BLOCKED:   # else the connection is to be parked first
            self.serve_blocked()
        if is_one_step:
            version_end(self.core)
        return result

    cdef int serve_blocked(self) except -1:
        """Lets those clients go on who were blocked on a key that has been changed."""
        core_set_now(self.core, unix_ms())
        self.context.blocking.serve()
        return 0

    cdef int dispatch(self, Connection *connection, CommandEntry *entry, object command, list argv) except -1:
        """Refuses, postpones, queues or invokes a command; replies unless that is put off (STOPPED) or BLOCKED."""
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
                self.context.client.hold(self.context.client.transaction.queue(command, argv))
                self.reply.simple(b"QUEUED")
            else:
                return self.invoke(entry, command, argv)
        except CommandError as error:
            connection.out.length = mark
            self.reject(connection, entry if command is not None else NULL, command, argv, error)
        return RAN

    cdef int dispatch_muted(self, Connection *connection, CommandEntry *entry, object command, list argv) except -1:
        """Dispatches for a client that has asked for silence (CLIENT REPLY OFF, or SKIP for this one command)."""
        cdef Client client = self.context.client
        cdef size_t mark = connection.out.length
        cdef bint once = client.reply_mode == "skip"
        cdef int outcome
        if once:
            client.reply_mode = "skipping"
        outcome = self.dispatch(connection, entry, command, argv)
        if outcome != RAN:
            if once and outcome == STOPPED:
                client.reply_mode = "skip"
            return outcome
        if client.reply_mode == "on":     # CLIENT REPLY ON has just been executed
            return RAN
        if command is None or command.name not in CONFIRMED:
            connection.out.length = mark
        if client.reply_mode == "skipping":
            client.reply_mode = "on"
        return RAN

    cdef reject(self, Connection *connection, CommandEntry *entry, object command, list argv, error):
        """Answers a command that was refused before it ran; an open MULTI cannot be executed any more."""
        if entry != NULL:
            entry.rejected += 1
        if command is not None and command.name == b"exec":
            error = self.refuse_exec(self.context.client, command, argv, error)
        elif connection.gates & GATE_MULTI:
            self.context.client.transaction.flag_dirty_exec()
        self.reply_error(error)

    cdef reply_error(self, error):
        cdef str text = str(error)
        self.reply.error(text.encode("utf-8", "surrogateescape"))
        self.on_error_reply(text)

    cdef fail(self, size_t mark, error):
        """The handler's reply is an error, whatever it has written."""
        self.context.wait = None
        self.reply.out.length = mark
        self.reply_error(error)

    cdef int invoke(self, CommandEntry *entry, object command, list argv) except -1:
        """Runs a handler, with all that belongs to a call: its reply or its error, its time, its statistics.

        BLOCKED when it waits for a key instead.
        """
        cdef size_t mark = self.reply.out.length
        cdef int64_t start = monotonic_us()
        cdef int64_t elapsed
        cdef int64_t dirty = self.context.dirty - self.left_changes
        cdef list shown = argv
        cdef bint failed
        cdef bint is_unit = self.propagation.depth > 0 or not entry.flags & TOUCHES_ARBITRARY_KEYS
        self.context.is_replaced = self.left_changes = False
        if is_unit:
            self.propagation.unit_begin()
        if self.blocked is not None:
            shown = self.blocked.shown
        elif entry.flags & BLOCKS:
            shown = argv[:]
        self.errors_seen = self.reply.errors
        try:
            command.handler(self.context, argv)
        except CommandError as error:
            self.fail(mark, error)
        except MemoryError:
            self.fail(mark, CommandError("OOM command not allowed when the process is out of memory."))
        except Exception as error:
            self.on_bug(command.name.decode(), error)
            self.fail(mark, CommandError("ERR internal error, see the server's log"))
        elapsed = monotonic_us() - start
        if self.propagation.is_on and entry.flags & PROPAGATED:   # what DEBUG has changed is not in the stream
            self.propagate(dirty, argv)
        if is_unit:
            self.propagation.unit_end()
        if self.context.wait is not None:
            self.reply.out.length = mark
            return self.block(command, argv, shown, elapsed)
        if self.blocked is not None:
            elapsed += self.blocked.microseconds
        failed = self.reply.errors != self.errors_seen   # those of a queued command are not EXEC's
        self.errors_seen = self.reply.errors
        self.count(entry, command, shown, elapsed, failed)
        if self.settings.gates & GATE_MONITORED and self.blocked is None:
            self.on_monitor(self.context.client, command, shown)
        return RAN

    cdef int propagate(self, int64_t dirty, list argv) except -1:
        """The command goes into the write stream, if it has changed something and its handler has not seen to that."""
        if not self.context.is_replaced and self.context.wait is None and self.context.dirty != dirty:
            self.propagation.append(self.context.db.index, argv)
        return 0

    cdef int block(self, object command, list argv, list shown, int64_t elapsed) except -1:
        """The handler has called `block`: its client waits, or goes on waiting."""
        cdef Context context = self.context
        cdef tuple wait = context.wait
        context.wait = None
        if self.blocked is not None:
            self.blocked.microseconds += elapsed
            return BLOCKED
        context.blocking.wait(context.client, command, argv, shown, context.db.index, context.now, elapsed, *wait)
        if self.settings.gates & GATE_MONITORED:
            self.on_monitor(context.client, command, shown)
        return BLOCKED

    cdef int count(self, CommandEntry *entry, object command, list shown, int64_t elapsed, bint failed) except -1:
        """The command of the context's client has its reply."""
        entry.calls += 1
        entry.microseconds += elapsed
        entry.failed += failed
        count_timed(entry, elapsed, 1)
        self.long_commands += elapsed >= LONG_MICROSECONDS
        self.commands += 1
        self.context.connection.commands += 1
        if 0 <= self.slow_threshold <= elapsed:
            self.on_slow(command, shown, elapsed, self.context.client)
        return 0

    # --- blocked clients, for `blocking.Blocking` --------------------------------------------------------------------

    cdef int enter_blocked(self, Connection *connection) except -1:
        """Points the context at a parked connection; replies go to `scratch`."""
        self.context.enter(connection)
        self.scratch.length = 0
        self.reply.out = &self.scratch
        return 0

    def retry(self, blocked) -> int:
        """Runs a blocked client's handler again: RAN when it has its reply, BLOCKED, STOPPED (put off), or GONE."""
        cdef Client client = blocked.client
        cdef Connection *connection = client.connection
        cdef CommandEntry *entry = command_at(blocked.command.id)
        cdef uint32_t gates
        cdef int outcome = RAN
        if (connection == NULL or connection.fd < 0 or connection.killed or connection.broken
                or connection.close_after_reply):
            return GONE
        self.enter_blocked(connection)
        self.core.no_touch = (connection.gates & GATE_NO_TOUCH) != 0
        self.blocked = blocked
        self.context.retrying = True
        gates = (connection.gates | self.settings.gates) & entry.gated_by
        try:
            if gates and not self.admit(self.context, blocked.command, blocked.argv, gates):
                outcome = STOPPED
            else:
                outcome = self.invoke(entry, blocked.command, blocked.argv)
        except CommandError as error:   # refused now, by a gate
            entry.rejected += 1
            self.reply_error(error)
        self.context.retrying = False
        self.blocked = None
        self.core.no_touch = False
        if outcome == RAN:
            self.deliver(connection)
        else:
            self.context.leave()
        return outcome

    def answer(self, blocked, error) -> None:
        """Ends a blocked client's command without running it: with the null that it has named, or an error (text).

        Also inside the command of another client.
        """
        cdef Client client = blocked.client
        cdef Connection *caller = self.context.connection
        cdef Buffer *out = self.reply.out
        cdef int resp = self.reply.resp
        cdef Py_ssize_t errors = self.reply.errors
        if client.connection == NULL or client.connection.fd < 0:
            return
        self.enter_blocked(client.connection)
        if error is not None:
            self.reply_error(error)
        elif type(blocked.null) is bytes:
            self.reply.raw(blocked.null)
        elif blocked.null == "null":
            self.reply.null()
        else:
            self.reply.null_array()
        self.count(command_at(blocked.command.id), blocked.command, blocked.shown, blocked.microseconds,
                   error is not None)
        self.deliver(client.connection)
        if caller != NULL:
            self.context.enter(caller)
            self.reply.out, self.reply.resp = out, resp
        self.reply.errors = errors

    cdef int deliver(self, Connection *connection) except -1:
        """Sends a blocked client its reply, unless it has asked for silence, and leaves its context."""
        cdef Client client = self.context.client
        if connection.gates & GATE_MUTED:
            if client.reply_mode == "skipping":
                client.reply_mode = "on"
        elif connection_push(connection, self.scratch.data, self.scratch.length) < 0:
            connection_kill(connection)
        if self.scratch.capacity > SCRATCH_MAX:
            buffer_free(&self.scratch)
        self.context.leave()
        return 0

    def execute_queued(self, command, list argv) -> None:
        """Runs one queued command of a transaction: writes its reply or its error."""
        self.invoke(command_at(command.id), command, argv)
