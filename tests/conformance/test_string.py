"""The string commands against redis-server: every option, every edge, every error text."""

from tests.support.differential import Pair, Script, parametrize_scripts

NAMES = (
    "GET SET SETNX SETEX PSETEX GETSET GETDEL GETEX MGET MSET MSETNX APPEND STRLEN GETRANGE SUBSTR SETRANGE "
    "INCR DECR INCRBY DECRBY INCRBYFLOAT LCS"
).split()

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g h i j k l m n o")),
    "one-argument": "\n".join(f"{name.lower()} k" for name in NAMES),
    "two-arguments": "\n".join(f"{name} k 1" for name in NAMES) + "\nGET k",
    "three-arguments": "\n".join(f"{name} k 100000 2" for name in NAMES) + "\nGET k\nTTL k",
    "set-and-get": r"""
        GET k
        SET k v
        GET k
        SET k ""
        GET k
        STRLEN k
        SET "" empty-key
        GET ""
        SET "\x00\xff\r\n" "\r\n\x00\xff"
        GET "\x00\xff\r\n"
        set K upper
        get K
        get k
        EXISTS k K ""
        SET k v extra
        SET k
        SET
    """,
    "set-options": r"""
        SET k v NX
        SET k w NX
        GET k
        SET k x XX
        GET k
        SET none x XX
        GET none
        SET k a nx xx
        SET k a NX XX
        SET k y GET
        SET none2 y GET
        GET none2
        SET k z NX GET
        GET k
        SET none3 z NX GET
        GET none3
        SET none4 z XX GET
        GET none4
        SET k z XX GET
        GET k
        SET k v GET GET
        SET k v XX XX
        SET k v NX NX
        SET k v bogus
        SET k v KEEPTTL
        TTL k
        SET k v EX 100
        TTL k
        SET k v KEEPTTL
        TTL k
        SET k v
        TTL k
        SET k v PX 100000
        PTTL k
        SET k v EXAT 33177117420
        EXPIRETIME k
        PEXPIRETIME k
        SET k v PXAT 33177117420000
        PEXPIRETIME k
        EXPIRETIME k
        SET k w XX KEEPTTL GET
        PEXPIRETIME k
        SET k v EX 100 NX
        PEXPIRETIME k
        SET k v ex 100 get
        TTL k
        SET k v GET EX 100 XX
    """,
    "set-conflicts": "\n".join(
        f"SET k v {first} {second}"
        for first in ("NX", "XX", "GET", "EX 10", "PX 10000", "EXAT 33177117420", "PXAT 33177117420000", "KEEPTTL")
        for second in ("NX", "XX", "GET", "EX 10", "PX 10000", "EXAT 33177117420", "PXAT 33177117420000", "KEEPTTL")
    ),
    "set-bad-expire": "\n".join(
        f"SET k v {option} {value}\nGET k"
        for option in ("EX", "PX", "EXAT", "PXAT")
        for value in (
            "",
            "0",
            "-1",
            "a",
            "1.5",
            "9223372036854775807",
            "9223372036854775",
            "9223372036854776",
            "-9223372036854775808",
            "9223372036854775808",
            '"1 "',
            '" 1"',
            "+1",
            "01",
        )
    ),
    "set-past": """
        SET k v EXAT 1
        GET k
        SET k v PXAT 1
        GET k
        EXISTS k
        SET k v
        SET k w PXAT 1 GET
        GET k
        SET k v
        SET k w EXAT 1 NX
        GET k
        DBSIZE
    """,
    "setnx": """
        SETNX k v
        SETNX k w
        GET k
        SET k v PXAT 33177117420000
        SETNX k v
        PEXPIRETIME k
    """,
    "setex": "\n".join(
        f"{name} k {value} v\nGET k\nTTL k"
        for name in ("SETEX", "PSETEX")
        for value in ("100", "100000", "0", "-1", "abc", "9223372036854775807", "9223372036854775", "1.0", '""')
    ),
    "getset": """
        GETSET k v
        GETSET k w
        GET k
        SET k v EX 100
        GETSET k x
        TTL k
        GETDEL k
        GETDEL k
        EXISTS k
    """,
    "getex": """
        GETEX k
        SET k v
        GETEX k
        TTL k
        GETEX k EX 100
        TTL k
        GETEX k
        TTL k
        GETEX k PERSIST
        TTL k
        GETEX k PERSIST
        GETEX k PX 100000
        PTTL k
        GETEX k EXAT 33177117420
        EXPIRETIME k
        GETEX k PXAT 33177117421000
        EXPIRETIME k
        GETEX k EX 10 PERSIST
        GETEX k PERSIST EX 10
        GETEX k EX
        GETEX k EX 0
        GETEX k EX -5
        GETEX k EX abc
        GETEX k PX 0
        GETEX k EXAT 0
        GETEX k KEEPTTL
        GETEX k NX
        GETEX k GET
        GETEX k bogus
        GETEX k EX 9223372036854775807
        GETEX k EXAT 9223372036854775807
        GETEX k PX 9223372036854775807
        GETEX k PXAT 9223372036854775807
        PEXPIRETIME k
        GETEX k EXAT 1
        EXISTS k
        SET k v
        GETEX k PXAT 1
        EXISTS k
        GETEX none EX 0
        GETEX none EX abc
        GETEX none bogus
    """,
    "mget-mset": """
        MGET a
        MSET a 1 b 2 c 3
        MGET a b c d a
        MSET a 1 b
        MSET a
        MSET
        MGET
        MSET a x a y a z
        GET a
        MSETNX d 1 e 2
        MSETNX e 3 f 4
        MGET d e f
        MSETNX f 1 g
        MSETNX f 1 f 2
        GET f
        SET a v EX 100
        MSET a w
        TTL a
        MGET a missing "" c
        MSETNX p 1 q 2 p 3
        MGET p q
    """,
    "append": r"""
        APPEND k abc
        APPEND k ""
        APPEND k "\x00\xff"
        GET k
        STRLEN k
        APPEND e ""
        EXISTS e
        STRLEN e
        SET n 12
        APPEND n 34
        GET n
        INCR n
        SET t v EX 100
        APPEND t w
        TTL t
        OBJECT ENCODING n
        STRLEN n
        SET neg -9223372036854775808
        STRLEN neg
        APPEND neg 0
        STRLEN neg
        STRLEN missing
    """,
    "getrange": "SET k abcdefgh\nSET n 1234567890\nSET e ''\n"
    + "\n".join(
        f"{name} {key} {start} {end}"
        for name, key in (
            ("GETRANGE", "k"),
            ("GETRANGE", "n"),
            ("SUBSTR", "k"),
            ("GETRANGE", "missing"),
            ("GETRANGE", "e"),
        )
        for start in ("0", "1", "-1", "-3", "7", "8", "100", "-100")
        for end in ("0", "-1", "3", "7", "8", "100", "-100", "-8")
    )
    + """
        GETRANGE k 9223372036854775807 -1
        GETRANGE k -9223372036854775808 9223372036854775807
        GETRANGE k 0 9223372036854775808
        GETRANGE k a 1
        GETRANGE k 1 b
        GETRANGE k 1.0 2
        GETRANGE k "" 2
        GETRANGE k 0
        GETRANGE missing a b
        SUBSTR k a 1
        """,
    "setrange": r"""
        SETRANGE k 0 abc
        GET k
        SETRANGE k 1 X
        GET k
        SETRANGE k 6 yz
        GET k
        SETRANGE k 0 ""
        SETRANGE k 100 ""
        STRLEN k
        SETRANGE none 0 ""
        SETRANGE none 5 ""
        EXISTS none
        SETRANGE gap 5 v
        GET gap
        SETRANGE k -1 v
        SETRANGE none -1 ""
        SETRANGE k -1 ""
        SETRANGE k a v
        SETRANGE k 1.5 v
        SETRANGE k 9223372036854775808 v
        SETRANGE k 9223372036854775807 v
        SETRANGE k 536870911 ab
        SETRANGE k 536870912 v
        SETRANGE none 536870912 v
        SETRANGE none 9223372036854775807 ""
        EXISTS none
        SET n 123
        SETRANGE n 1 9
        GET n
        OBJECT ENCODING n
        INCR n
        SET t v EX 100
        SETRANGE t 3 w
        TTL t
        GET t
    """,
    "increments": """
        INCR k
        INCR k
        DECR k
        INCRBY k 10
        DECRBY k 3
        GET k
        DECR d
        INCRBY i -5
        DECRBY j -5
        SET k 9223372036854775806
        INCR k
        INCR k
        GET k
        INCRBY k 1
        INCRBY k 9223372036854775807
        DECRBY k -1
        SET k -9223372036854775807
        DECR k
        DECR k
        DECRBY k 1
        INCRBY k -1
        DECRBY k -9223372036854775808
        INCRBY k -9223372036854775808
        DECRBY none -9223372036854775808
        EXISTS none
        INCRBY zero 0
        GET zero
        INCRBY none 9223372036854775808
        INCRBY none -9223372036854775809
        INCRBY none abc
        INCRBY none 1.0
        INCRBY none ""
        INCRBY none " 1"
        INCRBY none "1 "
        INCRBY none +1
        INCRBY none 01
        INCRBY none -0
        DECRBY none abc
        EXISTS none
        SET t 5 EX 100
        INCR t
        TTL t
        GET t
    """,
    "increments-of-bad-values": "\n".join(
        f"SET k {value}\nINCR k\nINCRBY k 2\nDECR k\nGET k"
        for value in (
            "abc",
            '""',
            '" 1"',
            '"1 "',
            "1.0",
            "+1",
            "01",
            "-0",
            "00",
            "0",
            "9223372036854775808",
            "-9223372036854775809",
            "1e3",
            "0x10",
            '"1\\x00"',
            "-",
            "99999999999999999999999",
        )
    ),
    "incrbyfloat": "\n".join(
        f"SET k {value}\nINCRBYFLOAT k {increment}\nGET k"
        for value in (
            "3",
            "3.0",
            "-1.5",
            "1e3",
            "0",
            '""',
            "abc",
            "1e309",
            "inf",
            "nan",
            '" 1"',
            "5.0e3",
            "0.1",
            "3.000",
        )
        for increment in (
            "1",
            "0.1",
            "-1.1",
            "1e2",
            "abc",
            '""',
            "nan",
            "inf",
            "-inf",
            "1e-3",
            "0",
            "1e308",
            '" 1"',
            "0x10",
        )
    )
    + """
        INCRBYFLOAT none 1.5
        INCRBYFLOAT none -1.5
        GET none
        INCRBYFLOAT none2 10e-1
        INCRBYFLOAT big 17179869184.5
        INCRBYFLOAT big 0.000000000001
        INCRBYFLOAT third 0.33333333333333333333
        INCRBYFLOAT third 0.33333333333333333333
        INCRBYFLOAT huge 1e300
        INCRBYFLOAT huge 1e308
        SET t 5 EX 100
        INCRBYFLOAT t 0.5
        TTL t
        INCRBYFLOAT t 1 2
        """,
    "lcs": """
        LCS a b
        MSET a ohmytext b mynewtext
        LCS a b
        LCS b a
        LCS a b LEN
        LCS a b IDX
        LCS a b IDX MINMATCHLEN 4
        LCS a b IDX WITHMATCHLEN
        LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN
        LCS a b IDX LEN
        LCS a b LEN WITHMATCHLEN
        LCS a b MINMATCHLEN 2
        LCS a b WITHMATCHLEN
        LCS a b MINMATCHLEN
        LCS a b MINMATCHLEN abc
        LCS a b IDX MINMATCHLEN -1
        LCS a b IDX MINMATCHLEN 100
        LCS a b bogus
        LCS a b len
        LCS a missing
        LCS a missing LEN
        LCS a missing IDX
        LCS a a
        LCS a a IDX WITHMATCHLEN
        MSET c "" d aXbXc e abc f 12345 g 2345
        LCS a c
        LCS c c IDX
        LCS d e IDX WITHMATCHLEN
        LCS d e
        LCS f g IDX
        LCS f g
        LCS a
    """,
    "encodings": "\n".join(
        f"SET k {value}\nOBJECT ENCODING k\nSTRLEN k"
        for value in (
            "1",
            "-1",
            "0",
            "-0",
            "01",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "1.5",
            '""',
            "a",
            "a" * 44,
            "a" * 45,
            "1" * 20,
            "1" * 19,
            "10000",
            '" 1"',
            "12345678901234567890",
        )
    )
    + """
        SET k 1
        APPEND k a
        OBJECT ENCODING k
        SET k abc
        APPEND k d
        OBJECT ENCODING k
        SET k 1
        INCR k
        OBJECT ENCODING k
        INCRBYFLOAT k 1
        OBJECT ENCODING k
        INCRBYFLOAT k 1.5
        OBJECT ENCODING k
        SETRANGE k 0 1
        OBJECT ENCODING k
        SETBIT b 1 1
        OBJECT ENCODING b
        MSET m 12 n abc
        OBJECT ENCODING m
        OBJECT ENCODING n
        GETSET m 15
        OBJECT ENCODING m
        SETRANGE r 0 15
        OBJECT ENCODING r
        APPEND p 15
        OBJECT ENCODING p
        SETEX x 100 15
        OBJECT ENCODING x
        COPY p p2
        OBJECT ENCODING p2
        RENAME p p3
        OBJECT ENCODING p3
        BITOP AND dest m m
        OBJECT ENCODING dest
        """,
    "big-values": [
        ("SET", "k", b"x" * 100_000),
        ("GET", "k"),
        ("STRLEN", "k"),
        ("APPEND", "k", b"y" * 100_000),
        ("GETRANGE", "k", 99_990, 100_010),
        ("SETRANGE", "k", 1_000_000, "end"),
        ("STRLEN", "k"),
        ("GET", "k"),
        ("MSET", "a", b"1" * 70_000, "b", b"2" * 70_000),
        ("MGET", "a", "b", "a", "b"),
        ("GETDEL", "k"),
        ("SET", b"key" * 30_000, "v"),
        ("GET", b"key" * 30_000),
    ],
}


@parametrize_scripts(SCRIPTS)
def test_string(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)
