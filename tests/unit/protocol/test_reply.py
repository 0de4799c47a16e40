"""The bytes of every kind of reply in RESP2 and RESP3."""

from collections.abc import Callable

import pytest
from mtredis.protocol.reply import Encoder, Reply

Write = Callable[[Encoder], None]

REPLIES: list[tuple[str, Write, bytes, bytes]] = [
    ("ok", lambda r: r.ok(), b"+OK\r\n", b"+OK\r\n"),
    ("simple", lambda r: r.simple(b"PONG"), b"+PONG\r\n", b"+PONG\r\n"),
    ("status", lambda r: r.status(b"QUEUED"), b"+QUEUED\r\n", b"+QUEUED\r\n"),
    ("lines", lambda r: r.simple(b"a\r\nb"), b"+a  b\r\n", b"+a  b\r\n"),
    ("error", lambda r: r.error("ERR no such key"), b"-ERR no such key\r\n", b"-ERR no such key\r\n"),
    ("error bytes", lambda r: r.error(b"ERR \xff\r\n!"), b"-ERR \xff  !\r\n", b"-ERR \xff  !\r\n"),
    ("error surrogate", lambda r: r.error("ERR \udcff\xe9"), b"-ERR \xff\xc3\xa9\r\n", b"-ERR \xff\xc3\xa9\r\n"),
    ("integer", lambda r: r.integer(42), b":42\r\n", b":42\r\n"),
    ("negative", lambda r: r.integer(-7), b":-7\r\n", b":-7\r\n"),
    ("lowest", lambda r: r.integer(-(2**63)), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n"),
    ("highest", lambda r: r.integer(2**63 - 1), b":9223372036854775807\r\n", b":9223372036854775807\r\n"),
    ("bulk", lambda r: r.bulk(b"a\r\nb"), b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
    ("empty bulk", lambda r: r.bulk(b""), b"$0\r\n\r\n", b"$0\r\n\r\n"),
    ("bulk or null", lambda r: r.bulk_or_null(b"x"), b"$1\r\nx\r\n", b"$1\r\nx\r\n"),
    ("no bulk", lambda r: r.bulk_or_null(None), b"$-1\r\n", b"_\r\n"),
    ("null", lambda r: r.null(), b"$-1\r\n", b"_\r\n"),
    ("null array", lambda r: r.null_array(), b"*-1\r\n", b"_\r\n"),
    ("array", lambda r: r.array(10), b"*10\r\n", b"*10\r\n"),
    ("map", lambda r: r.map(3), b"*6\r\n", b"%3\r\n"),
    ("set", lambda r: r.set(0), b"*0\r\n", b"~0\r\n"),
    ("push", lambda r: r.push(3), b"*3\r\n", b">3\r\n"),
    ("true", lambda r: r.boolean(True), b":1\r\n", b"#t\r\n"),
    ("false", lambda r: r.boolean(False), b":0\r\n", b"#f\r\n"),
    ("double", lambda r: r.double(3.25), b"$4\r\n3.25\r\n", b",3.25\r\n"),
    ("whole double", lambda r: r.double(-10.0), b"$3\r\n-10\r\n", b",-10\r\n"),
    ("infinity", lambda r: r.double(float("-inf")), b"$4\r\n-inf\r\n", b",-inf\r\n"),
    ("nan", lambda r: r.double(float("nan")), b"$3\r\nnan\r\n", b",nan\r\n"),
    ("big number", lambda r: r.big_number(b"1" * 30), b"$30\r\n" + b"1" * 30 + b"\r\n", b"(" + b"1" * 30 + b"\r\n"),
    ("verbatim", lambda r: r.verbatim(b"hello"), b"$5\r\nhello\r\n", b"=9\r\ntxt:hello\r\n"),
    ("markdown", lambda r: r.verbatim(b"", b"mk"), b"$0\r\n\r\n", b"=4\r\nmk :\r\n"),
    (
        "bulks",
        lambda r: r.bulks([b"a", None, b"bc"]),
        b"*3\r\n$1\r\na\r\n$-1\r\n$2\r\nbc\r\n",
        b"*3\r\n$1\r\na\r\n_\r\n$2\r\nbc\r\n",
    ),
    ("bulk set", lambda r: r.bulk_set([b"a", b""]), b"*2\r\n$1\r\na\r\n$0\r\n\r\n", b"~2\r\n$1\r\na\r\n$0\r\n\r\n"),
    ("more bulks", lambda r: r.more_bulks([b"a", None]), b"$1\r\na\r\n$-1\r\n", b"$1\r\na\r\n_\r\n"),
    ("scan", lambda r: r.scan(7, [b"a"]), b"*2\r\n$1\r\n7\r\n*1\r\n$1\r\na\r\n",
     b"*2\r\n$1\r\n7\r\n*1\r\n$1\r\na\r\n"),
    ("integers", lambda r: r.integers([1, -2, 300]), b"*3\r\n:1\r\n:-2\r\n:300\r\n", b"*3\r\n:1\r\n:-2\r\n:300\r\n"),
    ("raw", lambda r: r.raw(b"+x\r\n:1\r\n"), b"+x\r\n:1\r\n", b"+x\r\n:1\r\n"),
]


@pytest.mark.parametrize(("write", "resp2", "resp3"), [case[1:] for case in REPLIES], ids=[case[0] for case in REPLIES])
def test_replies(write: Write, resp2: bytes, resp3: bytes) -> None:
    for resp, expected in ((2, resp2), (3, resp3)):
        encoder = Encoder(resp)
        write(encoder)
        assert encoder.take() == expected
        assert encoder.take() == b""


def test_errors_are_counted() -> None:
    reply = Encoder()
    reply.array(2)
    reply.error("ERR a")
    reply.error("ERR b")
    reply.ok()
    assert reply.errors == 2


def test_attributes_exist_in_resp3_only() -> None:
    reply = Encoder(3)
    reply.attribute(1)
    assert reply.take() == b"|1\r\n"
    with pytest.raises(ValueError, match="RESP2"):
        Encoder(2).attribute(1)


def test_replies_follow_each_other_and_grow_the_buffer() -> None:
    reply = Encoder()
    values = [b"%d" % number * 10 for number in range(2000)]
    for value in values:
        reply.bulk(value)
    assert reply.take() == b"".join(b"$%d\r\n%b\r\n" % (len(value), value) for value in values)


def test_wrong_types_are_refused() -> None:
    reply = Encoder()
    for write in (reply.bulk, reply.simple, reply.raw):
        with pytest.raises(TypeError):
            write("text")
    with pytest.raises(TypeError):
        reply.bulk(None)
    with pytest.raises(OverflowError):
        reply.integer(2**63)
    assert reply.take() == b""


def test_nothing_can_be_written_without_a_client() -> None:
    with pytest.raises(RuntimeError, match="no client"):
        Reply().ok()
