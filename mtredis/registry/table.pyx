# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""The command table in C memory: what a worker needs to know of a command without touching a Python object.

Idea: `publish(commands)` copies each registered command's name, arity, flags and gates into one array, and its name
into an open-addressed hash table. Looking a name up folds its case on the way, eight bytes at a time.
Owner: built once before threads start; afterwards names, arities and ids never change, so all threads read it freely.
The counters in an entry belong to the executor. Limits: 512 commands and subcommands, names of up to 39 bytes.
"""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    BUCKETS = 2048   # a power of two, four times the commands

cdef CommandEntry entries[COMMANDS_MAX]
cdef CommandEntry *buckets[BUCKETS]
cdef int entries_length = 0
cdef uint64_t histograms[COMMANDS_MAX][HISTOGRAM_BUCKETS]   # beside the entries, to keep those short
cdef uint64_t discarded[HISTOGRAM_BUCKETS]                   # where all of them count while nobody wants to know
cdef bint is_tracking = True

NATIVES = {
    # Reads that workers serve.
    b"ping": NATIVE_PING, b"exists": NATIVE_EXISTS, b"type": NATIVE_TYPE, b"ttl": NATIVE_TTL, b"pttl": NATIVE_PTTL,
    b"get": NATIVE_GET, b"strlen": NATIVE_STRLEN, b"getrange": NATIVE_GETRANGE, b"getbit": NATIVE_GETBIT,
    b"llen": NATIVE_LLEN, b"lindex": NATIVE_LINDEX, b"lrange": NATIVE_LRANGE,
    b"hget": NATIVE_HGET, b"hmget": NATIVE_HMGET, b"hgetall": NATIVE_HGETALL, b"hkeys": NATIVE_HKEYS,
    b"hvals": NATIVE_HVALS, b"hlen": NATIVE_HLEN, b"hexists": NATIVE_HEXISTS, b"hstrlen": NATIVE_HSTRLEN,
    b"scard": NATIVE_SCARD, b"sismember": NATIVE_SISMEMBER, b"smismember": NATIVE_SMISMEMBER,
    b"smembers": NATIVE_SMEMBERS,
    b"zcard": NATIVE_ZCARD, b"zscore": NATIVE_ZSCORE, b"zmscore": NATIVE_ZMSCORE, b"zrank": NATIVE_ZRANK,
    b"zrevrank": NATIVE_ZREVRANK, b"zrange": NATIVE_ZRANGE, b"zrevrange": NATIVE_ZREVRANGE,
    b"zrangebyscore": NATIVE_ZRANGEBYSCORE, b"zrevrangebyscore": NATIVE_ZREVRANGEBYSCORE, b"zcount": NATIVE_ZCOUNT,
    b"xlen": NATIVE_XLEN,
    # The executor's reads.
    b"mget": NATIVE_MGET, b"srandmember": NATIVE_SRANDMEMBER,
    # Writes.
    b"set": NATIVE_SET, b"setnx": NATIVE_SETNX, b"setex": NATIVE_SETEX, b"psetex": NATIVE_PSETEX, b"mset": NATIVE_MSET,
    b"getset": NATIVE_GETSET, b"getdel": NATIVE_GETDEL, b"getex": NATIVE_GETEX, b"append": NATIVE_APPEND,
    b"setbit": NATIVE_SETBIT,
    b"incr": NATIVE_INCR, b"decr": NATIVE_DECR, b"incrby": NATIVE_INCRBY, b"decrby": NATIVE_DECRBY,
    b"del": NATIVE_DEL, b"unlink": NATIVE_DEL, b"expire": NATIVE_EXPIRE, b"pexpire": NATIVE_PEXPIRE,
    b"expireat": NATIVE_EXPIREAT, b"pexpireat": NATIVE_PEXPIREAT, b"persist": NATIVE_PERSIST,
    b"lpush": NATIVE_LPUSH, b"rpush": NATIVE_RPUSH, b"lpushx": NATIVE_LPUSHX, b"rpushx": NATIVE_RPUSHX,
    b"lpop": NATIVE_LPOP, b"rpop": NATIVE_RPOP, b"lmove": NATIVE_LMOVE, b"rpoplpush": NATIVE_RPOPLPUSH,
    b"ltrim": NATIVE_LTRIM,
    b"sadd": NATIVE_SADD, b"srem": NATIVE_SREM, b"spop": NATIVE_SPOP,
    b"hset": NATIVE_HSET, b"hmset": NATIVE_HMSET, b"hsetnx": NATIVE_HSETNX, b"hincrby": NATIVE_HINCRBY,
    b"hdel": NATIVE_HDEL,
    b"zadd": NATIVE_ZADD, b"zincrby": NATIVE_ZINCRBY, b"zrem": NATIVE_ZREM, b"zpopmin": NATIVE_ZPOPMIN,
    b"zpopmax": NATIVE_ZPOPMAX, b"zremrangebyscore": NATIVE_ZREMRANGEBYSCORE, b"xadd": NATIVE_XADD,
}


cdef inline uint64_t load_folded(const char *name, size_t length) noexcept nogil:
    """Up to eight bytes with the case bit set: equal for names that differ in case only."""
    cdef uint64_t word = 0
    memcpy(&word, name, length if length < 8 else 8)
    return word | 0x2020202020202020ULL


cdef inline uint32_t bucket_of(const char *name, size_t length) noexcept nogil:
    cdef uint64_t mixed = load_folded(name, length)
    if length > 8:
        mixed ^= load_folded(name + length - 8, 8) * 0x9E3779B97F4A7C15ULL
    mixed = (mixed + length) * 0xFF51AFD7ED558CCDULL
    return <uint32_t> (mixed >> 40) & (BUCKETS - 1)


cdef inline bint is_same_name(const CommandEntry *entry, const char *name, size_t length) noexcept nogil:
    cdef size_t i
    cdef char c
    if entry.wire_name_length != length:
        return False
    for i in range(length):
        c = name[i]
        if c >= 65 and c <= 90:
            c += 32
        if c != entry.wire_name[i]:
            return False
    return True


cdef CommandEntry *command_lookup(const char *name, size_t length) noexcept nogil:
    """The entry of a command by its name in any case; NULL when there is none."""
    cdef uint32_t i
    if length == 0 or length >= COMMAND_NAME_SIZE:
        return NULL
    i = bucket_of(name, length)
    while buckets[i] != NULL:
        if is_same_name(buckets[i], name, length):
            return buckets[i]
        i = (i + 1) & (BUCKETS - 1)
    return NULL


cdef CommandEntry *command_at(int index) noexcept nogil:
    """The entry with this id."""
    return &entries[index]


cdef int command_count() noexcept nogil:
    """How many entries there are; ids run from 0."""
    return entries_length


def publish(commands) -> None:
    """Makes exactly these `(wire name, command, arity, flags, gated_by)` the table, in the order of their ids.

    The wire name is what clients write; without one the command is found only by its id. Before threads start, and in
    tests. Raises ValueError for a name that does not fit. The caller keeps every `command` alive.
    """
    global entries_length
    cdef CommandEntry *entry
    cdef uint32_t i
    cdef bytes name, wire_name
    commands = list(commands)
    if len(commands) > COMMANDS_MAX:
        raise ValueError(f"more than {COMMANDS_MAX} commands")
    reset_statistics()
    memset(buckets, 0, sizeof(buckets))
    memset(entries, 0, sizeof(entries))
    entries_length = 0
    for wire_name, command, arity, flags, gated_by in commands:
        name = command.name
        if not 0 < len(name) < COMMAND_NAME_SIZE:
            raise ValueError(f"command name {name!r} does not fit")
        entry = &entries[entries_length]
        entry.id = <uint16_t> entries_length
        entries_length += 1
        memcpy(entry.name, <const char *> name, len(name))
        entry.name_length = <uint8_t> len(name)
        entry.arity = arity
        entry.flags = flags
        entry.gated_by = gated_by
        entry.native = NATIVES.get(name, 0)
        entry.command = <PyObject *> command
        entry.histogram = &histograms[entry.id][0] if is_tracking else &discarded[0]
        if not wire_name:
            continue
        if len(wire_name) >= COMMAND_NAME_SIZE:
            raise ValueError(f"command name {wire_name!r} does not fit")
        memcpy(entry.wire_name, <const char *> wire_name, len(wire_name))
        entry.wire_name_length = <uint8_t> len(wire_name)
        i = bucket_of(entry.wire_name, entry.wire_name_length)
        while buckets[i] != NULL:
            i = (i + 1) & (BUCKETS - 1)
        buckets[i] = entry


def statistics() -> dict[bytes, tuple[int, int, int, int]]:
    """Calls, microseconds, rejected and failed calls by command name, as the executor counted them."""
    cdef int i
    return {
        entries[i].name[:entries[i].name_length]:
            (entries[i].calls, entries[i].microseconds, entries[i].rejected, entries[i].failed)
        for i in range(entries_length)
    }


def reset_statistics() -> None:
    """Sets every counter to zero. Executor only."""
    cdef int i
    for i in range(entries_length):
        if entries[i].calls:   # leave memory alone that was never used
            memset(histograms[i], 0, sizeof(histograms[i]))
        entries[i].calls = entries[i].microseconds = entries[i].rejected = entries[i].failed = 0
        entries[i].last_bucket = 0


def set_latency_tracking(bint is_wanted) -> None:
    """Whether durations are kept as histograms from now on. Executor only."""
    global is_tracking
    cdef int i
    is_tracking = is_wanted
    for i in range(entries_length):
        entries[i].histogram = &histograms[i][0] if is_wanted else &discarded[0]


def histogram(int index) -> list[int]:
    """Calls by duration of the command with this id: a count for each bucket, or none if it was never called.

    `ops.latency` knows the buckets' bounds.
    """
    cdef int i
    if not entries[index].calls:
        return []
    return [histograms[index][i] for i in range(HISTOGRAM_BUCKETS)]


def bucket_of_duration(int64_t microseconds) -> int:
    """In which bucket a call of that duration is counted."""
    return histogram_bucket(microseconds)


def last_bucket(int index) -> int:
    """The bucket of the call timed last of the command with this id."""
    return entries[index].last_bucket
