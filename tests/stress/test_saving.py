"""Snapshots one after another while clients write and read at full speed: each is one moment, whole.

Idea: writers keep rules that hold between any two of their requests: pairs of counters that only transactions change,
and a row of keys that is written from the first to the last with the same number. What a snapshot holds must obey
the rules, too, whichever segment was read when.
"""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mtredis.durability.rdb.reader import Reader
from mtredis.keyspace.database import Keyspace

from mtredis.durability import check_rdb
from tests.support.dataset import KEYS, REQUESTS, change_of
from tests.support.resp import Connection
from tests.support.servers import Server

PAIRS, ROW, SNAPSHOTS = 500, 300, 8
SECONDS = 60


def write_pairs(connection: Connection, name: str, is_over: threading.Event) -> None:
    """Both counters of a pair are equal, except inside the transaction."""
    source = random.Random(name)
    while not is_over.is_set():
        requests: list[tuple[object, ...]] = []
        for _ in range(50):
            number = source.randrange(PAIRS)
            requests += [("MULTI",), ("INCR", f"{name}:a:{number}"), ("INCR", f"{name}:b:{number}"), ("EXEC",)]
        assert all(not reply.is_error for reply in connection.pipeline(requests))   # type: ignore[arg-type]


def write_row(connection: Connection, name: str, is_over: threading.Event) -> None:
    """Number after number goes along the row: it falls by one at most, once."""
    number = 0
    while not is_over.is_set():
        number += 1
        connection.pipeline([("SET", f"{name}:row:{place}", number) for place in range(ROW)])


def write_anything(connection: Connection, name: str, is_over: threading.Event) -> None:
    """Changes, deletes, renames and expires keys of every type, and has the tables grow and shrink."""
    source = random.Random(name)
    while not is_over.is_set():
        key = source.choice(KEYS)
        others = [("SET", f"other:{source.randrange(50_000)}", "x" * source.randrange(100)) for _ in range(100)]
        gone = [("DEL", f"other:{source.randrange(50_000)}") for _ in range(100)]
        connection.pipeline([
            change_of(key), ("RENAME", key, f"{key}:2"), ("RENAME", f"{key}:2", key), *others, *gone,
            ("SET", f"short:{source.randrange(1000)}", 1, "PX", source.randrange(1, 50)),
            ("COPY", key, f"{key}:copy", "REPLACE"), ("UNLINK", f"{key}:copy"),
        ])  # fmt: skip


def read_anything(connection: Connection, name: str, is_over: threading.Event) -> None:
    source = random.Random(name)
    while not is_over.is_set():
        connection.pipeline([("GET", f"other:{source.randrange(50_000)}") for _ in range(100)])


def check(path: Path) -> None:
    """The file is whole, and what is in it obeys the rules."""
    assert check_rdb.main([str(path)]) == 0
    keyspace = Keyspace(16)
    data = path.read_bytes()
    reader = Reader(keyspace, total=len(data))
    reader.feed(data)
    reader.finish()
    for number in range(PAIRS):
        pair = [keyspace[0].peek_string(f"pairs:{side}:{number}".encode()) for side in "ab"]
        assert pair[0] == pair[1], number
    row = [int(keyspace[0].peek_string(f"row:row:{place}".encode()) or 0) for place in range(ROW)]
    assert row == sorted(row, reverse=True) and row[0] - row[-1] <= 1


@pytest.mark.stress
@pytest.mark.mtredis_only
@pytest.mark.parametrize("mode", ["threads", "executor"])
def test_every_snapshot_is_one_moment(
    serve: Callable[..., Server], mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(io_threads_mode=mode, io_threads=2)
    is_over = threading.Event()
    failures: list[BaseException] = []

    def run(work: Callable[[Connection, str, threading.Event], None], name: str) -> None:
        try:
            with server.connect(timeout=SECONDS) as connection:
                work(connection, name, is_over)
        except BaseException as failure:   # told by the test's own thread
            failures.append(failure)

    with server.connect(timeout=SECONDS) as admin:
        admin.pipeline(REQUESTS)
        admin.pipeline([("SET", f"row:row:{place}", 0) for place in range(ROW)])
        workers = [(write_pairs, "pairs"), (write_row, "row"), (write_anything, "any"), (read_anything, "read")]
        threads = [threading.Thread(target=run, args=pair) for pair in workers]
        for thread in threads:
            thread.start()
        try:
            for _ in range(SNAPSHOTS):
                assert admin.command("BGSAVE").data == b"Background saving started"
                deadline = time.monotonic() + SECONDS
                while b"rdb_bgsave_in_progress:1" in admin.command("INFO", "persistence").data:
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
                assert b"rdb_last_bgsave_status:ok" in admin.command("INFO", "persistence").data
                check(server.folder / "dump.rdb")
        finally:
            is_over.set()
            for thread in threads:
                thread.join(SECONDS)
    assert failures == []
    assert not list(server.folder.glob("temp-*"))
