# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Sets: distinct members without an order.

Idea: integers only are kept in an intset, few short members in a listpack, all else in a table of fields without
values. A set changes its encoding when a member comes that does not fit, at Redis's thresholds (`Limits`), and never
back by itself; `set_settle` makes an intset of the result of an intersection, as Redis does.

Owner: the executor; the functions that read may run on a worker while the key's segment is locked and the entry not
BUSY. Costs: O(1), but O(n) in a listpack and O(log n) in an intset, whose sizes are bounded. A random member is O(1),
in a listpack O(n).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from mtredis.keyspace.collection cimport change_begin, change_end
from mtredis.keyspace.core cimport next_random
from mtredis.keyspace.encoding.fields cimport (
    FIELDS_BATCH, Fields, fields_count, fields_delete, fields_find, fields_free, fields_new, fields_next, fields_random,
    fields_scan, fields_set, fields_start,
)
from mtredis.keyspace.encoding.intset cimport (
    Intset, is_add, is_count, is_find, is_free, is_get, is_new, is_remove, is_remove_at,
)
from mtredis.keyspace.encoding.listpack cimport (
    LISTPACK_MAX, lp_append, lp_append_integer, lp_bytes, lp_count, lp_delete, lp_find, lp_first, lp_free, lp_get,
    lp_new, lp_next, lp_seek,
)
from mtredis.keyspace.entry cimport TYPE_SET, entry_key
from mtredis.keyspace.value cimport IN_FIELDS, IN_INTSET, IN_LISTPACK, value_free, word_encoding, word_memory, word_of
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_from_text, integer_to_text

cdef enum:
    INTSET_MAX = 1 << 30       # members, whatever the limits say
    ELEMENT_OVERHEAD = 16      # bytes that a packed member takes at most beside its text


# Values, without the GIL ------------------------------------------------------------------------------------------


cdef bint as_integer(const char *text, size_t length, int64_t *number) noexcept nogil:
    return length <= INTEGER_TEXT_SIZE and integer_from_text(text, length, number)


cdef Word set_empty(Core *core, int encoding) noexcept nogil:
    """A value without members in that encoding; 0: no memory."""
    cdef void *memory
    if encoding == IN_INTSET:
        memory = is_new()
    elif encoding == IN_LISTPACK:
        memory = lp_new(0)
    else:
        memory = fields_new(core)
    return word_of(memory, encoding) if memory != NULL else 0


cdef Word set_new(Core *core, const char *first, size_t length, uint64_t hint) noexcept nogil:
    """An empty value that suits what is about to come; 0: no memory."""
    cdef int64_t number
    if as_integer(first, length, &number) and hint <= <uint64_t> core.limits.set_max_intset_entries:
        return set_empty(core, IN_INTSET)
    if hint <= <uint64_t> core.limits.set_max_listpack_entries:
        return set_empty(core, IN_LISTPACK)
    return set_empty(core, IN_FIELDS)


cdef uint64_t set_length(Word word) noexcept nogil:
    """How many members there are."""
    if word_encoding(word) == IN_INTSET:
        return is_count(<Intset *> word_memory(word))
    if word_encoding(word) == IN_LISTPACK:
        return lp_count(<Listpack *> word_memory(word))
    return fields_count(<Fields *> word_memory(word))


cdef void set_start(Word word, SetCursor *cursor) noexcept nogil:
    """Puts a cursor before the first member."""
    cursor.word = word
    cursor.position = 0
    if word_encoding(word) == IN_LISTPACK:
        cursor.packed = lp_first(<Listpack *> word_memory(word))
    elif word_encoding(word) == IN_FIELDS:
        fields_start(<Fields *> word_memory(word), &cursor.fields)


cdef bint set_next(SetCursor *cursor, Element *member) noexcept nogil:
    """The next member; false: that was all."""
    cdef void *memory = word_memory(cursor.word)
    cdef Entry *entry
    if word_encoding(cursor.word) == IN_INTSET:
        if cursor.position >= is_count(<Intset *> memory):
            return False
        member.text = NULL
        member.number = is_get(<Intset *> memory, cursor.position)
        cursor.position += 1
        return True
    if word_encoding(cursor.word) == IN_LISTPACK:
        if cursor.packed == NULL:
            return False
        lp_get(cursor.packed, member)
        cursor.packed = lp_next(<Listpack *> memory, cursor.packed)
        return True
    entry = fields_next(<Fields *> memory, &cursor.fields)
    if entry == NULL:
        return False
    member.text = entry_key(entry, &member.length)
    return True


cdef const char *text_of(Element *member, char *digits, size_t *length) noexcept nogil:
    """The member as bytes; `digits` (INTEGER_TEXT_SIZE) has room for an integer."""
    if member.text != NULL:
        length[0] = member.length
        return member.text
    length[0] = integer_to_text(digits, member.number)
    return digits


cdef int spread(Core *core, Word *word) noexcept nogil:
    """Into a table of fields: 0, or -1: no memory."""
    cdef Fields *fields = fields_new(core)
    cdef SetCursor cursor
    cdef Element member
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef const char *text
    cdef size_t length
    if fields == NULL:
        return -1
    set_start(word[0], &cursor)
    while set_next(&cursor, &member):
        text = text_of(&member, digits, &length)
        if fields_set(fields, text, length, b"", 0, -1) < 0:
            fields_free(fields)
            return -1
    value_free(word[0])
    word[0] = word_of(fields, IN_FIELDS)
    return 0


cdef int unpack_intset(Word *word) noexcept nogil:
    """From an intset into a listpack: 0, or -1: no memory."""
    cdef Intset *integers = <Intset *> word_memory(word[0])
    cdef Listpack *lp = lp_new(0)
    cdef Listpack *grown
    cdef uint32_t i
    if lp == NULL:
        return -1
    for i in range(is_count(integers)):
        grown = lp_append_integer(lp, is_get(integers, i))
        if grown == NULL:
            lp_free(lp)
            return -1
        lp = grown
    is_free(integers)
    word[0] = word_of(lp, IN_LISTPACK)
    return 0


cdef bint intset_fits_listpack(Core *core, Intset *integers, size_t length) noexcept nogil:
    """Whether the intset's members and one of that length may lie in a listpack together."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef uint32_t count = is_count(integers)
    cdef int64_t longest = core.limits.set_max_listpack_value
    if <int64_t> count >= core.limits.set_max_listpack_entries or <int64_t> length > longest:
        return False
    return count == 0 or (integer_to_text(digits, is_get(integers, 0)) <= longest
                          and integer_to_text(digits, is_get(integers, count - 1)) <= longest)


cdef int set_reserve(Core *core, Word *word, uint64_t hint) noexcept nogil:
    """Leaves a packed encoding at once when so many members are coming that it will not do."""
    cdef int encoding = word_encoding(word[0])
    if (encoding == IN_LISTPACK and hint > <uint64_t> core.limits.set_max_listpack_entries) or \
            (encoding == IN_INTSET and hint > <uint64_t> core.limits.set_max_intset_entries):
        return spread(core, word)
    return 0


cdef inline uint64_t intset_most(Core *core) noexcept nogil:
    """How many members an intset may have."""
    return <uint64_t> min(core.limits.set_max_intset_entries, <int64_t> INTSET_MAX)


cdef int add_integer(Core *core, Word *word, int64_t number) noexcept nogil:
    """Adds to an intset."""
    cdef bint added = False
    cdef Intset *grown = is_add(<Intset *> word_memory(word[0]), number, &added)
    if grown == NULL:
        return -1
    word[0] = word_of(grown, IN_INTSET)
    if added and is_count(grown) > intset_most(core):
        spread(core, word)       # without memory it stays an intset
    return added


cdef int add_packed(Core *core, Word *word, const char *member, size_t length) noexcept nogil:
    """Adds to a listpack, or to a table if it does not fit any more."""
    cdef Listpack *lp = <Listpack *> word_memory(word[0])
    cdef Listpack *first = lp_first(lp)
    if first != NULL and lp_find(lp, first, member, length, 0) != NULL:
        return 0
    if (<int64_t> lp_count(lp) < core.limits.set_max_listpack_entries
            and <int64_t> length <= core.limits.set_max_listpack_value
            and lp_bytes(lp) + length + ELEMENT_OVERHEAD < LISTPACK_MAX):
        lp = lp_append(lp, member, length)
        if lp == NULL:
            return -1
        word[0] = word_of(lp, IN_LISTPACK)
        return 1
    if spread(core, word) < 0:
        return -1
    return fields_set(<Fields *> word_memory(word[0]), member, length, b"", 0, -1)


cdef int set_add(Core *core, Word *word, const char *member, size_t length) noexcept nogil:
    """1: the member is new, 0: it was there, -1: no memory."""
    cdef int encoding = word_encoding(word[0])
    cdef int64_t number
    if encoding == IN_INTSET:
        if as_integer(member, length, &number):
            return add_integer(core, word, number)
        if not intset_fits_listpack(core, <Intset *> word_memory(word[0]), length):
            if spread(core, word) < 0:
                return -1
        elif unpack_intset(word) < 0:
            return -1
        encoding = word_encoding(word[0])
    if encoding == IN_LISTPACK:
        return add_packed(core, word, member, length)
    return fields_set(<Fields *> word_memory(word[0]), member, length, b"", 0, -1)


cdef int set_remove(Core *core, Word *word, const char *member, size_t length) noexcept nogil:
    """1: the member was there and is gone, 0: it was not there, -1: no memory."""
    cdef void *memory = word_memory(word[0])
    cdef int64_t number
    cdef bint removed = False
    cdef Listpack *found
    if word_encoding(word[0]) == IN_FIELDS:
        return fields_delete(<Fields *> memory, member, length)
    if word_encoding(word[0]) == IN_INTSET:
        if not as_integer(member, length, &number):
            return 0
        memory = is_remove(<Intset *> memory, number, &removed)
        if memory == NULL:
            return -1
        word[0] = word_of(memory, IN_INTSET)
        return removed
    found = lp_first(<Listpack *> memory)
    if found != NULL:
        found = lp_find(<Listpack *> memory, found, member, length, 0)
    if found == NULL:
        return 0
    memory = lp_delete(<Listpack *> memory, found, NULL)
    if memory == NULL:
        return -1
    word[0] = word_of(memory, IN_LISTPACK)
    return 1


cdef bint set_contains(Core *core, Word word, const char *member, size_t length) noexcept nogil:
    """Whether it is a member."""
    cdef void *memory = word_memory(word)
    cdef int64_t number
    cdef uint32_t position
    cdef Listpack *first
    if word_encoding(word) == IN_FIELDS:
        return fields_find(<Fields *> memory, member, length) != NULL
    if word_encoding(word) == IN_INTSET:
        return as_integer(member, length, &number) and is_find(<Intset *> memory, number, &position)
    first = lp_first(<Listpack *> memory)
    return first != NULL and lp_find(<Listpack *> memory, first, member, length, 0) != NULL


cdef int set_add_element(Core *core, Word *word, Element *member) noexcept nogil:
    """As set_add, for a member of another set."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    if member.text == NULL and word_encoding(word[0]) == IN_INTSET:
        return add_integer(core, word, member.number)
    text = text_of(member, digits, &length)
    return set_add(core, word, text, length)


cdef int set_remove_element(Core *core, Word *word, Element *member) noexcept nogil:
    """As set_remove, for a member of another set."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text = text_of(member, digits, &length)
    return set_remove(core, word, text, length)


cdef bint set_contains_element(Core *core, Word word, Element *member) noexcept nogil:
    """As set_contains, for a member of another set."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    cdef uint32_t position
    if member.text == NULL and word_encoding(word) == IN_INTSET:
        return is_find(<Intset *> word_memory(word), member.number, &position)
    text = text_of(member, digits, &length)
    return set_contains(core, word, text, length)


cdef uint32_t below(Core *core, uint64_t bound) noexcept nogil:
    """A random number below `bound` (which is below 2 ** 32)."""
    return <uint32_t> (((next_random(&core.random) >> 32) * bound) >> 32)


cdef bint set_draw(Core *core, Word word, SetPlace *place, Element *member) noexcept nogil:
    """A random member and where it is; false: the set is empty."""
    cdef void *memory = word_memory(word)
    cdef uint64_t count = set_length(word)
    if count == 0:
        return False
    if word_encoding(word) == IN_INTSET:
        place.position = below(core, count)
        member.text = NULL
        member.number = is_get(<Intset *> memory, place.position)
    elif word_encoding(word) == IN_LISTPACK:
        place.packed = lp_seek(<Listpack *> memory, below(core, count))
        lp_get(place.packed, member)
    else:
        place.entry = fields_random(<Fields *> memory, &core.random)
        member.text = entry_key(place.entry, &member.length)
    return True


cdef int set_drop(Core *core, Word *word, SetPlace *place) noexcept nogil:
    """Removes the member at a place: 0, or -1: no memory."""
    cdef void *memory = word_memory(word[0])
    cdef size_t length
    cdef char *name
    if word_encoding(word[0]) == IN_FIELDS:
        name = entry_key(place.entry, &length)
        fields_delete(<Fields *> memory, name, length)
        return 0
    if word_encoding(word[0]) == IN_INTSET:
        memory = is_remove_at(<Intset *> memory, place.position)
    else:
        memory = lp_delete(<Listpack *> memory, place.packed, NULL)
    if memory == NULL:
        return -1
    word[0] = word_of(memory, word_encoding(word[0]))
    return 0


cdef int set_settle(Core *core, Word *word) noexcept nogil:
    """Makes an intset of a value whose members are all integers and not too many: 0, or -1: no memory."""
    cdef Intset *integers
    cdef Intset *grown
    cdef SetCursor cursor
    cdef Element member
    cdef bint added = False
    if word_encoding(word[0]) == IN_INTSET or set_length(word[0]) > intset_most(core):
        return 0
    integers = is_new()
    if integers == NULL:
        return -1
    set_start(word[0], &cursor)
    while set_next(&cursor, &member):
        if member.text != NULL and not as_integer(member.text, member.length, &member.number):
            is_free(integers)
            return 0
        grown = is_add(integers, member.number, &added)
        if grown == NULL:
            is_free(integers)
            return -1
        integers = grown
    value_free(word[0])
    word[0] = word_of(integers, IN_INTSET)
    return 0


# The handle -------------------------------------------------------------------------------------------------------


cdef bytes bytes_of(Element *member):
    """The member as a Python object."""
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text = text_of(member, digits, &length)
    return PyBytes_FromStringAndSize(text, length)


cdef int check_members(list members, Py_ssize_t start) except -1:
    """Raises what must not be raised while a value is being changed."""
    cdef Py_ssize_t i
    for i in range(start, len(members)):
        if not isinstance(members[i], bytes):
            raise TypeError("members are bytes")
    return 0


cdef class Set(Collection):
    """A set as handlers hold it; members are bytes."""

    def __cinit__(self):
        self.type = TYPE_SET

    cdef int start(self) except -1:
        """An empty intset: what comes first decides what it becomes."""
        self.restart(IN_INTSET)
        return 0

    cdef int restart(self, int encoding) except -1:
        """A detached set becomes an empty one in that encoding."""
        cdef Word fresh = set_empty(self.change.core, encoding)
        if fresh == 0:
            raise MemoryError
        if self.change.word:
            value_free(self.change.word)
        self.change.word = fresh
        return 0

    cpdef uint64_t length(self):
        """How many members there are."""
        return set_length(self.change.word)

    cdef int finish(self, int code) except -1:
        """Ends a change; raises MemoryError if that is what its code says."""
        change_end(&self.change)
        if code < 0:
            raise MemoryError
        return code

    cpdef int add(self, bytes member) except -1:
        """1: the member is new."""
        change_begin(&self.change)
        return self.finish(set_add(self.change.core, &self.change.word, PyBytes_AS_STRING(member),
                                   PyBytes_GET_SIZE(member)))

    cdef int expect(self, bytes first, uint64_t hint) noexcept:
        """Takes the encoding that suits `hint` members which are about to be added: 0, or -1: no memory."""
        cdef Word fresh
        if set_length(self.change.word):
            return set_reserve(self.change.core, &self.change.word, hint)
        fresh = set_new(self.change.core, PyBytes_AS_STRING(first), PyBytes_GET_SIZE(first), hint)
        if fresh == 0:
            return -1
        value_free(self.change.word)
        self.change.word = fresh
        return 0

    cpdef int64_t add_many(self, list members, Py_ssize_t start=0) except -1:
        """Adds `members[start:]`; how many of them are new. An empty set takes the encoding that suits them."""
        cdef Py_ssize_t i
        cdef int code
        cdef int64_t added = 0
        cdef bytes member
        check_members(members, start)
        if start >= len(members):
            return 0
        change_begin(&self.change)
        code = self.expect(<bytes> members[start], len(members) - start)
        for i in range(start, len(members)):
            if code < 0:
                break
            member = <bytes> members[i]
            code = set_add(self.change.core, &self.change.word, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))
            added += code > 0
        self.finish(code)
        return added

    cpdef int remove(self, bytes member) except -1:
        """1: the member was there and is gone."""
        change_begin(&self.change)
        return self.finish(set_remove(self.change.core, &self.change.word, PyBytes_AS_STRING(member),
                                      PyBytes_GET_SIZE(member)))

    cpdef int64_t remove_many(self, list members, Py_ssize_t start=0) except -1:
        """Removes `members[start:]`; how many of them were there."""
        cdef Py_ssize_t i
        cdef int code = 0
        cdef int64_t removed = 0
        cdef bytes member
        check_members(members, start)
        change_begin(&self.change)
        for i in range(start, len(members)):
            member = <bytes> members[i]
            code = set_remove(self.change.core, &self.change.word, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))
            if code < 0:
                break
            removed += code
        self.finish(code)
        return removed

    cpdef bint contains(self, bytes member) except -1:
        """Whether it is a member."""
        return set_contains(self.change.core, self.change.word, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))

    cpdef list members(self):
        """All members, an intset's in ascending order."""
        cdef SetCursor cursor
        cdef Element member
        cdef Py_ssize_t place = 0
        cdef bytes text
        cdef list found = PyList_New(self.length())
        set_start(self.change.word, &cursor)
        while set_next(&cursor, &member):
            text = bytes_of(&member)
            Py_INCREF(text)
            PyList_SET_ITEM(found, place, text)
            place += 1
        return found

    # Chance ---------------------------------------------------------------------------------------------------------

    cpdef bytes random(self):
        """A member, each with the same probability; None: the set is empty."""
        cdef SetPlace place
        cdef Element member
        if not set_draw(self.change.core, self.change.word, &place, &member):
            return None
        return bytes_of(&member)

    cpdef list draw(self, int64_t count):
        """`count` times a member, each time any of them with the same probability; the set is not empty."""
        cdef SetPlace place
        cdef Element member
        cdef list members
        cdef int64_t i
        cdef list drawn = []
        if word_encoding(self.change.word) == IN_LISTPACK and count > 1:    # a place in it is far to walk
            members = self.members()
            for i in range(count):
                drawn.append(members[below(self.change.core, len(members))])
            return drawn
        for i in range(count):
            set_draw(self.change.core, self.change.word, &place, &member)
            drawn.append(bytes_of(&member))
        return drawn

    cpdef list sample(self, int64_t count):
        """`count` distinct members (all, if there are not so many), each choice with the same probability."""
        cdef SetPlace place
        cdef Element member
        cdef dict chosen
        cdef int64_t length = self.length()
        if count >= length:
            return self.members()
        if count * 3 >= length or word_encoding(self.change.word) == IN_LISTPACK:
            return self.shuffled(count)[:count]
        chosen = {}
        while len(chosen) < count:
            set_draw(self.change.core, self.change.word, &place, &member)
            chosen[bytes_of(&member)] = None
        return list(chosen)

    cdef list shuffled(self, int64_t count):
        """All members; the first `count` of them, which are not more than there are, are a random choice."""
        cdef list members = self.members()
        cdef int64_t i, j, length = len(members)
        for i in range(count):
            j = i + below(self.change.core, length - i)
            members[i], members[j] = members[j], members[i]
        return members

    cpdef bytes pop(self):
        """A member that is gone now, each with the same probability; None: the set is empty."""
        cdef SetPlace place
        cdef Element member
        cdef bytes popped
        if self.length() == 0:
            return None
        change_begin(&self.change)
        set_draw(self.change.core, self.change.word, &place, &member)
        popped = bytes_of(&member)
        self.finish(set_drop(self.change.core, &self.change.word, &place))
        return popped

    cpdef list split(self, int64_t keep, Set rest):
        """`rest`, a detached set, gets `keep` members chosen at random; the others, which stay here too."""
        cdef list members = self.shuffled(keep)
        cdef bytes member
        cdef int64_t i
        rest.restart(IN_INTSET if word_encoding(self.change.word) == IN_INTSET else IN_LISTPACK)
        for i in range(keep):
            rest.add(<bytes> members[i])
        return members[keep:]

    def scan(self, uint64_t cursor, int64_t count) -> tuple:
        """(the next cursor, members): a part of them, about `count`; cursor 0 begins and ends."""
        cdef Entry *batch[FIELDS_BATCH]
        cdef Fields *fields
        cdef list found = []
        cdef int64_t visits = count * 10
        cdef size_t length
        cdef char *name
        cdef int i
        if word_encoding(self.change.word) != IN_FIELDS:
            return 0, self.members()
        fields = <Fields *> word_memory(self.change.word)
        while visits > 0:
            for i in range(fields_scan(fields, cursor, batch, &cursor)):
                name = entry_key(batch[i], &length)
                found.append(PyBytes_FromStringAndSize(name, length))
            visits -= 1
            if cursor == 0 or <int64_t> len(found) >= count:
                break
        return cursor, found
