# cython: freethreading_compatible=True
"""The RESP request scanner's data: see `parser.pyx`."""
from libc.stdint cimport int64_t, uint32_t

cdef enum ScanResult:
    SCAN_MORE = 0    # every complete request is in `requests`; the rest waits for more bytes
    SCAN_FULL = 1    # `request_limit` reached; call again after these requests are done
    SCAN_ERROR = 2   # the requests before the fault are in `requests`; `error` names the fault

cdef struct Argument:
    size_t offset    # into Query.data; stays right when data moves
    size_t length

cdef struct Request:
    uint32_t first   # index of argv[0] in Query.arguments
    uint32_t argc    # at least 1
    void *command    # the registry's entry, resolved by the receiver; the scanner sets NULL

cdef struct Query:
    Query *next                # link in a pool of free queries
    char *data                 # bytes received
    size_t length              # bytes of data in use
    size_t capacity            # query_reserve allocates one byte more, for the scanner's NUL
    size_t scanned             # everything before it has been understood
    Argument *arguments
    uint32_t arguments_length
    uint32_t arguments_capacity
    Request *requests          # complete requests, in order
    uint32_t requests_length
    uint32_t requests_capacity
    uint32_t requests_next     # the first request not yet served (the receiver's business)
    uint32_t partial_first     # index in `arguments` of the half-scanned request's argv[0]
    int64_t arguments_left     # arguments still missing of the half-scanned request; 0: none is open
    int64_t bulk_length        # announced length of the argument being received; -1: its header is not read yet
    char error[128]            # NUL-terminated, behind "ERR " ("Protocol error: invalid bulk length"), with SCAN_ERROR

cdef struct ScanLimits:
    int64_t max_bulk           # proto-max-bulk-len
    int64_t max_arguments      # 2^31-1 here; 10 while unauthenticated
    size_t max_inline          # 64 KiB
    bint authenticated         # False: Redis's smaller limits (10 arguments, 16384 bytes) and their error texts
    uint32_t request_limit     # stop after this many requests

cdef ScanResult query_scan(Query *query, const ScanLimits *limits) noexcept nogil
cdef size_t query_missing(const Query *query) noexcept nogil
cdef void query_consume(Query *query) noexcept nogil
cdef int query_reserve(Query *query, size_t room) noexcept nogil
cdef void query_clear(Query *query) noexcept nogil
cdef void query_free(Query *query) noexcept nogil
