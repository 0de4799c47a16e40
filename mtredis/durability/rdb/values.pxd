# cython: freethreading_compatible=True
"""Values from RDB data. See `values.pyx`."""
from mtredis.durability.rdb.input cimport Input, Text
from mtredis.keyspace.core cimport Core
from mtredis.keyspace.value cimport Word

cdef struct Loaded:              # a value that is in no database yet; it must not be moved
    int type                     # TYPE_STRING, ...
    Word word                    # 0: a string
    Text text                    # which may lie in the input

# A value of the type that the byte before it says (RDB_LIST, ...), as core.limits have it kept; false: see input.code,
# which is INPUT_EMPTY if it is whole but has no element; then the input is behind it.
cdef bint load_value(Input *input, Core *core, int kind, Loaded *loaded) noexcept nogil
cdef void loaded_free(Loaded *loaded) noexcept nogil     # of what load_value returned true for
