# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The dispatcher: from a request in a query buffer to a reply in an output buffer.

Idea: the hot commands in their common forms are executed natively (`native.pyx`). Every other request becomes a list of
`bytes` and passes, in Redis's order: known command, arity, the gates that concern it (`admission.py`), the queue of an
open MULTI, and at last its handler. `CommandError` becomes a reply; any other exception is a bug, logged with the command's
name, and the client gets a generic error.

Owner: the executor thread. Invariant: each request that is not postponed writes its replies behind `mark` or nothing
(CLIENT REPLY); what is pushed to the client by its own command waits and follows the reply.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.client cimport (
    GATE_MONITORED, GATE_MULTI, GATE_MUTED, GATE_NO_TOUCH, Client, Connection, SharedSettings, is_over_output_limit,
)
from mtredis.executor.context cimport Context
from mtredis.executor.native cimport run_read, run_write
from mtredis.keyspace.core cimport core_set_now
from mtredis.lib.atomics cimport add_u64
from mtredis.lib.clock cimport monotonic_us, unix_ms
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.registry.table cimport (
    NATIVE_NONE, NATIVE_READS_END, CommandEntry, command_at, count_timed, count_untimed,
)
from mtredis.errors import CommandError

cdef enum:
    NATIVE_SAMPLE = 16       # one native command in so many is timed, and counts for all of them

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
        self.reply = self.context.reply
        self.context.execute_queued = self.execute_queued
        self.postponed = []
        self.slow_threshold = -1

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
        self.natives += 1
        timed = self.natives % NATIVE_SAMPLE == 0
        if timed:
            start = monotonic_us()
        if entry.native < NATIVE_READS_END:
            ran = run_read(self.core, gates, connection, query, request, entry.native,
                           &self.keyspace.hits, &self.keyspace.misses)
        else:
            ran = run_write(self.core, self.settings, connection, query, request, entry.native, &self.context.dirty)
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
        if command is not None and command.subcommands:
            command = self.resolve(command, argv)
            if command is not None:
                entry = command_at(command.id)
        if command is not None:
            connection.last_command = entry.id
        self.core.no_touch = (connection.gates & GATE_NO_TOUCH) != 0
        if connection.gates & GATE_MUTED:
            result = self.dispatch_muted(connection, entry, command, argv)
        else:
            result = self.dispatch(connection, entry, command, argv)
        self.core.no_touch = False
        self.context.leave()
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
                self.invoke(entry, command, argv)
        except CommandError as error:
            connection.out.length = mark
            self.reject(connection, entry if command is not None else NULL, command, argv, error)
        return RAN

    cdef int dispatch_muted(self, Connection *connection, CommandEntry *entry, object command, list argv) except -1:
        """Dispatches for a client that has asked for silence (CLIENT REPLY OFF, or SKIP for this one command)."""
        cdef Client client = self.context.client
        cdef size_t mark = connection.out.length
        cdef bint once = client.reply_mode == "skip"
        if once:
            client.reply_mode = "skipping"
        if self.dispatch(connection, entry, command, argv) == STOPPED:
            if once:
                client.reply_mode = "skip"
            return STOPPED
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

    cdef int invoke(self, CommandEntry *entry, object command, list argv) except -1:
        """Runs a handler, with all that belongs to a call: its reply or its error, its time, its statistics."""
        cdef Connection *connection = self.context.connection
        cdef size_t mark = connection.out.length
        cdef int64_t start = monotonic_us()
        cdef int64_t elapsed
        self.errors_seen = self.reply.errors
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
        if 0 <= self.slow_threshold <= elapsed:
            self.on_slow(command, argv, elapsed, self.context.client)
        if self.settings.gates & GATE_MONITORED:
            self.on_monitor(self.context.client, command, argv)
        return 0

    def execute_queued(self, command, list argv) -> None:
        """Runs one queued command of a transaction: writes its reply or its error."""
        self.invoke(command_at(command.id), command, argv)
