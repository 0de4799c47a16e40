# cython: freethreading_compatible=True
"""The file that the write stream goes to. See `log.pyx`."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from mtredis.lib.buffer cimport Buffer
from mtredis.propagate cimport Sink

cdef class AppendLog(Sink):
    cdef readonly int fd                   # -1: there is no file
    cdef Buffer backlog                    # taken, and not in the file yet
    cdef readonly uint64_t size            # of the file
    cdef uint64_t synced_size              # of the file, that an fsync has been asked for
    cdef readonly uint64_t taken           # how far the stream has come here (an offset in it)
    cdef readonly uint64_t written         # how far it is in the file
    cdef uint64_t _synced                  # how far it is on disk (atomic)
    cdef int32_t syncs                     # under way on the other thread (atomic)
    cdef int32_t sync_errno                # of the last one (atomic)
    cdef int _policy
    cdef public bint hold_syncs            # no fsync now, whatever the policy
    cdef public bint beside_snapshot       # a snapshot is being written: it slows writes down
    cdef public bint timestamps            # annotate the log with the time
    cdef int64_t annotated                 # unix seconds of the last annotation
    cdef readonly int write_errno          # 0: the last write went well
    cdef int64_t last_sync                 # unix ms
    cdef int64_t postponed_since           # unix ms; 0: no write waits for an fsync
    cdef int64_t complained                # unix seconds of the last line about a failed write
    cdef public uint64_t delayed           # writes that did not wait for an fsync any longer
    cdef public int64_t flush_sleep        # µs before each write, for tests
    cdef public int64_t latency_threshold  # µs from which `on_latency` is told; 0: never
    cdef public bint is_awaited            # somebody wants to hear of each fsync
    # Hooks
    cdef public object sync_soon           # (file descriptor, offset, close it): on another thread; then `sync_done`
    cdef public object on_status           # (): `error` has changed
    cdef public object on_synced           # (): `synced` has grown, while `is_awaited`
    cdef public object on_latency          # (event, µs)
    cdef public object on_fatal            # (text): does not return
    cdef public object on_lost             # (): memory was out, and a piece of the stream is gone

    cdef bint must_wait(self, int64_t now) except -1
    cdef size_t put(self, const char *data, size_t length) noexcept nogil
    cdef int keep(self, const char *data, size_t length) except -1
    cdef size_t try_write(self, const char *data, size_t length, int64_t now) except? 0
    cdef size_t failed(self, size_t done, size_t length, int error, int64_t now) except? 0
    cdef int drop(self, size_t done) except -1
    cdef int sync_always(self, int64_t now) except -1
    cdef int flush_backlog(self, int64_t now) except -1
    cdef int sync_if_due(self, int64_t now) except -1
    cdef int annotate(self, int64_t now) except -1
    cdef int report(self, event, int64_t started) except -1
