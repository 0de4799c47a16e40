"""The append only file under load: rewrites while clients write as fast as they can, on, off, killed, and loaded again.

Idea: several clients write pipelines of commands of all kinds. Meanwhile the log is rewritten again and again. What the
server holds in the end, and what it holds when it has loaded its files (and what redis-server holds when it has loaded
them), must be the same.
"""

import random
import threading
from pathlib import Path

import pytest

from tests.support.durable import DurableServer
from tests.support.oracle import require_oracle

CLIENTS = 4
ROUNDS = 150
PIPELINE = 32
REWRITES = 6


def request(source: random.Random) -> tuple[object, ...]:
    """Any write; most of them cannot be repeated or left out without a trace."""
    key = source.randrange(500)
    return source.choice((
        ("INCR", f"n{key}"), ("APPEND", f"s{key % 50}", "x"), ("RPUSH", f"l{key % 20}", key), ("LPOP", f"l{key % 20}"),
        ("SPOP", f"e{key % 10}"), ("SADD", f"e{key % 10}", key, key + 1), ("HINCRBY", f"h{key % 30}", f"f{key}", 1),
        ("ZINCRBY", f"z{key % 30}", 1.5, f"m{key}"), ("XADD", f"x{key % 5}", "*", "f", key), ("DEL", f"n{key}"),
        ("SETEX", f"t{key}", 1000, key), ("RENAME", f"n{key}", f"n{key + 1}"), ("SET", f"n{key}", key, "PX", 100_000),
        ("LMOVE", f"l{key % 20}", f"l{(key + 1) % 20}", "LEFT", "RIGHT"), ("PERSIST", f"t{key}"),
    ))  # fmt: skip


def storm(server: DurableServer, seed: int, errors: list[BaseException]) -> None:
    source = random.Random(seed)
    try:
        with server.connect(timeout=60) as connection:
            for round_ in range(ROUNDS):
                requests = [request(source) for _ in range(PIPELINE)]
                if round_ % 3 == 0:
                    requests = [("MULTI",), *requests, ("EXEC",)]
                if round_ % 10 == 0:
                    requests.insert(0, ("SELECT", source.randrange(3)))
                connection.pipeline(requests)
    except BaseException as error:
        errors.append(error)


def digest(server: DurableServer) -> bytes:
    return bytes(server.command("DEBUG", "DIGEST").data)


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("mode", ["executor", "threads"])
def test_rewrites_under_load(mode: str, preamble: str, tmp_path: Path) -> None:
    require_oracle()
    server = DurableServer(
        "subject", tmp_path, appendonly="yes", aof_use_rdb_preamble=preamble, io_threads_mode=mode, io_threads=2,
        auto_aof_rewrite_percentage=0,
    ).start()  # fmt: skip
    errors: list[BaseException] = []
    threads = [threading.Thread(target=storm, args=(server, seed, errors)) for seed in range(CLIENTS)]
    try:
        for thread in threads:
            thread.start()
        for number in range(REWRITES):
            server.command("BGREWRITEAOF")
            server.wait_info(aof_rewrite_in_progress="0", aof_rewrites=str(number + 1))
        for thread in threads:
            thread.join()
        assert errors == []
        wanted = digest(server)
        assert server.info()["aof_last_bgrewrite_status"] == "ok"
        server.kill()
        server.start()
        assert digest(server) == wanted
        server.stop()
        with DurableServer("oracle", tmp_path, appendonly="yes") as reader:
            reader.start()
            assert digest(reader) == wanted
    finally:
        server.close()


def test_on_and_off_under_load(tmp_path: Path) -> None:
    server = DurableServer("subject", tmp_path, io_threads=2).start()
    errors: list[BaseException] = []
    threads = [threading.Thread(target=storm, args=(server, seed, errors)) for seed in range(CLIENTS)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(3):
            server.command("CONFIG", "SET", "appendonly", "yes")
            server.wait_info(aof_enabled="1", aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
            server.command("CONFIG", "SET", "appendonly", "no")
        server.command("CONFIG", "SET", "appendonly", "yes")
        for thread in threads:
            thread.join()
        server.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
        assert errors == []
        wanted = digest(server)
        server.kill()
        server.change(appendonly="yes")
        server.start()
        assert digest(server) == wanted
    finally:
        server.close()
