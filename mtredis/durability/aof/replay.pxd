# cython: freethreading_compatible=True
"""Commands of a log, read and executed. See `replay.pyx`."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.protocol.parser cimport Query

cdef enum Scan:
    SCAN_RELEASED = 0      # there are requests to be executed, or the limit is reached
    SCAN_NEEDS_MORE = 1    # what is left is the beginning of something
    SCAN_BAD = 2           # what is at `bad_at` is no log
    SCAN_NO_MEMORY = 3

cdef class Player:
    # Executes the requests of the query that are not executed yet. An exception ends the loading.
    cdef int play(self, Query *query) except -1

cdef class CommandReader:
    cdef Query query                   # what is read, and the requests in it
    cdef size_t position               # in the buffer: behind the last whole command or annotation
    cdef size_t wanted                 # no more can be understood before so many bytes are there
    cdef bint in_transaction
    cdef bint has_all                  # the file has no more
    cdef size_t group                  # in the buffer: where the transaction begins
    cdef size_t released               # requests, from the first on, that may be executed
    cdef readonly uint64_t offset      # of the buffer in the file
    cdef uint64_t _valid               # in the file: behind the last command that may be executed
    cdef size_t bad_at                 # in the buffer
    cdef readonly uint64_t commands    # seen

    cdef int fill(self, int fd) noexcept nogil
    cdef int scan(self, uint64_t limit) noexcept nogil
    cdef int scan_command(self) noexcept nogil
    cdef int read_number(self, size_t *at, char prefix, int64_t *number) noexcept nogil
    cdef int add_argument(self, size_t offset, size_t length) noexcept nogil
    cdef int end_command(self, uint32_t first, int64_t count) noexcept nogil
    cdef bint is_word(self, uint32_t first, const char *word) noexcept nogil
    cdef void forget_done(self) noexcept nogil
