# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writing replies in RESP2 and RESP3.

Idea: a reply is appended to a `Buffer` in C memory as it is produced; nothing is built first and encoded later. A
handler names the meaning (a map, a double, a null) and the client's protocol decides the bytes, so that no handler
asks for the version. Aggregates announce their count, and the handler then writes that many replies.

Owner: the C functions touch only the buffer they are given (any thread that owns it); `Reply` belongs to the executor
thread and writes into the current client's buffer, an `Encoder` to whoever made it.

Invariants: a method appends whole elements or, when memory is out, raises MemoryError; `errors` counts every error
reply, also those inside aggregates. Texts of errors and statuses hold no line break: CR and LF become spaces.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from mtredis.lib.buffer cimport Buffer, buffer_append, buffer_free, buffer_reserve
from mtredis.lib.numbers cimport DOUBLE_TEXT_SIZE, INTEGER_TEXT_SIZE, double_to_text, integer_to_text

cdef enum:
    HEADER_SIZE = INTEGER_TEXT_SIZE + 3    # the kind, the digits, CR LF


cdef inline char *put_header(char *target, char kind, int64_t count) noexcept nogil:
    """Writes kind, count, CR LF where there is room for HEADER_SIZE bytes; returns the end."""
    target[0] = kind
    if 0 <= count <= 9:
        target[1] = <char> (c'0' + count)
        target += 2
    else:
        target += 1 + integer_to_text(target + 1, count)
    target[0] = c'\r'
    target[1] = c'\n'
    return target + 2


cdef int write_header(Buffer *out, char kind, int64_t count) noexcept nogil:
    """The line `kind` `count`: the head of an aggregate or of a bulk string, or an integer."""
    cdef char *target = buffer_reserve(out, HEADER_SIZE)
    if target == NULL:
        return -1
    out.length = put_header(target, kind, count) - out.data
    return 0


cdef int write_integer(Buffer *out, int64_t value) noexcept nogil:
    """An integer reply."""
    return write_header(out, c':', value)


cdef int write_bulk(Buffer *out, const char *data, size_t length) noexcept nogil:
    """A bulk string."""
    cdef char *target = buffer_reserve(out, HEADER_SIZE + length + 2)
    if target == NULL:
        return -1
    target = put_header(target, c'$', <int64_t> length)
    memcpy(target, data, length)
    target += length
    target[0] = c'\r'
    target[1] = c'\n'
    out.length = (target + 2) - out.data
    return 0


cdef int write_bulk_integer(Buffer *out, int64_t value) noexcept nogil:
    """An integer's decimal digits as a bulk string."""
    cdef char digits[INTEGER_TEXT_SIZE]
    return write_bulk(out, digits, integer_to_text(digits, value))


cdef int write_null(Buffer *out, int resp) noexcept nogil:
    """Nothing where a value might be: the null bulk string of RESP2, the null of RESP3."""
    if resp == 2:
        return buffer_append(out, b"$-1\r\n", 5)
    return buffer_append(out, b"_\r\n", 3)


cdef int write_double(Buffer *out, double value, int resp) noexcept nogil:
    """A floating-point number; RESP2: its digits as a bulk string."""
    cdef char text[DOUBLE_TEXT_SIZE + 3]
    cdef int length
    if resp == 2:
        return write_bulk(out, text, double_to_text(text, value))
    text[0] = c','
    length = 1 + double_to_text(text + 1, value)
    text[length] = c'\r'
    text[length + 1] = c'\n'
    return buffer_append(out, text, length + 2)


cdef int write_line(Buffer *out, char kind, const char *text, size_t length) noexcept nogil:
    """A one-line reply; CR and LF in the text become spaces."""
    cdef char *target = buffer_reserve(out, length + 3)
    cdef size_t i
    if target == NULL:
        return -1
    target[0] = kind
    target += 1
    memcpy(target, text, length)
    for i in range(length):
        if target[i] == c'\r' or target[i] == c'\n':
            target[i] = c' '
    target[length] = c'\r'
    target[length + 1] = c'\n'
    out.length += length + 3
    return 0


cdef int write_error(Buffer *out, const char *text, size_t length) noexcept nogil:
    """An error reply; the text begins with the code word and has no leading '-'."""
    return write_line(out, c'-', text, length)


cdef int write_verbatim(Buffer *out, const char *text, size_t length, const char *ext) noexcept nogil:
    """A RESP3 verbatim string; `ext` has three bytes."""
    cdef char *target = buffer_reserve(out, HEADER_SIZE + 4 + length + 2)
    if target == NULL:
        return -1
    target = put_header(target, c'=', <int64_t> length + 4)
    memcpy(target, ext, 3)
    target[3] = c':'
    memcpy(target + 4, text, length)
    target += 4 + length
    target[0] = c'\r'
    target[1] = c'\n'
    out.length = (target + 2) - out.data
    return 0


cdef inline int done(int result) except -1:
    if result < 0:
        raise MemoryError("no memory for a reply")
    return 0


cdef inline Buffer *target(Reply reply) except NULL:
    """The buffer to write into."""
    if reply.out == NULL:
        raise RuntimeError("a reply was written while no client is served")
    return reply.out


cdef inline int put_bulk_or_null(Buffer *out, int resp, bytes value) except -1:
    if value is None:
        return done(write_null(out, resp))
    return done(write_bulk(out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)))


cdef int put_bulks(Buffer *out, int resp, list values) except -1:
    """Bulk strings, with the null in place of each None."""
    cdef object value
    for value in values:
        if PyBytes_CheckExact(value):
            done(write_bulk(out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)))
        else:
            put_bulk_or_null(out, resp, value)
    return 0


cdef class Reply:
    """The replies of command handlers, written into the current client's output buffer.

    `resp` is the client's protocol, 2 or 3. Created by the executor and by tests (see `Encoder`), never by handlers.
    """

    def __cinit__(self, *arguments, **options):
        self.out = NULL
        self.resp = 2
        self.errors = 0

    def ok(self):
        """+OK"""
        done(buffer_append(target(self), b"+OK\r\n", 5))

    def simple(self, bytes text not None):
        """A simple string (status)."""
        done(write_line(target(self), c'+', PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))

    def status(self, bytes text not None):
        """A simple string, as `simple`."""
        done(write_line(target(self), c'+', PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))

    def error(self, text):
        """An error reply; the text (bytes, or str whose undecodable bytes are surrogates) begins with a code word."""
        cdef bytes encoded = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        done(write_error(target(self), PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded)))
        self.errors += 1

    def integer(self, int64_t value):
        """A signed 64-bit integer."""
        done(write_header(target(self), c':', value))

    def bulk(self, bytes value not None):
        """A bulk string."""
        done(write_bulk(target(self), PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)))

    def bulk_or_null(self, bytes value):
        """A bulk string, or the null for None."""
        put_bulk_or_null(target(self), self.resp, value)

    def null(self):
        """The absence of a value."""
        done(write_null(target(self), self.resp))

    def null_array(self):
        """The absence of an array, which RESP3 does not tell from the absence of a value."""
        if self.resp == 2:
            done(buffer_append(target(self), b"*-1\r\n", 5))
        else:
            done(buffer_append(target(self), b"_\r\n", 3))

    def array(self, int64_t length):
        """Opens an array; as many replies follow."""
        done(write_header(target(self), c'*', length))

    def map(self, int64_t pairs):
        """Opens a map; as many keys, each with its value, follow. RESP2: an array of twice as many."""
        if self.resp == 2:
            done(write_header(target(self), c'*', pairs * 2))
        else:
            done(write_header(target(self), c'%', pairs))

    def set(self, int64_t length):
        """Opens a set; RESP2: an array."""
        done(write_header(target(self), c'*' if self.resp == 2 else c'~', length))

    def push(self, int64_t length):
        """Opens a message that answers no request; RESP2: an array."""
        done(write_header(target(self), c'*' if self.resp == 2 else c'>', length))

    def attribute(self, int64_t pairs):
        """Opens attributes of the reply that follows them; RESP2 has none, so they must not be written then."""
        if self.resp == 2:
            raise ValueError("RESP2 has no attributes")
        done(write_header(target(self), c'|', pairs))

    def double(self, double value):
        """A floating-point number; RESP2: its digits as a bulk string."""
        done(write_double(target(self), value, self.resp))

    def boolean(self, bint value):
        """A truth value; RESP2: the integer 1 or 0."""
        if self.resp == 2:
            done(write_header(target(self), c':', value))
        else:
            done(buffer_append(target(self), b"#t\r\n" if value else b"#f\r\n", 4))

    def big_number(self, bytes digits not None):
        """A whole number of any size; RESP2: its digits as a bulk string."""
        if self.resp == 2:
            done(write_bulk(target(self), PyBytes_AS_STRING(digits), PyBytes_GET_SIZE(digits)))
        else:
            done(write_line(target(self), c'(', PyBytes_AS_STRING(digits), PyBytes_GET_SIZE(digits)))

    def verbatim(self, bytes text not None, bytes ext not None=b"txt"):
        """A text with the kind of text it is, three letters; RESP2: the text as a bulk string."""
        cdef bytes kind
        if self.resp == 2:
            done(write_bulk(target(self), PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))
        else:
            kind = ext[:3].ljust(3)
            done(write_verbatim(target(self), PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), PyBytes_AS_STRING(kind)))

    def scan(self, cursor, list items not None):
        """What SCAN and its kin reply with: the next cursor, as a bulk string, and an array of bulk strings."""
        self.array(2)
        self.bulk(b"%d" % cursor)
        self.bulks(items)

    def bulks(self, list values not None):
        """An array of bulk strings, with the null in place of each None."""
        self.array(len(values))
        put_bulks(self.out, self.resp, values)

    def bulk_set(self, list values not None):
        """A set of bulk strings; RESP2: an array."""
        self.set(len(values))
        put_bulks(self.out, self.resp, values)

    def more_bulks(self, list values not None):
        """So many of the bulk strings that an aggregate opened before is to hold."""
        put_bulks(target(self), self.resp, values)

    def integers(self, list values not None):
        """An array of integers."""
        cdef int64_t value
        cdef Buffer *out = target(self)
        done(write_header(out, c'*', len(values)))
        for value in values:
            done(write_header(out, c':', value))

    def raw(self, bytes encoded not None):
        """Replies that are encoded already."""
        done(buffer_append(target(self), PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded)))


cdef class Encoder(Reply):
    """A Reply with its own buffer: encodes messages that are sent later, to many clients, or looked at by tests."""
    cdef Buffer own

    def __cinit__(self, int resp=2):
        memset(&self.own, 0, sizeof(Buffer))
        self.out = &self.own
        self.resp = resp

    def __dealloc__(self):
        buffer_free(&self.own)

    def take(self) -> bytes:
        """What has been written since the last call."""
        cdef bytes encoded = PyBytes_FromStringAndSize(self.own.data, <Py_ssize_t> self.own.length)
        self.own.length = 0
        return encoded
