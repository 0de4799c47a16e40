"""Snapshots of a whole server: what redis-server reads of them, what is loaded at the start, and what goes wrong."""

import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dataset import KEYS, REQUESTS, change_of
from tests.support.durable import DurableServer
from tests.support.oracle import require_oracle
from tests.support.resp import CLOSED, Connection, encode_all

SAMPLES = Path(__file__).parents[1] / "unit/durability/rdb/samples"
WITHOUT_KEYS = {"script.rdb"}
SECONDS = 60
DAY = 86_400_000


def wait_until(condition: Callable[[], bool], server: DurableServer) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, server.log()[-3000:]
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., DurableServer]]:
    """Starts a server on a folder that it may share with others, one after another."""
    servers: list[DurableServer] = []

    def make(contender: str = "subject", launched: bool = False, **parameters: Any) -> DurableServer:
        (tmp_path / contender).mkdir(exist_ok=True)
        (tmp_path / "data").mkdir(exist_ok=True)
        server = DurableServer(contender, tmp_path / contender, dir=str(tmp_path / "data"), **parameters)
        servers.append(server)
        if launched:
            server.launch()
        else:
            server.start()
        return server

    yield make
    for server in servers:
        log = server.log()
        server.close()
        assert "Traceback" not in log and "BUG" not in log, log[-4000:]


def digest(connection: Connection) -> bytes:
    value: bytes = connection.command("DEBUG", "DIGEST").data
    return value


def fill(connection: Connection) -> None:
    for request in REQUESTS:
        connection.command(*request)
    connection.command("PEXPIREAT", "list", int(time.time() * 1000) + DAY)
    connection.command("SELECT", 7)
    connection.command("SET", "elsewhere", "here")
    connection.command("SELECT", 0)


@pytest.mark.parametrize(("writer", "reader"), [("subject", "oracle"), ("oracle", "subject"), ("subject", "subject")])
@pytest.mark.parametrize("command", ["SAVE", "BGSAVE", "SHUTDOWN"])
def test_each_loads_what_the_other_saves(
    start: Callable[..., DurableServer], writer: str, reader: str, command: str
) -> None:
    require_oracle()
    first = start(writer)
    with first.connect() as connection:
        fill(connection)
        expected = digest(connection)
        if command == "SHUTDOWN":
            connection.send("SHUTDOWN", "SAVE")
            assert connection.read_until_close() == [CLOSED]
            assert first.wait_end() == 0
        else:
            assert not connection.command(command).is_error
            first.wait_info(rdb_bgsave_in_progress="0", rdb_last_bgsave_status="ok", rdb_changes_since_last_save="0")
            first.kill()
    second = start(reader)
    with second.connect() as connection:
        assert digest(connection) == expected
    info = second.info()
    assert int(info["rdb_last_load_keys_loaded"]) == len(KEYS) + 1
    assert info["rdb_changes_since_last_save"] == "0"


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.rdb")))
def test_files_of_many_versions_are_loaded(start: Callable[..., DurableServer], tmp_path: Path, name: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dump.rdb").write_bytes((SAMPLES / name).read_bytes())
    server = start(launched=True)
    if name == "invalid_chksum_v8.rdb":
        assert server.wait_end() == 1
        assert "the checksum of the file is wrong at offset" in server.log()
        return
    server.wait_ready()
    info = server.info()
    keys = int(info["rdb_last_load_keys_loaded"]) + int(info["rdb_last_load_keys_expired"])
    assert (keys > 0) is (name not in WITHOUT_KEYS)
    assert "Done loading RDB, keys loaded: " in server.log()


def test_a_background_save_is_of_its_moment(start: Callable[..., DurableServer]) -> None:
    require_oracle()
    server = start()
    changes: list[tuple[Any, ...]] = []
    for number in range(4000):
        changes.append(("SET", f"key:{number * 7 % 20_000}", number))
        changes.append(change_of(KEYS[number % len(KEYS)]))
        changes.append(("DEL", f"key:{number * 11 % 20_000}") if number % 3 else ("RPUSH", f"l{number % 50}", number))
        if number % 1000 == 500:
            changes.append(("RENAME", KEYS[number % len(KEYS)], "renamed"))
            changes.append(("SWAPDB", 0, 7))
    with server.connect(timeout=60) as connection:
        fill(connection)
        connection.command("DEBUG", "POPULATE", 20_000)
        replies = connection.pipeline([*changes[:500], ("DEBUG", "DIGEST"), ("BGSAVE",), *changes])
        expected = replies[500].data
        assert replies[501].data == b"Background saving started"
        server.wait_info(rdb_bgsave_in_progress="0", rdb_last_bgsave_status="ok")
        assert digest(connection) != expected
    server.kill()
    with start("oracle").connect() as connection:
        assert digest(connection) == expected


# --- save points and failures -----------------------------------------------------------------------------------------


def test_a_save_point_saves(start: Callable[..., DurableServer]) -> None:
    server = start(save="1 2")
    server.command("SET", "a", 1)
    server.command("SET", "b", 1)
    info = server.wait_info(rdb_changes_since_last_save="0", rdb_bgsave_in_progress="0")
    assert info["rdb_saves"] == "1"
    assert "2 changes in 1 seconds. Saving..." in server.log()
    server.kill()
    assert start().command("DBSIZE").data == 2


def test_the_end_of_the_server_saves_if_there_are_save_points(start: Callable[..., DurableServer]) -> None:
    server = start(save="1000000 1000000")
    server.command("SET", "a", 1)
    assert server.stop() == 0
    server.start()
    assert server.command("GET", "a").data == b"1"
    server.command("SET", "a", 2)
    server.change(shutdown_on_sigterm="nosave")
    server.command("CONFIG", "SET", "shutdown-on-sigterm", "nosave")
    assert server.stop() == 0
    server.start()
    assert server.command("GET", "a").data == b"1"
    server.command("SET", "a", 3)
    server.command("CONFIG", "SET", "save", "", "shutdown-on-sigint", "save now")
    assert server.stop(signal.SIGINT) == 0
    server.start()
    assert server.command("GET", "a").data == b"3"


def test_nothing_is_executed_after_the_last_save(start: Callable[..., DurableServer]) -> None:
    server = start(save="1000000 1000000")
    with server.connect() as connection:
        requests = [("SET", "a", 1), ("SHUTDOWN",), ("SET", "a", 2), ("SET", "b", 2)]
        connection.send_raw(encode_all(requests))
        connection.read_until_close()
    assert server.wait_end() == 0
    server.start()
    assert (server.command("GET", "a").data, server.command("DBSIZE").data) == (b"1", 1)


def limit_files(server: DurableServer, size: int) -> None:
    """No file of the server can become longer: its disk is full."""
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk(start: Callable[..., DurableServer], tmp_path: Path) -> None:
    server = start(save="1000000 1000000", rdbcompression="no")
    server.command("SET", "old", 1)
    assert server.command("SAVE").data == b"OK"
    before = (tmp_path / "data" / "dump.rdb").read_bytes()
    server.command("DEBUG", "POPULATE", 1000, "key", 3000)
    limit_files(server, 1 << 20)
    assert server.command("BGSAVE").data == b"Background saving started"
    server.wait_info(rdb_last_bgsave_status="err", rdb_bgsave_in_progress="0")
    assert server.command("SET", "a", 1).data.startswith(b"MISCONF Redis is configured to save RDB snapshots")
    assert server.command("SAVE").data == b"ERR"
    with server.connect() as connection:
        assert connection.command("SHUTDOWN").data == b"ERR Errors trying to SHUTDOWN. Check logs."
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["dump.rdb"]
    assert (tmp_path / "data" / "dump.rdb").read_bytes() == before
    assert "Write error while saving DB to the disk(write): File too large" in server.log()
    limit_files(server, resource.RLIM_INFINITY)
    server.command("BGSAVE")
    server.wait_info(rdb_last_bgsave_status="ok", rdb_bgsave_in_progress="0")
    assert server.command("SET", "a", 1).data == b"OK"
    assert server.stop() == 0
    server.start()
    assert server.command("DBSIZE").data == 1002


def test_a_signal_does_not_end_a_server_that_cannot_save(start: Callable[..., DurableServer], tmp_path: Path) -> None:
    server = start(save="1000000 1000000", rdbcompression="no")
    server.command("SET", "a", 1)
    server.command("DEBUG", "POPULATE", 1000, "key", 3000)
    limit_files(server, 1 << 20)
    assert server.process is not None
    for number in (1, 2):
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda number=number: server.log().count("can't exit") == number, server)   # type: ignore[misc]
        assert server.command("GET", "a").data == b"1"
    limit_files(server, resource.RLIM_INFINITY)
    assert server.stop() == 0
    assert (tmp_path / "data" / "dump.rdb").exists()


def test_a_server_that_ends_during_a_save_leaves_no_temporary_file(
    start: Callable[..., DurableServer], tmp_path: Path
) -> None:
    server = start(rdb_key_save_delay=10_000_000)
    server.command("DEBUG", "POPULATE", 10)
    server.command("BGSAVE")
    wait_until(lambda: bool(list((tmp_path / "data").glob("temp-*.rdb"))), server)
    assert server.stop() == 0
    assert list((tmp_path / "data").iterdir()) == []


def test_temporary_files_of_a_killed_server_are_removed_by_the_next(
    start: Callable[..., DurableServer], tmp_path: Path
) -> None:
    server = start(rdb_key_save_delay=10_000_000)
    server.command("DEBUG", "POPULATE", 10)
    server.command("BGSAVE")
    wait_until(lambda: bool(list((tmp_path / "data").glob("temp-*.rdb"))), server)
    server.kill()
    start()
    assert list((tmp_path / "data").iterdir()) == []


def test_flushall_takes_a_save_under_way_along(start: Callable[..., DurableServer], tmp_path: Path) -> None:
    server = start(save="1000000 1000000", rdb_key_save_delay=10_000_000)
    server.command("DEBUG", "POPULATE", 10)
    server.command("BGSAVE")
    server.command("FLUSHALL")
    server.wait_info(rdb_bgsave_in_progress="0", rdb_last_bgsave_status="ok", rdb_changes_since_last_save="0")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["dump.rdb"]
    server.kill()
    assert start().command("DBSIZE").data == 0


# --- loading ----------------------------------------------------------------------------------------------------------


def saved(start: Callable[..., DurableServer], tmp_path: Path, keys: int = 500) -> Path:
    """A file with so many keys."""
    server = start()
    server.command("DEBUG", "POPULATE", keys)
    assert server.command("SAVE").data == b"OK"
    server.kill()
    return tmp_path / "data" / "dump.rdb"


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda data: data[: len(data) // 2], "too early"),
        (lambda data: b"", "too early"),
        (lambda data: b"REDIS0099" + data[9:], "version"),
        (lambda data: data[:-4] + b"abcd", "checksum"),
        (lambda data: data[:2000] + b"\xf0\xf1" + data[2002:], ""),
    ],
)
def test_a_broken_file_ends_the_start(
    start: Callable[..., DurableServer], tmp_path: Path, spoil: Callable[[bytes], bytes], text: str
) -> None:
    path = saved(start, tmp_path)
    broken = spoil(path.read_bytes())
    path.write_bytes(broken)
    server = start(launched=True, save="1 1")
    assert server.wait_end() == 1
    log = server.log().rpartition("(compatible with Redis")[2]
    assert f"The RDB file {path} cannot be loaded: " in log and text in log and "offset " in log
    assert "Fatal error loading the DB, check server logs. Exiting." in log
    assert path.read_bytes() == broken
    assert "Ready to accept connections" not in log


@pytest.mark.parametrize("kind", ["folder", "socket"])
def test_what_cannot_be_read_ends_the_start(start: Callable[..., DurableServer], tmp_path: Path, kind: str) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "dump.rdb"
    if kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    assert start(launched=True).wait_end() == 1


def test_loading_can_be_ended_by_a_signal(start: Callable[..., DurableServer], tmp_path: Path) -> None:
    path = saved(start, tmp_path)
    before = path.read_bytes()
    server = start(launched=True, key_load_delay=100_000, save="1 1")

    def is_loading() -> bool:
        try:
            return server.info().get("loading") == "1"
        except OSError:
            return False

    wait_until(is_loading, server)
    assert server.command("GET", "key:1").data == b"LOADING Redis is loading the dataset in memory"
    assert server.stop() == 0
    assert path.read_bytes() == before


def test_loading_goes_on_while_clients_are_served(start: Callable[..., DurableServer], tmp_path: Path) -> None:
    saved(start, tmp_path)
    server = start(launched=True, key_load_delay=1_000_000)

    def loaded() -> int:
        try:
            return int(server.info().get("loading_loaded_bytes", "0"))
        except OSError:
            return 0

    wait_until(lambda: loaded() > 0, server)
    first = loaded()
    server.command("CONFIG", "SET", "key-load-delay", "1000")
    wait_until(lambda: loaded() > first or server.info()["loading"] == "0", server)
    server.command("CONFIG", "SET", "key-load-delay", "0")
    server.wait_ready()
    assert server.command("DBSIZE").data == 500


def test_the_supervisor_hears_of_it(start: Callable[..., DurableServer], tmp_path: Path) -> None:
    saved(start, tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(SECONDS)
        (tmp_path / "subject").mkdir(exist_ok=True)
        server = DurableServer("subject", tmp_path / "subject", dir=str(tmp_path / "data"), supervised="systemd")
        server.change(key_load_delay=100_000)
        server.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        with server:
            server.launch()
            messages = [systemd.recv(4096).decode()]
            server.command("CONFIG", "SET", "key-load-delay", "0")
            while "READY=1" not in messages[-1]:
                messages.append(systemd.recv(4096).decode())
            assert "STATUS=Loading: " in messages[0] and "EXTEND_TIMEOUT_USEC=30000000" in messages[0]
            assert server.command("DBSIZE").data == 500
            assert server.stop() == 0
