"""RDB data of any kind with damages of any kind: an RdbError or a sound value, never a crash, never a lie.

Idea: values of all encodings, of today and of old, are written without compression and with it, spoiled at random, and
read. What is refused has an offset within the data and has left no memory behind that anybody could find. What is
taken is walked, changed with the commands of its type and written again, in a process that runs under AddressSanitizer
in CI (`make asan`), so whatever a type relies on and does not hold shows. MTREDIS_FUZZ_SEED makes other damages.
"""

import ctypes
import os
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from mtredis.durability.rdb.reader import Payload, Reader, is_sound
from mtredis.durability.rdb.writer import dump, save
from mtredis.keyspace.database import Keyspace

from mtredis.durability.rdb import RdbError
from mtredis.errors import CommandError
from mtredis.keyspace.digest import data_digest, value_digest
from mtredis.registry.command import load_families
from tests.support import rdb
from tests.support.dataset import KEYS, REQUESTS
from tests.support.keyspace_context import NOW, KeyspaceContext

SEED = int(os.environ.get("MTREDIS_FUZZ_SEED", "0"))
ROUNDS = 250  # of each seed, which makes some thousands
FILES = 60
CHANGES: dict[bytes, list[tuple[bytes | int, ...]]] = {
    b"string": [(b"APPEND", b"k", b"tail"), (b"SETRANGE", b"k", 3, b"patch")],
    b"list": [
        (b"RPUSH", b"k", b"new"),
        (b"LPOP", b"k"),
        (b"RPOP", b"k"),
        (b"LINSERT", b"k", b"BEFORE", b"a", b"x"),
        (b"LSET", b"k", 0, b"new"),
        (b"LREM", b"k", 0, b"a"),
        (b"LTRIM", b"k", 1, -2),
    ],
    b"set": [(b"SADD", b"k", b"new", 5), (b"SREM", b"k", b"a"), (b"SPOP", b"k"), (b"SADD", b"k", *range(600, 620))],
    b"zset": [(b"ZADD", b"k", 1, b"new", 3, b"a"), (b"ZREM", b"k", b"b"), (b"ZPOPMIN", b"k"), (b"ZRANK", b"k", b"new")],
    b"hash": [
        (b"HSET", b"k", b"f", b"changed", b"new", b"x" * 100),
        (b"HPEXPIREAT", b"k", NOW + 10**6, b"FIELDS", 2, b"f", b"g"),
        (b"HDEL", b"k", b"g"),
    ],
    b"stream": [
        (b"XADD", b"k", b"*", b"f", b"v"),
        (b"XDEL", b"k", b"1-1", b"2-0"),
        (b"XRANGE", b"k", b"-", b"+"),
        (b"XREVRANGE", b"k", b"+", b"-", b"COUNT", 5),
        (b"XREADGROUP", b"GROUP", b"group", b"consumer", b"STREAMS", b"k", b">"),
        (b"XPENDING", b"k", b"group"),
        (b"XTRIM", b"k", b"MAXLEN", 2),
    ],
}


@pytest.fixture(scope="module")
def full() -> KeyspaceContext:
    load_families()
    return context(REQUESTS)


def context(requests: list[tuple[bytes | int | str, ...]] | None = None) -> KeyspaceContext:
    ctx = KeyspaceContext(2)
    ctx.server.config.hll_sparse_max_bytes = 3000
    for request in requests or []:
        ctx.run(*request)
    return ctx


def ancient() -> Iterator[bytes]:
    """Bodies of payloads that only old versions wrote."""
    pairs = rdb.ziplist(b"f", b"v", b"g", 12, b"h", 70_000, b"a", -3, b"long", b"x" * 300, b"b", 1 << 40)
    scores = rdb.ziplist(b"a", -3, b"b", b"2.5", b"c", 70_000, b"d", b"inf")
    yield b"\x0a" + rdb.string(pairs)
    yield b"\x0e\2" + rdb.string(pairs) + rdb.string(scores)
    yield b"\x0c" + rdb.string(scores)
    yield b"\x0d" + rdb.string(pairs)
    yield b"\x09" + rdb.string(rdb.zipmap([(b"f", b"v"), (b"g", b"x" * 300), (b"h", b"")], 3))
    yield b"\1" + rdb.strings(b"a", b"1", b"x" * 300)
    yield b"\2" + rdb.strings(b"a", b"1", b"x" * 300)
    yield b"\3\3\1a\0031.5\1b\xfe\1c\xff"
    yield b"\4\2\1f\1v\1g\xc1\0\1"
    yield b"\x16\2\0\1f\1v\x81" + (NOW + 5).to_bytes(8) + b"\1g\1w"


def seeds(full: KeyspaceContext) -> list[bytes]:
    bodies = [rdb.body(dump(full.db, key.encode(), compress)) for key in KEYS for compress in (False, True)]
    return [*bodies, *ancient()]


@pytest.mark.parametrize("seed", range(4))
def test_values(full: KeyspaceContext, seed: int) -> None:
    generator = random.Random(SEED + seed)
    taken = refused = 0
    for whole in seeds(full):
        # big ones take time, and their insides are all alike
        for _ in range(ROUNDS // 4 if len(whole) < 3000 else 8):
            data = rdb.payload(rdb.damaged(whole, generator))
            if survives(data, generator):
                taken += 1
            else:
                refused += 1
    assert taken > 100 and refused > 1000


def survives(data: bytes, generator: random.Random) -> bool:
    """Whether the payload is taken; then the value bears all that can be done with one."""
    assert is_sound(data)
    ctx = context()
    offset = 0
    try:
        Payload(ctx.keyspace, data).put(ctx.db, b"k")
    except RdbError as error:
        offset = error.offset
    assert 0 <= offset <= len(data)
    if not ctx.db.exists(b"k"):
        return False
    check(ctx)
    for change in generator.sample(CHANGES[ctx.db.peek_type(b"k")], 2):
        try:
            ctx.run(*change)
        except CommandError:
            continue
        if ctx.db.exists(b"k"):
            check(ctx)
    return True


def check(ctx: KeyspaceContext) -> None:
    """The value can be walked and copied, and what is written of it is read as the same."""
    digest = value_digest(ctx.db, b"k")
    again = context()
    Payload(again.keyspace, dump(ctx.db, b"k")).put(again.db, b"k")
    assert value_digest(again.db, b"k") == digest
    assert ctx.db.copy(b"k", ctx.keyspace[1], b"k") and value_digest(ctx.keyspace[1], b"k") == digest


@pytest.mark.parametrize("seed", range(3))
def test_files(full: KeyspaceContext, seed: int) -> None:
    """What stands before the damage stays loaded; the pieces in which a file comes make no difference."""
    generator = random.Random(SEED + seed)
    whole = small_file(full)
    for _ in range(FILES * 10):
        data = rdb.damaged(whole, generator)
        outcomes = {loaded(data, piece, total) for piece in (0, generator.randrange(1, 200)) for total in (True, False)}
        # where the end is known, what goes beyond it is refused at once, else when it does not come
        assert len({keys for keys, _ in outcomes}) == 1 and len({is_good for _, is_good in outcomes}) == 1


def small_file(full: KeyspaceContext) -> bytes:
    """A file of what is small in the dataset, and of old values."""
    ctx = context([request for request in REQUESTS if len(request) < 40 and ":" not in str(request[1])])
    records = [bytes([body[0]]) + rdb.string(b"old%d" % number) + body[1:] for number, body in enumerate(ancient())]
    function = b"\xf5" + rdb.string(b"#!lua name=x\n")
    module = b"\xf7\5\2\1\5\3abc\0"
    data = save(ctx.keyspace, aux={b"redis-ver": b"8.0.6"}, compress=False)
    return data[:-9] + b"".join([function, module, *records]) + b"\xff" + bytes(8)


def loaded(data: bytes, piece: int, is_total_known: bool) -> tuple[bytes, bool]:
    """A digest of what is loaded, and whether the file was read to its end."""
    ctx = context()
    reader = Reader(ctx.keyspace, total=len(data) if is_total_known else None, check_sum=False)
    offset = 0
    try:
        for at in range(0, len(data), piece or len(data)):
            reader.feed(data[at : at + (piece or len(data))])
            while reader.run(500):
                pass
        reader.finish()
    except RdbError as error:
        offset = error.offset
    assert 0 <= offset <= len(data)
    if reader.is_done:
        again = context()
        second = Reader(again.keyspace)
        second.feed(save(ctx.keyspace))
        second.finish()
        assert data_digest(again.keyspace) == data_digest(ctx.keyspace)
    return data_digest(ctx.keyspace), reader.is_done


@pytest.mark.skipif(bool(os.environ.get("MTREDIS_ASAN")), reason="the sanitizer has an allocator of its own")
def test_what_is_refused_leaves_no_memory_behind(full: KeyspaceContext) -> None:
    """What malloc has given out is the same after each of some thousand refusals has happened thirty times."""
    generator = random.Random(SEED + 3)
    keyspace = context().keyspace
    mutants = [rdb.payload(rdb.damaged(whole, generator)) for whole in seeds(full) for _ in range(60)]
    for _ in range(30):  # malloc's caches of freed chunks, which count as given out, fill up
        attempt_all(keyspace, mutants)
    before = malloc_in_use()
    for _ in range(30):
        attempt_all(keyspace, mutants)
    grown = malloc_in_use() - before
    assert grown < 20_000, f"{grown} bytes are lost"


def malloc_in_use() -> int:
    """Bytes that malloc has given out; Python's objects have another allocator."""
    call = ctypes.CDLL(None).mallinfo2
    call.restype = MallocInfo
    info = call()
    return int(info.uordblks + info.hblkhd)


class MallocInfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    )


def attempt_all(keyspace: Keyspace, mutants: list[bytes]) -> None:
    for data in mutants:
        with suppress(RdbError):
            Payload(keyspace, data)
    keyspace.reclaim()


def test_noise() -> None:
    generator = random.Random(SEED + 9)
    for _ in range(5000):
        noise = bytes([generator.randrange(27)]) + generator.randbytes(generator.randrange(40))
        survives(rdb.payload(noise), generator)
