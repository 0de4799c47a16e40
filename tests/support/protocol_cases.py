"""Raw requests, right and wrong, for comparing how two parties read them.

Idea: each case is what a client might send on a fresh connection. Some lack their end, so that a server must wait;
most hold a fault, often behind or in front of good requests, so that what is answered before the close is seen too.
Only PING, ECHO and unknown names occur, so that a model of the server fits into a test.

Left out on purpose: a line beyond 64 KiB that has its end. Whether Redis takes it depends on how its reads cut it.
"""

PING = b"*1\r\n$4\r\nPING\r\n"
LINE_LIMIT = 65536

_NUMBERS = [
    b"", b"0", b"1", b"2", b"4", b"9", b"10", b"-1", b"-2", b"-0", b"-", b"--1", b"+1", b"+", b"00", b"01", b"04",
    b"004", b" 1", b"1 ", b" ", b"\t1", b"1\t", b"a", b"1a", b"a1", b"1.0", b"1e0", b"0x1", b"1,", b"1\n", b"\n1",
    b"1\0", b"\0", b"99", b"512", b"1024", b"16384", b"16385", b"65536", b"1048576", b"1048577", b"536870912",
    b"536870913", b"99999999", b"100000000", b"999999999", b"2147483647", b"2147483648", b"-2147483648",
    b"-2147483649", b"4294967295", b"4294967296", b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775808", b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616",
    b"18446744073709551617", b"99999999999999999999", b"100000000000000000000000", b"-99999999999999999999",
    b"1" * 40, b"0" * 40, b"9" * 300, b"\xb2", b"\xff1",
]  # fmt: skip
_ENDS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r",
    b"\rx",
    b"\r*",
    b"\r$",
    b"\r\0",
    b"\n\r",
    b"\r\n\n",
    b"\r\r\n",
    b"\r\n\r\n",
    b"\0\r\n",
    b" \r\n",
]
_KINDS = [bytes([code]) for code in b"*:+-%~>_#,(=|!agP0 \r\n\t\0\"'\x7f\x80\xff"]

_INLINE = [
    b"PING", b"ping", b"  PING", b"PING  ", b"\tPING", b"\vPING", b"\fPING", b"PING\v", b"PING \r", b"PING\r",
    b"\rPING", b"PING hello", b"PING \"hello world\"", b"PING 'hello world'", b"ECHO \"\"", b"ECHO ''", b"ECHO \"\" ",
    b"'PING'", b"\"PING\"", b"\"PING\" x", b"\"PI\\x4eG\"", b"ECHO \"\\x41\\x5a\"", b"ECHO \"\\xff\\x00\"",
    b"ECHO \"\\xFf\\xaB\"", b"ECHO \"\\x4\"", b"ECHO \"\\x\"", b"ECHO \"\\xg1\"", b"ECHO \"\\x1g\"",
    b"ECHO \"\\n\\r\\t\\b\\a\"", b"ECHO \"\\\\\"", b"ECHO \"\\\"\"", b"ECHO \"\\q\\z\\0\"", b"ECHO \"\\'\"",
    b"ECHO '\\''", b"ECHO '\\n'", b"ECHO '\\\\'", b"ECHO '\"'", b"ECHO \"'\"", b"ECHO '\\", b"ECHO \"\\",
    b"ECHO '\\'", b"ECHO \"\\\"", b"ECHO \"", b"ECHO '", b"ECHO \"a", b"ECHO 'a", b"ECHO \"a\"b", b"ECHO 'a'b",
    b"ECHO \"a\"\"b\"", b"ECHO 'a''b'", b"ECHO \"a\"'b'", b"ECHO a\"b\"", b"ECHO a'b'", b"ECHO a\"b c\"",
    b"ECHO a\"b", b"ECHO a'b", b"ECHO a\\nb", b"ECHO a\\x41", b"ECHO \\\"a\\\"", b"ECHO \"a\"\v", b"ECHO \"a\"\f",
    b"ECHO \"a\"\t", b"ECHO a\vb", b"ECHO a\fb", b"ECHO \"a\rb\"", b"ECHO \xff\x80", b"ECHO \"\xe4\"", b"ECHO a b",
    b"ECHO", b"PING a b", b"nonsense", b"nonsense a b", b"nonsense \"a b\" 'c'", b"\"\"", b"'' a", b"$4", b"+PING",
    b"-ERR x", b":1", b"PING *1", b"a*1", b" *1", b"ECHO $5", b"# comment", b"GOT / HTTP/1.1 x y z", b"\"", b"'",
    b"\\", b"\\x41", b"\"\\x41", b"PING \x01\x02", b"ECHO \"\\x", b"ECHO \"\\x4", b"ECHO \"\\x41", b"ECHO 'a' \"b",
    b"\x80PING", b"\xa0PING", b"PING\x85x",
]  # fmt: skip


def _headers() -> list[bytes]:
    """Odd numbers and line ends in both headers."""
    cases = []
    for number in _NUMBERS:
        cases.append(b"*" + number + b"\r\n$4\r\nPING\r\n" + PING)
        cases.append(b"*1\r\n$" + number + b"\r\nPING\r\n" + PING)
        cases.append(PING + b"*2\r\n$4\r\nECHO\r\n$" + number + b"\r\nabcd\r\n")
    for end in _ENDS:
        cases.append(b"*1" + end + b"$4\r\nPING\r\n" + PING)
        cases.append(b"*1\r\n$4" + end + b"PING\r\n" + PING)
        cases.append(b"*1\r\n$4\r\nPING" + end + PING)
        cases.append(b"*0" + end + PING)
    cases += [b"*1\r\n" + kind + b"4\r\nPING\r\n" + PING for kind in _KINDS]
    cases += [b"*2\r\n$4\r\nECHO\r\n" + kind + b"1\r\nx\r\n" for kind in _KINDS]
    cases += [
        b"*1\r\n$4\r\nPING" + first + second + PING for first in (b"x", b"\r", b"\0") for second in (b"y", b"\n", b"\0")
    ]
    return cases


def _inline() -> list[bytes]:
    """Odd words, quotes and line ends of inline commands, alone and between other requests."""
    cases = []
    for line in _INLINE:
        cases += [line + b"\r\n", line + b"\n" + PING, PING + line + b"\r\nPING\r\n"]
    cases += [b"PING" + end + PING for end in _ENDS]
    cases += [
        b"\r\n" * 3 + PING,
        b"\n\n\n" + PING,
        b" \r\n\t\n" + PING,
        b"\r" + PING,
        b"\0\r\n" + PING,
        b"PI\0NG\r\n" + PING,
    ]
    cases += [PING + b"PING\r\n" + PING + b"ECHO 'x'\r\n", b"PING", b"PING\r", b"P", b"\r", b" "]
    return cases


def _pipelines() -> list[bytes]:
    """Requests cut short, empty requests between others, and faults behind good requests."""
    whole = b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n"
    cases = [whole[:cut] for cut in range(1, len(whole))]
    cases += [b"*0\r\n" + PING, b"*-1\r\n" + PING, b"*-77\r\n*0\r\n\r\n" + PING, b"*0\r\n" * 50 + PING, PING * 100]
    cases += [
        b"*1\r\n$0\r\n\r\n" + PING,
        b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
        b"*3\r\n$4\r\nPING\r\n$1\r\na\r\n$1\r\nb\r\n" + PING,
    ]
    cases += [PING + b"*2\r\n$4\r\nECHO\r\n*1\r\n", PING * 3 + b"*x\r\n" + PING, PING + b"*1\r\n$-1\r\n" + PING]
    cases += [
        b"*2\r\n$4\r\nECHO\r\n$5\r\na\0\r\nb\r\n" + PING,
        b"*2\r\n$4\r\nECHO\r\n$40000\r\n" + b"z" * 40000 + b"\r\n" + PING,
    ]
    cases += [
        b"*12\r\n" + b"$1\r\na\r\n" * 12 + PING,
        b"*130\r\n" + b"$2\r\nab\r\n" * 130 + PING,
        b"*1\r\n$8\r\nnon\r\nsen\r\n",
    ]
    return cases


def _long_lines() -> list[bytes]:
    """Lines at and beyond the limit of their length."""
    cases = []
    for size in (LINE_LIMIT - 1, LINE_LIMIT, LINE_LIMIT + 1, LINE_LIMIT + 5000):
        cases += [b"*".ljust(size, b"1"), b"*1\r\n" + b"$".ljust(size, b"1"), b"a" * size, b"*1\r\n" + b"a" * size]
        cases += [b"PING\0".ljust(size, b" "), b"*1\0\r\n".ljust(size, b"1"), PING + b"\0".ljust(size, b"x")]
    cases += [
        b"ECHO " + b"a" * 60000 + b"\r\n" + PING,
        b"*".ljust(60000, b"1") + b"\r\n",
        b"*1\r\n" + b"$".ljust(60000, b"0") + b"\r\n",
    ]
    return cases


def _unauthenticated() -> list[bytes]:
    """What a client may send before AUTH; the password is "secret"."""
    big = b"x" * 16385
    cases = [b"*%d\r\n$4\r\nPING\r\n" % count for count in (-1, 0, 1, 2, 9, 10, 11, 12, 100, 2147483647, 2147483648)]
    cases += [
        b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % size for size in (-1, 0, 16383, 16384, 16385, 99999, 536870912, 536870913)
    ]
    cases += [b"*10\r\n" + b"$1\r\na\r\n" * 10 + PING, b"*2\r\n$4\r\nECHO\r\n$16384\r\n" + big[1:] + b"\r\n" + PING]
    cases += [
        PING,
        b"PING\r\n" + PING,
        b"PING " + b"a " * 20 + b"\r\n" + PING,
        b"ECHO '\r\n",
        b"ECHO " + big + b"\r\n",
        b"nonsense\r\n",
    ]
    auth = b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
    cases += [
        auth + PING,
        auth + b"*11\r\n" + b"$1\r\na\r\n" * 11 + PING,
        auth + b"*2\r\n$4\r\nECHO\r\n$16385\r\n" + big + b"\r\n",
    ]
    cases += [
        b"AUTH secret\r\n*12\r\n" + b"$1\r\na\r\n" * 12,
        auth * 2 + PING,
        PING + auth + b"*1\r\n$x\r\n",
        auth + b"*2\r\n$16385\r\n",
    ]
    return cases


CASES: list[bytes] = list(dict.fromkeys(_headers() + _inline() + _pipelines() + _long_lines()))
UNAUTHENTICATED_CASES: list[bytes] = list(dict.fromkeys(_unauthenticated()))
