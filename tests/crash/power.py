"""Power losses worked out from a trace, and what a server makes of them: `python -m tests.crash.power --states 300`.

Idea: a server runs for a second under the shim while clients write and files are rewritten and saved. The trace gives
every moment; for moments that are drawn (those around renames, unlinks and folders first) the disk model draws what a
power loss could leave. A server is started on it and has to hold whatever had been acknowledged by then.

What is acknowledged is read from the replies in the trace: every client counts in its own million, so a number in a
reply says who and how far. `s` and a number in an ECHO says: up to here it is saved (modes rdb and switch).
"""

import argparse
import random
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.support.disk_model import NOT_LAST, Disk, File, State, broken_rules
from tests.support.durable import CONTENDERS, DurableServer
from tests.support.resp import Connection
from tests.support.servers import ServerFailed
from tests.support.shim import Kind, Record, Shim

MODES = ("always", "everysec", "rdb", "switch")
CLIENTS = 3
MILLION = 1_000_000
_SUM = re.compile(rb"\$7\r\n(\d{7})\r\n")
_ENTRY = re.compile(rb"\$9\r\n(\d{7})-1\r\n")
_SAVED = re.compile(rb"\$8\r\ns(\d{7})\r\n")
_AOF_TOKENS = re.compile(rb"\$7\r\n(\d{7})\r\n|\$9\r\n(\d{7}-1)\r\n")
MANY = 20
NAMES_FIRST = (Kind.RENAME, Kind.UNLINK, Kind.MKDIR, Kind.OPEN, Kind.TRUNCATE)


@dataclass
class Acknowledged:
    """How far each client had got, by what had been sent to it."""

    sums: dict[int, int] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)

    def take(self, sums: Sequence[bytes], entries: Sequence[bytes]) -> None:
        for known, numbers in ((self.sums, sums), (self.entries, entries)):
            for text in numbers:
                client, number = divmod(int(text), MILLION)
                known[client] = max(known.get(client, 0), number)


class PowerRun:
    """One traced run of a server in one mode, and the judgement on its power losses."""

    def __init__(self, contender: str, mode: str, seed: int) -> None:
        self.contender, self.mode = contender, mode
        self.chance = random.Random(seed)
        self.server = DurableServer(contender)
        self.shim = Shim(self.server.data)
        self.server.environment = self.shim.environment()
        if mode in ("always", "everysec"):
            self.server.change(appendonly="yes", appendfsync=mode)
        else:
            self.server.change(appendfsync="always")
        self.trace: list[Record] = []
        self.keeps_folders = not self.server.is_mtredis
        """redis-server does not fsync `dir` after it made appendonlydir."""
        self.started: DurableServer | None = None

    def close(self) -> None:
        self.server.close()
        self.shim.close()
        if self.started is not None:
            self.started.close()

    # -- the run

    def record(self, seconds: float = 0.4) -> None:
        """The server lives for about so long; then its trace is there."""
        self.server.start()
        failures: list[BaseException] = []
        stop = threading.Event()
        numbers = range(1, CLIENTS + 1)
        threads = [threading.Thread(target=self._write, args=(number, stop, failures)) for number in numbers]
        for thread in threads:
            thread.start()
        try:
            getattr(self, f"_go_{self.mode}")(seconds)
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        self.server.stop()
        self.trace = self.shim.trace()
        assert not failures, failures

    def _write(self, client: int, stop: threading.Event, failures: list[BaseException]) -> None:
        try:
            with self.server.connect(timeout=60) as connection:
                connection.command("MULTI")
                connection.command("SET", f"a:{client}", client * MILLION)
                connection.command("SET", f"b:{client}", client * MILLION)
                connection.command("EXEC")
                for number in count(1):
                    if stop.is_set():
                        break
                    replies = connection.pipeline([
                        ("XADD", f"q:{client}", f"{client * MILLION + number}-1", "n", number),
                        ("MULTI",), ("INCRBYFLOAT", f"a:{client}", 1), ("INCRBYFLOAT", f"b:{client}", 1), ("EXEC",),
                    ])  # fmt: skip
                    assert not any(reply.is_error for reply in replies), replies
        except BaseException as failure:
            failures.append(failure)

    def _go_always(self, seconds: float) -> None:
        with self.server.connect(timeout=60) as admin:
            for preamble in ("yes", "no"):
                time.sleep(seconds / 4)
                admin.command("CONFIG", "SET", "aof-use-rdb-preamble", preamble)
                assert not admin.command("BGREWRITEAOF").is_error
                self.server.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
                assert not admin.command("BGSAVE").is_error
                self.server.wait_info(rdb_bgsave_in_progress="0")
        time.sleep(seconds / 4)

    _go_everysec = _go_always

    def _go_rdb(self, seconds: float) -> None:
        with self.server.connect(timeout=60) as admin:
            for _ in range(2):
                time.sleep(seconds / 4)
                self._saved(admin, lambda: admin.command("SAVE").data == b"OK")
                time.sleep(seconds / 4)
                self._saved(admin, lambda: self._background_save(admin))

    def _background_save(self, admin: Connection) -> bool:
        assert not admin.command("BGSAVE").is_error
        return self.server.wait_info(rdb_bgsave_in_progress="0")["rdb_last_bgsave_status"] == "ok"

    def _saved(self, admin: Connection, save: Callable[[], bool]) -> None:
        """What is there before a save is saved after it; the trace is told so."""
        keys = [f"a:{client}" for client in range(1, CLIENTS + 1)]
        before = [value for value in admin.command("MGET", *keys).plain() if value is not None]
        assert save()
        admin.pipeline([("ECHO", b"s" + value) for value in before])

    def _go_switch(self, seconds: float) -> None:
        with self.server.connect(timeout=60) as admin:
            time.sleep(seconds / 4)
            self._saved(admin, lambda: admin.command("SAVE").data == b"OK")
            self._saved(admin, lambda: self._switch_on(admin))
            time.sleep(seconds / 4)
            assert not admin.command("BGREWRITEAOF").is_error
            self.server.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
            time.sleep(seconds / 4)

    def _switch_on(self, admin: Connection) -> bool:
        assert admin.command("CONFIG", "SET", "appendonly", "yes").data == b"OK"
        found = self.server.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")
        return found["aof_last_bgrewrite_status"] == "ok"

    # -- rules on the trace

    def broken_rules(self) -> list[str]:
        """What was done in the wrong order."""
        found = broken_rules(self.trace, str(self.server.data.resolve()), keeps_folders=self.keeps_folders)
        if not self.server.is_mtredis:
            found = [each for each in found if not each.startswith(NOT_LAST)]
        return found + (self._early_replies() if self.mode == "always" else [])

    def _early_replies(self) -> list[str]:
        """Replies that left before what they tell of was fsynced."""
        disk, durable, found = Disk(str(self.server.data.resolve())), set[bytes](), []
        scanned: dict[File, int] = {}
        for record in self.trace:
            disk.apply(record)
            if record.kind is Kind.SYNC_END and record.result == 0:
                file = disk.file_of(record)
                assert file is not None
                start = max(0, scanned.get(file, 0) - 40)
                durable |= {one or other for one, other in _AOF_TOKENS.findall(file.synced[start:])}
                scanned[file] = len(file.synced)
            elif record.kind is Kind.SEND:
                told = {one or other for one, other in _AOF_TOKENS.findall(record.data)}
                found += [f"the reply {token!r} left before its fsync" for token in sorted(told - durable)]
        return found

    # -- power losses

    def losses(self, number: int) -> int:
        """So many power losses, all survived; how many there were (raises AssertionError)."""
        disk, acknowledged = Disk(str(self.server.data.resolve()), keeps_folders=self.keeps_folders), Acknowledged()
        moments = self._moments(number)
        done = 0
        for at, record in enumerate(self.trace):
            if record.kind is Kind.SEND:
                self._take(record, acknowledged)
            disk.apply(record)
            for state in disk.states(self.chance, moments.get(at, 0)):
                self._survive(disk, state, acknowledged, at)
                done += 1
        return done

    def _take(self, record: Record, acknowledged: Acknowledged) -> None:
        if self.mode == "always":
            acknowledged.take(_SUM.findall(record.data), _ENTRY.findall(record.data))
        elif self.mode != "everysec":
            acknowledged.take(_SAVED.findall(record.data), ())

    def _moments(self, number: int) -> dict[int, int]:
        """Index in the trace -> how many states to draw there."""

        def where(*kinds: Kind) -> list[int]:
            return [at for at, record in enumerate(self.trace) if record.kind in kinds]

        base = where(Kind.SEND)[0]
        names = [at for at in where(*NAMES_FIRST) if at >= base] or where(*NAMES_FIRST)
        drawn = self.chance.choices(names + [max(0, at - 1) for at in names], k=number // 2)
        drawn += self.chance.choices([at for at in where(Kind.WRITE, Kind.SEND) if at >= base], k=number // 4)
        drawn += self.chance.choices(where(Kind.SYNC_END), k=number - len(drawn))
        return {at: drawn.count(at) + (number > MANY) for at in sorted(set(drawn))}

    def _survive(self, disk: Disk, state: State, acknowledged: Acknowledged, at: int) -> None:
        folder = Path(tempfile.mkdtemp(prefix="mtr-power-"))
        (folder / "data").mkdir()
        disk.write_state(state, folder / "data")
        server = DurableServer(self.contender, folder)
        has_aof = (folder / "data" / "appendonlydir" / "appendonly.aof.manifest").exists()
        is_on = has_aof if self.mode == "switch" else self.mode != "rdb"
        server.change(appendonly="yes" if is_on else "no")
        call = f"{self.trace[at].kind.name} {self.trace[at].path}"
        told = f"after call {at} ({call}): {state.description}; kept in {folder}"
        try:
            server.start()
            self._look(server, acknowledged, told)
        except ServerFailed as failure:
            if not self.server.is_mtredis and "the truncated file is not the last file" in str(failure):
                return  # redis-server fsyncs an increment only after the manifest names the next one
            raise AssertionError(f"{told}\n{failure}") from failure
        finally:
            server.close()
        shutil.rmtree(folder)

    def _look(self, server: DurableServer, acknowledged: Acknowledged, told: str) -> None:
        with server.connect(timeout=30) as connection:
            for client in range(1, CLIENTS + 1):
                a, b = connection.command("MGET", f"a:{client}", f"b:{client}").plain()
                assert a == b, f"half a transaction: {a}, {b} {told}"
                held = int(a) % MILLION if a is not None else 0
                assert held >= acknowledged.sums.get(client, 0), f"{a} < {acknowledged.sums} {told}"
                ids = [entry[0] for entry in connection.command("XRANGE", f"q:{client}", "-", "+").plain()]
                wanted = [b"%d-1" % (client * MILLION + number) for number in range(1, len(ids) + 1)]
                assert ids == wanted, f"a hole among the entries {told}"
                assert len(ids) >= acknowledged.entries.get(client, 0), f"{len(ids)} < {acknowledged.entries} {told}"


def main() -> int:
    """Runs of the modes that are named; 1 when one broke a rule or did not survive."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.power", description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=300, help="power losses of each mode")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--server", choices=CONTENDERS, default="subject", help="mtredis, or redis-server")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments = parser.parse_args()
    failed = 0
    for mode in arguments.modes:
        run = PowerRun(arguments.server, mode, arguments.seed)
        try:
            run.record()
            broken = run.broken_rules()
            kinds = {kind.name: sum(record.kind is kind for record in run.trace) for kind in Kind}
            print(f"{mode}: {len(run.trace)} calls {kinds}; rules broken: {broken or 'none'}", flush=True)
            print(f"{mode}: {run.losses(arguments.states)} power losses survived", flush=True)
            failed += bool(broken)
        except AssertionError as failure:
            failed += 1
            print(f"{mode}: FAILED (seed {arguments.seed}): {failure}", flush=True)
        finally:
            run.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
