# cython: freethreading_compatible=True
"""The keys of a native command that has several: looked up together, so that memory is loaded for all at once."""
from libc.stdint cimport uint32_t, uint64_t
from mtredis.keyspace.core cimport Core, Table, key_hash
from mtredis.keyspace.entry cimport Entry, entry_is_expired
from mtredis.keyspace.table cimport table_find, table_prefetch, table_prefetch_bucket, table_prefetch_entry
from mtredis.protocol.parser cimport Argument

cdef enum:
    KEYS_MAX = 64                # of a native command; more of them are the handler's

cdef struct KeyBatch:
    uint32_t count
    uint64_t hashes[KEYS_MAX]
    Entry *entries[KEYS_MAX]     # NULL: no such key; they die with the next change

cdef inline bint batch_find(KeyBatch *batch, Core *core, Table *table, const char *data, const Argument *arguments,
                            uint32_t argc, uint32_t step) noexcept nogil:
    """Looks the keys in arguments 1, 1 + step, ... up; False: they are too many, or one has expired."""
    cdef uint32_t i
    cdef const Argument *key
    batch.count = (argc - 2) // step + 1
    if batch.count > KEYS_MAX:
        return False
    for i in range(batch.count):
        key = &arguments[1 + i * step]
        batch.hashes[i] = key_hash(core, data + key.offset, key.length)
        table_prefetch(table, batch.hashes[i])
    for i in range(batch.count):
        table_prefetch_bucket(table, batch.hashes[i])
    for i in range(batch.count):
        table_prefetch_entry(table, batch.hashes[i])
    for i in range(batch.count):
        key = &arguments[1 + i * step]
        batch.entries[i] = table_find(table, batch.hashes[i], data + key.offset, key.length)
        if batch.entries[i] != NULL and entry_is_expired(batch.entries[i], core.now):
            return False
    return True
