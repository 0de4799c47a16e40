"""Requests out of bytes, however the bytes are cut; what is kept between the pieces, and what each fault is called."""

import pytest
from mtredis.protocol.parser import Parser

from mtredis.errors import ProtocolError
from tests.support.protocol_cases import CASES, LINE_LIMIT, PING, UNAUTHENTICATED_CASES

SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n"

FAULTS = {
    b"*x\r\n": "invalid multibulk length",
    b"*2147483648\r\n": "invalid multibulk length",
    b"*\r\n": "invalid multibulk length",
    b"*-0\r\n": "invalid multibulk length",
    b"*1\r\n$x\r\n": "invalid bulk length",
    b"*1\r\n$-1\r\n": "invalid bulk length",
    b"*1\r\n$536870913\r\n": "invalid bulk length",
    b"*1\r\n:1\r\n": "expected '$', got ':'",
    b"*1\r\n\r\n": "expected '$', got ' '",
    b"*1\r\n\xff\r\n": "expected '$', got '\xff'",
    b'GET "a\r\n': "unbalanced quotes in request",
    b"GET 'a'b\r\n": "unbalanced quotes in request",
    b"x" * (LINE_LIMIT + 1): "too big inline request",
    b"*" * (LINE_LIMIT + 1): "too big mbulk count string",
    b"*1\r\n" + b"$" * (LINE_LIMIT + 1): "too big bulk count string",
}

UNAUTHENTICATED_FAULTS = {
    b"*11\r\n": "unauthenticated multibulk length",
    b"*2147483648\r\n": "invalid multibulk length",
    b"*1\r\n$16385\r\n": "unauthenticated bulk length",
    b"*1\r\n$536870913\r\n": "invalid bulk length",
}


def read(pieces: list[bytes], *, authenticated: bool = True) -> tuple[list[list[bytes]], str | None]:
    """All requests in the pieces, and the fault that ended them."""
    parser = Parser(authenticated=authenticated)
    requests: list[list[bytes]] = []
    try:
        for piece in pieces:
            found = parser.feed(piece)
            while found:
                requests += found
                found = parser.feed(b"")
    except ProtocolError as fault:
        return requests, str(fault)
    return requests, None


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize(("data", "fault"), FAULTS.items(), ids=range(len(FAULTS)))
def test_faults(data: bytes, fault: str) -> None:
    assert read([data]) == ([], fault)
    assert read([PING + data]) == ([[b"PING"]], fault)


@pytest.mark.parametrize(("data", "fault"), UNAUTHENTICATED_FAULTS.items())
def test_faults_before_auth(data: bytes, fault: str) -> None:
    assert read([data], authenticated=False) == ([], fault)


@pytest.mark.parametrize("authenticated", [True, False])
def test_every_cut_in_two_gives_the_same(authenticated: bool) -> None:
    for case in CASES if authenticated else UNAUTHENTICATED_CASES:
        if len(case) > 3000:
            continue
        whole = read([case], authenticated=authenticated)
        assert read(single_bytes(case), authenticated=authenticated) == whole
        for cut in range(1, len(case)) if len(case) <= 200 else range(1, len(case), 37):
            assert read([case[:cut], case[cut:]], authenticated=authenticated) == whole, (case, cut)


@pytest.mark.parametrize("case", [case for case in CASES + UNAUTHENTICATED_CASES if len(case) > 3000], ids=len)
def test_cuts_of_long_lines_give_the_same(case: bytes) -> None:
    whole = read([case])
    assert read([case[i : i + 4096] for i in range(0, len(case), 4096)]) == whole
    assert read([case[:LINE_LIMIT], *single_bytes(case[LINE_LIMIT:])]) == whole


def test_a_line_of_64_kib_is_the_longest() -> None:
    line = b"ECHO " + b"a" * (LINE_LIMIT - 5)
    assert read([line + b"\n"]) == ([[b"ECHO", line[5:]]], None)
    assert read([line + b"a\n"]) == ([], "too big inline request")
    assert read([line + b"\r\n"]) == ([], "too big inline request")


def test_requests_before_a_fault_are_returned_first() -> None:
    parser = Parser()
    assert parser.feed(PING + b"PING x\r\n*y\r\n" + PING) == [[b"PING"], [b"PING", b"x"]]
    assert parser.error == "invalid multibulk length"
    for _ in range(2):
        with pytest.raises(ProtocolError, match="^invalid multibulk length$"):
            parser.feed(PING)


def test_arguments_may_hold_any_bytes() -> None:
    value = bytes(range(256)) * 3
    assert read([b"*2\r\n$4\r\nECHO\r\n$768\r\n" + value + b"\r\n"]) == ([[b"ECHO", value]], None)


def test_quotes_of_inline_commands() -> None:
    line = b"""a "b c" 'd e' "\\x41\\n\\"\\q" 'f\\'g\\n' "" '' h\\x41"""
    words = [b"a", b"b c", b"d e", b'A\n"q', b"f'g\\n", b"", b"", b"h\\x41"]
    assert read([line + b"\r\n"]) == ([words], None)


def test_missing_tells_what_completes_the_argument() -> None:
    parser = Parser()
    assert parser.missing == 0
    parser.feed(b"*2\r\n$3\r\nGET\r\n$1000")
    assert parser.missing == 0
    parser.feed(b"\r\n")
    assert parser.missing == 1002
    parser.feed(b"x" * 1001)
    assert parser.missing == 1
    assert parser.feed(b"x") == [[b"GET", b"x" * 1000]]
    assert (parser.missing, parser.pending) == (0, 0)


def test_bulk_end_counts_as_missing() -> None:
    parser = Parser()
    parser.feed(b"*1\r\n$3\r\nGET")
    assert parser.missing == 2
    assert parser.feed(b"\r\n") == [[b"GET"]]
    assert (parser.missing, parser.pending) == (0, 0)


def test_an_announced_count_takes_no_memory() -> None:
    parser = Parser()
    parser.feed(b"*2147483647\r\n$4\r\nPING\r\n$536870912\r\nxyz")
    assert parser.capacity < 4096


def test_served_requests_leave_no_bytes_behind() -> None:
    parser = Parser()
    for _ in range(1000):
        assert len(parser.feed(SET * 16 + SET[:20])) == 16
        assert parser.pending < len(SET)
        assert parser.feed(SET[20:]) == [[b"SET", b"k", b"value"]]
        assert parser.pending == 0
    assert parser.capacity < 16384


def test_a_request_that_never_ends_its_pipeline_keeps_memory_bounded() -> None:
    parser = Parser()
    parser.feed(SET[:-1])
    for _ in range(2000):
        assert len(parser.feed(SET[-1:] + SET * 7 + SET[:-1])) == 8
    assert parser.capacity < 16384


def test_a_small_request_limit_changes_nothing() -> None:
    data = SET * 50 + b"PING a\r\n" + SET * 50 + SET[:10]
    for limit in (1, 2, 7, 100, 101, 102):
        parser = Parser()
        parser.request_limit = limit
        assert parser.feed(data) == read([data])[0]
        assert parser.pending == len(b"SE")  # both headers have been understood


def test_a_limit_of_no_request_is_refused() -> None:
    with pytest.raises(ValueError, match="one request"):
        Parser().request_limit = 0


def test_the_limits_change_between_two_requests_of_a_pipeline() -> None:
    big = b"*2\r\n$4\r\nECHO\r\n$20000\r\n" + b"x" * 20000 + b"\r\n"
    parser = Parser(authenticated=False)
    assert parser.feed(b"AUTH secret\r\n" + big + big) == [[b"AUTH", b"secret"]]
    parser.authenticated = True
    assert parser.feed(b"") == [[b"ECHO", b"x" * 20000]] * 2


def test_max_bulk_is_the_longest_argument() -> None:
    parser = Parser(max_bulk=10)
    assert parser.feed(b"*1\r\n$10\r\n0123456789\r\n") == [[b"0123456789"]]
    with pytest.raises(ProtocolError, match="invalid bulk length"):
        parser.feed(b"*1\r\n$11\r\n")


def test_a_big_argument_beyond_the_quick_path() -> None:
    value = b"v" * 1_234_567
    data = b"*2\r\n$4\r\nECHO\r\n$1234567\r\n" + value + b"\r\n" + PING
    assert read([data[i : i + 65536] for i in range(0, len(data), 65536)]) == ([[b"ECHO", value], [b"PING"]], None)


def test_many_arguments_and_their_memory_afterwards() -> None:
    parser = Parser()
    data = b"*200000\r\n" + b"$1\r\na\r\n" * 200000
    assert [len(argv) for argv in parser.feed(data)] == [200000]
    parser.feed(PING)
    assert parser.capacity < len(data) * 2
