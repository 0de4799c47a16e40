# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET understand them.

Idea: `*` any run, `?` one byte, `[abc]` `[^abc]` `[a-z]` one of a class, a backslash takes the next byte as it is.
Everything but `*` takes exactly one byte, so only the last `*` seen ever needs to be tried again further right: two
remembered positions replace recursion, and the worst case is pattern times text, never exponential.

Owner: none; a pure function on C memory, no locale.

Kept from Redis although it surprises: `*` does not match the empty text; a class left open ends with the pattern; a
range may run backwards; an escaped byte in a class ignores `nocase`; bytes above 127 compare as negative in a
range; more than 1000 stars (runs of stars count as one, the last byte of the pattern not at all) match nothing.
"""

cdef enum:
    STAR_LIMIT = 1000


cdef inline signed char lower(char c) noexcept nogil:
    return <signed char> (c + 32 if c >= c'A' and c <= c'Z' else c)


cdef inline bint same(char left, char right, bint nocase) noexcept nogil:
    return lower(left) == lower(right) if nocase else left == right


cdef bint in_range(char first, char last, char c, bint nocase) noexcept nogil:
    cdef signed char low = <signed char> first, high = <signed char> last, byte = <signed char> c
    if low > high:
        low, high = high, low
    if nocase:
        low, high, byte = lower(low), lower(high), lower(byte)
    return low <= byte and byte <= high


cdef bint match_class(const char **cursor, const char *end, char c, bint nocase) noexcept nogil:
    """Does `c` belong to the class whose '[' the cursor stands on? Afterwards the cursor is behind the class."""
    cdef const char *p = cursor[0] + 1
    cdef bint negated = p < end and p[0] == c'^'
    cdef bint found = False
    if negated:
        p += 1
    while p < end:
        if p[0] == c'\\' and end - p >= 2:
            p += 1
            found = found or p[0] == c
        elif p[0] == c']':
            p += 1
            break
        elif end - p >= 3 and p[1] == c'-':
            found = found or in_range(p[0], p[2], c, nocase)
            p += 2
        else:
            found = found or same(p[0], c, nocase)
        p += 1
    cursor[0] = p
    return found != negated


cdef bint match_one(const char **cursor, const char *end, char c, bint nocase) noexcept nogil:
    """Does the pattern's next element, which is no '*', take the byte `c`? The cursor moves behind the element."""
    cdef const char *p = cursor[0]
    if p[0] == c'[':
        return match_class(cursor, end, c, nocase)
    if p[0] == c'?':
        cursor[0] = p + 1
        return True
    if p[0] == c'\\' and end - p >= 2:
        p += 1
    cursor[0] = p + 1
    return same(p[0], c, nocase)


cdef bint glob(const char *pattern, size_t pattern_length, const char *text, size_t text_length,
               bint nocase) noexcept nogil:
    """Does the whole text match the pattern?"""
    cdef const char *p = pattern
    cdef const char *p_end = pattern + pattern_length
    cdef const char *t = text
    cdef const char *t_end = text + text_length
    cdef const char *retry_pattern = NULL    # behind the last star
    cdef const char *retry_text = NULL       # where the text behind that star was assumed to begin
    cdef int stars = 0
    while True:
        while p < p_end and t < t_end:
            if p[0] == c'*':
                while p + 1 < p_end and p[1] == c'*':
                    p += 1
                if p + 1 == p_end:
                    return True
                stars += 1
                if stars > STAR_LIMIT:
                    return False
                p += 1
                retry_pattern, retry_text = p, t
                continue
            if not match_one(&p, p_end, t[0], nocase):
                break
            t += 1
            if t == t_end:
                while p < p_end and p[0] == c'*':
                    p += 1
        if p == p_end and t == t_end:
            return True
        if retry_pattern == NULL:
            return False
        retry_text += 1
        if retry_text >= t_end:
            return False
        p, t = retry_pattern, retry_text


def glob_match(bytes pattern not None, bytes text not None, bint nocase=False) -> bool:
    """Does the whole text match the pattern, with `nocase` regardless of the case of ASCII letters?"""
    return glob(pattern, len(pattern), text, len(text), nocase)
