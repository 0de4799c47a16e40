# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Listpack: a sequence of strings and integers in one buffer, byte for byte as Redis lays it out.

Idea: 6 bytes of header (total bytes, 32 bits; number of elements, 16 bits, 65535 if it may be more), the elements,
one byte 0xFF; numbers are little-endian. An element is a first byte that says what it is, its data, and the size of
both once more, readable backwards, so that one can walk either way:

    0xxxxxxx                7 bits, 0 to 127          10xxxxxx text            up to 63 bytes
    110xxxxx x              13 bits, signed           1110xxxx x text          up to 4095 bytes
    0xF1 0xF2 0xF3 0xF4     16, 24, 32, 64 bits       0xF0 xxxx text           longer

The smallest form is always taken, and text that is the canonical decimal of an int64 becomes an integer: equal
sequences have equal bytes here and in Redis. Every change is one `gap`: some bytes at an offset become some others.

Owner: whoever owns the buffer. lp_count may write into the header (when it has counted), the other readers never do.

Invariants: the buffer is valid (lp_is_valid), so nothing but lp_is_valid looks for its end. A listpack from outside may
hold elements in larger forms than needed; they are understood and kept. The text of a change is not part of the buffer.

Limits: LISTPACK_MAX bytes. An insertion moves what is behind it, so listpacks are for small collections.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memmove
from mtredis.keyspace.encoding.room cimport room_for, room_memory, room_trimmed
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_from_text, integer_to_text

cdef enum:
    EMPTY_SIZE = 7                 # header and end byte
    COUNT_UNKNOWN = 0xFFFF

cdef struct Form:                  # how an element is going to be written
    size_t size                    # bytes, without those that repeat it
    const char *text               # NULL: it is an integer
    size_t length
    int64_t number


# The header.

cdef inline void set_bytes(Listpack *lp, size_t size) noexcept nogil:
    lp[0] = size & 0xFF
    lp[1] = (size >> 8) & 0xFF
    lp[2] = (size >> 16) & 0xFF
    lp[3] = (size >> 24) & 0xFF


cdef inline size_t header_count(const Listpack *lp) noexcept nogil:
    return lp[4] | <uint32_t> lp[5] << 8


cdef inline void set_header_count(Listpack *lp, size_t count) noexcept nogil:
    if count > COUNT_UNKNOWN:
        count = COUNT_UNKNOWN
    lp[4] = count & 0xFF
    lp[5] = (count >> 8) & 0xFF


cdef inline void change_count(Listpack *lp, int64_t change) noexcept nogil:
    cdef size_t count = header_count(lp)
    if count != COUNT_UNKNOWN:
        set_header_count(lp, count + change)


# One element: its size, forwards and backwards.

cdef inline size_t encoded_size(const Listpack *p) noexcept nogil:
    """Bytes of the element without those that repeat this size; 0: it begins as no element does."""
    cdef unsigned char first = p[0]
    if first < 0x80:
        return 1
    if first < 0xC0:
        return 1 + (first & 0x3F)
    if first < 0xE0:
        return 2
    if first < 0xF0:
        return 2 + ((<size_t> (first & 0x0F) << 8) | p[1])
    if first == 0xF0:
        return 5 + (<size_t> p[1] | <size_t> p[2] << 8 | <size_t> p[3] << 16 | <size_t> p[4] << 24)
    if first < 0xF4:
        return <size_t> first - 0xF1 + 3
    return 9 if first == 0xF4 else 0


cdef inline size_t back_size(size_t size) noexcept nogil:
    """How many bytes repeat a size. Redis's limits, which leave out the greatest number of each width but the first."""
    if size <= 127:
        return 1
    if size < 16383:
        return 2
    if size < 2097151:
        return 3
    if size < 268435455:
        return 4
    return 5


cdef Listpack *lp_behind_wide(Listpack *p) noexcept nogil:
    cdef size_t size = encoded_size(p)
    return p + size + back_size(size)


cdef inline void write_back(Listpack *target, size_t size, size_t width) noexcept nogil:
    """Seven bits in each byte, the least significant ones last; all but the first byte have the top bit set."""
    while width > 1:
        width -= 1
        target[width] = (size & 0x7F) | 0x80
        size >>= 7
    target[0] = size & 0xFF


cdef inline Listpack *before(Listpack *p) noexcept nogil:
    """The element that ends where `p` begins."""
    cdef size_t size = 0
    cdef int shift = 0
    cdef const Listpack *byte = p - 1
    while byte[0] & 0x80:
        size |= <size_t> (byte[0] & 0x7F) << shift
        shift += 7
        byte -= 1
    size |= <size_t> byte[0] << shift
    return p - size - back_size(size)


# One element: choosing its form and writing it.

cdef inline size_t integer_size(int64_t number) noexcept nogil:
    if 0 <= number <= 127:
        return 1
    if -4096 <= number <= 4095:
        return 2
    if -32768 <= number <= 32767:
        return 3
    if -8388608 <= number <= 8388607:
        return 4
    if -2147483648 <= number <= 2147483647:
        return 5
    return 9


cdef inline bint read_integer(const char *text, size_t length, int64_t *number) noexcept nogil:
    """integer_from_text, with a look at the text's ends first: most text is no number."""
    if length == 0 or length > INTEGER_TEXT_SIZE:
        return False
    if <unsigned char> (text[length - 1] - c'0') > 9 or (<unsigned char> (text[0] - c'0') > 9 and text[0] != c'-'):
        return False
    return integer_from_text(text, length, number)


cdef inline void form_of_integer(int64_t number, Form *form) noexcept nogil:
    form.text = NULL
    form.length = 0
    form.number = number
    form.size = integer_size(number)


cdef inline void form_of_text(const char *text, size_t length, Form *form) noexcept nogil:
    if read_integer(text, length, &form.number):
        form_of_integer(form.number, form)
        return
    form.text = text
    form.length = length
    form.size = length + (1 if length < 64 else 2 if length < 4096 else 5)


cdef inline void write_integer(Listpack *target, const Form *form) noexcept nogil:
    cdef uint64_t number = <uint64_t> form.number
    cdef size_t i
    if form.size == 1:
        target[0] = number & 0x7F
    elif form.size == 2:
        target[0] = 0xC0 | ((number >> 8) & 0x1F)
        target[1] = number & 0xFF
    else:
        target[0] = 0xF4 if form.size == 9 else 0xF1 + <unsigned char> (form.size - 3)
        for i in range(1, form.size):
            target[i] = number & 0xFF
            number >>= 8


cdef inline void write_element(Listpack *target, const Form *form, size_t width) noexcept nogil:
    """The whole element; `width` is the back_size of its size."""
    cdef size_t length = form.length
    cdef size_t head = form.size - length
    if form.text == NULL:
        write_integer(target, form)
    else:
        if head == 1:
            target[0] = 0x80 | <unsigned char> length
        elif head == 2:
            target[0] = 0xE0 | <unsigned char> (length >> 8)
            target[1] = length & 0xFF
        else:
            target[0] = 0xF0
            target[1] = length & 0xFF
            target[2] = (length >> 8) & 0xFF
            target[3] = (length >> 16) & 0xFF
            target[4] = (length >> 24) & 0xFF
        memcpy(target + head, form.text, length)
    write_back(target + form.size, form.size, width)


# Changes: bytes are exchanged in the middle.

cdef Listpack *gap(Listpack *lp, size_t offset, size_t removed, size_t needed) noexcept nogil:
    """Puts `needed` bytes, to be written, in the place of the `removed` ones at `offset`; NULL: no room."""
    cdef size_t old = lp_bytes(lp)
    cdef size_t size = old - removed + needed
    if needed > removed:
        if size > LISTPACK_MAX:
            return NULL
        lp = room_for(lp, size)
        if lp == NULL:
            return NULL
    if needed != removed:
        memmove(lp + offset + needed, lp + offset + removed, old - offset - removed)
        set_bytes(lp, size)
    return lp


cdef Listpack *cut(Listpack *lp, size_t offset, size_t removed, int64_t elements) noexcept nogil:
    lp = gap(lp, offset, removed, 0)
    change_count(lp, -elements)
    return room_trimmed(lp, lp_bytes(lp))


cdef Listpack *put(Listpack *lp, size_t offset, const Form *form) noexcept nogil:
    cdef size_t width = back_size(form.size)
    lp = gap(lp, offset, 0, form.size + width)
    if lp != NULL:
        write_element(lp + offset, form, width)
        change_count(lp, 1)
    return lp


cdef Listpack *change(Listpack *lp, Listpack *p, int where, const Form *form, Listpack **at) noexcept nogil:
    """lp_insert, once the form is known."""
    cdef size_t width, removed, offset
    if where == LP_AFTER:
        p = lp_behind(p)
    offset = p - lp
    if where == LP_REPLACE:
        width = back_size(form.size)
        removed = lp_behind(p) - p
        lp = gap(lp, offset, removed, form.size + width)
        if lp != NULL:
            write_element(lp + offset, form, width)
            if form.size + width < removed:
                lp = room_trimmed(lp, lp_bytes(lp))
    else:
        lp = put(lp, offset, form)
    if lp != NULL and at != NULL:
        at[0] = lp + offset
    return lp


cdef Listpack *lp_append(Listpack *lp, const char *text, size_t length) noexcept nogil:
    cdef Form form
    if length > LISTPACK_MAX:
        return NULL
    form_of_text(text, length, &form)
    return put(lp, lp_bytes(lp) - 1, &form)


cdef Listpack *lp_append_integer(Listpack *lp, int64_t number) noexcept nogil:
    cdef Form form
    form_of_integer(number, &form)
    return put(lp, lp_bytes(lp) - 1, &form)


cdef Listpack *lp_prepend(Listpack *lp, const char *text, size_t length) noexcept nogil:
    cdef Form form
    if length > LISTPACK_MAX:
        return NULL
    form_of_text(text, length, &form)
    return put(lp, LP_HEADER, &form)


cdef Listpack *lp_insert(
    Listpack *lp, Listpack *p, int where, const char *text, size_t length, Listpack **at
) noexcept nogil:
    cdef Form form
    if length > LISTPACK_MAX:
        return NULL
    form_of_text(text, length, &form)
    return change(lp, p, where, &form, at)


cdef Listpack *lp_insert_integer(Listpack *lp, Listpack *p, int where, int64_t number, Listpack **at) noexcept nogil:
    cdef Form form
    form_of_integer(number, &form)
    return change(lp, p, where, &form, at)


cdef Listpack *lp_delete(Listpack *lp, Listpack *p, Listpack **at) noexcept nogil:
    cdef size_t offset = p - lp
    lp = cut(lp, offset, lp_behind(p) - p, 1)
    if at != NULL:
        at[0] = lp + offset if lp[offset] != LP_END else NULL
    return lp


cdef Listpack *lp_delete_range(Listpack *lp, int64_t index, size_t count) noexcept nogil:
    """Deletes `count` elements, or as many as there are, from the one at `index` on (negative: from the end)."""
    cdef Listpack *first
    cdef Listpack *end
    cdef size_t total = header_count(lp)
    cdef size_t gone = 0
    if count == 0:
        return lp
    first = lp_seek(lp, index)
    if first == NULL:
        return lp
    if index < 0:
        index += <int64_t> total
    if total != COUNT_UNKNOWN and count >= total - <size_t> index:
        end = lp + lp_bytes(lp) - 1
        gone = total - <size_t> index
    else:
        end = first
        while gone < count and end[0] != LP_END:
            end = lp_behind(end)
            gone += 1
    return cut(lp, first - lp, end - first, <int64_t> gone)


cdef Listpack *lp_merge(Listpack *lp, Listpack *tail) noexcept nogil:
    cdef size_t offset = lp_bytes(lp) - 1
    cdef size_t added = lp_bytes(tail) - EMPTY_SIZE
    cdef size_t count = lp_count(lp) + lp_count(tail)
    lp = gap(lp, offset, 0, added)
    if lp != NULL:
        memcpy(lp + offset, tail + LP_HEADER, added)
        set_header_count(lp, count)
    return lp


# The whole.

cdef Listpack *lp_new(size_t capacity) noexcept nogil:
    cdef Listpack *lp = <Listpack *> malloc(capacity if capacity > EMPTY_SIZE else EMPTY_SIZE)
    if lp != NULL:
        set_bytes(lp, EMPTY_SIZE)
        set_header_count(lp, 0)
        lp[LP_HEADER] = LP_END
    return lp


cdef void lp_free(Listpack *lp) noexcept nogil:
    free(lp)


cdef Listpack *lp_copy(const Listpack *lp) noexcept nogil:
    cdef size_t size = lp_bytes(lp)
    cdef Listpack *copy = <Listpack *> malloc(size)
    if copy != NULL:
        memcpy(copy, lp, size)
    return copy


cdef size_t lp_memory(const Listpack *lp) noexcept nogil:
    return room_memory(lp)


cdef size_t lp_count(Listpack *lp) noexcept nogil:
    cdef size_t count = header_count(lp)
    cdef Listpack *p
    if count != COUNT_UNKNOWN:
        return count
    count = 0
    p = lp + LP_HEADER
    while p[0] != LP_END:
        p = lp_behind(p)
        count += 1
    if count < COUNT_UNKNOWN:
        set_header_count(lp, count)
    return count


cdef Listpack *lp_last(Listpack *lp) noexcept nogil:
    return lp_previous(lp, lp + lp_bytes(lp) - 1)


cdef Listpack *lp_previous(Listpack *lp, Listpack *p) noexcept nogil:
    return before(p) if p != lp + LP_HEADER else NULL


cdef Listpack *lp_seek(Listpack *lp, int64_t index) noexcept nogil:
    cdef Listpack *p
    cdef int64_t total = <int64_t> header_count(lp)
    if total != COUNT_UNKNOWN:
        if index >= total or index < -total:
            return NULL
        if index < 0:
            index += total
        if index > total // 2:
            index -= total
    if index >= 0:
        p = lp + LP_HEADER
        while p[0] != LP_END and index > 0:
            p = lp_behind(p)
            index -= 1
        return p if p[0] != LP_END else NULL
    p = lp_last(lp)
    while p != NULL and index < -1:
        p = lp_previous(lp, p)
        index += 1
    return p


# Reading elements.

cdef void lp_get_wide(const Listpack *p, Element *element) noexcept nogil:
    cdef unsigned char first = p[0]
    cdef uint32_t word
    if 0xE0 <= first < 0xF0:
        element.text = <const char *> p + 2
        element.length = <size_t> (first & 0x0F) << 8 | p[1]
        return
    if first == 0xF0:
        element.text = <const char *> p + 5
        element.length = encoded_size(p) - 5
        return
    element.text = NULL
    if first < 0xE0:
        element.number = <int16_t> ((<uint32_t> (first & 0x1F) << 11 | <uint32_t> p[1] << 3) & 0xFFFF) >> 3
        return
    word = <uint32_t> p[1] | <uint32_t> p[2] << 8
    if first == 0xF1:
        element.number = <int16_t> word
        return
    word |= <uint32_t> p[3] << 16
    if first == 0xF2:
        element.number = <int32_t> (word << 8) >> 8
        return
    word |= <uint32_t> p[4] << 24
    if first == 0xF3:
        element.number = <int32_t> word
        return
    element.number = <int64_t> (
        word | <uint64_t> p[5] << 32 | <uint64_t> p[6] << 40 | <uint64_t> p[7] << 48 | <uint64_t> p[8] << 56
    )


cdef const char *lp_text(const Listpack *p, char *digits, size_t *length) noexcept nogil:
    cdef Element element
    lp_get(p, &element)
    if element.text != NULL:
        length[0] = element.length
        return element.text
    length[0] = integer_to_text(digits, element.number)
    return digits


cdef inline bint is_same(const char *a, const char *b, size_t length) noexcept nogil:
    """Whether the texts are equal; their last bytes differ more often than their first ones (field:1, field:2)."""
    return length == 0 or (a[length - 1] == b[length - 1] and memcmp(a, b, length) == 0)


cdef bint lp_equals(const Listpack *p, const char *text, size_t length) noexcept nogil:
    cdef Element element
    cdef int64_t number
    lp_get(p, &element)
    if element.text != NULL:
        return element.length == length and is_same(element.text, text, length)
    return read_integer(text, length, &number) and number == element.number


cdef Listpack *lp_find(Listpack *lp, Listpack *p, const char *text, size_t length, int skip) noexcept nogil:
    cdef Element element
    cdef int64_t number = 0
    cdef int is_number = -1        # not known until the first integer is met
    cdef int left
    if p == NULL:
        return NULL
    while True:
        if 0x80 <= p[0] < 0xC0:
            if (p[0] & 0x3F) == length and is_same(<const char *> p + 1, text, length):
                return p
        elif p[0] == LP_END:
            return NULL
        else:
            lp_get(p, &element)
            if element.text != NULL:
                if element.length == length and is_same(element.text, text, length):
                    return p
            else:
                if is_number < 0:
                    is_number = read_integer(text, length, &number)
                if is_number and element.number == number:
                    return p
        p = lp_behind(p)
        left = skip
        while left > 0 and p[0] != LP_END:
            p = lp_behind(p)
            left -= 1


cdef size_t lp_element_size(const char *text, size_t length) noexcept nogil:
    cdef Form form
    form_of_text(text, length, &form)
    return form.size + back_size(form.size)


cdef size_t valid_element(const unsigned char *p, size_t left) noexcept nogil:
    """Bytes of the whole element if it is sound and ends before the last of the `left` bytes at `p`, else 0."""
    cdef size_t head = 5 if p[0] == 0xF0 else 2 if 0xE0 <= p[0] < 0xF0 else 1
    cdef size_t size, width
    cdef unsigned char back[5]
    if head >= left:
        return 0
    size = encoded_size(p)
    width = back_size(size)
    if size == 0 or size + width >= left:
        return 0
    write_back(back, size, width)
    return size + width if memcmp(p + size, back, width) == 0 else 0


cdef bint lp_is_valid(const unsigned char *data, size_t size) noexcept nogil:
    """Stricter than Redis in one thing: the bytes that repeat a size must be those that a listpack is written with."""
    cdef size_t offset = LP_HEADER
    cdef size_t count = 0
    cdef size_t element
    if size < EMPTY_SIZE or lp_bytes(data) != size or data[size - 1] != LP_END:
        return False
    while offset < size - 1:
        element = valid_element(data + offset, size - offset)
        if element == 0:
            return False
        offset += element
        count += 1
    return header_count(data) == COUNT_UNKNOWN or header_count(data) == count
