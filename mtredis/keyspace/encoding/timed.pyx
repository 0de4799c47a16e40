# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fields whose times to live matter: small ones in a listpack, many in a table; the API stands in `timed.pxd`.

Idea, listpack: triples of field, value and time (0: none), ordered by time, so that what is due stands in front; a new
time goes before equal ones and what has none goes to the end, byte for byte as in Redis, for dumps take the buffer as
it is. A change of time rewrites one element and rotates the triple to its place, which needs no memory.

Idea, table: the time is the field's entry's (`fields.pxd`); a tree over (time, entry) is kept beside while any field
has a time. Equal times are ordered by the entry's address, which the tree never follows, so a pair may be taken out
after its entry is gone. The entries of a copy have other addresses, so its tree is made anew, from sorted pairs.

Owner: the executor, except the functions that free (any thread). Limit: a field whose pair finds no memory keeps its
time but is not in the tree; it expires when somebody looks at it.
"""
from libc.stdlib cimport calloc, free, malloc, qsort
from mtredis.keyspace.encoding.fields cimport (
    fields_copy, fields_copy_telling, fields_delete, fields_find, fields_free, fields_memory, fields_new, fields_set,
    fields_set_expire, fields_volatile,
)
from mtredis.keyspace.encoding.listpack cimport (
    LP_REPLACE, Element, lp_append, lp_append_integer, lp_bytes, lp_delete_range, lp_first, lp_free, lp_get,
    lp_insert_integer, lp_new, lp_next,
)
from mtredis.keyspace.encoding.ordered cimport (
    Cursor, cursor_item, cursor_key, ordered_first, ordered_free, ordered_insert, ordered_new, ordered_remove,
)
from mtredis.keyspace.entry cimport Entry, entry_expire, entry_has_expire, entry_key

cdef extern from "malloc.h" nogil:
    size_t malloc_usable_size(void *pointer) noexcept

cdef struct Mark:                # a pair of the tree to be
    int64_t time
    Entry *entry

cdef struct Marks:               # of a copy, while it is made
    uint64_t count
    Mark *marks


# Triples in a listpack --------------------------------------------------------------------------------------------


cdef int append_copy(Listpack **lp, Listpack *p) noexcept nogil:
    """Adds a copy of an element of another listpack; 0 or -1."""
    cdef Element element
    cdef Listpack *grown
    lp_get(p, &element)
    if element.text != NULL:
        grown = lp_append(lp[0], element.text, element.length)
    else:
        grown = lp_append_integer(lp[0], element.number)
    if grown == NULL:
        return -1
    lp[0] = grown
    return 0


cdef Listpack *triples_of(Listpack *pairs) noexcept nogil:
    """The same fields and values, without times."""
    cdef Listpack *lp = lp_new(lp_bytes(pairs) * 5 // 4)
    cdef Listpack *p = lp_first(pairs)
    cdef Listpack *grown
    while lp != NULL and p != NULL:
        if append_copy(&lp, p) < 0 or append_copy(&lp, lp_next(pairs, p)) < 0:
            break
        grown = lp_append_integer(lp, 0)
        if grown == NULL:
            break
        lp = grown
        p = lp_next(pairs, lp_next(pairs, p))
    if p != NULL and lp != NULL:
        lp_free(lp)
        lp = NULL
    return lp


cdef inline Listpack *time_of(Listpack *lp, Listpack *field) noexcept nogil:
    """The element with the field's time."""
    return lp_next(lp, lp_next(lp, field))


cdef int64_t triples_time(Listpack *lp, Listpack *field) noexcept nogil:
    """The field's time."""
    cdef Element time
    lp_get(time_of(lp, field), &time)
    return time.number if time.number else NO_TIME


cdef int64_t triples_due(Listpack *lp) noexcept nogil:
    """The first time."""
    cdef Listpack *first = lp_first(lp)
    return triples_time(lp, first) if first != NULL else NO_TIME


cdef int triples_append(Listpack **lp, const char *field, size_t field_length, const char *value,
                        size_t value_length) noexcept nogil:
    """Adds a field without a time."""
    cdef Listpack *grown = lp_append(lp[0], field, field_length)
    if grown == NULL:
        return -1
    lp[0] = grown
    grown = lp_append(lp[0], value, value_length)
    if grown == NULL:
        lp[0] = lp_delete_range(lp[0], -1, 1)
        return -1
    lp[0] = grown
    grown = lp_append_integer(lp[0], 0)
    if grown == NULL:
        lp[0] = lp_delete_range(lp[0], -2, 2)
        return -1
    lp[0] = grown
    return 0


cdef void reverse(Listpack *first, Listpack *end) noexcept nogil:
    cdef unsigned char byte
    while first < end:
        end -= 1
        byte = first[0]
        first[0] = end[0]
        end[0] = byte
        first += 1


cdef void rotate(Listpack *first, Listpack *middle, Listpack *end) noexcept nogil:
    """What lay from `middle` on comes first."""
    reverse(first, middle)
    reverse(middle, end)
    reverse(first, end)


cdef Listpack *behind_triple(Listpack *lp, Listpack *field) noexcept nogil:
    """Where the triple ends: at the next one or the byte that ends the listpack."""
    cdef Listpack *following = lp_next(lp, time_of(lp, field))
    return following if following != NULL else lp + lp_bytes(lp) - 1


cdef Listpack *place_for(Listpack *lp, Listpack *moved, int64_t time) noexcept nogil:
    """Where the triple `moved` belongs with that time (0: none): before the first of the others as late or later."""
    cdef Listpack *end = lp + lp_bytes(lp) - 1
    cdef Listpack *p = lp_first(lp)
    cdef Element other
    if time == 0:
        return end
    while p != NULL:
        if p != moved:
            lp_get(time_of(lp, p), &other)
            if other.number == 0 or other.number >= time:
                return p
        p = lp_next(lp, time_of(lp, p))
    return end


cdef int triples_set_time(Listpack **lp, Listpack *field, int64_t time) noexcept nogil:
    """The field has the time and stands where it belongs."""
    cdef size_t offset = field - lp[0]
    cdef Listpack *changed
    cdef Listpack *place
    cdef Listpack *end
    if time == NO_TIME:
        time = 0
    changed = lp_insert_integer(lp[0], time_of(lp[0], field), LP_REPLACE, time, NULL)
    if changed == NULL:
        return -1
    lp[0] = changed
    field = changed + offset
    end = behind_triple(changed, field)
    place = place_for(changed, field, time)
    if place > end:
        rotate(field, end, place)
    elif place < field:
        rotate(place, field, end)
    return 0


cdef uint64_t triples_expire(Listpack **lp, int64_t now, uint64_t limit) noexcept nogil:
    """Deletes what is due, at most `limit` fields."""
    cdef Listpack *p = lp_first(lp[0])
    cdef uint64_t count = 0
    cdef int64_t time
    while p != NULL and count < limit:
        time = triples_time(lp[0], p)
        if time == NO_TIME or time > now:
            break
        count += 1
        p = lp_next(lp[0], time_of(lp[0], p))
    lp[0] = lp_delete_range(lp[0], 0, count * 3)
    return count


# Fields in a table ------------------------------------------------------------------------------------------------


cdef int by_address(const void *a, const void *b) noexcept nogil:
    """The order of fields with the same time."""
    return (a > b) - (a < b)


cdef TimedFields *timed_new(Core *core) noexcept nogil:
    """No fields yet."""
    cdef TimedFields *timed = <TimedFields *> calloc(1, sizeof(TimedFields))
    if timed == NULL:
        return NULL
    timed.fields = fields_new(core)
    if timed.fields == NULL:
        free(timed)
        return NULL
    return timed


cdef void timed_free(void *memory) noexcept nogil:
    """Frees everything."""
    cdef TimedFields *timed = <TimedFields *> memory
    if timed.times != NULL:
        ordered_free(timed.times)
    if timed.fields != NULL:
        fields_free(timed.fields)
    free(timed)


cdef size_t timed_memory(void *memory) noexcept nogil:
    """What malloc holds for it."""
    cdef TimedFields *timed = <TimedFields *> memory
    cdef size_t held = malloc_usable_size(timed) + 8 + fields_memory(timed.fields)
    return held + (timed.times.memory if timed.times != NULL else 0)


cdef int64_t timed_due(void *memory) noexcept nogil:
    """The first time."""
    cdef TimedFields *timed = <TimedFields *> memory
    cdef Cursor cursor
    if timed.times == NULL or not ordered_first(timed.times, &cursor):
        return NO_TIME
    return <int64_t> cursor_key(&cursor)


cdef int add_pair(TimedFields *timed, int64_t time, Entry *entry) noexcept nogil:
    """The pair gets into the tree; 0 or -1."""
    if timed.times == NULL:
        timed.times = ordered_new(by_address)
    if timed.times == NULL or ordered_insert(timed.times, <uint64_t> time, entry) < 0:
        trim(timed)
        return -1
    return 0


cdef int add_time(TimedFields *timed, Entry *entry) noexcept nogil:
    """The entry's time gets into the tree, if it has one; 0 or -1."""
    return add_pair(timed, entry_expire(entry), entry) if entry_has_expire(entry) else 0


cdef void remove_time(TimedFields *timed, int64_t time, Entry *entry) noexcept nogil:
    """The pair goes out of the tree, and the tree with the last."""
    if time != NO_TIME and timed.times != NULL:
        ordered_remove(timed.times, <uint64_t> time, entry)
        trim(timed)


cdef void trim(TimedFields *timed) noexcept nogil:
    if timed.times != NULL and timed.times.count == 0:
        ordered_free(timed.times)
        timed.times = NULL


cdef int by_time(const void *a, const void *b) noexcept nogil:
    """The order of marks, which is the tree's."""
    cdef const Mark *first = <const Mark *> a
    cdef const Mark *second = <const Mark *> b
    if first.time != second.time:
        return (<uint64_t> first.time > <uint64_t> second.time) - (<uint64_t> first.time < <uint64_t> second.time)
    return by_address(first.entry, second.entry)


cdef void mark_times(void *context, Entry **entries, Entry **copies, int count) noexcept nogil:
    """Notes the copies that have a time."""
    cdef Marks *marks = <Marks *> context
    cdef int i
    for i in range(count):
        if entry_has_expire(copies[i]):
            marks.marks[marks.count].time = entry_expire(copies[i])
            marks.marks[marks.count].entry = copies[i]
            marks.count += 1


cdef int add_marks(TimedFields *timed, Marks *marks) noexcept nogil:
    """All of them get into the tree, in its order, which costs least and fills its leaves; 0 or -1."""
    cdef uint64_t i
    qsort(marks.marks, marks.count, sizeof(Mark), by_time)
    for i in range(marks.count):
        if add_pair(timed, marks.marks[i].time, marks.marks[i].entry) < 0:
            return -1
    return 0


cdef bint copy_with_times(TimedFields *timed, TimedFields *copy) noexcept nogil:
    """Makes the copy's fields and their tree; false: no memory."""
    cdef Marks marks
    cdef bint is_done = False
    marks.count = 0
    marks.marks = <Mark *> malloc(fields_volatile(timed.fields) * sizeof(Mark))
    if marks.marks == NULL:
        return False
    copy.fields = fields_copy_telling(timed.fields, mark_times, &marks)
    if copy.fields != NULL:
        is_done = add_marks(copy, &marks) == 0
    free(marks.marks)
    return is_done


cdef void *timed_copy(void *memory) noexcept nogil:
    """The same fields, values and times; NULL: no memory. Takes up to 32 bytes more per time meanwhile."""
    cdef TimedFields *timed = <TimedFields *> memory
    cdef TimedFields *copy = <TimedFields *> calloc(1, sizeof(TimedFields))
    cdef bint is_done
    if copy == NULL:
        return NULL
    if timed.times != NULL:
        is_done = copy_with_times(timed, copy)
    else:
        copy.fields = fields_copy(timed.fields)
        is_done = copy.fields != NULL
    if not is_done:
        timed_free(copy)
        return NULL
    return copy


cdef int timed_set(TimedFields *timed, const char *field, size_t field_length, const char *value, size_t value_length,
                   int64_t time) noexcept nogil:
    """Upsert. The entry may move, so its pair is taken out before and put in after."""
    cdef Entry *entry = NULL
    cdef int64_t former = NO_TIME
    cdef int code
    if timed.times != NULL:
        entry = fields_find(timed.fields, field, field_length)
        if entry != NULL:
            former = entry_expire(entry)
    if time == KEEP_TIME:
        time = former
    code = fields_set(timed.fields, field, field_length, value, value_length, time)
    if code < 0:
        return -1
    if former == NO_TIME and time == NO_TIME:
        return code
    remove_time(timed, former, entry)
    add_time(timed, fields_find(timed.fields, field, field_length))
    return code


cdef int timed_set_time(TimedFields *timed, const char *field, size_t length, int64_t time) noexcept nogil:
    """Sets (NO_TIME: removes) the time."""
    cdef Entry *entry = fields_find(timed.fields, field, length)
    cdef int64_t former
    if entry == NULL:
        return 0
    former = entry_expire(entry)
    if former == time:
        return 1
    if fields_set_expire(timed.fields, field, length, time) < 0:
        return -1
    remove_time(timed, former, entry)
    if add_time(timed, fields_find(timed.fields, field, length)) < 0 and former == NO_TIME:
        fields_set_expire(timed.fields, field, length, NO_TIME)
        return -1
    return 1


cdef bint timed_delete(TimedFields *timed, const char *field, size_t length) noexcept nogil:
    """Whether the field was there."""
    cdef Entry *entry
    if timed.times != NULL:
        entry = fields_find(timed.fields, field, length)
        if entry == NULL:
            return False
        remove_time(timed, entry_expire(entry), entry)
    return fields_delete(timed.fields, field, length)


cdef uint64_t timed_expire(TimedFields *timed, int64_t now, uint64_t limit) noexcept nogil:
    """Deletes what is due, at most `limit` fields, the earliest first."""
    cdef Cursor cursor
    cdef Entry *entry
    cdef size_t length
    cdef char *name
    cdef uint64_t count = 0
    while count < limit and timed.times != NULL:
        ordered_first(timed.times, &cursor)
        if <int64_t> cursor_key(&cursor) > now:
            break
        entry = <Entry *> cursor_item(&cursor)
        remove_time(timed, entry_expire(entry), entry)
        name = entry_key(entry, &length)
        fields_delete(timed.fields, name, length)
        count += 1
    return count
