# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Commands of a log, read and executed: how the data set comes back at the start.

Idea: `CommandReader` finds whole commands in the bytes of a file and leaves them where they are; `AofPiece` reads the
file in pieces, and has a `Player` (the executor's, `executor/player.pyx`) execute what was found, in slices. What
stands between MULTI and EXEC is released when the EXEC is there: then all of it is executed, one after another, for
nobody sees the states between; without an EXEC none of it. Annotations (`#`) are passed over.

A log that a crash has cut off ends with the beginning of a command or of a transaction: under `aof-load-truncated` the
file is cut back to what is whole. Anything else that is wrong is a LoadError that says where.

Owner: the executor. Sans-IO but for `fill` and AofPiece.
Limits: a command, or a transaction, is in memory as a whole.
"""
import os
import time

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EINTR, errno
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcpy, memmove, memset
from mtredis.protocol.parser cimport Argument, Query, Request, query_free
from mtredis.registry.table cimport command_lookup
from mtredis.durability.loading import LoadError
from mtredis.ops import log

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char *first, const char *second, size_t length)

cdef extern from "<string.h>" nogil:
    size_t strlen(const char *text)

cdef extern from "<unistd.h>" nogil:
    ssize_t posix_read "read"(int fd, void *data, size_t length)

cdef enum:
    PIECE = 1 << 20          # bytes that one read asks for
    BATCH = 512              # commands between two looks at the clock
    NUMBER_MAX = 32          # bytes of a line with a number
    ANNOTATION_MAX = 1024    # bytes of an annotation, as in Redis

cdef int64_t BULK_MAX = <int64_t> 1 << 40   # bytes of an argument: what is longer is no length


cdef class Player:
    """Executes what a log says."""

    def rewind(self) -> None:
        """A log begins: what it says is about database 0."""
        raise NotImplementedError

    cdef int play(self, Query *query) except -1:
        """Executes the requests that are not executed yet, and moves `requests_next` behind them."""
        cdef Argument *arguments
        cdef Request *request
        cdef uint32_t i
        while query.requests_next < query.requests_length:
            request = &query.requests[query.requests_next]
            query.requests_next += 1
            arguments = &query.arguments[request.first]
            self.execute([PyBytes_FromStringAndSize(query.data + arguments[i].offset, arguments[i].length)
                          for i in range(request.argc)])
        return 0

    def execute(self, list argv) -> None:
        """Executes one command: for players in Python."""
        raise NotImplementedError


cdef class CommandReader:
    """The commands in the bytes of a log. `offset`: where in the file the first byte stands."""

    def __cinit__(self, uint64_t offset=0):
        memset(&self.query, 0, sizeof(Query))
        self.offset = self._valid = offset

    def __dealloc__(self):
        query_free(&self.query)

    @property
    def valid(self) -> int:
        """The offset in the file behind the last command that is whole, and in no unfinished transaction."""
        return self._valid

    @property
    def read(self) -> int:
        """The offset in the file up to which bytes have come."""
        return self.offset + self.query.length

    @property
    def is_at_end(self) -> bool:
        """True if nothing is left that has begun."""
        return self.position == self.query.length and not self.in_transaction

    cdef int fill(self, int fd) noexcept nogil:
        """Reads on; 1, 0 at the end of the file, -1: errno, -2: no memory."""
        cdef Query *query = &self.query
        cdef size_t room
        cdef char *data
        cdef ssize_t count
        self.forget_done()
        room = PIECE if query.length + PIECE > self.wanted else self.wanted - query.length
        if query.capacity - query.length < room:
            if room < query.length // 2:
                room = query.length // 2
            data = <char *> realloc(query.data, query.length + room + 1)
            if data == NULL:
                return -2
            query.data = data
            query.capacity = query.length + room
        while True:
            count = posix_read(fd, query.data + query.length, min(room, <size_t> (4 * PIECE)))
            if count >= 0 or errno != EINTR:
                break
        if count <= 0:
            self.has_all = count == 0
            return <int> count
        query.length += count
        return 1

    cdef void forget_done(self) noexcept nogil:
        """Drops the bytes and the requests that are behind us."""
        cdef Query *query = &self.query
        cdef size_t start = self.group if self.in_transaction else self.position
        cdef uint32_t first_argument, i, left
        if start == 0 and query.requests_next == 0:
            return
        if query.requests_next == query.requests_length:
            query.requests_length = query.arguments_length = 0
        else:
            first_argument = query.requests[query.requests_next].first
            left = query.requests_length - query.requests_next
            memmove(query.requests, query.requests + query.requests_next, left * sizeof(Request))
            query.requests_length = left
            query.arguments_length -= first_argument
            memmove(query.arguments, query.arguments + first_argument, query.arguments_length * sizeof(Argument))
            for i in range(left):
                query.requests[i].first -= first_argument
            for i in range(query.arguments_length):
                query.arguments[i].offset -= start
        self.released -= query.requests_next
        query.requests_next = 0
        memmove(query.data, query.data + start, query.length - start)
        query.length -= start
        self.offset += start
        self.position -= start
        self.wanted = self.wanted - start if self.wanted > start else 0
        self.group = 0

    cdef int scan(self, uint64_t limit) noexcept nogil:
        """Finds commands, at most so many (more if a transaction is longer): a `Scan`. All released ones are done."""
        cdef uint64_t until = self.commands + limit
        cdef int code = SCAN_RELEASED
        cdef char *newline
        cdef size_t left
        while self.commands < until or self.in_transaction:
            left = self.query.length - self.position
            if left == 0 or (self.query.length < self.wanted and not self.has_all):
                return SCAN_NEEDS_MORE
            if self.query.data[self.position] == c'#':
                newline = <char *> memchr(self.query.data + self.position, c'\n', left)
                if newline == NULL and left < ANNOTATION_MAX:
                    return SCAN_NEEDS_MORE
                if newline == NULL or newline - self.query.data - self.position >= ANNOTATION_MAX:
                    self.bad_at = self.position
                    return SCAN_BAD
                self.position = newline - self.query.data + 1
                continue
            code = self.scan_command()
            if code != SCAN_RELEASED:
                return code
        return SCAN_RELEASED

    cdef int scan_command(self) noexcept nogil:
        """Takes one command in, if it is whole."""
        cdef Query *query = &self.query
        cdef uint32_t first = query.arguments_length
        cdef size_t at = self.position, line
        cdef int64_t count, length, i
        cdef int code = self.read_number(&at, c'*', &count)
        if code == SCAN_RELEASED and count < 1:
            self.bad_at = self.position
            code = SCAN_BAD
        i = 0
        while code == SCAN_RELEASED and i < count:
            line = at
            code = self.read_number(&at, c'$', &length)
            if code == SCAN_RELEASED and length > BULK_MAX:
                self.bad_at = line
                code = SCAN_BAD
            if code != SCAN_RELEASED:
                break
            if query.length - at < <size_t> length + 2:
                self.wanted = at + length + 2
                code = SCAN_NEEDS_MORE
            elif query.data[at + length] != c'\r' or query.data[at + length + 1] != c'\n':
                self.bad_at = at + length
                code = SCAN_BAD
            else:
                code = self.add_argument(at, length)
                at += length + 2
                i += 1
        if code != SCAN_RELEASED:
            query.arguments_length = first
            if query.length - self.position > PIECE:   # it is read again from its start: not for every piece
                self.wanted = max(self.wanted, query.length + (query.length - self.position) // 2)
            return code
        self.commands += 1
        code = self.end_command(first, count)
        self.position = at
        if not self.in_transaction and code == SCAN_RELEASED:
            self._valid = self.offset + at
        return code

    cdef int read_number(self, size_t *at, char prefix, int64_t *number) noexcept nogil:
        """A line with a prefix and a number; `at` is behind it then."""
        cdef Query *query = &self.query
        cdef size_t i = at[0]
        cdef int64_t value = 0
        cdef int digits = 0
        if i < query.length and query.data[i] != prefix:
            self.bad_at = i
            return SCAN_BAD
        i += 1
        while i < query.length and c'0' <= query.data[i] <= c'9' and digits < 18:
            value = value * 10 + (query.data[i] - c'0')
            digits += 1
            i += 1
        if i < query.length and (digits == 0 or query.data[i] != c'\r'):
            self.bad_at = i
            return SCAN_BAD
        if i + 1 < query.length and query.data[i + 1] != c'\n':
            self.bad_at = i + 1
            return SCAN_BAD
        if i + 1 >= query.length:
            return SCAN_NEEDS_MORE
        at[0] = i + 2
        number[0] = value
        return SCAN_RELEASED

    cdef int add_argument(self, size_t offset, size_t length) noexcept nogil:
        cdef Query *query = &self.query
        cdef Argument *arguments
        cdef uint32_t capacity
        if query.arguments_length == query.arguments_capacity:
            capacity = max(query.arguments_capacity * 2, 1024)
            arguments = <Argument *> realloc(query.arguments, <size_t> capacity * sizeof(Argument))
            if arguments == NULL or capacity < query.arguments_capacity:
                return SCAN_NO_MEMORY
            query.arguments = arguments
            query.arguments_capacity = capacity
        query.arguments[query.arguments_length].offset = offset
        query.arguments[query.arguments_length].length = length
        query.arguments_length += 1
        return SCAN_RELEASED

    cdef int end_command(self, uint32_t first, int64_t count) noexcept nogil:
        """The command is whole: a request, or a bracket of a transaction."""
        cdef Query *query = &self.query
        cdef Request *requests
        cdef Request *request
        cdef uint32_t capacity
        if self.is_word(first, b"multi") or self.is_word(first, b"exec"):
            query.arguments_length = first
            if self.is_word(first, b"exec"):
                self.in_transaction = False
                self.released = query.requests_length
            elif not self.in_transaction:
                self.in_transaction = True
                self.group = self.position
            return SCAN_RELEASED
        if query.requests_length == query.requests_capacity:
            capacity = max(query.requests_capacity * 2, 1024)
            requests = <Request *> realloc(query.requests, <size_t> capacity * sizeof(Request))
            if requests == NULL or capacity < query.requests_capacity:
                return SCAN_NO_MEMORY
            query.requests = requests
            query.requests_capacity = capacity
        request = &query.requests[query.requests_length]
        request.first = first
        request.argc = <uint32_t> count
        request.command = command_lookup(query.data + query.arguments[first].offset, query.arguments[first].length)
        query.requests_length += 1
        if not self.in_transaction:
            self.released = query.requests_length
        return SCAN_RELEASED

    cdef bint is_word(self, uint32_t first, const char *word) noexcept nogil:
        """Whether the command has this name (in lower case)."""
        cdef Argument *argument = &self.query.arguments[first]
        return argument.length == strlen(word) and strncasecmp(
            self.query.data + argument.offset, word, argument.length) == 0


cdef class AofPiece:
    """A log, or what of an old one stands behind its RDB part (from `start` on): a `loading.Piece`.

    `is_last`: it may be cut off, for nothing comes after it; `may_truncate()`: whether that is to be repaired;
    `delay()`: µs to wait after each command, for tests.
    """

    cdef Player player
    cdef CommandReader reader
    cdef int fd
    cdef bint is_last
    cdef readonly str path
    cdef readonly str name
    cdef readonly object total
    cdef readonly bint is_truncated
    cdef object may_truncate
    cdef object delay
    cdef double awake_at

    def __cinit__(self, Player player not None, str path not None, *, start=0, bint is_last=True, may_truncate=None,
                  delay=None):
        self.fd = -1
        self.player = player
        self.path, self.name = path, os.path.basename(path)
        self.is_last = is_last
        self.may_truncate = may_truncate or (lambda: False)
        self.delay = delay or (lambda: 0)
        self.reader = CommandReader(start)
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.total = os.fstat(self.fd).st_size
            os.lseek(self.fd, start, os.SEEK_SET)
        except OSError as error:
            raise LoadError(f"Fatal error: can't open the append log file {self.name} for reading: "
                            f"{error.strerror}") from None

    def __dealloc__(self):
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def done(self) -> int:
        """Bytes of the file that are behind us."""
        return self.reader.offset + self.reader.position

    def run(self, int64_t budget_us) -> bool:
        """Executes for about that long; True: the file is loaded. Raises LoadError."""
        cdef double deadline = time.monotonic() + budget_us * 1e-6
        cdef uint64_t batch, before
        cdef int delay = self.delay()
        while time.monotonic() < deadline:
            if delay and not self.wait(deadline):
                return False
            batch = 1 if delay else BATCH
            before = self.reader.commands
            if not self.step(batch):
                self.close()
                return True
            if delay and self.reader.commands != before:
                self.awake_at = time.monotonic() + delay * 1e-6
        return False

    def wait(self, double deadline) -> bool:
        """The delay after a command; False: it lasts longer than this slice."""
        cdef double left = self.awake_at - time.monotonic()
        if self.awake_at > deadline:
            return False
        if left > 0:
            time.sleep(left)
        return True

    cdef bint step(self, uint64_t batch) except -1:
        """Executes some commands, and reads on when there are none; False: that was all."""
        cdef CommandReader reader = self.reader
        cdef int code, count
        with nogil:
            code = reader.scan(batch)
        if reader.released > reader.query.requests_next:
            self.play()
        if code == SCAN_BAD:
            self.fail(f"Bad file format reading the append only file {self.name} at offset "
                      f"{reader.offset + reader.bad_at}: make a backup of your AOF file, then use "
                      "mtredis-check-aof --fix <filename.manifest>")
        if code == SCAN_NO_MEMORY:
            self.fail(f"no memory for what stands at offset {self.done} of the append only file {self.name}")
        if code != SCAN_NEEDS_MORE:
            return True
        if not reader.has_all:
            with nogil:
                count = reader.fill(self.fd)
            if count < 0:
                self.fail(f"Unrecoverable error reading the append only file {self.name}: "
                          + (os.strerror(errno) if count == -1 else "out of memory"))
            return True
        if not reader.is_at_end:
            self.end_early()
        return False

    cdef int play(self) except -1:
        """Executes what is released, and nothing of a transaction that has no end yet."""
        cdef Query *query = &self.reader.query
        cdef uint32_t held = query.requests_length - <uint32_t> self.reader.released
        query.requests_length -= held
        try:
            self.player.play(query)
        except LoadError as error:
            self.fail(f"{error} reading the append only file {self.name}")
        finally:
            query.requests_length += held
        return 0

    cdef int end_early(self) except -1:
        """The file ends within something: it is cut back to what is whole, or that is the end."""
        cdef uint64_t valid = self.reader.valid
        if self.reader.in_transaction:
            log.warning(f"Revert incomplete MULTI/EXEC transaction in AOF file {self.name}")
        if self.may_truncate():
            log.warning(f"!!! Warning: short read while loading the AOF file {self.name}!!!")
            if not self.is_last:
                self.fail("Fatal error: the truncated file is not the last file")
            log.warning(f"!!! Truncating the AOF {self.name} at offset {valid} !!!")
            try:
                os.truncate(self.path, valid)
            except OSError as error:
                log.warning(f"Error truncating the AOF file {self.name}: {error.strerror}")
            else:
                log.warning(f"AOF {self.name} loaded anyway because aof-load-truncated is enabled")
                self.is_truncated = True
                return 0
        self.fail(f"Unexpected end of file reading the append only file {self.name}. You can: 1) Make a backup of your "
                  "AOF file, then use mtredis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the "
                  "'aof-load-truncated' configuration option to yes and restart the server.")

    cdef int fail(self, str text) except -1:
        self.close()
        raise LoadError(text)

    cdef int close(self) except -1:
        cdef int fd = self.fd
        self.fd = -1
        if fd >= 0:
            os.close(fd)
        return 0
