# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A small sorted set in a listpack: pairs of a member and its score, in order.

Idea: the layout is Redis's: member and score in turn, by score and among equal scores by the members' bytes; a score is
an integer where it is whole and at most 2**62, else the digits that clients see. All is a walk, so it is for few.

Owner: whoever owns the value. Invariant: what fails for want of memory has changed no pair.
Limits: -0 becomes 0. NaN is no score.
"""
from libc.stdint cimport int64_t
from libc.stdlib cimport strtod
from libc.string cimport memcpy
from mtredis.keyspace.encoding.listpack cimport (
    LP_AFTER, LP_BEFORE, LP_REPLACE, Element, lp_append, lp_behind, lp_bytes, lp_delete, lp_find, lp_first, lp_get,
    lp_insert, lp_insert_integer, lp_last, lp_next, lp_previous, lp_text,
)
from mtredis.keyspace.value cimport IN_LISTPACK, word_memory, word_of
from mtredis.lib.numbers cimport DOUBLE_TEXT_SIZE, INTEGER_TEXT_SIZE, double_to_text

cdef double INTEGRAL_MAX = 4611686018427387904.0     # 2**62: scores up to here are kept as integers


cdef inline Listpack *packed_of(Word word) noexcept nogil:
    return <Listpack *> word_memory(word)


cdef double packed_score(const Listpack *p) noexcept nogil:
    """The score that is kept in an element."""
    cdef char text[128]
    cdef Element element
    element.number = 0
    lp_get(p, &element)
    if element.text == NULL:
        return <double> element.number
    if element.length > 127:
        element.length = 127
    memcpy(text, element.text, element.length)
    text[element.length] = 0
    return strtod(text, NULL)


cdef int compare_packed(const Listpack *p, const char *text, size_t length) noexcept nogil:
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t own_length
    cdef const char *own = lp_text(p, digits, &own_length)
    return compare_texts(own, own_length, text, length)


cdef Listpack *packed_find(Listpack *lp, const char *member, size_t length) noexcept nogil:
    return lp_find(lp, lp_first(lp), member, length, 1)


cdef Listpack *put_score(Listpack *lp, Listpack *p, int where, double score) noexcept nogil:
    """Writes a score after `p` or in its place; NULL: no memory."""
    cdef char digits[DOUBLE_TEXT_SIZE]
    if -INTEGRAL_MAX <= score <= INTEGRAL_MAX and <double> (<int64_t> score) == score:
        return lp_insert_integer(lp, p, where, <int64_t> score, NULL)
    return lp_insert(lp, p, where, digits, double_to_text(digits, score), NULL)


cdef Listpack *packed_spot(Listpack *lp, const char *member, size_t length, double score) noexcept nogil:
    """The first member that comes after this one with that score; NULL: none. Scores often grow: the last first."""
    cdef Listpack *p = lp_first(lp)
    cdef Listpack *score_at = lp_last(lp)
    cdef double found
    if score_at != NULL:
        found = packed_score(score_at)
        if found < score or (found == score and compare_packed(lp_previous(lp, score_at), member, length) <= 0):
            return NULL
    while p != NULL:
        score_at = lp_behind(p)
        found = packed_score(score_at)
        if found > score or (found == score and compare_packed(p, member, length) > 0):
            return p
        p = lp_next(lp, score_at)
    return NULL


cdef int packed_insert(Word *word, Listpack *spot, const char *member, size_t length, double score) noexcept nogil:
    """Puts a pair before `spot`, or at the end; 0, or -1: no memory."""
    cdef Listpack *lp = packed_of(word[0])
    cdef size_t offset = lp_bytes(lp) - 1
    cdef Listpack *grown
    if spot == NULL:
        lp = lp_append(lp, member, length)
    else:
        offset = spot - lp
        lp = lp_insert(lp, spot, LP_BEFORE, member, length, NULL)
    if lp == NULL:
        return -1
    grown = put_score(lp, lp + offset, LP_AFTER, score)
    if grown == NULL:
        lp = lp_delete(lp, lp + offset, NULL)
        word[0] = word_of(lp, IN_LISTPACK)
        return -1
    word[0] = word_of(grown, IN_LISTPACK)
    return 0


cdef void packed_delete(Word *word, size_t offset) noexcept nogil:
    """Removes the pair whose member is there."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *score_at
    lp = lp_delete(lp, lp + offset, &score_at)
    word[0] = word_of(lp_delete(lp, score_at, NULL), IN_LISTPACK)


cdef int packed_move(Word *word, Listpack *p, const char *member, size_t length, double score) noexcept nogil:
    """Gives the member at `p` another score, and the place that goes with it; 0, or -1: no memory."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *score_at = lp_behind(p)
    cdef Listpack *spot = packed_spot(lp, member, length, score)
    cdef size_t offset = p - lp
    cdef size_t size = lp_bytes(lp)
    if spot == p or spot == lp_next(lp, score_at):
        lp = put_score(lp, score_at, LP_REPLACE, score)
        if lp == NULL:
            return -1
        word[0] = word_of(lp, IN_LISTPACK)
        return 0
    if packed_insert(word, spot, member, length, score) < 0:
        return -1
    if spot != NULL and spot < p:
        offset += lp_bytes(packed_of(word[0])) - size
    packed_delete(word, offset)
    return 0
