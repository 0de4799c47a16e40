# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""LZF: the fast compression of strings in RDB files, byte for byte what Redis's liblzf makes.

Idea: the data is a sequence of runs and copies:

    000LLLLL, L + 1 bytes                 these bytes as they are (1 to 32)
    LLLooooo oooooooo                     L + 2 bytes (3 to 8) from o + 1 bytes back
    111ooooo LLLLLLLL oooooooo            L + 9 bytes (9 to 264) from o + 1 bytes back

The compressor is greedy: a table has the last place of every three bytes by a hash of them; where the same three bytes
come again near enough, it copies as much as there is (but for the last two bytes), else the byte joins the run. What a
copy covers is not entered into the table but for its last two places. liblzf's hash decides which of two places with
the same hash is forgotten, so it is the same here, for the same data.

A table is not cleared for every text: each text takes numbers above those of the one before as its places.

Owner: whoever owns the table. Limits: texts below 4 GB.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport UINT32_MAX, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

cdef enum:
    RUN_MAX = 32
    COPY_MAX = 264
    DISTANCE_MAX = 8192
    STEP = 8                     # bytes that are copied at once

cdef struct Sink:
    unsigned char *op            # where the next byte goes
    unsigned char *end
    size_t run                   # how many bytes before it are the open run's


cdef LzfTable *lzf_table() noexcept nogil:
    return <LzfTable *> calloc(1, sizeof(LzfTable))


cdef inline uint32_t slot_of(const unsigned char *p) noexcept nogil:
    cdef uint32_t three = <uint32_t> p[0] << 16 | <uint32_t> p[1] << 8 | p[2]
    return ((three >> 8) - three * 5) & (LZF_SLOTS - 1)


cdef inline bint is_same_three(const unsigned char *a, const unsigned char *b) noexcept nogil:
    return a[0] == b[0] and a[1] == b[1] and a[2] == b[2]


cdef inline void begin_run(Sink *sink) noexcept nogil:
    """Leaves room for the length of a run, whose bytes come next."""
    sink.op += 1
    sink.run = 0


cdef inline void end_run(Sink *sink) noexcept nogil:
    """Writes the length of the open run before it; an empty one goes."""
    if sink.run:
        (sink.op - sink.run - 1)[0] = <unsigned char> (sink.run - 1)
    else:
        sink.op -= 1


cdef inline bint put_byte(Sink *sink, unsigned char byte) noexcept nogil:
    """One more byte of the run; false: no room."""
    if sink.op >= sink.end:
        return False
    sink.op[0] = byte
    sink.op += 1
    sink.run += 1
    if sink.run == RUN_MAX:
        end_run(sink)
        begin_run(sink)
    return True


cdef inline bint put_copy(Sink *sink, size_t distance, size_t count) noexcept nogil:
    """A copy of `count` bytes from `distance` + 1 back; false: no room."""
    if sink.op - (sink.run == 0) + 4 >= sink.end:
        return False
    end_run(sink)
    if count < 9:
        sink.op[0] = <unsigned char> ((distance >> 8) + ((count - 2) << 5))
    else:
        sink.op[0] = <unsigned char> ((distance >> 8) + (7 << 5))
        sink.op += 1
        sink.op[0] = <unsigned char> (count - 9)
    sink.op[1] = <unsigned char> distance
    sink.op += 2
    begin_run(sink)
    return True


cdef inline size_t same_bytes(const unsigned char *a, const unsigned char *b, size_t left) noexcept nogil:
    """How many bytes are equal, of which three are known to be; `b` is the later one and has `left` bytes.

    liblzf stops 2 bytes before the end and at 264, but looks at 19 at once."""
    cdef size_t most = min(left - 2, <size_t> COPY_MAX)
    cdef size_t count = 3
    if 16 < most < 19:
        most = 19
    while count < most and a[count] == b[count]:
        count += 1
    return count


cdef uint32_t places_for(LzfTable *table, size_t length) noexcept nogil:
    """The number of the text's first place; the slots of texts before it are below."""
    cdef uint32_t base
    if table.base > UINT32_MAX - 1 - length:
        memset(table, 0, sizeof(LzfTable))
    base = table.base + 1
    table.base += <uint32_t> length + 1
    return base


cdef size_t lzf_compress(LzfTable *table, const unsigned char *text, size_t length, unsigned char *out,
                         size_t room) noexcept nogil:
    """Compresses. As in liblzf nothing is copied from the text's first place, which looks like 'never seen'."""
    cdef Sink sink = Sink(out, out + room, 0)
    cdef size_t at = 0, distance, count
    cdef uint32_t base, slot, place
    if length == 0 or room == 0 or length >= UINT32_MAX - 1:
        return 0
    base = places_for(table, length)
    begin_run(&sink)
    while at + 2 < length:
        slot = slot_of(text + at)
        place = table.slots[slot]
        table.slots[slot] = base + <uint32_t> at
        distance = at - (place - base) - 1
        if place <= base or distance >= DISTANCE_MAX or not is_same_three(text + (place - base), text + at):
            if not put_byte(&sink, text[at]):
                return 0
            at += 1
            continue
        count = same_bytes(text + (place - base), text + at, length - at)
        if not put_copy(&sink, distance, count):
            return 0
        at += count
        if at + 2 < length:
            table.slots[slot_of(text + at - 2)] = base + <uint32_t> (at - 2)
            table.slots[slot_of(text + at - 1)] = base + <uint32_t> (at - 1)
    if sink.op + 3 > sink.end:
        return 0
    while at < length:
        put_byte(&sink, text[at])
        at += 1
    end_run(&sink)
    return sink.op - out


cdef inline void copy_run(unsigned char *op, size_t room, const unsigned char *data, size_t left,
                          size_t count) noexcept nogil:
    """`count` bytes (up to RUN_MAX), more where there is room for them and data: that is faster."""
    if room >= RUN_MAX and left >= RUN_MAX:
        memcpy(op, data, RUN_MAX)
    else:
        memcpy(op, data, count)


cdef inline void copy_within(unsigned char *op, size_t room, size_t distance, size_t count) noexcept nogil:
    """`count` bytes from `distance` back, or a few more; where they overlap what is written repeats itself."""
    cdef size_t i = 0
    if distance >= STEP and room >= count + STEP:
        while i < count:
            memcpy(op + i, op + i - distance, STEP)
            i += STEP
    else:
        while i < count:
            op[i] = (op + i - distance)[0]
            i += 1


cdef bint lzf_decompress(const unsigned char *data, size_t size, unsigned char *out, size_t length) noexcept nogil:
    """Decompresses into exactly `length` bytes; false: the data is not that."""
    cdef size_t at = 0, made = 0, count, distance
    while at < size:
        count = data[at]
        at += 1
        if count < RUN_MAX:
            count += 1
            if count > size - at or count > length - made:
                return False
            copy_run(out + made, length - made, data + at, size - at, count)
            at += count
        else:
            distance = ((count & 0x1F) << 8) + 1
            count >>= 5
            if count == 7:
                if at >= size:
                    return False
                count += data[at]
                at += 1
            if at >= size:
                return False
            distance += data[at]
            at += 1
            count += 2
            if distance > made or count > length - made:
                return False
            copy_within(out + made, length - made, distance, count)
        made += count
    return made == length


def compress(data not None, room=None) -> bytes | None:
    """The compressed data; None if that takes more than `room` bytes (4 less than the data, as in RDB files)."""
    cdef const unsigned char[::1] view = data
    cdef size_t length = view.shape[0]
    cdef size_t size = max(0, length - 4 if room is None else room)
    cdef bytes out
    cdef LzfTable *table
    if length == 0 or size == 0:
        return None
    out = PyBytes_FromStringAndSize(NULL, size)
    table = lzf_table()
    if table == NULL:
        raise MemoryError
    size = lzf_compress(table, &view[0], length, <unsigned char *> PyBytes_AS_STRING(out), size)
    free(table)
    return out[:size] if size else None


def decompress(data not None, size_t length) -> bytes:
    """The `length` bytes that were compressed; raises ValueError if the data is no compressed text of that length."""
    cdef const unsigned char[::1] view = data
    cdef size_t size = view.shape[0]
    cdef unsigned char *out
    cdef bint is_good
    if length > lzf_bound(size):
        raise ValueError("so little data cannot be so much text")
    out = <unsigned char *> malloc(length + 1)
    if out == NULL:
        raise MemoryError
    is_good = lzf_decompress(&view[0] if size else NULL, size, out, length)
    try:
        if not is_good:
            raise ValueError("not a compressed text of that length")
        return PyBytes_FromStringAndSize(<char *> out, length)
    finally:
        free(out)
