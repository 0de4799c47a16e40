# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writes of lists in C: what `native.pyx` calls for LPUSH, LPOP, LMOVE, LTRIM and their kin.

Idea: as `collection_change.pxd` has it. Owner: the executor thread. When memory runs out nothing has changed, and the
handler runs the command again to say so.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from mtredis.client cimport Connection
from mtredis.executor.collection_change cimport (
    close_collection, end_removal, is_other, open_collection, write_element,
)
from mtredis.executor.native cimport text
from mtredis.keyspace.collection cimport Change, change_end
from mtredis.keyspace.core cimport key_hash, version_begin, version_end
from mtredis.keyspace.encoding.listpack cimport Element
from mtredis.keyspace.entry cimport TYPE_LIST, entry_is_expired, entry_word
from mtredis.keyspace.table cimport table_find
from mtredis.keyspace.types.list cimport (
    list_add, list_drop, list_grow, list_length, list_new, list_peek, list_range_count, list_shrink,
)
from mtredis.keyspace.value cimport IN_LISTPACK, Word, word_encoding
from mtredis.lib.buffer cimport buffer_append
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_from_text, integer_to_text
from mtredis.protocol.reply cimport write_integer, write_null
from mtredis.reading cimport is_word

cdef enum:
    TRIM_MAX = 32                # elements that a native LTRIM takes


cdef bint push(Writing *writing, bint left) noexcept nogil:
    cdef uint32_t argc = writing.request.argc
    cdef uint32_t i
    cdef Change change
    cdef size_t length, bytes = 0
    cdef const char *element
    cdef int code
    cdef uint32_t pushed = 0
    if is_other(writing, TYPE_LIST) or not open_collection(
            writing, &change, 0 if writing.entry != NULL else list_new()):
        return False
    for i in range(2, argc):
        bytes += writing.arguments[i].length
    code = list_grow(writing.core, &change.word, bytes, argc - 2)
    for i in range(2, argc):
        if code < 0:
            break
        element = text(writing, i, &length)
        code = list_add(&change.word, element, length, left)
        pushed += code == 0
    if code < 0 and writing.entry != NULL:
        while pushed:
            list_drop(writing.core, &change.word, left)
            pushed -= 1
        list_shrink(writing.core, &change.word)
    return (close_collection(writing, &change, TYPE_LIST, code, pushed)
            and write_integer(&writing.connection.out, list_length(change.word)) == 0)


cdef bint run_lpush(Writing *writing) noexcept nogil:
    """LPUSH key element [element ...]"""
    return push(writing, True)


cdef bint run_rpush(Writing *writing) noexcept nogil:
    """RPUSH key element [element ...]"""
    return push(writing, False)


cdef bint run_lpushx(Writing *writing) noexcept nogil:
    """LPUSHX key element [element ...]"""
    if writing.entry == NULL:
        return write_integer(&writing.connection.out, 0) == 0
    return push(writing, True)


cdef bint run_rpushx(Writing *writing) noexcept nogil:
    """RPUSHX key element [element ...]"""
    if writing.entry == NULL:
        return write_integer(&writing.connection.out, 0) == 0
    return push(writing, False)


cdef bint pop(Writing *writing, bint left) noexcept nogil:
    cdef Connection *connection = writing.connection
    cdef Change change
    cdef Element element
    if writing.entry == NULL:
        return write_null(&connection.out, connection.resp) == 0
    if is_other(writing, TYPE_LIST) or not open_collection(writing, &change, 0):
        return False
    if not list_peek(change.word, left, &element) or not write_element(connection, &element):
        change_end(&change)
        return False
    writing.counts.dirty[0] += 1
    list_drop(writing.core, &change.word, left)
    end_removal(writing, &change, list_length(change.word))
    return True


cdef bint run_lpop(Writing *writing) noexcept nogil:
    """LPOP key"""
    return pop(writing, True)


cdef bint run_rpop(Writing *writing) noexcept nogil:
    """RPOP key"""
    return pop(writing, False)


cdef inline size_t take_text(Element *element, char *digits, Word source) noexcept nogil:
    """Gives an element that is an integer a text; the bytes with which the element counts where it is going."""
    if element.text != NULL:
        return element.length
    element.text = digits
    element.length = <size_t> integer_to_text(digits, element.number)
    # An integer that Redis takes from a quicklist has no text there whose length could count.
    return element.length if word_encoding(source) == IN_LISTPACK else 0


cdef bint move(Writing *writing, bint left, bint target_left) noexcept nogil:
    """From an end of a list to an end of another one; one step for readers. In the same list: the handler's."""
    cdef Writing target = writing[0]
    cdef Change change, target_change
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef Element element
    cdef size_t counted
    cdef int code
    target.key = text(writing, 2, &target.key_length)
    target.hash = key_hash(writing.core, target.key, target.key_length)
    target.entry = table_find(writing.table, target.hash, target.key, target.key_length)
    if target.entry != NULL and entry_is_expired(target.entry, writing.core.now):
        return False
    if writing.entry == NULL:
        return write_null(&writing.connection.out, writing.connection.resp) == 0
    if target.entry == writing.entry or is_other(writing, TYPE_LIST) or is_other(&target, TYPE_LIST):
        return False
    if not list_peek(entry_word(writing.entry), left, &element) or not write_element(writing.connection, &element):
        return False
    counted = take_text(&element, digits, entry_word(writing.entry))
    version_begin(writing.core)
    code = -1
    if open_collection(&target, &target_change, 0 if target.entry != NULL else list_new()):
        code = list_grow(writing.core, &target_change.word, counted, 1)
        if code == 0:
            code = list_add(&target_change.word, element.text, element.length, target_left)
        code = 0 if close_collection(&target, &target_change, TYPE_LIST, code, 1) else -1
    if code == 0:
        open_collection(writing, &change, 0)
        list_drop(writing.core, &change.word, left)
        end_removal(writing, &change, list_length(change.word))
    version_end(writing.core)
    return code == 0


cdef bint run_rpoplpush(Writing *writing) noexcept nogil:
    """RPOPLPUSH source destination"""
    return move(writing, False, True)


cdef inline int read_end(Writing *writing, uint32_t index) noexcept nogil:
    """LEFT is 1, RIGHT is 0, anything else -1."""
    cdef size_t length
    cdef const char *word = text(writing, index, &length)
    return 1 if is_word(word, length, b"LEFT", 4) else 0 if is_word(word, length, b"RIGHT", 5) else -1


cdef bint run_lmove(Writing *writing) noexcept nogil:
    """LMOVE source destination LEFT|RIGHT LEFT|RIGHT"""
    cdef int left = read_end(writing, 3)
    cdef int target_left = read_end(writing, 4)
    return left >= 0 and target_left >= 0 and move(writing, left, target_left)


cdef bint run_ltrim(Writing *writing) noexcept nogil:
    """LTRIM key start stop, if it takes a few elements only"""
    cdef Change change
    cdef size_t length
    cdef const char *word = text(writing, 2, &length)
    cdef int64_t start, stop
    cdef uint64_t count, kept, behind, i
    if not integer_from_text(word, length, &start):
        return False
    word = text(writing, 3, &length)
    if not integer_from_text(word, length, &stop) or is_other(writing, TYPE_LIST):
        return False
    if writing.entry == NULL:
        return buffer_append(&writing.connection.out, b"+OK\r\n", 5) == 0
    count = list_length(entry_word(writing.entry))
    kept = list_range_count(entry_word(writing.entry), &start, stop)
    if count - kept > TRIM_MAX or not open_collection(writing, &change, 0):
        return False
    behind = count - kept - <uint64_t> start if kept else 0
    for i in range(count - kept):
        list_drop(writing.core, &change.word, i >= behind)
    list_shrink(writing.core, &change.word)
    end_removal(writing, &change, kept)
    writing.counts.dirty[0] += count - kept
    return buffer_append(&writing.connection.out, b"+OK\r\n", 5) == 0
