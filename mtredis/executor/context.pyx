# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""The context: all that a command handler may touch, and the one funnel through which changes are made known.

Idea: there is one `Context`; the executor points it at the client whose command runs. `modified()` is the funnel: dirty
count, WATCH, blocked clients and keyspace events hang on it, so no handler can do half. The dirty count decides about
the write stream, too: a command that has raised it goes out as it was asked for, unless its handler says by `propagate`
what goes out instead: times that are absolute, members that were chosen, ids that were made.

Owner: the executor thread. Invariant: outside a command `connection` is NULL and `db` is whatever cron last selected.
"""
from mtredis.client cimport (
    GATE_BLOCKED, GATE_BLOCKED_ON_MISSING, GATE_NOTIFY, GATE_WATCHED, Client, Connection, SharedSettings, client_of,
)
from mtredis.errors import CommandError


cdef class Context:
    """What a handler works with: `ctx.db`, `ctx.client`, `ctx.reply`, `ctx.server`, `ctx.now`."""

    def __cinit__(self, server, Keyspace keyspace, SharedSettings settings):
        self.server = server
        self.keyspace = keyspace
        self.settings_holder = settings
        self.settings = &settings.values
        self.reply = Reply()
        self.databases = [keyspace[i] for i in range(len(keyspace))]
        self.db = self.databases[0]
        self.propagation = Propagation()
        self.queues = [{} for _ in self.databases]
        self.ready = {}

    cdef int enter(self, Connection *connection) except -1:
        """Points the context at a connection's client, database and output."""
        self.connection = connection
        connection.executing = True
        self.db = <Database> self.databases[connection.db]
        self.reply.out = &connection.out
        self.reply.resp = connection.resp
        return 0

    cdef int leave(self) except -1:
        """The command is over: its client gets what was pushed to it meanwhile."""
        cdef Connection *connection = self.connection
        self.connection = NULL
        connection.executing = False
        if connection.client != NULL and (<Client> connection.client).late_pushes is not None:
            (<Client> connection.client).push_late()
        return 0

    @property
    def client(self):
        """The client whose command runs; made on first use. None while no command runs."""
        if self.connection == NULL:
            return None
        return client_of(self.connection)

    @property
    def now(self) -> int:
        """The unix time in ms, the same throughout a command or a transaction."""
        return self.keyspace.now

    def select(self, int index) -> None:
        """Makes another database the client's. Raises CommandError when there is none of that number."""
        if not 0 <= index < len(self.databases):
            raise CommandError("ERR DB index is out of range")
        self.db = <Database> self.databases[index]
        if self.connection != NULL:
            self.connection.db = index

    @property
    def may_block(self) -> bool:
        """False where nobody waits: inside EXEC. A handler then replies as if the timeout had passed."""
        return self.connection != NULL and not self.in_exec

    def block(self, keys, int64_t timeout_ms, null not None, bint on_missing=False) -> None:
        """Has the client wait until one of the keys is modified, in place of a reply; the handler then runs again.

        `timeout_ms` from now on (0: for ever) the client gets the reply named by `null`: "null" or "null_array", or
        these encoded bytes. With `on_missing` the handler also runs again when a key is lost. On such a run only the
        keys count: the client keeps its place in the queues and its deadline. argv may be changed before; it is kept.
        """
        if not self.may_block or self.wait is not None or (
                null not in ("null", "null_array") and type(null) is not bytes):
            raise RuntimeError("a command blocks where it must not")
        self.wait = (keys, timeout_ms, null, on_missing)

    cdef int touched(self, int index, bytes key) except -1:
        """Marks a key that somebody is blocked on: it is looked at when the command is over."""
        if key in <dict> self.queues[index]:
            self.ready[(index, key)] = None
        return 0

    def modified(self, bytes key not None, bytes event not None, int64_t count=1) -> None:
        """Makes a change of `key` in the current database known to all whom it concerns.

        `event` is the keyspace event's name; `count` is how much to add to the number of changes; 0: nothing changed.
        """
        cdef unsigned int gates = self.settings.gates
        if count <= 0:
            return
        self.dirty += count
        if gates & GATE_WATCHED:
            self.watches.touched(self.db.index, key)
        if gates & GATE_BLOCKED:
            self.touched(self.db.index, key)
        if gates & GATE_NOTIFY:
            self.notifier(event, key, self.db.index)

    @property
    def propagates(self) -> bool:
        """Whether anybody reads the write stream; False: arguments of `propagate` that are dear need not be made."""
        return self.propagation.is_on

    def propagate(self, *argv) -> None:
        """A command (of bytes and integers) that goes out, in the current database, in place of the one that runs.

        Several calls: all of them, in order, as one unit.
        """
        self.is_replaced = True
        if self.propagation.is_on:
            self.propagation.append(self.db.index, argv)

    def propagate_deletion(self, bytes key not None, bint lazily) -> None:
        """The deletion of a key goes out, as UNLINK if a parameter `lazyfree-lazy-*` asks for it."""
        self.propagate(b"UNLINK" if lazily else b"DEL", key)

    def propagate_nothing(self) -> None:
        """Nothing goes out in place of the command that runs, whatever it has changed."""
        self.is_replaced = True

    def notify(self, bytes event not None, bytes key not None) -> None:
        """Publishes a keyspace event that is no change by itself."""
        if self.settings.gates & GATE_NOTIFY:
            self.notifier(event, key, self.db.index)

    def announce(self, int index, bytes key not None, bytes event not None) -> None:
        """Makes known what happened to a key of database `index`; alone, it is for no client's change (an expiry)."""
        cdef unsigned int gates = self.settings.gates
        if gates & GATE_WATCHED:
            self.watches.touched(index, key)
        if gates & GATE_BLOCKED:
            self.touched(index, key)
        if gates & GATE_NOTIFY:
            self.notifier(event, key, index)

    def modified_in(self, int index, bytes key not None, bytes event not None) -> None:
        """As `modified`, for a key of another database (MOVE, COPY DB)."""
        self.dirty += 1
        self.announce(index, key, event)

    def flushed(self, int index) -> None:
        """Database `index` is about to be emptied."""
        self.watches.flushed(index)
        if self.settings.gates & GATE_BLOCKED_ON_MISSING:
            self.mark_all(index)

    def swapped(self, int first, int second) -> None:
        """Two databases are about to change places."""
        self.watches.swapped(first, second)
        if self.settings.gates & GATE_BLOCKED:
            self.mark_all(first)
            self.mark_all(second)

    def mark_all(self, int index) -> None:
        """Every key of the database that somebody is blocked on is looked at when the command is over."""
        for key in <dict> self.queues[index]:
            self.ready[(index, key)] = None
