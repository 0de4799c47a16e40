# cython: freethreading_compatible=True
"""The command table in C memory: see `table.pyx`."""
from cpython.ref cimport PyObject
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from mtredis.lib.bits cimport leading_zeros

cdef enum:
    COMMAND_NAME_SIZE = 40
    COMMANDS_MAX = 512
    HISTOGRAM_BUCKETS = 168

# What the compiled core can do by itself; 0: only the Python handler.
cdef enum Native:
    NATIVE_NONE = 0
    NATIVE_GET
    NATIVE_STRLEN
    NATIVE_EXISTS
    NATIVE_TTL
    NATIVE_PTTL
    NATIVE_PING
    NATIVE_TYPE
    NATIVE_LLEN
    NATIVE_LINDEX
    NATIVE_LRANGE
    NATIVE_HGET
    NATIVE_HMGET
    NATIVE_HGETALL
    NATIVE_HLEN
    NATIVE_HEXISTS
    NATIVE_SCARD
    NATIVE_SISMEMBER
    NATIVE_SMISMEMBER
    NATIVE_SMEMBERS
    NATIVE_ZCARD
    NATIVE_ZSCORE
    NATIVE_ZRANK
    NATIVE_ZRANGE
    NATIVE_XLEN
    NATIVE_GETRANGE
    NATIVE_GETBIT
    NATIVE_HSTRLEN
    NATIVE_HKEYS
    NATIVE_HVALS
    NATIVE_ZMSCORE
    NATIVE_ZREVRANK
    NATIVE_ZREVRANGE
    NATIVE_ZRANGEBYSCORE
    NATIVE_ZREVRANGEBYSCORE
    NATIVE_ZCOUNT
    NATIVE_SERVED_END      # everything before is served by workers, too
    NATIVE_MGET
    NATIVE_SRANDMEMBER
    NATIVE_READS_END       # everything before changes nothing
    NATIVE_SET
    NATIVE_SETNX
    NATIVE_SETEX
    NATIVE_PSETEX
    NATIVE_GETSET
    NATIVE_GETDEL
    NATIVE_GETEX
    NATIVE_APPEND
    NATIVE_SETBIT
    NATIVE_MSET
    NATIVE_EXPIRE
    NATIVE_PEXPIRE
    NATIVE_EXPIREAT
    NATIVE_PEXPIREAT
    NATIVE_PERSIST
    NATIVE_INCR
    NATIVE_DECR
    NATIVE_INCRBY
    NATIVE_DECRBY
    NATIVE_DEL
    NATIVE_LPUSH
    NATIVE_RPUSH
    NATIVE_LPUSHX
    NATIVE_RPUSHX
    NATIVE_LPOP
    NATIVE_RPOP
    NATIVE_LMOVE
    NATIVE_RPOPLPUSH
    NATIVE_LTRIM
    NATIVE_SADD
    NATIVE_SREM
    NATIVE_SPOP
    NATIVE_HSET
    NATIVE_HMSET
    NATIVE_HSETNX
    NATIVE_HINCRBY
    NATIVE_HDEL
    NATIVE_ZADD
    NATIVE_ZINCRBY
    NATIVE_ZREM
    NATIVE_ZPOPMIN
    NATIVE_ZPOPMAX
    NATIVE_ZREMRANGEBYSCORE
    NATIVE_XADD
    NATIVE_END

cdef struct CommandEntry:
    char name[COMMAND_NAME_SIZE]   # lower case; "config|get" for a subcommand
    char wire_name[COMMAND_NAME_SIZE]   # what clients write, lower case; empty for a subcommand
    uint8_t name_length
    uint8_t wire_name_length
    uint8_t native                 # a Native
    int16_t arity                  # Redis's convention: negative for "at least"
    uint16_t id                    # index in the table; names the counters of workers
    uint32_t gated_by              # gates (client.pxd) that must be looked at before it runs
    uint64_t flags                 # registry.command flags
    PyObject *command              # borrowed: the registry keeps every Command for ever
    # Owned by the executor:
    uint64_t calls
    uint64_t microseconds
    uint64_t rejected
    uint64_t failed
    uint64_t *histogram            # calls by duration: HISTOGRAM_BUCKETS counters
    uint8_t last_bucket            # that of the call timed last; calls that are not timed are taken to be like it

cdef CommandEntry *command_lookup(const char *name, size_t length) noexcept nogil
cdef CommandEntry *command_at(int index) noexcept nogil
cdef int command_count() noexcept nogil

cdef inline int histogram_bucket(int64_t microseconds) noexcept nogil:
    """The bucket of a duration: octaves from 129 ns on, divided by eight; above 1 s all is one."""
    cdef uint64_t steps = <uint64_t> (microseconds if 0 < microseconds < 1000000 else
                                      0 if microseconds <= 0 else 1000000) * 1000 // 129
    cdef int octave
    if steps < 8:
        return <int> steps
    octave = 63 - leading_zeros(steps)
    return (octave - 2) * 8 + <int> ((steps >> (octave - 3)) & 7)

cdef inline void count_timed(CommandEntry *entry, int64_t microseconds, uint64_t calls) noexcept nogil:
    """Adds calls of this duration to the command's histogram."""
    entry.last_bucket = <uint8_t> histogram_bucket(microseconds)
    entry.histogram[entry.last_bucket] += calls

cdef inline void count_untimed(CommandEntry *entry) noexcept nogil:
    """Adds a call that nobody has timed."""
    entry.histogram[entry.last_bucket] += 1
