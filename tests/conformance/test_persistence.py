"""SAVE, BGSAVE and what follows from them, against redis-server: replies, refusals and INFO in every state."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.dataset import REQUESTS
from tests.support.differential import MODES, Pair, parametrize_scripts
from tests.support.durable import CONTENDERS, DurableServer
from tests.support.servers import Server

SECONDS = 60
LONG = 50_000_000   # µs for each key
SCRIPTS: dict[str, str] = {
    "forms": """
        SAVE x
        BGSAVE x
        BGSAVE SCHEDULE x
        LASTSAVE x
        DEBUG RELOAD x
        DEBUG RELOAD MERGE NOFLUSH NOSAVE x
        SHUTDOWN x
        SHUTDOWN SAVE NOSAVE
        SHUTDOWN ABORT NOW
        SHUTDOWN ABORT
        CONFIG SET dir /nosuch
        CONFIG SET dbfilename a/b
        CONFIG GET dbfilename
        COMMAND INFO SAVE BGSAVE LASTSAVE SHUTDOWN
        COMMAND DOCS NOSUCH
        """,
    "save": "SET k v\nSAVE\nDBSIZE\nLASTSAVE\nFLUSHALL\nSAVE",
    "reload": """
        SET k v
        RPUSH l a b
        DEBUG RELOAD
        GET k
        DEBUG RELOAD NOSAVE
        LRANGE l 0 -1
        SET k2 v
        DEBUG RELOAD NOSAVE MERGE NOFLUSH
        GET k2
        DEBUG RELOAD MERGE
        DBSIZE
        """,
}


@parametrize_scripts(SCRIPTS, MODES)
def test_scripts(serve_pair: Callable[..., Pair], script: str, mode: str) -> None:
    serve_pair(enable_protected_configs="yes").compare(script, mode)


def fields_of(server: Server) -> list[str]:
    text = server.command_once("INFO", "persistence").data.decode()
    return re.findall(r"^(\w+):", text, re.MULTILINE)


def info_of(server: Server) -> dict[str, str]:
    text = server.command_once("INFO", "persistence").data.decode()
    return dict(re.findall(r"^(\w+):(.*?)\r?$", text, re.MULTILINE))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def both(pair: Pair) -> tuple[Server, Server]:
    return pair.subject, pair.oracle


def steady(server: Server) -> dict[str, str]:
    """INFO persistence without times and sizes."""
    timed = re.compile(r"rdb_last_save_time|.*cow.*|.*_time_sec|current_save_keys_processed|current_fork_perc")
    return {name: value for name, value in info_of(server).items() if not timed.fullmatch(name)}


def test_info_has_the_fields_of_redis_in_its_order(serve_pair: Callable[..., Pair]) -> None:
    pair = serve_pair()
    assert fields_of(pair.subject) == fields_of(pair.oracle)
    assert steady(pair.subject) == steady(pair.oracle)


def test_changes_are_counted_until_they_are_saved(serve_pair: Callable[..., Pair]) -> None:
    pair = serve_pair()

    def changes() -> list[str]:
        return [info_of(server)["rdb_changes_since_last_save"] for server in both(pair)]

    pair.compare("SET a 1\nSET a 1\nDEL nosuch\nSADD s a b c", "resp2")
    assert changes() == ["5", "5"]
    pair.compare("SAVE", "resp2")
    assert changes() == ["0", "0"]
    pair.compare("SET a 1\nDEL a s\nBGSAVE", "resp2")
    for server in both(pair):
        wait_until(lambda server=server: info_of(server)["rdb_bgsave_in_progress"] == "0")   # type: ignore[misc]
    assert changes() == ["0", "0"]
    assert [steady(server)["rdb_saves"] for server in both(pair)] == ["2", "2"]
    pair.compare("CONFIG RESETSTAT", "resp2")
    assert steady(pair.subject) == steady(pair.oracle)


def test_while_a_background_save_is_under_way(serve_pair: Callable[..., Pair]) -> None:
    pair = serve_pair(rdb_key_save_delay=LONG)
    pair.compare(
        """
        MSET a 1 b 2 c 3
        BGSAVE
        BGSAVE
        BGSAVE SCHEDULE
        SAVE
        MULTI
        BGSAVE
        EXEC
        SET a 2
        """,
        "resp2",
    )
    for server in both(pair):
        wait_until(lambda server=server: info_of(server)["rdb_bgsave_in_progress"] == "1")   # type: ignore[misc]
    assert fields_of(pair.subject) == fields_of(pair.oracle)
    infos = [info_of(server) for server in both(pair)]
    for info in infos:
        assert 0 <= int(info["rdb_current_bgsave_time_sec"]) < SECONDS
    for name in ("current_save_keys_total", "rdb_bgsave_in_progress", "rdb_changes_since_last_save", "rdb_saves"):
        assert infos[0][name] == infos[1][name], name
    pair.compare("CONFIG SET rdb-key-save-delay 0\nFLUSHALL", "resp2")
    for server in both(pair):
        wait_until(lambda server=server: info_of(server)["rdb_bgsave_in_progress"] == "0")   # type: ignore[misc]
    assert steady(pair.subject) == steady(pair.oracle)


def test_a_save_that_fails(serve_pair: Callable[..., Pair]) -> None:
    pair = serve_pair(save=["1000000", "1000000"])
    for server in both(pair):
        (server.folder / "dump.rdb").mkdir()
        (server.folder / "dump.rdb" / "file").write_text("")
    pair.compare("SET k v\nSAVE\nSET k w\nPING\nDEBUG RELOAD\nGET k\nBGSAVE\n^ QUIT", "resp2")
    for server in both(pair):
        wait_until(lambda server=server: info_of(server)["rdb_last_bgsave_status"] == "err")   # type: ignore[misc]
    pair.compare(
        """
        SET k v
        GET k
        PING
        PING hello
        ECHO x
        DEL nosuch
        PUBLISH c m
        MULTI
        SET k v
        EXEC
        MULTI
        GET k
        EXEC
        MULTI
        PING
        EXEC
        FLUSHALL
        CONFIG SET stop-writes-on-bgsave-error no
        SET k x
        PING
        CONFIG SET stop-writes-on-bgsave-error yes
        SET k y
        CONFIG SET save ""
        SET k z
        CONFIG SET save "1000000 1000000"
        SET k y
        PING
        CONFIG SET save ""
        """,
        "resp2",
    )
    pair.compare('CONFIG SET save "1000000 1000000"\n^ QUIT', "resp2")
    for server in both(pair):
        (server.folder / "dump.rdb" / "file").unlink()
        (server.folder / "dump.rdb").rmdir()
        assert not list(server.folder.glob("temp-*"))
    pair.compare("SAVE\nSET k v\nPING", "resp2")
    assert steady(pair.subject) == steady(pair.oracle)


@pytest.mark.parametrize("words", ["SAVE", "NOSAVE", "NOW", "FORCE", "SAVE FORCE", ""])
def test_shutdown_that_cannot_save(serve_pair: Callable[..., Pair], words: str) -> None:
    pair = serve_pair(save=["1000000", "1000000"])
    for server in both(pair):
        (server.folder / "dump.rdb").mkdir()
        (server.folder / "dump.rdb" / "file").write_text("")
    ends = "NOSAVE" in words or "FORCE" in words
    pair.compare(f"{'^ ' if ends else ''}SHUTDOWN {words}", "resp2")
    if ends:
        assert [server.process.wait(SECONDS) for server in both(pair) if server.process] == [0, 0]
    else:
        pair.compare("PING\nSET k v\n^ SHUTDOWN NOSAVE", "resp2")


# --- while a file is loaded -------------------------------------------------------------------------------------------


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[list[DurableServer]]:
    """Both servers in the middle of the same file, which they will not finish in this test's time."""
    (tmp_path / "source").mkdir()
    with DurableServer("oracle", tmp_path / "source") as source:
        source.start()
        with source.connect() as connection:
            for request in REQUESTS:
                connection.command(*request)
            connection.command("DEBUG", "POPULATE", 2000, "key", 50)
            connection.command("SAVE")
        data = (source.data / "dump.rdb").read_bytes()
    servers = []
    for contender in CONTENDERS:
        (tmp_path / contender).mkdir()
        more = {"loading_process_events_interval_bytes": 1024} if contender == "oracle" else {}
        servers.append(DurableServer(contender, tmp_path / contender, key_load_delay=10_000, save="1 1", **more))
        (servers[-1].data / "dump.rdb").write_bytes(data)
        servers[-1].launch()
    for server in servers:
        wait_until(lambda server=server: is_loading(server))   # type: ignore[misc]
    yield servers
    for server in servers:
        server.close()


def is_loading(server: DurableServer) -> bool:
    try:
        return server.info().get("loading_loaded_bytes", "0") != "0"
    except OSError:
        return False


def test_what_is_answered_while_loading(loading: list[DurableServer]) -> None:
    requests = [
        "PING", "GET k", "SET k v", "DBSIZE", "SAVE", "BGSAVE", "LASTSAVE x", "CONFIG GET timeout x",
        "CONFIG SET timeout 0", "CONFIG SET dir /",
        "CONFIG SET timeout 0 DIR /", "ECHO x", "SELECT 1", "CLIENT SETNAME x", "CLIENT GETNAME",
        "MULTI", "INFO nosuch", "EXEC", "DISCARD", "SUBSCRIBE c", "UNSUBSCRIBE c", "PUBLISH c m", "TYPE k",
        "MEMORY USAGE k", "SLOWLOG LEN", "COMMAND COUNT x", "FLUSHALL", "OBJECT HELP x", "SHUTDOWN x",
    ]  # fmt: skip
    replies = []
    for server in loading:
        with server.connect(timeout=SECONDS) as connection:
            replies.append([(request, connection.command(*request.split())) for request in requests])
    assert replies[0] == replies[1]


def test_info_while_loading(loading: list[DurableServer]) -> None:
    infos = [server.info() for server in loading]
    assert list(infos[0]) == list(infos[1])
    for info in infos:
        assert info["loading"] == "1"
        assert 0 < int(info["loading_loaded_bytes"]) < int(info["loading_total_bytes"])
        expected = 100 * int(info["loading_loaded_bytes"]) / int(info["loading_total_bytes"])
        assert float(info["loading_loaded_perc"]) == pytest.approx(expected, abs=0.01)
        assert int(info["loading_eta_seconds"]) >= 1
    for name in ("loading_total_bytes", "loading_rdb_used_mem", "rdb_last_load_keys_expired"):
        assert infos[0][name] == infos[1][name]


@pytest.mark.parametrize("words", ["", "SAVE", "NOSAVE NOW"])
def test_shutdown_while_loading_saves_nothing(loading: list[DurableServer], words: str) -> None:
    for server in loading:
        before = (server.data / "dump.rdb").read_bytes()
        with server.connect() as connection:
            connection.send("SHUTDOWN", *words.split())
            assert server.wait_end() == 0
        assert (server.data / "dump.rdb").read_bytes() == before
        assert [path.name for path in server.data.iterdir()] == ["dump.rdb"]
