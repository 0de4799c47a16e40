"""Lists: pushing and popping at both ends, moving elements between lists, positions and ranges, waiting for elements.

Idea: `keyspace.types.list.List` is the list; a handler reads its arguments, makes one change, and says what happened. A
command that finds nothing to pop and may wait passes its keys to `ctx.block` and is run again when one has elements.

Owner: the executor thread.
Invariants: a refused command has changed nothing; a key never holds an empty list once a command is over; a move
between two lists is one step for readers on other threads.
"""

from typing import TYPE_CHECKING

from mtredis.errors import CommandError, NoSuchKey, SyntaxFault
from mtredis.executor.arguments import INT64_MAX, INT64_MIN, blocking_timeout, integer
from mtredis.keyspace.types.list import List
from mtredis.lib.numbers import parse_integer
from mtredis.registry.command import BLOCKING, DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

SOURCE_AND_DESTINATION = ("RW ACCESS DELETE", "RW INSERT")

# --- arguments ------------------------------------------------------------------------------------------------------


def is_left(word: bytes) -> bool:
    """The end of a list that LEFT or RIGHT names: whether it is the left one."""
    end = word.upper()
    if end not in (b"LEFT", b"RIGHT"):
        raise SyntaxFault()
    return end == b"LEFT"


def at_least(text: bytes, lowest: int, message: str) -> int:
    """An integer that is not below `lowest`; else an error with `message`."""
    value = integer(text, message)
    if value < lowest:
        raise CommandError("ERR " + message)
    return value


def symmetric_integer(text: bytes) -> int:
    """A 64-bit integer whose opposite is one, too."""
    value = parse_integer(text)
    if value == INT64_MIN:
        raise CommandError(f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
    return value


# --- pushing --------------------------------------------------------------------------------------------------------


@command("LPUSH key element...", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1) for each element",
         key_flags="RW INSERT")
def lpush(ctx: "Context", argv: list[bytes]) -> None:
    """Adds elements to the left end of a list, which is made if there is none."""
    push(ctx, argv, True)


@command("RPUSH key element...", flags=WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1) for each element",
         key_flags="RW INSERT")
def rpush(ctx: "Context", argv: list[bytes]) -> None:
    """Adds elements to the right end of a list, which is made if there is none."""
    push(ctx, argv, False)


@command("LPUSHX key element...", flags=WRITE | DENYOOM | FAST, since="2.2.0", complexity="O(1) for each element",
         key_flags="RW INSERT")
def lpushx(ctx: "Context", argv: list[bytes]) -> None:
    """Adds elements to the left end of a list that exists."""
    push_to_existing(ctx, argv, True)


@command("RPUSHX key element...", flags=WRITE | DENYOOM | FAST, since="2.2.0", complexity="O(1) for each element",
         key_flags="RW INSERT")
def rpushx(ctx: "Context", argv: list[bytes]) -> None:
    """Adds elements to the right end of a list that exists."""
    push_to_existing(ctx, argv, False)


def push(ctx: "Context", argv: list[bytes], left: bool) -> None:
    """Adds the words from 2 on to an end of a list; readers never see a new one empty."""
    elements = ctx.db.lookup_write(argv[1], List)
    if elements is None:
        elements = ctx.keyspace.new(List)
        length = elements.push(argv, left, 2)
        ctx.db.put(argv[1], elements)
    else:
        length = elements.push(argv, left, 2)
    pushed(ctx, argv, left, length)


def push_to_existing(ctx: "Context", argv: list[bytes], left: bool) -> None:
    """Adds the words from 2 on to an end of a list, if there is one."""
    elements = ctx.db.lookup_write(argv[1], List)
    if elements is None:
        ctx.reply.integer(0)
        return
    pushed(ctx, argv, left, elements.push(argv, left, 2))


def pushed(ctx: "Context", argv: list[bytes], left: bool, length: int) -> None:
    """Makes a push known and replies with the new length."""
    ctx.modified(argv[1], b"lpush" if left else b"rpush", len(argv) - 2)
    ctx.reply.integer(length)


# --- popping --------------------------------------------------------------------------------------------------------


@command("LPOP key [count]@6.2.0", flags=WRITE | FAST, since="1.0.0", complexity="O(N) for N elements",
         key_flags="RW ACCESS DELETE")
def lpop(ctx: "Context", argv: list[bytes]) -> None:
    """Removes the leftmost elements of a list, one unless a count is given, and replies with them."""
    pop(ctx, argv, True)


@command("RPOP key [count]@6.2.0", flags=WRITE | FAST, since="1.0.0", complexity="O(N) for N elements",
         key_flags="RW ACCESS DELETE")
def rpop(ctx: "Context", argv: list[bytes]) -> None:
    """Removes the rightmost elements of a list, one unless a count is given, and replies with them."""
    pop(ctx, argv, False)


def pop(ctx: "Context", argv: list[bytes], left: bool) -> None:
    """LPOP and RPOP."""
    if len(argv) > 3:
        raise CommandError(f"ERR wrong number of arguments for '{'lpop' if left else 'rpop'}' command")
    if len(argv) == 3:
        pop_many(ctx, argv, left)
        return
    elements = ctx.db.lookup_write(argv[1], List)
    if elements is None:
        ctx.reply.null()
        return
    ctx.reply.bulk(elements.pop(left))
    popped(ctx, argv[1], elements, left, 1)


def pop_many(ctx: "Context", argv: list[bytes], left: bool) -> None:
    """LPOP and RPOP with a count."""
    count = at_least(argv[2], 0, "value is out of range, must be positive")
    elements = ctx.db.lookup_write(argv[1], List)
    if elements is None:
        ctx.reply.null_array()
        return
    taken = elements.pop_many(left, count)
    ctx.reply.bulks(taken)
    if taken:
        popped(ctx, argv[1], elements, left, len(taken))


def popped(ctx: "Context", key: bytes, elements: List, left: bool, count: int) -> None:
    """Makes known that elements were taken from an end; a list without elements goes."""
    ctx.modified(key, b"lpop" if left else b"rpop", count)
    if ctx.db.drop_if_empty(key, elements):
        ctx.notify(b"del", key)


@command("LMPOP numkeys key... (where=LEFT|RIGHT) [COUNT count]", flags=WRITE, since="7.0.0",
         complexity="O(N+M) for N keys and M elements", key_flags="RW ACCESS DELETE")
def lmpop(ctx: "Context", argv: list[bytes]) -> None:
    """Removes elements from an end of the first of several lists that exists, and replies with its name and them."""
    keys, left, count = lmpop_arguments(argv, 1)
    if not pop_first(ctx, keys, left, count):
        ctx.reply.null_array()


def lmpop_arguments(argv: list[bytes], at: int) -> tuple[list[bytes], bool, int]:
    """The keys, whether LEFT, and the count (1 if none is given) of LMPOP, whose numkeys is word `at`."""
    message = "count should be greater than 0"
    where = at + 1 + at_least(argv[at], 1, "numkeys should be greater than 0")
    if where >= len(argv):
        raise SyntaxFault()
    left = is_left(argv[where])
    options = argv[where + 1 :]
    if not options:
        return argv[at + 1 : where], left, 1
    if len(options) == 1 or options[0].upper() != b"COUNT":
        raise SyntaxFault()
    count = at_least(options[1], 1, message)
    if len(options) > 2:
        raise SyntaxFault()
    return argv[at + 1 : where], left, count


def pop_first(ctx: "Context", keys: list[bytes], left: bool, count: int) -> bool:
    """Pops from the first list that exists and replies with its key and elements; False, no reply: there is none."""
    for key in keys:
        elements = ctx.db.lookup_write(key, List)
        if elements is not None:
            taken = elements.pop_many(left, count)
            ctx.reply.array(2)
            ctx.reply.bulk(key)
            ctx.reply.bulks(taken)
            popped(ctx, key, elements, left, len(taken))
            ctx.propagate(b"LPOP" if left else b"RPOP", key, len(taken))
            return True
    return False


# --- moving ---------------------------------------------------------------------------------------------------------


@command("LMOVE source destination (wherefrom=LEFT|RIGHT) (whereto=LEFT|RIGHT)", flags=WRITE | DENYOOM, since="6.2.0",
         complexity="O(1)", key_flags=SOURCE_AND_DESTINATION)
def lmove(ctx: "Context", argv: list[bytes]) -> None:
    """Takes an element from an end of a list, adds it to an end of the same or another one, and replies with it."""
    left, target_left = is_left(argv[3]), is_left(argv[4])
    if not move(ctx, argv, left, target_left):
        ctx.reply.null()


@command("RPOPLPUSH source destination", flags=WRITE | DENYOOM, since="1.2.0", complexity="O(1)",
         key_flags=SOURCE_AND_DESTINATION, deprecated_since="6.2.0",
         replaced_by="`LMOVE` with the `RIGHT` and `LEFT` arguments")
def rpoplpush(ctx: "Context", argv: list[bytes]) -> None:
    """Takes the rightmost element of a list, adds it at the left of the same or another one, and replies with it."""
    if not move(ctx, argv, False, True):
        ctx.reply.null()


def move(ctx: "Context", argv: list[bytes], left: bool, target_left: bool) -> bool:
    """Moves an element from the list in word 1 to that in word 2, replies with it and makes it known.

    False, and no reply: there is nothing to move.
    """
    source = ctx.db.lookup_write(argv[1], List)
    if source is None:
        return False
    target = source if argv[1] == argv[2] else ctx.db.lookup_write(argv[2], List)
    ctx.keyspace.version_begin()
    try:
        ctx.reply.bulk(transfer(ctx, source, argv[2], target, left, target_left))
        ctx.modified(argv[2], b"lpush" if target_left else b"rpush")
        popped(ctx, argv[1], source, left, 1)
    finally:
        ctx.keyspace.version_end()
    ctx.dirty -= 1  # two keys, one change
    return True


def transfer(
    ctx: "Context", source: List, key: bytes, target: List | None, left: bool, target_left: bool
) -> bytes:
    """Moves an element to the target, which is the list under `key`; None: it has to be made."""
    if target is not None:
        return source.move(target, left, target_left)
    target = ctx.db.create(key, List)
    try:
        return source.move(target, left, target_left)
    except MemoryError:
        ctx.db.delete(key)
        raise


# --- waiting --------------------------------------------------------------------------------------------------------


@command("BLPOP key... timeout", flags=WRITE | BLOCKING, since="2.0.0", complexity="O(N) for N keys",
         key_flags="RW ACCESS DELETE")
def blpop(ctx: "Context", argv: list[bytes]) -> None:
    """Pops the leftmost element of the first of several lists that has one; waits for it if need be."""
    blocking_pop(ctx, argv, True)


@command("BRPOP key... timeout", flags=WRITE | BLOCKING, since="2.0.0", complexity="O(N) for N keys",
         key_flags="RW ACCESS DELETE")
def brpop(ctx: "Context", argv: list[bytes]) -> None:
    """Pops the rightmost element of the first of several lists that has one; waits for it if need be."""
    blocking_pop(ctx, argv, False)


def blocking_pop(ctx: "Context", argv: list[bytes], left: bool) -> None:
    """BLPOP and BRPOP."""
    timeout = blocking_timeout(argv[-1], ctx.now)
    for key in argv[1:-1]:
        elements = ctx.db.lookup_write(key, List)
        if elements is not None:
            ctx.reply.bulks([key, elements.pop(left)])
            popped(ctx, key, elements, left, 1)
            ctx.propagate(b"LPOP" if left else b"RPOP", key)
            return
    wait(ctx, argv[1:-1], timeout)


def wait(ctx: "Context", keys: list[bytes], timeout: int) -> None:
    """Waits for elements to pop, or replies with nothing where nobody may wait."""
    if ctx.may_block:
        ctx.block(keys, timeout, "null_array")
    else:
        ctx.reply.null_array()


def wait_for_source(ctx: "Context", source: bytes, timeout: int) -> None:
    """Waits for an element to move. A time that is over is replied to as for BLPOP; only what cannot wait differs."""
    if ctx.may_block:
        ctx.block([source], timeout, "null_array")
    else:
        ctx.reply.null()


@command("BLMPOP timeout numkeys key... (where=LEFT|RIGHT) [COUNT count]", flags=WRITE | BLOCKING, since="7.0.0",
         complexity="O(N+M) for N keys and M elements", key_flags="RW ACCESS DELETE")
def blmpop(ctx: "Context", argv: list[bytes]) -> None:
    """Pops elements from an end of the first of several lists that has some; waits for them if need be."""
    keys, left, count = lmpop_arguments(argv, 2)
    timeout = blocking_timeout(argv[1], ctx.now)
    if not pop_first(ctx, keys, left, count):
        wait(ctx, keys, timeout)


@command("BLMOVE source destination (wherefrom=LEFT|RIGHT) (whereto=LEFT|RIGHT) timeout",
         flags=WRITE | DENYOOM | BLOCKING, since="6.2.0", complexity="O(1)", key_flags=SOURCE_AND_DESTINATION)
def blmove(ctx: "Context", argv: list[bytes]) -> None:
    """Moves an element from one list to another as LMOVE does; waits for one if need be."""
    left, target_left = is_left(argv[3]), is_left(argv[4])
    timeout = blocking_timeout(argv[5], ctx.now)
    if move(ctx, argv, left, target_left):
        ctx.propagate(b"LMOVE", *argv[1:5])
    else:
        wait_for_source(ctx, argv[1], timeout)


@command("BRPOPLPUSH source destination timeout", flags=WRITE | DENYOOM | BLOCKING, since="2.2.0", complexity="O(1)",
         key_flags=SOURCE_AND_DESTINATION, deprecated_since="6.2.0",
         replaced_by="`BLMOVE` with the `RIGHT` and `LEFT` arguments")
def brpoplpush(ctx: "Context", argv: list[bytes]) -> None:
    """Moves the rightmost element of a list to the left of another as RPOPLPUSH does; waits for one if need be."""
    timeout = blocking_timeout(argv[3], ctx.now)
    if move(ctx, argv, False, True):
        ctx.propagate(b"RPOPLPUSH", argv[1], argv[2])
    else:
        wait_for_source(ctx, argv[1], timeout)


# --- reading --------------------------------------------------------------------------------------------------------


@command("LLEN key", flags=READONLY | FAST, since="1.0.0", complexity="O(1)", key_flags="RO")
def llen(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the number of elements of a list, 0 if there is none."""
    elements = ctx.db.lookup_read(argv[1], List)
    ctx.reply.integer(0 if elements is None else elements.length())


@command("LRANGE key start stop", flags=READONLY, since="1.0.0",
         complexity="O(S+N) for N elements, the first of them S nodes from the nearer end")
def lrange(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the elements from one position to another (both included, negative ones count from the end)."""
    start, stop = parse_integer(argv[2]), parse_integer(argv[3])
    elements = ctx.db.lookup_read(argv[1], List)
    ctx.reply.bulks([] if elements is None else elements.range(start, stop))


@command("LINDEX key index", flags=READONLY, since="1.0.0",
         complexity="O(N) for N nodes between the element and the nearer end")
def lindex(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the element at a position, null if there is none."""
    elements = ctx.db.lookup_read(argv[1], List)
    ctx.reply.bulk_or_null(None if elements is None else elements.index(parse_integer(argv[2])))


@command("LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]", flags=READONLY, since="6.0.6",
         complexity="O(N) for N elements that are looked at")
def lpos(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the position of an element, or with those of several equal ones."""
    rank, count, maxlen = lpos_options(argv)
    elements = ctx.db.lookup_read(argv[1], List)
    found = [] if elements is None else elements.positions(argv[2], rank, 1 if count is None else count, maxlen)
    if count is not None:
        ctx.reply.integers(found)
    elif found:
        ctx.reply.integer(found[0])
    else:
        ctx.reply.null()


def lpos_options(argv: list[bytes]) -> tuple[int, int | None, int]:
    """LPOS's RANK (1), COUNT (None: not given) and MAXLEN (0: no bound)."""
    rank, count, maxlen = 1, None, 0
    for at in range(3, len(argv), 2):
        word = argv[at].upper()
        if at + 1 == len(argv) or word not in (b"RANK", b"COUNT", b"MAXLEN"):
            raise SyntaxFault()
        if word == b"RANK":
            rank = symmetric_integer(argv[at + 1])
        elif word == b"COUNT":
            count = at_least(argv[at + 1], 0, "COUNT can't be negative")
        else:
            maxlen = at_least(argv[at + 1], 0, "MAXLEN can't be negative")
        if rank == 0:
            raise CommandError(
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                "or use negative to start from the end of the list"
            )
    return rank, count, maxlen


# --- changing -------------------------------------------------------------------------------------------------------


@command("LINSERT key (where=BEFORE|AFTER) pivot element", flags=WRITE | DENYOOM, since="2.2.0",
         complexity="O(N) for N elements up to the pivot", key_flags="RW INSERT")
def linsert(ctx: "Context", argv: list[bytes]) -> None:
    """Inserts an element before or behind the first one that equals the pivot."""
    where = argv[2].upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise SyntaxFault()
    elements = ctx.db.lookup_write(argv[1], List)
    if elements is None:
        ctx.reply.integer(0)
    elif elements.insert(argv[3], argv[4], where == b"AFTER"):
        ctx.modified(argv[1], b"linsert")
        ctx.reply.integer(elements.length())
    else:
        ctx.reply.integer(-1)


@command("LSET key index element", flags=WRITE | DENYOOM, since="1.0.0",
         complexity="O(N) for N nodes between the element and the nearer end")
def lset(ctx: "Context", argv: list[bytes]) -> None:
    """Replaces the element at a position."""
    elements = ctx.db.lookup_write(argv[1], List)
    if elements is None:
        raise NoSuchKey()
    # Redis keeps the position in 32 bits here (and here only): 4294967295 is the last element.
    index = (parse_integer(argv[2]) + 2**31) % 2**32 - 2**31
    if not elements.set(index, argv[3]):
        raise CommandError("ERR index out of range")
    ctx.modified(argv[1], b"lset")
    ctx.reply.ok()


@command("LREM key count element", flags=WRITE, since="1.0.0", complexity="O(N) for N elements of the list",
         key_flags="RW DELETE")
def lrem(ctx: "Context", argv: list[bytes]) -> None:
    """Removes elements that equal the one given: so many from the left, from the right if negative, or all (0)."""
    count = symmetric_integer(argv[2])
    elements = ctx.db.lookup_write(argv[1], List)
    removed = 0 if elements is None else elements.remove(argv[3], count)
    if removed:
        ctx.modified(argv[1], b"lrem", removed)
        if ctx.db.drop_if_empty(argv[1], elements):
            ctx.notify(b"del", argv[1])
    ctx.reply.integer(removed)


@command("LTRIM key start stop", flags=WRITE, since="1.0.0", complexity="O(N) for N elements that go",
         key_flags="RW DELETE")
def ltrim(ctx: "Context", argv: list[bytes]) -> None:
    """Keeps the elements from one position to another (both included) and removes the others."""
    start, stop = parse_integer(argv[2]), parse_integer(argv[3])
    elements = ctx.db.lookup_write(argv[1], List)
    if elements is not None:
        removed = elements.trim(start, stop)
        ctx.modified(argv[1], b"ltrim")
        ctx.dirty += removed - 1  # the key counts as touched even if nothing went
        if ctx.db.drop_if_empty(argv[1], elements):
            ctx.notify(b"del", argv[1])
    ctx.reply.ok()
