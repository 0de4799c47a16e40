# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The scanner that finds requests in received bytes: RESP arrays of bulk strings, and inline commands.

Idea: nothing is copied. A request is a run of `Argument`s (offset and length) into `Query.data`; offsets stay right
when the data is reallocated. Scanning resumes where it stopped: `scanned` stands behind the last complete header or
argument, and `arguments_left`, `bulk_length`, `partial_first` describe the request that is still arriving.

Owner: whoever owns the Query (a worker, then the executor while a batch is in flight). No function here needs a
thread state, except the class `Parser`, which wraps a Query of its own for tests and tools.

Invariants
- The scanner puts a NUL behind the last byte, so that digit loops end without looking at the length. `query_reserve`
  allocates a byte more than `capacity` for it; a full buffer that somebody else shrank gets the byte when scanned.
- Memory grows with what has arrived, never with what a header announces.
- `arguments` holds the arguments of all `requests` in order, then those of the half-scanned one from `partial_first`.
- The bytes before the first argument that is still wanted are dead. They are dropped by moving the rest down only
  when that is cheap, so a long pipeline served in slices is not moved again and again.

What is accepted is what redis-server 8.0 accepts, oddities included: a header ends at the first '\\r' and the byte
behind it is skipped unseen, as are the two bytes behind an argument; an inline command ends at '\\n', less one '\\r'
before it; a NUL byte in either hides the end of the line; counts of zero and less, and blank lines, are no request.

Limits: a line longer than 64 KiB is refused however it was cut into packets (Redis may accept one that arrives in
one read). An unauthenticated client's requests are returned one at a time (SCAN_FULL), since the first may be AUTH.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcpy, memmove, memset

from mtredis.lib.numbers cimport integer_from_text

from mtredis.errors import ProtocolError

cdef enum:
    UNAUTHENTICATED_ARGUMENTS = 10
    UNAUTHENTICATED_BULK = 16384
    ARGUMENT_COUNT_LIMIT = 2147483647
    GENTLE_GROWTH = 1 << 20       # buffers above this grow by a quarter instead of doubling
    CHEAP_MOVE = 1024             # bytes that are moved down without a second thought
    KEPT_ARGUMENTS = 1 << 16      # a larger argument array is given back once its request is done

cdef enum Step:
    STEP_DONE = 0      # the line was taken
    STEP_MORE = 1      # it is not complete
    STEP_ERROR = 2


cdef ScanResult fault(Query *query, const char *text) noexcept nogil:
    snprintf(query.error, sizeof(query.error), "Protocol error: %s", text)
    return SCAN_ERROR


cdef Step memory_fault(Query *query) noexcept nogil:
    snprintf(query.error, sizeof(query.error), "out of memory")
    return STEP_ERROR


# -- Lines ---------------------------------------------------------------------------------------------------------

cdef char *line_end(char *start, size_t available, char terminator, size_t limit, bint *too_long) noexcept nogil:
    """Where the terminator stands, or NULL if it has not arrived, or hides behind a NUL byte."""
    cdef size_t looked = available if available <= limit else limit + 1
    cdef char *hit = <char *> memchr(start, terminator, looked)
    if memchr(start, 0, <size_t> (hit - start) if hit != NULL else looked) != NULL:
        hit = NULL
    too_long[0] = hit == NULL and available > limit
    return hit


cdef Step header_line(Query *query, const ScanLimits *limits, const char *too_big, char **end) noexcept nogil:
    """Looks for the whole header line at `scanned`; `end` is then its '\\r'."""
    cdef char *start = query.data + query.scanned
    cdef size_t available = query.length - query.scanned
    cdef bint too_long = False
    cdef char *hit = line_end(start, available, c'\r', limits.max_inline, &too_long)
    if too_long:
        fault(query, too_big)
        return STEP_ERROR
    if hit == NULL or <size_t> (hit - start) + 2 > available:
        return STEP_MORE
    end[0] = hit
    return STEP_DONE


cdef Step array_header(Query *query, const ScanLimits *limits) noexcept nogil:
    """Takes "*N" at `scanned` and opens a request of N arguments; N <= 0 opens none."""
    cdef char *start = query.data + query.scanned
    cdef char *end = NULL
    cdef int64_t count = 0
    cdef Step step
    if <unsigned char> (start[1] - c'1') < 9 and start[2] == c'\r' and query.length - query.scanned > 3:
        query.arguments_left = start[1] - c'0'    # the usual header: one digit
        query.scanned += 4
    else:
        step = header_line(query, limits, b"too big mbulk count string", &end)
        if step != STEP_DONE:
            return step
        if not integer_from_text(start + 1, end - start - 1, &count) or count > ARGUMENT_COUNT_LIMIT \
                or (limits.authenticated and count > limits.max_arguments):
            fault(query, b"invalid multibulk length")
            return STEP_ERROR
        if count > UNAUTHENTICATED_ARGUMENTS and not limits.authenticated:
            fault(query, b"unauthenticated multibulk length")
            return STEP_ERROR
        query.scanned += (end - start) + 2
        query.arguments_left = count if count > 0 else 0
    query.bulk_length = -1
    query.partial_first = query.arguments_length
    return STEP_DONE


cdef Step bulk_header(Query *query, const ScanLimits *limits) noexcept nogil:
    """Takes "$N" at `scanned`, whatever it looks like, and sets `bulk_length`."""
    cdef char *start = query.data + query.scanned
    cdef char *end = NULL
    cdef int64_t length = 0
    cdef char got
    cdef Step step = header_line(query, limits, b"too big bulk count string", &end)
    if step != STEP_DONE:
        return step
    if start[0] != c'$':
        got = start[0] if start[0] != c'\r' and start[0] != c'\n' else c' '
        snprintf(query.error, sizeof(query.error), "Protocol error: expected '$', got '%c'", <int> got)
        return STEP_ERROR
    if not integer_from_text(start + 1, end - start - 1, &length) or length < 0 or length > limits.max_bulk:
        fault(query, b"invalid bulk length")
        return STEP_ERROR
    if length > UNAUTHENTICATED_BULK and not limits.authenticated:
        fault(query, b"unauthenticated bulk length")
        return STEP_ERROR
    query.scanned += (end - start) + 2
    query.bulk_length = length
    return STEP_DONE


# -- Arguments and requests ----------------------------------------------------------------------------------------

cdef int grow_arguments(Query *query) noexcept nogil:
    cdef uint32_t capacity = query.arguments_capacity * 2 if query.arguments_capacity else 64
    cdef void *grown = realloc(query.arguments, <size_t> capacity * sizeof(Argument))
    if grown == NULL:
        return -1
    query.arguments = <Argument *> grown
    query.arguments_capacity = capacity
    return 0


cdef inline int add_argument(Query *query, size_t offset, size_t length) noexcept nogil:
    cdef Argument *argument
    if query.arguments_length == query.arguments_capacity and grow_arguments(query) < 0:
        return -1
    argument = query.arguments + query.arguments_length
    argument.offset = offset
    argument.length = length
    query.arguments_length += 1
    return 0


cdef int grow_requests(Query *query) noexcept nogil:
    cdef uint32_t capacity = query.requests_capacity * 2 if query.requests_capacity else 16
    cdef void *grown = realloc(query.requests, <size_t> capacity * sizeof(Request))
    if grown == NULL:
        return -1
    query.requests = <Request *> grown
    query.requests_capacity = capacity
    return 0


cdef inline int close_request(Query *query) noexcept nogil:
    """Makes a request of the arguments since `partial_first`."""
    cdef Request *request
    if query.requests_length == query.requests_capacity and grow_requests(query) < 0:
        return -1
    request = query.requests + query.requests_length
    request.first = query.partial_first
    request.argc = query.arguments_length - query.partial_first
    request.command = NULL
    query.requests_length += 1
    query.partial_first = query.arguments_length
    return 0


cdef Step bulk_arguments(Query *query, const ScanLimits *limits) noexcept nogil:
    """Takes the open request's arguments as far as they have arrived; STEP_DONE once none is missing."""
    cdef char *data = query.data
    cdef size_t end = query.length, at = query.scanned
    cdef int64_t left = query.arguments_left, bulk = query.bulk_length
    cdef int64_t quick = limits.max_bulk    # announced lengths up to it need no second look
    cdef const char *p
    cdef unsigned int digit
    cdef Step step = STEP_DONE
    if not limits.authenticated and quick > UNAUTHENTICATED_BULK:
        quick = UNAUTHENTICATED_BULK
    if quick > 99999999:
        quick = 99999999
    while left:
        if bulk < 0:
            p = data + at
            digit = <unsigned char> p[1] - 48 if p[0] == c'$' else 10
            if digit - 1 < 9 or (digit == 0 and p[2] == c'\r'):
                bulk = digit
                p += 2
                digit = <unsigned char> p[0] - 48
                while digit < 10 and bulk <= 9999999:
                    bulk = bulk * 10 + digit
                    p += 1
                    digit = <unsigned char> p[0] - 48
                if p[0] == c'\r' and <size_t> (p - data) + 1 < end and bulk <= quick:
                    at = (p - data) + 2
                else:
                    bulk = -1
            if bulk < 0:
                query.scanned = at
                step = bulk_header(query, limits)
                if step != STEP_DONE:
                    break
                at = query.scanned
                bulk = query.bulk_length
        if end - at < <size_t> bulk + 2:
            step = STEP_MORE
            break
        if add_argument(query, at, <size_t> bulk) < 0:
            step = memory_fault(query)
            break
        at += bulk + 2
        bulk = -1
        left -= 1
    query.scanned = at
    query.arguments_left = left
    query.bulk_length = bulk
    return step


cdef int room_for_nul(Query *query) noexcept nogil:
    """A byte behind a full buffer: there already, and realloc does nothing, unless it was shrunk to its capacity."""
    cdef void *data = realloc(query.data, query.capacity + 1)
    if data == NULL:
        return -1
    query.data = <char *> data
    return 0


cdef ScanResult query_scan(Query *query, const ScanLimits *limits) noexcept nogil:
    """Finds the requests in the bytes that have not been scanned yet and appends them to `requests`."""
    cdef uint32_t limit = limits.request_limit
    cdef Step step
    if query.length == 0:
        return SCAN_MORE
    if query.length >= query.capacity and room_for_nul(query) < 0:
        memory_fault(query)
        return SCAN_ERROR
    query.data[query.length] = 0
    if not limits.authenticated and limit > query.requests_length + 1:
        limit = query.requests_length + 1
    while query.scanned < query.length:
        if query.requests_length >= limit:
            return SCAN_FULL
        if query.arguments_left == 0:
            if query.data[query.scanned] == c'*':
                step = array_header(query, limits)
                if step == STEP_DONE and query.arguments_left == 0:
                    continue
            else:
                step = inline_request(query, limits)
                if step == STEP_DONE and query.arguments_length == query.partial_first:
                    continue
        else:
            step = STEP_DONE
        if step == STEP_DONE and query.arguments_left:
            step = bulk_arguments(query, limits)
        if step == STEP_MORE:
            return SCAN_MORE
        if step == STEP_DONE and close_request(query) < 0:
            step = memory_fault(query)
        if step == STEP_ERROR:
            query.arguments_length = query.partial_first    # the request at fault leaves nothing behind
            query.arguments_left = 0
            return SCAN_ERROR
    return SCAN_MORE


# -- Inline commands -----------------------------------------------------------------------------------------------

cdef inline bint is_blank(char c) noexcept nogil:
    return c == c' ' or (c >= 9 and c <= 13)


cdef inline int hex_value(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    if c'A' <= c <= c'F':
        return c - c'A' + 10
    return -1


cdef inline char unescaped(char c) noexcept nogil:
    """What a backslash and this letter stand for within double quotes."""
    if c == c'n':
        return c'\n'
    if c == c'r':
        return c'\r'
    if c == c't':
        return c'\t'
    if c == c'b':
        return c'\b'
    if c == c'a':
        return c'\a'
    return c


cdef inline bint closes(const char *p, const char *end) noexcept nogil:
    """A closing quote must be followed by a blank or the end of the line."""
    return p + 1 == end or is_blank(p[1])


cdef bint double_quoted(char **read, char **write, const char *end) noexcept nogil:
    """Copies what stands in double quotes, from behind the opening one; False if they are not closed well."""
    cdef char *p = read[0]
    cdef char *w = write[0]
    while p < end and p[0] != c'"':
        if p[0] == c'\\' and end - p >= 4 and p[1] == c'x' and hex_value(p[2]) >= 0 and hex_value(p[3]) >= 0:
            w[0] = <char> (hex_value(p[2]) * 16 + hex_value(p[3]))
            p += 4
        elif p[0] == c'\\' and end - p >= 2:
            w[0] = unescaped(p[1])
            p += 2
        else:
            w[0] = p[0]
            p += 1
        w += 1
    if p == end or not closes(p, end):
        return False
    read[0], write[0] = p + 1, w
    return True


cdef bint single_quoted(char **read, char **write, const char *end) noexcept nogil:
    """Likewise for single quotes, in which only \\' is an escape."""
    cdef char *p = read[0]
    cdef char *w = write[0]
    while p < end and p[0] != c'\'':
        if p[0] == c'\\' and end - p >= 2 and p[1] == c'\'':
            p += 1
        w[0] = p[0]
        p += 1
        w += 1
    if p == end or not closes(p, end):
        return False
    read[0], write[0] = p + 1, w
    return True


cdef Step split_line(Query *query, char *p, const char *end) noexcept nogil:
    """Makes arguments of the words of a line, unescaping quoted parts where they stand."""
    cdef char *w
    cdef char *word
    cdef bint quoted
    while True:
        while p < end and is_blank(p[0]):
            p += 1
        if p >= end:
            return STEP_DONE
        word = w = p
        quoted = False
        while not quoted and p < end and p[0] != c' ' and p[0] != c'\t' and p[0] != c'\r' and p[0] != c'\n':
            quoted = p[0] == c'"' or p[0] == c'\''
            if quoted:
                p += 1
                if not (double_quoted(&p, &w, end) if (p - 1)[0] == c'"' else single_quoted(&p, &w, end)):
                    fault(query, b"unbalanced quotes in request")
                    return STEP_ERROR
            else:
                w[0] = p[0]
                p += 1
                w += 1
        if add_argument(query, word - query.data, w - word) < 0:
            return memory_fault(query)


cdef Step inline_request(Query *query, const ScanLimits *limits) noexcept nogil:
    """Takes the line at `scanned` and adds its words as arguments."""
    cdef char *start = query.data + query.scanned
    cdef bint too_long = False
    cdef char *newline = line_end(start, query.length - query.scanned, c'\n', limits.max_inline, &too_long)
    cdef char *end = newline
    if too_long:
        fault(query, b"too big inline request")
        return STEP_ERROR
    if newline == NULL:
        return STEP_MORE
    if newline != start and (newline - 1)[0] == c'\r':
        end -= 1
    query.partial_first = query.arguments_length
    query.scanned += (newline - start) + 1
    return split_line(query, start, end)


# -- The buffer ----------------------------------------------------------------------------------------------------

cdef size_t query_missing(const Query *query) noexcept nogil:
    """How many more bytes complete the argument that is arriving; 0 if none is, or its header is incomplete."""
    cdef size_t wanted
    if query.arguments_left == 0 or query.bulk_length < 0:
        return 0
    wanted = query.scanned + <size_t> query.bulk_length + 2
    return wanted - query.length if wanted > query.length else 0


cdef size_t dead_bytes(const Query *query) noexcept nogil:
    """How many bytes at the front nobody refers to, provided that no request is waiting."""
    if query.arguments_left and query.arguments_length > query.partial_first:
        return query.arguments[query.partial_first].offset
    return query.scanned


cdef void drop_front(Query *query, size_t dead) noexcept nogil:
    """Moves everything behind the dead bytes to the front."""
    cdef uint32_t i
    memmove(query.data, query.data + dead, query.length - dead)
    query.length -= dead
    query.scanned -= dead
    for i in range(query.arguments_length):
        query.arguments[i].offset -= dead


cdef void query_consume(Query *query) noexcept nogil:
    """Forgets the served requests; what has not become a request yet stays."""
    cdef uint32_t kept
    cdef size_t dead, rest
    query.requests_length = 0
    query.requests_next = 0
    if query.arguments_left == 0:
        query.arguments_length = 0
        query.partial_first = 0
        if query.arguments_capacity > KEPT_ARGUMENTS:
            free(query.arguments)
            query.arguments = NULL
            query.arguments_capacity = 0
        if query.scanned == query.length:
            query.length = 0
            query.scanned = 0
            return
    elif query.partial_first:
        kept = query.arguments_length - query.partial_first
        memmove(query.arguments, query.arguments + query.partial_first, kept * sizeof(Argument))
        query.arguments_length = kept
        query.partial_first = 0
    dead = dead_bytes(query)
    rest = query.length - dead
    if dead and (rest <= CHEAP_MOVE or rest <= dead):
        drop_front(query, dead)


cdef int query_reserve(Query *query, size_t room) noexcept nogil:
    """Room for `room` more bytes behind `length`; -1 when memory is out, and then nothing has changed."""
    cdef size_t wanted, capacity, dead
    cdef void *data
    if query.capacity - query.length >= room and query.data != NULL:
        return 0
    if query.requests_length == 0:
        dead = dead_bytes(query)
        if dead:
            drop_front(query, dead)
            if query.capacity - query.length >= room:
                return 0
    wanted = query.length + room
    capacity = query.capacity * 2 if query.capacity < GENTLE_GROWTH else query.capacity + query.capacity // 4
    if capacity < wanted:
        capacity = wanted
    if capacity < 256:
        capacity = 256
    data = realloc(query.data, capacity + 1)
    if data == NULL:
        return -1
    query.data = <char *> data
    query.capacity = capacity
    return 0


cdef void query_clear(Query *query) noexcept nogil:
    """Forgets everything received; the memory stays for the next use."""
    query.length = 0
    query.scanned = 0
    query.arguments_length = 0
    query.requests_length = 0
    query.requests_next = 0
    query.partial_first = 0
    query.arguments_left = 0
    query.bulk_length = -1
    query.error[0] = 0


cdef void query_free(Query *query) noexcept nogil:
    """Releases the memory; the query is empty and usable again. `next` is left alone."""
    free(query.data)
    free(query.arguments)
    free(query.requests)
    query.data = NULL
    query.arguments = NULL
    query.requests = NULL
    query.capacity = 0
    query.arguments_capacity = 0
    query.requests_capacity = 0
    query_clear(query)


# -- For tests and tools -------------------------------------------------------------------------------------------

cdef class Parser:
    """The scanner with a buffer of its own: bytes in, requests out.

    `feed` returns the requests that have become complete. A fault does not lose the requests before it: they are
    returned first, `error` names the fault, and the next `feed` raises it, as does every later one.
    While `authenticated` is false, a call returns one request at most, and `feed(b"")` the next, under the limits
    that hold then. `authenticated` and `request_limit` may be changed at any time.
    """
    cdef Query query
    cdef ScanLimits limits
    cdef readonly object error

    def __cinit__(self, bint authenticated=True, int64_t max_bulk=512 * 1024 * 1024, size_t max_inline=65536):
        memset(&self.query, 0, sizeof(Query))
        query_clear(&self.query)
        self.limits.max_bulk = max_bulk
        self.limits.max_arguments = ARGUMENT_COUNT_LIMIT
        self.limits.max_inline = max_inline
        self.limits.authenticated = authenticated
        self.limits.request_limit = 1024
        self.error = None

    def __dealloc__(self):
        query_free(&self.query)

    @property
    def authenticated(self) -> bool:
        return self.limits.authenticated

    @authenticated.setter
    def authenticated(self, bint value):
        self.limits.authenticated = value

    @property
    def request_limit(self) -> int:
        """How many requests one scan finds at most; `feed` scans again until nothing more is complete."""
        return self.limits.request_limit

    @request_limit.setter
    def request_limit(self, uint32_t value):
        if value == 0:
            raise ValueError("a scan must be allowed one request")
        self.limits.request_limit = value

    @property
    def missing(self) -> int:
        """How many more bytes complete the argument that is arriving; 0 if that is unknown."""
        return query_missing(&self.query)

    @property
    def capacity(self) -> int:
        """Bytes of memory held: the buffer, the arguments and the requests."""
        return (self.query.capacity + self.query.arguments_capacity * sizeof(Argument)
                + self.query.requests_capacity * sizeof(Request))

    @property
    def pending(self) -> int:
        """Bytes held back because their request is not complete."""
        return self.query.length - dead_bytes(&self.query)

    def feed(self, bytes data not None) -> list:
        """The requests that are complete with these bytes; raises ProtocolError once none is left before a fault."""
        cdef size_t length = len(data)
        cdef list requests = []
        cdef ScanResult result = SCAN_FULL
        if self.error is not None:
            raise ProtocolError(self.error)
        if query_reserve(&self.query, length) < 0:
            raise MemoryError()
        memcpy(self.query.data + self.query.length, <const char *> data, length)
        self.query.length += length
        while result == SCAN_FULL and (self.limits.authenticated or not requests):
            result = query_scan(&self.query, &self.limits)
            self.collect(requests)
        if result == SCAN_ERROR:
            self.error = fault_text(self.query.error)
            if not requests:
                raise ProtocolError(self.error)
        return requests

    cdef int collect(self, list requests) except -1:
        """Moves the scanned requests into the list."""
        cdef uint32_t i, j
        cdef Request *request
        cdef Argument *argument
        cdef list argv
        for i in range(self.query.requests_length):
            request = self.query.requests + i
            argv = []
            for j in range(request.argc):
                argument = self.query.arguments + request.first + j
                argv.append((self.query.data + argument.offset)[:argument.length])
            requests.append(argv)
        query_consume(&self.query)
        return 0

    def measure(self, bytes data not None, int rounds) -> int:
        """Scans and consumes the same complete requests again and again; returns how many it found in all."""
        cdef size_t length = len(data)
        cdef int64_t found = 0
        cdef int i
        cdef const char *source = data
        if query_reserve(&self.query, length) < 0:
            raise MemoryError()
        self.limits.request_limit = 1 << 20
        with nogil:
            for i in range(rounds):
                query_clear(&self.query)
                memcpy(self.query.data, source, length)
                self.query.length = length
                query_scan(&self.query, &self.limits)
                found += self.query.requests_length
                query_consume(&self.query)
        return found


cdef str fault_text(const char *error):
    """The text of a ProtocolError: without the words that introduce it on the wire."""
    return error.decode("latin-1").removeprefix("Protocol error: ")
