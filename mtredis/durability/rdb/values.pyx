# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Values from RDB data: each type of value that any version of Redis has written becomes one of ours.

Idea: what is packed is taken as it is after it was checked (`packed`), with one copy, or made into a listpack first
(`ancient`). It is unpacked when it has more elements than the limits allow; as in Redis their lengths do not matter
then. What comes element by element is built with the types' own functions, which choose its encoding as they always do.

Owner: the executor, or whoever owns the core; nothing of a database is touched.
Invariant: what is refused has left nothing behind.
Limits: values of modules are refused: nobody here could use them.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy
from mtredis.durability.rdb.format cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_LISTPACK_EX, RDB_HASH_LISTPACK_EX_PRE_GA, RDB_HASH_METADATA,
    RDB_HASH_METADATA_PRE_GA, RDB_HASH_ZIPLIST, RDB_HASH_ZIPMAP, RDB_LIST, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST_2,
    RDB_LIST_ZIPLIST, RDB_MODULE_2, RDB_MODULE_PRE_GA, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_STREAM_LISTPACKS,
    RDB_STREAM_LISTPACKS_2, RDB_STREAM_LISTPACKS_3, RDB_STRING, RDB_ZSET, RDB_ZSET_2, RDB_ZSET_LISTPACK,
    RDB_ZSET_ZIPLIST, SCORE_INFINITE, SCORE_NAN,
)
from mtredis.durability.rdb.input cimport (
    input_bad, input_need, read_byte, read_chunk, read_int64, read_length, read_text, text_free,
)
from mtredis.durability.rdb.lists cimport load_list, no_memory, read_ancient, read_count, read_listpack
from mtredis.durability.rdb.packed cimport packed_check, packed_check_scores, packed_check_times
from mtredis.durability.rdb.streams cimport load_stream
from mtredis.keyspace.encoding.fields cimport Fields, fields_find, fields_set
from mtredis.keyspace.encoding.intset cimport Intset, is_count, is_get, is_valid_intset
from mtredis.keyspace.encoding.listpack cimport (
    Listpack, lp_behind, lp_count, lp_first, lp_free, lp_next, lp_seek, lp_text,
)
from mtredis.keyspace.encoding.timed cimport (
    NO_TIME, TimedFields, timed_free, timed_new, timed_set, triples_append, triples_set_time, triples_time,
)
from mtredis.keyspace.entry cimport TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING
from mtredis.keyspace.types.hash cimport hash_new, hash_prepare_times, hash_set, hash_set_time
from mtredis.keyspace.types.ranking cimport Ranking, ranking_add, ranking_free, ranking_new
from mtredis.keyspace.types.set cimport set_add, set_empty
from mtredis.keyspace.types.sorted_listpack cimport packed_score
from mtredis.keyspace.types.sorted_set cimport ZSET_ADDED, zset_add, zset_new
from mtredis.keyspace.value cimport (
    IN_FIELDS, IN_HASHTABLE, IN_INTSET, IN_LISTPACK, IN_LISTPACK_EX, IN_SKIPLIST, value_free, word_encoding,
    word_memory, word_of,
)
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, double_from_text, integer_to_text

cdef extern from "math.h" nogil:
    double INFINITY

cdef enum:
    TIME_MOST_BITS = 48          # of a field's time to live, in unix ms
    INTSET_MOST = 1 << 30        # members, whatever the limits say


# Sets -------------------------------------------------------------------------------------------------------------


cdef bint add_members(Input *input, Core *core, Word *word, uint64_t count) noexcept nogil:
    cdef Text text
    cdef int code
    while count:
        if not read_text(input, &text):
            text_free(&text)
            return False
        code = set_add(core, word, text.text, text.length)
        text_free(&text)
        if code < 0:
            return no_memory(input)
        if code == 0:
            return input_bad(input, b"a member is there twice,")
        count -= 1
    return True


cdef Word load_plain_set(Input *input, Core *core) noexcept nogil:
    cdef uint64_t count
    cdef Word word
    if not read_count(input, &count, 1):
        return 0
    word = set_empty(core, IN_INTSET if count <= <uint64_t> min(core.limits.set_max_intset_entries,
                                                                 <int64_t> INTSET_MOST) else IN_FIELDS)
    if word == 0:
        no_memory(input)
    elif not add_members(input, core, &word, count):
        value_free(word)
        word = 0
    return word


cdef Word spread_intset(Input *input, Core *core, Intset *set) noexcept nogil:
    """A table of its members; the intset is freed."""
    cdef Word word = set_empty(core, IN_FIELDS)
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef uint64_t i
    for i in range(is_count(set)):
        if word == 0:
            break
        if fields_set(<Fields *> word_memory(word), digits, integer_to_text(digits, is_get(set, <uint32_t> i)), b"", 0,
                      -1) < 0:
            value_free(word)
            word = 0
    free(set)
    if word == 0:
        no_memory(input)
    return word


cdef Word load_intset(Input *input, Core *core) noexcept nogil:
    cdef unsigned char *chunk = NULL
    cdef size_t length = 0
    if not read_chunk(input, &chunk, &length):
        return 0
    if not is_valid_intset(chunk, length):
        free(chunk)
        input_bad(input, b"an intset is damaged")
        return 0
    if <int64_t> is_count(chunk) > core.limits.set_max_intset_entries:
        return spread_intset(input, core, chunk)
    return word_of(chunk, IN_INTSET)


cdef Word spread_set(Input *input, Core *core, Listpack *lp) noexcept nogil:
    """The members of a listpack in a table."""
    cdef Word word = set_empty(core, IN_FIELDS)
    cdef Listpack *p = lp_first(lp)
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text
    while word and p != NULL:
        text = lp_text(p, digits, &length)
        if fields_set(<Fields *> word_memory(word), text, length, b"", 0, -1) < 0:
            value_free(word)
            word = 0
        p = lp_next(lp, p)
    if word == 0:
        no_memory(input)
    return word


# Packed sets, sorted sets and hashes ------------------------------------------------------------------------------


cdef Listpack *checked(Input *input, Core *core, Listpack *lp, size_t width) noexcept nogil:
    """The listpack (NULL: NULL) after packed_check; NULL: it was freed."""
    if lp == NULL or packed_check(input, core, &lp, width):
        return lp
    lp_free(lp)
    return NULL


cdef Word become(Input *input, Listpack *lp, Word word) noexcept nogil:
    """The listpack has been made into something else (0: no memory)."""
    lp_free(lp)
    if word == 0:
        no_memory(input)
    return word


cdef Word load_packed_set(Input *input, Core *core) noexcept nogil:
    cdef Listpack *lp = checked(input, core, read_listpack(input), 1)
    if lp == NULL:
        return 0
    if <int64_t> lp_count(lp) > core.limits.set_max_listpack_entries:
        return become(input, lp, spread_set(input, core, lp))
    return word_of(lp, IN_LISTPACK)


cdef Word packed_to_ranking(Core *core, Listpack *lp) noexcept nogil:
    """0: no memory."""
    cdef Ranking *ranking = ranking_new(core)
    cdef Listpack *p = lp_first(lp)
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *member
    while ranking != NULL and p != NULL:
        member = lp_text(p, digits, &length)
        p = lp_behind(p)
        if ranking_add(ranking, member, length, packed_score(p)) < 0:
            ranking_free(ranking)
            return 0
        p = lp_next(lp, p)
    return word_of(ranking, IN_SKIPLIST) if ranking != NULL else 0


cdef Word sorted_anew(Core *core, Listpack *lp) noexcept nogil:
    """A sorted set of pairs that are in no order; 0: no memory."""
    cdef Word word = zset_new(core, 0, lp_count(lp) // 2)
    cdef Listpack *p = lp_first(lp)
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *member
    while word and p != NULL:
        member = lp_text(p, digits, &length)
        p = lp_behind(p)
        if zset_add(core, &word, member, length, packed_score(p)) < 0:
            value_free(word)
            return 0
        p = lp_next(lp, p)
    return word


cdef Word load_packed_zset(Input *input, Core *core, Listpack *lp) noexcept nogil:
    cdef bint is_sorted = True
    lp = checked(input, core, lp, 2)
    if lp == NULL:
        return 0
    if not packed_check_scores(input, lp, &is_sorted):
        lp_free(lp)
        return 0
    if <int64_t> (lp_count(lp) // 2) > core.limits.zset_max_listpack_entries:
        return become(input, lp, packed_to_ranking(core, lp))
    if not is_sorted:
        return become(input, lp, sorted_anew(core, lp))
    return word_of(lp, IN_LISTPACK)


cdef Word packed_to_table(Core *core, Listpack *lp, bint has_times) noexcept nogil:
    """A hash's table; 0: no memory."""
    cdef TimedFields *timed = timed_new(core)
    cdef Listpack *p = lp_first(lp)
    cdef char digits[2][INTEGER_TEXT_SIZE]
    cdef size_t length, value_length
    cdef const char *field
    cdef const char *value
    cdef int64_t time = NO_TIME
    while timed != NULL and p != NULL:
        if has_times:
            time = triples_time(lp, p)
        field = lp_text(p, digits[0], &length)
        p = lp_behind(p)
        value = lp_text(p, digits[1], &value_length)
        if timed_set(timed, field, length, value, value_length, time) < 0:
            timed_free(timed)
            return 0
        p = lp_next(lp, lp_behind(p)) if has_times else lp_next(lp, p)
    return word_of(timed, IN_HASHTABLE) if timed != NULL else 0


cdef Word load_packed_hash(Input *input, Core *core, Listpack *lp) noexcept nogil:
    lp = checked(input, core, lp, 2)
    if lp == NULL:
        return 0
    if <int64_t> (lp_count(lp) // 2) > core.limits.hash_max_listpack_entries:
        return become(input, lp, packed_to_table(core, lp, False))
    return word_of(lp, IN_LISTPACK)


cdef Word timed_anew(Listpack *lp) noexcept nogil:
    """Triples in the order of their times; 0: no memory."""
    cdef Word word = hash_new()
    cdef Listpack *p = lp_first(lp)
    cdef Listpack *sorted_lp
    cdef char digits[2][INTEGER_TEXT_SIZE]
    cdef size_t length, value_length
    cdef const char *field
    cdef const char *value
    if word == 0:
        return 0
    if hash_prepare_times(&word) < 0:
        value_free(word)
        return 0
    sorted_lp = <Listpack *> word_memory(word)
    while p != NULL:
        field = lp_text(p, digits[0], &length)
        value = lp_text(lp_behind(p), digits[1], &value_length)
        if triples_append(&sorted_lp, field, length, value, value_length) < 0 or \
                triples_set_time(&sorted_lp, lp_seek(sorted_lp, -3), triples_time(lp, p)) < 0:
            lp_free(sorted_lp)
            return 0
        p = lp_next(lp, lp_behind(lp_behind(p)))
    return word_of(sorted_lp, IN_LISTPACK_EX)


cdef Word load_packed_times(Input *input, Core *core, int kind) noexcept nogil:
    """A hash with times in a listpack; the first time is written before it, too."""
    cdef int64_t first
    cdef bint is_sorted = True
    cdef Listpack *lp
    if kind == RDB_HASH_LISTPACK_EX and not read_int64(input, &first):
        return 0
    lp = checked(input, core, read_listpack(input), 3)
    if lp == NULL:
        return 0
    if not packed_check_times(input, lp, &is_sorted):
        lp_free(lp)
        return 0
    if <int64_t> (lp_count(lp) // 3) > core.limits.hash_max_listpack_entries:
        return become(input, lp, packed_to_table(core, lp, True))
    if not is_sorted:
        return become(input, lp, timed_anew(lp))
    return word_of(lp, IN_LISTPACK_EX)


# Sorted sets and hashes by elements -------------------------------------------------------------------------------


cdef bint read_score(Input *input, int kind, double *score) noexcept nogil:
    cdef char text[256]
    cdef int length
    if kind == RDB_ZSET_2:
        if not read_int64(input, <int64_t *> score):
            return False
    else:
        if not read_byte(input, &length):
            return False
        if length >= SCORE_NAN:
            score[0] = INFINITY if length == SCORE_INFINITE else -INFINITY
            return True if length != SCORE_NAN else input_bad(input, b"a score is no number")
        if not input_need(input, length):
            return False
        memcpy(text, input.data + input.at, length)
        text[length] = 0
        if not double_from_text(text, length, score):
            return input_bad(input, b"a score is no number")
        input.at += length
    return True if score[0] == score[0] else input_bad(input, b"a score is no number")


cdef int add_scored(Core *core, Word *word, Text *text, double score) noexcept nogil:
    """1: added, 0: it was there, -1: no memory."""
    cdef Ranking *ranking
    cdef int code
    if word_encoding(word[0]) == IN_SKIPLIST:
        ranking = <Ranking *> word_memory(word[0])
        if fields_find(ranking.members, text.text, text.length) != NULL:
            return 0
        return -1 if ranking_add(ranking, text.text, text.length, score) < 0 else 1
    code = zset_add(core, word, text.text, text.length, score)
    return code if code < 0 else code == ZSET_ADDED


cdef bint add_scores(Input *input, Core *core, Word *word, int kind, uint64_t count) noexcept nogil:
    cdef Text text
    cdef double score = 0
    cdef int code
    while count:
        if not read_text(input, &text) or not read_score(input, kind, &score):
            text_free(&text)
            return False
        code = add_scored(core, word, &text, score)
        text_free(&text)
        if code < 0:
            return no_memory(input)
        if code == 0:
            return input_bad(input, b"a member is there twice,")
        count -= 1
    return True


cdef Word load_plain_zset(Input *input, Core *core, int kind) noexcept nogil:
    cdef uint64_t count
    cdef Word word
    if not read_count(input, &count, 9 if kind == RDB_ZSET_2 else 2):
        return 0
    word = zset_new(core, 0, count)
    if word == 0:
        no_memory(input)
    elif not add_scores(input, core, &word, kind, count):
        value_free(word)
        word = 0
    return word


cdef Word new_hash(Input *input, Core *core, uint64_t count, bint has_times) noexcept nogil:
    """An empty hash for so many fields."""
    cdef TimedFields *timed
    cdef Word word = 0
    if count > <uint64_t> core.limits.hash_max_listpack_entries:
        timed = timed_new(core)
        word = word_of(timed, IN_HASHTABLE) if timed != NULL else 0
    else:
        word = hash_new()
        if word and has_times and hash_prepare_times(&word) < 0:
            value_free(word)
            word = 0
    if word == 0:
        no_memory(input)
    return word


cdef int add_field(Core *core, Word *word, Text *field, Text *value, int64_t time) noexcept nogil:
    """1: added, 0: it was there, -1: no memory."""
    cdef int code
    if word_encoding(word[0]) == IN_HASHTABLE:
        return timed_set(<TimedFields *> word_memory(word[0]), field.text, field.length, value.text, value.length, time)
    code = hash_set(core, word, field.text, field.length, value.text, value.length)
    if code == 1 and time != NO_TIME:
        code = hash_set_time(word, field.text, field.length, time)
    return code


cdef bint read_time(Input *input, int kind, int64_t first, int64_t *time) noexcept nogil:
    """The time to live of the field that follows."""
    cdef uint64_t number = 0
    if not read_length(input, &number):
        return False
    time[0] = NO_TIME
    if number == 0:
        return True
    if kind == RDB_HASH_METADATA:
        number += <uint64_t> first - 1
    if number == 0 or number >> TIME_MOST_BITS:
        return input_bad(input, b"the time to live of a field is none")
    time[0] = <int64_t> number
    return True


cdef bint add_fields(Input *input, Core *core, Word *word, int kind, int64_t first, uint64_t count) noexcept nogil:
    cdef Text field, value
    cdef int64_t time = NO_TIME
    cdef int code
    while count:
        if kind != RDB_HASH and not read_time(input, kind, first, &time):
            return False
        if not read_text(input, &field):
            text_free(&field)
            return False
        if not read_text(input, &value):
            text_free(&field)
            text_free(&value)
            return False
        code = add_field(core, word, &field, &value, time)
        text_free(&field)
        text_free(&value)
        if code < 0:
            return no_memory(input)
        if code == 0:
            return input_bad(input, b"a field is there twice,")
        count -= 1
    return True


cdef Word load_plain_hash(Input *input, Core *core, int kind) noexcept nogil:
    cdef uint64_t count
    cdef int64_t first = 0
    cdef Word word
    if kind == RDB_HASH_METADATA and not read_int64(input, &first):
        return 0
    if first >> TIME_MOST_BITS:
        input_bad(input, b"the first time to live of a hash is none")
        return 0
    if not read_count(input, &count, 2 if kind == RDB_HASH else 3):
        return 0
    word = new_hash(input, core, count, kind != RDB_HASH)
    if word and not add_fields(input, core, &word, kind, first, count):
        value_free(word)
        word = 0
    return word


# Any --------------------------------------------------------------------------------------------------------------


cdef Word load_hash(Input *input, Core *core, int kind) noexcept nogil:
    if kind == RDB_HASH_LISTPACK:
        return load_packed_hash(input, core, read_listpack(input))
    if kind == RDB_HASH_ZIPLIST or kind == RDB_HASH_ZIPMAP:
        return load_ancient_hash(input, core, kind == RDB_HASH_ZIPMAP)
    if kind == RDB_HASH_LISTPACK_EX or kind == RDB_HASH_LISTPACK_EX_PRE_GA:
        return load_packed_times(input, core, kind)
    return load_plain_hash(input, core, kind)


cdef Word load_ancient_hash(Input *input, Core *core, bint is_zipmap) noexcept nogil:
    """What was a zipmap does not stay packed if a name or value is long, either."""
    cdef Word word = load_packed_hash(input, core, read_ancient(input, is_zipmap))
    cdef Listpack *lp = <Listpack *> word_memory(word)
    cdef Listpack *p
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    if word == 0 or not is_zipmap or word_encoding(word) != IN_LISTPACK:
        return word
    p = lp_first(lp)
    while p != NULL:
        lp_text(p, digits, &length)
        if <int64_t> length > core.limits.hash_max_listpack_value:
            return become(input, lp, packed_to_table(core, lp, False))
        p = lp_next(lp, p)
    return word


cdef Word load_zset(Input *input, Core *core, int kind) noexcept nogil:
    if kind == RDB_ZSET_LISTPACK:
        return load_packed_zset(input, core, read_listpack(input))
    if kind == RDB_ZSET_ZIPLIST:
        return load_packed_zset(input, core, read_ancient(input, False))
    return load_plain_zset(input, core, kind)


cdef Word load_set(Input *input, Core *core, int kind) noexcept nogil:
    if kind == RDB_SET_INTSET:
        return load_intset(input, core)
    return load_packed_set(input, core) if kind == RDB_SET_LISTPACK else load_plain_set(input, core)


cdef int type_of_kind(int kind) noexcept nogil:
    """Which type a value of that RDB type is; -1: none of ours."""
    if kind == RDB_STRING:
        return TYPE_STRING
    if kind == RDB_LIST or kind == RDB_LIST_ZIPLIST or kind == RDB_LIST_QUICKLIST or kind == RDB_LIST_QUICKLIST_2:
        return TYPE_LIST
    if kind == RDB_SET or kind == RDB_SET_INTSET or kind == RDB_SET_LISTPACK:
        return TYPE_SET
    if kind == RDB_ZSET or kind == RDB_ZSET_2 or kind == RDB_ZSET_ZIPLIST or kind == RDB_ZSET_LISTPACK:
        return TYPE_SORTED_SET
    if kind == RDB_STREAM_LISTPACKS or kind == RDB_STREAM_LISTPACKS_2 or kind == RDB_STREAM_LISTPACKS_3:
        return TYPE_STREAM
    if (kind == RDB_HASH or kind == RDB_HASH_ZIPMAP or kind == RDB_HASH_ZIPLIST or kind == RDB_HASH_LISTPACK
            or RDB_HASH_METADATA_PRE_GA <= kind <= RDB_HASH_LISTPACK_EX):
        return TYPE_HASH
    return -1


cdef bint load_value(Input *input, Core *core, int kind, Loaded *loaded) noexcept nogil:
    cdef int type = type_of_kind(kind)
    loaded.type = type
    loaded.word = 0
    loaded.text.owned = NULL
    if type == TYPE_STRING:
        if not read_text(input, &loaded.text):
            text_free(&loaded.text)
            return False
        return True
    if type == TYPE_LIST:
        loaded.word = load_list(input, core, kind)
    elif type == TYPE_SET:
        loaded.word = load_set(input, core, kind)
    elif type == TYPE_SORTED_SET:
        loaded.word = load_zset(input, core, kind)
    elif type == TYPE_HASH:
        loaded.word = load_hash(input, core, kind)
    elif type == TYPE_STREAM:
        loaded.word = load_stream(input, kind)
    elif kind == RDB_MODULE_2 or kind == RDB_MODULE_PRE_GA:
        return input_bad(input, b"a key holds the value of a module, and there are no modules here,")
    else:
        return input_bad(input, b"a value is of a type that is not known")
    return loaded.word != 0


cdef void loaded_free(Loaded *loaded) noexcept nogil:
    if loaded.word:
        value_free(loaded.word)
        loaded.word = 0
    text_free(&loaded.text)
