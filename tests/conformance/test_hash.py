"""The hash commands, with and without times to live of fields, against redis-server."""

from typing import Any

from tests.conformance.test_state_machines import FUTURE
from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts, same_shape
from tests.support.resp import Value

PLAIN = (
    "HSET HSETNX HMSET HGET HMGET HGETALL HDEL HEXISTS HLEN HSTRLEN HKEYS HVALS HINCRBY HINCRBYFLOAT HRANDFIELD HSCAN"
).split()
SETTERS = ("HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT")
GETTERS = ("HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME")
TIMED = (*SETTERS, *GETTERS, "HPERSIST", "HGETDEL", "HGETEX", "HSETEX")
NAMES = (*PLAIN, *TIMED)
LATER = {"HEXPIRE": 1000, "HPEXPIRE": 1_000_000, "HEXPIREAT": FUTURE // 1000, "HPEXPIREAT": FUTURE}
BAD_TIMES = (
    "abc", '""', "1.5", "-1", "-5", "0", "1", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "70368744177663", "70368744177664", "70368744177", "70368744178", "68604000000", "+1", "01",
)  # fmt: skip
TIME_OPTIONS = (
    "EX 1000", "PX 1000000", f"EXAT {FUTURE // 1000}", f"PXAT {FUTURE}", "PERSIST", "KEEPTTL", "FNX", "FXX", "EXAT 0",
)  # fmt: skip


def any_order(ours: Value, theirs: Value) -> bool:
    """Items, or pairs of a flat array, that may come in another order."""
    if ours.kind != theirs.kind or not isinstance(ours.data, tuple):
        return ours == theirs
    return sorted(ours.data, key=repr) == sorted(theirs.data, key=repr)


def any_order_of_pairs(ours: Value, theirs: Value) -> bool:
    if ours.kind != theirs.kind or not isinstance(ours.data, tuple) or ours.kind == "map":
        return any_order(ours, theirs)
    if len(ours.data) % 2 or len(ours.data) != len(theirs.data):
        return False
    pairs = [sorted(zip(side.data[::2], side.data[1::2], strict=True), key=repr) for side in (ours, theirs)]
    return pairs[0] == pairs[1]


def any_order_of_scan(ours: Value, theirs: Value) -> bool:
    """Fields of a table come in slices that differ."""
    if ours.kind != "array" or theirs.kind != "array" or len(ours.data) != 2:
        return ours == theirs
    return ours.data[0].kind == theirs.data[0].kind and ours.data[1].kind == theirs.data[1].kind


UNORDERED = {
    "hgetall": any_order_of_pairs,
    "hkeys": any_order,
    "hvals": any_order,
    "hscan": any_order_of_scan,
    "hrandfield": same_shape,
}

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g h i j k l m n o")),
    "one-argument": "\n".join(f"{name.lower()} k" for name in NAMES),
    "two-arguments": "\n".join(f"{name} k 1" for name in NAMES),
    "three-arguments": "\n".join(f"{name} k f 2" for name in NAMES) + "\nHGETALL k",
    "four-arguments": "\n".join(f"{name} k f 2 g" for name in NAMES) + "\nHGETALL k",
    "five-arguments": "\n".join(f"{name} k f 2 g 3" for name in NAMES) + "\nHGETALL k",
    "wrong-type": "SET k v\n"
    + "\n".join(f"{name} k f 1\n{name} k f\n{name} k 0 bogus 1" for name in PLAIN)
    + "\n"
    + "\n".join(f"{name} k {words}" for name in TIMED for words in ("100 FIELDS 1 f", "FIELDS 1 f", "FIELDS 1 f v"))
    + "\n"
    + "\n".join(f"{name} k bad 0 x y" for name in TIMED)
    + "\nGET k",
    "set-and-get": r"""
        HSET h a 1
        HSET h a 2 b 3
        HGET h a
        HGET h none
        HGET none a
        HSET h "" ""
        HGET h ""
        HSTRLEN h ""
        HSTRLEN h a
        HSTRLEN h none
        HSTRLEN none a
        HSET h "\x00\xff\r\n" "\r\n\x00\xff"
        HGET h "\x00\xff\r\n"
        HGETALL h
        HKEYS h
        HVALS h
        HLEN h
        HLEN none
        HGETALL none
        HKEYS none
        HVALS none
        HEXISTS h a
        HEXISTS h none
        HEXISTS none a
        HMGET h a none b a
        HMGET none a b
        HMSET h c 1 d 2 c 3
        HMSET h c
        HMSET h c 1 d
        HSET h c 1 d
        hset h c 5
        HGETALL h
        HSETNX h c 6
        HSETNX h e 6
        HSETNX new f 1
        HGET h e
        HSET h n 12345 m -12345 big 9223372036854775807 bigger 9223372036854775808 zero 0 minus -0 lead 007
        HSTRLEN h n
        HSTRLEN h m
        HGETALL h
        HGET h 12345
        HSET h 12345 x 012345 y -7 z
        HGET h 12345
        HGET h 012345
        HGET h -7
        HGETALL h
        OBJECT ENCODING h
        TYPE h
        HDEL h a
        HDEL h a
        HDEL h b b c none
        HDEL none a
        HGETALL h
        HDEL new f g
        EXISTS new
        HSET dup a 1 a 2 a 3
        HGETALL dup
    """,
    "counters": r"""
        HINCRBY h n 5
        HINCRBY h n -7
        HINCRBY h n abc
        HINCRBY h n 9223372036854775808
        HINCRBY h n 9223372036854775807
        HINCRBY h n 9223372036854775807
        HGET h n
        HSET h s abc f 1.5 sp " 1" min -9223372036854775808
        HINCRBY h s 1
        HINCRBY h f 1
        HINCRBY h sp 1
        HINCRBY h min -1
        HINCRBY none x bad
        EXISTS none
        HINCRBYFLOAT h f 0.1
        HINCRBYFLOAT h f abc
        HINCRBYFLOAT h f nan
        HINCRBYFLOAT h f inf
        HINCRBYFLOAT h f -inf
        HINCRBYFLOAT h s 1
        HINCRBYFLOAT h s inf
        HINCRBYFLOAT h sp 1
        HINCRBYFLOAT h n 0.5
        HINCRBYFLOAT h new 3.0e3
        HINCRBYFLOAT h new -5.0
        HINCRBYFLOAT o new 1e400
        DEL o
        HINCRBYFLOAT none x nan
        EXISTS none
        HSET h inf inf
        HINCRBYFLOAT h inf 1
        HSET o huge 1e4931
        HINCRBYFLOAT o huge 1e4932
        HGETALL o
        HINCRBY o huge 1
        HINCRBYFLOAT g x 1.17549435E-38
        OBJECT ENCODING h
    """,
    "hscan": """
        HSCAN none 0
        HSCAN none abc
        HSCAN none 0 BOGUS
        HSCAN none 5
        HSET h a 1 b 2 ab 3 ba 4
        HSCAN h 0
        HSCAN h abc
        HSCAN h 0 MATCH a*
        HSCAN h 0 MATCH *
        HSCAN h 0 match *b* count 1
        HSCAN h 0 COUNT 0
        HSCAN h 0 COUNT -1
        HSCAN h 0 COUNT abc
        HSCAN h 0 COUNT
        HSCAN h 0 MATCH
        HSCAN h 0 NOVALUES
        HSCAN h 0 NOVALUES MATCH a*
        HSCAN h 0 COUNT 1 NOVALUES NOVALUES
        HSCAN h 0 TYPE hash
        HSCAN h 0 BOGUS
        HSCAN h 99
        HPEXPIREAT h 33177117420000 FIELDS 1 b
        HSCAN h 0
        HSCAN h 0 NOVALUES
        HSCAN h 0 MATCH *a
        SCAN 0 NOVALUES
    """,
    "hrandfield-of-one": """
        HRANDFIELD none
        HRANDFIELD none 5
        HRANDFIELD none -5
        HRANDFIELD none 5 WITHVALUES
        HRANDFIELD none abc
        HRANDFIELD none 9223372036854775807
        HRANDFIELD none -9223372036854775807
        HRANDFIELD none -9223372036854775808
        HRANDFIELD none 9223372036854775807 WITHVALUES
        HRANDFIELD none 4611686018427387903 WITHVALUES
        HRANDFIELD none -4611686018427387904 WITHVALUES
        HRANDFIELD none 1 BOGUS
        HRANDFIELD none 1 WITHVALUES x
        HRANDFIELD none abc BOGUS
        HSET h f v
        HRANDFIELD h
        HRANDFIELD h 0
        HRANDFIELD h 1
        HRANDFIELD h 5
        HRANDFIELD h -3
        HRANDFIELD h 0 WITHVALUES
        HRANDFIELD h 1 WITHVALUES
        HRANDFIELD h 5 withvalues
        HRANDFIELD h -3 WITHVALUES
        HSET h g w
        HRANDFIELD h 2
        HRANDFIELD h 2 WITHVALUES
        HRANDFIELD h 9
        HPEXPIREAT h 33177117420000 FIELDS 1 g
        HRANDFIELD h 2 WITHVALUES
    """,
    "encodings": """
        CONFIG SET hash-max-listpack-entries 4
        CONFIG SET hash-max-listpack-value 10
        HSET a 1 2 3 4 5 6 7 8
        OBJECT ENCODING a
        HSET a 9 10
        OBJECT ENCODING a
        HSET b f 0123456789
        OBJECT ENCODING b
        HSET b f 01234567890
        OBJECT ENCODING b
        HSET c 01234567890 x
        OBJECT ENCODING c
        HSET d a 1 a 1 a 1 a 1 a 1
        OBJECT ENCODING d
        HSET e a 1 a 1 a 1 a 1
        OBJECT ENCODING e
        HDEL a 9 7 5
        OBJECT ENCODING a
        HSET t a 1 b 2
        HEXPIRE t 1000 FIELDS 1 none
        OBJECT ENCODING t
        HEXPIRE t 1000 FIELDS 1 a
        HSETNX t c 1
        HSETNX t d 1
        OBJECT ENCODING t
        HSETNX t e 1
        OBJECT ENCODING t
        HTTL t FIELDS 2 a b
        HINCRBY i n 5
        HINCRBYFLOAT i f 3.5
        OBJECT ENCODING i
        HINCRBYFLOAT i f 0.12345678912
        OBJECT ENCODING i
        HSET j f v
        HGETEX j FIELDS 1 f
        OBJECT ENCODING j
        HGETEX j PERSIST FIELDS 1 f
        OBJECT ENCODING j
        HSET k f v
        HPERSIST k FIELDS 1 f
        HTTL k FIELDS 1 f
        OBJECT ENCODING k
        HSETEX l FIELDS 1 a b
        OBJECT ENCODING l
        HSETEX l KEEPTTL FIELDS 1 a b
        OBJECT ENCODING l
        HSETEX l EX 1000 FIELDS 1 a b
        OBJECT ENCODING l
        HSETEX l FIELDS 1 a 01234567890
        OBJECT ENCODING l
        HSETEX m EX 1000 FIELDS 5 a 1 b 2 c 3 d 4 e 5
        OBJECT ENCODING m
        COPY t t2
        OBJECT ENCODING t2
        HTTL t2 FIELDS 2 a b
        RENAME t2 t3
        HTTL t3 FIELDS 2 a b
        CONFIG SET hash-max-listpack-entries 2
        HSET e b 1
        OBJECT ENCODING e
        HSET e c 1
        OBJECT ENCODING e
        CONFIG SET hash-max-listpack-entries 512
        OBJECT ENCODING e
    """,
    "order-of-times": "\n".join(
        [
            "HSET h a 1 b 2 c 3 d 4 e 5",
            *(
                f"{change}\nHGETALL h\nHPEXPIRETIME h FIELDS 6 a b c d e f"
                for change in (
                    f"HPEXPIREAT h {FUTURE} FIELDS 1 c",
                    f"HPEXPIREAT h {FUTURE} FIELDS 1 e",
                    f"HPEXPIREAT h {FUTURE - 5} FIELDS 1 a",
                    f"HPEXPIREAT h {FUTURE + 5} FIELDS 1 d",
                    f"HPEXPIREAT h {FUTURE} FIELDS 2 a d",
                    "HSET h c new",
                    "HSET h b new",
                    "HINCRBY h d 1",
                    "HPERSIST h FIELDS 2 e b",
                    f"HPEXPIREAT h {FUTURE} FIELDS 3 b c a",
                    "HDEL h d",
                    "HSETNX h f 6",
                    "HSETNX h a 6",
                    f"HSETEX h PXAT {FUTURE - 1} FIELDS 2 f 1 g 2",
                    "HSETEX h KEEPTTL FIELDS 2 f 3 c 4",
                    "HSETEX h FIELDS 1 f 3",
                    f"HPEXPIREAT h {FUTURE} FIELDS 1 b",
                    "HMSET h b longer-than-before c 1",
                )
            ),
        ]
    ),
    "set-times": "\n".join(
        f"{name} none {LATER[name]} FIELDS 2 a b\nHSET h a 1 b 2\n{name} h {LATER[name]} FIELDS 3 a none b\n"
        + "\n".join(f"{getter} h FIELDS 3 a b none\n{getter} none FIELDS 1 a" for getter in GETTERS)
        + "\nHPERSIST h FIELDS 3 a none a\nHTTL h FIELDS 2 a b\nHPERSIST none FIELDS 2 a b\nDEL h"
        for name in SETTERS
    ),
    "conditions": "\n".join(
        f"HSET h none 1 some 2\nHPEXPIREAT h {FUTURE} FIELDS 1 some\n"
        f"HPEXPIREAT h {at} {condition} FIELDS 3 none some missing\nHPEXPIRETIME h FIELDS 2 none some\nHGETALL h\nDEL h"
        for condition in ("NX", "XX", "GT", "LT", "nx", "")
        for at in (FUTURE - 1, FUTURE, FUTURE + 1, 1)
    ),
    "bad-times": "HSET h f v\n"
    + "\n".join(
        f"{name} h {value} FIELDS 1 f\n{name} none {value} FIELDS 1 f\nHGET h f\nHSET h f v"
        for name in SETTERS
        for value in BAD_TIMES
        if name != "HPEXPIRE" or value not in ("1",)
    ),
    "bad-words": "HSET h f v\n"
    + "\n".join(
        f"{name} h 100 {words}\n{name} none 100 {words}"
        for name in ("HEXPIRE", "HPEXPIREAT")
        for words in (
            "FIELDS 0 f", "FIELDS -1 f", "FIELDS a f", "FIELDS 2 f", "FIELDS 1 f g", "BOGUS 1 f", "NX 1 f",
            "NX XX FIELDS 1 f", "NX FIELDS 0 f", "NX FIELDS 1", "FIELDS 9223372036854775808 f", "FIELDS 1.5 f",
            "fields 1 f", "XX fields 1 f",
        )
    )
    + "\n"
    + "\n".join(
        f"{name} {key} {words}"
        for name in (*GETTERS, "HPERSIST", "HGETDEL", "HGETEX")
        for key in ("h", "none")
        for words in (
            "FIELDS 0 f", "FIELDS -1 f", "FIELDS a f", "FIELDS 2 f", "FIELDS 1 f g", "BOGUS 1 f", "FIELDS 1.5 f",
            "FIELDS 9223372036854775808 f", "1 FIELDS f",
        )
    ),
    "hgetdel": """
        HGETDEL none FIELDS 2 a b
        HSET h a 1 b 2 c 3
        HGETDEL h FIELDS 2 a none
        HGETDEL h FIELDS 3 b b c
        EXISTS h
        HSET h a 1
        HPEXPIREAT h 33177117420000 FIELDS 1 a
        HGETDEL h fields 1 a
        EXISTS h
    """,
    "hgetex": "HSET h a 1 b 2\n"
    + "\n".join(
        f"HGETEX {key} {option} FIELDS 2 a none\nHPEXPIRETIME h FIELDS 2 a b\nHGETALL h\nHSET h a 1"
        for key in ("h", "none")
        for option in ("", *TIME_OPTIONS, "PERSIST PERSIST", "EX 10 PX 10", "PERSIST EX 10", "EX", "ex 1000", "BOGUS 1")
    )
    + "\n"
    + "\n".join(
        f"HGETEX h {option} {value} FIELDS 1 a\nHSET h a 1"
        for option in ("EX", "EXAT", "PXAT")
        for value in BAD_TIMES
    )
    + """
        HGETEX h EX 10 FIELDS 1
        HGETEX h EX 10 FIELDS
        HGETEX h EX FIELDS 1 a
        HGETEX h PERSIST FIELDS 1
        HGETEX h PERSIST FIELDS 2 a
        HGETEX h PERSIST FIELDS 0 a
        HGETEX h EX 10 BOGUS 1 a
        HGETEX h PXAT 1 FIELDS 2 a b
        EXISTS h
    """,
    "hsetex": "\n".join(
        f"HSETEX h {option} FIELDS 2 a 1 b 2\nHPEXPIRETIME h FIELDS 3 a b c\nHMGET h a b c\n"
        f"HSETEX h {option} FIELDS 1 b 3\nHPEXPIRETIME h FIELDS 3 a b c\nHMGET h a b c\n"
        f"HSETEX h {option} FIELDS 2 b 3 c 4\nHPEXPIRETIME h FIELDS 3 a b c\nHMGET h a b c\nDEL h"
        for option in (
            "", *TIME_OPTIONS, "FNX FXX", "FXX FXX", "EX 10 PX 10", "KEEPTTL KEEPTTL", "EX 10 KEEPTTL", "EX", "BOGUS",
            f"FNX PXAT {FUTURE}", f"FXX PXAT {FUTURE}", f"PXAT {FUTURE} FNX", "FNX KEEPTTL", "FXX PXAT 1", "FNX PXAT 1",
            "ex 1000 fnx", "NX", "PERSIST",
        )
    )
    + "\n"
    + "\n".join(
        f"HSETEX h {option} {value} FIELDS 1 a 1\nHPEXPIRETIME h FIELDS 1 a\nEXISTS h"
        for option in ("EXAT", "PXAT")
        for value in BAD_TIMES
    )
    + """
        HSETEX h FIELDS 0 a 1
        HSETEX h FIELDS 2 a 1
        HSETEX h FIELDS 1 a 1 b
        HSETEX h FIELDS 1 a 1 b 2
        HSETEX h FIELDS a a 1
        HSETEX h FIELDS -1 a 1
        HSETEX h FIELDS 2147483648 a 1
        HSETEX h EX 10 FIELDS 1
        HSETEX h EX 10 FIELDS 1 a
        HSETEX h FNX FXX EX EX
        HSETEX h FNX EX 10 EX
        HSETEX h a b c d
        HSETEX h FIELDS 3 a 1 a 2 a 3
        HGETALL h
    """,
    "other-writes": """
        HSET h a 1 b 2
        HPEXPIREAT h 33177117420000 FIELDS 1 a
        RENAME h g
        HPEXPIRETIME g FIELDS 2 a b
        COPY g h
        HPEXPIRETIME h FIELDS 2 a b
        MOVE h 1
        SELECT 1
        HPEXPIRETIME h FIELDS 2 a b
        SWAPDB 0 1
        HPEXPIRETIME g FIELDS 2 a b
        EXPIRE g 100
        HPEXPIRETIME g FIELDS 2 a b
        PERSIST g
        HPEXPIRETIME g FIELDS 2 a b
        SET g v
        GET g
        DEL g
    """,
}

LARGE: dict[str, Script] = {
    "many-fields": [
        ("HSET", "h", *[word for i in range(600) for word in (f"f{i}", i)]),
        ("OBJECT", "ENCODING", "h"),
        ("HLEN", "h"),
        ("HGET", "h", "f599"),
        ("HGETALL", "h"),
        ("HKEYS", "h"),
        ("HVALS", "h"),
        ("HSCAN", "h", 0, "COUNT", 1000),
        ("HRANDFIELD", "h", 10),
        ("HRANDFIELD", "h", 400, "WITHVALUES"),
        ("HRANDFIELD", "h", 700, "WITHVALUES"),
        ("HRANDFIELD", "h", -1500),
        ("HPEXPIREAT", "h", FUTURE, "FIELDS", 3, "f1", "none", "f2"),
        ("HPEXPIREAT", "h", FUTURE + 1, "GT", "FIELDS", 3, "f1", "f3", "f2"),
        ("HPEXPIREAT", "h", 1, "FIELDS", 1, "f5"),
        ("HPEXPIRETIME", "h", "FIELDS", 4, "f1", "f2", "f3", "f5"),
        ("HSET", "h", "f1", "x"),
        ("HINCRBY", "h", "f2", 5),
        ("HPEXPIRETIME", "h", "FIELDS", 2, "f1", "f2"),
        ("HPERSIST", "h", "FIELDS", 3, "f1", "f2", "f5"),
        ("HGETDEL", "h", "FIELDS", 3, "f1", "f2", "f5"),
        ("HGETEX", "h", "PXAT", FUTURE, "FIELDS", 3, "f7", "f8", "f5"),
        ("HSETEX", "h", "KEEPTTL", "FIELDS", 2, "f7", "y", "f9", "z"),
        ("HPEXPIRETIME", "h", "FIELDS", 3, "f7", "f8", "f9"),
        ("COPY", "h", "h2"),
        ("HGETALL", "h2"),
        ("HPEXPIRETIME", "h2", "FIELDS", 3, "f7", "f8", "f9"),
        ("HDEL", "h", *[f"f{i}" for i in range(600)]),
        ("EXISTS", "h"),
    ],
    "large-values": [
        ("HSET", "h", "f", b"x" * 100_000, b"g" * 70_000, "v"),
        ("OBJECT", "ENCODING", "h"),
        ("HGET", "h", "f"),
        ("HGET", "h", b"g" * 70_000),
        ("HSTRLEN", "h", "f"),
        ("HDEL", "h", "f"),
        ("HGETALL", "h"),
    ],
}

@parametrize_scripts(SCRIPTS)
def test_hash(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(SCRIPTS, PLAIN_MODES)
def test_hash_in_a_table(pair: Pair, script: Script, mode: str) -> None:
    """The same with all hashes in tables from the first field on (unless the script sets the limits)."""
    start: list[Any] = [("CONFIG", "SET", "hash-max-listpack-entries", 0)]
    lines = script.splitlines() if isinstance(script, str) else list(script)
    pair.compare(start + lines, mode, how=UNORDERED)


@parametrize_scripts(LARGE, PLAIN_MODES)
def test_large_hash(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode, how=UNORDERED)
