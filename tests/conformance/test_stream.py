"""The stream commands against redis-server: entries, trimming, consumer groups, waiting, and every error text.

Idea: ids are explicit wherever they show; where time shows (idle times, times of delivery) it may differ by seconds.
Nothing is left out of the comparison but the figure of radix-tree-nodes, which is about another tree here.
"""

import pytest

from tests.support.differential import PLAIN_MODES, Pair, Script, near_in_ms, parametrize_scripts, same_shape
from tests.support.resp import Value

NAMES = """
XADD XLEN XRANGE XREVRANGE XREAD XDEL XTRIM XSETID XREADGROUP XACK XPENDING XCLAIM XAUTOCLAIM
""".split()
SUBCOMMANDS = [f"XGROUP {name}" for name in "CREATE SETID DESTROY CREATECONSUMER DELCONSUMER NONE".split()] + [
    f"XINFO {name}" for name in "STREAM GROUPS CONSUMERS NONE".split()
]
BAD_IDS = ["abc", "-1", "1-", "1-a", "1--2", "-", "+", "1-1-1", '""', "18446744073709551616", "1-18446744073709551616",
           "9" * 130, '"1 "', "0x1", "$", ">", "*", "1-*", "*-1", "(1", '"1\\x00"', '"1-1\\x00-3"']  # fmt: skip
ODD_IDS = ['" 1"', "+1", "01-002", "1-+2", '"1- 3"', "1-0000000000000000000000000000007", '"2-\\x0b4"']

FILL = "\n".join(f"XADD s {i}-{j} field {i} other {j}" for i in (1, 2, 3, 5, 8) for j in (1, 2))
GROUP = f"""
    {FILL}
    XGROUP CREATE s g 0
    XREADGROUP GROUP g alice COUNT 3 STREAMS s >
    XREADGROUP GROUP g bob COUNT 4 STREAMS s >
"""
STATE = """
    XLEN s
    XRANGE s - +
    XINFO STREAM s
    XINFO STREAM s FULL
    XINFO GROUPS s
    XINFO CONSUMERS s g
    XPENDING s g
    XPENDING s g - + 100
"""


def _is_time(label: object) -> bool:
    return label in (b"idle", b"inactive", b"seen-time", b"active-time")


def same_but_for_times(ours: Value, theirs: Value) -> bool:
    """Equal, but times need only be near to each other, and radix-tree-nodes may be anything."""
    if ours == theirs:
        return True
    if ours.kind != theirs.kind:
        return False
    if ours.kind == "integer":
        return min(ours.data, theirs.data) > 10**12 and near_in_ms(ours, theirs)
    if not isinstance(ours.data, tuple) or len(ours.data) != len(theirs.data):
        return False
    if ours.kind == "map":
        pairs = list(zip(ours.data, theirs.data, strict=True))
        return all(a[0] == b[0] and _same_field(a[0].data, a[1], b[1]) for a, b in pairs)
    labels = [None, *(item.data for item in ours.data[:-1])]
    return all(map(_same_field, labels, ours.data, theirs.data))


def _same_field(label: object, ours: Value, theirs: Value) -> bool:
    if label == b"radix-tree-nodes":
        return ours.kind == theirs.kind == "integer"
    if _is_time(label) and ours.kind == theirs.kind == "integer":
        return near_in_ms(ours, theirs)
    return same_but_for_times(ours, theirs)


def same_pending(ours: Value, theirs: Value) -> bool:
    """As same_but_for_times, and the third number of a row is an idle time."""
    if ours == theirs:
        return True
    if ours.kind != theirs.kind or ours.kind != "array" or len(ours.data) != len(theirs.data):
        return False
    if len(ours.data) == 4 and ours.data[2].kind == theirs.data[2].kind == "integer":
        rest = [each.data[:2] + each.data[3:] for each in (ours, theirs)]
        return near_in_ms(ours.data[2], theirs.data[2]) and rest[0] == rest[1]
    return all(map(same_pending, ours.data, theirs.data))


HOW = {"xinfo": same_but_for_times, "xpending": same_pending}

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(
        f"{name}{' a' * count}" for name in [*NAMES, *SUBCOMMANDS, "XGROUP", "XINFO"] for count in range(6)
    ),
    "wrong-type": "SET k v\n" + "\n".join([
        "XADD k 1-1 a b", "XADD k NOMKSTREAM * a b", "XLEN k", "XRANGE k - +", "XREVRANGE k + -", "XREAD STREAMS k 0",
        "XREAD STREAMS none k 0 $", "XDEL k 1-1", "XDEL k bad", "XTRIM k MAXLEN 1", "XSETID k 1-1",
        "XREADGROUP GROUP g c STREAMS k >", "XACK k g 1-1", "XPENDING k g", "XPENDING k g - + 10",
        "XCLAIM k g c 0 1-1", "XCLAIM k g c bad 1-1", "XAUTOCLAIM k g c 0 0", "XAUTOCLAIM k g c bad 0",
        "XGROUP CREATE k g $", "XGROUP CREATE k g $ MKSTREAM", "XGROUP SETID k g 0", "XGROUP DESTROY k g",
        "XGROUP CREATECONSUMER k g c", "XGROUP DELCONSUMER k g c", "XINFO STREAM k", "XINFO GROUPS k",
        "XINFO CONSUMERS k g", "GET k", "XADD s 1-1 a b", "GET s", "INCR s", "APPEND s x", "TYPE s",
    ]),
    "missing": "\n".join([
        "XADD k NOMKSTREAM 1-1 a b", "EXISTS k", "XLEN k", "XRANGE k - +", "XRANGE k - + COUNT 0", "XREVRANGE k + -",
        "XREAD STREAMS k 0", "XREAD STREAMS k $", "XREAD STREAMS k +", "XDEL k 1-1", "XDEL k bad", "XTRIM k MAXLEN 1",
        "XTRIM k MAXLEN x", "XSETID k 1-1", "XREADGROUP GROUP g c STREAMS k >", "XACK k g 1-1", "XACK k g bad",
        "XPENDING k g", "XPENDING k g - + 10", "XCLAIM k g c 0 1-1", "XCLAIM k g c bad 1-1", "XAUTOCLAIM k g c 0 0",
        "XGROUP CREATE k g $", "XGROUP CREATE k g bad MKSTREAM", "EXISTS k", "XGROUP SETID k g 0",
        "XGROUP DESTROY k g", "XGROUP CREATECONSUMER k g c", "XGROUP DELCONSUMER k g c", "XINFO STREAM k",
        "XINFO STREAM k BOGUS", "XINFO GROUPS k", "XINFO CONSUMERS k g", "EXISTS k",
        "XGROUP CREATE k g $ MKSTREAM", "EXISTS k", "XLEN k", "XINFO STREAM k", "XINFO STREAM k FULL",
        "XINFO GROUPS k", "XINFO CONSUMERS k g", "XINFO CONSUMERS k none", "XPENDING k g", "XPENDING k none",
        "XREADGROUP GROUP none c STREAMS k >", "XGROUP SETID k none 0", "XGROUP DESTROY k none", "XACK k none 1-1",
        "XGROUP CREATECONSUMER k none c", "XGROUP DELCONSUMER k none c", "XCLAIM k none c 0 1-1",
        "XAUTOCLAIM k none c 0 0", "XREADGROUP GROUP g c STREAMS k >", "XREADGROUP GROUP g c STREAMS k 0",
    ]),
    "add": r"""
        XADD s 1-1 a 1
        XADD s 1-1 a 1
        XADD s 1-0 a 1
        XADD s 0-5 a 1
        XADD s 0-0 a 1
        XADD none 0-0 a 1
        EXISTS none
        XADD s 1 a 1
        XADD s 2 a 1
        XADD s 2-* a 2
        XADD s 2-* a 3
        XADD s 1-* a 4
        XADD s 5-* a 5
        XADD s 5-18446744073709551615 a 6
        XADD s 5-* a 7
        XADD none 0-* a 1
        XADD none 0-* a 2
        XADD s 6-1 "" "" "" ""
        XADD s 7-1 "\x00\xff" "\r\n" a a
        XADD s 8-1 12 -5 -7 9223372036854775807 007 1.5
        XADD s 9-1 a
        XADD s 9-1 a 1 b
        XADD s 9-1
        XADD s *
        XADD s * a
        XADD s NOMKSTREAM 9-1 a 1
        XADD s nomkstream nomkstream 9-2 a 1
        XADD s 18446744073709551615-18446744073709551614 a 1
        XADD s 18446744073709551615-* a 2
        XADD s 18446744073709551615-* a 2
        XADD s * a 2
        XADD s 18446744073709551615-18446744073709551615 a 1
        XRANGE s - +
        XREVRANGE s + -
        XLEN s
        TYPE s
        OBJECT ENCODING s
        XINFO STREAM s
    """,
    "add-time": """
        XADD t 33177117420000-18446744073709551615 a 1
        XADD t * a 2
        XADD t * a 3
        XADD t 33177117420001-* a 4
        XRANGE t - +
    """,
    "ids": "\n".join(
        f"{FILL}\nXADD s {bad} a b\nXADD t {bad} a b\nXRANGE s {bad} +\nXRANGE s - {bad}\nXREAD STREAMS s {bad}\n"
        f"XDEL s {bad}\nXTRIM s MINID {bad}\nXSETID s {bad}\nXSETID s 9-9 MAXDELETEDID {bad}\nXLEN s\nXLEN t\nDEL s t"
        for bad in BAD_IDS if bad != "*"
    ),
    "odd-ids": "\n".join(
        f"XADD t {odd} a b\nXRANGE t {odd} {odd}\nXREAD STREAMS t {odd}\nXDEL t {odd}\nDEL t" for odd in ODD_IDS
    ),
    "group-ids": GROUP + "\n".join(
        f"XGROUP CREATE s n {bad}\nXGROUP DESTROY s n\nXGROUP SETID s g {bad}\nXGROUP SETID s g 3-1\nXACK s g {bad}\n"
        f"XACK s g 1-1 {bad}\nXCLAIM s g c 0 {bad}\nXCLAIM s g c 0 1-1 {bad}\nXCLAIM s g c 0 1-1 LASTID {bad}\n"
        f"XAUTOCLAIM s g c 1000000 {bad}\nXPENDING s g {bad} + 1\nXPENDING s g - {bad} 1\n"
        f"XREADGROUP GROUP g c STREAMS s {bad}"
        for bad in BAD_IDS if bad not in (">", '"1-1\\x00-3"')
    ),
    "range": FILL + "".join(
        f"\nXRANGE s {start} {end}\nXREVRANGE s {end} {start}"
        for start in ("-", "0", "1", "1-2", "(1-2", "(1-1", "2-9", "4", "(8-1", "9", "(18446744073709551615", "(-", "+")
        for end in ("+", "0", "1", "2-1", "(2-1", "(2", "3", "4-0", "8", "9", "(0", "(+", "-", "(0-1")
    ),
    "range-count": FILL + "".join(
        f"\nXRANGE s 1 8 {option}\nXREVRANGE s 8 1 {option}"
        for option in ("COUNT 1", "count 3", "COUNT 100", "COUNT 0", "COUNT -1", "COUNT x", "COUNT", "BOGUS 1",
                       "COUNT 3 COUNT 1", "COUNT 3 COUNT", "COUNT 9223372036854775808")
    ),
    "delete": FILL + """
        XDEL s 1-1
        XDEL s 1-1
        XDEL s 1-2 3-1 3-1 9-9 0-0
        XINFO STREAM s
        XRANGE s - +
        XREVRANGE s + -
        XDEL s 8-2
        XINFO STREAM s
        XADD s 8-2 a b
        XADD s 8-3 a b
        XDEL s 2-1 bad
        XLEN s
        XDEL s 2-1 2-2 3-2 5-1 5-2 8-1 8-3
        XINFO STREAM s
        EXISTS s
        XLEN s
        XRANGE s - +
        XADD s 8-3 x y
        XADD s 9-1 x y
        XINFO STREAM s
        XREVRANGE s + - COUNT 1
    """,
    "trim": FILL + "".join(
        f"\n{FILL}\nXTRIM s {option}\nXLEN s\nXINFO STREAM s\nDEL s"
        for option in (
            "MAXLEN 5", "MAXLEN = 5", "MAXLEN ~ 5", "maxlen 0", "MAXLEN ~ 0", "MAXLEN 100", "MAXLEN -1", "MAXLEN x",
            "MAXLEN", "MAXLEN ~", "MAXLEN = ", "MINID 3", "MINID = 3-2", "MINID ~ 3", "minid 0", "MINID 99", "MINID -",
            "MINID ~ 99", "MINID ~ 99 LIMIT 5", "MINID ~ 99 LIMIT 0", "MAXLEN ~ 0 LIMIT 10", "MAXLEN ~ 0 LIMIT 9",
            "MAXLEN 5 LIMIT 5", "MAXLEN 5 LIMIT 0", "LIMIT 5", "LIMIT 0", "LIMIT -1", "LIMIT x", "LIMIT",
            "MAXLEN 5 MINID 3", "MINID 3 MAXLEN 5", "MAXLEN 5 MAXLEN 4", "MAXLEN ~ 5 LIMIT -1", "BOGUS", "NOMKSTREAM",
            "MAXLEN 5 BOGUS", "LIMIT 5 MAXLEN ~ 0", "LIMIT 20 MAXLEN ~ 0", "MAXLEN ~ 5 LIMIT 5 LIMIT 100",
            "MAXLEN == 5", "MAXLEN ~ ~", "MAXLEN 9223372036854775807", "MAXLEN 9223372036854775808",
        )
    ),
    "add-and-trim": "".join(
        f"\n{FILL}\nXADD s {option} 9-1 a b\nXLEN s\nXRANGE s - + COUNT 2\nXADD new {option} 9-1 a b\nXLEN new\n"
        "XINFO STREAM s\nDEL s new"
        for option in (
            "MAXLEN 5", "MAXLEN = 5", "MAXLEN ~ 5", "MAXLEN 0", "MAXLEN ~ 0", "MAXLEN -1", "MAXLEN x", "MINID 3",
            "MINID = 3-2", "MINID ~ 99", "MINID 99", "MINID -", "MINID ~ 99 LIMIT 5", "MAXLEN ~ 0 LIMIT 11",
            "MAXLEN 5 LIMIT 5", "MAXLEN 5 LIMIT 0", "LIMIT 5", "LIMIT 0", "LIMIT -1", "LIMIT x", "MAXLEN 5 MINID 3",
            "MAXLEN 5 NOMKSTREAM", "NOMKSTREAM MAXLEN 5", "MAXLEN ~ 5 LIMIT -1", "BOGUS", "* MAXLEN 5",
        )
    ) + """
        XADD s MAXLEN 5
        XADD s MAXLEN ~ 5
        XADD s MAXLEN ~ 5 LIMIT
        XADD s MAXLEN ~ 5 *
        XADD s NOMKSTREAM NOMKSTREAM NOMKSTREAM NOMKSTREAM
        XADD s LIMIT 5 NOMKSTREAM
        XADD s LIMIT 0 NOMKSTREAM
        XADD s LIMIT 1 5-5 a
        XADD s MAXLEN 1 LIMIT 1 5-5 a
        XADD s 0-0 a
        EXISTS s
    """,
    "set-id": FILL + """
        XSETID s 8-1
        XSETID s 8-2
        XSETID s 9-9
        XINFO STREAM s
        XSETID s 9-9 ENTRIESADDED 9
        XSETID s 9-9 ENTRIESADDED 100 MAXDELETEDID 7-7
        XINFO STREAM s
        XSETID s 9-9 MAXDELETEDID 10
        XSETID s 9-9 MAXDELETEDID 0
        XSETID s 9-9 MAXDELETEDID 9-9
        XSETID s 9-8
        XINFO STREAM s
        XSETID s 9-9 ENTRIESADDED -1
        XSETID s 9-9 ENTRIESADDED x
        XSETID s 9-9 ENTRIESADDED
        XSETID s 9-9 MAXDELETEDID
        XSETID s 9-9 BOGUS 1
        XSETID s 9-9 entriesadded 50 entriesadded 60
        XINFO STREAM s
        XADD s 9-9 a b
        XADD s 9-10 a b
        XTRIM s MAXLEN 0
        XSETID s 9-9
        XSETID s 11-0 ENTRIESADDED 0
        XSETID s 5-0
        XSETID s 12
        XINFO STREAM s
        XSETID none 1-1
        XSETID none 1-1 BOGUS
    """,
    "read": FILL + """
        XREAD STREAMS s 0
        XREAD COUNT 2 STREAMS s 0
        XREAD COUNT 0 STREAMS s 5
        XREAD COUNT -1 STREAMS s 5-1
        XREAD COUNT x STREAMS s 5-1
        XREAD STREAMS s 8-1
        XREAD STREAMS s 8-2
        XREAD STREAMS s 8-3
        XREAD STREAMS s $
        XREAD STREAMS s +
        XREAD COUNT 10 STREAMS s +
        XREAD STREAMS s >
        XREAD STREAMS s -
        XREAD STREAMS none 0
        XREAD STREAMS s none s 0 0 5-2
        XREAD STREAMS none none2 0 $
        XREAD STREAMS s none 0
        XREAD STREAMS s
        XREAD STREAMS
        XREAD COUNT 2
        XREAD COUNT 2 STREAMS
        XREAD BOGUS STREAMS s 0
        XREAD GROUP g c STREAMS s 0
        XREAD GROUP g STREAMS
        XREAD NOACK STREAMS s 0
        XREAD noack
        XREAD COUNT 1 COUNT 2 STREAMS s 0
        XREAD BLOCK 1 STREAMS s 0
        XREAD BLOCK 0 STREAMS s 5
        XREAD BLOCK -1 STREAMS s 0
        XREAD BLOCK x STREAMS s 0
        XREAD BLOCK 1.5 STREAMS s 0
        XREAD BLOCK 9223372036854775807 STREAMS s 0
        XREAD BLOCK 9223372036854775808 STREAMS s 0
        XREAD BLOCK 1 STREAMS s none $ $
        XREAD BLOCK 1 COUNT 1 STREAMS s none 9 +
        XDEL s 8-2
        XREAD STREAMS s +
        XREAD STREAMS s $
        XREAD STREAMS s 8-1
        XDEL s 8-1
        XREAD STREAMS s +
        XREAD STREAMS s 18446744073709551615-18446744073709551615
        XTRIM s MAXLEN 0
        XREAD STREAMS s +
        XREAD STREAMS s 0
    """,
    "group": GROUP + STATE + """
        XGROUP CREATE s g 0
        XGROUP CREATE s g2 $
        XGROUP CREATE s g3 3-1 ENTRIESREAD 5
        XGROUP CREATE s g4 3-1 ENTRIESREAD -1 MKSTREAM
        XGROUP CREATE s g5 3-1 ENTRIESREAD -2
        XGROUP CREATE s g5 3-1 ENTRIESREAD x
        XGROUP CREATE s g5 3-1 ENTRIESREAD
        XGROUP CREATE s g5 3-1 BOGUS
        XGROUP CREATE s g5 3-1 mkstream mkstream mkstream
        XGROUP CREATE s g6 3-1 mkstream mkstream mkstream mkstream
        XGROUP CREATE none g6 3-1 mkstream mkstream mkstream mkstream
        EXISTS none
        XGROUP CREATE s "" 0
        XGROUP CREATE s "\\x00\\xff" 0
        XGROUP CREATE s a 0
        XGROUP CREATE s aa 0
        XINFO GROUPS s
        XGROUP SETID s g 0
        XGROUP SETID s g2 5-1 ENTRIESREAD 3
        XGROUP SETID s g3 $
        XGROUP SETID s g3 - ENTRIESREAD 0
        XGROUP SETID s g3 5 MKSTREAM
        XGROUP SETID s g3 5 BOGUS 1
        XGROUP SETID s g3 5 ENTRIESREAD
        XGROUP SETID s g3 5 ENTRIESREAD 5 ENTRIESREAD 6
        XGROUP SETID s none 5
        XINFO GROUPS s
        XGROUP CREATECONSUMER s g carol
        XGROUP CREATECONSUMER s g carol
        XGROUP CREATECONSUMER s g ""
        XGROUP CREATECONSUMER s g alice2
        XINFO CONSUMERS s g
        XGROUP DELCONSUMER s g alice
        XGROUP DELCONSUMER s g alice
        XGROUP DELCONSUMER s g carol
        XGROUP DESTROY s g2
        XGROUP DESTROY s g2
        XGROUP DESTROY s "\\x00\\xff"
        XGROUP BOGUS
        XINFO BOGUS s
    """ + STATE,
    "read-group": GROUP + """
        XREADGROUP GROUP g alice STREAMS s 0
        XREADGROUP GROUP g alice COUNT 1 STREAMS s 0
        XREADGROUP GROUP g alice COUNT 1 STREAMS s 1-1
        XREADGROUP GROUP g bob STREAMS s 2-2
        XREADGROUP GROUP g carol STREAMS s 0
        XREADGROUP GROUP g carol NOACK STREAMS s >
        XREADGROUP GROUP g carol STREAMS s >
        XREADGROUP GROUP g carol STREAMS s 0
        XINFO GROUPS s
        XDEL s 1-2 2-1
        XREADGROUP GROUP g alice STREAMS s 0
        XREADGROUP GROUP g alice STREAMS s 18446744073709551615-18446744073709551615
        XREADGROUP GROUP g alice STREAMS s $
        XREADGROUP GROUP g alice STREAMS s +
        XREADGROUP GROUP g alice STREAMS s -
        XREADGROUP GROUP g alice STREAMS s none > >
        XREADGROUP GROUP none alice STREAMS s >
        XREADGROUP GROUP g alice STREAMS s
        XREADGROUP GROUP g alice STREAMS s > >
        XREADGROUP GROUP g alice STREAMS
        XREADGROUP STREAMS s >
        XREADGROUP STREAMS a b c
        XREADGROUP COUNT 2 STREAMS s > NOACK
        XREADGROUP GROUP g STREAMS s >
        XREADGROUP GROUP g alice COUNT x STREAMS s >
        XREADGROUP GROUP g alice BLOCK x STREAMS s >
        XREADGROUP GROUP g alice BLOCK -1 STREAMS s >
        XREADGROUP GROUP g alice BOGUS STREAMS s >
        XREADGROUP GROUP g alice NOACK NOACK COUNT -1 STREAMS s >
        XREADGROUP GROUP g dave BLOCK 1 STREAMS s >
        XREADGROUP GROUP g dave BLOCK 1 STREAMS s 0
        XREADGROUP GROUP g erin BLOCK 1 NOACK STREAMS s >
        XADD s 9-1 a b
        XADD s 9-2 a b
        XADD s2 1-1 a b
        XGROUP CREATE s2 g 0
        XREADGROUP GROUP g alice COUNT 1 STREAMS s s2 > >
        XREADGROUP GROUP g alice STREAMS s s2 > 0
        XREADGROUP GROUP g alice STREAMS s s s2 > 0 >
        XGROUP SETID s g 0
        XREADGROUP GROUP g bob STREAMS s >
        XTRIM s MAXLEN 0
        XREADGROUP GROUP g bob STREAMS s >
        XREADGROUP GROUP g bob STREAMS s 0
        XREADGROUP GROUP g bob COUNT 2 STREAMS s 0
    """ + STATE,
    "lag": FILL + """
        XGROUP CREATE s g 0
        XGROUP CREATE s mid 3-1
        XGROUP CREATE s end $
        XINFO GROUPS s
        XREADGROUP GROUP g a COUNT 1 STREAMS s >
        XINFO GROUPS s
        XREADGROUP GROUP mid a COUNT 1 STREAMS s >
        XINFO GROUPS s
        XDEL s 1-1
        XINFO GROUPS s
        XREADGROUP GROUP g a COUNT 1 STREAMS s >
        XINFO GROUPS s
        XDEL s 5-1
        XINFO GROUPS s
        XREADGROUP GROUP g a COUNT 3 STREAMS s >
        XREADGROUP GROUP mid a COUNT 3 STREAMS s >
        XINFO GROUPS s
        XREADGROUP GROUP g a STREAMS s >
        XINFO GROUPS s
        XADD s 9-1 a b
        XINFO GROUPS s
        XTRIM s MINID 8
        XINFO GROUPS s
        XDEL s 9-1
        XINFO GROUPS s
        XADD s 10-1 a b
        XREADGROUP GROUP end a STREAMS s >
        XINFO GROUPS s
        XTRIM s MAXLEN 0
        XINFO GROUPS s
        XADD s 11-1 a b
        XINFO GROUPS s
        XSETID s 11-1 ENTRIESADDED 100
        XINFO GROUPS s
        XGROUP SETID s g 10-1 ENTRIESREAD 99
        XINFO GROUPS s
        XSETID s 20-1 ENTRIESADDED 100 MAXDELETEDID 15-1
        XINFO GROUPS s
        XGROUP SETID s g 15-1
        XINFO GROUPS s
        XGROUP SETID s g 20-1
        XGROUP SETID s mid 21-1
        XGROUP SETID s end 0
        XINFO GROUPS s
        XADD s 22-1 a b
        XREADGROUP GROUP end a COUNT 1 STREAMS s >
        XREADGROUP GROUP mid a COUNT 1 STREAMS s >
        XREADGROUP GROUP g a COUNT 1 STREAMS s >
        XINFO GROUPS s
    """,
    "ack": GROUP + """
        XACK s g 1-1
        XACK s g 1-1
        XACK s g 1-2 3-1 3-1 8-1 99
        XACK s none 1-1
        XACK s g 2-2 bad
        XACK s g 2-2
    """ + STATE,
    "pending": GROUP + "".join(
        f"\nXPENDING s g {rest}"
        for rest in (
            "", "- + 100", "- + 2", "- + 0", "- + -1", "- + x", "1-2 3-1 10", "(1-2 (3-1 10", "3 2 10", "- + 10 alice",
            "- + 10 bob", "- + 10 none", "- + 1 bob", "IDLE 0 - + 10", "IDLE 1000000 - + 10", "IDLE -5 - + 10",
            "IDLE 0 - + 10 bob", "IDLE 1000000 - + 10 bob", "idle x - + 10", "IDLE 5 - +", "IDLE 5", "IDLE 5 -",
            "- +", "-", "- + 10 bob extra", "- + 10 bob extra more", "- + 10 bob extra more more", "bad + 10",
            "- bad 10", "bad bad bad", "(18446744073709551615-18446744073709551615 + 10", "- (0 10", "IDLE 0 - + x",
            "BOGUS 0 - + 10",
        )
    ) + "\nXPENDING s none\nXPENDING s none - + 10\nXPENDING s none - + 10 bob",
    "claim": GROUP + """
        XCLAIM s g carol 0 1-1
        XCLAIM s g carol 0 1-1 JUSTID
        XCLAIM s g carol 1000000 1-2 JUSTID
        XCLAIM s g carol 0 1-2 2-1 2-1 9-9 8-1 JUSTID
        XCLAIM s g dave 0 8-1 FORCE
        XCLAIM s g dave 0 8-2 FORCE JUSTID
        XCLAIM s g dave 1000000 5-2 FORCE JUSTID
        XCLAIM s g dave 0 9-9 FORCE
        XCLAIM s g alice 0 3-1 RETRYCOUNT 7
        XCLAIM s g alice 0 3-1 RETRYCOUNT 0 JUSTID
        XCLAIM s g alice 0 3-1 RETRYCOUNT -5
        XCLAIM s g alice 0 3-1 IDLE 500000
        XPENDING s g IDLE 400000 - + 10
        XCLAIM s g alice 400000 3-1 JUSTID IDLE 600000 RETRYCOUNT 3
        XCLAIM s g alice 0 3-1 TIME 1000
        XPENDING s g IDLE 1000000000 - + 10 nobody
        XCLAIM s g alice 0 3-1 TIME 33177117420000
        XCLAIM s g alice 0 3-1 IDLE -1000
        XCLAIM s g alice 0 3-1 LASTID 5-1
        XINFO GROUPS s
        XCLAIM s g alice 0 9-9 LASTID 99-1
        XCLAIM s g alice 0 9-9 LASTID 1-1
        XINFO GROUPS s
        XCLAIM s g alice -5 3-1 justid force
        XCLAIM s g alice x 3-1
        XCLAIM s g alice 0 3-1 BOGUS
        XCLAIM s g alice 0 BOGUS
        XCLAIM s g alice 0 3-1 IDLE
        XCLAIM s g alice 0 3-1 IDLE x
        XCLAIM s g alice 0 3-1 TIME x
        XCLAIM s g alice 0 3-1 RETRYCOUNT x
        XCLAIM s g alice 0 3-1 RETRYCOUNT
        XCLAIM s g alice 0 3-1 LASTID bad
        XCLAIM s g alice 0 3-1 JUSTID 3-2
        XCLAIM s none alice 0 3-1
        XCLAIM none g alice 0 3-1
        XDEL s 1-1 3-1
        XCLAIM s g erin 0 1-1 3-1 2-2
        XCLAIM s g frank 0 JUSTID
        XCLAIM s g frank 0 FORCE LASTID 100-1
    """ + STATE,
    "claim-idle": GROUP + """
        XAUTOCLAIM s g carol 0 0 COUNT 2
        XAUTOCLAIM s g carol 0 1-2 COUNT 2 JUSTID
        XAUTOCLAIM s g carol 0 (2-1
        XAUTOCLAIM s g carol 1000000 0
        XAUTOCLAIM s g carol -1 0 JUSTID
        XAUTOCLAIM s g carol 0 - COUNT 1
        XAUTOCLAIM s g carol 0 + COUNT 1
        XAUTOCLAIM s g carol 0 99
        XAUTOCLAIM s g carol x 0
        XAUTOCLAIM s g carol 0 bad
        XAUTOCLAIM s g carol 0 (18446744073709551615-18446744073709551615
        XAUTOCLAIM s g carol 0 0 COUNT 0
        XAUTOCLAIM s g carol 0 0 COUNT -1
        XAUTOCLAIM s g carol 0 0 COUNT x
        XAUTOCLAIM s g carol 0 0 COUNT 9223372036854775807
        XAUTOCLAIM s g carol 0 0 COUNT
        XAUTOCLAIM s g carol 0 0 BOGUS
        XAUTOCLAIM s g carol 0 0 justid count 1 justid
        XAUTOCLAIM s none carol 0 0
        XAUTOCLAIM none g carol 0 0
        XDEL s 1-1 2-1 2-2
        XAUTOCLAIM s g dave 0 0 COUNT 3
        XAUTOCLAIM s g dave 0 0 COUNT 1
        XAUTOCLAIM s g erin 1000000 0 COUNT 1
        XAUTOCLAIM s g dave 0 0
        XTRIM s MAXLEN 0
        XAUTOCLAIM s g dave 0 0
        XAUTOCLAIM s g dave 0 0
    """ + STATE,
    "info": GROUP + "".join(
        f"\nXINFO STREAM s {rest}"
        for rest in ("", "FULL", "full count 2", "FULL COUNT 0", "FULL COUNT -3", "FULL COUNT x", "FULL COUNT", "BOGUS",
                     "FULL BOGUS 1", "COUNT 1", "FULL COUNT 1 x", "FULL FULL")
    ) + "\nXINFO GROUPS s x\nXINFO CONSUMERS s\nXINFO STREAM",
    "copies": GROUP + """
        COPY s t
        XINFO STREAM t FULL COUNT 0
        XADD t 9-1 a b
        XACK t g 1-1
        XGROUP DELCONSUMER t g bob
        XINFO STREAM s FULL COUNT 0
        RENAME s u
        XINFO STREAM u FULL COUNT 0
        EXPIRE u 1000
        XADD u 9-1 a b
        XREADGROUP GROUP g bob COUNT 1 STREAMS u >
        PERSIST u
        XREADGROUP GROUP g bob COUNT 1 STREAMS u >
        XINFO STREAM u FULL COUNT 0
        MOVE u 1
        SELECT 1
        XINFO STREAM u FULL COUNT 0
        OBJECT ENCODING u
        DEL u
        XLEN u
        SELECT 0
        SET t v
        GET t
        XADD t 1-1 a b
    """,
    "many": [("XADD", "s", f"{i}-{i % 3}", *(["f", i] if i % 7 else ["f", i, f"g{i % 4}", "x" * (i % 90)]))
             for i in range(1, 330)] + [
        ("XLEN", "s"), ("XRANGE", "s", "-", "+"), ("XREVRANGE", "s", "+", "-"), ("XINFO", "STREAM", "s"),
        *[("XDEL", "s", *[f"{i}-{i % 3}" for i in range(start, 330, 11)]) for start in (1, 4, 7, 9)],
        ("XRANGE", "s", "-", "+"), ("XREVRANGE", "s", "200", "100"), ("XINFO", "STREAM", "s"),
        *[request for length in (200, 150, 149, 148, 100, 1, 0) for request in (
            ("XTRIM", "s", "MAXLEN", "~", length), ("XINFO", "STREAM", "s"),
            ("XTRIM", "s", "MAXLEN", length), ("XINFO", "STREAM", "s"))],
        ("XADD", "s", "400-1", "f", "v"), ("XINFO", "STREAM", "s"),
    ],
    "big-values": [
        ("XADD", "s", "1-1", "f", b"x" * 5000), ("XADD", "s", "1-2", "f", b"y" * 3000), ("XADD", "s", "1-3", "f", "z"),
        ("XADD", "s", "1-4", b"n" * 70_000, b"y" * 300_000), ("XADD", "s", "1-5", "f", b"x" * 4095),
        ("XADD", "s", "1-6", *[word for i in range(500) for word in (f"f{i}", i * i)]),
        ("XADD", "s", "1-7", *[word for i in range(500) for word in (f"f{i}", i)]),
        ("XRANGE", "s", "-", "+"), ("XREVRANGE", "s", "+", "-"), ("XINFO", "STREAM", "s"), ("XTRIM", "s", "MAXLEN", 2),
        ("XINFO", "STREAM", "s"),
    ],
}


HELP: dict[str, Script] = {"help": "XGROUP HELP\nXGROUP HELP x\nXINFO HELP\nXINFO HELP x\nxinfo help\nxgroup help"}


@parametrize_scripts(HELP)
def test_help(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@pytest.mark.parametrize(("entries", "size"), [(1, 4096), (3, 4096), (0, 4096), (100, 0), (0, 0), (100, 1), (7, 200)])
@pytest.mark.parametrize("name", ["many", "big-values", "trim", "add-and-trim", "delete"])
def test_limits_of_nodes(pair: Pair, name: str, entries: int, size: int) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as client:
            client.command("CONFIG", "SET", "stream-node-max-entries", entries, "stream-node-max-bytes", size)
    pair.compare(SCRIPTS[name], "resp3", how=HOW)


@parametrize_scripts(SCRIPTS)
def test_stream(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode, how=HOW)


def test_generated_ids_have_the_same_shape(pair: Pair) -> None:
    script = "XADD s * a b\nXADD s * a b\nXADD s MAXLEN ~ 1 * a b\nXRANGE s - +\nXREAD STREAMS s 0\nXINFO STREAM s"
    shapes = dict.fromkeys(("xadd", "xrange", "xread", "xinfo"), same_shape)
    pair.compare(script, "resp3", how=shapes)


_EVENTS = f"""
    CONFIG SET notify-keyspace-events KEA
    @2 PSUBSCRIBE __key*__:*
    {FILL}
    XADD s NOMKSTREAM 9-1 a b
    XADD none NOMKSTREAM 9-1 a b
    XADD s MAXLEN 9 9-2 a b
    XADD s MAXLEN 100 9-3 a b
    XADD s MINID ~ 1 9-4 a b
    XDEL s 1-1
    XDEL s 1-1 2-1 2-2 3-1
    XTRIM s MAXLEN 5
    XTRIM s MAXLEN 5
    XSETID s 10-1
    XSETID s 1-1
    XGROUP CREATE s g 0
    XGROUP CREATE s g 0
    XGROUP CREATE t g 0 MKSTREAM
    XGROUP SETID s g 0
    XGROUP CREATECONSUMER s g alice
    XGROUP CREATECONSUMER s g alice
    XREADGROUP GROUP g alice COUNT 1 STREAMS s >
    XREADGROUP GROUP g bob COUNT 1 STREAMS s >
    XREADGROUP GROUP g bob STREAMS s 0
    XREADGROUP GROUP g carol STREAMS t >
    XREADGROUP GROUP g bob COUNT 1 NOACK STREAMS s >
    XACK s g 5-1 5-2 8-1
    XCLAIM s g dave 0 9-4 FORCE
    XCLAIM s g erin 0 9-4 JUSTID LASTID 9-4
    XAUTOCLAIM s g frank 0 0
    XGROUP DELCONSUMER s g dave
    XGROUP DELCONSUMER s g dave
    XGROUP DESTROY s g
    XGROUP DESTROY s g
    XTRIM s MAXLEN 0
    XADD s 99-1 a b
    XDEL s 99-1
    DEL s
"""


@pytest.mark.parametrize("mode", PLAIN_MODES)
@pytest.mark.parametrize("classes", ["KEA", "Kt", "EAm", "Et$g", "KEnmA"])
def test_events(pair: Pair, classes: str, mode: str) -> None:
    pair.compare(_EVENTS.replace("KEA", classes, 1), mode)


def test_changes_are_counted_alike(pair: Pair) -> None:
    """The number of changes, as INFO tells it, after each request."""
    counts = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as client:
            rows = []
            for line in _EVENTS.splitlines()[3:]:
                if line.strip():
                    client.command(*line.split())
                    info = client.command("INFO", "persistence").data
                    rows.append((line.strip(), info.split(b"rdb_changes_since_last_save:")[1].split()[0]))
            first = int(rows[0][1])
            counts.append([(line, int(count) - first) for line, count in rows])
    assert counts[0] == counts[1]


_WATCHED = ["XADD s 9-1 a b", "XTRIM s MAXLEN 2", "XDEL s 1-1", "XDEL s 99-99", "XGROUP CREATE s n 0", "XACK s g 1-1",
            "XREADGROUP GROUP g c STREAMS s >", "XCLAIM s g c 0 1-1", "XSETID s 9-9", "XGROUP SETID s g 0",
            "XGROUP CREATECONSUMER s g new", "XGROUP CREATE none g 0 MKSTREAM"]  # fmt: skip


@pytest.mark.parametrize("request_line", _WATCHED)
def test_watch(pair: Pair, request_line: str) -> None:
    script = f"{GROUP}\nWATCH s none\n@2 {request_line}\nMULTI\nPING\nEXEC"
    pair.compare(script, how=HOW)
