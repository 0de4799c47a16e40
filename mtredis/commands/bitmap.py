"""Bitmaps: strings as rows of bits, and as rows of integers of any width (BITFIELD).

Idea: arguments become absolute bit positions here; counting, searching and combining run in `keyspace/bits.pyx` on
the string's own memory.

Owner: the executor thread.
Invariants: a refused command has changed nothing. BITFIELD's writes are one step for readers on other threads.
Limits: bit offsets reach to proto-max-bulk-len bytes. A field that begins before and ends behind that is not written
(Redis lets the string grow by it).
"""

from typing import TYPE_CHECKING, NamedTuple

from mtredis.errors import CommandError, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.keyspace.bits import AND, NOT, OR, XOR, combine, field_patch, get_field
from mtredis.keyspace.bits import count as count_bits
from mtredis.keyspace.bits import find as find_bit
from mtredis.lib.numbers import parse_integer
from mtredis.registry import keyspec
from mtredis.registry.command import DENYOOM, FAST, READONLY, WRITE, command

if TYPE_CHECKING:
    from mtredis.executor.context import Context

BAD_OFFSET = "bit offset is not an integer or out of range"
BAD_BIT = "bit is not an integer or out of range"
BAD_TYPE = "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."


def bit_offset(ctx: "Context", text: bytes, width: int = 1) -> int:
    """The bit that an offset names; it is a multiple of `width`."""
    offset = integer(text, BAD_OFFSET) * width
    if offset < 0 or offset >> 3 >= ctx.server.config.proto_max_bulk_len:
        raise CommandError("ERR " + BAD_OFFSET)
    return offset


@command("SETBIT key offset value:integer", flags=WRITE | DENYOOM, since="2.2.0", complexity="O(1)",
         key_flags="RW ACCESS UPDATE")
def setbit(ctx: "Context", argv: list[bytes]) -> None:
    """Sets or clears one bit of a string and replies with what it was; the string grows with zeros as needed."""
    offset = bit_offset(ctx, argv[2])
    bit = integer(argv[3], BAD_BIT)
    if bit != 0 and bit != 1:
        raise CommandError("ERR " + BAD_BIT)
    key = argv[1]
    is_growing = offset >> 3 >= ctx.db.peek_length(key)
    former = ctx.db.set_bit(key, offset, bit)
    if is_growing or former != bit:
        ctx.modified(key, b"setbit")
    ctx.reply.integer(former)


@command("GETBIT key offset", flags=READONLY | FAST, since="2.2.0", complexity="O(1)")
def getbit(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with one bit of a string, 0 beyond its end."""
    ctx.reply.integer(ctx.db.get_bit(argv[1], bit_offset(ctx, argv[2])))


def is_bit_unit(text: bytes) -> bool:
    """Whether a range is given in bits rather than in bytes."""
    unit = text.upper()
    if unit != b"BIT" and unit != b"BYTE":
        raise SyntaxFault()
    return unit == b"BIT"


def clip_range(start: int, end: int, total: int) -> tuple[int, int]:
    """A range with negative positions counted from the end, clipped to 0 .. total - 1; empty if start > end."""
    if start < 0:
        start = max(total + start, 0)
    if end < 0:
        end = max(total + end, 0)
    return start, min(end, total - 1)


def bit_range(start: int, end: int, length: int, in_bits: bool) -> tuple[int, int]:
    """The first and the last bit of a range of a string of `length` bytes; empty if the first is behind the last."""
    if in_bits:
        return clip_range(start, end, length * 8)
    start, end = clip_range(start, end, length)
    return start * 8, end * 8 + 7


@command("BITCOUNT key [range=start end [unit=BYTE|BIT]@7.0.0]", flags=READONLY, since="2.6.0", complexity="O(N)")
def bitcount(ctx: "Context", argv: list[bytes]) -> None:
    """Counts the bits that are 1 in a string or in a part of it."""
    argc = len(argv)
    if argc == 3 or argc > 5:
        raise SyntaxFault()
    start, end, in_bits = 0, -1, False
    if argc > 2:
        start = parse_integer(argv[2])
        end = parse_integer(argv[3])
        in_bits = argc == 5 and is_bit_unit(argv[4])
    view = ctx.db.string_view(argv[1])
    if start < 0 and end < 0 and start > end:
        ctx.reply.integer(0)
        return
    first, last = bit_range(start, end, len(view), in_bits)
    ctx.reply.integer(count_bits(view, first, last) if first <= last else 0)


@command("BITPOS key bit [range=start [end-unit-block=end [unit=BYTE|BIT]@7.0.0]]", flags=READONLY, since="2.8.7",
         complexity="O(N)")
def bitpos(ctx: "Context", argv: list[bytes]) -> None:
    """Finds the first bit that is 1 or 0 in a string or in a part of it."""
    argc = len(argv)
    bit = parse_integer(argv[2])
    if bit != 0 and bit != 1:
        raise CommandError("ERR The bit argument must be 1 or 0.")
    if argc > 6:
        raise SyntaxFault()
    start = parse_integer(argv[3]) if argc > 3 else 0
    in_bits = argc == 6 and is_bit_unit(argv[5])
    end = parse_integer(argv[4]) if argc > 4 else -1
    view = ctx.db.string_view(argv[1])
    if not len(view) and not ctx.db.exists(argv[1]):
        ctx.reply.integer(-1 if bit else 0)
        return
    first, last = bit_range(start, end, len(view), in_bits)
    if first > last:
        ctx.reply.integer(-1)
        return
    position = find_bit(view, first, last, bool(bit))
    if position < 0 and not bit and argc <= 4:
        position = last + 1  # without an end the string goes on with zeros
    ctx.reply.integer(position)


OPERATIONS = {b"AND": AND, b"OR": OR, b"XOR": XOR, b"NOT": NOT}


@command("BITOP (operation=AND|OR|XOR|NOT) destkey key...", flags=WRITE | DENYOOM, since="2.6.0", complexity="O(N)",
         key_flags=("OW UPDATE", "RO ACCESS"))
def bitop(ctx: "Context", argv: list[bytes]) -> None:
    """Combines strings bit by bit and stores the result; replies with its length in bytes."""
    name = argv[1].upper()
    if name not in OPERATIONS:
        raise SyntaxFault()
    operation = OPERATIONS[name]
    if operation == NOT and len(argv) != 4:
        raise CommandError("ERR BITOP NOT must be called with a single source key.")
    db, target = ctx.db, argv[2]
    for key in argv[3:]:
        db.exists(key)  # what is due expires now: a view lives until the next change
    result = combine(operation, [db.string_view(key) for key in argv[3:]])
    if result:
        db.set_raw(target, result)
        ctx.modified(target, b"set")
    elif db.delete(target):
        ctx.modified(target, b"del")
    ctx.reply.integer(len(result))


# --- BITFIELD -------------------------------------------------------------------------------------------------------


class Operation(NamedTuple):
    """One step of BITFIELD; `name` is GET, SET or INCRBY, `value` what to set or to add."""

    name: bytes
    is_signed: bool
    width: int
    offset: int
    value: int
    overflow: bytes


@command(
    "BITFIELD key [operation=GET (get-block=encoding offset)|write=[OVERFLOW (overflow-block=WRAP|SAT|FAIL)] "
    "(write-operation=SET (set-block=encoding offset value:integer)|"
    "INCRBY (incrby-block=encoding offset increment))]...",
    flags=WRITE | DENYOOM, since="3.2.0", complexity="O(1) for each operation",
    key_flags="RW ACCESS UPDATE VARIABLE_FLAGS", getkeys=keyspec.bitfield_keys,
)
def bitfield(ctx: "Context", argv: list[bytes]) -> None:
    """Reads, sets and adds to integers of any width at any bit of a string."""
    operations = parse_operations(ctx, argv)
    writes = [operation for operation in operations if operation.name != b"GET"]
    if not writes:
        reply_fields(ctx, argv[1], operations)
        return
    keyspace = ctx.server.keyspace
    keyspace.version_begin()
    try:
        results = run_operations(ctx, argv[1], operations, max(each.offset + each.width - 1 for each in writes))
    finally:
        keyspace.version_end()
    reply_results(ctx, results)


@command("BITFIELD_RO key [GET (get-block=encoding offset)]...", flags=READONLY | FAST, since="6.0.0",
         complexity="O(1) for each operation")
def bitfield_ro(ctx: "Context", argv: list[bytes]) -> None:
    """Reads integers of any width at any bit of a string."""
    operations = parse_operations(ctx, argv)
    for operation in operations:
        if operation.name != b"GET":
            raise CommandError("ERR BITFIELD_RO only supports the GET subcommand")
    reply_fields(ctx, argv[1], operations)


def parse_operations(ctx: "Context", argv: list[bytes]) -> list[Operation]:
    """The operations from word 2 on, each with the OVERFLOW that holds for it."""
    operations = []
    overflow = b"WRAP"
    at = 2
    while at < len(argv):
        name = argv[at].upper()
        left = len(argv) - at - 1
        if name == b"OVERFLOW" and left >= 1:
            overflow = argv[at + 1].upper()
            if overflow not in (b"WRAP", b"SAT", b"FAIL"):
                raise CommandError("ERR Invalid OVERFLOW type specified")
            at += 2
            continue
        is_write = name in (b"SET", b"INCRBY")
        if not (is_write and left >= 3) and not (name == b"GET" and left >= 2):
            raise SyntaxFault()
        is_signed, width = field_type(argv[at + 1])
        offset = field_offset(ctx, argv[at + 2], width)
        value = parse_integer(argv[at + 3]) if is_write else 0
        operations.append(Operation(name, is_signed, width, offset, value, overflow))
        at += 4 if is_write else 3
    return operations


def field_type(text: bytes) -> tuple[bool, int]:
    """i1 to i64 or u1 to u63 as (signed, width)."""
    is_signed = text[:1] == b"i"
    if not is_signed and text[:1] != b"u":
        raise CommandError("ERR " + BAD_TYPE)
    width = integer(text[1:], BAD_TYPE)
    if width < 1 or width > 63 + is_signed:
        raise CommandError("ERR " + BAD_TYPE)
    return is_signed, width


def field_offset(ctx: "Context", text: bytes, width: int) -> int:
    """An offset in bits, or behind "#" in fields."""
    if text[:1] == b"#":
        return bit_offset(ctx, text[1:], width)
    return bit_offset(ctx, text)


def reply_fields(ctx: "Context", key: bytes, operations: list[Operation]) -> None:
    """Replies with the fields that GET operations name."""
    view = ctx.db.string_view(key)
    ctx.reply.integers([get_field(view, each.offset, each.width, each.is_signed) for each in operations])


def run_operations(ctx: "Context", key: bytes, operations: list[Operation], last_bit: int) -> list[int | None]:
    """Makes the string long enough for the last bit written, then runs all operations in their order."""
    db = ctx.db
    needed = (last_bit >> 3) + 1
    has_grown = db.peek_length(key) < needed
    # Its encoding is that of a string changed in place from here on, even if no field gets another value.
    db.set_range(key, needed - 1, b"\0" if has_grown else bytes(db.peek_view(key)[needed - 1 : needed]))
    results: list[int | None] = []
    changes = 0
    for each in operations:
        view = db.peek_view(key)
        former = get_field(view, each.offset, each.width, each.is_signed)
        if each.name == b"GET":
            results.append(former)
            continue
        value = former + each.value if each.name == b"INCRBY" else each.value
        fitted = fit(value, each)
        if fitted is None:
            results.append(None)
            continue
        if has_grown or fitted != former:
            changes += 1
        if fitted != former:
            patch = field_patch(view, each.offset, each.width, fitted & ((1 << each.width) - 1))
            db.set_range(key, each.offset >> 3, patch)
        results.append(fitted if each.name == b"INCRBY" else former)
    ctx.modified(key, b"setbit", changes)
    return results


def fit(value: int, operation: Operation) -> int | None:
    """The value as the field can hold it under the operation's OVERFLOW; None where that is FAIL and it does not."""
    width = operation.width
    lowest = -(1 << width - 1) if operation.is_signed else 0
    highest = (1 << width - operation.is_signed) - 1
    if lowest <= value <= highest:
        return value
    if operation.overflow == b"FAIL":
        return None
    if operation.overflow == b"SAT":
        # SET takes a negative number for an unsigned field as the huge one with the same bits.
        is_low = value < lowest and (operation.is_signed or operation.name == b"INCRBY")
        return lowest if is_low else highest
    value &= (1 << width) - 1
    return value - (1 << width) if value > highest else value


def reply_results(ctx: "Context", results: list[int | None]) -> None:
    """Replies with integers, null for each that an overflow has prevented."""
    ctx.reply.array(len(results))
    for result in results:
        if result is None:
            ctx.reply.null()
        else:
            ctx.reply.integer(result)
