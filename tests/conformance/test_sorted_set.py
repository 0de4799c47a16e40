"""The sorted set commands against redis-server: every option, every edge, every error text, encodings, events."""

from tests.support.differential import Pair, Script, parametrize_scripts

NAMES = (
    "ZADD ZINCRBY ZREM ZCARD ZSCORE ZMSCORE ZRANK ZREVRANK ZCOUNT ZLEXCOUNT ZRANGE ZRANGESTORE ZREVRANGE "
    "ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX ZREVRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX ZPOPMIN "
    "ZPOPMAX ZMPOP BZPOPMIN BZPOPMAX BZMPOP ZUNION ZINTER ZDIFF ZUNIONSTORE ZINTERSTORE ZDIFFSTORE ZINTERCARD "
    "ZRANDMEMBER ZSCAN"
).split()

LOOK = """
    ZRANGE k 0 -1 WITHSCORES
    OBJECT ENCODING k
"""
PACKED, RANKED = "CONFIG SET zset-max-listpack-entries 128", "CONFIG SET zset-max-listpack-entries 0"
SCORES = (
    *("0", "-0", "1", "-1", "1.5", "0.1", "1e5", "1E-5", "3.14159265358979", "1e21", "1e22", "123456789012345678"),
    *("4611686018427387904", "4611686018427387905", "9223372036854775807", "1e19", "12345678901234567890", "1e-7"),
    *("0.1e-6", "5e-324", "1.7976931348623157e308", "inf", "-inf", "+inf", "Infinity", "-INFINITY", "0x10", "0x1p-3"),
    *("2.2250738585072014e-308", "9007199254740993", "0.30000000000000004", "100000000000000000000000", "1.0e+5"),
    *("5.", ".5", "+5", "00012", "1e23", "8.41e21", "9.109e-31", "4.35", "1.7e-3", "299792458.123"),
)
NO_SCORES = ("nan", "", "abc", '" 1"', '"1 "', "1e400", "-1e400", "1e-400", "1_0", "0x", "--1", "1e", "(1", '"1\\x00"')
SCORE_BOUNDS = (
    *("-inf", "+inf", "(-inf", "(+inf", "(1", "1", "(2.5", "2.5", "3", "(3", "4", '""', "(", "1e400", "-1e400"),
    *("nan", "(nan", "0x10", '" 1"', "((1", "abc", "[1", "1e", '"2\\x00x"', "-0", "(0"),
)
TEXT_BOUNDS = ("-", "+", "[a", "(a", "[b", "(bb", "[bb", "(d", "[", "(", "[zz", "b", '""', "++", "-x", '"[a\\x00"')
LIMITS = ("", *(f"LIMIT {words}" for words in ("0 2", "1 2", "1 -1", "9 1", "0 0", "-1 2", "-2 -1", "-9 5")))
FILLED = "ZADD k 1 a 2 b 2 bb 2.5 c 3 d -1 e inf f -inf g"
TEXTS = "ZADD t 0 a 0 b 0 bb 0 c 0 d 0 e 0 \"\" 0 \"a\\x00\" 0 \"\\xff\" 0 12 0 -5"


def in_both_encodings(script: str) -> str:
    """The script on listpacks, then on skiplists."""
    return f"{PACKED}\n{script}\nFLUSHALL\n{RANKED}\n{script}\n{PACKED}"


SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b c d e f g h i j k l m n o")),
    "one argument": "\n".join(f"{name.lower()} k" for name in NAMES),
    "two arguments": "\n".join(f"{name} k 1" for name in NAMES if not name.startswith("BZ")) + LOOK,
    "three arguments": "\n".join(f"{name} k 1 2" for name in NAMES if not name.startswith("B")) + LOOK,
    "missing": """
        ZREM k a
        ZCARD k
        ZSCORE k a
        ZMSCORE k a b
        ZRANK k a
        ZRANK k a WITHSCORE
        ZREVRANK k a
        ZCOUNT k 0 1
        ZLEXCOUNT k - +
        ZRANGE k 0 -1
        ZRANGE k 0 -1 WITHSCORES
        ZRANGESTORE d k 0 -1
        ZREVRANGE k 0 -1
        ZRANGEBYSCORE k 0 1
        ZREVRANGEBYSCORE k 1 0
        ZRANGEBYLEX k - +
        ZREVRANGEBYLEX k + -
        ZREMRANGEBYRANK k 0 -1
        ZREMRANGEBYSCORE k 0 1
        ZREMRANGEBYLEX k - +
        ZPOPMIN k
        ZPOPMAX k 2
        ZMPOP 1 k MIN
        ZUNION 1 k
        ZINTER 2 k k2 WITHSCORES
        ZDIFF 1 k
        ZUNIONSTORE d 1 k
        ZINTERSTORE d 2 k k2
        ZDIFFSTORE d 2 k k2
        ZINTERCARD 1 k
        ZRANDMEMBER k
        ZRANDMEMBER k 2
        ZRANDMEMBER k -2 WITHSCORES
        ZSCAN k 0
        ZSCAN k 5 bogus
        DBSIZE
    """,
    "wrong type": """
        SET k v
        SADD s a
        ZADD k 1 a
        ZADD k XX 1 a
        ZINCRBY k 1 a
        ZREM k a
        ZCARD k
        ZSCORE k a
        ZMSCORE k a b
        ZRANK k a
        ZREVRANK k a WITHSCORE
        ZCOUNT k 0 1
        ZLEXCOUNT k - +
        ZRANGE k 0 -1
        ZRANGESTORE d k 0 -1
        ZREVRANGE k 0 -1
        ZRANGEBYSCORE k 0 1
        ZREVRANGEBYSCORE k 1 0
        ZRANGEBYLEX k - +
        ZREVRANGEBYLEX k + -
        ZREMRANGEBYRANK k 0 -1
        ZREMRANGEBYSCORE k 0 1
        ZREMRANGEBYLEX k - +
        ZPOPMIN k
        ZPOPMIN k 0
        ZPOPMAX k 2
        ZMPOP 2 none k MIN
        BZPOPMIN none k 1
        BZPOPMAX k 1
        BZMPOP 1 1 k MAX
        ZUNION 2 none k
        ZINTER 2 none k
        ZDIFF 2 none k
        ZUNIONSTORE d 1 k
        ZINTERSTORE d 2 k k2
        ZDIFFSTORE d 2 k k2
        ZUNIONSTORE d 1 k BOGUS
        ZINTERCARD 1 k
        ZRANDMEMBER k
        ZRANDMEMBER k 2
        ZSCAN k 0
        ZSCAN k x
        ZRANGE s 0 -1
        SADD k a
        ZADD z 1 a
        GET z
        SADD z a
        LPUSH z a
        TYPE z
        DBSIZE
    """,
    "zadd": in_both_encodings(f"""
        ZADD k 1 a
        ZADD k 1 a
        ZADD k 2 a
        ZADD k 1 b 2 c 3 d
        ZADD k 1 x 2 x 3 x
        {LOOK}
        ZADD k CH 1 b 5 c 6 new
        ZADD k ch 1 b 5 c
        ZADD k NX 9 a 9 n1
        ZADD k NX CH 9 a 9 n2
        ZADD k XX 8 a 8 n3
        ZADD k XX CH 9 a 9 n3
        ZADD k GT 1 a 10 b 1 n4
        ZADD k GT CH 1 a 11 b 1 n5
        ZADD k LT 1 a 100 b 1 n6
        ZADD k LT CH 0 a 100 b 1 n7
        ZADD k XX GT CH 50 a 50 n8
        ZADD k XX LT CH 5 a 5 n9
        ZADD k GT XX 50 a 50 n8
        {LOOK}
        ZADD k INCR 5 a
        ZADD k INCR 5 fresh
        ZADD k NX INCR 5 a
        ZADD k NX INCR 5 fresh2
        ZADD k XX INCR 5 a
        ZADD k XX INCR 5 none
        ZADD k GT INCR 5 a
        ZADD k GT INCR -5 a
        ZADD k LT INCR -5 a
        ZADD k LT INCR 5 a
        ZADD k INCR CH 0 a
        ZADD none XX 1 a
        ZADD none XX INCR 1 a
        ZADD none XX CH 1 a
        EXISTS none
        ZADD k 1 "" 2 "\\x00" 3 "\\xff\\r\\n" 4 12 5 -12 6 012 7 9223372036854775807 8 9223372036854775808
        ZSCORE k ""
        ZSCORE k 12
        ZSCORE k 012
        {LOOK}
    """),
    "zadd errors": """
        ZADD k NX XX 1 a
        ZADD k NX GT 1 a
        ZADD k NX LT 1 a
        ZADD k GT LT 1 a
        ZADD k GT LT NX XX 1 a
        ZADD k XX GT LT 1 a
        ZADD k INCR 1 a 2 b
        ZADD k INCR NX XX 1 a 2 b
        ZADD k 1
        ZADD k 1 a 2
        ZADD k NX
        ZADD k NX CH
        ZADD k NX 1
        ZADD k x a
        ZADD k 1 a x b
        ZADD k 1 NX a
        ZADD k CH CH 1 a
        ZADD k NX NX 1 b
        ZADD k bogus 1 a
        ZADD k nx xx x
        ZINCRBY k nx a
        ZINCRBY k NX CH
        ZINCRBY k x a
        ZINCRBY k 1 a
        ZINCRBY k 1 ch
        ZINCRBY k inf a
        ZINCRBY k -inf a
        ZADD k INCR -inf a
        ZADD k XX GT INCR -inf a
        ZADD k INCR -inf new
        ZINCRBY k inf new
        ZRANGE k 0 -1 WITHSCORES
    """,
    "scores": in_both_encodings(
        "\n".join(
            f"ZADD k {score} {at}\nZSCORE k {at}\nZMSCORE k {at} none\nZADD c {score} m\nZADD c INCR 0 m\nZSCORE c m"
            for at, score in enumerate(SCORES)
        )
        + LOOK
        + "ZSCAN c 0\nZRANK k 3 WITHSCORE\nZUNION 1 k WITHSCORES\n"
        + "\n".join(f"ZADD k {score} m\nZINCRBY k {score} m\nZUNION 1 k WEIGHTS {score}" for score in NO_SCORES)
    ),
    "increments": in_both_encodings(
        "\n".join(f"ZINCRBY k {score} m\nZINCRBY k {score} n" for score in SCORES if "i" not in score.lower())
        + "\nZINCRBY k inf m\nZINCRBY k 1 m\nZINCRBY k -inf m\nZINCRBY k 0 n\nZADD k -0 z\nZADD k 0 z\nZSCORE k z\n"
        + "ZINCRBY k -0 fresh\nZINCRBY k -0 fresh\nZADD k 1 y\nZINCRBY k -1 y\nZADD k -0 y\n"
        + LOOK
    ),
    "ranks": in_both_encodings(f"""
        {FILLED}
        ZRANK k a
        ZRANK k g
        ZREVRANK k g
        ZRANK k a WITHSCORE
        ZREVRANK k f withscore
        ZREVRANK k bb WITHSCORE
        ZRANK k none
        ZRANK k none WITHSCORE
        ZREVRANK k none WITHSCORE
        ZRANK k a WITHSCORES
        ZRANK k a WITHSCORE x
        ZREVRANK k a b c
        ZRANK none a b
        ZCARD k
        ZMSCORE k a none f a g
        ZREM k b none b
        ZREVRANK k g
        ZREM k a bb c d e f g
        EXISTS k
        ZREM k a
    """),
    "zrem": in_both_encodings(f"""
        {FILLED}
        ZREM k a
        ZREM k a b
        ZREM k none
        ZREM k c c c
        {LOOK}
        ZREM k bb d e f g x y z
        EXISTS k
        TYPE k
    """),
    "by rank": in_both_encodings(
        FILLED
        + "\n"
        + "\n".join(
            f"{name} k {start} {stop}{more}"
            for start, stop in (
                *((0, -1), (0, 0), (1, 3), (-3, -2), (-100, 100), (5, 2), (7, 7), (8, 8), (100, 200), (-1, 0)),
                *((0, -100), (-(2**63), 2**63 - 1), (2**63 - 1, 0)),
            )
            for name in ("ZRANGE", "ZREVRANGE")
            for more in ("", " WITHSCORES")
        )
        + """
        ZRANGE k 0 -1 REV
        ZRANGE k 1 2 rev withscores
        ZRANGE k 1 2 REV REV WITHSCORES WITHSCORES
        ZRANGE k x 1
        ZRANGE k 0 1.5
        ZRANGE k 0 9223372036854775808
        ZRANGE k 0 1 bogus
        ZRANGE k 0 1 LIMIT
        ZRANGE k 0 1 LIMIT 0
        ZRANGE k 0 1 LIMIT 0 1
        ZRANGE k 0 1 LIMIT 0 -1
        ZRANGE k 0 1 LIMIT 0 x
        ZRANGE k x 1 LIMIT 0 1
        ZREVRANGE k 0 1 REV
        ZREVRANGE k 0 1 BYSCORE
        ZREVRANGE k 0 1 LIMIT 0 1
        ZRANGE k x 1 bogus
        ZRANGE none x 1
        """
    ),
    "by score": in_both_encodings(
        FILLED
        + "\n"
        + "\n".join(
            f"ZCOUNT k {low} {high}\nZRANGEBYSCORE k {low} {high} WITHSCORES\nZREVRANGEBYSCORE k {high} {low}"
            for low in SCORE_BOUNDS
            for high in SCORE_BOUNDS
        )
    ),
    "by score with limits": in_both_encodings(
        FILLED
        + "\n"
        + "\n".join(
            f"ZRANGEBYSCORE k {low} {high} {limit}\nZREVRANGEBYSCORE k {high} {low} {limit} WITHSCORES\n"
            f"ZRANGE k {low} {high} BYSCORE {limit} WITHSCORES\nZRANGE k {high} {low} REV {limit} BYSCORE"
            for low, high in (("-inf", "+inf"), ("1", "3"), ("(1", "(3"), ("(3", "1"), ("-inf", "(-inf"))
            for limit in LIMITS
        )
        + """
        ZRANGEBYSCORE k 1 2 LIMIT 0
        ZRANGEBYSCORE k 1 2 LIMIT 0 x
        ZRANGEBYSCORE k 1 2 LIMIT x 1
        ZRANGEBYSCORE k 1 2 LIMIT 0 9223372036854775807
        ZRANGEBYSCORE k 1 2 LIMIT 9223372036854775807 1
        ZRANGEBYSCORE k 1 2 bogus
        ZRANGEBYSCORE k 1 2 REV
        ZRANGEBYSCORE k a b bogus
        ZRANGE k a b BYSCORE
        ZRANGE k (1 +inf byscore limit 0 1 withscores
        ZRANGE k 1 2 BYSCORE BYLEX
        ZRANGE k 1 2 BYSCORE BYSCORE
        ZREVRANGEBYSCORE k 3 1 LIMIT 1 1 LIMIT 0 2
        """
    ),
    "by text": in_both_encodings(
        TEXTS
        + "\n"
        + "\n".join(
            f"ZLEXCOUNT t {low} {high}\nZRANGEBYLEX t {low} {high}\nZREVRANGEBYLEX t {high} {low}"
            for low in TEXT_BOUNDS
            for high in TEXT_BOUNDS
        )
        + "\n"
        + "\n".join(
            f"ZRANGEBYLEX t {low} {high} {limit}\nZREVRANGEBYLEX t {high} {low} {limit}\n"
            f"ZRANGE t {low} {high} BYLEX {limit}\nZRANGE t {high} {low} REV BYLEX {limit}"
            for low, high in (("-", "+"), ("[a", "(d"), ("(d", "[a"))
            for limit in LIMITS
        )
        + """
        ZRANGE t - + BYLEX WITHSCORES
        ZRANGEBYLEX t - + WITHSCORES
        ZRANGEBYLEX t x + WITHSCORES
        ZRANGEBYLEX t - + bogus
        ZRANGE t [a [b BYLEX LIMIT 0
        ZRANGE t a b BYLEX
        """
    ),
    "storing ranges": in_both_encodings(f"""
        {FILLED}
        {TEXTS}
        SET d v EX 1000
        ZRANGESTORE d k 0 2
        TTL d
        ZRANGE d 0 -1 WITHSCORES
        OBJECT ENCODING d
        ZRANGESTORE d k 0 2 REV
        ZRANGE d 0 -1 WITHSCORES
        ZRANGESTORE d k (1 3 BYSCORE LIMIT 1 5
        ZRANGE d 0 -1 WITHSCORES
        ZRANGESTORE d k 3 1 BYSCORE REV LIMIT 0 1
        ZRANGE d 0 -1 WITHSCORES
        ZRANGESTORE d t [b + BYLEX
        ZRANGE d 0 -1 WITHSCORES
        ZRANGESTORE d k 5 1
        EXISTS d
        ZRANGESTORE d k 5 1
        SET d v
        ZRANGESTORE d none 0 -1
        EXISTS d
        ZRANGESTORE k k 1 2
        {LOOK}
        ZRANGESTORE k k 0 -1 WITHSCORES
        ZRANGESTORE k k 0 -1 LIMIT 0 1
        ZRANGESTORE k k x 1
        ZRANGESTORE k k 0 -1 bogus
        ZRANGESTORE d d 0 -1
    """),
    "removing ranges": in_both_encodings(
        "\n".join(
            f"DEL k t\n{FILLED}\n{TEXTS}\n{line}\nZRANGE k 0 -1\nZRANGE t 0 -1\nEXISTS k t"
            for line in (
                *("ZREMRANGEBYRANK k 0 0", "ZREMRANGEBYRANK k 0 -1", "ZREMRANGEBYRANK k -2 -1"),
                *("ZREMRANGEBYRANK k 5 1", "ZREMRANGEBYRANK k 100 200", "ZREMRANGEBYRANK k -100 3"),
                "ZREMRANGEBYRANK k x 1",
                *("ZREMRANGEBYSCORE k -inf +inf", "ZREMRANGEBYSCORE k (1 2.5", "ZREMRANGEBYSCORE k 7 8"),
                *("ZREMRANGEBYSCORE k (inf (inf", "ZREMRANGEBYSCORE k a b", "ZREMRANGEBYSCORE k 3 1"),
                *("ZREMRANGEBYLEX t - +", "ZREMRANGEBYLEX t [a (d", "ZREMRANGEBYLEX t (zz +", "ZREMRANGEBYLEX t a b"),
            )
        )
    ),
    "popping": in_both_encodings("""
        ZADD k 1 a 2 b 3 c 4 d 5.5 e 6 f
        ZPOPMIN k
        ZPOPMAX k
        ZPOPMIN k 0
        ZPOPMIN k 1
        ZPOPMAX k 2
        ZPOPMIN k 100
        EXISTS k
        ZPOPMIN k 5
        ZPOPMIN k -1
        ZPOPMIN k x
        ZPOPMIN k 1 2
        ZPOPMAX k 9223372036854775808
        ZADD k 1 a 2 b 3 c
        ZPOPMAX k 0
        ZPOPMAX k -1
        ZPOPMAX k 3
        ZADD k 1 a 2 b 3 c 4 d
        ZMPOP 1 k MIN
        ZMPOP 2 none k MAX COUNT 2
        ZMPOP 1 k MIN COUNT 100
        ZMPOP 1 k MIN
        ZADD k 1 a 2 b 3 c 4 d
        ZMPOP 0 k MIN
        ZMPOP x k MIN
        ZMPOP -1 k MIN
        ZMPOP 2 k MIN
        ZMPOP 1 k
        ZMPOP 1 k BOTH
        ZMPOP 1 k min count 0
        ZMPOP 1 k min count x
        ZMPOP 1 k min count
        ZMPOP 1 k min count 1 count 1
        ZMPOP 1 k min count 0 count 1
        ZMPOP 1 k min bogus 1
        ZMPOP 1 k min count 1 extra
        ZMPOP 9223372036854775807 k MIN
        ZMPOP 1 k max count 1
        BZPOPMIN none k 0
        BZPOPMAX k none 0
        BZPOPMIN k x
        BZPOPMIN k -1
        BZPOPMIN k 1e300
        ZADD k 1 a 2 b 3 c
        BZMPOP 0 1 k MIN
        BZMPOP 0 2 none k MAX COUNT 5
        EXISTS k
        ZADD k 1 a 2 b 3 c 4 d
        BZMPOP x 1 k MIN
        BZMPOP -1 1 k MIN
        BZMPOP x 0 k MIN
        BZMPOP 0 1 k BOTH
        BZMPOP 0 1 k MIN COUNT 0
        BZMPOP 0 1 k MAX COUNT 9
        MULTI
        BZPOPMIN none 0
        BZPOPMAX none 0
        BZMPOP 0 1 none MIN
        ZADD k 5 a
        BZPOPMAX k 0
        EXEC
    """),
    "timeouts": """
        BZPOPMIN none 0.01
        BZPOPMAX none other 0.01
        BZMPOP 0.01 2 none other MAX COUNT 3
    """,
    "algebra": in_both_encodings("""
        ZADD a 1 x 2 y 3 z -1 n
        ZADD b 10 y 20 z 30 w
        ZADD c inf x -inf y 0.5 z
        SADD s x y q 12
        SADD i 1 2 12
        ZADD n 5 12 6 2
    """ + "\n".join(
        f"{name} {len(keys.split())} {keys} {options}"
        for name in ("ZUNION", "ZINTER")
        for keys in ("a", "a b", "b a", "a b c", "a s", "s", "s i", "n i s", "a none", "none", "a a", "c c c")
        for options in (
            *("", "WITHSCORES", "AGGREGATE MIN WITHSCORES", "aggregate max withscores", "AGGREGATE SUM"),
            "WEIGHTS " + " ".join(["2", "-1", "0.1"][: len(keys.split())]) + " WITHSCORES",
            "WITHSCORES AGGREGATE MAX WEIGHTS " + " ".join(["0", "inf", "-inf"][: len(keys.split())]),
            "WEIGHTS " + " ".join(["-inf", "0", "1"][: len(keys.split())]) + " AGGREGATE MIN WITHSCORES",
        )
    ) + "\n" + "\n".join(
        f"{name}STORE d {len(keys.split())} {keys} {options}\nZRANGE d 0 -1 WITHSCORES\nOBJECT ENCODING d"
        for name in ("ZUNION", "ZINTER")
        for keys in ("a", "a b", "a b c", "a s", "n i", "none", "a none", "d a")
        for options in (
            *("", "AGGREGATE MAX", "WITHSCORES"),
            "WEIGHTS " + " ".join(["2", "-1", "0.1"][: len(keys.split())]),
        )
    ) + "\n" + "\n".join(
        f"ZDIFF {len(keys.split())} {keys} WITHSCORES\nZDIFF {len(keys.split())} {keys}\n"
        f"ZDIFFSTORE d {len(keys.split())} {keys}\nZRANGE d 0 -1 WITHSCORES\n"
        f"ZINTERCARD {len(keys.split())} {keys}\nZINTERCARD {len(keys.split())} {keys} LIMIT 1"
        for keys in ("a", "a b", "b a", "a a", "a s", "s a", "s i", "none a", "a none", "a b c s i n", "c c")
    )),
    "algebra errors": "ZADD a 1 x\n" + "\n".join(
        f"{name} {words}"
        for name in ("ZUNION", "ZINTER", "ZDIFF", "ZUNIONSTORE d", "ZINTERSTORE d", "ZDIFFSTORE d", "ZINTERCARD")
        for words in (
            *("0 a", "-1 a", "x a", "2 a", "9223372036854775807 a", "9223372036854775808 a", "1 a bogus", "0 a bogus"),
            *("1 a WEIGHTS", "1 a WEIGHTS x", "1 a WEIGHTS 1", "1 a WEIGHTS 1 2", "1 a WEIGHTS nan", "2 a b WEIGHTS 1"),
            *("1 a WEIGHTS 1 WEIGHTS 2", "1 a AGGREGATE", "1 a AGGREGATE AVG", "1 a AGGREGATE MIN AGGREGATE MAX"),
            *("1 a WITHSCORES WITHSCORES", "1 a LIMIT", "1 a LIMIT 1", "1 a LIMIT -1", "1 a LIMIT x", "1 a LIMIT 0"),
            *("1 a LIMIT 1 LIMIT 2", "1 a withscores weights 3", "1 a LIMIT 9223372036854775808"),
        )
    ),
    "stored results replace": """
        ZADD a 1 x 2 y
        SET d v EX 1000
        ZUNIONSTORE d 1 a
        TTL d
        ZADD d 5 more
        ZDIFFSTORE d 2 a a
        EXISTS d
        ZDIFFSTORE d 2 a a
        SADD d x
        ZINTERSTORE d 2 a none
        EXISTS d
        ZUNIONSTORE a 2 a a
        ZRANGE a 0 -1 WITHSCORES
        ZDIFFSTORE a 1 a
        ZINTERSTORE a 2 a a WEIGHTS 1 -1
        ZRANGE a 0 -1 WITHSCORES
    """,
    "random members": in_both_encodings("""
        ZADD k 1.5 a
        ZRANDMEMBER k
        ZRANDMEMBER k 0
        ZRANDMEMBER k 1
        ZRANDMEMBER k 5
        ZRANDMEMBER k -3
        ZRANDMEMBER k 1 WITHSCORES
        ZRANDMEMBER k 5 withscores
        ZRANDMEMBER k -2 WITHSCORES
        ZRANDMEMBER k 0 WITHSCORES
        ZRANDMEMBER k x
        ZRANDMEMBER k 1 bogus
        ZRANDMEMBER k 1 WITHSCORES x
        ZRANDMEMBER k -9223372036854775808
        ZRANDMEMBER k -9223372036854775808 WITHSCORES
        ZRANDMEMBER k 4611686018427387904 WITHSCORES
        ZRANDMEMBER k -4611686018427387904 WITHSCORES
        ZRANDMEMBER k 4611686018427387903 WITHSCORES
        ZRANDMEMBER none x
        ZRANDMEMBER none 1 bogus
    """),
    "scan": in_both_encodings("""
        ZADD k 0.1 a
        ZSCAN k 0
        ZSCAN k 0 MATCH b*
        ZSCAN k 0 MATCH a COUNT 100
        ZSCAN k 0 COUNT 1000
        ZSCAN k 0 COUNT 0
        ZSCAN k 0 COUNT x
        ZSCAN k 0 MATCH
        ZSCAN k 0 TYPE zset
        ZSCAN k 0 NOVALUES
        ZSCAN k 0 bogus
        ZSCAN k x
        ZSCAN k -1 bogus
        ZSCAN none 0 bogus
        ZSCAN none x
        ZSCAN k 0 match * count 9223372036854775807
        ZADD k 1e300 a
        ZSCAN k 0
        ZADD k 3 a
        ZSCAN k 0
        ZADD k -inf a
        ZSCAN k 0
        ZADD k -0 b
        ZREM k a
        ZSCAN k 0
    """),
    "encodings": """
        CONFIG SET zset-max-listpack-entries 4 zset-max-listpack-value 8
        ZADD k 1 a 2 b 3 c 4 d
        OBJECT ENCODING k
        ZADD k 5 a
        OBJECT ENCODING k
        ZADD k 5 e
        OBJECT ENCODING k
        ZREM k a b c d
        OBJECT ENCODING k
        ZADD m 1 12345678
        OBJECT ENCODING m
        ZADD m 1 123456789
        OBJECT ENCODING m
        ZADD first 1 123456789
        OBJECT ENCODING first
        ZADD second 1 a 2 123456789
        OBJECT ENCODING second
        ZADD same 1 a 1 a 1 a 1 a 1 a
        OBJECT ENCODING same
        ZADD grow 1 a
        ZADD grow 1 a 1 a 1 a 1 a 1 a
        OBJECT ENCODING grow
        ZADD grow2 1 a
        ZADD grow2 XX 1 a 1 b 1 c 1 d 1 e
        OBJECT ENCODING grow2
        ZADD grow3 1 a
        ZADD grow3 XX 1 123456789
        OBJECT ENCODING grow3
        ZINCRBY inc 1 123456789
        OBJECT ENCODING inc
        ZADD big 1 a 2 b 3 c 4 d 5 e 6 f
        ZUNIONSTORE d 1 big
        OBJECT ENCODING d
        ZINTERSTORE d 2 big k
        OBJECT ENCODING d
        ZDIFFSTORE d 2 big k
        OBJECT ENCODING d
        ZADD few 1 a 2 b
        ZDIFFSTORE d 2 big few
        OBJECT ENCODING d
        ZRANGESTORE d big 0 3
        OBJECT ENCODING d
        ZRANGESTORE d big 0 4
        OBJECT ENCODING d
        ZRANGESTORE d big 1 4 BYSCORE
        OBJECT ENCODING d
        ZRANGESTORE d big 1 5 BYSCORE
        OBJECT ENCODING d
        ZRANGESTORE d first 0 -1
        OBJECT ENCODING d
        ZUNIONSTORE d 2 few first
        OBJECT ENCODING d
        COPY big big2
        OBJECT ENCODING big2
        ZRANGE big2 0 -1 WITHSCORES
        RENAME big2 big3
        ZRANGE big3 0 -1 WITHSCORES
        ZPOPMIN big3 5
        OBJECT ENCODING big3
        SADD s a b 123456789
        ZUNIONSTORE d 1 s
        OBJECT ENCODING d
        ZUNIONSTORE d 2 s few WEIGHTS 0 0
        ZRANGE d 0 -1 WITHSCORES
        CONFIG SET zset-max-listpack-entries 128 zset-max-listpack-value 64
        ZADD big 7 g
        OBJECT ENCODING big
        ZADD empty 1 a
        CONFIG SET zset-max-listpack-entries 0
        ZADD empty 1 a
        OBJECT ENCODING empty
        ZADD zero 1 a
        OBJECT ENCODING zero
        CONFIG SET zset-max-listpack-entries 128
    """,
    "events": """
        CONFIG SET notify-keyspace-events KEA
        @2 PSUBSCRIBE __key*__:*
        ZADD k 1 a 2 b
        ZADD k 1 a
        ZADD k 3 a
        ZADD k XX 5 none
        ZADD k INCR 1 a
        ZADD k INCR 0 a
        ZINCRBY k 1 a
        ZREM k none
        ZREM k a
        ZREM k b
        ZADD k 1 a 2 b 3 c 4 d 5 e 6 f
        ZREMRANGEBYRANK k 0 0
        ZREMRANGEBYRANK k 10 20
        ZREMRANGEBYSCORE k 2 2
        ZREMRANGEBYLEX k [c [c
        ZPOPMIN k
        ZPOPMAX k 1
        ZPOPMAX k 0
        ZPOPMIN k 5
        ZPOPMIN k
        ZADD k 1 a 2 b
        ZMPOP 1 k MIN
        BZPOPMAX k 0
        ZADD k 1 a 2 b
        BZMPOP 0 1 k MAX COUNT 5
        ZADD k 1 a 2 b
        ZUNIONSTORE d 1 k
        ZINTERSTORE d 2 k k
        ZDIFFSTORE d 1 k
        ZRANGESTORE d k 0 0
        ZRANGESTORE d k 5 9
        ZRANGESTORE d k 5 9
        ZUNIONSTORE d 1 k
        ZDIFFSTORE d 2 k k
        ZDIFFSTORE d 2 k k
        ZINTERSTORE d 2 k none
        ZREMRANGEBYSCORE k -inf +inf
        CONFIG SET notify-keyspace-events ""
    """,
    "changes counted": """
        CONFIG RESETSTAT
        WATCH k
        ZADD k XX 1 a
        MULTI
        PING
        EXEC
        ZADD k 1 a
        WATCH k
        ZADD k 1 a
        MULTI
        PING
        EXEC
        WATCH k
        ZADD k 2 a
        MULTI
        PING
        EXEC
        WATCH k
        ZREM k none
        ZREMRANGEBYRANK k 5 6
        ZPOPMIN k 0
        MULTI
        PING
        EXEC
        WATCH k
        ZPOPMIN k
        MULTI
        PING
        EXEC
    """,
    "many members": [
        ("ZADD", "k", *[word for at in range(1000) for word in (at * 7 % 13, b"member:%d" % at)]),
        ("OBJECT", "ENCODING", "k"),
        ("ZCARD", "k"),
        ("ZRANGE", "k", 0, -1, "WITHSCORES"),
        ("ZREVRANGE", "k", 100, 250),
        ("ZCOUNT", "k", "(3", 7),
        ("ZRANGEBYSCORE", "k", 5, 6, "LIMIT", 20, 30),
        ("ZRANK", "k", "member:500", "WITHSCORE"),
        ("ZREVRANK", "k", "member:500"),
        ("ZREMRANGEBYRANK", "k", 10, 500),
        ("ZRANGE", "k", 0, -1),
        ("ZREMRANGEBYSCORE", "k", 6, "inf"),
        ("ZPOPMAX", "k", 50),
        ("ZPOPMIN", "k", 3),
        ("ZRANGE", "k", 0, -1, "WITHSCORES"),
        ("ZADD", "long", 1, b"x" * 64, 2, b"y" * 65, 3, b"z" * 100_000),
        ("OBJECT", "ENCODING", "long"),
        ("ZRANGE", "long", 0, -1, "WITHSCORES"),
    ],
}  # fmt: skip


@parametrize_scripts(SCRIPTS)
def test_sorted_set(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)
