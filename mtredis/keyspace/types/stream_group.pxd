# cython: freethreading_compatible=True
"""A consumer group as handlers hold it. See `stream_group.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.types.stream cimport Stream
from mtredis.keyspace.types.stream_entries cimport StreamData
from mtredis.keyspace.types.stream_id cimport StreamId
from mtredis.keyspace.types.stream_pending cimport Consumer, Group, Nack

cdef class StreamGroup:
    cdef Stream stream
    cdef Group *group

    cdef Consumer *consumer(self, bytes name) except NULL
    cdef Consumer *find(self, bytes name) except? NULL
    cdef int delete(self, Nack *nack) except -1
    cdef object row(self, Nack *nack)
    cdef object claim_one(self, Consumer *consumer, const StreamId *id, int64_t delivery_time, int64_t retry_count,
                          bint is_counted)
