# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The executor as the reader of a log: executes commands for nobody, just for what they change.

Idea: there is a connection without a socket; what it is replied is thrown away. Natives and handlers are the same as
for clients, but what surrounds a client's command is not: no gate is in force, nothing is counted, timed, published,
propagated or shown to monitors, and nobody waits. The clock that tells whether a key's time is over stands still at the
beginning of time, for a key that the log speaks of later must still be there; the access clocks are those of today.

Owner: the executor thread, in slices: between two `play` everything is as it was. Invariant: the database that a SELECT
has chosen stays chosen from slice to slice; a log begins in database 0 (`rewind`).
Limit: commands with a relative time to live (which no Redis since version 2.4 writes into its log) count from now on.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from mtredis.client cimport Client, Connection, Settings
from mtredis.executor.context cimport Context
from mtredis.executor.native cimport Counts, run_write
from mtredis.keyspace.core cimport core_set_now
from mtredis.lib.buffer cimport Buffer, buffer_free
from mtredis.lib.clock cimport unix_ms
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.registry.table cimport (
    NATIVE_EXPIRE, NATIVE_GETEX, NATIVE_NONE, NATIVE_PEXPIRE, NATIVE_PSETEX, NATIVE_READS_END, NATIVE_SET, NATIVE_SETEX,
    CommandEntry, command_at,
)
from mtredis.durability.loading import LoadError
from mtredis.errors import CommandError
from mtredis.ops import log

cdef enum:
    REPLIES_KEPT = 65536     # bytes of replies that are thrown away at once

RELATIVE = frozenset((b"expire", b"pexpire", b"setex", b"psetex"))


cdef bint may_be_relative(Query *query, Request *request, int native) noexcept nogil:
    """Whether a native command may have a time that counts from now on."""
    if native == NATIVE_SET:
        return request.argc > 5 or (request.argc == 5 and query.arguments[request.first + 3].length != 4)   # PXAT
    return (native == NATIVE_EXPIRE or native == NATIVE_PEXPIRE or native == NATIVE_SETEX or native == NATIVE_PSETEX
            or native == NATIVE_GETEX)


def is_relative(bytes name, list argv) -> bool:
    """Whether a command (its full name) has a time that counts from now on."""
    return name in RELATIVE or (name == b"set" and any([word.upper() in (b"EX", b"PX") for word in argv[3:]]))


cdef class LogPlayer(Player):
    """Executes the requests of a log in the keyspace of a dispatcher."""

    def __cinit__(self, Dispatcher dispatcher not None):
        self.dispatcher = dispatcher
        self.keyspace = dispatcher.keyspace
        self.core = dispatcher.core
        memset(&self.connection, 0, sizeof(Connection))
        self.connection.fd = -1
        self.connection.resp = 2
        self.connection.last_command = -1

    def __dealloc__(self):
        buffer_free(&self.connection.out)
        if self.connection.client != NULL:
            (<Client> self.connection.client).connection = NULL
            Py_DECREF(<Client> self.connection.client)

    def rewind(self) -> None:
        """A log begins: it is in database 0."""
        self.connection.db = 0

    cdef int play(self, Query *query) except -1:
        """Executes the requests that are not executed yet. Raises LoadError for a command that does not exist."""
        cdef Dispatcher dispatcher = self.dispatcher
        cdef Context context = dispatcher.context
        cdef Settings *settings = dispatcher.settings
        cdef Connection *caller = context.connection
        cdef Buffer *out = context.reply.out
        cdef int64_t now = self.core.now
        cdef bint propagates = dispatcher.propagation.is_on
        cdef int64_t hits = self.keyspace.hits, misses = self.keyspace.misses
        hooks = self.keyspace.on_created, self.keyspace.on_missed
        self.keyspace.on_created = self.keyspace.on_missed = None
        self.quiet = settings[0]
        self.quiet.gates = 0
        context.settings = &self.quiet
        context.replays = True
        dispatcher.propagation.is_on = False
        core_set_now(self.core, unix_ms())
        self.core.now = 0
        try:
            self.run_all(query)
        finally:
            self.core.now = now
            core_set_now(self.core, unix_ms())
            dispatcher.propagation.is_on = propagates
            context.settings = settings
            context.replays = False
            if caller != NULL:       # DEBUG LOADAOF
                context.enter(caller)
                context.reply.out = out
            self.keyspace.on_created, self.keyspace.on_missed = hooks
            self.keyspace.hits, self.keyspace.misses = hits, misses
        return 0

    cdef int run_all(self, Query *query) except -1:
        cdef Request *request
        cdef CommandEntry *entry
        while query.requests_next < query.requests_length:
            request = &query.requests[query.requests_next]
            query.requests_next += 1
            entry = <CommandEntry *> request.command
            if entry == NULL or entry.native < NATIVE_READS_END or not self.run_native(query, request, entry):
                self.call(query, request)
            if self.connection.out.length > REPLIES_KEPT:
                buffer_free(&self.connection.out)
            self.connection.out.length = 0
        return 0

    cdef bint run_native(self, Query *query, Request *request, CommandEntry *entry) noexcept:
        """Executes a hot write in its plain form; False, with nothing done, for the handler."""
        cdef Counts counts
        if entry.native == NATIVE_NONE or may_be_relative(query, request, entry.native):
            return False
        counts.dirty = &self.dispatcher.context.dirty
        counts.hits = &self.keyspace.hits
        counts.misses = &self.keyspace.misses
        counts.effects = NULL
        counts.expire_at = -1
        return run_write(self.core, &self.quiet, &self.connection, query, request, entry.native, &counts)

    cdef int call(self, Query *query, Request *request) except -1:
        """Executes one request through its Python handler."""
        cdef CommandEntry *entry = <CommandEntry *> request.command
        cdef Argument *arguments = &query.arguments[request.first]
        cdef list argv = PyList_New(request.argc)
        cdef bytes argument
        cdef uint32_t i
        for i in range(request.argc):
            argument = PyBytes_FromStringAndSize(query.data + arguments[i].offset, arguments[i].length)
            Py_INCREF(argument)
            PyList_SET_ITEM(argv, i, argument)
        command = <object> entry.command if entry != NULL else None
        if command is not None and command.subcommands:
            command = self.dispatcher.resolve(command, argv)
        if command is None or command.handler is None:
            raise LoadError(f"Unknown command '{argv[0].decode('utf-8', 'backslashreplace')}'")
        entry = command_at(command.id)
        if is_relative(command.name, argv):
            core_set_now(self.core, unix_ms())
        self.dispatcher.context.enter(&self.connection)
        try:
            self.invoke(entry, command, argv)
        finally:
            self.dispatcher.context.leave()
            self.core.now = 0
        return 0

    cdef int invoke(self, CommandEntry *entry, object command, list argv) except -1:
        """Runs the handler; a refusal is told to the log, for what is in a file was executed once."""
        cdef Context context = self.dispatcher.context
        try:
            if len(argv) != entry.arity if entry.arity > 0 else len(argv) < -entry.arity:
                raise self.dispatcher.refuse_arity(command)
            command.handler(context, argv)
        except CommandError as error:
            log.warning(
                "== CRITICAL == This server is sending an error to its AOF-loading-client: "
                f"'{log.user_data(str(error))}' after processing the command '{command.name.decode()}'"
            )
        except MemoryError:
            raise LoadError(f"no memory for the command '{command.name.decode()}'") from None
        except Exception as error:
            self.on_bug(command.name.decode(), error)
            raise LoadError(f"The command '{command.name.decode()}' cannot be executed") from None
        context.wait = None      # nobody waits here
        return 0
