"""The bitmap commands against redis-server."""

from tests.support.differential import Pair, Script, parametrize_scripts

NAMES = "SETBIT GETBIT BITCOUNT BITPOS BITOP BITFIELD BITFIELD_RO".split()
_RANGES = [
    (start, end) for start in ("0", "1", "-1", "-2", "5", "100", "-100") for end in ("0", "2", "-1", "-3", "100")
]
_WIDTHS = ("u1", "u8", "u31", "u63", "i1", "i2", "i8", "i16", "i63", "i64")

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g")),
    "setbit-getbit": """
        GETBIT k 0
        SETBIT k 7 1
        GET k
        SETBIT k 7 0
        GET k
        SETBIT k 100 1
        STRLEN k
        GETBIT k 100
        GETBIT k 101
        GETBIT k 4294967295
        GETBIT k 4294967296
        SETBIT k 4294967296 1
        SETBIT k -1 1
        GETBIT k -1
        SETBIT k a 1
        GETBIT k a
        SETBIT k 1 2
        SETBIT k 1 -1
        SETBIT k 1 a
        SETBIT k 1 ""
        SETBIT k "" 1
        GETBIT k 1.0
        SETBIT zero 0 0
        STRLEN zero
        EXISTS zero
        SET n 12345
        SETBIT n 1 1
        GETBIT n 2
        GET n
        OBJECT ENCODING n
        SET t v EX 100
        SETBIT t 3 1
        TTL t
        GET t
        SETBIT z 2 0
        SETBIT z 15 0
        GET z
        GETBIT n 9223372036854775807
        GETBIT n 9223372036854775808
    """,
    "bitfield-encoding": """
        SET a xy
        BITFIELD a GET u8 0
        OBJECT ENCODING a
        BITFIELD a SET u8 0 120
        OBJECT ENCODING a
        SET n 12
        BITFIELD n INCRBY u8 0 0
        OBJECT ENCODING n
        SET f xy
        BITFIELD f OVERFLOW FAIL INCRBY u8 0 255
        OBJECT ENCODING f
        SET l xy
        BITFIELD l SET u8 80 1
        OBJECT ENCODING l
    """,
    "bitcount": r'SET k foobar\nSET n 12345678901\nSET b "\xff\x00\xf0\x0f\xaa"'.replace(r"\n", "\n")
    + "\nBITCOUNT k\nBITCOUNT n\nBITCOUNT b\nBITCOUNT missing\n"
    + "\n".join(
        f"BITCOUNT {key} {start} {end} {unit}"
        for key in ("k", "b", "missing")
        for start, end in _RANGES
        for unit in ("", "BYTE", "BIT")
    )
    + """
        BITCOUNT k 0
        BITCOUNT k 0 1 bogus
        BITCOUNT k 0 1 BIT x
        BITCOUNT k a 1
        BITCOUNT k 0 b
        BITCOUNT k 0 b bogus
        BITCOUNT missing a b
        BITCOUNT missing 0 1 bogus
        BITCOUNT k 9223372036854775807 -1
        BITCOUNT k -9223372036854775808 9223372036854775807 BIT
        BITCOUNT k -9223372036854775808 9223372036854775807
        BITCOUNT k 0 9223372036854775808
        SETBIT far 8000000 1
        BITCOUNT far
        BITCOUNT far 8000000 8000000 BIT
        BITCOUNT far 1000 -1
        """,
    "bitpos": r'SET k "\xff\xf0\x00"\nSET z "\x00\x00"\nSET o "\xff\xff"\nSET e ""'.replace(r"\n", "\n")
    + "\n"
    + "\n".join(f"BITPOS {key} {bit}" for key in ("k", "z", "o", "e", "missing") for bit in ("0", "1"))
    + "\n"
    + "\n".join(
        f"BITPOS {key} {bit} {start}" for key in "kzo" for bit in "01" for start in ("0", "1", "2", "-1", "-9", "9")
    )
    + "\n"
    + "\n".join(
        f"BITPOS {key} {bit} {start} {end} {unit}"
        for key in ("k", "z", "o", "missing", "e")
        for bit in "01"
        for start, end in _RANGES
        for unit in ("", "BIT")
    )
    + """
        BITPOS k 2
        BITPOS k -1
        BITPOS k a
        BITPOS k ""
        BITPOS k 1 a
        BITPOS k 1 0 a
        BITPOS k 1 0 -1 bogus
        BITPOS k 1 0 -1 BYTE
        BITPOS k 1 0 -1 byte x
        BITPOS missing 2
        BITPOS missing 1 a
        BITPOS k 1 0 BIT
        """,
    "bitop": r"""
        SET a "\xf0\x0f"
        SET b "\xff"
        SET n 123
        BITOP AND d a b
        GET d
        BITOP OR d a b
        GET d
        BITOP XOR d a b
        GET d
        BITOP NOT d a
        GET d
        BITOP NOT d a b
        BITOP AND d a missing
        GET d
        STRLEN d
        BITOP OR d a missing
        GET d
        BITOP AND d missing missing2
        EXISTS d
        BITOP NOT d missing
        EXISTS d
        BITOP XOR d a
        GET d
        BITOP and d a b n
        GET d
        BITOP bogus d a
        BITOP AND d
        BITOP a a a
        BITOP AND a a b
        GET a
        SET d v EX 100
        BITOP OR d b n
        TTL d
        GET d
        BITOP OR n n n
        OBJECT ENCODING n
        BITOP DIFF d a b
        BITOP DIFF1 d a b
        BITOP ANDOR d a b
        BITOP ONE d a b
        SET big1 0123456789012345678901234567890123456789012345678901234567890123456789
        MSET big2 abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq big3 "" big4 "\xff"
        BITOP AND d big1 big2
        GET d
        BITOP OR d big1 big2 big4
        GET d
        BITOP XOR d big2 big1 big4 big3
        GET d
        BITOP NOT d big1
        GET d
        BITOP AND d big1 big3
        GET d
    """,
    "bitfield": "\n".join(
        f"BITFIELD k GET {width} {offset}\nBITFIELD k SET {width} {offset} {value}\n"
        f"BITFIELD k INCRBY {width} {offset} 1\nGET k"
        for width in _WIDTHS
        for offset in ("0", "3", "#1", "#3")
        for value in ("0", "1", "-1", "127", "9223372036854775807", "-9223372036854775808")
    ),
    "bitfield-overflow": "\n".join(
        f"BITFIELD o SET {width} 0 {start}\nBITFIELD o {overflow} INCRBY {width} 0 {step} GET {width} 0"
        for width in ("u2", "u8", "u63", "i2", "i8", "i64")
        for overflow in ("", "OVERFLOW WRAP", "OVERFLOW SAT", "OVERFLOW FAIL", "overflow sat")
        for start in ("0", "1", "100", "-100", "9223372036854775807", "-9223372036854775808")
        for step in ("1", "-1", "300", "-300", "9223372036854775807", "-9223372036854775808")
    ),
    "bitfield-set-overflow": "\n".join(
        f"BITFIELD o OVERFLOW {overflow} SET {width} 0 {value} GET {width} 0"
        for width in ("u2", "u8", "u63", "i2", "i8", "i64")
        for overflow in ("WRAP", "SAT", "FAIL")
        for value in (
            "0",
            "1",
            "2",
            "3",
            "4",
            "127",
            "128",
            "255",
            "256",
            "-1",
            "-2",
            "-128",
            "-129",
            "9223372036854775807",
        )
    ),
    "bitfield-many": """
        BITFIELD k
        BITFIELD k SET u8 0 255 GET u8 0 INCRBY u8 0 10 GET u8 0
        BITFIELD k OVERFLOW FAIL INCRBY u2 0 4 OVERFLOW WRAP INCRBY u2 0 5 OVERFLOW SAT INCRBY u2 2 9
        BITFIELD k GET u4 0 GET i4 4 GET u8 100
        BITFIELD k OVERFLOW FAIL
        BITFIELD k OVERFLOW bogus
        BITFIELD k OVERFLOW
        BITFIELD k GET
        BITFIELD k GET u8
        BITFIELD k GET u0 0
        BITFIELD k GET u64 0
        BITFIELD k GET i0 0
        BITFIELD k GET i65 0
        BITFIELD k GET x8 0
        BITFIELD k GET 8 0
        BITFIELD k GET u8 -1
        BITFIELD k GET u8 a
        BITFIELD k GET u8 "#"
        BITFIELD k GET u8 "#-1"
        BITFIELD k GET u8 "#a"
        BITFIELD k GET u8 4294967288
        BITFIELD k GET u8 4294967289
        BITFIELD k GET u8 4294967295
        BITFIELD k GET u8 4294967296
        BITFIELD k GET u8 "#536870911"
        BITFIELD k GET u8 "#536870912"
        BITFIELD k SET u8 0
        BITFIELD k SET u8 0 a
        BITFIELD k SET u8 0 1.5
        BITFIELD k SET u8 0 9223372036854775808
        BITFIELD k INCRBY u8 0 a
        BITFIELD k INCRBY u8 0 9223372036854775808
        BITFIELD k BOGUS u8 0 1
        BITFIELD k SET u8 0 1 BOGUS
        GET k
        EXISTS none
        BITFIELD none GET u8 0
        EXISTS none
        BITFIELD none SET u8 0 0
        STRLEN none
        BITFIELD none2 INCRBY i5 100 1
        STRLEN none2
        BITFIELD none3 OVERFLOW FAIL INCRBY u2 0 5
        EXISTS none3
        STRLEN none3
        SET n 12345
        BITFIELD n GET u8 0 SET u8 8 65
        GET n
        OBJECT ENCODING n
        SET t v EX 100
        BITFIELD t SET u8 0 65
        TTL t
        GET t
    """,
    "bitfield-ro": """
        BITFIELD_RO k
        BITFIELD_RO k GET u8 0
        SET k abc
        BITFIELD_RO k GET u8 0 GET i8 #1 GET u16 4
        BITFIELD_RO k SET u8 0 1
        BITFIELD_RO k INCRBY u8 0 1
        BITFIELD_RO k OVERFLOW SAT
        BITFIELD_RO k OVERFLOW SAT GET u8 0
        BITFIELD_RO k GET u64 0
        BITFIELD_RO k BOGUS u8 0
        BITFIELD_RO k GET u8 0 SET u8 0 1
        GET k
    """,
}


@parametrize_scripts(SCRIPTS)
def test_bitmap(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)
