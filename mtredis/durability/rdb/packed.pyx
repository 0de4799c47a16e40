# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What must be true of listpacks from outside before they become values: no later code looks for their ends again.

Idea: `lp_is_valid` makes sure of the elements; here follows what the types rely on: whole pairs and triples, distinct
members (found with a table of their keyed hashes, so that no choice of members makes it slow), scores that are numbers,
times that are in the range that Redis allows, entries of stream nodes that have the fields they claim, ids that rise.

Owner: the thread of the input.
Limits: what is only out of order (scores, times) is not refused, for Redis takes it; the caller puts it in order.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset
from mtredis.durability.rdb.input cimport INPUT_EMPTY, INPUT_NO_MEMORY, input_bad, input_fail
from mtredis.keyspace.core cimport key_hash
from mtredis.keyspace.encoding.listpack cimport (
    LISTPACK_MAX, Element, lp_append, lp_behind, lp_bytes, lp_first, lp_free, lp_get, lp_is_valid, lp_new, lp_next,
    lp_text,
)
from mtredis.keyspace.types.sorted_listpack cimport compare_packed, packed_score
from mtredis.keyspace.types.stream_entries cimport ENTRY_DELETED, ENTRY_SAME_FIELDS
from mtredis.keyspace.types.stream_id cimport id_compare
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, double_from_text, integer_from_text

cdef enum:
    SMALL_TABLE = 512                # slots that need no memory of their own
    SCORE_MOST = 127                 # characters
    TIME_BITS = 48                   # of a field's time to live, in unix ms

cdef struct Seen:                    # which elements were seen: a table of their offsets, 0: a free slot
    uint32_t *slots
    uint64_t mask
    uint32_t small[512]


# Elements ---------------------------------------------------------------------------------------------------------


cdef bint is_hidden_integer(const Listpack *p) noexcept nogil:
    """Text that would be kept as an integer if it came from a client."""
    cdef Element element
    cdef int64_t number
    lp_get(p, &element)
    return element.text != NULL and element.length <= INTEGER_TEXT_SIZE and integer_from_text(
        element.text, element.length, &number)


cdef Listpack *rebuilt(Listpack *lp) noexcept nogil:
    """A new listpack with the same elements, as we write them; NULL: no memory."""
    cdef Listpack *copy = lp_new(lp_bytes(lp))
    cdef Listpack *p = lp_first(lp)
    cdef Listpack *grown
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    while copy != NULL and p != NULL:
        text = lp_text(p, digits, &length)
        grown = lp_append(copy, text, length)
        if grown == NULL:
            lp_free(copy)
        copy = grown
        p = lp_next(lp, p)
    return copy


cdef bint tidy(Input *input, Listpack **lp, size_t *count) noexcept nogil:
    """Counts the elements, and writes them anew if one of them is not as we would keep it."""
    cdef Listpack *p = lp_first(lp[0])
    cdef Listpack *copy
    cdef bint is_odd = False
    count[0] = 0
    while p != NULL:
        count[0] += 1
        is_odd = is_odd or is_hidden_integer(p)
        p = lp_next(lp[0], p)
    if is_odd:
        copy = rebuilt(lp[0])
        if copy == NULL:
            return input_fail(input, INPUT_NO_MEMORY, b"no memory for a listpack")
        lp_free(lp[0])
        lp[0] = copy
    return True


cdef inline bint is_seen(Seen *seen, Core *core, Listpack *lp, Listpack *p) noexcept nogil:
    """Whether an element equal to that at `p` was seen; now it was."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef char other_digits[INTEGER_TEXT_SIZE]
    cdef size_t length, other_length
    cdef const char *text = lp_text(p, digits, &length)
    cdef const char *other
    cdef uint64_t slot = key_hash(core, text, length) & seen.mask
    while seen.slots[slot]:
        other = lp_text(lp + seen.slots[slot], other_digits, &other_length)
        if other_length == length and memcmp(other, text, length) == 0:
            return True
        slot = (slot + 1) & seen.mask
    seen.slots[slot] = <uint32_t> (p - lp)
    return False


cdef bint are_distinct(Input *input, Core *core, Listpack *lp, size_t count, size_t width) noexcept nogil:
    """Whether no two of every width-th elements are equal."""
    cdef Seen seen
    cdef Listpack *p = lp_first(lp)
    cdef size_t i, size = 16
    cdef bint is_twice = False
    while size < count // width * 2:
        size *= 2
    seen.mask = size - 1
    seen.slots = seen.small
    if size > SMALL_TABLE:
        seen.slots = <uint32_t *> calloc(size, sizeof(uint32_t))
        if seen.slots == NULL:
            return input_fail(input, INPUT_NO_MEMORY, b"no memory to compare elements")
    else:
        memset(seen.small, 0, size * sizeof(uint32_t))
    while p != NULL and not is_twice:
        is_twice = is_seen(&seen, core, lp, p)
        for i in range(width):
            p = lp_next(lp, p)
    if seen.slots != seen.small:
        free(seen.slots)
    return input_bad(input, b"a member or field is there twice,") if is_twice else True


cdef bint packed_check(Input *input, Core *core, Listpack **lp, size_t width) noexcept nogil:
    cdef size_t count = 0
    if not tidy(input, lp, &count):
        return False
    if count == 0:
        return input_fail(input, INPUT_EMPTY, b"a collection without elements")
    if count % width:
        return input_bad(input, b"a listpack has a member or field without what belongs to it,")
    return are_distinct(input, core, lp[0], count, width)


# Scores and times -------------------------------------------------------------------------------------------------


cdef bint is_score(const Listpack *p) noexcept nogil:
    cdef char text[128]
    cdef Element element
    cdef double score
    lp_get(p, &element)
    if element.text == NULL:
        return True
    if element.length > SCORE_MOST:
        return False
    memcpy(text, element.text, element.length)
    text[element.length] = 0
    return double_from_text(text, element.length, &score)


cdef bint packed_check_scores(Input *input, Listpack *lp, bint *is_sorted) noexcept nogil:
    cdef Listpack *p = lp_first(lp)
    cdef Listpack *previous = NULL
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef const char *text
    cdef size_t length
    cdef double before = 0, score
    is_sorted[0] = True
    while p != NULL:
        if not is_score(lp_behind(p)):
            return input_bad(input, b"a score is no number")
        score = packed_score(lp_behind(p))
        if previous != NULL and score <= before:
            text = lp_text(p, digits, &length)
            if score < before or compare_packed(previous, text, length) > 0:
                is_sorted[0] = False
        before = score
        previous = p
        p = lp_next(lp, lp_behind(p))
    return True


cdef bint packed_check_times(Input *input, Listpack *lp, bint *is_sorted) noexcept nogil:
    cdef Listpack *p = lp_first(lp)
    cdef Listpack *time_at
    cdef Element time
    cdef int64_t before = 1
    is_sorted[0] = True
    while p != NULL:
        time_at = lp_behind(lp_behind(p))
        lp_get(time_at, &time)
        if time.text != NULL or time.number < 0 or time.number >> TIME_BITS:
            return input_bad(input, b"the time to live of a field is none")
        if (time.number and time.number < before) or (before == 0 and time.number):
            is_sorted[0] = False
        before = time.number
        p = lp_next(lp, time_at)
    return True


# Nodes of streams -------------------------------------------------------------------------------------------------


cdef bint take_integer(const Listpack **p, int64_t *number) noexcept nogil:
    """The integer at `p`, which goes on to the next element (the end byte behind the last); false: it is none."""
    cdef Element element
    if p[0][0] == 0xFF:
        return False
    lp_get(p[0], &element)
    if element.text != NULL and not (element.length <= INTEGER_TEXT_SIZE and integer_from_text(
            element.text, element.length, &element.number)):
        return False
    number[0] = element.number
    p[0] = lp_behind(<Listpack *> p[0])
    return True


cdef bint pass_elements(const Listpack **p, int64_t count) noexcept nogil:
    """So many elements are there; `p` is behind them."""
    while count > 0:
        if p[0][0] == 0xFF:
            return False
        p[0] = lp_behind(<Listpack *> p[0])
        count -= 1
    return count == 0


cdef bint check_entry(const Listpack **p, int64_t master_count, const StreamId *master, StreamId *last,
                      uint64_t *live) noexcept nogil:
    """An entry is at `p`, which goes behind it."""
    cdef int64_t flags, ms, seq, total
    cdef int64_t count = master_count
    cdef int64_t elements = 3
    cdef StreamId id
    if p[0][0] > 0x7F or not take_integer(p, &flags) or flags > (ENTRY_DELETED | ENTRY_SAME_FIELDS):
        return False
    if not take_integer(p, &ms) or not take_integer(p, &seq):
        return False
    id.ms = master.ms + <uint64_t> ms
    id.seq = master.seq + <uint64_t> seq
    if id_compare(&id, last) <= 0 or id_compare(&id, master) < 0:
        return False
    last[0] = id
    if not flags & ENTRY_SAME_FIELDS:
        if not take_integer(p, &count) or not pass_elements(p, count):
            return False
        elements += 1 + count
    if not pass_elements(p, count) or not take_integer(p, &total) or total != elements + count:
        return False
    live[0] += not flags & ENTRY_DELETED
    return True


cdef bint packed_check_node(Input *input, const Listpack *lp, size_t size, const StreamId *master, StreamId *last,
                            uint64_t *live) noexcept nogil:
    cdef const Listpack *p = lp + 6
    cdef int64_t live_claimed, deleted_claimed, master_count, zero
    cdef uint64_t entries = 0
    live[0] = 0
    if size > LISTPACK_MAX or not lp_is_valid(lp, size):
        return input_bad(input, b"a listpack is damaged")
    if not take_integer(&p, &live_claimed) or not take_integer(&p, &deleted_claimed):
        return input_bad(input, b"the master entry of a stream's node is damaged")
    if not take_integer(&p, &master_count) or not pass_elements(&p, master_count):
        return input_bad(input, b"the master entry of a stream's node is damaged")
    if not take_integer(&p, &zero) or zero != 0:
        return input_bad(input, b"the master entry of a stream's node is damaged")
    while p[0] != 0xFF:
        if not check_entry(&p, master_count, master, last, live):
            return input_bad(input, b"an entry of a stream is damaged")
        entries += 1
    if live_claimed < 0 or deleted_claimed < 0 or <uint64_t> live_claimed != live[0]:
        return input_bad(input, b"a node of a stream has not as many entries as it says,")
    if <uint64_t> live_claimed + <uint64_t> deleted_claimed != entries:
        return input_bad(input, b"a node of a stream has not as many entries as it says,")
    return True
