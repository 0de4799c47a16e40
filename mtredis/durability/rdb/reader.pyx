# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""RDB files and payloads, read: what any version of Redis wrote, into the tables of a keyspace.

Idea: `Reader` is fed the bytes of a file in pieces of any size and makes of them what is whole: a record (an opcode or
a key) is read when all of it is there, else it is read again when there is twice as much. A key goes straight into its
table without any Python object; what the loader should know is left in `aux`, `functions`, `modules` and counters.
`Payload` is the same for one value, from DUMP. Sans-IO: nothing here knows a file, a socket or a clock.

Owner: the executor, for the tables are changed.
Invariants: nothing in the data is believed that was not checked: what is wrong raises RdbError with its offset, and
the keys before it stay. A record that is refused has left nothing behind.
Limits: a value's data is in memory, whole, while it is read. What modules left beside keys is skipped (`modules` has
their names), their values are refused.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, UINT64_MAX, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove
from mtredis.durability.rdb.format cimport (
    MODULE_DOUBLE, MODULE_EOF, MODULE_FLOAT, MODULE_SINT, MODULE_STRING, MODULE_UINT, OP_AUX, OP_EOF, OP_EXPIRETIME,
    OP_EXPIRETIME_MS, OP_FREQ, OP_FUNCTION2, OP_FUNCTION_PRE_GA, OP_IDLE, OP_MODULE_AUX, OP_RESIZEDB, OP_SELECTDB,
    OP_SLOT_INFO, RDB_CHECKSUM, RDB_FOOTER, RDB_HEADER, RDB_TYPES, RDB_VERSION, RDB_VERSION_CHECKSUMS,
)
from mtredis.durability.rdb.input cimport (
    INPUT_BAD, INPUT_EMPTY, INPUT_GOOD, INPUT_NO_MEMORY, INPUT_SHORT, input_bad, input_fail, input_need, read_byte,
    read_int64, read_length, read_text, skip_string, text_free,
)
from mtredis.durability.rdb.values cimport load_value, loaded_free
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING, Entry, entry_set_clock,
)
from mtredis.keyspace.table cimport Table, key_hash, table_find, table_set_string, table_set_word
from mtredis.keyspace.types.hash cimport Hash
from mtredis.keyspace.types.list cimport List
from mtredis.keyspace.types.set cimport Set
from mtredis.keyspace.types.sorted_set cimport SortedSet
from mtredis.keyspace.types.stream cimport Stream
from mtredis.lib.buffer cimport buffer_append, buffer_free
from mtredis.lib.crc64 cimport crc64

from mtredis.durability.rdb import RdbError

cdef enum:                           # what `records` returns, beside an Input's codes
    PAUSE = 0                        # as far as was asked for
    END = 1
    MORE_AUX = 2
    MORE_FUNCTION = 3
    MORE_MODULE = 4
    MORE_KEYS = 5                    # of another database
    NEXT = 6                         # of one record: on to the next

cdef dict KINDS = {TYPE_LIST: List, TYPE_SET: Set, TYPE_SORTED_SET: SortedSet, TYPE_HASH: Hash, TYPE_STREAM: Stream}
cdef str MODULE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


cdef void set_usage(Core *core, Entry *entry, int64_t idle, int64_t frequency) noexcept nogil:
    """The access clock, from what the policy in force can use of it (-1: not known)."""
    if core.lfu:
        if frequency >= 0:
            entry_set_clock(entry, (core.clock & 0xFFFF00) | <uint32_t> (frequency & 0xFF))
    elif idle >= 0:
        if idle > <int64_t> core.clock:
            idle = 0x7FFFFF          # Redis's clock wraps, and it takes half of it then
        entry_set_clock(entry, (core.clock - <uint32_t> idle) & 0xFFFFFF)


cdef class Reader:
    """A file that is read as it comes: `feed` it, `run` it, and `finish` when there is no more.

    `total`: bytes in the file, if they are known: what claims to be longer is refused at once. `expired_before`: keys
    whose time is before that unix ms are left out; -1: none. `allow_duplicates`: later keys replace earlier ones.
    """

    def __cinit__(self, Keyspace keyspace not None, *, total=None, int64_t expired_before=-1,
                  bint allow_duplicates=False, bint check_sum=True):
        self.keyspace = keyspace
        self.core = keyspace.core
        self.total = UINT64_MAX if total is None else total
        self.wanted = RDB_HEADER
        self.expired_before = expired_before
        self.allow_duplicates = allow_duplicates
        self.check_sum = check_sum
        self.expire_at = self.idle = self.frequency = -1
        self.aux = {}
        self.selections = []
        self.functions = []
        self.modules = []

    def __dealloc__(self):
        buffer_free(&self.buffer)

    @property
    def offset(self) -> int:
        """Bytes of the file that have been read."""
        return self.consumed + self.input.at

    def counts(self) -> dict[int, int]:
        """How many keys were read, by the byte that says their type."""
        return {kind: self.kinds[kind] for kind in range(RDB_TYPES) if self.kinds[kind]}

    @property
    def rest(self) -> bytes:
        """What was fed and is not read yet; after the end: what stands behind it."""
        return PyBytes_FromStringAndSize(self.buffer.data + self.input.at, self.buffer.length - self.input.at)

    def feed(self, data not None) -> None:
        """More of the file."""
        cdef Py_buffer view
        cdef int code
        self.compact()
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        code = buffer_append(&self.buffer, <const char *> view.buf, view.len)
        PyBuffer_Release(&view)
        if code < 0:
            raise MemoryError

    def run(self, size_t budget=~<size_t> 0) -> bool:
        """Reads about that many bytes of what was fed; whether it could go on (there is more, and it was enough)."""
        cdef size_t until = self.input.at + min(budget, self.buffer.length - self.input.at)
        cdef size_t left = self.buffer.length - self.input.at
        cdef uint64_t come = self.consumed + self.buffer.length
        cdef int event = NEXT
        if self.input.code == INPUT_BAD:
            raise self.failure()
        if self.is_done or (left < self.wanted and come < self.total):
            return False
        self.input.data = <const unsigned char *> self.buffer.data
        self.input.size = self.buffer.length
        self.input.beyond = (self.total - come if come < self.total else 0) if self.total != UINT64_MAX else INT64_MAX
        self.input.code = INPUT_GOOD
        while event > PAUSE and event != END:
            with nogil:
                event = self.records(until)
            if event > END:
                self.happened(event)
        if event == INPUT_SHORT:
            self.wanted = max((self.buffer.length - self.input.at) * 2, <size_t> 64)
            return False
        if event < 0:
            raise self.failure()
        return event == PAUSE and self.input.at < self.buffer.length

    def finish(self) -> None:
        """There is no more: raises RdbError unless the end of the file was read."""
        if not self.is_done:
            self.total = self.consumed + self.buffer.length
            while self.run():
                pass
        if not self.is_done:
            raise RdbError("the file ends too early", self.consumed + self.buffer.length)

    cdef object failure(self):
        """The exception for what is wrong in the input."""
        if self.input.code == INPUT_NO_MEMORY:
            return MemoryError(self.input.error.decode())
        return RdbError(self.input.error.decode(), self.consumed + self.input.error_at)

    cdef int happened(self, int event) except -1:
        """Takes in what a record says to the loader."""
        if event == MORE_AUX:
            name = self.name.text[:self.name.length]
            self.aux[name] = self.text.text[:self.text.length]
            text_free(&self.name)
            text_free(&self.text)
        elif event == MORE_FUNCTION:
            self.functions.append(self.text.text[:self.text.length])
            text_free(&self.text)
        elif event == MORE_MODULE:
            self.modules.append(module_name(self.module))
        elif event == MORE_KEYS:
            self.selections.append((self.offset, self.database))
        return 0

    cdef void compact(self) noexcept nogil:
        """Forgets what is behind us, once that is more than what is left."""
        cdef size_t at = self.input.at
        if at == 0 or at < self.buffer.length - at or self.input.code == INPUT_BAD:
            return
        self.crc = crc64(self.crc, self.buffer.data + self.summed, at - self.summed)
        self.summed = 0
        memmove(self.buffer.data, self.buffer.data + at, self.buffer.length - at)
        self.buffer.length -= at
        self.consumed += at
        self.input.at = 0

    # Records --------------------------------------------------------------------------------------------------

    cdef int records(self, size_t until) noexcept nogil:
        """Reads on until something is to be told, or as far as `until`."""
        cdef size_t start
        cdef int event
        while self.input.at < until or not self.version:
            start = self.input.at
            event = self.record() if self.version else self.header()
            if event == INPUT_SHORT:
                self.input.at = start
            if event != NEXT:
                return event
        return PAUSE

    cdef int header(self) noexcept nogil:
        cdef Input *input = &self.input
        cdef int i, version = 0
        if not input_need(input, RDB_HEADER):
            return input.code
        if memcmp(input.data, b"REDIS", 5) != 0:
            input_bad(input, b"this is no RDB file")
            return input.code
        for i in range(5, RDB_HEADER):
            if not c'0' <= input.data[i] <= c'9':
                input_bad(input, b"this is no RDB file")
                return input.code
            version = version * 10 + input.data[i] - c'0'
        if not 1 <= version <= RDB_VERSION:
            input_bad(input, b"this version of the RDB format is not known,")
            return input.code
        input.at = RDB_HEADER
        self.version = version
        return NEXT

    cdef int record(self) noexcept nogil:
        """The record at hand; NEXT, something to tell, or what is wrong."""
        cdef int code
        if not read_byte(&self.input, &code):
            return self.input.code
        if code >= OP_SLOT_INFO:
            return self.opcode(code)
        if code < RDB_TYPES:
            return self.key(code)
        self.input.at -= 1
        input_bad(&self.input, b"what begins here is neither a key nor anything else that is known,")
        return INPUT_BAD

    cdef int opcode(self, int code) noexcept nogil:
        cdef Input *input = &self.input
        if code == OP_EOF:
            return self.finale()
        if code == OP_AUX:
            if not read_text(input, &self.name):
                text_free(&self.name)
                return input.code
            if not read_text(input, &self.text):
                text_free(&self.name)
                text_free(&self.text)
                return input.code
            return MORE_AUX
        if code == OP_FUNCTION2:
            if not read_text(input, &self.text):
                text_free(&self.text)
                return input.code
            return MORE_FUNCTION
        if code == OP_MODULE_AUX:
            return self.module_aux()
        if code == OP_FUNCTION_PRE_GA:
            input_bad(input, b"functions of a release candidate of Redis 7.0 cannot be read")
            return input.code
        return self.number_opcode(code)

    cdef int number_opcode(self, int code) noexcept nogil:
        """An opcode that is followed by numbers."""
        cdef Input *input = &self.input
        cdef uint64_t number = 0
        cdef int32_t seconds
        cdef int i, byte
        cdef int lengths = 3 if code == OP_SLOT_INFO else 2 if code == OP_RESIZEDB else 1
        if code == OP_EXPIRETIME_MS:
            return NEXT if read_int64(input, &self.expire_at) else input.code
        if code == OP_EXPIRETIME:
            if not input_need(input, 4):
                return input.code
            memcpy(&seconds, input.data + input.at, 4)
            input.at += 4
            self.expire_at = <int64_t> seconds * 1000
            return NEXT
        if code == OP_FREQ:
            if not read_byte(input, &byte):
                return input.code
            self.frequency = byte
            return NEXT
        for i in range(lengths):
            if not read_length(input, &number):
                return input.code
        if code == OP_IDLE:
            self.idle = <int64_t> min(number, <uint64_t> INT64_MAX)
        elif code == OP_SELECTDB:
            if number >= <uint64_t> self.core.databases:
                input_bad(input, b"the file has more databases than there are here,")
                return input.code
            self.database = <int> number
            return MORE_KEYS
        return NEXT

    cdef int module_aux(self) noexcept nogil:
        """Skips what a module has left beside the keys."""
        cdef Input *input = &self.input
        cdef uint64_t part = MODULE_UINT
        cdef uint64_t number
        if not read_length(input, &self.module):
            return input.code
        while True:
            if not read_length(input, &part):
                return input.code
            if part == MODULE_EOF:
                return MORE_MODULE
            if part == MODULE_SINT or part == MODULE_UINT:
                if not read_length(input, &number):
                    return input.code
            elif part == MODULE_STRING:
                if not skip_string(input):
                    return input.code
            elif part == MODULE_FLOAT or part == MODULE_DOUBLE:
                number = 4 if part == MODULE_FLOAT else 8
                if not input_need(input, number):
                    return input.code
                input.at += number
            else:
                input_bad(input, b"the data of a module is damaged")
                return input.code

    cdef int key(self, int kind) noexcept nogil:
        """A key and its value."""
        cdef Input *input = &self.input
        cdef Text key
        cdef Loaded loaded
        cdef int event = NEXT
        if not read_text(input, &key):
            text_free(&key)
            return input.code
        if load_value(input, self.core, kind, &loaded):
            event = self.store(&key, &loaded)
        elif input.code == INPUT_EMPTY:
            self.keys_empty += 1     # Redis had a bug that made such keys; it skips them, too
            input.code = INPUT_GOOD
        else:
            event = input.code
        text_free(&key)
        if event == NEXT:
            self.kinds[kind] += 1
            self.keys_volatile += self.expire_at != -1
            self.expire_at = self.idle = self.frequency = -1
        return event

    cdef int store(self, Text *key, Loaded *loaded) noexcept nogil:
        """Puts a value, which it takes over, into its table."""
        cdef Table *table = self.core.tables[self.database]
        cdef uint64_t hash = key_hash(self.core, key.text, key.length)
        cdef int64_t expire_at = self.expire_at
        cdef int code
        if 0 <= self.expired_before and expire_at != -1 and expire_at < self.expired_before:
            loaded_free(loaded)
            self.keys_expired += 1
            return NEXT
        if not self.allow_duplicates and table_find(table, hash, key.text, key.length) != NULL:
            loaded_free(loaded)
            input_bad(&self.input, b"a key is there twice,")
            return INPUT_BAD
        expire_at = max(expire_at, 0) if expire_at != -1 else -1
        if loaded.type == TYPE_STRING:
            code = table_set_string(table, hash, key.text, key.length, loaded.text.text, loaded.text.length, expire_at,
                                    0)
        else:
            code = table_set_word(table, hash, key.text, key.length, loaded.type, loaded.word, expire_at)
        if code >= 0:
            loaded.word = 0
        loaded_free(loaded)
        if code < 0:
            input_fail(&self.input, INPUT_NO_MEMORY, b"no memory for a key")
            return INPUT_NO_MEMORY
        if self.idle >= 0 or self.frequency >= 0:
            set_usage(self.core, table_find(table, hash, key.text, key.length), self.idle, self.frequency)
        self.keys_loaded += 1
        return NEXT

    cdef int finale(self) noexcept nogil:
        """The end of the file, and the checksum of all before it."""
        cdef Input *input = &self.input
        cdef uint64_t crc = crc64(self.crc, input.data + self.summed, input.at - self.summed)
        cdef int64_t claimed = 0
        if self.version >= RDB_VERSION_CHECKSUMS:
            if not read_int64(input, &claimed):
                return input.code
            self.has_checksum = claimed != 0
            if self.check_sum and claimed != 0 and <uint64_t> claimed != crc:
                input.at -= RDB_CHECKSUM
                input_bad(input, b"the checksum of the file is wrong")
                return input.code
        self.is_done = True
        return END


cdef str module_name(uint64_t id):
    """The name of a module's type: 9 characters of 6 bits; the low 10 bits are a version."""
    return "".join(MODULE_LETTERS[(id >> shift) & 63] for shift in range(58, 9, -6))


def is_sound(bytes payload not None) -> bool:
    """Whether a payload is of a version that is known and has the right checksum."""
    cdef const unsigned char *data = <const unsigned char *> PyBytes_AS_STRING(payload)
    cdef size_t length = PyBytes_GET_SIZE(payload)
    cdef uint16_t version
    cdef uint64_t crc
    if length < RDB_FOOTER:
        return False
    memcpy(&version, data + length - RDB_FOOTER, 2)
    memcpy(&crc, data + length - RDB_CHECKSUM, RDB_CHECKSUM)
    return version <= RDB_VERSION and crc64(0, data, length - RDB_CHECKSUM) == crc


cdef class Payload:
    """A value from a payload that `is_sound`, in no database yet. Raises RdbError if it is none, or empty."""

    def __cinit__(self, Keyspace keyspace not None, bytes data not None):
        cdef Input input
        cdef int kind
        self.keyspace = keyspace
        self.data = data
        self.loaded.type = TYPE_STRING
        input.data = <const unsigned char *> PyBytes_AS_STRING(data)
        input.size = max(PyBytes_GET_SIZE(data) - RDB_FOOTER, 0)
        input.at = input.beyond = 0
        input.code = INPUT_GOOD
        input.error = NULL
        input.error_at = 0
        if read_byte(&input, &kind) and load_value(&input, keyspace.core, kind, &self.loaded):
            if input.at == input.size:
                return
            loaded_free(&self.loaded)
            input_bad(&input, b"a value ends before its payload does")
        if input.code == INPUT_NO_MEMORY:
            raise MemoryError(input.error.decode())
        raise RdbError(input.error.decode(), input.error_at)

    def __dealloc__(self):
        loaded_free(&self.loaded)

    cpdef bint put(self, Database db, bytes key, int64_t expire_at=-1, int64_t idle=-1, int64_t frequency=-1) except -1:
        """The key holds the value, whatever it held, and seems to have been used like that; True: the key is new."""
        cdef Collection collection
        cdef bint is_new
        cdef Entry *entry
        if self.loaded.type == TYPE_STRING:
            is_new = db.set_string(key, self.loaded.text.text[:self.loaded.text.length], expire_at)
        else:
            kind = KINDS[self.loaded.type]
            collection = kind.__new__(kind)
            collection.change.core = self.keyspace.core
            collection.change.word = self.loaded.word
            self.loaded.word = 0     # the handle frees it if it finds no place
            is_new = db.put(key, collection, expire_at)
        entry = db.find(key)
        if entry != NULL:
            set_usage(self.keyspace.core, entry, idle, frequency)
        return is_new
