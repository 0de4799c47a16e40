# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Listpacks and intsets as Python objects: for tests, DUMP and DEBUG. Nothing on the path of a command comes here.

Idea: `PackedList` and `PackedSet` hold one buffer each; a method is one function of `listpack.pxd` or `intset.pxd` with
indexes in the place of addresses. Owner: one thread at a time.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t
from mtredis.keyspace.encoding.intset cimport (
    Intset, is_add, is_bytes, is_copy, is_count, is_find, is_free, is_get, is_memory, is_new, is_remove, is_remove_at,
    is_valid_intset,
)
from mtredis.keyspace.encoding.listpack cimport (
    LP_HEADER, Element, Listpack, lp_append, lp_append_integer, lp_behind, lp_bytes, lp_copy, lp_count, lp_delete,
    lp_delete_range, lp_element_size, lp_equals, lp_find, lp_first, lp_free, lp_get, lp_insert, lp_insert_integer,
    lp_is_valid, lp_last, lp_memory, lp_merge, lp_new, lp_next, lp_prepend, lp_previous, lp_seek, lp_text,
)
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE


cdef Listpack *or_raise(Listpack *lp) except NULL:
    if lp == NULL:
        raise MemoryError("a listpack cannot grow")
    return lp


cdef bytes element_bytes(const Listpack *p):
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef size_t length
    cdef const char *text = lp_text(p, digits, &length)
    return PyBytes_FromStringAndSize(text, <Py_ssize_t> length)


def is_valid_listpack(data) -> bool:
    """Whether any contiguous buffer holds a whole and sound listpack; reads nothing behind its end."""
    cdef Py_buffer view
    cdef bint answer
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    answer = lp_is_valid(<const unsigned char *> view.buf, <size_t> view.len)
    PyBuffer_Release(&view)
    return answer


def listpack_of(list elements) -> bytes:
    """The listpack of these elements (bytes)."""
    packed = PackedList()
    for element in elements:
        packed.append(element)
    return packed.dump()


def elements_of(bytes data not None) -> list[bytes]:
    """The elements of a listpack, integers as digits; ValueError if it is not sound."""
    return list(PackedList(data))


def element_size(bytes text not None) -> int:
    """Bytes that an element of this text takes."""
    return lp_element_size(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef class PackedList:
    """A listpack that is a Python object: each method is one function of `listpack.pxd`, positions are indexes.

    An index without an element raises IndexError, except where None says that there is none."""
    cdef Listpack *lp

    def __cinit__(self, bytes data=None, size_t capacity=0):
        if data is None:
            self.lp = or_raise(lp_new(capacity))
        elif is_valid_listpack(data):
            self.lp = or_raise(lp_copy(<const Listpack *> PyBytes_AS_STRING(data)))
        else:
            raise ValueError("not a listpack")

    def __dealloc__(self):
        lp_free(self.lp)

    def __len__(self):
        return lp_count(self.lp)

    def __iter__(self):
        cdef Listpack *p = lp_first(self.lp)
        found = []
        while p != NULL:
            found.append(element_bytes(p))
            p = lp_next(self.lp, p)
        return iter(found)

    def __reversed__(self):
        cdef Listpack *p = lp_last(self.lp)
        found = []
        while p != NULL:
            found.append(element_bytes(p))
            p = lp_previous(self.lp, p)
        return iter(found)

    cdef Listpack *at(self, int64_t index) except NULL:
        cdef Listpack *p = lp_seek(self.lp, index)
        if p == NULL:
            raise IndexError(index)
        return p

    cdef int64_t index_of(self, const Listpack *p) noexcept:
        cdef const Listpack *walk = self.lp + LP_HEADER
        cdef int64_t index = 0
        while walk != p:
            walk = lp_behind(<Listpack *> walk)
            index += 1
        return index

    def __getitem__(self, int64_t index):
        """bytes, or an int where the element is stored as an integer."""
        cdef Element element
        lp_get(self.at(index), &element)
        if element.text == NULL:
            return element.number
        return PyBytes_FromStringAndSize(element.text, <Py_ssize_t> element.length)

    def dump(self) -> bytes:
        return PyBytes_FromStringAndSize(<const char *> self.lp, <Py_ssize_t> lp_bytes(self.lp))

    def memory(self) -> int:
        return lp_memory(self.lp)

    def append(self, bytes text not None) -> None:
        self.lp = or_raise(lp_append(self.lp, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))

    def append_integer(self, int64_t number) -> None:
        self.lp = or_raise(lp_append_integer(self.lp, number))

    def prepend(self, bytes text not None) -> None:
        self.lp = or_raise(lp_prepend(self.lp, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))

    def insert(self, int64_t index, int where, text) -> int:
        """Puts bytes or an int before (0), after (1) or in place of (2) an element; the new one's index."""
        cdef Listpack *p = self.at(index)
        cdef Listpack *put_at = NULL
        cdef bytes plain
        if isinstance(text, int):
            self.lp = or_raise(lp_insert_integer(self.lp, p, where, text, &put_at))
        else:
            plain = text
            self.lp = or_raise(
                lp_insert(self.lp, p, where, PyBytes_AS_STRING(plain), PyBytes_GET_SIZE(plain), &put_at)
            )
        return self.index_of(put_at)

    def delete(self, int64_t index) -> int | None:
        """The index of the element behind the deleted one, if there is one."""
        cdef Listpack *following = NULL
        self.lp = or_raise(lp_delete(self.lp, self.at(index), &following))
        return self.index_of(following) if following != NULL else None

    def delete_range(self, int64_t index, size_t count) -> None:
        self.lp = or_raise(lp_delete_range(self.lp, index, count))

    def merge(self, PackedList tail not None) -> None:
        if tail is self:
            raise ValueError("a listpack cannot be its own tail")
        self.lp = or_raise(lp_merge(self.lp, tail.lp))

    def find(self, bytes text not None, int64_t start=0, int skip=0) -> int | None:
        cdef Listpack *p = lp_find(
            self.lp, lp_seek(self.lp, start), PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), skip
        )
        return self.index_of(p) if p != NULL else None

    def equals(self, int64_t index, bytes text not None) -> bool:
        return lp_equals(self.at(index), PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef Intset *set_or_raise(Intset *set) except NULL:
    if set == NULL:
        raise MemoryError("an intset cannot grow")
    return set


def is_valid_set(data) -> bool:
    """Whether any contiguous buffer holds a whole and sound intset that is not empty; reads nothing behind its end."""
    cdef Py_buffer view
    cdef bint answer
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    answer = is_valid_intset(<const unsigned char *> view.buf, <size_t> view.len)
    PyBuffer_Release(&view)
    return answer


cdef class PackedSet:
    """An intset that is a Python object."""
    cdef Intset *set

    def __cinit__(self, bytes data=None):
        if data is None:
            self.set = set_or_raise(is_new())
        elif is_valid_set(data):
            self.set = set_or_raise(is_copy(<const Intset *> PyBytes_AS_STRING(data)))
        else:
            raise ValueError("not an intset")

    def __dealloc__(self):
        is_free(self.set)

    def __len__(self):
        return is_count(self.set)

    def __iter__(self):
        cdef uint32_t i
        return iter([is_get(self.set, i) for i in range(is_count(self.set))])

    def __contains__(self, int64_t number):
        return is_find(self.set, number, NULL)

    def position(self, int64_t number) -> int:
        """Where it is or would go."""
        cdef uint32_t position
        is_find(self.set, number, &position)
        return position

    def add(self, int64_t number) -> bool:
        cdef bint added
        self.set = set_or_raise(is_add(self.set, number, &added))
        return added

    def remove(self, int64_t number) -> bool:
        cdef bint removed
        self.set = is_remove(self.set, number, &removed)
        return removed

    def remove_at(self, uint32_t position) -> None:
        if position >= is_count(self.set):
            raise IndexError(position)
        self.set = is_remove_at(self.set, position)

    def dump(self) -> bytes:
        return PyBytes_FromStringAndSize(<const char *> self.set, <Py_ssize_t> is_bytes(self.set))

    def memory(self) -> int:
        return is_memory(self.set)
