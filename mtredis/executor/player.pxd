# cython: freethreading_compatible=True
"""The executor as the reader of a log: see `player.pyx`."""
from libc.stdint cimport int64_t
from mtredis.client cimport Client, Connection, Settings
from mtredis.durability.aof.replay cimport Player
from mtredis.executor.dispatch cimport Dispatcher
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.database cimport Keyspace
from mtredis.protocol.parser cimport Query, Request
from mtredis.registry.table cimport CommandEntry

cdef class LogPlayer(Player):
    cdef Dispatcher dispatcher
    cdef Keyspace keyspace
    cdef Core *core
    cdef Connection connection       # of nobody: it has a database and a buffer for replies
    cdef Settings quiet              # the server's, with no gate in force
    cdef public object on_bug        # (command name, exception)

    cdef int run_all(self, Query *query) except -1
    cdef int call(self, Query *query, Request *request) except -1
    cdef int invoke(self, CommandEntry *entry, object command, list argv) except -1
    cdef bint run_native(self, Query *query, Request *request, CommandEntry *entry) noexcept
