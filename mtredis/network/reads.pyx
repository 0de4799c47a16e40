# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""Worker-served reads: a worker answers single-key reads itself, beside an executor that mutates.

Idea: the reader's protocol of the keyspace (`keyspace/table.pyx`) makes a read see one moment: the segment's lock keeps
the entry whole, and the keyspace's version, even before and unchanged after, keeps what must look like one step
(EXEC, MSET, RENAME) out of the middle. A read that cannot be sure is not repeated but left to the executor, with all
that the client has sent behind it, so replies stay in order.

Owner: the worker. Invariant: a connection is served here only while it is not in flight and no gate concerns it.
"""
from libc.stdint cimport uint64_t
from mtredis.client cimport GATE_DISK_ERROR, GATES_OF_WORKER_READS, Connection, Loop
from mtredis.keyspace.core cimport entry_touch, key_hash
from mtredis.keyspace.entry cimport Entry, entry_is_busy, entry_is_string
from mtredis.keyspace.table cimport READ_FOUND, READ_RETRY, Read, reader_done, reader_find
from mtredis.lib.atomics cimport load_u32
from mtredis.protocol.parser cimport Argument, Query, Request
from mtredis.reading cimport COPY_MAX, Reading
from mtredis.reads cimport read_fits, read_touches, write_read
from mtredis.registry.table cimport NATIVE_NONE, NATIVE_PING, NATIVE_SERVED_END, CommandEntry


cdef bint serve_read(Reader *reader, Loop *loop, Connection *connection, Request *request, int native) noexcept nogil:
    """Answers one read; False, with nothing written, when the executor must."""
    cdef Query *query = connection.query
    cdef Argument *key
    cdef const char *data
    cdef size_t mark = connection.out.length
    cdef Reading reading
    cdef Entry *entry = NULL
    cdef Read read
    cdef bint served
    cdef int code
    cdef uint64_t hash
    reading.core = reader.core
    reading.connection = connection
    reading.query = query
    reading.request = request
    reading.now = loop.now
    reading.limit = COPY_MAX
    if native == NATIVE_PING:
        if loop.settings.gates & GATE_DISK_ERROR:   # PING is refused then, too
            return False
        return write_read(native, &reading, NULL)
    key = &query.arguments[request.first + 1]
    data = query.data + key.offset
    hash = key_hash(reader.core, data, key.length)
    code = reader_find(reader.core, reader.slot, connection.db, hash, data, key.length, loop.now, &entry, &read)
    if code == READ_RETRY:
        return False
    if code != READ_FOUND:
        if not write_read(native, &reading, NULL):
            return False
        loop.misses += 1
        return True
    served = (entry_is_string(entry) or not entry_is_busy(entry)) and write_read(native, &reading, entry)
    if served and read_touches(native):
        entry_touch(reader.core, entry, &reader.random)
    if not reader_done(reader.core, &read) or not served:
        connection.out.length = mark
        return False
    loop.hits += 1
    return True


cdef void serve_reads(Reader *reader, Loop *loop, Connection *connection) noexcept nogil:
    """Answers the connection's next requests up to the first that is the executor's."""
    cdef Query *query = connection.query
    cdef Request *request
    cdef CommandEntry *command
    while query.requests_next < query.requests_length:
        if (connection.gates | load_u32(&loop.settings.gates)) & GATES_OF_WORKER_READS:
            return
        request = &query.requests[query.requests_next]
        command = <CommandEntry *> request.command
        if (command == NULL or command.native == NATIVE_NONE or command.native >= NATIVE_SERVED_END
                or not read_fits(command.native, request)
                or not serve_read(reader, loop, connection, request, command.native)):
            return
        query.requests_next += 1
        connection.commands += 1
        connection.last_command = command.id
        loop.commands += 1
        loop.served[command.id] += 1
