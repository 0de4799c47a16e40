"""RDB files between redis-server and the codec: each reads what the other writes, and both see the same data."""

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mtredis.durability.rdb.reader import Reader
from mtredis.durability.rdb.writer import save
from mtredis.keyspace.database import Keyspace

from mtredis.keyspace.digest import data_digest
from mtredis.registry.command import load_families
from tests.support.dataset import FUTURE, KEYS, REQUESTS
from tests.support.keyspace_context import KeyspaceContext
from tests.support.oracle import require_oracle, start_oracle
from tests.support.resp import Connection

SAMPLES = Path(__file__).parents[1] / "unit/durability/rdb/samples"
# redis-server refuses these: a module that it does not have, a wrong checksum, a cluster's slots
REFUSED = {"module_aux.rdb", "invalid_chksum_v8.rdb"}
WITH_IDLE, WITH_FREQUENCY = 1, 2


@contextmanager
def redis_with(folder: Path, data: bytes | None = None, **parameters: Any) -> Iterator[Connection]:
    """A redis-server that has loaded the file, if there is one, and saves into that folder."""
    if data is not None:
        (folder / "file.rdb").write_bytes(data)
    options = {"dir": str(folder), "dbfilename": "file.rdb"} | {k.replace("_", "-"): v for k, v in parameters.items()}
    with start_oracle(options) as server, server.connect() as connection:
        yield connection


def read(data: bytes, **options: Any) -> tuple[Reader, Keyspace]:
    """The file, as we see it now."""
    keyspace = Keyspace(16)
    keyspace.now = int(time.time() * 1000)
    keyspace.lfu = options.pop("lfu", False)
    reader = Reader(keyspace, total=len(data), expired_before=keyspace.now, **options)
    reader.feed(data)
    reader.finish()
    return reader, keyspace


def digest_of(connection: Connection) -> str:
    return str(connection.command("DEBUG", "DIGEST").data.decode())


def same_encodings(connection: Connection, keyspace: Keyspace, keys: tuple[str, ...] = KEYS) -> None:
    for key in keys:
        assert connection.command("OBJECT", "ENCODING", key).data == keyspace[0].encoding(key.encode()), key


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.rdb") if path.name not in REFUSED))
def test_samples_of_many_versions(tmp_path: Path, name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    _, keyspace = read(data)
    with redis_with(tmp_path, data) as redis:
        assert digest_of(redis) == data_digest(keyspace).hex()
        for key in sorted(keyspace[0].keys()):
            assert redis.command("OBJECT", "ENCODING", key).data == keyspace[0].encoding(key)
    with redis_with(tmp_path, save(keyspace)) as redis:
        assert digest_of(redis) == data_digest(keyspace).hex()


@pytest.mark.parametrize("compression", ["yes", "no"])
def test_what_redis_writes_is_read(tmp_path: Path, compression: str) -> None:
    with redis_with(tmp_path, rdbcompression=compression) as redis:
        for request in REQUESTS:
            redis.command(*request)
        redis.command("PEXPIREAT", "list", FUTURE)
        redis.command("SELECT", 7)
        redis.command("SET", "elsewhere", "here", "PX", 10**9)
        redis.command("FUNCTION", "LOAD", "#!lua name=x\nredis.register_function('f', function() return 1 end)")
        redis.command("SELECT", 0)
        redis.command("SAVE")
        reader, keyspace = read((tmp_path / "file.rdb").read_bytes())
        assert digest_of(redis) == data_digest(keyspace).hex()
        same_encodings(redis, keyspace, tuple(key for key in KEYS if key not in {"raw", "hyperloglog"}))
        assert keyspace[0].expire_at(b"list") == FUTURE
        assert reader.aux[b"redis-ver"].startswith(b"8.0.") and reader.has_checksum
        assert reader.functions == [b"#!lua name=x\nredis.register_function('f', function() return 1 end)"]
        assert [index for index in range(16) if len(keyspace[index])] == [0, 7]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("with_checksum", [True, False])
def test_what_we_write_is_read_by_redis(tmp_path: Path, compress: bool, with_checksum: bool) -> None:
    load_families()
    ctx = KeyspaceContext()
    ctx.server.config.hll_sparse_max_bytes = 3000
    for request in REQUESTS:
        ctx.run(*request)
    ctx.db.set_expire(b"list", FUTURE)
    ctx.select(3)
    ctx.run("SET", "elsewhere", "here")
    aux = {b"redis-ver": b"8.0.6", b"redis-bits": b"64"}
    data = save(ctx.keyspace, aux=aux, compress=compress, with_checksum=with_checksum)
    with redis_with(tmp_path, data) as redis:
        assert digest_of(redis) == data_digest(ctx.keyspace).hex()
        same_encodings(redis, ctx.keyspace, tuple(key for key in KEYS if key not in {"raw", "hyperloglog"}))
        assert redis.command("PEXPIRETIME", "list").data == FUTURE
        groups = redis.command("XINFO", "GROUPS", "stream").data
        assert len(groups) == 1
    # redis-server is redis-check-rdb, too, if it is called so
    command = ["redis-check-rdb", str(tmp_path / "file.rdb")]
    result = subprocess.run(
        command, executable=require_oracle(), capture_output=True, text=True, check=False, timeout=60
    )
    assert "RDB looks OK" in result.stdout, result.stdout


@pytest.mark.parametrize(("policy", "more"), [("allkeys-lru", WITH_IDLE), ("allkeys-lfu", WITH_FREQUENCY)])
def test_usage_in_both_directions(tmp_path: Path, policy: str, more: int) -> None:
    question = "FREQ" if more == WITH_FREQUENCY else "IDLETIME"
    with redis_with(tmp_path, maxmemory_policy=policy) as redis:
        redis.command("SET", "k", "v")
        body = redis.command("DUMP", "k").data
        redis.command("RESTORE", "used", 0, body, question, 200)
        redis.command("SAVE")
        _, keyspace = read((tmp_path / "file.rdb").read_bytes(), lfu=more == WITH_FREQUENCY)
    db = keyspace[0]
    held = db.frequency(b"used") if more == WITH_FREQUENCY else db.idle_seconds(b"used")
    assert abs(held - 200) <= 2
    with redis_with(tmp_path, save(keyspace, more=more), maxmemory_policy=policy) as redis:
        assert abs(redis.command("OBJECT", question, "used").data - held) <= 3


def test_random_data_in_both_directions(tmp_path: Path) -> None:
    """Many keys of all sizes with times to live and fields' times, compressed and not."""
    generator = random.Random(11)

    def word() -> bytes:
        number, noise = b"%d" % generator.randrange(-9999, 10**6), generator.randbytes(generator.randrange(30))
        return generator.choice([number, noise, b"ab" * generator.randrange(60)])

    with redis_with(tmp_path) as redis:
        for number in range(1500):
            key = b"k%d" % number
            count = generator.choice([1, 2, 5, 20, 200])
            match number % 6:
                case 0:
                    redis.command("SET", key, word() * count)
                case 1:
                    redis.command("RPUSH", key, *[word() for _ in range(count)])
                case 2:
                    redis.command("SADD", key, *[word() for _ in range(count)])
                case 3:
                    redis.command("ZADD", key, *[x for _ in range(count) for x in (generator.uniform(-9, 9), word())])
                case 4:
                    names = [word() for _ in range(count)]
                    redis.command("HSET", key, *[x for name in names for x in (name, word())])
                    if count > 1:
                        redis.command("HPEXPIREAT", key, FUTURE + number, "FIELDS", 1, names[0])
                case 5:
                    for entry in range(count):
                        redis.command("XADD", key, f"{entry + 1}-1", word(), word())
            if number % 5 == 0:
                redis.command("PEXPIREAT", key, FUTURE - number)
        redis.command("SAVE")
        _, keyspace = read((tmp_path / "file.rdb").read_bytes())
        digest = digest_of(redis)
        assert digest == data_digest(keyspace).hex()
        for key in sorted(keyspace[0].keys()):
            assert redis.command("OBJECT", "ENCODING", key).data == keyspace[0].encoding(key), key
            assert redis.command("PEXPIRETIME", key).data == keyspace[0].expire_at(key)
    with redis_with(tmp_path, save(keyspace)) as redis:
        assert digest_of(redis) == digest
