# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The write stream: what has changed, as commands, on its way to the AOF and to replicas.

Idea: a command that changes data is not logged as it was asked for but as what it did: absolute times, chosen members,
the deletion of what has expired. These effects are encoded as RESP into one buffer. The commands of one execution unit
(a command with all that it caused, a transaction) are put between MULTI and EXEC when there are several, so that
whoever reads the stream sees all of them or none. The executor gives the buffer to the sinks once per round, before any
reply leaves. SELECT goes before a command of another database than the one before.

Owner: the executor thread. Invariants: sinks get whole units, in order; with no sink, nothing is encoded and nothing
costs more than a look at `is_on`. Memory that is out cannot be undone by then, the data has changed: the stream is
marked broken, and its sinks must start afresh.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove
from mtredis.lib.buffer cimport buffer_append, buffer_free, buffer_reserve
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_to_text
from mtredis.protocol.reply cimport write_header

cdef enum:
    ARGUMENT_HEAD = 32           # bytes, at most, around an argument or before a command
    SELECT_ROOM = 64
    PENDING_KEPT = 1 << 20       # bytes of the buffer that stay allocated

cdef const char *MULTI = b"*1\r\n$5\r\nMULTI\r\n"
cdef const char *EXEC = b"*1\r\n$4\r\nEXEC\r\n"
cdef enum:
    MULTI_SIZE = 15
    EXEC_SIZE = 14


cdef class Sink:
    """Where the write stream goes: the AOF, the replication backlog. One in Python overrides `take`."""

    cdef int write(self, const char *data, size_t length) except -1:
        """Takes over whole execution units."""
        self.take(PyBytes_FromStringAndSize(data, length))
        return 0

    def take(self, bytes data not None) -> None:
        """`write`, for a sink in Python."""
        raise NotImplementedError


cdef class Propagation:
    """The executor's `propagation`; there is one."""

    def __cinit__(self):
        self.sinks = []
        self.selected = -1

    def __dealloc__(self):
        buffer_free(&self.pending)

    def add_sink(self, Sink sink not None) -> None:
        """From now on the sink gets all that changes; its first command comes with a SELECT. Not inside EXEC."""
        self.flush()
        self.sinks.append(sink)
        self.selected = -1
        self.switch(True)

    def remove_sink(self, Sink sink not None) -> None:
        """The sink gets what has changed up to now, and nothing more."""
        self.flush()
        self.sinks.remove(sink)
        if not self.sinks:
            self.switch(False)
            self.pending.length = self.unit_start = 0
            self.unit_commands = 0

    cdef object switch(self, bint is_on):
        self.is_on = is_on
        if self.on_switch is not None:
            self.on_switch(is_on)

    def restart(self) -> None:
        """The next command comes with a SELECT: a sink begins a new file."""
        self.flush()
        self.selected = -1
        self.is_broken = False

    def append(self, int database, argv not None) -> None:
        """Adds a command (of bytes and integers) to the unit under way, or as a unit of its own."""
        cdef object argument
        cdef int code
        cdef bint is_whole = False
        if not self.is_on:
            return
        try:
            code = self.put_command(database, len(argv))
            for argument in argv:
                if type(argument) is bytes:
                    code |= self.put(PyBytes_AS_STRING(argument), PyBytes_GET_SIZE(argument))
                else:
                    code |= self.put_integer(argument)
            is_whole = code == 0
        finally:
            if not is_whole:
                self.broken()

    cdef int reserve(self, size_t arguments, size_t size) noexcept:
        """Room for a command, its SELECT, and the MULTI and EXEC around it."""
        if buffer_reserve(&self.pending, (arguments + 1) * ARGUMENT_HEAD + size + SELECT_ROOM) == NULL:
            return -1
        return 0

    cdef int select(self, int database) noexcept:
        """The stream is in that database from here on."""
        if write_header(&self.pending, c'*', 2) < 0 or self.put(b"SELECT", 6) < 0 or self.put_integer(database) < 0:
            return -1
        self.selected = database
        return 0

    cdef int put_command(self, int database, int64_t arguments) noexcept:
        """The head of a command; SELECT before it, if it needs one."""
        if database != self.selected and self.select(database) < 0:
            return -1
        self.unit_commands += 1
        return write_header(&self.pending, c'*', arguments)

    cdef int put(self, const char *data, size_t length) noexcept:
        """One argument."""
        cdef char *target
        if write_header(&self.pending, c'$', length) < 0:
            return -1
        target = buffer_reserve(&self.pending, length + 2)
        if target == NULL:
            return -1
        memcpy(target, data, length)
        target[length] = c'\r'
        target[length + 1] = c'\n'
        self.pending.length += length + 2
        return 0

    cdef int put_integer(self, int64_t value) noexcept:
        """One argument, a number."""
        cdef char digits[INTEGER_TEXT_SIZE]
        return self.put(digits, integer_to_text(digits, value))

    cdef void broken(self) noexcept:
        """Something is missing in the stream, and the stream has half a command at its end."""
        cdef bint is_new = not self.is_broken
        self.is_broken = True
        if is_new and self.on_broken is not None:
            self.on_broken()

    cdef void unit_begin(self) noexcept:
        """What is added up to the matching `unit_end` belongs together."""
        if self.depth == 0:
            self.unit_start = self.pending.length
            self.unit_commands = 0
        self.depth += 1

    cdef void unit_end(self) noexcept:
        """Ends the unit; several commands are one transaction."""
        cdef char *start
        self.depth -= 1
        if self.depth or self.unit_commands < 2:
            return
        if buffer_reserve(&self.pending, MULTI_SIZE + EXEC_SIZE) == NULL:
            self.broken()
            return
        start = self.pending.data + self.unit_start
        memmove(start + MULTI_SIZE, start, self.pending.length - self.unit_start)
        memcpy(start, MULTI, MULTI_SIZE)
        self.pending.length += MULTI_SIZE
        buffer_append(&self.pending, EXEC, EXEC_SIZE)

    def begin(self) -> None:
        """`unit_begin`, for Python."""
        self.unit_begin()

    def end(self) -> None:
        """`unit_end`, for Python."""
        self.unit_end()

    cdef int flush(self) except -1:
        """Gives the sinks all units that are complete. An exception of a sink is passed on; its data is not kept."""
        cdef size_t length = self.unit_start if self.depth else self.pending.length
        cdef size_t left = self.pending.length - length
        cdef Sink sink
        if length == 0:
            return 0
        try:
            self.offset += length
            if not self.is_broken:
                for sink in self.sinks:
                    sink.write(self.pending.data, length)
        finally:
            memmove(self.pending.data, self.pending.data + length, left)
            self.pending.length = left
            self.unit_start = 0
            if left == 0 and self.pending.capacity > PENDING_KEPT:
                buffer_free(&self.pending)
        return 0

    @property
    def position(self) -> int:
        """The offset in the stream behind all that has been added."""
        return self.offset + self.pending.length

    def give(self) -> None:
        """`flush`, for Python."""
        self.flush()
