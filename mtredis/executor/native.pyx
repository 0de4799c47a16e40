# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native commands: the hot ones in their common forms, executed on C memory without making a Python object.

Idea: a function either does the whole command (table, reply, counters) and returns True, or does nothing and returns
False; then the command's Python handler, which is the complete one, does it. Refused here is all that is not plain:
unusual options, faults, wrong types, gates in force, expired keys (somebody must be told that they went). So each error
is the handler's, running out of memory too. A table says for each command how many arguments its plain form has and
which function runs it: `string_writes.pyx`, `list_writes.pyx`, `collection_writes.pyx`; reads: `mtredis/reads.pyx`.

Owner: the executor thread. A new command needs its number and name in `registry/table`, a function, its line below, and
a case in `native_effects.pyx` if it would not do the same again.
"""
from libc.stdint cimport uint32_t
from mtredis.client cimport (
    GATE_BLOCKED, GATE_DISK_ERROR, GATE_MEMORY, GATES_OF_CHANGES, GATES_OF_READS, GATES_OF_WRITES, Connection, Settings,
)
from mtredis.executor.collection_writes cimport (
    run_hdel, run_hincrby, run_hmset, run_hset, run_hsetnx, run_sadd, run_spop, run_srem, run_xadd, run_zadd,
    run_zincrby, run_zpopmax, run_zpopmin, run_zrem, run_zremrangebyscore,
)
from mtredis.executor.key_batch cimport KeyBatch, batch_find
from mtredis.executor.list_writes cimport (
    run_lmove, run_lpop, run_lpush, run_lpushx, run_ltrim, run_rpop, run_rpoplpush, run_rpush, run_rpushx,
)
from mtredis.executor.string_writes cimport (
    run_append, run_decr, run_decrby, run_del, run_expire, run_expireat, run_getdel, run_getex, run_getset, run_incr,
    run_incrby, run_mset, run_persist, run_pexpire, run_pexpireat, run_psetex, run_set, run_setbit, run_setex,
    run_setnx,
)
from mtredis.keyspace.core cimport Core, core_used_memory, entry_touch, key_hash
from mtredis.keyspace.entry cimport Entry, entry_is_expired, entry_is_string
from mtredis.keyspace.table cimport table_find
from mtredis.lib.atomics cimport load_u64
from mtredis.lib.buffer cimport buffer_reserve
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.protocol.reply cimport write_header, write_null
from mtredis.reading cimport Reading, write_string_of
from mtredis.reads cimport read_fits, read_touches, write_read
from mtredis.registry.table cimport (
    NATIVE_APPEND, NATIVE_DECR, NATIVE_DECRBY, NATIVE_DEL, NATIVE_END, NATIVE_EXPIRE, NATIVE_EXPIREAT, NATIVE_GETDEL,
    NATIVE_GETEX, NATIVE_GETSET, NATIVE_HDEL, NATIVE_HINCRBY, NATIVE_HMSET, NATIVE_HSET, NATIVE_HSETNX, NATIVE_INCR,
    NATIVE_INCRBY, NATIVE_LMOVE, NATIVE_LPOP, NATIVE_LPUSH, NATIVE_LPUSHX, NATIVE_LTRIM, NATIVE_MGET, NATIVE_MSET,
    NATIVE_PERSIST, NATIVE_PEXPIRE, NATIVE_PEXPIREAT, NATIVE_PING, NATIVE_PSETEX, NATIVE_RPOP, NATIVE_RPOPLPUSH,
    NATIVE_RPUSH, NATIVE_RPUSHX, NATIVE_SADD, NATIVE_SET, NATIVE_SETBIT, NATIVE_SETEX, NATIVE_SETNX, NATIVE_SPOP,
    NATIVE_SREM, NATIVE_XADD, NATIVE_ZADD, NATIVE_ZINCRBY, NATIVE_ZPOPMAX, NATIVE_ZPOPMIN, NATIVE_ZREM,
    NATIVE_ZREMRANGEBYSCORE,
)

cdef enum:
    ARGUMENTS_MAX = 4096         # of a native write: a longer one is not dominated by what it costs to call a handler


cdef struct WriteTraits:
    RunWrite run
    uint32_t least               # arguments, the command's name included
    uint32_t most
    bint feeds                   # may be what a blocked client waits for


cdef WriteTraits traits[NATIVE_END]


cdef void declare(int native, RunWrite run, uint32_t least, uint32_t most, bint feeds=False):
    traits[native].run = run
    traits[native].least = least
    traits[native].most = most
    traits[native].feeds = feeds


# Reads ------------------------------------------------------------------------------------------------------------


cdef bint run_read(Core *core, uint32_t gates, Connection *connection, Query *query, Request *request, int native,
                   Counts *counts) noexcept:
    """Executes a read."""
    cdef Argument *key
    cdef const char *data
    cdef Entry *found
    cdef Reading reading
    if gates & GATES_OF_READS:
        return False
    if native == NATIVE_MGET:
        return run_mget(core, connection, query, request, counts)
    if not read_fits(native, request):
        return False
    reading.core = core
    reading.connection = connection
    reading.query = query
    reading.request = request
    reading.now = core.now
    reading.limit = <size_t> -1
    if native == NATIVE_PING:
        if gates & GATE_DISK_ERROR:   # PING is refused then, too
            return False
        return write_read(native, &reading, NULL)
    key = &query.arguments[request.first + 1]
    data = query.data + key.offset
    found = table_find(core.tables[connection.db], key_hash(core, data, key.length), data, key.length)
    if found != NULL and entry_is_expired(found, core.now):
        return False
    if not write_read(native, &reading, found):
        return False
    if found == NULL:
        counts.misses[0] += 1
        return True
    if read_touches(native):
        entry_touch(core, found, &core.random)
    counts.hits[0] += 1
    return True


cdef bint run_mget(Core *core, Connection *connection, Query *query, Request *request, Counts *counts) noexcept:
    """MGET key [key ...]"""
    cdef KeyBatch batch
    cdef size_t mark = connection.out.length
    cdef Entry *entry
    cdef uint32_t i
    cdef bint done
    if request.argc < 2 or not batch_find(&batch, core, core.tables[connection.db], query.data,
                                          &query.arguments[request.first], request.argc, 1):
        return False
    done = write_header(&connection.out, c'*', batch.count) == 0
    for i in range(batch.count):
        entry = batch.entries[i]
        if entry != NULL and entry_is_string(entry):
            done = done and write_string_of(&connection.out, entry)
        else:
            done = done and write_null(&connection.out, connection.resp) == 0
    if not done:
        connection.out.length = mark
        return False
    for i in range(batch.count):
        if batch.entries[i] == NULL:
            counts.misses[0] += 1
        else:
            counts.hits[0] += 1
            entry_touch(core, batch.entries[i], &core.random)
    return True


# Writes -----------------------------------------------------------------------------------------------------------


cdef inline bint is_memory_full(Core *core, Settings *settings) noexcept:
    """Whether a write would be refused for `maxmemory`; the handler's gate decides, this only sends it there."""
    return settings.max_memory < settings.other_memory + load_u64(&settings.backlog) + core_used_memory(core)


cdef bint run_write(Core *core, Settings *settings, Connection *connection, Query *query, Request *request, int native,
                    Counts *counts) noexcept:
    """Executes a write of which nobody but the client wants to hear."""
    cdef uint32_t gates = connection.gates | settings.gates
    cdef size_t mark = connection.out.length
    cdef Writing writing
    if gates & (GATES_OF_WRITES | GATES_OF_CHANGES) or not traits[native].least <= request.argc <= traits[native].most:
        return False
    if gates & GATE_MEMORY and is_memory_full(core, settings):
        return False
    if gates & GATE_BLOCKED and traits[native].feeds:
        return False
    if buffer_reserve(&connection.out, REPLY_ROOM) == NULL:
        return False
    writing.core = core
    writing.connection = connection
    writing.query = query
    writing.request = request
    writing.counts = counts
    writing.arguments = &query.arguments[request.first]
    writing.table = core.tables[connection.db]
    writing.key = query.data + writing.arguments[1].offset
    writing.key_length = writing.arguments[1].length
    writing.hash = key_hash(core, writing.key, writing.key_length)
    writing.entry = table_find(writing.table, writing.hash, writing.key, writing.key_length)
    if writing.entry != NULL and entry_is_expired(writing.entry, core.now):
        return False
    if traits[native].run(&writing):
        return True
    connection.out.length = mark
    return False


declare(NATIVE_SET, run_set, 3, 6)
declare(NATIVE_SETNX, run_setnx, 3, 3)
declare(NATIVE_SETEX, run_setex, 4, 4)
declare(NATIVE_PSETEX, run_psetex, 4, 4)
declare(NATIVE_GETSET, run_getset, 3, 3)
declare(NATIVE_GETDEL, run_getdel, 2, 2)
declare(NATIVE_GETEX, run_getex, 2, 4)
declare(NATIVE_APPEND, run_append, 3, 3)
declare(NATIVE_SETBIT, run_setbit, 4, 4)
declare(NATIVE_MSET, run_mset, 3, ARGUMENTS_MAX)
declare(NATIVE_INCR, run_incr, 2, 2)
declare(NATIVE_DECR, run_decr, 2, 2)
declare(NATIVE_INCRBY, run_incrby, 3, 3)
declare(NATIVE_DECRBY, run_decrby, 3, 3)
declare(NATIVE_DEL, run_del, 2, ARGUMENTS_MAX)
declare(NATIVE_EXPIRE, run_expire, 3, 3)
declare(NATIVE_PEXPIRE, run_pexpire, 3, 3)
declare(NATIVE_EXPIREAT, run_expireat, 3, 3)
declare(NATIVE_PEXPIREAT, run_pexpireat, 3, 3)
declare(NATIVE_PERSIST, run_persist, 2, 2)
declare(NATIVE_LPUSH, run_lpush, 3, ARGUMENTS_MAX, feeds=True)
declare(NATIVE_RPUSH, run_rpush, 3, ARGUMENTS_MAX, feeds=True)
declare(NATIVE_LPUSHX, run_lpushx, 3, ARGUMENTS_MAX, feeds=True)
declare(NATIVE_RPUSHX, run_rpushx, 3, ARGUMENTS_MAX, feeds=True)
declare(NATIVE_LPOP, run_lpop, 2, 2)
declare(NATIVE_RPOP, run_rpop, 2, 2)
declare(NATIVE_LMOVE, run_lmove, 5, 5, feeds=True)
declare(NATIVE_RPOPLPUSH, run_rpoplpush, 3, 3, feeds=True)
declare(NATIVE_LTRIM, run_ltrim, 4, 4)
declare(NATIVE_SADD, run_sadd, 3, ARGUMENTS_MAX)
declare(NATIVE_SREM, run_srem, 3, ARGUMENTS_MAX)
declare(NATIVE_SPOP, run_spop, 2, 2)
declare(NATIVE_HSET, run_hset, 4, ARGUMENTS_MAX)
declare(NATIVE_HMSET, run_hmset, 4, ARGUMENTS_MAX)
declare(NATIVE_HSETNX, run_hsetnx, 4, 4)
declare(NATIVE_HINCRBY, run_hincrby, 4, 4)
declare(NATIVE_HDEL, run_hdel, 3, ARGUMENTS_MAX)
declare(NATIVE_ZADD, run_zadd, 4, ARGUMENTS_MAX, feeds=True)
declare(NATIVE_ZINCRBY, run_zincrby, 4, 4, feeds=True)
declare(NATIVE_ZREM, run_zrem, 3, ARGUMENTS_MAX)
declare(NATIVE_ZPOPMIN, run_zpopmin, 2, 2)
declare(NATIVE_ZPOPMAX, run_zpopmax, 2, 2)
declare(NATIVE_ZREMRANGEBYSCORE, run_zremrangebyscore, 4, 4)
declare(NATIVE_XADD, run_xadd, 5, ARGUMENTS_MAX, feeds=True)
