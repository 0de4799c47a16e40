# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Ordered: a B+ tree of (key, item) pairs that knows ranks; what it promises stands in `ordered.pxd`.

Idea: leaves hold the pairs in arrays and are linked both ways; an inner node holds for each child its first pair, its
number of pairs and its address. Nodes are allocated as big as they need to be (in steps: `fitting`, ordered_node.pxd),
so a tree of five pairs is one chunk of 160 bytes, and the last leaf of one that grows at its right end is hardly bigger
than it must be. An insertion beyond the last pair does not search: streams and rising scores cost about 10 ns.

Owner: whoever owns the tree (the executor); no locks here.

Invariants (`OrderedMap.check` in ordered_map.pyx looks at all of them):
- A branch's pair is exactly the first pair of its subtree, so no inner node refers to an item that is not in the tree.
- No node is empty; a root that is an inner node has at least two children; all leaves are equally deep.
- Neighbours with the same parent hold more than MERGE of a node's maximum together; otherwise they become one.
- A full node is split in the middle, but at the right edge of the tree it stays full and a new one begins beside it.

Out of memory: an insertion does its splits from the top, each of which leaves a right tree, and fails between two of
them. Removal needs no memory; a node that cannot be moved into a bigger or smaller chunk then stays as it is.
Limits: MAX_DEPTH levels, far more than 2^48 pairs need; a tie callback gets the item of the tree first.
"""
from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove
from mtredis.keyspace.encoding.ordered_node cimport (
    CAPACITY_MIN, INNER_MAX, INNER_MERGE, LEAF_MAX, LEAF_MERGE, Branch, Pair, branches_of, first_pair, fitting, held,
    maximum_of, node_size, pairs_of,
)

cdef enum:
    MAX_DEPTH = 24

cdef struct Path:            # from the root to a place in a leaf
    int depth                # of the leaf
    int at                   # the place
    Node *nodes[MAX_DEPTH]
    int indexes[MAX_DEPTH]   # which branch the path takes


# ---- nodes

cdef Node *node_new(Ordered *tree, int level, int capacity) noexcept nogil:
    """An empty node without neighbours; NULL: no memory."""
    cdef Node *node = <Node *> malloc(node_size(level, capacity))
    if node == NULL:
        return NULL
    node.previous = node.next = NULL
    node.count = 0
    node.capacity = <uint16_t> capacity
    node.level = <uint16_t> level
    tree.memory += held(node)
    return node


cdef void node_free(Ordered *tree, Node *node) noexcept nogil:
    tree.memory -= held(node)
    free(node)


cdef void node_drop(Ordered *tree, Node *node) noexcept nogil:
    """Frees the node and, if it is a leaf, takes it out of the chain."""
    if node.level == 0:
        if node.previous != NULL:
            node.previous.next = node.next
        else:
            tree.first = node.next
        if node.next != NULL:
            node.next.previous = node.previous
        else:
            tree.last = node.previous
    node_free(tree, node)


cdef Node *node_resize(Ordered *tree, Node *parent, int index, Node *node, int capacity) noexcept nogil:
    """The node (branch `index` of `parent`; NULL: the root), wherever it is with another capacity. NULL: unchanged."""
    cdef size_t before = held(node)
    cdef Node *fresh = <Node *> realloc(node, node_size(node.level, capacity))
    if fresh == NULL:
        return NULL
    tree.memory += held(fresh) - before
    fresh.capacity = <uint16_t> capacity
    if parent == NULL:
        tree.root = fresh
    else:
        branches_of(parent)[index].child = fresh
    node_relink(tree, fresh)
    return fresh


cdef bint path_resize(Ordered *tree, Path *path, int depth, int capacity) noexcept nogil:
    """Gives the path's node at that depth another capacity; false: no memory, unchanged."""
    cdef Node *parent = path.nodes[depth - 1] if depth else NULL
    cdef Node *fresh = node_resize(tree, parent, path.indexes[depth - 1] if depth else 0, path.nodes[depth], capacity)
    if fresh == NULL:
        return False
    path.nodes[depth] = fresh
    return True


# ---- searching

cdef inline int compare_items(const Ordered *tree, const void *stored, const void *item,
                              const void *alias) noexcept nogil:
    """How two items with one key lie; `alias` is an address that stands for `item` and is never followed."""
    return 0 if tree.tie == NULL or stored == alias else tree.tie(stored, item)


cdef inline int branch_at(const Ordered *tree, const Node *inner, uint64_t key, const void *item,
                          const void *alias) noexcept nogil:
    """The last branch whose first pair is not after the one that is looked for; 0 if all are."""
    cdef Branch *branches = branches_of(inner)
    cdef int low = 0, half, size = inner.count
    while size > 1:                      # without jumps: a wrong guess costs more than the loop
        half = size >> 1
        low += half & -(<int> (branches[low + half].pair.key <= key))
        size -= half
    if tree.tie == NULL or branches[low].pair.key != key:
        return low
    size = low + 1
    low = 0
    while size > 1:
        half = size >> 1
        if branches[low + half].pair.key < key \
                or compare_items(tree, branches[low + half].pair.item, item, alias) <= 0:
            low += half
        size -= half
    return low


cdef inline int pair_at(const Ordered *tree, const Node *leaf, uint64_t key, const void *item,
                        const void *alias) noexcept nogil:
    """The first pair of the leaf that is not before the one that is looked for; the leaf's count if all are."""
    cdef Pair *pairs = pairs_of(leaf)
    cdef int low = 0, middle, size = leaf.count
    while size > 1:
        middle = size >> 1
        low += middle & -(<int> (pairs[low + middle - 1].key < key))
        size -= middle
    low += pairs[low].key < key
    if tree.tie == NULL or low == leaf.count or pairs[low].key != key:
        return low
    size = leaf.count
    while low < size:
        middle = (low + size) >> 1
        if pairs[middle].key == key and compare_items(tree, pairs[middle].item, item, alias) < 0:
            low = middle + 1
        else:
            size = middle
    return low


cdef inline bint is_at(const Ordered *tree, const Node *leaf, int at, uint64_t key, const void *item,
                       const void *alias) noexcept nogil:
    return (at < leaf.count and pairs_of(leaf)[at].key == key
            and compare_items(tree, pairs_of(leaf)[at].item, item, alias) == 0)


cdef bint is_beyond_last(const Ordered *tree, uint64_t key, const void *item) noexcept nogil:
    cdef Pair *pair = pairs_of(tree.last) + tree.last.count - 1
    return key > pair.key or (key == pair.key and compare_items(tree, pair.item, item, item) < 0)


cdef bint path_to(const Ordered *tree, uint64_t key, const void *item, const void *alias, Path *path) noexcept nogil:
    """The way to the pair, or to where it would be; whether it is there. The tree is not empty."""
    cdef Node *node = tree.root
    cdef int depth = 0
    while node.level:
        path.nodes[depth] = node
        path.indexes[depth] = branch_at(tree, node, key, item, alias)
        node = branches_of(node)[path.indexes[depth]].child
        depth += 1
    path.nodes[depth] = node
    path.depth = depth
    path.at = pair_at(tree, node, key, item, alias)
    return is_at(tree, node, path.at, key, item, alias)


cdef void path_to_end(const Ordered *tree, Path *path) noexcept nogil:
    """The way to the place behind the last pair."""
    cdef Node *node = tree.root
    cdef int depth = 0
    while node.level:
        path.nodes[depth] = node
        path.indexes[depth] = node.count - 1
        node = branches_of(node)[node.count - 1].child
        depth += 1
    path.nodes[depth] = node
    path.depth = depth
    path.at = node.count


cdef void refresh_first(Path *path, int depth) noexcept nogil:
    """The node at that depth has another first pair: so have its branch and those above of which it is the first."""
    cdef Pair pair = first_pair(path.nodes[depth])
    while depth > 0:
        depth -= 1
        branches_of(path.nodes[depth])[path.indexes[depth]].pair = pair
        if path.indexes[depth]:
            return


# ---- inserting

cdef bint grow_root(Ordered *tree, Path *path) noexcept nogil:
    """Puts a new root with one branch above the old one; false: no memory, unchanged."""
    cdef Node *root
    cdef Branch *branch
    if path.depth + 1 == MAX_DEPTH:
        return False
    root = node_new(tree, tree.root.level + 1, CAPACITY_MIN)
    if root == NULL:
        return False
    branch = branches_of(root)
    branch.pair = first_pair(tree.root)
    branch.child = tree.root
    branch.count = tree.count
    root.count = 1
    tree.root = root
    memmove(path.nodes + 1, path.nodes, (path.depth + 1) * sizeof(Node *))
    memmove(path.indexes + 1, path.indexes, path.depth * sizeof(int))
    path.nodes[0] = root
    path.indexes[0] = 0
    path.depth += 1
    return True


cdef uint64_t move_upper(Ordered *tree, Node *node, int keep, Node *sibling) noexcept nogil:
    """What the node has from `keep` on goes to its new right neighbour; the number of pairs that changed places."""
    cdef int moved = node.count - keep
    cdef uint64_t total = moved
    cdef int i
    sibling.count = <uint16_t> moved
    node.count = <uint16_t> keep
    if node.level:
        memcpy(branches_of(sibling), branches_of(node) + keep, moved * sizeof(Branch))
        total = 0
        for i in range(moved):
            total += branches_of(sibling)[i].count
        return total
    memcpy(pairs_of(sibling), pairs_of(node) + keep, moved * sizeof(Pair))
    sibling.previous = node
    sibling.next = node.next
    node.next = sibling
    if sibling.next != NULL:
        sibling.next.previous = sibling
    else:
        tree.last = sibling
    return total


cdef void branch_put(Node *parent, int index, Pair pair, Node *child, uint64_t count) noexcept nogil:
    cdef Branch *branch = branches_of(parent) + index
    memmove(branch + 1, branch, (parent.count - index) * sizeof(Branch))
    branch.pair = pair
    branch.child = child
    branch.count = count
    parent.count += 1


cdef bint split(Ordered *tree, Path *path, int depth, int keep, Pair beginning) noexcept nogil:
    """Splits the node at that depth, whose parent is below its maximum; the path goes on to the same place.

    The node keeps `keep` and a new right neighbour gets the rest; if that is nothing, the neighbour is there for
    the pair `beginning`, which must be put into it at once. False: no memory, the tree is as it was.
    """
    cdef Node *node = path.nodes[depth]
    cdef Node *parent = path.nodes[depth - 1]
    cdef Node *sibling = node_new(tree, node.level, fitting(node.count - keep + 1, maximum_of(node)))
    cdef int index = path.indexes[depth - 1]
    cdef int place = path.indexes[depth] if node.level else path.at
    cdef bint is_whole = keep == node.count
    cdef uint64_t moved
    if sibling == NULL:
        return False
    if parent.count == parent.capacity:
        if not path_resize(tree, path, depth - 1, fitting(parent.count + 1, INNER_MAX)):
            node_free(tree, sibling)
            return False
        parent = path.nodes[depth - 1]
    moved = move_upper(tree, node, keep, sibling)
    branches_of(parent)[index].count -= moved
    branch_put(parent, index + 1, beginning if is_whole else first_pair(sibling), sibling, moved)
    if place > keep or (place == keep and (node.level or is_whole)):     # a pair between leaves goes to the left one
        path.nodes[depth] = sibling
        path.indexes[depth - 1] += 1
        if node.level:
            path.indexes[depth] -= keep
        else:
            path.at -= keep
    if not is_whole:
        trim(tree, path, depth, index)
    return True


cdef void trim(Ordered *tree, Path *path, int depth, int index) noexcept nogil:
    """The left half of a split, branch `index` of the path's node above, gives back what it has too much."""
    cdef Node *parent = path.nodes[depth - 1]
    cdef Node *node = branches_of(parent)[index].child
    cdef bint is_on_path = path.nodes[depth] == node
    cdef int capacity = fitting(node.count + 1, maximum_of(node))
    if capacity < node.capacity:
        node = node_resize(tree, parent, index, node, capacity)
        if node != NULL and is_on_path:
            path.nodes[depth] = node


cdef bint make_room(Ordered *tree, Path *path, Pair pair) noexcept nogil:
    """The path's leaf, which is as full as its chunk, has room for the pair; false: no memory, nothing changed."""
    cdef Node *node = path.nodes[path.depth]
    cdef bint is_end = node == tree.last and path.at == node.count
    cdef int depth = path.depth
    cdef int keep
    if node.count < LEAF_MAX:
        return path_resize(tree, path, depth, fitting(node.count + 1, LEAF_MAX))
    while depth > 0 and path.nodes[depth - 1].count == INNER_MAX:
        depth -= 1
    if depth == 0:
        if not grow_root(tree, path):
            return False
        depth = 1
    while depth <= path.depth:
        node = path.nodes[depth]
        keep = node.count // 2
        if is_end:
            keep = node.count - 1 if node.level else node.count
        if not split(tree, path, depth, keep, pair):
            collapse_root(tree)
            return False
        depth += 1
    return True


cdef void leaf_put(Ordered *tree, Path *path, Pair pair) noexcept nogil:
    """Puts the pair at the path's place; there is room."""
    cdef Node *leaf = path.nodes[path.depth]
    cdef Pair *place = pairs_of(leaf) + path.at
    cdef int depth
    memmove(place + 1, place, (leaf.count - path.at) * sizeof(Pair))
    place[0] = pair
    leaf.count += 1
    tree.count += 1
    for depth in range(path.depth):
        branches_of(path.nodes[depth])[path.indexes[depth]].count += 1
    if path.at == 0:
        refresh_first(path, path.depth)


cdef int ordered_insert(Ordered *tree, uint64_t key, void *item) noexcept nogil:
    cdef Path path
    cdef Node *leaf
    cdef Pair pair
    pair.key = key
    pair.item = item
    if tree.root == NULL:
        leaf = node_new(tree, 0, CAPACITY_MIN)
        if leaf == NULL:
            return -1
        tree.root = tree.first = tree.last = leaf
        path_to_end(tree, &path)
    elif is_beyond_last(tree, key, item):
        path_to_end(tree, &path)
    elif path_to(tree, key, item, item, &path):
        return 0
    leaf = path.nodes[path.depth]
    if leaf.count == leaf.capacity and not make_room(tree, &path, pair):
        return -1
    leaf_put(tree, &path, pair)
    return 1


# ---- removing

cdef void branch_delete(Node *parent, int index) noexcept nogil:
    cdef Branch *branch = branches_of(parent) + index
    parent.count -= 1
    memmove(branch, branch + 1, (parent.count - index) * sizeof(Branch))


cdef inline bint is_small(const Node *parent, int index) noexcept nogil:
    """Whether the child at `index` and the next one should be one; a parent of leaves knows without a look at them."""
    cdef Branch *branch = branches_of(parent) + index
    if parent.level == 1:
        return branch.count + branch[1].count <= LEAF_MERGE
    return branch.child.count + branch[1].child.count <= INNER_MERGE


cdef bint merge(Ordered *tree, Node *parent, int index) noexcept nogil:
    """Moves the child behind `index` into the one at `index`; false: no memory for a bigger chunk, unchanged."""
    cdef Branch *branch = branches_of(parent) + index
    cdef Node *left = branch.child
    cdef Node *right = branch[1].child
    cdef int seam = left.count
    cdef int total = seam + right.count
    if left.capacity < total:
        left = node_resize(tree, parent, index, left, fitting(total, maximum_of(left)))
        if left == NULL:
            return False
    if left.level:
        memcpy(branches_of(left) + seam, branches_of(right), right.count * sizeof(Branch))
    else:
        memcpy(pairs_of(left) + seam, pairs_of(right), right.count * sizeof(Pair))
    left.count = <uint16_t> total
    branch.count += branch[1].count
    node_drop(tree, right)
    branch_delete(parent, index + 1)
    if left.level and is_small(left, seam - 1):     # these two were no siblings before
        merge(tree, left, seam - 1)
    return True


cdef bint merge_near(Ordered *tree, Path *path, int depth) noexcept nogil:
    """Joins the node at that depth with a neighbour if both are small, or drops it if it is empty; whether it did."""
    cdef Node *node = path.nodes[depth]
    cdef Node *parent = path.nodes[depth - 1]
    cdef int index = path.indexes[depth - 1]
    if node.count == 0:
        node_drop(tree, node)
        branch_delete(parent, index)
        if index == 0 and parent.count:
            refresh_first(path, depth - 1)
        return True
    if index > 0 and is_small(parent, index - 1):
        return merge(tree, parent, index - 1)
    if index + 1 < parent.count and is_small(parent, index):
        return merge(tree, parent, index)
    return False


cdef void collapse_root(Ordered *tree) noexcept nogil:
    """A root with one child gives way to it."""
    cdef Node *root
    while tree.root.level and tree.root.count == 1:
        root = tree.root
        tree.root = branches_of(root).child
        node_free(tree, root)


cdef void shrink(Ordered *tree, Path *path, int depth) noexcept nogil:
    """A node that is half empty moves to a chunk with a quarter to spare; without memory for that it stays."""
    cdef Node *node = path.nodes[depth]
    cdef int capacity = fitting(node.count + node.count // 4 + 1, maximum_of(node))
    if node.count * 2 <= node.capacity and capacity < node.capacity:
        path_resize(tree, path, depth, capacity)


cdef bint ordered_remove(Ordered *tree, uint64_t key, const void *item) noexcept nogil:
    cdef Path path
    cdef Node *leaf
    cdef Pair *place
    cdef int depth
    if tree.root == NULL or not path_to(tree, key, item, item, &path):
        return False
    leaf = path.nodes[path.depth]
    place = pairs_of(leaf) + path.at
    leaf.count -= 1
    memmove(place, place + 1, (leaf.count - path.at) * sizeof(Pair))
    tree.count -= 1
    if tree.count == 0:
        nodes_free(tree, tree.root)
        tree.root = tree.first = tree.last = NULL
        return True
    for depth in range(path.depth):
        branches_of(path.nodes[depth])[path.indexes[depth]].count -= 1
    if path.at == 0 and leaf.count:
        refresh_first(&path, path.depth)
    depth = path.depth
    while depth > 0 and merge_near(tree, &path, depth):
        depth -= 1
    shrink(tree, &path, depth)
    collapse_root(tree)
    return True


cdef bint ordered_replace(Ordered *tree, uint64_t key, const void *item, void *fresh) noexcept nogil:
    """Does not follow `item`: it may be freed already, if it is the address that the tree has."""
    cdef Path path
    if tree.root == NULL or not path_to(tree, key, fresh, item, &path):
        return False
    pairs_of(path.nodes[path.depth])[path.at].item = fresh
    if path.at == 0:
        refresh_first(&path, path.depth)
    return True


# ---- the whole tree

cdef Ordered *ordered_new(Tie tie) noexcept nogil:
    cdef Ordered *tree = <Ordered *> malloc(sizeof(Ordered))
    if tree == NULL:
        return NULL
    tree.root = tree.first = tree.last = NULL
    tree.count = 0
    tree.memory = held(tree)
    tree.tie = tie
    return tree


cdef void nodes_free(Ordered *tree, Node *node) noexcept nogil:
    cdef int i
    if node.level:
        for i in range(node.count):
            nodes_free(tree, branches_of(node)[i].child)
    node_free(tree, node)


cdef void ordered_free(Ordered *tree) noexcept nogil:
    if tree.root != NULL:
        nodes_free(tree, tree.root)
    free(tree)


cdef void leaf_fill(Ordered *tree, Node *leaf, const Node *source, Renew renew, void *context) noexcept nogil:
    """Gives a new leaf the pairs of another, with items renewed, and the place behind the tree's last."""
    cdef void *items[LEAF_MAX]
    cdef int i
    memcpy(pairs_of(leaf), pairs_of(source), source.count * sizeof(Pair))
    for i in range(source.count):
        items[i] = pairs_of(source)[i].item
    renew(context, items, source.count)
    for i in range(source.count):
        pairs_of(leaf)[i].item = items[i]
    leaf.count = source.count
    leaf.previous = tree.last
    if tree.last != NULL:
        tree.last.next = leaf
    else:
        tree.first = leaf
    tree.last = leaf


cdef Node *node_copy(Ordered *tree, const Node *source, Renew renew, void *context) noexcept nogil:
    """A copy of the node and all below it, for the right end of the tree; NULL: no memory, nothing is left of it."""
    cdef Node *node = node_new(tree, source.level, source.capacity)
    cdef Branch *branch
    cdef int i
    if node == NULL:
        return NULL
    if source.level == 0:
        leaf_fill(tree, node, source, renew, context)
        return node
    for i in range(source.count):
        branch = branches_of(node) + i
        branch.child = node_copy(tree, branches_of(source)[i].child, renew, context)
        if branch.child == NULL:
            nodes_free(tree, node)
            return NULL
        branch.pair = first_pair(branch.child)
        branch.count = branches_of(source)[i].count
        node.count += 1
    return node


cdef Ordered *ordered_copy(Ordered *tree, Renew renew, void *context) noexcept nogil:
    """Node by node, each as big and as full as the one that it is copied from."""
    cdef Ordered *copy = ordered_new(tree.tie)
    if copy == NULL or tree.root == NULL:
        return copy
    copy.root = node_copy(copy, tree.root, renew, context)
    if copy.root == NULL:
        ordered_free(copy)
        return NULL
    copy.count = tree.count
    return copy


# ---- looking

cdef uint64_t rank_of(const Path *path) noexcept nogil:
    cdef uint64_t rank = path.at
    cdef Branch *branches
    cdef int depth, i
    for depth in range(path.depth):
        branches = branches_of(path.nodes[depth])
        for i in range(path.indexes[depth]):
            rank += branches[i].count
    return rank


cdef int64_t ordered_rank(Ordered *tree, uint64_t key, const void *item) noexcept nogil:
    cdef Path path
    if tree.root == NULL or not path_to(tree, key, item, item, &path):
        return -1
    return <int64_t> rank_of(&path)


cdef bint ordered_find(Ordered *tree, uint64_t key, const void *item, Cursor *cursor) noexcept nogil:
    cdef Path path
    cursor.leaf = NULL
    cursor.index = 0
    if tree.root == NULL or not path_to(tree, key, item, item, &path):
        return False
    cursor.leaf = path.nodes[path.depth]
    cursor.index = path.at
    return True


cdef bint ordered_at(Ordered *tree, uint64_t rank, Cursor *cursor) noexcept nogil:
    cdef Node *node = tree.root
    cdef Branch *branch
    cursor.leaf = NULL
    cursor.index = 0
    if rank >= tree.count:
        return False
    while node.level:
        branch = branches_of(node)
        while rank >= branch.count:
            rank -= branch.count
            branch += 1
        node = branch.child
    cursor.leaf = node
    cursor.index = <int> rank
    return True


cdef void stand(Cursor *cursor, Node *leaf, int index) noexcept nogil:
    """Puts the cursor on the pair, which is that of the next leaf if this one has no more."""
    cursor.leaf = leaf
    cursor.index = index
    if leaf != NULL and index == leaf.count:
        cursor.leaf = leaf.next
        cursor.index = 0


cdef int seek_pair(const Node *leaf, Before before, const void *context) noexcept nogil:
    """The first pair of the leaf that is not `before`; the leaf's count if all are."""
    cdef Pair *pair
    cdef int middle, low = 0, high = leaf.count
    while low < high:
        middle = (low + high) >> 1
        pair = pairs_of(leaf) + middle
        if before(pair.key, pair.item, context):
            low = middle + 1
        else:
            high = middle
    return low


cdef uint64_t ordered_seek(Ordered *tree, Before before, const void *context, Cursor *cursor) noexcept nogil:
    cdef Node *node = tree.root
    cdef Branch *branches
    cdef uint64_t rank = 0
    cdef int low, half, size, i
    if node == NULL:
        stand(cursor, NULL, 0)
        return 0
    while node.level:
        branches = branches_of(node)
        low = 0
        size = node.count
        while size > 1:
            half = size >> 1
            if before(branches[low + half].pair.key, branches[low + half].pair.item, context):
                low += half
            size -= half
        for i in range(low):
            rank += branches[i].count
        node = branches[low].child
    low = seek_pair(node, before, context)
    stand(cursor, node, low)
    return rank + low


cdef bint is_key_before(uint64_t key, const void *item, const void *context) noexcept nogil:
    return key < (<const uint64_t *> context)[0]


cdef uint64_t ordered_seek_key(Ordered *tree, uint64_t key, Cursor *cursor) noexcept nogil:
    return ordered_seek(tree, is_key_before, &key, cursor)


cdef bint ordered_first(Ordered *tree, Cursor *cursor) noexcept nogil:
    stand(cursor, tree.first, 0)
    return cursor.leaf != NULL


cdef bint ordered_last(Ordered *tree, Cursor *cursor) noexcept nogil:
    stand(cursor, tree.last, tree.last.count - 1 if tree.last != NULL else 0)
    return cursor.leaf != NULL


cdef bint cursor_next(Cursor *cursor) noexcept nogil:
    if cursor.leaf == NULL:
        return False
    stand(cursor, cursor.leaf, cursor.index + 1)
    return cursor.leaf != NULL


cdef bint cursor_previous(Cursor *cursor) noexcept nogil:
    if cursor.leaf == NULL:
        return False
    if cursor.index > 0:
        cursor.index -= 1
        return True
    cursor.leaf = cursor.leaf.previous
    cursor.index = cursor.leaf.count - 1 if cursor.leaf != NULL else 0
    return cursor.leaf != NULL


cdef uint64_t cursor_key(const Cursor *cursor) noexcept nogil:
    return pairs_of(cursor.leaf)[cursor.index].key


cdef void *cursor_item(const Cursor *cursor) noexcept nogil:
    return pairs_of(cursor.leaf)[cursor.index].item


# ---- doubles as keys

cdef uint64_t key_of_double(double value) noexcept nogil:
    """Positive numbers are ordered as their bits are, above all negative ones, whose bits are ordered the other way."""
    cdef uint64_t bits = 0
    cdef uint64_t sign = <uint64_t> 1 << 63
    if value != 0:
        memcpy(&bits, &value, 8)
    return ~bits if bits & sign else bits | sign


cdef double double_of_key(uint64_t key) noexcept nogil:
    cdef uint64_t sign = <uint64_t> 1 << 63
    cdef uint64_t bits = key ^ sign if key & sign else ~key
    cdef double value
    memcpy(&value, &bits, 8)
    return value
