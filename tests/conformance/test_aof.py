"""The append only file against redis-server: replies, INFO, parameters, the files and the manifest in every state.

Idea: a scenario talks to one server and writes down what it is told and what it finds in the folder; it is run on both,
and what they wrote down must be the same. Offsets in manifests differ, for the two servers count differently; whether
there are any does not.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.durable import CONTENDERS, DurableServer
from tests.support.oracle import require_oracle
from tests.support.servers import ServerFailed

ON = {"appendonly": "yes", "appendfsync": "everysec"}
UNPREDICTABLE = {
    "aof_last_cow_size", "aof_current_size", "aof_base_size", "aof_last_rewrite_time_sec", "aof_pending_bio_fsync",
}  # fmt: skip
FILE = r"[^\s:]+"
PARAMETERS = (
    "appendonly appendfilename appenddirname appendfsync no-appendfsync-on-rewrite auto-aof-rewrite-percentage "
    "auto-aof-rewrite-min-size aof-load-truncated aof-use-rdb-preamble aof-timestamp-enabled "
    "aof-rewrite-incremental-fsync aof-disable-auto-gc"
).split()


class Place:
    """A server and what was written down about it."""

    def __init__(self, contender: str, folder: Path, parameters: dict[str, Any]) -> None:
        self.server = DurableServer(contender, folder, **parameters)
        self.told: list[Any] = []

    def ask(self, *requests: tuple[Any, ...] | str) -> None:
        """What each is answered with is written down."""
        with self.server.connect(timeout=30) as connection:
            for request in requests:
                words = tuple(request.split()) if isinstance(request, str) else request
                self.told.append((words, repr(connection.command(*words))))

    def do(self, *requests: str) -> None:
        with self.server.connect(timeout=30) as connection:
            for request in requests:
                connection.command(*request.split())

    def note_info(self) -> None:
        info = self.server.info()
        self.told.append({
            name: value for name, value in info.items() if name.startswith("aof_") and name not in UNPREDICTABLE
        })  # fmt: skip
        self.told.append(list(info))

    def note_files(self) -> None:
        """Names of the files, and the manifest without its offsets."""
        folder = self.server.data / "appendonlydir"
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else None
        path = folder / "appendonly.aof.manifest"
        text = re.sub(r"offset \d+", "offset N", path.read_text()) if path.exists() else None
        self.told.append((names, text))

    def rewritten(self) -> None:
        """No rewrite is under way any more, nor any file on its way out."""
        self.server.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
        listed: list[str] = []
        for _ in range(3000):
            files = sorted(path.name for path in (self.server.data / "appendonlydir").iterdir())
            history = [line.split()[1] for line in self.manifest().splitlines() if line.split()[5] == "h"]
            listed = [name for name in files if not name.endswith(".manifest") and name not in self.manifest()]
            if not listed and not (history and not self.keeps_history):
                return
        raise AssertionError(listed)

    keeps_history = False

    def manifest(self) -> str:
        return (self.server.data / "appendonlydir" / "appendonly.aof.manifest").read_text()


type Scenario = Callable[[Place], None]


@pytest.fixture
def both(tmp_path: Path) -> Any:
    """Runs a scenario on both servers and compares what was written down."""
    require_oracle()
    places: list[Place] = []

    def compare(scenario: Scenario, **parameters: Any) -> None:
        for contender in CONTENDERS:
            (tmp_path / contender).mkdir()
            place = Place(contender, tmp_path / contender, parameters)
            places.append(place)
            place.server.start()
            scenario(place)
        ours, theirs = (place.told for place in places)
        assert ours == theirs

    yield compare
    for place in places:
        place.server.close()


def test_parameters(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.ask(*[f"CONFIG GET {name}" for name in PARAMETERS])
        place.ask(
            "CONFIG SET appendfilename x", "CONFIG SET appenddirname x", "CONFIG SET appendfsync sometimes",
            "CONFIG SET appendfsync ALWAYS", "CONFIG GET appendfsync", "CONFIG SET appendfsync no",
            "CONFIG SET auto-aof-rewrite-percentage -1", "CONFIG SET auto-aof-rewrite-min-size 1gb",
            "CONFIG GET auto-aof-rewrite-min-size", "CONFIG SET aof-load-truncated maybe",
            "CONFIG SET aof-load-truncated no", "CONFIG SET appendonly perhaps",
        )  # fmt: skip

    both(scenario)


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendfilename", "a/b"), ("appenddirname", "a/b"), ("appendfilename", ""), ("appendfsync", "x")],
)
def test_parameters_that_are_refused_at_the_start(tmp_path: Path, name: str, value: str) -> None:
    said = []
    for contender in CONTENDERS:
        (tmp_path / contender).mkdir()
        server = DurableServer(contender, tmp_path / contender, **{name: value})
        with pytest.raises(ServerFailed) as caught:
            server.start()
        lines = [re.sub(r"^command line:\d+: ", "", line) for line in str(caught.value).splitlines()]
        said.append([line for line in lines if line.startswith((">>>", "appen", "argument"))])
    assert said[0] == said[1] != []


def test_waitaof(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.ask(
            "WAITAOF 2 0 0", "WAITAOF -1 0 0", "WAITAOF x 0 0", "WAITAOF 0 -1 0", "WAITAOF 0 x 0", "WAITAOF 0 0 -1",
            "WAITAOF 0 0 x", "WAITAOF 0 0 9223372036854775807", "WAITAOF 0 0", "WAITAOF 1 0 0",
            "WAITAOF 0 1 10", "MULTI", "WAITAOF 0 1 0", "EXEC", "WAITAOF 0 0 0",
        )  # fmt: skip
        place.ask("CONFIG SET appendonly yes")
        place.rewritten()
        place.ask("SET k v", "WAITAOF 1 0 0", "WAITAOF 0 0 0", "WAITAOF 1 1 20", "WAITAOF 0 1 20", "WAITAOF 1 0 0")
        with place.server.connect(timeout=30) as waiting:
            number = waiting.command("CLIENT", "ID").data
            waiting.send("WAITAOF", 1, 1, 0)
            while place.server.command("CLIENT", "UNBLOCK", number).data == 0:
                continue
            place.told.append(repr(waiting.read()))
            waiting.send("WAITAOF", 1, 1, 0)
            while place.server.command("INFO", "clients").data.find(b"blocked_clients:1") < 0:
                continue
            place.ask("CONFIG SET appendonly no")
            place.told.append(repr(waiting.read()))
        place.ask("WAITAOF 1 0 0")

    both(scenario)


def test_a_rewrite(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.note_info()
        place.note_files()
        place.do("SET k v", "RPUSH l a b")
        place.ask("BGREWRITEAOF", "BGREWRITEAOF x")
        place.rewritten()
        place.note_files()
        place.do("SET k w")
        place.ask("MULTI", "BGREWRITEAOF", "EXEC")
        place.rewritten()
        place.note_info()
        place.note_files()
        place.ask("CONFIG SET aof-use-rdb-preamble no", "BGREWRITEAOF")
        place.rewritten()
        place.note_files()
        place.told.append(place.server.stop())
        place.note_files()
        place.server.start()
        place.note_info()
        place.note_files()
        place.ask("DBSIZE", "GET k", "LRANGE l 0 -1")

    both(scenario, **ON)


def test_one_at_a_time(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.do(*[f"SET {number} v" for number in range(40)], "CONFIG SET rdb-key-save-delay 50000")
        place.ask("BGREWRITEAOF", "BGREWRITEAOF", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF")
        place.do("CONFIG SET rdb-key-save-delay 0")
        place.server.wait_info(aof_rewrite_in_progress="0", rdb_saves="1", rdb_bgsave_in_progress="0")   # the scheduled
        place.do("CONFIG SET rdb-key-save-delay 50000")
        place.ask("BGSAVE", "BGREWRITEAOF")
        info = place.server.info()
        place.told.append((info["aof_rewrite_scheduled"], info["aof_rewrite_in_progress"], info["aof_pending_rewrite"]))
        place.do("CONFIG SET rdb-key-save-delay 0")
        place.server.wait_info(aof_rewrites="2", rdb_bgsave_in_progress="0")
        place.rewritten()
        place.note_files()

    both(scenario, **ON)


def test_history_is_kept_if_that_is_wanted(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.do("SET k v")
        place.keeps_history = True
        for _ in range(2):
            place.ask("BGREWRITEAOF")
            place.rewritten()
            place.note_files()
        place.keeps_history = False
        place.ask("CONFIG SET aof-disable-auto-gc no")
        place.rewritten()
        place.note_files()

    both(scenario, aof_disable_auto_gc="yes", **ON)


def test_on_and_off_at_run_time(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.do("SET k v")
        place.ask("BGREWRITEAOF")   # there is none yet, but a base may be written
        place.rewritten()
        place.note_files()
        place.note_info()
        place.ask("CONFIG SET appendonly yes")
        place.rewritten()
        place.do("SET k w", "INCR n")
        place.note_info()
        place.note_files()
        place.ask("CONFIG SET appendonly no")
        place.note_info()
        place.note_files()
        place.do("INCR n")
        place.ask("MULTI", "CONFIG SET appendonly yes", "EXEC")
        place.server.wait_info(aof_rewrite_scheduled="0", aof_enabled="1")
        place.rewritten()
        place.note_files()
        place.server.stop()
        place.server.change(appendonly="yes")
        place.server.start()
        place.ask("GET k", "GET n")

    both(scenario)


def test_switched_on_during_a_save(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.do(*[f"SET {number} v" for number in range(40)], "CONFIG SET rdb-key-save-delay 50000")
        place.ask("BGSAVE", "CONFIG SET appendonly yes")
        info = place.server.info()
        place.told.append((info["aof_enabled"], info["aof_rewrite_scheduled"], info["aof_rewrite_in_progress"]))
        place.ask("SET k v", "CONFIG SET rdb-key-save-delay 0")
        place.server.wait_info(aof_rewrites="1")
        place.rewritten()
        place.note_files()
        place.server.kill()
        place.server.change(appendonly="yes")
        place.server.start()
        place.ask("DBSIZE", "GET k")

    both(scenario)


def test_automatic_rewriting(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.do(*["SET k " + "x" * 1000] * 30)
        place.server.wait_info(aof_rewrites="1")
        place.rewritten()
        place.note_files()

    both(scenario, auto_aof_rewrite_min_size=10_000, **ON)


def test_debug_loadaof(both: Any) -> None:
    def scenario(place: Place) -> None:
        place.do("SET k v", "SELECT 3", "SET other 1", "PEXPIREAT other 33177117420000")
        place.ask("DEBUG LOADAOF", "DBSIZE", "GET k", "SELECT 3", "PEXPIRETIME other")
        place.ask("SET more 1", "DEBUG LOADAOF", "DBSIZE")

    both(scenario, **ON)


def spoil_manifest(text: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "appendonly.aof.manifest").write_bytes(text) and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def append(name: str, data: bytes) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(data)

    return act


def one_more_increment(folder: Path) -> None:
    append("appendonly.aof.1.incr.aof", b"*3\r\n$3\r\nSET")(folder)
    append("appendonly.aof.manifest", b"file appendonly.aof.2.incr.aof seq 2 type i\n")(folder)
    (folder / "appendonly.aof.2.incr.aof").write_bytes(b"")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no manifest": (spoil_manifest(b"what is this\n"), r"Invalid AOF manifest file format"),
    "line": (spoil_manifest(b"file a seq 1 type b\nfile x seq 1 type q\n"), r">>> '.*'|line \d+|Unknown AOF file type"),
    "missing": (remove("appendonly.aof.1.incr.aof"), r"Unable to obtain the AOF file \S+ length\. stat: .*"),
    "missing base": (remove("appendonly.aof.1.base.rdb"), r"Unable to obtain the AOF file \S+ length\. stat: .*"),
    "unknown": (
        append("appendonly.aof.1.incr.aof", b"*1\r\n$3\r\nFOO\r\n"),
        r"Unknown command 'FOO' reading the append only file \S+",
    ),
    "garbage": (
        append("appendonly.aof.1.incr.aof", b"garbage"), f"Bad file format reading the append only file {FILE}"
    ),
    "short": (
        append("appendonly.aof.1.incr.aof", b"*3\r\n$3\r\nSET"),
        r"Unexpected end of file reading the append only file \S+\.",
    ),
    "not last": (one_more_increment, r"Unexpected end of file reading the append only file \S+\."),
    "transaction": (
        append("appendonly.aof.1.incr.aof", b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n"),
        r"Revert incomplete MULTI/EXEC transaction in AOF file \S+",
    ),
    "base": (
        append("appendonly.aof.1.base.rdb", b"garbage"), f"Bad file format reading the append only file {FILE}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_logs_end_the_start(damage: str, tmp_path: Path) -> None:
    """Both servers refuse to start, with status 1 and the same reason."""
    require_oracle()
    act, pattern = DAMAGES[damage]
    said = []
    for contender in CONTENDERS:
        (tmp_path / contender).mkdir()
        with DurableServer(contender, tmp_path / contender, aof_load_truncated="no", **ON) as server:
            server.start()
            server.command("SET", "k", "v")
            server.stop()
            act(server.data / "appendonlydir")
            server.log_path.unlink()
            with pytest.raises(ServerFailed, match="ended with 1"):
                server.start()
            said.append(re.findall(pattern, server.log()))
    assert said[0] == said[1] != []


@pytest.mark.parametrize("damage", ["short", "transaction"])
def test_cut_off_logs_are_cut_back(damage: str, both: Any) -> None:
    act, _ = DAMAGES[damage]
    lines = r"(?:!!! |AOF \S+ loaded anyway|Revert).*"

    def scenario(place: Place) -> None:
        place.do("SET k v")
        place.server.stop()
        act(place.server.data / "appendonlydir")
        place.server.log_path.unlink()
        place.server.start()
        place.told.append(re.findall(lines, place.server.log()))
        place.do("INCR n")
        place.server.kill()
        place.server.start()
        place.ask("GET k", "GET n", "DBSIZE")

    both(scenario, **ON)


def test_a_base_of_commands_begins_with_the_time(either: DurableServer) -> None:
    with either.connect() as client:
        for name, value in (("aof-use-rdb-preamble", "no"), ("aof-timestamp-enabled", "yes"), ("appendonly", "yes")):
            assert client.command("CONFIG", "SET", name, value).data == b"OK"
        either.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
        client.command("SET", "k", "v")
        client.command("BGREWRITEAOF")
        either.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
    base = next((either.data / "appendonlydir").glob("*.base.aof"))
    assert re.fullmatch(rb"#TS:\d{10}\r\n\*2\r\n\$6\r\nSELECT\r\n\$1\r\n0\r\n\*3\r\n.*", base.read_bytes(), re.DOTALL)
