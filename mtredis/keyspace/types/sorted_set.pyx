# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Sorted sets: distinct members, ordered by score and among equal scores by their bytes.

Idea: few short members lie in a listpack (`sorted_listpack`), else in a `Ranking`. A listpack becomes a ranking at
Redis's thresholds (`Limits`), and never one again: what builds a new sorted set begins with a listpack, which gives the
encodings that Redis's conversions of results give.

Owner: the executor; what reads may run on a worker while the key's segment is locked and the entry not BUSY.
Invariant: NaN is no score. Limit: -0 and 0 are one score for the order; a listpack keeps both as 0.
Costs: O(log n) for what changes or asks for a rank, O(1) for a score, a random member and both ends. A listpack is
walked, its size is bounded.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.list cimport PyList_GET_SIZE
from mtredis.keyspace.collection cimport change_begin, change_end
from mtredis.keyspace.core cimport next_random
from mtredis.keyspace.encoding.fields cimport FIELDS_BATCH, fields_count, fields_find, fields_random, fields_scan
from mtredis.keyspace.encoding.listpack cimport (
    LISTPACK_MAX, lp_behind, lp_bytes, lp_count, lp_delete_range, lp_first, lp_free, lp_get, lp_new, lp_next,
    lp_previous, lp_seek, lp_text,
)
from mtredis.keyspace.encoding.ordered cimport (
    cursor_item, cursor_next, cursor_previous, key_of_double, ordered_at, ordered_rank, ordered_seek, ordered_seek_key,
)
from mtredis.keyspace.entry cimport TYPE_SORTED_SET, Entry, entry_key
from mtredis.keyspace.types.ranking cimport (
    Ranking, entry_score, ranking_add, ranking_copy, ranking_delete, ranking_free, ranking_memory, ranking_move,
    ranking_new,
)
from mtredis.keyspace.types.sorted_listpack cimport (
    compare_packed, compare_texts, packed_delete, packed_find, packed_insert, packed_move, packed_score, packed_spot,
)
from mtredis.keyspace.value cimport (
    IN_LISTPACK, IN_SKIPLIST, register_encoding, word_encoding, word_memory, word_of,
)
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_to_text

from mtredis.errors import CommandError

cdef enum:
    PAIR_OVERHEAD = 64           # bytes that a packed pair takes at most beside its member
    SAMPLE_FACTOR = 3            # a sample of a greater part is taken from a list of all


# Scores and order -------------------------------------------------------------------------------------------------


cdef int decide(double current, double *score, int flags) noexcept nogil:
    """What is to become of a member that is there; *score is its new score."""
    if flags & ZADD_NX:
        return ZSET_SKIPPED
    if flags & ZADD_INCR:
        score[0] += current
        if score[0] != score[0]:
            return ZSET_NAN
    if (flags & ZADD_LT and score[0] >= current) or (flags & ZADD_GT and score[0] <= current):
        return ZSET_SKIPPED
    return ZSET_UNCHANGED if score[0] == current else ZSET_UPDATED


# Listpacks --------------------------------------------------------------------------------------------------------


cdef inline Listpack *packed_of(Word word) noexcept nogil:
    return <Listpack *> word_memory(word)


cdef bint packed_has_room(Core *core, Listpack *lp, size_t length) noexcept nogil:
    """Whether one more member of that length may lie in the listpack."""
    return (<int64_t> (lp_count(lp) // 2) < core.limits.zset_max_listpack_entries
            and <int64_t> length <= core.limits.zset_max_listpack_value
            and lp_bytes(lp) + length + PAIR_OVERHEAD < LISTPACK_MAX)


cdef int packed_update(Core *core, Word *word, const char *member, size_t length, double *score,
                       int flags) noexcept nogil:
    """zset_update for a listpack, which may become a ranking."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Listpack *found = packed_find(lp, member, length)
    cdef int code
    if found != NULL:
        code = decide(packed_score(lp_behind(found)), score, flags)
        if code == ZSET_UPDATED and packed_move(word, found, member, length, score[0]) < 0:
            return ZSET_NO_MEMORY
        return code
    if flags & ZADD_XX:
        return ZSET_SKIPPED
    if packed_has_room(core, lp, length):
        return ZSET_ADDED if packed_insert(word, packed_spot(lp, member, length, score[0]), member, length,
                                           score[0]) == 0 else ZSET_NO_MEMORY
    if spread(core, word) < 0:
        return ZSET_NO_MEMORY
    return ZSET_ADDED if ranking_add(ranking_of(word[0]), member, length, score[0]) == 0 else ZSET_NO_MEMORY


# Rankings ---------------------------------------------------------------------------------------------------------


cdef inline Ranking *ranking_of(Word word) noexcept nogil:
    return <Ranking *> word_memory(word)


cdef int ranking_update(Ranking *ranking, const char *member, size_t length, double *score, int flags) noexcept nogil:
    """zset_update for a ranking."""
    cdef Entry *entry = fields_find(ranking.members, member, length)
    cdef int code
    if entry == NULL:
        if flags & ZADD_XX:
            return ZSET_SKIPPED
        return ZSET_ADDED if ranking_add(ranking, member, length, score[0]) == 0 else ZSET_NO_MEMORY
    code = decide(entry_score(entry), score, flags)
    if code == ZSET_UPDATED and ranking_move(ranking, entry, score[0]) < 0:
        return ZSET_NO_MEMORY
    return code


cdef int spread(Core *core, Word *word) noexcept nogil:
    """From a listpack into a ranking; 0, or -1: no memory."""
    cdef Listpack *lp = packed_of(word[0])
    cdef Ranking *ranking = ranking_new(core)
    cdef Listpack *p = lp_first(lp)
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *member
    if ranking == NULL:
        return -1
    while p != NULL:
        member = lp_text(p, digits, &length)
        p = lp_behind(p)
        if ranking_add(ranking, member, length, packed_score(p)) < 0:
            ranking_free(ranking)
            return -1
        p = lp_next(lp, p)
    lp_free(lp)
    word[0] = word_of(ranking, IN_SKIPLIST)
    return 0


# Values, without the GIL ------------------------------------------------------------------------------------------


cdef inline bint is_packed(Word word) noexcept nogil:
    return word_encoding(word) == IN_LISTPACK


cdef Word zset_new(Core *core, size_t length, uint64_t hint) noexcept nogil:
    """An empty value that suits what is about to come; 0: no memory."""
    cdef void *memory
    if hint <= <uint64_t> core.limits.zset_max_listpack_entries \
            and length <= <uint64_t> core.limits.zset_max_listpack_value:
        memory = lp_new(0)
        return word_of(memory, IN_LISTPACK) if memory != NULL else 0
    memory = ranking_new(core)
    return word_of(memory, IN_SKIPLIST) if memory != NULL else 0


cdef int zset_reserve(Core *core, Word *word, uint64_t hint) noexcept nogil:
    """Leaves the listpack at once when so many members are coming that it will not do; 0, or -1: no memory."""
    if is_packed(word[0]) and hint > <uint64_t> core.limits.zset_max_listpack_entries:
        return spread(core, word)
    return 0


cdef uint64_t zset_length(Word word) noexcept nogil:
    """How many members there are."""
    return lp_count(packed_of(word)) // 2 if is_packed(word) else ranking_of(word).order.count


cdef int zset_update(Core *core, Word *word, const char *member, size_t length, double *score,
                     int flags) noexcept nogil:
    """ZADD of one member with options."""
    if is_packed(word[0]):
        return packed_update(core, word, member, length, score, flags)
    return ranking_update(ranking_of(word[0]), member, length, score, flags)


cdef int zset_add(Core *core, Word *word, const char *member, size_t length, double score) noexcept nogil:
    """ZADD of one member."""
    return zset_update(core, word, member, length, &score, 0)


cdef int zset_remove(Core *core, Word *word, const char *member, size_t length) noexcept nogil:
    """1: the member was there and is gone, 0: it was not there."""
    cdef Listpack *p
    cdef Entry *entry
    if is_packed(word[0]):
        p = packed_find(packed_of(word[0]), member, length)
        if p == NULL:
            return 0
        packed_delete(word, p - packed_of(word[0]))
        return 1
    entry = fields_find(ranking_of(word[0]).members, member, length)
    if entry == NULL:
        return 0
    ranking_delete(ranking_of(word[0]), entry)
    return 1


cdef void zset_remove_range(Core *core, Word *word, uint64_t rank, uint64_t count) noexcept nogil:
    """The members from that rank on are gone; there are as many."""
    cdef Cursor cursor
    if is_packed(word[0]):
        word[0] = word_of(lp_delete_range(packed_of(word[0]), <int64_t> rank * 2, count * 2), IN_LISTPACK)
        return
    while count and ordered_at(ranking_of(word[0]).order, rank, &cursor):
        ranking_delete(ranking_of(word[0]), <Entry *> cursor_item(&cursor))
        count -= 1


cdef bint zset_score(Word word, const char *member, size_t length, double *score) noexcept nogil:
    """The member's score; false: it is no member."""
    cdef Listpack *p
    cdef Entry *entry
    if is_packed(word):
        p = packed_find(packed_of(word), member, length)
        if p == NULL:
            return False
        score[0] = packed_score(lp_behind(p))
        return True
    entry = fields_find(ranking_of(word).members, member, length)
    if entry == NULL:
        return False
    score[0] = entry_score(entry)
    return True


cdef int64_t zset_rank(Word word, const char *member, size_t length, bint reverse) noexcept nogil:
    """How many members come before it (after it, if reverse); -1: it is no member."""
    cdef Listpack *found
    cdef Listpack *p
    cdef Entry *entry
    cdef int64_t rank = 0
    if is_packed(word):
        found = packed_find(packed_of(word), member, length)
        if found == NULL:
            return -1
        p = lp_first(packed_of(word))
        while p != found:
            p = lp_behind(lp_behind(p))
            rank += 1
    else:
        entry = fields_find(ranking_of(word).members, member, length)
        if entry == NULL:
            return -1
        rank = ordered_rank(ranking_of(word).order, key_of_double(entry_score(entry)), entry)
    return <int64_t> zset_length(word) - 1 - rank if reverse else rank


cdef uint64_t zset_rank_of_score(Word word, double score, bint beyond) noexcept nogil:
    """How many members have a lower score, or, with `beyond`, one that is not higher."""
    cdef Cursor cursor
    cdef Listpack *p
    cdef uint64_t rank = 0
    cdef double found
    if not is_packed(word):
        return ordered_seek_key(ranking_of(word).order, key_of_double(score) + beyond, &cursor)
    p = lp_first(packed_of(word))
    while p != NULL:
        p = lp_behind(p)
        found = packed_score(p)
        if found > score or (found == score and not beyond):
            break
        rank += 1
        p = lp_next(packed_of(word), p)
    return rank


cdef struct Bound:
    const char *text
    size_t length
    bint beyond


cdef inline bint is_within(int order, bint beyond) noexcept nogil:
    return order < 0 or (order == 0 and beyond)


cdef bint is_entry_before(uint64_t key, const void *item, const void *context) noexcept nogil:
    cdef const Bound *bound = <const Bound *> context
    cdef size_t length
    cdef const char *text = entry_key(<Entry *> item, &length)
    return is_within(compare_texts(text, length, bound.text, bound.length), bound.beyond)


cdef uint64_t zset_rank_of_text(Word word, const char *text, size_t length, bint beyond) noexcept nogil:
    """How many members are below the text, or, with `beyond`, not above it; all scores are equal."""
    cdef Bound bound
    cdef Cursor cursor
    cdef Listpack *p
    cdef uint64_t rank = 0
    if not is_packed(word):
        bound.text = text
        bound.length = length
        bound.beyond = beyond
        return ordered_seek(ranking_of(word).order, is_entry_before, &bound, &cursor)
    p = lp_first(packed_of(word))
    while p != NULL and is_within(compare_packed(p, text, length), beyond):
        rank += 1
        p = lp_next(packed_of(word), lp_behind(p))
    return rank


cdef void zset_start(Word word, uint64_t rank, bint reverse, ZsetCursor *cursor) noexcept nogil:
    """Puts a cursor on the member of that rank, if there is one."""
    cdef uint64_t count = zset_length(word)
    cursor.word = word
    cursor.reverse = reverse
    cursor.packed = NULL
    cursor.ranked.leaf = NULL
    if rank >= count:
        return
    if reverse:
        rank = count - 1 - rank
    if is_packed(word):
        cursor.packed = lp_seek(packed_of(word), <int64_t> rank * 2)
    else:
        ordered_at(ranking_of(word).order, rank, &cursor.ranked)


cdef bint zset_next(ZsetCursor *cursor, Element *member, double *score) noexcept nogil:
    """The member under the cursor, which moves on; false: there is none."""
    cdef Listpack *lp
    cdef Entry *entry
    if is_packed(cursor.word):
        if cursor.packed == NULL:
            return False
        lp = packed_of(cursor.word)
        lp_get(cursor.packed, member)
        score[0] = packed_score(lp_behind(cursor.packed))
        if not cursor.reverse:
            cursor.packed = lp_next(lp, lp_behind(cursor.packed))
        else:
            cursor.packed = lp_previous(lp, cursor.packed)
            if cursor.packed != NULL:
                cursor.packed = lp_previous(lp, cursor.packed)
        return True
    if cursor.ranked.leaf == NULL:
        return False
    entry = <Entry *> cursor_item(&cursor.ranked)
    member.text = entry_key(entry, &member.length)
    score[0] = entry_score(entry)
    if cursor.reverse:
        cursor_previous(&cursor.ranked)
    else:
        cursor_next(&cursor.ranked)
    return True


cdef bint zset_draw(Core *core, Word word, Element *member, double *score) noexcept nogil:
    """A random member; false: there is none."""
    cdef uint64_t count = zset_length(word)
    cdef Entry *entry
    cdef Listpack *p
    if count == 0:
        return False
    if is_packed(word):
        p = lp_seek(packed_of(word), <int64_t> (((next_random(&core.random) >> 32) * count) >> 32) * 2)
        lp_get(p, member)
        score[0] = packed_score(lp_behind(p))
        return True
    entry = fields_random(ranking_of(word).members, &core.random)
    member.text = entry_key(entry, &member.length)
    score[0] = entry_score(entry)
    return True


# The handle -------------------------------------------------------------------------------------------------------


cdef bytes bytes_of(Element *member):
    cdef char digits[INTEGER_TEXT_SIZE]
    if member.text != NULL:
        return PyBytes_FromStringAndSize(member.text, member.length)
    return PyBytes_FromStringAndSize(digits, integer_to_text(digits, member.number))


cdef class SortedSet(Collection):
    """A sorted set as handlers hold it; members are bytes, scores floats. Lists of pairs are flat."""

    def __cinit__(self):
        self.type = TYPE_SORTED_SET

    cdef int start(self) except -1:
        """An empty listpack, or a ranking where the limits allow none."""
        self.change.word = zset_new(self.change.core, 0, 0)
        if self.change.word == 0:
            raise MemoryError
        return 0

    cpdef uint64_t length(self):
        """How many members there are."""
        return zset_length(self.change.word)

    cdef int finish(self, int code) except -1:
        """Ends a change; raises what its code says."""
        change_end(&self.change)
        if code == ZSET_NO_MEMORY:
            raise MemoryError
        if code == ZSET_NAN:
            raise CommandError("ERR resulting score is not a number (NaN)")
        return code

    # Changing -------------------------------------------------------------------------------------------------

    def add(self, bytes member not None, double score) -> int:
        """The member has the score. 1: it is new, 0: its score has changed, 2: nothing has."""
        if score != score:
            raise ValueError("NaN is no score")
        change_begin(&self.change)
        return self.finish(zset_add(self.change.core, &self.change.word, PyBytes_AS_STRING(member),
                                    PyBytes_GET_SIZE(member), score))

    def update(self, bytes member not None, double score, int flags) -> object:
        """ZADD or ZINCRBY of one member with options: (code, new score). Raises CommandError for a sum that is NaN."""
        cdef int code
        change_begin(&self.change)
        code = zset_update(self.change.core, &self.change.word, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member),
                           &score, flags)
        return self.finish(code), score

    def update_many(self, list members not None, list scores not None, int flags=0) -> tuple:
        """ZADD without INCR: (how many are new, how many have another score). An empty one takes what suits them."""
        cdef Py_ssize_t i, count = PyList_GET_SIZE(members)
        cdef int64_t added = 0, updated = 0
        cdef double score
        cdef int code
        if count != PyList_GET_SIZE(scores):
            raise ValueError("every member has a score")
        for i in range(count):
            if not PyBytes_CheckExact(members[i]) or type(scores[i]) is not float:
                raise TypeError("members are bytes, scores floats")
        if count == 0:
            return 0, 0
        change_begin(&self.change)
        code = self.prepare(PyBytes_GET_SIZE(members[0]), count)
        for i in range(count):
            if code == ZSET_NO_MEMORY:
                break
            score = PyFloat_AS_DOUBLE(scores[i])
            code = zset_update(self.change.core, &self.change.word, PyBytes_AS_STRING(members[i]),
                               PyBytes_GET_SIZE(members[i]), &score, flags)
            added += code == ZSET_ADDED
            updated += code == ZSET_UPDATED
        self.finish(code)
        return added, updated

    cdef int prepare(self, size_t length, uint64_t hint) noexcept nogil:
        """`hint` members are about to be added, of which the first is that long; -1: no memory."""
        if zset_length(self.change.word) == 0 and is_packed(self.change.word) \
                and length > <uint64_t> self.change.core.limits.zset_max_listpack_value:
            return spread(self.change.core, &self.change.word)
        return zset_reserve(self.change.core, &self.change.word, hint)

    def remove(self, bytes member not None) -> int:
        """1: the member was there and is gone."""
        change_begin(&self.change)
        return self.finish(zset_remove(self.change.core, &self.change.word, PyBytes_AS_STRING(member),
                                       PyBytes_GET_SIZE(member)))

    def remove_many(self, list members not None, Py_ssize_t start=0) -> int:
        """None of `members[start:]` is a member; how many were."""
        cdef Py_ssize_t i
        cdef int64_t removed = 0
        for i in range(start, PyList_GET_SIZE(members)):
            if not PyBytes_CheckExact(members[i]):
                raise TypeError("members are bytes")
        change_begin(&self.change)
        for i in range(start, PyList_GET_SIZE(members)):
            removed += zset_remove(self.change.core, &self.change.word, PyBytes_AS_STRING(members[i]),
                                   PyBytes_GET_SIZE(members[i]))
        change_end(&self.change)
        return removed

    cpdef int remove_range(self, uint64_t rank, uint64_t count) except -1:
        """The members from that rank on are gone, as many as there are up to `count`."""
        cdef uint64_t length = self.length()
        if rank < length and count:
            change_begin(&self.change)
            zset_remove_range(self.change.core, &self.change.word, rank, min(count, length - rank))
            change_end(&self.change)
        return 0

    def pop(self, uint64_t count, bint highest=False) -> list:
        """The pairs with the lowest (highest) scores, from the end inwards, which are gone now."""
        cdef uint64_t length = self.length()
        cdef list pairs
        count = min(count, length)
        pairs = self.range(0, count, highest)
        self.remove_range(length - count if highest else 0, count)
        return pairs

    # Reading --------------------------------------------------------------------------------------------------

    cpdef object score(self, bytes member):
        """The member's score; None: it is no member."""
        cdef double score
        if not zset_score(self.change.word, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member), &score):
            return None
        return score

    def rank(self, bytes member not None, bint reverse=False) -> object:
        """How many members come before it (after it, if reverse); None: it is no member."""
        cdef int64_t rank = zset_rank(self.change.word, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member), reverse)
        return rank if rank >= 0 else None

    def rank_of_score(self, double score, bint beyond=False) -> int:
        """How many members have a lower score, or, with `beyond`, one that is not higher."""
        return zset_rank_of_score(self.change.word, score, beyond)

    def rank_of_text(self, bytes text not None, bint beyond=False) -> int:
        """How many members are below the text, or, with `beyond`, not above it; for equal scores."""
        return zset_rank_of_text(self.change.word, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), beyond)

    cpdef list range(self, uint64_t rank, uint64_t count, bint reverse=False):
        """The pairs from that rank on, as many as there are up to `count`."""
        cdef ZsetCursor cursor
        cdef Element member
        cdef double score
        cdef list pairs = []
        zset_start(self.change.word, rank, reverse, &cursor)
        while count and zset_next(&cursor, &member, &score):
            pairs.append(bytes_of(&member))
            pairs.append(score)
            count -= 1
        return pairs

    cpdef list members(self, uint64_t rank, uint64_t count, bint reverse=False):
        """The same without the scores."""
        cdef ZsetCursor cursor
        cdef Element member
        cdef double score
        cdef list found = []
        zset_start(self.change.word, rank, reverse, &cursor)
        while count and zset_next(&cursor, &member, &score):
            found.append(bytes_of(&member))
            count -= 1
        return found

    def random(self, uint64_t count) -> list:
        """Pairs, each drawn from all members with the same probability."""
        cdef Element member
        cdef double score
        cdef list pairs = []
        while count and zset_draw(self.change.core, self.change.word, &member, &score):
            pairs.append(bytes_of(&member))
            pairs.append(score)
            count -= 1
        return pairs

    def sample(self, uint64_t count) -> list:
        """Pairs of `count` distinct members (all, if there are not so many), each choice with the same probability."""
        cdef Element member
        cdef double score
        cdef uint64_t i, j, length = self.length()
        cdef dict chosen = {}
        cdef list pairs, part
        if count >= length:
            return self.range(0, length)
        if count * SAMPLE_FACTOR <= length and not is_packed(self.change.word):
            while <uint64_t> len(chosen) < count:
                zset_draw(self.change.core, self.change.word, &member, &score)
                chosen[bytes_of(&member)] = score
            return [value for pair in chosen.items() for value in pair]
        pairs = self.range(0, length)
        part = []
        for i in range(count):
            j = i + (((next_random(&self.change.core.random) >> 32) * (length - i)) >> 32)
            part.append(pairs[2 * j])
            part.append(pairs[2 * j + 1])
            pairs[2 * j] = pairs[2 * i]
            pairs[2 * j + 1] = pairs[2 * i + 1]
        return part

    def scan(self, uint64_t cursor, int64_t count) -> tuple:
        """(the next cursor, pairs): a part of them, about `count`; cursor 0 begins and ends. Scores are texts, as ZSCAN
        gives them: of a listpack the digits that it holds, of a ranking 17 digits."""
        cdef Entry *batch[FIELDS_BATCH]
        cdef Listpack *lp
        cdef list pairs = []
        cdef int64_t visits = count * 10
        cdef size_t length
        cdef char *member
        cdef int i
        if is_packed(self.change.word):
            return 0, self.texts()
        while visits >= 0:
            for i in range(fields_scan(ranking_of(self.change.word).members, cursor, batch, &cursor)):
                member = entry_key(batch[i], &length)
                pairs.append(PyBytes_FromStringAndSize(member, length))
                pairs.append(b"%.17g" % entry_score(batch[i]))
            visits -= 1
            if cursor == 0 or <int64_t> PyList_GET_SIZE(pairs) >= 2 * count:
                break
        return cursor, pairs

    cdef list texts(self):
        """The elements of a listpack as they are."""
        cdef char digits[INTEGER_TEXT_SIZE]
        cdef Listpack *lp = packed_of(self.change.word)
        cdef Listpack *p = lp_first(lp)
        cdef list found = []
        cdef size_t length
        cdef const char *text
        while p != NULL:
            text = lp_text(p, digits, &length)
            found.append(PyBytes_FromStringAndSize(text, length))
            p = lp_next(lp, p)
        return found


cdef uint64_t count_ranking(void *memory) noexcept nogil:
    return fields_count((<Ranking *> memory).members)


register_encoding(IN_SKIPLIST, b"skiplist", ranking_free, ranking_memory, ranking_copy, count_ranking)
