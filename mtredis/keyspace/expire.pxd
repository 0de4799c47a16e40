# cython: freethreading_compatible=True
"""Active expiry. See `expire.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.core cimport Core, Table
from mtredis.keyspace.segment cimport Segment

cdef class ActiveExpiry:
    cdef int database                   # where the next cycle goes on
    cdef public int64_t expired         # keys deleted by cycles
    cdef public int64_t microseconds    # spent in cycles
    cdef public int64_t cut_short       # cycles that ran into their time limit
    cdef public double stale_percent    # share of expired keys among those looked at, a running mean

    cdef tuple run(self, Core *core, int64_t budget_us, int effort, object delete)
    cdef int64_t visit_table(self, Core *core, int index, int64_t deadline, int threshold, object delete) except -1
    cdef int visit_segment(self, Core *core, Table *table, Segment *segment, int64_t *seen, list keys) except -1
