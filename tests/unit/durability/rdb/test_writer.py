"""Writing RDB data: what is written is read back as it was, and is what the format says to the byte."""

import threading
from typing import Any

import pytest
from mtredis.durability.rdb.reader import Reader
from mtredis.durability.rdb.writer import Writer, dump, save
from mtredis.lib.crc64 import checksum

from mtredis.keyspace.digest import data_digest
from mtredis.registry.command import load_families
from tests.support import rdb
from tests.support.dataset import KEYS, REQUESTS
from tests.support.keyspace_context import NOW, KeyspaceContext

WITH_IDLE, WITH_FREQUENCY = 1, 2


@pytest.fixture(scope="module")
def full() -> KeyspaceContext:
    """Keys of every encoding, in two databases, some with a time to live."""
    load_families()
    ctx = KeyspaceContext()
    ctx.server.config.hll_sparse_max_bytes = 3000
    for request in REQUESTS:
        ctx.run(*request)
    for key in KEYS[::2]:
        ctx.db.set_expire(key.encode(), NOW + 10**9 + len(key))
    ctx.select(2)
    ctx.run("SET", "elsewhere", "here")
    ctx.select(0)
    return ctx


def loaded(data: bytes, **options: Any) -> tuple[Reader, KeyspaceContext]:
    ctx = KeyspaceContext()
    ctx.keyspace.lfu = options.pop("lfu", False)
    reader = Reader(ctx.keyspace, total=len(data), **options)
    reader.feed(data)
    reader.finish()
    return reader, ctx


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_written_is_read_back(full: KeyspaceContext, compress: bool) -> None:
    data = save(full.keyspace, aux={b"redis-ver": b"8.0.6", b"used-mem": b"1"}, compress=compress)
    reader, ctx = loaded(data)
    assert data_digest(ctx.keyspace) == data_digest(full.keyspace)
    assert reader.aux == {b"redis-ver": b"8.0.6", b"used-mem": b"1"} and reader.has_checksum
    for key in map(str.encode, KEYS):
        assert ctx.db.expire_at(key) == full.db.expire_at(key)
        assert ctx.db.encoding(key) == full.db.encoding(key) or key == b"hyperloglog"
        if full.db.peek_type(key) != b"string":
            assert ctx.db.memory_usage(key) == pytest.approx(full.db.memory_usage(key), rel=0.5)
    assert ctx.keyspace[2].string(b"elsewhere") == b"here"
    assert len(save(full.keyspace, compress=False)) > len(save(full.keyspace)) * 1.2


def test_usage_is_kept(full: KeyspaceContext) -> None:
    full.later(77_000)
    _, ctx = loaded(save(full.keyspace, more=WITH_IDLE))
    assert ctx.db.idle_seconds(b"list") == full.db.idle_seconds(b"list") >= 77
    frequent = KeyspaceContext()
    frequent.keyspace.lfu = True
    frequent.run("SET", "k", "v")
    for _ in range(2000):
        frequent.run("GET", "k")
    _, ctx = loaded(save(frequent.keyspace, more=WITH_FREQUENCY), lfu=True)
    assert ctx.db.frequency(b"k") == frequent.db.frequency(b"k") > 5


def test_the_bytes_of_a_file() -> None:
    ctx = KeyspaceContext()
    ctx.run("SET", "k", "hello", "PX", 1000)
    data = save(ctx.keyspace, aux={b"n": b"12"})
    time = (NOW + 1000).to_bytes(8, "little")
    body = b"REDIS0012\xfa\x01n\xc0\x0c\xfe\x00\xfb\x01\x01\xfc" + time + b"\0\x01k\x05hello\xff"
    assert data == body + checksum(body).to_bytes(8, "little")
    assert save(ctx.keyspace, with_checksum=False)[-8:] == bytes(8)


@pytest.mark.parametrize("number", [0, 63, 64, 16383, 16384, 2**20])
def test_lengths(number: int) -> None:
    ctx = KeyspaceContext()
    ctx.limit_strings(1 << 21)
    text = bytes(65 + (i * i + i // 7) % 57 for i in range(number))
    ctx.db.set_string(b"k", text)
    assert dump(ctx.db, b"k", compress=False) == rdb.payload(b"\0" + rdb.string(text))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (b"0", b"\xc0\0"),
        (b"-128", b"\xc0\x80"),
        (b"127", b"\xc0\x7f"),
        (b"128", b"\xc1\x80\0"),
        (b"-32768", b"\xc1\0\x80"),
        (b"32768", b"\xc2\0\x80\0\0"),
        (b"2147483647", b"\xc2\xff\xff\xff\x7f"),
        (b"-2147483648", b"\xc2\0\0\0\x80"),
        (b"2147483648", b"\x0a2147483648"),
        (b"007", b"\x03007"),
        (b"-0", b"\x02-0"),
        (b"+1", b"\x02+1"),
        (b"a" * 20, b"\x14" + b"a" * 20),
        (b"a" * 21, b"\xc3\x06\x15\x01aa\xe0\x0a\0"),
        (b"abcdefghijklmnopqrstu", b"\x15abcdefghijklmnopqrstu"),
    ],
)
def test_strings(text: bytes, form: bytes) -> None:
    ctx = KeyspaceContext()
    ctx.db.set_string(b"k", text)
    assert dump(ctx.db, b"k") == rdb.payload(b"\0" + form)


def test_pieces_make_the_whole(full: KeyspaceContext) -> None:
    """What is taken in between counts for the checksum."""
    writer, pieces = Writer(), []
    writer.header()
    for index in range(4):
        pieces.append(writer.take())
        writer.database(full.keyspace[index])
    writer.function(b"#!lua name=x\n")
    pieces.append(writer.take())
    writer.end()
    reader, ctx = loaded(b"".join([*pieces, writer.take()]))
    assert data_digest(ctx.keyspace) == data_digest(full.keyspace)
    assert reader.functions == [b"#!lua name=x\n"]
    assert writer.take() == b""


def test_another_thread_may_write(full: KeyspaceContext) -> None:
    results: list[bytes] = []
    thread = threading.Thread(target=lambda: results.append(save(full.keyspace)))
    thread.start()
    thread.join()
    _, ctx = loaded(results[0])
    assert data_digest(ctx.keyspace) == data_digest(full.keyspace)
