# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The file that the write stream goes to, and when it is on disk.

Idea: the executor gives a round's changes to `write` before any reply of that round leaves. They go to the file in one
write(2), straight from the stream's buffer. Under `always` an fsync follows at once, so one fsync serves all clients of
the round; under `everysec` another thread is asked for one each second, and while it is at work writes wait here, two
seconds at most, for they would block in the kernel; under `no` the kernel does as it likes.

What cannot be written is kept and tried again: half a command at the end of the file is cut off, or, where that fails,
its rest comes next. Nothing that was taken is ever dropped. Only `always` cannot go on: its promise is broken, and the
process has to end before a reply leaves.

Owner: the executor thread, except `sync_done`, which is for the thread that syncs.
Invariants: file and backlog together are the stream, in order; `synced` never says more than is on disk.
"""
import os

from libc.errno cimport EINTR, ENOSPC, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove
from mtredis.lib.atomics cimport add_i32, load_i32, load_u64, raise_u64, store_i32, store_u64
from mtredis.lib.buffer cimport buffer_append, buffer_free
from mtredis.lib.clock cimport monotonic_us, unix_ms
from mtredis.ops import log

cdef extern from "<unistd.h>" nogil:
    ssize_t posix_write "write"(int fd, const void *data, size_t length)
    int posix_close "close"(int fd)
    int fdatasync(int fd)
    int ftruncate(int fd, int64_t length)
    int usleep(unsigned int microseconds)

cdef enum Policy:
    NEVER = 0
    EVERY_SECOND = 1
    ALWAYS = 2

cdef enum:
    PATIENCE = 2000            # ms that a write waits for an fsync
    SYNC_INTERVAL = 1000       # ms
    COMPLAINT_INTERVAL = 30    # seconds between two lines about failed writes
    BACKLOG_KEPT = 65536       # bytes of the backlog's buffer that stay allocated

cdef dict POLICIES = {"no": NEVER, "everysec": EVERY_SECOND, "always": ALWAYS}


cdef class AppendLog(Sink):
    """A sink of the write stream; `open` gives it a file. The server sets the hooks."""

    def __cinit__(self):
        self.fd = -1
        self._policy = EVERY_SECOND

    def __dealloc__(self):
        buffer_free(&self.backlog)

    # --- what it is like ---------------------------------------------------------------------------------------------

    @property
    def policy(self) -> str:
        """`appendfsync`: always, everysec or no."""
        return next(name for name, policy in POLICIES.items() if policy == self._policy)

    @policy.setter
    def policy(self, str name):
        self._policy = POLICIES[name]

    @property
    def synced(self) -> int:
        """The offset in the stream up to which all is on disk."""
        return load_u64(&self._synced)

    @property
    def backlog_length(self) -> int:
        """Bytes that are taken and not in the file."""
        return self.backlog.length

    @property
    def pending_syncs(self) -> int:
        """How many fsyncs the other thread has not done yet."""
        return load_i32(&self.syncs)

    @property
    def error(self) -> int:
        """The errno of the last write, or else of the last fsync; 0: all is well."""
        return self.write_errno if self.write_errno else load_i32(&self.sync_errno)

    # --- files -------------------------------------------------------------------------------------------------------

    def open(self, int fd, uint64_t size, uint64_t offset) -> None:
        """What comes next, at `offset` of the stream, is appended to this file, which has so many bytes by now."""
        self.fd = fd
        self.size = self.synced_size = size
        self.taken = self.written = offset
        store_u64(&self._synced, offset)
        self.backlog.length = 0
        self.postponed_since = self.write_errno = 0
        store_i32(&self.sync_errno, 0)
        self.last_sync = unix_ms()

    def replace(self, int fd) -> None:
        """What comes next goes to this empty file; the one before is synced and closed. The backlog must be empty."""
        if self.backlog.length:
            raise RuntimeError("the log is behind the stream")
        add_i32(&self.syncs, 1)
        self.sync_soon(self.fd, self.written, True)
        self.last_sync = unix_ms()
        self.fd = fd
        self.size = self.synced_size = 0

    def close(self) -> None:
        """The file is closed as it is; what is in the backlog is forgotten."""
        if self.fd >= 0:
            posix_close(self.fd)
        self.fd = -1
        buffer_free(&self.backlog)
        self.size = self.synced_size = 0
        self.postponed_since = self.write_errno = 0

    # --- writing -----------------------------------------------------------------------------------------------------

    cdef int write(self, const char *data, size_t length) except -1:
        """Takes whole execution units; when it returns, all has been done for them that the policy promises."""
        cdef int64_t now = unix_ms()
        cdef size_t done
        self.taken += length
        if self.timestamps:
            self.annotate(now)
        if self.backlog.length == 0 and not self.must_wait(now):
            done = self.try_write(data, length, now)
            if done < length:
                self.keep(data + done, length - done)
        else:
            self.keep(data, length)
            self.flush_backlog(now)
        if self.backlog.length == 0:
            self.written = self.taken
            self.sync_if_due(now)
        return 0

    def tick(self, int64_t now) -> None:
        """Does what is due at this time (unix ms) without anything new to write; from cron."""
        if self.fd < 0:
            return
        self.flush_backlog(now)
        if self.backlog.length == 0:
            self.written = self.taken
            self.sync_if_due(now)

    def flush_now(self) -> bool:
        """Writes what has been taken without waiting for any fsync; False if something is left."""
        cdef int64_t now = unix_ms()
        cdef size_t done
        if self.backlog.length:
            done = self.try_write(self.backlog.data, self.backlog.length, now)
            self.drop(done)
        if self.backlog.length == 0:
            self.written = self.taken
        return self.backlog.length == 0

    def sync_now(self) -> None:
        """All that is in the file is on disk. Raises OSError."""
        cdef int failed
        with nogil:
            failed = fdatasync(self.fd)
        if failed:
            raise OSError(errno, os.strerror(errno))
        self.synced_size = self.size
        raise_u64(&self._synced, self.written)
        self.last_sync = unix_ms()

    cdef bint must_wait(self, int64_t now) except -1:
        """Whether a write would have to wait in the kernel for an fsync, and has not waited here for too long."""
        if self._policy != EVERY_SECOND or load_i32(&self.syncs) == 0:
            return False
        if self.postponed_since == 0:
            self.postponed_since = now
        if 0 <= now - self.postponed_since < PATIENCE:
            return True
        self.delayed += 1
        log.notice(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for "
            "fsync to complete, this may slow down Redis."
        )
        return False

    cdef size_t put(self, const char *data, size_t length) noexcept nogil:
        """Writes as much as goes; the number of bytes. `errno` says why it is not all."""
        cdef size_t done = 0
        cdef ssize_t count
        if self.flush_sleep > 0:
            usleep(<unsigned int> self.flush_sleep)
        while done < length:
            count = posix_write(self.fd, data + done, length - done)
            if count >= 0:
                done += count
            elif errno != EINTR:
                break
        return done

    cdef size_t try_write(self, const char *data, size_t length, int64_t now) except? 0:
        """Appends to the file; how many bytes of it the file has got for good. All or, if it failed, mostly none."""
        cdef bint is_syncing = load_i32(&self.syncs) > 0
        cdef int64_t started = monotonic_us() if self.latency_threshold > 0 else 0
        cdef size_t done
        cdef int error
        with nogil:
            done = self.put(data, length)
            error = errno
        if started:
            self.report("aof-write-pending-fsync" if is_syncing else
                        "aof-write-active-child" if self.beside_snapshot else "aof-write-alone", started)
            self.report("aof-write", started)
        self.postponed_since = 0
        if done < length:
            return self.failed(done, length, error, now)
        self.size += done
        if self.write_errno:
            log.notice("AOF write error looks solved, Redis can write again.")
            self.write_errno = 0
            self.on_status()
        return done

    cdef size_t failed(self, size_t done, size_t length, int error, int64_t now) except? 0:
        """Not all could be written: cuts off what is half there; how many bytes are there for good."""
        cdef bint may_log = now // 1000 - self.complained > COMPLAINT_INTERVAL
        if may_log:
            self.complained = now // 1000
        if done == 0:
            if may_log:
                log.warning(f"Error writing to the AOF file: {os.strerror(error)}")
        else:
            if may_log:
                log.warning(f"Short write while writing to the AOF file: (nwritten={done}, expected={length})")
            error = ENOSPC
            if ftruncate(self.fd, self.size) == 0:
                done = 0
            elif may_log:
                log.warning("Could not remove short write from the append-only file.  Redis may refuse to load the AOF "
                            f"the next time it starts.  ftruncate: {os.strerror(errno)}")
        if self._policy == ALWAYS:
            self.on_fatal("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...")
        self.size += done
        if self.write_errno != error:
            self.write_errno = error
            self.on_status()
        return done

    cdef int keep(self, const char *data, size_t length) except -1:
        """What is not in the file waits in the backlog."""
        if buffer_append(&self.backlog, data, length) < 0:
            self.on_lost()
        return 0

    cdef int drop(self, size_t done) except -1:
        """The first bytes of the backlog are in the file."""
        self.backlog.length -= done
        memmove(self.backlog.data, self.backlog.data + done, self.backlog.length)
        if self.backlog.length == 0 and self.backlog.capacity > BACKLOG_KEPT:
            buffer_free(&self.backlog)
        return 0

    cdef int flush_backlog(self, int64_t now) except -1:
        """Writes the backlog, if that need not wait."""
        if self.backlog.length and not self.must_wait(now):
            self.drop(self.try_write(self.backlog.data, self.backlog.length, now))
        return 0

    cdef int annotate(self, int64_t now) except -1:
        """Puts the time before what comes next, if the last annotation is of another second."""
        cdef bytes line
        if self.annotated == now // 1000:
            return 0
        self.annotated = now // 1000
        line = b"#TS:%d\r\n" % self.annotated
        return self.keep(line, len(line))

    cdef int report(self, event, int64_t started) except -1:
        """Tells the latency monitor what took as long as it wants to hear of."""
        cdef int64_t elapsed = monotonic_us() - started
        if elapsed >= self.latency_threshold:
            self.on_latency(event, elapsed)
        return 0

    # --- syncing -----------------------------------------------------------------------------------------------------

    cdef int sync_if_due(self, int64_t now) except -1:
        """Brings to disk, or has brought there, what has been written, when the policy says so."""
        cdef bint has_failed = load_i32(&self.sync_errno) != 0
        if self.hold_syncs or (self.synced_size == self.size and not has_failed):
            return 0
        if self._policy == ALWAYS:
            self.sync_always(now)
        elif self._policy == EVERY_SECOND and not 0 <= now - self.last_sync < SYNC_INTERVAL:
            self.last_sync = now
            if load_i32(&self.syncs) == 0:
                self.synced_size = self.size
                add_i32(&self.syncs, 1)
                self.sync_soon(self.fd, self.written, False)
        return 0

    cdef int sync_always(self, int64_t now) except -1:
        cdef int64_t started = monotonic_us() if self.latency_threshold > 0 else 0
        cdef int failed
        with nogil:
            failed = fdatasync(self.fd)
        if failed:
            self.on_fatal("Can't persist AOF for fsync error when the AOF fsync policy is 'always': "
                          f"{os.strerror(errno)}. Exiting...")
        if started:
            self.report("aof-fsync-always", started)
        self.synced_size = self.size
        self.last_sync = now
        store_i32(&self.sync_errno, 0)
        raise_u64(&self._synced, self.written)
        if self.is_awaited:
            self.on_synced()
        return 0

    def sync_done(self, uint64_t offset, int error) -> None:
        """An fsync that `sync_soon` asked for is over; `error` is its errno, or 0. Any one thread."""
        if error == 0:
            raise_u64(&self._synced, offset)   # the executor may have synced more by itself
        store_i32(&self.sync_errno, error)
        add_i32(&self.syncs, -1)
