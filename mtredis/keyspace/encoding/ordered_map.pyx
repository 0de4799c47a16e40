# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""OrderedMap: the tree of `ordered.pyx` for the tests, with a check of its invariants. The server does not use it."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from mtredis.keyspace.encoding.ordered cimport (
    Cursor, Ordered, Tie, cursor_item, cursor_key, cursor_next, cursor_previous, double_of_key, key_of_double,
    ordered_at, ordered_find, ordered_first, ordered_free, ordered_insert, ordered_last, ordered_new, ordered_rank,
    ordered_remove, ordered_replace, ordered_seek, ordered_seek_key,
)
from mtredis.keyspace.encoding.ordered_node cimport (
    INNER_MERGE, LEAF_MERGE, Branch, Node, Pair, branches_of, first_pair, held, malloc_usable_size, maximum_of,
    node_size,
)

cdef enum:
    LIVE = 0x6c697665
    DEAD = 0x64656164

cdef struct Box:             # an item of the tests; stays readable when it is dead, so that a look at it is noticed
    int64_t mark
    int64_t value
    Box *older

cdef int64_t looks_at_dead = 0


cdef int compare_boxes(const void *a, const void *b) noexcept nogil:
    global looks_at_dead
    if (<const Box *> a).mark != LIVE or (<const Box *> b).mark != LIVE:
        looks_at_dead += 1
    return ((<const Box *> a).value > (<const Box *> b).value) - ((<const Box *> a).value < (<const Box *> b).value)


cdef bint is_box_before(uint64_t key, const void *item, const void *context) noexcept nogil:
    cdef const Pair *probe = <const Pair *> context
    return key < probe.key or (key == probe.key and compare_boxes(item, probe.item) < 0)


cdef class OrderedMap:
    """For tests only: pairs of a key (64 bits, unsigned) and an item (64 bits, signed), ordered by both.

    With `ties=False` an item does not count for the order. Each item lies in a box that is dead as soon as its pair is
    removed or has another box; `check` notices when the tree looked at a dead one. For one thread.
    """
    cdef Ordered *tree
    cdef Box *boxes

    def __cinit__(self, bint ties=True):
        self.boxes = NULL
        self.tree = ordered_new(<Tie> compare_boxes if ties else <Tie> NULL)
        if self.tree == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef Box *box
        while self.boxes != NULL:
            box = self.boxes
            self.boxes = box.older
            free(box)
        if self.tree != NULL:
            ordered_free(self.tree)

    def __len__(self):
        return self.tree.count

    @property
    def memory(self):
        return self.tree.memory

    cdef Box *box(self, int64_t value) except NULL:
        cdef Box *box = <Box *> malloc(sizeof(Box))
        if box == NULL:
            raise MemoryError
        box.mark = LIVE
        box.value = value
        box.older = self.boxes
        self.boxes = box
        return box

    def insert(self, uint64_t key, int64_t item):
        """Whether the pair is new."""
        cdef Box *box = self.box(item)
        cdef int result = ordered_insert(self.tree, key, box)
        if result != 1:
            box.mark = DEAD
        if result < 0:
            raise MemoryError
        return result == 1

    def remove(self, uint64_t key, int64_t item):
        cdef Box probe = Box(mark=LIVE, value=item, older=NULL)
        cdef Cursor cursor
        cdef Box *box
        if not ordered_find(self.tree, key, &probe, &cursor):
            return ordered_remove(self.tree, key, &probe)
        box = <Box *> cursor_item(&cursor)
        if not ordered_remove(self.tree, key, &probe):
            raise AssertionError("found, but not removed")
        box.mark = DEAD
        return True

    def replace(self, uint64_t key, int64_t item):
        """Moves the item to another box; the old one is dead before the tree knows."""
        cdef Box probe = Box(mark=LIVE, value=item, older=NULL)
        cdef Cursor cursor
        cdef Box *fresh
        if not ordered_find(self.tree, key, &probe, &cursor):
            return ordered_replace(self.tree, key, &probe, &probe)
        fresh = self.box(item)
        (<Box *> cursor_item(&cursor)).mark = DEAD
        return ordered_replace(self.tree, key, cursor_item(&cursor), fresh)

    def rank(self, uint64_t key, int64_t item):
        cdef Box probe = Box(mark=LIVE, value=item, older=NULL)
        return ordered_rank(self.tree, key, &probe)

    cdef object pair(self, Cursor *cursor):
        """What the cursor stands on; None: nothing."""
        cdef Box *box
        if cursor.leaf == NULL:
            return None
        box = <Box *> cursor_item(cursor)
        if box.mark != LIVE:
            raise AssertionError("a dead item is in the tree")
        return cursor_key(cursor), box.value

    def find(self, uint64_t key, int64_t item):
        cdef Box probe = Box(mark=LIVE, value=item, older=NULL)
        cdef Cursor cursor
        ordered_find(self.tree, key, &probe, &cursor)
        return self.pair(&cursor)

    def at(self, uint64_t rank):
        cdef Cursor cursor
        ordered_at(self.tree, rank, &cursor)
        return self.pair(&cursor)

    def seek(self, uint64_t key, int64_t item):
        """The rank of the first pair that is not before this one, and that pair (None: there is none)."""
        cdef Box box = Box(mark=LIVE, value=item, older=NULL)
        cdef Pair probe = Pair(key=key, item=&box)
        cdef Cursor cursor
        cdef uint64_t rank = ordered_seek(self.tree, is_box_before, &probe, &cursor)
        return rank, self.pair(&cursor)

    def seek_key(self, uint64_t key):
        cdef Cursor cursor
        cdef uint64_t rank = ordered_seek_key(self.tree, key, &cursor)
        return rank, self.pair(&cursor)

    def forward(self):
        """All pairs from the first on."""
        cdef Cursor cursor
        cdef bint is_there = ordered_first(self.tree, &cursor)
        cdef list pairs = []
        while is_there:
            pairs.append(self.pair(&cursor))
            is_there = cursor_next(&cursor)
        if cursor.leaf != NULL or cursor_next(&cursor) or cursor_previous(&cursor):
            raise AssertionError("the cursor goes on beyond the end")
        return pairs

    def backward(self):
        """All pairs from the last on."""
        cdef Cursor cursor
        cdef bint is_there = ordered_last(self.tree, &cursor)
        cdef list pairs = []
        while is_there:
            pairs.append(self.pair(&cursor))
            is_there = cursor_previous(&cursor)
        if cursor.leaf != NULL:
            raise AssertionError("the cursor goes on beyond the end")
        return pairs

    def check(self):
        """The number of leaves and of levels; an AssertionError names the first invariant that does not hold."""
        cdef list leaves = []
        cdef size_t memory = held(self.tree)
        cdef Node *leaf = self.tree.first
        if looks_at_dead:
            raise AssertionError("the tree looked at a dead item")
        if self.tree.root == NULL:
            require(self.tree.first == NULL and self.tree.last == NULL and self.tree.count == 0, "an empty tree")
        else:
            require(self.tree.root.level == 0 or self.tree.root.count >= 2, "a root with one child")
            require(check_node(self.tree.root, leaves, &memory) == self.tree.count, "the number of pairs")
            require(self.tree.first.previous == NULL and self.tree.last.next == NULL, "the ends of the chain")
            for address in leaves:
                require(<size_t> leaf == address, "the chain of leaves")
                require(leaf == self.tree.last if leaf.next == NULL else leaf.next.previous == leaf, "links back")
                leaf = leaf.next
            require(leaf == NULL, "the end of the chain")
        require(memory == self.tree.memory, "the memory")
        return len(leaves), self.tree.root.level + 1 if self.tree.root != NULL else 0


cdef int require(bint is_so, str what) except -1:
    if not is_so:
        raise AssertionError(what)
    return 0


cdef uint64_t check_node(Node *node, list leaves, size_t *memory) except? 0:
    """Looks at a node and all below it; the number of its pairs. Adds the leaves' addresses and the memory."""
    cdef Branch *branches = branches_of(node)
    cdef uint64_t total = 0
    cdef Pair first
    cdef int i
    memory[0] += held(node)
    require(0 < node.count <= node.capacity <= maximum_of(node), "a node's count")
    require(malloc_usable_size(node) >= node_size(node.level, node.capacity), "a node's size")
    if node.level == 0:
        leaves.append(<size_t> node)
        return node.count
    for i in range(node.count):
        first = first_pair(branches[i].child)
        require(branches[i].child.level == node.level - 1, "the levels")
        require(first.key == branches[i].pair.key and first.item == branches[i].pair.item, "a branch's first pair")
        require(check_node(branches[i].child, leaves, memory) == branches[i].count, "a branch's count")
        if i:
            require(branches[i - 1].child.count + branches[i].child.count
                    > (INNER_MERGE if node.level > 1 else LEAF_MERGE), "two neighbours that should be one")
        total += branches[i].count
    return total


def key_of(double value):
    return key_of_double(value)


def double_of(uint64_t key):
    return double_of_key(key)
