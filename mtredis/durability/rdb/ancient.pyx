# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Ziplists and zipmaps, which Redis wrote before listpacks (2.0 to 6.2): read once, and made into listpacks.

    ziplist   bytes(4) tail(4) count(2)  entry*  0xFF
    entry     size of the one before: 1 byte, or 0xFE and 4; then the form, which tells how long the rest is
    zipmap    count(1)  (length name length free value free-bytes)*  0xFF        length: 1 byte, or 0xFE and 4

Idea: each byte is looked at once, after a check that it is there. What the header says about the whole must be true.

Owner: the thread of the input. Numbers are little-endian, but for the lengths of a ziplist's strings.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint16_t, uint32_t
from libc.string cimport memcpy
from mtredis.durability.rdb.input cimport INPUT_NO_MEMORY, input_bad, input_fail
from mtredis.keyspace.encoding.listpack cimport LISTPACK_MAX, Listpack, lp_append, lp_append_integer, lp_free, lp_new

cdef enum:
    ZIPLIST_HEADER = 10
    ZIPLIST_COUNT_UNKNOWN = 0xFFFF
    LONG_FORM = 254
    END = 255

cdef struct ZipEntry:
    size_t size                      # all of it
    size_t previous                  # what it says that the one before takes
    const unsigned char *text        # NULL: an integer
    size_t length
    int64_t number


cdef inline uint32_t u32(const unsigned char *p) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, p, 4)
    return word


cdef bint decode_integer(const unsigned char *p, size_t left, ZipEntry *entry) noexcept nogil:
    """The integer whose form is p[0]; `size` becomes what form and number take."""
    cdef int form = p[0]
    cdef int8_t byte
    cdef int16_t half
    cdef int32_t word
    entry.text = NULL
    entry.size = 3 if form == 0xC0 else 5 if form == 0xD0 else 9 if form == 0xE0 else 4 if form == 0xF0 else 2
    if 0xF1 <= form <= 0xFD:
        entry.size = 1
        entry.number = form - 0xF1
        return True
    if entry.size > left:
        return False
    if form == 0xC0:
        memcpy(&half, p + 1, 2)
        entry.number = half
    elif form == 0xD0:
        memcpy(&word, p + 1, 4)
        entry.number = word
    elif form == 0xE0:
        memcpy(&entry.number, p + 1, 8)
    elif form == 0xF0:
        entry.number = <int32_t> (<uint32_t> p[1] << 8 | <uint32_t> p[2] << 16 | <uint32_t> p[3] << 24) >> 8
    elif form == 0xFE:
        byte = <int8_t> p[1]
        entry.number = byte
    else:
        return False
    return True


cdef bint decode_entry(const unsigned char *p, size_t left, ZipEntry *entry) noexcept nogil:
    """The entry at `p`, which has `left` bytes, the end byte not counted; false: it is none."""
    cdef size_t head = 5 if p[0] == LONG_FORM else 1
    cdef size_t form_size = 1
    if left <= head:
        return False
    entry.number = 0
    entry.previous = u32(p + 1) if head == 5 else p[0]
    p += head
    left -= head
    if p[0] >= 0xC0:
        if not decode_integer(p, left, entry):
            return False
        entry.size += head
        return True
    if p[0] >= 0x40:
        form_size = 2 if p[0] < 0x80 else 5
        if left < form_size:
            return False
    if form_size == 1:
        entry.length = p[0]
    elif form_size == 2:
        entry.length = <size_t> (p[0] & 0x3F) << 8 | p[1]
    else:
        entry.length = <size_t> p[1] << 24 | <size_t> p[2] << 16 | <size_t> p[3] << 8 | p[4]
    if entry.length > left - form_size:
        return False
    entry.text = p + form_size
    entry.size = head + form_size + entry.length
    return True


cdef bint append_text(Input *input, Listpack **lp, const unsigned char *text, size_t length) noexcept nogil:
    """False: no memory, and the listpack is freed."""
    cdef Listpack *grown = lp_append(lp[0], <const char *> text, length)
    if grown == NULL:
        lp_free(lp[0])
        return input_fail(input, INPUT_NO_MEMORY, b"no memory for a listpack")
    lp[0] = grown
    return True


cdef bint append_entry(Input *input, Listpack **lp, ZipEntry *entry) noexcept nogil:
    cdef Listpack *grown
    if entry.text != NULL:
        return append_text(input, lp, entry.text, entry.length)
    grown = lp_append_integer(lp[0], entry.number)
    if grown == NULL:
        lp_free(lp[0])
        return input_fail(input, INPUT_NO_MEMORY, b"no memory for a listpack")
    lp[0] = grown
    return True


cdef Listpack *failed(Input *input, Listpack *lp, const char *error) noexcept nogil:
    lp_free(lp)
    input_bad(input, error)
    return NULL


cdef Listpack *new_listpack(Input *input, size_t size) noexcept nogil:
    cdef Listpack *lp
    if size > LISTPACK_MAX // 2:
        input_bad(input, b"a ziplist or zipmap is larger than any can be")
        return NULL
    lp = lp_new(size)
    if lp == NULL:
        input_fail(input, INPUT_NO_MEMORY, b"no memory for a listpack")
    return lp


cdef Listpack *listpack_of_ziplist(Input *input, const unsigned char *data, size_t size) noexcept nogil:
    cdef size_t at = ZIPLIST_HEADER
    cdef size_t last = ZIPLIST_HEADER
    cdef size_t before = 0, count = 0
    cdef uint16_t claimed
    cdef ZipEntry entry
    cdef Listpack *lp
    if size < ZIPLIST_HEADER + 1 or u32(data) != size or data[size - 1] != END:
        input_bad(input, b"a ziplist has a wrong size")
        return NULL
    lp = new_listpack(input, size)
    if lp == NULL:
        return NULL
    while at < size - 1:
        if not decode_entry(data + at, size - 1 - at, &entry) or entry.previous != before:
            return failed(input, lp, b"an entry of a ziplist is damaged")
        if not append_entry(input, &lp, &entry):
            return NULL
        last = at
        before = entry.size
        at += before
        count += 1
    memcpy(&claimed, data + 8, 2)
    if u32(data + 4) != last or (claimed != ZIPLIST_COUNT_UNKNOWN and claimed != count):
        return failed(input, lp, b"the header of a ziplist is wrong")
    return lp


cdef bint zipmap_length(const unsigned char *data, size_t size, size_t *at, size_t *length) noexcept nogil:
    """A length and what follows of that length is there; `at` goes behind the length."""
    if at[0] >= size or data[at[0]] == END:
        return False
    if data[at[0]] < LONG_FORM:
        length[0] = data[at[0]]
        at[0] += 1
    else:
        if size - at[0] < 5:
            return False
        length[0] = u32(data + at[0] + 1)
        at[0] += 5
    return length[0] <= size - at[0]


cdef Listpack *listpack_of_zipmap(Input *input, const unsigned char *data, size_t size) noexcept nogil:
    cdef size_t at = 1
    cdef size_t count = 0, length = 0, spare
    cdef Listpack *lp
    if size < 2 or data[size - 1] != END:
        input_bad(input, b"a zipmap does not end as it should")
        return NULL
    size -= 1
    lp = new_listpack(input, size)
    if lp == NULL:
        return NULL
    while at < size:
        if not zipmap_length(data, size, &at, &length):
            return failed(input, lp, b"a name in a zipmap is damaged")
        if not append_text(input, &lp, data + at, length):
            return NULL
        at += length
        if not zipmap_length(data, size, &at, &length) or at == size:
            return failed(input, lp, b"a value in a zipmap is damaged")
        spare = data[at]
        at += 1
        if length + spare > size - at:
            return failed(input, lp, b"a value in a zipmap is damaged")
        if not append_text(input, &lp, data + at, length):
            return NULL
        at += length + spare
        count += 1
    if data[0] < LONG_FORM and data[0] != count:
        return failed(input, lp, b"the header of a zipmap is wrong")
    return lp
