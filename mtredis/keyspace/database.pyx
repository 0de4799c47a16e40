# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The keyspace as command handlers see it: `Keyspace`, its `Database`s, and what is left after a flush.

Idea: a thin layer over the tables in C memory that adds what Redis means by a lookup: a key whose time has passed is
deleted when somebody looks for it and counts as missing; read lookups count hits and misses and move the access clock.

Owner: the executor thread, except `DeadTables.free` and `Keyspace.free_pending` (any one thread).
Invariants: a method that raises has changed nothing (an expired key may have gone). Steps over several keys stand
between version_begin and version_end, so readers see all or none. A memoryview dies with the next change.
"""
import os

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from mtredis.keyspace.core cimport WORKERS_READ, core_new_clock
from mtredis.keyspace.due cimport due_change, due_count, due_first, entry_due
from mtredis.keyspace.entry cimport (
    entry_clock, entry_copy, entry_expire, entry_is_expired, entry_is_string, entry_key, entry_memory, entry_set_clock,
    entry_set_word, entry_string, entry_string_encoding, entry_string_length, entry_type, entry_word,
)
from mtredis.keyspace.segment cimport SEGMENT_CAPACITY, segment_entries
from mtredis.keyspace.sizes cimport SIZE_BINS, SIZE_TYPES, sizes_begin
from mtredis.keyspace.snapshot cimport snapshot_adopts
from mtredis.keyspace.table cimport (
    NOT_INTEGER, OVERFLOW, SCAN_BATCH, SET_KEEP_TTL, SET_PLAIN, SET_RAW, TOO_LONG, WRONG_TYPE, core_free,
    core_freed_lazily, core_new, core_next_epoch, core_reclaim, core_set_now, core_update_clock, core_used_memory,
    core_wait_readers, entry_frequency, entry_touch, free_pending, key_hash,
    table_delete, table_find, table_free, table_increment, table_new, table_put, table_random,
    table_scan, table_set_expire, table_set_string, table_set_word, table_take, table_write_range, version_begin,
    version_end,
)
from mtredis.keyspace.value cimport value_copy, value_encoding, value_free
from mtredis.lib.atomics cimport add_u64, load_u64, store_pointer, store_u64
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE

from mtredis.errors import CommandError, NoSuchKey, NotInteger, WrongType

cdef tuple TYPE_NAMES = (b"string", b"list", b"set", b"zset", b"hash", b"module", b"stream", b"")
cdef int SLOT_MEMORY = 9             # of a segment: a pointer and a tag
cdef int RANDOM_EXPIRED_MAX = 100    # draws of expired keys that may not be deleted


cdef Table *new_table(Core *core) except NULL:
    """The table of an empty database, which counts its keys by size."""
    cdef Table *table = table_new(core)
    if table == NULL:
        raise MemoryError
    if not sizes_begin(table):
        table_free(table)
        raise MemoryError
    return table


cdef class Keyspace:
    """All databases. `hash_key` (16 bytes) and `seed` are drawn at random unless a test gives them."""

    def __cinit__(self, int databases=16, bytes hash_key=None, seed=None):
        cdef uint64_t words[2]
        cdef int i
        hash_key = os.urandom(16) if hash_key is None else hash_key
        if len(hash_key) != 16 or databases < 1:
            raise ValueError("a hash key has 16 bytes, a keyspace at least one database")
        memcpy(words, PyBytes_AS_STRING(hash_key), 16)
        self.core = core_new(databases, words, int.from_bytes(os.urandom(8)) if seed is None else seed)
        if self.core == NULL:
            raise MemoryError
        for i in range(databases):
            self.core.tables[i] = new_table(self.core)
        self.databases = [Database(self, i) for i in range(databases)]
        self.expiry = ActiveExpiry()
        self.active_expire = True
        self.proto_max_bulk_len = 512 * 1024 * 1024

    def __dealloc__(self):
        cdef int i
        if self.core == NULL:
            return
        for i in range(self.core.databases):
            if self.core.tables[i] != NULL:
                table_free(self.core.tables[i])
        core_free(self.core)

    def __len__(self):
        return self.core.databases

    def __getitem__(self, int index):
        if not 0 <= index < self.core.databases:
            raise IndexError(index)
        return self.databases[index]

    @property
    def now(self):
        """Unix time in ms, as all lookups see it."""
        return self.core.now

    @now.setter
    def now(self, int64_t now):
        core_set_now(self.core, now)

    @property
    def no_touch(self):
        """Whether lookups leave the access clock alone."""
        return bool(self.core.no_touch)

    @no_touch.setter
    def no_touch(self, bint value):
        self.core.no_touch = value

    @property
    def lfu(self):
        """Whether the access clock counts how often (LFU) instead of when (LRU)."""
        return bool(self.core.lfu)

    @lfu.setter
    def lfu(self, bint value):
        self.core.lfu = value
        core_update_clock(self.core)

    @property
    def lfu_log_factor(self):
        """How much rarer each further increment of an LFU counter gets."""
        return self.core.lfu_log_factor

    @lfu_log_factor.setter
    def lfu_log_factor(self, uint32_t value):
        self.core.lfu_log_factor = value

    @property
    def lfu_decay_time(self):
        """Minutes without access that cost an LFU counter one; 0: no decay."""
        return self.core.lfu_decay_time

    @lfu_decay_time.setter
    def lfu_decay_time(self, uint32_t value):
        self.core.lfu_decay_time = value

    @property
    def readers_active(self):
        """Whether workers may read; set before the first, cleared after the last."""
        return bool(self.core.readers_active & WORKERS_READ)

    @readers_active.setter
    def readers_active(self, bint value):
        self.core.readers_active = (self.core.readers_active & ~WORKERS_READ) | (WORKERS_READ if value else 0)

    @property
    def lazy_free(self):
        """Whether big dead values wait for free_pending() on another thread."""
        return bool(self.core.lazy_free)

    @lazy_free.setter
    def lazy_free(self, bint value):
        self.core.lazy_free = value

    @property
    def used_memory(self):
        """Bytes that keys, values and tables take, the allocator's overhead included."""
        return core_used_memory(self.core)

    def key_hash(self, bytes key not None):
        """The 64-bit hash under which the key is kept."""
        return key_hash(self.core, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))

    cpdef version_begin(self):
        """Until the matching version_end, readers on other threads get RETRY. Nestable."""
        version_begin(self.core)

    cpdef version_end(self):
        """All changes since version_begin are visible as one."""
        version_end(self.core)

    cpdef swap(self, int first, int second):
        """The two databases have exchanged their contents."""
        cdef Table *table
        if not (0 <= first < self.core.databases and 0 <= second < self.core.databases):
            raise IndexError("database")
        version_begin(self.core)
        table = self.core.tables[first]
        store_pointer(<void **> &self.core.tables[first], self.core.tables[second])
        store_pointer(<void **> &self.core.tables[second], table)
        version_end(self.core)

    cpdef DeadTables flush(self, indexes):
        """The databases are empty; what they held is freed by free() of what is returned, on any thread.

        What a snapshot has still to read stays until then.
        """
        cdef list chosen = list(dict.fromkeys(indexes))
        cdef DeadTables dead = DeadTables(self, len(chosen))
        cdef Table *table
        cdef int i, index
        for index in chosen:
            if not 0 <= index < self.core.databases:
                raise IndexError(index)
        for i in range(len(chosen)):
            dead.tables[i] = new_table(self.core)
        version_begin(self.core)
        for i, index in enumerate(chosen):
            table = dead.tables[i]
            dead.tables[i] = self.core.tables[index]
            store_pointer(<void **> &self.core.tables[index], table)
        version_end(self.core)
        dead.epoch = core_next_epoch(self.core)
        for i in range(len(chosen)):
            if snapshot_adopts(self.core, dead.tables[i], dead.epoch):
                dead.tables[i] = NULL
        return dead

    cpdef expire_key(self, int index, bytes key):
        """Deletes a key whose time has passed, counts it and says so to on_expired."""
        cdef uint64_t hash = key_hash(self.core, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        if table_delete(self.core.tables[index], hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)):
            self.expired += 1
            if self.on_expired is not None:
                self.on_expired(index, key)

    def active_expire_cycle(self, int64_t budget_us=1000, int effort=1):
        """Deletes expired keys for about that long; (how many, whether time ran out). Effort: 1 to 10."""
        if self.expire_paused:
            return 0, False
        return self.expiry.run(self.core, budget_us, effort, self.expire_key)

    cpdef Collection new(self, type kind):
        """An empty collection of that class in no database."""
        cdef Collection collection = kind.__new__(kind)
        collection.change.core = self.core
        collection.keyspace = self
        collection.start()
        return collection

    cpdef set_limits(self, dict limits):
        """Sets up to where collections stay packed: the fields of Limits by name; those not named stay."""
        cdef dict values = self.limits
        values.update(limits)
        self.core.limits = values

    @property
    def limits(self):
        """Up to where collections stay packed, by name of the parameter."""
        return self.core.limits

    def reclaim(self):
        """Frees what readers have let go; for cron."""
        core_reclaim(self.core)

    @property
    def has_pending(self):
        """Whether big dead values wait for free_pending()."""
        return self.core.pending != NULL

    def free_pending(self):
        """Frees the big dead values that wait for it. Any thread; the interpreter is not held."""
        with nogil:
            free_pending(self.core)

    @property
    def lazy_pending(self):
        """Keys that another thread will free."""
        return load_u64(&self.core.lazy_pending)

    @property
    def lazy_freed(self):
        """Keys that were freed on another thread, since the statistics were reset."""
        return load_u64(&self.core.lazy_freed)

    def reset_lazy_freed(self):
        """They count from 0."""
        store_u64(&self.core.lazy_freed, 0)

    def statistics(self):
        """Counts by name."""
        return {
            "hits": self.hits, "misses": self.misses, "expired": self.expired, "expired_lazy": self.expired_lazy,
            "expired_active": self.expiry.expired, "expired_stale_percent": self.expiry.stale_percent,
            "expired_time_cap_reached": self.expiry.cut_short, "expire_cycle_microseconds": self.expiry.microseconds,
            "used_memory": self.used_memory, "retired": self.core.retired_count,
        }


cdef class Database:
    """One numbered database. The object stays when its contents are swapped or flushed."""

    def __cinit__(self, Keyspace keyspace not None, int index):
        self.keyspace = keyspace
        self.core = keyspace.core
        self.index = index

    cdef inline Table *table(self) noexcept:
        return self.core.tables[self.index]

    def __len__(self):
        return self.table().count

    @property
    def volatile(self):
        """How many keys have a time to live."""
        return self.table().volatile_count

    @property
    def average_ttl(self):
        """The mean time to live in ms, as the active expiry estimates it; 0: unknown."""
        return self.table().average_ttl if self.table().volatile_count else 0

    @property
    def timed(self):
        """How many keys hold values of which parts (a hash's fields) have a time to live."""
        return due_count(self.table())

    def sizes(self, int type):
        """How many keys of that type (TYPE_STRING to TYPE_HASH) are of size 0, 1, 2 to 3, 4 to 7, ...: 64 figures."""
        cdef int i
        if not 0 <= type < SIZE_TYPES:
            raise ValueError("the sizes of this type are not counted")
        return [self.table().sizes[type * SIZE_BINS + i] for i in range(SIZE_BINS)]

    @property
    def segments(self):
        """Into how many segments the keys are divided."""
        return self.table().segment_count

    # Looking up -----------------------------------------------------------------------------------------------

    cdef Entry *find(self, bytes key) except? NULL:
        """The live entry or NULL; an expired one is deleted. Notes the key's hash."""
        cdef Entry *entry
        if key is None:
            raise TypeError("a key is bytes")
        self.hash = key_hash(self.core, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        entry = table_find(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        if entry != NULL and entry_is_expired(entry, self.core.now):
            self.expire(key)
            return NULL
        return entry

    cdef object expire(self, bytes key):
        cdef uint64_t hash = self.hash
        if not self.keyspace.expire_paused:
            self.keyspace.expired_lazy += 1
            self.keyspace.expire_key(self.index, key)
            self.hash = hash

    cdef Entry *find_string(self, bytes key) except? NULL:
        cdef Entry *entry = self.find(key)
        if entry != NULL and not entry_is_string(entry):
            raise WrongType
        return entry

    cdef Entry *read(self, bytes key) except? NULL:
        """A read lookup: counted, and the access clock moves."""
        cdef Entry *entry = self.find(key)
        if entry == NULL:
            self.keyspace.misses += 1
            if self.keyspace.on_missed is not None:
                self.keyspace.on_missed(self.index, key)
        else:
            self.keyspace.hits += 1
            entry_touch(self.core, entry, &self.core.random)
        return entry

    cdef Entry *read_string(self, bytes key) except? NULL:
        cdef Entry *entry = self.read(key)
        if entry != NULL and not entry_is_string(entry):
            raise WrongType
        return entry

    cpdef bint contains(self, bytes key) except -1:
        """Whether the key is there; a read lookup."""
        return self.read(key) != NULL

    cpdef bytes string(self, bytes key):
        """The string under the key, None if missing; a read lookup."""
        return string_of(self.read_string(key))

    cpdef int64_t string_length(self, bytes key) except -1:
        """Bytes in the string, 0 if missing; a read lookup."""
        cdef Entry *entry = self.read_string(key)
        return entry_string_length(entry) if entry != NULL else 0

    cpdef bytes string_range(self, bytes key, int64_t start, int64_t end):
        """Bytes start to end, both included, negative ones from the end; as GETRANGE. A read lookup."""
        cdef char digits[INTEGER_TEXT_SIZE]
        cdef size_t length
        cdef int64_t size
        cdef const char *text
        cdef Entry *entry = self.read_string(key)
        if entry == NULL or (start < 0 and end < 0 and start > end):
            return b""
        text = entry_string(entry, digits, &length)
        size = length
        start = max(0, start + size if start < 0 else start)
        end = min(size - 1, max(0, end + size if end < 0 else end))
        return b"" if start > end else text[start:end + 1]

    cpdef int get_bit(self, bytes key, uint64_t offset) except -1:
        """The bit at the offset, 0 behind the end; a read lookup."""
        return bit_of(self.read_string(key), offset)

    cpdef object string_view(self, bytes key):
        """The string as a read-only view that is valid until the next change; a read lookup."""
        return view_of(self.read_string(key))

    # Looking without leaving a trace --------------------------------------------------------------------------

    cpdef bytes peek_type(self, bytes key):
        """The type's name; None: missing."""
        cdef Entry *entry = self.find(key)
        return None if entry == NULL else TYPE_NAMES[entry_type(entry)]

    cpdef bytes peek_string(self, bytes key):
        """The string under the key; None: missing."""
        return string_of(self.find_string(key))

    cpdef int64_t peek_length(self, bytes key) except -1:
        """Bytes in the string, 0 if missing."""
        cdef Entry *entry = self.find_string(key)
        return entry_string_length(entry) if entry != NULL else 0

    cpdef object peek_view(self, bytes key):
        """The string as a read-only view that is valid until the next change."""
        return view_of(self.find_string(key))

    cpdef bytes encoding(self, bytes key):
        """The encoding as Redis names it; None: missing."""
        cdef Entry *entry = self.find(key)
        if entry == NULL:
            return None
        return <bytes> (entry_string_encoding(entry) if entry_is_string(entry) else value_encoding(entry_word(entry)))

    cpdef int64_t expire_at(self, bytes key) except? -3:
        """Unix ms after which the key is gone; -1: it stays, -2: there is none."""
        cdef Entry *entry = self.find(key)
        return -2 if entry == NULL else entry_expire(entry)

    cpdef int64_t idle_seconds(self, bytes key) except? -3:
        """Seconds since the last access (of LRU's clock); -2: missing."""
        cdef Entry *entry = self.find(key)
        return -2 if entry == NULL else (self.core.clock - entry_clock(entry)) & 0xffffff

    cpdef int64_t frequency(self, bytes key) except? -3:
        """The LFU counter, decayed; -2: missing."""
        cdef Entry *entry = self.find(key)
        return -2 if entry == NULL else entry_frequency(self.core, entry)

    cpdef int64_t memory_usage(self, bytes key) except? -3:
        """Bytes that the key and its value take; -2: missing."""
        cdef Entry *entry = self.find(key)
        return -2 if entry == NULL else entry_memory(entry) + SLOT_MEMORY

    cpdef bint exists(self, bytes key) except -1:
        """Whether the key is there."""
        return self.find(key) != NULL

    # Collections ----------------------------------------------------------------------------------------------

    cdef Collection open(self, Entry *entry, type kind):
        """A handle of class `kind` on the entry's value; raises WrongType."""
        cdef Collection collection
        if entry == NULL:
            return None
        collection = kind.__new__(kind)
        if collection.type != entry_type(entry):
            raise WrongType
        collection.keyspace = self.keyspace
        collection.attach(self.core, self.table(), self.hash, entry)
        return collection

    cpdef Collection lookup_read(self, bytes key, type kind):
        """The collection under the key, None if missing; a read lookup. Raises WrongType."""
        return self.open(self.read(key), kind)

    cpdef Collection peek(self, bytes key, type kind):
        """The same without a trace: neither counted nor a use of the key."""
        return self.open(self.find(key), kind)

    cpdef Collection lookup_write(self, bytes key, type kind):
        """The collection that is to be changed, None if missing: not counted, but a use of the key."""
        cdef Entry *entry = self.find(key)
        if entry != NULL:
            entry_touch(self.core, entry, &self.core.random)
        return self.open(entry, kind)

    cpdef Collection create(self, bytes key, type kind):
        """A new, empty collection under a key that is missing; the caller puts something in, or deletes it."""
        cdef Collection collection = self.keyspace.new(kind)
        self.put(key, collection)
        return collection

    cpdef Collection write(self, bytes key, type kind):
        """The collection under the key, made if missing. Raises WrongType."""
        cdef Collection collection = self.lookup_write(key, kind)
        return self.create(key, kind) if collection is None else collection

    cpdef bint put(self, bytes key, Collection collection, int64_t expire_at=-1) except -1:
        """The key holds what was a detached collection; whatever it held before is gone. True: the key is new."""
        cdef int code
        if collection.change.table != NULL or collection.change.word == 0:
            raise ValueError("only a detached collection can be put under a key")
        self.find(key)
        code = table_set_word(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), collection.type,
                              collection.change.word, expire_at)
        self.done(code)
        collection.attach(self.core, self.table(), self.hash,
                          table_find(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)))
        if code == 1:
            self.created(key)
        return code == 1

    cpdef bint drop_if_empty(self, bytes key, Collection collection) except -1:
        """Deletes the key if nothing is left in its collection; whether it did."""
        return collection.length() == 0 and self.delete(key)

    # Changing -------------------------------------------------------------------------------------------------

    cdef int done(self, int64_t code) except -1:
        """Ends a change: raises what its code says."""
        if code < 0:
            if code == WRONG_TYPE:
                raise WrongType
            if code == NOT_INTEGER:
                raise NotInteger
            if code == OVERFLOW:
                raise CommandError("ERR increment or decrement would overflow")
            if code == TOO_LONG:
                raise too_long()
            raise MemoryError
        return 0

    cdef int created(self, bytes key) except -1:
        """Says that a key exists that did not (or that took the place of one that went)."""
        if self.keyspace.on_created is not None:
            self.keyspace.on_created(self.index, key)
        return 0

    cdef bint set_mode(self, bytes key, bytes value, int64_t expire_at, int mode) except -1:
        cdef int code
        if value is None:
            raise TypeError("a value is bytes")
        self.find(key)
        code = table_set_string(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                                PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), expire_at, mode)
        self.done(code)
        if code == 1:
            self.created(key)
        return code == 1

    cpdef bint set_string(self, bytes key, bytes value, int64_t expire_at=-1) except -1:
        """The key holds the string, whatever it held, with that time to live or none. True: it is new."""
        return self.set_mode(key, value, expire_at, 0)

    cpdef bint set_string_keep_ttl(self, bytes key, bytes value) except -1:
        """The key holds the string; its time to live is as it was."""
        return self.set_mode(key, value, -1, SET_KEEP_TTL)

    cpdef bint set_plain_keep_ttl(self, bytes key, bytes value) except -1:
        """The same, never encoded as an integer: what INCRBYFLOAT leaves."""
        return self.set_mode(key, value, -1, SET_KEEP_TTL | SET_PLAIN)

    cpdef bint set_raw(self, bytes key, bytes value) except -1:
        """The key holds the string in "raw" encoding, without a time to live: what BITOP leaves."""
        return self.set_mode(key, value, -1, SET_RAW)

    cpdef int64_t append(self, bytes key, bytes suffix) except -1:
        """The string ends with the suffix (created if missing); its new length."""
        cdef Entry *entry = self.find_string(key)
        cdef int64_t length, code
        if entry == NULL:
            self.set_mode(key, suffix, -1, 0)
            return PyBytes_GET_SIZE(suffix)
        length = entry_string_length(entry)
        if length + PyBytes_GET_SIZE(suffix) > self.keyspace.proto_max_bulk_len:
            raise too_long()
        code = table_write_range(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), length,
                                 PyBytes_AS_STRING(suffix), PyBytes_GET_SIZE(suffix))
        self.done(code)
        return code

    cpdef int64_t set_range(self, bytes key, uint64_t offset, bytes patch) except -1:
        """The bytes from the offset on are the patch, zeros before it where there was nothing; the new length."""
        cdef Entry *entry = self.find_string(key)
        cdef int64_t code
        if PyBytes_GET_SIZE(patch) == 0:
            return entry_string_length(entry) if entry != NULL else 0
        if offset + PyBytes_GET_SIZE(patch) > <uint64_t> self.keyspace.proto_max_bulk_len or offset >> 62:
            raise too_long()
        code = table_write_range(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), offset,
                                 PyBytes_AS_STRING(patch), PyBytes_GET_SIZE(patch))
        self.done(code)
        if entry == NULL:
            self.created(key)
        return code

    cpdef int set_bit(self, bytes key, uint64_t offset, int bit) except -1:
        """The bit at the offset is set or cleared, the string grows as needed; what it was."""
        cdef Entry *entry = self.find_string(key)
        cdef int former = bit_of(entry, offset)
        cdef char byte = <char> byte_of(entry, offset >> 3)
        cdef char mask = <char> (1 << (7 - (offset & 7)))
        if (offset >> 3) + 1 > <uint64_t> self.keyspace.proto_max_bulk_len:
            raise too_long()
        byte = byte | mask if bit else byte & ~mask
        self.done(table_write_range(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), offset >> 3,
                                    &byte, 1))
        if entry == NULL:
            self.created(key)
        return former

    cpdef object increment(self, bytes key, int64_t delta):
        """The number under the key (0 if missing) plus delta, which is what the key holds now."""
        cdef int64_t result = 0
        cdef bint is_new = self.find(key) == NULL
        self.done(table_increment(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), delta,
                                  &result))
        if is_new:
            self.created(key)
        return result

    cpdef bint delete(self, bytes key) except -1:
        """The key is gone; whether it was there."""
        cdef bint found = self.find(key) != NULL
        if found:
            table_delete(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
            self.done(0)
        return found

    cpdef bint set_expire(self, bytes key, int64_t at_ms) except -1:
        """The key's time ends after that unix ms (which may be past); false: no such key."""
        if self.find(key) == NULL:
            return False
        self.done(table_set_expire(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                                   max(0, at_ms)))
        return True

    cpdef bint persist(self, bytes key) except -1:
        """The key has no time to live; whether it had one."""
        cdef Entry *entry = self.find(key)
        if entry == NULL or entry_expire(entry) == -1:
            return False
        self.done(table_set_expire(self.table(), self.hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), -1))
        return True

    cdef object put_copy(self, Entry *entry, Database target, bytes new_key, Word word=0):
        """Puts a copy of the entry, with its time to live, under the key in the target; replaces what is there.

        `word`: the value of the copy if it is a collection that is not to share its value with the original.
        """
        cdef uint64_t hash = key_hash(self.core, PyBytes_AS_STRING(new_key), PyBytes_GET_SIZE(new_key))
        cdef Entry *copied = entry_copy(entry, PyBytes_AS_STRING(new_key), PyBytes_GET_SIZE(new_key),
                                        entry_expire(entry))
        if copied != NULL and word:
            entry_set_word(copied, word)
        if copied == NULL or table_put(target.table(), hash, copied) < 0:
            free(copied)
            if word:
                value_free(word)
            raise MemoryError

    cdef transfer(self, bytes key, Database target, bytes new_key):
        """Moves the live entry of `key`; readers see it in one of the two places."""
        cdef Entry *entry
        cdef uint64_t hash
        cdef bint is_string
        target.find(new_key)
        entry = self.find(key)
        hash = self.hash
        version_begin(self.core)
        try:
            is_string = entry_is_string(entry)
            self.put_copy(entry, target, new_key)
            if is_string:
                table_delete(self.table(), hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
            else:    # the value has another owner
                free(table_take(self.table(), hash, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)))
        finally:
            version_end(self.core)
        self.done(0)
        target.created(new_key)

    cpdef rename(self, bytes source, bytes destination):
        """What was under source, with its time to live, is under destination; raises NoSuchKey."""
        if self.find(source) == NULL:
            raise NoSuchKey
        if source != destination:
            self.transfer(source, self, destination)

    cpdef bint move(self, bytes key, Database target) except -1:
        """The key is in the target database; false: it is missing here or present there."""
        if target is self or target.find(key) != NULL or self.find(key) == NULL:
            return False
        self.transfer(key, target, key)
        return True

    cpdef bint copy(self, bytes key, Database target, bytes new_key) except -1:
        """A copy, with the time to live, is under new_key, whatever was there; false: no such key."""
        cdef Entry *entry
        target.find(new_key)
        entry = self.find(key)
        if entry == NULL:
            return False
        if target is self and key == new_key:
            return True
        self.put_copy(entry, target, new_key, 0 if entry_is_string(entry) else self.copy_value(entry))
        target.created(new_key)
        entry = target.find(new_key)
        entry_set_clock(entry, core_new_clock(self.core))
        return True

    cdef Word copy_value(self, Entry *entry) except? 0:
        """A copy of a collection's value."""
        cdef Word word = value_copy(entry_word(entry))
        if word == 0:
            raise MemoryError
        return word

    cpdef bint touch(self, bytes key) except -1:
        """The access clock has moved, even under no_touch; whether the key is there. A read lookup."""
        cdef bint no_touch = self.core.no_touch
        self.core.no_touch = False
        try:
            return self.read(key) != NULL
        finally:
            self.core.no_touch = no_touch

    def next_due(self):
        """The key of which a part is due now, the longest overdue; None: there is none."""
        cdef Entry *batch[SCAN_BATCH]
        cdef uint64_t hash, position
        cdef int64_t time
        cdef size_t length
        cdef char *key
        cdef int i
        while due_first(self.table(), &hash, &time) and time <= self.core.now:
            for i in range(table_scan(self.table(), hash, batch, &position)):
                key = entry_key(batch[i], &length)
                if entry_due(batch[i]) == time and key_hash(self.core, key, length) == hash:
                    return PyBytes_FromStringAndSize(key, length)
            due_change(self.table(), hash, time, -1)    # two keys of one hash had had one pair
        return None

    # Walking --------------------------------------------------------------------------------------------------

    cpdef bytes random_key(self):
        """A key, each with the same probability; None: there is none. Expired ones that are drawn go."""
        cdef Entry *entry
        cdef bytes key = None
        cdef int tries = 0
        while tries < RANDOM_EXPIRED_MAX:
            entry = table_random(self.table(), &self.core.random)
            if entry == NULL:
                return None
            key = key_of(entry)
            if not entry_is_expired(entry, self.core.now):
                break
            self.find(key)
            tries += self.keyspace.expire_paused
        return key

    cpdef tuple scan(self, uint64_t cursor, int64_t count=10):
        """(the next cursor, keys): a part of the keys; cursor 0 begins and ends. See table_scan."""
        cdef Entry *batch[SCAN_BATCH]
        cdef uint64_t position = cursor << 16
        cdef int64_t visits = max(count, 1) * 10
        cdef list keys = []
        cdef list dead = []
        cdef int i, found
        while visits > 0 and len(keys) < count:
            found = table_scan(self.table(), position, batch, &position)
            for i in range(found):
                (dead if entry_is_expired(batch[i], self.core.now) else keys).append(key_of(batch[i]))
            if position == 0:
                break
            visits -= 1
        for key in dead:
            self.find(key)
        return position >> 16, keys

    cpdef list keys(self):
        """All keys that have not expired."""
        cdef Entry *entries[SEGMENT_CAPACITY]
        cdef Table *table = self.table()
        cdef list keys = []
        cdef uint64_t i
        cdef int j, count
        for i in range(table.segment_count):
            count = segment_entries(table.segments[i], entries)
            for j in range(count):
                if not entry_is_expired(entries[j], self.core.now):
                    keys.append(key_of(entries[j]))
        return keys


cdef object too_long():
    return CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")


cdef bytes key_of(Entry *entry):
    cdef size_t length
    cdef char *key = entry_key(entry, &length)
    return PyBytes_FromStringAndSize(key, length)


cdef bytes string_of(Entry *entry):
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    if entry == NULL:
        return None
    text = entry_string(entry, digits, &length)
    return PyBytes_FromStringAndSize(text, length)


cdef object view_of(Entry *entry):
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    if entry == NULL:
        return memoryview(b"")
    text = entry_string(entry, digits, &length)
    if text == digits:
        return memoryview(PyBytes_FromStringAndSize(text, length))
    return PyMemoryView_FromMemory(<char *> text, length, PyBUF_READ)


cdef int byte_of(Entry *entry, uint64_t index) noexcept:
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    if entry == NULL:
        return 0
    text = entry_string(entry, digits, &length)
    return <unsigned char> text[index] if index < length else 0


cdef int bit_of(Entry *entry, uint64_t offset) noexcept:
    return (byte_of(entry, offset >> 3) >> (7 - (offset & 7))) & 1


@cython.no_gc_clear    # __dealloc__ needs the keyspace
cdef class DeadTables:
    """What a flush took out. free() returns the memory, on any thread; without it the object's end does."""

    def __cinit__(self, Keyspace keyspace not None, int count):
        self.keyspace = keyspace
        self.tables = <Table **> calloc(max(count, 1), sizeof(Table *))
        if self.tables == NULL:
            raise MemoryError
        self.count = count

    def __dealloc__(self):
        if self.tables != NULL:
            self.free()
            free(self.tables)

    def free_later(self):
        """What another thread is to call; until then the keys count as pending."""
        cdef int i
        for i in range(self.count):
            if self.tables[i] != NULL:
                self.lazy_keys += self.tables[i].count
        add_u64(&self.keyspace.core.lazy_pending, self.lazy_keys)
        return self.free

    cpdef free(self):
        """The memory is free once no reader is inside."""
        cdef int i
        cdef int count = self.count
        self.count = 0
        with nogil:
            core_wait_readers(self.keyspace.core, self.epoch)
            for i in range(count):
                if self.tables[i] != NULL:
                    table_free(self.tables[i])
            core_freed_lazily(self.keyspace.core, self.lazy_keys)
        self.lazy_keys = 0
