# cython: freethreading_compatible=True
"""The keyspace as command handlers see it. See `database.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.collection cimport Collection
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.expire cimport ActiveExpiry
from mtredis.keyspace.value cimport Word

cdef class Keyspace:
    cdef Core *core
    cdef list databases
    cdef public int64_t hits
    cdef public int64_t misses
    cdef public int64_t expired            # keys that went because their time had passed
    cdef public int64_t expired_lazy       # those of them that an access found
    cdef public int64_t expired_fields     # fields of hashes that went because their time had passed
    cdef public int64_t proto_max_bulk_len
    cdef public bint active_expire
    cdef public bint expire_paused         # expired keys look missing but stay
    cdef public object on_expired
    cdef public object on_fields_expired   # (index, key, fields), or None: nobody wants to know
    cdef public object on_created          # the same for keys that begin to exist and for reads that miss;
    cdef public object on_missed           # both are None unless somebody wants the events
    cdef readonly ActiveExpiry expiry

    cpdef swap(self, int first, int second)
    cpdef DeadTables flush(self, indexes)
    cpdef expire_key(self, int index, bytes key)
    cpdef Collection new(self, type kind)
    cpdef set_limits(self, dict limits)
    cpdef version_begin(self)
    cpdef version_end(self)

cdef class Database:
    cdef Keyspace keyspace
    cdef Core *core
    cdef readonly int index
    cdef uint64_t hash                     # of the key that `find` looked up last

    cdef Table *table(self) noexcept
    cdef Entry *find(self, bytes key) except? NULL
    cdef Entry *find_string(self, bytes key) except? NULL
    cdef Entry *read(self, bytes key) except? NULL
    cdef Entry *read_string(self, bytes key) except? NULL
    cdef int done(self, int64_t code) except -1
    cdef int created(self, bytes key) except -1
    cdef object expire(self, bytes key)
    cdef object put_copy(self, Entry *entry, Database target, bytes new_key, Word word=*)
    cdef Word copy_value(self, Entry *entry) except? 0
    cdef transfer(self, bytes key, Database target, bytes new_key)
    cdef bint set_mode(self, bytes key, bytes value, int64_t expire_at, int mode) except -1

    cpdef bint contains(self, bytes key) except -1
    cpdef bytes string(self, bytes key)
    cpdef int64_t string_length(self, bytes key) except -1
    cpdef bytes string_range(self, bytes key, int64_t start, int64_t end)
    cpdef int get_bit(self, bytes key, uint64_t offset) except -1
    cpdef object string_view(self, bytes key)
    cpdef bytes peek_type(self, bytes key)
    cpdef bytes peek_string(self, bytes key)
    cpdef int64_t peek_length(self, bytes key) except -1
    cpdef object peek_view(self, bytes key)
    cpdef bytes encoding(self, bytes key)
    cpdef int64_t expire_at(self, bytes key) except? -3
    cpdef int64_t idle_seconds(self, bytes key) except? -3
    cpdef int64_t frequency(self, bytes key) except? -3
    cpdef int64_t memory_usage(self, bytes key) except? -3
    cpdef bint exists(self, bytes key) except -1
    cdef Collection open(self, Entry *entry, type kind)
    cpdef Collection lookup_read(self, bytes key, type kind)
    cpdef Collection peek(self, bytes key, type kind)
    cpdef Collection lookup_write(self, bytes key, type kind)
    cpdef Collection create(self, bytes key, type kind)
    cpdef Collection write(self, bytes key, type kind)
    cpdef bint put(self, bytes key, Collection collection, int64_t expire_at=*) except -1
    cpdef bint drop_if_empty(self, bytes key, Collection collection) except -1
    cpdef bint set_string(self, bytes key, bytes value, int64_t expire_at=*) except -1
    cpdef bint set_string_keep_ttl(self, bytes key, bytes value) except -1
    cpdef bint set_plain_keep_ttl(self, bytes key, bytes value) except -1
    cpdef bint set_raw(self, bytes key, bytes value) except -1
    cpdef int64_t append(self, bytes key, bytes suffix) except -1
    cpdef int64_t set_range(self, bytes key, uint64_t offset, bytes patch) except -1
    cpdef int set_bit(self, bytes key, uint64_t offset, int bit) except -1
    cpdef object increment(self, bytes key, int64_t delta)
    cpdef bint delete(self, bytes key) except -1
    cpdef bint set_expire(self, bytes key, int64_t at_ms) except -1
    cpdef bint persist(self, bytes key) except -1
    cpdef rename(self, bytes source, bytes destination)
    cpdef bint move(self, bytes key, Database target) except -1
    cpdef bint copy(self, bytes key, Database target, bytes new_key) except -1
    cpdef bytes random_key(self)
    cpdef tuple scan(self, uint64_t cursor, int64_t count=*)
    cpdef list keys(self)
    cpdef bint touch(self, bytes key) except -1

cdef class DeadTables:
    cdef Keyspace keyspace
    cdef Table **tables
    cdef int count
    cdef uint64_t epoch
    cdef uint64_t lazy_keys    # what is counted among those that are freed later
    cpdef free(self)
