# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What several sets have in common, have together, or do not have.

Idea: one walk over one set, the smallest for an intersection and the first for a difference, looks each member up in
the others, those first that are likeliest to decide. What is to be stored goes straight from values to a value, in the
order and by the steps that Redis takes, since they decide about the encoding of the result.

Owner: the executor. Invariant: results are detached sets, so that no reader sees them half done.
"""
from mtredis.keyspace.encoding.listpack cimport Element
from mtredis.keyspace.types.set cimport (
    SetCursor, bytes_of, set_add_element, set_contains_element, set_next, set_remove_element, set_settle, set_start,
)
from mtredis.keyspace.value cimport IN_INTSET, IN_LISTPACK, word_encoding


cdef int done(int code) except -1:
    if code < 0:
        raise MemoryError
    return code


cdef bint is_in_all(list sets, Element *member) except -1:
    cdef Set other
    for other in sets:
        if not set_contains_element(other.change.core, other.change.word, member):
            return False
    return True


cdef bint is_in_any(list sets, Element *member) except -1:
    cdef Set other
    for other in sets:
        if set_contains_element(other.change.core, other.change.word, member):
            return True
    return False


cdef int64_t intersect(list sets, int64_t limit, list found, Set result) except -1:
    """How many members all sets have, counting up to `limit` (0: all); they go to the list or to the set, if given."""
    cdef list ordered = sorted(sets, key=len)
    cdef list others = ordered[1:]
    cdef Set smallest = ordered[0]
    cdef SetCursor cursor
    cdef Element member
    cdef int64_t count = 0
    if result is not None and word_encoding(smallest.change.word) != IN_INTSET:
        result.restart(IN_LISTPACK)
    set_start(smallest.change.word, &cursor)
    while set_next(&cursor, &member):
        if not is_in_all(others, &member):
            continue
        if found is not None:
            found.append(bytes_of(&member))
        elif result is not None:
            done(set_add_element(result.change.core, &result.change.word, &member))
        count += 1
        if count == limit:
            break
    return count


cpdef list intersection(list sets):
    """The members that all of the sets have; at least one set is given."""
    cdef list found = []
    intersect(sets, 0, found, None)
    return found


cpdef int64_t count_intersection(list sets, int64_t limit):
    """How many members all of the sets have, but not more than `limit` (0: no limit)."""
    return intersect(sets, limit, None, None)


cpdef intersect_into(Set result, list sets):
    """Puts into a new set what all of the sets have: an intset, if that is possible."""
    intersect(sets, 0, None, result)
    if result.length():
        done(set_settle(result.change.core, &result.change.word))


cpdef unite_into(Set result, list sets):
    """Adds the members of the sets, one set after the other, to a detached one."""
    cdef SetCursor cursor
    cdef Element member
    cdef Set source
    for source in sets:
        set_start(source.change.word, &cursor)
        while set_next(&cursor, &member):
            done(set_add_element(result.change.core, &result.change.word, &member))


cdef list remaining(Set first, list others, Set result):
    """The members of `first` that none of the others has; they go to the set, if it is given."""
    cdef list ordered = sorted(others, key=len, reverse=True)
    cdef list found = []
    cdef SetCursor cursor
    cdef Element member
    set_start(first.change.word, &cursor)
    while set_next(&cursor, &member):
        if is_in_any(ordered, &member):
            continue
        if result is None:
            found.append(bytes_of(&member))
        else:
            done(set_add_element(result.change.core, &result.change.word, &member))
    return found


cpdef list difference(Set first, list others):
    """The members of `first` that none of the others has."""
    return remaining(first, others, None)


cpdef subtract_into(Set result, Set first, list others):
    """Puts into a new set what `first` has and none of the others: by looking each member up, or, if the first one is
    that much larger than the others, by adding all and removing what they have.
    """
    cdef SetCursor cursor
    cdef Element member
    cdef Set other
    cdef uint64_t walked = first.length()
    for other in others:
        walked += other.length()
    if (len(others) + 1) * first.length() // 2 <= walked:
        remaining(first, others, result)
        return
    unite_into(result, [first])
    for other in others:
        set_start(other.change.word, &cursor)
        while set_next(&cursor, &member):
            done(set_remove_element(result.change.core, &result.change.word, &member))
        if result.length() == 0:
            break
