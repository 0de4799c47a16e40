# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native commands: the hot ones in their common forms, executed on the C table without making a Python object.

Idea: a function either does the whole command (table, reply, counters) and returns True, or does nothing and returns
False; then the command's Python handler, which is the complete one, does it. Refused here is all that is not plain:
unusual options, faults, gates in force, expired keys (somebody must be told that they went).

Owner: the executor thread.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from mtredis.client cimport GATE_MEMORY, GATES_OF_CHANGES, GATES_OF_READS, GATES_OF_WRITES, Connection, Settings
from mtredis.keyspace.core cimport Core, Table, core_used_memory, entry_touch, key_hash
from mtredis.keyspace.entry cimport Entry, entry_is_expired
from mtredis.keyspace.table cimport table_find, table_increment, table_set_string
from mtredis.lib.buffer cimport buffer_append
from mtredis.lib.numbers cimport integer_from_text
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.protocol.reply cimport write_integer
from mtredis.reads cimport read_fits, read_touches, write_read
from mtredis.registry.table cimport (
    NATIVE_DECR, NATIVE_DECRBY, NATIVE_INCR, NATIVE_INCRBY, NATIVE_PING, NATIVE_SET,
)


cdef bint run_read(Core *core, uint32_t gates, Connection *connection, Query *query, Request *request, int native,
                   int64_t *hits, int64_t *misses) noexcept:
    """Executes a single-key read."""
    cdef Argument *key
    cdef const char *data
    cdef Entry *found
    if (gates & GATES_OF_READS) or not read_fits(native, request):
        return False
    if native == NATIVE_PING:
        return buffer_append(&connection.out, b"+PONG\r\n", 7) == 0
    key = &query.arguments[request.first + 1]
    data = query.data + key.offset
    found = table_find(core.tables[connection.db], key_hash(core, data, key.length), data, key.length)
    if found == NULL:
        misses[0] += 1
        return write_read(native, NULL, connection, query, request, core.now)
    if entry_is_expired(found, core.now) or not write_read(native, found, connection, query, request, core.now):
        return False
    if read_touches(native):
        entry_touch(core, found, &core.random)
    hits[0] += 1
    return True


cdef inline bint read_expiry(Core *core, Query *query, Argument *option, int64_t *expire_at) noexcept:
    """Reads `EX seconds` or `PX milliseconds` into unix ms; False for anything else, and for a time out of range."""
    cdef const char *word = query.data + option.offset
    cdef int64_t time = 0
    if option.length != 2 or (word[1] | 32) != c'x':
        return False
    if not integer_from_text(query.data + option[1].offset, option[1].length, &time) or time <= 0:
        return False
    if (word[0] | 32) == c'e':
        if time > INT64_MAX // 1000:
            return False
        time *= 1000
    elif (word[0] | 32) != c'p':
        return False
    if time > INT64_MAX - core.now:
        return False
    expire_at[0] = core.now + time
    return True


cdef bint run_set(Core *core, Connection *connection, Query *query, Request *request, int64_t *dirty) noexcept:
    """SET key value [EX seconds|PX milliseconds]"""
    cdef Argument *arguments = &query.arguments[request.first]
    cdef const char *key = query.data + arguments[1].offset
    cdef Table *table = core.tables[connection.db]
    cdef uint64_t hash
    cdef int64_t expire_at = -1
    cdef Entry *found
    if request.argc != 3 and (request.argc != 5 or not read_expiry(core, query, &arguments[3], &expire_at)):
        return False
    hash = key_hash(core, key, arguments[1].length)
    if table.volatile_count:
        found = table_find(table, hash, key, arguments[1].length)
        if found != NULL and entry_is_expired(found, core.now):
            return False
    if table_set_string(table, hash, key, arguments[1].length, query.data + arguments[2].offset, arguments[2].length,
                        expire_at, 0) < 0:
        return False
    dirty[0] += 1
    return buffer_append(&connection.out, b"+OK\r\n", 5) == 0


cdef bint run_increment(Core *core, Connection *connection, Query *query, Request *request, int native,
                        int64_t *dirty) noexcept:
    """INCR, DECR, INCRBY, DECRBY"""
    cdef Argument *arguments = &query.arguments[request.first]
    cdef const char *key = query.data + arguments[1].offset
    cdef Table *table = core.tables[connection.db]
    cdef uint64_t hash
    cdef int64_t delta = 1
    cdef int64_t result = 0
    cdef Entry *found
    if native == NATIVE_INCRBY or native == NATIVE_DECRBY:
        if request.argc != 3 or not integer_from_text(query.data + arguments[2].offset, arguments[2].length, &delta):
            return False
    elif request.argc != 2:
        return False
    if native == NATIVE_DECR or native == NATIVE_DECRBY:
        if delta == INT64_MIN:
            return False
        delta = -delta
    hash = key_hash(core, key, arguments[1].length)
    if table.volatile_count:
        found = table_find(table, hash, key, arguments[1].length)
        if found != NULL and entry_is_expired(found, core.now):
            return False
    if table_increment(table, hash, key, arguments[1].length, delta, &result) < 0:
        return False
    dirty[0] += 1
    return write_integer(&connection.out, result) == 0


cdef inline bint is_memory_full(Core *core, Settings *settings) noexcept:
    """Whether a write would be refused for `maxmemory`; the handler's gate decides, this only sends it there."""
    return settings.max_memory < settings.other_memory + core_used_memory(core)


cdef bint run_write(Core *core, Settings *settings, Connection *connection, Query *query, Request *request, int native,
                    int64_t *dirty) noexcept:
    """Executes a single-key write of which nobody but the client wants to hear."""
    cdef uint32_t gates = connection.gates | settings.gates
    if gates & (GATES_OF_WRITES | GATES_OF_CHANGES):
        return False
    if gates & GATE_MEMORY and is_memory_full(core, settings):
        return False
    if native == NATIVE_SET:
        return run_set(core, connection, query, request, dirty)
    return run_increment(core, connection, query, request, native, dirty)
