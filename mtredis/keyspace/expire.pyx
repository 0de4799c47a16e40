# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Active expiry: deletes keys whose time has passed and that nobody asks for, within a budget of time.

Idea: each cycle goes round the databases from where the last one stopped. In a database it visits one segment that has
keys with a time to live, and goes on there as long as more than a quarter (effort 10: a tenth) of the keys it looked at
had expired. So a database full of dead keys gets all the time there is, and one without costs next to nothing.

Owner: the executor thread. Keys are copied out of a segment before the first is deleted, since deleting may merge
segments and calls back into Python.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from mtredis.keyspace.entry cimport (
    Entry, entry_expire, entry_has_expire, entry_key,
)
from mtredis.keyspace.segment cimport SEGMENT_CAPACITY, segment_entries

cdef enum:
    SKIP_MAX = 1024       # segments without a TTL passed over at one visit
    CLOCK_EVERY = 32      # deletions between two looks at the clock


cdef int64_t monotonic_us() noexcept nogil:
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return <int64_t> time.tv_sec * 1000000 + time.tv_nsec // 1000


cdef Segment *next_volatile(Table *table) noexcept nogil:
    """The next segment, going round, that has keys with a time to live; NULL: none near."""
    cdef Segment *segment
    cdef int i
    if table.volatile_count == 0:
        return NULL
    for i in range(SKIP_MAX):
        if table.expire_cursor >= table.segment_count:
            table.expire_cursor = 0
        segment = table.segments[table.expire_cursor]
        if segment.volatile_count:
            return segment
        table.expire_cursor += 1
    return NULL


cdef class ActiveExpiry:
    """The state between cycles, and what they did so far."""

    cdef tuple run(self, Core *core, int64_t budget_us, int effort, object delete):
        """One cycle; (keys deleted, was it cut short by the budget). `delete(index, key)` deletes one."""
        cdef int64_t start = monotonic_us()
        cdef int64_t before = self.expired
        cdef int threshold = 25 - (max(1, min(10, effort)) - 1) * 15 // 9
        cdef int64_t seen, total = 0
        cdef bint is_cut = False
        cdef int i
        for i in range(core.databases):
            if core.tables[self.database % core.databases].volatile_count:
                if total and monotonic_us() - start >= budget_us:
                    is_cut = True
                    break
                seen = self.visit_table(core, self.database % core.databases, start + budget_us, threshold, delete)
                total += seen & 0xffffffff
                if seen >> 32:
                    is_cut = True
                    break
            self.database = (self.database + 1) % core.databases
        if total:
            self.stale_percent += ((self.expired - before) * 100.0 / total - self.stale_percent) * 0.05
        self.microseconds += monotonic_us() - start
        self.cut_short += is_cut
        return self.expired - before, is_cut

    cdef int64_t visit_table(self, Core *core, int index, int64_t deadline, int threshold, object delete) except -1:
        """Works on one database; the number of keys looked at, with bit 32 set if time ran out before it was done."""
        cdef Table *table = core.tables[index]
        cdef Segment *segment
        cdef int64_t total = 0, seen
        cdef int deleted
        cdef list keys
        cdef uint64_t visits = table.segment_count
        while visits > 0:
            segment = next_volatile(table)
            if segment == NULL:
                break
            visits -= 1
            keys = []
            seen = 0
            self.visit_segment(core, table, segment, &seen, keys)
            total += seen
            deleted = 0
            for key in keys:
                delete(index, key)
                self.expired += 1
                deleted += 1
                if deleted % CLOCK_EVERY == 0 and deleted < len(keys) and monotonic_us() >= deadline:
                    return total | (<int64_t> 1 << 32)
            table.expire_cursor += 1
            if <int64_t> len(keys) * 100 <= seen * threshold:
                break
            if monotonic_us() >= deadline:
                return total | (<int64_t> 1 << 32)
        return total

    cdef int visit_segment(self, Core *core, Table *table, Segment *segment, int64_t *seen, list keys) except -1:
        """Collects the expired keys of a segment and takes the mean of the others' time to live."""
        cdef Entry *entries[SEGMENT_CAPACITY]
        cdef int count = segment_entries(segment, entries)
        cdef int i
        cdef int64_t left, sum_left = 0, alive = 0
        cdef size_t length
        cdef char *key
        for i in range(count):
            if not entry_has_expire(entries[i]):
                continue
            seen[0] += 1
            left = entry_expire(entries[i]) - core.now
            if left < 0:
                key = entry_key(entries[i], &length)
                keys.append(PyBytes_FromStringAndSize(key, length))
            else:
                sum_left += left // 64
                alive += 1
        if alive:
            left = sum_left // alive * 64
            table.average_ttl = left if table.average_ttl == 0 else table.average_ttl + (left - table.average_ttl) // 50
        return 0
