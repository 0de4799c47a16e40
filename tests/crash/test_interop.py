"""Folders that one server wrote and the other reads, both ways, with data of all types.

Idea: the dataset of tests/support/dataset.py with times to live, databases, groups is written by one server, in
every form that a folder can have: log only, rewritten with and without preamble, written to after a rewrite, with
timestamps, an old single file, a dump. The server ends by SIGKILL or in order; the other one starts on the folder and
must hold the same: DEBUG DIGEST-VALUE, and the times, groups and encodings that it does not cover. Redis's own checkers
accept ours.
"""

import subprocess
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.dataset import FUTURE, KEYS, REQUESTS, change_of
from tests.support.durable import DurableServer, command_of
from tests.support.oracle import require_oracle
from tests.support.servers import server_environment

WAYS = [("subject", "oracle"), ("oracle", "subject")]
FORMS = (
    *("log", "log of always", "rewritten", "rewritten without preamble", "written after a rewrite", "timestamps"),
    *("dump", "bgsave"),
)
MORE: list[tuple[Any, ...]] = [
    ("PEXPIREAT", "string", FUTURE),
    ("EXPIRE", "raw", 100_000),
    ("PEXPIREAT", "list:quicklist", FUTURE + 1),
    ("SET", "gone", "x", "PX", 1),
    ("SET", "removed", "x"),
    ("DEL", "removed"),
    ("SPOP", "set:hashtable", 20),
    ("HGETEX", "hash:times", "PXAT", FUTURE + 9, "FIELDS", 1, "h"),
    ("XGROUP", "CREATE", "stream:long", "empty", "$", "MKSTREAM"),
    ("XGROUP", "CREATE", "stream:long", "g2", 0, "ENTRIESREAD", 3),
    ("XREADGROUP", "GROUP", "g2", "idle", "COUNT", 5, "STREAMS", "stream:long", ">"),
    ("XACK", "stream:long", "g2", "1-1"),
    ("XAUTOCLAIM", "stream:long", "g2", "other", 0, "2-1", "COUNT", 2),
    ("XSETID", "stream", "99-5", "ENTRIESADDED", 50, "MAXDELETEDID", "2-0"),
    ("XADD", "stream:trimmed", "MAXLEN", "~", 10, "*", "f", "v"),
    ("INCRBYFLOAT", "float", "0.1"),
    ("SETBIT", "bits", 1000, 1),
    ("GEOADD", "geo", "13.36", "38.11", "Palermo"),
    ("SINTERSTORE", "stored", "set:intset", "set:hashtable"),
    ("SORT", "list:quicklist", "LIMIT", 0, 10, "STORE", "sorted"),
    ("RENAME", "number", "renamed"),
    ("COPY", "zset", "copied"),
    ("SELECT", 3),
    ("SET", "in 3", "x"),
    ("MOVE", "in 3", 7),
    ("MSET", "a", 1, "b", 2),
    ("SELECT", 0),
    ("SWAPDB", 3, 4),
    ("MULTI",),
    ("INCR", "counter"),
    ("LPUSH", "pushed", 1, 2, 3),
    ("EXEC",),
]


def fill(server: DurableServer, requests: Iterable[tuple[Any, ...]]) -> None:
    with server.connect(timeout=60) as connection:
        for request in requests:
            reply = connection.command(*request)
            assert not reply.is_error, (request, reply)


def facts(server: DurableServer) -> dict[str, Any]:
    """Everything that two servers with the same data agree in."""
    with server.connect(timeout=60) as connection:
        found: dict[str, Any] = {}
        for database in range(16):
            connection.command("SELECT", database)
            keys = sorted(connection.command("KEYS", "*").plain())
            for key in keys:
                kind = connection.command("TYPE", key).data
                if kind == b"none":
                    continue  # it has just expired
                encoding = connection.command("OBJECT", "ENCODING", key).data
                if encoding == b"raw":
                    encoding = b"embstr"  # a string that grew is raw until it is loaded
                digest = connection.command("DEBUG", "DIGEST-VALUE", key).plain()
                found[f"{database} {key}"] = [kind, digest, connection.command("PEXPIRETIME", key).data, encoding]
                if kind == b"hash":
                    names = sorted(connection.command("HKEYS", key).plain())
                    times = connection.command("HPEXPIRETIME", key, "FIELDS", len(names), *names).plain()
                    found[f"{database} {key} times"] = dict(zip(names, times, strict=True))
                if kind == b"stream":
                    reply = connection.command("XINFO", "STREAM", key, "FULL").plain()
                    found[f"{database} {key} stream"] = _stream(reply)
    return found


def _stream(reply: list[Any]) -> dict[bytes, Any]:
    """XINFO STREAM FULL without how it lies in memory, and without when consumers were last seen."""
    told = dict(zip(reply[::2], reply[1::2], strict=True))
    for name in (b"radix-tree-keys", b"radix-tree-nodes"):
        told.pop(name)
    groups = []
    for each in told.pop(b"groups"):
        group = dict(zip(each[::2], each[1::2], strict=True))
        consumers = [dict(zip(one[::2], one[1::2], strict=True)) for one in group.pop(b"consumers")]
        for one in consumers:
            del one[b"seen-time"], one[b"active-time"]
        groups.append((group, consumers))
    return told | {b"groups": groups}


def write(server: DurableServer, form: str) -> None:
    """The server's folder has this form."""
    if form in ("dump", "bgsave"):
        server.start()
        fill(server, REQUESTS + MORE)
        server.command("SAVE" if form == "dump" else "BGSAVE")
        server.wait_info(rdb_bgsave_in_progress="0", rdb_last_bgsave_status="ok")
        return
    server.change(appendonly="yes", appendfsync="always" if "always" in form else "everysec")
    server.change(aof_use_rdb_preamble="no" if "without" in form else "yes")
    server.change(aof_timestamp_enabled="yes" if form == "timestamps" else "no")
    server.start()
    fill(server, REQUESTS + MORE)
    if "rewrit" in form:
        server.command("BGREWRITEAOF")
        server.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0", aof_last_bgrewrite_status="ok")
    if "after" in form:
        fill(server, [change_of(key) for key in KEYS])


def reader_of(writer: DurableServer, contender: str) -> DurableServer:
    """Another server on the same folder."""
    known = {name: value for name, value in writer.parameters.items() if name != "port"}
    return DurableServer(contender, writer.folder, **known)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("writer", "reader"), WAYS)
def test_the_other_server_holds_the_same(writer: str, reader: str, form: str, tmp_path: Path) -> None:
    with DurableServer(writer, tmp_path) as first:
        write(first, form)
        wanted = facts(first)
        assert len(wanted) > len(KEYS)
        first.kill()
        with reader_of(first, reader) as second:
            second.start()
            assert facts(second) == wanted
            # and it goes on writing there, for the first to read
            fill(second, [("APPEND", "raw", "more"), ("XADD", "stream:long", "*", "f", "v"), ("DEL", "zset")])
            if form in ("dump", "bgsave"):
                second.command("SAVE")
            wanted = facts(second)
            second.stop()
        first.start()
        assert facts(first) == wanted


def checker(name: str, folder: Path) -> str:
    """redis-server under the name of a checker is the checker."""
    path = folder / name
    path.symlink_to(Path(require_oracle()).resolve())
    return str(path)


@pytest.mark.parametrize("form", FORMS)
def test_the_checkers_of_redis_accept_ours(form: str, tmp_path: Path) -> None:
    with DurableServer("subject", tmp_path) as server:
        write(server, form)
        server.stop()
        if form in ("dump", "bgsave"):
            command = [checker("redis-check-rdb", tmp_path), str(server.data / "dump.rdb")]
        else:
            manifest = server.data / "appendonlydir" / "appendonly.aof.manifest"
            command = [checker("redis-check-aof", tmp_path), str(manifest)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("RDB looks OK" in done.stdout) if "rdb" in command[0] else ("is valid" in done.stdout)


@pytest.mark.mtredis_only
@pytest.mark.parametrize("form", FORMS)
def test_our_checkers_accept_what_redis_wrote(form: str, tmp_path: Path) -> None:
    with DurableServer("oracle", tmp_path) as server:
        write(server, form)
        server.stop()
        is_dump = form in ("dump", "bgsave")
        module = f"mtredis.durability.{'check_rdb' if is_dump else 'check_aof'}"
        path = server.data / ("dump.rdb" if is_dump else "appendonlydir/appendonly.aof.manifest")
        command = [*command_of("subject")[:-1], module, str(path)]
        run = partial(subprocess.run, command, env=server_environment(), capture_output=True, text=True, check=False)
        done = run(timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        damaged = path if is_dump else max(file for file in path.parent.glob("*.aof") if file.stat().st_size)
        damaged.write_bytes(damaged.read_bytes()[:-3])
        assert run(timeout=60).returncode == 1


@pytest.mark.parametrize("contender", ["subject", "oracle"])
def test_an_old_single_file_becomes_the_base(contender: str, tmp_path: Path) -> None:
    """Redis before 7 had one file in `dir`; it may begin with a dump."""
    with DurableServer("oracle", tmp_path) as writer:
        write(writer, "rewritten")
        wanted = facts(writer)
        writer.kill()
        parts = writer.data / "appendonlydir"
        names = [line.split()[1] for line in (parts / "appendonly.aof.manifest").read_text().splitlines()]
        (writer.data / "appendonly.aof").write_bytes(b"".join((parts / name).read_bytes() for name in names))
        for path in parts.iterdir():
            path.unlink()
        parts.rmdir()
        with reader_of(writer, contender) as reader:
            reader.start()
            assert facts(reader) == wanted
            assert sorted(path.name for path in reader.data.iterdir()) == ["appendonlydir"]
            fill(reader, [("SET", "new", 1)])
            wanted = facts(reader)
            reader.kill()
        writer.start()
        assert facts(writer) == wanted
