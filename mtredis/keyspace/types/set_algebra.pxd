# cython: freethreading_compatible=True
"""What several sets have in common, have together, or do not have: see `set_algebra.pyx`."""
from libc.stdint cimport int64_t, uint64_t
from mtredis.keyspace.types.set cimport Set

cpdef list intersection(list sets)
cpdef int64_t count_intersection(list sets, int64_t limit)
cpdef list difference(Set first, list others)
cpdef intersect_into(Set result, list sets)
cpdef unite_into(Set result, list sets)
cpdef subtract_into(Set result, Set first, list others)
