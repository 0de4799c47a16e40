# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""HyperLogLogs in Redis's format: about how many different elements were added, within 0.81 %, in at most 12 KB.

Idea: an element's 64-bit hash chooses one of 16384 registers, which keeps the greatest "position of the first 1 bit"
that its hashes had; the cardinality is estimated from how often each register value occurs (Ertl, arXiv:1702.01284).
The value is a plain string: a header of 16 bytes ("HYLL", the encoding, three unused bytes, the cached cardinality
in little endian with its highest bit set when it is stale) and the registers, either dense (6 bits each, the lowest
first) or sparse, as runs:
    00xxxxxx             x + 1 registers are 0 (up to 64)
    01xxxxxx yyyyyyyy    xy + 1 registers are 0 (up to 16384)
    1vvvvvxx             x + 1 registers are v + 1 (up to 4)
A new one is sparse; it becomes dense once it would be longer than hll-sparse-max-bytes or a register exceeds 32, and
never sparse again. Where runs are split and merged decides about the bytes, so it is done as Redis does it.

Owner: none. The C functions keep no state and need no GIL; the Python ones take bytes or a view and give new bytes.
Invariants: `sketch_is_valid` has said yes to what the other functions are given. Runs may be anything: they are read
within their bounds (a byte that is missing counts as 0), and CORRUPT is said where Redis says it.
Limits: a promotion that fails for want of memory leaves the sketch as it was.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

cdef extern from *:
    """
    #include <math.h>
    #include <stdint.h>

    #define MT_GROUPS (16384 / 4)    /* four registers in three bytes */

    static inline __attribute__((always_inline)) void mt_merge(uint8_t *restrict raw, const uint8_t *restrict dense) {
        uint8_t apart[16384];
        for (int i = 0; i < MT_GROUPS; i++) {
            uint32_t bits = dense[3 * i] | (uint32_t) dense[3 * i + 1] << 8 | (uint32_t) dense[3 * i + 2] << 16;
            apart[4 * i] = bits & 63;
            apart[4 * i + 1] = bits >> 6 & 63;
            apart[4 * i + 2] = bits >> 12 & 63;
            apart[4 * i + 3] = bits >> 18;
        }
        for (int i = 0; i < 16384; i++) raw[i] = raw[i] > apart[i] ? raw[i] : apart[i];
    }
    static inline __attribute__((always_inline)) void mt_pack(uint8_t *restrict dense, const uint8_t *restrict raw) {
        for (int i = 0; i < MT_GROUPS; i++) {
            const uint8_t *r = raw + 4 * i;
            dense[3 * i] = r[0] | r[1] << 6;
            dense[3 * i + 1] = r[1] >> 2 | r[2] << 4;
            dense[3 * i + 2] = r[2] >> 4 | r[3] << 2;
        }
    }
    static void mt_merge_plain(uint8_t *raw, const uint8_t *dense) { mt_merge(raw, dense); }
    static void mt_pack_plain(uint8_t *dense, const uint8_t *raw) { mt_pack(dense, raw); }

    #if defined(__x86_64__) && defined(__GNUC__)
    __attribute__((target("avx2")))
    static void mt_merge_wide(uint8_t *raw, const uint8_t *dense) { mt_merge(raw, dense); }
    __attribute__((target("avx2")))
    static void mt_pack_wide(uint8_t *dense, const uint8_t *raw) { mt_pack(dense, raw); }
    static int mt_has_wide(void) { return __builtin_cpu_supports("avx2"); }
    #else
    #define mt_merge_wide mt_merge_plain
    #define mt_pack_wide mt_pack_plain
    static int mt_has_wide(void) { return 0; }
    #endif

    static inline int mt_trailing_zeros(uint64_t value) { return __builtin_ctzll(value); }
    """
    void mt_merge_plain(uint8_t *raw, const uint8_t *dense) noexcept nogil
    void mt_merge_wide(uint8_t *raw, const uint8_t *dense) noexcept nogil
    void mt_pack_plain(uint8_t *dense, const uint8_t *raw) noexcept nogil
    void mt_pack_wide(uint8_t *dense, const uint8_t *raw) noexcept nogil
    int mt_has_wide() noexcept nogil
    int mt_trailing_zeros(uint64_t value) noexcept nogil
    double round(double value) noexcept nogil

cdef enum:
    HASH_SEED = 0xadc83b19
    INDEX_BITS = 14
    RANK_BITS = 50               # of the hash, those that make the rank
    HIGHEST_RANK = 51
    SPARSE_RANK_MAX = 32
    VALUE_REGISTERS_MAX = 4      # of one run
    SHORT_ZERO_MAX = 64          # registers that a run of one byte can say to be 0
    MERGE_WINDOW = 5             # runs from the one before a change on that are looked at for merging
    STALE = 0x80                 # in the last byte of the cached cardinality

cdef enum:                       # PFSELFTEST
    TEST_ROUNDS = 100            # of registers written and read again
    TEST_ELEMENTS = 1000000

cdef struct Run:
    int value                    # of each of its registers
    uint32_t registers
    size_t size                  # in bytes

cdef bint is_wide = mt_has_wide()    # PFDEBUG SIMD; only the speed depends on it


# Elements --------------------------------------------------------------------------------------------------------

cdef uint64_t murmur_hash(const uint8_t *text, size_t length) noexcept nogil:
    """MurmurHash64A with Redis's seed; words are little endian on every machine."""
    cdef uint64_t factor = <uint64_t> 0xc6a4a7935bd1e995
    cdef uint64_t hash = <uint64_t> HASH_SEED ^ (length * factor)
    cdef uint64_t word
    cdef size_t at = 0
    while length - at >= 8:
        word = little_endian(text + at, 8) * factor
        hash = (hash ^ ((word ^ (word >> 47)) * factor)) * factor
        at += 8
    if at < length:
        hash = (hash ^ little_endian(text + at, length - at)) * factor
    hash = (hash ^ (hash >> 47)) * factor
    return hash ^ (hash >> 47)


cdef inline uint64_t little_endian(const uint8_t *data, size_t length) noexcept nogil:
    cdef uint64_t word = 0
    cdef size_t i
    for i in range(length):
        word |= <uint64_t> data[i] << (8 * i)
    return word


cdef uint32_t element_place(const uint8_t *text, size_t length, int *rank) noexcept nogil:
    cdef uint64_t hash = murmur_hash(text, length)
    rank[0] = mt_trailing_zeros((hash >> INDEX_BITS) | (<uint64_t> 1 << RANK_BITS)) + 1
    return <uint32_t> (hash & (REGISTERS - 1))


# The dense form --------------------------------------------------------------------------------------------------

cdef inline int dense_get(const uint8_t *registers, uint32_t index) noexcept nogil:
    cdef uint32_t byte = index * 6 >> 3
    cdef int shift = index * 6 & 7
    cdef uint32_t bits = registers[byte]
    if shift > 2:                # else the register ends in this byte, and the last one at the end of the memory
        bits |= <uint32_t> registers[byte + 1] << 8
    return (bits >> shift) & 63


cdef inline void dense_put(uint8_t *registers, uint32_t index, int value) noexcept nogil:
    cdef uint32_t byte = index * 6 >> 3
    cdef int shift = index * 6 & 7
    registers[byte] = <uint8_t> ((registers[byte] & ~(63 << shift)) | (value << shift))
    if shift > 2:
        registers[byte + 1] = <uint8_t> ((registers[byte + 1] & ~(63 >> (8 - shift))) | (value >> (8 - shift)))


cdef void dense_counts(const uint8_t *registers, uint32_t *counts) noexcept nogil:
    """Counts in four tables, so that equal neighbours do not wait for each other."""
    cdef uint32_t tables[4][64]
    cdef uint32_t bits
    cdef size_t i
    memset(tables, 0, sizeof(tables))
    for i in range(0, DENSE_SIZE - HEADER_SIZE, 3):
        bits = registers[i] | (<uint32_t> registers[i + 1] << 8) | (<uint32_t> registers[i + 2] << 16)
        tables[0][bits & 63] += 1
        tables[1][(bits >> 6) & 63] += 1
        tables[2][(bits >> 12) & 63] += 1
        tables[3][bits >> 18] += 1
    for i in range(64):
        counts[i] += tables[0][i] + tables[1][i] + tables[2][i] + tables[3][i]


# The sparse form -------------------------------------------------------------------------------------------------

cdef inline void read_run(const uint8_t *data, size_t at, size_t length, Run *run) noexcept nogil:
    """The run at `at` < `length`; of a long one without its second byte, that byte is 0."""
    cdef uint8_t byte = data[at]
    cdef uint32_t low
    run.size = 1
    run.value = 0
    if byte & 0x80:
        run.value = ((byte >> 2) & 31) + 1
        run.registers = (byte & 3) + 1
    elif byte & 0x40:
        low = data[at + 1] if at + 1 < length else 0
        run.registers = (<uint32_t> (byte & 63) << 8 | low) + 1
        run.size = 2
    else:
        run.registers = byte + 1


cdef inline size_t write_run(uint8_t *target, int value, uint32_t registers) noexcept nogil:
    """Writes a run that fits into one; its size, 0 if there are no registers."""
    if registers == 0:
        return 0
    registers -= 1
    if value:
        target[0] = <uint8_t> (0x80 | (value - 1) << 2 | registers)
        return 1
    if registers < SHORT_ZERO_MAX:
        target[0] = <uint8_t> registers
        return 1
    target[0] = <uint8_t> (0x40 | registers >> 8)
    target[1] = <uint8_t> (registers & 0xff)
    return 2


cdef int sparse_unfold(const uint8_t *data, size_t length, uint8_t *raw) noexcept nogil:
    """merge_into_raw of a sparse one."""
    cdef size_t at = HEADER_SIZE
    cdef uint32_t index = 0, i
    cdef Run run
    while at < length:
        read_run(data, at, length, &run)
        if run.registers + index > REGISTERS:
            return CORRUPT
        if run.value:
            for i in range(index, index + run.registers):
                if raw[i] < run.value:
                    raw[i] = <uint8_t> run.value
        index += run.registers
        at += run.size
    return 0 if index == REGISTERS else CORRUPT


cdef int sparse_counts(const uint8_t *data, size_t length, uint32_t *counts) noexcept nogil:
    cdef size_t at = HEADER_SIZE
    cdef uint32_t index = 0
    cdef Run run
    while at < length:
        read_run(data, at, length, &run)
        if run.registers + index > REGISTERS:
            return CORRUPT
        counts[run.value] += run.registers
        index += run.registers
        at += run.size
    return 0 if index == REGISTERS else CORRUPT


cdef int sparse_set(Sketch *sketch, uint32_t index, int rank, uint64_t sparse_max) noexcept nogil:
    """sketch_set of a sparse one that stays sparse if it may: finds the run, and puts up to three in its place."""
    cdef uint8_t parts[5]
    cdef size_t at = HEADER_SIZE, previous = HEADER_SIZE, size
    cdef uint32_t first = 0
    cdef int64_t growth
    cdef Run run
    while True:
        if at >= sketch.length:
            return CORRUPT
        read_run(sketch.data, at, sketch.length, &run)
        if index < first + run.registers:
            break
        previous = at
        at += run.size
        first += run.registers
    if run.value >= rank:
        return 0
    size = write_run(parts, run.value, index - first)
    size += write_run(parts + size, rank, 1)
    size += write_run(parts + size, run.value, first + run.registers - 1 - index)
    growth = <int64_t> size - <int64_t> run.size
    if growth > 0 and sketch.length + growth > sparse_max:
        return sketch_promote(sketch, index, rank)
    if sparse_replace(sketch, at, run.size, parts, size) < 0:
        return NO_MEMORY
    sparse_merge(sketch, previous)
    sketch.data[15] |= STALE
    return 1


cdef int sparse_replace(Sketch *sketch, size_t at, size_t old, const uint8_t *parts, size_t size) noexcept nogil:
    """Puts `parts` in the place of the run at `at`. A run without its second byte leaves the last of them cut off."""
    cdef size_t length = sketch.length + size - old
    cdef uint8_t *data
    if length + 1 > sketch.capacity:
        data = <uint8_t *> realloc(sketch.data, length + 64)
        if data == NULL:
            return NO_MEMORY
        sketch.data = data
        sketch.capacity = length + 64
    if at + old < sketch.length:
        memmove(sketch.data + at + size, sketch.data + at + old, sketch.length - at - old)
    memcpy(sketch.data + at, parts, min(size, length - at))
    sketch.length = length
    sketch.data[length] = 0
    return 0


cdef void sparse_merge(Sketch *sketch, size_t at) noexcept nogil:
    """Joins neighbouring runs of one value, from the run at `at` on, as far as Redis looks."""
    cdef uint8_t *data = sketch.data
    cdef int looks = MERGE_WINDOW
    cdef uint32_t registers
    while at < sketch.length and looks:
        looks -= 1
        if data[at] & 0xc0 == 0x40:
            at += 2
            continue
        if data[at] & 0x80 and at + 1 < sketch.length and (data[at] ^ data[at + 1]) & 0xfc == 0:
            registers = (data[at] & 3) + (data[at + 1] & 3) + 2
            if registers <= VALUE_REGISTERS_MAX:
                data[at] = <uint8_t> ((data[at] & 0xfc) | (registers - 1))
                memmove(data + at + 1, data + at + 2, sketch.length - at - 2)
                sketch.length -= 1
                data[sketch.length] = 0
                continue
        at += 1


# Both ------------------------------------------------------------------------------------------------------------

cdef bint sketch_is_valid(const uint8_t *data, size_t length) noexcept nogil:
    if length < HEADER_SIZE or memcmp(data, b"HYLL", 4) != 0 or data[4] > IS_SPARSE:
        return False
    return data[4] == IS_SPARSE or length == DENSE_SIZE


cdef int sketch_open(Sketch *sketch, const uint8_t *data, size_t length) noexcept nogil:
    sketch.capacity = length + 64
    sketch.data = <uint8_t *> malloc(sketch.capacity)
    if sketch.data == NULL:
        return NO_MEMORY
    memcpy(sketch.data, data, length)
    sketch.data[length] = 0
    sketch.length = length
    return 0


cdef int sketch_set(Sketch *sketch, uint32_t index, int rank, uint64_t sparse_max) noexcept nogil:
    if sketch.data[4] == IS_SPARSE:
        if rank > SPARSE_RANK_MAX:
            return sketch_promote(sketch, index, rank)
        return sparse_set(sketch, index, rank, sparse_max)
    if dense_get(sketch.data + HEADER_SIZE, index) >= rank:
        return 0
    dense_put(sketch.data + HEADER_SIZE, index, rank)
    return 1


cdef int sketch_promote(Sketch *sketch, uint32_t index, int rank) noexcept nogil:
    cdef int code = sketch_to_dense(sketch)
    if code < 0:
        return code
    dense_put(sketch.data + HEADER_SIZE, index, rank)
    return 1


cdef int sketch_to_dense(Sketch *sketch) noexcept nogil:
    """The header stays, the cached cardinality too."""
    cdef uint8_t *dense
    cdef uint8_t raw[REGISTERS]
    if sketch.data[4] == IS_DENSE:
        return 0
    memset(raw, 0, REGISTERS)
    if sparse_unfold(sketch.data, sketch.length, raw) < 0:
        return CORRUPT
    dense = <uint8_t *> malloc(DENSE_SIZE + 1)
    if dense == NULL:
        return NO_MEMORY
    memcpy(dense, sketch.data, HEADER_SIZE)
    dense[4] = IS_DENSE
    pack(dense + HEADER_SIZE, raw)
    free(sketch.data)
    sketch.data = dense
    sketch.length = DENSE_SIZE
    sketch.capacity = DENSE_SIZE + 1
    return 0


cdef inline void pack(uint8_t *registers, const uint8_t *raw) noexcept nogil:
    if is_wide:
        mt_pack_wide(registers, raw)
    else:
        mt_pack_plain(registers, raw)


cdef int merge_into_raw(const uint8_t *data, size_t length, uint8_t *raw) noexcept nogil:
    if data[4] == IS_SPARSE:
        return sparse_unfold(data, length, raw)
    if is_wide:
        mt_merge_wide(raw, data + HEADER_SIZE)
    else:
        mt_merge_plain(raw, data + HEADER_SIZE)
    return 0


cdef int register_counts(const uint8_t *data, size_t length, uint32_t *counts) noexcept nogil:
    memset(counts, 0, 64 * sizeof(uint32_t))
    if data[4] == IS_SPARSE:
        return sparse_counts(data, length, counts)
    dense_counts(data + HEADER_SIZE, counts)
    return 0


# The estimate ----------------------------------------------------------------------------------------------------

cdef double sigma(double x) noexcept nogil:
    """x + x^2 + 2 x^4 + 4 x^8 + ..., for 0 <= x <= 1."""
    cdef double total = x, former, weight = 1
    if x == 1:
        return INFINITY
    while True:
        x *= x
        former = total
        total += x * weight
        weight += weight
        if total == former:
            return total


cdef double tau(double x) noexcept nogil:
    """(1 - x - (1 - x^(1/2))^2 / 2 - (1 - x^(1/4))^2 / 4 - ...) / 3, for 0 <= x <= 1."""
    cdef double total = 1 - x, former, weight = 1
    if x == 0 or x == 1:
        return 0
    while True:
        x = sqrt(x)
        former = total
        weight *= 0.5
        total -= (1 - x) * (1 - x) * weight
        if total == former:
            return total / 3


cdef int64_t estimate(const uint32_t *counts) noexcept nogil:
    """The cardinality. What 64 bits cannot hold (no honest sketch says so) becomes the least integer, as in C."""
    cdef double m = REGISTERS
    cdef double z = m * tau((m - counts[HIGHEST_RANK]) / m)
    cdef double value
    cdef int rank
    for rank in range(RANK_BITS, 0, -1):
        z = (z + counts[rank]) * 0.5
    z += m * sigma(counts[0] / m)
    value = round(0.721347520444481703680 * m * m / z)      # 1 / (2 ln 2)
    return <int64_t> value if value < 9223372036854775808.0 else -(<int64_t> 1 << 62) * 2


# For handlers ----------------------------------------------------------------------------------------------------

EMPTY = b"HYLL\1" + bytes(10) + b"\x80\x7f\xff"


class CorruptSketch(ValueError):
    """The runs of a sparse HyperLogLog do not cover its registers."""


cdef int check(int code) except -1:
    if code == CORRUPT:
        raise CorruptSketch
    if code == NO_MEMORY:
        raise MemoryError
    return 0


def is_valid(data) -> bool:
    """Whether a buffer is a HyperLogLog, as far as Redis checks that before it works on one."""
    cdef const uint8_t[::1] view = data
    return view.shape[0] > 0 and sketch_is_valid(&view[0], view.shape[0])


cdef class Reading:
    """A buffer that is lent: checked to be a HyperLogLog."""
    cdef Py_buffer view
    cdef const uint8_t *data
    cdef size_t length

    def __cinit__(self, data):
        PyObject_GetBuffer(data, &self.view, PyBUF_SIMPLE)
        self.data = <const uint8_t *> self.view.buf
        self.length = self.view.len
        if not sketch_is_valid(self.data, self.length):
            PyBuffer_Release(&self.view)
            self.data = NULL
            raise ValueError("no HyperLogLog")

    def __dealloc__(self):
        if self.data != NULL:
            PyBuffer_Release(&self.view)


cdef bytes close(Sketch *sketch):
    """The sketch's bytes; its memory is gone."""
    cdef bytes result = PyBytes_FromStringAndSize(<char *> sketch.data, sketch.length)
    free(sketch.data)
    return result


def add(data, list argv, Py_ssize_t start, uint64_t sparse_max) -> tuple[int, bytes | None]:
    """Adds the elements from `argv[start]` on: (how many changed a register, the new bytes or None if none did)."""
    cdef Reading reading = Reading(data)
    cdef Sketch sketch
    cdef Py_ssize_t i
    cdef int64_t updated = 0
    cdef int code = 0
    cdef int rank = 0
    cdef uint32_t index
    sketch.data = NULL
    for i in range(start, len(argv)):
        text = <bytes> argv[i]
        index = element_place(<const uint8_t *> PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &rank)
        if sketch.data == NULL:
            if reading.data[4] == IS_DENSE and dense_get(reading.data + HEADER_SIZE, index) >= rank:
                continue
            check(sketch_open(&sketch, reading.data, reading.length))
        code = sketch_set(&sketch, index, rank, sparse_max)
        if code < 0:
            break
        updated += code
    if code < 0 or not updated:
        if sketch.data != NULL:
            free(sketch.data)
        check(min(code, 0))
        return 0, None
    sketch.data[15] |= STALE
    return updated, close(&sketch)


def cached(data) -> int:
    """The cached cardinality; -1: it is stale."""
    cdef Reading reading = Reading(data)
    return -1 if reading.data[15] & STALE else <int64_t> little_endian(reading.data + 8, 8)


def cardinality(data) -> int:
    """The estimate, computed anew. Raises CorruptSketch."""
    cdef Reading reading = Reading(data)
    cdef uint32_t counts[64]
    check(register_counts(reading.data, reading.length, counts))
    return estimate(counts)


def is_dense(data) -> bool:
    """Whether the HyperLogLog has a field for each register."""
    return (<Reading> Reading(data)).data[4] == IS_DENSE


def to_dense(data) -> bytes:
    """The same HyperLogLog in the dense form. Raises CorruptSketch."""
    cdef Reading reading = Reading(data)
    cdef Sketch sketch
    check(sketch_open(&sketch, reading.data, reading.length))
    cdef int code = sketch_to_dense(&sketch)
    if code < 0:
        free(sketch.data)
        check(code)
    return close(&sketch)


cdef class Union:
    """The greatest value that each register has in any of some HyperLogLogs."""
    cdef uint8_t raw[REGISTERS]

    def unite(self, data) -> None:
        """One more HyperLogLog counts. Raises CorruptSketch; the registers that it began with count then."""
        cdef Reading reading = Reading(data)
        check(merge_into_raw(reading.data, reading.length, self.raw))

    def cardinality(self) -> int:
        """The estimate."""
        cdef uint32_t counts[64]
        cdef size_t i
        memset(counts, 0, sizeof(counts))
        for i in range(REGISTERS):
            counts[self.raw[i] & 63] += 1
        return estimate(counts)

    def registers(self) -> list[int]:
        """All of them in order."""
        return list(<bytes> (<char *> self.raw)[:REGISTERS])

    def merged(self, data, bint dense, uint64_t sparse_max) -> bytes:
        """What PFMERGE leaves of the HyperLogLog `data`, which is one of the united: dense if told so."""
        cdef Reading reading = Reading(data)
        cdef Sketch sketch
        cdef int code = 0
        cdef uint32_t i
        check(sketch_open(&sketch, reading.data, reading.length))
        if dense:
            code = sketch_to_dense(&sketch)
            if code == 0:
                pack(sketch.data + HEADER_SIZE, self.raw)
        else:
            for i in range(REGISTERS):
                if self.raw[i] and code >= 0:
                    code = sketch_set(&sketch, i, self.raw[i], sparse_max)
        if code < 0:
            free(sketch.data)
            check(code)
        sketch.data[15] |= STALE
        return close(&sketch)


def decode(data) -> bytes:
    """The runs of a sparse HyperLogLog as PFDEBUG DECODE shows them."""
    cdef Reading reading = Reading(data)
    cdef size_t at = HEADER_SIZE
    cdef Run run
    cdef list parts = []
    while at < reading.length:
        read_run(reading.data, at, reading.length, &run)
        if run.value:
            parts.append(b"v:%d,%d" % (run.value, run.registers))
        else:
            parts.append(b"%c:%d" % (b"zZ"[run.size - 1], run.registers))
        at += run.size
    return b" ".join(parts)


def use_simd(bint wanted) -> bool:
    """Whether wide instructions are used from now on: if they are wanted and the processor has them."""
    global is_wide
    is_wide = wanted and mt_has_wide()
    return is_wide


# PFSELFTEST ------------------------------------------------------------------------------------------------------

def self_test(uint64_t seed, uint64_t sparse_max) -> str:
    """Tests registers, both forms and the error of the estimate with random data; "" or what is wrong."""
    cdef uint64_t state = seed | 1
    cdef str failure = test_registers(&state)
    cdef Sketch sparse, dense
    if failure:
        return failure
    sparse.data = dense.data = NULL
    try:
        check(sketch_open(&sparse, <const uint8_t *> PyBytes_AS_STRING(EMPTY), HEADER_SIZE + 2))
        check(sketch_open(&dense, <const uint8_t *> PyBytes_AS_STRING(EMPTY), HEADER_SIZE + 2))
        check(sketch_to_dense(&dense))
        return test_estimates(&sparse, &dense, state, sparse_max)
    finally:
        free(sparse.data)
        free(dense.data)


cdef inline uint64_t random_word(uint64_t *state) noexcept nogil:
    state[0] ^= state[0] << 13
    state[0] ^= state[0] >> 7
    state[0] ^= state[0] << 17
    return state[0]


cdef str test_registers(uint64_t *state):
    """Every register keeps what is written into it, whatever its neighbours hold, in each way to write and to read."""
    cdef uint8_t *memory = <uint8_t *> calloc(3, REGISTERS)
    cdef uint8_t *dense = memory
    cdef uint8_t *wanted = memory + REGISTERS
    cdef uint8_t *found = memory + 2 * REGISTERS
    cdef uint32_t i
    cdef int test, value = 0
    cdef bint failed = False
    if memory == NULL:
        raise MemoryError
    with nogil:
        for test in range(TEST_ROUNDS):
            memset(found, 0, REGISTERS)
            for i in range(REGISTERS):
                wanted[i] = random_word(state) >> 58
                dense_put(dense, i, wanted[i])
            if test & 1:
                pack(dense, wanted)
                mt_merge_plain(found, dense)
            for i in range(REGISTERS):
                value = found[i] if test & 1 else dense_get(dense, i)
                if value != wanted[i]:
                    failed = True
                    break
            if failed:
                break
    message = f"TESTFAILED Register {i} should be {wanted[i]} but is {value}" if failed else ""
    free(memory)
    return message


cdef str test_estimates(Sketch *sparse, Sketch *dense, uint64_t seed, uint64_t sparse_max):
    """Both forms agree, and are as near to the truth as six standard errors, at each power of ten."""
    cdef uint32_t counts[64]
    cdef int64_t done = 0, checkpoint = 1, found
    cdef double error
    while checkpoint <= TEST_ELEMENTS:
        with nogil:
            check_add(sparse, dense, seed, done, checkpoint, sparse_max)
        done = checkpoint
        if <uint64_t> done < sparse_max // 2 and sparse.data[4] != IS_SPARSE:
            return "TESTFAILED sparse encoding not used"
        check(register_counts(dense.data, dense.length, counts))
        found = estimate(counts)
        check(register_counts(sparse.data, sparse.length, counts))
        if estimate(counts) != found:
            return "TESTFAILED dense/sparse disagree"
        error = 1 if done == 10 else 6 * 1.04 / sqrt(<double> REGISTERS) * done + 1
        if abs(done - found) > error:
            return f"TESTFAILED Too big error. card:{done} abserr:{abs(done - found)}"
        checkpoint *= 10
    return ""


cdef int check_add(Sketch *sparse, Sketch *dense, uint64_t seed, int64_t start, int64_t end,
                   uint64_t sparse_max) except -1 nogil:
    cdef uint64_t element
    cdef uint32_t index
    cdef int64_t i
    cdef int rank = 0, code
    for i in range(start, end):
        element = <uint64_t> i ^ seed
        index = element_place(<const uint8_t *> &element, 8, &rank)
        sketch_set(dense, index, rank, sparse_max)
        code = sketch_set(sparse, index, rank, sparse_max)
        if code < 0:
            with gil:
                check(code)
    return 0
